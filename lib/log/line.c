/* Fields into a bounded line.
 *
 * A value that does not fit is cut to the longest prefix that does (found by halving, as escapes have different
 * lengths), and the fields behind it are left out; the line stays well-formed. Quoted logfmt values are JSON strings,
 * as go-logfmt writes and reads them. */
#include "lib/log/line.h"

#include "lib/base/number.h"
#include "lib/base/scrub.h"
#include "lib/base/utf8.h"

/* Kept free for what ends a line: "}" and the newline. */
#define TAIL 2

void oxp_log_line_begin(struct oxp_log_line *line, enum oxp_log_format format, size_t most, bool torn) {
    line->format = format;
    line->cut = false;
    line->has_fields = false;
    line->buf = (struct oxp_buf){.data = line->bytes, .size = sizeof line->bytes, .cap = most - TAIL};
    if (torn) {
        oxp_buf_append_char(&line->buf, '\n');
    }
    if (format == OXP_LOG_JSON) {
        oxp_buf_append_char(&line->buf, '{');
    }
}

/* Takes back what was added since `mark`. */
static void rewind_to(struct oxp_log_line *line, size_t mark) {
    line->buf.status = OXP_OK;
    line->buf.len = mark;
}

/* go-logfmt: bytes that may not stand in a key are left out. */
static void append_logfmt_key(struct oxp_buf *buf, const char *key) {
    for (; *key != '\0'; key++) {
        if ((unsigned char)*key > ' ' && *key != '=' && *key != '"' && *key != 0x7f) {
            oxp_buf_append_char(buf, *key);
        }
    }
}

static void append_key(struct oxp_log_line *line, const char *key) {
    if (line->format == OXP_LOG_JSON) {
        if (line->has_fields) {
            oxp_buf_append_char(&line->buf, ',');
        }
        oxp_buf_append_json_string(&line->buf, oxp_view_from(key));
        oxp_buf_append_char(&line->buf, ':');
        return;
    }
    if (line->has_fields) {
        oxp_buf_append_char(&line->buf, ' ');
    }
    append_logfmt_key(&line->buf, key);
    oxp_buf_append_char(&line->buf, '=');
}

/* The rules of go-kit's logfmt encoder, and empty texts as well, so that every key has a visible value. */
static bool needs_quotes(struct oxp_view text) {
    if (text.len == 0 || oxp_view_is(text, "null") || !oxp_utf8_is_valid(text)) {
        return true;
    }
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c <= ' ' || c == '=' || c == '"' || c == 0x7f) {
            return true;
        }
    }
    return false;
}

static bool append_value(struct oxp_log_line *line, struct oxp_view text, bool quoted) {
    size_t mark = line->buf.len;
    if (quoted) {
        oxp_buf_append_json_string(&line->buf, text);
    } else {
        oxp_buf_append_view(&line->buf, text);
    }
    if (oxp_buf_status(&line->buf) == OXP_OK) {
        return true;
    }
    rewind_to(line, mark);
    return false;
}

/* Appends the longest prefix that fits. False when not even the empty one does. */
static bool append_longest(struct oxp_log_line *line, struct oxp_view text, bool quoted) {
    size_t mark = line->buf.len;
    size_t fits = 0, most = text.len;
    while (fits < most) {
        size_t middle = fits + (most - fits + 1) / 2;
        if (append_value(line, oxp_utf8_cut(text, middle), quoted)) {
            rewind_to(line, mark);
            fits = middle;
        } else {
            most = middle - 1;
        }
    }
    return append_value(line, oxp_utf8_cut(text, fits), quoted);
}

void oxp_log_line_text(struct oxp_log_line *line, const char *key, struct oxp_view text) {
    if (line->cut) {
        return;
    }
    struct oxp_view clean = oxp_view_of("", 0);
    if (text.len > 0) {
        clean = oxp_view_of(line->scrubbed, oxp_scrub(text, line->scrubbed, sizeof line->scrubbed));
    }
    bool quoted = line->format == OXP_LOG_JSON || needs_quotes(clean);
    size_t mark = line->buf.len;
    append_key(line, key);
    if (oxp_buf_status(&line->buf) != OXP_OK) {
        line->cut = true;
    } else if (!append_value(line, clean, quoted)) {
        line->cut = true;
        if (append_longest(line, clean, quoted)) {
            mark = line->buf.len;
        }
    }
    if (!line->cut) {
        line->has_fields = true;
    } else {
        rewind_to(line, mark);
    }
}

void oxp_log_line_number(struct oxp_log_line *line, const char *key, double number) {
    if (line->cut) {
        return;
    }
    size_t mark = line->buf.len;
    append_key(line, key);
    if (line->format == OXP_LOG_JSON) {
        oxp_buf_append_json_double(&line->buf, number);
    } else {
        oxp_buf_append_double(&line->buf, number);
    }
    line->has_fields = true;
    if (oxp_buf_status(&line->buf) != OXP_OK) {
        line->cut = true;
        rewind_to(line, mark);
    }
}

struct oxp_view oxp_log_line_end(struct oxp_log_line *line) {
    line->buf.cap += TAIL;
    if (line->format == OXP_LOG_JSON) {
        oxp_buf_append_char(&line->buf, '}');
    }
    oxp_buf_append_char(&line->buf, '\n');
    return oxp_buf_view(&line->buf);
}
