#include "exporter/parse/parse.h"

/* A line that is whole in the bytes that were fed is handed on where it lies; only one that is spread over several
 * feeds is gathered in `partial`. A line may be OXP_EVENT_LINE_MAX bytes long, and one more when that is a CR before
 * its newline; `partial` has room for both. */

#define ROOM sizeof(((struct oxp_lines *)NULL)->partial)

void oxp_lines_init(struct oxp_lines *lines) {
    lines->held = 0;
    lines->skipping = false;
    lines->line = 1;
}

static bool is_blank(struct oxp_view line) {
    size_t i = 0;
    while (i < line.len && (line.ptr[i] == ' ' || line.ptr[i] == '\t' || line.ptr[i] == '\r')) {
        i++;
    }
    return i == line.len;
}

static void finish(struct oxp_lines *lines, struct oxp_view line, const struct oxp_lines_sink *sink) {
    unsigned long number = lines->line++;
    lines->held = 0;
    if (line.len > 0 && line.ptr[line.len - 1] == '\r') {
        line.len--;
    }
    if (line.len > OXP_EVENT_LINE_MAX) {
        sink->too_large(sink->ctx, number);
    } else if (!is_blank(line)) {
        sink->line(sink->ctx, number, line);
    }
}

/* Adds to the unfinished line; false when it is too long by now, which is then told and skipped. */
static bool hold(struct oxp_lines *lines, struct oxp_view bytes, const struct oxp_lines_sink *sink) {
    if (bytes.len > ROOM - lines->held) {
        lines->held = 0;
        lines->skipping = true;
        sink->too_large(sink->ctx, lines->line);
        return false;
    }
    if (bytes.len > 0) {
        memcpy(lines->partial + lines->held, bytes.ptr, bytes.len);
    }
    lines->held += bytes.len;
    return true;
}

void oxp_lines_feed(struct oxp_lines *lines, struct oxp_view bytes, const struct oxp_lines_sink *sink) {
    while (bytes.len > 0) {
        const char *newline = memchr(bytes.ptr, '\n', bytes.len);
        size_t len = newline == NULL ? bytes.len : (size_t)(newline - bytes.ptr);
        struct oxp_view piece = oxp_view_of(bytes.ptr, len);
        if (newline == NULL) {
            if (!lines->skipping) {
                hold(lines, piece, sink);
            }
            return;
        }
        if (!lines->skipping && lines->held == 0) {
            finish(lines, piece, sink);
        } else if (!lines->skipping && hold(lines, piece, sink)) {
            finish(lines, oxp_view_of(lines->partial, lines->held), sink);
        } else {
            lines->skipping = false;
            lines->line++;
        }
        bytes.ptr += len + 1;
        bytes.len -= len + 1;
    }
}

bool oxp_lines_end(struct oxp_lines *lines, unsigned long *number_out) {
    bool cut = !is_blank(oxp_view_of(lines->partial, lines->held)); /* what is skipped is not held */
    *number_out = lines->line;
    lines->held = 0;
    lines->skipping = false;
    return cut;
}
