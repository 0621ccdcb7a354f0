/* The cursor. */
#include "tests/unit/lib/base/support.h"

#include "lib/base/cursor.h"

static bool is_space(unsigned char c) {
    return c == ' ';
}

static bool is_letter(unsigned char c) {
    return c >= 'a' && c <= 'z';
}

static void test_bytes(void **state) {
    (void)state;
    struct oxp_cursor cursor = oxp_cursor_over(oxp_view_of("a\xff\n", 3));
    assert_int_equal(oxp_cursor_left(&cursor), 3);
    assert_int_equal(oxp_cursor_peek(&cursor), 'a');
    assert_int_equal(oxp_cursor_peek_at(&cursor, 1), 0xff);
    assert_int_equal(oxp_cursor_peek_at(&cursor, 3), -1);
    assert_int_equal(oxp_cursor_next(&cursor), 'a');
    assert_int_equal(oxp_cursor_next(&cursor), 0xff);
    assert_int_equal(oxp_cursor_column(&cursor), 3);
    assert_int_equal(oxp_cursor_next(&cursor), '\n');
    assert_true(oxp_cursor_at_end(&cursor));
    assert_int_equal(oxp_cursor_next(&cursor), -1);
    assert_int_equal(oxp_cursor_peek(&cursor), -1);
    assert_int_equal(cursor.line, 2);
    assert_int_equal(oxp_cursor_column(&cursor), 1);
}

static void test_empty(void **state) {
    (void)state;
    struct oxp_cursor cursor = oxp_cursor_over(oxp_view_of(NULL, 0));
    assert_true(oxp_cursor_at_end(&cursor));
    assert_int_equal(oxp_cursor_next(&cursor), -1);
    assert_false(oxp_cursor_take_char(&cursor, 'a'));
    assert_false(oxp_cursor_take(&cursor, OXP_VIEW("a")));
    assert_int_equal(oxp_cursor_take_until(&cursor, is_space).len, 0);
    assert_int_equal(oxp_cursor_take_while(&cursor, is_space).len, 0);
    assert_int_equal(oxp_cursor_take_line(&cursor).len, 0);
    assert_int_equal(oxp_cursor_column(&cursor), 1);
}

static void test_taking(void **state) {
    (void)state;
    struct oxp_cursor cursor = oxp_cursor_over(OXP_VIEW("key value\nnext\n\nlast"));
    assert_false(oxp_cursor_take(&cursor, OXP_VIEW("keys")));
    assert_false(oxp_cursor_take_char(&cursor, 'x'));
    assert_int_equal(oxp_cursor_column(&cursor), 1); /* nothing was taken */
    assert_true(oxp_view_is(oxp_cursor_take_until(&cursor, is_space), "key"));
    assert_true(oxp_cursor_take_char(&cursor, ' '));
    assert_true(oxp_cursor_take(&cursor, OXP_VIEW("val")));
    assert_true(oxp_view_is(oxp_cursor_take_while(&cursor, is_letter), "ue"));
    assert_int_equal(oxp_cursor_take_until(&cursor, is_space).len, 0); /* no newline is crossed */
    assert_true(oxp_view_is(oxp_cursor_take_line(&cursor), ""));
    assert_int_equal(cursor.line, 2);
    assert_true(oxp_view_is(oxp_cursor_take_until(&cursor, is_space), "next"));
    assert_int_equal(oxp_cursor_column(&cursor), 5);
    assert_true(oxp_cursor_take_char(&cursor, '\n'));
    assert_int_equal(cursor.line, 3);
    assert_true(oxp_view_is(oxp_cursor_take_line(&cursor), ""));
    assert_true(oxp_view_is(oxp_cursor_take_line(&cursor), "last"));
    assert_int_equal(cursor.line, 4);
    assert_true(oxp_cursor_at_end(&cursor));
}

static void test_fail(void **state) {
    (void)state;
    struct oxp_error error;
    struct oxp_cursor cursor = oxp_cursor_over(OXP_VIEW("one\ntwo"));
    oxp_cursor_take_line(&cursor);
    oxp_cursor_next(&cursor);
    assert_int_equal(oxp_cursor_fail(&cursor, &error, "wanted %s", "x%d"), OXP_ERR_SYNTAX);
    assert_int_equal(error.line, 2);
    assert_int_equal(error.column, 2);
    assert_string_equal(error.text, "wanted x%d");
    assert_int_equal(oxp_cursor_fail(&cursor, NULL, "no place for it"), OXP_ERR_SYNTAX);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_taking),
        cmocka_unit_test(test_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
