/* Fingerprints of messages, and what becomes of a failure that is the same on every try. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/resilience/determinism.h"

static uint64_t print_of(const char *text) {
    return oxp_message_fingerprint(oxp_view_from(text));
}

static void the_same(void **state) {
    (void)state;
    static const struct {
        const char *a, *b;
    } rows[] = {
        {"Premature close", "premature  close"},
        {"connect ECONNREFUSED 127.0.0.1:443", "connect ECONNREFUSED 10.20.30.40:9222"},
        {"session 5b1e8f0a-8a2e-4c0d-9f51-0a2b3c4d5e6f not found",
         "session deadbeef-cafe-4bad-beef-feedfacef00d not found"},
        {"session deadbeef-cafe not found", "session 1 not found"},
        {"timed out after 30000ms", "timed out after 2.5s"},
        {"no element \"#buy\" on page", "no element \"#cart-7\" on page"},
        {"KeyError: 'a'", "KeyError: 'b c'"},
        {"at 12:30:00.123", "at 9:05:59"},
        {"id sess_9f2\tgone\n", "id sess_1 gone "},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (print_of(rows[i].a) != print_of(rows[i].b)) {
            fail_msg("\"%s\" and \"%s\" differ", rows[i].a, rows[i].b);
        }
    }
}

static void not_the_same(void **state) {
    (void)state;
    static const char *const texts[] = {
        "",
        " ",
        "Premature close",
        "socket hang up",
        "limit 3",
        "limit 3 4",
        "limit",
        "connection can't be made",
        "connection cant be made",
        "don't 'x' it",
        "don't 'x it",
        "say \"a\"",
        "say a",
        "timeout:30",
        "code:30",
        "faced",
        "effaced",
        "\xc3\xa9",
        "\xc3\xa8",
        "a-b",
        "a b",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        for (size_t j = 0; j < i; j++) {
            if (print_of(texts[i]) == print_of(texts[j])) {
                fail_msg("\"%s\" and \"%s\" are the same", texts[i], texts[j]);
            }
        }
    }
}

/* Stored fingerprints (known fixes) stay good: the values are those of FNV-1a, computed apart. */
static void stable(void **state) {
    (void)state;
    assert_true(print_of("") == UINT64_C(0xcbf29ce484222325));
    assert_true(print_of("a") == UINT64_C(0xaf63dc4c8601ec8c));
    assert_true(print_of("FOOBAR") == UINT64_C(0x85944171f73967e8));
}

static void bounds(void **state) {
    (void)state;
    static const char text[] = "id 'x' \"y\" 10.0.0.1:80 deadbeef-1 can't `q";
    for (size_t len = 0; len < sizeof text; len++) {
        char *copy = malloc(len == 0 ? 1 : len);
        assert_non_null(copy);
        memcpy(copy, text, len);
        (void)oxp_message_fingerprint(oxp_view_of(copy, len));
        free(copy);
    }
    assert_true(oxp_message_fingerprint(oxp_view_of(NULL, 0)) == print_of(""));
}

struct try {
    const char *code, *message;
};

static const struct oxp_code *after(const struct try *tries, size_t count) {
    struct oxp_tries state = {0};
    assert_null(oxp_classify_tries(&state));
    for (size_t i = 0; i < count; i++) {
        const struct oxp_code *code = oxp_code_find(oxp_view_from(tries[i].code));
        assert_non_null(code);
        oxp_tries_add(&state, code, oxp_view_from(tries[i].message));
    }
    return oxp_classify_tries(&state);
}

static void tries(void **state) {
    (void)state;
    static const struct {
        const char *what;
        struct try tries[3];
        const char *code, *class, *action, *policy;
    } rows[] = {
        {"three times the same: it will not heal",
         {{"net_reset", "Premature close"}, {"net_reset", "Premature close"}, {"net_reset", "Premature close"}},
         "net_reset",
         "recoverable",
         "debug",
         "none"},
        {"ids do not matter",
         {{"bb_server_error", "500 request 81"},
          {"bb_server_error", "500 request 82"},
          {"bb_server_error", "500 request 83"}},
         "bb_server_error",
         "recoverable",
         "debug",
         "none"},
        {"twice is enough", {{"cdp_closed", "x"}, {"cdp_closed", "x"}}, "cdp_closed", "recoverable", "debug", "none"},
        {"once is not", {{"net_reset", "Premature close"}}, "net_reset", "transient", "retry", "quick"},
        {"another message",
         {{"net_reset", "a"}, {"net_reset", "b"}, {"net_reset", "b"}},
         "net_reset",
         "transient",
         "retry",
         "quick"},
        {"another message in between",
         {{"net_reset", "a"}, {"net_reset", "b"}, {"net_reset", "a"}},
         "net_reset",
         "transient",
         "retry",
         "quick"},
        {"another code",
         {{"net_refused", "a"}, {"net_reset", "a"}, {"net_reset", "a"}},
         "net_reset",
         "transient",
         "retry",
         "quick"},
        {"what is not transient stays",
         {{"bb_bad_request", "a"}, {"bb_bad_request", "a"}},
         "bb_bad_request",
         "recoverable",
         "adjust",
         "adjust"},
        {"a ceiling says the same every time",
         {{"bb_concurrency_limit", "limit 3"},
          {"bb_concurrency_limit", "limit 3"},
          {"bb_concurrency_limit", "limit 3"}},
         "bb_concurrency_limit",
         "transient",
         "requeue",
         "slot"},
        {"so does a limit",
         {{"bb_api_rate_limit", "slow"}, {"bb_api_rate_limit", "slow"}},
         "bb_api_rate_limit",
         "transient",
         "retry",
         "server_wait"},
        {"and a breaker",
         {{"breaker_open", "x"}, {"breaker_open", "x"}},
         "breaker_open",
         "transient",
         "requeue",
         "slot"},
        {"and a model",
         {{"llm_overloaded", "x"}, {"llm_overloaded", "x"}},
         "llm_overloaded",
         "transient",
         "fallback",
         "model"},
        {"a release is an orphan's",
         {{"bb_release_failed", "x"}, {"bb_release_failed", "x"}},
         "bb_release_failed",
         "transient",
         "retry",
         "release"},
        {"unknown stays", {{"unknown", "x"}, {"unknown", "x"}}, "unknown", "unknown", "debug", "adjust"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        size_t count = 0;
        while (count < 3 && rows[i].tries[count].code != NULL) {
            count++;
        }
        const struct oxp_code *code = after(rows[i].tries, count);
        const struct oxp_code *plain = oxp_code_find(oxp_view_from(rows[i].code));
        if (strcmp(code->name, rows[i].code) != 0 || strcmp(code->class, rows[i].class) != 0 ||
            strcmp(code->action, rows[i].action) != 0 || strcmp(code->policy, rows[i].policy) != 0) {
            fail_msg("%s: %s, %s, %s, %s", rows[i].what, code->name, code->class, code->action, code->policy);
        }
        assert_string_equal(code->category, plain->category);
        assert_string_equal(code->severity, plain->severity);
        assert_int_equal(code->breaker, plain->breaker);
    }
    assert_null(oxp_code_determined(NULL));
    const struct oxp_code *twice = oxp_code_determined(oxp_code_find(OXP_VIEW("net_reset")));
    assert_ptr_equal(oxp_code_determined(twice), twice);
    assert_string_equal(twice->automation, "semi");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same), cmocka_unit_test(not_the_same), cmocka_unit_test(stable),
        cmocka_unit_test(bounds),   cmocka_unit_test(tries),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
