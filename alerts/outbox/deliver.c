#include <inttypes.h>
#include <stdio.h>

#include "alerts/outbox/internal.h"
#include "lib/base/utf8.h"

#define ASIDE_BATCH 256 /* at a time: files of an older version may hold many */

/* ---- Claiming ---- */

/* In which order a queue is looked at. */
enum order { IN_TURN, LEAST_TRIED, LEAST_TRIED_BY_AGE };

static bool find_due(struct oxp_outbox *outbox, struct oxp_view receiver, enum order order, int64_t now_ms,
                     struct oxp_arena *arena, struct oxp_outbox_message *message_out, uint32_t *crc_out) {
    enum oxp_db_statement which = order == IN_TURN ? OXP_DB_DUE : OXP_DB_DUE_LEAST_TRIED;
    const struct oxp_db_value values[] = {OXP_DB_TEXT(receiver), OXP_DB_NUMBER(now_ms),
                                          OXP_DB_NUMBER(order == LEAST_TRIED ? 1 : 0)};
    if (!oxp_db_first(&outbox->db, which, values, order == IN_TURN ? 2 : 3)) {
        return false;
    }
    oxp_outbox_read_row(outbox, which, arena, message_out, crc_out);
    oxp_db_done(&outbox->db, which);
    message_out->content = oxp_outbox_read_content(outbox, message_out->id, arena);
    return oxp_db_is_well(&outbox->db);
}

/* SQLite sees when its own structure is broken, not when a byte of a text is: such a message is not sent, and shows. */
static bool is_whole(struct oxp_outbox *outbox, struct oxp_outbox_message *message, uint32_t crc, int64_t now_ms) {
    if (message->content.ptr != NULL && oxp_outbox_checksum(message) == crc) {
        return true;
    }
    oxp_outbox_move_damaged(outbox, message, now_ms);
    return false;
}

static int64_t next_due(struct oxp_outbox *outbox, struct oxp_view receiver, int64_t now_ms) {
    int64_t next_ms = INT64_MAX;
    if (oxp_db_first(&outbox->db, OXP_DB_DUE_NEXT, OXP_DB_VALUES(OXP_DB_TEXT(receiver), OXP_DB_NUMBER(now_ms)))) {
        if (!oxp_db_is_null(&outbox->db, OXP_DB_DUE_NEXT, 0)) {
            next_ms = oxp_db_number(&outbox->db, OXP_DB_DUE_NEXT, 0);
        }
        oxp_db_done(&outbox->db, OXP_DB_DUE_NEXT);
    }
    return next_ms;
}

/* An idle queue asks often: that is a read, which waits for no disk. */
static enum oxp_status anything_due(struct oxp_outbox *outbox, struct oxp_view receiver, int64_t now_ms,
                                    int64_t *next_ms_out) {
    enum oxp_status status = oxp_outbox_enter(outbox, true, NULL);
    if (status == OXP_OK) {
        bool any =
            oxp_db_exists(&outbox->db, OXP_DB_DUE_ANY, OXP_DB_VALUES(OXP_DB_TEXT(receiver), OXP_DB_NUMBER(now_ms)));
        *next_ms_out = any ? now_ms : next_due(outbox, receiver, now_ms); /* which looks at all of the queue */
        status = oxp_outbox_leave(outbox, true, NULL);
    }
    return status;
}

static enum oxp_status claim(struct oxp_outbox *outbox, struct oxp_view receiver, enum order order, int64_t now_ms,
                             struct oxp_arena *arena, struct oxp_outbox_message *message_out, int64_t *next_ms_out) {
    uint32_t crc = 0;
    *next_ms_out = INT64_MAX;
    enum oxp_status status = anything_due(outbox, receiver, now_ms, next_ms_out);
    if (status != OXP_OK || *next_ms_out > now_ms) {
        return status == OXP_OK ? OXP_END : status;
    }
    if ((status = oxp_outbox_enter(outbox, false, NULL)) != OXP_OK) {
        return status;
    }
    bool found = false;
    while (!found && find_due(outbox, receiver, order, now_ms, arena, message_out, &crc)) {
        found = is_whole(outbox, message_out, crc, now_ms);
    }
    if (found) {
        message_out->tries++;
        oxp_outbox_move(outbox, message_out, OXP_OUTBOX_CLAIMED, now_ms);
        oxp_outbox_at_point(outbox, "claim");
    } else {
        *next_ms_out = next_due(outbox, receiver, now_ms);
    }
    status = oxp_outbox_leave(outbox, false, NULL);
    return status != OXP_OK || found ? status : OXP_END;
}

enum oxp_status oxp_outbox_claim(struct oxp_outbox *outbox, struct oxp_view receiver, int64_t now_ms,
                                 struct oxp_arena *arena, struct oxp_outbox_message *message_out,
                                 int64_t *next_ms_out) {
    return claim(outbox, receiver, IN_TURN, now_ms, arena, message_out, next_ms_out);
}

enum oxp_status oxp_outbox_claim_least_tried(struct oxp_outbox *outbox, struct oxp_view receiver, bool by_age,
                                             int64_t now_ms, struct oxp_arena *arena,
                                             struct oxp_outbox_message *message_out, int64_t *next_ms_out) {
    return claim(outbox, receiver, by_age ? LEAST_TRIED_BY_AGE : LEAST_TRIED, now_ms, arena, message_out, next_ms_out);
}

/* ---- What became of it ---- */

/* Begins the transaction in which a claimed message changes. */
static enum oxp_status enter_claimed(struct oxp_outbox *outbox, int64_t id, struct oxp_view answer,
                                     struct oxp_outbox_message *message_out) {
    enum oxp_status status = oxp_outbox_enter(outbox, false, NULL);
    if (status != OXP_OK) {
        return status;
    }
    if (!oxp_outbox_find(outbox, OXP_DB_BY_ID, OXP_DB_VALUES(OXP_DB_NUMBER(id)), message_out) ||
        message_out->state != OXP_OUTBOX_CLAIMED) {
        oxp_db_fail(&outbox->db, OXP_ERR_NOT_FOUND, "no such message is being sent");
        return oxp_outbox_leave(outbox, false, NULL);
    }
    message_out->answer = answer;
    return OXP_OK;
}

enum oxp_status oxp_outbox_sent(struct oxp_outbox *outbox, int64_t id, struct oxp_view answer, int64_t now_ms) {
    struct oxp_outbox_message message;
    oxp_outbox_at_point(outbox, "acknowledge");
    enum oxp_status status = enter_claimed(outbox, id, answer, &message);
    if (status != OXP_OK) {
        return status;
    }
    oxp_outbox_move(outbox, &message, OXP_OUTBOX_SENT, now_ms);
    oxp_db_run(&outbox->db, OXP_DB_REMOVE_CONTENT, OXP_DB_VALUES(OXP_DB_NUMBER(id)));
    return oxp_outbox_leave(outbox, false, NULL);
}

enum oxp_status oxp_outbox_again(struct oxp_outbox *outbox, int64_t id, int64_t due_ms, struct oxp_view answer,
                                 int64_t now_ms) {
    struct oxp_outbox_message message;
    enum oxp_status status = enter_claimed(outbox, id, answer, &message);
    if (status != OXP_OK) {
        return status;
    }
    message.due_ms = due_ms;
    oxp_outbox_let_wait(outbox, &message, now_ms);
    return oxp_outbox_leave(outbox, false, NULL);
}

/* Of a group that is refused again and again the newest state is enough. */
static void supersede_aside(struct oxp_outbox *outbox, const struct oxp_outbox_message *newer, int64_t now_ms) {
    struct oxp_outbox_message older;
    for (int left = ASIDE_BATCH;
         left > 0 &&
         oxp_outbox_find(
             outbox, OXP_DB_ASIDE_OF_GROUP,
             OXP_DB_VALUES(OXP_DB_TEXT(newer->receiver), OXP_DB_TEXT(newer->group), OXP_DB_NUMBER(newer->id)), &older);
         left--) {
        oxp_outbox_drop(outbox, &older, OXP_OUTBOX_SUPERSEDING, now_ms);
    }
}

enum oxp_status oxp_outbox_set_aside(struct oxp_outbox *outbox, int64_t id, struct oxp_view answer, int64_t now_ms) {
    struct oxp_outbox_message message;
    enum oxp_status status = enter_claimed(outbox, id, answer, &message);
    if (status != OXP_OK) {
        return status;
    }
    int64_t oldest_ms = message.made_ms + outbox->options.age_max_ms; /* to be seen, even when it was short-lived */
    message.expires_ms = message.expires_ms > oldest_ms ? message.expires_ms : oldest_ms;
    oxp_outbox_move(outbox, &message, OXP_OUTBOX_ASIDE, now_ms);
    if (message.group.len > 0) {
        supersede_aside(outbox, &message, now_ms);
    }
    return oxp_outbox_leave(outbox, false, NULL);
}

/* ---- Receivers that come and go ---- */

static size_t waiting_for(struct oxp_db *db, struct oxp_view receiver) {
    size_t count = 0;
    if (oxp_db_first(db, OXP_DB_WAIT_FOR, OXP_DB_VALUES(OXP_DB_TEXT(receiver)))) {
        count = (size_t)oxp_db_number(db, OXP_DB_WAIT_FOR, 0);
        oxp_db_done(db, OXP_DB_WAIT_FOR);
    }
    return count;
}

enum oxp_status oxp_outbox_adopt(struct oxp_outbox *outbox, const struct oxp_view *receivers, size_t count,
                                 size_t *orphans_out) {
    static const char answer[] = "no such receiver in the configuration; it waits for one of that name";
    struct oxp_db *db = &outbox->db;
    *orphans_out = 0;
    enum oxp_status status = oxp_outbox_enter(outbox, false, NULL);
    if (status != OXP_OK) {
        return status;
    }
    size_t orphans = 0;
    struct oxp_view receiver = OXP_VIEW("");
    while (oxp_db_first(db, OXP_DB_NEXT_WAITED_FOR, OXP_DB_VALUES(OXP_DB_TEXT(receiver)))) {
        receiver = oxp_outbox_copy_column(outbox, OXP_DB_NEXT_WAITED_FOR, 0, &outbox->scratch);
        oxp_db_done(db, OXP_DB_NEXT_WAITED_FOR);
        bool known = false;
        for (size_t i = 0; !known && i < count; i++) {
            known = oxp_view_equal(receivers[i], receiver);
        }
        oxp_db_run(db, known ? OXP_DB_UNORPHAN : OXP_DB_ORPHAN,
                   OXP_DB_VALUES(OXP_DB_TEXT(receiver), OXP_DB_TEXT(oxp_view_from(answer))));
        orphans += known ? 0 : waiting_for(db, receiver);
    }
    status = oxp_outbox_leave(outbox, false, NULL);
    *orphans_out = status == OXP_OK ? orphans : 0;
    return status;
}

enum oxp_status oxp_outbox_idle(struct oxp_outbox *outbox, struct oxp_view receiver, const char *why,
                                size_t *count_out) {
    struct oxp_buf answer;
    size_t count = 0;
    *count_out = 0;
    oxp_buf_init(&answer, 0);
    oxp_buf_append_format(&answer, "it waits: %s", why);
    enum oxp_status status = oxp_buf_status(&answer);
    if (status == OXP_OK && (status = oxp_outbox_enter(outbox, false, NULL)) == OXP_OK) {
        oxp_db_run(&outbox->db, OXP_DB_ORPHAN,
                   OXP_DB_VALUES(OXP_DB_TEXT(receiver),
                                 OXP_DB_TEXT(oxp_utf8_cut(oxp_buf_view(&answer), OXP_OUTBOX_ANSWER_MAX))));
        count = waiting_for(&outbox->db, receiver);
        status = oxp_outbox_leave(outbox, false, NULL);
    }
    oxp_buf_fini(&answer);
    *count_out = status == OXP_OK ? count : 0;
    return status;
}

/* ---- By hand ---- */

/* Bits of the states in which a message of the same group makes an older one worthless. */
#define UNSENT (1 << OXP_OUTBOX_WAITING | 1 << OXP_OUTBOX_CLAIMED)
#define NEWER_STATES (UNSENT | 1 << OXP_OUTBOX_SENT | 1 << OXP_OUTBOX_ASIDE)

static bool has_newer(struct oxp_outbox *outbox, const struct oxp_outbox_message *message, int64_t states) {
    return oxp_db_exists(&outbox->db, OXP_DB_NEWER,
                         OXP_DB_VALUES(OXP_DB_TEXT(message->receiver), OXP_DB_TEXT(message->group),
                                       OXP_DB_NUMBER(message->id), OXP_DB_NUMBER(states)));
}

static void wait_anew(struct oxp_outbox *outbox, struct oxp_outbox_message *message, int64_t now_ms) {
    message->due_ms = now_ms;
    if (message->state == OXP_OUTBOX_DROPPED) {
        message->answer = OXP_VIEW(""); /* why it was dropped is no reason to wait */
    }
    if (message->expires_ms <= now_ms) {
        message->expires_ms = now_ms + outbox->options.age_max_ms;
    }
    oxp_outbox_let_wait(outbox, message, now_ms);
}

static void retry_one(struct oxp_outbox *outbox, int64_t id, int64_t now_ms) {
    struct oxp_db *db = &outbox->db;
    struct oxp_outbox_message message;
    if (!oxp_outbox_find(outbox, OXP_DB_BY_ID, OXP_DB_VALUES(OXP_DB_NUMBER(id)), &message)) {
        oxp_db_fail(db, OXP_ERR_NOT_FOUND, "there is no such message");
    } else if (message.state == OXP_OUTBOX_CLAIMED) {
        oxp_db_fail(db, OXP_ERR_IN_USE, "it is being sent");
    } else if (!oxp_db_exists(db, OXP_DB_CONTENT, OXP_DB_VALUES(OXP_DB_NUMBER(id)))) {
        oxp_db_fail(db, OXP_ERR_INVALID, "nothing of it is left to be sent");
    } else if (has_newer(outbox, &message, UNSENT)) {
        oxp_db_fail(db, OXP_ERR_EXISTS, "a newer state of its group waits");
    } else {
        wait_anew(outbox, &message, now_ms);
    }
}

/* From the newest to the oldest, so that of a group that was refused several times only the last state goes out. */
static size_t retry_all(struct oxp_outbox *outbox, struct oxp_view receiver, int64_t now_ms) {
    struct oxp_outbox_message message = {.id = INT64_MAX};
    size_t count = 0;
    while (true) {
        const struct oxp_outbox_dropped *drops = outbox->drops;
        struct oxp_arena_mark mark = oxp_arena_here(&outbox->scratch);
        if (!oxp_outbox_find(outbox, OXP_DB_ASIDE, OXP_DB_VALUES(OXP_DB_NUMBER(message.id), OXP_DB_TEXT(receiver)),
                             &message)) {
            break;
        }
        if (has_newer(outbox, &message, NEWER_STATES)) {
            oxp_outbox_drop(outbox, &message, OXP_OUTBOX_SUPERSEDING, now_ms);
        } else {
            wait_anew(outbox, &message, now_ms);
            count++;
        }
        if (outbox->drops == drops) { /* what was dropped is told after the commit, from the scratch memory */
            oxp_arena_reset(&outbox->scratch, mark);
        }
    }
    return count;
}

enum oxp_status oxp_outbox_retry(struct oxp_outbox *outbox, int64_t id, struct oxp_view receiver, int64_t now_ms,
                                 size_t *count_out) {
    char text[256];
    *count_out = 0;
    enum oxp_status status = oxp_outbox_enter(outbox, false, NULL);
    if (status != OXP_OK) {
        return status;
    }
    size_t count = 1;
    if (id != 0) {
        retry_one(outbox, id, now_ms);
        snprintf(text, sizeof text, "message %" PRId64, id);
    } else {
        count = retry_all(outbox, receiver, now_ms);
        int len = receiver.len > 160 ? 160 : (int)receiver.len;
        snprintf(text, sizeof text, "%zu that were set aside%s%.*s", count, len > 0 ? " for " : "", len,
                 receiver.len == 0 ? "" : receiver.ptr);
    }
    oxp_outbox_add_note(outbox, OXP_VIEW("outbox.retry"), oxp_view_from(text), now_ms);
    status = oxp_outbox_leave(outbox, false, NULL);
    *count_out = status == OXP_OK ? count : 0;
    return status;
}
