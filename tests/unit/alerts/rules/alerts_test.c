/* Alerts, with a clock moved by hand: their lives, labels, annotations and samples, and gaps in time. */
#include "tests/unit/alerts/rules/world.h"
#include "tests/unit/alerts/tsdb/memory_text.h"

#include <stdio.h>
#include <stdlib.h>

#define GROUP(rules) "groups: [{name: g, rules: [" rules "]}]"
#define DOWN GROUP("{alert: Down, expr: up == 0, for: 1m}")
#define A "{alertname=\"Down\", job=\"a\"}"

/* ---- Alerts ---- */

static void test_life(void **state) {
    (void)state;
    struct world world;
    world_open(&world, GROUP("{alert: Down, expr: up == 0, for: 30s, keep_firing_for: 30s, labels: {severity: page}, "
                             "annotations: {summary: 'gone', said: '{{ $labels.job }} is {{ $value }}'}}"));
    world_set(&world, "up,job=a", 0);
    world_step(&world, 3);
    assert_told(&world,
                "0 BEGAN {alertname=\"Down\", job=\"a\", severity=\"page\"} 0 {said=\"a is 0\", summary=\"gone\"}\n"
                "30 FIRED {alertname=\"Down\", job=\"a\", severity=\"page\"} 0 {said=\"a is 0\", summary=\"gone\"}\n");
    assert_alerts(&world, "{alertname=\"Down\", job=\"a\", severity=\"page\"} firing since 0 value 0\n");
    world_set(&world, "up,job=a", 1);
    world_step(&world, 3);
    assert_told(&world, "75 RESOLVED {alertname=\"Down\", job=\"a\", severity=\"page\"} 0 "
                        "{said=\"a is 0\", summary=\"gone\"}\n");
    assert_alerts(&world, "");
    world_step(&world, 61); /* 15 minutes */
    assert_told(&world, "990 FORGET {alertname=\"Down\", job=\"a\", severity=\"page\"} 0 "
                        "{said=\"a is 0\", summary=\"gone\"}\n");
    assert_series(
        &world, "ALERTS",
        "ALERTS{alertname=\"Down\", alertstate=\"firing\", job=\"a\", severity=\"page\"} 1@30 1@45 1@60 stale@75\n"
        "ALERTS{alertname=\"Down\", alertstate=\"pending\", job=\"a\", severity=\"page\"} 1@0 1@15 stale@30\n"
        "ALERTS_FOR_STATE{alertname=\"Down\", job=\"a\", severity=\"page\"} 0@0 0@15 0@30 0@45 0@60 stale@75\n");
    world_close(&world);
}

/* Value and annotations are those of the last evaluation, empty ones are there, too; labels with templates make another
 * alert. */
static void test_refreshed(void **state) {
    (void)state;
    struct world world;
    world_open(&world, GROUP("{alert: High, expr: load > 1, labels: {how: '{{ if gt $value 9.0 }}very{{ else }}a bit"
                             "{{ end }}'}, annotations: {v: '{{ $value }}', n: '', t: '{{ $labels.none }}'}}"));
    world_set(&world, "load", 2);
    world_step(&world, 1);
    world_set(&world, "load", 3);
    world_step(&world, 1);
    assert_alerts(&world, "{alertname=\"High\", how=\"a bit\"} firing since 0 value 3\n");
    world_set(&world, "load", 10);
    world_step(&world, 1);
    assert_told(&world, "0 FIRED {alertname=\"High\", how=\"a bit\"} 2 {n=\"\", t=\"\", v=\"2\"}\n"
                        "30 RESOLVED {alertname=\"High\", how=\"a bit\"} 3 {n=\"\", t=\"\", v=\"3\"}\n"
                        "30 FIRED {alertname=\"High\", how=\"very\"} 10 {n=\"\", t=\"\", v=\"10\"}\n");
    world_close(&world);
}

static void test_external_labels(void **state) {
    (void)state;
    struct world world;
    struct oxp_arena arena;
    oxp_arena_init(&arena, 0);
    world_open(
        &world,
        GROUP("{alert: Down, expr: up == 0, annotations: {where: '{{ $externalLabels.region }} {{ $externalURL }}'}}"));
    world.options.external_labels = labels_of(&arena, "ignored,job=outer,region=eu");
    world.options.external_url = "http://x/";
    assert_int_equal(oxp_rules_configure(world.rules, &world.options), OXP_OK);
    world_set(&world, "up,job=a", 0);
    world_step(&world, 1);
    assert_told(&world, "0 FIRED {__name__=\"ignored\", alertname=\"Down\", job=\"a\", region=\"eu\"} 0 "
                        "{where=\"eu http://x/\"}\n");
    assert_alerts(&world, "{alertname=\"Down\", job=\"a\"} firing since 0 value 0\n");
    oxp_arena_fini(&arena);
    world_close(&world);
}

static void test_queries_of_templates(void **state) {
    (void)state;
    struct world world;
    world_open(&world, GROUP("{alert: Down, expr: up == 0, annotations: "
                             "{n: '{{ with query \"count(up)\" }}{{ . | first | value }}{{ end }}', "
                             "all: '{{ range query \"up\" }}{{ .Labels.job }}{{ .Value }} {{ end }}', "
                             "bad: '{{ query \"up{\" }}'}}"));
    world_set(&world, "up,job=a", 0);
    world_set(&world, "up,job=b", 1);
    world_step(&world, 1);
    assert_health(&world, 0, 0, "ok");
    char *told = oxp_buf_take(&world.told, NULL);
    assert_non_null(strstr(told, "n=\"2\""));
    assert_non_null(strstr(told, "all=\"a0 b1 \""));
    assert_non_null(strstr(told, "bad=\"<error expanding template: "));
    free(told);
    world_close(&world);
}

static void test_told_again(void **state) {
    (void)state;
    struct world world;
    world_open(&world, GROUP("{alert: Down, expr: up == 0, for: 15s}"));
    world.telling_again = true;
    world_set(&world, "up,job=a", 0);
    world_step(&world, 7);
    assert_told(&world, "0 BEGAN " A " 0\n15 FIRED " A " 0\n75 SAME " A " 0\n");
    world_set(&world, "up,job=a", 1);
    world_step(&world, 6);
    assert_told(&world, "105 RESOLVED " A " 0\n165 SAME " A " 0\n");
    world_close(&world);
}

/* A listener that begins anew hears of all that lasts at once, whatever the interval; and a rule that has not been
 * evaluated, or fails, is awaited. */
static void test_all_told(void **state) {
    (void)state;
    struct world world;
    static const char *const yaml = "groups: [{name: f, interval: 10m, rules: [{record: s, expr: up}]}, "
                                    "{name: g, interval: 10m, rules: [{alert: Slow, expr: up == 0, for: 1h}, "
                                    "{alert: Down, expr: up == 0}, {record: r, expr: up}]}]";
    world_open(&world, yaml);
    assert_int_equal(world_load(&world, yaml), OXP_OK); /* no rule is known by a reload alone */
    assert_true(oxp_rules_awaits(world.rules, OXP_VIEW("Down")));
    assert_false(oxp_rules_awaits(world.rules, OXP_VIEW("r")));
    assert_false(oxp_rules_awaits(world.rules, OXP_VIEW("Gone")));
    world_set(&world, "up,job=a", 0);
    world_set(&world, "up,job=b", 0);
    world_step(&world, 2); /* g at 0 and f, by its name, at 233 */
    assert_false(oxp_rules_awaits(world.rules, OXP_VIEW("Down")));
    world_set(&world, "up,job=b", 1);
    world_step(&world, 2);
    oxp_buf_clear(&world.told);
    world.telling_again = true;
    for (int listener = 0; listener < 2; listener++) { /* the second just after the first */
        oxp_rules_tell_all(world.rules, world_now(&world));
        assert_told(&world, "833 SAME " A " 0\n833 SAME {alertname=\"Down\", job=\"b\"} 0\n");
    }
    static const struct {
        const char *yaml;
        bool awaits;
    } reloads[] = {
        {GROUP("{alert: Down, expr: up == 0}"), false},
        {"groups: [{name: g, rules: [{alert: Down, expr: up == 0}]}, {name: h, rules: [{alert: Down, expr: up == 2}]}]",
         true}, /* the one that is new */
        {GROUP("{alert: Down, expr: up == 0}"), false},
        {GROUP("{alert: Down, expr: up == 3}"), true}, /* what it says is another thing now */
    };
    for (size_t i = 0; i < sizeof reloads / sizeof reloads[0]; i++) {
        assert_int_equal(world_load(&world, reloads[i].yaml), OXP_OK);
        assert_int_equal(oxp_rules_awaits(world.rules, OXP_VIEW("Down")), reloads[i].awaits);
    }
    world_close(&world);
}

static void test_failing_is_awaited(void **state) {
    (void)state;
    struct world world;
    world_open(&world, GROUP("{alert: Down, expr: up + on() group_left up}"));
    world_set(&world, "up,job=a", 0);
    world_set(&world, "up,job=b", 0);
    world_step(&world, 2);
    assert_true(oxp_rules_awaits(world.rules, OXP_VIEW("Down")));
    world_unset(&world, "up,job=b");
    world.held = true; /* what would fire does not yet */
    world_step(&world, 1);
    assert_true(oxp_rules_awaits(world.rules, OXP_VIEW("Down")));
    world.held = false;
    world_step(&world, 1);
    assert_false(oxp_rules_awaits(world.rules, OXP_VIEW("Down")));
    world_set(&world, "up,job=b", 0); /* it fails again, and keeps what it has */
    world_step(&world, 1);
    assert_false(oxp_rules_awaits(world.rules, OXP_VIEW("Down")));
    world_close(&world);
}

static void test_held(void **state) {
    (void)state;
    struct world world;
    world_open(&world, DOWN);
    world.held = true;
    world_set(&world, "up,job=a", 0);
    world_step(&world, 6);
    assert_told(&world, "0 BEGAN " A " 0\n");
    world.held = false;
    world_step(&world, 1);
    assert_told(&world, "90 FIRED " A " 0\n");
    world.held = true;
    world_set(&world, "up,job=a", 1);
    world_step(&world, 10);
    assert_told(&world, "");
    assert_alerts(&world, A " firing since 0 value 0\n");
    world.held = false;
    world_step(&world, 1);
    assert_told(&world, "255 RESOLVED " A " 0\n");
    world_close(&world);
}

static void test_limit_of_alerts(void **state) {
    (void)state;
    struct world world;
    world_open(&world, "groups: [{name: g, limit: 1, rules: [{alert: Down, expr: up == 0}]}]");
    world_set(&world, "up,job=a", 0);
    world_set(&world, "up,job=b", 1);
    world_step(&world, 1);
    world_set(&world, "up,job=b", 0);
    world_step(&world, 2);
    assert_health(&world, 0, 0, "exceeded limit of 1 with 2 alerts");
    assert_alerts(&world, "");
    assert_told(&world, "0 FIRED " A " 0\n15 RESOLVED " A " 0\n");
    world_set(&world, "up,job=a", 1);
    world_step(&world, 1);
    assert_told(&world, "45 FIRED {alertname=\"Down\", job=\"b\"} 0\n");
    assert_notes(&world, "g Down: exceeded limit of 1 with 2 alerts\ng Down: works again\n");
    assert_series(&world, "ALERTS_",
                  "ALERTS_FOR_STATE{alertname=\"Down\", job=\"a\"} 0@0 stale@15\n"
                  "ALERTS_FOR_STATE{alertname=\"Down\", job=\"b\"} 45@45\n");
    world_close(&world);
}

/* A rule that fails keeps its alerts as they were. */
static void test_failing_keeps_alerts(void **state) {
    (void)state;
    struct world world;
    world_open(&world, GROUP("{alert: Down, expr: up + on (job) group_left () extra}"));
    world_set(&world, "up,job=a", 0);
    world_set(&world, "extra,job=a,x=1", 0);
    world_step(&world, 1);
    assert_told(&world, "0 FIRED " A " 0\n");
    world_set(&world, "extra,job=a,x=2", 0);
    world_step(&world, 2);
    assert_told(&world, "");
    assert_alerts(&world, A " firing since 0 value 0\n");
    world_close(&world);
}

/* Alerts of an evaluation that failed never were. */
static void test_failing_leaves_nothing(void **state) {
    (void)state;
    struct world world;
    world_open(&world, GROUP("{alert: Down, expr: up == 0, labels: {job: x}}"));
    world_set(&world, "up,job=a", 0);
    world_set(&world, "up,job=b", 0);
    world_step(&world, 1);
    assert_health(&world, 0, 0, "vector contains metrics with the same labelset after applying alert labels");
    world_set(&world, "up,job=a", 1);
    world_set(&world, "up,job=b", 1);
    world_step(&world, 1);
    assert_health(&world, 0, 0, "ok");
    assert_told(&world, "");
    world_close(&world);
}

static void test_many_alerts(void **state) {
    (void)state;
    struct world world;
    struct oxp_arena arena;
    struct oxp_rules_stats stats;
    oxp_arena_init(&arena, 0);
    world_open(&world, GROUP("{alert: Down, expr: up == 0, for: 15s, annotations: {s: '{{ $labels.i }}'}}"));
    for (int round = 0; round < 3; round++) {
        world_pass(&world, (double)(oxp_rules_next(world.rules) - world_now(&world)) / 1000);
        for (int i = 0; i < 10000; i++) {
            char name[32];
            snprintf(name, sizeof name, "up,i=%d", i);
            append_to(world.tsdb, name, world_now(&world), round == 2);
        }
        oxp_rules_run(world.rules, world_now(&world), false);
        oxp_rules_stats(world.rules, &stats);
        assert_int_equal(stats.pending, round == 0 ? 10000 : 0);
        assert_int_equal(stats.firing, round == 1 ? 10000 : 0);
    }
    const struct oxp_group_view *groups;
    size_t count;
    assert_int_equal(oxp_rules_view(world.rules, &arena, &groups, &count), OXP_OK);
    assert_int_equal(groups[0].rules[0].alert_count, 0);
    oxp_arena_fini(&arena);
    world_close(&world);
}

/* A memory that is full costs samples, not alerts. */
static void test_full_memory(void **state) {
    (void)state;
    struct world world;
    world_open(&world, GROUP("{alert: Down, expr: vector(1)}, {record: r, expr: vector(1)}"));
    oxp_tsdb_configure(world.tsdb, &(struct oxp_tsdb_options){.memory_limit = 1});
    world_step(&world, 2);
    assert_told(&world, "0 FIRED {alertname=\"Down\"} 1\n");
    assert_health(&world, 0, 0, "no room in the short memory");
    assert_health(&world, 0, 1, "no room in the short memory");
    oxp_tsdb_configure(world.tsdb, &(struct oxp_tsdb_options){.memory_limit = 0});
    world_step(&world, 1);
    assert_health(&world, 0, 0, "ok");
    assert_series(&world, "r", "r 1@30\n");
    world_close(&world);
}

/* ---- Gaps in time ---- */

static void test_stopped(void **state) { /* SIGSTOP for ten minutes */
    (void)state;
    struct world world;
    world_open(&world, GROUP("{alert: Down, expr: up == 0, for: 1m}, {alert: Rate, expr: 'rate(c[1m]) > 0.1'}"));
    world_set(&world, "up,job=a", 0);
    for (int i = 0; i < 3; i++) {
        world_set(&world, "c", i * 15);
        world_step(&world, 1);
    }
    assert_told(&world, "0 BEGAN " A " 0\n15 FIRED {alertname=\"Rate\"} 0.25\n");
    world_pass(&world, 600);
    world_set(&world, "c", 645);
    world_step(&world, 1); /* the rate's window has one sample: there is no rate */
    assert_told(&world, "");
    assert_alerts(&world, A " pending since 585 value 0\n{alertname=\"Rate\"} firing since 15 value 0.5\n");
    assert_notes(&world,
                 "g: nothing was evaluated for 585 seconds: they do not count, and for a while nothing fires and "
                 "nothing resolves\n");
    for (int i = 1; i < 4; i++) { /* its minute is over at 645, what holds it at 690 */
        world_set(&world, "c", 645 + i * 15);
        world_step(&world, 1);
    }
    assert_told(&world, "");
    world_step(&world, 1);
    assert_told(&world, "690 FIRED " A " 0\n");
    world_set(&world, "up,job=a", 1);
    world_step(&world, 4);
    assert_told(&world, "705 RESOLVED " A " 0\n720 RESOLVED {alertname=\"Rate\"} 0.3333333333333333\n");
    world_close(&world);
}

static void test_clock_set_forward(void **state) {
    (void)state;
    static const double jumps[] = {3600, 10.0 * 365 * 86400};
    for (size_t i = 0; i < COUNT_OF(jumps); i++) {
        struct world world;
        struct oxp_rules_stats stats;
        world_open(&world, GROUP("{alert: Down, expr: up == 0, for: 1m}, {alert: Old, expr: 'time() - changed > 300'},"
                                 "{alert: Up, expr: up offset 1m < 2}"));
        world_set(&world, "up,job=a", 0);
        world_set(&world, "changed", (double)(world.start_ms / 1000));
        world_step(&world, 6);
        assert_told(&world, "0 BEGAN " A " 0\n60 FIRED " A " 0\n60 FIRED {alertname=\"Up\", job=\"a\"} 0\n");
        world_set(&world, "up,job=b", 0);
        world_step(&world, 1);
        assert_told(&world, "90 BEGAN {alertname=\"Down\", job=\"b\"} 0\n");
        world_jump(&world, jumps[i]);
        world_set(&world, "changed", (double)(world_now(&world) / 1000)); /* as it is soon */
        world_step(&world, 4);
        struct oxp_buf *told = &world.told;
        assert_null(strstr(oxp_buf_text(told), "FIRED"));
        assert_null(strstr(oxp_buf_text(told), "RESOLVED"));
        oxp_rules_stats(world.rules, &stats);
        assert_int_equal(stats.firing, 2);
        oxp_buf_clear(told);
        world_step(&world, 4); /* its minute was observed */
        assert_non_null(strstr(oxp_buf_text(told), "FIRED {alertname=\"Down\", job=\"b\"}"));
        oxp_rules_stats(world.rules, &stats);
        assert_int_equal(stats.missed, 0);
        world_close(&world);
    }
}

static void test_clock_set_back(void **state) {
    (void)state;
    struct world world;
    world_open(&world, GROUP("{alert: Down, expr: up == 0, for: 1m}"));
    world_set(&world, "up,job=a", 0);
    world_set(&world, "up,job=b", 0);
    world_step(&world, 4);
    world_set(&world, "up,job=b", 1);
    world_step(&world, 1);
    assert_told(&world, "0 BEGAN " A " 0\n0 BEGAN {alertname=\"Down\", job=\"b\"} 0\n60 FIRED " A " 0\n"
                        "60 DROPPED {alertname=\"Down\", job=\"b\"} 0\n");
    world_jump(&world, -3600);
    for (int i = 0; i < 240; i++) { /* an hour in which nothing runs */
        world_pass(&world, 15);
        oxp_rules_run(world.rules, world_now(&world), false);
    }
    assert_told(&world, "");
    struct oxp_rules_stats stats;
    oxp_rules_stats(world.rules, &stats);
    assert_int_equal(stats.evaluations, 5);
    world_set(&world, "up,job=b", 0);
    world_step(&world, 1); /* at 75 */
    oxp_rules_stats(world.rules, &stats);
    assert_in_range(stats.missed, 239, 241);
    world_set(&world, "up,job=a", 1);
    world_step(&world, 3);
    assert_told(&world, "75 BEGAN {alertname=\"Down\", job=\"b\"} 0\n");
    world_step(&world, 1);
    assert_told(&world, "135 RESOLVED " A " 0\n135 FIRED {alertname=\"Down\", job=\"b\"} 0\n");
    world_close(&world);
}

/* Ten years forward and back, and the caller empties the memory. */
static void test_clock_forward_and_back(void **state) {
    (void)state;
    struct world world;
    const double years = 10.0 * 365 * 86400;
    world_open(&world, GROUP("{alert: Down, expr: up == 0, for: 2m}"));
    world_set(&world, "up,job=a", 0);
    world_set(&world, "up,job=b", 0);
    world_step(&world, 5);
    world_jump(&world, years);
    world_set(&world, "up,job=c", 0);
    world_step(&world, 1);
    world_jump(&world, -years);
    assert_told(&world, "0 BEGAN " A " 0\n0 BEGAN {alertname=\"Down\", job=\"b\"} 0\n"
                        "315360060 BEGAN {alertname=\"Down\", job=\"c\"} 0\n");
    oxp_tsdb_trim(world.tsdb, INT64_MAX);
    oxp_rules_rewind(world.rules, world_now(&world));
    world_step(&world, 3);
    assert_told(&world, "");
    assert_alerts(&world, A " pending since 0 value 0\n{alertname=\"Down\", job=\"b\"} pending since 0 value 0\n"
                            "{alertname=\"Down\", job=\"c\"} pending since 60 value 0\n");
    world_step(&world, 1);
    assert_told(&world, "120 FIRED " A " 0\n120 FIRED {alertname=\"Down\", job=\"b\"} 0\n");
    world_close(&world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_life),
        cmocka_unit_test(test_refreshed),
        cmocka_unit_test(test_external_labels),
        cmocka_unit_test(test_queries_of_templates),
        cmocka_unit_test(test_told_again),
        cmocka_unit_test(test_all_told),
        cmocka_unit_test(test_failing_is_awaited),
        cmocka_unit_test(test_held),
        cmocka_unit_test(test_limit_of_alerts),
        cmocka_unit_test(test_failing_keeps_alerts),
        cmocka_unit_test(test_failing_leaves_nothing),
        cmocka_unit_test(test_many_alerts),
        cmocka_unit_test(test_full_memory),
        cmocka_unit_test(test_stopped),
        cmocka_unit_test(test_clock_set_forward),
        cmocka_unit_test(test_clock_set_back),
        cmocka_unit_test(test_clock_forward_and_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
