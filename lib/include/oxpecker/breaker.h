/* Circuit breakers: after repeated failures calls fail fast, until a probe has shown that the other side is back.
 *
 *     struct oxp_breaker *breaker = oxp_breaker_get(oxp_breakers_default(), "bb_create", NULL);
 *     struct oxp_breaker_ticket ticket;
 *     if (!oxp_breaker_enter(breaker, &ticket)) return OXP_ERR_CLOSED;        (code breaker_open)
 *     const struct oxp_code *code = call();                                   (NULL = it worked)
 *     oxp_breaker_leave(&ticket, oxp_breaker_outcome_of(breaker, code));
 *
 * Rules (the tests quote them):
 *  1. closed: calls pass. A success sets the count of consecutive failures to 0, a failure adds one, an ignored outcome
 *     does neither. At `failure_threshold` it opens. With `failure_ratio` it opens instead when, over the last
 *     `window_s` seconds, at least `min_calls` calls ended and that share of them failed; only a failure opens it.
 *  2. open: calls are rejected until `open_s` have passed since it opened; the first call after that makes it half_open
 *     and is its probe. Each opening without a close in between waits `open_growth` times longer, at most `open_max_s`.
 *  3. half_open: one probe at a time, all others are rejected. `probe_successes` successes in a row close it (count 0),
 * a failure opens it again, an ignored outcome only ends the probe.
 *  4. A probe that has not left after `probe_timeout_s` is lost: the next call becomes the probe, and when the lost one
 *     does leave, it moves nothing.
 *  5. An outcome moves the state only when the state is the one that its call entered in: what began before the breaker
 *     opened neither opens it again nor closes it. It is counted as a call in any case.
 *  6. Reset: count 0 and closed, by hand (cause manual).
 *  7. Disabled: open until it is enabled, whatever else happens; rejects all, a reset only sets the count to 0.
 * Enabled: closed, count 0 (cause manual).
 *  8. Monitor only: states move as above, but no call is ever rejected; disabling alone is obeyed.
 *  9. Outcomes of a failure: failure when `counts` says so (by default oxp_code_counts_for_breaker), else ignored.
 * 10. Time is monotonic; a clock that seems to go back stands still.
 *
 * A breaker lives as long as its registry, belongs to all threads, and is guarded by a lock of its own, held for no
 * longer than the rules take. Reports of transitions are made under that lock (so that they come in order): a reporter
 * must not call into the breaker, as report.h says of every part. Observers are called without it. */
#ifndef OXPECKER_BREAKER_H
#define OXPECKER_BREAKER_H

#include <oxpecker/errors.h>
#include <oxpecker/report.h>
#include <oxpecker/status.h>
#include <stdint.h>

OXP_BEGIN_DECLS

#define OXP_BREAKER_NAME_MAX 63 /* bytes */

enum oxp_breaker_state { OXP_BREAKER_CLOSED, OXP_BREAKER_OPEN, OXP_BREAKER_HALF_OPEN };
/* "closed", "open", "half_open". */
const char *oxp_breaker_state_name(enum oxp_breaker_state state);

enum oxp_breaker_outcome { OXP_BREAKER_SUCCESS, OXP_BREAKER_FAILURE, OXP_BREAKER_IGNORED };

struct oxp_breaker_options {    /* 0 = the default named */
    unsigned failure_threshold; /* consecutive failures; 5 */
    double failure_ratio;       /* 0 = by count; else in (0, 1] */
    double window_s;            /* 60 */
    unsigned min_calls;         /* 10 */
    double open_s;              /* 60 */
    double open_growth;         /* 1 */
    double open_max_s;          /* 600, but never less than open_s */
    unsigned probe_successes;   /* 1 */
    double probe_timeout_s;     /* open_s */
    bool monitor_only;
    /* Expected errors: true when a failure with this code counts. NULL = oxp_code_counts_for_breaker. */
    bool (*counts)(void *ctx, const struct oxp_code *code);
    void *ctx;
};

struct oxp_breakers;
struct oxp_breaker;

/* Somebody in the program who is told of transitions, on the thread that caused them, without a lock held. */
struct oxp_breaker_observer {
    void (*moved)(struct oxp_breaker_observer *self, struct oxp_breaker *breaker, enum oxp_breaker_state from,
                  enum oxp_breaker_state to, bool manual);
};

struct oxp_breakers_options {
    struct oxp_breaker_options defaults; /* of breakers that are got without options */
    struct oxp_reporter *reporter;
    struct oxp_breaker_observer *observer;
    double (*now_s)(void *ctx);  /* monotonic seconds; NULL = the system's */
    double (*wall_s)(void *ctx); /* unix seconds; NULL = the system's */
    void *ctx;
};

/* ---- The registry ---- */

/* `options` may be NULL. OXP_ERR_NOMEM, OXP_ERR_INVALID (a default that makes no sense). */
enum oxp_status oxp_breakers_new(const struct oxp_breakers_options *options, struct oxp_breakers **breakers_out);
/* Frees its breakers too; nobody may be inside one. */
void oxp_breakers_free(struct oxp_breakers *breakers);
/* The one of the process; never freed; NULL without memory. Reports to nobody until oxp_breakers_set_reporter. */
struct oxp_breakers *oxp_breakers_default(void);
/* From now on; NULL = nobody. The old one is not called any more once this returns. Any thread. */
void oxp_breakers_set_reporter(struct oxp_breakers *breakers, struct oxp_reporter *reporter);
void oxp_breakers_set_observer(struct oxp_breakers *breakers, struct oxp_breaker_observer *observer);
/* The options that are used where none are given, for breakers made from now on. OXP_ERR_INVALID changes nothing. */
enum oxp_status oxp_breakers_set_defaults(struct oxp_breakers *breakers, const struct oxp_breaker_options *defaults,
                                          struct oxp_error *error);
/* Sets one default from text: "default_failure_threshold" (5), "default_recovery_timeout" (60.0), each also behind
 * "error_handling.circuit_breaker.", and the names of struct oxp_breaker_options but for counts and ctx
 * (monitor_only: true or false). Errors as oxp_retry_config_set. */
enum oxp_status oxp_breakers_config_set(struct oxp_breakers *breakers, const char *key, const char *value,
                                        struct oxp_error *error);

/* The breaker of this name, made closed when there is none; `options` (NULL = the registry's) count only then. NULL
 * without memory, for options that make no sense, and for a name that is empty or longer than OXP_BREAKER_NAME_MAX.
 * Any thread; keep the pointer, it is good as long as the registry. */
struct oxp_breaker *oxp_breaker_get(struct oxp_breakers *breakers, const char *name,
                                    const struct oxp_breaker_options *options);
/* The breaker of this name, or NULL. */
struct oxp_breaker *oxp_breaker_find(struct oxp_breakers *breakers, const char *name);

/* ---- Calls ---- */

/* From entering to leaving; on the caller's stack. Not entered = all zero. */
struct oxp_breaker_ticket {
    struct oxp_breaker *breaker;
    uint64_t generation; /* of the state that it entered in */
    uint64_t probe;      /* number of the probe; 0 = it is none */
};

/* May a call be made now? True: it must leave with the ticket. False: fail fast with code breaker_open (the ticket
 * needs no leaving), next try oxp_breaker_wait_s. NULL lets everything pass. Any thread. */
bool oxp_breaker_enter(struct oxp_breaker *breaker, struct oxp_breaker_ticket *ticket_out);
/* The same, never rejected (policy `release`): outcomes count as rules 1 to 5 say, in open they only count as calls. */
void oxp_breaker_enter_anyway(struct oxp_breaker *breaker, struct oxp_breaker_ticket *ticket_out);
/* Ends a call. Leaving twice, or with a ticket that did not enter, does nothing. Any thread, also another one. */
void oxp_breaker_leave(struct oxp_breaker_ticket *ticket, enum oxp_breaker_outcome outcome);
/* What a call that ended with this code (NULL = it worked) is to the breaker (rule 9); NULL breaker: the default rule.
 */
enum oxp_breaker_outcome oxp_breaker_outcome_of(const struct oxp_breaker *breaker, const struct oxp_code *code);
/* Seconds until a probe may be made; 0 = now; infinity while disabled. */
double oxp_breaker_wait_s(const struct oxp_breaker *breaker);

/* One call inside the breaker: `call` gives the code of its failure, or NULL when it worked. Gives that code, or
 * breaker_open when it was rejected. */
typedef const struct oxp_code *(*oxp_breaker_call_fn)(void *ctx);
const struct oxp_code *oxp_breaker_call(struct oxp_breaker *breaker, oxp_breaker_call_fn call, void *ctx);

/* ---- By hand ---- */

void oxp_breaker_reset(struct oxp_breaker *breaker);   /* rule 6 */
void oxp_breaker_disable(struct oxp_breaker *breaker); /* rule 7 */
void oxp_breaker_enable(struct oxp_breaker *breaker);  /* nothing when it is not disabled */

/* ---- Looking ---- */

struct oxp_breaker_info {
    char name[OXP_BREAKER_NAME_MAX + 1];
    enum oxp_breaker_state state;
    bool disabled, monitor_only, manual;          /* manual: the last transition was by hand */
    uint64_t failures;                            /* consecutive: the failure_count of the guides */
    uint64_t opened;                              /* times it opened */
    uint64_t success, failure, rejected, ignored; /* calls, in all */
    double since_s;                               /* unix time of the last transition, or of its making */
    double wait_s;                                /* as oxp_breaker_wait_s */
};
void oxp_breaker_read(const struct oxp_breaker *breaker, struct oxp_breaker_info *info_out);
enum oxp_breaker_state oxp_breaker_state_of(const struct oxp_breaker *breaker);
/* Fills at most `max` and returns how many there are, in the order of their making. `out` may be NULL when max is 0. */
size_t oxp_breakers_list(const struct oxp_breakers *breakers, struct oxp_breaker_info *out, size_t max);

/* ---- Reports ---- */

/* One `breaker.calls` for each breaker that was called since the last flush. For the client's heartbeat, every few
 * seconds, and at the end. Hold no lock that the reporter takes. Any thread. */
void oxp_breakers_flush(struct oxp_breakers *breakers);
/* Says again what state each breaker is in, with resumed: true, to `reporter` (after a reconnect). */
void oxp_breakers_resume(struct oxp_breakers *breakers, struct oxp_reporter *reporter);

OXP_END_DECLS

#endif
