/* Handles: what each type of series counts, hides, and restores. */
#include "tests/unit/lib/metrics/support.h"

#include <math.h>

static const double bounds[] = {0.1, 5, 30};
static const struct oxp_family_spec counter = {.name = "c_total", .help = "h", .type = OXP_COUNTER};
static const struct oxp_family_spec seconds = {.name = "s_total", .help = "h", .type = OXP_COUNTER_FLOAT};
static const struct oxp_family_spec gauge = {.name = "g", .help = "h", .type = OXP_GAUGE};
static const struct oxp_family_spec age = {.name = "age", .help = "h", .type = OXP_GAUGE_AGE};
static const struct oxp_family_spec histogram = {
    .name = "h", .help = "h", .type = OXP_HISTOGRAM, .bounds = bounds, .bound_count = 3};
static const struct oxp_family_spec breaker = {.name = "breaker",
                                               .help = "h",
                                               .type = OXP_GAUGE,
                                               .labels = {{"name", NULL, 0}, {"state", NULL, 0}},
                                               .flags = OXP_FAMILY_ABSENT};

static struct oxp_series *only(struct oxp_registry *registry, const struct oxp_family_spec *spec) {
    return oxp_family_only(add(registry, spec));
}

static void test_counter(void **state) {
    (void)state;
    struct oxp_registry *registry = registry_with(0, 0, NULL);
    struct oxp_series *series = only(registry, &counter);
    oxp_counter_add(oxp_counter(series), 3);
    oxp_counter_add(oxp_counter(series), UINT64_C(1) << 53);
    oxp_gauge_set(series, 7); /* not its operations */
    oxp_gauge_add(series, 7);
    oxp_series_count(series, 7);
    oxp_histogram_observe(series, 7);
    struct oxp_snapshot snapshot;
    const struct oxp_family_spec *spec;
    struct oxp_sample sample;
    oxp_snapshot_begin(&snapshot, registry, NOW);
    assert_int_equal(oxp_snapshot_family(&snapshot, &spec), OXP_OK);
    assert_int_equal(oxp_snapshot_next(&snapshot, &sample), OXP_OK);
    assert_true(sample.whole);
    assert_true(sample.whole_value == (UINT64_C(1) << 53) + 3); /* more than a double holds */
    assert_true(sample.created_s == NOW);
    oxp_registry_free(registry);
}

static void test_float_counter(void **state) {
    (void)state;
    struct oxp_registry *registry = registry_with(0, 0, NULL);
    struct oxp_series *series = only(registry, &seconds);
    const double amounts[] = {0.5, 0.25, -1, NAN, 0, -INFINITY};
    for (size_t i = 0; i < sizeof amounts / sizeof amounts[0]; i++) {
        oxp_series_count(series, amounts[i]);
    }
    oxp_counter_add(oxp_counter(series), 5);
    assert_true(oxp_series_value(series, NOW) == 0.75);
    oxp_registry_free(registry);
}

static void test_gauge(void **state) {
    (void)state;
    struct oxp_registry *registry = registry_with(0, 0, NULL);
    struct oxp_series *series = only(registry, &gauge);
    oxp_gauge_set(series, 2.5);
    oxp_gauge_add(series, -4);
    oxp_series_count(series, 1);
    assert_true(oxp_series_value(series, NOW) == -1.5);
    oxp_gauge_set(series, INFINITY);
    assert_true(isinf(oxp_series_value(series, NOW)));
    oxp_registry_free(registry);
}

static void test_age(void **state) {
    (void)state;
    struct oxp_registry *registry = registry_with(0, 0, NULL);
    struct oxp_series *series = only(registry, &age);
    assert_true(oxp_series_value(series, NOW) == 0); /* no time yet */
    oxp_gauge_set(series, NOW - 60);
    assert_true(oxp_series_value(series, NOW) == 60);
    assert_true(oxp_series_value(series, NOW + 1) == 61);
    assert_true(oxp_series_value(series, NOW - 100) == 0); /* a clock that was set back */
    oxp_gauge_set(series, NAN);
    assert_true(oxp_series_value(series, NOW) == 0);
    oxp_registry_free(registry);
}

static void test_histogram(void **state) {
    (void)state;
    static const struct {
        double value;
        size_t bucket; /* 4 = ignored */
    } rows[] = {
        {-1, 0}, {0, 0},     {0.1, 0},      {0.10000000000000002, 1}, {5, 1},   {5.1, 2}, {30, 2},
        {31, 3}, {1e300, 3}, {INFINITY, 3}, {-INFINITY, 0},           {NAN, 4},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct oxp_registry *registry = registry_with(0, 0, NULL);
        struct oxp_series *series = only(registry, &histogram);
        oxp_histogram_observe(series, rows[i].value);
        struct oxp_sample sample = {.spec = &histogram, .series = series};
        uint64_t buckets[4], count = oxp_sample_buckets(&sample, buckets);
        assert_int_equal(count, rows[i].bucket < 4);
        for (size_t b = 0; b < 4; b++) {
            if (buckets[b] != (b == rows[i].bucket)) {
                fail_msg("%g fell into bucket %zu", rows[i].value, b);
            }
        }
        assert_true(oxp_series_value(series, NOW) == (rows[i].bucket < 4));
        assert_true(oxp_histogram_sum(series) == (rows[i].bucket < 4 ? rows[i].value : 0));
        oxp_registry_free(registry);
    }
}

/* Every number of bounds: the search agrees with a walk. */
static void test_bucket_search(void **state) {
    (void)state;
    double many[40];
    for (size_t i = 0; i < 40; i++) {
        many[i] = (double)i;
    }
    for (size_t count = 0; count <= 40; count++) {
        struct oxp_family_spec spec = {
            .name = "h", .help = "h", .type = OXP_HISTOGRAM, .bounds = many, .bound_count = count};
        struct oxp_registry *registry = registry_with(0, 0, NULL);
        struct oxp_series *series = only(registry, &spec);
        uint64_t expected[41] = {0}, found[41];
        for (int half = -2; half < 84; half++) {
            double value = half / 2.0;
            size_t bucket = 0;
            while (bucket < count && many[bucket] < value) {
                bucket++;
            }
            expected[bucket]++;
            oxp_histogram_observe(series, value);
        }
        oxp_sample_buckets(&(struct oxp_sample){.spec = &spec, .series = series}, found);
        assert_memory_equal(found, expected, (count + 1) * sizeof found[0]);
        oxp_registry_free(registry);
    }
}

static void test_hide_and_show(void **state) {
    (void)state;
    struct oxp_registry *registry = registry_with(0, 0, NULL);
    struct oxp_series *series = only(registry, &counter);
    oxp_counter_add(oxp_counter(series), 2);
    oxp_series_hide(series);
    oxp_series_hide(series);
    assert_dump(registry, "");
    assert_int_equal(oxp_registry_series(registry), 0);
    oxp_counter_add(oxp_counter(series), 1); /* a counter stays hidden */
    assert_dump(registry, "");
    oxp_series_show(series);
    oxp_series_show(series);
    assert_dump(registry, "c_total{} 3\n");
    assert_int_equal(oxp_registry_series(registry), 1);
    oxp_registry_free(registry);
}

static void test_absent(void **state) {
    (void)state;
    struct oxp_registry *registry = registry_with(0, 0, NULL);
    struct oxp_family *family = add(registry, &breaker);
    struct oxp_series *a = oxp_family_at2(family, OXP_VIEW("a\""), OXP_VIEW("open"));
    struct oxp_series *b = oxp_family_at2(family, OXP_VIEW("b"), OXP_VIEW("open"));
    struct oxp_series *c = oxp_family_at2(family, OXP_VIEW("open"), OXP_VIEW("b"));
    assert_int_equal(oxp_registry_series(registry), 0);
    oxp_gauge_set(a, 0);
    oxp_gauge_add(b, 1);
    oxp_gauge_add(c, 2);
    assert_dump(registry, "breaker{name=\"a\\\"\",state=\"open\"} 0\n"
                          "breaker{name=\"b\",state=\"open\"} 1\n"
                          "breaker{name=\"open\",state=\"b\"} 2\n");
    oxp_family_hide_where(family, "name", OXP_VIEW("b"));
    oxp_family_hide_where(family, "state", OXP_VIEW("ope"));
    oxp_family_hide_where(family, "nothing", OXP_VIEW("open"));
    oxp_family_hide_where(NULL, "name", OXP_VIEW("open"));
    assert_dump(registry, "breaker{name=\"a\\\"\",state=\"open\"} 0\nbreaker{name=\"open\",state=\"b\"} 2\n");
    oxp_family_hide_where(family, "name", OXP_VIEW("a\""));
    assert_dump(registry, "breaker{name=\"open\",state=\"b\"} 2\n");
    oxp_gauge_set(b, 5); /* it keeps its place and its handle */
    assert_dump(registry, "breaker{name=\"b\",state=\"open\"} 5\nbreaker{name=\"open\",state=\"b\"} 2\n");
    oxp_family_hide_all(family);
    oxp_family_hide_all(NULL);
    assert_dump(registry, "");
    oxp_registry_free(registry);
}

static void test_restore(void **state) {
    (void)state;
    struct oxp_registry *registry = registry_with(0, 0, NULL);
    struct oxp_series *c = only(registry, &counter), *s = only(registry, &seconds), *g = only(registry, &gauge),
                      *h = only(registry, &histogram);
    static const uint64_t buckets[] = {1, 2, 3, 4};
    const struct {
        struct oxp_series *series;
        double value;
        enum oxp_status status;
    } rows[] = {
        {c, 41, OXP_OK},           {c, 0.5, OXP_ERR_INVALID},  {c, -1, OXP_ERR_INVALID},
        {c, NAN, OXP_ERR_INVALID}, {c, 1e20, OXP_ERR_INVALID}, {s, 0.5, OXP_OK},
        {s, -1, OXP_ERR_INVALID},  {s, NAN, OXP_ERR_INVALID},  {g, 1, OXP_ERR_INVALID},
        {h, 1, OXP_ERR_INVALID},   {NULL, 1, OXP_ERR_INVALID},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(oxp_series_restore_counter(rows[i].series, rows[i].value, 5), rows[i].status);
    }
    assert_int_equal(oxp_series_restore_histogram(h, buckets, 3, 9.5, 6), OXP_ERR_INVALID);
    assert_int_equal(oxp_series_restore_histogram(c, buckets, 4, 9.5, 6), OXP_ERR_INVALID);
    assert_int_equal(oxp_series_restore_histogram(h, buckets, 4, 9.5, 6), OXP_OK);
    oxp_counter_add(oxp_counter(c), 1);
    assert_dump(registry, "c_total{} 42\ns_total{} 0.5\ng{} 0\nh{} 10\n");
    assert_true(oxp_histogram_sum(h) == 9.5);
    uint64_t found[4];
    oxp_sample_buckets(&(struct oxp_sample){.spec = &histogram, .series = h}, found);
    assert_memory_equal(found, buckets, sizeof buckets);
    oxp_registry_free(registry);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counter),       cmocka_unit_test(test_float_counter),
        cmocka_unit_test(test_gauge),         cmocka_unit_test(test_age),
        cmocka_unit_test(test_histogram),     cmocka_unit_test(test_bucket_search),
        cmocka_unit_test(test_hide_and_show), cmocka_unit_test(test_absent),
        cmocka_unit_test(test_restore),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
