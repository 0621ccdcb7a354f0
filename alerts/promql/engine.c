#include "alerts/promql/engine.h"

#include "alerts/promql/selector.h"
#include "lib/regex/regex.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

static const struct oxp_promql_options defaults = {
    .lookback_ms = 300000,
    .default_step_ms = 60000,
    .samples_max = 50000000,
    .memory_max = 256u << 20,
    .points_max = 11000,
    .timeout_ms = 120000,
    .concurrency_max = 20,
};

struct oxp_promql_engine {
    pthread_mutex_t lock; /* over the options */
    struct oxp_promql_options options;
    _Atomic unsigned active;
    _Atomic uint64_t queries, failures, timeouts, refused, samples;
};

/* An answer and all that it points into. */
struct answer {
    struct oxp_promql_answer answer; /* the first member: what the caller holds */
    struct oxp_query_state query;
};

/* ---- The engine ---- */

static struct oxp_promql_options with_defaults(const struct oxp_promql_options *options) {
    struct oxp_promql_options all = options == NULL ? defaults : *options;
    all.lookback_ms = all.lookback_ms > 0 ? oxp_promql_length(all.lookback_ms) : defaults.lookback_ms;
    all.default_step_ms = all.default_step_ms > 0 ? all.default_step_ms : defaults.default_step_ms;
    all.samples_max = all.samples_max != 0 ? all.samples_max : defaults.samples_max;
    all.memory_max = all.memory_max != 0 ? all.memory_max : defaults.memory_max;
    all.points_max = all.points_max != 0 ? all.points_max : defaults.points_max;
    all.timeout_ms = all.timeout_ms > 0 ? all.timeout_ms : defaults.timeout_ms;
    all.concurrency_max = all.concurrency_max != 0 ? all.concurrency_max : defaults.concurrency_max;
    all.clock = all.clock != NULL ? all.clock : oxp_clock_system();
    return all;
}

enum oxp_status oxp_promql_engine_new(const struct oxp_promql_options *options, struct oxp_promql_engine **engine_out) {
    *engine_out = NULL;
    struct oxp_promql_engine *engine = calloc(1, sizeof *engine);
    if (engine == NULL) {
        return OXP_ERR_NOMEM;
    }
    if (pthread_mutex_init(&engine->lock, NULL) != 0) {
        free(engine);
        return OXP_ERR_NOMEM;
    }
    engine->options = with_defaults(options);
    *engine_out = engine;
    return OXP_OK;
}

void oxp_promql_engine_free(struct oxp_promql_engine *engine) {
    if (engine != NULL) {
        pthread_mutex_destroy(&engine->lock);
        free(engine);
    }
}

void oxp_promql_engine_configure(struct oxp_promql_engine *engine, const struct oxp_promql_options *options) {
    pthread_mutex_lock(&engine->lock);
    engine->options = with_defaults(options);
    pthread_mutex_unlock(&engine->lock);
}

int64_t oxp_promql_engine_timeout_ms(struct oxp_promql_engine *engine) {
    pthread_mutex_lock(&engine->lock);
    int64_t timeout_ms = engine->options.timeout_ms;
    pthread_mutex_unlock(&engine->lock);
    return timeout_ms;
}

void oxp_promql_engine_stats(const struct oxp_promql_engine *engine, struct oxp_promql_engine_stats *stats_out) {
    *stats_out = (struct oxp_promql_engine_stats){
        .queries = atomic_load_explicit(&engine->queries, memory_order_relaxed),
        .failures = atomic_load_explicit(&engine->failures, memory_order_relaxed),
        .timeouts = atomic_load_explicit(&engine->timeouts, memory_order_relaxed),
        .refused = atomic_load_explicit(&engine->refused, memory_order_relaxed),
        .samples = atomic_load_explicit(&engine->samples, memory_order_relaxed),
        .active = atomic_load_explicit(&engine->active, memory_order_relaxed),
    };
}

static void count(_Atomic uint64_t *counter, uint64_t by) {
    atomic_fetch_add_explicit(counter, by, memory_order_relaxed);
}

/* ---- The request ---- */

/* The evaluation that a request asks for, or why there is none. */
static enum oxp_status plan(const struct oxp_promql_request *request, size_t points_max, struct oxp_eval *eval) {
    struct oxp_query_state *query = eval->query;
    enum oxp_promql_type type = request->expr->root->type;
    *eval = (struct oxp_eval){.query = query, .start_ms = query->start_ms, .step_ms = 1, .steps = 1};
    if (request->start_ms != query->start_ms ||
        (request->step_ms != 0 && request->end_ms != query->end_ms)) { /* clamped */
        return oxp_query_fail(query, OXP_ERR_INVALID, "evaluation time is out of range");
    }
    if (request->step_ms == 0) {
        return OXP_OK;
    }
    if (type != OXP_PROMQL_SCALAR && type != OXP_PROMQL_VECTOR) {
        return oxp_query_fail(query, OXP_ERR_INVALID,
                              "invalid expression type \"%s\" for range query, must be Scalar or instant Vector",
                              oxp_promql_type_text(type));
    }
    if (request->step_ms < 0) {
        return oxp_query_fail(query, OXP_ERR_INVALID,
                              "zero or negative query resolution step widths are not accepted. Try a positive integer");
    }
    if (request->end_ms < request->start_ms) {
        return oxp_query_fail(query, OXP_ERR_INVALID, "end timestamp must not be before start time");
    }
    uint64_t intervals = (uint64_t)((request->end_ms - request->start_ms) / request->step_ms);
    if (intervals > points_max) {
        return oxp_query_fail(query, OXP_ERR_LIMIT,
                              "exceeded maximum resolution of %zu points per timeseries. Try decreasing the query "
                              "resolution (?step=XX)",
                              points_max);
    }
    eval->step_ms = request->step_ms;
    eval->steps = (size_t)intervals + 1;
    return OXP_OK;
}

static void init_query(struct oxp_query_state *query, const struct oxp_promql_options *options,
                       const struct oxp_promql_request *request, struct oxp_mono now) {
    int64_t timeout = request->timeout_ms > 0 && request->timeout_ms < options->timeout_ms ? request->timeout_ms
                                                                                           : options->timeout_ms;
    int64_t timeout_ns;
    if (__builtin_mul_overflow(timeout, OXP_NS_PER_MS, &timeout_ns) ||
        __builtin_add_overflow(timeout_ns, now.ns, &timeout_ns)) {
        timeout_ns = INT64_MAX;
    }
    oxp_arena_init(&query->arena, options->memory_max);
    query->expr = request->expr;
    query->text = request->expr->text;
    query->start_ms = oxp_promql_time(request->start_ms);
    query->end_ms = oxp_promql_time(request->step_ms == 0 ? request->start_ms : request->end_ms);
    query->lookback_ms = request->lookback_ms > 0 ? oxp_promql_length(request->lookback_ms) : options->lookback_ms;
    query->default_step_ms = options->default_step_ms;
    query->clock = options->clock;
    query->deadline = (struct oxp_mono){timeout_ns};
    query->memory_max = options->memory_max;
    query->samples_max = options->samples_max;
    query->cancelled = request->cancelled;
}

/* ---- The answer ---- */

static enum oxp_status answer_string(struct answer *answer, const struct oxp_promql_node *root) {
    answer->answer.text = oxp_promql_bare(root)->string;
    answer->answer.text_time_ms = answer->query.start_ms;
    return OXP_OK;
}

static int compare_series(const void *a, const void *b) {
    return oxp_labels_compare(((const struct oxp_promql_series *)a)->labels,
                              ((const struct oxp_promql_series *)b)->labels);
}

/* Raw samples of a range selector or the steps of a subquery. */
static enum oxp_status answer_range(struct answer *answer, struct oxp_eval *eval, const struct oxp_promql_node *root) {
    struct oxp_range_series *found;
    size_t found_count;
    enum oxp_status status = oxp_range_series(eval, root, &found, &found_count);
    if (status != OXP_OK) {
        return status;
    }
    struct oxp_promql_series *series = oxp_arena_zero(&eval->query->arena, found_count, sizeof *series);
    if (series == NULL) {
        return oxp_query_memory(eval->query);
    }
    for (size_t i = 0; i < found_count; i++) {
        series[i] = (struct oxp_promql_series){found[i].labels, found[i].count, found[i].time_ms, found[i].value};
    }
    qsort(series, found_count, sizeof *series, compare_series);
    answer->answer.series = series;
    answer->answer.count = found_count;
    return OXP_OK;
}

/* The times of all steps, for the columns that have a value at each. */
static int64_t *step_times(struct oxp_eval *eval) {
    int64_t *times = oxp_arena_zero(&eval->query->arena, eval->steps, sizeof *times);
    for (size_t step = 0; times != NULL && step < eval->steps; step++) {
        times[step] = oxp_eval_time(eval, step);
    }
    return times;
}

/* A column as a series: its values move together in place, with times of their own when there are gaps. */
static bool column_series(struct oxp_eval *eval, const struct oxp_column *column, const int64_t *times,
                          struct oxp_promql_series *series) {
    size_t present = 0;
    for (size_t step = 0; step < eval->steps; step++) {
        present += !oxp_is_absent(column->value[step]);
    }
    *series = (struct oxp_promql_series){column->labels, present, times, column->value};
    if (present == eval->steps || present == 0) {
        return true;
    }
    int64_t *own = oxp_arena_take(&eval->query->arena, present * sizeof *own);
    if (own == NULL) {
        return false;
    }
    present = 0;
    for (size_t step = 0; step < eval->steps; step++) {
        if (!oxp_is_absent(column->value[step])) {
            own[present] = times[step];
            column->value[present++] = column->value[step];
        }
    }
    series->time_ms = own;
    return true;
}

static enum oxp_status answer_vector(struct answer *answer, struct oxp_eval *eval, const struct oxp_promql_node *root) {
    struct oxp_vector vector;
    enum oxp_status status = oxp_eval_node(eval, root, &vector);
    if (status != OXP_OK) {
        return status;
    }
    if (!vector.ordered || answer->answer.type == OXP_PROMQL_MATRIX) {
        oxp_vector_sort(&vector);
    }
    const int64_t *times = step_times(eval);
    struct oxp_promql_series *series = oxp_arena_zero(&eval->query->arena, vector.count, sizeof *series);
    if (times == NULL || series == NULL) {
        return oxp_query_memory(eval->query);
    }
    size_t kept = 0;
    for (size_t i = 0; i < vector.count; i++) {
        if (!column_series(eval, &vector.columns[i], times, &series[kept])) {
            return oxp_query_memory(eval->query);
        }
        kept += series[kept].count != 0;
    }
    answer->answer.series = series;
    answer->answer.count = kept;
    return OXP_OK;
}

/* While series are selected. */
static bool must_end(void *ctx) {
    struct oxp_query_state *query = ctx;
    query->patience = 0;
    return oxp_query_patterns(query) != OXP_OK || oxp_query_check(query, 0) != OXP_OK;
}

static enum oxp_status evaluate(struct answer *answer, const struct oxp_promql_request *request, size_t points_max) {
    struct oxp_query_state *query = &answer->query;
    const struct oxp_promql_node *root = request->expr->root;
    struct oxp_eval eval = {.query = query};
    enum oxp_status status = plan(request, points_max, &eval);
    if (status != OXP_OK) {
        return status;
    }
    answer->answer.type = request->step_ms == 0 ? root->type : OXP_PROMQL_MATRIX;
    status = root->type == OXP_PROMQL_STRING   ? answer_string(answer, root)
             : root->type == OXP_PROMQL_MATRIX ? answer_range(answer, &eval, root)
                                               : answer_vector(answer, &eval, root);
    if (status == OXP_OK && oxp_arena_status(&query->arena) != OXP_OK) {
        status = oxp_query_memory(query); /* an annotation had no room */
    }
    return status == OXP_OK ? oxp_query_check(query, 0) : status;
}

/* ---- A query from end to end ---- */

static void free_answer(struct answer *answer) {
    if (answer->query.reader.tsdb != NULL) {
        oxp_tsdb_close(&answer->query.reader);
    }
    oxp_points_fini(&answer->query.points);
    oxp_arena_fini(&answer->query.arena);
    free(answer);
}

void oxp_promql_answer_free(struct oxp_promql_answer *answer) {
    if (answer != NULL) {
        free_answer((struct answer *)answer);
    }
}

static enum oxp_status run(struct oxp_promql_engine *engine, const struct oxp_promql_options *options,
                           struct oxp_tsdb *tsdb, const struct oxp_promql_request *request, struct answer *answer) {
    struct oxp_query_state *query = &answer->query;
    struct oxp_mono began = oxp_clock_mono(options->clock);
    init_query(query, options, request, began);
    enum oxp_status status = oxp_tsdb_read(tsdb, &query->reader);
    if (status != OXP_OK) {
        query->reader.tsdb = NULL;
        return status == OXP_ERR_NOMEM
                   ? oxp_query_memory(query)
                   : oxp_query_fail(query, OXP_ERR_IN_USE, "too many answers are still held, try again later");
    }
    query->reader.give_up = must_end;
    query->reader.give_up_ctx = query;
    for (size_t i = 0; i < request->expr->regex_count; i++) {
        oxp_regex_retry(request->expr->regexes[i]);
    }
    query->limited = oxp_promql_limited(request->expr);
    status = evaluate(answer, request, options->points_max);
    count(&engine->samples, query->samples);
    answer->answer.annotations = query->annotations;
    answer->answer.annotation_count = query->annotation_count;
    answer->answer.samples = query->samples;
    answer->answer.seconds = (double)(oxp_clock_mono(options->clock).ns - began.ns) / 1e9;
    return status;
}

/* Takes one of the places for queries; false when there is none left. */
static bool enter(struct oxp_promql_engine *engine, unsigned most) {
    if (atomic_fetch_add(&engine->active, 1) < most) {
        return true;
    }
    atomic_fetch_sub(&engine->active, 1);
    return false;
}

enum oxp_status oxp_promql_query(struct oxp_promql_engine *engine, struct oxp_tsdb *tsdb,
                                 const struct oxp_promql_request *request, struct oxp_promql_answer **answer_out,
                                 struct oxp_error *error) {
    *answer_out = NULL;
    pthread_mutex_lock(&engine->lock);
    const struct oxp_promql_options options = engine->options;
    pthread_mutex_unlock(&engine->lock);
    if (!enter(engine, options.concurrency_max)) {
        count(&engine->refused, 1);
        return oxp_error_set(error, OXP_ERR_IN_USE, 0, 0, "too many queries at a time (at most %u)",
                             options.concurrency_max);
    }
    count(&engine->queries, 1);
    struct answer *answer = calloc(1, sizeof *answer);
    enum oxp_status status = answer == NULL ? oxp_error_set(error, OXP_ERR_NOMEM, 0, 0, "out of memory")
                                            : run(engine, &options, tsdb, request, answer);
    atomic_fetch_sub(&engine->active, 1);
    if (status == OXP_OK) {
        *answer_out = &answer->answer;
        return OXP_OK;
    }
    count(&engine->failures, 1);
    count(&engine->timeouts, status == OXP_ERR_TIMEOUT);
    if (answer != NULL) {
        const char *text = answer->query.error.text;
        oxp_error_set(error, status, 0, 0, "%s", text[0] == '\0' ? oxp_status_text(status) : text);
        free_answer(answer);
    }
    return status;
}
