/* The lines, words and times that scripts are made of. */
#include "alerts/promql/script_eval.h"

#include "lib/base/ascii.h"
#include <stdarg.h>
#include <stdio.h>

static bool is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f';
}

struct oxp_view oxp_script_trim(struct oxp_view text) {
    return oxp_ascii_trim(text, " \t\r\v\f");
}

bool oxp_script_next_line(struct oxp_script_reader *reader) {
    struct oxp_view rest = reader->rest;
    if (rest.len == 0) {
        reader->line = oxp_view_of(NULL, 0);
        return false;
    }
    const char *newline = memchr(rest.ptr, '\n', rest.len);
    size_t len = newline == NULL ? rest.len : (size_t)(newline - rest.ptr);
    size_t taken = newline == NULL ? len : len + 1;
    reader->line = oxp_script_trim(oxp_view_of(rest.ptr, len));
    reader->indent = (unsigned)(reader->line.ptr - rest.ptr);
    reader->number++;
    reader->rest = oxp_view_of(rest.ptr + taken, rest.len - taken);
    if (reader->line.len > 0 && reader->line.ptr[0] == '#') {
        reader->line.len = 0;
    }
    return true;
}

bool oxp_script_next_in_block(struct oxp_script_reader *reader) {
    return oxp_script_next_line(reader) && reader->line.len > 0;
}

struct oxp_view oxp_script_take_word(struct oxp_view *text) {
    size_t len = 0;
    while (len < text->len && !is_blank(text->ptr[len])) {
        len++;
    }
    struct oxp_view word = oxp_view_of(text->ptr, len);
    *text = oxp_script_trim(oxp_view_of(text->ptr + len, text->len - len));
    return word;
}

bool oxp_script_take_this(struct oxp_view *text, const char *wanted) {
    struct oxp_view rest = *text;
    if (!oxp_view_is(oxp_script_take_word(&rest), wanted)) {
        return false;
    }
    *text = rest;
    return true;
}

enum oxp_status oxp_script_fail(struct oxp_script_reader *reader, const char *format, ...) {
    char text[sizeof reader->error->text];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return oxp_error_set(reader->error, OXP_ERR_SYNTAX, reader->number, reader->indent + 1, "%s", text);
}

enum oxp_status oxp_script_memory(const struct oxp_arena *arena) {
    enum oxp_status status = oxp_arena_status(arena);
    return status == OXP_OK ? OXP_ERR_NOMEM : status;
}

bool oxp_script_parse_ms(struct oxp_view text, int64_t *ms_out) {
    *ms_out = 0; /* a zero needs no unit */
    return oxp_view_is(text, "0") || oxp_promql_parse_duration(text, ms_out) == OXP_OK;
}

enum oxp_status oxp_script_read_series(struct oxp_script_reader *reader, struct oxp_script_series *series_out,
                                       const char **unsupported_out) {
    struct oxp_error error = {0};
    enum oxp_status status = oxp_script_parse_series(reader->line, &reader->arena, series_out, &error);
    *unsupported_out = NULL;
    if (status == OXP_OK || status == OXP_ERR_NOMEM) {
        return status;
    }
    if (status == OXP_ERR_UNSUPPORTED) {
        struct oxp_view text = oxp_arena_copy(&reader->arena, oxp_view_from(error.text));
        *unsupported_out = text.ptr;
        return text.ptr == NULL ? oxp_script_memory(&reader->arena) : OXP_OK;
    }
    return oxp_error_set(reader->error, OXP_ERR_SYNTAX, reader->number, reader->indent + error.column, "%s",
                         error.text);
}
