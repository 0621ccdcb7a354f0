#include "lib/base/ascii.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void classes(void **state) {
    (void)state;
    for (int c = -200; c < 1000; c++) {
        assert_int_equal(oxp_is_digit(c), c >= 48 && c <= 57);
        assert_int_equal(oxp_is_letter(c), (c >= 65 && c <= 90) || (c >= 97 && c <= 122));
    }
}

static void digits_of_base_16(void **state) {
    (void)state;
    static const char digits[] = "0123456789abcdef", capitals[] = "ABCDEF";
    for (int i = 0; i < 16; i++) {
        assert_int_equal(oxp_hex_digit(digits[i]), i);
        assert_int_equal(oxp_hex_digit(i < 10 ? digits[i] : capitals[i - 10]), i);
    }
    for (const char *none = "/:@Gg`\x7f\x80 "; *none != '\0'; none++) {
        assert_int_equal(oxp_hex_digit(*none), -1);
    }
    assert_int_equal(oxp_hex_digit('\0'), -1);
}

static void names_and_controls(void **state) {
    (void)state;
    static const struct {
        const char *text;
        bool name, controls;
    } rows[] = {
        {"a", true, false},    {"_", true, false},    {"aZ_09", true, false},     {"", false, false},
        {"0a", false, false},  {"a-b", false, false}, {"\xc3\xa9", false, false}, {"a ", false, false},
        {"a\tb", false, true}, {"\x7f", false, true}, {"a\x1f", false, true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(oxp_ascii_is_name(oxp_view_from(rows[i].text)), rows[i].name);
        assert_int_equal(oxp_ascii_has_controls(oxp_view_from(rows[i].text)), rows[i].controls);
    }
    assert_true(oxp_ascii_has_controls(oxp_view_of("a\0", 2)));
}

static void trims(void **state) {
    (void)state;
    static const struct {
        const char *text, *blanks, *left;
    } rows[] = {
        {"", " ", ""},          {" ", " ", ""},           {"   ", " ", ""},       {"a", " ", "a"},
        {" a b  ", " ", "a b"}, {" \ta\t", " ", "\ta\t"}, {" \ta\t", " \t", "a"}, {" a ", "", " a "},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct oxp_view left = oxp_ascii_trim(oxp_view_from(rows[i].text), rows[i].blanks);
        if (!oxp_view_is(left, rows[i].left)) {
            fail_msg("\"%s\": \"%.*s\"", rows[i].text, (int)left.len, left.ptr);
        }
    }
    assert_int_equal(oxp_ascii_trim(oxp_view_of("\0a\0", 3), " ").len, 3); /* a NUL is no blank */
    assert_int_equal(oxp_ascii_trim(oxp_view_of(NULL, 0), " ").len, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(classes),
        cmocka_unit_test(digits_of_base_16),
        cmocka_unit_test(names_and_controls),
        cmocka_unit_test(trims),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
