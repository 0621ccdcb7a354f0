/* A PromQL expression as a typed tree (https://prometheus.io/docs/prometheus/latest/querying/basics/).
 *
 * Immutable once parsed; lives in the arena of its struct oxp_promql_expr (parse.h); any number of threads may evaluate
 * it at the same time. Every node knows its type and its place in the text (bytes from 0, end exclusive). */
#ifndef OXP_PROMQL_TREE_H
#define OXP_PROMQL_TREE_H

#include "alerts/tsdb/matcher.h"

enum oxp_promql_type {
    OXP_PROMQL_SCALAR, /* "scalar" */
    OXP_PROMQL_VECTOR, /* "instant vector" */
    OXP_PROMQL_MATRIX, /* "range vector" */
    OXP_PROMQL_STRING, /* "string" */
};

enum oxp_promql_kind {
    OXP_NODE_NUMBER,    /* 1.5, 0x1f, Inf, NaN, 5m */
    OXP_NODE_STRING,    /* "text" */
    OXP_NODE_SELECTOR,  /* up{job="x"} offset 5m @ 12 */
    OXP_NODE_RANGE,     /* selector[5m] */
    OXP_NODE_SUBQUERY,  /* expr[1h:5m] offset … @ … */
    OXP_NODE_CALL,      /* rate(…) */
    OXP_NODE_AGGREGATE, /* sum by (a) (…) */
    OXP_NODE_BINARY,    /* a + on (x) group_left (y) b */
    OXP_NODE_UNARY,     /* -a; a plus is kept, too */
    OXP_NODE_PAREN,     /* (a) */
};

enum oxp_promql_op {
    OXP_OP_ADD,
    OXP_OP_SUB,
    OXP_OP_MUL,
    OXP_OP_DIV,
    OXP_OP_MOD,
    OXP_OP_POW,
    OXP_OP_ATAN2,
    OXP_OP_EQL,
    OXP_OP_NEQ,
    OXP_OP_GTR,
    OXP_OP_LSS,
    OXP_OP_GTE,
    OXP_OP_LTE,
    OXP_OP_AND,
    OXP_OP_OR,
    OXP_OP_UNLESS,
};

enum oxp_promql_aggregation {
    OXP_AGG_SUM,
    OXP_AGG_AVG,
    OXP_AGG_COUNT,
    OXP_AGG_MIN,
    OXP_AGG_MAX,
    OXP_AGG_GROUP,
    OXP_AGG_STDDEV,
    OXP_AGG_STDVAR,
    OXP_AGG_TOPK,
    OXP_AGG_BOTTOMK,
    OXP_AGG_COUNT_VALUES,
    OXP_AGG_QUANTILE,
};

enum oxp_promql_cardinality { OXP_CARD_ONE_TO_ONE, OXP_CARD_MANY_TO_ONE, OXP_CARD_ONE_TO_MANY, OXP_CARD_MANY_TO_MANY };

/* `@` of a selector or subquery. */
enum oxp_promql_at { OXP_AT_NONE, OXP_AT_TIME, OXP_AT_START, OXP_AT_END };

struct oxp_promql_when { /* which moment a selector or subquery looks at */
    int64_t offset_ms;   /* subtracted; may be negative */
    enum oxp_promql_at at;
    int64_t at_ms; /* OXP_AT_TIME: unix milliseconds */
};

struct oxp_promql_function; /* a row of functions.def */

struct oxp_promql_node {
    enum oxp_promql_kind kind;
    enum oxp_promql_type type;
    uint32_t start, end; /* bytes of the text */
    uint32_t height;     /* nodes below each other from here on, this one included: at most OXP_PROMQL_DEPTH */
    /* True when the value is the same at every step (numbers, selectors with @, and what is made of nothing else):
     * evaluated once for a whole range. Not for calls such as time() that see the step. */
    bool step_invariant;
    union {
        struct {
            double value;
            bool duration; /* written as one: printed as one */
        } number;
        struct oxp_view string; /* unescaped */
        struct {
            struct oxp_view name; /* as written before the braces; empty when there is none */
            const struct oxp_matcher *matchers;
            size_t matcher_count; /* the name's included, as the last one */
            struct oxp_promql_when when;
        } selector;
        struct {
            const struct oxp_promql_node *selector; /* OXP_NODE_SELECTOR; offset and @ stand there */
            int64_t range_ms;
        } range;
        struct {
            const struct oxp_promql_node *expr;
            int64_t range_ms;
            int64_t step_ms; /* 0 = the default evaluation interval */
            struct oxp_promql_when when;
        } subquery;
        struct {
            const struct oxp_promql_function *function;
            const struct oxp_promql_node *const *args;
            size_t arg_count;
        } call;
        struct {
            enum oxp_promql_aggregation op;
            const struct oxp_promql_node *expr;
            const struct oxp_promql_node *param;     /* scalar or string; NULL when the aggregation takes none */
            struct oxp_label_choice grouping;        /* names sorted; `by ()` when nothing was written */
            bool grouped;                            /* by or without was written */
            const struct oxp_symbol *const *written; /* the names as written, for printing */
            size_t written_count;                    /* grouping.count, or more when a name was written twice */
        } aggregate;
        struct {
            enum oxp_promql_op op;
            const struct oxp_promql_node *left, *right;
            bool return_bool;
            /* both sides vectors (else all is empty): */
            enum oxp_promql_cardinality cardinality;
            bool matching_on;                        /* on (…) was written */
            struct oxp_label_choice matching;        /* on: only these; ignoring, or nothing written: all but these */
            const struct oxp_symbol *const *include; /* labels of group_left (…), as written */
            size_t include_count;
            const struct oxp_symbol *const *written; /* on's or ignoring's labels as written */
            size_t written_count;                    /* matching.count, or more when a name was written twice */
        } binary;
        struct {
            bool minus;
            const struct oxp_promql_node *expr;
        } unary;
        const struct oxp_promql_node *paren;
    };
};

/* "scalar", "instant vector", "range vector", "string": as error messages name a type. */
const char *oxp_promql_type_text(enum oxp_promql_type type);
/* "scalar", "vector", "matrix", "string": as the HTTP API names the type of a result. */
const char *oxp_promql_type_json(enum oxp_promql_type type);
/* "+", "and", "sum" … */
const char *oxp_promql_op_text(enum oxp_promql_op op);
const char *oxp_promql_aggregation_text(enum oxp_promql_aggregation op);
static inline bool oxp_promql_is_comparison(enum oxp_promql_op op) {
    return op >= OXP_OP_EQL && op <= OXP_OP_LTE;
}
static inline bool oxp_promql_is_set(enum oxp_promql_op op) {
    return op >= OXP_OP_AND;
}
/* The expression inside any parentheses. */
const struct oxp_promql_node *oxp_promql_bare(const struct oxp_promql_node *node);
/* Prints a tree as Prometheus' Expr.String() does: one line, normal spacing, durations as 1h30m. */
void oxp_promql_print(struct oxp_buf *out, const struct oxp_promql_node *node);

#endif
