#include "lib/resource/parts.h"

#include "lib/base/number.h"
#include "lib/resource/file.h"
#include "lib/resource/parse.h"

#include <stdio.h>
#include <unistd.h>

/* One walk over /proc notes who is whose child; the tree is what can be reached from the first process. A process that
 * starts or ends during the walk may be missed: the next reading sees it right. */

enum {
    KIN_MAX = 8192, /* processes of the machine that are looked at; 64 KiB of stack */
    STAT_BYTES = 1024,
    LIMITS_BYTES = 4096,
};

struct kin {
    int32_t pid;
    int32_t parent; /* 0 once it is in the tree */
};

struct walk {
    const char *root;
    int64_t first;
    size_t count;
    struct kin kin[KIN_MAX];
};

static bool read_stat(const char *root, int64_t pid, struct oxp_proc_stat *stat, enum oxp_status *status_out) {
    char bytes[STAT_BYTES];
    struct oxp_view text;
    *status_out = oxp_resource_proc_file(root, pid, "stat", bytes, sizeof bytes, &text);
    if (*status_out == OXP_OK && !(oxp_proc_parse_stat(text, stat) && stat->pid == pid)) {
        *status_out = OXP_ERR_CORRUPT;
    }
    return *status_out == OXP_OK;
}

static bool note_kin(void *ctx, struct oxp_view name) {
    struct walk *walk = ctx;
    uint64_t pid;
    struct oxp_proc_stat stat;
    enum oxp_status status;
    if (oxp_number_parse_u64(name, &pid) == OXP_OK && pid <= INT32_MAX && (int64_t)pid != walk->first &&
        read_stat(walk->root, (int64_t)pid, &stat, &status) && stat.parent != 0) {
        walk->kin[walk->count++] = (struct kin){(int32_t)pid, (int32_t)stat.parent};
    }
    return walk->count < KIN_MAX;
}

/* Moves the descendants to the front; gives their number. Each found one is asked for its children once. */
static size_t gather(struct walk *walk) {
    size_t found = 0;
    for (size_t asked = 0; asked <= found; asked++) {
        int32_t parent = asked == 0 ? (int32_t)walk->first : walk->kin[asked - 1].pid;
        for (size_t i = found; i < walk->count; i++) {
            if (walk->kin[i].parent == parent) {
                struct kin child = walk->kin[i];
                walk->kin[i] = walk->kin[found];
                walk->kin[found++] = child;
            }
        }
    }
    return found;
}

/* ---- One process ---- */

static bool count_entry(void *ctx, struct oxp_view name) {
    (void)name;
    ++*(uint64_t *)ctx;
    return true;
}

static unsigned read_fds(const char *root, int64_t pid, uint64_t *open_out, uint64_t *max_out) {
    char path[OXP_RESOURCE_PATH_MAX], bytes[LIMITS_BYTES];
    struct oxp_view text;
    unsigned known = 0;
    int len = snprintf(path, sizeof path, "%s/%lld/fd", root, (long long)pid);
    if (len > 0 && (size_t)len < sizeof path && oxp_resource_numbers(path, count_entry, open_out) == OXP_OK) {
        known |= OXP_PROCESS_OPEN_FDS;
    }
    if (oxp_resource_proc_file(root, pid, "limits", bytes, sizeof bytes, &text) == OXP_OK &&
        oxp_proc_parse_max_fds(text, max_out)) {
        known |= OXP_PROCESS_MAX_FDS;
    }
    return known;
}

/* The pair of the process that is nearest to its limit. */
static void add_fds(const char *root, int64_t pid, struct oxp_process_usage *usage) {
    const unsigned both = OXP_PROCESS_OPEN_FDS | OXP_PROCESS_MAX_FDS;
    uint64_t open = 0, max = 0;
    unsigned known = read_fds(root, pid, &open, &max);
    bool first = usage->processes == 0;
    bool nearer = (known & both) == both && (usage->known & both) == both && max > 0 && usage->max_fds > 0 &&
                  (double)open / (double)max > (double)usage->open_fds / (double)usage->max_fds;
    if (first || nearer) {
        usage->open_fds = (known & OXP_PROCESS_OPEN_FDS) != 0 ? open : 0;
        usage->max_fds = (known & OXP_PROCESS_MAX_FDS) != 0 ? max : 0;
        usage->known |= known;
    }
}

static void add_io(const char *root, int64_t pid, struct oxp_process_usage *usage) {
    char bytes[STAT_BYTES];
    struct oxp_view text;
    uint64_t read, written;
    if (oxp_resource_proc_file(root, pid, "io", bytes, sizeof bytes, &text) != OXP_OK ||
        !oxp_proc_parse_io(text, &read, &written)) {
        return;
    }
    usage->read_bytes += read;
    usage->write_bytes += written;
    if (usage->processes == 0) {
        usage->known |= OXP_PROCESS_DISK;
    }
}

static void add_stat(const struct oxp_proc_stat *stat, struct oxp_process_usage *usage) {
    const double ticks_per_s = (double)sysconf(_SC_CLK_TCK);
    usage->cpu_user_s += (double)(stat->user_ticks + stat->waited_user_ticks) / ticks_per_s;
    usage->cpu_system_s += (double)(stat->system_ticks + stat->waited_system_ticks) / ticks_per_s;
    usage->resident_bytes += stat->resident_pages * (uint64_t)sysconf(_SC_PAGESIZE);
    usage->threads += stat->threads;
    if (usage->processes == 0) {
        usage->known |= OXP_PROCESS_CPU | OXP_PROCESS_RESIDENT | OXP_PROCESS_THREADS | OXP_PROCESS_START;
        usage->start_ticks = stat->start_ticks;
        usage->started_after_boot_s = (double)stat->start_ticks / ticks_per_s;
    }
}

static enum oxp_status add(const char *root, int64_t pid, struct oxp_process_usage *usage) {
    struct oxp_proc_stat stat;
    enum oxp_status status;
    if (!read_stat(root, pid, &stat, &status)) {
        return status;
    }
    if (oxp_proc_is_dead(&stat) && usage->processes == 0) {
        return OXP_ERR_NOT_FOUND;
    }
    add_stat(&stat, usage);
    add_io(root, pid, usage);
    add_fds(root, pid, usage);
    usage->processes++;
    return OXP_OK;
}

enum oxp_status oxp_resource_read_process(const char *proc_root, int64_t pid, struct oxp_process_usage *usage_out) {
    *usage_out = (struct oxp_process_usage){.known = 0};
    struct walk walk;
    walk.root = proc_root;
    walk.first = pid;
    walk.count = 0;
    enum oxp_status status = add(proc_root, pid, usage_out);
    if (status != OXP_OK) {
        return status;
    }
    (void)oxp_resource_numbers(proc_root, note_kin, &walk); /* where it cannot be listed the process stands alone */
    size_t descendants = gather(&walk);
    for (size_t i = 0; i < descendants; i++) {
        (void)add(proc_root, walk.kin[i].pid, usage_out); /* may be gone by now */
    }
    return OXP_OK;
}
