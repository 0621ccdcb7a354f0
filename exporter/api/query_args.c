#include "exporter/api/query_args.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/base/date.h"
#include "lib/base/number.h"
#include "lib/base/utf8.h"

#define SELECTORS_MAX 1000

void oxp_query_quote(struct oxp_view text, char *out, size_t size) {
    struct oxp_buf quoted;
    oxp_buf_init(&quoted, 0);
    oxp_text_quote(&quoted, oxp_utf8_cut(text, size > 8 ? (size - 8) / 4 : 0));
    snprintf(out, size, "%s", oxp_buf_text(&quoted));
    oxp_buf_fini(&quoted);
}

void oxp_query_parse_error(const struct oxp_error *error, char *out, size_t size) {
    if (error->line == 0) {
        snprintf(out, size, "unknown position: parse error: %s", error->text);
    } else {
        snprintf(out, size, "%u:%u: parse error: %s", error->line, error->column, error->text);
    }
}

/* ---- Times ---- */

/* Prometheus rounds the fraction to milliseconds; far off times become the bounds. */
static int64_t ms_of_seconds(double seconds) {
    double whole, fraction = modf(seconds, &whole);
    if (whole <= (double)OXP_QUERY_MIN_MS / 1000) {
        return OXP_QUERY_MIN_MS;
    }
    if (whole >= (double)OXP_QUERY_MAX_MS / 1000) {
        return OXP_QUERY_MAX_MS;
    }
    return (int64_t)whole * 1000 + (int64_t)llround(fraction * 1000);
}

enum oxp_status oxp_query_time(struct oxp_view text, int64_t *ms_out, struct oxp_error *error) {
    double seconds;
    if (oxp_number_parse_exposition(text, &seconds) == OXP_OK && isfinite(seconds)) {
        *ms_out = ms_of_seconds(seconds);
        return OXP_OK;
    }
    if (oxp_date_rfc3339(text, ms_out)) {
        return OXP_OK;
    }
    char quoted[200];
    oxp_query_quote(text, quoted, sizeof quoted);
    return oxp_error_set(error, OXP_ERR_SYNTAX, 0, 0, "cannot parse %s to a valid timestamp", quoted);
}

enum oxp_status oxp_query_duration(struct oxp_view text, int64_t *ms_out, struct oxp_error *error) {
    double seconds;
    char quoted[160];
    if (oxp_number_parse_exposition(text, &seconds) == OXP_OK && !isnan(seconds)) {
        if (fabs(seconds) * 1e9 <= 9223372036854775807.0) { /* there it must fit into nanoseconds */
            *ms_out = (int64_t)(seconds * 1000);
            return OXP_OK;
        }
        oxp_query_quote(text, quoted, sizeof quoted);
        return oxp_error_set(error, OXP_ERR_SYNTAX, 0, 0, "cannot parse %s to a valid duration. It overflows int64",
                             quoted);
    }
    if (oxp_promql_parse_duration(text, ms_out) == OXP_OK) {
        return OXP_OK;
    }
    oxp_query_quote(text, quoted, sizeof quoted);
    return oxp_error_set(error, OXP_ERR_SYNTAX, 0, 0, "cannot parse %s to a valid duration", quoted);
}

/* ---- Limits and names ---- */

enum oxp_status oxp_query_limit(struct oxp_view text, size_t *limit_out, struct oxp_error *error) {
    uint64_t value = 0;
    bool minus = text.len > 0 && text.ptr[0] == '-', sign = minus || (text.len > 0 && text.ptr[0] == '+');
    struct oxp_view digits = sign ? oxp_view_of(text.ptr + 1, text.len - 1) : text;
    *limit_out = 0;
    if (text.len == 0) {
        return OXP_OK;
    }
    enum oxp_status status = oxp_number_parse_u64(digits, &value);
    if (status == OXP_OK && value > INT64_MAX) {
        status = OXP_ERR_RANGE;
    }
    if (status != OXP_OK) {
        char quoted[160];
        oxp_query_quote(text, quoted, sizeof quoted);
        return oxp_error_set(error, status, 0, 0, "strconv.Atoi: parsing %s: %s", quoted,
                             status == OXP_ERR_RANGE ? "value out of range" : "invalid syntax");
    }
    if (minus && value > 0) {
        return oxp_error_set(error, OXP_ERR_RANGE, 0, 0, "limit must be non-negative");
    }
    *limit_out = (size_t)value;
    return OXP_OK;
}

/* What stands between two underscores: "2e_" is a full stop. The bytes that it took, or 0 when it is no escape. */
static size_t take_escape(struct oxp_view text, uint32_t *code_out) {
    uint32_t code = 0;
    for (size_t i = 0; i < text.len && i <= 6; i++) {
        char c = text.ptr[i];
        if (c == '_') {
            *code_out = code;
            return code > 0x10ffff || (code >= 0xd800 && code < 0xe000) ? 0 : i + 1;
        }
        char lower = (char)(c | 0x20);
        bool digit = c >= '0' && c <= '9';
        if (i == 6 || (!digit && (lower < 'a' || lower > 'f'))) {
            return 0;
        }
        code = code * 16 + (uint32_t)(digit ? c - '0' : lower - 'a' + 10);
    }
    return 0;
}

/* The values escaping of Prometheus' names (docs/instrumenting/escaping_schemes): false when it is not well formed. */
static bool unescape(struct oxp_view text, struct oxp_buf *out) {
    for (size_t i = 0; i < text.len;) {
        if (text.ptr[i] != '_') {
            oxp_buf_append_char(out, text.ptr[i++]);
            continue;
        }
        i++;
        if (i < text.len && text.ptr[i] == '_') { /* two are one */
            oxp_buf_append_char(out, '_');
            i++;
            continue;
        }
        uint32_t code = 0;
        char utf8[4];
        size_t took = take_escape(oxp_view_of(text.ptr + i, text.len - i), &code);
        if (took == 0) {
            return false;
        }
        oxp_buf_append(out, utf8, oxp_utf8_encode(code, utf8));
        i += took;
    }
    return true;
}

enum oxp_status oxp_query_label_name(struct oxp_view text, struct oxp_buf *name_out, struct oxp_error *error) {
    static const struct oxp_view mark = {"U__", 3};
    oxp_buf_clear(name_out);
    if (!oxp_view_starts(text, mark) || !unescape(oxp_view_of(text.ptr + mark.len, text.len - mark.len), name_out)) {
        oxp_buf_clear(name_out);
        oxp_buf_append_view(name_out, text);
    }
    struct oxp_view name = oxp_buf_view(name_out);
    if (oxp_buf_status(name_out) != OXP_OK) {
        return oxp_buf_status(name_out);
    }
    if (name.len == 0 || !oxp_utf8_is_valid(name)) {
        char quoted[200];
        oxp_query_quote(name, quoted, sizeof quoted);
        return oxp_error_set(error, OXP_ERR_INVALID, 0, 0, "invalid label name: %s", quoted);
    }
    return OXP_OK;
}

/* ---- Selectors ---- */

/* Whether a matcher of it refuses the empty value, so that it does not select everything. */
static bool narrows(const struct oxp_promql_node *node) {
    for (size_t i = 0; i < node->selector.matcher_count; i++) {
        if (!oxp_matcher_accepts(&node->selector.matchers[i], OXP_VIEW(""))) {
            return true;
        }
    }
    return false;
}

enum oxp_status oxp_query_selectors_add(struct oxp_query_selectors *selectors, struct oxp_view text,
                                        struct oxp_error *error) {
    struct oxp_promql_expr *expr = NULL;
    struct oxp_error why = {0};
    if (selectors->count == SELECTORS_MAX) {
        return oxp_error_set(error, OXP_ERR_LIMIT, 0, 0, "there may be %d match[] parameters", SELECTORS_MAX);
    }
    enum oxp_status status = oxp_promql_parse_selector(text, &expr, &why);
    if (status == OXP_ERR_NOMEM) {
        return oxp_error_set(error, status, 0, 0, "%s", oxp_status_text(status));
    }
    if (status != OXP_OK) {
        char message[sizeof why.text + 48];
        oxp_query_parse_error(&why, message, sizeof message);
        return oxp_error_set(error, status, 0, 0, "%s", message);
    }
    if (!narrows(expr->root)) {
        oxp_promql_expr_free(expr);
        return oxp_error_set(error, OXP_ERR_INVALID, 0, 0, "match[] must contain at least one non-empty matcher");
    }
    if (expr->regex_bytes > OXP_PROMQL_PATTERNS_MAX - selectors->regex_bytes) {
        oxp_promql_expr_free(expr);
        return oxp_error_set(error, OXP_ERR_LIMIT, 0, 0, "the regular expressions take more than %zu MiB",
                             OXP_PROMQL_PATTERNS_MAX >> 20);
    }
    struct oxp_promql_expr **grown =
        realloc(selectors->exprs, (selectors->count + 1) * sizeof(struct oxp_promql_expr *));
    if (grown == NULL) {
        oxp_promql_expr_free(expr);
        return oxp_error_set(error, OXP_ERR_NOMEM, 0, 0, "%s", oxp_status_text(OXP_ERR_NOMEM));
    }
    selectors->exprs = grown;
    selectors->regex_bytes += expr->regex_bytes;
    selectors->exprs[selectors->count++] = expr;
    return OXP_OK;
}

void oxp_query_selectors_fini(struct oxp_query_selectors *selectors) {
    for (size_t i = 0; i < selectors->count; i++) {
        oxp_promql_expr_free(selectors->exprs[i]);
    }
    free(selectors->exprs);
    *selectors = (struct oxp_query_selectors){0};
}

bool oxp_query_selectors_accept(const struct oxp_query_selectors *selectors, size_t count,
                                const struct oxp_labels *labels) {
    for (size_t i = 0; i < count; i++) {
        const struct oxp_promql_node *node = selectors->exprs[i]->root;
        if (oxp_matchers_accept(node->selector.matchers, node->selector.matcher_count, labels)) {
            return true;
        }
    }
    return false;
}

/* NOLINTNEXTLINE(misc-no-recursion): the tree's height is at most OXP_PROMQL_DEPTH */
bool oxp_query_each_selector(const struct oxp_promql_node *node,
                             bool (*each)(void *ctx, const struct oxp_promql_node *selector), void *ctx) {
    switch (node->kind) {
    case OXP_NODE_NUMBER:
    case OXP_NODE_STRING:
        return true;
    case OXP_NODE_SELECTOR:
        return each(ctx, node);
    case OXP_NODE_RANGE:
        return each(ctx, node->range.selector);
    case OXP_NODE_SUBQUERY:
        return oxp_query_each_selector(node->subquery.expr, each, ctx);
    case OXP_NODE_CALL:
        for (size_t i = 0; i < node->call.arg_count; i++) {
            if (!oxp_query_each_selector(node->call.args[i], each, ctx)) {
                return false;
            }
        }
        return true;
    case OXP_NODE_AGGREGATE:
        return (node->aggregate.param == NULL || oxp_query_each_selector(node->aggregate.param, each, ctx)) &&
               oxp_query_each_selector(node->aggregate.expr, each, ctx);
    case OXP_NODE_BINARY:
        return oxp_query_each_selector(node->binary.left, each, ctx) &&
               oxp_query_each_selector(node->binary.right, each, ctx);
    case OXP_NODE_UNARY:
        return oxp_query_each_selector(node->unary.expr, each, ctx);
    case OXP_NODE_PAREN:
        return oxp_query_each_selector(node->paren, each, ctx);
    }
    return true;
}
