/* Counters and histograms across a clean stop: what is written is what comes back, and what cannot come back whole does
 * not come back at all. */
#include "tests/unit/exporter/app/saved_world.h"

#include <math.h>
#include <string.h>
#include <sys/stat.h>

static const double same_number[] = {0.1, 1, 11};
static const double fewer[] = {0.1, 1};
static const double below_zero[] = {-1, 0, 1};

static void assert_same(const struct oxp_registry *registry, const struct oxp_registry *expected) {
    char *a = dump(registry), *b = dump(expected);
    assert_string_equal(a, b);
    free(a);
    free(b);
}

/* ---- what comes back ---- */

static void test_everything_comes_back(void **state) {
    (void)state;
    struct world first, next;
    struct stat info;
    begin(&first, FIRST_RUN);
    fill(&first);
    save(first.registry);
    assert_int_equal(stat(saved_path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    assert_false(exists(fresh_path));

    begin(&next, NEXT_RUN);
    /* 1 + 1 + 2 + 2 + 3 (n0, n1, other) + 6 + 1 + 2 counters, 2 + 1 + 1 histograms */
    assert_restores(next.registry, WORLD_RESTORED);
    /* what is not restored, but is compared: gauges and the process's own clock */
    oxp_gauge_set(oxp_family_only(next.families[QUEUE]), 8);
    oxp_gauge_set(oxp_family_only(next.families[AGE]), FIRST_RUN);
    assert_true(oxp_series_restore_counter(oxp_family_only(next.families[PROCESS]), 9, FIRST_RUN) == OXP_OK);
    assert_same(next.registry, first.registry);

    /* and once more, so that nothing is lost on the way through */
    save(next.registry);
    oxp_registry_free(next.registry);
    begin(&next, NEXT_RUN + 100);
    assert_restores(next.registry, WORLD_RESTORED);
    assert_true(oxp_family_at(next.families[CAPPED], OXP_VIEW("n9")) ==
                oxp_family_at(next.families[CAPPED], OXP_VIEW("other")));
    assert_true(oxp_series_value(oxp_family_at(next.families[CAPPED], OXP_VIEW("other")), 0) == 12 + 13 + 14);
    oxp_registry_free(next.registry);
    oxp_registry_free(first.registry);
}

static void test_gauges_and_the_process_start_anew(void **state) {
    (void)state;
    struct world first, next;
    begin(&first, FIRST_RUN);
    fill(&first);
    save(first.registry);
    begin(&next, NEXT_RUN);
    assert_restores(next.registry, WORLD_RESTORED);
    assert_true(oxp_series_value(oxp_family_only(next.families[QUEUE]), NEXT_RUN) == 0);
    assert_true(oxp_series_value(oxp_family_only(next.families[AGE]), NEXT_RUN) == 0);
    assert_true(oxp_series_value(oxp_family_only(next.families[PROCESS]), NEXT_RUN) == 0);
    char *text = dump(next.registry);
    assert_non_null(strstr(text, "\nprocess_cpu_seconds_created 1700003700\n"));
    assert_non_null(strstr(text, "\nt_events_created 1700000000.25\n"));
    free(text);
    oxp_registry_free(next.registry);
    oxp_registry_free(first.registry);
}

/* Who was hidden at the stop is not saved: it starts at 0, with a new created time. */
static void test_a_hidden_series_starts_anew(void **state) {
    (void)state;
    struct world first, next;
    begin(&first, FIRST_RUN);
    fill(&first);
    oxp_series_hide(oxp_family_at(first.families[SIDES], OXP_VIEW("out")));
    save(first.registry);
    begin(&next, NEXT_RUN);
    assert_restores(next.registry, WORLD_RESTORED - 1);
    assert_true(oxp_series_value(oxp_family_at(next.families[SIDES], OXP_VIEW("out")), 0) == 0);
    char *text = dump(next.registry);
    assert_non_null(strstr(text, "\nt_sides_created{side=\"out\"} 1700003700\n"));
    assert_non_null(strstr(text, "\nt_sides_created{side=\"in\"} 1700000000.25\n"));
    free(text);
    oxp_registry_free(next.registry);
    oxp_registry_free(first.registry);
}

/* A sum below zero cannot be written in OpenMetrics; a histogram without its sum is not restored. */
static void test_a_histogram_without_sum_starts_anew(void **state) {
    (void)state;
    struct world first, next;
    begin(&first, FIRST_RUN);
    fill(&first);
    oxp_histogram_observe(oxp_family_only(first.families[BELOW]), -100);
    save(first.registry);
    begin(&next, NEXT_RUN);
    assert_restores(next.registry, WORLD_RESTORED - 1);
    assert_true(oxp_series_value(oxp_family_only(next.families[BELOW]), 0) == 0);
    assert_true(oxp_histogram_sum(oxp_family_only(next.families[BARE])) == 0.3);
    oxp_registry_free(next.registry);
    oxp_registry_free(first.registry);
}

/* clang-format off: a table */
#define LABELS(...) .labels = {__VA_ARGS__}
#define COUNTER(...)                                                                                                   \
    { .name = "t_x_total", .help = "h", .type = OXP_COUNTER, __VA_ARGS__ }
#define HISTOGRAM(b, n)                                                                                                \
    { .name = "t_x", .help = "h", .type = OXP_HISTOGRAM, .bounds = (b), .bound_count = (n) }
/* One family of the next run is not what it was. Its series are left out, the others come back. */
static const struct changed {
    const char *name;
    struct oxp_family_spec before, after;
    bool restored;
} changed_rows[] = {
    {"nothing changed", COUNTER(), COUNTER(), true},
    {"another help", COUNTER(), {.name = "t_x_total", .help = "other", .type = OXP_COUNTER}, true},
    {"labels in another order", COUNTER(LABELS({.key = "a"}, {.key = "b"})),
     COUNTER(LABELS({.key = "b"}, {.key = "a"})), true},
    {"whole numbers become fractions", COUNTER(), {.name = "t_x_total", .help = "h", .type = OXP_COUNTER_FLOAT}, true},
    {"same histogram", HISTOGRAM(world_bounds, 3), HISTOGRAM(world_bounds, 3), true},
    {"another name", COUNTER(), {.name = "t_y_total", .help = "h", .type = OXP_COUNTER}, false},
    {"a gauge now", COUNTER(), {.name = "t_x", .help = "h", .type = OXP_GAUGE}, false},
    {"was a gauge", {.name = "t_x", .help = "h", .type = OXP_GAUGE}, COUNTER(), false},
    {"a histogram now", COUNTER(), HISTOGRAM(world_bounds, 3), false},
    {"was a histogram", HISTOGRAM(world_bounds, 3), COUNTER(), false},
    {"a label more", COUNTER(), COUNTER(LABELS({.key = "a"})), false},
    {"a label less", COUNTER(LABELS({.key = "a"}, {.key = "b"})), COUNTER(LABELS({.key = "a"})), false},
    {"another label", COUNTER(LABELS({.key = "a"})), COUNTER(LABELS({.key = "b"})), false},
    {"a value outside the closed set", COUNTER(LABELS({.key = "a"})), COUNTER(LABELS({"a", world_sides, 0})), false},
    {"a smaller bound", COUNTER(LABELS({.key = "a"})), COUNTER(LABELS({"a", NULL, 1})), false},
    {"other bounds, as many", HISTOGRAM(world_bounds, 3), HISTOGRAM(same_number, 3), false},
    {"fewer bounds", HISTOGRAM(world_bounds, 3), HISTOGRAM(fewer, 2), false},
    {"more bounds", HISTOGRAM(fewer, 2), HISTOGRAM(world_bounds, 3), false},
    {"no bounds", HISTOGRAM(world_bounds, 3), HISTOGRAM(NULL, 0), false},
    {"negative bounds", HISTOGRAM(below_zero, 3), HISTOGRAM(below_zero, 3), false}, /* no sum is written for them */
};
/* clang-format on */

static struct oxp_series *of_x(struct oxp_family *family) {
    const struct oxp_family_spec *spec = oxp_family_spec_of(family);
    struct oxp_view values[OXP_LABELS_MAX];
    struct oxp_series *series = NULL;
    for (size_t i = 0; i < OXP_LABELS_MAX && spec->labels[i].key != NULL; i++) {
        values[i] = oxp_view_from(spec->labels[i].values != NULL ? "in" : spec->labels[i].key);
    }
    (void)oxp_family_series(family, values, &series);
    return series;
}

static void raise_x(struct oxp_series *series, enum oxp_metric_type type) {
    if (type == OXP_COUNTER) {
        add_to(series, 5);
    } else if (type == OXP_GAUGE) {
        oxp_gauge_set(series, 5);
    } else {
        for (unsigned i = 0; i < 5; i++) {
            oxp_histogram_observe(series, 10.5);
        }
        exemplar(series, 10.5, 1700000000, "x");
    }
}

static void test_changed_between_runs(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof changed_rows / sizeof changed_rows[0]; i++) {
        const struct changed *row = &changed_rows[i];
        struct oxp_registry *first = new_registry(FIRST_RUN);
        struct oxp_family *before = add(first, &world_specs[SIDES]);
        add_to(oxp_family_at(before, OXP_VIEW("in")), 1);
        struct oxp_family *family = add(first, &row->before);
        raise_x(of_x(family), row->before.type);
        struct oxp_family *after = add(first, &world_specs[DURATION]);
        oxp_histogram_observe(oxp_family_at(after, OXP_VIEW("out")), 3);
        save(first);

        struct oxp_registry *next = new_registry(NEXT_RUN);
        before = add(next, &world_specs[SIDES]);
        family = add(next, &row->after);
        after = add(next, &world_specs[DURATION]);
        char *untouched = dump(next);
        size_t restored = 0;
        struct oxp_error error = {0};
        assert_int_equal(oxp_saved_read(next, folder, &restored, &error), OXP_OK);
        double x = oxp_series_value(of_x(family), 0);
        if (restored != (row->restored ? 5 : 4) || x != (row->restored ? 5 : 0)) {
            fail_msg("%s: %zu series were restored, and t_x is %g", row->name, restored, x);
        }
        assert_true(oxp_series_value(oxp_family_at(before, OXP_VIEW("in")), 0) == 1);
        assert_true(oxp_histogram_sum(oxp_family_at(after, OXP_VIEW("out"))) == 3);
        if (!row->restored && row->after.type == OXP_HISTOGRAM && row->after.bounds != below_zero) {
            char *text = dump(next);
            assert_null(strstr(text, "session=\"x\"")); /* no exemplar of a bucket that is not there */
            free(text);
        }
        free(untouched);
        oxp_registry_free(next);
        oxp_registry_free(first);
    }
}

/* A family that is there under another type does not get series for it. */
static void test_no_series_for_another_type(void **state) {
    (void)state;
    static const char text[] = "# TYPE t_x histogram\nt_x_bucket{a=\"v\",le=\"+Inf\"} 5\nt_x_count{a=\"v\"} 5\n"
                               "t_x_sum{a=\"v\"} 5\nt_x_created{a=\"v\"} 1\n# EOF\n";
    static const struct oxp_family_spec gauge = {
        .name = "t_x", .help = "h", .type = OXP_GAUGE, .labels = {{.key = "a"}}};
    static const struct oxp_family_spec same = {
        .name = "t_x", .help = "h", .type = OXP_HISTOGRAM, .labels = {{.key = "a"}}};
    for (int i = 0; i < 2; i++) {
        struct oxp_registry *registry = new_registry(NEXT_RUN);
        add(registry, i == 0 ? &gauge : &same);
        put_file(saved_path, text, sizeof text - 1);
        assert_restores(registry, i == 0 ? 0 : 1);
        assert_int_equal(oxp_registry_series(registry), i == 0 ? 0 : 1);
        oxp_registry_free(registry);
    }
}

/* Files that the reader lets pass, with what a registry cannot take. */
static const struct {
    const char *name, *text;
    size_t restored;
} odd_rows[] = {
    {"good", "# TYPE t_events counter\nt_events_total 5\nt_events_created 1\n# EOF\n", 1},
    {"no created time", "# TYPE t_events counter\nt_events_total 5\n# EOF\n", 0},
    {"half an event", "# TYPE t_events counter\nt_events_total 5.5\nt_events_created 1\n# EOF\n", 0},
    {"2^64 events", "# TYPE t_events counter\nt_events_total 18446744073709551616\nt_events_created 1\n# EOF\n", 0},
    {"infinitely many events", "# TYPE t_events counter\nt_events_total +Inf\nt_events_created 1\n# EOF\n", 0},
    {"a bucket past 2^64",
     "# TYPE t_bare histogram\nt_bare_bucket{le=\"+Inf\"} 1e300\nt_bare_count 1e300\nt_bare_sum 1\nt_bare_created 1\n"
     "# EOF\n",
     0},
    {"sum first",
     "# TYPE t_bare histogram\nt_bare_sum 1\nt_bare_bucket{le=\"+Inf\"} 1\nt_bare_count 1\nt_bare_created 1\n# EOF\n",
     1},
    {"nothing", "# EOF\n", 0},
    {"a summary", "# TYPE t_events summary\nt_events_count 5\nt_events_sum 5\nt_events_created 1\n# EOF\n", 0},
};

static void test_odd_files(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof odd_rows / sizeof odd_rows[0]; i++) {
        struct world next;
        struct oxp_error error = {0};
        size_t restored = 0;
        begin(&next, NEXT_RUN);
        char *before = dump(next.registry);
        put_file(saved_path, odd_rows[i].text, strlen(odd_rows[i].text));
        enum oxp_status status = oxp_saved_read(next.registry, folder, &restored, &error);
        char *after = dump(next.registry);
        bool same = strcmp(before, after) == 0;
        if (status != OXP_OK || restored != odd_rows[i].restored || same != (restored == 0)) {
            fail_msg("%s: %s %s, %zu series", odd_rows[i].name, oxp_status_name(status), error.text, restored);
        }
        free(before);
        free(after);
        oxp_registry_free(next.registry);
    }
}

static void test_no_file(void **state) {
    (void)state;
    struct world next;
    size_t restored = 99;
    struct oxp_error error = {0};
    begin(&next, NEXT_RUN);
    assert_int_equal(oxp_saved_read(next.registry, folder, &restored, &error), OXP_END);
    assert_int_equal(restored, 0);
    assert_int_equal(oxp_saved_read(next.registry, "/tmp/oxp_there_is_no_such_folder", &restored, &error), OXP_END);
    assert_string_equal(error.text, "");
    oxp_registry_free(next.registry);
}

/* What a stop that was cut short leaves behind. */
static void test_a_leftover_new_file_is_harmless(void **state) {
    (void)state;
    struct world first, next;
    size_t restored = 99;
    struct oxp_error error = {0};
    char long_text[5000];
    memset(long_text, 'x', sizeof long_text);
    put_file(fresh_path, long_text, sizeof long_text);
    begin(&next, NEXT_RUN);
    assert_int_equal(oxp_saved_read(next.registry, folder, &restored, &error), OXP_END);
    begin(&first, FIRST_RUN);
    fill(&first);
    save(first.registry);
    assert_false(exists(fresh_path));
    assert_restores(next.registry, WORLD_RESTORED);
    oxp_registry_free(next.registry);
    oxp_registry_free(first.registry);
}

int main(void) {
#define TEST(name) cmocka_unit_test_teardown(name, clean)
    const struct CMUnitTest tests[] = {
        TEST(test_everything_comes_back),
        TEST(test_gauges_and_the_process_start_anew),
        TEST(test_a_hidden_series_starts_anew),
        TEST(test_a_histogram_without_sum_starts_anew),
        TEST(test_changed_between_runs),
        TEST(test_no_series_for_another_type),
        TEST(test_odd_files),
        TEST(test_no_file),
        TEST(test_a_leftover_new_file_is_harmless),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
