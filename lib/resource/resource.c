#include <oxpecker/resource.h>

#include "lib/base/clock.h"
#include "lib/resource/parts.h"

#include <errno.h>
#include <math.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum oxp_status oxp_resource_read_at(const struct oxp_resource_roots *roots, int64_t pid,
                                     struct oxp_resource_usage *usage_out) {
    struct oxp_resource_roots from = {.proc = "/proc", .cgroup = "/sys/fs/cgroup"};
    if (roots != NULL && roots->proc != NULL) {
        from.proc = roots->proc;
    }
    if (roots != NULL && roots->cgroup != NULL) {
        from.cgroup = roots->cgroup;
    }
    *usage_out = (struct oxp_resource_usage){.taken_s = 0};
    if (pid < 0) {
        return OXP_ERR_NOT_FOUND;
    }
    if (pid == 0) {
        pid = getpid();
    }
    usage_out->taken_s = oxp_clock_mono_s(NULL);
    enum oxp_status status = oxp_resource_read_process(from.proc, pid, &usage_out->process);
    if (status == OXP_OK) {
        oxp_resource_read_container(&from, pid, &usage_out->container);
    }
    return status;
}

enum oxp_status oxp_resource_read(int64_t pid, struct oxp_resource_usage *usage_out) {
    return oxp_resource_read_at(NULL, pid, usage_out);
}

enum oxp_status oxp_resource_filesystem(const char *path, uint64_t *avail_bytes_out) {
    struct statvfs info;
    *avail_bytes_out = 0;
    if (statvfs(path, &info) != 0) {
        return oxp_status_from_errno(errno);
    }
    *avail_bytes_out = (uint64_t)info.f_bavail * (uint64_t)info.f_frsize;
    return OXP_OK;
}

double oxp_resource_cpu_percent(const struct oxp_resource_usage *before, const struct oxp_resource_usage *now) {
    const struct oxp_process_usage *a = &before->process, *b = &now->process;
    double passed_s = now->taken_s - before->taken_s;
    if ((a->known & b->known & OXP_PROCESS_CPU) == 0 || a->start_ticks != b->start_ticks || !(passed_s > 0)) {
        return NAN;
    }
    double used_s = b->cpu_user_s + b->cpu_system_s - a->cpu_user_s - a->cpu_system_s;
    return fmax(used_s / passed_s * 100, 0);
}

double oxp_resource_memory_mb(const struct oxp_resource_usage *usage) {
    return (usage->process.known & OXP_PROCESS_RESIDENT) != 0 ? (double)usage->process.resident_bytes / 1048576.0 : NAN;
}

static struct oxp_pair pair_number(const char *key, bool known, double number) {
    return (struct oxp_pair){
        .key = key, .kind = known ? OXP_PAIR_NUMBER : OXP_PAIR_NONE, .value.number = known ? number : 0};
}

static struct oxp_pair pair_count(const char *key, bool known, uint64_t count) {
    return (struct oxp_pair){
        .key = key, .kind = known ? OXP_PAIR_COUNT : OXP_PAIR_NONE, .value.count = known ? count : 0};
}

void oxp_resource_pairs(const struct oxp_resource_usage *usage, struct oxp_pair pairs_out[OXP_RESOURCE_PAIRS]) {
    static const char *const pressure_keys[] = {"pressure.cpu_some_s",    "pressure.cpu_full_s",
                                                "pressure.memory_some_s", "pressure.memory_full_s",
                                                "pressure.io_some_s",     "pressure.io_full_s"};
    const struct oxp_process_usage *process = &usage->process;
    const struct oxp_container_usage *container = &usage->container;
    unsigned of = process->known, in = container->known;
    const struct oxp_pair pairs[] = {
        pair_number("cpu_user_s", (of & OXP_PROCESS_CPU) != 0, process->cpu_user_s),
        pair_number("cpu_sys_s", (of & OXP_PROCESS_CPU) != 0, process->cpu_system_s),
        pair_count("rss", (of & OXP_PROCESS_RESIDENT) != 0, process->resident_bytes),
        pair_count("read_bytes", (of & OXP_PROCESS_DISK) != 0, process->read_bytes),
        pair_count("write_bytes", (of & OXP_PROCESS_DISK) != 0, process->write_bytes),
        pair_count("fds", (of & OXP_PROCESS_OPEN_FDS) != 0, process->open_fds),
        pair_count("max_fds", (of & OXP_PROCESS_MAX_FDS) != 0, process->max_fds),
        pair_count("threads", (of & OXP_PROCESS_THREADS) != 0, process->threads),
        pair_number("container.cpu_s", (in & OXP_CONTAINER_CPU) != 0, container->cpu_s),
        pair_number("container.throttled_s", (in & OXP_CONTAINER_THROTTLED) != 0, container->throttled_s),
        pair_count("container.working_set", (in & OXP_CONTAINER_WORKING_SET) != 0, container->working_set_bytes),
        pair_count("container.memory_limit", (in & OXP_CONTAINER_MEMORY_LIMIT) != 0, container->memory_limit_bytes),
        pair_count("container.oom_kills", (in & OXP_CONTAINER_OOM_KILLS) != 0, container->oom_kills),
    };
    memcpy(pairs_out, pairs, sizeof pairs);
    struct oxp_pair *out = pairs_out + sizeof pairs / sizeof *pairs;
    for (unsigned r = 0; r < OXP_PRESSURE_RESOURCES; r++) {
        for (unsigned k = 0; k < OXP_PRESSURE_KINDS; k++) {
            unsigned at = OXP_PRESSURE_KINDS * r + k;
            out[at] = pair_number(pressure_keys[at], (in & ((unsigned)OXP_CONTAINER_PRESSURE << at)) != 0,
                                  container->stalled_s[r][k]);
        }
    }
}
