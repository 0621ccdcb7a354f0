/* What has ended: the last ids of sessions, tasks and runs that are no longer open, so that a second end is ignored and
 * what was written off can come back without being counted again.
 *
 * Ids are kept as 64-bit hashes, the newest OXP_CLOSED_MAX of them. Owned by one thread. */
#ifndef OXP_LEDGER_CLOSED_H
#define OXP_LEDGER_CLOSED_H

#include <oxpecker/status.h>
#include <oxpecker/view.h>
#include <stdint.h>

#define OXP_CLOSED_MAX 16384

enum oxp_closed_how {
    OXP_CLOSED_NOT,        /* not known as ended */
    OXP_CLOSED_ENDED,      /* its end was reported */
    OXP_CLOSED_WRITTEN_OFF /* counted as ended because its owner was lost or its time was over */
};

struct oxp_closed {
    uint64_t seed;
    uint64_t *ring; /* hashes, the lowest bit set for those written off */
    size_t ring_size, ring_next, count;
    uint64_t *table; /* the same, by hash; 0 = free */
    size_t slots;
};

/* An empty set; allocates nothing. */
void oxp_closed_init(struct oxp_closed *closed);
void oxp_closed_fini(struct oxp_closed *closed);
/* `kind` keeps the ids of different things apart ('s', 't', 'r'). */
uint64_t oxp_closed_hash(const struct oxp_closed *closed, char kind, struct oxp_view id);
enum oxp_closed_how oxp_closed_find(const struct oxp_closed *closed, uint64_t hash);
/* Puts or replaces; the oldest goes when it is full. Out of memory means that the id is not remembered. */
void oxp_closed_put(struct oxp_closed *closed, uint64_t hash, enum oxp_closed_how how);
void oxp_closed_remove(struct oxp_closed *closed, uint64_t hash);
/* Walks from the oldest to the newest: start with `*index` 0; false at the end. */
bool oxp_closed_next(const struct oxp_closed *closed, size_t *index, uint64_t *hash_out, enum oxp_closed_how *how_out);

#endif
