#include "lib/base/arena.h"

#include <stdint.h>
#include <stdlib.h>

#define ALIGN 16
#define FIRST 512
#define MOST (1u << 20) /* a block doubles up to this; a bigger piece gets a block of its own */

struct oxp_arena_block {
    struct oxp_arena_block *older;
    size_t size;
    _Alignas(ALIGN) unsigned char data[];
};

void oxp_arena_init(struct oxp_arena *arena, size_t cap) {
    *arena = (struct oxp_arena){.cap = cap};
}

static void drop_newest(struct oxp_arena *arena) {
    struct oxp_arena_block *block = arena->blocks;
    arena->blocks = block->older;
    arena->bytes -= sizeof *block + block->size;
    free(block);
}

void oxp_arena_fini(struct oxp_arena *arena) {
    while (arena->blocks != NULL) {
        drop_newest(arena);
    }
    oxp_arena_init(arena, arena->cap);
}

void oxp_arena_clear(struct oxp_arena *arena) {
    while (arena->blocks != NULL && arena->blocks->older != NULL) {
        drop_newest(arena);
    }
    arena->used = 0;
    arena->status = OXP_OK;
}

enum oxp_status oxp_arena_status(const struct oxp_arena *arena) {
    return arena->status;
}

static bool add_block(struct oxp_arena *arena, size_t size) {
    size_t want = arena->blocks == NULL ? FIRST : arena->blocks->size * 2;
    want = want > MOST ? MOST : want;
    want = want < size ? size : want;
    struct oxp_arena_block *block = NULL;
    if (arena->cap != 0 && sizeof *block + want > arena->cap - arena->bytes) {
        want = size; /* close to the cap: no more than is asked for */
    }
    if (arena->cap != 0 && (size > SIZE_MAX - sizeof *block || sizeof *block + want > arena->cap - arena->bytes)) {
        arena->status = arena->status == OXP_OK ? OXP_ERR_LIMIT : arena->status;
        return false;
    }
    block = want > SIZE_MAX - sizeof *block ? NULL : malloc(sizeof *block + want);
    if (block == NULL) {
        arena->status = arena->status == OXP_OK ? OXP_ERR_NOMEM : arena->status;
        return false;
    }
    *block = (struct oxp_arena_block){.older = arena->blocks, .size = want};
    arena->blocks = block;
    arena->used = 0;
    arena->bytes += sizeof *block + want;
    return true;
}

static size_t rounded(size_t size) {
    return size > SIZE_MAX - ALIGN ? SIZE_MAX : (size + ALIGN - 1) / ALIGN * ALIGN;
}

void *oxp_arena_take(struct oxp_arena *arena, size_t size) {
    size = size == 0 ? ALIGN : rounded(size);
    if ((arena->blocks == NULL || arena->blocks->size - arena->used < size) && !add_block(arena, size)) {
        return NULL;
    }
    void *piece = arena->blocks->data + arena->used;
    arena->used += size;
    return piece;
}

void *oxp_arena_zero(struct oxp_arena *arena, size_t count, size_t size) {
    if (size != 0 && count > SIZE_MAX / size) {
        arena->status = arena->status == OXP_OK ? OXP_ERR_LIMIT : arena->status;
        return NULL;
    }
    void *piece = oxp_arena_take(arena, count * size);
    return piece == NULL ? NULL : memset(piece, 0, count * size);
}

void *oxp_arena_grow(struct oxp_arena *arena, void *old, size_t old_count, size_t count, size_t size) {
    if (size != 0 && count > SIZE_MAX / size) {
        arena->status = arena->status == OXP_OK ? OXP_ERR_LIMIT : arena->status;
        return NULL;
    }
    size_t had = rounded(old_count * size), wanted = rounded(count * size);
    unsigned char *at = old;
    if (old_count != 0 && old != NULL && at + had == arena->blocks->data + arena->used &&
        arena->blocks->size - arena->used + had >= wanted) {
        arena->used = arena->used - had + wanted;
        return old;
    }
    void *piece = oxp_arena_take(arena, wanted);
    if (piece != NULL && old_count != 0 && old != NULL) {
        memcpy(piece, old, old_count * size);
    }
    return piece;
}

struct oxp_view oxp_arena_copy(struct oxp_arena *arena, struct oxp_view text) {
    char *copy = oxp_arena_take(arena, text.len + 1);
    if (copy == NULL) {
        return oxp_view_of(NULL, 0);
    }
    if (text.len != 0) {
        memcpy(copy, text.ptr, text.len);
    }
    copy[text.len] = '\0';
    return oxp_view_of(copy, text.len);
}

struct oxp_arena_mark oxp_arena_here(const struct oxp_arena *arena) {
    return (struct oxp_arena_mark){arena->blocks, arena->used};
}

void oxp_arena_reset(struct oxp_arena *arena, struct oxp_arena_mark mark) {
    while (arena->blocks != mark.block) {
        if (arena->blocks->older == mark.block && mark.block == NULL) {
            arena->used = 0; /* the mark was made in an empty arena: keep its first block */
            return;
        }
        drop_newest(arena);
    }
    arena->used = mark.used;
}
