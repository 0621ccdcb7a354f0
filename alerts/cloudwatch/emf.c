/* The embedded metric format: one JSON object a line, from which CloudWatch Logs makes metrics
 * (https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html).
 *
 * A line has one set of dimensions, at most 100 metrics, and at most 100 values of each. It knows no counts: values
 * stand there as often as they were seen, over several lines when there are many; and no statistic sets: a gauge's
 * values themselves stand there. A metric has one member of its line, so a further part of it begins another line. */
#include "alerts/cloudwatch/encode.h"

enum { MINUTE_MS = 60000 };

/* ---- Which data share lines ---- */

static bool same_place(const struct oxp_cw_datum *a, const struct oxp_cw_datum *b) {
    if (a->dimension_count != b->dimension_count) {
        return false;
    }
    for (size_t i = 0; i < a->dimension_count; i++) {
        if (strcmp(a->dimensions[i].name, b->dimensions[i].name) != 0 ||
            strcmp(a->dimensions[i].value, b->dimensions[i].value) != 0) {
            return false;
        }
    }
    return true;
}

/* ---- Values ---- */

static size_t seen(double count) {
    return count >= OXP_CW_EMF_EXPANDED_MAX ? OXP_CW_EMF_EXPANDED_MAX + 1 : (size_t)count;
}

/* How many values the datum has when each is written as often as it was seen. */
static size_t expanded(const struct oxp_cw_datum *datum) {
    size_t total = datum->counts == NULL ? datum->value_count : 0;
    if (datum->form == OXP_CW_NUMBER) {
        return 1;
    }
    for (size_t i = 0; datum->counts != NULL && i < datum->value_count; i++) {
        total += seen(datum->counts[i]);
    }
    return total;
}

/* Values `from` to from + 99 of the expansion. */
static void write_part(struct oxp_buf *out, const struct oxp_cw_datum *datum, size_t from) {
    size_t at = 0, written = 0;
    if (datum->form == OXP_CW_NUMBER) {
        oxp_buf_append_json_double(out, oxp_cw_value(datum->value));
        return;
    }
    for (size_t i = 0; i < datum->value_count; i++) {
        size_t times = datum->counts == NULL ? 1 : seen(datum->counts[i]);
        for (size_t k = 0; k < times; k++, at++) {
            if (at >= from && written < OXP_CW_EMF_VALUES_MAX) {
                oxp_buf_append_char(out, written++ == 0 ? '[' : ',');
                oxp_buf_append_json_double(out, oxp_cw_value(datum->values[i]));
            }
        }
    }
    oxp_buf_append_char(out, ']');
}

/* ---- Lines ---- */

struct line {
    const struct oxp_cw_config *config;
    const struct oxp_cw_datum *place; /* whose dimensions it has; NULL = no line is open */
    struct oxp_buf metrics, values;   /* of the directive; members of the root */
    size_t count;
    int64_t now_ms;
    struct oxp_buf *out;
};

static void end_line(struct line *line) {
    struct oxp_buf *out = line->out;
    if (line->count == 0) {
        return;
    }
    oxp_buf_append_format(
        out, "{\"_aws\":{\"Timestamp\":%lld,\"CloudWatchMetrics\":[{\"Namespace\":", (long long)line->now_ms);
    oxp_buf_append_json_string(out, oxp_view_from(line->config->namespace_name));
    oxp_buf_append_text(out, ",\"Dimensions\":[[");
    for (size_t i = 0; i < line->place->dimension_count; i++) {
        oxp_buf_append_text(out, i == 0 ? "" : ",");
        oxp_buf_append_json_string(out, oxp_view_from(line->place->dimensions[i].name));
    }
    oxp_buf_append_text(out, "]],\"Metrics\":[");
    oxp_buf_append_view(out, oxp_buf_view(&line->metrics));
    oxp_buf_append_text(out, "]}]}");
    for (size_t i = 0; i < line->place->dimension_count; i++) {
        oxp_buf_append_char(out, ',');
        oxp_buf_append_json_string(out, oxp_view_from(line->place->dimensions[i].name));
        oxp_buf_append_char(out, ':');
        oxp_buf_append_json_string(out, oxp_view_from(line->place->dimensions[i].value));
    }
    oxp_buf_append_view(out, oxp_buf_view(&line->values));
    oxp_buf_append_text(out, "}\n");
    oxp_buf_clear(&line->metrics);
    oxp_buf_clear(&line->values);
    line->count = 0;
}

static void add_part(struct line *line, const struct oxp_cw_datum *datum, size_t from) {
    if (line->count == OXP_CW_EMF_METRICS_MAX || line->values.len > OXP_CW_BODY_MAX / 2) {
        end_line(line);
    }
    oxp_buf_append_text(&line->metrics, line->count == 0 ? "{\"Name\":" : ",{\"Name\":");
    oxp_buf_append_json_string(&line->metrics, oxp_view_from(datum->name));
    if (datum->unit[0] != '\0') {
        oxp_buf_append_text(&line->metrics, ",\"Unit\":");
        oxp_buf_append_json_string(&line->metrics, oxp_view_from(datum->unit));
    }
    oxp_buf_append_text(&line->metrics, line->config->interval_ms < MINUTE_MS ? ",\"StorageResolution\":1}" : "}");
    oxp_buf_append_char(&line->values, ',');
    oxp_buf_append_json_string(&line->values, oxp_view_from(datum->name));
    oxp_buf_append_char(&line->values, ':');
    write_part(&line->values, datum, from);
    line->count++;
}

/* All data of the place of `first`: their first parts share lines, each further part has one of its own. */
static void write_place(struct line *line, const struct oxp_cw_data *data, bool *done, size_t first) {
    line->place = &data->list[first];
    for (size_t i = first; i < data->count; i++) {
        if (!done[i] && same_place(line->place, &data->list[i])) {
            add_part(line, &data->list[i], 0);
        }
    }
    end_line(line);
    for (size_t i = first; i < data->count; i++) {
        if (done[i] || !same_place(line->place, &data->list[i])) {
            continue;
        }
        done[i] = true;
        size_t total = expanded(&data->list[i]);
        for (size_t from = OXP_CW_EMF_VALUES_MAX; from < total; from += OXP_CW_EMF_VALUES_MAX) {
            add_part(line, &data->list[i], from);
            end_line(line);
        }
    }
}

enum oxp_status oxp_cw_emf(const struct oxp_cw_config *config, struct oxp_cw_data *data, int64_t now_ms,
                           struct oxp_buf *out, size_t *written_out) {
    struct line line = {.config = config, .now_ms = now_ms, .out = out};
    bool *done = oxp_arena_zero(data->arena, data->count + 1, sizeof *done);
    *written_out = 0;
    if (done == NULL) {
        return OXP_ERR_NOMEM;
    }
    oxp_buf_init(&line.metrics, 0);
    oxp_buf_init(&line.values, 0);
    for (size_t i = 0; i < data->count; i++) {
        const char *wrong = oxp_cw_datum_wrong(&data->list[i]);
        if (wrong == NULL && expanded(&data->list[i]) > OXP_CW_EMF_EXPANDED_MAX) {
            wrong = "more values than EMF lines can hold";
        }
        if (wrong != NULL) {
            oxp_cw_leave_out(data, data->list[i].name, wrong);
            done[i] = true;
        } else {
            (*written_out)++;
        }
    }
    for (size_t i = 0; i < data->count; i++) {
        if (!done[i]) {
            write_place(&line, data, done, i);
        }
    }
    enum oxp_status status = oxp_buf_status(out);
    status = status == OXP_OK ? oxp_buf_status(&line.metrics) : status;
    status = status == OXP_OK ? oxp_buf_status(&line.values) : status;
    oxp_buf_fini(&line.metrics);
    oxp_buf_fini(&line.values);
    return status == OXP_OK ? OXP_OK : OXP_ERR_NOMEM;
}
