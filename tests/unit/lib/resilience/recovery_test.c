/* The recovery manager: whose incident it is, advice, escalation, people, measures, limits, threads. */
#include "lib/resilience/determinism.h"
#include "tests/unit/lib/resilience/recovery_host.h"

#include "tests/support/alloc_fail.h"
#include <pthread.h>
#include <stdatomic.h>

/* ---- Rules 1, 2, 4, 5 ---- */

static void the_first_advice_is_the_codes(void **state) {
    static const struct {
        const char *code;
        enum oxp_action action;
        enum oxp_automation automation;
        const char *reason; /* of the escalation, or NULL */
    } rows[] = {
        {"net_timeout", OXP_ACTION_RETRY, OXP_AUTOMATION_FULL, NULL},
        {"bb_concurrency_limit", OXP_ACTION_REQUEUE, OXP_AUTOMATION_FULL, NULL},
        {"data_empty", OXP_ACTION_SKIP, OXP_AUTOMATION_FULL, NULL},
        {"bb_auth", OXP_ACTION_ABORT, OXP_AUTOMATION_MANUAL, NULL},
        {"llm_quota", OXP_ACTION_ESCALATE, OXP_AUTOMATION_MANUAL, "no_fix"},
        {"sec_violation", OXP_ACTION_ABORT, OXP_AUTOMATION_MANUAL, "security"},
        {"net_tls", OXP_ACTION_ABORT, OXP_AUTOMATION_MANUAL, "security"},
        {"logic_error", OXP_ACTION_ESCALATE, OXP_AUTOMATION_SEMI, "no_fix"}, /* nobody to debug it */
    };
    const struct oxp_recovery_options options = options_of();
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        make(&options);
        struct oxp_advice advice = handle(rows[i].code, "m", "t1");
        const struct oxp_code *code = oxp_code_find(oxp_view_from(rows[i].code));
        if (advice.action != rows[i].action || advice.automation != rows[i].automation ||
            strcmp(advice.policy, code->policy) != 0 || strlen(advice.incident) != 16 || advice.tries != 1 ||
            advice.fix[0] != '\0' || advice.escalated != (rows[i].reason != NULL) ||
            host.escalated != (rows[i].reason != NULL) ||
            strcmp(host.reason, rows[i].reason == NULL ? "" : rows[i].reason) != 0) {
            fail_msg("%s: %s, %d, escalated %u %s", rows[i].code, oxp_action_name(advice.action), advice.automation,
                     host.escalated, host.reason);
        }
        oxp_recovery_free(host.recovery);
    }
    assert_string_equal(oxp_action_name(OXP_ACTIONS), "unknown");
}

static void one_incident_for_a_task_and_cause(void **state) {
    const struct oxp_recovery_options options = options_of();
    (void)state;
    make(&options);
    struct oxp_advice first = handle("net_timeout", "a", "t1"), again = handle("net_timeout", "b", "t1");
    struct oxp_advice cause = handle("net_reset", "a", "t1"), task = handle("net_timeout", "a", "t2");
    struct oxp_advice component = handle("net_timeout", "a", NULL), named = handle("net_timeout", "a", "worker");
    assert_string_equal(first.incident, again.incident);
    assert_int_equal(again.tries, 2);
    const char *ids[] = {first.incident, cause.incident, task.incident, component.incident, named.incident};
    for (size_t i = 0; i < COUNT_OF(ids); i++) {
        for (size_t k = 0; k < i; k++) {
            assert_string_not_equal(ids[i], ids[k]);
        }
    }
    assert_int_equal(stats().open, 5);
    assert_int_equal(oxp_recovery_close(host.recovery, first.incident, OXP_RECOVERED, "done"), OXP_OK);
    assert_int_equal(oxp_recovery_close(host.recovery, first.incident, OXP_RECOVERED, "done"), OXP_ERR_NOT_FOUND);
    assert_int_equal(oxp_recovery_close(host.recovery, "", OXP_RECOVERED, NULL), OXP_ERR_NOT_FOUND);
    assert_int_equal(oxp_recovery_close(host.recovery, NULL, OXP_RECOVERED, NULL), OXP_ERR_NOT_FOUND);
    struct oxp_advice anew = handle("net_timeout", "a", "t1");
    assert_string_not_equal(anew.incident, first.incident);
    assert_int_equal(anew.tries, 1);
    assert_int_equal(oxp_recovery_close_task(host.recovery, V("t1"), OXP_RECOVERED), 2);
    assert_int_equal(oxp_recovery_close_task(host.recovery, V("t1"), OXP_RECOVERED), 0);
    assert_int_equal(oxp_recovery_close_task(host.recovery, V(""), OXP_RECOVERED), 0); /* not those of components */
    assert_int_equal(stats().open, 3);
    oxp_recovery_free(host.recovery);
}

/* Ids of 128 bytes, as events take them, that differ in their last byte. */
static void long_task_ids_stay_apart(void **state) {
    const struct oxp_recovery_options options = options_of();
    char a[129], b[129];
    (void)state;
    make(&options);
    memset(a, 'a', 128);
    a[128] = '\0';
    memcpy(b, a, sizeof a);
    b[127] = 'b';
    struct oxp_advice one = handle("net_timeout", "m", a), two = handle("net_timeout", "m", b);
    assert_string_not_equal(one.incident, two.incident);
    assert_int_equal(oxp_recovery_close_task(host.recovery, oxp_view_from(a), OXP_RECOVERED), 1);
    oxp_recovery_free(host.recovery);
}

static void tries_without_end_escalate_once(void **state) {
    struct oxp_recovery_options options = options_of();
    (void)state;
    options.escalate_after = 4;
    make(&options);
    for (unsigned n = 1; n <= 6; n++) {
        char message[16];
        snprintf(message, sizeof message, "kind %c", 'a' + (int)n);
        struct oxp_advice advice = handle("net_timeout", message, "t1");
        assert_int_equal(advice.tries, n);
        assert_int_equal(advice.action, n < 4 ? OXP_ACTION_RETRY : OXP_ACTION_ESCALATE);
        assert_int_equal(advice.escalated, n >= 4);
        assert_int_equal(host.escalated, n >= 4);
    }
    assert_string_equal(host.reason, "exhausted");
    assert_int_equal(stats().escalated, 1);
    assert_int_equal(oxp_recovery_close(host.recovery, host.incident, OXP_RECOVERED, NULL), OXP_OK); /* it still can */
    assert_int_equal(stats().recovered, 1);
    oxp_recovery_free(host.recovery);
}

/* ---- Rule 6, measures, reports ---- */

static void what_a_person_stepped_in_for_is_manual(void **state) {
    static const struct {
        const char *name;
        bool intervened;
        enum oxp_recovery_outcome closed_as;
        uint64_t recovered, failed, manual;
        const char *end;
    } rows[] = {
        {"by itself", false, OXP_RECOVERED, 1, 0, 0, "automation=full"},
        {"for good", false, OXP_RECOVERY_FAILED, 0, 1, 0, "automation=full"},
        {"by a person", false, OXP_RECOVERY_MANUAL, 0, 0, 1, "automation=manual"},
        {"with a person's help", true, OXP_RECOVERED, 0, 0, 1, "automation=manual"},
        {"in spite of it", true, OXP_RECOVERY_FAILED, 0, 0, 1, "automation=manual"},
    };
    const struct oxp_recovery_options options = options_of();
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        make(&options);
        struct oxp_advice advice = handle("net_timeout", "m", "t1");
        if (rows[i].intervened) {
            assert_int_equal(oxp_recovery_intervened(host.recovery, advice.incident, "x"), OXP_OK);
            assert_int_equal(handle("net_timeout", "m", "t1").automation, OXP_AUTOMATION_MANUAL);
        }
        assert_int_equal(oxp_recovery_intervened(host.recovery, "0123456789abcdef", "x"), OXP_ERR_NOT_FOUND);
        assert_int_equal(oxp_recovery_close(host.recovery, advice.incident, rows[i].closed_as, NULL), OXP_OK);
        struct oxp_recovery_stats read = stats();
        const char *end = strstr(notes_of("recovery"), "state=ended");
        if (read.recovered != rows[i].recovered || read.failed != rows[i].failed || read.manual != rows[i].manual ||
            end == NULL || strstr(end, rows[i].end) == NULL) {
            fail_msg("%s: %s", rows[i].name, end);
        }
        oxp_recovery_free(host.recovery);
    }
}

static void measures_are_the_catalogues(void **state) {
    const struct oxp_recovery_options options = options_of();
    (void)state;
    make(&options);
    for (int i = 0; i < 2; i++) {
        struct oxp_evidence evidence = {.code = V("net_timeout")};
        struct oxp_failure *probe = oxp_failure_new(&evidence, NULL);
        double made = oxp_failure_made_s(probe);
        oxp_failure_free(probe);
        const struct oxp_failure_context context = {.ids = {.task = V("t1")},
                                                    .occurred_s = i == 0 ? made - 5 : made + 1000};
        struct oxp_failure *failure = oxp_failure_new(&evidence, &context);
        struct oxp_advice advice;
        oxp_recovery_handle(host.recovery, failure, &advice);
        oxp_failure_free(failure);
        host.now_s += 10;
    }
    struct oxp_recovery_stats read = stats();
    assert_true(read.detection_seconds_sum >= 5 && read.detection_seconds_sum < 6); /* never less than 0 */
    assert_int_equal(read.handled, 2);
    assert_int_equal(read.opened, 1);
    assert_int_equal(oxp_recovery_close_task(host.recovery, V("t1"), OXP_RECOVERED), 1);
    read = stats();
    assert_true(read.recovery_seconds_sum == 20); /* first failure to close */
    assert_int_equal(read.recovered, 1);
    assert_int_equal(read.open, 0);
    (void)handle("net_timeout", "m", "t1");
    host.now_s -= 3600; /* the clock was set back */
    (void)oxp_recovery_close_task(host.recovery, V("t1"), OXP_RECOVERY_FAILED);
    assert_true(stats().recovery_seconds_sum == 20);
    oxp_recovery_free(host.recovery);
}

static void reports_say_it_as_events_do(void **state) {
    const struct oxp_recovery_options options = options_of();
    (void)state;
    make(&options);
    struct oxp_advice advice = handle("llm_quota", "m", "t1");
    host.now_s += 7;
    oxp_recovery_resume(host.recovery);
    (void)oxp_recovery_close(host.recovery, advice.incident, OXP_RECOVERED, "paid");
    char about[256];
    const struct oxp_code *code = oxp_code_find(V("llm_quota"));
    snprintf(about, sizeof about,
             "action=escalate automation=manual severity=%s category=%s code=llm_quota "
             "component=worker",
             code->severity, code->category);
    char expected[2048];
    const char *level = strcmp(code->severity, "critical") == 0 ? "oncall" : "operator";
    snprintf(expected, sizeof expected,
             "recovery state=started %s;recovery state=escalated %s level=%s reason=no_fix;"
             "recovery state=started %s started_at=1.8e+09 resumed=true;"
             "recovery state=ended %s outcome=recovered reason=paid duration_s=7;",
             about, about, level, about, about);
    assert_string_equal(notes_of("recovery"), expected);
    assert_non_null(strstr(host.notes.text, "error code=llm_quota"));
    assert_non_null(strstr(host.notes.text, advice.incident));
    oxp_recovery_free(host.recovery);
}

static void no_more_than_so_many_are_open(void **state) {
    struct oxp_recovery_options options = options_of();
    (void)state;
    options.incidents_max = 2;
    make(&options);
    struct oxp_advice oldest = handle("net_timeout", "m", "t1");
    (void)handle("net_timeout", "m", "t2");
    (void)handle("net_timeout", "m", "t1"); /* it goes on: none is opened */
    assert_int_equal(stats().open, 2);
    (void)handle("net_timeout", "m", "t3");
    struct oxp_recovery_stats read = stats();
    assert_int_equal(read.open, 2);
    assert_int_equal(read.failed, 1);
    assert_int_equal(oxp_recovery_close(host.recovery, oldest.incident, OXP_RECOVERED, NULL), OXP_ERR_NOT_FOUND);
    assert_non_null(strstr(notes_of("recovery"), "outcome=failed reason=too many are open"));
    oxp_recovery_free(host.recovery);
}

/* ---- Memory, threads ---- */

static bool answer_quietly(void *ctx, const struct oxp_debug_request *request, struct oxp_debug_answer *answer_out) {
    (void)ctx;
    (void)request;
    answer_out->verdict = OXP_VERDICT_FIXED;
    return true;
}

static void make_and_handle(void *ctx) {
    static const char *const command[] = {"x", "y", NULL};
    const struct oxp_recovery_options options = {
        .debug = answer_quietly, .debug_command = command, .debug_timeout_s = 3600, .debug_after = 1};
    struct oxp_recovery *recovery = NULL;
    (void)ctx;
    if (oxp_recovery_new(&options, &recovery) != OXP_OK) {
        assert_null(recovery);
        return;
    }
    for (int i = 0; i < 2; i++) {
        struct oxp_failure *failure = failure_of("net_timeout", "m", i == 0 ? "t1" : "t2");
        struct oxp_advice advice;
        oxp_recovery_handle(recovery, failure, &advice);
        const char *policy = oxp_failure_code(failure)->policy; /* without memory it is another failure */
        assert_string_equal(advice.policy, policy);
        if (advice.incident[0] == '\0') {
            assert_string_equal(oxp_action_name(advice.action), oxp_failure_code(failure)->action);
        }
        oxp_failure_free(failure);
    }
    oxp_recovery_resume(recovery);
    (void)oxp_recovery_close_task(recovery, V("t1"), OXP_RECOVERED);
    oxp_recovery_free(recovery);
}

static void every_allocation_may_fail(void **state) {
    (void)state;
    assert_true(alloc_fail_each(make_and_handle, NULL) >= 8);
}

struct crowd {
    struct oxp_recovery *recovery;
    atomic_uint escalated, fixes;
};

static void crowd_escalate(void *ctx, const struct oxp_failure *failure, const char *incident, const char *reason) {
    struct crowd *crowd = ctx;
    (void)failure;
    (void)incident;
    (void)reason;
    atomic_fetch_add(&crowd->escalated, 1);
}

static bool crowd_fix(void *ctx, const struct oxp_failure *failure) {
    struct crowd *crowd = ctx;
    (void)failure;
    atomic_fetch_add(&crowd->fixes, 1);
    return false;
}

static void *crowd_work(void *arg) {
    struct crowd *crowd = arg;
    for (int i = 0; i < 300; i++) {
        struct oxp_failure *failure = failure_of("net_timeout", "m", "shared");
        struct oxp_advice advice;
        oxp_recovery_handle(crowd->recovery, failure, &advice);
        oxp_failure_free(failure);
        char task[16];
        snprintf(task, sizeof task, "t%d", i % 5);
        failure = failure_of("net_reset", "m", task);
        oxp_recovery_handle(crowd->recovery, failure, &advice);
        oxp_failure_free(failure);
        (void)oxp_recovery_intervened(crowd->recovery, advice.incident, "x");
        (void)oxp_recovery_close(crowd->recovery, advice.incident, OXP_RECOVERED, NULL);
        (void)oxp_recovery_close_task(crowd->recovery, oxp_view_from(task), OXP_RECOVERED);
        if (i % 50 == 0) {
            oxp_recovery_resume(crowd->recovery);
        }
    }
    return NULL;
}

static void eight_threads(void **state) {
    struct crowd crowd = {.recovery = NULL};
    const struct oxp_recovery_options options = {
        .debug = answer_quietly, .debug_timeout_s = 3600, .escalate = crowd_escalate, .ctx = &crowd};
    struct oxp_recovery_stats read;
    pthread_t threads[8];
    (void)state;
    assert_int_equal(oxp_recovery_new(&options, &crowd.recovery), OXP_OK);
    assert_int_equal(oxp_recovery_fix(crowd.recovery, "f", 0, "net_timeout", crowd_fix, &crowd), OXP_OK);
    for (size_t i = 0; i < COUNT_OF(threads); i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, crowd_work, &crowd), 0);
    }
    for (size_t i = 0; i < COUNT_OF(threads); i++) {
        pthread_join(threads[i], NULL);
    }
    oxp_recovery_read(crowd.recovery, &read);
    assert_int_equal(read.handled, 8 * 300 * 2);
    assert_int_equal(read.open, 1); /* the shared one */
    assert_int_equal(read.opened, read.recovered + read.failed + read.manual + read.open);
    assert_int_equal(crowd.fixes, 1);     /* once an incident */
    assert_int_equal(crowd.escalated, 1); /* once, too */
    oxp_recovery_free(crowd.recovery);
}

/* Rule 3: an upstream that is down for a while fails every try of an operation alike. That alone calls nobody. */
static void an_outage_is_put_off_before_a_person_is_told(void **state) {
    static const struct {
        const char *code;
        enum oxp_action actions[3];
    } rows[] = {
        {"net_refused", {OXP_ACTION_REQUEUE, OXP_ACTION_REQUEUE, OXP_ACTION_ESCALATE}},
        {"logic_error", {OXP_ACTION_ESCALATE, OXP_ACTION_ESCALATE, OXP_ACTION_ESCALATE}},
    };
    const struct oxp_recovery_options options = options_of();
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        make(&options);
        for (size_t k = 0; k < 3; k++) {
            struct oxp_failure *failure = failure_of(rows[i].code, "down", "t1");
            struct oxp_advice advice;
            oxp_failure_reclassify(failure, oxp_code_determined(oxp_failure_code(failure)));
            oxp_recovery_handle(host.recovery, failure, &advice);
            assert_int_equal(advice.action, rows[i].actions[k]);
            assert_int_equal(advice.escalated, rows[i].actions[k] == OXP_ACTION_ESCALATE);
            oxp_failure_free(failure);
        }
        oxp_recovery_free(host.recovery);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_advice_is_the_codes),
        cmocka_unit_test(one_incident_for_a_task_and_cause),
        cmocka_unit_test(long_task_ids_stay_apart),
        cmocka_unit_test(tries_without_end_escalate_once),
        cmocka_unit_test(an_outage_is_put_off_before_a_person_is_told),
        cmocka_unit_test(what_a_person_stepped_in_for_is_manual),
        cmocka_unit_test(measures_are_the_catalogues),
        cmocka_unit_test(reports_say_it_as_events_do),
        cmocka_unit_test(no_more_than_so_many_are_open),
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(eight_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
