/* The small parts (heap, list of what has ended), the views of the API, the journal's failures, and memory that runs
 * out. */
#include "exporter/ledger/closed.h"
#include "exporter/ledger/heap.h"
#include "exporter/ledger/journal.h"
#include "exporter/ledger/list.h"
#include "lib/base/random.h"
#include "tests/support/alloc_fail.h"
#include "tests/unit/exporter/ledger/world.h"
/* cmocka wants these before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- heap ---- */

enum { NODES = 500 };

static void heap_gives_the_least(void **state) {
    static struct oxp_heap_node nodes[NODES];
    struct oxp_heap heap = {0};
    struct oxp_random random;
    (void)state;
    oxp_random_seed(&random, 7);
    for (size_t round = 0; round < 20000; round++) {
        struct oxp_heap_node *node = &nodes[oxp_random_u64(&random) % NODES];
        if (node->at == 0) {
            assert_int_equal(oxp_heap_reserve(&heap, heap.count + 1), OXP_OK);
            oxp_heap_put(&heap, node, (double)(oxp_random_u64(&random) % 100));
        } else {
            oxp_heap_take(&heap, node);
            oxp_heap_take(&heap, node); /* a second time does nothing */
        }
        double least = INFINITY;
        size_t in = 0;
        for (size_t i = 0; round % 97 == 0 && i < NODES; i++) {
            in += nodes[i].at != 0;
            least = nodes[i].at != 0 && nodes[i].key < least ? nodes[i].key : least;
        }
        if (round % 97 == 0) {
            assert_int_equal(in, heap.count);
            assert_true(in == 0 ? oxp_heap_least(&heap) == NULL : oxp_heap_least(&heap)->key == least);
        }
    }
    for (double last = -1; heap.count > 0;) {
        struct oxp_heap_node *node = oxp_heap_least(&heap);
        assert_true(node->key >= last);
        last = node->key;
        oxp_heap_take(&heap, node);
    }
    assert_null(oxp_heap_least(&heap));
    oxp_heap_fini(&heap);
}

/* ---- closed ---- */

static uint64_t hash_of(const struct oxp_closed *closed, unsigned id) {
    char text[16];
    snprintf(text, sizeof text, "%u", id);
    return oxp_closed_hash(closed, 's', oxp_view_from(text));
}

static void closed_remembers_the_newest(void **state) {
    struct oxp_closed closed;
    (void)state;
    oxp_closed_init(&closed);
    const unsigned total = OXP_CLOSED_MAX * 2 + 17;
    for (unsigned i = 0; i < total; i++) {
        oxp_closed_put(&closed, hash_of(&closed, i), i % 2 == 0 ? OXP_CLOSED_ENDED : OXP_CLOSED_WRITTEN_OFF);
    }
    for (unsigned i = 0; i < total; i++) {
        enum oxp_closed_how wanted = i % 2 == 0 ? OXP_CLOSED_ENDED : OXP_CLOSED_WRITTEN_OFF;
        wanted = i < total - OXP_CLOSED_MAX ? OXP_CLOSED_NOT : wanted;
        if (oxp_closed_find(&closed, hash_of(&closed, i)) != wanted) {
            fail_msg("id %u", i);
        }
    }
    oxp_closed_put(&closed, hash_of(&closed, total - 1), OXP_CLOSED_WRITTEN_OFF);
    assert_int_equal(oxp_closed_find(&closed, hash_of(&closed, total - 1)), OXP_CLOSED_WRITTEN_OFF);
    oxp_closed_remove(&closed, hash_of(&closed, total - 1));
    assert_int_equal(oxp_closed_find(&closed, hash_of(&closed, total - 1)), OXP_CLOSED_NOT);
    assert_int_not_equal(oxp_closed_hash(&closed, 's', OXP_VIEW("x")), oxp_closed_hash(&closed, 't', OXP_VIEW("x")));
    size_t index = 0, count = 0;
    uint64_t hash;
    enum oxp_closed_how how;
    while (oxp_closed_next(&closed, &index, &hash, &how)) {
        count++;
    }
    assert_int_equal(count, OXP_CLOSED_MAX - 1);
    oxp_closed_fini(&closed);
}

static void closed_stands_coming_and_going(void **state) {
    struct oxp_closed closed;
    (void)state;
    oxp_closed_init(&closed);
    for (unsigned i = 0; i < 100000; i++) { /* ids that end, are opened again, and end again */
        oxp_closed_put(&closed, hash_of(&closed, i % 50), OXP_CLOSED_WRITTEN_OFF);
        oxp_closed_remove(&closed, hash_of(&closed, i % 50));
    }
    oxp_closed_put(&closed, hash_of(&closed, 3), OXP_CLOSED_ENDED);
    assert_int_equal(oxp_closed_find(&closed, hash_of(&closed, 3)), OXP_CLOSED_ENDED);
    assert_true(closed.ring_size <= OXP_CLOSED_MAX);
    oxp_closed_fini(&closed);
}

/* ---- views ---- */

static struct world *world_new(bool persistent) {
    struct world *world = malloc(sizeof *world);
    assert_non_null(world);
    world_init(world, persistent);
    return world;
}

static void world_free(struct world *world) {
    world_fini(world);
    free(world);
}

static void play(struct world *world, const char *const *lines) {
    char why[512];
    for (; *lines != NULL; lines++) {
        if (!world_line(world, *lines, why)) {
            fail_msg("\"%s\": %s", *lines, why);
        }
    }
}

static void views_show_what_is_open(void **state) {
    static const char *const lines[] = {
        "1> orchestrator.started boot=b1 version=3",
        "1> session.started session=a region=us-east-1 workflow=w trace_id=t1 keep_alive=false timeout_s=600 ts=+0",
        "0> session.started session=b",
        "1> task.started task=t workflow=w session=a trace_id=t1 attempt=2",
        "1> task.progress task=t pct=40",
        "0> task.queued task=q priority=high",
        "1> breaker name=x to=open failures=3 cause=auto",
        "2> orchestrator.started boot=b9 writer=w2",
        "2> session.started session=c",
        "drop 2",
        "pass 5",
        NULL,
    };
    struct oxp_session_view sessions[3];
    struct oxp_task_view tasks[2];
    struct oxp_breaker_view breakers[1];
    struct oxp_writer_view writers[2];
    struct world *world = world_new(false);
    struct oxp_view any = {NULL, 0};
    (void)state;
    play(world, lines);
    assert_int_equal(oxp_ledger_sessions(world->ledger, any, 0, sessions, 3), 3);
    assert_string_equal(sessions[0].id, "a");
    assert_string_equal(sessions[0].region, "us-east-1");
    assert_string_equal(sessions[0].state, "running");
    assert_string_equal(sessions[0].owner, "live");
    assert_string_equal(sessions[0].writer, "main");
    assert_string_equal(sessions[0].boot, "b1");
    assert_string_equal(sessions[0].workflow, "w");
    assert_string_equal(sessions[0].trace_id, "t1");
    assert_true(sessions[0].keep_alive_known && !sessions[0].keep_alive && !sessions[0].orphaned);
    assert_true(sessions[0].timeout_s == 600 && sessions[0].started_s == WORLD_BEGAN);
    assert_string_equal(sessions[1].owner, "none");
    assert_true(isnan(sessions[1].timeout_s) && !sessions[1].keep_alive_known);
    assert_string_equal(sessions[2].owner, "lost");
    assert_true(sessions[2].orphaned);
    assert_int_equal(oxp_ledger_sessions(world->ledger, any, 1, sessions, 1), 3); /* one page */
    assert_string_equal(sessions[0].id, "b");
    assert_int_equal(oxp_ledger_sessions(world->ledger, OXP_VIEW("c"), 0, sessions, 3), 1);
    assert_string_equal(sessions[0].id, "c");
    assert_int_equal(oxp_ledger_sessions(world->ledger, OXP_VIEW("zz"), 0, sessions, 3), 0);
    assert_int_equal(oxp_ledger_tasks(world->ledger, any, 0, tasks, 2), 2);
    assert_string_equal(tasks[0].id, "t");
    assert_string_equal(tasks[0].status, "running");
    assert_string_equal(tasks[0].session, "a");
    assert_true(tasks[0].attempt == 2 && fabs(tasks[0].progress_ratio - 0.4) < 1e-9);
    assert_string_equal(tasks[1].status, "queued");
    assert_string_equal(tasks[1].priority, "high");
    assert_true(isnan(tasks[1].started_s) && isnan(tasks[1].progress_ratio));
    assert_int_equal(oxp_ledger_tasks(world->ledger, OXP_VIEW("q"), 0, tasks, 2), 1);
    assert_int_equal(oxp_ledger_breakers(world->ledger, any, 0, breakers, 1), 1);
    assert_string_equal(breakers[0].state, "open");
    assert_string_equal(breakers[0].cause, "auto");
    assert_true(breakers[0].open_total_s == 5 && breakers[0].consecutive_failures == 3);
    assert_int_equal(oxp_ledger_writers(world->ledger, any, 0, writers, 2), 2);
    assert_true(writers[0].connected && writers[0].announced && !writers[0].lost);
    assert_string_equal(writers[0].version, "3");
    assert_true(!writers[1].connected && writers[1].lost);
    assert_int_equal(oxp_ledger_writers(world->ledger, OXP_VIEW("w2"), 0, writers, 2), 1);
    world_free(world);
}

/* The open ones are bounded, the closed ones are the last thousand. */
static void incidents_are_bounded(void **state) {
    struct world *world = world_new(false);
    struct oxp_incident_view views[3];
    struct oxp_view any = {NULL, 0};
    char text[128];
    (void)state;
    for (unsigned i = 0; i < 2500; i++) {
        snprintf(text, sizeof text, "recovery state=started incident=i%u code=cdp_closed ts=+%u", i, i);
        assert_int_equal(world_apply(world, 0, text), i <= 300 ? OXP_OK : OXP_ERR_INVALID); /* 5 min ahead at most */
        snprintf(text, sizeof text, "recovery state=ended incident=i%u outcome=recovered duration_s=1", i);
        assert_int_equal(world_apply(world, 0, text), OXP_OK);
    }
    assert_int_equal(oxp_ledger_incidents(world->ledger, any, 0, views, 3), 1000);
    assert_string_equal(views[0].id, "i1500");
    assert_int_equal(oxp_ledger_incidents(world->ledger, any, 999, views, 3), 1000);
    assert_string_equal(views[0].id, "i2499");
    assert_true(isnan(views[0].opened_s) == false && views[0].closed_s == WORLD_BEGAN);
    assert_int_equal(oxp_ledger_incidents(world->ledger, OXP_VIEW("i7"), 0, views, 3), 0);
    for (unsigned i = 0; i < 10005; i++) {
        snprintf(text, sizeof text, "recovery state=started incident=o%u", i);
        assert_int_equal(world_apply(world, 0, text), OXP_OK);
    }
    assert_int_equal(oxp_ledger_incidents(world->ledger, any, 1000, views, 1), 11000);
    assert_string_equal(views[0].id, "o5");
    assert_string_equal(views[0].state, "open");
    assert_true(isnan(views[0].closed_s));
    assert_true(world_value(world, "orchestrator_incidents_active{severity=medium}") == 10000);
    world_free(world);
}

static void who_announced_himself_still_has_after_a_restart(void **state) {
    static const char *const lines[] = {
        "1> orchestrator.started boot=b1 seq=4",
        "0> orchestrator.heartbeat boot=b2 writer=w2 seq=9",
        "crash",
        NULL,
    };
    struct oxp_writer_view writers[2];
    struct world *world = world_new(true);
    (void)state;
    play(world, lines);
    assert_int_equal(oxp_ledger_writers(world->ledger, (struct oxp_view){NULL, 0}, 0, writers, 2), 2);
    assert_true(writers[0].announced && !writers[0].connected && !writers[1].announced);
    assert_true(writers[0].last_seq == 4 && writers[1].last_seq == 9);
    world_free(world);
}

/* ---- refusals say what, where and what would do ---- */

static void refusals_name_field_value_and_choices(void **state) {
    static const struct {
        const char *event, *text;
    } rows[] = {
        {"task.ended task=t status=splendid",
         "status: \"splendid\" is not one of succeeded, degraded, failed, timed_out, cancelled, skipped"},
        {"task.queued task=t priority=urgent", "priority: \"urgent\" is not one of low, normal, high"},
        {"breaker name=x to=ajar", "to: \"ajar\" is not one of closed, open, half_open"},
        {"recovery incident=i state=begun", "state: \"begun\" is not one of started, escalated, ended"},
        {"recovery incident=i state=ended", "outcome: the end of an incident needs recovered, failed or manual"},
        {"recovery incident=i state=escalated reason=boredom",
         "reason: \"boredom\" is not one of no_fix, timeout, exhausted, security"},
        {"metric name=x kind=sum value=1", "kind: \"sum\" is not one of counter, gauge, histogram, function"},
        {"resource mount=floppy avail_bytes=1", "mount: \"floppy\" is not one of checkpoints, spool"},
        {"operation op=act ok=true duration_s=1 ts=5", "ts: 5.000 is before the year 2000 (unix seconds)"},
        {"operation op=act ok=true duration_s=1 ts=+1000", "ts: 1800001000.000 is 1000 s ahead of this clock"},
    };
    struct world *world = world_new(false);
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(world_apply(world, 0, rows[i].event), OXP_ERR_INVALID);
        assert_string_equal(world->error.text, rows[i].text);
        assert_int_equal(world->error.column, 0);
    }
    assert_int_equal(world_apply(world, 0, "metric name=pages.total kind=counter value=1"), OXP_OK);
    assert_int_equal(world_apply(world, 0, "metric name=pages kind=gauge value=1"), OXP_ERR_INVALID);
    assert_string_equal(world->error.text, "kind: orchestrator_app_pages_total is a counter already, no gauge");
    world_free(world);
}

static void application_metrics_are_bounded(void **state) {
    struct world *world = world_new(false);
    char text[128];
    (void)state;
    for (unsigned i = 0; i < 100; i++) {
        snprintf(text, sizeof text, "metric name=calls kind=counter value=1 labels.site=s%u", i);
        assert_int_equal(world_apply(world, 0, text), OXP_OK);
    }
    double sum = 0;
    size_t series = 0;
    struct oxp_snapshot snapshot;
    struct oxp_sample sample;
    const struct oxp_family_spec *spec;
    oxp_snapshot_begin(&snapshot, world->registry, WORLD_BEGAN);
    while (oxp_snapshot_family(&snapshot, &spec) == OXP_OK) {
        while (strcmp(spec->name, "orchestrator_app_calls_total") == 0 &&
               oxp_snapshot_next(&snapshot, &sample) == OXP_OK) {
            sum += sample.value;
            series++;
        }
    }
    assert_true(sum == 100);
    assert_int_equal(series, 20);
    assert_true(world_value(world, "orchestrator_app_calls_total{site=other}") == 81);
    for (unsigned i = 0; i < 63; i++) {
        snprintf(text, sizeof text, "metric name=m%u kind=gauge value=1", i);
        assert_int_equal(world_apply(world, 0, text), OXP_OK);
    }
    assert_int_equal(world_apply(world, 0, "metric name=one_more kind=gauge value=1"), OXP_ERR_INVALID);
    assert_int_equal(world->reason, OXP_REJECT_OTHER);
    assert_string_equal(world->error.text, "name: 64 metrics of the application are there already");
    assert_int_equal(world_apply(world, 0, "metric name=m5 kind=gauge value=2"), OXP_OK);
    world_free(world);
}

/* ---- many ---- */

static void a_million_names_cost_nothing_but_other(void **state) {
    struct world *world = world_new(false);
    char text[128];
    (void)state;
    for (unsigned i = 0; i < 50000; i++) {
        snprintf(text, sizeof text, "task.ended task=t%u workflow=w%u status=failed", i, i);
        assert_int_equal(world_apply(world, 0, text), OXP_OK);
        snprintf(text, sizeof text, "orchestrator.heartbeat boot=b%u writer=w%u", i, i);
        (void)world_apply(world, 0, text);
        snprintf(text, sizeof text, "breaker name=b%u to=open", i);
        assert_int_equal(world_apply(world, 0, text), OXP_OK);
    }
    assert_true(world_value(world, "orchestrator_tasks_ended_total{workflow=other,status=failed}") == 50000 - 16);
    assert_true(world_value(world, "orchestrator_breaker_transitions_total{breaker=other,to=open}") == 50000 - 15);
    struct oxp_writer_view one[1];
    assert_true(oxp_ledger_writers(world->ledger, (struct oxp_view){NULL, 0}, 0, one, 1) <= 1024);
    assert_true(oxp_registry_series(world->registry) < 4000);
    world_free(world);
}

/* ---- the journal ---- */

static enum oxp_status skip_record(void *ctx, struct oxp_view record) {
    (void)ctx;
    (void)record;
    return OXP_OK;
}

/* 0 = no limit. */
static void limit_file_size(unsigned long bytes) {
    struct rlimit limit;
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes == 0 ? limit.rlim_max : bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void a_rewrite_keeps_everything(void **state) {
    static const char *const before[] = {
        "1> orchestrator.started boot=b1 version=2",
        "1> session.started session=old timeout_s=900 ts=+0",
        "1> session.ended session=gone status=COMPLETED",
        "1> workflow.started workflow=w run=1 ts=+0",
        "1> task.started task=t workflow=w ts=+0",
        "1> task.queued task=q priority=low",
        "1> breaker name=x to=open failures=4",
        "1> queue low.length=7 low.oldest_s=3",
        "1> session.creating ref=r",
        "1> orchestrator.heartbeat sessions_limit=11 create_limit=5",
        "1> checkpoint op=saved ok=true ts=+1",
        "1> error task=t code=net_reset",
        "2> orchestrator.started boot=w1 writer=w2",
        "2> recovery state=started incident=i code=cdp_closed",
        "2> degraded component=c on=true",
        NULL,
    };
    static const char *const after[] = {
        "crash",
        "= orchestrator_sessions_limit 11",
        "= orchestrator_incidents_active{severity=medium} 1",
        "= orchestrator_incidents_active{severity=high} 1",
        "incident task:t derived=true",
        "incident i writer=w2",
        "= orchestrator_degraded{component=c} 1",
        "= orchestrator_session_create_limit 5",
        "= orchestrator_checkpoint_last_success_timestamp_seconds 1800000001",
        "= orchestrator_sessions_active{state=running} 1",
        "= orchestrator_sessions_active{state=pending} 1",
        "= orchestrator_tasks_active{workflow=w} 1",
        "= orchestrator_queue_length{priority=low} 7",
        "= orchestrator_breaker_state{breaker=x,state=open} 1",
        "1> orchestrator.started boot=b1",
        "1> session.ended session=gone status=COMPLETED -> ignored",
        "1> session.ended session=s5 status=COMPLETED -> ignored",
        "1> workflow.ended workflow=w run=1 status=succeeded",
        "1> session.ended session=old status=COMPLETED",
        "= orchestrator_sessions_active{state=running} 0",
        NULL,
    };
    struct world *world = world_new(true);
    char text[128], path[128];
    struct stat info;
    (void)state;
    play(world, before);
    for (unsigned i = 0; i < 10000; i++) { /* enough churn for a rewrite */
        snprintf(text, sizeof text, "session.started session=s%u", i);
        assert_int_equal(world_apply(world, 1, text), OXP_OK);
        snprintf(text, sizeof text, "session.ended session=s%u status=COMPLETED", i);
        assert_int_equal(world_apply(world, 1, text), OXP_OK);
    }
    snprintf(path, sizeof path, "%s/ledger.journal", world->directory);
    assert_int_equal(stat(path, &info), 0);
    off_t grown = info.st_size;
    world_pass(world, 2);
    assert_int_equal(stat(path, &info), 0);
    assert_true(grown > 1 << 20 && info.st_size < grown / 4);
    oxp_ledger_free(world->ledger); /* and a kill -9: without what it wrote at its end */
    world->ledger = NULL;
    assert_int_equal(truncate(path, info.st_size), 0);
    world_crash(world);
    assert_true(world_value(world, "orchestrator_sessions_limit") == 11);
    snprintf(text, sizeof text, "session.ended session=s5 status=COMPLETED"); /* after the rewrite, and remembered */
    (void)world_apply(world, 1, text);
    play(world, after);
    world_free(world);
}

/* Nothing that stands in a file may crash the reader; what it does not know it skips. */
static void foreign_records_are_skipped(void **state) {
    static const struct {
        const char *name;
        struct oxp_view bytes;
    } rows[] = {
        {"empty", {"", 0}},
        {"version alone", {"\1", 1}},
        {"newer version", {"\2S\12\1\0a", 6}},
        {"unknown kind", {"\1?\12\1\0a", 6}},
        {"session without an id", {"\1S", 2}},
        {"cut field header", {"\1S\12\1", 4}},
        {"field longer than the record", {"\1S\12\377\377a", 6}},
        {"flag that is no flag", {"\1S\12\1\0a\23\10\0\7\0\0\0\0\0\0\0", 17}},
        {"unknown tag", {"\1S\12\1\0a\372\2\0xx", 11}},
        {"identity without a boot", {"\1I\12\1\0a", 6}},
        {"gone without a key", {"\1x\3\10\0s\0\0\0\0\0\0\0", 13}},
        {"owner without a NUL", {"\1S\1\1\0o\12\1\0b", 10}},
        {"state out of range", {"\1T\12\1\0t\16\10\0\377\0\0\0\0\0\0\0\17\10\0\377\0\0\0\0\0\0\0", 28}},
        {"breaker state out of range", {"\1B\12\1\0x\14\10\0\377\0\0\0\0\0\0\0", 17}},
        {"closed with half a hash", {"\1C\6\4\0abcd", 9}},
        {"limit below 0", {"\1L\12\10\0\0\0\0\0\0\0\360\277", 13}},
        {"limit with a flag that is no flag", {"\1L\12\10\0\0\0\0\0\0\0\360\77\17\10\0\7\0\0\0\0\0\0\0", 24}},
        {"limit without end", {"\1L\12\10\0\0\0\0\0\0\0\360\177", 13}},
        {"last event without end", {"\1x\7\10\0\0\0\0\0\0\0\360\177", 13}},
        {"incident without an id", {"\1N\13\1\0a", 6}},
        {"incident with a severity out of range", {"\1N\12\1\0b\25\10\0\377\0\0\0\0\0\0\0", 17}},
        {"incident with a level out of range", {"\1N\12\1\0c\30\10\0\377\0\0\0\0\0\0\0", 17}},
        {"derived incident of no task", {"\1N\12\1\0d\33\10\0\1\0\0\0\0\0\0\0", 17}},
        {"degraded without a name", {"\1D\13\10\0\0\0\0\0\0\0\0\0", 13}},
        {"stored without end", {"\1L\20\10\0\0\0\0\0\0\0\360\177", 13}},
        {"end with more to it", {"\1E\12\1\0a", 6}},
    };
    struct world *world = world_new(true);
    struct oxp_session_view sessions[3];
    (void)state;
    oxp_ledger_free(world->ledger);
    struct oxp_journal *journal;
    struct oxp_error error;
    assert_int_equal(oxp_journal_open(world->directory, skip_record, NULL, &journal, NULL, &error), OXP_OK);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (oxp_journal_append(journal, rows[i].bytes) != OXP_OK && rows[i].bytes.len > 0) {
            fail_msg("%s", rows[i].name);
        }
    }
    oxp_journal_close(journal);
    assert_int_equal(oxp_ledger_new(&world->options, world->registry, &world->ledger), OXP_ERR_EXISTS);
    oxp_registry_free(world->registry);
    assert_int_equal(oxp_registry_new(NULL, &world->registry), OXP_OK);
    assert_int_equal(oxp_ledger_new(&world->options, world->registry, &world->ledger), OXP_OK);
    assert_int_equal(oxp_ledger_open(world->ledger, world->directory, &error), OXP_OK);
    assert_int_equal(oxp_ledger_sessions(world->ledger, (struct oxp_view){NULL, 0}, 0, sessions, 3), 2);
    assert_true(isnan(world_value(world, "orchestrator_sessions_limit")));
    assert_true(isnan(world_value(world, "orchestrator_last_event_timestamp_seconds")));
    assert_int_equal(oxp_ledger_incidents(world->ledger, (struct oxp_view){NULL, 0}, 0, NULL, 0), 0);
    world_pass(world, 3);
    world_free(world);
}

static void storage_that_fails_is_said_and_heals(void **state) {
    struct world *world = world_new(true);
    char aside[128];
    (void)state;
    assert_true(oxp_ledger_persistent(world->ledger));
    play(world, (const char *const[]){"0> session.started session=a", NULL});
    /* A file-size limit fails the writes as a full disk does; SIGXFSZ is ignored so that write says so. */
    limit_file_size(1);
    play(world, (const char *const[]){"0> session.started session=b", NULL});
    assert_false(oxp_ledger_persistent(world->ledger));
    play(world, (const char *const[]){"0> session.ended session=a status=COMPLETED", "pass 6",
                                      "= orchestrator_sessions_active{state=running} 1", NULL});
    assert_false(oxp_ledger_persistent(world->ledger));
    limit_file_size(0);
    world_pass(world, 6);
    assert_true(oxp_ledger_persistent(world->ledger));
    play(world, (const char *const[]){"crash", "= orchestrator_sessions_active{state=running} 1",
                                      "0> session.ended session=b status=COMPLETED", NULL});
    snprintf(aside, sizeof aside, "%s/nowhere", world->directory);
    oxp_ledger_free(world->ledger);
    oxp_registry_free(world->registry);
    assert_int_equal(oxp_registry_new(NULL, &world->registry), OXP_OK);
    assert_int_equal(oxp_ledger_new(&world->options, world->registry, &world->ledger), OXP_OK);
    assert_int_equal(oxp_ledger_open(world->ledger, aside, &world->error), OXP_ERR_NOT_FOUND);
    assert_non_null(strstr(world->error.text, aside));
    assert_false(oxp_ledger_persistent(world->ledger));
    play(world, (const char *const[]){"0> session.started session=z", NULL}); /* goes on in memory */
    world_free(world);
}

/* ---- memory that runs out ---- */

static void make_and_use(void *ctx) {
    struct world *world = ctx; /* its clock and options; everything else is made here */
    static const char *const lines[] = {
        "orchestrator.started boot=b1",
        "session.creating ref=r",
        "session.started session=a ref=r",
        "task.queued task=q workflow=w",
        "task.started task=t workflow=w",
        "workflow.started workflow=w run=1",
        "retry op=act delay_s=50 task=t",
        "breaker name=x to=open",
        "operation op=act ok=true duration_s=1 model=m tokens.input=5 trace_id=t session=a",
        "error code=bb_auth unhandled=true",
        "error code=net_reset task=t",
        "recovery state=started incident=i task=t",
        "recovery state=escalated incident=j",
        "recovery state=ended incident=j outcome=failed",
        "recovery state=ended incident=k outcome=failed",
        "degraded component=c on=true ok=true",
        "debugger outcome=fixed fix=f",
        "resource cpu_user_s=1 container.cpu_s=1",
        "resource cpu_user_s=2 container.cpu_s=2",
        "metric name=f kind=function value=1",
        "metric name=a kind=counter value=1 labels.x=y",
        "metric name=b kind=histogram value=1",
        "session.ended session=a status=COMPLETED",
        "task.ended task=t status=succeeded",
    };
    struct oxp_registry *registry = NULL;
    struct oxp_ledger *ledger = NULL;
    enum oxp_status status = oxp_registry_new(NULL, &registry);
    if (status == OXP_OK) {
        status = oxp_ledger_new(&world->options, registry, &ledger);
    }
    for (size_t i = 0; ledger != NULL && i < sizeof lines / sizeof *lines; i++) {
        world_event(world, lines[i]);
        status = oxp_ledger_apply(ledger, &world->event, 1, &world->reason, &world->error);
        assert_true(status == OXP_OK || status == OXP_IGNORED || status == OXP_ERR_NOMEM);
    }
    if (ledger != NULL) {
        const struct oxp_provider_session listed = {
            .id = OXP_VIEW("p"), .status = OXP_VIEW("running"), .created_s = 1, .started_s = 1, .ours = true};
        const struct oxp_provider_answer answer = {.sessions = &listed, .count = 1, .complete = true};
        oxp_ledger_provider_answered(ledger, &answer);
        oxp_ledger_disconnect(ledger, 1);
        oxp_clock_manual_advance(&world->clock, 5);
        oxp_ledger_tick(ledger);
    }
    if (!alloc_fail_hit()) {
        assert_int_equal(status, OXP_OK);
    }
    oxp_ledger_free(ledger);
    oxp_registry_free(registry);
}

static void nth_allocation_fails(void **state) {
    struct world *world = world_new(false);
    (void)state;
    assert_true(alloc_fail_each(make_and_use, world) > 40);
    world_free(world);
}

static void restore(void *ctx) {
    struct world *world = ctx;
    struct oxp_registry *registry = NULL;
    struct oxp_ledger *ledger = NULL;
    if (oxp_registry_new(NULL, &registry) == OXP_OK && oxp_ledger_new(&world->options, registry, &ledger) == OXP_OK) {
        (void)oxp_ledger_open(ledger, world->directory, &world->error);
    }
    oxp_ledger_free(ledger);
    oxp_registry_free(registry);
}

static void nth_allocation_fails_while_restoring(void **state) {
    struct world *world = world_new(true);
    (void)state;
    play(world, (const char *const[]){"1> orchestrator.started boot=b1", "1> session.started session=a",
                                      "1> task.queued task=q", "1> workflow.started workflow=w",
                                      "1> breaker name=x to=open", "1> session.creating ref=r",
                                      "1> session.ended session=z status=ERROR", "1> task.started task=t",
                                      "1> error task=t code=net_reset", "2> orchestrator.started boot=w1 writer=w2",
                                      "2> recovery state=started incident=i", "1> degraded component=c on=true", NULL});
    oxp_ledger_free(world->ledger);
    world->ledger = NULL;
    assert_true(alloc_fail_each(restore, world) > 40);
    world_free(world);
}

/* ---- many at once ---- */

/* Every session of a writer becomes an orphan in one moment; a crash and a restart in between change nothing. */
static void a_crowd_of_orphans(void **state) {
    enum { CROWD = 3000 };
    struct world *world = world_new(true);
    (void)state;
    assert_int_equal(world_apply(world, 1, "orchestrator.started boot=b1"), OXP_OK);
    for (int i = 0; i < CROWD; i++) {
        char line[64];
        snprintf(line, sizeof line, "session.started session=s%d timeout_s=60", i);
        assert_int_equal(world_apply(world, 1, line), OXP_OK);
    }
    for (int i = 0; i < 100; i++) { /* room that was used before is not room that is there */
        char line[64];
        snprintf(line, sizeof line, "session.ended session=s%d status=COMPLETED", i);
        assert_int_equal(world_apply(world, 1, line), OXP_OK);
    }
    assert_int_equal(world_apply(world, 1, "orchestrator.stopping"), OXP_OK);
    oxp_ledger_disconnect(world->ledger, 1);
    assert_true(world_value(world, "orchestrator_sessions_orphaned") == CROWD - 100);
    world_crash(world);
    assert_true(world_value(world, "orchestrator_sessions_orphaned") == CROWD - 100);
    world_pass(world, 61);
    assert_true(world_value(world, "orchestrator_sessions_orphaned") == 0);
    assert_true(world_value(world, "orchestrator_sessions_ended_total{status=unknown}") == CROWD - 100);
    world_free(world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(heap_gives_the_least),
        cmocka_unit_test(closed_remembers_the_newest),
        cmocka_unit_test(closed_stands_coming_and_going),
        cmocka_unit_test(views_show_what_is_open),
        cmocka_unit_test(incidents_are_bounded),
        cmocka_unit_test(application_metrics_are_bounded),
        cmocka_unit_test(who_announced_himself_still_has_after_a_restart),
        cmocka_unit_test(refusals_name_field_value_and_choices),
        cmocka_unit_test(a_million_names_cost_nothing_but_other),
        cmocka_unit_test(a_rewrite_keeps_everything),
        cmocka_unit_test(foreign_records_are_skipped),
        cmocka_unit_test(storage_that_fails_is_said_and_heals),
        cmocka_unit_test(nth_allocation_fails),
        cmocka_unit_test(nth_allocation_fails_while_restoring),
        cmocka_unit_test(a_crowd_of_orphans),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
