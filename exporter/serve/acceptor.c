/* The acceptor: one thread that accepts, hands each connection to the least busy worker, and wakes for the deadlines.
 *
 * We accept ourselves, and not the HTTP library, so that room is made before a connection costs anything, so that a
 * worker whose handler waits for the loop gets no new connections, and so that running out of descriptors ends in one
 * connection less instead of a busy loop. */
#include "exporter/serve/connections.h"

#include <errno.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BURST 64     /* accepted before the deadlines are looked at again */
#define PAUSE_MS 20  /* without accepting, when there was no room */
#define SPARE_MS 500 /* between two tries to get the spare descriptor back */

void oxp_serve_wake(struct oxp_server *server) {
    const uint64_t one = 1;
    ssize_t written = write(server->wake_fd, &one, sizeof one);
    (void)written; /* full means that it is awake already */
}

/* The worker with the fewest connections among those whose handler does not run; NULL when all handlers run. Then the
 * next connection waits in the kernel for the first that ends, and not behind one that may take seconds. */
static struct oxp_worker *find_worker(struct oxp_server *server) {
    struct oxp_worker *best = NULL;
    atomic_store(&server->starved, true); /* first, so that an end that comes meanwhile wakes us */
    for (unsigned i = 0; i < server->options.threads; i++) {
        struct oxp_worker *w = &server->workers[i];
        if (!atomic_load(&w->busy) &&
            (best == NULL || atomic_load(&w->connections) < atomic_load(&best->connections))) {
            best = w;
        }
    }
    if (best != NULL) {
        atomic_store(&server->starved, false);
    }
    return best;
}

void oxp_worker_busy(struct oxp_worker *worker, bool busy) {
    atomic_store(&worker->busy, busy);
    if (!busy && atomic_exchange(&worker->server->starved, false)) {
        oxp_serve_wake(worker->server);
    }
}

static void hand_over(struct oxp_worker *worker, int fd, const struct sockaddr_storage *peer, socklen_t len) {
    oxp_connections_hand(worker->server, fd);
    atomic_fetch_add(&worker->connections, 1);
    /* Closes the socket when it fails. */
    if (MHD_add_connection(worker->daemon, fd, (const struct sockaddr *)peer, len) != MHD_YES) {
        atomic_fetch_sub(&worker->connections, 1);
        oxp_connections_unhand(worker->server, fd);
    }
}

/* Descriptors or kernel memory have run out: somebody must go, and the spare one lets the next in at once. */
static bool free_a_descriptor(struct oxp_server *server) {
    bool cut = oxp_connections_cut_one(server);
    if (server->spare_fd >= 0) {
        close(server->spare_fd);
        server->spare_fd = -1;
        return true;
    }
    (void)cut; /* its descriptor comes free when its worker has seen the end */
    return false;
}

static bool somebody_waits(int listen_fd) {
    struct pollfd watched = {.fd = listen_fd, .events = POLLIN};
    return poll(&watched, 1, 0) == 1;
}

/* Accepts what is waiting; room is made only for somebody who is there. False when it must pause. */
static bool accept_burst(struct oxp_server *server) {
    for (int i = 0; i < BURST && somebody_waits(server->listen_fd); i++) {
        struct sockaddr_storage peer;
        socklen_t len = sizeof peer;
        struct oxp_worker *worker = find_worker(server);
        if (worker == NULL || !oxp_connections_room(server)) {
            return false;
        }
        int fd = accept4(server->listen_fd, (struct sockaddr *)&peer, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            hand_over(worker, fd, &peer, len);
        } else if (errno == EAGAIN) {
            return true;
        } else if ((errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) &&
                   !free_a_descriptor(server)) {
            return false;
        } /* else the client has gone already, or the network failed under it: the next one */
    }
    return true;
}

static int64_t sooner(int64_t a_ms, int64_t b_ms) {
    return a_ms < 0 || (b_ms >= 0 && b_ms < a_ms) ? b_ms : a_ms;
}

/* Everything that depends on time. Milliseconds to sleep, -1 = without a limit. */
static int64_t keep_house(struct oxp_server *server) {
    int64_t sleep_ms = sooner(oxp_connections_sweep(server), oxp_connections_drop_rests(server, false));
    oxp_connections_note_gone(server, false);
    if (server->spare_fd < 0 && (server->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC)) < 0) {
        sleep_ms = sooner(sleep_ms, SPARE_MS);
    }
    pthread_mutex_lock(&server->lock);
    bool draining = server->draining;
    pthread_mutex_unlock(&server->lock);
    if (draining && server->listen_fd >= 0) {
        close(server->listen_fd);
        server->listen_fd = -1;
    }
    return sleep_ms;
}

void *oxp_serve_accept_main(void *ctx) {
    struct oxp_server *server = ctx;
    bool pause = false;
    while (!atomic_load(&server->stopping)) {
        int64_t sleep_ms = keep_house(server);
        struct pollfd watched[] = {
            {.fd = server->wake_fd, .events = POLLIN},
            {.fd = pause ? -1 : server->listen_fd, .events = POLLIN},
        };
        (void)poll(watched, 2, (int)(pause ? sooner(sleep_ms, PAUSE_MS) : sleep_ms));
        pause = false;
        uint64_t wakes;
        if ((watched[0].revents & POLLIN) != 0 && read(server->wake_fd, &wakes, sizeof wakes) < 0) {
            continue;
        }
        if (watched[1].revents != 0) {
            pause = !accept_burst(server);
        }
    }
    return NULL;
}

/* An answer under way: a body that still comes counts, a head does not. */
static bool is_answering(const struct oxp_connection *connection) {
    return !connection->cut && connection->phase != OXP_PHASE_HEADERS && connection->phase != OXP_PHASE_IDLE;
}

static bool any_answering_locked(const struct oxp_server *server) {
    for (const struct oxp_connection *c = server->first; c != NULL; c = c->next) {
        if (is_answering(c)) {
            return true;
        }
    }
    return false;
}

void oxp_serve_drain(struct oxp_server *server, int64_t grace_ms) {
    struct timespec until;
    int64_t until_ns = oxp_serve_now_ns() + (grace_ms > 0 ? grace_ms : 0) * OXP_NS_PER_MS;
    until.tv_sec = (time_t)(until_ns / OXP_NS_PER_S);
    until.tv_nsec = (long)(until_ns % OXP_NS_PER_S);
    pthread_mutex_lock(&server->lock);
    server->draining = true;
    oxp_serve_wake(server);
    while (any_answering_locked(server) &&
           pthread_cond_timedwait(&server->changed, &server->lock, &until) != ETIMEDOUT) {
    }
    pthread_mutex_unlock(&server->lock);
}
