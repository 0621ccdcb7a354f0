/* Data as the OpenTelemetry protocol's ExportMetricsServiceRequest in its JSON mapping
 * (https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding: 64-bit integers are texts, enumerations numbers,
 * times nanoseconds since the epoch; the messages are opentelemetry-proto's metrics/v1):
 *
 *     {"resourceMetrics":[{"resource":{"attributes":[…]},"scopeMetrics":[{"scope":{"name":"oxpecker"},"metrics":[…]}]}]}
 *
 *  - a gauge is a Gauge of the last value seen in the period;
 *  - a delta is a monotonic Sum, a distribution a Histogram with its own bounds, both of delta temporality, with the
 *    time since which they count;
 *  - dimensions are attributes of the data point, so that PromQL sees them as labels by their bare names.
 *
 * Data of one metric that follow each other are points of one. Pure. */
#include "alerts/cloudwatch/encode.h"

#include <math.h>

#define TEMPORALITY_DELTA 1 /* AGGREGATION_TEMPORALITY_DELTA */
#define BODY_END "]}]}]}"
#define NS_DIGITS "000000" /* behind milliseconds */

/* ---- One point ---- */

/* UCUM's for CloudWatch's; a count has none, nor have those that are not here. */
static const char *unit_of(const char *unit) {
    static const char *const units[][2] = {
        {"Seconds", "s"},
        {"Milliseconds", "ms"},
        {"Microseconds", "us"},
        {"Bytes", "By"},
        {"Kilobytes", "kBy"},
        {"Megabytes", "MBy"},
        {"Gigabytes", "GBy"},
        {"Terabytes", "TBy"},
        {"Bits", "bit"},
        {"Kilobits", "kbit"},
        {"Megabits", "Mbit"},
        {"Gigabits", "Gbit"},
        {"Terabits", "Tbit"},
        {"Percent", "%"},
        {"Bytes/Second", "By/s"},
        {"Kilobytes/Second", "kBy/s"},
        {"Megabytes/Second", "MBy/s"},
        {"Gigabytes/Second", "GBy/s"},
        {"Terabytes/Second", "TBy/s"},
        {"Bits/Second", "bit/s"},
        {"Kilobits/Second", "kbit/s"},
        {"Megabits/Second", "Mbit/s"},
        {"Gigabits/Second", "Gbit/s"},
        {"Terabits/Second", "Tbit/s"},
        {"Count/Second", "/s"},
    };
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (strcmp(units[i][0], unit) == 0) {
            return units[i][1];
        }
    }
    return "";
}

static void write_attributes(struct oxp_buf *out, const struct oxp_cw_pair *pairs, size_t count) {
    oxp_buf_append_text(out, "\"attributes\":[");
    for (size_t i = 0; i < count; i++) {
        oxp_buf_append_text(out, i == 0 ? "{\"key\":" : ",{\"key\":");
        oxp_buf_append_json_string(out, oxp_view_from(pairs[i].name));
        oxp_buf_append_text(out, ",\"value\":{\"stringValue\":");
        oxp_buf_append_json_string(out, oxp_view_from(pairs[i].value));
        oxp_buf_append_text(out, "}}");
    }
    oxp_buf_append_char(out, ']');
}

static void write_time(struct oxp_buf *out, const char *key, int64_t ms) {
    oxp_buf_append_format(out, ",\"%s\":\"%lld" NS_DIGITS "\"", key, (long long)ms);
}

static long long whole(double count) {
    return llround(fmin(count, 9e18));
}

/* Bounds are those between the buckets; one that is bounded above has an empty one behind it. */
static void write_buckets(struct oxp_buf *out, const struct oxp_cw_datum *datum) {
    const struct oxp_cw_bucket *buckets = datum->buckets;
    size_t count = datum->value_count;
    bool open = isinf(buckets[count - 1].high);
    long long total = 0;
    oxp_buf_append_text(out, ",\"bucketCounts\":[");
    for (size_t i = 0; i < count; i++) {
        oxp_buf_append_format(out, "%s\"%lld\"", i == 0 ? "" : ",", whole(buckets[i].count));
        total += whole(buckets[i].count);
    }
    oxp_buf_append_text(out, open ? "],\"explicitBounds\":[" : ",\"0\"],\"explicitBounds\":[");
    for (size_t i = 0; i < (open ? count - 1 : count); i++) {
        oxp_buf_append_text(out, i == 0 ? "" : ",");
        oxp_buf_append_json_double(out, buckets[i].high);
    }
    oxp_buf_append_format(out, "],\"count\":\"%lld\"", total);
    if (!isnan(datum->sum)) {
        oxp_buf_append_text(out, ",\"sum\":");
        oxp_buf_append_json_double(out, oxp_cw_value(datum->sum));
    }
}

struct period {
    int64_t since_ms, now_ms;
};

static void write_point(struct oxp_buf *out, const struct oxp_cw_datum *datum, const struct period *period) {
    oxp_buf_append_char(out, '{');
    write_attributes(out, datum->dimensions, datum->dimension_count);
    if (datum->delta || datum->form == OXP_CW_BUCKETS) {
        write_time(out, "startTimeUnixNano", period->since_ms);
    }
    write_time(out, "timeUnixNano", period->now_ms);
    if (datum->form == OXP_CW_BUCKETS) {
        write_buckets(out, datum);
    } else {
        double last = datum->form == OXP_CW_SET ? datum->values[datum->value_count - 1] : datum->value;
        oxp_buf_append_text(out, ",\"asDouble\":");
        oxp_buf_append_json_double(out, oxp_cw_value(last));
    }
    oxp_buf_append_char(out, '}');
}

/* ---- One metric ---- */

static const char *kind_of(const struct oxp_cw_datum *datum) {
    if (datum->form == OXP_CW_BUCKETS) {
        return "histogram";
    }
    return datum->delta ? "sum" : "gauge";
}

static void begin_metric(struct oxp_buf *out, const struct oxp_cw_datum *datum) {
    const char *unit = unit_of(datum->unit);
    oxp_buf_append_text(out, "{\"name\":");
    oxp_buf_append_json_string(out, oxp_view_from(datum->name));
    if (unit[0] != '\0') {
        oxp_buf_append_format(out, ",\"unit\":\"%s\"", unit);
    }
    oxp_buf_append_format(out, ",\"%s\":{\"dataPoints\":[", kind_of(datum));
}

static void end_metric(struct oxp_buf *out, const struct oxp_cw_datum *datum) {
    oxp_buf_append_char(out, ']');
    if (datum->delta || datum->form == OXP_CW_BUCKETS) {
        oxp_buf_append_format(out, ",\"aggregationTemporality\":%d", TEMPORALITY_DELTA);
    }
    oxp_buf_append_text(out, datum->delta ? ",\"isMonotonic\":true}}" : "}}");
}

static bool same_metric(const struct oxp_cw_datum *a, const struct oxp_cw_datum *b) {
    return strcmp(a->name, b->name) == 0 && strcmp(a->unit, b->unit) == 0 && kind_of(a) == kind_of(b);
}

/* ---- Bodies ---- */

struct encoder {
    const struct oxp_cw_config *config;
    struct oxp_arena *arena;
    struct period period;
    struct oxp_buf body, metric, point; /* of a body; the beginning of a metric; a point */
    const struct oxp_cw_datum *open;    /* whose metric is being written; NULL = none */
    size_t in_body;
    struct oxp_cw_body *bodies;
    size_t count;
};

static void begin_body(struct encoder *encoder) {
    oxp_buf_clear(&encoder->body);
    oxp_buf_append_text(&encoder->body, OXP_CW_OTLP_BEGINNING "[{\"resource\":{");
    write_attributes(&encoder->body, encoder->config->resource, encoder->config->resource_count);
    oxp_buf_append_text(&encoder->body, "},\"scopeMetrics\":[{\"scope\":{\"name\":\"oxpecker\"},\"metrics\":[");
    encoder->in_body = 0;
    encoder->open = NULL;
}

static enum oxp_status end_body(struct encoder *encoder) {
    if (encoder->in_body == 0) {
        return OXP_OK;
    }
    end_metric(&encoder->body, encoder->open);
    oxp_buf_append_text(&encoder->body, BODY_END);
    if (oxp_buf_status(&encoder->body) != OXP_OK) {
        return OXP_ERR_NOMEM;
    }
    struct oxp_view text = oxp_arena_copy(encoder->arena, oxp_buf_view(&encoder->body));
    struct oxp_cw_body *grown =
        oxp_arena_grow(encoder->arena, encoder->bodies, encoder->count, encoder->count + 1, sizeof *grown);
    if (text.ptr == NULL || grown == NULL) {
        return OXP_ERR_NOMEM;
    }
    encoder->bodies = grown;
    encoder->bodies[encoder->count++] = (struct oxp_cw_body){text, encoder->in_body};
    return OXP_OK;
}

/* What all brackets that may have to be closed behind a point take, and a comma. */
#define ENDS_MAX                                                                                                       \
    (sizeof "],"                                                                                                       \
            "\"aggregationTemporality\":1,\"isMonotonic\":true}}," BODY_END)

static enum oxp_status add_datum(struct encoder *encoder, const struct oxp_cw_datum *datum) {
    enum oxp_status status = OXP_OK;
    oxp_buf_clear(&encoder->point);
    oxp_buf_clear(&encoder->metric);
    write_point(&encoder->point, datum, &encoder->period);
    begin_metric(&encoder->metric, datum);
    if (oxp_buf_status(&encoder->point) != OXP_OK || oxp_buf_status(&encoder->metric) != OXP_OK) {
        return OXP_ERR_NOMEM;
    }
    size_t more = encoder->point.len + encoder->metric.len + 2 * ENDS_MAX;
    if (encoder->in_body == OXP_CW_DATA_MAX || encoder->body.len + more > OXP_CW_BODY_MAX) {
        status = end_body(encoder);
        begin_body(encoder);
    }
    if (encoder->open != NULL && same_metric(encoder->open, datum)) {
        oxp_buf_append_char(&encoder->body, ',');
    } else {
        if (encoder->open != NULL) {
            end_metric(&encoder->body, encoder->open);
            oxp_buf_append_char(&encoder->body, ',');
        }
        oxp_buf_append_view(&encoder->body, oxp_buf_view(&encoder->metric));
    }
    oxp_buf_append_view(&encoder->body, oxp_buf_view(&encoder->point));
    encoder->open = datum;
    encoder->in_body++;
    return status;
}

enum oxp_status oxp_cw_otlp(const struct oxp_cw_config *config, struct oxp_cw_data *data, int64_t since_ms,
                            int64_t now_ms, struct oxp_cw_bodies *bodies_out) {
    struct encoder encoder = {.config = config, .arena = data->arena, .period = {since_ms, now_ms}};
    enum oxp_status status = OXP_OK;
    oxp_buf_init(&encoder.body, 0);
    oxp_buf_init(&encoder.metric, 0);
    oxp_buf_init(&encoder.point, 0);
    begin_body(&encoder);
    for (size_t i = 0; i < data->count && status == OXP_OK; i++) {
        const char *wrong = oxp_cw_datum_wrong(&data->list[i]);
        if (wrong == NULL) {
            status = add_datum(&encoder, &data->list[i]);
        } else {
            oxp_cw_leave_out(data, data->list[i].name, wrong);
        }
    }
    if (status == OXP_OK) {
        status = end_body(&encoder);
    }
    oxp_buf_fini(&encoder.body);
    oxp_buf_fini(&encoder.metric);
    oxp_buf_fini(&encoder.point);
    *bodies_out = (struct oxp_cw_bodies){encoder.bodies, status == OXP_OK ? encoder.count : 0};
    return status;
}
