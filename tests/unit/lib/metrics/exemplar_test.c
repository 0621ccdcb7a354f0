/* Exemplars: which are kept, where, and as what text. */
#include "tests/unit/lib/metrics/support.h"

#include "tests/support/alloc_fail.h"
#include <math.h>

static const double bounds[] = {1, 2};
static const struct oxp_family_spec counter = {.name = "c_total", .help = "h", .type = OXP_COUNTER};
static const struct oxp_family_spec gauge = {.name = "g", .help = "h", .type = OXP_GAUGE};
static const struct oxp_family_spec histogram = {
    .name = "h", .help = "h", .type = OXP_HISTOGRAM, .bounds = bounds, .bound_count = 2};

#define X10 "0123456789"
#define X100 X10 X10 X10 X10 X10 X10 X10 X10 X10 X10
#define BIRD "\xf0\x9f\x90\xa6"

static const struct {
    const char *title;
    const char *pairs[8]; /* name, value, … */
    const char *text;     /* NULL = not kept */
} rows[] = {
    {"none", {NULL}, ""},
    {"one", {"trace_id", "abc"}, "trace_id=\"abc\""},
    {"two", {"trace_id", "abc", "session_id", "d"}, "trace_id=\"abc\",session_id=\"d\""},
    {"empty value", {"a", ""}, "a=\"\""},
    {"escaped", {"a", "\"\\\n"}, "a=\"\\\"\\\\\\n\""},
    {"128 code points", {"a", X100 X10 X10 "1234567"}, "a=\"" X100 X10 X10 "1234567\""},
    {"129 code points", {"a", X100 X10 X10 "12345678"}, NULL},
    {"129 with the names", {"a", X100, "bb", X10 X10 "123456"}, NULL},
    {"code points, not bytes", {"a", BIRD BIRD X100}, "a=\"" BIRD BIRD X100 "\""},
    {"name is not a name", {"1a", "x"}, NULL},
    {"empty name", {"", "x"}, NULL},
    {"the same name twice", {"a", "x", "a", "y"}, NULL},
    {"not UTF-8", {"a", "\xff"}, NULL},
    {"odd count", {"a", "x", "b"}, NULL},
};

static void test_text(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct oxp_registry *registry = registry_with(0, 0, NULL);
        struct oxp_series *series = oxp_family_only(add(registry, &counter));
        struct oxp_view labels[8];
        size_t count = 0;
        while (count < 8 && rows[i].pairs[count] != NULL) {
            labels[count] = oxp_view_from(rows[i].pairs[count]);
            count++;
        }
        oxp_series_exemplar(series, 1.5, NOW, labels, count);
        struct oxp_sample sample = {.spec = &counter, .series = series};
        struct oxp_exemplar exemplar;
        bool kept = oxp_sample_exemplar(&sample, 0, &exemplar);
        if (kept != (rows[i].text != NULL) ||
            (kept && !oxp_view_is(oxp_view_of(exemplar.labels, exemplar.labels_len), rows[i].text))) {
            fail_msg("%s", rows[i].title);
        }
        if (kept) {
            assert_true(exemplar.value == 1.5 && exemplar.time_s == NOW);
        }
        assert_false(oxp_sample_exemplar(&sample, 1, &exemplar));
        oxp_registry_free(registry);
    }
}

static void test_buckets(void **state) {
    (void)state;
    struct oxp_registry *registry = registry_with(0, 0, NULL);
    struct oxp_series *series = oxp_family_only(add(registry, &histogram));
    struct oxp_sample sample = {.spec = &histogram, .series = series};
    struct oxp_view labels[] = {OXP_VIEW("id"), OXP_VIEW("1")}, newer[] = {OXP_VIEW("id"), OXP_VIEW("22")};
    struct oxp_exemplar exemplar;
    assert_false(oxp_sample_exemplar(&sample, 0, &exemplar));
    oxp_series_exemplar(series, 2, NOW, labels, 2);
    oxp_series_exemplar(series, 9, NOW, labels, 2);
    oxp_series_exemplar(series, 10, NOW + 1, newer, 2);
    oxp_series_exemplar(series, NAN, NOW + 2, newer, 2);
    assert_false(oxp_sample_exemplar(&sample, 0, &exemplar));
    assert_true(oxp_sample_exemplar(&sample, 1, &exemplar));
    assert_true(exemplar.value == 2);
    assert_true(oxp_sample_exemplar(&sample, 2, &exemplar));
    assert_true(exemplar.value == 10 && exemplar.time_s == NOW + 1);
    assert_true(oxp_view_is(oxp_view_of(exemplar.labels, exemplar.labels_len), "id=\"22\""));
    assert_false(oxp_sample_exemplar(&sample, 3, &exemplar));
    oxp_registry_free(registry);
}

static void test_gauges_have_none(void **state) {
    (void)state;
    struct oxp_registry *registry = registry_with(0, 0, NULL);
    struct oxp_series *series = oxp_family_only(add(registry, &gauge));
    struct oxp_exemplar exemplar;
    oxp_series_exemplar(series, 2, NOW, NULL, 0);
    oxp_series_exemplar(NULL, 2, NOW, NULL, 0);
    assert_false(oxp_sample_exemplar(&(struct oxp_sample){.spec = &gauge, .series = series}, 0, &exemplar));
    oxp_registry_free(registry);
}

static void set_one(void *ctx) {
    struct oxp_series *series = ctx;
    struct oxp_view labels[] = {OXP_VIEW("id"), OXP_VIEW("1")};
    oxp_series_exemplar(series, 0.5, NOW, labels, 2);
    struct oxp_sample sample = {.spec = &histogram, .series = series};
    struct oxp_exemplar exemplar;
    assert_int_equal(oxp_sample_exemplar(&sample, 0, &exemplar), !alloc_fail_hit());
}

static void test_allocation_failures(void **state) {
    (void)state;
    struct oxp_registry *registry = registry_with(0, 0, NULL);
    /* the first run fails at the array, the second at the slot */
    assert_int_equal(alloc_fail_each(set_one, oxp_family_only(add(registry, &histogram))), 2);
    oxp_registry_free(registry);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_buckets),
        cmocka_unit_test(test_gauges_have_none),
        cmocka_unit_test(test_allocation_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
