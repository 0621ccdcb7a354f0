/* Chains of failures, inside this folder. */
#ifndef OXP_RESILIENCE_FAILURE_CHAIN_H
#define OXP_RESILIENCE_FAILURE_CHAIN_H

#include <oxpecker/failure.h>

/* Makes `before` (NULL = none) what led to `failure`, behind the causes that it has, and returns `failure`; takes both.
 * Unlike oxp_failure_wrap it makes no failure of its own. Where `failure` is the one that stands for no memory,
 * `before` is returned: it says more. */
struct oxp_failure *oxp_failure_follow(struct oxp_failure *before, struct oxp_failure *failure);

#endif
