#include "alerts/tsdb/set.h"

enum { FIRST_SLOTS = 64 };

static void place(const struct oxp_set *set, uint32_t hash, void *item) {
    size_t i = hash & (set->slots - 1);
    while (set->items[i] != NULL) {
        i = (i + 1) & (set->slots - 1);
    }
    set->items[i] = item;
    set->hashes[i] = hash;
}

enum oxp_status oxp_set_reserve(struct oxp_set *set, struct oxp_memory *memory, size_t more) {
    size_t slots = set->slots == 0 ? FIRST_SLOTS : set->slots;
    while ((set->count + more) * 4 > slots * 3) {
        slots *= 2;
    }
    if (slots == set->slots) {
        return OXP_OK;
    }
    void *piece;
    enum oxp_status status = oxp_memory_take(memory, slots * (sizeof(void *) + sizeof(uint32_t)), &piece);
    if (status != OXP_OK) {
        return status;
    }
    void **items = piece, **old = set->items;
    struct oxp_set larger = {items, (uint32_t *)(items + slots), slots, set->count};
    for (size_t i = 0; i < set->slots; i++) {
        if (old[i] != NULL) {
            place(&larger, set->hashes[i], old[i]);
        }
    }
    pthread_mutex_lock(&memory->lock);
    *set = larger;
    pthread_mutex_unlock(&memory->lock);
    oxp_memory_give(memory, old);
    return OXP_OK;
}

void *oxp_set_find(const struct oxp_set *set, uint32_t hash, oxp_set_is_fn is, const void *key) {
    if (set->slots == 0) {
        return NULL;
    }
    for (size_t i = hash & (set->slots - 1); set->items[i] != NULL; i = (i + 1) & (set->slots - 1)) {
        if (set->hashes[i] == hash && is(set->items[i], key)) {
            return set->items[i];
        }
    }
    return NULL;
}

void oxp_set_put(struct oxp_set *set, uint32_t hash, void *item) {
    place(set, hash, item);
    set->count++;
}

void oxp_set_drop(struct oxp_set *set, uint32_t hash, const void *item) {
    size_t mask = set->slots - 1, hole = hash & mask;
    while (set->items[hole] != item) {
        hole = (hole + 1) & mask;
    }
    for (size_t i = (hole + 1) & mask; set->items[i] != NULL; i = (i + 1) & mask) {
        size_t home = set->hashes[i] & mask;
        if (((i - home) & mask) >= ((i - hole) & mask)) { /* its way leads over the hole */
            set->items[hole] = set->items[i];
            set->hashes[hole] = set->hashes[i];
            hole = i;
        }
    }
    set->items[hole] = NULL;
    set->count--;
}
