/* A number that other threads count up and a test waits for. */
#ifndef OXP_SUPPORT_TALLY_H
#define OXP_SUPPORT_TALLY_H

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

struct tally {
    pthread_mutex_t mutex; /* may guard more than the number */
    pthread_cond_t changed;
    size_t count;
};
#define TALLY_INIT                                                                                                     \
    { .mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER }

/* Counts one, with the mutex held. */
static inline void tally_add_locked(struct tally *tally) {
    tally->count++;
    pthread_cond_broadcast(&tally->changed);
}

/* Waits until it is at least `count`; fails the test after 30 s. */
static inline void tally_wait(struct tally *tally, size_t count) {
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 30;
    int result = 0;
    pthread_mutex_lock(&tally->mutex);
    while (tally->count < count && result == 0) {
        result = pthread_cond_timedwait(&tally->changed, &tally->mutex, &until);
    }
    pthread_mutex_unlock(&tally->mutex);
    assert_int_equal(result, 0);
}

#endif
