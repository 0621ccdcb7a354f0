/* Retries: the rules of retry.h, one table each, and the loop with a clock that moves only when it sleeps. */
#include <oxpecker/breaker.h>
#include <oxpecker/retry.h>

#include <math.h>

#include "tests/unit/lib/resilience/notes.h"

#define V(text) OXP_VIEW(text)

static struct oxp_retry_failure failed(const char *code) {
    return (struct oxp_retry_failure){.code = oxp_code_find(oxp_view_from(code))};
}

/* ---- The machine ---- */

/* One operation: the codes of its failures in order; what the last one leads to. Jitter is 0 by random 0. Each failure
 * has another message, unless `alike`. Hooks answer `answer`. */
struct rule {
    const char *name;
    const char *op;
    const char *codes[8];
    double hint_s; /* of the last */
    bool alike;
    int answer; /* of the last: enum oxp_verified, or "changed" */
    struct oxp_retry_options options;
    enum oxp_retry_step asks; /* what the last failure gives */
    enum oxp_retry_step step; /* and after the hook */
    enum oxp_retry_reason reason;
    double delay_s;
    const char *action; /* NULL = not looked at */
};

#define AGAIN OXP_RETRY_AGAIN
#define REQUEUE OXP_RETRY_REQUEUE
#define ADJUST OXP_RETRY_ADJUST
#define VERIFY OXP_RETRY_VERIFY
#define DONE OXP_RETRY_DONE
#define STOP OXP_RETRY_STOP
#define NO 0
#define YES 1
#define NOT_DONE OXP_VERIFIED_NOT_DONE
#define IS_DONE OXP_VERIFIED_DONE
#define GONE OXP_VERIFIED_GONE
#define WHO_KNOWS OXP_VERIFIED_UNKNOWN
#define PLAIN OPT(.attempts = 0)
#define R(name) OXP_REASON_##name
#define OPT(...)                                                                                                       \
    { __VA_ARGS__ }

/* One rule a line. */
/* clang-format off */
static const struct rule rules[] = {
    /* 1 */
    {"a fatal code stops", "get", {"bb_auth"}, 0, 0, 0, PLAIN, STOP, STOP, R(FATAL), 0, "abort"},
    {"policy none stops", "get", {"sh_unresponsive"}, 0, 0, 0, PLAIN, STOP, STOP, R(FATAL), 0, "replace"},
    {"the same later", "get", {"net_reset", "llm_quota"}, 0, 0, 0, PLAIN, STOP, STOP, R(FATAL), 0, "escalate"},
    /* 2, 4 */
    {"quick: 1", "get", {"net_reset"}, 0, 0, 0, PLAIN, AGAIN, AGAIN, R(NONE), 1, NULL},
    {"quick: 2", "get", {"net_reset", "net_reset"}, 0, 0, 0, PLAIN, AGAIN, AGAIN, R(NONE), 2, NULL},
    {"quick: used up", "get", {"net_reset", "net_reset", "net_reset"}, 0, 0, 0, PLAIN, STOP, STOP, R(ATTEMPTS), 0, "requeue"},
    {"release: 16", "session.release", {"bb_release_failed", "bb_release_failed", "bb_release_failed", "bb_release_failed", "bb_release_failed"}, 0, 0, 0, PLAIN, AGAIN, AGAIN, R(NONE), 16, NULL},
    {"release: used up", "session.release", {"bb_release_failed", "bb_release_failed", "bb_release_failed", "bb_release_failed", "bb_release_failed", "bb_release_failed"}, 0, 0, 0, PLAIN, STOP, STOP, R(ATTEMPTS), 0, "skip"},
    {"model: 4", "extract", {"llm_rate_limit", "llm_rate_limit", "llm_rate_limit"}, 0, 0, 0, PLAIN, AGAIN, AGAIN, R(NONE), 4, NULL},
    {"model: then another", "extract", {"llm_rate_limit", "llm_rate_limit", "llm_rate_limit", "llm_rate_limit"}, 0, 1, 0, PLAIN, STOP, STOP, R(ATTEMPTS), 0, "fallback"},
    {"no delay", "get", {"sys_interrupted"}, 0, 0, 0, PLAIN, AGAIN, AGAIN, R(NONE), 0, NULL},
    {"more attempts by hand", "get", {"net_reset", "net_reset", "net_reset"}, 0, 0, 0, OPT(.attempts = 5), AGAIN, AGAIN, R(NONE), 4, NULL},
    {"fewer", "get", {"net_reset", "net_reset"}, 0, 0, 0, OPT(.attempts = 2), STOP, STOP, R(ATTEMPTS), 0, NULL},
    {"none but the first", "get", {"net_reset"}, 0, 0, 0, OPT(.attempts = 1), STOP, STOP, R(ATTEMPTS), 0, "requeue"},
    {"fatal stays fatal", "get", {"bb_auth"}, 0, 0, 0, OPT(.attempts = 5), STOP, STOP, R(FATAL), 0, "abort"},
    {"first delay by hand", "get", {"net_reset", "net_reset"}, 0, 0, 0, OPT(.first_delay_s = 5), AGAIN, AGAIN, R(NONE), 10, NULL},
    {"greatest delay by hand", "get", {"net_reset", "net_reset"}, 0, 0, 0, OPT(.max_delay_s = 1.5), AGAIN, AGAIN, R(NONE), 1.5, NULL},
    {"a hint", "get", {"bb_api_rate_limit"}, 60, 0, 0, PLAIN, AGAIN, AGAIN, R(NONE), 60, NULL},
    {"a hint that is not heeded", "get", {"net_reset"}, 60, 0, 0, PLAIN, AGAIN, AGAIN, R(NONE), 1, NULL},
    /* 3 */
    {"a long hint", "get", {"bb_api_rate_limit"}, 60.5, 0, 0, PLAIN, REQUEUE, REQUEUE, R(SERVER_WAIT), 60.5, NULL},
    {"a long hint of a model", "extract", {"llm_rate_limit"}, 61, 0, 0, PLAIN, REQUEUE, REQUEUE, R(SERVER_WAIT), 61, NULL},
    {"concurrency", "session.create", {"bb_concurrency_limit"}, 0, 0, 0, PLAIN, REQUEUE, REQUEUE, R(CONCURRENCY), 5, NULL},
    {"concurrency has no end", "session.create", {"bb_concurrency_limit", "bb_concurrency_limit", "bb_concurrency_limit", "bb_concurrency_limit", "bb_concurrency_limit"}, 0, 1, 0, PLAIN, REQUEUE, REQUEUE, R(CONCURRENCY), 25.3125, NULL},
    {"concurrency with a hint", "session.create", {"bb_concurrency_limit"}, 90, 0, 0, PLAIN, REQUEUE, REQUEUE, R(CONCURRENCY), 90, NULL},
    {"rate of creation", "session.create", {"bb_create_rate_limit"}, 12, 0, 0, PLAIN, REQUEUE, REQUEUE, R(RATE), 12, NULL},
    {"breaker", "act", {"breaker_open"}, 33, 0, 0, PLAIN, REQUEUE, REQUEUE, R(BREAKER), 33, NULL},
    {"it does not count", "get", {"net_reset", "net_reset", "breaker_open", "breaker_open"}, 0, 0, 0, PLAIN, REQUEUE, REQUEUE, R(BREAKER), 7.5, NULL},
    {"site_down sleeps", "navigate", {"site_down"}, 99, 0, 0, PLAIN, AGAIN, AGAIN, R(NONE), 1, NULL},
    {"site_down, then the queue", "navigate", {"site_down", "site_down", "site_down"}, 0, 0, 0, PLAIN, STOP, STOP, R(ATTEMPTS), 0, "requeue"},
    /* 5: the clock stands at 100 */
    {"before the deadline", "get", {"net_reset"}, 0, 0, 0, OPT(.deadline_s = 1.5), AGAIN, AGAIN, R(NONE), 1, NULL},
    {"past the deadline", "get", {"net_reset"}, 0, 0, 0, OPT(.deadline_s = 1), STOP, STOP, R(DEADLINE), 0, "requeue"},
    {"past the caller's", "get", {"net_reset"}, 0, 0, 0, OPT(.until_s = 100.5), STOP, STOP, R(DEADLINE), 0, NULL},
    {"the queue past the caller's", "create", {"bb_concurrency_limit"}, 0, 0, 0, OPT(.until_s = 105), STOP, STOP, R(DEADLINE), 0, NULL},
    {"the queue within the caller's", "create", {"bb_concurrency_limit"}, 0, 0, 0, OPT(.until_s = 106), REQUEUE, REQUEUE, R(CONCURRENCY), 5, NULL},
    {"the queue past its own", "create", {"bb_concurrency_limit"}, 0, 0, 0, OPT(.deadline_s = 1), REQUEUE, REQUEUE, R(CONCURRENCY), 5, NULL},
    {"no hook past the deadline", "get", {"data_parse"}, 0, 0, YES, OPT(.deadline_s = 1), STOP, STOP, R(DEADLINE), 0, NULL},
    /* 6 */
    {"changed", "act", {"sh_element"}, 0, 0, YES, PLAIN, ADJUST, AGAIN, R(NONE), 1, NULL},
    {"no change", "act", {"sh_element"}, 0, 0, NO, PLAIN, ADJUST, STOP, R(NO_CHANGE), 0, "debug"},
    {"no change, its own action", "get", {"bb_not_found"}, 0, 0, NO, PLAIN, ADJUST, STOP, R(NO_CHANGE), 0, "replace"},
    {"adjust: used up", "act", {"sh_element", "sh_element"}, 0, 0, YES, PLAIN, STOP, STOP, R(ATTEMPTS), 0, "debug"},
    {"unknown: one in any case", "get", {"unknown"}, 0, 0, NO, PLAIN, ADJUST, AGAIN, R(NONE), 1, NULL},
    {"unknown: then the debugger", "get", {"unknown", "unknown"}, 0, 0, NO, PLAIN, STOP, STOP, R(ATTEMPTS), 0, "debug"},
    {"a bad response in any case", "get", {"bb_bad_response"}, 0, 0, NO, PLAIN, ADJUST, AGAIN, R(NONE), 1, NULL},
    /* 7 */
    {"verify: not done", "act", {"sh_act_timeout"}, 0, 0, NOT_DONE, PLAIN, VERIFY, AGAIN, R(NONE), 1, NULL},
    {"verify: done", "act", {"sh_act_timeout"}, 0, 0, IS_DONE, PLAIN, VERIFY, DONE, R(NONE), 0, NULL},
    {"verify: unknown", "act", {"sh_act_timeout"}, 0, 0, WHO_KNOWS, PLAIN, VERIFY, STOP, R(UNVERIFIED), 0, "escalate"},
    {"reconnect: running", "extract", {"cdp_closed"}, 0, 0, NOT_DONE, PLAIN, VERIFY, AGAIN, R(NONE), 1, NULL},
    {"reconnect: gone", "extract", {"cdp_closed"}, 0, 0, GONE, PLAIN, VERIFY, STOP, R(GONE), 0, "replace"},
    {"reconnect: unknown", "extract", {"cdp_closed"}, 0, 0, WHO_KNOWS, PLAIN, VERIFY, STOP, R(UNVERIFIED), 0, "replace"},
    {"create is not repeated blindly", "session.create", {"bb_server_error"}, 0, 0, NOT_DONE, PLAIN, VERIFY, AGAIN, R(NONE), 1, NULL},
    {"nor act", "act", {"net_reset"}, 0, 0, WHO_KNOWS, PLAIN, VERIFY, STOP, R(UNVERIFIED), 0, "escalate"},
    {"nor agent", "agentExecute", {"net_timeout"}, 0, 0, NOT_DONE, PLAIN, VERIFY, AGAIN, R(NONE), 1, NULL},
    {"nor after a strange answer", "session.create", {"bb_bad_response"}, 0, 0, GONE, PLAIN, VERIFY, STOP, R(GONE), 0, "replace"},
    {"nor after who knows what", "act", {"unknown"}, 0, 0, NOT_DONE, PLAIN, VERIFY, AGAIN, R(NONE), 1, NULL},
    {"but when it never ran", "session.create", {"net_refused"}, 0, 0, 0, PLAIN, AGAIN, AGAIN, R(NONE), 1, NULL},
    {"reading may", "extract", {"sh_stream_cut"}, 0, 0, 0, PLAIN, AGAIN, AGAIN, R(NONE), 1, NULL},
    {"others as the policy says", "navigate", {"net_reset"}, 0, 0, 0, PLAIN, AGAIN, AGAIN, R(NONE), 1, NULL},
    {"others as the policy says 2", "navigate", {"sh_stream_cut"}, 0, 0, NOT_DONE, PLAIN, VERIFY, AGAIN, R(NONE), 1, NULL},
    {"the caller knows better", "act", {"net_reset"}, 0, 0, 0, OPT(.repeat = OXP_REPEAT_FREELY), AGAIN, AGAIN, R(NONE), 1, NULL},
    {"the caller knows worse", "get", {"net_reset"}, 0, 0, NOT_DONE, OPT(.repeat = OXP_REPEAT_VERIFIED), VERIFY, AGAIN, R(NONE), 1, NULL},
    /* 8 */
    {"all alike", "get", {"net_reset", "net_reset", "net_reset"}, 0, 1, 0, PLAIN, STOP, STOP, R(DETERMINISTIC), 0, "debug"},
    {"alike, but not yet used up", "get", {"net_reset", "net_reset"}, 0, 1, 0, PLAIN, AGAIN, AGAIN, R(NONE), 2, NULL},
    {"another code between", "get", {"net_reset", "net_timeout", "net_reset"}, 0, 1, 0, PLAIN, STOP, STOP, R(ATTEMPTS), 0, "requeue"},
    {"a deferral between", "get", {"net_reset", "breaker_open", "net_reset", "net_reset"}, 0, 1, 0, PLAIN, STOP, STOP, R(DETERMINISTIC), 0, "debug"},
    {"waiting is its cure", "get", {"bb_api_rate_limit", "bb_api_rate_limit", "bb_api_rate_limit"}, 0, 1, 0, PLAIN, STOP, STOP, R(ATTEMPTS), 0, "requeue"},
};
/* clang-format on */

static const char *const messages[] = {"alpha went", "beta went", "gamma went", "delta went",
                                       "eps went",   "zeta went", "eta went",   "theta went"};

static void run_rule(const struct rule *rule, struct oxp_retry_decision *first, struct oxp_retry_decision *last) {
    struct oxp_retry retry;
    struct oxp_retry_options options = rule->options;
    options.op = oxp_view_from(rule->op);
    oxp_retry_begin(&retry, &options, 100);
    for (size_t i = 0; rule->codes[i] != NULL; i++) {
        bool end = rule->codes[i + 1] == NULL;
        struct oxp_retry_failure failure = failed(rule->codes[i]);
        assert_non_null(failure.code);
        failure.message = oxp_view_from(messages[rule->alike ? 0 : i]);
        failure.hint_s = end ? rule->hint_s : 0;
        oxp_retry_failed(&retry, &failure, 100, 0, first);
        *last = *first;
        if (first->step == OXP_RETRY_ADJUST) {
            oxp_retry_adjusted(&retry, !end || rule->answer != 0, 100, last);
        } else if (first->step == OXP_RETRY_VERIFY) {
            oxp_retry_verified(&retry, end ? (enum oxp_verified)rule->answer : OXP_VERIFIED_NOT_DONE, 100, last);
        }
        assert_true(end || last->step == OXP_RETRY_AGAIN || last->step == OXP_RETRY_REQUEUE);
        if (!end) {
            oxp_retry_resume(&retry, 100);
        }
    }
}

static void the_rules(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rules); i++) {
        const struct rule *rule = &rules[i];
        struct oxp_retry_decision first, last;
        run_rule(rule, &first, &last);
        if (first.step != rule->asks || last.step != rule->step || last.reason != rule->reason ||
            last.delay_s != rule->delay_s || (rule->action != NULL && strcmp(rule->action, last.action) != 0)) {
            fail_msg("%s: %d %d %s %g %s", rule->name, first.step, last.step, oxp_retry_reason_name(last.reason),
                     last.delay_s, last.action);
        }
    }
}

static void what_is_determined_is_recoverable(void **state) {
    (void)state;
    const struct rule rule = {.op = "get", .codes = {"net_reset", "net_reset", "net_reset"}, .alike = true};
    struct oxp_retry_decision first, last;
    run_rule(&rule, &first, &last);
    assert_string_equal(last.code->name, "net_reset");
    assert_string_equal(last.code->class, "recoverable");
}

static void outcomes_follow_from_decisions(void **state) {
    (void)state;
    static const struct {
        enum oxp_retry_step step;
        enum oxp_retry_reason reason;
        const char *code;
        enum oxp_retry_outcome outcome;
    } rows[] = {
        {OXP_RETRY_DONE, R(NONE), "net_reset", OXP_RETRY_SUCCEEDED},
        {OXP_RETRY_REQUEUE, R(RATE), "net_reset", OXP_RETRY_DEFERRED},
        {OXP_RETRY_STOP, R(FATAL), "bb_auth", OXP_RETRY_FATAL},
        {OXP_RETRY_STOP, R(FATAL), "data_empty", OXP_RETRY_FATAL},
        {OXP_RETRY_STOP, R(ATTEMPTS), "bb_auth", OXP_RETRY_FATAL}, /* given more attempts by configuration */
        {OXP_RETRY_STOP, R(ATTEMPTS), "net_reset", OXP_RETRY_EXHAUSTED},
        {OXP_RETRY_STOP, R(BUDGET), "net_reset", OXP_RETRY_EXHAUSTED},
        {OXP_RETRY_STOP, R(CANCELLED), "net_reset", OXP_RETRY_CANCELLED},
        {OXP_RETRY_STOP, R(FATAL), "task_cancelled", OXP_RETRY_CANCELLED},
        {OXP_RETRY_STOP, R(FATAL), "sh_aborted", OXP_RETRY_CANCELLED},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const struct oxp_retry_decision decision = {
            .step = rows[i].step, .reason = rows[i].reason, .code = oxp_code_find(oxp_view_from(rows[i].code))};
        assert_int_equal(oxp_retry_outcome_of(&decision), rows[i].outcome);
    }
    assert_string_equal(oxp_retry_reason_name(OXP_REASONS), "");
}

static void time_in_the_queue_is_not_the_operation_s(void **state) {
    (void)state;
    struct oxp_retry retry;
    struct oxp_retry_decision decision;
    const struct oxp_retry_options options = {.op = V("get"), .deadline_s = 10};
    struct oxp_retry_failure busy = failed("breaker_open"), reset = failed("net_reset");
    oxp_retry_begin(&retry, &options, 100);
    oxp_retry_failed(&retry, &busy, 104, 0, &decision);
    assert_int_equal(decision.step, OXP_RETRY_REQUEUE);
    assert_int_equal(retry.attempts, 0);
    oxp_retry_resume(&retry, 1104);
    assert_int_equal(retry.attempts, 1);
    oxp_retry_failed(&retry, &reset, 1108, 0, &decision); /* 8 of 10 seconds, and 1 to sleep */
    assert_int_equal(decision.step, OXP_RETRY_AGAIN);
    oxp_retry_resume(&retry, 1109);
    oxp_retry_failed(&retry, &reset, 1109, 0, &decision); /* 9, and 2 */
    assert_int_equal(decision.reason, OXP_REASON_DEADLINE);
}

static void evidence_is_classified_with_what_the_options_know(void **state) {
    (void)state;
    struct oxp_retry retry;
    struct oxp_retry_decision decision;
    const struct oxp_retry_options options = {.op = V("session.create"), .upstream = V("browserbase")};
    const struct oxp_retry_failure failure = {.evidence = {.status = 429, .message = V("limit 3, currently 3")}};
    oxp_retry_begin(&retry, &options, 0);
    oxp_retry_failed(&retry, &failure, 0, 0, &decision);
    assert_string_equal(decision.code->name, "bb_concurrency_limit");
}

static void the_budget_refuses_but_not_a_release(void **state) {
    (void)state;
    const struct oxp_retry_budget_options small = {.capacity = 5};
    struct oxp_retry_budget *budget = NULL;
    struct oxp_retry retry;
    struct oxp_retry_decision decision;
    struct oxp_retry_failure reset = failed("net_reset"), kept = failed("bb_release_failed");
    assert_int_equal(oxp_retry_budget_new(&small, &budget), OXP_OK);
    struct oxp_retry_options options = {.op = V("get"), .budget = budget};
    oxp_retry_begin(&retry, &options, 0);
    oxp_retry_failed(&retry, &reset, 0, 0, &decision);
    assert_int_equal(decision.step, OXP_RETRY_AGAIN);
    assert_int_equal(oxp_retry_budget_left(budget), 0);
    oxp_retry_resume(&retry, 1);
    oxp_retry_failed(&retry, &reset, 1, 0, &decision);
    assert_int_equal(decision.step, OXP_RETRY_STOP);
    assert_int_equal(decision.reason, OXP_REASON_BUDGET);

    options.op = V("session.release");
    struct oxp_retry other;
    oxp_retry_begin(&other, &options, 0);
    oxp_retry_failed(&other, &kept, 0, 0, &decision);
    assert_int_equal(decision.step, OXP_RETRY_AGAIN);
    oxp_retry_succeeded(&other);
    assert_int_equal(oxp_retry_budget_left(budget), 0); /* took nothing, gives nothing */
    oxp_retry_succeeded(&retry);
    assert_int_equal(oxp_retry_budget_left(budget), 5);
    oxp_retry_budget_free(budget);
}

/* ---- The loop ---- */

/* Plays the codes, then works; its clock moves only by sleeping (and by `try_s` in each try). */
struct play {
    const char *codes[8];
    double hint_s, try_s;
    unsigned tries, adjusted, verified;
    bool change;
    enum oxp_verified answer;
    double now_s, slept_s;
    struct oxp_cancel *cancel_in_sleep, *cancel_in_try;
};

static bool play_try(void *ctx, unsigned attempt, struct oxp_retry_failure *failure_out) {
    struct play *play = ctx;
    play->now_s += play->try_s;
    assert_true(attempt >= 1);
    if (play->cancel_in_try != NULL) {
        oxp_cancel_set(play->cancel_in_try);
    }
    const char *code = play->codes[play->tries++];
    if (code == NULL) {
        return true;
    }
    *failure_out = failed(code);
    failure_out->message = oxp_view_from(messages[play->tries % 8]);
    failure_out->hint_s = play->hint_s;
    return false;
}

static double play_now(void *ctx) {
    return ((struct play *)ctx)->now_s;
}

static bool play_sleep(void *ctx, double seconds, struct oxp_cancel *cancel) {
    struct play *play = ctx;
    if (play->cancel_in_sleep != NULL) {
        oxp_cancel_set(play->cancel_in_sleep);
    }
    if (oxp_cancel_is_set(cancel)) {
        return false;
    }
    play->now_s += seconds;
    play->slept_s += seconds;
    return true;
}

static double no_chance(void *ctx) {
    (void)ctx;
    return 0;
}

static bool play_adjust(void *ctx, const struct oxp_retry_decision *decision) {
    struct play *play = ctx;
    assert_int_equal(decision->step, OXP_RETRY_ADJUST);
    play->adjusted++;
    return play->change;
}

static enum oxp_verified play_verify(void *ctx, const struct oxp_retry_decision *decision) {
    struct play *play = ctx;
    assert_int_equal(decision->step, OXP_RETRY_VERIFY);
    play->verified++;
    return play->answer;
}

static struct oxp_retry_options options_of(struct play *play, struct notes *notes, struct oxp_view op) {
    notes_init(notes);
    return (struct oxp_retry_options){.op = op,
                                      .upstream = V("browserbase"),
                                      .reporter = &notes->reporter,
                                      .adjust = play_adjust,
                                      .verify = play_verify,
                                      .ctx = play,
                                      .now_s = play_now,
                                      .sleep = play_sleep,
                                      .random = no_chance,
                                      .time_ctx = play};
}

static const struct {
    const char *op;
    struct play play;
    enum oxp_retry_outcome outcome;
    unsigned tries;
    double slept_s;
    const char *notes;
} plays[] = {
    {"get", {.codes = {NULL}}, OXP_RETRY_SUCCEEDED, 1, 0, ""},
    {"get",
     {.codes = {"net_reset", "net_timeout"}},
     OXP_RETRY_SUCCEEDED,
     3,
     3,
     "retry op=get upstream=browserbase attempt=2 delay_s=1 code=net_reset category=network;"
     "retry op=get upstream=browserbase attempt=3 delay_s=2 code=net_timeout category=network;"
     "retry op=get upstream=browserbase outcome=recovered attempts=3;"},
    {"get",
     {.codes = {"net_reset", "net_reset", "net_reset"}},
     OXP_RETRY_EXHAUSTED,
     3,
     3,
     "retry op=get upstream=browserbase attempt=2 delay_s=1 code=net_reset category=network;"
     "retry op=get upstream=browserbase attempt=3 delay_s=2 code=net_reset category=network;"
     "retry op=get upstream=browserbase outcome=exhausted attempts=3 code=net_reset category=network "
     "reason=attempts;"},
    {"get", {.codes = {"bb_auth"}}, OXP_RETRY_FATAL, 1, 0, ""},
    {"get",
     {.codes = {"net_reset", "bb_auth"}},
     OXP_RETRY_FATAL,
     2,
     1,
     "retry op=get upstream=browserbase attempt=2 delay_s=1 code=net_reset category=network;"
     "retry op=get upstream=browserbase outcome=fatal attempts=2 code=bb_auth category=browserbase reason=fatal;"},
    {"session.create",
     {.codes = {"bb_concurrency_limit"}},
     OXP_RETRY_DEFERRED,
     1,
     0,
     "retry op=session.create upstream=browserbase attempt=1 delay_s=5 code=bb_concurrency_limit "
     "category=browserbase reason=concurrency;"},
    {"get",
     {.codes = {"bb_api_rate_limit"}, .hint_s = 90},
     OXP_RETRY_DEFERRED,
     1,
     0,
     "retry op=get upstream=browserbase attempt=1 delay_s=90 code=bb_api_rate_limit category=browserbase "
     "reason=server_wait;"},
    {"session.create", {.codes = {"bb_create_timeout"}, .answer = OXP_VERIFIED_DONE}, OXP_RETRY_SUCCEEDED, 1, 0, ""},
    {"act",
     {.codes = {"sh_element"}, .change = true},
     OXP_RETRY_SUCCEEDED,
     2,
     1,
     "retry op=act upstream=browserbase attempt=2 delay_s=1 code=sh_element category=stagehand;"
     "retry op=act upstream=browserbase outcome=recovered attempts=2;"},
    {"act", {.codes = {"sh_element"}}, OXP_RETRY_EXHAUSTED, 1, 0, ""},
    {"get", /* a try of a minute: the deadline of 120 s ends it */
     {.codes = {"net_reset", "net_reset"}, .try_s = 60},
     OXP_RETRY_EXHAUSTED,
     2,
     1,
     "retry op=get upstream=browserbase attempt=2 delay_s=1 code=net_reset category=network;"
     "retry op=get upstream=browserbase outcome=exhausted attempts=2 code=net_reset category=network "
     "reason=deadline;"},
};

static void the_loop_tries_sleeps_and_tells(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT_OF(plays); i++) {
        struct play play = plays[i].play;
        struct notes notes;
        struct oxp_retry_options options = options_of(&play, &notes, oxp_view_from(plays[i].op));
        struct oxp_retry_result result = {.waited_s = 0};
        assert_int_equal(oxp_retry_call(&options, play_try, &play, &result), plays[i].outcome);
        assert_string_equal(notes.text, plays[i].notes);
        assert_int_equal(play.tries, plays[i].tries);
        assert_true(play.slept_s == plays[i].slept_s && result.waited_s == plays[i].slept_s);
    }
}

static void without_hooks_it_stops(void **state) {
    (void)state;
    struct play play = {.codes = {"sh_act_timeout"}};
    struct notes notes;
    struct oxp_retry_options options = options_of(&play, &notes, V("act"));
    struct oxp_retry_result result = {.waited_s = 0};
    options.verify = NULL;
    assert_int_equal(oxp_retry_call(&options, play_try, &play, &result), OXP_RETRY_EXHAUSTED);
    assert_int_equal(result.decision.reason, OXP_REASON_UNVERIFIED);
}

static void a_deferred_operation_goes_on(void **state) {
    (void)state;
    struct play play = {.codes = {"net_reset", "bb_concurrency_limit", "net_reset"}};
    struct notes notes;
    struct oxp_retry_options options = options_of(&play, &notes, V("get"));
    struct oxp_retry_result result = {.waited_s = 0};
    assert_int_equal(oxp_retry_call(&options, play_try, &play, &result), OXP_RETRY_DEFERRED);
    play.now_s += 1000;
    notes_init(&notes);
    assert_int_equal(oxp_retry_call(&options, play_try, &play, &result), OXP_RETRY_SUCCEEDED);
    assert_string_equal(notes.text,
                        "retry op=get upstream=browserbase attempt=3 delay_s=2 code=net_reset category=network;"
                        "retry op=get upstream=browserbase outcome=recovered attempts=3;");
    assert_false(result.state.requeued);
}

static void with_no_queue_it_waits_in_place(void **state) {
    (void)state;
    struct play play = {.codes = {"bb_concurrency_limit", "bb_concurrency_limit"}};
    struct notes notes;
    struct oxp_retry_options options = options_of(&play, &notes, V("session.create"));
    options.wait_in_place = true;
    assert_int_equal(oxp_retry_call(&options, play_try, &play, NULL), OXP_RETRY_SUCCEEDED);
    assert_true(play.slept_s == 12.5);
    assert_null(strstr(notes.text, "outcome")); /* nothing was retried: the ledger knows it as deferred twice */
}

static void it_can_be_cancelled(void **state) {
    (void)state;
    enum { BEFORE, IN_TRY, IN_SLEEP };
    static const unsigned tries[] = {0, 1, 1};
    for (int when = BEFORE; when <= IN_SLEEP; when++) {
        struct oxp_cancel *cancel = NULL;
        assert_int_equal(oxp_cancel_new(&cancel), OXP_OK);
        struct play play = {.codes = {"net_reset"},
                            .cancel_in_try = when == IN_TRY ? cancel : NULL,
                            .cancel_in_sleep = when == IN_SLEEP ? cancel : NULL};
        struct notes notes;
        struct oxp_retry_options options = options_of(&play, &notes, V("get"));
        struct oxp_retry_result result = {.waited_s = 0};
        options.cancel = cancel;
        if (when == BEFORE) {
            oxp_cancel_set(cancel);
        }
        assert_int_equal(oxp_retry_call(&options, play_try, &play, &result), OXP_RETRY_CANCELLED);
        assert_int_equal(play.tries, tries[when]);
        assert_int_equal(result.decision.reason, OXP_REASON_CANCELLED);
        assert_true(play.slept_s == 0);
        assert_int_equal(strstr(notes.text, "outcome=cancelled") != NULL, when != BEFORE);
        oxp_cancel_free(cancel);
    }
}

/* ---- With a breaker ---- */

static void a_breaker_defers_but_not_a_release(void **state) {
    (void)state;
    struct play play = {.codes = {"net_reset"}, .now_s = 10};
    struct notes notes;
    struct oxp_breakers *breakers = NULL;
    const struct oxp_breakers_options registry = {
        .defaults = {.failure_threshold = 1}, .now_s = play_now, .ctx = &play};
    struct oxp_retry_options options = options_of(&play, &notes, V("get"));
    struct oxp_retry_result result = {.waited_s = 0};
    assert_int_equal(oxp_breakers_new(&registry, &breakers), OXP_OK);
    options.breaker = oxp_breaker_get(breakers, "bb_api", NULL);
    /* the failure opens it; the second try finds it so */
    assert_int_equal(oxp_retry_call(&options, play_try, &play, &result), OXP_RETRY_DEFERRED);
    assert_int_equal(play.tries, 1);
    assert_int_equal(result.decision.reason, OXP_REASON_BREAKER);
    assert_true(result.decision.delay_s == 59); /* until the probe: one second was slept */

    struct play release = {.codes = {"bb_release_failed"}, .now_s = 11};
    struct oxp_retry_options to_release = options_of(&release, &notes, V("session.release"));
    to_release.breaker = options.breaker;
    assert_int_equal(oxp_retry_call(&to_release, play_try, &release, NULL), OXP_RETRY_SUCCEEDED);
    assert_int_equal(release.tries, 2);

    play.now_s += 60; /* the deferred one becomes the probe */
    assert_int_equal(oxp_retry_call(&options, play_try, &play, &result), OXP_RETRY_SUCCEEDED);
    assert_int_equal(oxp_breaker_state_of(options.breaker), OXP_BREAKER_CLOSED);
    oxp_breakers_free(breakers);
}

/* ---- Observers ---- */

struct watch {
    struct oxp_retry_observer observer;
    unsigned failures, ends, attempts;
    enum oxp_retry_outcome outcome;
};

static void saw_failure(struct oxp_retry_observer *self, const struct oxp_retry_options *options,
                        const struct oxp_retry_decision *decision) {
    assert_string_equal(options->op.ptr, "get");
    assert_non_null(decision->code);
    ((struct watch *)self)->failures++;
}

static void saw_end(struct oxp_retry_observer *self, const struct oxp_retry_options *options,
                    enum oxp_retry_outcome outcome, unsigned attempts) {
    (void)options;
    struct watch *watch = (struct watch *)self;
    watch->ends++;
    watch->outcome = outcome;
    watch->attempts = attempts;
}

static void observers_see_every_failure_and_the_end(void **state) {
    (void)state;
    struct play play = {.codes = {"net_reset", "bb_auth"}};
    struct notes notes;
    struct watch watch = {.observer = {saw_failure, saw_end}};
    struct oxp_retry_options options = options_of(&play, &notes, V("get"));
    options.reporter = NULL;
    options.observer = &watch.observer;
    oxp_retry_call(&options, play_try, &play, NULL);
    assert_int_equal(watch.failures, 2);
    assert_int_equal(watch.ends, 1);
    assert_int_equal(watch.outcome, OXP_RETRY_FATAL);
    assert_int_equal(watch.attempts, 2);
    struct play well = {.codes = {NULL}};
    options.time_ctx = &well;
    oxp_retry_call(&options, play_try, &well, NULL);
    assert_int_equal(watch.ends, 2);
    assert_int_equal(watch.outcome, OXP_RETRY_SUCCEEDED);
}

static bool works(void *ctx, unsigned attempt, struct oxp_retry_failure *failure_out) {
    (void)ctx;
    if (attempt == 1) {
        *failure_out = failed("sys_interrupted");
    }
    return attempt > 1;
}

static void all_zero_is_a_good_start(void **state) {
    (void)state;
    const struct oxp_retry_options options = {.reporter = NULL};
    assert_int_equal(oxp_retry_call(&options, works, NULL, NULL), OXP_RETRY_SUCCEEDED);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_rules),
        cmocka_unit_test(what_is_determined_is_recoverable),
        cmocka_unit_test(outcomes_follow_from_decisions),
        cmocka_unit_test(time_in_the_queue_is_not_the_operation_s),
        cmocka_unit_test(evidence_is_classified_with_what_the_options_know),
        cmocka_unit_test(the_budget_refuses_but_not_a_release),
        cmocka_unit_test(the_loop_tries_sleeps_and_tells),
        cmocka_unit_test(without_hooks_it_stops),
        cmocka_unit_test(a_deferred_operation_goes_on),
        cmocka_unit_test(with_no_queue_it_waits_in_place),
        cmocka_unit_test(it_can_be_cancelled),
        cmocka_unit_test(a_breaker_defers_but_not_a_release),
        cmocka_unit_test(observers_see_every_failure_and_the_end),
        cmocka_unit_test(all_zero_is_a_good_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
