/* The writer: golden files of a registry with everything in it, the same bytes through buffers of any size, and what it
 * writes read back by the strict reader. `OXP_UPDATE_GOLDEN=1 ctest -R exposition_write` writes the golden files anew;
 * tests/conformance/exposition/peers.py shows them to other people's parsers. */
#include <oxpecker/exposition.h>

#include "lib/base/buf.h"
#include "lib/exposition/bound.h"
#include "tests/support/alloc_fail.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define NOW 1763785560.5

static const char *const outcomes[] = {"ok", "failed", NULL};
static const double session_bounds[] = {0.1, 5, 120, 21600, 1e6, 2.5e-9 + 1e7};
static const double drift_bounds[] = {-1, 0, 1.5};

enum { STARTED, BILLED, RETRIES, ACTIVE, RATIO, AGE, LIMIT, EMPTY, DURATION, DRIFT, BELOW, FAMILIES };

static const struct oxp_family_spec specs[FAMILIES] = {
    [STARTED] = {.name = "orchestrator_sessions_started_total",
                 .help = "Sessions the provider granted.",
                 .type = OXP_COUNTER,
                 .labels = {{.key = "region"}, {.key = "outcome", .values = outcomes}}},
    [BILLED] = {.name = "orchestrator_session_billed_seconds_total",
                .help = "Billable time: \"max(60 s, duration)\",\nsummed; a back\\slash.",
                .unit = "seconds",
                .type = OXP_COUNTER_FLOAT},
    [RETRIES] = {.name = "orchestrator_retries_total",
                 .help = "",
                 .type = OXP_COUNTER,
                 .labels = {{.key = "upstream"}}},
    [ACTIVE] = {.name = "orchestrator_sessions_active",
                .help = "Open now.",
                .type = OXP_GAUGE,
                .labels = {{.key = "name"}}},
    [RATIO] = {.name = "orchestrator_load_ratio", .help = "Load.", .unit = "ratio", .type = OXP_GAUGE},
    [AGE] = {.name = "orchestrator_oldest_age_seconds",
             .help = "Age of the oldest open session.",
             .unit = "seconds",
             .type = OXP_GAUGE_AGE},
    [LIMIT] = {.name = "orchestrator_sessions_limit",
               .help = "Absent while unknown.",
               .type = OXP_GAUGE,
               .flags = OXP_FAMILY_ABSENT},
    [EMPTY] = {.name = "orchestrator_never_seen_total",
               .help = "Has no series.",
               .type = OXP_COUNTER,
               .flags = OXP_FAMILY_LAZY,
               .labels = {{.key = "code"}}},
    [DURATION] = {.name = "orchestrator_session_duration_seconds",
                  .help = "Start to end.",
                  .unit = "seconds",
                  .type = OXP_HISTOGRAM,
                  .labels = {{.key = "status"}},
                  .bounds = session_bounds,
                  .bound_count = sizeof session_bounds / sizeof *session_bounds},
    [DRIFT] = {.name = "orchestrator_clock_drift",
               .help = "Has bounds below zero: no sum in OpenMetrics.",
               .unit = "rift", /* ends the name, but not behind an underscore: no UNIT line */
               .type = OXP_HISTOGRAM,
               .bounds = drift_bounds,
               .bound_count = sizeof drift_bounds / sizeof *drift_bounds},
    [BELOW] = {.name = "orchestrator_surprises", .help = "Only +Inf, and a sum below zero.", .type = OXP_HISTOGRAM},
};

static double fixed_now(void *ctx) {
    (void)ctx;
    return 1763785000.25;
}

static void fill_counters(struct oxp_family *const *families) {
    struct oxp_series *us = oxp_family_at2(families[STARTED], OXP_VIEW("us-east-1"), OXP_VIEW("ok"));
    oxp_counter_add(oxp_counter(us), 17);
    oxp_counter_add(
        oxp_counter(oxp_family_at2(families[STARTED], OXP_VIEW("a\"b\\c\nd \xe2\x82\xac"), OXP_VIEW("failed"))),
        UINT64_MAX);
    const struct oxp_view trace[] = {OXP_VIEW("trace_id"), OXP_VIEW("4bf92f3577b34da6a3ce929d0e0e4736"),
                                     OXP_VIEW("note"), OXP_VIEW("\"quoted\"\n")};
    oxp_series_exemplar(us, 1, 1763785559.125, trace, 4);
    oxp_series_count(oxp_family_only(families[BILLED]), 61.5);
    oxp_counter_add(oxp_counter(oxp_family_at(families[RETRIES], OXP_VIEW("hidden"))), 1);
    oxp_family_hide_where(families[RETRIES], "upstream", OXP_VIEW("hidden"));
}

static void fill_gauges(struct oxp_family *const *families) {
    static const struct {
        const char *name;
        double value;
    } gauges[] = {{"zero", 0},         {"minus_zero", -0.0}, {"third", 1.0 / 3}, {"nan", NAN},    {"inf", INFINITY},
                  {"minf", -INFINITY}, {"large", 1e21},      {"small", 1e-7},    {"whole", 1e15}, {"minus", -2.5}};
    for (size_t i = 0; i < sizeof gauges / sizeof *gauges; i++) {
        oxp_gauge_set(oxp_family_at(families[ACTIVE], oxp_view_from(gauges[i].name)), gauges[i].value);
    }
    struct oxp_series *hidden = oxp_family_at(families[ACTIVE], OXP_VIEW("hidden"));
    oxp_gauge_set(hidden, 1);
    oxp_series_hide(hidden);
    oxp_gauge_set(oxp_family_only(families[RATIO]), 0.75);
    oxp_gauge_set(oxp_family_only(families[AGE]), NOW - 90);
}

static void fill_histograms(struct oxp_family *const *families) {
    struct oxp_series *completed = oxp_family_at(families[DURATION], OXP_VIEW("completed"));
    static const double durations[] = {0.1, 0.05, 60, 61, 119.5, 30000, 2e7};
    for (size_t i = 0; i < sizeof durations / sizeof *durations; i++) {
        oxp_histogram_observe(completed, durations[i]);
    }
    const struct oxp_view session[] = {OXP_VIEW("session_id"), OXP_VIEW("s-1")};
    oxp_series_exemplar(completed, 60, 1763785558, session, 2);
    oxp_series_exemplar(completed, 2e7, 1763785557, session, 0);
    oxp_family_at(families[DURATION], OXP_VIEW("error"));
    oxp_histogram_observe(oxp_family_only(families[DRIFT]), -3);
    oxp_histogram_observe(oxp_family_only(families[DRIFT]), 1.5);
    oxp_histogram_observe(oxp_family_only(families[BELOW]), -7);
}

static struct oxp_registry *make_registry(void) {
    struct oxp_registry *registry = NULL;
    struct oxp_family *families[FAMILIES];
    assert_int_equal(oxp_registry_new(&(struct oxp_registry_options){.now_s = fixed_now}, &registry), OXP_OK);
    for (size_t i = 0; i < FAMILIES; i++) {
        assert_int_equal(oxp_registry_add(registry, &specs[i], &families[i]), OXP_OK);
    }
    fill_counters(families);
    fill_gauges(families);
    fill_histograms(families);
    return registry;
}

/* The whole exposition, read `step` bytes at a time, or in steps of changing size when it is 0. */
static void render(const struct oxp_registry *registry, enum oxp_format format, bool created, size_t step,
                   struct oxp_buf *out) {
    struct oxp_writer *writer = NULL;
    struct oxp_writer_options options = {.format = format, .created = created, .now_s = NOW};
    assert_int_equal(oxp_writer_new(registry, &options, &writer), OXP_OK);
    oxp_buf_init(out, 0);
    for (size_t turn = 0;; turn++) {
        size_t size = step != 0 ? step : 1 + turn * 7 % 131;
        char *chunk = malloc(size); /* exactly: the sanitizer sees a byte too many */
        assert_non_null(chunk);
        size_t got = oxp_writer_read(writer, chunk, size);
        assert_true(got <= size);
        oxp_buf_append(out, chunk, got);
        free(chunk);
        if (got == 0) {
            break;
        }
    }
    char more[8];
    assert_int_equal(oxp_writer_read(writer, more, sizeof more), 0); /* the end stays the end */
    oxp_writer_free(writer);
    assert_int_equal(oxp_buf_status(out), OXP_OK);
}

static const struct {
    const char *path;
    enum oxp_format format;
    bool created;
} goldens[] = {
    {"tests/golden/exposition/all.txt", OXP_FORMAT_TEXT, false},
    {"tests/golden/exposition/all.openmetrics", OXP_FORMAT_OPENMETRICS, false},
    {"tests/golden/exposition/all_created.openmetrics", OXP_FORMAT_OPENMETRICS, true},
};
enum { GOLDENS = sizeof goldens / sizeof *goldens };

static void compare_with_file(const char *path, struct oxp_buf *got) {
    static char expected[65536];
    if (getenv("OXP_UPDATE_GOLDEN") != NULL) {
        FILE *file = fopen(path, "wb");
        assert_non_null(file);
        assert_int_equal(fwrite(got->data, 1, got->len, file), got->len);
        fclose(file);
    }
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        fail_msg("%s cannot be opened", path);
    }
    size_t len = fread(expected, 1, sizeof expected - 1, file);
    fclose(file);
    expected[len] = '\0';
    assert_string_equal(oxp_buf_text(got), expected);
}

static void writes_the_golden_files(void **state) {
    struct oxp_registry *registry = *state;
    for (size_t i = 0; i < GOLDENS; i++) {
        struct oxp_buf got;
        render(registry, goldens[i].format, goldens[i].created, 4096, &got);
        compare_with_file(goldens[i].path, &got);
        oxp_buf_fini(&got);
    }
}

static void writes_the_same_through_any_buffer(void **state) {
    struct oxp_registry *registry = *state;
    static const size_t sizes[] = {1, 2, 7, 64, 4096, 0};
    for (size_t i = 0; i < GOLDENS; i++) {
        struct oxp_buf whole;
        render(registry, goldens[i].format, goldens[i].created, 1 << 20, &whole);
        for (size_t j = 0; j < sizeof sizes / sizeof *sizes; j++) {
            struct oxp_buf got;
            render(registry, goldens[i].format, goldens[i].created, sizes[j], &got);
            assert_int_equal(got.len, whole.len);
            assert_memory_equal(got.data, whole.data, whole.len);
            oxp_buf_fini(&got);
        }
        oxp_buf_fini(&whole);
    }
}

/* ---- What is written can be read, and says what the registry says ---- */

struct tally {
    size_t samples, exemplars, hidden;
    double seen_sum, started, duration_count, third;
    bool exact;
};

static bool has_value(const struct oxp_read_sample *sample, const char *value) {
    for (size_t i = 0; i < sample->label_count; i++) {
        if (oxp_view_is(sample->labels[i].value, value)) {
            return true;
        }
    }
    return false;
}

static enum oxp_status count_sample(void *ctx, const struct oxp_read_sample *sample) {
    struct tally *tally = ctx;
    tally->samples++;
    tally->exemplars += sample->has_exemplar;
    tally->hidden += has_value(sample, "hidden");
    if (oxp_view_is(sample->name, "orchestrator_sessions_started_total") && has_value(sample, "us-east-1")) {
        tally->started += sample->value;
    }
    if (oxp_view_is(sample->name, "orchestrator_session_duration_seconds_count")) {
        tally->duration_count += sample->value;
    }
    if (has_value(sample, "third")) {
        tally->third = sample->value;
    }
    if (has_value(sample, "a\"b\\c\nd \xe2\x82\xac")) {
        tally->exact = true;
    }
    return OXP_OK;
}

static void reads_back_what_it_wrote(void **state) {
    struct oxp_registry *registry = *state;
    static const size_t samples[GOLDENS] = {44, 40, 49}, exemplars[GOLDENS] = {0, 3, 3};
    for (size_t i = 0; i < GOLDENS; i++) {
        struct oxp_buf got;
        render(registry, goldens[i].format, goldens[i].created, 4096, &got);
        struct tally tally = {0};
        struct oxp_reader_sink sink = {count_sample, &tally};
        struct oxp_error error = {0};
        if (oxp_exposition_read(oxp_buf_view(&got), goldens[i].format, &sink, &error) != OXP_OK) {
            fail_msg("%s: %u:%u: %s", goldens[i].path, error.line, error.column, error.text);
        }
        assert_int_equal(tally.samples, samples[i]);
        assert_int_equal(tally.exemplars, exemplars[i]);
        assert_int_equal(tally.hidden, 0);
        assert_true(tally.started == 17);
        assert_true(tally.duration_count == 7);
        assert_true(tally.third == 1.0 / 3);
        assert_true(tally.exact);
        oxp_buf_fini(&got);
    }
}

static void writes_an_empty_registry(void **state) {
    (void)state;
    struct oxp_registry *registry = NULL;
    assert_int_equal(oxp_registry_new(&(struct oxp_registry_options){0}, &registry), OXP_OK);
    struct oxp_buf got;
    render(registry, OXP_FORMAT_TEXT, false, 64, &got);
    assert_string_equal(oxp_buf_text(&got), "");
    oxp_buf_fini(&got);
    render(registry, OXP_FORMAT_OPENMETRICS, true, 64, &got);
    assert_string_equal(oxp_buf_text(&got), "# EOF\n");
    oxp_buf_fini(&got);
    oxp_registry_free(registry);
}

/* What is added after the writer was made is not seen: no family, no series, and no bucket more than there is room for.
 */
static void writes_the_snapshot_alone(void **state) {
    (void)state;
    struct oxp_registry *registry = NULL;
    struct oxp_family *family = NULL, *late = NULL;
    struct oxp_writer *writer = NULL;
    assert_int_equal(oxp_registry_new(&(struct oxp_registry_options){.now_s = fixed_now}, &registry), OXP_OK);
    assert_int_equal(oxp_registry_add(registry, &specs[RETRIES], &family), OXP_OK);
    oxp_family_at(family, OXP_VIEW("cdp"));
    struct oxp_writer_options options = {.format = OXP_FORMAT_OPENMETRICS, .now_s = NOW};
    assert_int_equal(oxp_writer_new(registry, &options, &writer), OXP_OK);
    char text[512];
    size_t len = oxp_writer_read(writer, text, 4);
    oxp_family_at(family, OXP_VIEW("llm"));
    assert_int_equal(oxp_registry_add(registry, &specs[DURATION], &late), OXP_OK);
    oxp_histogram_observe(oxp_family_at(late, OXP_VIEW("completed")), 1);
    len += oxp_writer_read(writer, text + len, sizeof text - len);
    oxp_writer_free(writer);
    oxp_registry_free(registry);
    text[len] = '\0';
    assert_string_equal(text, "# TYPE orchestrator_retries counter\n# HELP orchestrator_retries \n"
                              "orchestrator_retries_total{upstream=\"cdp\"} 0\n# EOF\n");
}

/* The examples of "Canonical Numbers", and the places where the layout changes. */
static void writes_canonical_bounds(void **state) {
    (void)state;
    static const struct {
        double bound;
        const char *text;
    } rows[] = {
        {0.0, "0.0"},
        {0.001, "0.001"},
        {0.01, "0.01"},
        {0.1, "0.1"},
        {0.999, "0.999"},
        {1, "1.0"},
        {1.7, "1.7"},
        {10, "10.0"},
        {120, "120.0"},
        {1e-10, "1e-10"},
        {1e-9, "1e-09"},
        {1e-5, "1e-05"},
        {0.0001, "0.0001"},
        {0.00011, "0.00011"},
        {0.000099, "9.9e-05"},
        {100000, "100000.0"},
        {999999, "999999.0"},
        {999999.5, "999999.5"},
        {1e6, "1e+06"},
        {1234567, "1.234567e+06"},
        {1e10, "1e+10"},
        {1e20, "1e+20"},
        {1e21, "1e+21"},
        {1e23, "1e+23"},
        {1.1e23, "1.1e+23"},
        {1e100, "1e+100"},
        {4.9e-324, "5e-324"},
        {-1, "-1.0"},
        {-2.5e7, "-2.5e+07"},
        {-1e-7, "-1e-07"},
        {INFINITY, "+Inf"},
        {-INFINITY, "-Inf"},
        {1.7976931348623157e308, "1.7976931348623157e+308"},
        {-2.2250738585072014e-308, "-2.2250738585072014e-308"},
        {10000000.000000002, "1.0000000000000002e+07"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[OXP_NUMBER_MAX + 1] = {0};
        text[oxp_bound_text(text, rows[i].bound)] = '\0';
        assert_string_equal(text, rows[i].text);
    }
}

static void make_writer_starving(void *ctx) {
    struct oxp_writer *writer = NULL;
    struct oxp_writer_options options = {.format = OXP_FORMAT_OPENMETRICS, .now_s = NOW};
    enum oxp_status status = oxp_writer_new(ctx, &options, &writer);
    assert_true(status == (alloc_fail_hit() ? OXP_ERR_NOMEM : OXP_OK));
    assert_true((writer == NULL) == alloc_fail_hit());
    char chunk[256];
    while (writer != NULL && oxp_writer_read(writer, chunk, sizeof chunk) > 0) {
        assert_false(alloc_fail_hit()); /* writing itself allocates nothing */
    }
    oxp_writer_free(writer);
}

static void survives_each_failing_allocation(void **state) {
    assert_int_equal(alloc_fail_each(make_writer_starving, *state), 3);
}

static int set_up(void **state) {
    *state = make_registry();
    return 0;
}

static int tear_down(void **state) {
    oxp_registry_free(*state);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_the_golden_files),   cmocka_unit_test(writes_the_same_through_any_buffer),
        cmocka_unit_test(reads_back_what_it_wrote),  cmocka_unit_test(writes_an_empty_registry),
        cmocka_unit_test(writes_the_snapshot_alone), cmocka_unit_test(survives_each_failing_allocation),
        cmocka_unit_test(writes_canonical_bounds),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
