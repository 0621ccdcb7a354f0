/* The rows of codes.def by name, inside this folder: an id for each, so that the classifier's tables are checked by the
 * compiler. */
#ifndef OXP_RESILIENCE_CODES_H
#define OXP_RESILIENCE_CODES_H

#include "lib/resilience/classify.h"

enum oxp_code_id {
#define CODE(name, ...) OXP_CODE_##name,
#include "lib/resilience/codes.def"
#undef CODE
    OXP_CODES,
    OXP_CODE_NONE = OXP_CODES, /* no row: the evidence says nothing */
};

const struct oxp_code *oxp_code_row(enum oxp_code_id id);
/* The row "unknown" in the category that the code's prefix ("bb_", "net_", …) stands for, or NULL for another prefix.
 */
const struct oxp_code *oxp_code_unknown_of(struct oxp_view name);

/* ASCII order without regard to case, shorter first. */
int oxp_fold_compare(struct oxp_view a, const char *b);
bool oxp_fold_starts(struct oxp_view text, const char *prefix);
bool oxp_fold_ends(struct oxp_view text, const char *suffix);
/* True when `text` holds one of `words` (NULL-terminated list, lower case), with no letter or digit on either side. */
bool oxp_fold_mentions(struct oxp_view text, const char *const *words);

#endif
