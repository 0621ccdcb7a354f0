/* One operation as a state machine: a failed try in, a decision out. The rules are numbered in retry.h. Nothing here
 * sleeps, reports or reads a clock. */
#include <oxpecker/retry.h>

#include <assert.h>
#include <math.h>

#include "lib/resilience/determinism.h"
#include "lib/resilience/policy.h"

static const char *const reason_names[OXP_REASONS] = {
    [OXP_REASON_NONE] = "",
    [OXP_REASON_FATAL] = "fatal",
    [OXP_REASON_ATTEMPTS] = "attempts",
    [OXP_REASON_DEADLINE] = "deadline",
    [OXP_REASON_NO_CHANGE] = "no_change",
    [OXP_REASON_UNVERIFIED] = "unverified",
    [OXP_REASON_GONE] = "gone",
    [OXP_REASON_DETERMINISTIC] = "deterministic",
    [OXP_REASON_BUDGET] = "budget",
    [OXP_REASON_CANCELLED] = "cancelled",
    [OXP_REASON_CONCURRENCY] = "concurrency",
    [OXP_REASON_RATE] = "rate",
    [OXP_REASON_SERVER_WAIT] = "server_wait",
    [OXP_REASON_BREAKER] = "breaker",
};

const char *oxp_retry_reason_name(enum oxp_retry_reason reason) {
    return (unsigned)reason < OXP_REASONS ? reason_names[reason] : "";
}

static bool is(const char *a, const char *b) {
    return strcmp(a, b) == 0;
}

/* ---- What kind of operation it is ---- */

/* By the last word of the operation's name. */
static const struct {
    const char *word;
    enum oxp_repeat repeat;
} words[] = {
    {"act", OXP_REPEAT_VERIFIED},           {"agent", OXP_REPEAT_VERIFIED},  {"agentExecute", OXP_REPEAT_VERIFIED},
    {"agent_execute", OXP_REPEAT_VERIFIED}, {"create", OXP_REPEAT_VERIFIED}, {"observe", OXP_REPEAT_FREELY},
    {"extract", OXP_REPEAT_FREELY},         {"get", OXP_REPEAT_FREELY},      {"list", OXP_REPEAT_FREELY},
};

static struct oxp_view last_word(struct oxp_view op) {
    size_t from = op.len;
    while (from > 0 && op.ptr[from - 1] != '.') {
        from--;
    }
    return oxp_view_of(op.len == 0 ? op.ptr : op.ptr + from, op.len - from);
}

static enum oxp_repeat repeat_of(const struct oxp_retry_options *options) {
    struct oxp_view word = last_word(options->op);
    for (size_t i = 0; i < sizeof words / sizeof words[0] && options->repeat == OXP_REPEAT_BY_OP; i++) {
        if (oxp_view_is(word, words[i].word)) {
            return words[i].repeat;
        }
    }
    return options->repeat;
}

/* What has to happen before the next try (rules 6, 7). */
static enum oxp_retry_need need_of(const struct oxp_retry *retry, const struct oxp_code *code,
                                   const struct oxp_policy *policy) {
    enum oxp_repeat repeat = repeat_of(retry->options);
    bool hook_looks = policy->need == OXP_NEED_CHANGE && !policy->need_optional;
    if (repeat == OXP_REPEAT_VERIFIED && !hook_looks && !oxp_code_never_ran(code)) {
        return OXP_NEED_STATE;
    }
    if (repeat == OXP_REPEAT_FREELY && is(policy->name, "verify")) {
        return OXP_NEED_NOTHING;
    }
    return policy->need;
}

static void policy_of(const struct oxp_retry *retry, const struct oxp_code *code, struct oxp_policy *policy_out) {
    const struct oxp_retry_options *options = retry->options;
    oxp_retry_config_policy(options->config, code, policy_out);
    if (options->attempts != 0 && !policy_out->queues && policy_out->attempts != 1) {
        policy_out->attempts = options->attempts;
    }
    if (options->first_delay_s > 0 && policy_out->first_delay_s > 0) {
        policy_out->first_delay_s = options->first_delay_s;
    }
    if (options->max_delay_s > 0) {
        policy_out->max_delay_s = options->max_delay_s;
    }
}

static double deadline_of(const struct oxp_retry *retry) {
    const struct oxp_retry_options *options = retry->options;
    double own = options->deadline_s > 0 ? options->deadline_s : oxp_retry_config_deadline(options->config);
    return fmin(retry->started_s + own, options->until_s > 0 ? options->until_s : INFINITY);
}

/* ---- Decisions ---- */

/* What comes after giving up: a code's own action, unless that is what was given up. */
static const char *action_after(const struct oxp_code *code, const struct oxp_policy *policy,
                                enum oxp_retry_reason reason) {
    if (reason == OXP_REASON_GONE) {
        return "replace";
    }
    if (reason == OXP_REASON_CANCELLED) {
        return "skip";
    }
    if (!is(code->action, "retry") && !is(code->action, "adjust") && !is(code->action, "requeue")) {
        return code->action;
    }
    return reason == OXP_REASON_UNVERIFIED ? "escalate" : policy->then;
}

static void stop(struct oxp_retry_decision *decision, const struct oxp_policy *policy, enum oxp_retry_reason reason) {
    decision->step = OXP_RETRY_STOP;
    decision->reason = reason;
    decision->delay_s = 0;
    decision->action = action_after(decision->code, policy, reason);
}

/* Rules 2 and 8: the tries are used up. */
static void stop_used_up(const struct oxp_tries *tries, struct oxp_retry_decision *decision,
                         const struct oxp_policy *policy) {
    const struct oxp_code *determined = oxp_tries_same(tries) ? oxp_classify_tries(tries) : decision->code;
    if (policy->attempts <= 1 && is(policy->name, "none")) {
        stop(decision, policy, OXP_REASON_FATAL);
    } else if (determined != decision->code) {
        decision->code = determined;
        stop(decision, policy, OXP_REASON_DETERMINISTIC);
    } else {
        stop(decision, policy, OXP_REASON_ATTEMPTS);
    }
}

/* Rules 5 and 9: the next try, after the delay that stands in the decision. */
static void again(struct oxp_retry *retry, const struct oxp_policy *policy, double now_s,
                  struct oxp_retry_decision *decision) {
    if (!(now_s + decision->delay_s < deadline_of(retry))) {
        stop(decision, policy, OXP_REASON_DEADLINE);
        return;
    }
    if (!retry->bypasses && !oxp_retry_budget_take(retry->options->budget)) {
        stop(decision, policy, OXP_REASON_BUDGET);
        return;
    }
    retry->retried = !retry->bypasses;
    decision->step = OXP_RETRY_AGAIN;
}

/* Rule 3: why the operation goes back to the queue, or NONE. */
static enum oxp_retry_reason deferral_of(const struct oxp_code *code, const struct oxp_policy *policy, double hint_s) {
    if (policy->queues) {
        return is(code->name, "breaker_open")           ? OXP_REASON_BREAKER
               : is(code->name, "bb_concurrency_limit") ? OXP_REASON_CONCURRENCY
                                                        : OXP_REASON_RATE;
    }
    if (policy->heeds_hint && is(code->action, "requeue")) {
        return OXP_REASON_RATE;
    }
    return policy->heeds_hint && isfinite(hint_s) && hint_s > policy->max_delay_s ? OXP_REASON_SERVER_WAIT
                                                                                  : OXP_REASON_NONE;
}

static void requeue(struct oxp_retry *retry, const struct oxp_policy *policy, double now_s,
                    struct oxp_retry_decision *decision) {
    const struct oxp_retry_options *options = retry->options;
    if (policy->queues && policy->attempts != 0 && retry->deferrals >= policy->attempts) {
        stop(decision, policy, OXP_REASON_ATTEMPTS);
        return;
    }
    if (options->until_s > 0 && now_s + decision->delay_s >= options->until_s) {
        stop(decision, policy, OXP_REASON_DEADLINE);
        return;
    }
    decision->step = OXP_RETRY_REQUEUE;
    retry->deferrals++;
    retry->attempts--;
    retry->requeued = true;
    retry->requeued_s = now_s;
}

static void add_try(struct oxp_retry *retry, const struct oxp_code *code, struct oxp_view message,
                    struct oxp_tries *tries_out) {
    static_assert(sizeof *tries_out <= sizeof retry->alike, "struct oxp_retry has room for the tries");
    memcpy(tries_out, retry->alike, sizeof *tries_out);
    oxp_tries_add(tries_out, code, message);
    memcpy(retry->alike, tries_out, sizeof *tries_out);
}

const struct oxp_code *oxp_retry_code_of(const struct oxp_retry_options *options,
                                         const struct oxp_retry_failure *failure) {
    if (failure->code != NULL) {
        return failure->code;
    }
    struct oxp_evidence evidence = failure->evidence;
    evidence.op = evidence.op.len != 0 ? evidence.op : options->op;
    evidence.upstream = evidence.upstream.len != 0 ? evidence.upstream : options->upstream;
    return oxp_classify(&evidence);
}

/* ---- Events of the machine ---- */

void oxp_retry_begin(struct oxp_retry *retry, const struct oxp_retry_options *options, double now_s) {
    *retry = (struct oxp_retry){
        .options = options,
        .started_s = now_s,
        .attempts = 1,
        .bypasses = oxp_view_is(last_word(options->op), "release"),
    };
}

void oxp_retry_resume(struct oxp_retry *retry, double now_s) {
    if (retry->requeued) { /* rule 5: the time in the queue is not the operation's */
        retry->started_s += fmax(now_s - retry->requeued_s, 0);
        retry->requeued = false;
    }
    retry->attempts++;
}

void oxp_retry_failed(struct oxp_retry *retry, const struct oxp_retry_failure *failure, double now_s, double random,
                      struct oxp_retry_decision *decision_out) {
    const struct oxp_code *code = oxp_retry_code_of(retry->options, failure);
    struct oxp_policy policy;
    policy_of(retry, code, &policy);
    retry->bypasses = retry->bypasses || policy.bypasses;
    *decision_out = (struct oxp_retry_decision){.code = code, .action = code->action, .attempt = retry->attempts};
    enum oxp_retry_reason deferral = deferral_of(code, &policy, failure->hint_s);
    if (deferral != OXP_REASON_NONE) {
        decision_out->reason = deferral;
        decision_out->delay_s = oxp_policy_delay(&policy, retry->deferrals + 1, failure->hint_s, random);
        requeue(retry, &policy, now_s, decision_out);
        return;
    }
    struct oxp_tries tries;
    add_try(retry, code, failure->message.len != 0 ? failure->message : failure->evidence.message, &tries);
    retry->counted++;
    if (policy.attempts != 0 && retry->counted >= policy.attempts) {
        stop_used_up(&tries, decision_out, &policy);
        return;
    }
    decision_out->delay_s = oxp_policy_delay(&policy, retry->counted, failure->hint_s, random);
    enum oxp_retry_need need = need_of(retry, code, &policy);
    if (need == OXP_NEED_NOTHING) {
        again(retry, &policy, now_s, decision_out);
    } else if (!(now_s + decision_out->delay_s < deadline_of(retry))) {
        stop(decision_out, &policy, OXP_REASON_DEADLINE);
    } else {
        decision_out->step = need == OXP_NEED_CHANGE ? OXP_RETRY_ADJUST : OXP_RETRY_VERIFY;
        retry->pending = *decision_out;
    }
}

void oxp_retry_adjusted(struct oxp_retry *retry, bool changed, double now_s, struct oxp_retry_decision *decision_out) {
    struct oxp_policy policy;
    *decision_out = retry->pending;
    policy_of(retry, decision_out->code, &policy);
    if (!changed && !policy.need_optional) {
        stop(decision_out, &policy, OXP_REASON_NO_CHANGE);
    } else {
        again(retry, &policy, now_s, decision_out);
    }
}

void oxp_retry_verified(struct oxp_retry *retry, enum oxp_verified verified, double now_s,
                        struct oxp_retry_decision *decision_out) {
    struct oxp_policy policy;
    *decision_out = retry->pending;
    policy_of(retry, decision_out->code, &policy);
    switch (verified) {
    case OXP_VERIFIED_NOT_DONE:
        again(retry, &policy, now_s, decision_out);
        break;
    case OXP_VERIFIED_DONE:
        decision_out->step = OXP_RETRY_DONE;
        decision_out->delay_s = 0;
        break;
    case OXP_VERIFIED_GONE:
        stop(decision_out, &policy, OXP_REASON_GONE);
        break;
    default:
        stop(decision_out, &policy, OXP_REASON_UNVERIFIED);
        break;
    }
}

void oxp_retry_succeeded(struct oxp_retry *retry) {
    if (!retry->bypasses) { /* what took nothing gives nothing back */
        oxp_retry_budget_give(retry->options->budget, retry->retried);
    }
}

enum oxp_retry_outcome oxp_retry_outcome_of(const struct oxp_retry_decision *decision) {
    if (decision->step == OXP_RETRY_DONE) {
        return OXP_RETRY_SUCCEEDED;
    }
    if (decision->step == OXP_RETRY_REQUEUE) {
        return OXP_RETRY_DEFERRED;
    }
    const struct oxp_code *code = decision->code;
    if (decision->reason == OXP_REASON_CANCELLED || is(code->name, "task_cancelled") || is(code->name, "sh_aborted")) {
        return OXP_RETRY_CANCELLED;
    }
    return decision->reason == OXP_REASON_FATAL || is(code->class, "fatal") ? OXP_RETRY_FATAL : OXP_RETRY_EXHAUSTED;
}
