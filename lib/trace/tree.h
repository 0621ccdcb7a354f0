/* Spans as a tree: who stands where. Pure; any thread. */
#ifndef OXP_TRACE_TREE_H
#define OXP_TRACE_TREE_H

#include <oxpecker/status.h>
#include <oxpecker/view.h>

struct oxp_tree_node {
    struct oxp_view id, parent; /* empty parent = none */
    double started_s;
};

struct oxp_tree_place {
    size_t node; /* index into the nodes */
    unsigned depth;
};

/* Puts each of `count` nodes into `places_out` (room for `count`) once: parents before their children, each followed by
 * all below it, siblings and roots in the order of their start. A node whose parent is not among them, or is itself, is
 * a root; of two with one id the earlier is the parent. A circle of parents is cut at its earliest node. OXP_ERR_NOMEM.
 */
enum oxp_status oxp_tree_order(const struct oxp_tree_node *nodes, size_t count, struct oxp_tree_place *places_out);

#endif
