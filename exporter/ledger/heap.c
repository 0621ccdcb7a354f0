#include "exporter/ledger/heap.h"

#include <stdlib.h>

void oxp_heap_fini(struct oxp_heap *heap) {
    free(heap->nodes);
    *heap = (struct oxp_heap){0};
}

enum oxp_status oxp_heap_reserve(struct oxp_heap *heap, size_t nodes) {
    size_t size = heap->size == 0 ? 16 : heap->size;
    while (size < nodes + 1) { /* nodes[0] is not used */
        size *= 2;
    }
    if (size == heap->size) {
        return OXP_OK;
    }
    struct oxp_heap_node **more = realloc(heap->nodes, size * sizeof(void *));
    if (more == NULL) {
        return OXP_ERR_NOMEM;
    }
    heap->nodes = more;
    heap->size = size;
    return OXP_OK;
}

static void place(struct oxp_heap *heap, size_t at, struct oxp_heap_node *node) {
    heap->nodes[at] = node;
    node->at = at;
}

static void sift_up(struct oxp_heap *heap, size_t at, struct oxp_heap_node *node) {
    for (; at > 1 && heap->nodes[at / 2]->key > node->key; at /= 2) {
        place(heap, at, heap->nodes[at / 2]);
    }
    place(heap, at, node);
}

static void sift_down(struct oxp_heap *heap, size_t at, struct oxp_heap_node *node) {
    for (size_t child = at * 2; child <= heap->count; child = at * 2) {
        if (child < heap->count && heap->nodes[child + 1]->key < heap->nodes[child]->key) {
            child++;
        }
        if (heap->nodes[child]->key >= node->key) {
            break;
        }
        place(heap, at, heap->nodes[child]);
        at = child;
    }
    place(heap, at, node);
}

void oxp_heap_put(struct oxp_heap *heap, struct oxp_heap_node *node, double key) {
    node->key = key;
    heap->count++;
    sift_up(heap, heap->count, node);
}

void oxp_heap_take(struct oxp_heap *heap, struct oxp_heap_node *node) {
    size_t at = node->at;
    if (at == 0) {
        return;
    }
    struct oxp_heap_node *last = heap->nodes[heap->count--];
    node->at = 0;
    if (last == node) {
        return;
    }
    if (at > 1 && heap->nodes[at / 2]->key > last->key) {
        sift_up(heap, at, last);
    } else {
        sift_down(heap, at, last);
    }
}

struct oxp_heap_node *oxp_heap_least(const struct oxp_heap *heap) {
    return heap->count == 0 ? NULL : heap->nodes[1];
}
