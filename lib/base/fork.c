#include "lib/base/fork.h"

#include <stddef.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct oxp_fork_entry *outermost, *innermost;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void before_fork(void) {
    pthread_mutex_lock(&lock);
    for (struct oxp_fork_entry *entry = outermost; entry != NULL; entry = entry->inner) {
        entry->before(entry->ctx);
    }
}

static void in_parent(void) {
    for (struct oxp_fork_entry *entry = innermost; entry != NULL; entry = entry->outer) {
        entry->parent(entry->ctx);
    }
    pthread_mutex_unlock(&lock);
}

static void in_child(void) {
    for (struct oxp_fork_entry *entry = innermost; entry != NULL; entry = entry->outer) {
        entry->child(entry->ctx);
    }
    pthread_mutex_unlock(&lock);
}

static void install(void) {
    pthread_atfork(before_fork, in_parent, in_child);
}

void oxp_fork_add(struct oxp_fork_entry *entry) {
    pthread_once(&once, install);
    pthread_mutex_lock(&lock);
    struct oxp_fork_entry *after = NULL, *next = outermost; /* before the first of its rank: the newest is outer */
    while (next != NULL && next->rank < entry->rank) {
        after = next;
        next = next->inner;
    }
    entry->outer = after;
    entry->inner = next;
    *(after == NULL ? &outermost : &after->inner) = entry;
    *(next == NULL ? &innermost : &next->outer) = entry;
    pthread_mutex_unlock(&lock);
}

void oxp_fork_remove(struct oxp_fork_entry *entry) {
    pthread_mutex_lock(&lock);
    *(entry->outer == NULL ? &outermost : &entry->outer->inner) = entry->inner;
    *(entry->inner == NULL ? &innermost : &entry->inner->outer) = entry->outer;
    pthread_mutex_unlock(&lock);
}

static void lock_mutex(void *ctx) {
    pthread_mutex_lock(ctx);
}

static void unlock_mutex(void *ctx) {
    pthread_mutex_unlock(ctx);
}

void oxp_fork_add_mutex(struct oxp_fork_entry *entry, enum oxp_fork_rank rank, pthread_mutex_t *mutex) {
    *entry = (struct oxp_fork_entry){rank, lock_mutex, unlock_mutex, unlock_mutex, mutex, NULL, NULL};
    oxp_fork_add(entry);
}
