/* The lookup table of a family: see internal.h for its shape. */
#include "lib/metrics/internal.h"

#include <stdlib.h>

#define TAG_MASK ((uintptr_t)OXP_SERIES_ALIGN - 1)

static uintptr_t slot_of(const struct oxp_series *series) {
    return (uintptr_t)series | (series->hash >> 28);
}

struct oxp_series *oxp_table_find(const struct oxp_family *family, const struct oxp_view *values, uint32_t hash) {
    const struct oxp_table *table = atomic_load_explicit(&family->table, memory_order_acquire);
    if (table == NULL) {
        return NULL;
    }
    for (size_t i = hash & (table->slots - 1);; i = (i + 1) & (table->slots - 1)) {
        uintptr_t slot = atomic_load_explicit(&table->slot[i], memory_order_acquire);
        if (slot == 0) {
            return NULL;
        }
        if ((slot & TAG_MASK) == hash >> 28) {
            struct oxp_series *series = (struct oxp_series *)(slot & ~TAG_MASK);
            if (series->hash == hash && oxp_labels_match(series, values)) {
                return series;
            }
        }
    }
}

static void put(struct oxp_table *table, struct oxp_series *series) {
    size_t i = series->hash & (table->slots - 1);
    while (atomic_load_explicit(&table->slot[i], memory_order_relaxed) != 0) {
        i = (i + 1) & (table->slots - 1);
    }
    atomic_store_explicit(&table->slot[i], slot_of(series), memory_order_release);
}

enum oxp_status oxp_table_reserve_locked(struct oxp_family *family) {
    struct oxp_table *table = atomic_load_explicit(&family->table, memory_order_relaxed);
    if (table != NULL && (family->count + 1) * 3 <= table->slots * 2) {
        return OXP_OK;
    }
    size_t slots = table == NULL ? 4 : table->slots * 2;
    struct oxp_table *bigger = calloc(1, sizeof *bigger + slots * sizeof bigger->slot[0]);
    if (bigger == NULL) {
        return OXP_ERR_NOMEM;
    }
    bigger->slots = slots;
    bigger->older = table;
    struct oxp_walk walk = {.family = family};
    for (struct oxp_series *series = oxp_walk_next(&walk); series != NULL; series = oxp_walk_next(&walk)) {
        put(bigger, series);
    }
    atomic_store_explicit(&family->table, bigger, memory_order_release);
    return OXP_OK;
}

void oxp_table_insert_locked(struct oxp_family *family, struct oxp_series *series) {
    put(atomic_load_explicit(&family->table, memory_order_relaxed), series);
}

void oxp_table_free(struct oxp_table *table) {
    while (table != NULL) {
        struct oxp_table *older = table->older;
        free(table);
        table = older;
    }
}
