/* A recording rule: its results become series under its name and labels. */
#include <stdlib.h>

#include "alerts/rules/internal.h"

static void give(void *ctx, struct oxp_labelled *item) {
    (void)ctx;
    oxp_record_free((struct oxp_record *)item);
}

void oxp_record_free(struct oxp_record *record) {
    if (record->series != NULL) {
        oxp_tsdb_release(record->series);
    }
    free((void *)(uintptr_t)record->item.labels);
    free(record);
}

/* A record that was not there yet. */
static enum oxp_status add(struct oxp_evaluation *evaluation, struct oxp_labels_builder *builder,
                           struct oxp_labelled **item_out) {
    const struct oxp_labels *labels = oxp_labels_finish(builder);
    if (labels == NULL) {
        return oxp_evaluation_fail(evaluation, oxp_arena_status(builder->arena));
    }
    struct oxp_record *record = calloc(1, sizeof *record);
    struct oxp_labels *own = record == NULL ? NULL : oxp_labels_own(labels);
    if (own == NULL) {
        free(record);
        return oxp_evaluation_fail(evaluation, OXP_ERR_NOMEM);
    }
    record->item.labels = own;
    enum oxp_status status = oxp_label_table_add(&evaluation->rule->table, &record->item);
    if (status != OXP_OK) {
        oxp_record_free(record);
        return oxp_evaluation_fail(evaluation, OXP_ERR_NOMEM);
    }
    *item_out = &record->item;
    return OXP_OK;
}

/* Finds or makes the record of each result. */
static enum oxp_status take(struct oxp_evaluation *evaluation, const struct oxp_promql_answer *answer) {
    struct oxp_rules *rules = evaluation->rules;
    struct oxp_rule_state *state = evaluation->rule;
    for (size_t i = 0; i < answer->count; i++) {
        struct oxp_labels_builder builder;
        struct oxp_arena_mark mark = oxp_arena_here(&rules->scratch);
        oxp_evaluation_relabel(evaluation, answer->series[i].labels, &builder);
        oxp_labels_set(&builder, rules->symbol[OXP_RULES_NAME], state->rule->name);
        struct oxp_labelled *item = builder.overflow
                                        ? NULL
                                        : oxp_label_table_find(&state->table, builder.label, builder.count,
                                                               oxp_labels_hash(builder.label, builder.count));
        if (item != NULL && item->round == state->round) {
            return oxp_error_set(&evaluation->error, OXP_ERR_INVALID, 0, 0,
                                 "vector contains metrics with the same labelset after applying rule labels");
        }
        enum oxp_status status = item == NULL ? add(evaluation, &builder, &item) : OXP_OK;
        if (status != OXP_OK || item == NULL) { /* success has set it */
            return status;
        }
        item->round = state->round;
        ((struct oxp_record *)item)->value = answer->series[i].value[0];
        oxp_arena_reset(&rules->scratch, mark);
    }
    return OXP_OK;
}

/* A failed evaluation leaves what was there before, and nothing new. */
static void undo(struct oxp_rule_state *state) {
    for (size_t i = 0; i < state->table.count; i++) {
        struct oxp_record *record = (struct oxp_record *)state->table.items[i];
        record->item.gone = record->item.round == state->round && record->series == NULL;
    }
    oxp_label_table_sweep(&state->table, give, NULL);
}

static void write_all(struct oxp_evaluation *evaluation) {
    struct oxp_rule_state *state = evaluation->rule;
    bool gone = false;
    for (size_t i = 0; i < state->table.count; i++) {
        struct oxp_record *record = (struct oxp_record *)state->table.items[i];
        if (record->item.round == state->round) {
            oxp_evaluation_write(evaluation, &record->series, record->item.labels, record->value);
        }
    }
    for (size_t i = 0; i < state->table.count; i++) { /* after all values: two names of a result may share a series */
        struct oxp_record *record = (struct oxp_record *)state->table.items[i];
        record->item.gone = record->item.round != state->round;
        if (record->item.gone) {
            oxp_evaluation_end(evaluation, &record->series);
            gone = true;
        }
    }
    if (gone) {
        oxp_label_table_sweep(&state->table, give, NULL);
    }
}

enum oxp_status oxp_rule_record(struct oxp_evaluation *evaluation) {
    struct oxp_rule_state *state = evaluation->rule;
    struct oxp_promql_answer *answer = NULL;
    unsigned limit = evaluation->group->group->limit;
    enum oxp_status status =
        oxp_evaluation_ask(evaluation->rules, state->rule->expr, evaluation->sample_ms, &answer, &evaluation->error);
    if (status != OXP_OK) {
        return status;
    }
    state->round++;
    status = take(evaluation, answer);
    if (status == OXP_OK && limit != 0 && answer->count > limit) {
        status = oxp_error_set(&evaluation->error, OXP_ERR_LIMIT, 0, 0, "exceeded limit of %u with %zu series", limit,
                               answer->count);
    }
    oxp_promql_answer_free(answer);
    if (status == OXP_OK) {
        write_all(evaluation);
    } else {
        undo(state);
    }
    return status;
}
