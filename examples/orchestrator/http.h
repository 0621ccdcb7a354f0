/* One HTTP request after the other over libcurl, with one connection cache for each thread that has a `struct http`.
 * No retries here: that is the library's work (call.c). */
#ifndef ORCHESTRATOR_HTTP_H
#define ORCHESTRATOR_HTTP_H

#include <oxpecker/retry.h>
#include <stdbool.h>
#include <stddef.h>

enum { HTTP_HEADERS_MAX = 8, HTTP_BODY_MAX = 8 << 20 };

struct http; /* belongs to one thread at a time */

struct http_request {
    const char *method, *url;
    const char *body;                      /* JSON; NULL = none */
    const char *headers[HTTP_HEADERS_MAX]; /* "name: value"; NULL ends them early */
    double timeout_s;
    struct oxp_cancel *cancel; /* ends the transfer within a second; NULL = cannot */
};

/* What came back. `body` is NUL-terminated and NULL when there is none; http_reply_clear frees it. */
struct http_reply {
    int status;    /* 0 when there was no whole answer */
    int curl_code; /* CURLcode of the transfer */
    char *body;
    size_t len;
    char note[256]; /* curl's words on a failed transfer */
    char retry_after[64], retry_after_ms[32], cache[16], content_type[64];
    double took_s;
};

/* Once a process, before any thread; false when libcurl cannot be used. */
bool http_start(void);
void http_stop(void);

struct http *http_new(void); /* NULL without memory */
void http_free(struct http *http);
/* True when a whole answer came, whatever its status; `reply` (cleared first) says which, or what went wrong. */
bool http_send(struct http *http, const struct http_request *request, struct http_reply *reply);
void http_reply_clear(struct http_reply *reply);

#endif
