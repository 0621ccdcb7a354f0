#include "alerts/promql/script_eval.h"
#include "lib/regex/regex.h"
#include <float.h>

/* Relative error that expected values may have (promqltest's default). */
#define EPSILON 1e-6
/* A reason that fills struct oxp_error may have been cut. */
#define REASON_FULL (sizeof((struct oxp_error){0}.text) - 4)

bool oxp_script_same(double a, double b) {
    if (oxp_is_stale(a) || oxp_is_stale(b)) {
        return oxp_is_stale(a) && oxp_is_stale(b);
    }
    if (isnan(a) || isnan(b)) {
        return isnan(a) && isnan(b);
    }
    if (a == b) {
        return true;
    }
    if (isinf(a) || isinf(b)) {
        return false;
    }
    double difference = fabs(a - b);
    double size = fabs(a) + fabs(b);
    if (a == 0 || b == 0 || size < DBL_MIN) { /* a relative error means nothing here */
        return difference < EPSILON * DBL_MIN;
    }
    return difference / fmin(size, DBL_MAX) < EPSILON;
}

/* ---- Failures and annotations ---- */

static bool message_fits(const struct oxp_expect *expect, struct oxp_view message) {
    if (expect->any) {
        return true;
    }
    if (expect->is_regex) {
        return oxp_regex_matches(expect->regex, message);
    }
    return oxp_view_equal(expect->text, message);
}

static void write_expect(struct oxp_buf *why, const struct oxp_expect *expect) {
    if (expect->any) {
        oxp_buf_append_text(why, "(any)");
        return;
    }
    oxp_buf_append_text(why, expect->is_regex ? "one that matches " : "");
    oxp_text_quote(why, expect->text);
}

bool oxp_script_failure_fits(const struct oxp_script_eval *eval, const char *reason, struct oxp_buf *why) {
    struct oxp_view came = oxp_view_from(reason);
    for (size_t i = 0; i < eval->expect_count; i++) {
        const struct oxp_expect *expect = &eval->expects[i];
        if (expect->kind != OXP_EXPECT_FAIL || message_fits(expect, came)) {
            continue;
        }
        if (!expect->is_regex && came.len >= REASON_FULL && oxp_view_starts(expect->text, came)) {
            continue;
        }
        oxp_buf_append_text(why, "wanted the failure ");
        write_expect(why, expect);
        oxp_buf_append_format(why, ", got the failure \"%s\"", reason);
        return false;
    }
    if (eval->expected[OXP_EXPECT_FAIL] == 0) {
        oxp_buf_append_format(why, "wanted a result, got the failure \"%s\"", reason);
        return false;
    }
    return true;
}

static const char *level_name(enum oxp_annotation_level level) {
    return level == OXP_ANNOTATION_WARNING ? "warning" : "info";
}

static void write_annotations(struct oxp_buf *why, const struct oxp_promql_answer *answer,
                              enum oxp_annotation_level level) {
    const char *before = "";
    for (size_t i = 0; i < answer->annotation_count; i++) {
        if (answer->annotations[i].level == level) {
            oxp_buf_append_text(why, before);
            oxp_text_quote(why, answer->annotations[i].text);
            before = ", ";
        }
    }
    oxp_buf_append_text(why, *before == '\0' ? "none" : "");
}

/* Every line must have its annotation. */
static bool lines_fit(const struct oxp_script_eval *eval, const struct oxp_promql_answer *answer,
                      enum oxp_annotation_level level, enum oxp_expect_kind kind, struct oxp_buf *why) {
    for (size_t i = 0; i < eval->expect_count; i++) {
        const struct oxp_expect *expect = &eval->expects[i];
        bool found = expect->kind != kind;
        for (size_t n = 0; n < answer->annotation_count && !found; n++) {
            found = answer->annotations[n].level == level && message_fits(expect, answer->annotations[n].text);
        }
        if (!found) {
            oxp_buf_append_format(why, "wanted the %s ", level_name(level));
            write_expect(why, expect);
            oxp_buf_append_text(why, ", got ");
            write_annotations(why, answer, level);
            return false;
        }
    }
    return true;
}

/* Where there are lines of a kind, every annotation must have its line. */
static bool annotations_have_lines(const struct oxp_script_eval *eval, const struct oxp_promql_answer *answer,
                                   enum oxp_annotation_level level, enum oxp_expect_kind kind, struct oxp_buf *why) {
    for (size_t n = 0; n < answer->annotation_count && eval->expected[kind] > 0; n++) {
        bool found = answer->annotations[n].level != level;
        for (size_t i = 0; i < eval->expect_count && !found; i++) {
            found = eval->expects[i].kind == kind && message_fits(&eval->expects[i], answer->annotations[n].text);
        }
        if (!found) {
            oxp_buf_append_format(why, "no line expects the %s ", level_name(level));
            oxp_text_quote(why, answer->annotations[n].text);
            return false;
        }
    }
    return true;
}

bool oxp_script_annotations_fit(const struct oxp_script_eval *eval, const struct oxp_promql_answer *answer,
                                struct oxp_buf *why) {
    const struct {
        enum oxp_annotation_level level;
        enum oxp_expect_kind some, none;
        bool least_one;
    } levels[] = {
        {OXP_ANNOTATION_WARNING, OXP_EXPECT_WARN, OXP_EXPECT_NO_WARN, eval->eval_warn},
        {OXP_ANNOTATION_INFO, OXP_EXPECT_INFO, OXP_EXPECT_NO_INFO, eval->eval_info},
    };
    for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++) {
        enum oxp_annotation_level level = levels[i].level;
        size_t came = 0;
        for (size_t n = 0; n < answer->annotation_count; n++) {
            came += answer->annotations[n].level == level;
        }
        if (levels[i].least_one && came == 0) {
            oxp_buf_append_format(why, "wanted an annotation (%s), got none", level_name(level));
            return false;
        }
        if (eval->expected[levels[i].none] > 0 && came > 0) {
            oxp_buf_append_format(why, "wanted no %s, got ", level_name(level));
            write_annotations(why, answer, level);
            return false;
        }
        if (!lines_fit(eval, answer, level, levels[i].some, why) ||
            !annotations_have_lines(eval, answer, level, levels[i].some, why)) {
            return false;
        }
    }
    return true;
}

/* ---- Results ---- */

static void write_points(struct oxp_buf *why, const struct oxp_promql_series *series) {
    for (size_t i = 0; i < series->count; i++) {
        oxp_buf_append_text(why, i == 0 ? "" : " ");
        oxp_buf_append_double(why, series->value[i]);
        oxp_buf_append_format(why, "@%lldms", (long long)series->time_ms[i]);
    }
}

static void write_came(struct oxp_buf *why, const struct oxp_promql_answer *answer) {
    if (answer->type == OXP_PROMQL_STRING) {
        oxp_text_quote(why, answer->text);
        return;
    }
    oxp_buf_append_format(why, "%s", oxp_promql_type_text(answer->type));
    for (size_t i = 0; i < answer->count; i++) {
        oxp_buf_append_text(why, i == 0 ? " " : ", ");
        if (answer->type != OXP_PROMQL_SCALAR) {
            oxp_labels_format(why, answer->series[i].labels, true);
            oxp_buf_append_char(why, ' ');
        }
        write_points(why, &answer->series[i]);
    }
}

/* The row of a label set; when a script names one twice the last counts. */
static const struct oxp_script_series *find_row(const struct oxp_script_eval *eval, const struct oxp_labels *labels) {
    for (size_t i = eval->row_count; i > 0; i--) {
        if (oxp_labels_equal(eval->rows[i - 1].labels, labels)) {
            return &eval->rows[i - 1];
        }
    }
    return NULL;
}

static bool all_rows_came(const struct oxp_script_eval *eval, const struct oxp_promql_answer *answer,
                          struct oxp_buf *why) {
    for (size_t i = 0; i < eval->row_count; i++) {
        bool found = false;
        for (size_t n = 0; n < answer->count && !found; n++) {
            found = oxp_labels_equal(answer->series[n].labels, eval->rows[i].labels);
        }
        if (!found) {
            oxp_buf_append_text(why, "wanted ");
            oxp_labels_format(why, eval->rows[i].labels, true);
            oxp_buf_append_text(why, ", got ");
            write_came(why, answer);
            return false;
        }
    }
    if (answer->count > eval->row_count) {
        oxp_buf_append_text(why, "a label set came twice: ");
        write_came(why, answer);
        return false;
    }
    return true;
}

static bool unwanted(const struct oxp_promql_series *series, struct oxp_buf *why) {
    oxp_buf_append_text(why, "nobody wanted ");
    oxp_labels_format(why, series->labels, true);
    oxp_buf_append_char(why, ' ');
    write_points(why, series);
    return false;
}

static bool vector_fits(const struct oxp_script_eval *eval, const struct oxp_promql_answer *answer,
                        struct oxp_buf *why) {
    for (size_t i = 0; i < answer->count; i++) {
        const struct oxp_promql_series *series = &answer->series[i];
        const struct oxp_script_series *row = find_row(eval, series->labels);
        if (row == NULL) {
            return unwanted(series, why);
        }
        if (eval->expected[OXP_EXPECT_ORDERED] > 0 && (size_t)(row - eval->rows) != i) {
            oxp_labels_format(why, series->labels, true);
            oxp_buf_append_format(why, ": wanted at place %zu, got it at place %zu", (size_t)(row - eval->rows) + 1,
                                  i + 1);
            return false;
        }
        double wanted = row->count > 0 ? row->value[0] : 0;
        if (!oxp_script_same(wanted, series->value[0])) {
            oxp_labels_format(why, series->labels, true);
            oxp_buf_append_text(why, ": wanted ");
            oxp_buf_append_double(why, wanted);
            oxp_buf_append_text(why, ", got ");
            oxp_buf_append_double(why, series->value[0]);
            return false;
        }
    }
    return all_rows_came(eval, answer, why);
}

/* The row's values stand at start, start + step, …; the series must have exactly those that are not omitted. */
static bool series_fits(const struct oxp_script_eval *eval, const struct oxp_script_series *row,
                        const struct oxp_promql_series *series) {
    size_t next = 0;
    for (size_t i = 0; i < row->count; i++) {
        int64_t time_ms = eval->start_ms + (int64_t)i * eval->step_ms;
        if (time_ms > eval->end_ms) {
            return false;
        }
        if (row->omitted[i]) {
            continue;
        }
        if (next == series->count || series->time_ms[next] != time_ms ||
            !oxp_script_same(row->value[i], series->value[next])) {
            return false;
        }
        next++;
    }
    return next == series->count;
}

static bool matrix_fits(const struct oxp_script_eval *eval, const struct oxp_promql_answer *answer,
                        struct oxp_buf *why) {
    if (eval->expected[OXP_EXPECT_ORDERED] > 0) {
        oxp_buf_append_text(why, "wanted an ordered result, got a range vector");
        return false;
    }
    for (size_t i = 0; i < answer->count; i++) {
        const struct oxp_promql_series *series = &answer->series[i];
        const struct oxp_script_series *row = find_row(eval, series->labels);
        if (row == NULL) {
            return unwanted(series, why);
        }
        if (i > 0 && oxp_labels_compare(answer->series[i - 1].labels, series->labels) >= 0) {
            oxp_buf_append_text(why, "not sorted by labels: ");
            write_came(why, answer);
            return false;
        }
        if (!series_fits(eval, row, series)) {
            oxp_labels_format(why, series->labels, true);
            oxp_buf_append_format(why, ": wanted, from %lldms each %lldms:", (long long)eval->start_ms,
                                  (long long)eval->step_ms);
            for (size_t n = 0; n < row->count; n++) {
                oxp_buf_append_text(why, row->omitted[n] ? " _" : " ");
                if (!row->omitted[n]) {
                    oxp_buf_append_double(why, row->value[n]);
                }
            }
            oxp_buf_append_text(why, ", got ");
            write_points(why, series);
            return false;
        }
    }
    return all_rows_came(eval, answer, why);
}

static bool single_fits(const struct oxp_script_eval *eval, const struct oxp_promql_answer *answer,
                        struct oxp_buf *why) {
    if (answer->type == OXP_PROMQL_STRING ? oxp_view_equal(eval->text, answer->text)
                                          : oxp_script_same(eval->scalar, answer->series[0].value[0])) {
        return true;
    }
    oxp_buf_append_text(why, "wanted ");
    if (answer->type == OXP_PROMQL_STRING) {
        oxp_text_quote(why, eval->text);
    } else {
        oxp_buf_append_double(why, eval->scalar);
    }
    oxp_buf_append_text(why, ", got ");
    write_came(why, answer);
    return false;
}

bool oxp_script_answer_fits(const struct oxp_script_eval *eval, const struct oxp_promql_answer *answer,
                            struct oxp_buf *why) {
    if (eval->is_text != (answer->type == OXP_PROMQL_STRING) ||
        eval->is_scalar != (answer->type == OXP_PROMQL_SCALAR)) {
        oxp_buf_append_format(why, "wanted a %s, got ",
                              eval->is_text     ? "string"
                              : eval->is_scalar ? "scalar"
                                                : "vector");
        write_came(why, answer);
        return false;
    }
    switch (answer->type) {
    case OXP_PROMQL_VECTOR:
        return vector_fits(eval, answer, why);
    case OXP_PROMQL_MATRIX:
        return matrix_fits(eval, answer, why);
    case OXP_PROMQL_SCALAR:
    case OXP_PROMQL_STRING:
        break;
    }
    return single_fits(eval, answer, why);
}
