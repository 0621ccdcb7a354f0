/* An alarm as PutMetricAlarm's JSON, and the helpers that make JSON. */
#include "alerts/cloudwatch/plan_internal.h"

#include <stdlib.h>

const char *oxp_cw_text_keep(struct oxp_arena *arena, struct oxp_buf *buf) {
    struct oxp_view kept = {NULL, 0};
    if (oxp_buf_status(buf) == OXP_OK) {
        kept = oxp_arena_copy(arena, oxp_buf_view(buf));
    }
    oxp_buf_fini(buf);
    return kept.ptr;
}

void oxp_cw_put(struct oxp_json *object, const char *key, struct oxp_json *value, enum oxp_status *status) {
    enum oxp_status now = oxp_json_set(object, key, value);
    *status = *status == OXP_OK ? now : *status;
}

void oxp_cw_put_text(struct oxp_json *object, const char *key, const char *text, enum oxp_status *status) {
    oxp_cw_put(object, key, oxp_json_text(oxp_view_from(text)), status);
}

void oxp_cw_append(struct oxp_json *array, struct oxp_json *value, enum oxp_status *status) {
    enum oxp_status now = oxp_json_append(array, value);
    *status = *status == OXP_OK ? now : *status;
}

static void append_pair(struct oxp_json *array, const char *key, struct oxp_cw_pair pair, enum oxp_status *status) {
    struct oxp_json *object = oxp_json_object();
    oxp_cw_put_text(object, key, pair.name, status);
    oxp_cw_put_text(object, "Value", pair.value, status);
    oxp_cw_append(array, object, status);
}

struct oxp_json *oxp_cw_finished(struct oxp_json *value, enum oxp_status status) {
    if (status != OXP_OK) {
        oxp_json_free(value);
        return NULL;
    }
    return value;
}

struct oxp_json *oxp_cw_dimensions_json(const struct oxp_cw_pair *dimensions, size_t count) {
    enum oxp_status status = OXP_OK;
    struct oxp_json *array = oxp_json_array();
    for (size_t i = 0; i < count; i++) {
        append_pair(array, "Name", dimensions[i], &status);
    }
    return oxp_cw_finished(array, status);
}

struct oxp_json *oxp_cw_tags(const struct oxp_cw_plan_input *input) {
    enum oxp_status status = OXP_OK;
    struct oxp_json *array = oxp_json_array();
    append_pair(array, "Key", (struct oxp_cw_pair){OXP_CW_TAG, input->identity->service}, &status);
    if (oxp_cw_environment(input)[0] != '\0') {
        append_pair(array, "Key", (struct oxp_cw_pair){OXP_CW_TAG_ENVIRONMENT, oxp_cw_environment(input)}, &status);
    }
    for (size_t i = 0; i < input->config->tag_count; i++) {
        append_pair(array, "Key", input->config->tags[i], &status);
    }
    return oxp_cw_finished(array, status);
}

static struct oxp_json *texts(const char *const *list) {
    enum oxp_status status = OXP_OK;
    struct oxp_json *array = oxp_json_array();
    for (; list != NULL && *list != NULL; list++) {
        oxp_cw_append(array, oxp_json_text(oxp_view_from(*list)), &status);
    }
    return oxp_cw_finished(array, status);
}

static bool is_percentile(const char *statistic) {
    static const char *const plain[] = {"SampleCount", "Average", "Sum", "Minimum", "Maximum"};
    for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++) {
        if (strcmp(statistic, plain[i]) == 0) {
            return false;
        }
    }
    return true;
}

static void put_metric(const struct oxp_cw_alarm *alarm, const struct oxp_cw_plan_input *input, struct oxp_json *body,
                       enum oxp_status *status) {
    oxp_cw_put_text(body, "Namespace", input->config->namespace_name, status);
    oxp_cw_put_text(body, "MetricName", alarm->metric, status);
    oxp_cw_put(body, "Dimensions", oxp_cw_dimensions_json(alarm->dimensions, alarm->dimension_count), status);
    oxp_cw_put_text(body, is_percentile(alarm->statistic) ? "ExtendedStatistic" : "Statistic", alarm->statistic,
                    status);
    oxp_cw_put(body, "Period", oxp_json_count(alarm->period_s), status);
    oxp_cw_put(body, "EvaluationPeriods", oxp_json_count(alarm->of), status);
    oxp_cw_put(body, "DatapointsToAlarm", oxp_json_count(alarm->datapoints), status);
    oxp_cw_put(body, "Threshold", oxp_json_number(alarm->threshold), status);
    oxp_cw_put_text(body, "ComparisonOperator", alarm->comparison, status);
    oxp_cw_put_text(body, "TreatMissingData", oxp_cw_missing_name(alarm->missing), status);
}

enum oxp_status oxp_cw_alarm_body(const struct oxp_cw_alarm *alarm, const struct oxp_cw_plan_input *input, bool tags,
                                  struct oxp_arena *arena, const char **body_out) {
    enum oxp_status status = OXP_OK;
    char *text = NULL;
    size_t len = 0;
    struct oxp_json *body = oxp_json_object();
    oxp_cw_put_text(body, "AlarmName", alarm->name, &status);
    oxp_cw_put_text(body, "AlarmDescription", alarm->description, &status);
    oxp_cw_put(body, "ActionsEnabled", oxp_json_bool(true), &status);
    oxp_cw_put(body, "AlarmActions", texts(alarm->actions.alarm), &status);
    oxp_cw_put(body, "OKActions", texts(alarm->actions.ok), &status);
    oxp_cw_put(body, "InsufficientDataActions", texts(alarm->actions.insufficient), &status);
    if (alarm->query != NULL) {
        oxp_cw_promql_body(alarm, body, &status);
    } else {
        put_metric(alarm, input, body, &status);
    }
    if (tags) {
        oxp_cw_put(body, "Tags", oxp_cw_tags(input), &status);
    }
    status = status == OXP_OK ? oxp_json_write(body, &text, &len) : status;
    oxp_json_free(body);
    if (status == OXP_OK) {
        *body_out = oxp_arena_copy(arena, oxp_view_of(text, len > 0 ? len - 1 : 0)).ptr; /* without its newline */
        status = *body_out == NULL ? OXP_ERR_NOMEM : OXP_OK;
    }
    free(text);
    return status;
}
