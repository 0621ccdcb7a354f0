#include "alerts/tsdb/set.h"

enum { FIRST_SLOTS = 64 };

static void place(struct oxp_set_entry *entries, size_t slots, struct oxp_set_entry entry) {
    size_t i = entry.hash & (slots - 1);
    while (entries[i].item != NULL) {
        i = (i + 1) & (slots - 1);
    }
    entries[i] = entry;
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
    enum oxp_status status = oxp_memory_take(memory, slots * sizeof *set->entries, &piece);
    if (status != OXP_OK) {
        return status;
    }
    struct oxp_set_entry *entries = piece, *old = set->entries;
    for (size_t i = 0; i < set->slots; i++) {
        if (old[i].item != NULL) {
            place(entries, slots, old[i]);
        }
    }
    pthread_mutex_lock(&memory->lock);
    set->entries = entries;
    set->slots = slots;
    pthread_mutex_unlock(&memory->lock);
    oxp_memory_give(memory, old);
    return OXP_OK;
}

void *oxp_set_find(const struct oxp_set *set, uint32_t hash, oxp_set_is_fn is, const void *key) {
    if (set->slots == 0) {
        return NULL;
    }
    for (size_t i = hash & (set->slots - 1); set->entries[i].item != NULL; i = (i + 1) & (set->slots - 1)) {
        if (set->entries[i].hash == hash && is(set->entries[i].item, key)) {
            return set->entries[i].item;
        }
    }
    return NULL;
}

void oxp_set_put(struct oxp_set *set, uint32_t hash, void *item) {
    place(set->entries, set->slots, (struct oxp_set_entry){item, hash});
    set->count++;
}

void oxp_set_drop(struct oxp_set *set, uint32_t hash, const void *item) {
    size_t mask = set->slots - 1, hole = hash & mask;
    while (set->entries[hole].item != item) {
        hole = (hole + 1) & mask;
    }
    for (size_t i = (hole + 1) & mask; set->entries[i].item != NULL; i = (i + 1) & mask) {
        size_t home = set->entries[i].hash & mask;
        if (((i - home) & mask) >= ((i - hole) & mask)) { /* its way leads over the hole */
            set->entries[hole] = set->entries[i];
            hole = i;
        }
    }
    set->entries[hole] = (struct oxp_set_entry){0};
    set->count--;
}
