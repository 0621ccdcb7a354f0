/* The reader under the parser: numbers exact, strings wherever they lie, nothing read past the end. */
#include "exporter/parse/json.h"

#include "lib/base/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct oxp_parse over(const char *text, size_t len) {
    return (struct oxp_parse){.start = text, .pos = text, .end = text + len};
}

static void number_is(const char *text, double want) {
    struct oxp_parse json = over(text, strlen(text));
    struct oxp_parse_number number;
    assert_true(oxp_parse_number(&json, &number));
    assert_ptr_equal(json.pos, json.end);
    if (number.value != want) {
        fail_msg("%s: got %.17g, want %.17g", text, number.value, want);
    }
}

static void numbers(void **state) {
    (void)state;
    static const char *const texts[] = {"0",
                                        "-0",
                                        "1",
                                        "9",
                                        "10",
                                        "0.5",
                                        "-0.5",
                                        "1e0",
                                        "1E5",
                                        "1e+5",
                                        "1e-5",
                                        "123456789012345678",
                                        "9007199254740993",
                                        "18446744073709551615",
                                        "18446744073709551616",
                                        "99999999999999999999999",
                                        "1e22",
                                        "1e23",
                                        "1e-22",
                                        "1e-23",
                                        "0.1",
                                        "0.2",
                                        "0.3",
                                        "1.7976931348623157e308",
                                        "2.2250738585072014e-308",
                                        "5e-324",
                                        "1e-400",
                                        "0.000000000000000000000000000001",
                                        "123456789.123456789e-10",
                                        "1765432100.123456",
                                        "1765432100.123456789",
                                        "0e99999999999",
                                        "100000000000000000000000000000000000000000e-41"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        number_is(texts[i], strtod(texts[i], NULL));
    }
    number_is("1e309", 1e308 * 10);
    number_is("-1e99999999999", -1e308 * 10);
}

/* Seventeen digits always read back, as strtod of the C locale does. */
static void random_numbers(void **state) {
    (void)state;
    struct oxp_random random;
    oxp_random_seed(&random, 3);
    for (int i = 0; i < 20000; i++) {
        char text[64];
        uint64_t bits = oxp_random_u64(&random);
        if (i % 2 == 0) { /* the sizes that events have */
            snprintf(text, sizeof text, "%.*f", (int)(bits % 10), (double)(bits >> 40) / 1000);
            number_is(text, strtod(text, NULL));
            continue;
        }
        double value;
        memcpy(&value, &bits, sizeof value);
        if (value - value != 0) {
            continue; /* not finite */
        }
        snprintf(text, sizeof text, "%.17g", value);
        number_is(text, value);
    }
}

static void whole_numbers(void **state) {
    (void)state;
    static const struct {
        const char *text;
        bool is_whole;
        uint64_t whole;
    } rows[] = {{"0", true, 0},
                {"7", true, 7},
                {"9007199254740993", true, 9007199254740993},
                {"9999999999999999999", true, UINT64_C(9999999999999999999)},
                {"10000000000000000000", false, 0},
                {"-7", false, 0},
                {"7.0", false, 0},
                {"7e0", false, 0}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct oxp_parse json = over(rows[i].text, strlen(rows[i].text));
        struct oxp_parse_number number;
        assert_true(oxp_parse_number(&json, &number));
        assert_int_equal(number.is_whole, rows[i].is_whole);
        if (rows[i].is_whole) {
            assert_true(number.whole == rows[i].whole);
        }
    }
}

/* A string of every length with each kind of byte at every place, at the very end of its memory and before more. */
static void strings(void **state) {
    (void)state;
    static const struct {
        const char *piece;
        bool escaped, odd, good;
    } pieces[] = {
        {"", false, false, true},        {"\\n", true, false, true},   {"\\u0041", true, false, true},
        {"\xc3\xa9", false, true, true}, {"\x7f", false, true, true},  {"\xc3\xa9\\\"\xc3\xa9", true, true, true},
        {"\x1f", false, false, false},   {"\xff", false, true, false}, {"\\q", true, false, false}};
    for (size_t p = 0; p < sizeof pieces / sizeof pieces[0]; p++) {
        for (int before = 0; before < 40; before++) {
            for (int after = 0; after < 40; after++) {
                char text[160];
                int len = snprintf(text, sizeof text, "\"%.*s%s%.*s\"", before,
                                   "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz", pieces[p].piece, after,
                                   "ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFGHIJKLMNOPQRSTUVWXYZ");
                char *exact = malloc((size_t)len);
                assert_non_null(exact);
                memcpy(exact, text, (size_t)len);
                struct oxp_parse json = over(exact, (size_t)len);
                struct oxp_parse_string string;
                assert_int_equal(oxp_parse_string(&json, &string), pieces[p].good);
                if (pieces[p].good) {
                    assert_int_equal(string.raw.len, len - 2);
                    assert_ptr_equal(json.pos, json.end);
                    assert_int_equal(string.escaped, pieces[p].escaped);
                    assert_int_equal(string.odd, pieces[p].odd);
                } else {
                    assert_ptr_equal(json.fault_at, exact + 1 + before);
                }
                free(exact);
            }
        }
    }
}

static void unescaped(void **state) {
    (void)state;
    static const struct {
        const char *raw, *want;
    } rows[] = {{"", ""},
                {"plain", "plain"},
                {"\\\"\\\\\\/\\b\\f\\n\\r\\t", "\"\\/\b\f\n\r\t"},
                {"\\u0041\\u00e9\\u20ac", "A\xc3\xa9\xe2\x82\xac"},
                {"\\uD83D\\uDE00\\uDBFF\\uDFFF", "\xf0\x9f\x98\x80\xf4\x8f\xbf\xbf"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char out[64];
        size_t len = oxp_parse_unescape(oxp_view_from(rows[i].raw), out);
        assert_true(len <= strlen(rows[i].raw));
        assert_int_equal(len, strlen(rows[i].want));
        assert_memory_equal(out, rows[i].want, len);
    }
}

static void depth(void **state) {
    (void)state;
    for (unsigned nested = 1; nested < 40; nested++) {
        char text[128];
        memset(text, '[', nested);
        memset(text + nested, ']', nested);
        struct oxp_parse json = over(text, 2 * (size_t)nested);
        assert_int_equal(oxp_parse_skip(&json, 0), nested <= OXP_PARSE_DEPTH_MAX);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers), cmocka_unit_test(random_numbers), cmocka_unit_test(whole_numbers),
        cmocka_unit_test(strings), cmocka_unit_test(unescaped),      cmocka_unit_test(depth),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
