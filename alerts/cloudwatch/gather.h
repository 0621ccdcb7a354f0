/* What gathers a period's data from the short memory: a function for each kind of metric. Private to this folder; owned
 * by the publisher's thread. */
#ifndef OXP_CLOUDWATCH_GATHER_H
#define OXP_CLOUDWATCH_GATHER_H

#include "alerts/cloudwatch/counters.h"
#include "alerts/cloudwatch/datum.h"

struct oxp_cw_gather {
    const struct oxp_cw_config *config;
    const struct oxp_labels *target; /* key.h; may be NULL */
    struct oxp_tsdb *tsdb;
    struct oxp_promql_engine *engine;
    struct oxp_cw_counters *counters;
    struct oxp_arena *arena;
    struct oxp_cw_data *data;
    int64_t now_ms, sample_ms;
    int64_t since_ms; /* the period began then: an interval ago, or at the last publishing when that is less */
    /* When the process' counters began at 0, if that was before the period and the publisher began with the process:
     * what was never published is counted from then on. Else 0. */
    int64_t fresh_ms;
    bool alive; /* the short memory was written to lately: what is not in it does not exist */
    struct oxp_buf key;
};

/* ---- gather.c ---- */

/* The dimensions of a series: the section's, then the metric's by labels. A label without a value is no dimension; what
 * is not printable ASCII becomes `\xC3`, byte by byte, counted. NULL without memory. */
const struct oxp_cw_pair *oxp_cw_dimensions_of(struct oxp_cw_gather *gather, const struct oxp_cw_metric *metric,
                                               const struct oxp_labels *labels, size_t *count_out);
bool oxp_cw_same_dimensions(const struct oxp_cw_pair *a, size_t a_count, const struct oxp_cw_pair *b, size_t b_count);
/* Instant, or with step_ms a range. OXP_IGNORED when it failed, which is counted; OXP_ERR_NOMEM. */
enum oxp_status oxp_cw_ask(struct oxp_cw_gather *gather, const struct oxp_cw_metric *metric,
                           const struct oxp_promql_expr *expr, int64_t start_ms, int64_t step_ms,
                           struct oxp_promql_answer **answer_out);

enum oxp_status oxp_cw_gather_gauge(struct oxp_cw_gather *gather, const struct oxp_cw_metric *metric);
enum oxp_status oxp_cw_gather_delta(struct oxp_cw_gather *gather, const struct oxp_cw_metric *metric);

/* ---- rise.c ---- */

/* How the series of an expression rose since they were published last. */
struct oxp_cw_rise {
    const struct oxp_labels *labels; /* good while the answer is */
    double now, last;                /* last: what the ledger has, or what the series began with */
    struct oxp_view key;             /* in the ledger */
};
struct oxp_cw_rises {
    struct oxp_promql_answer *answer;
    struct oxp_cw_rise *list;
    size_t count;
};
/* Evaluates `expr` (the metric's own, or that of its _sum, with `first` for their first values). OXP_IGNORED,
 * OXP_ERR_NOMEM: nothing is to be freed. */
enum oxp_status oxp_cw_rises_ask(struct oxp_cw_gather *gather, const struct oxp_cw_metric *metric,
                                 const struct oxp_promql_expr *expr, const struct oxp_promql_expr *first,
                                 struct oxp_cw_rises *rises_out);
/* Sets their values aside in the ledger, once all went well. OXP_ERR_NOMEM. */
enum oxp_status oxp_cw_rises_keep(struct oxp_cw_gather *gather, const struct oxp_cw_metric *metric,
                                  const struct oxp_cw_rises *rises);
/* One that is smaller than before began anew at 0: it is worth its value. */
static inline double oxp_cw_risen(double now, double last) {
    return now < last ? now : now - last;
}

/* ---- distribution.c ---- */

enum oxp_status oxp_cw_gather_distribution(struct oxp_cw_gather *gather, const struct oxp_cw_metric *metric);

/* Values for buckets that hold something, so that sum(value * count) is `sum` if any values within the buckets can make
 * it so: the middles (of +Inf: its lower bound) times one factor when that keeps each in its bucket; else the same
 * share of the way through every bucket, and what then is too much goes to +Inf; else the middles as they are (`sum`
 * NaN, or one that the buckets contradict). True when the sum is exact. Pure; `values` has room for `count`. */
bool oxp_cw_spread(const struct oxp_cw_bucket *buckets, size_t count, double sum, double *values);

#endif
