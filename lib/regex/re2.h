/* From RE2's syntax to PCRE2's: inside lib/regex. Pure. */
#ifndef OXP_REGEX_RE2_H
#define OXP_REGEX_RE2_H

#include "lib/base/buf.h"

#define OXP_RE2_PATTERN_MAX 32768 /* bytes */
#define OXP_RE2_DEPTH 250         /* groups inside each other */
#define OXP_RE2_REPEAT_MAX 1000   /* a{n}; RE2's own limit, which also holds for the product of nested ones */

/* Appends to `out` a pattern that means to PCRE2 (UTF, DOLLAR_ENDONLY, and DOTALL where the dot is to match a newline)
 * what `pattern` means to RE2 as Go has it, or says with the byte's column why it has no meaning. `alone`: nothing is
 * put around the pattern, so \Q needs no \E. OXP_ERR_SYNTAX, OXP_ERR_UNSUPPORTED (PCRE2 would know it, RE2 does not),
 * OXP_ERR_LIMIT. */
enum oxp_status oxp_re2_translate(struct oxp_view pattern, bool alone, struct oxp_buf *out, struct oxp_error *error);

#endif
