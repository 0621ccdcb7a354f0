#include "lib/resource/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static enum oxp_status translate(int error) {
    return error == ESRCH ? OXP_ERR_NOT_FOUND : oxp_status_from_errno(error);
}

static enum oxp_status read_all(const char *path, char *bytes, size_t size, struct oxp_view *text_out) {
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        return translate(errno);
    }
    enum oxp_status status = OXP_OK;
    size_t len = 0;
    while (len < size) {
        ssize_t got = read(fd, bytes + len, size - len);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            status = translate(errno);
        }
        if (got <= 0) {
            break;
        }
        len += (size_t)got;
    }
    close(fd);
    *text_out = oxp_view_of(bytes, status == OXP_OK ? len : 0);
    return status;
}

enum oxp_status oxp_resource_file(const char *root, struct oxp_view middle, const char *name, char *bytes, size_t size,
                                  struct oxp_view *text_out) {
    char path[OXP_RESOURCE_PATH_MAX];
    *text_out = oxp_view_of(bytes, 0);
    if (middle.len >= sizeof path) {
        return OXP_ERR_LIMIT;
    }
    int len = snprintf(path, sizeof path, "%s/%.*s/%s", root, (int)middle.len, middle.len == 0 ? "" : middle.ptr, name);
    if (len < 0 || (size_t)len >= sizeof path) {
        return OXP_ERR_LIMIT;
    }
    return read_all(path, bytes, size, text_out);
}

enum oxp_status oxp_resource_proc_file(const char *root, int64_t pid, const char *name, char *bytes, size_t size,
                                       struct oxp_view *text_out) {
    char text[24];
    int len = snprintf(text, sizeof text, "%lld", (long long)pid);
    return oxp_resource_file(root, oxp_view_of(text, (size_t)len), name, bytes, size, text_out);
}

/* getdents64 into the stack, as opendir would allocate. */
enum oxp_status oxp_resource_numbers(const char *path, bool (*entry)(void *ctx, struct oxp_view name), void *ctx) {
    union {
        struct dirent64 align;
        char bytes[8192];
    } page;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_DIRECTORY);
    if (fd < 0) {
        return translate(errno);
    }
    ssize_t got;
    bool go_on = true;
    while (go_on && (got = getdents64(fd, page.bytes, sizeof page.bytes)) > 0) {
        for (ssize_t at = 0; go_on && at < got;) {
            const struct dirent64 *found = (const struct dirent64 *)(const void *)(page.bytes + at);
            at += found->d_reclen;
            if (found->d_name[0] >= '0' && found->d_name[0] <= '9') {
                go_on = entry(ctx, oxp_view_from(found->d_name));
            }
        }
    }
    enum oxp_status status = go_on && got < 0 ? translate(errno) : OXP_OK;
    close(fd);
    return status;
}
