/* The books of incidents: what is open, and what was closed lately. The rules stand at the top of incidents.c, which
 * reads the events; what only time, a lost owner or the journal moves is here. */
#include "exporter/ledger/incident_books.h"

#include <math.h>
#include <stdlib.h>

uint64_t oxp_incident_hash(const struct oxp_ledger *ledger, struct oxp_view id) {
    return oxp_closed_hash(&ledger->closed, 'n', id);
}

void oxp_incidents_init(struct oxp_ledger *ledger) {
    oxp_map_init(&ledger->incidents_by_id);
    oxp_list_init(&ledger->open_incidents);
    oxp_list_init(&ledger->closed_incidents);
}

void oxp_incidents_fini(struct oxp_ledger *ledger) {
    OXP_LIST_EACH(&ledger->open_incidents, link) {
        free(OXP_AROUND(link, struct oxp_incident, all));
    }
    OXP_LIST_EACH(&ledger->closed_incidents, link2) {
        free(OXP_AROUND(link2, struct oxp_incident, all));
    }
    oxp_map_fini(&ledger->incidents_by_id);
}

struct oxp_incident *oxp_incidents_find(const struct oxp_ledger *ledger, struct oxp_view id) {
    return id.len == 0 ? NULL : oxp_map_get(&ledger->incidents_by_id, id);
}

/* ---- In and out ---- */

void oxp_incidents_count(struct oxp_ledger *ledger, unsigned severity, int by) {
    ledger->incident_counts[severity] += (size_t)by;
    oxp_gauge_set(oxp_cell(&ledger->numbers, OXP_M_INCIDENTS_ACTIVE, severity),
                  (double)ledger->incident_counts[severity]);
}

/* Takes an incident that is linked nowhere into the books, open. A derived one is its task's, the others their owner's.
 */
static enum oxp_status link_in(struct oxp_ledger *ledger, struct oxp_incident *incident) {
    if (oxp_map_set(&ledger->incidents_by_id, oxp_incident_id(incident), incident, NULL) != OXP_OK) {
        return OXP_ERR_NOMEM;
    }
    oxp_list_push(&ledger->open_incidents, &incident->all);
    if (incident->of != NULL) {
        incident->of->incident = incident;
    } else {
        oxp_list_push(&incident->owner->incidents, &incident->owned);
    }
    oxp_incidents_count(ledger, incident->severity, 1);
    return OXP_OK;
}

/* Out of the books; the incident is still there, linked nowhere. */
static void link_out(struct oxp_ledger *ledger, struct oxp_incident *incident) {
    oxp_map_remove(&ledger->incidents_by_id, oxp_incident_id(incident));
    oxp_list_take(&incident->all);
    oxp_list_take(&incident->owned);
    if (incident->of != NULL) {
        incident->of->incident = NULL;
        incident->of = NULL;
    }
    oxp_incidents_count(ledger, incident->severity, -1);
}

void oxp_incident_forget(struct oxp_ledger *ledger, struct oxp_incident *incident) {
    link_out(ledger, incident);
    free(incident);
}

void oxp_incidents_forget(struct oxp_ledger *ledger, struct oxp_view id) {
    struct oxp_incident *incident = oxp_incidents_find(ledger, id);
    if (incident != NULL) {
        oxp_incident_forget(ledger, incident);
    }
}

/* Forgets it for good: it comes back from no journal, and is not counted. */
void oxp_incident_discard(struct oxp_ledger *ledger, struct oxp_incident *incident) {
    oxp_persist_gone(ledger, 'n', oxp_incident_id(incident), OXP_CLOSED_NOT);
    oxp_incident_forget(ledger, incident);
}

/* Rule 7. */
void oxp_incidents_make_room(struct oxp_ledger *ledger) {
    if (ledger->incidents_by_id.count < OXP_INCIDENTS_MAX) {
        return;
    }
    struct oxp_incident *victim = oxp_list_is_empty(&ledger->nobody.incidents)
                                      ? OXP_AROUND(ledger->open_incidents.next, struct oxp_incident, all)
                                      : OXP_AROUND(ledger->nobody.incidents.next, struct oxp_incident, owned);
    const char *pairs[] = {"incident", victim->id, NULL};
    oxp_note(ledger, OXP_NOTE_WARNING, "too many open incidents: one is forgotten", pairs);
    oxp_incident_discard(ledger, victim);
}

/* ---- Closing ---- */

/* Into the ring of those that are shown for a while. */
static void remember(struct oxp_ledger *ledger, struct oxp_incident *incident) {
    oxp_list_push(&ledger->closed_incidents, &incident->all);
    if (++ledger->closed_incident_count > OXP_INCIDENTS_REMEMBERED) {
        struct oxp_incident *oldest = OXP_AROUND(ledger->closed_incidents.next, struct oxp_incident, all);
        oxp_list_take(&oldest->all);
        free(oldest);
        ledger->closed_incident_count--;
    }
}

/* `moment` may be NULL; `duration_s` is NaN when nobody knows it. */
static void count_end(struct oxp_ledger *ledger, const struct oxp_moment *moment, const struct oxp_incident *incident,
                      double duration_s) {
    struct oxp_series *recoveries =
        oxp_cell(&ledger->numbers, OXP_M_RECOVERIES, incident->action * OXP_RECOVERY_OUTCOMES + incident->outcome);
    struct oxp_series *duration = oxp_cell(&ledger->numbers, OXP_M_RECOVERY_DURATION, incident->automation);
    oxp_count(recoveries, 1);
    if (!isnan(duration_s)) {
        oxp_histogram_observe(duration, duration_s);
    }
    if (moment != NULL) {
        oxp_exemplar(ledger, moment, recoveries, 1);
        if (!isnan(duration_s)) {
            oxp_exemplar(ledger, moment, duration, duration_s);
        }
    }
}

void oxp_incident_close(struct oxp_ledger *ledger, const struct oxp_moment *moment, struct oxp_incident *incident,
                        unsigned outcome, double duration_s) {
    enum oxp_closed_how how = moment == NULL ? OXP_CLOSED_WRITTEN_OFF : OXP_CLOSED_ENDED;
    if (incident->derived) {
        how = OXP_CLOSED_NOT; /* its id comes again with the task's */
    } else {
        oxp_closed_put(&ledger->closed, oxp_incident_hash(ledger, oxp_incident_id(incident)), how);
    }
    oxp_persist_gone(ledger, 'n', oxp_incident_id(incident), how);
    link_out(ledger, incident);
    incident->closed = true;
    incident->closed_s = moment == NULL ? ledger->wall_s : moment->ts;
    incident->outcome = outcome;
    incident->automation = outcome == OXP_ENDED_MANUAL ? OXP_AUTO_MANUAL : incident->automation;
    count_end(ledger, moment, incident, duration_s);
    remember(ledger, incident);
}

/* ---- Losing (rule 6) ---- */

void oxp_incidents_lose(struct oxp_ledger *ledger, struct oxp_identity *owner) {
    OXP_LIST_EACH(&owner->incidents, link) {
        struct oxp_incident *incident = OXP_AROUND(link, struct oxp_incident, owned);
        incident->owner = &ledger->nobody;
        incident->touched = ledger->patience_s;
        oxp_list_push(&ledger->nobody.incidents, &incident->owned);
    }
}

void oxp_incidents_tick(struct oxp_ledger *ledger) {
    double idle_since = ledger->patience_s - ledger->options.idle_limit_s;
    OXP_LIST_EACH(&ledger->nobody.incidents, link) {
        struct oxp_incident *incident = OXP_AROUND(link, struct oxp_incident, owned);
        if (incident->touched > idle_since) {
            break;
        }
        const char *pairs[] = {"incident", incident->id, "writer", incident->writer, NULL};
        oxp_note(ledger, OXP_NOTE_WARNING, "an incident is closed as failed: nobody speaks of it any more", pairs);
        oxp_incident_close(ledger, NULL, incident, OXP_ENDED_FAILED, NAN);
    }
}

/* ---- New ones ---- */

struct oxp_incident *oxp_incident_new(struct oxp_identity *owner, struct oxp_view id) {
    struct oxp_incident *incident = calloc(1, sizeof *incident);
    if (incident != NULL) {
        oxp_list_init(&incident->owned);
        oxp_list_init(&incident->all);
        incident->id_len = oxp_keep(incident->id, sizeof incident->id, id);
        incident->owner = owner;
        incident->closed_s = NAN;
    }
    return incident;
}

/* Persists and links; frees it when there is no memory. */
enum oxp_status oxp_incident_open(struct oxp_ledger *ledger, struct oxp_incident *incident) {
    oxp_persist_incident(ledger, incident);
    if (link_in(ledger, incident) != OXP_OK) {
        oxp_persist_gone(ledger, 'n', oxp_incident_id(incident), OXP_CLOSED_NOT);
        free(incident);
        return OXP_ERR_NOMEM;
    }
    return OXP_OK;
}

/* ---- After a restart ---- */

void oxp_incidents_restore(struct oxp_ledger *ledger, const struct oxp_incident *read, struct oxp_identity *owner) {
    struct oxp_task *of = read->derived ? oxp_tasks_find(ledger, oxp_view_from(read->task)) : NULL;
    oxp_incidents_forget(ledger, oxp_incident_id(read));
    if (read->derived && (of == NULL || of->incident != NULL)) {
        return;
    }
    struct oxp_incident *incident = malloc(sizeof *incident);
    if (incident == NULL) {
        return;
    }
    *incident = *read;
    oxp_list_init(&incident->owned);
    oxp_list_init(&incident->all);
    incident->owner = owner;
    incident->of = of;
    incident->touched = ledger->patience_s;
    incident->closed_s = NAN;
    if (link_in(ledger, incident) != OXP_OK) {
        free(incident);
        return;
    }
    owner->recovers |= !incident->derived;
}
