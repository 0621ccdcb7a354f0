/* The series notation of load lines, of expected results and of rule unit tests
 * (https://prometheus.io/docs/prometheus/latest/configuration/unit_testing_rules/#series):
 *
 *     metric{label="value"} ITEM ITEM …
 *
 *     _        no sample                     _xN      N times no sample
 *     V        one sample                    VxN      V, and then N times more
 *     V+DxN    V, V+D, … V+N*D               V-DxN    downwards
 *
 * A value is a number (never hexadecimal: 0x3 is a zero four times), Inf, NaN with a sign or without, or `stale`.
 * Labels are read by the parser of selectors, whose notation this is a part of. */
#include "alerts/promql/script.h"

#include "alerts/promql/parse.h"
#include "lib/base/cursor.h"
#include "lib/base/number.h"

#define POINTS_MAX 1000000u /* of one series; a bound for repetition counts */

static bool is_space(unsigned char c) {
    return c == ' ' || c == '\t';
}
static bool is_digit(unsigned char c) {
    return c >= '0' && c <= '9';
}
static bool is_number(unsigned char c) {
    return is_digit(c) || c == '.';
}
static bool is_letter(unsigned char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
static bool is_name(unsigned char c) {
    return is_letter(c) || is_digit(c) || c == '_' || c == ':';
}

/* ---- The labels ---- */

/* Moves over `{…}`, whose values may hold braces between quotes; false when it is not closed. */
static bool skip_braces(struct oxp_cursor *cursor) {
    int quote = 0;
    oxp_cursor_next(cursor);
    for (int c; (c = oxp_cursor_next(cursor)) >= 0;) {
        if (quote == 0 && c == '}') {
            return true;
        }
        if (quote == 0 && (c == '"' || c == '\'' || c == '`')) {
            quote = c;
        } else if (c == quote) {
            quote = 0;
        } else if (quote != 0 && quote != '`' && c == '\\') {
            oxp_cursor_next(cursor);
        }
    }
    return false;
}

/* Moves over the metric, which is the text up to the cursor's place then. `{}` alone is told apart: no selector may be
 * empty, but a series may have no labels. */
static enum oxp_status skip_metric(struct oxp_cursor *cursor, bool *empty_out, struct oxp_error *error) {
    oxp_cursor_take_while(cursor, is_space);
    struct oxp_view name = oxp_cursor_take_while(cursor, is_name);
    struct oxp_cursor braces = *cursor;
    oxp_cursor_take_while(&braces, is_space);
    *empty_out = false;
    if (oxp_cursor_peek(&braces) != '{' || oxp_cursor_peek_at(&braces, 1) == '{') {
        return name.len > 0 ? OXP_OK : oxp_cursor_fail(cursor, error, "a series begins with a metric's name or with {");
    }
    const char *inside = braces.pos + 1;
    if (!skip_braces(&braces)) {
        return oxp_cursor_fail(&braces, error, "the braces of the labels are not closed");
    }
    while (inside < braces.pos && is_space((unsigned char)*inside)) {
        inside++;
    }
    *empty_out = name.len == 0 && inside + 1 == braces.pos;
    *cursor = braces;
    return OXP_OK;
}

static enum oxp_status parse_labels(struct oxp_view text, struct oxp_arena *arena, const struct oxp_labels **labels_out,
                                    struct oxp_error *error) {
    struct oxp_promql_expr *expr = NULL;
    enum oxp_status status = oxp_promql_parse_selector(text, &expr, error);
    if (status != OXP_OK) {
        return status;
    }
    struct oxp_labels_builder builder;
    oxp_labels_build(&builder, arena, oxp_labels_none());
    const struct oxp_promql_node *root = expr->root;
    for (size_t i = 0; i < root->selector.matcher_count && status == OXP_OK; i++) {
        const struct oxp_matcher *matcher = &root->selector.matchers[i];
        if (matcher->op != OXP_MATCH_EQUAL) {
            status = oxp_error_set(error, OXP_ERR_SYNTAX, 1, 1, "labels of a series are given with =, not with %s",
                                   oxp_match_op_text(matcher->op));
        } else if (matcher->name->len == 0) { /* a selector may ask for it, a series cannot have it */
            status = oxp_error_set(error, OXP_ERR_SYNTAX, 1, 1, "the name of a label is empty");
        }
        oxp_labels_set_text(&builder, oxp_symbol_view(matcher->name), oxp_symbol_view(matcher->value));
    }
    oxp_promql_expr_free(expr);
    *labels_out = oxp_labels_finish(&builder);
    return status == OXP_OK && *labels_out == NULL ? oxp_arena_status(arena) : status;
}

/* ---- The values ---- */

struct item {
    double value, step;
    size_t count;
    bool omitted;
};

static enum oxp_status parse_value(struct oxp_cursor *cursor, double *value_out, struct oxp_error *error) {
    struct oxp_cursor from = *cursor;
    if (!oxp_cursor_take_char(cursor, '+')) {
        oxp_cursor_take_char(cursor, '-');
    }
    int first = oxp_cursor_peek(cursor);
    if (first >= 0 && is_letter((unsigned char)first)) {
        struct oxp_view word = oxp_cursor_take_while(cursor, is_name);
        if (oxp_view_is(word, "stale") && word.ptr == from.pos) {
            *value_out = oxp_stale_value();
            return OXP_OK;
        }
        if (word.len != 3) { /* no Infinity */
            return oxp_cursor_fail(&from, error, "not a value: a number, NaN, Inf or stale is expected");
        }
    } else {
        oxp_cursor_take_while(cursor, is_number);
        if (oxp_cursor_take_char(cursor, 'e') || oxp_cursor_take_char(cursor, 'E')) {
            if (!oxp_cursor_take_char(cursor, '+')) {
                oxp_cursor_take_char(cursor, '-');
            }
            oxp_cursor_take_while(cursor, is_digit);
        }
    }
    struct oxp_view text = oxp_view_of(from.pos, (size_t)(cursor->pos - from.pos));
    if (oxp_number_parse_exposition(text, value_out) != OXP_OK) {
        return oxp_cursor_fail(&from, error, "not a value: a number, NaN, Inf or stale is expected");
    }
    return OXP_OK;
}

/* Behind an x: how often. */
static enum oxp_status parse_count(struct oxp_cursor *cursor, size_t *count_out, struct oxp_error *error) {
    struct oxp_cursor from = *cursor;
    struct oxp_view digits = oxp_cursor_take_while(cursor, is_digit);
    uint64_t count;
    if (oxp_number_parse_u64(digits, &count) != OXP_OK) {
        return oxp_cursor_fail(&from, error, "a whole number is expected behind x");
    }
    if (count >= POINTS_MAX) {
        return oxp_error_set(error, OXP_ERR_LIMIT, from.line, oxp_cursor_column(&from),
                             "a series may have %u values at most", POINTS_MAX);
    }
    *count_out = (size_t)count;
    return OXP_OK;
}

static enum oxp_status parse_item(struct oxp_cursor *cursor, struct item *item, struct oxp_error *error) {
    *item = (struct item){.count = 1};
    if (oxp_cursor_take_char(cursor, '_')) {
        item->omitted = true;
        return oxp_cursor_take_char(cursor, 'x') ? parse_count(cursor, &item->count, error) : OXP_OK;
    }
    enum oxp_status status = parse_value(cursor, &item->value, error);
    if (status != OXP_OK) {
        return status;
    }
    int next = oxp_cursor_peek(cursor);
    bool steps = next == '+' || next == '-';
    if (steps) {
        status = parse_value(cursor, &item->step, error);
        if (status != OXP_OK) {
            return status;
        }
    }
    if (oxp_cursor_take_char(cursor, 'x')) {
        status = parse_count(cursor, &item->count, error);
        item->count++; /* the value itself comes first */
        return status;
    }
    return steps ? oxp_cursor_fail(cursor, error, "x and a count are expected behind a step") : OXP_OK;
}

static enum oxp_status check_between(const struct oxp_cursor *cursor, struct oxp_error *error) {
    int next = oxp_cursor_peek(cursor);
    if (next < 0 || is_space((unsigned char)next)) {
        return OXP_OK;
    }
    return oxp_cursor_fail(cursor, error, "values are separated by blanks");
}

static enum oxp_status parse_items(struct oxp_cursor *cursor, struct oxp_arena *arena, struct item **items_out,
                                   size_t *count_out, struct oxp_error *error) {
    size_t size = 0;
    *items_out = NULL;
    *count_out = 0;
    for (;;) {
        enum oxp_status status = check_between(cursor, error);
        if (status != OXP_OK) {
            return status;
        }
        oxp_cursor_take_while(cursor, is_space);
        if (oxp_cursor_at_end(cursor)) {
            return OXP_OK;
        }
        if (oxp_cursor_peek(cursor) == '{') {
            return oxp_error_set(error, OXP_ERR_UNSUPPORTED, cursor->line, oxp_cursor_column(cursor),
                                 "native histograms are not supported");
        }
        if (*count_out == size) {
            size_t more = size == 0 ? 16 : size * 2;
            struct item *grown = oxp_arena_grow(arena, *items_out, size, more, sizeof *grown);
            if (grown == NULL) {
                return oxp_arena_status(arena);
            }
            *items_out = grown;
            size = more;
        }
        status = parse_item(cursor, &(*items_out)[*count_out], error);
        if (status != OXP_OK) {
            return status;
        }
        ++*count_out;
    }
}

static enum oxp_status expand(const struct item *items, size_t item_count, struct oxp_arena *arena,
                              struct oxp_script_series *series, struct oxp_error *error) {
    size_t total = 0;
    for (size_t i = 0; i < item_count; i++) {
        total += items[i].count;
        if (total > POINTS_MAX) {
            return oxp_error_set(error, OXP_ERR_LIMIT, 1, 1, "a series may have %u values at most", POINTS_MAX);
        }
    }
    series->value = oxp_arena_zero(arena, total, sizeof *series->value);
    series->omitted = oxp_arena_zero(arena, total, sizeof *series->omitted);
    if (series->value == NULL || series->omitted == NULL) {
        return oxp_arena_status(arena);
    }
    for (size_t i = 0; i < item_count; i++) {
        double value = items[i].value;
        for (size_t n = 0; n < items[i].count; n++) {
            series->value[series->count] = value;
            series->omitted[series->count++] = items[i].omitted;
            /* Steps are added up, as Prometheus does, whose roundings expected values may hold; a stale marker must
             * keep its bits. */
            value = items[i].step == 0 ? value : value + items[i].step;
        }
    }
    return OXP_OK;
}

enum oxp_status oxp_script_parse_series(struct oxp_view text, struct oxp_arena *arena,
                                        struct oxp_script_series *series_out, struct oxp_error *error) {
    struct oxp_cursor cursor = oxp_cursor_over(text);
    bool nothing;
    *series_out = (struct oxp_script_series){.labels = oxp_labels_none()};
    enum oxp_status status = skip_metric(&cursor, &nothing, error);
    if (status == OXP_OK && !nothing) {
        struct oxp_view metric = oxp_view_of(text.ptr, (size_t)(cursor.pos - text.ptr));
        status = parse_labels(metric, arena, &series_out->labels, error);
    }
    if (status != OXP_OK) {
        return status;
    }
    if (oxp_cursor_take(&cursor, OXP_VIEW("@st"))) {
        return oxp_error_set(error, OXP_ERR_UNSUPPORTED, cursor.line, oxp_cursor_column(&cursor) - 3,
                             "start timestamps (@st) are not supported");
    }
    struct item *items;
    size_t item_count;
    status = parse_items(&cursor, arena, &items, &item_count, error);
    return status == OXP_OK ? expand(items, item_count, arena, series_out, error) : status;
}
