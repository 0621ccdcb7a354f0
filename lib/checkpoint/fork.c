#include "lib/checkpoint/fork.h"

#include <stddef.h>
#include <time.h>

#define WAIT_NS 250000000L

static void before_fork(void *ctx) {
    struct oxp_fork_lock *lock = ctx;
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += WAIT_NS;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    lock->held = pthread_mutex_timedlock(lock->lock, &until) == 0;
}

static void in_parent(void *ctx) {
    struct oxp_fork_lock *lock = ctx;
    if (lock->held) {
        pthread_mutex_unlock(lock->lock);
    }
}

static void in_child(void *ctx) {
    struct oxp_fork_lock *lock = ctx;
    if (lock->held) {
        pthread_mutex_unlock(lock->lock);
    } else {
        pthread_mutex_init(lock->lock, NULL); /* its owner is not in this process */
    }
    if (lock->in_child != NULL) {
        lock->in_child(lock->ctx, lock->held);
    }
}

void oxp_fork_lock_add(struct oxp_fork_lock *lock, enum oxp_fork_rank rank) {
    lock->entry = (struct oxp_fork_entry){rank, before_fork, in_parent, in_child, lock, NULL, NULL};
    oxp_fork_add(&lock->entry);
}

void oxp_fork_lock_remove(struct oxp_fork_lock *lock) {
    oxp_fork_remove(&lock->entry);
}
