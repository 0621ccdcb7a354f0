/* Exemplars of the last while: a ring of the newest ones over all series, for /api/v1/query_exemplars. Any thread; one
 * lock, held briefly. */
#ifndef OXP_TSDB_EXEMPLARS_H
#define OXP_TSDB_EXEMPLARS_H

#include "alerts/tsdb/tsdb.h"

struct oxp_exemplars_store;
/* Room for `count` exemplars (0 = 4096; each takes its text and about 100 bytes). */
enum oxp_status oxp_exemplars_new(size_t count, struct oxp_exemplars_store **store_out);
void oxp_exemplars_free(struct oxp_exemplars_store *store);
/* `series` are the labels of the series; `labels` those of the exemplar (trace_id, …). Copied. OXP_ERR_NOMEM. */
enum oxp_status oxp_exemplars_add(struct oxp_exemplars_store *store, const struct oxp_labels *series,
                                  const struct oxp_labels *labels, int64_t time_ms, double value);

struct oxp_exemplar_found {
    const struct oxp_labels *series, *labels;
    int64_t time_ms;
    double value;
};
/* Those in [min_ms, max_ms] whose series satisfies all matchers, sorted by series and then time, copied into the arena.
 * OXP_ERR_NOMEM, OXP_ERR_LIMIT. */
enum oxp_status oxp_exemplars_select(struct oxp_exemplars_store *store, const struct oxp_matcher *matchers,
                                     size_t count, int64_t min_ms, int64_t max_ms, struct oxp_arena *arena,
                                     struct oxp_exemplar_found **found_out, size_t *found_count_out);

#endif
