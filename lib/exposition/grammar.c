#include "lib/exposition/grammar.h"

#include "lib/base/utf8.h"
#include "lib/exposition/scan.h"
#include "lib/exposition/types.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void oxp_line_reader_init(struct oxp_line_reader *reader, struct oxp_view input, enum oxp_format format,
                          struct oxp_error *error) {
    *reader = (struct oxp_line_reader){.format = format, .cursor = oxp_cursor_over(input), .error = error};
    oxp_buf_init(&reader->scratch, 0);
}

static void fini_labels(struct oxp_label_set *set) {
    free(set->items);
    free(set->sorted);
}

void oxp_line_reader_fini(struct oxp_line_reader *reader) {
    oxp_buf_fini(&reader->scratch);
    fini_labels(&reader->labels);
    fini_labels(&reader->exemplar_labels);
}

enum oxp_status oxp_line_fail(const struct oxp_line_reader *reader, const struct oxp_line *line, const char *at,
                              const char *format, ...) {
    char text[sizeof reader->error->text];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    unsigned column = at == NULL ? 1 : (unsigned)(at - line->bytes.ptr) + 1;
    return oxp_error_set(reader->error, OXP_ERR_SYNTAX, line->number, column, "%s", text);
}

/* ---- Samples ---- */

/* exemplar = SP HASH SP labels SP number [SP timestamp]; the first space has been taken. */
static enum oxp_status take_exemplar(struct oxp_scan *scan) {
    struct oxp_read_sample *sample = &scan->line->sample;
    struct oxp_label_set *set = &scan->reader->exemplar_labels;
    oxp_cursor_take_char(&scan->cursor, '#');
    enum oxp_status status = oxp_scan_gap(scan, "the exemplar's label set");
    if (status != OXP_OK) {
        return status;
    }
    scan->line->exemplar_brace = scan->cursor.pos;
    if (oxp_cursor_peek(&scan->cursor) != '{') {
        return OXP_SCAN_FAIL(scan, scan->cursor.pos, "expected the exemplar's label set in braces");
    }
    status = oxp_scan_labels(scan, set);
    if (status == OXP_OK) {
        status = oxp_scan_gap(scan, "the exemplar's value");
    }
    if (status == OXP_OK) {
        status = oxp_scan_number(scan, "the exemplar's value", &scan->line->exemplar, &sample->exemplar_value);
    }
    if (status == OXP_OK && !oxp_cursor_at_end(&scan->cursor)) {
        struct oxp_view place;
        status = oxp_scan_gap(scan, "the exemplar's timestamp");
        if (status == OXP_OK) {
            sample->exemplar_has_timestamp = true;
            status = oxp_scan_timestamp(scan, &place, &sample->exemplar_timestamp_s);
        }
    }
    sample->has_exemplar = true;
    sample->exemplar_labels = set->items;
    sample->exemplar_label_count = set->count;
    return status;
}

/* What stands behind the value: [SP timestamp] [exemplar]. */
static enum oxp_status take_tail(struct oxp_scan *scan) {
    struct oxp_read_sample *sample = &scan->line->sample;
    for (bool first = true; !oxp_cursor_at_end(&scan->cursor); first = false) {
        enum oxp_status status = oxp_scan_gap(scan, first ? "a timestamp or the end of the line" : "an exemplar");
        if (status != OXP_OK) {
            return status;
        }
        if (oxp_cursor_at_end(&scan->cursor)) {
            return oxp_scan_is_openmetrics(scan)
                       ? OXP_SCAN_FAIL(scan, scan->cursor.pos - 1, "expected the end of the line, not a space")
                       : OXP_OK;
        }
        if (oxp_cursor_peek(&scan->cursor) == '#') {
            if (!oxp_scan_is_openmetrics(scan)) {
                return OXP_SCAN_FAIL(scan, scan->cursor.pos,
                                     "expected the end of the line: the text format has no exemplars");
            }
            status = take_exemplar(scan);
            if (status == OXP_OK && !oxp_cursor_at_end(&scan->cursor)) {
                status = OXP_SCAN_FAIL(scan, scan->cursor.pos, "expected the end of the line behind the exemplar");
            }
            return status;
        }
        if (!first) {
            return OXP_SCAN_FAIL(scan, scan->cursor.pos, "expected the end of the line behind the timestamp");
        }
        sample->has_timestamp = true;
        status = oxp_scan_timestamp(scan, &scan->line->timestamp, &sample->timestamp_s);
        if (status != OXP_OK) {
            return status;
        }
    }
    return OXP_OK;
}

/* sample = metricname [labels] SP number [SP timestamp] [exemplar] LF */
static enum oxp_status take_sample(struct oxp_scan *scan) {
    struct oxp_line *line = scan->line;
    struct oxp_label_set *set = &scan->reader->labels;
    line->kind = OXP_LINE_SAMPLE;
    enum oxp_status status = oxp_scan_metric_name(scan, &line->name);
    if (status != OXP_OK) {
        return status;
    }
    const char *behind_name = scan->cursor.pos;
    oxp_scan_blanks(scan);
    bool gap_taken = scan->cursor.pos != behind_name;
    if (oxp_cursor_peek(&scan->cursor) == '{') {
        line->brace = scan->cursor.pos;
        status = oxp_scan_labels(scan, set);
        oxp_scan_blanks(scan);
        gap_taken = !oxp_scan_is_openmetrics(scan); /* in text the brace separates well enough */
    }
    if (status == OXP_OK && !gap_taken) {
        status = oxp_scan_gap(scan, line->brace == NULL ? "a value (or a label set)" : "a value");
    }
    if (status == OXP_OK) {
        status = oxp_scan_number(scan, "a value", &line->value, &line->sample.value);
    }
    if (status == OXP_OK) {
        status = take_tail(scan);
    }
    line->sample.name = line->name;
    line->sample.labels = set->items;
    line->sample.label_count = set->count;
    line->sample.line = line->number;
    return status;
}

/* ---- Metadata ---- */

/* HELP: escaped-string in OpenMetrics; in text only backslash and line feed are escaped, and quotes are not. */
static enum oxp_status check_help(struct oxp_scan *scan) {
    for (; !oxp_cursor_at_end(&scan->cursor); scan->cursor.pos++) {
        char c = *scan->cursor.pos;
        if (c == '"' && oxp_scan_is_openmetrics(scan)) {
            return OXP_SCAN_FAIL(scan, scan->cursor.pos, "expected \\\": a quote in HELP must be escaped");
        }
        if (c != '\\') {
            continue;
        }
        int escape = oxp_cursor_peek_at(&scan->cursor, 1);
        if (oxp_scan_unescape(escape) < 0 || (escape == '"' && !oxp_scan_is_openmetrics(scan))) {
            return OXP_SCAN_FAIL(scan, scan->cursor.pos, "expected one of the escapes %s in HELP",
                                 oxp_scan_is_openmetrics(scan) ? "\\\\ \\\" \\n" : "\\\\ \\n");
        }
        scan->cursor.pos++;
    }
    return OXP_OK;
}

static enum oxp_status take_type(struct oxp_scan *scan) {
    struct oxp_view word = oxp_scan_token(scan);
    if (oxp_exposition_type(scan->reader->format, word, &scan->line->type)) {
        return OXP_OK;
    }
    return OXP_SCAN_FAIL(scan, word.ptr, "expected a type (%s), and not \"%.*s\"",
                         oxp_scan_is_openmetrics(scan)
                             ? "unknown, gauge, counter, stateset, info, histogram, gaugehistogram, summary"
                             : "counter, gauge, histogram, summary, untyped",
                         OXP_SHOW(word));
}

static enum oxp_status take_unit(struct oxp_scan *scan) {
    scan->line->unit = oxp_cursor_take_while(&scan->cursor, oxp_scan_is_metric_char);
    return OXP_OK;
}

static const struct {
    const char *word;
    const char *operand;
    enum oxp_line_kind kind;
    bool text_too;
    enum oxp_status (*take)(struct oxp_scan *scan);
} descriptors[] = {
    {"TYPE", "a type", OXP_LINE_TYPE, true, take_type},
    {"HELP", "a help text", OXP_LINE_HELP, true, check_help},
    {"UNIT", "a unit", OXP_LINE_UNIT, false, take_unit},
};

/* HASH SP word SP metricname SP operand; the word has been taken. */
static enum oxp_status take_descriptor(struct oxp_scan *scan, size_t index) {
    scan->line->kind = descriptors[index].kind;
    enum oxp_status status = oxp_scan_gap(scan, "a metric name");
    if (status == OXP_OK) {
        status = oxp_scan_metric_name(scan, &scan->line->name);
    }
    if (status != OXP_OK) {
        return status;
    }
    /* An operand of no bytes needs its space in OpenMetrics; in text HELP may be the name alone. */
    bool help_alone = descriptors[index].kind == OXP_LINE_HELP && !oxp_scan_is_openmetrics(scan);
    if (help_alone && oxp_cursor_at_end(&scan->cursor)) {
        return OXP_OK;
    }
    if (descriptors[index].kind == OXP_LINE_TYPE || !oxp_scan_is_openmetrics(scan)) {
        status = oxp_scan_gap(scan, descriptors[index].operand);
    } else if (!oxp_cursor_take_char(&scan->cursor, ' ')) {
        status = OXP_SCAN_FAIL(scan, scan->cursor.pos, "expected one space and %s", descriptors[index].operand);
    }
    if (status == OXP_OK) {
        status = descriptors[index].take(scan);
    }
    oxp_scan_blanks(scan);
    if (status == OXP_OK && !oxp_cursor_at_end(&scan->cursor)) {
        status =
            OXP_SCAN_FAIL(scan, scan->cursor.pos, "expected the end of the line behind %s", descriptors[index].operand);
    }
    return status;
}

/* A line that begins with "#". */
static enum oxp_status take_hash_line(struct oxp_scan *scan) {
    oxp_cursor_take_char(&scan->cursor, '#');
    if (oxp_scan_is_openmetrics(scan) && !oxp_cursor_take_char(&scan->cursor, ' ')) {
        return OXP_SCAN_FAIL(scan, NULL,
                             "expected \"# TYPE\", \"# HELP\", \"# UNIT\" or \"# EOF\": there are no other comments");
    }
    oxp_scan_blanks(scan);
    struct oxp_view word = oxp_scan_token(scan);
    for (size_t i = 0; i < sizeof descriptors / sizeof *descriptors; i++) {
        if (oxp_view_is(word, descriptors[i].word) && (oxp_scan_is_openmetrics(scan) || descriptors[i].text_too)) {
            return take_descriptor(scan, i);
        }
    }
    if (!oxp_scan_is_openmetrics(scan)) {
        return OXP_OK; /* a comment */
    }
    if (!oxp_view_is(word, "EOF") || !oxp_cursor_at_end(&scan->cursor)) {
        return OXP_SCAN_FAIL(scan, NULL,
                             "expected \"# TYPE\", \"# HELP\", \"# UNIT\" or \"# EOF\": there are no other comments");
    }
    scan->line->kind = OXP_LINE_EOF;
    return OXP_OK;
}

/* What is wrong with the bytes of a line, whatever it says. */
static enum oxp_status check_bytes(struct oxp_scan *scan) {
    struct oxp_view bytes = scan->line->bytes;
    size_t valid = oxp_utf8_valid_prefix(bytes);
    if (valid < bytes.len) {
        return OXP_SCAN_FAIL(scan, bytes.ptr + valid, "expected UTF-8, found byte 0x%02x",
                             (unsigned char)bytes.ptr[valid]);
    }
    if (scan->line->number == 1 && oxp_view_starts(bytes, OXP_VIEW("\xef\xbb\xbf"))) {
        return OXP_SCAN_FAIL(scan, NULL, "expected no byte order mark");
    }
    if (bytes.len == 0 && oxp_scan_is_openmetrics(scan)) {
        return OXP_SCAN_FAIL(scan, NULL, "expected no blank line");
    }
    if (bytes.len > 0 && bytes.ptr[bytes.len - 1] == '\r' && oxp_scan_is_openmetrics(scan)) {
        return OXP_SCAN_FAIL(scan, bytes.ptr + bytes.len - 1,
                             "expected a line feed alone at the end of the line, found CR");
    }
    return OXP_OK;
}

enum oxp_status oxp_line_read(struct oxp_line_reader *reader, struct oxp_line *line_out) {
    *line_out = (struct oxp_line){.number = reader->cursor.line};
    if (oxp_cursor_at_end(&reader->cursor)) {
        line_out->bytes = oxp_view_of(reader->cursor.pos, 0);
        return OXP_END;
    }
    line_out->bytes = oxp_cursor_take_line(&reader->cursor);
    bool ended = reader->cursor.pos[-1] == '\n';
    oxp_buf_clear(&reader->scratch);
    reader->labels.count = reader->exemplar_labels.count = 0;
    struct oxp_scan scan = {reader, line_out, oxp_cursor_over(line_out->bytes)};
    scan.cursor.line = line_out->number;

    /* room for all values of the line at once: views into the scratch must not move */
    if (memchr(line_out->bytes.ptr, '\\', line_out->bytes.len) != NULL &&
        oxp_buf_reserve(&reader->scratch, line_out->bytes.len) == NULL) {
        return oxp_buf_status(&reader->scratch);
    }
    enum oxp_status status = check_bytes(&scan);
    oxp_scan_blanks(&scan);
    if (status == OXP_OK && !oxp_cursor_at_end(&scan.cursor)) {
        status = oxp_cursor_peek(&scan.cursor) == '#' ? take_hash_line(&scan) : take_sample(&scan);
    }
    if (status == OXP_OK && !ended && line_out->kind != OXP_LINE_EOF) {
        const char *end = line_out->bytes.ptr + line_out->bytes.len;
        status = oxp_line_fail(reader, line_out, end, "expected a line feed at the end of the last line");
    }
    return status;
}
