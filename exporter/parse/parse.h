/* Bytes to events: pure, no I/O, no allocation. One bad line costs one line.
 *
 * oxp_lines cuts a stream into lines; oxp_parse_event reads one line. Our own one-pass JSON reader (RFC 8259) for flat
 * objects with one level of nesting: UTF-8 and escapes are checked, duplicate keys refused, unknown fields skipped (but
 * still checked). */
#ifndef OXP_PARSE_PARSE_H
#define OXP_PARSE_PARSE_H

#include "exporter/event/event.h"

/* Where and why a line was refused. */
struct oxp_refusal {
    enum oxp_reject reason;
    struct oxp_error error; /* column in the line from 1; line is set by the caller */
};

/* Reads one line (no newline) into `event`, whose views point into `line` or into itself: both must live while it is
 * used. Checks syntax, type, kinds, limits and required fields; does not look at the clock. OXP_OK; OXP_ERR_SYNTAX, and
 * then `refusal` (never NULL) is filled and the event is unusable. */
enum oxp_status oxp_parse_event(struct oxp_view line, struct oxp_event *event, struct oxp_refusal *refusal);

/* The seq of a line that was refused, so that it does not count as lost as well. False when none can be read: the line
 * is malformed before it, or has none. */
bool oxp_parse_seq(struct oxp_view line, uint64_t *seq_out);

/* A stream cut into lines: state for one connection. Plain data. */
struct oxp_lines {
    size_t held;                          /* bytes of an unfinished line in `partial` */
    bool skipping;                        /* inside a line that was too long */
    unsigned long line;                   /* number of the line that is being collected, from 1 */
    char partial[OXP_EVENT_LINE_MAX + 1]; /* the longest line and its CR */
};

struct oxp_lines_sink {
    void *ctx;
    /* One whole line without newline or trailing CR; blank lines are not passed on. Valid during the call. */
    void (*line)(void *ctx, unsigned long number, struct oxp_view line);
    /* A line longer than OXP_EVENT_LINE_MAX: called once for it. */
    void (*too_large)(void *ctx, unsigned long number);
};

void oxp_lines_init(struct oxp_lines *lines);
void oxp_lines_feed(struct oxp_lines *lines, struct oxp_view bytes, const struct oxp_lines_sink *sink);
/* The stream ended: true when it cut a line short (which is then forgotten; its number is in `number_out`). */
bool oxp_lines_end(struct oxp_lines *lines, unsigned long *number_out);

#endif
