#include "alerts/cloudwatch/encode.h"

enum { MINUTE_MS = 60000 };

/* ---- One datum ---- */

static void write_text(struct oxp_buf *out, const char *key, const char *value) {
    oxp_buf_append_format(out, "\"%s\":", key);
    oxp_buf_append_json_string(out, oxp_view_from(value));
}

static void write_number(struct oxp_buf *out, const char *key, double value) {
    oxp_buf_append_format(out, ",\"%s\":", key);
    oxp_buf_append_json_double(out, oxp_cw_value(value));
}

static void write_array(struct oxp_buf *out, const char *key, const double *values, size_t count) {
    oxp_buf_append_format(out, ",\"%s\":[", key);
    for (size_t i = 0; i < count; i++) {
        oxp_buf_append_text(out, i == 0 ? "" : ",");
        oxp_buf_append_json_double(out, oxp_cw_value(values[i]));
    }
    oxp_buf_append_char(out, ']');
}

static void write_values(struct oxp_buf *out, const struct oxp_cw_datum *datum) {
    switch (datum->form) {
    case OXP_CW_NUMBER:
        write_number(out, "Value", datum->value);
        break;
    case OXP_CW_SET:
        oxp_buf_append_text(out, ",\"StatisticValues\":{\"SampleCount\":");
        oxp_buf_append_json_double(out, datum->count);
        write_number(out, "Sum", datum->sum);
        write_number(out, "Minimum", datum->least);
        write_number(out, "Maximum", datum->most);
        oxp_buf_append_char(out, '}');
        break;
    case OXP_CW_SHARES:
        write_array(out, "Values", datum->values, datum->value_count);
        if (datum->counts != NULL) {
            write_array(out, "Counts", datum->counts, datum->value_count);
        }
        break;
    case OXP_CW_BUCKETS: /* not of this lane */
        break;
    }
}

static void write_datum(struct oxp_buf *out, const struct oxp_cw_config *config, const struct oxp_cw_datum *datum,
                        int64_t now_ms) {
    oxp_buf_append_char(out, '{');
    write_text(out, "MetricName", datum->name);
    for (size_t i = 0; i < datum->dimension_count; i++) {
        oxp_buf_append_text(out, i == 0 ? ",\"Dimensions\":[{" : ",{");
        write_text(out, "Name", datum->dimensions[i].name);
        oxp_buf_append_char(out, ',');
        write_text(out, "Value", datum->dimensions[i].value);
        oxp_buf_append_text(out, i + 1 == datum->dimension_count ? "}]" : "}");
    }
    oxp_buf_append_text(out, ",\"Timestamp\":"); /* JSON 1.0: seconds since the epoch */
    oxp_buf_append_json_double(out, (double)now_ms / 1000);
    if (datum->unit[0] != '\0') {
        oxp_buf_append_char(out, ',');
        write_text(out, "Unit", datum->unit);
    }
    if (config->interval_ms < MINUTE_MS) {
        oxp_buf_append_text(out, ",\"StorageResolution\":1");
    }
    write_values(out, datum);
    oxp_buf_append_char(out, '}');
}

/* ---- Bodies ---- */

struct encoder {
    const struct oxp_cw_config *config;
    struct oxp_arena *arena;
    struct oxp_buf body, datum;
    size_t in_body;
    struct oxp_cw_body *bodies;
    size_t count;
    enum oxp_status status;
};

static void begin_body(struct encoder *encoder) {
    oxp_buf_clear(&encoder->body);
    oxp_buf_append_char(&encoder->body, '{');
    write_text(&encoder->body, "Namespace", encoder->config->namespace_name);
    oxp_buf_append_text(&encoder->body, ",\"MetricData\":[");
    encoder->in_body = 0;
}

static void end_body(struct encoder *encoder) {
    if (encoder->in_body == 0) {
        return;
    }
    oxp_buf_append_text(&encoder->body, "]}");
    struct oxp_view text = oxp_arena_copy(encoder->arena, oxp_buf_view(&encoder->body));
    struct oxp_cw_body *grown =
        oxp_arena_grow(encoder->arena, encoder->bodies, encoder->count, encoder->count + 1, sizeof *grown);
    if (oxp_buf_status(&encoder->body) != OXP_OK || text.ptr == NULL || grown == NULL) {
        encoder->status = OXP_ERR_NOMEM;
        return;
    }
    encoder->bodies = grown;
    encoder->bodies[encoder->count++] = (struct oxp_cw_body){text, encoder->in_body};
}

static void add_datum(struct encoder *encoder, const struct oxp_cw_datum *datum, int64_t now_ms) {
    oxp_buf_clear(&encoder->datum);
    write_datum(&encoder->datum, encoder->config, datum, now_ms);
    if (oxp_buf_status(&encoder->datum) != OXP_OK) {
        encoder->status = OXP_ERR_NOMEM;
        return;
    }
    /* a comma and the end, "]}" */
    if (encoder->in_body == OXP_CW_DATA_MAX || encoder->body.len + encoder->datum.len + 3 > OXP_CW_BODY_MAX) {
        end_body(encoder);
        begin_body(encoder);
    }
    if (encoder->in_body > 0) {
        oxp_buf_append_char(&encoder->body, ',');
    }
    oxp_buf_append_view(&encoder->body, oxp_buf_view(&encoder->datum));
    encoder->in_body++;
}

/* One of more values than a datum may have becomes several of the same time, which CloudWatch adds up. */
static void add_parts(struct encoder *encoder, const struct oxp_cw_datum *datum, int64_t now_ms) {
    struct oxp_cw_datum part = *datum;
    if (datum->form != OXP_CW_SHARES) {
        add_datum(encoder, datum, now_ms);
        return;
    }
    for (size_t at = 0; at < datum->value_count; at += OXP_CW_VALUES_MAX) {
        size_t left = datum->value_count - at;
        part.values = datum->values + at;
        part.counts = datum->counts == NULL ? NULL : datum->counts + at;
        part.value_count = left < OXP_CW_VALUES_MAX ? left : OXP_CW_VALUES_MAX;
        add_datum(encoder, &part, now_ms);
    }
}

enum oxp_status oxp_cw_encode(const struct oxp_cw_config *config, struct oxp_cw_data *data, int64_t now_ms,
                              struct oxp_cw_body **bodies_out, size_t *count_out) {
    struct encoder encoder = {.config = config, .arena = data->arena, .status = OXP_OK};
    oxp_buf_init(&encoder.body, 0);
    oxp_buf_init(&encoder.datum, 0);
    begin_body(&encoder);
    for (size_t i = 0; i < data->count && encoder.status == OXP_OK; i++) {
        const char *wrong = oxp_cw_datum_wrong(&data->list[i]);
        if (wrong == NULL) {
            add_parts(&encoder, &data->list[i], now_ms);
        } else {
            oxp_cw_leave_out(data, data->list[i].name, wrong);
        }
    }
    if (encoder.status == OXP_OK) {
        end_body(&encoder);
    }
    oxp_buf_fini(&encoder.body);
    oxp_buf_fini(&encoder.datum);
    *bodies_out = encoder.bodies;
    *count_out = encoder.status == OXP_OK ? encoder.count : 0;
    return encoder.status;
}
