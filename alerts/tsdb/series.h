/* A series: its labels, its chunks, and where its writer stands. For the short memory's own files.
 *
 * Chunks are linked from the newest to the oldest, for queries mostly want the end. Readers come in through `newest`;
 * what they may look at is atomic or never changes. There may be many series that hardly do anything, so this is kept
 * small: with the heap's own head 96 bytes and 16 for each label. */
#ifndef OXP_TSDB_SERIES_H
#define OXP_TSDB_SERIES_H

#include "alerts/tsdb/labels.h"
#include "alerts/tsdb/memory.h"

struct oxp_tsdb_series {
    union {                     /* the writer's */
        struct oxp_piece piece; /* of one that is empty and being removed: `next` links them */
        /* While it has chunks; else zero. When it is closed, only what the next chunk is sized by holds. */
        struct oxp_chunk_coder coder;
    };
    _Atomic(struct oxp_chunk *) newest;
    /* The last sample, which means nothing without a chunk. For readers a sequence lock (odd while it is written) over
     * atomics. */
    _Atomic int64_t last_ms;
    _Atomic uint64_t last_bits;
    _Atomic uint32_t version;
    _Atomic uint32_t rank; /* its place among all by labels, from 1; 0 = not yet known (order.c) */
    /* the writer's */
    uint32_t slot; /* in the index's table; OXP_SLOT_NONE when it is gone */
    uint32_t holds;
    struct oxp_labels labels; /* last: it goes on behind */
};

#define OXP_SLOT_NONE UINT32_MAX /* of a series that is gone; in a list, a hole */

/* Its last sample. Writer; the series has a chunk. */
static inline struct oxp_chunk_sample oxp_series_end(const struct oxp_tsdb_series *series) {
    return (struct oxp_chunk_sample){atomic_load_explicit(&series->last_ms, memory_order_relaxed),
                                     atomic_load_explicit(&series->last_bits, memory_order_relaxed)};
}

/* What one call dropped. */
struct oxp_series_dropped {
    uint64_t samples, chunks;
    int64_t newest_ms; /* of the dropped samples, or a little later; INT64_MIN when there is none */
};

/* Appends; OXP_ERR_NOMEM, OXP_ERR_FULL. A chunk spans at most half of `reach_ms`, how far back the memory goes. Sets
 * *added_chunk_out. Time order is the caller's to check. Writer. */
enum oxp_status oxp_series_append(struct oxp_tsdb_series *series, struct oxp_memory *memory, int64_t reach_ms,
                                  int64_t time_ms, uint64_t bits, bool *added_chunk_out);
/* Retires the chunks all of whose samples are before `before_ms`; the newest one only with `all`. Writer. */
struct oxp_series_dropped oxp_series_drop(struct oxp_tsdb_series *series, struct oxp_memory *memory, int64_t before_ms,
                                          bool all);
/* Makes it end at or before `time_ms`: samples after that are dropped, a chunk that has some of them is written anew
 * without. A series that had ended (stale marker) still ends there. When memory is short, earlier samples of that chunk
 * go, too. Readers see it as it was or as it will be. Gives what is fewer now; chunks may be more, modulo 2^64. Writer.
 */
struct oxp_series_dropped oxp_series_forget(struct oxp_tsdb_series *series, struct oxp_memory *memory, int64_t reach_ms,
                                            int64_t time_ms);
/* Gives back all chunks at once: only at the end, when there is no reader. */
void oxp_series_fini(struct oxp_tsdb_series *series, struct oxp_memory *memory);
/* The times at which its oldest chunk begins, and at or before which all of that chunk's samples are past (the next
 * one's begin); INT64_MIN twice when there is none. Writer. */
void oxp_series_oldest(const struct oxp_tsdb_series *series, int64_t *oldest_ms_out, int64_t *past_ms_out);

/* The last sample; false when there is none or the writer does not hold still. Any thread. */
bool oxp_series_last(const struct oxp_tsdb_series *series, int64_t *time_ms_out, uint64_t *bits_out);
/* Whether it may have samples in [min_ms, max_ms]. Any thread. */
bool oxp_series_reaches(const struct oxp_tsdb_series *series, int64_t min_ms, int64_t max_ms);

#endif
