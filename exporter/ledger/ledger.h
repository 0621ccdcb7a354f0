/* The ledger: who is open. Events in, state and numbers out (domain catalogue, section 5).
 *
 * Sessions, tasks, workflow runs, breakers, incidents and writers are known by id; ids never become labels. Everything
 * here belongs to the loop thread; other threads ask through oxp_loop_call. Time comes from the clock that was handed
 * in; no timers of its own: the owner calls oxp_ledger_tick about once a second.
 *
 * Identity: `writer` (default "main") with `boot` is one life of one process. The connection that says
 * orchestrator.started owns what it opens. When it ends without orchestrator.stopping and does not come back within the
 * reconnect grace (5 s), what it owns is orphaned. A new boot of the same writer orphans the old boot's things only
 * once the old connection is gone. */
#ifndef OXP_LEDGER_LEDGER_H
#define OXP_LEDGER_LEDGER_H

#include "exporter/event/event.h"
#include "exporter/event/provider.h"
#include "lib/base/clock.h"
#include <oxpecker/metrics.h>
#include <oxpecker/status.h>

struct oxp_ledger;

#define OXP_LEDGER_BREAKER_RESET "a breaker was reset by hand"

struct oxp_ledger_options {
    const struct oxp_clock *clock;
    double liveness_s;        /* 30: no heartbeat or event with a boot for so long = down */
    double reconnect_grace_s; /* 5 */
    double idle_limit_s;      /* 600: for what has no live owner */
    double stall_limit_s;     /* 300: a running task with no event */
    double
        start_grace_s; /* > 0: an orchestrator is expected; orchestrator_up appears as 0 after this; 0 = not expected */
    double sessions_limit; /* 0 = unknown */
    size_t max_sessions,
        max_tasks; /* records kept open; 0 = 100,000 each; past it the oldest without a live owner goes first */
    const char *environment; /* for orchestrator_info when the event does not say; may be NULL */
    /* A line for the log; `fields` as name, value pairs of C strings ended by NULL. May be NULL. The message of a
     * manual act is OXP_LEDGER_BREAKER_RESET itself, and its first field names what was reset. */
    void (*on_note)(void *ctx, int level, const char *message, const char *const *fields);
    /* Events that a gap in `seq` shows as lost: for oxpecker_events_lost_total. May be NULL. */
    void (*on_lost)(void *ctx, uint64_t count);
    /* An accepted event whose time was before what is known of its session, task, run or breaker; its time was taken
     * as that. May be NULL. */
    void (*on_clamped)(void *ctx);
    void *ctx;
};

enum oxp_status oxp_ledger_new(const struct oxp_ledger_options *options, struct oxp_registry *registry,
                               struct oxp_ledger **ledger_out);
/* The families that `metric` events made go with it: nobody may read the registry's specs any more. */
void oxp_ledger_free(struct oxp_ledger *ledger);
/* New limits after a reload. */
void oxp_ledger_configure(struct oxp_ledger *ledger, const struct oxp_ledger_options *options);

/* Opens `<directory>/ledger.journal`, restores what is in it, and from then on appends before it applies. Call once,
 * before the first event. Restored things wait for their owner for the reconnect grace plus the liveness window,
 * counted from now. */
enum oxp_status oxp_ledger_open(struct oxp_ledger *ledger, const char *directory, struct oxp_error *error);
/* The same when oxp_ledger_open failed, and events were heard since: what a former run left is kept beside it as
 * "ledger.journal.late-<unix time>" and not read, and all that is open now is written. May be called again until it
 * gives OXP_OK. */
enum oxp_status oxp_ledger_open_late(struct oxp_ledger *ledger, const char *directory, struct oxp_error *error);
/* True while something that was restored waits for its owner. */
bool oxp_ledger_awaits_owners(const struct oxp_ledger *ledger);
/* False when memory is all there is, or the journal is failing now. */
bool oxp_ledger_persistent(const struct oxp_ledger *ledger);
/* Writes to the journal that failed since it was opened. */
uint64_t oxp_ledger_storage_failures(const struct oxp_ledger *ledger);

/* Who noticed; the label values of orchestrator_error_detection_seconds. */
enum oxp_source { OXP_SOURCE_CLIENT, OXP_SOURCE_LOG, OXP_SOURCE_POLLER, OXP_SOURCE_WATCHDOG };

/* Where an event came from. */
struct oxp_origin {
    uint64_t connection; /* 0 for HTTP, a followed log, and connections that own nothing; else the listener's id */
    enum oxp_source source;
};

/* Applies one parsed event. `connection` is 0 for HTTP and for connections that own nothing, else the listener's id.
 * OXP_OK; OXP_IGNORED (valid, nothing to do: a repeated end, a resumed thing that is known); OXP_ERR_INVALID with
 * `reason_out` and `error` (column 0) when the event cannot be believed (bad_time, bad_field). */
enum oxp_status oxp_ledger_apply(struct oxp_ledger *ledger, const struct oxp_event *event, uint64_t connection,
                                 enum oxp_reject *reason_out, struct oxp_error *error);
/* The same, of an event that the client did not send itself: a line of a followed log is OXP_SOURCE_LOG. */
enum oxp_status oxp_ledger_apply_from(struct oxp_ledger *ledger, const struct oxp_event *event,
                                      const struct oxp_origin *origin, enum oxp_reject *reason_out,
                                      struct oxp_error *error);
/* An event of this connection was refused before it came here, or here: its number was seen, so it is not lost. */
void oxp_ledger_refused(struct oxp_ledger *ledger, uint64_t connection, uint64_t seq);
/* The connection ended. */
void oxp_ledger_disconnect(struct oxp_ledger *ledger, uint64_t connection);
/* Moves everything that depends on time; to be called about once a second. A longer gap means that this process did not
 * run, and counts 5 s at most toward graces and limits, so that nobody is taken for lost before what he sent meanwhile
 * was read. Moves liveness, graces, idle and stall limits, session timeouts, open time of breakers, journal rewrites.
 */
void oxp_ledger_tick(struct oxp_ledger *ledger);
/* What the health probe saw. */
void oxp_ledger_probed(struct oxp_ledger *ledger, bool healthy);

/* ---- What the sidecar sees of the orchestrator's process and container itself ---- */

/* NaN = not known now. The counts (seconds, bytes, kills) are absolute: of the process tree since its processes began,
 * of the container since it began; the ledger counts their increases from the first look on, and a fall as nothing. */
struct oxp_watched {
    double cpu_user_s, cpu_sys_s, read_bytes, write_bytes;
    double rss, fds, max_fds, threads;
    double container_cpu_s, throttled_s, oom_kills;
    double working_set, memory_limit; /* bytes; limit 0 = none */
    double pressure_s[3][2];          /* cpu, memory, io; some, full */
    double avail_bytes[2];            /* volumes: checkpoints, spool */
};

/* Fills it with what is not known. */
void oxp_watched_clear(struct oxp_watched *watched);
/* One look. Each number that is known wins over what `resource` events say, until the liveness window has passed since
 * it was last known. */
void oxp_ledger_watched(struct oxp_ledger *ledger, const struct oxp_watched *watched);

/* ---- What the provider says (exporter/event/provider.h). Ids that are handed out are valid until the next call ----
 */

/* One round of questions was answered. Moves orchestrator_provider_… and sessions_limit. */
void oxp_ledger_provider_answered(struct oxp_ledger *ledger, const struct oxp_provider_answer *answer);
/* One failed. */
void oxp_ledger_provider_failed(struct oxp_ledger *ledger);
/* Sessions to ask about one by one: without a live owner, and missing from the last two complete answers or more.
 * Copies at most `max`, gives how many there are. */
size_t oxp_ledger_provider_asks(const struct oxp_ledger *ledger, struct oxp_view *ids, size_t max);
/* What one of them has become. A session without a live owner that is neither pending nor running leaves by its true
 * status and end; of any other nothing is changed but that it was seen. */
void oxp_ledger_provider_ended(struct oxp_ledger *ledger, const struct oxp_provider_session *session);
/* Orphans for `orphaned_for_s` or longer that may be released now, the oldest first. Copies at most `max`, gives how
 * many there are. One whose release failed comes again after a minute. */
size_t oxp_ledger_orphans_to_release(const struct oxp_ledger *ledger, double orphaned_for_s, struct oxp_view *ids,
                                     size_t max);
/* The provider was asked to release it, and agreed or not. Moves orchestrator_sessions_reaped_total; an orphan is
 * marked as releasing. */
void oxp_ledger_released(struct oxp_ledger *ledger, struct oxp_view id, bool ok);

/* ---- What the API shows: copies, newest last ---- */

struct oxp_session_view {
    char id[128], region[32], state[16], writer[64], boot[32], workflow[64], trace_id[48],
        owner[16];                             /* owner: live, lost, none */
    double started_s, last_event_s, timeout_s; /* unix seconds; NaN when unknown */
    bool orphaned, keep_alive_known, keep_alive;
    bool must_restore; /* it replaced another, whose state has to be restored */
};
struct oxp_task_view {
    char id[128], workflow[64], session[128], status[16], writer[64], trace_id[48], priority[16];
    double started_s, last_event_s, progress_ratio, queued_s; /* NaN when unknown */
    unsigned attempt;
    bool stalled;
};
struct oxp_breaker_view {
    char name[64], state[16], cause[16];
    double since_s, open_total_s;
    uint64_t consecutive_failures;
};
/* A failure from its first error to its end; open ones, and the last 1000 that were closed since the sidecar began. */
struct oxp_incident_view {
    char id[136], state[16]; /* state: open, escalated, closed */
    char code[64], category[32], severity[16], component[64];
    char task[128], session[128], workflow[64], trace_id[48];
    char action[16], outcome[16], automation[16]; /* outcome: empty while it is open */
    char level[16], reason[16];                   /* of the last escalation; empty without one */
    char writer[64], boot[32];                    /* who opened it */
    double opened_s, closed_s;                    /* unix seconds; NaN when unknown, or not closed */
    bool derived;                                 /* from the errors of its task: the client does not say recovery */
};
/* What an orchestrator looks like from here. */
struct oxp_writer_view {
    char writer[64], boot[32], version[64], environment[64];
    double started_s, last_event_s;
    bool connected, announced, lost; /* lost: not heard of, and did not say that it stops */
    bool stopping;
    uint64_t last_seq, lost_events;
};

/* Each copies at most `max` entries from the `skip`-th on into `out` and returns how many there are in all. `filter`
 * (may be empty) is an id that must match. */
size_t oxp_ledger_sessions(const struct oxp_ledger *ledger, struct oxp_view id, size_t skip,
                           struct oxp_session_view *out, size_t max);
size_t oxp_ledger_tasks(const struct oxp_ledger *ledger, struct oxp_view id, size_t skip, struct oxp_task_view *out,
                        size_t max);
size_t oxp_ledger_breakers(const struct oxp_ledger *ledger, struct oxp_view name, size_t skip,
                           struct oxp_breaker_view *out, size_t max);
/* Those that are closed come first, in the order of their end. */
size_t oxp_ledger_incidents(const struct oxp_ledger *ledger, struct oxp_view id, size_t skip,
                            struct oxp_incident_view *out, size_t max);
size_t oxp_ledger_writers(const struct oxp_ledger *ledger, struct oxp_view writer, size_t skip,
                          struct oxp_writer_view *out, size_t max);

#endif
