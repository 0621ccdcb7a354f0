#include <errno.h>
#include <oxpecker/status.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/utf8.h"

enum { NEVER, LATER };

static const struct {
    enum oxp_status status;
    const char *name;
    int retry;
    const char *text;
} rows[] = {
#define X(name, value, retry, text) {OXP_##name, #name, retry, text},
#include <oxpecker/status.def>
#undef X
};

static size_t row_of(enum oxp_status status) {
    size_t i = 0;
    while (i < sizeof rows / sizeof rows[0] && rows[i].status != status) {
        i++;
    }
    return i;
}

const char *oxp_status_name(enum oxp_status status) {
    size_t i = row_of(status);
    return i < sizeof rows / sizeof rows[0] ? rows[i].name : "UNKNOWN";
}

const char *oxp_status_text(enum oxp_status status) {
    size_t i = row_of(status);
    return i < sizeof rows / sizeof rows[0] ? rows[i].text : "unknown status";
}

bool oxp_status_may_retry(enum oxp_status status) {
    size_t i = row_of(status);
    return i < sizeof rows / sizeof rows[0] && rows[i].retry == LATER;
}

enum oxp_status oxp_status_from_errno(int error) {
    static const struct {
        int error;
        enum oxp_status status;
    } table[] = {
        {0, OXP_OK},
        {ENOMEM, OXP_ERR_NOMEM},
        {EINVAL, OXP_ERR_INVALID},
        {ENAMETOOLONG, OXP_ERR_INVALID},
        {ENOTSOCK, OXP_ERR_INVALID},
        {ENOENT, OXP_ERR_NOT_FOUND},
        {ENOTDIR, OXP_ERR_NOT_FOUND},
        {EEXIST, OXP_ERR_EXISTS},
        {EACCES, OXP_ERR_DENIED},
        {EPERM, OXP_ERR_DENIED},
        {EROFS, OXP_ERR_DENIED},
        {EADDRINUSE, OXP_ERR_IN_USE},
        {ENOSPC, OXP_ERR_FULL},
        {EDQUOT, OXP_ERR_FULL},
        {EBUSY, OXP_ERR_IN_USE},
        {EWOULDBLOCK, OXP_ERR_IN_USE},
        {ETIMEDOUT, OXP_ERR_TIMEOUT},
        {EPIPE, OXP_ERR_CLOSED},
        {ECONNRESET, OXP_ERR_CLOSED},
        {ECONNREFUSED, OXP_ERR_CLOSED},
        {EMFILE, OXP_ERR_LIMIT},
        {ENFILE, OXP_ERR_LIMIT},
        {ERANGE, OXP_ERR_RANGE},
        {EOPNOTSUPP, OXP_ERR_UNSUPPORTED},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (table[i].error == error) {
            return table[i].status;
        }
    }
    return OXP_ERR_IO;
}

enum oxp_status oxp_error_set(struct oxp_error *error, enum oxp_status status, unsigned line, unsigned column,
                              const char *format, ...) {
    if (error == NULL) {
        return status;
    }
    error->line = line;
    error->column = column;
    va_list args;
    va_start(args, format);
    int written = vsnprintf(error->text, sizeof error->text, format, args);
    va_end(args);
    if (written < 0) {
        error->text[0] = '\0';
    } else if ((size_t)written >= sizeof error->text) {
        struct oxp_view cut = oxp_utf8_cut(oxp_view_of(error->text, sizeof error->text - 1), sizeof error->text - 2);
        error->text[cut.len] = '\0';
    }
    return status;
}
