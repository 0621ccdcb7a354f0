/* Two vectors matched by labels: arithmetic and comparisons with on, ignoring, group_left and group_right, and the set
 * operators. https://prometheus.io/docs/prometheus/latest/querying/operators/#vector-matching
 *
 * Series whose matching labels agree are one match group. The groups are those of the side on which a group may hold
 * one series at a step (`one`); the series of the other side (`many`) look theirs up. That is done once for all steps.
 * What may differ from step to step is who is there, so the rules about duplicates hold for each step:
 *   1. Two series of one group on the "one" side, both with a value at a step at which the other side has any value at
 *      all, fail the query, matched or not.
 *   2. One-to-one: so do two series of the other side that both find a partner at a step.
 *   3. Many-to-one: so do two results of one group with equal labels at a step, even if a comparison drops them.
 * The first step at which a rule is broken makes the error. Results of different groups with equal labels are for
 * oxp_vector_merge. */
#include "alerts/promql/binary.h"
#include "alerts/promql/grouping.h"
#include "lib/base/buf.h"

struct side {
    struct oxp_vector *vector;
    uint32_t *group_of; /* of each column */
    struct oxp_members members;
};

struct match {
    struct oxp_eval *eval;
    const struct oxp_promql_node *node;
    struct oxp_arena *arena;
    size_t steps;
    struct side many, one;
    struct oxp_grouping groups;
    double **joined; /* of each group of several columns on the one side: their values in one array; made when asked */
    bool drop_name;
};

/* ---- Groups ---- */

/* Sets what is known at once. False without memory. */
static bool begin_match(struct match *match, struct oxp_eval *eval, const struct oxp_promql_node *node) {
    match->eval = eval;
    match->node = node;
    match->arena = &eval->query->arena;
    match->steps = eval->steps;
    match->drop_name = oxp_binary_drops_name(node);
    for (int i = 0; i < 2; i++) {
        struct side *side = i == 0 ? &match->one : &match->many;
        side->group_of = oxp_arena_take(match->arena, side->vector->count * sizeof *side->group_of);
        if (side->group_of == NULL) {
            return false;
        }
    }
    return true;
}

static enum oxp_status number_columns(struct match *match, struct side *side, bool add) {
    struct oxp_query_state *query = match->eval->query;
    for (size_t i = 0; i < side->vector->count; i++) {
        const struct oxp_labels *labels = side->vector->columns[i].labels;
        side->group_of[i] = add ? oxp_grouping_add(&match->groups, labels) : oxp_grouping_find(&match->groups, labels);
        if (add && side->group_of[i] == OXP_NO_GROUP) {
            return oxp_query_memory(query);
        }
        enum oxp_status status = oxp_query_check(query, 0);
        if (status != OXP_OK) {
            return status;
        }
    }
    return OXP_OK;
}

static enum oxp_status make_groups(struct match *match) {
    struct oxp_query_state *query = match->eval->query;
    if (match->one.vector->count >= OXP_NO_GROUP || match->many.vector->count >= OXP_NO_GROUP) {
        return oxp_query_fail(query, OXP_ERR_LIMIT, "too many series for a binary operator");
    }
    oxp_grouping_init(&match->groups, match->arena, &match->node->binary.matching);
    enum oxp_status status = number_columns(match, &match->one, true);
    return status == OXP_OK ? number_columns(match, &match->many, false) : status;
}

static bool list_members(struct match *match, struct side *side) {
    return oxp_members_list(match->arena, side->group_of, side->vector->count, match->groups.count, &side->members);
}

/* Who is in each group. False without memory. */
static bool list_groups(struct match *match) {
    match->joined = oxp_arena_zero(match->arena, match->groups.count, sizeof *match->joined);
    return match->joined != NULL && list_members(match, &match->one) && list_members(match, &match->many);
}

/* The values of a group's "one" side: at each step the first series that has one. NULL without memory. */
static const double *one_values(struct match *match, uint32_t group) {
    const struct oxp_members *members = &match->one.members;
    const struct oxp_column *columns = match->one.vector->columns;
    if (oxp_members_count(members, group) == 1) {
        return columns[members->index[members->start[group]]].value;
    }
    if (match->joined[group] != NULL) {
        return match->joined[group];
    }
    double *joined = oxp_column_values(match->arena, match->steps);
    if (joined == NULL) {
        return NULL;
    }
    for (uint32_t i = members->start[group]; i < members->start[group + 1]; i++) {
        const double *values = columns[members->index[i]].value;
        for (size_t step = 0; step < match->steps; step++) {
            joined[step] = oxp_is_absent(joined[step]) ? values[step] : joined[step];
        }
    }
    match->joined[group] = joined;
    return joined;
}

/* ---- Duplicates ---- */

struct clash {
    size_t step; /* SIZE_MAX: none */
    uint32_t first, second;
};

/* Finds the earliest step at which two columns of one group of a side have a value and `guard` has one, too. `owner`
 * is room for a number a step. */
static void find_clash(const struct match *match, const struct side *side, uint32_t group, const double *guard,
                       uint32_t *owner, struct clash *clash) {
    memset(owner, 0xff, match->steps * sizeof *owner);
    for (uint32_t i = side->members.start[group]; i < side->members.start[group + 1]; i++) {
        uint32_t column = side->members.index[i];
        const double *values = side->vector->columns[column].value;
        for (size_t step = 0; step < match->steps && step <= clash->step; step++) {
            if (oxp_is_absent(values[step]) || oxp_is_absent(guard[step])) {
                continue;
            }
            if (owner[step] == UINT32_MAX) {
                owner[step] = column;
            } else if (step < clash->step || column < clash->second) {
                *clash = (struct clash){step, owner[step], column};
            }
        }
    }
}

/* A value at each step at which any column of a vector has one. NULL without memory. */
static double *any_value(const struct match *match, const struct oxp_vector *vector) {
    double *any = oxp_column_values(match->arena, match->steps);
    for (size_t i = 0; any != NULL && i < vector->count; i++) {
        for (size_t step = 0; step < match->steps; step++) {
            any[step] = oxp_is_absent(any[step]) ? vector->columns[i].value[step] : any[step];
        }
    }
    return any;
}

/* Looks at every group of several columns of a side. False without memory. */
static bool find_clashes(struct match *match, const struct side *side, struct clash *clash_out) {
    double *guard = NULL;
    uint32_t *owner = NULL;
    *clash_out = (struct clash){.step = SIZE_MAX};
    for (uint32_t group = 0; group < match->groups.count; group++) {
        if (oxp_members_count(&side->members, group) < 2) {
            continue;
        }
        if (owner == NULL) {
            owner = oxp_arena_take(match->arena, match->steps * sizeof *owner);
            guard = side == &match->one ? any_value(match, match->many.vector) : NULL;
        }
        const double *needed = side == &match->one ? guard : one_values(match, group);
        if (owner == NULL || needed == NULL) {
            return false;
        }
        find_clash(match, side, group, needed, owner, clash_out);
    }
    return true;
}

/* Appends a set; gives its place in the text. */
static size_t append_set(struct oxp_buf *text, const struct oxp_labels *labels) {
    size_t at = text->len;
    oxp_labels_format(text, labels, false);
    oxp_buf_append_char(text, '\0');
    return at;
}

static enum oxp_status fail_duplicate(struct match *match, const struct clash *clash) {
    struct oxp_query_state *query = match->eval->query;
    const struct oxp_labels *first = match->one.vector->columns[clash->first].labels;
    const struct oxp_labels *second = match->one.vector->columns[clash->second].labels;
    const struct oxp_labels *shared = oxp_grouping_chosen(&match->groups, second);
    struct oxp_buf text;
    oxp_buf_init(&text, 0);
    size_t group = append_set(&text, shared == NULL ? oxp_labels_none() : shared);
    size_t a = append_set(&text, first), b = append_set(&text, second);
    enum oxp_status status = oxp_buf_status(&text);
    if (shared == NULL || status != OXP_OK) {
        status = oxp_query_fail(query, OXP_ERR_NOMEM, "out of memory");
    } else {
        bool swap = strcmp(text.data + a, text.data + b) > 0;
        status = oxp_query_fail(
            query, OXP_ERR_INVALID,
            "found duplicate series for the match group %s on the %s hand-side of the operation: "
            "[%s, %s];many-to-many matching not allowed: matching labels must be unique on one side",
            text.data + group, match->node->binary.cardinality == OXP_CARD_ONE_TO_MANY ? "left" : "right",
            text.data + (swap ? b : a), text.data + (swap ? a : b));
    }
    oxp_buf_fini(&text);
    return status;
}

/* ---- Pairs ---- */

struct pair {
    uint32_t many; /* a column */
    uint32_t group;
    const double *one;
    const struct oxp_labels *labels; /* of the result */
    bool *taken; /* of the first of those with the same group and labels: the steps at which one has a result */
};

/* Without names, and with ignoring without those labels, too. */
static const struct oxp_labels *one_to_one_labels(struct match *match, const struct oxp_labels *labels) {
    const struct oxp_label_choice *matching = &match->node->binary.matching;
    if (match->node->binary.matching_on) {
        labels = oxp_grouping_chosen(&match->groups, labels);
        return match->drop_name && labels != NULL ? oxp_labels_nameless(match->arena, labels) : labels;
    }
    if (match->drop_name) {
        return oxp_grouping_chosen(&match->groups, labels);
    }
    if (matching->count == 0) {
        return labels;
    }
    struct oxp_labels_builder builder; /* the choice would drop the name */
    oxp_labels_build(&builder, match->arena, labels);
    for (size_t i = 0; i < matching->count; i++) {
        oxp_labels_remove(&builder, oxp_symbol_view(matching->names[i]));
    }
    return oxp_labels_finish(&builder);
}

/* The result's labels; NULL without memory. `one` counts only for the labels of group_left (…). */
static const struct oxp_labels *result_labels(struct match *match, const struct oxp_labels *many,
                                              const struct oxp_labels *one) {
    if (match->node->binary.cardinality == OXP_CARD_ONE_TO_ONE) {
        return one_to_one_labels(match, many);
    }
    const struct oxp_labels *base = match->drop_name ? oxp_labels_nameless(match->arena, many) : many;
    if (match->node->binary.include_count == 0 || base == NULL) {
        return base;
    }
    struct oxp_labels_builder builder;
    oxp_labels_build(&builder, match->arena, base);
    for (size_t i = 0; i < match->node->binary.include_count; i++) {
        const struct oxp_symbol *name = match->node->binary.include[i];
        oxp_labels_set(&builder, name, oxp_labels_get(one, name)); /* one that is not there removes it */
    }
    return oxp_labels_finish(&builder);
}

/* The pairs of one column of the "many" side, at `pairs`; gives how many, 0 without memory. Included labels may differ
 * between the series that the "one" side has at different steps, so each makes a pair of its own then. */
static size_t pair_up(struct match *match, uint32_t column, struct pair *pairs) {
    uint32_t group = match->many.group_of[column];
    const struct oxp_labels *labels = match->many.vector->columns[column].labels;
    const struct oxp_members *members = &match->one.members;
    size_t count = match->node->binary.include_count == 0 ? 1 : oxp_members_count(members, group);
    for (size_t i = 0; i < count; i++) {
        const struct oxp_column *one = &match->one.vector->columns[members->index[members->start[group] + i]];
        pairs[i] = (struct pair){
            .many = column,
            .group = group,
            .one = match->node->binary.include_count == 0 ? one_values(match, group) : one->value,
            .labels = result_labels(match, labels, one->labels),
        };
        if (pairs[i].one == NULL || pairs[i].labels == NULL) {
            return 0;
        }
    }
    return count;
}

static enum oxp_status make_pairs(struct match *match, struct pair **pairs_out, size_t *count_out) {
    size_t size = 0, count = 0;
    bool single = match->node->binary.include_count == 0;
    for (size_t i = 0; i < match->many.vector->count; i++) {
        uint32_t group = match->many.group_of[i];
        size += group == OXP_NO_GROUP ? 0 : single ? 1 : oxp_members_count(&match->one.members, group);
    }
    struct pair *pairs = oxp_arena_zero(match->arena, size, sizeof *pairs);
    if (pairs == NULL) {
        return oxp_query_memory(match->eval->query);
    }
    for (size_t i = 0; i < match->many.vector->count; i++) {
        if (match->many.group_of[i] == OXP_NO_GROUP) {
            continue;
        }
        size_t made = pair_up(match, (uint32_t)i, pairs + count);
        if (made == 0) {
            return oxp_query_memory(match->eval->query);
        }
        count += made;
        enum oxp_status status = oxp_query_check(match->eval->query, 0);
        if (status != OXP_OK) {
            return status;
        }
    }
    *pairs_out = pairs;
    *count_out = count;
    return OXP_OK;
}

/* The first pair with this one's group and labels, itself if there was none. */
static struct pair *first_like(struct pair **table, size_t slots, struct pair *pair) {
    size_t at = (pair->labels->hash ^ (pair->group * UINT32_C(0x9e3779b1))) & (slots - 1);
    for (; table[at] != NULL; at = (at + 1) & (slots - 1)) {
        if (table[at]->group == pair->group && oxp_labels_equal(table[at]->labels, pair->labels)) {
            return table[at];
        }
    }
    table[at] = pair;
    return pair;
}

/* Marks the steps at which a pair has a result (before a comparison drops any); gives the first one that is marked
 * already and not after `before`, else `before`. */
static size_t take_steps(const struct match *match, const struct pair *pair, bool *taken, size_t before) {
    const double *many = match->many.vector->columns[pair->many].value;
    for (size_t step = 0; step < match->steps && step < before; step++) {
        if (oxp_is_absent(many[step]) || oxp_is_absent(pair->one[step])) {
            continue;
        }
        if (taken[step]) {
            return step;
        }
        taken[step] = true;
    }
    return before;
}

/* Rule 3: the first step at which two results of one group have equal labels, SIZE_MAX for none. False without memory.
 */
static bool find_equals(struct match *match, struct pair *pairs, size_t count, size_t *step_out) {
    size_t slots = 16;
    while (slots < count * 2) {
        slots *= 2;
    }
    struct pair **table = oxp_arena_zero(match->arena, slots, sizeof(struct pair *));
    *step_out = SIZE_MAX;
    for (size_t i = 0; table != NULL && i < count; i++) {
        if (oxp_members_count(&match->many.members, pairs[i].group) < 2) {
            continue; /* nobody to share labels with */
        }
        struct pair *first = first_like(table, slots, &pairs[i]);
        if (first == &pairs[i]) {
            continue;
        }
        if (first->taken == NULL) {
            first->taken = oxp_arena_zero(match->arena, match->steps, sizeof *first->taken);
            if (first->taken == NULL) {
                return false;
            }
            take_steps(match, first, first->taken, SIZE_MAX);
        }
        *step_out = take_steps(match, &pairs[i], first->taken, *step_out);
    }
    return table != NULL;
}

/* All three rules: the first step at which one is broken decides. */
static enum oxp_status check_pairs(struct match *match, struct pair *pairs, size_t count) {
    bool one_to_one = match->node->binary.cardinality == OXP_CARD_ONE_TO_ONE;
    struct clash one, many = {.step = SIZE_MAX};
    if (!find_clashes(match, &match->one, &one) ||
        !(one_to_one ? find_clashes(match, &match->many, &many) : find_equals(match, pairs, count, &many.step))) {
        return oxp_query_memory(match->eval->query);
    }
    if (one.step != SIZE_MAX && one.step <= many.step) {
        return fail_duplicate(match, &one);
    }
    if (many.step == SIZE_MAX) {
        return OXP_OK;
    }
    return oxp_query_fail(match->eval->query, OXP_ERR_INVALID, "multiple matches for labels: %s",
                          one_to_one ? "many-to-one matching must be explicit (group_left/group_right)"
                                     : "grouping labels must ensure unique matches");
}

/* ---- Results ---- */

/* The result of one pair, as a column of `out`: in the array of its "many" side, which is free after the last pair of
 * that column. */
static bool operate(struct match *match, const struct pair *pair, bool last, struct oxp_vector *out) {
    double *many = match->many.vector->columns[pair->many].value;
    double *result = last ? many : oxp_column_values(match->arena, match->steps);
    if (result == NULL || oxp_vector_add(match->arena, out, pair->labels, result, match->steps) == NULL) {
        return false;
    }
    bool swapped = match->node->binary.cardinality == OXP_CARD_ONE_TO_MANY;
    struct oxp_operands operands = {
        .left = swapped ? pair->one : many,
        .right = swapped ? many : pair->one,
        .keep = swapped ? pair->one : many,
        .out = result,
        .steps = match->steps,
    };
    oxp_operate(match->node->binary.op, match->node->binary.return_bool, &operands);
    return true;
}

enum oxp_status oxp_match_arithmetic(struct oxp_eval *eval, const struct oxp_promql_node *node, struct oxp_vector *left,
                                     struct oxp_vector *right, struct oxp_vector *out) {
    bool swapped = node->binary.cardinality == OXP_CARD_ONE_TO_MANY;
    struct match match = {.many.vector = swapped ? right : left, .one.vector = swapped ? left : right};
    struct pair *pairs = NULL;
    size_t count = 0;
    *out = (struct oxp_vector){.ordered = match.many.vector->ordered};
    if (left->count == 0 || right->count == 0) {
        return OXP_OK;
    }
    if (!begin_match(&match, eval, node)) {
        return oxp_query_memory(eval->query);
    }
    enum oxp_status status = make_groups(&match);
    if (status == OXP_OK && !list_groups(&match)) {
        return oxp_query_memory(eval->query);
    }
    status = status == OXP_OK ? make_pairs(&match, &pairs, &count) : status;
    status = status == OXP_OK ? check_pairs(&match, pairs, count) : status;
    if (status != OXP_OK) {
        return status;
    }
    if (!oxp_vector_reserve(match.arena, out, count)) {
        return oxp_query_memory(eval->query);
    }
    for (size_t i = 0; i < count; i++) {
        bool last = i + 1 == count || pairs[i + 1].many != pairs[i].many;
        if (!operate(&match, &pairs[i], last, out)) {
            return oxp_query_memory(eval->query);
        }
    }
    oxp_vector_compact(out, eval->steps);
    return oxp_query_merge(eval, out);
}

/* ---- Sets ---- */

/* Takes away the values of a column that `op` does not let through: with `and` those without a partner, else those with
 * one. */
static void sift(const struct match *match, double *values, const double *partner, bool wanted) {
    const double absent = oxp_absent();
    for (size_t step = 0; step < match->steps; step++) {
        bool there = partner != NULL && !oxp_is_absent(partner[step]);
        values[step] = there == wanted ? values[step] : absent;
    }
}

enum oxp_status oxp_match_set(struct oxp_eval *eval, const struct oxp_promql_node *node, struct oxp_vector *left,
                              struct oxp_vector *right, struct oxp_vector *out) {
    bool is_or = node->binary.op == OXP_OP_OR, is_and = node->binary.op == OXP_OP_AND;
    /* `a or b` is a, and what `b unless a` is. */
    struct match match = {.many.vector = is_or ? right : left, .one.vector = is_or ? left : right};
    struct oxp_vector *sifted = match.many.vector;
    if (!begin_match(&match, eval, node)) {
        return oxp_query_memory(eval->query);
    }
    enum oxp_status status = make_groups(&match);
    if (status == OXP_OK && !list_groups(&match)) {
        return oxp_query_memory(eval->query);
    }
    for (size_t i = 0; status == OXP_OK && i < sifted->count; i++) {
        uint32_t group = match.many.group_of[i];
        const double *partner = group == OXP_NO_GROUP ? NULL : one_values(&match, group);
        if (group != OXP_NO_GROUP && partner == NULL) {
            return oxp_query_memory(eval->query);
        }
        sift(&match, sifted->columns[i].value, partner, is_and);
        status = oxp_query_check(eval->query, 0);
    }
    if (status != OXP_OK) {
        return status;
    }
    oxp_vector_compact(sifted, eval->steps);
    *out = *left;
    if (!is_or || right->count == 0) {
        return OXP_OK;
    }
    if (!oxp_vector_reserve(match.arena, out, left->count + right->count)) {
        return oxp_query_memory(eval->query);
    }
    memcpy(out->columns + out->count, right->columns, right->count * sizeof *right->columns);
    out->count += right->count;
    out->ordered = left->ordered || right->ordered;
    return oxp_query_merge(eval, out);
}
