#include "alerts/rules/label_table.h"

#include <stdlib.h>

enum { FIRST_ITEMS = 8 };

/* ---- The index ---- */

static bool has_pairs(const struct oxp_labels *labels, const struct oxp_label *pairs, size_t count, uint32_t hash) {
    if (labels->hash != hash || labels->count != count) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (!oxp_symbol_equal(labels->label[i].value, pairs[i].value) ||
            !oxp_symbol_equal(labels->label[i].name, pairs[i].name)) {
            return false;
        }
    }
    return true;
}

struct oxp_labelled *oxp_label_table_find(const struct oxp_label_table *table, const struct oxp_label *pairs,
                                          size_t count, uint32_t hash) {
    size_t mask = table->slot_count - 1;
    if (table->slot_count == 0) {
        return NULL;
    }
    for (size_t at = hash & mask; table->slots[at] != 0; at = (at + 1) & mask) {
        struct oxp_labelled *item = table->items[table->slots[at] - 1];
        if (has_pairs(item->labels, pairs, count, hash)) {
            return item;
        }
    }
    return NULL;
}

static void enter(struct oxp_label_table *table, size_t index) {
    size_t mask = table->slot_count - 1, at = table->items[index]->labels->hash & mask;
    while (table->slots[at] != 0) {
        at = (at + 1) & mask;
    }
    table->slots[at] = (uint32_t)index + 1;
}

static void enter_all(struct oxp_label_table *table) {
    memset(table->slots, 0, table->slot_count * sizeof *table->slots);
    for (size_t i = 0; i < table->count; i++) {
        enter(table, i);
    }
}

/* ---- The items ---- */

enum oxp_status oxp_label_table_reserve(struct oxp_label_table *table, size_t more) {
    size_t size = table->size == 0 ? FIRST_ITEMS : table->size;
    if (more > UINT32_MAX / 4 || table->count + more > UINT32_MAX / 4) {
        return OXP_ERR_LIMIT;
    }
    while (size < table->count + more) {
        size *= 2;
    }
    if (size == table->size) {
        return OXP_OK;
    }
    uint32_t *slots = calloc(2 * size, sizeof *slots);
    struct oxp_labelled **items = slots == NULL ? NULL : realloc(table->items, size * sizeof(struct oxp_labelled *));
    if (items == NULL) {
        free(slots);
        return OXP_ERR_NOMEM;
    }
    free(table->slots);
    table->items = items;
    table->slots = slots;
    table->size = size;
    table->slot_count = 2 * size;
    enter_all(table);
    return OXP_OK;
}

enum oxp_status oxp_label_table_add(struct oxp_label_table *table, struct oxp_labelled *item) {
    enum oxp_status status = oxp_label_table_reserve(table, 1);
    if (status == OXP_OK) {
        table->items[table->count] = item;
        enter(table, table->count++);
    }
    return status;
}

void oxp_label_table_sweep(struct oxp_label_table *table, void (*give)(void *ctx, struct oxp_labelled *item),
                           void *ctx) {
    size_t kept = 0;
    for (size_t i = 0; i < table->count; i++) {
        struct oxp_labelled *item = table->items[i];
        if (item->gone) {
            give(ctx, item);
        } else {
            table->items[kept++] = item;
        }
    }
    if (kept != table->count) {
        table->count = kept;
        enter_all(table);
    }
}

void oxp_label_table_fini(struct oxp_label_table *table) {
    free(table->items);
    free(table->slots);
    *table = (struct oxp_label_table){0};
}

/* ---- Copies ---- */

static size_t symbol_size(const struct oxp_symbol *symbol) {
    const size_t align = _Alignof(struct oxp_labels);
    return (sizeof *symbol + symbol->len + 1 + align - 1) / align * align;
}

static size_t size_of(const struct oxp_labels *labels) {
    size_t size = sizeof *labels + labels->count * sizeof labels->label[0];
    for (size_t i = 0; i < labels->count; i++) {
        size += symbol_size(labels->label[i].name) + symbol_size(labels->label[i].value);
    }
    return size;
}

static const struct oxp_symbol *put(unsigned char **at, const struct oxp_symbol *symbol) {
    struct oxp_symbol *copy = (struct oxp_symbol *)(void *)*at;
    memcpy(copy, symbol, sizeof *symbol + symbol->len + 1);
    *at += symbol_size(symbol);
    return copy;
}

static struct oxp_labels *copy_to(void *piece, const struct oxp_labels *labels) {
    struct oxp_labels *copy = piece;
    if (copy != NULL) {
        unsigned char *at = (unsigned char *)piece + sizeof *labels + labels->count * sizeof labels->label[0];
        copy->hash = labels->hash;
        copy->count = labels->count;
        for (size_t i = 0; i < labels->count; i++) {
            copy->label[i].name = put(&at, labels->label[i].name);
            copy->label[i].value = put(&at, labels->label[i].value);
        }
    }
    return copy;
}

struct oxp_labels *oxp_labels_own(const struct oxp_labels *labels) {
    return copy_to(malloc(size_of(labels)), labels);
}

const struct oxp_labels *oxp_labels_copy(struct oxp_arena *arena, const struct oxp_labels *labels) {
    return copy_to(oxp_arena_take(arena, size_of(labels)), labels);
}
