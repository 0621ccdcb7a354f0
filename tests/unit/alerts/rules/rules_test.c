/* The evaluation of rules, with a clock moved by hand: schedule and recording rules. */
#include "tests/unit/alerts/rules/world.h"
#include "tests/unit/alerts/tsdb/memory_text.h"

#include <stdio.h>

#define GROUP(rules) "groups: [{name: g, rules: [" rules "]}]"

enum { INTERVAL_MS = 15000 };

/* ---- The schedule ---- */

static void test_slots(void **state) {
    (void)state;
    struct world world;
    world_open(&world, "groups:\n"
                       "- {name: a, interval: 1m, rules: [{record: a, expr: time()}]}\n"
                       "- {name: b, interval: 1m, rules: [{record: b, expr: time()}]}\n"
                       "- {name: c, rules: [{record: c, expr: time()}]}\n");
    for (int i = 0; i < 20; i++) {
        world_step(&world, 1);
    }
    struct oxp_arena arena;
    const struct oxp_group_view *groups;
    size_t count;
    oxp_arena_init(&arena, 0);
    assert_int_equal(oxp_rules_view(world.rules, &arena, &groups, &count), OXP_OK);
    assert_int_equal(count, 3);
    assert_int_equal(groups[0].interval_ms, 60000);
    assert_int_equal(groups[2].interval_ms, INTERVAL_MS);
    assert_int_not_equal(groups[0].last_ms % 60000, groups[1].last_ms % 60000); /* each its phase */
    struct oxp_rules_stats stats;
    oxp_rules_stats(world.rules, &stats);
    assert_int_equal(stats.evaluations, 20);
    assert_int_equal(stats.groups, 3);
    assert_int_equal(stats.rules, 3);
    assert_int_equal(stats.missed, 0);
    oxp_arena_fini(&arena);
    world_close(&world);
}

/* What was missed is counted and not made up for; a late run has its slot's time. */
static void test_missed(void **state) {
    (void)state;
    struct world world;
    struct oxp_rules_stats stats;
    world_open(&world, GROUP("{record: r, expr: vector(1)}"));
    world_step(&world, 2);
    world_pass(&world, 52); /* three slots behind, and seven seconds late */
    world_tick(&world);
    world_tick(&world);
    world_step(&world, 1);
    oxp_rules_stats(world.rules, &stats);
    assert_int_equal(stats.missed, 2);
    assert_int_equal(stats.evaluations, 4);
    assert_series(&world, "r", "r 1@0 1@15 1@60 1@75\n");
    world_close(&world);
}

/* Labels and annotations of a rule are shown as written, empty ones, too. */
static void test_shown_as_written(void **state) {
    (void)state;
    struct world world;
    struct oxp_arena arena;
    struct oxp_buf text;
    const struct oxp_group_view *groups;
    size_t count;
    world_open(&world, GROUP("{alert: A, expr: up, labels: {job: '', x: '{{ $value }}'}, annotations: {none: ''}}"));
    world_set(&world, "up,job=a", 1);
    world_step(&world, 1);
    oxp_arena_init(&arena, 0);
    oxp_buf_init(&text, 0);
    assert_int_equal(oxp_rules_view(world.rules, &arena, &groups, &count), OXP_OK);
    oxp_labels_format(&text, groups[0].rules[0].labels, false);
    oxp_labels_format(&text, groups[0].rules[0].annotations, false);
    oxp_labels_format(&text, groups[0].rules[0].alerts[0].labels, false); /* where an empty one takes a label away */
    assert_string_equal(oxp_buf_text(&text), "{job=\"\", x=\"{{ $value }}\"}{none=\"\"}{alertname=\"A\", x=\"1\"}");
    oxp_buf_fini(&text);
    oxp_arena_fini(&arena);
    world_close(&world);
}

static void test_nothing_to_do(void **state) {
    (void)state;
    struct world world;
    world_open(&world, "groups: []");
    assert_true(oxp_rules_next(world.rules) == INT64_MAX);
    oxp_rules_run(world.rules, world_now(&world), false);
    oxp_rules_run_at(world.rules, 0);
    world_close(&world);
}

/* ---- Recording rules ---- */

/* A rule sees what the one before it wrote at the same time. */
static void test_chain(void **state) {
    (void)state;
    struct world world;
    world_open(&world, GROUP("{record: 'job:up:sum', expr: sum by (job) (up), labels: {kind: sum, job: ''}},"
                             "{record: double, expr: '2 * job:up:sum'}, {alert: Big, expr: double > 5}"));
    world_set(&world, "up,job=a,i=1", 1);
    world_set(&world, "up,job=a,i=2", 2);
    world_step(&world, 1);
    assert_series(&world, "job:", "job:up:sum{kind=\"sum\"} 3@0\n");
    assert_series(&world, "double", "double{kind=\"sum\"} 6@0\n");
    assert_told(&world, "0 FIRED {alertname=\"Big\", kind=\"sum\"} 6\n");
    world_set(&world, "up,job=a,i=2", 1);
    world_step(&world, 1);
    assert_series(&world, "double", "double{kind=\"sum\"} 6@0 4@15\n");
    assert_told(&world, "15 RESOLVED {alertname=\"Big\", kind=\"sum\"} 6\n");
    world_close(&world);
}

static void test_vanished(void **state) {
    (void)state;
    struct world world;
    world_open(&world, GROUP("{record: r, expr: up > 0}, {record: scalar, expr: '1 + 1'}"));
    world_set(&world, "up,job=a", 1);
    world_set(&world, "up,job=b", 2);
    world_step(&world, 2);
    world_set(&world, "up,job=a", 0);
    world_step(&world, 2);
    world_set(&world, "up,job=a", 3);
    world_step(&world, 1);
    assert_series(&world, "r",
                  "r{job=\"a\"} 1@0 1@15 stale@30 3@60\n"
                  "r{job=\"b\"} 2@0 2@15 2@30 2@45 2@60\n");
    assert_series(&world, "scalar", "scalar 2@0 2@15 2@30 2@45 2@60\n");
    world_close(&world);
}

/* Another metric takes the place of the one before under the same labels: no stale marker. */
static void test_taken_over(void **state) {
    (void)state;
    struct world world;
    world_open(&world, GROUP("{record: r, expr: '{job=\"a\", __name__=~\"x|y\"}'}"));
    world_set(&world, "x,job=a", 1);
    world_step(&world, 1);
    world_set(&world, "y,job=a", 2);
    world_unset(&world, "x,job=a");
    world_step(&world, 1);
    assert_series(&world, "r", "r{job=\"a\"} 1@0 2@15\n");
    assert_health(&world, 0, 0, "ok");
    world_set(&world, "x,job=a", 1);
    world_step(&world, 1);
    assert_health(&world, 0, 0, "vector contains metrics with the same labelset after applying rule labels");
    assert_notes(&world, "g r: vector contains metrics with the same labelset after applying rule labels\n");
    world_unset(&world, "x,job=a");
    world_step(&world, 1);
    assert_health(&world, 0, 0, "ok");
    assert_notes(&world, "g r: works again\n");
    assert_series(&world, "r", "r{job=\"a\"} 1@0 2@15 2@45\n");
    world_close(&world);
}

static void test_query_offset(void **state) {
    (void)state;
    struct world world;
    world_open(&world, "groups: [{name: g, query_offset: 20s, rules: [{record: r, expr: up}, "
                       "{alert: Down, expr: up == 0, for: 15s}]}]");
    world_set(&world, "up,job=a", 0);
    world_step(&world, 1);
    world_set(&world, "up,job=a", 7);
    world_step(&world, 3);
    assert_series(&world, "r", "r{job=\"a\"} 0@10 7@25\n");
    assert_series(&world, "ALERTS",
                  "ALERTS{alertname=\"Down\", alertstate=\"pending\", job=\"a\"} 1@10 stale@25\n"
                  "ALERTS_FOR_STATE{alertname=\"Down\", job=\"a\"} 30@10 stale@25\n");
    world_close(&world);
}

static void test_failures(void **state) {
    (void)state;
    static const struct {
        const char *name, *rules, *error;
    } rows[] = {
        {"many to many", "{record: r, expr: up * on (x) up}",
         "found duplicate series for the match group {} on the left hand-side of the operation: [up{job=\"b\"}, "
         "up{job=\"a\"}];many-to-many matching not allowed: matching labels must be unique on one side"},
        {"a string", "{record: r, expr: '\"text\"'}", "rule result is not a vector or scalar"},
        {"a matrix", "{record: r, expr: 'up[5m]'}", "rule result is not a vector or scalar"},
        {"the same labels of records", "{record: r, expr: up, labels: {job: x}}",
         "vector contains metrics with the same labelset after applying rule labels"},
        {"the same labels of alerts", "{alert: r, expr: up, labels: {job: '{{ \"x\" }}'}}",
         "vector contains metrics with the same labelset after applying alert labels"},
        {"no fault", "{record: r, expr: up}", "ok"},
        {"no fault of an alert", "{alert: r, expr: up}", "ok"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct world world;
        char yaml[300];
        snprintf(yaml, sizeof yaml, GROUP("%s, {record: other, expr: vector(1)}"), rows[i].rules);
        world_open(&world, yaml);
        world_set(&world, "up,job=a", 1);
        world_set(&world, "up,job=b", 1);
        assert_health(&world, 0, 0, "unknown");
        world_step(&world, 2);
        if (i != 0) { /* whose words are the engine's */
            assert_health(&world, 0, 0, rows[i].error);
        }
        assert_health(&world, 0, 1, "ok"); /* it spoils only itself */
        struct oxp_rules_stats stats;
        oxp_rules_stats(world.rules, &stats);
        assert_int_equal(stats.failures, strcmp(rows[i].error, "ok") == 0 ? 0 : 2);
        world_close(&world);
    }
}

/* Two rules that write the same series: the second one's sample is refused, with Prometheus' words. */
static void test_same_series(void **state) {
    (void)state;
    struct world world;
    world_open(&world,
               GROUP("{record: r, expr: vector(1)}, {record: r, expr: vector(2)}, {record: r, expr: vector(1)}"));
    world_step(&world, 2);
    assert_health(&world, 0, 0, "ok");
    assert_health(&world, 0, 1, "duplicate sample for timestamp");
    assert_health(&world, 0, 2, "ok");
    assert_series(&world, "r", "r 1@0 1@15\n");
    world_close(&world);
}

static void test_limit_of_series(void **state) {
    (void)state;
    struct world world;
    world_open(&world, "groups: [{name: g, limit: 1, rules: [{record: r, expr: up > 0}]}]");
    world_set(&world, "up,job=a", 1);
    world_set(&world, "up,job=b", 0);
    world_step(&world, 1);
    world_set(&world, "up,job=b", 1);
    world_step(&world, 1);
    assert_health(&world, 0, 0, "exceeded limit of 1 with 2 series");
    world_set(&world, "up,job=a", 0);
    world_step(&world, 1);
    assert_series(&world, "r", "r{job=\"a\"} 1@0 stale@30\nr{job=\"b\"} 1@30\n");
    world_close(&world);
}

/* Labels of recording rules are no templates. */
static void test_labels_are_text(void **state) {
    (void)state;
    struct world world;
    world_open(&world, GROUP("{record: r, expr: vector(1), labels: {x: '{{ $value }}'}}"));
    world_step(&world, 1);
    assert_series(&world, "r", "r{x=\"{{ $value }}\"} 1@0\n");
    world_close(&world);
}

/* ---- Rule unit tests' way ---- */

static void test_run_at(void **state) {
    (void)state;
    struct world world;
    world_open(&world, "groups: [{name: a, interval: 5m, rules: [{record: r, expr: up * 2}]},"
                       "{name: b, rules: [{alert: Two, expr: r == 2, for: 10m}]}]");
    for (int64_t ms = 0; ms <= 1200000; ms += 60000) { /* from the epoch on; gaps are no business here */
        append_to(world.tsdb, "up,job=a", ms, 1);
    }
    world.clock.wall_now.ns = 0;
    for (int64_t ms = 0; ms <= 1200000; ms += 300000) {
        oxp_rules_run_at(world.rules, ms);
    }
    struct oxp_rules_stats stats;
    oxp_rules_stats(world.rules, &stats);
    assert_int_equal(stats.firing, 1);
    assert_int_equal(stats.missed, 0);
    assert_notes(&world, "");
    world_close(&world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_slots),
        cmocka_unit_test(test_missed),
        cmocka_unit_test(test_shown_as_written),
        cmocka_unit_test(test_nothing_to_do),
        cmocka_unit_test(test_chain),
        cmocka_unit_test(test_vanished),
        cmocka_unit_test(test_taken_over),
        cmocka_unit_test(test_query_offset),
        cmocka_unit_test(test_failures),
        cmocka_unit_test(test_same_series),
        cmocka_unit_test(test_limit_of_series),
        cmocka_unit_test(test_labels_are_text),
        cmocka_unit_test(test_run_at),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
