/* The catalogue as a table, and that every family it registers has a mover that really moves it. */
#include "exporter/ledger/catalogue.h"
#include "exporter/ledger/numbers.h"
#include "tests/unit/exporter/ledger/world.h"
/* cmocka wants these before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static void rows_are_whole(void **state) {
    (void)state;
    for (unsigned m = 0; m < OXP_METRICS; m++) {
        const struct oxp_catalogue_row *row = oxp_catalogue_row((enum oxp_metric)m);
        const char *name = row->spec.name;
        if (strncmp(name, "orchestrator_", 13) != 0) {
            fail_msg("%s: not one of ours", name);
        }
        if (row->section == NULL || row->spec.help == NULL || row->spec.help[0] == '\0') {
            fail_msg("%s: no section or help", name);
        }
        if (row->mover == NULL || row->mover[0] == '\0') {
            fail_msg("%s: nothing moves it", name);
        }
        bool total = strlen(name) > 6 && strcmp(name + strlen(name) - 6, "_total") == 0;
        bool counter = row->spec.type == OXP_COUNTER || row->spec.type == OXP_COUNTER_FLOAT;
        if (total != counter) {
            fail_msg("%s: _total and counters go together", name);
        }
        if ((row->spec.type == OXP_HISTOGRAM) != (row->spec.bound_count > 0)) {
            fail_msg("%s: buckets and histograms go together", name);
        }
        for (unsigned n = 0; n < m; n++) {
            if (strcmp(oxp_catalogue_row((enum oxp_metric)n)->spec.name, name) == 0) {
                fail_msg("%s: twice", name);
            }
        }
    }
    assert_null(oxp_catalogue_row(OXP_METRICS));
}

/* Section 4, in its words: the number of series of a family with its bounds full. */
static void bounds_are_those_of_the_domain_catalogue(void **state) {
    static const struct {
        enum oxp_metric metric;
        unsigned series;
    } rows[] = {
        {OXP_M_SESSIONS_STARTED, 5},
        {OXP_M_SESSIONS_ENDED, 4},
        {OXP_M_SESSIONS_ACTIVE, 3},
        {OXP_M_WORKFLOW_RUNS, 85},
        {OXP_M_TASKS_ENDED, 102},
        {OXP_M_TASKS_ACTIVE, 17},
        {OXP_M_OPERATION_DURATION, 24},
        {OXP_M_RETRY_ATTEMPTS, 90},
        {OXP_M_RETRY_OPERATIONS, 24},
        {OXP_M_BREAKER_STATE, 48},
        {OXP_M_BREAKER_CALLS, 64},
        {OXP_M_QUEUE_EVENTS, 5},
        {OXP_M_CAPTCHAS, 4},
        {OXP_M_SESSION_DISCONNECTS, 6},
        {OXP_M_RECOVERIES, 27},
        {OXP_M_CHECKPOINT_RESTORES, 4},
        {OXP_M_SESSION_CREATE_FAILURES, 24},
        {OXP_M_UNHANDLED, 16},
        {OXP_M_ESCALATIONS, 12},
        {OXP_M_FALLBACKS, 32},
        {OXP_M_DEGRADED, 16},
        {OXP_M_FIXES_APPLIED, 32},
        {OXP_M_STAGE_ITEMS, 6},
        {OXP_M_QUOTA_USED, 6},
        {OXP_M_WORKERS, 2},
        {OXP_M_PRESSURE, 6},
        {OXP_M_FILESYSTEM_AVAIL, 2},
        {OXP_M_FUNCTION_DURATION, 32},
        {OXP_M_AGENT_LIMIT_HITS, 4},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct oxp_family_spec *spec = &oxp_catalogue_row(rows[i].metric)->spec;
        unsigned series = 1;
        for (unsigned l = 0; l < OXP_LABELS_MAX && spec->labels[l].key != NULL; l++) {
            unsigned count = 0;
            while (spec->labels[l].values != NULL && spec->labels[l].values[count] != NULL) {
                count++;
            }
            series *= spec->labels[l].values == NULL ? spec->labels[l].bound : count;
        }
        if (series != rows[i].series) {
            fail_msg("%s: %u series, not %u", spec->name, series, rows[i].series);
        }
    }
    assert_int_equal(oxp_catalogue_row(OXP_M_ERRORS)->spec.max_series, 256);
}

/* The places that numbers.h names. */
static void places_are_where_the_code_thinks(void **state) {
    static const struct {
        enum oxp_metric metric;
        unsigned label, place;
        const char *text;
    } rows[] = {
        {OXP_M_SESSIONS_ACTIVE, 0, OXP_SESSION_PENDING, "pending"},
        {OXP_M_SESSIONS_ACTIVE, 0, OXP_SESSION_RUNNING, "running"},
        {OXP_M_SESSIONS_ACTIVE, 0, OXP_SESSION_RELEASING, "releasing"},
        {OXP_M_SESSIONS_STARTED, 0, OXP_REGION_OTHER, "other"},
        {OXP_M_SESSIONS_ENDED, 0, OXP_SESSION_UNKNOWN, "unknown"},
        {OXP_M_SESSION_CREATE_DURATION, 0, OXP_OK_OK, "ok"},
        {OXP_M_SESSION_CREATE_DURATION, 0, OXP_OK_FAILED, "error"},
        {OXP_M_SESSION_RECONNECTS, 0, OXP_OK_FAILED, "failed"},
        {OXP_M_SESSION_DISCONNECTS, 0, OXP_DISCONNECT_NETWORK, "network"},
        {OXP_M_SESSION_DISCONNECTS, 0, OXP_DISCONNECT_UNKNOWN, "unknown"},
        {OXP_M_WORKFLOW_RUNS, 1, OXP_RUN_FAILED, "failed"},
        {OXP_M_TASKS_ENDED, 1, OXP_TASK_FAILED, "failed"},
        {OXP_M_TASKS_ENDED, 1, OXP_TASK_CANCELLED, "cancelled"},
        {OXP_M_OPERATION_DURATION, 0, OXP_OPERATION_OTHER, "other"},
        {OXP_M_OPERATION_DURATION, 1, OXP_OUTCOME_OK, "ok"},
        {OXP_M_OPERATION_DURATION, 1, OXP_OUTCOME_ERROR, "error"},
        {OXP_M_LLM_TOKENS, 0, OXP_MODEL_OPERATION_OTHER, "other"},
        {OXP_M_LLM_INFERENCE, 0, OXP_MODEL_OPERATION_OTHER, "other"},
        {OXP_M_CACHE_REQUESTS, 0, OXP_CACHE_OPERATION_OTHER, "other"},
        {OXP_M_RETRY_ATTEMPTS, 0, OXP_UPSTREAM_OTHER, "other"},
        {OXP_M_RETRY_ATTEMPTS, 1, OXP_CATEGORY_UNKNOWN, "unknown"},
        {OXP_M_BREAKER_STATE, 1, OXP_BREAKER_CLOSED, "closed"},
        {OXP_M_BREAKER_STATE, 1, OXP_BREAKER_OPEN, "open"},
        {OXP_M_BREAKER_STATE, 1, OXP_BREAKER_HALF_OPEN, "half_open"},
        {OXP_M_ERROR_DETECTION, 0, OXP_SOURCE_CLIENT, "client"},
        {OXP_M_ERROR_DETECTION, 0, OXP_SOURCE_LOG, "log"},
        {OXP_M_ERROR_DETECTION, 0, OXP_SOURCE_POLLER, "poller"},
        {OXP_M_ERROR_DETECTION, 0, OXP_SOURCE_WATCHDOG, "watchdog"},
        {OXP_M_ERRORS_SUPPRESSED, 0, OXP_SUPPRESS_CLEANUP, "cleanup"},
        {OXP_M_ERRORS_SUPPRESSED, 0, OXP_SUPPRESS_DUPLICATE, "duplicate"},
        {OXP_M_ERRORS, 1, OXP_CATEGORY_SECURITY, "security"},
        {OXP_M_ERRORS, 3, OXP_SEVERITY_MEDIUM, "medium"},
        {OXP_M_INCIDENTS_ACTIVE, 0, OXP_SEVERITY_MEDIUM, "medium"},
        {OXP_M_TASKS_ENDED, 1, OXP_TASK_SUCCEEDED, "succeeded"},
        {OXP_M_TASKS_ENDED, 1, OXP_TASK_DEGRADED, "degraded"},
        {OXP_M_TASKS_ENDED, 1, OXP_TASK_SKIPPED, "skipped"},
        {OXP_M_RECOVERIES, 0, OXP_DOES_RETRY, "retry"},
        {OXP_M_RECOVERIES, 0, OXP_DOES_REQUEUE, "requeue"},
        {OXP_M_RECOVERIES, 0, OXP_DOES_REPLACE, "replace"},
        {OXP_M_RECOVERIES, 0, OXP_DOES_FALLBACK, "fallback"},
        {OXP_M_RECOVERIES, 0, OXP_DOES_SKIP, "skip"},
        {OXP_M_RECOVERIES, 0, OXP_DOES_DEBUG, "debug"},
        {OXP_M_RECOVERIES, 0, OXP_DOES_ESCALATE, "escalate"},
        {OXP_M_RECOVERIES, 1, OXP_ENDED_RECOVERED, "recovered"},
        {OXP_M_RECOVERIES, 1, OXP_ENDED_FAILED, "failed"},
        {OXP_M_RECOVERIES, 1, OXP_ENDED_MANUAL, "manual"},
        {OXP_M_RECOVERY_DURATION, 0, OXP_AUTO_SEMI, "semi"},
        {OXP_M_RECOVERY_DURATION, 0, OXP_AUTO_MANUAL, "manual"},
        {OXP_M_ESCALATIONS, 1, OXP_REASON_NO_FIX, "no_fix"},
        {OXP_M_ESCALATIONS, 1, OXP_REASON_SECURITY, "security"},
        {OXP_M_TRANSACTIONS, 0, OXP_TRANSACTION_COMMITTED, "committed"},
        {OXP_M_DEBUGGER_RUNS, 0, OXP_DEBUGGER_FIXED, "fixed"},
        {OXP_M_DEBUGGER_RUNS, 0, OXP_DEBUGGER_SUGGESTED, "suggested"},
        {OXP_M_CHECKPOINT_RESTORES, 0, OXP_RESTORE_CORRUPT, "corrupt"},
        {OXP_M_AGENT_LIMIT_HITS, 0, OXP_LIMIT_MAX_STEPS, "max_steps"},
        {OXP_M_AGENT_LIMIT_HITS, 0, OXP_LIMIT_LOOP, "loop"},
        {OXP_M_QUEUE_LENGTH, 0, OXP_PRIORITY_NORMAL, "normal"},
        {OXP_M_QUEUE_EVENTS, 0, OXP_QUEUE_REQUEUED, "requeued"},
        {OXP_M_QUEUE_EVENTS, 0, OXP_QUEUE_CANCELLED, "cancelled"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *text = oxp_numbers_text(rows[i].metric, rows[i].label, rows[i].place);
        if (strcmp(text, rows[i].text) != 0) {
            fail_msg("row %zu: \"%s\", not \"%s\"", i, text, rows[i].text);
        }
    }
    assert_int_equal(oxp_numbers_place(OXP_M_TASKS_ENDED, 1, OXP_VIEW("TIMED_OUT")), 3);
    assert_int_equal(oxp_numbers_place(OXP_M_TASKS_ENDED, 1, OXP_VIEW("timed_ou")), -1);
    assert_int_equal(oxp_numbers_place(OXP_M_TASKS_ENDED, 1, OXP_VIEW("timed_out\0x")), -1);
    assert_int_equal(oxp_numbers_place(OXP_M_TASKS_ENDED, 1, OXP_VIEW("")), -1);
}

/* Everything that the classifier can give is there at 0, under its own name. */
static void codes_are_there_from_the_start(void **state) {
    (void)state;
    struct world *world = malloc(sizeof *world);
    assert_non_null(world);
    world_init(world, false);
    const struct oxp_code *code;
    char name[256];
    size_t total = 0;
    for (size_t i = 0;; i++) {
        code = oxp_code_at(i);
        if (code == NULL) {
            break;
        }
        total++;
        snprintf(name, sizeof name, "orchestrator_errors_total{code=%s,category=%s,class=%s,severity=%s}", code->name,
                 code->category, code->class, code->severity);
        if (world_value(world, name) != 0) {
            fail_msg("%s is not there", name);
        }
        for (size_t s = 0; strcmp(code->class, "fatal") == 0 && s < 2; s++) { /* an event may say that it is worse */
            snprintf(name, sizeof name, "orchestrator_errors_total{code=%s,category=%s,class=fatal,severity=%s}",
                     code->name, code->category, s == 0 ? "high" : "critical");
            if (world_value(world, name) != 0) {
                fail_msg("%s is not there", name);
            }
        }
        snprintf(name, sizeof name, "orchestrator_session_create_failures_total{code=%s}", code->name);
        if (isnan(world_value(world, name)) == code->session_create) {
            fail_msg("%s", name);
        }
        snprintf(name, sizeof name, "orchestrator_session_release_failures_total{code=%s}", code->name);
        if (isnan(world_value(world, name)) == code->session_release) {
            fail_msg("%s", name);
        }
    }
    assert_true(total > 50);
    world_fini(world);
    free(world);
}

/* ---- A family without a mover is a defect ---- */

/* The text of all that a scrape shows of each family. */
static char *picture(const struct world *world, const char *family) {
    static char text[65536];
    struct oxp_snapshot snapshot;
    const struct oxp_family_spec *spec;
    struct oxp_sample sample;
    size_t len = 0;
    text[0] = '\0';
    oxp_snapshot_begin(&snapshot, world->registry, WORLD_BEGAN + 1e6); /* the same time in both pictures: ages differ */
    size_t shared = strcspn(family, "<"); /* "orchestrator_app_<name>": those that begin so */
    while (oxp_snapshot_family(&snapshot, &spec) == OXP_OK) {
        bool same = family[shared] == '\0' ? strcmp(spec->name, family) == 0 : strncmp(spec->name, family, shared) == 0;
        while (same && oxp_snapshot_next(&snapshot, &sample) == OXP_OK && len < sizeof text) {
            int n = snprintf(text + len, sizeof text - len, "%.*s=%g;", (int)sample.labels.len, sample.labels.ptr,
                             sample.value);
            len += n > 0 ? (size_t)n : 0;
        }
    }
    char *copy = strdup(text);
    assert_non_null(copy);
    return copy;
}

/* One of each, and what only time moves. Sessions, tasks and sleeps stay open, so that gauges show them. */
static const char *const day[] = {
    "1> orchestrator.started boot=b1 version=1 sessions_limit=9 create_limit=9",
    "1> orchestrator.heartbeat",
    "1> workflow.started workflow=w run=1",
    "1> workflow.ended workflow=w run=1 status=succeeded",
    "1> session.creating ref=r1",
    "1> session.started session=a create_s=1 ref=r1",
    "1> session.connected session=a reconnect=true",
    "1> session.disconnected session=a",
    "1> session.replaced session=a old=z",
    "1> session.releasing session=a",
    "1> session.started session=b",
    "1> session.ended session=b status=COMPLETED proxy_bytes=5",
    "1> task.queued task=q",
    "1> task.queued task=t",
    "1> task.started task=t workflow=w",
    "1> task.progress task=t pct=5",
    "1> task.started task=u workflow=w",
    "1> task.ended task=u status=succeeded",
    "1> operation op=act ok=true duration_s=1 model=m tokens.input=5 inference_s=1 cache=hit tokens_saved=3 steps=2",
    "1> captcha state=solved duration_s=5",
    "1> error op=session.create code=bb_auth occurred_at=now-1 cleanup=true unhandled=true",
    "1> error op=session.release code=bb_release_failed",
    "1> retry op=act delay_s=5000 attempt=2",
    "1> retry op=observe outcome=recovered attempts=2",
    "1> retry op=observe reason=rate",
    "1> breaker name=x to=open failures=5",
    "1> breaker name=y to=open",
    "1> breaker name=y to=closed cause=manual",
    "1> breaker.calls name=x success=1",
    "1> error code=agent_loop",
    "1> error code=sec_violation",
    "1> recovery state=started incident=i",
    "1> recovery state=escalated incident=j",
    "1> recovery state=ended incident=j outcome=recovered",
    "1> degraded component=browser on=true ok=true",
    "1> transaction outcome=rolled_back steps=2 duration_s=1",
    "1> debugger outcome=fixed fix=f",
    "1> stage stage=collection items_ok=1 sessions=1 duration_s=1",
    "1> metric name=f kind=function value=1 ok=false",
    "1> metric name=pages kind=counter value=1",
    "1> span name=s",
    "1> log message=x",
    "1> alert message=x",
    "1> audit action=x",
    "1> checkpoint op=saved ok=true overhead_s=1 write_s=1 stored=1 stored_bytes=1 backlog=1",
    "1> checkpoint op=restored ok=true",
    "1> checkpoint op=verified ok=true",
    "1> checkpoint op=removed reason=age",
    "1> queue low.length=4 low.oldest_s=9 workers_busy=1 quota.disk=0.5",
    "1> resource cpu_user_s=1 rss=1 read_bytes=1 fds=1 max_fds=1 threads=1 mount=spool avail_bytes=1",
    "1> resource container.cpu_s=1 container.throttled_s=1 container.working_set=1 container.memory_limit=1 "
    "container.oom_kills=1 pressure.io_some_s=1",
    "2> orchestrator.started boot=w1 writer=main/2",
    "2> session.started session=c",
    "2> orchestrator.stopping",
    "drop 2",
    "pass 301",
    "drop 1",
    "3> orchestrator.started boot=b2",
    "3> task.started task=v workflow=w",
    "3> session.started session=d",
    "3> retry op=act delay_s=5000 attempt=2",
    "3> task.queued task=q2",
    "3> breaker name=x to=open failures=5",
    "3> degraded component=browser on=true",
    "3> checkpoint op=verified ok=true backlog=2",
    "pass 301",
    "answer complete limit=25 usage=60 bytes=1 x:running",
    "released a ok",
    "3> queue workers_busy=1",
    "3> resource rss=2 fds=2 max_fds=2 threads=2 mount=spool avail_bytes=2 container.working_set=2 "
    "container.memory_limit=2",
};

static bool is_in_day(enum oxp_event_type type) {
    char name[64];
    snprintf(name, sizeof name, "> %s ", oxp_type_spec(type)->name);
    for (size_t i = 0; i < sizeof day / sizeof *day; i++) {
        char line[256];
        snprintf(line, sizeof line, "%s ", day[i]);
        if (strstr(line, name) != NULL) {
            return true;
        }
    }
    return false;
}

static void every_family_is_moved(void **state) {
    (void)state;
    struct world *world = malloc(sizeof *world);
    char *before[OXP_METRICS], why[512];
    assert_non_null(world);
    world_init(world, false);
    for (unsigned m = 0; m < OXP_METRICS; m++) {
        before[m] = picture(world, oxp_catalogue_row((enum oxp_metric)m)->spec.name);
    }
    for (size_t i = 0; i < sizeof day / sizeof *day; i++) {
        if (!world_line(world, day[i], why)) {
            fail_msg("\"%s\": %s", day[i], why);
        }
    }
    for (unsigned m = 0; m < OXP_METRICS; m++) {
        const struct oxp_catalogue_row *row = oxp_catalogue_row((enum oxp_metric)m);
        char *after = picture(world, row->spec.name);
        bool moved = strcmp(before[m], after) != 0;
        if (!moved) {
            fail_msg("nothing moved %s: %s", row->spec.name, after);
        }
        free(before[m]);
        free(after);
    }
    world_fini(world);
    free(world);
}

static void every_type_is_in_the_day(void **state) {
    (void)state;
    for (unsigned t = OXP_EVENT_NONE + 1; t < OXP_EVENT_TYPES; t++) {
        if (!is_in_day((enum oxp_event_type)t)) {
            fail_msg("%s is not in the day", oxp_type_spec((enum oxp_event_type)t)->name);
        }
    }
}

/* Whatever an event states, the errors stay within their bound, each under its own code, and none is lost. */
static void errors_keep_their_bound(void **state) {
    static const char *const categories[] = {"",
                                             "browserbase",
                                             "stagehand",
                                             "network",
                                             "data_processing",
                                             "file_processing",
                                             "agent_execution",
                                             "memory_storage",
                                             "vector_db",
                                             "api_call",
                                             "configuration",
                                             "system",
                                             "security",
                                             "resource",
                                             "recovery",
                                             "unknown"};
    static const char *const severities[] = {"", "low", "medium", "high", "critical"};
    (void)state;
    struct world *world = malloc(sizeof *world);
    assert_non_null(world);
    world_init(world, false);
    size_t sent = 0, series = 0;
    double counted = 0;
    for (size_t i = 0;; i++) {
        const struct oxp_code *code = oxp_code_at(i);
        const char *name = code != NULL ? code->name : "a_code_of_my_own";
        for (size_t c = 0; c < sizeof categories / sizeof *categories; c++) {
            for (size_t s = 0; s < sizeof severities / sizeof *severities; s++) {
                char text[256];
                snprintf(text, sizeof text, "error code=%s%s%s%s%s", name, c == 0 ? "" : " category=", categories[c],
                         s == 0 ? "" : " severity=", severities[s]);
                assert_int_equal(world_apply(world, 0, text), OXP_OK);
                sent++;
            }
        }
        if (code == NULL) {
            break;
        }
    }
    struct oxp_snapshot snapshot;
    struct oxp_sample sample;
    const struct oxp_family_spec *spec;
    oxp_snapshot_begin(&snapshot, world->registry, WORLD_BEGAN);
    while (oxp_snapshot_family(&snapshot, &spec) == OXP_OK) {
        while (strcmp(spec->name, "orchestrator_errors_total") == 0 &&
               oxp_snapshot_next(&snapshot, &sample) == OXP_OK) {
            series++;
            counted += sample.value;
            struct oxp_view labels = sample.labels;
            if (oxp_view_starts(labels, OXP_VIEW("code=\"other\""))) {
                fail_msg("one has spilled: %.*s", (int)labels.len, labels.ptr);
            }
        }
    }
    if (series > 256 || counted != (double)sent) {
        fail_msg("%zu series, %g of %zu errors", series, counted, sent);
    }
    world_fini(world);
    free(world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_whole),
        cmocka_unit_test(bounds_are_those_of_the_domain_catalogue),
        cmocka_unit_test(places_are_where_the_code_thinks),
        cmocka_unit_test(codes_are_there_from_the_start),
        cmocka_unit_test(every_family_is_moved),
        cmocka_unit_test(every_type_is_in_the_day),
        cmocka_unit_test(errors_keep_their_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
