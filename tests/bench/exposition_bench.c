/* Rendering and compressing, beside the least that the work can cost: 1M counters with three labels, text. Prints lines
 * of `name value unit limit_name limit_value`; values are the best of several runs. */
#include <oxpecker/exposition.h>

#include "lib/base/clock.h"
#include "lib/base/number.h"
#include "lib/gzip/gzip.h"
#include <isa-l/igzip_lib.h>
#include <stdio.h>
#include <stdlib.h>

enum { WORKFLOWS = 250000, CHUNK = 64 * 1024, RUNS = 5 };

static const char *const statuses[] = {"succeeded", "failed", "timed_out", "cancelled", NULL};

static const struct oxp_family_spec counters = {
    .name = "orchestrator_tasks_ended_total",
    .help = "Tasks finished.",
    .type = OXP_COUNTER,
    .labels = {{.key = "workflow"}, {.key = "region"}, {.key = "status", .values = statuses}},
    .max_series = WORKFLOWS * 4 + 100,
};

static const double bounds[] = {0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 30, 60, 120, 300};
static const struct oxp_family_spec histograms = {
    .name = "orchestrator_operation_duration_seconds",
    .help = "Time an operation took.",
    .unit = "seconds",
    .type = OXP_HISTOGRAM,
    .labels = {{.key = "workflow"}},
    .bounds = bounds,
    .bound_count = sizeof bounds / sizeof *bounds,
    .max_series = 50100,
};

static double now_s(void) {
    return (double)oxp_clock_mono(oxp_clock_system()).ns / 1e9;
}

static void must(enum oxp_status status) {
    if (status != OXP_OK) {
        fprintf(stderr, "exposition_bench: %s\n", oxp_status_text(status));
        exit(1);
    }
}

/* ---- The registries ---- */

static struct oxp_registry *make_counters(void) {
    struct oxp_registry *registry = NULL;
    struct oxp_family *family = NULL;
    must(oxp_registry_new(&(struct oxp_registry_options){.series = WORKFLOWS * 4 + 100}, &registry));
    must(oxp_registry_add(registry, &counters, &family));
    for (unsigned i = 0; i < WORKFLOWS; i++) {
        char name[32];
        int len = snprintf(name, sizeof name, "workflow-%06u", i);
        for (unsigned s = 0; s < 4; s++) {
            struct oxp_series *series = oxp_family_at3(family, oxp_view_of(name, (size_t)len), OXP_VIEW("us-east-1"),
                                                       oxp_view_from(statuses[s]));
            oxp_counter_add(oxp_counter(series), (uint64_t)i * 37 + s);
        }
    }
    return registry;
}

static struct oxp_registry *make_histograms(void) {
    struct oxp_registry *registry = NULL;
    struct oxp_family *family = NULL;
    must(oxp_registry_new(&(struct oxp_registry_options){.series = 50100, .series_per_family = 50100}, &registry));
    must(oxp_registry_add(registry, &histograms, &family));
    for (unsigned i = 0; i < 50000; i++) {
        char name[32];
        int len = snprintf(name, sizeof name, "workflow-%06u", i);
        oxp_histogram_observe(oxp_family_at(family, oxp_view_of(name, (size_t)len)), (double)(i % 400));
    }
    return registry;
}

/* ---- What is measured ---- */

static size_t pull(void *ctx, char *out, size_t size) {
    return oxp_writer_read(ctx, out, size);
}

static struct oxp_writer *new_writer(const struct oxp_registry *registry, enum oxp_format format) {
    struct oxp_writer *writer = NULL;
    struct oxp_writer_options options = {.format = format, .now_s = 1763785560};
    must(oxp_writer_new(registry, &options, &writer));
    return writer;
}

/* Seconds to render everything through one chunk; `*bytes_out` is the size. */
static double render(const struct oxp_registry *registry, enum oxp_format format, char *chunk, size_t *bytes_out) {
    double begin = now_s();
    struct oxp_writer *writer = new_writer(registry, format);
    size_t bytes = 0, got;
    while ((got = oxp_writer_read(writer, chunk, CHUNK)) > 0) {
        bytes += got;
    }
    oxp_writer_free(writer);
    *bytes_out = bytes;
    return now_s() - begin;
}

static double render_gzip(const struct oxp_registry *registry, char *chunk, size_t *bytes_out) {
    double begin = now_s();
    struct oxp_writer *writer = new_writer(registry, OXP_FORMAT_TEXT);
    struct oxp_gzip *gzip = NULL;
    must(oxp_gzip_new(&gzip));
    size_t bytes = 0, got;
    while ((got = oxp_gzip_read(gzip, pull, writer, chunk, CHUNK)) > 0) {
        bytes += got;
    }
    oxp_gzip_free(gzip);
    oxp_writer_free(writer);
    *bytes_out = bytes;
    return now_s() - begin;
}

/* ---- The limits ---- */

/* The whole body, for what needs the same bytes. */
static char *whole_body(const struct oxp_registry *registry, size_t bytes) {
    char *body = malloc(bytes);
    if (body == NULL) {
        must(OXP_ERR_NOMEM);
    }
    struct oxp_writer *writer = new_writer(registry, OXP_FORMAT_TEXT);
    for (size_t at = 0; at < bytes;) {
        at += oxp_writer_read(writer, body + at, bytes - at);
    }
    oxp_writer_free(writer);
    return body;
}

/* Every line up to its number copied as one piece, and its number rendered: nothing else. */
static double copy_and_number(const char *body, size_t bytes, char *chunk) {
    double begin = now_s();
    const char *line = body, *end = body + bytes;
    size_t at = 0;
    uint64_t number = 0;
    while (line < end) {
        /* all lines of the bench have about the same length; no search, that would not be copying */
        size_t len = (size_t)(end - line) < 96 ? (size_t)(end - line) : 96;
        if (at + len + OXP_NUMBER_MAX > CHUNK) {
            at = 0;
        }
        memcpy(chunk + at, line, len);
        at += len + oxp_number_from_u64(chunk + at + len, number += 37);
        line += len;
    }
    return now_s() - begin;
}

static double bare_isal(const char *body, size_t bytes, char *chunk) {
    static struct isal_zstream stream;
    static unsigned char level[ISAL_DEF_LVL1_DEFAULT];
    double begin = now_s();
    isal_deflate_init(&stream);
    stream.gzip_flag = IGZIP_GZIP;
    stream.level = 1;
    stream.level_buf = level;
    stream.level_buf_size = sizeof level;
    stream.next_in = (uint8_t *)(uintptr_t)body;
    stream.avail_in = (uint32_t)bytes;
    stream.end_of_stream = 1;
    while (stream.internal_state.state != ZSTATE_END) {
        stream.next_out = (uint8_t *)chunk;
        stream.avail_out = CHUNK;
        if (isal_deflate(&stream) != COMP_OK) {
            must(OXP_ERR_CORRUPT);
        }
    }
    return now_s() - begin;
}

static double least(double a, double b) {
    return a < b ? a : b;
}

static void bench_counters(char *chunk) {
    struct oxp_registry *registry = make_counters();
    const double series = (double)oxp_registry_series(registry);
    double text = 1e9, openmetrics = 1e9, zipped = 1e9, floor = 1e9, isal = 1e9;
    size_t bytes = 0, other = 0, packed = 0;
    render(registry, OXP_FORMAT_TEXT, chunk, &bytes);
    char *body = whole_body(registry, bytes);
    for (int run = 0; run < RUNS; run++) {
        text = least(text, render(registry, OXP_FORMAT_TEXT, chunk, &bytes));
        openmetrics = least(openmetrics, render(registry, OXP_FORMAT_OPENMETRICS, chunk, &other));
        floor = least(floor, copy_and_number(body, bytes, chunk));
        zipped = least(zipped, render_gzip(registry, chunk, &packed));
        isal = least(isal, bare_isal(body, bytes, chunk));
    }
    printf("render_text_1m %.1f ns/series copy_and_number %.1f\n", text / series * 1e9, floor / series * 1e9);
    printf("render_text_1m_goal %.1f ns/series goal 35.0\n", text / series * 1e9);
    printf("render_openmetrics_1m %.1f ns/series copy_and_number %.1f\n", openmetrics / series * 1e9,
           floor / series * 1e9);
    printf("gzip_1m %.1f ns/series isal_plus_rendering %.1f\n", zipped / series * 1e9, (isal + text) / series * 1e9);
    printf("gzip_ratio %.1f times isal_ns_per_series %.1f\n", (double)bytes / (double)packed, isal / series * 1e9);
    printf("bytes_per_series %.1f bytes none 0\n", (double)bytes / series);

    double read = now_s();
    struct oxp_error error = {0};
    must(oxp_exposition_read(oxp_view_of(body, bytes), OXP_FORMAT_TEXT, NULL, &error));
    printf("strict_read_1m %.1f ns/series none 0\n", (now_s() - read) / series * 1e9);
    free(body);
    oxp_registry_free(registry);
}

static void bench_histograms(char *chunk) {
    struct oxp_registry *registry = make_histograms();
    const double lines = (double)oxp_registry_series(registry) * (sizeof bounds / sizeof *bounds + 3);
    double text = 1e9, openmetrics = 1e9;
    size_t bytes = 0;
    for (int run = 0; run < RUNS; run++) {
        text = least(text, render(registry, OXP_FORMAT_TEXT, chunk, &bytes));
        openmetrics = least(openmetrics, render(registry, OXP_FORMAT_OPENMETRICS, chunk, &bytes));
    }
    printf("render_histogram_text %.1f ns/line goal 35.0\n", text / lines * 1e9);
    printf("render_histogram_openmetrics %.1f ns/line goal 35.0\n", openmetrics / lines * 1e9);
    oxp_registry_free(registry);
}

int main(void) {
    char *chunk = malloc(CHUNK);
    if (chunk == NULL) {
        must(OXP_ERR_NOMEM);
    }
    bench_counters(chunk);
    bench_histograms(chunk);
    free(chunk);
    return 0;
}
