/* When a group is told, and what: rules G1 to G7 of alerts/notify/internal.h, with a clock moved by hand. */
#include "tests/unit/alerts/notify/world.h"

#include <stdio.h>
#include <stdlib.h>

#define HOOK "oncall/webhook/one"
#define ROUTE(by)                                                                                                      \
    "route: {receiver: oncall, group_by: " by ", group_wait: 30s, group_interval: 5m, repeat_interval: 4h}\n"
#define ONE "receivers: [{name: oncall, webhook_configs: [{name: one, url: 'http://127.0.0.1:1/'}]}]\n"
#define TWO                                                                                                            \
    "receivers: [{name: oncall, webhook_configs: [{name: one, url: 'http://127.0.0.1:1/'},"                            \
    " {name: two, url: 'http://127.0.0.1:1/', send_resolved: false}]}]\n"

static const char plain[] = ROUTE("[alertname]") ONE;
static const char two[] = ROUTE("[alertname]") TWO;
static const char a[] = "alertname=X,i=a", b[] = "alertname=X,i=b", c[] = "alertname=X,i=c", y[] = "alertname=Y,i=y";

static void open_plain(struct world *world) {
    world_open(world, plain);
}

static void test_first_after_group_wait(void **state) {
    (void)state;
    struct world world;
    open_plain(&world);
    world_fire(&world, a);
    world_pass(&world, 10);
    world_fire(&world, b); /* joins, without a wait of its own */
    world_fire(&world, y);
    world_pass(&world, 19.999);
    assert_log(&world, "");
    world_pass(&world, 0.001);
    assert_log(&world, "30 " HOOK " {alertname=\"X\"} a+ b+\n");
    world_pass(&world, 10);
    assert_log(&world, "40 " HOOK " {alertname=\"Y\"} y+\n");
    assert_int_equal(world.wakes, 2);
    world_close(&world);
}

static void test_at_once_when_it_fires_long(void **state) {
    (void)state;
    struct world world;
    open_plain(&world);
    world_fired(&world, a, -30);
    world_pass(&world, 0);
    assert_log(&world, "0 " HOOK " {alertname=\"X\"} a+\n");
    world_fired(&world, b, -100); /* the group has flushed: next interval */
    world_pass(&world, 300);
    assert_log(&world, "300 " HOOK " {alertname=\"X\"} a+ b+\n");
    world_close(&world);
}

static void test_changes_at_group_interval(void **state) {
    (void)state;
    struct world world;
    open_plain(&world);
    world_fire(&world, a);
    world_pass(&world, 40);
    assert_log(&world, "30 " HOOK " {alertname=\"X\"} a+\n");
    world_fire(&world, b);
    world_pass(&world, 60);
    world_resolve(&world, a, 0);
    world_pass(&world, 229);
    assert_log(&world, "");
    world_pass(&world, 1);
    assert_log(&world, "330 " HOOK " {alertname=\"X\"} a- b+\n");
    world_pass(&world, 600); /* told once; nothing changes */
    assert_log(&world, "");
    world_resolve(&world, b, 40);
    world_pass(&world, 300);
    assert_log(&world, "1230 " HOOK " {alertname=\"X\"} b-\n");
    world_pass(&world, 31);
    assert_int_equal(world_groups(&world), 0); /* forgotten */
    world_pass(&world, 20000);
    assert_log(&world, "");
    world_close(&world);
}

static void test_came_and_went(void **state) {
    (void)state;
    struct world world;
    open_plain(&world);
    world_fire(&world, a);
    world_pass(&world, 10);
    world_resolve(&world, a, 0);
    world_pass(&world, 1000);
    assert_log(&world, ""); /* never told firing: not told */
    assert_int_equal(world_groups(&world), 0);
    world_fire(&world, a);
    world_pass(&world, 60);
    world_fire(&world, c);
    world_pass(&world, 10);
    world_resolve(&world, c, 1060);
    world_pass(&world, 300); /* but beside one that fires it is, as in Alertmanager */
    assert_log(&world, "1040 " HOOK " {alertname=\"X\"} a+\n1340 " HOOK " {alertname=\"X\"} a+ c-\n");
    world_close(&world);
}

static void test_flapping_between_flushes(void **state) {
    (void)state;
    struct world world;
    open_plain(&world);
    world_fire(&world, a);
    world_pass(&world, 60);
    world_resolve(&world, a, 0);
    world_pass(&world, 10);
    world_fire(&world, a);
    world_pass(&world, 1000);
    assert_log(&world, "30 " HOOK " {alertname=\"X\"} a+\n");
    world_close(&world);
}

static void test_repeat(void **state) {
    (void)state;
    struct world world;
    open_plain(&world);
    world_fire(&world, a);
    world_pass(&world, 30 + 2 * 14400 + 100);
    assert_log(&world, "30 " HOOK " {alertname=\"X\"} a+\n14430 " HOOK " {alertname=\"X\"} a+\n28830 " HOOK
                       " {alertname=\"X\"} a+\n");
    world_fire(&world, b); /* a change begins the time anew */
    world_pass(&world, 14300);
    assert_log(&world, "29130 " HOOK " {alertname=\"X\"} a+ b+\n");
    world_pass(&world, 300);
    assert_log(&world, "43530 " HOOK " {alertname=\"X\"} a+ b+\n");
    world_close(&world);
}

static void test_a_new_group_waits_anew(void **state) {
    (void)state;
    struct world world;
    open_plain(&world);
    world_fire(&world, a);
    world_pass(&world, 60);
    world_resolve(&world, a, 0);
    world_pass(&world, 275); /* 335: told at 330 */
    world_fire(&world, a);   /* its group is over, though not yet gone */
    world_pass(&world, 29);
    assert_log(&world, "30 " HOOK " {alertname=\"X\"} a+\n330 " HOOK " {alertname=\"X\"} a-\n");
    world_pass(&world, 1);
    assert_log(&world, "365 " HOOK " {alertname=\"X\"} a+\n");
    world_close(&world);
}

static void test_two_webhooks(void **state) {
    (void)state;
    struct world world;
    world_open(&world, two);
    world_fire(&world, a);
    world_fire(&world, b);
    world_pass(&world, 31);
    assert_log(&world,
               "30 oncall/webhook/one {alertname=\"X\"} a+ b+\n30 oncall/webhook/two {alertname=\"X\"} a+ b+\n");
    world_resolve(&world, b, 0);
    world_pass(&world, 300);
    assert_log(&world, "330 oncall/webhook/one {alertname=\"X\"} a+ b-\n");
    world_fire(&world, b); /* who was not told that it went is not told that it is back */
    world_pass(&world, 300);
    assert_log(&world, "630 oncall/webhook/one {alertname=\"X\"} a+ b+\n");
    world_resolve(&world, a, 0);
    world_resolve(&world, b, 331);
    world_pass(&world, 300);
    assert_log(&world, "930 oncall/webhook/one {alertname=\"X\"} a- b-\n");
    world_fire(&world, a); /* all was over: told again */
    world_pass(&world, 31);
    assert_log(&world, "961 oncall/webhook/one {alertname=\"X\"} a+\n961 oncall/webhook/two {alertname=\"X\"} a+\n");
    world_close(&world);
}

static void test_grouping(void **state) {
    (void)state;
    static const struct {
        const char *by, *expected;
    } rows[] = {
        {ROUTE("['...']") ONE, "{alertname=\"X\", i=\"a\"} a+\n{alertname=\"Y\", i=\"y\"} y+\n"},
        {ROUTE("[]") ONE, "{} a+ y+\n"},
        {ROUTE("[alertname, region]") ONE, "{alertname=\"X\"} a+\n{alertname=\"Y\"} y+\n"}, /* no region: left out */
        {ROUTE("[region]") ONE, "{} a+ y+\n"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct world world;
        char expected[512] = "", *at = expected;
        world_open(&world, rows[i].by);
        world_fire(&world, a);
        world_pass(&world, 1);
        world_fire(&world, y);
        world_pass(&world, 30);
        for (const char *line = rows[i].expected; *line != '\0'; line += strcspn(line, "\n") + 1) {
            at += snprintf(at, 200, "%d " HOOK " %.*s\n", line == rows[i].expected ? 30 : 31, (int)strcspn(line, "\n"),
                           line);
        }
        assert_log(&world, expected);
        world_close(&world);
    }
}

/* The rules say the same again each minute, resolved ones for a quarter of an hour. */
static void test_saying_again_changes_nothing(void **state) {
    (void)state;
    struct world world;
    open_plain(&world);
    for (int i = 0; i < 10; i++) {
        world_fired(&world, a, 0);
        world_pass(&world, 60);
    }
    assert_log(&world, "30 " HOOK " {alertname=\"X\"} a+\n");
    for (int i = 0; i < 40; i++) {
        world_resolved(&world, a, 0, 600);
        world_pass(&world, 60);
    }
    assert_log(&world, "630 " HOOK " {alertname=\"X\"} a-\n");
    assert_int_equal(world_groups(&world), 0);
    struct oxp_alerting_stats stats;
    oxp_alerting_stats(world.alerting, &stats);
    assert_int_equal(stats.alerts, 0);
    world_close(&world);
}

static void test_pending(void **state) {
    (void)state;
    struct world world;
    struct oxp_alert_event pending = {.change = OXP_ALERT_BEGAN, .life = {.state = OXP_ALERT_PENDING}};
    struct oxp_alert_event dropped = {.change = OXP_ALERT_DROPPED, .life = {.state = OXP_ALERT_INACTIVE}};
    open_plain(&world);
    world_say(&world, a, &pending);
    world_say(&world, a, &dropped);
    world_pass(&world, 100);
    assert_log(&world, "");
    world_fire(&world, a);
    world_pass(&world, 31);
    world_say(&world, a, &pending); /* after a reload with a longer `for` */
    world_pass(&world, 300);
    assert_log(&world, "130 " HOOK " {alertname=\"X\"} a+\n430 " HOOK " {alertname=\"X\"} a-\n");
    world_close(&world);
}

static void test_max_alerts(void **state) {
    (void)state;
    struct world world;
    world_open(
        &world,
        ROUTE("[alertname]") "receivers: [{name: oncall, webhook_configs: [{name: one, url: 'http://127.0.0.1:1/',"
                             " max_alerts: 1}]}]\n");
    world_fire(&world, a);
    world_fire(&world, b);
    world_fire(&world, c);
    world_pass(&world, 31);
    world_resolve(&world, a, 0);
    world_pass(&world, 300); /* what fires comes before what does not */
    assert_log(&world, "30 " HOOK " {alertname=\"X\"} a+ ..2\n330 " HOOK " {alertname=\"X\"} b+ ..2\n");
    world_close(&world);
}

/* ---- Failures ---- */

static void test_a_put_that_fails(void **state) {
    (void)state;
    struct world world;
    open_plain(&world);
    world_fire(&world, a);
    world_break(true);
    world_pass(&world, 100);
    assert_int_equal(world.complaints, 2); /* once a minute */
    world_resolve(&world, a, 0);
    world_fire(&world, b);
    world_pass(&world, 5);
    world_break(false);
    world_pass(&world, 1);
    assert_log(&world, "106 " HOOK " {alertname=\"X\"} a- b+\n");
    struct oxp_alerting_stats stats;
    oxp_alerting_stats(world.alerting, &stats);
    assert_int_equal(stats.failures, 76);
    world_close(&world);
}

/* G6: an alert that came and went while nothing could be put is told when something can. */
static void test_resolved_before_it_could_be_put(void **state) {
    (void)state;
    struct world world;
    open_plain(&world);
    world_break(true);
    world_fire(&world, a);
    world_pass(&world, 60);
    world_resolve(&world, a, 0);
    world_fire(&world, y);
    world_pass(&world, 10);
    world_resolve(&world, y, 60); /* within its group_wait: was never due */
    world_pass(&world, 7200);     /* long past the time for which the rules speak of it */
    assert_log(&world, "");
    assert_int_equal(world_groups(&world), 1);
    world_break(false);
    world_pass(&world, 1);
    assert_log(&world, "7271 " HOOK " {alertname=\"X\"} a-\n");
    world_pass(&world, 1000); /* once */
    assert_log(&world, "");
    assert_int_equal(world_groups(&world), 0);
    struct oxp_alerting_stats stats;
    oxp_alerting_stats(world.alerting, &stats);
    assert_int_equal(stats.alerts, 0);
    world_fire(&world, a);
    world_pass(&world, 10);
    world_resolve(&world, a, 8270);
    world_pass(&world, 1000);
    assert_log(&world, ""); /* what was missed is forgotten */
    world_close(&world);
}

/* It begins while the disk is well, beside one that goes on, and comes back after it was missed. */
static void test_missed_beside_others(void **state) {
    (void)state;
    struct world world;
    world_open(&world, two);
    world_fire(&world, a);
    world_pass(&world, 31);
    assert_log(&world, "30 oncall/webhook/one {alertname=\"X\"} a+\n30 oncall/webhook/two {alertname=\"X\"} a+\n");
    world_fire(&world, b);
    world_fire(&world, c);
    world_break(true);
    world_pass(&world, 310);
    world_resolve(&world, b, 31);
    world_resolve(&world, c, 31);
    world_pass(&world, 10);
    world_fire(&world, c);
    world_pass(&world, 9);
    world_break(false);
    world_pass(&world, 1);
    /* who wants no resolved ones hears of it as of one that fires, as from the message that could not be put */
    assert_log(&world, "361 oncall/webhook/one {alertname=\"X\"} a+ b- c+\n"
                       "361 oncall/webhook/two {alertname=\"X\"} a+ b+ c+\n");
    world_resolve(&world, c, 351);
    world_pass(&world, 1000); /* and that is all it hears */
    assert_log(&world, "661 oncall/webhook/one {alertname=\"X\"} a+ c-\n");
    world_close(&world);
}

/* Missed ones that are over do not take the room of those that fire. */
static void test_missed_are_bounded(void **state) {
    (void)state;
    struct world world;
    char labels[64];
    open_plain(&world);
    world_break(true);
    for (int i = 0; i <= OXP_ALERTING_MAX / 2; i++) {
        snprintf(labels, sizeof labels, "alertname=X,i=%d", i);
        world_fire(&world, labels);
    }
    world_pass(&world, 31);
    for (int i = 0; i <= OXP_ALERTING_MAX / 2; i++) {
        snprintf(labels, sizeof labels, "alertname=X,i=%d", i);
        world_resolve(&world, labels, 0);
    }
    world_pass(&world, 1100);
    struct oxp_alerting_stats stats;
    oxp_alerting_stats(world.alerting, &stats);
    assert_int_equal(stats.alerts, 0);
    assert_int_equal(stats.groups, 0);
    world_close(&world);
}

/* G7: the receiver is down; what it is told in the end holds all that it has not heard. */
static void test_a_receiver_that_is_down(void **state) {
    (void)state;
    struct world world;
    open_plain(&world);
    world_fire(&world, a);
    world_pass(&world, 31);
    assert_log(&world, "30 " HOOK " {alertname=\"X\"} a+\n");
    world.down = true;
    world_fire(&world, b);
    world_resolve(&world, a, 0);
    world_pass(&world, 300); /* a- b+ waits */
    world_fire(&world, c);
    world_pass(&world, 300); /* and is superseded */
    world.down = false;
    world_pass(&world, 1);
    assert_log(&world, "631 " HOOK " {alertname=\"X\"} a- b+ c+\n");
    world_pass(&world, 1000);
    assert_log(&world, ""); /* a is owed no more */
    world_resolve(&world, b, 31);
    world_pass(&world, 300);
    assert_log(&world, "1830 " HOOK " {alertname=\"X\"} b- c+\n");
    world_close(&world);
}

/* Firing was never sent: the resolved state takes its place and is sent, so that there was something is known. */
static void test_resolved_before_it_was_sent(void **state) {
    (void)state;
    struct world world;
    open_plain(&world);
    world.down = true;
    world_fire(&world, a);
    world_pass(&world, 60);
    world_resolve(&world, a, 0);
    world_pass(&world, 3600);
    struct oxp_outbox_stats stats;
    struct oxp_arena arena;
    oxp_arena_init(&arena, 0);
    assert_int_equal(oxp_outbox_stats(world.outbox, &arena, &stats), OXP_OK);
    assert_int_equal(stats.waiting, 1);
    assert_int_equal(stats.dropped[OXP_OUTBOX_SUPERSEDING], 1);
    oxp_arena_fini(&arena);
    world.down = false;
    world_pass(&world, 60);
    assert_log(&world, "3660 " HOOK " {alertname=\"X\"} a-\n");
    assert_int_equal(world_groups(&world), 0);
    world_close(&world);
}

static void test_the_clock_goes_back(void **state) {
    (void)state;
    struct world world;
    open_plain(&world);
    world_fire(&world, a);
    world_pass(&world, 31);
    world_jump(&world, -36000);
    world_fire(&world, b);
    world_fire(&world, y);
    world_pass(&world, 300);
    assert_log(&world, "30 " HOOK " {alertname=\"X\"} a+\n-35939 " HOOK " {alertname=\"Y\"} y+\n-35669 " HOOK
                       " {alertname=\"X\"} a+ b+\n");
    world_close(&world);
    open_plain(&world);
    world_fire(&world, a);
    world_pass(&world, 31);
    world_jump(&world, -36031);
    world_pass(&world, 14401);
    assert_log(&world, "30 " HOOK " {alertname=\"X\"} a+\n-21600 " HOOK " {alertname=\"X\"} a+\n"); /* the repeat */
    world_close(&world);
}

/* ---- The bound ---- */

static void test_the_bound(void **state) {
    (void)state;
    struct world world;
    struct oxp_alerting_stats stats;
    struct oxp_arena arena;
    struct oxp_outbox_noted *notes;
    size_t count;
    open_plain(&world);
    for (int i = 0; i < OXP_ALERTING_MAX + 7; i++) {
        char labels[64];
        snprintf(labels, sizeof labels, "alertname=X,i=%d", i);
        world_fire(&world, labels);
    }
    world_pass(&world, 31);
    oxp_alerting_stats(world.alerting, &stats);
    assert_int_equal(stats.alerts, OXP_ALERTING_MAX);
    assert_int_equal(stats.refused, 7);
    oxp_arena_init(&arena, 0);
    assert_int_equal(oxp_outbox_notes(world.outbox, 10, &arena, &notes, &count), OXP_OK);
    assert_int_equal(count, 1);
    assert_true(oxp_view_is(notes[0].kind, "alerting.limit"));
    oxp_arena_fini(&arena);
    /* The payload is cut to what the outbox takes, and says so. */
    const char *text = oxp_buf_text(&world.log);
    const char *cut = strstr(text, " ..");
    assert_non_null(cut);
    assert_int_equal(strtol(cut + 3, NULL, 10) % 1250, 0);
    world_close(&world);
}

/* Many groups at once are flushed some at a turn; Alertmanagers need not wait for all. */
static void test_many_groups(void **state) {
    (void)state;
    enum { MANY = 1001 };
    struct world world;
    size_t lines = 0;
    open_plain(&world);
    for (int i = 0; i < MANY; i++) {
        char labels[64];
        snprintf(labels, sizeof labels, "alertname=X%d,i=%d", i, i);
        world_fire(&world, labels);
    }
    world_pass(&world, 30);
    for (const char *text = oxp_buf_text(&world.log); (text = strchr(text, '\n')) != NULL; text++) {
        lines++;
    }
    assert_int_equal(lines, 200);
    world_pass(&world, 0.005);
    lines = 0;
    for (const char *text = oxp_buf_text(&world.log); (text = strchr(text, '\n')) != NULL; text++) {
        lines++;
    }
    assert_int_equal(lines, MANY);
    world_close(&world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_after_group_wait),
        cmocka_unit_test(test_at_once_when_it_fires_long),
        cmocka_unit_test(test_changes_at_group_interval),
        cmocka_unit_test(test_came_and_went),
        cmocka_unit_test(test_flapping_between_flushes),
        cmocka_unit_test(test_repeat),
        cmocka_unit_test(test_a_new_group_waits_anew),
        cmocka_unit_test(test_two_webhooks),
        cmocka_unit_test(test_grouping),
        cmocka_unit_test(test_saying_again_changes_nothing),
        cmocka_unit_test(test_pending),
        cmocka_unit_test(test_max_alerts),
        cmocka_unit_test(test_a_put_that_fails),
        cmocka_unit_test(test_resolved_before_it_could_be_put),
        cmocka_unit_test(test_missed_beside_others),
        cmocka_unit_test(test_missed_are_bounded),
        cmocka_unit_test(test_a_receiver_that_is_down),
        cmocka_unit_test(test_resolved_before_it_was_sent),
        cmocka_unit_test(test_the_clock_goes_back),
        cmocka_unit_test(test_the_bound),
        cmocka_unit_test(test_many_groups),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
