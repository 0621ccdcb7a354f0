/* topk, bottomk and quantile: aggregations by the order of values. NaN comes after every number in both of the first
 * two, and before them in a quantile. */
#include "alerts/promql/aggregate.h"
#include "alerts/promql/functions.h"

#include <math.h>
#include <stdlib.h>

/* ---- Parameters ---- */

/* Go's math.Max and math.Min: an infinity wins over NaN, NaN over numbers. */
static double larger(double a, double b) {
    if (a == HUGE_VAL || b == HUGE_VAL) {
        return HUGE_VAL;
    }
    return isnan(a) || isnan(b) ? (double)NAN : a > b ? a : b;
}

struct param {
    double most, least;
    bool has_nan;
};

static struct param look_at(const struct oxp_aggregation *aggregation) {
    struct param seen = {.most = aggregation->param[0], .least = aggregation->param[0]};
    for (size_t step = 0; step < aggregation->steps; step++) {
        double value = aggregation->param[step];
        seen.most = larger(seen.most, value);
        seen.least = -larger(-seen.least, -value);
        seen.has_nan = seen.has_nan || isnan(value);
    }
    return seen;
}

enum oxp_status oxp_aggregate_check_k(const struct oxp_aggregation *aggregation, bool *empty_out) {
    /* What an int64 holds and a double can say. */
    static const double most = 9223372036854774784.0, least = -9223372036854775808.0;
    struct oxp_query_state *query = aggregation->eval->query;
    struct param k = look_at(aggregation);
    char text[OXP_NUMBER_MAX];
    if (k.most < 1) {
        *empty_out = true;
        return OXP_OK;
    }
    if (k.has_nan) {
        return oxp_query_fail(query, OXP_ERR_INVALID, "Parameter value is NaN");
    }
    if (k.least <= least) {
        int len = (int)oxp_promql_number_g(text, k.least, false);
        return oxp_query_fail(query, OXP_ERR_INVALID, "Scalar value %.*s underflows int64", len, text);
    }
    if (k.most >= most) {
        int len = (int)oxp_promql_number_g(text, k.most, false);
        return oxp_query_fail(query, OXP_ERR_INVALID, "Scalar value %.*s overflows int64", len, text);
    }
    return OXP_OK;
}

void oxp_aggregate_check_phi(const struct oxp_aggregation *aggregation) {
    struct oxp_query_state *query = aggregation->eval->query;
    const struct oxp_promql_node *node = aggregation->node->aggregate.param;
    struct param phi = look_at(aggregation);
    if (phi.has_nan) {
        oxp_promql_check_quantile(query, node, (double)NAN);
    }
    if (phi.most > 1) {
        oxp_promql_check_quantile(query, node, phi.most);
    }
    if (phi.least < 0) {
        oxp_promql_check_quantile(query, node, phi.least);
    }
}

/* ---- topk, bottomk ---- A heap of the k best, with the worst of them on top. */

struct ranked {
    double value;
    uint32_t column;
};

struct heap {
    struct ranked *items;
    size_t count;
    bool bottom; /* the smallest are the best */
};

/* True when `a` is no better than `b`. NaN is the worst. */
static bool is_worse(const struct heap *heap, double a, double b) {
    return isnan(a) || (heap->bottom ? a > b : a < b);
}

static void swap_items(struct heap *heap, size_t a, size_t b) {
    struct ranked item = heap->items[a];
    heap->items[a] = heap->items[b];
    heap->items[b] = item;
}

static void heap_push(struct heap *heap, struct ranked item) {
    size_t at = heap->count++;
    heap->items[at] = item;
    while (at > 0) {
        size_t parent = (at - 1) / 2;
        if (!is_worse(heap, heap->items[at].value, heap->items[parent].value)) {
            break;
        }
        swap_items(heap, at, parent);
        at = parent;
    }
}

/* Puts the top where it belongs among the first `count`. */
static void heap_settle(struct heap *heap, size_t count) {
    for (size_t at = 0, child; (child = 2 * at + 1) < count; at = child) {
        if (child + 1 < count && is_worse(heap, heap->items[child + 1].value, heap->items[child].value)) {
            child++;
        }
        if (!is_worse(heap, heap->items[child].value, heap->items[at].value)) {
            break;
        }
        swap_items(heap, at, child);
    }
}

static void heap_offer(struct heap *heap, struct ranked item, size_t k) {
    double worst = heap->count == 0 ? 0 : heap->items[0].value;
    if (heap->count < k) {
        heap_push(heap, item);
    } else if (heap->bottom ? worst > item.value || (isnan(worst) && !isnan(item.value))
                            : worst < item.value || (isnan(worst) && !isnan(item.value))) {
        heap->items[0] = item;
        heap_settle(heap, heap->count);
    }
}

/* The best first. Few are sorted by insertion, as Go's sort does, so that equal ones come out as in Prometheus. */
static void heap_sort(struct heap *heap) {
    enum { FEW = 12 };
    if (heap->count > FEW) {
        for (size_t left = heap->count; left > 1; left--) {
            swap_items(heap, 0, left - 1);
            heap_settle(heap, left - 1);
        }
        return;
    }
    for (size_t i = 1; i < heap->count; i++) {
        for (size_t j = i; j > 0 && is_worse(heap, heap->items[j - 1].value, heap->items[j].value); j--) {
            swap_items(heap, j, j - 1);
        }
    }
}

/* Fills the heap with the best of a group at a step, which may be none. */
static void rank(const struct oxp_aggregation *aggregation, uint32_t group, size_t step, struct heap *heap) {
    double param = aggregation->param[step];
    size_t k = param < 1 ? 0 : param > (double)aggregation->largest ? aggregation->largest : (size_t)param;
    heap->count = 0;
    if (k == 0) {
        return;
    }
    for (uint32_t i = aggregation->members.start[group]; i < aggregation->members.start[group + 1]; i++) {
        double value = oxp_aggregation_member(aggregation, i)[step];
        if (!oxp_is_absent(value)) {
            heap_offer(heap, (struct ranked){value, aggregation->members.index[i]}, k);
        }
    }
}

/* One step: the columns in the order of their rank. */
static enum oxp_status top_instant(struct oxp_aggregation *aggregation, struct heap *heap, struct oxp_vector *out) {
    for (uint32_t group = 0; group < aggregation->grouping.count; group++) {
        rank(aggregation, group, 0, heap);
        heap_sort(heap);
        for (size_t i = 0; i < heap->count; i++) {
            const struct oxp_column *column = &aggregation->input->columns[heap->items[i].column];
            if (oxp_vector_add(aggregation->arena, out, column->labels, column->value, 1) == NULL) {
                return oxp_query_memory(aggregation->eval->query);
            }
        }
    }
    out->ordered = true;
    return OXP_OK;
}

/* Many steps: the input's columns, without the values that are not among the best. */
static enum oxp_status top_range(struct oxp_aggregation *aggregation, struct heap *heap, struct oxp_vector *out) {
    struct oxp_column *columns = aggregation->input->columns;
    for (uint32_t group = 0; group < aggregation->grouping.count; group++) {
        for (size_t step = 0; step < aggregation->steps; step++) {
            rank(aggregation, group, step, heap);
            for (uint32_t i = aggregation->members.start[group]; i < aggregation->members.start[group + 1]; i++) {
                columns[aggregation->members.index[i]].value[step] = oxp_absent();
            }
            for (size_t i = 0; i < heap->count; i++) {
                columns[heap->items[i].column].value[step] = heap->items[i].value;
            }
            enum oxp_status status = oxp_query_check(aggregation->eval->query, 0);
            if (status != OXP_OK) {
                return status;
            }
        }
    }
    *out = *aggregation->input;
    out->ordered = false;
    oxp_vector_compact(out, aggregation->steps);
    return OXP_OK;
}

enum oxp_status oxp_aggregate_top(struct oxp_aggregation *aggregation, struct oxp_vector *out) {
    struct heap heap = {.bottom = aggregation->node->aggregate.op == OXP_AGG_BOTTOMK};
    heap.items = oxp_arena_take(aggregation->arena, aggregation->largest * sizeof *heap.items);
    if (heap.items == NULL) {
        return oxp_query_memory(aggregation->eval->query);
    }
    return aggregation->steps == 1 ? top_instant(aggregation, &heap, out) : top_range(aggregation, &heap, out);
}

/* ---- quantile ---- */

static int compare_values(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void swap_values(double *a, double *b) {
    double value = *a;
    *a = *b;
    *b = value;
}

/* The middle one of the first, the middle and the last. */
static double pivot_of(const double *values, size_t count) {
    double a = values[0], b = values[count / 2], c = values[count - 1];
    double low = a < b ? a : b, high = a < b ? b : a;
    return c < low ? low : c > high ? high : c;
}

/* Puts the value that sorting would put at `place` there, smaller ones before it and larger ones behind (C. A. R.
 * Hoare, "Algorithm 65: Find", 1961). Values that make it slow are sorted in the end. No NaN. */
static void select_value(double *values, size_t count, size_t place) {
    enum { FEW = 16, ROUNDS_MAX = 64 };
    for (int round = 0; count > FEW && round < ROUNDS_MAX; round++) {
        double pivot = pivot_of(values, count);
        size_t low = 0, high = count - 1;
        for (;; low++, high--) {
            while (values[low] < pivot) {
                low++;
            }
            while (values[high] > pivot) {
                high--;
            }
            if (low >= high) {
                break;
            }
            swap_values(&values[low], &values[high]);
        }
        /* Nothing before `low` is larger than what stands from there on. */
        if (place < low) {
            count = low;
        } else {
            values += low;
            count -= low;
            place -= low;
        }
    }
    qsort(values, count, sizeof *values, compare_values);
}

double oxp_quantile(double phi, double *values, size_t count) {
    if (count == 0 || isnan(phi)) {
        return (double)NAN;
    }
    if (phi < 0 || phi > 1) {
        return phi < 0 ? -HUGE_VAL : HUGE_VAL;
    }
    double rank = phi * (double)(count - 1), below = floor(rank), weight = rank - below;
    size_t lower = (size_t)below, upper = lower + 1 < count ? lower + 1 : count - 1, nans = 0;
    for (size_t i = 0; i < count; i++) {
        if (isnan(values[i])) {
            swap_values(&values[i], &values[nans++]);
        }
    }
    if (lower < nans) {
        return (double)NAN;
    }
    select_value(values + nans, count - nans, lower - nans);
    double next = values[upper];
    for (size_t i = upper; i < count; i++) {
        next = values[i] < next ? values[i] : next;
    }
    return values[lower] * (1 - weight) + next * weight;
}

/* Over the first member's array, step by step. */
static void quantile_group(const struct oxp_aggregation *aggregation, uint32_t group, double *scratch, double *result) {
    for (size_t step = 0; step < aggregation->steps; step++) {
        size_t count = 0;
        for (uint32_t i = aggregation->members.start[group]; i < aggregation->members.start[group + 1]; i++) {
            double value = oxp_aggregation_member(aggregation, i)[step];
            scratch[count] = value;
            count += !oxp_is_absent(value);
        }
        result[step] = count == 0 ? oxp_absent() : oxp_quantile(aggregation->param[step], scratch, count);
    }
}

enum oxp_status oxp_aggregate_quantile(struct oxp_aggregation *aggregation, struct oxp_vector *out) {
    double *scratch = oxp_arena_take(aggregation->arena, aggregation->largest * sizeof *scratch);
    if (scratch == NULL) {
        return oxp_query_memory(aggregation->eval->query);
    }
    for (uint32_t group = 0; group < aggregation->grouping.count; group++) {
        const struct oxp_labels *labels =
            oxp_grouping_chosen(&aggregation->grouping, aggregation->grouping.groups[group].first);
        uint32_t first = aggregation->members.index[aggregation->members.start[group]];
        double *result = aggregation->input->columns[first].value;
        if (labels == NULL || oxp_vector_add(aggregation->arena, out, labels, result, aggregation->steps) == NULL) {
            return oxp_query_memory(aggregation->eval->query);
        }
        quantile_group(aggregation, group, scratch, result);
        enum oxp_status status = oxp_query_check(aggregation->eval->query, 0);
        if (status != OXP_OK) {
            return status;
        }
    }
    return OXP_OK;
}
