/* Where the short memory's bytes come from, are counted, and go to when readers are done.
 *
 * Pieces are of any size and come from the heap (series, label texts, lists). Blocks are chunks in a few sizes, cut
 * from slabs of at most 4 KiB, so that a block has no head of the heap's and a small one is really small; a slab that
 * has become empty goes back. Everything is counted as the heap counts it.
 *
 * What the writer drops, readers may still be looking at. So it is retired: out of reach for who comes now, freed when
 * nobody is left who came before (epochs, after Fraser, "Practical lock-freedom", 2004, section 5.2.3). A reader takes
 * a slot with the number of the epoch at its coming; oxp_memory_reclaim begins a new epoch and frees what was retired
 * in epochs before that of the longest-standing reader. Slots are taken and epochs begun under one lock, so a reader
 * that the writer does not see came after everything retired had been made unreachable.
 *
 * Owned by the writer but for oxp_memory_enter, oxp_memory_leave and reading the counts. */
#ifndef OXP_TSDB_MEMORY_H
#define OXP_TSDB_MEMORY_H

#include "alerts/tsdb/chunk.h"
#include <oxpecker/status.h>
#include <pthread.h>

#define OXP_READERS_MAX 64
#define OXP_BLOCK_CLASSES 7
#define OXP_BLOCK_WORDS_MAX 29 /* of the largest block, its head apart */

/* The head of every piece that can be retired: it must be the first member. */
struct oxp_piece {
    struct oxp_piece *next; /* the owner's business until it is retired */
    uint64_t epoch;         /* in which it was retired */
};

struct oxp_slab;
struct oxp_memory {
    /* counted; written by the writer alone */
    _Atomic size_t held;                          /* bytes taken from the heap */
    _Atomic size_t idle;                          /* of them: free blocks in slabs */
    _Atomic size_t limbo;                         /* of them: retired, waiting for readers */
    _Atomic size_t blocks;                        /* of them: slabs */
    _Atomic size_t limit;                         /* 0 = none */
    struct oxp_slab *slabs[OXP_BLOCK_CLASSES][2]; /* with free blocks: those more than half full, then the others */
    struct oxp_slab *waiting;                     /* slabs with retired blocks */
    struct oxp_piece *oldest, *newest;            /* retired pieces */
    pthread_mutex_t lock;                         /* for the two that follow; the index's lock, too */
    uint64_t epoch;                               /* from 1; written under the lock */
    uint64_t seen_before;                         /* nobody is left who came in an epoch before this one */
    size_t left;                                  /* of limbo, by the last reclaim; the writer's */
    _Atomic uint64_t reader[OXP_READERS_MAX];     /* epoch at which it came; 0 = free */
};

void oxp_memory_init(struct oxp_memory *memory, size_t limit);
/* Frees what is retired; blocks and pieces in use are their owner's to give back before. No reader may be open. */
void oxp_memory_fini(struct oxp_memory *memory);

/* A piece of `size` zeroed bytes. OXP_ERR_NOMEM; OXP_ERR_FULL when it would pass the limit, a sixteenth of which is
 * left to blocks: samples of the series that are there come before more series. */
enum oxp_status oxp_memory_take(struct oxp_memory *memory, size_t size, void **piece_out);
/* Frees a piece that no reader can know; NULL is allowed. */
void oxp_memory_give(struct oxp_memory *memory, void *piece);
/* Frees a piece that readers may know; NULL is allowed. */
void oxp_memory_retire(struct oxp_memory *memory, void *piece);

/* A block of at least `words` words (at most OXP_BLOCK_WORDS_MAX), zeroed, or one of another size that has room for
 * `least`. OXP_ERR_NOMEM, OXP_ERR_FULL. */
enum oxp_status oxp_memory_block(struct oxp_memory *memory, size_t words, size_t least, struct oxp_chunk **chunk_out,
                                 unsigned *home_out);
void oxp_memory_retire_block(struct oxp_memory *memory, struct oxp_chunk *chunk);
/* Only when no reader can be open: at the end. */
void oxp_memory_give_block(struct oxp_memory *memory, struct oxp_chunk *chunk);
/* Words that a block has after its head. `home` is what oxp_memory_block gave. Any thread. */
size_t oxp_block_words(unsigned home);

/* Begins an epoch and frees what no reader can see any more. */
void oxp_memory_reclaim(struct oxp_memory *memory);
/* The same, when so much was retired since the last time that it is worth it: for what grows step by step, so that its
 * former sizes do not pile up. */
void oxp_memory_tidy(struct oxp_memory *memory);

/* A slot for a reader. OXP_ERR_LIMIT when there is none. Any thread. */
enum oxp_status oxp_memory_enter(struct oxp_memory *memory, uint64_t *slot_out);
void oxp_memory_leave(struct oxp_memory *memory, uint64_t slot);

/* Bytes that would be left if all that is free or waits were given back. Any thread. */
static inline size_t oxp_memory_live(const struct oxp_memory *memory) {
    return atomic_load_explicit(&memory->held, memory_order_relaxed) -
           atomic_load_explicit(&memory->idle, memory_order_relaxed) -
           atomic_load_explicit(&memory->limbo, memory_order_relaxed);
}

#endif
