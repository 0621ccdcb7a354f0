/* The bucket of tokens, by hand and by eight threads; and the flag that wakes sleepers. */
#include <oxpecker/retry.h>

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <unistd.h>

#include "tests/support/alloc_fail.h"
#include "tests/unit/lib/resilience/notes.h"

enum { THREADS = 8, ROUNDS = 20000 };

static struct oxp_retry_budget *budget_of(unsigned capacity, unsigned cost, unsigned gain) {
    const struct oxp_retry_budget_options options = {capacity, cost, gain};
    struct oxp_retry_budget *budget = NULL;
    assert_int_equal(oxp_retry_budget_new(&options, &budget), OXP_OK);
    return budget;
}

static void it_is_full_empties_and_fills(void **state) {
    (void)state;
    struct oxp_retry_budget *budget = budget_of(12, 5, 1);
    static const struct {
        char event; /* t take, g give for a success, r give for one after retries */
        bool taken;
        unsigned left;
    } rows[] = {{'g', 0, 12}, {'t', 1, 7}, {'t', 1, 2}, {'t', 0, 2}, {'g', 0, 3},  {'g', 0, 4},  {'t', 0, 4},
                {'g', 0, 5},  {'t', 1, 0}, {'t', 0, 0}, {'r', 0, 5}, {'r', 0, 10}, {'r', 0, 12}, {'g', 0, 12}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (rows[i].event == 't') {
            assert_int_equal(oxp_retry_budget_take(budget), rows[i].taken);
        } else {
            oxp_retry_budget_give(budget, rows[i].event == 'r');
        }
        assert_int_equal(oxp_retry_budget_left(budget), rows[i].left);
    }
    oxp_retry_budget_free(budget);
}

static void defaults_and_nonsense(void **state) {
    (void)state;
    struct oxp_retry_budget *budget = NULL;
    assert_int_equal(oxp_retry_budget_new(NULL, &budget), OXP_OK);
    assert_int_equal(oxp_retry_budget_left(budget), 500);
    assert_true(oxp_retry_budget_take(budget));
    assert_int_equal(oxp_retry_budget_left(budget), 495);
    oxp_retry_budget_give(budget, false);
    assert_int_equal(oxp_retry_budget_left(budget), 496);
    oxp_retry_budget_free(budget);
    static const struct oxp_retry_budget_options bad[] = {{2000000, 1, 1}, {4, 5, 1}, {5, 5, 6}};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        budget = NULL;
        assert_int_equal(oxp_retry_budget_new(&bad[i], &budget), OXP_ERR_INVALID);
        assert_null(budget);
    }
    assert_true(oxp_retry_budget_take(NULL));
    oxp_retry_budget_give(NULL, true);
    oxp_retry_budget_free(NULL);
}

static struct oxp_retry_budget *shared;
static atomic_uint taken;

static void *take_many(void *ctx) {
    (void)ctx;
    for (int i = 0; i < ROUNDS; i++) {
        taken += oxp_retry_budget_take(shared);
        if (i % 4 == 0) {
            oxp_retry_budget_give(shared, false);
        }
    }
    return NULL;
}

static void eight_threads_take_no_more_than_there_is(void **state) {
    (void)state;
    pthread_t threads[THREADS];
    shared = budget_of(1000, 5, 1);
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, take_many, NULL), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    unsigned given = THREADS * ROUNDS / 4;
    assert_true(taken * 5 + oxp_retry_budget_left(shared) <= 1000 + given);
    assert_true(taken >= 200); /* the full bucket at least */
    assert_true(oxp_retry_budget_left(shared) <= 1000);
    oxp_retry_budget_free(shared);
}

/* ---- The flag ---- */

static atomic_int sleeper;

static void *sleep_long(void *ctx) {
    static bool slept;
    sleeper = gettid();
    slept = oxp_cancel_sleep(ctx, 3600); /* the test would not end */
    return &slept;
}

/* Until the kernel says that the thread sleeps. */
static void await_sleep(void) {
    char path[64], state = 0;
    while (state != 'S') {
        snprintf(path, sizeof path, "/proc/self/task/%d/stat", sleeper);
        FILE *file = fopen(path, "r");
        if (file != NULL) {
            if (fscanf(file, "%*d (%*[^)]) %c", &state) != 1) {
                state = 0;
            }
            fclose(file);
        }
        sched_yield();
    }
}

static void the_flag_wakes_sleepers(void **state) {
    (void)state;
    struct oxp_cancel *cancel = NULL;
    pthread_t thread;
    void *slept;
    assert_int_equal(oxp_cancel_new(&cancel), OXP_OK);
    assert_false(oxp_cancel_is_set(cancel));
    assert_false(oxp_cancel_is_set(NULL));
    assert_true(oxp_cancel_sleep(cancel, 0.001));
    assert_true(oxp_cancel_sleep(NULL, 0.001));
    assert_true(oxp_cancel_sleep(cancel, -1));
    assert_int_equal(pthread_create(&thread, NULL, sleep_long, cancel), 0);
    await_sleep();
    oxp_cancel_set(cancel);
    pthread_join(thread, &slept);
    assert_false(*(bool *)slept);
    assert_true(oxp_cancel_is_set(cancel));
    assert_false(oxp_cancel_sleep(cancel, 3600));
    oxp_cancel_free(cancel);
    oxp_cancel_free(NULL);
}

static void make_all(void *ctx) {
    (void)ctx;
    struct oxp_retry_budget *budget = NULL;
    struct oxp_cancel *cancel = NULL;
    bool made = oxp_retry_budget_new(NULL, &budget) == OXP_OK;
    assert_int_equal(made, budget != NULL);
    made = oxp_cancel_new(&cancel) == OXP_OK;
    assert_int_equal(made, cancel != NULL);
    oxp_retry_budget_free(budget);
    oxp_cancel_free(cancel);
}

static void they_may_lack_memory(void **state) {
    (void)state;
    assert_int_equal(alloc_fail_each(make_all, NULL), 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_full_empties_and_fills),
        cmocka_unit_test(defaults_and_nonsense),
        cmocka_unit_test(eight_threads_take_no_more_than_there_is),
        cmocka_unit_test(the_flag_wakes_sleepers),
        cmocka_unit_test(they_may_lack_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
