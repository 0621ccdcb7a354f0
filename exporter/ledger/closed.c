#include "exporter/ledger/closed.h"

#include "lib/base/map.h"
#include "lib/base/random.h"
#include <stdlib.h>

/* The lowest bit of an entry is its state, so a hash never has it; 0 is a free slot, so no hash is 0. */
#define WRITTEN_OFF UINT64_C(1)

void oxp_closed_init(struct oxp_closed *closed) {
    struct oxp_random random;
    oxp_random_init(&random);
    *closed = (struct oxp_closed){.seed = oxp_random_u64(&random)};
}

void oxp_closed_fini(struct oxp_closed *closed) {
    free(closed->ring);
    free(closed->table);
    *closed = (struct oxp_closed){.seed = closed->seed};
}

uint64_t oxp_closed_hash(const struct oxp_closed *closed, char kind, struct oxp_view id) {
    uint64_t seed = oxp_hash(&kind, 1, closed->seed); /* the same id of another kind is another thing */
    uint64_t hash = oxp_hash(id.ptr, id.len, seed) & ~WRITTEN_OFF;
    return hash == 0 ? 2 : hash;
}

static size_t slot_of(const struct oxp_closed *closed, uint64_t hash) {
    size_t i = (size_t)(hash >> 8) & (closed->slots - 1);
    while (closed->table[i] != 0 && (closed->table[i] & ~WRITTEN_OFF) != hash) {
        i = (i + 1) & (closed->slots - 1);
    }
    return i;
}

enum oxp_closed_how oxp_closed_find(const struct oxp_closed *closed, uint64_t hash) {
    uint64_t entry = closed->slots == 0 ? 0 : closed->table[slot_of(closed, hash)];
    if (entry == 0) {
        return OXP_CLOSED_NOT;
    }
    return (entry & WRITTEN_OFF) != 0 ? OXP_CLOSED_WRITTEN_OFF : OXP_CLOSED_ENDED;
}

/* Twice the room, up to the cap: the ring straightened, the table twice the ring. */
static bool grow(struct oxp_closed *closed) {
    size_t size = closed->ring_size == 0 ? 256 : closed->ring_size * 2;
    uint64_t *ring = malloc(size * sizeof *ring);
    uint64_t *table = calloc(size * 2, sizeof *table);
    if (ring == NULL || table == NULL) {
        free(ring);
        free(table);
        return false;
    }
    struct oxp_closed old = *closed;
    *closed = (struct oxp_closed){.seed = old.seed, .ring = ring, .ring_size = size, .table = table, .slots = size * 2};
    size_t index = 0;
    uint64_t hash;
    enum oxp_closed_how how;
    while (oxp_closed_next(&old, &index, &hash, &how)) {
        ring[closed->ring_next++] = hash;
        table[slot_of(closed, hash)] = hash | (how == OXP_CLOSED_WRITTEN_OFF ? WRITTEN_OFF : 0);
        closed->count++;
    }
    oxp_closed_fini(&old);
    return true;
}

/* Knuth 6.4, algorithm R. */
static void table_remove(struct oxp_closed *closed, uint64_t hash) {
    size_t mask = closed->slots - 1, hole = slot_of(closed, hash);
    if (closed->table[hole] == 0) {
        return;
    }
    for (size_t i = (hole + 1) & mask; closed->table[i] != 0; i = (i + 1) & mask) {
        size_t home = (size_t)(closed->table[i] >> 8) & mask;
        if (((i - home) & mask) >= ((i - hole) & mask)) {
            closed->table[hole] = closed->table[i];
            hole = i;
        }
    }
    closed->table[hole] = 0;
}

void oxp_closed_put(struct oxp_closed *closed, uint64_t hash, enum oxp_closed_how how) {
    uint64_t entry = hash | (how == OXP_CLOSED_WRITTEN_OFF ? WRITTEN_OFF : 0);
    if (oxp_closed_find(closed, hash) != OXP_CLOSED_NOT) {
        closed->table[slot_of(closed, hash)] = entry;
        return;
    }
    if (closed->count == closed->ring_size && (closed->ring_size >= OXP_CLOSED_MAX || !grow(closed))) {
        if (closed->ring_size == 0) {
            return;
        }
        table_remove(closed, closed->ring[closed->ring_next]);
        closed->count--;
    }
    closed->ring[closed->ring_next] = hash;
    closed->ring_next = (closed->ring_next + 1) % closed->ring_size;
    closed->table[slot_of(closed, hash)] = entry;
    closed->count++;
}

void oxp_closed_remove(struct oxp_closed *closed, uint64_t hash) {
    if (closed->slots != 0) {
        /* The ring keeps the hash until its turn comes; it may then take out a newer entry of the same id, which
         * costs no more than forgetting that one early. */
        table_remove(closed, hash);
    }
}

bool oxp_closed_next(const struct oxp_closed *closed, size_t *index, uint64_t *hash_out, enum oxp_closed_how *how_out) {
    while (*index < closed->count) {
        size_t first = (closed->ring_next + closed->ring_size - closed->count) % closed->ring_size;
        *hash_out = closed->ring[(first + (*index)++) % closed->ring_size];
        *how_out = oxp_closed_find(closed, *hash_out);
        if (*how_out != OXP_CLOSED_NOT) {
            return true;
        }
    }
    return false;
}
