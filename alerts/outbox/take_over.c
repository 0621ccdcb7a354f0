#include "alerts/outbox/outbox.h"

#include "alerts/outbox/internal.h"

#define ALL ((size_t)INT32_MAX)
#define UNSENT (1u << OXP_OUTBOX_WAITING | 1u << OXP_OUTBOX_CLAIMED | 1u << OXP_OUTBOX_ASIDE)

static enum oxp_status take_messages(struct oxp_outbox *from, struct oxp_arena *arena, struct oxp_outbox_write *write) {
    const struct oxp_outbox_filter filter = {.states = UNSENT, .limit = ALL};
    struct oxp_outbox_message *listed;
    size_t count = 0;
    enum oxp_status status = oxp_outbox_list(from, &filter, arena, &listed, &count);
    struct oxp_outbox_message *whole = oxp_arena_zero(arena, count + 1, sizeof *whole);
    for (size_t i = 0; i < count && status == OXP_OK; i++) { /* the list has the newest first */
        status = whole == NULL ? OXP_ERR_NOMEM : oxp_outbox_show(from, listed[count - 1 - i].id, arena, &whole[i]);
    }
    write->messages = whole;
    write->message_count = count;
    return status;
}

static bool has_family(const struct oxp_outbox_value *values, size_t count, struct oxp_view prefix) {
    for (size_t i = 0; i < count; i++) {
        if (oxp_view_starts(values[i].key, prefix)) {
            return true;
        }
    }
    return false;
}

static enum oxp_status take_values(struct oxp_outbox *from, struct oxp_outbox *to, struct oxp_view whole,
                                   struct oxp_arena *arena, struct oxp_outbox_write *write) {
    struct oxp_outbox_value *own = NULL, *old = NULL;
    size_t own_count = 0, old_count = 0;
    enum oxp_status status = oxp_outbox_values(from, OXP_VIEW(""), arena, &own, &own_count);
    if (status == OXP_OK && has_family(own, own_count, whole)) {
        status = oxp_outbox_values(to, whole, arena, &old, &old_count);
    }
    struct oxp_outbox_value *values = oxp_arena_zero(arena, own_count + old_count + 1, sizeof *values);
    if (status != OXP_OK || values == NULL) {
        return status != OXP_OK ? status : OXP_ERR_NOMEM;
    }
    for (size_t i = 0; i < old_count; i++) {
        values[write->value_count++].key = old[i].key; /* removed; what `from` has comes behind it */
    }
    for (size_t i = 0; i < own_count; i++) {
        values[write->value_count++] = own[i];
    }
    write->values = values;
    return OXP_OK;
}

static enum oxp_status take_notes(struct oxp_outbox *from, struct oxp_arena *arena, struct oxp_outbox_write *write) {
    struct oxp_outbox_noted *noted;
    size_t count = 0;
    enum oxp_status status = oxp_outbox_notes(from, ALL, arena, &noted, &count);
    struct oxp_outbox_note *notes = oxp_arena_zero(arena, count + 1, sizeof *notes);
    if (status != OXP_OK || notes == NULL) {
        return status != OXP_OK ? status : OXP_ERR_NOMEM;
    }
    for (size_t i = 0; i < count; i++) {
        notes[i] = (struct oxp_outbox_note){noted[count - 1 - i].kind, noted[count - 1 - i].text};
    }
    write->notes = notes;
    write->note_count = count;
    return OXP_OK;
}

enum oxp_status oxp_outbox_take_over(struct oxp_outbox *from, struct oxp_outbox *to, struct oxp_view whole,
                                     int64_t now_ms, size_t *messages_out, struct oxp_error *error) {
    struct oxp_outbox_write write = {0};
    struct oxp_arena arena;
    oxp_arena_init(&arena, 0);
    enum oxp_status status = take_messages(from, &arena, &write);
    status = status == OXP_OK ? take_values(from, to, whole, &arena, &write) : status;
    status = status == OXP_OK ? take_notes(from, &arena, &write) : status;
    if (status != OXP_OK) {
        oxp_error_set(error, status, 0, 0, "%s", oxp_status_text(status));
    } else if (write.message_count + write.value_count + write.note_count > 0) {
        status = oxp_outbox_put(to, &write, now_ms, error);
    }
    *messages_out = write.message_count;
    oxp_arena_fini(&arena);
    return status;
}
