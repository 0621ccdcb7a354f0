/* What the table of codes says beside its names: automation, breakers, aliases, severities, categories; and the ceiling
 * in a refusal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include <oxpecker/errors.h>

#include "lib/resilience/evidence.h"

static const struct oxp_code *find(const char *name) {
    const struct oxp_code *row = oxp_code_find(oxp_view_from(name));
    if (row == NULL) {
        fail_msg("no code %s", name);
    }
    return row;
}

/* The rule at the top of codes.def. */
static const char *automation_by_rule(const struct oxp_code *code) {
    if (strcmp(code->action, "escalate") == 0 || strcmp(code->action, "abort") == 0) {
        return "manual";
    }
    if (strcmp(code->action, "debug") == 0) {
        return "semi";
    }
    return strcmp(code->action, "fallback") == 0 && strcmp(code->class, "transient") != 0 ? "semi" : "full";
}

static void automation(void **state) {
    (void)state;
    for (size_t i = 0; oxp_code_at(i) != NULL; i++) {
        const struct oxp_code *code = oxp_code_at(i);
        if (strcmp(code->automation, automation_by_rule(code)) != 0) {
            fail_msg("%s is %s", code->name, code->automation);
        }
        assert_true(code->help[0] != '\0' && code->help[strlen(code->help) - 1] == '.');
    }
    for (size_t i = 0; oxp_code_unknown_at(i) != NULL; i++) {
        assert_string_equal(oxp_code_unknown_at(i)->automation, "semi");
    }
    /* the six rows of the matrix */
    static const struct {
        const char *code, *automation;
    } rows[] = {
        {"net_timeout", "full"},     {"data_invalid", "full"},
        {"api_rate_limit", "full"},  {"bb_concurrency_limit", "full"},
        {"logic_error", "semi"},     {"res_conflict", "semi"},
        {"sec_violation", "manual"}, {"net_tls", "manual"},
        {"llm_overloaded", "full"},  {"unknown", "semi"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_string_equal(find(rows[i].code)->automation, rows[i].automation);
    }
}

static void breakers(void **state) {
    (void)state;
    static const char *const counted[] = {"bb_server_error", "bb_create_timeout", "net_timeout",     "net_refused",
                                          "sh_act_timeout",  "sh_read_timeout",   "sh_unresponsive", "llm_overloaded",
                                          "llm_timeout",     "api_server",        "site_down",       "vec_down",
                                          "cdp_handshake",   "task_timeout",      "unknown"};
    static const char *const ignored[] = {"bb_concurrency_limit",
                                          "bb_create_rate_limit",
                                          "bb_bad_request",
                                          "bb_auth",
                                          "bb_plan",
                                          "bb_forbidden",
                                          "bb_not_found",
                                          "bb_conflict",
                                          "api_client",
                                          "api_auth",
                                          "llm_quota",
                                          "task_cancelled",
                                          "sh_aborted",
                                          "sh_unsuccessful",
                                          "sh_agent_incomplete",
                                          "data_empty",
                                          "breaker_open",
                                          "logic_error",
                                          "site_blocked",
                                          "bb_session_timed_out"};
    for (size_t i = 0; i < sizeof counted / sizeof counted[0]; i++) {
        if (!oxp_code_counts_for_breaker(find(counted[i]))) {
            fail_msg("%s is not counted", counted[i]);
        }
    }
    for (size_t i = 0; i < sizeof ignored / sizeof ignored[0]; i++) {
        if (oxp_code_counts_for_breaker(find(ignored[i]))) {
            fail_msg("%s is counted", ignored[i]);
        }
    }
    assert_false(oxp_code_counts_for_breaker(NULL));
    for (size_t i = 0; oxp_code_at(i) != NULL; i++) { /* nothing fatal is the service's outage */
        assert_false(oxp_code_at(i)->breaker && strcmp(oxp_code_at(i)->class, "fatal") == 0);
    }
}

static void aliases(void **state) {
    (void)state;
    const struct oxp_code *code = NULL;
    const char *before = "";
    size_t count = 0;
    for (; oxp_code_alias_at(count, &code) != NULL; count++) {
        const char *alias = oxp_code_alias_at(count, NULL);
        assert_true(oxp_fold_compare(oxp_view_from(before), alias) < 0); /* sorted, no two alike */
        assert_ptr_equal(oxp_code_find_alias(oxp_view_from(alias)), code);
        assert_null(oxp_code_find(oxp_view_from(alias))); /* would hide a code */
        struct oxp_evidence evidence = {.code = oxp_view_from(alias), .status = 418};
        assert_ptr_equal(oxp_classify(&evidence), code);
        before = alias;
    }
    assert_true(count > 80);
    static const struct {
        const char *alias, *code;
    } rows[] = {
        {"browserbase_session_failed", "bb_session_error"}, {"BROWSERBASE_SESSION_FAILED", "bb_session_error"},
        {"SessionCreationError", "bb_server_error"},        {"taskcreationerror", "sh_http"},
        {"TaskExecutionError", "sh_agent_incomplete"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_ptr_equal(oxp_code_find_alias(oxp_view_from(rows[i].alias)), find(rows[i].code));
    }
    static const char *const not_one[] = {"", "browserbase_session_faile", "browserbase_session_failed2", "bb_auth",
                                          "z"};
    for (size_t i = 0; i < sizeof not_one / sizeof not_one[0]; i++) {
        assert_null(oxp_code_find_alias(oxp_view_from(not_one[i])));
    }
    assert_null(oxp_code_find_alias(oxp_view_of(NULL, 0)));
}

static void check_word(const char *(*find_word)(struct oxp_view), const char *text, const char *expect) {
    const char *found = find_word(oxp_view_from(text));
    if (found == NULL || expect == NULL ? found != expect : strcmp(found, expect) != 0) {
        fail_msg("\"%s\" gives %s, not %s", text, found == NULL ? "nothing" : found,
                 expect == NULL ? "nothing" : expect);
    }
}

static void severities(void **state) {
    (void)state;
    static const struct {
        const char *text, *expect;
    } rows[] = {
        {"low", "low"},
        {"MEDIUM", "medium"},
        {"High", "high"},
        {"critical", "critical"},
        {"informational", "low"},
        {"INFO", "low"},
        {"debug", "low"},
        {"warning", "medium"},
        {"WARNING", "medium"},
        {"error", "high"},
        {"CRITICAL", "critical"},
        {"fatal", "critical"},
        {"", NULL},
        {"ErrorSeverity.HIGH", "high"},
        {"ErrorSeverity.", NULL},
        {"lowest", NULL},
        {"warnin", NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        check_word(oxp_severity_of, rows[i].text, rows[i].expect);
    }
}

static void categories(void **state) {
    (void)state;
    static const struct {
        const char *text, *expect;
    } rows[] = {
        {"FILE_PROCESSING", "file_processing"},
        {"ErrorCategory.API_CALL", "api_call"},
        {"infrastructure", "network"},
        {"input_format", "data_processing"},
        {"security_issues", "security"},
        {"unknown", "unknown"},
        {"", NULL},
        {"file", NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        check_word(oxp_category_of, rows[i].text, rows[i].expect);
    }
    for (size_t i = 0; oxp_code_at(i) != NULL; i++) { /* each category is its own word */
        check_word(oxp_category_of, oxp_code_at(i)->category, oxp_code_at(i)->category);
    }
}

static void capacity(void **state) {
    (void)state;
    static const struct {
        const char *text;
        unsigned limit, current; /* limit 0 = none stated */
    } rows[] = {
        {"max concurrent sessions reached (limit 25, currently 24)", 25, 24},
        {"Limit: 3, Current: 2", 3, 2},
        {"limit of 100; currently at 100 sessions", 100, 100},
        {"limited to 5", 5, 0},
        {"currently 3 of limit 3", 3, 3},
        {"the limit was reached: limit 7", 7, 0},
        {"limit 25", 25, 0},
        {"limit=0, currently 3", 0, 0},
        {"no number", 0, 0},
        {"limit", 0, 0},
        {"limit ", 0, 0},
        {"unlimited 5", 0, 0},
        {"limit reached in region 5", 0, 0},
        {"limit 99999999999999999999", 0, 0},
        {"", 0, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        unsigned limit = 77, current = 77;
        bool stated = oxp_capacity_from_message(oxp_view_from(rows[i].text), &limit, &current);
        if (stated != (rows[i].limit != 0) || limit != (stated ? rows[i].limit : 77) ||
            current != (stated ? rows[i].current : 77)) {
            fail_msg("\"%s\": %d, limit %u, current %u", rows[i].text, stated, limit, current);
        }
    }
}

/* The rows of the tables that no search needs sorted, and that must not hide one another. */
static void other_tables(void **state) {
    (void)state;
    const struct oxp_system_row *(*const tables[])(size_t) = {oxp_curl_at, oxp_signal_at, oxp_exit_at};
    for (size_t t = 0; t < sizeof tables / sizeof tables[0]; t++) {
        for (size_t i = 0; tables[t](i) != NULL; i++) {
            for (size_t j = 0; j < i; j++) {
                assert_int_not_equal(tables[t](i)->number, tables[t](j)->number);
            }
        }
    }
    for (size_t i = 0; oxp_message_at(i) != NULL; i++) {
        const struct oxp_message_row *row = oxp_message_at(i);
        for (const char *c = row->phrase; *c != '\0'; c++) {
            assert_false(*c >= 'A' && *c <= 'Z'); /* would never match */
        }
        /* each row decides when its phrase is all there is: a row above that hides it makes it dead */
        for (unsigned upstream = 1; upstream <= OXP_UP_OTHER; upstream <<= 1) {
            struct oxp_case c = {.upstream = upstream, .call = OXP_CALL_NONE, .message = oxp_view_from(row->phrase)};
            if ((row->upstreams & upstream) != 0 && oxp_code_of_message(&c) != row->code) {
                fail_msg("\"%s\" gives another code", row->phrase);
            }
        }
    }
    static const int not_exits[] = {0, 256, -128, -65, 100000};
    for (size_t i = 0; i < sizeof not_exits / sizeof not_exits[0]; i++) {
        assert_int_equal(oxp_code_of_exit(not_exits[i]), OXP_CODE_NONE);
    }
    assert_int_equal(oxp_code_of_exit(255), OXP_CODE_sys_crash);
    assert_int_equal(oxp_code_of_exit(130), OXP_CODE_task_cancelled);
    assert_int_equal(oxp_code_of_exit(-11), OXP_CODE_sys_crash);
    assert_int_equal(oxp_code_of_signal(0), OXP_CODE_NONE);
    assert_int_equal(oxp_code_of_signal(-9), OXP_CODE_NONE);
    assert_int_equal(oxp_code_of_curl(22), OXP_CODE_NONE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(automation),   cmocka_unit_test(breakers),   cmocka_unit_test(aliases),
        cmocka_unit_test(severities),   cmocka_unit_test(categories), cmocka_unit_test(capacity),
        cmocka_unit_test(other_tables),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
