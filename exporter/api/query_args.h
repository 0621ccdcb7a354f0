/* The arguments of the Prometheus HTTP API (https://prometheus.io/docs/prometheus/latest/querying/api/): times,
 * durations, limits, escaped label names and match[] selectors, with Prometheus' words for what is wrong with them.
 * Pure: any thread. */
#ifndef OXP_API_QUERY_ARGS_H
#define OXP_API_QUERY_ARGS_H

#include "alerts/promql/parse.h"
#include "lib/base/buf.h"

/* The bounds of an argument that is not given, as Prometheus has them (about the year 292,000,000). */
#define OXP_QUERY_MIN_MS INT64_C(-9223309901257974000)
#define OXP_QUERY_MAX_MS INT64_C(9223309901257974999)

/* A time: unix seconds with decimals ("1435781451.781", "1.4e9"), or RFC 3339 with any fraction and offset
 * ("2015-07-01T20:10:51.781Z", "…+02:00"), in unix milliseconds; finer fractions are rounded (seconds) or cut (RFC
 * 3339) as there. Times past the bounds above become the bounds. OXP_ERR_SYNTAX: `cannot parse "x" to a valid
 * timestamp`. */
enum oxp_status oxp_query_time(struct oxp_view text, int64_t *ms_out, struct oxp_error *error);
/* A duration: seconds as a number ("15", "0.5", "-1") or a duration of Prometheus ("1m30s"), in milliseconds, cut
 * towards 0. OXP_ERR_SYNTAX: `cannot parse "x" to a valid duration`. */
enum oxp_status oxp_query_duration(struct oxp_view text, int64_t *ms_out, struct oxp_error *error);
/* A limit: a whole number of 0 or more; 0, and an empty text, mean none. OXP_ERR_SYNTAX, OXP_ERR_RANGE. */
enum oxp_status oxp_query_limit(struct oxp_view text, size_t *limit_out, struct oxp_error *error);
/* A label's name as it stands in a path: one that begins with "U__" is unescaped ("U__a_2e_b" is "a.b"; one that is not
 * well escaped stays as it is). OXP_ERR_INVALID: `invalid label name: "x"` (empty, or not UTF-8); OXP_ERR_NOMEM. */
enum oxp_status oxp_query_label_name(struct oxp_view text, struct oxp_buf *name_out, struct oxp_error *error);

/* A text as it stands in a message: quoted, and cut when it is long. */
void oxp_query_quote(struct oxp_view text, char *out, size_t size);
/* What a parser of PromQL says as Prometheus would: `1:5: parse error: …`, into `out`. */
void oxp_query_parse_error(const struct oxp_error *error, char *out, size_t size);

/* ---- Selectors ---- */
struct oxp_query_selectors {
    struct oxp_promql_expr **exprs; /* owned; roots are OXP_NODE_SELECTOR */
    size_t count;
    size_t regex_bytes; /* of their patterns */
};
/* Adds one match[]. `error` is the whole message: `1:5: parse error: …`, or `match[] must contain at least one
 * non-empty matcher`. The status of the parser, or OXP_ERR_INVALID; OXP_ERR_LIMIT past 1,000 of them, or
 * when their patterns take more than OXP_PROMQL_PATTERNS_MAX together. */
enum oxp_status oxp_query_selectors_add(struct oxp_query_selectors *selectors, struct oxp_view text,
                                        struct oxp_error *error);
void oxp_query_selectors_fini(struct oxp_query_selectors *selectors);
/* Whether the first `count` selectors include one that takes these labels. */
bool oxp_query_selectors_accept(const struct oxp_query_selectors *selectors, size_t count,
                                const struct oxp_labels *labels);

/* All selectors within an expression, in the order of the text; offsets and @ are not looked at. Calls `each` until it
 * gives false; false when it did. */
bool oxp_query_each_selector(const struct oxp_promql_node *node,
                             bool (*each)(void *ctx, const struct oxp_promql_node *selector), void *ctx);

#endif
