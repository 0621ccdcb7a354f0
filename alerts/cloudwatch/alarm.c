/* The wanted alarms: thresholds, the states of rules, the heartbeat. Pure.
 *
 * Identity: an alarm looks at the very metric that is published, so its dimensions are the section's (with
 * `replicas: split` the external labels among them: each replica has alarms of its own, which end with them) and its
 * own. The heartbeat alone is of all replicas together. Two environments of a service in one account publish under
 * other dimensions, so the environment stands in the name, too.
 *
 * The heartbeat: each replica publishes 1 each interval, so a period of P seconds sums to between floor(P / I) and
 * ceil(P / I) for each replica that lives. The alarm compares with all = N * floor(P / I): all alive are never below
 * it. One that is missing is always below it when (N - 1) * ceil(P / I) < N * floor(P / I), and the period is the
 * smallest for which that holds. */
#include "alerts/cloudwatch/plan_internal.h"

#include "lib/base/map.h"
#include <math.h>

#define HEARTBEAT_PERIODS 3
#define HEARTBEAT_PERIOD_MAX_S 3600 /* at the latest then, exact or not */

unsigned oxp_cw_period_s(int64_t ms) {
    static const unsigned small[] = {10, 20, 30};
    for (size_t i = 0; i < sizeof small / sizeof small[0]; i++) {
        if (ms <= (int64_t)small[i] * 1000) {
            return small[i];
        }
    }
    return (unsigned)((ms + 59999) / 60000) * 60;
}

static void name_pairs(struct oxp_buf *out, const struct oxp_cw_pair *pairs, size_t count) {
    for (size_t i = 0; i < count; i++) {
        oxp_buf_append_format(out, "/%s=%s", pairs[i].name, pairs[i].value);
    }
}

const char *oxp_cw_environment(const struct oxp_cw_plan_input *input) {
    return input->identity->environment == NULL ? "" : input->identity->environment;
}

void oxp_cw_prefix(const struct oxp_cw_plan_input *input, bool environment, struct oxp_buf *out) {
    const char *own = oxp_cw_environment(input);
    oxp_buf_append_format(out, "%s/%s/", input->config->namespace_name, input->identity->service);
    if (environment && own[0] != '\0') {
        oxp_buf_append_format(out, "%s/", own);
    }
}

/* What comes after "<part>/"; NULL when the text does not begin so, or nothing comes. */
static const char *behind(const char *text, const char *part) {
    size_t len = strlen(part);
    bool begins = text != NULL && len > 0 && strncmp(text, part, len) == 0 && text[len] == '/';
    return begins && text[len + 1] != '\0' ? text + len + 1 : NULL;
}

/* A name may be given in full, with the environment or without. */
static const char *own_part(const struct oxp_cw_plan_input *input, const char *what) {
    const char *rest = behind(behind(what, input->config->namespace_name), input->identity->service);
    const char *last = behind(rest, oxp_cw_environment(input));
    return last != NULL ? last : rest != NULL ? rest : what;
}

struct oxp_cw_alarm *oxp_cw_alarm_add(struct oxp_cw_wish *wish, const char *kind, const char *what, unsigned line) {
    const struct oxp_cw_config *config = wish->input->config;
    struct oxp_buf name;
    struct oxp_cw_alarm *alarms =
        oxp_arena_grow(wish->arena, wish->alarms, wish->count, wish->count + 1, sizeof *wish->alarms);
    if (alarms == NULL) {
        return NULL;
    }
    oxp_buf_init(&name, 0);
    oxp_cw_prefix(wish->input, true, &name);
    oxp_buf_append_text(&name, own_part(wish->input, what));
    if (strcmp(kind, "heartbeat") != 0) {
        name_pairs(&name, config->dimensions + config->shared_count, config->dimension_count - config->shared_count);
    }
    const char *kept = oxp_cw_text_keep(wish->arena, &name);
    if (kept == NULL) {
        return NULL;
    }
    wish->alarms = alarms;
    struct oxp_cw_alarm *alarm = &alarms[wish->count++];
    *alarm = (struct oxp_cw_alarm){.name = kept, .kind = kind, .line = line};
    return alarm;
}

enum oxp_status oxp_cw_dimensions_add(struct oxp_arena *arena, const struct oxp_cw_pair **list, size_t *count,
                                      const struct oxp_cw_pair *more, size_t more_count) {
    struct oxp_cw_pair *pairs = oxp_arena_zero(arena, *count + more_count + 1, sizeof *pairs);
    if (pairs == NULL) {
        return OXP_ERR_NOMEM;
    }
    size_t kept = 0;
    for (size_t i = 0; i < *count; i++) { /* the later one wins, as it does where data are made */
        bool again = false;
        for (size_t j = 0; j < more_count; j++) {
            again = again || strcmp((*list)[i].name, more[j].name) == 0;
        }
        if (!again) {
            pairs[kept++] = (*list)[i];
        }
    }
    for (size_t j = 0; j < more_count; j++) {
        pairs[kept++] = more[j];
    }
    *list = pairs;
    *count = kept;
    return OXP_OK;
}

/* ---- Thresholds ---- */

static const struct {
    const char *name, *sign, *words;
} comparisons[] = {
    {"GreaterThanThreshold", ">", "above"},
    {"GreaterThanOrEqualToThreshold", ">=", "at or above"},
    {"LessThanThreshold", "<", "below"},
    {"LessThanOrEqualToThreshold", "<=", "at or below"},
};
#define COMPARISONS (sizeof comparisons / sizeof comparisons[0])

const char *oxp_cw_comparison_sign(const char *comparison) {
    for (size_t i = 0; i < COMPARISONS; i++) {
        if (strcmp(comparison, comparisons[i].name) == 0) {
            return comparisons[i].sign;
        }
    }
    return comparison;
}

static const char *in_words(const char *comparison) {
    for (size_t i = 0; i < COMPARISONS; i++) {
        if (strcmp(comparison, comparisons[i].name) == 0) {
            return comparisons[i].words;
        }
    }
    return comparison;
}

static enum oxp_status add_threshold(struct oxp_cw_wish *wish, const struct oxp_cw_threshold *threshold) {
    struct oxp_buf text;
    oxp_buf_init(&text, 0);
    if (threshold->name != NULL && threshold->name[0] != '\0') {
        oxp_buf_append_text(&text, threshold->name);
    } else {
        oxp_buf_append_text(&text, threshold->metric->name);
        name_pairs(&text, threshold->dimensions, threshold->dimension_count);
    }
    const char *what = oxp_cw_text_keep(wish->arena, &text);
    struct oxp_cw_alarm *alarm = what == NULL ? NULL : oxp_cw_alarm_add(wish, "threshold", what, threshold->line);
    if (alarm == NULL) {
        return OXP_ERR_NOMEM;
    }
    alarm->metric = threshold->metric->name;
    alarm->statistic = threshold->statistic;
    alarm->comparison = threshold->comparison;
    alarm->threshold = threshold->threshold;
    alarm->period_s =
        threshold->period_s == 0 ? oxp_cw_period_s(wish->input->config->interval_ms) : threshold->period_s;
    alarm->of = threshold->of == 0 ? 1 : threshold->of;
    alarm->datapoints = threshold->datapoints == 0 ? alarm->of : threshold->datapoints;
    alarm->missing = threshold->missing;
    alarm->actions = threshold->actions;
    alarm->dimensions = wish->input->config->dimensions;
    alarm->dimension_count = wish->input->config->dimension_count;
    enum oxp_status status = oxp_cw_dimensions_add(wish->arena, &alarm->dimensions, &alarm->dimension_count,
                                                   threshold->dimensions, threshold->dimension_count);
    alarm->description = threshold->description;
    if (status == OXP_OK && (alarm->description == NULL || alarm->description[0] == '\0')) {
        /* without figures: a changed threshold is one difference */
        oxp_buf_append_format(&text, "%s of %s is %s the threshold", alarm->statistic, alarm->metric,
                              in_words(alarm->comparison));
        alarm->description = oxp_cw_text_keep(wish->arena, &text);
        status = alarm->description == NULL ? OXP_ERR_NOMEM : OXP_OK;
    }
    if (status == OXP_OK && wish->input->config->lane == OXP_CW_OTLP) {
        status = oxp_cw_promql_threshold(wish, alarm, threshold->metric->kind);
    }
    return status;
}

/* ---- Heartbeat ---- */

static enum oxp_status add_heartbeat(struct oxp_cw_wish *wish) {
    const struct oxp_cw_config *config = wish->input->config;
    int64_t interval = config->interval_ms, replicas = config->heartbeat_replicas;
    int64_t period_ms = (int64_t)oxp_cw_period_s(interval) * 1000;
    while ((replicas - 1) * ((period_ms + interval - 1) / interval) >= replicas * (period_ms / interval) &&
           period_ms < HEARTBEAT_PERIOD_MAX_S * INT64_C(1000)) {
        period_ms = (int64_t)oxp_cw_period_s(period_ms + 1) * 1000;
    }
    struct oxp_cw_alarm *alarm = oxp_cw_alarm_add(wish, "heartbeat", "heartbeat", 0);
    if (alarm == NULL) {
        return OXP_ERR_NOMEM;
    }
    struct oxp_buf text;
    oxp_buf_init(&text, 0);
    oxp_buf_append_format(&text, "Fewer than %lld of oxpecker's replicas publish: what they watch is not watched",
                          (long long)replicas);
    alarm->description = oxp_cw_text_keep(wish->arena, &text);
    alarm->metric = OXP_CW_HEARTBEAT;
    alarm->dimensions = config->dimensions;
    alarm->dimension_count = config->shared_count;
    alarm->statistic = "Sum";
    alarm->comparison = "LessThanThreshold";
    int64_t beats = period_ms / interval; /* whole ones */
    alarm->threshold = (double)(replicas * beats);
    alarm->period_s = (unsigned)(period_ms / 1000);
    alarm->datapoints = alarm->of = HEARTBEAT_PERIODS;
    alarm->missing = OXP_CW_BREACHING;
    alarm->actions = config->heartbeat_actions;
    if (alarm->description == NULL) {
        return OXP_ERR_NOMEM;
    }
    return config->lane == OXP_CW_OTLP ? oxp_cw_promql_heartbeat(wish, alarm) : OXP_OK;
}

/* ---- All ---- */

static enum oxp_status condition_of(struct oxp_cw_wish *wish, const struct oxp_cw_alarm *alarm,
                                    struct oxp_cw_planned *planned) {
    struct oxp_buf text;
    oxp_buf_init(&text, 0);
    if (alarm->query != NULL) {
        oxp_cw_promql_condition(alarm, &text);
        planned->condition = oxp_cw_text_keep(wish->arena, &text);
        return planned->condition == NULL ? OXP_ERR_NOMEM : OXP_OK;
    }
    oxp_buf_append_format(&text, "%s of %s", alarm->statistic, alarm->metric);
    for (size_t i = 0; i < alarm->dimension_count; i++) {
        oxp_buf_append_format(&text, "%s%s=%s", i == 0 ? "{" : ", ", alarm->dimensions[i].name,
                              alarm->dimensions[i].value);
    }
    oxp_buf_append_format(&text, "%s %s ", alarm->dimension_count == 0 ? "" : "}",
                          oxp_cw_comparison_sign(alarm->comparison));
    oxp_buf_append_double(&text, alarm->threshold);
    oxp_buf_append_format(&text, " in %u of %u periods of %u s, missing data %s", alarm->datapoints, alarm->of,
                          alarm->period_s, oxp_cw_missing_name(alarm->missing));
    planned->condition = oxp_cw_text_keep(wish->arena, &text);
    return planned->condition == NULL ? OXP_ERR_NOMEM : OXP_OK;
}

static enum oxp_status to_planned(struct oxp_cw_wish *wish, const struct oxp_cw_planned **planned_out) {
    struct oxp_cw_planned *planned = oxp_arena_zero(wish->arena, wish->count + 1, sizeof *planned);
    enum oxp_status status = planned == NULL ? OXP_ERR_NOMEM : OXP_OK;
    struct oxp_map names;
    oxp_map_init(&names);
    for (size_t i = 0; i < wish->count && status == OXP_OK; i++) {
        const struct oxp_cw_alarm *alarm = &wish->alarms[i];
        void *before = NULL;
        status = oxp_cw_alarm_check(alarm, wish->error);
        if (status == OXP_OK) {
            status = oxp_map_set(&names, oxp_view_from(alarm->name), &planned[i], &before);
        }
        if (status == OXP_OK && before != NULL) {
            status = oxp_error_set(wish->error, OXP_ERR_INVALID, alarm->line, 0,
                                   "two alarms have the name \"%s\": give one of them a `name`", alarm->name);
        }
        planned[i] =
            (struct oxp_cw_planned){.change = OXP_CW_CREATE,
                                    .name = alarm->name,
                                    .kind = alarm->kind,
                                    .differences = "",
                                    .high_resolution = alarm->query == NULL && alarm->period_s < 60,
                                    .has_actions = alarm->actions.alarm != NULL && alarm->actions.alarm[0] != NULL};
        if (status == OXP_OK) {
            status = condition_of(wish, alarm, &planned[i]);
        }
        if (status == OXP_OK) {
            status = oxp_cw_alarm_body(alarm, wish->input, true, wish->arena, &planned[i].body);
        }
        if (status == OXP_OK) {
            status = oxp_cw_alarm_body(alarm, wish->input, false, wish->arena, &planned[i].update);
        }
    }
    oxp_map_fini(&names);
    *planned_out = planned;
    return status;
}

static enum oxp_status add_all(struct oxp_cw_wish *wish) {
    const struct oxp_cw_config *config = wish->input->config;
    enum oxp_status status = OXP_OK;
    for (size_t i = 0; i < config->threshold_count && status == OXP_OK; i++) {
        status = add_threshold(wish, &config->thresholds[i]);
    }
    if (status == OXP_OK && config->rule_alarms) {
        status = oxp_cw_alarm_rules(wish);
    }
    if (status == OXP_OK && config->heartbeat_replicas > 0) {
        status = add_heartbeat(wish);
    }
    return status;
}

enum oxp_status oxp_cw_wanted(const struct oxp_cw_plan_input *input, struct oxp_arena *arena,
                              const struct oxp_cw_planned **alarms_out, size_t *count_out, struct oxp_error *error) {
    struct oxp_cw_wish wish = {.input = input, .arena = arena, .error = error};
    *alarms_out = NULL;
    *count_out = 0;
    if (input->identity->service == NULL || input->identity->service[0] == '\0') {
        return oxp_error_set(error, OXP_ERR_INVALID, 0, 0, "alarms are named after the service, and it has no name");
    }
    enum oxp_status status = oxp_cw_tags_check(input->config, error);
    if (status == OXP_OK) {
        status = add_all(&wish);
    }
    if (status == OXP_OK) {
        status = to_planned(&wish, alarms_out);
    }
    if (status == OXP_OK) {
        *count_out = wish.count;
    }
    return status == OXP_ERR_NOMEM ? oxp_error_set(error, status, 0, 0, "out of memory") : status;
}
