/* Functions of labels and of order. */
#include "alerts/promql/parse.h"
#include "tests/unit/alerts/promql/call_support.h"

/* ---- sort ---- */

static void test_sort(void **state) {
    (void)state;
    static const struct {
        const char *name, *function, *vector, *expected;
    } rows[] = {
        {"empty", "sort", "", ""},
        {"empty, descending", "sort_desc", "", ""},
        {"one", "sort", "x,a=1 5\n", "x{a=\"1\"} 5\n"},
        {"ascending", "sort", "x,a=1 5\nx,a=2 -1\nx,a=3 2\n", "x{a=\"2\"} -1\nx{a=\"3\"} 2\nx{a=\"1\"} 5\n"},
        {"descending", "sort_desc", "x,a=1 5\nx,a=2 -1\nx,a=3 7\n", "x{a=\"3\"} 7\nx{a=\"1\"} 5\nx{a=\"2\"} -1\n"},
        {"NaN last", "sort", "x,a=1 NaN\nx,a=2 1\nx,a=3 Inf\nx,a=4 -Inf\n",
         "x{a=\"4\"} -Inf\nx{a=\"2\"} 1\nx{a=\"3\"} +Inf\nx{a=\"1\"} NaN\n"},
        {"NaN last, descending", "sort_desc", "x,a=1 NaN\nx,a=2 1\nx,a=3 Inf\nx,a=4 -Inf\n",
         "x{a=\"3\"} +Inf\nx{a=\"2\"} 1\nx{a=\"4\"} -Inf\nx{a=\"1\"} NaN\n"},
        {"ties in the order of labels", "sort", "x,a=2 1\nx,a=1 1\nx,a=3 0\n",
         "x{a=\"3\"} 0\nx{a=\"1\"} 1\nx{a=\"2\"} 1\n"},
        {"ties, descending", "sort_desc", "x,a=2 1\nx,a=1 1\nx,a=3 0\n", "x{a=\"1\"} 1\nx{a=\"2\"} 1\nx{a=\"3\"} 0\n"},
        {"several NaN", "sort", "x,a=2 NaN\nx,a=1 NaN\nx,a=3 0\n", "x{a=\"3\"} 0\nx{a=\"1\"} NaN\nx{a=\"2\"} NaN\n"},
        {"absent ones go", "sort", "x,a=1 _\nx,a=2 1\n", "x{a=\"2\"} 1\n"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct bench bench;
        bench_begin(&bench, rows[i].function, 1);
        bench_vector(&bench, rows[i].vector);
        bench_expect(&bench, rows[i].name, rows[i].expected);
    }
}

static void test_sort_in_range(void **state) {
    (void)state;
    static const char *const functions[] = {"sort", "sort_desc"};
    for (size_t i = 0; i < COUNT_OF(functions); i++) {
        struct bench bench;
        bench_begin(&bench, functions[i], 2);
        bench_vector(&bench, "x,a=2 1 9\nx,a=1 5 _\n");
        bench_expect(&bench, functions[i],
                     "x{a=\"1\"} 5 _\nx{a=\"2\"} 1 9\n# PromQL warning: sort is ineffective for range queries since "
                     "results are always ordered by labels (1:1)\n");
    }
}

/* ---- label_replace ---- */

struct relabel_row {
    const char *name, *vector;
    const char *texts[5]; /* behind the vector; NULL ends */
    const char *expected;
};

static void run_relabel(const char *function, const struct relabel_row *rows, size_t count) {
    for (size_t i = 0; i < count; i++) {
        struct bench bench;
        bench_begin(&bench, function, 2);
        bench_vector(&bench, rows[i].vector);
        for (size_t k = 0; k < COUNT_OF(rows[i].texts) && rows[i].texts[k] != NULL; k++) {
            bench_text(&bench, rows[i].texts[k]);
        }
        bench_expect(&bench, rows[i].name, rows[i].expected);
    }
}

#define TWO "x,src=source-value-10 1 2\nx,src=source-value-20 3 _\n"

static void test_label_replace(void **state) {
    (void)state;
    static const struct relabel_row rows[] = {
        {"empty", "", {"dst", "a", "src", ".*"}, ""},
        {"a group",
         TWO,
         {"dst", "to-$1", "src", "source-value-(.*)"},
         "x{dst=\"to-10\", src=\"source-value-10\"} 1 2\nx{dst=\"to-20\", src=\"source-value-20\"} 3 _\n"},
        {"named groups",
         TWO,
         {"dst", "${n}x$whole", "src", "(?P<whole>source-value-(?P<n>.*))"},
         "x{dst=\"10xsource-value-10\", src=\"source-value-10\"} 1 2\n"
         "x{dst=\"20xsource-value-20\", src=\"source-value-20\"} 3 _\n"},
        {"the whole value must match",
         TWO,
         {"dst", "v", "src", "value-10"},
         "x{src=\"source-value-10\"} 1 2\nx{src=\"source-value-20\"} 3 _\n"},
        {"only one matches",
         TWO,
         {"dst", "v", "src", ".*-10"},
         "x{dst=\"v\", src=\"source-value-10\"} 1 2\nx{src=\"source-value-20\"} 3 _\n"},
        {"no group",
         TWO,
         {"dst", "$1", "src", ".*-10"},
         "x{src=\"source-value-10\"} 1 2\nx{src=\"source-value-20\"} 3 _\n"},
        {"a dollar",
         TWO,
         {"dst", "$$1", "src", ".*-10"},
         "x{dst=\"$1\", src=\"source-value-10\"} 1 2\nx{src=\"source-value-20\"} 3 _\n"},
        {"over the source",
         TWO,
         {"src", "$1", "src", ".*-(10)"},
         "x{src=\"10\"} 1 2\nx{src=\"source-value-20\"} 3 _\n"},
        {"a source that is not there",
         TWO,
         {"dst", "v", "none", ""},
         "x{dst=\"v\", src=\"source-value-10\"} 1 2\nx{dst=\"v\", src=\"source-value-20\"} 3 _\n"},
        {"an absent source is empty",
         TWO,
         {"dst", "v", "none", ".+"},
         "x{src=\"source-value-10\"} 1 2\nx{src=\"source-value-20\"} 3 _\n"},
        {"an empty source name",
         TWO,
         {"dst", "v", "", ""},
         "x{dst=\"v\", src=\"source-value-10\"} 1 2\nx{dst=\"v\", src=\"source-value-20\"} 3 _\n"},
        {"an empty value removes", "x,a=1,b=2 1 2\n", {"a", "", "b", ".*"}, "x{b=\"2\"} 1 2\n"},
        {"the name", "x,a=1 1 2\n", {"__name__", "y_$1", "a", "(.*)"}, "y_1{a=\"1\"} 1 2\n"},
        {"from the name", "x,a=1 1 2\n", {"b", "$1", "__name__", "(.*)"}, "x{a=\"1\", b=\"x\"} 1 2\n"},
        {"removes the name", "x,a=1 1 2\n", {"__name__", "", "a", "1"}, "{a=\"1\"} 1 2\n"},
        {"a name that needs quotes", "x,a=1 1 2\n", {"b c", "v", "a", "1"}, "x{a=\"1\", \"b c\"=\"v\"} 1 2\n"},
        {"equal labels", TWO, {"src", "", "", ""}, "error: vector cannot contain metrics with the same labelset"},
        {"equal labels at different steps", "x,a=1 1 _\nx,a=2 _ 2\n", {"a", "3", "", ""}, "x{a=\"3\"} 1 2\n"},
        {"an empty destination",
         TWO,
         {"", "v", "src", ".*"},
         "error: invalid destination label name in label_replace(): "},
        {"a destination that is no UTF-8",
         TWO,
         {"\xff", "v", "src", ".*"},
         "error: invalid destination label name in label_replace(): \xff"},
        {"a bad expression",
         TWO,
         {"dst", "v", "src", "(.*"},
         "error: invalid regular expression in label_replace(): (.*"},
        {"a bad expression and nothing to match",
         "",
         {"dst", "v", "src", "("},
         "error: invalid regular expression in label_replace(): ("},
    };
    run_relabel("label_replace", rows, COUNT_OF(rows));
}

#define ABC "x,a=a1,b=b1,c=c1 1 2\nx,a=a2,c=c2 3 _\n"

static void test_label_join(void **state) {
    (void)state;
    static const struct relabel_row rows[] = {
        {"empty", "", {"dst", "-", "a"}, ""},
        {"three",
         ABC,
         {"dst", "-", "a", "b", "c"},
         "x{a=\"a1\", b=\"b1\", c=\"c1\", dst=\"a1-b1-c1\"} 1 2\nx{a=\"a2\", c=\"c2\", dst=\"a2--c2\"} 3 _\n"},
        {"one",
         ABC,
         {"dst", "-", "a"},
         "x{a=\"a1\", b=\"b1\", c=\"c1\", dst=\"a1\"} 1 2\nx{a=\"a2\", c=\"c2\", dst=\"a2\"} 3 _\n"},
        {"no separator",
         ABC,
         {"dst", "", "c", "a"},
         "x{a=\"a1\", b=\"b1\", c=\"c1\", dst=\"c1a1\"} 1 2\nx{a=\"a2\", c=\"c2\", dst=\"c2a2\"} 3 _\n"},
        {"no source removes", "x,a=1,dst=v 1 2\n", {"dst", "-"}, "x{a=\"1\"} 1 2\n"},
        {"sources that are not there", "x,a=1,dst=v 1 2\n", {"dst", "", "y", "z"}, "x{a=\"1\"} 1 2\n"},
        {"only separators", "x,a=1 1 2\n", {"dst", "-", "y", "z"}, "x{a=\"1\", dst=\"-\"} 1 2\n"},
        {"over a source", "x,a=1,b=2 1 2\n", {"a", ":", "b", "a"}, "x{a=\"2:1\", b=\"2\"} 1 2\n"},
        {"the name", "x,a=1 1 2\n", {"__name__", "_", "__name__", "a"}, "x_1{a=\"1\"} 1 2\n"},
        {"equal labels",
         "x,a=1 1 2\nx,a=2 3 4\n",
         {"a", "", "b"},
         "error: vector cannot contain metrics with the same labelset"},
        {"an empty destination", ABC, {"", "-", "a"}, "error: invalid destination label name in label_join(): "},
        {"an empty source", ABC, {"dst", "-", "a", ""}, "error: invalid source label name in label_join(): "},
        {"a source that is no UTF-8",
         ABC,
         {"dst", "-", "\xc3"},
         "error: invalid source label name in label_join(): \xc3"},
    };
    run_relabel("label_join", rows, COUNT_OF(rows));
}

/* A set has no more than so many labels, whoever makes it. */
static void test_too_many_labels(void **state) {
    (void)state;
    char line[1024] = "x";
    for (int i = 1; i < OXP_LABELS_LIMIT; i++) {
        size_t len = strlen(line);
        snprintf(line + len, sizeof line - len, ",l%d=%d", i, i);
    }
    strncat(line, " 1\n", sizeof line - strlen(line) - 1);
    struct bench bench;
    bench_begin(&bench, "label_replace", 1);
    bench_vector(&bench, line);
    bench_text(&bench, "dst");
    bench_text(&bench, "v");
    bench_text(&bench, "");
    bench_text(&bench, "");
    struct oxp_vector out;
    assert_int_equal(bench_run(&bench, &out), OXP_ERR_LIMIT);
    assert_string_equal(bench.query.error.text, "a series would have more than 64 labels");
    bench_end(&bench);
}

/* Nor is a value longer than a mebibyte. */
static void test_too_long_value(void **state) {
    (void)state;
    static char separator[(1 << 20) + 1];
    memset(separator, '-', sizeof separator - 1);
    for (int i = 0; i < 2; i++) {
        struct bench bench;
        struct oxp_vector out;
        bench_begin(&bench, "label_join", 1);
        bench_vector(&bench, "x,a=1,b=2 1\n");
        bench_text(&bench, "dst");
        bench_text(&bench, separator + 2 - 2 * i); /* between two values of one byte: as long as may be, or longer */
        bench_text(&bench, "a");
        bench_text(&bench, "b");
        assert_int_equal(bench_run(&bench, &out), i == 0 ? OXP_OK : OXP_ERR_LIMIT);
        assert_string_equal(bench.query.error.text, i == 0 ? "" : "a label value would be longer than 1048576 bytes");
        bench_end(&bench);
    }
}

/* A match that came to no end does not pass for one that failed. */
static void test_slow_pattern(void **state) {
    (void)state;
    struct bench bench;
    struct oxp_vector out;
    bench_begin(&bench, "label_replace", 1);
    bench_vector(&bench, "x,src=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaac 1\n");
    bench_text(&bench, "dst");
    bench_text(&bench, "v");
    bench_text(&bench, "src");
    bench_text(&bench, "(a*)*[bd]");
    assert_int_equal(bench_run(&bench, &out), OXP_ERR_LIMIT);
    assert_string_equal(bench.query.error.text, OXP_PROMQL_PATTERN_LIMIT);
    bench_end(&bench);
}

/* ---- memory ---- */

static void make_replace(struct bench *bench) {
    bench_begin(bench, "label_replace", 2);
    bench_vector(bench, TWO);
    bench_text(bench, "dst");
    bench_text(bench, "to-$1-and-some-more-than-a-few-bytes");
    bench_text(bench, "src");
    bench_text(bench, "source-value-(.*)");
}

static void make_join(struct bench *bench) {
    bench_begin(bench, "label_join", 2);
    bench_vector(bench, ABC);
    bench_text(bench, "dst");
    bench_text(bench, "-");
    bench_text(bench, "a");
    bench_text(bench, "c");
}

static void test_memory(void **state) {
    (void)state;
    bench_memory(make_replace);
    bench_memory(make_join);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sort),
        cmocka_unit_test(test_sort_in_range),
        cmocka_unit_test(test_label_replace),
        cmocka_unit_test(test_label_join),
        cmocka_unit_test(test_too_many_labels),
        cmocka_unit_test(test_too_long_value),
        cmocka_unit_test(test_slow_pattern),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
