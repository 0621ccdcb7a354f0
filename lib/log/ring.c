/* Slots of pointers under one small lock that is never waited for by who adds: the record is copied before, the one
 * that it replaces is freed after. The lock is a flag, not a mutex, so that a forked child in which nobody will ever
 * release it stays able to go on (it loses its ring, not its logger). */
#include "lib/log/ring.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

enum { TRACE_ID_MAX = 32, TRIES_TO_ADD = 200, YIELDS = 2, TRIES_TO_READ = 1000, COPIED_AT_ONCE = 16 };

struct slot {
    uint64_t number; /* from 1, in order of adding; 0 = empty */
    double ts;
    enum oxp_log_level level;
    size_t trace_id_len, json_len;
    char bytes[]; /* trace id, JSON */
};

struct oxp_ring {
    size_t capacity;
    atomic_flag busy;
    atomic_ullong missed;
    atomic_size_t held;
    uint64_t last; /* number of the newest */
    struct slot *slots[];
};

enum oxp_status oxp_ring_new(size_t capacity, struct oxp_ring **ring_out) {
    capacity = capacity == 0 ? OXP_RING_CAPACITY : capacity;
    /* the slots are pointers: NOLINTNEXTLINE(bugprone-sizeof-expression) */
    struct oxp_ring *ring = calloc(1, sizeof *ring + capacity * sizeof *ring->slots);
    if (ring == NULL) {
        return OXP_ERR_NOMEM;
    }
    ring->capacity = capacity;
    atomic_flag_clear(&ring->busy);
    atomic_init(&ring->missed, 0);
    atomic_init(&ring->held, 0);
    *ring_out = ring;
    return OXP_OK;
}

void oxp_ring_free(struct oxp_ring *ring) {
    if (ring == NULL) {
        return;
    }
    for (size_t i = 0; i < ring->capacity; i++) {
        free(ring->slots[i]);
    }
    free(ring);
}

/* Who reads may wait a little: at most some tenth of a second, so that a child does not burn its time on a lock that
 * nobody will let go of. */
static bool enter(struct oxp_ring *ring, unsigned tries) {
    const struct timespec pause = {0, 50000};
    for (unsigned i = 0; i < tries; i++) {
        if (!atomic_flag_test_and_set_explicit(&ring->busy, memory_order_acquire)) {
            return true;
        }
        if (i < TRIES_TO_ADD - YIELDS) {
            atomic_thread_fence(memory_order_seq_cst); /* a short while: who is in there has a few stores to make */
        } else if (i < TRIES_TO_ADD) {
            sched_yield(); /* it was put to sleep in there. On a busy machine a yield may cost a time slice: two are
                              enough */
        } else {
            nanosleep(&pause, NULL);
        }
    }
    return false;
}

static void leave(struct oxp_ring *ring) {
    atomic_flag_clear_explicit(&ring->busy, memory_order_release);
}

bool oxp_ring_add(struct oxp_ring *ring, const struct oxp_log_entry *entry) {
    size_t trace_id_len = entry->trace_id.len < TRACE_ID_MAX ? entry->trace_id.len : TRACE_ID_MAX;
    struct slot *slot = malloc(sizeof *slot + trace_id_len + entry->json.len), *replaced = NULL;
    if (slot == NULL) {
        atomic_fetch_add(&ring->missed, 1);
        return false;
    }
    slot->ts = entry->ts;
    slot->level = entry->level;
    slot->trace_id_len = trace_id_len;
    slot->json_len = entry->json.len;
    if (trace_id_len != 0) {
        memcpy(slot->bytes, entry->trace_id.ptr, trace_id_len);
    }
    memcpy(slot->bytes + trace_id_len, entry->json.ptr, entry->json.len);
    if (!enter(ring, TRIES_TO_ADD)) {
        atomic_fetch_add(&ring->missed, 1);
        free(slot);
        return false;
    }
    slot->number = ++ring->last;
    struct slot **place = &ring->slots[slot->number % ring->capacity];
    replaced = *place;
    *place = slot;
    leave(ring);
    if (replaced == NULL) {
        atomic_fetch_add(&ring->held, 1);
    }
    free(replaced);
    return true;
}

/* Copies of the slots with numbers `from` down to `from - count + 1`; a slot that was replaced gives NULL. False when
 * the lock cannot be had, or there is no memory. */
static bool copy_some(struct oxp_ring *ring, uint64_t from, size_t count, struct slot **copies) {
    bool done = true;
    if (!enter(ring, TRIES_TO_READ)) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        const struct slot *slot = ring->slots[(from - i) % ring->capacity];
        copies[i] = NULL;
        if (slot == NULL || slot->number != from - i) {
            continue;
        }
        size_t size = sizeof *slot + slot->trace_id_len + slot->json_len;
        copies[i] = malloc(size);
        done = done && copies[i] != NULL;
        if (copies[i] != NULL) {
            memcpy(copies[i], slot, size);
        }
    }
    leave(ring);
    return done;
}

static bool show(const struct slot *slot, bool (*each)(void *ctx, const struct oxp_log_entry *entry), void *ctx) {
    const struct oxp_log_entry entry = {.ts = slot->ts,
                                        .level = slot->level,
                                        .trace_id = {slot->bytes, slot->trace_id_len},
                                        .json = {slot->bytes + slot->trace_id_len, slot->json_len}};
    return each(ctx, &entry);
}

void oxp_ring_each(const struct oxp_ring *ring, size_t most, bool (*each)(void *ctx, const struct oxp_log_entry *entry),
                   void *ctx) {
    struct oxp_ring *open = (struct oxp_ring *)(uintptr_t)ring; /* its lock is no part of what it says */
    struct slot *copies[COPIED_AT_ONCE];
    if (!enter(open, TRIES_TO_READ)) {
        return;
    }
    uint64_t newest = ring->last;
    leave(open);
    uint64_t left = newest < ring->capacity ? newest : ring->capacity;
    left = most != 0 && most < left ? most : left;
    bool go_on = true;
    for (uint64_t at = newest; go_on && left > 0;) {
        size_t count = left < COPIED_AT_ONCE ? (size_t)left : COPIED_AT_ONCE;
        memset(copies, 0, sizeof copies);
        go_on = copy_some(open, at, count, copies);
        for (size_t i = 0; i < count; i++) {
            go_on = go_on && (copies[i] == NULL || show(copies[i], each, ctx));
            free(copies[i]);
        }
        at -= count;
        left -= count;
    }
}

size_t oxp_ring_held(const struct oxp_ring *ring) {
    return atomic_load(&ring->held);
}

uint64_t oxp_ring_missed(const struct oxp_ring *ring) {
    return atomic_load(&ring->missed);
}
