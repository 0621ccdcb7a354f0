/* The manager: what is written, found again, set aside and removed. Single-threaded where it can be: save_now and the
 * other functions that end when the work has been done. */
#include <oxpecker/checkpoint.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "lib/base/clock.h"
#include "tests/support/alloc_fail.h"
#include "tests/unit/lib/checkpoint/sink.h"

#define START 1795321560.0
#define DAY 86400.0

struct fixture {
    struct oxp_clock_manual clock;
    struct oxp_store *memory;
    struct faulty faulty;
    struct sink sink;
    struct oxp_checkpoints_options options;
    struct oxp_checkpoints *checkpoints;
};

static struct fixture fixture;

static void reopen(void) {
    oxp_checkpoints_free(fixture.checkpoints);
    fixture.checkpoints = NULL;
    assert_int_equal(oxp_checkpoints_new(&fixture.options, &fixture.checkpoints), OXP_OK);
}

static int set_up(void **state) {
    (void)state;
    memset(&fixture, 0, sizeof fixture);
    oxp_clock_manual_init(&fixture.clock, START);
    fixture.memory = oxp_store_memory_new(&fixture.clock.clock);
    faulty_init(&fixture.faulty, fixture.memory);
    sink_init(&fixture.sink);
    fixture.options = (struct oxp_checkpoints_options){
        .store = &fixture.faulty.store, .reporter = &fixture.sink.reporter, .clock = &fixture.clock.clock};
    return oxp_checkpoints_new(&fixture.options, &fixture.checkpoints) != OXP_OK;
}

static int tear_down(void **state) {
    (void)state;
    (void)pthread_mutex_trylock(&fixture.faulty.gate); /* a test that failed may have left it locked */
    pthread_mutex_unlock(&fixture.faulty.gate);
    oxp_checkpoints_free(fixture.checkpoints);
    oxp_store_free(fixture.memory);
    return 0;
}

static struct oxp_checkpoint of(const char *task, const char *state) {
    return (struct oxp_checkpoint){
        .task = oxp_view_from(task), .workflow = OXP_VIEW("w"), .state = oxp_view_from(state), .attempt = 1};
}

static enum oxp_status save_now(const char *task, const char *state) {
    struct oxp_checkpoint checkpoint = of(task, state);
    return oxp_checkpoint_save_now(fixture.checkpoints, &checkpoint, NULL);
}

static void assert_state(const char *task, const char *state) {
    struct oxp_checkpoint *out = NULL;
    struct oxp_error error = {0};
    enum oxp_status status = oxp_checkpoint_load(fixture.checkpoints, oxp_view_from(task), &out, &error);
    if (state == NULL) {
        assert_int_equal(status, OXP_ERR_NOT_FOUND);
        assert_null(out);
        return;
    }
    if (status != OXP_OK || !oxp_view_is(out->state, state)) {
        fail_msg("%s: %s %.*s", task, error.text, out == NULL ? 0 : (int)out->state.len,
                 out == NULL ? "" : out->state.ptr);
    }
    oxp_checkpoint_free(out);
}

struct keys {
    char list[64][OXP_STORE_KEY_MAX + 1];
    size_t count;
};

static bool add_key(void *ctx, const struct oxp_store_entry *entry) {
    struct keys *keys = ctx;
    snprintf(keys->list[keys->count++], sizeof keys->list[0], "%s", entry->key);
    return keys->count < 64;
}

static int by_name(const void *a, const void *b) {
    return strcmp(a, b);
}

static struct keys keys_of(const char *prefix) {
    struct keys keys = {.count = 0};
    fixture.memory->list(fixture.memory, prefix, add_key, &keys, NULL);
    qsort(keys.list, keys.count, sizeof keys.list[0], by_name);
    return keys;
}

static void spoil(const char *key) {
    assert_int_equal(fixture.memory->put(fixture.memory, key, OXP_VIEW("{\n  \"oxpe"), NULL), OXP_OK);
}

static struct oxp_checkpoints_stats stats(void) {
    struct oxp_checkpoints_stats out;
    oxp_checkpoints_stats(fixture.checkpoints, &out);
    return out;
}

/* ---- Saving and loading ---- */

static void test_save_and_load(void **state) {
    (void)state;
    assert_state("t", NULL);
    assert_int_equal(save_now("t", "one"), OXP_OK);
    assert_int_equal(save_now("t", "two"), OXP_OK);
    assert_int_equal(save_now("t.u", "other"), OXP_OK);
    assert_state("t", "two");
    assert_state("t.u", "other");
    reopen();
    assert_state("t", "two");
    assert_int_equal(keys_of("t.").count, 3);
    assert_string_equal(keys_of("t.").list[0], "t.1795321560000000.json");
    assert_int_equal(sink_count(&fixture.sink, "t checkpoint op=saved ok=true overhead_s=0 write_s=0 bytes="), 2);
    assert_int_equal(sink_count(&fixture.sink, "t checkpoint op=restored outcome=ok"), 2);
    assert_int_equal(sink_count(&fixture.sink, "t checkpoint op=restored outcome=missing reason=there is no"), 1);
    assert_int_equal(sink_count(&fixture.sink, " stored=3 stored_bytes="), 4);
}

static void test_in_background(void **state) {
    (void)state;
    struct oxp_checkpoint before = of("t", ""), after = of("t", ""), failed = of("u", "");
    assert_int_equal(oxp_checkpoint_before(fixture.checkpoints, &before), OXP_OK);
    assert_state("t", "started"); /* also when it is not written yet */
    assert_int_equal(oxp_checkpoint_after(fixture.checkpoints, &after, true), OXP_OK);
    assert_int_equal(oxp_checkpoint_after(fixture.checkpoints, &failed, false), OXP_OK);
    assert_int_equal(oxp_checkpoints_flush(fixture.checkpoints, 10000), OXP_OK);
    struct oxp_checkpoint *out = NULL;
    assert_int_equal(oxp_checkpoint_load(fixture.checkpoints, OXP_VIEW("t"), &out, NULL), OXP_OK);
    assert_true(oxp_view_is(out->state, "succeeded") && out->complete && out->progress_pct == 100);
    oxp_checkpoint_free(out);
    assert_state("u", "failed");
    assert_int_equal(oxp_checkpoint_done(fixture.checkpoints, OXP_VIEW("t")), OXP_OK);
    assert_int_equal(oxp_checkpoints_flush(fixture.checkpoints, 10000), OXP_OK);
    assert_int_equal(keys_of("t.").count, 0);
    assert_int_equal(sink_count(&fixture.sink, "t checkpoint op=removed ok=true bytes="), 2);
    assert_int_equal(sink_count(&fixture.sink, "reason=success"), 2);
    assert_true(stats().saved == 3 && stats().failed == 0 && stats().removed == 2 && stats().backlog == 0);
}

/* While the store stands still: the newest snapshot of each task waits, and a full queue says so. */
static void test_slow_store(void **state) {
    (void)state;
    fixture.options.queue_max = 2;
    fixture.options.clock = NULL;
    reopen();
    struct oxp_checkpoint first = of("first", "1"), a = of("a", "1"), b = of("b", "1"), c = of("c", "1");
    pthread_mutex_lock(&fixture.faulty.gate);
    assert_int_equal(oxp_checkpoint_save(fixture.checkpoints, &first), OXP_OK);
    while (atomic_load(&fixture.faulty.waiting) == 0) {
        sched_yield();
    }
    assert_int_equal(oxp_checkpoint_save(fixture.checkpoints, &a), OXP_OK);
    assert_int_equal(oxp_checkpoint_save(fixture.checkpoints, &b), OXP_OK);
    assert_int_equal(oxp_checkpoint_save(fixture.checkpoints, &c), OXP_ERR_FULL);
    for (int i = 0; i < 100; i++) {
        a = of("a", "last");
        assert_int_equal(oxp_checkpoint_save(fixture.checkpoints, &a), OXP_OK);
    }
    assert_int_equal(oxp_checkpoints_flush(fixture.checkpoints, 1), OXP_ERR_TIMEOUT);
    assert_true(stats().backlog == 2 && stats().replaced == 100 && stats().failed == 1);
    assert_int_equal(oxp_checkpoint_done(fixture.checkpoints, OXP_VIEW("b")), OXP_OK);
    pthread_mutex_unlock(&fixture.faulty.gate);
    assert_int_equal(oxp_checkpoints_flush(fixture.checkpoints, 10000), OXP_OK);
    assert_int_equal(atomic_load(&fixture.faulty.puts), 2); /* first and a */
    assert_state("a", "last");
    assert_state("b", NULL);
    assert_int_equal(sink_count(&fixture.sink, "c checkpoint op=saved ok=false overhead_s=0.0"),
                     1); /* as long as it waited */
    assert_int_equal(sink_count(&fixture.sink, "reason=the queue of snapshots is full code=ckpt_write"), 1);
}

static void test_refused(void **state) {
    (void)state;
    fixture.options.snapshot_max = 100;
    reopen();
    static const char large[] = "\"0123456789012345678901234567890123456789012345678901234567890123456789"
                                "0123456789012345678901234567890123456789\"";
    struct oxp_checkpoint rows[] = {of("", ""), of("t", ""), of("t", "")};
    rows[1].context = oxp_view_from(large);
    rows[2].context = OXP_VIEW("{");
    static const enum oxp_status now[] = {OXP_ERR_INVALID, OXP_ERR_LIMIT, OXP_ERR_SYNTAX};
    static const enum oxp_status later[] = {OXP_ERR_INVALID, OXP_ERR_LIMIT, OXP_OK}; /* and found by the writer */
    for (size_t i = 0; i < 3; i++) {
        struct oxp_error error = {0};
        assert_int_equal(oxp_checkpoint_save_now(fixture.checkpoints, &rows[i], &error), now[i]);
        assert_true(error.text[0] != '\0');
        assert_int_equal(oxp_checkpoint_save(fixture.checkpoints, &rows[i]), later[i]);
    }
    assert_int_equal(oxp_checkpoints_flush(fixture.checkpoints, 10000), OXP_OK);
    assert_int_equal(stats().failed, 6);
    assert_int_equal(sink_count(&fixture.sink, "ok=false"), 6);
    assert_int_equal(sink_count(&fixture.sink, "reason=context is not JSON"), 2);
    assert_int_equal(oxp_checkpoint_done(fixture.checkpoints, OXP_VIEW("")), OXP_ERR_INVALID);
    assert_int_equal(oxp_checkpoints_new(&(struct oxp_checkpoints_options){0}, &fixture.checkpoints), OXP_ERR_INVALID);
}

/* ---- A store that fails ---- */

static void test_store_fails(void **state) {
    (void)state;
    fixture.options.retry_ms = 1;
    fixture.options.clock = NULL;
    reopen();
    atomic_store(&fixture.faulty.status, OXP_ERR_CLOSED);
    atomic_store(&fixture.faulty.puts_to_fail, 2); /* the third try */
    struct oxp_checkpoint a = of("a", "1"), b = of("b", "1"), c = of("c", "1");
    assert_int_equal(oxp_checkpoint_save(fixture.checkpoints, &a), OXP_OK);
    assert_int_equal(oxp_checkpoints_flush(fixture.checkpoints, 10000), OXP_OK);
    assert_true(stats().saved == 1 && stats().failed == 0);
    assert_state("a", "1");
    atomic_store(&fixture.faulty.puts_to_fail, 3); /* given up */
    assert_int_equal(oxp_checkpoint_save(fixture.checkpoints, &b), OXP_OK);
    assert_int_equal(oxp_checkpoints_flush(fixture.checkpoints, 10000), OXP_OK);
    assert_true(stats().saved == 1 && stats().failed == 1);
    assert_int_equal(sink_count(&fixture.sink, "b checkpoint op=saved ok=false"), 1);
    assert_int_equal(sink_count(&fixture.sink, "reason=told to fail code=ckpt_write"), 1);
    atomic_store(&fixture.faulty.status, OXP_ERR_DENIED); /* will not pass: one try */
    atomic_store(&fixture.faulty.puts_to_fail, 1);
    assert_int_equal(oxp_checkpoint_save(fixture.checkpoints, &c), OXP_OK);
    assert_int_equal(oxp_checkpoints_flush(fixture.checkpoints, 10000), OXP_OK);
    assert_int_equal(stats().failed, 2);
    assert_state("b", NULL);
}

/* What is old makes room for what is new. */
static void test_store_is_full(void **state) {
    (void)state;
    assert_int_equal(save_now("t", "1"), OXP_OK);
    assert_int_equal(save_now("t", "2"), OXP_OK);
    assert_int_equal(save_now("u", "1"), OXP_OK);
    atomic_store(&fixture.faulty.status, OXP_ERR_FULL);
    atomic_store(&fixture.faulty.puts_to_fail, 1);
    assert_int_equal(save_now("t", "3"), OXP_OK);
    assert_int_equal(keys_of("").count, 3); /* t 2, t 3, u 1 */
    assert_int_equal(sink_count(&fixture.sink, "t checkpoint op=removed ok=true bytes="), 1);
    assert_int_equal(sink_count(&fixture.sink, "reason=size"), 1);
    atomic_store(&fixture.faulty.puts_to_fail, 2);
    assert_int_equal(save_now("t", "4"), OXP_ERR_FULL);
    assert_int_equal(sink_count(&fixture.sink, "code=sys_disk_full"), 1);
    assert_state("t", "3");
}

static void test_unreachable(void **state) {
    (void)state;
    assert_int_equal(save_now("t", "1"), OXP_OK);
    atomic_store(&fixture.faulty.list_fails, true);
    reopen(); /* no failure */
    oxp_clock_manual_advance(&fixture.clock, 0.001);
    struct oxp_checkpoint *out = NULL;
    assert_int_equal(oxp_checkpoint_load(fixture.checkpoints, OXP_VIEW("t"), &out, NULL), OXP_ERR_CLOSED);
    assert_null(out);
    assert_int_equal(oxp_checkpoints_verify(fixture.checkpoints, OXP_VIEW(""), NULL, NULL), OXP_ERR_CLOSED);
    assert_int_equal(oxp_checkpoints_prune(fixture.checkpoints, NULL), OXP_ERR_CLOSED);
    assert_int_equal(oxp_checkpoint_done_now(fixture.checkpoints, OXP_VIEW("t"), NULL), OXP_ERR_CLOSED);
    assert_int_equal(sink_count(&fixture.sink, "outcome=missing reason=told to fail"), 1);
    assert_int_equal(save_now("t", "2"), OXP_OK);
    atomic_store(&fixture.faulty.list_fails, false);
    assert_state("t", "2"); /* the sequence grew although the first was not seen */
    assert_int_equal(save_now("t", "3"), OXP_OK);
    assert_int_equal(stats().stored, 3); /* listed by now */
}

static void test_removal_fails(void **state) {
    (void)state;
    fixture.options.retry_ms = 1;
    fixture.options.clock = NULL;
    reopen();
    assert_int_equal(save_now("t", "1"), OXP_OK);
    atomic_store(&fixture.faulty.list_fails, true);
    assert_int_equal(oxp_checkpoint_done(fixture.checkpoints, OXP_VIEW("t")), OXP_OK);
    assert_int_equal(oxp_checkpoints_flush(fixture.checkpoints, 10000), OXP_OK);
    assert_int_equal(sink_count(&fixture.sink, "t error upstream=store op=checkpoint.remove code=ckpt_write"), 1);
    assert_int_equal(stats().failed, 1);
}

/* ---- Corrupt and incompatible ---- */

static void test_corrupt(void **state) {
    (void)state;
    for (const char *s = "123"; *s != '\0'; s++) {
        assert_int_equal(save_now("t", (char[]){*s, '\0'}), OXP_OK);
    }
    struct keys keys = keys_of("t.");
    spoil(keys.list[2]);
    assert_state("t", "2");
    assert_int_equal(sink_count(&fixture.sink, "t checkpoint op=restored outcome=corrupt reason=corrupt checkpoint"),
                     1);
    assert_int_equal(sink_count(&fixture.sink, "code=ckpt_corrupt"), 1);
    assert_int_equal(sink_count(&fixture.sink, "outcome=ok"), 1);
    struct keys now = keys_of("t.");
    assert_int_equal(now.count, 3);
    assert_string_equal(now.list[2], "t.1795321560000002.corrupt");
    assert_state("t", "2"); /* it is not met again */
    assert_int_equal(sink_count(&fixture.sink, "outcome=corrupt"), 1);
    assert_true(stats().set_aside == 1 && stats().stored == 2);
    spoil(keys.list[0]);
    spoil(keys.list[1]);
    struct oxp_checkpoint *out = NULL;
    struct oxp_error error = {0};
    assert_int_equal(oxp_checkpoint_load(fixture.checkpoints, OXP_VIEW("t"), &out, &error), OXP_ERR_CORRUPT);
    assert_true(out == NULL && error.text[0] != '\0');
    assert_state("t", NULL);
    assert_int_equal(save_now("t", "4"), OXP_OK); /* the sequence goes on behind those set aside */
    assert_state("t", "4");
    assert_int_equal(oxp_checkpoint_done_now(fixture.checkpoints, OXP_VIEW("t"), NULL), OXP_OK);
    assert_int_equal(keys_of("").count, 0); /* with all that was set aside */
}

static enum oxp_status migrate(void *ctx, const struct oxp_checkpoint *old, struct oxp_checkpoint_migrated *out) {
    int *calls = ctx;
    ++*calls;
    if (old->schema == 1) {
        out->context = strdup("{\"v\": 2}");
        return OXP_OK;
    }
    return OXP_ERR_UNSUPPORTED;
}

static void test_schema(void **state) {
    (void)state;
    fixture.options.schema = 1;
    reopen();
    assert_int_equal(save_now("t", "old"), OXP_OK);
    fixture.options.schema = 2;
    reopen();
    struct oxp_checkpoint *out = NULL;
    struct oxp_error error = {0};
    assert_int_equal(oxp_checkpoint_load(fixture.checkpoints, OXP_VIEW("t"), &out, &error), OXP_ERR_UNSUPPORTED);
    assert_null(out);
    assert_non_null(strstr(error.text, "schema 1"));
    assert_int_equal(sink_count(&fixture.sink, "t checkpoint op=restored outcome=incompatible reason=the check"), 1);
    int calls = 0;
    fixture.options.migrate = migrate;
    fixture.options.migrate_ctx = &calls;
    reopen();
    assert_int_equal(oxp_checkpoint_load(fixture.checkpoints, OXP_VIEW("t"), &out, NULL), OXP_OK);
    assert_true(oxp_view_is(out->context, "{\"v\": 2}") && oxp_view_is(out->state, "old") && out->schema == 2);
    oxp_checkpoint_free(out);
    assert_int_equal(calls, 1);
    assert_int_equal(save_now("t", "new"), OXP_OK);
    fixture.options.schema = 3; /* an application that was rolled back or forward: it cannot, and says so */
    reopen();
    assert_int_equal(oxp_checkpoint_load(fixture.checkpoints, OXP_VIEW("t"), &out, NULL), OXP_ERR_UNSUPPORTED);
    assert_int_equal(keys_of("t.").count, 2); /* and nothing is lost */
}

static void test_verify(void **state) {
    (void)state;
    assert_int_equal(save_now("t", "1"), OXP_OK);
    assert_int_equal(save_now("t", "2"), OXP_OK);
    assert_int_equal(save_now("u", "1"), OXP_OK);
    spoil(keys_of("t.").list[0]);
    struct oxp_checkpoint_counts counts = {0};
    assert_int_equal(oxp_checkpoints_verify(fixture.checkpoints, OXP_VIEW("u"), &counts, NULL), OXP_OK);
    assert_true(counts.ok == 1 && counts.corrupt == 0);
    assert_int_equal(oxp_checkpoints_verify(fixture.checkpoints, OXP_VIEW(""), &counts, NULL), OXP_ERR_CORRUPT);
    assert_true(counts.ok == 2 && counts.corrupt == 1 && counts.incompatible == 0 && counts.unread == 0);
    assert_int_equal(oxp_checkpoints_verify(fixture.checkpoints, OXP_VIEW(""), &counts, NULL), OXP_OK);
    assert_int_equal(sink_count(&fixture.sink, "op=verified ok=true"), 5);
    assert_int_equal(sink_count(&fixture.sink, "op=verified ok=false"), 1);
    assert_state("t", "2");
    fixture.options.schema = 5;
    reopen();
    assert_int_equal(oxp_checkpoints_verify(fixture.checkpoints, OXP_VIEW(""), &counts, NULL), OXP_OK);
    assert_true(counts.ok == 0 && counts.incompatible == 2);
}

/* ---- Resuming ---- */

struct resumed {
    char text[512];
    size_t stop_after, count;
};

static bool resume(void *ctx, struct oxp_view task, enum oxp_status status, const struct oxp_checkpoint *checkpoint) {
    struct resumed *resumed = ctx;
    size_t len = strlen(resumed->text);
    snprintf(resumed->text + len, sizeof resumed->text - len, "%.*s:%s:%.*s ", (int)task.len, task.ptr,
             oxp_status_name(status), checkpoint == NULL ? 0 : (int)checkpoint->state.len,
             checkpoint == NULL ? "" : checkpoint->state.ptr);
    if (checkpoint != NULL) {
        assert_int_equal(save_now("resumed", "x"), OXP_OK); /* the manager may be used */
    }
    return ++resumed->count != resumed->stop_after;
}

static void test_unfinished(void **state) {
    (void)state;
    assert_int_equal(save_now("b", "1"), OXP_OK);
    assert_int_equal(save_now("a/ü", "1"), OXP_OK);
    assert_int_equal(save_now("a/ü", "2"), OXP_OK);
    assert_int_equal(save_now("bad one", "1"), OXP_OK);
    assert_int_equal(save_now("gone", "1"), OXP_OK);
    struct oxp_checkpoint complete = of("complete", "");
    assert_int_equal(oxp_checkpoint_after(fixture.checkpoints, &complete, true), OXP_OK);
    assert_int_equal(oxp_checkpoint_done_now(fixture.checkpoints, OXP_VIEW("gone"), NULL), OXP_OK);
    assert_int_equal(oxp_checkpoints_flush(fixture.checkpoints, 10000), OXP_OK);
    spoil(keys_of("bad").list[0]);
    assert_int_equal(fixture.memory->put(fixture.memory, "undo.json", OXP_VIEW("x"), NULL), OXP_OK); /* not ours */
    reopen();
    sink_clear(&fixture.sink);
    struct resumed all = {.count = 0}, first = {.stop_after = 1};
    assert_int_equal(oxp_checkpoints_each_unfinished(fixture.checkpoints, resume, &all, NULL), OXP_OK);
    assert_string_equal(all.text, "b:OK:1 a/ü:OK:2 bad one:ERR_CORRUPT: "); /* the oldest first */
    assert_int_equal(sink_count(&fixture.sink, "op=restored outcome=ok"), 2);
    assert_int_equal(sink_count(&fixture.sink, "op=restored outcome=corrupt"), 1);
    assert_int_equal(oxp_checkpoints_each_unfinished(fixture.checkpoints, resume, &first, NULL), OXP_OK);
    assert_string_equal(first.text, "b:OK:1 ");
    assert_state("complete", "succeeded");
}

/* ---- What is kept ---- */

static void test_keep_per_task(void **state) {
    (void)state;
    for (int i = 0; i < 10; i++) {
        assert_int_equal(save_now("t", "x"), OXP_OK);
    }
    assert_int_equal(keys_of("").count, 3);
    assert_int_equal(sink_count(&fixture.sink, "reason=count"), 7);
    fixture.options.keep_per_task = 1;
    reopen();
    assert_int_equal(oxp_checkpoints_prune(fixture.checkpoints, NULL), OXP_OK);
    assert_int_equal(keys_of("").count, 1);
    assert_string_equal(keys_of("").list[0], "t.1795321560000009.json");
}

static void test_max_snapshots(void **state) {
    (void)state;
    fixture.options.max_snapshots = 4;
    reopen();
    char task[2] = "a";
    for (int i = 0; i < 8; i++) {
        task[0] = (char)('a' + i);
        assert_int_equal(save_now(task, "1"), OXP_OK);
    }
    assert_int_equal(stats().stored, 4);
    assert_state("d", NULL);
    assert_state("e", "1"); /* the oldest went */
    assert_int_equal(save_now("h", "2"), OXP_OK);
    assert_state("e", "1"); /* h has a newer one: the older of h goes before e does */
    assert_int_equal(keys_of("h.").count, 1);
}

static void test_max_bytes(void **state) {
    (void)state;
    assert_int_equal(save_now("a", "1"), OXP_OK);
    uint64_t one = stats().stored_bytes;
    fixture.options.max_bytes = one * 3 + one / 2;
    reopen();
    static const char *const tasks[] = {"b", "c", "d", "e"};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(save_now(tasks[i], "1"), OXP_OK);
    }
    assert_true(stats().stored_bytes <= fixture.options.max_bytes && stats().stored == 3);
    assert_state("e", "1");
    assert_int_equal(sink_count(&fixture.sink, "reason=size"), 2);
}

static void test_age(void **state) {
    (void)state;
    assert_int_equal(save_now("old", "1"), OXP_OK);
    oxp_clock_manual_advance(&fixture.clock, 6 * DAY);
    assert_int_equal(save_now("new", "1"), OXP_OK);
    reopen(); /* its age is not forgotten */
    oxp_clock_manual_advance(&fixture.clock, 1.5 * DAY);
    assert_int_equal(oxp_checkpoints_prune(fixture.checkpoints, NULL), OXP_OK);
    assert_state("old", NULL);
    assert_state("new", "1");
    assert_int_equal(sink_count(&fixture.sink, "old checkpoint op=removed ok=true bytes="), 1);
    assert_int_equal(sink_count(&fixture.sink, "reason=age"), 1);
    fixture.options.max_age_s = -1;
    reopen();
    oxp_clock_manual_advance(&fixture.clock, 1000 * DAY);
    assert_int_equal(oxp_checkpoints_prune(fixture.checkpoints, NULL), OXP_OK);
    assert_state("new", "1");
}

/* The writer looks once a minute. */
static void test_prunes_by_itself(void **state) {
    (void)state;
    assert_int_equal(save_now("old", "1"), OXP_OK);
    oxp_clock_manual_advance(&fixture.clock, 8 * DAY);
    assert_int_equal(save_now("new", "1"), OXP_OK);
    assert_int_equal(keys_of("").count, 1);
}

/* ---- Clocks that jump ---- */

static void test_clock_jumps(void **state) {
    (void)state;
    assert_int_equal(save_now("t", "1"), OXP_OK);
    fixture.clock.wall_now = oxp_wall_from_seconds(START + 10 * 365 * DAY);
    assert_int_equal(save_now("t", "2"), OXP_OK);
    assert_int_equal(oxp_checkpoints_prune(fixture.checkpoints, NULL), OXP_OK);
    assert_int_equal(keys_of("").count, 2); /* ten years in a moment: nothing is old */
    fixture.clock.wall_now = oxp_wall_from_seconds(START - 3600);
    assert_int_equal(save_now("t", "3"), OXP_OK);
    assert_state("t", "3"); /* the newest, whatever the clock says */
    reopen();
    assert_state("t", "3");
    assert_int_equal(save_now("t", "4"), OXP_OK);
    assert_state("t", "4");
    fixture.clock.wall_now = oxp_wall_from_seconds(0);
    assert_int_equal(save_now("t", "5"), OXP_OK);
    assert_state("t", "5");
}

/* Two managers, as in two processes on one store: the task moves from one to the other and back. */
static void test_two_managers(void **state) {
    (void)state;
    struct oxp_checkpoints *other = NULL;
    assert_int_equal(oxp_checkpoints_new(&fixture.options, &other), OXP_OK);
    struct oxp_checkpoint moved = of("t", "theirs");
    assert_int_equal(save_now("t", "ours"), OXP_OK);
    oxp_clock_manual_advance(&fixture.clock, 0.001);
    assert_int_equal(oxp_checkpoint_save_now(other, &moved, NULL), OXP_OK);
    assert_state("t", "theirs");
    fixture.clock.wall_now = oxp_wall_from_seconds(START - 10); /* this one's clock is behind */
    assert_int_equal(save_now("t", "ours again"), OXP_OK);
    struct oxp_checkpoint *out = NULL;
    assert_int_equal(oxp_checkpoint_load(other, OXP_VIEW("t"), &out, NULL), OXP_OK);
    assert_true(oxp_view_is(out->state, "ours again"));
    oxp_checkpoint_free(out);
    assert_int_equal(oxp_checkpoint_done_now(other, OXP_VIEW("t"), NULL), OXP_OK);
    assert_int_equal(keys_of("").count, 0); /* what the other wrote, too */
    oxp_checkpoints_free(other);
}

/* ---- Memory ---- */

static bool resume_nothing(void *ctx, struct oxp_view task, enum oxp_status status,
                           const struct oxp_checkpoint *checkpoint) {
    (void)ctx;
    (void)task;
    (void)status;
    (void)checkpoint;
    return true;
}

static void use_all(void *ctx) {
    (void)ctx;
    struct oxp_checkpoints *checkpoints = NULL;
    if (oxp_checkpoints_new(&fixture.options, &checkpoints) != OXP_OK) {
        return;
    }
    struct oxp_checkpoint one = of("t", "1"), two = of("t", "2"), *out = NULL;
    bool first = oxp_checkpoint_save_now(checkpoints, &one, NULL) == OXP_OK;
    bool second = oxp_checkpoint_save_now(checkpoints, &two, NULL) == OXP_OK;
    if (oxp_checkpoint_load(checkpoints, OXP_VIEW("t"), &out, NULL) == OXP_OK) {
        assert_true(oxp_view_is(out->state, second ? "2" : first ? "1" : "none"));
    }
    oxp_checkpoint_free(out);
    if (oxp_checkpoint_save(checkpoints, &one) == OXP_OK) { /* the writer's allocations do not fail: not its thread */
        assert_int_equal(oxp_checkpoints_flush(checkpoints, 10000), OXP_OK);
    }
    (void)oxp_checkpoints_verify(checkpoints, OXP_VIEW("t"), NULL, NULL);
    (void)oxp_checkpoints_prune(checkpoints, NULL);
    (void)oxp_checkpoints_each_unfinished(checkpoints, resume_nothing, NULL, NULL);
    (void)oxp_checkpoint_done_now(checkpoints, OXP_VIEW("t"), NULL);
    oxp_checkpoints_free(checkpoints);
    struct keys keys = keys_of("");
    for (size_t i = 0; i < keys.count; i++) {
        fixture.memory->remove(fixture.memory, keys.list[i], NULL);
    }
}

static void test_no_memory(void **state) {
    (void)state;
    fixture.options.reporter = NULL;
    assert_true(alloc_fail_each(use_all, NULL) > 30);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(test_save_and_load),    CASE(test_in_background), CASE(test_slow_store),   CASE(test_refused),
        CASE(test_store_fails),      CASE(test_store_is_full), CASE(test_unreachable),  CASE(test_removal_fails),
        CASE(test_corrupt),          CASE(test_schema),        CASE(test_verify),       CASE(test_unfinished),
        CASE(test_keep_per_task),    CASE(test_max_snapshots), CASE(test_max_bytes),    CASE(test_age),
        CASE(test_prunes_by_itself), CASE(test_clock_jumps),   CASE(test_two_managers), CASE(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
