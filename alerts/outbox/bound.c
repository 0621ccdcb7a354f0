/* What makes room. In this order, while there is too much:
 *   1 what was sent or superseded, the oldest first;
 *   2 what was dropped, but for the newest 1,000: a drop is to be seen;
 *   3 of what is set aside the oldest of the lowest priority: it is not on its way to anybody;
 *   4 of what waits the same. Never what is claimed.
 * The file grows only when no page is free. A sixteenth is left for what one transaction adds before it is bounded;
 * when that was not enough, the file is cut in the same transaction. */
#include "alerts/outbox/internal.h"

#define DROPPED_KEPT 1000
#define CLOCK_SLACK_MS 60000
#define BATCH 256
#define BATCHES_A_SWEEP 16
#define SHRINK_PAGES 64 /* free pages that are not worth the writing */

uint64_t oxp_outbox_used_bytes(struct oxp_outbox *outbox) {
    int64_t pages = oxp_db_one(&outbox->db, OXP_DB_PAGE_COUNT, 0);
    int64_t unused = oxp_db_one(&outbox->db, OXP_DB_FREE_COUNT, 0);
    return pages > unused ? (uint64_t)(pages - unused) * (uint64_t)outbox->page_size : 0;
}

/* Forgets the longest over of a state, when it came into it before `before_ms`. */
static bool forget_one(struct oxp_outbox *outbox, enum oxp_outbox_state state, int64_t before_ms) {
    struct oxp_outbox_message message;
    struct oxp_arena_mark mark = oxp_arena_here(&outbox->scratch);
    bool found =
        oxp_outbox_find(outbox, OXP_DB_OVER, OXP_DB_VALUES(OXP_DB_NUMBER(state), OXP_DB_NUMBER(before_ms)), &message);
    if (found) {
        oxp_outbox_forget(outbox, &message);
    }
    oxp_arena_reset(&outbox->scratch, mark);
    return found && oxp_db_is_well(&outbox->db);
}

static bool forget_history(struct oxp_outbox *outbox) {
    return forget_one(outbox, OXP_OUTBOX_SENT, INT64_MAX) || forget_one(outbox, OXP_OUTBOX_SUPERSEDED, INT64_MAX) ||
           (outbox->total[OXP_OUTBOX_DROPPED] > DROPPED_KEPT && forget_one(outbox, OXP_OUTBOX_DROPPED, INT64_MAX));
}

static bool drop_least(struct oxp_outbox *outbox, int64_t now_ms) {
    struct oxp_outbox_message message;
    if (!oxp_outbox_find(outbox, outbox->total[OXP_OUTBOX_ASIDE] > 0 ? OXP_DB_LEAST_ASIDE : OXP_DB_LEAST, NULL, 0,
                         &message)) {
        return false;
    }
    oxp_outbox_drop(outbox, &message, OXP_OUTBOX_FULL, now_ms);
    return oxp_db_is_well(&outbox->db);
}

void oxp_outbox_bound(struct oxp_outbox *outbox, int64_t now_ms) {
    const struct oxp_outbox_options *options = &outbox->options;
    const int64_t *total = outbox->total;
    while ((uint64_t)(total[OXP_OUTBOX_WAITING] + total[OXP_OUTBOX_ASIDE]) > options->rows_max &&
           drop_least(outbox, now_ms)) {
    }
    while ((uint64_t)(total[OXP_OUTBOX_SENT] + total[OXP_OUTBOX_SUPERSEDED] + total[OXP_OUTBOX_DROPPED]) >
               options->rows_max &&
           forget_history(outbox)) {
    }
    uint64_t most = options->bytes_max - options->bytes_max / 16;
    while (oxp_outbox_used_bytes(outbox) > most && (forget_history(outbox) || drop_least(outbox, now_ms))) {
    }
    int64_t pages = oxp_db_one(&outbox->db, OXP_DB_PAGE_COUNT, 0);
    if ((uint64_t)pages * (uint64_t)outbox->page_size > options->bytes_max) {
        oxp_db_run(&outbox->db, OXP_DB_SHRINK, NULL, 0);
    }
}

/* ---- Sweeping ---- */

void oxp_outbox_undo_future(struct oxp_outbox *outbox, int64_t now_ms) {
    oxp_db_run(&outbox->db, OXP_DB_NO_FUTURE, OXP_DB_VALUES(OXP_DB_NUMBER(now_ms), OXP_DB_NUMBER(CLOCK_SLACK_MS)));
}

static bool is_anything_over(struct oxp_outbox *outbox, int64_t now_ms) {
    static const enum oxp_outbox_state over[] = {OXP_OUTBOX_SENT, OXP_OUTBOX_SUPERSEDED, OXP_OUTBOX_DROPPED};
    struct oxp_db *db = &outbox->db;
    bool is_over = oxp_db_exists(db, OXP_DB_EXPIRED, OXP_DB_VALUES(OXP_DB_NUMBER(now_ms)));
    for (size_t i = 0; i < sizeof over / sizeof over[0]; i++) {
        is_over = is_over || oxp_db_exists(db, OXP_DB_OVER,
                                           OXP_DB_VALUES(OXP_DB_NUMBER(over[i]),
                                                         OXP_DB_NUMBER(now_ms - outbox->options.history_ms)));
    }
    return is_over || oxp_db_exists(db, OXP_DB_OLD_NOTE,
                                    OXP_DB_VALUES(OXP_DB_NUMBER(now_ms - outbox->options.age_max_ms),
                                                  OXP_DB_NUMBER(OXP_OUTBOX_NOTES_MAX)));
}

/* At most BATCH rows of each kind. */
static void prune(struct oxp_outbox *outbox, int64_t now_ms) {
    struct oxp_outbox_message message;
    int64_t before_ms = now_ms - outbox->options.history_ms;
    if (now_ms < outbox->swept_ms - CLOCK_SLACK_MS) {
        oxp_outbox_undo_future(outbox, now_ms);
    }
    outbox->swept_ms = now_ms;
    int left = BATCH;
    while (left-- > 0 && oxp_outbox_find(outbox, OXP_DB_EXPIRED, OXP_DB_VALUES(OXP_DB_NUMBER(now_ms)), &message)) {
        oxp_outbox_drop(outbox, &message, OXP_OUTBOX_EXPIRED, now_ms);
    }
    left = BATCH;
    while (left-- > 0 &&
           (forget_one(outbox, OXP_OUTBOX_SENT, before_ms) || forget_one(outbox, OXP_OUTBOX_SUPERSEDED, before_ms) ||
            forget_one(outbox, OXP_OUTBOX_DROPPED, before_ms))) {
    }
    oxp_db_run(&outbox->db, OXP_DB_PRUNE_NOTES,
               OXP_DB_VALUES(OXP_DB_NUMBER(now_ms - outbox->options.age_max_ms), OXP_DB_NUMBER(OXP_OUTBOX_NOTES_MAX)));
    oxp_outbox_at_point(outbox, "prune");
}

/* What a look finds: whether something is over, and whether the file has more free pages than it should. */
static enum oxp_status look(struct oxp_outbox *outbox, int64_t now_ms, bool *over_out, bool *roomy_out) {
    enum oxp_status status = oxp_outbox_enter(outbox, true, NULL);
    if (status != OXP_OK) {
        return status;
    }
    int64_t version = oxp_db_one(&outbox->db, OXP_DB_DATA_VERSION, 0);
    if (version != outbox->data_version && oxp_db_is_well(&outbox->db)) { /* another process sent something again */
        outbox->data_version = version;
        outbox->touched = outbox->recount = true;
    }
    if (outbox->recount) {
        oxp_outbox_recount(outbox);
    }
    *over_out = is_anything_over(outbox, now_ms) || now_ms < outbox->swept_ms - CLOCK_SLACK_MS;
    int64_t unused = oxp_db_one(&outbox->db, OXP_DB_FREE_COUNT, 0);
    *roomy_out = unused >= SHRINK_PAGES && unused * 4 > oxp_db_one(&outbox->db, OXP_DB_PAGE_COUNT, 0);
    return oxp_outbox_leave(outbox, true, NULL);
}

static enum oxp_status shrink(struct oxp_outbox *outbox) {
    enum oxp_status status = oxp_outbox_enter(outbox, false, NULL);
    if (status != OXP_OK) {
        return status;
    }
    oxp_db_run(&outbox->db, OXP_DB_SHRINK, NULL, 0);
    if ((status = oxp_outbox_leave(outbox, false, NULL)) == OXP_OK) {
        pthread_mutex_lock(&outbox->lock);
        oxp_db_checkpoint(&outbox->db); /* the file itself is cut by that only */
        pthread_mutex_unlock(&outbox->lock);
    }
    return status;
}

enum oxp_status oxp_outbox_sweep(struct oxp_outbox *outbox, int64_t now_ms) {
    bool over = true, roomy = false;
    for (int i = 0; i < BATCHES_A_SWEEP && over; i++) {
        enum oxp_status status = look(outbox, now_ms, &over, &roomy);
        if (status == OXP_OK && over && (status = oxp_outbox_enter(outbox, false, NULL)) == OXP_OK) {
            prune(outbox, now_ms);
            status = oxp_outbox_leave(outbox, false, NULL);
        }
        if (status != OXP_OK) {
            return status;
        }
    }
    pthread_mutex_lock(&outbox->lock);
    outbox->swept_ms = now_ms;
    pthread_mutex_unlock(&outbox->lock);
    return roomy ? shrink(outbox) : OXP_OK;
}
