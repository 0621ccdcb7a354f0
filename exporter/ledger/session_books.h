/* The books of sessions, as sessions.c writes in them. Internal to this folder; loop thread only. */
#ifndef OXP_LEDGER_SESSION_BOOKS_H
#define OXP_LEDGER_SESSION_BOOKS_H

#include "exporter/ledger/parts.h"

static inline struct oxp_view oxp_session_id(const struct oxp_session *session) {
    return oxp_view_of(session->id, session->id_len);
}

/* Its id among those that have ended. */
uint64_t oxp_session_hash(const struct oxp_ledger *ledger, struct oxp_view id);
/* An open session that is linked nowhere; NULL without memory. */
struct oxp_session *oxp_session_new(struct oxp_identity *owner, struct oxp_view id);
/* Takes one that is linked nowhere into the books, open and not orphaned. Room in the heaps is reserved here.
 * OXP_ERR_NOMEM. */
enum oxp_status oxp_session_link(struct oxp_ledger *ledger, struct oxp_session *session);
/* Out of the books, and freed. */
void oxp_session_drop(struct oxp_ledger *ledger, struct oxp_session *session);
/* Makes room for one more (rule 8). */
void oxp_sessions_make_room(struct oxp_ledger *ledger);
void oxp_session_set_state(struct oxp_ledger *ledger, struct oxp_session *session, enum oxp_session_state state);
/* Gives an open or orphaned session to `owner`. */
void oxp_session_give(struct oxp_ledger *ledger, struct oxp_session *session, struct oxp_identity *owner);
/* What an end counts, whoever tells of it (rules 3, 4, 7). `moment` may be NULL; `duration_s` is NaN when nobody
 * knows. */
void oxp_session_count_end(struct oxp_ledger *ledger, struct oxp_moment *moment, unsigned status, double duration_s);
/* A creation under way: into the books, and out of them and freed. OXP_ERR_NOMEM. */
enum oxp_status oxp_pending_link(struct oxp_ledger *ledger, struct oxp_pending *pending);
void oxp_pending_drop(struct oxp_ledger *ledger, struct oxp_pending *pending);

#endif
