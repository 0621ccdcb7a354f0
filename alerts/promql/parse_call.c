/* What stands in parentheses behind a word: lists of labels, arguments of functions and aggregations. */
#include <stdlib.h>

#include "alerts/promql/functions.h"
#include "alerts/promql/parser.h"
#include "lib/base/utf8.h"

/* ---- Lists of labels: by (…), on (…), group_left (…) ---- */

static bool add_name(struct oxp_parser *parser, struct oxp_names *names, const struct oxp_symbol *name) {
    if (name != NULL && names->count == names->room) {
        size_t room = names->room == 0 ? 4 : names->room * 2;
        names->items = oxp_arena_grow(parser->arena, names->items, names->count, room, sizeof(void *));
        names->room = names->items == NULL ? 0 : room;
    }
    if (name == NULL || names->items == NULL) {
        return oxp_parser_no_memory(parser) != NULL;
    }
    names->items[names->count++] = name;
    return true;
}

static bool parse_name(struct oxp_parser *parser, struct oxp_names *names) {
    enum oxp_token_kind kind = oxp_parser_peek(parser);
    if (kind != OXP_TOKEN_STRING && !oxp_token_names_label(kind)) {
        return oxp_parser_unexpected(parser, "grouping opts", "label") != NULL;
    }
    struct oxp_token token = oxp_parser_take(parser);
    struct oxp_view text = oxp_token_text(&parser->lexer.source, &token);
    if (kind == OXP_TOKEN_STRING) {
        text = oxp_literal_unquote(parser->arena, text);
        if (text.ptr == NULL) {
            return oxp_parser_no_memory(parser) != NULL;
        }
    }
    if (text.len == 0 || !oxp_utf8_is_valid(text)) {
        return oxp_parser_fail(parser, token.start, "invalid label name for grouping: %s", OXP_QUOTED(text)) != NULL;
    }
    if (names->count == OXP_PROMQL_NAMES_MAX) {
        return oxp_parser_limit(parser, token.start, "more than %d labels in one list", OXP_PROMQL_NAMES_MAX) != NULL;
    }
    return add_name(parser, names, oxp_symbol_new(parser->arena, text));
}

bool oxp_parser_names(struct oxp_parser *parser, struct oxp_names *names) {
    if (!oxp_parser_accept(parser, OXP_TOKEN_LEFT_PAREN)) {
        return oxp_parser_unexpected(parser, "grouping opts", "\"(\"") != NULL;
    }
    while (!oxp_parser_accept(parser, OXP_TOKEN_RIGHT_PAREN)) {
        if (!parse_name(parser, names)) {
            return false;
        }
        if (!oxp_parser_accept(parser, OXP_TOKEN_COMMA) && oxp_parser_peek(parser) != OXP_TOKEN_RIGHT_PAREN) {
            return oxp_parser_unexpected(parser, "grouping opts", "\",\" or \")\"") != NULL;
        }
    }
    names->end = parser->token.end;
    return parser->status == OXP_OK;
}

static int compare_names(const void *a, const void *b) {
    return oxp_symbol_compare(*(const struct oxp_symbol *const *)a, *(const struct oxp_symbol *const *)b);
}

/* The names sorted, each once. */
bool oxp_parser_choice(struct oxp_parser *parser, const struct oxp_names *names, struct oxp_label_choice *choice) {
    if (names->count == 0) {
        return true;
    }
    const struct oxp_symbol **sorted = oxp_arena_zero(parser->arena, names->count, sizeof(void *));
    if (sorted == NULL) {
        return oxp_parser_no_memory(parser) != NULL;
    }
    memcpy(sorted, names->items, names->count * sizeof(void *));
    qsort(sorted, names->count, sizeof(void *), compare_names);
    choice->names = sorted;
    choice->count = 1;
    for (size_t i = 1; i < names->count; i++) {
        if (!oxp_symbol_equal(sorted[i], sorted[choice->count - 1])) {
            sorted[choice->count++] = sorted[i];
        }
    }
    return true;
}

/* ---- Calls ---- */

struct args {
    const struct oxp_promql_node **items;
    size_t count, room;
    uint32_t end; /* behind the closing parenthesis */
};

/* One argument and what separates it from the next. NOLINTNEXTLINE(misc-no-recursion): see parse_expr */
static bool parse_arg(struct oxp_parser *parser, struct args *args) {
    const struct oxp_promql_node *arg = oxp_parser_expr(parser);
    if (arg != NULL && args->count == args->room) {
        size_t room = args->room == 0 ? 4 : args->room * 2;
        args->items = oxp_arena_grow(parser->arena, args->items, args->count, room, sizeof(void *));
        args->room = args->items == NULL ? 0 : room;
    }
    if (arg == NULL || args->items == NULL) {
        return arg != NULL && oxp_parser_no_memory(parser) != NULL;
    }
    args->items[args->count++] = arg;
    enum oxp_token_kind kind = oxp_parser_peek(parser);
    if (kind == OXP_TOKEN_COMMA) {
        struct oxp_token comma = oxp_parser_take(parser);
        kind = oxp_parser_peek(parser);
        return oxp_parser_starts_expr(kind) ||
               oxp_parser_fail(parser, comma.start, "trailing commas not allowed in function call args") != NULL;
    }
    return kind == OXP_TOKEN_RIGHT_PAREN || oxp_parser_unexpected(parser, NULL, NULL) != NULL;
}

/* (…), whose opening parenthesis must come next. NOLINTNEXTLINE(misc-no-recursion): see parse_expr */
static bool parse_args(struct oxp_parser *parser, struct args *args) {
    if (!oxp_parser_accept(parser, OXP_TOKEN_LEFT_PAREN)) {
        return oxp_parser_unexpected(parser, NULL, NULL) != NULL;
    }
    while (oxp_parser_peek(parser) != OXP_TOKEN_RIGHT_PAREN) {
        if (!parse_arg(parser, args)) {
            return false;
        }
    }
    args->end = oxp_parser_take(parser).end;
    return true;
}

/* NOLINTNEXTLINE(misc-no-recursion): see parse_expr */
struct oxp_promql_node *oxp_parser_call(struct oxp_parser *parser, struct oxp_token name) {
    struct args args = {0};
    if (!parse_args(parser, &args)) {
        return NULL;
    }
    struct oxp_view text = oxp_token_text(&parser->lexer.source, &name);
    const struct oxp_promql_function *function = oxp_promql_function_find(text);
    if (function == NULL) {
        return oxp_parser_fail(parser, name.start, "unknown function with name %s", OXP_QUOTED(text));
    }
    if (function->kind == OXP_FUNCTION_REFUSED) {
        return oxp_parser_refuse(parser, name.start, "function %s is not supported: %s", OXP_QUOTED(text),
                                 function->refusal);
    }
    name.end = args.end;
    struct oxp_promql_node *node = oxp_parser_node(parser, OXP_NODE_CALL, function->returns, name);
    if (node == NULL) {
        return NULL;
    }
    node->call.function = function;
    node->call.args = args.items;
    node->call.arg_count = args.count;
    for (size_t i = 0; i < args.count; i++) {
        if (!oxp_parser_adopt(parser, node, args.items[i])) {
            return NULL;
        }
    }
    return node;
}

/* ---- Aggregations ---- */

static const struct {
    enum oxp_token_kind token;
    enum oxp_promql_aggregation op;
    bool param;
} aggregations[] = {
    {OXP_TOKEN_SUM, OXP_AGG_SUM, false},          {OXP_TOKEN_AVG, OXP_AGG_AVG, false},
    {OXP_TOKEN_COUNT, OXP_AGG_COUNT, false},      {OXP_TOKEN_MIN, OXP_AGG_MIN, false},
    {OXP_TOKEN_MAX, OXP_AGG_MAX, false},          {OXP_TOKEN_GROUP, OXP_AGG_GROUP, false},
    {OXP_TOKEN_STDDEV, OXP_AGG_STDDEV, false},    {OXP_TOKEN_STDVAR, OXP_AGG_STDVAR, false},
    {OXP_TOKEN_TOPK, OXP_AGG_TOPK, true},         {OXP_TOKEN_BOTTOMK, OXP_AGG_BOTTOMK, true},
    {OXP_TOKEN_QUANTILE, OXP_AGG_QUANTILE, true}, {OXP_TOKEN_COUNT_VALUES, OXP_AGG_COUNT_VALUES, true},
};

struct aggregation {
    struct oxp_token op;
    struct oxp_names names;
    bool grouped, without;
    struct args args;
    uint32_t end;
};

static bool parse_grouping(struct oxp_parser *parser, struct aggregation *read) {
    read->grouped = true;
    read->without = oxp_parser_take(parser).kind == OXP_TOKEN_WITHOUT;
    return oxp_parser_names(parser, &read->names);
}

bool oxp_parser_at_grouping(struct oxp_parser *parser) {
    return oxp_parser_peek(parser) == OXP_TOKEN_BY || oxp_parser_peek(parser) == OXP_TOKEN_WITHOUT;
}

/* The arguments' number, and the table's row. */
static struct oxp_promql_node *make_aggregation(struct oxp_parser *parser, const struct aggregation *read) {
    struct oxp_token place = read->op;
    struct oxp_view name = oxp_token_text(&parser->lexer.source, &read->op);
    if (read->args.count == 0) {
        return oxp_parser_fail(parser, place.start, "no arguments for aggregate expression provided");
    }
    if (place.kind == OXP_TOKEN_LIMITK || place.kind == OXP_TOKEN_LIMIT_RATIO) {
        return oxp_parser_refuse(parser, place.start, "%.*s() is experimental in Prometheus and not supported",
                                 (int)name.len, name.ptr);
    }
    size_t row = 0;
    while (aggregations[row].token != place.kind) {
        row++;
    }
    size_t wanted = aggregations[row].param ? 2 : 1;
    if (read->args.count != wanted) {
        return oxp_parser_fail(parser, place.start,
                               "wrong number of arguments for aggregate expression provided, expected %zu, got %zu",
                               wanted, read->args.count);
    }
    place.end = read->end;
    struct oxp_promql_node *node = oxp_parser_node(parser, OXP_NODE_AGGREGATE, OXP_PROMQL_VECTOR, place);
    if (node == NULL || !oxp_parser_choice(parser, &read->names, &node->aggregate.grouping)) {
        return NULL;
    }
    node->aggregate.op = aggregations[row].op;
    node->aggregate.expr = read->args.items[wanted - 1];
    node->aggregate.param = wanted == 2 ? read->args.items[0] : NULL;
    node->aggregate.grouped = read->grouped;
    node->aggregate.grouping.without = read->without;
    node->aggregate.written = read->names.items;
    node->aggregate.written_count = read->names.count;
    for (size_t i = 0; i < wanted; i++) {
        if (!oxp_parser_adopt(parser, node, read->args.items[i])) {
            return NULL;
        }
    }
    return node;
}

/* NOLINTNEXTLINE(misc-no-recursion): see parse_expr */
struct oxp_promql_node *oxp_parser_aggregation(struct oxp_parser *parser, struct oxp_token op) {
    struct aggregation read = {.op = op};
    bool first = oxp_parser_at_grouping(parser);
    parser->aggregations++;
    if ((first && !parse_grouping(parser, &read)) || !parse_args(parser, &read.args)) {
        return NULL;
    }
    parser->aggregations--;
    read.end = read.args.end;
    if (!first && oxp_parser_at_grouping(parser)) {
        if (!parse_grouping(parser, &read)) {
            return NULL;
        }
        read.end = read.names.end;
    }
    return parser->status != OXP_OK ? NULL : make_aggregation(parser, &read);
}
