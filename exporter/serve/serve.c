/* The server: starts the workers and the acceptor, and takes a request from its head to its answer.
 *
 * The library calls us for each request: at the request line (on_line), when the head is whole (on_call, first), with
 * pieces of the body (on_call), when the request is whole (on_call, last), and when the answer has gone or will not go
 * (on_completed). An answer that is given at the first call closes the connection, so that only a request with a body
 * is refused there; any other refusal waits for the last call and the connection lives on. */
#include "exporter/serve/internal.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "exporter/serve/access.h"
#include "exporter/serve/connections.h"

/* Memory of one connection in the library: request head, then the chunk of the answer that is being sent. Larger chunks
 * than this made a 100 MB answer no faster. */
#define CONNECTION_MEMORY ((size_t)64 * 1024)

void oxp_server_refused(struct oxp_server *server, const char *reason) {
    if (server->options.on_refusal != NULL) {
        server->options.on_refusal(server->options.ctx, reason);
    }
}

/* ---- From the head to a verdict ---- */

static bool is_loopback(const struct sockaddr_storage *address) {
    if (address->ss_family == AF_INET) {
        return ((const struct sockaddr_in *)address)->sin_addr.s_addr == htonl(INADDR_LOOPBACK);
    }
    if (address->ss_family != AF_INET6) {
        return false;
    }
    const struct in6_addr *six = &((const struct sockaddr_in6 *)address)->sin6_addr;
    static const unsigned char mapped[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127, 0, 0, 1};
    return IN6_IS_ADDR_LOOPBACK(six) || memcmp(six, mapped, sizeof mapped) == 0;
}

static enum MHD_Result find_x_forwarded(void *ctx, enum MHD_ValueKind kind, const char *name, const char *value) {
    (void)kind;
    (void)value;
    if (strncasecmp(name, "X-Forwarded-", 12) == 0) {
        *(bool *)ctx = true;
    }
    return MHD_YES;
}

static const char *check_access(struct oxp_connection *connection, enum oxp_access access) {
    struct oxp_request *request = &connection->request;
    struct oxp_server *server = connection->worker->server;
    struct sockaddr_storage peer = {0}, local = {0};
    socklen_t peer_len = sizeof peer, local_len = sizeof local;
    struct oxp_access_facts facts = {
        .peer_loopback = getpeername(connection->fd, (struct sockaddr *)&peer, &peer_len) == 0 && is_loopback(&peer),
        .local_loopback =
            getsockname(connection->fd, (struct sockaddr *)&local, &local_len) == 0 && is_loopback(&local),
        .host = oxp_request_header(request, "Host"),
        .origin = oxp_request_header(request, "Origin"),
        .sec_fetch_site = oxp_request_header(request, "Sec-Fetch-Site"),
        .forwarded = oxp_request_header(request, "Forwarded"),
        .via = oxp_request_header(request, "Via"),
        .expose_ledger = atomic_load(&server->expose_ledger),
        .enable_lifecycle = atomic_load(&server->enable_lifecycle),
    };
    MHD_get_connection_values(request->mhd, MHD_HEADER_KIND, find_x_forwarded, &facts.x_forwarded);
    return oxp_access_check(access, &facts);
}

bool oxp_request_may(const struct oxp_request *request, enum oxp_access access) {
    /* A request is a member of its connection. */
    char *member = (char *)(uintptr_t)request;
    return check_access((struct oxp_connection *)(void *)(member - offsetof(struct oxp_connection, request)), access) ==
           NULL;
}

static bool path_matches(const char *pattern, const char *path) {
    size_t len = strlen(pattern);
    return len > 0 && pattern[len - 1] == '*' ? strncmp(pattern, path, len - 1) == 0 : strcmp(pattern, path) == 0;
}

/* The route for path and method: an exact path before one with a star, then the table's order. `allowed_out` gets the
 * methods of all routes with this path; 0 = there is none. */
static const struct oxp_route *find_route(const struct oxp_route *routes, const char *path, unsigned method,
                                          unsigned *allowed_out) {
    const struct oxp_route *best = NULL;
    bool best_exact = false, any_exact = false;
    unsigned allowed = 0;
    for (const struct oxp_route *route = routes; route->path != NULL; route++) {
        bool exact = strcmp(route->path, path) == 0;
        if ((!exact && any_exact) || !path_matches(route->path, path)) {
            continue;
        }
        if (exact && !any_exact) { /* exact routes hide those with a star, methods included */
            any_exact = true;
            allowed = 0;
            best = NULL;
        }
        allowed |= route->methods;
        if ((route->methods & method) != 0 && (best == NULL || (exact && !best_exact))) {
            best = route;
            best_exact = exact;
        }
    }
    *allowed_out = allowed;
    return best;
}

/* The Allow header for each set of methods; the index is the set. */
static const char *const allow_texts[] = {
    "", "GET, HEAD", "POST", "GET, HEAD, POST", "PUT", "GET, HEAD, PUT", "POST, PUT", "GET, HEAD, POST, PUT",
};

static unsigned method_of(const char *name, bool *head_out) {
    *head_out = strcmp(name, "HEAD") == 0;
    if (*head_out || strcmp(name, "GET") == 0) {
        return OXP_GET;
    }
    return strcmp(name, "POST") == 0 ? OXP_POST : strcmp(name, "PUT") == 0 ? OXP_PUT : 0;
}

/* Fills request->refusal when the request is not to be handled. */
static void judge(struct oxp_connection *connection, const char *method_name, const struct oxp_framing *framing) {
    struct oxp_request *request = &connection->request;
    struct oxp_server *server = connection->worker->server;
    struct oxp_response *refusal = &request->refusal;
    unsigned method = method_of(method_name, &request->head), allowed = 0;
    request->method = method == 0 ? OXP_GET : (enum oxp_method)method;
    request->route = find_route(server->options.routes, request->path.ptr, method, &allowed);
    if (request->route == NULL && allowed == 0) {
        oxp_response_error(refusal, 404, "there is nothing at this path");
        return;
    }
    if (request->route == NULL) {
        oxp_response_error(refusal, 405, "this path takes %s", allow_texts[allowed & 7]);
        refusal->headers[0][0] = "Allow";
        refusal->headers[0][1] = allow_texts[allowed & 7];
        return;
    }
    const char *why = check_access(connection, request->route->access);
    if (why != NULL) {
        oxp_response_error(refusal, 403, "refused: %s", why);
        oxp_server_refused(server, "access");
    } else if (framing->content_length > request->route->max_body ||
               (framing->chunked && request->route->max_body == 0)) {
        oxp_response_error(refusal, 413, "the body may have %zu bytes", request->route->max_body);
        oxp_server_refused(server, "limit");
    }
}

/* ---- The library's calls ---- */

static struct oxp_connection *connection_of(struct MHD_Connection *mhd) {
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info == NULL ? NULL : info->socket_context;
}

static void on_connection(void *ctx, struct MHD_Connection *mhd, void **socket_context,
                          enum MHD_ConnectionNotificationCode what) {
    struct oxp_worker *worker = ctx;
    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
        *socket_context = oxp_connection_open(worker, info->connect_fd);
    } else {
        if (*socket_context != NULL) {
            oxp_connection_close(*socket_context);
            *socket_context = NULL;
        }
        atomic_fetch_sub(&worker->connections, 1);
    }
}

/* The request line has come. What this gives becomes the request's context. */
static void *on_line(void *ctx, const char *uri, struct MHD_Connection *mhd) {
    (void)ctx;
    (void)uri;
    struct oxp_connection *connection = connection_of(mhd);
    if (connection != NULL) {
        connection->request.mhd = mhd;
        connection->request.routes = connection->worker->server->options.routes;
        connection->request.gone = &connection->gone;
        oxp_connection_phase(connection, OXP_PHASE_HEADERS);
    }
    return connection;
}

static enum MHD_Result first_call(struct oxp_connection *connection, const char *method, const char *version) {
    struct oxp_request *request = &connection->request;
    struct oxp_framing framing;
    int status = 0;
    request->seen = true;
    request->began = oxp_clock_mono(oxp_clock_system());
    const char *why = oxp_serve_framing(request->mhd, version, &framing, &status);
    if (why != NULL) {
        oxp_response_error(&request->refusal, status, "bad request: %s", why);
        oxp_server_refused(connection->worker->server, "framing");
        connection->linger = true;
        return oxp_serve_answer(connection, &request->refusal) ? MHD_YES : MHD_NO;
    }
    judge(connection, method, &framing);
    if (!framing.has_body) {
        return MHD_YES;
    }
    if (request->refusal.status != 0) {
        connection->linger = true;
        return oxp_serve_answer(connection, &request->refusal) ? MHD_YES : MHD_NO;
    }
    oxp_buf_init(&request->body, request->route->max_body);
    oxp_connection_phase(connection, OXP_PHASE_BODY);
    return MHD_YES;
}

/* The library takes no answer in the middle of a body, so this one is written past it; it is the only writer here,
 * because what it had to send (100 Continue) has gone before the body comes. */
static enum MHD_Result refuse_in_body(struct oxp_connection *connection, int status, const char *text) {
    static const char format[] =
        "HTTP/1.1 %d %s\r\nContent-Type: application/json\r\nX-Content-Type-Options: nosniff\r\n"
        "Content-Length: %zu\r\nConnection: close\r\n\r\n%s";
    struct oxp_response refusal = {0};
    oxp_response_error(&refusal, status, "%s", text);
    char answer[512];
    const char *body = refusal.body == NULL ? "" : refusal.body;
    int len = snprintf(answer, sizeof answer, format, status,
                       status == 413 ? "Content Too Large" : "Service Unavailable", strlen(body), body);
    if (len > 0 && (size_t)len < sizeof answer) {
        (void)send(connection->fd, answer, (size_t)len, MSG_DONTWAIT | MSG_NOSIGNAL);
    }
    free(refusal.body);
    connection->linger = true;
    connection->request.status = status;
    return MHD_NO; /* closes */
}

static enum MHD_Result take_body(struct oxp_connection *connection, const char *bytes, size_t *size) {
    struct oxp_request *request = &connection->request;
    oxp_buf_append(&request->body, bytes, *size);
    *size = 0;
    switch (oxp_buf_status(&request->body)) {
    case OXP_OK:
        return MHD_YES;
    case OXP_ERR_LIMIT:
        oxp_server_refused(connection->worker->server, "limit");
        return refuse_in_body(connection, 413, "the body is too long");
    default:
        return refuse_in_body(connection, 503, "no memory for the body");
    }
}

/* A body that says it is a form, on a route that takes one. */
static bool has_form(const struct oxp_request *request) {
    const char *type = oxp_request_header(request, "Content-Type");
    size_t len = sizeof OXP_FORM_TYPE - 1;
    return (request->route->methods & OXP_ROUTE_FORM) != 0 && request->method != OXP_GET && type != NULL &&
           strncasecmp(type, OXP_FORM_TYPE, len) == 0 && (type[len] == '\0' || type[len] == ';' || type[len] == ' ');
}

/* Fills `refusal` when the form cannot be taken. */
static void read_form(struct oxp_request *request, struct oxp_response *refusal) {
    enum oxp_status status =
        has_form(request) ? oxp_form_read(oxp_buf_view(&request->body), OXP_SERVE_FIELDS_MAX, &request->form) : OXP_OK;
    if (status == OXP_ERR_LIMIT) {
        oxp_response_error(refusal, 400, "a form may have %d fields", OXP_SERVE_FIELDS_MAX);
    } else if (status != OXP_OK) {
        oxp_response_error(refusal, 503, "no memory for the form");
    }
}

/* The whole request has come. For a slow one this is called again when its handler has answered. */
static enum MHD_Result last_call(struct oxp_connection *connection) {
    struct oxp_request *request = &connection->request;
    struct oxp_response response = request->slow_done ? request->late : request->refusal;
    request->refusal = request->late = (struct oxp_response){0};
    if (!request->slow_done) {
        oxp_connection_phase(connection, OXP_PHASE_HANDLER);
        if (response.status == 0) {
            read_form(request, &response);
        }
        if (response.status == 0 && (request->route->methods & OXP_ROUTE_SLOW) != 0) {
            if (oxp_slow_start(connection)) {
                return MHD_YES;
            }
            oxp_response_error(&response, 503, "too many requests of this kind are waiting; try again");
            response.headers[0][0] = "Retry-After";
            response.headers[0][1] = "1";
        }
        if (response.status == 0) {
            oxp_worker_busy(connection->worker, true);
            request->route->handle(connection->worker->server->options.ctx, request, &response);
            oxp_worker_busy(connection->worker, false);
        }
    }
    return oxp_serve_answer(connection, &response) ? MHD_YES : MHD_NO;
}

static enum MHD_Result on_call(void *ctx, struct MHD_Connection *mhd, const char *url, const char *method,
                               const char *version, const char *bytes, size_t *size, void **context) {
    (void)ctx;
    (void)mhd;
    struct oxp_connection *connection = *context;
    if (connection == NULL) {
        return MHD_NO; /* there was no memory for it */
    }
    if (!connection->request.seen) {
        connection->request.path = oxp_view_from(url);
        return first_call(connection, method, version);
    }
    return *size > 0 ? take_body(connection, bytes, size) : last_call(connection);
}

/* What the library refused by itself, before it called us: a malformed header, a head that is too long. */
static bool refused_by_library(struct MHD_Connection *mhd) {
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_HTTP_STATUS);
    return info != NULL && info->http_status >= 400;
}

static void on_completed(void *ctx, struct MHD_Connection *mhd, void **context, enum MHD_RequestTerminationCode how) {
    (void)how;
    struct oxp_server *server = ((struct oxp_worker *)ctx)->server;
    struct oxp_connection *connection = *context;
    if (connection == NULL) {
        return;
    }
    struct oxp_request *request = &connection->request;
    if (request->status != 0 && server->options.on_answer != NULL) {
        int64_t took_ns = oxp_serve_now_ns() - request->began.ns;
        server->options.on_answer(server->options.ctx, request->route, request->status, (double)took_ns / 1e9);
    } else if (!request->seen && refused_by_library(mhd)) {
        oxp_server_refused(server, "framing");
    }
    oxp_response_drop(&request->refusal);
    oxp_response_drop(&request->late);
    oxp_form_fini(&request->form);
    oxp_buf_fini(&request->body);
    for (size_t i = 0; i < request->joined_count; i++) {
        free(request->joined[i]);
    }
    *request = (struct oxp_request){0};
    oxp_connection_phase(connection, OXP_PHASE_IDLE);
}

/* ---- Start and stop ---- */

static void fill_defaults(struct oxp_server_options *options) {
    options->threads = options->threads == 0 ? 4 : options->threads;
    options->slow_threads = options->slow_threads == 0 ? 2 : options->slow_threads;
    options->slow_threads = options->slow_threads > OXP_SERVE_SLOW_MAX ? OXP_SERVE_SLOW_MAX : options->slow_threads;
    options->slow_waiting_max = options->slow_waiting_max == 0 ? 64 : options->slow_waiting_max;
    options->max_connections = options->max_connections == 0 ? 512 : options->max_connections;
    options->header_deadline_ms = options->header_deadline_ms == 0 ? 10000 : options->header_deadline_ms;
    options->body_deadline_ms = options->body_deadline_ms == 0 ? 30000 : options->body_deadline_ms;
    options->idle_deadline_ms = options->idle_deadline_ms == 0 ? 75000 : options->idle_deadline_ms;
    options->answer_deadline_ms = options->answer_deadline_ms == 0 ? 60000 : options->answer_deadline_ms;
}

/* A quarter of the shortest time that must be kept, between 5 ms and 1 s. */
static int64_t tick_for(const struct oxp_server_options *options) {
    const int64_t times[] = {4000, options->header_deadline_ms, options->body_deadline_ms, options->idle_deadline_ms,
                             options->answer_deadline_ms / 2};
    int64_t least = times[0];
    for (size_t i = 1; i < sizeof times / sizeof times[0]; i++) {
        least = times[i] < least ? times[i] : least;
    }
    return least / 4 < 5 ? 5 : least / 4;
}

static bool start_worker(struct oxp_worker *worker) {
    unsigned limit =
        worker->server->options.max_connections + 2 * OXP_SERVE_RESERVE; /* never reached: ours comes first */
    worker->daemon = MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, on_call,
        worker, MHD_OPTION_NOTIFY_CONNECTION, on_connection, worker, MHD_OPTION_NOTIFY_COMPLETED, on_completed, worker,
        MHD_OPTION_URI_LOG_CALLBACK, on_line, worker, MHD_OPTION_CONNECTION_LIMIT, limit,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_MEMORY, MHD_OPTION_END);
    return worker->daemon != NULL;
}

static enum oxp_status start_threads(struct oxp_server *server, struct oxp_error *error) {
    for (unsigned i = 0; i < server->options.threads; i++) {
        server->workers[i].server = server;
        if (!start_worker(&server->workers[i])) {
            return oxp_error_set(error, OXP_ERR_IO, 0, 0, "cannot start a thread of the HTTP server");
        }
    }
    int failed = pthread_create(&server->acceptor, NULL, oxp_serve_accept_main, server);
    if (failed != 0) {
        return oxp_error_set(error, oxp_status_from_errno(failed), 0, 0, "cannot start a thread of the HTTP server");
    }
    server->acceptor_runs = true;
    return OXP_OK;
}

static struct oxp_server *make_server(const struct oxp_server_options *options) {
    struct oxp_server *server = calloc(1, sizeof *server);
    if (server == NULL) {
        return NULL;
    }
    server->options = *options;
    fill_defaults(&server->options);
    server->tick_ms = tick_for(&server->options);
    server->listen_fd = server->wake_fd = server->spare_fd = -1;
    atomic_init(&server->expose_ledger, options->expose_ledger);
    atomic_init(&server->enable_lifecycle, options->enable_lifecycle);
    pthread_mutex_init(&server->lock, NULL);
    pthread_mutex_init(&server->slow.lock, NULL);
    pthread_cond_init(&server->slow.work, NULL);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&server->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    return server;
}

enum oxp_status oxp_server_new(const struct oxp_server_options *options, struct oxp_server **server_out,
                               struct oxp_error *error) {
    enum oxp_status status = oxp_error_set(error, OXP_ERR_NOMEM, 0, 0, "no memory for the HTTP server");
    struct oxp_server *server = make_server(options);
    if (server == NULL || (server->workers = calloc(server->options.threads, sizeof *server->workers)) == NULL) {
        goto out;
    }
    server->handed = calloc(server->options.max_connections + (size_t)OXP_SERVE_RESERVE, sizeof *server->handed);
    if (server->handed == NULL) {
        goto out;
    }
    server->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    server->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (server->wake_fd < 0 || server->spare_fd < 0) {
        status = oxp_error_set(error, OXP_ERR_LIMIT, 0, 0, "no file descriptor for the HTTP server");
        goto out;
    }
    status = oxp_serve_listen(options->address, &server->listen_fd, &server->port, error);
    if (status == OXP_OK) {
        status = start_threads(server, error);
    }
    if (status == OXP_OK) {
        *server_out = server;
        server = NULL;
    }
out:
    oxp_server_free(server, 0);
    return status;
}

unsigned oxp_server_port(const struct oxp_server *server) {
    return server->port;
}

void oxp_server_configure(struct oxp_server *server, bool expose_ledger, bool enable_lifecycle) {
    atomic_store(&server->expose_ledger, expose_ledger);
    atomic_store(&server->enable_lifecycle, enable_lifecycle);
}

static void close_if_open(int fd) {
    if (fd >= 0) {
        close(fd);
    }
}

void oxp_server_free(struct oxp_server *server, int64_t grace_ms) {
    if (server == NULL) {
        return;
    }
    if (server->acceptor_runs) {
        oxp_serve_drain(server, grace_ms);
        atomic_store(&server->stopping, true);
        oxp_serve_wake(server);
        pthread_join(server->acceptor, NULL);
    }
    oxp_slow_stop(server); /* no connection may be laid aside when the library stops */
    for (unsigned i = 0; server->workers != NULL && i < server->options.threads; i++) {
        if (server->workers[i].daemon != NULL) {
            MHD_stop_daemon(server->workers[i].daemon); /* closes its connections and joins its thread */
        }
    }
    oxp_connections_drop_rests(server, true);
    close_if_open(server->listen_fd);
    close_if_open(server->wake_fd);
    close_if_open(server->spare_fd);
    pthread_cond_destroy(&server->changed);
    pthread_cond_destroy(&server->slow.work);
    pthread_mutex_destroy(&server->slow.lock);
    pthread_mutex_destroy(&server->lock);
    free(server->handed);
    free(server->workers);
    free(server);
}

const char *oxp_serve_library(void) {
    return MHD_get_version();
}
