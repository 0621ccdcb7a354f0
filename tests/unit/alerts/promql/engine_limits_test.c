/* The engine's limits: samples, memory, points, time, cancelling, concurrency, patterns, annotations. */
#include "tests/unit/alerts/promql/engine_world.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/base/utf8.h"

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

/* What the points of a window take counts as the query's memory, too. */
static void test_points_are_memory(void **state) {
    (void)state;
    static const struct {
        const char *expr;
        size_t memory_max;
        enum oxp_status status;
    } cases[] = {
        /* 360,001 steps: 2.9 MB of values, 5.8 MB of points that become 8.4 MB as they grow */
        {"sum_over_time(vector(1)[1h:10ms])", (size_t)4 << 20, OXP_ERR_LIMIT},
        {"sum_over_time(vector(1)[1h:10ms])", (size_t)8 << 20, OXP_ERR_LIMIT},
        {"sum_over_time(vector(1)[1h:10ms])", (size_t)12 << 20, OXP_ERR_LIMIT},
        {"sum_over_time(vector(1)[1h:10ms])", (size_t)16 << 20, OXP_OK},
        /* 61 samples, in room for 256: 4096 bytes, beside what the tree and the answer take */
        {"sum_over_time(up{job=\"a\"}[10m])", 4096, OXP_ERR_LIMIT},
        {"sum_over_time(up{job=\"a\"}[10m])", 16000, OXP_OK},
        {"up{job=\"a\"}[10m]", 4096, OXP_ERR_LIMIT},
    };
    struct oxp_tsdb *tsdb = make_tsdb();
    struct oxp_buf text;
    oxp_buf_init(&text, 0);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct oxp_promql_options options = {.memory_max = cases[i].memory_max};
        struct oxp_promql_engine *engine = make_engine(&options);
        struct oxp_promql_request request = {.start_ms = 600 * S, .end_ms = 600 * S};
        enum oxp_status status = run(engine, tsdb, &request, cases[i].expr, &text);
        if (status != cases[i].status) {
            fail_msg("%s within %zu: %s", cases[i].expr, cases[i].memory_max, oxp_buf_text(&text));
        }
        if (status == OXP_ERR_LIMIT) {
            char want[96];
            snprintf(want, sizeof want, "! query needs more than its %zu bytes of memory", cases[i].memory_max);
            assert_string_equal(oxp_buf_text(&text), want);
        }
        oxp_promql_engine_free(engine);
    }
    oxp_buf_fini(&text);
    oxp_tsdb_free(tsdb);
}

/* Many steps in few nodes: the clock is looked at for the values that were worked through, not only for each node. */
static void test_timeout_between_nodes(void **state) {
    (void)state;
    static const char *const exprs[] = {
        "max_over_time(abs(abs(abs(abs(abs(abs(vector(time())))))))[3000s:1ms])",
        /* what it says differs at every step */
        "count_over_time(histogram_quantile(2 + time(), label_replace(vector(1), \"le\", \"1\", \"\", "
        "\"\"))[200s:1ms])",
        "count_over_time(histogram_quantile(2 + time() % 2, label_replace(vector(1), \"le\", \"1\", \"\", "
        "\"\"))[200s:1ms])",
    };
    struct oxp_tsdb *tsdb = make_tsdb();
    for (size_t i = 0; i < COUNT_OF(exprs); i++) {
        struct busy_clock busy;
        struct oxp_promql_request request = {.start_ms = 600 * S};
        busy_init(&busy, tsdb, 0);
        assert_int_equal(run(busy.engine, tsdb, &request, exprs[i], &busy.text), OXP_OK);
        if (busy.looks < 10) {
            fail_msg("%s: %zu looks", exprs[i], busy.looks);
        }
        busy.per_look_ns = 100 * OXP_NS_PER_MS;
        assert_int_equal(run(busy.engine, tsdb, &request, exprs[i], &busy.text), OXP_ERR_TIMEOUT);
        busy_fini(&busy);
    }
    oxp_tsdb_free(tsdb);
}

/* A pattern that comes to no end fails the query, and only as long as there is what it fails on. */
static void test_slow_patterns(void **state) {
    (void)state;
    static const char *const exprs[] = {
        "{slow=~\"(a*)*[bd]\"}",
        "count({slow!=\"\",slow!~\"(a*)*[bd]\"})",
        "rate({slow=~\"(a*)*[bd]\"}[5m])",
        "absent({slow=~\"(a*)*[bd]\"})",
        "label_replace(slow, \"x\", \"$1\", \"slow\", \"(a*)*[bd]\")",
    };
    struct oxp_tsdb *tsdb = make_tsdb();
    struct oxp_promql_engine *engine = make_engine(NULL);
    struct oxp_promql_request request = {.start_ms = 0};
    struct oxp_buf text;
    oxp_buf_init(&text, 0);
    struct oxp_promql_expr *kept = parse(exprs[0]);
    load_series(tsdb, "slow{slow=\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaac\"} 1");
    for (size_t i = 0; i < COUNT_OF(exprs); i++) {
        assert_int_equal(run(engine, tsdb, &request, exprs[i], &text), OXP_ERR_LIMIT);
        assert_string_equal(oxp_buf_text(&text), "! " OXP_PROMQL_PATTERN_LIMIT);
    }
    struct oxp_promql_answer *answer = NULL;
    request.expr = kept;
    for (size_t i = 0; i < 200; i++) { /* more often than a pattern is tried in one query */
        assert_int_equal(oxp_promql_query(engine, tsdb, &request, &answer, NULL), OXP_ERR_LIMIT);
    }
    oxp_tsdb_free(tsdb);
    tsdb = make_tsdb();
    load_series(tsdb, "fast{slow=\"aab\"} 1");
    assert_int_equal(oxp_promql_query(engine, tsdb, &request, &answer, NULL), OXP_OK);
    assert_int_equal(answer->count, 1);
    oxp_promql_answer_free(answer);
    oxp_promql_expr_free(kept);
    oxp_buf_fini(&text);
    oxp_promql_engine_free(engine);
    oxp_tsdb_free(tsdb);
}

/* One selection with many matches of patterns: the clock is looked at, and the client, in the middle of it. */
static void test_timeout_within_a_selection(void **state) {
    (void)state;
    struct oxp_tsdb *tsdb = make_tsdb();
    struct busy_clock busy;
    for (int i = 0; i < 1000; i++) {
        char line[64];
        snprintf(line, sizeof line, "many{i=\"%d\"} 1", i);
        load_series(tsdb, line);
    }
    busy_init(&busy, tsdb, 0);
    struct oxp_promql_request request = {.start_ms = 0, .cancelled = &busy.cancelled};
    assert_int_equal(run(busy.engine, tsdb, &request, "count({i=~\".*1.*2.*\"})", &busy.text), OXP_OK);
    assert_string_equal(oxp_buf_text(&busy.text), "{} 28");
    busy.per_look_ns = 200 * OXP_NS_PER_MS;
    assert_int_equal(run(busy.engine, tsdb, &request, "count({i=~\".*1.*2.*\"})", &busy.text), OXP_ERR_TIMEOUT);
    assert_string_equal(oxp_buf_text(&busy.text), "! query timed out in expression evaluation");
    busy.per_look_ns = 0;
    busy.looks = 0;
    busy.at_look = cancel_later;
    assert_int_equal(run(busy.engine, tsdb, &request, "count({__name__!=\"\",i=~\".*1.*2.*\"})", &busy.text),
                     OXP_ERR_CLOSED);
    busy_fini(&busy);
    oxp_tsdb_free(tsdb);
}

/* The levels' rooms are full: what comes then costs nothing and changes nothing. Long texts are cut at a character. */
static void test_annotations(void **state) {
    (void)state;
    struct oxp_tsdb *tsdb = make_tsdb();
    struct oxp_promql_engine *engine = make_engine(NULL);
    struct oxp_promql_expr *expr = parse("max_over_time(histogram_quantile(2 + time(), h_bucket)[100s:1s])");
    struct oxp_promql_request request = {.expr = expr, .start_ms = 100 * S};
    struct oxp_promql_answer *answer = NULL;
    assert_int_equal(oxp_promql_query(engine, tsdb, &request, &answer, NULL), OXP_OK);
    assert_int_equal(answer->annotation_count, 64);
    assert_true(oxp_view_is(answer->annotations[0].text,
                            "PromQL warning: quantile value should be between 0 and 1, got 3 (1:34)"));
    oxp_promql_answer_free(answer);
    oxp_promql_expr_free(expr);
    struct oxp_buf text;
    oxp_buf_init(&text, 0);
    oxp_buf_append_text(&text, "rate(label_replace(up, \"__name__\", \"");
    for (size_t i = 0; i < 600; i++) {
        oxp_buf_append_text(&text, "\xc3\xa9");
    }
    oxp_buf_append_text(&text, "\", \"\", \"\")[5m:10s])");
    expr = parse(oxp_buf_text(&text));
    oxp_buf_fini(&text);
    request.expr = expr;
    assert_int_equal(oxp_promql_query(engine, tsdb, &request, &answer, NULL), OXP_OK);
    assert_int_equal(answer->annotation_count, 1);
    assert_true(oxp_utf8_is_valid(answer->annotations[0].text));
    oxp_promql_answer_free(answer);
    oxp_promql_expr_free(expr);
    oxp_promql_engine_free(engine);
    oxp_tsdb_free(tsdb);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_timeout),
        cmocka_unit_test(test_timeout_within_a_series),
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_concurrency),
        cmocka_unit_test(test_held_answers),
        cmocka_unit_test(test_points_are_memory),
        cmocka_unit_test(test_timeout_between_nodes),
        cmocka_unit_test(test_slow_patterns),
        cmocka_unit_test(test_timeout_within_a_selection),
        cmocka_unit_test(test_annotations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
