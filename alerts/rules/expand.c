/* Templates of labels and annotations, and the queries that they ask. */
#include "alerts/rules/internal.h"

/* What a template's `query` gives: copies, for it may ask more often than readers may be open. */
static enum oxp_status copy_samples(struct oxp_arena *arena, const struct oxp_promql_answer *answer,
                                    const struct oxp_template_sample **samples_out, size_t *count_out) {
    struct oxp_template_sample *samples = oxp_arena_zero(arena, answer->count, sizeof *samples);
    for (size_t i = 0; samples != NULL && i < answer->count; i++) {
        samples[i].labels = oxp_labels_copy(arena, answer->series[i].labels);
        samples[i].value = answer->series[i].value[0];
    }
    *samples_out = samples;
    *count_out = answer->count;
    return oxp_arena_status(arena);
}

enum oxp_status oxp_template_ask(void *ctx, struct oxp_view text, int64_t time_ms, struct oxp_arena *arena,
                                 const struct oxp_template_sample **samples_out, size_t *count_out,
                                 struct oxp_error *error) {
    const struct oxp_rules *rules = ctx;
    struct oxp_promql_expr *expr = NULL;
    struct oxp_promql_answer *answer = NULL;
    *count_out = 0;
    enum oxp_status status = oxp_promql_parse(text, &expr, error);
    if (status != OXP_OK) {
        if (error != NULL && error->line != 0) { /* where it stands in the query, as Prometheus says it */
            struct oxp_error found = *error;
            oxp_error_set(error, status, 0, 0, "%u:%u: parse error: %.200s", found.line, found.column, found.text);
        }
        return status;
    }
    status = oxp_evaluation_ask(rules, expr, time_ms, &answer, error);
    if (status == OXP_OK) {
        status = copy_samples(arena, answer, samples_out, count_out);
    }
    oxp_promql_answer_free(answer);
    oxp_promql_expr_free(expr);
    return status;
}

/* The text of a label or annotation, as a symbol in the scratch arena; NULL without memory. */
static const struct oxp_symbol *expand(const struct oxp_evaluation *evaluation, const struct oxp_rule_text *text,
                                       const struct oxp_template_data *data) {
    struct oxp_rules *rules = evaluation->rules;
    oxp_buf_clear(&rules->text);
    enum oxp_status status = oxp_template_expand_rule(text->template, data, &rules->text);
    return status != OXP_OK || oxp_buf_status(&rules->text) != OXP_OK
               ? NULL
               : oxp_symbol_new(&rules->scratch, oxp_buf_view(&rules->text));
}

bool oxp_evaluation_expand(const struct oxp_evaluation *evaluation, const struct oxp_rule_text *texts, size_t count,
                           const struct oxp_symbol *const *values, const struct oxp_template_data *data,
                           struct oxp_labels_builder *builder) {
    for (size_t i = 0; i < count; i++) {
        if (values[i] == NULL) {
            const struct oxp_symbol *value = expand(evaluation, &texts[i], data);
            if (value == NULL) {
                return false;
            }
            oxp_labels_set(builder, texts[i].name, value);
        }
    }
    return true;
}
