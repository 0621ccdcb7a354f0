/* rule_alarms: one alarm for each alert name that is selected, however many rules bear it; its metric is 1 while any of
 * them fires. */
#include "alerts/cloudwatch/plan_internal.h"

#include "lib/base/map.h"
#include "lib/base/utf8.h"

#define DESCRIPTION_MAX 1024 /* PutMetricAlarm's */

static bool listed(const char *const *list, struct oxp_view text) {
    if (list == NULL || list[0] == NULL) {
        return true;
    }
    for (; *list != NULL; list++) {
        if (oxp_view_is(text, *list)) {
            return true;
        }
    }
    return false;
}

/* As publish.c chooses: both lists must hold, an empty one holds always. */
static bool is_wanted(const struct oxp_cw_config *config, struct oxp_view alertname, struct oxp_view severity) {
    return config->rule_alarms && listed(config->rule_names, alertname) && listed(config->rule_severities, severity);
}

static struct oxp_view find_text(const struct oxp_rule_text *texts, size_t count, const char *name) {
    for (size_t i = 0; i < count; i++) {
        if (strcmp(texts[i].name->text, name) == 0) {
            return texts[i].text;
        }
    }
    return oxp_view_of("", 0);
}

/* What the alarm is about in words: the summary without its full stop, or the rule's name where that is a template,
 * which only an alert fills in. Empty without a summary. */
static struct oxp_view subject_of(const struct oxp_rule *rule) {
    struct oxp_view summary = find_text(rule->annotations, rule->annotation_count, "summary");
    while (summary.len > 0 && strchr(". \n", summary.ptr[summary.len - 1]) != NULL) {
        summary.len--;
    }
    bool template = summary.len > 0 && memmem(summary.ptr, summary.len, "{{", 2) != NULL;
    return template ? oxp_symbol_view(rule->name) : summary;
}

/* "<subject>: <expr>", on one line, cut. */
static const char *describe(struct oxp_arena *arena, const struct oxp_rule *rule) {
    struct oxp_view subject = subject_of(rule);
    struct oxp_buf text;
    oxp_buf_init(&text, 0);
    oxp_buf_append_view(&text, subject);
    oxp_buf_append_text(&text, subject.len == 0 ? "" : ": ");
    oxp_buf_append_view(&text, rule->query);
    for (size_t i = 0; i < text.len; i++) {
        if ((unsigned char)text.data[i] < ' ' || text.data[i] == 0x7f) {
            text.data[i] = ' ';
        }
    }
    if (oxp_buf_status(&text) == OXP_OK) {
        text.len = oxp_utf8_cut(oxp_buf_view(&text), DESCRIPTION_MAX).len;
    }
    while (text.len > 0 && text.data[text.len - 1] == ' ') { /* nobody promises that blanks at the end are kept */
        text.len--;
    }
    return oxp_cw_text_keep(arena, &text);
}

static enum oxp_status add_rule(struct oxp_cw_wish *wish, const struct oxp_rule *rule) {
    const struct oxp_cw_config *config = wish->input->config;
    struct oxp_cw_pair dimension = {OXP_CW_RULE_DIMENSION, rule->name->text};
    struct oxp_buf what;
    oxp_buf_init(&what, 0);
    oxp_buf_append_format(&what, "rule/%s", rule->name->text);
    const char *kept = oxp_cw_text_keep(wish->arena, &what);
    struct oxp_cw_alarm *alarm = kept == NULL ? NULL : oxp_cw_alarm_add(wish, "rule", kept, 0);
    if (alarm == NULL) {
        return OXP_ERR_NOMEM;
    }
    alarm->description = describe(wish->arena, rule);
    alarm->metric = OXP_CW_RULE_STATE;
    alarm->statistic = "Maximum";
    alarm->comparison = "GreaterThanOrEqualToThreshold";
    alarm->threshold = 1;
    alarm->period_s = oxp_cw_period_s(config->interval_ms);
    alarm->datapoints = alarm->of = 1;
    alarm->missing = OXP_CW_IGNORE;
    alarm->actions = config->rule_actions;
    alarm->dimensions = config->dimensions;
    alarm->dimension_count = config->dimension_count;
    enum oxp_status status =
        oxp_cw_dimensions_add(wish->arena, &alarm->dimensions, &alarm->dimension_count, &dimension, 1);
    status = alarm->description == NULL ? OXP_ERR_NOMEM : status;
    return status == OXP_OK && config->lane == OXP_CW_OTLP ? oxp_cw_promql_rule(wish, alarm, rule) : status;
}

/* Each selected name once; `wish` NULL only counts. */
static enum oxp_status each_rule(const struct oxp_cw_plan_input *input, struct oxp_cw_wish *wish, size_t *count_out) {
    enum oxp_status status = OXP_OK;
    struct oxp_map names;
    oxp_map_init(&names);
    *count_out = 0;
    for (size_t f = 0; f < input->file_count; f++) {
        for (size_t g = 0; g < input->files[f]->group_count; g++) {
            const struct oxp_rule_group *group = &input->files[f]->groups[g];
            for (size_t r = 0; r < group->count && status == OXP_OK; r++) {
                const struct oxp_rule *rule = &group->rules[r];
                if (rule->kind != OXP_RULE_ALERTING ||
                    !is_wanted(input->config, oxp_symbol_view(rule->name),
                               find_text(rule->labels, rule->label_count, "severity")) ||
                    oxp_map_get(&names, oxp_symbol_view(rule->name)) != NULL) {
                    continue;
                }
                ++*count_out;
                status = oxp_map_set(&names, oxp_symbol_view(rule->name), &names, NULL);
                if (status == OXP_OK && wish != NULL) {
                    status = add_rule(wish, rule);
                }
            }
        }
    }
    oxp_map_fini(&names);
    return status;
}

enum oxp_status oxp_cw_alarm_rules(struct oxp_cw_wish *wish) {
    size_t count = 0;
    return each_rule(wish->input, wish, &count);
}

enum oxp_status oxp_cw_rule_count(const struct oxp_cw_plan_input *input, size_t *count_out) {
    return each_rule(input, NULL, count_out);
}
