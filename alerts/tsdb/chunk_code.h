/* What the two directions of a chunk's code must do alike: zigzag, the Rice parameter, learning from a number. For
 * chunk.c and chunk_read.c alone. */
#ifndef OXP_TSDB_CHUNK_CODE_H
#define OXP_TSDB_CHUNK_CODE_H

#include "alerts/tsdb/chunk.h"

/* As many ones in front mean that a number is written whole, with its width. */
#define OXP_RICE_ESCAPE 12u
#define OXP_RICE_MAX 40u /* so that a code has at most 56 bits, which a reader takes at once */

/* By which a decimal's whole number is divided. */
static const double oxp_chunk_powers[OXP_CHUNK_XOR + 1] = {1, 10, 100, 1e3, 1e4, 1e5, 1e6, 1};

static inline uint64_t oxp_zigzag(int64_t value) {
    return ((uint64_t)value << 1) ^ (value < 0 ? UINT64_MAX : 0);
}

static inline int64_t oxp_unzigzag(uint64_t value) {
    return (int64_t)(value >> 1 ^ (0 - (value & 1)));
}

/* Bits that a number has: 0 for 0. */
static inline unsigned oxp_bit_width(uint64_t value) {
    return value == 0 ? 0 : 64 - (unsigned)__builtin_clzll(value);
}

/* log2 of the mean that `spread` says, rounded down: the parameter of the next number. */
static inline unsigned oxp_rice_parameter(uint64_t spread) {
    unsigned k = 63 - (unsigned)__builtin_clzll(spread >> 3 | 1);
    return k < OXP_RICE_MAX ? k : OXP_RICE_MAX;
}

/* The first difference of a chunk. The spread is a guess, that of events which come by themselves (the root of their
 * number). */
static inline void oxp_rate_first(struct oxp_chunk_rate *rate, int64_t difference) {
    rate->usual = difference;
    rate->spread = UINT64_C(8) << (oxp_bit_width(oxp_zigzag(difference)) / 2);
    rate->known = true;
    rate->jumped = false;
}

/* A quarter, rounded. */
static inline int64_t oxp_quarter(int64_t value) {
    return (value + 2) >> 2;
}

/* A number that lay `off` (zigzagged) from where it was expected. */
static inline void oxp_rate_learn(struct oxp_chunk_rate *rate, uint64_t off) {
    rate->spread += off - (rate->spread >> 3);
    rate->usual += oxp_quarter(oxp_unzigzag(off));
    rate->jumped = false;
}

/* The same of one that was too far off for its code: a reset, a jump. One of them teaches little, the second in a row
 * is the new usual. */
static inline void oxp_rate_jump(struct oxp_chunk_rate *rate, uint64_t off) {
    rate->spread += UINT64_C(16) << oxp_rice_parameter(rate->spread);
    if (rate->jumped) {
        rate->usual = (int64_t)((uint64_t)rate->usual + (uint64_t)oxp_unzigzag(off));
    }
    rate->jumped = !rate->jumped;
}

/* A distance that was not the step. One that the state has no room for is no step, however often it comes. */
static inline void oxp_step_learn(uint64_t *step_ms, uint64_t *odd_ms, uint64_t distance) {
    if (distance > OXP_CHUNK_STEP_MAX) {
        return;
    }
    bool adopt = *step_ms == 0 || distance == *odd_ms;
    *odd_ms = adopt ? 0 : distance;
    *step_ms = adopt ? distance : *step_ms;
}

#endif
