/* The engine: expressions over a small short memory, with answers worked out by hand; limits; failing allocations. */
#include "tests/unit/lib/base/support.h"

#include "alerts/promql/engine.h"
#include "alerts/promql/script.h"
#include "tests/support/alloc_fail.h"
#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>

#define S INT64_C(1000)

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

static void load(struct oxp_tsdb *tsdb, const char *text) {
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

static struct oxp_tsdb *make_tsdb(void) {
    const struct oxp_tsdb_options options = {.retention_ms = 86400 * S};
    struct oxp_tsdb *tsdb;
    assert_int_equal(oxp_tsdb_new(&options, &tsdb), OXP_OK);
    for (size_t i = 0; i < COUNT_OF(series); i++) {
        load(tsdb, series[i]);
    }
    return tsdb;
}

static struct oxp_promql_engine *make_engine(const struct oxp_promql_options *options) {
    struct oxp_promql_engine *engine;
    assert_int_equal(oxp_promql_engine_new(options, &engine), OXP_OK);
    return engine;
}

static struct oxp_promql_expr *parse(const char *text) {
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

/* Runs a query and prints its answer, or `! ` and the reason. */
static enum oxp_status run(struct oxp_promql_engine *engine, struct oxp_tsdb *tsdb, struct oxp_promql_request *request,
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

struct query_case {
    const char *expr;
    int64_t start_ms, end_ms, step_ms;
    const char *want;
};

static void run_cases(const struct query_case *cases, size_t count) {
    struct oxp_tsdb *tsdb = make_tsdb();
    struct oxp_promql_engine *engine = make_engine(NULL);
    struct oxp_buf text;
    size_t wrong = 0;
    oxp_buf_init(&text, 0);
    for (size_t i = 0; i < count; i++) {
        struct oxp_promql_request request = {
            .start_ms = cases[i].start_ms, .end_ms = cases[i].end_ms, .step_ms = cases[i].step_ms};
        run(engine, tsdb, &request, cases[i].expr, &text);
        if (strcmp(oxp_buf_text(&text), cases[i].want) != 0) {
            print_error("%s at %lld\n  wants %s\n  got   %s\n", cases[i].expr, (long long)cases[i].start_ms,
                        cases[i].want, oxp_buf_text(&text));
            wrong++;
        }
    }
    assert_int_equal(wrong, 0);
    oxp_buf_fini(&text);
    oxp_promql_engine_free(engine);
    oxp_tsdb_free(tsdb);
}

#define AT(s) (s) * S, (s)*S, 0
#define FROM(s, e, step) (s) * S, (e)*S, (step)*S

/* clang-format off: one case a line */
static void test_selectors(void **state) {
    (void)state;
    static const struct query_case cases[] = {
        {"m", AT(0), "m 1"},
        {"m", AT(-1), ""},
        {"m", 29999, 29999, 0, "m 1"},
        {"m", AT(30), "m 4"},
        {"m", AT(40), ""}, /* ended by its stale marker */
        {"m", AT(49), ""},
        {"m", AT(50), "m 6"},
        {"m", 349999, 349999, 0, "m 6"},
        {"m", AT(350), ""}, /* the lookback is left-open */
        {"m", FROM(0, 60, 10), "m 1 1 1 4 _ 6 6"},
        {"m", FROM(330, 360, 10), "m 6 6 _ _"},
        {"m", FROM(400, 500, 10), ""},
        {"m", FROM(0, 65, 30), "m 1 4 6"},
        {"m offset 10s", AT(40), "m 4"},
        {"m offset -10s", AT(20), "m 4"},
        {"m offset 10s", FROM(0, 60, 10), "m _ 1 1 1 4 _ 6"},
        {"m @ 30", AT(1000), "m 4"},
        {"m @ 30 offset 10s", AT(1000), "m 1"},
        {"m @ start()", FROM(30, 60, 10), "m 4 4 4 4"},
        {"m @ end()", FROM(30, 60, 10), "m 6 6 6 6"},
        {"m @ end() offset 10s", FROM(30, 50, 10), ""},
        {"m @ end()", AT(30), "m 4"},
        {"up", AT(100), "up{job=\"a\"} 1; up{job=\"b\"} 0"},
        {"up", AT(110), "up{job=\"a\"} 1"},
        {"up{job=~\"b|c\"}", FROM(90, 120, 10), "up{job=\"b\"} 0 0 _ _"},
        {"nope", AT(0), ""},
        {"nope", FROM(0, 60, 10), ""},
        {"odd", FROM(0, 40, 10), "odd -Inf NaN +Inf 0 0"},
        {"named{le=\"\"}", AT(0), "named{x=\"1\"} 7"},
        {"((m))", AT(30), "m 4"},
    };
    run_cases(cases, COUNT_OF(cases));
}

static void test_ranges(void **state) {
    (void)state;
    static const struct query_case cases[] = {
        {"m[50s]", AT(50), "m 4@30 6@50"}, /* left-open, without the marker */
        {"m[51s]", AT(50), "m 1@0 4@30 6@50"},
        {"(m[51s] offset 10s)", AT(50), "m 1@0 4@30"},
        {"nope[5m]", AT(50), ""},
        {"m[1s]", AT(45), ""},
        {"up[20s]", AT(110), "up{job=\"a\"} 1@100 1@110; up{job=\"b\"} 0@100"},
        {"m[30s:10s]", AT(55), "m 4@30 6@50"},
        {"m[30s:10s] @ 55", AT(0), "m 4@30 6@50"},
        {"m[30s:10s]", AT(60), "m 6@50 6@60"}, /* left-open, too */
        {"up[1m:5m]", AT(70), ""},             /* no step within the window */
        {"sum_over_time(m[30s])", AT(30), "{} 4"},
        {"sum_over_time(m[31s])", AT(30), "{} 5"},
        {"sum_over_time(m[30s])", FROM(0, 80, 10), "{} 1 1 1 4 4 10 6 6 _"},
        {"count_over_time(m[30s] offset 10s)", FROM(0, 60, 10), "{} _ 1 1 1 1 1 2"},
        {"count_over_time(m[30s] offset -10s)", FROM(-10, 50, 10), "{} 1 1 1 1 1 2 1"},
        {"sum_over_time(m[31s] @ 30)", FROM(0, 20, 10), "{} 5 5 5"},
        {"sum_over_time((m[31s]))", AT(30), "{} 5"},
        {"last_over_time(m[1m])", AT(60), "m 6"},
        {"first_over_time(up[1m])", AT(60), "up{job=\"a\"} 1; up{job=\"b\"} 0"},
        {"rate(c_total[1m])", AT(100), "{i=\"1\", job=\"a\"} 1; {i=\"1\", job=\"b\"} 3; {i=\"2\", job=\"a\"} 2"},
        {"increase(c_total{job=\"b\"}[61s])", AT(310), "{i=\"1\", job=\"b\"} 152.5"},
        {"rate(gauge[30s])", AT(20),
         "{} 0.35000000000000003 # PromQL info: metric might not be a counter, name does not end in "
         "_total/_sum/_count/_bucket: \"gauge\" (1:6)"},
        {"rate(gauge[1s])", AT(20), ""},
        {"delta(gauge[30s])", AT(20), "{} -3"},
        {"rate(c_total{i=\"1\"}[20s]) + rate(second[20s])", AT(10), ""},
        {"quantile_over_time(scalar(m) / 10, gauge[51s] @ 50)", FROM(0, 50, 10),
         "{} 0.5 0.5 0.5 2 NaN 3 # PromQL warning: quantile value should be between 0 and 1, got NaN (1:20)"},
        {"rate({__name__=~\"both_.\"}[1m])", AT(20), "! vector cannot contain metrics with the same labelset"},
        {"count_over_time({__name__=~\"first|second\"}[10s])", FROM(0, 40, 10), "{k=\"v\"} 1 1 _ 1 1"},
        {"count_over_time({__name__=~\"both_.\"}[10s])", FROM(0, 40, 10),
         "! vector cannot contain metrics with the same labelset"},
    };
    run_cases(cases, COUNT_OF(cases));
}

static void test_subqueries(void **state) {
    (void)state;
    static const struct query_case cases[] = {
        {"sum_over_time(m[30s:10s])", AT(50), "{} 10"},
        {"sum_over_time(m[31s:10s])", AT(50), "{} 11"},
        {"sum_over_time(m[30s:10s])", FROM(30, 60, 10), "{} 6 5 10 12"},
        {"sum_over_time(m[30s:10s] offset 10s)", AT(60), "{} 10"},
        {"sum_over_time(m[30s:10s] offset 7s)", AT(60), "{} 10"}, /* aligned in absolute time */
        {"sum_over_time(m[30s:10s] @ 50)", FROM(0, 20, 10), "{} 10 10 10"},
        {"sum_over_time(m[30s:10s] @ end())", FROM(30, 50, 10), "{} 10 10 10"},
        {"count_over_time(m[5m:])", AT(60), "{} 2"}, /* every minute when it says nothing */
        {"max_over_time(sum_over_time(m[30s:10s])[20s:10s])", AT(60), "{} 12"},
        {"sum_over_time(vector(time())[30s:10s])", AT(60), "{} 150"},
        {"sum_over_time(vector(time())[30s:10s])", AT(-60), "{} -210"},
        {"sum_over_time(vector(1)[30s:10s])", FROM(0, 40, 20), "{} 3 3 3"},
        {"last_over_time(m[30s:10s])", AT(60), "m 6"},
        {"avg_over_time(rate(c_total{job=\"a\"}[1m])[1m:10s])", AT(200),
         "{i=\"1\", job=\"a\"} 1; {i=\"2\", job=\"a\"} 2"},
        {"min_over_time(m[1m:5m])", AT(720), ""}, /* no step within the window */
        {"count_over_time((m @ 30)[30s:10s])", FROM(0, 20, 10), "{} 3 3 3"},
        {"sum_over_time(m[20s:10s] @ start() offset -20s)", FROM(30, 40, 10), "{} 6 6"},
    };
    run_cases(cases, COUNT_OF(cases));
}

static void test_calls(void **state) {
    (void)state;
    static const struct query_case cases[] = {
        {"time()", AT(30), "{} 30"},
        {"time()", FROM(10, 30, 10), "{} 10 20 30"},
        {"time()", 1500, 1500, 0, "{} 1.5"},
        {"vector(time())", FROM(10, 30, 10), "{} 10 20 30"},
        {"vector(1)", AT(0), "{} 1"},
        {"pi()", FROM(0, 10, 10), "{} 3.141592653589793 3.141592653589793"},
        {"scalar(m)", FROM(0, 60, 10), "{} 1 1 1 4 NaN 6 6"},
        {"scalar(up)", FROM(90, 120, 10), "{} NaN NaN 1 1"},
        {"scalar(odd)", FROM(0, 20, 10), "{} -Inf NaN +Inf"},
        {"timestamp(m)", FROM(0, 60, 10), "{} 0 0 0 30 _ 50 50"},
        {"timestamp((m))", AT(35), "{} 30"},
        {"timestamp(m offset 5s)", AT(39), "{} 30"},
        {"timestamp(m @ 35)", FROM(0, 20, 10), "{} 30 30 30"},
        {"timestamp(-m)", AT(35), "{} 35"},
        {"timestamp(timestamp(m @ 30))", FROM(0, 20, 10), "{} 0 10 20"},
        {"timestamp({__name__=~\"both_.\"})", AT(20), "! vector cannot contain metrics with the same labelset"},
        {"absent(m)", FROM(0, 60, 10), "{} _ _ _ _ 1 _ _"},
        {"absent(m)", AT(40), "{} 1"},
        {"absent(up)", FROM(0, 60, 10), ""},
        {"absent(nope{job=\"x\",env=~\"y\"})", AT(0), "{job=\"x\"} 1"},
        {"absent(nope{a=\"1\",a=\"2\",b=\"3\"})", AT(0), "{b=\"3\"} 1"},
        {"absent(nope{a=\"1\",a=\"2\",a=\"3\"})", AT(0), "{} 1"},
        {"absent(nope{a!=\"1\",a=\"2\"})", AT(0), "{a=\"2\"} 1"},
        {"absent(nope{a=\"2\",a!=\"1\"})", AT(0), "{} 1"},
        {"absent((nope{a=\"2\"}))", AT(0), "{a=\"2\"} 1"},
        {"absent(sum(nope{job=\"x\"}))", AT(0), "{} 1"},
        {"absent(nope{job=\"x\"} @ 5)", FROM(0, 10, 10), "{job=\"x\"} 1 1"},
        {"absent_over_time(m[5s])", FROM(0, 60, 10), "{} _ 1 1 _ 1 _ 1"},
        {"absent_over_time(up[5m])", FROM(0, 60, 10), ""},
        {"absent_over_time(nope{job=\"x\"}[5m])", AT(0), "{job=\"x\"} 1"},
        {"absent_over_time(nope{job=\"x\"}[5m:1m])", AT(0), "{} 1"},
        {"absent_over_time({__name__=~\"first|second\"}[10s])", FROM(0, 50, 10), "{} _ _ 1 _ _ 1"},
        {"abs(-gauge)", AT(0), "{} 5"},
        {"abs({__name__=~\"first|second\"})", FROM(0, 40, 10), "{k=\"v\"} 1 2 _ 3 4"},
        {"abs({__name__=~\"both_.\"})", AT(0), "! vector cannot contain metrics with the same labelset"},
        {"clamp_max(gauge, scalar(m))", FROM(0, 50, 10), "{} 1 1 1 2 NaN 0"},
        {"clamp(gauge, 3, 1)", AT(0), ""},
        {"minute()", AT(120), "{} 2"},
        {"minute(vector(180))", AT(120), "{} 3"},
        {"hour(up * 3600)", AT(0), "{job=\"a\"} 1; {job=\"b\"} 0"},
        {"sort_desc(up)", AT(0), "up{job=\"a\"} 1; up{job=\"b\"} 0"},
        {"sort(up)", AT(0), "up{job=\"b\"} 0; up{job=\"a\"} 1"},
        {"label_replace(m, \"x\", \"$1\", \"__name__\", \"(.*)\")", AT(0), "m{x=\"m\"} 1"},
        {"histogram_quantile(0.5, rate(h_bucket[1m]))", AT(100), "{} 1.5"},
    };
    run_cases(cases, COUNT_OF(cases));
}

static void test_whole(void **state) {
    (void)state;
    static const struct query_case cases[] = {
        {"1.5", AT(0), "{} 1.5"},
        {"1.5", FROM(0, 20, 10), "{} 1.5 1.5 1.5"},
        {"-(2 ^ 3)", FROM(0, 10, 10), "{} -8 -8"},
        {"\"te\\\"xt\"", AT(7), "te\"xt"},
        {"(\"x\")", AT(7), "x"},
        {"sum by (job) (rate(c_total[1m]))", AT(100), "{job=\"a\"} 3; {job=\"b\"} 3"},
        {"sum by (job) (rate(c_total[1m]))", FROM(100, 120, 10), "{job=\"a\"} 3 3 3; {job=\"b\"} 3 3 3"},
        {"sum(up) / count(up)", FROM(100, 110, 10), "{} 0.5 1"},
        {"topk(1, up)", AT(0), "up{job=\"a\"} 1"},
        {"topk(scalar(m), up)", FROM(0, 30, 30), "up{job=\"a\"} 1 1; up{job=\"b\"} _ 0"},
        {"count_values(\"v\", up)", AT(0), "{v=\"0\"} 1; {v=\"1\"} 1"},
        {"quantile(0.5, up)", AT(0), "{} 0.5"},
        {"-up", AT(0), "{job=\"a\"} -1; {job=\"b\"} -0"},
        {"+up", AT(0), "up{job=\"a\"} 1; up{job=\"b\"} 0"},
        {"-{__name__=~\"both_.\"}", AT(0), "! vector cannot contain metrics with the same labelset"},
        {"up == 1", AT(0), "up{job=\"a\"} 1"},
        {"up * on (job) group_left () sum by (job) (c_total)", AT(10), "{job=\"a\"} 30; {job=\"b\"} 0"},
        {"m + m @ 0 + time()", FROM(0, 60, 30), "{} 2 35 67"},
        {"up and on () m > 3", FROM(0, 40, 10), "up{job=\"a\"} _ _ _ 1 _; up{job=\"b\"} _ _ _ 0 _"},
        {"m or up", AT(40), "up{job=\"a\"} 1; up{job=\"b\"} 0"},
        {"m[5m]", FROM(0, 10, 10),
         "! invalid expression type \"range vector\" for range query, must be Scalar or instant Vector"},
        {"\"x\"", FROM(0, 10, 10),
         "! invalid expression type \"string\" for range query, must be Scalar or instant Vector"},
        {"m", FROM(10, 0, 10), "! end timestamp must not be before start time"},
        {"m", FROM(0, 10, -10),
         "! zero or negative query resolution step widths are not accepted. Try a positive integer"},
        {"m", FROM(0, 11001, 1),
         "! exceeded maximum resolution of 11000 points per timeseries. Try decreasing the query resolution "
         "(?step=XX)"},
        {"m", FROM(10, 10, 10), "m 1"},
    };
    run_cases(cases, COUNT_OF(cases));
}
/* clang-format on */

/* Times at the ends of what an int64 holds: no overflow (the undefined-behaviour sanitizer looks), no false values. */
static void test_extreme_times(void **state) {
    (void)state;
    static const char *const exprs[] = {
        "m offset 290y",
        "m offset -290y",
        "m @ 9e15",
        "m @ -9e15",
        "sum_over_time(m[290y])",
        "sum_over_time(m[290y:290y] offset -290y)",
        "sum_over_time(m[290y:280y] offset 290y)",
        "rate(m[290y] offset -290y)",
        "predict_linear(m[290y], 1e300)",
        "absent_over_time(m[290y:290y])",
        "timestamp(m)",
        "m[290y]",
    };
    static const int64_t times[] = {INT64_MIN, -(INT64_C(1) << 62) + 1, -1, 0, INT64_C(1) << 61, INT64_MAX};
    struct oxp_tsdb *tsdb = make_tsdb();
    const struct oxp_promql_options options = {.lookback_ms = INT64_MAX, .default_step_ms = INT64_MAX};
    struct oxp_promql_engine *engine = make_engine(&options);
    struct oxp_buf text;
    oxp_buf_init(&text, 0);
    for (size_t i = 0; i < COUNT_OF(exprs); i++) {
        for (size_t from = 0; from < COUNT_OF(times); from++) {
            struct oxp_promql_request request = {.start_ms = times[from], .end_ms = times[from]};
            enum oxp_status status = run(engine, tsdb, &request, exprs[i], &text);
            assert_int_equal(status == OXP_ERR_INVALID, times[from] == INT64_MIN || times[from] == INT64_MAX);
        }
    }
    for (size_t from = 0; from < COUNT_OF(times); from++) {
        for (size_t to = 0; to < COUNT_OF(times); to++) {
            struct oxp_promql_expr *expr = parse("sum_over_time(m[290y]) + m offset 290y");
            struct oxp_promql_request request = {
                .expr = expr, .start_ms = times[from], .end_ms = times[to], .step_ms = INT64_MAX / 2};
            struct oxp_promql_answer *answer;
            oxp_promql_query(engine, tsdb, &request, &answer, NULL);
            oxp_promql_answer_free(answer);
            oxp_promql_expr_free(expr);
        }
    }
    oxp_buf_fini(&text);
    oxp_promql_engine_free(engine);
    oxp_tsdb_free(tsdb);
}

static void test_lookback(void **state) {
    (void)state;
    struct oxp_tsdb *tsdb = make_tsdb();
    const struct oxp_promql_options options = {.lookback_ms = 20 * S, .default_step_ms = 10 * S};
    struct oxp_promql_engine *engine = make_engine(&options);
    struct oxp_buf text;
    oxp_buf_init(&text, 0);
    struct oxp_promql_request request = {.start_ms = 0, .end_ms = 80 * S, .step_ms = 10 * S};
    run(engine, tsdb, &request, "m", &text);
    assert_string_equal(oxp_buf_text(&text), "m 1 1 _ 4 _ 6 6 _ _");
    request.lookback_ms = 10 * S;
    run(engine, tsdb, &request, "m", &text);
    assert_string_equal(oxp_buf_text(&text), "m 1 _ _ 4 _ 6 _ _ _");
    request = (struct oxp_promql_request){.start_ms = 60 * S, .end_ms = 60 * S};
    run(engine, tsdb, &request, "count_over_time(m[61s:])", &text);
    assert_string_equal(oxp_buf_text(&text), "{} 5"); /* 0, 10, 30, 50, 60 */
    oxp_promql_engine_configure(engine, NULL);
    run(engine, tsdb, &request, "count_over_time(m[61s:])", &text);
    assert_string_equal(oxp_buf_text(&text), "{} 2");
    oxp_buf_fini(&text);
    oxp_promql_engine_free(engine);
    oxp_tsdb_free(tsdb);
}

/* ---- Limits ---- */

static void test_limits(void **state) {
    (void)state;
    static const struct {
        const char *expr;
        struct oxp_promql_options options;
        int64_t step_ms;
        enum oxp_status status;
        const char *want;
    } cases[] = {
        {"sum(c_total)",
         {.samples_max = 2},
         0,
         OXP_ERR_LIMIT,
         "! query processing would load too many samples into memory in query execution"},
        {"sum(c_total)", {.samples_max = 3}, 0, OXP_OK, "{} 2670"},
        {"rate(c_total[5m])",
         {.samples_max = 60},
         0,
         OXP_ERR_LIMIT,
         "! query processing would load too many samples into memory in query execution"},
        {"c_total[5m]",
         {.samples_max = 60},
         0,
         OXP_ERR_LIMIT,
         "! query processing would load too many samples into memory in query execution"},
        {"max_over_time(vector(1)[1h:1s])",
         {.samples_max = 3000},
         0,
         OXP_ERR_LIMIT,
         "! query processing would load too many samples into memory in query execution"},
        {"max_over_time(vector(1)[20y:1ms])",
         {.memory_max = 1 << 20},
         0,
         OXP_ERR_LIMIT,
         "! query needs more than its 1048576 bytes of memory"},
        {"max_over_time(vector(1)[280y:1ms])",
         {0},
         0,
         OXP_ERR_LIMIT,
         "! query needs more than its 268435456 bytes of memory"},
        {"sum(c_total)", {.memory_max = 100}, 0, OXP_ERR_LIMIT, "! query needs more than its 100 bytes of memory"},
        {"m", {.points_max = 6}, 100 * S, OXP_OK, "m 1 6 6 6 _ _ _"},
        {"m",
         {.points_max = 5},
         100 * S,
         OXP_ERR_LIMIT,
         "! exceeded maximum resolution of 5 points per timeseries. Try decreasing the query resolution (?step=XX)"},
    };
    struct oxp_tsdb *tsdb = make_tsdb();
    struct oxp_buf text;
    oxp_buf_init(&text, 0);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct oxp_promql_engine *engine = make_engine(&cases[i].options);
        struct oxp_promql_request request = {.start_ms = 600 * S, .end_ms = 600 * S, .step_ms = cases[i].step_ms};
        request.start_ms = cases[i].step_ms == 0 ? request.end_ms : 0;
        enum oxp_status status = run(engine, tsdb, &request, cases[i].expr, &text);
        assert_string_equal(oxp_buf_text(&text), cases[i].want);
        assert_int_equal(status, cases[i].status);
        struct oxp_promql_engine_stats stats;
        oxp_promql_engine_stats(engine, &stats);
        assert_int_equal(stats.queries, 1);
        assert_int_equal(stats.failures, status != OXP_OK);
        assert_int_equal(stats.active, 0);
        oxp_promql_engine_free(engine);
    }
    oxp_buf_fini(&text);
    oxp_tsdb_free(tsdb);
}

/* A clock that moves on by itself at each look, and does what a test wants done meanwhile. */
struct busy_clock {
    struct oxp_clock clock;
    int64_t now_ns, per_look_ns;
    void (*at_look)(struct busy_clock *busy);
    struct oxp_promql_engine *engine;
    struct oxp_tsdb *tsdb;
    _Atomic bool cancelled;
    struct oxp_buf text;
    size_t looks;
};

static struct oxp_mono busy_mono(const struct oxp_clock *clock) {
    struct busy_clock *busy = (struct busy_clock *)(uintptr_t)clock; /* the first member of one that is not const */
    busy->now_ns += busy->per_look_ns;
    busy->looks++;
    if (busy->at_look != NULL) {
        busy->at_look(busy);
    }
    return (struct oxp_mono){busy->now_ns};
}

static void busy_init(struct busy_clock *busy, struct oxp_tsdb *tsdb, unsigned concurrency) {
    *busy = (struct busy_clock){.clock = {busy_mono, NULL}, .tsdb = tsdb};
    oxp_buf_init(&busy->text, 0);
    struct oxp_promql_options options = {.clock = &busy->clock, .timeout_ms = 1000, .concurrency_max = concurrency};
    busy->engine = make_engine(&options);
}

static void busy_fini(struct busy_clock *busy) {
    oxp_buf_fini(&busy->text);
    oxp_promql_engine_free(busy->engine);
}

static void test_timeout(void **state) {
    (void)state;
    struct oxp_tsdb *tsdb = make_tsdb();
    struct busy_clock busy;
    struct oxp_promql_request request = {.start_ms = 600 * S};
    struct oxp_promql_engine_stats stats;
    busy_init(&busy, tsdb, 0);
    assert_int_equal(run(busy.engine, tsdb, &request, "sum(rate(c_total[5m]))", &busy.text), OXP_OK);
    busy.per_look_ns = 1100 * OXP_NS_PER_MS;
    assert_int_equal(run(busy.engine, tsdb, &request, "sum(rate(c_total[5m]))", &busy.text), OXP_ERR_TIMEOUT);
    assert_string_equal(oxp_buf_text(&busy.text), "! query timed out in expression evaluation");
    busy.per_look_ns = 90 * OXP_NS_PER_MS; /* in the middle of it: the limit is looked at again and again */
    assert_int_equal(run(busy.engine, tsdb, &request, "max_over_time(rate(c_total[5m])[10m:1s])", &busy.text), OXP_OK);
    assert_int_equal(run(busy.engine, tsdb, &request,
                         "avg_over_time(c_total[10m:10ms]) + quantile_over_time(0.5, c_total[10m:10ms])", &busy.text),
                     OXP_OK);
    busy.per_look_ns = 0;
    request.timeout_ms = 500;
    assert_int_equal(run(busy.engine, tsdb, &request, "m", &busy.text), OXP_OK);
    busy.per_look_ns = 600 * OXP_NS_PER_MS;
    assert_int_equal(run(busy.engine, tsdb, &request, "m", &busy.text), OXP_ERR_TIMEOUT);
    oxp_promql_engine_stats(busy.engine, &stats);
    assert_int_equal(stats.timeouts, 2);
    assert_int_equal(stats.failures, 2);
    assert_int_equal(stats.queries, 6);
    busy_fini(&busy);
    oxp_tsdb_free(tsdb);
}

/* One step in which windows of many samples slide over many steps: the clock is looked at in the middle of a series. */
static void test_timeout_within_a_series(void **state) {
    (void)state;
    const struct oxp_tsdb_options tsdb_options = {.retention_ms = 86400 * S};
    struct oxp_tsdb *tsdb;
    struct oxp_tsdb_series *handle;
    struct oxp_arena arena;
    struct oxp_labels_builder builder;
    struct busy_clock busy;
    oxp_arena_init(&arena, 0);
    oxp_labels_build(&builder, &arena, oxp_labels_none());
    oxp_labels_set_text(&builder, OXP_VIEW(OXP_NAME_LABEL), OXP_VIEW("big"));
    assert_int_equal(oxp_tsdb_new(&tsdb_options, &tsdb), OXP_OK);
    assert_int_equal(oxp_tsdb_series_at(tsdb, oxp_labels_finish(&builder), &handle), OXP_OK);
    for (int64_t i = 0; i < 10000; i++) {
        assert_int_equal(oxp_tsdb_append(tsdb, handle, i * S, (double)i), OXP_OK);
    }
    busy_init(&busy, tsdb, 0);
    struct oxp_promql_request request = {.start_ms = 0, .end_ms = 10000 * S, .step_ms = S};
    assert_int_equal(run(busy.engine, tsdb, &request, "max_over_time(big[10000s])", &busy.text), OXP_OK);
    assert_true(busy.looks > 20);
    busy.per_look_ns = 100 * OXP_NS_PER_MS;
    assert_int_equal(run(busy.engine, tsdb, &request, "max_over_time(big[10000s])", &busy.text), OXP_ERR_TIMEOUT);
    busy_fini(&busy);
    oxp_arena_fini(&arena);
    oxp_tsdb_free(tsdb);
}

static void cancel_later(struct busy_clock *busy) {
    atomic_store(&busy->cancelled, busy->looks > 1);
}

static void test_cancel(void **state) {
    (void)state;
    struct oxp_tsdb *tsdb = make_tsdb();
    struct busy_clock busy;
    busy_init(&busy, tsdb, 0);
    struct oxp_promql_request request = {.start_ms = 600 * S, .cancelled = &busy.cancelled};
    assert_int_equal(run(busy.engine, tsdb, &request, "m", &busy.text), OXP_OK);
    busy.looks = 0;
    busy.at_look = cancel_later;
    assert_int_equal(run(busy.engine, tsdb, &request, "m", &busy.text), OXP_ERR_CLOSED);
    assert_string_equal(oxp_buf_text(&busy.text), "! query was canceled in expression evaluation");
    busy_fini(&busy);
    oxp_tsdb_free(tsdb);
}

/* A second query while the first one is in the middle of its work. */
static void query_again(struct busy_clock *busy) {
    struct oxp_promql_request request = {.start_ms = 30 * S};
    if (busy->looks == 2) {
        run(busy->engine, busy->tsdb, &request, "m", &busy->text);
    }
}

static void test_concurrency(void **state) {
    (void)state;
    struct oxp_tsdb *tsdb = make_tsdb();
    static const char *const want[] = {"! too many queries at a time (at most 1)", "m 4"};
    for (unsigned most = 1; most <= 2; most++) {
        struct busy_clock busy;
        struct oxp_buf text;
        struct oxp_promql_request request = {.start_ms = 50 * S};
        struct oxp_promql_engine_stats stats;
        busy_init(&busy, tsdb, most);
        oxp_buf_init(&text, 0);
        busy.at_look = query_again;
        assert_int_equal(run(busy.engine, tsdb, &request, "m", &text), OXP_OK);
        assert_string_equal(oxp_buf_text(&text), "m 6");
        assert_string_equal(oxp_buf_text(&busy.text), want[most - 1]);
        oxp_promql_engine_stats(busy.engine, &stats);
        assert_int_equal(stats.refused, 2 - most);
        assert_int_equal(stats.queries, most);
        assert_int_equal(stats.active, 0);
        oxp_buf_fini(&text);
        busy_fini(&busy);
    }
    oxp_tsdb_free(tsdb);
}

/* Answers that are still held count against the short memory's readers. */
static void test_held_answers(void **state) {
    (void)state;
    enum { MOST = 100 };
    struct oxp_tsdb *tsdb = make_tsdb();
    struct oxp_promql_engine *engine = make_engine(NULL);
    struct oxp_promql_expr *expr = parse("m");
    struct oxp_promql_request request = {.expr = expr};
    struct oxp_promql_answer *held[MOST];
    struct oxp_error error = {0};
    size_t count = 0;
    enum oxp_status status = OXP_OK;
    while (count < MOST && (status = oxp_promql_query(engine, tsdb, &request, &held[count], &error)) == OXP_OK) {
        count++;
    }
    assert_int_equal(status, OXP_ERR_IN_USE);
    assert_string_equal(error.text, "too many answers are still held, try again later");
    while (count > 0) {
        oxp_promql_answer_free(held[--count]);
    }
    assert_int_equal(oxp_promql_query(engine, tsdb, &request, &held[0], &error), OXP_OK);
    oxp_promql_answer_free(held[0]);
    oxp_promql_expr_free(expr);
    oxp_promql_engine_free(engine);
    oxp_tsdb_free(tsdb);
}

/* ---- Failing allocations ---- */

struct failing {
    struct oxp_tsdb *tsdb;
    struct oxp_promql_request request;
    size_t answered;
};

static void query_failing(void *ctx) {
    struct failing *failing = ctx;
    struct oxp_promql_engine *engine;
    struct oxp_promql_answer *answer;
    struct oxp_error error = {0};
    if (oxp_promql_engine_new(NULL, &engine) != OXP_OK) {
        return;
    }
    enum oxp_status status = oxp_promql_query(engine, failing->tsdb, &failing->request, &answer, &error);
    if (status == OXP_OK) {
        failing->answered++;
    } else {
        assert_int_equal(status, OXP_ERR_NOMEM);
        assert_string_equal(error.text, "out of memory");
    }
    oxp_promql_answer_free(answer);
    oxp_promql_engine_free(engine);
}

static void test_no_memory(void **state) {
    (void)state;
    static const char *const exprs[] = {
        "m",
        "up[5m]",
        "up[5m:10s]",
        "\"x\"",
        "sum by (job) (rate(c_total[5m]))",
        "rate({__name__=~\"gauge|c_total\"}[5m])",
        "max_over_time(rate(c_total[1m])[5m:10s])",
        "quantile_over_time(0.5, c_total[5m])",
        "absent(nope{job=\"x\"}) or absent_over_time(nope[5m])",
        "label_replace(up, \"x\", \"$1\", \"job\", \"(.*)\")",
        "up * on (job) group_left () sum by (job) (c_total)",
        "topk(2, c_total) + 1",
        "count_values(\"v\", up)",
        "histogram_quantile(0.9, sum by (le) (rate(h_bucket[5m])))",
        "clamp_max(abs({__name__=~\"first|second\"}), scalar(m @ 30))",
        "sort_desc(timestamp(up))",
    };
    struct failing failing = {.tsdb = make_tsdb()};
    for (size_t i = 0; i < COUNT_OF(exprs); i++) {
        struct oxp_promql_expr *expr = parse(exprs[i]);
        for (int range = 0; range < 2; range++) {
            failing.request = (struct oxp_promql_request){.expr = expr, .start_ms = 10 * S, .end_ms = 100 * S};
            failing.request.step_ms = range == 0 ? 0 : 10 * S;
            if (range != 0 && expr->root->type != OXP_PROMQL_VECTOR) {
                continue;
            }
            failing.answered = 0;
            assert_true(alloc_fail_each(query_failing, &failing) >= 2);
            assert_true(failing.answered >= 1);
        }
        oxp_promql_expr_free(expr);
    }
    oxp_tsdb_free(failing.tsdb);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_selectors),    cmocka_unit_test(test_ranges),
        cmocka_unit_test(test_subqueries),   cmocka_unit_test(test_calls),
        cmocka_unit_test(test_whole),        cmocka_unit_test(test_extreme_times),
        cmocka_unit_test(test_lookback),     cmocka_unit_test(test_limits),
        cmocka_unit_test(test_timeout),      cmocka_unit_test(test_timeout_within_a_series),
        cmocka_unit_test(test_cancel),       cmocka_unit_test(test_concurrency),
        cmocka_unit_test(test_held_answers), cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
