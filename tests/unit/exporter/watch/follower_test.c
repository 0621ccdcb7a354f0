/* The follower's thread: a file by interval, a pipe at once, a stop without waiting, and no line lost or twice under
 * rotation. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "exporter/watch/follow.h"
#include "lib/base/number.h"
#include "tests/support/alloc_fail.h"
#include "tests/unit/lib/resource/tree.h"

struct heard {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    uint64_t count;
    bool in_order;
    bool opened;
};

static void heard_init(struct heard *heard) {
    *heard = (struct heard){.mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER, .in_order = true};
}

/* Lines are numbers from 0. */
static void on_line(void *ctx, struct oxp_view line) {
    struct heard *heard = ctx;
    uint64_t number = UINT64_MAX;
    (void)oxp_number_parse_u64(line, &number);
    pthread_mutex_lock(&heard->mutex);
    heard->in_order = heard->in_order && number == heard->count;
    heard->count++;
    pthread_cond_signal(&heard->changed);
    pthread_mutex_unlock(&heard->mutex);
}

static void on_noticed(void *ctx, enum oxp_follow_notice notice, const char *detail) {
    struct heard *heard = ctx;
    (void)detail;
    pthread_mutex_lock(&heard->mutex);
    heard->opened = heard->opened || notice == OXP_FOLLOW_OPENED;
    pthread_cond_signal(&heard->changed);
    pthread_mutex_unlock(&heard->mutex);
}

static void wait_for(struct heard *heard, uint64_t count) {
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 60;
    int result = 0;
    pthread_mutex_lock(&heard->mutex);
    while ((heard->count < count || !heard->opened) && result == 0) {
        result = pthread_cond_timedwait(&heard->changed, &heard->mutex, &until);
    }
    pthread_mutex_unlock(&heard->mutex);
    assert_int_equal(result, 0);
}

static struct oxp_follower *follow(struct heard *heard, const char *path, int64_t interval_ms) {
    const struct oxp_follow_options options = {
        .path = path, .from_start = true, .line = on_line, .noticed = on_noticed, .ctx = heard};
    struct oxp_follower *follower = NULL;
    heard_init(heard);
    assert_int_equal(oxp_follower_new(&options, interval_ms, &follower), OXP_OK);
    return follower;
}

static void rotations_lose_nothing(void **state) {
    (void)state;
    enum { FILES = 8, LINES = 3000 };
    struct tree tree;
    tree_make(&tree);
    char path[128], name[160];
    snprintf(path, sizeof path, "%s/app.log", tree.root);
    struct heard heard;
    struct oxp_follower *follower = follow(&heard, path, 1);
    unsigned number = 0;
    for (unsigned i = 0; i < FILES; i++) {
        FILE *file = fopen(path, "a");
        assert_non_null(file);
        for (unsigned line = 0; line < LINES; line++) {
            fprintf(file, "%u\n", number++);
        }
        fclose(file); /* in blocks that end within lines */
        wait_for(&heard, number);
        snprintf(name, sizeof name, "%s.%u", path, i);
        assert_int_equal(rename(path, name), 0);
    }
    oxp_follower_free(follower);
    assert_true(heard.in_order);
    assert_int_equal(heard.count, FILES * LINES);
    tree_remove(&tree);
}

/* Lines that are written when the follower is back are its own, however late its thread comes to look. */
static void nothing_is_missed_after_the_start(void **state) {
    (void)state;
    struct tree tree;
    tree_make(&tree);
    char path[128];
    snprintf(path, sizeof path, "%s/app.log", tree.root);
    for (unsigned i = 0; i < 300; i++) {
        struct heard heard;
        heard_init(&heard);
        const struct oxp_follow_options options = {.path = path, .line = on_line, .noticed = on_noticed, .ctx = &heard};
        struct oxp_follower *follower = NULL;
        tree_put(&tree, "app.log", "an old line\n");
        int fd = open(path, O_WRONLY | O_APPEND);
        assert_int_equal(oxp_follower_new(&options, 1, &follower), OXP_OK);
        assert_int_equal(write(fd, "0\n1\n", 4), 4);
        close(fd);
        wait_for(&heard, 2);
        oxp_follower_free(follower);
        assert_true(heard.in_order);
        assert_int_equal(heard.count, 2);
    }
    tree_remove(&tree);
}

static void a_pipe_is_read_at_once(void **state) {
    (void)state;
    struct tree tree;
    tree_make(&tree);
    char path[128];
    snprintf(path, sizeof path, "%s/fifo", tree.root);
    assert_int_equal(mkfifo(path, 0600), 0);
    struct heard heard;
    struct oxp_follower *follower = follow(&heard, path, 3600000);
    wait_for(&heard, 0);
    int fd = open(path, O_WRONLY);
    assert_int_equal(write(fd, "0\n", 2), 2);
    wait_for(&heard, 1);
    assert_int_equal(write(fd, "1\n2\n", 4), 4);
    wait_for(&heard, 3);
    close(fd);
    oxp_follower_free(follower);
    assert_true(heard.in_order);
    tree_remove(&tree);
}

static void stops_without_waiting(void **state) {
    (void)state;
    struct timespec start, end;
    clock_gettime(CLOCK_MONOTONIC, &start);
    struct heard heard;
    oxp_follower_free(follow(&heard, "/no/such/file", 3600000));
    oxp_follower_free(NULL);
    clock_gettime(CLOCK_MONOTONIC, &end);
    assert_true(end.tv_sec - start.tv_sec < 60);
}

static void refused_options(void **state) {
    (void)state;
    struct oxp_follower *follower = NULL;
    struct oxp_follow_options options = {.path = "x", .line = on_line};
    assert_int_equal(oxp_follower_new(&options, 0, &follower), OXP_ERR_INVALID);
    assert_int_equal(oxp_follower_new(&options, 3600001, &follower), OXP_ERR_INVALID);
    options.line = NULL;
    assert_int_equal(oxp_follower_new(&options, 1, &follower), OXP_ERR_INVALID);
    assert_null(follower);
}

static void start_and_stop(void *ctx) {
    const struct oxp_follow_options options = {.path = "/no/such/file", .line = on_line, .ctx = ctx};
    struct oxp_follower *follower = NULL;
    enum oxp_status status = oxp_follower_new(&options, 1000, &follower);
    assert_true(status == OXP_OK || (status == OXP_ERR_NOMEM && follower == NULL && alloc_fail_hit()));
    oxp_follower_free(follower);
}

static void allocations_fail(void **state) {
    (void)state;
    struct heard heard;
    heard_init(&heard);
    assert_int_equal(alloc_fail_each(start_and_stop, &heard), 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rotations_lose_nothing), cmocka_unit_test(nothing_is_missed_after_the_start),
        cmocka_unit_test(a_pipe_is_read_at_once), cmocka_unit_test(stops_without_waiting),
        cmocka_unit_test(refused_options),        cmocka_unit_test(allocations_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
