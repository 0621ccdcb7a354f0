/* The parts of the ledger, as they see each other. Internal to this folder; loop thread only. Rules stand at the top of
 * each part's .c file. */
#ifndef OXP_LEDGER_PARTS_H
#define OXP_LEDGER_PARTS_H

#include "exporter/ledger/state.h"

/* ---- writers.c: identity, connections, liveness, losses ---- */
void oxp_writers_init(struct oxp_ledger *ledger);
void oxp_writers_fini(struct oxp_ledger *ledger);
/* Finds whose event it is and who owns what it opens (moment->who, ->owner). */
void oxp_writers_identify(struct oxp_ledger *ledger, struct oxp_moment *moment);
/* Accounts for the event's seq; true when this one was seen before. */
bool oxp_writers_is_repeat(struct oxp_ledger *ledger, const struct oxp_moment *moment);
/* The event was accepted. */
void oxp_writers_seen(struct oxp_ledger *ledger, const struct oxp_moment *moment);
void oxp_writers_disconnect(struct oxp_ledger *ledger, uint64_t connection);
void oxp_writers_tick(struct oxp_ledger *ledger);
void oxp_writers_probed(struct oxp_ledger *ledger, bool healthy);
/* Sets, shows or hides orchestrator_up. */
void oxp_writers_update_up(struct oxp_ledger *ledger);
/* The identity with this key ("writer", NUL, "boot"), made when it is not known; NULL without memory or at the cap. */
struct oxp_identity *oxp_writers_get(struct oxp_ledger *ledger, struct oxp_view writer, struct oxp_view boot);
struct oxp_identity *oxp_writers_find(const struct oxp_ledger *ledger, struct oxp_view key);
/* A record of the journal: `read` holds the plain fields. */
void oxp_writers_restore(struct oxp_ledger *ledger, const struct oxp_identity *read);
void oxp_writers_forget(struct oxp_ledger *ledger, struct oxp_view key);
/* Everything is replayed: shows who is there, and begins to wait for owners. */
void oxp_writers_restored(struct oxp_ledger *ledger);
oxp_handler_fn oxp_on_started, oxp_on_heartbeat, oxp_on_stopping;

/* ---- limits.c ---- */
/* A limit that was announced, in an event or by a capacity refusal; 0 says nothing. */
void oxp_limits_announce(struct oxp_ledger *ledger, double sessions_limit);
/* The limits that an event announces. */
void oxp_limits_take(struct oxp_ledger *ledger, const struct oxp_event *event);
/* The options were set, or set anew: environment and configured limit. */
void oxp_limits_configured(struct oxp_ledger *ledger);
void oxp_limits_restore(struct oxp_ledger *ledger, const struct oxp_loose *read);
/* Shows who this is in orchestrator_info, unless it is a forked worker. */
void oxp_info_show(struct oxp_ledger *ledger, const struct oxp_identity *who);

/* ---- sessions.c ---- */
void oxp_sessions_init(struct oxp_ledger *ledger);
void oxp_sessions_fini(struct oxp_ledger *ledger);
struct oxp_session *oxp_sessions_find(const struct oxp_ledger *ledger, struct oxp_view id);
/* An event of any type names it: it is not idle. */
void oxp_sessions_touch(struct oxp_ledger *ledger, const struct oxp_moment *moment);
/* Its owner is lost: open sessions become orphans, creations under way are forgotten. */
void oxp_sessions_lose(struct oxp_ledger *ledger, struct oxp_identity *owner);
void oxp_sessions_tick(struct oxp_ledger *ledger);
/* The creation that `moment` says has failed: the time it began, or NaN. It is no longer pending. */
double oxp_sessions_create_failed(struct oxp_ledger *ledger, const struct oxp_moment *moment);
void oxp_sessions_restore(struct oxp_ledger *ledger, const struct oxp_session *read, struct oxp_identity *owner);
void oxp_sessions_restore_pending(struct oxp_ledger *ledger, const struct oxp_pending *read,
                                  struct oxp_identity *owner);
void oxp_sessions_forget(struct oxp_ledger *ledger, struct oxp_view id);
void oxp_sessions_forget_pending(struct oxp_ledger *ledger, struct oxp_view key);
oxp_handler_fn oxp_on_session_creating, oxp_on_session_started, oxp_on_session_connected, oxp_on_session_disconnected,
    oxp_on_session_replaced, oxp_on_session_releasing, oxp_on_session_ended;

/* ---- tasks.c ---- */
void oxp_tasks_init(struct oxp_ledger *ledger);
void oxp_tasks_fini(struct oxp_ledger *ledger);
struct oxp_task *oxp_tasks_find(const struct oxp_ledger *ledger, struct oxp_view id);
void oxp_tasks_touch(struct oxp_ledger *ledger, const struct oxp_moment *moment);
void oxp_tasks_lose(struct oxp_ledger *ledger, struct oxp_identity *owner);
void oxp_tasks_tick(struct oxp_ledger *ledger);
void oxp_tasks_restore(struct oxp_ledger *ledger, const struct oxp_task *read, struct oxp_identity *owner);
void oxp_tasks_forget(struct oxp_ledger *ledger, struct oxp_view id);
oxp_handler_fn oxp_on_task_queued, oxp_on_task_started, oxp_on_task_progress, oxp_on_task_ended;

/* ---- runs.c ---- */
void oxp_runs_fini(struct oxp_ledger *ledger);
void oxp_runs_lose(struct oxp_ledger *ledger, struct oxp_identity *owner);
void oxp_runs_restore(struct oxp_ledger *ledger, const struct oxp_run *read, struct oxp_identity *owner);
void oxp_runs_forget(struct oxp_ledger *ledger, struct oxp_view key);
oxp_handler_fn oxp_on_workflow_started, oxp_on_workflow_ended;
/* The workflow that the event names, or "none". */
struct oxp_open_value *oxp_runs_flow(struct oxp_ledger *ledger, struct oxp_view workflow);

/* ---- queue.c ---- */
void oxp_queue_init(struct oxp_ledger *ledger);
void oxp_queue_fini(struct oxp_ledger *ledger);
/* Room for one more task. OXP_ERR_NOMEM. */
enum oxp_status oxp_queue_reserve(struct oxp_ledger *ledger, unsigned priority);
void oxp_queue_put(struct oxp_ledger *ledger, struct oxp_task *task);
void oxp_queue_take(struct oxp_ledger *ledger, struct oxp_task *task);
/* A task that we did not know as queued has started. */
void oxp_queue_started_unknown(struct oxp_ledger *ledger, unsigned priority);
void oxp_queue_lose(struct oxp_ledger *ledger, const struct oxp_identity *source);
void oxp_queue_restore(struct oxp_ledger *ledger, const struct oxp_queue *read, struct oxp_identity *source);
oxp_handler_fn oxp_on_queue;

/* ---- retries.c ---- */
void oxp_retries_fini(struct oxp_ledger *ledger);
void oxp_retries_lose(struct oxp_ledger *ledger, struct oxp_identity *owner);
void oxp_retries_tick(struct oxp_ledger *ledger);
oxp_handler_fn oxp_on_retry;

/* ---- breakers.c ---- */
void oxp_breakers_init(struct oxp_ledger *ledger);
void oxp_breakers_fini(struct oxp_ledger *ledger);
void oxp_breakers_lose(struct oxp_ledger *ledger, struct oxp_identity *owner);
void oxp_breakers_tick(struct oxp_ledger *ledger);
void oxp_breakers_restore(struct oxp_ledger *ledger, const struct oxp_breaker *read, struct oxp_identity *owner);
void oxp_breakers_forget(struct oxp_ledger *ledger, struct oxp_view name);
oxp_handler_fn oxp_on_breaker, oxp_on_breaker_calls;

/* ---- errors.c, operations.c, checkpoints.c, outcomes.c: what leaves nothing open ---- */
oxp_handler_fn oxp_on_error;
/* An error that nobody reported: the sidecar saw it, `late_s` after it happened (NaN = unknown). */
void oxp_errors_noticed(struct oxp_ledger *ledger, const char *code, enum oxp_source source, double late_s);
oxp_handler_fn oxp_on_operation, oxp_on_captcha;
oxp_handler_fn oxp_on_checkpoint;
/* Who said how many snapshots wait is lost. */
void oxp_checkpoints_lose(struct oxp_ledger *ledger, const struct oxp_identity *owner);
/* From the journal. */
void oxp_checkpoints_restore(struct oxp_ledger *ledger, const struct oxp_loose *read);
oxp_handler_fn oxp_on_transaction, oxp_on_debugger, oxp_on_stage, oxp_on_passed_on;

/* ---- incidents.c ---- */
void oxp_incidents_init(struct oxp_ledger *ledger);
void oxp_incidents_fini(struct oxp_ledger *ledger);
struct oxp_incident *oxp_incidents_find(const struct oxp_ledger *ledger, struct oxp_view id);
/* Its owner is lost: what it opened waits for somebody to end it. */
void oxp_incidents_lose(struct oxp_ledger *ledger, struct oxp_identity *owner);
void oxp_incidents_tick(struct oxp_ledger *ledger);
/* An error of an open task: opens its incident where the client does not say recovery itself. */
void oxp_incidents_error(struct oxp_ledger *ledger, const struct oxp_moment *moment, const struct oxp_code *code);
/* What is being done about a task's incident now: a place among the actions. */
void oxp_incidents_act(struct oxp_ledger *ledger, struct oxp_view task, unsigned action);
/* The task of a derived incident ended with this status (a place in the closed set), or nobody knows how (-1).
 * `moment` may be NULL. */
void oxp_incidents_task_ended(struct oxp_ledger *ledger, const struct oxp_moment *moment, struct oxp_task *task,
                              int status);
/* A person closed a breaker. */
void oxp_incidents_manual_reset(struct oxp_ledger *ledger, const struct oxp_moment *moment);
void oxp_incidents_restore(struct oxp_ledger *ledger, const struct oxp_incident *read, struct oxp_identity *owner);
void oxp_incidents_forget(struct oxp_ledger *ledger, struct oxp_view id);
oxp_handler_fn oxp_on_recovery;

/* ---- degraded.c ---- */
void oxp_degraded_init(struct oxp_ledger *ledger);
void oxp_degraded_fini(struct oxp_ledger *ledger);
void oxp_degraded_lose(struct oxp_ledger *ledger, struct oxp_identity *owner);
void oxp_degraded_tick(struct oxp_ledger *ledger);
void oxp_degraded_restore(struct oxp_ledger *ledger, const struct oxp_degraded *read, struct oxp_identity *owner);
void oxp_degraded_forget(struct oxp_ledger *ledger, struct oxp_view name);
oxp_handler_fn oxp_on_degraded;

/* ---- usage.c: processes and containers ---- */
void oxp_usage_init(struct oxp_ledger *ledger);
void oxp_usage_tick(struct oxp_ledger *ledger);
/* Frees what the identity said: it goes. */
void oxp_usage_drop(struct oxp_ledger *ledger, struct oxp_identity *identity);
/* Takes the fields of a `resource` or `queue` event that are of one process. OXP_ERR_NOMEM. */
enum oxp_status oxp_usage_take(struct oxp_ledger *ledger, const struct oxp_moment *moment);
oxp_handler_fn oxp_on_resource;

/* ---- app.c ---- */
void oxp_apps_fini(struct oxp_ledger *ledger);
oxp_handler_fn oxp_on_metric;

/* ---- provider.c ---- */
void oxp_provider_state_fini(struct oxp_ledger *ledger);
/* The session's end as the provider tells it. */
void oxp_sessions_found_ended(struct oxp_ledger *ledger, struct oxp_session *session,
                              const struct oxp_provider_session *told);
/* What the provider says of an open session or orphan: what we did not know is taken over. */
void oxp_sessions_told(struct oxp_ledger *ledger, struct oxp_session *session, const struct oxp_provider_session *told);
/* An orphan is being released; false when it is not one. */
bool oxp_sessions_releasing(struct oxp_ledger *ledger, struct oxp_view id);
/* True when nobody who is there owns it. */
bool oxp_sessions_unowned(const struct oxp_ledger *ledger, const struct oxp_session *session);

/* ---- persist.c: records of the journal. Each does nothing without a journal, or while one is replayed ---- */
void oxp_persist_identity(struct oxp_ledger *ledger, const struct oxp_identity *identity);
void oxp_persist_session(struct oxp_ledger *ledger, const struct oxp_session *session);
void oxp_persist_pending(struct oxp_ledger *ledger, const struct oxp_pending *pending);
void oxp_persist_task(struct oxp_ledger *ledger, const struct oxp_task *task);
void oxp_persist_run(struct oxp_ledger *ledger, const struct oxp_run *run);
void oxp_persist_breaker(struct oxp_ledger *ledger, const struct oxp_breaker *breaker);
void oxp_persist_incident(struct oxp_ledger *ledger, const struct oxp_incident *incident);
void oxp_persist_degraded(struct oxp_ledger *ledger, const struct oxp_degraded *degraded);
void oxp_persist_queue(struct oxp_ledger *ledger);
/* The values of nobody, when they are not what the journal has. */
void oxp_persist_loose(struct oxp_ledger *ledger);
/* The journal is open; `again` when there was something in it: then the start itself is a record, so that an end mark
 * before it no longer says that all is known. */
void oxp_persist_start(struct oxp_ledger *ledger, bool again);
/* Something left: `kind` is 'i', 's', 'p', 't', 'r', 'b', 'n' or 'd'; `how` says how a session, task, run or
 * incident is remembered. */
void oxp_persist_gone(struct oxp_ledger *ledger, char kind, struct oxp_view key, enum oxp_closed_how how);
/* Rewrites the journal when it has grown or is failing. */
void oxp_persist_tick(struct oxp_ledger *ledger);
/* The end: a journal that could not be appended to gets its last chance, a rewrite of what is open. */
void oxp_persist_close(struct oxp_ledger *ledger);

#endif
