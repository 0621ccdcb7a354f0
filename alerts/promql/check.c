/* What can only be said of a finished tree, in one walk from the leaves up, in Prometheus' order (checkAST of
 * promql/parser/parse.go), so that of several faults the same one is told. The same walk marks what is the same at
 * every step (preprocessExprHelper of promql/engine.go) and sums up how far back a node looks. */
#include "alerts/promql/functions.h"
#include "alerts/promql/parser.h"

/* How far back a node looks: NOWHERE when it reads no sample, ANYWHERE when an @ names a time of its own. */
#define NOWHERE INT64_MIN
#define ANYWHERE INT64_MAX

/* The tree is still the parser's own: nodes below may be written. */
static struct oxp_promql_node *own(const struct oxp_promql_node *node) {
    return (struct oxp_promql_node *)node;
}

static int64_t later(int64_t a, int64_t b) {
    return a > b ? a : b;
}

/* A reach moved back by `ms`. */
static int64_t moved(int64_t reach, int64_t ms) {
    int64_t sum = 0;
    if (reach == NOWHERE || reach == ANYWHERE) {
        return reach;
    }
    return __builtin_add_overflow(reach, ms, &sum) ? ANYWHERE : sum;
}

static int64_t moved_to(int64_t reach, const struct oxp_promql_when *when) {
    return reach != NOWHERE && when->at == OXP_AT_TIME ? ANYWHERE : moved(reach, when->offset_ms);
}

/* One node and all below it; `reach` gets how far back it looks. */
static enum oxp_status check(const struct oxp_source *source, struct oxp_promql_node *node, int64_t *reach);

#define FAIL(source, at, ...) oxp_source_fail((source), OXP_ERR_SYNTAX, (at), __VA_ARGS__)

/* ---- Selectors ---- */

static enum oxp_status check_selector(const struct oxp_source *source, struct oxp_promql_node *node, int64_t *reach) {
    size_t count = node->selector.matcher_count;
    const struct oxp_matcher *matchers = node->selector.matchers;
    node->step_invariant = node->selector.when.at != OXP_AT_NONE;
    *reach = moved_to(0, &node->selector.when);
    if (node->selector.name.len != 0) { /* its matcher is the last one */
        for (size_t i = 0; i + 1 < count; i++) {
            if (oxp_view_is(oxp_symbol_view(matchers[i].name), OXP_NAME_LABEL)) {
                return FAIL(source, node->start, "metric name must not be set twice: %s or %s",
                            OXP_QUOTED(node->selector.name), OXP_QUOTED(oxp_symbol_view(matchers[i].value)));
            }
        }
        return OXP_OK;
    }
    for (size_t i = 0; i < count; i++) {
        if (!oxp_matcher_accepts(&matchers[i], oxp_view_of("", 0))) {
            return OXP_OK;
        }
    }
    return FAIL(source, node->start, "vector selector must contain at least one non-empty matcher");
}

static enum oxp_status check_range(const struct oxp_source *source, struct oxp_promql_node *node, int64_t *reach) {
    enum oxp_status status = check_selector(source, own(node->range.selector), reach);
    node->step_invariant = node->range.selector->step_invariant;
    *reach = moved(*reach, node->range.range_ms);
    return status;
}

/* NOLINTNEXTLINE(misc-no-recursion): the tree's height is bounded, see parser.c */
static enum oxp_status check_subquery(const struct oxp_source *source, struct oxp_promql_node *node, int64_t *reach) {
    enum oxp_status status = check(source, own(node->subquery.expr), reach);
    enum oxp_promql_type type = node->subquery.expr->type;
    node->step_invariant = node->subquery.when.at != OXP_AT_NONE;
    *reach = moved_to(moved(*reach, node->subquery.range_ms), &node->subquery.when);
    if (status == OXP_OK && type != OXP_PROMQL_VECTOR) {
        status = FAIL(source, node->start, "subquery is only allowed on instant vector, got %s instead",
                      oxp_promql_type_json(type));
    }
    return status;
}

/* ---- Calls ---- */

/* What depends on the step's own time, whatever its arguments. */
static bool sees_step(const struct oxp_promql_function *function) {
    return function->kind == OXP_FUNCTION_DATE || strcmp(function->name, "time") == 0 ||
           strcmp(function->name, "timestamp") == 0 || strcmp(function->name, "predict_linear") == 0;
}

static enum oxp_status check_arg_count(const struct oxp_source *source, const struct oxp_promql_node *node) {
    const struct oxp_promql_function *function = node->call.function;
    size_t least = 0, most = 0, count = node->call.arg_count;
    for (const char *letter = function->args; *letter != '\0'; letter++) {
        bool optional = letter[1] == '?' || letter[1] == '*';
        least += optional ? 0 : 1;
        most = most == SIZE_MAX || letter[1] == '*' ? SIZE_MAX : most + 1;
        letter += optional ? 1 : 0;
    }
    if (count >= least && count <= most) {
        return OXP_OK;
    }
    return FAIL(source, node->start, "expected %s%zu argument(s) in call to \"%s\", got %zu",
                least == most   ? ""
                : count < least ? "at least "
                                : "at most ",
                count < least ? least : most, function->name, count);
}

/* The type that the table wants of the argument that `letter` stands for. */
static enum oxp_promql_type wanted_type(char letter) {
    return letter == 'm'   ? OXP_PROMQL_MATRIX
           : letter == 'v' ? OXP_PROMQL_VECTOR
           : letter == 's' ? OXP_PROMQL_SCALAR
                           : OXP_PROMQL_STRING;
}

/* NOLINTNEXTLINE(misc-no-recursion): the tree's height is bounded, see parser.c */
static enum oxp_status check_call(const struct oxp_source *source, struct oxp_promql_node *node, int64_t *reach) {
    const struct oxp_promql_function *function = node->call.function;
    enum oxp_status status = check_arg_count(source, node);
    const char *letter = function->args;
    bool invariant = true, bare_selectors = true;
    *reach = NOWHERE;
    for (size_t i = 0; i < node->call.arg_count && status == OXP_OK; i++) {
        const struct oxp_promql_node *arg = node->call.args[i];
        int64_t below = NOWHERE;
        enum oxp_promql_type wanted = wanted_type(*letter);
        status = check(source, own(arg), &below);
        if (status == OXP_OK && arg->type != wanted) {
            status = FAIL(source, arg->start, "expected type %s in call to function \"%s\", got %s",
                          oxp_promql_type_text(wanted), function->name, oxp_promql_type_text(arg->type));
        }
        letter += letter[1] == '*' ? 0 : letter[1] == '?' ? 2 : 1; /* a `*` stands for all that are left */
        *reach = later(*reach, below);
        invariant = invariant && arg->step_invariant;
        bare_selectors = bare_selectors && oxp_promql_bare(arg)->kind == OXP_NODE_SELECTOR;
    }
    /* timestamp() of a selector with @ tells the sample's time, of anything else the step's */
    bool exempt = strcmp(function->name, "timestamp") == 0 && bare_selectors;
    node->step_invariant = invariant && (exempt || !sees_step(function));
    return status;
}

/* ---- Aggregations ---- */

static enum oxp_status expect(const struct oxp_source *source, const struct oxp_promql_node *node,
                              enum oxp_promql_type wanted, const char *context) {
    return node->type == wanted ? OXP_OK
                                : FAIL(source, node->start, "expected type %s in %s, got %s",
                                       oxp_promql_type_text(wanted), context, oxp_promql_type_text(node->type));
}

/* NOLINTNEXTLINE(misc-no-recursion): the tree's height is bounded, see parser.c */
static enum oxp_status check_aggregate(const struct oxp_source *source, struct oxp_promql_node *node, int64_t *reach) {
    const struct oxp_promql_node *expr = node->aggregate.expr, *param = node->aggregate.param;
    enum oxp_status status = check(source, own(expr), reach);
    status = status == OXP_OK ? expect(source, expr, OXP_PROMQL_VECTOR, "aggregation expression") : status;
    node->step_invariant = expr->step_invariant;
    if (param != NULL && status == OXP_OK) {
        bool text = node->aggregate.op == OXP_AGG_COUNT_VALUES;
        int64_t below = NOWHERE;
        status = check(source, own(param), &below);
        status = status == OXP_OK
                     ? expect(source, param, text ? OXP_PROMQL_STRING : OXP_PROMQL_SCALAR, "aggregation parameter")
                     : status;
        node->step_invariant = node->step_invariant && param->step_invariant;
        *reach = later(*reach, below);
    }
    return status;
}

/* ---- Operators ---- */

static bool is_space(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Where the operator stands. */
static size_t op_start(const struct oxp_source *source, const struct oxp_promql_node *node) {
    size_t at = node->binary.left->end;
    while (at < source->text.len && is_space(source->text.ptr[at])) {
        at++;
    }
    return at;
}

static bool is_operand(const struct oxp_promql_node *node) {
    return node->type == OXP_PROMQL_SCALAR || node->type == OXP_PROMQL_VECTOR;
}

/* bool, and labels that stand in on () and in group_… () at once. */
static enum oxp_status check_modifiers(const struct oxp_source *source, const struct oxp_promql_node *node) {
    bool comparison = oxp_promql_is_comparison(node->binary.op);
    if (node->binary.return_bool && !comparison) {
        return FAIL(source, op_start(source, node), "bool modifier can only be used on comparison operators");
    }
    if (comparison && !node->binary.return_bool && node->type == OXP_PROMQL_SCALAR) {
        return FAIL(source, op_start(source, node), "comparisons between scalars must use BOOL modifier");
    }
    for (size_t i = 0; i < node->binary.written_count && node->binary.matching_on; i++) {
        for (size_t k = 0; k < node->binary.include_count; k++) {
            if (oxp_symbol_equal(node->binary.written[i], node->binary.include[k])) {
                return FAIL(source, op_start(source, node), "label %s must not occur in ON and GROUP clause at once",
                            OXP_QUOTED(oxp_symbol_view(node->binary.written[i])));
            }
        }
    }
    return OXP_OK;
}

static enum oxp_status check_operands(const struct oxp_source *source, struct oxp_promql_node *node) {
    const struct oxp_promql_node *left = node->binary.left, *right = node->binary.right;
    bool set = oxp_promql_is_set(node->binary.op);
    const char *op = oxp_promql_op_text(node->binary.op);
    if (!is_operand(left) || !is_operand(right)) {
        return FAIL(source, is_operand(left) ? right->start : left->start,
                    "binary expression must contain only scalar and instant vector types");
    }
    if (left->type != OXP_PROMQL_VECTOR || right->type != OXP_PROMQL_VECTOR) {
        if (node->binary.written_count != 0) {
            return FAIL(source, node->start, "vector matching only allowed between instant vectors");
        }
        if (set) {
            return FAIL(source, node->start, "set operator \"%s\" not allowed in binary scalar expression", op);
        }
        node->binary.cardinality = OXP_CARD_ONE_TO_ONE; /* nothing is matched: on () and such mean nothing */
        node->binary.matching_on = node->binary.matching.without = false;
        node->binary.include_count = 0;
        return OXP_OK;
    }
    if (set && node->binary.cardinality != OXP_CARD_ONE_TO_ONE) {
        return FAIL(source, node->start, "no grouping allowed for \"%s\" operation", op);
    }
    node->binary.cardinality = set ? OXP_CARD_MANY_TO_MANY : node->binary.cardinality;
    return OXP_OK;
}

/* NOLINTNEXTLINE(misc-no-recursion): the tree's height is bounded, see parser.c */
static enum oxp_status check_binary(const struct oxp_source *source, struct oxp_promql_node *node, int64_t *reach) {
    int64_t below = NOWHERE;
    enum oxp_status status = check(source, own(node->binary.left), reach);
    status = status == OXP_OK ? check(source, own(node->binary.right), &below) : status;
    status = status == OXP_OK ? check_modifiers(source, node) : status;
    status = status == OXP_OK ? check_operands(source, node) : status;
    node->step_invariant = node->binary.left->step_invariant && node->binary.right->step_invariant;
    *reach = later(*reach, below);
    return status;
}

/* NOLINTNEXTLINE(misc-no-recursion): the tree's height is bounded, see parser.c */
static enum oxp_status check_unary(const struct oxp_source *source, struct oxp_promql_node *node, int64_t *reach) {
    enum oxp_status status = check(source, own(node->unary.expr), reach);
    node->step_invariant = node->unary.expr->step_invariant;
    if (status == OXP_OK && !is_operand(node->unary.expr)) {
        status = FAIL(source, node->start,
                      "unary expression only allowed on expressions of type scalar or instant vector, got \"%s\"",
                      oxp_promql_type_text(node->unary.expr->type));
    }
    return status;
}

/* NOLINTNEXTLINE(misc-no-recursion): the tree's height is bounded, see parser.c */
static enum oxp_status check(const struct oxp_source *source, struct oxp_promql_node *node, int64_t *reach) {
    enum oxp_status status = OXP_OK;
    *reach = NOWHERE;
    switch (node->kind) {
    case OXP_NODE_NUMBER:
    case OXP_NODE_STRING:
        node->step_invariant = true;
        return OXP_OK;
    case OXP_NODE_SELECTOR:
        return check_selector(source, node, reach);
    case OXP_NODE_RANGE:
        return check_range(source, node, reach);
    case OXP_NODE_SUBQUERY:
        return check_subquery(source, node, reach);
    case OXP_NODE_CALL:
        return check_call(source, node, reach);
    case OXP_NODE_AGGREGATE:
        return check_aggregate(source, node, reach);
    case OXP_NODE_BINARY:
        return check_binary(source, node, reach);
    case OXP_NODE_UNARY:
        return check_unary(source, node, reach);
    case OXP_NODE_PAREN:
        status = check(source, own(node->paren), reach);
        node->step_invariant = node->paren->step_invariant;
        return status;
    }
    return OXP_ERR_INVALID;
}

enum oxp_status oxp_promql_check(const struct oxp_source *source, struct oxp_promql_node *root, int64_t *reach_ms_out) {
    int64_t reach = NOWHERE;
    enum oxp_status status = check(source, root, &reach);
    *reach_ms_out = reach > 0 ? reach : 0;
    return status;
}
