/* Makes it so: what shrinks comes first, then changes, then what is new; one call each third of a second, which is what
 * CloudWatch grants to PutMetricAlarm and DeleteAlarms in a region. */
#include "alerts/cloudwatch/plan_internal.h"

#define CALL_MS 334        /* 3 calls a second */
#define DELETE_AT_ONCE 100 /* names of one DeleteAlarms */

struct work {
    const struct oxp_cw_plan *plan;
    const struct oxp_cw_plan_input *input;
    const struct oxp_cw_apply_options *options;
    struct oxp_cw_caller caller;
    struct oxp_error *error;
    size_t calls, refused, done;
    const char *name; /* of the alarm that is at hand; NULL = none */
    bool grow;        /* what adds cost is allowed */
};

static void pace(struct work *work) {
    if (work->calls++ > 0) {
        oxp_cw_sleep(&work->caller, CALL_MS);
    }
}

static void tell(struct work *work, const struct oxp_cw_planned *alarm) {
    work->done++;
    if (work->options->done != NULL) {
        work->options->done(work->options->ctx, alarm);
    }
}

static enum oxp_status check_conflicts(const struct work *work) {
    for (size_t i = 0; i < work->plan->count; i++) {
        const struct oxp_cw_planned *alarm = &work->plan->alarms[i];
        if (alarm->change == OXP_CW_CONFLICT) {
            return oxp_error_set(work->error, OXP_ERR_EXISTS, 0, 0,
                                 "nothing was done: the alarm \"%.128s\" is not ours: %s", alarm->name,
                                 alarm->differences);
        }
    }
    return OXP_OK;
}

/* Deletes from `*next` on, at most 100 names; `*next` moves behind them. */
static enum oxp_status delete_some(struct work *work, size_t *next) {
    enum oxp_status status = OXP_OK;
    struct oxp_json *names = oxp_json_array(), *request = oxp_json_object();
    size_t first = *next, count = 0;
    for (; *next < work->plan->count && count < DELETE_AT_ONCE; ++*next) {
        if (work->plan->alarms[*next].change == OXP_CW_REMOVE) {
            oxp_cw_append(names, oxp_json_text(oxp_view_from(work->plan->alarms[*next].name)), &status);
            work->name = count++ == 0 ? work->plan->alarms[*next].name : work->name;
        }
    }
    oxp_cw_put(request, "AlarmNames", names, &status);
    if (status != OXP_OK || count == 0) {
        oxp_json_free(request);
        return status;
    }
    pace(work);
    struct oxp_cw_call call = {.operation = "DeleteAlarms", .request = request};
    status = oxp_cw_call(&work->caller, &call, work->error);
    for (size_t i = first; i < *next && status == OXP_OK; i++) {
        if (work->plan->alarms[i].change == OXP_CW_REMOVE) {
            tell(work, &work->plan->alarms[i]);
        }
    }
    return status;
}

static bool adds_cost(const struct work *work, const struct oxp_cw_planned *alarm) {
    return alarm->change == OXP_CW_CREATE ||
           (alarm->change == OXP_CW_CHANGE && alarm->high_resolution && !alarm->was_high_resolution &&
            work->input->config->prices.high_resolution_alarm > 0);
}

static enum oxp_status put(struct work *work, const struct oxp_cw_planned *alarm) {
    if (!work->grow && adds_cost(work, alarm)) {
        work->refused++;
        return OXP_OK;
    }
    work->name = alarm->name;
    pace(work);
    enum oxp_status status = oxp_cw_call_text(
        &work->caller, "PutMetricAlarm", alarm->change == OXP_CW_CREATE ? alarm->body : alarm->update, work->error);
    if (status == OXP_OK && alarm->tags != NULL) { /* PutMetricAlarm leaves the tags of an existing alarm alone */
        pace(work);
        status = oxp_cw_call_text(&work->caller, "TagResource", alarm->tags, work->error);
    }
    if (status == OXP_OK) {
        tell(work, alarm);
    }
    return status;
}

static enum oxp_status put_all(struct work *work, enum oxp_cw_change change) {
    enum oxp_status status = OXP_OK;
    for (size_t i = 0; i < work->plan->count && status == OXP_OK; i++) {
        if (work->plan->alarms[i].change == change) {
            status = put(work, &work->plan->alarms[i]);
        }
    }
    return status;
}

static enum oxp_status run(struct work *work) {
    enum oxp_status status = check_conflicts(work);
    for (size_t next = 0; status == OXP_OK && work->options->prune && next < work->plan->count;) {
        status = delete_some(work, &next);
    }
    if (status == OXP_OK) {
        status = put_all(work, OXP_CW_CHANGE);
    }
    if (status == OXP_OK) {
        status = put_all(work, OXP_CW_CREATE);
    }
    return status;
}

/* It stopped half way: at which alarm, and what is left. */
static enum oxp_status say_where(const struct work *work, enum oxp_status status) {
    struct oxp_error why = *work->error;
    size_t wanted = 0;
    for (size_t i = 0; i < work->plan->count; i++) {
        enum oxp_cw_change change = work->plan->alarms[i].change;
        wanted +=
            change == OXP_CW_CREATE || change == OXP_CW_CHANGE || (change == OXP_CW_REMOVE && work->options->prune);
    }
    return oxp_error_set(work->error, status, why.line, why.column,
                         "stopped at \"%.100s\", %zu of %zu done, a further apply goes on: %s", work->name, work->done,
                         wanted, why.text);
}

enum oxp_status oxp_cw_apply(const struct oxp_cw_plan *plan, const struct oxp_cw_plan_input *input,
                             struct oxp_aws_client *client, struct oxp_http *http,
                             const struct oxp_cw_apply_options *options, struct oxp_error *error) {
    struct work work = {.plan = plan,
                        .input = input,
                        .options = options,
                        .caller = {.client = client, .http = http, .sleep = options->sleep, .sleep_ctx = options->ctx},
                        .error = error};
    double total = options->prune ? plan->pruned.total_month : plan->then.total_month, budget = input->config->budget;
    work.grow = budget <= 0 || total <= budget || total <= plan->now.total_month;
    oxp_arena_init(&work.caller.scratch, 0);
    enum oxp_status status = run(&work);
    oxp_arena_fini(&work.caller.scratch);
    if (status != OXP_OK && status != OXP_ERR_NOMEM && work.name != NULL) {
        status = say_where(&work, status);
    }
    if (status == OXP_OK && work.refused > 0) {
        status = oxp_error_set(error, OXP_ERR_LIMIT, 0, 0,
                               "%zu alarm%s not created or changed: %.2f a month would exceed the budget of %.2f by "
                               "%.2f %s",
                               work.refused, work.refused == 1 ? " was" : "s were", total, budget, total - budget,
                               input->config->prices.currency == NULL ? "" : input->config->prices.currency);
    }
    return status == OXP_ERR_NOMEM ? oxp_error_set(error, status, 0, 0, "out of memory") : status;
}
