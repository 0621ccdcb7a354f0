/* Reading chunks: chunk.h has the code.
 *
 * The block's words are copied first, so that from there on they are plain bytes, with some more behind them. A window
 * of 56 to 63 bits is kept in a register and filled again without a branch (Giesen, "Reading bits in far too many
 * ways", 2018, variant 4). Samples that come as expected are written without looking at bits at all. */
#include "alerts/tsdb/chunk_code.h"
#include "alerts/tsdb/memory.h"
#include "alerts/tsdb/tsdb.h"
#include "lib/base/number.h"
#include <endian.h>

enum { WINDOW = 56 };

struct source {
    uint64_t window;           /* the bits that come next */
    unsigned have;             /* how many of them are right */
    const unsigned char *next; /* where to fill it from */
};

/* All that decoding carries from sample to sample. */
struct decoder {
    struct source source;
    uint64_t time_ms, step_ms, odd_ms, bits;
    struct oxp_chunk_rate rate;
    double divisor;
    unsigned scale, lead, length;
    bool changing;
    int64_t *time_out;
    double *value_out;
    size_t count; /* samples written */
};

/* Afterwards there are at least WINDOW bits. */
static inline void fill(struct source *source) {
    uint64_t word;
    memcpy(&word, source->next, sizeof word);
    source->window |= le64toh(word) << source->have;
    source->next += (63 - source->have) >> 3;
    source->have |= WINDOW;
}

/* Bits that the window has, at most 63. */
static inline void skip(struct source *source, unsigned width) {
    source->window >>= width;
    source->have -= width;
}

/* At most WINDOW bits. */
static inline uint64_t get(struct source *source, unsigned width) {
    fill(source);
    uint64_t value = source->window & ((UINT64_C(1) << width) - 1);
    skip(source, width);
    return value;
}

static inline uint64_t get_all(struct source *source, unsigned width) {
    uint64_t low = get(source, width < 32 ? width : 32);
    return width > 32 ? low | get(source, width - 32) << 32 : low;
}

static inline uint64_t get_wide(struct source *source) {
    unsigned width = (unsigned)get(source, 6);
    return get_all(source, width);
}

/* ---- Values ---- */

static inline double rate_value(const struct decoder *decoder) {
    return (double)decoder->rate.whole / decoder->divisor;
}

static void get_rate(struct decoder *decoder) {
    struct source *source = &decoder->source;
    struct oxp_chunk_rate *rate = &decoder->rate;
    if (!rate->known) {
        oxp_rate_first(rate, oxp_unzigzag(get_wide(source)));
        rate->whole = (int64_t)((uint64_t)rate->whole + (uint64_t)rate->usual);
        return;
    }
    fill(source);
    unsigned k = oxp_rice_parameter(rate->spread);
    unsigned ones = (unsigned)__builtin_ctzll(~source->window | UINT64_C(1) << OXP_RICE_ESCAPE);
    uint64_t off;
    int64_t usual = rate->usual;
    if (ones < OXP_RICE_ESCAPE) {
        skip(source, ones + 1);
        off = (uint64_t)ones << k | get(source, k);
        oxp_rate_learn(rate, off);
    } else {
        skip(source, OXP_RICE_ESCAPE);
        off = get_wide(source);
        oxp_rate_jump(rate, off);
    }
    rate->whole = (int64_t)((uint64_t)rate->whole + (uint64_t)usual + (uint64_t)oxp_unzigzag(off));
}

/* By what the bits change; the window of significant bits is the last one's, or a new one. */
static inline uint64_t get_xor(struct source *source, unsigned *lead, unsigned *length) {
    fill(source);
    if ((source->window & 1) != 0) {
        *lead = (unsigned)(source->window >> 1 & 63);
        *length = (unsigned)(source->window >> 7 & 63) + 1;
        skip(source, 13);
    } else {
        skip(source, 1);
    }
    uint64_t change = *length <= WINDOW ? get(source, *length) : get_all(source, *length);
    return change << ((64 - *lead - *length) & 63);
}

static void changed_value(struct decoder *decoder) {
    if (decoder->scale == OXP_CHUNK_XOR) {
        decoder->bits ^= get_xor(&decoder->source, &decoder->lead, &decoder->length);
    } else {
        get_rate(decoder);
        decoder->bits = oxp_bits_of(rate_value(decoder));
    }
}

/* ---- Samples ---- */

static inline void emit(struct decoder *decoder, uint64_t distance) {
    decoder->time_ms += distance;
    decoder->time_out[decoder->count] = (int64_t)decoder->time_ms;
    decoder->value_out[decoder->count++] = oxp_bits_double(decoder->bits);
}

static void emit_run(struct decoder *decoder, size_t run) {
    int64_t *time_ms = decoder->time_out + decoder->count;
    double *value = decoder->value_out + decoder->count, same = oxp_bits_double(decoder->bits);
    uint64_t at = decoder->time_ms, step = decoder->step_ms;
    for (size_t i = 0; i < run; i++) {
        time_ms[i] = (int64_t)(at + (i + 1) * step);
        value[i] = same;
    }
    decoder->time_ms += run * step;
    decoder->count += run;
}

static uint64_t get_distance(struct decoder *decoder) {
    unsigned width = (unsigned)get(&decoder->source, 6) + 1;
    uint64_t distance = decoder->step_ms + (uint64_t)oxp_unzigzag(get_all(&decoder->source, width));
    oxp_step_learn(&decoder->step_ms, &decoder->odd_ms, distance);
    return distance;
}

static uint64_t get_special(struct source *source) {
    return get(source, 1) == 0 ? OXP_STALE_BITS : get_all(source, 64);
}

static void odd_sample(struct decoder *decoder, unsigned what) {
    struct source *source = &decoder->source;
    uint64_t distance = decoder->step_ms;
    if (what != 3 || get(source, 1) != 0) {
        distance = get_distance(decoder);
    }
    if (what == 3) {
        decoder->bits = get_special(source);
    } else if (what == 1) {
        changed_value(decoder);
    }
    decoder->changing = what == 3 ? decoder->changing : what == 1;
    emit(decoder, distance);
}

/* One sample, or a run, of any sort: the slow way. `room` is how many samples may come. */
static __attribute__((noinline)) void rare(struct decoder *decoder, size_t room) {
    struct source *source = &decoder->source;
    bool other = get(source, 1) != 0;
    if (!other || get(source, 1) == 0) {
        decoder->changing ^= other;
        if (decoder->changing) {
            changed_value(decoder);
        }
        emit(decoder, decoder->step_ms);
        return;
    }
    unsigned what = (unsigned)get(source, 2);
    if (what == 2) {
        size_t run = (size_t)get(source, 7) + 1;
        emit_run(decoder, run < room ? run : room);
        decoder->changing = false;
    } else {
        odd_sample(decoder, what);
    }
}

static void first_sample(struct decoder *decoder) {
    struct source *source = &decoder->source;
    if (decoder->scale == OXP_CHUNK_XOR) {
        decoder->bits = get_all(source, 64);
        emit(decoder, 0);
        return;
    }
    bool plain = get(source, 1) == 0;
    if (plain) {
        decoder->rate.whole = oxp_unzigzag(get_wide(source));
        decoder->bits = oxp_bits_of(rate_value(decoder));
    } else {
        decoder->bits = get_special(source);
    }
    if (get(source, 1) != 0) {
        decoder->rate.usual = oxp_unzigzag(get_wide(source));
        decoder->rate.spread = UINT64_C(12) << get(source, 6);
        decoder->rate.known = decoder->changing = true;
    }
    emit(decoder, 0);
}

/* The samples of decimals up to `until` in all; of others than the usual ones it makes one the slow way and returns.
 * Whether a value changed is as good as random, so nothing branches on it: its code is read in any case, and what
 * follows from it is masked out when it was none. All is in locals, so that it is in registers. */
static void decimals(struct decoder *decoder, size_t until) {
    struct source source = decoder->source;
    struct oxp_chunk_rate rate = decoder->rate;
    uint64_t changing = decoder->changing, bits = decoder->bits, at = decoder->time_ms, step = decoder->step_ms;
    double divisor = decoder->divisor;
    size_t i = decoder->count;
    unsigned k = oxp_rice_parameter(rate.spread);
    for (; i < until; i++) {
        fill(&source);
        uint64_t other = source.window & 1, changed = changing ^ other, mask = 0 - changed;
        uint64_t window = source.window >> (1 + other);
        unsigned ones = (unsigned)__builtin_ctzll(~window | UINT64_C(1) << OXP_RICE_ESCAPE);
        if ((source.window & 3) == 3 || (changed & ((ones == OXP_RICE_ESCAPE) | !rate.known)) != 0) {
            break;
        }
        uint64_t off = (uint64_t)ones << k | (window >> (ones + 1) & ~(UINT64_MAX << k));
        skip(&source, 1 + (unsigned)other + ((unsigned)mask & (ones + 1 + k)));
        rate.spread += mask & (off - (rate.spread >> 3));
        k = k + (rate.spread >> 4 >> k != 0 && k < OXP_RICE_MAX) - (rate.spread >> 3 >> k == 0 && k != 0);
        rate.whole += (int64_t)(mask & ((uint64_t)rate.usual + (uint64_t)oxp_unzigzag(off)));
        rate.usual += (int64_t)(mask & (uint64_t)oxp_quarter(oxp_unzigzag(off)));
        rate.jumped = rate.jumped && !changed;
        changing = changed;
        bits ^= (bits ^ oxp_bits_of((double)rate.whole / divisor)) & mask;
        decoder->time_out[i] = (int64_t)(at += step);
        decoder->value_out[i] = oxp_bits_double(bits);
    }
    decoder->source = source;
    decoder->rate = rate;
    decoder->changing = changing != 0;
    decoder->bits = bits;
    decoder->time_ms = at;
    decoder->count = i;
}

/* The same of doubles. */
static void doubles(struct decoder *decoder, size_t until) {
    struct source source = decoder->source;
    uint64_t bits = decoder->bits, at = decoder->time_ms, step = decoder->step_ms;
    unsigned lead = decoder->lead, length = decoder->length;
    bool changing = decoder->changing;
    size_t i = decoder->count;
    for (; i < until; i++) {
        fill(&source);
        if ((source.window & 3) == 3) {
            break;
        }
        bool other = (source.window & 1) != 0;
        skip(&source, 1u + other);
        changing ^= other;
        if (changing) {
            bits ^= get_xor(&source, &lead, &length);
        }
        decoder->time_out[i] = (int64_t)(at += step);
        decoder->value_out[i] = oxp_bits_double(bits);
    }
    decoder->source = source;
    decoder->lead = lead;
    decoder->length = length;
    decoder->changing = changing;
    decoder->bits = bits;
    decoder->time_ms = at;
    decoder->count = i;
}

void oxp_chunk_decode(const struct oxp_chunk *chunk, uint64_t state, size_t words, int64_t *time_ms, double *value) {
    size_t count = oxp_chunk_count(state), run = oxp_chunk_run(state);
    uint64_t copy[OXP_BLOCK_WORDS_MAX + 2]; /* filling looks at up to 16 bytes more */
    for (size_t i = 0; i < words; i++) {
        copy[i] = htole64(atomic_load_explicit(&chunk->word[i], memory_order_relaxed));
    }
    copy[words] = copy[words + 1] = 0;
    struct decoder decoder = {
        .source = {.next = (const unsigned char *)copy},
        .time_ms = (uint64_t)chunk->first_ms,
        .step_ms = oxp_chunk_step(state),
        .scale = oxp_chunk_scale(state),
        .divisor = oxp_chunk_powers[oxp_chunk_scale(state)],
        .time_out = time_ms,
        .value_out = value,
    };
    first_sample(&decoder);
    while (decoder.count < count - run) {
        if (decoder.scale == OXP_CHUNK_XOR) {
            doubles(&decoder, count - run);
        } else {
            decimals(&decoder, count - run);
        }
        if (decoder.count < count - run) {
            rare(&decoder, count - run - decoder.count);
        }
    }
    emit_run(&decoder, run);
}
