/* An alerting rule: its results become alerts, whose lives go on by state.c.
 *
 * An evaluation has three parts. First everything that may fail: the query, the templates, memory for new alerts; new
 * alerts stand in the table as inactive ones, which nobody sees. Then, under the lock and without any failure, all
 * lives take their step and values and annotations are put in place. Then samples are written, changes are told, and
 * what is gone is freed. */
#include <stdlib.h>

#include "alerts/rules/internal.h"

void oxp_alert_free(struct oxp_alert *alert) {
    if (alert->alerts != NULL) {
        oxp_tsdb_release(alert->alerts);
    }
    if (alert->for_state != NULL) {
        oxp_tsdb_release(alert->for_state);
    }
    free(alert->annotations);
    free(alert->next_annotations);
    free((void *)(uintptr_t)alert->item.labels);
    free(alert);
}

static void give(void *ctx, struct oxp_labelled *item) {
    (void)ctx;
    oxp_alert_free((struct oxp_alert *)item);
}

static struct oxp_alert *alert_at(const struct oxp_rule_state *state, size_t i) {
    return (struct oxp_alert *)state->table.items[i];
}

static void sweep(struct oxp_evaluation *evaluation) {
    pthread_mutex_lock(&evaluation->rules->lock);
    oxp_label_table_sweep(&evaluation->rule->table, give, NULL);
    pthread_mutex_unlock(&evaluation->rules->lock);
}

/* ---- From a result to an alert ---- */

static enum oxp_status add(struct oxp_evaluation *evaluation, struct oxp_labels_builder *builder,
                           struct oxp_alert **alert_out) {
    const struct oxp_labels *labels = oxp_labels_finish(builder);
    if (labels == NULL) {
        return oxp_evaluation_fail(evaluation, oxp_arena_status(builder->arena));
    }
    struct oxp_alert *alert = calloc(1, sizeof *alert);
    if (alert == NULL) {
        return oxp_evaluation_fail(evaluation, OXP_ERR_NOMEM);
    }
    alert->item.labels = oxp_labels_own(labels);
    alert->annotations = oxp_labels_own(oxp_labels_none());
    enum oxp_status status = OXP_ERR_NOMEM;
    if (alert->item.labels != NULL && alert->annotations != NULL) {
        pthread_mutex_lock(&evaluation->rules->lock);
        status = oxp_label_table_add(&evaluation->rule->table, &alert->item);
        pthread_mutex_unlock(&evaluation->rules->lock);
    }
    if (status != OXP_OK) {
        oxp_alert_free(alert);
        return oxp_evaluation_fail(evaluation, OXP_ERR_NOMEM);
    }
    *alert_out = alert;
    return OXP_OK;
}

/* Finds or makes the alert of a result. */
static enum oxp_status find(struct oxp_evaluation *evaluation, const struct oxp_template_data *data,
                            struct oxp_alert **alert_out) {
    struct oxp_rules *rules = evaluation->rules;
    struct oxp_rule_state *state = evaluation->rule;
    struct oxp_labels_builder builder;
    oxp_evaluation_relabel(evaluation, data->labels, &builder);
    if (!oxp_evaluation_expand(evaluation, state->rule->labels, state->rule->label_count, state->label_values, data,
                               &builder)) {
        return oxp_evaluation_fail(evaluation, OXP_ERR_NOMEM);
    }
    oxp_labels_set(&builder, rules->symbol[OXP_RULES_ALERTNAME], state->rule->name);
    if (!builder.overflow) {
        *alert_out = (struct oxp_alert *)oxp_label_table_find(&state->table, builder.label, builder.count,
                                                              oxp_labels_hash(builder.label, builder.count));
    }
    if (*alert_out != NULL && (*alert_out)->item.round == state->round) {
        return oxp_error_set(&evaluation->error, OXP_ERR_INVALID, 0, 0,
                             "vector contains metrics with the same labelset after applying alert labels");
    }
    return *alert_out != NULL ? OXP_OK : add(evaluation, &builder, alert_out);
}

static enum oxp_status annotate(struct oxp_evaluation *evaluation, const struct oxp_template_data *data,
                                struct oxp_alert *alert) {
    const struct oxp_rule_state *state = evaluation->rule;
    const struct oxp_rule *rule = state->rule;
    struct oxp_labels_builder builder;
    oxp_labels_build(&builder, &evaluation->rules->scratch, oxp_labels_none());
    builder.keeps_empty = true; /* as in Prometheus: one whose template gives nothing is there, and empty */
    for (size_t i = 0; i < rule->annotation_count; i++) {
        if (state->annotation_values[i] != NULL) {
            oxp_labels_set(&builder, rule->annotations[i].name, state->annotation_values[i]);
        }
    }
    if (!oxp_evaluation_expand(evaluation, rule->annotations, rule->annotation_count, state->annotation_values, data,
                               &builder)) {
        return oxp_evaluation_fail(evaluation, OXP_ERR_NOMEM);
    }
    const struct oxp_labels *annotations = oxp_labels_finish(&builder);
    if (annotations == NULL) {
        return oxp_evaluation_fail(evaluation, oxp_arena_status(builder.arena));
    }
    if (!oxp_labels_equal(annotations, alert->annotations)) {
        alert->next_annotations = oxp_labels_own(annotations);
        return alert->next_annotations == NULL ? oxp_evaluation_fail(evaluation, OXP_ERR_NOMEM) : OXP_OK;
    }
    return OXP_OK;
}

static enum oxp_status prepare(struct oxp_evaluation *evaluation, const struct oxp_promql_answer *answer) {
    struct oxp_rules *rules = evaluation->rules;
    struct oxp_template_data data = {.external_labels = rules->options.external_labels,
                                     .external_url = rules->options.external_url,
                                     .time_ms = evaluation->time_ms,
                                     .query = oxp_template_ask,
                                     .ctx = rules,
                                     .alert = oxp_symbol_view(evaluation->rule->rule->name)};
    enum oxp_status status = OXP_OK;
    for (size_t i = 0; status == OXP_OK && i < answer->count; i++) {
        struct oxp_arena_mark mark = oxp_arena_here(&rules->scratch);
        struct oxp_alert *alert = NULL;
        data.labels = answer->series[i].labels;
        data.value = answer->series[i].value[0];
        status = find(evaluation, &data, &alert);
        if (status == OXP_OK && alert != NULL) { /* success has set it */
            alert->item.round = evaluation->rule->round;
            alert->next_value = data.value;
            status = annotate(evaluation, &data, alert);
        }
        oxp_arena_reset(&rules->scratch, mark);
    }
    return status;
}

/* New alerts go, and what was prepared for the others. */
static void undo(struct oxp_evaluation *evaluation) {
    struct oxp_rule_state *state = evaluation->rule;
    for (size_t i = 0; i < state->table.count; i++) {
        struct oxp_alert *alert = alert_at(state, i);
        free(alert->next_annotations);
        alert->next_annotations = NULL;
        alert->item.gone = alert->life.state == OXP_ALERT_INACTIVE && alert->life.resolved_ms == 0;
    }
    sweep(evaluation);
}

/* ---- Lives ---- */

static struct oxp_alert_step step_of(const struct oxp_evaluation *evaluation, const struct oxp_alert *alert) {
    struct oxp_rule_state *state = evaluation->rule;
    return (struct oxp_alert_step){
        .present = alert->item.round == state->round,
        .now_ms = evaluation->time_ms,
        .for_ms = state->rule->for_ms,
        .keep_firing_for_ms = state->rule->keep_firing_for_ms,
        .held = evaluation->held,
        .unsure = state->watch.unsure.limit_ms != 0,
    };
}

/* How many would be active after the step. */
static size_t count_active(const struct oxp_evaluation *evaluation) {
    size_t count = 0;
    for (size_t i = 0; i < evaluation->rule->table.count; i++) {
        const struct oxp_alert *alert = alert_at(evaluation->rule, i);
        struct oxp_alert_life life = alert->life;
        struct oxp_alert_step step = step_of(evaluation, alert);
        oxp_alert_step(&life, &step);
        count += life.state != OXP_ALERT_INACTIVE;
    }
    return count;
}

static void step_all(struct oxp_evaluation *evaluation) {
    struct oxp_rule_state *state = evaluation->rule;
    pthread_mutex_lock(&evaluation->rules->lock);
    for (size_t i = 0; i < state->table.count; i++) {
        struct oxp_alert *alert = alert_at(state, i);
        struct oxp_alert_step step = step_of(evaluation, alert);
        alert->change = oxp_alert_step(&alert->life, &step);
        evaluation->rules->changes += alert->change != OXP_ALERT_SAME;
        if (step.present) {
            alert->value = alert->next_value;
        }
        if (alert->next_annotations != NULL) {
            free(alert->annotations);
            alert->annotations = alert->next_annotations;
            alert->next_annotations = NULL;
        }
    }
    pthread_mutex_unlock(&evaluation->rules->lock);
}

/* Too many: all are forgotten, as in Prometheus. Those that fired are told as resolved, for nobody would else. */
static enum oxp_status clear_all(struct oxp_evaluation *evaluation, size_t active) {
    struct oxp_rule_state *state = evaluation->rule;
    struct oxp_rules *rules = evaluation->rules;
    pthread_mutex_lock(&rules->lock);
    for (size_t i = 0; i < state->table.count; i++) {
        struct oxp_alert *alert = alert_at(state, i);
        alert->change = alert->life.state == OXP_ALERT_FIRING    ? OXP_ALERT_RESOLVED
                        : alert->life.state == OXP_ALERT_PENDING ? OXP_ALERT_DROPPED
                                                                 : OXP_ALERT_SAME;
        alert->life.resolved_ms = alert->change == OXP_ALERT_RESOLVED ? evaluation->time_ms : alert->life.resolved_ms;
        alert->life.state = OXP_ALERT_INACTIVE;
        rules->changes += alert->change != OXP_ALERT_SAME;
    }
    pthread_mutex_unlock(&rules->lock);
    for (size_t i = 0; i < state->table.count; i++) {
        struct oxp_alert *alert = alert_at(state, i);
        oxp_evaluation_end(evaluation, &alert->alerts);
        oxp_evaluation_end(evaluation, &alert->for_state);
        if (alert->change != OXP_ALERT_SAME) {
            oxp_alert_tell(rules, evaluation->group->group, state->rule, alert, alert->change, evaluation->time_ms);
        }
        alert->item.gone = true;
    }
    sweep(evaluation);
    return oxp_error_set(&evaluation->error, OXP_ERR_LIMIT, 0, 0, "exceeded limit of %u with %zu alerts",
                         evaluation->group->group->limit, active);
}

/* ---- Samples ---- */

/* The labels of ALERTS with this state, or with OXP_ALERT_INACTIVE those of ALERTS_FOR_STATE; NULL without memory. */
static const struct oxp_labels *sample_labels(const struct oxp_evaluation *evaluation, const struct oxp_alert *alert,
                                              enum oxp_alert_state state) {
    struct oxp_rules *rules = evaluation->rules;
    struct oxp_labels_builder builder;
    oxp_labels_build(&builder, &rules->scratch, alert->item.labels);
    if (state == OXP_ALERT_INACTIVE) {
        oxp_labels_set(&builder, rules->symbol[OXP_RULES_NAME], rules->symbol[OXP_RULES_FOR_STATE]);
    } else {
        oxp_labels_set(&builder, rules->symbol[OXP_RULES_NAME], rules->symbol[OXP_RULES_ALERTS]);
        oxp_labels_set(&builder, rules->symbol[OXP_RULES_ALERTSTATE],
                       rules->symbol[state == OXP_ALERT_FIRING ? OXP_RULES_FIRING : OXP_RULES_PENDING]);
    }
    return oxp_labels_finish(&builder);
}

static void write_samples(struct oxp_evaluation *evaluation, struct oxp_alert *alert) {
    struct oxp_arena *scratch = &evaluation->rules->scratch;
    struct oxp_arena_mark mark = oxp_arena_here(scratch);
    if (alert->life.state != alert->written) {
        oxp_evaluation_end(evaluation, &alert->alerts);
        alert->written = alert->life.state;
    }
    if (alert->life.state == OXP_ALERT_INACTIVE) {
        oxp_evaluation_end(evaluation, &alert->for_state);
        return;
    }
    const struct oxp_labels *labels =
        alert->alerts != NULL ? NULL : sample_labels(evaluation, alert, alert->life.state);
    oxp_evaluation_write(evaluation, &alert->alerts, labels, 1);
    labels = alert->for_state != NULL ? NULL : sample_labels(evaluation, alert, OXP_ALERT_INACTIVE);
    int64_t active_ms = alert->life.active_ms;
    int64_t whole_s = active_ms / 1000 - (active_ms % 1000 < 0); /* whole seconds, as time.Unix() */
    double active_s = (double)whole_s;
    oxp_evaluation_write(evaluation, &alert->for_state, labels, active_s);
    oxp_arena_reset(scratch, mark);
}

/* ---- Telling ---- */

/* An alert's labels and those external ones that it has not itself; without memory its own alone. */
static const struct oxp_labels *told_labels(struct oxp_rules *rules, const struct oxp_labels *labels) {
    const struct oxp_labels *external = rules->options.external_labels;
    struct oxp_labels_builder builder;
    if (external == NULL || external->count == 0) {
        return labels;
    }
    oxp_labels_build(&builder, &rules->scratch, labels);
    for (size_t i = 0; i < external->count; i++) {
        if (oxp_labels_get(labels, external->label[i].name) == NULL) {
            oxp_labels_set(&builder, external->label[i].name, external->label[i].value);
        }
    }
    const struct oxp_labels *all = builder.overflow ? NULL : oxp_labels_finish(&builder);
    return all == NULL ? labels : all;
}

void oxp_alert_tell(struct oxp_rules *rules, const struct oxp_rule_group *group, const struct oxp_rule *rule,
                    struct oxp_alert *alert, enum oxp_alert_change change, int64_t now_ms) {
    struct oxp_arena_mark mark = oxp_arena_here(&rules->scratch);
    struct oxp_alert_event event = {.group = group,
                                    .rule = rule,
                                    .annotations = alert->annotations,
                                    .value = alert->value,
                                    .change = change,
                                    .life = alert->life};
    alert->told_ms = now_ms;
    if (rules->options.on_alert != NULL) {
        event.labels = told_labels(rules, alert->item.labels);
        rules->options.on_alert(rules->options.ctx, &event);
    }
    oxp_arena_reset(&rules->scratch, mark);
}

/* It fires or was resolved not long ago. */
static bool is_lasting(const struct oxp_alert *alert) {
    return alert->life.state == OXP_ALERT_FIRING ||
           (alert->life.state == OXP_ALERT_INACTIVE && alert->life.resolved_ms != 0);
}

void oxp_rules_tell_all(struct oxp_rules *rules, int64_t now_ms) {
    for (size_t g = 0; g < rules->group_count; g++) {
        const struct oxp_group_state *group = &rules->groups[g];
        for (size_t r = 0; r < group->count; r++) {
            const struct oxp_rule_state *state = &group->rules[r];
            size_t count = state->rule->kind == OXP_RULE_ALERTING ? state->table.count : 0;
            for (size_t i = 0; i < count; i++) {
                if (is_lasting(alert_at(state, i))) {
                    oxp_alert_tell(rules, group->group, state->rule, alert_at(state, i), OXP_ALERT_SAME, now_ms);
                }
            }
        }
    }
}

/* Every change, and while it lasts once a minute. */
static bool is_to_tell(const struct oxp_alert *alert, int64_t now_ms) {
    if (alert->change != OXP_ALERT_SAME) {
        return true;
    }
    return is_lasting(alert) && (now_ms - alert->told_ms >= OXP_ALERT_RESEND_MS || now_ms < alert->told_ms);
}

/* ---- An evaluation ---- */

static void finish(struct oxp_evaluation *evaluation) {
    struct oxp_rule_state *state = evaluation->rule;
    bool gone = false;
    for (size_t i = 0; i < state->table.count; i++) {
        struct oxp_alert *alert = alert_at(state, i);
        write_samples(evaluation, alert);
        if (is_to_tell(alert, evaluation->time_ms)) {
            oxp_alert_tell(evaluation->rules, evaluation->group->group, state->rule, alert, alert->change,
                           evaluation->time_ms);
        }
        alert->item.gone = alert->change == OXP_ALERT_DROPPED || alert->change == OXP_ALERT_FORGET;
        gone = gone || alert->item.gone;
    }
    if (gone) {
        sweep(evaluation);
    }
}

enum oxp_status oxp_rule_alert(struct oxp_evaluation *evaluation) {
    struct oxp_rule_state *state = evaluation->rule;
    struct oxp_promql_answer *answer = NULL;
    enum oxp_status status =
        oxp_evaluation_ask(evaluation->rules, state->rule->expr, evaluation->sample_ms, &answer, &evaluation->error);
    if (status != OXP_OK) {
        return status;
    }
    state->round++;
    status = prepare(evaluation, answer);
    oxp_promql_answer_free(answer);
    if (status != OXP_OK) {
        undo(evaluation);
        return status;
    }
    unsigned limit = evaluation->group->group->limit;
    size_t active = limit == 0 ? 0 : count_active(evaluation);
    if (active > limit) {
        undo(evaluation); /* the new ones never were */
        return clear_all(evaluation, active);
    }
    step_all(evaluation);
    finish(evaluation);
    return OXP_OK;
}
