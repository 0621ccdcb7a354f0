/* The one cursor for bytes on their way in: a view, a position, and the line and column of that position.
 *
 * Plain data; a cursor never writes to its input and never reads past its end. Columns count bytes from 1. */
#ifndef OXP_BASE_CURSOR_H
#define OXP_BASE_CURSOR_H

#include <oxpecker/status.h>
#include <oxpecker/view.h>

struct oxp_cursor {
    const char *start;
    const char *pos;
    const char *end;
    const char *line_start;
    unsigned line; /* from 1 */
};

static inline struct oxp_cursor oxp_cursor_over(struct oxp_view input) {
    return (struct oxp_cursor){input.ptr, input.ptr, input.len == 0 ? input.ptr : input.ptr + input.len, input.ptr, 1};
}

static inline bool oxp_cursor_at_end(const struct oxp_cursor *cursor) {
    return cursor->pos == cursor->end;
}

/* The byte at the position as 0..255, or -1 at the end. */
static inline int oxp_cursor_peek(const struct oxp_cursor *cursor) {
    return cursor->pos == cursor->end ? -1 : (unsigned char)*cursor->pos;
}

/* The byte `ahead` places further, or -1. */
static inline int oxp_cursor_peek_at(const struct oxp_cursor *cursor, size_t ahead) {
    return (size_t)(cursor->end - cursor->pos) <= ahead ? -1 : (unsigned char)cursor->pos[ahead];
}

static inline size_t oxp_cursor_left(const struct oxp_cursor *cursor) {
    return (size_t)(cursor->end - cursor->pos);
}

static inline unsigned oxp_cursor_column(const struct oxp_cursor *cursor) {
    return (unsigned)(cursor->pos - cursor->line_start) + 1;
}

/* Takes one byte and returns it, or -1 at the end; counts lines. */
int oxp_cursor_next(struct oxp_cursor *cursor);
/* Moves over `c` when it is next. */
bool oxp_cursor_take_char(struct oxp_cursor *cursor, char c);
/* Moves over `text` (which holds no newline) when it is next. */
bool oxp_cursor_take(struct oxp_cursor *cursor, struct oxp_view text);
/* Takes the bytes up to, not including, the first byte for which `stop` is true, or to the end. No newline is crossed.
 */
struct oxp_view oxp_cursor_take_until(struct oxp_cursor *cursor, bool (*stop)(unsigned char));
/* Takes bytes while `want` is true. No newline is crossed. */
struct oxp_view oxp_cursor_take_while(struct oxp_cursor *cursor, bool (*want)(unsigned char));
/* Takes the rest of the line without its newline, and moves over the newline. */
struct oxp_view oxp_cursor_take_line(struct oxp_cursor *cursor);
/* oxp_error_set at the cursor's place with OXP_ERR_SYNTAX. */
enum oxp_status oxp_cursor_fail(const struct oxp_cursor *cursor, struct oxp_error *error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
