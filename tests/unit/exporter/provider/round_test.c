/* Polls and releases step by step, with a clock moved by hand and a provider made of a table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "exporter/provider/parts.h"
#include "tests/support/alloc_fail.h"
#include "tests/unit/exporter/provider/fake.h"

#define T0 1795321560.0
#define PENDING "status=PENDING"
#define RUNNING "status=RUNNING"
#define OURS ",\"userMetadata\":{\"service\":\"collector\"}"

static struct fake fake;
static struct oxp_clock_manual clock_;
static struct oxp_poller_options options;
static struct oxp_poller *poller;

static void begin(const struct fake_rule *rules) {
    oxp_clock_manual_init(&clock_, T0);
    fake_init(&fake, rules, &options);
    fake.clock = &clock_;
}

static void start(void) {
    struct oxp_error error = {0};
    if (oxp_poller_make(&options, &clock_.clock, &poller, &error) != OXP_OK) {
        fail_msg("%s", error.text);
    }
}

static void finish(void) {
    oxp_poller_unmake(poller);
    poller = NULL;
    fake_fini(&fake);
}

static void assert_lines(const char *is, const char *should_be) {
    if (strcmp(is, should_be) != 0) {
        fail_msg("is:\n%sshould be:\n%s", is, should_be);
    }
}

/* Seconds from now until what the poller wants to do next. */
static double step(void) {
    int64_t next_ns = oxp_poller_step(poller);
    return (double)(next_ns - oxp_clock_mono(&clock_.clock).ns) / 1e9;
}

/* ---- One round, as a table ---- */

static void rounds(void **state) {
    (void)state;
    static const char *const nobody[] = {NULL};
    static const char *const asked[] = {"r1", "gone", "x/y", NULL};
    static const struct {
        const char *name, *project, *tag;
        struct fake_rule rules[8];
        const char *const *asks;
        const char *log, *heard;
        bool backs_off;
    } rows[] = {
        {.name = "empty",
         .rules = {{"v1/sessions?", OXP_OK, 200, "[]"}},
         .log = "GET /v1/sessions?status=PENDING\nGET /v1/sessions?status=RUNNING\n",
         .heard = "answered all\n"},
        {.name = "both lists, the project, its usage",
         .project = "proj-1",
         .rules = {{PENDING, OXP_OK, 200, "[{\"id\":\"p1\",\"status\":\"PENDING\"}]"},
                   {RUNNING, OXP_OK, 200, "{\"sessions\":[{\"id\":\"r1\",\"status\":\"RUNNING\"}]}"},
                   {"/usage", OXP_OK, 200, "{\"browserMinutes\":2,\"proxyBytes\":5}"},
                   {"projects/proj-1", OXP_OK, 200, "{\"concurrency\":25}"}},
         .log = "GET /v1/sessions?status=PENDING\nGET /v1/sessions?status=RUNNING\nGET /v1/projects/proj-1\n"
                "GET /v1/projects/proj-1/usage\n",
         .heard = "answered all p1/pending r1/running concurrency=25 usage=120,5\n"},
        {.name = "the project fails",
         .project = "proj-1",
         .rules = {{"v1/sessions?", OXP_OK, 200, "[]"},
                   {"/usage", OXP_OK, 200, "{\"browserMinutes\":2,\"proxyBytes\":5}"}},
         .log = "GET /v1/sessions?status=PENDING\nGET /v1/sessions?status=RUNNING\nGET /v1/projects/proj-1\n"
                "GET /v1/projects/proj-1/usage\n",
         .heard = "note 2 the provider's project could not be read reason=GET /v1/projects/{id}: HTTP status 404, "
                  "unknown to the provider\nanswered all usage=120,5\n"},
        {.name = "the project is no object",
         .project = "proj-1",
         .rules = {{"v1/sessions?", OXP_OK, 200, "[]"}, {"/v1/projects", OXP_OK, 200, "[]"}},
         .log = "GET /v1/sessions?status=PENDING\nGET /v1/sessions?status=RUNNING\nGET /v1/projects/proj-1\n"
                "GET /v1/projects/proj-1/usage\n",
         .heard = "note 2 the provider's project could not be read reason=GET /v1/projects/{id}/usage: the answer is "
                  "no object\nanswered all\n"},
        {.name = "asked too often for the project: no more questions, slower",
         .project = "proj-1",
         .rules = {{"v1/sessions?", OXP_OK, 200, "[]"}, {"/v1/projects", OXP_OK, 429, "slow down"}},
         .asks = asked,
         .log = "GET /v1/sessions?status=PENDING\nGET /v1/sessions?status=RUNNING\nGET /v1/projects/proj-1\n",
         .heard = "answered all\n",
         .backs_off = true},
        {.name = "tagged, and every session says its metadata",
         .tag = "service=collector",
         .rules = {{PENDING, OXP_OK, 200, "[]"},
                   {RUNNING, OXP_OK, 200,
                    "[{\"id\":\"a\",\"status\":\"RUNNING\"" OURS "},"
                    "{\"id\":\"b\",\"status\":\"RUNNING\",\"userMetadata\":{}}]"}},
         .log = "GET /v1/sessions?status=PENDING\nGET /v1/sessions?status=RUNNING\n",
         .heard = "answered all a/running/ours b/running\n"},
        {.name = "tagged, and one is silent",
         .tag = "service=collector",
         .rules = {{RUNNING "&q=", OXP_OK, 200, "[{\"id\":\"b\",\"status\":\"RUNNING\"}]"},
                   {PENDING, OXP_OK, 200, "[]"},
                   {RUNNING, OXP_OK, 200,
                    "[{\"id\":\"a\",\"status\":\"RUNNING\"},{\"id\":\"b\",\"status\":\"RUNNING\"}]"}},
         .log = "GET /v1/sessions?status=PENDING\nGET /v1/sessions?status=RUNNING\n"
                "GET /v1/sessions?status=PENDING&q=user_metadata%5B%27service%27%5D%3A%27collector%27\n"
                "GET /v1/sessions?status=RUNNING&q=user_metadata%5B%27service%27%5D%3A%27collector%27\n",
         .heard = "answered all a/running b/running/ours\n"},
        {.name = "the query is not obeyed",
         .tag = "service=collector",
         .rules = {{PENDING, OXP_OK, 200, "[]"},
                   {RUNNING, OXP_OK, 200,
                    "[{\"id\":\"a\",\"status\":\"RUNNING\"},"
                    "{\"id\":\"b\",\"status\":\"RUNNING\",\"userMetadata\":{}}]"}},
         .log = "GET /v1/sessions?status=PENDING\nGET /v1/sessions?status=RUNNING\n"
                "GET /v1/sessions?status=PENDING&q=user_metadata%5B%27service%27%5D%3A%27collector%27\n"
                "GET /v1/sessions?status=RUNNING&q=user_metadata%5B%27service%27%5D%3A%27collector%27\n",
         .heard = "note 2 which sessions carry our tag could not be asked reason=GET "
                  "/v1/sessions?status=RUNNING&q=: the provider does not obey the query\n"
                  "answered all a/running b/running\n"},
        {.name = "one bad entry",
         .rules = {{PENDING, OXP_OK, 200, "[]"},
                   {RUNNING, OXP_OK, 200, "[{\"id\":\"a\",\"status\":\"RUNNING\"},{\"id\":7}]"}},
         .asks = nobody,
         .log = "GET /v1/sessions?status=PENDING\nGET /v1/sessions?status=RUNNING\n",
         .heard = "answered some a/running\n"},
        {.name = "the key is refused",
         .project = "proj-1",
         .rules = {{"", OXP_OK, 401, "{\"message\":\"" CANARY "\"}"}},
         .asks = asked,
         .log = "GET /v1/sessions?status=PENDING\n",
         .heard = "failed GET /v1/sessions?status=PENDING: HTTP status 401, the key was refused\n",
         .backs_off = true},
        {.name = "asked too often",
         .rules = {{PENDING, OXP_OK, 200, "[]"}, {RUNNING, OXP_OK, 429, ""}},
         .log = "GET /v1/sessions?status=PENDING\nGET /v1/sessions?status=RUNNING\n",
         .heard = "failed GET /v1/sessions?status=RUNNING: HTTP status 429, asked too often\n",
         .backs_off = true},
        {.name = "the provider fails",
         .rules = {{"", OXP_OK, 503, "<html>"}},
         .log = "GET /v1/sessions?status=PENDING\n",
         .heard = "failed GET /v1/sessions?status=PENDING: HTTP status 503, the provider failed\n",
         .backs_off = true},
        {.name = "too slow",
         .rules = {{"", OXP_ERR_TIMEOUT, 0, "timed out after 10000 ms"}},
         .log = "GET /v1/sessions?status=PENDING\n",
         .heard = "failed GET /v1/sessions?status=PENDING: timed out after 10000 ms\n",
         .backs_off = true},
        {.name = "lost, without a reason",
         .rules = {{"", OXP_ERR_CLOSED, 0, ""}},
         .log = "GET /v1/sessions?status=PENDING\n",
         .heard = "failed GET /v1/sessions?status=PENDING: closed\n",
         .backs_off = true},
        {.name = "the transport's reason has a secret",
         .rules = {{"", OXP_ERR_CLOSED, 0, "cannot reach wss://h/?apiKey=" CANARY}},
         .log = "GET /v1/sessions?status=PENDING\n",
         .heard = NULL,
         .backs_off = true},
        {.name = "too long",
         .rules = {{"", OXP_ERR_LIMIT, 0, "the answer is longer than 4194304 bytes"}},
         .log = "GET /v1/sessions?status=PENDING\n",
         .heard = "failed GET /v1/sessions?status=PENDING: the answer is longer than 4194304 bytes\n",
         .backs_off = true},
        {.name = "not JSON",
         .rules = {{PENDING, OXP_OK, 200, "<html>welcome</html>"}},
         .log = "GET /v1/sessions?status=PENDING\n",
         .heard = NULL,
         .backs_off = true},
        {.name = "cut JSON",
         .rules = {{PENDING, OXP_OK, 200, "[{\"id\":\"a\",\"sta"}},
         .log = "GET /v1/sessions?status=PENDING\n",
         .heard = NULL,
         .backs_off = true},
        {.name = "JSON, but no list",
         .rules = {{PENDING, OXP_OK, 200, "{\"error\":\"no\"}"}},
         .log = "GET /v1/sessions?status=PENDING\n",
         .heard = "failed GET /v1/sessions?status=PENDING: the answer is no list of sessions\n",
         .backs_off = true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        begin(rows[i].rules);
        options.project_id = rows[i].project == NULL ? "" : rows[i].project;
        options.tag = rows[i].tag == NULL ? "" : rows[i].tag;
        fake.asks = rows[i].asks;
        start();
        double next_s = step();
        if (strcmp(fake.log, rows[i].log) != 0 ||
            (rows[i].heard != NULL ? strcmp(fake.heard, rows[i].heard) != 0
                                   : strncmp(fake.heard, "failed GET", 10) != 0)) {
            fail_msg("%s:\n%s%s", rows[i].name, fake.log, fake.heard);
        }
        double base_s = rows[i].backs_off ? 120 : 60;
        assert_true(next_s >= 0.9 * base_s && next_s <= 1.1 * base_s);
        finish();
    }
}

/* ---- Asking one by one ---- */

static void sessions_that_are_not_listed(void **state) {
    (void)state;
    static const struct fake_rule rules[] = {
        {PENDING, OXP_OK, 200, "[]"},
        {RUNNING, OXP_OK, 200, "[{\"id\":\"listed\",\"status\":\"RUNNING\"}]"},
        {"/done", OXP_OK, 200, "{\"id\":\"done\",\"status\":\"COMPLETED\",\"endedAt\":\"2026-11-22T04:26:00Z\"}"},
        {"/late", OXP_OK, 200, "{\"id\":\"late\",\"status\":\"TIMED_OUT\"}"},
        {"/still", OXP_OK, 200, "{\"id\":\"still\",\"status\":\"RUNNING\"}"},
        {"/word", OXP_OK, 200, "{\"id\":\"word\",\"status\":\"FROZEN\"}"},
        {"/other", OXP_OK, 200, "{\"id\":\"somebody\",\"status\":\"ERROR\"}"},
        {"/garbage", OXP_OK, 200, "garbage"},
        {"/gone", OXP_OK, 410, ""},
        {NULL, 0, 0, NULL},
    };
    static const char *const asks[] = {"done", "late", "still",  "word", "other", "garbage",
                                       "gone", "lost", "listed", "x/y",  "",      NULL};
    static const char *const lines[] = {
        "ended done completed ended_s=1795321560\n",
        "ended late timed_out ended_s=-1\n",
        "ended gone not_found ended_s=-1\n",
        "ended lost not_found ended_s=-1\n",
        "about another session\n",
        "note 0 a session could not be asked about",
    };
    begin(rules);
    fake.asks = asks;
    start();
    step();
    assert_int_equal(fake.requests, 2 + 8);
    assert_null(strstr(fake.log, "listed"));
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        if (strstr(fake.heard, lines[i]) == NULL) {
            fail_msg("%s%s", lines[i], fake.heard);
        }
    }
    assert_null(strstr(fake.heard, "ended still"));
    assert_null(strstr(fake.heard, "ended word"));
    assert_null(strstr(fake.heard, "ended somebody"));
    assert_non_null(strstr(fake.heard, "answered"));
    assert_true(strstr(fake.heard, "answered") < strstr(fake.heard, "ended"));
    finish();
}

/* Trouble that the next one would meet as well ends the questions of this round, not the round. */
static void asking_stops_at_trouble(void **state) {
    (void)state;
    static const char *const asks[] = {"a", "b", "c", NULL};
    static const struct fake_rule troubles[] = {{"sessions/", OXP_OK, 500, ""},
                                                {"sessions/", OXP_OK, 401, ""},
                                                {"sessions/", OXP_OK, 429, ""},
                                                {"sessions/", OXP_ERR_TIMEOUT, 0, "slow"},
                                                {"sessions/", OXP_ERR_NOT_FOUND, 0, "odd"}};
    for (size_t i = 0; i < sizeof troubles / sizeof troubles[0]; i++) {
        const struct fake_rule rules[] = {{"v1/sessions?", OXP_OK, 200, "[]"}, troubles[i], {NULL, 0, 0, NULL}};
        begin(rules);
        fake.asks = asks;
        start();
        double next_s = step();
        assert_int_equal(fake.requests, 3);
        assert_null(strstr(fake.heard, "ended"));
        assert_true((next_s > 100) == (troubles[i].http == 429));
        finish();
    }
}

static void few_in_a_round(void **state) {
    (void)state;
    static const struct fake_rule rules[] = {{"v1/sessions?", OXP_OK, 200, "[]"}, {NULL, 0, 0, NULL}};
    static char ids[50][16];
    static const char *asks[51];
    for (int i = 0; i < 50; i++) {
        snprintf(ids[i], sizeof ids[i], "s%d.", i);
        asks[i] = ids[i];
    }
    begin(rules);
    fake.asks = asks;
    start();
    for (int round = 1; round <= 3; round++) {
        oxp_clock_manual_advance(&clock_, step() + 0.001); /* seconds are rounded to the nanosecond below */
        assert_int_equal(fake.requests, round * (2 + OXP_ASKS_MAX));
    }
    for (int i = 0; i < 50; i++) {
        assert_non_null(strstr(fake.log, ids[i])); /* everyone had a turn */
    }
    finish();
}

/* ---- Rounds over time ---- */

static void storms(void **state) {
    (void)state;
    static const struct fake_rule rules[] = {{"", OXP_OK, 429, ""}, {NULL, 0, 0, NULL}};
    static const struct fake_rule calm[] = {{"", OXP_OK, 200, "[]"}, {NULL, 0, 0, NULL}};
    static const double delays[] = {120, 240, 480, 900, 900, 900, 900};
    begin(rules);
    start();
    for (size_t i = 0; i < sizeof delays / sizeof delays[0]; i++) {
        double next_s = step();
        assert_true(next_s >= 0.9 * delays[i] && next_s <= 1.1 * delays[i]);
        assert_true(step() > 0); /* too early: nothing is asked */
        assert_int_equal(fake.requests, i + 1);
        oxp_clock_manual_advance(&clock_, next_s + 1e-6);
    }
    fake.rules = calm;
    assert_true(step() <= 66);
    assert_non_null(strstr(fake.heard, "answered all"));
    finish();
}

static void a_trouble_is_said_once(void **state) {
    (void)state;
    static const struct fake_rule bad[] = {{"sessions?", OXP_OK, 200, "[]"}, {NULL, 0, 0, NULL}};
    static const struct fake_rule good[] = {
        {"sessions?", OXP_OK, 200, "[]"}, {"projects", OXP_OK, 200, "{}"}, {NULL, 0, 0, NULL}};
    begin(bad);
    options.project_id = "p";
    start();
    static const int notes[] = {1, 1, 1, 2}; /* bad, bad, good, bad */
    for (int i = 0; i < 4; i++) {
        fake.rules = i == 2 ? good : bad;
        oxp_clock_manual_advance(&clock_, step() + 1e-6);
        int count = 0;
        for (const char *at = fake.heard; (at = strstr(at, "note 2")) != NULL; at++) {
            count++;
        }
        assert_int_equal(count, notes[i]);
    }
    finish();
}

static void asked_at_is_before_the_questions(void **state) {
    (void)state;
    static const struct fake_rule rules[] = {{"", OXP_OK, 200, "[]"}, {NULL, 0, 0, NULL}};
    begin(rules);
    fake.takes_s = 7;
    start();
    step();
    assert_true(fake.asked_at_s == T0);
    finish();
}

/* The key is read for each request: a new one counts at once, and a bad one is said without showing it. */
static void keys_change(void **state) {
    (void)state;
    static const struct fake_rule rules[] = {{"", OXP_OK, 200, "[]"}, {NULL, 0, 0, NULL}};
    begin(rules);
    start();
    fake_write_key(&fake, "canary canary");
    oxp_clock_manual_advance(&clock_, step() + 1e-6);
    assert_non_null(strstr(fake.heard, "failed the key file /tmp/oxp_provider_key."));
    assert_int_equal(fake.requests, 0);
    unlink(fake.key_file);
    oxp_clock_manual_advance(&clock_, step() + 1e-6);
    assert_non_null(strstr(fake.heard, ": not found\n"));
    assert_int_equal(fake.requests, 0);
    fake_write_key(&fake, CANARY);
    step();
    assert_non_null(strstr(fake.heard, "answered all\n"));
    finish();
}

/* ---- Releases ---- */

static const struct fake_rule lists_then[] = {{"v1/sessions?", OXP_OK, 200, "[]"}, {NULL, 0, 0, NULL}};

/* The first poll, so that only releases are left. */
static void start_quietly(enum oxp_release_mode mode) {
    begin(lists_then);
    options.release = mode;
    options.interval_ms = 3600000;
    start();
    step();
    fake.log[0] = fake.heard[0] = '\0';
    fake.requests = 0;
}

static void dry_runs(void **state) {
    (void)state;
    start_quietly(OXP_RELEASE_DRY_RUN);
    assert_int_equal(oxp_poller_release(poller, OXP_VIEW("a")), OXP_OK);
    assert_int_equal(oxp_poller_release(poller, OXP_VIEW("a")), OXP_IGNORED);
    assert_int_equal(oxp_poller_release(poller, OXP_VIEW("b")), OXP_OK);
    assert_int_equal(oxp_poller_release(poller, OXP_VIEW("../b")), OXP_ERR_INVALID);
    assert_true(step() > 3000);
    assert_int_equal(oxp_poller_release(poller, OXP_VIEW("a")), OXP_IGNORED);
    step();
    assert_lines(fake.heard, "note 1 dry run: an orphaned session would be released at the provider session=a\n"
                             "note 1 dry run: an orphaned session would be released at the provider session=b\n");
    assert_int_equal(fake.requests, 0);
    oxp_poller_set_release(poller, OXP_RELEASE_DRY_RUN); /* the same: nothing is forgotten */
    assert_int_equal(oxp_poller_release(poller, OXP_VIEW("a")), OXP_IGNORED);
    oxp_poller_set_release(poller, OXP_RELEASE_OFF);
    assert_int_equal(oxp_poller_release(poller, OXP_VIEW("a")), OXP_IGNORED);
    oxp_poller_set_release(poller, OXP_RELEASE_ON);
    assert_int_equal(oxp_poller_release(poller, OXP_VIEW("a")), OXP_OK);
    oxp_poller_set_release(poller, OXP_RELEASE_OFF); /* before it was done */
    step();
    assert_int_equal(fake.requests, 0);
    finish();
}

static void release_outcomes(void **state) {
    (void)state;
    static const struct {
        struct fake_rule rule;
        const char *heard;
        size_t tries;
    } rows[] = {
        {{"POST", OXP_OK, 200, "{}"}, "released s1 ok\n", 1},
        {{"POST", OXP_OK, 204, ""}, "released s1 ok\n", 1},
        {{"POST", OXP_OK, 404, ""},
         "released s1 failed: POST /v1/sessions/{id}: HTTP status 404, unknown to the provider\n",
         1},
        {{"POST", OXP_OK, 401, ""},
         "released s1 failed: POST /v1/sessions/{id}: HTTP status 401, the key was refused\n",
         1},
        {{"POST", OXP_OK, 400, ""}, "released s1 failed: POST /v1/sessions/{id}: HTTP status 400\n", 1},
        {{"POST", OXP_OK, 429, ""},
         "released s1 failed: POST /v1/sessions/{id}: HTTP status 429, asked too often\n",
         6},
        {{"POST", OXP_OK, 500, ""},
         "released s1 failed: POST /v1/sessions/{id}: HTTP status 500, the provider failed\n",
         6},
        {{"POST", OXP_ERR_CLOSED, 0, "reset"}, "released s1 failed: POST /v1/sessions/{id}: reset\n", 6},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct fake_rule rules[] = {rows[i].rule, {NULL, 0, 0, NULL}};
        static const double most[] = {1, 2, 4, 8, 16};
        start_quietly(OXP_RELEASE_ON);
        fake.rules = rules;
        assert_int_equal(oxp_poller_release(poller, OXP_VIEW("s1")), OXP_OK);
        for (size_t try = 0; try < rows[i].tries; try++) {
            double next_s = step();
            assert_int_equal(fake.requests, try + 1);
            if (try + 1 < rows[i].tries) {
                assert_true(fake.heard[0] == '\0' && next_s <= most[try] && next_s >= 0.75 * most[try]);
                assert_int_equal(oxp_poller_release(poller, OXP_VIEW("s1")), OXP_IGNORED);
            }
            oxp_clock_manual_advance(&clock_, next_s < 20 ? next_s : 0);
        }
        assert_lines(fake.heard, rows[i].heard);
        assert_true(step() > 1000); /* nothing is left to do */
        assert_int_equal(oxp_poller_release(poller, OXP_VIEW("s1")), OXP_IGNORED);
        oxp_clock_manual_advance(&clock_, 601);
        assert_int_equal(oxp_poller_release(poller, OXP_VIEW("s1")), OXP_OK);
        finish();
    }
}

static void release_request(void **state) {
    (void)state;
    static const struct fake_rule rules[] = {{"", OXP_OK, 200, "[]"}, {NULL, 0, 0, NULL}};
    begin(rules);
    options.release = OXP_RELEASE_ON;
    options.project_id = "p-1";
    start();
    assert_int_equal(oxp_poller_release(poller, OXP_VIEW("s1")), OXP_OK);
    step();
    static const char first[] = "POST /v1/sessions/s1 {\"projectId\":\"p-1\",\"status\":\"REQUEST_RELEASE\"}\n";
    assert_int_equal(strncmp(fake.log, first, strlen(first)), 0); /* before the poll, which may be long */
    finish();
}

/* Many releases do not keep the poll from its turn. */
static void releases_and_polls_share(void **state) {
    (void)state;
    static const struct fake_rule rules[] = {
        {"POST", OXP_ERR_TIMEOUT, 0, "slow"}, {"v1/sessions?", OXP_OK, 200, "[]"}, {NULL, 0, 0, NULL}};
    begin(rules);
    options.release = OXP_RELEASE_ON;
    fake.takes_s = 10;
    start();
    for (int i = 0; i < 100; i++) {
        char id[16];
        snprintf(id, sizeof id, "s%d", i);
        assert_int_equal(oxp_poller_release(poller, oxp_view_from(id)), OXP_OK);
    }
    step();
    assert_int_equal(fake.polls, 1);
    assert_int_equal(fake.requests, 8 + 2);
    assert_true(step() <= 0); /* there is more to do at once */
    finish();
}

/* ---- Refused options; no memory ---- */

static void refused_options(void **state) {
    (void)state;
    static const struct {
        const char *base_url, *key, *project, *tag;
        int64_t interval_ms, timeout_ms;
        const char *says;
    } rows[] = {
        {"https://h", "/k", "p", "a=b", 1, 1, NULL},
        {"ftp://h", "/k", "p", "a=b", 1, 1, "http"},
        {"", "/k", "p", "a=b", 1, 1, "http"},
        {"https://h?x", "/k", "p", "a=b", 1, 1, "query"},
        {"https://h", "", "p", "a=b", 1, 1, "key file"},
        {"https://h", "/k", "p/q", "a=b", 1, 1, "project"},
        {"https://h", "/k", "p", "a", 1, 1, "KEY=VALUE"},
        {"https://h", "/k", "p", "a=b", 0, 1, "interval"},
        {"https://h", "/k", "p", "a=b", INT64_MAX, 1, "interval"},
        {"https://h", "/k", "p", "a=b", 1, 0, "timeout"},
        {"https://h", "/k", "p", "a=b", 1, INT64_MAX, "timeout"},
    };
    begin(lists_then);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct oxp_poller_options o = options;
        struct oxp_error error = {0};
        o.base_url = rows[i].base_url;
        o.api_key_file = rows[i].key;
        o.project_id = rows[i].project;
        o.tag = rows[i].tag;
        o.interval_ms = rows[i].interval_ms;
        o.timeout_ms = rows[i].timeout_ms;
        enum oxp_status status = oxp_poller_make(&o, &clock_.clock, &poller, &error);
        assert_int_equal(status, rows[i].says == NULL ? OXP_OK : OXP_ERR_INVALID);
        assert_true((poller != NULL) == (status == OXP_OK));
        assert_true(rows[i].says == NULL || strstr(error.text, rows[i].says) != NULL);
        oxp_poller_unmake(poller);
    }
    poller = NULL;
    oxp_poller_free(NULL);
    finish();
}

/* Whatever allocation fails, the poll is said to have failed or its lists are whole. Gives false when none failed. */
static bool poll_with_failure(size_t n) {
    struct oxp_error error = {0};
    fake.heard[0] = fake.log[0] = '\0';
    alloc_fail_at(n);
    enum oxp_status status = oxp_poller_make(&options, &clock_.clock, &poller, &error);
    if (status == OXP_OK) {
        (void)oxp_poller_release(poller, OXP_VIEW("r"));
        oxp_poller_step(poller);
    }
    bool hit = alloc_fail_hit();
    alloc_fail_at(0);
    if (status != OXP_OK) {
        assert_true(status == OXP_ERR_NOMEM && poller == NULL && hit && error.text[0] != '\0');
        return hit;
    }
    const char *lists = strstr(fake.heard, "answered all a/running/ours b/running");
    assert_true(lists != NULL || (strstr(fake.heard, "failed ") != NULL && hit));
    return hit;
}

static void allocations_fail(void **state) {
    (void)state;
    static const struct fake_rule rules[] = {
        {"POST", OXP_OK, 200, "{}"},
        {"RUNNING&q=", OXP_OK, 200, "[{\"id\":\"b\",\"status\":\"RUNNING\"}]"},
        {PENDING, OXP_OK, 200, "[]"},
        {RUNNING, OXP_OK, 200, "[{\"id\":\"a\",\"status\":\"RUNNING\"" OURS "},{\"id\":\"b\",\"status\":\"RUNNING\"}]"},
        {"/usage", OXP_OK, 200, "{\"browserMinutes\":1,\"proxyBytes\":0}"},
        {"/projects", OXP_OK, 200, "{\"concurrency\":5}"},
        {NULL, 0, 0, NULL}};
    static const char *const asks[] = {"gone", NULL};
    static const char whole[] = "answered all a/running/ours b/running/ours concurrency=5 usage=60,0\n";
    begin(rules);
    options.project_id = "p";
    options.tag = "service=collector";
    options.release = OXP_RELEASE_ON;
    fake.asks = asks;
    size_t n = 1;
    for (bool hit = true; hit; n++) {
        hit = poll_with_failure(n);
        if (poller != NULL && hit) { /* and the next poll is well */
            oxp_clock_manual_advance(&clock_, 1000);
            fake.heard[0] = '\0';
            oxp_poller_step(poller);
        }
        assert_true(poller == NULL || strstr(fake.heard, whole) != NULL);
        assert_true(poller == NULL || strstr(fake.heard, "ended gone not_found") != NULL);
        oxp_poller_unmake(poller);
        poller = NULL;
    }
    assert_true(n > 20);
    finish();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rounds),
        cmocka_unit_test(sessions_that_are_not_listed),
        cmocka_unit_test(asking_stops_at_trouble),
        cmocka_unit_test(few_in_a_round),
        cmocka_unit_test(storms),
        cmocka_unit_test(a_trouble_is_said_once),
        cmocka_unit_test(asked_at_is_before_the_questions),
        cmocka_unit_test(keys_change),
        cmocka_unit_test(dry_runs),
        cmocka_unit_test(release_outcomes),
        cmocka_unit_test(release_request),
        cmocka_unit_test(releases_and_polls_share),
        cmocka_unit_test(refused_options),
        cmocka_unit_test(allocations_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
