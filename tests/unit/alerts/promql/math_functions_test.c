/* Functions of one value. */
#include "tests/unit/alerts/promql/call_support.h"

#include <float.h>

/* Rows leave out what is zero. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

static double call(const char *name, double value, const double *args) {
    const struct oxp_promql_function *function = oxp_promql_function_find(oxp_view_from(name));
    assert_non_null(function);
    assert_int_equal(function->kind, OXP_FUNCTION_MATH);
    return function->math(value, args);
}

static void test_values(void **state) {
    (void)state;
    static const struct {
        const char *name;
        double value, expected;
        double arg; /* the second one */
    } rows[] = {
        {"abs", 1.5, 1.5},
        {"abs", -1.5, 1.5},
        {"abs", -0.0, 0},
        {"abs", -INFINITY, INFINITY},
        {"abs", -NAN, NAN},
        {"ceil", 1.2, 2},
        {"ceil", -1.2, -1},
        {"ceil", -0.2, -0.0},
        {"ceil", 1e300, 1e300},
        {"ceil", INFINITY, INFINITY},
        {"ceil", NAN, NAN},
        {"floor", 1.8, 1},
        {"floor", -1.2, -2},
        {"floor", -0.0, -0.0},
        {"floor", -INFINITY, -INFINITY},
        {"floor", NAN, NAN},
        {"sgn", 3, 1},
        {"sgn", 0.5, 1},
        {"sgn", -3, -1},
        {"sgn", 0, 0},
        {"sgn", -0.0, -0.0},
        {"sgn", INFINITY, 1},
        {"sgn", -DBL_TRUE_MIN, -1},
        {"sgn", NAN, NAN},
        {"sqrt", 9, 3},
        {"sqrt", -0.0, -0.0},
        {"sqrt", -1, NAN},
        {"sqrt", INFINITY, INFINITY},
        {"exp", 0, 1},
        {"exp", 1, 2.718281828459045},
        {"exp", 710, INFINITY},
        {"exp", -750, 0},
        {"exp", -INFINITY, 0},
        {"exp", NAN, NAN},
        {"ln", 1, 0},
        {"ln", 10, 2.302585092994046},
        {"ln", 0, -INFINITY},
        {"ln", -0.0, -INFINITY},
        {"ln", -1, NAN},
        {"ln", INFINITY, INFINITY},
        {"log2", 8, 3},
        {"log2", 0x1p-1074, -1074},
        {"log2", 0, -INFINITY},
        {"log2", -1, NAN},
        {"log10", 1000, 3},
        {"log10", 0.001, -3},
        {"log10", 0, -INFINITY},
        {"log10", -1, NAN},
        {"acos", 1, 0},
        {"acos", -1, 3.141592653589793},
        {"acos", 1.1, NAN},
        {"acosh", 1, 0},
        {"acosh", 2, 1.3169578969248166},
        {"acosh", 0.9, NAN},
        {"acosh", INFINITY, INFINITY},
        {"asin", 1, 1.5707963267948966},
        {"asin", -0.0, -0.0},
        {"asin", -1.1, NAN},
        {"asinh", 1, 0.881373587019543},
        {"asinh", -INFINITY, -INFINITY},
        {"asinh", -0.0, -0.0},
        {"atan", 1, 0.7853981633974483},
        {"atan", INFINITY, 1.5707963267948966},
        {"atan", -0.0, -0.0},
        {"atanh", 0.5, 0.5493061443340548},
        {"atanh", 1, INFINITY},
        {"atanh", -1, -INFINITY},
        {"atanh", 1.1, NAN},
        {"cos", 0, 1},
        {"cos", 3.141592653589793, -1},
        {"cos", INFINITY, NAN},
        {"cosh", 0, 1},
        {"cosh", 1, 1.5430806348152437},
        {"cosh", -INFINITY, INFINITY},
        {"sin", 0, 0},
        {"sin", 1.5707963267948966, 1},
        {"sin", INFINITY, NAN},
        {"sinh", 1, 1.1752011936438014},
        {"sinh", -0.0, -0.0},
        {"sinh", 1000, INFINITY},
        {"tan", 0.7853981633974483, 1},
        {"tan", -0.0, -0.0},
        {"tan", -INFINITY, NAN},
        {"tanh", 1, 0.7615941559557649},
        {"tanh", INFINITY, 1},
        {"tanh", -INFINITY, -1},
        {"deg", 3.141592653589793, 180},
        {"deg", 1, 57.29577951308232},
        {"rad", 180, 3.141592653589793},
        {"rad", -INFINITY, -INFINITY},
        {"rad", NAN, NAN},
        {"clamp_min", 5, 5, 3},
        {"clamp_min", 1, 3, 3},
        {"clamp_min", -INFINITY, 3, 3},
        {"clamp_min", INFINITY, INFINITY, 3},
        {"clamp_min", NAN, NAN, 3},
        {"clamp_min", 1, NAN, NAN},
        {"clamp_min", NAN, INFINITY, INFINITY},
        {"clamp_min", -0.0, 0, 0},
        {"clamp_min", 0, 0, -0.0},
        {"clamp_max", 5, 3, 3},
        {"clamp_max", 1, 1, 3},
        {"clamp_max", INFINITY, 3, 3},
        {"clamp_max", -INFINITY, -INFINITY, 3},
        {"clamp_max", NAN, NAN, 3},
        {"clamp_max", 1, NAN, NAN},
        {"clamp_max", NAN, -INFINITY, -INFINITY},
        {"clamp_max", 0, -0.0, -0.0},
        {"clamp_max", -0.0, -0.0, 0},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const double args[2] = {0, rows[i].arg};
        char name[64];
        snprintf(name, sizeof name, "%s(%g, %g)", rows[i].name, rows[i].value, rows[i].arg);
        assert_number(name, call(rows[i].name, rows[i].value, args), rows[i].expected);
    }
}

/* A NaN whose sign alone keeps it from being the absent value stays a value. */
static void test_absent_bits(void **state) {
    (void)state;
    static const char *const names[] = {"abs", "ceil", "sqrt", "sgn", "clamp_min", "clamp_max", "rad", "exp"};
    uint64_t bits = OXP_STALE_BITS | UINT64_C(1) << 63;
    const double args[2] = {0, 1};
    double value;
    memcpy(&value, &bits, sizeof value);
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        double result = call(names[i], value, args);
        assert_true(isnan(result) && !oxp_is_absent(result));
    }
}

static void test_clamp(void **state) {
    (void)state;
    static const struct {
        const char *name, *vector, *least, *most, *expected;
    } rows[] = {
        {"empty", "", "0", "10", ""},
        {"limits", "x,a=1 -5 5 50\n", "0", "10", "{a=\"1\"} 0 5 10\n"},
        {"absent stays", "x,a=1 _ 5 _\n", "0", "10", "{a=\"1\"} _ 5 _\n"},
        {"the wrong way round", "x,a=1 1 2 3\n", "10", "0", ""},
        {"the wrong way round at one step", "x,a=1 1 2 3\n", "0 5 0", "10 4 2", "{a=\"1\"} 1 _ 2\n"},
        {"equal bounds", "x,a=1 1 2 3\n", "2", "2", "{a=\"1\"} 2 2 2\n"},
        {"NaN", "x,a=1 NaN 2 3\n", "0", "10", "{a=\"1\"} NaN 2 3\n"},
        {"bounds are NaN", "x,a=1 1 2 3\n", "NaN 0 0", "10 NaN 10", "{a=\"1\"} NaN NaN 3\n"},
        {"infinities", "x,a=1 -Inf Inf 3\n", "0 0 -Inf", "10 10 Inf", "{a=\"1\"} 0 10 3\n"},
        {"two names become one", "x,a=1 1 1 1\ny,a=1 2 2 2\n", "0", "10",
         "error: vector cannot contain metrics with the same labelset"},
        {"two names at different steps", "x,a=1 1 _ 1\ny,a=1 _ 2 _\n", "0", "10", "{a=\"1\"} 1 2 1\n"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct bench bench;
        bench_begin(&bench, "clamp", 3);
        bench_vector(&bench, rows[i].vector);
        bench_scalar(&bench, rows[i].least);
        bench_scalar(&bench, rows[i].most);
        bench_expect(&bench, rows[i].name, rows[i].expected);
    }
}

static void test_round(void **state) {
    (void)state;
    static const struct {
        const char *name, *vector, *nearest, *expected;
    } rows[] = {
        {"empty", "", NULL, ""},
        {"whole numbers", "x,a=1 1.4 1.5 -1.5\n", NULL, "{a=\"1\"} 1 2 -1\n"},
        {"ties go up", "x,a=1 0.5 -0.5 2.5\n", NULL, "{a=\"1\"} 1 0 3\n"},
        {"one is the default", "x,a=1 1.4 1.5 -1.5\n", "1", "{a=\"1\"} 1 2 -1\n"},
        {"tenths", "x,a=1 0.123 0.15 -0.26\n", "0.1", "{a=\"1\"} 0.1 0.2 -0.3\n"},
        {"hundreds", "x,a=1 149 150 -151\n", "100", "{a=\"1\"} 100 200 -200\n"},
        {"each step its own", "x,a=1 7 7 7\n", "5 10 2", "{a=\"1\"} 5 10 8\n"},
        {"to nothing", "x,a=1 7 0 -7\n", "0", "{a=\"1\"} NaN NaN NaN\n"},
        {"infinities", "x,a=1 Inf -Inf NaN\n", NULL, "{a=\"1\"} +Inf -Inf NaN\n"},
        {"absent stays", "x,a=1 _ 1.5 _\n", NULL, "{a=\"1\"} _ 2 _\n"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct bench bench;
        bench_begin(&bench, "round", 3);
        bench_vector(&bench, rows[i].vector);
        if (rows[i].nearest != NULL) {
            bench_scalar(&bench, rows[i].nearest);
        }
        bench_expect(&bench, rows[i].name, rows[i].expected);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_absent_bits),
        cmocka_unit_test(test_clamp),
        cmocka_unit_test(test_round),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
