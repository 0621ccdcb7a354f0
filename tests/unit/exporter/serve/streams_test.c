/* Streamed answers: whole, cut short by the client, to HEAD and HTTP/1.0; and many clients at once. */
#include <netinet/in.h>
#include <pthread.h>
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

static struct fixture fixture;

static int start(void **state) {
    (void)state;
    fixture_start(&fixture, (struct oxp_server_options){.threads = 3});
    return 0;
}

static int stop(void **state) {
    (void)state;
    fixture_stop(&fixture);
    return 0;
}

static bool all_ended(void *ctx) {
    (void)ctx;
    return atomic_load(&fixture.streams_open) == atomic_load(&fixture.streams_ended);
}

static bool is_pattern(const struct answer *answer, size_t len) {
    for (size_t i = 0; i < answer->body_len; i++) {
        if (answer->body[i] != (char)('a' + i % 23)) {
            return false;
        }
    }
    return answer->body_len == len;
}

static void test_whole(void **state) {
    (void)state;
    static const struct {
        const char *request;
        size_t len;
        bool chunked;
    } rows[] = {
        {"GET /stream?n=0 HTTP/1.1\r\n" H "\r\n", 0, true},
        {"GET /stream?n=1 HTTP/1.1\r\n" H "\r\n", STREAM_UNIT, true},
        {"GET /stream?n=3000 HTTP/1.1\r\n" H "\r\n", 3000 * STREAM_UNIT, true},
        {"GET /stream?n=3000 HTTP/1.1\r\n" H "Connection: close\r\n\r\n", 3000 * STREAM_UNIT, true},
        {"GET /stream?n=100 HTTP/1.0\r\n\r\n", 100 * STREAM_UNIT, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct answer answer;
        client_ask(fixture.port, rows[i].request, &answer);
        if (answer.status != 200 || answer.cut || answer.chunked != rows[i].chunked ||
            !is_pattern(&answer, rows[i].len)) {
            fail_msg("%s: %d, %zu bytes\n%s", rows[i].request, answer.status, answer.body_len, answer.head);
        }
        answer_free(&answer);
    }
    assert_true(client_wait(all_ended, NULL));
    assert_int_equal(atomic_load(&fixture.streams_ended), sizeof rows / sizeof rows[0]);
}

/* Not a byte behind the head, or the client takes it for the next answer. */
static void test_head(void **state) {
    (void)state;
    int fd = client_dial(fixture.port);
    char left[16];
    struct answer answer;
    assert_true(client_say(fd, "HEAD /stream?n=10 HTTP/1.1\r\n" H "\r\n"));
    client_read(fd, true, &answer);
    assert_int_equal(answer.status, 200);
    assert_non_null(strstr(answer.head, "\r\nConnection: close\r\n"));
    assert_int_equal(recv(fd, left, sizeof left, 0), 0);
    answer_free(&answer);
    close(fd);
    assert_true(client_wait(all_ended, NULL));
}

static void test_client_leaves(void **state) {
    (void)state;
    for (int i = 0; i < 8; i++) {
        int fd = client_dial(fixture.port);
        char some[100];
        assert_true(client_say(fd, "GET /stream?n=100000 HTTP/1.1\r\n" H "\r\n"));
        assert_true(recv(fd, some, sizeof some, 0) > 0);
        close(fd);
    }
    assert_true(client_wait(all_ended, NULL));
    assert_int_equal(atomic_load(&fixture.streams_ended), 8);
}

/* A client that closes its sending side still gets its answer. */
static void test_half_closed(void **state) {
    (void)state;
    int fd = client_dial(fixture.port);
    struct answer answer;
    assert_true(client_say(fd, "GET /stream?n=2000 HTTP/1.1\r\n" H "\r\n"));
    shutdown(fd, SHUT_WR);
    client_read(fd, false, &answer);
    assert_int_equal(answer.status, 200);
    assert_true(is_pattern(&answer, 2000 * STREAM_UNIT));
    answer_free(&answer);
    close(fd);
}

struct crowd {
    pthread_t thread;
    unsigned good;
};

static void *one_of_many(void *ctx) {
    struct crowd *crowd = ctx;
    static const char *const requests[] = {
        "GET /hello HTTP/1.1\r\n" H "\r\n",
        "GET /stream?n=100 HTTP/1.1\r\n" H "\r\n",
        "POST /echo HTTP/1.1\r\n" H "Content-Length: 3\r\n\r\nabc",
        "GET /nothing HTTP/1.1\r\n" H "\r\n",
    };
    for (unsigned i = 0; i < 40; i++) {
        int fd = client_dial(fixture.port);
        for (unsigned j = 0; fd >= 0 && j < 4; j++) {
            struct answer answer = {0};
            if (client_say(fd, requests[(i + j) % 4])) {
                client_read(fd, false, &answer);
            }
            crowd->good += !answer.cut && answer.status == ((i + j) % 4 == 3 ? 404 : 200) ? 1 : 0;
            answer_free(&answer);
        }
        close(fd);
    }
    return NULL;
}

static void test_many(void **state) {
    (void)state;
    struct crowd crowd[6] = {0};
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(pthread_create(&crowd[i].thread, NULL, one_of_many, &crowd[i]), 0);
    }
    for (size_t i = 0; i < 6; i++) {
        pthread_join(crowd[i].thread, NULL);
        assert_int_equal(crowd[i].good, 160);
    }
    assert_true(client_wait(all_ended, NULL));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_whole, start, stop),
        cmocka_unit_test_setup_teardown(test_head, start, stop),
        cmocka_unit_test_setup_teardown(test_client_leaves, start, stop),
        cmocka_unit_test_setup_teardown(test_half_closed, start, stop),
        cmocka_unit_test_setup_teardown(test_many, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
