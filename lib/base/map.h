/* A hash map from byte strings to pointers: open addressing, linear probing, backward-shift deletion.
 *
 * The key bytes stay the caller's and must live, unchanged, as long as their entry; usually they are a member of the
 * value. The hash is seeded at random for each map, so that chosen ids cannot make it slow. Owned by one thread. */
#ifndef OXP_BASE_MAP_H
#define OXP_BASE_MAP_H

#include <oxpecker/status.h>
#include <oxpecker/view.h>
#include <stdint.h>

struct oxp_map_entry {
    struct oxp_view key;
    void *value; /* NULL = free slot */
    uint64_t hash;
};

struct oxp_map {
    struct oxp_map_entry *entries;
    size_t slots; /* 0 or a power of two */
    size_t count;
    uint64_t seed;
};

void oxp_map_init(struct oxp_map *map);
/* Frees the table, not the values. */
void oxp_map_fini(struct oxp_map *map);
/* The value under `key`, or NULL. */
void *oxp_map_get(const struct oxp_map *map, struct oxp_view key);
/* Puts `value` (not NULL) under `key`, replacing (and giving back in `*old_out`, which may be NULL) what was there.
 * When it replaces, the entry's key is replaced too. OXP_OK or OXP_ERR_NOMEM, and then nothing changed. */
enum oxp_status oxp_map_set(struct oxp_map *map, struct oxp_view key, void *value, void **old_out);
/* Removes `key` and gives its value, or NULL. */
void *oxp_map_remove(struct oxp_map *map, struct oxp_view key);
/* Walks in no order: start with `*index` 0; NULL at the end. The map must not change during the walk. */
void *oxp_map_next(const struct oxp_map *map, size_t *index);

/* The hash itself (64 bits, seeded; wide-multiply mixing). */
uint64_t oxp_hash(const void *bytes, size_t len, uint64_t seed);

#endif
