/* Fork without exec: what has locks and threads is whole when it happens, and begins anew in the child.
 *
 * Everything that a lock guards adds an entry. At a fork all of them are called, outer ranks before inner ones and, in
 * one rank, the newest first: whoever reports to another, or uses another, while it holds its lock must come before it
 * here as well, else the forking thread and a reporting one wait for each other. That is why there is one list for the
 * whole library, and no pthread_atfork anywhere else: its order would be that of the first uses. */
#ifndef OXP_BASE_FORK_H
#define OXP_BASE_FORK_H

#include <pthread.h>

enum oxp_fork_rank {
    OXP_FORK_PART,   /* breakers, recovery, checkpoint managers, tracers: they report, and use stores */
    OXP_FORK_STORE,  /* what parts use while they hold their locks */
    OXP_FORK_CLIENT, /* what is reported to */
};

/* The caller's memory; it lives until it is removed. */
struct oxp_fork_entry {
    enum oxp_fork_rank rank;
    void (*before)(void *ctx); /* in the forking thread: takes the locks */
    void (*parent)(void *ctx); /* gives them back */
    void (*child)(void *ctx);  /* begins anew, and gives them back. Nothing but the forking thread is there */
    void *ctx;
    struct oxp_fork_entry *outer, *inner; /* the list's own */
};

/* Any thread, with no lock held that an entry takes. */
void oxp_fork_add(struct oxp_fork_entry *entry);
void oxp_fork_remove(struct oxp_fork_entry *entry);
/* The entry of what needs nothing but its lock to be free in the child. */
void oxp_fork_add_mutex(struct oxp_fork_entry *entry, enum oxp_fork_rank rank, pthread_mutex_t *mutex);

#endif
