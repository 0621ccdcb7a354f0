/* A binary min-heap of nodes that are members of what they order: the least key is found in constant time, and a node
 * is put in or taken out in logarithmic time. Owned by one thread. */
#ifndef OXP_LEDGER_HEAP_H
#define OXP_LEDGER_HEAP_H

#include <oxpecker/status.h>

struct oxp_heap_node {
    double key;
    size_t at; /* place in the heap, from 1; 0 = in no heap */
};

struct oxp_heap {
    struct oxp_heap_node **nodes; /* nodes[0] is not used */
    size_t count, size;
};

/* An empty heap is all zeros. Frees the table, not the nodes. */
void oxp_heap_fini(struct oxp_heap *heap);
/* Makes room for `nodes` in all, those that are in it included: up to so many, oxp_heap_put cannot fail. OXP_ERR_NOMEM.
 */
enum oxp_status oxp_heap_reserve(struct oxp_heap *heap, size_t nodes);
/* Puts a node that is in no heap; room must have been reserved. */
void oxp_heap_put(struct oxp_heap *heap, struct oxp_heap_node *node, double key);
/* Takes a node out; does nothing when it is in no heap. */
void oxp_heap_take(struct oxp_heap *heap, struct oxp_heap_node *node);
/* The node with the least key, or NULL. */
struct oxp_heap_node *oxp_heap_least(const struct oxp_heap *heap);

#endif
