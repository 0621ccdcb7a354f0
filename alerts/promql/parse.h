/* Text to tree: the PromQL of Prometheus 3.x for floats, checked for types as it is read.
 *
 * What is refused, by name: experimental functions, aggregations (limitk, limit_ratio), modifiers (anchored, smoothed,
 * fill…), duration expressions, native histograms' operators and functions. A parser is pure: any thread. */
#ifndef OXP_PROMQL_PARSE_H
#define OXP_PROMQL_PARSE_H

#include "alerts/promql/tree.h"

#define OXP_PROMQL_TEXT_MAX (1u << 18) /* bytes of an expression */
#define OXP_PROMQL_DEPTH 200           /* nodes inside each other */
#define OXP_PROMQL_MATCHERS_MAX 500    /* of one selector */
#define OXP_PROMQL_NAMES_MAX 1000      /* of one list of labels */
/* Bytes of all compiled patterns of one expression: a short text can make large patterns. */
#define OXP_PROMQL_PATTERNS_MAX ((size_t)8 << 20)

struct oxp_promql_expr {
    struct oxp_arena arena;             /* the tree, the symbols and the text */
    struct oxp_view text;               /* a copy */
    const struct oxp_promql_node *root; /* never NULL after success */
    struct oxp_regex **regexes;         /* compiled patterns of the tree */
    size_t regex_count;
    size_t regex_bytes; /* that they take: at most OXP_PROMQL_PATTERNS_MAX */
    /* How far back of its evaluation time the expression looks at most, in milliseconds: windows, offsets and
     * subqueries, without the lookback of its selectors; INT64_MAX when an @ makes that unknowable. For the check that
     * a rule fits into the retention. */
    int64_t reach_ms;
};

/* Parses a whole expression. On failure nothing is left to free and `error` has line and column (from 1, columns in
 * bytes; both 0 for an empty text, of which Prometheus says "unknown position") and Prometheus' words where they are
 * known
 * (`unexpected "}" in aggregation, expected …`), without the "1:5: parse error: " in front. OXP_ERR_SYNTAX,
 * OXP_ERR_UNSUPPORTED (named), OXP_ERR_LIMIT (too long, too deep, too many labels, matchers or patterns),
 * OXP_ERR_NOMEM. */
enum oxp_status oxp_promql_parse(struct oxp_view text, struct oxp_promql_expr **expr_out, struct oxp_error *error);
void oxp_promql_expr_free(struct oxp_promql_expr *expr); /* NULL is allowed */

/* A selector alone, as match[] of the API has it (`up{job="x"}`, `{__name__=~"a|b"}`; no offset, no @). One that
 * selects everything, such as `{}`, is not refused, as in Prometheus: whoever asks says whether that will do. reach_ms
 * is 0. */
enum oxp_status oxp_promql_parse_selector(struct oxp_view text, struct oxp_promql_expr **expr_out,
                                          struct oxp_error *error);

/* How often a match of one of its patterns came to no end (oxp_regex_limited): when this grows while series are
 * selected, some may have been left out. */
uint64_t oxp_promql_limited(const struct oxp_promql_expr *expr);
/* What is said then. */
#define OXP_PROMQL_PATTERN_LIMIT "a regular expression takes too much to match"

/* A duration of Prometheus ("1h30m", "15s", "500ms"; units y w d h m s ms in that order, each once) in milliseconds.
 * OXP_ERR_SYNTAX, OXP_ERR_RANGE. A minus is not taken. */
enum oxp_status oxp_promql_parse_duration(struct oxp_view text, int64_t *ms_out);
/* The text of a duration as Prometheus writes it ("1h30m", "0s"). */
void oxp_promql_print_duration(struct oxp_buf *out, int64_t ms);

#endif
