/* A lane, inside this folder: one recipient's queue and the thread that serves it.
 *
 * What is under `lock` is read and written by any thread; what belongs to the thread is touched by it alone once it
 * runs. The courier's lock is never taken under a lane's. */
#ifndef OXP_DELIVERY_LANE_H
#define OXP_DELIVERY_LANE_H

#include <pthread.h>
#include <stdatomic.h>

#include "alerts/delivery/courier.h"
#include "alerts/delivery/suspects.h"
#include "lib/base/random.h"
#include "lib/resilience/breaker_rules.h"

struct oxp_lane {
    struct oxp_courier *courier;
    struct oxp_recipient recipient;
    pthread_t thread;

    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool woken;
    struct oxp_breaker_rules breaker; /* written by the thread alone */
    int64_t last_success_ms, last_failure_ms;
    uint64_t sent, failed, refused;

    /* the thread's own */
    struct oxp_http *http; /* made at the first send */
    struct oxp_arena arena;
    struct oxp_random random;
    int64_t hold_until_ns; /* monotonic: rule 3 */
    unsigned waits;        /* in a row: rule 3 */
    bool owes_failure;     /* rule 5: the breaker has not been told of the last try yet */
    bool was_held;         /* the last answer made the queue wait: rule 5 */
    unsigned vain;         /* tries of rule 5 that failed since one was delivered */
    struct oxp_suspects suspects;
};

struct oxp_courier {
    struct oxp_courier_options options;
    atomic_bool draining; /* ends a lane when it has nothing to do */
    atomic_bool cut;      /* ends it in the middle of a send */
    pthread_mutex_t lock;
    pthread_cond_t ended;
    size_t running; /* threads; under the lock */
    size_t begun;   /* threads to be joined; the owner's */
    size_t count;
    struct oxp_lane lanes[];
};

/* Prepares storage that is all zero. */
void oxp_lane_init(struct oxp_lane *lane, struct oxp_courier *courier, const struct oxp_recipient *recipient);
void oxp_lane_fini(struct oxp_lane *lane); /* its thread has ended, or never began */
/* The thread: `ctx` is the lane. Ends when the courier is drained or cut. */
void *oxp_lane_run(void *ctx);
void oxp_lane_wake(struct oxp_lane *lane);
/* A condition variable whose timed waits are by CLOCK_MONOTONIC. */
void oxp_cond_init_monotonic(pthread_cond_t *cond);
/* Waits once, at most `wait_ms` of the machine's time; `lock` is held. */
void oxp_cond_wait_ms(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t wait_ms);

#endif
