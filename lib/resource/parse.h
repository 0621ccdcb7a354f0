/* The texts of /proc and of cgroup files, read without I/O and without allocation. Not for other folders (but for
 * exporter/watch, which reads process state too).
 *
 * Formats: proc(5); kernel documentation, admin-guide/cgroup-v2, admin-guide/cgroup-v1, accounting/psi. Each function
 * is pure and gives false for a text that is not of its format; then nothing was written. */
#ifndef OXP_RESOURCE_PARSE_H
#define OXP_RESOURCE_PARSE_H

#include <oxpecker/view.h>
#include <stdint.h>

/* /proc/PID/stat: what is used of it. */
struct oxp_proc_stat {
    int64_t pid;
    char state; /* 'R', 'S', … 'Z' */
    int64_t parent;
    uint64_t user_ticks, system_ticks; /* its own */
    uint64_t waited_user_ticks, waited_system_ticks;
    uint64_t threads;
    uint64_t start_ticks; /* after boot */
    uint64_t resident_pages;
};

bool oxp_proc_parse_stat(struct oxp_view text, struct oxp_proc_stat *stat_out);
/* True for a process that is no more: it waits to be collected, or is being taken away. */
bool oxp_proc_is_dead(const struct oxp_proc_stat *stat);

/* /proc/PID/io: bytes from and to storage. */
bool oxp_proc_parse_io(struct oxp_view text, uint64_t *read_out, uint64_t *write_out);
/* /proc/PID/limits: the soft limit of open files; false when it is unlimited. */
bool oxp_proc_parse_max_fds(struct oxp_view text, uint64_t *max_out);
/* /proc/PID/status, line NSpid: the pid in each namespace, ours first, the process's own last. */
bool oxp_proc_parse_nspid(struct oxp_view text, int64_t *outer_out, int64_t *inner_out, unsigned *depth_out);

/* /proc/PID/cgroup: the path in hierarchy version 2 (`controller` NULL), or in the version 1 hierarchy of a controller
 * ("memory"), whose list of controllers is given too ("cpu,cpuacct"). Views into `text`. False also for a path that
 * leads out of what this process may see ("/../other"). */
bool oxp_cgroup_parse_path(struct oxp_view text, const char *controller, struct oxp_view *list_out,
                           struct oxp_view *path_out);
/* A flat-keyed file ("usage_usec 12\n…"): the value behind `key`. */
bool oxp_cgroup_parse_key(struct oxp_view text, const char *key, uint64_t *value_out);
/* One number on one line. */
bool oxp_cgroup_parse_number(struct oxp_view text, uint64_t *value_out);
/* A limit: a number, or "max" (version 1: 2^62 and above), which gives 0. */
bool oxp_cgroup_parse_limit(struct oxp_view text, uint64_t *limit_out);
/* A pressure file: total of the line `kind` ("some", "full"), microseconds. */
bool oxp_cgroup_parse_pressure(struct oxp_view text, const char *kind, uint64_t *total_us_out);

#endif
