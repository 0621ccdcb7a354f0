/* A queue of records in a fixed block of memory: what callers put in, the client's thread takes out.
 *
 * Positions only grow (until it is empty, and begins again); a record lies in one piece, at position modulo size.
 * Everything is done under the client's lock, but for reading the bytes of records while the ring is pinned: then
 * nobody drops what is there. */
#ifndef OXP_CLIENT_RING_H
#define OXP_CLIENT_RING_H

#include <oxpecker/status.h>
#include <oxpecker/view.h>
#include <stdint.h>

/* What an event says about something that is open, and what sort of thing that is (watch.c). */
enum oxp_watch_verb { OXP_WATCH_NOTHING, OXP_WATCH_OPEN, OXP_WATCH_CLOSE, OXP_WATCH_STATE, OXP_WATCH_SKIP };
enum oxp_watch_kind {
    OXP_OPEN_RUN,
    OXP_OPEN_SESSION,
    OXP_OPEN_CREATION,
    OXP_OPEN_TASK,
    OXP_OPEN_BREAKER,
    OXP_OPEN_DEGRADED,
    OXP_OPEN_INCIDENT,
    OXP_OPEN_KINDS
};

enum oxp_record_flags {
    OXP_RECORD_HAS_RESUMED = 1 << 0, /* the body has a field of that name already */
    OXP_RECORD_HAS_STARTED_AT = 1 << 1,
    OXP_RECORD_HAS_STATE = 1 << 2,
    OXP_RECORD_APPLIED = 1 << 3, /* the memory of what is open has it already */
};

/* One event: this, then key, ref, state and body, without separators. */
struct oxp_record {
    uint32_t size; /* bytes to the next one, a multiple of OXP_RECORD_ALIGN */
    uint8_t verb;  /* enum oxp_watch_verb */
    uint8_t kind;  /* enum oxp_watch_kind */
    uint8_t flags;
    uint8_t key_len;
    uint64_t ticket; /* order of the events, from 1 */
    int64_t ts_us;   /* unix time, microseconds; 0 = when it is put in */
    uint16_t body_len;
    uint8_t ref_len;
    uint8_t state_len;
    uint32_t unused;
};

#define OXP_RECORD_ALIGN 16

static inline const char *oxp_record_bytes(const struct oxp_record *record) {
    return (const char *)(record + 1);
}
static inline struct oxp_view oxp_record_key(const struct oxp_record *record) {
    return oxp_view_of(oxp_record_bytes(record), record->key_len);
}
static inline struct oxp_view oxp_record_ref(const struct oxp_record *record) {
    return oxp_view_of(oxp_record_bytes(record) + record->key_len, record->ref_len);
}
static inline struct oxp_view oxp_record_state(const struct oxp_record *record) {
    return oxp_view_of(oxp_record_bytes(record) + record->key_len + record->ref_len, record->state_len);
}
static inline struct oxp_view oxp_record_body(const struct oxp_record *record) {
    return oxp_view_of(oxp_record_bytes(record) + record->key_len + record->ref_len + record->state_len,
                       record->body_len);
}

struct oxp_ring {
    char *data; /* owned */
    uint64_t size;
    uint64_t head, tail;
    bool pinned;
};

/* `size`: a power of two, at least 32 KiB. The memory costs nothing before it is used. OXP_ERR_NOMEM. */
enum oxp_status oxp_ring_init(struct oxp_ring *ring, uint64_t size);
void oxp_ring_fini(struct oxp_ring *ring);

static inline uint64_t oxp_ring_used(const struct oxp_ring *ring) {
    return ring->head - ring->tail;
}

/* Room for a record of `size` bytes (a multiple of OXP_RECORD_ALIGN), to be filled before the lock is let go. When the
 * ring is full and `drop` is given, the oldest records make room, unless the ring is pinned, and are counted there.
 * NULL when there is no room. */
struct oxp_record *oxp_ring_push(struct oxp_ring *ring, uint32_t size, uint64_t *drop);

/* Lets go what lies before `tail`, and unpins. An empty ring begins at the front again: memory that was used lately is
 * warm, and a host that reports little touches little. */
static inline void oxp_ring_release(struct oxp_ring *ring, uint64_t tail) {
    ring->tail = tail;
    ring->pinned = false;
    if (ring->head == tail) {
        ring->head = ring->tail = 0;
    }
}

/* The record at position *at, which moves to it over a gap at the end of the block; NULL when *at is `head`. */
const struct oxp_record *oxp_ring_at(const struct oxp_ring *ring, uint64_t *at, uint64_t head);

#endif
