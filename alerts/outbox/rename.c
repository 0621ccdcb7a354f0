/* A queue gets another name. */
#include "alerts/outbox/internal.h"

#define ALL_STATES ((1 << OXP_OUTBOX_STATES) - 1)

/* The next older message of the queue. */
static bool next_of(struct oxp_outbox *outbox, struct oxp_view receiver, int64_t below_id,
                    struct oxp_outbox_message *message_out, uint32_t *crc_out) {
    if (!oxp_db_first(&outbox->db, OXP_DB_LIST,
                      OXP_DB_VALUES(OXP_DB_NUMBER(below_id), OXP_DB_TEXT(receiver), OXP_DB_NUMBER(ALL_STATES),
                                    OXP_DB_NUMBER(1)))) {
        return false;
    }
    oxp_outbox_read_row(outbox, OXP_DB_LIST, &outbox->scratch, message_out, crc_out);
    oxp_db_done(&outbox->db, OXP_DB_LIST);
    return oxp_db_is_well(&outbox->db);
}

/* The checksum covers the receiver. One that is wrong stays so: the damage must show when it is claimed. */
static uint32_t renamed_crc(struct oxp_outbox *outbox, struct oxp_outbox_message *message, struct oxp_view to,
                            uint32_t crc) {
    struct oxp_arena arena;
    oxp_arena_init(&arena, 0);
    message->content = oxp_outbox_read_content(outbox, message->id, &arena);
    bool whole = oxp_outbox_checksum(message) == crc;
    message->receiver = to;
    crc = whole ? oxp_outbox_checksum(message) : crc;
    message->content = oxp_view_of(NULL, 0);
    oxp_arena_fini(&arena);
    return crc;
}

/* Two of one group may not wait in one queue: the older one makes way. */
static void make_way(struct oxp_outbox *outbox, struct oxp_outbox_message *message, struct oxp_view to,
                     int64_t now_ms) {
    struct oxp_outbox_message other;
    if (message->state != OXP_OUTBOX_WAITING || message->group.len == 0 ||
        !oxp_outbox_find(outbox, OXP_DB_OF_GROUP, OXP_DB_VALUES(OXP_DB_TEXT(to), OXP_DB_TEXT(message->group)),
                         &other)) {
        return;
    }
    oxp_outbox_drop(outbox, message->id < other.id ? message : &other, OXP_OUTBOX_SUPERSEDING, now_ms);
}

enum oxp_status oxp_outbox_rename(struct oxp_outbox *outbox, struct oxp_view from, struct oxp_view to, int64_t now_ms,
                                  size_t *count_out) {
    struct oxp_outbox_message message;
    size_t count = 0;
    uint32_t crc = 0;
    *count_out = 0;
    enum oxp_status status = oxp_outbox_enter(outbox, false, NULL);
    if (status != OXP_OK) {
        return status;
    }
    for (int64_t id = INT64_MAX; next_of(outbox, from, id, &message, &crc); id = message.id) {
        make_way(outbox, &message, to, now_ms);
        oxp_db_run(&outbox->db, OXP_DB_RENAME,
                   OXP_DB_VALUES(OXP_DB_NUMBER(message.id), OXP_DB_TEXT(to),
                                 OXP_DB_NUMBER((int64_t)renamed_crc(outbox, &message, to, crc))));
        count++;
    }
    status = oxp_outbox_leave(outbox, false, NULL);
    *count_out = status == OXP_OK ? count : 0;
    return status;
}
