#include "exporter/watch/follow.h"

#include "lib/base/crc32.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* The numbers are the rules' in follow.h. */

enum {
    READ_BYTES = 65536,
    LOOK_BYTES_MAX = 4 << 20, /* read in one look, so that stopping does not wait for a file of gigabytes */
    NAME_MAX_BYTES = 4096,
    SUCCESSORS_MAX = 8, /* files that are held open until those before them are done with */
};

enum kind { KIND_NONE, KIND_FILE, KIND_PIPE };

/* A file that the path named after the one that is read, open so that a further rotation does not take it away. */
struct successor {
    int fd;
    uint64_t device, inode;
};

struct oxp_follow {
    struct oxp_follow_options options;
    struct oxp_follow_position resume;
    bool has_resume;
    bool begun; /* what appears now is new (rule 2) */
    bool ended;
    bool is_stdin;
    int told; /* the trouble that was noticed last, or -1 */

    int fd;
    enum kind kind;
    uint64_t device, inode;
    uint64_t offset; /* of the next byte to read */
    char head[OXP_FOLLOW_HEAD_MAX];
    uint32_t head_len;
    unsigned lingered;    /* looks since the path named another file (rule 3) */
    uint64_t told_offset; /* position that was told last */

    struct successor successors[SUCCESSORS_MAX]; /* what the path named since, in order (rule 3) */
    size_t successor_count;

    size_t held;   /* bytes of an unfinished line in `bytes` */
    bool skipping; /* inside a line that was too long */
    char bytes[OXP_FOLLOW_LINE_MAX + READ_BYTES];
    char path[];
};

static void notice(struct oxp_follow *follow, enum oxp_follow_notice what, const char *detail) {
    if (follow->options.noticed != NULL) {
        follow->options.noticed(follow->options.ctx, what, detail);
    }
}

/* Troubles are told once, until something else happens. */
static void notice_once(struct oxp_follow *follow, enum oxp_follow_notice what, int error) {
    if (follow->told != (int)what) {
        follow->told = (int)what;
        char text[128];
        notice(follow, what, strerror_r(error, text, sizeof text));
    }
}

/* ---- Lines (rule 1) ---- */

static void hand_on(struct oxp_follow *follow, const char *start, size_t len) {
    if (len > 0 && start[len - 1] == '\r') {
        len--;
    }
    size_t blank = 0;
    while (blank < len && (start[blank] == ' ' || start[blank] == '\t')) {
        blank++;
    }
    if (blank < len) {
        follow->options.line(follow->options.ctx, oxp_view_of(start, len));
    }
}

static size_t skip_nuls(const char *start, size_t len) {
    size_t nuls = 0;
    while (nuls < len && start[nuls] == '\0') {
        nuls++;
    }
    return nuls;
}

/* Takes `got` new bytes behind those that are held. */
static void feed(struct oxp_follow *follow, size_t got) {
    char *start = follow->bytes, *end = follow->bytes + follow->held + got, *from = follow->bytes + follow->held;
    for (char *newline; from < end && (newline = memchr(from, '\n', (size_t)(end - from))) != NULL;) {
        size_t nuls = skip_nuls(start, (size_t)(newline - start));
        if (!follow->skipping && (size_t)(newline - start) - nuls > OXP_FOLLOW_LINE_MAX) {
            notice(follow, OXP_FOLLOW_OVERLONG, follow->path);
            hand_on(follow, start + nuls, OXP_FOLLOW_LINE_MAX);
        } else if (!follow->skipping) {
            hand_on(follow, start + nuls, (size_t)(newline - start) - nuls);
        }
        follow->skipping = false;
        start = from = newline + 1;
    }
    if (!follow->skipping) {
        start += skip_nuls(start, (size_t)(end - start));
        if (end - start > OXP_FOLLOW_LINE_MAX) {
            notice(follow, OXP_FOLLOW_OVERLONG, follow->path);
            hand_on(follow, start, OXP_FOLLOW_LINE_MAX);
            follow->skipping = true;
        }
    }
    follow->held = follow->skipping ? 0 : (size_t)(end - start);
    memmove(follow->bytes, start, follow->held);
}

/* The line that is under way will not be ended here (rule 5). */
static void drop_partial(struct oxp_follow *follow) {
    if (follow->held > 0) {
        notice(follow, OXP_FOLLOW_CUT, follow->path);
    }
    follow->held = 0;
    follow->skipping = false;
}

/* ---- Positions (rule 6) ---- */

static void tell_position(struct oxp_follow *follow) {
    uint64_t offset = follow->offset - follow->held;
    if (follow->options.moved == NULL || follow->kind != KIND_FILE || follow->told_offset == offset ||
        follow->skipping) { /* no line ends there */
        return;
    }
    follow->told_offset = offset;
    const struct oxp_follow_position position = {
        .device = follow->device,
        .inode = follow->inode,
        .offset = offset,
        .head_len = follow->head_len,
        .head_crc = oxp_crc32c(0, follow->head, follow->head_len),
    };
    follow->options.moved(follow->options.ctx, &position);
}

/* ---- Opening ---- */

static void close_file(struct oxp_follow *follow) {
    if (follow->fd >= 0 && !follow->is_stdin) {
        close(follow->fd);
    }
    follow->fd = -1;
    follow->kind = KIND_NONE;
    follow->lingered = 0;
    follow->head_len = 0;
    follow->offset = 0;
    follow->told_offset = UINT64_MAX;
}

/* Takes an open file; false when it is of no use, and then it is closed. */
static bool take_file(struct oxp_follow *follow, int fd) {
    struct stat info;
    if (fstat(fd, &info) != 0 || S_ISDIR(info.st_mode) || S_ISBLK(info.st_mode)) {
        notice_once(follow, OXP_FOLLOW_UNREADABLE, S_ISDIR(info.st_mode) ? EISDIR : EINVAL);
        close(fd);
        return false;
    }
    close_file(follow);
    follow->fd = fd;
    follow->kind = S_ISREG(info.st_mode) ? KIND_FILE : KIND_PIPE;
    follow->device = (uint64_t)info.st_dev;
    follow->inode = (uint64_t)info.st_ino;
    follow->told = -1;
    notice(follow, OXP_FOLLOW_OPENED, follow->path);
    return true;
}

/* A FIFO is opened for writing too, so that it does not end each time its last writer goes. */
static int open_path(const char *path) {
    struct stat info;
    int access = stat(path, &info) == 0 && S_ISFIFO(info.st_mode) ? O_RDWR : O_RDONLY;
    return open(path, access | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
}

/* Reads the first bytes into `head`, gives their number. */
static uint32_t read_head(int fd, char head[OXP_FOLLOW_HEAD_MAX], size_t most) {
    ssize_t got = pread(fd, head, most < OXP_FOLLOW_HEAD_MAX ? most : OXP_FOLLOW_HEAD_MAX, 0);
    return got < 0 ? 0 : (uint32_t)got;
}

static bool is_resumed(const struct oxp_follow *follow, int fd) {
    const struct oxp_follow_position *resume = &follow->resume;
    char head[OXP_FOLLOW_HEAD_MAX];
    struct stat info;
    /* Device numbers change with a mount: they count only for a file that had no head yet. */
    return fstat(fd, &info) == 0 && S_ISREG(info.st_mode) &&
           (resume->head_len > 0 || (uint64_t)info.st_dev == resume->device) &&
           (uint64_t)info.st_ino == resume->inode && (uint64_t)info.st_size >= resume->offset &&
           read_head(fd, head, resume->head_len) == resume->head_len &&
           oxp_crc32c(0, head, resume->head_len) == resume->head_crc;
}

static bool resume_at(struct oxp_follow *follow, int fd) {
    if (!take_file(follow, fd)) {
        return false;
    }
    follow->offset = follow->told_offset = follow->resume.offset;
    follow->head_len = read_head(fd, follow->head, follow->resume.head_len);
    return true;
}

/* Looks beside the path for the file that the position is of: it was rotated while nobody followed. */
static bool resume_rotated(struct oxp_follow *follow) {
    char folder[NAME_MAX_BYTES], name[2 * NAME_MAX_BYTES];
    const char *slash = strrchr(follow->path, '/'), *base = slash == NULL ? follow->path : slash + 1;
    snprintf(folder, sizeof folder, "%.*s", (int)(base - follow->path), follow->path);
    DIR *listing = opendir(slash == NULL ? "." : folder);
    bool found = false;
    for (const struct dirent *entry; listing != NULL && !found && (entry = readdir(listing)) != NULL;) {
        if (entry->d_ino != follow->resume.inode || strncmp(entry->d_name, base, strlen(base)) != 0) {
            continue;
        }
        snprintf(name, sizeof name, "%s%s", folder, entry->d_name);
        int fd = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        if (fd >= 0 && is_resumed(follow, fd)) {
            found = resume_at(follow, fd);
        } else if (fd >= 0) {
            close(fd);
        }
    }
    if (listing != NULL) {
        closedir(listing);
    }
    return found;
}

static void open_first(struct oxp_follow *follow) {
    bool is_first = !follow->begun;
    follow->begun = true;
    if (follow->is_stdin) {
        (void)take_file(follow, STDIN_FILENO);
        return;
    }
    int fd = open_path(follow->path);
    int error = errno;
    if (is_first && follow->has_resume && fd >= 0 && is_resumed(follow, fd)) {
        (void)resume_at(follow, fd);
        return;
    }
    if (is_first && follow->has_resume && resume_rotated(follow)) {
        if (fd >= 0) {
            close(fd);
        }
        return;
    }
    if (fd < 0) {
        notice_once(follow, error == ENOENT ? OXP_FOLLOW_MISSING : OXP_FOLLOW_UNREADABLE, error);
        return;
    }
    /* A position whose file is gone: what is there now was written since, and is read whole. */
    bool at_end = is_first && !follow->options.from_start && !follow->has_resume;
    if (take_file(follow, fd) && at_end && follow->kind == KIND_FILE) {
        off_t end = lseek(fd, 0, SEEK_END);
        follow->offset = end < 0 ? 0 : (uint64_t)end;
        follow->head_len = read_head(fd, follow->head, follow->offset);
    }
}

/* ---- Looking ---- */

/* Rule 4. */
static void check_truncation(struct oxp_follow *follow) {
    struct stat info;
    char head[OXP_FOLLOW_HEAD_MAX];
    if (fstat(follow->fd, &info) != 0) {
        return;
    }
    bool is_shorter = (uint64_t)info.st_size < follow->offset;
    bool is_other = !is_shorter && (uint64_t)info.st_size > follow->offset &&
                    (read_head(follow->fd, head, follow->head_len) != follow->head_len ||
                     memcmp(head, follow->head, follow->head_len) != 0);
    if (is_shorter || is_other) {
        notice(follow, OXP_FOLLOW_TRUNCATED, follow->path);
        drop_partial(follow);
        follow->offset = 0;
        follow->head_len = 0;
    }
}

static bool pipe_is_ready(int fd) {
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    return poll(&wait, 1, 0) > 0;
}

/* Nothing was read, for this reason (0 = the end). */
static void stop_reading(struct oxp_follow *follow, int error) {
    if (error == EAGAIN) {
        return;
    }
    if (error != 0) {
        notice_once(follow, OXP_FOLLOW_UNREADABLE, error);
    }
    if (follow->kind == KIND_PIPE) {
        follow->ended = true;     /* an error too: it would be ready to be read for ever */
    } else if (error == ESTALE) { /* another host removed it: what the path names is another file */
        drop_partial(follow);
        close_file(follow);
    }
}

/* Reads what is there. OXP_MORE when the look's share is spent. */
static enum oxp_status read_on(struct oxp_follow *follow, size_t *total_out) {
    *total_out = 0;
    while (*total_out < LOOK_BYTES_MAX) {
        if (follow->kind == KIND_PIPE && !pipe_is_ready(follow->fd)) {
            return OXP_OK; /* standard input may be in blocking mode, which is not ours to change */
        }
        char *room = follow->bytes + follow->held;
        ssize_t got = follow->kind == KIND_FILE ? pread(follow->fd, room, READ_BYTES, (off_t)follow->offset)
                                                : read(follow->fd, room, READ_BYTES);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            stop_reading(follow, got == 0 ? 0 : errno);
            return OXP_OK;
        }
        follow->told = -1;
        if (follow->kind == KIND_FILE && follow->head_len < OXP_FOLLOW_HEAD_MAX) {
            follow->head_len = read_head(follow->fd, follow->head, follow->offset + (uint64_t)got);
        }
        follow->offset += (uint64_t)got;
        *total_out += (size_t)got;
        feed(follow, (size_t)got);
    }
    return OXP_MORE;
}

/* Rule 3: opens what the path names now, when that is another file than the newest we know. */
static void look_for_successor(struct oxp_follow *follow) {
    struct stat info;
    size_t count = follow->successor_count;
    uint64_t device = count == 0 ? follow->device : follow->successors[count - 1].device;
    uint64_t inode = count == 0 ? follow->inode : follow->successors[count - 1].inode;
    if (count == SUCCESSORS_MAX || stat(follow->path, &info) != 0 ||
        ((uint64_t)info.st_dev == device && (uint64_t)info.st_ino == inode)) {
        return;
    }
    int fd = open_path(follow->path);
    if (fd < 0) {
        return; /* it went again, or cannot be read yet: later */
    }
    if (fstat(fd, &info) != 0) {
        close(fd);
        return;
    }
    follow->successors[follow->successor_count++] =
        (struct successor){fd, (uint64_t)info.st_dev, (uint64_t)info.st_ino};
}

static void switch_over(struct oxp_follow *follow) {
    int fd = follow->successors[0].fd;
    follow->successor_count--;
    memmove(follow->successors, follow->successors + 1, follow->successor_count * sizeof *follow->successors);
    drop_partial(follow);
    notice(follow, OXP_FOLLOW_ROTATED, follow->path);
    (void)take_file(follow, fd);
}

static void forget_successors(struct oxp_follow *follow) {
    for (size_t i = 0; i < follow->successor_count; i++) {
        close(follow->successors[i].fd);
    }
    follow->successor_count = 0;
}

static enum oxp_status look_at_pipe(struct oxp_follow *follow) {
    size_t got;
    enum oxp_status status = read_on(follow, &got);
    if (!follow->ended) {
        return status;
    }
    if (follow->held > 0) { /* nobody can write more: what is there is the last line */
        hand_on(follow, follow->bytes, follow->held);
        follow->held = 0;
    }
    notice(follow, OXP_FOLLOW_ENDED, follow->path);
    close_file(follow);
    return OXP_END;
}

static enum oxp_status look_at_file(struct oxp_follow *follow) {
    /* Asked before reading: what was written before the path was given to another file is then read for sure. */
    if (!follow->is_stdin) {
        look_for_successor(follow);
    }
    bool replaced = follow->successor_count > 0;
    size_t got;
    check_truncation(follow);
    enum oxp_status status = read_on(follow, &got);
    tell_position(follow);
    if (!replaced) {
        follow->lingered = 0;
    }
    if (status == OXP_MORE || !replaced || follow->kind == KIND_NONE) {
        return status;
    }
    follow->lingered++;
    bool is_long_gone = follow->successor_count > 1; /* its writer has gone on twice */
    if (!is_long_gone && (follow->lingered < 2 || (got > 0 && follow->lingered < OXP_FOLLOW_LINGER))) {
        return OXP_OK;
    }
    switch_over(follow);
    return OXP_MORE;
}

void oxp_follow_begin(struct oxp_follow *follow) {
    if (follow->begun) {
        return;
    }
    open_first(follow);
    tell_position(follow);
    if (follow->kind == KIND_NONE && !follow->has_resume && follow->options.moved != NULL) {
        follow->options.moved(follow->options.ctx, &(struct oxp_follow_position){0});
    }
}

enum oxp_status oxp_follow_look(struct oxp_follow *follow) {
    oxp_follow_begin(follow);
    if (follow->ended) {
        return OXP_END;
    }
    if (follow->kind == KIND_NONE && follow->successor_count > 0) {
        switch_over(follow);
    } else if (follow->kind == KIND_NONE) {
        open_first(follow);
    }
    switch (follow->kind) {
    case KIND_FILE:
        return look_at_file(follow);
    case KIND_PIPE:
        return look_at_pipe(follow);
    case KIND_NONE:
        break;
    }
    return OXP_OK;
}

int oxp_follow_pipe(const struct oxp_follow *follow) {
    return follow->kind == KIND_PIPE ? follow->fd : -1;
}

/* ---- Life ---- */

enum oxp_status oxp_follow_new(const struct oxp_follow_options *options, struct oxp_follow **follow_out) {
    *follow_out = NULL;
    if (options->path == NULL || options->path[0] == '\0' || options->line == NULL) {
        return OXP_ERR_INVALID;
    }
    size_t len = strlen(options->path);
    if (len >= NAME_MAX_BYTES) {
        return OXP_ERR_INVALID;
    }
    struct oxp_follow *follow = malloc(sizeof *follow + len + 1);
    if (follow == NULL) {
        return OXP_ERR_NOMEM;
    }
    memset(follow, 0, offsetof(struct oxp_follow, bytes));
    memcpy(follow->path, options->path, len + 1);
    follow->options = *options;
    follow->has_resume = options->resume != NULL;
    if (follow->has_resume) {
        follow->resume = *options->resume;
    }
    follow->is_stdin = strcmp(options->path, "-") == 0;
    follow->fd = -1;
    follow->told = -1;
    close_file(follow);
    *follow_out = follow;
    return OXP_OK;
}

void oxp_follow_free(struct oxp_follow *follow) {
    if (follow != NULL) {
        close_file(follow);
        forget_successors(follow);
        free(follow);
    }
}
