/* The books of sessions: what is open, in which state, orphaned, or being created. The rules stand at the top of
 * sessions.c, which reads the events; what only time, a lost owner, the provider or the journal moves is here. */
#include "exporter/ledger/session_books.h"

#include <math.h>
#include <stdlib.h>

#define DEFAULT_TIMEOUT_S 21600.0
#define AFTER_DISCONNECT_S 60.0
#define BILLED_LEAST_S 60.0

uint64_t oxp_session_hash(const struct oxp_ledger *ledger, struct oxp_view id) {
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

void oxp_session_set_state(struct oxp_ledger *ledger, struct oxp_session *session, enum oxp_session_state state) {
    if (!session->orphaned && session->state != state) {
        count_state(ledger, session->state, -1);
        count_state(ledger, state, 1);
    }
    session->state = state;
}

/* ---- In and out ---- */

/* Takes a session that is linked nowhere into the books, open and not orphaned. Room in the heaps is reserved here. */
enum oxp_status oxp_session_link(struct oxp_ledger *ledger, struct oxp_session *session) {
    size_t sessions = ledger->oldest.count + 1; /* any of which may become an orphan, and all at once */
    if (oxp_heap_reserve(&ledger->oldest, sessions) != OXP_OK ||
        oxp_heap_reserve(&ledger->expiry, sessions) != OXP_OK ||
        oxp_map_set(&ledger->sessions_by_id, oxp_session_id(session), session, NULL) != OXP_OK) {
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

void oxp_session_drop(struct oxp_ledger *ledger, struct oxp_session *session) {
    oxp_map_remove(&ledger->sessions_by_id, oxp_session_id(session));
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
        oxp_session_drop(ledger, session);
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

/* Room in the heap was reserved when the session was taken in. */
static void set_expiry(struct oxp_ledger *ledger, struct oxp_session *session) {
    double left = end_of(session) - ledger->wall_s;
    oxp_heap_take(&ledger->expiry, &session->expiry);
    oxp_heap_put(&ledger->expiry, &session->expiry, ledger->mono_s + fmax(left, 0));
}

static void make_orphan(struct oxp_ledger *ledger, struct oxp_session *session) {
    if (session->orphaned) {
        return;
    }
    if (isnan(session->disconnected_s)) {
        session->disconnected_s = session->owner->gone_s; /* NaN for what nobody owned: it may still be in use */
    }
    session->orphaned = true;
    session->orphaned_at = ledger->patience_s;
    session->release_at = -INFINITY;
    session->owner->refs++;
    oxp_list_push(&ledger->orphans, &session->owned);
    count_state(ledger, session->state, -1);
    count_orphans(ledger, 1);
    set_expiry(ledger, session);
}

/* Gives an open or orphaned session to `owner`. */
void oxp_session_give(struct oxp_ledger *ledger, struct oxp_session *session, struct oxp_identity *owner) {
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

void oxp_pending_drop(struct oxp_ledger *ledger, struct oxp_pending *pending) {
    oxp_map_remove(&ledger->pendings_by_key, oxp_view_of(pending->key, pending->key_len));
    oxp_list_take(&pending->owned);
    count_state(ledger, OXP_SESSION_PENDING, -1);
    free(pending);
}

void oxp_sessions_forget_pending(struct oxp_ledger *ledger, struct oxp_view key) {
    struct oxp_pending *pending = oxp_map_get(&ledger->pendings_by_key, key);
    if (pending != NULL) {
        oxp_pending_drop(ledger, pending);
    }
}

void oxp_sessions_lose(struct oxp_ledger *ledger, struct oxp_identity *owner) {
    OXP_LIST_EACH(&owner->sessions, link) {
        make_orphan(ledger, OXP_AROUND(link, struct oxp_session, owned));
    }
    OXP_LIST_EACH(&owner->pendings, link) {
        oxp_pending_drop(ledger, OXP_AROUND(link, struct oxp_pending, owned));
    }
}

/* What an end counts, whoever tells of it (rules 3, 4, 7). `duration_s` is NaN when nobody knows. */
void oxp_session_count_end(struct oxp_ledger *ledger, struct oxp_moment *moment, unsigned status, double duration_s) {
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
    oxp_persist_gone(ledger, 's', oxp_session_id(session), OXP_CLOSED_WRITTEN_OFF);
    oxp_closed_put(&ledger->closed, oxp_session_hash(ledger, oxp_session_id(session)), OXP_CLOSED_WRITTEN_OFF);
    oxp_session_count_end(ledger, NULL, OXP_SESSION_UNKNOWN, duration);
    oxp_session_drop(ledger, session);
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
        oxp_pending_drop(ledger, pending);
    }
}

/* ---- New ones ---- */

/* Rule 8. */
void oxp_sessions_make_room(struct oxp_ledger *ledger) {
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
    oxp_persist_gone(ledger, 's', oxp_session_id(victim), OXP_CLOSED_NOT);
    oxp_session_drop(ledger, victim);
}

struct oxp_session *oxp_session_new(struct oxp_identity *owner, struct oxp_view id) {
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
    session->release_at = -INFINITY;
    return session;
}

enum oxp_status oxp_pending_link(struct oxp_ledger *ledger, struct oxp_pending *pending) {
    if (oxp_map_set(&ledger->pendings_by_key, oxp_view_of(pending->key, pending->key_len), pending, NULL) != OXP_OK) {
        return OXP_ERR_NOMEM;
    }
    oxp_list_push(&pending->owner->pendings, &pending->owned);
    count_state(ledger, OXP_SESSION_PENDING, 1);
    return OXP_OK;
}

/* ---- What the provider says of them (provider.c) ---- */

bool oxp_sessions_unowned(const struct oxp_ledger *ledger, const struct oxp_session *session) {
    return session->orphaned || session->owner == &ledger->nobody ||
           (session->owner->connections == 0 && isnan(session->owner->await_until));
}

void oxp_sessions_told(struct oxp_ledger *ledger, struct oxp_session *session,
                       const struct oxp_provider_session *told) {
    bool news = false;
    if (isnan(session->timeout_s) && told->expires_s > session->started_s) {
        session->timeout_s = told->expires_s - session->started_s;
        news = true;
    }
    if (told->keep_alive && session->keep_alive <= 0) {
        session->keep_alive = 1;
        news = true;
    }
    if (session->region_text[0] == '\0' && told->region.len != 0) {
        oxp_keep(session->region_text, sizeof session->region_text, told->region);
        news = true;
    }
    if (news) {
        oxp_persist_session(ledger, session);
    }
    if (news && session->orphaned) {
        set_expiry(ledger, session);
    }
}

void oxp_sessions_found_ended(struct oxp_ledger *ledger, struct oxp_session *session,
                              const struct oxp_provider_session *told) {
    double started_s = isnan(told->started_s) ? session->started_s : told->started_s;
    double duration = isnan(told->ended_s) ? NAN : fmax(told->ended_s - started_s, 0);
    unsigned status = oxp_numbers_place_or(OXP_M_SESSIONS_ENDED, 0, told->status, OXP_SESSION_UNKNOWN);
    const char *pairs[] = {"session", session->id, "status", oxp_numbers_text(OXP_M_SESSIONS_ENDED, 0, status), NULL};
    oxp_note(ledger, OXP_NOTE_INFO, "the provider says that a session without an owner has ended", pairs);
    oxp_persist_gone(ledger, 's', oxp_session_id(session), OXP_CLOSED_ENDED);
    oxp_closed_put(&ledger->closed, oxp_session_hash(ledger, oxp_session_id(session)), OXP_CLOSED_ENDED);
    oxp_session_count_end(ledger, NULL, status, duration);
    oxp_count(oxp_cell(&ledger->numbers, OXP_M_SESSION_PROXY_BYTES, 0), told->proxy_bytes);
    oxp_session_drop(ledger, session);
}

bool oxp_sessions_releasing(struct oxp_ledger *ledger, struct oxp_view id) {
    struct oxp_session *session = oxp_sessions_find(ledger, id);
    if (session == NULL || !session->orphaned) {
        return false;
    }
    oxp_session_set_state(ledger, session, OXP_SESSION_RELEASING);
    oxp_persist_session(ledger, session);
    return true;
}

/* ---- After a restart ---- */

void oxp_sessions_restore(struct oxp_ledger *ledger, const struct oxp_session *read, struct oxp_identity *owner) {
    oxp_sessions_forget(ledger, oxp_session_id(read));
    struct oxp_session *session = oxp_session_new(owner, oxp_session_id(read));
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
    if (oxp_session_link(ledger, session) != OXP_OK) {
        free(session);
        return;
    }
    oxp_closed_remove(&ledger->closed, oxp_session_hash(ledger, oxp_session_id(session)));
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
    if (oxp_pending_link(ledger, pending) != OXP_OK) {
        free(pending);
    }
}
