/* Tokens to nodes, as text/template/parse/parse.go does it: recursive descent with three tokens of look-ahead.
 *
 * Depth is bounded: what is open at once, actions and parentheses, may not be more than OXP_TEMPLATE_DEPTH; `else if`
 * opens nothing, however long the chain. Prometheus puts four definitions in front of every template (`{{$labels :=
 * .Labels}}` …): their variables are there from the start. */
#include "alerts/promql/lexer.h"

#include "alerts/rules/template_parser.h"

static struct oxp_tpl_node *item_list(struct oxp_tpl_parser *parser, struct oxp_tpl_node **end_out);

/* ---- Actions ---- */

/* One if, range or with up to its end or else; the keyword is past. `end_out` is what ended its list. */
static struct oxp_tpl_node *
control_head(struct oxp_tpl_parser *parser, // NOLINT(misc-no-recursion): oxp_tpl_enter() bounds it
             enum oxp_tpl_node_kind kind, struct oxp_tpl_node **end_out) {
    const char *context = kind == OXP_TPL_IF ? "if" : kind == OXP_TPL_RANGE ? "range" : "with";
    struct oxp_tpl_node *pipe = oxp_tpl_pipeline(parser, context, OXP_TPL_T_RIGHT_DELIM);
    struct oxp_tpl_node *node = pipe == NULL ? NULL : oxp_tpl_node_new(parser, kind, pipe->pos);
    if (node == NULL) {
        return NULL;
    }
    node->control.pipe = pipe;
    parser->scope.range_depth += kind == OXP_TPL_RANGE;
    node->control.list = item_list(parser, end_out);
    parser->scope.range_depth -= kind == OXP_TPL_RANGE;
    return node->control.list == NULL ? NULL : node;
}

/* A list that holds one node: what stands behind `else` in `else if`. */
static struct oxp_tpl_node *list_of(struct oxp_tpl_parser *parser, const struct oxp_tpl_node *node) {
    struct oxp_tpl_node *list = oxp_tpl_node_new(parser, OXP_TPL_LIST, node->pos);
    return list != NULL && oxp_tpl_node_add(parser, &list->list, node) ? list : NULL;
}

/* The keyword is past. `else if` is an if within the else list, and shares its end. */
static struct oxp_tpl_node *
control(struct oxp_tpl_parser *parser, // NOLINT(misc-no-recursion): oxp_tpl_enter() bounds it
        enum oxp_tpl_node_kind kind) {
    enum oxp_tpl_token_kind again = kind == OXP_TPL_IF ? OXP_TPL_T_IF : OXP_TPL_T_WITH;
    size_t variables = parser->scope.variable_count;
    struct oxp_tpl_node *end = NULL;
    if (!oxp_tpl_enter(parser)) {
        return NULL;
    }
    struct oxp_tpl_node *first = control_head(parser, kind, &end), *node = first;
    while (node != NULL && end->kind == OXP_TPL_ELSE && kind != OXP_TPL_RANGE && oxp_tpl_peek(parser).kind == again) {
        oxp_tpl_next(parser);
        struct oxp_tpl_node *link = control_head(parser, kind, &end);
        node->control.else_list = link == NULL ? NULL : list_of(parser, link);
        node->control.chained = true;
        node = node->control.else_list == NULL ? NULL : link;
    }
    if (node != NULL && end->kind == OXP_TPL_ELSE) {
        node->control.else_list = item_list(parser, &end);
        if (node->control.else_list != NULL && end->kind != OXP_TPL_END) {
            OXP_TPL_REFUSE(parser, "expected end; found {{else}}");
        }
    }
    parser->depth--;
    parser->scope.variable_count = variables;
    return parser->status == OXP_OK ? first : NULL;
}

static struct oxp_tpl_node *leave_control(struct oxp_tpl_parser *parser, enum oxp_tpl_node_kind kind,
                                          const struct oxp_tpl_token *keyword) {
    const char *name = kind == OXP_TPL_BREAK ? "{{break}}" : "{{continue}}";
    if (!oxp_tpl_expect(parser, OXP_TPL_T_RIGHT_DELIM, name)) {
        return NULL;
    }
    if (parser->scope.range_depth == 0) {
        return OXP_TPL_REFUSE(parser, "%s outside {{range}}", name);
    }
    return oxp_tpl_node_new(parser, kind, keyword->pos);
}

static struct oxp_tpl_node *else_control(struct oxp_tpl_parser *parser) {
    struct oxp_tpl_token token = oxp_tpl_peek_word(parser);
    if (token.kind != OXP_TPL_T_IF && token.kind != OXP_TPL_T_WITH) {
        if (!oxp_tpl_expect(parser, OXP_TPL_T_RIGHT_DELIM, "else")) {
            return NULL;
        }
    }
    return oxp_tpl_node_new(parser, OXP_TPL_ELSE, token.pos);
}

static bool template_name(struct oxp_tpl_parser *parser, const struct oxp_tpl_token *token, const char *context,
                          struct oxp_view *name_out) {
    if (token->kind != OXP_TPL_T_STRING && token->kind != OXP_TPL_T_RAW_STRING) {
        oxp_tpl_unexpected(parser, token, context);
        return false;
    }
    return oxp_tpl_unquote(parser, token->text, name_out);
}

static bool is_blank(struct oxp_view text) {
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '\0' || strchr(" \t\r\n\v\f", text.ptr[i]) == NULL) {
            return false;
        }
    }
    return true;
}

/* True when there is nothing but space in it: such a definition may be made anew. */
static bool is_empty(const struct oxp_tpl_node *list) {
    for (size_t i = 0; i < list->list.count; i++) {
        if (list->list.item[i]->kind != OXP_TPL_TEXT || !is_blank(list->list.item[i]->text)) {
            return false;
        }
    }
    return true;
}

static bool add_definition(struct oxp_tpl_parser *parser, struct oxp_view name, const struct oxp_tpl_node *root) {
    for (struct oxp_tpl_definition *known = parser->definitions; known != NULL; known = known->next) {
        if (oxp_view_equal(known->name, name)) {
            if (!is_empty(known->root) && !is_empty(root)) {
                OXP_TPL_REFUSE(parser, "template: multiple definition of template %s", OXP_QUOTED(name));
                return false;
            }
            known->root = is_empty(known->root) ? root : known->root;
            return true;
        }
    }
    struct oxp_tpl_definition *made = oxp_arena_zero(parser->arena, 1, sizeof *made);
    if (made == NULL) {
        oxp_tpl_starved(parser);
        return false;
    }
    *made = (struct oxp_tpl_definition){name, root, parser->definitions};
    parser->definitions = made;
    return true;
}

/* The body of a define or block up to its end, in a scope of its own. */
static bool definition_body(struct oxp_tpl_parser *parser, // NOLINT(misc-no-recursion): oxp_tpl_enter() bounds it
                            const char *context, struct oxp_view *name, bool named) {
    struct oxp_tpl_scope outer = parser->scope;
    struct oxp_tpl_node *end = NULL;
    bool good = oxp_tpl_enter(parser);
    parser->scope = (struct oxp_tpl_scope){.token[0] = {.line = outer.token[0].line, .pos = outer.token[0].pos}};
    good = good && oxp_tpl_variable_add(parser, OXP_VIEW("$"));
    if (good && !named) {
        struct oxp_tpl_token token = oxp_tpl_next_word(parser);
        good = template_name(parser, &token, context, name) && oxp_tpl_expect(parser, OXP_TPL_T_RIGHT_DELIM, context);
    }
    struct oxp_tpl_node *root = good ? item_list(parser, &end) : NULL;
    if (root != NULL && end->kind != OXP_TPL_END) {
        OXP_TPL_REFUSE(parser, "unexpected {{else}} in %s", context);
    }
    good = parser->status == OXP_OK && root != NULL && add_definition(parser, *name, root);
    parser->scope = outer;
    parser->depth--;
    return good;
}

static struct oxp_tpl_node *
template_control(struct oxp_tpl_parser *parser) { // NOLINT(misc-no-recursion): oxp_tpl_enter() bounds it
    struct oxp_tpl_token token = oxp_tpl_next_word(parser);
    struct oxp_view name;
    if (!template_name(parser, &token, "template clause", &name)) {
        return NULL;
    }
    struct oxp_tpl_node *node = oxp_tpl_node_new(parser, OXP_TPL_TEMPLATE, token.pos);
    if (node != NULL && oxp_tpl_next_word(parser).kind != OXP_TPL_T_RIGHT_DELIM) {
        parser->scope.peeked++;
        node->control.pipe = oxp_tpl_pipeline(parser, "template clause", OXP_TPL_T_RIGHT_DELIM);
    }
    if (node == NULL || parser->status != OXP_OK) {
        return NULL;
    }
    node->control.name = name;
    return node;
}

static struct oxp_tpl_node *
block_control(struct oxp_tpl_parser *parser) { // NOLINT(misc-no-recursion): oxp_tpl_enter() bounds it
    struct oxp_tpl_token token = oxp_tpl_next_word(parser);
    struct oxp_view name;
    if (!template_name(parser, &token, "block clause", &name)) {
        return NULL;
    }
    struct oxp_tpl_node *pipe = oxp_tpl_pipeline(parser, "block clause", OXP_TPL_T_RIGHT_DELIM);
    struct oxp_tpl_node *node = pipe == NULL ? NULL : oxp_tpl_node_new(parser, OXP_TPL_TEMPLATE, token.pos);
    if (node == NULL || !definition_body(parser, "block clause", &name, true)) {
        return NULL;
    }
    node->control.name = name;
    node->control.pipe = pipe;
    return node;
}

static struct oxp_tpl_node *
action(struct oxp_tpl_parser *parser) { // NOLINT(misc-no-recursion): oxp_tpl_enter() bounds it
    struct oxp_tpl_token token = oxp_tpl_next_word(parser);
    switch (token.kind) {
    case OXP_TPL_T_BLOCK:
        return block_control(parser);
    case OXP_TPL_T_BREAK:
        return leave_control(parser, OXP_TPL_BREAK, &token);
    case OXP_TPL_T_CONTINUE:
        return leave_control(parser, OXP_TPL_CONTINUE, &token);
    case OXP_TPL_T_ELSE:
        return else_control(parser);
    case OXP_TPL_T_END:
        return oxp_tpl_expect(parser, OXP_TPL_T_RIGHT_DELIM, "end") ? oxp_tpl_node_new(parser, OXP_TPL_END, token.pos)
                                                                    : NULL;
    case OXP_TPL_T_IF:
        return control(parser, OXP_TPL_IF);
    case OXP_TPL_T_RANGE:
        return control(parser, OXP_TPL_RANGE);
    case OXP_TPL_T_TEMPLATE:
        return template_control(parser);
    case OXP_TPL_T_WITH:
        return control(parser, OXP_TPL_WITH);
    default:
        break;
    }
    parser->scope.peeked++;
    struct oxp_tpl_node *node = oxp_tpl_node_new(parser, OXP_TPL_ACTION, oxp_tpl_peek(parser).pos);
    if (node != NULL) {
        node->control.pipe = oxp_tpl_pipeline(parser, "command", OXP_TPL_T_RIGHT_DELIM);
    }
    return parser->status == OXP_OK ? node : NULL;
}

static struct oxp_tpl_node *
text_or_action(struct oxp_tpl_parser *parser) { // NOLINT(misc-no-recursion): oxp_tpl_enter() bounds it
    struct oxp_tpl_token token = oxp_tpl_next_word(parser);
    struct oxp_tpl_node *node = NULL;
    if (token.kind == OXP_TPL_T_TEXT) {
        node = oxp_tpl_node_new(parser, OXP_TPL_TEXT, token.pos);
        if (node != NULL) {
            node->text = oxp_tpl_copy(parser, token.text);
        }
    } else if (token.kind == OXP_TPL_T_LEFT_DELIM) {
        parser->action_line = token.line;
        node = action(parser);
        parser->action_line = 0;
    } else {
        oxp_tpl_unexpected(parser, &token, "input");
    }
    return parser->status == OXP_OK ? node : NULL;
}

/* Up to an end or else, which is given in `end_out`. */
static struct oxp_tpl_node *
item_list(struct oxp_tpl_parser *parser, // NOLINT(misc-no-recursion): oxp_tpl_enter() bounds it
          struct oxp_tpl_node **end_out) {
    struct oxp_tpl_node *list = oxp_tpl_node_new(parser, OXP_TPL_LIST, oxp_tpl_peek_word(parser).pos);
    while (list != NULL && oxp_tpl_peek_word(parser).kind != OXP_TPL_T_EOF) {
        struct oxp_tpl_node *node = text_or_action(parser);
        if (node == NULL) {
            return NULL;
        }
        if (node->kind == OXP_TPL_END || node->kind == OXP_TPL_ELSE) {
            *end_out = node;
            return list;
        }
        if (!oxp_tpl_node_add(parser, &list->list, node)) {
            return NULL;
        }
    }
    return list == NULL ? NULL : OXP_TPL_REFUSE(parser, "unexpected EOF");
}

/* ---- The whole ---- */

static bool parse_top(struct oxp_tpl_parser *parser, struct oxp_tpl_node *root) {
    while (oxp_tpl_peek(parser).kind != OXP_TPL_T_EOF) {
        if (oxp_tpl_peek(parser).kind == OXP_TPL_T_LEFT_DELIM) {
            struct oxp_tpl_token delim = oxp_tpl_next(parser);
            if (oxp_tpl_next_word(parser).kind == OXP_TPL_T_DEFINE) {
                struct oxp_view name;
                if (!definition_body(parser, "define clause", &name, false)) {
                    return false;
                }
                continue;
            }
            parser->scope.token[1] = delim;
            parser->scope.peeked = 2;
        }
        struct oxp_tpl_node *node = text_or_action(parser);
        if (node == NULL) {
            return false;
        }
        if (node->kind == OXP_TPL_END || node->kind == OXP_TPL_ELSE) {
            OXP_TPL_REFUSE(parser, "unexpected %s", node->kind == OXP_TPL_END ? "{{end}}" : "{{else}}");
            return false;
        }
        if (!oxp_tpl_node_add(parser, &root->list, node)) {
            return false;
        }
    }
    return true;
}

enum oxp_status oxp_template_parse(struct oxp_arena *arena, struct oxp_view text,
                                   const struct oxp_template **template_out, struct oxp_error *error) {
    static const char *const given[] = {"$", "$labels", "$externalLabels", "$externalURL", "$value"};
    struct oxp_tpl_parser parser = {.arena = arena, .error = error};
    if (text.len > OXP_TEMPLATE_TEXT_MAX) {
        return oxp_error_set(error, OXP_ERR_LIMIT, 1, 1, "the template is longer than %u bytes", OXP_TEMPLATE_TEXT_MAX);
    }
    text = text.len == 0 ? oxp_view_of("", 0) : text;
    oxp_tpl_lexer_init(&parser.lexer, text);
    struct oxp_template *template = oxp_arena_zero(arena, 1, sizeof *template);
    struct oxp_tpl_node *root = oxp_tpl_node_new(&parser, OXP_TPL_LIST, 0);
    if (template == NULL || root == NULL) {
        oxp_tpl_starved(&parser);
        return parser.status;
    }
    for (size_t i = 0; i < sizeof given / sizeof given[0]; i++) {
        if (!oxp_tpl_variable_add(&parser, oxp_view_from(given[i]))) {
            return parser.status;
        }
    }
    if (!parse_top(&parser, root)) {
        return parser.status;
    }
    template->text = oxp_tpl_copy(&parser, text);
    template->root = root;
    template->definitions = parser.definitions;
    template->plain = text.len < 2 || memmem(text.ptr, text.len, "{{", 2) == NULL;
    if (parser.status == OXP_OK) {
        *template_out = template;
    }
    return parser.status;
}
