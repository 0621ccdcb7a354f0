/* The table of functions, and the texts that they share. */
#include "tests/unit/alerts/promql/call_support.h"

#include <locale.h>

static void test_table(void **state) {
    (void)state;
    const struct oxp_promql_function *rows;
    size_t count = oxp_promql_functions(&rows), kinds[OXP_FUNCTION_REFUSED + 1] = {0};
    assert_int_equal(count, 90); /* of Prometheus 3.14 */
    for (size_t i = 0; i < count; i++) {
        const struct oxp_promql_function *row = &rows[i];
        kinds[row->kind]++;
        /* Found under its name, so no name stands there twice. */
        assert_ptr_equal(oxp_promql_function_find(oxp_view_from(row->name)), row);
        assert_int_equal(row->range != NULL, row->kind == OXP_FUNCTION_RANGE);
        assert_int_equal(row->math != NULL, row->kind == OXP_FUNCTION_MATH || row->kind == OXP_FUNCTION_DATE);
        assert_int_equal(row->special != NULL, row->kind == OXP_FUNCTION_SPECIAL);
        assert_int_equal(row->refusal != NULL, row->kind == OXP_FUNCTION_REFUSED);
        assert_true(row->check == NULL || row->kind == OXP_FUNCTION_RANGE);
        assert_true(row->help != NULL && strlen(row->help) >= 4 && strchr(row->help, '\n') == NULL);
        assert_int_equal(strspn(row->args, "mvst?*"), strlen(row->args));
        const char *m = strchr(row->args, 'm');
        assert_true(row->kind != OXP_FUNCTION_RANGE || (m != NULL && strchr(m + 1, 'm') == NULL));
        assert_true(row->kind != OXP_FUNCTION_MATH || row->args[0] == 'v');
        assert_true(row->returns == OXP_PROMQL_VECTOR || row->returns == OXP_PROMQL_SCALAR);
    }
    assert_int_equal(kinds[OXP_FUNCTION_DATE], 8);
    assert_int_equal(kinds[OXP_FUNCTION_ENGINE], 7);
    assert_int_equal(kinds[OXP_FUNCTION_REFUSED], 17 + 5); /* experimental; of native histograms */
}

static void test_rows(void **state) {
    (void)state;
    static const struct {
        const char *name, *args;
        enum oxp_function_kind kind;
        enum oxp_promql_type returns;
        bool keeps_name, wants_counter;
    } rows[] = {
        {"rate", "m", OXP_FUNCTION_RANGE, OXP_PROMQL_VECTOR, false, true},
        {"increase", "m", OXP_FUNCTION_RANGE, OXP_PROMQL_VECTOR, false, true},
        {"irate", "m", OXP_FUNCTION_RANGE, OXP_PROMQL_VECTOR, false, false}, /* Prometheus does not look there */
        {"delta", "m", OXP_FUNCTION_RANGE, OXP_PROMQL_VECTOR, false, false},
        {"predict_linear", "ms", OXP_FUNCTION_RANGE, OXP_PROMQL_VECTOR, false, false},
        {"quantile_over_time", "sm", OXP_FUNCTION_RANGE, OXP_PROMQL_VECTOR, false, false},
        {"last_over_time", "m", OXP_FUNCTION_RANGE, OXP_PROMQL_VECTOR, true, false},
        {"first_over_time", "m", OXP_FUNCTION_RANGE, OXP_PROMQL_VECTOR, true, false},
        {"max_over_time", "m", OXP_FUNCTION_RANGE, OXP_PROMQL_VECTOR, false, false},
        {"absent_over_time", "m", OXP_FUNCTION_ENGINE, OXP_PROMQL_VECTOR, false, false},
        {"abs", "v", OXP_FUNCTION_MATH, OXP_PROMQL_VECTOR, false, false},
        {"clamp_min", "vs", OXP_FUNCTION_MATH, OXP_PROMQL_VECTOR, false, false},
        {"clamp", "vss", OXP_FUNCTION_SPECIAL, OXP_PROMQL_VECTOR, false, false},
        {"round", "vs?", OXP_FUNCTION_SPECIAL, OXP_PROMQL_VECTOR, false, false},
        {"month", "v?", OXP_FUNCTION_DATE, OXP_PROMQL_VECTOR, false, false},
        {"time", "", OXP_FUNCTION_ENGINE, OXP_PROMQL_SCALAR, false, false},
        {"pi", "", OXP_FUNCTION_ENGINE, OXP_PROMQL_SCALAR, false, false},
        {"scalar", "v", OXP_FUNCTION_ENGINE, OXP_PROMQL_SCALAR, false, false},
        {"vector", "s", OXP_FUNCTION_ENGINE, OXP_PROMQL_VECTOR, false, false},
        {"sort", "v", OXP_FUNCTION_SPECIAL, OXP_PROMQL_VECTOR, true, false},
        {"label_replace", "vtttt", OXP_FUNCTION_SPECIAL, OXP_PROMQL_VECTOR, true, false},
        {"label_join", "vttt*", OXP_FUNCTION_SPECIAL, OXP_PROMQL_VECTOR, true, false},
        {"histogram_quantile", "sv", OXP_FUNCTION_SPECIAL, OXP_PROMQL_VECTOR, false, false},
        {"histogram_fraction", "ssv", OXP_FUNCTION_SPECIAL, OXP_PROMQL_VECTOR, false, false},
        {"histogram_count", "v", OXP_FUNCTION_REFUSED, OXP_PROMQL_VECTOR, false, false},
        {"histogram_quantiles", "vtss*", OXP_FUNCTION_REFUSED, OXP_PROMQL_VECTOR, false, false},
        {"mad_over_time", "m", OXP_FUNCTION_REFUSED, OXP_PROMQL_VECTOR, false, false},
        {"start", "", OXP_FUNCTION_REFUSED, OXP_PROMQL_SCALAR, false, false},
        {"info", "vv?", OXP_FUNCTION_REFUSED, OXP_PROMQL_VECTOR, false, false},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const struct oxp_promql_function *row = oxp_promql_function_find(oxp_view_from(rows[i].name));
        assert_non_null(row);
        assert_string_equal(row->args, rows[i].args);
        assert_int_equal(row->kind, rows[i].kind);
        assert_int_equal(row->returns, rows[i].returns);
        assert_int_equal(row->keeps_name, rows[i].keeps_name);
        assert_int_equal(row->wants_counter, rows[i].wants_counter);
    }
    static const char *const unknown[] = {"", "rat", "rates", "Rate", "rate ", "sum", "holt_winters", "limitk"};
    for (size_t i = 0; i < COUNT_OF(unknown); i++) {
        assert_null(oxp_promql_function_find(oxp_view_from(unknown[i])));
    }
}

static void test_numbers(void **state) {
    (void)state;
    static const struct {
        double value;
        const char *text, *short_text; /* Go's %g and %.2g */
    } rows[] = {
        {0, "0", "0"},
        {-0.0, "-0", "-0"},
        {1, "1", "1"},
        {-1.5, "-1.5", "-1.5"},
        {2, "2", "2"},
        {0.1, "0.1", "0.1"},
        {12.5, "12.5", "12"},
        {10, "10", "10"},
        {99.9, "99.9", "1e+02"},
        {100, "100", "1e+02"},
        {123456, "123456", "1.2e+05"},
        {100000, "100000", "1e+05"},
        {1000000, "1e+06", "1e+06"},
        {1234567, "1.234567e+06", "1.2e+06"},
        {-12345678.9, "-1.23456789e+07", "-1.2e+07"},
        {1e21, "1e+21", "1e+21"},
        {1e100, "1e+100", "1e+100"},
        {0.001, "0.001", "0.001"},
        {0.0001, "0.0001", "0.0001"},
        {0.00012345, "0.00012345", "0.00012"},
        {0.00001, "1e-05", "1e-05"},
        {0.000015, "1.5e-05", "1.5e-05"},
        {1e-9, "1e-09", "1e-09"},
        {5e-324, "5e-324", "4.9e-324"},
        {0.30000000000000004, "0.30000000000000004", "0.3"},
        {-1.7976931348623157e308, "-1.7976931348623157e+308", "-1.8e+308"},
        {INFINITY, "+Inf", "+Inf"},
        {-INFINITY, "-Inf", "-Inf"},
        {NAN, "NaN", "NaN"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char text[OXP_NUMBER_MAX];
        size_t len = oxp_promql_number_g(text, rows[i].value, false);
        assert_int_equal(len, strlen(rows[i].text));
        assert_memory_equal(text, rows[i].text, len);
        len = oxp_promql_number_g(text, rows[i].value, true);
        assert_int_equal(len, strlen(rows[i].short_text));
        assert_memory_equal(text, rows[i].short_text, len);
    }
}

/* Whatever the locale has for a decimal point. */
static void test_numbers_in_a_locale(void **state) {
    (void)state;
    if (setlocale(LC_ALL, "de_DE.UTF-8") == NULL && setlocale(LC_ALL, "fr_FR.UTF-8") == NULL) {
        skip(); /* none is installed */
    }
    test_numbers(state);
    setlocale(LC_ALL, "C");
}

static void test_quantile_warning(void **state) {
    (void)state;
    static const struct {
        double phi;
        const char *text; /* NULL: nothing to say */
    } rows[] = {
        {0, NULL},
        {-0.0, NULL},
        {0.5, NULL},
        {1, NULL},
        {1.0000001, "PromQL warning: quantile value should be between 0 and 1, got 1.0000001 (1:3)"},
        {-1, "PromQL warning: quantile value should be between 0 and 1, got -1 (1:3)"},
        {99, "PromQL warning: quantile value should be between 0 and 1, got 99 (1:3)"},
        {1e6, "PromQL warning: quantile value should be between 0 and 1, got 1e+06 (1:3)"},
        {NAN, "PromQL warning: quantile value should be between 0 and 1, got NaN (1:3)"},
        {INFINITY, "PromQL warning: quantile value should be between 0 and 1, got +Inf (1:3)"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct bench bench;
        const double args[2] = {rows[i].phi, 0};
        bench_begin(&bench, "quantile_over_time", 1);
        bench_scalar(&bench, "0");
        bench_vector(&bench, "");
        bench.node.call.function->check(&bench.query, &bench.node, args);
        bench.node.call.function->check(&bench.query, &bench.node, args); /* once is enough */
        assert_int_equal(bench.query.annotation_count, rows[i].text == NULL ? 0 : 1);
        if (rows[i].text != NULL) {
            assert_true(oxp_view_is(bench.query.annotations[0].text, rows[i].text));
            assert_int_equal(bench.query.annotations[0].level, OXP_ANNOTATION_WARNING);
        }
        bench_end(&bench);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_numbers_in_a_locale),
        cmocka_unit_test(test_quantile_warning),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
