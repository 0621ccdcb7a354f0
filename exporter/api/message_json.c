#include "exporter/api/message_json.h"

#include <math.h>

struct oxp_json *oxp_message_time(int64_t ms) {
    return oxp_json_number(ms <= 0 ? (double)NAN : (double)ms / 1000);
}

struct oxp_json *oxp_message_json(const struct oxp_outbox_message *message, enum oxp_status *status) {
    const struct oxp_outbox_message *m = message;
    struct oxp_json *object = oxp_json_object();
    const struct {
        const char *key;
        struct oxp_json *value;
    } fields[] = {
        {"id", oxp_json_count((uint64_t)m->id)},
        {"state", oxp_json_text(oxp_view_from(oxp_outbox_state_name(m->state)))},
        {"receiver", oxp_json_text(m->receiver)},
        {"integration", oxp_json_text(m->integration)},
        {"group", oxp_json_text(m->group)},
        {"priority", oxp_json_text(oxp_view_from(oxp_outbox_priority_name(m->priority)))},
        {"summary", oxp_json_text(m->summary)},
        {"tries", oxp_json_count(m->tries)},
        {"answer", oxp_json_text(m->answer)},
        {"since_s", oxp_message_time(m->since_ms)},
        {"made_s", oxp_message_time(m->made_ms)},
        {"due_s", oxp_message_time(m->state == OXP_OUTBOX_WAITING ? m->due_ms : 0)},
        {"changed_s", oxp_message_time(m->changed_ms)},
        {"expires_s", oxp_message_time(m->expires_ms)},
    };
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        enum oxp_status set = oxp_json_set(object, fields[i].key, fields[i].value);
        *status = *status == OXP_OK ? set : *status;
    }
    return object;
}
