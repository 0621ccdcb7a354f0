/* What oxp_registry_add accepts and refuses. */
#include "tests/unit/lib/metrics/support.h"

#include <math.h>

static const char *const colours[] = {"red", "green", NULL};
static const char *const nothing[] = {NULL};
static const char *const twice[] = {"red", "red", NULL};
static const char *const not_utf8[] = {"red", "\xff", NULL};
static const double ascending[] = {0.1, 5, 30};
static const double level[] = {1, 1};
static const double falling[] = {2, 1};
static const double infinite[] = {1, INFINITY};
static const double no_number[] = {NAN};

#define BASE(n, t) .name = (n), .help = "Help.", .type = (t)

static const struct {
    const char *title;
    struct oxp_family_spec spec;
} good[] = {
    {"gauge", {BASE("a", OXP_GAUGE)}},
    {"colon in the name", {BASE("job:a:sum", OXP_GAUGE)}},
    {"counter", {BASE("a_total", OXP_COUNTER)}},
    {"float counter", {BASE("a_seconds_total", OXP_COUNTER_FLOAT), .unit = "seconds"}},
    {"age", {BASE("a_age_seconds", OXP_GAUGE_AGE), .flags = OXP_FAMILY_ABSENT}},
    {"histogram", {BASE("a_seconds", OXP_HISTOGRAM), .bounds = ascending, .bound_count = 3}},
    {"histogram with +Inf alone", {BASE("a", OXP_HISTOGRAM)}},
    {"closed label", {BASE("a", OXP_GAUGE), .labels = {{"c", colours, 0}}}},
    {"closed label with a bound", {BASE("a", OXP_GAUGE), .labels = {{"c", colours, 2}}}},
    {"open label", {BASE("a", OXP_GAUGE), .labels = {{"c", NULL, 7}}}},
    {"le where it means nothing", {BASE("a", OXP_GAUGE), .labels = {{"le", NULL, 7}}}},
    {"empty help", {.name = "a", .help = "", .type = OXP_GAUGE}},
    {"eight labels",
     {BASE("a", OXP_GAUGE), .labels = {{"a", NULL, 0},
                                       {"b", NULL, 0},
                                       {"c", NULL, 0},
                                       {"d", NULL, 0},
                                       {"e", NULL, 0},
                                       {"f", NULL, 0},
                                       {"g", NULL, 0},
                                       {"h", NULL, 0}}}},
};

static const struct {
    const char *title;
    struct oxp_family_spec spec;
} bad[] = {
    {"no name", {.help = "Help.", .type = OXP_GAUGE}},
    {"no help", {.name = "a", .type = OXP_GAUGE}},
    {"help not UTF-8", {.name = "a", .help = "\xc0\x80", .type = OXP_GAUGE}},
    {"empty name", {BASE("", OXP_GAUGE)}},
    {"digit first", {BASE("1a", OXP_GAUGE)}},
    {"dash in the name", {BASE("a-b", OXP_GAUGE)}},
    {"counter without _total", {BASE("a", OXP_COUNTER)}},
    {"counter that is all suffix", {BASE("_total", OXP_COUNTER)}},
    {"float counter without _total", {BASE("a", OXP_COUNTER_FLOAT)}},
    {"gauge with _total", {BASE("a_total", OXP_GAUGE)}},
    {"no such type", {BASE("a", (enum oxp_metric_type)99)}},
    {"empty key", {BASE("a", OXP_GAUGE), .labels = {{"", NULL, 0}}}},
    {"colon in the key", {BASE("a", OXP_GAUGE), .labels = {{"a:b", NULL, 0}}}},
    {"reserved key", {BASE("a", OXP_GAUGE), .labels = {{"__name__", NULL, 0}}}},
    {"le of a histogram", {BASE("a", OXP_HISTOGRAM), .labels = {{"le", NULL, 0}}}},
    {"key twice", {BASE("a", OXP_GAUGE), .labels = {{"b", NULL, 0}, {"b", NULL, 0}}}},
    {"closed set without values", {BASE("a", OXP_GAUGE), .labels = {{"b", nothing, 0}}}},
    {"closed value twice", {BASE("a", OXP_GAUGE), .labels = {{"b", twice, 0}}}},
    {"closed value not UTF-8", {BASE("a", OXP_GAUGE), .labels = {{"b", not_utf8, 0}}}},
    {"bounds of a gauge", {BASE("a", OXP_GAUGE), .bounds = ascending, .bound_count = 3}},
    {"bounds missing", {BASE("a", OXP_HISTOGRAM), .bound_count = 3}},
    {"equal bounds", {BASE("a", OXP_HISTOGRAM), .bounds = level, .bound_count = 2}},
    {"falling bounds", {BASE("a", OXP_HISTOGRAM), .bounds = falling, .bound_count = 2}},
    {"+Inf as a bound", {BASE("a", OXP_HISTOGRAM), .bounds = infinite, .bound_count = 2}},
    {"NaN as a bound", {BASE("a", OXP_HISTOGRAM), .bounds = no_number, .bound_count = 1}},
    {"too many buckets", {BASE("a", OXP_HISTOGRAM), .bounds = ascending, .bound_count = 100000}},
    {"closed sets past the cap", {BASE("a", OXP_GAUGE), .labels = {{"b", colours, 0}}, .max_series = 1}},
};

static void test_good(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        struct oxp_registry *registry = registry_with(0, 0, NULL);
        struct oxp_family *family = NULL;
        if (oxp_registry_add(registry, &good[i].spec, &family) != OXP_OK) {
            fail_msg("refused: %s", good[i].title);
        }
        assert_ptr_equal(oxp_family_spec_of(family), &good[i].spec);
        oxp_registry_free(registry);
    }
}

static void test_bad(void **state) {
    (void)state;
    struct oxp_registry *registry = registry_with(0, 0, NULL);
    struct oxp_family *family = NULL;
    assert_int_equal(oxp_registry_add(registry, NULL, &family), OXP_ERR_INVALID);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (oxp_registry_add(registry, &bad[i].spec, &family) != OXP_ERR_INVALID) {
            fail_msg("accepted: %s", bad[i].title);
        }
        assert_null(family);
    }
    assert_dump(registry, "");
    oxp_registry_free(registry);
}

/* OpenMetrics: families may not share a name, nor a sample name that a suffix makes. */
static const struct {
    struct oxp_family_spec first, second;
    enum oxp_status status;
} pairs[] = {
    {{BASE("a", OXP_GAUGE)}, {BASE("b", OXP_GAUGE)}, OXP_OK},
    {{BASE("a", OXP_GAUGE)}, {BASE("a", OXP_GAUGE)}, OXP_ERR_EXISTS},
    {{BASE("a", OXP_GAUGE)}, {BASE("a", OXP_HISTOGRAM)}, OXP_ERR_EXISTS},
    {{BASE("a", OXP_GAUGE)}, {BASE("a_bucket", OXP_GAUGE)}, OXP_OK},
    {{BASE("a", OXP_HISTOGRAM)}, {BASE("a_bucket", OXP_GAUGE)}, OXP_ERR_EXISTS},
    {{BASE("a", OXP_HISTOGRAM)}, {BASE("a_count", OXP_GAUGE)}, OXP_ERR_EXISTS},
    {{BASE("a", OXP_HISTOGRAM)}, {BASE("a_sum", OXP_GAUGE)}, OXP_ERR_EXISTS},
    {{BASE("a", OXP_HISTOGRAM)}, {BASE("a_created", OXP_GAUGE)}, OXP_ERR_EXISTS},
    {{BASE("a_sum", OXP_GAUGE)}, {BASE("a", OXP_HISTOGRAM)}, OXP_ERR_EXISTS},
    {{BASE("a", OXP_HISTOGRAM)}, {BASE("a_total", OXP_COUNTER)}, OXP_ERR_EXISTS},
    {{BASE("a_total", OXP_COUNTER)}, {BASE("a", OXP_GAUGE)}, OXP_ERR_EXISTS},
    {{BASE("a_total", OXP_COUNTER)}, {BASE("a_created", OXP_GAUGE)}, OXP_ERR_EXISTS},
    {{BASE("a_total", OXP_COUNTER)}, {BASE("a_count", OXP_GAUGE)}, OXP_OK},
};

static void test_names(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        struct oxp_registry *registry = registry_with(0, 0, NULL);
        struct oxp_family *first = add(registry, &pairs[i].first), *second = NULL;
        enum oxp_status status = oxp_registry_add(registry, &pairs[i].second, &second);
        if (status != pairs[i].status) {
            fail_msg("%s then %s: %s", pairs[i].first.name, pairs[i].second.name, oxp_status_name(status));
        }
        assert_ptr_equal(oxp_registry_find(registry, oxp_view_from(pairs[i].first.name)), first);
        /* a refused family leaves no name behind */
        assert_int_equal(oxp_registry_series(registry), status == OXP_OK ? 2 : 1);
        oxp_registry_free(registry);
    }
}

static void test_refused_leaves_no_name(void **state) {
    (void)state;
    static const struct oxp_family_spec sum = {BASE("a_created", OXP_GAUGE)}, whole = {BASE("a", OXP_HISTOGRAM)},
                                        bucket = {BASE("a_bucket", OXP_GAUGE)};
    struct oxp_registry *registry = registry_with(0, 0, NULL);
    struct oxp_family *family = NULL;
    add(registry, &sum);
    assert_int_equal(oxp_registry_add(registry, &whole, &family), OXP_ERR_EXISTS);
    add(registry, &bucket);
    assert_null(oxp_registry_find(registry, OXP_VIEW("a")));
    oxp_registry_free(registry);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_refused_leaves_no_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
