#include "tests/unit/alerts/promql/engine_world.h"

#include "alerts/promql/script.h"
#include <math.h>

/* One sample every 10 s from 0 on. `m` has gaps and an end; b's counter begins again at 300 s. */
static const char *const series[] = {
    "m 1 _ _ 4 stale 6",
    "up{job=\"a\"} 1x60",
    "up{job=\"b\"} 0x10 stale",
    "c_total{job=\"a\",i=\"1\"} 0+10x60",
    "c_total{job=\"a\",i=\"2\"} 0+20x60",
    "c_total{job=\"b\",i=\"1\"} 0+30x29 0+30x29",
    "first{k=\"v\"} 1 2 stale",
    "second{k=\"v\"} _ _ _ 3 4",
    "both_a{k=\"v\"} 1 2 3",
    "both_b{k=\"v\"} 1 2 3",
    "odd -Inf NaN Inf 0",
    "gauge 5 4 3 2 1 0",
    "named{le=\"\",x=\"1\"} 7",
    "h_bucket{le=\"1\"} 0+1x10",
    "h_bucket{le=\"2\"} 0+3x10",
    "h_bucket{le=\"+Inf\"} 0+4x10",
};

void load_series(struct oxp_tsdb *tsdb, const char *text) {
    struct oxp_arena arena;
    struct oxp_script_series parsed;
    struct oxp_tsdb_series *handle;
    oxp_arena_init(&arena, 0);
    assert_int_equal(oxp_script_parse_series(oxp_view_from(text), &arena, &parsed, NULL), OXP_OK);
    assert_int_equal(oxp_tsdb_series_at(tsdb, parsed.labels, &handle), OXP_OK);
    for (size_t i = 0; i < parsed.count; i++) {
        if (!parsed.omitted[i]) {
            assert_int_equal(oxp_tsdb_append(tsdb, handle, (int64_t)i * 10 * S, parsed.value[i]), OXP_OK);
        }
    }
    oxp_arena_fini(&arena);
}

struct oxp_tsdb *make_tsdb(void) {
    const struct oxp_tsdb_options options = {.retention_ms = 86400 * S};
    struct oxp_tsdb *tsdb;
    assert_int_equal(oxp_tsdb_new(&options, &tsdb), OXP_OK);
    for (size_t i = 0; i < COUNT_OF(series); i++) {
        load_series(tsdb, series[i]);
    }
    return tsdb;
}

struct oxp_promql_engine *make_engine(const struct oxp_promql_options *options) {
    struct oxp_promql_engine *engine;
    assert_int_equal(oxp_promql_engine_new(options, &engine), OXP_OK);
    return engine;
}

struct oxp_promql_expr *parse(const char *text) {
    struct oxp_promql_expr *expr;
    struct oxp_error error = {0};
    if (oxp_promql_parse(oxp_view_from(text), &expr, &error) != OXP_OK) {
        fail_msg("%s: %u:%u: %s", text, error.line, error.column, error.text);
    }
    return expr;
}

/* ---- Answers as text ---- */

static void print_value(struct oxp_buf *out, double value) {
    isnan(value) ? oxp_buf_append_text(out, "NaN") : oxp_buf_append_double(out, value);
}

/* `{a="b"} 1`; of a range query with _ for steps without a value; of raw samples with their times in seconds: `1@10` */
static void print_series(struct oxp_buf *out, const struct oxp_promql_series *item,
                         const struct oxp_promql_request *request, enum oxp_promql_type type) {
    oxp_labels_format(out, item->labels, true);
    if (request->step_ms != 0) {
        size_t next = 0;
        for (int64_t t = request->start_ms; t <= request->end_ms; t += request->step_ms) {
            oxp_buf_append_char(out, ' ');
            if (next < item->count && item->time_ms[next] == t) {
                print_value(out, item->value[next++]);
            } else {
                oxp_buf_append_char(out, '_');
            }
        }
        assert_int_equal(next, item->count);
        return;
    }
    for (size_t i = 0; i < item->count; i++) {
        oxp_buf_append_char(out, ' ');
        print_value(out, item->value[i]);
        if (type == OXP_PROMQL_MATRIX) {
            oxp_buf_append_char(out, '@');
            oxp_buf_append_double(out, (double)item->time_ms[i] / 1000);
        } else {
            assert_int_equal(item->time_ms[i], request->start_ms);
        }
    }
}

static void print_answer(struct oxp_buf *out, const struct oxp_promql_answer *answer,
                         const struct oxp_promql_request *request) {
    if (answer->type == OXP_PROMQL_STRING) {
        oxp_buf_append_view(out, answer->text);
        assert_int_equal(answer->text_time_ms, request->start_ms);
    }
    for (size_t i = 0; i < answer->count; i++) {
        oxp_buf_append_text(out, i == 0 ? "" : "; ");
        print_series(out, &answer->series[i], request, answer->type);
    }
    for (size_t i = 0; i < answer->annotation_count; i++) {
        oxp_buf_append_text(out, out->len == 0 ? "# " : " # ");
        oxp_buf_append_view(out, answer->annotations[i].text);
    }
}

enum oxp_status run(struct oxp_promql_engine *engine, struct oxp_tsdb *tsdb, struct oxp_promql_request *request,
                    const char *text, struct oxp_buf *out) {
    struct oxp_promql_expr *expr = parse(text);
    struct oxp_promql_answer *answer;
    struct oxp_error error = {0};
    oxp_buf_clear(out);
    request->expr = expr;
    enum oxp_status status = oxp_promql_query(engine, tsdb, request, &answer, &error);
    if (status == OXP_OK) {
        print_answer(out, answer, request);
        oxp_promql_answer_free(answer);
    } else {
        assert_null(answer);
        assert_true(error.text[0] != '\0');
        oxp_buf_append_format(out, "! %s", error.text);
    }
    oxp_promql_expr_free(expr);
    return status;
}
