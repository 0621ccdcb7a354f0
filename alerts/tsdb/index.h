/* The index: which series there are, and which of them have a label. For the short memory's own files.
 *
 * Every pair of name and value has one entry, which is at once the value's text (label sets point to it, so that two
 * equal labels of the short memory are the same pointer) and the list of the series that have it. Series have small
 * numbers, their slots in a table; lists hold slots.
 *
 * Readers ask for a list under the memory's lock and then walk it without: a list grows at its end only, beyond what
 * they were told; a longer one is a new piece; a series that is removed leaves a hole. One or two slots stand in the
 * entry itself, and readers copy them. Slots are used again only when no reader is left that could know the old one.
 *
 * Everything that grows does so by a quarter: what is copied costs little beside what makes a series, and what lies
 * idle at the end does so for as long as the series is there. */
#ifndef OXP_TSDB_INDEX_H
#define OXP_TSDB_INDEX_H

#include "alerts/tsdb/series.h"
#include "alerts/tsdb/set.h"

struct oxp_postings {
    struct oxp_piece piece;
    uint32_t size; /* the writer's */
    _Atomic uint32_t slot[];
};

/* Half of all values are one series' alone: so few slots need no list. They are looked at under the lock only, and have
 * no holes. */
#define OXP_SLOTS_IN_PLACE 2

struct oxp_posted {
    union {
        struct oxp_postings *list;
        uint32_t slot[OXP_SLOTS_IN_PLACE];
    };
    uint32_t count : 31; /* of places used, holes included */
    uint32_t is_list : 1;
    /* The writer's, which it changes without the lock: so they must be another place in memory. */
    uint32_t : 0;
    uint32_t live : 31;
    uint32_t touched : 1; /* while series are removed */
};

struct oxp_index_value;

struct oxp_index_name {
    struct oxp_piece piece;
    struct oxp_index_value **values; /* in no order; under the lock */
    uint32_t count, size;
    struct oxp_symbol symbol;
};

struct oxp_index_value {
    union {
        struct oxp_piece piece; /* of one that is retired: then readers know its symbol alone */
        struct {
            struct oxp_index_name *name;
            uint32_t place; /* in the name's values */
        };
    };
    struct oxp_posted posted;
    struct oxp_symbol symbol;
};

/* A series' place in the table, with what the writer wants to see of all of them without looking at each. */
struct oxp_row {
    struct oxp_tsdb_series *series; /* stays behind when it is gone, until the slot is used again */
    int64_t oldest_ms;              /* begin of the oldest chunk; of a free row, the epoch in which it became free */
    int64_t due_ms;                 /* no chunk of it is past before this time; of a free row, the next one */
};

struct oxp_table {
    struct oxp_piece piece;
    struct oxp_row row[];
};

/* All series by labels: sorted ones first, then those that came since (order.c). */
struct oxp_order {
    struct oxp_tsdb_series **series;
    size_t size, count, sorted;
    _Atomic uint64_t version; /* odd while ranks change */
};

struct oxp_index {
    struct oxp_memory *memory;
    struct oxp_set names, values, series;
    struct oxp_posted every;
    struct oxp_table *table;
    uint32_t table_size, used;      /* rows */
    uint32_t free_first, free_last; /* rows to be used again, in the order in which they became free */
    struct oxp_order order;
};

void oxp_index_init(struct oxp_index *index, struct oxp_memory *memory);
/* Frees everything at once, chunks too. No reader may be open. */
void oxp_index_fini(struct oxp_index *index);

/* ---- Writer ---- */
struct oxp_tsdb_series *oxp_index_find(const struct oxp_index *index, const struct oxp_labels *labels);
/* A series that is not there yet. OXP_ERR_NOMEM, OXP_ERR_FULL, and then nothing has changed. */
enum oxp_status oxp_index_add(struct oxp_index *index, const struct oxp_labels *labels,
                              struct oxp_tsdb_series **series_out);
/* Removes those that are linked by piece.next; they have no chunks any more. Cannot fail. */
void oxp_index_remove(struct oxp_index *index, struct oxp_tsdb_series *series);
/* Whether nobody is in the row. */
bool oxp_row_is_free(const struct oxp_row *row);
/* Latest time that due_ms may have. */
#define OXP_DUE_MAX (INT64_MAX - (INT64_C(1) << 33))

/* Gives a rank to those that have none. Writer; without memory they stay without. */
void oxp_order_update(struct oxp_index *index);

/* ---- Readers, under the memory's lock ---- */
const struct oxp_index_name *oxp_index_name(const struct oxp_index *index, const struct oxp_symbol *name);
const struct oxp_index_name *oxp_index_name_of(const struct oxp_index *index, struct oxp_view name);
const struct oxp_index_value *oxp_index_value(const struct oxp_index *index, const struct oxp_index_name *name,
                                              struct oxp_view value, uint32_t hash);

#endif
