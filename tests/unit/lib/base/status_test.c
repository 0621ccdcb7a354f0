/* The table of status codes, and located errors. */
#include "tests/unit/lib/base/support.h"

#include "lib/base/utf8.h"
#include <errno.h>
#include <oxpecker/status.h>
#include <string.h>

static const struct {
    enum oxp_status status;
    const char *name;
} rows[] = {
#define X(name, value, retry, text) {OXP_##name, #name},
#include <oxpecker/status.def>
#undef X
};

static void test_table(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        assert_string_equal(oxp_status_name(rows[i].status), rows[i].name);
        assert_true(strlen(oxp_status_text(rows[i].status)) > 0);
        /* zero is success, failures are negative and say so */
        assert_int_equal(rows[i].status < 0, strncmp(rows[i].name, "ERR_", 4) == 0);
        assert_int_equal(rows[i].status == 0, strcmp(rows[i].name, "OK") == 0);
        for (size_t j = 0; j < i; j++) {
            assert_int_not_equal(rows[i].status, rows[j].status);
            assert_string_not_equal(oxp_status_text(rows[i].status), oxp_status_text(rows[j].status));
        }
    }
    assert_string_equal(oxp_status_name((enum oxp_status) - 999), "UNKNOWN");
    assert_non_null(oxp_status_text((enum oxp_status) - 999));
    assert_false(oxp_status_may_retry((enum oxp_status) - 999));
    assert_false(oxp_status_may_retry(OXP_OK));
    assert_false(oxp_status_may_retry(OXP_ERR_SYNTAX));
    assert_true(oxp_status_may_retry(OXP_ERR_NOMEM));
    assert_true(oxp_status_may_retry(OXP_ERR_TIMEOUT));
}

static void test_errno(void **state) {
    (void)state;
    static const struct {
        int error;
        enum oxp_status status;
    } table[] = {
        {0, OXP_OK},
        {ENOMEM, OXP_ERR_NOMEM},
        {ENOENT, OXP_ERR_NOT_FOUND},
        {EACCES, OXP_ERR_DENIED},
        {EADDRINUSE, OXP_ERR_IN_USE},
        {EPIPE, OXP_ERR_CLOSED},
        {EMFILE, OXP_ERR_LIMIT},
        {EIO, OXP_ERR_IO},
        {ENOSPC, OXP_ERR_FULL},
        {-1, OXP_ERR_IO},
    };
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        assert_int_equal(oxp_status_from_errno(table[i].error), table[i].status);
    }
}

static void test_error(void **state) {
    (void)state;
    struct oxp_error error;
    assert_int_equal(oxp_error_set(NULL, OXP_ERR_IO, 1, 2, "%s", "x"), OXP_ERR_IO);
    assert_int_equal(oxp_error_set(&error, OXP_ERR_RANGE, 3, 4, "%d is too much", 7), OXP_ERR_RANGE);
    assert_int_equal(error.line, 3);
    assert_int_equal(error.column, 4);
    assert_string_equal(error.text, "7 is too much");
    /* a text that is too long is cut between characters, wherever they fall */
    for (int pad = 0; pad < 4; pad++) {
        char longer[400];
        memset(longer, 'x', sizeof longer);
        for (size_t i = (size_t)pad; i + 4 < sizeof longer; i += 4) {
            memcpy(longer + i, "\xf0\x9f\x90\xa6", 4);
        }
        longer[sizeof longer - 1] = '\0';
        oxp_error_set(&error, OXP_ERR_RANGE, 0, 0, "%s", longer);
        struct oxp_view text = oxp_view_from(error.text);
        assert_true(text.len < sizeof error.text && text.len > sizeof error.text - 8);
        assert_true(oxp_utf8_is_valid(text));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_errno),
        cmocka_unit_test(test_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
