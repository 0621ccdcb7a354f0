#include "alerts/tsdb/exemplars.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/support/alloc_fail.h"

static const struct oxp_labels *set_of(struct oxp_arena *arena, const char *name, const char *value) {
    struct oxp_labels_builder builder;
    oxp_labels_build(&builder, arena, oxp_labels_none());
    oxp_labels_set_text(&builder, oxp_view_from(name), oxp_view_from(value));
    return oxp_labels_finish(&builder);
}

static enum oxp_status add(struct oxp_exemplars_store *store, const char *series, const char *trace, int64_t time_ms) {
    struct oxp_arena arena;
    oxp_arena_init(&arena, 0);
    const struct oxp_labels *a = set_of(&arena, "__name__", series), *b = set_of(&arena, "trace_id", trace);
    enum oxp_status status =
        a == NULL || b == NULL ? OXP_ERR_NOMEM : oxp_exemplars_add(store, a, b, time_ms, (double)time_ms / 2);
    oxp_arena_fini(&arena);
    return status;
}

/* "series/trace@time " each, in order; good until the next call. */
static const char *select_text(struct oxp_exemplars_store *store, const char *series, int64_t min_ms, int64_t max_ms) {
    static struct oxp_buf out;
    struct oxp_arena arena;
    oxp_buf_fini(&out);
    oxp_arena_init(&arena, 0);
    struct oxp_matcher matcher = {.op = OXP_MATCH_EQUAL,
                                  .name = oxp_symbol_new(&arena, OXP_VIEW("__name__")),
                                  .value = oxp_symbol_new(&arena, oxp_view_from(series))};
    struct oxp_exemplar_found *found = NULL;
    size_t count = 99;
    assert_int_equal(oxp_exemplars_select(store, &matcher, series[0] != '\0', min_ms, max_ms, &arena, &found, &count),
                     OXP_OK);
    for (size_t i = 0; i < count; i++) {
        assert_true(found[i].value == (double)found[i].time_ms / 2);
        oxp_buf_append_format(&out, "%s/%s@%lld ", oxp_labels_name(found[i].series)->text,
                              oxp_labels_find(found[i].labels, OXP_VIEW("trace_id"))->text,
                              (long long)found[i].time_ms);
    }
    oxp_arena_fini(&arena);
    return oxp_buf_text(&out);
}

static void test_select(void **state) {
    (void)state;
    struct oxp_exemplars_store *store = NULL;
    assert_int_equal(oxp_exemplars_new(4, &store), OXP_OK);
    assert_string_equal(select_text(store, "", INT64_MIN, INT64_MAX), "");
    static const struct {
        const char *series, *trace;
        int64_t time_ms;
    } added[] = {{"b", "one", 10}, {"a", "two", 30}, {"a", "three", 20}, {"b", "four", 5}};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(add(store, added[i].series, added[i].trace, added[i].time_ms), OXP_OK);
    }
    static const struct {
        const char *name, *series;
        int64_t min_ms, max_ms;
        const char *expected;
    } rows[] = {
        {"all, by series and time", "", INT64_MIN, INT64_MAX, "a/three@20 a/two@30 b/four@5 b/one@10 "},
        {"one series", "a", INT64_MIN, INT64_MAX, "a/three@20 a/two@30 "},
        {"the ends count", "", 10, 20, "a/three@20 b/one@10 "},
        {"nothing there", "", 31, 40, ""},
        {"no such series", "c", 0, 40, ""},
        {"an empty range", "", 20, 10, ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *text = select_text(store, rows[i].series, rows[i].min_ms, rows[i].max_ms);
        if (strcmp(text, rows[i].expected) != 0) {
            fail_msg("%s: got %s", rows[i].name, text);
        }
    }
    /* the newest stay, whatever their time says */
    assert_int_equal(add(store, "c", "five", 1), OXP_OK);
    assert_int_equal(add(store, "c", "six", 2), OXP_OK);
    assert_string_equal(select_text(store, "", INT64_MIN, INT64_MAX), "a/three@20 b/four@5 c/five@1 c/six@2 ");
    oxp_exemplars_free(store);
    oxp_exemplars_free(NULL);
}

static void test_cap_of_the_arena(void **state) {
    (void)state;
    struct oxp_exemplars_store *store = NULL;
    struct oxp_arena arena;
    struct oxp_exemplar_found *found = NULL;
    size_t count = 0;
    assert_int_equal(oxp_exemplars_new(0, &store), OXP_OK);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(add(store, "a", "b", i), OXP_OK);
    }
    assert_string_equal(select_text(store, "", 62, 65), "a/b@62 a/b@63 a/b@64 a/b@65 ");
    oxp_arena_init(&arena, 4200);
    assert_int_equal(oxp_exemplars_select(store, NULL, 0, 0, 100, &arena, &found, &count), OXP_ERR_LIMIT);
    assert_int_equal(count, 0);
    oxp_arena_fini(&arena);
    oxp_exemplars_free(store);
}

static void with_failures(void *ctx) {
    (void)ctx;
    struct oxp_exemplars_store *store = NULL;
    struct oxp_arena arena;
    struct oxp_exemplar_found *found = NULL;
    size_t count = 0;
    oxp_arena_init(&arena, 0);
    enum oxp_status status = oxp_exemplars_new(2, &store);
    status = status == OXP_OK ? add(store, "a", "one", 1) : status;
    status = status == OXP_OK ? add(store, "a", "two", 2) : status;
    status = status == OXP_OK ? add(store, "a", "three", 3) : status;
    status = status == OXP_OK ? oxp_exemplars_select(store, NULL, 0, 0, 9, &arena, &found, &count) : status;
    assert_true(status == OXP_OK ? count == 2 && !alloc_fail_hit() : status == OXP_ERR_NOMEM && alloc_fail_hit());
    oxp_arena_fini(&arena);
    oxp_exemplars_free(store);
}

static void test_without_memory(void **state) {
    (void)state;
    assert_true(alloc_fail_each(with_failures, NULL) > 5);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_select),
        cmocka_unit_test(test_cap_of_the_arena),
        cmocka_unit_test(test_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
