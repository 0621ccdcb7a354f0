/* Locks across fork (lib/base/fork.h): the child must find them free, and what they guard whole.
 *
 * A fork waits for whoever is inside, but no longer than 250 ms for each lock, because a store may be waiting for a
 * disk or a server. In the child every lock is free, and `in_child` is told whether what it guards was at rest. */
#ifndef OXP_CHECKPOINT_FORK_H
#define OXP_CHECKPOINT_FORK_H

#include "lib/base/fork.h"
#include <pthread.h>
#include <stdbool.h>

struct oxp_fork_lock {
    pthread_mutex_t *lock;
    void (*in_child)(void *ctx, bool at_rest); /* NULL = nothing to do */
    void *ctx;
    /* The list's own. */
    bool held;
    struct oxp_fork_entry entry;
};

/* `lock` is the caller's, and lives until it is removed. Any thread, outside of all these locks. */
void oxp_fork_lock_add(struct oxp_fork_lock *lock, enum oxp_fork_rank rank);
void oxp_fork_lock_remove(struct oxp_fork_lock *lock);

#endif
