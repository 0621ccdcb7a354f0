/* Slow and silent clients: each deadline with a short value, the others so long that only the one in question can be
 * the cause. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/exporter/serve/client.h"
#include "tests/unit/exporter/serve/fixture.h"

#define H "Host: localhost\r\n"
#define LONG 3600000

static struct fixture fixture;

/* How many of our own well-meant connections met the deadline in question: a busy machine may hold us up for longer,
 * between any two of our steps. Whoever has one of them begins it anew. */
static unsigned held_up;

static void start(struct oxp_server_options options) {
    options.threads = 2;
    options.header_deadline_ms = options.header_deadline_ms == 0 ? LONG : options.header_deadline_ms;
    options.body_deadline_ms = options.body_deadline_ms == 0 ? LONG : options.body_deadline_ms;
    options.idle_deadline_ms = options.idle_deadline_ms == 0 ? LONG : options.idle_deadline_ms;
    options.answer_deadline_ms = options.answer_deadline_ms == 0 ? LONG : options.answer_deadline_ms;
    held_up = 0;
    fixture_start(&fixture, options);
}

static int stop(void **state) {
    (void)state;
    if (fixture.server != NULL) {
        fixture_stop(&fixture);
    }
    return 0;
}

/* Sends one byte again and again, so that only an absolute deadline ends it. True when the peer closed within the
 * bounded wait. */
static bool drip_until_end(int fd, const char *byte) {
    int64_t until = client_now_ms() + CLIENT_WAIT_MS;
    while (client_now_ms() < until) {
        if (!client_write(fd, byte, 1) || client_sees_end(fd, 5)) {
            return true;
        }
    }
    return false;
}

static bool ask_hello(int fd) {
    struct answer answer = {.status = 0};
    if (client_say(fd, "GET /hello HTTP/1.1\r\n" H "\r\n")) {
        client_read(fd, false, &answer);
    }
    bool answered = answer.status == 200;
    answer_free(&answer);
    return answered;
}

/* A connection whose first request was answered. */
static int dial_and_ask_hello(void) {
    for (int64_t until = client_now_ms() + CLIENT_WAIT_MS; client_now_ms() < until; held_up++) {
        int fd = client_dial(fixture.port);
        if (ask_hello(fd)) {
            return fd;
        }
        close(fd);
    }
    fail_msg("no answer");
    return -1;
}

/* The server goes on answering others meanwhile. */
static void assert_answers(void) {
    close(dial_and_ask_hello());
}

static bool one_refused(void *ctx) {
    (void)ctx;
    return atomic_load(&fixture.refusals[REFUSED_DEADLINE]) == 1 + held_up;
}

static void test_silent(void **state) {
    (void)state;
    start((struct oxp_server_options){.header_deadline_ms = 100});
    int64_t began = client_now_ms();
    int fd = client_dial(fixture.port);
    assert_answers();
    assert_true(client_sees_end(fd, CLIENT_WAIT_MS));
    assert_true(client_now_ms() - began >= 100);
    close(fd);
    assert_true(client_wait(one_refused, NULL));
}

static void test_dripped_head(void **state) {
    (void)state;
    start((struct oxp_server_options){.header_deadline_ms = 100});
    int fd = client_dial(fixture.port);
    assert_true(client_say(fd, "GET /hello HTTP/1.1\r\n" H "X-Slow: "));
    assert_true(drip_until_end(fd, "x"));
    close(fd);
    assert_true(client_wait(one_refused, NULL));
}

/* Also before the request line is whole, when the library tells us nothing. */
static void test_dripped_line(void **state) {
    (void)state;
    start((struct oxp_server_options){.header_deadline_ms = 100});
    int fd = client_dial(fixture.port);
    assert_true(drip_until_end(fd, "G"));
    close(fd);
    assert_true(client_wait(one_refused, NULL));
}

static void test_dripped_second_line(void **state) {
    (void)state;
    start((struct oxp_server_options){.header_deadline_ms = 200});
    int fd = dial_and_ask_hello();
    assert_false(client_sees_end(fd, 300)); /* idle is not a head that is late */
    assert_true(drip_until_end(fd, "G"));
    close(fd);
    assert_true(client_wait(one_refused, NULL));
}

static void test_dripped_second_head(void **state) {
    (void)state;
    start((struct oxp_server_options){.header_deadline_ms = 200});
    int fd = dial_and_ask_hello();
    assert_true(client_say(fd, "GET /hello HTTP/1.1\r\n" H "X: "));
    assert_true(drip_until_end(fd, "x"));
    close(fd);
    assert_true(client_wait(one_refused, NULL));
}

static void test_idle(void **state) {
    (void)state;
    start((struct oxp_server_options){.idle_deadline_ms = 150});
    int fd = client_dial(fixture.port);
    assert_false(client_sees_end(fd, 200)); /* a first request may take the head's time */
    assert_true(ask_hello(fd));
    bool again = ask_hello(fd);
    for (int i = 0; i < 100 && !again; i++) { /* we were held up before the second, which was late then */
        close(fd);
        fd = dial_and_ask_hello();
        again = ask_hello(fd);
    }
    assert_true(again);
    assert_true(client_sees_end(fd, CLIENT_WAIT_MS));
    close(fd);
    assert_int_equal(atomic_load(&fixture.refusals[REFUSED_DEADLINE]), 0); /* a rest that ends is no refusal */
}

static void test_dripped_body(void **state) {
    (void)state;
    start((struct oxp_server_options){.body_deadline_ms = 100});
    int fd = client_dial(fixture.port);
    struct answer answer;
    assert_true(client_say(fd, "POST /echo HTTP/1.1\r\n" H "Content-Length: 900\r\n\r\nabc"));
    client_read(fd, false, &answer);
    assert_int_equal(answer.status, 408);
    answer_free(&answer);
    assert_true(client_sees_end(fd, CLIENT_WAIT_MS));
    close(fd);
    fd = client_dial(fixture.port);
    assert_true(client_say(fd, "POST /echo HTTP/1.1\r\n" H "Content-Length: 900\r\n\r\n"));
    assert_true(drip_until_end(fd, "x"));
    close(fd);
    assert_answers();
}

static bool stream_ended(void *ctx) {
    (void)ctx;
    return atomic_load(&fixture.streams_ended) == 1;
}

/* 1 GB asked for and not read: the sockets' buffers fill, and then only a deadline frees the stream. */
static void test_slow_reader(void **state) {
    (void)state;
    start((struct oxp_server_options){.answer_deadline_ms = 300});
    int fd = client_dial(fixture.port);
    assert_true(client_say(fd, "GET /stream?n=1000000 HTTP/1.1\r\n" H "\r\n"));
    assert_answers();
    assert_true(client_wait(stream_ended, NULL));
    assert_true(client_wait(one_refused, NULL));
    close(fd);
}

static bool one_blocked(void *ctx) {
    (void)ctx;
    return atomic_load(&fixture.blocked) == 1;
}

/* A handler that takes its time is ours to wait for, not the client's fault. */
static void test_slow_handler(void **state) {
    (void)state;
    start((struct oxp_server_options){
        .header_deadline_ms = 50, .body_deadline_ms = 50, .idle_deadline_ms = 50, .answer_deadline_ms = 100});
    struct answer answer;
    int fd = -1;
    for (int i = 0; i < 100 && !one_blocked(NULL); i++) { /* until the whole head is there in time */
        close(fd);
        fd = client_dial(fixture.port);
        assert_true(client_say(fd, "GET /block HTTP/1.1\r\n" H "\r\n"));
        while (!client_sees_end(fd, 5) && !one_blocked(NULL)) {
        }
    }
    assert_true(one_blocked(NULL));
    assert_false(client_sees_end(fd, 300));
    assert_answers(); /* by the other worker */
    fixture_release(&fixture);
    client_read(fd, false, &answer);
    assert_int_equal(answer.status, 200);
    assert_string_equal(answer.body, "released");
    answer_free(&answer);
    close(fd);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_silent, stop),
        cmocka_unit_test_teardown(test_dripped_head, stop),
        cmocka_unit_test_teardown(test_dripped_line, stop),
        cmocka_unit_test_teardown(test_dripped_second_line, stop),
        cmocka_unit_test_teardown(test_dripped_second_head, stop),
        cmocka_unit_test_teardown(test_idle, stop),
        cmocka_unit_test_teardown(test_dripped_body, stop),
        cmocka_unit_test_teardown(test_slow_reader, stop),
        cmocka_unit_test_teardown(test_slow_handler, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
