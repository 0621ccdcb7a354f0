/* Queries: an expression, a time or a range of times, an answer as Prometheus would give it.
 *
 *     struct oxp_promql_request request = {.expr = expr, .start_ms = now, .end_ms = now};
 *     struct oxp_promql_answer *answer;
 *     if (oxp_promql_query(engine, tsdb, &request, &answer, &error) == OXP_OK) {
 *         … answer->series …
 *         oxp_promql_answer_free(answer);
 *     }
 *
 * An engine holds limits and counts; it may be used by any number of threads at once. */
#ifndef OXP_PROMQL_ENGINE_H
#define OXP_PROMQL_ENGINE_H

#include "alerts/promql/annotation.h"
#include "alerts/promql/parse.h"
#include "alerts/tsdb/tsdb.h"
#include "lib/base/clock.h"

struct oxp_promql_options {
    int64_t lookback_ms;           /* how old the newest sample of a series may be; 0 = 5 min */
    int64_t default_step_ms;       /* of subqueries that name none; 0 = 1 min */
    uint64_t samples_max;          /* samples that one query may touch; 0 = 50 million */
    size_t memory_max;             /* bytes that one query may use; 0 = 256 MiB */
    size_t points_max;             /* steps of a range query; 0 = 11,000 */
    int64_t timeout_ms;            /* 0 = 2 min */
    unsigned concurrency_max;      /* queries at a time; 0 = 20 */
    const struct oxp_clock *clock; /* NULL = the system's */
};

struct oxp_promql_engine;
enum oxp_status oxp_promql_engine_new(const struct oxp_promql_options *options, struct oxp_promql_engine **engine_out);
void oxp_promql_engine_free(struct oxp_promql_engine *engine);
/* Changes the limits of queries that begin later. Any thread. */
void oxp_promql_engine_configure(struct oxp_promql_engine *engine, const struct oxp_promql_options *options);

/* How long a query may take at most. Any thread. */
int64_t oxp_promql_engine_timeout_ms(struct oxp_promql_engine *engine);

struct oxp_promql_engine_stats {
    uint64_t queries, failures, timeouts, refused; /* refused: too many at a time */
    uint64_t samples;                              /* touched by all */
    unsigned active;
};
void oxp_promql_engine_stats(const struct oxp_promql_engine *engine, struct oxp_promql_engine_stats *stats_out);

struct oxp_promql_request {
    const struct oxp_promql_expr *expr;
    int64_t start_ms, end_ms;      /* unix milliseconds; equal for an instant query */
    int64_t step_ms;               /* 0 = an instant query at start_ms; else a range query */
    int64_t lookback_ms;           /* 0 = the engine's */
    int64_t timeout_ms;            /* 0, or more than the engine's = the engine's */
    const _Atomic bool *cancelled; /* set to true, from any thread, it ends the query; may be NULL */
};

struct oxp_promql_series {
    const struct oxp_labels *labels;
    size_t count; /* an instant vector: 1 */
    const int64_t *time_ms;
    const double *value;
};

struct oxp_promql_answer {
    enum oxp_promql_type type; /* a range query answers OXP_PROMQL_MATRIX */
    const struct oxp_promql_series *series;
    size_t count;         /* series; a scalar is one series without labels */
    struct oxp_view text; /* string */
    int64_t text_time_ms;
    const struct oxp_annotation *annotations;
    size_t annotation_count;
    uint64_t samples; /* touched */
    double seconds;
};

/* Evaluates. A matrix is sorted by labels, a vector too unless sort() or topk() gave it an order. The answer holds a
 * reader of the short memory open: free it soon. On failure `error` has Prometheus' words and there is nothing to free:
 * OXP_ERR_INVALID (the expression fails on these samples: duplicate series, many-to-many matching, a type that can't be
 * ranged over …), OXP_ERR_LIMIT (samples, memory, points), OXP_ERR_TIMEOUT, OXP_ERR_CLOSED (cancelled), OXP_ERR_IN_USE
 * (too many queries at a time), OXP_ERR_NOMEM. */
enum oxp_status oxp_promql_query(struct oxp_promql_engine *engine, struct oxp_tsdb *tsdb,
                                 const struct oxp_promql_request *request, struct oxp_promql_answer **answer_out,
                                 struct oxp_error *error);
void oxp_promql_answer_free(struct oxp_promql_answer *answer); /* NULL is allowed */

#endif
