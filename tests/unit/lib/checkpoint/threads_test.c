/* Eight threads that save, load and remove at the same time; fork in the middle of it; how long a caller is held. */
#include <oxpecker/checkpoint.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/clock.h"
#include "tests/unit/lib/checkpoint/sink.h"

#define THREADS 8
#define ROUNDS 200

static struct oxp_store *memory;
static struct faulty faulty;
static struct sink sink;
static struct oxp_checkpoints *checkpoints;

static int set_up(void **state) {
    (void)state;
    memory = oxp_store_memory_new(NULL);
    faulty_init(&faulty, memory);
    sink_init(&sink);
    struct oxp_checkpoints_options options = {
        .store = &faulty.store, .reporter = &sink.reporter, .retry_ms = 1, .queue_max = 4};
    return oxp_checkpoints_new(&options, &checkpoints) != OXP_OK;
}

static int tear_down(void **state) {
    (void)state;
    (void)pthread_mutex_trylock(&faulty.gate); /* a test that failed may have left it locked */
    pthread_mutex_unlock(&faulty.gate);
    oxp_checkpoints_free(checkpoints);
    oxp_store_free(memory);
    return 0;
}

static struct oxp_checkpoint of(const char *task, char *text, unsigned number) {
    snprintf(text, 32, "%u", number);
    return (struct oxp_checkpoint){.task = oxp_view_from(task), .state = oxp_view_from(text)};
}

static unsigned state_of(const struct oxp_checkpoint *checkpoint) {
    return (unsigned)strtoul(checkpoint->state.ptr, NULL, 10);
}

static void *work(void *ctx) {
    unsigned seed = *(const unsigned *)ctx;
    char task[16], text[32];
    snprintf(task, sizeof task, "task-%u", seed);
    unsigned last = 0;
    bool well = true;
    for (unsigned i = 1; i <= ROUNDS && well; i++) {
        struct oxp_checkpoint checkpoint = of(task, text, i);
        if (i % 50 == 0) {
            well = oxp_checkpoint_save_now(checkpoints, &checkpoint, NULL) == OXP_OK;
        } else {
            enum oxp_status status = oxp_checkpoint_save(checkpoints, &checkpoint);
            well = status == OXP_OK || status == OXP_ERR_FULL;
            if (status == OXP_ERR_FULL) {
                continue;
            }
        }
        last = i;
        if (i % 16 == 0) { /* what was saved is what is loaded, written or not */
            struct oxp_checkpoint *out = NULL;
            well = well && oxp_checkpoint_load(checkpoints, oxp_view_from(task), &out, NULL) == OXP_OK &&
                   state_of(out) == last;
            oxp_checkpoint_free(out);
        }
        if (i % 70 == 0) {
            well = well && oxp_checkpoint_done_now(checkpoints, oxp_view_from(task), NULL) == OXP_OK;
        }
        struct oxp_checkpoints_stats stats;
        oxp_checkpoints_stats(checkpoints, &stats);
    }
    return well ? ctx : NULL;
}

static void test_threads(void **state) {
    (void)state;
    pthread_t threads[THREADS];
    unsigned seeds[THREADS];
    for (unsigned i = 0; i < THREADS; i++) {
        seeds[i] = i;
        assert_int_equal(pthread_create(&threads[i], NULL, work, &seeds[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        void *result = NULL;
        pthread_join(threads[i], &result);
        assert_ptr_equal(result, &seeds[i]);
    }
    assert_int_equal(oxp_checkpoints_flush(checkpoints, 30000), OXP_OK);
    struct oxp_checkpoint_counts counts;
    assert_int_equal(oxp_checkpoints_verify(checkpoints, OXP_VIEW(""), &counts, NULL), OXP_OK);
    assert_true(counts.ok >= THREADS && counts.ok <= 3 * THREADS);
}

/* The thread sanitizer does not follow a child that starts threads; there it writes itself. */
static enum oxp_status save_in_child(const struct oxp_checkpoint *checkpoint) {
#ifdef __SANITIZE_THREAD__
    return oxp_checkpoint_save_now(checkpoints, checkpoint, NULL);
#else
    return oxp_checkpoint_save(checkpoints, checkpoint);
#endif
}

/* The child of a process whose threads are in the middle of everything. */
static bool child_works(void) {
    char text[32];
    struct oxp_checkpoint checkpoint = of("child", text, 1);
    struct oxp_checkpoint *out = NULL;
    bool well = save_in_child(&checkpoint) == OXP_OK && oxp_checkpoints_flush(checkpoints, 10000) == OXP_OK &&
                oxp_checkpoint_load(checkpoints, OXP_VIEW("child"), &out, NULL) == OXP_OK && state_of(out) == 1;
    oxp_checkpoint_free(out);
    oxp_checkpoints_free(checkpoints);
    return well;
}

static void assert_child(bool (*body)(void)) {
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        alarm(60);
        pthread_mutex_init(&sink.lock, NULL); /* a thread of the parent may have been in it */
        _exit(body() ? 0 : 1);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        fail_msg("child: status %x", (unsigned)status);
    }
}

static void test_fork(void **state) {
    (void)state;
#ifdef __SANITIZE_ADDRESS__
    skip(); /* its allocator may be locked at the moment of the fork, and then is for ever in the child */
#endif
    pthread_t threads[THREADS];
    unsigned seeds[THREADS];
    for (unsigned i = 0; i < THREADS; i++) {
        seeds[i] = i;
        assert_int_equal(pthread_create(&threads[i], NULL, work, &seeds[i]), 0);
    }
    for (int i = 0; i < 5; i++) {
        assert_child(child_works);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        void *result = NULL;
        pthread_join(threads[i], &result);
        assert_ptr_equal(result, &seeds[i]);
    }
    struct oxp_checkpoint *out = NULL; /* a child's memory is its own */
    assert_int_equal(oxp_checkpoint_load(checkpoints, OXP_VIEW("child"), &out, NULL), OXP_ERR_NOT_FOUND);
}

/* While the store hangs: the fork does not wait for it, and the child writes none of what the parent has queued. */
static bool child_of_hanging_store(void) {
    char text[32];
    struct oxp_checkpoint checkpoint = of("child", text, 1);
    pthread_mutex_init(&faulty.gate, NULL); /* the child's store works */
    struct oxp_checkpoint *out = NULL;
    return save_in_child(&checkpoint) == OXP_OK && oxp_checkpoints_flush(checkpoints, 10000) == OXP_OK &&
           oxp_checkpoint_load(checkpoints, OXP_VIEW("child"), &out, NULL) == OXP_OK &&
           oxp_checkpoint_load(checkpoints, OXP_VIEW("queued"), &out, NULL) == OXP_ERR_NOT_FOUND;
}

static void test_fork_while_store_hangs(void **state) {
    (void)state;
    char text[32];
    struct oxp_checkpoint first = of("first", text, 1), queued = of("queued", text, 1);
    pthread_mutex_lock(&faulty.gate);
    assert_int_equal(oxp_checkpoint_save(checkpoints, &first), OXP_OK);
    while (atomic_load(&faulty.waiting) == 0) {
        sched_yield();
    }
    assert_int_equal(oxp_checkpoint_save(checkpoints, &queued), OXP_OK);
    assert_child(child_of_hanging_store);
    pthread_mutex_unlock(&faulty.gate);
    assert_int_equal(oxp_checkpoints_flush(checkpoints, 10000), OXP_OK);
    struct oxp_checkpoint *out = NULL;
    assert_int_equal(oxp_checkpoint_load(checkpoints, OXP_VIEW("queued"), &out, NULL), OXP_OK);
    oxp_checkpoint_free(out);
}

/* A save never waits for the store: the store stands still for all of this. */
static void test_hold_time(void **state) {
    (void)state;
    static char large[65536];
    memset(large, 'x', sizeof large);
    large[0] = large[sizeof large - 1] = '"';
    struct oxp_checkpoint checkpoint = {.task = OXP_VIEW("first"), .context = oxp_view_of(large, sizeof large)};
    pthread_mutex_lock(&faulty.gate);
    assert_int_equal(oxp_checkpoint_save(checkpoints, &checkpoint), OXP_OK);
    while (atomic_load(&faulty.waiting) == 0) {
        sched_yield();
    }
    checkpoint.task = OXP_VIEW("held");
    int slow = 0;
    for (int i = 0; i < 200; i++) {
        int64_t began = oxp_clock_mono(oxp_clock_system()).ns;
        assert_int_equal(oxp_checkpoint_save(checkpoints, &checkpoint), OXP_OK);
        slow += oxp_clock_mono(oxp_clock_system()).ns - began > 5 * OXP_NS_PER_MS;
    }
    pthread_mutex_unlock(&faulty.gate);
    assert_true(slow <= 100); /* a busy machine may take the core away; the bench has the figures */
    assert_int_equal(oxp_checkpoints_flush(checkpoints, 10000), OXP_OK);
}

/* Freed in the middle: what waits is written. */
static void test_free_writes(void **state) {
    (void)state;
    char text[32];
    struct oxp_checkpoint checkpoint = of("last", text, 7);
    assert_int_equal(oxp_checkpoint_save(checkpoints, &checkpoint), OXP_OK);
    oxp_checkpoints_free(checkpoints);
    struct oxp_checkpoints_options options = {.store = memory};
    assert_int_equal(oxp_checkpoints_new(&options, &checkpoints), OXP_OK);
    struct oxp_checkpoint *out = NULL;
    assert_int_equal(oxp_checkpoint_load(checkpoints, OXP_VIEW("last"), &out, NULL), OXP_OK);
    assert_int_equal(state_of(out), 7);
    oxp_checkpoint_free(out);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(test_threads),   CASE(test_fork),        CASE(test_fork_while_store_hangs),
        CASE(test_hold_time), CASE(test_free_writes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
