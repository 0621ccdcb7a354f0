/* What the parts of the parser share: parser.c reads expressions, parse_call.c what stands in parentheses behind a
 * word, parse_selector.c selectors and what may stand behind them; check.c goes over the finished tree. Private to the
 * parser; owned by one thread. */
#ifndef OXP_PROMQL_PARSER_H
#define OXP_PROMQL_PARSER_H

#include "alerts/promql/lexer.h"
#include "alerts/promql/parse.h"

struct oxp_parser {
    struct oxp_lexer lexer;
    struct oxp_promql_expr *expr;
    struct oxp_arena *arena; /* the expression's */
    struct oxp_token token;  /* the next one, when `peeked` */
    bool peeked;
    unsigned depth;         /* expressions that are open */
    unsigned aggregations;  /* aggregations that are open: they are named when something unexpected comes */
    size_t regex_room;      /* of the expression's array */
    enum oxp_status status; /* the first failure; its reason is in the lexer's source */
};

/* The kind of the next token, which stays; OXP_TOKEN_FAILED when there was a failure. */
enum oxp_token_kind oxp_parser_peek(struct oxp_parser *parser);
/* Takes the next token. */
struct oxp_token oxp_parser_take(struct oxp_parser *parser);
/* Takes the next token when it is of this kind. */
bool oxp_parser_accept(struct oxp_parser *parser, enum oxp_token_kind kind);
/* Notes a failure at a byte of the text, unless there was one before. NULL, for `return oxp_parser_fail(…)`. */
void *oxp_parser_fail(struct oxp_parser *parser, size_t at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The same for what is known and not supported. */
void *oxp_parser_refuse(struct oxp_parser *parser, size_t at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The same for what is more than there may be. */
void *oxp_parser_limit(struct oxp_parser *parser, size_t at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Notes that the next token cannot stand where it does: `unexpected … in CONTEXT, expected EXPECTED`. Both may be NULL;
 * without a context an open aggregation is named. */
void *oxp_parser_unexpected(struct oxp_parser *parser, const char *context, const char *expected);
/* Notes that there was no memory, or too much text for the arena. */
void *oxp_parser_no_memory(struct oxp_parser *parser);
/* A node of height 1; NULL without memory. */
struct oxp_promql_node *oxp_parser_node(struct oxp_parser *parser, enum oxp_promql_kind kind, enum oxp_promql_type type,
                                        struct oxp_token place);
/* Counts a child into the node's height. False when the tree is too high. */
bool oxp_parser_adopt(struct oxp_parser *parser, struct oxp_promql_node *node, const struct oxp_promql_node *child);
/* The value of a NUMBER or DURATION token. False after a failure. */
bool oxp_parser_number(struct oxp_parser *parser, struct oxp_token token, double *value_out);

/* True for a token that an expression may start with. */
bool oxp_parser_starts_expr(enum oxp_token_kind kind);
/* A whole expression; NULL after a failure. */
struct oxp_promql_node *oxp_parser_expr(struct oxp_parser *parser);

/* ---- parse_call.c ---- */

struct oxp_names { /* a list of labels as written */
    const struct oxp_symbol **items;
    size_t count, room;
    uint32_t end; /* behind the closing parenthesis */
};

/* (a, b, "c"), whose opening parenthesis must come next. False after a failure. */
bool oxp_parser_names(struct oxp_parser *parser, struct oxp_names *names);
/* The names sorted, each once, into `choice`; its `without` is left alone. False after a failure. */
bool oxp_parser_choice(struct oxp_parser *parser, const struct oxp_names *names, struct oxp_label_choice *choice);
/* True when by or without comes next. */
bool oxp_parser_at_grouping(struct oxp_parser *parser);
/* A call of the function, or an aggregation, whose name has been taken. */
struct oxp_promql_node *oxp_parser_call(struct oxp_parser *parser, struct oxp_token name);
struct oxp_promql_node *oxp_parser_aggregation(struct oxp_parser *parser, struct oxp_token op);

/* ---- parse_selector.c ---- */

/* A selector: `name` is the metric's token, or of kind FAILED when the selector starts with its brace, which is next.
 */
struct oxp_promql_node *oxp_parser_selector(struct oxp_parser *parser, struct oxp_token name);
/* What stands behind an expression: [range], [range:step], offset, @; the expression itself when nothing does. */
struct oxp_promql_node *oxp_parser_suffixes(struct oxp_parser *parser, struct oxp_promql_node *node);

/* ---- check.c ---- */

/* Types of operands and arguments, what must not stand together, step invariance, and how far the expression reaches
 * back. The tree must be the caller's alone. OXP_ERR_SYNTAX with the reason in the source's error. */
enum oxp_status oxp_promql_check(const struct oxp_source *source, struct oxp_promql_node *root, int64_t *reach_ms_out);

#endif
