/* The line grammar of both exposition formats: one line of bytes to one plain struct, with no memory of earlier lines.
 *
 * OpenMetrics 1.0, "ABNF": one space between tokens, no other comments, no blank lines, LF only. Prometheus text 0.0.4,
 * "Text format details": any blanks between tokens, comments and blank lines, integer timestamps in milliseconds.
 * What lines mean together (families, groups, histograms) is checked in reader.c. Owned by one thread. */
#ifndef OXP_EXPOSITION_GRAMMAR_H
#define OXP_EXPOSITION_GRAMMAR_H

#include "lib/base/buf.h"
#include "lib/base/cursor.h"
#include <oxpecker/exposition.h>

enum oxp_line_kind {
    OXP_LINE_NOTHING, /* blank, or a comment (text only) */
    OXP_LINE_TYPE,
    OXP_LINE_HELP,
    OXP_LINE_UNIT,
    OXP_LINE_SAMPLE,
    OXP_LINE_EOF,
};

/* A label set of a line, in its order and sorted by name. Grows; kept from line to line. */
struct oxp_label_set {
    struct oxp_read_label *items;
    struct oxp_read_label *sorted;
    size_t count;
    size_t size;
};

struct oxp_line {
    enum oxp_line_kind kind;
    unsigned number;
    struct oxp_view bytes;         /* without the newline */
    struct oxp_view name;          /* of the family (metadata) or of the sample */
    enum oxp_read_type type;       /* OXP_LINE_TYPE */
    struct oxp_view unit;          /* OXP_LINE_UNIT; may be empty */
    struct oxp_view value;         /* the place of a sample's value, for error messages */
    struct oxp_view timestamp;     /* the same, of its timestamp */
    struct oxp_view exemplar;      /* the same, of the exemplar's value */
    const char *brace;             /* where the label set begins; NULL without one */
    const char *exemplar_brace;    /* where the exemplar's begins */
    struct oxp_read_sample sample; /* all but family and type */
};

struct oxp_line_reader {
    enum oxp_format format;
    struct oxp_cursor cursor; /* at the start of the next line */
    struct oxp_error *error;
    struct oxp_buf scratch; /* unescaped label values of the current line */
    struct oxp_label_set labels;
    struct oxp_label_set exemplar_labels;
};

void oxp_line_reader_init(struct oxp_line_reader *reader, struct oxp_view input, enum oxp_format format,
                          struct oxp_error *error);
void oxp_line_reader_fini(struct oxp_line_reader *reader);
/* The next line: OXP_OK, OXP_END behind the last one, OXP_ERR_SYNTAX with the place, or OXP_ERR_NOMEM. Views of the
 * line point into the input, or into the reader until its next call. */
enum oxp_status oxp_line_read(struct oxp_line_reader *reader, struct oxp_line *line_out);
/* OXP_ERR_SYNTAX at a place inside the line (`at` may be NULL: its first column). */
enum oxp_status oxp_line_fail(const struct oxp_line_reader *reader, const struct oxp_line *line, const char *at,
                              const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Reads a whole view as ABNF `number`; false when it is not one, or does not fit into a 64-bit float. Pure. */
bool oxp_exposition_number(struct oxp_view text, double *value_out);

/* For "%.*s" in error texts: at most 60 bytes of a view. */
#define OXP_SHOW(view) (int)((view).len > 60 ? 60 : (view).len), (view).ptr == NULL ? "" : (view).ptr

#endif
