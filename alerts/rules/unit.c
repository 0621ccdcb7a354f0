/* Running rule unit tests as promtool does (cmd/promtool/unittest.go):
 *
 * Each test has a world of its own. From its start to its last eval_time, at every evaluation_interval, the samples
 * that are due come in and all groups run. After a tick the alerts that fire are compared with those that are expected
 * up to the next tick. A rule that fails ends the test. Then the expressions are asked, each at its own time, of what
 * came in up to the last tick. */
#include "alerts/rules/unit.h"

#include "alerts/rules/unit_file.h"
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

struct run {
    const struct oxp_unit_options *options;
    const struct oxp_unit_file *file;
    struct oxp_unit_result *result;
    struct oxp_arena arena; /* of the rule files' texts */
    struct oxp_unit_source *sources;
    size_t source_count, source_size;
    bool broken;   /* a rule file cannot be used, which was told */
    unsigned line; /* of its pattern */
    struct oxp_view path;
    struct oxp_buf text; /* of a failure */
    /* of the test that runs */
    const struct oxp_unit_test *test;
    struct oxp_unit_world world;
    struct oxp_arena scratch; /* of one check */
    bool failed;
};

/* Tells what is in the text, and empties it. */
static enum oxp_status tell(struct run *run, unsigned line) {
    enum oxp_status status = oxp_buf_status(&run->text);
    if (status == OXP_OK) {
        run->failed = true;
        if (run->options->on_failure != NULL) {
            run->options->on_failure(run->options->ctx, line, oxp_buf_text(&run->text));
        }
        status = oxp_buf_status(&run->text); /* the NUL needs room, too */
    }
    oxp_buf_clear(&run->text);
    return status;
}

static enum oxp_status arena_failure(const struct oxp_arena *arena) {
    return oxp_arena_status(arena) == OXP_OK ? OXP_ERR_NOMEM : oxp_arena_status(arena);
}

/* ---- Rule files ---- */

static void on_fault(void *ctx, const struct oxp_error *error) {
    struct run *run = ctx;
    oxp_buf_append_text(&run->text, "    ");
    oxp_buf_append_view(&run->text, run->path);
    if (error->line != 0) {
        oxp_buf_append_format(&run->text, ":%u:%u", error->line, error->column);
    }
    oxp_buf_append_format(&run->text, ": %s", error->text);
    run->broken = true;
    (void)tell(run, run->line); /* without memory the reading fails, too, or the next failure does */
}

/* Keeps a rule file that is not there yet and can be read. */
static enum oxp_status add_source(struct run *run, struct oxp_view path, struct oxp_view text) {
    struct oxp_rule_file *file = NULL;
    struct oxp_error error;
    for (size_t i = 0; i < run->source_count; i++) {
        if (oxp_view_equal(run->sources[i].path, path)) {
            return OXP_OK;
        }
    }
    if (run->source_count == run->source_size) {
        size_t more = run->source_size == 0 ? 8 : run->source_size * 2;
        struct oxp_unit_source *grown =
            oxp_arena_grow(&run->arena, run->sources, run->source_size, more, sizeof *grown);
        if (grown == NULL) {
            return arena_failure(&run->arena);
        }
        run->sources = grown;
        run->source_size = more;
    }
    struct oxp_unit_source source = {oxp_arena_copy(&run->arena, path), oxp_arena_copy(&run->arena, text)};
    if (source.path.ptr == NULL || source.text.ptr == NULL) {
        return arena_failure(&run->arena);
    }
    run->sources[run->source_count++] = source;
    run->path = source.path;
    enum oxp_status status = oxp_rule_file_read(source.text, source.path, on_fault, run, &file, &error);
    oxp_rule_file_free(file);
    return status == OXP_ERR_NOMEM ? status : OXP_OK;
}

static enum oxp_status read_pattern(struct run *run, const struct oxp_unit_name *pattern) {
    struct oxp_buf path, text;
    enum oxp_status status = OXP_OK;
    oxp_buf_init(&path, 0);
    oxp_buf_init(&text, 0);
    run->line = pattern->line;
    for (size_t next = 0; status == OXP_OK; next++) {
        struct oxp_error error = {0};
        oxp_buf_clear(&path);
        oxp_buf_clear(&text);
        status = run->options->read(run->options->ctx, pattern->text, next, &path, &text, &error);
        if (status == OXP_OK) {
            status = add_source(run, oxp_buf_view(&path), oxp_buf_view(&text));
        } else if (status < OXP_OK && status != OXP_ERR_NOMEM) {
            run->broken = true;
            oxp_buf_append_format(&run->text, "    %s", error.text);
            status = tell(run, pattern->line);
            status = status == OXP_OK ? OXP_END : status;
        }
    }
    oxp_buf_fini(&path);
    oxp_buf_fini(&text);
    return status == OXP_END ? OXP_OK : status;
}

/* ---- Alerts ---- */

/* Adds what fires of a rule. */
static enum oxp_status add_firing(struct run *run, const struct oxp_rule_view *view, struct oxp_unit_alert **alerts,
                                  size_t *count) {
    struct oxp_unit_alert *grown =
        oxp_arena_grow(&run->scratch, *alerts, *count, *count + view->alert_count, sizeof *grown);
    if (grown == NULL) {
        return arena_failure(&run->scratch);
    }
    *alerts = grown;
    for (size_t i = 0; i < view->alert_count; i++) {
        if (view->alerts[i].life.state == OXP_ALERT_FIRING) {
            grown[(*count)++] = (struct oxp_unit_alert){view->alerts[i].labels, view->alerts[i].annotations};
        }
    }
    return oxp_arena_status(&run->scratch);
}

/* The alerts of a name that fire now, of all groups. */
static enum oxp_status firing(struct run *run, struct oxp_view alertname, struct oxp_unit_alert **alerts_out,
                              size_t *count_out) {
    const struct oxp_group_view *groups = NULL;
    size_t group_count = 0;
    *alerts_out = NULL;
    *count_out = 0;
    enum oxp_status status = oxp_rules_view(run->world.rules, &run->scratch, &groups, &group_count);
    for (size_t g = 0; g < group_count && status == OXP_OK; g++) {
        for (size_t r = 0; r < groups[g].count && status == OXP_OK; r++) {
            const struct oxp_rule_view *view = &groups[g].rules[r];
            if (view->kind == OXP_RULE_ALERTING && oxp_view_equal(view->name, alertname)) {
                status = add_firing(run, view, alerts_out, count_out);
            }
        }
    }
    if (status == OXP_OK && *count_out > 1) {
        qsort(*alerts_out, *count_out, sizeof **alerts_out, oxp_unit_alert_compare);
    }
    return status;
}

static bool same_alerts(const struct oxp_unit_alert_check *check, const struct oxp_unit_alert *alerts, size_t count) {
    bool same = check->count == count;
    for (size_t i = 0; same && i < count; i++) {
        same = oxp_labels_equal(check->alerts[i].labels, alerts[i].labels) &&
               oxp_labels_equal(check->alerts[i].annotations, alerts[i].annotations);
    }
    return same;
}

static enum oxp_status check_alerts(struct run *run, const struct oxp_unit_alert_check *check) {
    struct oxp_unit_alert *alerts;
    size_t count;
    oxp_arena_clear(&run->scratch);
    enum oxp_status status = firing(run, check->alertname, &alerts, &count);
    run->result->checks++;
    if (status != OXP_OK || same_alerts(check, alerts, count)) {
        return status;
    }
    if (run->test->name.len != 0) {
        oxp_buf_append_text(&run->text, "    name: ");
        oxp_buf_append_view(&run->text, run->test->name);
        oxp_buf_append_text(&run->text, ",\n");
    }
    oxp_buf_append_text(&run->text, "    alertname: ");
    oxp_buf_append_view(&run->text, check->alertname);
    oxp_buf_append_text(&run->text, ", time: ");
    oxp_promql_print_duration(&run->text, check->eval_ms);
    oxp_buf_append_text(&run->text, ", \n        exp:");
    oxp_unit_print_alerts(&run->text, check->alerts, check->count);
    oxp_buf_append_text(&run->text, ", \n        got:");
    oxp_unit_print_alerts(&run->text, alerts, count);
    return tell(run, check->line);
}

/* ---- Expressions ---- */

/* Neighbouring doubles are the same to a fuzzy comparison; NaN is never the same as anything, as in promtool. */
static bool same_value(double a, double b, bool fuzzy) {
    return a == b || (fuzzy && (nextafter(a, -(double)INFINITY) == b || nextafter(a, (double)INFINITY) == b));
}

static bool same_samples(const struct oxp_unit_query_check *check, const struct oxp_unit_sample *samples, size_t count,
                         bool fuzzy) {
    bool same = check->count == count;
    for (size_t i = 0; same && i < count; i++) {
        same = oxp_labels_equal(check->samples[i].labels, samples[i].labels) &&
               same_value(check->samples[i].value, samples[i].value, fuzzy);
    }
    return same;
}

static void begin_query_failure(struct run *run, const struct oxp_unit_query_check *check) {
    oxp_buf_append_text(&run->text, "    expr: ");
    oxp_text_quote(&run->text, check->expr);
    oxp_buf_append_text(&run->text, ", time: ");
    oxp_promql_print_duration(&run->text, check->eval_ms);
    oxp_buf_append_char(&run->text, ',');
}

static enum oxp_status compare_answer(struct run *run, const struct oxp_unit_query_check *check,
                                      const struct oxp_promql_answer *answer) {
    if (answer == NULL) { /* success has set it */
        return OXP_ERR_INVALID;
    }
    struct oxp_unit_sample *samples = oxp_arena_zero(&run->scratch, answer->count, sizeof *samples);
    if (samples == NULL) {
        return arena_failure(&run->scratch);
    }
    for (size_t i = 0; i < answer->count; i++) {
        samples[i] = (struct oxp_unit_sample){answer->series[i].labels, answer->series[i].value[0]};
    }
    if (answer->count > 1) { /* sort() and topk() may have given it another order */
        qsort(samples, answer->count, sizeof *samples, oxp_unit_sample_compare);
    }
    if (same_samples(check, samples, answer->count, run->file->fuzzy)) {
        return OXP_OK;
    }
    begin_query_failure(run, check);
    oxp_buf_append_text(&run->text, "\n        exp: ");
    oxp_unit_print_samples(&run->text, check->samples, check->count);
    oxp_buf_append_text(&run->text, "\n        got: ");
    oxp_unit_print_samples(&run->text, samples, answer->count);
    return tell(run, check->line);
}

/* Why a query could not be parsed, as Prometheus says it. */
static enum oxp_status fail_parsing(struct run *run, const struct oxp_unit_query_check *check, enum oxp_status status,
                                    const struct oxp_error *error) {
    if (status == OXP_ERR_NOMEM) {
        return status;
    }
    begin_query_failure(run, check);
    if (error->line == 0) {
        oxp_buf_append_text(&run->text, " err: unknown position: parse error: ");
    } else {
        oxp_buf_append_format(&run->text, " err: %u:%u: parse error: ", error->line, error->column);
    }
    oxp_buf_append_text(&run->text, error->text);
    return tell(run, check->line);
}

static enum oxp_status check_query(struct run *run, const struct oxp_unit_query_check *check) {
    struct oxp_promql_expr *expr = NULL;
    struct oxp_promql_answer *answer = NULL;
    struct oxp_error error = {0};
    int64_t at_ms = run->test->start_ms + check->eval_ms;
    oxp_arena_clear(&run->scratch);
    run->result->checks++;
    enum oxp_status status = oxp_promql_parse(check->expr, &expr, &error);
    if (status != OXP_OK) {
        return fail_parsing(run, check, status, &error);
    }
    struct oxp_promql_request request = {.expr = expr, .start_ms = at_ms, .end_ms = at_ms};
    if (expr->root->type != OXP_PROMQL_VECTOR && expr->root->type != OXP_PROMQL_SCALAR) {
        status = oxp_error_set(&error, OXP_ERR_INVALID, 0, 0, "rule result is not a vector or scalar");
    } else {
        status = oxp_promql_query(run->world.engine, run->world.tsdb, &request, &answer, &error);
    }
    if (status == OXP_OK) {
        status = compare_answer(run, check, answer);
    } else if (status != OXP_ERR_NOMEM) {
        begin_query_failure(run, check);
        oxp_buf_append_format(&run->text, " err: %s", error.text);
        status = tell(run, check->line);
    }
    oxp_promql_answer_free(answer);
    oxp_promql_expr_free(expr);
    return status;
}

/* ---- A test ---- */

static int64_t last_eval_ms(const struct oxp_unit_test *test) {
    int64_t last_ms = 0;
    for (size_t i = 0; i < test->alert_check_count; i++) {
        last_ms = test->alert_checks[i].eval_ms > last_ms ? test->alert_checks[i].eval_ms : last_ms;
    }
    for (size_t i = 0; i < test->query_check_count; i++) {
        last_ms = test->query_checks[i].eval_ms > last_ms ? test->query_checks[i].eval_ms : last_ms;
    }
    return last_ms;
}

/* All ticks. `ended_out`: a rule failed, which was told. */
static enum oxp_status run_ticks(struct run *run, bool *ended_out) {
    const struct oxp_unit_test *test = run->test;
    int64_t interval_ms = run->file->eval_interval_ms, last_ms = last_eval_ms(test);
    size_t check = 0;
    *ended_out = false;
    for (int64_t ms = 0; ms <= last_ms; ms += interval_ms) {
        enum oxp_status status = oxp_unit_world_tick(&run->world, test->start_ms + ms);
        if (status != OXP_OK) {
            return status;
        }
        if (oxp_buf_view(&run->text).len != 0) {
            *ended_out = true;
            return tell(run, test->line);
        }
        for (; check < test->alert_check_count && test->alert_checks[check].eval_ms < ms + interval_ms; check++) {
            status = check_alerts(run, &test->alert_checks[check]);
            if (status != OXP_OK) {
                return status;
            }
        }
    }
    return OXP_OK;
}

static enum oxp_status run_test(struct run *run, const struct oxp_unit_test *test) {
    bool ended = false;
    run->test = test;
    run->failed = false;
    run->world = (struct oxp_unit_world){.failures = &run->text};
    enum oxp_status status = oxp_unit_world_init(&run->world, run->file, test, run->sources, run->source_count);
    if (status == OXP_OK) {
        status = run_ticks(run, &ended);
    }
    for (size_t i = 0; i < test->query_check_count && status == OXP_OK && !ended; i++) {
        status = check_query(run, &test->query_checks[i]);
    }
    oxp_unit_world_fini(&run->world);
    run->result->tests++;
    run->result->failed += run->failed;
    return status;
}

/* ---- A file ---- */

static enum oxp_status run_file(struct run *run) {
    const struct oxp_unit_file *file = run->file;
    enum oxp_status status = OXP_OK;
    for (size_t i = 0; i < file->pattern_count && file->test_count != 0 && status == OXP_OK; i++) {
        status = read_pattern(run, &file->patterns[i]);
    }
    if (run->broken && status == OXP_OK) {
        run->result->tests = run->result->failed = (unsigned)file->test_count;
        return OXP_OK;
    }
    for (size_t i = 0; i < file->test_count && status == OXP_OK; i++) {
        status = run_test(run, &file->tests[i]);
    }
    return status;
}

enum oxp_status oxp_unit_run(struct oxp_view text, const struct oxp_unit_options *options,
                             struct oxp_unit_result *result_out, struct oxp_error *error) {
    struct oxp_unit_file file;
    *result_out = (struct oxp_unit_result){0};
    enum oxp_status status = oxp_unit_file_read(text, &file, error);
    if (status == OXP_OK) {
        struct run run = {.options = options, .file = &file, .result = result_out};
        oxp_arena_init(&run.arena, 0);
        oxp_arena_init(&run.scratch, 0);
        oxp_buf_init(&run.text, 0);
        status = run_file(&run);
        if (status != OXP_OK) {
            oxp_error_set(error, status, 0, 0, "%s", oxp_status_text(status));
        }
        oxp_buf_fini(&run.text);
        oxp_arena_fini(&run.scratch);
        oxp_arena_fini(&run.arena);
    }
    oxp_unit_file_fini(&file);
    return status;
}
