/* How the evaluator gets samples out of the short memory: private to the folder's engine (selector.c, range.c, call.c,
 * eval.c, engine.c). Owned by the thread that evaluates. */
#ifndef OXP_PROMQL_SELECTOR_H
#define OXP_PROMQL_SELECTOR_H

#include "alerts/promql/functions.h"

/* Times of an evaluation and lengths of windows are kept within these, so that no sum or difference of two of them
 * overflows. They are 146 million years apart. */
#define OXP_PROMQL_TIME_MAX ((INT64_C(1) << 62) - 1)
int64_t oxp_promql_time(int64_t time_ms);
/* The moment that a selector or subquery looks at when the evaluation is at `time_ms`: @ and offset applied. */
int64_t oxp_when_time(const struct oxp_query_state *query, const struct oxp_promql_when *when, int64_t time_ms);
/* A length of time within [0, OXP_PROMQL_TIME_MAX]. */
int64_t oxp_promql_length(int64_t length_ms);

/* ---- selector.c ---- */
/* The series of a selector that may have samples in (after_ms, until_ms], sorted by labels. */
enum oxp_status oxp_selector_find(struct oxp_query_state *query, const struct oxp_promql_node *selector,
                                  int64_t after_ms, int64_t until_ms, struct oxp_tsdb_found **found_out,
                                  size_t *count_out);
/* A found series' samples in (after_ms, until_ms] into query->points. */
enum oxp_status oxp_selector_samples(struct oxp_query_state *query, const struct oxp_tsdb_found *found,
                                     int64_t after_ms, int64_t until_ms);
/* A selector's instant vector: at each step the newest sample within the lookback; or, with `times`, that sample's time
 * in seconds (the function timestamp). */
enum oxp_status oxp_selector_eval(struct oxp_eval *eval, const struct oxp_promql_node *selector, bool times,
                                  struct oxp_vector *out);

/* ---- range.c ---- */
/* A call of a function of windows (OXP_FUNCTION_RANGE). `args` are the call's arguments: scalars evaluated, of the
 * range it is empty. Names are as the function wants them. */
enum oxp_status oxp_range_call(struct oxp_call *call, struct oxp_vector *out);
/* For absent_over_time: `seen_out[step]` is true where the window of any series has a sample. */
enum oxp_status oxp_range_seen(struct oxp_eval *eval, const struct oxp_promql_node *range, bool *seen_out);

/* Series as an answer has them: raw samples of a range selector, or a subquery's steps, at the evaluation's first step.
 * Everything is in the query's arena. */
struct oxp_range_series {
    const struct oxp_labels *labels;
    int64_t *time_ms;
    double *value;
    size_t count;
};
enum oxp_status oxp_range_series(struct oxp_eval *eval, const struct oxp_promql_node *range,
                                 struct oxp_range_series **series_out, size_t *count_out);

/* ---- call.c ---- */
enum oxp_status oxp_eval_call(struct oxp_eval *eval, const struct oxp_promql_node *node, struct oxp_vector *out);

/* ---- eval.c ---- */
/* A status of oxp_vector_merge or oxp_vector_drop_names as the query's. */
enum oxp_status oxp_eval_merged(struct oxp_eval *eval, enum oxp_status status);
/* A vector of one column without labels, whose values are to be written; NULL without memory. */
double *oxp_eval_single(struct oxp_eval *eval, struct oxp_vector *out);

#endif
