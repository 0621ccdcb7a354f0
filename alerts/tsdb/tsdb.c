/* The short memory: making series, appending, and keeping the bounds. Reading is in select.c and series.c. */
#include "alerts/tsdb/tsdb.h"

#include "alerts/tsdb/internal.h"

#include <stdlib.h>

#define HOUR_MS INT64_C(3600000)

/* ---- Counts ---- */

static void add(_Atomic uint64_t *counter, uint64_t more) {
    uint64_t now = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, now + more, memory_order_relaxed);
}

static void set(_Atomic int64_t *place, int64_t value) {
    atomic_store_explicit(place, value, memory_order_relaxed);
}

static int64_t get(const _Atomic int64_t *place) {
    return atomic_load_explicit(place, memory_order_relaxed);
}

/* a - b, but no further than the ends. */
static int64_t minus(int64_t a, int64_t b) {
    int64_t difference;
    if (__builtin_sub_overflow(a, b, &difference)) {
        return b > 0 ? INT64_MIN : INT64_MAX;
    }
    return difference;
}

/* Nothing newer than the floor was dropped. */
static int64_t reach_of(const struct oxp_tsdb_counts *counts) {
    int64_t retention = get(&counts->retention_ms), floor_ms = get(&counts->floor_ms);
    int64_t since = floor_ms == INT64_MIN ? retention : minus(get(&counts->newest_ms), floor_ms);
    return since < 0 ? 0 : (since < retention ? since : retention);
}

/* ---- Beginning and end ---- */

enum oxp_status oxp_tsdb_new(const struct oxp_tsdb_options *options, struct oxp_tsdb **tsdb_out) {
    *tsdb_out = NULL;
    struct oxp_tsdb *tsdb = calloc(1, sizeof *tsdb);
    if (tsdb == NULL) {
        return OXP_ERR_NOMEM;
    }
    oxp_memory_init(&tsdb->memory, options->memory_limit);
    atomic_store_explicit(&tsdb->memory.held, sizeof *tsdb + 2 * sizeof(size_t), memory_order_relaxed);
    oxp_index_init(&tsdb->index, &tsdb->memory);
    set(&tsdb->counts.oldest_ms, INT64_MAX);
    set(&tsdb->counts.newest_ms, INT64_MIN);
    set(&tsdb->counts.floor_ms, INT64_MIN);
    oxp_tsdb_configure(tsdb, options);
    *tsdb_out = tsdb;
    return OXP_OK;
}

void oxp_tsdb_free(struct oxp_tsdb *tsdb) {
    if (tsdb != NULL) {
        oxp_index_fini(&tsdb->index);
        oxp_memory_fini(&tsdb->memory);
        free(tsdb);
    }
}

void oxp_tsdb_configure(struct oxp_tsdb *tsdb, const struct oxp_tsdb_options *options) {
    int64_t retention = options->retention_ms > 0 ? options->retention_ms : HOUR_MS;
    set(&tsdb->counts.retention_ms, retention);
    tsdb->reach_ms = retention;
    tsdb->exhausted = false;
    atomic_store_explicit(&tsdb->memory.limit, options->memory_limit, memory_order_relaxed);
}

void oxp_tsdb_stats(const struct oxp_tsdb *tsdb, struct oxp_tsdb_stats *stats_out) {
    const struct oxp_tsdb_counts *counts = &tsdb->counts;
    int64_t oldest = get(&counts->oldest_ms), newest = get(&counts->newest_ms);
    *stats_out = (struct oxp_tsdb_stats){
        .series = atomic_load_explicit(&counts->series, memory_order_relaxed),
        .samples = atomic_load_explicit(&counts->samples, memory_order_relaxed),
        .chunks = atomic_load_explicit(&counts->chunks, memory_order_relaxed),
        .bytes = atomic_load_explicit(&tsdb->memory.held, memory_order_relaxed),
        .sample_bytes = atomic_load_explicit(&tsdb->memory.blocks, memory_order_relaxed),
        .limit_bytes = atomic_load_explicit(&tsdb->memory.limit, memory_order_relaxed),
        .retention_ms = get(&counts->retention_ms),
        .reach_ms = reach_of(counts),
        .oldest_ms = oldest <= newest ? oldest : 0,
        .newest_ms = oldest <= newest ? newest : 0,
        .series_made = atomic_load_explicit(&counts->made, memory_order_relaxed),
        .series_gone = atomic_load_explicit(&counts->gone, memory_order_relaxed),
        .refused = atomic_load_explicit(&counts->refused, memory_order_relaxed),
    };
}

/* ---- Dropping ---- */

static struct oxp_row *row_of(struct oxp_tsdb *tsdb, const struct oxp_tsdb_series *series) {
    return &tsdb->index.table->row[series->slot];
}

static void note_row(struct oxp_row *row) {
    int64_t past;
    oxp_series_oldest(row->series, &row->oldest_ms, &past);
    row->due_ms = past < OXP_DUE_MAX ? past : OXP_DUE_MAX;
}

static void note_dropped(struct oxp_tsdb *tsdb, struct oxp_row *row, const struct oxp_series_dropped *dropped) {
    add(&tsdb->counts.samples, 0 - dropped->samples);
    add(&tsdb->counts.chunks, 0 - dropped->chunks);
    note_row(row);
    if (row->due_ms == INT64_MIN) {
        add(&tsdb->counts.series, UINT64_MAX);
    }
}

/* Drops every chunk that is past before `before_ms`. Gives the newest time that was dropped, or INT64_MIN; and the
 * earliest time at which another chunk may be past. */
static int64_t sweep(struct oxp_tsdb *tsdb, int64_t before_ms, int64_t *next_due_out) {
    int64_t newest = INT64_MIN, next_due = INT64_MAX;
    for (uint32_t i = 0; i < tsdb->index.used; i++) {
        struct oxp_row *row = &tsdb->index.table->row[i];
        if (row->due_ms == INT64_MIN || oxp_row_is_free(row)) { /* nothing in it */
            continue;
        }
        if (row->due_ms <= before_ms) {
            struct oxp_series_dropped dropped = oxp_series_drop(row->series, &tsdb->memory, before_ms, true);
            newest = dropped.newest_ms > newest ? dropped.newest_ms : newest;
            note_dropped(tsdb, row, &dropped);
            if (row->due_ms == INT64_MIN) {
                continue;
            }
        }
        next_due = row->due_ms < next_due ? row->due_ms : next_due;
    }
    *next_due_out = next_due;
    return newest;
}

/* Where the memory is full, in 64ths of its limit, and down to what it is then freed: what is free below the limit
 * serves the next samples, whatever size of block they want. The step is small, so that the reach does not swing. */
enum { FULL_AT = 56, DOWN_TO = 55 };

static size_t part_of_limit(const struct oxp_tsdb *tsdb, size_t sixtyfourths) {
    size_t limit = atomic_load_explicit(&tsdb->memory.limit, memory_order_relaxed);
    return limit / 64 * sixtyfourths;
}

/* Drops from the old end of all series until enough is free, in small steps of time; the last 256th of the retention
 * stays, for without it no series would have samples to speak of. */
static void evict(struct oxp_tsdb *tsdb) {
    int64_t newest = get(&tsdb->counts.newest_ms), retention = get(&tsdb->counts.retention_ms), next_due;
    int64_t last = minus(newest, retention / 256), before = INT64_MIN;
    sweep(tsdb, before, &next_due);
    int64_t step = minus(last, next_due) / 32;
    while (oxp_memory_live(&tsdb->memory) > part_of_limit(tsdb, DOWN_TO)) {
        if (next_due > last || before >= last) {
            tsdb->exhausted = true;
            break;
        }
        before = step < minus(last, next_due) ? next_due + step : last;
        int64_t dropped = sweep(tsdb, before, &next_due);
        if (dropped > get(&tsdb->counts.floor_ms)) {
            set(&tsdb->counts.floor_ms, dropped);
        }
        tsdb->cut = tsdb->cut || dropped != INT64_MIN;
    }
    tsdb->reach_ms = reach_of(&tsdb->counts);
    oxp_memory_reclaim(&tsdb->memory);
}

/* Links the series that are empty and not held, for removal; finds the oldest sample on the way. */
static struct oxp_tsdb_series *empty_series(struct oxp_tsdb *tsdb) {
    struct oxp_tsdb_series *empty = NULL;
    int64_t oldest = INT64_MAX;
    for (uint32_t i = 0; i < tsdb->index.used; i++) {
        struct oxp_row *row = &tsdb->index.table->row[i];
        if (oxp_row_is_free(row)) {
            continue;
        }
        if (row->due_ms != INT64_MIN) {
            oldest = row->oldest_ms < oldest ? row->oldest_ms : oldest;
        } else if (row->series->holds == 0) {
            row->series->piece.next = (struct oxp_piece *)empty;
            empty = row->series;
            add(&tsdb->counts.gone, 1);
        }
    }
    set(&tsdb->counts.oldest_ms, oldest);
    return empty;
}

bool oxp_tsdb_trim(struct oxp_tsdb *tsdb, int64_t now_ms) {
    int64_t next_due;
    tsdb->exhausted = false;
    oxp_memory_reclaim(&tsdb->memory);
    sweep(tsdb, minus(now_ms, get(&tsdb->counts.retention_ms)), &next_due);
    if (part_of_limit(tsdb, 1) != 0 && oxp_memory_live(&tsdb->memory) > part_of_limit(tsdb, FULL_AT)) {
        evict(tsdb);
    }
    oxp_index_remove(&tsdb->index, empty_series(tsdb));
    oxp_order_update(&tsdb->index);
    oxp_memory_reclaim(&tsdb->memory);
    bool cut = tsdb->cut;
    tsdb->cut = false;
    tsdb->reach_ms = reach_of(&tsdb->counts);
    return cut;
}

/* The clock went back. What is left keeps its order: new samples go behind it. */
void oxp_tsdb_forget_after(struct oxp_tsdb *tsdb, int64_t time_ms) {
    struct oxp_tsdb_counts *counts = &tsdb->counts;
    int64_t oldest = INT64_MAX, newest = INT64_MIN;
    tsdb->exhausted = false;
    oxp_memory_reclaim(&tsdb->memory);
    for (uint32_t i = 0; i < tsdb->index.used; i++) {
        struct oxp_row *row = &tsdb->index.table->row[i];
        if (row->due_ms == INT64_MIN || oxp_row_is_free(row)) {
            continue;
        }
        struct oxp_series_dropped dropped = oxp_series_forget(row->series, &tsdb->memory, tsdb->reach_ms, time_ms);
        if (dropped.newest_ms != INT64_MIN) {
            note_dropped(tsdb, row, &dropped);
            if (row->due_ms == INT64_MIN) {
                continue;
            }
        }
        oldest = row->oldest_ms < oldest ? row->oldest_ms : oldest;
        int64_t last_ms = oxp_series_end(row->series).time_ms;
        newest = last_ms > newest ? last_ms : newest;
    }
    set(&counts->oldest_ms, oldest);
    set(&counts->newest_ms, newest);
    if (get(&counts->floor_ms) > time_ms) {
        set(&counts->floor_ms, time_ms);
    }
    tsdb->reach_ms = reach_of(counts);
    oxp_memory_reclaim(&tsdb->memory);
}

/* ---- Series and samples ---- */

enum oxp_status oxp_tsdb_series_at(struct oxp_tsdb *tsdb, const struct oxp_labels *labels,
                                   struct oxp_tsdb_series **series_out) {
    *series_out = oxp_index_find(&tsdb->index, labels);
    if (*series_out != NULL) {
        return OXP_OK;
    }
    enum oxp_status status = oxp_index_add(&tsdb->index, labels, series_out);
    add(status == OXP_OK ? &tsdb->counts.made : &tsdb->counts.refused, 1);
    return status;
}

void oxp_tsdb_hold(struct oxp_tsdb_series *series) {
    series->holds++;
}

void oxp_tsdb_release(struct oxp_tsdb_series *series) {
    series->holds--;
}

static bool is_empty(const struct oxp_tsdb_series *series) {
    return atomic_load_explicit(&series->newest, memory_order_relaxed) == NULL;
}

bool oxp_tsdb_last(const struct oxp_tsdb_series *series, int64_t *time_ms_out, double *value_out) {
    if (is_empty(series)) {
        return false;
    }
    const struct oxp_chunk_sample last = oxp_series_end(series);
    *time_ms_out = last.time_ms;
    memcpy(value_out, &last.bits, sizeof *value_out);
    return true;
}

/* Counts a sample that was appended. */
static void appended(struct oxp_tsdb *tsdb, struct oxp_tsdb_series *series, int64_t time_ms, bool added_chunk,
                     bool first) {
    add(&tsdb->counts.samples, 1);
    add(&tsdb->counts.chunks, added_chunk);
    if (first) {
        note_row(row_of(tsdb, series));
        add(&tsdb->counts.series, 1);
    }
    if (time_ms < get(&tsdb->counts.oldest_ms)) {
        set(&tsdb->counts.oldest_ms, time_ms);
    }
    if (time_ms > get(&tsdb->counts.newest_ms)) {
        set(&tsdb->counts.newest_ms, time_ms);
    }
}

/* When even that is not enough: a series that has samples gives its own, for what is now matters more than what was,
 * and no series may stay blind while the others go on. Not while there is something to come back from readers. */
static bool give_own(struct oxp_tsdb *tsdb, struct oxp_tsdb_series *series) {
    if (is_empty(series) || atomic_load_explicit(&tsdb->memory.limbo, memory_order_relaxed) != 0) {
        return false;
    }
    int64_t oldest, past;
    oxp_series_oldest(series, &oldest, &past);
    struct oxp_series_dropped dropped = oxp_series_drop(series, &tsdb->memory, past, true);
    note_dropped(tsdb, row_of(tsdb, series), &dropped);
    if (dropped.newest_ms > get(&tsdb->counts.floor_ms)) {
        set(&tsdb->counts.floor_ms, dropped.newest_ms);
    }
    tsdb->cut = true;
    oxp_memory_reclaim(&tsdb->memory);
    return true;
}

static enum oxp_status try_to_append(struct oxp_tsdb *tsdb, struct oxp_tsdb_series *series, int64_t time_ms,
                                     uint64_t bits) {
    bool first = is_empty(series), added_chunk;
    int64_t last_ms = oxp_series_end(series).time_ms;
    enum oxp_status status = oxp_series_append(series, &tsdb->memory, tsdb->reach_ms, time_ms, bits, &added_chunk);
    if (status == OXP_OK) {
        appended(tsdb, series, time_ms, added_chunk, first);
        if (!first && minus(time_ms, last_ms) > get(&tsdb->counts.retention_ms)) { /* all before it is past already */
            row_of(tsdb, series)->due_ms = last_ms < OXP_DUE_MAX ? last_ms + 1 : OXP_DUE_MAX;
        }
    }
    return status;
}

enum oxp_status oxp_tsdb_append(struct oxp_tsdb *tsdb, struct oxp_tsdb_series *series, int64_t time_ms, double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    const struct oxp_chunk_sample last = oxp_series_end(series);
    if (!is_empty(series) && time_ms <= last.time_ms) {
        return time_ms == last.time_ms && bits == last.bits ? OXP_IGNORED : OXP_ERR_RANGE;
    }
    enum oxp_status status = try_to_append(tsdb, series, time_ms, bits);
    if (status == OXP_ERR_FULL && !tsdb->exhausted) {
        evict(tsdb);
        status = try_to_append(tsdb, series, time_ms, bits);
        tsdb->exhausted = tsdb->exhausted || status == OXP_ERR_FULL;
    }
    if (status == OXP_ERR_FULL && give_own(tsdb, series)) {
        status = try_to_append(tsdb, series, time_ms, bits);
    }
    if (status != OXP_OK) {
        add(&tsdb->counts.refused, 1);
    }
    return status;
}

/* ---- Readers ---- */

enum oxp_status oxp_tsdb_read(struct oxp_tsdb *tsdb, struct oxp_tsdb_reader *reader_out) {
    *reader_out = (struct oxp_tsdb_reader){.tsdb = tsdb};
    return oxp_memory_enter(&tsdb->memory, &reader_out->slot);
}

void oxp_tsdb_close(struct oxp_tsdb_reader *reader) {
    oxp_memory_leave(&reader->tsdb->memory, reader->slot);
}
