/* The courier at work: order, retries, what is set aside, storms, a dead receiver; on a clock that moves by hand. The
 * numbers are the rules of courier.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>
#include <time.h>

#include "tests/unit/alerts/delivery/world.h"

static const char *const one[] = {"oncall/webhook/0"};
static const char *const two[] = {"oncall/webhook/0", "alertmanager/http://a"};
#define A one[0]
#define B two[1]
#define LONGEST_S (2 * 86400.0)

static struct oxp_courier_view look(struct world *world, size_t i) {
    struct oxp_courier_view views[4];
    assert_true(oxp_courier_look(world->courier, views, 4) > i);
    return views[i];
}

/* Advances, little by little, until the message is in this state; for two days at most. */
static void advance_until(struct world *world, int64_t id, enum oxp_outbox_state state, double step_s) {
    for (double s = 0; world_letter(world, id).state != state && s < LONGEST_S; s += step_s) {
        world_advance(world, step_s);
        world_quiet(world);
    }
    assert_int_equal(world_letter(world, id).state, state);
}

static void advance_until_open(struct world *world) {
    for (double s = 0; strcmp(look(world, 0).breaker, "closed") == 0 && s < LONGEST_S; s += 20) {
        world_advance(world, 20);
        world_quiet(world);
    }
    assert_string_equal(look(world, 0).breaker, "open");
}

static void in_their_order(void **state) {
    (void)state;
    struct world *world = world_begin(two, 2);
    for (int i = 0; i < 10; i++) {
        world_put(world, A, "200");
    }
    int64_t other = world_put(world, B, "200=fine");
    world_wake(world);
    world_await_sends(world, 11);
    world_await(world, other, OXP_OUTBOX_SENT);
    world_await(world, 10, OXP_OUTBOX_SENT);
    int64_t before = 0;
    for (size_t i = 0; i < 11; i++) {
        if (world->sends[i] != other) {
            assert_int_equal(world->sends[i], before + 1);
            before++;
        }
    }
    assert_string_equal(world_letter(world, 1).answer, "HTTP 200");
    assert_string_equal(world_letter(world, other).answer, "HTTP 200: fine");
    oxp_courier_stop(world->courier, 10000);
    assert_int_equal(atomic_load(&world->points), 11);
    assert_int_equal(atomic_load(&world->seen), 11);
    struct oxp_courier_view first = look(world, 0), second = look(world, 1);
    assert_string_equal(first.receiver, A);
    assert_string_equal(first.integration, "webhook");
    assert_string_equal(first.breaker, "closed");
    assert_int_equal(first.sent, 10);
    assert_int_equal(first.failed + first.refused + (uint64_t)first.last_failure_ms, 0);
    assert_int_equal(first.last_success_ms, INT64_C(1000000000));
    assert_int_equal(second.sent, 1);
    struct oxp_courier_view room;
    assert_int_equal(oxp_courier_look(world->courier, &room, 1), 2);
    assert_int_equal(oxp_courier_look(world->courier, NULL, 0), 2);
    world_end(world);
}

/* Rule 1. */
static void again_with_backoff(void **state) {
    (void)state;
    struct world *world = world_begin(one, 1);
    int64_t id = world_put(world, A, "500 503 dead timeout 401 408 200");
    world_wake(world);
    int64_t longest_ms = 1000;
    for (unsigned tries = 1; tries <= 4; tries++, longest_ms *= 2) {
        world_await_sends(world, tries);
        world_await(world, id, OXP_OUTBOX_WAITING);
        while (world_letter(world, id).told < tries) {
            world_quiet(world);
        }
        struct letter letter = world_letter(world, id);
        int64_t delay_ms = letter.due_ms - letter.sent_at_ms;
        assert_in_range(delay_ms, 1, longest_ms);
        if (delay_ms > 1) {
            world_advance(world, (double)(delay_ms - 1) / 1000);
            assert_int_equal(world_quiet(world), tries); /* not before its time */
        }
        world_advance(world, 0.001);
    }
    advance_until(world, id, OXP_OUTBOX_SENT, 20);
    assert_int_equal(world_letter(world, id).exchanges, 7);
    assert_int_equal(look(world, 0).failed, 6);
    assert_int_equal(look(world, 0).sent, 1);
    world_end(world);
}

/* Rule 2. */
static void poison_is_set_aside(void **state) {
    (void)state;
    struct world *world = world_begin(one, 1);
    for (int i = 0; i < 20; i++) {
        world_put(world, A, i == 5 ? "400=no-such-field" : i == 6 ? "refuse" : i == 7 ? "302" : "200");
    }
    world_wake(world);
    world_await(world, 20, OXP_OUTBOX_SENT);
    assert_int_equal(world_letter(world, 6).state, OXP_OUTBOX_ASIDE);
    assert_string_equal(world_letter(world, 6).answer, "HTTP 400: no-such-field");
    assert_int_equal(world_letter(world, 7).state, OXP_OUTBOX_ASIDE);
    assert_string_equal(world_letter(world, 7).answer, "not prepared");
    assert_int_equal(world_letter(world, 7).exchanges, 0);
    assert_int_equal(world_letter(world, 8).state, OXP_OUTBOX_ASIDE);
    assert_int_equal(look(world, 0).refused, 3);
    assert_int_equal(look(world, 0).sent, 17);
    assert_string_equal(look(world, 0).breaker, "closed");
    world_end(world);
}

/* Many that are refused in a row say nothing against the receiver (rule 4). */
static void refusals_open_nothing(void **state) {
    (void)state;
    struct world *world = world_begin(one, 1);
    for (int i = 0; i < 4; i++) {
        world_put(world, A, "500 200");
    }
    for (int i = 0; i < 20; i++) {
        world_put(world, A, "400");
    }
    for (int i = 0; i < 4; i++) {
        world_put(world, A, "500 200");
    }
    int64_t last = world_put(world, A, "200");
    world_wake(world);
    world_await(world, last, OXP_OUTBOX_SENT);
    assert_string_equal(look(world, 0).breaker, "closed");
    world_end(world);
}

/* Rule 3, with Retry-After: one try, then silence for that long, for all messages. */
static void a_storm_that_says_when(void **state) {
    (void)state;
    static const struct {
        const char *storm;
        double wait_s;
    } rows[] = {{"429:7", 7}, {"503:30", 30}, {"429:86400", 3600}};
    for (size_t row = 0; row < sizeof rows / sizeof rows[0]; row++) {
        struct world *world = world_begin(one, 1);
        atomic_store(&world->storm, rows[row].storm);
        for (int i = 0; i < 20; i++) {
            world_put(world, A, "200");
        }
        world_wake(world);
        for (size_t tries = 1; tries <= 5; tries++) {
            world_await_sends(world, tries);
            while (look(world, 0).failed < tries) {
                world_quiet(world);
            }
            world_advance(world, rows[row].wait_s - 0.002);
            assert_int_equal(world_quiet(world), tries);
            if (tries < 5) {
                world_advance(world, 0.003);
            }
        }
        assert_int_equal(look(world, 0).failed, 5);
        bool counts = rows[row].storm[0] == '5'; /* against the breaker */
        assert_string_equal(look(world, 0).breaker, counts ? "open" : "closed");
        atomic_store(&world->storm, NULL);
        advance_until(world, 20, OXP_OUTBOX_SENT, 60);
        for (int i = 1; i <= 20; i++) {
            advance_until(world, i, OXP_OUTBOX_SENT, 60);
        }
        assert_int_equal(look(world, 0).sent, 20);
        world_end(world);
    }
}

/* Rule 3, without: the time doubles, whichever message is tried, and the breaker stays out of it. */
static void a_storm_that_does_not(void **state) {
    (void)state;
    struct world *world = world_begin(one, 1);
    atomic_store(&world->storm, "429:whenever");
    atomic_store(&world->by_due, true);
    for (int i = 0; i < 40; i++) {
        world_put(world, A, "200");
    }
    for (int s = 0; s < 3600; s += 20) {
        world_advance(world, 20);
        world_quiet(world);
    }
    size_t sends = world_quiet(world);
    assert_in_range(sends, 10, 80); /* 150 s between them in the mean, soon */
    assert_string_equal(look(world, 0).breaker, "closed");
    atomic_store(&world->storm, NULL);
    for (int i = 1; i <= 40; i++) {
        advance_until(world, i, OXP_OUTBOX_SENT, 20);
    }
    int64_t next = world_put(world, A, "429 200"); /* and begins anew after an answer */
    world_wake(world);
    while (world_letter(world, next).told == 0) {
        world_quiet(world);
    }
    assert_in_range(world_letter(world, next).due_ms - world_letter(world, next).sent_at_ms, 1, 1000);
    world_end(world);
}

/* Nobody can make us wait for more than an hour, a recipient's own judge neither. */
static void an_own_judge(void **state) {
    (void)state;
    struct world *world = world_begin(one, 1);
    int64_t id = world_put(world, A, "judge:5000 judge:3600001 200");
    static const int64_t expect_ms[] = {5000, 3600000};
    for (unsigned i = 0; i < 2; i++) {
        world_wake(world);
        while (world_letter(world, id).told == i) {
            world_quiet(world);
        }
        assert_int_equal(world_letter(world, id).due_ms - world_letter(world, id).sent_at_ms, expect_ms[i]);
        world_advance(world, (double)expect_ms[i] / 1000 + 0.002);
    }
    world_await(world, id, OXP_OUTBOX_SENT);
    world_end(world);
}

/* Rule 4: five tries, then one in 30, 60, 120, 240, 300, 300 s; what waits is not touched meanwhile. */
static void a_dead_receiver(void **state) {
    (void)state;
    static const double open_s[] = {30, 60, 120, 240, 300, 300};
    struct world *world = world_begin(one, 1);
    atomic_store(&world->storm, "dead");
    for (int i = 0; i < 20; i++) {
        world_put(world, A, "200");
    }
    world_wake(world);
    world_await_sends(world, 5);
    while (look(world, 0).failed < 5) {
        world_quiet(world);
    }
    size_t sends = 5;
    for (size_t i = 0; i < sizeof open_s / sizeof open_s[0]; i++) {
        assert_string_equal(look(world, 0).breaker, "open");
        world_advance(world, open_s[i] - 0.01);
        assert_int_equal(world_quiet(world), sends);
        world_advance(world, 0.02);
        world_await_sends(world, ++sends);
        while (look(world, 0).failed < sends) {
            world_quiet(world);
        }
        assert_int_equal(world_quiet(world), sends);
    }
    unsigned tries = 0;
    for (int i = 1; i <= 20; i++) {
        tries += world_letter(world, i).tries;
    }
    assert_int_equal(tries, sends);
    atomic_store(&world->storm, NULL);
    world_advance(world, 301);
    for (int i = 1; i <= 20; i++) {
        advance_until(world, i, OXP_OUTBOX_SENT, 10);
    }
    assert_string_equal(look(world, 0).breaker, "closed");
    world_end(world);
}

/* Rule 5: messages that break their receiver do not keep the others away from it: not one that was tried (the good one
 * goes before it), nor one that was not (the good one goes right behind it). */
static void a_message_at_fault(void **state) {
    (void)state;
    for (int fresh = 0; fresh <= 1; fresh++) {
        struct world *world = world_begin(one, 1);
        world_put(world, A, "500");
        advance_until_open(world);
        int64_t poison = fresh ? world_put(world, A, "500") : 0;
        int64_t good = world_put(world, A, "200");
        size_t sends = world_quiet(world);
        world_advance(world, 301); /* all are due */
        world_await(world, good, OXP_OUTBOX_SENT);
        assert_int_equal(world->sends[sends], fresh ? poison : good);
        assert_int_equal(world->sends[sends + (size_t)fresh], good);
        assert_string_equal(look(world, 0).breaker, "closed");
        world_end(world);
    }
}

/* Rule 5: but when the other fails too, it is the receiver; and when there is no other, the breaker opens again. */
static void a_receiver_at_fault(void **state) {
    (void)state;
    for (int others = 0; others <= 3; others += 3) {
        struct world *world = world_begin(one, 1);
        world_put(world, A, "500");
        advance_until_open(world);
        for (int i = 0; i < others; i++) {
            world_put(world, A, "500");
        }
        for (int round = 0; round < 2; round++) {
            size_t expect = world_quiet(world) + (others == 0 ? 1 : 2);
            world_advance(world, 301);
            world_await_sends(world, expect);
            while (strcmp(look(world, 0).breaker, "open") != 0) {
                world_quiet(world);
            }
            assert_int_equal(world_quiet(world), expect);
        }
        world_end(world);
    }
}

/* Rule 6. */
static void an_outbox_that_fails(void **state) {
    (void)state;
    struct world *world = world_begin(one, 1);
    atomic_store(&world->fail_tells, 4);
    atomic_store(&world->fail_claims, 1);
    int64_t id = world_put(world, A, "200");
    int64_t next = world_put(world, A, "400");
    world_wake(world);
    while (atomic_load(&world->fail_tells) > 0) {
        assert_int_not_equal(world_letter(world, id).state, OXP_OUTBOX_SENT);
        world_wake(world); /* the pause after a failed claim is a second */
        world_quiet(world);
    }
    world_await(world, id, OXP_OUTBOX_SENT);
    world_await(world, next, OXP_OUTBOX_ASIDE);
    assert_int_equal(world_letter(world, id).exchanges, 1);
    assert_int_equal(world_letter(world, id).tries, 1);
    world_end(world);
}

/* Rule 7. */
static void an_answer_that_is_too_long(void **state) {
    (void)state;
    struct world *world = world_begin(one, 1);
    int64_t id = world_put(world, A, "long");
    world_wake(world);
    world_await(world, id, OXP_OUTBOX_SENT);
    assert_string_equal(world_letter(world, id).answer, "HTTP 200");
    world_end(world);
}

static void what_cannot_be_prepared_waits(void **state) {
    (void)state;
    struct world *world = world_begin(one, 1);
    atomic_store(&world->fail_https, 2);
    int64_t id = world_put(world, A, "later later 200");
    advance_until(world, id, OXP_OUTBOX_SENT, 5);
    assert_int_equal(world_letter(world, id).exchanges, 1);
    assert_int_equal(world_letter(world, id).tries, 3);
    world_end(world);
}

static void one_that_hangs_holds_up_nobody(void **state) {
    (void)state;
    struct world *world = world_begin(two, 2);
    int64_t blocked = world_put(world, A, "block");
    world_wake(world);
    while (atomic_load(&world->blocked) == 0) {
        world_pause(world);
    }
    for (int i = 0; i < 50; i++) {
        int64_t id = world_put(world, B, "200");
        oxp_courier_wake(world->courier, oxp_view_from(B));
        world_await(world, id, OXP_OUTBOX_SENT);
    }
    assert_int_equal(world_letter(world, blocked).state, OXP_OUTBOX_CLAIMED);
    world_end(world);
}

/* Without waking, each would wait for the look of each second. */
static void waking_is_heard(void **state) {
    (void)state;
    struct world *world = world_begin(two, 2);
    const int64_t begun_ns = oxp_clock_mono(oxp_clock_system()).ns;
    for (int i = 0; i < 60; i++) {
        int64_t id = world_put(world, two[i % 2], "200");
        oxp_courier_wake(world->courier, i % 3 == 0 ? OXP_VIEW("") : oxp_view_from(two[i % 2]));
        world_await(world, id, OXP_OUTBOX_SENT);
    }
    assert_true(oxp_clock_mono(oxp_clock_system()).ns - begun_ns < 20 * OXP_NS_PER_S);
    world_end(world);
}

/* Also just when the queue was found empty and its thread does not rest yet. */
static void waking_is_not_lost(void **state) {
    (void)state;
    struct world *world = world_begin(one, 1);
    const int64_t begun_ns = oxp_clock_mono(oxp_clock_system()).ns;
    atomic_store(&world->put_at_end, 60);
    world_wake(world);
    world_await_sends(world, 60);
    assert_true(oxp_clock_mono(oxp_clock_system()).ns - begun_ns < 20 * OXP_NS_PER_S);
    world_end(world);
}

static void what_is_due_later_is_sent_later(void **state) {
    (void)state;
    struct world *world = world_begin(one, 1);
    int64_t later = world_put_later(world, A, "200", 60);
    world_wake(world);
    assert_int_equal(world_quiet(world), 0);
    world_advance(world, 59.9);
    assert_int_equal(world_quiet(world), 0);
    world_advance(world, 0.2);
    world_await(world, later, OXP_OUTBOX_SENT);
    world_end(world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_their_order),
        cmocka_unit_test(again_with_backoff),
        cmocka_unit_test(poison_is_set_aside),
        cmocka_unit_test(refusals_open_nothing),
        cmocka_unit_test(a_storm_that_says_when),
        cmocka_unit_test(a_storm_that_does_not),
        cmocka_unit_test(an_own_judge),
        cmocka_unit_test(a_dead_receiver),
        cmocka_unit_test(a_message_at_fault),
        cmocka_unit_test(a_receiver_at_fault),
        cmocka_unit_test(an_outbox_that_fails),
        cmocka_unit_test(an_answer_that_is_too_long),
        cmocka_unit_test(what_cannot_be_prepared_waits),
        cmocka_unit_test(one_that_hangs_holds_up_nobody),
        cmocka_unit_test(waking_is_heard),
        cmocka_unit_test(waking_is_not_lost),
        cmocka_unit_test(what_is_due_later_is_sent_later),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
