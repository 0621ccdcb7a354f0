#include "alerts/tsdb/series.h"

#include "alerts/tsdb/points.h"

#include <assert.h>

static_assert(sizeof(void *) != 8 || sizeof(struct oxp_tsdb_series) == 88,
              "one for each series: with the heap's head 96");

static size_t words_of(uint64_t state) {
    return oxp_block_words(oxp_chunk_home(state));
}

/* ---- Writing ---- */

static struct oxp_chunk *newest_of(const struct oxp_tsdb_series *series) {
    return atomic_load_explicit(&series->newest, memory_order_relaxed);
}

static struct oxp_chunk *older_chunk(const struct oxp_chunk *chunk) {
    return atomic_load_explicit(&chunk->older, memory_order_relaxed);
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

/* A share of `whole` that the labels choose, while the series is young: until its chunks have a size of their own.
 * Series that began together would else begin all their chunks together, and a memory that is short would lose the
 * oldest ones of all series at once. */
static uint64_t share_of(const struct oxp_tsdb_series *series, uint64_t whole) {
    enum { SHARES = 16 };
    return series->coder.density != 0 ? whole : whole * (1 + series->labels.hash % SHARES) / SHARES;
}

static enum oxp_status open_chunk(struct oxp_tsdb_series *series, struct oxp_memory *memory, int64_t reach_ms,
                                  int64_t time_ms, uint64_t bits) {
    struct oxp_chunk *older = newest_of(series), *chunk;
    struct oxp_chunk_coder coder = series->coder;
    struct oxp_chunk_bits first;
    unsigned home;
    if (older != NULL && !coder.is_closed) {
        coder.density = density_of(series);
    }
    oxp_chunk_open(&coder, bits, &first);
    size_t least = (first.used + 63) / 64, words = oxp_chunk_words(&coder, &first, reach_ms);
    words = older != NULL && share_of(series, words) > least ? share_of(series, words) : words;
    enum oxp_status status = oxp_memory_block(memory, words, least, &chunk, &home);
    if (status != OXP_OK) {
        return status;
    }
    chunk->first_ms = time_ms;
    oxp_chunk_start(chunk, home, &coder, &first);
    atomic_store_explicit(&chunk->older, older, memory_order_relaxed);
    series->coder = coder;
    atomic_store_explicit(&series->newest, chunk, memory_order_release);
    return OXP_OK;
}

/* A chunk spans at most half of the reach, else it would be kept long after most of it is past; but a few samples share
 * its head, up to the whole reach. */
static bool is_long(const struct oxp_tsdb_series *series, const struct oxp_chunk *chunk, int64_t reach_ms,
                    int64_t time_ms) {
    enum { FEW = 8 };
    unsigned count = oxp_chunk_count(atomic_load_explicit(&chunk->state, memory_order_relaxed));
    uint64_t span = (uint64_t)time_ms - (uint64_t)chunk->first_ms, reach = (uint64_t)reach_ms;
    return count >= share_of(series, OXP_CHUNK_SAMPLES) || span > (count < FEW ? reach : share_of(series, reach / 2));
}

enum oxp_status oxp_series_append(struct oxp_tsdb_series *series, struct oxp_memory *memory, int64_t reach_ms,
                                  int64_t time_ms, uint64_t bits, bool *added_chunk_out) {
    struct oxp_chunk *chunk = newest_of(series);
    *added_chunk_out = false;
    bool open = chunk == NULL || series->coder.is_closed || is_long(series, chunk, reach_ms, time_ms);
    if (!open) {
        uint64_t state = atomic_load_explicit(&chunk->state, memory_order_relaxed);
        struct oxp_chunk_sample last = oxp_series_end(series), sample = {time_ms, bits};
        open = !oxp_chunk_add(chunk, words_of(state), &series->coder, &last, &sample);
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

/* What a chunk has. */
struct decoded {
    size_t count;
    int64_t time_ms[OXP_CHUNK_SAMPLES];
    double value[OXP_CHUNK_SAMPLES];
};

static void decode(const struct oxp_chunk *chunk, struct decoded *decoded) {
    uint64_t state = atomic_load_explicit(&chunk->state, memory_order_relaxed);
    decoded->count = oxp_chunk_count(state);
    oxp_chunk_decode(chunk, state, words_of(state), decoded->time_ms, decoded->value);
}

static int64_t last_of(const struct oxp_chunk *chunk) {
    struct decoded decoded;
    decode(chunk, &decoded);
    return decoded.time_ms[decoded.count - 1];
}

/* From `chunk` on to the older ones, up to but not `end`. */
static void retire_from(struct oxp_chunk *chunk, const struct oxp_chunk *end, struct oxp_memory *memory,
                        struct oxp_series_dropped *dropped) {
    while (chunk != end) {
        struct oxp_chunk *older = older_chunk(chunk);
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
    if (all && oxp_series_end(series).time_ms < before_ms) {
        dropped.newest_ms = oxp_series_end(series).time_ms;
        atomic_store_explicit(&series->newest, NULL, memory_order_relaxed);
        retire_from(chunk, NULL, memory, &dropped);
        series->coder = (struct oxp_chunk_coder){0};
        return dropped;
    }
    for (struct oxp_chunk *older; chunk != NULL; chunk = older) {
        older = older_chunk(chunk);
        if (older == NULL || older->first_ms >= before_ms) {
            continue;
        }
        /* Mostly the next one's begin says it. After a gap that may be much later than the last sample. */
        int64_t last_ms = chunk->first_ms <= before_ms ? chunk->first_ms - 1 : last_of(older);
        if (last_ms < before_ms) {
            dropped.newest_ms = last_ms;
            atomic_store_explicit(&chunk->older, NULL, memory_order_relaxed);
            retire_from(older, NULL, memory, &dropped);
            break;
        }
    }
    return dropped;
}

/* Lets a series that nobody sees yet end with a chunk that is closed, or with none. */
static void stand_on(struct oxp_tsdb_series *series, struct oxp_chunk *chunk) {
    struct decoded decoded;
    atomic_store_explicit(&series->newest, chunk, memory_order_relaxed);
    series->coder.is_closed = chunk != NULL;
    if (chunk != NULL) {
        uint64_t bits;
        decode(chunk, &decoded);
        memcpy(&bits, &decoded.value[decoded.count - 1], sizeof bits);
        publish_last(series, decoded.time_ms[decoded.count - 1], bits);
    }
}

/* Appends to a series that nobody sees yet. What forgetting freed is given back first when there is no room. */
static bool append_aside(struct oxp_tsdb_series *series, struct oxp_memory *memory, int64_t reach_ms, int64_t time_ms,
                         double value) {
    uint64_t bits;
    bool added;
    memcpy(&bits, &value, sizeof bits);
    enum oxp_status status = oxp_series_append(series, memory, reach_ms, time_ms, bits, &added);
    if (status == OXP_ERR_FULL) {
        oxp_memory_reclaim(memory);
        status = oxp_series_append(series, memory, reach_ms, time_ms, bits, &added);
    }
    return status == OXP_OK;
}

/* Lets `copy` end as `series` would have at `until_ms`. Gives the newest chunk that both have. */
static const struct oxp_chunk *copy_until(const struct oxp_tsdb_series *series, struct oxp_tsdb_series *copy,
                                          struct oxp_memory *memory, int64_t reach_ms, int64_t until_ms) {
    struct oxp_chunk *last = newest_of(series);
    while (last != NULL && last->first_ms > until_ms) {
        last = older_chunk(last);
    }
    stand_on(copy, last);
    if (last == NULL || oxp_series_end(copy).time_ms <= until_ms) {
        return last;
    }
    struct decoded decoded;
    decode(last, &decoded);
    stand_on(copy, older_chunk(last));
    bool room = true;
    for (size_t i = 0; room && i < decoded.count && decoded.time_ms[i] <= until_ms; i++) {
        room = append_aside(copy, memory, reach_ms, decoded.time_ms[i], decoded.value[i]);
    }
    return older_chunk(last);
}

/* The new end is written aside, on a copy of the series, and then shown all at once. */
struct oxp_series_dropped oxp_series_forget(struct oxp_tsdb_series *series, struct oxp_memory *memory, int64_t reach_ms,
                                            int64_t time_ms) {
    struct oxp_series_dropped dropped = {.newest_ms = INT64_MIN};
    struct oxp_chunk *newest = newest_of(series);
    const struct oxp_chunk_sample end = oxp_series_end(series);
    if (newest == NULL || end.time_ms <= time_ms) {
        return dropped;
    }
    struct oxp_tsdb_series copy = {.coder = series->coder};
    double last;
    memcpy(&last, &end.bits, sizeof last);
    bool ended = oxp_is_stale(last) && time_ms != INT64_MIN;
    dropped.newest_ms = end.time_ms;
    if (!series->coder.is_closed) {
        copy.coder.density = density_of(series);
    }
    const struct oxp_chunk *both = copy_until(series, &copy, memory, reach_ms, time_ms - ended);
    if (ended && newest_of(&copy) != NULL && oxp_series_end(&copy).bits != end.bits) {
        (void)append_aside(&copy, memory, reach_ms, time_ms, last);
    }
    if (newest_of(&copy) == NULL) {
        copy.coder = (struct oxp_chunk_coder){0};
    } else {
        publish_last(series, oxp_series_end(&copy).time_ms, oxp_series_end(&copy).bits);
    }
    series->coder = copy.coder;
    atomic_store_explicit(&series->newest, newest_of(&copy), memory_order_release);
    for (const struct oxp_chunk *chunk = newest_of(&copy); chunk != both; chunk = older_chunk(chunk)) {
        dropped.samples -= oxp_chunk_count(atomic_load_explicit(&chunk->state, memory_order_relaxed));
        dropped.chunks--;
    }
    retire_from(newest, both, memory, &dropped);
    return dropped;
}

void oxp_series_fini(struct oxp_tsdb_series *series, struct oxp_memory *memory) {
    for (struct oxp_chunk *chunk = newest_of(series), *older; chunk != NULL; chunk = older) {
        older = older_chunk(chunk);
        oxp_memory_give_block(memory, chunk);
    }
}

void oxp_series_oldest(const struct oxp_tsdb_series *series, int64_t *oldest_ms_out, int64_t *past_ms_out) {
    const struct oxp_chunk *chunk = newest_of(series);
    *oldest_ms_out = *past_ms_out = INT64_MIN;
    if (chunk == NULL) {
        return;
    }
    int64_t last_ms = oxp_series_end(series).time_ms, past = last_ms == INT64_MAX ? INT64_MAX : last_ms + 1;
    for (const struct oxp_chunk *older; (older = older_chunk(chunk)) != NULL; chunk = older) {
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
