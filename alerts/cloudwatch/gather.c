/* Gauges and deltas. */
#include "alerts/cloudwatch/gather.h"

#include <math.h>

/* ---- Dimensions ---- */

/* A copy with `?` for each character that is not printable ASCII. */
static const char *ascii_of(struct oxp_cw_gather *gather, struct oxp_view text) {
    char *copy = oxp_arena_take(gather->arena, text.len + 1);
    size_t len = 0;
    bool replaced = false;
    if (copy == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c >= 0x80 && c < 0xc0) {
            continue; /* goes on with a character */
        }
        bool plain = c >= 0x20 && c < 0x7f;
        if (plain) {
            copy[len++] = text.ptr[i];
        } else {
            copy[len++] = '?';
        }
        replaced = replaced || !plain;
    }
    copy[len] = '\0';
    gather->data->published->replaced += replaced;
    return copy;
}

const struct oxp_cw_pair *oxp_cw_dimensions_of(struct oxp_cw_gather *gather, const struct oxp_cw_metric *metric,
                                               const struct oxp_labels *labels, size_t *count_out) {
    const struct oxp_cw_config *config = gather->config;
    size_t count = config->dimension_count;
    *count_out = count;
    if (metric->label_count == 0) {
        static const struct oxp_cw_pair none = {"", ""};
        return count == 0 ? &none : config->dimensions;
    }
    struct oxp_cw_pair *pairs = oxp_arena_zero(gather->arena, count + metric->label_count, sizeof *pairs);
    for (size_t i = 0; i < count && pairs != NULL; i++) {
        pairs[i] = config->dimensions[i];
    }
    for (size_t i = 0; i < metric->label_count && pairs != NULL; i++) {
        const struct oxp_symbol *value = oxp_labels_find(labels, oxp_view_from(metric->labels[i].value));
        if (value == NULL) {
            continue; /* CloudWatch has no empty values */
        }
        pairs[count].name = metric->labels[i].name;
        pairs[count].value = ascii_of(gather, oxp_symbol_view(value));
        if (pairs[count++].value == NULL) {
            return NULL;
        }
    }
    *count_out = count;
    return pairs;
}

bool oxp_cw_same_dimensions(const struct oxp_cw_pair *a, size_t a_count, const struct oxp_cw_pair *b, size_t b_count) {
    if (a_count != b_count) {
        return false;
    }
    for (size_t i = 0; i < a_count; i++) { /* the metric's order, in both */
        if (strcmp(a[i].name, b[i].name) != 0 || strcmp(a[i].value, b[i].value) != 0) {
            return false;
        }
    }
    return true;
}

/* Where a datum of these dimensions is among those from `from` on; data->count when there is none. */
static size_t find_datum(const struct oxp_cw_data *data, size_t from, const struct oxp_cw_pair *pairs, size_t count) {
    size_t i = from;
    while (i < data->count &&
           !oxp_cw_same_dimensions(data->list[i].dimensions, data->list[i].dimension_count, pairs, count)) {
        i++;
    }
    return i;
}

/* ---- Questions ---- */

enum oxp_status oxp_cw_ask(struct oxp_cw_gather *gather, const struct oxp_cw_metric *metric,
                           const struct oxp_promql_expr *expr, int64_t start_ms, int64_t step_ms,
                           struct oxp_promql_answer **answer_out) {
    const struct oxp_promql_request request = {
        .expr = expr, .start_ms = start_ms, .end_ms = gather->now_ms, .step_ms = step_ms};
    struct oxp_error error = {0};
    *answer_out = NULL;
    enum oxp_status status = oxp_promql_query(gather->engine, gather->tsdb, &request, answer_out, &error);
    if (status == OXP_OK || status == OXP_ERR_NOMEM) {
        return status;
    }
    oxp_cw_failed(gather->data, metric->name, error.text);
    return OXP_IGNORED;
}

/* ---- Gauges ---- */

static bool take_points(struct oxp_cw_gather *gather, const struct oxp_promql_series *series,
                        struct oxp_cw_datum *datum) {
    double *values = oxp_arena_zero(gather->arena, series->count, sizeof *values);
    if (values == NULL) {
        return false;
    }
    for (size_t i = 0; i < series->count; i++) {
        double value = series->value[i];
        if (isnan(value)) {
            continue; /* not seen */
        }
        datum->least = datum->count == 0 || value < datum->least ? value : datum->least;
        datum->most = datum->count == 0 || value > datum->most ? value : datum->most;
        datum->sum += value;
        datum->count++;
        values[datum->value_count++] = value;
    }
    datum->values = values;
    return true;
}

static enum oxp_status add_gauge(struct oxp_cw_gather *gather, const struct oxp_cw_metric *metric,
                                 const struct oxp_promql_series *series, size_t from) {
    struct oxp_cw_datum datum = {.name = metric->name, .unit = metric->unit, .form = OXP_CW_SET};
    datum.dimensions = oxp_cw_dimensions_of(gather, metric, series->labels, &datum.dimension_count);
    if (datum.dimensions == NULL || !take_points(gather, series, &datum)) {
        return OXP_ERR_NOMEM;
    }
    if (datum.count == 0) {
        oxp_cw_leave_out(gather->data, metric->name, "the values of the period are not numbers");
        return OXP_OK;
    }
    if (find_datum(gather->data, from, datum.dimensions, datum.dimension_count) < gather->data->count) {
        return OXP_IGNORED;
    }
    return oxp_cw_data_add(gather->data, &datum);
}

/* The values at the samples' times within the period: at now, a sample's distance earlier, and so on. */
enum oxp_status oxp_cw_gather_gauge(struct oxp_cw_gather *gather, const struct oxp_cw_metric *metric) {
    int64_t back = (gather->now_ms - gather->since_ms - 1) / gather->sample_ms * gather->sample_ms;
    struct oxp_promql_answer *answer;
    size_t from = gather->data->count;
    enum oxp_status status =
        oxp_cw_ask(gather, metric, metric->parsed, gather->now_ms - back, gather->sample_ms, &answer);
    if (status != OXP_OK) {
        return status == OXP_IGNORED ? OXP_OK : status;
    }
    for (size_t i = 0; i < answer->count && status == OXP_OK; i++) {
        status = add_gauge(gather, metric, &answer->series[i], from);
    }
    if (status == OXP_IGNORED) {
        gather->data->count = from; /* which of them would be meant? */
        oxp_cw_failed(gather->data, metric->name,
                      "several series have the same dimensions; add them up in the expression, or name a dimension");
        status = OXP_OK;
    }
    oxp_promql_answer_free(answer);
    return status;
}

/* ---- Deltas ---- */

static enum oxp_status add_delta(struct oxp_cw_gather *gather, const struct oxp_cw_metric *metric,
                                 const struct oxp_labels *labels, double value, size_t from) {
    struct oxp_cw_datum datum = {
        .name = metric->name, .unit = metric->unit, .form = OXP_CW_NUMBER, .delta = true, .value = value};
    datum.dimensions = oxp_cw_dimensions_of(gather, metric, labels, &datum.dimension_count);
    if (datum.dimensions == NULL) {
        return OXP_ERR_NOMEM;
    }
    size_t at = find_datum(gather->data, from, datum.dimensions, datum.dimension_count);
    if (at < gather->data->count) {
        gather->data->list[at].value += value;
        return OXP_OK;
    }
    return oxp_cw_data_add(gather->data, &datum);
}

enum oxp_status oxp_cw_gather_delta(struct oxp_cw_gather *gather, const struct oxp_cw_metric *metric) {
    struct oxp_cw_rises rises;
    size_t from = gather->data->count;
    enum oxp_status status = oxp_cw_rises_ask(gather, metric, metric->parsed, metric->first, &rises);
    if (status != OXP_OK) {
        return status == OXP_IGNORED ? OXP_OK : status;
    }
    for (size_t i = 0; i < rises.count && status == OXP_OK; i++) {
        double risen = oxp_cw_risen(rises.list[i].now, rises.list[i].last);
        status = add_delta(gather, metric, rises.list[i].labels, risen, from);
    }
    if (status == OXP_OK && gather->data->count == from && metric->label_count == 0 && gather->alive) {
        /* Nothing has been counted yet: that is 0, and alarms need not wait for data. */
        status = add_delta(gather, metric, oxp_labels_none(), 0, from);
    }
    status = status == OXP_OK ? oxp_cw_rises_keep(gather, metric, &rises) : status;
    oxp_promql_answer_free(rises.answer);
    return status;
}
