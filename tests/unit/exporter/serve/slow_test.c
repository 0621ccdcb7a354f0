/* Slow routes and posted forms: arguments from both sides, threads of their own, those that wait, clients that go. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "exporter/serve/serve.h"
#include "tests/unit/exporter/serve/client.h"

#define H "Host: localhost\r\n"
#define FORM "Content-Type: application/x-www-form-urlencoded\r\n"
#define WAIT "GET /wait HTTP/1.1\r\n" H "\r\n"
#define FAST "GET /fast HTTP/1.1\r\n" H "\r\n"

static struct {
    struct oxp_server *server;
    unsigned port;
    pthread_mutex_t lock;
    pthread_cond_t released;
    bool release;
    atomic_uint running, most_running, ended, gone, answers;
} world;

/* The arguments "a" and "b[]", and where they came from: "a=1 b=2,3". */
static void args(void *ctx, const struct oxp_request *request, struct oxp_response *response) {
    (void)ctx;
    struct oxp_view value;
    char text[512] = "a=";
    size_t at = 2;
    if (oxp_request_field(request, "a", 0, &value)) {
        at += (size_t)snprintf(text + at, sizeof text - at, "%.*s", (int)value.len, value.ptr);
    }
    at += (size_t)snprintf(text + at, sizeof text - at, " b=");
    for (size_t i = 0; oxp_request_field(request, "b[]", i, &value); i++) {
        at += (size_t)snprintf(text + at, sizeof text - at, "%s%.*s", i > 0 ? "," : "", (int)value.len, value.ptr);
    }
    oxp_response_text(response, 200, "text/plain", text);
}

static void fast(void *ctx, const struct oxp_request *request, struct oxp_response *response) {
    (void)ctx;
    (void)request;
    oxp_response_text(response, 200, "text/plain", "fast");
}

/* Waits for release() or until its client has gone. */
static void wait_handler(void *ctx, const struct oxp_request *request, struct oxp_response *response) {
    (void)ctx;
    const _Atomic bool *gone = oxp_request_gone(request);
    unsigned now = atomic_fetch_add(&world.running, 1) + 1;
    for (unsigned most = atomic_load(&world.most_running);
         now > most && !atomic_compare_exchange_weak(&world.most_running, &most, now);) {
    }
    pthread_mutex_lock(&world.lock);
    while (!world.release && !atomic_load(gone)) {
        struct timespec soon;
        clock_gettime(CLOCK_REALTIME, &soon);
        soon.tv_nsec += 5000000;
        soon.tv_sec += soon.tv_nsec / 1000000000;
        soon.tv_nsec %= 1000000000;
        pthread_cond_timedwait(&world.released, &world.lock, &soon);
    }
    pthread_mutex_unlock(&world.lock);
    atomic_fetch_add(&world.gone, atomic_load(gone) ? 1 : 0);
    atomic_fetch_sub(&world.running, 1);
    atomic_fetch_add(&world.ended, 1);
    oxp_response_text(response, 200, "text/plain", "waited");
}

static size_t stream_read(void *ctx, char *out, size_t size) {
    (void)size;
    size_t *left = ctx;
    if (*left == 0) {
        return 0;
    }
    (*left)--;
    out[0] = 'x';
    return 1;
}

static void stream(void *ctx, const struct oxp_request *request, struct oxp_response *response) {
    (void)ctx;
    (void)request;
    size_t *left = malloc(sizeof *left);
    *left = 5;
    response->content_type = "text/plain";
    response->read = stream_read;
    response->done = free;
    response->ctx = left;
}

static const struct oxp_route routes[] = {
    {"/args", OXP_GET | OXP_POST | OXP_ROUTE_FORM, OXP_ACCESS_OPEN, 10000, args},
    {"/slow-args", OXP_GET | OXP_POST | OXP_PUT | OXP_ROUTE_FORM | OXP_ROUTE_SLOW, OXP_ACCESS_OPEN, 10000, args},
    {"/no-form", OXP_GET | OXP_POST, OXP_ACCESS_OPEN, 10000, args},
    {"/fast", OXP_GET, OXP_ACCESS_OPEN, 0, fast},
    {"/wait", OXP_GET | OXP_ROUTE_SLOW, OXP_ACCESS_OPEN, 0, wait_handler},
    {"/stream", OXP_GET | OXP_ROUTE_SLOW, OXP_ACCESS_OPEN, 0, stream},
    {NULL, 0, OXP_ACCESS_OPEN, 0, NULL},
};

static void on_answer(void *ctx, const struct oxp_route *route, int status, double seconds) {
    (void)ctx;
    (void)route;
    (void)status;
    (void)seconds;
    atomic_fetch_add(&world.answers, 1);
}

static void start(struct oxp_server_options options) {
    memset(&world, 0, sizeof world);
    pthread_mutex_init(&world.lock, NULL);
    pthread_cond_init(&world.released, NULL);
    options.address = "127.0.0.1:0";
    options.routes = routes;
    options.on_answer = on_answer;
    assert_int_equal(oxp_server_new(&options, &world.server, NULL), OXP_OK);
    world.port = oxp_server_port(world.server);
}

static void release(void) {
    pthread_mutex_lock(&world.lock);
    world.release = true;
    pthread_cond_broadcast(&world.released);
    pthread_mutex_unlock(&world.lock);
}

static void stop(void) {
    oxp_server_free(world.server, 0);
    pthread_cond_destroy(&world.released);
    pthread_mutex_destroy(&world.lock);
}

static bool has_running(void *ctx) {
    return atomic_load(&world.running) == *(unsigned *)ctx;
}

static bool has_ended(void *ctx) {
    return atomic_load(&world.ended) == *(unsigned *)ctx;
}

static void wait_running(unsigned count) {
    assert_true(client_wait(has_running, &count));
}

static int say(const char *text) {
    int fd = client_dial(world.port);
    assert_true(fd >= 0 && client_say(fd, text));
    return fd;
}

static void expect(int fd, int status, const char *body) {
    struct answer answer;
    client_read(fd, false, &answer);
    if (answer.status != status || (body != NULL && strcmp(answer.body, body) != 0)) {
        fail_msg("%d %s", answer.status, answer.body == NULL ? "" : answer.body);
    }
    answer_free(&answer);
}

static const struct {
    const char *name, *request;
    int status;
    const char *body;
} rows[] = {
    {"query", "GET /args?a=1&b[]=2&b%5B%5D=3 HTTP/1.1\r\n" H "\r\n", 200, "a=1 b=2,3"},
    {"nothing", "GET /args HTTP/1.1\r\n" H "\r\n", 200, "a= b="},
    {"posted", "POST /args HTTP/1.1\r\n" H FORM "Content-Length: 15\r\n\r\na=1+2&b%5B%5D=3", 200, "a=1 2 b=3"},
    {"both: the form comes first",
     "POST /args?a=9&b[]=4&b[]=5 HTTP/1.1\r\n" H FORM "Content-Length: 10\r\n\r\na=1&b[]=3&", 200, "a=1 b=3,4,5"},
    {"a charset",
     "POST /args HTTP/1.1\r\n" H "content-type: Application/X-WWW-form-urlencoded; charset=utf-8\r\n"
     "Content-Length: 3\r\n\r\na=1",
     200, "a=1 b="},
    {"another type is no form", "POST /args HTTP/1.1\r\n" H "Content-Type: text/plain\r\nContent-Length: 3\r\n\r\na=1",
     200, "a= b="},
    {"a longer type",
     "POST /args HTTP/1.1\r\n" H "Content-Type: application/x-www-form-urlencodedX\r\nContent-Length: 3\r\n\r\na=1",
     200, "a= b="},
    {"no type", "POST /args HTTP/1.1\r\n" H "Content-Length: 3\r\n\r\na=1", 200, "a= b="},
    {"a route that takes none", "POST /no-form HTTP/1.1\r\n" H FORM "Content-Length: 3\r\n\r\na=1", 200, "a= b="},
    {"in chunks", "POST /args HTTP/1.1\r\n" H FORM "Transfer-Encoding: chunked\r\n\r\n2\r\na=\r\n1\r\n7\r\n0\r\n\r\n",
     200, "a=7 b="},
    {"slow by GET", "GET /slow-args?a=1 HTTP/1.1\r\n" H "\r\n", 200, "a=1 b="},
    {"slow by POST", "POST /slow-args?b[]=2 HTTP/1.1\r\n" H FORM "Content-Length: 3\r\n\r\na=1", 200, "a=1 b=2"},
    {"slow by PUT", "PUT /slow-args HTTP/1.1\r\n" H FORM "Content-Length: 3\r\n\r\na=1", 200, "a=1 b="},
    {"slow and streamed", "GET /stream HTTP/1.1\r\n" H "\r\n", 200, "xxxxx"},
    {"another method", "PUT /args HTTP/1.1\r\n" H "Content-Length: 0\r\n\r\n", 405, NULL},
    {"too long", "POST /args HTTP/1.1\r\n" H FORM "Content-Length: 10001\r\n\r\n", 413, NULL},
};

static void test_arguments(void **state) {
    (void)state;
    start((struct oxp_server_options){.threads = 2});
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct answer answer;
        client_ask(world.port, rows[i].request, &answer);
        if (answer.status != rows[i].status || (rows[i].body != NULL && strcmp(answer.body, rows[i].body) != 0)) {
            fail_msg("%s: %d %s", rows[i].name, answer.status, answer.body == NULL ? "" : answer.body);
        }
        answer_free(&answer);
    }
    stop();
}

static void test_too_many_fields(void **state) {
    (void)state;
    char request[4096];
    int at = snprintf(request, sizeof request, "POST /args HTTP/1.1\r\n" H FORM "Content-Length: 2000\r\n\r\n");
    for (size_t i = 0; i < 1000; i++) {
        memcpy(request + at + 2 * i, "a&", 2);
    }
    request[at + 2000] = '\0';
    start((struct oxp_server_options){.threads = 1});
    int fd = say(request);
    expect(fd, 400, NULL); /* 1,001 pairs */
    close(fd);
    stop();
}

/* One worker: what a slow handler takes must not keep the others waiting, on any connection. */
static void test_others_are_answered(void **state) {
    (void)state;
    start((struct oxp_server_options){.threads = 1});
    int before = say(FAST), slow = say(WAIT);
    expect(before, 200, "fast");
    wait_running(1);
    assert_true(client_say(before, FAST)); /* on a connection that was there before */
    expect(before, 200, "fast");
    int after = say(FAST); /* and on a new one */
    expect(after, 200, "fast");
    release();
    expect(slow, 200, "waited");
    assert_true(client_say(slow, FAST)); /* the connection goes on */
    expect(slow, 200, "fast");
    assert_true(client_say(slow, "HEAD /wait HTTP/1.1\r\n" H "\r\n" WAIT FAST)); /* a pipeline, in its order */
    struct answer answer;
    client_read(slow, true, &answer);
    assert_int_equal(answer.status, 200);
    answer_free(&answer);
    expect(slow, 200, "waited");
    expect(slow, 200, "fast");
    close(before);
    close(after);
    close(slow);
    stop();
}

static void test_concurrency(void **state) {
    (void)state;
    enum { ASKED = 7, THREADS = 2, WAITING = 3 };
    int fds[ASKED];
    start((struct oxp_server_options){.threads = 2, .slow_threads = THREADS, .slow_waiting_max = WAITING});
    for (int i = 0; i < THREADS; i++) {
        fds[i] = say(WAIT);
        wait_running((unsigned)i + 1);
    }
    for (int i = THREADS; i < ASKED; i++) {
        fds[i] = say(WAIT);
    }
    /* two of the five that came later find no room: whichever they are, they are answered at once */
    unsigned refused = 0, waited = 0;
    bool answered[ASKED] = {false};
    for (int64_t until = client_now_ms() + CLIENT_WAIT_MS; refused < 2 && client_now_ms() < until;) {
        refused = atomic_load(&world.answers);
    }
    assert_int_equal(refused, 2);
    assert_int_equal(atomic_load(&world.running), THREADS);
    release();
    for (int i = 0; i < ASKED; i++) {
        struct answer answer;
        client_read(fds[i], false, &answer);
        answered[i] = answer.status == 200;
        waited += answered[i] ? 1 : 0;
        if (!answered[i]) {
            assert_int_equal(answer.status, 503);
            assert_non_null(strstr(answer.head, "\r\nRetry-After: 1\r\n"));
        }
        answer_free(&answer);
        close(fds[i]);
    }
    assert_true(answered[0] && answered[1]);
    assert_int_equal(waited, THREADS + WAITING);
    assert_int_equal(atomic_load(&world.most_running), THREADS);
    stop();
}

static void test_client_goes(void **state) {
    (void)state;
    unsigned one = 1;
    start((struct oxp_server_options){.threads = 1, .slow_threads = 1});
    int stays = say(FAST), goes = say(WAIT);
    expect(stays, 200, "fast");
    wait_running(1);
    assert_int_equal(atomic_load(&world.gone), 0);
    close(goes);
    assert_true(client_wait(has_ended, &one));
    assert_int_equal(atomic_load(&world.gone), 1);
    assert_true(client_say(stays, WAIT)); /* one that stays is not told so */
    wait_running(1);
    release();
    expect(stays, 200, "waited");
    assert_int_equal(atomic_load(&world.gone), 1);
    close(stays);
    stop();
}

static void test_server_ends(void **state) {
    (void)state;
    unsigned three = 3;
    start((struct oxp_server_options){.threads = 2, .slow_threads = 1});
    int fds[3];
    for (int i = 0; i < 3; i++) { /* one runs, two wait */
        fds[i] = say(WAIT);
    }
    wait_running(1);
    stop();
    assert_int_equal(atomic_load(&world.running), 0);
    assert_true(atomic_load(&world.ended) <= three && atomic_load(&world.gone) == atomic_load(&world.ended));
    for (int i = 0; i < 3; i++) {
        close(fds[i]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_arguments),           cmocka_unit_test(test_too_many_fields),
        cmocka_unit_test(test_others_are_answered), cmocka_unit_test(test_concurrency),
        cmocka_unit_test(test_client_goes),         cmocka_unit_test(test_server_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
