/* What the two halves of the binary operators share: arithmetic along arrays (binary.c) and the matching of two vectors
 * (matching.c). Not for users of the evaluator; owned by the thread that evaluates. */
#ifndef OXP_PROMQL_BINARY_H
#define OXP_PROMQL_BINARY_H

#include "alerts/promql/eval.h"

/* Arrays of `steps` values; absent on either side makes the result absent. `out` may be any of the others. */
struct oxp_operands {
    const double *left, *right;
    const double *keep; /* of comparisons without bool: what stays where they hold. Never NULL */
    double *out;
    size_t steps;
};
/* Any operator but and, or, unless. */
void oxp_operate(enum oxp_promql_op op, bool return_bool, const struct oxp_operands *operands);

/* True when the result is no longer what its name says: arithmetic, and comparisons that give 0 or 1. */
static inline bool oxp_binary_drops_name(const struct oxp_promql_node *node) {
    return node->binary.return_bool || node->binary.op <= OXP_OP_ATAN2;
}

/* Both sides vectors: arithmetic and comparisons. Takes over both sides; see oxp_eval_binary. */
enum oxp_status oxp_match_arithmetic(struct oxp_eval *eval, const struct oxp_promql_node *node, struct oxp_vector *left,
                                     struct oxp_vector *right, struct oxp_vector *out);
/* and, or, unless. */
enum oxp_status oxp_match_set(struct oxp_eval *eval, const struct oxp_promql_node *node, struct oxp_vector *left,
                              struct oxp_vector *right, struct oxp_vector *out);
/* Merges columns with equal labels, with the query's words when it fails (oxp_vector_merge). */
enum oxp_status oxp_query_merge(struct oxp_eval *eval, struct oxp_vector *vector);

#endif
