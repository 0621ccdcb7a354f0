/* What happens to a message, as changes of its row.
 *
 *   1 waiting    -> claimed     by _claim, when it is due
 *   2 waiting    -> superseded  when a newer one of its group comes to wait
 *   3 waiting    -> dropped     by a bound, or by its age
 *   4 claimed    -> sent        the receiver took it
 *   5 claimed    -> waiting     again later; or superseded, when a newer one of its group waits by then
 *   6 claimed    -> set aside   the receiver refuses it; what was set aside of its group before is superseded
 *   7 claimed    -> waiting     at the opening after the process died (as 5)
 *   8 set aside  -> waiting     by hand
 *   9 set aside  -> superseded  (6); or dropped, by a bound or by its age
 *  10 dropped    -> waiting     by hand, while its content is there
 *  11 sent, superseded, dropped -> gone, when they are old or space is needed
 *
 * What is claimed is never dropped: its receiver may be reading it. */
#include <stdio.h>
#include <stdlib.h>

#include "alerts/outbox/internal.h"
#include "lib/base/crc32.h"
#include "lib/base/utf8.h"

/* ---- Reading ---- */

struct oxp_view oxp_outbox_copy_column(struct oxp_outbox *outbox, enum oxp_db_statement which, int column,
                                       struct oxp_arena *arena) {
    struct oxp_view copy = oxp_arena_copy(arena, oxp_db_view(&outbox->db, which, column));
    if (copy.ptr == NULL) {
        oxp_db_fail(&outbox->db, oxp_arena_status(arena), "out of memory");
    }
    return copy;
}

void oxp_outbox_read_row(struct oxp_outbox *outbox, enum oxp_db_statement which, struct oxp_arena *arena,
                         struct oxp_outbox_message *message_out, uint32_t *crc_out) {
    struct oxp_db *db = &outbox->db;
    int64_t priority = oxp_db_number(db, which, 4), state = oxp_db_number(db, which, 5);
    if (priority < 0 || priority >= OXP_OUTBOX_PRIORITIES || state < 0 || state >= OXP_OUTBOX_STATES) {
        oxp_db_fail(db, OXP_ERR_IO, "the outbox is damaged: a row makes no sense");
        db->damaged = db->unsure = true;
        priority = state = 0;
    }
    *message_out = (struct oxp_outbox_message){
        .id = oxp_db_number(db, which, 0),
        .receiver = oxp_outbox_copy_column(outbox, which, 1, arena),
        .integration = oxp_outbox_copy_column(outbox, which, 2, arena),
        .group = oxp_outbox_copy_column(outbox, which, 3, arena),
        .priority = (enum oxp_outbox_priority)priority,
        .state = (enum oxp_outbox_state)state,
        .since_ms = oxp_db_number(db, which, 6),
        .made_ms = oxp_db_number(db, which, 7),
        .due_ms = oxp_db_number(db, which, 8),
        .expires_ms = oxp_db_number(db, which, 9),
        .tries = (unsigned)oxp_db_number(db, which, 10),
        .changed_ms = oxp_db_number(db, which, 11),
        .summary = oxp_outbox_copy_column(outbox, which, 12, arena),
        .answer = oxp_outbox_copy_column(outbox, which, 13, arena),
    };
    if (crc_out != NULL) {
        *crc_out = (uint32_t)oxp_db_number(db, which, 14);
    }
}

bool oxp_outbox_find(struct oxp_outbox *outbox, enum oxp_db_statement which, const struct oxp_db_value *values,
                     size_t count, struct oxp_outbox_message *message_out) {
    if (!oxp_db_first(&outbox->db, which, values, count)) {
        return false;
    }
    oxp_outbox_read_row(outbox, which, &outbox->scratch, message_out, NULL);
    oxp_db_done(&outbox->db, which);
    return oxp_db_is_well(&outbox->db);
}

struct oxp_view oxp_outbox_read_content(struct oxp_outbox *outbox, int64_t id, struct oxp_arena *arena) {
    struct oxp_view content = {NULL, 0};
    if (oxp_db_first(&outbox->db, OXP_DB_CONTENT, OXP_DB_VALUES(OXP_DB_NUMBER(id)))) {
        content = oxp_outbox_copy_column(outbox, OXP_DB_CONTENT, 0, arena);
        oxp_db_done(&outbox->db, OXP_DB_CONTENT);
    }
    return content;
}

uint32_t oxp_outbox_checksum(const struct oxp_outbox_message *message) {
    const struct oxp_view parts[] = {message->receiver, message->integration, message->group, message->summary,
                                     message->content};
    uint32_t crc = 0;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        uint64_t len = parts[i].len; /* so that what moves from one to its neighbour shows */
        crc = oxp_crc32c(crc, &len, sizeof len);
        crc = oxp_crc32c(crc, parts[i].ptr, parts[i].len);
    }
    return crc;
}

/* ---- Counting ---- */

void oxp_outbox_count(struct oxp_outbox *outbox, struct oxp_view integration, enum oxp_outbox_state state,
                      int64_t add) {
    size_t i = 0;
    while (i < outbox->tally_count &&
           !oxp_view_equal(oxp_view_of(outbox->tallies[i].integration, outbox->tallies[i].len), integration)) {
        i++;
    }
    if (i == outbox->tally_count) {
        struct oxp_tally *tallies = realloc(outbox->tallies, (i + 1) * sizeof(struct oxp_tally));
        outbox->tallies = tallies == NULL ? outbox->tallies : tallies;
        char *name = tallies == NULL ? NULL : malloc(integration.len + 1);
        if (name == NULL) {
            oxp_db_fail(&outbox->db, OXP_ERR_NOMEM, "out of memory");
            return;
        }
        memcpy(name, integration.len == 0 ? "" : integration.ptr, integration.len);
        outbox->tallies[i] = (struct oxp_tally){.integration = name, .len = integration.len};
        outbox->tally_count++;
    }
    outbox->tallies[i].pending[state] += add;
    outbox->total[state] += add;
}

/* ---- Changing ---- */

void oxp_outbox_move(struct oxp_outbox *outbox, struct oxp_outbox_message *message, enum oxp_outbox_state state,
                     int64_t now_ms) {
    message->answer = oxp_utf8_cut(message->answer, OXP_OUTBOX_ANSWER_MAX);
    oxp_outbox_count(outbox, message->integration, message->state, -1);
    oxp_outbox_count(outbox, message->integration, state, 1);
    message->state = state;
    message->changed_ms = now_ms;
    oxp_db_run(&outbox->db, OXP_DB_MOVE,
               OXP_DB_VALUES(OXP_DB_NUMBER(message->id), OXP_DB_NUMBER(state), OXP_DB_NUMBER(message->due_ms),
                             OXP_DB_NUMBER(message->expires_ms), OXP_DB_NUMBER((int64_t)message->tries),
                             OXP_DB_NUMBER(now_ms), OXP_DB_TEXT(message->answer)));
}

/* After the commit. */
static void tell_later(struct oxp_outbox *outbox, const struct oxp_outbox_dropped *what) {
    struct oxp_outbox_dropped *dropped = oxp_arena_zero(&outbox->scratch, 1, sizeof(struct oxp_outbox_dropped));
    if (dropped == NULL) {
        oxp_db_fail(&outbox->db, OXP_ERR_NOMEM, "out of memory");
        return;
    }
    *dropped = *what;
    dropped->next = outbox->drops;
    outbox->drops = dropped;
}

void oxp_outbox_drop(struct oxp_outbox *outbox, struct oxp_outbox_message *message, enum oxp_outbox_drop why,
                     int64_t now_ms) {
    static const struct {
        enum oxp_outbox_state state;
        bool keeps_content; /* for as long as it can be looked at, so that it can be sent after all */
        const char *answer;
    } rows[OXP_OUTBOX_DROPS] = {
        [OXP_OUTBOX_FULL] = {OXP_OUTBOX_DROPPED, false, "full: the outbox had no room for it"},
        [OXP_OUTBOX_EXPIRED] = {OXP_OUTBOX_DROPPED, true, "expired: too old to be sent"},
        [OXP_OUTBOX_SUPERSEDING] = {OXP_OUTBOX_SUPERSEDED, false, "superseded: a newer state took its place"},
    };
    message->answer = oxp_view_from(rows[why].answer);
    oxp_outbox_move(outbox, message, rows[why].state, now_ms);
    if (!rows[why].keeps_content) {
        oxp_db_run(&outbox->db, OXP_DB_REMOVE_CONTENT, OXP_DB_VALUES(OXP_DB_NUMBER(message->id)));
    }
    tell_later(outbox, &(struct oxp_outbox_dropped){.message = *message, .why = why});
}

void oxp_outbox_move_damaged(struct oxp_outbox *outbox, struct oxp_outbox_message *message, int64_t now_ms) {
    message->answer = OXP_VIEW("its record was damaged on the disk");
    oxp_outbox_move(outbox, message, OXP_OUTBOX_ASIDE, now_ms);
    tell_later(outbox, &(struct oxp_outbox_dropped){.message = *message, .damaged = true});
}

void oxp_outbox_let_wait(struct oxp_outbox *outbox, struct oxp_outbox_message *message, int64_t now_ms) {
    struct oxp_outbox_message other;
    if (message->group.len > 0 &&
        oxp_outbox_find(outbox, OXP_DB_OF_GROUP,
                        OXP_DB_VALUES(OXP_DB_TEXT(message->receiver), OXP_DB_TEXT(message->group)), &other) &&
        other.id != message->id) {
        if (other.id > message->id) {
            if (message->answer.len > 0) { /* why the other waits, too */
                other.answer = message->answer;
                oxp_outbox_move(outbox, &other, OXP_OUTBOX_WAITING, other.changed_ms);
            }
            oxp_outbox_drop(outbox, message, OXP_OUTBOX_SUPERSEDING, now_ms);
            return;
        }
        oxp_outbox_drop(outbox, &other, OXP_OUTBOX_SUPERSEDING, now_ms);
    }
    oxp_outbox_move(outbox, message, OXP_OUTBOX_WAITING, now_ms);
}

void oxp_outbox_forget(struct oxp_outbox *outbox, const struct oxp_outbox_message *message) {
    oxp_db_run(&outbox->db, OXP_DB_REMOVE_CONTENT, OXP_DB_VALUES(OXP_DB_NUMBER(message->id)));
    oxp_db_run(&outbox->db, OXP_DB_REMOVE_MESSAGE, OXP_DB_VALUES(OXP_DB_NUMBER(message->id)));
    oxp_outbox_count(outbox, message->integration, message->state, -1);
}

void oxp_outbox_add_note(struct oxp_outbox *outbox, struct oxp_view kind, struct oxp_view text, int64_t now_ms) {
    oxp_db_run(&outbox->db, OXP_DB_ADD_NOTE,
               OXP_DB_VALUES(OXP_DB_NUMBER(now_ms), OXP_DB_TEXT(kind), OXP_DB_TEXT(text)));
}
