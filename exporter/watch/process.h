/* The process watch: reads what the orchestrator's process and its container use, at an interval, on a thread of its
 * own, as /proc and a network file system may make a reader wait.
 *
 * Which process? One is watched only when it is certain which it is:
 *  1. The pid of the Unix socket's peer (SO_PEERCRED), which the kernel gives in our own pid namespace. It gives 0 for
 *     a peer that we cannot see: then nothing is known, whatever the orchestrator says its pid is, as that number
 *     means another process here.
 *  2. When the peer is in our own namespace and announced another pid than its own (a helper writes for it), that pid
 *     is taken if there is such a process; a peer in a nested namespace stands for itself.
 *  3. A process that began after it was told of is another one with a reused pid. From then on pid and start time
 *     together are its identity.
 *
 * Counters handed out never fall during one identity: a child that nobody waited for takes its share out of the
 * kernel's sum, and that would look like a restart to whoever takes rates. */
#ifndef OXP_WATCH_PROCESS_H
#define OXP_WATCH_PROCESS_H

#include <oxpecker/resource.h>
#include <oxpecker/status.h>

#define OXP_PROCESS_MOUNTS 2

struct oxp_process_watch;

struct oxp_process_sample {
    bool present; /* false: no process is known (any more); then `pid` and all of `usage` are unknown */
    int64_t pid;  /* in our namespace */
    struct oxp_resource_usage usage;
    /* File systems of the options, in their order; they are looked at whether or not a process is. */
    bool avail_known[OXP_PROCESS_MOUNTS];
    uint64_t avail_bytes[OXP_PROCESS_MOUNTS];
};

struct oxp_process_watch_options {
    int64_t interval_ms;
    const struct oxp_resource_roots *roots; /* NULL = the usual; texts copied */
    const char *mounts[OXP_PROCESS_MOUNTS]; /* paths of file systems; NULL = none; copied */
    /* Seconds since boot, by the clock of process start times; NULL = CLOCK_BOOTTIME. Any thread. */
    double (*uptime_s)(void *ctx);
    /* Called on the watch's thread: each sample of a process; one with present = false when it is gone, is another one
     * or was cleared, and when it was told of but cannot be seen; and, without a process, at each interval while there
     * are mounts. It may not free the watch. */
    void (*sampled)(void *ctx, const struct oxp_process_sample *sample);
    void *ctx; /* of both */
};

/* Starts the thread, which watches nothing yet. OXP_ERR_INVALID for an interval that is not above 0 (or above a day) or
 * no callback, OXP_ERR_NOMEM. */
enum oxp_status oxp_process_watch_new(const struct oxp_process_watch_options *options,
                                      struct oxp_process_watch **watch_out);
/* Waits for a reading that is under way, and stops. NULL is allowed. */
void oxp_process_watch_free(struct oxp_process_watch *watch);

/* Watches the process that was announced, in place of the one before; it is read at once. `peer_pid` as SO_PEERCRED
 * gives it, 0 or below when there is none (HTTP, another namespace); `announced_pid` is the `pid` field of
 * orchestrator.started, 0 when absent. A pid that the operator configured is a peer_pid. Any thread; never waits for a
 * reading. */
void oxp_process_watch_set(struct oxp_process_watch *watch, int64_t peer_pid, int64_t announced_pid);
/* Watches nothing (the orchestrator said that it stops). Any thread. */
void oxp_process_watch_clear(struct oxp_process_watch *watch);

#endif
