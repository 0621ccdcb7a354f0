/* The whole: options, the round of all groups, what ended, counts. */
#include "alerts/rules/rules.h"

#include <stdlib.h>

#include "alerts/rules/internal.h"

/* ---- Beginning and end ---- */

static void make_symbols(struct oxp_rules *rules) {
    static const char *const texts[OXP_RULES_SYMBOLS] = {
        [OXP_RULES_NAME] = OXP_NAME_LABEL,
        [OXP_RULES_ALERTNAME] = "alertname",
        [OXP_RULES_ALERTSTATE] = "alertstate",
        [OXP_RULES_ALERTS] = "ALERTS",
        [OXP_RULES_FOR_STATE] = "ALERTS_FOR_STATE",
        [OXP_RULES_PENDING] = "pending",
        [OXP_RULES_FIRING] = "firing",
    };
    for (size_t i = 0; i < OXP_RULES_SYMBOLS; i++) {
        rules->symbol[i] = oxp_symbol_new(&rules->symbols, oxp_view_from(texts[i]));
    }
}

/* Takes over what a reload may change. */
static enum oxp_status set_options(struct oxp_rules *rules, const struct oxp_rules_options *options) {
    struct oxp_arena settings;
    const struct oxp_labels *labels = options->external_labels;
    const char *url = options->external_url == NULL ? "" : options->external_url;
    oxp_arena_init(&settings, 0);
    labels = oxp_labels_copy(&settings, labels == NULL ? oxp_labels_none() : labels);
    struct oxp_view copy = oxp_arena_copy(&settings, oxp_view_from(url));
    enum oxp_status status = oxp_arena_status(&settings);
    if (status != OXP_OK) {
        oxp_arena_fini(&settings);
        return status;
    }
    oxp_arena_fini(&rules->settings);
    rules->settings = settings;
    rules->options.external_labels = labels;
    rules->options.external_url = copy.ptr;
    rules->options.interval_ms = options->interval_ms;
    return OXP_OK;
}

enum oxp_status oxp_rules_new(const struct oxp_rules_options *options, struct oxp_rules **rules_out) {
    *rules_out = NULL;
    struct oxp_rules *rules = calloc(1, sizeof *rules);
    if (rules == NULL) {
        return OXP_ERR_NOMEM;
    }
    rules->options = *options;
    rules->options.clock = options->clock != NULL ? options->clock : oxp_clock_system();
    rules->saved_ms = INT64_MIN;
    oxp_arena_init(&rules->settings, 0);
    oxp_arena_init(&rules->symbols, 0);
    oxp_arena_init(&rules->scratch, 0);
    oxp_buf_init(&rules->text, 0);
    make_symbols(rules);
    enum oxp_status status = oxp_arena_status(&rules->symbols);
    status = status == OXP_OK ? set_options(rules, options) : status;
    if (status == OXP_OK && pthread_mutex_init(&rules->lock, NULL) != 0) {
        status = OXP_ERR_NOMEM;
    }
    if (status != OXP_OK) {
        oxp_arena_fini(&rules->settings);
        oxp_arena_fini(&rules->symbols);
        free(rules);
        return status;
    }
    *rules_out = rules;
    return OXP_OK;
}

void oxp_rules_free(struct oxp_rules *rules) {
    if (rules == NULL) {
        return;
    }
    for (size_t i = 0; i < rules->group_count; i++) {
        oxp_group_fini(&rules->groups[i]);
    }
    for (size_t i = 0; i < rules->ended_count; i++) {
        oxp_tsdb_release(rules->ended[i].series);
    }
    for (size_t i = 0; i < rules->file_count; i++) {
        oxp_rule_file_free(rules->files[i]);
    }
    free(rules->groups);
    free(rules->ended);
    free(rules->files);
    oxp_buf_fini(&rules->text);
    oxp_arena_fini(&rules->scratch);
    oxp_arena_fini(&rules->symbols);
    oxp_arena_fini(&rules->settings);
    pthread_mutex_destroy(&rules->lock);
    free(rules);
}

enum oxp_status oxp_rules_configure(struct oxp_rules *rules, const struct oxp_rules_options *options) {
    enum oxp_status status = set_options(rules, options);
    if (status == OXP_OK) {
        pthread_mutex_lock(&rules->lock);
        for (size_t i = 0; i < rules->group_count; i++) {
            oxp_group_reschedule(rules, &rules->groups[i]);
        }
        pthread_mutex_unlock(&rules->lock);
    }
    return status;
}

/* ---- A round ---- */

int64_t oxp_rules_next(const struct oxp_rules *rules) {
    int64_t next_ms = INT64_MAX;
    for (size_t i = 0; i < rules->group_count; i++) {
        next_ms = rules->groups[i].next_ms < next_ms ? rules->groups[i].next_ms : next_ms;
    }
    return next_ms;
}

/* Series whose rule is gone, once whoever goes on with them has had time to. */
static void end_series(struct oxp_rules *rules, int64_t now_ms) {
    size_t kept = 0;
    for (size_t i = 0; i < rules->ended_count; i++) {
        struct oxp_ended *ended = &rules->ended[i];
        int64_t last_ms = 0;
        double last = 0;
        if (now_ms < ended->due_ms) {
            rules->ended[kept++] = *ended;
            continue;
        }
        if (oxp_tsdb_last(ended->series, &last_ms, &last) && last_ms == ended->last_ms && !oxp_is_stale(last)) {
            (void)oxp_tsdb_append(rules->options.tsdb, ended->series, now_ms, oxp_stale_value());
        }
        oxp_tsdb_release(ended->series);
    }
    rules->ended_count = kept;
}

void oxp_rules_run(struct oxp_rules *rules, int64_t now_ms, bool held) {
    rules->gap_noted = false;
    for (size_t i = 0; i < rules->group_count; i++) {
        struct oxp_group_state *group = &rules->groups[i];
        if (now_ms >= group->next_ms) {
            oxp_group_run(rules, group, oxp_group_slot(group, now_ms), now_ms, held, true);
        }
    }
    end_series(rules, now_ms);
}

void oxp_rules_run_at(struct oxp_rules *rules, int64_t time_ms) {
    for (size_t i = 0; i < rules->group_count; i++) {
        oxp_group_run(rules, &rules->groups[i], time_ms, time_ms, false, false);
    }
    end_series(rules, time_ms);
}

void oxp_rules_rewind(struct oxp_rules *rules, int64_t now_ms) {
    pthread_mutex_lock(&rules->lock);
    for (size_t i = 0; i < rules->group_count; i++) {
        struct oxp_group_state *group = &rules->groups[i];
        int64_t slot_ms = oxp_group_slot(group, now_ms);
        struct oxp_gap gap = {OXP_GAP_JUMP, slot_ms - group->last.wall_ms};
        if (group->ran && gap.shift_ms < 0) {
            oxp_group_bridge(rules, group, &gap, slot_ms);
            group->last.wall_ms = slot_ms;
        }
        group->next_ms = slot_ms + group->interval_ms;
    }
    pthread_mutex_unlock(&rules->lock);
}

/* ---- Counts ---- */

size_t oxp_rule_state_count(const struct oxp_rule_state *state, enum oxp_alert_state of) {
    size_t count = 0;
    for (size_t i = 0; state->rule->kind == OXP_RULE_ALERTING && i < state->table.count; i++) {
        count += ((const struct oxp_alert *)state->table.items[i])->life.state == of;
    }
    return count;
}

void oxp_rules_stats(struct oxp_rules *rules, struct oxp_rules_stats *stats_out) {
    *stats_out = (struct oxp_rules_stats){0};
    pthread_mutex_lock(&rules->lock);
    stats_out->evaluations = rules->evaluations;
    stats_out->failures = rules->failures;
    stats_out->missed = rules->missed;
    stats_out->groups = rules->group_count;
    for (size_t i = 0; i < rules->group_count; i++) {
        const struct oxp_group_state *group = &rules->groups[i];
        stats_out->rules += group->count;
        for (size_t k = 0; k < group->count; k++) {
            stats_out->pending += oxp_rule_state_count(&group->rules[k], OXP_ALERT_PENDING);
            stats_out->firing += oxp_rule_state_count(&group->rules[k], OXP_ALERT_FIRING);
        }
    }
    pthread_mutex_unlock(&rules->lock);
}
