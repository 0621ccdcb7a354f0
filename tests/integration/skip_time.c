/* Time that a test skips: preloaded into the sidecar, both clocks are ahead by the nanoseconds that stand, as eight
 * bytes of this machine, in the file SKIP_TIME. Who waits for a time looks again every few milliseconds, so that all
 * that is due after a skip is done at once, and nothing before it. What waits in poll() is not hurried. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S INT64_C(1000000000)
#define LOOK_NS INT64_C(20000000)
#define WALL_BEGAN_S 1000000000 /* what is later is a time of the wall clock: no machine is up for 30 years */

static const volatile int64_t *skipped;
static int (*next_gettime)(clockid_t, struct timespec *);
static int (*next_timedwait)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);

__attribute__((constructor)) static void begin(void) {
    *(void **)&next_gettime = dlsym(RTLD_NEXT, "clock_gettime");
    *(void **)&next_timedwait = dlsym(RTLD_NEXT, "pthread_cond_timedwait");
    const char *path = getenv("SKIP_TIME");
    int fd = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        void *page = mmap(NULL, sizeof *skipped, PROT_READ, MAP_SHARED, fd, 0);
        skipped = page == MAP_FAILED ? NULL : page;
        (void)close(fd);
    }
}

static int64_t ns_of(const struct timespec *time) {
    return (int64_t)time->tv_sec * NS_PER_S + time->tv_nsec;
}

static struct timespec time_of(int64_t ns) {
    return (struct timespec){.tv_sec = (time_t)(ns / NS_PER_S), .tv_nsec = (long)(ns % NS_PER_S)};
}

int clock_gettime(clockid_t clock, struct timespec *time) {
    if (next_gettime == NULL) { /* before begin(), by another library */
        begin();
    }
    int result = next_gettime(clock, time);
    if (skipped != NULL && (clock == CLOCK_REALTIME || clock == CLOCK_MONOTONIC)) {
        *time = time_of(ns_of(time) + *skipped);
    }
    return result;
}

int pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *mutex, const struct timespec *until) {
    const clockid_t clock = until->tv_sec > WALL_BEGAN_S ? CLOCK_REALTIME : CLOCK_MONOTONIC;
    int result;
    int64_t left_ns;
    do {
        struct timespec now;
        clock_gettime(clock, &now);
        left_ns = ns_of(until) - ns_of(&now);
        next_gettime(clock, &now);
        struct timespec look = time_of(ns_of(&now) + (left_ns < LOOK_NS ? left_ns : LOOK_NS));
        result = next_timedwait(cond, mutex, &look);
    } while (result == ETIMEDOUT && left_ns > LOOK_NS);
    return result;
}
