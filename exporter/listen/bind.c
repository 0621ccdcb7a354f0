/* Binding a Unix socket so that two sidecars never share or steal a path.
 *
 * 1. Who touches `path` holds the lock on "<path>.lock", from before the first look until after the removal.
 * 2. The lock file is removed by its holder, so what was locked may be gone already: after locking, the path must still
 *    lead to the locked file, else try again.
 * 3. A socket in the way is removed only after a connect to it was refused: nobody listens there, and by 1 nobody of us
 *    is about to. Anything but a socket stays where it is.
 * 4. The mode is right before the first client can connect: set on the socket before bind (the umask may take more
 *    away), corrected behind bind, and only then listen.
 * 5. What is removed at the end must be the inode that was made. */
#include "exporter/listen/bind.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <unistd.h>

#define LOCK_TRIES 100

/* What a person can do about an errno here; the code where it differs from oxp_status_from_errno. */
static const struct {
    int error;
    enum oxp_status status;
    const char *advice;
} advices[] = {
    {ENOENT, OXP_ERR_NOT_FOUND, "its directory does not exist; create it or choose another path"},
    {ENOTDIR, OXP_ERR_NOT_FOUND, "a part of the path is not a directory; choose another path"},
    {EACCES, OXP_ERR_DENIED, "permission denied; let this user write to the directory or choose another path"},
    {EPERM, OXP_ERR_DENIED, "not permitted; let this user write to the directory or choose another path"},
    {EROFS, OXP_ERR_DENIED, "the file system is read-only; choose a path on a writable one"},
    {ELOOP, OXP_ERR_EXISTS, "it is a symbolic link or in a loop of them; remove it or choose another path"},
    {EISDIR, OXP_ERR_EXISTS, "it is a directory; remove it or choose another path"},
    {ENXIO, OXP_ERR_EXISTS, "it is not a regular file; remove it or choose another path"},
    {EADDRINUSE, OXP_ERR_IN_USE, "another process made it meanwhile; stop that one or choose another path"},
    {ENOSPC, OXP_ERR_IO, "the file system is full; make room or choose another path"},
    {EMFILE, OXP_ERR_LIMIT, "no file descriptor is left; raise the limit (ulimit -n)"},
    {ENFILE, OXP_ERR_LIMIT, "no file descriptor is left on this machine; raise fs.file-max"},
};

static enum oxp_status fail(struct oxp_error *error, const char *what, const char *path) {
    int number = errno;
    for (size_t i = 0; i < sizeof advices / sizeof advices[0]; i++) {
        if (advices[i].error == number) {
            return oxp_error_set(error, advices[i].status, 0, 0, "cannot %s %s: %s", what, path, advices[i].advice);
        }
    }
    const char *text = strerrordesc_np(number);
    return oxp_error_set(error, oxp_status_from_errno(number), 0, 0, "cannot %s %s: %s", what, path,
                         text == NULL ? "unknown error" : text);
}

static bool same_file(const struct stat *a, const struct stat *b) {
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

static bool leads_to(const char *path, const struct stat *file) {
    struct stat now;
    return lstat(path, &now) == 0 && same_file(&now, file);
}

/* OXP_ERR_CLOSED: the file that was locked is no longer at the path (rule 2). */
static enum oxp_status lock_once(struct oxp_bound *bound, struct oxp_error *error) {
    /* O_NONBLOCK so that a FIFO in the way does not hold us; it is refused below. */
    int fd = open(bound->lock_path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
    if (fd < 0) {
        return fail(error, "create the lock file", bound->lock_path);
    }
    enum oxp_status status = OXP_OK;
    struct stat opened;
    if (fstat(fd, &opened) != 0) {
        status = fail(error, "look at the lock file", bound->lock_path);
    } else if (!S_ISREG(opened.st_mode)) {
        errno = ENXIO;
        status = fail(error, "use the lock file", bound->lock_path);
    } else if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        status =
            errno == EWOULDBLOCK
                ? oxp_error_set(error, OXP_ERR_IN_USE, 0, 0,
                                "cannot listen on %s: another process holds its lock file (.lock); stop that one or "
                                "choose another path",
                                bound->path)
                : fail(error, "lock", bound->lock_path);
    } else if (!leads_to(bound->lock_path, &opened)) {
        status = OXP_ERR_CLOSED;
    }
    if (status != OXP_OK) {
        close(fd);
        return status;
    }
    bound->lock_fd = fd;
    return OXP_OK;
}

static enum oxp_status lock(struct oxp_bound *bound, struct oxp_error *error) {
    for (int i = 0; i < LOCK_TRIES; i++) {
        enum oxp_status status = lock_once(bound, error);
        if (status != OXP_ERR_CLOSED) {
            return status;
        }
    }
    return oxp_error_set(
        error, OXP_ERR_IN_USE, 0, 0,
        "cannot listen on %s: others keep taking its lock file (.lock); stop them or choose another path", bound->path);
}

static void unlock(struct oxp_bound *bound) {
    if (bound->lock_fd < 0) {
        return;
    }
    struct stat ours;
    if (fstat(bound->lock_fd, &ours) == 0 && leads_to(bound->lock_path, &ours)) {
        unlink(bound->lock_path);
    }
    close(bound->lock_fd);
    bound->lock_fd = -1;
}

/* 0 when a connect to the path worked, else why not. */
static int try_connect(const struct sockaddr_un *address) {
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return errno;
    }
    int result = connect(fd, (const struct sockaddr *)address, sizeof *address) == 0 ? 0 : errno;
    close(fd);
    return result;
}

static const char *kind_of(mode_t mode) {
    return S_ISREG(mode)   ? "a regular file"
           : S_ISLNK(mode) ? "a symbolic link"
           : S_ISDIR(mode) ? "a directory"
                           : "not a socket";
}

/* Makes way at the path, by rule 3. */
static enum oxp_status clear_path(const struct sockaddr_un *address, struct oxp_error *error) {
    const char *path = address->sun_path;
    struct stat found;
    if (lstat(path, &found) != 0) {
        return errno == ENOENT ? OXP_OK : fail(error, "look at", path);
    }
    if (!S_ISSOCK(found.st_mode)) {
        return oxp_error_set(error, OXP_ERR_EXISTS, 0, 0,
                             "cannot listen on %s: it is %s; remove it or choose another path", path,
                             kind_of(found.st_mode));
    }
    int why = try_connect(address);
    switch (why) {
    case ECONNREFUSED:
        return unlink(path) == 0 || errno == ENOENT ? OXP_OK : fail(error, "remove the stale socket", path);
    case ENOENT:
        return OXP_OK;
    case 0:
    case EAGAIN: /* its queue is full: somebody listens */
    case EPROTOTYPE:
        return oxp_error_set(error, OXP_ERR_IN_USE, 0, 0,
                             "cannot listen on %s: another process listens there; stop that one or choose another path",
                             path);
    case EACCES:
    case EPERM:
        return oxp_error_set(
            error, OXP_ERR_DENIED, 0, 0,
            "cannot tell whether %s is in use: it belongs to another user; remove it or choose another "
            "path",
            path);
    default:
        errno = why;
        return fail(error, "try a connect to", path);
    }
}

/* fchmodat with AT_SYMLINK_NOFOLLOW needs /proc; without it the plain call does, under the lock. */
static bool set_mode(const char *path, mode_t mode) {
    return fchmodat(AT_FDCWD, path, mode, AT_SYMLINK_NOFOLLOW) == 0 || (errno == EOPNOTSUPP && chmod(path, mode) == 0);
}

static enum oxp_status make_socket(struct oxp_bound *bound, const struct sockaddr_un *address, mode_t mode,
                                   struct oxp_error *error) {
    const char *path = address->sun_path;
    bound->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (bound->fd < 0) {
        return fail(error, "make a socket for", path);
    }
    /* Linux gives the file of a bound socket the mode of the socket, less the umask (unix_bind in af_unix.c). */
    if (fchmod(bound->fd, mode) != 0 || bind(bound->fd, (const struct sockaddr *)address, sizeof *address) != 0 ||
        lstat(path, &bound->socket_file) != 0) {
        return fail(error, "bind", path);
    }
    if ((bound->socket_file.st_mode & 07777) != mode && !set_mode(path, mode)) {
        return fail(error, "set the mode of", path);
    }
    return listen(bound->fd, SOMAXCONN) == 0 ? OXP_OK : fail(error, "listen on", path);
}

enum oxp_status oxp_bound_open(struct oxp_bound *bound, const char *path, mode_t mode, struct oxp_error *error) {
    *bound = (struct oxp_bound){.fd = -1, .lock_fd = -1};
    size_t len = strlen(path);
    if (len == 0 || len >= sizeof bound->path) {
        return oxp_error_set(
            error, OXP_ERR_INVALID, 0, 0,
            "cannot listen on \"%.60s%s\": the path has %zu bytes, a Unix socket takes 1 to %zu; choose a "
            "shorter path",
            path, len > 60 ? "..." : "", len, sizeof bound->path - 1);
    }
    snprintf(bound->path, sizeof bound->path, "%s", path);
    snprintf(bound->lock_path, sizeof bound->lock_path, "%s.lock", path);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, path, len + 1);

    enum oxp_status status = lock(bound, error);
    if (status == OXP_OK) {
        status = clear_path(&address, error);
    }
    if (status == OXP_OK) {
        status = make_socket(bound, &address, mode & 0777, error);
    }
    if (status != OXP_OK) {
        oxp_bound_close(bound);
    }
    return status;
}

void oxp_bound_remove_socket(struct oxp_bound *bound) {
    if (bound->socket_file.st_ino != 0 && leads_to(bound->path, &bound->socket_file)) {
        unlink(bound->path);
    }
    bound->socket_file = (struct stat){0};
}

void oxp_bound_close(struct oxp_bound *bound) {
    oxp_bound_remove_socket(bound);
    if (bound->fd >= 0) {
        close(bound->fd);
        bound->fd = -1;
    }
    unlock(bound);
}
