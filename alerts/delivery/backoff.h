/* How long to wait, inside this folder. Pure; any thread. */
#ifndef OXP_DELIVERY_BACKOFF_H
#define OXP_DELIVERY_BACKOFF_H

#include <stdint.h>

/* Milliseconds before the next try after `tries` (from 1; 0 is taken as 1) that failed: full jitter (M. Brooker,
 * "Exponential Backoff And Jitter", 2015) by `random` in [0, 1): anything from 1 ms to 1 s doubled with each try, at
 * most `max_s` seconds. The formula is the library's oxp_policy_delay. */
int64_t oxp_delivery_delay_ms(unsigned tries, double max_s, double random);

#endif
