/* Delays are pure: (policy, n, hint, random). Hints are read as servers write them, and nonsense is not a hint. */
#include "lib/resilience/backoff.h"

#include <math.h>
#include <oxpecker/retry.h>

#include "tests/unit/lib/resilience/notes.h"

static void jitter_goes_down_only(void **state) {
    (void)state;
    static const struct {
        unsigned n;
        double random, delay;
    } rows[] = {{1, 0, 1}, {1, 0.5, 0.875}, {3, 0, 4}, {3, 1 - 1e-12, 3}, {7, 0, 60}, {7, 0.5, 52.5}, {4000000, 0, 60}};
    const struct oxp_policy *policy = oxp_policy_find(OXP_VIEW("quick"));
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        assert_true(fabs(oxp_policy_delay(policy, rows[i].n, 0, rows[i].random) - rows[i].delay) < 1e-9);
    }
}

static void a_hint_takes_the_place_of_the_delay_where_it_is_heeded(void **state) {
    (void)state;
    static const struct {
        const char *policy;
        double hint, delay;
    } rows[] = {
        {"server_wait", 7, 7}, {"server_wait", 0, 0.75}, {"server_wait", -3, 0.75}, {"server_wait", NAN, 0.75},
        {"slot", 0.2, 0.2},    {"slot", INFINITY, 3.75}, {"slot", 300, 300},        {"model", 20, 20},
        {"quick", 7, 0.75},    {"release", 7, 0.75},     {"verify", 7, 0.75},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const struct oxp_policy *policy = oxp_policy_find(oxp_view_from(rows[i].policy));
        assert_true(fabs(oxp_policy_delay(policy, 1, rows[i].hint, 1 - 1e-12) - rows[i].delay) < 1e-9);
    }
}

#define NOW 784111777.0 /* Sun, 06 Nov 1994 08:49:37 GMT */

static const struct {
    const char *ms, *text;
    double hint; /* 0 = none */
} hints[] = {
    {"", "7", 7},
    {"", " 7\t", 7},
    {"", "1.5", 1.5},
    {"1500", "", 1.5},
    {"1500", "7", 1.5},
    {"soon", "7", 7},
    {"0", "7", 7},
    {"-5", "7", 7},
    {"", "90000", 86400},
    {"", "99999999999999999999", 86400},
    {"", "Sun, 06 Nov 1994 08:49:47 GMT", 10},
    {"", "Sunday, 06-Nov-94 08:49:47 GMT", 10},
    {"", "Sun Nov  6 08:50:37 1994", 60},
    {"", "Mon, 07 Nov 1994 08:49:37 GMT", 86400},
    {"", "Fri, 06 Nov 2044 08:49:37 GMT", 86400},
    {"", "", 0},
    {"", "0", 0},
    {"", "-1", 0},
    {"", "1e999", 0},
    {"", "NaN", 0},
    {"", "inf", 0},
    {"", "7 s", 0},
    {"", "tomorrow", 0},
    {"", "Sun, 06 Nov 1994 08:49:37 GMT", 0}, /* now */
    {"", "Sun, 06 Nov 1994 08:49:27 GMT", 0}, /* past */
    {"", "Sun, 06 Nov 1994 08:49:47 UTC", 0},
    {"", "Sun, 06 Nov 1994 08:49:47 GMT.", 0},
    {"", "Sun, 06 Nov 1994 24:49:47 GMT", 0},
    {"", "Sun, 06 Nov 1994 08:60:47 GMT", 0},
    {"", "Sun, 31 Nov 1994 08:49:47 GMT", 0},
    {"", "Sun, 00 Nov 1994 08:49:47 GMT", 0},
    {"", "Sun, 06 Nvo 1994 08:49:47 GMT", 0},
    {"", "Sun, 06 Nov 0000 08:49:47 GMT", 0},
    {"", "Sun, 6 Nov 1994 08:49:47 GMT", 0},
    {"", "Sun, ", 0},
};

static void hints_are_read(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT_OF(hints); i++) {
        double hint = -1;
        bool found = oxp_hint_parse(oxp_view_from(hints[i].ms), oxp_view_from(hints[i].text), NOW, &hint);
        if (found != (hints[i].hint != 0) || (found && fabs(hint - hints[i].hint) > 1e-9) || (!found && hint != -1)) {
            fail_msg("\"%s\" \"%s\": %d %g", hints[i].ms, hints[i].text, found, hint);
        }
    }
    double hint = -1;
    assert_false(oxp_hint_parse(oxp_view_of(NULL, 0), oxp_view_of(NULL, 0), NOW, &hint));
    /* no byte behind the view is read */
    assert_true(oxp_hint_parse(OXP_VIEW(""), oxp_view_of("75", 1), NOW, &hint));
    assert_true(hint == 7);
}

static void dates_are_the_calendar_s(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int64_t unix_s;
    } rows[] = {
        {"Thu, 01 Jan 1970 00:00:00 GMT", 0},
        {"Tue, 29 Feb 2000 23:59:59 GMT", 951868799},
        {"Thu, 29 Feb 2024 00:00:00 GMT", 1709164800},
        {"Sat, 31 Dec 2016 23:59:60 GMT", 1483228800}, /* a leap second */
        {"Mon, 19 Jan 2038 03:14:08 GMT", 2147483648},
        {"Sunday, 06-Nov-44 08:49:37 GMT", 2362034977}, /* 50 years ahead */
        {"Sunday, 06-Nov-45 08:49:37 GMT", -762189023}, /* 51: the past one */
        {"Saturday, 01-Jan-00 00:00:00 GMT", 946684800},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        int64_t unix_s = 0;
        assert_true(oxp_http_date_parse(oxp_view_from(rows[i].text), NOW, &unix_s));
        if (unix_s != rows[i].unix_s) {
            fail_msg("%s: %lld", rows[i].text, (long long)unix_s);
        }
    }
    int64_t unix_s;
    assert_false(oxp_http_date_parse(OXP_VIEW("Wed, 29 Feb 2023 00:00:00 GMT"), NOW, &unix_s));
    assert_false(oxp_http_date_parse(OXP_VIEW("Thu, 29 Feb 1900 00:00:00 GMT"), NOW, &unix_s));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(jitter_goes_down_only),
        cmocka_unit_test(a_hint_takes_the_place_of_the_delay_where_it_is_heeded),
        cmocka_unit_test(hints_are_read),
        cmocka_unit_test(dates_are_the_calendar_s),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
