/* The courier's end: drained, or cut off; and the memory that it needs to begin. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "tests/support/alloc_fail.h"
#include "tests/unit/alerts/delivery/world.h"

static const char *const two[] = {"oncall/webhook/0", "cloudwatch"};
#define A two[0]
#define B two[1]

static double now_s(void) {
    return (double)oxp_clock_mono(oxp_clock_system()).ns / 1e9;
}

/* All that is due goes, what is due later and what failed stays. */
static void drained(void **state) {
    (void)state;
    struct world *world = world_begin(two, 2);
    int64_t later = world_put_later(world, A, "200", 60);
    for (int i = 0; i < 25; i++) {
        world_put(world, A, "200");
        world_put(world, B, "200");
    }
    int64_t failing = world_put(world, B, "500");
    const double begun_s = now_s();
    oxp_courier_stop(world->courier, 60000); /* without waking before */
    assert_true(now_s() - begun_s < 30);
    for (int64_t id = 1; id <= 51; id++) {
        assert_int_equal(world_letter(world, id).state, id == later ? OXP_OUTBOX_WAITING : OXP_OUTBOX_SENT);
    }
    assert_int_equal(world_letter(world, failing).state, OXP_OUTBOX_WAITING);
    assert_int_equal(world_letter(world, failing).tries, 1);
    oxp_courier_stop(world->courier, 60000);
    world_put(world, A, "200");
    world_wake(world);
    assert_int_equal(world_pause(world), 51); /* nobody is there any more */
    world_end(world);
}

/* A queue that waits for its receiver has nothing that is due. */
static void a_held_queue_ends_at_once(void **state) {
    (void)state;
    static const char *const storms[] = {"429:30", "dead"};
    for (size_t i = 0; i < sizeof storms / sizeof storms[0]; i++) {
        struct world *world = world_begin(two, 2);
        atomic_store(&world->storm, storms[i]);
        for (int j = 0; j < 10; j++) {
            world_put(world, A, "200");
        }
        world_wake(world);
        world_await_sends(world, i == 0 ? 1 : 5);
        const double begun_s = now_s();
        oxp_courier_stop(world->courier, 60000);
        assert_true(now_s() - begun_s < 30);
        for (int64_t id = 1; id <= 10; id++) {
            assert_int_equal(world_letter(world, id).state, OXP_OUTBOX_WAITING);
        }
        world_end(world);
    }
}

/* In the middle of a send: its message waits again, at once; nobody is told of a try; the other queue was drained. */
static void cut_off(void **state) {
    (void)state;
    struct world *world = world_begin(two, 2);
    int64_t blocked = world_put(world, A, "block");
    int64_t behind = world_put(world, A, "200");
    world_wake(world);
    while (atomic_load(&world->blocked) == 0) {
        world_pause(world);
    }
    int64_t other = world_put(world, B, "200");
    const double begun_s = now_s();
    oxp_courier_stop(world->courier, 30);
    const double took_s = now_s() - begun_s;
    assert_true(took_s >= 0.03 && took_s < 30); /* it would block for good */
    struct letter letter = world_letter(world, blocked);
    assert_int_equal(letter.state, OXP_OUTBOX_WAITING);
    assert_int_equal(letter.due_ms, letter.sent_at_ms);
    assert_int_equal(letter.exchanges, 1);
    assert_string_equal(letter.answer, "cut off: the sender was stopped");
    assert_int_equal(world_letter(world, behind).state, OXP_OUTBOX_WAITING);
    assert_int_equal(world_letter(world, behind).tries, 0);
    assert_int_equal(world_letter(world, other).state, OXP_OUTBOX_SENT);
    assert_int_equal(atomic_load(&world->seen), 1);
    struct oxp_courier_view views[2];
    assert_int_equal(oxp_courier_look(world->courier, views, 2), 2);
    assert_int_equal(views[0].failed, 0);
    world_end(world);
}

/* An outbox that fails for good does not keep us: the message stays claimed, and is given back by the next opening. */
static void nobody_to_tell(void **state) {
    (void)state;
    struct world *world = world_begin(two, 2);
    atomic_store(&world->fail_tells, 1000000);
    int64_t id = world_put(world, A, "200");
    world_wake(world);
    world_await_sends(world, 1);
    const double begun_s = now_s();
    oxp_courier_stop(world->courier, 30);
    assert_true(now_s() - begun_s < 30); /* else it would be told for good */
    assert_int_equal(world_letter(world, id).state, OXP_OUTBOX_CLAIMED);
    assert_int_equal(world_letter(world, id).exchanges, 1);
    world_end(world);
}

/* What another process made due is seen without waking, within a second; by the machine's clock, as nothing moves ours.
 */
static void seen_without_waking(void **state) {
    (void)state;
    struct world *world = world_begin(two, 2);
    int64_t id = world_put_later(world, A, "200", 3600);
    world_wake(world);
    world_quiet(world);
    world_due_now(world, id);
    world_await(world, id, OXP_OUTBOX_SENT);
    world_end(world);
}

static void at_any_moment(void **state) {
    (void)state;
    for (unsigned round = 0; round < 50; round++) {
        struct world *world = world_begin(two, round % 3);
        for (int i = 0; i < 10; i++) {
            world_put(world, two[i % 2], i == 7 ? "block" : i == 8 ? "400" : "200");
        }
        world_wake(world);
        world_await_sends(world, round % 3 == 0 ? 0 : round % 4);
        oxp_courier_stop(world->courier, round % 5);
        for (int64_t id = 1; id <= 10; id++) {
            assert_int_not_equal(world_letter(world, id).state, OXP_OUTBOX_CLAIMED);
            assert_true(world_letter(world, id).exchanges <= 1);
        }
        world_end(world);
    }
}

static enum oxp_status no_http(struct oxp_http **http_out) {
    *http_out = NULL;
    return OXP_ERR_NOMEM;
}

static void begin_and_end(void *ctx) {
    (void)ctx;
    const struct oxp_recipient recipients[] = {{.receiver = A}, {.receiver = B}};
    const struct oxp_courier_options options = {
        .recipients = recipients, .count = 2, .clock = oxp_clock_system(), .http_new = no_http};
    struct oxp_courier *courier = NULL;
    enum oxp_status status = oxp_courier_new(&options, &courier);
    assert_true(alloc_fail_hit() ? status == OXP_ERR_NOMEM && courier == NULL : status == OXP_OK);
    oxp_courier_free(courier);
}

static void allocations_fail(void **state) {
    (void)state;
    assert_true(alloc_fail_each(begin_and_end, NULL) >= 1);
    oxp_courier_free(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(drained),
        cmocka_unit_test(a_held_queue_ends_at_once),
        cmocka_unit_test(cut_off),
        cmocka_unit_test(nobody_to_tell),
        cmocka_unit_test(seen_without_waking),
        cmocka_unit_test(at_any_moment),
        cmocka_unit_test(allocations_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
