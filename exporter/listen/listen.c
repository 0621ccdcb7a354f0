/* Connections: accepted, read, closed.
 *
 * Reading is level-triggered with one buffer for all connections: a wake is one recv in the usual case, and nobody gets
 * more than READS_PER_WAKE of them in a row. A connection is closed after its sink has had all bytes and `closed`, as
 * that close is the peer's sign that everything was taken. A refused connection whose peer had written already is reset
 * by the kernel (there were bytes left to read), so a refusal does not look like that sign. */
#include "exporter/listen/listen.h"

#include "exporter/listen/bind.h"
#include <errno.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define BUFFER_SIZE 65536
#define READS_PER_WAKE 4
#define ACCEPTS_PER_WAKE 64
#define DEFAULT_MAX_CONNECTIONS 1024
/* How long accepting rests when there is neither a descriptor nor memory for another connection. */
#define PAUSE_MS 100

struct conn {
    struct oxp_listener *listener;
    uint64_t id;
    int fd;
    void *sink_conn; /* what `opened` gave */
    struct oxp_watch *watch;
    struct conn *previous, *next;
};

struct oxp_listener {
    struct oxp_loop *loop;
    struct oxp_listen_sink sink;
    struct oxp_bound bound;
    struct oxp_watch *watch; /* of the listening socket; NULL once stopped */
    struct oxp_timer *pause;
    bool stopping;
    int spare_fd; /* given up for a moment, to be able to refuse when no other descriptor is left */
    unsigned max_connections;
    uint64_t last_id;
    size_t count;
    struct conn *conns;
    char buffer[BUFFER_SIZE];
};

static void refuse(struct oxp_listener *listener, const char *why) {
    if (listener->sink.refused != NULL) {
        listener->sink.refused(listener->sink.ctx, why);
    }
}

static void end_conn(struct conn *conn) {
    struct oxp_listener *listener = conn->listener;
    *(conn->previous == NULL ? &listener->conns : &conn->previous->next) = conn->next;
    if (conn->next != NULL) {
        conn->next->previous = conn->previous;
    }
    listener->count--;
    listener->sink.closed(listener->sink.ctx, conn->sink_conn);
    oxp_watch_remove(conn->watch);
    close(conn->fd);
    free(conn);
}

/* One recv. The bytes handed on; 0 at the end of the stream or when the connection failed; -1 when there is nothing
 * now. */
static ssize_t read_once(struct conn *conn) {
    struct oxp_listener *listener = conn->listener;
    ssize_t len = recv(conn->fd, listener->buffer, sizeof listener->buffer, MSG_DONTWAIT);
    if (len > 0) {
        listener->sink.bytes(listener->sink.ctx, conn->sink_conn, oxp_view_of(listener->buffer, (size_t)len));
        return len;
    }
    return len < 0 && (errno == EAGAIN || errno == EINTR) ? -1 : 0;
}

static void on_readable(void *ctx, uint32_t events) {
    struct conn *conn = ctx;
    /* A peer that is through with writing is read to its end in the same wake, which spares a wake for each short
     * connection; otherwise a short read means that the socket is empty. */
    bool last_words = (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
    for (int i = 0; i < READS_PER_WAKE; i++) {
        ssize_t len = read_once(conn);
        if (len == 0) {
            end_conn(conn);
            return;
        }
        if (len < 0 || (len < BUFFER_SIZE && !last_words)) {
            return;
        }
    }
}

/* Hands on what is in the socket at this moment; what a busy peer adds meanwhile is not waited for. */
static void drain(struct conn *conn) {
    int left = 0;
    if (ioctl(conn->fd, SIOCINQ, &left) != 0) {
        return;
    }
    while (left > 0) {
        ssize_t len = read_once(conn);
        if (len <= 0) {
            return;
        }
        left -= (int)len;
    }
}

/* Takes over an accepted descriptor. */
static void take(struct oxp_listener *listener, int fd) {
    if (listener->count >= listener->max_connections) {
        char why[64];
        snprintf(why, sizeof why, "the limit of %u connections is reached", listener->max_connections);
        close(fd);
        refuse(listener, why);
        return;
    }
    struct conn *conn = calloc(1, sizeof *conn);
    if (conn == NULL ||
        oxp_loop_watch(listener->loop, fd, EPOLLIN | EPOLLRDHUP, on_readable, conn, &conn->watch) != OXP_OK) {
        free(conn);
        close(fd);
        refuse(listener, "no memory for another connection");
        return;
    }
    conn->listener = listener;
    conn->fd = fd;
    conn->id = ++listener->last_id;
    conn->sink_conn = listener->sink.opened(listener->sink.ctx, conn->id);
    if (conn->sink_conn == NULL) {
        oxp_watch_remove(conn->watch);
        close(fd);
        free(conn);
        return;
    }
    conn->next = listener->conns;
    if (conn->next != NULL) {
        conn->next->previous = conn;
    }
    listener->conns = conn;
    listener->count++;
}

/* With no descriptor left the client would wait in the queue and wake us again and again: the spare one is given up to
 * take and close it. 0, or accept's errno; EAGAIN when nobody waits (accept says EMFILE before it looks who waits). */
static int refuse_with_spare(struct oxp_listener *listener) {
    if (listener->spare_fd < 0) {
        return EMFILE;
    }
    close(listener->spare_fd);
    int fd = accept4(listener->bound.fd, NULL, NULL, SOCK_CLOEXEC);
    int error = fd < 0 ? errno : 0;
    if (fd >= 0) {
        close(fd);
    }
    listener->spare_fd = eventfd(0, EFD_CLOEXEC);
    if (fd >= 0) {
        refuse(listener, "no file descriptor is left; raise the limit (ulimit -n)");
    }
    return error;
}

static void pause_accepting(struct oxp_listener *listener, int error) {
    const char *text = strerrordesc_np(error);
    oxp_watch_change(listener->watch, 0);
    oxp_timer_start(listener->pause, PAUSE_MS);
    refuse(listener, text == NULL ? "accept failed" : text);
}

static void resume_accepting(void *ctx) {
    struct oxp_listener *listener = ctx;
    if (listener->spare_fd < 0) {
        listener->spare_fd = eventfd(0, EFD_CLOEXEC);
    }
    oxp_watch_change(listener->watch, EPOLLIN);
}

static void accept_some(struct oxp_listener *listener, unsigned most) {
    /* A callback of the sink may stop the listener: then there is no descriptor any more. */
    for (unsigned i = 0; i < most && listener->bound.fd >= 0; i++) {
        int fd = accept4(listener->bound.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            take(listener, fd);
            continue;
        }
        int error = errno == EMFILE ? refuse_with_spare(listener) : errno;
        if (error == EAGAIN) {
            return;
        }
        if (error != 0 && error != EINTR && error != ECONNABORTED) {
            pause_accepting(listener, error);
            return;
        }
    }
}

static void on_connect(void *ctx, uint32_t events) {
    (void)events;
    accept_some(ctx, ACCEPTS_PER_WAKE);
}

enum oxp_status oxp_listener_new(struct oxp_loop *loop, const struct oxp_listen_options *options,
                                 const struct oxp_listen_sink *sink, struct oxp_listener **listener_out,
                                 struct oxp_error *error) {
    struct oxp_listener *listener = malloc(sizeof *listener);
    if (listener == NULL) {
        return oxp_error_set(error, OXP_ERR_NOMEM, 0, 0, "cannot listen on %s: out of memory", options->path);
    }
    unsigned most = options->max_connections == 0 ? DEFAULT_MAX_CONNECTIONS : options->max_connections;
    /* Field by field: the buffer stays untouched, and so unmapped, until it is needed. */
    listener->loop = loop;
    listener->sink = *sink;
    listener->watch = NULL;
    listener->pause = NULL;
    listener->stopping = false;
    listener->spare_fd = -1;
    listener->max_connections = most;
    listener->last_id = 0;
    listener->count = 0;
    listener->conns = NULL;
    enum oxp_status status = oxp_bound_open(&listener->bound, options->path, options->mode, error);
    if (status != OXP_OK) {
        free(listener);
        return status;
    }
    listener->spare_fd = eventfd(0, EFD_CLOEXEC);
    status = oxp_timer_new(loop, resume_accepting, listener, &listener->pause);
    if (status == OXP_OK) {
        status = oxp_loop_watch(loop, listener->bound.fd, EPOLLIN, on_connect, listener, &listener->watch);
    }
    if (status != OXP_OK) {
        oxp_error_set(error, status, 0, 0, "cannot listen on %s: %s", options->path, oxp_status_text(status));
        oxp_listener_free(listener);
        return status;
    }
    *listener_out = listener;
    return OXP_OK;
}

void oxp_listener_stop(struct oxp_listener *listener) {
    if (listener->stopping) {
        return;
    }
    listener->stopping = true;
    /* The file goes first: from then on nobody comes, and who had come before is still taken in. */
    oxp_bound_remove_socket(&listener->bound);
    if (listener->watch != NULL) {
        accept_some(listener, SOMAXCONN + 1);
    }
    oxp_watch_remove(listener->watch);
    oxp_timer_free(listener->pause);
    listener->watch = NULL;
    listener->pause = NULL;
    oxp_bound_close(&listener->bound);
    if (listener->spare_fd >= 0) {
        close(listener->spare_fd);
    }
}

size_t oxp_listener_connections(const struct oxp_listener *listener) {
    return listener->count;
}

void oxp_listener_free(struct oxp_listener *listener) {
    if (listener == NULL) {
        return;
    }
    oxp_listener_stop(listener);
    for (struct conn *conn = listener->conns, *next; conn != NULL; conn = next) {
        next = conn->next;
        drain(conn);
        end_conn(conn);
    }
    free(listener);
}

int64_t oxp_listener_peer_pid(const struct oxp_listener *listener, uint64_t id) {
    struct ucred peer = {0};
    socklen_t len = sizeof peer;
    const struct conn *conn = listener->conns;
    while (conn != NULL && conn->id != id) {
        conn = conn->next;
    }
    if (conn == NULL || getsockopt(conn->fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) != 0) {
        return 0;
    }
    return peer.pid;
}
