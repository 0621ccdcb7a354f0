#include "tests/unit/exporter/serve/fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void hello(void *ctx, const struct oxp_request *request, struct oxp_response *response) {
    (void)ctx;
    (void)request;
    oxp_response_text(response, 200, "text/plain; charset=utf-8", "hello\n");
    response->headers[0][0] = "X-More";
    response->headers[0][1] = "yes";
}

static void echo(void *ctx, const struct oxp_request *request, struct oxp_response *response) {
    (void)ctx;
    struct oxp_view body = oxp_request_body(request);
    response->content_type = oxp_request_method(request) == OXP_PUT ? "text/put" : "text/post";
    response->body = malloc(body.len + 1);
    if (response->body != NULL && body.len > 0) {
        memcpy(response->body, body.ptr, body.len);
    }
    response->body_len = body.len;
}

static void args(void *ctx, const struct oxp_request *request, struct oxp_response *response) {
    (void)ctx;
    const char *a = oxp_request_argument(request, "a"), *x = oxp_request_header(request, "x-THING");
    struct oxp_view path = oxp_request_path(request);
    char text[512];
    snprintf(text, sizeof text, "%.*s a=%s x=%s", (int)path.len, path.ptr, a == NULL ? "(none)" : a,
             x == NULL ? "(none)" : x);
    oxp_response_text(response, 201, "text/plain", text);
}

static void star_get(void *ctx, const struct oxp_request *request, struct oxp_response *response) {
    (void)ctx;
    (void)request;
    oxp_response_text(response, 200, "text/plain", "star get");
}

static void star_post(void *ctx, const struct oxp_request *request, struct oxp_response *response) {
    (void)ctx;
    (void)request;
    oxp_response_text(response, 200, "text/plain", "star post");
}

static void star_exact(void *ctx, const struct oxp_request *request, struct oxp_response *response) {
    (void)ctx;
    (void)request;
    oxp_response_text(response, 200, "text/plain", "exact");
}

struct stream {
    struct fixture *fixture;
    size_t at, len;
};

static size_t stream_read(void *ctx, char *out, size_t size) {
    struct stream *stream = ctx;
    size_t n = stream->len - stream->at < size ? stream->len - stream->at : size;
    for (size_t i = 0; i < n; i++) {
        out[i] = (char)('a' + (stream->at + i) % 23);
    }
    stream->at += n;
    return n;
}

static void stream_done(void *ctx) {
    struct stream *stream = ctx;
    atomic_fetch_add(&stream->fixture->streams_ended, 1);
    free(stream);
}

static void stream(void *ctx, const struct oxp_request *request, struct oxp_response *response) {
    struct stream *made = calloc(1, sizeof *made);
    const char *n = oxp_request_argument(request, "n");
    if (made == NULL || n == NULL) {
        free(made);
        oxp_response_error(response, 400, "n is missing");
        return;
    }
    made->fixture = ctx;
    made->len = (size_t)strtoul(n, NULL, 10) * STREAM_UNIT;
    atomic_fetch_add(&made->fixture->streams_open, 1);
    response->content_type = "text/plain";
    response->read = stream_read;
    response->done = stream_done;
    response->ctx = made;
}

static void block(void *ctx, const struct oxp_request *request, struct oxp_response *response) {
    (void)request;
    struct fixture *fixture = ctx;
    atomic_fetch_add(&fixture->blocked, 1);
    pthread_mutex_lock(&fixture->lock);
    while (!fixture->release) {
        pthread_cond_wait(&fixture->released, &fixture->lock);
    }
    pthread_mutex_unlock(&fixture->lock);
    oxp_response_text(response, 200, "text/plain", "released");
}

const struct oxp_route fixture_routes[] = {
    {"/star/*", OXP_GET, OXP_ACCESS_OPEN, 0, star_get},
    {"/hello", OXP_GET, OXP_ACCESS_OPEN, 0, hello},
    {"/echo", OXP_POST | OXP_PUT, OXP_ACCESS_OPEN, ECHO_MAX, echo},
    {"/args", OXP_GET, OXP_ACCESS_OPEN, 0, args},
    {"/star/*", OXP_POST, OXP_ACCESS_OPEN, 0, star_post},
    {"/star/exact", OXP_GET, OXP_ACCESS_OPEN, 0, star_exact},
    {"/both", OXP_GET, OXP_ACCESS_OPEN, 0, star_get},
    {"/both", OXP_POST, OXP_ACCESS_LOCAL, 0, star_post},
    {"/stream", OXP_GET, OXP_ACCESS_OPEN, 0, stream},
    {"/block", OXP_GET, OXP_ACCESS_OPEN, 0, block},
    {"/ledger", OXP_GET, OXP_ACCESS_LEDGER, 0, hello},
    {"/local", OXP_POST, OXP_ACCESS_LOCAL, ECHO_MAX, echo},
    {"/life", OXP_POST, OXP_ACCESS_LIFECYCLE, 0, star_post},
    {NULL, 0, OXP_ACCESS_OPEN, 0, NULL},
};

static void on_answer(void *ctx, const struct oxp_route *route, int status, double seconds) {
    struct fixture *fixture = ctx;
    if (route == NULL) {
        atomic_store(&fixture->no_route_seen, true);
    }
    atomic_fetch_add(&fixture->statuses, seconds >= 0 ? (unsigned)status : 0);
    atomic_fetch_add(&fixture->answers, 1);
}

static void on_refusal(void *ctx, const char *reason) {
    static const char *const names[] = {"framing", "access", "deadline", "limit"};
    struct fixture *fixture = ctx;
    size_t i = 0;
    while (i < REFUSED_OTHER && strcmp(names[i], reason) != 0) {
        i++;
    }
    atomic_fetch_add(&fixture->refusals[i], 1);
}

void fixture_start(struct fixture *fixture, struct oxp_server_options options) {
    struct oxp_error error = {0};
    *fixture = (struct fixture){.server = NULL};
    pthread_mutex_init(&fixture->lock, NULL);
    pthread_cond_init(&fixture->released, NULL);
    options.address = options.address == NULL ? "127.0.0.1:0" : options.address;
    options.routes = fixture_routes;
    options.ctx = fixture;
    options.on_answer = on_answer;
    options.on_refusal = on_refusal;
    if (oxp_server_new(&options, &fixture->server, &error) != OXP_OK) {
        fail_msg("%s: %s", options.address, error.text);
    }
    fixture->port = oxp_server_port(fixture->server);
}

void fixture_release(struct fixture *fixture) {
    pthread_mutex_lock(&fixture->lock);
    fixture->release = true;
    pthread_cond_broadcast(&fixture->released);
    pthread_mutex_unlock(&fixture->lock);
}

void fixture_stop(struct fixture *fixture) {
    fixture_release(fixture);
    oxp_server_free(fixture->server, 0);
    fixture->server = NULL;
    pthread_cond_destroy(&fixture->released);
    pthread_mutex_destroy(&fixture->lock);
}
