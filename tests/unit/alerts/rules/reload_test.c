/* Reloads, and evaluation while allocations fail. */
#include "tests/support/alloc_fail.h"
#include "tests/unit/alerts/rules/world.h"
#include "tests/unit/alerts/tsdb/memory_text.h"

#include <stdio.h>

#define GROUP(rules) "groups: [{name: g, rules: [" rules "]}]"
#define DOWN GROUP("{alert: Down, expr: up == 0, for: 1m}")
#define A "{alertname=\"Down\", job=\"a\"}"

enum { INTERVAL_MS = 15000 };

/* ---- Reloads ---- */

static void test_reload_keeps_alerts(void **state) {
    (void)state;
    static const struct {
        const char *name, *yaml;
        const char *told; /* by the load and the three evaluations after it */
    } rows[] = {
        {"unchanged", DOWN, "60 FIRED " A " 0\n"},
        {"another rule before it", GROUP("{alert: X, expr: up > 5}, {alert: Down, expr: up == 0, for: 1m}"),
         "60 FIRED " A " 0\n"},
        {"another expression", GROUP("{alert: Down, expr: up < 1, for: 1m}"), "60 FIRED " A " 0\n"},
        {"another for", GROUP("{alert: Down, expr: up == 0, for: 75s}"), "75 FIRED " A " 0\n"},
        {"annotations", GROUP("{alert: Down, expr: up == 0, for: 1m, annotations: {x: y}}"),
         "60 FIRED " A " 0 {x=\"y\"}\n"},
        {"another expression that does not hold", GROUP("{alert: Down, expr: up < 0, for: 1m}"),
         "45 DROPPED " A " 0\n"},
        {"other labels", GROUP("{alert: Down, expr: up == 0, for: 1m, labels: {x: y}}"),
         "30 DROPPED " A " 0\n45 BEGAN {alertname=\"Down\", job=\"a\", x=\"y\"} 0\n"},
        {"another name", GROUP("{alert: Gone, expr: up == 0, for: 1m}"),
         "30 DROPPED " A " 0\n45 BEGAN {alertname=\"Gone\", job=\"a\"} 0\n"},
        {"another group", "groups: [{name: h, rules: [{alert: Down, expr: up == 0, for: 1m}]}]", NULL},
        {"nothing", "groups: []", "30 DROPPED " A " 0\n"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct world world;
        world_open(&world, DOWN);
        world_set(&world, "up,job=a", 0);
        world_step(&world, 3);
        assert_told(&world, "0 BEGAN " A " 0\n");
        assert_int_equal(world_load(&world, rows[i].yaml), OXP_OK);
        for (int k = 0; k < 3; k++) {
            if (oxp_rules_next(world.rules) != INT64_MAX) {
                world_step(&world, 1);
            }
        }
        if (rows[i].told == NULL) {
            assert_non_null(strstr(oxp_buf_text(&world.told), "DROPPED"));
        } else if (strcmp(oxp_buf_text(&world.told), rows[i].told) != 0) {
            fail_msg("%s: told\n%sexpected\n%s", rows[i].name, oxp_buf_text(&world.told), rows[i].told);
        }
        world_close(&world);
    }
}

/* Of rules with the same name and labels the first goes with the first. */
static void test_reload_of_twins(void **state) {
    (void)state;
    struct world world;
    const char *yaml = GROUP("{alert: X, expr: a > 0}, {alert: X, expr: b > 0}");
    world_open(&world, yaml);
    world_set(&world, "a", 1);
    world_step(&world, 1);
    assert_int_equal(world_load(&world, yaml), OXP_OK);
    world_step(&world, 1);
    world_set(&world, "b", 1);
    world_set(&world, "a", 0);
    world_step(&world, 1);
    assert_told(&world, "0 FIRED {alertname=\"X\"} 1\n30 RESOLVED {alertname=\"X\"} 1\n30 FIRED {alertname=\"X\"} 1\n");
    world_close(&world);
}

/* A series that nobody goes on with ends after two intervals; one whose rule moved goes on. */
static void test_reload_ends_series(void **state) {
    (void)state;
    struct world world;
    world_open(&world, "groups: [{name: g, rules: [{record: gone, expr: vector(1)}, {record: moved, expr: vector(2)},"
                       "{record: kept, expr: vector(3)}, {alert: Firing, expr: vector(4)}]}]");
    world_step(&world, 2);
    assert_told(&world, "0 FIRED {alertname=\"Firing\"} 4\n");
    assert_int_equal(world_load(&world, "groups: [{name: g, rules: [{record: kept, expr: vector(3)},"
                                        "{record: moved, expr: vector(2), labels: {}}]}]"),
                     OXP_OK);
    assert_told(&world, "15 RESOLVED {alertname=\"Firing\"} 4\n");
    world_step(&world, 3);
    assert_series(&world, "gone", "gone 1@0 1@15 stale@45\n");
    assert_series(&world, "moved", "moved 2@0 2@15 2@30 2@45 2@60\n");
    assert_series(&world, "kept", "kept 3@0 3@15 3@30 3@45 3@60\n");
    assert_series(&world, "ALERTS",
                  "ALERTS{alertname=\"Firing\", alertstate=\"firing\"} 1@0 1@15 stale@45\n"
                  "ALERTS_FOR_STATE{alertname=\"Firing\"} 0@0 0@15 stale@45\n");
    world_close(&world);
}

/* Another rule goes on with the series in another group; runs are a little late. */
static void test_reload_moves_a_series(void **state) {
    (void)state;
    struct world world;
    world_open(&world, GROUP("{record: r, expr: vector(1)}"));
    world_step(&world, 2);
    assert_int_equal(world_load(&world, "groups: [{name: other, rules: [{record: r, expr: vector(1)}]}]"), OXP_OK);
    for (int i = 0; i < 5; i++) {
        world_pass(&world, (double)(oxp_rules_next(world.rules) - world_now(&world)) / 1000 + 3);
        world_tick(&world);
    }
    struct oxp_tsdb_stats stats;
    oxp_tsdb_stats(world.tsdb, &stats);
    assert_int_equal(stats.series, 1);
    assert_int_equal(stats.samples, 7); /* no stale marker */
    world_close(&world);
}

/* A slot that is due is not lost by a reload before it ran. */
static void test_reload_keeps_the_slot(void **state) {
    (void)state;
    struct world world;
    world_open(&world, GROUP("{record: r, expr: vector(1)}"));
    world_step(&world, 2);
    world_pass(&world, 16);
    assert_int_equal(world_load(&world, GROUP("{record: r, expr: vector(1)}")), OXP_OK);
    world_tick(&world);
    assert_series(&world, "r", "r 1@0 1@15 1@30\n");
    world_close(&world);
}

static void test_reload_changes_the_interval(void **state) {
    (void)state;
    struct world world;
    world_open(&world, DOWN);
    world_set(&world, "up,job=a", 0);
    world_step(&world, 2);
    world.options.interval_ms = 60000;
    assert_int_equal(oxp_rules_configure(world.rules, &world.options), OXP_OK);
    assert_int_equal(world_load(&world, DOWN), OXP_OK);
    int64_t first = oxp_rules_next(world.rules);
    assert_in_range(first - world_now(&world), 1, 60000);
    world_step(&world, 2);
    assert_int_equal(world_now(&world) - first, 60000);
    world_close(&world);
}

/* ---- No memory ---- */

static void run_without_memory(void *ctx) {
    const char *yaml =
        GROUP("{record: r, expr: sum by (job) (up), labels: {x: y}}, {alert: Down, expr: up == 0, for: 15s, "
              "labels: {l: '{{ $labels.job }}'}, annotations: {a: '{{ $value }}', b: plain}}");
    struct oxp_rule_file *files[2] = {0};
    struct world *world = ctx;
    struct oxp_rules *rules = NULL;
    struct oxp_arena arena;
    const struct oxp_group_view *groups;
    size_t count;
    oxp_arena_init(&arena, 0);
    for (size_t i = 0; i < 2; i++) {
        if (oxp_rule_file_read(oxp_view_from(yaml), OXP_VIEW("rules.yml"), NULL, NULL, &files[i], NULL) != OXP_OK) {
            files[i] = NULL;
        }
    }
    if (files[0] != NULL && files[1] != NULL && oxp_rules_new(&world->options, &rules) == OXP_OK) {
        int64_t now = world_now(world);
        if (oxp_rules_load(rules, &files[0], 1, now) == OXP_OK) {
            files[0] = NULL;
        }
        for (int i = 0; i < 3; i++) {
            oxp_rules_run_at(rules, now + (int64_t)i * INTERVAL_MS);
        }
        if (oxp_rules_load(rules, &files[1], 1, now + 1) == OXP_OK) {
            files[1] = NULL;
        }
        oxp_rules_configure(rules, &world->options);
        oxp_rules_run_at(rules, now + (int64_t)3 * INTERVAL_MS);
        (void)oxp_rules_view(rules, &arena, &groups, &count);
    }
    oxp_rules_free(rules);
    oxp_rule_file_free(files[0]);
    oxp_rule_file_free(files[1]);
    oxp_arena_fini(&arena);
}

static void test_no_memory(void **state) {
    (void)state;
    struct world world;
    world_open(&world, "groups: []");
    for (int i = 0; i < 5; i++) { /* samples for all that is asked */
        append_to(world.tsdb, "up,job=a", world_now(&world) + (int64_t)(i - 1) * INTERVAL_MS, 0);
        append_to(world.tsdb, "up,job=b", world_now(&world) + (int64_t)(i - 1) * INTERVAL_MS, 0);
    }
    world.options.on_alert = NULL;
    world.options.on_note = NULL;
    assert_in_range(alloc_fail_each(run_without_memory, &world), 100, 100000);
    world_close(&world);
}

/* An evaluation without memory is a rule that failed: its alerts are as they were, and the next one goes on. */
static void test_evaluation_without_memory(void **state) {
    (void)state;
    bool hit = true;
    for (size_t n = 1; hit; n++) {
        struct world world;
        world_open(&world, GROUP("{record: r, expr: 'up + 1'}, {alert: Down, expr: up == 0, for: 30s, labels: "
                                 "{l: '{{ $value }}'}, annotations: {a: '{{ $labels.job }}{{ now }}'}}"));
        world_set(&world, "up,job=a", 0);
        world_step(&world, 1);
        world_set(&world, "up,job=b", 0);
        world_pass(&world, INTERVAL_MS / 1000);
        append_to(world.tsdb, "up,job=a", world_now(&world), 0);
        append_to(world.tsdb, "up,job=b", world_now(&world), 0);
        alloc_fail_at(n);
        oxp_rules_run(world.rules, world_now(&world), false);
        hit = alloc_fail_hit();
        alloc_fail_at(0);
        world_step(&world, 3);
        assert_health(&world, 0, 0, "ok");
        assert_health(&world, 0, 1, "ok");
        const char *told = oxp_buf_text(&world.told);
        const char *first = strstr(told, "30 FIRED {alertname=\"Down\", job=\"a\", l=\"0\"} 0");
        const char *second = strstr(told, "FIRED {alertname=\"Down\", job=\"b\", l=\"0\"} 0");
        if (first == NULL || second == NULL || strstr(told, "RESOLVED") != NULL || strstr(told, "DROPPED") != NULL) {
            fail_msg("allocation %zu: told\n%s", n, told);
        }
        world_close(&world);
    }
}

/* A load without memory changes nothing. */
static void test_load_without_memory(void **state) {
    (void)state;
    struct world world;
    world_open(&world, DOWN);
    world_set(&world, "up,job=a", 0);
    world_step(&world, 2);
    size_t failures = 0;
    for (enum oxp_status status = OXP_ERR_NOMEM; status != OXP_OK;) {
        struct oxp_rule_file *file = world_file(DOWN, "rules.yml");
        alloc_fail_at(failures + 1);
        status = oxp_rules_load(world.rules, &file, 1, world_now(&world));
        alloc_fail_at(0);
        if (status != OXP_OK) {
            oxp_rule_file_free(file);
            failures++;
        }
    }
    assert_in_range(failures, 3, 100);
    world_step(&world, 3);
    assert_told(&world, "0 BEGAN " A " 0\n60 FIRED " A " 0\n");
    world_close(&world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reload_keeps_alerts),
        cmocka_unit_test(test_reload_of_twins),
        cmocka_unit_test(test_reload_ends_series),
        cmocka_unit_test(test_reload_moves_a_series),
        cmocka_unit_test(test_reload_keeps_the_slot),
        cmocka_unit_test(test_reload_changes_the_interval),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_evaluation_without_memory),
        cmocka_unit_test(test_load_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
