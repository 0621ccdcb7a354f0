#include "lib/base/buf.h"

#include "lib/base/number.h"
#include "lib/base/utf8.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

void oxp_buf_init(struct oxp_buf *buf, size_t cap) {
    *buf = (struct oxp_buf){.cap = cap};
}

void oxp_buf_fini(struct oxp_buf *buf) {
    free(buf->data);
    oxp_buf_init(buf, buf->cap);
}

void oxp_buf_clear(struct oxp_buf *buf) {
    buf->len = 0;
    buf->status = OXP_OK;
}

enum oxp_status oxp_buf_status(const struct oxp_buf *buf) {
    return buf->status;
}

char *oxp_buf_reserve(struct oxp_buf *buf, size_t len) {
    if (buf->status != OXP_OK) {
        return NULL;
    }
    if (len > SIZE_MAX / 2 - buf->len || (buf->cap != 0 && len > buf->cap - buf->len)) {
        buf->status = OXP_ERR_LIMIT;
        return NULL;
    }
    if (buf->data == NULL || buf->size - buf->len < len) {
        size_t size = buf->size == 0 ? 64 : buf->size;
        while (size - buf->len < len) {
            size *= 2;
        }
        char *data = realloc(buf->data, size);
        if (data == NULL) {
            buf->status = OXP_ERR_NOMEM;
            return NULL;
        }
        buf->data = data;
        buf->size = size;
    }
    return buf->data + buf->len;
}

void oxp_buf_commit(struct oxp_buf *buf, size_t len) {
    buf->len += len;
}

void oxp_buf_append(struct oxp_buf *buf, const void *bytes, size_t len) {
    if (len == 0) {
        return;
    }
    char *to = oxp_buf_reserve(buf, len);
    if (to != NULL) {
        memcpy(to, bytes, len);
        oxp_buf_commit(buf, len);
    }
}

void oxp_buf_append_view(struct oxp_buf *buf, struct oxp_view view) {
    oxp_buf_append(buf, view.ptr, view.len);
}

void oxp_buf_append_text(struct oxp_buf *buf, const char *text) {
    oxp_buf_append(buf, text, strlen(text));
}

void oxp_buf_append_char(struct oxp_buf *buf, char c) {
    oxp_buf_append(buf, &c, 1);
}

void oxp_buf_append_u64(struct oxp_buf *buf, uint64_t value) {
    char *to = oxp_buf_reserve(buf, OXP_NUMBER_MAX);
    if (to != NULL) {
        oxp_buf_commit(buf, oxp_number_from_u64(to, value));
    }
}

void oxp_buf_append_double(struct oxp_buf *buf, double value) {
    char *to = oxp_buf_reserve(buf, OXP_NUMBER_MAX);
    if (to != NULL) {
        oxp_buf_commit(buf, oxp_number_from_double(to, value));
    }
}

void oxp_buf_append_json_double(struct oxp_buf *buf, double value) {
    if (isfinite(value)) {
        oxp_buf_append_double(buf, value);
    } else {
        oxp_buf_append_text(buf, "null");
    }
}

void oxp_buf_append_format(struct oxp_buf *buf, const char *format, ...) {
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int need = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (need >= 0) {
        char *to = oxp_buf_reserve(buf, (size_t)need + 1); /* vsnprintf wants room for its NUL */
        if (to != NULL) {
            vsnprintf(to, (size_t)need + 1, format, again);
            oxp_buf_commit(buf, (size_t)need);
        }
    }
    va_end(again);
}

static void append_escaped(struct oxp_buf *buf, unsigned char c) {
    static const char short_form[] = "\"\"\\\\\bb\ff\nn\rr\tt";
    for (size_t i = 0; i + 1 < sizeof short_form - 1; i += 2) {
        if ((unsigned char)short_form[i] == c) {
            oxp_buf_append_char(buf, '\\');
            oxp_buf_append_char(buf, short_form[i + 1]);
            return;
        }
    }
    oxp_buf_append_format(buf, "\\u%04x", c);
}

void oxp_buf_append_json_string(struct oxp_buf *buf, struct oxp_view value) {
    oxp_buf_append_char(buf, '"');
    while (value.len > 0) {
        size_t valid = oxp_utf8_valid_prefix(value);
        size_t run = 0;
        for (size_t i = 0; i < valid; i++) {
            unsigned char c = (unsigned char)value.ptr[i];
            if (c >= 0x20 && c != '"' && c != '\\' && c != 0x7f) {
                continue;
            }
            oxp_buf_append(buf, value.ptr + run, i - run);
            append_escaped(buf, c);
            run = i + 1;
        }
        oxp_buf_append(buf, value.ptr + run, valid - run);
        if (valid < value.len) {
            oxp_buf_append_text(buf, "\xef\xbf\xbd");
            valid++;
        }
        value = oxp_view_of(value.ptr + valid, value.len - valid);
    }
    oxp_buf_append_char(buf, '"');
}

struct oxp_view oxp_buf_view(const struct oxp_buf *buf) {
    return oxp_view_of(buf->data, buf->len);
}

/* Puts a NUL behind the bytes without counting it, past the cap if need be. */
static bool terminate(struct oxp_buf *buf) {
    if (buf->status != OXP_OK) {
        return false;
    }
    size_t cap = buf->cap;
    buf->cap = 0;
    char *to = oxp_buf_reserve(buf, 1);
    buf->cap = cap;
    if (to == NULL) {
        return false;
    }
    *to = '\0';
    return true;
}

const char *oxp_buf_text(struct oxp_buf *buf) {
    return terminate(buf) ? buf->data : "";
}

char *oxp_buf_take(struct oxp_buf *buf, size_t *len_out) {
    if (!terminate(buf)) {
        oxp_buf_fini(buf);
        return NULL;
    }
    char *data = buf->data;
    if (len_out != NULL) {
        *len_out = buf->len;
    }
    oxp_buf_init(buf, buf->cap);
    return data;
}
