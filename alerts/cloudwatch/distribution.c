/* Distributions: how a histogram's buckets rose, as values and counts.
 *
 * CloudWatch makes percentiles of Values and Counts alone, and the average of the same, so that both are right only if
 * the values stand within their buckets and their sum is that of the observations. StatisticValues would carry the sum
 * as it is, but then there are no percentiles. Hence oxp_cw_spread.
 *
 * All buckets of one histogram begin anew together: when one is smaller than before, all are worth their values. */
#include "alerts/cloudwatch/gather.h"

#include "lib/base/number.h"
#include <math.h>
#include <stdlib.h>

/* ---- Values ---- */

static double middle(const struct oxp_cw_bucket *bucket) {
    return isinf(bucket->high) ? bucket->low : bucket->low + (bucket->high - bucket->low) / 2;
}

/* Within rounding: a bound that is met by calculation is met. */
static bool within(const struct oxp_cw_bucket *bucket, double value) {
    double slack = 1e-12 * (fabs(bucket->low) + fabs(value));
    return value >= bucket->low - slack && (isinf(bucket->high) || value <= bucket->high + slack);
}

static bool spread_by_factor(const struct oxp_cw_bucket *buckets, size_t count, double sum, double *values) {
    double made = 0;
    for (size_t i = 0; i < count; i++) {
        made += middle(&buckets[i]) * buckets[i].count;
    }
    double factor = sum / made;
    if (!(made > 0) || !isfinite(factor)) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        values[i] = middle(&buckets[i]) * factor;
        if (!within(&buckets[i], values[i])) {
            return false;
        }
    }
    return true;
}

static bool spread_by_share(const struct oxp_cw_bucket *buckets, size_t count, double sum, double *values) {
    double lows = 0, widths = 0, unbounded = 0;
    for (size_t i = 0; i < count; i++) {
        lows += buckets[i].low * buckets[i].count;
        widths += isinf(buckets[i].high) ? 0 : (buckets[i].high - buckets[i].low) * buckets[i].count;
        unbounded += isinf(buckets[i].high) ? buckets[i].count : 0;
    }
    double rest = sum - lows, slack = 1e-9 * (fabs(sum) + fabs(lows));
    if (!isfinite(rest) || rest < -slack || (rest > widths + slack && unbounded == 0)) {
        return false; /* the buckets contradict it */
    }
    double share = widths > 0 ? fmin(fmax(rest / widths, 0), 1) : 0;
    double above = fmax(rest - share * widths, 0);
    for (size_t i = 0; i < count; i++) {
        values[i] = isinf(buckets[i].high) ? buckets[i].low + above / unbounded
                                           : buckets[i].low + share * (buckets[i].high - buckets[i].low);
    }
    return true;
}

bool oxp_cw_spread(const struct oxp_cw_bucket *buckets, size_t count, double sum, double *values) {
    if (spread_by_factor(buckets, count, sum, values) || spread_by_share(buckets, count, sum, values)) {
        return true;
    }
    for (size_t i = 0; i < count; i++) {
        values[i] = middle(&buckets[i]);
    }
    return false;
}

/* ---- Histograms ---- */

struct bound {
    double le, now, last;
};
struct histogram {
    const struct oxp_labels *labels; /* without le and name */
    struct bound *bounds;
    size_t count;
    bool anew;
};
/* What is published under one set of dimensions. */
struct group {
    const struct oxp_cw_pair *dimensions;
    size_t dimension_count;
    struct oxp_cw_bucket *buckets;
    size_t count;
    double sum; /* NaN: not known of all */
};
struct gathering {
    struct oxp_cw_gather *gather;
    const struct oxp_cw_metric *metric;
    struct histogram *histograms;
    size_t histogram_count;
    struct group *groups;
    size_t group_count;
};

static const struct oxp_labels *identity_of(struct oxp_arena *arena, const struct oxp_labels *labels) {
    struct oxp_labels_builder builder;
    oxp_labels_build(&builder, arena, labels);
    oxp_labels_remove(&builder, OXP_VIEW("le"));
    oxp_labels_remove(&builder, OXP_VIEW(OXP_NAME_LABEL));
    return oxp_labels_finish(&builder);
}

static struct histogram *find_histogram(struct gathering *all, const struct oxp_labels *labels) {
    for (size_t i = 0; i < all->histogram_count; i++) {
        if (oxp_labels_equal(all->histograms[i].labels, labels)) {
            return &all->histograms[i];
        }
    }
    return NULL;
}

static enum oxp_status add_bound(struct gathering *all, const struct oxp_cw_rise *rise) {
    struct oxp_arena *arena = all->gather->arena;
    const struct oxp_symbol *le = oxp_labels_find(rise->labels, OXP_VIEW("le"));
    struct bound bound = {0, rise->now, rise->last};
    if (le == NULL || oxp_number_parse_exposition(oxp_symbol_view(le), &bound.le) != OXP_OK || isnan(bound.le)) {
        oxp_cw_leave_out(all->gather->data, all->metric->name, "a bucket without a bound in its label le");
        return OXP_OK;
    }
    const struct oxp_labels *identity = identity_of(arena, rise->labels);
    if (identity == NULL) {
        return OXP_ERR_NOMEM;
    }
    struct histogram *histogram = find_histogram(all, identity);
    if (histogram == NULL) {
        histogram = &all->histograms[all->histogram_count++]; /* there is room for one each bucket */
        histogram->labels = identity;
    }
    struct bound *grown =
        oxp_arena_grow(arena, histogram->bounds, histogram->count, histogram->count + 1, sizeof *grown);
    if (grown == NULL) {
        return OXP_ERR_NOMEM;
    }
    histogram->bounds = grown;
    histogram->bounds[histogram->count++] = bound;
    histogram->anew = histogram->anew || bound.now < bound.last;
    return OXP_OK;
}

static int compare_bounds(const void *a, const void *b) {
    double x = ((const struct bound *)a)->le, y = ((const struct bound *)b)->le;
    return (x > y) - (x < y);
}

/* ---- Groups ---- */

static struct group *group_of(struct gathering *all, const struct histogram *histogram) {
    size_t count;
    const struct oxp_cw_pair *pairs = oxp_cw_dimensions_of(all->gather, all->metric, histogram->labels, &count);
    if (pairs == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < all->group_count; i++) {
        if (oxp_cw_same_dimensions(all->groups[i].dimensions, all->groups[i].dimension_count, pairs, count)) {
            return &all->groups[i];
        }
    }
    struct group *group = &all->groups[all->group_count++]; /* room for one each histogram */
    group->dimensions = pairs;
    group->dimension_count = count;
    return group;
}

static enum oxp_status add_bucket(struct gathering *all, struct group *group, const struct oxp_cw_bucket *bucket) {
    for (size_t i = 0; i < group->count; i++) {
        if (group->buckets[i].low == bucket->low && group->buckets[i].high == bucket->high) {
            group->buckets[i].count += bucket->count;
            return OXP_OK;
        }
    }
    struct oxp_cw_bucket *grown =
        oxp_arena_grow(all->gather->arena, group->buckets, group->count, group->count + 1, sizeof *grown);
    if (grown == NULL) {
        return OXP_ERR_NOMEM;
    }
    group->buckets = grown;
    group->buckets[group->count++] = *bucket;
    return OXP_OK;
}

/* Buckets are cumulative. Samples of two ticks may be mixed while one is being written: rises are held between 0 and
 * the highest bucket's, so that the count is right over all periods. */
static enum oxp_status add_histogram(struct gathering *all, struct histogram *histogram) {
    struct group *group = group_of(all, histogram);
    enum oxp_status status = group == NULL ? OXP_ERR_NOMEM : OXP_OK;
    qsort(histogram->bounds, histogram->count, sizeof *histogram->bounds, compare_bounds);
    const struct bound *top = &histogram->bounds[histogram->count - 1];
    double total = histogram->anew ? top->now : top->now - top->last, before = 0;
    for (size_t i = 0; i < histogram->count && status == OXP_OK; i++) {
        const struct bound *bound = &histogram->bounds[i];
        double risen = histogram->anew ? bound->now : bound->now - bound->last;
        risen = fmin(fmax(risen, before), total);
        double low = i == 0 ? fmin(0, bound->le) : histogram->bounds[i - 1].le;
        struct oxp_cw_bucket bucket = {low, bound->le, risen - before};
        if (bucket.count > 0 || all->gather->config->lane == OXP_CW_OTLP) {
            status = add_bucket(all, group, &bucket);
        }
        before = risen;
    }
    return status;
}

/* The exact sums: each belongs to the histogram with the same labels. */
static enum oxp_status add_sums(struct gathering *all, const struct oxp_cw_rises *sums) {
    size_t known = 0;
    for (size_t i = 0; i < sums->count; i++) {
        const struct oxp_labels *identity = identity_of(all->gather->arena, sums->list[i].labels);
        if (identity == NULL) {
            return OXP_ERR_NOMEM;
        }
        const struct histogram *histogram = find_histogram(all, identity);
        struct group *group = histogram == NULL ? NULL : group_of(all, histogram);
        if (histogram == NULL) {
            continue;
        }
        if (group == NULL) {
            return OXP_ERR_NOMEM;
        }
        group->sum += histogram->anew ? sums->list[i].now : oxp_cw_risen(sums->list[i].now, sums->list[i].last);
        known++;
    }
    for (size_t i = 0; i < all->group_count && known < all->histogram_count; i++) {
        all->groups[i].sum = NAN;
    }
    return OXP_OK;
}

static int compare_buckets(const void *a, const void *b) {
    double x = ((const struct oxp_cw_bucket *)a)->high, y = ((const struct oxp_cw_bucket *)b)->high;
    return (x > y) - (x < y);
}

/* The buckets as they are, with those that are empty: their bounds are the histogram's. */
static enum oxp_status add_as_is(struct gathering *all, const struct group *group) {
    struct oxp_cw_datum datum = {
        .name = all->metric->name,
        .unit = all->metric->unit,
        .form = OXP_CW_BUCKETS,
        .dimensions = group->dimensions,
        .dimension_count = group->dimension_count,
        .sum = group->sum,
        .buckets = group->buckets,
        .value_count = group->count,
    };
    double count = 0;
    qsort(group->buckets, group->count, sizeof *group->buckets, compare_buckets);
    for (size_t i = 0; i < group->count; i++) {
        count += group->buckets[i].count;
        if (i > 0 && group->buckets[i].low != group->buckets[i - 1].high) {
            oxp_cw_leave_out(all->gather->data, datum.name, "histograms of other buckets have the same dimensions");
            return OXP_OK;
        }
    }
    return count > 0 ? oxp_cw_data_add(all->gather->data, &datum) : OXP_OK;
}

static enum oxp_status add_group(struct gathering *all, const struct group *group) {
    if (all->gather->config->lane == OXP_CW_OTLP) {
        return add_as_is(all, group);
    }
    double *values = oxp_arena_zero(all->gather->arena, 2 * group->count + 1, sizeof *values);
    struct oxp_cw_datum datum = {
        .name = all->metric->name,
        .unit = all->metric->unit,
        .form = OXP_CW_SHARES,
        .dimensions = group->dimensions,
        .dimension_count = group->dimension_count,
        .value_count = group->count,
    };
    if (values == NULL) {
        return OXP_ERR_NOMEM;
    }
    if (group->count == 0) {
        return OXP_OK; /* nothing was observed: there is no value to send */
    }
    if (!oxp_cw_spread(group->buckets, group->count, group->sum, values)) {
        all->gather->data->published->inexact++;
    }
    for (size_t i = 0; i < group->count; i++) {
        values[group->count + i] = group->buckets[i].count;
    }
    datum.values = values;
    datum.counts = values + group->count;
    return oxp_cw_data_add(all->gather->data, &datum);
}

static enum oxp_status gather_both(struct gathering *all, const struct oxp_cw_rises *buckets,
                                   const struct oxp_cw_rises *sums) {
    enum oxp_status status = OXP_OK;
    all->histograms = oxp_arena_zero(all->gather->arena, buckets->count + 1, sizeof *all->histograms);
    all->groups = oxp_arena_zero(all->gather->arena, buckets->count + 1, sizeof *all->groups);
    if (all->histograms == NULL || all->groups == NULL) {
        return OXP_ERR_NOMEM;
    }
    for (size_t i = 0; i < buckets->count && status == OXP_OK; i++) {
        status = add_bound(all, &buckets->list[i]);
    }
    for (size_t i = 0; i < all->histogram_count && status == OXP_OK; i++) {
        status = add_histogram(all, &all->histograms[i]);
    }
    status = status == OXP_OK ? add_sums(all, sums) : status;
    for (size_t i = 0; i < all->group_count && status == OXP_OK; i++) {
        status = add_group(all, &all->groups[i]);
    }
    return status;
}

enum oxp_status oxp_cw_gather_distribution(struct oxp_cw_gather *gather, const struct oxp_cw_metric *metric) {
    struct gathering all = {.gather = gather, .metric = metric};
    struct oxp_cw_rises buckets = {0}, sums = {0};
    enum oxp_status status = oxp_cw_rises_ask(gather, metric, metric->parsed, metric->first, &buckets);
    if (status == OXP_OK) {
        status = oxp_cw_rises_ask(gather, metric, metric->sum, metric->sum_first, &sums);
    }
    if (status == OXP_OK) {
        status = gather_both(&all, &buckets, &sums);
    }
    status = status == OXP_OK ? oxp_cw_rises_keep(gather, metric, &buckets) : status;
    status = status == OXP_OK ? oxp_cw_rises_keep(gather, metric, &sums) : status;
    oxp_promql_answer_free(buckets.answer);
    oxp_promql_answer_free(sums.answer);
    return status == OXP_IGNORED ? OXP_OK : status;
}
