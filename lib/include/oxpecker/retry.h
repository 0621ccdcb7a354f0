/* Retries: whether a failed operation is tried again, when, and what has to happen before.
 *
 *     struct oxp_retry_options options = {.op = OXP_VIEW("act"), .upstream = OXP_VIEW("stagehand"), .config = config,
 *                                         .budget = budget, .reporter = reporter};
 *     struct oxp_retry_result result;
 *     if (oxp_retry_call(&options, try_once, ctx, &result) == OXP_RETRY_SUCCEEDED) ...
 *
 * Three layers, each usable by itself:
 *  1. policies: nine rows (lib/resilience/policies.def) and the delay as a pure function of (policy, n, hint, random);
 *  2. `struct oxp_retry`: one operation as a pure state machine. It neither sleeps nor reports: hosts with an event
 * loop or a task queue drive it themselves;
 *  3. oxp_retry_call: the loop over it, with sleep, breaker, hooks, budget and reports.
 *
 * Rules (the tests quote them):
 *  1. A failure is given its code (errors.h), the code its policy. A fatal code, or the policy `none`, stops,
 *     unless the configuration gives that code attempts or a policy of its own.
 *  2. Tries count, the first included. When as many as the policy allows have failed, it stops.
 *  3. What is refused for want of capacity (policy `slot`, or action requeue with `server_wait`) is put back on the
 *     queue and does not count as a try. So is a server's hint that is longer than the policy's greatest delay: nobody
 *     sleeps through that.
 *  4. The n-th delay is first * factor^(n-1), at most max, less up to `jitter` of it by chance. A hint, where the
 * policy heeds it, takes its place and is not shortened.
 *  5. No delay reaches past the deadline: it stops instead, at once. The operation's own deadline (120 s) does not run
 *     while it waits in the queue; the caller's (`until_s`) always runs.
 *  6. Policy `adjust`: something has to be changed before the next try; no change offered = stop. Two codes (unknown,
 *     bb_bad_response) are tried again in any case.
 *  7. Policies `verify` and `reconnect`, and every failure of an operation that must not be repeated blindly (act,
 *     agent, create) unless the request surely never ran: the real state is asked for first. Done = success; not done =
 *     try again; gone, unknown or nobody to ask = stop.
 *  8. When the tries are used up and all failed alike (code and message), waiting will not heal it: a transient then
 *     stops as recoverable with action debug (codes whose cure is to wait apart).
 *  9. A retry takes tokens from the budget, a success gives back; an empty budget stops. `release` is never refused.
 * 10. Policy `release` passes breakers by.
 *
 * Views in options are borrowed for as long as the operation runs. A struct oxp_retry belongs to one thread at a time;
 * a config may be read by all threads once nobody sets it any more; a budget and a cancel flag belong to any. */
#ifndef OXPECKER_RETRY_H
#define OXPECKER_RETRY_H

#include <oxpecker/errors.h>
#include <oxpecker/report.h>
#include <oxpecker/status.h>
#include <stdint.h>

OXP_BEGIN_DECLS

struct oxp_breaker; /* breaker.h */

/* ---- Policies ---- */

enum oxp_retry_need { /* what has to happen before the next try */
                      OXP_NEED_NOTHING,
                      OXP_NEED_CHANGE, /* rule 6 */
                      OXP_NEED_STATE,  /* rule 7 */
};

struct oxp_policy {
    const char *name;  /* static */
    unsigned attempts; /* tries in all, the first included; of one that queues: how often it is put back, 0 = no end */
    double first_delay_s; /* before the second try */
    double factor;        /* of each further delay */
    double max_delay_s;
    double jitter; /* share of a delay that chance may take away, 0 to 1 */
    bool heeds_hint;
    bool queues;   /* put back on the queue instead of slept on, and not counted as a try (rule 3) */
    bool bypasses; /* breakers and budget */
    enum oxp_retry_need need;
    bool need_optional; /* the hook is asked, but nothing offered does not stop */
    const char *then;   /* action once it stops, where the code's own (retry, adjust, requeue) is used up; static */
};

/* The row of this name, or NULL. Static. Any thread. */
const struct oxp_policy *oxp_policy_find(struct oxp_view name);
/* The i-th row in table order, or NULL past the end. */
const struct oxp_policy *oxp_policy_at(size_t index);
/* Seconds before the next try, after the n-th (from 1) failure; rule 4. `hint_s` <= 0 or not finite = no hint; `random`
 * is in [0, 1). Pure. */
double oxp_policy_delay(const struct oxp_policy *policy, unsigned n, double hint_s, double random);

/* What a server said about when to come back: the values of the headers `retry-after-ms` (milliseconds) and
 * `retry-after` (seconds or a date of RFC 9110 section 5.6.7), each may be empty; the first that makes sense counts.
 * False, with nothing written, when neither does: not a number, a date that has passed, zero or less. More than a day
 * is a day. `wall_s` is the unix time now. Pure. */
bool oxp_hint_parse(struct oxp_view retry_after_ms, struct oxp_view retry_after, double wall_s, double *hint_s_out);

/* ---- Configuration ---- */

struct oxp_retry_config;

/* With everything as in the tables. */
enum oxp_status oxp_retry_config_new(struct oxp_retry_config **config_out);
void oxp_retry_config_free(struct oxp_retry_config *config);
/* Sets one value; the text is a decimal number, but for `policy`. Keys, the narrower one wins, whatever the order:
 *
 *     default_max_attempts  3     tries of the policies quick and server_wait
 *     default_initial_delay 1.0   first delay, seconds, of every policy that counts tries
 *     default_max_delay     60.0  greatest delay of every policy, and the longest hint that is slept through
 *     jitter                0.25  of every policy
 *     deadline              120   seconds for one operation; 0 = none
 *     POLICY.attempts | first_delay | factor | max_delay | jitter            "release.attempts"
 *     CODE.attempts | first_delay | factor | max_delay | jitter | policy     "bb_auth.attempts", "net_reset.policy"
 *
 * The prefix "error_handling.retry." may stand before any of them. Aliases of codes are taken. `attempts` counts the
 * first try: 1 = never again. OXP_ERR_INVALID for an unknown key, OXP_ERR_SYNTAX or OXP_ERR_RANGE for a bad value; then
 * nothing changed and `error` (may be NULL) says why. */
enum oxp_status oxp_retry_config_set(struct oxp_retry_config *config, const char *key, const char *value,
                                     struct oxp_error *error);
/* Sets what the environment says: OXPECKER_RETRY_DEFAULT_MAX_ATTEMPTS, OXPECKER_RETRY_BB_AUTH_ATTEMPTS (dots are
 * underscores). `environment` is NULL-terminated as environ. Stops at the first bad one and names it. */
enum oxp_status oxp_retry_config_from_environment(struct oxp_retry_config *config, const char *const *environment,
                                                  struct oxp_error *error);
/* The policy of a code with all that is configured; `config` may be NULL. */
void oxp_retry_config_policy(const struct oxp_retry_config *config, const struct oxp_code *code,
                             struct oxp_policy *policy_out);
/* Seconds; infinity = none. `config` may be NULL. */
double oxp_retry_config_deadline(const struct oxp_retry_config *config);

/* ---- Budget (rule 9) ---- */

/* A bucket of tokens, for the process or for one upstream. A retry takes `retry_cost`; a success at the first try gives
 * back `success_gain`, one after retries what its last retry took. While an upstream dies, first tries alone reach it.
 */
struct oxp_retry_budget_options {
    unsigned capacity;     /* tokens; full at the start; 0 = 500; at most 1,000,000 */
    unsigned retry_cost;   /* 0 = 5 */
    unsigned success_gain; /* 0 = 1 */
};
struct oxp_retry_budget;

/* `options` may be NULL. */
enum oxp_status oxp_retry_budget_new(const struct oxp_retry_budget_options *options,
                                     struct oxp_retry_budget **budget_out);
void oxp_retry_budget_free(struct oxp_retry_budget *budget);
/* Takes the cost of one retry; false, with nothing taken, when there is not enough. NULL: true. Any thread. */
bool oxp_retry_budget_take(struct oxp_retry_budget *budget);
/* Gives back for a success. NULL: nothing. Any thread. */
void oxp_retry_budget_give(struct oxp_retry_budget *budget, bool retried);
unsigned oxp_retry_budget_left(const struct oxp_retry_budget *budget);

/* ---- Cancelling ---- */

/* A flag that wakes sleepers. Any thread; free it when nobody uses it any more. */
struct oxp_cancel;
enum oxp_status oxp_cancel_new(struct oxp_cancel **cancel_out);
void oxp_cancel_free(struct oxp_cancel *cancel);
/* Sets it, once and for all, and wakes every sleeper. Not for signal handlers. */
void oxp_cancel_set(struct oxp_cancel *cancel);
/* NULL: false. */
bool oxp_cancel_is_set(const struct oxp_cancel *cancel);
/* Sleeps for `seconds` (CLOCK_MONOTONIC); false as soon as it is set. NULL only sleeps. */
bool oxp_cancel_sleep(struct oxp_cancel *cancel, double seconds);

/* ---- One operation ---- */

enum oxp_repeat {                   /* whether the operation may be repeated without a look at what the last try did */
                  OXP_REPEAT_BY_OP, /* by the last word of `op` ("create" of "session.create"): act, agent, agentExecute
                                       and create as VERIFIED; observe, extract, get and list FREELY; others as the
                                       policy says */
                  OXP_REPEAT_FREELY,   /* even where the policy is `verify` */
                  OXP_REPEAT_VERIFIED, /* never without asking first, unless the request surely never ran */
};

enum oxp_verified {                        /* what asking for the real state gave (rule 7) */
                    OXP_VERIFIED_NOT_DONE, /* nothing happened, or a session still runs: try again */
                    OXP_VERIFIED_DONE,     /* it had worked: success */
                    OXP_VERIFIED_GONE,     /* what it worked on is gone: stop, action replace */
                    OXP_VERIFIED_UNKNOWN,  /* stop rather than do it twice */
};

/* What one failed try says. Either the code (oxp_failure_code gives one) or the evidence for it. */
struct oxp_retry_failure {
    const struct oxp_code *code;  /* NULL = classify the evidence */
    struct oxp_evidence evidence; /* op and upstream are filled in from the options when empty */
    struct oxp_view message;      /* for rule 8; empty = the evidence's */
    double hint_s;                /* what the server asked to wait (oxp_hint_parse); 0 = nothing */
};

enum oxp_retry_step {
    OXP_RETRY_AGAIN,   /* try again after delay_s */
    OXP_RETRY_REQUEUE, /* put it back on the queue, not before delay_s; or earlier, when a session ends (slot) */
    OXP_RETRY_ADJUST,  /* change something, then ask oxp_retry_adjusted */
    OXP_RETRY_VERIFY,  /* ask for the real state, then tell oxp_retry_verified */
    OXP_RETRY_DONE,    /* it had worked after all */
    OXP_RETRY_STOP,    /* give up: `action` says what next */
};

enum oxp_retry_reason { /* why it stops, or goes back to the queue */
                        OXP_REASON_NONE,
                        OXP_REASON_FATAL,         /* rule 1 */
                        OXP_REASON_ATTEMPTS,      /* rule 2 */
                        OXP_REASON_DEADLINE,      /* rule 5 */
                        OXP_REASON_NO_CHANGE,     /* rule 6 */
                        OXP_REASON_UNVERIFIED,    /* rule 7 */
                        OXP_REASON_GONE,          /* rule 7 */
                        OXP_REASON_DETERMINISTIC, /* rule 8 */
                        OXP_REASON_BUDGET,        /* rule 9 */
                        OXP_REASON_CANCELLED,
                        OXP_REASON_CONCURRENCY, /* from here on: of a requeue (rule 3) */
                        OXP_REASON_RATE,
                        OXP_REASON_SERVER_WAIT,
                        OXP_REASON_BREAKER,
                        OXP_REASONS,
};
/* "fatal", "attempts", …; "" for none. */
const char *oxp_retry_reason_name(enum oxp_retry_reason reason);

struct oxp_retry_decision {
    enum oxp_retry_step step;
    enum oxp_retry_reason reason;
    double delay_s;
    const struct oxp_code *code; /* of the failure; after rule 8 what stands for it */
    const char *action;          /* one of the nine of errors.h, once it stops; static */
    unsigned attempt;            /* number of the try that failed, from 1 */
};

enum oxp_retry_outcome {
    OXP_RETRY_SUCCEEDED, /* at the first try or a later one */
    OXP_RETRY_EXHAUSTED,
    OXP_RETRY_FATAL,
    OXP_RETRY_CANCELLED,
    OXP_RETRY_DEFERRED, /* to be put back on the queue: call again later, with the same `state` */
};

struct oxp_retry_options;

/* Somebody in the program who is told, on the thread of the operation. Either may be NULL. */
struct oxp_retry_observer {
    /* A try failed, and this is what follows (after hooks: AGAIN, REQUEUE, DONE or STOP). */
    void (*failed)(struct oxp_retry_observer *self, const struct oxp_retry_options *options,
                   const struct oxp_retry_decision *decision);
    /* The end of every operation, also of one that needed no retry. */
    void (*ended)(struct oxp_retry_observer *self, const struct oxp_retry_options *options,
                  enum oxp_retry_outcome outcome, unsigned attempts);
};

struct oxp_retry_options {    /* all zero is a good start */
    struct oxp_view op;       /* "act", "session.create", … */
    struct oxp_view upstream; /* browserbase, stagehand, llm, site, store, other; empty = other */
    const struct oxp_ids *ids;
    const struct oxp_retry_config *config; /* NULL = the tables */
    unsigned attempts;                     /* instead of the policy's (but for `none` and `slot`); 0 = the policy's */
    double first_delay_s;                  /* instead of the policy's; 0 = the policy's */
    double max_delay_s;                    /* the same */
    double deadline_s;                     /* for the operation; 0 = the config's (120); infinity = none */
    double until_s;                        /* the caller's deadline, in the time of now_s; 0 = none */
    enum oxp_repeat repeat;
    struct oxp_retry_budget *budget; /* NULL = none */
    struct oxp_breaker *breaker;     /* around each try; NULL = none. oxp_retry_call only, as all below */
    struct oxp_cancel *cancel;       /* NULL = cannot be cancelled */
    struct oxp_reporter *reporter;
    struct oxp_retry_observer *observer;
    bool wait_in_place; /* there is no queue: sleep where it would be put back */

    /* Hooks; NULL = cannot. `adjust` changes what the next try does; false = nothing to offer. */
    bool (*adjust)(void *ctx, const struct oxp_retry_decision *decision);
    enum oxp_verified (*verify)(void *ctx, const struct oxp_retry_decision *decision);
    void *ctx;

    /* Time: monotonic seconds; a sleep that gives false when it was cut short by the flag (it may be NULL); in [0, 1).
     * NULL = the system's. */
    double (*now_s)(void *time_ctx);
    bool (*sleep)(void *time_ctx, double seconds, struct oxp_cancel *cancel);
    double (*random)(void *time_ctx);
    void *time_ctx;
};

/* The state of one operation. Plain data; the members are for reading. Copying it is allowed. */
struct oxp_retry {
    const struct oxp_retry_options *options;
    double started_s;                  /* time in the queue apart */
    double requeued_s;                 /* when it was put back on the queue */
    bool requeued;                     /* it waits in the queue */
    unsigned attempts;                 /* tries made, the running one included */
    unsigned deferrals;                /* how often it was put back on the queue */
    unsigned counted;                  /* failed tries that count (rule 2) */
    bool retried;                      /* it took tokens that a success gives back */
    bool bypasses;                     /* rule 10 */
    struct oxp_retry_decision pending; /* what ADJUST or VERIFY stands in front of */
    uint64_t alike[4];                 /* for rule 8 */
};

/* Begins, or goes on after a requeue (when `retry` was requeued), and counts one more try. `now_s` is in the time of
 * options->now_s. */
void oxp_retry_begin(struct oxp_retry *retry, const struct oxp_retry_options *options, double now_s);
void oxp_retry_resume(struct oxp_retry *retry, double now_s);
/* The try failed: fills `decision_out`. After AGAIN the caller sleeps and calls oxp_retry_resume for the next try.
 * `random` is in [0, 1). */
void oxp_retry_failed(struct oxp_retry *retry, const struct oxp_retry_failure *failure, double now_s, double random,
                      struct oxp_retry_decision *decision_out);
/* Answers to ADJUST and VERIFY; they give the decision that follows: AGAIN (with the delay), DONE or STOP. */
void oxp_retry_adjusted(struct oxp_retry *retry, bool changed, double now_s, struct oxp_retry_decision *decision_out);
void oxp_retry_verified(struct oxp_retry *retry, enum oxp_verified verified, double now_s,
                        struct oxp_retry_decision *decision_out);
/* The try worked: gives tokens back. */
void oxp_retry_succeeded(struct oxp_retry *retry);
/* What oxp_retry_call reports, for those who drive the machine themselves: once for each decision (ADJUST and VERIFY
 * are not reported), and once for the end (reported when it took more than one try). Reporter and observer are those of
 * the options. */
void oxp_retry_tell(const struct oxp_retry *retry, const struct oxp_retry_decision *decision);
/* `decision` is the last one; NULL after a success or when it was cancelled. */
void oxp_retry_tell_end(const struct oxp_retry *retry, enum oxp_retry_outcome outcome,
                        const struct oxp_retry_decision *decision);
/* The outcome that a decision means: of DONE, REQUEUE and STOP. A try that failed with task_cancelled or sh_aborted was
 * cancelled. */
enum oxp_retry_outcome oxp_retry_outcome_of(const struct oxp_retry_decision *decision);

/* ---- The loop ---- */

/* One try, the `attempt`-th (from 1). True = it worked; else fills `failure_out` (zeroed), whose views must live until
 * the next try or the end of oxp_retry_call. */
typedef bool (*oxp_attempt_fn)(void *ctx, unsigned attempt, struct oxp_retry_failure *failure_out);

struct oxp_retry_result { /* begin with all zero; keep it for a further call after DEFERRED, and it goes on */
    struct oxp_retry state;
    struct oxp_retry_decision decision; /* the last one; of a success at the first try all zero */
    double waited_s;                    /* slept between tries */
};

/* Tries until it works, or until the rules say stop. `result_out` (may be NULL) is filled; when it holds a deferred
 * operation, the call goes on with it, otherwise it is begun anew. Blocks the calling thread for tries and delays;
 * takes no lock while it does. A success at the first try costs no allocation, no report and no lock (but the
 * breaker's, where there is one). */
enum oxp_retry_outcome oxp_retry_call(const struct oxp_retry_options *options, oxp_attempt_fn attempt, void *ctx,
                                      struct oxp_retry_result *result_out);

OXP_END_DECLS

#endif
