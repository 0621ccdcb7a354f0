/* Walking the nodes: what text/template's exec.go does for actions, if, with, range and template.
 *
 * Go leaves by panicking; here everything gives false (or FAILED) once the run has ended. What bounds a run: steps
 * (every node walked is one, costly functions are charged more), the interpreter's depth, the bytes of output, and the
 * memory of the arena. */
#include "alerts/rules/template_run.h"
#include <stdarg.h>
#include <stdio.h>

enum walked { WALKED, BROKEN, CONTINUED, FAILED };

static const struct oxp_view prelude = {
    /* what Prometheus puts in front of a rule's templates */
    "{{$labels := .Labels}}{{$externalLabels := .ExternalLabels}}{{$externalURL := .ExternalURL}}{{$value := .Value}}",
    sizeof "{{$labels := .Labels}}{{$externalLabels := .ExternalLabels}}{{$externalURL := .ExternalURL}}"
           "{{$value := .Value}}" -
        1,
};

/* ---- Ends ---- */

bool oxp_tpl_run_stop(struct oxp_tpl_run *run, enum oxp_status status, const char *words) {
    if (run->status == OXP_OK) {
        run->status = status;
        oxp_buf_clear(&run->reason);
        oxp_buf_append_text(&run->reason, words);
    }
    return false;
}

bool oxp_tpl_run_starved(struct oxp_tpl_run *run) {
    return oxp_arena_status(&run->arena) == OXP_ERR_LIMIT
               ? oxp_tpl_run_stop(run, OXP_ERR_LIMIT, "the template needs too much memory")
               : oxp_tpl_run_stop(run, OXP_ERR_NOMEM, "out of memory");
}

const char *oxp_tpl_run_text(struct oxp_tpl_run *run, struct oxp_buf *buf) {
    enum oxp_status status = oxp_buf_status(buf);
    if (status != OXP_OK) {
        oxp_tpl_run_stop(run, status, status == OXP_ERR_LIMIT ? "the error's text is too long" : "out of memory");
    }
    return oxp_buf_text(buf);
}

bool oxp_tpl_charge(struct oxp_tpl_run *run, size_t steps) {
    if (run->status != OXP_OK) {
        return false;
    }
    if (run->steps < steps) {
        return oxp_tpl_run_stop(run, OXP_ERR_LIMIT, "the template takes too many steps");
    }
    run->steps -= steps;
    return true;
}

/* `template: __alert_X:1:95: executing "__alert_X" at <.Foo>: `; the place is one in the prelude and text. */
static void put_place(const struct oxp_tpl_run *run, struct oxp_buf *out) {
    struct oxp_view text = run->template->text;
    size_t line = 1, line_start = 0, pos = run->node->pos;
    for (size_t i = 0; i < pos && i < text.len; i++) {
        if (text.ptr[i] == '\n') {
            line++;
            line_start = i + 1;
        }
    }
    size_t column = pos - line_start + (line == 1 ? prelude.len : 0);
    struct oxp_buf name;
    oxp_buf_init(&name, 0);
    oxp_buf_append_text(&name, "__alert_");
    oxp_buf_append_view(&name, run->data->alert);
    oxp_buf_append_text(out, "template: ");
    oxp_buf_append_view(out, oxp_buf_view(&name));
    oxp_buf_append_format(out, ":%zu:%zu: executing ", line, column);
    oxp_tpl_quote(out, run->name.len != 0 ? run->name : oxp_buf_view(&name), '"', false);
    oxp_buf_append_text(out, " at <");
    oxp_tpl_node_print(out, run->node);
    oxp_buf_append_text(out, ">: ");
    oxp_tpl_spoil(out, oxp_buf_status(&name));
    oxp_buf_fini(&name);
}

bool oxp_tpl_run_error(struct oxp_tpl_run *run, const char *format, ...) {
    struct oxp_buf words;
    va_list args;
    if (run->status != OXP_OK) {
        return false;
    }
    oxp_buf_init(&words, 0);
    put_place(run, &words);
    va_start(args, format);
    int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *room = length < 0 ? NULL : oxp_buf_reserve(&words, (size_t)length + 1);
    if (room != NULL) {
        va_start(args, format);
        vsnprintf(room, (size_t)length + 1, format, args);
        va_end(args);
        oxp_buf_commit(&words, (size_t)length);
    }
    if (oxp_buf_status(&words) == OXP_OK) {
        run->status = OXP_ERR_INVALID;
        oxp_buf_clear(&run->reason);
        oxp_buf_append_view(&run->reason, oxp_buf_view(&words));
    } else {
        oxp_tpl_run_stop(run, OXP_ERR_NOMEM, "out of memory");
    }
    oxp_buf_fini(&words);
    return false;
}

/* ---- Variables ---- */

bool oxp_tpl_push(struct oxp_tpl_run *run, struct oxp_view name, const struct oxp_tpl_value *value) {
    if (run->variable_count == run->variable_size) {
        size_t size = run->variable_size == 0 ? 16 : run->variable_size * 2;
        struct oxp_tpl_variable *grown =
            oxp_arena_grow(&run->arena, run->variables, run->variable_size, size, sizeof *grown);
        if (grown == NULL) {
            return oxp_tpl_run_starved(run);
        }
        run->variables = grown;
        run->variable_size = size;
    }
    run->variables[run->variable_count++] = (struct oxp_tpl_variable){name, *value};
    return true;
}

struct oxp_tpl_variable *oxp_tpl_variable_find(struct oxp_tpl_run *run, struct oxp_view name) {
    for (size_t i = run->variable_count; i > run->frame; i--) {
        if (oxp_view_equal(run->variables[i - 1].name, name)) {
            return &run->variables[i - 1];
        }
    }
    oxp_tpl_run_error(run, "undefined variable: %.*s", (int)name.len, name.ptr);
    return NULL;
}

static bool assign(struct oxp_tpl_run *run, struct oxp_view name, const struct oxp_tpl_value *value) {
    struct oxp_tpl_variable *variable = oxp_tpl_variable_find(run, name);
    if (variable != NULL) {
        variable->value = *value;
    }
    return variable != NULL;
}

/* ---- Actions ---- */

static enum walked walk(struct oxp_tpl_run *run, const struct oxp_tpl_value *dot, const struct oxp_tpl_node *node);

static enum walked walk_list(struct oxp_tpl_run *run, // NOLINT(misc-no-recursion): OXP_TPL_RUN_DEPTH bounds it
                             const struct oxp_tpl_value *dot, const struct oxp_tpl_node *list) {
    enum walked walked = WALKED;
    if (run->depth == OXP_TPL_RUN_DEPTH) {
        oxp_tpl_run_stop(run, OXP_ERR_LIMIT, "exceeded maximum template depth");
        return FAILED;
    }
    run->depth++;
    run->node = list;
    for (size_t i = 0; i < list->list.count && walked == WALKED; i++) {
        walked = walk(run, dot, list->list.item[i]);
    }
    run->depth--;
    return walked;
}

/* Output that is full ends the run. */
static enum walked written(struct oxp_tpl_run *run) {
    enum oxp_status status = oxp_buf_status(&run->out);
    if (status != OXP_OK) {
        oxp_tpl_run_stop(run, status, status == OXP_ERR_LIMIT ? "the expansion is too long" : "out of memory");
        return FAILED;
    }
    return WALKED;
}

static enum walked walk_action(struct oxp_tpl_run *run, // NOLINT(misc-no-recursion): OXP_TPL_RUN_DEPTH bounds it
                               const struct oxp_tpl_value *dot, const struct oxp_tpl_node *node) {
    struct oxp_tpl_value value;
    if (!oxp_tpl_eval_pipe(run, dot, node->control.pipe, &value)) {
        return FAILED;
    }
    if (node->control.pipe->pipe.declared_count == 0) {
        run->node = node;
        oxp_tpl_print_action(&run->out, run, &value);
    }
    return written(run);
}

/* if and with, and the chain of `else if` behind them. */
static enum walked walk_branch(struct oxp_tpl_run *run, // NOLINT(misc-no-recursion): OXP_TPL_RUN_DEPTH bounds it
                               const struct oxp_tpl_value *dot, const struct oxp_tpl_node *node) {
    size_t mark = run->variable_count;
    enum walked walked = WALKED;
    for (;;) {
        struct oxp_tpl_value value;
        if (!oxp_tpl_charge(run, 1) || !oxp_tpl_eval_pipe(run, dot, node->control.pipe, &value)) {
            return FAILED;
        }
        if (oxp_tpl_truth(&value)) {
            walked = walk_list(run, node->kind == OXP_TPL_WITH ? &value : dot, node->control.list);
            break;
        }
        if (!node->control.chained) {
            walked = node->control.else_list == NULL ? WALKED : walk_list(run, dot, node->control.else_list);
            break;
        }
        node = node->control.else_list->list.item[0];
    }
    run->variable_count = mark;
    return walked;
}

struct range { /* a range in work */
    const struct oxp_tpl_node *node;
    size_t mark, rounds; /* variables in front of the body; how often it ran */
};

/* Sets the loop's variables and walks its body once. */
static enum walked walk_round(struct oxp_tpl_run *run, // NOLINT(misc-no-recursion): OXP_TPL_RUN_DEPTH bounds it
                              struct range *range, const struct oxp_tpl_value *index,
                              const struct oxp_tpl_value *element) {
    const struct oxp_tpl_node *pipe = range->node->control.pipe;
    size_t count = pipe->pipe.declared_count;
    range->rounds++;
    if (!oxp_tpl_charge(run, 1)) {
        return FAILED;
    }
    if (count != 0 && pipe->pipe.assigns) {
        bool good = assign(run, pipe->pipe.declared[0], count == 1 ? element : index) &&
                    (count == 1 || assign(run, pipe->pipe.declared[1], element));
        if (!good) {
            return FAILED;
        }
    } else if (count != 0) {
        run->variables[run->variable_count - 1].value = *element;
        if (count == 2) {
            run->variables[run->variable_count - 2].value = *index;
        }
    }
    enum walked walked = walk_list(run, element, range->node->control.list);
    run->variable_count = range->mark;
    return walked == CONTINUED ? WALKED : walked;
}

static enum walked walk_elements(struct oxp_tpl_run *run, // NOLINT(misc-no-recursion): OXP_TPL_RUN_DEPTH bounds it
                                 struct range *range, const struct oxp_tpl_value *over) {
    enum walked walked = WALKED;
    char room[32];
    struct oxp_view key;
    struct oxp_tpl_value index = {.type = OXP_TPL_V_NONE}, element;
    switch (oxp_tpl_kind_of(over)) {
    case OXP_TPL_K_INT:
    case OXP_TPL_K_UINT:
        for (int64_t i = 0; i < over->integer && walked == WALKED; i++) {
            element = oxp_tpl_of_int(over->type, i);
            walked = walk_round(run, range, &index, &element);
        }
        break;
    case OXP_TPL_K_SLICE:
        for (size_t i = 0; i < over->result.count && walked == WALKED; i++) {
            index = oxp_tpl_of_int(OXP_TPL_V_INT, (int64_t)i);
            element = oxp_tpl_at(over, i);
            walked = walk_round(run, range, &index, &element);
        }
        break;
    case OXP_TPL_K_MAP:
        for (size_t i = 0; walked == WALKED && oxp_tpl_key(over, i, room, &key); i++) {
            key = oxp_arena_copy(&run->arena, key);
            if (key.ptr == NULL) {
                oxp_tpl_run_starved(run);
                return FAILED;
            }
            index = oxp_tpl_of_text(key);
            element = oxp_tpl_element(over, key);
            walked = walk_round(run, range, &index, &element);
        }
        break;
    default:
        break;
    }
    return walked;
}

/* `before`, the value as %v prints it, `behind`. Always false. */
static bool refuse_range(struct oxp_tpl_run *run, const struct oxp_tpl_value *value, const char *before,
                         const char *behind) {
    struct oxp_buf text;
    oxp_buf_init(&text, 0);
    oxp_tpl_print_found(&text, run, value);
    oxp_tpl_run_error(run, "%s%s%s", before, oxp_tpl_run_text(run, &text), behind);
    oxp_buf_fini(&text);
    return false;
}

/* False: what it is cannot be gone through. */
static bool can_range(struct oxp_tpl_run *run, const struct oxp_tpl_value *over, const struct oxp_tpl_node *node) {
    enum oxp_tpl_kind kind = oxp_tpl_kind_of(over);
    bool number = kind == OXP_TPL_K_INT || kind == OXP_TPL_K_UINT;
    if (number && node->control.pipe->pipe.declared_count > 1) {
        return refuse_range(run, over, "can't use ", " to iterate over more than one variable");
    }
    return number || kind == OXP_TPL_K_SLICE || kind == OXP_TPL_K_MAP || kind == OXP_TPL_K_INVALID ||
           refuse_range(run, over, "range can't iterate over ", "");
}

static enum walked walk_range(struct oxp_tpl_run *run, // NOLINT(misc-no-recursion): OXP_TPL_RUN_DEPTH bounds it
                              const struct oxp_tpl_value *dot, const struct oxp_tpl_node *node) {
    size_t mark = run->variable_count;
    struct oxp_tpl_value value;
    if (!oxp_tpl_eval_pipe(run, dot, node->control.pipe, &value)) {
        return FAILED;
    }
    value = oxp_tpl_indirect(&value);
    if (!can_range(run, &value, node)) {
        return FAILED;
    }
    struct range range = {node, run->variable_count, 0};
    enum walked walked = walk_elements(run, &range, &value);
    if (walked == WALKED && range.rounds == 0 && node->control.else_list != NULL) {
        walked = walk_list(run, dot, node->control.else_list);
    }
    run->variable_count = mark;
    return walked == BROKEN /* one within the else, too, which is Go's way */ ? WALKED : walked;
}

static enum walked walk_template(struct oxp_tpl_run *run, // NOLINT(misc-no-recursion): OXP_TPL_RUN_DEPTH bounds it
                                 const struct oxp_tpl_value *dot, const struct oxp_tpl_node *node) {
    const struct oxp_tpl_definition *found = run->template->definitions;
    while (found != NULL && !oxp_view_equal(found->name, node->control.name)) {
        found = found->next;
    }
    if (found == NULL) {
        struct oxp_buf name;
        oxp_buf_init(&name, 0);
        oxp_tpl_quote(&name, node->control.name, '"', false);
        oxp_tpl_run_error(run, "template %s not defined", oxp_tpl_run_text(run, &name));
        oxp_buf_fini(&name);
        return FAILED;
    }
    struct oxp_tpl_value value = {.type = OXP_TPL_V_NONE};
    if (node->control.pipe != NULL && !oxp_tpl_eval_pipe(run, dot, node->control.pipe, &value)) {
        return FAILED;
    }
    size_t frame = run->frame, mark = run->variable_count;
    struct oxp_view name = run->name;
    run->frame = mark;
    run->name = found->name;
    enum walked walked = oxp_tpl_push(run, OXP_VIEW("$"), &value) ? walk_list(run, &value, found->root) : FAILED;
    run->frame = frame;
    run->variable_count = mark;
    run->name = walked == FAILED ? run->name : name;
    return walked;
}

static enum walked walk(struct oxp_tpl_run *run, // NOLINT(misc-no-recursion): OXP_TPL_RUN_DEPTH bounds it
                        const struct oxp_tpl_value *dot, const struct oxp_tpl_node *node) {
    run->node = node;
    if (!oxp_tpl_charge(run, 1)) {
        return FAILED;
    }
    switch (node->kind) {
    case OXP_TPL_TEXT:
        oxp_buf_append_view(&run->out, node->text);
        return written(run);
    case OXP_TPL_ACTION:
        return walk_action(run, dot, node);
    case OXP_TPL_IF:
    case OXP_TPL_WITH:
        return walk_branch(run, dot, node);
    case OXP_TPL_RANGE:
        return walk_range(run, dot, node);
    case OXP_TPL_TEMPLATE:
        return walk_template(run, dot, node);
    case OXP_TPL_BREAK:
        return BROKEN;
    case OXP_TPL_CONTINUE:
        return CONTINUED;
    default: /* no other stands in a list */
        return WALKED;
    }
}

bool oxp_tpl_execute(struct oxp_tpl_run *run) {
    static const char *const given[][2] = {{"$labels", "Labels"},
                                           {"$externalLabels", "ExternalLabels"},
                                           {"$externalURL", "ExternalURL"},
                                           {"$value", "Value"}};
    struct oxp_tpl_value dot = {.type = OXP_TPL_V_DATA};
    run->node = run->template->root;
    if (!oxp_tpl_push(run, OXP_VIEW("$"), &dot)) {
        return false;
    }
    for (size_t i = 0; i < sizeof given / sizeof given[0]; i++) {
        struct oxp_tpl_value value;
        oxp_tpl_field(run, &dot, oxp_view_from(given[i][1]), &value);
        value.boxed = false;
        if (!oxp_tpl_push(run, oxp_view_from(given[i][0]), &value)) {
            return false;
        }
    }
    return walk_list(run, &dot, run->template->root) == WALKED && run->status == OXP_OK;
}
