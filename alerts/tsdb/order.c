/* The order of all series by labels. What a query selects must come sorted, and comparing labels costs much more than
 * comparing numbers; so the writer sorts once what is new and gives every series its rank. Between two updates new
 * series have none, and a reader that meets one compares labels itself. */
#include "alerts/tsdb/index.h"

#include <stdlib.h>

static int by_labels(const void *a, const void *b) {
    const struct oxp_tsdb_series *const *x = a, *const *y = b;
    return oxp_labels_compare(&(*x)->labels, &(*y)->labels);
}

/* Merges the sorted `fresh` ones into the sorted ones before them, from the end. */
static void merge(struct oxp_order *order, struct oxp_tsdb_series *const *fresh) {
    size_t old = order->sorted, new = order->count - order->sorted, at = order->count;
    while (new != 0) {
        bool take_old = old != 0 && oxp_labels_compare(&order->series[old - 1]->labels, &fresh[new - 1]->labels) > 0;
        order->series[--at] = take_old ? order->series[--old] : fresh[--new];
    }
}

void oxp_order_update(struct oxp_index *index) {
    struct oxp_order *order = &index->order;
    size_t fresh = order->count - order->sorted;
    void *piece = NULL;
    if (fresh == 0) {
        return;
    }
    qsort(order->series + order->sorted, fresh, sizeof(void *), by_labels);
    if (order->sorted != 0) {
        if (oxp_memory_take(index->memory, fresh * sizeof(void *), &piece) != OXP_OK) {
            return;
        }
        memcpy(piece, order->series + order->sorted, fresh * sizeof(void *));
        merge(order, piece);
        oxp_memory_give(index->memory, piece);
    }
    order->sorted = order->count;
    uint64_t version = atomic_load_explicit(&order->version, memory_order_relaxed);
    atomic_store_explicit(&order->version, version + 1, memory_order_relaxed);
    for (size_t i = 0; i < order->count; i++) {
        atomic_store_explicit(&order->series[i]->rank, (uint32_t)i + 1, memory_order_release);
    }
    atomic_store_explicit(&order->version, version + 2, memory_order_release);
}
