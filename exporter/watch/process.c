#include "exporter/watch/process.h"

#include "lib/base/clock.h"
#include "lib/resource/file.h"
#include "lib/resource/parse.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define INTERVAL_MAX_MS 86400000
#define SLACK_S 1.0 /* start times are rounded down to ticks, and clocks of containers may be a little apart */

struct target {
    int64_t peer_pid, announced_pid;
    double told_s; /* seconds since boot */
};

struct oxp_process_watch {
    struct oxp_process_watch_options options;
    struct oxp_resource_roots roots;
    char *texts[2 + OXP_PROCESS_MOUNTS]; /* owned: the roots, the mounts */
    pthread_t thread;
    pthread_mutex_t mutex; /* guards the three below */
    pthread_cond_t wake;
    struct target target; /* all 0 = none */
    bool told;            /* the target is new */
    bool stop;
    /* The thread's own. */
    int64_t pid;                   /* that is watched; 0 = none */
    int64_t last_pid;              /* with its start time: whose numbers `last` holds */
    struct oxp_process_usage last; /* its counters at their highest */
};

static double boot_s(void *ctx) {
    (void)ctx;
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* ---- Which process (rules 1 and 2) ---- */

/* Its pids in our namespace and in its own. */
static bool namespaces(const struct oxp_process_watch *watch, int64_t pid, int64_t *inner_out, unsigned *depth_out) {
    char bytes[4096];
    struct oxp_view text;
    int64_t outer;
    return oxp_resource_proc_file(watch->roots.proc, pid, "status", bytes, sizeof bytes, &text) == OXP_OK &&
           oxp_proc_parse_nspid(text, &outer, inner_out, depth_out) && outer == pid;
}

static int64_t choose(const struct oxp_process_watch *watch, const struct target *target) {
    int64_t inner, announced_inner;
    unsigned depth, announced_depth;
    if (target->peer_pid <= 0) {
        return 0;
    }
    if (target->announced_pid <= 0 || target->announced_pid == target->peer_pid ||
        !namespaces(watch, target->peer_pid, &inner, &depth) || depth != 1 ||
        !namespaces(watch, target->announced_pid, &announced_inner, &announced_depth)) {
        return target->peer_pid;
    }
    return announced_depth == 1 ? target->announced_pid : target->peer_pid;
}

/* ---- Samples ---- */

static uint64_t more(uint64_t a, uint64_t b) {
    return a > b ? a : b;
}

/* Counters never fall. What was known and is not for once is left unknown, and goes on from where it was. */
static void keep_up(struct oxp_process_usage *last, struct oxp_process_usage *now) {
    if ((now->known & OXP_PROCESS_CPU) != 0) {
        now->cpu_user_s = last->cpu_user_s = fmax(now->cpu_user_s, last->cpu_user_s);
        now->cpu_system_s = last->cpu_system_s = fmax(now->cpu_system_s, last->cpu_system_s);
    }
    if ((now->known & OXP_PROCESS_DISK) != 0) {
        now->read_bytes = last->read_bytes = more(now->read_bytes, last->read_bytes);
        now->write_bytes = last->write_bytes = more(now->write_bytes, last->write_bytes);
    }
}

static void send(struct oxp_process_watch *watch, struct oxp_process_sample *sample) {
    for (unsigned i = 0; i < OXP_PROCESS_MOUNTS; i++) {
        const char *path = watch->texts[2 + i];
        sample->avail_known[i] = path != NULL && oxp_resource_filesystem(path, &sample->avail_bytes[i]) == OXP_OK;
    }
    watch->options.sampled(watch->options.ctx, sample);
}

static bool has_mounts(const struct oxp_process_watch *watch) {
    for (unsigned i = 0; i < OXP_PROCESS_MOUNTS; i++) {
        if (watch->texts[2 + i] != NULL) {
            return true;
        }
    }
    return false;
}

/* The process as it is now; OXP_ERR_NOT_FOUND when it is not the one that is meant (rule 3), another code when it could
 * not be read. `target` is NULL when it is known. */
static enum oxp_status read_process(struct oxp_process_watch *watch, const struct target *target,
                                    struct oxp_resource_usage *usage) {
    enum oxp_status status =
        watch->pid == 0 ? OXP_ERR_NOT_FOUND : oxp_resource_read_at(&watch->roots, watch->pid, usage);
    if (status != OXP_OK) {
        return status;
    }
    bool is_last = watch->pid == watch->last_pid && usage->process.start_ticks == watch->last.start_ticks;
    if (is_last || target == NULL) {
        return is_last ? OXP_OK : OXP_ERR_NOT_FOUND;
    }
    watch->last_pid = watch->pid;
    watch->last = usage->process;
    return usage->process.started_after_boot_s <= target->told_s + SLACK_S ? OXP_OK : OXP_ERR_NOT_FOUND;
}

/* One turn of the thread. `target` when it was told of since the last one. */
static void take_sample(struct oxp_process_watch *watch, const struct target *target) {
    struct oxp_process_sample sample = {.present = false};
    bool tells = target != NULL || watch->pid != 0 || has_mounts(watch);
    if (target != NULL) {
        watch->pid = choose(watch, target);
    }
    enum oxp_status status = read_process(watch, target, &sample.usage);
    if (status == OXP_OK) {
        sample.present = true;
        sample.pid = watch->pid;
        keep_up(&watch->last, &sample.usage.process);
    } else if (status != OXP_ERR_NOT_FOUND && target == NULL) {
        return; /* no descriptor left, perhaps: it may well be there at the next turn */
    } else {
        sample.usage = (struct oxp_resource_usage){.taken_s = 0};
        watch->pid = 0;
    }
    if (tells) {
        send(watch, &sample);
    }
}

/* ---- The thread ---- */

/* Waits until a monotonic time, or until there is a new target, which is then given. False = stop. */
static bool wait_until(struct oxp_process_watch *watch, int64_t until_ns, struct target *target_out, bool *told_out) {
    const struct timespec until = {.tv_sec = (time_t)(until_ns / OXP_NS_PER_S),
                                   .tv_nsec = (long)(until_ns % OXP_NS_PER_S)};
    int result = 0;
    pthread_mutex_lock(&watch->mutex);
    while (!watch->stop && !watch->told && result == 0) {
        result = pthread_cond_timedwait(&watch->wake, &watch->mutex, &until);
    }
    bool go_on = !watch->stop;
    *told_out = watch->told;
    *target_out = watch->target;
    watch->told = false;
    pthread_mutex_unlock(&watch->mutex);
    return go_on;
}

static void *watch_main(void *ctx) {
    struct oxp_process_watch *watch = ctx;
    const int64_t interval_ns = watch->options.interval_ms * OXP_NS_PER_MS;
    int64_t next_ns = oxp_clock_mono(oxp_clock_system()).ns;
    struct target target;
    bool told;
    while (wait_until(watch, next_ns, &target, &told)) {
        next_ns = oxp_clock_mono(oxp_clock_system()).ns + interval_ns;
        take_sample(watch, told ? &target : NULL);
    }
    return NULL;
}

static void discard(struct oxp_process_watch *watch) {
    if (watch == NULL) {
        return;
    }
    for (unsigned i = 0; i < sizeof watch->texts / sizeof watch->texts[0]; i++) {
        free(watch->texts[i]);
    }
    free(watch);
}

static bool copy_texts(struct oxp_process_watch *watch, const struct oxp_process_watch_options *options) {
    const char *from[sizeof watch->texts / sizeof watch->texts[0]] = {"/proc", "/sys/fs/cgroup"};
    if (options->roots != NULL && options->roots->proc != NULL) {
        from[0] = options->roots->proc;
    }
    if (options->roots != NULL && options->roots->cgroup != NULL) {
        from[1] = options->roots->cgroup;
    }
    for (unsigned i = 0; i < OXP_PROCESS_MOUNTS; i++) {
        from[2 + i] = options->mounts[i];
    }
    for (unsigned i = 0; i < sizeof from / sizeof from[0]; i++) {
        watch->texts[i] = from[i] == NULL ? NULL : strdup(from[i]);
        if (from[i] != NULL && watch->texts[i] == NULL) {
            return false;
        }
    }
    watch->roots = (struct oxp_resource_roots){watch->texts[0], watch->texts[1]};
    return true;
}

enum oxp_status oxp_process_watch_new(const struct oxp_process_watch_options *options,
                                      struct oxp_process_watch **watch_out) {
    *watch_out = NULL;
    if (options->interval_ms <= 0 || options->interval_ms > INTERVAL_MAX_MS || options->sampled == NULL) {
        return OXP_ERR_INVALID;
    }
    struct oxp_process_watch *watch = calloc(1, sizeof *watch);
    if (watch == NULL || !copy_texts(watch, options)) {
        discard(watch);
        return OXP_ERR_NOMEM;
    }
    watch->options = *options;
    watch->options.uptime_s = options->uptime_s == NULL ? boot_s : options->uptime_s;
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&watch->wake, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&watch->mutex, NULL);
    if (pthread_create(&watch->thread, NULL, watch_main, watch) != 0) {
        pthread_mutex_destroy(&watch->mutex);
        pthread_cond_destroy(&watch->wake);
        discard(watch);
        return OXP_ERR_NOMEM; /* EAGAIN: no room for another thread */
    }
    *watch_out = watch;
    return OXP_OK;
}

void oxp_process_watch_free(struct oxp_process_watch *watch) {
    if (watch == NULL) {
        return;
    }
    pthread_mutex_lock(&watch->mutex);
    watch->stop = true;
    pthread_cond_signal(&watch->wake);
    pthread_mutex_unlock(&watch->mutex);
    pthread_join(watch->thread, NULL);
    pthread_mutex_destroy(&watch->mutex);
    pthread_cond_destroy(&watch->wake);
    discard(watch);
}

void oxp_process_watch_set(struct oxp_process_watch *watch, int64_t peer_pid, int64_t announced_pid) {
    double now_s = watch->options.uptime_s(watch->options.ctx);
    pthread_mutex_lock(&watch->mutex);
    watch->target = (struct target){peer_pid, announced_pid, now_s};
    watch->told = true;
    pthread_cond_signal(&watch->wake);
    pthread_mutex_unlock(&watch->mutex);
}

void oxp_process_watch_clear(struct oxp_process_watch *watch) {
    oxp_process_watch_set(watch, 0, 0);
}
