/* One call of a function of whole vectors, without parser and evaluator: arguments and results as text.
 *
 * A vector is written as lines of labels and one value for each step, `x,a=1,b=2 1 2.5 _` (`_`: absent); a result as
 * Prometheus prints labels, `x{a="1", b="2"} 1 2.5 _`, sorted by labels unless it is ordered. Behind it follow the
 * annotations, each in a line after "# ". A failure is "error: " and its reason. */
#ifndef OXP_TEST_PROMQL_CALL_SUPPORT_H
#define OXP_TEST_PROMQL_CALL_SUPPORT_H

#include "alerts/promql/functions.h"
#include "tests/support/alloc_fail.h"
#include "tests/unit/alerts/promql/support.h"

enum { BENCH_ARGS = 8, BENCH_STEPS = 16 };

struct bench {
    struct oxp_query_state query;
    struct oxp_eval eval;
    struct oxp_promql_node node, nodes[BENCH_ARGS];
    const struct oxp_promql_node *args[BENCH_ARGS];
    struct oxp_vector vectors[BENCH_ARGS];
    struct oxp_view texts[BENCH_ARGS];
    struct oxp_buf out;
};

/* A call of `function`, whose arguments follow. The text of the query is "f(a, b, c, …)"; argument i's place is that
 * of its letter. Steps are at 1000 s, 1060 s, … */
static inline void bench_begin(struct bench *bench, const char *function, size_t steps) {
    memset(bench, 0, sizeof *bench);
    oxp_arena_init(&bench->query.arena, 0);
    bench->query.text = OXP_VIEW("f(a, b, c, d, e, f, g, h)");
    bench->query.samples_max = UINT64_MAX;
    bench->eval = (struct oxp_eval){.query = &bench->query, .start_ms = 1000000, .step_ms = 60000, .steps = steps};
    bench->node = (struct oxp_promql_node){.kind = OXP_NODE_CALL, .type = OXP_PROMQL_VECTOR, .end = 25};
    bench->node.call.function = oxp_promql_function_find(oxp_view_from(function));
    bench->node.call.args = bench->args;
    assert_non_null(bench->node.call.function);
    assert_true(steps <= BENCH_STEPS);
}

static inline size_t bench_arg(struct bench *bench, enum oxp_promql_type type) {
    size_t i = bench->node.call.arg_count++;
    assert_true(i < BENCH_ARGS);
    bench->nodes[i] = (struct oxp_promql_node){
        .kind = OXP_NODE_PAREN, .type = type, .start = (uint32_t)(2 + 3 * i), .end = (uint32_t)(3 + 3 * i)};
    bench->args[i] = &bench->nodes[i];
    return i;
}

static inline void bench_text(struct bench *bench, const char *text) {
    size_t i = bench_arg(bench, OXP_PROMQL_STRING);
    bench->texts[i] = oxp_view_from(text);
}

/* One value for all steps, or for each of them. */
static inline void bench_scalar(struct bench *bench, const char *values) {
    size_t i = bench_arg(bench, OXP_PROMQL_SCALAR);
    struct oxp_column *column =
        oxp_vector_add(&bench->query.arena, &bench->vectors[i], oxp_labels_none(), NULL, bench->eval.steps);
    double value = NAN;
    for (size_t step = 0; column != NULL && step < bench->eval.steps; step++) {
        char *end = NULL;
        double next = strtod(values, &end);
        value = end == values ? value : next;
        values = end;
        column->value[step] = value;
    }
}

static inline const struct oxp_labels *bench_labels(struct oxp_arena *arena, const char *text, size_t len) {
    struct oxp_labels_builder builder;
    oxp_labels_build(&builder, arena, oxp_labels_none());
    for (const char *end = text + len; text < end;) {
        const char *comma = memchr(text, ',', (size_t)(end - text));
        comma = comma == NULL ? end : comma;
        const char *equals = memchr(text, '=', (size_t)(comma - text));
        if (equals == NULL) {
            oxp_labels_set_text(&builder, OXP_VIEW(OXP_NAME_LABEL), oxp_view_of(text, (size_t)(comma - text)));
        } else {
            oxp_labels_set_text(&builder, oxp_view_of(text, (size_t)(equals - text)),
                                oxp_view_of(equals + 1, (size_t)(comma - equals - 1)));
        }
        text = comma + (comma < end);
    }
    return oxp_labels_finish(&builder);
}

static inline void bench_vector(struct bench *bench, const char *lines) {
    size_t i = bench_arg(bench, OXP_PROMQL_VECTOR);
    while (*lines != '\0') {
        size_t len = strcspn(lines, " ");
        const struct oxp_labels *labels = bench_labels(&bench->query.arena, lines, len);
        struct oxp_column *column =
            labels == NULL ? NULL
                           : oxp_vector_add(&bench->query.arena, &bench->vectors[i], labels, NULL, bench->eval.steps);
        lines += len;
        for (size_t step = 0; step < bench->eval.steps; step++) {
            lines += strspn(lines, " ");
            char *end = (char *)(uintptr_t)lines + 1;
            double value = *lines == '_' ? oxp_absent() : strtod(lines, &end);
            assert_true(end > lines);
            if (column != NULL) {
                column->value[step] = value;
            }
            lines = end;
        }
        lines += strspn(lines, "\n");
    }
}

static inline void bench_print(struct bench *bench, const struct oxp_vector *vector) {
    for (size_t i = 0; i < vector->count; i++) {
        oxp_labels_format(&bench->out, vector->columns[i].labels, true);
        for (size_t step = 0; step < bench->eval.steps; step++) {
            oxp_buf_append_char(&bench->out, ' ');
            if (oxp_is_absent(vector->columns[i].value[step])) {
                oxp_buf_append_char(&bench->out, '_');
            } else {
                oxp_buf_append_double(&bench->out, vector->columns[i].value[step]);
            }
        }
        oxp_buf_append_char(&bench->out, '\n');
    }
    for (size_t i = 0; i < bench->query.annotation_count; i++) {
        oxp_buf_append_text(&bench->out, "# ");
        oxp_buf_append_view(&bench->out, bench->query.annotations[i].text);
        oxp_buf_append_char(&bench->out, '\n');
    }
}

/* Calls the function; its status. */
static inline enum oxp_status bench_run(struct bench *bench, struct oxp_vector *out) {
    struct oxp_call call = {.eval = &bench->eval, .node = &bench->node, .args = bench->vectors, .texts = bench->texts};
    assert_int_equal(bench->node.call.function->kind, OXP_FUNCTION_SPECIAL);
    *out = (struct oxp_vector){.count = 0};
    return bench->node.call.function->special(&call, out);
}

/* Calls the function and gives the result as text, which lives until bench_end. */
static inline const char *bench_result(struct bench *bench) {
    struct oxp_vector out;
    oxp_buf_init(&bench->out, 0);
    if (bench_run(bench, &out) != OXP_OK) {
        oxp_buf_append_format(&bench->out, "error: %s", bench->query.error.text);
        return oxp_buf_text(&bench->out);
    }
    if (!out.ordered) {
        oxp_vector_sort(&out);
    }
    bench_print(bench, &out);
    return oxp_buf_text(&bench->out);
}

static inline void bench_end(struct bench *bench) {
    oxp_buf_fini(&bench->out);
    oxp_arena_fini(&bench->query.arena);
}

/* Leaves the query no more than `room` bytes of memory. */
static inline void bench_starve(struct bench *bench, size_t room) {
    struct oxp_arena *arena = &bench->query.arena;
    arena->cap = arena->bytes;
    while (oxp_arena_take(arena, 1) != NULL) {
    }
    arena->status = OXP_OK;
    arena->cap = arena->bytes + room;
}

/* Runs what `make` makes with ever more memory until it succeeds; with less it fails, and says why. Then with the n-th
 * allocation failing. */
static inline void bench_memory(void (*make)(struct bench *bench)) {
    enum oxp_status status = OXP_ERR_LIMIT;
    struct bench bench;
    struct oxp_vector out;
    for (size_t room = 16; status != OXP_OK; room += 16) {
        make(&bench);
        bench_starve(&bench, room);
        status = bench_run(&bench, &out);
        assert_true(status == OXP_OK || status == OXP_ERR_LIMIT);
        assert_int_equal(status == OXP_OK, bench.query.error.text[0] == '\0');
        bench_end(&bench);
        assert_true(room < 100000);
    }
    bool hit = true;
    for (size_t n = 1; hit; n++) {
        make(&bench);
        bench_starve(&bench, 1 << 20);
        alloc_fail_at(n);
        status = bench_run(&bench, &out);
        hit = alloc_fail_hit();
        alloc_fail_at(0);
        assert_true(hit ? status == OXP_OK || status == OXP_ERR_NOMEM : status == OXP_OK);
        assert_int_equal(status == OXP_OK, bench.query.error.text[0] == '\0');
        bench_end(&bench);
    }
}

/* Compares a result with what a row expects, and ends. */
static inline void bench_expect(struct bench *bench, const char *name, const char *expected) {
    const char *result = bench_result(bench);
    if (strcmp(result, expected) != 0) {
        fail_msg("%s:\n%s\nexpected\n%s", name, result, expected);
    }
    bench_end(bench);
}

#endif
