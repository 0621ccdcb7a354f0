#include "lib/client/ring.h"

#include <stdlib.h>

enum oxp_status oxp_ring_init(struct oxp_ring *ring, uint64_t size) {
    *ring = (struct oxp_ring){.size = size, .data = malloc(size)};
    return ring->data == NULL ? OXP_ERR_NOMEM : OXP_OK;
}

void oxp_ring_fini(struct oxp_ring *ring) {
    free(ring->data);
    *ring = (struct oxp_ring){.data = NULL};
}

static struct oxp_record *place(const struct oxp_ring *ring, uint64_t at) {
    /* Positions are multiples of OXP_RECORD_ALIGN, and malloc aligns as much. */
    return (struct oxp_record *)(void *)(ring->data + (at & (ring->size - 1)));
}

const struct oxp_record *oxp_ring_at(const struct oxp_ring *ring, uint64_t *at, uint64_t head) {
    while (*at != head) {
        const struct oxp_record *record = place(ring, *at);
        if (record->verb != OXP_WATCH_SKIP) {
            return record;
        }
        *at += record->size;
    }
    return NULL;
}

static void drop_oldest(struct oxp_ring *ring, uint64_t *drop) {
    const struct oxp_record *record = oxp_ring_at(ring, &ring->tail, ring->head);
    if (record != NULL) {
        ring->tail += record->size;
        ++*drop;
    }
}

struct oxp_record *oxp_ring_push(struct oxp_ring *ring, uint32_t size, uint64_t *drop) {
    uint64_t to_end = ring->size - (ring->head & (ring->size - 1));
    uint64_t need = size <= to_end ? size : to_end + size;
    while (ring->size - oxp_ring_used(ring) < need) {
        if (drop == NULL || ring->pinned || oxp_ring_used(ring) == 0) {
            return NULL;
        }
        drop_oldest(ring, drop);
    }
    if (size > to_end) {
        struct oxp_record *gap = place(ring, ring->head); /* of a gap only `size` and `verb` are there for sure */
        gap->size = (uint32_t)to_end;
        gap->verb = OXP_WATCH_SKIP;
        ring->head += to_end;
    }
    struct oxp_record *record = place(ring, ring->head);
    record->size = size;
    ring->head += size;
    return record;
}
