/* Regular expressions of Prometheus: the one place for PCRE2.
 *
 * Prometheus' patterns are RE2's (https://github.com/google/re2/wiki/Syntax), anchored at both ends, and `.` matches a
 * newline: `\A(?:…)\z` with (?s). What PCRE2 knows and RE2 does not (lookaround, backreferences, atomic groups,
 * possessive quantifiers, recursion, conditions, callouts, \K, \G, …) is refused, so that a pattern means here what it
 * means there. Matching is bounded: a pattern that would need more steps than the limit does not match, and says so.
 * Literals, sets of literals and prefixes are matched without PCRE2. Compiled patterns are immutable: any thread. */
#ifndef OXP_REGEX_REGEX_H
#define OXP_REGEX_REGEX_H

#include "lib/base/buf.h"
#include <oxpecker/status.h>
#include <oxpecker/view.h>

struct oxp_regex;

/* Compiles an anchored pattern. OXP_ERR_SYNTAX or OXP_ERR_UNSUPPORTED with a sentence in `error` (its column is the
 * byte in the pattern, from 1), OXP_ERR_LIMIT for one that is too large, OXP_ERR_NOMEM. */
enum oxp_status oxp_regex_new(struct oxp_view pattern, struct oxp_regex **regex_out, struct oxp_error *error);
/* The same, but as Go's regexp itself reads a pattern, which is what template functions use: it may match anywhere in a
 * text, and `.` matches no newline. oxp_regex_matches then says whether there is a match. */
enum oxp_status oxp_regex_new_loose(struct oxp_view pattern, struct oxp_regex **regex_out, struct oxp_error *error);
void oxp_regex_free(struct oxp_regex *regex); /* NULL is allowed */
struct oxp_view oxp_regex_pattern(const struct oxp_regex *regex);

/* True when the whole of `text` matches; false, too, when the step limit was reached: whoever needs to know whether
 * that can be believed looks at oxp_regex_limited before and behind. After a hundred such matches the pattern is not
 * tried any more and matches nothing, so that many texts cannot make it take long. */
bool oxp_regex_matches(const struct oxp_regex *regex, struct oxp_view text);
/* How often a match of this pattern came to no end: the step limit, no memory, or not tried any more. */
unsigned oxp_regex_limited(const struct oxp_regex *regex);
/* Tries the pattern again: for one that lives long, before each round of use. Any thread. */
void oxp_regex_retry(struct oxp_regex *regex);
/* The memory that a pattern takes, without what matching takes for the while. */
size_t oxp_regex_bytes(const struct oxp_regex *regex);
/* The version and date of the library behind this (PCRE2); stays until the thread ends. */
const char *oxp_regex_library(void);
/* When only some literal texts can match (`a|b|c`, `a(b|c)`), their number, and with `literals_out` not NULL the texts;
 * else 0. They live as long as the pattern. For index lookups. */
size_t oxp_regex_literals(const struct oxp_regex *regex, const struct oxp_view **literals_out);

/* Go's Regexp.Expand after a whole match (label_replace): appends `template` with $1, ${1}, $name and ${name} replaced
 * by what their groups matched (nothing for one that did not, or does not exist), $$ by a dollar. OXP_OK,
 * OXP_END when `text` does not match and nothing was appended (see oxp_regex_limited), or OXP_ERR_NOMEM. */
enum oxp_status oxp_regex_expand(const struct oxp_regex *regex, struct oxp_view text, struct oxp_view template_text,
                                 struct oxp_buf *out);
/* Go's Regexp.ReplaceAllString, for a loose pattern: appends `text` with every match replaced by the expansion of
 * `template`. OXP_OK; OXP_ERR_LIMIT when the step limit was reached or `out` is full, OXP_ERR_NOMEM: then a part may
 * have been appended. OXP_ERR_INVALID for an anchored pattern that was never compiled. */
enum oxp_status oxp_regex_replace_all(const struct oxp_regex *regex, struct oxp_view text,
                                      struct oxp_view template_text, struct oxp_buf *out);

#endif
