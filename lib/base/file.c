#include "lib/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

bool oxp_file_write(int fd, const void *bytes, size_t len) {
    const char *rest = bytes;
    while (len > 0) {
        ssize_t n = write(fd, rest, len);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            errno = n < 0 ? errno : EIO;
            return false;
        }
        rest += n;
        len -= (size_t)n;
    }
    return true;
}

bool oxp_file_sync_directory(const char *directory) {
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool ok = fd >= 0 && (fsync(fd) == 0 || errno == EINVAL); /* some file systems cannot, and need not */
    int number = errno;
    if (fd >= 0) {
        close(fd);
    }
    errno = number;
    return ok;
}

enum oxp_status oxp_file_failure(struct oxp_error *error, const char *path, const char *what) {
    int number = errno;
    enum oxp_status status = oxp_status_from_errno(number);
    errno = number; /* for %m */
    return oxp_error_set(error, status == OXP_OK ? OXP_ERR_IO : status, 0, 0, "%s: cannot %s: %m", path, what);
}

static enum oxp_status join(char path_out[OXP_PATH_MAX], const char *directory, const char *name, const char *suffix,
                            struct oxp_error *error) {
    int length = snprintf(path_out, OXP_PATH_MAX, "%s/%s%s", directory, name, suffix);
    return length < 0 || length >= OXP_PATH_MAX
               ? oxp_error_set(error, OXP_ERR_INVALID, 0, 0, "%s: the path is too long", directory)
               : OXP_OK;
}

enum oxp_status oxp_file_path(char path_out[OXP_PATH_MAX], const char *directory, const char *name,
                              struct oxp_error *error) {
    return join(path_out, directory, name, "", error);
}

enum oxp_status oxp_file_read(const char *path, struct oxp_buf *out, struct oxp_error *error) {
    const size_t step = 65536;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return errno == ENOENT ? OXP_END : oxp_file_failure(error, path, "open");
    }
    enum oxp_status status = OXP_OK;
    for (;;) {
        char *to = oxp_buf_reserve(out, step);
        if (to == NULL) {
            status = oxp_buf_status(out);
            oxp_error_set(error, status, 0, 0, "%s: %s", path, oxp_status_text(status));
            break;
        }
        ssize_t n = read(fd, to, step);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            status = oxp_file_failure(error, path, "read");
        }
        if (n <= 0) {
            break;
        }
        oxp_buf_commit(out, (size_t)n);
    }
    close(fd);
    return status;
}

void oxp_file_set_aside(const char *directory, const char *name) {
    char path[OXP_PATH_MAX], aside[OXP_PATH_MAX];
    if (join(path, directory, name, "", NULL) != OXP_OK) {
        return;
    }
    if (join(aside, directory, name, ".corrupt", NULL) != OXP_OK || rename(path, aside) != 0) {
        unlink(path);
    }
    (void)oxp_file_sync_directory(directory);
}

enum oxp_status oxp_file_begin(struct oxp_file *file, const char *directory, const char *name,
                               struct oxp_error *error) {
    file->fd = -1;
    file->directory = directory;
    enum oxp_status status = join(file->path, directory, name, "", error);
    if (status == OXP_OK) {
        status = join(file->fresh, directory, name, ".new", error);
    }
    if (status != OXP_OK) {
        return status;
    }
    file->fd = open(file->fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    return file->fd < 0 ? oxp_file_failure(error, file->fresh, "create") : OXP_OK;
}

enum oxp_status oxp_file_commit(struct oxp_file *file, struct oxp_error *error) {
    enum oxp_status status = OXP_OK;
    if (fsync(file->fd) != 0) {
        status = oxp_file_failure(error, file->fresh, "write");
    }
    if (close(file->fd) != 0 && status == OXP_OK) {
        status = oxp_file_failure(error, file->fresh, "close");
    }
    file->fd = -1;
    if (status == OXP_OK && rename(file->fresh, file->path) != 0) {
        status = oxp_file_failure(error, file->path, "rename to");
    }
    if (status != OXP_OK) {
        unlink(file->fresh);
        return status;
    }
    return oxp_file_sync_directory(file->directory) ? OXP_OK : oxp_file_failure(error, file->directory, "sync");
}

void oxp_file_abandon(struct oxp_file *file) {
    if (file->fd >= 0) {
        close(file->fd);
        file->fd = -1;
        unlink(file->fresh);
    }
}
