#include "lib/log/sink.h"

#include "lib/base/pipe.h"
#include "lib/log/line.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* Opens `fd` once more, not blocking; -1 where the machine does not let us. */
static int open_again(int fd) {
    char path[32];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_APPEND | O_CLOEXEC);
}

void oxp_sink_init(struct oxp_sink *sink, int fd) {
    struct stat found;
    sink->fd = fd;
    sink->owns_fd = false;
    sink->is_pipe = false;
    sink->way = OXP_SINK_PLAIN;
    atomic_init(&sink->dropped, 0);
    atomic_init(&sink->unreported, 0);
    atomic_init(&sink->torn, false);
    if (fd < 0 || fstat(fd, &found) != 0) {
        return; /* writes will fail, and be counted */
    }
    if (S_ISSOCK(found.st_mode)) {
        sink->way = OXP_SINK_SEND;
    } else if (S_ISFIFO(found.st_mode) || S_ISCHR(found.st_mode)) {
        int again = open_again(fd);
        sink->way = again >= 0 ? OXP_SINK_PLAIN : OXP_SINK_ASK_FIRST;
        sink->owns_fd = again >= 0;
        sink->fd = again >= 0 ? again : fd;
        sink->is_pipe = S_ISFIFO(found.st_mode);
    }
}

void oxp_sink_fini(struct oxp_sink *sink) {
    if (sink->owns_fd) {
        close(sink->fd);
    }
    sink->fd = -1;
    sink->owns_fd = false;
}

size_t oxp_sink_line_max(const struct oxp_sink *sink) {
    return sink->way == OXP_SINK_ASK_FIRST ? PIPE_BUF : OXP_LOG_LINE_MAX;
}

static ssize_t put_once(const struct oxp_sink *sink, struct oxp_view line) {
    if (sink->way == OXP_SINK_SEND) {
        return send(sink->fd, line.ptr, line.len, MSG_DONTWAIT | MSG_NOSIGNAL);
    }
    return sink->is_pipe ? oxp_pipe_write(sink->fd, line) : write(sink->fd, line.ptr, line.len);
}

bool oxp_sink_put(struct oxp_sink *sink, struct oxp_view line) {
    struct pollfd wanted = {.fd = sink->fd, .events = POLLOUT};
    ssize_t len = 0;
    if (sink->way == OXP_SINK_ASK_FIRST && poll(&wanted, 1, 0) != 1) {
        return false;
    }
    do {
        len = put_once(sink, line);
    } while (len < 0 && errno == EINTR);
    if (len > 0 && (size_t)len < line.len) {
        atomic_store(&sink->torn, true);
    }
    return len == (ssize_t)line.len;
}

void oxp_sink_count_dropped(struct oxp_sink *sink) {
    atomic_fetch_add(&sink->dropped, 1);
    atomic_fetch_add(&sink->unreported, 1);
}
