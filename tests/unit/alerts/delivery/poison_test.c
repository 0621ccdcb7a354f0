/* Messages that fail while others get through, on a clock that moves by hand: they keep nobody from the receiver, and
 * are set aside in the end; and nobody is set aside for a receiver that fails them all. Rules 5 and 8 of courier.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/alerts/delivery/world.h"

static const char *const one[] = {"oncall/webhook/0"};
#define A one[0]

static void pass(struct world *world, int seconds, int step_s) {
    for (int s = 0; s < seconds; s += step_s) {
        world_advance(world, step_s);
        world_quiet(world);
    }
}

/* Some that always fail, and good ones behind them. */
static void poisons_starve_nobody(void **state) {
    (void)state;
    static const struct {
        const char *answer;
        int poisons;
        int within_s;
    } rows[] = {
        {"500", 2, 60},   {"500", 4, 60},     {"500", 8, 120}, {"dead", 1, 60},    {"dead", 2, 60},
        {"dead", 6, 200}, {"timeout", 3, 60}, {"429", 1, 120}, {"503:20", 2, 120},
    };
    enum { GOOD = 3 };
    for (size_t row = 0; row < sizeof rows / sizeof rows[0]; row++) {
        struct world *world = world_begin(one, 1);
        for (int i = 0; i < rows[row].poisons; i++) {
            world_put(world, A, rows[row].answer);
        }
        pass(world, 20, 4); /* the breaker is open */
        int64_t last = 0;
        for (int i = 0; i < GOOD; i++) {
            last = world_put(world, A, "200");
        }
        pass(world, rows[row].within_s, 10);
        for (int64_t id = last - GOOD + 1; id <= last; id++) { /* the clock stands; a slow machine may need a while */
            world_await(world, id, OXP_OUTBOX_SENT);
        }
        world_end(world);
    }
}

/* One that fails for an hour while others get through is set aside with its reason; it is tried seldom. */
static void a_poison_is_set_aside(void **state) {
    (void)state;
    static const struct {
        const char *answer, *reason;
    } rows[] = {
        {"500=cannot-read-this",
         "10 tries failed while others were delivered; the last one: HTTP 500: cannot-read-this"},
        {"dead", "10 tries failed while others were delivered; the last one: no answer: nobody there"},
        {"401", "10 tries failed while others were delivered; the last one: HTTP 401"},
    };
    for (size_t row = 0; row < sizeof rows / sizeof rows[0]; row++) {
        struct world *world = world_begin(one, 1);
        int64_t poison = world_put(world, A, rows[row].answer);
        int64_t other = world_put(world, A, "500 500 200"); /* fails, but not for long */
        int seconds = 0;
        for (; world_letter(world, poison).state != OXP_OUTBOX_ASIDE && seconds < 3600; seconds += 30) {
            int64_t good = world_put(world, A, "200");
            world_advance(world, 30);
            world_await(world, good, OXP_OUTBOX_SENT);
            world_quiet(world);
            if (seconds < 900) {
                assert_int_not_equal(world_letter(world, poison).state, OXP_OUTBOX_ASIDE);
            }
        }
        assert_int_equal(world_letter(world, poison).state, OXP_OUTBOX_ASIDE);
        assert_string_equal(world_letter(world, poison).answer, rows[row].reason);
        assert_in_range(world_letter(world, poison).exchanges, 10, 16);
        assert_int_equal(world_letter(world, other).state, OXP_OUTBOX_SENT);
        struct oxp_courier_view view;
        assert_int_equal(oxp_courier_look(world->courier, &view, 1), 1);
        assert_int_equal(view.refused, 1);
        world_end(world);
    }
}

/* Nobody is set aside because the receiver fails them all, however long, nor one that is alone; and it does not matter
 * that others had been delivered before. */
static void a_receiver_that_is_down_sets_nobody_aside(void **state) {
    (void)state;
    static const char *const storms[] = {"500", "dead"};
    for (size_t row = 0; row < 4; row++) {
        struct world *world = world_begin(one, 1);
        world_put(world, A, "200");
        pass(world, 10, 10);
        atomic_store(&world->storm, storms[row % 2]);
        const int count = row < 2 ? 20 : 1;
        for (int i = 0; i < count; i++) {
            world_put(world, A, "200");
        }
        pass(world, 2 * 3600, 200);
        for (int64_t id = 2; id <= count + 1; id++) {
            assert_int_equal(world_letter(world, id).state, OXP_OUTBOX_WAITING);
        }
        atomic_store(&world->storm, NULL);
        pass(world, 900, 60);
        for (int64_t id = 2; id <= count + 1; id++) {
            world_await(world, id, OXP_OUTBOX_SENT);
        }
        world_end(world);
    }
}

/* Rule 5: in the queue's order, after one that failed the oldest, and so on by turns; from the beginning after one that
 * was delivered. It is the last that was put, and the first that is probed when the breaker has opened, the fifth after
 * a 429. */
static void probes_take_turns(void **state) {
    (void)state;
    static const struct {
        const char *answer, *good, *probes;
    } rows[] = {
        {"500", NULL, "qaqaqa"},   {"dead", NULL, "qaqaqa"}, {"500", "200", "qqaqaq"},
        {"dead", "200", "qqaqaq"}, {"429", "200", "qaqaqq"},
    };
    for (size_t row = 0; row < sizeof rows / sizeof rows[0]; row++) {
        struct world *world = world_begin(one, 1);
        print_message("%s and %s\n", rows[row].answer, rows[row].good == NULL ? "nobody" : rows[row].good);
        for (int i = 0; i < 6; i++) {
            world_put(world, A, i == 5 && rows[row].good != NULL ? rows[row].good : rows[row].answer);
        }
        char probes[sizeof world->probes] = "";
        for (int s = 0; s < 7200 && strlen(probes) < strlen(rows[row].probes); s += 30) {
            pass(world, 30, 10);
            pthread_mutex_lock(&world->lock);
            memcpy(probes, world->probes, sizeof probes);
            pthread_mutex_unlock(&world->lock);
        }
        probes[strlen(rows[row].probes)] = '\0';
        assert_string_equal(probes, rows[row].probes);
        world_end(world);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(poisons_starve_nobody),
        cmocka_unit_test(a_poison_is_set_aside),
        cmocka_unit_test(a_receiver_that_is_down_sets_nobody_aside),
        cmocka_unit_test(probes_take_turns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
