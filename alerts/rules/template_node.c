/* Nodes as Go prints them: errors show the place that way. */
#include "alerts/rules/template_run.h"

static void print_list(struct oxp_buf *out, const struct oxp_tpl_nodes *list, const char *between);

/* A pipeline that is a word of a command stands in parentheses. */
static void print_word(struct oxp_buf *out, const struct oxp_tpl_node *node) { // NOLINT(misc-no-recursion): as parsed
    bool parens = node->kind == OXP_TPL_PIPE;
    oxp_buf_append_text(out, parens ? "(" : "");
    oxp_tpl_node_print(out, node);
    oxp_buf_append_text(out, parens ? ")" : "");
}

static void print_pipe(struct oxp_buf *out, const struct oxp_tpl_node *node) { // NOLINT(misc-no-recursion): as parsed
    for (size_t i = 0; i < node->pipe.declared_count; i++) {
        oxp_buf_append_text(out, i == 0 ? "" : ", ");
        oxp_buf_append_view(out, node->pipe.declared[i]);
    }
    if (node->pipe.declared_count != 0) {
        oxp_buf_append_text(out, node->pipe.assigns ? " = " : " := ");
    }
    print_list(out, &node->pipe.commands, " | ");
}

static void print_list(struct oxp_buf *out, // NOLINT(misc-no-recursion): as deep as it was parsed
                       const struct oxp_tpl_nodes *list, const char *between) {
    for (size_t i = 0; i < list->count; i++) {
        oxp_buf_append_text(out, i == 0 ? "" : between);
        print_word(out, list->item[i]);
    }
}

static void print_path(struct oxp_buf *out, const struct oxp_tpl_node *node) { // NOLINT(misc-no-recursion): as parsed
    if (node->path.base != NULL) {
        print_word(out, node->path.base);
    }
    for (size_t i = 0; i < node->path.count; i++) {
        oxp_buf_append_text(out, node->kind == OXP_TPL_VARIABLE && i == 0 ? "" : ".");
        oxp_buf_append_view(out, node->path.names[i]);
    }
}

static void print_call(struct oxp_buf *out, const struct oxp_tpl_node *node) { // NOLINT(misc-no-recursion): as parsed
    oxp_buf_append_text(out, "{{template ");
    oxp_tpl_quote(out, node->control.name, '"', false);
    if (node->control.pipe != NULL) {
        oxp_buf_append_char(out, ' ');
        oxp_tpl_node_print(out, node->control.pipe);
    }
    oxp_buf_append_text(out, "}}");
}

void oxp_tpl_node_print(struct oxp_buf *out, const struct oxp_tpl_node *node) { // NOLINT(misc-no-recursion): as parsed
    switch (node->kind) {
    case OXP_TPL_COMMAND:
        print_list(out, &node->list, " ");
        break;
    case OXP_TPL_ACTION:
        oxp_buf_append_text(out, "{{");
        oxp_tpl_node_print(out, node->control.pipe);
        oxp_buf_append_text(out, "}}");
        break;
    case OXP_TPL_LIST: /* nothing is told of what holds other actions */
    case OXP_TPL_TEXT:
    case OXP_TPL_IF:
    case OXP_TPL_RANGE:
    case OXP_TPL_WITH:
        break;
    case OXP_TPL_TEMPLATE:
        print_call(out, node);
        break;
    case OXP_TPL_PIPE:
        print_pipe(out, node);
        break;
    case OXP_TPL_IDENTIFIER:
        oxp_buf_append_view(out, node->identifier.name);
        break;
    case OXP_TPL_FIELD:
    case OXP_TPL_VARIABLE:
    case OXP_TPL_CHAIN:
        print_path(out, node);
        break;
    case OXP_TPL_BOOL:
        oxp_buf_append_text(out, node->truth ? "true" : "false");
        break;
    case OXP_TPL_NUMBER:
        oxp_buf_append_view(out, node->number.text);
        break;
    case OXP_TPL_STRING:
        oxp_buf_append_view(out, node->string.quoted);
        break;
    case OXP_TPL_DOT:
        oxp_buf_append_char(out, '.');
        break;
    case OXP_TPL_NIL:
        oxp_buf_append_text(out, "nil");
        break;
    case OXP_TPL_BREAK:
        oxp_buf_append_text(out, "{{break}}");
        break;
    case OXP_TPL_CONTINUE:
        oxp_buf_append_text(out, "{{continue}}");
        break;
    case OXP_TPL_END:
        oxp_buf_append_text(out, "{{end}}");
        break;
    case OXP_TPL_ELSE:
        oxp_buf_append_text(out, "{{else}}");
        break;
    }
}
