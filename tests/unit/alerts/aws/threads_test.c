/* Keys asked for by many threads: fetched once, and nobody waits for a refresh that may fail. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/alerts/aws/fake.h"

enum { THREADS = 6, ROUNDS = 30 };

static struct fake fake;
static struct oxp_aws_credentials *credentials;
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
static atomic_bool inside;

static bool get(const char *wanted) {
    struct oxp_arena arena;
    struct oxp_aws_keys keys;
    oxp_arena_init(&arena, 0);
    bool good = oxp_aws_keys_get(credentials, false, &arena, &keys, NULL) == OXP_OK &&
                oxp_view_is(keys.access_key_id, wanted) && oxp_view_is(keys.secret_access_key, "js");
    oxp_arena_fini(&arena);
    return good;
}

static void *ask_often(void *ctx) {
    uintptr_t good = 0;
    char source[32];
    for (int i = 0; i < ROUNDS; i++) {
        good += get(ctx);
        oxp_aws_credentials_source(credentials, source, sizeof source);
    }
    return (void *)good;
}

#define JSON(id, expires)                                                                                              \
    "{\"AccessKeyId\": \"" id "\", \"SecretAccessKey\": \"js\", \"Token\": \"jt\", \"Expiration\": \"" expires "\"}"

static void begin(const char *body) {
    struct oxp_aws_place place = {.fips = false};
    fake_init(&fake);
    fake_set(&fake, "AWS_CONFIG_FILE", "/nonexistent/a");
    fake_set(&fake, "AWS_SHARED_CREDENTIALS_FILE", "/nonexistent/b");
    fake_set(&fake, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/c");
    fake_answer(&fake, (struct fake_answer){.http = 200, .body = body});
    assert_int_equal(oxp_aws_credentials_new(&fake.world, &place, &credentials), OXP_OK);
}

static void fetched_once(void **state) {
    (void)state;
    pthread_t threads[THREADS];
    begin(JSON("ONE", "2026-11-21T17:00:00Z"));
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, ask_often, "ONE"), 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        void *good = NULL;
        pthread_join(threads[i], &good);
        assert_int_equal((uintptr_t)good, ROUNDS);
    }
    assert_int_equal(fake.asked_count, 1);
    oxp_aws_credentials_free(credentials);
}

/* The endpoint takes its time: until the gate is open. */
static void wait_at_gate(struct fake *ours) {
    (void)ours;
    atomic_store(&inside, true);
    pthread_mutex_lock(&gate);
    pthread_mutex_unlock(&gate);
}

static void *ask(void *ctx) {
    return (void *)(uintptr_t)get(ctx);
}

static void others_go_on(void **state) {
    (void)state;
    pthread_t thread;
    void *good = NULL;
    begin(JSON("ONE", "2026-11-21T17:00:00Z"));
    assert_true(get("ONE"));
    oxp_clock_manual_advance(&fake.clock, 46 * 60); /* 14 min are left: rule 2 */
    fake_answer(&fake, (struct fake_answer){.http = 200, .body = JSON("TWO", "2026-11-21T23:00:00Z")});
    fake.during = wait_at_gate;
    pthread_mutex_lock(&gate);
    assert_int_equal(pthread_create(&thread, NULL, ask, "TWO"), 0);
    while (!atomic_load(&inside)) {
    }
    assert_true(get("ONE")); /* and not held up */
    pthread_mutex_unlock(&gate);
    pthread_join(thread, &good);
    assert_true((uintptr_t)good);
    assert_true(get("TWO"));
    assert_int_equal(fake.asked_count, 2);
    oxp_aws_credentials_free(credentials);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(fetched_once), cmocka_unit_test(others_go_on)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
