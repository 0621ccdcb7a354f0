/* Trees to text: Prometheus' normal form, and that it means the same tree again. */
#include "tests/unit/alerts/promql/support.h"

#include "alerts/promql/parse.h"
#include "tests/support/alloc_fail.h"

static const struct {
    const char *text, *printed; /* NULL: as written */
} rows[] = {
    {"1", NULL},
    {"1.0", "1"},
    {"0x10", "16"},
    {"010", "8"},
    {"1_000", "1000"},
    {"1e3", "1000"},
    {"1e21", "1000000000000000000000"},
    {"1.5e25", "15000000000000000000000000"},
    {"1e-7", "0.0000001"},
    {"-1.25e-9", "-0.00000000125"},
    {"123456789.125", NULL},
    {"inf", "+Inf"},
    {"-Inf", NULL},
    {"nan", "NaN"},
    {"1h30m", NULL},
    {"90m", "1h30m"},
    {"-60s", "-1m"},
    {"0s", NULL},
    {"1s1ms", NULL},
    {"106751d23h47m16s854ms", NULL},
    {"up[106751d23h47m16s854ms] offset -1y1ms", "up[106751d23h47m16s854ms] offset -365d1ms"},
    {"\"a\"", NULL},
    {"'a\"b'", "\"a\\\"b\""},
    {"`a\\b\n`", "\"a\\\\b\\n\""},
    {"up", NULL},
    {"up{}", "up"},
    {"up{b='1',a=\"2\"}", "up{a=\"2\",b=\"1\"}"},
    {"up{a!=\"x\", b=~\"y.*\", c!~`z`,}", "up{a!=\"x\",b=~\"y.*\",c!~\"z\"}"},
    {"{__name__=\"up\"}", NULL},
    {"{__name__=\"\",a=\"x\"}", NULL},
    {"{\"a.b\"}", "{__name__=\"a.b\"}"},
    {"{\"a.b\",\"x.y\"=\"z\"}", "{\"x.y\"=\"z\",__name__=\"a.b\"}"},
    {"{\"_0\"=\"1\"}", "{_0=\"1\"}"},
    {"{\"0\"=\"1\"}", NULL},
    {"up{a=\"1\",a=\"1\"}", NULL},
    {"up[5m]", NULL},
    {"up { a = \"b\" } [ 300s ]", "up{a=\"b\"}[5m]"},
    {"up[300]", "up[5m]"},
    {"up[0.5]", "up[500ms]"},
    {"up offset 5m", NULL},
    {"up offset -5m", NULL},
    {"up offset 90", "up offset 1m30s"},
    {"up offset 0s", "up"},
    {"up @ 10", "up @ 10.000"},
    {"up @ -10.5", "up @ -10.500"},
    {"up @ -0.5", "up @ -0.500"},
    {"up @ 1m", "up @ 60.000"},
    {"up @ START()", "up @ start()"},
    {"up offset 1m @ end()", "up @ end() offset 1m"},
    {"up[5m] offset -1m @ 1603774568", "up[5m] @ 1603774568.000 offset -1m"},
    {"up[1h:]", NULL},
    {"up[1h:5m]", NULL},
    {"rate(up[5m])[60m:300s] offset 1h @ 5", "rate(up[5m])[1h:5m] @ 5.000 offset 1h"},
    {"sum(up)", NULL},
    {"SUM  by (a,b , )(up)", "sum by (a, b) (up)"},
    {"sum(up) by (b,a,b)", "sum by (b, a, b) (up)"},
    {"sum by () (up)", "sum(up)"},
    {"sum without () (up)", NULL},
    {"avg(up) without(\"x.y\",z)", "avg without (\"x.y\", z) (up)"},
    /* words that a list of labels would not take for labels */
    {"avg without (\"inf\", z) (up)", NULL},
    {"sum by (\"NaN\", \"without\", by, infinite, on) (up)", NULL},
    {"a * on (\"Inf\") group_left (\"nan\") b", NULL},
    {"up{inf=\"1\",without=\"2\"}", NULL},
    {"topk(5,up)", "topk(5, up)"},
    {"quantile by (a) ((0.9), up)", NULL},
    {"count_values(\"v\", up)", NULL},
    {"time()", NULL},
    {"hour(  )", "hour()"},
    {"label_replace(up,\"a\",\"$1\",\"b\",\"(.*)\")", "label_replace(up, \"a\", \"$1\", \"b\", \"(.*)\")"},
    {"a+b", "a + b"},
    {"a and  b OR c", "a and b or c"},
    {"a ATAN2 b", "a atan2 b"},
    {"a > bool b", NULL},
    {"a - on(x) b", "a - on (x) b"},
    {"a - on() b", "a - on () b"},
    {"a - ignoring() b", "a - b"},
    {"a - ignoring(y,x) b", "a - ignoring (y, x) b"},
    {"a * on(y,x) group_left b", "a * on (y, x) group_left () b"},
    {"a * ignoring() group_right(q,\"r.s\") b", "a * ignoring () group_right (q, \"r.s\") b"},
    {"a == bool on(x) group_right(z) b", "a == bool on (x) group_right (z) b"},
    {"1 + on() 2", "1 + 2"},
    {"a + on() 2", "a + 2"},
    {"-up", NULL},
    {"+up", NULL},
    {"- 5", "-5"},
    {"+5", "5"},
    {"--5", "5"},
    {"-1^2", "-1 ^ 2"},
    {"(-1)^2", "(-1) ^ 2"},
    {"( ( up ) )", "((up))"},
    {"sum # all\n (up) # of it", "sum(up)"},
};

/* The printed form of an expression; the caller frees it. */
static char *print(const char *text) {
    struct oxp_promql_expr *expr = NULL;
    struct oxp_error error = {0};
    struct oxp_buf out;
    oxp_buf_init(&out, 0);
    if (oxp_promql_parse(oxp_view_from(text), &expr, &error) != OXP_OK) {
        fail_msg("%s: %u:%u: %s", text, error.line, error.column, error.text);
    }
    oxp_promql_print(&out, expr->root);
    oxp_promql_expr_free(expr);
    char *printed = oxp_buf_take(&out, NULL);
    assert_non_null(printed);
    return printed;
}

static void prints_and_reads_back(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char *once = print(rows[i].text);
        assert_string_equal(once, rows[i].printed == NULL ? rows[i].text : rows[i].printed);
        char *twice = print(once);
        assert_string_equal(twice, once);
        free(once);
        free(twice);
    }
}

struct job {
    struct oxp_promql_expr *expr;
    size_t fine;
};

static void print_with_failures(void *ctx) {
    struct job *job = ctx;
    struct oxp_buf out;
    oxp_buf_init(&out, 0);
    oxp_promql_print(&out, job->expr->root);
    if (oxp_buf_status(&out) == OXP_OK) {
        assert_string_equal(oxp_buf_text(&out), "sum by (a) (up{a=~\"1|2\",b!=\"c\"})");
        job->fine++;
    } else {
        assert_int_equal(oxp_buf_status(&out), OXP_ERR_NOMEM);
    }
    oxp_buf_fini(&out);
}

static void tells_when_memory_is_short(void **state) {
    (void)state;
    struct job job = {0};
    assert_int_equal(oxp_promql_parse(OXP_VIEW("sum by (a) (up{b!=\"c\",a=~\"1|2\"})"), &job.expr, NULL), OXP_OK);
    assert_true(alloc_fail_each(print_with_failures, &job) >= 3);
    assert_int_equal(job.fine, 1); /* with no failure, and never else */
    oxp_promql_expr_free(job.expr);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prints_and_reads_back),
        cmocka_unit_test(tells_when_memory_is_short),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
