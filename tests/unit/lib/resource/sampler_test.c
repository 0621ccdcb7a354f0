/* The sampler's thread: first reading at once, then at each interval, and a quick stop. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/support/alloc_fail.h"
#include "tests/support/tally.h"
#include "tests/unit/lib/resource/tree.h"
#include <oxpecker/resource.h>

struct heard {
    struct tally tally; /* its mutex guards the rest */
    bool first_is_nan, second_is_known, blocks_signals;
    double last_s;
};

static void heard_init(struct heard *heard) {
    *heard = (struct heard){.tally = TALLY_INIT};
}

static void hear(void *ctx, const struct oxp_resource_usage *usage, double cpu_percent) {
    struct heard *heard = ctx;
    sigset_t blocked;
    pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    pthread_mutex_lock(&heard->tally.mutex);
    heard->first_is_nan = heard->tally.count == 0 ? isnan(cpu_percent) : heard->first_is_nan;
    heard->second_is_known = heard->tally.count == 1 ? !isnan(cpu_percent) : heard->second_is_known;
    heard->blocks_signals = sigismember(&blocked, SIGTERM) == 1;
    heard->last_s = usage->taken_s;
    tally_add_locked(&heard->tally);
    pthread_mutex_unlock(&heard->tally.mutex);
}

static void at_once_and_at_each_interval(void **state) {
    (void)state;
    struct heard heard;
    heard_init(&heard);
    struct oxp_resource_sampler_options options = {.interval_s = 0.005, .sampled = hear, .ctx = &heard};
    struct oxp_resource_sampler *sampler = NULL;
    assert_int_equal(oxp_resource_sampler_new(&options, &sampler), OXP_OK);
    tally_wait(&heard.tally, 5);
    oxp_resource_sampler_free(sampler);
    assert_true(heard.first_is_nan && heard.second_is_known && heard.blocks_signals);
    sigset_t blocked;
    pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    assert_int_equal(sigismember(&blocked, SIGTERM), 0); /* ours are as they were */
}

static void stops_at_once(void **state) {
    (void)state;
    struct heard heard;
    heard_init(&heard);
    struct oxp_resource_sampler_options options = {.sampled = hear, .ctx = &heard}; /* 5 s */
    struct oxp_resource_sampler *sampler = NULL;
    assert_int_equal(oxp_resource_sampler_new(&options, &sampler), OXP_OK);
    tally_wait(&heard.tally, 1);
    pid_t child = fork();
    if (child == 0) {
        oxp_resource_sampler_free(sampler); /* there is no thread to wait for */
        _exit(7);
    }
    int how = 0;
    assert_int_equal(waitpid(child, &how, 0), child);
    assert_true(WIFEXITED(how) && WEXITSTATUS(how) == 7);
    oxp_resource_sampler_free(sampler);
    assert_int_equal(heard.tally.count, 1);
    oxp_resource_sampler_free(NULL);
}

static void a_process_that_is_not_there_is_not_heard_of(void **state) {
    (void)state;
    struct tree tree;
    tree_make(&tree);
    struct heard heard;
    heard_init(&heard);
    struct oxp_resource_roots roots = {tree.proc, tree.cgroup};
    struct oxp_resource_sampler_options options = {
        .pid = 40, .interval_s = 0.002, .roots = &roots, .sampled = hear, .ctx = &heard};
    struct oxp_resource_sampler *sampler = NULL;
    assert_int_equal(oxp_resource_sampler_new(&options, &sampler), OXP_OK);
    tree_process(&tree, &(struct tree_process){.pid = 40, .parent = 1, .threads = 1});
    tally_wait(&heard.tally, 2); /* it has come */
    oxp_resource_sampler_free(sampler);
    tree_remove(&tree);
}

static void refused_options(void **state) {
    (void)state;
    const struct oxp_resource_sampler_options rows[] = {
        {.interval_s = 1},
        {.interval_s = -1, .sampled = hear},
        {.interval_s = NAN, .sampled = hear},
        {.interval_s = 86401, .sampled = hear},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct oxp_resource_sampler *sampler = NULL;
        assert_int_equal(oxp_resource_sampler_new(&rows[i], &sampler), OXP_ERR_INVALID);
        assert_null(sampler);
    }
}

static void start_and_stop(void *ctx) {
    struct oxp_resource_sampler *sampler = NULL;
    struct oxp_resource_roots roots = {"/proc", "/sys/fs/cgroup"};
    struct oxp_resource_sampler_options options = {.sampled = hear, .ctx = ctx, .roots = &roots};
    enum oxp_status status = oxp_resource_sampler_new(&options, &sampler);
    assert_true(status == OXP_OK || (status == OXP_ERR_NOMEM && sampler == NULL && alloc_fail_hit()));
    oxp_resource_sampler_free(sampler);
}

static void allocations_fail(void **state) {
    (void)state;
    struct heard heard;
    heard_init(&heard);
    assert_int_equal(alloc_fail_each(start_and_stop, &heard), 3);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(at_once_and_at_each_interval),
        cmocka_unit_test(stops_at_once),
        cmocka_unit_test(a_process_that_is_not_there_is_not_heard_of),
        cmocka_unit_test(refused_options),
        cmocka_unit_test(allocations_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
