#include "exporter/loop/loop.h"

#include "lib/base/clock.h"
#include "tests/support/alloc_fail.h"
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
    struct oxp_clock_manual clock;
    struct oxp_loop *loop;
    char trace[256]; /* one letter for each callback */
};

static struct fixture fixture;

static int setup(void **state) {
    memset(&fixture, 0, sizeof fixture);
    oxp_clock_manual_init(&fixture.clock, 1000.0);
    *state = &fixture;
    return oxp_loop_new(&fixture.clock.clock, &fixture.loop) == OXP_OK ? 0 : -1;
}

static int teardown(void **state) {
    (void)state;
    oxp_loop_free(fixture.loop);
    return 0;
}

static void note(char letter) {
    size_t len = strlen(fixture.trace);
    if (len + 1 < sizeof fixture.trace) {
        fixture.trace[len] = letter;
    }
}

static void note_ctx(void *ctx) {
    note(*(const char *)ctx);
}

static void turn(void) {
    assert_int_equal(oxp_loop_turn(fixture.loop, 0), OXP_OK);
}

static void expect_trace(const char *wanted) {
    assert_string_equal(fixture.trace, wanted);
    memset(fixture.trace, 0, sizeof fixture.trace);
}

static struct oxp_timer *timer_of(oxp_loop_fn *fn, void *ctx) {
    struct oxp_timer *timer = NULL;
    assert_int_equal(oxp_timer_new(fixture.loop, fn, ctx, &timer), OXP_OK);
    return timer;
}

static void advance_ms(int ms) {
    oxp_clock_manual_advance(&fixture.clock, ms / 1000.0);
}

/* ---- timers ---- */

static void timers_fire_in_order_of_deadlines(void **state) {
    (void)state;
    static const struct {
        const char *name;
        int delay_ms[5]; /* of timers a to e; -1 = not started */
        const char *fired_by_10, *fired_by_20;
    } rows[] = {
        {"in order", {1, 2, 3, 4, 5}, "abcde", ""},
        {"backwards", {5, 4, 3, 2, 1}, "edcba", ""},
        {"equal ones in the order of their starts", {7, 7, 7, 7, 7}, "abcde", ""},
        {"at the very moment", {10, 11, 10, 20, 21}, "ac", "bd"},
        {"zero and less than zero are due at once", {3, 0, -5, 3, -1}, "bcad", ""},
        {"none", {-1, -1, -1, -1, -1}, "", ""},
    };
    char letters[] = "abcde";
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        print_message("%s\n", rows[i].name);
        struct oxp_timer *timers[5];
        for (size_t t = 0; t < 5; t++) {
            timers[t] = timer_of(note_ctx, &letters[t]);
            if (rows[i].delay_ms[t] != -1) {
                oxp_timer_start(timers[t], rows[i].delay_ms[t]);
            }
        }
        advance_ms(10);
        turn();
        expect_trace(rows[i].fired_by_10);
        advance_ms(10);
        turn();
        expect_trace(rows[i].fired_by_20);
        for (size_t t = 0; t < 5; t++) {
            oxp_timer_free(timers[t]);
        }
    }
    oxp_timer_free(NULL);
}

static void starting_again_replaces_the_earlier_start(void **state) {
    (void)state;
    char a = 'a';
    struct oxp_timer *timer = timer_of(note_ctx, &a);
    oxp_timer_start(timer, 5);
    oxp_timer_start(timer, 50);
    advance_ms(10);
    turn();
    expect_trace("");
    oxp_timer_start(timer, 1);
    advance_ms(1);
    turn();
    advance_ms(100);
    turn();
    expect_trace("a");
    oxp_timer_start(timer, 1);
    oxp_timer_stop(timer);
    oxp_timer_stop(timer);
    advance_ms(100);
    turn();
    expect_trace("");
    oxp_timer_start(timer, INT64_MAX); /* far away, not overflowed into the past */
    advance_ms(100000);
    turn();
    expect_trace("");
}

static void periods_are_even_and_late_ticks_are_skipped(void **state) {
    (void)state;
    char a = 'a';
    struct oxp_timer *timer = timer_of(note_ctx, &a);
    oxp_timer_every(timer, 10);
    static const struct {
        int advance_ms;
        const char *fired;
    } rows[] = {{9, ""}, {1, "a"}, {0, ""},   {10, "a"},     {35, "a"},
                {4, ""}, {1, "a"}, {10, "a"}, {100000, "a"}, {10, "a"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        print_message("row %zu\n", i);
        advance_ms(rows[i].advance_ms);
        turn();
        expect_trace(rows[i].fired);
    }
    oxp_timer_every(timer, 0); /* the least period is 1 ms */
    turn();
    expect_trace("");
    advance_ms(1);
    turn();
    expect_trace("a");
}

struct self {
    struct oxp_timer *timer, *other;
};

static void free_both(void *ctx) {
    struct self *self = ctx;
    note('f');
    oxp_timer_free(self->timer);
    oxp_timer_free(self->other);
}

static void start_again_at_once(void *ctx) {
    note('s');
    oxp_timer_start(((struct self *)ctx)->timer, 0);
}

static void timers_may_be_freed_and_started_in_callbacks(void **state) {
    (void)state;
    char x = 'x';
    struct self self = {0};
    self.timer = timer_of(free_both, &self);
    self.other = timer_of(note_ctx, &x);
    oxp_timer_every(self.timer, 5); /* frees itself although it would fire again */
    oxp_timer_start(self.other, 5); /* due at the same time, but gone by then */
    advance_ms(5);
    turn();
    expect_trace("f");

    struct self again = {0};
    again.timer = timer_of(start_again_at_once, &again);
    struct oxp_timer *late = timer_of(note_ctx, &x);
    oxp_timer_start(again.timer, 0);
    oxp_timer_start(late, 0);
    turn(); /* once a turn, and it does not keep the other one waiting */
    expect_trace("sx");
    turn();
    expect_trace("s");
    oxp_timer_free(again.timer);
}

/* Many timers against a plain model: each row of the model is a deadline, 0 = not running. */
static int64_t model[300];
static int64_t model_now_ms;

static void model_fired(void *ctx) {
    int64_t *row = ctx;
    assert_true(*row != 0 && *row <= model_now_ms);
    for (size_t i = 0; i < 300; i++) {
        assert_true(model[i] == 0 || model[i] >= *row); /* none that was due earlier is left */
    }
    *row = 0;
}

static void many_timers_agree_with_a_model(void **state) {
    (void)state;
    struct oxp_timer *timers[300];
    memset(model, 0, sizeof model);
    model_now_ms = 0;
    for (size_t i = 0; i < 300; i++) {
        timers[i] = timer_of(model_fired, &model[i]);
    }
    uint32_t seed = 7;
    for (int step = 0; step < 20000; step++) {
        seed = seed * 1664525u + 1013904223u;
        size_t i = (seed >> 8) % 300;
        int64_t delay = (seed >> 20) % 50 + 1;
        if (seed >> 30 == 0) {
            oxp_timer_stop(timers[i]);
            model[i] = 0;
        } else {
            oxp_timer_start(timers[i], delay);
            model[i] = model_now_ms + delay;
        }
        if (step % 5 == 0) {
            model_now_ms++;
            fixture.clock.mono_now.ns += OXP_NS_PER_MS;
            turn();
            for (size_t t = 0; t < 300; t++) {
                assert_true(model[t] == 0 || model[t] > model_now_ms);
            }
        }
    }
}

/* ---- watches ---- */

struct watched {
    struct oxp_watch *watch, *victims[3];
    int ends[2];
    char letter;
};

static void note_and_remove(void *ctx, uint32_t events) {
    struct watched *watched = ctx;
    assert_true(events & EPOLLIN);
    note(watched->letter);
    for (size_t i = 0; i < 3; i++) {
        oxp_watch_remove(watched->victims[i]);
        watched->victims[i] = NULL;
    }
}

static void watch_pipe(struct watched *watched, char letter) {
    *watched = (struct watched){.letter = letter};
    assert_int_equal(pipe(watched->ends), 0);
    assert_int_equal(write(watched->ends[1], "x", 1), 1);
    assert_int_equal(oxp_loop_watch(fixture.loop, watched->ends[0], EPOLLIN, note_and_remove, watched, &watched->watch),
                     OXP_OK);
}

static void close_pipe(struct watched *watched) {
    close(watched->ends[0]);
    close(watched->ends[1]);
}

static void a_removed_watch_is_not_called_even_in_the_same_batch(void **state) {
    (void)state;
    struct watched a, b, c;
    watch_pipe(&a, 'a');
    watch_pipe(&b, 'b');
    watch_pipe(&c, 'c');
    /* Whichever comes first removes all three, itself included. */
    struct watched *all[] = {&a, &b, &c};
    for (size_t i = 0; i < 3; i++) {
        memcpy(all[i]->victims, (struct oxp_watch *[]){a.watch, b.watch, c.watch}, sizeof a.victims);
    }
    turn();
    assert_int_equal(strlen(fixture.trace), 1);
    turn();
    assert_int_equal(strlen(fixture.trace), 1);
    for (size_t i = 0; i < 3; i++) {
        close_pipe(all[i]);
    }
}

static void watches_are_level_triggered_and_can_be_changed(void **state) {
    (void)state;
    struct watched a;
    watch_pipe(&a, 'a');
    turn();
    turn();
    expect_trace("aa");
    assert_int_equal(oxp_watch_change(a.watch, 0), OXP_OK);
    turn();
    expect_trace("");
    assert_int_equal(oxp_watch_change(a.watch, EPOLLIN), OXP_OK);
    turn();
    expect_trace("a");
    struct oxp_watch *none = NULL;
    assert_int_not_equal(oxp_loop_watch(fixture.loop, -1, EPOLLIN, note_and_remove, &a, &none), OXP_OK);
    assert_null(none);
    oxp_watch_remove(a.watch);
    oxp_watch_remove(NULL);
    close_pipe(&a);
}

/* ---- mailbox, one thread ---- */

static void post_more(void *ctx) {
    note('m');
    assert_int_equal(oxp_loop_post(fixture.loop, note_ctx, ctx), OXP_OK);
}

static void call_from_inside(void *ctx) {
    note('(');
    assert_int_equal(oxp_loop_call(fixture.loop, note_ctx, ctx, 0), OXP_OK);
    note(')');
}

static void stop_from_inside(void *ctx) {
    (void)ctx;
    note('!');
    oxp_loop_stop(fixture.loop);
}

static void posts_run_in_order_one_turn_at_a_time(void **state) {
    (void)state;
    char letters[] = "abc";
    assert_int_equal(oxp_loop_post(fixture.loop, note_ctx, &letters[0]), OXP_OK);
    assert_int_equal(oxp_loop_post(fixture.loop, post_more, &letters[2]), OXP_OK);
    assert_int_equal(oxp_loop_post(fixture.loop, call_from_inside, &letters[1]), OXP_OK);
    expect_trace("");
    turn();
    expect_trace("am(b)");
    turn();
    expect_trace("c");
}

static void the_end_of_the_loop_runs_accepted_posts_and_refuses_more(void **state) {
    (void)state;
    char a = 'a';
    oxp_loop_post(fixture.loop, stop_from_inside, NULL);
    oxp_loop_post(fixture.loop, post_more, &a);
    assert_int_equal(oxp_loop_run(fixture.loop), OXP_OK);
    expect_trace("!ma");
    assert_int_equal(oxp_loop_post(fixture.loop, note_ctx, &a), OXP_ERR_CLOSED);
    assert_int_equal(oxp_loop_call(fixture.loop, note_ctx, &a, 1000), OXP_ERR_CLOSED);
    assert_int_equal(oxp_loop_run(fixture.loop), OXP_ERR_CLOSED);
    assert_int_equal(oxp_loop_turn(fixture.loop, 0), OXP_ERR_CLOSED);
    expect_trace("");
}

static void a_call_to_a_loop_that_does_not_run_times_out(void **state) {
    (void)state;
    char a = 'a';
    assert_int_equal(oxp_loop_call(fixture.loop, note_ctx, &a, 0), OXP_ERR_TIMEOUT);
    assert_int_equal(oxp_loop_call(fixture.loop, note_ctx, &a, 1), OXP_ERR_TIMEOUT);
    turn();
    expect_trace(""); /* certain not to have run, and never to run */
}

static void posts_of_a_loop_that_never_ran_are_freed(void **state) {
    (void)state;
    char a = 'a';
    oxp_loop_post(fixture.loop, note_ctx, &a);
    oxp_loop_post(fixture.loop, note_ctx, &a); /* the leak checker watches */
}

static void on_signal(int number) {
    (void)number;
    oxp_loop_stop(fixture.loop);
}

static void raise_signal(void *ctx) {
    raise(*(int *)ctx);
}

static void stopping_in_a_signal_handler_ends_the_loop(void **state) {
    (void)state;
    int number = SIGUSR1;
    struct sigaction action = {.sa_handler = on_signal}, old;
    sigaction(number, &action, &old);
    oxp_loop_post(fixture.loop, raise_signal, &number);
    assert_int_equal(oxp_loop_run(fixture.loop), OXP_OK);
    sigaction(number, &old, NULL);
}

/* ---- threads ---- */

#define THREADS 4
#define ROUNDS 3000

struct load {
    struct oxp_loop *loop;
    uint64_t on_loop; /* plain, as only the loop thread touches it */
    atomic_ulong posted, ran, timed_out, closed;
};

static void *run_loop(void *ctx) {
    struct load *load = ctx;
    assert_int_equal(oxp_loop_run(load->loop), OXP_OK);
    return NULL;
}

static void count_one(void *ctx) {
    ((struct load *)ctx)->on_loop++;
}

struct answer {
    struct load *load;
    bool ran;
};

static void answer_one(void *ctx) {
    struct answer *answer = ctx;
    answer->load->on_loop++;
    answer->ran = true;
}

static void count_status(struct load *load, enum oxp_status status, bool ran) {
    if (status == OXP_OK) {
        assert_true(ran);
        atomic_fetch_add(&load->ran, 1);
        return;
    }
    assert_false(ran);
    atomic_fetch_add(status == OXP_ERR_TIMEOUT ? &load->timed_out : &load->closed, 1);
}

/* Posts and calls in turn; every third call has a time that is over before it begins, so that all ends are met. */
static void *post_and_call(void *ctx) {
    struct load *load = ctx;
    for (int i = 0; i < ROUNDS; i++) {
        if (oxp_loop_post(load->loop, count_one, load) == OXP_OK) {
            atomic_fetch_add(&load->posted, 1);
        }
        struct answer answer = {.load = load};
        enum oxp_status status = oxp_loop_call(load->loop, answer_one, &answer, i % 3 == 0 ? 0 : 10000);
        count_status(load, status, answer.ran);
    }
    return NULL;
}

static void start_load(struct load *load, pthread_t threads[THREADS + 1]) {
    *load = (struct load){0};
    assert_int_equal(oxp_loop_new(oxp_clock_system(), &load->loop), OXP_OK);
    assert_int_equal(pthread_create(&threads[THREADS], NULL, run_loop, load), 0);
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, post_and_call, load), 0);
    }
}

static void join_all(pthread_t *threads, size_t count) {
    for (size_t i = 0; i < count; i++) {
        pthread_join(threads[i], NULL);
    }
}

static void four_threads_post_and_call(void **state) {
    (void)state;
    struct load load;
    pthread_t threads[THREADS + 1];
    start_load(&load, threads);
    join_all(threads, THREADS);
    oxp_loop_stop(load.loop);
    join_all(threads + THREADS, 1);
    assert_int_equal(load.posted, THREADS * ROUNDS);
    assert_int_equal(load.ran + load.timed_out, THREADS * ROUNDS);
    assert_int_equal(load.closed, 0);
    assert_int_equal(load.on_loop, load.posted + load.ran);
    print_message("%lu calls ran, %lu timed out\n", load.ran, load.timed_out);
    oxp_loop_free(load.loop);
}

static void the_loop_ends_under_four_threads(void **state) {
    (void)state;
    for (int round = 0; round < 20; round++) {
        struct load load;
        pthread_t threads[THREADS + 1];
        start_load(&load, threads);
        while (atomic_load(&load.ran) < (unsigned long)round * 20) {
            sched_yield();
        }
        oxp_loop_stop(load.loop);
        join_all(threads, THREADS + 1);
        assert_int_equal(load.ran + load.timed_out + load.closed, THREADS * ROUNDS);
        assert_int_equal(load.on_loop, load.posted + load.ran);
        oxp_loop_free(load.loop);
    }
}

/* A job that says when it has begun, and does not end before it is let go. */
struct gate {
    struct oxp_loop *loop;
    atomic_bool begun, open;
    atomic_bool timer_fired;
};

static void wait_for(atomic_bool *flag) {
    while (!atomic_load(flag)) {
        sched_yield();
    }
}

static void pass_gate(void *ctx) {
    struct gate *gate = ctx;
    atomic_store(&gate->begun, true);
    wait_for(&gate->open);
}

static void *call_with_short_time(void *ctx) {
    struct gate *gate = ctx;
    enum oxp_status status = OXP_ERR_TIMEOUT;
    while (status == OXP_ERR_TIMEOUT) { /* until it was begun within its time */
        status = oxp_loop_call(gate->loop, pass_gate, gate, 1);
    }
    assert_int_equal(status, OXP_OK);
    assert_true(atomic_load(&gate->open));
    return NULL;
}

static void *run_gate_loop(void *ctx) {
    assert_int_equal(oxp_loop_run(((struct gate *)ctx)->loop), OXP_OK);
    return NULL;
}

static void open_gate(void *ctx) {
    atomic_store(&((struct gate *)ctx)->open, true);
}

static void a_call_that_runs_when_its_time_is_over_is_waited_for(void **state) {
    (void)state;
    struct gate gate = {0};
    pthread_t threads[2];
    assert_int_equal(oxp_loop_new(oxp_clock_system(), &gate.loop), OXP_OK);
    pthread_create(&threads[0], NULL, run_gate_loop, &gate);
    pthread_create(&threads[1], NULL, call_with_short_time, &gate);
    wait_for(&gate.begun);
    /* While that one runs, another caller's time is over before its turn: it never runs. */
    struct load unused = {0};
    struct answer answer = {.load = &unused};
    assert_int_equal(oxp_loop_call(gate.loop, answer_one, &answer, 20), OXP_ERR_TIMEOUT);
    open_gate(&gate);
    join_all(threads + 1, 1);
    assert_int_equal(oxp_loop_call(gate.loop, count_one, &unused, -1), OXP_OK);
    assert_int_equal(unused.on_loop, 1);
    assert_false(answer.ran);
    oxp_loop_stop(gate.loop);
    join_all(threads, 1);
    oxp_loop_free(gate.loop);
}

static void *call_without_limit(void *ctx) {
    struct gate *gate = ctx;
    struct load unused = {0};
    struct answer answer = {.load = &unused};
    assert_int_equal(oxp_loop_call(gate->loop, answer_one, &answer, -1), OXP_ERR_CLOSED);
    assert_false(answer.ran);
    return NULL;
}

static void waiting_calls_are_woken_when_the_loop_ends(void **state) {
    (void)state;
    struct gate gate = {0};
    pthread_t callers[THREADS];
    assert_int_equal(oxp_loop_new(oxp_clock_system(), &gate.loop), OXP_OK);
    oxp_loop_stop(gate.loop); /* the loop ends in its first moment, with callers before, during and after it */
    for (size_t i = 0; i < THREADS; i++) {
        pthread_create(&callers[i], NULL, call_without_limit, &gate);
    }
    assert_int_equal(oxp_loop_run(gate.loop), OXP_OK);
    join_all(callers, THREADS);
    oxp_loop_free(gate.loop);
}

static void stop_and_note(void *ctx) {
    struct gate *gate = ctx;
    atomic_store(&gate->timer_fired, true);
    oxp_loop_stop(gate->loop);
}

static void a_sleeping_loop_wakes_for_its_timer(void **state) {
    (void)state;
    struct gate gate = {0};
    struct oxp_timer *timer = NULL;
    assert_int_equal(oxp_loop_new(oxp_clock_system(), &gate.loop), OXP_OK);
    assert_int_equal(oxp_timer_new(gate.loop, stop_and_note, &gate, &timer), OXP_OK);
    int64_t from_ns = oxp_clock_mono(oxp_clock_system()).ns;
    oxp_timer_start(timer, 3);
    assert_int_equal(oxp_loop_run(gate.loop), OXP_OK);
    assert_true(atomic_load(&gate.timer_fired));
    assert_true(oxp_clock_mono(oxp_clock_system()).ns - from_ns >= 3 * OXP_NS_PER_MS);
    oxp_loop_free(gate.loop);
}

/* ---- memory ---- */

static void ignore_watch(void *ctx, uint32_t events) {
    (void)ctx;
    (void)events;
}

static void build_a_loop(void *ctx) {
    struct oxp_loop *loop = NULL;
    struct oxp_timer *timers[40];
    struct oxp_watch *watch = NULL;
    if (oxp_loop_new(oxp_clock_system(), &loop) != OXP_OK) {
        return;
    }
    for (size_t i = 0; i < 40; i++) { /* past the first room of the heap */
        if (oxp_timer_new(loop, note_ctx, ctx, &timers[i]) == OXP_OK) {
            oxp_timer_start(timers[i], 1000);
        }
    }
    if (oxp_loop_watch(loop, STDIN_FILENO, EPOLLIN, ignore_watch, NULL, &watch) == OXP_ERR_NOMEM) {
        assert_null(watch);
    }
    enum oxp_status status = oxp_loop_post(loop, note_ctx, ctx);
    assert_true(status == OXP_OK || status == OXP_ERR_NOMEM);
    oxp_loop_free(loop);
}

static void every_allocation_may_fail(void **state) {
    (void)state;
    char a = 'a';
    assert_true(alloc_fail_each(build_a_loop, &a) >= 44);
    oxp_loop_free(NULL);
}

#define ON_LOOP(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        ON_LOOP(timers_fire_in_order_of_deadlines),
        ON_LOOP(starting_again_replaces_the_earlier_start),
        ON_LOOP(periods_are_even_and_late_ticks_are_skipped),
        ON_LOOP(timers_may_be_freed_and_started_in_callbacks),
        ON_LOOP(many_timers_agree_with_a_model),
        ON_LOOP(a_removed_watch_is_not_called_even_in_the_same_batch),
        ON_LOOP(watches_are_level_triggered_and_can_be_changed),
        ON_LOOP(posts_run_in_order_one_turn_at_a_time),
        ON_LOOP(the_end_of_the_loop_runs_accepted_posts_and_refuses_more),
        ON_LOOP(a_call_to_a_loop_that_does_not_run_times_out),
        ON_LOOP(posts_of_a_loop_that_never_ran_are_freed),
        ON_LOOP(stopping_in_a_signal_handler_ends_the_loop),
        cmocka_unit_test(four_threads_post_and_call),
        cmocka_unit_test(the_loop_ends_under_four_threads),
        cmocka_unit_test(a_call_that_runs_when_its_time_is_over_is_waited_for),
        cmocka_unit_test(waiting_calls_are_woken_when_the_loop_ends),
        cmocka_unit_test(a_sleeping_loop_wakes_for_its_timer),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
