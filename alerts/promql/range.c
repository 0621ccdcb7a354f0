/* Windows: functions over ranges of samples, whether a selector's or a subquery's.
 *
 * Both are sources of series, one after the other in query->points: raw samples without stale markers, or the steps at
 * which the subquery's expression had a value. Every window of every step is a piece of that array, left-open as in
 * Prometheus 3: its ends move forward with the steps, so that no sample is looked at twice to find them. */
#include "alerts/promql/selector.h"

/* Samples in windows between two looks at the limits of time. */
#define WORK_PER_CHECK 65536

struct source {
    struct oxp_eval *eval;
    const struct oxp_promql_when *when;
    int64_t range_ms;
    int64_t after_ms, until_ms; /* of all windows together */
    struct oxp_tsdb_found *found;
    struct oxp_vector inner; /* of a subquery */
    struct oxp_eval inner_eval;
    size_t count, next;
};

static int64_t window_end(const struct source *source, size_t step) {
    return oxp_when_time(source->eval->query, source->when, oxp_eval_time(source->eval, step));
}

/* A subquery's own steps: multiples of its step in absolute time, so that they stay the same from one outer step to
 * the next; the first is the first one within the first window. */
static enum oxp_status open_subquery(struct source *source, const struct oxp_promql_node *node) {
    struct oxp_query_state *query = source->eval->query;
    int64_t step = node->subquery.step_ms > 0 ? node->subquery.step_ms : query->default_step_ms;
    step = step < 1 ? 1 : oxp_promql_length(step);
    int64_t first = source->after_ms / step * step; /* towards 0: at most one step away on either side */
    first += first <= source->after_ms ? step : 0;
    if (first > source->until_ms) {
        return OXP_OK; /* no step falls into any window */
    }
    source->inner_eval = (struct oxp_eval){
        .query = query,
        .start_ms = first,
        .step_ms = step,
        .steps = (size_t)((source->until_ms - first) / step) + 1,
    };
    enum oxp_status status = oxp_eval_node(&source->inner_eval, node->subquery.expr, &source->inner);
    source->count = source->inner.count;
    return status;
}

/* `node` is a range selector or a subquery, in any parentheses. */
static enum oxp_status open_source(struct source *source, struct oxp_eval *eval, const struct oxp_promql_node *node) {
    node = oxp_promql_bare(node);
    bool subquery = node->kind == OXP_NODE_SUBQUERY;
    *source = (struct source){
        .eval = eval,
        .when = subquery ? &node->subquery.when : &node->range.selector->selector.when,
        .range_ms = oxp_promql_length(subquery ? node->subquery.range_ms : node->range.range_ms),
    };
    source->after_ms = window_end(source, 0) - source->range_ms;
    source->until_ms = window_end(source, eval->steps - 1);
    if (subquery) {
        source->after_ms = oxp_promql_time(source->after_ms);
        return open_subquery(source, node);
    }
    return oxp_selector_find(eval->query, node->range.selector, source->after_ms, source->until_ms, &source->found,
                             &source->count);
}

static void drop_stale(struct oxp_points *points) {
    size_t kept = 0;
    for (size_t i = 0; i < points->count; i++) {
        points->time_ms[kept] = points->time_ms[i];
        points->value[kept] = points->value[i];
        kept += !oxp_is_stale(points->value[i]);
    }
    points->count = kept;
}

static enum oxp_status pack_column(const struct source *source, const struct oxp_column *column) {
    struct oxp_points *points = &source->eval->query->points;
    size_t steps = source->inner_eval.steps, present = 0;
    for (size_t i = 0; i < steps; i++) {
        present += !oxp_is_absent(column->value[i]);
    }
    points->count = 0;
    enum oxp_status status = oxp_query_points(source->eval->query, present);
    for (size_t i = 0; status == OXP_OK && i < steps; i++) {
        if (!oxp_is_absent(column->value[i])) {
            status = oxp_points_add(points, oxp_eval_time(&source->inner_eval, i), column->value[i]);
        }
    }
    return status;
}

/* The next series' samples in query->points, and its labels; OXP_END after the last one. */
static enum oxp_status next_series(struct source *source, const struct oxp_labels **labels_out) {
    struct oxp_query_state *query = source->eval->query;
    if (source->next == source->count) {
        return OXP_END;
    }
    size_t i = source->next++;
    enum oxp_status status;
    if (source->found != NULL) {
        *labels_out = source->found[i].labels;
        status = oxp_selector_samples(query, &source->found[i], source->after_ms, source->until_ms);
    } else {
        *labels_out = source->inner.columns[i].labels;
        status = pack_column(source, &source->inner.columns[i]);
    }
    status = status == OXP_OK ? oxp_query_check(query, query->points.count) : status;
    if (status != OXP_OK) {
        return status;
    }
    drop_stale(&query->points);
    return status;
}

/* The window of a step among the points: [first, end). Both only move forward. */
struct span {
    size_t first, end;
};

static void move_span(struct span *span, const struct oxp_points *points, int64_t start_ms, int64_t end_ms) {
    while (span->end < points->count && points->time_ms[span->end] <= end_ms) {
        span->end++;
    }
    while (span->first < span->end && points->time_ms[span->first] <= start_ms) {
        span->first++;
    }
}

/* ---- Functions ---- */

struct range_call {
    struct oxp_call *call;
    const struct oxp_promql_function *function;
    size_t arg_count;
    double *args;    /* the scalar arguments at a step */
    double *checked; /* those that the function's check saw last */
    bool was_checked;
    double *scratch; /* as many as `scratch_size` values */
    size_t scratch_size;
    const struct oxp_promql_node *range;   /* the range argument */
    const struct oxp_symbol *warned_about; /* the last name that got the info below */
};

static void set_args(struct range_call *range_call, size_t step) {
    for (size_t i = 0; i < range_call->arg_count; i++) {
        const struct oxp_vector *arg = &range_call->call->args[i];
        range_call->args[i] = arg->count == 0 ? 0 : arg->columns[0].value[step];
    }
}

/* A check says the same of the same arguments: it is asked again only when they change. */
static void check_args(struct range_call *range_call) {
    size_t bytes = range_call->arg_count * sizeof(double);
    if (range_call->was_checked && memcmp(range_call->args, range_call->checked, bytes) == 0) {
        return;
    }
    range_call->was_checked = true;
    memcpy(range_call->checked, range_call->args, bytes);
    range_call->function->check(range_call->call->eval->query, range_call->call->node, range_call->args);
}

/* The function along all steps of the series in query->points; the number of steps with a value goes to
 * `present_out`. */
static enum oxp_status slide(struct range_call *range_call, const struct source *source, double *values,
                             size_t *present_out) {
    struct oxp_eval *eval = source->eval;
    const struct oxp_points *points = &eval->query->points;
    struct span span = {0, 0};
    size_t present = 0, work = 0;
    for (size_t step = 0; step < eval->steps; step++) {
        struct oxp_window window = {.end_ms = window_end(source, step), .scratch = range_call->scratch};
        window.start_ms = window.end_ms - source->range_ms;
        move_span(&span, points, window.start_ms, window.end_ms);
        bool there = false;
        if (span.end > span.first) {
            window.time_ms = &points->time_ms[span.first];
            window.value = &points->value[span.first];
            window.count = span.end - span.first;
            window.eval_ms = oxp_eval_time(eval, step);
            if (range_call->arg_count > 1) {
                set_args(range_call, step);
            }
            if (range_call->function->check != NULL) {
                check_args(range_call);
            }
            there = range_call->function->range(&window, range_call->args, &values[step]);
        }
        values[step] = there ? values[step] : oxp_absent();
        present += there;
        work += window.count + 1;
        if (work > WORK_PER_CHECK) {
            enum oxp_status status = oxp_query_check(eval->query, 0);
            if (status != OXP_OK) {
                return status;
            }
            work = 0;
        }
    }
    *present_out = present;
    return OXP_OK;
}

static bool is_counter_name(struct oxp_view name) {
    return oxp_view_ends(name, OXP_VIEW("_total")) || oxp_view_ends(name, OXP_VIEW("_sum")) ||
           oxp_view_ends(name, OXP_VIEW("_count")) || oxp_view_ends(name, OXP_VIEW("_bucket"));
}

static void check_counter(struct range_call *range_call, const struct oxp_labels *labels) {
    const struct oxp_symbol *name = oxp_labels_name(labels);
    if (name == NULL || name == range_call->warned_about || is_counter_name(oxp_symbol_view(name))) {
        return;
    }
    range_call->warned_about = name;
    struct oxp_buf text;
    oxp_buf_init(&text, 0);
    oxp_text_quote(&text, oxp_symbol_view(name));
    oxp_query_annotate(
        range_call->call->eval->query, OXP_ANNOTATION_INFO, range_call->range,
        "PromQL info: metric might not be a counter, name does not end in _total/_sum/_count/_bucket: %s",
        oxp_buf_text(&text));
    oxp_buf_fini(&text);
}

static bool make_scratch(struct range_call *range_call, struct oxp_query_state *query) {
    size_t count = query->points.count;
    if (count > range_call->scratch_size) {
        size_t size = range_call->scratch_size * 2 > count ? range_call->scratch_size * 2 : count;
        range_call->scratch = oxp_arena_take(&query->arena, size * sizeof(double));
        range_call->scratch_size = size;
    }
    return count == 0 || range_call->scratch != NULL;
}

/* All series of the source, each with a column when the function had a value for it. */
static enum oxp_status run(struct range_call *range_call, struct source *source, struct oxp_vector *out) {
    struct oxp_query_state *query = source->eval->query;
    size_t steps = source->eval->steps;
    const struct oxp_labels *labels = NULL;
    double *values = NULL;
    enum oxp_status status;
    while ((status = next_series(source, &labels)) == OXP_OK) {
        if (query->points.count == 0) {
            continue;
        }
        values = values != NULL ? values : oxp_column_values(&query->arena, steps);
        if (values == NULL || !make_scratch(range_call, query)) {
            return oxp_query_memory(query);
        }
        size_t present = 0;
        status = slide(range_call, source, values, &present);
        if (status != OXP_OK) {
            return status;
        }
        if (present == 0) {
            continue;
        }
        if (oxp_vector_add(&query->arena, out, labels, values, steps) == NULL) {
            return oxp_query_memory(query);
        }
        values = NULL;
        if (range_call->function->wants_counter) {
            check_counter(range_call, labels);
        }
    }
    return status == OXP_END ? OXP_OK : status;
}

enum oxp_status oxp_range_call(struct oxp_call *call, struct oxp_vector *out) {
    struct oxp_query_state *query = call->eval->query;
    struct range_call range_call = {
        .call = call, .function = call->node->call.function, .arg_count = call->node->call.arg_count};
    for (size_t i = 0; i < range_call.arg_count; i++) {
        if (call->node->call.args[i]->type == OXP_PROMQL_MATRIX) {
            range_call.range = call->node->call.args[i];
        }
    }
    range_call.args = oxp_arena_zero(&query->arena, range_call.arg_count, sizeof(double));
    range_call.checked = oxp_arena_zero(&query->arena, range_call.arg_count, sizeof(double));
    if (range_call.args == NULL || range_call.checked == NULL) {
        return oxp_query_memory(query);
    }
    struct source source;
    enum oxp_status status = open_source(&source, call->eval, range_call.range);
    if (status == OXP_OK) {
        status = run(&range_call, &source, out);
    }
    if (status == OXP_OK && !range_call.function->keeps_name) {
        status = oxp_eval_merged(call->eval, oxp_vector_drop_names(&query->arena, out, call->eval->steps));
    }
    return status;
}

/* ---- Windows without a function ---- */

enum oxp_status oxp_range_seen(struct oxp_eval *eval, const struct oxp_promql_node *range, bool *seen_out) {
    struct source source;
    const struct oxp_labels *labels;
    size_t seen = 0;
    memset(seen_out, 0, eval->steps * sizeof *seen_out);
    enum oxp_status status = open_source(&source, eval, range);
    while (status == OXP_OK && seen < eval->steps && (status = next_series(&source, &labels)) == OXP_OK) {
        struct span span = {0, 0};
        for (size_t step = 0; step < eval->steps; step++) {
            int64_t end_ms = window_end(&source, step);
            move_span(&span, &eval->query->points, end_ms - source.range_ms, end_ms);
            bool first = span.end > span.first && !seen_out[step];
            seen += first;
            seen_out[step] = seen_out[step] || first;
        }
    }
    return status == OXP_END ? OXP_OK : status;
}

enum oxp_status oxp_range_series(struct oxp_eval *eval, const struct oxp_promql_node *range,
                                 struct oxp_range_series **series_out, size_t *count_out) {
    struct oxp_query_state *query = eval->query;
    const struct oxp_points *points = &query->points;
    struct source source;
    const struct oxp_labels *labels;
    size_t count = 0;
    enum oxp_status status = open_source(&source, eval, range);
    if (status != OXP_OK) {
        return status;
    }
    struct oxp_range_series *series = oxp_arena_zero(&query->arena, source.count, sizeof *series);
    while (series != NULL && (status = next_series(&source, &labels)) == OXP_OK) {
        if (points->count == 0) {
            continue;
        }
        struct oxp_range_series *item = &series[count++];
        *item = (struct oxp_range_series){.labels = labels, .count = points->count};
        item->time_ms = oxp_arena_take(&query->arena, points->count * sizeof *item->time_ms);
        item->value = oxp_arena_take(&query->arena, points->count * sizeof *item->value);
        if (item->time_ms == NULL || item->value == NULL) {
            return oxp_query_memory(query);
        }
        memcpy(item->time_ms, points->time_ms, points->count * sizeof *item->time_ms);
        memcpy(item->value, points->value, points->count * sizeof *item->value);
    }
    if (series == NULL) {
        return oxp_query_memory(query);
    }
    *series_out = series;
    *count_out = count;
    return status == OXP_END ? OXP_OK : status;
}
