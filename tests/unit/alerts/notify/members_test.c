/* What Alertmanagers get, and when. */
#include "tests/unit/alerts/notify/world.h"

#include <stdio.h>
#include <stdlib.h>

static const char two[] = "alertmanagers: ['http://am1:9093', {url: 'https://am2/prefix/', timeout: 3s}]\n";
static const char one[] = "alertmanagers: ['http://am:9093']\n";
#define AM "alertmanager/am:9093 alerts"

static const char a[] = "alertname=X,i=a", b[] = "alertname=X,i=b";

static void test_at_once_and_each_minute(void **state) {
    (void)state;
    struct world world;
    world_open(&world, one);
    world_fire(&world, a);
    world_pass(&world, 5);
    assert_log(&world, "0.1 " AM " a+\n"); /* gathered for a moment */
    world_fire(&world, b);
    world_pass(&world, 45);
    assert_log(&world, "5.1 " AM " b+ a+\n"); /* always all */
    world_fired(&world, a, 0);
    world_fired(&world, b, 5);
    world_pass(&world, 20);
    assert_log(&world, "65.1 " AM " b+ a+\n");
    world_resolve(&world, a, 0);
    world_pass(&world, 1);
    assert_log(&world, "70.1 " AM " b+ a-\n");
    world_fired(&world, b, 5);
    world_pass(&world, 60);
    assert_log(&world, "130.1 " AM " b+ a-\n"); /* for a quarter of an hour */
    for (int i = 0; i < 20; i++) {
        world_fired(&world, b, 5);
        world_pass(&world, 60);
    }
    const char *text = oxp_buf_text(&world.log);
    assert_non_null(strstr(text, "910.1 " AM " b+ a-\n970.1 " AM " b+\n"));
    world_close(&world);
}

static void test_changes_are_gathered_and_spaced(void **state) {
    (void)state;
    struct world world;
    world_open(&world, one);
    world_fire(&world, a);
    world_pass(&world, 0.05);
    world_fire(&world, b);
    world_pass(&world, 0.15);
    assert_log(&world, "0.1 " AM " b+ a+\n");
    world_resolve(&world, a, 0);
    world_pass(&world, 0.85);
    assert_log(&world, "");
    world_pass(&world, 0.05);
    assert_log(&world, "1.1 " AM " b+ a-\n");
    world_close(&world);
}

static void test_without_news_nothing_is_sent(void **state) {
    (void)state;
    struct world world;
    struct oxp_alert_event pending = {.change = OXP_ALERT_BEGAN, .life = {.state = OXP_ALERT_PENDING}};
    world_open(&world, one);
    world_say(&world, a, &pending);
    world_pass(&world, 600);
    assert_log(&world, "");
    world_resolved(&world, a, -2000, -1000); /* told again by the rules, long over */
    world_pass(&world, 600);
    assert_log(&world, "");
    world_close(&world);
}

static void test_the_rules_fall_silent(void **state) {
    (void)state;
    struct world world;
    world_open(&world, one);
    world_fire(&world, a);
    world_pass(&world, 200);
    assert_log(&world, "0.1 " AM " a+\n60.1 " AM " a+\n120.1 " AM " a+\n180.1 " AM " a+\n");
    world_pass(&world, 100); /* four resends without a word: Alertmanager takes it for resolved by endsAt */
    assert_log(&world, "240.1 " AM " a-\n");
    world_close(&world);
}

static void test_members(void **state) {
    (void)state;
    struct world world;
    struct oxp_outbox_stats stats;
    struct oxp_arena arena;
    world_open(&world, two);
    world.down = true;
    world_fire(&world, a);
    world_pass(&world, 200);
    oxp_arena_init(&arena, 0);
    assert_int_equal(oxp_outbox_stats(world.outbox, &arena, &stats), OXP_OK);
    assert_int_equal(stats.waiting, 2); /* the newest state alone, for each */
    oxp_arena_fini(&arena);
    world.down = false;
    world_pass(&world, 0);
    assert_log(&world, "200 alertmanager/am1:9093 alerts a+\n200 alertmanager/am2/prefix alerts a+\n");
    world_close(&world);
}

static void test_content(void **state) {
    (void)state;
    struct world world;
    struct oxp_arena arena;
    struct oxp_outbox_message message;
    int64_t next_ms;
    world_open(&world, one);
    world.down = true;
    snprintf(world.note, sizeof world.note, "it's <down>");
    world_fire(&world, "alertname=X,i=a,severity=critical");
    world_pass(&world, 0.1);
    world_resolve(&world, b, -5);
    world_pass(&world, 1);
    oxp_arena_init(&arena, 0);
    assert_int_equal(oxp_outbox_claim(world.outbox, OXP_VIEW("alertmanager/am:9093"), (WORLD_START_S + 2) * 1000,
                                      &arena, &message, &next_ms),
                     OXP_OK);
    assert_int_equal(message.priority, OXP_OUTBOX_CRITICAL);
    assert_int_equal(message.since_ms, WORLD_START_S * 1000 + 100); /* when b was resolved: a is no news */
    assert_true(oxp_view_is(message.integration, "alertmanager"));
    assert_true(oxp_view_is(message.summary, "2 alerts, 1 of them firing"));
    assert_true(oxp_view_is(
        message.content, "[{\"labels\":{\"alertname\":\"X\",\"i\":\"b\"},\"annotations\":{\"summary\":\"it's <down>\"},"
                         "\"startsAt\":\"2023-11-14T22:13:15Z\",\"endsAt\":\"2023-11-14T22:13:20.1Z\","
                         "\"generatorURL\":\"http://sidecar:10108/graph?g0.expr=up+%3D%3D+0&g0.tab=1\"},"
                         "{\"labels\":{\"alertname\":\"X\",\"i\":\"a\",\"severity\":\"critical\"},"
                         "\"annotations\":{\"summary\":\"it's <down>\"},"
                         "\"startsAt\":\"2023-11-14T22:13:20Z\",\"endsAt\":\"2023-11-14T22:17:20Z\","
                         "\"generatorURL\":\"http://sidecar:10108/graph?g0.expr=up+%3D%3D+0&g0.tab=1\"}]\n"));
    oxp_arena_fini(&arena);
    world_close(&world);
}

static size_t count_lines(const char *text, const char *needle) {
    size_t count = 0;
    for (; (text = strstr(text, needle)) != NULL; text++) {
        count++;
    }
    return count;
}

static void test_many(void **state) {
    (void)state;
    enum { MANY = 7500 };
    struct world world;
    world_open(&world, one);
    for (int i = 0; i < MANY; i++) {
        char labels[64];
        snprintf(labels, sizeof labels, "alertname=X,i=%d", i);
        world_fire(&world, labels);
    }
    world_pass(&world, 1);
    const char *text = oxp_buf_text(&world.log);
    assert_int_equal(count_lines(text, "alertmanager/am:9093 "), 3);
    assert_int_equal(count_lines(text, " alerts/2 "), 1);
    assert_int_equal(count_lines(text, "+"), MANY);
    oxp_buf_clear(&world.log);
    for (int i = 1; i < MANY; i++) { /* one is left; the places of the others are emptied */
        char labels[64];
        snprintf(labels, sizeof labels, "alertname=X,i=%d", i);
        world_resolve(&world, labels, 0);
    }
    world_pass(&world, 5);
    oxp_buf_clear(&world.log);
    for (int i = 0; i < 17; i++) {
        world_fired(&world, "alertname=X,i=0", 0);
        world_pass(&world, 60);
    }
    text = oxp_buf_text(&world.log);
    assert_int_equal(count_lines(text, " alerts 0+\n"), 3);
    assert_int_equal(count_lines(text, " alerts/2\n"), 1);
    world_close(&world);
}

/* An alert that is too large would stop all the others: it stays out, and that is said once. */
static void test_too_large(void **state) {
    static char large[OXP_ALERTING_ALERT_MAX + 32] = "alertname=X,i=large,text=";
    (void)state;
    struct world world;
    struct oxp_alerting_stats stats;
    struct oxp_outbox_noted *notes;
    struct oxp_arena arena;
    size_t count = 0, begins = strlen(large);
    memset(large + begins, 'x', sizeof large - 1 - begins);
    world_open(&world, one);
    world_fire(&world, a);
    world_fire(&world, large);
    world_break(true);
    world_pass(&world, 1);
    world_break(false);
    assert_int_equal(world.left_out, 0);
    world_pass(&world, 2);
    world_fired(&world, a, 0);
    world_fired(&world, large, 0);
    world_pass(&world, 60);
    assert_log(&world, "1.1 " AM " a+\n61.1 " AM " a+\n");
    oxp_alerting_stats(world.alerting, &stats);
    assert_int_equal(stats.left_out, 1);
    assert_int_equal(world.left_out, 1);
    oxp_arena_init(&arena, 0);
    assert_int_equal(oxp_outbox_notes(world.outbox, 10, &arena, &notes, &count), OXP_OK);
    assert_int_equal(count, 1);
    assert_true(oxp_view_is(notes[0].kind, "alerting.too_large"));
    assert_true(oxp_view_starts(notes[0].text, OXP_VIEW("X (fingerprint ")));
    oxp_arena_fini(&arena);
    /* Alone it is said, too, and one of just the size is told. */
    world_close(&world);
    world_open(&world, one);
    world_fire(&world, large);
    world_pass(&world, 2);
    assert_int_equal(world.left_out, 1);
    large[sizeof large - 1 - 400] = '\0';
    world_fire(&world, large);
    world_pass(&world, 2);
    assert_int_equal(world.left_out, 1);
    assert_log(&world, "0.1 " AM "\n2.1 " AM " large+\n"); /* an empty list first */
    world_close(&world);
}

static void test_a_put_that_fails(void **state) {
    (void)state;
    struct world world;
    world_open(&world, one);
    world_break(true);
    world_fire(&world, a);
    world_pass(&world, 10);
    world_break(false);
    world_pass(&world, 2);
    assert_log(&world, "10.1 " AM " a+\n");
    world_close(&world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_at_once_and_each_minute),
        cmocka_unit_test(test_changes_are_gathered_and_spaced),
        cmocka_unit_test(test_without_news_nothing_is_sent),
        cmocka_unit_test(test_the_rules_fall_silent),
        cmocka_unit_test(test_members),
        cmocka_unit_test(test_content),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_too_large),
        cmocka_unit_test(test_a_put_that_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
