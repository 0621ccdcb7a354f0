/* Small pieces of memory that are all forgotten at once: the names and label sets that the reader has to remember.
 * Owned by one thread. */
#ifndef OXP_EXPOSITION_KEEP_H
#define OXP_EXPOSITION_KEEP_H

#include <stddef.h>

struct oxp_keep_chunk;

struct oxp_keep {
    struct oxp_keep_chunk *chunks; /* the newest first */
};

/* `size` bytes, zeroed, aligned for any struct of ours, until the next reset; NULL when there is no memory. */
void *oxp_keep_alloc(struct oxp_keep *keep, size_t size);
/* Forgets all pieces; keeps one chunk for the next ones. */
void oxp_keep_reset(struct oxp_keep *keep);
void oxp_keep_fini(struct oxp_keep *keep);

#endif
