/* The registry against the goals: handles, lookup, creation and memory of a million series, and the walk over them.
 * Prints `name value unit limit_name limit_value`. */
#include "lib/base/number.h"
#include <math.h>
#include <oxpecker/metrics.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { ROUNDS = 7, LOOKUPS = 1000000, HANDLES = 20000000, OBSERVATIONS = 5000000 };

#define MILLION ((size_t)1000000)

/* The thread's own time: what others do on the machine is not ours. */
static double now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static void say(const char *name, double value, const char *unit, const char *limit_name, double limit) {
    printf("%s %.2f %s %s %.2f\n", name, value, unit, limit_name, limit);
    fflush(stdout);
}

static size_t resident_bytes(void) {
    char text[128] = "";
    FILE *file = fopen("/proc/self/statm", "r");
    if (file != NULL) {
        if (fgets(text, sizeof text, file) == NULL) {
            text[0] = '\0';
        }
        fclose(file);
    }
    char *second = strchr(text, ' '); /* size, resident, … in pages */
    return second == NULL ? 0 : strtoul(second, NULL, 10) * (size_t)sysconf(_SC_PAGESIZE);
}

static const double bounds[] = {0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 30, 60, 120, 300};
static const struct oxp_family_spec counter = {.name = "bench_total", .help = "h", .type = OXP_COUNTER};
static const struct oxp_family_spec histogram = {
    .name = "bench_seconds", .help = "h", .type = OXP_HISTOGRAM, .bounds = bounds, .bound_count = 12};
static const struct oxp_family_spec three = {
    .name = "bench_tasks_total",
    .help = "h",
    .type = OXP_COUNTER,
    .labels = {{"region", NULL, 0}, {"status", NULL, 0}, {"workflow", NULL, 0}}};

static void fail(const char *what) {
    fprintf(stderr, "%s failed\n", what);
    exit(1);
}

static struct oxp_family *family_of(struct oxp_registry *registry, const struct oxp_family_spec *spec) {
    struct oxp_family *family = NULL;
    if (oxp_registry_add(registry, spec, &family) != OXP_OK) {
        fail("adding a family");
    }
    return family;
}

/* ---- handles ---- */

static double bare_atomic(void) {
    static _Atomic uint64_t cell;
    double start = now_ns();
    for (int i = 0; i < HANDLES; i++) {
        atomic_fetch_add_explicit(&cell, 1, memory_order_relaxed);
    }
    return (now_ns() - start) / HANDLES;
}

static double through_handle(struct oxp_series *series) {
    struct oxp_counter handle = oxp_counter(series);
    double start = now_ns();
    for (int i = 0; i < HANDLES; i++) {
        oxp_counter_add(handle, 1);
    }
    return (now_ns() - start) / HANDLES;
}

static double observe(struct oxp_series *series) {
    static double values[4096];
    for (size_t i = 0; i < 4096; i++) {
        values[i] = (double)(i * 7919 % 4096) / 12.0;
    }
    double start = now_ns();
    for (size_t i = 0; i < OBSERVATIONS; i++) {
        oxp_histogram_observe(series, values[i % 4096]);
    }
    return (now_ns() - start) / OBSERVATIONS;
}

static void bench_handles(void) {
    struct oxp_registry *registry = NULL;
    if (oxp_registry_new(NULL, &registry) != OXP_OK) {
        fail("making a registry");
    }
    struct oxp_series *count = oxp_family_only(family_of(registry, &counter));
    struct oxp_series *times = oxp_family_only(family_of(registry, &histogram));
    double bare = INFINITY, handle = INFINITY, observed = INFINITY;
    for (int i = 0; i < ROUNDS; i++) {
        bare = fmin(bare, bare_atomic());
        handle = fmin(handle, through_handle(count));
        observed = fmin(observed, observe(times));
    }
    say("counter_handle", handle, "ns/op", "bare_atomic", bare);
    say("counter_handle_ratio", handle / bare, "x", "goal", 1.25);
    say("histogram_observe", observed, "ns/op", "goal", 15);
    oxp_registry_free(registry);
}

/* ---- lookup ---- */

static const char *const regions[] = {"us-east-1", "us-west-2", "eu-central-1", "ap-southeast-1"};
static const char *const statuses[] = {"succeeded", "failed", "cancelled", "timed_out", "degraded"};

static struct oxp_series *look_up(struct oxp_family *family, size_t i, struct oxp_view workflow) {
    return oxp_family_at3(family, oxp_view_from(regions[i % 4]), oxp_view_from(statuses[i % 5]), workflow);
}

static void bench_lookup(void) {
    enum { WORKFLOWS = 16 };
    struct oxp_registry *registry = NULL;
    if (oxp_registry_new(NULL, &registry) != OXP_OK) {
        fail("making a registry");
    }
    struct oxp_family *family = family_of(registry, &three);
    char names[WORKFLOWS][24];
    struct oxp_view workflows[WORKFLOWS];
    for (size_t i = 0; i < WORKFLOWS; i++) {
        snprintf(names[i], sizeof names[i], "checkout-flow-%zu", i);
        workflows[i] = oxp_view_from(names[i]);
    }
    double best = INFINITY;
    uintptr_t sum = 0;
    for (int round = 0; round <= ROUNDS; round++) {
        double start = now_ns();
        for (size_t i = 0; i < LOOKUPS; i++) {
            sum += (uintptr_t)look_up(family, i, workflows[i % WORKFLOWS]);
        }
        best = round == 0 ? best : fmin(best, (now_ns() - start) / LOOKUPS);
    }
    say("lookup_3_labels", best, sum == 0 ? "" : "ns/op", "goal", 60);
    oxp_registry_free(registry);
}

/* ---- a million series ---- */

static void make_range(struct oxp_family *family, size_t from, size_t to) {
    for (size_t i = from; i < to; i++) {
        char text[9 + OXP_NUMBER_MAX] = "workflow-";
        size_t len = 9 + oxp_number_from_u64(text + 9, i);
        oxp_counter_add(oxp_counter(look_up(family, i, oxp_view_of(text, len))), i);
    }
}

static double walk(const struct oxp_registry *registry, size_t *seen_out) {
    struct oxp_snapshot snapshot;
    const struct oxp_family_spec *spec;
    struct oxp_sample sample;
    size_t seen = 0, bytes = 0;
    double start = now_ns();
    oxp_snapshot_begin(&snapshot, registry, 1.7e9);
    while (oxp_snapshot_family(&snapshot, &spec) == OXP_OK) {
        while (oxp_snapshot_next(&snapshot, &sample) == OXP_OK) {
            seen++;
            bytes += sample.labels.len + sample.whole_value;
        }
    }
    *seen_out = bytes == 0 ? 0 : seen;
    return (now_ns() - start) / (double)seen;
}

/* The floor of a text scrape: copy the name, the ready labels and the number. */
static double render(const struct oxp_registry *registry) {
    static char out[65536 + 512];
    struct oxp_snapshot snapshot;
    const struct oxp_family_spec *spec;
    struct oxp_sample sample;
    double start = now_ns();
    oxp_snapshot_begin(&snapshot, registry, 1.7e9);
    while (oxp_snapshot_family(&snapshot, &spec) == OXP_OK) {
        size_t at = 0, name_len = strlen(spec->name);
        while (oxp_snapshot_next(&snapshot, &sample) == OXP_OK) {
            memcpy(out + at, spec->name, name_len);
            at += name_len;
            out[at++] = '{';
            memcpy(out + at, sample.labels.ptr, sample.labels.len);
            at += sample.labels.len;
            out[at++] = '}';
            out[at++] = ' ';
            at += oxp_number_from_u64(out + at, sample.whole_value);
            out[at++] = '\n';
            at = at >= 65536 ? 0 : at;
        }
    }
    return (now_ns() - start) / 1e6;
}

static void bench_million(void) {
    struct oxp_registry *registry = NULL;
    struct oxp_registry_options options = {.series = 2 * MILLION, .series_per_family = 2 * MILLION};
    if (oxp_registry_new(&options, &registry) != OXP_OK) {
        fail("making a registry");
    }
    struct oxp_family *family = family_of(registry, &three);
    size_t before = resident_bytes();
    double start = now_ns();
    make_range(family, 0, MILLION / 10);
    double tenth = (now_ns() - start) / ((double)MILLION / 10);
    make_range(family, MILLION / 10, MILLION);
    double all = (now_ns() - start) / (double)MILLION;
    size_t seen = 0;
    say("create_100k", tenth, "ns/series", "goal", 1000);
    say("create_1M", all, "ns/series", "goal", 1000);
    say("memory_1M", (double)(resident_bytes() - before) / (double)MILLION, "B/series", "goal", 250);
    double walked = INFINITY, rendered = INFINITY;
    for (int i = 0; i < 3; i++) {
        walked = fmin(walked, walk(registry, &seen));
        rendered = fmin(rendered, render(registry));
    }
    if (seen != MILLION) {
        fail("making a million series");
    }
    say("snapshot_walk_1M", walked, "ns/series", "scrape_goal", 150);
    say("render_floor_1M", rendered, "ms", "scrape_goal", 150);
    oxp_registry_free(registry);
}

int main(void) {
    bench_handles();
    bench_lookup();
    bench_million();
    return 0;
}
