/* Running one eval, as Prometheus' own runner does (promql/promqltest/test.go).
 *
 * An instant query is asked as it stands. Then every selector and subquery that has no @ gets one with the query's
 * time, so that the answer must be the same whenever it is asked, and it is asked at times around. And every time the
 * query is also asked as a range query one minute around, whose middle step must be the same. So each expected value
 * also tests @, step invariance and evaluation over several steps. */
#include "alerts/promql/script_eval.h"

#include "alerts/promql/functions.h"
#include <inttypes.h>

#define MINUTE_MS 60000

/* A query of the eval: the same expression, perhaps with @, at some time. */
struct trial {
    const struct oxp_promql_expr *expr;
    int64_t at_ms;
    const char *how; /* for the reason of a failure */
};

/* Functions whose result depends on the evaluation time whatever their arguments' @ (promql/functions.go,
 * AtModifierUnsafeFunctions). */
static const char *const time_functions[] = {
    "days_in_month",  "day_of_month", "day_of_week", "day_of_year", "end",  "hour",      "minute", "month",
    "predict_linear", "range",        "start",       "step",        "time", "timestamp", "year",
};

/* ---- Walking the tree ---- */

/* The child of this number, in the order of the text; NULL when there are no more. */
static const struct oxp_promql_node *child(const struct oxp_promql_node *node, size_t i) {
    switch (node->kind) {
    case OXP_NODE_RANGE:
        return i == 0 ? node->range.selector : NULL;
    case OXP_NODE_SUBQUERY:
        return i == 0 ? node->subquery.expr : NULL;
    case OXP_NODE_CALL:
        return i < node->call.arg_count ? node->call.args[i] : NULL;
    case OXP_NODE_AGGREGATE:
        if (node->aggregate.param == NULL) {
            return i == 0 ? node->aggregate.expr : NULL;
        }
        return i == 0 ? node->aggregate.param : i == 1 ? node->aggregate.expr : NULL;
    case OXP_NODE_BINARY:
        return i == 0 ? node->binary.left : i == 1 ? node->binary.right : NULL;
    case OXP_NODE_UNARY:
        return i == 0 ? node->unary.expr : NULL;
    case OXP_NODE_PAREN:
        return i == 0 ? node->paren : NULL;
    case OXP_NODE_NUMBER:
    case OXP_NODE_STRING:
    case OXP_NODE_SELECTOR:
        break;
    }
    return NULL;
}

/* The reason of the first series that the expression selects and that is not there. */
/* NOLINTNEXTLINE(misc-no-recursion): the tree's height is at most OXP_PROMQL_DEPTH */
static const char *selects_missing(const struct oxp_script_world *world, const struct oxp_promql_node *node) {
    if (node->kind == OXP_NODE_SELECTOR) {
        for (size_t i = 0; i < world->missing_count; i++) {
            if (oxp_matchers_accept(node->selector.matchers, node->selector.matcher_count, world->missing[i].labels)) {
                return world->missing[i].reason;
            }
        }
    }
    const char *reason = NULL;
    const struct oxp_promql_node *next;
    for (size_t i = 0; reason == NULL && (next = child(node, i)) != NULL; i++) {
        reason = selects_missing(world, next);
    }
    return reason;
}

/* ---- Giving an expression its @ ---- */

struct fixing {
    struct oxp_view text;
    size_t copied; /* bytes of the text that are written */
    int64_t at_ms;
    struct oxp_buf *out;
    bool depends; /* on the evaluation time even so */
};

static void write_at(struct fixing *fixing, uint32_t place) {
    oxp_buf_append(fixing->out, fixing->text.ptr + fixing->copied, place - fixing->copied);
    fixing->copied = place;
    oxp_buf_append_format(fixing->out, " @ %" PRId64 ".%03" PRId64, fixing->at_ms / 1000, fixing->at_ms % 1000);
}

/* @ start() and @ end() mean the query's times wherever they stand. */
/* NOLINTNEXTLINE(misc-no-recursion): the tree's height is at most OXP_PROMQL_DEPTH */
static bool names_ends(const struct oxp_promql_node *node) {
    const struct oxp_promql_when *when = node->kind == OXP_NODE_SELECTOR   ? &node->selector.when
                                         : node->kind == OXP_NODE_SUBQUERY ? &node->subquery.when
                                                                           : NULL;
    bool named = when != NULL && (when->at == OXP_AT_START || when->at == OXP_AT_END);
    const struct oxp_promql_node *next;
    for (size_t i = 0; !named && (next = child(node, i)) != NULL; i++) {
        named = names_ends(next);
    }
    return named;
}

/* NOLINTNEXTLINE(misc-no-recursion): the tree's height is at most OXP_PROMQL_DEPTH */
static void fix(struct fixing *fixing, const struct oxp_promql_node *node) {
    const struct oxp_promql_when *when = node->kind == OXP_NODE_SELECTOR   ? &node->selector.when
                                         : node->kind == OXP_NODE_RANGE    ? &node->range.selector->selector.when
                                         : node->kind == OXP_NODE_SUBQUERY ? &node->subquery.when
                                                                           : NULL;
    if (when != NULL) { /* what is inside a subquery with @ needs none, and sees no other time */
        if (when->at == OXP_AT_NONE) {
            write_at(fixing, node->end);
        }
        return;
    }
    if (node->kind == OXP_NODE_CALL) {
        for (size_t i = 0; i < sizeof time_functions / sizeof time_functions[0]; i++) {
            fixing->depends |= strcmp(node->call.function->name, time_functions[i]) == 0;
        }
    }
    const struct oxp_promql_node *next;
    for (size_t i = 0; (next = child(node, i)) != NULL; i++) {
        fix(fixing, next);
    }
}

/* The expression with @; NULL without an error when it depends on the evaluation time even so. */
static enum oxp_status fixed_expr(const struct oxp_promql_expr *expr, int64_t at_ms, struct oxp_promql_expr **fixed_out,
                                  struct oxp_buf *why) {
    struct oxp_buf text;
    struct oxp_error error = {0};
    struct fixing fixing = {.text = expr->text, .at_ms = at_ms, .out = &text, .depends = names_ends(expr->root)};
    *fixed_out = NULL;
    oxp_buf_init(&text, 0);
    fix(&fixing, expr->root);
    oxp_buf_append(&text, expr->text.ptr + fixing.copied, expr->text.len - fixing.copied);
    enum oxp_status status = oxp_buf_status(&text);
    if (status == OXP_OK && !fixing.depends) {
        status = oxp_promql_parse(oxp_buf_view(&text), fixed_out, &error);
        if (status != OXP_OK) {
            oxp_buf_append_format(why, "with @: %s: %u:%u: %s", oxp_buf_text(&text), error.line, error.column,
                                  error.text);
        }
    }
    oxp_buf_fini(&text);
    return status;
}

/* ---- Asking ---- */

static enum oxp_status ask(const struct oxp_script_world *world, const struct oxp_promql_request *request,
                           struct oxp_promql_answer **answer_out, struct oxp_error *error) {
    *error = (struct oxp_error){0};
    *answer_out = NULL;
    return oxp_promql_query(world->engine, world->tsdb, request, answer_out, error);
}

static bool judge(const struct oxp_script_eval *eval, enum oxp_status status, const struct oxp_promql_answer *answer,
                  const struct oxp_error *error, struct oxp_buf *why) {
    if (status != OXP_OK) {
        return oxp_script_failure_fits(eval, error->text, why);
    }
    if (eval->expected[OXP_EXPECT_FAIL] > 0) {
        oxp_buf_append_text(why, "wanted a failure, got a result");
        return false;
    }
    return oxp_script_annotations_fit(eval, answer, why) && oxp_script_answer_fits(eval, answer, why);
}

/* Takes one step of a matrix as the answer of an instant query. */
static enum oxp_status answer_at(const struct oxp_promql_answer *matrix, int64_t at_ms, struct oxp_arena *arena,
                                 struct oxp_promql_answer *out) {
    struct oxp_promql_series *series = oxp_arena_zero(arena, matrix->count, sizeof *series);
    if (series == NULL) {
        return oxp_arena_status(arena);
    }
    out->series = series;
    for (size_t i = 0; i < matrix->count; i++) {
        const struct oxp_promql_series *from = &matrix->series[i];
        for (size_t n = 0; n < from->count; n++) {
            if (from->time_ms[n] == at_ms) {
                series[out->count++] = (struct oxp_promql_series){from->labels, 1, &from->time_ms[n], &from->value[n]};
            }
        }
    }
    return OXP_OK;
}

static bool names_query_times(struct oxp_view expr) {
    static const char *const words[] = {"start()", "end()", "range()", "step()"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (memmem(expr.ptr, expr.len, words[i], strlen(words[i])) != NULL) {
            return true;
        }
    }
    return false;
}

/* The same trial as the middle of a range query. */
static enum oxp_status try_as_range(const struct oxp_script_world *world, const struct oxp_script_eval *eval,
                                    const struct trial *trial, bool *fits_out, struct oxp_buf *why) {
    enum oxp_promql_type type = trial->expr->root->type;
    *fits_out = true;
    if ((type != OXP_PROMQL_VECTOR && type != OXP_PROMQL_SCALAR) || eval->expected[OXP_EXPECT_ORDERED] > 0 ||
        names_query_times(eval->expr)) {
        return OXP_OK;
    }
    struct oxp_promql_request request = {.expr = trial->expr,
                                         .start_ms = trial->at_ms - MINUTE_MS,
                                         .end_ms = trial->at_ms + MINUTE_MS,
                                         .step_ms = MINUTE_MS};
    struct oxp_promql_answer *matrix, answer = {.type = type};
    struct oxp_error error;
    struct oxp_arena arena;
    oxp_arena_init(&arena, 0);
    enum oxp_status status = ask(world, &request, &matrix, &error);
    if (status == OXP_OK) {
        status = answer_at(matrix, trial->at_ms, &arena, &answer);
        *fits_out = status == OXP_OK && (type == OXP_PROMQL_VECTOR || answer.count == 1) &&
                    oxp_script_answer_fits(eval, &answer, why);
    } else if (status != OXP_ERR_NOMEM) {
        oxp_buf_append_format(why, "got the failure \"%s\"", error.text);
        *fits_out = false;
        status = OXP_OK;
    }
    if (!*fits_out) {
        oxp_buf_append_format(why, " (%sas a range query around it)", trial->how);
    }
    oxp_promql_answer_free(matrix);
    oxp_arena_fini(&arena);
    return status;
}

static enum oxp_status try_instant(const struct oxp_script_world *world, const struct oxp_script_eval *eval,
                                   const struct trial *trial, bool *fits_out, struct oxp_buf *why) {
    struct oxp_promql_request request = {
        .expr = trial->expr, .start_ms = trial->at_ms, .end_ms = trial->at_ms, .step_ms = 0};
    struct oxp_promql_answer *answer;
    struct oxp_error error;
    enum oxp_status status = ask(world, &request, &answer, &error);
    if (status == OXP_ERR_NOMEM) {
        return status;
    }
    *fits_out = judge(eval, status, answer, &error, why);
    if (!*fits_out && *trial->how != '\0') {
        oxp_buf_append_format(why, " (%sat %" PRId64 "ms)", trial->how, trial->at_ms);
    }
    oxp_promql_answer_free(answer);
    return *fits_out && status == OXP_OK ? try_as_range(world, eval, trial, fits_out, why) : OXP_OK;
}

static enum oxp_status try_instants(const struct oxp_script_world *world, const struct oxp_script_eval *eval,
                                    const struct oxp_promql_expr *expr, bool *fits_out, struct oxp_buf *why) {
    struct trial trial = {expr, eval->at_ms, ""};
    enum oxp_status status = try_instant(world, eval, &trial, fits_out, why);
    if (status != OXP_OK || !*fits_out) {
        return status;
    }
    struct oxp_promql_expr *fixed = NULL;
    status = fixed_expr(expr, eval->at_ms, &fixed, why);
    if (status != OXP_OK || fixed == NULL) {
        *fits_out = status == OXP_OK;
        return status == OXP_ERR_NOMEM ? status : OXP_OK;
    }
    int64_t at = eval->at_ms;
    const int64_t times[] = {at == 0 ? -1000 : -10 * at, 0, at == 0 ? 1000 : at / 5, at, 10 * at};
    for (size_t i = 0; i < sizeof times / sizeof times[0] && status == OXP_OK && *fits_out; i++) {
        trial = (struct trial){fixed, times[i], "with @, "};
        status = try_instant(world, eval, &trial, fits_out, why);
    }
    oxp_promql_expr_free(fixed);
    return status;
}

static enum oxp_status try_range(const struct oxp_script_world *world, const struct oxp_script_eval *eval,
                                 const struct oxp_promql_expr *expr, bool *fits_out, struct oxp_buf *why) {
    struct oxp_promql_request request = {
        .expr = expr, .start_ms = eval->start_ms, .end_ms = eval->end_ms, .step_ms = eval->step_ms};
    struct oxp_promql_answer *answer;
    struct oxp_error error;
    enum oxp_status status = ask(world, &request, &answer, &error);
    if (status == OXP_ERR_NOMEM) {
        return status;
    }
    *fits_out = judge(eval, status, answer, &error, why);
    oxp_promql_answer_free(answer);
    return OXP_OK;
}

static enum oxp_status unparsed(const struct oxp_script_eval *eval, enum oxp_status status,
                                const struct oxp_error *error, enum oxp_script_outcome *outcome_out,
                                struct oxp_buf *why) {
    if (status == OXP_ERR_NOMEM) {
        return status;
    }
    if (status == OXP_ERR_UNSUPPORTED) {
        oxp_buf_append_text(why, error->text);
        *outcome_out = OXP_SCRIPT_SKIPPED;
        return OXP_OK;
    }
    struct oxp_buf reason; /* as Prometheus puts it */
    oxp_buf_init(&reason, 0);
    oxp_buf_append_format(&reason, "%u:%u: parse error: %s", error->line, error->column, error->text);
    *outcome_out = oxp_script_failure_fits(eval, oxp_buf_text(&reason), why) ? OXP_SCRIPT_PASSED : OXP_SCRIPT_FAILED;
    status = oxp_buf_status(&reason);
    oxp_buf_fini(&reason);
    return status;
}

enum oxp_status oxp_script_eval_run(const struct oxp_script_world *world, const struct oxp_script_eval *eval,
                                    enum oxp_script_outcome *outcome_out, struct oxp_buf *why) {
    struct oxp_promql_expr *expr = NULL;
    struct oxp_error error = {0};
    enum oxp_status status = oxp_promql_parse(eval->expr, &expr, &error);
    if (status != OXP_OK) {
        return unparsed(eval, status, &error, outcome_out, why);
    }
    const char *reason = eval->unsupported != NULL ? eval->unsupported : selects_missing(world, expr->root);
    if (reason != NULL) {
        oxp_buf_append_text(why, reason);
        *outcome_out = OXP_SCRIPT_SKIPPED;
    } else {
        bool fits = true;
        status = (eval->range ? try_range : try_instants)(world, eval, expr, &fits, why);
        *outcome_out = fits ? OXP_SCRIPT_PASSED : OXP_SCRIPT_FAILED;
    }
    oxp_promql_expr_free(expr);
    return status;
}
