/* What a receiver repeats of its request in an answer is not kept. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "alerts/delivery/hide.h"
#include "tests/support/alloc_fail.h"

#define R "[redacted]"
static const char *const headers[] = {"Content-Type: application/json", "Authorization: Basic dTpDQU5BUllQVzc3",
                                      "X-Api-Key: canary-of-the-key", "X-Short: abc", NULL};

static const struct {
    const char *what, *url, *answer, *shown;
} rows[] = {
    {"a path", "http://h:1/hooks/CANARY", "HTTP 404: Cannot POST /hooks/CANARY", "HTTP 404: Cannot POST " R},
    {"a segment of it", "http://h/services/T00/CANARYSEGMENT", "no hook CANARYSEGMENT here", "no hook " R " here"},
    {"a path behind a host", "http://h/hooks/CANARY", "http://h/hooks/CANARY twice /hooks/CANARY",
     "http://h" R " twice " R},
    {"percent-encoded, and decoded", "http://h/a/se%63ret%2Fword", "se%63ret%2Fword or secret/word", R " or " R},
    {"a broken percent", "http://h/a/secret%2", "what secret%2 and secret%", "what " R " and " R},
    {"a query", "https://h/p?token=CANARY&b=2", "token=CANARY&b=2", R},
    {"a value of it", "https://h/p?token=CANARY&b=2", "the token CANARY is unknown", "the token " R " is unknown"},
    {"a password", "https://user:CANARYPW@h/", "user 'CANARYPW'", "user '" R "'"},
    {"credentials", "https://h/", "got Basic dTpDQU5BUllQVzc3, dTpDQU5BUllQVzc3", "got " R ", " R},
    {"another header", "https://h/", "bad key canary-of-the-key", "bad key " R},
    {"cut off by the end", "https://h/", "bad key canary-of-th", "bad key " R},
    {"too short at the end to tell", "https://h/", "bad key cana", "bad key cana"},
    {"harmless headers", "https://h/", "application/json is not taken, abc", "application/json is not taken, abc"},
    {"a short path", "http://h/p", "no /p", "no /p"},
    {"no path", "http://host", "host is full", "host is full"},
    {"no answer", "http://h/hooks/CANARY", "", ""},
    {"no URL", "", "x", "x"},
};

static void answers(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct oxp_arena arena;
        oxp_arena_init(&arena, 0);
        const struct oxp_http_request request = {.url = rows[i].url, .headers = headers};
        struct oxp_view shown = oxp_hide_request(&arena, oxp_view_from(rows[i].answer), &request);
        if (!oxp_view_is(shown, rows[i].shown)) {
            fail_msg("%s: \"%.*s\"", rows[i].what, (int)shown.len, shown.ptr);
        }
        oxp_arena_fini(&arena);
    }
}

static void without_headers(void **state) {
    (void)state;
    struct oxp_arena arena;
    oxp_arena_init(&arena, 0);
    const struct oxp_http_request request = {.url = "http://h/"};
    assert_true(oxp_view_is(oxp_hide_request(&arena, OXP_VIEW("HTTP 500"), &request), "HTTP 500"));
    oxp_arena_fini(&arena);
}

/* Rather no answer than one with a secret. */
static void one_answer(void *ctx) {
    (void)ctx;
    struct oxp_arena arena;
    oxp_arena_init(&arena, 0);
    const struct oxp_http_request request = {.url = "http://h/a/se%63ret%2Fword", .headers = headers};
    struct oxp_view shown = oxp_hide_request(&arena, OXP_VIEW("se%63ret%2Fword"), &request);
    assert_true(shown.len == 0 || oxp_view_is(shown, R));
    oxp_arena_fini(&arena);
}

static void allocations_fail(void **state) {
    (void)state;
    assert_true(alloc_fail_each(one_answer, NULL) >= 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(answers), cmocka_unit_test(without_headers),
                                       cmocka_unit_test(allocations_fail)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
