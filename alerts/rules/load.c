/* A reload: new groups take over what the old ones held, and what nobody takes over ends.
 *
 * As in Prometheus (rules/group.go, CopyState) a rule is the same one when its group has the same file and name, and it
 * has the same kind, name and labels as written; of several such, the first goes with the first. Its alerts and series
 * go on even when expression, `for` or annotations changed: the next evaluation judges them by what is written now.
 *
 * Everything that may fail is done before anything is changed. */
#include <stdlib.h>

#include "alerts/rules/internal.h"

struct loading {
    struct oxp_rules *rules;
    struct oxp_group_state *groups;
    struct oxp_rule_file **files;
    struct oxp_ended *ended;
    size_t group_count, initialised, ended_count;
};

/* ---- What may fail ---- */

static enum oxp_status init_groups(struct loading *loading, struct oxp_rule_file *const *files, size_t count,
                                   int64_t now_ms) {
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < files[i]->group_count; k++) {
            struct oxp_group_state *group = &loading->groups[loading->initialised++];
            enum oxp_status status = oxp_group_init(loading->rules, group, &files[i]->groups[k], now_ms);
            if (status != OXP_OK) {
                return status;
            }
        }
    }
    return OXP_OK;
}

/* How many series there are at most that might end now. */
static size_t count_series(const struct oxp_rules *rules) {
    size_t count = rules->ended_count;
    for (size_t i = 0; i < rules->group_count; i++) {
        for (size_t k = 0; k < rules->groups[i].count; k++) {
            count += 2 * rules->groups[i].rules[k].table.count; /* an alert has two */
        }
    }
    return count;
}

static enum oxp_status prepare(struct loading *loading, struct oxp_rule_file *const *files, size_t count,
                               int64_t now_ms) {
    for (size_t i = 0; i < count; i++) {
        loading->group_count += files[i]->group_count;
    }
    loading->groups = calloc(loading->group_count + 1, sizeof *loading->groups);
    loading->files = calloc(count + 1, sizeof(struct oxp_rule_file *));
    loading->ended = calloc(count_series(loading->rules) + 1, sizeof *loading->ended);
    if (loading->groups == NULL || loading->files == NULL || loading->ended == NULL) {
        return OXP_ERR_NOMEM;
    }
    for (size_t i = 0; i < count; i++) {
        loading->files[i] = files[i];
    }
    return init_groups(loading, files, count, now_ms);
}

/* ---- Who is whose successor ---- */

static bool is_same_rule(const struct oxp_rule_state *a, const struct oxp_rule_state *b) {
    return a->rule->kind == b->rule->kind && oxp_symbol_equal(a->rule->name, b->rule->name) &&
           oxp_labels_equal(a->labels, b->labels);
}

static void match_rules(struct oxp_group_state *group, struct oxp_group_state *old) {
    size_t next = 0; /* mostly the rules are the same ones in the same order */
    for (size_t i = 0; i < group->count; i++) {
        for (size_t k = 0; k < old->count && group->rules[i].from == NULL; k++) {
            struct oxp_rule_state *from = &old->rules[(next + k) % old->count];
            if (!from->taken && is_same_rule(&group->rules[i], from)) {
                group->rules[i].from = from;
                from->taken = true;
                next = (size_t)(from - old->rules) + 1;
            }
        }
    }
}

static struct oxp_group_state *predecessor(struct oxp_rules *rules, const struct oxp_rule_group *group) {
    for (size_t i = 0; i < rules->group_count; i++) {
        const struct oxp_rule_group *old = rules->groups[i].group;
        if (!rules->groups[i].taken && oxp_view_equal(old->name, group->name) &&
            oxp_view_equal(old->file, group->file)) {
            return &rules->groups[i];
        }
    }
    return NULL;
}

/* ---- What cannot fail ---- */

static void take_rule(struct oxp_rule_state *state) {
    struct oxp_rule_state *from = state->from;
    if (from == NULL) {
        return;
    }
    state->table = from->table;
    from->table = (struct oxp_label_table){0};
    state->round = from->round;
    state->watch = from->watch;
    if (oxp_view_equal(state->rule->query, from->rule->query)) {
        state->health = from->health;
        state->known = from->known;
        state->error = from->error;
        state->last_ms = from->last_ms;
        state->seconds = from->seconds;
    }
}

static void take_group(struct oxp_group_state *group, const struct oxp_group_state *old) {
    group->ran = old->ran;
    group->last = old->last;
    group->last_ms = old->last_ms;
    group->seconds = old->seconds;
    group->missed = old->missed;
    if (group->interval_ms == old->interval_ms) {
        group->next_ms = old->next_ms;
    } else if (group->ran && group->next_ms <= group->last.wall_ms) { /* a clock that went back */
        group->next_ms = oxp_group_slot(group, group->last.wall_ms) + group->interval_ms;
    }
    for (size_t i = 0; i < group->count; i++) {
        take_rule(&group->rules[i]);
    }
}

static void end_later(struct loading *loading, struct oxp_tsdb_series **series, int64_t due_ms) {
    struct oxp_ended ended = {.series = *series, .due_ms = due_ms};
    double last;
    if (*series == NULL) {
        return;
    }
    if (!oxp_tsdb_last(*series, &ended.last_ms, &last)) {
        oxp_tsdb_release(*series);
    } else {
        loading->ended[loading->ended_count++] = ended;
    }
    *series = NULL;
}

/* Whoever goes on with a series under another name or in another group has two intervals to do so, as in Prometheus. */
static void end_rule(struct loading *loading, const struct oxp_group_state *old, struct oxp_rule_state *state,
                     int64_t now_ms) {
    int64_t due_ms = now_ms + 2 * old->interval_ms;
    for (size_t i = 0; i < state->table.count; i++) {
        if (state->rule->kind == OXP_RULE_RECORDING) {
            end_later(loading, &((struct oxp_record *)state->table.items[i])->series, due_ms);
        } else {
            struct oxp_alert *alert = (struct oxp_alert *)state->table.items[i];
            end_later(loading, &alert->alerts, due_ms);
            end_later(loading, &alert->for_state, due_ms);
        }
    }
}

static void take_all(struct loading *loading, int64_t now_ms) {
    struct oxp_rules *rules = loading->rules;
    for (size_t i = 0; i < loading->group_count; i++) {
        struct oxp_group_state *group = &loading->groups[i], *old = predecessor(rules, group->group);
        if (old != NULL) {
            old->taken = true;
            match_rules(group, old);
            take_group(group, old);
        }
    }
    for (size_t i = 0; i < rules->ended_count; i++) {
        loading->ended[loading->ended_count++] = rules->ended[i];
    }
    for (size_t i = 0; i < rules->group_count; i++) {
        for (size_t k = 0; k < rules->groups[i].count; k++) {
            end_rule(loading, &rules->groups[i], &rules->groups[i].rules[k], now_ms);
        }
    }
}

/* An alert whose rule is gone is over; nobody else would say so. */
static void tell_ends(struct oxp_rules *rules, const struct oxp_group_state *old, const struct oxp_rule_state *state,
                      int64_t now_ms) {
    for (size_t i = 0; state->rule->kind == OXP_RULE_ALERTING && i < state->table.count; i++) {
        struct oxp_alert *alert = (struct oxp_alert *)state->table.items[i];
        enum oxp_alert_state was = alert->life.state;
        if (was == OXP_ALERT_INACTIVE) {
            continue;
        }
        alert->life.state = OXP_ALERT_INACTIVE;
        alert->life.resolved_ms = was == OXP_ALERT_FIRING ? now_ms : 0;
        oxp_alert_tell(rules, old->group, state->rule, alert,
                       was == OXP_ALERT_FIRING ? OXP_ALERT_RESOLVED : OXP_ALERT_DROPPED, now_ms);
    }
}

enum oxp_status oxp_rules_load(struct oxp_rules *rules, struct oxp_rule_file **files, size_t count, int64_t now_ms) {
    struct loading loading = {.rules = rules};
    size_t old_count = 0;
    enum oxp_status status = prepare(&loading, files, count, now_ms);
    if (status == OXP_OK) {
        struct oxp_group_state *groups = rules->groups;
        struct oxp_rule_file **old_files = rules->files;
        struct oxp_ended *ended = rules->ended;
        size_t group_count = rules->group_count, file_count = rules->file_count;
        pthread_mutex_lock(&rules->lock);
        take_all(&loading, now_ms);
        rules->groups = loading.groups;
        rules->group_count = loading.group_count;
        rules->files = loading.files;
        rules->file_count = count;
        rules->ended = loading.ended;
        rules->ended_count = loading.ended_count;
        rules->changes++;
        pthread_mutex_unlock(&rules->lock);
        oxp_arena_clear(&rules->scratch);
        for (size_t i = 0; i < group_count; i++) {
            for (size_t k = 0; k < groups[i].count; k++) {
                tell_ends(rules, &groups[i], &groups[i].rules[k], now_ms);
            }
        }
        loading = (struct loading){.groups = groups, .initialised = group_count, .files = old_files, .ended = ended};
        old_count = file_count;
    }
    for (size_t i = 0; i < loading.initialised; i++) {
        oxp_group_fini(&loading.groups[i]);
    }
    for (size_t i = 0; i < old_count;
         i++) { /* what the groups pointed into; on failure the new ones stay the caller's */
        oxp_rule_file_free(loading.files[i]);
    }
    free(loading.groups);
    free(loading.files);
    free(loading.ended);
    return status;
}
