/* The provider's word held against the books (domain catalogue, sections 1.4 and 4).
 *
 *  1. An answer that is complete sets the gauges; one that is not only says what is there, and counts as failed.
 *  2. A session is unmatched when it runs at the provider, is ours, began GRACE_S or more before the question, and is
 *     not open in our books. One that we know as ended counts once it is listed in two answers in a row: a release
 * takes a moment.
 *  3. A session that is open in our books and missing from two complete answers in a row, or more, is to be asked
 * about, unless it began within GRACE_S before the question or has a live owner, who knows better. Its end is then what
 * the provider says (oxp_ledger_provider_ended), and when that is error or timed_out it is an error that the poller
 *     noticed.
 *  4. `concurrency` is a limit that somebody said, each time that it changes.
 *  5. An orphan may be released once it was one for long enough; a release that was refused is tried again after
 *     RELEASE_AGAIN_S. */
#include "exporter/ledger/parts.h"

#include <math.h>
#include <stdlib.h>

#define GRACE_S 30.0
#define RELEASE_AGAIN_S 60.0

enum { MISSING_LEAST = 2 };

void oxp_provider_state_fini(struct oxp_ledger *ledger) {
    free(ledger->provider.ended);
}

static void set(struct oxp_ledger *ledger, enum oxp_metric metric, unsigned place, double value) {
    if (!isnan(value)) {
        oxp_gauge_set(oxp_cell(&ledger->numbers, metric, place), value);
    }
}

/* ---- Unmatched (rule 2) ---- */

static bool was_ended(const struct oxp_provider_state *state, uint64_t hash) {
    for (size_t i = 0; i < state->ended_count; i++) {
        if (state->ended[i] == hash) {
            return true;
        }
    }
    return false;
}

static double began(const struct oxp_provider_session *session) {
    return !isnan(session->started_s) ? session->started_s : session->created_s;
}

/* True when it counts as unmatched. One that we know as ended goes to `ended` (room for all). */
static bool is_unmatched(const struct oxp_ledger *ledger, const struct oxp_provider_session *session, double asked_at_s,
                         uint64_t *ended, size_t *ended_count) {
    if (!session->ours || !oxp_view_is(session->status, "running") || oxp_sessions_find(ledger, session->id) != NULL) {
        return false;
    }
    uint64_t hash = oxp_closed_hash(&ledger->closed, 's', session->id);
    if (oxp_closed_find(&ledger->closed, hash) != OXP_CLOSED_NOT) {
        ended[(*ended_count)++] = hash;
        return was_ended(&ledger->provider, hash);
    }
    return !(began(session) > asked_at_s - GRACE_S);
}

static size_t count_unmatched(struct oxp_ledger *ledger, const struct oxp_provider_answer *answer) {
    struct oxp_provider_state *state = &ledger->provider;
    uint64_t *ended = calloc(answer->count + 1, sizeof *ended);
    size_t ended_count = 0, unmatched = 0;
    for (size_t i = 0; ended != NULL && i < answer->count; i++) {
        unmatched += is_unmatched(ledger, &answer->sessions[i], answer->asked_at_s, ended, &ended_count);
    }
    free(state->ended);
    state->ended = ended;
    state->ended_count = ended_count;
    return unmatched;
}

/* ---- Answers ---- */

static void mark_listed(struct oxp_ledger *ledger, const struct oxp_provider_answer *answer) {
    for (size_t i = 0; i < answer->count; i++) {
        struct oxp_session *session = oxp_sessions_find(ledger, answer->sessions[i].id);
        if (session != NULL) {
            session->listed = ledger->provider.answers;
            session->absent = 0;
            oxp_sessions_told(ledger, session, &answer->sessions[i]);
        }
    }
}

/* Rule 3. */
static void mark_missing(struct oxp_ledger *ledger, double asked_at_s) {
    OXP_LIST_EACH(&ledger->all_sessions, link) {
        struct oxp_session *session = OXP_AROUND(link, struct oxp_session, all);
        if (session->listed != ledger->provider.answers && session->started_s <= asked_at_s - GRACE_S) {
            session->absent += session->absent < MISSING_LEAST;
        }
    }
}

static void show_lists(struct oxp_ledger *ledger, const struct oxp_provider_answer *answer) {
    size_t pending = 0, running = 0;
    for (size_t i = 0; i < answer->count; i++) {
        pending += oxp_view_is(answer->sessions[i].status, "pending");
        running += oxp_view_is(answer->sessions[i].status, "running");
    }
    set(ledger, OXP_M_PROVIDER_SESSIONS, 0, (double)pending);
    set(ledger, OXP_M_PROVIDER_SESSIONS, 1, (double)running);
    set(ledger, OXP_M_PROVIDER_UNMATCHED, 0, (double)count_unmatched(ledger, answer));
}

static void count_poll(struct oxp_ledger *ledger, unsigned outcome) {
    oxp_count(oxp_cell(&ledger->numbers, OXP_M_PROVIDER_POLLS, outcome), 1);
}

void oxp_ledger_provider_answered(struct oxp_ledger *ledger, const struct oxp_provider_answer *answer) {
    oxp_ledger_now(ledger);
    ledger->provider.answers++;
    mark_listed(ledger, answer);
    if (answer->complete) {
        mark_missing(ledger, answer->asked_at_s);
        show_lists(ledger, answer);
        set(ledger, OXP_M_PROVIDER_LAST_SUCCESS, 0, ledger->wall_s);
    }
    count_poll(ledger, answer->complete ? OXP_OK_OK : OXP_OK_FAILED);
    set(ledger, OXP_M_PROVIDER_BROWSER_SECONDS, 0, answer->usage_browser_seconds);
    set(ledger, OXP_M_PROVIDER_PROXY_BYTES, 0, answer->usage_proxy_bytes);
    if (answer->concurrency > 0 && answer->concurrency != ledger->provider.limit) {
        ledger->provider.limit = answer->concurrency;
        oxp_limits_announce(ledger, answer->concurrency);
        oxp_persist_loose(ledger);
    }
}

void oxp_ledger_provider_failed(struct oxp_ledger *ledger) {
    count_poll(ledger, OXP_OK_FAILED);
}

size_t oxp_ledger_provider_asks(const struct oxp_ledger *ledger, struct oxp_view *ids, size_t max) {
    size_t count = 0;
    OXP_LIST_EACH(&ledger->all_sessions, link) {
        const struct oxp_session *session = OXP_AROUND(link, struct oxp_session, all);
        if (session->absent >= MISSING_LEAST && oxp_sessions_unowned(ledger, session)) {
            if (count < max) {
                ids[count] = oxp_view_of(session->id, session->id_len);
            }
            count++;
        }
    }
    return count;
}

void oxp_ledger_provider_ended(struct oxp_ledger *ledger, const struct oxp_provider_session *told) {
    static const struct {
        const char *status, *code;
    } errors[] = {{"error", "bb_session_error"}, {"timed_out", "bb_session_timed_out"}};
    struct oxp_session *session = oxp_sessions_find(ledger, told->id);
    if (session == NULL) {
        return;
    }
    oxp_ledger_now(ledger);
    if (oxp_view_is(told->status, "running") || oxp_view_is(told->status, "pending")) {
        session->absent = 0;
        oxp_sessions_told(ledger, session, told);
        return;
    }
    if (!oxp_sessions_unowned(ledger, session)) {
        session->absent = 0;
        return;
    }
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        if (oxp_view_is(told->status, errors[i].status)) {
            oxp_errors_noticed(ledger, errors[i].code, OXP_SOURCE_POLLER, ledger->wall_s - told->ended_s);
        }
    }
    oxp_sessions_found_ended(ledger, session, told);
}

/* ---- Releasing (rule 5) ---- */

size_t oxp_ledger_orphans_to_release(const struct oxp_ledger *ledger, double orphaned_for_s, struct oxp_view *ids,
                                     size_t max) {
    size_t count = 0;
    OXP_LIST_EACH(&ledger->orphans, link) {
        const struct oxp_session *session = OXP_AROUND(link, struct oxp_session, owned);
        if (ledger->patience_s >= session->orphaned_at + orphaned_for_s && ledger->patience_s >= session->release_at) {
            if (count < max) {
                ids[count] = oxp_view_of(session->id, session->id_len);
            }
            count++;
        }
    }
    return count;
}

void oxp_ledger_released(struct oxp_ledger *ledger, struct oxp_view id, bool ok) {
    struct oxp_session *session = oxp_sessions_find(ledger, id);
    oxp_count(oxp_cell(&ledger->numbers, OXP_M_SESSIONS_REAPED, ok ? OXP_OK_OK : OXP_OK_FAILED), 1);
    if (session == NULL || !session->orphaned) {
        return;
    }
    session->release_at = ok ? INFINITY : ledger->patience_s + RELEASE_AGAIN_S;
    if (ok) {
        (void)oxp_sessions_releasing(ledger, id);
    }
}
