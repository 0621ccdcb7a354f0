/* What retries and breakers cost a call that works at once, beside a bare call through a pointer with the reads of the
 * clock that each cannot do without. Prints `name value unit limit_name limit_value`. */
#include <math.h>
#include <oxpecker/breaker.h>
#include <oxpecker/retry.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { ROUNDS = 7, CALLS = 1000000 };

/* The thread's own time: what others do on the machine is not ours. */
static double now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static unsigned long calls; /* keeps the work alive */
static double clock_sum;

static void read_clock(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    clock_sum += (double)now.tv_nsec;
}

static bool work(void *ctx, unsigned attempt, struct oxp_retry_failure *failure_out) {
    (void)ctx;
    (void)failure_out;
    calls += attempt;
    return true;
}

/* Volatile, so that it is a real call. */
static bool (*volatile bare)(void *ctx, unsigned attempt, struct oxp_retry_failure *failure_out) = work;

static struct oxp_retry_options options = {.op = {"extract", 7}, .upstream = {"stagehand", 9}};
static struct oxp_breaker *breaker;
static struct oxp_code const *code;

static void one_clock(void) {
    read_clock();
    bare(NULL, 1, NULL);
}

static void two_clocks(void) {
    read_clock();
    bare(NULL, 1, NULL);
    read_clock();
}

static void three_clocks(void) {
    read_clock();
    two_clocks();
}

static void retry_success(void) {
    oxp_retry_call(&options, work, NULL, NULL);
}

static void enter_leave(void) {
    struct oxp_breaker_ticket ticket;
    if (oxp_breaker_enter(breaker, &ticket)) {
        bare(NULL, 1, NULL);
        oxp_breaker_leave(&ticket, OXP_BREAKER_SUCCESS);
    }
}

static void decide(void) {
    struct oxp_retry retry;
    struct oxp_retry_decision decision;
    const struct oxp_retry_failure failure = {.code = code, .message = {"socket hang up", 14}};
    oxp_retry_begin(&retry, &options, 0);
    oxp_retry_failed(&retry, &failure, 0, 0.5, &decision);
    calls += decision.attempt;
}

/* The best of a few rounds, ns for one. */
static double measure(void (*body)(void)) {
    double best = INFINITY;
    for (int round = 0; round < ROUNDS; round++) {
        double start = now_ns();
        for (int i = 0; i < CALLS; i++) {
            body();
        }
        best = fmin(best, (now_ns() - start) / CALLS);
    }
    return best;
}

static void compare(const char *name, void (*ours)(void), const char *limit_name, void (*limit)(void)) {
    double limit_ns = measure(limit);
    printf("%s %.1f ns/op %s %.1f\n", name, measure(ours), limit_name, limit_ns);
    fflush(stdout);
}

int main(void) {
    struct oxp_breakers *breakers = NULL;
    struct oxp_retry_budget *budget = NULL;
    code = oxp_code_find(OXP_VIEW("net_reset"));
    if (oxp_breakers_new(NULL, &breakers) != OXP_OK || oxp_retry_budget_new(NULL, &budget) != OXP_OK) {
        return 1;
    }
    breaker = oxp_breaker_get(breakers, "bench", NULL);
    compare("retry_immediate_success", retry_success, "call_and_clock", one_clock);
    options.budget = budget;
    options.breaker = breaker;
    compare("retry_with_budget_and_breaker", retry_success, "call_and_3_clocks", three_clocks);
    compare("breaker_enter_leave", enter_leave, "call_and_2_clocks", two_clocks);
    compare("retry_decision_on_failure", decide, "call_and_clock", one_clock);
    oxp_retry_budget_free(budget);
    oxp_breakers_free(breakers);
    return calls > 0 && clock_sum >= 0 ? 0 : 1;
}
