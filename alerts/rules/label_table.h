/* Things that are named by a label set: the series of a recording rule, the alerts of an alerting one. A dense array in
 * the order of coming, with a hash index. Owned by one thread; what others may see of it is the caller's to guard. */
#ifndef OXP_RULES_LABEL_TABLE_H
#define OXP_RULES_LABEL_TABLE_H

#include "alerts/tsdb/labels.h"

/* The head of what is in a table: it must be the first member. */
struct oxp_labelled {
    const struct oxp_labels *labels; /* unchanged while it is in the table */
    uint64_t round;                  /* the caller's: when it was last seen */
    bool gone;                       /* the next sweep takes it out */
};

struct oxp_label_table {
    struct oxp_labelled **items;
    uint32_t *slots; /* index + 1 of an item, 0 = free; at most half full */
    size_t count, size, slot_count;
};

/* The item with these pairs, which are sorted and have this hash (oxp_labels_hash), or NULL. */
struct oxp_labelled *oxp_label_table_find(const struct oxp_label_table *table, const struct oxp_label *pairs,
                                          size_t count, uint32_t hash);
/* Room for `more` items. OXP_ERR_NOMEM, OXP_ERR_LIMIT. */
enum oxp_status oxp_label_table_reserve(struct oxp_label_table *table, size_t more);
/* Adds an item whose labels no other has. OXP_ERR_NOMEM, OXP_ERR_LIMIT, and then nothing changed. */
enum oxp_status oxp_label_table_add(struct oxp_label_table *table, struct oxp_labelled *item);
/* Takes out what is gone and hands each to `give`, keeping the order of the rest. Allocates nothing. */
void oxp_label_table_sweep(struct oxp_label_table *table, void (*give)(void *ctx, struct oxp_labelled *item),
                           void *ctx);
/* Frees the table itself; the items are the caller's. */
void oxp_label_table_fini(struct oxp_label_table *table);

/* ---- Copies ---- Deep ones, symbols included, in one piece. */
/* On the heap (free()); NULL without memory. */
struct oxp_labels *oxp_labels_own(const struct oxp_labels *labels);
/* In an arena; NULL on failure, which sticks to the arena. */
const struct oxp_labels *oxp_labels_copy(struct oxp_arena *arena, const struct oxp_labels *labels);

#endif
