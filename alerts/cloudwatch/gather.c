/* Gauges and deltas. */
#include "alerts/cloudwatch/gather.h"

#include "alerts/cloudwatch/key.h"
#include <math.h>

/* ---- Dimensions ---- */

static bool is_upper_hex(char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F');
}

/* A byte that stands for itself: printable ASCII, but for a backslash that would read as the beginning of `\xC3`. */
static bool is_plain(struct oxp_view text, size_t at) {
    const char *p = text.ptr + at;
    bool escape = text.len - at >= 4 && p[0] == '\\' && p[1] == 'x' && is_upper_hex(p[2]) && is_upper_hex(p[3]);
    return *p >= 0x20 && *p < 0x7f && !escape;
}

/* CloudWatch takes printable ASCII alone: any other byte becomes `\xC3`, its two digits. Two values that differ stay
 * two values, for it can be read back. */
static const char *ascii_of(struct oxp_cw_gather *gather, struct oxp_view text) {
    static const char digits[] = "0123456789ABCDEF";
    char *copy = oxp_arena_take(gather->arena, 4 * text.len + 1);
    size_t len = 0;
    if (copy == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (is_plain(text, i)) {
            copy[len++] = text.ptr[i];
            continue;
        }
        copy[len++] = '\\';
        copy[len++] = 'x';
        copy[len++] = digits[c >> 4];
        copy[len++] = digits[c & 15];
    }
    copy[len] = '\0';
    gather->data->published->replaced += len > text.len;
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

struct gauges {
    const struct oxp_cw_metric *metric;
    size_t from;  /* in the data */
    size_t clash; /* where the one is that has the same dimensions, when OXP_IGNORED is given */
};

static enum oxp_status add_gauge(struct oxp_cw_gather *gather, struct gauges *gauges,
                                 const struct oxp_promql_series *series) {
    const struct oxp_cw_metric *metric = gauges->metric;
    struct oxp_cw_datum datum = {.name = metric->name, .unit = metric->unit, .form = OXP_CW_SET};
    datum.dimensions = oxp_cw_dimensions_of(gather, metric, series->labels, &datum.dimension_count);
    if (datum.dimensions == NULL || !take_points(gather, series, &datum)) {
        return OXP_ERR_NOMEM;
    }
    if (datum.count == 0) {
        oxp_cw_leave_out(gather->data, metric->name, "the values of the period are not numbers");
        return OXP_OK;
    }
    gauges->clash = find_datum(gather->data, gauges->from, datum.dimensions, datum.dimension_count);
    return gauges->clash < gather->data->count ? OXP_IGNORED : oxp_cw_data_add(gather->data, &datum);
}

static void leave_out_gauge(struct oxp_cw_gather *gather, const struct gauges *gauges) {
    oxp_cw_leave_out(gather->data, gauges->metric->name,
                     "several series have the same dimensions; add them up in the expression, or name a dimension");
}

/* Which of several would be meant? None of them is told; the first one keeps the place, empty, until all are seen. */
static enum oxp_status add_or_clash(struct oxp_cw_gather *gather, struct gauges *gauges,
                                    const struct oxp_promql_series *series) {
    enum oxp_status status = add_gauge(gather, gauges, series);
    if (status == OXP_IGNORED) {
        gather->data->list[gauges->clash].count = 0;
        leave_out_gauge(gather, gauges);
    }
    return status == OXP_IGNORED ? OXP_OK : status;
}

static void drop_clashes(struct oxp_cw_gather *gather, const struct gauges *gauges) {
    struct oxp_cw_data *data = gather->data;
    size_t kept = gauges->from;
    for (size_t i = gauges->from; i < data->count; i++) {
        if (data->list[i].count > 0) {
            data->list[kept++] = data->list[i];
        } else {
            leave_out_gauge(gather, gauges);
        }
    }
    data->count = kept;
}

/* What a former host left in the period has the same dimensions as what goes on of it, which is enough: the former one
 * published it. So of series that differ in target labels alone the own one comes first, and a further one is taken
 * only when its dimensions tell them apart. */
static enum oxp_status add_gauges(struct oxp_cw_gather *gather, const struct oxp_cw_metric *metric,
                                  const struct oxp_promql_answer *answer) {
    const struct oxp_cw_key *keys = oxp_cw_keys(gather->arena, gather->target, OXP_VIEW(""), answer);
    struct gauges gauges = {.metric = metric, .from = gather->data->count};
    enum oxp_status status = keys == NULL ? OXP_ERR_NOMEM : OXP_OK;
    for (size_t i = 0; i < answer->count && status == OXP_OK; i++) {
        status = keys[i].twin ? OXP_OK : add_or_clash(gather, &gauges, &answer->series[i]);
    }
    bool alone = gather->data->count == gauges.from; /* none of the twins is the own one: each counts */
    for (size_t i = 0; i < answer->count && status == OXP_OK; i++) {
        if (keys[i].twin) {
            status = alone ? add_or_clash(gather, &gauges, &answer->series[i])
                           : add_gauge(gather, &gauges, &answer->series[i]);
        }
        status = status == OXP_IGNORED ? OXP_OK : status;
    }
    drop_clashes(gather, &gauges);
    return status;
}

/* The values at the samples' times within the period: at now, a sample's distance earlier, and so on. */
enum oxp_status oxp_cw_gather_gauge(struct oxp_cw_gather *gather, const struct oxp_cw_metric *metric) {
    int64_t back = (gather->now_ms - gather->since_ms - 1) / gather->sample_ms * gather->sample_ms;
    struct oxp_promql_answer *answer;
    enum oxp_status status =
        oxp_cw_ask(gather, metric, metric->parsed, gather->now_ms - back, gather->sample_ms, &answer);
    if (status != OXP_OK) {
        return status == OXP_IGNORED ? OXP_OK : status;
    }
    status = add_gauges(gather, metric, answer);
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
