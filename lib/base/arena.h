/* An arena: memory that is taken piece by piece and given back all at once.
 *
 * For what lives and dies together: a parsed expression, everything that one query makes. A piece is never moved, so
 * pointers stay good until the arena is cleared. A failure (no memory, or the cap reached) gives NULL and sticks, so
 * that a caller who builds much may ask once at the end. Owned by one thread. */
#ifndef OXP_BASE_ARENA_H
#define OXP_BASE_ARENA_H

#include <oxpecker/status.h>
#include <oxpecker/view.h>

struct oxp_arena_block;

struct oxp_arena {
    struct oxp_arena_block *blocks; /* the newest first */
    size_t used;                    /* bytes of the newest block */
    size_t bytes;                   /* taken from the heap in all */
    size_t cap;                     /* bytes may never pass it; 0 = none */
    enum oxp_status status;
};

/* An empty arena; allocates nothing. `cap` bytes at most, 0 = no limit. */
void oxp_arena_init(struct oxp_arena *arena, size_t cap);
/* Gives everything back; the arena may be used again as if just initialised with the same cap. */
void oxp_arena_fini(struct oxp_arena *arena);
/* Forgets what was taken and the failure, keeps one block for the next use. */
void oxp_arena_clear(struct oxp_arena *arena);
/* OXP_OK, OXP_ERR_NOMEM or OXP_ERR_LIMIT: the first failure since init or clear. */
enum oxp_status oxp_arena_status(const struct oxp_arena *arena);

/* `size` bytes aligned for any type, not cleared; NULL on failure. Size 0 gives a pointer that must not be read. */
void *oxp_arena_take(struct oxp_arena *arena, size_t size);
/* `count` times `size` bytes, all zero; NULL on failure, also when the product does not fit. */
void *oxp_arena_zero(struct oxp_arena *arena, size_t count, size_t size);
/* The array `old` of `old_count` items of `size` bytes, grown to at least `count` items: copied to a bigger piece (the
 * old one stays where it is) unless it was the last one taken and fits. NULL on failure; `old` may be NULL. */
void *oxp_arena_grow(struct oxp_arena *arena, void *old, size_t old_count, size_t count, size_t size);
/* A copy with a NUL behind it; the view is empty with a NULL pointer on failure. */
struct oxp_view oxp_arena_copy(struct oxp_arena *arena, struct oxp_view text);

/* A place to come back to: everything taken after the mark is given back by oxp_arena_reset. Marks nest. */
struct oxp_arena_mark {
    struct oxp_arena_block *block;
    size_t used;
};
struct oxp_arena_mark oxp_arena_here(const struct oxp_arena *arena);
void oxp_arena_reset(struct oxp_arena *arena, struct oxp_arena_mark mark);

#endif
