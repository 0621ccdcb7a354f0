/* The poller's thread: starting, stopping, being woken, many callers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <pthread.h>

#include "exporter/provider/poller.h"
#include "tests/support/alloc_fail.h"
#include "tests/unit/exporter/provider/fake.h"

static const struct fake_rule well[] = {
    {"POST", OXP_OK, 200, "{}"}, {"v1/sessions?", OXP_OK, 200, "[]"}, {NULL, 0, 0, NULL}};

static struct fake fake;
static struct oxp_poller_options options;

static struct oxp_poller *start(void) {
    struct oxp_poller *poller = NULL;
    struct oxp_error error = {0};
    if (oxp_poller_new(&options, &poller, &error) != OXP_OK) {
        fail_msg("%s", error.text);
    }
    return poller;
}

static void at_once_and_again(void **state) {
    (void)state;
    fake_init(&fake, well, &options);
    options.interval_ms = 2;
    char url[] = "http://provider";
    options.base_url = url;
    struct oxp_poller *poller = start();
    memset(url, 'x', sizeof url - 1); /* it was copied */
    assert_true(fake_wait(&fake, &fake.polls, 10));
    oxp_poller_free(poller);
    assert_null(strstr(fake.heard, "failed"));
    assert_int_equal(fake.requests, fake.polls * 2);
    fake_fini(&fake);
}

/* The next poll is an hour away; a release is not. */
static void a_release_wakes(void **state) {
    (void)state;
    fake_init(&fake, well, &options);
    options.interval_ms = 3600000;
    options.release = OXP_RELEASE_ON;
    struct oxp_poller *poller = start();
    assert_true(fake_wait(&fake, &fake.polls, 1));
    assert_int_equal(oxp_poller_release(poller, OXP_VIEW("a")), OXP_OK);
    assert_true(fake_wait(&fake, &fake.settled, 1));
    oxp_poller_free(poller);
    assert_int_equal(fake.polls, 1);
    assert_non_null(strstr(fake.heard, "released a ok\n"));
    fake_fini(&fake);
}

static void *let_go(void *ctx) {
    struct timespec a_moment = {.tv_nsec = 20000000};
    nanosleep(&a_moment, NULL); /* so that oxp_poller_free is likely to wait already; either order is right */
    fake_let_go(ctx);
    return NULL;
}

/* Whatever request is under way: free waits for it, no other follows, nothing is told. */
static void stopped_while_asking(void **state) {
    (void)state;
    static const char *const asks[] = {"a", "b", NULL};
    for (size_t held = 0; held < 6; held++) {
        fake_init(&fake, well, &options);
        options.project_id = "p";
        options.interval_ms = 3600000;
        fake.asks = asks;
        fake.pass = held;
        struct oxp_poller *poller = start();
        assert_true(fake_wait(&fake, &fake.requests, held + 1)); /* it waits for an answer */
        pthread_mutex_lock(&fake.mutex);
        size_t requests = fake.requests, len = strlen(fake.heard);
        pthread_mutex_unlock(&fake.mutex);
        pthread_t thread;
        oxp_poller_stop(poller);
        assert_int_equal(pthread_create(&thread, NULL, let_go, &fake), 0);
        oxp_poller_free(poller);
        pthread_join(thread, NULL);
        assert_int_equal(fake.requests, requests);
        assert_int_equal(strlen(fake.heard), len);
        fake_fini(&fake);
    }
}

struct caller {
    struct oxp_poller *poller;
    int number;
};

static void *call_often(void *ctx) {
    const struct caller *caller = ctx;
    for (int i = 0; i < 200; i++) {
        char id[32];
        snprintf(id, sizeof id, "s%d-%d", caller->number, i % 40);
        enum oxp_status status = oxp_poller_release(caller->poller, oxp_view_from(id));
        assert_true(status == OXP_OK || status == OXP_IGNORED || status == OXP_ERR_LIMIT);
        if (i % 50 == 0) {
            oxp_poller_set_release(caller->poller, (enum oxp_release_mode)((caller->number + i / 50) % 3));
        }
    }
    return NULL;
}

static void many_callers(void **state) {
    (void)state;
    fake_init(&fake, well, &options);
    options.interval_ms = 1;
    options.release = OXP_RELEASE_ON;
    struct oxp_poller *poller = start();
    pthread_t threads[4];
    struct caller callers[4];
    for (int i = 0; i < 4; i++) {
        callers[i] = (struct caller){poller, i};
        assert_int_equal(pthread_create(&threads[i], NULL, call_often, &callers[i]), 0);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
    }
    oxp_poller_set_release(poller, OXP_RELEASE_OFF);
    oxp_poller_set_release(poller, OXP_RELEASE_ON);
    pthread_mutex_lock(&fake.mutex);
    size_t settled = fake.settled;
    fake.heard[0] = fake.log[0] = '\0';
    pthread_mutex_unlock(&fake.mutex);
    assert_int_equal(oxp_poller_release(poller, OXP_VIEW("the-last")), OXP_OK);
    assert_true(fake_wait(&fake, &fake.settled, settled + 1));
    oxp_poller_free(poller);
    fake_fini(&fake);
}

/* A callback may queue a release: that is what the wiring does in `answered`. */
static struct oxp_poller *late_poller;
static pthread_mutex_t late_mutex = PTHREAD_MUTEX_INITIALIZER;
static void (*heard_answered)(void *ctx, const struct oxp_provider_answer *answer);

static void release_in_answered(void *ctx, const struct oxp_provider_answer *answer) {
    pthread_mutex_lock(&late_mutex); /* until oxp_poller_new has come back */
    (void)oxp_poller_release(late_poller, OXP_VIEW("orphan"));
    pthread_mutex_unlock(&late_mutex);
    heard_answered(ctx, answer);
}

static void released_from_a_callback(void **state) {
    (void)state;
    fake_init(&fake, well, &options);
    options.interval_ms = 3600000;
    options.release = OXP_RELEASE_ON;
    heard_answered = options.answered;
    options.answered = release_in_answered;
    pthread_mutex_lock(&late_mutex);
    late_poller = start();
    pthread_mutex_unlock(&late_mutex);
    assert_true(fake_wait(&fake, &fake.settled, 1));
    oxp_poller_free(late_poller);
    assert_non_null(strstr(fake.heard, "released orphan ok\n"));
    fake_fini(&fake);
}

static void start_and_stop(void *ctx) {
    struct oxp_poller *poller = NULL;
    struct oxp_error error = {0};
    enum oxp_status status = oxp_poller_new(ctx, &poller, &error);
    assert_true(status == OXP_OK || (status == OXP_ERR_NOMEM && poller == NULL && alloc_fail_hit()));
    oxp_poller_free(poller);
}

static void allocations_fail(void **state) {
    (void)state;
    fake_init(&fake, well, &options);
    assert_int_equal(alloc_fail_each(start_and_stop, &options), 4);
    fake_fini(&fake);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(at_once_and_again),        cmocka_unit_test(a_release_wakes),
        cmocka_unit_test(stopped_while_asking),     cmocka_unit_test(many_callers),
        cmocka_unit_test(released_from_a_callback), cmocka_unit_test(allocations_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
