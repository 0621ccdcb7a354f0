/* Sessions (domain catalogue, section 5).
 *
 *  1. A session is known by its id from session.started to its end. Before that, session.creating makes it pending
 *     under the writer's `ref`, which session.started or an error of op session.create resolves.
 *  2. A second session.started of a known id is ignored, but that it may adopt (6). With `resumed` an id that was not
 *     known is counted, one that was is not.
 *  3. session.ended counts even when the id is unknown, then without a duration of its own. A second end is ignored.
 *  4. The duration is observed once, at the end: duration_s when given, else the difference of the times, never
 *     negative. Billed time is at least 60 s.
 *  5. When its owner is lost, or it has none and was idle for the idle limit, an open session becomes an orphan: it
 *     leaves sessions_active and counts in sessions_orphaned.
 *  6. An orphan is adopted by a resumed session.started, or by any session event from a connection that announced
 *     itself; an orphan that never had an owner by any session event.
 *  7. An orphan ends by itself at started + timeout_s (6 h if unknown; with keep_alive=false 60 s after the
 *     disconnect if that is earlier), counted with status "unknown". It is written off: should it be resumed, it is
 * open again without being counted, and its late end is ignored.
 *  8. Past max_sessions the oldest orphan goes first, then the one without an owner that was idle longest, then the
 *     oldest of all. What went so is forgotten, not counted. */
#include "exporter/ledger/session_books.h"

#include <math.h>
#include <stdlib.h>

/* ---- Being seen ---- */

static void touch(struct oxp_ledger *ledger, const struct oxp_moment *moment, struct oxp_session *session) {
    session->touched = ledger->patience_s;
    if (moment->ts > session->last_s) {
        session->last_s = moment->ts;
    }
    if (session->owner == &ledger->nobody && !session->orphaned) {
        oxp_list_push(&ledger->nobody.sessions, &session->owned);
    }
    struct oxp_view trace = oxp_event_text(moment->event, OXP_FIELD_TRACE_ID);
    if (trace.len != 0 && session->trace_id[0] == '\0') {
        oxp_keep(session->trace_id, sizeof session->trace_id, trace);
    }
}

void oxp_sessions_touch(struct oxp_ledger *ledger, const struct oxp_moment *moment) {
    struct oxp_session *session = oxp_sessions_find(ledger, oxp_event_text(moment->event, OXP_FIELD_SESSION));
    if (session != NULL) {
        touch(ledger, moment, session);
    }
}

/* Rule 6, and taking what has no owner. True when the owner changed. */
static bool adopt(struct oxp_ledger *ledger, const struct oxp_moment *moment, struct oxp_session *session) {
    bool announced = moment->owner != &ledger->nobody;
    bool resumed =
        moment->event->type == OXP_EVENT_SESSION_STARTED && oxp_event_flag(moment->event, OXP_FIELD_RESUMED, false);
    bool takes;
    if (session->orphaned) {
        takes = announced || resumed || session->owner == &ledger->nobody;
    } else {
        takes = announced && session->owner != moment->owner &&
                (session->owner == &ledger->nobody || (resumed && session->owner->connections == 0));
    }
    if (takes) {
        oxp_session_give(ledger, session, moment->owner);
    }
    return takes;
}

/* The session that a session event names, adopted and touched. NULL when it is unknown. */
static struct oxp_session *seen(struct oxp_ledger *ledger, struct oxp_moment *moment) {
    struct oxp_session *session = oxp_sessions_find(ledger, oxp_event_text(moment->event, OXP_FIELD_SESSION));
    if (session == NULL) {
        return NULL;
    }
    moment->ts = oxp_clamp(ledger, moment, &session->last_s);
    bool adopted = adopt(ledger, moment, session);
    touch(ledger, moment, session);
    if (adopted) {
        oxp_persist_session(ledger, session);
    }
    return session;
}

/* ---- Creating (rule 1) ---- */

/* The pending creation of the event's writer and ref, or NULL. */
static struct oxp_pending *pending_of(struct oxp_ledger *ledger, const struct oxp_moment *moment, char *key,
                                      size_t *key_len) {
    struct oxp_view writer = oxp_event_text(moment->event, OXP_FIELD_WRITER);
    if (moment->who != NULL) {
        writer = oxp_view_from(moment->who->writer);
    }
    *key_len = oxp_pair(key, writer.len == 0 ? OXP_VIEW("main") : writer, oxp_event_text(moment->event, OXP_FIELD_REF));
    return oxp_map_get(&ledger->pendings_by_key, oxp_view_of(key, *key_len));
}

enum oxp_status oxp_on_session_creating(struct oxp_ledger *ledger, struct oxp_moment *moment) {
    char key[OXP_PAIR_SIZE];
    size_t key_len;
    if (pending_of(ledger, moment, key, &key_len) != NULL) {
        return OXP_IGNORED;
    }
    if (ledger->pendings_by_key.count >= OXP_PENDING_MAX) {
        return oxp_refuse_because(moment, OXP_REJECT_OTHER, "ref: %d creations are under way already", OXP_PENDING_MAX);
    }
    struct oxp_pending *pending = calloc(1, sizeof *pending);
    if (pending == NULL) {
        return OXP_ERR_NOMEM;
    }
    oxp_list_init(&pending->owned);
    memcpy(pending->key, key, key_len);
    pending->key_len = key_len;
    pending->owner = moment->owner;
    pending->since_s = oxp_event_number(moment->event, OXP_FIELD_STARTED_AT, moment->ts);
    pending->touched = ledger->patience_s;
    oxp_persist_pending(ledger, pending);
    enum oxp_status status = oxp_pending_link(ledger, pending);
    if (status != OXP_OK) {
        free(pending);
    }
    return status;
}

/* Ends the event's pending creation: when it began, or NaN when there was none. */
static double resolve_pending(struct oxp_ledger *ledger, const struct oxp_moment *moment) {
    char key[OXP_PAIR_SIZE];
    size_t key_len;
    if (!oxp_event_has(moment->event, OXP_FIELD_REF)) {
        return NAN;
    }
    struct oxp_pending *pending = pending_of(ledger, moment, key, &key_len);
    if (pending == NULL) {
        return NAN;
    }
    double since_s = pending->since_s;
    oxp_persist_gone(ledger, 'p', oxp_view_of(key, key_len), OXP_CLOSED_NOT);
    oxp_pending_drop(ledger, pending);
    return since_s;
}

double oxp_sessions_create_failed(struct oxp_ledger *ledger, const struct oxp_moment *moment) {
    return resolve_pending(ledger, moment);
}

/* ---- Starting (rule 2) ---- */

/* What a session.started says about the session itself. */
static void describe(struct oxp_session *session, const struct oxp_moment *moment) {
    const struct oxp_event *event = moment->event;
    struct oxp_view region = oxp_event_text(event, OXP_FIELD_REGION);
    if (region.len != 0) {
        oxp_keep(session->region_text, sizeof session->region_text, region);
    }
    session->region =
        oxp_numbers_place_or(OXP_M_SESSIONS_STARTED, 0, oxp_view_from(session->region_text), OXP_REGION_OTHER);
    if (oxp_event_has(event, OXP_FIELD_KEEP_ALIVE)) {
        session->keep_alive = oxp_event_flag(event, OXP_FIELD_KEEP_ALIVE, false) ? 1 : 0;
    }
    session->timeout_s = oxp_event_number(event, OXP_FIELD_TIMEOUT_S, session->timeout_s);
    if (oxp_event_has(event, OXP_FIELD_WORKFLOW)) {
        oxp_keep(session->workflow, sizeof session->workflow, oxp_event_text(event, OXP_FIELD_WORKFLOW));
    }
}

static bool says_releasing(const struct oxp_event *event) {
    return oxp_view_is(oxp_event_text(event, OXP_FIELD_STATE), "releasing");
}

static void count_start(struct oxp_ledger *ledger, struct oxp_moment *moment, const struct oxp_session *session,
                        double since_s) {
    oxp_count_event(ledger, moment, oxp_cell(&ledger->numbers, OXP_M_SESSIONS_STARTED, session->region));
    double create_s = oxp_event_number(moment->event, OXP_FIELD_CREATE_S, fmax(moment->ts - since_s, 0));
    if (oxp_event_has(moment->event, OXP_FIELD_CREATE_S) || !isnan(since_s)) {
        oxp_observe(ledger, moment, oxp_cell(&ledger->numbers, OXP_M_SESSION_CREATE_DURATION, OXP_OK_OK), create_s);
    }
}

static enum oxp_status open_session(struct oxp_ledger *ledger, struct oxp_moment *moment, bool counts) {
    const struct oxp_event *event = moment->event;
    oxp_sessions_make_room(ledger);
    struct oxp_session *session = oxp_session_new(moment->owner, oxp_event_text(event, OXP_FIELD_SESSION));
    if (session == NULL) {
        return OXP_ERR_NOMEM;
    }
    describe(session, moment);
    session->started_s = oxp_event_number(event, OXP_FIELD_STARTED_AT, moment->ts);
    session->state = says_releasing(event) ? OXP_SESSION_RELEASING : OXP_SESSION_RUNNING;
    session->last_s = moment->ts;
    session->touched = ledger->patience_s;
    oxp_keep(session->trace_id, sizeof session->trace_id, oxp_event_text(event, OXP_FIELD_TRACE_ID));
    oxp_persist_session(ledger, session);
    enum oxp_status status = oxp_session_link(ledger, session);
    if (status != OXP_OK) {
        oxp_persist_gone(ledger, 's', oxp_session_id(session), OXP_CLOSED_NOT);
        free(session);
        return status;
    }
    oxp_closed_remove(&ledger->closed, oxp_session_hash(ledger, oxp_session_id(session)));
    double since_s = resolve_pending(ledger, moment);
    if (counts) {
        count_start(ledger, moment, session, since_s);
    }
    return OXP_OK;
}

enum oxp_status oxp_on_session_started(struct oxp_ledger *ledger, struct oxp_moment *moment) {
    const struct oxp_event *event = moment->event;
    oxp_limits_announce(ledger, oxp_event_number(event, OXP_FIELD_SESSIONS_LIMIT, 0));
    struct oxp_session *session = oxp_sessions_find(ledger, oxp_event_text(event, OXP_FIELD_SESSION));
    bool resumed = oxp_event_flag(event, OXP_FIELD_RESUMED, false);
    if (session == NULL) {
        enum oxp_closed_how how =
            oxp_closed_find(&ledger->closed, oxp_session_hash(ledger, event->values[OXP_FIELD_SESSION].text));
        if (how == OXP_CLOSED_ENDED) {
            return OXP_IGNORED;
        }
        return open_session(ledger, moment, how == OXP_CLOSED_NOT);
    }
    if (resumed) {
        moment->ts = fmax(moment->ts, session->last_s);
        describe(session, moment);
        oxp_session_set_state(ledger, session, says_releasing(event) ? OXP_SESSION_RELEASING : OXP_SESSION_RUNNING);
    }
    (void)resolve_pending(ledger, moment);
    bool adopted = adopt(ledger, moment, session);
    touch(ledger, moment, session);
    if (adopted || resumed) {
        oxp_persist_session(ledger, session);
    }
    return adopted ? OXP_OK : OXP_IGNORED;
}

/* ---- Between ---- */

enum oxp_status oxp_on_session_connected(struct oxp_ledger *ledger, struct oxp_moment *moment) {
    const struct oxp_event *event = moment->event;
    bool ok = oxp_event_flag(event, OXP_FIELD_OK, true);
    if (oxp_event_has(event, OXP_FIELD_OUTCOME)) {
        int outcome = oxp_numbers_place(OXP_M_SESSION_RECONNECTS, 0, oxp_event_text(event, OXP_FIELD_OUTCOME));
        if (outcome < 0) {
            return oxp_refuse(moment, OXP_FIELD_OUTCOME, OXP_M_SESSION_RECONNECTS, 0);
        }
        ok = outcome == OXP_OK_OK;
    }
    struct oxp_session *session = seen(ledger, moment);
    if (session != NULL && ok && !isnan(session->disconnected_s)) {
        session->disconnected_s = NAN;
        oxp_persist_session(ledger, session);
    }
    if (oxp_event_flag(event, OXP_FIELD_RECONNECT, false)) {
        oxp_count_event(ledger, moment,
                        oxp_cell(&ledger->numbers, OXP_M_SESSION_RECONNECTS, ok ? OXP_OK_OK : OXP_OK_FAILED));
    }
    return OXP_OK;
}

enum oxp_status oxp_on_session_disconnected(struct oxp_ledger *ledger, struct oxp_moment *moment) {
    const struct oxp_event *event = moment->event;
    struct oxp_session *session = seen(ledger, moment);
    if (session != NULL && isnan(session->disconnected_s)) {
        session->disconnected_s = moment->ts;
        oxp_persist_session(ledger, session);
    }
    unsigned otherwise =
        oxp_event_number(event, OXP_FIELD_WS_CODE, 0) > 0 ? OXP_DISCONNECT_NETWORK : OXP_DISCONNECT_UNKNOWN;
    struct oxp_view reason = oxp_event_text(event, OXP_FIELD_REASON);
    unsigned place = oxp_numbers_place_or(OXP_M_SESSION_DISCONNECTS, 0, reason,
                                          reason.len == 0 ? otherwise : (unsigned)OXP_DISCONNECT_UNKNOWN);
    oxp_count_event(ledger, moment, oxp_cell(&ledger->numbers, OXP_M_SESSION_DISCONNECTS, place));
    return OXP_OK;
}

enum oxp_status oxp_on_session_replaced(struct oxp_ledger *ledger, struct oxp_moment *moment) {
    struct oxp_session *session = seen(ledger, moment);
    if (session == NULL) {
        return OXP_IGNORED;
    }
    session->must_restore = true;
    oxp_persist_session(ledger, session);
    oxp_incidents_act(ledger, oxp_event_text(moment->event, OXP_FIELD_TASK), OXP_DOES_REPLACE);
    return OXP_OK;
}

enum oxp_status oxp_on_session_releasing(struct oxp_ledger *ledger, struct oxp_moment *moment) {
    struct oxp_session *session = seen(ledger, moment);
    if (session == NULL || session->state == OXP_SESSION_RELEASING) {
        return OXP_IGNORED;
    }
    oxp_session_set_state(ledger, session, OXP_SESSION_RELEASING);
    oxp_persist_session(ledger, session);
    return OXP_OK;
}

/* ---- Ending (rules 3, 4) ---- */

enum oxp_status oxp_on_session_ended(struct oxp_ledger *ledger, struct oxp_moment *moment) {
    const struct oxp_event *event = moment->event;
    struct oxp_view id = oxp_event_text(event, OXP_FIELD_SESSION);
    uint64_t hash = oxp_session_hash(ledger, id);
    struct oxp_session *session = oxp_sessions_find(ledger, id);
    if (session == NULL && oxp_closed_find(&ledger->closed, hash) != OXP_CLOSED_NOT) {
        return OXP_IGNORED;
    }
    double duration = NAN;
    if (session != NULL) {
        moment->ts = oxp_clamp(ledger, moment, &session->last_s);
        duration = fmax(moment->ts - session->started_s, 0);
    }
    duration = oxp_event_number(event, OXP_FIELD_DURATION_S, duration);
    unsigned status =
        oxp_numbers_place_or(OXP_M_SESSIONS_ENDED, 0, oxp_event_text(event, OXP_FIELD_STATUS), OXP_SESSION_UNKNOWN);
    oxp_persist_gone(ledger, 's', id, OXP_CLOSED_ENDED);
    oxp_closed_put(&ledger->closed, hash, OXP_CLOSED_ENDED);
    oxp_session_count_end(ledger, moment, status, duration);
    double proxy_bytes = oxp_event_number(event, OXP_FIELD_PROXY_BYTES, 0);
    oxp_count(oxp_cell(&ledger->numbers, OXP_M_SESSION_PROXY_BYTES, 0), (uint64_t)proxy_bytes);
    if (session != NULL) {
        oxp_session_drop(ledger, session);
    }
    return OXP_OK;
}
