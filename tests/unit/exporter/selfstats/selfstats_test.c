/* The sidecar's own families: the table, what exists from the start, and what a collection reads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "exporter/selfstats/selfstats.h"
#include "tests/support/alloc_fail.h"

struct fixture {
    struct oxp_registry *registry;
    struct oxp_selfstats stats;
};

static int set_up(void **state) {
    struct fixture *fixture = calloc(1, sizeof *fixture);
    struct oxp_registry_options options = {0};
    if (oxp_registry_new(&options, &fixture->registry) != OXP_OK ||
        oxp_selfstats_register(&fixture->stats, fixture->registry, "1.2.3", "abc") != OXP_OK) {
        return -1;
    }
    *state = fixture;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *fixture = *state;
    oxp_registry_free(fixture->registry);
    free(fixture);
    return 0;
}

static double value(const struct fixture *fixture, enum oxp_self_metric metric) {
    return oxp_series_value(oxp_family_only(fixture->stats.families[metric]), 0);
}

/* Visible series of one family, and the labels of the last. */
static size_t count_series(const struct fixture *fixture, const char *name, char *labels, size_t size) {
    struct oxp_snapshot snapshot;
    const struct oxp_family_spec *spec = NULL;
    size_t count = 0;
    oxp_snapshot_begin(&snapshot, fixture->registry, 0);
    while (oxp_snapshot_family(&snapshot, &spec) == OXP_OK) {
        struct oxp_sample sample;
        while (oxp_snapshot_next(&snapshot, &sample) == OXP_OK) {
            if (strcmp(spec->name, name) == 0) {
                count++;
                snprintf(labels, size, "%.*s", (int)sample.labels.len, sample.labels.ptr);
            }
        }
    }
    return count;
}

/* ---- The table ---- */

static void rows_are_complete(void **state) {
    (void)state;
    for (size_t i = 0; i < OXP_SELF_METRICS; i++) {
        const struct oxp_self_row *row = oxp_self_row((enum oxp_self_metric)i);
        const char *name = row->spec.name;
        size_t len = strlen(name);
        assert_true(strncmp(name, "oxpecker_", 9) == 0 || strncmp(name, "process_", 8) == 0);
        assert_true(row->spec.help[0] != '\0' && row->spec.help[strlen(row->spec.help) - 1] == '.');
        assert_true(row->section[0] != '\0' && row->mover[0] != '\0');
        bool counter = row->spec.type == OXP_COUNTER || row->spec.type == OXP_COUNTER_FLOAT;
        assert_int_equal(counter, len > 6 && strcmp(name + len - 6, "_total") == 0);
        assert_int_equal(row->spec.type == OXP_HISTOGRAM, row->spec.bounds != NULL);
        if (row->spec.unit != NULL) {
            assert_non_null(strstr(name, row->spec.unit));
        }
        for (size_t j = 0; j < i; j++) {
            assert_string_not_equal(name, oxp_self_row((enum oxp_self_metric)j)->spec.name);
        }
    }
}

/* What exists from the start: the names and label values are a contract (domain catalogue, sections 4 and 5). */
static void families_and_labels(void **state) {
    static const struct {
        const char *name;
        size_t series;
        const char *last; /* label pairs of the series made last */
    } rows[] = {
        {"oxpecker_build_info", 1, "version=\"1.2.3\",revision=\"abc\""},
        {"oxpecker_events_received_total", 4, "transport=\"statsd\""},
        {"oxpecker_events_rejected_total", 9, "reason=\"other\""},
        {"oxpecker_events_lost_total", 1, ""},
        {"oxpecker_events_clamped_total", 1, ""},
        {"oxpecker_event_lag_seconds", 1, ""},
        {"oxpecker_connections", 1, ""},
        {"oxpecker_scrapes_total", 2, "format=\"openmetrics\""},
        {"oxpecker_scrape_duration_seconds", 1, ""},
        {"oxpecker_http_requests_refused_total", 4, "reason=\"limit\""},
        {"oxpecker_series", 1, ""},
        {"oxpecker_series_limit", 1, ""},
        {"oxpecker_series_dropped_total", 1, ""},
        {"oxpecker_log_lines_total", 5, "level=\"critical\""},
        {"oxpecker_log_lines_dropped_total", 1, ""},
        {"oxpecker_storage_persistent", 1, ""},
        {"oxpecker_storage_failures_total", 1, ""},
        {"oxpecker_config_last_reload_successful", 1, ""},
        {"oxpecker_config_last_reload_success_timestamp_seconds", 0, ""},
        {"oxpecker_ring_entries", 4, "buffer=\"samples\""},
        {"oxpecker_traces_active", 1, ""},
        {"oxpecker_spans_dropped_total", 1, ""},
        {"oxpecker_notifications_total", 0, ""},
        {"oxpecker_notifications_failed_total", 0, ""},
        {"oxpecker_notifications_suppressed_total", 0, ""}, /* later */
        {"oxpecker_outbox_entries", 0, ""},
        {"oxpecker_outbox_oldest_timestamp_seconds", 0, ""},
        {"oxpecker_cloudwatch_requests_total", 3, "outcome=\"failed\""},
        {"oxpecker_cloudwatch_last_success_timestamp_seconds", 0, ""},
        {"process_cpu_seconds_total", 1, ""},
        {"process_start_time_seconds", 1, ""},
        {"process_open_fds", 0, ""}, /* not before a collection */
    };
    const struct fixture *fixture = *state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char labels[256] = "";
        size_t count = count_series(fixture, rows[i].name, labels, sizeof labels);
        if (count != rows[i].series || strcmp(labels, rows[i].last) != 0) {
            print_error("%s: %zu series, %s\n", rows[i].name, count, labels);
            fail();
        }
    }
    for (size_t i = 0; i < OXP_SELF_METRICS; i++) {
        bool later = oxp_self_row((enum oxp_self_metric)i)->later != NULL;
        assert_int_equal(fixture->stats.families[i] == NULL, later);
    }
}

/* ---- The process ---- */

static void start_time(void **state) {
    const struct fixture *fixture = *state;
    double start = value(fixture, OXP_S_PROCESS_START_TIME_SECONDS);
    double now = (double)time(NULL);
    assert_true(start <= now + 1 && start > now - 600);
}

/* Asked one by one. */
static double count_fds_slowly(void) {
    unsigned count = 0;
    for (int fd = 0; fd < 4096; fd++) {
        count += fcntl(fd, F_GETFD) >= 0;
    }
    return count;
}

static void collection(void **state) {
    struct fixture *fixture = *state;
    oxp_selfstats_collect(&fixture->stats);
    double fds = value(fixture, OXP_S_PROCESS_OPEN_FDS);
    assert_true(fds == count_fds_slowly());
    int more[3];
    for (size_t i = 0; i < 3; i++) {
        more[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
        assert_true(more[i] >= 0);
    }
    oxp_selfstats_collect(&fixture->stats);
    assert_true(value(fixture, OXP_S_PROCESS_OPEN_FDS) == fds + 3);
    for (size_t i = 0; i < 3; i++) {
        close(more[i]);
    }
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    assert_true(value(fixture, OXP_S_PROCESS_MAX_FDS) == (double)limit.rlim_cur);
    double resident = value(fixture, OXP_S_PROCESS_RESIDENT_MEMORY_BYTES);
    assert_true(resident > 100e3 && resident < value(fixture, OXP_S_PROCESS_VIRTUAL_MEMORY_BYTES));
    assert_true(value(fixture, OXP_S_PROCESS_THREADS) >= 1);
    assert_true(value(fixture, OXP_S_SERIES) == (double)oxp_registry_series(fixture->registry));
    char labels[64];
    assert_int_equal(count_series(fixture, "process_open_fds", labels, sizeof labels), 1);
}

/* More descriptors than fit into one read of the directory. */
static void many_descriptors(void **state) {
    struct fixture *fixture = *state;
    oxp_selfstats_collect(&fixture->stats);
    double before = value(fixture, OXP_S_PROCESS_OPEN_FDS);
    int fds[400];
    for (size_t i = 0; i < 400; i++) {
        fds[i] = fcntl(0, F_DUPFD_CLOEXEC, 0);
        assert_true(fds[i] >= 0);
    }
    oxp_selfstats_collect(&fixture->stats);
    assert_true(value(fixture, OXP_S_PROCESS_OPEN_FDS) == before + 400);
    for (size_t i = 0; i < 400; i++) {
        close(fds[i]);
    }
}

static double cpu_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* The command's name stands in the middle of /proc/self/stat and may look like its fields. */
static void cpu_time_whatever_the_name(void **state) {
    struct fixture *fixture = *state;
    static const char *const names[] = {"a) b (c 1 2", ")", "x) S 1 2 3", "plain"};
    while (cpu_now() < 0.1) {
    }
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        assert_int_equal(prctl(PR_SET_NAME, names[i]), 0);
        oxp_selfstats_collect(&fixture->stats);
        assert_true(fabs(value(fixture, OXP_S_PROCESS_CPU_SECONDS_TOTAL) - cpu_now()) < 0.05);
        assert_true(value(fixture, OXP_S_PROCESS_THREADS) < 100);
    }
    /* a counter: a collection later never shows less */
    double last = value(fixture, OXP_S_PROCESS_CPU_SECONDS_TOTAL);
    for (size_t i = 0; i < 50; i++) {
        oxp_selfstats_collect(&fixture->stats);
        double now = value(fixture, OXP_S_PROCESS_CPU_SECONDS_TOTAL);
        assert_true(now >= last);
        last = now;
    }
}

static void a_collection_allocates_nothing(void **state) {
    struct fixture *fixture = *state;
    oxp_selfstats_collect(&fixture->stats);
    alloc_fail_at(1);
    oxp_selfstats_collect(&fixture->stats);
    assert_false(alloc_fail_hit());
    alloc_fail_at(0);
}

static void a_name_that_is_taken(void **state) {
    struct fixture *fixture = *state;
    struct oxp_selfstats again;
    assert_int_equal(oxp_selfstats_register(&again, fixture->registry, "1", "2"), OXP_ERR_EXISTS);
}

static void register_once(void *ctx) {
    (void)ctx;
    struct oxp_registry *registry = NULL;
    struct oxp_registry_options options = {0};
    if (oxp_registry_new(&options, &registry) != OXP_OK) {
        return;
    }
    struct oxp_selfstats stats;
    enum oxp_status status = oxp_selfstats_register(&stats, registry, "1", "2");
    assert_true(status == OXP_OK || (status == OXP_ERR_NOMEM && alloc_fail_hit()));
    oxp_registry_free(registry);
}

static void allocations_fail(void **state) {
    (void)state;
    assert_true(alloc_fail_each(register_once, NULL) > OXP_SELF_METRICS / 4);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_complete),
        TEST(families_and_labels),
        TEST(start_time),
        TEST(collection),
        TEST(many_descriptors),
        TEST(cpu_time_whatever_the_name),
        TEST(a_collection_allocates_nothing),
        TEST(a_name_that_is_taken),
        cmocka_unit_test(allocations_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
