/* A driver for test_promql.py and the benches: loads samples into the short memory and answers queries over them, as
 * Prometheus' API would, without a daemon around it.
 *
 *     promql_engine FILE   FILE is OpenMetrics with timestamps, as `promtool tsdb create-blocks-from` takes it
 *
 * Each line of standard input is a query: START END STEP EXPR (unix seconds; STEP 0: an instant query at START); each
 * line of standard output its answer. "cpu" answers the processor seconds used so far, "memory" the short memory's. */
#include <fcntl.h>
#include <oxpecker/exposition.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "alerts/promql/engine.h"
#include "exporter/api/query_args.h"
#include "exporter/api/query_json.h"

struct driver {
    struct oxp_tsdb *tsdb;
    struct oxp_promql_engine *engine;
};

static enum oxp_status take_sample(void *ctx, const struct oxp_read_sample *sample) {
    struct driver *driver = ctx;
    struct oxp_arena arena;
    struct oxp_labels_builder builder;
    struct oxp_tsdb_series *series = NULL;
    oxp_arena_init(&arena, 0);
    oxp_labels_build(&builder, &arena, oxp_labels_none());
    oxp_labels_set_text(&builder, OXP_VIEW(OXP_NAME_LABEL), sample->name);
    for (size_t i = 0; i < sample->label_count; i++) {
        oxp_labels_set_text(&builder, sample->labels[i].name, sample->labels[i].value);
    }
    const struct oxp_labels *labels = oxp_labels_finish(&builder);
    enum oxp_status status = labels == NULL ? OXP_ERR_NOMEM : oxp_tsdb_series_at(driver->tsdb, labels, &series);
    if (status == OXP_OK) {
        status = oxp_tsdb_append(driver->tsdb, series, (int64_t)llround(sample->timestamp_s * 1000), sample->value);
    }
    oxp_arena_fini(&arena);
    return status;
}

static int load(struct driver *driver, const char *path) {
    struct oxp_error error = {0};
    struct oxp_reader_sink sink = {take_sample, driver};
    struct stat stat;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &stat) != 0) {
        perror(path);
        return 1;
    }
    void *bytes = mmap(NULL, (size_t)stat.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (bytes == MAP_FAILED) {
        perror(path);
        return 1;
    }
    enum oxp_status status =
        oxp_exposition_read(oxp_view_of(bytes, (size_t)stat.st_size), OXP_FORMAT_OPENMETRICS, &sink, &error);
    munmap(bytes, (size_t)stat.st_size);
    close(fd);
    if (status != OXP_OK) {
        fprintf(stderr, "promql_engine: %s:%u:%u: %s: %s\n", path, error.line, error.column, oxp_status_name(status),
                error.text);
        return 1;
    }
    return 0;
}

static void answer(struct driver *driver, double start, double end, double step, const char *text,
                   struct oxp_buf *out) {
    struct oxp_promql_expr *expr = NULL;
    struct oxp_promql_answer *found = NULL;
    struct oxp_query_fault fault;
    struct oxp_error error = {0};
    enum oxp_status status = oxp_promql_parse(oxp_view_from(text), &expr, &error);
    if (status != OXP_OK) {
        char words[512];
        oxp_query_parse_error(&error, words, sizeof words);
        oxp_query_refuse(&fault, OXP_QUERY_BAD_DATA, "%s", words);
        oxp_query_json_fault(out, &fault);
        return;
    }
    struct oxp_promql_request request = {.expr = expr,
                                         .start_ms = (int64_t)llround(start * 1000),
                                         .end_ms = (int64_t)llround((step > 0 ? end : start) * 1000),
                                         .step_ms = (int64_t)llround(step * 1000)};
    status = oxp_promql_query(driver->engine, driver->tsdb, &request, &found, &error);
    if (status != OXP_OK) {
        bool type = step > 0 && expr->root->type > OXP_PROMQL_VECTOR; /* the API calls that a bad parameter */
        oxp_query_refuse(&fault, type ? OXP_QUERY_BAD_DATA : oxp_query_error_of(status), "%s", error.text);
        oxp_query_json_fault(out, &fault);
    } else {
        struct oxp_query_text writer = {.answer = found, .range = step > 0};
        while (oxp_query_text_next(&writer, out)) {
        }
    }
    oxp_promql_answer_free(found);
    oxp_promql_expr_free(expr);
}

static void serve(struct driver *driver) {
    char *line = NULL;
    size_t size = 0;
    for (ssize_t length; (length = getline(&line, &size, stdin)) > 0;) {
        struct oxp_buf out;
        double start = 0, end = 0, step = 0;
        int at = 0;
        oxp_buf_init(&out, 0);
        line[length - 1] = line[length - 1] == '\n' ? '\0' : line[length - 1];
        if (strcmp(line, "cpu") == 0) {
            struct timespec used;
            clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
            oxp_buf_append_double(&out, (double)used.tv_sec + (double)used.tv_nsec / 1e9);
        } else if (strcmp(line, "memory") == 0) {
            struct oxp_tsdb_stats stats;
            oxp_tsdb_stats(driver->tsdb, &stats);
            oxp_buf_append_format(&out, "{\"series\":%llu,\"samples\":%llu,\"bytes\":%llu,\"sample_bytes\":%llu}",
                                  (unsigned long long)stats.series, (unsigned long long)stats.samples,
                                  (unsigned long long)stats.bytes, (unsigned long long)stats.sample_bytes);
        } else if (sscanf(line, "%lf %lf %lf %n", &start, &end, &step, &at) == 3) {
            answer(driver, start, end, step, line + at, &out);
        }
        puts(oxp_buf_text(&out));
        fflush(stdout);
        oxp_buf_fini(&out);
    }
    free(line);
}

int main(int argc, char **argv) {
    struct driver driver = {0};
    struct oxp_tsdb_options options = {.retention_ms = INT64_C(365) * 86400 * 1000};
    struct oxp_promql_options limits = {.memory_max = (size_t)2 << 30};
    int code = 1;
    if (argc == 2 && oxp_tsdb_new(&options, &driver.tsdb) == OXP_OK &&
        oxp_promql_engine_new(&limits, &driver.engine) == OXP_OK && load(&driver, argv[1]) == 0) {
        serve(&driver);
        code = 0;
    }
    oxp_promql_engine_free(driver.engine);
    oxp_tsdb_free(driver.tsdb);
    return code;
}
