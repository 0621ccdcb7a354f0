/* What the files of this folder share: the server, its connections and the request that one of them carries.
 *
 * Threads: the acceptor (one, ours) accepts, hands connections to the workers and keeps every deadline; each worker is
 * one daemon of the HTTP library with its own polling thread, which reads, calls handlers and sends. A connection
 * belongs to its worker, but for the fields under the server's lock, through which the acceptor sees what it is waiting
 * for. While a slow handler runs the library has laid the connection aside (suspended it), and its request belongs to
 * the slow thread. */
#ifndef OXP_SERVE_INTERNAL_H
#define OXP_SERVE_INTERNAL_H

#include "exporter/serve/form.h"
#include "exporter/serve/serve.h"
#include "lib/base/buf.h"
#include "lib/base/clock.h"
#include <oxpecker/status.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

struct MHD_Connection;
struct MHD_Daemon;

#define OXP_SERVE_JOINED_MAX 8    /* headers that occurred more than once and were asked for, a request */
#define OXP_SERVE_FIELDS_MAX 1000 /* of a form */
#define OXP_SERVE_SLOW_MAX 8      /* slow_threads */
#define OXP_SERVE_LINGER_MAX 32
#define OXP_SERVE_LINGER_MS 2000

/* What a connection is waiting for. */
enum oxp_phase {
    OXP_PHASE_HEADERS, /* the rest of a request's head */
    OXP_PHASE_BODY,    /* the rest of its body */
    OXP_PHASE_HANDLER, /* us: never cut */
    OXP_PHASE_ANSWER,  /* the client to take the answer */
    OXP_PHASE_IDLE,    /* the next request, if there will be one */
};

struct oxp_request {
    struct MHD_Connection *mhd;
    const struct oxp_route *routes; /* the server's */
    enum oxp_method method;
    struct oxp_view path;
    const struct oxp_route *route;
    struct oxp_buf body;
    struct oxp_form form;     /* of the body, where the route takes one */
    struct oxp_response late; /* of a slow handler; `slow_done` says that it is there */
    const atomic_bool *gone;  /* the connection's */
    bool slow_done;
    struct oxp_response refusal; /* decided at the head, sent when the request is whole; status 0 = none */
    struct oxp_mono began;       /* the first handler call */
    int status;                  /* of the answer; 0 before it */
    bool head;                   /* a HEAD request */
    bool seen;                   /* the head has been looked at */
    size_t joined_count;
    char *joined[OXP_SERVE_JOINED_MAX];
};

struct oxp_worker {
    struct oxp_server *server;
    struct MHD_Daemon *daemon;
    atomic_uint connections; /* from the hand-over on */
    atomic_bool busy;        /* its handler runs */
};

struct oxp_connection {
    struct oxp_worker *worker;
    struct oxp_request request;       /* the worker's alone */
    bool linger;                      /* the worker's alone: closing needs the care of connections.c */
    atomic_bool gone;                 /* a slow handler's client has gone */
    struct oxp_connection *slow_next; /* under the slow threads' lock */
    /* The rest is under the server's lock. */
    struct oxp_connection *prev, *next;
    int fd;
    enum oxp_phase phase;
    bool cut;            /* shut down by us; its end is on the way */
    bool slow;           /* a slow handler has it; the phase is HANDLER */
    int64_t since_ns;    /* when it last had a whole request, or was accepted */
    int64_t deadline_ns; /* INT64_MAX = none */
    int64_t progress_ns; /* ANSWER: when the client last took something; 0 elsewhere */
};

/* A connection on its way from the acceptor to a worker. */
struct oxp_handed {
    int fd;
    int64_t accepted_ns;
};

/* A socket whose last bytes the peer may still be sending. The acceptor's alone once it is in the list. */
struct oxp_lingering {
    int fd;
    int64_t until_ns;
};

/* The threads of slow routes, made one by one as requests find none idle, and those that wait for them. */
struct oxp_slow {
    pthread_mutex_t lock;
    pthread_cond_t work;
    struct oxp_connection *first, *last; /* waiting */
    unsigned waiting, idle, started;
    bool stop;
    pthread_t threads[OXP_SERVE_SLOW_MAX];
};

struct oxp_server {
    struct oxp_server_options options; /* with the defaults filled in */
    int listen_fd, wake_fd;
    int spare_fd; /* given up for one connection when descriptors have run out; -1 = spent */
    unsigned port;
    int64_t tick_ms; /* how often the acceptor looks at the connections, at least */
    pthread_t acceptor;
    bool acceptor_runs;
    struct oxp_worker *workers;
    atomic_bool expose_ledger, enable_lifecycle;
    atomic_bool stopping; /* the acceptor ends */
    atomic_bool starved;  /* the acceptor waits for a worker whose handler does not run */
    struct oxp_slow slow;

    pthread_mutex_t lock;
    pthread_cond_t changed; /* while draining: a connection went idle or ended */
    /* Under the lock: */
    bool draining;
    struct oxp_connection *first;
    size_t count;              /* in the list */
    size_t count_cut;          /* of them, cut */
    struct oxp_handed *handed; /* given to a worker that has not yet said so; room for the limit and the reserve */
    size_t handed_count;
    bool wants_room; /* the acceptor waits for one more or one less */
    struct oxp_lingering lingering[OXP_SERVE_LINGER_MAX];
    size_t lingering_count;
};

static inline int64_t oxp_serve_now_ns(void) {
    return oxp_clock_mono(oxp_clock_system()).ns;
}

void oxp_server_refused(struct oxp_server *server, const char *reason);

/* address.c: a listening socket for "host:port"; closes on exec, does not block. */
enum oxp_status oxp_serve_listen(const char *address, int *fd_out, unsigned *port_out, struct oxp_error *error);

/* framing.c: looks at a request's head for what lets two readers disagree about where it ends (RFC 9112
 * sections 3.2, 6.1, 6.3). NULL when all is well, else the reason as static text, and the status to answer with. */
struct oxp_framing {
    bool has_body;
    bool chunked;
    uint64_t content_length;
};
const char *oxp_serve_framing(struct MHD_Connection *mhd, const char *version, struct oxp_framing *framing_out,
                              int *status_out);

/* answer.c: hands `response` over to the library; true when it is on its way. Whatever happens the response is spent.
 */
bool oxp_serve_answer(struct oxp_connection *connection, struct oxp_response *response);

/* Frees what an answer holds that will not be sent, and empties it. */
void oxp_response_drop(struct oxp_response *response);

/* slow.c: hands a whole request to a slow thread and lays its connection aside; when the handler has answered, the
 * library calls on_call for it once more. False when too many wait, or the server stops. Worker. */
bool oxp_slow_start(struct oxp_connection *connection);
/* Tells running handlers that nobody reads their answers, and waits until they have ended. */
void oxp_slow_stop(struct oxp_server *server);

/* connections.c: what the workers say about their connections. */
struct oxp_connection *oxp_connection_open(struct oxp_worker *worker, int fd);
/* Before the library closes the descriptor: from here on nobody touches it. */
void oxp_connection_close(struct oxp_connection *connection);
void oxp_connection_phase(struct oxp_connection *connection, enum oxp_phase phase);
/* A slow handler has it from now on, or no longer. */
void oxp_connection_slow(struct oxp_connection *connection, bool slow);
/* Looks at connections with a slow handler whose client has gone (`all`: every one), and tells the handlers. */
void oxp_connections_note_gone(struct oxp_server *server, bool all);
/* The client took a piece of a streamed answer. */
void oxp_connection_progress(struct oxp_connection *connection);

/* acceptor.c: its thread. */
void *oxp_serve_accept_main(void *server);
void oxp_worker_busy(struct oxp_worker *worker, bool busy);
void oxp_serve_wake(struct oxp_server *server);
/* Waits until no answer is under way, or until the time is over. */
void oxp_serve_drain(struct oxp_server *server, int64_t grace_ms);

#endif
