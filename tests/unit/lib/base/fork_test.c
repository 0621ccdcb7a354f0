/* The list of what a fork must find whole: its order, and that threads which take the locks in that order never wait
 * for the forking one for ever. */
#include "lib/base/fork.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char said[128];

static void say(const char *what, const void *ctx) {
    size_t used = strlen(said);
    snprintf(said + used, sizeof said - used, "%s%s ", what, (const char *)ctx);
}

static void before(void *ctx) {
    say("+", ctx);
}

static void parent(void *ctx) {
    say("-", ctx);
}

static void child(void *ctx) {
    say("*", ctx);
}

static struct oxp_fork_entry entry(enum oxp_fork_rank rank, const char *name) {
    return (struct oxp_fork_entry){rank, before, parent, child, (void *)(uintptr_t)name, NULL, NULL};
}

static void outer_ranks_and_newer_ones_come_first(void **state) {
    struct oxp_fork_entry client = entry(OXP_FORK_CLIENT, "client"), store = entry(OXP_FORK_STORE, "store"),
                          old = entry(OXP_FORK_PART, "old"), new = entry(OXP_FORK_PART, "new");
    int status = 0;
    (void)state;
    oxp_fork_add(&client);
    oxp_fork_add(&old);
    oxp_fork_add(&store);
    oxp_fork_add(&new);
    pid_t pid = fork();
    if (pid == 0) {
        _exit(strcmp(said, "+new +old +store +client *client *store *old *new ") == 0 ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_string_equal(said, "+new +old +store +client -client -store -old -new ");
    said[0] = '\0';
    oxp_fork_remove(&old);
    oxp_fork_remove(&client);
    pid = fork();
    if (pid == 0) {
        _exit(0);
    }
    waitpid(pid, &status, 0);
    assert_string_equal(said, "+new +store -store -new ");
    oxp_fork_remove(&new);
    oxp_fork_remove(&store);
    said[0] = '\0';
    pid = fork();
    if (pid == 0) {
        _exit(0);
    }
    waitpid(pid, &status, 0);
    assert_string_equal(said, "");
}

static pthread_mutex_t part = PTHREAD_MUTEX_INITIALIZER, reporter = PTHREAD_MUTEX_INITIALIZER;
static atomic_bool enough;

/* A part that reports while it holds its lock. */
static void *report_on_and_on(void *arg) {
    while (!atomic_load(&enough)) {
        pthread_mutex_lock(&part);
        pthread_mutex_lock(&reporter);
        pthread_mutex_unlock(&reporter);
        pthread_mutex_unlock(&part);
    }
    return arg;
}

static void a_fork_while_somebody_reports(void **state) {
    struct oxp_fork_entry outer, inner;
    pthread_t thread;
    (void)state;
    oxp_fork_add_mutex(&outer, OXP_FORK_PART, &part); /* added first: pthread_atfork would take it last */
    oxp_fork_add_mutex(&inner, OXP_FORK_CLIENT, &reporter);
    pthread_create(&thread, NULL, report_on_and_on, NULL);
    for (int i = 0; i < 200; i++) {
        int status = 1;
        pid_t pid = fork();
        if (pid == 0) {
            _exit(pthread_mutex_trylock(&part) | pthread_mutex_trylock(&reporter));
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
    }
    atomic_store(&enough, true);
    pthread_join(thread, NULL);
    oxp_fork_remove(&outer);
    oxp_fork_remove(&inner);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(outer_ranks_and_newer_ones_come_first),
        cmocka_unit_test(a_fork_while_somebody_reports),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
