/* UTF-8, RFC 3629. */
#include "tests/unit/lib/base/support.h"

#include "lib/base/utf8.h"

static void test_valid_prefix(void **state) {
    (void)state;
    static const struct {
        const char *title;
        const char *text;
        size_t prefix; /* SIZE_MAX = all of it */
        size_t points;
    } rows[] = {
        {"empty", "", SIZE_MAX, 0},
        {"ascii", "plain text, longer than a word", SIZE_MAX, 30},
        {"two bytes, least", "\xc2\x80", SIZE_MAX, 1},
        {"two bytes, most", "\xdf\xbf", SIZE_MAX, 1},
        {"three bytes, least", "\xe0\xa0\x80", SIZE_MAX, 1},
        {"before the surrogates", "\xed\x9f\xbf", SIZE_MAX, 1},
        {"behind the surrogates", "\xee\x80\x80", SIZE_MAX, 1},
        {"three bytes, most", "\xef\xbf\xbf", SIZE_MAX, 1},
        {"four bytes, least", "\xf0\x90\x80\x80", SIZE_MAX, 1},
        {"the last code point", "\xf4\x8f\xbf\xbf", SIZE_MAX, 1},
        {"mixed", "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x90\xa6z", SIZE_MAX, 5},
        {"lone continuation", "a\x80", 1, 0},
        {"overlong two", "\xc0\x80", 0, 0},
        {"overlong two, most", "\xc1\xbf", 0, 0},
        {"overlong three", "\xe0\x9f\xbf", 0, 0},
        {"overlong four", "\xf0\x8f\xbf\xbf", 0, 0},
        {"first surrogate", "ab\xed\xa0\x80", 2, 0},
        {"last surrogate", "\xed\xbf\xbf", 0, 0},
        {"past the last", "\xf4\x90\x80\x80", 0, 0},
        {"five bytes", "\xf8\x88\x80\x80\x80", 0, 0},
        {"0xfe", "12345678\xfe", 8, 0},
        {"cut two", "1234567\xc3", 7, 0},
        {"cut three", "\xe2\x82", 0, 0},
        {"cut four", "xyz\xf0\x9f\x90", 3, 0},
        {"second byte is ascii",
         "\xc3"
         "a",
         0, 0},
        {"third byte is ascii",
         "\xe2\x82"
         "a",
         0, 0},
        {"bad byte behind a whole word", "12345678abc\xff", 11, 0},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct oxp_view text = oxp_view_from(rows[i].text);
        size_t expected = rows[i].prefix == SIZE_MAX ? text.len : rows[i].prefix;
        if (oxp_utf8_valid_prefix(text) != expected || oxp_utf8_is_valid(text) != (rows[i].prefix == SIZE_MAX)) {
            fail_msg("%s: %zu", rows[i].title, oxp_utf8_valid_prefix(text));
        }
        if (rows[i].prefix == SIZE_MAX) {
            assert_int_equal(oxp_utf8_count(text), rows[i].points);
        }
    }
    assert_int_equal(oxp_utf8_valid_prefix(oxp_view_of("a\0b", 3)), 3);
}

/* Every code point that may be encoded is valid, alone and cut, and of the length it should be. */
static void test_encode(void **state) {
    (void)state;
    for (uint32_t point = 0; point <= 0x10ffff; point++) {
        char bytes[4];
        if (point == 0xd800) {
            point = 0xe000;
        }
        size_t len = oxp_utf8_encode(point, bytes);
        assert_int_equal(len, point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4);
        assert_true(oxp_utf8_is_valid(oxp_view_of(bytes, len)));
        assert_int_equal(oxp_utf8_count(oxp_view_of(bytes, len)), 1);
        assert_true(len == 1 || oxp_utf8_valid_prefix(oxp_view_of(bytes, len - 1)) == 0);
    }
}

static void test_cut(void **state) {
    (void)state;
    static const char text[] = "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x90\xa6";
    static const size_t expected[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 10};
    for (size_t max = 0; max < COUNT_OF(expected); max++) {
        assert_int_equal(oxp_utf8_cut(oxp_view_from(text), max).len, expected[max]);
    }
    assert_int_equal(oxp_utf8_cut(oxp_view_of(NULL, 0), 3).len, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_valid_prefix),
        cmocka_unit_test(test_encode),
        cmocka_unit_test(test_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
