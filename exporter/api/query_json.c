#include "exporter/api/query_json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/base/number.h"

#define ANNOTATIONS_MAX 10 /* of each kind */
#define PIECE_SAMPLES 256

/* ---- What went wrong ---- */

static const struct {
    int status;
    const char *type;
} errors[OXP_QUERY_ERRORS] = {
    [OXP_QUERY_BAD_DATA] = {400, "bad_data"},       [OXP_QUERY_EXECUTION] = {422, "execution"},
    [OXP_QUERY_CANCELED] = {503, "canceled"},       [OXP_QUERY_TIMEOUT] = {503, "timeout"},
    [OXP_QUERY_UNAVAILABLE] = {503, "unavailable"}, [OXP_QUERY_INTERNAL] = {500, "internal"},
    [OXP_QUERY_NOT_FOUND] = {404, "not_found"},
};

int oxp_query_http_status(enum oxp_query_error error) {
    return errors[error].status;
}

const char *oxp_query_error_type(enum oxp_query_error error) {
    return errors[error].type;
}

bool oxp_query_refuse(struct oxp_query_fault *fault, enum oxp_query_error error, const char *format, ...) {
    va_list args;
    va_start(args, format);
    int written = vsnprintf(fault->text, sizeof fault->text, format, args);
    va_end(args);
    fault->error = error;
    if (written < 0) {
        fault->text[0] = '\0';
    }
    return false;
}

enum oxp_query_error oxp_query_error_of(enum oxp_status status) {
    static const struct {
        enum oxp_status status;
        enum oxp_query_error error;
    } meanings[] = {
        {OXP_ERR_INVALID, OXP_QUERY_EXECUTION},  {OXP_ERR_LIMIT, OXP_QUERY_EXECUTION},
        {OXP_ERR_TIMEOUT, OXP_QUERY_TIMEOUT},    {OXP_ERR_CLOSED, OXP_QUERY_CANCELED},
        {OXP_ERR_IN_USE, OXP_QUERY_UNAVAILABLE}, {OXP_ERR_NOMEM, OXP_QUERY_UNAVAILABLE},
        {OXP_ERR_SYNTAX, OXP_QUERY_BAD_DATA},    {OXP_ERR_UNSUPPORTED, OXP_QUERY_BAD_DATA},
    };
    for (size_t i = 0; i < sizeof meanings / sizeof meanings[0]; i++) {
        if (meanings[i].status == status) {
            return meanings[i].error;
        }
    }
    return OXP_QUERY_INTERNAL;
}

void oxp_query_json_fault(struct oxp_buf *out, const struct oxp_query_fault *fault) {
    oxp_buf_append_format(out, "{\"status\":\"error\",\"errorType\":\"%s\",\"error\":", errors[fault->error].type);
    oxp_buf_append_json_string(out, oxp_view_from(fault->text));
    oxp_buf_append_char(out, '}');
}

/* ---- Parts ---- */

void oxp_query_json_begin(struct oxp_buf *out) {
    oxp_buf_append_text(out, "{\"status\":\"success\",\"data\":");
}

void oxp_query_json_labels(struct oxp_buf *out, const struct oxp_labels *labels) {
    oxp_buf_append_char(out, '{');
    for (uint32_t i = 0; i < labels->count; i++) {
        if (i > 0) {
            oxp_buf_append_char(out, ',');
        }
        oxp_buf_append_json_string(out, oxp_symbol_view(labels->label[i].name));
        oxp_buf_append_char(out, ':');
        oxp_buf_append_json_string(out, oxp_symbol_view(labels->label[i].value));
    }
    oxp_buf_append_char(out, '}');
}

void oxp_query_json_symbols(struct oxp_buf *out, const struct oxp_symbol *const *symbols, size_t count) {
    oxp_buf_append_char(out, '[');
    for (size_t i = 0; i < count; i++) {
        if (i > 0) {
            oxp_buf_append_char(out, ',');
        }
        oxp_buf_append_json_string(out, oxp_symbol_view(symbols[i]));
    }
    oxp_buf_append_char(out, ']');
}

/* Writes a time and returns its length. */
static size_t write_time(char text[OXP_NUMBER_MAX + 8], int64_t ms) {
    uint64_t size = ms < 0 ? (uint64_t)0 - (uint64_t)ms : (uint64_t)ms;
    unsigned fraction = (unsigned)(size % 1000);
    size_t len = 0;
    if (ms < 0) {
        text[len++] = '-';
    }
    len += oxp_number_from_u64(text + len, size / 1000);
    if (fraction != 0) {
        text[len++] = '.';
        text[len++] = (char)('0' + fraction / 100);
        text[len++] = (char)('0' + fraction / 10 % 10);
        text[len++] = (char)('0' + fraction % 10);
    }
    return len;
}

void oxp_query_json_time(struct oxp_buf *out, int64_t ms) {
    char text[OXP_NUMBER_MAX + 8];
    oxp_buf_append(out, text, write_time(text, ms));
}

static void append_number(struct oxp_buf *out, double value, bool never_exponent) {
    char text[OXP_NUMBER_POSITIONAL_MAX];
    double size = fabs(value);
    bool positional = never_exponent || (size >= 1e-6 && size < 1e21);
    size_t len = positional ? oxp_number_positional(text, value) : oxp_number_from_double(text, value);
    oxp_buf_append_char(out, '"');
    oxp_buf_append(out, text, len);
    oxp_buf_append_char(out, '"');
}

void oxp_query_json_value(struct oxp_buf *out, double value) {
    append_number(out, value, false);
}

void oxp_query_json_scalar(struct oxp_buf *out, double value) {
    append_number(out, value, true);
}

/* One of the two arrays; nothing when there is nothing in it. */
static void append_level(struct oxp_buf *out, const struct oxp_annotation *annotations, size_t count,
                         enum oxp_annotation_level level) {
    size_t written = 0, others = 0;
    for (size_t i = 0; i < count; i++) {
        if (annotations[i].level != level) {
            continue;
        }
        if (written == ANNOTATIONS_MAX) {
            others++;
            continue;
        }
        oxp_buf_append_text(out, written++ > 0 ? "," : "");
        oxp_buf_append_json_string(out, annotations[i].text);
    }
    if (others > 0) {
        oxp_buf_append_format(out, ",\"%zu more %s annotations omitted\"", others,
                              level == OXP_ANNOTATION_INFO ? "info" : "warning");
    }
}

static bool has_level(const struct oxp_annotation *annotations, size_t count, enum oxp_annotation_level level) {
    for (size_t i = 0; i < count; i++) {
        if (annotations[i].level == level) {
            return true;
        }
    }
    return false;
}

void oxp_query_json_annotations(struct oxp_buf *out, const struct oxp_annotation *annotations, size_t count,
                                const char *const *more) {
    bool warnings = has_level(annotations, count, OXP_ANNOTATION_WARNING);
    if (warnings || (more != NULL && more[0] != NULL)) {
        oxp_buf_append_text(out, ",\"warnings\":[");
        append_level(out, annotations, count, OXP_ANNOTATION_WARNING);
        for (size_t i = 0; more != NULL && more[i] != NULL; i++) {
            oxp_buf_append_text(out, warnings || i > 0 ? "," : "");
            oxp_buf_append_json_string(out, oxp_view_from(more[i]));
        }
        oxp_buf_append_char(out, ']');
    }
    if (has_level(annotations, count, OXP_ANNOTATION_INFO)) {
        oxp_buf_append_text(out, ",\"infos\":[");
        append_level(out, annotations, count, OXP_ANNOTATION_INFO);
        oxp_buf_append_char(out, ']');
    }
}

/* ---- The answer of a query ---- */

/* [time,"value"], written at once: this is what long answers are made of. */
static void append_sample(struct oxp_buf *out, int64_t time_ms, double value) {
    char text[2 * OXP_NUMBER_MAX + 16];
    size_t len = 0;
    text[len++] = '[';
    len += write_time(text + len, time_ms);
    text[len++] = ',';
    if (value != 0 && fabs(value) < 1e-5) { /* the writer of numbers takes an exponent earlier */
        oxp_buf_append(out, text, len);
        oxp_query_json_value(out, value);
        oxp_buf_append_char(out, ']');
        return;
    }
    text[len++] = '"';
    len += oxp_number_from_double(text + len, value);
    text[len++] = '"';
    text[len++] = ']';
    oxp_buf_append(out, text, len);
}

static enum oxp_promql_type type_of(const struct oxp_query_text *text) {
    return text->range ? OXP_PROMQL_MATRIX : text->answer->type;
}

static size_t series_of(const struct oxp_query_text *text) {
    bool many = type_of(text) == OXP_PROMQL_VECTOR || type_of(text) == OXP_PROMQL_MATRIX;
    return !many ? 0 : text->limit != 0 && text->limit < text->answer->count ? text->limit : text->answer->count;
}

/* A scalar's or a string's result, or the beginning of a list. */
static void append_head(const struct oxp_query_text *text, struct oxp_buf *out) {
    const struct oxp_promql_answer *answer = text->answer;
    enum oxp_promql_type type = type_of(text);
    oxp_query_json_begin(out);
    oxp_buf_append_format(out, "{\"resultType\":\"%s\",\"result\":[", oxp_promql_type_json(type));
    if (type == OXP_PROMQL_SCALAR && answer->count > 0 && answer->series[0].count > 0) {
        oxp_query_json_time(out, answer->series[0].time_ms[0]);
        oxp_buf_append_char(out, ',');
        oxp_query_json_scalar(out, answer->series[0].value[0]);
    } else if (type == OXP_PROMQL_STRING) {
        oxp_query_json_time(out, answer->text_time_ms);
        oxp_buf_append_char(out, ',');
        oxp_buf_append_json_string(out, answer->text);
    }
}

/* Names as Prometheus' statistics have them; what is not measured apart is 0. */
static void append_stats(const struct oxp_promql_answer *answer, struct oxp_buf *out) {
    oxp_buf_append_text(out, ",\"stats\":{\"timings\":{\"evalTotalTime\":");
    oxp_buf_append_json_double(out, answer->seconds);
    oxp_buf_append_text(out, ",\"resultSortTime\":0,\"queryPreparationTime\":0,\"innerEvalTime\":");
    oxp_buf_append_json_double(out, answer->seconds);
    oxp_buf_append_text(out, ",\"execQueueTime\":0,\"execTotalTime\":");
    oxp_buf_append_json_double(out, answer->seconds);
    oxp_buf_append_format(out, "},\"samples\":{\"totalQueryableSamples\":%llu,\"peakSamples\":0}}",
                          (unsigned long long)answer->samples);
}

static void append_tail(const struct oxp_query_text *text, struct oxp_buf *out) {
    oxp_buf_append_char(out, ']');
    if (text->stats) {
        append_stats(text->answer, out);
    }
    oxp_buf_append_char(out, '}');
    oxp_query_json_annotations(out, text->answer->annotations, text->answer->annotation_count, text->warnings);
    oxp_buf_append_char(out, '}');
}

/* One sample of a vector, or up to PIECE_SAMPLES of a matrix' series. */
static void append_series(struct oxp_query_text *text, struct oxp_buf *out) {
    const struct oxp_promql_series *series = &text->answer->series[text->series];
    bool matrix = type_of(text) == OXP_PROMQL_MATRIX;
    size_t until = series->count - text->sample > PIECE_SAMPLES ? text->sample + PIECE_SAMPLES : series->count;
    if (text->sample == 0) {
        oxp_buf_append_text(out, text->series > 0 ? ",{\"metric\":" : "{\"metric\":");
        oxp_query_json_labels(out, series->labels);
        oxp_buf_append_text(out, matrix ? ",\"values\":[" : ",\"value\":");
    }
    for (; text->sample < until; text->sample++) {
        oxp_buf_append_text(out, matrix && text->sample > 0 ? "," : "");
        append_sample(out, series->time_ms[text->sample], series->value[text->sample]);
    }
    if (text->sample == series->count) {
        oxp_buf_append_text(out, matrix ? "]}" : "}");
        text->series++;
        text->sample = 0;
    }
}

bool oxp_query_text_next(void *ctx, struct oxp_buf *piece) {
    struct oxp_query_text *text = ctx;
    if (!text->begun) {
        append_head(text, piece);
        text->begun = true;
        return true;
    }
    if (text->ended) {
        return false;
    }
    size_t until = series_of(text), before = piece->len;
    while (text->series < until && piece->len - before < 4096 && oxp_buf_status(piece) == OXP_OK) {
        append_series(text, piece);
    }
    if (text->series == until) {
        append_tail(text, piece);
        text->ended = true;
    }
    return true;
}
