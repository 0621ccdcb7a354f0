/* The transport interface for HTTP requests that the sidecar makes. lib/net implements it with libcurl; tests with a
 * table. Nobody but lib/net knows what carries a request. */
#ifndef OXP_BASE_HTTP_H
#define OXP_BASE_HTTP_H

#include <oxpecker/status.h>
#include <oxpecker/view.h>

struct oxp_http_request {
    const char *method;         /* "GET", … */
    const char *url;            /* http:// or https:// */
    const char *const *headers; /* "Name: value" lines, NULL-terminated; may be NULL. "Name:" has an empty value */
    struct oxp_view body;
    long timeout_ms;       /* for the whole exchange */
    bool direct;           /* past any proxy that the environment names: for what runs beside us */
    size_t max_body_bytes; /* of the answer; a longer one is OXP_ERR_LIMIT */
    /* Asked at least every second while the exchange goes on: true ends it with OXP_ERR_CLOSED. May be NULL. */
    bool (*give_up)(void *ctx);
    void *give_up_ctx;
};

struct oxp_http_response {
    int status; /* HTTP status code */
    char *body; /* owned; NUL-terminated; free with oxp_http_response_fini */
    size_t body_len;
    char *headers; /* owned, may be NULL: lines "name: value\n" of the final answer, names in lower case; at most 16 KiB
                    */
};

struct oxp_http {
    /* Does one exchange and blocks the calling thread until it ends. OXP_OK with any HTTP status, OXP_ERR_TIMEOUT,
     * OXP_ERR_CLOSED (could not connect, the connection was lost, or given up), OXP_ERR_INVALID (the URL),
     * OXP_ERR_LIMIT (the response then has its status, and nothing else), OXP_ERR_UNSUPPORTED (no client library on
     * this machine); `error` gets the reason. */
    enum oxp_status (*exchange)(struct oxp_http *http, const struct oxp_http_request *request,
                                struct oxp_http_response *response_out, struct oxp_error *error);
    void (*free)(struct oxp_http *http);
};

void oxp_http_response_fini(struct oxp_http_response *response);
/* The value of the first header of that name (in lower case), without blanks around it; empty when there is none. */
struct oxp_view oxp_http_header(const struct oxp_http_response *response, const char *name);

#endif
