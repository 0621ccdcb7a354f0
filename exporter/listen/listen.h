/* The Unix stream socket: binds safely, accepts, reads bytes, and hands them on. It knows nothing of events.
 *
 * The socket is write-only for its clients. A client that shuts down its sending side gets the connection closed once all that
 * it wrote has been handed on: that close is how `oxpecker send` knows that its event was applied. Loop thread only. */
#ifndef OXP_LISTEN_LISTEN_H
#define OXP_LISTEN_LISTEN_H

#include "exporter/loop/loop.h"
#include <oxpecker/view.h>
#include <sys/types.h>

struct oxp_listener;

struct oxp_listen_options {
    const char *path;   /* of the socket; "<path>.lock" is its lock file */
    mode_t mode;        /* of the socket */
    unsigned max_connections; /* 0 = 1024; past it the newest is refused (closed at once) and `refused` is called */
};

struct oxp_listen_sink {
    void *ctx;
    /* A connection came; `id` is never 0 and never used again. What is returned is handed to `bytes` and `closed`; NULL refuses it. */
    void *(*opened)(void *ctx, uint64_t id);
    void (*bytes)(void *ctx, void *conn, struct oxp_view bytes);
    /* The peer closed, failed, or oxp_listener_close ran. The last call for this connection. */
    void (*closed)(void *ctx, void *conn);
    void (*refused)(void *ctx, const char *why);
};

/* Binds, listens and starts watching. A stale socket is replaced, under the lock file, only after a connect to it is refused.
 * OXP_ERR_IN_USE when another process listens there, OXP_ERR_DENIED, OXP_ERR_EXISTS when the path is not a socket,
 * OXP_ERR_INVALID when it is too long (sun_path), OXP_ERR_IO; `error` names the path and the reason. */
enum oxp_status oxp_listener_new(struct oxp_loop *loop, const struct oxp_listen_options *options,
                                 const struct oxp_listen_sink *sink, struct oxp_listener **listener_out,
                                 struct oxp_error *error);
/* Takes no new connection and removes the socket file; connections stay. */
void oxp_listener_stop(struct oxp_listener *listener);
size_t oxp_listener_connections(const struct oxp_listener *listener);
/* Stops, reads what every connection still holds without waiting, closes them all, frees. */
void oxp_listener_free(struct oxp_listener *listener);

#endif
