/* The engine: the bytes are an expression, evaluated over a small fixed short memory. Holds whatever the expression:
 *   - a refused or failed query says why, and leaves nothing behind;
 *   - an answer has the expression's type, series with different labels in order, no stale markers, times in order and
 *     within the query's;
 *   - a range query has, at each of its steps, what an instant query at that time has. */
#include "alerts/promql/engine.h"
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <strings.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { STEPS = 4, SAMPLES = 40 };

static const int64_t START_MS = 150000, STEP_MS = 25000;

static void must(bool holds) {
    if (!holds) {
        abort();
    }
}

/* ---- The short memory: labels as name, value, …; a sample every 10 s from `first` on ---- */

static const struct {
    const char *labels[8];
    double start, step; /* value = start + step * i */
    double every_third; /* takes the place of every third value */
    int first, count;
} series[] = {
    {{"__name__", "m"}, 1, 1, 1, 0, SAMPLES},
    {{"__name__", "up", "job", "a"}, 1, 0, 1, 0, SAMPLES},
    {{"__name__", "up", "job", "b"}, 0, 0, 1, 10, 10},
    {{"__name__", "c_total", "job", "a", "i", "1"}, 0, 10, 0, 0, SAMPLES},
    {{"__name__", "c_total", "job", "a", "i", "2"}, 0, 0.25, 7, 3, SAMPLES},
    {{"__name__", "c_total", "job", "b"}, 1e15, 1, 1e15, 0, 20},
    {{"__name__", "odd", "k", "nan"}, 1, 1, NAN, 0, SAMPLES},
    {{"__name__", "odd", "k", "inf"}, 1, 1, INFINITY, 0, SAMPLES},
    {{"__name__", "odd", "k", "low"}, -1, -1, -INFINITY, 0, SAMPLES},
    {{"__name__", "big"}, 1e308, 1e307, -1e308, 0, SAMPLES},
    {{"__name__", "g", "x", "", "y", "\xc3\xa9"}, 5, -0.1, 0, 0, SAMPLES},
    {{"__name__", "h_bucket", "le", "0.5"}, 0, 1, 0, 0, SAMPLES},
    {{"__name__", "h_bucket", "le", "1"}, 0, 3, 2, 0, SAMPLES},
    {{"__name__", "h_bucket", "le", "+Inf"}, 0, 4, 4, 0, SAMPLES},
    {{"__name__", "h_bucket", "le", "bad"}, 0, 4, 4, 0, 5},
    {{"k", "nameless"}, 3, 0, 4, 0, SAMPLES},
};

static struct oxp_tsdb *make_tsdb(void) {
    struct oxp_tsdb *tsdb;
    struct oxp_arena arena;
    oxp_arena_init(&arena, 0);
    must(oxp_tsdb_new(&(struct oxp_tsdb_options){.retention_ms = 3600000}, &tsdb) == OXP_OK);
    for (size_t i = 0; i < sizeof series / sizeof series[0]; i++) {
        struct oxp_labels_builder builder;
        struct oxp_tsdb_series *handle;
        oxp_labels_build(&builder, &arena, oxp_labels_none());
        for (size_t j = 0; j < 8 && series[i].labels[j] != NULL; j += 2) {
            oxp_labels_set_text(&builder, oxp_view_from(series[i].labels[j]), oxp_view_from(series[i].labels[j + 1]));
        }
        must(oxp_tsdb_series_at(tsdb, oxp_labels_finish(&builder), &handle) == OXP_OK);
        for (int at = 0; at < series[i].count; at++) {
            double value = at % 3 == 2 ? series[i].every_third : series[i].start + series[i].step * at;
            value = at == series[i].count - 1 && i % 2 == 0 ? oxp_stale_value() : value;
            must(oxp_tsdb_append(tsdb, handle, (int64_t)(series[i].first + at) * 10000, value) == OXP_OK);
        }
    }
    oxp_arena_fini(&arena);
    return tsdb;
}

/* ---- A clock that goes on by itself, so that what takes too long ends, and ends at the same place each time ---- */

static int64_t looks;

static struct oxp_mono fuzz_mono(const struct oxp_clock *clock) {
    (void)clock;
    return (struct oxp_mono){++looks * OXP_NS_PER_MS};
}

/* ---- What must hold of an answer ---- */

static void check_answer(const struct oxp_promql_answer *answer, const struct oxp_promql_request *request) {
    must(answer->type == (request->step_ms == 0 ? request->expr->root->type : OXP_PROMQL_MATRIX));
    must(answer->type != OXP_PROMQL_SCALAR || answer->count == 1);
    bool sorted = answer->type == OXP_PROMQL_MATRIX, raw = sorted && request->step_ms == 0;
    for (size_t i = 0; i < answer->count; i++) {
        const struct oxp_promql_series *item = &answer->series[i];
        must(item->count >= 1 && (raw || item->count <= STEPS));
        for (size_t j = 0; j < item->count; j++) {
            must(!oxp_is_stale(item->value[j]));
            must(j == 0 || item->time_ms[j - 1] < item->time_ms[j]);
            must(raw || (item->time_ms[j] >= request->start_ms && item->time_ms[j] <= request->end_ms));
        }
        for (size_t j = 0; j < i; j++) {
            int order = oxp_labels_compare(answer->series[j].labels, item->labels);
            must(order != 0 && (!sorted || order < 0));
        }
    }
    for (size_t i = 0; i < answer->annotation_count; i++) {
        must(oxp_view_starts(answer->annotations[i].text, OXP_VIEW("PromQL ")));
    }
}

/* Rounding may differ when series come in another order. */
static bool is_close(double a, double b) {
    return a == b || (isnan(a) && isnan(b)) || fabs(a - b) <= 1e-9 * (fabs(a) + fabs(b));
}

static const double *value_at(const struct oxp_promql_answer *answer, const struct oxp_labels *labels,
                              int64_t time_ms) {
    for (size_t i = 0; i < answer->count; i++) {
        const struct oxp_promql_series *item = &answer->series[i];
        for (size_t j = 0; j < item->count; j++) {
            if (item->time_ms[j] == time_ms && oxp_labels_equal(item->labels, labels)) {
                return &item->value[j];
            }
        }
    }
    return NULL;
}

static void check_step(const struct oxp_promql_answer *range, const struct oxp_promql_answer *instant,
                       int64_t time_ms) {
    size_t there = 0;
    for (size_t i = 0; i < range->count; i++) {
        there += value_at(range, range->series[i].labels, time_ms) != NULL;
    }
    must(there == instant->count);
    for (size_t i = 0; i < instant->count; i++) {
        const double *value = value_at(range, instant->series[i].labels, time_ms);
        must(value != NULL && is_close(*value, instant->series[i].value[0]));
    }
}

static struct oxp_promql_answer *query(struct oxp_promql_engine *engine, struct oxp_tsdb *tsdb,
                                       const struct oxp_promql_request *request) {
    struct oxp_promql_answer *answer;
    struct oxp_error error = {0};
    enum oxp_status status = oxp_promql_query(engine, tsdb, request, &answer, &error);
    if (status == OXP_OK) {
        check_answer(answer, request);
    } else {
        must(status < 0 && answer == NULL && error.text[0] != '\0');
    }
    return answer;
}

/* Words of the language are the same in capitals. */
static bool mentions(struct oxp_view text, const char *word) {
    for (size_t i = 0; i + strlen(word) <= text.len; i++) {
        if (strncasecmp(text.ptr + i, word, strlen(word)) == 0) {
            return true;
        }
    }
    return false;
}

static void evaluate(struct oxp_promql_engine *engine, struct oxp_tsdb *tsdb, const struct oxp_promql_expr *expr) {
    struct oxp_promql_request request = {.expr = expr, .start_ms = START_MS, .step_ms = STEP_MS};
    request.end_ms = START_MS + (STEPS - 1) * STEP_MS;
    struct oxp_promql_answer *range = query(engine, tsdb, &request);
    /* @ start() and @ end() mean something else in each of the two. */
    bool compared = range != NULL && !mentions(expr->text, "start") && !mentions(expr->text, "end");
    request.step_ms = 0;
    for (int64_t step = 0; step < STEPS; step++) {
        request.start_ms = request.end_ms = START_MS + step * STEP_MS;
        struct oxp_promql_answer *instant = query(engine, tsdb, &request);
        if (compared && instant != NULL) {
            check_step(range, instant, request.start_ms);
        }
        oxp_promql_answer_free(instant);
    }
    oxp_promql_answer_free(range);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const struct oxp_clock clock = {fuzz_mono, NULL};
    static const struct oxp_promql_options options = {
        .samples_max = 200000, .memory_max = 2 << 20, .points_max = 100, .timeout_ms = 100, .clock = &clock};
    static struct oxp_tsdb *tsdb;
    static struct oxp_promql_engine *engine;
    if (tsdb == NULL) {
        tsdb = make_tsdb();
        must(oxp_promql_engine_new(&options, &engine) == OXP_OK);
    }
    struct oxp_promql_expr *expr;
    struct oxp_error error = {0};
    if (oxp_promql_parse(oxp_view_of((const char *)data, size), &expr, &error) == OXP_OK) {
        evaluate(engine, tsdb, expr);
        oxp_promql_expr_free(expr);
    }
    return 0;
}
