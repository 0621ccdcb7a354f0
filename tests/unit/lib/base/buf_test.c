/* The growing buffer. */
#include "tests/unit/lib/base/support.h"

#include "lib/base/buf.h"
#include "tests/support/alloc_fail.h"
#include <math.h>
#include <stdlib.h>

static void test_appends(void **state) {
    (void)state;
    struct oxp_buf buf;
    oxp_buf_init(&buf, 0);
    assert_string_equal(oxp_buf_text(&buf), "");
    oxp_buf_append(&buf, NULL, 0);
    oxp_buf_append(&buf, "ab", 2);
    oxp_buf_append_view(&buf, OXP_VIEW("cd"));
    oxp_buf_append_text(&buf, "ef");
    oxp_buf_append_char(&buf, ' ');
    oxp_buf_append_u64(&buf, UINT64_MAX);
    oxp_buf_append_char(&buf, ' ');
    oxp_buf_append_double(&buf, 0.1);
    oxp_buf_append_format(&buf, " %s=%d", "x", 7);
    assert_string_equal(oxp_buf_text(&buf), "abcdef 18446744073709551615 0.1 x=7");
    assert_int_equal(oxp_buf_view(&buf).len, 35);
    memcpy(oxp_buf_reserve(&buf, 3), "xyz", 3);
    oxp_buf_commit(&buf, 2);
    assert_true(oxp_view_is(oxp_buf_view(&buf), "abcdef 18446744073709551615 0.1 x=7xy"));
    oxp_buf_clear(&buf);
    assert_int_equal(oxp_buf_view(&buf).len, 0);
    oxp_buf_append_text(&buf, "again");
    size_t len = 0;
    char *taken = oxp_buf_take(&buf, &len);
    assert_string_equal(taken, "again");
    assert_int_equal(len, 5);
    free(taken);
    assert_int_equal(buf.len, 0);
    oxp_buf_fini(&buf);
    oxp_buf_fini(&buf);
}

static void test_grows(void **state) {
    (void)state;
    struct oxp_buf buf;
    oxp_buf_init(&buf, 0);
    for (size_t i = 0; i < 100000; i++) {
        oxp_buf_append_char(&buf, (char)('a' + i % 26));
    }
    assert_int_equal(oxp_buf_status(&buf), OXP_OK);
    assert_int_equal(buf.len, 100000);
    for (size_t i = 0; i < buf.len; i++) {
        assert_true(buf.data[i] == (char)('a' + i % 26));
    }
    oxp_buf_fini(&buf);
}

static void test_cap_sticks(void **state) {
    (void)state;
    struct oxp_buf buf;
    oxp_buf_init(&buf, 8);
    oxp_buf_append_text(&buf, "12345678"); /* exactly full */
    assert_int_equal(oxp_buf_status(&buf), OXP_OK);
    assert_string_equal(oxp_buf_text(&buf), "12345678"); /* the NUL is not counted */
    oxp_buf_append_char(&buf, '9');
    assert_int_equal(oxp_buf_status(&buf), OXP_ERR_LIMIT);
    assert_null(oxp_buf_reserve(&buf, 0));
    assert_string_equal(oxp_buf_text(&buf), "");
    assert_null(oxp_buf_take(&buf, NULL));
    assert_int_equal(buf.cap, 8);
    oxp_buf_append_text(&buf, "ok");
    assert_string_equal(oxp_buf_text(&buf), "ok");
    oxp_buf_append_text(&buf, "too much");
    oxp_buf_clear(&buf);
    assert_int_equal(oxp_buf_status(&buf), OXP_OK);
    assert_null(oxp_buf_reserve(&buf, SIZE_MAX));
    assert_int_equal(oxp_buf_status(&buf), OXP_ERR_LIMIT);
    oxp_buf_fini(&buf);
}

static void test_json(void **state) {
    (void)state;
    static const struct {
        struct oxp_view value;
        const char *text;
    } rows[] = {
        {{NULL, 0}, "\"\""},
        {{"plain", 5}, "\"plain\""},
        {{"a\"b\\c/d", 7}, "\"a\\\"b\\\\c/d\""},
        {{"\b\f\n\r\t", 5}, "\"\\b\\f\\n\\r\\t\""},
        {{"\x00\x01\x1f\x7f", 4}, "\"\\u0000\\u0001\\u001f\\u007f\""},
        {{"\xc3\xa9\xf0\x9f\x90\xa6", 6}, "\"\xc3\xa9\xf0\x9f\x90\xa6\""},
        {{"a\xff"
          "b\xc3",
          4},
         "\"a\xef\xbf\xbd"
         "b\xef\xbf\xbd\""},
        {{"\xed\xa0\x80", 3}, "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct oxp_buf buf;
        oxp_buf_init(&buf, 0);
        oxp_buf_append_json_string(&buf, rows[i].value);
        assert_string_equal(oxp_buf_text(&buf), rows[i].text);
        oxp_buf_fini(&buf);
    }
    struct oxp_buf buf;
    oxp_buf_init(&buf, 0);
    const double numbers[] = {1.5, NAN, INFINITY, -2};
    for (size_t i = 0; i < COUNT_OF(numbers); i++) {
        oxp_buf_append_json_double(&buf, numbers[i]);
        oxp_buf_append_char(&buf, ' ');
    }
    assert_string_equal(oxp_buf_text(&buf), "1.5 null null -2 ");
    oxp_buf_fini(&buf);
}

static void fill(void *ctx) {
    (void)ctx;
    struct oxp_buf buf;
    oxp_buf_init(&buf, 0);
    for (int i = 0; i < 100; i++) {
        oxp_buf_append_format(&buf, "%d,", i);
        oxp_buf_append_json_string(&buf, OXP_VIEW("x\n"));
    }
    enum oxp_status status = oxp_buf_status(&buf);
    assert_true(status == (alloc_fail_hit() ? OXP_ERR_NOMEM : OXP_OK));
    char *taken = oxp_buf_take(&buf, NULL);
    assert_true((taken == NULL) == (status != OXP_OK));
    free(taken);
    oxp_buf_fini(&buf);
}

static void test_allocation_failures(void **state) {
    (void)state;
    assert_true(alloc_fail_each(fill, NULL) >= 4);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_appends),
        cmocka_unit_test(test_grows),
        cmocka_unit_test(test_cap_sticks),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_allocation_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
