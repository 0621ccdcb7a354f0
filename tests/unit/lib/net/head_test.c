/* The header lines that are kept of an answer: tables of lines. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "lib/net/head.h"
#include "tests/support/alloc_fail.h"

enum { LINES = 8 };

static void lines(void **state) {
    (void)state;
    static const struct {
        const char *what, *lines[LINES], *expect;
    } rows[] = {
        {"a head", {"HTTP/1.1 200 OK\r\n", "Server: x\r\n", "\r\n"}, "server: x\n"},
        {"HTTP/2", {"HTTP/2 200 \r\n", "date: now\r\n", "\r\n"}, "date: now\n"},
        {"bare line ends", {"HTTP/1.0 200 OK\n", "A: b\n", "\n"}, "a: b\n"},
        {"no line end", {"HTTP/1.0 200 OK", "A:b"}, "a: b\n"},
        {"an empty value", {"HTTP/1.1 200 OK\r\n", "A:\r\n", "B: \t \r\n"}, "a: \nb: \n"},
        {"colons in a value", {"HTTP/1.1 200 OK\r\n", "Location: http://a:1/\r\n"}, "location: http://a:1/\n"},
        {"a name that looks like a status line's end", {"HTTP/1.1 200 OK\r\n", "HTTPS: 1\r\n"}, "https: 1\n"},
        {"no header: nothing", {"HTTP/1.1 200 OK\r\n", "no colon\r\n", ": no name\r\n", "C: d\r\n"}, "c: d\n"},
        {"1xx is forgotten",
         {"HTTP/1.1 103 \r\n", "E: 1\r\n", "\r\n", "HTTP/1.1 200 \r\n", "F: 2\r\n", "\r\n"},
         "f: 2\n"},
        {"1xx and then an empty head", {"HTTP/1.1 100 \r\n", "E: 1\r\n", "\r\n", "HTTP/1.1 200 \r\n", "\r\n"}, ""},
        {"trailers are passed by", {"HTTP/1.1 200 \r\n", "A: 1\r\n", "\r\n", "T: 2\r\n", "\r\n"}, "a: 1\n"},
        {"before a status line", {"A: 1\r\n", "HTTP/1.1 200 \r\n"}, ""},
        {"folded", {"HTTP/1.1 200 \r\n", "A: 1\r\n", " \t2\r\n", "\t3\r\n", "B: 4\r\n"}, "a: 1 2 3\nb: 4\n"},
        {"folded from nothing", {"HTTP/1.1 200 \r\n", " 2\r\n", "B: 4\r\n"}, "b: 4\n"},
        {"a return within", {"HTTP/1.1 200 \r\n", "A: 1\r2\r\n"}, "a: 1 2\n"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct oxp_head head;
        oxp_head_init(&head);
        for (size_t j = 0; j < LINES && rows[i].lines[j] != NULL; j++) {
            oxp_head_take(&head, oxp_view_from(rows[i].lines[j]));
        }
        if (strcmp(oxp_buf_text(&head.lines), rows[i].expect) != 0) {
            print_error("%s: \"%s\"\n", rows[i].what, oxp_buf_text(&head.lines));
            fail();
        }
        oxp_head_fini(&head);
    }
}

static void a_nul_ends_nothing(void **state) {
    (void)state;
    struct oxp_head head;
    oxp_head_init(&head);
    oxp_head_take(&head, OXP_VIEW("HTTP/1.1 200 OK\r\n"));
    oxp_head_take(&head, OXP_VIEW("A: 1\0002\r\n"));
    assert_string_equal(oxp_buf_text(&head.lines), "a: 1 2\n");
    oxp_head_fini(&head);
}

/* Lines of 1 KiB: sixteen fit to the byte; what does not fit is left out, and all after it. */
static void at_most_16_kib(void **state) {
    (void)state;
    char line[1027];
    memset(line, 'v', sizeof line);
    memcpy(line, "N: ", 3);
    memcpy(line + 1023, "\r\n", 3);
    struct oxp_head head;
    oxp_head_init(&head);
    for (int round = 0; round < 2; round++) { /* a new head has room again */
        oxp_head_take(&head, OXP_VIEW("HTTP/1.1 200 OK\r\n"));
        for (int i = 0; i < 15; i++) {
            oxp_head_take(&head, oxp_view_from(line));
        }
        assert_int_equal(head.lines.len, 15 * 1024);
        assert_false(head.full);
        oxp_head_take(&head, oxp_view_from(line));
        assert_int_equal(head.lines.len, OXP_HEAD_MAX);
        oxp_head_take(&head, OXP_VIEW(" f\r\n"));
        assert_true(head.full);
        oxp_head_take(&head, OXP_VIEW("A: 1\r\n"));
        assert_int_equal(head.lines.len, OXP_HEAD_MAX);
        oxp_head_take(&head, OXP_VIEW("\r\n"));
    }
    oxp_head_take(&head, OXP_VIEW("HTTP/1.1 200 OK\r\n"));
    for (int i = 0; i < 15; i++) {
        oxp_head_take(&head, oxp_view_from(line));
    }
    line[1023] = 'v';
    line[1024] = 'v'; /* one byte too long */
    oxp_head_take(&head, oxp_view_from(line));
    oxp_head_take(&head, OXP_VIEW("A: 1\r\n"));
    assert_int_equal(head.lines.len, 15 * 1024);
    oxp_head_fini(&head);
}

static void one_head(void *ctx) {
    (void)ctx;
    struct oxp_head head;
    oxp_head_init(&head);
    oxp_head_take(&head, OXP_VIEW("HTTP/1.1 200 OK\r\n"));
    oxp_head_take(&head, OXP_VIEW("A: 1\r\n"));
    oxp_head_take(&head, OXP_VIEW(" 2\r\n"));
    assert_true(alloc_fail_hit() ? oxp_buf_status(&head.lines) == OXP_ERR_NOMEM : head.lines.len == 7);
    oxp_head_fini(&head);
}

static void allocations_fail(void **state) {
    (void)state;
    assert_true(alloc_fail_each(one_head, NULL) >= 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines),
        cmocka_unit_test(a_nul_ends_nothing),
        cmocka_unit_test(at_most_16_kib),
        cmocka_unit_test(allocations_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
