#include <oxpecker/resource.h>

#include "lib/base/clock.h"

#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define DEFAULT_INTERVAL_S 5.0
#define INTERVAL_MAX_S 86400.0

struct oxp_resource_sampler {
    struct oxp_resource_sampler_options options;
    struct oxp_resource_roots roots;
    char *proc, *cgroup; /* owned texts of `roots`, or NULL */
    pid_t process;       /* that has the thread */
    pthread_t thread;
    pthread_mutex_t mutex; /* guards stop */
    pthread_cond_t wake;
    bool stop;
};

/* Waits until a monotonic time. False = stop. */
static bool wait_until(struct oxp_resource_sampler *sampler, int64_t until_ns) {
    const struct timespec until = {.tv_sec = (time_t)(until_ns / OXP_NS_PER_S),
                                   .tv_nsec = (long)(until_ns % OXP_NS_PER_S)};
    int result = 0;
    pthread_mutex_lock(&sampler->mutex);
    while (!sampler->stop && result == 0) {
        result = pthread_cond_timedwait(&sampler->wake, &sampler->mutex, &until);
    }
    bool go_on = !sampler->stop;
    pthread_mutex_unlock(&sampler->mutex);
    return go_on;
}

static void *sampler_main(void *ctx) {
    struct oxp_resource_sampler *sampler = ctx;
    const int64_t interval_ns = (int64_t)(sampler->options.interval_s * 1e9);
    struct oxp_resource_usage usage[2] = {{.taken_s = 0}, {.taken_s = 0}};
    unsigned at = 0;
    int64_t next_ns;
    do {
        next_ns = oxp_clock_mono(oxp_clock_system()).ns + interval_ns;
        /* one that failed is all unknown, and so is the percentage after it */
        if (oxp_resource_read_at(&sampler->roots, sampler->options.pid, &usage[at]) == OXP_OK) {
            double percent = oxp_resource_cpu_percent(&usage[1 - at], &usage[at]);
            sampler->options.sampled(sampler->options.ctx, &usage[at], percent);
        }
        at = 1 - at;
    } while (wait_until(sampler, next_ns));
    return NULL;
}

static bool copy_text(const char *text, char **copy_out) {
    *copy_out = text == NULL ? NULL : strdup(text);
    return text == NULL || *copy_out != NULL;
}

static void discard(struct oxp_resource_sampler *sampler) {
    if (sampler != NULL) {
        free(sampler->proc);
        free(sampler->cgroup);
        free(sampler);
    }
}

/* The thread takes no signals: they are the host program's. */
static int start_thread(struct oxp_resource_sampler *sampler) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int number = pthread_create(&sampler->thread, NULL, sampler_main, sampler);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return number;
}

enum oxp_status oxp_resource_sampler_new(const struct oxp_resource_sampler_options *options,
                                         struct oxp_resource_sampler **sampler_out) {
    *sampler_out = NULL;
    if (options->sampled == NULL || !(options->interval_s >= 0 && options->interval_s <= INTERVAL_MAX_S)) {
        return OXP_ERR_INVALID;
    }
    struct oxp_resource_sampler *sampler = calloc(1, sizeof *sampler);
    const struct oxp_resource_roots *roots = options->roots;
    if (sampler == NULL || !copy_text(roots == NULL ? NULL : roots->proc, &sampler->proc) ||
        !copy_text(roots == NULL ? NULL : roots->cgroup, &sampler->cgroup)) {
        discard(sampler);
        return OXP_ERR_NOMEM;
    }
    sampler->options = *options;
    sampler->options.interval_s = options->interval_s > 0 ? options->interval_s : DEFAULT_INTERVAL_S;
    sampler->options.pid = options->pid == 0 ? getpid() : options->pid;
    sampler->roots = (struct oxp_resource_roots){sampler->proc, sampler->cgroup};
    sampler->process = getpid();
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&sampler->wake, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&sampler->mutex, NULL);
    if (start_thread(sampler) != 0) {
        pthread_mutex_destroy(&sampler->mutex);
        pthread_cond_destroy(&sampler->wake);
        discard(sampler);
        return OXP_ERR_NOMEM; /* EAGAIN: no room for another thread */
    }
    *sampler_out = sampler;
    return OXP_OK;
}

void oxp_resource_sampler_free(struct oxp_resource_sampler *sampler) {
    if (sampler == NULL || sampler->process != getpid()) {
        return;
    }
    pthread_mutex_lock(&sampler->mutex);
    sampler->stop = true;
    pthread_cond_signal(&sampler->wake);
    pthread_mutex_unlock(&sampler->mutex);
    pthread_join(sampler->thread, NULL);
    pthread_mutex_destroy(&sampler->mutex);
    pthread_cond_destroy(&sampler->wake);
    discard(sampler);
}
