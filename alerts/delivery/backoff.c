#include "alerts/delivery/backoff.h"

#include <math.h>

#include <oxpecker/retry.h>

int64_t oxp_delivery_delay_ms(unsigned tries, double max_s, double random) {
    const struct oxp_policy policy = {.first_delay_s = 1, .factor = 2, .max_delay_s = max_s, .jitter = 1};
    return (int64_t)fmax(ceil(oxp_policy_delay(&policy, tries, 0, random) * 1000), 1);
}
