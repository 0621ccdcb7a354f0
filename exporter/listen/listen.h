/* The Unix stream socket: binds safely, accepts, reads bytes, and hands them on. It knows nothing of events.
 *
 * The socket is write-only for its clients. A client that shuts down its sending side gets the connection closed once
 * all that it wrote has been handed on: that close is how `oxpecker send` knows that its event was applied. Loop thread
 * only. */
#ifndef OXP_LISTEN_LISTEN_H
#define OXP_LISTEN_LISTEN_H

#include "exporter/loop/loop.h"
#include <oxpecker/view.h>
#include <sys/types.h>

struct oxp_listener;

struct oxp_listen_options {
    const char *path;         /* of the socket; "<path>.lock" is its lock file */
    mode_t mode;              /* of the socket */
    unsigned max_connections; /* 0 = 1024; past it the newest is refused (closed at once) and `refused` is called */
};

/* Called on the loop thread. Any of them may call oxp_listener_stop, none oxp_listener_free. */
struct oxp_listen_sink {
    void *ctx;
    /* A connection came; `id` is never 0 and never used again. What is returned is handed to `bytes` and `closed`; NULL
     * refuses it (closed at once; neither `closed` nor `refused` follows). */
    void *(*opened)(void *ctx, uint64_t id);
    void (*bytes)(void *ctx, void *conn, struct oxp_view bytes);
    /* The peer closed or failed, or oxp_listener_free ran. The last call for this connection; it is closed when this
     * returns. */
    void (*closed)(void *ctx, void *conn);
    /* A connection was turned away, or accepting rests for a moment: a limit was reached. `why` is valid during the
     * call. May be NULL. */
    void (*refused)(void *ctx, const char *why);
};

/* Binds, listens and starts watching. A stale socket is replaced, under the lock file, only after a connect to it is
 * refused. Nobody can connect before the mode is set, whatever the umask is.
 * OXP_ERR_IN_USE when another process listens there, OXP_ERR_DENIED, OXP_ERR_NOT_FOUND when the directory is missing,
 * OXP_ERR_EXISTS when the path is not a socket, OXP_ERR_INVALID when it is empty or too long (sun_path), OXP_ERR_LIMIT
 * when no descriptor is left, OXP_ERR_NOMEM, OXP_ERR_IO; `error` names the path, the reason and what to do. Nothing is
 * left behind on failure. `options` and `sink` are copied. */
enum oxp_status oxp_listener_new(struct oxp_loop *loop, const struct oxp_listen_options *options,
                                 const struct oxp_listen_sink *sink, struct oxp_listener **listener_out,
                                 struct oxp_error *error);
/* Removes the socket file (when it is still ours) and the lock; takes in those who had connected before, and nobody
 * after. Connections stay. May be called again. */
void oxp_listener_stop(struct oxp_listener *listener);
size_t oxp_listener_connections(const struct oxp_listener *listener);
/* The process at the other end of a connection, as it was when it connected (SO_PEERCRED), in our pid namespace; 0 when
 * it cannot be seen from there, or there is no such connection. */
int64_t oxp_listener_peer_pid(const struct oxp_listener *listener, uint64_t id);
/* Stops, reads what every connection still holds without waiting, closes them all, frees. Before oxp_loop_free. */
void oxp_listener_free(struct oxp_listener *listener);

#endif
