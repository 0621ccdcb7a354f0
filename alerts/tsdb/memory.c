#include "alerts/tsdb/memory.h"

#include <assert.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

/* ---- Counting: one writer, so loads and stores do ---- */

static void count(_Atomic size_t *counter, size_t more, size_t less) {
    size_t now = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, now + more - less, memory_order_relaxed);
}

/* What the heap really takes for it: its rounding and its head. */
static size_t weight(void *piece) {
    return malloc_usable_size(piece) + sizeof(size_t);
}

static bool has_room(const struct oxp_memory *memory, size_t size, size_t reserve) {
    size_t limit = atomic_load_explicit(&memory->limit, memory_order_relaxed);
    size_t held = atomic_load_explicit(&memory->held, memory_order_relaxed);
    return limit == 0 || (held < limit && size <= limit - held && limit - held - size >= reserve);
}

/* ---- Pieces ---- */

/* What the heap adds at most: its head, rounding, and a rest too small to be split off; large pieces are mapped in
 * whole pages. */
enum { ROUNDING = 40, PAGE = 4096, MAPPED_FROM = 64 << 10 };

enum oxp_status oxp_memory_take(struct oxp_memory *memory, size_t size, void **piece_out) {
    *piece_out = NULL;
    size_t limit = atomic_load_explicit(&memory->limit, memory_order_relaxed);
    if (!has_room(memory, size + (size < MAPPED_FROM ? ROUNDING : PAGE + ROUNDING), limit / 16)) {
        return OXP_ERR_FULL;
    }
    void *piece = calloc(1, size);
    if (piece == NULL) {
        return OXP_ERR_NOMEM;
    }
    count(&memory->held, weight(piece), 0);
    *piece_out = piece;
    return OXP_OK;
}

void oxp_memory_give(struct oxp_memory *memory, void *piece) {
    if (piece != NULL) {
        count(&memory->held, 0, weight(piece));
        free(piece);
    }
}

void oxp_memory_retire(struct oxp_memory *memory, void *piece) {
    if (piece == NULL) {
        return;
    }
    struct oxp_piece *head = piece;
    *head = (struct oxp_piece){.epoch = memory->epoch};
    if (memory->newest == NULL) {
        memory->oldest = head;
    } else {
        memory->newest->next = head;
    }
    memory->newest = head;
    count(&memory->limbo, weight(piece), 0);
}

static void reclaim_pieces(struct oxp_memory *memory, uint64_t before) {
    while (memory->oldest != NULL && memory->oldest->epoch < before) {
        struct oxp_piece *piece = memory->oldest;
        memory->oldest = piece->next;
        memory->newest = memory->oldest == NULL ? NULL : memory->newest;
        count(&memory->limbo, 0, weight(piece));
        oxp_memory_give(memory, piece);
    }
}

/* ---- Slabs ---- */

struct oxp_slab {
    struct oxp_slab *next, **at;   /* in the list of those with free blocks, when it is in one */
    struct oxp_slab *waiting_next; /* in the list of those with retired blocks */
    uint64_t free, retired;        /* a bit for each block */
    uint64_t epoch;                /* in which the last one was retired */
    unsigned class, blocks;
    _Alignas(8) unsigned char block[];
};

/* A block's home is its class and its place in the slab. */
enum { PLACES = 64, SLAB_BYTES = 4096 - 2 * sizeof(size_t), HEAD = offsetof(struct oxp_chunk, word) };
static const uint16_t sizes[OXP_BLOCK_CLASSES] = {32, 48, 64, 96, 128, 192, 256};

static_assert(HEAD + OXP_BLOCK_WORDS_MAX * 8 == 256, "the largest block");

size_t oxp_block_words(unsigned home) {
    return (sizes[home / PLACES] - (size_t)HEAD) / 8;
}

static struct oxp_slab *slab_of(struct oxp_chunk *chunk, unsigned *place_out) {
    unsigned home = oxp_chunk_home(atomic_load_explicit(&chunk->state, memory_order_relaxed));
    *place_out = home % PLACES;
    return (struct oxp_slab *)((unsigned char *)chunk - (size_t)sizes[home / PLACES] * *place_out -
                               offsetof(struct oxp_slab, block));
}

static void unlist(struct oxp_slab *slab) {
    if (slab->at != NULL) {
        *slab->at = slab->next;
        if (slab->next != NULL) {
            slab->next->at = slab->at;
        }
        slab->at = NULL;
    }
}

/* Puts the slab where its number of free blocks says. Blocks are taken from the fuller ones, so that the others may
 * become empty. */
static void enlist(struct oxp_memory *memory, struct oxp_slab *slab) {
    unsigned free_blocks = (unsigned)__builtin_popcountll(slab->free);
    struct oxp_slab **list = &memory->slabs[slab->class][free_blocks * 2 > slab->blocks];
    unlist(slab);
    if (free_blocks != 0) {
        slab->next = *list;
        slab->at = list;
        *list = slab;
        if (slab->next != NULL) {
            slab->next->at = &slab->next;
        }
    }
}

static enum oxp_status new_slab(struct oxp_memory *memory, unsigned class, struct oxp_slab **slab_out) {
    size_t blocks = (SLAB_BYTES - sizeof(struct oxp_slab)) / sizes[class];
    blocks = blocks > PLACES ? PLACES : blocks;
    if (!has_room(memory, SLAB_BYTES, 0)) {
        return OXP_ERR_FULL;
    }
    struct oxp_slab *slab = malloc(sizeof *slab + blocks * sizes[class]);
    if (slab == NULL) {
        return OXP_ERR_NOMEM;
    }
    *slab = (struct oxp_slab){.free = blocks == PLACES ? UINT64_MAX : (UINT64_C(1) << blocks) - 1,
                              .class = class,
                              .blocks = (unsigned)blocks};
    count(&memory->held, weight(slab), 0);
    count(&memory->blocks, weight(slab), 0);
    count(&memory->idle, blocks * sizes[class], 0);
    enlist(memory, slab);
    *slab_out = slab;
    return OXP_OK;
}

static void drop_slab(struct oxp_memory *memory, struct oxp_slab *slab) {
    unlist(slab);
    count(&memory->held, 0, weight(slab));
    count(&memory->blocks, 0, weight(slab));
    count(&memory->idle, 0, (size_t)slab->blocks * sizes[slab->class]);
    free(slab);
}

/* ---- Blocks ---- */

static unsigned class_for(size_t words) {
    unsigned class = 0;
    while (class + 1 < OXP_BLOCK_CLASSES && HEAD + words * 8 > sizes[class]) {
        class ++;
    }
    return class;
}

static struct oxp_slab *slab_with_room(const struct oxp_memory *memory, unsigned class) {
    return memory->slabs[class][0] != NULL ? memory->slabs[class][0] : memory->slabs[class][1];
}

/* Any slab with a free block from the class `from` up to the one that holds `least`, larger ones first. */
static struct oxp_slab *another_slab(const struct oxp_memory *memory, unsigned class, size_t least) {
    struct oxp_slab *slab = NULL;
    for (unsigned c = class + 1; slab == NULL && c < OXP_BLOCK_CLASSES; c++) {
        slab = slab_with_room(memory, c);
    }
    for (unsigned c = class, lowest = class_for(least); slab == NULL && c > lowest; c--) {
        slab = slab_with_room(memory, c - 1);
    }
    return slab;
}

enum oxp_status oxp_memory_block(struct oxp_memory *memory, size_t words, size_t least, struct oxp_chunk **chunk_out,
                                 unsigned *home_out) {
    unsigned class = class_for(words);
    struct oxp_slab *slab = slab_with_room(memory, class);
    enum oxp_status status = slab != NULL ? OXP_OK : new_slab(memory, class, &slab);
    slab = slab != NULL ? slab : another_slab(memory, class, least);
    if (slab == NULL) {
        return status;
    }
    unsigned place = (unsigned)__builtin_ctzll(slab->free);
    slab->free &= slab->free - 1;
    enlist(memory, slab);
    count(&memory->idle, 0, sizes[slab->class]);
    *home_out = slab->class * PLACES + place;
    *chunk_out = (struct oxp_chunk *)(slab->block + (size_t)place * sizes[slab->class]);
    memset(*chunk_out, 0, sizes[slab->class]);
    return OXP_OK;
}

static void free_blocks_of(struct oxp_memory *memory, struct oxp_slab *slab, uint64_t places) {
    slab->free |= places;
    count(&memory->idle, (size_t)__builtin_popcountll(places) * sizes[slab->class], 0);
    if ((unsigned)__builtin_popcountll(slab->free) == slab->blocks) {
        drop_slab(memory, slab);
    } else {
        enlist(memory, slab);
    }
}

void oxp_memory_give_block(struct oxp_memory *memory, struct oxp_chunk *chunk) {
    unsigned place;
    struct oxp_slab *slab = slab_of(chunk, &place);
    free_blocks_of(memory, slab, UINT64_C(1) << place);
}

void oxp_memory_retire_block(struct oxp_memory *memory, struct oxp_chunk *chunk) {
    unsigned place;
    struct oxp_slab *slab = slab_of(chunk, &place);
    if (slab->retired == 0) {
        slab->waiting_next = memory->waiting;
        memory->waiting = slab;
    }
    slab->retired |= UINT64_C(1) << place;
    slab->epoch = memory->epoch;
    count(&memory->limbo, sizes[slab->class], 0);
}

static void reclaim_blocks(struct oxp_memory *memory, uint64_t before) {
    struct oxp_slab **link = &memory->waiting;
    while (*link != NULL) {
        struct oxp_slab *slab = *link;
        if (slab->epoch >= before) {
            link = &slab->waiting_next;
            continue;
        }
        uint64_t places = slab->retired;
        *link = slab->waiting_next;
        slab->retired = 0;
        count(&memory->limbo, 0, (size_t)__builtin_popcountll(places) * sizes[slab->class]);
        free_blocks_of(memory, slab, places);
    }
}

/* ---- Epochs ---- */

void oxp_memory_reclaim(struct oxp_memory *memory) {
    pthread_mutex_lock(&memory->lock);
    uint64_t before = ++memory->epoch;
    pthread_mutex_unlock(&memory->lock);
    for (size_t i = 0; i < OXP_READERS_MAX; i++) {
        uint64_t came = atomic_load_explicit(&memory->reader[i], memory_order_acquire);
        before = came != 0 && came < before ? came : before;
    }
    memory->seen_before = before;
    reclaim_pieces(memory, before);
    reclaim_blocks(memory, before);
    memory->left = atomic_load_explicit(&memory->limbo, memory_order_relaxed);
}

void oxp_memory_tidy(struct oxp_memory *memory) {
    enum { WORTH = 4096, PART = 64 };
    size_t held = atomic_load_explicit(&memory->held, memory_order_relaxed);
    if (atomic_load_explicit(&memory->limbo, memory_order_relaxed) - memory->left > WORTH + held / PART) {
        oxp_memory_reclaim(memory);
    }
}

enum oxp_status oxp_memory_enter(struct oxp_memory *memory, uint64_t *slot_out) {
    enum oxp_status status = OXP_ERR_LIMIT;
    pthread_mutex_lock(&memory->lock);
    for (uint64_t i = 0; i < OXP_READERS_MAX && status != OXP_OK; i++) {
        if (atomic_load_explicit(&memory->reader[i], memory_order_acquire) == 0) {
            atomic_store_explicit(&memory->reader[i], memory->epoch, memory_order_release);
            *slot_out = i;
            status = OXP_OK;
        }
    }
    pthread_mutex_unlock(&memory->lock);
    return status;
}

void oxp_memory_leave(struct oxp_memory *memory, uint64_t slot) {
    atomic_store_explicit(&memory->reader[slot], 0, memory_order_release);
}

void oxp_memory_init(struct oxp_memory *memory, size_t limit) {
    memset(memory, 0, sizeof *memory);
    atomic_store_explicit(&memory->limit, limit, memory_order_relaxed);
    memory->epoch = 1;
    pthread_mutex_init(&memory->lock, NULL);
}

void oxp_memory_fini(struct oxp_memory *memory) {
    oxp_memory_reclaim(memory);
    pthread_mutex_destroy(&memory->lock);
}
