/* Times, durations, limits and names as the Prometheus HTTP API takes them; selectors of match[] and of expressions. */
#include "exporter/api/query_args.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/support/alloc_fail.h"

#define COUNT(rows) (sizeof(rows) / sizeof(rows)[0])

static const struct {
    const char *text;
    int64_t ms;
} times[] = {
    /* unix seconds */
    {"0", 0},
    {"1435781451", 1435781451000},
    {"1435781451.781", 1435781451781},
    {"1435781451.7814", 1435781451781},
    {"1435781451.7816", 1435781451782},
    {"0.0004", 0},
    {"0.0005", 1},
    {"-0.001", -1},
    {"-1.5", -1500},
    {"1.435781451781e9", 1435781451781},
    {"+12", 12000},
    {".5", 500},
    {"1700000000000", 1700000000000000}, /* milliseconds, as Grafana's test for exemplars sends them */
    {"-9223309901257974", OXP_QUERY_MIN_MS},
    {"9223309901257975", OXP_QUERY_MAX_MS},
    {"1e300", OXP_QUERY_MAX_MS},
    {"-1e300", OXP_QUERY_MIN_MS},
    /* RFC 3339 */
    {"1970-01-01T00:00:00Z", 0},
    {"2015-07-01T20:10:51.781Z", 1435781451781},
    {"2015-07-01T20:10:51Z", 1435781451000},
    {"2015-07-01T22:10:51.781+02:00", 1435781451781},
    {"2015-07-01T14:40:51.781-05:30", 1435781451781},
    {"2015-07-01T20:10:51.7819999Z", 1435781451781},
    {"2015-07-01T20:10:51.1Z", 1435781451100},
    {"2015-07-01T20:10:51,25Z", 1435781451250},
    {"2000-02-29T12:00:00Z", 951825600000},
    {"1969-12-31T23:59:59.5Z", -500},
    {"0001-01-01T00:00:00Z", -62135596800000},
    {"9999-12-31T23:59:59Z", 253402300799000},
};

static const char *const bad_times[] = {
    "",
    " ",
    "now",
    "1 ",
    "1s",
    "NaN",
    "+Inf",
    "-Infinity",
    "1e",
    "0x",
    "2015-07-01",
    "2015-07-01 20:10:51Z",
    "2015-07-01t20:10:51Z",
    "2015-07-01T20:10:51",
    "2015-07-01T20:10:51z",
    "2015-07-01T20:10:51.Z",
    "2015-07-01T20:10:51+0200",
    "2015-07-01T20:10:51 02:00",
    "2015-07-01T20:10:51+25:00",
    "2015-07-01T20:10:51+02:60",
    "2015-07-01T24:00:00Z",
    "2015-07-01T20:60:00Z",
    "2015-07-01T20:00:60Z",
    "2015-13-01T00:00:00Z",
    "2015-00-01T00:00:00Z",
    "2015-04-31T00:00:00Z",
    "2015-01-00T00:00:00Z",
    "2015-02-29T00:00:00Z",
    "2015-07-01T20:10:51ZZ",
    "15-07-01T20:10:51Z",
};

static void test_times(void **state) {
    (void)state;
    struct oxp_error error;
    for (size_t i = 0; i < COUNT(times); i++) {
        int64_t ms = -1;
        if (oxp_query_time(oxp_view_from(times[i].text), &ms, &error) != OXP_OK || ms != times[i].ms) {
            fail_msg("%s: %lld", times[i].text, (long long)ms);
        }
    }
    for (size_t i = 0; i < COUNT(bad_times); i++) {
        int64_t ms;
        char want[128];
        if (oxp_query_time(oxp_view_from(bad_times[i]), &ms, &error) != OXP_ERR_SYNTAX) {
            fail_msg("taken: %s", bad_times[i]);
        }
        snprintf(want, sizeof want, "cannot parse \"%s\" to a valid timestamp", bad_times[i]);
        assert_string_equal(error.text, want);
    }
}

static void test_durations(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int64_t ms;
    } rows[] = {
        {"15", 15000},       {"0.5", 500},      {"0", 0},
        {"-1", -1000},       {"1e3", 1000000},  {"0.0009", 0},
        {"15s", 15000},      {"1m30s", 90000},  {"1h", 3600000},
        {"500ms", 500},      {"2d", 172800000}, {"1w", 604800000},
        {"1y", 31536000000}, {"0s", 0},         {"9000000000", 9000000000000},
    };
    static const struct {
        const char *text, *error;
    } bad[] = {
        {"", "cannot parse \"\" to a valid duration"},
        {"x", "cannot parse \"x\" to a valid duration"},
        {"1s1m", "cannot parse \"1s1m\" to a valid duration"},
        {"-1s", "cannot parse \"-1s\" to a valid duration"},
        {"1.5m", "cannot parse \"1.5m\" to a valid duration"},
        {"NaN", "cannot parse \"NaN\" to a valid duration"},
        {"1e10", "cannot parse \"1e10\" to a valid duration. It overflows int64"},
        {"Inf", "cannot parse \"Inf\" to a valid duration. It overflows int64"},
        {"a\"b\n", "cannot parse \"a\\\"b\\n\" to a valid duration"},
    };
    struct oxp_error error;
    for (size_t i = 0; i < COUNT(rows); i++) {
        int64_t ms = -1;
        if (oxp_query_duration(oxp_view_from(rows[i].text), &ms, &error) != OXP_OK || ms != rows[i].ms) {
            fail_msg("%s: %lld", rows[i].text, (long long)ms);
        }
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        int64_t ms;
        if (oxp_query_duration(oxp_view_from(bad[i].text), &ms, &error) == OXP_OK) {
            fail_msg("taken: %s", bad[i].text);
        }
        assert_string_equal(error.text, bad[i].error);
    }
}

static void test_limits(void **state) {
    (void)state;
    static const struct {
        const char *text;
        size_t limit;
        const char *error;
    } rows[] = {
        {"", 0, NULL},
        {"0", 0, NULL},
        {"40000", 40000, NULL},
        {"+3", 3, NULL},
        {"-0", 0, NULL},
        {"-1", 0, "limit must be non-negative"},
        {"x", 0, "strconv.Atoi: parsing \"x\": invalid syntax"},
        {"1.5", 0, "strconv.Atoi: parsing \"1.5\": invalid syntax"},
        {"-", 0, "strconv.Atoi: parsing \"-\": invalid syntax"},
        {" 1", 0, "strconv.Atoi: parsing \" 1\": invalid syntax"},
        {"9223372036854775808", 0, "strconv.Atoi: parsing \"9223372036854775808\": value out of range"},
        {"99999999999999999999999", 0, "strconv.Atoi: parsing \"99999999999999999999999\": value out of range"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct oxp_error error = {0};
        size_t limit = 99;
        bool ok = oxp_query_limit(oxp_view_from(rows[i].text), &limit, &error) == OXP_OK;
        if (ok != (rows[i].error == NULL) || limit != rows[i].limit) {
            fail_msg("%s: %zu", rows[i].text, limit);
        }
        assert_string_equal(error.text, ok ? "" : rows[i].error);
    }
}

static void test_label_names(void **state) {
    (void)state;
    static const struct {
        const char *text, *name; /* NULL: refused */
    } rows[] = {
        {"job", "job"},
        {"__name__", "__name__"},
        {"a.b", "a.b"},
        {"U__a_2e_b", "a.b"},
        {"U__a__b", "a_b"},
        {"U___e9_t_e9_", "\xc3\xa9t\xc3\xa9"},
        {"U___1F600_", "\xf0\x9f\x98\x80"},
        {"U__", NULL},
        /* not well escaped: as it stands */
        {"U__a_2e", "U__a_2e"},
        {"U__a_", "U__a_"},
        {"U__a_zz_", "U__a_zz_"},
        {"U__a_d800_", "U__a_d800_"},
        {"U__a_110000_", "U__a_110000_"},
        {"U__a_0000041_", "U__a_0000041_"},
        {"u__a_2e_b", "u__a_2e_b"},
        {"", NULL},
        {"\xff", NULL},
    };
    struct oxp_buf name;
    oxp_buf_init(&name, 0);
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct oxp_error error = {0};
        enum oxp_status status = oxp_query_label_name(oxp_view_from(rows[i].text), &name, &error);
        if (status != (rows[i].name == NULL ? OXP_ERR_INVALID : OXP_OK) ||
            (rows[i].name != NULL && strcmp(oxp_buf_text(&name), rows[i].name) != 0)) {
            fail_msg("%s: %s %s", rows[i].text, oxp_buf_text(&name), error.text);
        }
    }
    struct oxp_error error = {0};
    oxp_query_label_name(OXP_VIEW(""), &name, &error);
    assert_string_equal(error.text, "invalid label name: \"\"");
    oxp_buf_fini(&name);
}

static void test_messages(void **state) {
    (void)state;
    char out[64], small[20];
    oxp_query_parse_error(&(struct oxp_error){2, 7, "unexpected x"}, out, sizeof out);
    assert_string_equal(out, "2:7: parse error: unexpected x");
    oxp_query_parse_error(&(struct oxp_error){0, 0, "no expression found in input"}, out, sizeof out);
    assert_string_equal(out, "unknown position: parse error: no expression found in input");
    oxp_query_quote(OXP_VIEW("abcdefghijklmnopqrstuvwxyz"), small, sizeof small);
    assert_string_equal(small, "\"abc\"");
}

static void test_selectors(void **state) {
    (void)state;
    static const char *const good[] = {"up", "{job=\"x\"}", "up{job=~\"a.*\"}", "{__name__=~\".+\"}", "{a!=\"\"}"};
    static const struct {
        const char *text, *error;
    } bad[] = {
        {"{}", "match[] must contain at least one non-empty matcher"},
        {"{job=~\".*\"}", "match[] must contain at least one non-empty matcher"},
        {"{job=\"\"}", "match[] must contain at least one non-empty matcher"},
        {"{job!=\"x\"}", "match[] must contain at least one non-empty matcher"},
        {"", "parse error"},
        {"up{", "parse error"},
        {"up + 1", "parse error"},
        {"rate(up[5m])", "parse error"},
        {"up{job=~\"(\"}", "parse error"},
    };
    struct oxp_query_selectors all = {0};
    struct oxp_error error = {0};
    for (size_t i = 0; i < COUNT(good); i++) {
        if (oxp_query_selectors_add(&all, oxp_view_from(good[i]), &error) != OXP_OK) {
            fail_msg("%s: %s", good[i], error.text);
        }
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        error.text[0] = '\0';
        if (oxp_query_selectors_add(&all, oxp_view_from(bad[i].text), &error) == OXP_OK ||
            strstr(error.text, bad[i].error) == NULL) {
            fail_msg("%s: %s", bad[i].text, error.text);
        }
    }
    assert_int_equal(all.count, COUNT(good));
    struct oxp_arena arena;
    struct oxp_labels_builder builder;
    oxp_arena_init(&arena, 0);
    oxp_labels_build(&builder, &arena, oxp_labels_none());
    oxp_labels_set_text(&builder, OXP_VIEW("__name__"), OXP_VIEW("down"));
    const struct oxp_labels *labels = oxp_labels_finish(&builder);
    assert_false(oxp_query_selectors_accept(&all, 3, labels));
    assert_true(oxp_query_selectors_accept(&all, 4, labels));
    assert_false(oxp_query_selectors_accept(&all, 0, labels));
    oxp_arena_fini(&arena);
    oxp_query_selectors_fini(&all);
}

/* Many patterns, each within its expression's limit, are too many together. */
static void test_selectors_patterns(void **state) {
    (void)state;
    static const char text[] = "{a=~\"(ab){999}(ab){999}\",b=~\"(ab){999}(ab){999}\"}";
    struct oxp_query_selectors all = {0};
    struct oxp_error error = {0};
    enum oxp_status status;
    while ((status = oxp_query_selectors_add(&all, oxp_view_from(text), &error)) == OXP_OK) {
        assert_true(all.regex_bytes <= OXP_PROMQL_PATTERNS_MAX);
    }
    assert_int_equal(status, OXP_ERR_LIMIT);
    assert_string_equal(error.text, "the regular expressions take more than 8 MiB");
    assert_in_range(all.count, 20, 500);
    size_t count = all.count;
    assert_int_equal(oxp_query_selectors_add(&all, OXP_VIEW("up"), &error), OXP_OK);
    assert_int_equal(all.count, count + 1);
    oxp_query_selectors_fini(&all);
}

static bool note(void *ctx, const struct oxp_promql_node *selector) {
    struct oxp_buf *seen = ctx;
    oxp_buf_append_view(seen, selector->selector.name);
    oxp_buf_append_char(seen, ' ');
    return !oxp_view_is(selector->selector.name, "stop");
}

static void test_every_selector(void **state) {
    (void)state;
    static const struct {
        const char *expr, *seen;
    } rows[] = {
        {"1 + 1", ""},
        {"\"text\"", ""},
        {"a", "a "},
        {"(a + -b) / on (x) c", "a b c "},
        {"histogram_quantile(0.9, sum by (le) (rate(a[5m] offset 1m)))", "a "},
        {"topk(scalar(k), max_over_time(rate(a[1m])[1h:] @ end()))", "k a "},
        {"label_replace(a, \"x\", \"$1\", \"y\", \"(.*)\") and b{job=\"x\"}[5m:1m] > 0", NULL},
        {"stop + b", "stop "},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct oxp_promql_expr *expr = NULL;
        struct oxp_error error = {0};
        enum oxp_status status = oxp_promql_parse(oxp_view_from(rows[i].expr), &expr, &error);
        if ((status == OXP_OK) != (rows[i].seen != NULL)) {
            fail_msg("%s: %s", rows[i].expr, error.text);
        }
        if (status == OXP_OK) {
            struct oxp_buf seen;
            oxp_buf_init(&seen, 0);
            bool all = oxp_query_each_selector(expr->root, note, &seen);
            assert_string_equal(oxp_buf_text(&seen), rows[i].seen);
            assert_int_equal(all, strncmp(rows[i].seen, "stop", 4) != 0);
            oxp_buf_fini(&seen);
            oxp_promql_expr_free(expr);
        }
    }
}

static void select_once(void *ctx) {
    (void)ctx;
    struct oxp_query_selectors all = {0};
    struct oxp_error error = {0};
    enum oxp_status status = oxp_query_selectors_add(&all, OXP_VIEW("up{job=~\"a.*\"}"), &error);
    assert_true(status == OXP_OK || (status == OXP_ERR_NOMEM && alloc_fail_hit() && all.count == 0));
    oxp_query_selectors_fini(&all);
}

static void test_no_memory(void **state) {
    (void)state;
    assert_true(alloc_fail_each(select_once, NULL) >= 3);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_durations),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_label_names),
        cmocka_unit_test(test_messages),
        cmocka_unit_test(test_selectors),
        cmocka_unit_test(test_selectors_patterns),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_every_selector),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
