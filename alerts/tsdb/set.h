/* A hash set of pointers, open addressing with linear probing and backward shift, whose memory is counted. For the
 * index alone. The writer owns it; where readers look too, they do so under the memory's lock, and the writer takes it
 * for oxp_set_put and oxp_set_drop. Making it larger is done aside and takes the lock for a moment only. */
#ifndef OXP_TSDB_SET_H
#define OXP_TSDB_SET_H

#include "alerts/tsdb/memory.h"

struct oxp_set {
    void **items;        /* NULL = free; the hashes are in the same piece, behind them */
    uint32_t *hashes;    /* of the items */
    size_t slots, count; /* slots: 0 or a power of two */
};

/* Whether the item is the one that `key` means. */
typedef bool (*oxp_set_is_fn)(const void *item, const void *key);

/* Room for `more` items beside those that are there. OXP_ERR_NOMEM, OXP_ERR_FULL. Takes the lock. */
enum oxp_status oxp_set_reserve(struct oxp_set *set, struct oxp_memory *memory, size_t more);
void *oxp_set_find(const struct oxp_set *set, uint32_t hash, oxp_set_is_fn is, const void *key);
/* There is room, and no equal item. */
void oxp_set_put(struct oxp_set *set, uint32_t hash, void *item);
/* The item is there. */
void oxp_set_drop(struct oxp_set *set, uint32_t hash, const void *item);

#endif
