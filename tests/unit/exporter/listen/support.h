/* A temporary folder, a loop, and a sink that keeps what it gets, for the two test programs of the listener. */
#ifndef OXP_TESTS_LISTEN_SUPPORT_H
#define OXP_TESTS_LISTEN_SUPPORT_H

#include "exporter/listen/listen.h"
#include "exporter/loop/loop.h"
#include "lib/base/clock.h"
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define KEPT_CONNS 4096
#define KEPT_BYTES 64

struct kept {
    uint64_t id;
    unsigned opened, closed;
    size_t bytes;
    char text[KEPT_BYTES]; /* the first bytes */
};

struct sink {
    struct kept conns[KEPT_CONNS];
    size_t opened, closed, bytes, refused;
    bool out_of_order;
    bool refuse_all;
    char why[128];
};

struct world {
    char folder[64];
    struct oxp_clock_manual clock;
    struct oxp_loop *loop;
    struct sink sink;
};

static inline void *sink_opened(void *ctx, uint64_t id) {
    struct sink *sink = ctx;
    if (sink->refuse_all || sink->opened == KEPT_CONNS) {
        return NULL;
    }
    struct kept *kept = &sink->conns[sink->opened++];
    *kept = (struct kept){.id = id, .opened = 1};
    return kept;
}

static inline void sink_bytes(void *ctx, void *conn, struct oxp_view bytes) {
    struct sink *sink = ctx;
    struct kept *kept = conn;
    sink->out_of_order |= kept->closed != 0 || bytes.len == 0;
    for (size_t i = 0; i < bytes.len && kept->bytes + i < KEPT_BYTES - 1; i++) {
        kept->text[kept->bytes + i] = bytes.ptr[i];
    }
    kept->bytes += bytes.len;
    sink->bytes += bytes.len;
}

static inline void sink_closed(void *ctx, void *conn) {
    struct sink *sink = ctx;
    struct kept *kept = conn;
    sink->out_of_order |= kept->closed++ != 0;
    sink->closed++;
}

static inline void sink_refused(void *ctx, const char *why) {
    struct sink *sink = ctx;
    sink->refused++;
    snprintf(sink->why, sizeof sink->why, "%s", why);
}

static inline struct oxp_listen_sink sink_of(struct sink *sink) {
    return (struct oxp_listen_sink){sink, sink_opened, sink_bytes, sink_closed, sink_refused};
}

static inline bool world_init(struct world *world) {
    memset(world, 0, sizeof *world);
    oxp_clock_manual_init(&world->clock, 1000.0);
    snprintf(world->folder, sizeof world->folder, "/tmp/oxp-listen-XXXXXX");
    return mkdtemp(world->folder) != NULL && oxp_loop_new(&world->clock.clock, &world->loop) == OXP_OK;
}

/* True when the folder was empty, which is to say that the listener left nothing behind. */
static inline bool world_fini(struct world *world) {
    oxp_loop_free(world->loop);
    return rmdir(world->folder) == 0;
}

static inline const char *path_in(const struct world *world, const char *name) {
    static _Thread_local char path[4][256];
    static _Thread_local unsigned next;
    char *out = path[next++ % 4];
    snprintf(out, sizeof path[0], "%s/%s", world->folder, name);
    return out;
}

static inline enum oxp_status listen_on(struct world *world, const char *path, unsigned max_connections,
                                        struct oxp_listener **listener_out, struct oxp_error *error) {
    struct oxp_listen_options options = {.path = path, .mode = 0660, .max_connections = max_connections};
    struct oxp_listen_sink sink = sink_of(&world->sink);
    return oxp_listener_new(world->loop, &options, &sink, listener_out, error);
}

static inline struct sockaddr_un address_of(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t len = strlen(path);
    memcpy(address.sun_path, path, len < sizeof address.sun_path ? len : sizeof address.sun_path - 1);
    return address;
}

/* A connected client, or -1. */
static inline int client_of(const char *path) {
    struct sockaddr_un address = address_of(path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

/* A socket of somebody else at the path: bound, and listening with `backlog` >= 0. */
static inline int foreign_socket(const char *path, int type, int backlog) {
    struct sockaddr_un address = address_of(path);
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) != 0 || (backlog >= 0 && listen(fd, backlog) != 0)) {
        close(fd);
        return -1;
    }
    return fd;
}

static inline bool is_socket(const char *path) {
    struct stat found;
    return lstat(path, &found) == 0 && S_ISSOCK(found.st_mode);
}

/* Turns the loop until `*counter` has reached `wanted`; false when it does not in a thousand turns of 10 ms. */
static inline bool turn_until(struct world *world, const size_t *counter, size_t wanted) {
    for (int i = 0; i < 1000 && *counter < wanted; i++) {
        if (oxp_loop_turn(world->loop, 10) != OXP_OK) {
            return false;
        }
    }
    return *counter >= wanted;
}

static inline void turns(struct world *world, int count) {
    for (int i = 0; i < count; i++) {
        (void)oxp_loop_turn(world->loop, 0);
    }
}

#endif
