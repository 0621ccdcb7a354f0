#include "alerts/promql/column.h"

#include <stdlib.h>

double *oxp_column_values(struct oxp_arena *arena, size_t steps) {
    if (steps > SIZE_MAX / sizeof(double)) {
        return oxp_arena_zero(arena, steps, sizeof(double)); /* fails, and makes it stick */
    }
    double *values = oxp_arena_take(arena, steps * sizeof *values);
    if (values != NULL) {
        const double absent = oxp_absent();
        for (size_t i = 0; i < steps; i++) {
            values[i] = absent;
        }
    }
    return values;
}

bool oxp_vector_reserve(struct oxp_arena *arena, struct oxp_vector *vector, size_t count) {
    if (count <= vector->size) {
        return true;
    }
    struct oxp_column *columns = oxp_arena_grow(arena, vector->columns, vector->size, count, sizeof *columns);
    if (columns == NULL) {
        return false;
    }
    vector->columns = columns;
    vector->size = count;
    return true;
}

struct oxp_column *oxp_vector_add(struct oxp_arena *arena, struct oxp_vector *vector, const struct oxp_labels *labels,
                                  double *values, size_t steps) {
    if (vector->count == vector->size && !oxp_vector_reserve(arena, vector, vector->size == 0 ? 4 : vector->size * 2)) {
        return NULL;
    }
    if (values == NULL) {
        values = oxp_column_values(arena, steps);
        if (values == NULL) {
            return NULL;
        }
    }
    struct oxp_column *column = &vector->columns[vector->count++];
    *column = (struct oxp_column){.labels = labels, .value = values};
    return column;
}

bool oxp_column_empty(const struct oxp_column *column, size_t steps) {
    for (size_t i = 0; i < steps; i++) {
        if (!oxp_is_absent(column->value[i])) {
            return false;
        }
    }
    return true;
}

void oxp_vector_compact(struct oxp_vector *vector, size_t steps) {
    size_t kept = 0;
    for (size_t i = 0; i < vector->count; i++) {
        if (!oxp_column_empty(&vector->columns[i], steps)) {
            vector->columns[kept++] = vector->columns[i];
        }
    }
    vector->count = kept;
}

/* ---- Equal labels ---- */

/* Moves `from`'s values into `into`. False when both have one at the same step. */
static bool join_columns(struct oxp_column *into, const struct oxp_column *from, size_t steps) {
    for (size_t i = 0; i < steps; i++) {
        if (oxp_is_absent(from->value[i])) {
            continue;
        }
        if (!oxp_is_absent(into->value[i])) {
            return false;
        }
        into->value[i] = from->value[i];
    }
    return true;
}

/* The slot of these labels in a table of columns' numbers plus one: theirs, or the free one where they belong. */
static uint32_t *slot_of(uint32_t *table, size_t slots, const struct oxp_vector *vector,
                         const struct oxp_labels *labels) {
    size_t at = labels->hash & (slots - 1);
    while (table[at] != 0 && !oxp_labels_equal(vector->columns[table[at] - 1].labels, labels)) {
        at = (at + 1) & (slots - 1);
    }
    return &table[at];
}

/* Keeps the first of the columns with equal labels, which takes the others' values. */
static enum oxp_status merge_into(struct oxp_vector *vector, uint32_t *table, size_t slots, size_t steps) {
    size_t kept = 0;
    for (size_t i = 0; i < vector->count; i++) {
        uint32_t *slot = slot_of(table, slots, vector, vector->columns[i].labels);
        if (*slot == 0) {
            vector->columns[kept++] = vector->columns[i];
            *slot = (uint32_t)kept;
        } else if (!join_columns(&vector->columns[*slot - 1], &vector->columns[i], steps)) {
            return OXP_ERR_INVALID;
        }
    }
    vector->count = kept;
    return OXP_OK;
}

enum oxp_status oxp_vector_merge(struct oxp_arena *arena, struct oxp_vector *vector, size_t steps) {
    if (vector->count < 2) {
        return OXP_OK;
    }
    if (vector->count >= UINT32_MAX / 2) {
        return OXP_ERR_LIMIT;
    }
    size_t slots = 16;
    while (slots < vector->count * 2) {
        slots *= 2;
    }
    uint32_t few[16] = {0}; /* of up to 8 columns */
    struct oxp_arena_mark mark = oxp_arena_here(arena);
    uint32_t *table = slots == 16 ? few : oxp_arena_zero(arena, slots, sizeof *table);
    if (table == NULL) {
        return oxp_arena_status(arena);
    }
    enum oxp_status status = merge_into(vector, table, slots, steps);
    if (table != few) {
        oxp_arena_reset(arena, mark);
    }
    return status;
}

enum oxp_status oxp_vector_drop_names(struct oxp_arena *arena, struct oxp_vector *vector, size_t steps) {
    /* Sets that differ and have the same name differ without it, too: nothing to merge then. */
    bool one_name = true;
    const struct oxp_symbol *name = vector->count == 0 ? NULL : oxp_labels_name(vector->columns[0].labels);
    for (size_t i = 0; i < vector->count; i++) {
        const struct oxp_labels *labels = vector->columns[i].labels;
        const struct oxp_symbol *its = oxp_labels_name(labels);
        one_name = one_name && (its == name || (its != NULL && name != NULL && oxp_symbol_equal(its, name)));
        labels = its == NULL ? labels : oxp_labels_nameless(arena, labels);
        if (labels == NULL) {
            return oxp_arena_status(arena);
        }
        vector->columns[i].labels = labels;
    }
    return one_name ? OXP_OK : oxp_vector_merge(arena, vector, steps);
}

static int compare_columns(const void *a, const void *b) {
    return oxp_labels_compare(((const struct oxp_column *)a)->labels, ((const struct oxp_column *)b)->labels);
}

void oxp_vector_sort(struct oxp_vector *vector) {
    /* What comes straight from the short memory is sorted. */
    for (size_t i = 1; i < vector->count; i++) {
        if (compare_columns(&vector->columns[i - 1], &vector->columns[i]) > 0) {
            qsort(vector->columns, vector->count, sizeof *vector->columns, compare_columns);
            return;
        }
    }
}
