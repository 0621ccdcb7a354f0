#include "lib/base/cursor.h"

#include <stdarg.h>
#include <stdio.h>

int oxp_cursor_next(struct oxp_cursor *cursor) {
    if (cursor->pos == cursor->end) {
        return -1;
    }
    unsigned char c = (unsigned char)*cursor->pos++;
    if (c == '\n') {
        cursor->line++;
        cursor->line_start = cursor->pos;
    }
    return c;
}

bool oxp_cursor_take_char(struct oxp_cursor *cursor, char c) {
    if (cursor->pos == cursor->end || *cursor->pos != c) {
        return false;
    }
    oxp_cursor_next(cursor);
    return true;
}

bool oxp_cursor_take(struct oxp_cursor *cursor, struct oxp_view text) {
    if (oxp_cursor_left(cursor) < text.len || memcmp(cursor->pos, text.ptr, text.len) != 0) {
        return false;
    }
    cursor->pos += text.len;
    return true;
}

struct oxp_view oxp_cursor_take_until(struct oxp_cursor *cursor, bool (*stop)(unsigned char)) {
    const char *from = cursor->pos;
    while (cursor->pos != cursor->end && *cursor->pos != '\n' && !stop((unsigned char)*cursor->pos)) {
        cursor->pos++;
    }
    return oxp_view_of(from, (size_t)(cursor->pos - from));
}

struct oxp_view oxp_cursor_take_while(struct oxp_cursor *cursor, bool (*want)(unsigned char)) {
    const char *from = cursor->pos;
    while (cursor->pos != cursor->end && *cursor->pos != '\n' && want((unsigned char)*cursor->pos)) {
        cursor->pos++;
    }
    return oxp_view_of(from, (size_t)(cursor->pos - from));
}

struct oxp_view oxp_cursor_take_line(struct oxp_cursor *cursor) {
    const char *from = cursor->pos;
    if (cursor->pos == cursor->end) {
        return oxp_view_of(from, 0);
    }
    const char *newline = memchr(from, '\n', oxp_cursor_left(cursor));
    cursor->pos = newline == NULL ? cursor->end : newline;
    struct oxp_view line = oxp_view_of(from, (size_t)(cursor->pos - from));
    oxp_cursor_next(cursor);
    return line;
}

enum oxp_status oxp_cursor_fail(const struct oxp_cursor *cursor, struct oxp_error *error, const char *format, ...) {
    char text[sizeof error->text];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return oxp_error_set(error, OXP_ERR_SYNTAX, cursor->line, oxp_cursor_column(cursor), "%s", text);
}
