/* Aggregations: the groups, and those that fold the values of a group into one.
 * https://prometheus.io/docs/prometheus/latest/querying/operators/#aggregation-operators
 *
 * Groups are made once for all steps. Then each is folded on its own: its members, one after the other, into one cell a
 * step; the result is written over the first member's array. A step at which no member has a value stays absent.
 *
 * Sums carry the rounding error along (kahan.h); variances are Welford's ("Note on a method for calculating corrected
 * sums of squares and products", 1962). */
#include "alerts/promql/aggregate.h"
#include "alerts/promql/kahan.h"

#include <math.h>

struct cell {
    struct oxp_kahan total; /* sum, avg */
    double value;           /* the extreme, or the sum of squared differences */
    double mean;
    double count;     /* 0: no value yet */
    bool incremental; /* avg: the sum would not fit, so `total` is the mean instead */
};

/* ---- One value more ---- */

static inline void add_sum(struct cell *cell, double value) {
    cell->count++;
    oxp_kahan_add(&cell->total, value);
}

/* The mean is sum by count while the sum fits into a double. When it would not, what there is becomes a mean, and each
 * value moves that: m' = m (n - 1) / n + v / n, with what is lost carried along. */
static inline void add_avg(struct cell *cell, double value) {
    if (cell->count++ == 0) {
        cell->total.sum = value;
        return;
    }
    double before = cell->count - 1, share = before / cell->count;
    if (!cell->incremental) {
        struct oxp_kahan total = cell->total;
        oxp_kahan_add(&total, value);
        if (!isinf(total.sum)) {
            cell->total = total;
            return;
        }
        cell->incremental = true;
        cell->total = (struct oxp_kahan){cell->total.sum / before, cell->total.lost / before};
    }
    cell->total = (struct oxp_kahan){cell->total.sum * share, cell->total.lost * share};
    oxp_kahan_add(&cell->total, value / cell->count);
}

static inline void add_count(struct cell *cell, double value) {
    (void)value;
    cell->count++;
}

/* NaN only when there is nothing else. */
static inline void add_min(struct cell *cell, double value) {
    if (cell->count++ == 0 || cell->value > value || isnan(cell->value)) {
        cell->value = value;
    }
}

static inline void add_max(struct cell *cell, double value) {
    if (cell->count++ == 0 || cell->value < value || isnan(cell->value)) {
        cell->value = value;
    }
}

static inline void add_variance(struct cell *cell, double value) {
    if (cell->count++ == 0) {
        cell->mean = value;
        cell->value = isfinite(value) ? 0 : (double)NAN;
        return;
    }
    double before = value - cell->mean;
    cell->mean += before / cell->count;
    cell->value += before * (value - cell->mean);
}

/* ---- The result ---- */

static double sum_of(const struct cell *cell) {
    return oxp_kahan_total(&cell->total);
}

static double avg_of(const struct cell *cell) {
    double by = cell->incremental ? 1 : cell->count;
    return cell->total.sum / by + cell->total.lost / by;
}

static double count_of(const struct cell *cell) {
    return cell->count;
}

static double value_of(const struct cell *cell) {
    return cell->value;
}

static double one_of(const struct cell *cell) {
    (void)cell;
    return 1;
}

static double stdvar_of(const struct cell *cell) {
    return cell->value / cell->count;
}

static double stddev_of(const struct cell *cell) {
    return sqrt(cell->value / cell->count);
}

/* ---- Columns ---- */

#define FOLD(name)                                                                                                     \
    static void fold_##name(struct cell *cells, const double *values, size_t steps) {                                  \
        for (size_t step = 0; step < steps; step++) {                                                                  \
            if (!oxp_is_absent(values[step])) {                                                                        \
                add_##name(&cells[step], values[step]);                                                                \
            }                                                                                                          \
        }                                                                                                              \
    }
FOLD(sum)
FOLD(avg)
FOLD(count)
FOLD(min)
FOLD(max)
FOLD(variance)

static const struct {
    void (*fold)(struct cell *cells, const double *values, size_t steps);
    double (*result)(const struct cell *cell);
} folds[] = {
    [OXP_AGG_SUM] = {fold_sum, sum_of},
    [OXP_AGG_AVG] = {fold_avg, avg_of},
    [OXP_AGG_COUNT] = {fold_count, count_of},
    [OXP_AGG_MIN] = {fold_min, value_of},
    [OXP_AGG_MAX] = {fold_max, value_of},
    [OXP_AGG_GROUP] = {fold_count, one_of},
    [OXP_AGG_STDDEV] = {fold_variance, stddev_of},
    [OXP_AGG_STDVAR] = {fold_variance, stdvar_of},
};

static void fold_group(const struct oxp_aggregation *aggregation, uint32_t group, struct cell *cells, double *result) {
    enum oxp_promql_aggregation op = aggregation->node->aggregate.op;
    memset(cells, 0, aggregation->steps * sizeof *cells);
    for (uint32_t i = aggregation->members.start[group]; i < aggregation->members.start[group + 1]; i++) {
        folds[op].fold(cells, oxp_aggregation_member(aggregation, i), aggregation->steps);
    }
    for (size_t step = 0; step < aggregation->steps; step++) {
        result[step] = cells[step].count == 0 ? oxp_absent() : folds[op].result(&cells[step]);
    }
}

static enum oxp_status fold_groups(struct oxp_aggregation *aggregation, struct oxp_vector *out) {
    struct cell *cells = oxp_arena_zero(aggregation->arena, aggregation->steps, sizeof *cells);
    if (cells == NULL || !oxp_vector_reserve(aggregation->arena, out, aggregation->grouping.count)) {
        return oxp_query_memory(aggregation->eval->query);
    }
    for (uint32_t group = 0; group < aggregation->grouping.count; group++) {
        const struct oxp_labels *labels =
            oxp_grouping_chosen(&aggregation->grouping, aggregation->grouping.groups[group].first);
        if (labels == NULL) {
            return oxp_query_memory(aggregation->eval->query);
        }
        uint32_t first = aggregation->members.index[aggregation->members.start[group]];
        double *result = aggregation->input->columns[first].value;
        fold_group(aggregation, group, cells, result);
        out->columns[out->count++] = (struct oxp_column){.labels = labels, .value = result};
    }
    return OXP_OK;
}

/* ---- Groups ---- */

static enum oxp_status make_groups(struct oxp_aggregation *aggregation, const struct oxp_label_choice *choice) {
    struct oxp_query_state *query = aggregation->eval->query;
    const struct oxp_vector *input = aggregation->input;
    if (input->count >= OXP_NO_GROUP) {
        return oxp_query_fail(query, OXP_ERR_LIMIT, "too many series for an aggregation");
    }
    uint32_t *group_of = oxp_arena_take(aggregation->arena, input->count * sizeof *group_of);
    if (group_of == NULL) {
        return oxp_query_memory(query);
    }
    oxp_grouping_init(&aggregation->grouping, aggregation->arena, choice);
    for (size_t i = 0; i < input->count; i++) {
        group_of[i] = oxp_grouping_add(&aggregation->grouping, input->columns[i].labels);
        if (group_of[i] == OXP_NO_GROUP) {
            return oxp_query_memory(query);
        }
        enum oxp_status status = oxp_query_check(query, 0);
        if (status != OXP_OK) {
            return status;
        }
    }
    if (!oxp_members_list(aggregation->arena, group_of, input->count, aggregation->grouping.count,
                          &aggregation->members)) {
        return oxp_query_memory(query);
    }
    for (uint32_t group = 0; group < aggregation->grouping.count; group++) {
        size_t count = oxp_members_count(&aggregation->members, group);
        aggregation->largest = count > aggregation->largest ? count : aggregation->largest;
    }
    return OXP_OK;
}

/* What must be said or refused even when there is nothing to aggregate. `choice_out`: the labels that make groups. */
static enum oxp_status check(const struct oxp_aggregation *aggregation, struct oxp_label_choice *choice_out,
                             bool *empty_out) {
    *choice_out = aggregation->node->aggregate.grouping;
    *empty_out = aggregation->input->count == 0;
    switch (aggregation->node->aggregate.op) {
    case OXP_AGG_TOPK:
    case OXP_AGG_BOTTOMK:
        return oxp_aggregate_check_k(aggregation, empty_out);
    case OXP_AGG_QUANTILE:
        oxp_aggregate_check_phi(aggregation);
        return OXP_OK;
    case OXP_AGG_COUNT_VALUES:
        return oxp_aggregate_value_choice(aggregation, choice_out);
    default:
        return OXP_OK;
    }
}

enum oxp_status oxp_eval_aggregate(struct oxp_eval *eval, const struct oxp_promql_node *node, struct oxp_vector *input,
                                   const double *param, struct oxp_view text, struct oxp_vector *out) {
    struct oxp_aggregation aggregation = {
        .eval = eval,
        .node = node,
        .arena = &eval->query->arena,
        .steps = eval->steps,
        .input = input,
        .param = param,
        .text = text,
    };
    struct oxp_label_choice choice;
    bool empty = false;
    *out = (struct oxp_vector){0};
    enum oxp_status status = check(&aggregation, &choice, &empty);
    if (status != OXP_OK || empty) {
        return status;
    }
    status = make_groups(&aggregation, &choice);
    if (status != OXP_OK) {
        return status;
    }
    switch (node->aggregate.op) {
    case OXP_AGG_TOPK:
    case OXP_AGG_BOTTOMK:
        return oxp_aggregate_top(&aggregation, out);
    case OXP_AGG_QUANTILE:
        status = oxp_aggregate_quantile(&aggregation, out);
        break;
    case OXP_AGG_COUNT_VALUES:
        return oxp_aggregate_count_values(&aggregation, out);
    default:
        status = fold_groups(&aggregation, out);
        break;
    }
    if (status == OXP_OK) {
        oxp_vector_compact(out, eval->steps);
    }
    return status;
}
