/* Evaluating pipelines, commands, fields and calls: the other half of text/template's exec.go.
 *
 * Go's parameters have types, and an argument must be assignable to its parameter's; a parameter's letter stands for
 * that type here (template_run.h). `final` is what the command in front of a pipe gave, MISSING when there is none: it
 * becomes the last argument. */
#include "alerts/rules/template_run.h"
#include <stdarg.h>
#include <stdio.h>

static const struct oxp_tpl_value missing = {.type = OXP_TPL_V_MISSING};

/* The words of a command, and what comes in through the pipe. */
struct given {
    const struct oxp_tpl_node *const *words; /* the first is the function or field itself; NULL = no words */
    size_t count;
    const struct oxp_tpl_value *final;
};

static const struct given nothing = {NULL, 0, &missing};

static bool is_missing(const struct oxp_tpl_value *value) {
    return value->type == OXP_TPL_V_MISSING;
}

static size_t argument_count(const struct given *given) {
    return given->count == 0 ? 0 : given->count - 1;
}

static bool fail_with_node(struct oxp_tpl_run *run, const char *format, const struct oxp_tpl_node *node,
                           const char *type) {
    struct oxp_buf text;
    oxp_buf_init(&text, 0);
    oxp_tpl_node_print(&text, node);
    oxp_tpl_run_error(run, "%s%s%s%s", format, oxp_tpl_run_text(run, &text), type == NULL ? "" : " for arg of type ",
                      type == NULL ? "" : type);
    oxp_buf_fini(&text);
    return false;
}

static bool eval_call(struct oxp_tpl_run *run, const struct oxp_tpl_value *dot, struct oxp_tpl_call *call,
                      const struct oxp_tpl_function *function, const struct oxp_tpl_node *node,
                      const struct given *given);

/* ---- Fields ---- */

struct step { /* one name on a path */
    const struct oxp_tpl_node *node;
    struct oxp_view name;
};

static bool eval_method(struct oxp_tpl_run *run, // NOLINT(misc-no-recursion): OXP_TPL_RUN_DEPTH bounds it
                        const struct oxp_tpl_value *dot, const struct oxp_tpl_function *method, const struct step *step,
                        const struct given *given, struct oxp_tpl_value *value) {
    struct oxp_tpl_value receiver = oxp_tpl_indirect(value);
    struct oxp_tpl_call call = {.run = run, .receiver = &receiver};
    if (!eval_call(run, dot, &call, method, step->node, given)) {
        return false;
    }
    *value = call.result;
    return true;
}

/* Replaces a value by its field, its method's result or its element. */
static bool eval_field(struct oxp_tpl_run *run, // NOLINT(misc-no-recursion): OXP_TPL_RUN_DEPTH bounds it
                       const struct oxp_tpl_value *dot, const struct step *step, const struct given *given,
                       struct oxp_tpl_value *value) {
    bool has_args = argument_count(given) != 0 || !is_missing(given->final), boxed = value->boxed;
    int length = (int)step->name.len;
    const char *name = step->name.ptr, *type = boxed ? "interface {}" : oxp_tpl_type_name(value);
    if (value->type == OXP_TPL_V_NONE && boxed) {
        return oxp_tpl_run_error(run, "nil pointer evaluating %s.%.*s", type, length, name);
    }
    if (value->type == OXP_TPL_V_NONE) { /* a field of nothing is nothing */
        return true;
    }
    const struct oxp_tpl_function *method = oxp_tpl_method_find(value, step->name);
    if (method != NULL) {
        return eval_method(run, dot, method, step, given, value);
    }
    struct oxp_tpl_value inner = oxp_tpl_indirect(value);
    if (oxp_tpl_kind_of(&inner) == OXP_TPL_K_MAP) {
        if (has_args) {
            return oxp_tpl_run_error(run, "%.*s is not a method but has arguments", length, name);
        }
        *value = oxp_tpl_element(&inner, step->name);
        return true;
    }
    if (!oxp_tpl_field(run, &inner, step->name, value)) {
        return oxp_tpl_run_error(run, "can't evaluate field %.*s in type %s", length, name, type);
    }
    return !has_args || oxp_tpl_run_error(run, "%.*s has arguments but cannot be invoked as function", length, name);
}

/* The names of a path from the `first` on; the arguments belong to the last. */
static bool eval_names(struct oxp_tpl_run *run, // NOLINT(misc-no-recursion): OXP_TPL_RUN_DEPTH bounds it
                       const struct oxp_tpl_value *dot, const struct oxp_tpl_node *node, size_t first,
                       const struct given *given, struct oxp_tpl_value *value) {
    for (size_t i = first; i < node->path.count; i++) {
        struct step step = {node, node->path.names[i]};
        if (!eval_field(run, dot, &step, i + 1 == node->path.count ? given : &nothing, value)) {
            return false;
        }
    }
    return true;
}

static bool not_a_function(struct oxp_tpl_run *run, const struct given *given) {
    return (argument_count(given) == 0 && is_missing(given->final)) ||
           fail_with_node(run, "can't give argument to non-function ", given->words[0], NULL);
}

static bool eval_argument(struct oxp_tpl_run *run, const struct oxp_tpl_value *dot, char param,
                          const struct oxp_tpl_node *node, struct oxp_tpl_value *value_out);

/* .a.b, $x.a.b, (…).a.b */
static bool eval_path(struct oxp_tpl_run *run, // NOLINT(misc-no-recursion): OXP_TPL_RUN_DEPTH bounds it
                      const struct oxp_tpl_value *dot, const struct oxp_tpl_node *node, const struct given *given,
                      struct oxp_tpl_value *value_out) {
    run->node = node;
    if (node->kind == OXP_TPL_FIELD) {
        *value_out = *dot;
        return eval_names(run, dot, node, 0, given, value_out);
    }
    if (node->kind == OXP_TPL_CHAIN) {
        return eval_argument(run, dot, '\0', node->path.base, value_out) &&
               eval_names(run, dot, node, 0, given, value_out);
    }
    struct oxp_tpl_variable *variable = oxp_tpl_variable_find(run, node->path.names[0]);
    if (variable == NULL) {
        return false;
    }
    *value_out = variable->value;
    if (node->path.count == 1) {
        return given->count == 0 ? true : not_a_function(run, given);
    }
    return eval_names(run, dot, node, 1, given, value_out);
}

/* ---- Arguments ---- */

static bool can_be_nil(char param) {
    return param != '\0' && strchr("avqp", param) != NULL;
}

/* The zero value of a parameter that can be nil. */
static struct oxp_tpl_value nil_of(char param) {
    return (struct oxp_tpl_value){.type = param == 'q'   ? OXP_TPL_V_RESULT
                                          : param == 'p' ? OXP_TPL_V_SAMPLE_POINTER
                                                         : OXP_TPL_V_NONE};
}

/* Makes sure that the value may be handed to the parameter. */
static bool validate(struct oxp_tpl_run *run, char param, struct oxp_tpl_value *value) {
    static const struct {
        char param;
        enum oxp_tpl_type type, pointer; /* a pointer to it will do, too */
    } wanted[] = {{'s', OXP_TPL_V_STRING, OXP_TPL_V_STRING},
                  {'q', OXP_TPL_V_RESULT, OXP_TPL_V_RESULT},
                  {'p', OXP_TPL_V_SAMPLE_POINTER, OXP_TPL_V_SAMPLE_POINTER},
                  {'i', OXP_TPL_V_INT, OXP_TPL_V_INT},
                  {'d', OXP_TPL_V_DURATION, OXP_TPL_V_DURATION_POINTER},
                  {'t', OXP_TPL_V_TIME, OXP_TPL_V_TIME_POINTER}};
    if (param == '\0') {
        return true;
    }
    if (value->type == OXP_TPL_V_NONE && !value->boxed) {
        if (!can_be_nil(param)) {
            return oxp_tpl_run_error(run, "invalid value; expected %s", oxp_tpl_param_name(param));
        }
        *value = nil_of(param);
        return true;
    }
    if (param == 'a' || param == 'v') {
        return true;
    }
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        if (wanted[i].param == param && (wanted[i].type == value->type || wanted[i].pointer == value->type)) {
            *value = wanted[i].type == value->type ? *value : oxp_tpl_indirect(value);
            return true;
        }
    }
    return oxp_tpl_run_error(run, "wrong type for value; expected %s; got %s", oxp_tpl_param_name(param),
                             value->type == OXP_TPL_V_NONE ? "interface {}" : oxp_tpl_type_name(value));
}

/* What a number is where any type will do. */
static bool ideal_number(struct oxp_tpl_run *run, const struct oxp_tpl_node *node, struct oxp_tpl_value *value_out) {
    const struct oxp_tpl_number *number = &node->number;
    run->node = node;
    if (number->is_float && number->written_float) {
        *value_out = oxp_tpl_of_float(number->as_float);
        return true;
    }
    if (number->is_int) {
        *value_out = oxp_tpl_of_int(OXP_TPL_V_INT, number->as_int);
        return true;
    }
    return oxp_tpl_run_error(run, "%.*s overflows int", (int)number->text.len, number->text.ptr);
}

/* A literal for a parameter. */
static bool eval_literal(struct oxp_tpl_run *run, char param, const struct oxp_tpl_node *node,
                         struct oxp_tpl_value *value_out) {
    bool any = param == 'a' || param == 'v';
    if (param == 's' && node->kind != OXP_TPL_STRING) {
        return fail_with_node(run, "expected string; found ", node, NULL);
    }
    if ((param == 'i' || param == 'd') && (node->kind != OXP_TPL_NUMBER || !node->number.is_int)) {
        return fail_with_node(run, "expected integer; found ", node, NULL);
    }
    if (!any && param != 's' && param != 'i' && param != 'd') {
        return fail_with_node(run, "can't handle ", node, oxp_tpl_param_name(param));
    }
    if (node->kind == OXP_TPL_BOOL) {
        *value_out = oxp_tpl_of_bool(node->truth);
        return true;
    }
    if (node->kind == OXP_TPL_STRING) {
        *value_out = oxp_tpl_of_text(node->string.text);
        return true;
    }
    if (!any) {
        *value_out = oxp_tpl_of_int(param == 'i' ? OXP_TPL_V_INT : OXP_TPL_V_DURATION, node->number.as_int);
        return true;
    }
    return ideal_number(run, node, value_out);
}

static bool eval_function(struct oxp_tpl_run *run, const struct oxp_tpl_value *dot, const struct oxp_tpl_node *word,
                          const struct oxp_tpl_node *node, const struct given *given, struct oxp_tpl_value *value_out);

/* A word of a command as the value of a parameter; '\0' takes any. */
static bool eval_argument(struct oxp_tpl_run *run, // NOLINT(misc-no-recursion): OXP_TPL_RUN_DEPTH bounds it
                          const struct oxp_tpl_value *dot, char param, const struct oxp_tpl_node *node,
                          struct oxp_tpl_value *value_out) {
    bool good = true;
    run->node = node;
    if (!oxp_tpl_charge(run, 1)) {
        return false;
    }
    switch (node->kind) {
    case OXP_TPL_DOT:
        *value_out = *dot;
        break;
    case OXP_TPL_NIL:
        *value_out = nil_of(param);
        return can_be_nil(param) || oxp_tpl_run_error(run, "cannot assign nil to %s", oxp_tpl_param_name(param));
    case OXP_TPL_FIELD:
    case OXP_TPL_VARIABLE:
    case OXP_TPL_CHAIN:
        good = eval_path(run, dot, node, &nothing, value_out);
        break;
    case OXP_TPL_PIPE:
        good = oxp_tpl_eval_pipe(run, dot, node, value_out);
        break;
    case OXP_TPL_IDENTIFIER:
        good = eval_function(run, dot, node, node, &nothing, value_out);
        break;
    default:
        return eval_literal(run, param, node, value_out);
    }
    return good && validate(run, param, value_out);
}

/* ---- Calls ---- */

struct signature {
    size_t fixed; /* parameters that must be there */
    bool variadic;
    const char *params;
};

static struct signature signature_of(const struct oxp_tpl_function *function) {
    size_t length = strlen(function->params);
    bool variadic = length != 0 && function->params[length - 1] == '*';
    return (struct signature){variadic ? length - 2 : length, variadic, function->params};
}

static char param_at(const struct signature *signature, size_t i) {
    return signature->params[i < signature->fixed ? i : signature->fixed];
}

static bool check_count(struct oxp_tpl_run *run, const struct oxp_tpl_function *function,
                        const struct signature *signature, const struct given *given) {
    size_t words = argument_count(given), count = words + !is_missing(given->final);
    if (signature->variadic) {
        return count >= signature->fixed ||
               oxp_tpl_run_error(run, "wrong number of args for %s: want at least %zu got %zu", function->name,
                                 signature->fixed, words);
    }
    return count == signature->fixed || oxp_tpl_run_error(run, "wrong number of args for %s: want %zu got %zu",
                                                          function->name, signature->fixed, count);
}

/* and, or: the first argument that decides, else the last. */
static bool eval_lazily(struct oxp_tpl_run *run, // NOLINT(misc-no-recursion): OXP_TPL_RUN_DEPTH bounds it
                        const struct oxp_tpl_value *dot, bool until, const struct given *given,
                        struct oxp_tpl_value *value_out) {
    *value_out = (struct oxp_tpl_value){.type = OXP_TPL_V_NONE};
    for (size_t i = 1; i < given->count; i++) {
        if (!eval_argument(run, dot, 'v', given->words[i], value_out)) {
            return false;
        }
        if (oxp_tpl_truth(value_out) == until) {
            return true;
        }
    }
    if (!is_missing(given->final)) {
        *value_out = *given->final;
    }
    return true;
}

/* The words of a failed call, with the place. */
static bool call_failed(struct oxp_tpl_run *run, const struct oxp_tpl_function *function,
                        const struct oxp_tpl_node *node) {
    if (run->status == OXP_OK) {
        struct oxp_view words = oxp_buf_view(&run->reason);
        struct oxp_view kept = oxp_arena_copy(&run->arena, words);
        run->node = node;
        if (kept.ptr == NULL) {
            return oxp_tpl_run_starved(run);
        }
        oxp_tpl_run_error(run, "error calling %s: %s", function->name, kept.ptr);
    }
    return false;
}

static bool eval_call(struct oxp_tpl_run *run, // NOLINT(misc-no-recursion): OXP_TPL_RUN_DEPTH bounds it
                      const struct oxp_tpl_value *dot, struct oxp_tpl_call *call,
                      const struct oxp_tpl_function *function, const struct oxp_tpl_node *node,
                      const struct given *given) {
    struct signature signature = signature_of(function);
    if (!check_count(run, function, &signature, given)) {
        return false;
    }
    if (oxp_tpl_function_is_and(function) || oxp_tpl_function_is_or(function)) {
        return eval_lazily(run, dot, oxp_tpl_function_is_or(function), given, &call->result);
    }
    size_t words = argument_count(given), count = words + !is_missing(given->final);
    struct oxp_tpl_value *values = oxp_arena_zero(&run->arena, count + 1, sizeof *values);
    if (values == NULL) {
        return oxp_tpl_run_starved(run);
    }
    for (size_t i = 0; i < words && given->words != NULL; i++) {
        if (!eval_argument(run, dot, param_at(&signature, i), given->words[i + 1], &values[i])) {
            return false;
        }
    }
    if (count > words) {
        values[words] = *given->final;
        if (!validate(run, param_at(&signature, words), &values[words])) {
            return false;
        }
    }
    for (size_t i = 0; i < count; i++) {
        values[i].boxed = values[i].boxed && param_at(&signature, i) == 'v';
    }
    call->args = values;
    call->count = count;
    oxp_buf_clear(&run->reason);
    return function->call(call) || call_failed(run, function, node);
}

static bool eval_function(struct oxp_tpl_run *run, // NOLINT(misc-no-recursion): OXP_TPL_RUN_DEPTH bounds it
                          const struct oxp_tpl_value *dot, const struct oxp_tpl_node *word,
                          const struct oxp_tpl_node *node, const struct given *given, struct oxp_tpl_value *value_out) {
    struct oxp_tpl_call call = {.run = run};
    run->node = word;
    if (!eval_call(run, dot, &call, word->identifier.function, node, given)) {
        return false;
    }
    *value_out = call.result;
    return true;
}

/* ---- Commands and pipelines ---- */

static bool eval_command(struct oxp_tpl_run *run, // NOLINT(misc-no-recursion): OXP_TPL_RUN_DEPTH bounds it
                         const struct oxp_tpl_value *dot, const struct oxp_tpl_node *command,
                         const struct oxp_tpl_value *final, struct oxp_tpl_value *value_out) {
    const struct oxp_tpl_node *first = command->list.item[0];
    struct given given = {command->list.item, command->list.count, final};
    switch (first->kind) {
    case OXP_TPL_FIELD:
    case OXP_TPL_VARIABLE:
    case OXP_TPL_CHAIN:
        return eval_path(run, dot, first, &given, value_out);
    case OXP_TPL_IDENTIFIER:
        return eval_function(run, dot, first, command, &given, value_out);
    case OXP_TPL_PIPE:
        return not_a_function(run, &given) && oxp_tpl_eval_pipe(run, dot, first, value_out);
    default:
        break;
    }
    run->node = first;
    if (!not_a_function(run, &given)) {
        return false;
    }
    switch (first->kind) {
    case OXP_TPL_BOOL:
        *value_out = oxp_tpl_of_bool(first->truth);
        return true;
    case OXP_TPL_DOT:
        *value_out = *dot;
        return true;
    case OXP_TPL_NUMBER:
        return ideal_number(run, first, value_out);
    case OXP_TPL_STRING:
        *value_out = oxp_tpl_of_text(first->string.text);
        return true;
    default:
        return oxp_tpl_run_error(run, "nil is not a command");
    }
}

bool oxp_tpl_eval_pipe(struct oxp_tpl_run *run, // NOLINT(misc-no-recursion): OXP_TPL_RUN_DEPTH bounds it
                       const struct oxp_tpl_value *dot, const struct oxp_tpl_node *pipe,
                       struct oxp_tpl_value *value_out) {
    struct oxp_tpl_value value = missing;
    if (run->depth == OXP_TPL_RUN_DEPTH) {
        return oxp_tpl_run_stop(run, OXP_ERR_LIMIT, "exceeded maximum template depth");
    }
    run->depth++;
    run->node = pipe;
    for (size_t i = 0; i < pipe->pipe.commands.count; i++) {
        struct oxp_tpl_value final = value;
        if (!oxp_tpl_charge(run, 1) || !eval_command(run, dot, pipe->pipe.commands.item[i], &final, &value)) {
            return false;
        }
        value.boxed = false;
    }
    run->depth--;
    for (size_t i = 0; i < pipe->pipe.declared_count; i++) {
        struct oxp_view name = pipe->pipe.declared[i];
        if (!pipe->pipe.assigns) {
            if (!oxp_tpl_push(run, name, &value)) {
                return false;
            }
            continue;
        }
        struct oxp_tpl_variable *variable = oxp_tpl_variable_find(run, name);
        if (variable == NULL) {
            return false;
        }
        variable->value = value;
    }
    *value_out = value;
    return true;
}
