#include "lib/exposition/scan.h"

#include "lib/base/ascii.h"
#include "lib/base/number.h"
#include <math.h>

static bool is_blank(unsigned char c) {
    return c == ' ' || c == '\t';
}

static bool is_letter(int c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

bool oxp_scan_is_label_char(unsigned char c) {
    return is_letter(c) || oxp_is_digit(c);
}

bool oxp_scan_is_metric_char(unsigned char c) {
    return oxp_scan_is_label_char(c) || c == ':';
}

/* Blanks that may stand between tokens of the text format; OpenMetrics has none that are optional. */
void oxp_scan_blanks(struct oxp_scan *scan) {
    if (!oxp_scan_is_openmetrics(scan)) {
        oxp_cursor_take_while(&scan->cursor, is_blank);
    }
}

/* The separator that must stand before `what`: one space in OpenMetrics, one or more blanks in text. */
enum oxp_status oxp_scan_gap(struct oxp_scan *scan, const char *what) {
    if (oxp_scan_is_openmetrics(scan)) {
        if (!oxp_cursor_take_char(&scan->cursor, ' ')) {
            return OXP_SCAN_FAIL(scan, scan->cursor.pos, "expected one space and %s", what);
        }
        int c = oxp_cursor_peek(&scan->cursor);
        if (c == ' ' || c == '\t') {
            return OXP_SCAN_FAIL(scan, scan->cursor.pos, "expected %s behind exactly one space", what);
        }
        return OXP_OK;
    }
    if (oxp_cursor_take_while(&scan->cursor, is_blank).len == 0) {
        return OXP_SCAN_FAIL(scan, scan->cursor.pos, "expected a blank and %s", what);
    }
    return OXP_OK;
}

struct oxp_view oxp_scan_token(struct oxp_scan *scan) {
    return oxp_cursor_take_until(&scan->cursor, is_blank);
}

enum oxp_status oxp_scan_metric_name(struct oxp_scan *scan, struct oxp_view *name_out) {
    int c = oxp_cursor_peek(&scan->cursor);
    if (!is_letter(c) && c != ':') {
        return OXP_SCAN_FAIL(scan, scan->cursor.pos, "expected a metric name ([a-zA-Z_:][a-zA-Z0-9_:]*)");
    }
    *name_out = oxp_cursor_take_while(&scan->cursor, oxp_scan_is_metric_char);
    return OXP_OK;
}

/* ---- Numbers ---- */

static size_t count_digits(struct oxp_view text, size_t from) {
    size_t n = 0;
    while (from + n < text.len && oxp_is_digit(text.ptr[from + n])) {
        n++;
    }
    return n;
}

static size_t sign_length(struct oxp_view text, size_t at) {
    return at < text.len && (text.ptr[at] == '+' || text.ptr[at] == '-');
}

/* ABNF `realnumber`; strconv.ParseFloat takes the same, but for hexadecimal, which no reader of the text format does.
 */
static bool is_real(struct oxp_view text) {
    size_t i = sign_length(text, 0);
    size_t digits = count_digits(text, i);
    i += digits;
    if (i < text.len && text.ptr[i] == '.') {
        size_t fraction = count_digits(text, i + 1);
        digits += fraction;
        i += 1 + fraction;
    }
    if (digits == 0) {
        return false;
    }
    if (i < text.len && (text.ptr[i] == 'e' || text.ptr[i] == 'E')) {
        i++;
        i += sign_length(text, i);
        digits = count_digits(text, i);
        if (digits == 0) {
            return false;
        }
        i += digits;
    }
    return i == text.len;
}

static bool equals_ignoring_case(struct oxp_view text, const char *lower) {
    size_t len = strlen(lower);
    for (size_t i = 0; i < len && text.len == len; i++) {
        if ((text.ptr[i] | 0x20) != lower[i]) {
            return false;
        }
    }
    return text.len == len;
}

/* ABNF `number` but for `realnumber`: NaN has no sign. */
static bool is_special(struct oxp_view text) {
    size_t sign = sign_length(text, 0);
    struct oxp_view word = oxp_view_of(text.ptr + sign, text.len - sign);
    return equals_ignoring_case(word, "inf") || equals_ignoring_case(word, "infinity") ||
           equals_ignoring_case(text, "nan");
}

bool oxp_exposition_number(struct oxp_view text, double *value_out) {
    bool special = is_special(text);
    if (!special && !is_real(text)) {
        return false;
    }
    /* "MUST fit within the range of a 64-bit floating point value"; ParseFloat calls it a range error too. */
    return oxp_number_parse_exposition(text, value_out) == OXP_OK && (special || isfinite(*value_out));
}

enum oxp_status oxp_scan_number(struct oxp_scan *scan, const char *what, struct oxp_view *text_out, double *value_out) {
    struct oxp_view text = oxp_scan_token(scan);
    *text_out = text;
    if (oxp_exposition_number(text, value_out)) {
        return OXP_OK;
    }
    if (is_real(text)) {
        return OXP_SCAN_FAIL(scan, text.ptr, "%s \"%.*s\" is out of the range of a 64-bit float", what, OXP_SHOW(text));
    }
    return OXP_SCAN_FAIL(scan, text.ptr, "expected %s, a number, and not \"%.*s\"", what, OXP_SHOW(text));
}

/* OpenMetrics: any `realnumber`, in seconds. Text: a 64-bit integer, in milliseconds. */
enum oxp_status oxp_scan_timestamp(struct oxp_scan *scan, struct oxp_view *text_out, double *seconds_out) {
    struct oxp_view text = oxp_scan_token(scan);
    *text_out = text;
    if (oxp_scan_is_openmetrics(scan)) {
        if (!is_real(text) || !oxp_exposition_number(text, seconds_out)) {
            return OXP_SCAN_FAIL(scan, text.ptr, "expected a timestamp in seconds, and not \"%.*s\"", OXP_SHOW(text));
        }
        return OXP_OK;
    }
    size_t sign = sign_length(text, 0);
    uint64_t ms = 0;
    uint64_t most = (uint64_t)INT64_MAX + (sign > 0 && text.ptr[0] == '-');
    struct oxp_view digits = oxp_view_of(text.ptr + sign, text.len - sign);
    if (digits.len == 0 || count_digits(digits, 0) != digits.len || oxp_number_parse_u64(digits, &ms) != OXP_OK ||
        ms > most) {
        return OXP_SCAN_FAIL(scan, text.ptr, "expected a timestamp, a whole number of milliseconds, and not \"%.*s\"",
                             OXP_SHOW(text));
    }
    *seconds_out = (double)ms / 1000.0;
    if (sign > 0 && text.ptr[0] == '-') {
        *seconds_out = -*seconds_out;
    }
    return OXP_OK;
}
