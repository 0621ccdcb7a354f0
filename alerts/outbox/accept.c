#include "alerts/outbox/internal.h"

/* The older one of its group gives way before the newer is there: the index allows one only. Gives the answer that the
 * older one had last, which is why the newer one waits, too; empty when there is none. */
static struct oxp_view supersede(struct oxp_outbox *outbox, const struct oxp_outbox_message *newer, int64_t now_ms) {
    struct oxp_outbox_message older;
    struct oxp_view answer = OXP_VIEW("");
    if (newer->group.len > 0 &&
        oxp_outbox_find(outbox, OXP_DB_OF_GROUP, OXP_DB_VALUES(OXP_DB_TEXT(newer->receiver), OXP_DB_TEXT(newer->group)),
                        &older)) {
        answer = older.answer;
        oxp_outbox_drop(outbox, &older, OXP_OUTBOX_SUPERSEDING, now_ms);
    }
    return answer;
}

static void add_message(struct oxp_outbox *outbox, const struct oxp_outbox_message *message, int64_t now_ms,
                        int64_t *id_out) {
    int64_t made_ms = message->made_ms == 0 ? now_ms : message->made_ms;
    int64_t expires_ms = message->expires_ms == 0 ? made_ms + outbox->options.age_max_ms : message->expires_ms;
    struct oxp_db *db = &outbox->db;
    struct oxp_view answer = supersede(outbox, message, now_ms);
    oxp_db_run(db, OXP_DB_ADD_MESSAGE,
               OXP_DB_VALUES(OXP_DB_TEXT(message->receiver), OXP_DB_TEXT(message->integration),
                             OXP_DB_TEXT(message->group), OXP_DB_NUMBER((int64_t)message->priority),
                             OXP_DB_NUMBER(message->since_ms == 0 ? made_ms : message->since_ms),
                             OXP_DB_NUMBER(made_ms), OXP_DB_NUMBER(message->due_ms), OXP_DB_NUMBER(expires_ms),
                             OXP_DB_NUMBER(now_ms), OXP_DB_TEXT(message->summary),
                             OXP_DB_NUMBER((int64_t)oxp_outbox_checksum(message)), OXP_DB_TEXT(answer)));
    if (!oxp_db_is_well(db)) {
        return;
    }
    *id_out = oxp_db_last_id(db);
    oxp_db_run(db, OXP_DB_ADD_CONTENT, OXP_DB_VALUES(OXP_DB_NUMBER(*id_out), OXP_DB_BYTES(message->content)));
    oxp_outbox_count(outbox, message->integration, OXP_OUTBOX_WAITING, 1);
}

static void set_value(struct oxp_outbox *outbox, const struct oxp_outbox_value *value) {
    if (value->value.ptr == NULL) {
        oxp_db_run(&outbox->db, OXP_DB_REMOVE_VALUE, OXP_DB_VALUES(OXP_DB_TEXT(value->key)));
    } else {
        oxp_db_run(&outbox->db, OXP_DB_SET_VALUE, OXP_DB_VALUES(OXP_DB_TEXT(value->key), OXP_DB_BYTES(value->value)));
    }
}

static enum oxp_status check(const struct oxp_outbox_write *write, struct oxp_error *error) {
    for (size_t i = 0; i < write->message_count; i++) {
        if (write->messages[i].content.len > OXP_OUTBOX_CONTENT_MAX) {
            return oxp_error_set(error, OXP_ERR_LIMIT, 0, 0, "a message of %zu bytes is too long for the outbox (%u)",
                                 write->messages[i].content.len, OXP_OUTBOX_CONTENT_MAX);
        }
        if ((unsigned)write->messages[i].priority >= OXP_OUTBOX_PRIORITIES) {
            return oxp_error_set(error, OXP_ERR_INVALID, 0, 0, "a message without a priority");
        }
    }
    return OXP_OK;
}

enum oxp_status oxp_outbox_put(struct oxp_outbox *outbox, const struct oxp_outbox_write *write, int64_t now_ms,
                               struct oxp_error *error) {
    enum oxp_status status = check(write, error);
    if (status != OXP_OK) {
        return status;
    }
    oxp_outbox_at_point(outbox, "accept");
    if ((status = oxp_outbox_enter(outbox, false, error)) != OXP_OK) {
        return status;
    }
    int64_t id = 0;
    for (size_t i = 0; i < write->message_count; i++) {
        add_message(outbox, &write->messages[i], now_ms, &id);
        if (write->ids_out != NULL) {
            write->ids_out[i] = id;
        }
    }
    for (size_t i = 0; i < write->value_count; i++) {
        set_value(outbox, &write->values[i]);
    }
    for (size_t i = 0; i < write->note_count; i++) {
        oxp_outbox_add_note(outbox, write->notes[i].kind, write->notes[i].text, now_ms);
    }
    if (write->message_count > 0) {
        oxp_outbox_bound(outbox, now_ms);
    }
    oxp_outbox_at_point(outbox, "commit");
    outbox->last_id = id > outbox->last_id ? id : outbox->last_id;
    return oxp_outbox_leave(outbox, false, error);
}
