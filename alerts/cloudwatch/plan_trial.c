/* The test: one marked datum to the answer, then one alarm of ours to ALARM, so that its action reaches a person.
 *
 * Actions fire when the state changes, so an alarm that is in ALARM already is no use; one with actions is preferred, a
 * threshold before a rule before the heartbeat. CloudWatch evaluates a metric alarm again within seconds to a period
 * and sets it back by itself. */
#include "alerts/cloudwatch/plan_internal.h"

#define TEST_METRIC "OxpeckerTest"
#define TEST_DIMENSION "Oxpecker"
#define REASON "Test by `oxpecker cloudwatch test`: nothing is wrong; CloudWatch sets this alarm back by itself"

struct trial {
    const struct oxp_cw_plan_input *input;
    struct oxp_cw_caller caller;
    struct oxp_arena *arena;
    struct oxp_buf *out;
    struct oxp_error *error;
};

static enum oxp_status call(struct trial *trial, const char *operation, struct oxp_json *request,
                            struct oxp_json **answer_out, struct oxp_view *id_out) {
    struct oxp_cw_call parts = {
        .operation = operation, .request = request, .answer_out = answer_out, .request_id_out = id_out};
    return oxp_cw_call(&trial->caller, &parts, trial->error);
}

/* The configured ones, and the mark. */
static enum oxp_status datum_dimensions(struct trial *trial, const struct oxp_cw_pair **pairs_out, size_t *count_out) {
    static const struct oxp_cw_pair mark = {TEST_DIMENSION, "test"};
    *pairs_out = trial->input->config->dimensions;
    *count_out = trial->input->config->dimension_count;
    return oxp_cw_dimensions_add(trial->arena, pairs_out, count_out, &mark, 1);
}

static struct oxp_json *datum_request(const struct trial *trial, const struct oxp_cw_pair *dimensions, size_t count) {
    const struct oxp_cw_config *config = trial->input->config;
    enum oxp_status status = OXP_OK;
    struct oxp_json *request = oxp_json_object(), *data = oxp_json_array(), *datum = oxp_json_object();
    oxp_cw_put_text(datum, "MetricName", TEST_METRIC, &status);
    oxp_cw_put(datum, "Dimensions", oxp_cw_dimensions_json(dimensions, count), &status);
    oxp_cw_put(datum, "Value", oxp_json_number(1), &status);
    oxp_cw_append(data, datum, &status);
    oxp_cw_put_text(request, "Namespace", config->namespace_name, &status);
    oxp_cw_put(request, "MetricData", data, &status);
    return oxp_cw_finished(request, status);
}

static enum oxp_status publish(struct trial *trial) {
    struct oxp_view id = {NULL, 0};
    if (trial->input->config->lane != OXP_CW_PUTMETRICDATA) {
        oxp_buf_append_text(trial->out, "No datum was sent: this lane does not use PutMetricData.\n");
        return OXP_OK;
    }
    const struct oxp_cw_pair *dimensions = NULL;
    size_t count = 0;
    enum oxp_status status = datum_dimensions(trial, &dimensions, &count);
    if (status == OXP_OK) {
        status = call(trial, "PutMetricData", datum_request(trial, dimensions, count), NULL, &id);
    }
    if (status != OXP_OK) {
        return status;
    }
    oxp_buf_append_format(trial->out, "CloudWatch took one datum: metric " TEST_METRIC " in namespace %s, with the %s",
                          trial->input->config->namespace_name, count == 1 ? "dimension" : "dimensions");
    for (size_t i = 0; i < count; i++) {
        oxp_buf_append_format(trial->out, "%s %s=%s", i == 0 ? "" : ",", dimensions[i].name, dimensions[i].value);
    }
    oxp_buf_append_format(trial->out, "; request %.*s.\n  A metric that is new is listed after up to 15 minutes.\n",
                          (int)id.len, id.len == 0 ? "" : id.ptr);
    return OXP_OK;
}

/* ---- The alarm ---- */

static int rank(const struct oxp_cw_planned *alarm) {
    int kind = strcmp(alarm->kind, "threshold") == 0 ? 3 : strcmp(alarm->kind, "rule") == 0 ? 2 : 1;
    return (alarm->has_actions ? 10 : 0) + kind;
}

static const struct oxp_cw_planned *choose(const struct oxp_cw_plan *plan) {
    const struct oxp_cw_planned *best = NULL;
    for (size_t i = 0; i < plan->count; i++) {
        const struct oxp_cw_planned *alarm = &plan->alarms[i];
        bool there = alarm->change == OXP_CW_KEEP || alarm->change == OXP_CW_CHANGE;
        if (there && !alarm->in_alarm && (best == NULL || rank(alarm) > rank(best))) {
            best = alarm;
        }
    }
    return best;
}

static struct oxp_json *state_request(const struct oxp_cw_planned *alarm) {
    enum oxp_status status = OXP_OK;
    struct oxp_json *request = oxp_json_object();
    oxp_cw_put_text(request, "AlarmName", alarm->name, &status);
    oxp_cw_put_text(request, "StateValue", "ALARM", &status);
    oxp_cw_put_text(request, "StateReason", REASON, &status);
    return oxp_cw_finished(request, status);
}

static struct oxp_json *names_request(const struct oxp_cw_planned *alarm) {
    enum oxp_status status = OXP_OK;
    struct oxp_json *request = oxp_json_object(), *names = oxp_json_array();
    oxp_cw_append(names, oxp_json_text(oxp_view_from(alarm->name)), &status);
    oxp_cw_put(request, "AlarmNames", names, &status);
    return oxp_cw_finished(request, status);
}

static void tell_actions(struct trial *trial, const struct oxp_json *there) {
    const struct oxp_json *actions = oxp_json_get(there, "AlarmActions");
    if (oxp_json_size(actions) == 0) {
        oxp_buf_append_text(trial->out, "  It has no actions: nobody is told. Give it some, apply, and test again.\n");
        return;
    }
    oxp_buf_append_text(trial->out, "  Look for a message with that name and reason at what these lead to:\n");
    for (size_t i = 0; i < oxp_json_size(actions); i++) {
        oxp_buf_append_text(trial->out, "    ");
        oxp_buf_append_view(trial->out, oxp_json_text_of(oxp_json_at(actions, i)));
        oxp_buf_append_char(trial->out, '\n');
    }
}

static enum oxp_status ring(struct trial *trial, const struct oxp_cw_planned *alarm) {
    struct oxp_json *answer = NULL;
    enum oxp_status status = call(trial, "SetAlarmState", state_request(alarm), NULL, NULL);
    if (status != OXP_OK) {
        return status;
    }
    oxp_buf_append_format(trial->out, "The alarm %s was set to ALARM, with the reason\n  \"" REASON "\".\n",
                          alarm->name);
    status = call(trial, "DescribeAlarms", names_request(alarm), &answer, NULL);
    const struct oxp_json *there = oxp_json_at(oxp_json_get(answer, "MetricAlarms"), 0);
    if (status == OXP_OK) {
        oxp_buf_append_text(trial->out, "  CloudWatch says that its state is ");
        oxp_buf_append_view(trial->out, oxp_json_text_of(oxp_json_get(there, "StateValue")));
        oxp_buf_append_text(trial->out, ".\n");
        tell_actions(trial, there);
        oxp_buf_append_text(trial->out, "  CloudWatch sets the alarm back at its next evaluation, within seconds or a "
                                        "period; its OK actions tell of that.\n");
    }
    oxp_json_free(answer);
    return status;
}

enum oxp_status oxp_cw_test(const struct oxp_cw_plan_input *input, struct oxp_aws_client *client, struct oxp_http *http,
                            struct oxp_buf *out, struct oxp_error *error) {
    struct oxp_arena arena;
    struct oxp_cw_plan plan;
    struct trial trial = {
        .input = input, .caller = {.client = client, .http = http}, .arena = &arena, .out = out, .error = error};
    oxp_arena_init(&arena, 0);
    oxp_arena_init(&trial.caller.scratch, 0);
    enum oxp_status status = publish(&trial);
    if (status == OXP_OK) {
        status = oxp_cw_plan(input, client, http, &arena, &plan, error);
    }
    if (status == OXP_OK) {
        const struct oxp_cw_planned *alarm = choose(&plan);
        status = alarm != NULL ? ring(&trial, alarm)
                               : oxp_error_set(error, OXP_ERR_NOT_FOUND, 0, 0,
                                               "there is no alarm of ours that is not in ALARM already; `oxpecker "
                                               "cloudwatch apply` makes them");
    }
    oxp_arena_fini(&trial.caller.scratch);
    oxp_arena_fini(&arena);
    return status == OXP_OK ? oxp_buf_status(out) : status;
}
