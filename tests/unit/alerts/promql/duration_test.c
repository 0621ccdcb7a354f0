/* Durations: texts and milliseconds. */
#include "tests/unit/alerts/promql/support.h"

#include "alerts/promql/lexer.h"
#include "alerts/promql/parse.h"

static const struct {
    const char *text;
    int64_t ms;
    const char *printed; /* NULL: as written */
} taken[] = {
    {"0", 0, "0s"},
    {"0s", 0, NULL},
    {"0m0s", 0, "0s"},
    {"1ms", 1, NULL},
    {"999ms", 999, NULL},
    {"1500ms", 1500, "1s500ms"},
    {"15s", 15000, NULL},
    {"60s", 60000, "1m"},
    {"1m30s", 90000, NULL},
    {"90m", 5400000, "1h30m"},
    {"1h30m", 5400000, NULL},
    {"24h", 86400000, "1d"},
    {"7d", 604800000, "1w"},
    {"90d", INT64_C(7776000000), NULL},
    {"12w6d", INT64_C(7776000000), "90d"},
    {"8d", 691200000, NULL},
    {"1w", 604800000, NULL},
    {"365d", INT64_C(31536000000), "1y"},
    {"1y", INT64_C(31536000000), NULL},
    {"52w1d", INT64_C(31536000000), "1y"},
    {"1y2w3d4h5m6s7ms", INT64_C(33019506007), "382d4h5m6s7ms"},
    {"00015s", 15000, "15s"},
    {"9223372036854ms", INT64_C(9223372036854), "106751d23h47m16s854ms"},
    {"292y", INT64_C(9208512000000), NULL},
};

static void reads_and_prints(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT_OF(taken); i++) {
        int64_t ms = -1;
        struct oxp_buf out;
        oxp_buf_init(&out, 0);
        enum oxp_status status = oxp_promql_parse_duration(oxp_view_from(taken[i].text), &ms);
        oxp_promql_print_duration(&out, ms);
        if (status != OXP_OK || ms != taken[i].ms) {
            fail_msg("%s: %s %lld", taken[i].text, oxp_status_name(status), (long long)ms);
        }
        assert_string_equal(oxp_buf_text(&out), taken[i].printed == NULL ? taken[i].text : taken[i].printed);
        oxp_buf_fini(&out);
    }
}

static const struct {
    const char *text;
    enum oxp_status status;
    const char *words;
} refused[] = {
    {"", OXP_ERR_SYNTAX, "empty duration string"},
    {"5", OXP_ERR_SYNTAX, "not a valid duration string: \"5\""},
    {"00", OXP_ERR_SYNTAX, "not a valid duration string: \"00\""},
    {"m", OXP_ERR_SYNTAX, "not a valid duration string: \"m\""},
    {"-5m", OXP_ERR_SYNTAX, "not a valid duration string: \"-5m\""},
    {"+5m", OXP_ERR_SYNTAX, "not a valid duration string: \"+5m\""},
    {"5m3", OXP_ERR_SYNTAX, "not a valid duration string: \"5m3\""},
    {"1s1m", OXP_ERR_SYNTAX, "not a valid duration string: \"1s1m\""},
    {"1m1m", OXP_ERR_SYNTAX, "not a valid duration string: \"1m1m\""},
    {"1ms1s", OXP_ERR_SYNTAX, "not a valid duration string: \"1ms1s\""},
    {"1.5h", OXP_ERR_SYNTAX, "unknown unit \".\" in duration \"1.5h\""},
    {"5 m", OXP_ERR_SYNTAX, "unknown unit \" m\" in duration \"5 m\""},
    {" 5m", OXP_ERR_SYNTAX, "not a valid duration string: \" 5m\""},
    {"5M", OXP_ERR_SYNTAX, "unknown unit \"M\" in duration \"5M\""},
    {"5min", OXP_ERR_SYNTAX, "unknown unit \"min\" in duration \"5min\""},
    {"99999999999999999999s", OXP_ERR_SYNTAX, "not a valid duration string: \"99999999999999999999s\""},
    {"9223372036855ms", OXP_ERR_RANGE, "duration out of range"},
    {"293y", OXP_ERR_RANGE, "duration out of range"},
    {"292y106751d", OXP_ERR_RANGE, "duration out of range"},
};

static void refuses(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT_OF(refused); i++) {
        int64_t ms = -1;
        struct oxp_error error = {0};
        enum oxp_status status = oxp_duration_read(oxp_view_from(refused[i].text), &ms, &error);
        if (status != refused[i].status || strcmp(error.text, refused[i].words) != 0 || ms != -1) {
            fail_msg("%s: %s %s", refused[i].text, oxp_status_name(status), error.text);
        }
        assert_int_equal(oxp_promql_parse_duration(oxp_view_from(refused[i].text), &ms), refused[i].status);
    }
}

static void prints_negative_ones(void **state) {
    (void)state;
    struct oxp_buf out;
    oxp_buf_init(&out, 0);
    oxp_promql_print_duration(&out, -5400000);
    oxp_buf_append_char(&out, ' ');
    oxp_promql_print_duration(&out, INT64_MIN); /* whatever it is, it ends */
    assert_memory_equal(oxp_buf_text(&out), "-1h30m -", 8);
    oxp_buf_fini(&out);
}

static const struct {
    double seconds;
    enum oxp_status status;
    int64_t ms;
} seconds_rows[] = {
    {0, OXP_OK, 0},
    {300, OXP_OK, 300000},
    {-300, OXP_OK, -300000},
    {0.001, OXP_OK, 1},
    {1.0005, OXP_OK, 1000}, /* whole milliseconds, towards zero */
    {-1.0005, OXP_OK, -1000},
    {0.0009999999999, OXP_OK, 1},                     /* whole nanoseconds first, rounded */
    {9223372036.854, OXP_OK, INT64_C(9223372036853)}, /* as near as a double of so many nanoseconds is */
    {9223372036.854775, OXP_OK, INT64_C(9223372036854)},
    {-9223372036.854775, OXP_OK, INT64_C(-9223372036854)},
    {9223372037.0, OXP_ERR_RANGE, 7},
    {-9223372037.0, OXP_ERR_RANGE, 7},
    {INFINITY, OXP_ERR_RANGE, 7},
    {-INFINITY, OXP_ERR_RANGE, 7},
    {NAN, OXP_ERR_RANGE, 7},
};

static void makes_milliseconds_of_seconds(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT_OF(seconds_rows); i++) {
        int64_t ms = 7;
        assert_int_equal(oxp_duration_from_seconds(seconds_rows[i].seconds, &ms), seconds_rows[i].status);
        assert_int_equal(ms, seconds_rows[i].ms);
    }
    assert_true(oxp_duration_seconds(5400007) == 5400.007);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_and_prints),
        cmocka_unit_test(refuses),
        cmocka_unit_test(prints_negative_ones),
        cmocka_unit_test(makes_milliseconds_of_seconds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
