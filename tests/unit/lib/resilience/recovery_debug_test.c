/* The recovery manager's rules 2 and 3: known fixes, the debugger as a function and as a command. */
#include "tests/unit/lib/resilience/recovery_host.h"

static bool host_debug(void *ctx, const struct oxp_debug_request *request, struct oxp_debug_answer *answer_out) {
    struct oxp_recovery_stats stats;
    (void)ctx;
    host.debugged++;
    snprintf(host.context, sizeof host.context, "%.*s", (int)request->context.len, request->context.ptr);
    answer_out->verdict = host.verdict;
    memcpy(answer_out->fix, "restart", 8);
    memcpy(answer_out->report, "it was stuck", 13);
    oxp_recovery_read(host.recovery, &stats); /* no lock is held */
    return !host.debug_fails;
}

/* ---- Rule 3: the debugger ---- */

static void the_debuggers_verdicts(void **state) {
    static const struct {
        const char *name;
        enum oxp_verdict verdict;
        bool fails, late;
        enum oxp_action action;
        enum oxp_automation automation;
        const char *fix, *reason, *report;
    } rows[] = {
        {"fixed", OXP_VERDICT_FIXED, false, false, OXP_ACTION_RETRY, OXP_AUTOMATION_FULL, "restart", "",
         "outcome=fixed fix=restart report=it was stuck"},
        {"suggested", OXP_VERDICT_SUGGESTED, false, false, OXP_ACTION_RETRY, OXP_AUTOMATION_SEMI, "", "",
         "outcome=suggested fix=restart report=it was stuck"},
        {"no fix", OXP_VERDICT_NO_FIX, false, false, OXP_ACTION_ESCALATE, OXP_AUTOMATION_FULL, "", "no_fix",
         "outcome=no_fix"},
        {"error", OXP_VERDICT_FIXED, true, false, OXP_ACTION_ESCALATE, OXP_AUTOMATION_FULL, "", "no_fix",
         "outcome=error"},
        {"too late", OXP_VERDICT_FIXED, false, true, OXP_ACTION_ESCALATE, OXP_AUTOMATION_FULL, "", "timeout",
         "outcome=error"},
        {"a verdict that is none", (enum oxp_verdict)77, false, false, OXP_ACTION_ESCALATE, OXP_AUTOMATION_FULL, "",
         "no_fix", "outcome=error"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct oxp_recovery_options options = options_of();
        options.debug = host_debug;
        options.debug_timeout_s = rows[i].late ? 1e-12 : 3600;
        make(&options);
        host.verdict = rows[i].verdict;
        host.debug_fails = rows[i].fails;
        for (unsigned n = 1; n <= 2; n++) {
            assert_int_equal(handle("net_timeout", "page 1", "t1").action, OXP_ACTION_RETRY);
        }
        assert_int_equal(host.debugged, 0);
        struct oxp_advice advice = handle("net_timeout", "page 2", "t1"); /* the same failure, another number */
        const char *said = notes_of("debugger");
        if (host.debugged != 1 || advice.action != rows[i].action || advice.automation != rows[i].automation ||
            strcmp(advice.fix, rows[i].fix) != 0 || strcmp(host.reason, rows[i].reason) != 0 ||
            strstr(said, rows[i].report) == NULL) {
            fail_msg("%s: asked %u, %s, %d, fix %s, escalated %s, %s", rows[i].name, host.debugged,
                     oxp_action_name(advice.action), advice.automation, advice.fix, host.reason, said);
        }
        assert_int_equal(stats().debugged, 1);
        assert_int_equal(stats().fixed, strcmp(rows[i].name, "fixed") == 0);
        /* not again before as many more */
        (void)handle("net_timeout", "page 3", "t1");
        (void)handle("net_timeout", "page 4", "t1");
        assert_int_equal(host.debugged, 1);
        (void)handle("net_timeout", "page 5", "t1");
        assert_int_equal(host.debugged, 2);
        oxp_recovery_free(host.recovery);
    }
}

static void the_same_failure_is_counted_among_others(void **state) {
    struct oxp_recovery_options options = options_of();
    (void)state;
    options.debug = host_debug;
    options.debug_timeout_s = 3600;
    options.escalate_after = 1000;
    make(&options);
    for (char letter = 'a'; letter < 'z'; letter++) { /* all different: never */
        (void)handle("net_timeout", (char[]){'x', letter, '\0'}, "t1");
    }
    assert_int_equal(host.debugged, 0);
    (void)handle("net_timeout", "same", "t2");
    (void)handle("net_timeout", "other", "t2");
    (void)handle("net_timeout", "same", "t2");
    (void)handle("net_timeout", "other", "t2");
    assert_int_equal(host.debugged, 0);
    (void)handle("net_timeout", "same", "t2");
    assert_int_equal(host.debugged, 1);
    oxp_recovery_free(host.recovery);
}

static bool gather(void *ctx, const struct oxp_failure *failure, char *json_out, size_t size) {
    (void)ctx;
    (void)failure;
    snprintf(json_out, size, "\"queue\":7,\"url\":\"wss://connect.browserbase.com?apiKey=bb_live_abcdefghijklmnop\"");
    return true;
}

static void the_debugger_is_told_what_happened(void **state) {
    struct oxp_recovery_options options = options_of();
    (void)state;
    options.debug = host_debug;
    options.debug_timeout_s = 3600;
    options.gather = gather;
    make(&options);
    struct oxp_advice advice = handle("net_timeout", "first", "t1");
    assert_int_equal(oxp_recovery_intervened(host.recovery, advice.incident, "reset the breaker"), OXP_OK);
    (void)handle("net_timeout", "page \"1\"", "t1");
    (void)handle("net_timeout", "page \"1\"", "t1");
    (void)handle("net_timeout", "page \"2\"", "t1");
    assert_int_equal(host.debugged, 1);
    static const char *const holds[] = {"{\"incident\":\"",
                                        ",\"tries\":4,\"alike\":3,\"code\":\"net_timeout\",\"category\":\"network\"",
                                        ",\"failure\":\"net_timeout in worker: page \\\"2\\\"\"",
                                        ",\"task\":\"t1\"",
                                        ",\"earlier\":[\"page \\\"1\\\"\",\"page \\\"1\\\"\",\"first\"]",
                                        ",\"intervention\":\"reset the breaker\"",
                                        ",\"queue\":7,\"url\":\"",
                                        "}\n"};
    for (size_t i = 0; i < COUNT_OF(holds); i++) {
        if (strstr(host.context, holds[i]) == NULL) {
            fail_msg("%s is not in %s", holds[i], host.context);
        }
    }
    assert_null(strstr(host.context, "bb_live"));
    oxp_recovery_free(host.recovery);
}

static void a_code_that_says_debug_asks_at_once(void **state) {
    struct oxp_recovery_options options = options_of();
    (void)state;
    options.debug = host_debug;
    options.debug_timeout_s = 3600;
    make(&options);
    host.verdict = OXP_VERDICT_FIXED;
    assert_int_equal(handle("logic_error", "m", "t1").action, OXP_ACTION_RETRY);
    assert_int_equal(host.debugged, 1);
    oxp_recovery_free(host.recovery);
}

static void the_debugger_as_a_command(void **state) {
    static const struct {
        const char *script;
        enum oxp_action action;
        const char *fix, *reason;
    } rows[] = {
        {"grep -q '\"tries\":1' && echo '{\"verdict\":\"fixed\",\"fix\":\"by hand\"}'", OXP_ACTION_RETRY, "by hand",
         ""},
        {"echo '{\"verdict\":\"suggested\"}'", OXP_ACTION_RETRY, "", ""},
        {"echo '{\"verdict\":\"no_fix\"}'", OXP_ACTION_ESCALATE, "", "no_fix"},
        {"echo what", OXP_ACTION_ESCALATE, "", "no_fix"},
        {"sleep 60", OXP_ACTION_ESCALATE, "", "timeout"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char script[128];
        const char *command[] = {"sh", "-c", script, NULL};
        struct oxp_recovery_options options = options_of();
        snprintf(script, sizeof script, "%s", rows[i].script);
        options.debug_command = command;
        options.debug_timeout_s = strncmp(script, "sleep", 5) == 0 ? 0.1 : 60;
        make(&options);
        memset(script, '!', sizeof script); /* it was copied */
        memset(command, 0, sizeof command);
        struct oxp_advice advice = handle("logic_error", "m", "t1");
        if (advice.action != rows[i].action || strcmp(advice.fix, rows[i].fix) != 0 ||
            strcmp(host.reason, rows[i].reason) != 0) {
            fail_msg("%s: %s, fix %s, %s, %s", rows[i].script, oxp_action_name(advice.action), advice.fix, host.reason,
                     notes_of("debugger"));
        }
        oxp_recovery_free(host.recovery);
    }
    const char *const nothing[] = {NULL};
    struct oxp_recovery_options options = options_of();
    struct oxp_recovery *recovery = NULL;
    options.debug_command = nothing;
    assert_int_equal(oxp_recovery_new(&options, &recovery), OXP_ERR_INVALID);
    assert_null(recovery);
}

static bool close_it(void *ctx, const struct oxp_debug_request *request, struct oxp_debug_answer *answer_out) {
    (void)ctx;
    (void)answer_out;
    return oxp_recovery_close(host.recovery, request->incident, OXP_RECOVERED, NULL) == OXP_OK;
}

static void an_incident_may_end_while_the_debugger_looks(void **state) {
    struct oxp_recovery_options options = options_of();
    (void)state;
    options.debug = close_it;
    make(&options);
    struct oxp_advice advice = handle("logic_error", "m", "t1");
    assert_string_equal(advice.incident, "");
    assert_int_equal(host.escalated, 0);
    assert_int_equal(stats().recovered, 1);
    oxp_recovery_free(host.recovery);
    oxp_recovery_free(NULL);
}

/* ---- Known fixes ---- */

struct known {
    bool helps;
    unsigned tried;
};

static bool fix(void *ctx, const struct oxp_failure *failure) {
    struct known *known = ctx;
    assert_non_null(failure);
    known->tried++;
    return known->helps;
}

static void known_fixes_come_first_and_once(void **state) {
    const struct oxp_recovery_options options = options_of();
    struct known useless = {.helps = false}, useful = {.helps = true}, other = {.helps = true};
    (void)state;
    make(&options);
    struct oxp_failure *like = failure_of("net_timeout", "page 1", "t1");
    assert_int_equal(oxp_recovery_fix(host.recovery, "look away", oxp_failure_fingerprint(like), NULL, fix, &useless),
                     OXP_OK);
    assert_int_equal(oxp_recovery_fix(host.recovery, "new proxy", 0, "net_timeout", fix, &useful), OXP_OK);
    assert_int_equal(oxp_recovery_fix(host.recovery, "never", 0, "net_reset", fix, &other), OXP_OK);
    oxp_failure_free(like);
    struct oxp_advice advice = handle("net_timeout", "page 2", "t1");
    assert_int_equal(advice.action, OXP_ACTION_RETRY);
    assert_string_equal(advice.fix, "new proxy");
    assert_int_equal(useless.tried, 1);
    assert_int_equal(useful.tried, 1);
    assert_string_equal(notes_of("debugger"),
                        "debugger outcome=no_fix fix=look away code=net_timeout component=worker duration_s=0;"
                        "debugger outcome=fixed fix=new proxy code=net_timeout component=worker duration_s=0;");
    advice = handle("net_timeout", "page 3", "t1"); /* the same incident: not again */
    assert_string_equal(advice.fix, "");
    assert_int_equal(useful.tried, 1);
    (void)handle("net_timeout", "else", "t2"); /* another: by its code alone */
    assert_int_equal(useless.tried, 1);
    assert_int_equal(useful.tried, 2);
    assert_int_equal(other.tried, 0);
    assert_int_equal(stats().fixed, 2);
    oxp_recovery_free(host.recovery);
}

static void a_fix_comes_before_the_codes_action_but_for_security(void **state) {
    static const struct {
        const char *code;
        enum oxp_action without, with;
    } rows[] = {
        {"bb_auth", OXP_ACTION_ABORT, OXP_ACTION_RETRY},       {"llm_quota", OXP_ACTION_ESCALATE, OXP_ACTION_RETRY},
        {"data_empty", OXP_ACTION_SKIP, OXP_ACTION_RETRY},     {"logic_error", OXP_ACTION_ESCALATE, OXP_ACTION_RETRY},
        {"sec_violation", OXP_ACTION_ABORT, OXP_ACTION_ABORT},
    };
    const struct oxp_recovery_options options = options_of();
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        for (int helps = 0; helps < 2; helps++) {
            struct known known = {.helps = helps == 1};
            make(&options);
            assert_int_equal(oxp_recovery_fix(host.recovery, "f", 0, rows[i].code, fix, &known), OXP_OK);
            struct oxp_advice advice = handle(rows[i].code, "m", "t1");
            if (advice.action != (known.helps ? rows[i].with : rows[i].without) ||
                known.tried != (strcmp(rows[i].code, "sec_violation") != 0)) {
                fail_msg("%s: %s, tried %u", rows[i].code, oxp_action_name(advice.action), known.tried);
            }
            oxp_recovery_free(host.recovery);
        }
    }
}

static void fixes_are_checked(void **state) {
    static const struct {
        const char *name;
        uint64_t fingerprint;
        const char *code;
        oxp_fix_fn fix;
        enum oxp_status status;
    } rows[] = {
        {"f", 7, NULL, fix, OXP_OK},
        {"f", 0, "net_timeout", fix, OXP_OK},
        {"f", 0, NULL, fix, OXP_ERR_INVALID},
        {"f", 7, "net_timeout", fix, OXP_ERR_INVALID},
        {"f", 0, "no_such_code", fix, OXP_ERR_INVALID},
        {"", 7, NULL, fix, OXP_ERR_INVALID},
        {NULL, 7, NULL, fix, OXP_ERR_INVALID},
        {"f", 7, NULL, NULL, OXP_ERR_INVALID},
    };
    const struct oxp_recovery_options options = options_of();
    (void)state;
    make(&options);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        assert_int_equal(
            oxp_recovery_fix(host.recovery, rows[i].name, rows[i].fingerprint, rows[i].code, rows[i].fix, NULL),
            rows[i].status);
    }
    for (int i = 2; i < 64; i++) {
        assert_int_equal(oxp_recovery_fix(host.recovery, "f", 7, NULL, fix, NULL), OXP_OK);
    }
    assert_int_equal(oxp_recovery_fix(host.recovery, "f", 7, NULL, fix, NULL), OXP_ERR_LIMIT);
    oxp_recovery_free(host.recovery);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_debuggers_verdicts),
        cmocka_unit_test(the_same_failure_is_counted_among_others),
        cmocka_unit_test(the_debugger_is_told_what_happened),
        cmocka_unit_test(a_code_that_says_debug_asks_at_once),
        cmocka_unit_test(the_debugger_as_a_command),
        cmocka_unit_test(an_incident_may_end_while_the_debugger_looks),
        cmocka_unit_test(known_fixes_come_first_and_once),
        cmocka_unit_test(a_fix_comes_before_the_codes_action_but_for_security),
        cmocka_unit_test(fixes_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
