/* What a process and its container use: CPU, memory, disk, descriptors, threads, limits, pressure.
 *
 *     struct oxp_resource_usage before, now;
 *     oxp_resource_read(0, &before);
 *     ...
 *     oxp_resource_read(0, &now);
 *     printf("CPU %.1f %%, memory %.1f MB\n", oxp_resource_cpu_percent(&before, &now), oxp_resource_memory_mb(&now));
 *
 * Numbers come from Linux's /proc and cgroup file systems (proc(5); the kernel's admin-guide/cgroup-v2). A container
 * may hide any of them, so each number has a bit that says whether it is known; one that is not is 0. Reading allocates
 * nothing and takes some 20 system calls, and two more for each process of the machine. All functions may be called
 * from any thread. */
#ifndef OXPECKER_RESOURCE_H
#define OXPECKER_RESOURCE_H

#include <oxpecker/api.h>
#include <oxpecker/report.h>
#include <oxpecker/status.h>
#include <stdint.h>

OXP_BEGIN_DECLS

/* Where the two file systems are mounted; NULL members (and a NULL pointer) mean "/proc" and "/sys/fs/cgroup". The
 * texts are borrowed. */
struct oxp_resource_roots {
    const char *proc;
    const char *cgroup;
};

/* Bits of oxp_process_usage.known. */
enum oxp_process_known {
    OXP_PROCESS_CPU = 1 << 0,      /* cpu_user_s, cpu_system_s */
    OXP_PROCESS_RESIDENT = 1 << 1, /* resident_bytes */
    OXP_PROCESS_DISK = 1 << 2,     /* read_bytes, write_bytes: needs the same user, or CAP_SYS_PTRACE */
    OXP_PROCESS_OPEN_FDS = 1 << 3, /* open_fds: same */
    OXP_PROCESS_MAX_FDS = 1 << 4,  /* max_fds */
    OXP_PROCESS_THREADS = 1 << 5,  /* threads */
    OXP_PROCESS_START = 1 << 6,    /* start_ticks, started_after_boot_s */
};

/* A process and its descendants. CPU and disk count live processes and the children that they waited for. What is a sum
 * may fall when a child ends that nobody waits for, and is known only when it is known of the first process; a
 * descendant that hides something, or is gone by then, is left out of it. */
struct oxp_process_usage {
    unsigned known;
    unsigned processes; /* in the sum; 1 when the process has no children */
    double cpu_user_s;
    double cpu_system_s;
    uint64_t resident_bytes; /* pages that processes share are counted in each */
    uint64_t read_bytes;     /* fetched from storage */
    uint64_t write_bytes;    /* sent to storage */
    uint64_t open_fds;       /* of the process that is nearest to its limit, as is max_fds: a limit is each process's */
    uint64_t max_fds;        /* soft limit */
    uint64_t threads;
    uint64_t start_ticks; /* of the first process; with its pid it names one process, whatever was reused */
    double started_after_boot_s;
};

/* Bits of oxp_container_usage.known. */
enum oxp_container_known {
    OXP_CONTAINER_CPU = 1 << 0,
    OXP_CONTAINER_THROTTLED = 1 << 1,
    OXP_CONTAINER_WORKING_SET = 1 << 2,
    OXP_CONTAINER_MEMORY_LIMIT = 1 << 3,
    OXP_CONTAINER_OOM_KILLS = 1 << 4,
    OXP_CONTAINER_PRESSURE = 1 << 5, /* the first of the pressure bits: this << (2 * resource + kind) */
};

enum oxp_pressure_resource { OXP_PRESSURE_CPU, OXP_PRESSURE_MEMORY, OXP_PRESSURE_IO, OXP_PRESSURE_RESOURCES };
enum oxp_pressure_kind { OXP_PRESSURE_SOME, OXP_PRESSURE_FULL, OXP_PRESSURE_KINDS };

/* The control group that a process is in: version 2, or 1 for what that has (no pressure). */
struct oxp_container_usage {
    unsigned known;
    double cpu_s;
    double throttled_s;
    uint64_t working_set_bytes;  /* current minus inactive file cache: what cannot be taken back easily */
    uint64_t memory_limit_bytes; /* 0 = none */
    uint64_t oom_kills;
    double stalled_s[OXP_PRESSURE_RESOURCES][OXP_PRESSURE_KINDS]; /* pressure stall information, totals */
};

struct oxp_resource_usage {
    double taken_s; /* CLOCK_MONOTONIC, seconds */
    struct oxp_process_usage process;
    struct oxp_container_usage container;
};

/* Reads process `pid` with its descendants, and its container; 0 = the calling process. OXP_OK even when little is
 * known; OXP_ERR_NOT_FOUND when there is no such process (or it is dead and waits to be collected), OXP_ERR_DENIED when
 * it is hidden, OXP_ERR_CORRUPT for a /proc that is none; and then the usage is all unknown. */
enum oxp_status oxp_resource_read(int64_t pid, struct oxp_resource_usage *usage_out);
/* The same below other roots. */
enum oxp_status oxp_resource_read_at(const struct oxp_resource_roots *roots, int64_t pid,
                                     struct oxp_resource_usage *usage_out);
/* Bytes that an unprivileged process may still write to the file system of `path`. What statvfs said on failure. */
enum oxp_status oxp_resource_filesystem(const char *path, uint64_t *avail_bytes_out);

/* CPU used between two readings of one process: 100 = one whole processor, so that it may be more. NaN when it is not
 * known of both, or no time has passed, or they are of different processes; never negative. */
double oxp_resource_cpu_percent(const struct oxp_resource_usage *before, const struct oxp_resource_usage *now);
/* Resident memory in MiB, NaN when it is not known. */
double oxp_resource_memory_mb(const struct oxp_resource_usage *usage);

#define OXP_RESOURCE_PAIRS 19
/* The usage as values of a `resource` event (docs/events.md): what is not known becomes OXP_PAIR_NONE. */
void oxp_resource_pairs(const struct oxp_resource_usage *usage, struct oxp_pair pairs_out[OXP_RESOURCE_PAIRS]);

/* ---- In the background ---- */

struct oxp_resource_sampler;

struct oxp_resource_sampler_options {
    int64_t pid;                            /* 0 = the calling process */
    double interval_s;                      /* 0 = 5 */
    const struct oxp_resource_roots *roots; /* copied with its texts; NULL = the usual */
    /* Called on the sampler's thread with each reading that worked, the first one at once. `cpu_percent` is since the
     * one before, NaN for the first. It may not free the sampler. */
    void (*sampled)(void *ctx, const struct oxp_resource_usage *usage, double cpu_percent);
    void *ctx;
};

/* Starts a thread that reads at each interval and blocks all signals for itself. OXP_ERR_INVALID for a missing callback
 * or an interval that is negative or above a day, OXP_ERR_NOMEM (also when no thread can be had). */
enum oxp_status oxp_resource_sampler_new(const struct oxp_resource_sampler_options *options,
                                         struct oxp_resource_sampler **sampler_out);
/* Stops the thread, waiting for a callback that runs, and frees; NULL is allowed. In a forked child, where the thread
 * is not, it does nothing: the memory is the parent's story. */
void oxp_resource_sampler_free(struct oxp_resource_sampler *sampler);

OXP_END_DECLS

#endif
