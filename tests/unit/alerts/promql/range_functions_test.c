/* Functions of one window, each as a pure function of samples. */
#include "tests/unit/alerts/promql/support.h"

#include "alerts/promql/functions.h"
#include <float.h>

/* Rows leave out what is zero. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

enum { SAMPLES_MAX = 64 };

struct samples {
    int64_t time_ms[SAMPLES_MAX];
    double value[SAMPLES_MAX], scratch[SAMPLES_MAX];
    size_t count;
};

/* "15:1 30:2.5 45:NaN": seconds and values. */
static void read_samples(const char *text, struct samples *samples) {
    samples->count = 0;
    for (char *end; *text != '\0'; text = end) {
        double at = strtod(text, &end);
        assert_true(*end == ':' && samples->count < SAMPLES_MAX);
        samples->time_ms[samples->count] = (int64_t)llround(at * 1000);
        samples->value[samples->count++] = strtod(end + 1, &end);
    }
}

static oxp_range_fn *function_of(const char *name) {
    const struct oxp_promql_function *function = oxp_promql_function_find(oxp_view_from(name));
    assert_non_null(function);
    assert_int_equal(function->kind, OXP_FUNCTION_RANGE);
    assert_non_null(function->range);
    return function->range;
}

#define NONE (-12345.678) /* no value at this step */

struct row {
    const char *name, *function;
    double start, end; /* of the window, in seconds */
    const char *samples;
    double expected;
    double eval;   /* seconds; 0 = the window's end */
    double arg[2]; /* as the call has them; 0 for the range */
};

static void run(const struct row *rows, size_t count) {
    for (size_t i = 0; i < count; i++) {
        const struct row *row = &rows[i];
        struct samples samples;
        read_samples(row->samples, &samples);
        struct oxp_window window = {
            .time_ms = samples.time_ms,
            .value = samples.value,
            .count = samples.count,
            .start_ms = (int64_t)llround(row->start * 1000),
            .end_ms = (int64_t)llround(row->end * 1000),
            .scratch = samples.scratch,
        };
        window.eval_ms = row->eval == 0 ? window.end_ms : (int64_t)llround(row->eval * 1000);
        struct samples kept = samples;
        double value = -1e-9;
        bool some = function_of(row->function)(&window, row->arg, &value);
        assert_number(row->name, some ? value : NONE, row->expected);
        /* The samples belong to the evaluator, which shows them again at the next step. */
        assert_memory_equal(kept.value, samples.value, samples.count * sizeof(double));
        assert_memory_equal(kept.time_ms, samples.time_ms, samples.count * sizeof(int64_t));
    }
}

/* ---- rates ---- */

static void test_rates(void **state) {
    (void)state;
    static const struct row rows[] = {
        /* Too few samples. */
        {"rate of one sample", "rate", 0, 60, "30:5", NONE},
        {"increase of one sample", "increase", 0, 60, "30:5", NONE},
        {"delta of one sample", "delta", 0, 60, "30:5", NONE},
        /* Full windows: the left edge is open, so the first sample is one spacing behind it. */
        {"increase to both edges", "increase", 0, 60, "15:15 30:30 45:45 60:60", 60},
        {"rate to both edges", "rate", 0, 60, "15:15 30:30 45:45 60:60", 1},
        {"delta to both edges", "delta", 0, 60, "15:15 30:30 45:45 60:60", 60},
        {"two samples", "increase", 0, 60, "20:100 40:110", 30},
        {"flat", "rate", 0, 60, "15:7 30:7 45:7 60:7", 0},
        {"flat at zero", "increase", 0, 60, "15:0 30:0 45:0 60:0", 0},
        {"not aligned", "increase", 0, 60, "14:1000 29:1015 44:1030 59:1045", 60},
        {"a window of 1.5 s", "rate", 10, 11.5, "10.5:100 11:101 11.5:102", 2},
        {"the window after an offset", "rate", 1000, 1060, "1015:15 1030:30 1045:45 1060:60", 1},
        {"times before 1970", "rate", -60, 0, "-45:15 -30:30 -15:45 0:60", 1},
        /* Edges: within 1.1 spacings all the way, else half a spacing. */
        {"start just within", "increase", 0, 30.9, "10.9:100 20.9:110 30.9:120", 30.9},
        {"start at the limit", "increase", 0, 31, "11:100 21:110 31:120", 25},
        {"start just beyond", "increase", 0, 31.1, "11.1:100 21.1:110 31.1:120", 25},
        {"start far beyond", "increase", 0, 60, "30:100 40:110 50:120 60:130", 35},
        {"end just within", "increase", 0, 30.9, "10:100 20:110", 30.9},
        {"end at the limit", "increase", 0, 31, "10:100 20:110", 25},
        {"end just beyond", "increase", 0, 31.1, "10:100 20:110", 25},
        {"both far beyond", "increase", 0, 600, "300:100 310:110 320:120", 30},
        {"both far beyond, rate", "rate", 0, 600, "300:100 310:110 320:120", 0.05},
        {"both far beyond, delta", "delta", 0, 600, "300:120 310:110 320:100", -30},
        /* Counters begin at zero. */
        {"zero at the first sample", "increase", 0, 60, "15:0 30:15 45:30 60:45", 45},
        {"zero between edge and first", "increase", 0, 60, "15:5 30:20 45:35 60:50", 50},
        {"zero exactly at the edge", "increase", 0, 60, "15:15 30:30 45:45 60:60", 60},
        {"zero nearer than half a spacing", "increase", 0, 100, "60:1 70:11 80:21 90:31 100:41", 41},
        {"zero of a small increase", "increase", 0, 60, "15:0.05 30:0.2 45:0.35 60:0.5", 0.5},
        {"a gauge has no zero point", "delta", 0, 60, "15:0 30:15 45:30 60:45", 60},
        {"a negative first value has none", "increase", 0, 60, "15:-5 30:10 45:25 60:40", 60},
        /* Resets. */
        {"one reset", "increase", 0, 60, "15:10 30:20 45:5 60:15", 100.0 / 3},
        {"reset to zero", "increase", 0, 60, "15:1000 30:1010 45:0 60:10", 80.0 / 3},
        {"reset at each sample", "increase", 0, 40, "10:4 20:3 30:2 40:1", 8},
        {"a gauge falls", "delta", 0, 60, "15:60 30:45 45:30 60:15", -60},
        {"reset then more than before", "rate", 0, 60, "20:100 40:30 60:130", 195.0 / 60},
        /* Odd values. */
        {"a NaN between", "increase", 0, 45, "15:1 30:NaN 45:3", 3},
        {"a NaN at the end", "rate", 0, 45, "15:1 30:2 45:NaN", NAN},
        {"a NaN at the start", "delta", 0, 45, "15:NaN 30:2 45:3", NAN},
        {"infinite", "increase", 0, 45, "15:1 30:2 45:Inf", INFINITY},
        {"huge", "delta", 0, 45, "15:-1e308 30:0 45:1e308", INFINITY},
        {"large counters", "rate", 0, 60,
         "15:9007199254740000 30:9007199254740015 45:9007199254740030 60:9007199254740045", 1},
    };
    run(rows, COUNT_OF(rows));
}

static void test_last_two(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"irate of one", "irate", 0, 60, "30:5", NONE},
        {"irate", "irate", 0, 60, "15:0 30:10 45:40", 2},
        {"irate knows only the last two", "irate", 0, 60, "15:1000 30:10 45:40", 2},
        {"irate after a reset", "irate", 0, 60, "15:10 30:20 45:5", 5.0 / 15},
        {"irate reset to zero", "irate", 0, 60, "30:20 45:0", 0},
        {"irate flat", "irate", 0, 60, "30:20 45:20", 0},
        {"irate of NaN last", "irate", 0, 60, "30:20 45:NaN", NAN},
        {"irate of NaN before", "irate", 0, 60, "30:NaN 45:20", NAN},
        {"irate within a second", "irate", 0, 60, "59.75:10 60:11", 4},
        {"idelta of one", "idelta", 0, 60, "30:5", NONE},
        {"idelta", "idelta", 0, 60, "15:0 30:10 45:40", 30},
        {"idelta falls", "idelta", 0, 60, "15:0 30:40 45:10", -30},
        {"idelta of infinities", "idelta", 0, 60, "30:Inf 45:Inf", NAN},
    };
    run(rows, COUNT_OF(rows));
}

/* ---- lines ---- */

static void test_lines(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"deriv of one", "deriv", 0, 60, "30:5", NONE},
        {"deriv of two", "deriv", 0, 60, "10:10 20:30", 2},
        {"deriv of a line", "deriv", 0, 60, "10:10 20:20 30:30 40:40", 1},
        {"deriv falls", "deriv", 0, 60, "10:-10 20:-20 30:-30 40:-40", -1},
        {"deriv of a bent line", "deriv", 0, 60, "0:0 10:10 20:10 30:30", 0.9},
        {"deriv of uneven times", "deriv", 0, 60, "0:0 1:2 50:100", 2},
        {"deriv of a constant", "deriv", 0, 60, "10:4 20:4 30:4", 0},
        {"deriv of an infinite constant", "deriv", 0, 60, "10:Inf 20:Inf 30:Inf", NAN},
        {"deriv with a NaN", "deriv", 0, 60, "10:1 20:NaN 30:3", NAN},
        {"deriv of NaN alone", "deriv", 0, 60, "10:NaN 20:NaN", NAN},
        {"deriv with an infinity", "deriv", 0, 60, "10:1 20:Inf 30:3", NAN},
        {"deriv far from the epoch", "deriv", 1.7e9, 1.7e9 + 60,
         "1700000015:1000000001 1700000030:1000000002 1700000045:1000000003 1700000060:1000000004", 1.0 / 15},
        {"predict of one", "predict_linear", 0, 60, "30:5", NONE, 0, {0, 60}},
        {"predict ahead", "predict_linear", 0, 30, "10:10 20:20 30:30", 90, 0, {0, 60}},
        {"predict now", "predict_linear", 0, 30, "10:10 20:20 30:30", 30, 0, {0, 0}},
        {"predict back", "predict_linear", 0, 30, "10:10 20:20 30:30", -10, 0, {0, -40}},
        {"predict from the step, not from the window", "predict_linear", 0, 30, "10:10 20:20 30:30", 160, 100, {0, 60}},
        {"predict a constant", "predict_linear", 0, 30, "10:7 20:7 30:7", 7, 0, {0, 1e9}},
        {"predict an odd constant",
         "predict_linear",
         0,
         60,
         "2.462:1299.443 2.667:1299.443 3.004:1299.443 21.803:1299.443",
         1299.443,
         0,
         {0, 1e9}},
        {"predict an infinite constant", "predict_linear", 0, 30, "10:Inf 20:Inf", NAN, 0, {0, 60}},
        {"predict a bent line", "predict_linear", 0, 30, "0:0 10:10 20:10 30:30", 26 + 0.9 * 10, 0, {0, 10}},
        {"predict by NaN", "predict_linear", 0, 30, "10:10 20:20", NAN, 0, {0, NAN}},
        {"predict by infinity", "predict_linear", 0, 30, "10:10 20:20", INFINITY, 0, {0, INFINITY}},
        {"predict far from the epoch",
         "predict_linear",
         1.7e9,
         1.7e9 + 60,
         "1700000015:15 1700000030:30 1700000045:45 1700000060:60",
         3660,
         0,
         {0, 3600}},
    };
    run(rows, COUNT_OF(rows));
}

/* ---- counts ---- */

static void test_counts(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"no change in one", "changes", 0, 60, "30:5", 0},
        {"no change", "changes", 0, 60, "15:5 30:5 45:5", 0},
        {"changes", "changes", 0, 60, "15:5 30:6 45:5 60:5", 2},
        {"NaN to NaN is none", "changes", 0, 60, "15:NaN 30:NaN", 0},
        {"to NaN and back", "changes", 0, 60, "15:1 30:NaN 45:NaN 60:1", 2},
        {"zeros are equal", "changes", 0, 60, "15:0 30:-0", 0},
        {"infinities differ", "changes", 0, 60, "15:Inf 30:Inf 45:-Inf", 1},
        {"no reset in one", "resets", 0, 60, "30:5", 0},
        {"no reset", "resets", 0, 60, "15:5 30:5 45:6", 0},
        {"resets", "resets", 0, 60, "15:5 30:1 45:7 60:0", 2},
        {"NaN is none", "resets", 0, 60, "15:5 30:NaN 45:1", 0},
        {"from infinity", "resets", 0, 60, "15:Inf 30:1", 1},
        {"count of one", "count_over_time", 0, 60, "30:5", 1},
        {"count", "count_over_time", 0, 60, "15:5 30:NaN 45:Inf", 3},
        {"present", "present_over_time", 0, 60, "15:5 30:6", 1},
        {"present with NaN", "present_over_time", 0, 60, "15:NaN", 1},
        {"last", "last_over_time", 0, 60, "15:5 30:6 45:7", 7},
        {"last of one", "last_over_time", 0, 60, "15:5", 5},
        {"last is NaN", "last_over_time", 0, 60, "15:5 30:NaN", NAN},
        {"first", "first_over_time", 0, 60, "15:5 30:6 45:7", 5},
        {"first of one", "first_over_time", 0, 60, "15:5", 5},
        {"first is NaN", "first_over_time", 0, 60, "15:NaN 30:5", NAN},
    };
    run(rows, COUNT_OF(rows));
}

/* ---- aggregations ---- */

static void test_aggregations(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"sum of one", "sum_over_time", 0, 60, "30:5", 5},
        {"sum", "sum_over_time", 0, 60, "15:1 30:2 45:3.5", 6.5},
        {"sum keeps what rounding lost", "sum_over_time", 0, 60, "10:1 20:1e100 30:1 40:-1e100", 2},
        {"sum of small after large", "sum_over_time", 0, 60, "10:1e16 20:1 30:1 40:-1e16", 2},
        {"sum of tenths", "sum_over_time", 0, 60, "1:.1 2:.1 3:.1 4:.1 5:.1 6:.1 7:.1 8:.1 9:.1 10:.1", 1},
        {"sum with NaN", "sum_over_time", 0, 60, "10:1 20:NaN", NAN},
        {"sum with infinity", "sum_over_time", 0, 60, "10:1 20:Inf 30:1", INFINITY},
        {"sum of both infinities", "sum_over_time", 0, 60, "10:Inf 20:-Inf", NAN},
        {"sum overflows", "sum_over_time", 0, 60, "10:1.7e308 20:1.7e308", INFINITY},
        {"sum overflows below", "sum_over_time", 0, 60, "10:-1.7e308 20:-1.7e308 30:1", -INFINITY},
        {"avg of one", "avg_over_time", 0, 60, "30:5", 5},
        {"avg", "avg_over_time", 0, 60, "15:1 30:2 45:3 60:6", 3},
        {"avg keeps what rounding lost", "avg_over_time", 0, 60, "10:1 20:1e100 30:1 40:-1e100", 0.5},
        {"avg of tenths", "avg_over_time", 0, 60, "1:.1 2:.1 3:.1 4:.1 5:.1 6:.1 7:.1 8:.1 9:.1 10:.1", 0.1},
        {"avg does not overflow", "avg_over_time", 0, 60, "10:1.6e308 20:1.6e308 30:1.6e308", 1.6e308},
        {"avg does not overflow below", "avg_over_time", 0, 60, "10:-1.6e308 20:-1.6e308", -1.6e308},
        {"avg after an overflow", "avg_over_time", 0, 60, "10:1.6e308 20:1.6e308 30:-1.6e308 40:0", 4e307},
        {"avg of NaN", "avg_over_time", 0, 60, "10:1 20:NaN 30:1", NAN},
        {"avg of infinity alone", "avg_over_time", 0, 60, "10:Inf", INFINITY},
        {"avg of infinity first", "avg_over_time", 0, 60, "10:Inf 20:1 30:1", INFINITY},
        {"avg of infinity last", "avg_over_time", 0, 60, "10:1 20:1 30:-Inf", -INFINITY},
        {"avg of infinities", "avg_over_time", 0, 60, "10:Inf 20:Inf", INFINITY},
        {"avg of both infinities", "avg_over_time", 0, 60, "10:Inf 20:-Inf", NAN},
        {"min", "min_over_time", 0, 60, "15:3 30:1 45:2", 1},
        {"min of one", "min_over_time", 0, 60, "15:3", 3},
        {"min skips NaN in front", "min_over_time", 0, 60, "15:NaN 30:1 45:2", 1},
        {"min skips NaN behind", "min_over_time", 0, 60, "15:1 30:NaN", 1},
        {"min of NaN alone", "min_over_time", 0, 60, "15:NaN 30:NaN", NAN},
        {"min of -Inf", "min_over_time", 0, 60, "15:1 30:-Inf 45:Inf", -INFINITY},
        {"max", "max_over_time", 0, 60, "15:3 30:7 45:2", 7},
        {"max of one", "max_over_time", 0, 60, "15:-3", -3},
        {"max skips NaN in front", "max_over_time", 0, 60, "15:NaN 30:1 45:2", 2},
        {"max skips NaN behind", "max_over_time", 0, 60, "15:1 30:NaN", 1},
        {"max of NaN alone", "max_over_time", 0, 60, "15:NaN", NAN},
        {"max of Inf", "max_over_time", 0, 60, "15:1 30:-Inf 45:Inf", INFINITY},
    };
    run(rows, COUNT_OF(rows));
}

static void test_spread(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"stddev of one", "stddev_over_time", 0, 60, "15:3", 0},
        {"stddev", "stddev_over_time", 0, 60, "1:2 2:4 3:4 4:4 5:5 6:5 7:7 8:9", 2},
        {"stddev of equals", "stddev_over_time", 0, 60,
         "1:1.5990505637277868 2:1.5990505637277868 3:1.5990505637277868", 0},
        {"stddev of NaN", "stddev_over_time", 0, 60, "1:1 2:NaN", NAN},
        {"stddev of infinity", "stddev_over_time", 0, 60, "1:1 2:Inf", NAN},
        {"stdvar of one", "stdvar_over_time", 0, 60, "15:3", 0},
        {"stdvar", "stdvar_over_time", 0, 60, "1:2 2:4 3:4 4:4 5:5 6:5 7:7 8:9", 4},
        {"stdvar far from zero", "stdvar_over_time", 0, 60, "1:1000000000001 2:1000000000002 3:1000000000003", 2.0 / 3},
        {"stdvar of NaN", "stdvar_over_time", 0, 60, "1:NaN", NAN},
        {"quantile of one", "quantile_over_time", 0, 60, "1:7", 7, 0, {0.3, 0}},
        {"median of four", "quantile_over_time", 0, 60, "1:4 2:1 3:3 4:2", 2.5, 0, {0.5, 0}},
        {"median of five", "quantile_over_time", 0, 60, "1:4 2:1 3:3 4:2 5:9", 3, 0, {0.5, 0}},
        {"least", "quantile_over_time", 0, 60, "1:4 2:1 3:3", 1, 0, {0, 0}},
        {"most", "quantile_over_time", 0, 60, "1:4 2:1 3:3", 4, 0, {1, 0}},
        {"between", "quantile_over_time", 0, 60, "1:0 2:1", 0.8, 0, {0.8, 0}},
        {"below zero", "quantile_over_time", 0, 60, "1:4 2:1", -INFINITY, 0, {-0.1, 0}},
        {"above one", "quantile_over_time", 0, 60, "1:4 2:1", INFINITY, 0, {1.1, 0}},
        {"phi is NaN", "quantile_over_time", 0, 60, "1:4 2:1", NAN, 0, {NAN, 0}},
        {"NaN is the least", "quantile_over_time", 0, 60, "1:4 2:NaN 3:1", 4, 0, {1, 0}},
        {"NaN is the least, at the low end", "quantile_over_time", 0, 60, "1:4 2:NaN 3:1", NAN, 0, {0, 0}},
    };
    run(rows, COUNT_OF(rows));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rates),  cmocka_unit_test(test_last_two),     cmocka_unit_test(test_lines),
        cmocka_unit_test(test_counts), cmocka_unit_test(test_aggregations), cmocka_unit_test(test_spread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
