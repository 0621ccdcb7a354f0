/* What the parts of the aggregations share: the groups of one aggregation. aggregate.c has the groups and what folds a
 * group into one value, rank.c what looks at the order of values, count_values.c the one that makes labels of them. Not
 * for users of the evaluator; owned by the thread that evaluates. */
#ifndef OXP_PROMQL_AGGREGATE_H
#define OXP_PROMQL_AGGREGATE_H

#include "alerts/promql/eval.h"
#include "alerts/promql/grouping.h"

struct oxp_aggregation {
    struct oxp_eval *eval;
    const struct oxp_promql_node *node;
    struct oxp_arena *arena;
    size_t steps;
    struct oxp_vector *input; /* the aggregation's own: results may be written into its arrays */
    const double *param;      /* [steps]; NULL when the aggregation takes none */
    struct oxp_view text;     /* of count_values */
    struct oxp_grouping grouping;
    struct oxp_members members;
    size_t largest; /* members of the largest group */
};

/* The value of a group's member, by its place in the lists. */
static inline const double *oxp_aggregation_member(const struct oxp_aggregation *aggregation, uint32_t place) {
    return aggregation->input->columns[aggregation->members.index[place]].value;
}

/* Each gives the whole result; the groups are made. */
enum oxp_status oxp_aggregate_top(struct oxp_aggregation *aggregation, struct oxp_vector *out); /* topk, bottomk */
enum oxp_status oxp_aggregate_quantile(struct oxp_aggregation *aggregation, struct oxp_vector *out);
enum oxp_status oxp_aggregate_count_values(struct oxp_aggregation *aggregation, struct oxp_vector *out);

/* Before the groups are made, and also when there is nothing to aggregate: refuses what is no number of series, in
 * Prometheus' words. `empty_out`: nothing can come out. */
enum oxp_status oxp_aggregate_check_k(const struct oxp_aggregation *aggregation, bool *empty_out);
/* Warns about quantiles outside [0, 1]. */
void oxp_aggregate_check_phi(const struct oxp_aggregation *aggregation);
/* Refuses what is no label name, and gives the labels that make the groups besides the value. */
enum oxp_status oxp_aggregate_value_choice(const struct oxp_aggregation *aggregation,
                                           struct oxp_label_choice *choice_out);

#endif
