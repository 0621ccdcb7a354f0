/* The export: a queue, and the one thread that sends what is in it.
 *
 *   1. A batch goes out when 512 wait, when the first has waited 5 s, on a flush, and at the end.
 *   2. A try that found nobody, was cut off, or was answered 429, 502, 503 or 504 is made again, three tries in all;
 *      after any other failure the batch is dropped (OTLP specification, "Retryable Response Codes").
 *   3. What does not fit the queue is dropped at once. Dropped is counted, and nobody who ends a span ever waits.
 *   4. At the end there are 4.8 s for the try that is under way and all that follow; what is left is dropped. */
#include "lib/trace/parts.h"

#include <signal.h>
#include <stdlib.h>
#include <time.h>

#define BACKOFF_MS 1000
#define ANSWER_MAX ((size_t)64 << 10)

/* ---- Making one ---- */

void oxp_export_make_conds(struct oxp_export *export) {
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&export->wake, &attributes);
    pthread_cond_init(&export->idle, &attributes);
    pthread_condattr_destroy(&attributes);
}

enum oxp_status oxp_export_init(struct oxp_export *export, const struct oxp_tracer_options *options) {
    enum oxp_status status = oxp_otlp_url(options->otlp_endpoint, &export->url);
    if (status != OXP_OK) {
        return status;
    }
    if (export->url != NULL && options->http != NULL) {
        status = oxp_otlp_headers_init(&export->headers);
        if (status != OXP_OK) {
            oxp_otlp_headers_fini(&export->headers);
            free(export->url);
            return status;
        }
        export->http = options->http;
    }
    export->backoff_ms = BACKOFF_MS;
    oxp_random_init(&export->random);
    oxp_export_make_conds(export);
    return OXP_OK;
}

/* ---- Waiting ---- */

static struct oxp_mono now(void) {
    return oxp_clock_mono(oxp_clock_system());
}

static struct oxp_mono after_ms(struct oxp_mono from, long ms) {
    return (struct oxp_mono){from.ns + ms * OXP_NS_PER_MS};
}

/* Waits on the condition until then at the latest. */
static void wait_until_locked(struct oxp_tracer *tracer, pthread_cond_t *cond, struct oxp_mono until) {
    struct timespec at = {(time_t)(until.ns / OXP_NS_PER_S), (long)(until.ns % OXP_NS_PER_S)};
    pthread_cond_timedwait(cond, &tracer->lock, &at);
}

long oxp_export_backoff_ms(long first_ms, unsigned next_try, double unit) {
    long whole = first_ms;
    for (unsigned i = 2; i < next_try; i++) {
        whole *= 2;
    }
    long half = whole / 2;
    return half + (long)(unit * (double)(whole - half));
}

/* ---- Sending (the thread, without the lock) ---- */

/* The request for what stands in `sending`; gives how many are in it. */
static size_t encode(const struct oxp_tracer *tracer, struct oxp_buf *body) {
    const struct oxp_export *export = &tracer->export;
    size_t done = 0;
    bool room = true;
    oxp_otlp_begin(body, tracer->service);
    while (done < export->sending_count && room) {
        struct oxp_pair pairs[OXP_SPAN_ATTRIBUTES_MAX];
        struct oxp_otlp_span span = {.sampled = true, .remote_parent = export->sending[done]->remote_parent};
        oxp_span_show(export->sending[done], pairs, &span.view);
        room = oxp_otlp_add(body, &span, done == 0);
        done++;
    }
    oxp_otlp_end(body);
    return done;
}

enum outcome { SENT, AGAIN, REFUSED };

static enum outcome try_once(struct oxp_export *export, struct oxp_view body, long timeout_ms, uint64_t *rejected_out) {
    struct oxp_http_request request = {.method = "POST",
                                       .url = export->url,
                                       .headers = export->headers.lines,
                                       .body = body,
                                       .timeout_ms = timeout_ms,
                                       .max_body_bytes = ANSWER_MAX};
    struct oxp_http_response response = {.status = 0};
    struct oxp_error error = {.text = ""};
    enum oxp_status status = export->http->exchange(export->http, &request, &response, &error);
    enum outcome outcome = REFUSED;
    if (status == OXP_OK && response.status >= 200 && response.status < 300) {
        *rejected_out = oxp_otlp_rejected(oxp_view_of(response.body, response.body_len));
        outcome = SENT;
    } else if (status == OXP_ERR_LIMIT) {
        outcome = SENT; /* it answered, at length */
    } else if (status == OXP_OK ? oxp_otlp_may_retry(response.status)
                                : status == OXP_ERR_TIMEOUT || status == OXP_ERR_CLOSED) {
        outcome = AGAIN;
    }
    oxp_http_response_fini(&response);
    return outcome;
}

/* Milliseconds that a try may take now; 0 = none may begin. */
static long time_left_locked(const struct oxp_export *export) {
    if (!export->stopping) {
        return OXP_EXPORT_EXCHANGE_MS;
    }
    int64_t left_ms = (export->stop_at.ns - now().ns) / OXP_NS_PER_MS;
    return left_ms < 10 ? 0 : left_ms < OXP_EXPORT_EXCHANGE_MS ? (long)left_ms : OXP_EXPORT_EXCHANGE_MS;
}

/* Tries up to three times, waiting in between, which the end cuts short. Enters and leaves with the lock. */
static enum outcome send_locked(struct oxp_tracer *tracer, struct oxp_view body, uint64_t *rejected_out) {
    struct oxp_export *export = &tracer->export;
    for (unsigned attempt = 1; attempt <= OXP_EXPORT_TRIES; attempt++) {
        long left_ms = time_left_locked(export);
        if (left_ms == 0) {
            break;
        }
        pthread_mutex_unlock(&tracer->lock);
        enum outcome outcome = try_once(export, body, left_ms, rejected_out);
        pthread_mutex_lock(&tracer->lock);
        if (outcome != AGAIN || attempt == OXP_EXPORT_TRIES) {
            return outcome;
        }
        long wait_ms = oxp_export_backoff_ms(export->backoff_ms, attempt + 1, oxp_random_unit(&export->random));
        struct oxp_mono until = after_ms(now(), wait_ms);
        while (now().ns < until.ns && time_left_locked(export) > 0) {
            struct oxp_mono at = export->stopping && export->stop_at.ns < until.ns ? export->stop_at : until;
            wait_until_locked(tracer, &export->wake, at);
        }
    }
    return REFUSED;
}

/* Sends what stands in `sending`, in as many requests as it takes. */
static void send_batch_locked(struct oxp_tracer *tracer) {
    struct oxp_export *export = &tracer->export;
    while (export->sending_count > 0) {
        struct oxp_buf body;
        oxp_buf_init(&body, 0);
        pthread_mutex_unlock(&tracer->lock);
        size_t count = encode(tracer, &body);
        pthread_mutex_lock(&tracer->lock);
        uint64_t rejected = 0;
        enum outcome outcome =
            oxp_buf_status(&body) == OXP_OK ? send_locked(tracer, oxp_buf_view(&body), &rejected) : REFUSED;
        oxp_buf_fini(&body);
        rejected = outcome != SENT || rejected > count ? count : rejected;
        tracer->stats.dropped += rejected;
        tracer->stats.exported += count - rejected;
        for (size_t i = 0; i < count; i++) {
            oxp_span_unref_locked(export->sending[i]);
        }
        export->sending_count -= count;
        memmove(export->sending, export->sending + count, export->sending_count * sizeof(struct oxp_span *));
        pthread_cond_broadcast(&export->idle);
    }
}

static void take_batch_locked(struct oxp_export *export) {
    while (export->waiting > 0 && export->sending_count < OXP_EXPORT_BATCH) {
        export->sending[export->sending_count++] = export->queue[export->head];
        export->head = (export->head + 1) % OXP_EXPORT_QUEUE;
        export->waiting--;
    }
    export->oldest = now();
}

static void *run(void *ctx) {
    struct oxp_tracer *tracer = ctx;
    struct oxp_export *export = &tracer->export;
    pthread_mutex_lock(&tracer->lock);
    while (true) {
        struct oxp_mono due = after_ms(export->oldest, OXP_EXPORT_EVERY_MS);
        bool go = export->waiting > 0 &&
                  (export->waiting >= OXP_EXPORT_BATCH || export->stopping || export->hurried || now().ns >= due.ns);
        if (go) {
            take_batch_locked(export);
            send_batch_locked(tracer);
        } else if (export->stopping) {
            break;
        } else if (export->waiting == 0) {
            export->hurried = false;
            pthread_cond_broadcast(&export->idle);
            pthread_cond_wait(&export->wake, &tracer->lock);
        } else {
            wait_until_locked(tracer, &export->wake, due);
        }
    }
    pthread_mutex_unlock(&tracer->lock);
    return NULL;
}

/* ---- The others' side ---- */

/* No signal is handled on our thread: they are the host's. */
static bool start_locked(struct oxp_tracer *tracer) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool started = pthread_create(&tracer->export.thread, NULL, run, tracer) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return started;
}

void oxp_export_push_locked(struct oxp_tracer *tracer, struct oxp_span *span) {
    struct oxp_export *export = &tracer->export;
    if (export->http == NULL) {
        return;
    }
    export->running = export->running || (!export->stopping && start_locked(tracer));
    if (!export->running || export->waiting == OXP_EXPORT_QUEUE) {
        tracer->stats.dropped++;
        return;
    }
    span->refs++;
    export->queue[(export->head + export->waiting++) % OXP_EXPORT_QUEUE] = span;
    if (export->waiting == 1) {
        export->oldest = now();
    }
    if (export->waiting == 1 || export->waiting == OXP_EXPORT_BATCH) {
        pthread_cond_signal(&export->wake);
    }
}

bool oxp_tracer_flush(struct oxp_tracer *tracer, long timeout_ms) {
    if (tracer == NULL) {
        return true;
    }
    struct oxp_export *export = &tracer->export;
    struct oxp_mono until = after_ms(now(), timeout_ms);
    pthread_mutex_lock(&tracer->lock);
    export->hurried = export->waiting > 0;
    pthread_cond_signal(&export->wake);
    while (export->waiting + export->sending_count > 0 && now().ns < until.ns) {
        wait_until_locked(tracer, &export->idle, until);
    }
    bool done = export->waiting + export->sending_count == 0;
    pthread_mutex_unlock(&tracer->lock);
    return done;
}

static void let_go_locked(struct oxp_export *export, struct oxp_tracer *tracer, bool count) {
    tracer->stats.dropped += count ? export->waiting + export->sending_count : 0;
    for (size_t i = 0; i < export->sending_count; i++) {
        oxp_span_unref_locked(export->sending[i]);
    }
    for (; export->waiting > 0; export->waiting--) {
        oxp_span_unref_locked(export->queue[export->head]);
        export->head = (export->head + 1) % OXP_EXPORT_QUEUE;
    }
    export->sending_count = 0;
}

void oxp_export_forget_locked(struct oxp_tracer *tracer) {
    struct oxp_export *export = &tracer->export;
    let_go_locked(export, tracer, false);
    export->running = export->stopping = export->hurried = false;
    oxp_random_init(&export->random);
    oxp_export_make_conds(export); /* whoever waited on them is not in this process */
}

void oxp_export_end(struct oxp_tracer *tracer) {
    struct oxp_export *export = &tracer->export;
    pthread_mutex_lock(&tracer->lock);
    export->stopping = true;
    export->stop_at = after_ms(now(), OXP_EXPORT_END_MS);
    bool running = export->running;
    pthread_cond_broadcast(&export->wake);
    pthread_mutex_unlock(&tracer->lock);
    if (running) {
        pthread_join(export->thread, NULL);
    }
    pthread_mutex_lock(&tracer->lock);
    let_go_locked(export, tracer, true);
    pthread_mutex_unlock(&tracer->lock);
    pthread_cond_destroy(&export->wake);
    pthread_cond_destroy(&export->idle);
    oxp_otlp_headers_fini(&export->headers);
    free(export->url);
}
