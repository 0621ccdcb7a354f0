/* The short memory: every series of the last hour, compressed, within bounds of time and bytes.
 *
 * A series is a label set and chunks of samples (unix milliseconds, double), compressed after Gorilla (Pelkonen et al.,
 * VLDB 2015): times as differences of differences, values by XOR or, while they are whole numbers, as differences.
 * Times of one series only go forward. A sample whose value is the stale marker ends its series at that moment.
 *
 * Threads: one writer at a time (appending, trimming; the caller sees to it: it is the sampling thread, later the
 * rules' too, under one lock of theirs). Any number of readers beside it, without waiting for it and without making it
 * wait: a reader holds an epoch, and what the writer drops is freed when no reader is left that could see it. A reader
 * sees every sample that was appended before it selected the series; later ones it may see.
 *
 * Bounds: oxp_tsdb_trim drops what is older than the retention. When the memory limit is passed it drops from the old
 * end of all series until it is kept (and the reach shrinks: stats.reach_ms); when even that is not enough, new series
 * are refused. The limit counts everything that the heap takes for the memory: chunks, label sets, index, what waits
 * for readers; and it is never passed, save that a limit which was lowered is kept from the next trim on, and then only
 * as far as samples take it. It does not count what lies idle between the heap's pieces, nor what others keep beside
 * (the sampler's table of series, exemplars, results of queries). */
#ifndef OXP_TSDB_TSDB_H
#define OXP_TSDB_TSDB_H

#include "alerts/tsdb/labels.h"
#include "alerts/tsdb/matcher.h"
#include <math.h>

/* ---- Values ---- */
#define OXP_STALE_BITS UINT64_C(0x7ff0000000000002)
#define OXP_QUIET_BIT UINT64_C(0x0008000000000000)
static inline double oxp_stale_value(void) {
    uint64_t bits = OXP_STALE_BITS;
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}
static inline bool oxp_is_stale(double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    /* It is a signalling NaN: a compiler that moves it through an x87 register makes it a quiet one. */
    return (bits | OXP_QUIET_BIT) == (OXP_STALE_BITS | OXP_QUIET_BIT);
}

struct oxp_tsdb_options {
    int64_t retention_ms; /* 0 = one hour */
    size_t memory_limit;  /* bytes; 0 = none */
};

struct oxp_tsdb;
enum oxp_status oxp_tsdb_new(const struct oxp_tsdb_options *options, struct oxp_tsdb **tsdb_out);
/* No reader may be open. NULL is allowed. */
void oxp_tsdb_free(struct oxp_tsdb *tsdb);
/* Changes the bounds; the next trim keeps them. Writer. */
void oxp_tsdb_configure(struct oxp_tsdb *tsdb, const struct oxp_tsdb_options *options);

struct oxp_tsdb_stats {
    uint64_t series;          /* that have samples now */
    uint64_t samples, chunks; /* held now; stale markers are samples */
    uint64_t bytes;           /* all that is counted against the limit */
    uint64_t sample_bytes;    /* of them, compressed samples with their chunks' heads and unused ends */
    uint64_t limit_bytes;     /* 0 = none */
    int64_t retention_ms;     /* as configured */
    int64_t reach_ms;         /* how far back the memory really reaches: retention_ms, or less when the limit cut it */
    int64_t oldest_ms, newest_ms; /* times of the oldest and newest sample; 0 when there is none */
    uint64_t series_made, series_gone,
        refused; /* since the start; refused: samples or series for which there was no room */
};
/* Any thread. */
void oxp_tsdb_stats(const struct oxp_tsdb *tsdb, struct oxp_tsdb_stats *stats_out);

/* ---- Writing ---- */
struct oxp_tsdb_series; /* a handle for the writer: good until oxp_tsdb_trim reports the series as gone */

/* Gets or makes the series with this label set (copied). OXP_ERR_NOMEM; OXP_ERR_FULL when the memory limit leaves no
 * room. Holding the handle over a trim needs a hold: see oxp_tsdb_hold; a series without samples that nobody holds is
 * removed by the next trim. */
enum oxp_status oxp_tsdb_series_at(struct oxp_tsdb *tsdb, const struct oxp_labels *labels,
                                   struct oxp_tsdb_series **series_out);
/* A held series is not removed when its last sample is dropped, so its handle stays good. Counted. */
void oxp_tsdb_hold(struct oxp_tsdb_series *series);
void oxp_tsdb_release(struct oxp_tsdb_series *series);
/* One sample. OXP_ERR_RANGE when its time is not after the last one's (OXP_IGNORED when time and value are equal),
 * OXP_ERR_NOMEM; OXP_ERR_FULL when even dropping the oldest samples of all series made no room (the next trim says,
 * too, that the limit cut). */
enum oxp_status oxp_tsdb_append(struct oxp_tsdb *tsdb, struct oxp_tsdb_series *series, int64_t time_ms, double value);
/* The last sample; false when there is none. Writer. */
bool oxp_tsdb_last(const struct oxp_tsdb_series *series, int64_t *time_ms_out, double *value_out);
/* Drops what is older than the retention before `now_ms` and keeps the memory limit. True when the limit made it drop
 * samples within the retention. Call it once for each snapshot. */
bool oxp_tsdb_trim(struct oxp_tsdb *tsdb, int64_t now_ms);
/* Drops every sample later than `time_ms`, so that series can go on from there: for a clock that was set back. A series
 * whose dropped samples ended it (a stale marker) is ended at `time_ms` instead. What is left of a chunk is written
 * anew; when the memory limit leaves no room for that, its earlier samples are dropped, too. Held handles stay good;
 * series that are empty now are removed by the next trim. A reader sees each series as it was or as it is now, and what
 * it saw stays until it is closed. Writer. */
void oxp_tsdb_forget_after(struct oxp_tsdb *tsdb, int64_t time_ms);

/* ---- Reading ---- */
struct oxp_tsdb_reader {
    struct oxp_tsdb *tsdb;
    uint64_t slot; /* the reader's own business */
    /* May be set after oxp_tsdb_read, which leaves NULL: asked now and then while patterns are matched, the one thing
     * here that may take long. True ends the selection with OXP_ERR_TIMEOUT. */
    bool (*give_up)(void *ctx);
    void *give_up_ctx;
};
/* Opens a reader: label sets and series that it selects stay until it is closed. Any thread; cheap; never waits for the
 * writer longer than a few microseconds. OXP_ERR_LIMIT when too many (64) are open. */
enum oxp_status oxp_tsdb_read(struct oxp_tsdb *tsdb, struct oxp_tsdb_reader *reader_out);
void oxp_tsdb_close(struct oxp_tsdb_reader *reader);

/* What a selection found: in an arena, sorted by labels. */
struct oxp_tsdb_found {
    const struct oxp_labels *labels;
    const struct oxp_tsdb_series *series;
};
/* Series that satisfy all matchers and may have samples in [min_ms, max_ms]. OXP_ERR_NOMEM, OXP_ERR_LIMIT (the arena's
 * cap), OXP_ERR_TIMEOUT (the reader's give_up). */
enum oxp_status oxp_tsdb_select(const struct oxp_tsdb_reader *reader, const struct oxp_matcher *matchers, size_t count,
                                int64_t min_ms, int64_t max_ms, struct oxp_arena *arena,
                                struct oxp_tsdb_found **found_out, size_t *found_count_out);

/* The same series one by one, whatever samples they have, in no order and without room for all of them: `arena` serves
 * the search alone. `visit` must not keep the pointer; the writer may append in it. OXP_ERR_NOMEM, OXP_ERR_LIMIT (the
 * arena's cap), OXP_ERR_TIMEOUT: some were not visited. */
struct oxp_tsdb_visitor {
    void (*visit)(void *ctx, const struct oxp_tsdb_found *found);
    void *ctx;
};
enum oxp_status oxp_tsdb_visit(const struct oxp_tsdb_reader *reader, const struct oxp_matcher *matchers, size_t count,
                               struct oxp_arena *arena, const struct oxp_tsdb_visitor *visitor);

/* Samples in two columns that grow as needed; reuse it from series to series. */
struct oxp_points {
    int64_t *time_ms;
    double *value;
    size_t count, size;
};
void oxp_points_fini(struct oxp_points *points);
/* Adds one sample; OXP_ERR_NOMEM. */
enum oxp_status oxp_points_add(struct oxp_points *points, int64_t time_ms, double value);
/* Replaces what `points` holds by the samples of a selected series with after_ms < time <= until_ms, in their order,
 * stale markers included. A damaged chunk cannot happen (what comes from a file is checked when it is loaded).
 * OXP_ERR_NOMEM. */
enum oxp_status oxp_tsdb_samples(const struct oxp_tsdb_reader *reader, const struct oxp_tsdb_series *series,
                                 int64_t after_ms, int64_t until_ms, struct oxp_points *points);
/* The newest sample with after_ms < time <= until_ms, stale marker or not; false when there is none. Fast when it is
 * the series' last one. */
bool oxp_tsdb_newest(const struct oxp_tsdb_reader *reader, const struct oxp_tsdb_series *series, int64_t after_ms,
                     int64_t until_ms, int64_t *time_ms_out, double *value_out);

/* Names of labels, or the values of one label, of series that satisfy the matchers (count 0: all) and may have samples
 * in [min_ms, max_ms]: sorted, each once, in the arena. */
enum oxp_status oxp_tsdb_label_names(const struct oxp_tsdb_reader *reader, const struct oxp_matcher *matchers,
                                     size_t count, int64_t min_ms, int64_t max_ms, struct oxp_arena *arena,
                                     const struct oxp_symbol ***names_out, size_t *names_count_out);
enum oxp_status oxp_tsdb_label_values(const struct oxp_tsdb_reader *reader, struct oxp_view name,
                                      const struct oxp_matcher *matchers, size_t count, int64_t min_ms, int64_t max_ms,
                                      struct oxp_arena *arena, const struct oxp_symbol ***values_out,
                                      size_t *values_count_out);

#endif
