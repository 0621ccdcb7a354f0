/* Writing chunks: chunk.h has the code. */
#include "alerts/tsdb/chunk.h"

#include "alerts/tsdb/chunk_code.h"
#include "alerts/tsdb/tsdb.h"
#include "lib/base/number.h"

/* ---- Bits ---- */

static void put(struct oxp_chunk_bits *out, uint64_t value, unsigned width) {
    if (width == 0) {
        return;
    }
    unsigned i = out->used / 64, shift = out->used % 64;
    out->word[i] |= value << shift;
    if (shift + width > 64) {
        out->word[i + 1] |= value >> (64 - shift);
    }
    out->used += width;
}

/* A number behind its width in six bits; at most 63 bits. */
static void put_wide(struct oxp_chunk_bits *out, uint64_t value) {
    unsigned width = oxp_bit_width(value);
    put(out, width, 6);
    put(out, value, width);
}

/* Puts `from` behind the `used` bits that the chunk has. Words that nobody has read yet are set whole. */
static void append_bits(struct oxp_chunk *chunk, unsigned used, const struct oxp_chunk_bits *from) {
    unsigned at = used / 64, shift = used % 64;
    uint64_t carry = shift == 0 ? 0 : atomic_load_explicit(&chunk->word[at], memory_order_relaxed);
    for (unsigned i = 0, left = from->used; left != 0; i++, at++) {
        unsigned width = left < 64 ? left : 64;
        atomic_store_explicit(&chunk->word[at], carry | from->word[i] << shift, memory_order_relaxed);
        carry = shift == 0 ? 0 : from->word[i] >> (64 - shift);
        if (shift + width > 64) {
            atomic_store_explicit(&chunk->word[at + 1], carry, memory_order_relaxed);
        }
        left -= width;
    }
}

/* ---- Values ---- */

/* The whole number that is the value times 10^scale, if dividing it gives back the very bits. */
static bool decimal_of(uint64_t bits, unsigned scale, int64_t *whole_out) {
    double scaled = oxp_bits_double(bits) * oxp_chunk_powers[scale];
    if (!(scaled > -0x1p53 && scaled < 0x1p53)) { /* not a number, too */
        return false;
    }
    *whole_out = (int64_t)(scaled < 0 ? scaled - 0.5 : scaled + 0.5);
    return oxp_bits_of((double)*whole_out / oxp_chunk_powers[scale]) == bits;
}

/* Stale markers, not-a-numbers, infinities and -0 say nothing about the scale of their series. */
static bool is_special(uint64_t bits) {
    return (bits >> 52 & 0x7ff) == 0x7ff || bits == UINT64_C(1) << 63;
}

/* The least scale from `from` on that holds the value; OXP_CHUNK_XOR when none does. */
static unsigned scale_for(uint64_t bits, unsigned from) {
    int64_t whole;
    while (from < OXP_CHUNK_XOR && !decimal_of(bits, from, &whole)) {
        from++;
    }
    return from;
}

static struct oxp_chunk_rate rate_of(const struct oxp_chunk_coder *coder) {
    return (struct oxp_chunk_rate){.whole = coder->whole,
                                   .usual = coder->usual,
                                   .spread = coder->spread,
                                   .known = coder->known,
                                   .jumped = coder->jumped};
}

static void set_rate(struct oxp_chunk_coder *coder, const struct oxp_chunk_rate *rate) {
    coder->whole = rate->whole;
    coder->usual = rate->usual;
    coder->spread = rate->spread;
    coder->known = rate->known;
    coder->jumped = rate->jumped;
}

static void put_rate(struct oxp_chunk_bits *out, struct oxp_chunk_coder *coder, int64_t whole) {
    struct oxp_chunk_rate rate = rate_of(coder);
    int64_t difference = whole - rate.whole;
    rate.whole = whole;
    uint64_t off = oxp_zigzag((int64_t)((uint64_t)difference - (uint64_t)rate.usual));
    unsigned k = oxp_rice_parameter(rate.spread);
    if (!rate.known) {
        put_wide(out, oxp_zigzag(difference));
        oxp_rate_first(&rate, difference);
    } else if (off >> k < OXP_RICE_ESCAPE) {
        unsigned ones = (unsigned)(off >> k);
        put(out, (UINT64_C(1) << ones) - 1, ones + 1);
        put(out, off & ((UINT64_C(1) << k) - 1), k);
        oxp_rate_learn(&rate, off);
    } else {
        put(out, (UINT64_C(1) << OXP_RICE_ESCAPE) - 1, OXP_RICE_ESCAPE);
        put_wide(out, off);
        oxp_rate_jump(&rate, off);
    }
    set_rate(coder, &rate);
}

/* `change`: the value's bits by exclusive or with the last's; not 0. */
static void put_xor(struct oxp_chunk_bits *out, struct oxp_chunk_coder *coder, uint64_t change) {
    unsigned lead = (unsigned)__builtin_clzll(change), trail = (unsigned)__builtin_ctzll(change);
    unsigned length = 64 - lead - trail, window_trail = 64u - coder->lead - coder->length;
    bool fits = coder->length != 0 && lead >= coder->lead && trail >= window_trail;
    if (fits && coder->length - length < 13) { /* a new window takes 12 bits more */
        put(out, 0, 1);
        put(out, change >> window_trail, coder->length);
        return;
    }
    put(out, 1, 1);
    put(out, lead, 6);
    put(out, length - 1, 6);
    put(out, change >> trail, length);
    coder->lead = lead & 63;
    coder->length = length & 127;
}

/* A value that is no number of the chunk. */
static void put_special(struct oxp_chunk_bits *out, uint64_t bits) {
    put(out, bits != OXP_STALE_BITS, 1);
    if (bits != OXP_STALE_BITS) {
        put(out, bits, 64);
    }
}

/* ---- Samples ---- */

static void put_run(struct oxp_chunk_bits *out, struct oxp_chunk_coder *coder, unsigned run) {
    if (run == 0) {
        return;
    }
    if (run > 10) {
        put(out, 3 | 2 << 2, 4);
        put(out, run - 1, 7);
    } else {
        put(out, coder->changing, coder->changing ? 2 : 1);
        put(out, 0, run - 1);
    }
    coder->changing = false;
}

static void put_time(struct oxp_chunk_bits *out, struct oxp_chunk_coder *coder, uint64_t distance) {
    uint64_t step = coder->step_ms, odd = coder->odd_ms;
    uint64_t off = oxp_zigzag((int64_t)(distance - step)); /* never 0 */
    unsigned width = oxp_bit_width(off);
    put(out, width - 1, 6);
    put(out, off, width);
    oxp_step_learn(&step, &odd, distance);
    coder->step_ms = (uint32_t)step;
    coder->odd_ms = (uint32_t)odd;
}

/* The sample's bits, behind those of the run. False when the value is of another scale. */
static bool put_sample(struct oxp_chunk_bits *out, struct oxp_chunk_coder *coder, uint64_t distance, uint64_t last_bits,
                       uint64_t bits) {
    bool odd = distance != coder->step_ms, changed = bits != last_bits, changing = coder->changing;
    unsigned scale = coder->scale;
    int64_t whole = 0;
    bool special = changed && scale != OXP_CHUNK_XOR && !decimal_of(bits, scale, &whole);
    if (special && !is_special(bits)) {
        return false;
    }
    if (special) {
        put(out, 3 | 3 << 2 | (unsigned)odd << 4, 5);
    } else if (odd) {
        put(out, 3 | (unsigned)changed << 2, 4);
    } else {
        put(out, changed != changing, changed != changing ? 2 : 1);
    }
    if (odd) {
        put_time(out, coder, distance);
    }
    if (special) {
        put_special(out, bits);
    } else if (changed && scale == OXP_CHUNK_XOR) {
        put_xor(out, coder, bits ^ last_bits);
    } else if (changed) {
        put_rate(out, coder, whole);
    }
    if (!special) {
        coder->changing = changed;
    }
    if (changed && coder->changes < 255) {
        coder->changes++;
    }
    return true;
}

static void mark_tame(struct oxp_chunk_coder *coder, uint64_t bits) {
    if (coder->scale == OXP_CHUNK_XOR && coder->tame != OXP_CHUNK_XOR && !is_special(bits)) {
        coder->tame = scale_for(bits, coder->tame) & 7;
    }
}

bool oxp_chunk_add(struct oxp_chunk *chunk, size_t words, struct oxp_chunk_coder *coder,
                   const struct oxp_chunk_sample *last, const struct oxp_chunk_sample *sample) {
    uint64_t distance = (uint64_t)sample->time_ms - (uint64_t)last->time_ms;
    uint64_t state = atomic_load_explicit(&chunk->state, memory_order_relaxed);
    if (oxp_chunk_count(state) >= OXP_CHUNK_SAMPLES) {
        return false;
    }
    if (sample->bits == last->bits && distance == coder->step_ms) {
        atomic_store_explicit(&chunk->state, state + OXP_CHUNK_ONE + OXP_CHUNK_RUN, memory_order_release);
        return true;
    }
    const struct oxp_chunk_coder before = *coder;
    struct oxp_chunk_bits out = {.used = 0};
    unsigned run = oxp_chunk_run(state);
    put_run(&out, coder, run);
    if (!put_sample(&out, coder, distance, last->bits, sample->bits) || coder->used + out.used > words * 64) {
        *coder = before;
        return false;
    }
    append_bits(chunk, coder->used, &out);
    coder->used = (uint16_t)(coder->used + out.used);
    mark_tame(coder, sample->bits);
    atomic_store_explicit(&chunk->state, state + OXP_CHUNK_ONE - run * OXP_CHUNK_RUN, memory_order_release);
    return true;
}

/* ---- The first sample ---- */

/* The scale that the next chunk begins with: the one before it, unless this value, or all of the last chunk, says
 * otherwise. */
static unsigned next_scale(const struct oxp_chunk_coder *coder, uint64_t bits) {
    unsigned scale = coder->scale == OXP_CHUNK_XOR ? coder->tame : coder->scale;
    return is_special(bits) ? scale : scale_for(bits, scale);
}

void oxp_chunk_open(struct oxp_chunk_coder *coder, uint64_t bits, struct oxp_chunk_bits *out) {
    bool busy = coder->changes >= 8 && coder->known;
    unsigned scale = next_scale(coder, bits);
    struct oxp_chunk_rate before = rate_of(coder), rate = {0};
    *out = (struct oxp_chunk_bits){.used = 0};
    busy = busy && scale == coder->scale && scale != OXP_CHUNK_XOR;
    uint16_t density = scale == coder->scale ? coder->density : 0;
    *coder = (struct oxp_chunk_coder){.density = density, .scale = scale & 7, .step_ms = coder->step_ms};
    if (scale == OXP_CHUNK_XOR) {
        put(out, bits, 64);
        mark_tame(coder, bits);
        return;
    }
    bool plain = decimal_of(bits, scale, &rate.whole);
    put(out, !plain, 1);
    if (plain) {
        put_wide(out, oxp_zigzag(rate.whole));
    } else {
        rate.whole = 0;
        put_special(out, bits);
    }
    put(out, busy, 1);
    if (busy) {
        unsigned k = oxp_rice_parameter(before.spread);
        put_wide(out, oxp_zigzag(before.usual));
        put(out, k, 6);
        rate.usual = before.usual;
        rate.spread = UINT64_C(12) << k;
        rate.known = true;
        coder->changing = true;
    }
    set_rate(coder, &rate);
}

size_t oxp_chunk_words(const struct oxp_chunk_coder *coder, const struct oxp_chunk_bits *first, int64_t reach_ms) {
    double bits = coder->density / 8.0, samples = OXP_CHUNK_SAMPLES - 1;
    if (coder->density == 0) { /* nobody knows: a small one that says so soon, but not before steps have become even */
        return coder->scale == OXP_CHUNK_XOR ? 8 : first->used / 64 + 2;
    }
    if (coder->step_ms != 0) {
        double best = sqrt(16.0 * sizeof(struct oxp_chunk) / bits * ((double)reach_ms / (double)coder->step_ms));
        samples = best < samples ? best : samples;
    }
    return ((size_t)(bits * samples) + first->used + 63) / 64;
}

void oxp_chunk_start(struct oxp_chunk *chunk, unsigned home, struct oxp_chunk_coder *coder,
                     const struct oxp_chunk_bits *first) {
    atomic_init(&chunk->older, NULL);
    append_bits(chunk, 0, first);
    coder->used = (uint16_t)first->used;
    atomic_init(&chunk->state,
                OXP_CHUNK_ONE | (uint64_t)coder->scale << 16 | (uint64_t)home << 19 | (uint64_t)coder->step_ms << 31);
}
