/* From matchers to series, in no order: the half of selecting that asks the index. For the short memory's own files.
 *
 * A selection begins with the shortest of the lists that must hold every result: a list for each matcher `a="x"`, the
 * lists of all its values for each `a=~"x|y"`. Without one of these, all values of a name are held against a pattern;
 * without even that (all matchers accept the empty value) it begins with every series. Whatever it begins with, each
 * series' labels are then held against the other matchers, by pointer where the index knows the text. */
#ifndef OXP_TSDB_LOOKUP_H
#define OXP_TSDB_LOOKUP_H

#include "alerts/tsdb/internal.h"

struct oxp_lookup {
    const struct oxp_tsdb_reader *reader;
    const struct oxp_matcher *matchers;
    size_t count;
    int64_t min_ms, max_ms; /* only series that may have samples in between */
    struct oxp_arena *arena;
    const struct oxp_tsdb_visitor *visitor; /* is told instead of the results, if it is not NULL */
};

struct oxp_lookup_results {
    struct oxp_tsdb_found *found; /* in the arena */
    size_t count, room;
};

/* Adds all of them to `results` (zeroed before; may be NULL with a visitor). OXP_ERR_NOMEM, OXP_ERR_LIMIT (the
 * arena's). Any thread. */
enum oxp_status oxp_lookup_run(const struct oxp_lookup *lookup, struct oxp_lookup_results *results);

#endif
