/* Who writes: identities, their connections, liveness and losses (domain catalogue, section 5).
 *
 *  1. `writer` (default "main") with `boot` is an identity: one life of one process.
 *  2. The connection that says orchestrator.started belongs to that identity, and what comes over it is owned by it.
 *     Any other connection, and HTTP, owns nothing; a boot in its events moves liveness alone.
 *  3. A boot that was not known makes one more restart when its writer was known, and the older boots of that writer
 *     that have no connection are lost at once; those that have one are lost when it ends.
 *  4. A connection that ends is given the reconnect grace; the same boot coming back within it changes nothing. After
 *     it the identity is lost: its sessions are orphans, its tasks have failed, its gauges fall.
 *  5. After orchestrator.stopping there is no grace.
 *  6. orchestrator_up is 1 while anyone is alive (an event of his within the liveness window, his connection not gone
 *     for longer than the grace) or the health endpoint answered. When the last one left by stopping it is removed,
 *     else it is 0. Forked workers ("main/<pid>") that fall silent after "main" stopped have stopped, too.
 *  7. A probe that fails says nothing before the liveness window since the last good one is over: one lost answer is
 *     no outage. After a planned end it says nothing at all; one that answers after one that failed is a new start.
 *     What it answered before the connection of a writer ended that was then lost counts no more.
 *  8. seq counts from 1 in each boot, from the first event on: numbers that were left out are losses, a number that was
 *     seen is a repeat. Where it goes on, when the last number is not known to us:
 *     a. after `last_seq` of orchestrator.started: what its client wrote on an earlier connection went to a sidecar,
 *        whatever became of that one, and what it dropped since then is lost;
 *     b. else at the number at hand, for a boot that says `resumed` (it was heard by another sidecar, or by this one in
 *        an earlier life) or that the journal knows from before a crash;
 *     c. else after 0: a new boot that begins at 50 has lost 49.
 *  9. What a journal restored waits for its owner for the reconnect grace plus the liveness window; until then it
 *     stands as it was. seq goes on after an orderly end of the sidecar; after any other the last one is not known
 *     (rule 8). */
#include "exporter/ledger/parts.h"

#include <math.h>
#include <stdlib.h>

#define PRUNE_EVERY_S 60.0
#define PRUNE_AGE_S 600.0

static void lists_init(struct oxp_identity *identity) {
    oxp_list_init(&identity->sessions);
    oxp_list_init(&identity->tasks);
    oxp_list_init(&identity->pendings);
    oxp_list_init(&identity->runs);
    oxp_list_init(&identity->breakers);
    oxp_list_init(&identity->backoffs);
    oxp_list_init(&identity->incidents);
    oxp_list_init(&identity->degraded);
    oxp_list_init(&identity->all);
    identity->gone_s = identity->gone_at = identity->await_until = NAN;
}

void oxp_writers_init(struct oxp_ledger *ledger) {
    lists_init(&ledger->nobody);
    oxp_list_init(&ledger->identities);
    oxp_map_init(&ledger->by_identity);
    oxp_map_init(&ledger->by_connection);
    double grace = ledger->options.start_grace_s;
    ledger->expected_by = grace > 0 ? ledger->patience_s + grace : NAN;
    ledger->probe_good_at = ledger->lost_at = -INFINITY;
}

void oxp_writers_fini(struct oxp_ledger *ledger) {
    oxp_usage_drop(ledger, &ledger->nobody);
    OXP_LIST_EACH(&ledger->identities, link) {
        struct oxp_identity *identity = OXP_AROUND(link, struct oxp_identity, all);
        oxp_usage_drop(ledger, identity);
        free(identity);
    }
    struct oxp_connection *connection;
    for (size_t i = 0; (connection = oxp_map_next(&ledger->by_connection, &i)) != NULL;) {
        free(connection);
    }
    oxp_map_fini(&ledger->by_identity);
    oxp_map_fini(&ledger->by_connection);
}

static struct oxp_series *only(struct oxp_ledger *ledger, enum oxp_metric metric) {
    return oxp_cell(&ledger->numbers, metric, 0);
}

/* ---- orchestrator_up (rules 6, 7) ---- */

static bool somebody_alive(const struct oxp_ledger *ledger) {
    OXP_LIST_EACH(&ledger->identities, link) {
        if (OXP_AROUND(link, struct oxp_identity, all)->alive) {
            return true;
        }
    }
    return false;
}

/* The health endpoint answered well, and not too long ago (rule 7). */
static bool endpoint_is_well(const struct oxp_ledger *ledger) {
    return ledger->probe_good_at >= ledger->lost_at &&
           (ledger->probe_ok || ledger->patience_s < ledger->probe_good_at + ledger->options.liveness_s);
}

void oxp_writers_update_up(struct oxp_ledger *ledger) {
    struct oxp_series *up = only(ledger, OXP_M_UP);
    bool probe_counts = ledger->probe_known && !ledger->planned_end;
    if (somebody_alive(ledger) || (probe_counts && endpoint_is_well(ledger))) {
        oxp_gauge_set(up, 1);
    } else if (ledger->planned_end) {
        oxp_series_hide(up);
    } else if (ledger->announced || probe_counts || ledger->patience_s >= ledger->expected_by) {
        oxp_gauge_set(up, 0);
    }
}

/* True when the writer is a forked worker of one that has stopped: "main/12" of "main". */
static bool root_has_stopped(const struct oxp_ledger *ledger, const struct oxp_identity *identity) {
    const char *slash = strchr(identity->writer, '/');
    if (slash == NULL) {
        return false;
    }
    struct oxp_view root = oxp_view_of(identity->writer, (size_t)(slash - identity->writer));
    bool stopped = false;
    OXP_LIST_EACH(&ledger->identities, link) { /* the newest boot of it decides */
        const struct oxp_identity *other = OXP_AROUND(link, struct oxp_identity, all);
        if (oxp_view_is(root, other->writer)) {
            stopped = other->stopping;
        }
    }
    return stopped;
}

static void set_alive(struct oxp_ledger *ledger, struct oxp_identity *identity) {
    identity->seen_at = ledger->patience_s;
    if (!identity->alive) {
        identity->alive = true;
        ledger->announced = true;
        ledger->planned_end = ledger->probe_failed_since_stop = false;
        oxp_persist_identity(ledger, identity);
        oxp_writers_update_up(ledger);
    }
}

static void set_not_alive(struct oxp_ledger *ledger, struct oxp_identity *identity) {
    if (identity->alive) {
        identity->alive = false;
        ledger->planned_end = identity->stopping || root_has_stopped(ledger, identity);
        ledger->probe_failed_since_stop = false;
        oxp_persist_identity(ledger, identity);
        oxp_writers_update_up(ledger);
    }
}

void oxp_writers_probed(struct oxp_ledger *ledger, bool healthy) {
    bool was_healthy = ledger->probe_ok || !ledger->probe_known; /* a first answer that is well is no news */
    ledger->probe_known = true;
    ledger->probe_ok = healthy;
    if (healthy) {
        ledger->probe_good_at = ledger->patience_s;
    }
    if (healthy != was_healthy) {
        oxp_note(ledger, healthy ? OXP_NOTE_INFO : OXP_NOTE_WARNING,
                 healthy ? "the orchestrator's health endpoint answers well again"
                         : "the orchestrator's health endpoint does not answer well",
                 (const char *const[]){NULL});
    }
    if (ledger->planned_end) {
        if (healthy && ledger->probe_failed_since_stop) {
            ledger->planned_end = false;
        }
        ledger->probe_failed_since_stop |= !healthy;
    }
    oxp_writers_update_up(ledger);
}

/* ---- Losing one (rules 3 to 5) ---- */

static void lose(struct oxp_ledger *ledger, struct oxp_identity *identity, const char *why) {
    identity->await_until = NAN;
    if (identity->dead) {
        return;
    }
    identity->dead = true;
    if (isnan(identity->gone_s)) {
        identity->gone_s = ledger->wall_s;
    }
    oxp_persist_identity(ledger, identity);
    if (!identity->stopping) {
        const char *pairs[] = {"writer", identity->writer, "boot", identity->boot, "why", why, NULL};
        oxp_note(ledger, OXP_NOTE_WARNING, "orchestrator lost", pairs);
        if (strchr(identity->writer, '/') == NULL && !isnan(identity->gone_at)) {
            ledger->lost_at = fmax(ledger->lost_at, identity->gone_at);
        }
    }
    oxp_sessions_lose(ledger, identity);
    oxp_tasks_lose(ledger, identity);
    oxp_runs_lose(ledger, identity);
    oxp_breakers_lose(ledger, identity);
    oxp_retries_lose(ledger, identity);
    oxp_queue_lose(ledger, identity);
    oxp_incidents_lose(ledger, identity);
    oxp_degraded_lose(ledger, identity);
    oxp_checkpoints_lose(ledger, identity);
}

static bool has_newer_boot(const struct oxp_ledger *ledger, const struct oxp_identity *identity) {
    OXP_LIST_EACH(&ledger->identities, link) {
        const struct oxp_identity *other = OXP_AROUND(link, struct oxp_identity, all);
        if (other->serial > identity->serial && strcmp(other->writer, identity->writer) == 0) {
            return true;
        }
    }
    return false;
}

static void detach(struct oxp_ledger *ledger, struct oxp_identity *identity) {
    if (--identity->connections > 0) {
        return;
    }
    identity->gone_at = ledger->patience_s;
    identity->gone_s = ledger->wall_s;
    if (identity->stopping) {
        lose(ledger, identity, "stopped");
    } else if (has_newer_boot(ledger, identity)) {
        lose(ledger, identity, "a newer boot is there");
        set_not_alive(ledger, identity);
    } else {
        oxp_persist_identity(ledger, identity);
    }
}

void oxp_writers_disconnect(struct oxp_ledger *ledger, uint64_t connection) {
    struct oxp_connection *known =
        oxp_map_remove(&ledger->by_connection, oxp_view_of((const char *)&connection, sizeof connection));
    if (known != NULL) {
        detach(ledger, known->who);
        free(known);
    }
}

/* ---- Knowing one (rules 1 to 3) ---- */

struct oxp_identity *oxp_writers_find(const struct oxp_ledger *ledger, struct oxp_view key) {
    return oxp_map_get(&ledger->by_identity, key);
}

static bool is_spent(const struct oxp_ledger *ledger, const struct oxp_identity *identity, double age_s) {
    return identity->refs == 0 && identity->connections == 0 && !identity->alive && isnan(identity->await_until) &&
           oxp_list_is_empty(&identity->sessions) && oxp_list_is_empty(&identity->tasks) &&
           oxp_list_is_empty(&identity->pendings) && oxp_list_is_empty(&identity->runs) &&
           oxp_list_is_empty(&identity->breakers) && oxp_list_is_empty(&identity->backoffs) &&
           oxp_list_is_empty(&identity->incidents) && oxp_list_is_empty(&identity->degraded) &&
           ledger->queue.source != identity && ledger->patience_s - identity->seen_at >= age_s;
}

static void drop(struct oxp_ledger *ledger, struct oxp_identity *identity) {
    oxp_persist_gone(ledger, 'i', oxp_view_of(identity->key, identity->key_len), OXP_CLOSED_NOT);
    oxp_map_remove(&ledger->by_identity, oxp_view_of(identity->key, identity->key_len));
    oxp_list_take(&identity->all);
    oxp_usage_drop(ledger, identity);
    oxp_checkpoints_lose(ledger, identity);
    ledger->identity_count--;
    free(identity);
}

/* Forgets old boots and forked workers that are long gone. The newest boot of a writer stays: the next one is a
 * restart. */
static void prune(struct oxp_ledger *ledger) {
    OXP_LIST_EACH(&ledger->identities, link) {
        struct oxp_identity *identity = OXP_AROUND(link, struct oxp_identity, all);
        if (is_spent(ledger, identity, PRUNE_AGE_S) &&
            (strchr(identity->writer, '/') != NULL || has_newer_boot(ledger, identity))) {
            drop(ledger, identity);
        }
    }
}

/* At the cap any that is spent has to go, the oldest first. */
static bool make_room(struct oxp_ledger *ledger) {
    if (ledger->identity_count < OXP_IDENTITIES_MAX) {
        return true;
    }
    OXP_LIST_EACH(&ledger->identities, link) {
        struct oxp_identity *identity = OXP_AROUND(link, struct oxp_identity, all);
        if (is_spent(ledger, identity, 0)) {
            drop(ledger, identity);
            return true;
        }
    }
    return false;
}

struct oxp_identity *oxp_writers_get(struct oxp_ledger *ledger, struct oxp_view writer, struct oxp_view boot) {
    char key[OXP_PAIR_SIZE];
    size_t key_len = oxp_pair(key, writer, boot);
    struct oxp_identity *identity = oxp_writers_find(ledger, oxp_view_of(key, key_len));
    if (identity != NULL || !make_room(ledger)) {
        return identity;
    }
    identity = calloc(1, sizeof *identity);
    if (identity == NULL) {
        return NULL;
    }
    lists_init(identity);
    identity->restored = identity->heard_before = ledger->replaying;
    memcpy(identity->key, key, key_len);
    identity->key_len = key_len;
    oxp_keep(identity->writer, sizeof identity->writer, writer);
    oxp_keep(identity->boot, sizeof identity->boot, boot);
    if (oxp_map_set(&ledger->by_identity, oxp_view_of(identity->key, key_len), identity, NULL) != OXP_OK) {
        free(identity);
        return NULL;
    }
    identity->serial = ++ledger->next_serial;
    identity->seen_at = ledger->patience_s;
    oxp_list_push(&ledger->identities, &identity->all);
    ledger->identity_count++;
    return identity;
}

/* A boot that was not known (rule 3). */
static void introduce(struct oxp_ledger *ledger, const struct oxp_moment *moment, struct oxp_identity *fresh) {
    bool restart = false;
    fresh->started_s = oxp_event_number(moment->event, OXP_FIELD_STARTED_AT, moment->ts);
    fresh->last_event_s = moment->ts;
    fresh->heard_before = oxp_event_flag(moment->event, OXP_FIELD_RESUMED, false);
    oxp_persist_identity(ledger, fresh);
    OXP_LIST_EACH(&ledger->identities, link) {
        struct oxp_identity *other = OXP_AROUND(link, struct oxp_identity, all);
        if (other == fresh || strcmp(other->writer, fresh->writer) != 0) {
            continue;
        }
        restart = true;
        if (other->connections == 0) {
            other->alive = false;
            lose(ledger, other, "a newer boot is there");
        }
    }
    if (restart) {
        oxp_count(only(ledger, OXP_M_RESTARTS), 1);
    }
    if (strchr(fresh->writer, '/') == NULL) {
        oxp_gauge_set(only(ledger, OXP_M_START_TIME), fresh->started_s);
    }
    const char *pairs[] = {"writer", fresh->writer, "boot", fresh->boot, NULL};
    oxp_note(ledger, OXP_NOTE_INFO, restart ? "orchestrator restarted" : "orchestrator seen", pairs);
}

static struct oxp_identity *identity_of(struct oxp_ledger *ledger, const struct oxp_moment *moment) {
    struct oxp_view boot = oxp_event_text(moment->event, OXP_FIELD_BOOT);
    struct oxp_view writer = oxp_event_text(moment->event, OXP_FIELD_WRITER);
    if (writer.len == 0) {
        writer = OXP_VIEW("main");
    }
    uint64_t before = ledger->next_serial;
    struct oxp_identity *identity = oxp_writers_get(ledger, writer, boot);
    if (identity != NULL && ledger->next_serial != before) {
        introduce(ledger, moment, identity);
    }
    return identity;
}

void oxp_writers_identify(struct oxp_ledger *ledger, struct oxp_moment *moment) {
    moment->owner = &ledger->nobody;
    moment->who = NULL;
    const struct oxp_connection *connection = NULL;
    if (moment->connection != 0 && ledger->by_connection.count != 0) {
        connection = oxp_map_get(&ledger->by_connection,
                                 oxp_view_of((const char *)&moment->connection, sizeof moment->connection));
    }
    if (moment->event->type == OXP_EVENT_ORCHESTRATOR_STARTED) {
        moment->who = identity_of(ledger, moment);
    } else if (connection != NULL) {
        moment->who = moment->owner = connection->who;
    } else if (oxp_event_has(moment->event, OXP_FIELD_BOOT)) {
        moment->who = identity_of(ledger, moment);
    }
}

/* ---- Losses (rule 8) ---- */

static void mark_seq(struct oxp_identity *who, uint64_t seq) {
    who->seq_seen[seq % OXP_SEQ_WINDOW / 64] |= UINT64_C(1) << (seq % 64);
}

static bool seq_is_marked(const struct oxp_identity *who, uint64_t seq) {
    return (who->seq_seen[seq % OXP_SEQ_WINDOW / 64] >> (seq % 64)) & 1;
}

static void count_lost(struct oxp_ledger *ledger, struct oxp_identity *who, uint64_t lost) {
    who->lost += lost;
    if (ledger->options.on_lost != NULL) {
        ledger->options.on_lost(ledger->options.ctx, lost);
    }
}

/* The number before the one at hand, of an identity whose last one is not known: rule 8, a to c. What a journal kept is
 * the least that it can be. */
static uint64_t seq_before(const struct oxp_identity *who, const struct oxp_event *event, uint64_t seq) {
    uint64_t before = 0;
    if (event->type == OXP_EVENT_ORCHESTRATOR_STARTED && oxp_event_has(event, OXP_FIELD_LAST_SEQ)) {
        before = (uint64_t)event->values[OXP_FIELD_LAST_SEQ].number;
        before = before < who->last_seq ? who->last_seq : before;
    } else if (who->restored || oxp_event_flag(event, OXP_FIELD_RESUMED, false)) {
        before = seq - 1;
    }
    return before < seq ? before : seq - 1;
}

bool oxp_writers_is_repeat(struct oxp_ledger *ledger, const struct oxp_moment *moment) {
    struct oxp_identity *who = moment->who;
    if (who == NULL || !oxp_event_has(moment->event, OXP_FIELD_SEQ)) {
        return false;
    }
    uint64_t seq = (uint64_t)moment->event->values[OXP_FIELD_SEQ].number;
    if (who->seq_known && seq <= who->last_seq) {
        bool repeat = who->last_seq - seq >= OXP_SEQ_WINDOW || seq_is_marked(who, seq);
        if (!repeat) {
            mark_seq(who, seq);
        }
        return repeat;
    }
    if (!who->seq_known) {
        who->last_seq = seq_before(who, moment->event, seq);
        memset(who->seq_seen, 0, sizeof who->seq_seen);
    } else if (seq - who->last_seq >= OXP_SEQ_WINDOW) {
        memset(who->seq_seen, 0, sizeof who->seq_seen);
    } else {
        for (uint64_t s = who->last_seq + 1; s < seq; s++) {
            who->seq_seen[s % OXP_SEQ_WINDOW / 64] &= ~(UINT64_C(1) << (s % 64));
        }
    }
    if (seq > who->last_seq + 1) {
        count_lost(ledger, who, seq - who->last_seq - 1);
    }
    who->seq_known = true;
    who->last_seq = seq;
    mark_seq(who, seq);
    return false;
}

void oxp_writers_seen(struct oxp_ledger *ledger, const struct oxp_moment *moment) {
    if (moment->ts > ledger->last_event_s) {
        ledger->last_event_s = moment->ts;
        oxp_gauge_set(only(ledger, OXP_M_LAST_EVENT), moment->ts);
    }
    struct oxp_identity *who = moment->who;
    if (who == NULL) {
        return;
    }
    if (moment->ts > who->last_event_s) {
        who->last_event_s = moment->ts;
    }
    if (!who->stopping) {
        set_alive(ledger, who);
    }
}

/* ---- Events ---- */

/* Keeps what the event says; what it leaves out stays. */
static void keep_said(char *to, size_t size, const struct oxp_event *event, enum oxp_field field) {
    if (oxp_event_has(event, field)) {
        oxp_keep(to, size, oxp_event_text(event, field));
    }
}

/* Makes the connection belong to `who`; it leaves another one that it belonged to. */
static enum oxp_status attach(struct oxp_ledger *ledger, const struct oxp_moment *moment, struct oxp_identity *who) {
    struct oxp_view key = oxp_view_of((const char *)&moment->connection, sizeof moment->connection);
    struct oxp_connection *connection = oxp_map_get(&ledger->by_connection, key);
    if (connection != NULL && connection->who == who) {
        return OXP_OK;
    }
    if (connection == NULL) {
        connection = calloc(1, sizeof *connection);
        if (connection == NULL) {
            return OXP_ERR_NOMEM;
        }
        connection->id = moment->connection;
        key = oxp_view_of((const char *)&connection->id, sizeof connection->id);
        if (oxp_map_set(&ledger->by_connection, key, connection, NULL) != OXP_OK) {
            free(connection);
            return OXP_ERR_NOMEM;
        }
    } else {
        struct oxp_identity *left = connection->who;
        connection->who = who;
        detach(ledger, left);
    }
    connection->who = who;
    who->connections++;
    return OXP_OK;
}

enum oxp_status oxp_on_started(struct oxp_ledger *ledger, struct oxp_moment *moment) {
    struct oxp_identity *who = moment->who;
    if (who == NULL) {
        return OXP_ERR_NOMEM;
    }
    if (moment->connection != 0) {
        enum oxp_status status = attach(ledger, moment, who);
        if (status != OXP_OK) {
            return status;
        }
        who->gone_s = who->gone_at = NAN;
        who->dead = false;
        who->announced = true;
    }
    who->stopping = false;
    who->await_until = NAN;
    keep_said(who->version, sizeof who->version, moment->event, OXP_FIELD_VERSION);
    keep_said(who->environment, sizeof who->environment, moment->event, OXP_FIELD_ENVIRONMENT);
    keep_said(who->sdk, sizeof who->sdk, moment->event, OXP_FIELD_SDK);
    who->last_event_s = moment->ts;
    oxp_persist_identity(ledger, who);
    oxp_info_show(ledger, who);
    oxp_limits_take(ledger, moment->event);
    return OXP_OK;
}

enum oxp_status oxp_on_heartbeat(struct oxp_ledger *ledger, struct oxp_moment *moment) {
    oxp_limits_take(ledger, moment->event);
    return moment->who == NULL ? OXP_IGNORED : OXP_OK;
}

enum oxp_status oxp_on_stopping(struct oxp_ledger *ledger, struct oxp_moment *moment) {
    struct oxp_identity *who = moment->who;
    if (who == NULL || who->stopping) {
        return OXP_IGNORED;
    }
    who->stopping = true;
    ledger->announced = true;
    oxp_persist_identity(ledger, who);
    who->alive = true; /* so that leaving is seen, even by one that was not alive any more */
    set_not_alive(ledger, who);
    const char *pairs[] = {"writer", who->writer, "boot", who->boot, NULL};
    oxp_note(ledger, OXP_NOTE_INFO, "orchestrator is stopping", pairs);
    return OXP_OK;
}

/* ---- Time ---- */

void oxp_writers_tick(struct oxp_ledger *ledger) {
    const struct oxp_ledger_options *options = &ledger->options;
    double now = ledger->patience_s;
    OXP_LIST_EACH(&ledger->identities, link) {
        struct oxp_identity *who = OXP_AROUND(link, struct oxp_identity, all);
        bool gone = who->connections == 0 && now >= who->gone_at + options->reconnect_grace_s;
        if (now >= who->await_until) {
            lose(ledger, who, "not back after the sidecar's restart");
        } else if (!isnan(who->await_until)) {
            continue;
        }
        if (gone && !who->dead) {
            lose(ledger, who, "connection ended");
        }
        if ((gone && who->seen_at <= who->gone_at) || now >= who->seen_at + options->liveness_s) {
            set_not_alive(ledger, who);
        }
    }
    oxp_writers_update_up(ledger);
    if (now >= ledger->pruned_at + PRUNE_EVERY_S) {
        ledger->pruned_at = now;
        prune(ledger);
    }
}

/* ---- After a restart (rule 9) ---- */

void oxp_writers_restore(struct oxp_ledger *ledger, const struct oxp_identity *read) {
    struct oxp_identity *who = oxp_writers_get(ledger, oxp_view_of(read->writer, strlen(read->writer)),
                                               oxp_view_of(read->boot, strlen(read->boot)));
    if (who == NULL) {
        return;
    }
    memcpy(who->version, read->version, sizeof who->version);
    memcpy(who->environment, read->environment, sizeof who->environment);
    memcpy(who->sdk, read->sdk, sizeof who->sdk);
    who->started_s = read->started_s;
    who->last_event_s = read->last_event_s;
    who->gone_s = read->gone_s;
    who->stopping = read->stopping;
    who->announced = read->announced;
    who->last_seq = read->last_seq;
    who->recovers = read->recovers;
    who->alive = read->alive && !read->stopping && !read->dead;
    if (read->dead) {
        lose(ledger, who, "");
    } else {
        who->dead = false;
    }
}

/* All numbers up to the last one count as seen: a late one may be a repeat as well, and was counted as lost. Where the
 * last one is not known, what the journal has is the least that it can be (rule 8). */
static void restore_seq(struct oxp_identity *who, bool is_last) {
    who->seq_known = is_last && who->last_seq != 0;
    memset(who->seq_seen, who->seq_known ? 0xff : 0, sizeof who->seq_seen);
}

void oxp_writers_forget(struct oxp_ledger *ledger, struct oxp_view key) {
    struct oxp_identity *who = oxp_writers_find(ledger, key);
    if (who != NULL && is_spent(ledger, who, 0)) {
        drop(ledger, who);
    }
}

void oxp_writers_restored(struct oxp_ledger *ledger) {
    const struct oxp_ledger_options *options = &ledger->options;
    OXP_LIST_EACH(&ledger->identities, link) {
        struct oxp_identity *who = OXP_AROUND(link, struct oxp_identity, all);
        ledger->announced = true;
        ledger->planned_end = who->stopping || root_has_stopped(ledger, who);
        if (!who->dead) {
            who->await_until = ledger->patience_s + options->reconnect_grace_s + options->liveness_s;
        }
        if (strchr(who->writer, '/') == NULL) {
            oxp_gauge_set(only(ledger, OXP_M_START_TIME), who->started_s);
        }
        oxp_info_show(ledger, who);
        restore_seq(who, ledger->ended_well);
        ledger->last_event_s = fmax(ledger->last_event_s, who->last_event_s);
    }
    if (ledger->last_event_s > 0) {
        oxp_gauge_set(only(ledger, OXP_M_LAST_EVENT), ledger->last_event_s);
    }
    if (ledger->announced) {
        oxp_writers_update_up(ledger);
    }
}

bool oxp_ledger_awaits_owners(const struct oxp_ledger *ledger) {
    OXP_LIST_EACH(&ledger->identities, link) {
        if (!isnan(OXP_AROUND(link, struct oxp_identity, all)->await_until)) {
            return true;
        }
    }
    return false;
}
