/* The walk over the tree: each node from the vectors of the nodes below it. The depth is bounded by the parser. */
#include "alerts/promql/eval.h"
#include "alerts/promql/selector.h"

enum oxp_status oxp_eval_merged(struct oxp_eval *eval, enum oxp_status status) {
    if (status == OXP_ERR_INVALID) {
        return oxp_query_fail(eval->query, status, "vector cannot contain metrics with the same labelset");
    }
    return status == OXP_OK ? OXP_OK : oxp_query_memory(eval->query);
}

double *oxp_eval_single(struct oxp_eval *eval, struct oxp_vector *out) {
    const struct oxp_column *column = oxp_vector_add(&eval->query->arena, out, oxp_labels_none(), NULL, eval->steps);
    return column == NULL ? NULL : column->value;
}

static enum oxp_status eval_number(struct oxp_eval *eval, const struct oxp_promql_node *node, struct oxp_vector *out) {
    double *values = oxp_eval_single(eval, out);
    if (values == NULL) {
        return oxp_query_memory(eval->query);
    }
    for (size_t step = 0; step < eval->steps; step++) {
        values[step] = node->number.value;
    }
    return OXP_OK;
}

static enum oxp_status eval_selector(struct oxp_eval *eval, const struct oxp_promql_node *node,
                                     struct oxp_vector *out) {
    return oxp_selector_eval(eval, node, false, out);
}

static enum oxp_status eval_aggregate(struct oxp_eval *eval, const struct oxp_promql_node *node,
                                      struct oxp_vector *out) {
    const struct oxp_promql_node *param = node->aggregate.param;
    struct oxp_vector param_vector = {0}, input = {0};
    struct oxp_view text = {0};
    const double *values = NULL;
    if (param != NULL && param->type == OXP_PROMQL_STRING) {
        text = oxp_promql_bare(param)->string;
    } else if (param != NULL) {
        enum oxp_status status = oxp_eval_node(eval, param, &param_vector);
        if (status != OXP_OK || param_vector.count == 0) { /* a scalar always has its column */
            return status;
        }
        values = param_vector.columns[0].value;
    }
    enum oxp_status status = oxp_eval_node(eval, node->aggregate.expr, &input);
    return status != OXP_OK ? status : oxp_eval_aggregate(eval, node, &input, values, text, out);
}

static enum oxp_status eval_binary(struct oxp_eval *eval, const struct oxp_promql_node *node, struct oxp_vector *out) {
    struct oxp_vector left = {0}, right = {0};
    enum oxp_status status = oxp_eval_node(eval, node->binary.left, &left);
    if (status == OXP_OK) {
        status = oxp_eval_node(eval, node->binary.right, &right);
    }
    return status != OXP_OK ? status : oxp_eval_binary(eval, node, &left, &right, out);
}

static enum oxp_status eval_unary(struct oxp_eval *eval, const struct oxp_promql_node *node, struct oxp_vector *out) {
    enum oxp_status status = oxp_eval_node(eval, node->unary.expr, out);
    return status == OXP_OK && node->unary.minus ? oxp_eval_negate(eval, out) : status;
}

static enum oxp_status eval_paren(struct oxp_eval *eval, const struct oxp_promql_node *node, struct oxp_vector *out) {
    return oxp_eval_node(eval, node->paren, out);
}

static enum oxp_status (*const evaluators[])(struct oxp_eval *eval, const struct oxp_promql_node *node,
                                             struct oxp_vector *out) = {
    [OXP_NODE_NUMBER] = eval_number,       [OXP_NODE_SELECTOR] = eval_selector, [OXP_NODE_CALL] = oxp_eval_call,
    [OXP_NODE_AGGREGATE] = eval_aggregate, [OXP_NODE_BINARY] = eval_binary,     [OXP_NODE_UNARY] = eval_unary,
    [OXP_NODE_PAREN] = eval_paren, /* a string, a range and a subquery are no vectors */
};

/* What is the same at every step is worked out at the first, and its value written to all. */
static enum oxp_status spread(struct oxp_eval *eval, const struct oxp_promql_node *node, struct oxp_vector *out) {
    struct oxp_query_state *query = eval->query;
    struct oxp_eval once = {.query = query, .start_ms = eval->start_ms, .step_ms = 1, .steps = 1};
    enum oxp_status status = evaluators[node->kind](&once, node, out);
    for (size_t i = 0; status == OXP_OK && i < out->count; i++) {
        const double value = out->columns[i].value[0];
        double *values = oxp_column_values(&query->arena, eval->steps);
        if (values == NULL) {
            return oxp_query_memory(query);
        }
        for (size_t step = 0; step < eval->steps; step++) {
            values[step] = value;
        }
        out->columns[i].value = values;
        status = oxp_query_check(query, 0);
    }
    return status;
}

enum oxp_status oxp_eval_node(struct oxp_eval *eval, const struct oxp_promql_node *node, struct oxp_vector *out) {
    *out = (struct oxp_vector){0};
    if (node->kind >= sizeof evaluators / sizeof evaluators[0] || evaluators[node->kind] == NULL) {
        return oxp_query_fail(eval->query, OXP_ERR_INVALID, "unexpected expression of type \"%s\"",
                              oxp_promql_type_text(node->type));
    }
    enum oxp_status status = oxp_query_check(eval->query, 0);
    if (status != OXP_OK) {
        return status;
    }
    if (node->step_invariant && eval->steps > 1 && node->kind != OXP_NODE_NUMBER) {
        return spread(eval, node, out);
    }
    status = evaluators[node->kind](eval, node, out);
    return status == OXP_OK ? oxp_query_work(eval->query, (uint64_t)out->count * eval->steps) : status;
}
