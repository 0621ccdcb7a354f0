#include "alerts/delivery/suspects.h"

#include "lib/base/crc32.h"

/* Two groups of one sum share what is known of them, which does little harm. */
static uint64_t key_of(const struct oxp_outbox_message *message) {
    const uint64_t grouped = UINT64_C(1) << 63; /* ids are not negative */
    return message->group.len == 0 ? (uint64_t)message->id
                                   : grouped | oxp_crc32c(0, message->group.ptr, message->group.len);
}

static struct oxp_suspect *find(struct oxp_suspects *suspects, uint64_t key) {
    for (size_t i = 0; i < suspects->count; i++) {
        if (suspects->items[i].key == key) {
            return &suspects->items[i];
        }
    }
    return NULL;
}

static struct oxp_suspect *room_for_one(struct oxp_suspects *suspects) {
    if (suspects->count < OXP_SUSPECTS_MAX) {
        return &suspects->items[suspects->count++];
    }
    struct oxp_suspect *first = suspects->items;
    for (size_t i = 1; i < suspects->count; i++) {
        if (suspects->items[i].failed_at < first->failed_at) {
            first = &suspects->items[i];
        }
    }
    return first;
}

unsigned oxp_suspects_add(struct oxp_suspects *suspects, const struct oxp_outbox_message *message, uint64_t delivered,
                          bool *is_own_out) {
    uint64_t key = key_of(message);
    struct oxp_suspect *suspect = find(suspects, key);
    *is_own_out = suspect != NULL && delivered > suspect->delivered;
    if (suspect == NULL) {
        suspect = room_for_one(suspects);
        *suspect = (struct oxp_suspect){.key = key};
    }
    suspect->own += *is_own_out;
    suspect->delivered = delivered;
    suspect->failed_at = ++suspects->failures;
    return suspect->own;
}

void oxp_suspects_forget(struct oxp_suspects *suspects, const struct oxp_outbox_message *message) {
    struct oxp_suspect *suspect = find(suspects, key_of(message));
    if (suspect != NULL) {
        *suspect = suspects->items[--suspects->count];
    }
}
