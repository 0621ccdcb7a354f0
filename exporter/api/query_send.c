/* From an answer's pieces to the response, and the arguments that several handlers take. */
#include "exporter/api/query_parts.h"

#include <stdio.h>
#include <stdlib.h>

#include "exporter/api/negotiate.h"
#include "lib/gzip/gzip.h"

#define GZIP_LEAST 1400  /* shorter answers go in one packet anyway */
#define HELD_LEAST 65536 /* bytes of an answer that counts as held */
#define TIMEOUT_MS 30000 /* without an engine */
#define DAY_MS INT64_C(86400000)

/* ---- Arguments ---- */

struct oxp_view oxp_query_arg(const struct oxp_query_ask *ask, const char *name) {
    struct oxp_view value = {NULL, 0};
    return oxp_request_field(ask->request, name, 0, &value) ? value : OXP_VIEW("");
}

bool oxp_query_arg_limit(struct oxp_query_ask *ask, size_t *limit) {
    struct oxp_error error = {0};
    if (oxp_query_limit(oxp_query_arg(ask, "limit"), limit, &error) != OXP_OK) {
        return oxp_query_refuse(&ask->fault, OXP_QUERY_BAD_DATA, "invalid parameter \"limit\": %s", error.text);
    }
    return true;
}

bool oxp_query_arg_time(struct oxp_query_ask *ask, const char *name, int64_t *ms) {
    struct oxp_view text = oxp_query_arg(ask, name);
    struct oxp_error error = {0};
    if (text.len != 0 && oxp_query_time(text, ms, &error) != OXP_OK) {
        return oxp_query_refuse(&ask->fault, OXP_QUERY_BAD_DATA,
                                "invalid parameter \"%s\": invalid time value for '%s': %s", name, name, error.text);
    }
    return true;
}

bool oxp_query_arg_selectors(struct oxp_query_ask *ask, bool parameter, struct oxp_query_selectors *selectors) {
    struct oxp_view text;
    struct oxp_error error = {0};
    for (size_t i = 0; oxp_request_field(ask->request, "match[]", i, &text); i++) {
        enum oxp_status status = oxp_query_selectors_add(selectors, text, &error);
        if (status != OXP_OK) {
            return oxp_query_refuse(&ask->fault, status == OXP_ERR_NOMEM ? OXP_QUERY_UNAVAILABLE : OXP_QUERY_BAD_DATA,
                                    "%s%s", parameter ? "invalid parameter \"match[]\": " : "", error.text);
        }
    }
    return true;
}

bool oxp_query_has_memory(struct oxp_query_ask *ask) {
    return ask->api->tsdb != NULL ||
           oxp_query_refuse(&ask->fault, OXP_QUERY_UNAVAILABLE, "this sidecar keeps no samples in memory");
}

bool oxp_query_goes_on(struct oxp_query_ask *ask) {
    const _Atomic bool *gone = oxp_request_gone(ask->request);
    if (gone != NULL && atomic_load_explicit(gone, memory_order_relaxed)) {
        return oxp_query_refuse(&ask->fault, OXP_QUERY_CANCELED, "the request was canceled");
    }
    struct oxp_mono now = oxp_clock_mono(ask->api->clock);
    if (ask->until.ns == 0) {
        struct oxp_promql_engine *engine = ask->api->engine;
        int64_t timeout_ms = engine == NULL ? TIMEOUT_MS : oxp_promql_engine_timeout_ms(engine);
        timeout_ms = timeout_ms < DAY_MS ? timeout_ms : DAY_MS;
        ask->until.ns = now.ns + timeout_ms * OXP_NS_PER_MS;
    }
    return now.ns < ask->until.ns || oxp_query_refuse(&ask->fault, OXP_QUERY_TIMEOUT, "the request timed out");
}

/* ---- Answers that clients are taking ---- */

struct held {
    struct oxp_api *api;
    char *body;
    size_t len, at;
};

static size_t read_held(void *ctx, char *out, size_t size) {
    struct held *held = ctx;
    size_t left = held->len - held->at, len = left < size ? left : size;
    memcpy(out, held->body + held->at, len);
    held->at += len;
    return len;
}

static void drop_held(void *ctx) {
    struct held *held = ctx;
    atomic_fetch_sub(&held->api->held_bytes, held->len);
    free(held->body);
    free(held);
}

/* Gives a long body over as a stream, which says when it has ended. False with the fault set when there are too many
 * such, or no memory; the body stays the response's. */
static bool hold(struct oxp_query_ask *ask) {
    struct oxp_response *response = ask->response;
    struct oxp_api *api = ask->api;
    if (response->body_len < HELD_LEAST) {
        return true;
    }
    struct held *held = malloc(sizeof *held);
    size_t others = atomic_fetch_add(&api->held_bytes, response->body_len);
    bool too_many = others > OXP_QUERY_HELD_MAX || response->body_len > OXP_QUERY_HELD_MAX - others;
    if (held == NULL || (others != 0 && too_many)) {
        atomic_fetch_sub(&api->held_bytes, response->body_len);
        free(held);
        return oxp_query_refuse(&ask->fault, OXP_QUERY_UNAVAILABLE,
                                held == NULL ? "no memory for the answer"
                                             : "too many long answers are being read; try again");
    }
    *held = (struct held){.api = api, .body = response->body, .len = response->body_len};
    response->body = NULL;
    response->body_len = 0;
    response->read = read_held;
    response->done = drop_held;
    response->ctx = held;
    return true;
}

/* ---- Answers ---- */

/* Pieces as a stream of bytes. */
struct stream {
    oxp_pieces_fn *next;
    void *ctx;
    struct oxp_buf piece;
    size_t at;
    bool ended;
};

/* Has at least `least` bytes that were not taken yet, unless the end comes first. */
static void fill(struct stream *stream, size_t least) {
    if (stream->at == stream->piece.len && oxp_buf_status(&stream->piece) == OXP_OK) {
        oxp_buf_clear(&stream->piece);
        stream->at = 0;
    }
    while (!stream->ended && stream->piece.len - stream->at < least && oxp_buf_status(&stream->piece) == OXP_OK) {
        stream->ended = !stream->next(stream->ctx, &stream->piece);
    }
}

static size_t take(void *ctx, char *out, size_t size) {
    struct stream *stream = ctx;
    fill(stream, 1);
    size_t left = stream->piece.len - stream->at, len = left < size ? left : size;
    if (len > 0 && oxp_buf_status(&stream->piece) == OXP_OK) {
        memcpy(out, stream->piece.data + stream->at, len);
        stream->at += len;
        return len;
    }
    return 0;
}

/* Everything the stream has, through gzip when there is one. */
static void collect(struct stream *stream, struct oxp_gzip *gzip, struct oxp_buf *body) {
    const size_t step = 16384;
    for (;;) {
        char *room = oxp_buf_reserve(body, step);
        size_t got = room == NULL   ? 0
                     : gzip != NULL ? oxp_gzip_read(gzip, take, stream, room, step)
                                    : take(stream, room, step);
        if (got == 0) {
            return;
        }
        oxp_buf_commit(body, got);
    }
}

static bool too_long(struct oxp_query_ask *ask, enum oxp_status status) {
    if (status == OXP_ERR_LIMIT) {
        return oxp_query_refuse(&ask->fault, OXP_QUERY_EXECUTION,
                                "the answer would be longer than %zu MiB; ask for fewer series or steps",
                                OXP_QUERY_BODY_MAX >> 20);
    }
    return oxp_query_refuse(&ask->fault, OXP_QUERY_UNAVAILABLE, "no memory for the answer");
}

static void fill_response(struct oxp_response *response, struct oxp_buf *body, bool gzipped) {
    response->status = 200;
    response->content_type = "application/json";
    response->headers[0][0] = "Vary";
    response->headers[0][1] = "Accept-Encoding";
    if (gzipped) {
        response->headers[1][0] = "Content-Encoding";
        response->headers[1][1] = "gzip";
    }
    response->body = oxp_buf_take(body, &response->body_len);
}

bool oxp_query_send(struct oxp_query_ask *ask, oxp_pieces_fn *next, void *ctx) {
    struct stream stream = {.next = next, .ctx = ctx};
    struct oxp_gzip *gzip = NULL;
    struct oxp_buf body;
    enum oxp_status status = OXP_OK;
    oxp_buf_init(&body, OXP_QUERY_BODY_MAX);
    oxp_buf_init(&stream.piece, 0);
    fill(&stream, GZIP_LEAST);
    if (stream.piece.len >= GZIP_LEAST && oxp_negotiate_gzip(oxp_request_header(ask->request, "Accept-Encoding"))) {
        status = oxp_gzip_new(&gzip);
    }
    if (status == OXP_OK) {
        collect(&stream, gzip, &body);
        status = oxp_buf_status(&stream.piece) != OXP_OK ? oxp_buf_status(&stream.piece) : oxp_buf_status(&body);
    }
    if (status == OXP_OK) {
        fill_response(ask->response, &body, gzip != NULL);
        status = ask->response->body == NULL ? OXP_ERR_NOMEM : OXP_OK;
    }
    oxp_gzip_free(gzip);
    oxp_buf_fini(&stream.piece);
    oxp_buf_fini(&body);
    return status == OXP_OK ? hold(ask) : too_long(ask, status);
}

/* A whole text as the only piece. */
static bool only_piece(void *ctx, struct oxp_buf *piece) {
    struct oxp_view *text = ctx;
    size_t len = text->len < 65536 ? text->len : 65536;
    oxp_buf_append(piece, text->ptr, len);
    *text = oxp_view_of(text->ptr + len, text->len - len);
    return len > 0;
}

bool oxp_query_send_text(struct oxp_query_ask *ask, struct oxp_buf *text) {
    bool sent;
    if (oxp_buf_status(text) != OXP_OK) {
        sent = too_long(ask, oxp_buf_status(text));
    } else if (text->len < GZIP_LEAST) {
        fill_response(ask->response, text, false);
        sent = ask->response->body != NULL || too_long(ask, OXP_ERR_NOMEM);
    } else {
        struct oxp_view rest = oxp_buf_view(text);
        sent = oxp_query_send(ask, only_piece, &rest);
    }
    oxp_buf_fini(text);
    return sent;
}

void oxp_query_send_fault(struct oxp_query_ask *ask) {
    struct oxp_response *response = ask->response;
    struct oxp_buf text;
    oxp_buf_init(&text, 0);
    oxp_query_json_fault(&text, &ask->fault);
    response->status = oxp_query_http_status(ask->fault.error);
    response->content_type = "application/json";
    free(response->body);
    memset(response->headers, 0, sizeof response->headers); /* they were another answer's */
    response->body = oxp_buf_take(&text, &response->body_len);
    if (response->body == NULL) { /* no memory: the status must do */
        oxp_buf_fini(&text);
        response->body_len = 0;
    }
    if (ask->fault.error == OXP_QUERY_UNAVAILABLE) {
        response->headers[0][0] = "Retry-After";
        response->headers[0][1] = "1";
    }
}
