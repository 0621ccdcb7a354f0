#include "alerts/outbox/internal.h"

/* A growing array in the caller's arena. */
struct items {
    struct oxp_arena *arena;
    void *items;
    size_t count, room, size;
};

static void *add_item(struct oxp_outbox *outbox, struct items *items) {
    if (items->count == items->room) {
        size_t room = items->room == 0 ? 16 : items->room * 2;
        void *grown = oxp_arena_grow(items->arena, items->items, items->room, room, items->size);
        if (grown == NULL) {
            oxp_db_fail(&outbox->db, oxp_arena_status(items->arena), "out of memory");
            return NULL;
        }
        items->items = grown;
        items->room = room;
    }
    return (char *)items->items + items->count++ * items->size;
}

static struct oxp_view copy(struct oxp_outbox *outbox, struct oxp_arena *arena, enum oxp_db_statement which,
                            int column) {
    struct oxp_view view = oxp_arena_copy(arena, oxp_db_view(&outbox->db, which, column));
    if (view.ptr == NULL) {
        oxp_db_fail(&outbox->db, oxp_arena_status(arena), "out of memory");
    }
    return view;
}

/* ---- The ledger ---- */

enum oxp_status oxp_outbox_value(struct oxp_outbox *outbox, struct oxp_view key, struct oxp_arena *arena,
                                 struct oxp_view *value_out) {
    enum oxp_status status = oxp_outbox_enter(outbox, true, NULL);
    if (status != OXP_OK) {
        return status;
    }
    if (oxp_db_first(&outbox->db, OXP_DB_VALUE, OXP_DB_VALUES(OXP_DB_TEXT(key)))) {
        *value_out = copy(outbox, arena, OXP_DB_VALUE, 0);
        oxp_db_done(&outbox->db, OXP_DB_VALUE);
    } else {
        oxp_db_fail(&outbox->db, OXP_ERR_NOT_FOUND, "no such key");
    }
    return oxp_outbox_leave(outbox, true, NULL);
}

enum oxp_status oxp_outbox_values(struct oxp_outbox *outbox, struct oxp_view prefix, struct oxp_arena *arena,
                                  struct oxp_outbox_value **values_out, size_t *count_out) {
    struct items items = {.arena = arena, .size = sizeof(struct oxp_outbox_value)};
    struct oxp_db *db = &outbox->db;
    enum oxp_status status = oxp_outbox_enter(outbox, true, NULL);
    if (status != OXP_OK) {
        return status;
    }
    bool more = oxp_db_first(db, OXP_DB_VALUES_FROM, OXP_DB_VALUES(OXP_DB_TEXT(prefix)));
    while (more && oxp_view_starts(oxp_db_view(db, OXP_DB_VALUES_FROM, 0), prefix)) {
        struct oxp_outbox_value *value = add_item(outbox, &items);
        if (value != NULL) {
            value->key = copy(outbox, arena, OXP_DB_VALUES_FROM, 0);
            value->value = copy(outbox, arena, OXP_DB_VALUES_FROM, 1);
        }
        more = oxp_db_next(db, OXP_DB_VALUES_FROM);
    }
    oxp_db_done(db, OXP_DB_VALUES_FROM);
    *values_out = items.items;
    *count_out = items.count;
    return oxp_outbox_leave(outbox, true, NULL);
}

/* ---- Messages ---- */

enum oxp_status oxp_outbox_list(struct oxp_outbox *outbox, const struct oxp_outbox_filter *filter,
                                struct oxp_arena *arena, struct oxp_outbox_message **messages_out, size_t *count_out) {
    struct items items = {.arena = arena, .size = sizeof(struct oxp_outbox_message)};
    struct oxp_db *db = &outbox->db;
    enum oxp_status status = oxp_outbox_enter(outbox, true, NULL);
    if (status != OXP_OK) {
        return status;
    }
    size_t limit = filter->limit == 0 ? 100 : filter->limit;
    bool more = oxp_db_first(db, OXP_DB_LIST,
                             OXP_DB_VALUES(OXP_DB_NUMBER(filter->below_id == 0 ? INT64_MAX : filter->below_id),
                                           OXP_DB_TEXT(filter->receiver),
                                           OXP_DB_NUMBER(filter->states == 0 ? -1 : (int64_t)filter->states),
                                           OXP_DB_NUMBER(limit > INT32_MAX ? INT32_MAX : (int64_t)limit)));
    while (more) {
        struct oxp_outbox_message *message = add_item(outbox, &items);
        if (message != NULL) {
            oxp_outbox_read_row(outbox, OXP_DB_LIST, arena, message, NULL);
        }
        more = oxp_db_next(db, OXP_DB_LIST);
    }
    *messages_out = items.items;
    *count_out = items.count;
    return oxp_outbox_leave(outbox, true, NULL);
}

enum oxp_status oxp_outbox_show(struct oxp_outbox *outbox, int64_t id, struct oxp_arena *arena,
                                struct oxp_outbox_message *message_out) {
    enum oxp_status status = oxp_outbox_enter(outbox, true, NULL);
    if (status != OXP_OK) {
        return status;
    }
    if (oxp_db_first(&outbox->db, OXP_DB_BY_ID, OXP_DB_VALUES(OXP_DB_NUMBER(id)))) {
        oxp_outbox_read_row(outbox, OXP_DB_BY_ID, arena, message_out, NULL);
        oxp_db_done(&outbox->db, OXP_DB_BY_ID);
        message_out->content = oxp_outbox_read_content(outbox, id, arena);
    } else {
        oxp_db_fail(&outbox->db, OXP_ERR_NOT_FOUND, "there is no such message");
    }
    return oxp_outbox_leave(outbox, true, NULL);
}

/* ---- Notes ---- */

enum oxp_status oxp_outbox_notes(struct oxp_outbox *outbox, size_t limit, struct oxp_arena *arena,
                                 struct oxp_outbox_noted **notes_out, size_t *count_out) {
    struct items items = {.arena = arena, .size = sizeof(struct oxp_outbox_noted)};
    struct oxp_db *db = &outbox->db;
    enum oxp_status status = oxp_outbox_enter(outbox, true, NULL);
    if (status != OXP_OK) {
        return status;
    }
    bool more =
        oxp_db_first(db, OXP_DB_NOTES, OXP_DB_VALUES(OXP_DB_NUMBER(limit > INT32_MAX ? INT32_MAX : (int64_t)limit)));
    while (more) {
        struct oxp_outbox_noted *note = add_item(outbox, &items);
        if (note != NULL) {
            note->id = oxp_db_number(db, OXP_DB_NOTES, 0);
            note->at_ms = oxp_db_number(db, OXP_DB_NOTES, 1);
            note->kind = copy(outbox, arena, OXP_DB_NOTES, 2);
            note->text = copy(outbox, arena, OXP_DB_NOTES, 3);
        }
        more = oxp_db_next(db, OXP_DB_NOTES);
    }
    *notes_out = items.items;
    *count_out = items.count;
    return oxp_outbox_leave(outbox, true, NULL);
}
