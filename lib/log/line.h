/* One line of the log, built in a fixed buffer. Pure; the caller writes it out. Not for other folders. */
#ifndef OXP_LOG_LINE_H
#define OXP_LOG_LINE_H

#include "lib/base/buf.h"
#include "lib/log/log.h"

#define OXP_LOG_LINE_MAX 8192 /* bytes, the newline included */

struct oxp_log_line {
    enum oxp_log_format format;
    bool cut; /* no room was left: nothing more is added */
    bool has_fields;
    struct oxp_buf buf; /* over `bytes`; never allocates */
    char bytes[OXP_LOG_LINE_MAX];
    char scrubbed[OXP_LOG_LINE_MAX]; /* the text at hand without its secrets */
};

/* The line will have at most `most` bytes (64 to OXP_LOG_LINE_MAX). `torn`: it begins with a newline, as the line
 * before went out without one. */
void oxp_log_line_begin(struct oxp_log_line *line, enum oxp_log_format format, size_t most, bool torn);
/* Adds a field. The text is scrubbed, and cut at a character when the line is full. */
void oxp_log_line_text(struct oxp_log_line *line, const char *key, struct oxp_view text);
void oxp_log_line_number(struct oxp_log_line *line, const char *key, double number);
/* Ends the line; what is returned, newline included, is valid until the next begin. */
struct oxp_view oxp_log_line_end(struct oxp_log_line *line);

#endif
