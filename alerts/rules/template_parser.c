/* The parser's ground: refusals with their place, tokens with look-ahead, nodes in the arena. */
#include "alerts/promql/lexer.h"

#include "alerts/rules/template_parser.h"
#include <stdarg.h>
#include <stdio.h>

/* ---- Refusals ---- */

static unsigned column_of(const struct oxp_tpl_parser *parser, uint32_t pos) {
    struct oxp_view text = parser->lexer.text;
    uint32_t line_start = pos < text.len ? pos : (uint32_t)text.len;
    uint32_t end = line_start;
    while (line_start > 0 && text.ptr[line_start - 1] != '\n') {
        line_start--;
    }
    return end - line_start + 1;
}

void *oxp_tpl_fail(struct oxp_tpl_parser *parser, enum oxp_status status, const char *format, ...) {
    char text[sizeof parser->error->text];
    va_list args;
    if (parser->status != OXP_OK) {
        return NULL;
    }
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    /* Go tells the line of the last token that was read; where it can be had, the place is that of the one meant */
    const struct oxp_tpl_token *last = &parser->scope.token[0];
    last = parser->blamed.line != 0 && parser->blamed.line == last->line ? &parser->blamed : last;
    parser->status = oxp_error_set(parser->error, status, last->line == 0 ? 1 : last->line,
                                   column_of(parser, last->pos), "%s", text);
    return NULL;
}

void *oxp_tpl_starved(struct oxp_tpl_parser *parser) {
    enum oxp_status status = oxp_arena_status(parser->arena);
    return status == OXP_ERR_LIMIT ? oxp_tpl_fail(parser, status, "the template is too large")
                                   : oxp_tpl_fail(parser, OXP_ERR_NOMEM, "out of memory");
}

/* A token as errors name it: "EOF", "<end>", a quoted text of at most ten characters. */
const char *oxp_tpl_show_token(char *out, const struct oxp_tpl_token *token) {
    struct oxp_view text = token->text;
    if (token->kind == OXP_TPL_T_EOF) {
        snprintf(out, OXP_TOKEN_SHOWN, "EOF");
    } else if (token->kind == OXP_TPL_T_ERROR) {
        snprintf(out, OXP_TOKEN_SHOWN, "%.*s", (int)text.len, text.ptr);
    } else if (token->kind >= OXP_TPL_T_DOT) {
        snprintf(out, OXP_TOKEN_SHOWN, "<%.*s>", (int)text.len, text.ptr);
    } else {
        struct oxp_view rest = text;
        bool cut = text.len > 10;
        for (int i = 0; i < 10 && rest.len != 0; i++) {
            oxp_tpl_take_rune(&rest);
        }
        oxp_show_quoted(out, cut ? oxp_view_of(text.ptr, text.len - rest.len) : text);
        if (cut) {
            size_t length = strlen(out);
            snprintf(out + length, OXP_TOKEN_SHOWN - length, "...");
        }
    }
    return out;
}
#define SHOWN(token) oxp_tpl_show_token((char[OXP_TOKEN_SHOWN]){0}, (token))

void *oxp_tpl_unexpected(struct oxp_tpl_parser *parser, const struct oxp_tpl_token *token, const char *context) {
    parser->blamed = *token;
    if (token->kind != OXP_TPL_T_ERROR) {
        return OXP_TPL_REFUSE(parser, "unexpected %s in %s", SHOWN(token), context);
    }
    if (parser->action_line == 0 || parser->action_line == token->line) {
        return OXP_TPL_REFUSE(parser, "%s", SHOWN(token));
    }
    bool action = token->text.len > 7 && memcmp(token->text.ptr + token->text.len - 7, " action", 7) == 0;
    return OXP_TPL_REFUSE(parser, "%s%s started at line %u", SHOWN(token), action ? "" : " in action",
                          parser->action_line);
}

/* ---- Tokens ---- */

struct oxp_tpl_token oxp_tpl_next(struct oxp_tpl_parser *parser) {
    parser->blamed.line = 0;
    if (parser->scope.peeked > 0) {
        parser->scope.peeked--;
    } else {
        parser->scope.token[0] = oxp_tpl_lexer_next(&parser->lexer);
    }
    return parser->scope.token[parser->scope.peeked];
}

struct oxp_tpl_token oxp_tpl_peek(struct oxp_tpl_parser *parser) {
    struct oxp_tpl_token token = oxp_tpl_next(parser);
    parser->scope.peeked++;
    return token;
}

struct oxp_tpl_token oxp_tpl_next_word(struct oxp_tpl_parser *parser) {
    struct oxp_tpl_token token;
    do {
        token = oxp_tpl_next(parser);
    } while (token.kind == OXP_TPL_T_SPACE);
    return token;
}

struct oxp_tpl_token oxp_tpl_peek_word(struct oxp_tpl_parser *parser) {
    struct oxp_tpl_token token = oxp_tpl_next_word(parser);
    parser->scope.peeked++;
    return token;
}

bool oxp_tpl_expect(struct oxp_tpl_parser *parser, enum oxp_tpl_token_kind kind, const char *context) {
    struct oxp_tpl_token token = oxp_tpl_next_word(parser);
    if (token.kind != kind) {
        oxp_tpl_unexpected(parser, &token, context);
    }
    return parser->status == OXP_OK;
}

/* ---- Making nodes ---- */

struct oxp_tpl_node *oxp_tpl_node_new(struct oxp_tpl_parser *parser, enum oxp_tpl_node_kind kind, uint32_t pos) {
    struct oxp_tpl_node *node = oxp_arena_zero(parser->arena, 1, sizeof *node);
    if (node == NULL) {
        return oxp_tpl_starved(parser);
    }
    node->kind = kind;
    node->pos = pos;
    return node;
}

bool oxp_tpl_node_add(struct oxp_tpl_parser *parser, struct oxp_tpl_nodes *nodes, const struct oxp_tpl_node *node) {
    if (node == NULL) {
        return false;
    }
    if (nodes->count == nodes->size) {
        size_t size = nodes->size == 0 ? 2 : nodes->size * 2;
        const struct oxp_tpl_node **grown =
            oxp_arena_grow(parser->arena, (void *)nodes->item, nodes->size, size, sizeof(struct oxp_tpl_node *));
        if (grown == NULL) {
            oxp_tpl_starved(parser);
            return false;
        }
        nodes->item = grown;
        nodes->size = size;
    }
    nodes->item[nodes->count++] = node;
    return true;
}

bool oxp_tpl_variable_add(struct oxp_tpl_parser *parser, struct oxp_view name) {
    struct oxp_tpl_scope *scope = &parser->scope;
    if (scope->variable_count == scope->variable_size) {
        size_t size = scope->variable_size == 0 ? 8 : scope->variable_size * 2;
        struct oxp_view *grown =
            oxp_arena_grow(parser->arena, scope->variables, scope->variable_size, size, sizeof *grown);
        if (grown == NULL) {
            oxp_tpl_starved(parser);
            return false;
        }
        scope->variables = grown;
        scope->variable_size = size;
    }
    scope->variables[scope->variable_count++] = name;
    return true;
}

bool oxp_tpl_enter(struct oxp_tpl_parser *parser) {
    if (parser->depth == OXP_TEMPLATE_DEPTH) {
        oxp_tpl_fail(parser, OXP_ERR_LIMIT, "more than %d actions or parentheses inside each other",
                     OXP_TEMPLATE_DEPTH);
        return false;
    }
    parser->depth++;
    return true;
}

struct oxp_view oxp_tpl_copy(struct oxp_tpl_parser *parser, struct oxp_view text) {
    struct oxp_view kept = oxp_arena_copy(parser->arena, text);
    if (kept.ptr == NULL) {
        oxp_tpl_starved(parser);
    }
    return kept;
}

bool oxp_tpl_unquote(struct oxp_tpl_parser *parser, struct oxp_view quoted, struct oxp_view *text_out) {
    if (!oxp_tpl_is_quoted(quoted)) {
        OXP_TPL_REFUSE(parser, "invalid syntax");
        return false;
    }
    struct oxp_view text = oxp_literal_unquote(parser->arena, quoted);
    if (text.ptr == NULL) {
        oxp_tpl_starved(parser);
        return false;
    }
    if (quoted.ptr[0] == '`') { /* carriage returns are no part of a raw string */
        char *to = (char *)(uintptr_t)text.ptr;
        for (size_t i = 0; i < text.len; i++) {
            if (text.ptr[i] != '\r') {
                *to++ = text.ptr[i];
            }
        }
        text.len = (size_t)(to - text.ptr);
    }
    *text_out = text;
    return true;
}
