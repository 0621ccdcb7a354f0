/* What an evaluation works on: an instant vector over all its steps at once.
 *
 * An evaluation has `steps` times (an instant query one). A vector is a list of columns; a column is one series: a
 * label set and one value for each step. A step at which the series has no value holds the absent value, a quiet NaN
 * with a payload that no calculation makes. So everything that depends on labels alone (matching, grouping, renaming)
 * is done once for a series and not once for a step, and arithmetic runs along arrays.
 *
 * A scalar is a vector of one column with no labels that is never absent. Everything lives in the query's arena.
 * Whoever is given a vector to work on owns its columns and values, and may write its result over them; label sets are
 * shared and immutable. */
#ifndef OXP_PROMQL_COLUMN_H
#define OXP_PROMQL_COLUMN_H

#include "alerts/tsdb/tsdb.h"

struct oxp_column {
    const struct oxp_labels *labels;
    double *value; /* [steps] */
};

struct oxp_vector {
    struct oxp_column *columns;
    size_t count, size;
    bool ordered; /* the order of the columns is meant (sort, topk) */
};

#define OXP_ABSENT_BITS UINT64_C(0x7ffc00006f787021)
static inline double oxp_absent(void) {
    uint64_t bits = OXP_ABSENT_BITS;
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}
static inline bool oxp_is_absent(double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits == OXP_ABSENT_BITS;
}

/* Adds a column with these values (not copied; NULL: a new array, all absent). NULL on failure, which sticks to the
 * arena; the pointer is good until the next one is added. */
struct oxp_column *oxp_vector_add(struct oxp_arena *arena, struct oxp_vector *vector, const struct oxp_labels *labels,
                                  double *values, size_t steps);
/* Makes room for `count` columns in all; false on failure. */
bool oxp_vector_reserve(struct oxp_arena *arena, struct oxp_vector *vector, size_t count);
/* An array of `steps` absent values; NULL on failure. */
double *oxp_column_values(struct oxp_arena *arena, size_t steps);
/* True when no step has a value. */
bool oxp_column_empty(const struct oxp_column *column, size_t steps);
/* Removes columns without any value, keeping the order. */
void oxp_vector_compact(struct oxp_vector *vector, size_t steps);
/* After names were dropped or labels changed: columns with equal labels become one, in the first one's place.
 * OXP_ERR_INVALID when two of them
 * have a value at the same step (Prometheus: "vector cannot contain metrics with the same labelset"); OXP_ERR_NOMEM,
 * OXP_ERR_LIMIT. */
enum oxp_status oxp_vector_merge(struct oxp_arena *arena, struct oxp_vector *vector, size_t steps);
/* Drops every column's metric name, and merges. */
enum oxp_status oxp_vector_drop_names(struct oxp_arena *arena, struct oxp_vector *vector, size_t steps);
/* Sorts the columns by labels. */
void oxp_vector_sort(struct oxp_vector *vector);

#endif
