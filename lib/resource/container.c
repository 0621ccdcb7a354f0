#include "lib/resource/parts.h"

#include "lib/resource/file.h"
#include "lib/resource/parse.h"

#include <stdio.h>

/* Which folder is the process's control group?
 *
 *  1. /proc/PID/cgroup names it, seen from this process. Below the cgroup root that is it: on a plain host, in the
 *     process's own container, or where the host's tree is mounted.
 *  2. In another container the name leads out of what we see ("/../x"), or is not below our root. Then the process's
 *     own mount of the tree is tried, through /proc/PID/root: its root is its container's group. The kernel allows that
 *     to the same user.
 *  3. A version 2 folder without cgroup.type is the root of the whole machine: its numbers are not the container's.
 *  4. Without version 2 (no cgroup.controllers in the root) the version 1 hierarchies are tried, by rule 1 alone. */

enum {
    FILE_BYTES = 16384, /* memory.stat has some 4 KiB */
    PATHS_BYTES = 4096,
};

struct group {
    char base[OXP_RESOURCE_PATH_MAX]; /* where the tree is mounted */
    struct oxp_view path;             /* of the group in it */
    char bytes[FILE_BYTES];           /* the file at hand */
};

static bool get(struct group *group, const char *name, struct oxp_view *text_out) {
    return oxp_resource_file(group->base, group->path, name, group->bytes, sizeof group->bytes, text_out) == OXP_OK;
}

static bool has(struct group *group, const char *name) {
    struct oxp_view text;
    return get(group, name, &text);
}

/* The value behind `key` in a file, or with `key` NULL the only number in it. */
static bool number(struct group *group, const char *file, const char *key, uint64_t *value_out) {
    struct oxp_view text;
    return get(group, file, &text) &&
           (key == NULL ? oxp_cgroup_parse_number(text, value_out) : oxp_cgroup_parse_key(text, key, value_out));
}

/* ---- The numbers ---- */

struct version {
    struct {
        const char *file, *key;
    } cpu, throttled, current, inactive, limit, oom_kills;
    double cpu_unit_s, throttled_unit_s;
};

static const struct version v2 = {
    .cpu = {"cpu.stat", "usage_usec"},
    .throttled = {"cpu.stat", "throttled_usec"},
    .current = {"memory.current", NULL},
    .inactive = {"memory.stat", "inactive_file"},
    .limit = {"memory.max", NULL},
    .oom_kills = {"memory.events", "oom_kill"},
    .cpu_unit_s = 1e-6,
    .throttled_unit_s = 1e-6,
};

static const struct version v1 = {
    .cpu = {"cpuacct.usage", NULL},
    .throttled = {"cpu.stat", "throttled_time"},
    .current = {"memory.usage_in_bytes", NULL},
    .inactive = {"memory.stat", "total_inactive_file"},
    .limit = {"memory.limit_in_bytes", NULL},
    .oom_kills = {"memory.oom_control", "oom_kill"},
    .cpu_unit_s = 1e-9,
    .throttled_unit_s = 1e-9,
};

static void read_cpu(struct group *group, const struct version *version, struct oxp_container_usage *usage) {
    uint64_t value;
    if (number(group, version->cpu.file, version->cpu.key, &value)) {
        usage->cpu_s = (double)value * version->cpu_unit_s;
        usage->known |= OXP_CONTAINER_CPU;
    }
}

static void read_throttled(struct group *group, const struct version *version, struct oxp_container_usage *usage) {
    uint64_t value;
    if (number(group, version->throttled.file, version->throttled.key, &value)) {
        usage->throttled_s = (double)value * version->throttled_unit_s;
        usage->known |= OXP_CONTAINER_THROTTLED;
    }
}

static void read_memory(struct group *group, const struct version *version, struct oxp_container_usage *usage) {
    uint64_t current, inactive, kills;
    struct oxp_view text;
    if (number(group, version->current.file, NULL, &current) &&
        number(group, version->inactive.file, version->inactive.key, &inactive)) {
        usage->working_set_bytes = current > inactive ? current - inactive : 0;
        usage->known |= OXP_CONTAINER_WORKING_SET;
    }
    if (get(group, version->limit.file, &text) && oxp_cgroup_parse_limit(text, &usage->memory_limit_bytes)) {
        usage->known |= OXP_CONTAINER_MEMORY_LIMIT;
    }
    if (number(group, version->oom_kills.file, version->oom_kills.key, &kills)) {
        usage->oom_kills = kills;
        usage->known |= OXP_CONTAINER_OOM_KILLS;
    }
}

static void read_pressure(struct group *group, struct oxp_container_usage *usage) {
    static const char *const files[OXP_PRESSURE_RESOURCES] = {"cpu.pressure", "memory.pressure", "io.pressure"};
    static const char *const kinds[OXP_PRESSURE_KINDS] = {"some", "full"};
    for (unsigned r = 0; r < OXP_PRESSURE_RESOURCES; r++) {
        struct oxp_view text;
        if (!get(group, files[r], &text)) {
            continue;
        }
        for (unsigned k = 0; k < OXP_PRESSURE_KINDS; k++) {
            uint64_t total_us;
            if (oxp_cgroup_parse_pressure(text, kinds[k], &total_us)) {
                usage->stalled_s[r][k] = (double)total_us / 1e6;
                usage->known |= (unsigned)OXP_CONTAINER_PRESSURE << (OXP_PRESSURE_KINDS * r + k);
            }
        }
    }
}

/* ---- The folder ---- */

/* Rules 1 to 3; `paths` is /proc/PID/cgroup. */
static bool find_v2(struct group *group, const struct oxp_resource_roots *roots, int64_t pid, struct oxp_view paths) {
    struct oxp_view list;
    snprintf(group->base, sizeof group->base, "%s", roots->cgroup);
    group->path = oxp_view_of(NULL, 0);
    bool is_seen = oxp_cgroup_parse_path(paths, NULL, &list, &group->path);
    if (is_seen && has(group, "cgroup.type")) {
        return true;
    }
    if (is_seen && has(group, "cgroup.controllers")) {
        return false; /* rule 3 */
    }
    int len = snprintf(group->base, sizeof group->base, "%s/%lld/root/sys/fs/cgroup", roots->proc, (long long)pid);
    group->path = oxp_view_of(NULL, 0);
    return len > 0 && (size_t)len < sizeof group->base && has(group, "cgroup.type");
}

/* Rule 4: a hierarchy is mounted under the list of its controllers, or under this one's name. */
static bool find_v1(struct group *group, const struct oxp_resource_roots *roots, struct oxp_view paths,
                    const char *controller) {
    struct oxp_view list, path;
    if (!oxp_cgroup_parse_path(paths, controller, &list, &path)) {
        return false;
    }
    const struct oxp_view names[] = {list, oxp_view_from(controller)};
    for (unsigned i = 0; i < 2; i++) {
        int len = snprintf(group->base, sizeof group->base, "%s/%.*s", roots->cgroup, (int)names[i].len, names[i].ptr);
        group->path = path;
        if (len > 0 && (size_t)len < sizeof group->base && path.len > 1 && has(group, "cgroup.procs")) {
            return true; /* path "/" is the whole machine, or of another container */
        }
    }
    return false;
}

static void read_v1(struct group *group, const struct oxp_resource_roots *roots, struct oxp_view paths,
                    struct oxp_container_usage *usage) {
    if (find_v1(group, roots, paths, "cpuacct")) {
        read_cpu(group, &v1, usage);
    }
    if (find_v1(group, roots, paths, "cpu")) {
        read_throttled(group, &v1, usage);
    }
    if (find_v1(group, roots, paths, "memory")) {
        read_memory(group, &v1, usage);
    }
}

void oxp_resource_read_container(const struct oxp_resource_roots *roots, int64_t pid,
                                 struct oxp_container_usage *usage_out) {
    *usage_out = (struct oxp_container_usage){.known = 0};
    char bytes[PATHS_BYTES];
    struct oxp_view paths;
    struct group group;
    if (oxp_resource_proc_file(roots->proc, pid, "cgroup", bytes, sizeof bytes, &paths) != OXP_OK) {
        return;
    }
    if (find_v2(&group, roots, pid, paths)) {
        read_cpu(&group, &v2, usage_out);
        read_throttled(&group, &v2, usage_out);
        read_memory(&group, &v2, usage_out);
        read_pressure(&group, usage_out);
        return;
    }
    snprintf(group.base, sizeof group.base, "%s", roots->cgroup);
    group.path = oxp_view_of(NULL, 0);
    if (!has(&group, "cgroup.controllers")) {
        read_v1(&group, roots, paths, usage_out);
    }
}
