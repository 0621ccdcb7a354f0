/* Parts of a date. */
#include "tests/unit/alerts/promql/support.h"

#include "alerts/promql/calls.h"
#include <time.h>

static const char *const names[] = {"year",        "month",         "day_of_month", "day_of_week",
                                    "day_of_year", "days_in_month", "hour",         "minute"};

static double part(const char *name, double time) {
    const struct oxp_promql_function *function = oxp_promql_function_find(oxp_view_from(name));
    assert_non_null(function);
    assert_int_equal(function->kind, OXP_FUNCTION_DATE);
    return function->math(time, NULL);
}

static void test_known(void **state) {
    (void)state;
    static const struct {
        const char *name;
        double time;
        double parts[COUNT_OF(names)]; /* in the order above */
    } rows[] = {
        {"the epoch", 0, {1970, 1, 1, 4, 1, 31, 0, 0}},
        {"before the epoch", -1, {1969, 12, 31, 3, 365, 31, 23, 59}},
        {"fractions are cut off toward zero", -0.9, {1970, 1, 1, 4, 1, 31, 0, 0}},
        {"fractions are cut off", 59.999, {1970, 1, 1, 4, 1, 31, 0, 0}},
        {"2023-11-14 22:13:20", 1700000000, {2023, 11, 14, 2, 318, 30, 22, 13}},
        {"a leap day", 1709164799, {2024, 2, 28, 3, 59, 29, 23, 59}},
        {"a leap day's first second", 1709164800, {2024, 2, 29, 4, 60, 29, 0, 0}},
        {"the end of a leap year", 1735689599, {2024, 12, 31, 2, 366, 31, 23, 59}},
        {"a leap century", 951782400, {2000, 2, 29, 2, 60, 29, 0, 0}},
        {"no leap century", 4107542400, {2100, 3, 1, 1, 60, 31, 0, 0}},
        {"the day before", 4107542399, {2100, 2, 28, 0, 59, 28, 23, 59}},
        {"the last of 1999", 946684799, {1999, 12, 31, 5, 365, 31, 23, 59}},
        {"2038", 2147483648.0, {2038, 1, 19, 2, 19, 31, 3, 14}},
        {"year 1", -62135596800, {1, 1, 1, 1, 1, 31, 0, 0}},
        {"year 0, a leap year", -62135596801, {0, 12, 31, 0, 366, 31, 23, 59}},
        {"year 10000", 253402300800, {10000, 1, 1, 6, 1, 31, 0, 0}},
        {"NaN has none", NAN, {NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN}},
        {"Inf has none", INFINITY, {NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN}},
        {"-Inf has none", -INFINITY, {NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN}},
        {"beyond 64 bits", 0x1p63, {NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN}},
        {"beyond 64 bits, before", -0x1.0000000000001p63, {NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN}},
        {"the last one", 0x1.fffffffffffffp62, {292277026596, 12, 4, 0, 339, 31, 15, 13}},
        {"the first one", -0x1p63, {-292277022657, 1, 27, 0, 27, 31, 8, 29}},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        for (size_t k = 0; k < COUNT_OF(names); k++) {
            char name[96];
            snprintf(name, sizeof name, "%s of %s", names[k], rows[i].name);
            assert_number(name, part(names[k], rows[i].time), rows[i].parts[k]);
        }
    }
}

/* Every day of 400 years, and then days far apart, as the C library has them. */
static void test_against_libc(void **state) {
    (void)state;
    int64_t seconds = -12 * INT64_C(146097) * 8640;
    for (int i = 0; i < 300000; i++) {
        time_t at = (time_t)seconds;
        struct tm tm;
        assert_non_null(gmtime_r(&at, &tm));
        struct oxp_civil civil = oxp_civil_of(seconds);
        if (civil.year != tm.tm_year + INT64_C(1900) || civil.month != tm.tm_mon + 1 || civil.day != tm.tm_mday ||
            civil.weekday != tm.tm_wday || civil.day_of_year != tm.tm_yday + 1 || civil.hour != tm.tm_hour ||
            civil.minute != tm.tm_min || civil.second != tm.tm_sec) {
            fail_msg("%lld: %lld-%d-%d", (long long)seconds, (long long)civil.year, civil.month, civil.day);
        }
        seconds += i < 150000 ? 86399 : INT64_C(86400) * 36524 + 12345;
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known),
        cmocka_unit_test(test_against_libc),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
