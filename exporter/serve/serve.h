/* The HTTP server: the only folder with libmicrohttpd. A route table in, sockets and threads inside.
 *
 * It owns: listening, a small pool of threads, framing refusals (duplicate Content-Length, Content-Length with
 * Transfer-Encoding, several Hosts), absolute deadlines (headers 10 s, body 30 s), body limits, methods, HEAD, and who
 * may do what. It does not know what an answer means. Handlers run on pool threads and may block only briefly; those of
 * slow routes run on threads of their own, so that whatever they take, every other request finds a thread.
 *
 * Every answer carries X-Content-Type-Options: nosniff and Cache-Control: no-store. A streamed answer is chunked
 * (HTTP/1.0: ended by closing); HEAD of one closes the connection. What the library refuses while it reads a request
 * line is answered with 400 or 505 but not told to on_refusal. */
#ifndef OXP_SERVE_SERVE_H
#define OXP_SERVE_SERVE_H

#include <oxpecker/status.h>
#include <oxpecker/view.h>
#include <stdint.h>

enum oxp_method { OXP_GET = 1, OXP_POST = 2, OXP_PUT = 4 }; /* HEAD is answered wherever GET is */

/* What else stands in a route's `methods`. */
enum oxp_route_flags {
    /* A body of application/x-www-form-urlencoded is taken apart for oxp_request_field; one with too many fields is
     * answered with 400. */
    OXP_ROUTE_FORM = 8,
    /* The handler may take seconds: it runs on one of slow_threads threads, which are made when they are first needed;
     * slow_waiting_max requests may wait for one, a further one is answered with 503. */
    OXP_ROUTE_SLOW = 16,
};

enum oxp_access {
    OXP_ACCESS_OPEN,      /* reading numbers: anyone */
    OXP_ACCESS_LEDGER,    /* reading the ledger: loopback (peer, local address and Host), or --web.expose-ledger */
    OXP_ACCESS_LOCAL,     /* writing events: loopback by the strict rule of access.h, else 403 */
    OXP_ACCESS_LIFECYCLE, /* reload and quit: the strict rule, and --web.enable-lifecycle */
};

struct oxp_route;
struct oxp_request; /* one request; valid during the handler */
enum oxp_method oxp_request_method(const struct oxp_request *request);
struct oxp_view oxp_request_path(const struct oxp_request *request);
/* The whole body; empty for GET. */
struct oxp_view oxp_request_body(const struct oxp_request *request);
/* Header value by name without regard to case; several of one name are joined with ", ". NULL when absent. */
const char *oxp_request_header(const struct oxp_request *request, const char *name);
/* Query argument, decoded; NULL when absent. */
const char *oxp_request_argument(const struct oxp_request *request, const char *name);
/* The index-th (from 0) argument of this name: first those of the form in the body, then those of the query, as Go's
 * Request.Form has them. False when there is none. Valid as long as the request. */
bool oxp_request_field(const struct oxp_request *request, const char *name, size_t index, struct oxp_view *value_out);
/* Of a slow route: becomes true within a second or so after the client has gone (or has ended its side, or the server
 * stops), when nobody will read the answer. Valid as long as the request. */
const _Atomic bool *oxp_request_gone(const struct oxp_request *request);
/* Whether this client, asking as it did, would be let through to a route with this rule: for an open page that shows
 * more to some. */
bool oxp_request_may(const struct oxp_request *request, enum oxp_access access);
/* The server's route table. */
const struct oxp_route *oxp_request_routes(const struct oxp_request *request);

struct oxp_response {
    int status;               /* 200 when the handler leaves 0 */
    const char *content_type; /* static text */
    /* Either whole: `body` is taken over and freed with free(), */
    char *body;
    size_t body_len;
    /* or streamed: `read` fills at most `size` bytes and returns how many, 0 = the end; `done` is called once, whatever
     * happens. Both may be called from another pool thread than the handler's, never at the same time. */
    size_t (*read)(void *ctx, char *out, size_t size);
    void (*done)(void *ctx);
    void *ctx;
    const char
        *headers[8][2]; /* more: name, value (static, or freed by nobody: must live until done); ends at a NULL name */
};

/* Helpers for whole answers. `text` is copied. */
void oxp_response_text(struct oxp_response *response, int status, const char *content_type, const char *text);
/* {"status":"error","error":"…"} with the given HTTP status. */
void oxp_response_error(struct oxp_response *response, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

typedef void oxp_handler_fn(void *ctx, const struct oxp_request *request, struct oxp_response *response);

struct oxp_route {
    const char *path; /* exact; a trailing star matches any rest: "/api/v1/label/" and then anything */
    unsigned methods; /* enum oxp_method bits, and enum oxp_route_flags */
    enum oxp_access access;
    size_t max_body; /* bytes; 0 = no body is taken */
    oxp_handler_fn *handle;
};

struct oxp_server_options {
    const char *address;       /* ":10108", "127.0.0.1:0", "[::1]:8080", "localhost:80" */
    unsigned threads;          /* 0 = 4 */
    unsigned slow_threads;     /* for slow routes: at most 8; 0 = 2 */
    unsigned slow_waiting_max; /* 0 = 64 */
    unsigned max_connections; /* 0 = 512; when it is reached the connection that has sat longest without a whole request
                                 is cut */
    int64_t header_deadline_ms, body_deadline_ms; /* 0 = 10,000 and 30,000 */
    int64_t idle_deadline_ms; /* between two requests of one connection; 0 = 75,000: longer than a scrape interval of a
                                 minute */
    int64_t answer_deadline_ms; /* for sending a whole answer, and half of it without progress; 0 = 60,000 */
    bool expose_ledger, enable_lifecycle;
    const struct oxp_route *routes; /* static, ended by a NULL path */
    void *ctx;                      /* for the handlers */
    /* Called after each answer, its last byte included, on a pool thread: status and seconds from the first handler
     * call. `route` is NULL when no route took the request. May be NULL. */
    void (*on_answer)(void *ctx, const struct oxp_route *route, int status, double seconds);
    /* Called for each refusal with its reason: "framing", "access", "deadline" (a connection was cut because it was too
     * slow), "limit" (the body was too long, or the connection was cut to make room). Any thread of the server. May be
     * NULL. */
    void (*on_refusal)(void *ctx, const char *reason);
};

struct oxp_server;
/* Binds and starts; from then on handlers are called. `options` is copied, what it points to (routes, ctx) must live as
 * long as the server. OXP_ERR_NOMEM, OXP_ERR_IN_USE, OXP_ERR_DENIED, OXP_ERR_INVALID (the address), OXP_ERR_IO; `error`
 * names the address and the reason. */
enum oxp_status oxp_server_new(const struct oxp_server_options *options, struct oxp_server **server_out,
                               struct oxp_error *error);
/* The bound port. */
unsigned oxp_server_port(const struct oxp_server *server);
/* Flags that a reload may change. Any thread. */
void oxp_server_configure(struct oxp_server *server, bool expose_ledger, bool enable_lifecycle);
/* Stops listening, lets answers under way end for at most `grace_ms`, closes everything, joins the threads. */
void oxp_server_free(struct oxp_server *server, int64_t grace_ms);

/* The version of the library behind this (libmicrohttpd), static text. */
const char *oxp_serve_library(void);

#endif
