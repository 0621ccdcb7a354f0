/* Tokens of one line: names, blanks, numbers, timestamps and label sets, in the grammar of the reader's format.
 *
 * Every function here takes its token at the position and moves behind it, or fails with what it expected there
 * (OXP_ERR_SYNTAX with the place in the reader's error, or OXP_ERR_NOMEM). Owned by one thread. */
#ifndef OXP_EXPOSITION_SCAN_H
#define OXP_EXPOSITION_SCAN_H

#include "lib/exposition/grammar.h"

/* The position inside one line: the cursor's end is the end of the line, so that no token can run into the next. */
struct oxp_scan {
    struct oxp_line_reader *reader;
    struct oxp_line *line;
    struct oxp_cursor cursor;
};

#define OXP_SCAN_FAIL(scan, at, ...) oxp_line_fail((scan)->reader, (scan)->line, (at), __VA_ARGS__)

static inline bool oxp_scan_is_openmetrics(const struct oxp_scan *scan) {
    return scan->reader->format == OXP_FORMAT_OPENMETRICS;
}

bool oxp_scan_is_label_char(unsigned char c);
bool oxp_scan_is_metric_char(unsigned char c);
/* Blanks that may stand between tokens of the text format; OpenMetrics has none that are optional. */
void oxp_scan_blanks(struct oxp_scan *scan);
/* The separator that must stand before `what`: one space in OpenMetrics, one or more blanks in text. */
enum oxp_status oxp_scan_gap(struct oxp_scan *scan, const char *what);
/* Bytes up to a blank or the end of the line; may be empty. */
struct oxp_view oxp_scan_token(struct oxp_scan *scan);
enum oxp_status oxp_scan_metric_name(struct oxp_scan *scan, struct oxp_view *name_out);
enum oxp_status oxp_scan_number(struct oxp_scan *scan, const char *what, struct oxp_view *text_out, double *value_out);
/* OpenMetrics: any `realnumber`, in seconds. Text: a 64-bit integer, in milliseconds. */
enum oxp_status oxp_scan_timestamp(struct oxp_scan *scan, struct oxp_view *text_out, double *seconds_out);
/* The character that stands for the escape `\\c`, or -1. ABNF `escaped-char`. */
int oxp_scan_unescape(int c);
/* labels = "{" [label *(COMMA label)] "}", into a set that is empty. */
enum oxp_status oxp_scan_labels(struct oxp_scan *scan, struct oxp_label_set *set);

#endif
