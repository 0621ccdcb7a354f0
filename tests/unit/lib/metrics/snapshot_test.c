/* Snapshots: what they fix, what they give, and in which order. */
#include "tests/unit/lib/metrics/support.h"

#include <math.h>

static const double bounds[] = {1, 2};
static const struct oxp_family_spec open = {.name = "open", .help = "h", .type = OXP_GAUGE, .labels = {{"x", NULL, 0}}};
static const struct oxp_family_spec later = {
    .name = "later", .help = "h", .type = OXP_GAUGE, .labels = {{"x", NULL, 0}}};
static const struct oxp_family_spec empty = {.name = "empty", .help = "h", .type = OXP_GAUGE, .flags = OXP_FAMILY_LAZY};
static const struct oxp_family_spec histogram = {
    .name = "h", .help = "h", .type = OXP_HISTOGRAM, .bounds = bounds, .bound_count = 2};
static const struct oxp_family_spec gauge = {.name = "g", .help = "h", .type = OXP_GAUGE};

/* Families without series are walked too; after the end comes the end. */
static void test_order_and_end(void **state) {
    (void)state;
    struct oxp_registry *registry = registry_with(0, 0, NULL);
    const struct oxp_family_spec *const specs[] = {&open, &empty, &histogram}, *spec = NULL;
    struct oxp_snapshot snapshot;
    struct oxp_sample sample;
    oxp_snapshot_begin(&snapshot, registry, NOW);
    assert_int_equal(oxp_snapshot_family(&snapshot, &spec), OXP_END);
    for (size_t i = 0; i < 3; i++) {
        add(registry, specs[i]);
    }
    oxp_snapshot_begin(&snapshot, registry, NOW);
    assert_int_equal(oxp_snapshot_next(&snapshot, &sample), OXP_END); /* no family yet */
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(oxp_snapshot_family(&snapshot, &spec), OXP_OK);
        assert_ptr_equal(spec, specs[i]);
        assert_int_equal(oxp_snapshot_next(&snapshot, &sample), i == 2 ? OXP_OK : OXP_END);
        assert_int_equal(oxp_snapshot_next(&snapshot, &sample), OXP_END);
        assert_int_equal(oxp_snapshot_next(&snapshot, &sample), OXP_END);
    }
    assert_int_equal(oxp_snapshot_family(&snapshot, &spec), OXP_END);
    assert_int_equal(oxp_snapshot_next(&snapshot, &sample), OXP_END);
    assert_int_equal(oxp_snapshot_family(&snapshot, &spec), OXP_END);
    oxp_registry_free(registry);
}

/* Series and families that come after the beginning are not seen, wherever the walk stands. */
static void test_fixes_what_exists(void **state) {
    (void)state;
    struct oxp_registry *registry = registry_with(0, 0, NULL);
    struct oxp_family *first = add(registry, &open), *second = add(registry, &later);
    struct oxp_series *old = oxp_family_at(first, OXP_VIEW("old"));
    oxp_family_at(second, OXP_VIEW("old"));
    struct oxp_snapshot snapshot;
    struct oxp_sample sample;
    const struct oxp_family_spec *spec;
    oxp_snapshot_begin(&snapshot, registry, NOW);
    oxp_family_at(first, OXP_VIEW("new"));
    oxp_family_at(second, OXP_VIEW("new"));
    add(registry, &gauge);
    oxp_gauge_set(old, 7); /* values are read as the walk passes */
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(oxp_snapshot_family(&snapshot, &spec), OXP_OK);
        assert_int_equal(oxp_snapshot_next(&snapshot, &sample), OXP_OK);
        assert_true(sample.value == (i == 0 ? 7 : 0));
        oxp_family_at(first, OXP_VIEW("newer"));
        assert_int_equal(oxp_snapshot_next(&snapshot, &sample), OXP_END);
    }
    assert_int_equal(oxp_snapshot_family(&snapshot, &spec), OXP_END);
    assert_dump(registry, "open{x=\"old\"} 7\nopen{x=\"new\"} 0\nopen{x=\"newer\"} 0\n"
                          "later{x=\"old\"} 0\nlater{x=\"new\"} 0\ng{} 0\n");
    oxp_registry_free(registry);
}

static void test_sample(void **state) {
    (void)state;
    static const struct {
        double value;
        bool whole;
    } rows[] = {
        {0, true},    {-0.0, false},     {5, true},          {5.5, false},
        {-5, false},  {1e15, true},      {1e19, true},       {1e20, false},
        {NAN, false}, {INFINITY, false}, {-INFINITY, false}, {18446744073709549568.0, true},
    };
    struct oxp_registry *registry = registry_with(0, 0, NULL);
    struct oxp_series *series = oxp_family_only(add(registry, &gauge));
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct oxp_snapshot snapshot;
        struct oxp_sample sample;
        const struct oxp_family_spec *spec;
        oxp_gauge_set(series, rows[i].value);
        oxp_snapshot_begin(&snapshot, registry, NOW);
        assert_int_equal(oxp_snapshot_family(&snapshot, &spec), OXP_OK);
        assert_int_equal(oxp_snapshot_next(&snapshot, &sample), OXP_OK);
        assert_ptr_equal(sample.spec, &gauge);
        assert_ptr_equal(sample.series, series);
        assert_int_equal(sample.labels.len, 0);
        assert_memory_equal(&sample.value, &rows[i].value, sizeof sample.value);
        if (sample.whole != rows[i].whole || (sample.whole && (double)sample.whole_value != rows[i].value)) {
            fail_msg("%g: whole is %d, %ju", rows[i].value, sample.whole, (uintmax_t)sample.whole_value);
        }
    }
    oxp_registry_free(registry);
}

static void test_histogram(void **state) {
    (void)state;
    struct oxp_registry *registry = registry_with(0, 0, NULL);
    struct oxp_series *series = oxp_family_only(add(registry, &histogram));
    oxp_histogram_observe(series, 0.5);
    oxp_histogram_observe(series, 1.5);
    oxp_histogram_observe(series, 9);
    struct oxp_snapshot snapshot;
    struct oxp_sample sample;
    const struct oxp_family_spec *spec;
    oxp_snapshot_begin(&snapshot, registry, NOW);
    assert_int_equal(oxp_snapshot_family(&snapshot, &spec), OXP_OK);
    assert_int_equal(oxp_snapshot_next(&snapshot, &sample), OXP_OK);
    uint64_t buckets[3];
    assert_int_equal(oxp_sample_buckets(&sample, buckets), 3);
    assert_true(buckets[0] == 1 && buckets[1] == 1 && buckets[2] == 1);
    assert_true(sample.value == 3 && sample.whole && sample.whole_value == 3);
    assert_true(sample.sum == 11);
    oxp_registry_free(registry);
}

static void test_created(void **state) {
    (void)state;
    struct oxp_registry *registry = registry_with(0, 0, NULL);
    struct oxp_series *series = oxp_family_only(add(registry, &histogram));
    add(registry, &gauge);
    static const uint64_t buckets[3];
    for (int step = 0; step < 3; step++) {
        struct oxp_snapshot snapshot;
        struct oxp_sample sample;
        const struct oxp_family_spec *spec;
        if (step == 1) {
            assert_int_equal(oxp_series_restore_histogram(series, buckets, 3, 0, NOW - 100), OXP_OK);
        } else if (step == 2) {
            oxp_registry_set_created(registry, NOW + 5);
        }
        oxp_snapshot_begin(&snapshot, registry, NOW);
        assert_int_equal(oxp_snapshot_family(&snapshot, &spec), OXP_OK);
        assert_int_equal(oxp_snapshot_next(&snapshot, &sample), OXP_OK);
        assert_true(sample.created_s == (step == 0 ? NOW : step == 1 ? NOW - 100 : NOW + 5));
    }
    oxp_registry_free(registry);
}

/* Many chunks, every third series hidden. */
static void test_many(void **state) {
    (void)state;
    enum { COUNT = 9000 };
    struct oxp_registry *registry = registry_with(0, 0, NULL);
    struct oxp_family *family = add(registry, &open);
    for (int i = 0; i < COUNT; i++) {
        char x[32];
        snprintf(x, sizeof x, "%*d", i % 20, i);
        struct oxp_series *series = oxp_family_at(family, oxp_view_from(x));
        oxp_gauge_set(series, i);
        if (i % 3 == 0) {
            oxp_series_hide(series);
        }
    }
    struct oxp_snapshot snapshot;
    struct oxp_sample sample;
    const struct oxp_family_spec *spec;
    oxp_snapshot_begin(&snapshot, registry, NOW);
    assert_int_equal(oxp_snapshot_family(&snapshot, &spec), OXP_OK);
    for (int i = 0; i < COUNT; i++) {
        if (i % 3 != 0) {
            char labels[64];
            snprintf(labels, sizeof labels, "x=\"%*d\"", i % 20, i);
            assert_int_equal(oxp_snapshot_next(&snapshot, &sample), OXP_OK);
            assert_true(sample.value == i);
            assert_true(oxp_view_is(sample.labels, labels));
        }
    }
    assert_int_equal(oxp_snapshot_next(&snapshot, &sample), OXP_END);
    oxp_registry_free(registry);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order_and_end), cmocka_unit_test(test_fixes_what_exists), cmocka_unit_test(test_sample),
        cmocka_unit_test(test_histogram),     cmocka_unit_test(test_created),           cmocka_unit_test(test_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
