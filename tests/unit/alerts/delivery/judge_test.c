/* What an answer means, and how long to wait: tables. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "alerts/delivery/backoff.h"
#include "alerts/delivery/courier.h"
#include "tests/support/alloc_fail.h"

#define NOW_MS INT64_C(784111777000) /* Sun, 06 Nov 1994 08:49:37 GMT, the date of RFC 9110 section 5.6.7 */
#define HOUR_MS OXP_COURIER_WAIT_MAX_MS

static void retry_after(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int64_t expect_ms;
    } rows[] = {
        {"1", 1000},
        {"120", 120000},
        {" 7 ", 7000},
        {"0.5", 500}, /* not RFC 9110's, but sent */
        {"3600", HOUR_MS},
        {"3601", HOUR_MS},
        {"99999999999999999999", HOUR_MS},
        {"1e300", HOUR_MS},
        {"Sun, 06 Nov 1994 08:50:37 GMT", 60000},
        {"Sunday, 06-Nov-94 08:50:37 GMT", 60000},
        {"Sun Nov  6 08:50:37 1994", 60000},
        {"Sun, 06 Nov 1994 08:49:38 GMT", 1000},
        {"Sun, 06 Nov 2044 08:49:38 GMT", HOUR_MS},
        {"Sun, 06 Nov 9999 08:49:38 GMT", HOUR_MS},
        /* of no use */
        {"", 0},
        {"0", 0},
        {"-1", 0},
        {"-99999999999999999999", 0},
        {"1e999", 0},
        {"nan", 0},
        {"inf", 0},
        {"soon", 0},
        {"5 seconds", 0},
        {"5s", 0},
        {"1,2", 0},
        {"Sun, 06 Nov 1994 08:49:37 GMT", 0},
        {"Sun, 06 Nov 1994 08:49:36 GMT", 0},
        {"Thursday, 01-Jan-70 00:00:00 GMT", 0},
        {"Sun, 06 Nov 1994 08:50:37 CET", 0},
        {"Sun, 31 Feb 1995 08:50:37 GMT", 0},
        {"Sun, 06 Nov 1994 25:00:00 GMT", 0},
        {"1994-11-06T08:50:37Z", 0},
        {"\xff\xfe", 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t got = oxp_retry_after_ms(oxp_view_from(rows[i].text), NOW_MS);
        if (got != rows[i].expect_ms) {
            print_error("\"%s\": %lld ms\n", rows[i].text, (long long)got);
            fail();
        }
    }
}

static void delays(void **state) {
    (void)state;
    static const struct {
        unsigned tries;
        double max_s, random;
        int64_t expect_ms;
    } rows[] = {
        {1, 300, 0, 1000},
        {2, 300, 0, 2000},
        {3, 300, 0, 4000},
        {9, 300, 0, 256000},
        {10, 300, 0, 300000},
        {1000, 300, 0, 300000},
        {UINT32_MAX, 300, 0, 300000},
        {0, 300, 0, 1000},
        {1, 300, 0.5, 500},
        {10, 300, 0.75, 75000},
        {1, 300, 0.9999999, 1},
        {10, 300, 0.9999999, 1},
        {5, 10, 0, 10000},
        {5, 10, 0.5, 5000},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(oxp_delivery_delay_ms(rows[i].tries, rows[i].max_s, rows[i].random), rows[i].expect_ms);
    }
}

struct row {
    const char *what;
    enum oxp_status status;
    int http_status;
    const char *headers, *body, *error;
    enum oxp_delivery delivery;
    enum oxp_delivery_reason reason;
    int64_t wait_ms;
    const char *answer;
};

/* clang-format off: a table */
static const struct row rows[] = {
    {"delivered", OXP_OK, 200, NULL, "ok", NULL, OXP_DELIVERED, OXP_REASON_OTHER, 0, "HTTP 200: ok"},
    {"delivered, silently", OXP_OK, 204, NULL, "", NULL, OXP_DELIVERED, OXP_REASON_OTHER, 0, "HTTP 204"},
    {"the last of 2xx", OXP_OK, 299, NULL, "", NULL, OXP_DELIVERED, OXP_REASON_OTHER, 0, "HTTP 299"},
    {"delivered asks for nothing", OXP_OK, 200, "retry-after: 5\n", "", NULL, OXP_DELIVERED, OXP_REASON_OTHER, 0,
     "HTTP 200"},
    {"a redirect", OXP_OK, 301, "retry-after: 5\n", "", NULL, OXP_DELIVERY_REFUSED, OXP_REASON_OTHER, 0, "HTTP 301"},
    {"no such status", OXP_OK, 199, NULL, "", NULL, OXP_DELIVERY_REFUSED, OXP_REASON_OTHER, 0, "HTTP 199"},
    {"another", OXP_OK, 600, NULL, "", NULL, OXP_DELIVERY_REFUSED, OXP_REASON_OTHER, 0, "HTTP 600"},
    {"bad request", OXP_OK, 400, "retry-after: 5\n", "bad\r\njson", NULL, OXP_DELIVERY_REFUSED, OXP_REASON_CLIENT_ERROR,
     0, "HTTP 400: bad  json"},
    {"not found", OXP_OK, 404, NULL, "", NULL, OXP_DELIVERY_REFUSED, OXP_REASON_CLIENT_ERROR, 0, "HTTP 404"},
    {"too large", OXP_OK, 413, NULL, "", NULL, OXP_DELIVERY_REFUSED, OXP_REASON_CLIENT_ERROR, 0, "HTTP 413"},
    {"the last of 4xx", OXP_OK, 499, NULL, "", NULL, OXP_DELIVERY_REFUSED, OXP_REASON_CLIENT_ERROR, 0, "HTTP 499"},
    {"who are you", OXP_OK, 401, NULL, "", NULL, OXP_DELIVERY_AGAIN, OXP_REASON_AUTH_ERROR, 0, "HTTP 401"},
    {"not you", OXP_OK, 403, NULL, "", NULL, OXP_DELIVERY_AGAIN, OXP_REASON_AUTH_ERROR, 0, "HTTP 403"},
    {"took too long", OXP_OK, 408, NULL, "", NULL, OXP_DELIVERY_AGAIN, OXP_REASON_DELIVERY_TIMEOUT, 0, "HTTP 408"},
    {"too early", OXP_OK, 425, NULL, "", NULL, OXP_DELIVERY_AGAIN, OXP_REASON_CLIENT_ERROR, 0, "HTTP 425"},
    {"too much", OXP_OK, 429, NULL, "", NULL, OXP_DELIVERY_WAIT, OXP_REASON_RATE_LIMITED, 0, "HTTP 429"},
    {"too much, seconds", OXP_OK, 429, "retry-after: 30\n", "", NULL, OXP_DELIVERY_WAIT, OXP_REASON_RATE_LIMITED, 30000,
     "HTTP 429"},
    {"too much, a date", OXP_OK, 429, "a: b\nretry-after: Sun, 06 Nov 1994 08:49:47 GMT\nc: d\n", "", NULL,
     OXP_DELIVERY_WAIT, OXP_REASON_RATE_LIMITED, 10000, "HTTP 429"},
    {"too much, nonsense", OXP_OK, 429, "retry-after: later\n", "", NULL, OXP_DELIVERY_WAIT, OXP_REASON_RATE_LIMITED, 0,
     "HTTP 429"},
    {"too much, another header", OXP_OK, 429, "x-retry-after: 30\n", "", NULL, OXP_DELIVERY_WAIT,
     OXP_REASON_RATE_LIMITED, 0, "HTTP 429"},
    {"broken", OXP_OK, 500, NULL, "oops", NULL, OXP_DELIVERY_AGAIN, OXP_REASON_SERVER_ERROR, 0, "HTTP 500: oops"},
    {"down", OXP_OK, 503, "retry-after: 2\n", "", NULL, OXP_DELIVERY_AGAIN, OXP_REASON_SERVER_ERROR, 2000, "HTTP 503"},
    {"the last of 5xx", OXP_OK, 599, NULL, "", NULL, OXP_DELIVERY_AGAIN, OXP_REASON_SERVER_ERROR, 0, "HTTP 599"},
    {"nobody there", OXP_ERR_CLOSED, 0, NULL, NULL, "connection refused", OXP_DELIVERY_AGAIN, OXP_REASON_OTHER, 0,
     "no answer: connection refused"},
    {"silence", OXP_ERR_TIMEOUT, 0, NULL, NULL, "", OXP_DELIVERY_AGAIN, OXP_REASON_DELIVERY_TIMEOUT, 0,
     "no answer: timed out"},
    {"no library", OXP_ERR_UNSUPPORTED, 0, NULL, NULL, "no libcurl", OXP_DELIVERY_AGAIN, OXP_REASON_OTHER, 0,
     "no answer: no libcurl"},
    {"a secret", OXP_OK, 400, NULL, "token=abcdefghijklmnop given", NULL, OXP_DELIVERY_REFUSED, OXP_REASON_CLIENT_ERROR,
     0, "HTTP 400: token=[redacted] given"},
    {"not UTF-8", OXP_OK, 400, NULL,
     "a\xff"
     "b\xc3",
     NULL, OXP_DELIVERY_REFUSED, OXP_REASON_CLIENT_ERROR, 0, "HTTP 400: a?b?"},
    {"UTF-8", OXP_OK, 400, NULL,
     "Stra\xc3\x9f"
     "e",
     NULL, OXP_DELIVERY_REFUSED, OXP_REASON_CLIENT_ERROR, 0,
     "HTTP 400: Stra\xc3\x9f"
     "e"},
};
/* clang-format on */

static void judge(const struct row *row, struct oxp_arena *arena, struct oxp_verdict *verdict_out) {
    char body[64], headers[128];
    strncpy(body, row->body == NULL ? "" : row->body, sizeof body - 1);
    strncpy(headers, row->headers == NULL ? "" : row->headers, sizeof headers - 1);
    body[sizeof body - 1] = headers[sizeof headers - 1] = '\0';
    const struct oxp_http_response response = {.status = row->http_status,
                                               .body = row->body == NULL ? NULL : body,
                                               .body_len = strlen(body),
                                               .headers = row->headers == NULL ? NULL : headers};
    struct oxp_error error = {0};
    memcpy(error.text, row->error == NULL ? "" : row->error, row->error == NULL ? 1 : strlen(row->error) + 1);
    oxp_courier_judge(row->status, &response, &error, NOW_MS, arena, verdict_out);
}

static void verdicts(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct oxp_arena arena;
        struct oxp_verdict verdict;
        oxp_arena_init(&arena, 0);
        judge(&rows[i], &arena, &verdict);
        if (verdict.delivery != rows[i].delivery || verdict.reason != rows[i].reason ||
            verdict.wait_ms != rows[i].wait_ms || !oxp_view_is(verdict.answer, rows[i].answer)) {
            print_error("%s: %d %s %lld \"%.*s\"\n", rows[i].what, (int)verdict.delivery,
                        oxp_delivery_reason_name(verdict.reason), (long long)verdict.wait_ms, (int)verdict.answer.len,
                        verdict.answer.ptr);
            fail();
        }
        oxp_arena_fini(&arena);
    }
}

static void long_answers_are_cut(void **state) {
    (void)state;
    static char body[10000];
    static const char *const units[] = {"a", "\xc3\x9f", "\xff", "token=abcdefghijklmnop "};
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        size_t len = 0;
        for (size_t unit = strlen(units[i]); len + unit < sizeof body; len += unit) {
            memcpy(body + len, units[i], unit);
        }
        const struct oxp_http_response response = {.status = 400, .body = body, .body_len = len};
        struct oxp_arena arena;
        struct oxp_verdict verdict;
        oxp_arena_init(&arena, 0);
        oxp_courier_judge(OXP_OK, &response, NULL, NOW_MS, &arena, &verdict);
        assert_in_range(verdict.answer.len, 1000, OXP_OUTBOX_ANSWER_MAX);
        oxp_arena_fini(&arena);
    }
}

static void reasons(void **state) {
    (void)state;
    static const char *const names[OXP_DELIVERY_REASONS] = {"clientError", "serverError", "authError", "rateLimited",
                                                            "timeout",     "tooOld",      "other"};
    for (unsigned i = 0; i < OXP_DELIVERY_REASONS; i++) {
        assert_string_equal(oxp_delivery_reason_name((enum oxp_delivery_reason)i), names[i]);
    }
    assert_string_equal(oxp_delivery_reason_name(OXP_DELIVERY_REASONS), "other");
}

/* Without memory the text is lost, and nothing else. */
static void one_verdict(void *ctx) {
    (void)ctx;
    struct oxp_arena arena;
    struct oxp_verdict verdict;
    oxp_arena_init(&arena, 0);
    judge(&rows[sizeof rows / sizeof rows[0] - 1], &arena, &verdict);
    assert_int_equal(verdict.delivery, OXP_DELIVERY_REFUSED);
    assert_true((verdict.answer.len == 0) == alloc_fail_hit());
    oxp_arena_fini(&arena);
}

static void allocations_fail(void **state) {
    (void)state;
    assert_true(alloc_fail_each(one_verdict, NULL) >= 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(retry_after),          cmocka_unit_test(delays),  cmocka_unit_test(verdicts),
        cmocka_unit_test(long_answers_are_cut), cmocka_unit_test(reasons), cmocka_unit_test(allocations_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
