#include "lib/base/map.h"

#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

/* 64x64 -> 128 bit multiply, folded: the mixing step of the wyhash and folded-multiply family. */
static uint64_t mix(uint64_t a, uint64_t b) {
    unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t load(const unsigned char *p, size_t n) {
    uint64_t word = 0;
    memcpy(&word, p, n);
    return word;
}

uint64_t oxp_hash(const void *bytes, size_t len, uint64_t seed) {
    const uint64_t k0 = UINT64_C(0x9e3779b97f4a7c15), k1 = UINT64_C(0xd1b54a32d192ed03);
    const unsigned char *p = bytes;
    /* mixed first: a seed that met the first bytes by exclusive or alone would cancel out against them */
    uint64_t state = mix(seed ^ k0, len ^ k1);
    size_t left = len;
    while (left > 16) {
        state = mix(load(p, 8) ^ k0 ^ state, load(p + 8, 8) ^ k1);
        p += 16;
        left -= 16;
    }
    uint64_t a = left >= 8 ? load(p, 8) : (left > 0 ? load(p, left) : 0);
    uint64_t b = left > 8 ? load(p + 8, left - 8) : 0;
    return mix(mix(a ^ k0 ^ state, b ^ k1), k0 ^ len);
}

void oxp_map_init(struct oxp_map *map) {
    *map = (struct oxp_map){0};
    if (getrandom(&map->seed, sizeof map->seed, GRND_NONBLOCK) != (ssize_t)sizeof map->seed) {
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        map->seed = (uint64_t)now.tv_nsec * UINT64_C(0x9e3779b97f4a7c15) ^ (uint64_t)(uintptr_t)map;
    }
}

void oxp_map_fini(struct oxp_map *map) {
    free(map->entries);
    map->entries = NULL;
    map->slots = map->count = 0;
}

/* The slot of `key`, or the free slot where it would go. The table is never full. */
static size_t find(const struct oxp_map *map, struct oxp_view key, uint64_t hash) {
    size_t i = hash & (map->slots - 1);
    while (map->entries[i].value != NULL &&
           (map->entries[i].hash != hash || !oxp_view_equal(map->entries[i].key, key))) {
        i = (i + 1) & (map->slots - 1);
    }
    return i;
}

static enum oxp_status grow(struct oxp_map *map) {
    struct oxp_map bigger = *map;
    bigger.slots = map->slots == 0 ? 16 : map->slots * 2;
    bigger.entries = calloc(bigger.slots, sizeof *bigger.entries);
    if (bigger.entries == NULL) {
        return OXP_ERR_NOMEM;
    }
    for (size_t i = 0; i < map->slots; i++) {
        if (map->entries[i].value != NULL) {
            bigger.entries[find(&bigger, map->entries[i].key, map->entries[i].hash)] = map->entries[i];
        }
    }
    free(map->entries);
    *map = bigger;
    return OXP_OK;
}

void *oxp_map_get(const struct oxp_map *map, struct oxp_view key) {
    if (map->count == 0) {
        return NULL;
    }
    return map->entries[find(map, key, oxp_hash(key.ptr, key.len, map->seed))].value;
}

enum oxp_status oxp_map_set(struct oxp_map *map, struct oxp_view key, void *value, void **old_out) {
    if ((map->count + 1) * 4 > map->slots * 3) {
        enum oxp_status status = grow(map);
        if (status != OXP_OK) {
            return status;
        }
    }
    uint64_t hash = oxp_hash(key.ptr, key.len, map->seed);
    struct oxp_map_entry *entry = &map->entries[find(map, key, hash)];
    if (old_out != NULL) {
        *old_out = entry->value;
    }
    map->count += entry->value == NULL;
    *entry = (struct oxp_map_entry){key, value, hash};
    return OXP_OK;
}

void *oxp_map_remove(struct oxp_map *map, struct oxp_view key) {
    if (map->count == 0) {
        return NULL;
    }
    size_t hole = find(map, key, oxp_hash(key.ptr, key.len, map->seed));
    void *value = map->entries[hole].value;
    if (value == NULL) {
        return NULL;
    }
    /* Knuth 6.4, algorithm R: pull back later entries of the run that may not be separated from their home by a hole.
     */
    for (size_t i = (hole + 1) & (map->slots - 1); map->entries[i].value != NULL; i = (i + 1) & (map->slots - 1)) {
        size_t home = map->entries[i].hash & (map->slots - 1);
        if (((i - home) & (map->slots - 1)) >= ((i - hole) & (map->slots - 1))) {
            map->entries[hole] = map->entries[i];
            hole = i;
        }
    }
    map->entries[hole] = (struct oxp_map_entry){0};
    map->count--;
    return value;
}

void *oxp_map_next(const struct oxp_map *map, size_t *index) {
    while (*index < map->slots) {
        void *value = map->entries[(*index)++].value;
        if (value != NULL) {
            return value;
        }
    }
    return NULL;
}
