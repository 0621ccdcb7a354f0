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
#include "exporter/ledger/parts.h"

#include <math.h>
#include <stdlib.h>

#define DEFAULT_TIMEOUT_S 21600.0
#define AFTER_DISCONNECT_S 60.0
#define BILLED_LEAST_S 60.0

static struct oxp_view id_of(const struct oxp_session *session) {
    return oxp_view_of(session->id, session->id_len);
}

static uint64_t hash_of(const struct oxp_ledger *ledger, struct oxp_view id) {
    return oxp_closed_hash(&ledger->closed, 's', id);
}

void oxp_sessions_init(struct oxp_ledger *ledger) {
    oxp_map_init(&ledger->sessions_by_id);
    oxp_map_init(&ledger->pendings_by_key);
    oxp_list_init(&ledger->all_sessions);
    oxp_list_init(&ledger->orphans);
}

void oxp_sessions_fini(struct oxp_ledger *ledger) {
    OXP_LIST_EACH(&ledger->all_sessions, link) {
        free(OXP_AROUND(link, struct oxp_session, all));
    }
    struct oxp_pending *pending;
    for (size_t i = 0; (pending = oxp_map_next(&ledger->pendings_by_key, &i)) != NULL;) {
        free(pending);
    }
    oxp_map_fini(&ledger->sessions_by_id);
    oxp_map_fini(&ledger->pendings_by_key);
    oxp_heap_fini(&ledger->oldest);
    oxp_heap_fini(&ledger->expiry);
}

struct oxp_session *oxp_sessions_find(const struct oxp_ledger *ledger, struct oxp_view id) {
    return id.len == 0 ? NULL : oxp_map_get(&ledger->sessions_by_id, id);
}

/* ---- Gauges ---- */

static void count_state(struct oxp_ledger *ledger, enum oxp_session_state state, int by) {
    ledger->state_counts[state] += (size_t)by;
    oxp_gauge_set(oxp_cell(&ledger->numbers, OXP_M_SESSIONS_ACTIVE, state), (double)ledger->state_counts[state]);
}

static void count_orphans(struct oxp_ledger *ledger, int by) {
    ledger->orphan_count += (size_t)by;
    oxp_gauge_set(oxp_cell(&ledger->numbers, OXP_M_SESSIONS_ORPHANED, 0), (double)ledger->orphan_count);
}

static void show_oldest(struct oxp_ledger *ledger) {
    const struct oxp_heap_node *least = oxp_heap_least(&ledger->oldest);
    oxp_gauge_set(oxp_cell(&ledger->numbers, OXP_M_SESSION_OLDEST_AGE, 0), least == NULL ? 0 : least->key);
}

static void set_state(struct oxp_ledger *ledger, struct oxp_session *session, enum oxp_session_state state) {
    if (!session->orphaned && session->state != state) {
        count_state(ledger, session->state, -1);
        count_state(ledger, state, 1);
    }
    session->state = state;
}

/* ---- In and out ---- */

/* Takes a session that is linked nowhere into the books, open and not orphaned. Room in the heaps is reserved here. */
static enum oxp_status link_in(struct oxp_ledger *ledger, struct oxp_session *session) {
    if (oxp_heap_reserve(&ledger->oldest) != OXP_OK || oxp_heap_reserve(&ledger->expiry) != OXP_OK ||
        oxp_map_set(&ledger->sessions_by_id, id_of(session), session, NULL) != OXP_OK) {
        return OXP_ERR_NOMEM;
    }
    oxp_list_push(&ledger->all_sessions, &session->all);
    oxp_list_push(&session->owner->sessions, &session->owned);
    oxp_heap_put(&ledger->oldest, &session->oldest, session->started_s);
    session->orphaned = false;
    count_state(ledger, session->state, 1);
    show_oldest(ledger);
    return OXP_OK;
}

static void forget(struct oxp_ledger *ledger, struct oxp_session *session) {
    oxp_map_remove(&ledger->sessions_by_id, id_of(session));
    oxp_list_take(&session->all);
    oxp_list_take(&session->owned);
    oxp_heap_take(&ledger->oldest, &session->oldest);
    oxp_heap_take(&ledger->expiry, &session->expiry);
    if (session->orphaned) {
        session->owner->refs--;
        count_orphans(ledger, -1);
    } else {
        count_state(ledger, session->state, -1);
    }
    show_oldest(ledger);
    free(session);
}

void oxp_sessions_forget(struct oxp_ledger *ledger, struct oxp_view id) {
    struct oxp_session *session = oxp_sessions_find(ledger, id);
    if (session != NULL) {
        forget(ledger, session);
    }
}

/* When the provider will have ended an orphan, unix seconds (rule 7). */
static double end_of(const struct oxp_session *session) {
    double end = session->started_s + (isnan(session->timeout_s) ? DEFAULT_TIMEOUT_S : session->timeout_s);
    if (session->keep_alive == 0 && !isnan(session->disconnected_s)) {
        end = fmin(end, session->disconnected_s + AFTER_DISCONNECT_S);
    }
    return end;
}

static void make_orphan(struct oxp_ledger *ledger, struct oxp_session *session) {
    if (session->orphaned) {
        return;
    }
    if (isnan(session->disconnected_s)) {
        session->disconnected_s = session->owner->gone_s; /* NaN for what nobody owned: it may still be in use */
    }
    session->orphaned = true;
    session->owner->refs++;
    oxp_list_push(&ledger->orphans, &session->owned);
    count_state(ledger, session->state, -1);
    count_orphans(ledger, 1);
    double left = end_of(session) - ledger->wall_s;
    oxp_heap_take(&ledger->expiry, &session->expiry);
    oxp_heap_put(&ledger->expiry, &session->expiry, ledger->mono_s + fmax(left, 0));
}

/* Gives an open or orphaned session to `owner`. */
static void give(struct oxp_ledger *ledger, struct oxp_session *session, struct oxp_identity *owner) {
    if (session->orphaned) {
        session->owner->refs--;
        session->orphaned = false;
        oxp_heap_take(&ledger->expiry, &session->expiry);
        count_orphans(ledger, -1);
        count_state(ledger, session->state, 1);
        session->disconnected_s = NAN;
    }
    session->owner = owner;
    oxp_list_push(&owner->sessions, &session->owned);
}

/* ---- Losing (rule 5) ---- */

static void forget_pending(struct oxp_ledger *ledger, struct oxp_pending *pending) {
    oxp_map_remove(&ledger->pendings_by_key, oxp_view_of(pending->key, pending->key_len));
    oxp_list_take(&pending->owned);
    count_state(ledger, OXP_SESSION_PENDING, -1);
    free(pending);
}

void oxp_sessions_forget_pending(struct oxp_ledger *ledger, struct oxp_view key) {
    struct oxp_pending *pending = oxp_map_get(&ledger->pendings_by_key, key);
    if (pending != NULL) {
        forget_pending(ledger, pending);
    }
}

void oxp_sessions_lose(struct oxp_ledger *ledger, struct oxp_identity *owner) {
    OXP_LIST_EACH(&owner->sessions, link) {
        make_orphan(ledger, OXP_AROUND(link, struct oxp_session, owned));
    }
    OXP_LIST_EACH(&owner->pendings, link) {
        forget_pending(ledger, OXP_AROUND(link, struct oxp_pending, owned));
    }
}

/* What an end counts, whoever tells of it (rules 3, 4, 7). `duration_s` is NaN when nobody knows. */
static void count_end(struct oxp_ledger *ledger, struct oxp_moment *moment, unsigned status, double duration_s) {
    struct oxp_series *ended = oxp_cell(&ledger->numbers, OXP_M_SESSIONS_ENDED, status);
    oxp_count(ended, 1);
    if (moment != NULL) {
        oxp_exemplar(ledger, moment, ended, 1);
    }
    if (isnan(duration_s)) {
        return;
    }
    struct oxp_series *duration = oxp_cell(&ledger->numbers, OXP_M_SESSION_DURATION, status);
    oxp_histogram_observe(duration, duration_s);
    if (moment != NULL) {
        oxp_exemplar(ledger, moment, duration, duration_s);
    }
    oxp_series_count(oxp_cell(&ledger->numbers, OXP_M_SESSION_BILLED, 0), fmax(duration_s, BILLED_LEAST_S));
}

static void write_off(struct oxp_ledger *ledger, struct oxp_session *session) {
    double duration = fmax(end_of(session) - session->started_s, 0);
    const char *pairs[] = {"session", session->id, "writer", session->owner->writer, NULL};
    oxp_note(ledger, OXP_NOTE_WARNING, "orphaned session written off: its time is over", pairs);
    oxp_persist_gone(ledger, 's', id_of(session), OXP_CLOSED_WRITTEN_OFF);
    oxp_closed_put(&ledger->closed, hash_of(ledger, id_of(session)), OXP_CLOSED_WRITTEN_OFF);
    count_end(ledger, NULL, OXP_SESSION_UNKNOWN, duration);
    forget(ledger, session);
}

void oxp_sessions_tick(struct oxp_ledger *ledger) {
    struct oxp_heap_node *least;
    while ((least = oxp_heap_least(&ledger->expiry)) != NULL && least->key <= ledger->mono_s) {
        write_off(ledger, OXP_AROUND(least, struct oxp_session, expiry));
    }
    double idle_since = ledger->patience_s - ledger->options.idle_limit_s;
    OXP_LIST_EACH(&ledger->nobody.sessions, link) {
        struct oxp_session *session = OXP_AROUND(link, struct oxp_session, owned);
        if (session->touched > idle_since) {
            break;
        }
        make_orphan(ledger, session);
        oxp_persist_session(ledger, session);
    }
    OXP_LIST_EACH(&ledger->nobody.pendings, link) {
        struct oxp_pending *pending = OXP_AROUND(link, struct oxp_pending, owned);
        if (pending->touched > idle_since) {
            break;
        }
        oxp_persist_gone(ledger, 'p', oxp_view_of(pending->key, pending->key_len), OXP_CLOSED_NOT);
        forget_pending(ledger, pending);
    }
}

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
        give(ledger, session, moment->owner);
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

static enum oxp_status link_pending(struct oxp_ledger *ledger, struct oxp_pending *pending) {
    if (oxp_map_set(&ledger->pendings_by_key, oxp_view_of(pending->key, pending->key_len), pending, NULL) != OXP_OK) {
        return OXP_ERR_NOMEM;
    }
    oxp_list_push(&pending->owner->pendings, &pending->owned);
    count_state(ledger, OXP_SESSION_PENDING, 1);
    return OXP_OK;
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
    enum oxp_status status = link_pending(ledger, pending);
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
    forget_pending(ledger, pending);
    return since_s;
}

double oxp_sessions_create_failed(struct oxp_ledger *ledger, const struct oxp_moment *moment) {
    return resolve_pending(ledger, moment);
}

/* ---- Starting (rule 2) ---- */

/* Rule 8. */
static void make_room(struct oxp_ledger *ledger) {
    if (ledger->sessions_by_id.count < ledger->options.max_sessions) {
        return;
    }
    struct oxp_session *victim = OXP_AROUND(ledger->all_sessions.next, struct oxp_session, all);
    if (!oxp_list_is_empty(&ledger->orphans)) {
        victim = OXP_AROUND(ledger->orphans.next, struct oxp_session, owned);
    } else if (!oxp_list_is_empty(&ledger->nobody.sessions)) {
        victim = OXP_AROUND(ledger->nobody.sessions.next, struct oxp_session, owned);
    }
    const char *pairs[] = {"session", victim->id, NULL};
    oxp_note(ledger, OXP_NOTE_WARNING, "too many open sessions: one is forgotten", pairs);
    oxp_persist_gone(ledger, 's', id_of(victim), OXP_CLOSED_NOT);
    forget(ledger, victim);
}

static struct oxp_session *new_session(struct oxp_identity *owner, struct oxp_view id) {
    struct oxp_session *session = calloc(1, sizeof *session);
    if (session == NULL) {
        return NULL;
    }
    oxp_list_init(&session->owned);
    oxp_list_init(&session->all);
    session->id_len = oxp_keep(session->id, sizeof session->id, id);
    session->owner = owner;
    session->state = OXP_SESSION_RUNNING;
    session->keep_alive = -1;
    session->timeout_s = session->disconnected_s = session->captcha_s = NAN;
    return session;
}

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
    make_room(ledger);
    struct oxp_session *session = new_session(moment->owner, oxp_event_text(event, OXP_FIELD_SESSION));
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
    enum oxp_status status = link_in(ledger, session);
    if (status != OXP_OK) {
        oxp_persist_gone(ledger, 's', id_of(session), OXP_CLOSED_NOT);
        free(session);
        return status;
    }
    oxp_closed_remove(&ledger->closed, hash_of(ledger, id_of(session)));
    double since_s = resolve_pending(ledger, moment);
    if (counts) {
        count_start(ledger, moment, session, since_s);
    }
    return OXP_OK;
}

enum oxp_status oxp_on_session_started(struct oxp_ledger *ledger, struct oxp_moment *moment) {
    const struct oxp_event *event = moment->event;
    oxp_writers_limit(ledger, oxp_event_number(event, OXP_FIELD_SESSIONS_LIMIT, 0));
    struct oxp_session *session = oxp_sessions_find(ledger, oxp_event_text(event, OXP_FIELD_SESSION));
    bool resumed = oxp_event_flag(event, OXP_FIELD_RESUMED, false);
    if (session == NULL) {
        enum oxp_closed_how how =
            oxp_closed_find(&ledger->closed, hash_of(ledger, event->values[OXP_FIELD_SESSION].text));
        if (how == OXP_CLOSED_ENDED) {
            return OXP_IGNORED;
        }
        return open_session(ledger, moment, how == OXP_CLOSED_NOT);
    }
    if (resumed) {
        moment->ts = fmax(moment->ts, session->last_s);
        describe(session, moment);
        set_state(ledger, session, says_releasing(event) ? OXP_SESSION_RELEASING : OXP_SESSION_RUNNING);
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
    return OXP_OK;
}

enum oxp_status oxp_on_session_releasing(struct oxp_ledger *ledger, struct oxp_moment *moment) {
    struct oxp_session *session = seen(ledger, moment);
    if (session == NULL || session->state == OXP_SESSION_RELEASING) {
        return OXP_IGNORED;
    }
    set_state(ledger, session, OXP_SESSION_RELEASING);
    oxp_persist_session(ledger, session);
    return OXP_OK;
}

/* ---- Ending (rules 3, 4) ---- */

enum oxp_status oxp_on_session_ended(struct oxp_ledger *ledger, struct oxp_moment *moment) {
    const struct oxp_event *event = moment->event;
    struct oxp_view id = oxp_event_text(event, OXP_FIELD_SESSION);
    uint64_t hash = hash_of(ledger, id);
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
    count_end(ledger, moment, status, duration);
    double proxy_bytes = oxp_event_number(event, OXP_FIELD_PROXY_BYTES, 0);
    oxp_count(oxp_cell(&ledger->numbers, OXP_M_SESSION_PROXY_BYTES, 0), (uint64_t)proxy_bytes);
    if (session != NULL) {
        forget(ledger, session);
    }
    return OXP_OK;
}

/* ---- After a restart ---- */

void oxp_sessions_restore(struct oxp_ledger *ledger, const struct oxp_session *read, struct oxp_identity *owner) {
    oxp_sessions_forget(ledger, id_of(read));
    struct oxp_session *session = new_session(owner, id_of(read));
    if (session == NULL) {
        return;
    }
    memcpy(session->region_text, read->region_text, sizeof session->region_text);
    memcpy(session->workflow, read->workflow, sizeof session->workflow);
    memcpy(session->trace_id, read->trace_id, sizeof session->trace_id);
    session->region =
        oxp_numbers_place_or(OXP_M_SESSIONS_STARTED, 0, oxp_view_from(session->region_text), OXP_REGION_OTHER);
    session->state = read->state == OXP_SESSION_RELEASING ? OXP_SESSION_RELEASING : OXP_SESSION_RUNNING;
    session->keep_alive = read->keep_alive;
    session->must_restore = read->must_restore;
    session->started_s = read->started_s;
    session->last_s = read->last_s;
    session->timeout_s = read->timeout_s;
    session->disconnected_s = read->disconnected_s;
    session->touched = ledger->patience_s;
    if (link_in(ledger, session) != OXP_OK) {
        free(session);
        return;
    }
    oxp_closed_remove(&ledger->closed, hash_of(ledger, id_of(session)));
    if (read->orphaned) {
        make_orphan(ledger, session);
    }
}

void oxp_sessions_restore_pending(struct oxp_ledger *ledger, const struct oxp_pending *read,
                                  struct oxp_identity *owner) {
    oxp_sessions_forget_pending(ledger, oxp_view_of(read->key, read->key_len));
    struct oxp_pending *pending = malloc(sizeof *pending);
    if (pending == NULL) {
        return;
    }
    *pending = *read;
    oxp_list_init(&pending->owned);
    pending->owner = owner;
    pending->touched = ledger->patience_s;
    if (link_pending(ledger, pending) != OXP_OK) {
        free(pending);
    }
}
