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
/* A limit that was announced, in an event or by a capacity refusal; 0 says nothing. */
void oxp_writers_limit(struct oxp_ledger *ledger, double sessions_limit);
/* The options were set, or set anew: environment and configured limit. */
void oxp_writers_configured(struct oxp_ledger *ledger);
void oxp_writers_restore_loose(struct oxp_ledger *ledger, const struct oxp_loose *read);
oxp_handler_fn oxp_on_started, oxp_on_heartbeat, oxp_on_stopping;

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

/* ---- errors.c, operations.c ---- */
oxp_handler_fn oxp_on_error;
oxp_handler_fn oxp_on_operation, oxp_on_captcha, oxp_on_checkpoint;

/* ---- persist.c: records of the journal. Each does nothing without a journal, or while one is replayed ---- */
void oxp_persist_identity(struct oxp_ledger *ledger, const struct oxp_identity *identity);
void oxp_persist_session(struct oxp_ledger *ledger, const struct oxp_session *session);
void oxp_persist_pending(struct oxp_ledger *ledger, const struct oxp_pending *pending);
void oxp_persist_task(struct oxp_ledger *ledger, const struct oxp_task *task);
void oxp_persist_run(struct oxp_ledger *ledger, const struct oxp_run *run);
void oxp_persist_breaker(struct oxp_ledger *ledger, const struct oxp_breaker *breaker);
void oxp_persist_queue(struct oxp_ledger *ledger);
/* The values of nobody, when they are not what the journal has. */
void oxp_persist_loose(struct oxp_ledger *ledger);
/* The journal is open; `again` when there was something in it: then the start itself is a record, so that an end mark
 * before it no longer says that all is known. */
void oxp_persist_start(struct oxp_ledger *ledger, bool again);
/* Something left: `kind` is 'i', 's', 'p', 't', 'r' or 'b'; `how` says how a session, task or run is remembered. */
void oxp_persist_gone(struct oxp_ledger *ledger, char kind, struct oxp_view key, enum oxp_closed_how how);
/* Rewrites the journal when it has grown or is failing. */
void oxp_persist_tick(struct oxp_ledger *ledger);
/* The end: a journal that could not be appended to gets its last chance, a rewrite of what is open. */
void oxp_persist_close(struct oxp_ledger *ledger);

#endif
