/* The export thread against a scripted client: batches, tries, drops, the end, fork. */
#include "lib/trace/parts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* Answers as its script says, one row a request; the last row goes on for ever. */
struct answer {
    enum oxp_status status;
    int http_status;
    const char *body;
};

struct fake {
    struct oxp_http http;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    const struct answer *script;
    size_t rows, requests, spans, sizes[64];
    bool held; /* requests wait */
    long last_timeout_ms;
    char url[128], headers[256], body[4096]; /* of the last request */
};

static size_t count_spans(struct oxp_view body) {
    size_t count = 0;
    const char *from = body.ptr, *end = body.ptr + body.len;
    while ((from = memmem(from, (size_t)(end - from), "\"traceId\"", 9)) != NULL) {
        count++;
        from += 9;
    }
    return count;
}

static void note(struct fake *fake, const struct oxp_http_request *request) {
    size_t spans = count_spans(request->body);
    fake->sizes[fake->requests % 64] = spans;
    fake->spans += spans;
    fake->requests++;
    fake->last_timeout_ms = request->timeout_ms;
    snprintf(fake->url, sizeof fake->url, "%s %s", request->method, request->url);
    fake->headers[0] = '\0';
    for (size_t i = 0, len = 0; request->headers[i] != NULL; i++) {
        len += (size_t)snprintf(fake->headers + len, sizeof fake->headers - len, "%s\n", request->headers[i]);
    }
    snprintf(fake->body, sizeof fake->body, "%.*s", (int)(request->body.len < 4000 ? request->body.len : 4000),
             request->body.ptr);
}

static enum oxp_status answer(struct oxp_http *http, const struct oxp_http_request *request,
                              struct oxp_http_response *response_out, struct oxp_error *error) {
    struct fake *fake = (struct fake *)http;
    pthread_mutex_lock(&fake->lock);
    note(fake, request);
    const struct answer *row = &fake->script[fake->requests <= fake->rows ? fake->requests - 1 : fake->rows - 1];
    pthread_cond_broadcast(&fake->changed);
    while (fake->held) {
        pthread_cond_wait(&fake->changed, &fake->lock);
    }
    pthread_mutex_unlock(&fake->lock);
    response_out->status = row->http_status;
    response_out->body = row->body == NULL ? NULL : strdup(row->body);
    response_out->body_len = row->body == NULL ? 0 : strlen(row->body);
    return row->status == OXP_OK ? OXP_OK : oxp_error_set(error, row->status, 0, 0, "scripted");
}

static void hold(struct fake *fake, bool held) {
    pthread_mutex_lock(&fake->lock);
    fake->held = held;
    pthread_cond_broadcast(&fake->changed);
    pthread_mutex_unlock(&fake->lock);
}

static void wait_for_request(struct fake *fake, size_t number) {
    pthread_mutex_lock(&fake->lock);
    while (fake->requests < number) {
        pthread_cond_wait(&fake->changed, &fake->lock);
    }
    pthread_mutex_unlock(&fake->lock);
}

static void no_free(struct oxp_http *http) {
    (void)http;
}

#define FAKE(rows_)                                                                                                    \
    {                                                                                                                  \
        .http = {answer, no_free}, .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER,             \
        .script = (rows_), .rows = sizeof(rows_) / sizeof(rows_)[0]                                                    \
    }

static const struct answer ok[] = {{OXP_OK, 200, "{}"}};

static struct oxp_tracer *make(struct fake *fake) {
    struct oxp_tracer *tracer = NULL;
    const struct oxp_tracer_options options = {
        .service = "collector", .kept = 8, .otlp_endpoint = "http://127.0.0.1:4318/", .http = &fake->http};
    assert_int_equal(oxp_tracer_new(&options, &tracer), OXP_OK);
    tracer->export.backoff_ms = 1;
    return tracer;
}

static void make_spans(struct oxp_tracer *tracer, size_t count) {
    for (size_t i = 0; i < count; i++) {
        struct oxp_span *span = oxp_span_start(tracer, &(struct oxp_span_options){.name = OXP_VIEW("x")});
        oxp_span_end(span, OXP_SPAN_OK, oxp_view_of(NULL, 0));
    }
}

static struct oxp_tracer_stats stats_of(const struct oxp_tracer *tracer) {
    struct oxp_tracer_stats stats;
    oxp_tracer_read(tracer, &stats);
    return stats;
}

static void a_batch(void **state) {
    (void)state;
    struct fake fake = FAKE(ok);
    setenv("OTEL_EXPORTER_OTLP_HEADERS", "api-key=k%20y", 1);
    struct oxp_tracer *tracer = make(&fake);
    unsetenv("OTEL_EXPORTER_OTLP_HEADERS");
    make_spans(tracer, 3);
    assert_true(oxp_tracer_flush(tracer, 60000));
    assert_int_equal(fake.requests, 1);
    assert_string_equal(fake.url, "POST http://127.0.0.1:4318/v1/traces");
    assert_string_equal(fake.headers, "Content-Type: application/json\napi-key: k y\n");
    assert_non_null(strstr(fake.body, "{\"key\":\"service.name\",\"value\":{\"stringValue\":\"collector\"}}"));
    assert_int_equal(stats_of(tracer).exported, 3);
    assert_true(oxp_tracer_flush(tracer, 0)); /* nothing waits */
    /* a full batch goes by itself */
    make_spans(tracer, OXP_EXPORT_BATCH);
    wait_for_request(&fake, 2);
    oxp_tracer_free(tracer);
    assert_int_equal(fake.spans, 3 + OXP_EXPORT_BATCH);
    assert_int_equal(fake.sizes[1], OXP_EXPORT_BATCH);
}

static void what_is_tried_again(void **state) {
    (void)state;
    static const struct {
        const char *name;
        struct answer rows[3];
        size_t requests, exported, dropped;
    } cases[] = {
        {"at once", {{OXP_OK, 200, "{}"}}, 1, 5, 0},
        {"any 2xx", {{OXP_OK, 202, NULL}}, 1, 5, 0},
        {"too many, then well", {{OXP_OK, 429, "{}"}, {OXP_OK, 200, "{}"}, {OXP_OK, 500, ""}}, 2, 5, 0},
        {"bad gateway", {{OXP_OK, 502, ""}, {OXP_OK, 504, ""}, {OXP_OK, 200, ""}}, 3, 5, 0},
        {"nobody there", {{OXP_ERR_CLOSED, 0, NULL}, {OXP_ERR_TIMEOUT, 0, NULL}, {OXP_OK, 200, ""}}, 3, 5, 0},
        {"three times", {{OXP_OK, 503, ""}, {OXP_OK, 503, ""}, {OXP_OK, 503, ""}}, 3, 0, 5},
        {"bad data", {{OXP_OK, 400, ""}, {OXP_OK, 200, ""}, {OXP_OK, 200, ""}}, 1, 0, 5},
        {"server error", {{OXP_OK, 500, ""}, {OXP_OK, 200, ""}, {OXP_OK, 200, ""}}, 1, 0, 5},
        {"redirect", {{OXP_OK, 301, ""}, {OXP_OK, 200, ""}, {OXP_OK, 200, ""}}, 1, 0, 5},
        {"no libcurl", {{OXP_ERR_UNSUPPORTED, 0, NULL}, {OXP_OK, 200, ""}, {OXP_OK, 200, ""}}, 1, 0, 5},
        {"no memory", {{OXP_ERR_NOMEM, 0, NULL}, {OXP_OK, 200, ""}, {OXP_OK, 200, ""}}, 1, 0, 5},
        {"a long answer", {{OXP_ERR_LIMIT, 0, NULL}, {OXP_OK, 400, ""}, {OXP_OK, 400, ""}}, 1, 5, 0},
        {"partly", {{OXP_OK, 200, "{\"partialSuccess\":{\"rejectedSpans\":\"2\"}}"}}, 1, 3, 2},
        {"more than there were", {{OXP_OK, 200, "{\"partialSuccess\":{\"rejectedSpans\":\"99\"}}"}}, 1, 0, 5},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct fake fake = FAKE(cases[i].rows);
        struct oxp_tracer *tracer = make(&fake);
        make_spans(tracer, 5);
        assert_true(oxp_tracer_flush(tracer, 60000));
        struct oxp_tracer_stats stats = stats_of(tracer);
        if (fake.requests != cases[i].requests || stats.exported != cases[i].exported ||
            stats.dropped != cases[i].dropped) {
            fail_msg("%s: %zu requests, %lu exported, %lu dropped", cases[i].name, fake.requests,
                     (unsigned long)stats.exported, (unsigned long)stats.dropped);
        }
        oxp_tracer_free(tracer);
    }
}

static void backoff(void **state) {
    (void)state;
    static const struct {
        unsigned next_try;
        double unit;
        long want;
    } rows[] = {{2, 0, 500}, {2, 0.5, 750}, {2, 0.9999, 999}, {3, 0, 1000}, {3, 0.5, 1500}, {3, 0.9999, 1999}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(oxp_export_backoff_ms(1000, rows[i].next_try, rows[i].unit), rows[i].want);
    }
}

/* While the receiver hangs nobody waits, and what does not fit is dropped. */
static void a_receiver_that_hangs(void **state) {
    (void)state;
    struct fake fake = FAKE(ok);
    struct oxp_tracer *tracer = make(&fake);
    hold(&fake, true);
    make_spans(tracer, OXP_EXPORT_BATCH);
    wait_for_request(&fake, 1);
    make_spans(tracer, OXP_EXPORT_QUEUE + 100);
    assert_int_equal(stats_of(tracer).dropped, 100);
    assert_false(oxp_tracer_flush(tracer, 1));
    assert_int_equal(stats_of(tracer).exported, 0);
    hold(&fake, false);
    oxp_tracer_free(tracer); /* what fitted goes out */
    assert_int_equal(fake.spans, OXP_EXPORT_BATCH + OXP_EXPORT_QUEUE);
    assert_int_equal(fake.requests, 5);
}

/* The end leaves each try no longer than there is time for. */
static void the_end_has_its_time(void **state) {
    (void)state;
    static const struct answer never[] = {{OXP_OK, 503, ""}};
    struct fake fake = FAKE(never);
    struct oxp_tracer *tracer = make(&fake);
    make_spans(tracer, 1);
    assert_true(oxp_tracer_flush(tracer, 60000));
    assert_int_equal(fake.last_timeout_ms, OXP_EXPORT_EXCHANGE_MS);
    tracer->export.backoff_ms = 3000000; /* far longer than the end has: it must cut the wait short */
    make_spans(tracer, 1);
    pthread_mutex_lock(&tracer->lock);
    tracer->export.stopping = true; /* as oxp_export_end, but with no time left */
    tracer->export.stop_at = oxp_clock_mono(oxp_clock_system());
    pthread_cond_broadcast(&tracer->export.wake);
    while (tracer->stats.dropped < 2) {
        pthread_cond_wait(&tracer->export.idle, &tracer->lock);
    }
    pthread_mutex_unlock(&tracer->lock);
    assert_int_equal(fake.requests, 3); /* none for the second span */
    oxp_tracer_free(tracer);
}

/* A request is closed at its size; the rest goes into the next. */
static void large_batches_are_cut(void **state) {
    (void)state;
    struct fake fake = FAKE(ok);
    struct oxp_tracer *tracer = make(&fake);
    char text[OXP_SPAN_TEXT_MAX];
    memset(text, 1, sizeof text); /* six bytes each in JSON */
    hold(&fake, true);
    make_spans(tracer, OXP_EXPORT_BATCH);
    wait_for_request(&fake, 1);
    for (size_t i = 0; i < OXP_EXPORT_BATCH; i++) {
        struct oxp_span *span = oxp_span_start(tracer, &(struct oxp_span_options){.name = OXP_VIEW("large")});
        for (int k = 0; k < OXP_SPAN_ATTRIBUTES_MAX; k++) {
            char key[16];
            snprintf(key, sizeof key, "k%d", k);
            struct oxp_pair pair = oxp_pair_text(key, oxp_view_of(text, sizeof text));
            oxp_span_set(span, &pair);
        }
        oxp_span_end(span, OXP_SPAN_OK, oxp_view_of(NULL, 0));
    }
    hold(&fake, false);
    assert_true(oxp_tracer_flush(tracer, 60000));
    assert_int_equal(fake.spans, 2 * OXP_EXPORT_BATCH);
    assert_true(fake.requests >= 3 && fake.requests <= 6);
    assert_true(fake.sizes[1] > 100 && fake.sizes[1] < OXP_EXPORT_BATCH);
    oxp_tracer_free(tracer);
}

static void what_is_not_exported(void **state) {
    (void)state;
    struct fake fake = FAKE(ok);
    struct oxp_tracer *tracer = make(&fake);
    const struct oxp_trace_context unsampled = {"0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", false};
    const struct oxp_trace_context sampled = {"0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", true};
    oxp_span_end(oxp_span_start(tracer, &(struct oxp_span_options){.remote = &unsampled}), OXP_SPAN_OK, OXP_VIEW(""));
    assert_true(oxp_tracer_flush(tracer, 60000));
    assert_int_equal(fake.requests, 0);
    assert_int_equal(stats_of(tracer).dropped, 0);
    oxp_span_end(oxp_span_start(tracer, &(struct oxp_span_options){.remote = &sampled}), OXP_SPAN_OK, OXP_VIEW(""));
    assert_true(oxp_tracer_flush(tracer, 60000));
    assert_int_equal(fake.spans, 1);
    assert_non_null(strstr(fake.body, "\"parentSpanId\":\"b7ad6b7169203331\""));
    assert_non_null(strstr(fake.body, "\"flags\":769"));
    oxp_tracer_free(tracer);
    /* without a client, or an endpoint, there is no thread and nothing is lost */
    const struct oxp_tracer_options none[] = {{.otlp_endpoint = "http://127.0.0.1:1"},
                                              {.otlp_endpoint = "", .http = &fake.http}};
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(oxp_tracer_new(&none[i], &tracer), OXP_OK);
        make_spans(tracer, 3);
        assert_false(tracer->export.running);
        assert_int_equal(stats_of(tracer).dropped, 0);
        oxp_tracer_free(tracer);
    }
    assert_int_equal(fake.requests, 1);
}

/* The thread sanitizer takes the parent's thread for alive in the child, and refuses one with its id. */
#ifdef __SANITIZE_THREAD__
#define CHILD_SPEAKS false
#else
#define CHILD_SPEAKS true
#endif

/* The child sends what it ends, by a thread of its own, and nothing of its parent's. */
static void a_forked_child(void **state) {
    (void)state;
    struct fake fake = FAKE(ok);
    struct oxp_tracer *tracer = make(&fake);
    make_spans(tracer, 2);
    assert_true(oxp_tracer_flush(tracer, 60000));
    make_spans(tracer, 3); /* wait for their batch */
    pid_t child = fork();
    if (child == 0) {
        alarm(60);
        if (!CHILD_SPEAKS) {
            _exit(0);
        }
        size_t before = fake.spans;
        bool well = !tracer->export.running && tracer->export.waiting == 0;
        make_spans(tracer, 4);
        well = well && oxp_tracer_flush(tracer, 30000) && fake.spans - before == 4 && stats_of(tracer).exported == 4;
        oxp_tracer_free(tracer);
        _exit(well ? 0 : 1);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    oxp_tracer_free(tracer);
    assert_int_equal(fake.spans, 5);
}

static void *make_many(void *ctx) {
    make_spans(ctx, 500);
    return NULL;
}

static void eight_threads(void **state) {
    (void)state;
    struct fake fake = FAKE(ok);
    struct oxp_tracer *tracer = make(&fake);
    pthread_t threads[8];
    for (size_t i = 0; i < 8; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, make_many, tracer), 0);
    }
    for (size_t i = 0; i < 8; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_true(oxp_tracer_flush(tracer, 60000));
    struct oxp_tracer_stats stats = stats_of(tracer);
    assert_int_equal(stats.exported + stats.dropped, 4000);
    assert_int_equal(stats.exported, fake.spans);
    oxp_tracer_free(tracer);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_batch),
        cmocka_unit_test(what_is_tried_again),
        cmocka_unit_test(backoff),
        cmocka_unit_test(a_receiver_that_hangs),
        cmocka_unit_test(the_end_has_its_time),
        cmocka_unit_test(large_batches_are_cut),
        cmocka_unit_test(what_is_not_exported),
        cmocka_unit_test(a_forked_child),
        cmocka_unit_test(eight_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
