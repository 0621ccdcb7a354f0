#include "alerts/promql/grouping.h"

enum { FIRST_SLOTS = 32 };

void oxp_grouping_init(struct oxp_grouping *grouping, struct oxp_arena *arena, const struct oxp_label_choice *choice) {
    *grouping = (struct oxp_grouping){.arena = arena, .choice = choice};
}

/* ---- Choosing ---- */

static bool is_chosen(const struct oxp_label_choice *choice, const struct oxp_symbol *name) {
    if (choice->without && oxp_view_is(oxp_symbol_view(name), OXP_NAME_LABEL)) {
        return false;
    }
    for (size_t i = 0; i < choice->count; i++) {
        if (oxp_symbol_equal(choice->names[i], name)) {
            return !choice->without;
        }
    }
    return choice->without;
}

static uint64_t chosen_places(struct oxp_grouping *grouping, const struct oxp_labels *labels) {
    struct oxp_shape *shape = &grouping->shape;
    bool same = shape->count == labels->count;
    for (uint32_t i = 0; same && i < labels->count; i++) {
        same = shape->name[i] == labels->label[i].name;
    }
    if (same) {
        return shape->chosen;
    }
    shape->count = labels->count;
    shape->chosen = 0;
    for (uint32_t i = 0; i < labels->count; i++) {
        shape->name[i] = labels->label[i].name;
        shape->chosen |= (uint64_t)is_chosen(grouping->choice, shape->name[i]) << i;
    }
    return shape->chosen;
}

/* The place of the lowest bit, which is removed. */
static unsigned next_place(uint64_t *places) {
    unsigned place = (unsigned)__builtin_ctzll(*places);
    *places &= *places - 1;
    return place;
}

static uint32_t hash_of(const struct oxp_labels *labels, uint64_t places) {
    uint64_t hash = 0;
    while (places != 0) {
        const struct oxp_label *label = &labels->label[next_place(&places)];
        hash = (hash ^ ((uint64_t)label->name->hash << 32 | label->value->hash)) * UINT64_C(0x9e3779b97f4a7c15);
        hash ^= hash >> 32;
    }
    return (uint32_t)hash;
}

static bool same_group(const struct oxp_group *group, const struct oxp_labels *labels, uint64_t places) {
    uint64_t others = group->chosen;
    while (places != 0 && others != 0) {
        const struct oxp_label *a = &group->first->label[next_place(&others)], *b = &labels->label[next_place(&places)];
        if (!oxp_symbol_equal(a->name, b->name) || !oxp_symbol_equal(a->value, b->value)) {
            return false;
        }
    }
    return places == others; /* both came to their end */
}

const struct oxp_labels *oxp_grouping_chosen(struct oxp_grouping *grouping, const struct oxp_labels *labels) {
    uint64_t places = chosen_places(grouping, labels);
    uint32_t count = (uint32_t)__builtin_popcountll(places), at = 0;
    if (count == labels->count) {
        return labels;
    }
    if (count == 0) {
        return oxp_labels_none();
    }
    struct oxp_labels *chosen = oxp_arena_take(grouping->arena, sizeof *chosen + count * sizeof chosen->label[0]);
    if (chosen == NULL) {
        return NULL;
    }
    while (places != 0) {
        chosen->label[at++] = labels->label[next_place(&places)];
    }
    chosen->count = count;
    chosen->hash = oxp_labels_hash(chosen->label, count);
    return chosen;
}

/* ---- The table ---- */

/* The slot of the group with these labels, or the free one where it belongs. The table is never full. */
static uint32_t *slot_of(const struct oxp_grouping *grouping, const struct oxp_labels *labels, uint64_t places,
                         uint32_t hash) {
    size_t mask = grouping->slot_count - 1, at = hash & mask;
    for (;; at = (at + 1) & mask) {
        uint32_t number = grouping->slots[at];
        if (number == 0 ||
            (grouping->groups[number - 1].hash == hash && same_group(&grouping->groups[number - 1], labels, places))) {
            return &grouping->slots[at];
        }
    }
}

/* Doubles the table, which is at most half full. */
static bool grow(struct oxp_grouping *grouping) {
    size_t slot_count = grouping->slot_count == 0 ? FIRST_SLOTS : grouping->slot_count * 2;
    struct oxp_group *groups =
        oxp_arena_grow(grouping->arena, grouping->groups, grouping->count, slot_count / 2, sizeof *groups);
    uint32_t *slots = oxp_arena_zero(grouping->arena, slot_count, sizeof *slots);
    if (groups == NULL || slots == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < grouping->count; i++) {
        size_t at = groups[i].hash & (slot_count - 1);
        while (slots[at] != 0) {
            at = (at + 1) & (slot_count - 1);
        }
        slots[at] = i + 1;
    }
    grouping->groups = groups;
    grouping->slots = slots;
    grouping->slot_count = slot_count;
    return true;
}

uint32_t oxp_grouping_add(struct oxp_grouping *grouping, const struct oxp_labels *labels) {
    uint64_t places = chosen_places(grouping, labels);
    uint32_t hash = hash_of(labels, places);
    if (grouping->count == grouping->slot_count / 2 && !grow(grouping)) {
        return OXP_NO_GROUP;
    }
    uint32_t *slot = slot_of(grouping, labels, places, hash);
    if (*slot != 0) {
        return *slot - 1;
    }
    grouping->groups[grouping->count] = (struct oxp_group){.hash = hash, .chosen = places, .first = labels};
    *slot = ++grouping->count;
    return grouping->count - 1;
}

uint32_t oxp_grouping_find(struct oxp_grouping *grouping, const struct oxp_labels *labels) {
    if (grouping->count == 0) {
        return OXP_NO_GROUP;
    }
    uint64_t places = chosen_places(grouping, labels);
    uint32_t number = *slot_of(grouping, labels, places, hash_of(labels, places));
    return number == 0 ? OXP_NO_GROUP : number - 1;
}

bool oxp_members_list(struct oxp_arena *arena, const uint32_t *group_of, size_t columns, uint32_t groups,
                      struct oxp_members *members_out) {
    uint32_t *start = oxp_arena_zero(arena, (size_t)groups + 2, sizeof *start);
    uint32_t *index = oxp_arena_take(arena, columns * sizeof *index);
    if (start == NULL || index == NULL) {
        return false;
    }
    /* Counting sort. While the lists are filled, start[g + 1] is where the next member of g goes; when they are, it is
     * where they end, which is where the next one's begin. */
    for (size_t i = 0; i < columns; i++) {
        if (group_of[i] != OXP_NO_GROUP) {
            start[group_of[i] + 2]++;
        }
    }
    for (uint32_t g = 0; g < groups; g++) {
        start[g + 2] += start[g + 1];
    }
    for (size_t i = 0; i < columns; i++) {
        if (group_of[i] != OXP_NO_GROUP) {
            index[start[group_of[i] + 1]++] = (uint32_t)i;
        }
    }
    *members_out = (struct oxp_members){.start = start, .index = index};
    return true;
}
