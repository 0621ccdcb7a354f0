/* Lines to a descriptor, without ever waiting for it, and without changing what others see of it.
 *
 * Standard error is shared with other processes, so its flags are not ours to change: setting O_NONBLOCK would set it
 * for the shell as well. Instead
 *   - a pipe or terminal is opened once more through /proc/self/fd, which gives a description of our own that does not
 *     block; where that is not allowed, each write asks poll first and lines are kept to PIPE_BUF, which poll promises;
 *   - a socket (systemd's journal) gets MSG_DONTWAIT with each send;
 *   - a regular file does not block.
 * No lock is held over a write: a line is one call, which the kernel does not mix with others. When only a part of a
 * line went out, the next line must begin with a newline of its own. Any thread. A pipe whose reader is gone costs a
 * line, never the process (lib/base/pipe.h). */
#ifndef OXP_LOG_SINK_H
#define OXP_LOG_SINK_H

#include <oxpecker/view.h>
#include <stdatomic.h>
#include <stdint.h>

enum oxp_sink_way { OXP_SINK_PLAIN, OXP_SINK_ASK_FIRST, OXP_SINK_SEND };

struct oxp_sink {
    int fd; /* -1: nothing is written, nothing counted */
    bool owns_fd, is_pipe;
    enum oxp_sink_way way;
    atomic_ullong dropped;    /* ever */
    atomic_ullong unreported; /* of them, not yet in a line */
    atomic_bool torn;         /* the last byte out was not a newline */
};

/* `fd` is not owned. */
void oxp_sink_init(struct oxp_sink *sink, int fd);
void oxp_sink_fini(struct oxp_sink *sink);
/* Bytes that a line may have, its newline included. */
size_t oxp_sink_line_max(const struct oxp_sink *sink);
/* One call; false when the line did not go out whole. */
bool oxp_sink_put(struct oxp_sink *sink, struct oxp_view line);
/* Counts a line that was dropped. */
void oxp_sink_count_dropped(struct oxp_sink *sink);

#endif
