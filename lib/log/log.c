/* Records to a descriptor, without ever waiting for it.
 *
 * Standard error is shared with other processes, so its flags are not ours to change: setting O_NONBLOCK would set it
 * for the shell as well. Instead
 *   - a pipe or terminal is opened once more through /proc/self/fd, which gives a description of our own that does not
 *     block; where that is not allowed, each write asks poll first and lines are kept to PIPE_BUF, which poll promises;
 *   - a socket (systemd's journal) gets MSG_DONTWAIT with each send;
 *   - a regular file does not block.
 * No lock is held over a write: a line is built on the caller's stack and is one call, which the kernel does not mix
 * with others. When only a part of a line went out, the next line begins with a newline of its own. */
#include "lib/log/log.h"

#include "lib/log/line.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum way { PLAIN, ASK_FIRST, SEND };

struct oxp_log {
    int fd;
    bool owns_fd; /* opened once more */
    enum way way;
    const struct oxp_clock *clock;
    void (*on_record)(void *ctx, enum oxp_log_level level);
    void *ctx;
    atomic_int level, format;
    atomic_ullong dropped;    /* ever */
    atomic_ullong unreported; /* of them, not yet in a line */
    atomic_bool torn;         /* the last byte out was not a newline */
};

static const char *const level_names[OXP_LOG_LEVELS] = {
    [OXP_LOG_DEBUG] = "debug", [OXP_LOG_INFO] = "info",         [OXP_LOG_WARNING] = "warning",
    [OXP_LOG_ERROR] = "error", [OXP_LOG_CRITICAL] = "critical",
};

const char *oxp_log_level_name(enum oxp_log_level level) {
    return (unsigned)level < OXP_LOG_LEVELS ? level_names[level] : "unknown";
}

enum oxp_status oxp_log_level_from(struct oxp_view name, enum oxp_log_level *level_out) {
    for (int i = 0; i < OXP_LOG_LEVELS; i++) {
        if (oxp_view_is(name, level_names[i])) {
            *level_out = (enum oxp_log_level)i;
            return OXP_OK;
        }
    }
    return OXP_ERR_INVALID;
}

/* Opens `fd` once more, not blocking; -1 where the machine does not let us. */
static int open_again(int fd) {
    char path[32];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_APPEND | O_CLOEXEC);
}

static void choose_way(struct oxp_log *log, int fd) {
    struct stat found;
    log->fd = fd;
    log->way = PLAIN;
    if (fstat(fd, &found) != 0) {
        return; /* writes will fail, and be counted */
    }
    if (S_ISSOCK(found.st_mode)) {
        log->way = SEND;
    } else if (S_ISFIFO(found.st_mode) || S_ISCHR(found.st_mode)) {
        int again = open_again(fd);
        log->way = again >= 0 ? PLAIN : ASK_FIRST;
        log->owns_fd = again >= 0;
        log->fd = again >= 0 ? again : fd;
    }
}

enum oxp_status oxp_log_new(const struct oxp_log_options *options, struct oxp_log **log_out) {
    struct oxp_log *log = calloc(1, sizeof *log);
    if (log == NULL) {
        return OXP_ERR_NOMEM;
    }
    choose_way(log, options->fd);
    log->clock = options->clock;
    log->on_record = options->on_record;
    log->ctx = options->ctx;
    atomic_init(&log->dropped, 0);
    atomic_init(&log->unreported, 0);
    atomic_init(&log->torn, false);
    oxp_log_set(log, options->level, options->format);
    *log_out = log;
    return OXP_OK;
}

void oxp_log_free(struct oxp_log *log) {
    if (log != NULL && log->owns_fd) {
        close(log->fd);
    }
    free(log);
}

void oxp_log_set(struct oxp_log *log, enum oxp_log_level level, enum oxp_log_format format) {
    atomic_store(&log->level, (int)level);
    atomic_store(&log->format, (int)format);
}

uint64_t oxp_log_dropped(const struct oxp_log *log) {
    return log == NULL ? 0 : atomic_load(&log->dropped);
}

/* One call; false when the line did not go out whole. */
static bool put(struct oxp_log *log, struct oxp_view line) {
    struct pollfd wanted = {.fd = log->fd, .events = POLLOUT};
    ssize_t len = 0;
    if (log->way == ASK_FIRST && poll(&wanted, 1, 0) != 1) {
        return false;
    }
    do {
        len = log->way == SEND ? send(log->fd, line.ptr, line.len, MSG_DONTWAIT | MSG_NOSIGNAL)
                               : write(log->fd, line.ptr, line.len);
    } while (len < 0 && errno == EINTR);
    if (len > 0 && (size_t)len < line.len) {
        atomic_store(&log->torn, true);
    }
    return len == (ssize_t)line.len;
}

struct record {
    enum oxp_log_level level;
    const char *message;
    const struct oxp_log_field *fields;
    size_t count;
};

/* Builds the line and puts it out; false when it did not go out whole. */
static bool put_record(struct oxp_log *log, const struct record *record) {
    struct oxp_log_line line; /* its bytes are not initialised on purpose: 16 KiB for each record */
    char ts[25];
    oxp_wall_format(oxp_clock_wall(log->clock), ts);
    bool torn = atomic_exchange(&log->torn, false);
    oxp_log_line_begin(&line, (enum oxp_log_format)atomic_load(&log->format),
                       log->way == ASK_FIRST ? PIPE_BUF : OXP_LOG_LINE_MAX, torn);
    oxp_log_line_text(&line, "ts", oxp_view_from(ts));
    oxp_log_line_text(&line, "level", oxp_view_from(oxp_log_level_name(record->level)));
    oxp_log_line_text(&line, "msg", oxp_view_from(record->message));
    for (size_t i = 0; i < record->count; i++) {
        const struct oxp_log_field *field = &record->fields[i];
        if (field->kind == OXP_LOG_FIELD_NUMBER) {
            oxp_log_line_number(&line, field->key, field->number);
        } else {
            oxp_log_line_text(&line, field->key, field->text);
        }
    }
    bool done = put(log, oxp_log_line_end(&line));
    if (!done && torn) {
        atomic_store(&log->torn, true);
    }
    return done;
}

/* Says how many lines were lost, once there is room again. False when there is not. */
static bool report_dropped(struct oxp_log *log) {
    unsigned long long lost = atomic_exchange(&log->unreported, 0);
    if (lost == 0) {
        return true;
    }
    struct oxp_log_field field = OXP_LOG_NUM("dropped", lost);
    if (put_record(log, &(struct record){OXP_LOG_WARNING, "log lines were dropped, as nobody read them", &field, 1})) {
        return true;
    }
    atomic_fetch_add(&log->unreported, lost);
    return false;
}

void oxp_log_write(struct oxp_log *log, enum oxp_log_level level, const char *message,
                   const struct oxp_log_field *fields, size_t count) {
    if (log == NULL || (int)level < atomic_load(&log->level)) {
        return;
    }
    if (log->on_record != NULL) {
        log->on_record(log->ctx, level);
    }
    if (!report_dropped(log) || !put_record(log, &(struct record){level, message, fields, count})) {
        atomic_fetch_add(&log->dropped, 1);
        atomic_fetch_add(&log->unreported, 1);
    }
}
