#include "alerts/promql/selector.h"

/* ---- Times ---- */

int64_t oxp_promql_time(int64_t time_ms) {
    return time_ms > OXP_PROMQL_TIME_MAX ? OXP_PROMQL_TIME_MAX
                                         : (time_ms < -OXP_PROMQL_TIME_MAX ? -OXP_PROMQL_TIME_MAX : time_ms);
}

int64_t oxp_promql_length(int64_t length_ms) {
    return length_ms < 0 ? 0 : oxp_promql_time(length_ms);
}

int64_t oxp_when_time(const struct oxp_query_state *query, const struct oxp_promql_when *when, int64_t time_ms) {
    switch (when->at) {
    case OXP_AT_NONE:
        break;
    case OXP_AT_TIME:
        time_ms = when->at_ms;
        break;
    case OXP_AT_START:
        time_ms = query->start_ms;
        break;
    case OXP_AT_END:
        time_ms = query->end_ms;
        break;
    }
    return oxp_promql_time(oxp_promql_time(time_ms) - oxp_promql_time(when->offset_ms));
}

/* ---- Series ---- */

enum oxp_status oxp_selector_find(struct oxp_query_state *query, const struct oxp_promql_node *selector,
                                  int64_t after_ms, int64_t until_ms, struct oxp_tsdb_found **found_out,
                                  size_t *count_out) {
    enum oxp_status status =
        oxp_tsdb_select(&query->reader, selector->selector.matchers, selector->selector.matcher_count, after_ms + 1,
                        until_ms, &query->arena, found_out, count_out);
    if (status != OXP_OK && status != OXP_ERR_TIMEOUT) {
        return oxp_query_memory(query);
    }
    query->patience = status == OXP_OK ? query->patience : 0; /* it was given up: one of these says why */
    status = oxp_query_patterns(query);
    return status == OXP_OK ? oxp_query_check(query, 0) : status;
}

enum oxp_status oxp_selector_samples(struct oxp_query_state *query, const struct oxp_tsdb_found *found,
                                     int64_t after_ms, int64_t until_ms) {
    enum oxp_status status = oxp_tsdb_samples(&query->reader, found->series, after_ms, until_ms, &query->points);
    return status == OXP_OK ? oxp_query_points(query, query->points.size)
                            : oxp_query_fail(query, OXP_ERR_NOMEM, "out of memory");
}

/* The evaluation's one step, or its step `i`, for a selector. */
static int64_t time_of(const struct oxp_eval *eval, const struct oxp_promql_node *selector, size_t step) {
    return oxp_when_time(eval->query, &selector->selector.when, oxp_eval_time(eval, step));
}

/* One step: the series' newest sample is most often the one, and the short memory knows it without decoding. */
static enum oxp_status eval_instant(struct oxp_eval *eval, const struct oxp_promql_node *selector, bool times,
                                    struct oxp_vector *out) {
    struct oxp_query_state *query = eval->query;
    int64_t until = time_of(eval, selector, 0), after = until - query->lookback_ms;
    struct oxp_tsdb_found *found;
    size_t count;
    enum oxp_status status = oxp_selector_find(query, selector, after, until, &found, &count);
    if (status != OXP_OK) {
        return status;
    }
    double *values = oxp_arena_take(&query->arena, count * sizeof *values);
    if (values == NULL || !oxp_vector_reserve(&query->arena, out, count)) {
        return oxp_query_memory(query);
    }
    for (size_t i = 0; i < count; i++) {
        int64_t time_ms;
        double value;
        bool there =
            oxp_tsdb_newest(&query->reader, found[i].series, after, until, &time_ms, &value) && !oxp_is_stale(value);
        status = oxp_query_check(query, there);
        if (status != OXP_OK) {
            return status;
        }
        if (there) {
            values[out->count] = times ? (double)time_ms / 1000 : value;
            out->columns[out->count] = (struct oxp_column){.labels = found[i].labels, .value = &values[out->count]};
            out->count++;
        }
    }
    return OXP_OK;
}

/* Walks the samples in query->points and the steps side by side. Gives the number of steps that have a value. */
static size_t merge_walk(const struct oxp_eval *eval, const struct oxp_promql_node *selector, bool times,
                         double *values) {
    const struct oxp_points *points = &eval->query->points;
    const double absent = oxp_absent();
    size_t next = 0, present = 0;
    for (size_t step = 0; step < eval->steps; step++) {
        int64_t until = time_of(eval, selector, step);
        while (next < points->count && points->time_ms[next] <= until) {
            next++;
        }
        bool there = next > 0 && points->time_ms[next - 1] > until - eval->query->lookback_ms &&
                     !oxp_is_stale(points->value[next - 1]);
        values[step] = !there ? absent : (times ? (double)points->time_ms[next - 1] / 1000 : points->value[next - 1]);
        present += there;
    }
    return present;
}

static enum oxp_status eval_steps(struct oxp_eval *eval, const struct oxp_promql_node *selector, bool times,
                                  struct oxp_vector *out) {
    struct oxp_query_state *query = eval->query;
    int64_t after = time_of(eval, selector, 0) - query->lookback_ms, until = time_of(eval, selector, eval->steps - 1);
    struct oxp_tsdb_found *found;
    size_t count;
    enum oxp_status status = oxp_selector_find(query, selector, after, until, &found, &count);
    double *values = NULL; /* of a series that turned out to have none: the next one's */
    for (size_t i = 0; status == OXP_OK && i < count; i++) {
        status = oxp_selector_samples(query, &found[i], after, until);
        status = status == OXP_OK ? oxp_query_check(query, query->points.count) : status;
        if (status != OXP_OK || query->points.count == 0) {
            continue;
        }
        if (values == NULL) {
            values = oxp_column_values(&query->arena, eval->steps);
        }
        if (values == NULL) {
            return oxp_query_memory(query);
        }
        if (merge_walk(eval, selector, times, values) != 0) {
            if (oxp_vector_add(&query->arena, out, found[i].labels, values, eval->steps) == NULL) {
                return oxp_query_memory(query);
            }
            values = NULL;
        }
    }
    return status;
}

enum oxp_status oxp_selector_eval(struct oxp_eval *eval, const struct oxp_promql_node *selector, bool times,
                                  struct oxp_vector *out) {
    return eval->steps == 1 ? eval_instant(eval, selector, times, out) : eval_steps(eval, selector, times, out);
}
