#include "alerts/outbox/outbox.h"

#include <stdlib.h>

#include "alerts/outbox/internal.h"

/* ---- Names ---- */

const char *oxp_outbox_priority_name(enum oxp_outbox_priority priority) {
    static const char *const names[OXP_OUTBOX_PRIORITIES] = {"critical", "warning", "info"};
    return (unsigned)priority < OXP_OUTBOX_PRIORITIES ? names[priority] : "unknown";
}

const char *oxp_outbox_state_name(enum oxp_outbox_state state) {
    static const char *const names[OXP_OUTBOX_STATES] = {"waiting",   "claimed",    "sent",
                                                         "set_aside", "superseded", "dropped"};
    return (unsigned)state < OXP_OUTBOX_STATES ? names[state] : "unknown";
}

bool oxp_outbox_state_find(const char *name, unsigned *states_out) {
    for (int state = 0; state < OXP_OUTBOX_STATES; state++) {
        if (strcmp(name, oxp_outbox_state_name((enum oxp_outbox_state)state)) == 0) {
            *states_out = 1u << state;
            return true;
        }
    }
    return false;
}

const char *oxp_outbox_drop_name(enum oxp_outbox_drop drop) {
    static const char *const names[OXP_OUTBOX_DROPS] = {"full", "expired", "superseded"};
    return (unsigned)drop < OXP_OUTBOX_DROPS ? names[drop] : "unknown";
}

bool oxp_outbox_is_kept(const struct oxp_outbox *outbox) {
    return outbox->directory != NULL;
}

void oxp_outbox_at_point(struct oxp_outbox *outbox, const char *name) {
    if (outbox->options.point != NULL) {
        outbox->options.point(outbox->options.ctx, name);
    }
}

/* ---- Transactions ---- */

static enum oxp_status note_failure(struct oxp_outbox *outbox, enum oxp_status status, const struct oxp_error *reason) {
    if (status == OXP_ERR_IO || status == OXP_ERR_FULL) {
        outbox->failures++;
        outbox->trouble = *reason;
        outbox->trouble_is_full = status == OXP_ERR_FULL;
    }
    return status;
}

/* Opens the file again. What this process has claimed stays claimed: it is still at it. A file that quick looks find
 * whole, and that fails nevertheless, is set aside after some tries. */
static enum oxp_status open_again(struct oxp_outbox *outbox, struct oxp_error *error) {
    bool damaged = outbox->db.damaged;
    outbox->damages += damaged ? 1 : 0;
    oxp_db_close(&outbox->db);
    enum oxp_status status = oxp_outbox_open_file(outbox, damaged, NULL, error);
    outbox->recount = true;
    return status;
}

enum oxp_status oxp_outbox_enter(struct oxp_outbox *outbox, bool for_reading, struct oxp_error *error) {
    struct oxp_error reason = {0};
    struct oxp_db *db = &outbox->db;
    enum oxp_status status = OXP_OK;
    pthread_mutex_lock(&outbox->lock);
    oxp_arena_clear(&outbox->scratch);
    outbox->drops = NULL;
    if (db->handle == NULL || (db->unsure && outbox->directory != NULL)) {
        status = open_again(outbox, &reason);
    }
    if (status == OXP_OK && outbox->trouble_is_full) {
        oxp_db_checkpoint(db); /* what the log holds may be used again for what follows */
    }
    if (status == OXP_OK) {
        oxp_db_begin(db, for_reading);
        status = oxp_db_is_well(db) ? OXP_OK : oxp_db_end(db, &reason);
    }
    if (status != OXP_OK) {
        note_failure(outbox, status, &reason);
        oxp_error_set(error, status, 0, 0, "%s", reason.text);
        pthread_mutex_unlock(&outbox->lock);
        return status;
    }
    if (!for_reading && outbox->recount) {
        oxp_outbox_recount(outbox);
    }
    return OXP_OK;
}

static void take_over(struct oxp_outbox *outbox, bool committed) {
    memset(outbox->total, 0, sizeof outbox->total);
    for (size_t i = 0; i < outbox->tally_count; i++) {
        struct oxp_tally *tally = &outbox->tallies[i];
        for (size_t state = 0; state < OXP_OUTBOX_STATES; state++) {
            tally->kept[state] += committed ? tally->pending[state] : 0;
            tally->pending[state] = 0;
            outbox->total[state] += tally->kept[state];
        }
    }
}

static void tell_drops(struct oxp_outbox *outbox) {
    struct oxp_outbox_dropped *first = NULL;
    while (outbox->drops != NULL) { /* they are in the order of a stack */
        struct oxp_outbox_dropped *next = outbox->drops->next;
        outbox->drops->next = first;
        first = outbox->drops;
        outbox->drops = next;
    }
    for (const struct oxp_outbox_dropped *drop = first; drop != NULL; drop = drop->next) {
        const struct oxp_outbox_options *options = &outbox->options;
        outbox->dropped[drop->why] += drop->damaged ? 0 : 1;
        if (drop->damaged && options->on_damage != NULL) {
            options->on_damage(options->ctx, &drop->message);
        } else if (!drop->damaged && options->on_drop != NULL) {
            options->on_drop(options->ctx, &drop->message, drop->why);
        }
    }
}

enum oxp_status oxp_outbox_leave(struct oxp_outbox *outbox, bool for_reading, struct oxp_error *error) {
    struct oxp_error reason = {0};
    uint64_t bytes = for_reading ? 0 : oxp_outbox_used_bytes(outbox);
    int64_t oldest_ms = for_reading ? 0 : oxp_db_one(&outbox->db, OXP_DB_OLDEST, 0);
    enum oxp_status status = oxp_db_end(&outbox->db, &reason);
    if (!for_reading) {
        take_over(outbox, status == OXP_OK);
    }
    if (status != OXP_OK) {
        note_failure(outbox, status, &reason);
        oxp_error_set(error, status, 0, 0, "%s", reason.text);
    } else if (!for_reading) {
        outbox->bytes = bytes;
        outbox->oldest_ms = oldest_ms;
        outbox->damages = 0;
        outbox->trouble = (struct oxp_error){0};
        outbox->trouble_is_full = false;
        tell_drops(outbox);
    }
    pthread_mutex_unlock(&outbox->lock);
    return status;
}

/* ---- Counting ---- */

void oxp_outbox_recount(struct oxp_outbox *outbox) {
    struct oxp_db *db = &outbox->db;
    for (size_t i = 0; i < outbox->tally_count; i++) {
        memset(outbox->tallies[i].kept, 0, sizeof outbox->tallies[i].kept);
        memset(outbox->tallies[i].pending, 0, sizeof outbox->tallies[i].pending);
    }
    bool more = oxp_db_first(db, OXP_DB_COUNTS, NULL, 0);
    while (more) {
        int64_t state = oxp_db_number(db, OXP_DB_COUNTS, 1);
        if (state >= 0 && state < OXP_OUTBOX_STATES) {
            oxp_outbox_count(outbox, oxp_db_view(db, OXP_DB_COUNTS, 0), (enum oxp_outbox_state)state,
                             oxp_db_number(db, OXP_DB_COUNTS, 2));
        }
        more = oxp_db_next(db, OXP_DB_COUNTS);
    }
    outbox->bytes = oxp_outbox_used_bytes(outbox);
    outbox->oldest_ms = oxp_db_one(db, OXP_DB_OLDEST, 0);
    outbox->recount = !oxp_db_is_well(db);
    take_over(outbox, true);
}

enum oxp_status oxp_outbox_stats(struct oxp_outbox *outbox, struct oxp_arena *arena,
                                 struct oxp_outbox_stats *stats_out) {
    enum oxp_status status = OXP_OK;
    pthread_mutex_lock(&outbox->lock);
    const int64_t *total = outbox->total;
    *stats_out = (struct oxp_outbox_stats){
        .waiting = (uint64_t)total[OXP_OUTBOX_WAITING],
        .claimed = (uint64_t)total[OXP_OUTBOX_CLAIMED],
        .aside = (uint64_t)total[OXP_OUTBOX_ASIDE],
        .bytes = outbox->bytes,
        .oldest_ms = total[OXP_OUTBOX_WAITING] > 0 ? outbox->oldest_ms : 0,
        .failures = outbox->failures,
        .counts = oxp_arena_zero(arena, outbox->tally_count, sizeof(struct oxp_outbox_count)),
    };
    memcpy(stats_out->dropped, outbox->dropped, sizeof outbox->dropped);
    if (stats_out->counts == NULL) {
        status = oxp_arena_status(arena);
        goto out;
    }
    for (size_t i = 0; i < outbox->tally_count; i++) {
        const struct oxp_tally *tally = &outbox->tallies[i];
        stats_out->counts[i] = (struct oxp_outbox_count){
            .integration = oxp_arena_copy(arena, oxp_view_of(tally->integration, tally->len)),
            .waiting = (uint64_t)tally->kept[OXP_OUTBOX_WAITING],
            .claimed = (uint64_t)tally->kept[OXP_OUTBOX_CLAIMED],
            .aside = (uint64_t)tally->kept[OXP_OUTBOX_ASIDE],
        };
    }
    stats_out->count = outbox->tally_count;
    status = oxp_arena_status(arena);
out:
    pthread_mutex_unlock(&outbox->lock);
    return status;
}

void oxp_outbox_trouble(struct oxp_outbox *outbox, struct oxp_error *error_out) {
    pthread_mutex_lock(&outbox->lock);
    *error_out = outbox->trouble;
    pthread_mutex_unlock(&outbox->lock);
}

bool oxp_outbox_was_touched(struct oxp_outbox *outbox) {
    pthread_mutex_lock(&outbox->lock);
    bool touched = outbox->touched;
    outbox->touched = false;
    pthread_mutex_unlock(&outbox->lock);
    return touched;
}
