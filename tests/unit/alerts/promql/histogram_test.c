/* Classic histograms: buckets as a pure matter, and the two functions over series. */
#include "tests/unit/alerts/promql/call_support.h"

#include "alerts/promql/buckets.h"

enum { BUCKETS_MAX = 16 };

/* "0.1:1 1:3 Inf:4": bounds, sorted, and counts. */
static size_t read_buckets(const char *text, struct oxp_bucket *buckets) {
    size_t count = 0;
    for (char *end; *text != '\0'; text = end) {
        assert_true(count < BUCKETS_MAX);
        buckets[count].bound = strtod(text, &end);
        assert_int_equal(*end, ':');
        buckets[count++].count = strtod(end + 1, &end);
    }
    return oxp_buckets_join(buckets, count);
}

#define TENS "10:10 20:20 30:30 Inf:40"

static void test_quantile(void **state) {
    (void)state;
    static const struct {
        const char *name;
        double phi;
        const char *buckets;
        double expected;
    } rows[] = {
        {"none", 0.5, "", NAN},
        {"one", 0.5, "Inf:4", NAN},
        {"one, finite", 0.5, "10:4", NAN},
        {"no +Inf", 0.5, "10:4 20:5", NAN},
        {"no observations", 0.5, "10:0 Inf:0", NAN},
        {"phi is NaN", NAN, TENS, NAN},
        {"phi below 0", -0.1, TENS, -INFINITY},
        {"phi above 1", 1.1, TENS, INFINITY},
        {"phi above 1 of nothing", 1.1, "", INFINITY},
        {"0", 0, TENS, 0},
        {"in the first bucket", 0.125, TENS, 5},
        {"at a bound", 0.25, TENS, 10},
        {"in the second bucket", 0.375, TENS, 15},
        {"in the third bucket", 0.7, TENS, 28},
        {"at the last bound", 0.75, TENS, 30},
        {"in the open bucket", 0.9, TENS, 30},
        {"1", 1, TENS, 30},
        {"1, all below the last bound", 1, "10:10 20:20 Inf:20", 20},
        {"only the open bucket has any", 0.5, "10:0 Inf:8", 10},
        {"an empty bucket between", 0.5, "10:10 20:10 30:20 Inf:20", 10},
        {"just behind an empty bucket", 0.55, "10:10 20:10 30:20 Inf:20", 21},
        {"an empty first bucket", 0, "10:0 20:20 Inf:20", NAN},
        {"negative bounds", 0.125, "-10:10 0:20 10:30 Inf:40", -10},
        {"between negative bounds", 0.375, "-10:10 0:20 10:30 Inf:40", -5},
        {"below the only negative bound", 0.25, "-10:10 10:20 Inf:20", -10},
        {"a first bound of zero", 0.1, "0:10 10:20 Inf:20", 0},
        {"up to +Inf from zero", 0.5, "0:10 Inf:20", 0},
        {"a bound of -Inf", 0.75, "-Inf:0 10:10 Inf:20", 10},
        {"equal bounds are added", 0.5, "10:5 10:5 20:20 Inf:20", 10},
        {"two +Inf are added", 1, "10:10 Inf:10 Inf:10", 10},
        {"fractions of observations", 0.5, "1:0.25 2:0.5 Inf:0.5", 1},
        {"huge", 0.5, "1:1e300 2:2e300 Inf:2e300", 1},
        {"NaN counts", 0.5, "1:NaN 2:NaN Inf:NaN", 2},
        {"infinite counts", 0.5, "1:1 2:Inf Inf:Inf", NAN},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct oxp_bucket buckets[BUCKETS_MAX];
        struct oxp_bucket_repair repair;
        size_t count = read_buckets(rows[i].buckets, buckets);
        assert_number(rows[i].name, oxp_buckets_quantile(rows[i].phi, buckets, count, &repair), rows[i].expected);
        assert_false(repair.forced);
    }
}

static void test_repair(void **state) {
    (void)state;
    static const struct {
        const char *name, *buckets;
        double expected; /* the median */
        bool forced;
        double first_bound, last_bound, most;
    } rows[] = {
        {"a fall", "10:20 20:10 30:30 Inf:40", 10, true, 20, 20, 10},
        {"falls", "10:20 20:10 30:30 40:25 Inf:40", 10, true, 20, 40, 10},
        {"a fall to the end", "10:10 20:30 30:20 Inf:20", 12.5, true, 30, INFINITY, 10},
        {"a fall to nothing", "10:10 Inf:0", 5, true, INFINITY, INFINITY, 10},
        {"the fall is larger than it looks", "10:20 20:15 30:10 40:30 Inf:40", 10, true, 20, 30, 10},
        {"rounding is not told", "10:20 20:19.9999999999999999 30:30 Inf:40", 10, false, INFINITY, -INFINITY, 0},
        {"rounding below", "10:1e15 20:999999999999999.9 30:2e15 Inf:2e15", 10, false, INFINITY, -INFINITY, 0},
        {"rounding above", "10:1e15 20:1000000000000000.1 30:2e15 Inf:2e15", 10, false, INFINITY, -INFINITY, 0},
        {"rounding around one", "10:1 20:0.9999999999999999 30:2 Inf:2", 10, false, INFINITY, -INFINITY, 0},
        {"rounding to one", "10:1.0000000000000002 20:1 30:2 Inf:2", 10, false, INFINITY, -INFINITY, 0},
        {"one of 1e11 is not rounding", "10:1e11 20:99999999999 30:2e11 Inf:2e11", 10, true, 20, 20, 1},
        {"a fall to zero", "10:5 20:0 Inf:10", 10, true, 20, 20, 5},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct oxp_bucket buckets[BUCKETS_MAX];
        struct oxp_bucket_repair repair;
        size_t count = read_buckets(rows[i].buckets, buckets);
        assert_number(rows[i].name, oxp_buckets_quantile(0.5, buckets, count, &repair), rows[i].expected);
        if (repair.forced != rows[i].forced) {
            fail_msg("%s: forced %d", rows[i].name, repair.forced);
        }
        assert_number(rows[i].name, repair.first_bound, rows[i].first_bound);
        assert_number(rows[i].name, repair.last_bound, rows[i].last_bound);
        assert_number(rows[i].name, repair.most, rows[i].most);
    }
}

static void test_fraction(void **state) {
    (void)state;
    static const struct {
        const char *name;
        double lower, upper;
        const char *buckets;
        double expected;
    } rows[] = {
        {"none", 0, 10, "", NAN},
        {"no +Inf", 0, 10, "10:4", NAN},
        {"no observations", 0, 10, "10:0 Inf:0", NAN},
        {"lower is NaN", NAN, 10, TENS, NAN},
        {"upper is NaN", 0, NAN, TENS, NAN},
        {"nothing between", 10, 10, TENS, 0},
        {"the wrong way round", 20, 10, TENS, 0},
        {"a bucket", 10, 20, TENS, 0.25},
        {"half a bucket", 10, 15, TENS, 0.125},
        {"over a bound", 5, 15, TENS, 0.25},
        {"from below zero", -5, 10, TENS, 0.25},
        {"all that is below zero", -10, -5, TENS, 0},
        {"up to the last bound", 0, 30, TENS, 0.75},
        {"within the open bucket", 35, 50, TENS, 0},
        {"into the open bucket", 20, 100, TENS, 0.25},
        {"from within the open bucket", 100, INFINITY, TENS, 0.25},
        {"everything", -INFINITY, INFINITY, TENS, 1},
        {"above", 10, INFINITY, TENS, 0.75},
        {"below", -INFINITY, 10, TENS, 0.25},
        {"only +Inf", 0, 10, "Inf:4", 0},
        {"only +Inf, everything", 0, INFINITY, "Inf:4", 1},
        {"negative bounds", -5, 5, "-10:10 0:20 10:30 Inf:40", 0.25},
        {"below the first negative bound", -20, -15, "-10:10 0:20 10:30 Inf:40", 0},
        {"from below the first negative bound", -20, 0, "-10:10 0:20 10:30 Inf:40", 0.25},
        {"from -Inf", -INFINITY, 0, "-10:10 0:20 10:30 Inf:40", 0.5},
        {"over a first bound of zero", -5, 5, "0:10 10:20 Inf:20", 0.25},
        {"over the only negative bound", -20, 0, "-10:10 10:20 Inf:20", 0.25},
        {"a small first bound", 0, 0.25, "0.5:10 Inf:20", 0.25},
        {"of one observation", 0, 5, "10:1 Inf:1", 0.5},
        {"a lower count is not lifted", 0, 20, "10:20 20:10 Inf:40", 0.25},
        {"no more than all", 0, 20, "10:10 20:50 Inf:40", 1},
        {"NaN counts", 0, 20, "10:NaN 20:10 Inf:40", 0.25},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct oxp_bucket buckets[BUCKETS_MAX];
        size_t count = read_buckets(rows[i].buckets, buckets);
        assert_number(rows[i].name, oxp_buckets_fraction(rows[i].lower, rows[i].upper, buckets, count),
                      rows[i].expected);
    }
}

/* ---- over series ---- */

#define ONE "b,le=10 10 10\nb,le=20 20 30\nb,le=+Inf 20 30\n"

static void test_quantile_call(void **state) {
    (void)state;
    static const struct {
        const char *name, *phi, *vector, *expected;
    } rows[] = {
        {"empty", "0.5", "", ""},
        {"one", "0.5", ONE, "{} 10 12.5\n"},
        {"each step its own phi", "0.5 1", ONE, "{} 10 20\n"},
        {"any order", "0.5", "b,le=+Inf 20 30\nb,le=20 20 30\nb,le=10 10 10\n", "{} 10 12.5\n"},
        {"bounds are numbers, not texts", "0.5", "b,le=9 10 10\nb,le=1e1 10 10\nb,le=100.0 20 20\nb,le=inf 20 20\n",
         "{} 9 9\n"},
        {"equal bounds written differently", "0.5", "b,le=10 5 5\nb,le=10.0 5 5\nb,le=20 20 20\nb,le=Inf 20 20\n",
         "{} 10 10\n"},
        {"two histograms", "0.5",
         "b,j=1,le=10 10 1\nb,j=2,le=10 0 1\nb,j=1,le=20 20 1\nb,j=2,le=20 8 3\n"
         "b,j=1,le=+Inf 20 1\nb,j=2,le=+Inf 8 3\n",
         "{j=\"1\"} 10 5\n{j=\"2\"} 15 12.5\n"},
        {"a bucket is absent at a step", "0.5", "b,le=10 10 10\nb,le=20 20 _\nb,le=+Inf 20 30\n", "{} 10 10\n"},
        {"+Inf is absent at a step", "0.5", "b,le=10 10 10\nb,le=20 20 20\nb,le=+Inf 20 _\n", "{} 10 NaN\n"},
        {"a histogram is absent at a step", "0.5", "b,le=10 _ 10\nb,le=20 _ 20\nb,le=+Inf _ 20\n", "{} _ 10\n"},
        {"a histogram is absent", "0.5", "b,le=10 _ _\nb,le=+Inf _ _\n", ""},
        {"two names", "0.5", "b,le=10 1 1\nb,le=+Inf 1 1\nc,le=10 1 1\nc,le=+Inf 1 1\n",
         "error: vector cannot contain metrics with the same labelset"},
        {"two names, told apart by labels", "0.5", "b,j=1,le=10 1 1\nb,j=1,le=+Inf 1 1\nc,le=10 1 1\nc,le=+Inf 1 1\n",
         "{} 5 5\n{j=\"1\"} 5 5\n"},
        {"two names at different steps", "0.5", "b,le=10 1 _\nb,le=+Inf 1 _\nc,le=20 _ 1\nc,le=+Inf _ 1\n",
         "{} 5 10\n"},
        {"phi above 1", "2", ONE,
         "{} +Inf +Inf\n# PromQL warning: quantile value should be between 0 and 1, got 2 (1:3)\n"},
        {"phi below 0 at a step", "0.5 -1", ONE,
         "{} 10 -Inf\n# PromQL warning: quantile value should be between 0 and 1, got -1 (1:3)\n"},
        {"phi above 1 at the first step", "2 0.5", ONE,
         "{} +Inf 12.5\n# PromQL warning: quantile value should be between 0 and 1, got 2 (1:3)\n"},
        {"phi is NaN and there is nothing", "NaN", "",
         "# PromQL warning: quantile value should be between 0 and 1, got NaN (1:3)\n"},
        {"le is missing", "0.5", ONE "b 1 1\n",
         "{} 10 12.5\n# PromQL warning: bucket label \"le\" is missing or has a malformed value of \"\" (1:6)\n"},
        {"le is malformed", "0.5", ONE "b,le=abc 1 1\nb,le=1x 1 1\nb,j=2,le=abc 1 1\n",
         "{} 10 12.5\n# PromQL warning: bucket label \"le\" is missing or has a malformed value of \"abc\" (1:6)\n"
         "# PromQL warning: bucket label \"le\" is missing or has a malformed value of \"1x\" (1:6)\n"},
        {"le is too large", "0.5", ONE "b,le=1e999 1 1\n",
         "{} 10 12.5\n# PromQL warning: bucket label \"le\" is missing or has a malformed value of \"1e999\" (1:6)\n"},
        {"le is malformed but absent", "0.5", ONE "b,le=abc _ _\n", "{} 10 12.5\n"},
        {"counts fall", "0.5", "b,le=10 10 10\nb,le=20 20 5\nb,le=30 30 30\nb,le=40 25 30\nb,le=+Inf 30 30\n",
         "{} 15 22.5\n# PromQL info: input to histogram_quantile needed to be fixed for monotonicity (see "
         "https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile), from buckets 20 to 40, "
         "with a max diff of 5, over 2 samples from 1970-01-01T00:16:40Z to 1970-01-01T00:17:40Z (1:6)\n"},
        {"counts fall here less, there more", "0", "b,le=1234.5 10 10\nb,le=5432.5 9 3\nb,le=+Inf 10 10\n",
         "{} 0 0\n# PromQL info: input to histogram_quantile needed to be fixed for monotonicity (see "
         "https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile), from buckets 5432.5 to "
         "5432.5, with a max diff of 7, over 2 samples from 1970-01-01T00:16:40Z to 1970-01-01T00:17:40Z (1:6)\n"},
        {"a bound is NaN", "0.5", "b,le=20 15 20\nb,le=NaN 0 20\nb,le=10 5 20\nb,le=+Inf 20 20\n", "{} 15 NaN\n"},
        {"counts fall in one sample", "0.5", "b,le=0.1 2000 1\nb,le=1e6 1 1\nb,le=+Inf 2000 1\n",
         "{} 0.05 0.05\n# PromQL info: input to histogram_quantile needed to be fixed for monotonicity (see "
         "https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile), from buckets 1e+06 to "
         "1e+06, with a max diff of 2e+03, over 1 samples from 1970-01-01T00:16:40Z to 1970-01-01T00:16:40Z (1:6)\n"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct bench bench;
        bench_begin(&bench, "histogram_quantile", 2);
        bench_scalar(&bench, rows[i].phi);
        bench_vector(&bench, rows[i].vector);
        bench_expect(&bench, rows[i].name, rows[i].expected);
    }
}

static void test_fraction_call(void **state) {
    (void)state;
    static const struct {
        const char *name, *lower, *upper, *vector, *expected;
    } rows[] = {
        {"empty", "0", "1", "", ""},
        {"one", "0", "10", ONE, "{} 0.5 0.3333333333333333\n"},
        {"each step its own bounds", "0 10", "10 15", ONE, "{} 0.5 0.3333333333333333\n"},
        {"NaN", "NaN", "10", ONE, "{} NaN NaN\n"},
        {"two", "-Inf", "10", "b,j=1,le=10 1 1\nb,j=1,le=+Inf 4 2\nb,j=2,le=10 _ 3\nb,j=2,le=+Inf _ 3\n",
         "{j=\"1\"} 0.25 0.5\n{j=\"2\"} _ 1\n"},
        {"le is missing", "0", "10", "b 1 1\n",
         "# PromQL warning: bucket label \"le\" is missing or has a malformed value of \"\" (1:9)\n"},
        {"counts that fall are left", "0", "20", "b,le=10 20 20\nb,le=20 10 10\nb,le=+Inf 40 40\n", "{} 0.25 0.25\n"},
        {"two names", "0", "10", "b,le=10 1 1\nb,le=+Inf 1 1\nc,le=10 1 1\nc,le=+Inf 1 1\n",
         "error: vector cannot contain metrics with the same labelset"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct bench bench;
        bench_begin(&bench, "histogram_fraction", 2);
        bench_scalar(&bench, rows[i].lower);
        bench_scalar(&bench, rows[i].upper);
        bench_vector(&bench, rows[i].vector);
        bench_expect(&bench, rows[i].name, rows[i].expected);
    }
}

/* More histograms than the smallest table has room for. */
static void test_many(void **state) {
    (void)state;
    enum { MANY = 500 };
    struct bench bench;
    struct oxp_vector out;
    struct oxp_buf lines;
    oxp_buf_init(&lines, 0);
    for (int i = 0; i < MANY; i++) {
        oxp_buf_append_format(&lines, "b,i=%d,le=10 10\nb,i=%d,le=20 %d\nb,i=%d,le=+Inf %d\n", i, i, i + 10, i, i + 10);
    }
    bench_begin(&bench, "histogram_quantile", 1);
    bench_scalar(&bench, "1");
    bench_vector(&bench, oxp_buf_text(&lines));
    assert_int_equal(bench_run(&bench, &out), OXP_OK);
    assert_int_equal(out.count, MANY);
    for (size_t i = 0; i < out.count; i++) {
        struct oxp_view number = oxp_symbol_view(oxp_labels_find(out.columns[i].labels, OXP_VIEW("i")));
        assert_int_equal(out.columns[i].labels->count, 1);
        assert_number("the upper bound", out.columns[i].value[0], oxp_view_is(number, "0") ? 10 : 20);
    }
    oxp_buf_fini(&lines);
    bench_end(&bench);
}

/* A query that must end ends between histograms. */
static void test_ends(void **state) {
    (void)state;
    struct bench bench;
    struct oxp_vector out;
    _Atomic bool cancelled = true;
    bench_begin(&bench, "histogram_quantile", 2);
    bench_scalar(&bench, "0.5");
    bench_vector(&bench, ONE);
    bench.query.cancelled = &cancelled;
    assert_int_equal(bench_run(&bench, &out), OXP_ERR_CLOSED);
    bench_end(&bench);
}

static void make_quantile(struct bench *bench) {
    bench_begin(bench, "histogram_quantile", 2);
    bench_scalar(bench, "0.5");
    bench_vector(bench, ONE "c,j=2,le=10 1 2\nc,j=2,le=+Inf 3 2\n");
}

static void make_fraction(struct bench *bench) {
    bench_begin(bench, "histogram_fraction", 2);
    bench_scalar(bench, "0");
    bench_scalar(bench, "15");
    bench_vector(bench, ONE);
}

static void test_memory(void **state) {
    (void)state;
    bench_memory(make_quantile);
    bench_memory(make_fraction);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_quantile),      cmocka_unit_test(test_repair),        cmocka_unit_test(test_fraction),
        cmocka_unit_test(test_quantile_call), cmocka_unit_test(test_fraction_call), cmocka_unit_test(test_many),
        cmocka_unit_test(test_ends),          cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
