/* Label sets: made in any order they are the same set; choices; printing; matchers. */
#include "alerts/tsdb/labels.h"

#include "alerts/tsdb/matcher.h"
#include "lib/regex/regex.h"
#include "tests/support/alloc_fail.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

/* A set from "a=1,b=2"; "" is the empty one. */
static const struct oxp_labels *set_of(struct oxp_arena *arena, const char *text) {
    struct oxp_labels_builder builder;
    oxp_labels_build(&builder, arena, oxp_labels_none());
    while (*text != '\0') {
        const char *equal = strchr(text, '='), *end = strchrnul(text, ',');
        oxp_labels_set_text(&builder, oxp_view_of(text, (size_t)(equal - text)),
                            oxp_view_of(equal + 1, (size_t)(end - equal) - 1));
        text = *end == '\0' ? end : end + 1;
    }
    return oxp_labels_finish(&builder);
}

static void check_text(const struct oxp_labels *labels, bool metric, const char *want) {
    struct oxp_buf buf;
    oxp_buf_init(&buf, 0);
    assert_non_null(labels);
    oxp_labels_format(&buf, labels, metric);
    assert_string_equal(oxp_buf_text(&buf), want);
    oxp_buf_fini(&buf);
}

static void order_of_making_does_not_matter(void **state) {
    (void)state;
    struct oxp_arena arena;
    oxp_arena_init(&arena, 0);
    const struct oxp_labels *a = set_of(&arena, "b=2,a=1,c=3"), *b = set_of(&arena, "c=3,b=x,a=1,b=2");
    assert_true(oxp_labels_equal(a, b));
    assert_int_equal(a->hash, b->hash);
    assert_int_equal(oxp_labels_compare(a, b), 0);
    check_text(a, false, "{a=\"1\", b=\"2\", c=\"3\"}");
    assert_false(oxp_labels_equal(a, set_of(&arena, "a=1,b=2")));
    assert_false(oxp_labels_equal(a, set_of(&arena, "a=1,b=2,c=4")));
    assert_false(oxp_labels_equal(a, set_of(&arena, "a=2,b=1,c=3")));
    /* an empty value is no label */
    check_text(set_of(&arena, "a=1,b="), false, "{a=\"1\"}");
    check_text(set_of(&arena, "a=1,b=2,b="), false, "{a=\"1\"}");
    assert_ptr_equal(set_of(&arena, "a="), oxp_labels_none());
    assert_null(oxp_labels_find(a, OXP_VIEW("d")));
    assert_string_equal(oxp_labels_find(a, OXP_VIEW("b"))->text, "2");
    assert_string_equal(oxp_labels_get(a, oxp_symbol_new(&arena, OXP_VIEW("c")))->text, "3");
    assert_null(oxp_labels_name(a));
    oxp_arena_fini(&arena);
}

static void sets_are_ordered(void **state) {
    (void)state;
    static const char *const ascending[] = {"", "a=1", "a=1,b=1", "a=1,c=1", "a=10", "a=2", "aa=1", "b=0"};
    struct oxp_arena arena;
    oxp_arena_init(&arena, 0);
    for (size_t i = 0; i < 8; i++) {
        for (size_t k = 0; k < 8; k++) {
            int order = oxp_labels_compare(set_of(&arena, ascending[i]), set_of(&arena, ascending[k]));
            assert_int_equal((order > 0) - (order < 0), (i > k) - (i < k));
        }
    }
    oxp_arena_fini(&arena);
}

static void choices_choose(void **state) {
    (void)state;
    static const struct {
        bool without;
        const char *names[3], *left, *right, *part;
        bool same;
    } rows[] = {
        {false, {"a"}, "__name__=m,a=1,b=2", "__name__=n,a=1,b=3", "{a=\"1\"}", true},
        {false, {"a"}, "a=1", "a=2", "{a=\"1\"}", false},
        {false, {"x"}, "a=1", "a=2", "{}", true},
        {false, {"a", "b"}, "a=1", "a=1,c=4", "{a=\"1\"}", true},
        {false, {"a", "b"}, "a=1", "a=1,b=4", "{a=\"1\"}", false},
        {false, {"__name__"}, "__name__=m,a=1", "__name__=m,a=2", "{__name__=\"m\"}", true},
        {false, {NULL}, "__name__=m,a=1", "b=2", "{}", true},
        {true, {"b"}, "__name__=m,a=1,b=2", "__name__=n,a=1,b=3", "{a=\"1\"}", true},
        {true, {NULL}, "__name__=m,a=1", "__name__=n,a=1", "{a=\"1\"}", true},
        {true, {"b"}, "a=1,c=3", "a=1", "{a=\"1\", c=\"3\"}", false},
        {true, {"a", "c"}, "a=1,b=2,c=3", "b=2", "{b=\"2\"}", true},
    };
    struct oxp_arena arena;
    oxp_arena_init(&arena, 0);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct oxp_symbol *names[3];
        struct oxp_label_choice choice = {names, 0, rows[i].without};
        for (; choice.count < 3 && rows[i].names[choice.count] != NULL; choice.count++) {
            names[choice.count] = oxp_symbol_new(&arena, oxp_view_from(rows[i].names[choice.count]));
        }
        const struct oxp_labels *left = set_of(&arena, rows[i].left), *right = set_of(&arena, rows[i].right);
        const struct oxp_labels *part = oxp_labels_chosen(&arena, left, &choice);
        check_text(part, false, rows[i].part);
        assert_int_equal(part->hash, oxp_labels_chosen_hash(left, &choice));
        assert_int_equal(oxp_labels_chosen_equal(left, right, &choice), rows[i].same);
        assert_int_equal(oxp_labels_chosen_equal(right, left, &choice), rows[i].same);
        assert_true(!rows[i].same || oxp_labels_chosen_hash(left, &choice) == oxp_labels_chosen_hash(right, &choice));
    }
    const struct oxp_labels *nameless = set_of(&arena, "a=1");
    assert_ptr_equal(oxp_labels_nameless(&arena, nameless), nameless);
    check_text(oxp_labels_nameless(&arena, set_of(&arena, "__name__=m,a=1")), false, "{a=\"1\"}");
    oxp_arena_fini(&arena);
}

static void sets_are_printed_as_prometheus_does(void **state) {
    (void)state;
    struct oxp_arena arena;
    oxp_arena_init(&arena, 0);
    check_text(set_of(&arena, ""), true, "{}");
    check_text(set_of(&arena, "__name__=up"), true, "up");
    check_text(set_of(&arena, "__name__=up"), false, "{__name__=\"up\"}");
    check_text(set_of(&arena, "__name__=a:b,x=1"), true, "a:b{x=\"1\"}");
    check_text(set_of(&arena, "__name__=a.b,x.y=1"), true, "{\"a.b\", \"x.y\"=\"1\"}");
    check_text(set_of(&arena, "x=q\"b\\n\n"), true, "{x=\"q\\\"b\\\\n\\n\"}");
    check_text(set_of(&arena, "x=\xff\x01\xc3\xa9"), true, "{x=\"\\xff\\x01\xc3\xa9\"}");
    oxp_arena_fini(&arena);
}

static void too_many_labels_are_refused(void **state) {
    (void)state;
    struct oxp_arena arena;
    struct oxp_labels_builder builder;
    oxp_arena_init(&arena, 0);
    oxp_labels_build(&builder, &arena, oxp_labels_none());
    for (int i = 0; i <= OXP_LABELS_LIMIT; i++) {
        char name[8];
        oxp_labels_set_text(&builder, oxp_view_of(name, (size_t)snprintf(name, sizeof name, "l%d", i)), OXP_VIEW("v"));
    }
    assert_null(oxp_labels_finish(&builder));
    assert_int_equal(oxp_arena_status(&arena), OXP_ERR_LIMIT);
    oxp_arena_fini(&arena);
}

static void matchers_match(void **state) {
    (void)state;
    static const struct {
        enum oxp_match_op op;
        const char *name, *value, *labels;
        bool accepts;
    } rows[] = {
        {OXP_MATCH_EQUAL, "a", "1", "a=1", true},         {OXP_MATCH_EQUAL, "a", "1", "a=2", false},
        {OXP_MATCH_EQUAL, "a", "", "b=1", true},          {OXP_MATCH_EQUAL, "a", "", "a=1", false},
        {OXP_MATCH_NOT_EQUAL, "a", "1", "b=1", true},     {OXP_MATCH_NOT_EQUAL, "a", "1", "a=1", false},
        {OXP_MATCH_NOT_EQUAL, "a", "", "a=1", true},      {OXP_MATCH_NOT_EQUAL, "a", "", "b=1", false},
        {OXP_MATCH_REGEX, "a", "1|2", "a=2", true},       {OXP_MATCH_REGEX, "a", "1|2", "a=12", false},
        {OXP_MATCH_REGEX, "a", ".*", "b=1", true},        {OXP_MATCH_REGEX, "a", ".+", "b=1", false},
        {OXP_MATCH_NOT_REGEX, "a", ".+", "b=1", true},    {OXP_MATCH_NOT_REGEX, "a", "x.*", "a=y", true},
        {OXP_MATCH_NOT_REGEX, "a", "x.*", "a=xy", false},
    };
    struct oxp_arena arena;
    oxp_arena_init(&arena, 0);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct oxp_matcher matcher = {rows[i].op, oxp_symbol_new(&arena, oxp_view_from(rows[i].name)),
                                      oxp_symbol_new(&arena, oxp_view_from(rows[i].value)), NULL};
        assert_int_equal(oxp_regex_new(oxp_view_from(rows[i].value), &matcher.regex, NULL), OXP_OK);
        if (oxp_matchers_accept(&matcher, 1, set_of(&arena, rows[i].labels)) != rows[i].accepts) {
            fail_msg("%s%s%s on %s", rows[i].name, oxp_match_op_text(rows[i].op), rows[i].value, rows[i].labels);
        }
        oxp_regex_free(matcher.regex);
    }
    oxp_arena_fini(&arena);
}

static void make_a_set(void *ctx) {
    (void)ctx;
    struct oxp_arena arena;
    oxp_arena_init(&arena, 0);
    char large[5000];
    memset(large, 'x', sizeof large);
    struct oxp_labels_builder builder;
    oxp_labels_build(&builder, &arena, oxp_labels_none());
    oxp_labels_set_text(&builder, OXP_VIEW("a"), oxp_view_of(large, sizeof large));
    oxp_labels_set_text(&builder, OXP_VIEW("b"), oxp_view_of(large, sizeof large));
    const struct oxp_labels *labels = oxp_labels_finish(&builder);
    assert_int_equal(labels == NULL, oxp_arena_status(&arena) != OXP_OK);
    oxp_arena_fini(&arena);
}

static void memory_may_end(void **state) {
    (void)state;
    assert_true(alloc_fail_each(make_a_set, NULL) >= 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(order_of_making_does_not_matter),
        cmocka_unit_test(sets_are_ordered),
        cmocka_unit_test(choices_choose),
        cmocka_unit_test(sets_are_printed_as_prometheus_does),
        cmocka_unit_test(too_many_labels_are_refused),
        cmocka_unit_test(matchers_match),
        cmocka_unit_test(memory_may_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
