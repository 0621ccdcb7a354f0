#include "alerts/promql/tree.h"

static const struct {
    const char *text, *json;
} types[] = {
    [OXP_PROMQL_SCALAR] = {"scalar", "scalar"},
    [OXP_PROMQL_VECTOR] = {"instant vector", "vector"},
    [OXP_PROMQL_MATRIX] = {"range vector", "matrix"},
    [OXP_PROMQL_STRING] = {"string", "string"},
};

const char *oxp_promql_type_text(enum oxp_promql_type type) {
    return types[type].text;
}

const char *oxp_promql_type_json(enum oxp_promql_type type) {
    return types[type].json;
}

const char *oxp_promql_op_text(enum oxp_promql_op op) {
    static const char *const texts[] = {
        [OXP_OP_ADD] = "+",       [OXP_OP_SUB] = "-",   [OXP_OP_MUL] = "*",  [OXP_OP_DIV] = "/",
        [OXP_OP_MOD] = "%",       [OXP_OP_POW] = "^",   [OXP_OP_EQL] = "==", [OXP_OP_NEQ] = "!=",
        [OXP_OP_GTR] = ">",       [OXP_OP_LSS] = "<",   [OXP_OP_GTE] = ">=", [OXP_OP_LTE] = "<=",
        [OXP_OP_ATAN2] = "atan2", [OXP_OP_AND] = "and", [OXP_OP_OR] = "or",  [OXP_OP_UNLESS] = "unless",
    };
    return texts[op];
}

const char *oxp_promql_aggregation_text(enum oxp_promql_aggregation op) {
    static const char *const texts[] = {
        [OXP_AGG_SUM] = "sum",         [OXP_AGG_AVG] = "avg",           [OXP_AGG_COUNT] = "count",
        [OXP_AGG_MIN] = "min",         [OXP_AGG_MAX] = "max",           [OXP_AGG_GROUP] = "group",
        [OXP_AGG_STDDEV] = "stddev",   [OXP_AGG_STDVAR] = "stdvar",     [OXP_AGG_TOPK] = "topk",
        [OXP_AGG_BOTTOMK] = "bottomk", [OXP_AGG_QUANTILE] = "quantile", [OXP_AGG_COUNT_VALUES] = "count_values",
    };
    return texts[op];
}

const struct oxp_promql_node *oxp_promql_bare(const struct oxp_promql_node *node) {
    while (node->kind == OXP_NODE_PAREN) {
        node = node->paren;
    }
    return node;
}
