/* Reading test scripts (promql/promqltest/README.md in Prometheus' repository).
 *
 * A script is lines. A command begins a block that an empty line, a comment or the end of the script ends:
 *
 *     load STEP            then one series a line
 *     load_with_nhcb STEP  the same; also makes native histograms, which nobody here can make
 *     clear
 *     eval[_fail|_warn|_info|_ordered] instant at TIME EXPR
 *     eval[_fail|_warn|_info] range from TIME to TIME step DURATION EXPR
 *                          then `expect …` lines and one series a line, or one number
 *
 * Times count from the unix epoch and are written as durations. */
#include "alerts/promql/script.h"

#include "alerts/promql/script_eval.h"

/* Samples of a script may lie anywhere; nothing may be too old to keep. */
#define RETENTION_MS (INT64_C(1000) * 365 * 24 * 3600 * 1000)

struct script {
    struct oxp_script_reader reader;
    struct oxp_script_world world;
    struct oxp_arena world_arena; /* of world.missing; until clear */
    struct oxp_script_missing *missing;
    size_t missing_count, missing_size;
    void (*on_case)(void *ctx, const struct oxp_script_case *result);
    void *ctx;
    struct oxp_script_result *result;
};

/* ---- The world ---- */

static enum oxp_status world_open(struct script *script) {
    struct oxp_tsdb_options options = {.retention_ms = RETENTION_MS};
    return oxp_tsdb_new(&options, &script->world.tsdb);
}

static enum oxp_status world_clear(struct script *script) {
    oxp_tsdb_free(script->world.tsdb);
    script->world.tsdb = NULL;
    oxp_arena_clear(&script->world_arena);
    script->missing = NULL;
    script->missing_count = script->missing_size = 0;
    return world_open(script);
}

/* Notes that a series is not there as the script means it. */
static enum oxp_status world_miss(struct script *script, const struct oxp_labels *labels, const char *reason) {
    struct oxp_arena *arena = &script->world_arena;
    if (script->missing_count == script->missing_size) {
        size_t more = script->missing_size == 0 ? 16 : script->missing_size * 2;
        struct oxp_script_missing *grown =
            oxp_arena_grow(arena, script->missing, script->missing_size, more, sizeof *grown);
        if (grown == NULL) {
            return oxp_script_memory(arena);
        }
        script->missing = grown;
        script->missing_size = more;
    }
    struct oxp_labels_builder builder;
    oxp_labels_build(&builder, arena, oxp_labels_none());
    for (size_t i = 0; i < labels->count; i++) {
        oxp_labels_set_text(&builder, oxp_symbol_view(labels->label[i].name), oxp_symbol_view(labels->label[i].value));
    }
    const struct oxp_labels *copy = oxp_labels_finish(&builder);
    struct oxp_view text = oxp_arena_copy(arena, oxp_view_from(reason));
    if (copy == NULL || text.ptr == NULL) {
        return oxp_script_memory(arena);
    }
    script->missing[script->missing_count++] = (struct oxp_script_missing){copy, text.ptr};
    return OXP_OK;
}

/* ---- load ---- */

/* A line of a load. */
struct row {
    struct oxp_script_series series;
    unsigned number, indent; /* of the line */
};

static enum oxp_status append_series(struct script *script, const struct row *row, int64_t step_ms) {
    const struct oxp_script_series *series = &row->series;
    struct oxp_tsdb_series *handle;
    enum oxp_status status = oxp_tsdb_series_at(script->world.tsdb, series->labels, &handle);
    for (size_t i = 0; i < series->count && status >= OXP_OK; i++) {
        if (!series->omitted[i]) {
            status = oxp_tsdb_append(script->world.tsdb, handle, (int64_t)i * step_ms, series->value[i]);
        }
    }
    if (status == OXP_ERR_RANGE) {
        script->reader.number = row->number;
        script->reader.indent = row->indent;
        return oxp_script_fail(&script->reader,
                               "the series was already loaded up to a later time, or with another value");
    }
    return status < OXP_OK ? status : OXP_OK;
}

/* When a load names a series twice, the last one counts. */
static enum oxp_status append_rows(struct script *script, const struct row *rows, size_t count, int64_t step_ms) {
    enum oxp_status status = OXP_OK;
    for (size_t i = 0; i < count && status == OXP_OK; i++) {
        size_t next = i + 1;
        while (next < count && !oxp_labels_equal(rows[next].series.labels, rows[i].series.labels)) {
            next++;
        }
        if (next == count) {
            status = append_series(script, &rows[i], step_ms);
        }
    }
    return status;
}

/* load_with_nhcb makes a native histogram of each classic one: NAME_bucket, NAME_count, NAME_sum give NAME. */
static enum oxp_status miss_histogram(struct script *script, const struct oxp_labels *labels) {
    static const char *const suffixes[] = {"_bucket", "_count", "_sum"};
    const struct oxp_symbol *symbol = oxp_labels_name(labels);
    struct oxp_view name = symbol == NULL ? oxp_view_of(NULL, 0) : oxp_symbol_view(symbol);
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        size_t len = strlen(suffixes[i]);
        if (name.len > len && memcmp(name.ptr + name.len - len, suffixes[i], len) == 0) {
            struct oxp_labels_builder builder;
            oxp_labels_build(&builder, &script->reader.arena, labels);
            oxp_labels_remove(&builder, OXP_VIEW("le"));
            oxp_labels_set_text(&builder, OXP_VIEW(OXP_NAME_LABEL), oxp_view_of(name.ptr, name.len - len));
            const struct oxp_labels *base = oxp_labels_finish(&builder);
            return base == NULL ? oxp_script_memory(&script->reader.arena)
                                : world_miss(script, base, "native histograms (load_with_nhcb) are not supported");
        }
    }
    return OXP_OK;
}

/* One line of a load's block; it is added to the rows unless it cannot be loaded. */
static enum oxp_status read_row(struct script *script, bool histograms, struct row **rows, size_t *count) {
    struct oxp_arena *arena = &script->reader.arena;
    struct row row = {.number = script->reader.number, .indent = script->reader.indent};
    const char *unsupported;
    enum oxp_status status = oxp_script_read_series(&script->reader, &row.series, &unsupported);
    if (status == OXP_OK && histograms) {
        status = miss_histogram(script, row.series.labels);
    }
    if (status != OXP_OK) {
        return status;
    }
    if (unsupported != NULL) {
        return world_miss(script, row.series.labels, unsupported);
    }
    if ((*count & (*count - 1)) == 0) { /* doubled at powers of two */
        struct row *grown = oxp_arena_grow(arena, *rows, *count, *count == 0 ? 1 : *count * 2, sizeof *grown);
        if (grown == NULL) {
            return oxp_script_memory(arena);
        }
        *rows = grown;
    }
    (*rows)[(*count)++] = row;
    return OXP_OK;
}

static enum oxp_status read_load(struct script *script) {
    struct oxp_view text = script->reader.line;
    struct oxp_view word = oxp_script_take_word(&text);
    bool histograms = oxp_view_is(word, "load_with_nhcb");
    struct row *rows = NULL;
    size_t count = 0;
    int64_t step_ms;
    if ((!histograms && !oxp_view_is(word, "load")) || !oxp_script_parse_ms(text, &step_ms) || step_ms == 0) {
        return oxp_script_fail(&script->reader, "\"load STEP\" is expected, STEP being a duration");
    }
    enum oxp_status status = OXP_OK;
    while (status == OXP_OK && oxp_script_next_in_block(&script->reader)) {
        status = read_row(script, histograms, &rows, &count);
    }
    return status == OXP_OK ? append_rows(script, rows, count, step_ms) : status;
}

static enum oxp_status run_case(struct script *script, const struct oxp_script_eval *eval) {
    enum oxp_script_outcome outcome = OXP_SCRIPT_FAILED;
    struct oxp_buf why;
    oxp_buf_init(&why, 0);
    script->world.missing = script->missing;
    script->world.missing_count = script->missing_count;
    enum oxp_status status = oxp_script_eval_run(&script->world, eval, &outcome, &why);
    if (status == OXP_OK) {
        status = oxp_buf_status(&why);
    }
    if (status == OXP_OK) {
        script->result->found++;
        script->result->passed += outcome == OXP_SCRIPT_PASSED;
        script->result->failed += outcome == OXP_SCRIPT_FAILED;
        script->result->skipped += outcome == OXP_SCRIPT_SKIPPED;
        if (script->on_case != NULL) {
            struct oxp_script_case told = {outcome, eval->line, eval->expr, oxp_buf_text(&why)};
            script->on_case(script->ctx, &told);
        }
    }
    oxp_buf_fini(&why);
    return status;
}

static enum oxp_status read_eval(struct script *script) {
    struct oxp_script_eval eval;
    enum oxp_status status = oxp_script_read_eval(&script->reader, &eval);
    if (status == OXP_OK) {
        status = run_case(script, &eval);
    }
    oxp_script_eval_fini(&eval);
    return status;
}

/* ---- The script ---- */

static enum oxp_status run_commands(struct script *script) {
    enum oxp_status status = OXP_OK;
    while (status == OXP_OK && oxp_script_next_line(&script->reader)) {
        struct oxp_view rest = script->reader.line, command = oxp_script_take_word(&rest);
        if (command.len == 0) {
            continue;
        }
        oxp_arena_clear(&script->reader.arena);
        if (oxp_view_is(command, "clear")) {
            status = world_clear(script);
        } else if (oxp_view_starts(command, OXP_VIEW("load"))) {
            status = read_load(script);
        } else if (oxp_view_starts(command, OXP_VIEW("eval"))) {
            status = read_eval(script);
        } else {
            status = oxp_script_fail(&script->reader, "load, clear or eval is expected");
        }
    }
    return status;
}

enum oxp_status oxp_script_run(struct oxp_view script_text,
                               void (*on_case)(void *ctx, const struct oxp_script_case *result), void *ctx,
                               struct oxp_script_result *result_out, struct oxp_error *error) {
    struct script script = {
        .reader = {.rest = script_text, .error = error}, .on_case = on_case, .ctx = ctx, .result = result_out};
    struct oxp_promql_options options = {0}; /* Prometheus' defaults are what scripts are written for */
    *result_out = (struct oxp_script_result){0};
    oxp_arena_init(&script.reader.arena, 0);
    oxp_arena_init(&script.world_arena, 0);
    enum oxp_status status = oxp_promql_engine_new(&options, &script.world.engine);
    if (status == OXP_OK) {
        status = world_open(&script);
    }
    if (status == OXP_OK) {
        status = run_commands(&script);
    }
    oxp_tsdb_free(script.world.tsdb);
    oxp_promql_engine_free(script.world.engine);
    oxp_arena_fini(&script.reader.arena);
    oxp_arena_fini(&script.world_arena);
    return status;
}
