/* What the API shows: copies of what is open, oldest first. */
#include "exporter/ledger/parts.h"

#include <math.h>

#define COPY(to, from) (void)oxp_keep((to), sizeof(to), oxp_view_from(from))

/* Whether the n-th match is to be copied, and where; counts it. */
struct window {
    size_t skip, max, seen;
};

static bool in_window(struct window *window, size_t *at_out) {
    size_t n = window->seen++;
    *at_out = n - window->skip;
    return n >= window->skip && n - window->skip < window->max;
}

static const char *owner_word(const struct oxp_ledger *ledger, const struct oxp_identity *owner, bool orphaned) {
    if (owner == &ledger->nobody) {
        return "none";
    }
    return orphaned || owner->connections == 0 ? "lost" : "live";
}

static void show_session(const struct oxp_ledger *ledger, const struct oxp_session *session,
                         struct oxp_session_view *out) {
    *out = (struct oxp_session_view){.started_s = session->started_s,
                                     .last_event_s = session->last_s,
                                     .timeout_s = session->timeout_s,
                                     .orphaned = session->orphaned,
                                     .keep_alive_known = session->keep_alive >= 0,
                                     .keep_alive = session->keep_alive > 0,
                                     .must_restore = session->must_restore};
    COPY(out->id, session->id);
    COPY(out->region, session->region_text);
    COPY(out->state, oxp_numbers_text(OXP_M_SESSIONS_ACTIVE, 0, session->state));
    COPY(out->writer, session->owner->writer);
    COPY(out->boot, session->owner->boot);
    COPY(out->workflow, session->workflow);
    COPY(out->trace_id, session->trace_id);
    COPY(out->owner, owner_word(ledger, session->owner, session->orphaned));
}

size_t oxp_ledger_sessions(const struct oxp_ledger *ledger, struct oxp_view id, size_t skip,
                           struct oxp_session_view *out, size_t max) {
    struct window window = {skip, max, 0};
    size_t at;
    if (id.len != 0) {
        const struct oxp_session *session = oxp_sessions_find(ledger, id);
        if (session != NULL && in_window(&window, &at)) {
            show_session(ledger, session, &out[at]);
        }
        return window.seen;
    }
    OXP_LIST_EACH(&ledger->all_sessions, link) {
        if (in_window(&window, &at)) {
            show_session(ledger, OXP_AROUND(link, struct oxp_session, all), &out[at]);
        }
    }
    return window.seen;
}

static void show_task(const struct oxp_task *task, struct oxp_task_view *out) {
    bool queued = task->state == OXP_TASK_QUEUED;
    *out = (struct oxp_task_view){.started_s = task->started_s,
                                  .last_event_s = task->last_s,
                                  .progress_ratio = task->progress,
                                  .queued_s = task->queued_s,
                                  .attempt = task->attempt,
                                  .stalled = task->stalled};
    COPY(out->id, task->id);
    COPY(out->workflow, task->workflow);
    COPY(out->session, task->session);
    COPY(out->status, queued ? "queued" : task->stalled ? "stalled" : "running");
    COPY(out->writer, task->owner->writer);
    COPY(out->trace_id, task->trace_id);
    COPY(out->priority, oxp_numbers_text(OXP_M_QUEUE_LENGTH, 0, task->priority));
}

size_t oxp_ledger_tasks(const struct oxp_ledger *ledger, struct oxp_view id, size_t skip, struct oxp_task_view *out,
                        size_t max) {
    struct window window = {skip, max, 0};
    size_t at;
    if (id.len != 0) {
        const struct oxp_task *task = oxp_tasks_find(ledger, id);
        if (task != NULL && in_window(&window, &at)) {
            show_task(task, &out[at]);
        }
        return window.seen;
    }
    OXP_LIST_EACH(&ledger->all_tasks, link) {
        if (in_window(&window, &at)) {
            show_task(OXP_AROUND(link, struct oxp_task, all), &out[at]);
        }
    }
    return window.seen;
}

size_t oxp_ledger_breakers(const struct oxp_ledger *ledger, struct oxp_view name, size_t skip,
                           struct oxp_breaker_view *out, size_t max) {
    struct window window = {skip, max, 0};
    size_t at;
    OXP_LIST_EACH(&ledger->all_breakers, link) {
        const struct oxp_breaker *breaker = OXP_AROUND(link, struct oxp_breaker, all);
        if ((name.len != 0 && !oxp_view_is(name, breaker->name)) || !in_window(&window, &at)) {
            continue;
        }
        out[at] = (struct oxp_breaker_view){.since_s = breaker->since_s,
                                            .open_total_s = breaker->open_total_s,
                                            .consecutive_failures = breaker->failures};
        COPY(out[at].name, breaker->name);
        COPY(out[at].state, oxp_numbers_text(OXP_M_BREAKER_STATE, 1, breaker->state));
        COPY(out[at].cause, breaker->cause);
    }
    return window.seen;
}

static const char *state_word(const struct oxp_incident *incident) {
    return incident->closed ? "closed" : incident->levels != 0 ? "escalated" : "open";
}

static void show_incident(const struct oxp_incident *incident, struct oxp_incident_view *out) {
    *out = (struct oxp_incident_view){
        .opened_s = incident->opened_s, .closed_s = incident->closed_s, .derived = incident->derived};
    COPY(out->id, incident->id);
    COPY(out->state, state_word(incident));
    COPY(out->code, incident->code);
    COPY(out->category, incident->category);
    COPY(out->severity, oxp_numbers_text(OXP_M_INCIDENTS_ACTIVE, 0, incident->severity));
    COPY(out->component, incident->component);
    COPY(out->task, incident->task);
    COPY(out->session, incident->session);
    COPY(out->workflow, incident->workflow);
    COPY(out->trace_id, incident->trace_id);
    COPY(out->action, oxp_numbers_text(OXP_M_RECOVERIES, 0, incident->action));
    COPY(out->automation, oxp_numbers_text(OXP_M_RECOVERY_DURATION, 0, incident->automation));
    COPY(out->reason, incident->reason);
    COPY(out->writer, incident->writer);
    COPY(out->boot, incident->boot);
    if (incident->closed) {
        COPY(out->outcome, oxp_numbers_text(OXP_M_RECOVERIES, 1, incident->outcome));
    }
    if (incident->levels != 0) { /* the highest */
        COPY(out->level, oxp_numbers_text(OXP_M_ESCALATIONS, 0, 31 - (unsigned)__builtin_clz(incident->levels)));
    }
}

size_t oxp_ledger_incidents(const struct oxp_ledger *ledger, struct oxp_view id, size_t skip,
                            struct oxp_incident_view *out, size_t max) {
    const struct oxp_link *const lists[] = {&ledger->closed_incidents, &ledger->open_incidents};
    struct window window = {skip, max, 0};
    size_t at;
    for (size_t i = 0; i < 2; i++) {
        OXP_LIST_EACH(lists[i], link) {
            const struct oxp_incident *incident = OXP_AROUND(link, struct oxp_incident, all);
            if ((id.len == 0 || oxp_view_is(id, incident->id)) && in_window(&window, &at)) {
                show_incident(incident, &out[at]);
            }
        }
    }
    return window.seen;
}

size_t oxp_ledger_writers(const struct oxp_ledger *ledger, struct oxp_view writer, size_t skip,
                          struct oxp_writer_view *out, size_t max) {
    struct window window = {skip, max, 0};
    size_t at;
    OXP_LIST_EACH(&ledger->identities, link) {
        const struct oxp_identity *who = OXP_AROUND(link, struct oxp_identity, all);
        if ((writer.len != 0 && !oxp_view_is(writer, who->writer)) || !in_window(&window, &at)) {
            continue;
        }
        out[at] = (struct oxp_writer_view){.started_s = who->started_s,
                                           .last_event_s = who->last_event_s,
                                           .connected = who->connections > 0,
                                           .announced = who->announced,
                                           .stopping = who->stopping,
                                           .lost = !who->alive && !who->stopping,
                                           .last_seq = who->last_seq,
                                           .lost_events = who->lost};
        COPY(out[at].writer, who->writer);
        COPY(out[at].boot, who->boot);
        COPY(out[at].version, who->version);
        COPY(out[at].environment, who->environment);
    }
    return window.seen;
}
