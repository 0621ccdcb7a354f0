/* A group: its slots in time, and one run of its rules. */
#include <stdio.h>

#include "alerts/rules/internal.h"
#include "lib/base/map.h"

#define DEFAULT_INTERVAL_MS 15000

/* ---- Slots ---- */

static int64_t interval_of(const struct oxp_rules *rules, const struct oxp_rule_group *group) {
    if (group->interval_ms > 0) {
        return group->interval_ms;
    }
    return rules->options.interval_ms > 0 ? rules->options.interval_ms : DEFAULT_INTERVAL_MS;
}

/* Groups of the same interval do not all run at the same moment; a group always runs at the same one. */
static int64_t phase_of(const struct oxp_group_state *group) {
    uint64_t hash = oxp_hash(group->group->file.ptr, group->group->file.len, 0);
    hash = oxp_hash(group->group->name.ptr, group->group->name.len, hash);
    return (int64_t)(hash % (uint64_t)group->interval_ms);
}

int64_t oxp_group_slot(const struct oxp_group_state *group, int64_t time_ms) {
    int64_t past = (time_ms - phase_of(group)) % group->interval_ms;
    return time_ms - (past < 0 ? past + group->interval_ms : past);
}

void oxp_group_reschedule(const struct oxp_rules *rules, struct oxp_group_state *group) {
    int64_t interval_ms = interval_of(rules, group->group);
    if (interval_ms != group->interval_ms) {
        int64_t since_ms = group->next_ms - group->interval_ms; /* the last run, or the load */
        group->interval_ms = interval_ms;
        group->next_ms = oxp_group_slot(group, since_ms) + interval_ms;
    }
}

/* ---- Beginning and end ---- */

/* The set of names and texts as written. */
static const struct oxp_labels *set_of(struct oxp_arena *arena, const struct oxp_rule_text *texts, size_t count) {
    struct oxp_labels_builder builder;
    oxp_labels_build(&builder, arena, oxp_labels_none());
    builder.keeps_empty = true;
    for (size_t i = 0; i < count; i++) {
        oxp_labels_set_text(&builder, oxp_symbol_view(texts[i].name), texts[i].text);
    }
    return oxp_labels_finish(&builder);
}

/* The values that are known beforehand, NULL for those that are not. */
static const struct oxp_symbol *const *values_of(struct oxp_arena *arena, const struct oxp_rule_text *texts,
                                                 size_t count, bool templates) {
    const struct oxp_symbol **values = oxp_arena_zero(arena, count, sizeof(struct oxp_symbol *));
    for (size_t i = 0; values != NULL && i < count; i++) {
        bool fixed = !templates || texts[i].template == NULL || oxp_template_plain(texts[i].template);
        values[i] = fixed ? oxp_symbol_new(arena, texts[i].text) : NULL;
    }
    return values;
}

static void init_rule(struct oxp_arena *arena, struct oxp_rule_state *state, const struct oxp_rule *rule) {
    bool alerting = rule->kind == OXP_RULE_ALERTING; /* labels of recording rules are no templates, in Prometheus too */
    state->rule = rule;
    state->labels = set_of(arena, rule->labels, rule->label_count);
    state->annotations = set_of(arena, rule->annotations, rule->annotation_count);
    state->label_values = values_of(arena, rule->labels, rule->label_count, alerting);
    state->annotation_values = values_of(arena, rule->annotations, rule->annotation_count, alerting);
}

enum oxp_status oxp_group_init(const struct oxp_rules *rules, struct oxp_group_state *group,
                               const struct oxp_rule_group *from, int64_t now_ms) {
    *group = (struct oxp_group_state){.group = from, .interval_ms = interval_of(rules, from)};
    oxp_arena_init(&group->arena, 0);
    group->next_ms = oxp_group_slot(group, now_ms) + group->interval_ms;
    group->rules = oxp_arena_zero(&group->arena, from->count, sizeof *group->rules);
    if (group->rules != NULL) {
        group->count = from->count;
        for (size_t i = 0; i < from->count; i++) {
            init_rule(&group->arena, &group->rules[i], &from->rules[i]);
        }
    }
    return oxp_arena_status(&group->arena);
}

void oxp_group_fini(struct oxp_group_state *group) {
    for (size_t i = 0; i < group->count; i++) {
        struct oxp_rule_state *state = &group->rules[i];
        for (size_t k = 0; k < state->table.count; k++) {
            if (state->rule->kind == OXP_RULE_ALERTING) {
                oxp_alert_free((struct oxp_alert *)state->table.items[k]);
            } else {
                oxp_record_free((struct oxp_record *)state->table.items[k]);
            }
        }
        oxp_label_table_fini(&state->table);
    }
    oxp_arena_fini(&group->arena);
}

/* ---- One rule ---- */

void oxp_rules_note(const struct oxp_rules *rules, const struct oxp_rule_group *group, const struct oxp_rule *rule,
                    const char *text) {
    if (rules->options.on_note != NULL) {
        rules->options.on_note(rules->options.ctx, group, rule, text);
    }
}

/* A word when a rule begins to fail, and when it works again. */
static void note_health(const struct oxp_rules *rules, const struct oxp_group_state *group,
                        const struct oxp_rule_state *state, enum oxp_rule_health was) {
    if (state->health == OXP_RULE_FAILED && was != OXP_RULE_FAILED) {
        oxp_rules_note(rules, group->group, state->rule, state->error.text);
    } else if (state->health == OXP_RULE_OK && was == OXP_RULE_FAILED) {
        oxp_rules_note(rules, group->group, state->rule, "works again");
    }
}

static void run_rule(struct oxp_evaluation *evaluation, int64_t now_ms) {
    struct oxp_rules *rules = evaluation->rules;
    struct oxp_rule_state *state = evaluation->rule;
    enum oxp_rule_health was = state->health;
    int64_t began = oxp_clock_mono(rules->options.clock).ns;
    oxp_arena_clear(&rules->scratch);
    enum oxp_status status =
        state->rule->kind == OXP_RULE_ALERTING ? oxp_rule_alert(evaluation) : oxp_rule_record(evaluation);
    int64_t took = oxp_clock_mono(rules->options.clock).ns - began;
    const struct oxp_error *error = status != OXP_OK ? &evaluation->error : &evaluation->unwritten;
    pthread_mutex_lock(&rules->lock);
    rules->evaluations++;
    rules->failures += status != OXP_OK;
    state->health = error->text[0] == '\0' ? OXP_RULE_OK : OXP_RULE_FAILED;
    state->known = state->known || (status == OXP_OK && !evaluation->held);
    state->error = *error;
    state->last_ms = now_ms;
    state->seconds = (double)took / 1e9;
    pthread_mutex_unlock(&rules->lock);
    note_health(rules, evaluation->group, state, was);
}

/* ---- One run ---- */

static void note_gap(const struct oxp_rules *rules, const struct oxp_group_state *group, const struct oxp_gap *gap) {
    char text[200];
    snprintf(text, sizeof text,
             gap->kind == OXP_GAP_JUMP
                 ? "the clock was set: %.0f seconds do not count, and until the rules' windows are past that nothing "
                   "fires and nothing resolves"
                 : "nothing was evaluated for %.0f seconds: they do not count, and for a while nothing fires and "
                   "nothing resolves",
             (double)gap->shift_ms / 1000);
    oxp_rules_note(rules, group->group, NULL, text);
}

void oxp_group_bridge(struct oxp_rules *rules, struct oxp_group_state *group, const struct oxp_gap *gap,
                      int64_t slot_ms) {
    for (size_t i = 0; i < group->count; i++) {
        struct oxp_rule_state *state = &group->rules[i];
        if (state->rule->kind == OXP_RULE_ALERTING) {
            oxp_alert_watch_gap(&state->watch, gap, slot_ms, group->interval_ms, state->rule->expr->reach_ms);
            for (size_t k = 0; k < state->table.count; k++) {
                oxp_alert_shift(&((struct oxp_alert *)state->table.items[k])->life, gap->shift_ms);
            }
        }
    }
    rules->changes++;
}

/* Looks at what lies between the last run and this one: a gap, and how many slots were missed. These are counted by
 * monotonic time when the clock was set, so that it misses none. */
static uint64_t look_back(struct oxp_rules *rules, struct oxp_group_state *group, const struct oxp_moment *now) {
    struct oxp_gap gap = oxp_gap_between(&group->last, now, group->interval_ms);
    int64_t passed = gap.kind == OXP_GAP_JUMP ? now->mono_ms - group->last.mono_ms + group->interval_ms / 2
                                              : now->wall_ms - group->last.wall_ms;
    if (gap.kind != OXP_GAP_NONE) {
        pthread_mutex_lock(&rules->lock);
        oxp_group_bridge(rules, group, &gap, now->wall_ms);
        pthread_mutex_unlock(&rules->lock);
        if (!rules->gap_noted) { /* all groups see the same one */
            note_gap(rules, group, &gap);
        }
        rules->gap_noted = true;
    }
    int64_t slots = passed / group->interval_ms;
    return slots > 1 ? (uint64_t)(slots - 1) : 0;
}

void oxp_group_run(struct oxp_rules *rules, struct oxp_group_state *group, int64_t slot_ms, int64_t now_ms, bool held,
                   bool watched) {
    int64_t began = oxp_clock_mono(rules->options.clock).ns;
    struct oxp_moment now = {.wall_ms = slot_ms, .mono_ms = began / OXP_NS_PER_MS};
    uint64_t missed = group->ran && watched ? look_back(rules, group, &now) : 0;
    for (size_t i = 0; i < group->count; i++) {
        struct oxp_rule_state *state = &group->rules[i];
        bool watch_holds = oxp_alert_holds(&state->watch.held, slot_ms);
        oxp_alert_holds(&state->watch.unsure, slot_ms);
        struct oxp_evaluation evaluation = {.rules = rules,
                                            .group = group,
                                            .rule = state,
                                            .time_ms = slot_ms,
                                            .sample_ms = slot_ms - group->group->query_offset_ms,
                                            .held = held || watch_holds};
        run_rule(&evaluation, now_ms);
    }
    int64_t took = oxp_clock_mono(rules->options.clock).ns - began;
    pthread_mutex_lock(&rules->lock);
    group->ran = true;
    group->last = now;
    group->next_ms = slot_ms + group->interval_ms;
    group->missed += missed;
    rules->missed += missed;
    group->last_ms = now_ms;
    group->seconds = (double)took / 1e9;
    pthread_mutex_unlock(&rules->lock);
}
