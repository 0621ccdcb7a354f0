/* The little ini format of AWS' shared files (AWS SDKs and Tools Reference Guide, "Shared config and credentials
 * files"; read as botocore reads it): [sections], name = value or name: value, comments on lines of their own that
 * begin with # or ;. A value is taken as it stands, with what looks like a comment behind it. Lines that stand further
 * in than the name above them are that name's nested settings when it has no value, and are passed over; behind a value
 * they are an error. A name twice in a section, or a section twice, is an error. */
#ifndef OXP_AWS_INI_H
#define OXP_AWS_INI_H

#include "lib/base/arena.h"

struct oxp_aws_setting {
    struct oxp_view profile; /* the section's; "sso-session x" and the like are left out */
    struct oxp_view name;    /* in lower case */
    struct oxp_view value;   /* without outer blanks */
};
struct oxp_aws_ini {
    struct oxp_aws_setting *settings; /* in the arena; one with an empty name stands for the section itself */
    size_t count;
};

/* Reads a whole file. `config`: profiles are called [profile x], but for [default]; else [x]. OXP_ERR_SYNTAX with the
 * line, and `what` (the file's name) in the text; no text ever holds a value. OXP_ERR_LIMIT, OXP_ERR_NOMEM. Views are
 * into `text`, but for names. */
enum oxp_status oxp_aws_ini_parse(struct oxp_view text, bool config, const char *what, struct oxp_arena *arena,
                                  struct oxp_aws_ini *ini_out, struct oxp_error *error);
bool oxp_aws_ini_has(const struct oxp_aws_ini *ini, struct oxp_view profile);
/* The value; NULL pointer when there is none. */
struct oxp_view oxp_aws_ini_get(const struct oxp_aws_ini *ini, struct oxp_view profile, const char *name);

#endif
