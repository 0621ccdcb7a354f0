/* What one event costs in the ledger, parsed before. Prints `name value unit limit_name limit_value`, the best of
 * several rounds; the limits are measured beside it: reading the wall clock and observing a histogram through a handle,
 * which no event can do without, and for a journaled one a write of 200 bytes besides. */
#include "exporter/ledger/ledger.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { ROUNDS = 9, TIMES = 20000, IDS = 256 };

static double now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static struct oxp_event event;
static char session_ids[IDS][40], task_ids[IDS][24];

static void number(enum oxp_field field, double value) {
    event.present[field / 64] |= UINT64_C(1) << (field % 64);
    event.values[field].number = value;
}

static void flag(enum oxp_field field, bool value) {
    event.present[field / 64] |= UINT64_C(1) << (field % 64);
    event.values[field].flag = value;
}

static void text(enum oxp_field field, const char *value) {
    event.present[field / 64] |= UINT64_C(1) << (field % 64);
    event.values[field].text = oxp_view_from(value);
}

static void begin(enum oxp_event_type type) {
    oxp_event_clear(&event);
    event.type = type;
}

/* One more of a kind; `n` numbers them. Each gives one event, or all of a life in turn. */
typedef void make_fn(unsigned n);

static void operation(unsigned n) {
    begin(OXP_EVENT_OPERATION);
    text(OXP_FIELD_OP, n % 2 != 0 ? "extract" : "act");
    flag(OXP_FIELD_OK, true);
    number(OXP_FIELD_DURATION_S, 1.5);
}

static void operation_of_session(unsigned n) {
    operation(n);
    text(OXP_FIELD_SESSION, session_ids[n % IDS]);
    text(OXP_FIELD_TRACE_ID, "0af7651916cd43dd8448eb211c80319c");
}

static void operation_with_model(unsigned n) {
    operation_of_session(n);
    text(OXP_FIELD_TASK, task_ids[n % IDS]);
    text(OXP_FIELD_MODEL, "gpt-4.1-mini");
    number(OXP_FIELD_TOKENS_INPUT, 1834);
    number(OXP_FIELD_TOKENS_OUTPUT, 92);
    number(OXP_FIELD_INFERENCE_S, 1.1);
    text(OXP_FIELD_CACHE, "miss");
}

static void breaker_calls(unsigned n) {
    (void)n;
    begin(OXP_EVENT_BREAKER_CALLS);
    text(OXP_FIELD_NAME, "bb_api");
    number(OXP_FIELD_SUCCESS, 9);
    number(OXP_FIELD_FAILURE, 1);
}

/* Starts and ends in turn, so many ids that none is remembered as ended when it starts again. */
static void session(unsigned n) {
    static char id[40];
    snprintf(id, sizeof id, "3f2c9a1e-77b0-4d1c-9a55-%012x", n / 2);
    begin(n % 2 == 0 ? OXP_EVENT_SESSION_STARTED : OXP_EVENT_SESSION_ENDED);
    text(OXP_FIELD_SESSION, id);
    text(n % 2 == 0 ? OXP_FIELD_REGION : OXP_FIELD_STATUS, n % 2 == 0 ? "us-east-1" : "COMPLETED");
}

static void task(unsigned n) {
    static char id[40];
    static const enum oxp_event_type types[] = {OXP_EVENT_TASK_QUEUED, OXP_EVENT_TASK_STARTED, OXP_EVENT_TASK_PROGRESS,
                                                OXP_EVENT_TASK_ENDED};
    snprintf(id, sizeof id, "task-%08x", n / 4);
    begin(types[n % 4]);
    text(OXP_FIELD_TASK, id);
    text(OXP_FIELD_WORKFLOW, "collect");
    if (n % 4 == 3) {
        text(OXP_FIELD_STATUS, "succeeded");
    }
}

static void error(unsigned n) {
    begin(OXP_EVENT_ERROR);
    text(OXP_FIELD_UPSTREAM, "browserbase");
    text(OXP_FIELD_OP, "act");
    number(OXP_FIELD_HTTP_STATUS, 500 + n % 4);
}

/* Half of it operations, as in a real life. */
static void mix(unsigned n) {
    switch (n % 8) {
    case 0:
    case 2:
        session(n / 8 * 2 + (n % 8) / 2);
        break;
    case 1:
    case 3:
    case 5:
    case 7:
        operation_with_model(n);
        break;
    case 4:
        breaker_calls(n);
        break;
    default:
        task(n / 8);
        break;
    }
}

static struct oxp_ledger *ledger;
static unsigned counter;

static void apply(void) {
    enum oxp_reject reason;
    struct oxp_error why;
    enum oxp_status status = oxp_ledger_apply(ledger, &event, 1, &reason, &why);
    if (status < 0) {
        fprintf(stderr, "refused: %s\n", why.text);
        exit(1);
    }
}

static double least_of(double a, double b) {
    return a < b ? a : b;
}

/* Nanoseconds for one event: the best round of making and applying, less the best round of making alone. */
static double measure(make_fn *make) {
    double making = 1e18, both = 1e18;
    for (int round = 0; round < ROUNDS; round++) {
        double began = now_ns();
        for (int i = 0; i < TIMES; i++) {
            make(counter + (unsigned)i);
        }
        making = least_of(making, now_ns() - began);
        began = now_ns();
        for (int i = 0; i < TIMES; i++) {
            make(counter++);
            apply();
        }
        both = least_of(both, now_ns() - began);
        oxp_ledger_tick(ledger);
    }
    return (both - making) / TIMES;
}

static double floor_of_an_event(void) {
    static const double bounds[] = {0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 30, 60, 120, 300};
    static const struct oxp_family_spec spec = {.name = "bench_seconds",
                                                .help = "limit",
                                                .unit = "seconds",
                                                .type = OXP_HISTOGRAM,
                                                .bounds = bounds,
                                                .bound_count = 12};
    struct oxp_registry *registry;
    struct oxp_family *family;
    if (oxp_registry_new(NULL, &registry) != OXP_OK || oxp_registry_add(registry, &spec, &family) != OXP_OK) {
        exit(1);
    }
    struct oxp_series *series = oxp_family_only(family);
    double best = 1e18;
    for (int round = 0; round < ROUNDS; round++) {
        double began = now_ns();
        for (int i = 0; i < TIMES; i++) {
            double now = oxp_wall_seconds(oxp_clock_wall(oxp_clock_system()));
            oxp_histogram_observe(series, now > 0 ? 1.5 : 0);
        }
        double took = now_ns() - began;
        best = took < best ? took : best;
    }
    oxp_registry_free(registry);
    return best / TIMES;
}

static double floor_of_a_write(const char *directory) {
    static const char record[200];
    char path[128];
    double best = 1e18;
    snprintf(path, sizeof path, "%s/limit", directory);
    int fd = open(path, O_CREAT | O_WRONLY | O_APPEND, 0600);
    for (int round = 0; round < ROUNDS && fd >= 0; round++) {
        double began = now_ns();
        for (int i = 0; i < TIMES; i++) {
            if (write(fd, record, sizeof record) < 0) {
                exit(1);
            }
        }
        double took = now_ns() - began;
        best = took < best ? took : best;
    }
    if (fd >= 0) {
        close(fd);
        (void)unlink(path);
    }
    return best / TIMES;
}

static const struct {
    const char *name;
    make_fn *make;
} kinds[] = {
    {"operation", operation},
    {"operation_of_session_with_exemplar", operation_of_session},
    {"operation_of_session_and_task_with_model", operation_with_model},
    {"breaker_calls", breaker_calls},
    {"session_event", session},
    {"task_event", task},
    {"error_classified", error},
    {"mix", mix},
};

static void open_some(void) {
    for (unsigned i = 0; i < IDS; i++) {
        begin(OXP_EVENT_SESSION_STARTED);
        snprintf(session_ids[i], sizeof session_ids[i], "aaaaaaaa-77b0-4d1c-9a55-%012x", i);
        text(OXP_FIELD_SESSION, session_ids[i]);
        apply();
        begin(OXP_EVENT_TASK_STARTED);
        snprintf(task_ids[i], sizeof task_ids[i], "long-%08x", i);
        text(OXP_FIELD_TASK, task_ids[i]);
        apply();
    }
}

static struct oxp_registry *new_ledger(void) {
    struct oxp_registry *registry;
    struct oxp_ledger_options options = {.clock = oxp_clock_system(),
                                         .liveness_s = 30,
                                         .reconnect_grace_s = 5,
                                         .idle_limit_s = 600,
                                         .stall_limit_s = 300};
    if (oxp_registry_new(NULL, &registry) != OXP_OK || oxp_ledger_new(&options, registry, &ledger) != OXP_OK) {
        exit(1);
    }
    begin(OXP_EVENT_ORCHESTRATOR_STARTED);
    text(OXP_FIELD_BOOT, "9f86d081884c7d65");
    apply();
    return registry;
}

static void run(const char *suffix, double limit, const char *limit_name) {
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        printf("ledger_%s%s %.0f ns %s %.0f\n", kinds[i].name, suffix, measure(kinds[i].make), limit_name, limit);
    }
}

int main(void) {
    char directory[] = "/tmp/oxp-ledger-bench-XXXXXX", path[128];
    struct oxp_error why;
    double least = floor_of_an_event();
    struct oxp_registry *registry = new_ledger();
    open_some();
    run("", least, "clock_and_observe");
    oxp_ledger_free(ledger);
    oxp_registry_free(registry);

    if (mkdtemp(directory) == NULL) {
        return 1;
    }
    double write_least = floor_of_a_write(directory);
    registry = new_ledger();
    if (oxp_ledger_open(ledger, directory, &why) != OXP_OK) {
        fprintf(stderr, "%s\n", why.text);
        return 1;
    }
    open_some();
    run("_journaled", least + write_least, "with_a_write");
    oxp_ledger_free(ledger);
    oxp_registry_free(registry);
    const char *files[] = {"ledger.journal", "ledger.lock"};
    for (size_t i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/%s", directory, files[i]);
        (void)unlink(path);
    }
    (void)rmdir(directory);
    return 0;
}
