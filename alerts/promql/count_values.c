/* count_values: how many series have each value, with the value as a label.
 *
 * Within a group, which the value has no part in, each value makes a column. A hash table finds it by group and value;
 * labels are made once for a column. The value is a label before the grouping looks: so it replaces a label of that
 * name, and `without` may take it away again, and with it the difference between values. */
#include "alerts/promql/aggregate.h"
#include "lib/base/map.h"
#include "lib/base/number.h"
#include "lib/base/utf8.h"

#include <math.h>

enum { FIRST_SLOTS = 64 };

static bool has_name(const struct oxp_label_choice *choice, struct oxp_view name) {
    for (size_t i = 0; i < choice->count; i++) {
        if (oxp_view_equal(oxp_symbol_view(choice->names[i]), name)) {
            return true;
        }
    }
    return false;
}

/* The choice with or without one name more. */
static bool change_choice(struct oxp_arena *arena, struct oxp_label_choice *choice, struct oxp_view name, bool with) {
    const struct oxp_symbol **names = oxp_arena_take(arena, (choice->count + 1) * sizeof(void *));
    const struct oxp_symbol *added = oxp_symbol_new(arena, name);
    if (names == NULL || added == NULL) {
        return false;
    }
    size_t count = 0;
    for (size_t i = 0; i < choice->count; i++) {
        const struct oxp_symbol *next = choice->names[i];
        int order = oxp_symbol_compare(next, added);
        if (with && order > 0) {
            names[count++] = added;
            with = false;
        }
        if (order != 0) {
            names[count++] = next;
        }
    }
    if (with) {
        names[count++] = added;
    }
    choice->names = names;
    choice->count = count;
    return true;
}

enum oxp_status oxp_aggregate_value_choice(const struct oxp_aggregation *aggregation,
                                           struct oxp_label_choice *choice_out) {
    struct oxp_query_state *query = aggregation->eval->query;
    if (aggregation->text.len == 0 || !oxp_utf8_is_valid(aggregation->text)) {
        struct oxp_buf quoted;
        oxp_buf_init(&quoted, 0);
        oxp_text_quote(&quoted, aggregation->text);
        const char *text = oxp_buf_text(&quoted);
        enum oxp_status status = oxp_buf_status(&quoted);
        status = status == OXP_OK ? oxp_query_fail(query, OXP_ERR_INVALID, "invalid label name %s", text)
                                  : oxp_query_fail(query, status, "out of memory");
        oxp_buf_fini(&quoted);
        return status;
    }
    *choice_out = aggregation->node->aggregate.grouping;
    return change_choice(aggregation->arena, choice_out, aggregation->text, choice_out->without)
               ? OXP_OK
               : oxp_query_memory(query);
}

/* ---- Columns ---- */

struct tally {
    uint64_t bits; /* of the value */
    uint32_t group;
};

struct tallies {
    struct oxp_aggregation *aggregation;
    struct oxp_vector *out;
    struct tally *tallies; /* one for each column of `out` */
    uint32_t *slots;       /* their numbers plus one */
    size_t slot_count;
    const struct oxp_symbol *name; /* NULL: `without` takes the label away */
    enum oxp_status status;        /* the first failure */
};

static size_t slot_of(const struct tallies *tallies, struct tally tally) {
    uint64_t key[2] = {tally.bits, tally.group};
    size_t at = (size_t)oxp_hash(key, sizeof key, 0) & (tallies->slot_count - 1);
    while (tallies->slots[at] != 0) {
        const struct tally *there = &tallies->tallies[tallies->slots[at] - 1];
        if (there->bits == tally.bits && there->group == tally.group) {
            break;
        }
        at = (at + 1) & (tallies->slot_count - 1);
    }
    return at;
}

static bool grow(struct tallies *tallies) {
    struct oxp_arena *arena = tallies->aggregation->arena;
    size_t count = tallies->out->count, slot_count = tallies->slot_count == 0 ? FIRST_SLOTS : tallies->slot_count * 2;
    tallies->tallies = oxp_arena_grow(arena, tallies->tallies, count, slot_count / 2, sizeof *tallies->tallies);
    tallies->slots = oxp_arena_zero(arena, slot_count, sizeof *tallies->slots);
    if (tallies->tallies == NULL || tallies->slots == NULL) {
        return false;
    }
    tallies->slot_count = slot_count;
    for (size_t i = 0; i < count; i++) {
        tallies->slots[slot_of(tallies, tallies->tallies[i])] = (uint32_t)i + 1;
    }
    return true;
}

static const struct oxp_labels *value_labels(const struct tallies *tallies, uint32_t group, double value) {
    struct oxp_grouping *grouping = &tallies->aggregation->grouping;
    struct oxp_arena *arena = tallies->aggregation->arena;
    const struct oxp_labels *base = oxp_grouping_chosen(grouping, grouping->groups[group].first);
    if (base == NULL || tallies->name == NULL) {
        return base;
    }
    char text[OXP_NUMBER_POSITIONAL_MAX];
    const struct oxp_symbol *symbol = oxp_symbol_new(arena, oxp_view_of(text, oxp_number_positional(text, value)));
    if (symbol == NULL) {
        return NULL;
    }
    struct oxp_labels_builder builder;
    oxp_labels_build(&builder, arena, base);
    oxp_labels_set(&builder, tallies->name, symbol);
    return oxp_labels_finish(&builder);
}

/* A new column at a free slot; NULL on failure. */
static double *add_column(struct tallies *tallies, struct tally tally, double value, size_t slot) {
    struct oxp_aggregation *aggregation = tallies->aggregation;
    struct oxp_query_state *query = aggregation->eval->query;
    tallies->status = oxp_query_check(query, aggregation->steps); /* it is one series more in memory */
    if (tallies->status != OXP_OK) {
        return NULL;
    }
    const struct oxp_labels *labels = value_labels(tallies, tally.group, value);
    size_t number = tallies->out->count;
    const struct oxp_column *column =
        labels == NULL ? NULL : oxp_vector_add(aggregation->arena, tallies->out, labels, NULL, aggregation->steps);
    if (column == NULL || number >= UINT32_MAX - 1) {
        tallies->status = oxp_query_memory(query);
        return NULL;
    }
    tallies->tallies[number] = tally;
    tallies->slots[slot] = (uint32_t)number + 1;
    return column->value;
}

/* The column that counts this value in this group; NULL on failure. */
static double *column_of(struct tallies *tallies, uint32_t group, double value) {
    struct tally tally = {.group = group};
    if (tallies->name != NULL) {
        value = isnan(value) ? (double)NAN : value;
        memcpy(&tally.bits, &value, sizeof value);
    }
    if (tallies->out->count == tallies->slot_count / 2 && !grow(tallies)) {
        tallies->status = oxp_query_memory(tallies->aggregation->eval->query);
        return NULL;
    }
    size_t slot = slot_of(tallies, tally);
    return tallies->slots[slot] == 0 ? add_column(tallies, tally, value, slot)
                                     : tallies->out->columns[tallies->slots[slot] - 1].value;
}

static bool count_group(struct tallies *tallies, uint32_t group) {
    const struct oxp_aggregation *aggregation = tallies->aggregation;
    for (uint32_t i = aggregation->members.start[group]; i < aggregation->members.start[group + 1]; i++) {
        const double *values = oxp_aggregation_member(aggregation, i);
        for (size_t step = 0; step < aggregation->steps; step++) {
            if (oxp_is_absent(values[step])) {
                continue;
            }
            double *counts = column_of(tallies, group, values[step]);
            if (counts == NULL) {
                return false;
            }
            counts[step] = oxp_is_absent(counts[step]) ? 1 : counts[step] + 1;
        }
    }
    return true;
}

enum oxp_status oxp_aggregate_count_values(struct oxp_aggregation *aggregation, struct oxp_vector *out) {
    const struct oxp_label_choice *written = &aggregation->node->aggregate.grouping;
    struct tallies tallies = {.aggregation = aggregation, .out = out};
    bool taken_away =
        written->without && (has_name(written, aggregation->text) || oxp_view_is(aggregation->text, OXP_NAME_LABEL));
    if (!taken_away) {
        tallies.name = oxp_symbol_new(aggregation->arena, aggregation->text);
        if (tallies.name == NULL) {
            return oxp_query_memory(aggregation->eval->query);
        }
    }
    if (!grow(&tallies)) {
        return oxp_query_memory(aggregation->eval->query);
    }
    for (uint32_t group = 0; group < aggregation->grouping.count; group++) {
        if (!count_group(&tallies, group)) {
            return tallies.status;
        }
    }
    return OXP_OK;
}
