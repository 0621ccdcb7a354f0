/* The table of functions, and what several of them need. */
#include "alerts/promql/functions.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "alerts/promql/calls.h"

static const char NATIVE[] = "it knows only native histograms, which are not supported";
static const char EXPERIMENTAL[] = "it is experimental in Prometheus, and experimental functions are not supported";

/* ---- The table ---- */

static void quantile_check(struct oxp_query_state *query, const struct oxp_promql_node *node, const double *args) {
    oxp_promql_check_quantile(query, node->call.args[0], args[0]);
}

enum { KEEPS_NAME = 1, WANTS_COUNTER = 2 };

/* clang-format off: one macro for each kind of row */
#define ROW(name_, kind_, type_, args_, help_)                                                                         \
    .name = #name_, .kind = OXP_FUNCTION_##kind_, .returns = OXP_PROMQL_##type_, .args = (args_), .help = (help_)
#define FLAGS(flags_) .keeps_name = ((flags_)&KEEPS_NAME) != 0, .wants_counter = ((flags_)&WANTS_COUNTER) != 0
#define RANGE(name_, args_, flags_, function_, check_, help_)                                                          \
    {ROW(name_, RANGE, VECTOR, args_, help_), FLAGS(flags_), .range = oxp_call_##function_, .check = (check_)},
#define MATH(name_, args_, function_, help_) {ROW(name_, MATH, VECTOR, args_, help_), .math = oxp_call_##function_},
#define DATE(name_, function_, help_) {ROW(name_, DATE, VECTOR, "v?", help_), .math = oxp_call_##function_},
#define SPECIAL(name_, args_, flags_, function_, help_)                                                                \
    {ROW(name_, SPECIAL, VECTOR, args_, help_), FLAGS(flags_), .special = oxp_call_##function_},
#define ENGINE(name_, type_, args_, help_) {ROW(name_, ENGINE, type_, args_, help_)},
#define REFUSED(name_, type_, args_, reason_, help_) {ROW(name_, REFUSED, type_, args_, help_), .refusal = (reason_)},
/* clang-format on */

static const struct oxp_promql_function rows[] = {
#include "alerts/promql/functions.def"
};

const struct oxp_promql_function *oxp_promql_function_find(struct oxp_view name) {
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (oxp_view_is(name, rows[i].name)) {
            return &rows[i];
        }
    }
    return NULL;
}

size_t oxp_promql_functions(const struct oxp_promql_function **rows_out) {
    *rows_out = rows;
    return sizeof rows / sizeof rows[0];
}

/* ---- Numbers in texts ---- */

struct digits {
    char text[OXP_NUMBER_MAX];
    size_t count; /* without zeros in front and behind */
    int point;    /* the value is 0.text * 10^point */
};

/* The digits of a positive number as the number writer or printf made it. Anything between digits that is neither a
 * digit nor an exponent is the decimal point, whatever the locale has for one. */
static struct digits digits_of(const char *text, size_t len) {
    struct digits digits = {.count = 0};
    bool point = false, minus = false;
    size_t i;
    for (i = 0; i < len && text[i] != 'e'; i++) {
        if (text[i] < '0' || text[i] > '9') {
            point = true;
            continue;
        }
        bool leading = digits.count == 0 && text[i] == '0';
        digits.point += leading ? (point ? -1 : 0) : (point ? 0 : 1);
        if (!leading) {
            digits.text[digits.count++] = text[i];
        }
    }
    int exponent = 0;
    for (; i < len; i++) {
        minus = minus || text[i] == '-';
        exponent = text[i] >= '0' && text[i] <= '9' ? exponent * 10 + (text[i] - '0') : exponent;
    }
    digits.point += minus ? -exponent : exponent;
    while (digits.count > 0 && digits.text[digits.count - 1] == '0') {
        digits.count--;
    }
    return digits;
}

static size_t put(char *out, size_t at, const char *text, size_t len) {
    memcpy(out + at, text, len);
    return at + len;
}

static size_t put_zeros(char *out, size_t at, int count) {
    for (; count > 0; count--) {
        out[at++] = '0';
    }
    return at;
}

/* Go's %g: an exponent below 1e-4 and from 10^limit on. */
static size_t put_digits(char *out, size_t at, const struct digits *digits, int limit) {
    const char *text = digits->text;
    int count = (int)digits->count, point = digits->point;
    if (point - 1 < -4 || point - 1 >= limit) {
        out[at++] = text[0];
        if (count > 1) {
            out[at++] = '.';
            at = put(out, at, text + 1, (size_t)count - 1);
        }
        char exponent[8];
        int len = snprintf(exponent, sizeof exponent, "e%+03d", point - 1);
        return put(out, at, exponent, (size_t)len);
    }
    if (point <= 0) {
        out[at++] = '0';
        out[at++] = '.';
        at = put_zeros(out, at, -point);
        return put(out, at, text, (size_t)count);
    }
    int whole = count < point ? count : point;
    at = put(out, at, text, (size_t)whole);
    at = put_zeros(out, at, point - whole);
    if (count > whole) {
        out[at++] = '.';
        at = put(out, at, text + whole, (size_t)(count - whole));
    }
    return at;
}

size_t oxp_promql_number_g(char out[OXP_NUMBER_MAX], double value, bool short_form) {
    if (!isfinite(value) || value == 0) {
        return oxp_number_from_double(out, value);
    }
    char text[OXP_NUMBER_MAX + 1];
    size_t len;
    if (short_form) {
        len = (size_t)snprintf(text, sizeof text, "%.1e", fabs(value));
    } else {
        len = oxp_number_from_double(text, fabs(value));
    }
    struct digits digits = digits_of(text, len);
    size_t at = 0;
    if (value < 0) {
        out[at++] = '-';
    }
    return put_digits(out, at, &digits, short_form ? 2 : 6);
}

/* ---- What several functions need ---- */

void oxp_promql_check_quantile(struct oxp_query_state *query, const struct oxp_promql_node *node, double phi) {
    if (phi >= 0 && phi <= 1) {
        return;
    }
    char text[OXP_NUMBER_MAX];
    size_t len = oxp_promql_number_g(text, phi, false);
    oxp_query_annotate(query, OXP_ANNOTATION_WARNING, node, "quantile value should be between 0 and 1, got %.*s",
                       (int)len, text);
}

enum oxp_status oxp_call_finish(struct oxp_call *call, struct oxp_vector *vector, bool drop_names) {
    struct oxp_query_state *query = call->eval->query;
    size_t steps = call->eval->steps;
    oxp_vector_compact(vector, steps);
    enum oxp_status status = drop_names ? oxp_vector_drop_names(&query->arena, vector, steps)
                                        : oxp_vector_merge(&query->arena, vector, steps);
    if (status == OXP_ERR_INVALID) {
        return oxp_query_fail(query, status, "vector cannot contain metrics with the same labelset");
    }
    return status == OXP_OK ? OXP_OK : oxp_query_memory(query);
}
