/* One request, one answer: routes, methods, framing, bodies, access; then several on one connection. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/exporter/serve/client.h"
#include "tests/unit/exporter/serve/fixture.h"

#define H "Host: localhost\r\n"
#define END "\r\n"

struct row {
    const char *name, *request;
    int status;
    const char *head, *body; /* what they must hold; NULL = anything */
};

static struct fixture fixture;

static int start(void **state) {
    (void)state;
    fixture_start(&fixture, (struct oxp_server_options){.threads = 2});
    return 0;
}

static int stop(void **state) {
    (void)state;
    fixture_stop(&fixture);
    return 0;
}

static void check(const struct row *rows, size_t count) {
    for (size_t i = 0; i < count; i++) {
        struct answer answer;
        client_ask(fixture.port, rows[i].request, &answer);
        if (answer.status != rows[i].status || answer.cut ||
            (rows[i].head != NULL && strstr(answer.head, rows[i].head) == NULL) ||
            (rows[i].body != NULL && strcmp(answer.body, rows[i].body) != 0)) {
            fail_msg("%s: %d%s\n%s%s", rows[i].name, answer.status, answer.cut ? " (cut)" : "", answer.head,
                     answer.body == NULL ? "" : answer.body);
        }
        answer_free(&answer);
    }
}
#define CHECK(rows) check(rows, sizeof(rows) / sizeof(rows)[0])

static void test_routes(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"hello", "GET /hello HTTP/1.1\r\n" H END, 200, "\r\nContent-Type: text/plain; charset=utf-8\r\n", "hello\n"},
        {"nosniff", "GET /hello HTTP/1.1\r\n" H END, 200, "\r\nX-Content-Type-Options: nosniff\r\n", NULL},
        {"no-store", "GET /hello HTTP/1.1\r\n" H END, 200, "\r\nCache-Control: no-store\r\n", NULL},
        {"its own header", "GET /hello HTTP/1.1\r\n" H END, 200, "\r\nX-More: yes\r\n", NULL},
        {"HTTP/1.0 needs no Host", "GET /hello HTTP/1.0\r\n\r\n", 200, "\r\nConnection: close\r\n", "hello\n"},
        {"HEAD", "HEAD /hello HTTP/1.1\r\n" H END, 200, "\r\nContent-Length: 6\r\n", ""},
        {"query", "GET /hello?x=1 HTTP/1.1\r\n" H END, 200, NULL, "hello\n"},
        {"escaped path", "GET /h%65llo HTTP/1.1\r\n" H END, 200, NULL, "hello\n"},
        {"nothing there", "GET /nothing HTTP/1.1\r\n" H END, 404, "\r\nContent-Type: application/json\r\n",
         "{\"status\":\"error\",\"error\":\"there is nothing at this path\"}\n"},
        {"root", "GET / HTTP/1.1\r\n" H END, 404, NULL, NULL},
        {"longer", "GET /hello/ HTTP/1.1\r\n" H END, 404, NULL, NULL},
        {"dots", "GET /x/../hello HTTP/1.1\r\n" H END, 404, NULL, NULL},
        {"another case", "GET /Hello HTTP/1.1\r\n" H END, 404, NULL, NULL},
        {"HEAD of nothing", "HEAD /nothing HTTP/1.1\r\n" H END, 404, NULL, ""},
        {"star", "GET /star/a/b HTTP/1.1\r\n" H END, 200, NULL, "star get"},
        {"star alone", "GET /star/ HTTP/1.1\r\n" H END, 200, NULL, "star get"},
        {"before the star", "GET /star HTTP/1.1\r\n" H END, 404, NULL, NULL},
        {"the exact one first", "GET /star/exact HTTP/1.1\r\n" H END, 200, NULL, "exact"},
        {"star by method", "POST /star/x HTTP/1.1\r\n" H "Content-Length: 0\r\n\r\n", 200, NULL, "star post"},
        {"one path, two rows, get", "GET /both HTTP/1.1\r\n" H END, 200, NULL, "star get"},
        {"one path, two rows, post", "POST /both HTTP/1.1\r\n" H END, 200, NULL, "star post"},
        {"arguments", "GET /args?b=2&a=1%20%2B+3 HTTP/1.1\r\n" H END, 201, NULL, "/args a=1 + 3 x=(none)"},
        {"argument without value", "GET /args?a HTTP/1.1\r\n" H END, 201, NULL, "/args a= x=(none)"},
        {"no argument", "GET /args HTTP/1.1\r\n" H END, 201, NULL, "/args a=(none) x=(none)"},
        {"header", "GET /args HTTP/1.1\r\n" H "X-Thing: a\r\n\r\n", 201, NULL, "/args a=(none) x=a"},
        {"header thrice", "GET /args HTTP/1.1\r\n" H "X-Thing: a\r\nx-thing: b\r\nX-THING: c\r\n\r\n", 201, NULL,
         "/args a=(none) x=a, b, c"},
    };
    CHECK(rows);
}

static void test_methods(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"POST to GET", "POST /hello HTTP/1.1\r\n" H END, 405, "\r\nAllow: GET, HEAD\r\n", NULL},
        {"GET of POST", "GET /echo HTTP/1.1\r\n" H END, 405, "\r\nAllow: POST, PUT\r\n", NULL},
        {"HEAD of POST", "HEAD /echo HTTP/1.1\r\n" H END, 405, "\r\nAllow: POST, PUT\r\n", ""},
        {"two rows", "PUT /both HTTP/1.1\r\n" H END, 405, "\r\nAllow: GET, HEAD, POST\r\n", NULL},
        {"exact hides star", "POST /star/exact HTTP/1.1\r\n" H END, 405, "\r\nAllow: GET, HEAD\r\n", NULL},
        {"OPTIONS", "OPTIONS /hello HTTP/1.1\r\n" H END, 405, "\r\nAllow: GET, HEAD\r\n", NULL},
        {"DELETE", "DELETE /hello HTTP/1.1\r\n" H END, 405, NULL, NULL},
        {"TRACE", "TRACE /hello HTTP/1.1\r\n" H END, 405, NULL, NULL},
        {"lower case", "get /hello HTTP/1.1\r\n" H END, 405, NULL, NULL},
        {"with a body", "POST /hello HTTP/1.1\r\n" H "Content-Length: 3\r\n\r\nabc", 405, "\r\nConnection: close\r\n",
         NULL},
    };
    CHECK(rows);
}

static void test_bodies(void **state) {
    (void)state;
    char full[ECHO_MAX + 200], over[ECHO_MAX + 200], chunked[ECHO_MAX + 200], body[ECHO_MAX + 1];
    memset(body, 'x', ECHO_MAX);
    body[ECHO_MAX] = '\0';
    snprintf(full, sizeof full, "POST /echo HTTP/1.1\r\n" H "Content-Length: %d\r\n\r\n%s", ECHO_MAX, body);
    snprintf(over, sizeof over, "POST /echo HTTP/1.1\r\n" H "Content-Length: %d\r\n\r\n%sx", ECHO_MAX + 1, body);
    snprintf(chunked, sizeof chunked,
             "POST /echo HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n1\r\nx\r\n0\r\n\r\n", ECHO_MAX,
             body);
    const struct row rows[] = {
        {"post", "POST /echo HTTP/1.1\r\n" H "Content-Length: 3\r\n\r\nabc", 200, "\r\nContent-Type: text/post\r\n",
         "abc"},
        {"put", "PUT /echo HTTP/1.1\r\n" H "Content-Length: 3\r\n\r\nabc", 200, "\r\nContent-Type: text/put\r\n",
         "abc"},
        {"empty", "POST /echo HTTP/1.1\r\n" H "Content-Length: 0\r\n\r\n", 200, NULL, ""},
        {"no length", "POST /echo HTTP/1.1\r\n" H END, 200, NULL, ""},
        {"chunks", "POST /echo HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n",
         200, NULL, "abcde"},
        {"trailer", "POST /echo HTTP/1.1\r\n" H "Transfer-Encoding: Chunked\r\n\r\n1\r\na\r\n0\r\nX-Thing: b\r\n\r\n",
         200, NULL, "a"},
        {"at the limit", full, 200, NULL, body},
        {"past the limit", over, 413, NULL, NULL},
        {"past the limit in chunks", chunked, 413, "\r\nConnection: close\r\n", NULL},
        {"a body where none is taken", "GET /hello HTTP/1.1\r\n" H "Content-Length: 1\r\n\r\nx", 413, NULL, NULL},
        {"chunks where none are taken", "GET /hello HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 413,
         NULL, NULL},
        {"an empty body where none is taken", "GET /hello HTTP/1.1\r\n" H "Content-Length: 0\r\n\r\n", 200, NULL,
         "hello\n"},
        {"continue", "POST /echo HTTP/1.1\r\n" H "Content-Length: 2\r\nExpect: 100-continue\r\n\r\nab", 100, NULL,
         NULL},
        {"no continue for too much", "POST /echo HTTP/1.1\r\n" H "Content-Length: 2000\r\nExpect: 100-continue\r\n\r\n",
         413, NULL, NULL},
        {"chunk size is none", "POST /echo HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\nxyz\r\n", 400, NULL,
         NULL},
        {"chunk without its end",
         "POST /echo HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n3\r\nabcdef\r\n0\r\n\r\n", 400, NULL, NULL},
    };
    CHECK(rows);
}

static void test_framing(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"two lengths", "POST /echo HTTP/1.1\r\n" H "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", 400, NULL,
         NULL},
        {"two equal lengths", "POST /echo HTTP/1.1\r\n" H "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", 400,
         NULL, "{\"status\":\"error\",\"error\":\"bad request: more than one Content-Length\"}\n"},
        {"two lengths, another case", "POST /echo HTTP/1.1\r\n" H "content-length: 3\r\nCONTENT-LENGTH: 3\r\n\r\nabc",
         400, NULL, NULL},
        {"length and chunks",
         "POST /echo HTTP/1.1\r\n" H "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, NULL,
         "{\"status\":\"error\",\"error\":\"bad request: Content-Length together with Transfer-Encoding\"}\n"},
        {"chunks and length",
         "POST /echo HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n0\r\n\r\n", 400, NULL,
         NULL},
        {"even on GET", "GET /hello HTTP/1.1\r\n" H "Content-Length: 0\r\nContent-Length: 0\r\n\r\n", 400,
         "\r\nConnection: close\r\n", NULL},
        {"two Hosts", "GET /hello HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, NULL,
         "{\"status\":\"error\",\"error\":\"bad request: more than one Host\"}\n"},
        {"two equal Hosts", "GET /hello HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400, NULL, NULL},
        {"two Hosts in 1.0", "GET /hello HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", 400, NULL, NULL},
        {"no Host", "GET /hello HTTP/1.1\r\n\r\n", 400, NULL,
         "{\"status\":\"error\",\"error\":\"bad request: no Host\"}\n"},
        {"blank before the colon", "POST /echo HTTP/1.1\r\n" H "Content-Length : 3\r\n\r\nabc", 400, NULL, NULL},
        {"tab before the colon", "POST /echo HTTP/1.1\r\n" H "Transfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n", 400, NULL,
         NULL},
        {"no colon", "GET /hello HTTP/1.1\r\n" H "nonsense\r\n\r\n", 400, NULL, NULL},
        {"length in words", "POST /echo HTTP/1.1\r\n" H "Content-Length: three\r\n\r\nabc", 400, NULL, NULL},
        {"signed length", "POST /echo HTTP/1.1\r\n" H "Content-Length: +3\r\n\r\nabc", 400, NULL, NULL},
        {"negative length", "POST /echo HTTP/1.1\r\n" H "Content-Length: -3\r\n\r\nabc", 400, NULL, NULL},
        {"list of lengths", "POST /echo HTTP/1.1\r\n" H "Content-Length: 3, 3\r\n\r\nabc", 400, NULL, NULL},
        {"empty length", "POST /echo HTTP/1.1\r\n" H "Content-Length:\r\n\r\nabc", 400, NULL, NULL},
        {"hexadecimal length", "POST /echo HTTP/1.1\r\n" H "Content-Length: 0x3\r\n\r\nabc", 400, NULL, NULL},
        {"length past 64 bits", "POST /echo HTTP/1.1\r\n" H "Content-Length: 99999999999999999999\r\n\r\nabc", 413,
         NULL, NULL},
        {"huge length", "POST /echo HTTP/1.1\r\n" H "Content-Length: 18446744073709551615\r\n\r\nabc", 413, NULL, NULL},
        {"another coding", "POST /echo HTTP/1.1\r\n" H "Transfer-Encoding: gzip\r\n\r\nabc", 501, NULL, NULL},
        {"coding list", "POST /echo HTTP/1.1\r\n" H "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501, NULL,
         NULL},
        {"two codings",
         "POST /echo HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n", 400,
         NULL, NULL},
        {"chunks in 1.0", "POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, NULL, NULL},
        {"version 2", "GET /hello HTTP/2.0\r\n" H END, 505, NULL, NULL},
        {"no version", "GET /hello\r\n\r\n", 400, NULL, NULL},
    };
    CHECK(rows);
    assert_true(atomic_load(&fixture.refusals[REFUSED_FRAMING]) >= sizeof rows / sizeof rows[0] - 4);
    assert_int_equal(atomic_load(&fixture.refusals[REFUSED_OTHER]), 0);
}

static void test_access(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"local", "POST /local HTTP/1.1\r\nHost: 127.0.0.1:1\r\nContent-Length: 2\r\n\r\nok", 200, NULL, "ok"},
        {"no Host", "POST /local HTTP/1.0\r\nContent-Length: 2\r\n\r\nok", 403, NULL, NULL},
        {"a name", "POST /local HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 2\r\n\r\nok", 403,
         "\r\nConnection: close\r\n", NULL},
        {"Origin", "POST /local HTTP/1.1\r\n" H "Origin: http://localhost\r\nContent-Length: 2\r\n\r\nok", 403, NULL,
         NULL},
        {"Sec-Fetch-Site", "POST /local HTTP/1.1\r\n" H "Sec-Fetch-Site: cross-site\r\nContent-Length: 2\r\n\r\nok",
         403, NULL, NULL},
        {"Sec-Fetch-Site none", "POST /local HTTP/1.1\r\n" H "Sec-Fetch-Site: none\r\nContent-Length: 2\r\n\r\nok", 200,
         NULL, "ok"},
        {"Forwarded", "POST /local HTTP/1.1\r\n" H "Forwarded: for=x\r\n\r\n", 403, NULL, NULL},
        {"Via", "POST /local HTTP/1.1\r\n" H "Via: 1.1 x\r\n\r\n", 403, NULL, NULL},
        {"X-Forwarded-For", "POST /local HTTP/1.1\r\n" H "x-forwarded-for: 127.0.0.1\r\n\r\n", 403, NULL, NULL},
        {"X-Forwarded-Anything", "POST /local HTTP/1.1\r\n" H "X-Forwarded-Zzz:\r\n\r\n", 403, NULL, NULL},
        {"X-Forwarded is another header", "POST /local HTTP/1.1\r\n" H "X-Forwarded: x\r\n\r\n", 200, NULL, NULL},
        {"ledger", "GET /ledger HTTP/1.1\r\n" H END, 200, NULL, "hello\n"},
        {"ledger by a name", "GET /ledger HTTP/1.1\r\nHost: evil.example\r\n\r\n", 403, NULL, NULL},
        {"ledger by a proxy", "GET /ledger HTTP/1.1\r\n" H "X-Forwarded-For: x\r\n\r\n", 403, NULL, NULL},
        {"open by a name", "GET /hello HTTP/1.1\r\nHost: prod.example\r\nX-Forwarded-For: x\r\n\r\n", 200, NULL, NULL},
        {"lifecycle off", "POST /life HTTP/1.1\r\n" H END, 403, NULL,
         "{\"status\":\"error\",\"error\":\"refused: the lifecycle API is not enabled (--web.enable-lifecycle)\"}\n"},
    };
    static const struct row opened[] = {
        {"ledger exposed", "GET /ledger HTTP/1.1\r\nHost: prod.example\r\n\r\n", 200, NULL, NULL},
        {"lifecycle on", "POST /life HTTP/1.1\r\n" H END, 200, NULL, NULL},
        {"lifecycle by a name", "POST /life HTTP/1.1\r\nHost: evil.example\r\n\r\n", 403, NULL, NULL},
    };
    CHECK(rows);
    oxp_server_configure(fixture.server, true, true);
    CHECK(opened);
    oxp_server_configure(fixture.server, false, false);
    const struct row closed[] = {rows[12], rows[15]};
    CHECK(closed);
    assert_int_equal(atomic_load(&fixture.refusals[REFUSED_ACCESS]), 14);
}

static void test_keep_alive(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"first", "GET /hello HTTP/1.1\r\n" H END, 200, NULL, "hello\n"},
        {"404", "GET /nothing HTTP/1.1\r\n" H END, 404, NULL, NULL},
        {"405", "POST /hello HTTP/1.1\r\n" H END, 405, NULL, NULL},
        {"403", "GET /ledger HTTP/1.1\r\nHost: x\r\n\r\n", 403, NULL, NULL},
        {"HEAD", "HEAD /hello HTTP/1.1\r\n" H END, 200, NULL, ""},
        {"body", "POST /echo HTTP/1.1\r\n" H "Content-Length: 3\r\n\r\nabc", 200, NULL, "abc"},
        {"stream", "GET /stream?n=1 HTTP/1.1\r\n" H END, 200, "\r\nTransfer-Encoding: chunked\r\n", NULL},
        {"no body of before", "POST /echo HTTP/1.1\r\n" H "Content-Length: 0\r\n\r\n", 200, NULL, ""},
        {"last", "GET /hello HTTP/1.1\r\n" H "Connection: close\r\n\r\n", 200, "\r\nConnection: close\r\n", "hello\n"},
    };
    const size_t count = sizeof rows / sizeof rows[0];
    for (int pipelined = 0; pipelined < 2; pipelined++) {
        int fd = client_dial(fixture.port);
        for (size_t i = 0; pipelined != 0 && i < count; i++) {
            assert_true(client_say(fd, rows[i].request));
        }
        for (size_t i = 0; i < count; i++) {
            struct answer answer;
            assert_true(pipelined != 0 || client_say(fd, rows[i].request));
            client_read(fd, strncmp(rows[i].request, "HEAD", 4) == 0, &answer);
            if (answer.status != rows[i].status || answer.cut ||
                (rows[i].body != NULL && strcmp(rows[i].body, answer.body) != 0) ||
                (rows[i].head != NULL && strstr(answer.head, rows[i].head) == NULL) ||
                (i + 1 < count && strstr(answer.head, "Connection: close") != NULL)) {
                fail_msg("%s: %d\n%s%s", rows[i].name, answer.status, answer.head, answer.body);
            }
            answer_free(&answer);
        }
        assert_true(client_sees_end(fd, CLIENT_WAIT_MS));
        close(fd);
    }
}

static bool answers_are(void *ctx) {
    return atomic_load(&fixture.answers) == *(unsigned *)ctx;
}

static void test_callbacks(void **state) {
    (void)state;
    unsigned wanted = atomic_load(&fixture.answers) + 3, statuses = atomic_load(&fixture.statuses);
    atomic_store(&fixture.no_route_seen, false);
    static const struct row rows[] = {
        {"one", "GET /hello HTTP/1.1\r\n" H END, 200, NULL, NULL},
        {"two", "POST /echo HTTP/1.1\r\n" H "Content-Length: 3\r\n\r\nabc", 200, NULL, NULL},
        {"three", "GET /nothing HTTP/1.1\r\n" H END, 404, NULL, NULL},
    };
    CHECK(rows);
    assert_true(client_wait(answers_are, &wanted));
    assert_true(atomic_load(&fixture.no_route_seen));
    assert_int_equal(atomic_load(&fixture.statuses) - statuses, 200 + 200 + 404);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_routes, start, stop),
        cmocka_unit_test_setup_teardown(test_methods, start, stop),
        cmocka_unit_test_setup_teardown(test_bodies, start, stop),
        cmocka_unit_test_setup_teardown(test_framing, start, stop),
        cmocka_unit_test_setup_teardown(test_access, start, stop),
        cmocka_unit_test_setup_teardown(test_keep_alive, start, stop),
        cmocka_unit_test_setup_teardown(test_callbacks, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
