/* What every route but the scrape answers. */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/gzip/gzip.h"
#include "tests/unit/exporter/api/world.h"
#include "tests/unit/exporter/serve/client.h"

#define GET(path) "GET " path " HTTP/1.1\r\nHost: localhost\r\n\r\n"
#define DO(method, path) method " " path " HTTP/1.1\r\nHost: localhost\r\n\r\n"
#define API "/api/oxpecker/v1/"

struct row {
    const char *name, *request;
    int status;
    const char *head, *body; /* head: must hold; body: exactly, or NULL */
};

static struct world world;

static int start(void **state) {
    (void)state;
    world_start(&world, NULL);
    return 0;
}

static int stop(void **state) {
    (void)state;
    world_stop(&world);
    return 0;
}

static void check(const struct row *rows, size_t count) {
    for (size_t i = 0; i < count; i++) {
        struct answer answer;
        client_ask(world.port, rows[i].request, &answer);
        if (answer.status != rows[i].status || answer.cut ||
            strstr(answer.head, rows[i].head == NULL ? "" : rows[i].head) == NULL ||
            (rows[i].body != NULL && strcmp(answer.body, rows[i].body) != 0)) {
            fail_msg("%s: %d\n%s%s", rows[i].name, answer.status, answer.head, answer.body == NULL ? "" : answer.body);
        }
        answer_free(&answer);
    }
}
#define CHECK(rows) check(rows, sizeof(rows) / sizeof(rows)[0])

static void test_lifecycle(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"health", GET("/health"), 200, "\r\nContent-Type: application/json\r\n", "{\"status\": \"healthy\"}"},
        {"HEAD health", DO("HEAD", "/health"), 200, "\r\nContent-Length: 21\r\n", ""},
        {"healthy", GET("/-/healthy"), 200, "\r\nContent-Type: text/plain; charset=utf-8\r\n",
         "Oxpecker is Healthy.\n"},
        {"ready", GET("/-/ready"), 200, NULL, "Oxpecker is Ready.\n"},
        {"reload", DO("POST", "/-/reload"), 200, NULL, ""},
        {"reload by PUT", DO("PUT", "/-/reload"), 200, NULL, ""},
        {"reload by GET", GET("/-/reload"), 405, "\r\nAllow: POST, PUT\r\n", NULL},
        {"quit by GET", GET("/-/quit"), 405, NULL, NULL},
        {"quit", DO("POST", "/-/quit"), 200, NULL, "Oxpecker is stopping.\n"},
    };
    static const struct row bad[] = {
        {"not ready", GET("/-/ready"), 503, NULL, "Oxpecker is not ready: the configuration is not loaded\n"},
        {"alive though", GET("/-/healthy"), 200, NULL, NULL},
        {"bad reload", DO("POST", "/-/reload"), 500, NULL, "failed to reload config: x.yml:3:1: unknown key\n"},
    };
    static const struct row off[] = {
        {"reload off", DO("POST", "/-/reload"), 403, NULL, NULL},
        {"quit off", DO("PUT", "/-/quit"), 403, NULL, NULL},
    };
    CHECK(rows);
    assert_int_equal(atomic_load(&world.reloads), 2);
    assert_int_equal(atomic_load(&world.quits), 1);
    atomic_store(&world.not_ready, true);
    atomic_store(&world.reload_fails, true);
    CHECK(bad);
    oxp_server_configure(world.server, false, false);
    CHECK(off);
    assert_int_equal(atomic_load(&world.reloads), 3);
    assert_int_equal(atomic_load(&world.quits), 1);
}

static void test_landing(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"type", GET("/"), 200, "\r\nContent-Type: text/html; charset=utf-8\r\n", NULL},
        {"policy", GET("/"), 200, "\r\nContent-Security-Policy: default-src 'none';", NULL},
        {"HEAD", DO("HEAD", "/"), 200, NULL, ""},
        {"nothing else", GET("/index.html"), 404, NULL, NULL},
    };
    struct answer answer;
    CHECK(rows);
    client_ask(world.port, GET("/"), &answer);
    assert_non_null(strstr(answer.body, "<a href=\"/metrics\">"));
    assert_non_null(strstr(answer.body, "<a href=\"/api/oxpecker/v1/sessions\">"));
    assert_non_null(strstr(answer.body, OXP_VERSION));
    assert_null(strstr(answer.body, "/-/quit"));
    assert_null(strstr(answer.body, "traces/*"));
    answer_free(&answer);
}

static void test_telemetry_path(void **state) {
    (void)state;
    static const char *const bad[] = {"", "metrics", "/health", "/-/ready", API "events", "/m*"};
    struct oxp_route *routes = NULL;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (oxp_api_routes(bad[i], &routes) != OXP_ERR_INVALID) {
            fail_msg("%s", bad[i]);
        }
    }
    static const struct row renamed[] = {{"there", GET("/%3Cm%3E"), 200, NULL, NULL},
                                         {"not here", GET("/metrics"), 404, NULL, NULL}};
    static const struct row root[] = {{"there", GET("/"), 200, "text/plain; version=0.0.4", NULL},
                                      {"not here", GET("/metrics"), 404, NULL, NULL}};
    struct answer answer;
    world_stop(&world);
    world_start(&world, "/<m>");
    CHECK(renamed);
    client_ask(world.port, GET("/"), &answer);
    assert_non_null(strstr(answer.body, "<a href=\"/&lt;m&gt;\">"));
    answer_free(&answer);
    world_stop(&world);
    world_start(&world, "/");
    CHECK(root);
}

static void test_events(void **state) {
    (void)state;
#define POST(length, body) "POST " API "events HTTP/1.1\r\nHost: localhost\r\nContent-Length: " #length "\r\n\r\n" body
#define CODED(coding)                                                                                                  \
    "POST " API "events HTTP/1.1\r\nHost: localhost\r\nContent-Encoding: " coding "\r\nContent-Length: 4\r\n\r\ngood"
    static const struct row rows[] = {
        {"two", POST(10, "good\ngood\n"), 200, "\r\nContent-Type: application/json\r\n",
         "{\"accepted\":2,\"rejected\":[]}\n"},
        {"without newline", POST(4, "good"), 200, NULL, "{\"accepted\":1,\"rejected\":[]}\n"},
        {"mixed", POST(14, "good\n\nbad\ngood"), 200, NULL,
         "{\"accepted\":2,\"rejected\":[{\"line\":3,\"reason\":\"malformed\",\"error\":\"not \\\"good\\\"\"}]}\n"},
        {"none accepted", POST(4, "bad\n"), 400, NULL,
         "{\"accepted\":0,\"rejected\":[{\"line\":1,\"reason\":\"malformed\",\"error\":\"not \\\"good\\\"\"}]}\n"},
        {"empty", POST(0, ""), 400, NULL,
         "{\"status\":\"error\",\"error\":\"the body is empty; one JSON object a line is expected\"}\n"},
        {"blank lines", POST(2, "\n\n"), 400, NULL, NULL},
        {"too long", POST(1048577, "g"), 413, "\r\nConnection: close\r\n", NULL},
        {"identity", CODED("identity"), 200, NULL, "{\"accepted\":1,\"rejected\":[]}\n"},
        {"not gzip", CODED("gzip"), 400, NULL, NULL},
        {"another coding", CODED("br"), 415, NULL, NULL},
        {"two codings", CODED("gzip, gzip"), 415, NULL, NULL},
        {"GET", GET(API "events"), 405, "\r\nAllow: POST\r\n", NULL},
        {"from a page",
         "POST " API "events HTTP/1.1\r\nHost: localhost\r\nOrigin: http://x\r\nContent-Length: 4\r\n\r\ngood", 403,
         NULL, NULL},
    };
    CHECK(rows);
}

static void ask_with_body(const char *extra, const void *body, size_t len, struct answer *answer) {
    char head[256];
    int fd = client_dial(world.port);
    snprintf(head, sizeof head, "POST " API "events HTTP/1.1\r\nHost: localhost\r\n%sContent-Length: %zu\r\n\r\n",
             extra, len);
    *answer = (struct answer){0};
    if (client_say(fd, head) && client_write(fd, body, len)) {
        client_read(fd, false, answer);
    }
    close(fd);
}

struct plain {
    const char *at;
    size_t left;
};

static size_t read_plain(void *ctx, char *out, size_t size) {
    struct plain *plain = ctx;
    size_t n = plain->left < size ? plain->left : size;
    memcpy(out, plain->at, n);
    plain->at += n;
    plain->left -= n;
    return n;
}

static size_t compress(const char *bytes, size_t len, char *out, size_t size) {
    struct oxp_gzip *gzip = NULL;
    struct plain plain = {bytes, len};
    size_t done = 0, got = 0;
    assert_int_equal(oxp_gzip_new(&gzip), OXP_OK);
    while ((got = oxp_gzip_read(gzip, read_plain, &plain, out + done, size - done)) > 0) {
        done += got;
    }
    oxp_gzip_free(gzip);
    return done;
}

static void test_event_bodies(void **state) {
    (void)state;
    enum { MANY = 200000, MAX = 1024 * 1024, BOMB = 2 * MAX };
    static char lines[BOMB], packed[BOMB];
    struct answer answer;
    for (size_t i = 0; i < sizeof lines; i += 5) {
        memcpy(lines + i, "good\n", sizeof lines - i < 5 ? sizeof lines - i : 5);
    }
    ask_with_body("", lines, 5 * MANY, &answer);
    assert_string_equal(answer.body, "{\"accepted\":200000,\"rejected\":[]}\n");
    answer_free(&answer);
    size_t len = compress(lines, 5 * MANY, packed, sizeof packed);
    ask_with_body("Content-Encoding: gzip\r\n", packed, len, &answer);
    assert_string_equal(answer.body, "{\"accepted\":200000,\"rejected\":[]}\n");
    answer_free(&answer);
    len = compress(lines, sizeof lines, packed, sizeof packed);
    assert_true(len < MAX);
    ask_with_body("Content-Encoding: gzip\r\n", packed, len, &answer);
    assert_int_equal(answer.status, 413);
    answer_free(&answer);
    /* Only the first refusals are listed, all are counted. */
    for (size_t i = 0; i < 40; i++) {
        memcpy(lines + 4 * i, "bad\n", 4);
    }
    memcpy(lines + 160, "good", 4);
    ask_with_body("", lines, 164, &answer);
    assert_int_equal(answer.status, 200);
    assert_non_null(strstr(answer.body, "{\"line\":32,"));
    assert_null(strstr(answer.body, "{\"line\":33,"));
    assert_non_null(strstr(answer.body, "],\"rejected_total\":40}\n"));
    answer_free(&answer);
}

static void test_ledger(void **state) {
    (void)state;
#define BAD_PAGE "{\"status\":\"error\",\"error\":\"limit must be a whole number from 1 to 1000, skip one from 0\"}\n"
    static const struct row rows[] = {
        {"session", GET(API "sessions?id=1"), 200, "\r\nContent-Type: application/json\r\n",
         "{\"total\":1,\"skip\":0,\"sessions\":[{\"id\":\"1\",\"state\":\"running\",\"orphaned\":true,"
         "\"must_restore\":false,\"owner\":null,"
         "\"region\":null,"
         "\"workflow\":null,\"writer\":\"ma\\\"in\",\"boot\":null,\"trace_id\":null,\"started_s\":1700000000.5,"
         "\"last_event_s\":1700000001,\"timeout_s\":null,\"keep_alive\":true}]}\n"},
        {"task", GET(API "tasks?id=2"), 200, NULL,
         "{\"total\":1,\"skip\":0,\"tasks\":[{\"id\":\"2\",\"status\":null,\"stalled\":false,\"workflow\":null,"
         "\"session\":null,"
         "\"priority\":null,\"attempt\":3,\"progress_ratio\":0.1,\"writer\":null,\"trace_id\":null,\"started_s\":null,"
         "\"last_event_s\":null}]}\n"},
        {"breaker", GET(API "breakers?id=3"), 200, NULL,
         "{\"total\":1,\"skip\":0,\"breakers\":[{\"name\":\"3\",\"state\":null,\"cause\":null,\"since_s\":1,\"open_"
         "total_s\":0.25,"
         "\"consecutive_failures\":7}]}\n"},
        {"writer", GET(API "writers?id=4"), 200, NULL,
         "{\"total\":1,\"skip\":0,\"writers\":[{\"writer\":\"4\",\"boot\":null,\"version\":null,\"environment\":null,"
         "\"connected\":true,\"announced\":false,\"lost\":false,\"started_s\":1,\"last_event_s\":null,"
         "\"last_seq\":9007199254740993,\"lost_events\":0}]}\n"},
        {"incidents, filtered", GET(API "incidents?state=open&severity=high&skip=3&limit=1"), 200, NULL,
         "{\"total\":5,\"skip\":3,\"incidents\":[{\"id\":\"7\",\"state\":\"escalated\",\"code\":null,\"category\":null,"
         "\"severity\":\"high\",\"component\":null,\"workflow\":null,\"session\":null,\"task\":null,\"trace_id\":null,"
         "\"action\":null,\"automation\":null,\"outcome\":null,\"level\":null,\"reason\":null,\"writer\":null,"
         "\"boot\":null,\"opened_s\":1,\"closed_s\":null,\"derived\":false}]}\n"},
        {"incidents, none", GET(API "incidents?task=x"), 200, NULL, "{\"total\":0,\"skip\":0,\"incidents\":[]}\n"},
        {"incidents, bad state", GET(API "incidents?state=over"), 400, NULL, NULL},
        {"no traces", GET(API "traces"), 200, "\r\nContent-Type: application/json\r\n",
         "{\"total\":0,\"traces\":[]}\n"},
        {"no such trace", GET(API "traces/0af7651916cd43dd8448eb211c80319c"), 404, NULL, NULL},
        {"no trace id", GET(API "traces/x"), 400, NULL, NULL},
        {"bad wish", GET(API "traces?active=1"), 400, NULL, NULL},
        {"no logs", GET(API "logs?kind=alert&level=error"), 200, NULL, "{\"total\":0,\"logs\":[]}\n"},
        {"bad kind", GET(API "logs?kind=x"), 400, NULL, NULL},
        {"unknown id", GET(API "sessions?id=none"), 200, NULL, "{\"total\":0,\"skip\":0,\"sessions\":[]}\n"},
        {"past the end", GET(API "sessions?skip=250"), 200, NULL, "{\"total\":250,\"skip\":250,\"sessions\":[]}\n"},
        {"far past the end", GET(API "sessions?skip=9000000000"), 200, NULL,
         "{\"total\":250,\"skip\":9000000000,\"sessions\":[]}\n"},
        {"HEAD", DO("HEAD", API "sessions"), 200, NULL, ""},
        {"POST", DO("POST", API "sessions"), 405, NULL, NULL},
        {"limit 0", GET(API "sessions?limit=0"), 400, NULL, BAD_PAGE},
        {"limit 1001", GET(API "tasks?limit=1001"), 400, NULL, BAD_PAGE},
        {"limit of letters", GET(API "tasks?limit=all"), 400, NULL, BAD_PAGE},
        {"empty limit", GET(API "tasks?limit="), 400, NULL, BAD_PAGE},
        {"negative skip", GET(API "tasks?skip=-1"), 400, NULL, BAD_PAGE},
        {"huge skip", GET(API "tasks?skip=18446744073709551616"), 400, NULL, BAD_PAGE},
        {"by a name", "GET " API "sessions HTTP/1.1\r\nHost: prod.example\r\n\r\n", 403, NULL, NULL},
        {"nothing to deliver", GET(API "notifications"), 200, NULL,
         "{\"notifications\":[],\"receivers\":[],\"outbox\":null,\"notes\":[]}\n"},
        {"a kind that is not there", GET(API "silences"), 404, NULL, NULL},
    };
    CHECK(rows);
}

static size_t count_of(const char *text, const char *what) {
    size_t count = 0;
    for (const char *at = text; (at = strstr(at, what)) != NULL; at++) {
        count++;
    }
    return count;
}

static void test_pages(void **state) {
    (void)state;
    static const struct {
        const char *request, *first, *last;
        size_t count;
    } rows[] = {
        {GET(API "sessions"), "{\"id\":\"0\"", "{\"id\":\"99\"", 100},
        {GET(API "sessions?limit=1000"), "{\"id\":\"0\"", "{\"id\":\"249\"", 250},
        {GET(API "sessions?limit=7&skip=20"), "{\"id\":\"20\"", "{\"id\":\"26\"", 7},
        {GET(API "sessions?skip=240"), "{\"id\":\"240\"", "{\"id\":\"249\"", 10},
        {GET(API "sessions?limit=1"), "{\"id\":\"0\"", "{\"id\":\"0\"", 1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct answer answer;
        client_ask(world.port, rows[i].request, &answer);
        if (answer.status != 200 || strstr(answer.body, rows[i].first) == NULL ||
            strstr(answer.body, rows[i].last) == NULL || count_of(answer.body, "{\"id\":") != rows[i].count) {
            fail_msg("%s: %d\n%s", rows[i].request, answer.status, answer.body);
        }
        answer_free(&answer);
    }
}

static void test_no_loop(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"ledger", GET(API "sessions"), 503, "\r\nRetry-After: 1\r\n",
         "{\"status\":\"error\",\"error\":\"the sidecar is stopping; try again\"}\n"},
        {"events", POST(4, "good"), 503, NULL, NULL},
        {"scrape", GET("/metrics"), 200, NULL, NULL},
        {"health", GET("/health"), 200, NULL, NULL},
    };
    world_stop_loop(&world);
    CHECK(rows);
}

/* The loop hangs: those who ask it wait, all but a few only briefly, and a scrape finds a thread. */
static void test_slow_loop(void **state) {
    (void)state;
    enum { ASKERS = 6 };
    int askers[ASKERS];
    struct pollfd watched[ASKERS];
    struct answer answer;
    unsigned busy = 0;
    world_hold(&world);
    for (int i = 0; i < ASKERS; i++) {
        askers[i] = client_dial(world.port);
        watched[i] = (struct pollfd){.fd = askers[i], .events = POLLIN};
        assert_true(client_say(askers[i], GET(API "sessions?id=1")));
    }
    /* One that would not wait long has been told so; by now the threads that do wait are the ones that will. */
    int64_t began = client_now_ms();
    assert_true(poll(watched, ASKERS, CLIENT_WAIT_MS) > 0);
    client_ask(world.port, GET("/metrics"), &answer);
    assert_int_equal(answer.status, 200);
    assert_true(client_now_ms() - began < 3000);
    answer_free(&answer);
    world_let_go(&world);
    for (int i = 0; i < ASKERS; i++) {
        client_read(askers[i], false, &answer);
        assert_true(answer.status == 200 || answer.status == 503);
        busy += answer.status == 503 ? 1 : 0;
        answer_free(&answer);
        close(askers[i]);
    }
    assert_true(busy <= ASKERS - 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_lifecycle, start, stop),
        cmocka_unit_test_setup_teardown(test_landing, start, stop),
        cmocka_unit_test_setup_teardown(test_telemetry_path, start, stop),
        cmocka_unit_test_setup_teardown(test_events, start, stop),
        cmocka_unit_test_setup_teardown(test_event_bodies, start, stop),
        cmocka_unit_test_setup_teardown(test_ledger, start, stop),
        cmocka_unit_test_setup_teardown(test_pages, start, stop),
        cmocka_unit_test_setup_teardown(test_no_loop, start, stop),
        cmocka_unit_test_setup_teardown(test_slow_loop, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
