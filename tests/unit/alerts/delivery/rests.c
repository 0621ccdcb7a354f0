#include "tests/unit/alerts/delivery/rests.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

enum { THREADS = 4, LONGEST_S = 60 };

static atomic_uint rests[THREADS]; /* how often each has begun to rest */
static atomic_size_t known;
static _Thread_local size_t place; /* 0 = not known yet; from 1 on */
static _Thread_local bool is_ours;

int __real_pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *lock, const struct timespec *until);
int __wrap_pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *lock, const struct timespec *until);

int __wrap_pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *lock, const struct timespec *until) {
    if (!is_ours && place == 0) {
        place = atomic_fetch_add(&known, 1) + 1;
    }
    if (!is_ours && place <= THREADS) {
        atomic_fetch_add(&rests[place - 1], 1);
    }
    return __real_pthread_cond_timedwait(cond, lock, until);
}

void rests_begin(void) {
    is_ours = true;
    atomic_store(&known, 0);
    for (size_t i = 0; i < THREADS; i++) {
        atomic_store(&rests[i], 0);
    }
}

static bool all_rested(const unsigned before[THREADS], size_t threads) {
    for (size_t i = 0; i < threads; i++) {
        if (atomic_load(&rests[i]) == before[i]) {
            return false;
        }
    }
    return true;
}

/* The rest that is seen first may have begun before the wake, on the second time a turn lies between. */
void rests_await(struct oxp_courier *courier, size_t threads) {
    const struct timespec a_little = {0, 50000};
    const int64_t until_ns = oxp_clock_mono(oxp_clock_system()).ns + LONGEST_S * OXP_NS_PER_S;
    for (int times = 0; times < 2; times++) {
        unsigned before[THREADS];
        for (size_t i = 0; i < THREADS; i++) {
            before[i] = atomic_load(&rests[i]);
        }
        oxp_courier_wake(courier, OXP_VIEW(""));
        while (!all_rested(before, threads)) {
            if (oxp_clock_mono(oxp_clock_system()).ns > until_ns) {
                fail_msg("the courier does not come to rest");
            }
            nanosleep(&a_little, NULL);
        }
    }
}
