/* The template parser's parts: what reading tokens and making nodes needs, and pipelines. Private to the parser.
 *
 * The first refusal sticks to the parser, and from then on every function gives NULL or false. */
#ifndef OXP_RULES_TEMPLATE_PARSER_H
#define OXP_RULES_TEMPLATE_PARSER_H

#include "alerts/rules/template_run.h"

struct oxp_tpl_scope { /* of one template; definitions have their own */
    struct oxp_view *variables;
    size_t variable_count, variable_size;
    unsigned range_depth;
    struct oxp_tpl_token token[3]; /* tokens read ahead; [0] is the last that was read from the text */
    int peeked;
};

struct oxp_tpl_parser {
    struct oxp_arena *arena;
    struct oxp_error *error;
    enum oxp_status status;
    struct oxp_tpl_lexer lexer;
    struct oxp_tpl_scope scope;
    struct oxp_tpl_token blamed; /* what a refusal is about, when that is not the last token; line 0 = none */
    uint32_t action_line;        /* where the action in work began; 0 = none */
    unsigned depth;
    struct oxp_tpl_definition *definitions;
};

/* ---- template_parser.c ---- */

/* Refuses, with the place of the blamed or the last token; only the first refusal counts. Always NULL. */
void *oxp_tpl_fail(struct oxp_tpl_parser *parser, enum oxp_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
#define OXP_TPL_REFUSE(parser, ...) oxp_tpl_fail(parser, OXP_ERR_SYNTAX, __VA_ARGS__)
/* Refuses for what the arena says about a NULL that it gave. Always NULL. */
void *oxp_tpl_starved(struct oxp_tpl_parser *parser);
/* "unexpected … in CONTEXT", or what the lexer said. Always NULL. */
void *oxp_tpl_unexpected(struct oxp_tpl_parser *parser, const struct oxp_tpl_token *token, const char *context);
/* A token as errors name it, cut to OXP_TOKEN_SHOWN bytes; returns `out`. */
const char *oxp_tpl_show_token(char *out, const struct oxp_tpl_token *token);

/* Takes, or only looks at, the next token; `word`: one that is no space. `scope.peeked++` puts the last one back. */
struct oxp_tpl_token oxp_tpl_next(struct oxp_tpl_parser *parser);
struct oxp_tpl_token oxp_tpl_peek(struct oxp_tpl_parser *parser);
struct oxp_tpl_token oxp_tpl_next_word(struct oxp_tpl_parser *parser);
struct oxp_tpl_token oxp_tpl_peek_word(struct oxp_tpl_parser *parser);
/* Takes a token of this kind, or refuses. */
bool oxp_tpl_expect(struct oxp_tpl_parser *parser, enum oxp_tpl_token_kind kind, const char *context);

struct oxp_tpl_node *oxp_tpl_node_new(struct oxp_tpl_parser *parser, enum oxp_tpl_node_kind kind, uint32_t pos);
/* False also when the node is NULL. */
bool oxp_tpl_node_add(struct oxp_tpl_parser *parser, struct oxp_tpl_nodes *nodes, const struct oxp_tpl_node *node);
bool oxp_tpl_variable_add(struct oxp_tpl_parser *parser, struct oxp_view name);
/* One action or parenthesis deeper; who leaves counts `depth` down. */
bool oxp_tpl_enter(struct oxp_tpl_parser *parser);
/* Bytes of the text, kept in the arena. */
struct oxp_view oxp_tpl_copy(struct oxp_tpl_parser *parser, struct oxp_view text);
/* What a quoted string means. */
bool oxp_tpl_unquote(struct oxp_tpl_parser *parser, struct oxp_view quoted, struct oxp_view *text_out);

/* ---- template_pipeline.c ---- */

/* Declarations and commands up to a token of kind `end`, which is taken; `context` names the action in refusals. */
struct oxp_tpl_node *oxp_tpl_pipeline(struct oxp_tpl_parser *parser, const char *context, enum oxp_tpl_token_kind end);

#endif
