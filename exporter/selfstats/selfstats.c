#include "exporter/selfstats/selfstats.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/number.h"

#define SIDECAR "The sidecar itself"
#define PROCESS "The sidecar's process"
#define ABSENT OXP_FAMILY_ABSENT
#define LAZY OXP_FAMILY_LAZY

/* Closed label sets */
#define SET(name, ...) static const char *const name[] = {__VA_ARGS__, NULL}
SET(transports, "unix", "http", "log", "statsd");
SET(reject_reasons, "malformed", "unknown_type", "too_large", "bad_field", "bad_time", "rate", "auth", "cut", "other");
SET(formats, "text", "openmetrics");
SET(refusal_reasons, "framing", "access", "deadline", "limit");
SET(levels, "debug", "info", "warning", "error", "critical");
SET(buffers, "logs", "alerts", "traces", "samples");
SET(alert_severities, "info", "warning", "critical");
SET(integrations, "webhook", "alertmanager", "slack", "email", "sns", "sms", "pagerduty", "teams", "command",
    "cloudwatch", "log", "other");
SET(failure_reasons, "clientError", "serverError", "authError", "rateLimited", "timeout", "tooOld", "other");
SET(suppression_reasons, "silenced", "inhibited", "muted");
SET(drop_reasons, "full", "expired", "superseded");
SET(cloudwatch_outcomes, "ok", "throttled", "failed");
SET(query_outcomes, "ok", "bad_data", "execution", "canceled", "timeout", "unavailable", "internal");

/* Buckets (domain catalogue, section 4: lag, fast, wait) */
static const double lag_bounds[] = {0.001, 0.01, 0.1, 0.5, 1, 5, 30, 120};
static const double fast_bounds[] = {0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1};
static const double query_bounds[] = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5, 30};
static const double wait_bounds[] = {0.1, 0.5, 1, 5, 10, 30, 60, 120, 300, 600, 1800};

#define NO_LABELS                                                                                                      \
    {                                                                                                                  \
        { NULL, NULL, 0 }                                                                                              \
    }
#define LABELS(...)                                                                                                    \
    { __VA_ARGS__ }
#define NO_BOUNDS NULL, 0
#define BOUNDS(array) array, sizeof array / sizeof array[0]

static const struct oxp_self_row rows[OXP_SELF_METRICS] = {
#define FAMILY(id, name_, type_, unit_, help_, flags_, labels_, bounds_, section_, mover_, later_)                     \
    [OXP_S_##id] = {{name_, help_, unit_, OXP_##type_, flags_, labels_, bounds_, 0}, section_, mover_, later_},
#include "exporter/selfstats/selfstats.def"
#undef FAMILY
};

const struct oxp_self_row *oxp_self_row(enum oxp_self_metric metric) {
    return &rows[metric];
}

/* What /proc/self/stat says (proc(5)): fields are counted from 1; those before the third stand before the last ')'. */
struct process_stat {
    uint64_t utime, stime;   /* 14, 15; clock ticks */
    uint64_t threads;        /* 20 */
    uint64_t start;          /* 22; clock ticks since boot */
    uint64_t virtual_bytes;  /* 23 */
    uint64_t resident_pages; /* 24 */
};

/* The space-separated word at `*rest`, which moves behind it. */
static struct oxp_view take_word(struct oxp_view *rest) {
    const char *space = rest->len == 0 ? NULL : memchr(rest->ptr, ' ', rest->len);
    size_t len = space == NULL ? rest->len : (size_t)(space - rest->ptr);
    struct oxp_view word = oxp_view_of(rest->ptr, len);
    size_t skip = space == NULL ? len : len + 1;
    *rest = oxp_view_of(rest->ptr + skip, rest->len - skip);
    return word;
}

static bool parse_stat(struct oxp_view text, struct process_stat *stat) {
    /* the command's name may hold spaces and parentheses; the last ')' ends it */
    const char *behind = text.len == 0 ? NULL : memrchr(text.ptr, ')', text.len);
    if (behind == NULL || behind + 2 > text.ptr + text.len) {
        return false;
    }
    struct oxp_view rest = oxp_view_of(behind + 2, (size_t)(text.ptr + text.len - behind) - 2);
    struct {
        unsigned field;
        uint64_t *out;
    } wanted[] = {{14, &stat->utime}, {15, &stat->stime},         {20, &stat->threads},
                  {22, &stat->start}, {23, &stat->virtual_bytes}, {24, &stat->resident_pages}};
    size_t next = 0;
    for (unsigned field = 3; next < sizeof wanted / sizeof wanted[0]; field++) {
        struct oxp_view word = take_word(&rest);
        if (field != wanted[next].field) {
            if (word.len == 0) {
                return false;
            }
            continue;
        }
        if (oxp_number_parse_u64(word, wanted[next].out) != OXP_OK) {
            return false;
        }
        next++;
    }
    return true;
}

static bool read_stat(struct process_stat *stat) {
    char text[1024];
    int fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    ssize_t len = read(fd, text, sizeof text);
    close(fd);
    return len > 0 && parse_stat(oxp_view_of(text, (size_t)len), stat);
}

/* Counts by getdents64 into the stack: opendir would allocate 32 KiB for each scrape. -1 when /proc is not there. */
static int64_t count_fds(void) {
    int fd = open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return -1;
    }
    int64_t count = -1; /* our own */
    char bytes[2048] __attribute__((aligned(__alignof__(struct dirent64))));
    ssize_t len = 0;
    while ((len = getdents64(fd, bytes, sizeof bytes)) > 0) {
        for (ssize_t at = 0; at < len;) {
            const struct dirent64 *entry = (const struct dirent64 *)(const void *)(bytes + at);
            count += entry->d_name[0] != '.';
            at += entry->d_reclen;
        }
    }
    close(fd);
    return len < 0 ? -1 : count;
}

static double ticks_to_seconds(uint64_t ticks) {
    long hz = sysconf(_SC_CLK_TCK);
    return (double)ticks / (hz > 0 ? (double)hz : 100.0);
}

static double seconds_now(clockid_t clock) {
    struct timespec now = {0};
    clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void set(struct oxp_selfstats *stats, enum oxp_self_metric metric, double value) {
    oxp_gauge_set(oxp_family_only(stats->families[metric]), value);
}

enum oxp_status oxp_selfstats_register(struct oxp_selfstats *stats, struct oxp_registry *registry, const char *version,
                                       const char *revision) {
    *stats = (struct oxp_selfstats){.registry = registry};
    for (size_t i = 0; i < OXP_SELF_METRICS; i++) {
        if (rows[i].later != NULL) {
            continue;
        }
        enum oxp_status status = oxp_registry_add(registry, &rows[i].spec, &stats->families[i]);
        if (status != OXP_OK) {
            return status;
        }
    }
    oxp_gauge_set(oxp_family_at2(stats->families[OXP_S_BUILD_INFO], oxp_view_from(version), oxp_view_from(revision)),
                  1);
    struct process_stat stat;
    if (read_stat(&stat)) {
        /* the kernel counts from boot (CLOCK_BOOTTIME); read once, so that a wall clock that jumps does not move it */
        double age = seconds_now(CLOCK_BOOTTIME) - ticks_to_seconds(stat.start);
        set(stats, OXP_S_PROCESS_START_TIME_SECONDS, seconds_now(CLOCK_REALTIME) - age);
    }
    return OXP_OK;
}

static void collect_locked(struct oxp_selfstats *stats) {
    struct process_stat stat;
    if (read_stat(&stat)) {
        struct oxp_series *cpu = oxp_family_only(stats->families[OXP_S_PROCESS_CPU_SECONDS_TOTAL]);
        oxp_series_count(cpu, ticks_to_seconds(stat.utime + stat.stime) - oxp_series_value(cpu, 0));
        set(stats, OXP_S_PROCESS_RESIDENT_MEMORY_BYTES, (double)stat.resident_pages * (double)sysconf(_SC_PAGESIZE));
        set(stats, OXP_S_PROCESS_VIRTUAL_MEMORY_BYTES, (double)stat.virtual_bytes);
        set(stats, OXP_S_PROCESS_THREADS, (double)stat.threads);
    }
    int64_t fds = count_fds();
    if (fds >= 0) {
        set(stats, OXP_S_PROCESS_OPEN_FDS, (double)fds);
    }
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY) {
        set(stats, OXP_S_PROCESS_MAX_FDS, (double)limit.rlim_cur);
    }
    set(stats, OXP_S_SERIES, (double)oxp_registry_series(stats->registry));
}

/* A scrape, the sampler and the first page at a time must not read /proc into the same gauges. */
void oxp_selfstats_collect(struct oxp_selfstats *stats) {
    static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&one_at_a_time);
    collect_locked(stats);
    pthread_mutex_unlock(&one_at_a_time);
}
