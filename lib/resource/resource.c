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
    usage_out->taken_s = (double)oxp_clock_mono(oxp_clock_system()).ns / 1e9;
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

void oxp_resource_pairs(const struct oxp_process_usage *process, struct oxp_pair pairs_out[OXP_RESOURCE_PAIRS]) {
    bool cpu = (process->known & OXP_PROCESS_CPU) != 0, disk = (process->known & OXP_PROCESS_DISK) != 0;
    pairs_out[0] = pair_number("cpu_user_s", cpu, process->cpu_user_s);
    pairs_out[1] = pair_number("cpu_sys_s", cpu, process->cpu_system_s);
    pairs_out[2] = pair_count("rss", (process->known & OXP_PROCESS_RESIDENT) != 0, process->resident_bytes);
    pairs_out[3] = pair_count("read_bytes", disk, process->read_bytes);
    pairs_out[4] = pair_count("write_bytes", disk, process->write_bytes);
    pairs_out[5] = pair_count("fds", (process->known & OXP_PROCESS_OPEN_FDS) != 0, process->open_fds);
    pairs_out[6] = pair_count("threads", (process->known & OXP_PROCESS_THREADS) != 0, process->threads);
}
