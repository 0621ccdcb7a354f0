#include "exporter/provider/schedule.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/clock.h"

#define S OXP_NS_PER_S

/* ---- Polls ---- */

static void poll_delays(void **state) {
    (void)state;
    static const struct {
        int64_t interval_s;
        unsigned failures;
        double unit;
        double delay_s;
    } rows[] = {
        {60, 0, 0.5, 60},  {60, 0, 0, 54},       {60, 0, 1, 66},       {60, 1, 0.5, 120},    {60, 2, 0.5, 240},
        {60, 3, 0.5, 480}, {60, 4, 0.5, 900},    {60, 5, 0.5, 900},    {60, 4000, 0.5, 900}, {5, 7, 0.5, 640},
        {5, 8, 0.5, 900},  {3600, 0, 0.5, 3600}, {3600, 9, 0.5, 3600}, {900, 1, 0.5, 900},   {86400, 99, 1, 95040},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t delay = oxp_poll_delay_ns(rows[i].interval_s * S, rows[i].failures, rows[i].unit);
        double off = (double)delay / 1e9 - rows[i].delay_s;
        if (off < -1e-3 || off > 1e-3) {
            fail_msg("row %zu: %f", i, (double)delay / 1e9);
        }
    }
}

/* ---- Whom to ask ---- */

static void offer_all(struct oxp_asks *asks, int count, bool backwards) {
    oxp_asks_begin(asks);
    for (int i = 0; i < count; i++) {
        char id[16];
        snprintf(id, sizeof id, "s%d", backwards ? count - 1 - i : i);
        oxp_asks_offer(asks, oxp_view_from(id));
    }
}

static void few_are_all_asked(void **state) {
    (void)state;
    struct oxp_asks asks = {.seed = 7};
    offer_all(&asks, 3, false);
    assert_int_equal(asks.count, 3);
    oxp_asks_offer(&asks, OXP_VIEW("s1"));
    oxp_asks_offer(&asks, OXP_VIEW("../s1"));
    oxp_asks_offer(&asks, OXP_VIEW(""));
    assert_int_equal(asks.count, 3);
    for (size_t i = 1; i < asks.count; i++) {
        assert_true(asks.picks[i - 1].distance < asks.picks[i].distance);
    }
}

/* Each of 100 is asked once in five rounds of twenty, in whatever order they are offered. */
static void everyone_has_a_turn(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < 20; seed++) {
        struct oxp_asks asks = {.seed = seed};
        int asked[100] = {0};
        for (int round = 0; round < 5; round++) {
            offer_all(&asks, 100, round % 2 != 0);
            assert_int_equal(asks.count, OXP_ASKS_MAX);
            for (size_t i = 0; i < asks.count; i++) {
                int number;
                assert_int_equal(sscanf(asks.picks[i].id, "s%d", &number), 1);
                asked[number]++;
                oxp_asks_done(&asks, i);
            }
        }
        for (int i = 0; i < 100; i++) {
            assert_int_equal(asked[i], 1);
        }
    }
}

/* A round that breaks off goes on where it stopped, though the one asked last is gone. */
static void goes_on_behind_the_last(void **state) {
    (void)state;
    struct oxp_asks asks = {.seed = 3};
    char third[OXP_PROVIDER_ID_SIZE];
    offer_all(&asks, 10, false);
    memcpy(third, asks.picks[2].id, sizeof third);
    oxp_asks_done(&asks, 0);
    oxp_asks_done(&asks, 1);
    char gone[OXP_PROVIDER_ID_SIZE];
    memcpy(gone, asks.picks[1].id, sizeof gone);
    oxp_asks_begin(&asks);
    for (int i = 0; i < 10; i++) {
        char id[16];
        snprintf(id, sizeof id, "s%d", i);
        if (strcmp(id, gone) != 0) {
            oxp_asks_offer(&asks, oxp_view_from(id));
        }
    }
    assert_int_equal(asks.count, 9);
    assert_string_equal(asks.picks[0].id, third);
}

/* ---- Releases ---- */

static struct oxp_releases releases;

static int reset(void **state) {
    (void)state;
    releases = (struct oxp_releases){.seed = 5};
    return 0;
}

static void one_release(void **state) {
    (void)state;
    assert_int_equal(oxp_releases_next(&releases), INT64_MAX);
    assert_null(oxp_releases_due(&releases, INT64_MAX));
    assert_int_equal(oxp_releases_add(&releases, OXP_VIEW("a"), 10), OXP_OK);
    assert_int_equal(oxp_releases_add(&releases, OXP_VIEW("a"), 10), OXP_IGNORED);
    assert_int_equal(oxp_releases_add(&releases, OXP_VIEW("a/b"), 10), OXP_ERR_INVALID);
    assert_int_equal(oxp_releases_next(&releases), 10);
    assert_null(oxp_releases_due(&releases, 9));
    assert_string_equal(oxp_releases_due(&releases, 10)->id, "a");
    assert_true(oxp_releases_settle(&releases, "a", OXP_RELEASE_DONE, 20, 0));
    assert_int_equal(releases.count, 0);
    assert_int_equal(oxp_releases_add(&releases, OXP_VIEW("a"), 20 + 600 * S - 1), OXP_IGNORED);
    assert_int_equal(oxp_releases_add(&releases, OXP_VIEW("a"), 20 + 600 * S), OXP_OK);
}

/* The policy: 1, 2, 4, 8, 16 s, then the end; less a quarter at most. */
static void release_delays(void **state) {
    (void)state;
    static const int64_t delays[] = {1, 2, 4, 8, 16};
    for (int quarter = 0; quarter <= 1; quarter++) {
        int64_t now_ns = 100 * S;
        assert_int_equal(oxp_releases_add(&releases, OXP_VIEW("a"), now_ns), OXP_OK);
        for (size_t i = 0; i < 5; i++) {
            assert_false(oxp_releases_settle(&releases, "a", OXP_RELEASE_AGAIN, now_ns, quarter));
            int64_t due_ns = now_ns + delays[i] * S * (4 - quarter) / 4;
            assert_int_equal(oxp_releases_next(&releases), due_ns);
            assert_null(oxp_releases_due(&releases, due_ns - 1));
            now_ns = due_ns;
        }
        assert_true(oxp_releases_settle(&releases, "a", OXP_RELEASE_AGAIN, now_ns, quarter));
        assert_int_equal(releases.count, 0);
        oxp_releases_forget(&releases);
    }
}

static void said_is_said_once(void **state) {
    (void)state;
    assert_int_equal(oxp_releases_add(&releases, OXP_VIEW("a"), 1), OXP_OK);
    assert_true(oxp_releases_settle(&releases, "a", OXP_RELEASE_SAID, 1, 0));
    assert_int_equal(oxp_releases_add(&releases, OXP_VIEW("a"), 86400 * 365 * S), OXP_IGNORED);
    oxp_releases_forget(&releases);
    assert_int_equal(oxp_releases_add(&releases, OXP_VIEW("a"), 1), OXP_OK);
    oxp_releases_forget(&releases);
    assert_int_equal(releases.count, 0);
    assert_true(oxp_releases_settle(&releases, "a", OXP_RELEASE_DONE, 1, 0)); /* forgotten under way */
    assert_int_equal(oxp_releases_add(&releases, OXP_VIEW("a"), 2), OXP_OK);
}

static void the_earliest_first(void **state) {
    (void)state;
    oxp_releases_add(&releases, OXP_VIEW("late"), 30);
    oxp_releases_add(&releases, OXP_VIEW("early"), 10);
    oxp_releases_add(&releases, OXP_VIEW("middle"), 20);
    static const char *const order[] = {"early", "middle", "late"};
    for (size_t i = 0; i < 3; i++) {
        const struct oxp_release *due = oxp_releases_due(&releases, 100);
        assert_non_null(due);
        assert_string_equal(due->id, order[i]);
        oxp_releases_settle(&releases, order[i], OXP_RELEASE_REFUSED, 100, 0);
    }
}

static void the_queue_is_bounded(void **state) {
    (void)state;
    for (int round = 0; round < 5; round++) { /* more than is remembered */
        for (int i = 0; i < OXP_RELEASES_WAITING; i++) {
            char id[32];
            snprintf(id, sizeof id, "s%d-%d", round, i);
            assert_int_equal(oxp_releases_add(&releases, oxp_view_from(id), 1), OXP_OK);
        }
        assert_int_equal(oxp_releases_add(&releases, OXP_VIEW("more"), 1), OXP_ERR_LIMIT);
        for (const struct oxp_release *due = oxp_releases_due(&releases, 1); due != NULL;
             due = oxp_releases_due(&releases, 1)) {
            oxp_releases_settle(&releases, due->id, OXP_RELEASE_DONE, 1, 0);
        }
    }
    assert_int_equal(oxp_releases_add(&releases, OXP_VIEW("s4-7"), 1), OXP_IGNORED);
    assert_int_equal(oxp_releases_add(&releases, OXP_VIEW("s0-7"), 1), OXP_OK); /* overwritten by now */
}

/* ---- What an exchange means ---- */

static void judgements(void **state) {
    (void)state;
    static const struct {
        enum oxp_status exchange;
        int http;
        enum oxp_status status;
        enum oxp_release_verdict verdict;
        const char *says;
    } rows[] = {
        {OXP_OK, 200, OXP_OK, OXP_RELEASE_DONE, ""},
        {OXP_OK, 204, OXP_OK, OXP_RELEASE_DONE, ""},
        {OXP_OK, 302, OXP_ERR_IO, OXP_RELEASE_REFUSED, "302, a redirection"},
        {OXP_OK, 400, OXP_ERR_IO, OXP_RELEASE_REFUSED, "HTTP status 400"},
        {OXP_OK, 401, OXP_ERR_DENIED, OXP_RELEASE_REFUSED, "401, the key was refused"},
        {OXP_OK, 402, OXP_ERR_IO, OXP_RELEASE_REFUSED, "402"},
        {OXP_OK, 403, OXP_ERR_DENIED, OXP_RELEASE_REFUSED, "403"},
        {OXP_OK, 404, OXP_ERR_NOT_FOUND, OXP_RELEASE_REFUSED, "404"},
        {OXP_OK, 408, OXP_ERR_IO, OXP_RELEASE_AGAIN, "408"},
        {OXP_OK, 409, OXP_ERR_IO, OXP_RELEASE_AGAIN, "409"},
        {OXP_OK, 410, OXP_ERR_NOT_FOUND, OXP_RELEASE_REFUSED, "410"},
        {OXP_OK, 425, OXP_ERR_IO, OXP_RELEASE_AGAIN, "425"},
        {OXP_OK, 429, OXP_ERR_LIMIT, OXP_RELEASE_AGAIN, "429, asked too often"},
        {OXP_OK, 500, OXP_ERR_IO, OXP_RELEASE_AGAIN, "500, the provider failed"},
        {OXP_OK, 599, OXP_ERR_IO, OXP_RELEASE_AGAIN, "599"},
        {OXP_OK, 600, OXP_ERR_IO, OXP_RELEASE_REFUSED, "600"},
        {OXP_OK, 100, OXP_ERR_IO, OXP_RELEASE_REFUSED, "100"},
        {OXP_OK, 0, OXP_ERR_IO, OXP_RELEASE_REFUSED, "HTTP status 0"},
        {OXP_ERR_TIMEOUT, 0, OXP_ERR_TIMEOUT, OXP_RELEASE_AGAIN, "GET /v1/sessions/{id}: why"},
        {OXP_ERR_CLOSED, 200, OXP_ERR_CLOSED, OXP_RELEASE_AGAIN, "why"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct oxp_error error = {0};
        enum oxp_status status = oxp_provider_judge(OXP_ASK_SESSION, rows[i].exchange, rows[i].http, "why", &error);
        if (status != rows[i].status || strstr(error.text, rows[i].says) == NULL ||
            oxp_release_judge(rows[i].exchange, rows[i].http) != rows[i].verdict) {
            fail_msg("row %zu: %d %s", i, (int)status, error.text);
        }
    }
    struct oxp_error error = {0};
    oxp_provider_judge(OXP_ASK_RELEASE, OXP_ERR_TIMEOUT, 0, "", &error);
    assert_string_equal(error.text, "POST /v1/sessions/{id}: timed out");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(poll_delays),
        cmocka_unit_test(few_are_all_asked),
        cmocka_unit_test(everyone_has_a_turn),
        cmocka_unit_test(goes_on_behind_the_last),
        cmocka_unit_test_setup(one_release, reset),
        cmocka_unit_test_setup(release_delays, reset),
        cmocka_unit_test_setup(said_is_said_once, reset),
        cmocka_unit_test_setup(the_earliest_first, reset),
        cmocka_unit_test_setup(the_queue_is_bounded, reset),
        cmocka_unit_test(judgements),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
