/* What the parts of the evaluator share: the state of one query, and one evaluation within it. Not for users: they have
 * engine.h. Owned by the thread that evaluates. */
#ifndef OXP_PROMQL_EVAL_H
#define OXP_PROMQL_EVAL_H

#include "alerts/promql/annotation.h"
#include "alerts/promql/column.h"
#include "alerts/promql/tree.h"
#include "lib/base/clock.h"

struct oxp_query_state {
    struct oxp_arena arena;
    struct oxp_tsdb_reader reader;
    struct oxp_points points; /* reused from series to series */
    const struct oxp_promql_expr *expr;
    uint64_t limited;         /* oxp_promql_limited of it at the beginning */
    struct oxp_view text;     /* of the expression, for places */
    int64_t start_ms, end_ms; /* of the whole query: what @ start() and @ end() mean */
    int64_t lookback_ms;
    int64_t default_step_ms; /* of subqueries that name none */
    /* limits */
    const struct oxp_clock *clock;
    struct oxp_mono deadline;
    size_t memory_max;             /* bytes: the arena and the points together; 0 = no limit */
    size_t points_size;            /* of the points, taken off the arena's cap */
    uint64_t samples, samples_max; /* touched so far; most */
    uint64_t patience;             /* work that may be done before the clock is looked at */
    const _Atomic bool *cancelled; /* may be NULL */
    /* results */
    struct oxp_annotation *annotations;
    size_t annotation_count;
    unsigned line, column; /* of the byte `placed`, that of the node that had something to say last; 0: none yet */
    uint32_t placed;
    struct oxp_error error; /* the reason of a failure, in Prometheus' words */
};

/* One evaluation: at start_ms, start_ms + step_ms, … (`steps` times; step_ms is at least 1). The whole query has one;
 * each subquery and each step-invariant part has its own. */
struct oxp_eval {
    struct oxp_query_state *query;
    int64_t start_ms, step_ms;
    size_t steps;
};

static inline int64_t oxp_eval_time(const struct oxp_eval *eval, size_t step) {
    return eval->start_ms + (int64_t)step * eval->step_ms;
}

/* Accounts `samples` more and looks whether the query must end: OXP_OK, OXP_ERR_LIMIT, OXP_ERR_TIMEOUT, OXP_ERR_CLOSED
 * (cancelled), with the reason in query->error. Call it for every series at least. */
enum oxp_status oxp_query_check(struct oxp_query_state *query, uint64_t samples);
/* The same for work that touches no samples: `values` were calculated, or are about to be. The clock is looked at once
 * in about a million values and in 16 calls of either. */
enum oxp_status oxp_query_work(struct oxp_query_state *query, uint64_t values);
/* OXP_ERR_LIMIT when a match of one of the expression's patterns came to no end since the query began: series may have
 * been left out. */
enum oxp_status oxp_query_patterns(struct oxp_query_state *query);
/* Makes room for `count` points and takes them off the query's memory: they are not in the arena. OXP_ERR_LIMIT,
 * OXP_ERR_NOMEM as the query's. */
enum oxp_status oxp_query_points(struct oxp_query_state *query, size_t count);
/* Fails the query with a sentence (Prometheus' where it has one); gives `status` back. The first sentence stays. */
enum oxp_status oxp_query_fail(struct oxp_query_state *query, enum oxp_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The arena's failure as the query's. */
enum oxp_status oxp_query_memory(struct oxp_query_state *query);
/* Adds an annotation about a node (its line:column is appended as Prometheus does; NULL: none); "PromQL warning: " or
 * "PromQL info: " is put in front unless the sentence has it; a repeated one is kept once. */
void oxp_query_annotate(struct oxp_query_state *query, enum oxp_annotation_level level,
                        const struct oxp_promql_node *node, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Evaluates any node that is not a range (matrix) or a string: a vector, or a scalar as a vector of one column. */
enum oxp_status oxp_eval_node(struct oxp_eval *eval, const struct oxp_promql_node *node, struct oxp_vector *out);

/* ---- binary.c ---- Both sides were evaluated; they are the callee's. Scalars are vectors of one column. */
enum oxp_status oxp_eval_binary(struct oxp_eval *eval, const struct oxp_promql_node *node, struct oxp_vector *left,
                                struct oxp_vector *right, struct oxp_vector *out);
/* -v: negates, drops names. */
enum oxp_status oxp_eval_negate(struct oxp_eval *eval, struct oxp_vector *vector);

/* ---- aggregate.c ---- `param` is the evaluated scalar (one value for each step), or NULL; `text` count_values'
 * label. */
enum oxp_status oxp_eval_aggregate(struct oxp_eval *eval, const struct oxp_promql_node *node, struct oxp_vector *input,
                                   const double *param, struct oxp_view text, struct oxp_vector *out);
/* The phi-quantile as Prometheus interpolates it: changes the order of `values`. NaN for none; ±Inf for phi outside
 * [0, 1]. */
double oxp_quantile(double phi, double *values, size_t count);

#endif
