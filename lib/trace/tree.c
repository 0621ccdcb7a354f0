#include "lib/trace/tree.h"

#include "lib/base/map.h"
#include <stdlib.h>

#define NONE SIZE_MAX

/* By rank, which is the order of the starts. */
struct link {
    size_t node; /* index into the nodes */
    double started_s;
    size_t parent, first, last, next; /* ranks: parent, children, sibling */
    bool placed;
};

static int by_start(const void *a, const void *b) {
    const struct link *left = a, *right = b;
    if (left->started_s != right->started_s) {
        return left->started_s < right->started_s ? -1 : 1;
    }
    return left->node < right->node ? -1 : 1;
}

/* Finds each one's parent, and hangs it there behind its elder siblings. */
static enum oxp_status hang(const struct oxp_tree_node *nodes, size_t count, struct link *links) {
    enum oxp_status status = OXP_OK;
    struct oxp_map by_id;
    oxp_map_init(&by_id);
    for (size_t i = 0; i < count && status == OXP_OK; i++) {
        struct oxp_view id = nodes[links[i].node].id;
        if (id.len != 0 && oxp_map_get(&by_id, id) == NULL) {
            status = oxp_map_set(&by_id, id, &links[i], NULL);
        }
    }
    for (size_t i = 0; i < count && status == OXP_OK; i++) {
        struct oxp_view wanted = nodes[links[i].node].parent;
        struct link *parent = wanted.len == 0 ? NULL : oxp_map_get(&by_id, wanted);
        if (parent == NULL || parent == &links[i]) {
            continue;
        }
        links[i].parent = (size_t)(parent - links);
        if (parent->first == NONE) {
            parent->first = i;
        } else {
            links[parent->last].next = i;
        }
        parent->last = i;
    }
    oxp_map_fini(&by_id);
    return status;
}

/* Places `root` and all below it, from `*placed` on. Goes down to the first child, else to the next sibling of the
 * nearest one that has one; what is placed already is not entered again, so that a circle ends. */
static void place(struct link *links, size_t root, struct oxp_tree_place *places, size_t *placed) {
    size_t at = root;
    unsigned depth = 0;
    while (at != NONE) {
        links[at].placed = true;
        places[(*placed)++] = (struct oxp_tree_place){links[at].node, depth};
        size_t next = links[at].first;
        depth++;
        while (true) {
            while (next != NONE && links[next].placed) {
                next = links[next].next;
            }
            if (next != NONE || at == root) {
                break;
            }
            next = links[at].next;
            at = links[at].parent;
            depth--;
        }
        at = next;
    }
}

enum oxp_status oxp_tree_order(const struct oxp_tree_node *nodes, size_t count, struct oxp_tree_place *places_out) {
    if (count == 0) {
        return OXP_OK;
    }
    struct link *links = calloc(count, sizeof *links);
    if (links == NULL) {
        return OXP_ERR_NOMEM;
    }
    for (size_t i = 0; i < count; i++) {
        links[i] = (struct link){i, nodes[i].started_s, NONE, NONE, NONE, NONE, false};
    }
    qsort(links, count, sizeof *links, by_start);
    enum oxp_status status = hang(nodes, count, links);
    size_t placed = 0;
    for (size_t i = 0; i < count && status == OXP_OK; i++) {
        if (links[i].parent == NONE) {
            place(links, i, places_out, &placed);
        }
    }
    for (size_t i = 0; i < count && status == OXP_OK; i++) { /* what no root leads to stands in a circle */
        if (!links[i].placed) {
            place(links, i, places_out, &placed);
        }
    }
    free(links);
    return status;
}
