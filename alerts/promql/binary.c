/* Arithmetic and comparisons along arrays, and what needs no matching: scalars, a vector with a scalar, the unary
 * minus.
 *
 * An absent value is a NaN that calculating with would make an ordinary NaN, so each loop looks at both sides and puts
 * the absent value back; it does so without a branch, for the compiler to use wide registers. Remainder and power are
 * those of C, which agree with Go's math.Mod and math.Pow in every special case (C17 annex F.10). */
#include "alerts/promql/binary.h"

#include <math.h>

typedef void kernel_fn(const struct oxp_operands *operands);

#define LOOP(name, result)                                                                                             \
    static void name(const struct oxp_operands *operands) {                                                            \
        const double absent = oxp_absent();                                                                            \
        for (size_t i = 0; i < operands->steps; i++) {                                                                 \
            double a = operands->left[i], b = operands->right[i], kept = operands->keep[i], value = (result);          \
            (void)kept; /* read in any case, so that nothing need be jumped over */                                    \
            operands->out[i] = oxp_is_absent(a) || oxp_is_absent(b) ? absent : value;                                  \
        }                                                                                                              \
    }
#define COMPARISON(name, operator)                                                                                     \
    LOOP(keep_##name, a operator b ? kept : absent)                                                                    \
    LOOP(bool_##name, a operator b ? 1.0 : 0.0)

LOOP(add, a + b)
LOOP(subtract, a - b)
LOOP(multiply, (a * b))
LOOP(divide, a / b)
LOOP(remainder_of, fmod(a, b))
LOOP(power, pow(a, b))
LOOP(arc_tangent, atan2(a, b))
COMPARISON(equal, ==)
COMPARISON(unequal, !=)
COMPARISON(greater, >)
COMPARISON(less, <)
COMPARISON(at_least, >=)
COMPARISON(at_most, <=)

static const struct {
    kernel_fn *plain, *with_bool;
} kernels[] = {
    [OXP_OP_ADD] = {add, NULL},
    [OXP_OP_SUB] = {subtract, NULL},
    [OXP_OP_MUL] = {multiply, NULL},
    [OXP_OP_DIV] = {divide, NULL},
    [OXP_OP_MOD] = {remainder_of, NULL},
    [OXP_OP_POW] = {power, NULL},
    [OXP_OP_ATAN2] = {arc_tangent, NULL},
    [OXP_OP_EQL] = {keep_equal, bool_equal},
    [OXP_OP_NEQ] = {keep_unequal, bool_unequal},
    [OXP_OP_GTR] = {keep_greater, bool_greater},
    [OXP_OP_LSS] = {keep_less, bool_less},
    [OXP_OP_GTE] = {keep_at_least, bool_at_least},
    [OXP_OP_LTE] = {keep_at_most, bool_at_most},
};

void oxp_operate(enum oxp_promql_op op, bool return_bool, const struct oxp_operands *operands) {
    kernel_fn *with_bool = kernels[op].with_bool;
    (return_bool && with_bool != NULL ? with_bool : kernels[op].plain)(operands);
}

enum oxp_status oxp_query_merge(struct oxp_eval *eval, struct oxp_vector *vector) {
    enum oxp_status status = oxp_vector_merge(&eval->query->arena, vector, eval->steps);
    if (status == OXP_ERR_INVALID) {
        return oxp_query_fail(eval->query, status, "vector cannot contain metrics with the same labelset");
    }
    return status == OXP_OK ? status : oxp_query_memory(eval->query);
}

static enum oxp_status drop_names(struct oxp_eval *eval, struct oxp_vector *vector) {
    enum oxp_status status = oxp_vector_drop_names(&eval->query->arena, vector, eval->steps);
    if (status == OXP_ERR_INVALID) {
        return oxp_query_fail(eval->query, status, "vector cannot contain metrics with the same labelset");
    }
    return status == OXP_OK ? status : oxp_query_memory(eval->query);
}

/* In place. `swap`: the scalar stands on the left; a comparison keeps the vector's value all the same. */
static enum oxp_status vector_scalar(struct oxp_eval *eval, const struct oxp_promql_node *node,
                                     struct oxp_vector *vector, const double *scalar, bool swap) {
    for (size_t i = 0; i < vector->count; i++) {
        double *values = vector->columns[i].value;
        struct oxp_operands operands = {
            .left = swap ? scalar : values,
            .right = swap ? values : scalar,
            .keep = values,
            .out = values,
            .steps = eval->steps,
        };
        oxp_operate(node->binary.op, node->binary.return_bool, &operands);
        enum oxp_status status = oxp_query_check(eval->query, 0);
        if (status != OXP_OK) {
            return status;
        }
    }
    if (oxp_binary_drops_name(node)) {
        return drop_names(eval, vector);
    }
    oxp_vector_compact(vector, eval->steps);
    return OXP_OK;
}

enum oxp_status oxp_eval_binary(struct oxp_eval *eval, const struct oxp_promql_node *node, struct oxp_vector *left,
                                struct oxp_vector *right, struct oxp_vector *out) {
    bool left_scalar = node->binary.left->type == OXP_PROMQL_SCALAR;
    bool right_scalar = node->binary.right->type == OXP_PROMQL_SCALAR;
    if (left_scalar && right_scalar) {
        /* A comparison has bool here (the parser sees to it), so the result is never absent. */
        struct oxp_operands operands = {.left = left->columns[0].value,
                                        .right = right->columns[0].value,
                                        .keep = left->columns[0].value,
                                        .out = left->columns[0].value,
                                        .steps = eval->steps};
        oxp_operate(node->binary.op, true, &operands);
        *out = *left;
        return OXP_OK;
    }
    if (left_scalar || right_scalar) {
        *out = left_scalar ? *right : *left;
        const double *scalar = (left_scalar ? left : right)->columns[0].value;
        return vector_scalar(eval, node, out, scalar, left_scalar);
    }
    return oxp_promql_is_set(node->binary.op) ? oxp_match_set(eval, node, left, right, out)
                                              : oxp_match_arithmetic(eval, node, left, right, out);
}

enum oxp_status oxp_eval_negate(struct oxp_eval *eval, struct oxp_vector *vector) {
    const double absent = oxp_absent();
    for (size_t i = 0; i < vector->count; i++) {
        double *values = vector->columns[i].value;
        for (size_t step = 0; step < eval->steps; step++) {
            double negated = -values[step];
            values[step] = oxp_is_absent(values[step]) ? absent : negated;
        }
    }
    return drop_names(eval, vector);
}
