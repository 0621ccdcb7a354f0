/* Too many connections, no descriptors, too much body, and the end of the server. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "exporter/serve/internal.h"
#include "tests/unit/exporter/serve/client.h"
#include "tests/unit/exporter/serve/fixture.h"

#define H "Host: localhost\r\n"
#define HELLO "GET /hello HTTP/1.1\r\n" H "\r\n"
#define LONG 3600000

static struct fixture fixture;

static int stop(void **state) {
    (void)state;
    if (fixture.server != NULL) {
        fixture_stop(&fixture);
    }
    return 0;
}

static void assert_hello(int fd) {
    struct answer answer;
    assert_true(client_say(fd, HELLO));
    client_read(fd, false, &answer);
    assert_int_equal(answer.status, 200);
    answer_free(&answer);
}

static bool limits_hit(void *ctx) {
    return atomic_load(&fixture.refusals[REFUSED_LIMIT]) >= *(unsigned *)ctx;
}

static void test_flood(void **state) {
    (void)state;
    enum { LIMIT = 8, FLOOD = 20 };
    int silent[FLOOD];
    fixture_start(&fixture, (struct oxp_server_options){.threads = 2,
                                                        .max_connections = LIMIT,
                                                        .header_deadline_ms = LONG}); /* no deadline makes room */
    for (int i = 0; i < FLOOD; i++) {
        silent[i] = client_dial(fixture.port);
        assert_true(silent[i] >= 0);
    }
    int fd = client_dial(fixture.port);
    assert_hello(fd);
    unsigned cut = FLOOD + 1 - LIMIT;
    assert_true(client_wait(limits_hit, &cut));
    assert_int_equal(atomic_load(&fixture.refusals[REFUSED_LIMIT]), cut);
    /* The oldest went, the youngest stayed. */
    assert_true(client_sees_end(silent[0], CLIENT_WAIT_MS));
    assert_true(client_sees_end(silent[FLOOD - LIMIT], CLIENT_WAIT_MS));
    assert_hello(silent[FLOOD - 1]);
    assert_hello(silent[FLOOD - LIMIT + 1]);
    for (int i = 0; i < FLOOD; i++) {
        close(silent[i]);
    }
    close(fd);
}

static bool streams_ended_is(void *ctx) {
    return atomic_load(&fixture.streams_ended) >= *(unsigned *)ctx;
}

static bool streams_open_is(void *ctx) {
    return atomic_load(&fixture.streams_open) >= *(unsigned *)ctx;
}

/* All connections have whole requests and take nothing of the answer. */
static void test_flood_of_slow_readers(void **state) {
    (void)state;
    enum { LIMIT = 4 };
    int slow[LIMIT];
    fixture_start(&fixture,
                  (struct oxp_server_options){
                      .threads = 2, .max_connections = LIMIT, .header_deadline_ms = LONG, .answer_deadline_ms = LONG});
    for (int i = 0; i < LIMIT; i++) {
        slow[i] = client_dial(fixture.port);
        assert_true(client_say(slow[i], "GET /stream?n=1000000 HTTP/1.1\r\n" H "\r\n"));
    }
    unsigned all = LIMIT, one = 1;
    assert_true(client_wait(streams_open_is, &all));
    int fd = client_dial(fixture.port);
    assert_hello(fd);
    assert_true(client_wait(streams_ended_is, &one));
    close(fd);
    for (int i = 0; i < LIMIT; i++) {
        close(slow[i]);
    }
}

/* Takes every descriptor that is left; how many it took. */
static size_t exhaust(int *taken, size_t max) {
    size_t n = 0;
    while (n < max && (taken[n] = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0) {
        n++;
    }
    return n;
}

static int socket_only(void) {
    return socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

static bool connect_only(int fd) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)fixture.port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return connect(fd, (struct sockaddr *)&address, sizeof address) == 0;
}

static void test_no_descriptors(void **state) {
    (void)state;
    enum { SILENT = 5, ASKERS = 3, MAX = 4096 };
    static int taken[MAX];
    int silent[SILENT], askers[ASKERS];
    struct rlimit old, low;
    fixture_start(&fixture, (struct oxp_server_options){.threads = 2});
    for (int i = 0; i < SILENT; i++) {
        silent[i] = client_dial(fixture.port);
    }
    for (int i = 0; i < ASKERS; i++) {
        askers[i] = socket_only();
    }
    assert_hello(silent[0]); /* by now all of them have been accepted or soon will be */
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    low = (struct rlimit){.rlim_cur = old.rlim_cur < 256 ? old.rlim_cur : 256, .rlim_max = old.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    size_t count = exhaust(taken, MAX);
    for (int i = 0; i < ASKERS; i++) {
        assert_true(connect_only(askers[i]));
        assert_hello(askers[i]);
    }
    for (size_t i = 0; i < count; i++) {
        close(taken[i]);
    }
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
    for (int i = 0; i < SILENT; i++) {
        close(silent[i]);
    }
    for (int i = 0; i < ASKERS; i++) {
        close(askers[i]);
    }
}

/* The answer to a body that is too long arrives, although the client is still sending; and what it sends is taken and
 * thrown away for a while, because a reset could destroy the answer on its way. */
static void test_refusal_arrives(void **state) {
    (void)state;
    static const char *const heads[] = {
        "POST /echo HTTP/1.1\r\n" H "Content-Length: 8000000\r\n\r\n",
        "POST /echo HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n7a1200\r\n",
        "POST /local HTTP/1.1\r\nHost: x\r\nContent-Length: 8000000\r\n\r\n",
        "POST /echo HTTP/1.1\r\n" H "Content-Length: 8000000\r\nContent-Length: 8000000\r\n\r\n",
    };
    static const int statuses[] = {413, 413, 403, 400};
    enum { SIZE = 8000000 };
    char *body = calloc(1, SIZE);
    assert_non_null(body);
    fixture_start(&fixture, (struct oxp_server_options){.threads = 1});
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
        struct answer answer;
        int fd = client_dial(fixture.port);
        assert_true(client_say(fd, heads[i]));
        assert_true(client_write(fd, body, SIZE));
        client_read(fd, false, &answer);
        if (answer.status != statuses[i] || answer.cut || answer.body_len == 0) {
            fail_msg("%s: %d", heads[i], answer.status);
        }
        answer_free(&answer);
        close(fd);
    }
    free(body);
}

/* An endless head is the library's to refuse; it must not take memory without end. */
static void test_endless_head(void **state) {
    (void)state;
    fixture_start(&fixture, (struct oxp_server_options){.threads = 1});
    int fd = client_dial(fixture.port);
    struct answer answer;
    assert_true(client_say(fd, "GET /hello HTTP/1.1\r\n" H));
    for (int i = 0;
         i < 4000 && client_say(fd, "X-Filler: 0123456789012345678901234567890123456789012345678901234567\r\n"); i++) {
    }
    client_read(fd, false, &answer);
    assert_true(answer.status == 431 || answer.status == 0); /* 0: the reset overtook it */
    answer_free(&answer);
    close(fd);
    fd = client_dial(fixture.port);
    assert_hello(fd);
    close(fd);
}

static void *free_slowly(void *ctx) {
    oxp_server_free(fixture.server, *(int64_t *)ctx);
    fixture.server = NULL;
    return NULL;
}

static bool one_blocked(void *ctx) {
    (void)ctx;
    return atomic_load(&fixture.blocked) == 1;
}

/* A connection that was accepted belongs to a worker only a moment later; one whose worker blocks meanwhile waits for
 * it. */
static bool three_known(void *ctx) {
    struct oxp_server *server = ctx;
    pthread_mutex_lock(&server->lock);
    bool known = server->count == 3;
    pthread_mutex_unlock(&server->lock);
    return known;
}

/* An answer under way ends; what rests or is half asked is closed at once; nobody new comes in. */
static void test_drain(void **state) {
    (void)state;
    int64_t grace_ms = CLIENT_WAIT_MS;
    pthread_t freer;
    struct answer answer;
    fixture_start(&fixture, (struct oxp_server_options){.threads = 2});
    int busy = client_dial(fixture.port), idle = client_dial(fixture.port), silent = client_dial(fixture.port);
    assert_hello(idle);
    assert_true(client_wait(three_known, fixture.server));
    assert_true(client_say(busy, "GET /block HTTP/1.1\r\n" H "\r\n"));
    assert_true(client_wait(one_blocked, NULL));
    int64_t began = client_now_ms();
    assert_int_equal(pthread_create(&freer, NULL, free_slowly, &grace_ms), 0);
    assert_true(client_sees_end(idle, CLIENT_WAIT_MS));
    assert_true(client_sees_end(silent, CLIENT_WAIT_MS));
    int late = client_dial(fixture.port);
    assert_true(late < 0 || client_sees_end(late, CLIENT_WAIT_MS));
    fixture_release(&fixture);
    client_read(busy, false, &answer);
    assert_int_equal(answer.status, 200);
    assert_string_equal(answer.body, "released");
    assert_non_null(strstr(answer.head, "\r\nConnection: close\r\n"));
    answer_free(&answer);
    pthread_join(freer, NULL);
    assert_true(client_now_ms() - began < grace_ms); /* it did not wait longer than it had to */
    close(busy);
    close(idle);
    close(silent);
    if (late >= 0) {
        close(late);
    }
}

/* The grace is over: a client that does not read does not keep the server. */
static void test_drain_gives_up(void **state) {
    (void)state;
    fixture_start(&fixture, (struct oxp_server_options){.threads = 2});
    int fd = client_dial(fixture.port);
    char some[10];
    assert_true(client_say(fd, "GET /stream?n=1000000 HTTP/1.1\r\n" H "\r\n"));
    assert_true(recv(fd, some, sizeof some, 0) > 0);
    int64_t began = client_now_ms();
    oxp_server_free(fixture.server, 100);
    fixture.server = NULL;
    assert_true(client_now_ms() - began >= 100 && client_now_ms() - began < CLIENT_WAIT_MS);
    assert_int_equal(atomic_load(&fixture.streams_ended), 1);
    close(fd);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_flood, stop),
        cmocka_unit_test_teardown(test_flood_of_slow_readers, stop),
        cmocka_unit_test_teardown(test_no_descriptors, stop),
        cmocka_unit_test_teardown(test_refusal_arrives, stop),
        cmocka_unit_test_teardown(test_endless_head, stop),
        cmocka_unit_test_teardown(test_drain, stop),
        cmocka_unit_test_teardown(test_drain_gives_up, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
