/* The list of connections: what each waits for, until when, and which one goes when there are too many.
 *
 * Rules:
 * 1. A head must be whole header_deadline after the accept, or, on a connection that is used again, after its first
 * byte.
 * 2. A body must be whole body_deadline after its head.
 * 3. An answer must be taken answer_deadline after it was ready, and something of it every half of that.
 * 4. Between requests a connection may rest for idle_deadline. While draining it may not.
 * 5. At max_connections the connection that sat longest without a whole request is cut; when all have one, the one
 * whose client has taken nothing for longest, but only after STALL_MS; a connection whose handler runs is never cut.
 *
 * Cutting is shutdown(2): the worker then sees an end of file and closes. The descriptor stays valid as long as the
 * connection is in the list, because it leaves the list, under the lock, before the library closes it. */
#include "exporter/serve/connections.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define STALL_MS 1000
#define HANDED_WAIT_MS 200
#define HANDED_MS 10000               /* longer than a worker's handler may block */
#define SLACK_NS (50 * OXP_NS_PER_MS) /* the kernel's "last received" is as coarse as its timer tick */

/* Takes `fd` from the list of those on their way; when it was accepted, or now when it is not there. */
static int64_t take_handed_locked(struct oxp_server *server, int fd) {
    for (size_t i = 0; i < server->handed_count; i++) {
        if (server->handed[i].fd == fd) {
            int64_t accepted_ns = server->handed[i].accepted_ns;
            server->handed[i] = server->handed[--server->handed_count];
            return accepted_ns;
        }
    }
    return oxp_serve_now_ns();
}

void oxp_connections_hand(struct oxp_server *server, int fd) {
    pthread_mutex_lock(&server->lock);
    (void)take_handed_locked(server, fd); /* the number is used again, so the library had no memory for the first */
    server->handed[server->handed_count++] = (struct oxp_handed){fd, oxp_serve_now_ns()};
    pthread_mutex_unlock(&server->lock);
}

void oxp_connections_unhand(struct oxp_server *server, int fd) {
    pthread_mutex_lock(&server->lock);
    (void)take_handed_locked(server, fd);
    pthread_mutex_unlock(&server->lock);
}

struct oxp_connection *oxp_connection_open(struct oxp_worker *worker, int fd) {
    struct oxp_server *server = worker->server;
    struct oxp_connection *connection = calloc(1, sizeof *connection);
    if (connection != NULL) {
        connection->worker = worker;
        connection->fd = fd;
        oxp_buf_init(&connection->request.body, 0);
    }
    pthread_mutex_lock(&server->lock);
    int64_t accepted_ns = take_handed_locked(server, fd);
    if (connection != NULL) {
        connection->phase = OXP_PHASE_HEADERS;
        connection->since_ns = accepted_ns;
        connection->deadline_ns = connection->since_ns + server->options.header_deadline_ms * OXP_NS_PER_MS;
        connection->next = server->first;
        if (server->first != NULL) {
            server->first->prev = connection;
        }
        server->first = connection;
        server->count++;
    }
    /* It sleeps without a time limit while there is no connection, and it may be waiting for one that it can cut. */
    bool wake = server->count == 1 || server->wants_room;
    pthread_mutex_unlock(&server->lock);
    if (wake) {
        oxp_serve_wake(server);
    }
    return connection;
}

/* Closing a socket that still has unread bytes sends a reset, and that can overtake the answer on its way to the
 * client. So a duplicate stays open, and the acceptor throws away what still comes. */
static void linger_locked(struct oxp_server *server, int fd) {
    if (server->lingering_count == OXP_SERVE_LINGER_MAX) {
        return;
    }
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (copy >= 0) {
        server->lingering[server->lingering_count++] =
            (struct oxp_lingering){copy, oxp_serve_now_ns() + OXP_SERVE_LINGER_MS * OXP_NS_PER_MS};
    }
}

void oxp_connection_close(struct oxp_connection *connection) {
    struct oxp_server *server = connection->worker->server;
    pthread_mutex_lock(&server->lock);
    if (connection->linger && !connection->cut && !server->draining) {
        linger_locked(server, connection->fd);
    }
    if (connection->prev != NULL) {
        connection->prev->next = connection->next;
    } else {
        server->first = connection->next;
    }
    if (connection->next != NULL) {
        connection->next->prev = connection->prev;
    }
    bool wake = server->lingering_count > 0 || server->wants_room;
    server->count--;
    server->count_cut -= connection->cut ? 1 : 0;
    if (server->draining) {
        pthread_cond_broadcast(&server->changed);
    }
    pthread_mutex_unlock(&server->lock);
    if (wake) {
        oxp_serve_wake(server);
    }
    free(connection);
}

void oxp_connection_phase(struct oxp_connection *connection, enum oxp_phase phase) {
    struct oxp_server *server = connection->worker->server;
    const struct oxp_server_options *options = &server->options;
    pthread_mutex_lock(&server->lock);
    int64_t now = oxp_serve_now_ns(), allowed_ms = -1;
    switch (phase) {
    case OXP_PHASE_HEADERS:
        if (connection->phase == OXP_PHASE_IDLE) {
            allowed_ms = options->header_deadline_ms;
        }
        break; /* the first request's deadline counts from the accept */
    case OXP_PHASE_BODY:
        allowed_ms = options->body_deadline_ms;
        break;
    case OXP_PHASE_HANDLER:
        connection->since_ns = now;
        connection->deadline_ns = INT64_MAX;
        break;
    case OXP_PHASE_ANSWER:
        allowed_ms = options->answer_deadline_ms;
        break;
    case OXP_PHASE_IDLE:
        connection->since_ns = now;
        allowed_ms = options->idle_deadline_ms;
        break;
    }
    if (allowed_ms >= 0) {
        connection->deadline_ns = now + allowed_ms * OXP_NS_PER_MS;
    }
    connection->progress_ns = phase == OXP_PHASE_ANSWER ? now : 0;
    connection->phase = phase;
    bool draining = server->draining;
    if (draining) {
        pthread_cond_broadcast(&server->changed);
    }
    pthread_mutex_unlock(&server->lock);
    if (draining && phase == OXP_PHASE_IDLE) {
        oxp_serve_wake(server);
    }
}

void oxp_connection_slow(struct oxp_connection *connection, bool slow) {
    struct oxp_server *server = connection->worker->server;
    pthread_mutex_lock(&server->lock);
    connection->slow = slow;
    if (slow) {
        atomic_store(&connection->gone, false);
    }
    pthread_mutex_unlock(&server->lock);
}

void oxp_connections_note_gone(struct oxp_server *server, bool all) {
    pthread_mutex_lock(&server->lock);
    for (struct oxp_connection *c = server->first; c != NULL; c = c->next) {
        struct pollfd watched = {.fd = c->fd, .events = POLLRDHUP};
        if (c->slow && (all || (poll(&watched, 1, 0) == 1 && watched.revents != 0))) {
            atomic_store(&c->gone, true);
        }
    }
    pthread_mutex_unlock(&server->lock);
}

void oxp_connection_progress(struct oxp_connection *connection) {
    struct oxp_server *server = connection->worker->server;
    pthread_mutex_lock(&server->lock);
    connection->progress_ns = oxp_serve_now_ns();
    pthread_mutex_unlock(&server->lock);
}

static void cut_locked(struct oxp_server *server, struct oxp_connection *connection) {
    if (connection->phase == OXP_PHASE_BODY) {
        static const char late[] = "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        (void)send(connection->fd, late, sizeof late - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
    } else if (connection->phase == OXP_PHASE_ANSWER) {
        /* The kernel would keep what the client does not take for minutes. */
        struct linger at_once = {.l_onoff = 1, .l_linger = 0};
        (void)setsockopt(connection->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    }
    connection->cut = true;
    server->count_cut++;
    (void)shutdown(connection->fd, SHUT_RDWR);
}

/* On an idle connection: true once a byte of the next request has come. The library does not tell before a whole line
 * has. */
static bool has_begun_locked(const struct oxp_connection *connection, int64_t now) {
    struct tcp_info info = {0};
    socklen_t len = sizeof info;
    return getsockopt(connection->fd, IPPROTO_TCP, TCP_INFO, &info, &len) == 0 &&
           now - (int64_t)info.tcpi_last_data_recv * OXP_NS_PER_MS > connection->since_ns + SLACK_NS;
}

/* When this connection is over; rules 1 to 4. */
static int64_t deadline_locked(struct oxp_server *server, struct oxp_connection *connection, int64_t now) {
    if (connection->phase == OXP_PHASE_IDLE && has_begun_locked(connection, now)) {
        connection->phase = OXP_PHASE_HEADERS;
        connection->deadline_ns = now + server->options.header_deadline_ms * OXP_NS_PER_MS;
    }
    if (server->draining && (connection->phase == OXP_PHASE_IDLE || connection->phase == OXP_PHASE_HEADERS)) {
        return now;
    }
    if (connection->phase == OXP_PHASE_ANSWER) {
        int64_t stalled = connection->progress_ns + server->options.answer_deadline_ms * OXP_NS_PER_MS / 2;
        return stalled < connection->deadline_ns ? stalled : connection->deadline_ns;
    }
    return connection->deadline_ns;
}

int64_t oxp_connections_sweep(struct oxp_server *server) {
    unsigned late = 0;
    pthread_mutex_lock(&server->lock);
    int64_t now = oxp_serve_now_ns(), next = INT64_MAX;
    for (struct oxp_connection *c = server->first; c != NULL; c = c->next) {
        if (c->cut) {
            continue;
        }
        int64_t deadline = deadline_locked(server, c, now);
        if (deadline <= now) {
            late += c->phase == OXP_PHASE_IDLE || server->draining ? 0 : 1;
            cut_locked(server, c);
        } else if (deadline < next) {
            next = deadline;
        }
    }
    for (size_t i = server->handed_count; i-- > 0;) {
        if (now - server->handed[i].accepted_ns > HANDED_MS * OXP_NS_PER_MS) {
            (void)take_handed_locked(server,
                                     server->handed[i].fd); /* the library had no memory for it, and did not say */
        }
    }
    bool any = server->count > 0;
    pthread_mutex_unlock(&server->lock);
    for (; late > 0; late--) {
        oxp_server_refused(server, "deadline");
    }
    int64_t left_ms = next == INT64_MAX ? INT64_MAX : (next - now) / OXP_NS_PER_MS + 1;
    return any ? (left_ms < server->tick_ms ? left_ms : server->tick_ms) : -1;
}

/* Rule 5: smaller is cut first; INT64_MAX = never. */
static int64_t rank(const struct oxp_connection *connection, int64_t now) {
    if (connection->cut || connection->phase == OXP_PHASE_HANDLER) {
        return INT64_MAX;
    }
    if (connection->phase != OXP_PHASE_ANSWER) {
        return connection->since_ns;
    }
    return now - connection->progress_ns > STALL_MS * OXP_NS_PER_MS ? INT64_MAX / 2 + connection->progress_ns
                                                                    : INT64_MAX;
}

/* True when a connection that is still on its way to its worker was accepted before `since_ns`: it comes first, and
 * will be there in a moment. One that is not there after HANDED_WAIT_MS is not waited for. */
static bool older_is_coming_locked(const struct oxp_server *server, int64_t since_ns, int64_t now) {
    for (size_t i = 0; i < server->handed_count; i++) {
        int64_t accepted_ns = server->handed[i].accepted_ns;
        if (accepted_ns < since_ns && now - accepted_ns < HANDED_WAIT_MS * OXP_NS_PER_MS) {
            return true;
        }
    }
    return false;
}

static bool cut_one_locked(struct oxp_server *server) {
    int64_t now = oxp_serve_now_ns(), least = INT64_MAX;
    struct oxp_connection *victim = NULL;
    for (struct oxp_connection *c = server->first; c != NULL; c = c->next) {
        int64_t r = rank(c, now);
        if (r < least) {
            least = r;
            victim = c;
        }
    }
    if (victim == NULL || older_is_coming_locked(server, least, now)) {
        return false;
    }
    cut_locked(server, victim);
    return true;
}

bool oxp_connections_cut_one(struct oxp_server *server) {
    pthread_mutex_lock(&server->lock);
    bool cut = cut_one_locked(server);
    pthread_mutex_unlock(&server->lock);
    if (cut) {
        oxp_server_refused(server, "limit");
    }
    return cut;
}

bool oxp_connections_room(struct oxp_server *server) {
    const size_t max = server->options.max_connections;
    unsigned cut = 0;
    pthread_mutex_lock(&server->lock);
    size_t all = server->count + server->handed_count;
    while (all < max + OXP_SERVE_RESERVE && all - server->count_cut >= max && cut_one_locked(server)) {
        cut++;
    }
    bool room = all < max + OXP_SERVE_RESERVE && all - server->count_cut < max;
    server->wants_room = !room;
    pthread_mutex_unlock(&server->lock);
    for (; cut > 0; cut--) {
        oxp_server_refused(server, "limit");
    }
    return room;
}

/* Reads a few pieces; true when the peer has ended or failed. A fast sender must not hold the acceptor. */
static bool drop_some(int fd, char *scratch, size_t size) {
    for (int i = 0; i < 4; i++) {
        ssize_t got = recv(fd, scratch, size, MSG_DONTWAIT);
        if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) {
            return true;
        }
        if (got < 0) {
            return false;
        }
    }
    return false;
}

int64_t oxp_connections_drop_rests(struct oxp_server *server, bool all) {
    char scratch[16384];
    pthread_mutex_lock(&server->lock);
    int64_t now = oxp_serve_now_ns();
    for (size_t i = 0; i < server->lingering_count;) {
        struct oxp_lingering *l = &server->lingering[i];
        if (all || l->until_ns <= now || drop_some(l->fd, scratch, sizeof scratch)) {
            close(l->fd);
            *l = server->lingering[--server->lingering_count];
        } else {
            i++;
        }
    }
    int64_t next_ms = server->lingering_count > 0 ? 2 : -1;
    pthread_mutex_unlock(&server->lock);
    return next_ms;
}
