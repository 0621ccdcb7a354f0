/* Test scripts: the series notation, and what passes, fails and is skipped. */
#include "tests/unit/alerts/promql/support.h"

#include "alerts/promql/script.h"
#include "tests/support/alloc_fail.h"

/* ---- The series notation ---- */

#define STALE (oxp_stale_value())
#define HOLE 4711 /* an omitted value */

static void assert_values(const char *text, const struct oxp_script_series *series, const double *values,
                          size_t count) {
    if (series->count != count) {
        fail_msg("%s: %zu values, expected %zu", text, series->count, count);
    }
    for (size_t i = 0; i < count; i++) {
        bool hole = values[i] == HOLE;
        if (series->omitted[i] != hole || (!hole && oxp_is_stale(series->value[i]) != oxp_is_stale(values[i])) ||
            (!hole && !same_number(series->value[i], values[i]))) {
            fail_msg("%s: value %zu is %g (omitted: %d), expected %g", text, i, series->value[i], series->omitted[i],
                     values[i]);
        }
    }
}

static void test_series(void **state) {
    (void)state;
    const struct {
        const char *text, *labels;
        double values[8];
        size_t count;
    } rows[] = {
        {"m", "m", {0}, 0},
        {"m 1", "m", {1}, 1},
        {"  m  1\t2   3  ", "m", {1, 2, 3}, 3},
        {"m{} 1", "m", {1}, 1},
        {"{} 1", "{}", {1}, 1},
        {"{ } 1", "{}", {1}, 1},
        {"m{a=\"b\"} 1", "m{a=\"b\"}", {1}, 1},
        {"m {a=\"b\"} 1", "m{a=\"b\"}", {1}, 1},
        {"{__name__=\"m\", b=\"2\", a=\"1\",} 1", "m{a=\"1\", b=\"2\"}", {1}, 1},
        {"job:m:rate5m{a='}{'} 1", "job:m:rate5m{a=\"}{\"}", {1}, 1},
        {"m{a=\"x\\\"y\\n\", b=`\\`} 1", "m{a=\"x\\\"y\\n\", b=\"\\\\\"}", {1}, 1},
        {"{\"a.b\", \"c d\"=\"e\"} 1", "{\"a.b\", \"c d\"=\"e\"}", {1}, 1},
        {"sum{by=\"x\"} 1", "sum{by=\"x\"}", {1}, 1},
        {"m 1+2x3", "m", {1, 3, 5, 7}, 4},
        {"m 1-2x3", "m", {1, -1, -3, -5}, 4},
        {"m -1+0.5x2", "m", {-1, -0.5, 0}, 3},
        {"m -1-1x1 9", "m", {-1, -2, 9}, 3},
        {"m 7x0", "m", {7}, 1},
        {"m 7x2", "m", {7, 7, 7}, 3},
        {"m 0x3", "m", {0, 0, 0, 0}, 4},
        {"m _ 1 _x2 2", "m", {HOLE, 1, HOLE, HOLE, 2}, 5},
        {"m _x0 1", "m", {1}, 1},
        {"m stale 1 stale", "m", {STALE, 1, STALE}, 3},
        {"m NaN nan +Inf -inf Inf", "m", {NAN, NAN, INFINITY, -INFINITY, INFINITY}, 5},
        {"m Inf-1x1", "m", {INFINITY, INFINITY}, 2},
        {"m .5 5. 1e3 1E-1 +2 -2.5e+1", "m", {.5, 5, 1000, .1, 2, -25}, 6},
        {"m 1e2x1", "m", {100, 100}, 2},
        {"m 0.1+0.1x2", "m", {0.1, 0.1 + 0.1, 0.1 + 0.1 + 0.1}, 3},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct oxp_arena arena;
        struct oxp_script_series series;
        struct oxp_error error = {0};
        struct oxp_buf labels;
        oxp_arena_init(&arena, 0);
        oxp_buf_init(&labels, 0);
        if (oxp_script_parse_series(oxp_view_from(rows[i].text), &arena, &series, &error) != OXP_OK) {
            fail_msg("%s: %u: %s", rows[i].text, error.column, error.text);
        }
        oxp_labels_format(&labels, series.labels, true);
        assert_string_equal(oxp_buf_text(&labels), rows[i].labels);
        assert_values(rows[i].text, &series, rows[i].values, rows[i].count);
        oxp_buf_fini(&labels);
        oxp_arena_fini(&arena);
    }
}

static void test_series_refused(void **state) {
    (void)state;
    const struct {
        const char *text;
        enum oxp_status status;
        unsigned column;
    } rows[] = {
        {"", OXP_ERR_SYNTAX, 1},
        {"\"m\" 1", OXP_ERR_SYNTAX, 1},
        {"m{a=\"b\" 1", OXP_ERR_SYNTAX, 10},
        {"m{a=\"b} 1", OXP_ERR_SYNTAX, 10},
        {"m{a=~\"b\"} 1", OXP_ERR_SYNTAX, 1},
        {"m{a!=\"b\"} 1", OXP_ERR_SYNTAX, 1},
        {"m{\"\"=\"b\"} 1", OXP_ERR_SYNTAX, 1},
        {"m 1,2", OXP_ERR_SYNTAX, 4},
        {"m x3", OXP_ERR_SYNTAX, 3},
        {"m 1x", OXP_ERR_SYNTAX, 5},
        {"m 1x-1", OXP_ERR_SYNTAX, 5},
        {"m 1x1.5", OXP_ERR_SYNTAX, 6},
        {"m 1+2", OXP_ERR_SYNTAX, 6},
        {"m 1+", OXP_ERR_SYNTAX, 4},
        {"m 1 + 2x3", OXP_ERR_SYNTAX, 5},
        {"m 1+-2x3", OXP_ERR_SYNTAX, 4},
        {"m 1++2x3", OXP_ERR_SYNTAX, 4},
        {"m --1", OXP_ERR_SYNTAX, 3},
        {"m 0x1f", OXP_ERR_SYNTAX, 6},
        {"m 1.2.3", OXP_ERR_SYNTAX, 3},
        {"m 1e", OXP_ERR_SYNTAX, 3},
        {"m Infinity", OXP_ERR_SYNTAX, 3},
        {"m NaNx3", OXP_ERR_SYNTAX, 3},
        {"m stalex3", OXP_ERR_SYNTAX, 3},
        {"m -stale", OXP_ERR_SYNTAX, 3},
        {"m Stale", OXP_ERR_SYNTAX, 3},
        {"m __", OXP_ERR_SYNTAX, 4},
        {"m _x", OXP_ERR_SYNTAX, 5},
        {"m 1x1000000", OXP_ERR_LIMIT, 5},
        {"m 1x999999 1", OXP_ERR_LIMIT, 1},
        {"m 1x99999999999999999999", OXP_ERR_SYNTAX, 5},
        {"m {{schema:0 sum:1 count:1}}", OXP_ERR_UNSUPPORTED, 3},
        {"m{a=\"b\"} 1 {{}}x2", OXP_ERR_UNSUPPORTED, 12},
        {"m{a=\"b\"}@st -1mx3", OXP_ERR_UNSUPPORTED, 9},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct oxp_arena arena;
        struct oxp_script_series series;
        struct oxp_error error = {0};
        oxp_arena_init(&arena, 0);
        enum oxp_status status = oxp_script_parse_series(oxp_view_from(rows[i].text), &arena, &series, &error);
        if (status != rows[i].status || error.column != rows[i].column || error.text[0] == '\0') {
            fail_msg("%s: %s at %u (%s), expected %s at %u", rows[i].text, oxp_status_name(status), error.column,
                     error.text, oxp_status_name(rows[i].status), rows[i].column);
        }
        if (status == OXP_ERR_UNSUPPORTED) { /* whose series it is is known even so */
            assert_true(oxp_labels_name(series.labels) != NULL);
        }
        oxp_arena_fini(&arena);
    }
}

/* ---- Scripts ---- */

struct seen {
    struct oxp_script_result result;
    unsigned line; /* of the last case */
    char detail[512];
};

static void on_case(void *ctx, const struct oxp_script_case *result) {
    struct seen *seen = ctx;
    seen->line = result->line;
    assert_non_null(result->detail);
    assert_true((result->detail[0] == '\0') == (result->outcome == OXP_SCRIPT_PASSED));
    snprintf(seen->detail, sizeof seen->detail, "%s", result->detail);
}

static enum oxp_status run(const char *text, struct seen *seen, struct oxp_error *error) {
    *seen = (struct seen){.line = 0};
    *error = (struct oxp_error){0};
    return oxp_script_run(oxp_view_from(text), on_case, seen, &seen->result, error);
}

#define LOAD "load 1m\n  m{a=\"1\"} 1 2 3\n  m{a=\"2\"} 4 5 stale\n\n"

/* What must pass stands beside what must not. `detail` is a part of the reason of the last case. */
static void test_cases(void **state) {
    (void)state;
    const struct {
        const char *name, *text;
        unsigned passed, failed, skipped, line;
        const char *detail;
    } rows[] = {
        {"nothing", "", 0, 0, 0, 0, ""},
        {"comments", "# eval instant at 0 1\n\n  # x", 0, 0, 0, 0, ""},
        {"scalar", "eval instant at 0 1 + 1\n  2", 1, 0, 0, 1, ""},
        {"scalar differs", "eval instant at 0 1 + 1\n  3", 0, 1, 0, 1, "wanted 3, got scalar 2"},
        {"scalar, not vector", "eval instant at 0 1\n  {} 1", 0, 1, 0, 1, "wanted a vector, got scalar 1"},
        {"vector, not scalar", "eval instant at 0 vector(1)\n  1", 0, 1, 0, 1, "wanted a scalar, got instant vector"},
        {"no blank line is needed behind a number", "eval instant at 0 1\n 1\neval instant at 0 2\n 2", 2, 0, 0, 3, ""},
        {"rounding", "eval instant at 0 1000001\n 1000000\n\neval instant at 0 1000002\n 1000000", 2, 0, 0, 4, ""},
        {"beyond rounding", "eval instant at 0 1000003\n 1000000", 0, 1, 0, 1, "wanted 1000000"},
        {"no rounding to zero", "eval instant at 0 1e-300\n 0", 0, 1, 0, 1, "wanted 0"},
        {"NaN", "eval instant at 0 NaN\n NaN\n\neval instant at 0 NaN\n 1", 1, 1, 0, 4, "wanted 1, got scalar NaN"},
        {"Inf", "eval instant at 0 Inf\n Inf\n\neval instant at 0 Inf\n -Inf", 1, 1, 0, 4, "wanted -Inf"},
        {"vector", LOAD "eval instant at 0 m\n  m{a=\"1\"} 1\n  m{a=\"2\"} 4", 1, 0, 0, 5, ""},
        {"any order", LOAD "eval instant at 0 m\n  m{a=\"2\"} 4\n  m{a=\"1\"} 1", 1, 0, 0, 5, ""},
        {"one too few", LOAD "eval instant at 0 m\n  m{a=\"1\"} 1", 0, 1, 0, 5, "nobody wanted m{a=\"2\"} 4@0ms"},
        {"one too many", LOAD "eval instant at 2m m\n  m{a=\"1\"} 3\n  m{a=\"2\"} 4", 0, 1, 0, 5,
         "wanted m{a=\"2\"}, got"},
        {"another value", LOAD "eval instant at 1m m{a=\"1\"}\n  m{a=\"1\"} 3", 0, 1, 0, 5, "wanted 3, got 2"},
        {"empty", LOAD "eval instant at 0 nothing\n\neval instant at 0 sum(m)", 1, 1, 0, 7, "nobody wanted {} 5@0ms"},
        {"ordered", LOAD "eval instant at 0 sort_desc(m)\n  expect ordered\n  m{a=\"2\"} 4\n  m{a=\"1\"} 1", 1, 0, 0, 5,
         ""},
        {"not ordered", LOAD "eval instant at 0 sort_desc(m)\n  expect ordered\n  m{a=\"1\"} 1\n  m{a=\"2\"} 4", 0, 1,
         0, 5, "wanted at place 2, got it at place 1"},
        {"old ordered", LOAD "eval_ordered instant at 0 sort(m)\n  m{a=\"1\"} 1\n  m{a=\"2\"} 4", 1, 0, 0, 5, ""},
        {"clear", LOAD "clear\neval instant at 0 m", 1, 0, 0, 6, ""},
        {"twice in a load: the last one",
         "load 1m\n  m 1 2 3\n  n 5\n  m 7\n\neval instant at 0 m\n  m 7\n\neval instant at 2m n + m\n  {} 12", 2, 0, 0,
         9, ""},
        {"loads add up", LOAD "load 2m\n  n 7\n\neval instant at 0 count({__name__=~\"m|n\"})\n  {} 3", 1, 0, 0, 8, ""},
        /* range queries */
        {"range", LOAD "eval range from 0 to 2m step 1m m\n  m{a=\"1\"} 1 2 3\n  m{a=\"2\"} 4 5 _", 1, 0, 0, 5, ""},
        {"range: a hole too many", LOAD "eval range from 0 to 2m step 1m m{a=\"1\"}\n  m{a=\"1\"} 1 2 _", 0, 1, 0, 5,
         "wanted, from 0ms each 60000ms: 1 2 _, got 1@0ms 2@60000ms 3@120000ms"},
        {"range: a hole too few", LOAD "eval range from 0 to 2m step 1m m{a=\"2\"}\n  m{a=\"2\"} 4 5 5", 0, 1, 0, 5,
         "got 4@0ms"},
        {"range: too many values", LOAD "eval range from 0 to 1m step 1m m{a=\"1\"}\n  m{a=\"1\"} 1 2 3", 0, 1, 0, 5,
         "wanted, from"},
        {"range of a scalar", "eval range from 0 to 2m step 1m 1\n  {} 1 1 1", 1, 0, 0, 1, ""},
        {"range vector",
         LOAD "eval instant at 1m m{a=\"1\"}[2m]\n  expect range vector from 0 to 1m step 1m\n  m{a=\"1\"} 1 2", 1, 0,
         0, 5, ""},
        {"range vector, other times",
         LOAD "eval instant at 2m m{a=\"1\"}[2m]\n  expect range vector from 0 to 2m step 1m\n  m{a=\"1\"} 2 3", 0, 1,
         0, 5, "wanted, from"},
        /* strings */
        {"string",
         "eval instant at 0 \"a\\tb\"\n  expect string \"a\\tb\"\n\neval instant at 0 (\"x\")\n  expect string `x`", 2,
         0, 0, 4, ""},
        {"another string", "eval instant at 0 \"a\"\n  expect string \"b\"", 0, 1, 0, 1, "wanted \"b\", got \"a\""},
        {"string, not vector", "eval instant at 0 vector(1)\n  expect string \"b\"", 0, 1, 0, 1, "wanted a string"},
        /* failures */
        {"fail", "eval instant at 0 nope()\n  expect fail", 1, 0, 0, 1, ""},
        {"fail: message",
         "eval instant at 0 nope()\n  expect fail msg: 1:1: parse error: unknown function with name \"nope\"", 1, 0, 0,
         1, ""},
        {"fail: another message", "eval instant at 0 nope()\n  expect fail msg: nope", 0, 1, 0, 1,
         "wanted the failure \"nope\", got the failure"},
        {"fail: found", "eval instant at 0 nope()\n  expect fail regex: unknown (function|thing) with", 1, 0, 0, 1, ""},
        {"fail: not found", "eval instant at 0 nope()\n  expect fail regex: ^unknown", 0, 1, 0, 1,
         "one that matches \"^unknown\""},
        {"unexpected failure", "eval instant at 0 nope()", 0, 1, 0, 1, "wanted a result, got the failure"},
        {"no failure", "eval instant at 0 1\n  expect fail", 0, 1, 0, 1, "wanted a failure, got a result"},
        {"old fail",
         "eval_fail instant at 0 nope()\n\neval_fail range from 0 to 1m step 1m nope()\n  expected_fail_regexp with "
         "name\n"
         "eval_fail instant at 0 nope()\n  expected_fail_message x",
         2, 1, 0, 5, "wanted the failure \"x\""},
        /* annotations */
        {"info", LOAD "eval instant at 2m rate(m{a=\"1\"}[5m]) * 0\n  expect info\n  expect no_warn\n  {a=\"1\"} 0", 1,
         0, 0, 5, ""},
        {"info: message",
         LOAD "eval instant at 2m rate(m{a=\"1\"}[5m]) * 0\n  expect info regex: \"m\" \\(1:6\\)\n  {a=\"1\"} 0", 1, 0,
         0, 5, ""},
        {"info: another message",
         LOAD "eval instant at 2m rate(m{a=\"1\"}[5m]) * 0\n  expect info msg: x\n  {a=\"1\"} 0", 0, 1, 0, 5,
         "wanted the info \"x\", got \""},
        {"info: not all",
         LOAD
         "eval instant at 2m rate(m{a=\"1\"}[5m]) * 0\n  expect info regex: might\n  expect info msg: x\n  {a=\"1\"} 0",
         0, 1, 0, 5, "wanted the info"},
        {"info that nobody asked about", LOAD "eval instant at 2m rate(m{a=\"1\"}[5m]) * 0\n  {a=\"1\"} 0", 1, 0, 0, 5,
         ""},
        {"no info, please", LOAD "eval instant at 2m rate(m{a=\"1\"}[5m]) * 0\n  expect no_info\n  {a=\"1\"} 0", 0, 1,
         0, 5, "wanted no info, got"},
        {"no info", LOAD "eval instant at 2m m{a=\"1\"}\n  expect info\n  m{a=\"1\"} 3", 0, 1, 0, 5,
         "wanted the info (any), got none"},
        {"warning", LOAD "eval instant at 0 quantile(2, m)\n  expect warn\n  expect no_info\n  {} Inf", 1, 0, 0, 5, ""},
        {"no warning, please", LOAD "eval instant at 0 quantile(2, m)\n  expect no_warn\n  {} Inf", 0, 1, 0, 5,
         "wanted no warning, got"},
        {"old warning", LOAD "eval_warn instant at 0 quantile(2, m)\n  {} Inf\n\neval_warn instant at 0 sum(m)\n  {} 5",
         1, 1, 0, 8, "wanted an annotation (warning), got none"},
        {"old info", LOAD "eval_info instant at 0 sum(m)\n  {} 5", 0, 1, 0, 5, "wanted an annotation (info)"},
        /* skipped, each for itself */
        {"native histogram loaded",
         "load 1m\n  h {{schema:0 sum:1 count:1 buckets:[1]}}x3\n  m 1\n\neval instant at 0 m\n  m 1\n\neval instant "
         "at 0 sum(h)\n  {} 1",
         1, 0, 1, 8, "native histogram"},
        {"native histogram expected", "eval instant at 0 vector(1)\n  {} {{sum:1}}", 0, 0, 1, 1, "native histogram"},
        {"histograms made of classic ones",
         "load_with_nhcb 1m\n  h_bucket{x=\"y\", le=\"1\"} 5\n  h_bucket{x=\"y\", le=\"+Inf\"} 9\n\n"
         "eval instant at 0 sum(h_bucket)\n  {} 14\n\neval instant at 0 h{x=\"y\"}\n  h{x=\"y\"} 1\n\neval instant at "
         "0 h{x=\"z\"}",
         2, 0, 1, 11, ""},
        {"start timestamps",
         "load 1m\n  c_total@st -1mx2\n  c_total 1 2\n  d_total 1 2\n\neval instant at 1m d_total\n  d_total 2\n\neval "
         "instant at 1m rate(c_total[5m])",
         1, 0, 1, 9, "start timestamps"},
        {"clear forgets what was missing", "load 1m\n  h {{}}\n\nclear\nload 1m\n  h 1\n\neval instant at 0 h\n  h 1",
         1, 0, 0, 8, ""},
        {"experimental", "eval instant at 0 limitk(2, m)", 0, 0, 1, 1, "limitk"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct seen seen;
        struct oxp_error error;
        enum oxp_status status = run(rows[i].text, &seen, &error);
        if (status != OXP_OK) {
            fail_msg("%s: %u:%u: %s", rows[i].name, error.line, error.column, error.text);
        }
        if (seen.result.passed != rows[i].passed || seen.result.failed != rows[i].failed ||
            seen.result.skipped != rows[i].skipped || seen.line != rows[i].line ||
            seen.result.found != rows[i].passed + rows[i].failed + rows[i].skipped) {
            fail_msg("%s: found %u, passed %u, failed %u, skipped %u, last line %u: %s", rows[i].name,
                     seen.result.found, seen.result.passed, seen.result.failed, seen.result.skipped, seen.line,
                     seen.detail);
        }
        if (strstr(seen.detail, rows[i].detail) == NULL) {
            fail_msg("%s: \"%s\", expected \"%s\"", rows[i].name, seen.detail, rows[i].detail);
        }
    }
}

static void test_malformed(void **state) {
    (void)state;
    const struct {
        const char *text;
        unsigned line, column, found;
    } rows[] = {
        {"hello", 1, 1, 0},
        {"\n  hello", 2, 3, 0},
        {"load", 1, 1, 0},
        {"load x\n  m 1", 1, 1, 0},
        {"load 0s\n  m 1", 1, 1, 0},
        {"load_all 1m\n  m 1", 1, 1, 0},
        {"load 1m\n  m 1\n  m{ 1", 3, 7, 0},
        {"load 1m\n  m 1 y", 2, 7, 0},
        {"load 1m\n  m 1\n  # a comment ends the block\n  n 2", 4, 3, 0},
        {"load 1m\n  m 1 2\n\nload 1m\n  m 3\n\n", 5, 3, 0},
        {"eval", 1, 1, 0},
        {"eval instant at 0", 1, 1, 0},
        {"eval instant 0 m", 1, 1, 0},
        {"eval instant at soon m", 1, 1, 0},
        {"eval_now instant at 0 m", 1, 1, 0},
        {"eval range from 0 to 1m m", 1, 1, 0},
        {"eval range from 1m to 0 step 1m m", 1, 1, 0},
        {"eval range from 0 to 1m step 0 m", 1, 1, 0},
        {"eval_ordered range from 0 to 1m step 1m m", 1, 1, 0},
        {"eval instant at 0 1\n  1\n\neval instant at 0 m\n  m", 5, 3, 1},
        {"eval instant at 0 m\n  m 1 2", 2, 3, 0},
        {"eval instant at 0 m\n  expect", 2, 3, 0},
        {"eval instant at 0 m\n  expect trouble", 2, 3, 0},
        {"eval instant at 0 m\n  expect warn text: x", 2, 3, 0},
        {"eval instant at 0 m\n  expect warn regex: (", 2, 3, 0},
        {"eval instant at 0 m\n  expect warn\n  expect no_warn", 3, 3, 0},
        {"eval instant at 0 m\n  expect info\n  expect no_info", 3, 3, 0},
        {"eval instant at 0 m\n  expect fail\n  expect fail", 3, 3, 0},
        {"eval instant at 0 m\n  expect string x", 2, 3, 0},
        {"eval instant at 0 m\n  expect range vector 0 1 2", 2, 3, 0},
        {"eval instant at 0 m\neval instant at 0 m", 2, 3, 0},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct seen seen;
        struct oxp_error error;
        enum oxp_status status = run(rows[i].text, &seen, &error);
        if (status != OXP_ERR_SYNTAX || error.line != rows[i].line || seen.result.found != rows[i].found ||
            (error.column != rows[i].column && i != COUNT_OF(rows) - 1)) {
            fail_msg("%s: %s at %u:%u: %s; found %u", rows[i].text, oxp_status_name(status), error.line, error.column,
                     error.text, seen.result.found);
        }
    }
    struct oxp_script_result result; /* nobody needs to listen */
    assert_int_equal(oxp_script_run(OXP_VIEW("hello"), NULL, NULL, &result, NULL), OXP_ERR_SYNTAX);
    assert_int_equal(oxp_script_run(OXP_VIEW("eval instant at 0 1\n 1"), NULL, NULL, &result, NULL), OXP_OK);
    assert_int_equal(result.passed, 1);
}

/* ---- No memory ---- */

static void parse_once(void *ctx) {
    struct oxp_arena arena;
    struct oxp_script_series series;
    struct oxp_error error = {0};
    (void)ctx;
    oxp_arena_init(&arena, 0);
    enum oxp_status status = oxp_script_parse_series(
        OXP_VIEW("m{a=\"b\", c=\"d\"} 1+1x2000 _ 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18"), &arena, &series, &error);
    assert_int_equal(status, alloc_fail_hit() ? OXP_ERR_NOMEM : OXP_OK);
    oxp_arena_fini(&arena);
}

static void run_once(void *ctx) {
    struct oxp_script_result result;
    struct oxp_error error = {0};
    (void)ctx;
    enum oxp_status status = oxp_script_run(OXP_VIEW("load 1m\n  m{a=\"b\"} 1 2\n  h {{}}\n\n"
                                                     "eval instant at 1m sum(m)\n  expect no_warn\n  {} 2\n\n"
                                                     "eval instant at 1m m + nope\n  expect fail regex: zzz\n\n"
                                                     "eval range from 0 to 1m step 1m h\n"),
                                            NULL, NULL, &result, &error);
    assert_int_equal(status, alloc_fail_hit() ? OXP_ERR_NOMEM : OXP_OK);
}

static void test_allocation_failures(void **state) {
    (void)state;
    assert_true(alloc_fail_each(parse_once, NULL) >= 3);
    assert_true(alloc_fail_each(run_once, NULL) >= 20);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_series),    cmocka_unit_test(test_series_refused),      cmocka_unit_test(test_cases),
        cmocka_unit_test(test_malformed), cmocka_unit_test(test_allocation_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
