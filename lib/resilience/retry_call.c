/* The loop over the state machine of retry.c, and what is reported of it. */
#include <oxpecker/breaker.h>
#include <oxpecker/retry.h>

#include <math.h>

#include "lib/base/clock.h"
#include "lib/base/random.h"
#include "lib/resilience/policy.h"

/* ---- Time and chance ---- */

static double now_of(const struct oxp_retry_options *options) {
    if (options->now_s != NULL) {
        return options->now_s(options->time_ctx);
    }
    return oxp_clock_mono_s(NULL);
}

static bool sleep_of(const struct oxp_retry_options *options, double seconds) {
    if (options->sleep != NULL) {
        return options->sleep(options->time_ctx, seconds, options->cancel);
    }
    return oxp_cancel_sleep(options->cancel, seconds);
}

/* Asked after failures only, so the kernel may be: processes that were forked do not sleep in step. */
static double random_of(const struct oxp_retry_options *options) {
    if (options->random != NULL) {
        return options->random(options->time_ctx);
    }
    struct oxp_random random;
    oxp_random_init(&random);
    return oxp_random_unit(&random);
}

/* ---- Reports ---- */

static struct oxp_pair op_pair(const struct oxp_retry_options *options) {
    return oxp_pair_text("op", options->op.len != 0 ? options->op : OXP_VIEW("call"));
}

static struct oxp_pair upstream_pair(const struct oxp_retry_options *options) {
    return oxp_pair_text("upstream", options->upstream.len != 0 ? options->upstream : OXP_VIEW("other"));
}

static struct oxp_pair name_pair(const char *key, const char *name) {
    return oxp_pair_text(key, oxp_view_from(name));
}

void oxp_retry_tell(const struct oxp_retry *retry, const struct oxp_retry_decision *decision) {
    const struct oxp_retry_options *options = retry->options;
    bool deferred = decision->step == OXP_RETRY_REQUEUE;
    if (decision->step == OXP_RETRY_ADJUST || decision->step == OXP_RETRY_VERIFY) {
        return;
    }
    if (options->reporter != NULL && (deferred || decision->step == OXP_RETRY_AGAIN)) {
        const struct oxp_pair pairs[] = {
            op_pair(options),
            upstream_pair(options),
            oxp_pair_count("attempt",
                           decision->attempt + !deferred), /* the one to come; what is put back comes again */
            oxp_pair_number("delay_s", decision->delay_s),
            name_pair("code", decision->code->name),
            name_pair("category", decision->code->category),
            name_pair("reason", oxp_retry_reason_name(decision->reason)),
        };
        oxp_report(options->reporter, "retry", options->ids, pairs, sizeof pairs / sizeof pairs[0]);
    }
    if (options->observer != NULL && options->observer->failed != NULL) {
        options->observer->failed(options->observer, options, decision);
    }
}

void oxp_retry_tell_end(const struct oxp_retry *retry, enum oxp_retry_outcome outcome,
                        const struct oxp_retry_decision *decision) {
    static const char *const outcomes[] = {"recovered", "exhausted", "fatal", "cancelled", NULL};
    const struct oxp_retry_options *options = retry->options;
    /* one that was cancelled in its first sleep has told of a try that never came */
    bool asleep = decision != NULL && decision->reason == OXP_REASON_CANCELLED && retry->counted > 0;
    if (options->reporter != NULL && (retry->attempts > 1 || asleep) && outcomes[outcome] != NULL) {
        const struct oxp_pair pairs[] = {
            op_pair(options),
            upstream_pair(options),
            name_pair("outcome", outcomes[outcome]),
            oxp_pair_count("attempts", retry->attempts),
            name_pair("code", decision == NULL ? NULL : decision->code->name),
            name_pair("category", decision == NULL ? NULL : decision->code->category),
            name_pair("reason", decision == NULL ? NULL : oxp_retry_reason_name(decision->reason)),
        };
        oxp_report(options->reporter, "retry", options->ids, pairs, sizeof pairs / sizeof pairs[0]);
    }
    if (options->observer != NULL && options->observer->ended != NULL) {
        options->observer->ended(options->observer, options, outcome, retry->attempts);
    }
}

/* ---- The loop ---- */

struct work {
    oxp_attempt_fn attempt;
    void *ctx;
};

/* One try inside the breaker (rule 10). */
static bool try_once(const struct oxp_retry *retry, const struct work *work, struct oxp_retry_failure *failure) {
    const struct oxp_retry_options *options = retry->options;
    struct oxp_breaker_ticket ticket = {NULL, 0, 0};
    *failure = (struct oxp_retry_failure){.code = NULL};
    if (options->breaker != NULL && retry->bypasses) {
        oxp_breaker_enter_anyway(options->breaker, &ticket);
    } else if (options->breaker != NULL && !oxp_breaker_enter(options->breaker, &ticket)) {
        failure->code = oxp_code_find(OXP_VIEW("breaker_open"));
        failure->hint_s = oxp_breaker_wait_s(options->breaker);
        return false;
    }
    bool worked = work->attempt(work->ctx, retry->attempts, failure);
    if (!worked) { /* once, for breaker and machine alike */
        failure->code = oxp_retry_code_of(options, failure);
    }
    if (options->breaker != NULL) {
        oxp_breaker_leave(&ticket,
                          worked ? OXP_BREAKER_SUCCESS : oxp_breaker_outcome_of(options->breaker, failure->code));
    }
    return worked;
}

/* What follows a failed try, hooks asked. */
static void decide(struct oxp_retry *retry, const struct oxp_retry_failure *failure,
                   struct oxp_retry_decision *decision) {
    const struct oxp_retry_options *options = retry->options;
    oxp_retry_failed(retry, failure, now_of(options), random_of(options), decision);
    if (decision->step == OXP_RETRY_ADJUST) {
        bool changed = options->adjust != NULL && options->adjust(options->ctx, decision);
        oxp_retry_adjusted(retry, changed, now_of(options), decision);
    } else if (decision->step == OXP_RETRY_VERIFY) {
        enum oxp_verified verified =
            options->verify != NULL ? options->verify(options->ctx, decision) : OXP_VERIFIED_UNKNOWN;
        oxp_retry_verified(retry, verified, now_of(options), decision);
    }
}

static enum oxp_retry_outcome end(struct oxp_retry_result *result, enum oxp_retry_outcome outcome) {
    struct oxp_retry_decision *decision = &result->decision;
    if (outcome == OXP_RETRY_SUCCEEDED) {
        oxp_retry_succeeded(&result->state);
    } else if (outcome == OXP_RETRY_CANCELLED && decision->step != OXP_RETRY_STOP) {
        decision->step = OXP_RETRY_STOP;
        decision->reason = OXP_REASON_CANCELLED;
        decision->action = "skip";
        decision->delay_s = 0;
        result->state.requeued = false;
    }
    oxp_retry_tell_end(&result->state, outcome,
                       outcome == OXP_RETRY_SUCCEEDED || decision->code == NULL ? NULL : decision);
    return outcome;
}

static void start(struct oxp_retry_result *result, const struct oxp_retry_options *options) {
    if (result->state.requeued) {
        result->state.options = options;
        oxp_retry_resume(&result->state, now_of(options));
    } else {
        memset(result, 0, sizeof *result);
        oxp_retry_begin(&result->state, options, now_of(options));
    }
}

/* True when another try is to be made. */
static bool wait_for_next(const struct oxp_retry_options *options, struct oxp_retry_result *result) {
    double delay = result->decision.delay_s;
    if (delay > 0 && !sleep_of(options, delay)) {
        return false;
    }
    result->waited_s += delay;
    if (oxp_cancel_is_set(options->cancel)) {
        return false;
    }
    oxp_retry_resume(&result->state, now_of(options));
    return true;
}

enum oxp_retry_outcome oxp_retry_call(const struct oxp_retry_options *options, oxp_attempt_fn attempt, void *ctx,
                                      struct oxp_retry_result *result_out) {
    struct oxp_retry_result local = {.waited_s = 0};
    struct oxp_retry_result *result = result_out != NULL ? result_out : &local;
    const struct work work = {attempt, ctx};
    struct oxp_retry_failure failure;
    start(result, options);
    if (oxp_cancel_is_set(options->cancel)) {
        result->state.attempts--; /* it was not made */
        return end(result, OXP_RETRY_CANCELLED);
    }
    while (!try_once(&result->state, &work, &failure)) {
        decide(&result->state, &failure, &result->decision);
        if (oxp_cancel_is_set(options->cancel)) {
            return end(result, OXP_RETRY_CANCELLED);
        }
        oxp_retry_tell(&result->state, &result->decision);
        enum oxp_retry_step step = result->decision.step;
        if (step == OXP_RETRY_REQUEUE && !options->wait_in_place) {
            return end(result, OXP_RETRY_DEFERRED);
        }
        if (step != OXP_RETRY_AGAIN && step != OXP_RETRY_REQUEUE) {
            return end(result, oxp_retry_outcome_of(&result->decision));
        }
        if (!wait_for_next(options, result)) {
            return end(result, OXP_RETRY_CANCELLED);
        }
    }
    return end(result, OXP_RETRY_SUCCEEDED);
}
