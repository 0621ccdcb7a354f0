/* The newest records, in memory: a ring of a fixed number of entries, each the JSON of one record with what it is
 * filtered by. Any thread. Adding never waits: when a reader is at the ring just then, and stays, the record is left
 * out and counted. Readers copy a few entries at a time. */
#ifndef OXP_LOG_RING_H
#define OXP_LOG_RING_H

#include <oxpecker/log.h>

#define OXP_RING_CAPACITY 1000

struct oxp_ring;
/* `capacity` 0 = OXP_RING_CAPACITY. OXP_ERR_NOMEM. Memory is used as records come. */
enum oxp_status oxp_ring_new(size_t capacity, struct oxp_ring **ring_out);
void oxp_ring_free(struct oxp_ring *ring);
/* Copies the entry; a trace id of more than 32 bytes is cut. False when it was left out. */
bool oxp_ring_add(struct oxp_ring *ring, const struct oxp_log_entry *entry);
/* Calls `each` for the newest `most` (0 = all) that were there when it began, newest first, until it returns false. One
 * that was replaced meanwhile is passed over. */
void oxp_ring_each(const struct oxp_ring *ring, size_t most, bool (*each)(void *ctx, const struct oxp_log_entry *entry),
                   void *ctx);
size_t oxp_ring_held(const struct oxp_ring *ring);
/* Records that were left out. */
uint64_t oxp_ring_missed(const struct oxp_ring *ring);

#endif
