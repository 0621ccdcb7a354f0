#include "exporter/serve/internal.h"

#include <microhttpd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Used only where an answer cannot be chunked (HTTP/1.0); a chunk is as large as the connection's memory allows. */
#define BLOCK_SIZE 32768

void oxp_response_text(struct oxp_response *response, int status, const char *content_type, const char *text) {
    response->status = status;
    response->content_type = content_type;
    free(response->body);
    response->body = strdup(text);
    response->body_len = response->body == NULL ? 0 : strlen(text);
}

void oxp_response_error(struct oxp_response *response, int status, const char *format, ...) {
    char text[512];
    va_list args;
    va_start(args, format);
    int written = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    struct oxp_buf json;
    oxp_buf_init(&json, 0);
    oxp_buf_append_text(&json, "{\"status\":\"error\",\"error\":");
    oxp_buf_append_json_string(&json, oxp_view_from(written < 0 ? "" : text));
    oxp_buf_append_text(&json, "}\n");
    response->status = status;
    response->content_type = "application/json";
    free(response->body);
    response->body = oxp_buf_take(&json, &response->body_len);
    if (response->body == NULL) { /* no memory: the status must do */
        oxp_buf_fini(&json);
        response->body_len = 0;
    }
}

void oxp_response_drop(struct oxp_response *response) {
    if (response->body == NULL && response->read != NULL && response->done != NULL) {
        response->done(response->ctx);
    }
    free(response->body);
    *response = (struct oxp_response){0};
}

/* A streamed answer; owned by the library's response. */
struct stream {
    struct oxp_connection *connection;
    size_t (*read)(void *ctx, char *out, size_t size);
    void (*done)(void *ctx);
    void *ctx;
};

static ssize_t stream_read(void *ctx, uint64_t position, char *out, size_t size) {
    (void)position;
    struct stream *stream = ctx;
    oxp_connection_progress(stream->connection);
    size_t got = stream->read(stream->ctx, out, size);
    return got == 0 ? MHD_CONTENT_READER_END_OF_STREAM : (ssize_t)got;
}

static void stream_free(void *ctx) {
    struct stream *stream = ctx;
    if (stream->done != NULL) {
        stream->done(stream->ctx);
    }
    free(stream);
}

static struct MHD_Response *make_streamed(struct oxp_connection *connection, struct oxp_response *response) {
    struct stream *stream = malloc(sizeof *stream);
    struct MHD_Response *made = NULL;
    if (stream != NULL) {
        *stream = (struct stream){connection, response->read, response->done, response->ctx};
        made = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK_SIZE, stream_read, stream, stream_free);
    }
    if (made == NULL) {
        free(stream);
        if (response->done != NULL) {
            response->done(response->ctx);
        }
    }
    return made;
}

static struct MHD_Response *make_whole(struct oxp_response *response) {
    static char nothing[1];
    bool has = response->body != NULL;
    struct MHD_Response *made =
        MHD_create_response_from_buffer(has ? response->body_len : 0, has ? response->body : nothing,
                                        has ? MHD_RESPMEM_MUST_FREE : MHD_RESPMEM_PERSISTENT);
    if (made == NULL) {
        free(response->body);
    }
    return made;
}

static bool add_headers(struct MHD_Response *made, const struct oxp_response *response) {
    const char *fixed[][2] = {
        {"Content-Type", response->content_type},
        {"X-Content-Type-Options", "nosniff"},
        {"Cache-Control", "no-store"},
    };
    bool ok = true;
    for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++) {
        ok = ok && (fixed[i][1] == NULL || MHD_add_response_header(made, fixed[i][0], fixed[i][1]) == MHD_YES);
    }
    for (size_t i = 0; i < sizeof response->headers / sizeof response->headers[0] && response->headers[i][0] != NULL;
         i++) {
        ok = ok && MHD_add_response_header(made, response->headers[i][0], response->headers[i][1]) == MHD_YES;
    }
    return ok;
}

static bool is_draining(struct oxp_server *server) {
    pthread_mutex_lock(&server->lock);
    bool draining = server->draining;
    pthread_mutex_unlock(&server->lock);
    return draining;
}

bool oxp_serve_answer(struct oxp_connection *connection, struct oxp_response *response) {
    struct oxp_request *request = &connection->request;
    bool streamed = response->body == NULL && response->read != NULL;
    if (response->status == 0) {
        response->status = 200;
    }
    struct MHD_Response *made = streamed ? make_streamed(connection, response) : make_whole(response);
    if (made == NULL) {
        return false;
    }
    bool ok = add_headers(made, response);
    if (streamed && request->head) {
        /* The library ends a chunked answer to HEAD with the last chunk, which the client would take for the next
         * answer. Without chunks it sends the head and closes. */
        ok = ok && MHD_set_response_options(made, MHD_RF_HTTP_1_0_COMPATIBLE_STRICT, MHD_RO_END) == MHD_YES;
    }
    if (is_draining(connection->worker->server)) {
        ok = ok && MHD_add_response_header(made, "Connection", "close") == MHD_YES;
    }
    request->status = response->status;
    oxp_connection_phase(connection, OXP_PHASE_ANSWER);
    ok = ok && MHD_queue_response(request->mhd, (unsigned)response->status, made) == MHD_YES;
    MHD_destroy_response(made);
    *response = (struct oxp_response){0};
    return ok;
}
