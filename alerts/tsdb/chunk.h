/* Chunks: samples of one series, compressed into a block of fixed size.
 *
 * A stream of bits, least significant first. Times are expected at a fixed step and values are expected to stay; a
 * sample of which both come true takes no bits at all: it is only counted, as one of the pending run at the chunk's
 * end. So a series that idles costs one small block for 120 samples. When something else comes, the run is written
 * out and then that sample:
 *
 *     0       at the step; the value changed, or did not, as it was with the sample before
 *     1 0     at the step; the other way round
 *     1 1 0 0 not at the step (a time follows), the value stayed
 *     1 1 1 0 not at the step (a time follows), the value changed
 *     1 1 0 1 a run: 1 to 128 (7 bits) samples at the step with the same value
 *     1 1 1 1 a value that is no number of this chunk: 0, or 1 and a time; then 0 for a stale marker, or 1 and 64 bits
 *
 * A time is the zigzagged difference from the step (6 bits of width less one, then the bits). A distance that comes
 * twice becomes the step, if it is one of 32 bits.
 *
 * A changed value comes in one of two ways, chosen for the whole chunk by its scale. Scale 0 to 6: all values are whole
 * numbers of at most 53 bits after multiplication by 10^scale, exactly. What is written is how far the difference from
 * the last value lies from the usual difference, zigzagged, as a Rice code (Rice and Plaunt, IEEE Trans. Comm. 1971)
 * whose parameter follows the mean of those before. Scale OXP_CHUNK_XOR: the value's bits by exclusive or with the
 * last's, in a window of significant bits, after Gorilla (Pelkonen et al., VLDB 2015, section 4.1.2).
 *
 * One writer; readers beside it without a lock: words and state are atomics, and the state that counts a sample is
 * released after the words that hold it. A chunk but for the newest one of its series never changes, save that its
 * link to an older one is cut when that is dropped. */
#ifndef OXP_TSDB_CHUNK_H
#define OXP_TSDB_CHUNK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OXP_CHUNK_SAMPLES 120 /* of one chunk at most */
#define OXP_CHUNK_XOR 7       /* the scale of values that are no decimals */

struct oxp_chunk {
    _Atomic(struct oxp_chunk *) older;
    int64_t first_ms;
    _Atomic uint64_t state; /* see below */
    _Atomic uint64_t word[];
};

/* The state: count of samples (bits 0-7), of these the pending run (8-15), scale (16-18), where the block is at home
 * (19-30, memory.h), the step before the first sample in ms (31-62; 0 = not known). */
#define OXP_CHUNK_ONE UINT64_C(1)
#define OXP_CHUNK_RUN (UINT64_C(1) << 8)
#define OXP_CHUNK_STEP_MAX UINT64_C(0xffffffff)

static inline unsigned oxp_chunk_count(uint64_t state) {
    return (unsigned)(state & 0xff);
}

static inline unsigned oxp_chunk_run(uint64_t state) {
    return (unsigned)(state >> 8 & 0xff);
}

static inline unsigned oxp_chunk_scale(uint64_t state) {
    return (unsigned)(state >> 16 & 7);
}

static inline unsigned oxp_chunk_home(uint64_t state) {
    return (unsigned)(state >> 19 & 0xfff);
}

static inline uint64_t oxp_chunk_step(uint64_t state) {
    return state >> 31 & OXP_CHUNK_STEP_MAX;
}

/* What predicts the next whole number. The coder has it packed. */
struct oxp_chunk_rate {
    int64_t whole;   /* the last number of the chunk, scaled */
    int64_t usual;   /* the usual difference */
    uint64_t spread; /* eight times the mean distance from it */
    bool known;      /* usual and spread mean something */
    bool jumped;     /* the last one was far off */
};

struct oxp_chunk_sample {
    int64_t time_ms;
    uint64_t bits; /* its value */
};

/* Where the writer stands: all that the next sample is written against, but for the last one itself. Plain data; the
 * writer's. There is one for each series, so it is packed. */
struct oxp_chunk_coder {
    int64_t whole, usual;   /* the rate of decimals, as in struct oxp_chunk_rate */
    uint64_t spread;        /* of the rate */
    uint32_t step_ms;       /* expected distance; 0 = not known */
    uint32_t odd_ms;        /* the last distance that was another */
    uint16_t used;          /* bits of the chunk */
    uint16_t density;       /* eighths of a bit that a sample took in the chunk before; 0 = not known */
    uint32_t scale : 3;     /* of this chunk */
    uint32_t tame : 3;      /* the least scale that would have done for all values of it, or XOR */
    uint32_t lead : 6;      /* XOR's window */
    uint32_t length : 7;    /* its length; 0 = none yet */
    uint32_t changes : 8;   /* of values in this chunk, up to 255 */
    uint32_t changing : 1;  /* the last value was a changed one */
    uint32_t known : 1;     /* of the rate */
    uint32_t jumped : 1;    /* of the rate */
    uint32_t is_closed : 1; /* the series' business: the chunk takes no more */
};

/* Bits on their way into a chunk. */
struct oxp_chunk_bits {
    uint64_t word[4];
    unsigned used;
};

/* Begins the chunk after the one that `coder` is in (a zeroed coder: the series' first): chooses its scale and gives
 * its first bits, which hold the first sample's value. Pure. */
void oxp_chunk_open(struct oxp_chunk_coder *coder, uint64_t bits, struct oxp_chunk_bits *out);
/* How many words the chunk that was just opened should have, by what its forerunner took; at least what `first` needs.
 * Larger ones waste less on heads, smaller ones less on what is half too old: of n samples of d bytes each in one chunk
 * and s in the whole reach, heads of h bytes cost h s / n and the half chunk n d / 2, least at n = sqrt(2 h s / d).
 * `reach_ms` is how far back samples are kept. */
size_t oxp_chunk_words(const struct oxp_chunk_coder *coder, const struct oxp_chunk_bits *first, int64_t reach_ms);
/* Fills a fresh block, nobody else's yet, in which the caller has set the time of the first sample: `home` as in the
 * state. */
void oxp_chunk_start(struct oxp_chunk *chunk, unsigned home, struct oxp_chunk_coder *coder,
                     const struct oxp_chunk_bits *first);
/* Adds `sample` after the `last` one and publishes it. False when the chunk's `words` or the count are used up, or the
 * value needs another scale; nothing has changed then. */
bool oxp_chunk_add(struct oxp_chunk *chunk, size_t words, struct oxp_chunk_coder *coder,
                   const struct oxp_chunk_sample *last, const struct oxp_chunk_sample *sample);

/* Decodes all samples that `state` (loaded with acquire) counts into two columns with room for them. Any thread that
 * keeps the chunk from being reused. */
void oxp_chunk_decode(const struct oxp_chunk *chunk, uint64_t state, size_t words, int64_t *time_ms, double *value);

#endif
