/* The books of incidents, as incidents.c writes in them. Internal to this folder; loop thread only. */
#ifndef OXP_LEDGER_INCIDENT_BOOKS_H
#define OXP_LEDGER_INCIDENT_BOOKS_H

#include "exporter/ledger/parts.h"

static inline struct oxp_view oxp_incident_id(const struct oxp_incident *incident) {
    return oxp_view_of(incident->id, incident->id_len);
}

/* Its id among those that have ended. */
uint64_t oxp_incident_hash(const struct oxp_ledger *ledger, struct oxp_view id);
/* One that is linked nowhere; NULL without memory. */
struct oxp_incident *oxp_incident_new(struct oxp_identity *owner, struct oxp_view id);
/* Persists it and takes it into the books. OXP_ERR_NOMEM, and then it is freed. */
enum oxp_status oxp_incident_open(struct oxp_ledger *ledger, struct oxp_incident *incident);
/* Out of the books and freed, as the journal has it already. */
void oxp_incident_forget(struct oxp_ledger *ledger, struct oxp_incident *incident);
/* Forgets it for good: it comes back from no journal, and is not counted. */
void oxp_incident_discard(struct oxp_ledger *ledger, struct oxp_incident *incident);
/* Out of the books and counted; it is shown for a while. `moment` is NULL when nobody said so; `duration_s` is NaN when
 * nobody knows it. */
void oxp_incident_close(struct oxp_ledger *ledger, const struct oxp_moment *moment, struct oxp_incident *incident,
                        unsigned outcome, double duration_s);
/* Makes room for one more (rule 7). */
void oxp_incidents_make_room(struct oxp_ledger *ledger);
/* One more or less that is open. */
void oxp_incidents_count(struct oxp_ledger *ledger, unsigned severity, int by);

#endif
