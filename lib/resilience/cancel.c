/* A flag that wakes sleepers: an atomic for those who ask, a condition on the monotonic clock for those who sleep. */
#include <errno.h>
#include <math.h>
#include <oxpecker/retry.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

struct oxp_cancel {
    _Atomic bool set;
    pthread_mutex_t lock;
    pthread_cond_t changed;
};

enum oxp_status oxp_cancel_new(struct oxp_cancel **cancel_out) {
    struct oxp_cancel *cancel = calloc(1, sizeof *cancel);
    if (cancel == NULL) {
        return OXP_ERR_NOMEM;
    }
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&cancel->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&cancel->lock, NULL);
    *cancel_out = cancel;
    return OXP_OK;
}

void oxp_cancel_free(struct oxp_cancel *cancel) {
    if (cancel != NULL) {
        pthread_cond_destroy(&cancel->changed);
        pthread_mutex_destroy(&cancel->lock);
        free(cancel);
    }
}

void oxp_cancel_set(struct oxp_cancel *cancel) {
    pthread_mutex_lock(&cancel->lock);
    atomic_store(&cancel->set, true);
    pthread_cond_broadcast(&cancel->changed);
    pthread_mutex_unlock(&cancel->lock);
}

bool oxp_cancel_is_set(const struct oxp_cancel *cancel) {
    return cancel != NULL && atomic_load_explicit(&cancel->set, memory_order_acquire);
}

/* The time `seconds` from now, at most some years. */
static struct timespec after(double seconds) {
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    double whole = floor(fmin(fmax(seconds, 0), 1e8));
    at.tv_sec += (time_t)whole;
    at.tv_nsec += (long)((fmin(fmax(seconds, 0), 1e8) - whole) * 1e9);
    if (at.tv_nsec >= 1000000000L) {
        at.tv_sec++;
        at.tv_nsec -= 1000000000L;
    }
    return at;
}

bool oxp_cancel_sleep(struct oxp_cancel *cancel, double seconds) {
    struct timespec end = after(seconds);
    if (cancel == NULL) {
        while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &end, NULL) == EINTR) {
        }
        return true;
    }
    pthread_mutex_lock(&cancel->lock);
    int result = 0;
    while (!atomic_load(&cancel->set) && result == 0) {
        result = pthread_cond_timedwait(&cancel->changed, &cancel->lock, &end);
    }
    bool slept = !atomic_load(&cancel->set);
    pthread_mutex_unlock(&cancel->lock);
    return slept;
}
