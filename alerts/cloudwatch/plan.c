/* The plan: asks CloudWatch what is there (DescribeAlarms by prefix, page by page; the tags of each), and holds it
 * against what is wanted.
 *
 *   found, wanted, our tags               -> keep, or change with the differences
 *   found, wanted, without our tags       -> conflict (a composite alarm of that name, too)
 *   found, not wanted, our tags           -> remove
 *   found, not wanted, without our tags   -> none of our business
 *   found, another replica's (`split`)    -> none of our business
 *   found, of our service, no environment -> remove: an older version, or a configuration without one, made it; unless
 *                                            its dimensions are another environment's
 *   not found, wanted                     -> create
 *
 * Our tags are those of the service and of the environment; where no environment is set, that of the service alone. */
#include "alerts/cloudwatch/plan_internal.h"

#include "lib/base/map.h"
#include <stdlib.h>

#define PAGES_MAX 1000
#define PAGE 100 /* DescribeAlarms' MaxRecords */

struct survey {
    const struct oxp_cw_plan_input *input;
    struct oxp_cw_caller caller;
    struct oxp_arena *arena;
    struct oxp_error *error;
    struct oxp_map names; /* of wanted ones, to their entry in `places`, which stand as in `alarms` */
    const char **places;
    struct oxp_cw_planned *alarms;
    size_t wanted, count;
    struct oxp_json *tags; /* the wanted ones */
    char *prefix;
};

static struct oxp_view member(const struct oxp_json *alarm, const char *name) {
    return oxp_json_text_of(oxp_json_get(alarm, name));
}

static enum oxp_status ask_tags(struct survey *survey, struct oxp_view arn, struct oxp_json **answer_out) {
    enum oxp_status status = OXP_OK;
    struct oxp_json *request = oxp_json_object();
    oxp_cw_put(request, "ResourceARN", oxp_json_text(arn), &status);
    struct oxp_cw_call call = {
        .operation = "ListTagsForResource", .request = oxp_cw_finished(request, status), .answer_out = answer_out};
    return oxp_cw_call(&survey->caller, &call, survey->error);
}

/* It has one of the section's dimensions from `from` on, with another value than ours. */
static bool is_anothers(const struct survey *survey, const struct oxp_json *alarm, size_t from) {
    const struct oxp_cw_config *config = survey->input->config;
    const struct oxp_json *dimensions = oxp_json_get(alarm, "Dimensions");
    for (size_t i = 0; i < oxp_json_size(dimensions); i++) {
        const struct oxp_json *pair = oxp_json_at(dimensions, i);
        for (size_t j = from; j < config->dimension_count; j++) {
            if (oxp_view_is(member(pair, "Name"), config->dimensions[j].name) &&
                !oxp_view_is(member(pair, "Value"), config->dimensions[j].value)) {
                return true;
            }
        }
    }
    return false;
}

static enum oxp_status tag_body(struct survey *survey, struct oxp_cw_planned *planned) {
    struct oxp_buf body;
    char *text = NULL;
    size_t len = 0;
    enum oxp_status status = oxp_json_write(survey->tags, &text, &len);
    if (status == OXP_OK) {
        oxp_buf_init(&body, 0);
        oxp_buf_append_text(&body, "{\"ResourceARN\": ");
        oxp_buf_append_json_string(&body, oxp_view_from(planned->arn));
        oxp_buf_append_text(&body, ", \"Tags\": ");
        oxp_buf_append(&body, text, len);
        oxp_buf_append_char(&body, '}');
        planned->tags = oxp_cw_text_keep(survey->arena, &body);
        status = planned->tags == NULL ? OXP_ERR_NOMEM : OXP_OK;
    }
    free(text);
    return status;
}

static enum oxp_status compare(struct survey *survey, struct oxp_cw_planned *planned, const struct oxp_json *alarm,
                               const struct oxp_json *tags) {
    struct oxp_json *wanted = NULL;
    struct oxp_buf differences;
    oxp_buf_init(&differences, 0);
    enum oxp_status status = oxp_json_read(oxp_view_from(planned->update), &wanted, NULL);
    if (status == OXP_OK) {
        oxp_cw_alarm_compare(alarm, wanted, &differences);
        size_t before = differences.len;
        oxp_cw_tags_compare(tags, survey->tags, &differences);
        if (differences.len > before) {
            status = tag_body(survey, planned);
        }
    }
    oxp_json_free(wanted);
    planned->change = differences.len == 0 ? OXP_CW_KEEP : OXP_CW_CHANGE;
    planned->differences = oxp_cw_text_keep(survey->arena, &differences);
    return planned->differences == NULL ? OXP_ERR_NOMEM : status;
}

static enum oxp_status add_unwanted(struct survey *survey, struct oxp_view name, struct oxp_cw_planned **planned_out) {
    struct oxp_cw_planned *alarms =
        oxp_arena_grow(survey->arena, survey->alarms, survey->count, survey->count + 1, sizeof *alarms);
    struct oxp_view copy = oxp_arena_copy(survey->arena, name);
    if (alarms == NULL || copy.ptr == NULL) {
        return OXP_ERR_NOMEM;
    }
    survey->alarms = alarms;
    *planned_out = &alarms[survey->count++];
    **planned_out = (struct oxp_cw_planned){
        .change = OXP_CW_REMOVE, .name = copy.ptr, .kind = "unknown", .differences = "", .condition = ""};
    return OXP_OK;
}

static struct oxp_cw_planned *find_wanted(struct survey *survey, struct oxp_view name) {
    const char **found = oxp_map_get(&survey->names, name);
    return found == NULL ? NULL : &survey->alarms[found - survey->places];
}

/* ---- Whose it is ---- */

enum whose { OURS, OURS_ONCE, ANOTHERS };

/* By its tags: OURS_ONCE is of our service before it had an environment. */
static enum whose whose(const struct survey *survey, const struct oxp_json *alarm, const struct oxp_json *tags) {
    const char *environment = oxp_cw_environment(survey->input);
    struct oxp_view there = oxp_cw_tag_find(tags, OXP_CW_TAG_ENVIRONMENT);
    if (!oxp_view_is(oxp_cw_tag_find(tags, OXP_CW_TAG), survey->input->identity->service)) {
        return ANOTHERS;
    }
    if (there.len == 0 ? environment[0] == '\0' : oxp_view_is(there, environment)) {
        return OURS;
    }
    return there.len == 0 && !is_anothers(survey, alarm, 0) ? OURS_ONCE : ANOTHERS;
}

/* Why an alarm with a wanted name is not ours: the first tag that lacks or differs. */
static const char *why_not_ours(const struct survey *survey, const struct oxp_json *tags) {
    const struct oxp_cw_pair own[] = {{OXP_CW_TAG, survey->input->identity->service},
                                      {OXP_CW_TAG_ENVIRONMENT, oxp_cw_environment(survey->input)}};
    size_t i = oxp_view_is(oxp_cw_tag_find(tags, OXP_CW_TAG), own[0].value) ? 1 : 0;
    struct oxp_view there = oxp_cw_tag_find(tags, own[i].name);
    struct oxp_buf text;
    oxp_buf_init(&text, 0);
    oxp_buf_append_format(&text, there.len == 0 ? "it does not carry the tag %s" : "its tag %s is \"", own[i].name);
    if (there.len > 0) {
        oxp_buf_append_view(&text, there);
        oxp_buf_append_format(&text, "\", not \"%s\"", own[i].value);
    }
    return oxp_cw_text_keep(survey->arena, &text);
}

static enum oxp_status take_alarm(struct survey *survey, const struct oxp_json *alarm, bool composite) {
    struct oxp_view name = member(alarm, "AlarmName"), arn = member(alarm, "AlarmArn");
    struct oxp_json *answer = NULL;
    struct oxp_cw_planned *planned = find_wanted(survey, name);
    if (!oxp_view_starts(name, oxp_view_from(survey->prefix)) ||
        is_anothers(survey, alarm, survey->input->config->shared_count) || (planned == NULL && composite)) {
        return OXP_OK;
    }
    enum oxp_status status = ask_tags(survey, arn, &answer);
    const struct oxp_json *tags = oxp_json_get(answer, "Tags");
    enum whose owner = composite ? ANOTHERS : whose(survey, alarm, tags);
    if (status != OXP_OK || (planned == NULL && owner == ANOTHERS)) {
        goto out;
    }
    if (planned == NULL) {
        status = add_unwanted(survey, name, &planned);
        if (status != OXP_OK) {
            goto out;
        }
        planned->differences = owner == OURS_ONCE ? "made without an environment" : "";
    }
    planned->arn = oxp_arena_copy(survey->arena, arn).ptr;
    planned->was_high_resolution = oxp_json_number_of(oxp_json_get(alarm, "Period")) < 60;
    planned->in_alarm = oxp_view_is(member(alarm, "StateValue"), "ALARM");
    planned->has_actions =
        oxp_json_size(oxp_json_get(alarm, "AlarmActions")) > 0 &&
        (oxp_json_get(alarm, "ActionsEnabled") == NULL || oxp_json_bool_of(oxp_json_get(alarm, "ActionsEnabled")));
    if (planned->arn == NULL) {
        status = OXP_ERR_NOMEM;
    } else if (planned->change != OXP_CW_REMOVE && owner != OURS) {
        planned->change = OXP_CW_CONFLICT;
        planned->differences = composite ? "a composite alarm has this name" : why_not_ours(survey, tags);
        status = planned->differences == NULL ? OXP_ERR_NOMEM : OXP_OK;
    } else if (planned->change != OXP_CW_REMOVE) {
        status = compare(survey, planned, alarm, tags);
    }
out:
    oxp_json_free(answer);
    return status;
}

static enum oxp_status take_page(struct survey *survey, const struct oxp_json *page) {
    static const char *const kinds[] = {"MetricAlarms", "CompositeAlarms"};
    enum oxp_status status = OXP_OK;
    for (size_t k = 0; k < 2; k++) {
        const struct oxp_json *alarms = oxp_json_get(page, kinds[k]);
        for (size_t i = 0; i < oxp_json_size(alarms) && status == OXP_OK; i++) {
            status = take_alarm(survey, oxp_json_at(alarms, i), k == 1);
        }
    }
    return status;
}

static struct oxp_json *page_request(const struct survey *survey, const char *token) {
    enum oxp_status status = OXP_OK;
    struct oxp_json *request = oxp_json_object(), *types = oxp_json_array();
    oxp_cw_put_text(request, "AlarmNamePrefix", survey->prefix, &status);
    oxp_cw_append(types, oxp_json_text(OXP_VIEW("MetricAlarm")), &status);
    oxp_cw_append(types, oxp_json_text(OXP_VIEW("CompositeAlarm")), &status);
    oxp_cw_put(request, "AlarmTypes", types, &status);
    oxp_cw_put(request, "MaxRecords", oxp_json_count(PAGE), &status);
    if (token[0] != '\0') {
        oxp_cw_put_text(request, "NextToken", token, &status);
    }
    return oxp_cw_finished(request, status);
}

static enum oxp_status ask(struct survey *survey) {
    const char *token = "";
    enum oxp_status status = OXP_OK;
    for (size_t pages = 0; status == OXP_OK && token != NULL; pages++) {
        struct oxp_json *page = NULL;
        if (pages == PAGES_MAX) {
            return oxp_error_set(survey->error, OXP_ERR_LIMIT, 0, 0, "DescribeAlarms: %d pages and no end", PAGES_MAX);
        }
        struct oxp_cw_call call = {
            .operation = "DescribeAlarms", .request = page_request(survey, token), .answer_out = &page};
        status = oxp_cw_call(&survey->caller, &call, survey->error);
        if (status == OXP_OK) {
            struct oxp_view next = member(page, "NextToken");
            token = next.len == 0 ? NULL : oxp_arena_copy(survey->arena, next).ptr;
            status = next.len > 0 && token == NULL ? OXP_ERR_NOMEM : take_page(survey, page);
        }
        oxp_json_free(page);
    }
    return status;
}

/* ---- Costs ---- */

enum when { NOW, THEN, PRUNED };

static enum oxp_status cost_when(struct survey *survey, enum when when, struct oxp_cw_cost *cost_out) {
    struct oxp_cw_planned *counted = oxp_arena_zero(survey->arena, survey->count + 1, sizeof *counted);
    size_t count = 0;
    for (size_t i = 0; counted != NULL && i < survey->count; i++) {
        struct oxp_cw_planned alarm = survey->alarms[i];
        bool here = alarm.change == OXP_CW_KEEP || alarm.change == OXP_CW_CHANGE ||
                    (when == NOW ? alarm.change == OXP_CW_REMOVE : alarm.change == OXP_CW_CREATE) ||
                    (when == THEN && alarm.change == OXP_CW_REMOVE);
        if (when == NOW || alarm.change == OXP_CW_REMOVE) {
            alarm.high_resolution = alarm.was_high_resolution;
        }
        if (here) {
            counted[count++] = alarm;
        }
    }
    return counted == NULL ? OXP_ERR_NOMEM : oxp_cw_cost_of(survey->input, counted, count, cost_out);
}

static enum oxp_status costs(struct survey *survey, struct oxp_cw_plan *plan) {
    enum oxp_status status = cost_when(survey, NOW, &plan->now);
    if (status == OXP_OK) {
        status = cost_when(survey, THEN, &plan->then);
    }
    if (status == OXP_OK) {
        status = cost_when(survey, PRUNED, &plan->pruned);
    }
    plan->over_budget = survey->input->config->budget > 0 && plan->then.total_month > survey->input->config->budget;
    return status;
}

static enum oxp_status prepare(struct survey *survey) {
    const struct oxp_cw_plan_input *input = survey->input;
    const struct oxp_cw_planned *wanted = NULL;
    struct oxp_buf prefix;
    enum oxp_status status = oxp_cw_wanted(input, survey->arena, &wanted, &survey->wanted, survey->error);
    if (status == OXP_OK) {
        status = oxp_cw_places_check(input->config, oxp_aws_client_region(survey->caller.client), survey->error);
    }
    if (status != OXP_OK) {
        return status;
    }
    survey->count = survey->wanted;
    survey->alarms = oxp_arena_zero(survey->arena, survey->count + 1, sizeof *survey->alarms);
    survey->places = oxp_arena_zero(survey->arena, survey->count + 1, sizeof(const char *));
    oxp_buf_init(&prefix, 0);
    oxp_cw_prefix(input, false, &prefix); /* what was made without an environment is to be seen, too */
    survey->prefix = oxp_buf_take(&prefix, NULL);
    survey->tags = oxp_cw_tags(input);
    if (survey->alarms == NULL || survey->places == NULL || survey->prefix == NULL || survey->tags == NULL) {
        return OXP_ERR_NOMEM;
    }
    for (size_t i = 0; i < survey->count && status == OXP_OK; i++) {
        survey->alarms[i] = wanted[i];
        survey->places[i] = wanted[i].name;
        status = oxp_map_set(&survey->names, oxp_view_from(wanted[i].name), &survey->places[i], NULL);
    }
    return status;
}

enum oxp_status oxp_cw_plan(const struct oxp_cw_plan_input *input, struct oxp_aws_client *client, struct oxp_http *http,
                            struct oxp_arena *arena, struct oxp_cw_plan *plan_out, struct oxp_error *error) {
    struct survey survey = {.input = input, .caller = {.client = client, .http = http}, .arena = arena, .error = error};
    *plan_out = (struct oxp_cw_plan){0};
    oxp_arena_init(&survey.caller.scratch, 0);
    oxp_map_init(&survey.names);
    enum oxp_status status = prepare(&survey);
    if (status == OXP_OK) {
        status = ask(&survey);
    }
    if (status == OXP_OK) {
        status = costs(&survey, plan_out);
    }
    if (status == OXP_OK) {
        plan_out->alarms = survey.alarms;
        plan_out->count = survey.count;
        plan_out->region = oxp_arena_copy(arena, oxp_aws_client_region(client));
        status = plan_out->region.ptr == NULL ? OXP_ERR_NOMEM : OXP_OK;
    }
    oxp_map_fini(&survey.names);
    oxp_json_free(survey.tags);
    free(survey.prefix);
    oxp_arena_fini(&survey.caller.scratch);
    return status == OXP_ERR_NOMEM ? oxp_error_set(error, status, 0, 0, "out of memory") : status;
}
