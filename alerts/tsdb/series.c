#include "alerts/tsdb/series.h"

#include "alerts/tsdb/points.h"

static size_t words_of(uint64_t state) {
    return oxp_block_words(oxp_chunk_home(state));
}

/* ---- Writing ---- */

static struct oxp_chunk *newest_of(const struct oxp_tsdb_series *series) {
    return atomic_load_explicit(&series->newest, memory_order_relaxed);
}

/* Release on what is between the two odd and even numbers, so that who sees new data sees the odd number, too. */
static void publish_last(struct oxp_tsdb_series *series, int64_t time_ms, uint64_t bits) {
    uint32_t version = atomic_load_explicit(&series->version, memory_order_relaxed);
    atomic_store_explicit(&series->version, version + 1, memory_order_relaxed);
    atomic_store_explicit(&series->last_ms, time_ms, memory_order_release);
    atomic_store_explicit(&series->last_bits, bits, memory_order_release);
    atomic_store_explicit(&series->version, version + 2, memory_order_release);
}

/* Notes what a sample took in the newest chunk, in eighths of a bit: by it the next one's size is chosen. */
static uint16_t density_of(const struct oxp_tsdb_series *series) {
    unsigned count = oxp_chunk_count(atomic_load_explicit(&newest_of(series)->state, memory_order_relaxed));
    return (uint16_t)(series->coder.used * 8u / count + 1);
}

static enum oxp_status open_chunk(struct oxp_tsdb_series *series, struct oxp_memory *memory, int64_t reach_ms,
                                  int64_t time_ms, uint64_t bits) {
    struct oxp_chunk *older = newest_of(series), *chunk;
    struct oxp_chunk_coder coder = series->coder;
    struct oxp_chunk_bits first;
    unsigned home;
    if (older != NULL) {
        coder.density = density_of(series);
    }
    oxp_chunk_open(&coder, time_ms, bits, &first);
    size_t words = oxp_chunk_words(&coder, &first, reach_ms);
    enum oxp_status status = oxp_memory_block(memory, words, (first.used + 63) / 64, &chunk, &home);
    if (status != OXP_OK) {
        return status;
    }
    oxp_chunk_start(chunk, home, &coder, &first);
    atomic_store_explicit(&chunk->older, older, memory_order_relaxed);
    series->coder = coder;
    atomic_store_explicit(&series->newest, chunk, memory_order_release);
    return OXP_OK;
}

enum oxp_status oxp_series_append(struct oxp_tsdb_series *series, struct oxp_memory *memory, int64_t reach_ms,
                                  int64_t time_ms, uint64_t bits, bool *added_chunk_out) {
    struct oxp_chunk *chunk = newest_of(series);
    *added_chunk_out = false;
    bool open = chunk == NULL || (uint64_t)time_ms - (uint64_t)chunk->first_ms > (uint64_t)reach_ms / 2;
    if (!open) {
        uint64_t state = atomic_load_explicit(&chunk->state, memory_order_relaxed);
        open = !oxp_chunk_add(chunk, words_of(state), &series->coder, time_ms, bits);
    }
    if (open) {
        enum oxp_status status = open_chunk(series, memory, reach_ms, time_ms, bits);
        if (status != OXP_OK) {
            return status;
        }
        *added_chunk_out = true;
    }
    publish_last(series, time_ms, bits);
    return OXP_OK;
}

/* ---- Dropping ---- */

static void retire_from(struct oxp_chunk *chunk, struct oxp_memory *memory, struct oxp_series_dropped *dropped) {
    while (chunk != NULL) {
        struct oxp_chunk *older = atomic_load_explicit(&chunk->older, memory_order_relaxed);
        dropped->samples += oxp_chunk_count(atomic_load_explicit(&chunk->state, memory_order_relaxed));
        dropped->chunks++;
        oxp_memory_retire_block(memory, chunk);
        chunk = older;
    }
}

struct oxp_series_dropped oxp_series_drop(struct oxp_tsdb_series *series, struct oxp_memory *memory, int64_t before_ms,
                                          bool all) {
    struct oxp_series_dropped dropped = {.newest_ms = INT64_MIN};
    struct oxp_chunk *chunk = newest_of(series);
    if (chunk == NULL) {
        return dropped;
    }
    if (all && series->coder.time_ms < before_ms) {
        dropped.newest_ms = series->coder.time_ms;
        atomic_store_explicit(&series->newest, NULL, memory_order_relaxed);
        retire_from(chunk, memory, &dropped);
        series->coder = (struct oxp_chunk_coder){0};
        return dropped;
    }
    for (struct oxp_chunk *older; chunk != NULL; chunk = older) {
        older = atomic_load_explicit(&chunk->older, memory_order_relaxed);
        if (older != NULL && chunk->first_ms <= before_ms) { /* so all in the older one are before it */
            dropped.newest_ms = chunk->first_ms - 1;
            atomic_store_explicit(&chunk->older, NULL, memory_order_relaxed);
            retire_from(older, memory, &dropped);
            break;
        }
    }
    return dropped;
}

void oxp_series_fini(struct oxp_tsdb_series *series, struct oxp_memory *memory) {
    for (struct oxp_chunk *chunk = newest_of(series), *older; chunk != NULL; chunk = older) {
        older = atomic_load_explicit(&chunk->older, memory_order_relaxed);
        oxp_memory_give_block(memory, chunk);
    }
}

void oxp_series_oldest(const struct oxp_tsdb_series *series, int64_t *oldest_ms_out, int64_t *past_ms_out) {
    const struct oxp_chunk *chunk = newest_of(series);
    *oldest_ms_out = *past_ms_out = INT64_MIN;
    if (chunk == NULL) {
        return;
    }
    int64_t past = series->coder.time_ms == INT64_MAX ? INT64_MAX : series->coder.time_ms + 1;
    for (const struct oxp_chunk *older; (older = atomic_load_explicit(&chunk->older, memory_order_relaxed)) != NULL;
         chunk = older) {
        past = chunk->first_ms;
    }
    *oldest_ms_out = chunk->first_ms;
    *past_ms_out = past;
}

/* ---- Reading ---- */

bool oxp_series_last(const struct oxp_tsdb_series *series, int64_t *time_ms_out, uint64_t *bits_out) {
    for (unsigned tries = 0; tries < 4; tries++) {
        uint32_t version = atomic_load_explicit(&series->version, memory_order_acquire);
        *time_ms_out = atomic_load_explicit(&series->last_ms, memory_order_acquire);
        *bits_out = atomic_load_explicit(&series->last_bits, memory_order_acquire);
        if (version % 2 == 0 && atomic_load_explicit(&series->version, memory_order_relaxed) == version) {
            return version != 0 && atomic_load_explicit(&series->newest, memory_order_relaxed) != NULL;
        }
    }
    return false;
}

static const struct oxp_chunk *begin(const struct oxp_tsdb_series *series) {
    return atomic_load_explicit(&series->newest, memory_order_acquire);
}

static const struct oxp_chunk *older_of(const struct oxp_chunk *chunk) {
    return atomic_load_explicit(&chunk->older, memory_order_acquire);
}

bool oxp_series_reaches(const struct oxp_tsdb_series *series, int64_t min_ms, int64_t max_ms) {
    const struct oxp_chunk *chunk = begin(series);
    if (chunk == NULL || atomic_load_explicit(&series->last_ms, memory_order_relaxed) < min_ms) {
        return false;
    }
    while (chunk != NULL && chunk->first_ms > max_ms) {
        chunk = older_of(chunk);
    }
    return chunk != NULL;
}

/* The newest chunk that begins at or before `until_ms`. */
static const struct oxp_chunk *chunk_until(const struct oxp_tsdb_series *series, int64_t until_ms) {
    const struct oxp_chunk *chunk = begin(series);
    while (chunk != NULL && chunk->first_ms > until_ms) {
        chunk = older_of(chunk);
    }
    return chunk;
}

static uint64_t state_of(const struct oxp_chunk *chunk) {
    return atomic_load_explicit(&chunk->state, memory_order_acquire);
}

/* First counts how many samples the chunks hold, then fills the columns from their ends. In between the writer may
 * append (the newest chunk is read as far as it was counted) or drop old ones (then the columns begin with a gap). */
enum oxp_status oxp_tsdb_samples(const struct oxp_tsdb_reader *reader, const struct oxp_tsdb_series *series,
                                 int64_t after_ms, int64_t until_ms, struct oxp_points *points) {
    const struct oxp_chunk *newest = chunk_until(series, until_ms), *chunk;
    size_t count = 0, chunks = 0;
    uint64_t newest_state = 0;
    (void)reader;
    points->count = 0;
    for (chunk = newest; chunk != NULL; chunk = chunk->first_ms <= after_ms ? NULL : older_of(chunk)) {
        uint64_t state = state_of(chunk);
        newest_state = chunks++ == 0 ? state : newest_state;
        count += oxp_chunk_count(state);
    }
    enum oxp_status status = oxp_points_reserve(points, count);
    if (status != OXP_OK) {
        return status;
    }
    size_t at = count;
    for (chunk = newest; chunk != NULL && chunks != 0; chunk = older_of(chunk), chunks--) {
        uint64_t state = chunk == newest ? newest_state : state_of(chunk);
        at -= oxp_chunk_count(state);
        oxp_chunk_decode(chunk, state, words_of(state), points->time_ms + at, points->value + at);
    }
    points->count = count - at;
    if (at != 0 && points->count != 0) {
        memmove(points->time_ms, points->time_ms + at, points->count * sizeof *points->time_ms);
        memmove(points->value, points->value + at, points->count * sizeof *points->value);
    }
    oxp_points_cut(points, after_ms, until_ms);
    return OXP_OK;
}

bool oxp_tsdb_newest(const struct oxp_tsdb_reader *reader, const struct oxp_tsdb_series *series, int64_t after_ms,
                     int64_t until_ms, int64_t *time_ms_out, double *value_out) {
    uint64_t bits;
    (void)reader;
    if (oxp_series_last(series, time_ms_out, &bits) && *time_ms_out <= until_ms) {
        memcpy(value_out, &bits, sizeof bits);
        return *time_ms_out > after_ms;
    }
    const struct oxp_chunk *chunk = chunk_until(series, until_ms);
    if (chunk == NULL) {
        return false;
    }
    int64_t time_ms[OXP_CHUNK_SAMPLES];
    double value[OXP_CHUNK_SAMPLES];
    uint64_t state = state_of(chunk);
    size_t i = oxp_chunk_count(state);
    oxp_chunk_decode(chunk, state, words_of(state), time_ms, value);
    while (time_ms[i - 1] > until_ms) { /* the first is not */
        i--;
    }
    *time_ms_out = time_ms[i - 1];
    *value_out = value[i - 1];
    return time_ms[i - 1] > after_ms;
}
