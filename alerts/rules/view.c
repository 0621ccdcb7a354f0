/* A copy of groups, rules and alerts for whoever wants to look. */
#include "alerts/rules/internal.h"

static const struct oxp_alert_view *copy_alerts(struct oxp_arena *arena, const struct oxp_rule_state *state,
                                                struct oxp_rule_view *view) {
    size_t count = oxp_rule_state_count(state, OXP_ALERT_PENDING) + oxp_rule_state_count(state, OXP_ALERT_FIRING);
    struct oxp_alert_view *alerts = oxp_arena_zero(arena, count, sizeof *alerts);
    for (size_t i = 0; alerts != NULL && view->alert_count < count; i++) {
        const struct oxp_alert *alert = (const struct oxp_alert *)state->table.items[i];
        if (alert->life.state != OXP_ALERT_INACTIVE) {
            alerts[view->alert_count++] = (struct oxp_alert_view){
                .labels = oxp_labels_copy(arena, alert->item.labels),
                .annotations = oxp_labels_copy(arena, alert->annotations),
                .value = alert->value,
                .life = alert->life,
            };
            view->state = alert->life.state > view->state ? alert->life.state : view->state;
        }
    }
    return alerts;
}

static void copy_rule(struct oxp_arena *arena, const struct oxp_rule_state *state, struct oxp_rule_view *view) {
    const struct oxp_rule *rule = state->rule;
    *view = (struct oxp_rule_view){
        .kind = rule->kind,
        .name = oxp_arena_copy(arena, oxp_symbol_view(rule->name)),
        .query = oxp_arena_copy(arena, rule->query),
        .last_error = oxp_arena_copy(arena, oxp_view_from(state->error.text)),
        .for_ms = rule->for_ms,
        .keep_firing_for_ms = rule->keep_firing_for_ms,
        .labels = oxp_labels_copy(arena, state->labels),
        .annotations = oxp_labels_copy(arena, state->annotations),
        .health = state->health,
        .last_ms = state->last_ms,
        .seconds = state->seconds,
    };
    view->alerts = copy_alerts(arena, state, view);
}

static void copy_group(struct oxp_arena *arena, const struct oxp_group_state *group, struct oxp_group_view *view) {
    struct oxp_rule_view *rules = oxp_arena_zero(arena, group->count, sizeof *rules);
    *view = (struct oxp_group_view){
        .name = oxp_arena_copy(arena, group->group->name),
        .file = oxp_arena_copy(arena, group->group->file),
        .interval_ms = group->interval_ms,
        .last_ms = group->last_ms,
        .seconds = group->seconds,
        .limit = group->group->limit,
        .missed = group->missed,
        .rules = rules,
        .count = group->count,
    };
    for (size_t i = 0; rules != NULL && i < group->count; i++) {
        copy_rule(arena, &group->rules[i], &rules[i]);
    }
}

enum oxp_status oxp_rules_view(struct oxp_rules *rules, struct oxp_arena *arena,
                               const struct oxp_group_view **groups_out, size_t *count_out) {
    *groups_out = NULL;
    *count_out = 0;
    pthread_mutex_lock(&rules->lock);
    struct oxp_group_view *groups = oxp_arena_zero(arena, rules->group_count, sizeof *groups);
    for (size_t i = 0; groups != NULL && i < rules->group_count; i++) {
        copy_group(arena, &rules->groups[i], &groups[i]);
    }
    size_t count = rules->group_count;
    pthread_mutex_unlock(&rules->lock);
    enum oxp_status status = oxp_arena_status(arena);
    if (status == OXP_OK) {
        *groups_out = groups;
        *count_out = count;
    }
    return status;
}

bool oxp_rules_awaits(struct oxp_rules *rules, struct oxp_view name) {
    bool awaits = false;
    pthread_mutex_lock(&rules->lock);
    for (size_t g = 0; g < rules->group_count && !awaits; g++) {
        for (size_t r = 0; r < rules->groups[g].count && !awaits; r++) {
            const struct oxp_rule_state *state = &rules->groups[g].rules[r];
            awaits = !state->known && state->rule->kind == OXP_RULE_ALERTING &&
                     oxp_view_equal(oxp_symbol_view(state->rule->name), name);
        }
    }
    pthread_mutex_unlock(&rules->lock);
    return awaits;
}
