/* What recording and alerting rules have in common: asking, and writing samples. */
#include "alerts/rules/internal.h"

/* ---- Asking ---- */

enum oxp_status oxp_evaluation_ask(const struct oxp_rules *rules, const struct oxp_promql_expr *expr, int64_t time_ms,
                                   struct oxp_promql_answer **answer_out, struct oxp_error *error) {
    struct oxp_promql_request request = {.expr = expr, .start_ms = time_ms, .end_ms = time_ms};
    *answer_out = NULL;
    if (expr->root->type != OXP_PROMQL_VECTOR && expr->root->type != OXP_PROMQL_SCALAR) {
        return oxp_error_set(error, OXP_ERR_INVALID, 0, 0, "rule result is not a vector or scalar");
    }
    return oxp_promql_query(rules->options.engine, rules->options.tsdb, &request, answer_out, error);
}

enum oxp_status oxp_evaluation_fail(struct oxp_evaluation *evaluation, enum oxp_status status) {
    if (status == OXP_ERR_LIMIT) {
        return oxp_error_set(&evaluation->error, status, 0, 0, "more than %d labels", OXP_LABELS_LIMIT);
    }
    return oxp_error_set(&evaluation->error, status, 0, 0, "%s", oxp_status_text(status));
}

void oxp_evaluation_relabel(const struct oxp_evaluation *evaluation, const struct oxp_labels *labels,
                            struct oxp_labels_builder *builder) {
    const struct oxp_rule_state *state = evaluation->rule;
    oxp_labels_build(builder, &evaluation->rules->scratch, labels);
    oxp_labels_remove(builder, OXP_VIEW(OXP_NAME_LABEL));
    for (size_t i = 0; i < state->rule->label_count; i++) {
        if (state->label_values[i] != NULL) {
            oxp_labels_set(builder, state->rule->labels[i].name, state->label_values[i]);
        }
    }
}

/* ---- Writing ---- */

static void note_unwritten(struct oxp_evaluation *evaluation, const struct oxp_tsdb_series *series,
                           enum oxp_status status) {
    int64_t last_ms = 0;
    double last = 0;
    const char *text = oxp_status_text(status);
    if (status == OXP_ERR_RANGE) { /* Prometheus' words */
        bool same = oxp_tsdb_last(series, &last_ms, &last) && last_ms == evaluation->sample_ms;
        text = same ? "duplicate sample for timestamp" : "out of order sample";
    } else if (status == OXP_ERR_FULL) {
        text = "no room in the short memory";
    }
    if (evaluation->unwritten_count++ == 0) {
        oxp_error_set(&evaluation->unwritten, status, 0, 0, "%s", text);
    }
}

void oxp_evaluation_write(struct oxp_evaluation *evaluation, struct oxp_tsdb_series **series,
                          const struct oxp_labels *labels, double value) {
    struct oxp_tsdb *tsdb = evaluation->rules->options.tsdb;
    enum oxp_status status = OXP_OK;
    int64_t last_ms;
    double last;
    if (*series == NULL) {
        status = labels == NULL ? OXP_ERR_NOMEM : oxp_tsdb_series_at(tsdb, labels, series);
        if (status != OXP_OK) {
            *series = NULL;
            note_unwritten(evaluation, NULL, status);
            return;
        }
        oxp_tsdb_hold(*series);
    }
    value = value == value ? value : (double)NAN; /* one NaN: none may look like a stale marker */
    status = oxp_tsdb_append(tsdb, *series, evaluation->sample_ms, value);
    if (status >= 0) {
        return;
    }
    note_unwritten(evaluation, *series, status);
    if (status != OXP_ERR_RANGE && !oxp_tsdb_last(*series, &last_ms, &last)) { /* its labels need room, too */
        oxp_tsdb_release(*series);
        *series = NULL;
    }
}

void oxp_evaluation_end(struct oxp_evaluation *evaluation, struct oxp_tsdb_series **series) {
    if (*series != NULL) {
        /* one that another rule goes on with is refused, rightly */
        (void)oxp_tsdb_append(evaluation->rules->options.tsdb, *series, evaluation->sample_ms, oxp_stale_value());
        oxp_tsdb_release(*series);
        *series = NULL;
    }
}
