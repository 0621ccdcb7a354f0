/* Families, lookup and creation: the rules at the top of lib/metrics/family.c. */
#include "tests/unit/lib/metrics/support.h"

#include "tests/support/alloc_fail.h"
#include <stdio.h>

static const char *const statuses[] = {"ok", "failed", NULL};
static const char *const regions[] = {"east", "west", NULL};

static struct oxp_view at(const char *text) {
    return oxp_view_from(text);
}

static enum oxp_status get(struct oxp_family *family, const char *const *texts, struct oxp_series **series_out) {
    struct oxp_view values[OXP_LABELS_MAX] = {{0}};
    for (size_t i = 0; i < OXP_LABELS_MAX && texts[i] != NULL; i++) {
        values[i] = at(texts[i]);
    }
    return oxp_family_series(family, values, series_out);
}

/* ---- what exists from the start ---- */

static const struct oxp_family_spec none = {.name = "none_total", .help = "h", .type = OXP_COUNTER};
static const struct oxp_family_spec closed = {
    .name = "closed", .help = "h", .labels = {{"status", statuses, 0}, {"region", regions, 0}}, .type = OXP_GAUGE};
static const struct oxp_family_spec lazy = {
    .name = "lazy", .help = "h", .labels = {{"status", statuses, 0}}, .type = OXP_GAUGE, .flags = OXP_FAMILY_LAZY};
static const struct oxp_family_spec absent = {
    .name = "absent", .help = "h", .labels = {{"status", statuses, 0}}, .type = OXP_GAUGE, .flags = OXP_FAMILY_ABSENT};
static const struct oxp_family_spec mixed = {.name = "mixed_total",
                                             .help = "h",
                                             .labels = {{"workflow", NULL, 3}, {"status", statuses, 0}},
                                             .type = OXP_COUNTER};

static void test_precreation(void **state) {
    (void)state;
    struct oxp_registry *registry = registry_with(0, 0, NULL);
    add(registry, &none);
    add(registry, &closed);
    struct oxp_family *slow = add(registry, &lazy), *hidden = add(registry, &absent), *open = add(registry, &mixed);
    assert_dump(registry, "none_total{} 0\n"
                          "closed{status=\"ok\",region=\"east\"} 0\n"
                          "closed{status=\"ok\",region=\"west\"} 0\n"
                          "closed{status=\"failed\",region=\"east\"} 0\n"
                          "closed{status=\"failed\",region=\"west\"} 0\n");
    assert_int_equal(oxp_registry_series(registry), 5);
    oxp_gauge_set(oxp_family_at(slow, at("failed")), 2);
    oxp_gauge_set(oxp_family_at(hidden, at("failed")), 3);
    /* the first sight of an open value makes its closed siblings */
    oxp_counter_add(oxp_counter(oxp_family_at2(open, at("w"), at("failed"))), 4);
    assert_dump(registry, "none_total{} 0\n"
                          "closed{status=\"ok\",region=\"east\"} 0\n"
                          "closed{status=\"ok\",region=\"west\"} 0\n"
                          "closed{status=\"failed\",region=\"east\"} 0\n"
                          "closed{status=\"failed\",region=\"west\"} 0\n"
                          "lazy{status=\"failed\"} 2\n"
                          "absent{status=\"failed\"} 3\n"
                          "mixed_total{workflow=\"w\",status=\"ok\"} 0\n"
                          "mixed_total{workflow=\"w\",status=\"failed\"} 4\n");
    assert_int_equal(oxp_registry_series(registry), 9);
    oxp_registry_free(registry);
}

/* ---- lookup ---- */

static void test_lookup_is_stable(void **state) {
    (void)state;
    static const struct oxp_family_spec spec = {
        .name = "many", .help = "h", .labels = {{"a", NULL, 0}, {"b", NULL, 0}, {"c", NULL, 0}}, .type = OXP_GAUGE};
    enum { COUNT = 5000 };
    static struct oxp_series *made[COUNT];
    struct oxp_registry *registry = registry_with(0, 0, NULL);
    struct oxp_family *family = add(registry, &spec);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < COUNT; i++) {
            char a[16], b[16];
            snprintf(a, sizeof a, "%d", i % 17);
            snprintf(b, sizeof b, "%d", i);
            struct oxp_series *series = oxp_family_at3(family, at(a), at(b), at("c"));
            if (round == 0) {
                made[i] = series;
                oxp_gauge_set(series, i);
            } else {
                assert_ptr_equal(series, made[i]);
                assert_true(oxp_series_value(series, NOW) == i);
            }
        }
        assert_int_equal(oxp_registry_series(registry), COUNT);
    }
    oxp_registry_free(registry);
}

/* Values that look alike when they are escaped, or that could swallow the next label, are different series. */
static void test_lookalikes(void **state) {
    (void)state;
    static const struct oxp_family_spec spec = {
        .name = "g", .help = "h", .labels = {{"a", NULL, 0}, {"b", NULL, 0}}, .type = OXP_GAUGE};
    static const struct {
        const char *a, *b, *labels;
    } rows[] = {
        {"x", "y", "a=\"x\",b=\"y\""},
        {"", "", "a=\"\",b=\"\""},
        {"xy", "", "a=\"xy\",b=\"\""},
        {"", "xy", "a=\"\",b=\"xy\""},
        {"x\",b=\"y", "", "a=\"x\\\",b=\\\"y\",b=\"\""},
        {"x", "y\"", "a=\"x\",b=\"y\\\"\""},
        {"\\", "\n", "a=\"\\\\\",b=\"\\n\""},
        {"\\\\", "\\n", "a=\"\\\\\\\\\",b=\"\\\\n\""},
        {"\n", "\\", "a=\"\\n\",b=\"\\\\\""},
        {"\xc3\xa9", "\xf0\x9f\x90\xa6", "a=\"\xc3\xa9\",b=\"\xf0\x9f\x90\xa6\""},
    };
    enum { ROWS = sizeof rows / sizeof rows[0] };
    struct oxp_registry *registry = registry_with(0, 0, NULL);
    struct oxp_family *family = add(registry, &spec);
    struct oxp_buf expected;
    oxp_buf_init(&expected, 0);
    struct oxp_series *made[ROWS];
    for (size_t i = 0; i < ROWS; i++) {
        made[i] = oxp_family_at2(family, at(rows[i].a), at(rows[i].b));
        assert_int_equal(oxp_registry_series(registry), i + 1);
        oxp_buf_append_format(&expected, "g{%s} 0\n", rows[i].labels);
    }
    for (size_t i = 0; i < ROWS; i++) {
        assert_ptr_equal(oxp_family_at2(family, at(rows[i].a), at(rows[i].b)), made[i]);
    }
    assert_dump(registry, oxp_buf_text(&expected));
    oxp_buf_fini(&expected);
    oxp_registry_free(registry);
}

static void test_values_are_mended(void **state) {
    (void)state;
    static const struct oxp_family_spec spec = {
        .name = "g", .help = "h", .labels = {{"a", NULL, 0}}, .type = OXP_GAUGE};
    char longer[OXP_LABEL_VALUE_MAX + 51], cut[OXP_LABEL_VALUE_MAX + 1], bird[OXP_LABEL_VALUE_MAX + 3];
    memset(longer, 'x', sizeof longer);
    memset(cut, 'x', sizeof cut);
    longer[sizeof longer - 1] = cut[sizeof cut - 1] = '\0';
    memset(bird, 'y', sizeof bird); /* a two-byte character across the end goes away whole */
    memcpy(bird + OXP_LABEL_VALUE_MAX - 1, "\xc3\xa9", 3);
    struct oxp_registry *registry = registry_with(0, 0, NULL);
    struct oxp_family *family = add(registry, &spec);
    const struct {
        const char *first, *second; /* end in the same series */
    } rows[] = {
        {"a\xff"
         "b",
         "a\xef\xbf\xbd"
         "b"},
        {"\xc3", "\xef\xbf\xbd"},
        {"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
        {longer, cut},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct oxp_series *first = oxp_family_at(family, at(rows[i].first));
        assert_ptr_equal(oxp_family_at(family, at(rows[i].second)), first);
        assert_ptr_equal(oxp_family_at(family, at(rows[i].first)), first);
        assert_int_equal(oxp_registry_series(registry), i + 1);
    }
    struct oxp_series *ys = oxp_family_at(family, at(bird));
    assert_ptr_equal(oxp_family_at(family, oxp_view_of(bird, OXP_LABEL_VALUE_MAX - 1)), ys);
    /* 200 bad bytes would be 600 bytes of U+FFFD: cut at a character too */
    char bad[OXP_LABEL_VALUE_MAX];
    memset(bad, 0xff, sizeof bad);
    struct oxp_series *mended = oxp_family_at(family, oxp_view_of(bad, sizeof bad));
    assert_ptr_equal(oxp_family_at(family, oxp_view_of(bad, OXP_LABEL_VALUE_MAX / 3)), mended);
    oxp_registry_free(registry);
}

static void test_sinks(void **state) {
    (void)state;
    struct oxp_registry *registry = registry_with(0, 0, NULL);
    struct oxp_family *family = add(registry, &mixed), *lonely = add(registry, &lazy);
    struct oxp_series *sink = NULL;
    const char *wrong[] = {"w", "no such status", NULL};
    assert_int_equal(get(family, wrong, &sink), OXP_ERR_INVALID);
    assert_non_null(sink);
    assert_int_equal(oxp_family_series(NULL, NULL, &sink), OXP_ERR_INVALID);
    /* a refused value made nothing, the group of "w" neither */
    assert_int_equal(oxp_registry_series(registry), 0);
    struct oxp_series *sinks[] = {
        sink,
        oxp_family_only(family), /* two labels */
        oxp_family_at(family, at("w")),
        oxp_family_at3(family, at("w"), at("ok"), at("x")),
        oxp_family_only(NULL),
        oxp_family_at(NULL, at("w")),
        oxp_family_at(lonely, at("no such status")),
    };
    for (size_t i = 0; i < sizeof sinks / sizeof sinks[0]; i++) {
        assert_non_null(sinks[i]);
        oxp_counter_add(oxp_counter(sinks[i]), 1);
        oxp_series_count(sinks[i], 1);
        oxp_gauge_set(sinks[i], 1);
        oxp_gauge_add(sinks[i], 1);
        oxp_histogram_observe(sinks[i], 1);
        oxp_series_exemplar(sinks[i], 1, NOW, NULL, 0);
        oxp_series_hide(sinks[i]);
        oxp_series_show(sinks[i]);
        assert_true(oxp_series_value(sinks[i], NOW) == 0);
        assert_int_equal(oxp_series_restore_counter(sinks[i], 1, NOW), OXP_ERR_INVALID);
    }
    assert_dump(registry, "");
    oxp_registry_free(registry);
}

/* ---- bounds and caps ---- */

static void test_bound(void **state) {
    (void)state;
    struct drops drops = {0};
    struct oxp_registry *registry = registry_with(0, 0, &drops);
    struct oxp_family *family = add(registry, &mixed);
    static const struct {
        const char *workflow;
        enum oxp_status status;
        size_t drops;
    } rows[] = {
        {"one", OXP_OK, 0},        {"two", OXP_OK, 0},         {"one", OXP_OK, 0},   {"three", OXP_OVERFLOW, 1},
        {"four", OXP_OVERFLOW, 2}, {"three", OXP_OVERFLOW, 3}, {"other", OXP_OK, 3}, {"two", OXP_OK, 3},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct oxp_series *series = NULL;
        const char *values[] = {rows[i].workflow, "ok", NULL};
        assert_int_equal(get(family, values, &series), rows[i].status);
        oxp_counter_add(oxp_counter(series), 1);
        assert_int_equal(drops.count, rows[i].drops);
    }
    assert_string_equal(drops.last, "mixed_total workflow=three");
    assert_dump(registry, "mixed_total{workflow=\"one\",status=\"ok\"} 2\n"
                          "mixed_total{workflow=\"one\",status=\"failed\"} 0\n"
                          "mixed_total{workflow=\"two\",status=\"ok\"} 2\n"
                          "mixed_total{workflow=\"two\",status=\"failed\"} 0\n"
                          "mixed_total{workflow=\"other\",status=\"ok\"} 4\n"
                          "mixed_total{workflow=\"other\",status=\"failed\"} 0\n");
    oxp_registry_free(registry);
}

/* Each label has a bound of its own; a value that is known passes although its label is full. */
static void test_two_bounds(void **state) {
    (void)state;
    static const struct oxp_family_spec spec = {
        .name = "g", .help = "h", .labels = {{"a", NULL, 2}, {"b", NULL, 3}}, .type = OXP_GAUGE};
    static const struct {
        const char *a, *b, *labels, *drop;
    } rows[] = {
        {"a1", "b1", "a=\"a1\",b=\"b1\"", ""},
        {"a2", "b1", "a=\"other\",b=\"b1\"", "g a=a2"},
        {"a1", "b2", "a=\"a1\",b=\"b2\"", "g a=a2"},
        {"a1", "b3", "a=\"a1\",b=\"other\"", "g b=b3"},
        {"a2", "b3", "a=\"other\",b=\"other\"", "g a=a2"},
    };
    struct drops drops = {0};
    struct oxp_registry *registry = registry_with(0, 0, &drops);
    struct oxp_family *family = add(registry, &spec);
    struct oxp_buf expected;
    oxp_buf_init(&expected, 0);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        oxp_gauge_set(oxp_family_at2(family, at(rows[i].a), at(rows[i].b)), 1);
        assert_string_equal(drops.last, rows[i].drop);
        oxp_buf_append_format(&expected, "g{%s} 1\n", rows[i].labels);
    }
    assert_dump(registry, oxp_buf_text(&expected));
    oxp_buf_fini(&expected);
    oxp_registry_free(registry);
}

static void test_family_cap(void **state) {
    (void)state;
    static const struct oxp_family_spec spec = {.name = "g",
                                                .help = "h",
                                                .labels = {{"a", NULL, 0}, {"status", statuses, 0}},
                                                .type = OXP_GAUGE,
                                                .max_series = 7};
    struct drops drops = {0};
    struct oxp_registry *registry = registry_with(0, 0, &drops);
    struct oxp_family *family = add(registry, &spec);
    /* 7 = two groups of 2, the overflow group, whether it is there already or only promised, and one place that no
     * group fits into */
    assert_int_equal(oxp_registry_series(registry), 0);
    oxp_family_at2(family, at("other"), at("ok"));
    assert_int_equal(oxp_registry_series(registry), 2);
    for (int i = 0; i < 1000; i++) {
        char a[16];
        snprintf(a, sizeof a, "v%d", i);
        struct oxp_series *series = NULL;
        const char *values[] = {a, "failed", NULL};
        assert_int_equal(get(family, values, &series), i < 2 ? OXP_OK : OXP_OVERFLOW);
        oxp_gauge_add(series, 1);
    }
    assert_int_equal(drops.count, 998);
    assert_string_equal(drops.last, "g a=v999");
    assert_dump(registry, "g{a=\"other\",status=\"ok\"} 0\n"
                          "g{a=\"other\",status=\"failed\"} 998\n"
                          "g{a=\"v0\",status=\"ok\"} 0\n"
                          "g{a=\"v0\",status=\"failed\"} 1\n"
                          "g{a=\"v1\",status=\"ok\"} 0\n"
                          "g{a=\"v1\",status=\"failed\"} 1\n");
    oxp_registry_free(registry);
}

static const struct oxp_family_spec open_a = {
    .name = "a", .help = "h", .labels = {{"x", NULL, 0}, {"y", NULL, 0}}, .type = OXP_GAUGE};
static const struct oxp_family_spec open_b = {
    .name = "b_total", .help = "h", .labels = {{"x", NULL, 0}}, .type = OXP_COUNTER, .flags = OXP_FAMILY_LAZY};

static void test_registry_cap(void **state) {
    (void)state;
    struct drops drops = {0};
    struct oxp_registry *registry = registry_with(10, 0, &drops);
    struct oxp_family *a = add(registry, &open_a), *b = add(registry, &open_b);
    add(registry, &none);
    for (int i = 0; i < 100; i++) {
        char x[16];
        snprintf(x, sizeof x, "v%d", i);
        oxp_gauge_add(oxp_family_at2(a, at(x), at("y")), 1);
        oxp_counter_add(oxp_counter(oxp_family_at(b, at(x))), 1);
    }
    /* 10 = none, the two overflow series, and seven of the others; the totals stay right */
    assert_int_equal(oxp_registry_series(registry), 10);
    assert_dump(registry, "a{x=\"v0\",y=\"y\"} 1\na{x=\"v1\",y=\"y\"} 1\na{x=\"v2\",y=\"y\"} 1\na{x=\"v3\",y=\"y\"} 1\n"
                          "a{x=\"other\",y=\"other\"} 96\n"
                          "b_total{x=\"v0\"} 1\nb_total{x=\"v1\"} 1\nb_total{x=\"v2\"} 1\nb_total{x=\"other\"} 97\n"
                          "none_total{} 0\n");
    assert_int_equal(drops.count, 96 + 97);
    /* what a table declares is made all the same */
    add(registry, &closed);
    assert_int_equal(oxp_registry_series(registry), 14);
    oxp_registry_free(registry);
}

/* The default cap is 10,000 a family. */
static void test_default_cap(void **state) {
    (void)state;
    struct drops drops = {0};
    struct oxp_registry *registry = registry_with(0, 0, &drops);
    struct oxp_family *family = add(registry, &open_b);
    for (int i = 0; i < 10100; i++) {
        char x[16];
        snprintf(x, sizeof x, "v%d", i);
        oxp_counter_add(oxp_counter(oxp_family_at(family, at(x))), 1);
    }
    assert_int_equal(oxp_registry_series(registry), 10000);
    assert_int_equal(drops.count, 101);
    assert_true(oxp_series_value(oxp_family_at(family, at("other")), NOW) == 101);
    oxp_registry_free(registry);
}

/* ---- the n-th allocation fails ---- */

static void use_registry(void *ctx) {
    (void)ctx;
    static const double bounds[] = {1, 2};
    static const struct oxp_family_spec histogram = {.name = "h",
                                                     .help = "h",
                                                     .labels = {{"x", NULL, 2}},
                                                     .type = OXP_HISTOGRAM,
                                                     .bounds = bounds,
                                                     .bound_count = 2};
    static const struct oxp_family_spec *const specs[] = {&none, &closed, &mixed, &histogram};
    struct oxp_registry_options options = {.now_s = fixed_now};
    struct oxp_registry *registry = NULL;
    enum oxp_status status = oxp_registry_new(&options, &registry);
    if (status != OXP_OK) {
        assert_int_equal(status, OXP_ERR_NOMEM);
        assert_null(registry);
        return;
    }
    struct oxp_family *families[4] = {0};
    for (size_t i = 0; i < 4; i++) {
        status = oxp_registry_add(registry, specs[i], &families[i]);
        assert_true(status == OXP_OK || status == OXP_ERR_NOMEM);
        assert_true((status == OXP_OK) == (families[i] != NULL));
        assert_ptr_equal(oxp_registry_find(registry, at(specs[i]->name)), families[i]);
    }
    for (int i = 0; i < 40; i++) {
        char x[16];
        snprintf(x, sizeof x, "v%d", i);
        struct oxp_series *series = NULL;
        const char *values[] = {x, "ok", NULL};
        (void)get(families[2], values, &series);
        assert_non_null(series);
        oxp_counter_add(oxp_counter(series), 1);
        oxp_histogram_observe(oxp_family_at(families[3], at(x)), i);
    }
    struct oxp_view labels[] = {OXP_VIEW("trace_id"), OXP_VIEW("abc")};
    oxp_series_exemplar(oxp_family_only(families[0]), 1, NOW, labels, 2);
    /* what can be seen is complete, and is what was counted */
    struct oxp_snapshot snapshot;
    const struct oxp_family_spec *spec;
    struct oxp_sample sample;
    size_t seen = 0;
    oxp_snapshot_begin(&snapshot, registry, NOW);
    while (oxp_snapshot_family(&snapshot, &spec) == OXP_OK) {
        while (oxp_snapshot_next(&snapshot, &sample) == OXP_OK) {
            assert_int_equal(sample.labels.len > 0, spec->labels[0].key != NULL);
            seen++;
        }
    }
    assert_int_equal(oxp_registry_series(registry), seen);
    oxp_registry_free(registry);
}

static void test_allocation_failures(void **state) {
    (void)state;
    assert_true(alloc_fail_each(use_registry, NULL) > 20);
}

/* A failure in the middle of a group is mended by the next call for it, and the places stay counted right. */
static void test_group_is_completed(void **state) {
    (void)state;
    for (size_t n = 1; n < 8; n++) {
        struct drops drops = {0};
        struct oxp_registry *registry = registry_with(6, 0, &drops);
        struct oxp_family *family = add(registry, &mixed);
        struct oxp_series *series = NULL;
        const char *values[] = {"w", "failed", NULL}, *second[] = {"v", "ok", NULL}, *third[] = {"u", "ok", NULL};
        alloc_fail_at(n);
        enum oxp_status status = get(family, values, &series);
        assert_true(status == OXP_OK || status == OXP_ERR_NOMEM);
        alloc_fail_at(0);
        assert_int_equal(get(family, values, &series), OXP_OK);
        assert_int_equal(oxp_registry_series(registry), 2);
        assert_int_equal(get(family, second, &series), OXP_OK);
        assert_int_equal(get(family, third, &series), OXP_OVERFLOW);
        assert_int_equal(oxp_registry_series(registry), 6);
        oxp_registry_free(registry);
    }
}

static void test_defaults(void **state) {
    (void)state;
    struct oxp_registry *registry = NULL;
    assert_int_equal(oxp_registry_new(NULL, &registry), OXP_OK);
    add(registry, &none);
    assert_null(oxp_registry_find(registry, OXP_VIEW("none")));
    assert_null(oxp_registry_find(registry, OXP_VIEW("")));
    oxp_registry_free(registry);
    oxp_registry_free(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_precreation),
        cmocka_unit_test(test_lookup_is_stable),
        cmocka_unit_test(test_lookalikes),
        cmocka_unit_test(test_values_are_mended),
        cmocka_unit_test(test_sinks),
        cmocka_unit_test(test_bound),
        cmocka_unit_test(test_two_bounds),
        cmocka_unit_test(test_family_cap),
        cmocka_unit_test(test_registry_cap),
        cmocka_unit_test(test_default_cap),
        cmocka_unit_test(test_allocation_failures),
        cmocka_unit_test(test_group_is_completed),
        cmocka_unit_test(test_defaults),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
