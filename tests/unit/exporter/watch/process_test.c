/* The process watch over made /proc trees: which process is meant, when it is gone, and counters that never fall. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "exporter/watch/process.h"
#include "tests/support/alloc_fail.h"
#include "tests/unit/lib/resource/tree.h"

struct heard {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    size_t count;
    struct oxp_process_sample last;
};

static struct heard heard;
static double now_s;

static double uptime(void *ctx) {
    (void)ctx;
    return now_s;
}

static void hear(void *ctx, const struct oxp_process_sample *sample) {
    (void)ctx;
    pthread_mutex_lock(&heard.mutex);
    heard.count++;
    heard.last = *sample;
    pthread_cond_signal(&heard.changed);
    pthread_mutex_unlock(&heard.mutex);
}

/* The `count`-th sample, or a later one. */
static struct oxp_process_sample wait_for(size_t count) {
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 30;
    int result = 0;
    pthread_mutex_lock(&heard.mutex);
    while (heard.count < count && result == 0) {
        result = pthread_cond_timedwait(&heard.changed, &heard.mutex, &until);
    }
    struct oxp_process_sample sample = heard.last;
    pthread_mutex_unlock(&heard.mutex);
    assert_int_equal(result, 0);
    return sample;
}

/* The first sample of nobody. */
static struct oxp_process_sample wait_for_absence(void) {
    struct oxp_process_sample sample = wait_for(1);
    for (size_t seen = 1; sample.present; seen++) { /* it is the last one: whatever is heard last may be it */
        sample = wait_for(seen);
    }
    return sample;
}

static size_t count_now(void) {
    pthread_mutex_lock(&heard.mutex);
    size_t count = heard.count;
    pthread_mutex_unlock(&heard.mutex);
    return count;
}

static struct oxp_process_watch *start(const struct tree *tree, int64_t interval_ms, const char *mount) {
    const struct oxp_resource_roots roots = {tree->proc, tree->cgroup};
    const struct oxp_process_watch_options options = {
        .interval_ms = interval_ms, .roots = &roots, .mounts = {mount}, .uptime_s = uptime, .sampled = hear};
    struct oxp_process_watch *watch = NULL;
    heard = (struct heard){.mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    now_s = 1000;
    assert_int_equal(oxp_process_watch_new(&options, &watch), OXP_OK);
    return watch;
}

static const int64_t never_ms = 3600000;

static void put_status(const struct tree *tree, int64_t pid, const char *nspid) {
    char path[64], text[128];
    snprintf(path, sizeof path, "proc/%lld/status", (long long)pid);
    snprintf(text, sizeof text, "Name:\tx\nNSpid:\t%s\n", nspid);
    tree_put(tree, path, text);
}

static void which_process(void **state) {
    (void)state;
    const unsigned hz = (unsigned)sysconf(_SC_CLK_TCK);
    static const struct {
        const char *name;
        int64_t peer, announced, watched; /* 0 = none */
    } rows[] = {
        {"the peer", 40, 40, 40},
        {"the peer, nothing announced", 40, 0, 40},
        {"a helper writes for it", 41, 40, 40},
        {"announced, but not there", 40, 4711, 40},
        {"a peer in a nested namespace", 42, 7, 42},
        {"its number means another process here", 42, 40, 42},
        {"what it announced is nested", 40, 42, 40},
        {"a peer that is not seen", 0, 40, 0},
        {"no credentials", -1, 40, 0},
        {"a peer that is gone", 4711, 4711, 0},
        {"a pid that was reused", 43, 43, 0},
        {"a dead one", 44, 44, 0},
        {"nothing at all", 0, 0, 0},
    };
    struct tree tree;
    tree_make(&tree);
    for (int64_t pid = 40; pid <= 42; pid++) {
        tree_process(&tree, &(struct tree_process){.pid = pid, .parent = 1, .threads = 1, .start = 500 * hz});
    }
    put_status(&tree, 42, "42\t7");
    tree_process(&tree, &(struct tree_process){.pid = 43, .parent = 1, .threads = 1, .start = 1002 * hz});
    tree_process(&tree, &(struct tree_process){.pid = 44, .parent = 1, .state = 'Z', .start = 500 * hz});
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct oxp_process_watch *watch = start(&tree, never_ms, NULL);
        oxp_process_watch_set(watch, rows[i].peer, rows[i].announced);
        struct oxp_process_sample sample = wait_for(1);
        oxp_process_watch_free(watch);
        if (sample.present != (rows[i].watched != 0) || sample.pid != rows[i].watched ||
            (sample.usage.process.known != 0) != sample.present) {
            print_error("row: %s: %lld\n", rows[i].name, (long long)sample.pid);
            fail();
        }
    }
    tree_remove(&tree);
}

static void told_again_it_goes_on(void **state) {
    (void)state;
    struct tree tree;
    tree_make(&tree);
    struct oxp_process_watch *watch = start(&tree, never_ms, NULL);
    const unsigned hz = (unsigned)sysconf(_SC_CLK_TCK);
    struct tree_process process = {.pid = 40, .parent = 1, .threads = 1, .user = 30 * hz, .start = 10};
    tree_process(&tree, &process);
    tree_put(&tree, "proc/40/io", "read_bytes: 500\nwrite_bytes: 600\n");
    oxp_process_watch_set(watch, 40, 0);
    assert_float_equal(wait_for(1).usage.process.cpu_user_s, 30, 1e-9);
    process.user = 20 * hz; /* a child is gone with its share */
    tree_process(&tree, &process);
    tree_put(&tree, "proc/40/io", "read_bytes: 100\nwrite_bytes: 700\n");
    oxp_process_watch_set(watch, 40, 0);
    struct oxp_process_sample sample = wait_for(2);
    assert_float_equal(sample.usage.process.cpu_user_s, 30, 1e-9);
    assert_int_equal(sample.usage.process.read_bytes, 500);
    assert_int_equal(sample.usage.process.write_bytes, 700);
    tree_drop(&tree, "proc/40/io"); /* hidden for once */
    oxp_process_watch_set(watch, 40, 0);
    sample = wait_for(3);
    assert_int_equal(sample.usage.process.known & OXP_PROCESS_DISK, 0);
    assert_int_equal(sample.usage.process.read_bytes, 0);
    process.start = 11; /* another process: it begins anew */
    tree_process(&tree, &process);
    oxp_process_watch_set(watch, 40, 0);
    assert_float_equal(wait_for(4).usage.process.cpu_user_s, 20, 1e-9);
    oxp_process_watch_clear(watch);
    sample = wait_for(5);
    assert_false(sample.present);
    assert_int_equal(sample.pid, 0);
    oxp_process_watch_free(watch);
    assert_int_equal(heard.count, 5);
    tree_remove(&tree);
}

/* The interval runs for real here, but nothing depends on how long it is. */
static void gone_and_reused(void **state) {
    (void)state;
    struct tree tree;
    tree_make(&tree);
    struct tree_process process = {.pid = 40, .parent = 1, .threads = 3, .start = 10};
    static const char *const ways[] = {"gone", "another", "dead"};
    for (size_t i = 0; i < 3; i++) {
        process.state = 'S';
        process.start = 10;
        tree_process(&tree, &process);
        struct oxp_process_watch *watch = start(&tree, 2, NULL);
        oxp_process_watch_set(watch, 40, 0);
        assert_int_equal(wait_for(3).usage.process.threads, 3);
        if (i == 0) {
            tree_drop(&tree, "proc/40");
        } else {
            process.state = i == 2 ? 'Z' : 'S';
            process.start = i == 1 ? 11 : 10;
            tree_process(&tree, &process);
        }
        struct oxp_process_sample sample = wait_for_absence();
        if (sample.pid != 0 || sample.usage.process.known != 0) {
            print_error("row: %s\n", ways[i]);
            fail();
        }
        /* it is told of once, and it does not come back by itself */
        size_t count = count_now();
        process.state = 'S';
        process.start = 10;
        tree_process(&tree, &process);
        const struct timespec some = {.tv_nsec = 20000000};
        nanosleep(&some, NULL); /* a chance to fail */
        assert_int_equal(count_now(), count);
        oxp_process_watch_free(watch);
    }
    tree_remove(&tree);
}

static void file_systems(void **state) {
    (void)state;
    struct tree tree;
    tree_make(&tree);
    struct oxp_process_watch *watch = start(&tree, 2, "/tmp");
    struct oxp_process_sample sample = wait_for(2); /* without a process too */
    oxp_process_watch_free(watch);
    assert_false(sample.present);
    assert_true(sample.avail_known[0] && sample.avail_bytes[0] > 0);
    assert_false(sample.avail_known[1]);
    watch = start(&tree, 2, "/no/such/folder");
    assert_false(wait_for(1).avail_known[0]);
    oxp_process_watch_free(watch);
    tree_remove(&tree);
}

static void refused_options(void **state) {
    (void)state;
    const struct oxp_process_watch_options rows[] = {
        {.interval_ms = 0, .sampled = hear},
        {.interval_ms = -1, .sampled = hear},
        {.interval_ms = 86400001, .sampled = hear},
        {.interval_ms = 1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct oxp_process_watch *watch = NULL;
        assert_int_equal(oxp_process_watch_new(&rows[i], &watch), OXP_ERR_INVALID);
        assert_null(watch);
    }
    oxp_process_watch_free(NULL);
}

static void start_and_stop(void *ctx) {
    (void)ctx;
    struct oxp_process_watch *watch = NULL;
    const struct oxp_process_watch_options options = {.interval_ms = 1000, .mounts = {"/", "/tmp"}, .sampled = hear};
    enum oxp_status status = oxp_process_watch_new(&options, &watch);
    assert_true(status == OXP_OK || (status == OXP_ERR_NOMEM && watch == NULL && alloc_fail_hit()));
    oxp_process_watch_free(watch);
}

static void allocations_fail(void **state) {
    (void)state;
    heard = (struct heard){.mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    assert_int_equal(alloc_fail_each(start_and_stop, NULL), 5);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(which_process), cmocka_unit_test(told_again_it_goes_on), cmocka_unit_test(gone_and_reused),
        cmocka_unit_test(file_systems),  cmocka_unit_test(refused_options),       cmocka_unit_test(allocations_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
