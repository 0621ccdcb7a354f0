/* Groups of columns: those that agree in a choice of labels have the same number.
 *
 * Aggregations and the matching of binary operators both begin so: the labels are looked at once for a series, by a
 * hash over the chosen ones, without making the chosen set. Everything lives in the arena. Not for users of the
 * evaluator; owned by the thread that evaluates. */
#ifndef OXP_PROMQL_GROUPING_H
#define OXP_PROMQL_GROUPING_H

#include "alerts/promql/column.h"

#define OXP_NO_GROUP UINT32_MAX

/* Which labels of a set are chosen, as bits. Series of one metric have the same names, at the same addresses, so the
 * answer of the set before is looked at first, and names are compared only when it does not fit. */
struct oxp_shape {
    uint64_t chosen; /* bit i: the label at place i */
    uint32_t count;
    const struct oxp_symbol *name[OXP_LABELS_LIMIT];
};

struct oxp_group {
    uint32_t hash;                  /* of the chosen labels */
    uint64_t chosen;                /* of `first` */
    const struct oxp_labels *first; /* of the first series of the group: all its labels */
};

struct oxp_grouping {
    struct oxp_arena *arena;
    const struct oxp_label_choice *choice; /* the caller's, kept as long as the grouping */
    struct oxp_group *groups;              /* in the order in which they were seen */
    uint32_t count;
    uint32_t *slots; /* an open hash table of numbers plus one */
    size_t slot_count;
    struct oxp_shape shape;
};

/* An empty grouping; allocates nothing. */
void oxp_grouping_init(struct oxp_grouping *grouping, struct oxp_arena *arena, const struct oxp_label_choice *choice);
/* The number of the group that these labels belong to, a new one if need be; OXP_NO_GROUP without memory. */
uint32_t oxp_grouping_add(struct oxp_grouping *grouping, const struct oxp_labels *labels);
/* The same, but OXP_NO_GROUP when there is no such group. */
uint32_t oxp_grouping_find(struct oxp_grouping *grouping, const struct oxp_labels *labels);
/* The chosen part of a set, as oxp_labels_chosen makes it; NULL without memory. */
const struct oxp_labels *oxp_grouping_chosen(struct oxp_grouping *grouping, const struct oxp_labels *labels);

/* The columns of each group, in their order: group g has index[start[g]] … index[start[g + 1] - 1]. */
struct oxp_members {
    uint32_t *start; /* [groups + 1] */
    uint32_t *index;
};
static inline size_t oxp_members_count(const struct oxp_members *members, uint32_t group) {
    return members->start[group + 1] - members->start[group];
}
/* Lists them from the columns' numbers (OXP_NO_GROUP: in no list). False without memory. */
bool oxp_members_list(struct oxp_arena *arena, const uint32_t *group_of, size_t columns, uint32_t groups,
                      struct oxp_members *members_out);

#endif
