/* Calls: arguments, then the function by its kind. */
#include "alerts/promql/selector.h"

#include <math.h>

/* ---- Functions that the evaluator itself knows ---- */

static double seconds_at(const struct oxp_eval *eval, size_t step) {
    return (double)oxp_eval_time(eval, step) / 1000;
}

static enum oxp_status call_time(struct oxp_call *call, struct oxp_vector *out) {
    double *values = oxp_eval_single(call->eval, out);
    for (size_t step = 0; values != NULL && step < call->eval->steps; step++) {
        values[step] = seconds_at(call->eval, step);
    }
    return values == NULL ? oxp_query_memory(call->eval->query) : OXP_OK;
}

static enum oxp_status call_pi(struct oxp_call *call, struct oxp_vector *out) {
    double *values = oxp_eval_single(call->eval, out);
    for (size_t step = 0; values != NULL && step < call->eval->steps; step++) {
        values[step] = M_PI;
    }
    return values == NULL ? oxp_query_memory(call->eval->query) : OXP_OK;
}

/* A scalar is already a vector of one column without labels. */
static enum oxp_status call_vector(struct oxp_call *call, struct oxp_vector *out) {
    *out = call->args[0];
    return OXP_OK;
}

/* The value of the only series; NaN when there are none or several. */
static enum oxp_status call_scalar(struct oxp_call *call, struct oxp_vector *out) {
    const struct oxp_vector *vector = &call->args[0];
    double *values = oxp_eval_single(call->eval, out);
    if (values == NULL) {
        return oxp_query_memory(call->eval->query);
    }
    for (size_t i = 0; i < vector->count; i++) {
        for (size_t step = 0; step < call->eval->steps; step++) {
            double value = vector->columns[i].value[step];
            if (!oxp_is_absent(value)) {
                values[step] = oxp_is_absent(values[step]) ? value : NAN;
            }
        }
    }
    for (size_t step = 0; step < call->eval->steps; step++) {
        values[step] = oxp_is_absent(values[step]) ? NAN : values[step];
    }
    return OXP_OK;
}

/* The time of the step for each value; of a bare selector the sample's own time, which arguments() put there. */
static enum oxp_status call_timestamp(struct oxp_call *call, struct oxp_vector *out) {
    struct oxp_eval *eval = call->eval;
    *out = call->args[0];
    if (oxp_promql_bare(call->node->call.args[0])->kind != OXP_NODE_SELECTOR) {
        for (size_t i = 0; i < out->count; i++) {
            for (size_t step = 0; step < eval->steps; step++) {
                double *value = &out->columns[i].value[step];
                *value = oxp_is_absent(*value) ? *value : seconds_at(eval, step);
            }
        }
    }
    return oxp_eval_merged(eval, oxp_vector_drop_names(&eval->query->arena, out, eval->steps));
}

/* True when the selector tells this label of what is absent: by its first equality matcher for the name, unless a later
 * matcher is about the same label. */
static bool tells_label(const struct oxp_matcher *matchers, size_t count, size_t at) {
    if (matchers[at].op != OXP_MATCH_EQUAL || oxp_view_is(oxp_symbol_view(matchers[at].name), OXP_NAME_LABEL)) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (i != at && (i > at || matchers[i].op == OXP_MATCH_EQUAL) &&
            oxp_symbol_equal(matchers[i].name, matchers[at].name)) {
            return false;
        }
    }
    return true;
}

static const struct oxp_labels *absent_labels(struct oxp_query_state *query, const struct oxp_promql_node *arg) {
    arg = oxp_promql_bare(arg);
    arg = arg->kind == OXP_NODE_RANGE ? arg->range.selector : arg;
    struct oxp_labels_builder builder;
    oxp_labels_build(&builder, &query->arena, oxp_labels_none());
    size_t count = arg->kind == OXP_NODE_SELECTOR ? arg->selector.matcher_count : 0;
    for (size_t i = 0; i < count; i++) {
        const struct oxp_matcher *matcher = &arg->selector.matchers[i];
        if (tells_label(arg->selector.matchers, count, i)) {
            oxp_labels_set(&builder, matcher->name, matcher->value);
        }
    }
    return oxp_labels_finish(&builder);
}

/* 1 at every step that is not seen; no series when all are. */
static enum oxp_status absent_where(struct oxp_call *call, const bool *seen, struct oxp_vector *out) {
    struct oxp_query_state *query = call->eval->query;
    const struct oxp_labels *labels = absent_labels(query, call->node->call.args[0]);
    double *values = oxp_column_values(&query->arena, call->eval->steps);
    if (labels == NULL || values == NULL) {
        return oxp_query_memory(query);
    }
    bool any = false;
    for (size_t step = 0; step < call->eval->steps; step++) {
        values[step] = seen[step] ? values[step] : 1;
        any = any || !seen[step];
    }
    if (any && oxp_vector_add(&query->arena, out, labels, values, call->eval->steps) == NULL) {
        return oxp_query_memory(query);
    }
    return OXP_OK;
}

static enum oxp_status call_absent(struct oxp_call *call, struct oxp_vector *out) {
    struct oxp_eval *eval = call->eval;
    bool *seen = oxp_arena_zero(&eval->query->arena, eval->steps, sizeof *seen);
    if (seen == NULL) {
        return oxp_query_memory(eval->query);
    }
    for (size_t i = 0; i < call->args[0].count; i++) {
        for (size_t step = 0; step < eval->steps; step++) {
            seen[step] = seen[step] || !oxp_is_absent(call->args[0].columns[i].value[step]);
        }
    }
    return absent_where(call, seen, out);
}

static enum oxp_status call_absent_over_time(struct oxp_call *call, struct oxp_vector *out) {
    struct oxp_eval *eval = call->eval;
    bool *seen = oxp_arena_zero(&eval->query->arena, eval->steps, sizeof *seen);
    if (seen == NULL) {
        return oxp_query_memory(eval->query);
    }
    enum oxp_status status = oxp_range_seen(eval, call->node->call.args[0], seen);
    return status != OXP_OK ? status : absent_where(call, seen, out);
}

static const struct {
    const char *name;
    oxp_special_fn *run;
} engine_functions[] = {
    {"time", call_time},     {"scalar", call_scalar},       {"vector", call_vector},
    {"absent", call_absent}, {"timestamp", call_timestamp}, {"absent_over_time", call_absent_over_time},
    {"pi", call_pi},
};

static enum oxp_status call_engine(struct oxp_call *call, struct oxp_vector *out) {
    const char *name = call->node->call.function->name;
    for (size_t i = 0; i < sizeof engine_functions / sizeof engine_functions[0]; i++) {
        if (strcmp(engine_functions[i].name, name) == 0) {
            return engine_functions[i].run(call, out);
        }
    }
    return oxp_query_fail(call->eval->query, OXP_ERR_UNSUPPORTED, "function \"%s\" is not supported", name);
}

/* ---- Value by value ---- */

/* The scalar arguments at one step, in the order of the call. */
static void set_args(const struct oxp_call *call, size_t step, double *args) {
    for (size_t i = 0; i < call->node->call.arg_count; i++) {
        if (call->node->call.args[i]->type == OXP_PROMQL_SCALAR) {
            args[i] = call->args[i].columns[0].value[step];
        }
    }
}

static void apply(const struct oxp_call *call, double *args, struct oxp_vector *vector) {
    oxp_math_fn *function = call->node->call.function->math;
    for (size_t step = 0; step < call->eval->steps; step++) {
        if (call->node->call.arg_count > 1) {
            set_args(call, step, args);
        }
        for (size_t i = 0; i < vector->count; i++) {
            double *value = &vector->columns[i].value[step];
            if (!oxp_is_absent(*value)) {
                *value = function(*value, args);
            }
        }
    }
}

static enum oxp_status call_math(struct oxp_call *call, struct oxp_vector *out) {
    struct oxp_eval *eval = call->eval;
    if (call->node->call.arg_count == 0) { /* a function of dates: of the step's own time */
        enum oxp_status status = call_time(call, out);
        if (status != OXP_OK) {
            return status;
        }
    } else {
        *out = call->args[0];
    }
    double *args = oxp_arena_zero(&eval->query->arena, call->node->call.arg_count, sizeof *args);
    if (args == NULL) {
        return oxp_query_memory(eval->query);
    }
    apply(call, args, out);
    return oxp_eval_merged(eval, oxp_vector_drop_names(&eval->query->arena, out, eval->steps));
}

static enum oxp_status call_special(struct oxp_call *call, struct oxp_vector *out) {
    return call->node->call.function->special(call, out);
}

static enum oxp_status call_refused(struct oxp_call *call, struct oxp_vector *out) {
    (void)out; /* the parser refuses it */
    return oxp_query_fail(call->eval->query, OXP_ERR_UNSUPPORTED, "function \"%s\" is not supported",
                          call->node->call.function->name);
}

/* ---- Arguments ---- */

/* Strings as texts, ranges not at all (a function of windows goes through them itself), all else evaluated. */
static enum oxp_status arguments(struct oxp_eval *eval, const struct oxp_promql_node *node, struct oxp_vector *args,
                                 struct oxp_view *texts) {
    bool timestamp = strcmp(node->call.function->name, "timestamp") == 0;
    enum oxp_status status = OXP_OK;
    for (size_t i = 0; status == OXP_OK && i < node->call.arg_count; i++) {
        const struct oxp_promql_node *arg = oxp_promql_bare(node->call.args[i]);
        if (arg->type == OXP_PROMQL_STRING) {
            texts[i] = arg->string;
        } else if (timestamp && arg->kind == OXP_NODE_SELECTOR) {
            status = oxp_selector_eval(eval, arg, true, &args[i]);
        } else if (arg->type != OXP_PROMQL_MATRIX) {
            status = oxp_eval_node(eval, arg, &args[i]);
        }
    }
    return status;
}

static oxp_special_fn *const kinds[] = {
    [OXP_FUNCTION_RANGE] = oxp_range_call, [OXP_FUNCTION_MATH] = call_math,     [OXP_FUNCTION_DATE] = call_math,
    [OXP_FUNCTION_SPECIAL] = call_special, [OXP_FUNCTION_ENGINE] = call_engine, [OXP_FUNCTION_REFUSED] = call_refused,
};

enum oxp_status oxp_eval_call(struct oxp_eval *eval, const struct oxp_promql_node *node, struct oxp_vector *out) {
    struct oxp_query_state *query = eval->query;
    struct oxp_vector *args = oxp_arena_zero(&query->arena, node->call.arg_count, sizeof *args);
    struct oxp_view *texts = oxp_arena_zero(&query->arena, node->call.arg_count, sizeof *texts);
    if (args == NULL || texts == NULL) {
        return oxp_query_memory(query);
    }
    enum oxp_status status = arguments(eval, node, args, texts);
    if (status != OXP_OK) {
        return status;
    }
    struct oxp_call call = {.eval = eval, .node = node, .args = args, .texts = texts};
    return kinds[node->call.function->kind](&call, out);
}
