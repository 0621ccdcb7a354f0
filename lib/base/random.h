/* Randomness is handed in: a small generator (xoshiro256**, Blackman and Vigna 2018) that tests seed by hand.
 * Not for secrets. Owned by one thread. */
#ifndef OXP_BASE_RANDOM_H
#define OXP_BASE_RANDOM_H

#include <stdint.h>

struct oxp_random {
    uint64_t state[4];
};

/* A fixed sequence for each seed. */
void oxp_random_seed(struct oxp_random *random, uint64_t seed);
/* Seeded from the kernel. */
void oxp_random_init(struct oxp_random *random);
uint64_t oxp_random_u64(struct oxp_random *random);
/* In [0, 1). */
double oxp_random_unit(struct oxp_random *random);
/* 16 lower-case hex digits and a NUL, as boot ids are written. */
void oxp_random_hex16(struct oxp_random *random, char out[17]);

#endif
