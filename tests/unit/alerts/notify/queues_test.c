/* Webhooks that a reload adds, removes, moves and renames: what waits, and who knows what. And queues that an older
 * version has named. */
#include "tests/unit/alerts/notify/world.h"

#include "alerts/notify/settings.h"
#include <stdio.h>

#define SECTION(name, hooks)                                                                                           \
    "route: {receiver: " name ", group_by: [alertname], group_wait: 30s, group_interval: 5m, repeat_interval: 4h}\n"   \
    "receivers: [{name: " name ", webhook_configs: [" hooks "]}]\n"
#define A "{url: 'http://a/x'}"
#define B "{url: 'http://b/x'}"
#define QUEUE_A "r/webhook/a-7d5caf93"
#define QUEUE_B "r/webhook/b-97726fe0"

static const char alert[] = "alertname=X,i=a", later[] = "alertname=X,i=b";

static size_t count_in(struct world *world, const char *queue, unsigned states) {
    struct oxp_arena arena;
    struct oxp_outbox_message *messages;
    struct oxp_outbox_filter filter = {.receiver = oxp_view_from(queue), .states = states};
    size_t count;
    oxp_arena_init(&arena, 0);
    assert_int_equal(oxp_outbox_list(world->outbox, &filter, &arena, &messages, &count), OXP_OK);
    oxp_arena_fini(&arena);
    return count;
}

static void open_waiting(struct world *world, const char *yaml) {
    world_open(world, yaml);
    world->down = true;
    world_fire(world, alert);
    world_pass(world, 100);
}

static void resume(struct world *world, const char *yaml) {
    world_restart(world, yaml);
    world_fired(world, alert, 0);
    world_ready(world);
    world->down = false;
}

static void test_moved(void **state) {
    (void)state;
    struct world world;
    open_waiting(&world, SECTION("r", A ", " B));
    world_deliver(&world); /* both */
    oxp_buf_clear(&world.log);
    world_fire(&world, later);
    world_pass(&world, 300);
    resume(&world, SECTION("r", B ", " A));
    world_fired(&world, later, 100);
    world_pass(&world, 1000);
    assert_log(&world, "400 " QUEUE_B " {alertname=\"X\"} a+ b+\n400 " QUEUE_A " {alertname=\"X\"} a+ b+\n");
    world_close(&world);
}

static void test_the_first_is_removed(void **state) {
    (void)state;
    struct world world;
    open_waiting(&world, SECTION("r", A ", " B));
    resume(&world, SECTION("r", B));
    world_pass(&world, 1000);
    assert_log(&world, "100 " QUEUE_B " {alertname=\"X\"} a+\n"); /* its own, once */
    assert_int_equal(count_in(&world, QUEUE_A, 1U << OXP_OUTBOX_WAITING), 1);
    world_close(&world);
}

static void test_one_is_put_in_front(void **state) {
    (void)state;
    struct world world;
    open_waiting(&world, SECTION("r", B));
    resume(&world, SECTION("r", A ", " B));
    world_pass(&world, 1000);
    assert_log(&world, "100 " QUEUE_B " {alertname=\"X\"} a+\n330 " QUEUE_A " {alertname=\"X\"} a+\n");
    world_close(&world);
}

/* The address changes, the name stays: so does the queue. */
static void test_named(void **state) {
    (void)state;
    struct world world;
    open_waiting(&world, SECTION("r", "{name: n, url: 'http://a/old'}"));
    resume(&world, SECTION("r", A ", {name: n, url: 'http://a/new'}"));
    world_pass(&world, 1);
    assert_log(&world, "100 r/webhook/n {alertname=\"X\"} a+\n");
    world_close(&world);
}

/* ---- A receiver that is back ---- */

/* Resolved meanwhile: the waiting state is superseded by what is true now. */
static void test_back_when_it_is_over(void **state) {
    (void)state;
    struct world world;
    open_waiting(&world, SECTION("r", A));
    world_restart(&world, SECTION("q", B));
    world_fired(&world, alert, 0);
    world_ready(&world);
    world_pass(&world, 10);
    world_resolve(&world, alert, 0);
    world_pass(&world, 500);
    world_restart(&world, SECTION("r", A));
    world_resolved(&world, alert, 0, 110); /* the rules tell it for a while */
    world_ready(&world);
    world_pass(&world, 1);
    world.down = false;
    world_pass(&world, 1000);
    assert_log(&world, "611 " QUEUE_A " {alertname=\"X\"} a-\n");
    assert_int_equal(count_in(&world, QUEUE_A, 1U << OXP_OUTBOX_SUPERSEDED), 1);
    world_close(&world);
}

/* So long ago that the rules know nothing of it: what was sent is followed by its end. */
static void test_back_when_it_is_long_over(void **state) {
    (void)state;
    struct world world;
    open_waiting(&world, SECTION("r", A));
    world_restart(&world, "{}");
    world_pass(&world, 7200);
    world.down = false;
    world_restart(&world, SECTION("r", A));
    world_ready(&world);
    world_pass(&world, 1000);
    assert_log(&world, "7300 " QUEUE_A " {alertname=\"X\"} a+\n7600 " QUEUE_A " {alertname=\"X\"} a-\n");
    world_close(&world);
}

static void test_back_and_it_goes_on(void **state) {
    (void)state;
    struct world world;
    open_waiting(&world, SECTION("r", A));
    world_restart(&world, "{}");
    world_pass(&world, 600);
    resume(&world, SECTION("r", A));
    world_pass(&world, 1000);
    assert_log(&world, "700 " QUEUE_A " {alertname=\"X\"} a+\n");
    world_close(&world);
}

/* ---- Queues of an older version ---- */

/* What the present version has put is given the old names. */
static void make_old(struct world *world, const char *queue, const char *old, const char *key) {
    struct oxp_arena arena;
    struct oxp_view value;
    char text[2000], old_key[100];
    size_t count;
    oxp_arena_init(&arena, 0);
    assert_int_equal(oxp_outbox_rename(world->outbox, oxp_view_from(queue), oxp_view_from(old), 0, &count), OXP_OK);
    snprintf(text, sizeof text, "group/%s/%s", queue, key);
    assert_int_equal(oxp_outbox_value(world->outbox, oxp_view_from(text), &arena, &value), OXP_OK);
    struct oxp_outbox_value values[2] = {{.key = oxp_view_from(text)}};
    struct oxp_outbox_write write = {.values = values, .value_count = 1};
    assert_int_equal(oxp_outbox_put(world->outbox, &write, 0, NULL), OXP_OK);
    size_t head = strlen("{\"queue\":\"") + strlen(queue);
    snprintf(text, sizeof text, "{\"queue\":\"%s%.*s", old, (int)(value.len - head), value.ptr + head);
    snprintf(old_key, sizeof old_key, "group/%s/%s", old, key);
    values[0] = (struct oxp_outbox_value){oxp_view_from(old_key), oxp_view_from(text)};
    assert_int_equal(oxp_outbox_put(world->outbox, &write, 0, NULL), OXP_OK);
    oxp_arena_fini(&arena);
}

static void test_upgrade(void **state) {
    (void)state;
    struct world world;
    open_waiting(&world, SECTION("r", A ", " B));
    make_old(&world, QUEUE_A, "r/webhook/0", "{}:{alertname=\"X\"}");
    make_old(&world, QUEUE_B, "r/webhook/1", "{}:{alertname=\"X\"}");
    assert_int_equal(count_in(&world, QUEUE_A, 0) + count_in(&world, QUEUE_B, 0), 0);
    resume(&world, SECTION("r", A ", " B));
    world_pass(&world, 3600);
    assert_log(&world, "100 " QUEUE_A " {alertname=\"X\"} a+\n100 " QUEUE_B " {alertname=\"X\"} a+\n"); /* not again */
    assert_int_equal(count_in(&world, "r/webhook/0", 0), 0);
    world_resolve(&world, alert, 0);
    world_pass(&world, 300);
    assert_non_null(strstr(oxp_buf_text(&world.log), QUEUE_A " {alertname=\"X\"} a-\n"));
    assert_non_null(strstr(oxp_buf_text(&world.log), QUEUE_B " {alertname=\"X\"} a-\n"));
    world_close(&world);
}

/* Once: a place that is filled later gets nothing of what waited for another. */
static void test_upgraded_before(void **state) {
    (void)state;
    struct world world;
    struct oxp_outbox_value mark = {OXP_VIEW("queues"), OXP_VIEW("named")};
    struct oxp_outbox_write write = {.values = &mark, .value_count = 1};
    open_waiting(&world, SECTION("r", A));
    make_old(&world, QUEUE_A, "r/webhook/0", "{}:{alertname=\"X\"}");
    assert_int_equal(oxp_outbox_put(world.outbox, &write, 0, NULL), OXP_OK);
    world_restart(&world, SECTION("r", B));
    world_ready(&world);
    world.down = false;
    world_pass(&world, 1000);
    assert_log(&world, "");
    assert_int_equal(count_in(&world, "r/webhook/0", 1U << OXP_OUTBOX_WAITING), 1);
    world_close(&world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_moved),
        cmocka_unit_test(test_the_first_is_removed),
        cmocka_unit_test(test_one_is_put_in_front),
        cmocka_unit_test(test_named),
        cmocka_unit_test(test_back_when_it_is_over),
        cmocka_unit_test(test_back_when_it_is_long_over),
        cmocka_unit_test(test_back_and_it_goes_on),
        cmocka_unit_test(test_upgrade),
        cmocka_unit_test(test_upgraded_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
