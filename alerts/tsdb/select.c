/* What queries ask of the index, in order: series by labels, names and values by text. Which series they are finds
 * lookup.c. */
#include "alerts/tsdb/lookup.h"

#include <stdlib.h>

/* ---- In order ---- */

static int by_labels(const void *a, const void *b) {
    const struct oxp_tsdb_found *x = a, *y = b;
    return oxp_labels_compare(x->labels, y->labels);
}

/* Rank in the upper half, place in the lower. False when some series has no rank, or ranks changed meanwhile. */
static bool ranks_of(const struct oxp_order *order, const struct oxp_lookup_results *results, uint64_t *keys,
                     uint32_t *most_out) {
    uint64_t version = atomic_load_explicit(&order->version, memory_order_acquire);
    uint32_t most = 0;
    bool all = version % 2 == 0;
    for (size_t i = 0; all && i < results->count; i++) {
        uint32_t rank = atomic_load_explicit(&results->found[i].series->rank, memory_order_acquire);
        keys[i] = (uint64_t)rank << 32 | i;
        most = rank > most ? rank : most;
        all = rank != 0;
    }
    *most_out = most;
    return all && atomic_load_explicit(&order->version, memory_order_relaxed) == version;
}

enum { DIGIT_BITS = 11, DIGITS = 1 << DIGIT_BITS };

/* Sorts by rank, digit by digit. Gives the one of the two arrays that has the result. */
static uint64_t *sort_keys(uint64_t *keys, uint64_t *other, size_t count, uint32_t most) {
    for (unsigned shift = 32; shift < 64 && most >> (shift - 32) != 0; shift += DIGIT_BITS) {
        uint32_t start[DIGITS + 1] = {0};
        for (size_t i = 0; i < count; i++) {
            start[(keys[i] >> shift & (DIGITS - 1)) + 1]++;
        }
        for (size_t d = 1; d < DIGITS; d++) {
            start[d] += start[d - 1];
        }
        for (size_t i = 0; i < count; i++) {
            other[start[keys[i] >> shift & (DIGITS - 1)]++] = keys[i];
        }
        uint64_t *sorted = other;
        other = keys;
        keys = sorted;
    }
    return keys;
}

static enum oxp_status sort(const struct oxp_lookup *lookup, struct oxp_lookup_results *results) {
    enum { FEW = 64 };
    uint32_t most;
    size_t count = results->count;
    if (count < FEW) {
        if (count > 1) {
            qsort(results->found, count, sizeof *results->found, by_labels);
        }
        return OXP_OK;
    }
    struct oxp_arena_mark mark = oxp_arena_here(lookup->arena);
    uint64_t *keys = oxp_arena_take(lookup->arena, count * 2 * sizeof *keys);
    struct oxp_tsdb_found *copy = oxp_arena_take(lookup->arena, count * sizeof *copy);
    if (keys == NULL || copy == NULL) {
        return oxp_arena_status(lookup->arena);
    }
    if (ranks_of(&lookup->reader->tsdb->index.order, results, keys, &most)) {
        keys = sort_keys(keys, keys + count, count, most);
        memcpy(copy, results->found, count * sizeof *copy);
        for (size_t i = 0; i < count; i++) {
            results->found[i] = copy[keys[i] & UINT32_MAX];
        }
    } else {
        qsort(results->found, count, sizeof *results->found, by_labels);
    }
    oxp_arena_reset(lookup->arena, mark);
    return OXP_OK;
}

enum oxp_status oxp_tsdb_select(const struct oxp_tsdb_reader *reader, const struct oxp_matcher *matchers, size_t count,
                                int64_t min_ms, int64_t max_ms, struct oxp_arena *arena,
                                struct oxp_tsdb_found **found_out, size_t *found_count_out) {
    struct oxp_lookup lookup = {reader, matchers, count, min_ms, max_ms, arena, NULL};
    struct oxp_lookup_results results = {0};
    *found_out = NULL;
    *found_count_out = 0;
    enum oxp_status status = oxp_lookup_run(&lookup, &results);
    if (status == OXP_OK) {
        status = sort(&lookup, &results);
    }
    if (status == OXP_OK) {
        *found_out = results.found;
        *found_count_out = results.count;
    }
    return status;
}

enum oxp_status oxp_tsdb_visit(const struct oxp_tsdb_reader *reader, const struct oxp_matcher *matchers, size_t count,
                               struct oxp_arena *arena, const struct oxp_tsdb_visitor *visitor) {
    struct oxp_lookup lookup = {reader, matchers, count, INT64_MIN, INT64_MAX, arena, visitor};
    return oxp_lookup_run(&lookup, NULL);
}

/* ---- Names and values of labels ---- */

/* Symbols, each once: an open hash set by address. Those of one name, and the names, are equal only if the same. */
struct distinct {
    struct oxp_arena *arena;
    const struct oxp_symbol **slots;
    size_t size, count;
};

static void put(const struct oxp_symbol **slots, size_t size, const struct oxp_symbol *symbol, size_t *count) {
    size_t i = symbol->hash & (size - 1);
    while (slots[i] != NULL && slots[i] != symbol) {
        i = (i + 1) & (size - 1);
    }
    *count += slots[i] == NULL;
    slots[i] = symbol;
}

static enum oxp_status add_distinct(struct distinct *distinct, const struct oxp_symbol *symbol) {
    if (distinct->count * 2 >= distinct->size) {
        size_t size = distinct->size == 0 ? 64 : distinct->size * 2, count = 0;
        const struct oxp_symbol **slots = oxp_arena_zero(distinct->arena, size, sizeof(void *));
        if (slots == NULL) {
            return oxp_arena_status(distinct->arena);
        }
        for (size_t i = 0; i < distinct->size; i++) {
            if (distinct->slots[i] != NULL) {
                put(slots, size, distinct->slots[i], &count);
            }
        }
        distinct->slots = slots;
        distinct->size = size;
    }
    put(distinct->slots, distinct->size, symbol, &distinct->count);
    return OXP_OK;
}

static int by_text(const void *a, const void *b) {
    const struct oxp_symbol *const *x = a, *const *y = b;
    return oxp_symbol_compare(*x, *y);
}

/* What is in the set, sorted, at the front of its slots. */
static void sort_distinct(struct distinct *distinct) {
    size_t kept = 0;
    for (size_t i = 0; i < distinct->size; i++) {
        if (distinct->slots[i] != NULL) {
            distinct->slots[kept++] = distinct->slots[i];
        }
    }
    if (kept > 1) {
        qsort(distinct->slots, kept, sizeof(void *), by_text);
    }
}

/* The names of the results, or the values under `name` if it is not NULL. */
static enum oxp_status collect(const struct oxp_lookup_results *results, const struct oxp_symbol *name,
                               struct distinct *distinct) {
    enum oxp_status status = OXP_OK;
    for (size_t i = 0; status == OXP_OK && i < results->count; i++) {
        const struct oxp_labels *labels = results->found[i].labels;
        for (uint32_t l = 0; status == OXP_OK && l < labels->count; l++) {
            if (name == NULL) {
                status = add_distinct(distinct, labels->label[l].name);
            } else if (labels->label[l].name == name) {
                status = add_distinct(distinct, labels->label[l].value);
            }
        }
    }
    sort_distinct(distinct);
    return status;
}

enum oxp_status oxp_tsdb_label_names(const struct oxp_tsdb_reader *reader, const struct oxp_matcher *matchers,
                                     size_t count, int64_t min_ms, int64_t max_ms, struct oxp_arena *arena,
                                     const struct oxp_symbol ***names_out, size_t *names_count_out) {
    struct oxp_lookup lookup = {reader, matchers, count, min_ms, max_ms, arena, NULL};
    struct oxp_lookup_results results = {0};
    struct distinct distinct = {.arena = arena};
    enum oxp_status status = oxp_lookup_run(&lookup, &results);
    status = status != OXP_OK ? status : collect(&results, NULL, &distinct);
    *names_out = status == OXP_OK ? distinct.slots : NULL;
    *names_count_out = status == OXP_OK ? distinct.count : 0;
    return status;
}

enum oxp_status oxp_tsdb_label_values(const struct oxp_tsdb_reader *reader, struct oxp_view name,
                                      const struct oxp_matcher *matchers, size_t count, int64_t min_ms, int64_t max_ms,
                                      struct oxp_arena *arena, const struct oxp_symbol ***values_out,
                                      size_t *values_count_out) {
    struct oxp_lookup lookup = {reader, matchers, count, min_ms, max_ms, arena, NULL};
    struct oxp_lookup_results results = {0};
    struct distinct distinct = {.arena = arena};
    *values_out = NULL;
    *values_count_out = 0;
    pthread_mutex_lock(&reader->tsdb->memory.lock);
    const struct oxp_index_name *known = oxp_index_name_of(&reader->tsdb->index, name);
    pthread_mutex_unlock(&reader->tsdb->memory.lock);
    if (known == NULL) {
        return OXP_OK;
    }
    enum oxp_status status = oxp_lookup_run(&lookup, &results);
    status = status != OXP_OK ? status : collect(&results, &known->symbol, &distinct);
    if (status == OXP_OK) {
        *values_out = distinct.slots;
        *values_count_out = distinct.count;
    }
    return status;
}
