/* Selectors, and what may stand behind an expression: [range], [range:step], offset, @. */
#include <math.h>

#include "alerts/promql/parser.h"
#include "lib/regex/regex.h"

#define EXPERIMENTAL "%s experimental in Prometheus and not supported"

/* ---- Label matchers ---- */

struct matchers {
    struct oxp_matcher *items;
    size_t count, room;
};

static struct oxp_matcher *add_matcher(struct oxp_parser *parser, struct matchers *matchers) {
    if (matchers->count == matchers->room) {
        size_t room = matchers->room == 0 ? 4 : matchers->room * 2;
        matchers->items =
            oxp_arena_grow(parser->arena, matchers->items, matchers->count, room, sizeof *matchers->items);
        matchers->room = matchers->items == NULL ? 0 : room;
    }
    if (matchers->items == NULL) {
        return oxp_parser_no_memory(parser);
    }
    struct oxp_matcher *matcher = &matchers->items[matchers->count++];
    *matcher = (struct oxp_matcher){.op = OXP_MATCH_EQUAL};
    return matcher;
}

static bool name_matcher(struct oxp_parser *parser, struct matchers *matchers, struct oxp_view metric) {
    struct oxp_matcher *matcher = add_matcher(parser, matchers);
    if (matcher == NULL) {
        return false;
    }
    matcher->name = oxp_symbol_new(parser->arena, OXP_VIEW(OXP_NAME_LABEL));
    matcher->value = oxp_symbol_new(parser->arena, metric);
    return (matcher->name != NULL && matcher->value != NULL) || oxp_parser_no_memory(parser) != NULL;
}

/* Compiles a pattern; the expression owns it. `at` is where the matcher starts. */
static bool compile(struct oxp_parser *parser, struct oxp_matcher *matcher, uint32_t at) {
    struct oxp_promql_expr *expr = parser->expr;
    struct oxp_error reason = {0};
    if (expr->regex_count == parser->regex_room) {
        size_t room = parser->regex_room == 0 ? 4 : parser->regex_room * 2;
        struct oxp_regex **grown =
            oxp_arena_grow(parser->arena, expr->regexes, expr->regex_count, room, sizeof(struct oxp_regex *));
        if (grown == NULL) {
            return oxp_parser_no_memory(parser) != NULL;
        }
        expr->regexes = grown;
        parser->regex_room = room;
    }
    enum oxp_status status = oxp_regex_new(oxp_symbol_view(matcher->value), &matcher->regex, &reason);
    if (status == OXP_ERR_NOMEM) {
        return oxp_parser_no_memory(parser) != NULL;
    }
    if (status == OXP_ERR_SYNTAX) {
        return oxp_parser_fail(parser, at, "error parsing regexp: %s", reason.text) != NULL;
    }
    if (status != OXP_OK) {
        return oxp_parser_refuse(parser, at, "error parsing regexp: %s", reason.text) != NULL;
    }
    expr->regexes[expr->regex_count++] = matcher->regex;
    expr->regex_bytes += oxp_regex_bytes(matcher->regex);
    return expr->regex_bytes <= OXP_PROMQL_PATTERNS_MAX ||
           oxp_parser_limit(parser, at, "the regular expressions take more than %zu MiB",
                            OXP_PROMQL_PATTERNS_MAX >> 20) != NULL;
}

static bool match_op(enum oxp_token_kind kind, enum oxp_match_op *op_out) {
    static const struct {
        enum oxp_token_kind token;
        enum oxp_match_op op;
    } rows[] = {{OXP_TOKEN_EQUAL, OXP_MATCH_EQUAL},
                {OXP_TOKEN_NEQ, OXP_MATCH_NOT_EQUAL},
                {OXP_TOKEN_EQL_REGEX, OXP_MATCH_REGEX},
                {OXP_TOKEN_NEQ_REGEX, OXP_MATCH_NOT_REGEX}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].token == kind) {
            *op_out = rows[i].op;
            return true;
        }
    }
    return false;
}

static const struct oxp_symbol *string_symbol(struct oxp_parser *parser, struct oxp_token token) {
    struct oxp_view text = oxp_literal_unquote(parser->arena, oxp_token_text(&parser->lexer.source, &token));
    const struct oxp_symbol *symbol = text.ptr == NULL ? NULL : oxp_symbol_new(parser->arena, text);
    return symbol == NULL ? oxp_parser_no_memory(parser) : symbol;
}

/* label OP "value", "label" OP "value", or "metric" */
static bool parse_matcher(struct oxp_parser *parser, struct matchers *matchers) {
    static const char context[] = "label matching";
    enum oxp_token_kind kind = oxp_parser_peek(parser);
    enum oxp_match_op op = OXP_MATCH_EQUAL;
    if (kind != OXP_TOKEN_IDENTIFIER && kind != OXP_TOKEN_STRING) {
        return oxp_parser_unexpected(parser, context, "identifier or \"}\"") != NULL;
    }
    if (matchers->count == OXP_PROMQL_MATCHERS_MAX) {
        return oxp_parser_limit(parser, parser->token.start, "more than %d matchers in one selector",
                                OXP_PROMQL_MATCHERS_MAX) != NULL;
    }
    struct oxp_token label = oxp_parser_take(parser);
    const struct oxp_symbol *name = kind == OXP_TOKEN_STRING
                                        ? string_symbol(parser, label)
                                        : oxp_symbol_new(parser->arena, oxp_token_text(&parser->lexer.source, &label));
    if (name == NULL) {
        return oxp_parser_no_memory(parser) != NULL;
    }
    if (!match_op(oxp_parser_peek(parser), &op)) {
        return kind == OXP_TOKEN_STRING ? name_matcher(parser, matchers, oxp_symbol_view(name))
                                        : oxp_parser_unexpected(parser, context, "label matching operator") != NULL;
    }
    oxp_parser_take(parser);
    if (oxp_parser_peek(parser) != OXP_TOKEN_STRING) {
        return oxp_parser_unexpected(parser, context, "string") != NULL;
    }
    struct oxp_matcher *matcher = add_matcher(parser, matchers);
    if (matcher == NULL) {
        return false;
    }
    matcher->op = op;
    matcher->name = name;
    matcher->value = string_symbol(parser, oxp_parser_take(parser));
    return matcher->value != NULL &&
           (op == OXP_MATCH_EQUAL || op == OXP_MATCH_NOT_EQUAL || compile(parser, matcher, label.start));
}

/* {…}, whose brace comes next. */
static bool parse_matchers(struct oxp_parser *parser, struct matchers *matchers) {
    oxp_parser_take(parser);
    while (!oxp_parser_accept(parser, OXP_TOKEN_RIGHT_BRACE)) {
        if (!parse_matcher(parser, matchers)) {
            return false;
        }
        if (!oxp_parser_accept(parser, OXP_TOKEN_COMMA) && oxp_parser_peek(parser) != OXP_TOKEN_RIGHT_BRACE) {
            return oxp_parser_unexpected(parser, "label matching", "\",\" or \"}\"") != NULL;
        }
    }
    return parser->status == OXP_OK;
}

struct oxp_promql_node *oxp_parser_selector(struct oxp_parser *parser, struct oxp_token name) {
    struct oxp_view metric = {NULL, 0};
    struct matchers matchers = {0};
    struct oxp_token place = name;
    if (name.kind != OXP_TOKEN_FAILED) {
        metric = oxp_token_text(&parser->lexer.source, &name);
    }
    if (oxp_parser_peek(parser) == OXP_TOKEN_LEFT_BRACE) {
        place.start = name.kind == OXP_TOKEN_FAILED ? parser->token.start : name.start;
        if (!parse_matchers(parser, &matchers)) {
            return NULL;
        }
        place.end = parser->token.end;
    }
    if (parser->status != OXP_OK || (metric.len != 0 && !name_matcher(parser, &matchers, metric))) {
        return NULL;
    }
    struct oxp_promql_node *node = oxp_parser_node(parser, OXP_NODE_SELECTOR, OXP_PROMQL_VECTOR, place);
    if (node == NULL) {
        return NULL;
    }
    node->selector.name = metric;
    node->selector.matchers = matchers.items;
    node->selector.matcher_count = matchers.count;
    return node;
}

/* ---- Durations ---- */

struct duration {
    double seconds;
    int64_t ms; /* what was written as a duration; exact, however long */
    bool exact;
    uint32_t start;
    uint32_t literal; /* where the number itself starts, behind its signs */
    uint32_t end;
    unsigned signs;
};

static bool starts_duration_expr(enum oxp_token_kind kind) {
    return kind == OXP_TOKEN_LEFT_PAREN || kind == OXP_TOKEN_STEP || kind == OXP_TOKEN_RANGE ||
           kind == OXP_TOKEN_MIN_OF || kind == OXP_TOKEN_MAX_OF;
}

static bool goes_on(enum oxp_token_kind kind) {
    return kind == OXP_TOKEN_ADD || kind == OXP_TOKEN_SUB || kind == OXP_TOKEN_MUL || kind == OXP_TOKEN_DIV ||
           kind == OXP_TOKEN_MOD || kind == OXP_TOKEN_POW;
}

/* Signs and a number or duration. False after a failure. */
static bool parse_duration(struct oxp_parser *parser, const char *context, const char *expected,
                           struct duration *duration) {
    bool minus = false;
    enum oxp_token_kind kind = oxp_parser_peek(parser);
    duration->signs = 0;
    duration->start = parser->token.start;
    while (kind == OXP_TOKEN_ADD || kind == OXP_TOKEN_SUB) {
        minus ^= kind == OXP_TOKEN_SUB;
        duration->signs++;
        oxp_parser_take(parser);
        kind = oxp_parser_peek(parser);
    }
    if (starts_duration_expr(kind)) {
        return oxp_parser_refuse(parser, parser->token.start, EXPERIMENTAL, "duration expressions are") != NULL;
    }
    if (kind != OXP_TOKEN_NUMBER && kind != OXP_TOKEN_DURATION) {
        return oxp_parser_unexpected(parser, context, expected) != NULL;
    }
    struct oxp_token token = oxp_parser_take(parser);
    duration->literal = token.start;
    duration->end = token.end;
    if (!oxp_parser_number(parser, token, &duration->seconds)) {
        return false;
    }
    if (token.kind == OXP_TOKEN_DURATION) {
        oxp_duration_read(oxp_token_text(&parser->lexer.source, &token), &duration->ms, NULL); /* it did just now */
        duration->ms = minus ? -duration->ms : duration->ms;
        duration->exact = true;
    }
    duration->seconds = minus ? -duration->seconds : duration->seconds;
    return true;
}

static bool to_ms(struct oxp_parser *parser, const struct duration *duration, uint32_t at, int64_t *ms_out) {
    *ms_out = duration->ms;
    return duration->exact || oxp_duration_from_seconds(duration->seconds, ms_out) == OXP_OK ||
           oxp_parser_fail(parser, at, "duration out of range") != NULL;
}

/* ---- [range] and [range:step] ---- */

static bool parse_positive(struct oxp_parser *parser, const char *context, const char *expected, int64_t *ms_out) {
    struct duration duration = {0};
    if (!parse_duration(parser, context, expected, &duration) || !to_ms(parser, &duration, duration.literal, ms_out)) {
        return false;
    }
    enum oxp_token_kind kind = oxp_parser_peek(parser);
    if (goes_on(kind)) {
        return oxp_parser_refuse(parser, parser->token.start, EXPERIMENTAL, "duration expressions are") != NULL;
    }
    return kind != OXP_TOKEN_FAILED &&
           (duration.seconds > 0 || oxp_parser_fail(parser, duration.start, "duration must be greater than 0") != NULL);
}

static bool is_moved(const struct oxp_promql_when *when) {
    return when->offset_ms != 0 || when->at != OXP_AT_NONE;
}

static struct oxp_promql_node *make_range(struct oxp_parser *parser, const struct oxp_promql_node *selector,
                                          struct oxp_token place, int64_t range_ms) {
    if (selector->kind != OXP_NODE_SELECTOR) {
        return oxp_parser_fail(parser, place.start, "ranges only allowed for vector selectors");
    }
    if (is_moved(&selector->selector.when)) {
        return oxp_parser_fail(parser, place.start, "no %s modifiers allowed before range",
                               selector->selector.when.offset_ms != 0 ? "offset" : "@");
    }
    place.start = selector->start;
    struct oxp_promql_node *node = oxp_parser_node(parser, OXP_NODE_RANGE, OXP_PROMQL_MATRIX, place);
    if (node == NULL || !oxp_parser_adopt(parser, node, selector)) {
        return NULL;
    }
    node->range.selector = selector;
    node->range.range_ms = range_ms;
    return node;
}

static struct oxp_promql_node *parse_subquery(struct oxp_parser *parser, const struct oxp_promql_node *expr,
                                              int64_t range_ms) {
    static const char context[] = "subquery selector";
    struct oxp_token place = {.start = expr->start};
    int64_t step_ms = 0;
    if (oxp_parser_peek(parser) != OXP_TOKEN_RIGHT_BRACKET &&
        !parse_positive(parser, context, "number, duration, step(), range(), or \"]\"", &step_ms)) {
        return NULL;
    }
    if (oxp_parser_peek(parser) != OXP_TOKEN_RIGHT_BRACKET) {
        return oxp_parser_unexpected(parser, context, "\"]\"");
    }
    place.end = oxp_parser_take(parser).end;
    struct oxp_promql_node *node = oxp_parser_node(parser, OXP_NODE_SUBQUERY, OXP_PROMQL_MATRIX, place);
    if (node == NULL || !oxp_parser_adopt(parser, node, expr)) {
        return NULL;
    }
    node->subquery.expr = expr;
    node->subquery.range_ms = range_ms;
    node->subquery.step_ms = step_ms;
    return node;
}

static struct oxp_promql_node *parse_bracket(struct oxp_parser *parser, const struct oxp_promql_node *node) {
    struct oxp_token place = oxp_parser_take(parser);
    int64_t range_ms = 0;
    if (!parse_positive(parser, "subquery or range selector", "number, duration, step(), or range()", &range_ms)) {
        return NULL;
    }
    if (oxp_parser_accept(parser, OXP_TOKEN_COLON)) {
        return parse_subquery(parser, node, range_ms);
    }
    if (oxp_parser_peek(parser) != OXP_TOKEN_RIGHT_BRACKET) {
        return oxp_parser_unexpected(parser, "subquery or range", "\":\" or \"]\"");
    }
    place.end = oxp_parser_take(parser).end;
    return make_range(parser, node, place, range_ms);
}

/* ---- offset and @ ---- */

/* Where an expression keeps its offset and @; NULL when it has none. */
static struct oxp_promql_when *when_of(struct oxp_promql_node *node) {
    switch (node->kind) {
    case OXP_NODE_SELECTOR:
        return &node->selector.when;
    case OXP_NODE_RANGE: /* the tree is still the parser's own: its nodes may be written */
        return &((struct oxp_promql_node *)node->range.selector)->selector.when;
    case OXP_NODE_SUBQUERY:
        return &node->subquery.when;
    default:
        return NULL;
    }
}

#define WHAT_MOVES "must be preceded by an instant vector selector or range vector selector or a subquery"

static struct oxp_promql_node *parse_offset(struct oxp_parser *parser, struct oxp_promql_node *node) {
    struct oxp_promql_when *when = when_of(node);
    struct duration duration = {0};
    int64_t ms = 0;
    oxp_parser_take(parser);
    if (!parse_duration(parser, "offset", "number, duration, step(), or range()", &duration) ||
        !to_ms(parser, &duration, duration.signs == 1 ? duration.start : duration.literal, &ms)) {
        return NULL;
    }
    if (duration.signs > 1 && goes_on(oxp_parser_peek(parser))) {
        return oxp_parser_refuse(parser, parser->token.start, EXPERIMENTAL, "duration expressions are");
    }
    if (when == NULL) {
        return oxp_parser_fail(parser, node->start, "offset modifier " WHAT_MOVES);
    }
    if (when->offset_ms != 0) {
        return oxp_parser_fail(parser, node->start, "offset may not be set multiple times");
    }
    when->offset_ms = ms;
    node->end = duration.end;
    return node;
}

/* A time in seconds as milliseconds, as Go's timestamp.FromFloatSeconds, kept far from where sums overflow. */
static int64_t time_ms(double seconds) {
    const double most = 4e18;
    double ms = round(seconds * 1000);
    return (int64_t)(ms > most ? most : ms < -most ? -most : ms);
}

/* start() or end() behind an @. False after a failure. */
static bool parse_at_edge(struct oxp_parser *parser, enum oxp_promql_at *at_out) {
    *at_out = oxp_parser_take(parser).kind == OXP_TOKEN_START ? OXP_AT_START : OXP_AT_END;
    return oxp_parser_accept(parser, OXP_TOKEN_LEFT_PAREN) && oxp_parser_accept(parser, OXP_TOKEN_RIGHT_PAREN);
}

/* A signed number behind an @. False after a failure. */
static bool parse_at_time(struct oxp_parser *parser, double *seconds_out) {
    enum oxp_token_kind kind = oxp_parser_peek(parser);
    bool minus = kind == OXP_TOKEN_SUB;
    if (minus || kind == OXP_TOKEN_ADD) {
        oxp_parser_take(parser);
        kind = oxp_parser_peek(parser);
    }
    if ((kind != OXP_TOKEN_NUMBER && kind != OXP_TOKEN_DURATION) ||
        !oxp_parser_number(parser, oxp_parser_take(parser), seconds_out)) {
        return false;
    }
    *seconds_out = minus ? -*seconds_out : *seconds_out;
    return true;
}

static struct oxp_promql_node *parse_at(struct oxp_parser *parser, struct oxp_promql_node *node) {
    struct oxp_promql_when *when = when_of(node);
    enum oxp_promql_at at = OXP_AT_TIME;
    double seconds = 0;
    oxp_parser_take(parser);
    enum oxp_token_kind kind = oxp_parser_peek(parser);
    bool edge = kind == OXP_TOKEN_START || kind == OXP_TOKEN_STOP;
    if (edge ? !parse_at_edge(parser, &at) : !parse_at_time(parser, &seconds)) {
        return oxp_parser_unexpected(parser, "@", "timestamp");
    }
    if (!(fabs(seconds) < 9223372036854775808.0)) {
        const char *text = isnan(seconds) ? "NaN" : seconds > 0 ? "+Inf" : "-Inf";
        return isfinite(seconds)
                   ? oxp_parser_fail(parser, node->start, "timestamp out of bounds for @ modifier: %f", seconds)
                   : oxp_parser_fail(parser, node->start, "timestamp out of bounds for @ modifier: %s", text);
    }
    if (when == NULL) {
        return oxp_parser_fail(parser, node->start, "@ modifier " WHAT_MOVES);
    }
    if (when->at != OXP_AT_NONE) {
        return oxp_parser_fail(parser, node->start, "@ <timestamp> may not be set multiple times");
    }
    when->at = at;
    when->at_ms = edge ? 0 : time_ms(seconds);
    node->end = parser->token.end;
    return node;
}

struct oxp_promql_node *oxp_parser_suffixes(struct oxp_parser *parser, struct oxp_promql_node *node) {
    while (node != NULL) {
        switch (oxp_parser_peek(parser)) {
        case OXP_TOKEN_LEFT_BRACKET:
            node = parse_bracket(parser, node);
            break;
        case OXP_TOKEN_OFFSET:
            node = parse_offset(parser, node);
            break;
        case OXP_TOKEN_AT:
            node = parse_at(parser, node);
            break;
        case OXP_TOKEN_ANCHORED:
            return oxp_parser_refuse(parser, parser->token.start, EXPERIMENTAL, "the anchored modifier is");
        case OXP_TOKEN_SMOOTHED:
            return oxp_parser_refuse(parser, parser->token.start, EXPERIMENTAL, "the smoothed modifier is");
        default:
            return node;
        }
    }
    return NULL;
}
