/* Tokens to tree. A recursive parser with precedence climbing over the grammar of Prometheus
 * (promql/parser/generated_parser.y), in whose words faults are told:
 *   1. the first fault in the order of the text wins, and a token is not looked at before it is needed;
 *   2. types are checked when the whole text has been read (check.c), so a fault of the grammar comes first;
 *   3. suffixes ([…], offset, @) bind tighter than any operator; then ^ (from the right), signs together with * / %
 *      atan2, then + -, comparisons, and unless, or;
 *   4. a sign in front of a number is part of the number, but for -1^2, which is -(1^2).
 * Recursion is bounded twice: expressions that are open while reading, and the height of the tree that comes of it. */
#include "alerts/promql/parser.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/regex/regex.h"

#define ARENA_MAX (64u << 20)

/* ---- Tokens and failures ---- */

enum oxp_token_kind oxp_parser_peek(struct oxp_parser *parser) {
    if (parser->status != OXP_OK) {
        return OXP_TOKEN_FAILED;
    }
    if (!parser->peeked) {
        parser->status = oxp_lexer_next(&parser->lexer, &parser->token);
        parser->peeked = true;
    }
    return parser->token.kind;
}

struct oxp_token oxp_parser_take(struct oxp_parser *parser) {
    oxp_parser_peek(parser);
    parser->peeked = false;
    return parser->token;
}

bool oxp_parser_accept(struct oxp_parser *parser, enum oxp_token_kind kind) {
    if (oxp_parser_peek(parser) != kind) {
        return false;
    }
    parser->peeked = false;
    return true;
}

#define FAIL_WITH(code)                                                                                                \
    do {                                                                                                               \
        char text[sizeof(struct oxp_error)];                                                                           \
        va_list args;                                                                                                  \
        va_start(args, format);                                                                                        \
        vsnprintf(text, sizeof text, format, args);                                                                    \
        va_end(args);                                                                                                  \
        if (parser->status == OXP_OK) {                                                                                \
            parser->status = oxp_source_fail(&parser->lexer.source, code, at, "%s", text);                             \
        }                                                                                                              \
    } while (0)

void *oxp_parser_fail(struct oxp_parser *parser, size_t at, const char *format, ...) {
    FAIL_WITH(OXP_ERR_SYNTAX);
    return NULL;
}

void *oxp_parser_refuse(struct oxp_parser *parser, size_t at, const char *format, ...) {
    FAIL_WITH(OXP_ERR_UNSUPPORTED);
    return NULL;
}

void *oxp_parser_limit(struct oxp_parser *parser, size_t at, const char *format, ...) {
    FAIL_WITH(OXP_ERR_LIMIT);
    return NULL;
}

void *oxp_parser_unexpected(struct oxp_parser *parser, const char *context, const char *expected) {
    if (oxp_parser_peek(parser) == OXP_TOKEN_FAILED) {
        return NULL; /* the lexer has said why */
    }
    char shown[OXP_TOKEN_SHOWN];
    context = context == NULL && parser->aggregations != 0 ? "aggregation" : context;
    oxp_token_show(shown, &parser->lexer.source, &parser->token);
    return oxp_parser_fail(parser, parser->token.start, "unexpected %s%s%s%s%s", shown, context == NULL ? "" : " in ",
                           context == NULL ? "" : context, expected == NULL ? "" : ", expected ",
                           expected == NULL ? "" : expected);
}

void *oxp_parser_no_memory(struct oxp_parser *parser) {
    if (parser->status == OXP_OK) {
        enum oxp_status status = oxp_arena_status(parser->arena);
        status = status == OXP_OK ? OXP_ERR_NOMEM : status;
        parser->status = oxp_error_set(parser->lexer.source.error, status, 0, 0, "%s", oxp_status_text(status));
    }
    return NULL;
}

/* ---- Nodes ---- */

struct oxp_promql_node *oxp_parser_node(struct oxp_parser *parser, enum oxp_promql_kind kind, enum oxp_promql_type type,
                                        struct oxp_token place) {
    struct oxp_promql_node *node = oxp_arena_zero(parser->arena, 1, sizeof *node);
    if (node == NULL) {
        return oxp_parser_no_memory(parser);
    }
    node->kind = kind;
    node->type = type;
    node->start = place.start;
    node->end = place.end;
    node->height = 1;
    return node;
}

static bool too_deep(struct oxp_parser *parser, size_t at) {
    return oxp_parser_limit(parser, at, "expression is nested more than %d levels deep", OXP_PROMQL_DEPTH) != NULL;
}

bool oxp_parser_adopt(struct oxp_parser *parser, struct oxp_promql_node *node, const struct oxp_promql_node *child) {
    if (child->height >= OXP_PROMQL_DEPTH) {
        return too_deep(parser, node->start);
    }
    node->height = node->height > child->height ? node->height : child->height + 1;
    return true;
}

/* ---- Literals ---- */

bool oxp_parser_number(struct oxp_parser *parser, struct oxp_token token, double *value_out) {
    struct oxp_view text = oxp_token_text(&parser->lexer.source, &token);
    if (token.kind == OXP_TOKEN_DURATION) {
        struct oxp_error reason = {0};
        int64_t ms = 0;
        if (oxp_duration_read(text, &ms, &reason) != OXP_OK) {
            return oxp_parser_fail(parser, token.start, "%s", reason.text) != NULL;
        }
        *value_out = oxp_duration_seconds(ms);
        return true;
    }
    enum oxp_status status = oxp_literal_number(text, value_out);
    if (status != OXP_OK) {
        oxp_parser_fail(parser, token.start, "error parsing number: strconv.ParseFloat: parsing %s: %s",
                        OXP_QUOTED(text), status == OXP_ERR_RANGE ? "value out of range" : "invalid syntax");
    }
    return status == OXP_OK;
}

static struct oxp_promql_node *parse_number(struct oxp_parser *parser) {
    struct oxp_token token = oxp_parser_take(parser);
    struct oxp_promql_node *node = oxp_parser_node(parser, OXP_NODE_NUMBER, OXP_PROMQL_SCALAR, token);
    if (node == NULL || !oxp_parser_number(parser, token, &node->number.value)) {
        return NULL;
    }
    node->number.duration = token.kind == OXP_TOKEN_DURATION;
    return node;
}

static struct oxp_promql_node *parse_string(struct oxp_parser *parser) {
    struct oxp_token token = oxp_parser_take(parser);
    struct oxp_promql_node *node = oxp_parser_node(parser, OXP_NODE_STRING, OXP_PROMQL_STRING, token);
    if (node == NULL) {
        return NULL;
    }
    node->string = oxp_literal_unquote(parser->arena, oxp_token_text(&parser->lexer.source, &token));
    return node->string.ptr == NULL ? oxp_parser_no_memory(parser) : node;
}

static struct oxp_promql_node *parse_expr(struct oxp_parser *parser, unsigned level);

bool oxp_parser_starts_expr(enum oxp_token_kind kind) {
    return oxp_token_names_metric(kind) || kind == OXP_TOKEN_STRING || kind == OXP_TOKEN_NUMBER ||
           kind == OXP_TOKEN_DURATION || kind == OXP_TOKEN_LEFT_PAREN || kind == OXP_TOKEN_LEFT_BRACE ||
           kind == OXP_TOKEN_ADD || kind == OXP_TOKEN_SUB;
}

/* ---- Operators ---- */

enum { LEVEL_NONE, LEVEL_OR, LEVEL_AND, LEVEL_COMPARE, LEVEL_ADD, LEVEL_MUL, LEVEL_POW };

struct binary_op {
    enum oxp_token_kind token;
    enum oxp_promql_op op;
    unsigned level;
};

static const struct binary_op operators[] = {
    {OXP_TOKEN_OR, OXP_OP_OR, LEVEL_OR},          {OXP_TOKEN_AND, OXP_OP_AND, LEVEL_AND},
    {OXP_TOKEN_UNLESS, OXP_OP_UNLESS, LEVEL_AND}, {OXP_TOKEN_EQL, OXP_OP_EQL, LEVEL_COMPARE},
    {OXP_TOKEN_NEQ, OXP_OP_NEQ, LEVEL_COMPARE},   {OXP_TOKEN_GTR, OXP_OP_GTR, LEVEL_COMPARE},
    {OXP_TOKEN_LSS, OXP_OP_LSS, LEVEL_COMPARE},   {OXP_TOKEN_GTE, OXP_OP_GTE, LEVEL_COMPARE},
    {OXP_TOKEN_LTE, OXP_OP_LTE, LEVEL_COMPARE},   {OXP_TOKEN_ADD, OXP_OP_ADD, LEVEL_ADD},
    {OXP_TOKEN_SUB, OXP_OP_SUB, LEVEL_ADD},       {OXP_TOKEN_MUL, OXP_OP_MUL, LEVEL_MUL},
    {OXP_TOKEN_DIV, OXP_OP_DIV, LEVEL_MUL},       {OXP_TOKEN_MOD, OXP_OP_MOD, LEVEL_MUL},
    {OXP_TOKEN_ATAN2, OXP_OP_ATAN2, LEVEL_MUL},   {OXP_TOKEN_POW, OXP_OP_POW, LEVEL_POW},
};

static const struct binary_op *find_operator(enum oxp_token_kind kind) {
    for (size_t i = 0; i < sizeof operators / sizeof operators[0]; i++) {
        if (operators[i].token == kind) {
            return &operators[i];
        }
    }
    return NULL;
}

/* bool, on (…) or ignoring (…), group_left (…) or group_right (…) */
static bool parse_matching(struct oxp_parser *parser, struct oxp_promql_node *node) {
    struct oxp_names matching = {0}, include = {0};
    node->binary.return_bool = oxp_parser_accept(parser, OXP_TOKEN_BOOL);
    enum oxp_token_kind kind = oxp_parser_peek(parser);
    if (kind == OXP_TOKEN_ON || kind == OXP_TOKEN_IGNORING) {
        oxp_parser_take(parser);
        node->binary.matching_on = kind == OXP_TOKEN_ON;
        if (!oxp_parser_names(parser, &matching)) {
            return false;
        }
        kind = oxp_parser_peek(parser);
        if (kind == OXP_TOKEN_GROUP_LEFT || kind == OXP_TOKEN_GROUP_RIGHT) {
            oxp_parser_take(parser);
            node->binary.cardinality = kind == OXP_TOKEN_GROUP_LEFT ? OXP_CARD_MANY_TO_ONE : OXP_CARD_ONE_TO_MANY;
            kind = oxp_parser_peek(parser);
            if ((kind == OXP_TOKEN_LEFT_PAREN || !oxp_parser_starts_expr(kind)) &&
                !oxp_parser_names(parser, &include)) { /* the list may be left out, the right side not */
                return false;
            }
            kind = oxp_parser_peek(parser);
        }
    }
    if (kind == OXP_TOKEN_FILL || kind == OXP_TOKEN_FILL_LEFT || kind == OXP_TOKEN_FILL_RIGHT) {
        struct oxp_view name = oxp_token_text(&parser->lexer.source, &parser->token);
        return oxp_parser_refuse(parser, parser->token.start,
                                 "the %.*s modifier is experimental in Prometheus and not supported", (int)name.len,
                                 name.ptr) != NULL;
    }
    node->binary.matching.without = !node->binary.matching_on;
    node->binary.written = matching.items;
    node->binary.written_count = matching.count;
    node->binary.include = include.items;
    node->binary.include_count = include.count;
    return parser->status == OXP_OK && oxp_parser_choice(parser, &matching, &node->binary.matching);
}

/* The rest of `left OPERATOR …`; the operator comes next. NOLINTNEXTLINE(misc-no-recursion): see parse_expr */
static struct oxp_promql_node *parse_binary(struct oxp_parser *parser, const struct oxp_promql_node *left,
                                            const struct binary_op *binary) {
    struct oxp_token place = oxp_parser_take(parser);
    struct oxp_promql_node *node = oxp_parser_node(parser, OXP_NODE_BINARY, OXP_PROMQL_VECTOR, place);
    if (node == NULL || !parse_matching(parser, node)) {
        return NULL;
    }
    /* ^ takes what is as strong from the right: its right side may hold another ^ */
    const struct oxp_promql_node *right =
        parse_expr(parser, binary->level == LEVEL_POW ? LEVEL_POW : binary->level + 1);
    if (right == NULL) {
        return NULL;
    }
    if (left->type == OXP_PROMQL_SCALAR && right->type == OXP_PROMQL_SCALAR) {
        node->type = OXP_PROMQL_SCALAR;
    }
    node->binary.op = binary->op;
    node->binary.left = left;
    node->binary.right = right;
    node->start = left->start;
    node->end = right->end;
    return oxp_parser_adopt(parser, node, left) && oxp_parser_adopt(parser, node, right) ? node : NULL;
}

/* NOLINTNEXTLINE(misc-no-recursion): see parse_expr */
static struct oxp_promql_node *parse_sign(struct oxp_parser *parser) {
    struct oxp_token sign = oxp_parser_take(parser);
    struct oxp_promql_node *operand = parse_expr(parser, LEVEL_POW);
    if (operand == NULL) {
        return NULL;
    }
    if (operand->kind == OXP_NODE_NUMBER) {
        operand->number.value = sign.kind == OXP_TOKEN_SUB ? -operand->number.value : operand->number.value;
        operand->start = sign.start;
        return operand;
    }
    sign.end = operand->end;
    struct oxp_promql_node *node = oxp_parser_node(parser, OXP_NODE_UNARY, operand->type, sign);
    if (node == NULL || !oxp_parser_adopt(parser, node, operand)) {
        return NULL;
    }
    node->unary.minus = sign.kind == OXP_TOKEN_SUB;
    node->unary.expr = operand;
    return node;
}

/* NOLINTNEXTLINE(misc-no-recursion): see parse_expr */
static struct oxp_promql_node *parse_paren(struct oxp_parser *parser) {
    struct oxp_token place = oxp_parser_take(parser);
    struct oxp_promql_node *inner = parse_expr(parser, LEVEL_NONE);
    if (inner == NULL) {
        return NULL;
    }
    if (oxp_parser_peek(parser) != OXP_TOKEN_RIGHT_PAREN) {
        return oxp_parser_unexpected(parser, NULL, NULL);
    }
    place.end = oxp_parser_take(parser).end;
    struct oxp_promql_node *node = oxp_parser_node(parser, OXP_NODE_PAREN, inner->type, place);
    if (node == NULL || !oxp_parser_adopt(parser, node, inner)) {
        return NULL;
    }
    node->paren = inner;
    return node;
}

/* A name: of a metric, or of what is called. NOLINTNEXTLINE(misc-no-recursion): see parse_expr */
static struct oxp_promql_node *parse_named(struct oxp_parser *parser) {
    struct oxp_token name = oxp_parser_take(parser);
    enum oxp_token_class class = oxp_token_class(name.kind);
    enum oxp_token_kind kind = oxp_parser_peek(parser);
    if (class == OXP_TOKEN_CLASS_AGGREGATION && (kind == OXP_TOKEN_LEFT_PAREN || oxp_parser_at_grouping(parser))) {
        return oxp_parser_aggregation(parser, name);
    }
    if (kind == OXP_TOKEN_LEFT_PAREN && (name.kind == OXP_TOKEN_IDENTIFIER || class == OXP_TOKEN_CLASS_QUERY)) {
        return oxp_parser_call(parser, name);
    }
    return oxp_parser_selector(parser, name);
}

/* NOLINTNEXTLINE(misc-no-recursion): see parse_expr */
static struct oxp_promql_node *parse_operand(struct oxp_parser *parser) {
    enum oxp_token_kind kind = oxp_parser_peek(parser);
    switch (kind) {
    case OXP_TOKEN_NUMBER:
    case OXP_TOKEN_DURATION:
        return parse_number(parser);
    case OXP_TOKEN_STRING:
        return parse_string(parser);
    case OXP_TOKEN_LEFT_PAREN:
        return parse_paren(parser);
    case OXP_TOKEN_LEFT_BRACE:
        return oxp_parser_selector(parser, (struct oxp_token){.kind = OXP_TOKEN_FAILED});
    default:
        return oxp_token_names_metric(kind) ? parse_named(parser) : oxp_parser_unexpected(parser, NULL, NULL);
    }
}

/* An operand with its suffixes, or with a sign. NOLINTNEXTLINE(misc-no-recursion): see parse_expr */
static struct oxp_promql_node *parse_signed(struct oxp_parser *parser) {
    enum oxp_token_kind kind = oxp_parser_peek(parser);
    if (kind == OXP_TOKEN_ADD || kind == OXP_TOKEN_SUB) {
        return parse_sign(parser);
    }
    struct oxp_promql_node *node = parse_operand(parser);
    return node == NULL ? NULL : oxp_parser_suffixes(parser, node);
}

/* An expression whose operators are of `level` or stronger. NOLINTNEXTLINE(misc-no-recursion): OXP_PROMQL_DEPTH */
static struct oxp_promql_node *parse_expr(struct oxp_parser *parser, unsigned level) {
    if (parser->depth >= OXP_PROMQL_DEPTH) {
        oxp_parser_peek(parser);
        too_deep(parser, parser->token.start);
        return NULL;
    }
    parser->depth++;
    struct oxp_promql_node *node = parse_signed(parser);
    while (node != NULL) {
        enum oxp_token_kind kind = oxp_parser_peek(parser);
        const struct binary_op *binary = find_operator(kind);
        if (kind == OXP_TOKEN_TRIM_UPPER || kind == OXP_TOKEN_TRIM_LOWER) {
            node = oxp_parser_refuse(parser, parser->token.start,
                                     "operator \"%s\" is for native histograms, which are not supported",
                                     kind == OXP_TOKEN_TRIM_UPPER ? "</" : ">/");
        } else if (binary == NULL || binary->level < level) {
            break;
        } else {
            node = parse_binary(parser, node, binary);
        }
    }
    parser->depth--;
    return parser->status == OXP_OK ? node : NULL;
}

/* NOLINTNEXTLINE(misc-no-recursion): see parse_expr */
struct oxp_promql_node *oxp_parser_expr(struct oxp_parser *parser) {
    return parse_expr(parser, LEVEL_NONE);
}

/* ---- Whole texts ---- */

static const struct oxp_promql_node *parse_whole(struct oxp_parser *parser, bool selector_only) {
    struct oxp_promql_node *root = NULL;
    if (!selector_only) {
        if (oxp_parser_peek(parser) == OXP_TOKEN_END) {
            return oxp_parser_fail(parser, 0, "no expression found in input");
        }
        root = parse_expr(parser, LEVEL_NONE);
    } else if (oxp_parser_peek(parser) == OXP_TOKEN_LEFT_BRACE) {
        root = oxp_parser_selector(parser, (struct oxp_token){.kind = OXP_TOKEN_FAILED});
    } else if (oxp_token_names_metric(oxp_parser_peek(parser))) {
        root = oxp_parser_selector(parser, oxp_parser_take(parser));
    }
    if (parser->status == OXP_OK && (root == NULL || oxp_parser_peek(parser) != OXP_TOKEN_END)) {
        oxp_parser_unexpected(parser, NULL, NULL);
    }
    if (parser->status == OXP_OK && !selector_only) {
        parser->status = oxp_promql_check(&parser->lexer.source, root, &parser->expr->reach_ms);
    }
    return root;
}

static enum oxp_status parse(struct oxp_view text, bool selector_only, struct oxp_promql_expr **expr_out,
                             struct oxp_error *error) {
    *expr_out = NULL;
    if (text.len > OXP_PROMQL_TEXT_MAX) {
        return oxp_error_set(error, OXP_ERR_LIMIT, 1, 1, "expression is longer than %u bytes", OXP_PROMQL_TEXT_MAX);
    }
    struct oxp_promql_expr *expr = calloc(1, sizeof *expr);
    if (expr == NULL) {
        return oxp_error_set(error, OXP_ERR_NOMEM, 0, 0, "%s", oxp_status_text(OXP_ERR_NOMEM));
    }
    oxp_arena_init(&expr->arena, ARENA_MAX);
    expr->text = oxp_arena_copy(&expr->arena, text);
    struct oxp_parser parser = {.expr = expr, .arena = &expr->arena};
    oxp_lexer_init(&parser.lexer, (struct oxp_source){expr->text, error});
    if (expr->text.ptr == NULL) {
        oxp_parser_no_memory(&parser);
    } else {
        expr->root = parse_whole(&parser, selector_only);
    }
    if (parser.status != OXP_OK) {
        oxp_promql_expr_free(expr);
        return parser.status;
    }
    *expr_out = expr;
    return OXP_OK;
}

enum oxp_status oxp_promql_parse(struct oxp_view text, struct oxp_promql_expr **expr_out, struct oxp_error *error) {
    return parse(text, false, expr_out, error);
}

enum oxp_status oxp_promql_parse_selector(struct oxp_view text, struct oxp_promql_expr **expr_out,
                                          struct oxp_error *error) {
    return parse(text, true, expr_out, error);
}

uint64_t oxp_promql_limited(const struct oxp_promql_expr *expr) {
    uint64_t limited = 0;
    for (size_t i = 0; i < expr->regex_count; i++) {
        limited += oxp_regex_limited(expr->regexes[i]);
    }
    return limited;
}

void oxp_promql_expr_free(struct oxp_promql_expr *expr) {
    if (expr == NULL) {
        return;
    }
    for (size_t i = 0; i < expr->regex_count; i++) {
        oxp_regex_free(expr->regexes[i]);
    }
    oxp_arena_fini(&expr->arena);
    free(expr);
}
