/* The engine: expressions over a small short memory, with answers worked out by hand; failing allocations. */
#include "tests/unit/alerts/promql/engine_world.h"

#include "tests/support/alloc_fail.h"

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
        cmocka_unit_test(test_selectors), cmocka_unit_test(test_ranges),    cmocka_unit_test(test_subqueries),
        cmocka_unit_test(test_calls),     cmocka_unit_test(test_whole),     cmocka_unit_test(test_extreme_times),
        cmocka_unit_test(test_lookback),  cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
