/* The recovery manager: hand it a failure, get an action, say how it went.
 *
 *     oxp_recovery_handle(recovery, failure, &advice);    (opens the incident of this task and cause, or goes on)
 *     switch (advice.action) { ... do it ... }
 *     oxp_recovery_close(recovery, advice.incident, OXP_RECOVERED, NULL);
 *
 * Rules:
 *  1. An incident begins with the first failure of a task (or of a component, where there is no task) from one cause:
 *     its code. It ends when the task succeeds or fails for good. One at a time for a task and cause.
 *  2. The first advice is the action of the code (docs/errors.md). A fix that is registered for the failure's
 *     fingerprint or code is tried first, once an incident, whatever the action (but for rule 5).
 *  3. The same failure (fingerprint) seen `debug_after` times in one incident asks the debugger, when there is one. Its
 *     verdict `fixed` means: try again; `suggested`: try again, a person should look; `no_fix`, an error or no answer
 *     in time: escalate.
 *     Without a debugger, a code that the table gives to it escalates at once; a transient whose tries all failed alike
 *     (retry.h, rule 8) is advice requeue until it came back `debug_after` times.
 *  4. An incident whose code says escalate, whose tries reach `escalate_after`, or whose debugger gave up is handed to
 *     a person: advice escalate, and the escalation is reported with its level and reason. It still can recover.
 *  5. A security failure is advice abort, at once, and escalates.
 *  6. Automation is full until the debugger has suggested something (semi) or a person stepped in (manual); where the
 *     table says semi or manual for a code it begins there. What a person had to step in for ends as manual, however
 *     it ends.
 * Measures as the domain catalogue (4.1) counts them: detection = made - occurred, recovery = first failure to close,
 * retry success and manual interventions. All functions may be called from any thread; hooks run without a lock held.
 */
#ifndef OXPECKER_RECOVERY_H
#define OXPECKER_RECOVERY_H

#include <oxpecker/failure.h>
#include <oxpecker/status.h>

OXP_BEGIN_DECLS

#define OXP_INCIDENT_ID_SIZE 17 /* 16 hex digits and a NUL */

enum oxp_action { /* the nine of the domain catalogue, section 3 */
                  OXP_ACTION_RETRY,
                  OXP_ACTION_REQUEUE,
                  OXP_ACTION_ADJUST,
                  OXP_ACTION_REPLACE,
                  OXP_ACTION_FALLBACK,
                  OXP_ACTION_SKIP,
                  OXP_ACTION_DEBUG,
                  OXP_ACTION_ESCALATE,
                  OXP_ACTION_ABORT,
                  OXP_ACTIONS,
};

enum oxp_automation { OXP_AUTOMATION_FULL, OXP_AUTOMATION_SEMI, OXP_AUTOMATION_MANUAL };
enum oxp_recovery_outcome { OXP_RECOVERED, OXP_RECOVERY_FAILED, OXP_RECOVERY_MANUAL };
enum oxp_verdict { OXP_VERDICT_FIXED, OXP_VERDICT_SUGGESTED, OXP_VERDICT_NO_FIX, OXP_VERDICT_ERROR };

const char *oxp_action_name(enum oxp_action action); /* "retry", … */

struct oxp_advice {
    enum oxp_action action;
    enum oxp_automation automation;
    const char *policy; /* of docs/errors.md; static */
    char incident[OXP_INCIDENT_ID_SIZE];
    unsigned tries; /* failures of this incident so far, this one included */
    bool escalated; /* a person has been told */
    char fix[64];   /* the known fix that was applied before this advice, or "" */
};

/* Applies a known fix; true when it may have helped (the action is then retry). */
typedef bool (*oxp_fix_fn)(void *ctx, const struct oxp_failure *failure);

/* What is gathered for the debugger: JSON with the failure, its causes, attributes and stack, the incident's earlier
 * failures, and what `gather` of the options adds. */
struct oxp_debug_request {
    const char *incident;
    const struct oxp_failure *failure;
    struct oxp_view context; /* JSON text, scrubbed */
};

struct oxp_debug_answer {
    enum oxp_verdict verdict;
    char fix[64];      /* name of what was done or is suggested, or "" */
    char report[4096]; /* for people, or "" */
};

struct oxp_recovery_options {
    unsigned debug_after;    /* 0 = 3 */
    unsigned escalate_after; /* 0 = 10 */
    unsigned incidents_max;  /* open at a time; the oldest is closed as failed to make room; 0 = 1000 */
    /* The debugger, either a function (called on the thread that handles the failure, and given `debug_timeout_s`) … */
    bool (*debug)(void *ctx, const struct oxp_debug_request *request, struct oxp_debug_answer *answer_out);
    /* … or a command: argv, NULL-terminated, run without a shell; the request's JSON on its standard input, its answer
     * {"verdict": "fixed|suggested|no_fix", "fix": "…", "report": "…"} on its standard output. Killed, with its process
     * group, at the timeout. Copied. What the host does about SIGCHLD and SIGPIPE is left alone. */
    const char *const *debug_command;
    double debug_timeout_s; /* 0 = 30 */
    /* Adds to the context, as JSON members ("\"key\": value, …" without braces); may be NULL. */
    bool (*gather)(void *ctx, const struct oxp_failure *failure, char *json_out, size_t size);
    /* A person is to be told. May be NULL; it is reported to the sidecar in any case. */
    void (*escalate)(void *ctx, const struct oxp_failure *failure, const char *incident, const char *reason);
    void *ctx;
    struct oxp_reporter *reporter;
    double (*now_s)(void *ctx); /* unix seconds; NULL = the system's */
};

struct oxp_recovery;
/* OXP_ERR_NOMEM; OXP_ERR_INVALID (a debug_command without a program). */
enum oxp_status oxp_recovery_new(const struct oxp_recovery_options *options, struct oxp_recovery **recovery_out);
/* Open incidents stay open for the sidecar: the next process may resume them by task. */
void oxp_recovery_free(struct oxp_recovery *recovery);

/* Reports the failure (oxp_failure_report), opens or goes on with its incident, and fills `advice_out`. Without memory
 * the advice is the code's own action with an empty incident. */
void oxp_recovery_handle(struct oxp_recovery *recovery, struct oxp_failure *failure, struct oxp_advice *advice_out);
/* Ends an incident. `note` may be NULL. OXP_ERR_NOT_FOUND when it is not open (any more). */
enum oxp_status oxp_recovery_close(struct oxp_recovery *recovery, const char *incident,
                                   enum oxp_recovery_outcome outcome, const char *note);
/* Ends every incident of a task: what a task's success or final failure means. Returns how many. */
size_t oxp_recovery_close_task(struct oxp_recovery *recovery, struct oxp_view task, enum oxp_recovery_outcome outcome);
/* A person did something (reset a breaker, released a session): the open incident becomes manual. */
enum oxp_status oxp_recovery_intervened(struct oxp_recovery *recovery, const char *incident, const char *what);

/* A known fix, for failures with this fingerprint (not 0) or, with fingerprint 0, this code. At most 64. */
enum oxp_status oxp_recovery_fix(struct oxp_recovery *recovery, const char *name, uint64_t fingerprint,
                                 const char *code, oxp_fix_fn fix, void *ctx);

struct oxp_recovery_stats {
    uint64_t opened, recovered, failed, manual, escalated, debugged, fixed;
    size_t open;
    double recovery_seconds_sum;  /* over closed incidents */
    double detection_seconds_sum; /* over handled failures */
    uint64_t handled;
};
void oxp_recovery_read(const struct oxp_recovery *recovery, struct oxp_recovery_stats *stats_out);
/* Says again what is open, with resumed: true (after a reconnect). */
void oxp_recovery_resume(struct oxp_recovery *recovery);

OXP_END_DECLS

#endif
