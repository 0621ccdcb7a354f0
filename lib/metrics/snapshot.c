/* Reading: walks over families and series without a lock.
 *
 * What a snapshot fixes is the number of the newest series (`made`) and of the families. Series of one family stand in
 * the order of their numbers, so a walk ends at the first that is newer. A series that is being made while the snapshot
 * begins is either seen or not. */
#include "lib/metrics/internal.h"

#include <math.h>

struct oxp_series *oxp_walk_next(struct oxp_walk *walk) {
    if (walk->family == NULL) {
        return NULL;
    }
    while (walk->offset == walk->limit) {
        if (walk->chunk != NULL) {
            walk->limit = atomic_load_explicit(&walk->chunk->used, memory_order_acquire);
            if (walk->offset < walk->limit) {
                break;
            }
        }
        const struct oxp_chunk *next = walk->chunk == NULL
                                           ? atomic_load_explicit(&walk->family->first, memory_order_acquire)
                                           : atomic_load_explicit(&walk->chunk->next, memory_order_acquire);
        if (next == NULL) {
            return NULL;
        }
        walk->chunk = next;
        walk->offset = 0;
        walk->limit = atomic_load_explicit(&next->used, memory_order_acquire);
        if (walk->limit == 0) {
            return NULL; /* a chunk whose first series is not there yet */
        }
    }
    struct oxp_series *series = (struct oxp_series *)(uintptr_t)(walk->chunk->data + walk->offset);
    walk->offset += oxp_series_size(series);
    return series;
}

void oxp_snapshot_begin(struct oxp_snapshot *snapshot, const struct oxp_registry *registry, double now_s) {
    *snapshot = (struct oxp_snapshot){
        .registry = registry,
        .now_s = now_s,
        .made = atomic_load_explicit(&registry->made, memory_order_acquire),
        .family_count = atomic_load_explicit(&registry->family_count, memory_order_acquire),
    };
}

enum oxp_status oxp_snapshot_family(struct oxp_snapshot *snapshot, const struct oxp_family_spec **spec_out) {
    if (snapshot->family_index == snapshot->family_count) {
        snapshot->family = NULL;
        return OXP_END;
    }
    snapshot->family = snapshot->family_index == 0
                           ? atomic_load_explicit(&snapshot->registry->first, memory_order_acquire)
                           : atomic_load_explicit(&snapshot->family->next, memory_order_acquire);
    snapshot->family_index++;
    snapshot->chunk = NULL;
    snapshot->offset = snapshot->limit = 0;
    *spec_out = snapshot->family->spec;
    return OXP_OK;
}

static void fill_value(struct oxp_sample *sample, const struct oxp_series *series, double now_s) {
    const double end = 18446744073709551616.0; /* 2^64 */
    enum oxp_metric_type type = series->family->type;
    if (type == OXP_COUNTER) {
        sample->whole = true;
        sample->whole_value = atomic_load_explicit(&series->cell, memory_order_relaxed);
        sample->value = (double)sample->whole_value;
        return;
    }
    sample->sum = type == OXP_HISTOGRAM ? oxp_cell_double(&series->cell) : 0;
    sample->value = oxp_series_value(series, now_s);
    sample->whole_value = sample->value >= 0 && sample->value < end ? (uint64_t)sample->value : 0;
    sample->whole = (double)sample->whole_value == sample->value && !signbit(sample->value); /* -0 is not 0 */
}

enum oxp_status oxp_snapshot_next(struct oxp_snapshot *snapshot, struct oxp_sample *sample_out) {
    struct oxp_walk walk = {snapshot->family, snapshot->chunk, snapshot->offset, snapshot->limit};
    struct oxp_series *series = oxp_walk_next(&walk);
    while (series != NULL && series->seq <= snapshot->made &&
           !atomic_load_explicit(&series->visible, memory_order_acquire)) {
        series = oxp_walk_next(&walk);
    }
    if (series == NULL || series->seq > snapshot->made) {
        return OXP_END;
    }
    snapshot->chunk = walk.chunk;
    snapshot->offset = walk.offset;
    snapshot->limit = walk.limit;
    sample_out->spec = snapshot->family->spec;
    sample_out->series = series;
    sample_out->labels = oxp_view_of(oxp_series_labels(series), series->labels_len);
    sample_out->sum = 0;
    sample_out->created_s = oxp_cell_double(&series->created);
    fill_value(sample_out, series, snapshot->now_s);
    return OXP_OK;
}

uint64_t oxp_sample_buckets(const struct oxp_sample *sample, uint64_t *buckets_out) {
    uint64_t count = 0;
    if (sample->spec->type != OXP_HISTOGRAM) {
        return 0;
    }
    for (size_t i = 0; i <= sample->spec->bound_count; i++) {
        buckets_out[i] = atomic_load_explicit(&oxp_series_buckets(sample->series)[i], memory_order_relaxed);
        count += buckets_out[i];
    }
    return count;
}
