/* What the files of this folder share: the world's answers, small text, and signing's writers. */
#ifndef OXP_AWS_PARTS_H
#define OXP_AWS_PARTS_H

#include "alerts/aws/aws.h"
#include "lib/base/buf.h"

/* ---- The world ---- */

/* What an environment variable says; empty when it is not set. */
struct oxp_view oxp_aws_env(const struct oxp_aws_world *world, const char *name);
/* True for "true" and "1" in any case. */
bool oxp_aws_env_is_true(const struct oxp_aws_world *world, const char *name);
/* Unix milliseconds of the world's clock (NULL = the system's). */
int64_t oxp_aws_now_ms(const struct oxp_aws_world *world);
/* Shorter when the world gives up. */
void oxp_aws_sleep(const struct oxp_aws_world *world, int64_t ms);
bool oxp_aws_given_up(const struct oxp_aws_world *world);

/* ---- Text ---- */

/* The lower-case letter of an upper-case one of ASCII; any other byte as it is. */
char oxp_aws_lower(char c);
/* A copy in lower case, in the arena; the pointer is NULL without memory. */
struct oxp_view oxp_aws_lower_copy(struct oxp_arena *arena, struct oxp_view text);
/* Without blanks (space, tab, CR, LF) at either end. */
struct oxp_view oxp_aws_trim(struct oxp_view text);
/* Equal without regard to ASCII case. */
bool oxp_aws_same(struct oxp_view a, const char *b);
/* The text before the first `c`, and what is behind it in `*rest_out` (may be NULL); all of it when there is none. */
struct oxp_view oxp_aws_before(struct oxp_view text, char c, struct oxp_view *rest_out);
/* True when it may stand in a header or a URL: not empty, printable ASCII without blanks. */
bool oxp_aws_is_token(struct oxp_view text);
/* "a, b and so on" of a foreign text, fit for an error: scrubbed, on one line, cut. */
const char *oxp_aws_safe(struct oxp_view text, char out[161]);
/* Percent-encodes every byte but letters, digits and -_.~ (RFC 3986 section 2.3), and those in `also`. */
void oxp_aws_escape(struct oxp_buf *out, struct oxp_view text, const char *also);
/* A copy in the arena as a NUL-terminated string; NULL without memory. */
const char *oxp_aws_text(struct oxp_arena *arena, struct oxp_view text);
/* printf into the arena; NULL without memory. */
const char *oxp_aws_format(struct oxp_arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- Formats ---- */

/* "20261122T150000Z". */
void oxp_aws_time_format(int64_t ms, char out[17]);
/* The text of the first element of that name, entities replaced, in the arena; empty when there is none. For the small
 * flat answers of the query protocol, not for XML at large. */
struct oxp_view oxp_aws_xml_text(struct oxp_view xml, const char *name, struct oxp_arena *arena);

#endif
