/* Operands, commands and pipelines: what stands within an action. */
#include "alerts/promql/lexer.h"

#include "alerts/rules/template_parser.h"

#define SHOWN(token) oxp_tpl_show_token((char[OXP_TOKEN_SHOWN]){0}, (token))

/* ---- Operands ---- */

static struct oxp_tpl_node *string_node(struct oxp_tpl_parser *parser, const struct oxp_tpl_token *token) {
    struct oxp_tpl_node *node = oxp_tpl_node_new(parser, OXP_TPL_STRING, token->pos);
    if (node == NULL || !oxp_tpl_unquote(parser, token->text, &node->string.text)) {
        return NULL;
    }
    node->string.quoted = oxp_tpl_copy(parser, token->text);
    return node;
}

static struct oxp_tpl_node *number_node(struct oxp_tpl_parser *parser, const struct oxp_tpl_token *token) {
    char fault[160];
    struct oxp_tpl_node *node = oxp_tpl_node_new(parser, OXP_TPL_NUMBER, token->pos);
    if (node == NULL) {
        return NULL;
    }
    if (token->kind == OXP_TPL_T_COMPLEX) {
        return OXP_TPL_REFUSE(parser, "complex numbers are not supported: %s", SHOWN(token));
    }
    if (!oxp_tpl_read_number(token->text, token->kind == OXP_TPL_T_CHAR_CONSTANT, &node->number, fault)) {
        return OXP_TPL_REFUSE(parser, "%s", fault);
    }
    node->number.text = oxp_tpl_copy(parser, token->text);
    return node;
}

static struct oxp_tpl_node *identifier_node(struct oxp_tpl_parser *parser, const struct oxp_tpl_token *token) {
    const struct oxp_tpl_function *function = oxp_tpl_function_find(token->text);
    if (function == NULL) {
        return OXP_TPL_REFUSE(parser, "function %s not defined", OXP_QUOTED(token->text));
    }
    struct oxp_tpl_node *node = oxp_tpl_node_new(parser, OXP_TPL_IDENTIFIER, token->pos);
    if (node != NULL) {
        node->identifier.name = oxp_view_from(function->name);
        node->identifier.function = function;
    }
    return node;
}

/* A node with room for its own name and those of the fields that follow it. */
static struct oxp_tpl_node *path_node(struct oxp_tpl_parser *parser, enum oxp_tpl_node_kind kind,
                                      const struct oxp_tpl_token *token) {
    struct oxp_tpl_node *node = oxp_tpl_node_new(parser, kind, token->pos);
    struct oxp_view *name = oxp_arena_zero(parser->arena, 1, sizeof *name);
    if (node == NULL || name == NULL) {
        return oxp_tpl_starved(parser);
    }
    struct oxp_view text = token->text;
    *name = oxp_tpl_copy(parser, kind == OXP_TPL_FIELD ? oxp_view_of(text.ptr + 1, text.len - 1) : text);
    node->path.names = name;
    node->path.count = 1;
    return node;
}

static struct oxp_tpl_node *variable_node(struct oxp_tpl_parser *parser, const struct oxp_tpl_token *token) {
    for (size_t i = 0; i < parser->scope.variable_count; i++) {
        if (oxp_view_equal(parser->scope.variables[i], token->text)) {
            return path_node(parser, OXP_TPL_VARIABLE, token);
        }
    }
    return OXP_TPL_REFUSE(parser, "undefined variable %s", OXP_QUOTED(token->text));
}

static struct oxp_tpl_node *
paren_node(struct oxp_tpl_parser *parser) { // NOLINT(misc-no-recursion): oxp_tpl_enter() bounds it
    if (!oxp_tpl_enter(parser)) {
        return NULL;
    }
    struct oxp_tpl_node *node = oxp_tpl_pipeline(parser, "parenthesized pipeline", OXP_TPL_T_RIGHT_PAREN);
    parser->depth--;
    return node;
}

/* NULL without a refusal: the token is no term, and was put back. */
static struct oxp_tpl_node *
term(struct oxp_tpl_parser *parser) { // NOLINT(misc-no-recursion): oxp_tpl_enter() bounds it
    struct oxp_tpl_token token = oxp_tpl_next_word(parser);
    struct oxp_tpl_node *node = NULL;
    parser->blamed = token;
    switch (token.kind) {
    case OXP_TPL_T_IDENTIFIER:
        return identifier_node(parser, &token);
    case OXP_TPL_T_DOT:
        return oxp_tpl_node_new(parser, OXP_TPL_DOT, token.pos);
    case OXP_TPL_T_NIL:
        return oxp_tpl_node_new(parser, OXP_TPL_NIL, token.pos);
    case OXP_TPL_T_VARIABLE:
        return variable_node(parser, &token);
    case OXP_TPL_T_FIELD:
        return path_node(parser, OXP_TPL_FIELD, &token);
    case OXP_TPL_T_BOOL:
        node = oxp_tpl_node_new(parser, OXP_TPL_BOOL, token.pos);
        if (node != NULL) {
            node->truth = oxp_view_is(token.text, "true");
        }
        return node;
    case OXP_TPL_T_CHAR_CONSTANT:
    case OXP_TPL_T_COMPLEX:
    case OXP_TPL_T_NUMBER:
        return number_node(parser, &token);
    case OXP_TPL_T_LEFT_PAREN:
        return paren_node(parser);
    case OXP_TPL_T_STRING:
    case OXP_TPL_T_RAW_STRING:
        return string_node(parser, &token);
    default:
        parser->scope.peeked++;
        return NULL;
    }
}

/* The fields behind a term: `.a.b`. */
static struct oxp_tpl_node *with_fields(struct oxp_tpl_parser *parser, struct oxp_tpl_node *node) {
    struct oxp_tpl_token first = oxp_tpl_peek(parser);
    bool literal = node->kind == OXP_TPL_BOOL || node->kind == OXP_TPL_STRING || node->kind == OXP_TPL_NUMBER ||
                   node->kind == OXP_TPL_NIL || node->kind == OXP_TPL_DOT;
    bool path = node->kind == OXP_TPL_FIELD || node->kind == OXP_TPL_VARIABLE;
    if (first.kind != OXP_TPL_T_FIELD) {
        return node;
    }
    struct oxp_tpl_node *chain = path ? node : oxp_tpl_node_new(parser, OXP_TPL_CHAIN, first.pos);
    if (chain == NULL) {
        return NULL;
    }
    chain->pos = first.pos;
    if (!path) {
        chain->path.base = node;
    }
    for (struct oxp_tpl_token token = first; token.kind == OXP_TPL_T_FIELD; token = oxp_tpl_peek(parser)) {
        size_t count = chain->path.count;
        struct oxp_view *names = oxp_arena_grow(parser->arena, chain->path.names, count, count + 1, sizeof *names);
        if (names == NULL) {
            return oxp_tpl_starved(parser);
        }
        token = oxp_tpl_next(parser);
        names[count] = oxp_tpl_copy(parser, oxp_view_of(token.text.ptr + 1, token.text.len - 1));
        chain->path.names = names;
        chain->path.count++;
    }
    if (literal) {
        struct oxp_buf text;
        oxp_buf_init(&text, 0);
        oxp_tpl_node_print(&text, node);
        if (oxp_buf_status(&text) != OXP_OK) {
            oxp_tpl_fail(parser, OXP_ERR_NOMEM, "out of memory");
        }
        OXP_TPL_REFUSE(parser, "unexpected . after term %s", OXP_QUOTED(oxp_buf_view(&text)));
        oxp_buf_fini(&text);
        return NULL;
    }
    return chain;
}

/* ---- Pipelines ---- */

static struct oxp_tpl_node *
command(struct oxp_tpl_parser *parser) { // NOLINT(misc-no-recursion): oxp_tpl_enter() bounds it
    struct oxp_tpl_node *node = oxp_tpl_node_new(parser, OXP_TPL_COMMAND, oxp_tpl_peek_word(parser).pos);
    while (node != NULL && parser->status == OXP_OK) {
        oxp_tpl_peek_word(parser); /* over spaces */
        struct oxp_tpl_node *operand = term(parser);
        operand = operand == NULL ? NULL : with_fields(parser, operand);
        if (parser->status != OXP_OK || (operand != NULL && !oxp_tpl_node_add(parser, &node->list, operand))) {
            return NULL;
        }
        struct oxp_tpl_token token = oxp_tpl_next(parser);
        if (token.kind == OXP_TPL_T_SPACE) {
            continue;
        }
        if (token.kind == OXP_TPL_T_RIGHT_DELIM || token.kind == OXP_TPL_T_RIGHT_PAREN) {
            parser->scope.peeked++;
        } else if (token.kind != OXP_TPL_T_PIPE) {
            return oxp_tpl_unexpected(parser, &token, "operand");
        }
        return node->list.count == 0 ? OXP_TPL_REFUSE(parser, "empty command") : node;
    }
    return NULL;
}

static bool declare(struct oxp_tpl_parser *parser, struct oxp_tpl_node *pipe, struct oxp_view name) {
    struct oxp_view kept = oxp_tpl_copy(parser, name);
    oxp_tpl_next_word(parser); /* := = or a comma */
    pipe->pipe.declared[pipe->pipe.declared_count++] = kept;
    return parser->status == OXP_OK && oxp_tpl_variable_add(parser, kept);
}

/* `$x :=`, `$x =`, and in a range `$i, $x :=`. False: refused. */
static bool declarations(struct oxp_tpl_parser *parser, struct oxp_tpl_node *pipe, const char *context) {
    for (;;) {
        struct oxp_tpl_token variable = oxp_tpl_peek_word(parser);
        if (variable.kind != OXP_TPL_T_VARIABLE) {
            return parser->status == OXP_OK;
        }
        oxp_tpl_next(parser);
        struct oxp_tpl_token after = oxp_tpl_peek(parser), mark = oxp_tpl_peek_word(parser);
        if (mark.kind == OXP_TPL_T_ASSIGN || mark.kind == OXP_TPL_T_DECLARE) {
            pipe->pipe.assigns = mark.kind == OXP_TPL_T_ASSIGN;
            return declare(parser, pipe, variable.text);
        }
        if (mark.kind != OXP_TPL_T_CHAR || !oxp_view_is(mark.text, ",")) {
            /* no declaration: what was read is put back */
            if (after.kind == OXP_TPL_T_SPACE) {
                parser->scope.token[1] = after;
                parser->scope.token[2] = variable;
                parser->scope.peeked = 3;
            } else {
                parser->scope.token[1] = variable;
                parser->scope.peeked = 2;
            }
            return true;
        }
        if (!declare(parser, pipe, variable.text)) {
            return false;
        }
        if (strcmp(context, "range") != 0 || pipe->pipe.declared_count >= 2) {
            OXP_TPL_REFUSE(parser, "too many declarations in %s", context);
            return false;
        }
        enum oxp_tpl_token_kind kind = oxp_tpl_peek_word(parser).kind;
        if (kind != OXP_TPL_T_VARIABLE && kind != OXP_TPL_T_RIGHT_DELIM && kind != OXP_TPL_T_RIGHT_PAREN) {
            OXP_TPL_REFUSE(parser, "range can only initialize variables");
            return false;
        }
    }
}

static bool can_run(const struct oxp_tpl_node *command_node) {
    enum oxp_tpl_node_kind kind = command_node->list.item[0]->kind;
    return kind != OXP_TPL_BOOL && kind != OXP_TPL_DOT && kind != OXP_TPL_NIL && kind != OXP_TPL_NUMBER &&
           kind != OXP_TPL_STRING;
}

static struct oxp_tpl_node *check_pipeline(struct oxp_tpl_parser *parser, struct oxp_tpl_node *pipe,
                                           const char *context) {
    const struct oxp_tpl_nodes *commands = &pipe->pipe.commands;
    if (commands->count == 0) {
        return OXP_TPL_REFUSE(parser, "missing value for %s", context);
    }
    for (size_t i = 1; i < commands->count; i++) {
        if (!can_run(commands->item[i])) {
            return OXP_TPL_REFUSE(parser, "non executable command in pipeline stage %zu", i + 1);
        }
    }
    return pipe;
}

static bool starts_operand(enum oxp_tpl_token_kind kind) {
    switch (kind) {
    case OXP_TPL_T_BOOL:
    case OXP_TPL_T_CHAR_CONSTANT:
    case OXP_TPL_T_COMPLEX:
    case OXP_TPL_T_DOT:
    case OXP_TPL_T_FIELD:
    case OXP_TPL_T_IDENTIFIER:
    case OXP_TPL_T_NUMBER:
    case OXP_TPL_T_NIL:
    case OXP_TPL_T_RAW_STRING:
    case OXP_TPL_T_STRING:
    case OXP_TPL_T_VARIABLE:
    case OXP_TPL_T_LEFT_PAREN:
        return true;
    default:
        return false;
    }
}

struct oxp_tpl_node *
oxp_tpl_pipeline(struct oxp_tpl_parser *parser, // NOLINT(misc-no-recursion): oxp_tpl_enter() bounds it
                 const char *context, enum oxp_tpl_token_kind end) {
    struct oxp_tpl_node *pipe = oxp_tpl_node_new(parser, OXP_TPL_PIPE, oxp_tpl_peek_word(parser).pos);
    if (pipe == NULL || !declarations(parser, pipe, context)) {
        return NULL;
    }
    for (;;) {
        struct oxp_tpl_token token = oxp_tpl_next_word(parser);
        if (token.kind == end) {
            return check_pipeline(parser, pipe, context);
        }
        if (!starts_operand(token.kind)) {
            return oxp_tpl_unexpected(parser, &token, context);
        }
        parser->scope.peeked++;
        if (!oxp_tpl_node_add(parser, &pipe->pipe.commands, command(parser))) {
            return NULL;
        }
    }
}
