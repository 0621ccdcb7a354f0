/* Tree to text, as Prometheus' Expr.String() (promql/parser/printer.go): what is printed parses to the same tree. */
#include <math.h>
#include <stdlib.h>

#include "alerts/promql/functions.h"
#include "alerts/promql/lexer.h"
#include "alerts/promql/parse.h"
#include "lib/base/number.h"

/* ---- Numbers ---- */

static void print_number(struct oxp_buf *out, const struct oxp_promql_node *node) {
    double value = node->number.value;
    if (!node->number.duration) {
        char text[OXP_NUMBER_POSITIONAL_MAX];
        oxp_buf_append(out, text, oxp_number_positional(text, value));
        return;
    }
    /* a literal is whole milliseconds and never out of range */
    oxp_promql_print_duration(out, llround(value * 1000));
}

/* ---- Labels ---- */

static bool is_plain_name(struct oxp_view name) {
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        bool letter = c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!letter && !(i > 0 && c >= '0' && c <= '9')) {
            return false;
        }
    }
    return name.len != 0;
}

static void print_name(struct oxp_buf *out, struct oxp_view name, bool bare) {
    if (bare) {
        oxp_buf_append_view(out, name);
    } else {
        oxp_text_quote(out, name);
    }
}

static void print_names(struct oxp_buf *out, const struct oxp_symbol *const *names, size_t count) {
    oxp_buf_append_text(out, " (");
    for (size_t i = 0; i < count; i++) {
        oxp_buf_append_text(out, i == 0 ? "" : ", ");
        struct oxp_view name = oxp_symbol_view(names[i]);
        print_name(out, name, is_plain_name(name) && oxp_word_names_label(name));
    }
    oxp_buf_append_char(out, ')');
}

/* ---- Selectors ---- */

/* A matcher as printed: they stand in the order of their texts. */
struct piece {
    struct oxp_view text;
};

static int compare_pieces(const void *a, const void *b) {
    struct oxp_view x = ((const struct piece *)a)->text, y = ((const struct piece *)b)->text;
    size_t common = x.len < y.len ? x.len : y.len;
    int order = common == 0 ? 0 : memcmp(x.ptr, y.ptr, common);
    return order != 0 ? order : (x.len > y.len) - (x.len < y.len);
}

/* The matcher that the name before the braces stands for; never one of an empty name. */
static bool is_named(const struct oxp_promql_node *node, const struct oxp_matcher *matcher) {
    return matcher->op == OXP_MATCH_EQUAL && matcher->value->len != 0 &&
           oxp_view_is(oxp_symbol_view(matcher->name), OXP_NAME_LABEL) &&
           oxp_view_equal(oxp_symbol_view(matcher->value), node->selector.name);
}

static void print_matcher(struct oxp_buf *out, const struct oxp_matcher *matcher) {
    struct oxp_view name = oxp_symbol_view(matcher->name);
    print_name(out, name, is_plain_name(name));
    oxp_buf_append_text(out, oxp_match_op_text(matcher->op));
    oxp_text_quote(out, oxp_symbol_view(matcher->value));
}

static void print_matchers(struct oxp_buf *out, const struct oxp_promql_node *node) {
    size_t count = node->selector.matcher_count, pieces = 0, *ends = NULL;
    struct piece *piece = NULL;
    struct oxp_buf all;
    oxp_buf_init(&all, 0);
    if (count == 0) {
        return;
    }
    piece = calloc(count, sizeof *piece);
    ends = calloc(count, sizeof *ends);
    if (piece == NULL || ends == NULL) {
        out->status = out->status == OXP_OK ? OXP_ERR_NOMEM : out->status;
        goto done;
    }
    for (size_t i = 0; i < count; i++) {
        if (!is_named(node, &node->selector.matchers[i])) {
            print_matcher(&all, &node->selector.matchers[i]);
            ends[pieces++] = all.len;
        }
    }
    if (oxp_buf_status(&all) != OXP_OK) {
        out->status = out->status == OXP_OK ? oxp_buf_status(&all) : out->status;
        goto done;
    }
    for (size_t i = 0, at = 0; i < pieces; at = ends[i++]) { /* the bytes stay where they are from now on */
        piece[i].text = oxp_view_of(all.data + at, ends[i] - at);
    }
    qsort(piece, pieces, sizeof *piece, compare_pieces);
    oxp_buf_append_text(out, pieces == 0 ? "" : "{");
    for (size_t i = 0; i < pieces; i++) {
        oxp_buf_append_text(out, i == 0 ? "" : ",");
        oxp_buf_append_view(out, piece[i].text);
    }
    oxp_buf_append_text(out, pieces == 0 ? "" : "}");
done:
    free(piece);
    free(ends);
    oxp_buf_fini(&all);
}

static void print_when(struct oxp_buf *out, const struct oxp_promql_when *when) {
    int64_t ms = when->at_ms;
    switch (when->at) {
    case OXP_AT_NONE:
        break;
    case OXP_AT_TIME:
        oxp_buf_append_format(out, " @ %s%lld.%03lld", ms < 0 ? "-" : "", (long long)llabs(ms / 1000),
                              (long long)llabs(ms % 1000));
        break;
    case OXP_AT_START:
    case OXP_AT_END:
        oxp_buf_append_text(out, when->at == OXP_AT_START ? " @ start()" : " @ end()");
        break;
    }
    if (when->offset_ms != 0) {
        oxp_buf_append_text(out, " offset ");
        oxp_promql_print_duration(out, when->offset_ms);
    }
}

static void print_selector(struct oxp_buf *out, const struct oxp_promql_node *node) {
    oxp_buf_append_view(out, node->selector.name);
    print_matchers(out, node);
}

/* ---- What holds expressions ---- */

static void print_matching(struct oxp_buf *out, const struct oxp_promql_node *node) {
    bool grouped = node->binary.cardinality == OXP_CARD_MANY_TO_ONE || node->binary.cardinality == OXP_CARD_ONE_TO_MANY;
    if (node->binary.written_count != 0 || node->binary.matching_on || grouped) {
        oxp_buf_append_text(out, node->binary.matching_on ? " on" : " ignoring");
        print_names(out, node->binary.written, node->binary.written_count);
    }
    if (grouped) {
        oxp_buf_append_text(out, node->binary.cardinality == OXP_CARD_MANY_TO_ONE ? " group_left" : " group_right");
        print_names(out, node->binary.include, node->binary.include_count);
    }
}

/* NOLINTNEXTLINE(misc-no-recursion): the tree's height is at most OXP_PROMQL_DEPTH */
static void print_binary(struct oxp_buf *out, const struct oxp_promql_node *node) {
    oxp_promql_print(out, node->binary.left);
    oxp_buf_append_char(out, ' ');
    oxp_buf_append_text(out, oxp_promql_op_text(node->binary.op));
    oxp_buf_append_text(out, node->binary.return_bool ? " bool" : "");
    print_matching(out, node);
    oxp_buf_append_char(out, ' ');
    oxp_promql_print(out, node->binary.right);
}

/* NOLINTNEXTLINE(misc-no-recursion): the tree's height is at most OXP_PROMQL_DEPTH */
static void print_aggregate(struct oxp_buf *out, const struct oxp_promql_node *node) {
    oxp_buf_append_text(out, oxp_promql_aggregation_text(node->aggregate.op));
    if (node->aggregate.grouping.without || node->aggregate.written_count != 0) {
        oxp_buf_append_text(out, node->aggregate.grouping.without ? " without" : " by");
        print_names(out, node->aggregate.written, node->aggregate.written_count);
        oxp_buf_append_char(out, ' ');
    }
    oxp_buf_append_char(out, '(');
    if (node->aggregate.param != NULL) {
        oxp_promql_print(out, node->aggregate.param);
        oxp_buf_append_text(out, ", ");
    }
    oxp_promql_print(out, node->aggregate.expr);
    oxp_buf_append_char(out, ')');
}

/* NOLINTNEXTLINE(misc-no-recursion): the tree's height is at most OXP_PROMQL_DEPTH */
static void print_call(struct oxp_buf *out, const struct oxp_promql_node *node) {
    oxp_buf_append_text(out, node->call.function->name);
    oxp_buf_append_char(out, '(');
    for (size_t i = 0; i < node->call.arg_count; i++) {
        oxp_buf_append_text(out, i == 0 ? "" : ", ");
        oxp_promql_print(out, node->call.args[i]);
    }
    oxp_buf_append_char(out, ')');
}

/* NOLINTNEXTLINE(misc-no-recursion): the tree's height is at most OXP_PROMQL_DEPTH */
static void print_subquery(struct oxp_buf *out, const struct oxp_promql_node *node) {
    oxp_promql_print(out, node->subquery.expr);
    oxp_buf_append_char(out, '[');
    oxp_promql_print_duration(out, node->subquery.range_ms);
    oxp_buf_append_char(out, ':');
    if (node->subquery.step_ms != 0) {
        oxp_promql_print_duration(out, node->subquery.step_ms);
    }
    oxp_buf_append_char(out, ']');
    print_when(out, &node->subquery.when);
}

/* NOLINTNEXTLINE(misc-no-recursion): the tree's height is at most OXP_PROMQL_DEPTH */
void oxp_promql_print(struct oxp_buf *out, const struct oxp_promql_node *node) {
    switch (node->kind) {
    case OXP_NODE_NUMBER:
        print_number(out, node);
        break;
    case OXP_NODE_STRING:
        oxp_text_quote(out, node->string);
        break;
    case OXP_NODE_SELECTOR:
        print_selector(out, node);
        print_when(out, &node->selector.when);
        break;
    case OXP_NODE_RANGE:
        print_selector(out, node->range.selector);
        oxp_buf_append_char(out, '[');
        oxp_promql_print_duration(out, node->range.range_ms);
        oxp_buf_append_char(out, ']');
        print_when(out, &node->range.selector->selector.when);
        break;
    case OXP_NODE_SUBQUERY:
        print_subquery(out, node);
        break;
    case OXP_NODE_CALL:
        print_call(out, node);
        break;
    case OXP_NODE_AGGREGATE:
        print_aggregate(out, node);
        break;
    case OXP_NODE_BINARY:
        print_binary(out, node);
        break;
    case OXP_NODE_UNARY:
        oxp_buf_append_char(out, node->unary.minus ? '-' : '+');
        oxp_promql_print(out, node->unary.expr);
        break;
    case OXP_NODE_PAREN:
        oxp_buf_append_char(out, '(');
        oxp_promql_print(out, node->paren);
        oxp_buf_append_char(out, ')');
        break;
    }
}
