/* Columns and the state of a query: what the parts of the evaluator share. */
#include "tests/unit/lib/base/support.h"

#include "alerts/promql/eval.h"
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

enum { STEPS = 3 };

#define A (-77.0) /* stands for "absent" in the tables */

/* "x,a=1,b=2": a metric's name and labels. */
static const struct oxp_labels *labels_of(struct oxp_arena *arena, const char *text) {
    struct oxp_labels_builder builder;
    oxp_labels_build(&builder, arena, oxp_labels_none());
    while (*text != '\0') {
        size_t len = strcspn(text, ",");
        const char *equals = memchr(text, '=', len);
        if (equals == NULL) {
            oxp_labels_set_text(&builder, OXP_VIEW(OXP_NAME_LABEL), oxp_view_of(text, len));
        } else {
            oxp_labels_set_text(&builder, oxp_view_of(text, (size_t)(equals - text)),
                                oxp_view_of(equals + 1, (size_t)(text + len - equals - 1)));
        }
        text += len + (text[len] == ',');
    }
    return oxp_labels_finish(&builder);
}

struct row {
    const char *labels;
    double value[STEPS];
};

static void add_row(struct oxp_arena *arena, struct oxp_vector *vector, const struct row *row) {
    struct oxp_column *column = oxp_vector_add(arena, vector, labels_of(arena, row->labels), NULL, STEPS);
    assert_non_null(column);
    assert_true(oxp_column_empty(column, STEPS));
    for (size_t i = 0; i < STEPS; i++) {
        column->value[i] = row->value[i] == A ? oxp_absent() : row->value[i];
    }
}

static void assert_rows(const struct oxp_vector *vector, const struct row *rows, size_t count) {
    struct oxp_buf text;
    oxp_buf_init(&text, 0);
    assert_int_equal(vector->count, count);
    for (size_t i = 0; i < count; i++) {
        struct oxp_arena arena;
        oxp_arena_init(&arena, 0);
        if (!oxp_labels_equal(vector->columns[i].labels, labels_of(&arena, rows[i].labels))) {
            oxp_labels_format(&text, vector->columns[i].labels, true);
            fail_msg("column %zu is %s, not %s", i, oxp_buf_text(&text), rows[i].labels);
        }
        for (size_t step = 0; step < STEPS; step++) {
            double got = vector->columns[i].value[step], want = rows[i].value[step];
            assert_int_equal(oxp_is_absent(got), want == A);
            assert_true(want == A || got == want || (isnan(got) && isnan(want)));
        }
        oxp_arena_fini(&arena);
    }
    oxp_buf_fini(&text);
}

#define ROWS 5

static void test_merge(void **state) {
    (void)state;
    static const struct {
        const char *name;
        bool drop_names;
        enum oxp_status status;
        struct row in[ROWS], out[ROWS];
    } cases[] = {
        {"nothing", true, OXP_OK, {{0}}, {{0}}},
        {"one", true, OXP_OK, {{"x,a=1", {1, 2, 3}}}, {{"a=1", {1, 2, 3}}}},
        {"names stay",
         false,
         OXP_OK,
         {{"x,a=1", {1, A, A}}, {"y,a=1", {2, A, A}}},
         {{"x,a=1", {1, A, A}}, {"y,a=1", {2, A, A}}}},
        {"one name",
         true,
         OXP_OK,
         {{"x,a=2", {1, A, A}}, {"x,a=1", {2, A, A}}},
         {{"a=2", {1, A, A}}, {"a=1", {2, A, A}}}},
        {"side by side",
         true,
         OXP_OK,
         {{"x,a=1", {1, A, A}}, {"x,a=2", {5, 5, 5}}, {"y,a=1", {A, 2, A}}, {"z,a=1", {A, A, NAN}}},
         {{"a=1", {1, 2, NAN}}, {"a=2", {5, 5, 5}}}},
        {"over each other", true, OXP_ERR_INVALID, {{"x,a=1", {1, 1, A}}, {"y,a=1", {A, 2, A}}}, {{0}}},
        {"NaN is a value", true, OXP_ERR_INVALID, {{"x,a=1", {A, NAN, A}}, {"y,a=1", {A, 2, A}}}, {{0}}},
        {"with and without a name", true, OXP_ERR_INVALID, {{"x,a=1", {1, A, A}}, {"a=1", {2, A, A}}}, {{0}}},
        {"all labels gone", true, OXP_OK, {{"x", {1, A, A}}, {"y", {A, A, 2}}}, {{"", {1, A, 2}}}},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct oxp_arena arena;
        struct oxp_vector vector = {0};
        size_t out = 0;
        oxp_arena_init(&arena, 0);
        for (size_t j = 0; j < ROWS && cases[i].in[j].labels != NULL; j++) {
            add_row(&arena, &vector, &cases[i].in[j]);
        }
        enum oxp_status status = cases[i].drop_names ? oxp_vector_drop_names(&arena, &vector, STEPS)
                                                     : oxp_vector_merge(&arena, &vector, STEPS);
        if (status != cases[i].status) {
            fail_msg("%s: %s", cases[i].name, oxp_status_name(status));
        }
        while (out < ROWS && cases[i].out[out].labels != NULL) {
            out++;
        }
        if (status == OXP_OK) {
            assert_rows(&vector, cases[i].out, out);
        }
        oxp_arena_fini(&arena);
    }
}

/* So many columns that the table is not the small one: 1,000 pairs that lie side by side. */
static void test_merge_many(void **state) {
    (void)state;
    struct oxp_arena arena;
    struct oxp_vector vector = {0};
    oxp_arena_init(&arena, 0);
    for (int i = 0; i < 2000; i++) {
        char text[32];
        snprintf(text, sizeof text, "n%d,a=%d", i / 1000, i % 1000);
        struct row row = {text, {i < 1000 ? i : A, i < 1000 ? A : i, A}};
        add_row(&arena, &vector, &row);
    }
    assert_int_equal(oxp_vector_drop_names(&arena, &vector, STEPS), OXP_OK);
    assert_int_equal(vector.count, 1000);
    for (size_t i = 0; i < 1000; i++) {
        assert_true(vector.columns[i].value[0] == (double)i && vector.columns[i].value[1] == 1000 + (double)i);
        assert_true(oxp_is_absent(vector.columns[i].value[2]));
    }
    oxp_arena_fini(&arena);
}

static void test_compact_and_sort(void **state) {
    (void)state;
    static const struct row in[] = {
        {"b=1", {A, 1, A}}, {"a=2", {A, A, A}}, {"a=1", {A, A, 0}}, {"a=1,b=1", {NAN, A, A}}};
    static const struct row packed[] = {{"b=1", {A, 1, A}}, {"a=1", {A, A, 0}}, {"a=1,b=1", {NAN, A, A}}};
    static const struct row sorted[] = {{"a=1", {A, A, 0}}, {"a=1,b=1", {NAN, A, A}}, {"b=1", {A, 1, A}}};
    struct oxp_arena arena;
    struct oxp_vector vector = {0};
    oxp_arena_init(&arena, 0);
    for (size_t i = 0; i < COUNT_OF(in); i++) {
        add_row(&arena, &vector, &in[i]);
    }
    oxp_vector_compact(&vector, STEPS);
    assert_rows(&vector, packed, 3);
    oxp_vector_sort(&vector);
    assert_rows(&vector, sorted, 3);
    oxp_vector_sort(&vector);
    assert_rows(&vector, sorted, 3);
    oxp_arena_fini(&arena);
}

static void test_no_room(void **state) {
    (void)state;
    struct oxp_arena arena;
    struct oxp_vector vector = {0};
    oxp_arena_init(&arena, 4096);
    assert_null(oxp_column_values(&arena, SIZE_MAX / 4));
    assert_int_equal(oxp_arena_status(&arena), OXP_ERR_LIMIT);
    oxp_arena_clear(&arena);
    assert_null(oxp_vector_add(&arena, &vector, oxp_labels_none(), NULL, 4096));
    assert_int_equal(vector.count, 0);
    oxp_arena_fini(&arena);
}

/* ---- The state of a query ---- */

static void test_limits(void **state) {
    (void)state;
    struct oxp_clock_manual clock;
    _Atomic bool cancelled = false;
    oxp_clock_manual_init(&clock, 0);
    struct oxp_query_state query = {.clock = &clock.clock, .samples_max = 10, .cancelled = &cancelled};
    query.deadline.ns = clock.mono_now.ns + OXP_NS_PER_S;
    oxp_arena_init(&query.arena, 0);
    assert_int_equal(oxp_query_check(&query, 10), OXP_OK);
    assert_int_equal(oxp_query_check(&query, 0), OXP_OK);
    assert_int_equal(oxp_query_check(&query, 1), OXP_ERR_LIMIT);
    assert_string_equal(query.error.text,
                        "query processing would load too many samples into memory in query execution");

    query.error.text[0] = '\0';
    query.samples = 0;
    atomic_store(&cancelled, true);
    assert_int_equal(oxp_query_check(&query, 0), OXP_ERR_CLOSED);
    assert_string_equal(query.error.text, "query was canceled in expression evaluation");

    query.error.text[0] = '\0';
    atomic_store(&cancelled, false);
    assert_int_equal(oxp_query_check(&query, 0), OXP_OK);
    oxp_clock_manual_advance(&clock, 1);
    enum oxp_status status = OXP_OK;
    for (int i = 0; i < 100 && status == OXP_OK; i++) {
        status = oxp_query_check(&query, 0);
    }
    assert_int_equal(status, OXP_ERR_TIMEOUT);
    assert_int_equal(oxp_query_check(&query, 0), OXP_ERR_TIMEOUT); /* and again at once */
    assert_string_equal(query.error.text, "query timed out in expression evaluation");

    assert_int_equal(oxp_query_fail(&query, OXP_ERR_INVALID, "%s", "another"), OXP_ERR_INVALID);
    assert_string_equal(query.error.text, "query timed out in expression evaluation");
    oxp_arena_fini(&query.arena);
}

static void test_memory(void **state) {
    (void)state;
    struct oxp_query_state query = {.memory_max = 100};
    oxp_arena_init(&query.arena, query.memory_max);
    assert_null(oxp_arena_take(&query.arena, 200));
    assert_int_equal(oxp_query_memory(&query), OXP_ERR_LIMIT);
    assert_string_equal(query.error.text, "query needs more than its 100 bytes of memory");
    oxp_arena_fini(&query.arena);
    query.error.text[0] = '\0';
    assert_int_equal(oxp_query_memory(&query), OXP_ERR_NOMEM); /* not the arena's failure */
}

static void test_annotations(void **state) {
    (void)state;
    struct oxp_query_state query = {.text = OXP_VIEW("a\n + b")};
    struct oxp_promql_node node = {.start = 5, .end = 6};
    oxp_arena_init(&query.arena, 0);
    oxp_query_annotate(&query, OXP_ANNOTATION_WARNING, &node, "it is %s", "odd");
    oxp_query_annotate(&query, OXP_ANNOTATION_WARNING, &node, "PromQL warning: it is %s", "odd");
    oxp_query_annotate(&query, OXP_ANNOTATION_INFO, NULL, "so so");
    node.start = 0;
    oxp_query_annotate(&query, OXP_ANNOTATION_WARNING, &node, "it is %s", "odd");
    static const char *const want[] = {"PromQL warning: it is odd (2:4)", "PromQL info: so so",
                                       "PromQL warning: it is odd (1:1)"};
    assert_int_equal(query.annotation_count, COUNT_OF(want));
    for (size_t i = 0; i < COUNT_OF(want); i++) {
        assert_true(oxp_view_is(query.annotations[i].text, want[i]));
    }
    assert_int_equal(query.annotations[1].level, OXP_ANNOTATION_INFO);
    for (int i = 0; i < 1000; i++) {
        oxp_query_annotate(&query, OXP_ANNOTATION_INFO, NULL, "number %d", i);
    }
    assert_true(query.annotation_count < 100);
    oxp_query_annotate(&query, OXP_ANNOTATION_WARNING, NULL, "infos leave room for warnings");
    assert_int_equal(query.annotations[query.annotation_count - 1].level, OXP_ANNOTATION_WARNING);
    char *longest = malloc(5000);
    assert_non_null(longest);
    memset(longest, 'x', 4999);
    longest[4999] = '\0';
    oxp_query_annotate(&query, OXP_ANNOTATION_WARNING, &node, "%s", longest);
    free(longest);
    oxp_arena_fini(&query.arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_merge),       cmocka_unit_test(test_merge_many), cmocka_unit_test(test_compact_and_sort),
        cmocka_unit_test(test_no_room),     cmocka_unit_test(test_limits),     cmocka_unit_test(test_memory),
        cmocka_unit_test(test_annotations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
