/* Any bytes as an expression of PromQL. Beside not crashing: a refusal has its reason and its place; of a tree every
 * node lies within its text and its parent, has children of the types that its kind takes, and is no higher than
 * allowed; its printed form parses and prints as itself. The same bytes as a selector and as a duration. */
#include "alerts/promql/functions.h"
#include "alerts/promql/parse.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds) {
    if (!holds) {
        abort();
    }
}

static void check_node(const struct oxp_promql_node *node);

/* NOLINTNEXTLINE(misc-no-recursion): the tree's height is at most OXP_PROMQL_DEPTH */
static void check_child(const struct oxp_promql_node *node, const struct oxp_promql_node *child) {
    check(child->height < node->height && child->start >= node->start && child->end <= node->end);
    check_node(child);
}

static void check_choice(const struct oxp_label_choice *choice, size_t written) {
    check(choice->count <= written && (choice->count == 0) == (written == 0));
    for (size_t i = 1; i < choice->count; i++) {
        check(oxp_symbol_compare(choice->names[i - 1], choice->names[i]) < 0);
    }
}

static bool is_operand(const struct oxp_promql_node *node) {
    return node->type == OXP_PROMQL_SCALAR || node->type == OXP_PROMQL_VECTOR;
}

/* NOLINTNEXTLINE(misc-no-recursion): the tree's height is at most OXP_PROMQL_DEPTH */
static void check_binary(const struct oxp_promql_node *node) {
    bool vectors = node->binary.left->type == OXP_PROMQL_VECTOR && node->binary.right->type == OXP_PROMQL_VECTOR;
    check_child(node, node->binary.left);
    check_child(node, node->binary.right);
    check(is_operand(node->binary.left) && is_operand(node->binary.right));
    check(!node->binary.return_bool || oxp_promql_is_comparison(node->binary.op));
    check(vectors ? node->binary.matching.without != node->binary.matching_on
                  : node->binary.matching.count == 0 && node->binary.include_count == 0 &&
                        !oxp_promql_is_set(node->binary.op));
    check(oxp_promql_is_set(node->binary.op) == (node->binary.cardinality == OXP_CARD_MANY_TO_MANY));
    check_choice(&node->binary.matching, node->binary.written_count);
}

/* NOLINTNEXTLINE(misc-no-recursion): the tree's height is at most OXP_PROMQL_DEPTH */
static void check_node(const struct oxp_promql_node *node) {
    check(node->height >= 1 && node->height <= OXP_PROMQL_DEPTH && node->start < node->end);
    switch (node->kind) {
    case OXP_NODE_NUMBER:
        check(node->type == OXP_PROMQL_SCALAR && node->step_invariant);
        break;
    case OXP_NODE_STRING:
        check(node->type == OXP_PROMQL_STRING && node->string.ptr != NULL);
        break;
    case OXP_NODE_SELECTOR:
        check(node->type == OXP_PROMQL_VECTOR && node->selector.matcher_count > 0);
        check(node->step_invariant == (node->selector.when.at != OXP_AT_NONE));
        break;
    case OXP_NODE_RANGE:
        check(node->range.selector->kind == OXP_NODE_SELECTOR && node->range.range_ms >= 0);
        check_child(node, node->range.selector);
        break;
    case OXP_NODE_SUBQUERY:
        check(node->subquery.expr->type == OXP_PROMQL_VECTOR && node->subquery.range_ms >= 0);
        check(node->subquery.step_ms >= 0);
        check_child(node, node->subquery.expr);
        break;
    case OXP_NODE_CALL:
        check(node->type == node->call.function->returns && node->call.function->kind != OXP_FUNCTION_REFUSED);
        for (size_t i = 0; i < node->call.arg_count; i++) {
            check_child(node, node->call.args[i]);
        }
        break;
    case OXP_NODE_AGGREGATE:
        check(node->aggregate.expr->type == OXP_PROMQL_VECTOR);
        check_child(node, node->aggregate.expr);
        check_choice(&node->aggregate.grouping, node->aggregate.written_count);
        if (node->aggregate.param != NULL) {
            check_child(node, node->aggregate.param);
        }
        break;
    case OXP_NODE_BINARY:
        check_binary(node);
        break;
    case OXP_NODE_UNARY:
        check(is_operand(node->unary.expr) && node->type == node->unary.expr->type);
        check_child(node, node->unary.expr);
        break;
    case OXP_NODE_PAREN:
        check(node->type == node->paren->type);
        check_child(node, node->paren);
        break;
    }
}

static void check_refusal(enum oxp_status status, const struct oxp_error *error, size_t size) {
    check(status == OXP_ERR_SYNTAX || status == OXP_ERR_UNSUPPORTED || status == OXP_ERR_LIMIT);
    check(error->text[0] != '\0' && error->column <= size + 1);
    check((error->line == 0) == (error->column == 0) && (error->line != 0 || size == 0));
}

/* Printed, parsed and printed again: the same text. What is printed may be longer than a text may be, or, a sign having
 * been lost in a number, not be refused as the text was. */
static void check_print(const struct oxp_promql_expr *expr) {
    struct oxp_promql_expr *again = NULL;
    struct oxp_error error = {0};
    struct oxp_buf once, twice;
    oxp_buf_init(&once, 0);
    oxp_buf_init(&twice, 0);
    oxp_promql_print(&once, expr->root);
    check(oxp_buf_status(&once) == OXP_OK);
    if (memmem(once.data, once.len, "+Inf ^", 6) != NULL) {
        /* Prometheus prints Inf with its sign, which before ^ reads as a sign of the whole power */
        oxp_buf_fini(&once);
        oxp_buf_fini(&twice);
        return;
    }
    enum oxp_status status = oxp_promql_parse(oxp_buf_view(&once), &again, &error);
    if (status == OXP_OK) {
        oxp_promql_print(&twice, again->root);
        check(oxp_view_equal(oxp_buf_view(&once), oxp_buf_view(&twice)));
    } else {
        check(status == OXP_ERR_LIMIT);
    }
    oxp_promql_expr_free(again);
    oxp_buf_fini(&once);
    oxp_buf_fini(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct oxp_view text = oxp_view_of((const char *)data, size);
    struct oxp_promql_expr *expr = NULL;
    struct oxp_error error = {0};
    int64_t ms = -1;
    enum oxp_status status = oxp_promql_parse(text, &expr, &error);
    if (status == OXP_OK) {
        check_node(expr->root);
        check(expr->root->end <= size && expr->reach_ms >= 0);
        check_print(expr);
    } else {
        check(expr == NULL);
        check_refusal(status, &error, size);
    }
    oxp_promql_expr_free(expr);
    error = (struct oxp_error){0};
    status = oxp_promql_parse_selector(text, &expr, &error);
    check(status == OXP_OK ? expr->root->kind == OXP_NODE_SELECTOR : expr == NULL);
    if (status != OXP_OK) {
        check_refusal(status, &error, size);
    }
    oxp_promql_expr_free(expr);
    check(oxp_promql_parse_duration(text, &ms) == OXP_OK ? ms >= 0 : ms == -1);
    return 0;
}
