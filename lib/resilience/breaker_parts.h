/* What the breakers and their registry share, inside this folder.
 *
 * Locks, in the order in which they are taken: the registry's `telling` (flush, resume, set_reporter), the registry's
 * `lock` (the list, the defaults, reporter and observer are set under it), one breaker's `lock`. */
#ifndef OXP_RESILIENCE_BREAKER_PARTS_H
#define OXP_RESILIENCE_BREAKER_PARTS_H

#include <pthread.h>
#include <stdatomic.h>

#include "lib/base/fork.h"
#include "lib/base/map.h"
#include "lib/resilience/breaker_rules.h"

enum { OXP_BREAKER_SUCCEEDED, OXP_BREAKER_FAILED, OXP_BREAKER_REJECTED, OXP_BREAKER_SKIPPED, OXP_BREAKER_CALLS };

struct oxp_breaker {
    struct oxp_breakers *owner;
    struct oxp_breaker *next; /* in the order of their making; written once */
    char name[OXP_BREAKER_NAME_MAX + 1];
    pthread_mutex_t lock; /* guards all below */
    struct oxp_breaker_rules rules;
    bool manual;
    double since_wall_s;
    uint64_t calls[OXP_BREAKER_CALLS];
    uint64_t told[OXP_BREAKER_CALLS]; /* of them, what was flushed */
};

struct oxp_breakers {
    struct oxp_breakers_options options; /* defaults: under lock; times: constant */
    _Atomic(struct oxp_reporter *) reporter;
    _Atomic(struct oxp_breaker_observer *) observer;
    pthread_mutex_t telling;
    pthread_mutex_t lock;
    struct oxp_map by_name;           /* under lock */
    struct oxp_breaker *first, *last; /* under lock */
    struct oxp_fork_entry fork;
};

double oxp_breakers_now_s(const struct oxp_breakers *breakers);
double oxp_breakers_wall_s(const struct oxp_breakers *breakers);

#endif
