/* The client against a sidecar that the test plays itself. Nothing sleeps: whoever waits, waits for bytes. */
#include <oxpecker/client.h>

#include "lib/base/clock.h"
#include "tests/support/alloc_fail.h"
#include "tests/unit/lib/client/fake_sidecar.h"
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- The client's side ---- */

static void must_hold(const char *line, const char *part) {
    if (strstr(line, part) == NULL) {
        fail_msg("no %s in %s", part, line);
    }
}

static struct oxp_client *client_at(const char *path, const struct oxp_client_options *more) {
    struct oxp_client_options options = more == NULL ? (struct oxp_client_options){.off = false} : *more;
    struct oxp_client *client = NULL;
    options.socket_path = path;
    assert_int_equal(oxp_client_new(&options, &client), OXP_OK);
    assert_non_null(client);
    return client;
}

static struct oxp_ids session_ids(const char *id) {
    return (struct oxp_ids){.session = oxp_view_from(id)};
}

static void start(struct oxp_client *client, const char *id) {
    struct oxp_ids ids = session_ids(id);
    oxp_client_session_started(client, &ids, NULL);
}

static void finish(struct oxp_client *client, const char *id) {
    struct oxp_ids ids = session_ids(id);
    oxp_client_session_ended(client, &ids, OXP_VIEW("completed"), OXP_VIEW(""), 0);
}

static void act(struct oxp_client *client) {
    struct oxp_client_operation operation = {.op = OXP_VIEW("act"), .ok = true, .duration_s = 1.5};
    oxp_client_operation(client, NULL, &operation);
}

static struct oxp_client_stats stats_of(struct oxp_client *client) {
    struct oxp_client_stats stats;
    oxp_client_stats(client, &stats);
    return stats;
}

/* Stops while the sidecar hears the rest. */
static void stop_and_hear(struct oxp_client *client, struct sidecar *sidecar, enum oxp_status expected) {
    pthread_t listener;
    assert_int_equal(pthread_create(&listener, NULL, sidecar_hear_on, sidecar), 0);
    assert_int_equal(oxp_client_stop(client, "done", PATIENCE_MS), expected);
    pthread_join(listener, NULL);
}

/* ---- Tests ---- */

static void says_who_it_is(void **state) {
    (void)state;
    struct sidecar sidecar;
    sidecar_init(&sidecar, true);
    const struct oxp_client_options options = {
        .version = "1.4\"x", .environment = "production", .sessions_limit = 25, .create_limit = 50};
    struct oxp_client *client = client_at(sidecar.path, &options);
    sidecar_answer(&sidecar);
    act(client);
    start(client, "s1");
    sidecar_hear_lines(&sidecar, 3);
    must_hold(sidecar.kept[0], "{\"seq\":1,\"ts\":");
    must_hold(sidecar.kept[0], ",\"writer\":\"main\",\"boot\":\"");
    must_hold(sidecar.kept[0], "\"version\":\"1.4\\\"x\",\"environment\":\"production\",\"sdk\":\"liboxpecker/");
    must_hold(sidecar.kept[0], "\"sessions_limit\":25,\"create_limit\":50,\"started_at\":");
    assert_null(strstr(sidecar.kept[0], "resumed"));
    must_hold(sidecar.kept[1], "\"seq\":2,");
    must_hold(sidecar.kept[1], "\"op\":\"act\",\"ok\":true,\"duration_s\":1.5}");
    must_hold(sidecar.kept[2], "\"type\":\"session.started\",\"session\":\"s1\"");
    assert_int_equal(oxp_client_flush(client, PATIENCE_MS), OXP_OK);
    struct oxp_client_stats stats = stats_of(client);
    assert_true(stats.connected);
    assert_int_equal(stats.reported, 2);
    assert_int_equal(stats.written, 3);
    assert_int_equal(stats.open, 1);
    assert_string_equal(stats.boot, sidecar.started_boot);
    finish(client, "s1");
    stop_and_hear(client, &sidecar, OXP_OK);
    assert_true(sidecar.stopping);
    assert_int_equal(sidecar.count, 5);
    act(client); /* ignored */
    assert_int_equal(oxp_client_flush(client, 0), OXP_ERR_CLOSED);
    stats = stats_of(client);
    assert_int_equal(stats.dropped, 0);
    assert_int_equal(stats.written, 5);
    oxp_client_free(client);
    sidecar_fini(&sidecar);
}

static void nobody(void **state) {
    (void)state;
    struct oxp_client *client = NULL;
    const struct oxp_client_options off = {.off = true};
    assert_int_equal(oxp_client_new(&off, &client), OXP_OK);
    assert_null(client);
    struct oxp_ids ids = session_ids("s");
    const struct oxp_client_error error = {.code = OXP_VIEW("x")};
    const struct oxp_client_stage stage = {.stage = OXP_VIEW("collection")};
    const struct oxp_client_queue queue = {.low_length = 1};
    start(client, "s");
    oxp_client_session_creating(client, &ids, OXP_VIEW("r"), OXP_VIEW(""));
    oxp_client_session_connected(client, &ids, true);
    oxp_client_session_disconnected(client, &ids, OXP_VIEW(""), 0);
    oxp_client_session_replaced(client, &ids, OXP_VIEW("o"), OXP_VIEW(""));
    oxp_client_session_releasing(client, &ids);
    finish(client, "s");
    oxp_client_workflow_started(client, &ids, OXP_VIEW(""), 1);
    oxp_client_workflow_ended(client, &ids, OXP_VIEW("succeeded"), 1);
    oxp_client_task_queued(client, &ids, OXP_VIEW("low"));
    oxp_client_task_started(client, &ids, OXP_VIEW("low"), 1);
    oxp_client_task_progress(client, &ids, 1);
    oxp_client_task_ended(client, &ids, OXP_VIEW("failed"), OXP_VIEW("x"));
    act(client);
    oxp_client_error(client, &ids, &error);
    oxp_client_stage(client, &ids, &stage);
    oxp_client_queue(client, &queue);
    oxp_client_gauge(client, OXP_VIEW("g"), 1, NULL, 0);
    oxp_client_histogram(client, OXP_VIEW("g"), 1, NULL, 0);
    oxp_client_count(client, OXP_VIEW("g"), 1, NULL, 0);
    oxp_client_counter_add(oxp_client_counter(client, OXP_VIEW("c"), NULL, 0), 1);
    oxp_client_limits(client, 1, 1);
    oxp_client_heartbeat(client);
    oxp_client_off_beat(client, NULL, NULL);
    assert_int_equal(oxp_client_on_beat(client, NULL, NULL), OXP_OK);
    oxp_client_crash_line(client, OXP_VIEW("{}"));
    assert_null(oxp_client_reporter(client));
    assert_int_equal(oxp_client_flush(client, 0), OXP_ERR_CLOSED);
    assert_int_equal(oxp_client_stop(client, NULL, 0), OXP_OK);
    assert_int_equal(stats_of(client).reported, 0);
    oxp_client_free(client);
}

static void bad_options(void **state) {
    (void)state;
    char path[200];
    memset(path, 'x', sizeof path);
    path[sizeof path - 1] = '\0';
    const struct oxp_client_options rows[] = {
        {.socket_path = path}, {.writer = "main/1"}, {.writer = "a\nb"}, {.writer = "a\x7f"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct oxp_client *client = (struct oxp_client *)1;
        assert_int_equal(oxp_client_new(&rows[i], &client), OXP_ERR_INVALID);
        assert_null(client);
    }
}

/* No sidecar at all: everything is lost in the end, and counted; stopping does not wait. */
static void absent(void **state) {
    (void)state;
    struct sidecar sidecar;
    sidecar_init(&sidecar, false);
    const struct oxp_client_options options = {.queue_bytes = 64 << 10};
    struct oxp_client *client = client_at(sidecar.path, &options);
    char id[16];
    for (int i = 0; i < 5000; i++) {
        snprintf(id, sizeof id, "s%d", i);
        start(client, id);
        act(client);
        finish(client, id);
    }
    assert_int_equal(oxp_client_flush(client, 0), OXP_ERR_TIMEOUT);
    assert_int_equal(oxp_client_stop(client, "done", PATIENCE_MS), OXP_ERR_CLOSED);
    struct oxp_client_stats stats = stats_of(client);
    assert_int_equal(stats.reported, 15001);
    assert_int_equal(stats.dropped, 15001);
    assert_int_equal(stats.written, 0);
    oxp_client_free(client);
    sidecar_fini(&sidecar);
}

/* The sidecar goes and another comes: what is open is said again, with numbers that go on. */
static void comes_back(void **state) {
    (void)state;
    struct sidecar sidecar;
    sidecar_init(&sidecar, true);
    struct oxp_client *client = client_at(sidecar.path, NULL);
    sidecar_answer(&sidecar);
    const struct oxp_ids ids = {.workflow = OXP_VIEW("w"), .task = OXP_VIEW("t"), .session = OXP_VIEW("s1")};
    const struct oxp_client_session session = {
        .ref = OXP_VIEW("q"), .region = OXP_VIEW("eu"), .keep_alive = true, .timeout_s = 60, .create_s = 2};
    struct oxp_pair breaker[] = {oxp_pair_text("name", OXP_VIEW("bb")), oxp_pair_text("from", OXP_VIEW("closed")),
                                 oxp_pair_text("to", OXP_VIEW("open"))};
    oxp_client_workflow_started(client, &ids, OXP_VIEW("site"), 0);
    oxp_client_session_creating(client, NULL, OXP_VIEW("q"), OXP_VIEW("eu"));
    oxp_client_session_creating(client, NULL, OXP_VIEW("other"), OXP_VIEW("eu"));
    oxp_client_session_started(client, &ids, &session);
    oxp_client_task_queued(client, &ids, OXP_VIEW("high"));
    oxp_client_task_started(client, &ids, OXP_VIEW("high"), 2);
    oxp_report(oxp_client_reporter(client), "breaker", NULL, breaker, 3);
    start(client, "gone");
    finish(client, "gone");
    oxp_client_session_releasing(client, &ids);
    sidecar_hear_lines(&sidecar, 11);
    assert_int_equal(oxp_client_flush(client, PATIENCE_MS), OXP_OK);
    sidecar_hang_up(&sidecar);
    sidecar_answer(&sidecar);
    sidecar_hear_lines(&sidecar, 17);
    char **again = sidecar.kept + 11;
    assert_true(sidecar.started_resumed);
    assert_int_equal(sidecar.started_last_seq, 11);
    must_hold(again[0], "\"resumed\":true,\"last_seq\":11}");
    must_hold(again[1], "workflow.started");
    must_hold(again[1], "\"site\":\"site\",\"resumed\":true,\"started_at\":");
    must_hold(again[2], "\"ref\":\"other\",\"region\":\"eu\",\"resumed\":true");
    must_hold(again[3], "\"timeout_s\":60,\"create_s\":2,\"resumed\":true,\"started_at\":");
    must_hold(again[3], "\"state\":\"releasing\"}");
    must_hold(again[4], "task.started");
    must_hold(again[4], "\"attempt\":2,\"resumed\":true");
    must_hold(again[5], "\"to\":\"open\",\"resumed\":true,\"started_at\":");
    must_hold(again[5], "\"state\":\"open\"}");
    assert_int_equal(sidecar.gaps, 0);
    stop_and_hear(client, &sidecar, OXP_OK);
    oxp_client_free(client);
    sidecar_fini(&sidecar);
}

/* A sidecar that takes nothing for a long time, with far more events than there is room for; then it reads on. What it
 * knows to be open at the end is what is, and the gaps are exactly what the client dropped. */
static void stopped_sidecar(void **state) {
    (void)state;
    struct sidecar sidecar;
    sidecar_init(&sidecar, true);
    const struct oxp_client_options options = {.queue_bytes = 64 << 10, .heartbeat_s = 3600};
    struct oxp_client *client = client_at(sidecar.path, &options);
    sidecar_answer(&sidecar);
    start(client, "first");
    sidecar_hear_lines(&sidecar, 2);
    char id[16];
    for (int i = 0; i < 20000; i++) {
        snprintf(id, sizeof id, "s%d", i);
        start(client, id);
        act(client);
        if (i % 100 != 0) {
            finish(client, id);
        }
        if (i % 50 == 0) {
            oxp_client_flush(client, 1); /* lets the client's thread run: it is not to be outrun here */
        }
    }
    finish(client, "first");
    stop_and_hear(client, &sidecar, OXP_OK);
    struct oxp_client_stats stats = stats_of(client);
    assert_true(stats.dropped > 1000);
    assert_int_equal(sidecar.gaps, stats.dropped);
    assert_int_equal(sidecar.count, stats.written);
    assert_true(sidecar.stopping);
    if (stats.outrun == 0) {
        assert_null(oxp_map_get(&sidecar.open, OXP_VIEW("first")));
        assert_int_equal(sidecar.open.count, stats.open);
        assert_int_equal(stats.open, 200);
    }
    oxp_client_free(client);
    sidecar_fini(&sidecar);
}

/* A sidecar that hangs up in the middle, again and again, while events flow. */
static void flapping(void **state) {
    (void)state;
    struct sidecar sidecar;
    sidecar_init(&sidecar, true);
    struct oxp_client *client = client_at(sidecar.path, NULL);
    char id[16];
    for (int round = 0; round < 5; round++) {
        sidecar_answer(&sidecar);
        size_t from = sidecar.count;
        for (int i = 0; i < 300; i++) {
            snprintf(id, sizeof id, "s%d-%d", round, i);
            start(client, id);
            if (i != 7) {
                finish(client, id);
            }
        }
        sidecar_hear_lines(&sidecar, from + 100);
        sidecar_hang_up(&sidecar);
        /* What was still in the socket counts as written, so gaps say nothing here; what is open does. */
    }
    sidecar_answer(&sidecar);
    stop_and_hear(client, &sidecar, OXP_OK);
    assert_true(sidecar.stopping);
    struct oxp_client_stats stats = stats_of(client);
    assert_int_equal(stats.dropped, 0);
    assert_int_equal(stats.open, 5);
    for (int round = 0; round < 5; round++) {
        snprintf(id, sizeof id, "s%d-7", round);
        assert_non_null(oxp_map_get(&sidecar.open, oxp_view_from(id)));
    }
    oxp_client_free(client);
    sidecar_fini(&sidecar);
}

/* ---- Threads and forks ---- */

enum { THREADS = 8, EACH = 2000 };

struct worker {
    struct oxp_client *client;
    struct oxp_client_counter *counter;
    int number;
    pthread_barrier_t
        *forked; /* begin and end apart from the forks: these, too, are the address sanitizer's weak places */
};

static void *work(void *ctx) {
    const struct worker *worker = ctx;
    char id[32];
    pthread_barrier_wait(worker->forked);
    for (int i = 0; i < EACH; i++) {
        snprintf(id, sizeof id, "w%d-%d", worker->number, i);
        start(worker->client, id);
        act(worker->client);
        oxp_client_counter_add(worker->counter, 1);
        finish(worker->client, id);
    }
    pthread_barrier_wait(worker->forked);
    return NULL;
}

/* The thread sanitizer takes the parent's other threads for alive in the child: there it says what is not so. */
#ifdef __SANITIZE_THREAD__
#define CHILD_SPEAKS false
#else
#define CHILD_SPEAKS true
#endif

static int child_main(struct oxp_client *client) {
    start(client, "child");
    struct oxp_client_stats stats = stats_of(client);
    char writer[32];
    snprintf(writer, sizeof writer, "main/%d", (int)getpid());
    enum oxp_status status = oxp_client_stop(client, "child", PATIENCE_MS);
    return strcmp(stats.writer, writer) == 0 && stats.reported == 1 ? status == OXP_OK ? 0 : 2 : 3;
}

/* Eight threads report and meanwhile the process forks, a few times; the parent's connection is whole. A child that
 * speaks does so for itself, over a connection of its own. */
static void fork_among_threads(bool child_speaks) {
    struct sidecar sidecar;
    sidecar_init(&sidecar, true);
    const struct oxp_client_options options = {.queue_bytes = 32 << 20, .heartbeat_s = 0.01};
    struct oxp_client *client = client_at(sidecar.path, &options);
    sidecar_answer(&sidecar);
    sidecar.light = true;
    pthread_barrier_t forked;
    pthread_barrier_init(&forked, NULL, THREADS + 1);
    pthread_t listener, threads[THREADS];
    struct worker workers[THREADS];
    assert_int_equal(pthread_create(&listener, NULL, sidecar_hear_on, &sidecar), 0);
    struct oxp_client_counter *counter = oxp_client_counter(client, OXP_VIEW("done_total"), NULL, 0);
    for (int i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){client, counter, i, &forked};
        assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
    }
    pthread_barrier_wait(&forked);
    for (int i = 0; i < 5; i++) {
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            alarm(2 * PATIENCE_MS / 1000);
            _exit(child_speaks ? child_main(client) : 0);
        }
        struct sidecar child = {.fd = -1, .listener = sidecar.listener};
        char writer[32];
        int status = -1;
        if (!child_speaks) {
            assert_int_equal(waitpid(pid, &status, 0), pid);
            assert_int_equal(status, 0);
            continue;
        }
        snprintf(writer, sizeof writer, "main/%d", (int)pid);
        oxp_map_init(&child.open);
        sidecar_answer(&child);
        sidecar_hear_to_the_end(&child);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
        assert_string_equal(child.started_writer, writer);
        assert_true(child.stopping);
        assert_int_equal(child.gaps, 0);
        assert_int_equal(child.open.count, 1);
        child.listener = -1;
        sidecar_fini(&child);
    }
    pthread_barrier_wait(&forked);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    pthread_barrier_destroy(&forked);
    assert_int_equal(oxp_client_stop(client, "done", PATIENCE_MS), OXP_OK);
    pthread_join(listener, NULL);
    struct oxp_client_stats stats = stats_of(client);
    assert_int_equal(sidecar.gaps, stats.dropped);
    assert_int_equal(sidecar.count, stats.written);
    assert_int_equal(stats.open, 0);
    if (stats.dropped == 0) {
        assert_int_equal(sidecar.sessions_started, THREADS * EACH);
        assert_int_equal(sidecar.sessions_ended, THREADS * EACH);
    }
    oxp_client_free(client);
    sidecar_fini(&sidecar);
}

static void threads_and_forks(void **state) {
    (void)state;
    fork_among_threads(false);
}

static void children_of_a_busy_process_speak(void **state) {
    (void)state;
#ifdef __SANITIZE_ADDRESS__
    skip(); /* its allocator may be locked at the moment of the fork, and then is for ever in the child */
#endif
    if (!CHILD_SPEAKS) {
        skip();
    }
    fork_among_threads(true);
}

static void silent_child(void **state) {
    (void)state;
    struct sidecar sidecar;
    sidecar_init(&sidecar, true);
    struct oxp_client *client = client_at(sidecar.path, NULL);
    sidecar_answer(&sidecar);
    start(client, "s");
    sidecar_hear_lines(&sidecar, 2);
    pid_t pid = fork();
    if (pid == 0) {
        alarm(2 * PATIENCE_MS / 1000);
        bool right = !CHILD_SPEAKS || oxp_client_stop(client, "nothing said", 0) == OXP_OK;
        if (CHILD_SPEAKS) {
            oxp_client_free(client);
        }
        _exit(right ? 0 : 1);
    }
    int status = -1;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    finish(client, "s"); /* the parent's connection is as it was */
    sidecar_hear_lines(&sidecar, 3);
    assert_int_equal(sidecar.gaps, 0);
    stop_and_hear(client, &sidecar, OXP_OK);
    oxp_client_free(client);
    sidecar_fini(&sidecar);
}

/* ---- The host's own ---- */

static _Atomic int handled;
static _Atomic pthread_t handled_by;

static void on_signal(int number) {
    (void)number;
    handled_by = pthread_self();
    handled++;
}

/* Handlers, mask and the disposition of SIGPIPE are what they were; a peer that hangs up kills nobody; a signal to the
 * process is never handled on the client's thread (which would be asleep in poll, and is not in this one). */
static void signals_are_left_alone(void **state) {
    (void)state;
    struct sidecar sidecar;
    struct sigaction mine = {.sa_handler = on_signal}, found;
    sigset_t before, after;
    sidecar_init(&sidecar, true);
    signal(SIGPIPE, SIG_DFL);
    sigaction(SIGUSR1, &mine, NULL);
    pthread_sigmask(SIG_SETMASK, NULL, &before);
    struct oxp_client *client = client_at(sidecar.path, NULL);
    sidecar_answer(&sidecar);
    pthread_sigmask(SIG_SETMASK, NULL, &after);
    for (int number = 1; number < NSIG; number++) {
        assert_int_equal(sigismember(&before, number), sigismember(&after, number));
    }
    sidecar_hear_lines(&sidecar, 1);
    sidecar_hang_up(&sidecar);
    for (int i = 0; i < 1000; i++) {
        start(client, "s");
    }
    sidecar_answer(&sidecar);
    sidecar_hear_lines(&sidecar, 100);
    sigaction(SIGPIPE, NULL, &found);
    assert_true(found.sa_handler == SIG_DFL);
    sigaction(SIGUSR1, NULL, &found);
    assert_true(found.sa_handler == on_signal);
    sigset_t usr1;
    sigemptyset(&usr1);
    sigaddset(&usr1, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &usr1, NULL); /* blocked here, and in the client's thread: it stays pending */
    kill(getpid(), SIGUSR1);
    act(client);
    assert_int_equal(oxp_client_flush(client, PATIENCE_MS), OXP_OK); /* it ran meanwhile */
    assert_int_equal(handled, 0);
    pthread_sigmask(SIG_UNBLOCK, &usr1, NULL);
    assert_int_equal(handled, 1);
    assert_true(pthread_equal(handled_by, pthread_self()));
    oxp_client_free(client);
    signal(SIGUSR1, SIG_DFL);
    sidecar_fini(&sidecar);
}

static void flush_breaker(void *ctx) {
    struct oxp_pair pairs[] = {oxp_pair_text("name", OXP_VIEW("bb")), oxp_pair_count("success", 1)};
    oxp_report(oxp_client_reporter(ctx), "breaker.calls", NULL, pairs, 2);
}

static size_t count_holding(const struct sidecar *sidecar, const char *part) {
    size_t found = 0;
    for (size_t i = 0; i < sidecar->count && i < 1024; i++) {
        found += strstr(sidecar->kept[i], part) != NULL;
    }
    return found;
}

static void beats(void **state) {
    (void)state;
    struct sidecar sidecar;
    sidecar_init(&sidecar, true);
    const struct oxp_client_options options = {.heartbeat_s = 0.02, .sessions_limit = 5};
    struct oxp_client *client = client_at(sidecar.path, &options);
    const struct oxp_view labels[] = {OXP_VIEW("site"), OXP_VIEW("a\"b"), OXP_VIEW("kind"), OXP_VIEW("x")};
    struct oxp_client_counter *counter = oxp_client_counter(client, OXP_VIEW("pages_total"), labels, 4);
    assert_non_null(counter);
    assert_ptr_equal(oxp_client_counter(client, OXP_VIEW("pages_total"), labels, 4), counter);
    assert_ptr_not_equal(oxp_client_counter(client, OXP_VIEW("pages_total"), labels, 2), counter);
    oxp_client_counter_add(counter, 3);
    oxp_client_counter_add(counter, 4);
    assert_int_equal(oxp_client_on_beat(client, flush_breaker, client), OXP_OK);
    assert_int_equal(oxp_client_on_beat(client, NULL, client), OXP_ERR_INVALID);
    sidecar_answer(&sidecar);
    while (count_holding(&sidecar, "orchestrator.heartbeat") < 3) {
        sidecar_hear_lines(&sidecar, sidecar.count + 1);
    }
    oxp_client_off_beat(client, flush_breaker, client);
    oxp_client_counter_add(counter, 2); /* said when it stops, at the latest */
    oxp_client_limits(client, 6, 7);
    stop_and_hear(client, &sidecar, OXP_OK);
    assert_int_equal(count_holding(&sidecar, "\"name\":\"pages_total\",\"kind\":\"counter\",\"value\":7,"
                                             "\"labels\":{\"site\":\"a\\\"b\",\"kind\":\"x\"}"),
                     1);
    assert_int_equal(count_holding(&sidecar, "\"value\":2,"), 1);
    assert_true(count_holding(&sidecar, "breaker.calls") >= 2);
    assert_true(count_holding(&sidecar, "orchestrator.heartbeat\",\"sessions_limit\":5}") >= 3);
    oxp_client_free(client);
    sidecar_fini(&sidecar);
}

static void crash_line(void **state) {
    (void)state;
    struct sidecar sidecar;
    char bytes[64];
    sidecar_init(&sidecar, true);
    struct oxp_client *client = client_at(sidecar.path, NULL);
    sidecar_answer(&sidecar);
    oxp_client_crash_line(client, OXP_VIEW("{\"type\":\"error\"}"));
    sidecar_hang_up(&sidecar);
    sidecar_answer(&sidecar);
    size_t len = 0;
    while (len < 17) {
        sidecar_wait_for_bytes(sidecar.fd);
        ssize_t n = read(sidecar.fd, bytes + len, sizeof bytes - len);
        assert_true(n > 0);
        len += (size_t)n;
    }
    assert_memory_equal(bytes, "{\"type\":\"error\"}\n", 17);
    oxp_client_free(client);
    sidecar_fini(&sidecar);
}

/* ---- Clock, memory ---- */

static _Atomic int64_t wall_ns;

static struct oxp_wall jumping(const struct oxp_clock *clock) {
    (void)clock;
    return (struct oxp_wall){wall_ns};
}

static struct oxp_mono steady(const struct oxp_clock *clock) {
    (void)clock;
    return (struct oxp_mono){0};
}

static void clock_jumps(void **state) {
    (void)state;
    static const struct oxp_clock clock = {steady, jumping};
    struct sidecar sidecar;
    sidecar_init(&sidecar, true);
    wall_ns = INT64_C(1700000000123456789);
    const struct oxp_client_options options = {.clock = &clock, .heartbeat_s = 0.02};
    struct oxp_client *client = client_at(sidecar.path, &options);
    sidecar_answer(&sidecar);
    const char *const expected[] = {"\"ts\":1700000000.123456,", "\"ts\":1600000000.000000,", "\"ts\":0.000000,",
                                    "\"ts\":4000000000.000000,"};
    const int64_t times[] = {INT64_C(1700000000123456789), INT64_C(1600000000000000000), -5,
                             INT64_C(4000000000000000000)};
    for (size_t i = 0; i < 4; i++) {
        wall_ns = times[i];
        act(client);
        while (count_holding(&sidecar, "\"op\":\"act\"") < i + 1) {
            assert_true(sidecar_hear(&sidecar));
        }
        assert_true(count_holding(&sidecar, expected[i]) >= 1);
    }
    size_t beats_before = count_holding(&sidecar, "heartbeat");
    while (count_holding(&sidecar, "heartbeat") < beats_before + 2) { /* by the monotonic clock */
        assert_true(sidecar_hear(&sidecar));
    }
    stop_and_hear(client, &sidecar, OXP_OK);
    oxp_client_free(client);
    sidecar_fini(&sidecar);
}

static void new_without_memory(void *ctx) {
    struct oxp_client *client = NULL;
    const struct oxp_client_options options = {.socket_path = ctx, .queue_bytes = 64 << 10};
    enum oxp_status status = oxp_client_new(&options, &client);
    assert_true(status == OXP_OK || status == OXP_ERR_NOMEM || status == OXP_ERR_IO);
    assert_true((client != NULL) == (status == OXP_OK));
    const struct oxp_view labels[] = {OXP_VIEW("a"), OXP_VIEW("b")};
    oxp_client_counter_add(oxp_client_counter(client, OXP_VIEW("c"), labels, 2), 1);
    start(client, "s");
    oxp_client_stop(client, "done", 0);
    oxp_client_free(client);
}

static void no_memory(void **state) {
    (void)state;
    assert_true(alloc_fail_each(new_without_memory, "/nonexistent/oxpecker.sock") >= 6);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(says_who_it_is),
        cmocka_unit_test(nobody),
        cmocka_unit_test(bad_options),
        cmocka_unit_test(absent),
        cmocka_unit_test(comes_back),
        cmocka_unit_test(stopped_sidecar),
        cmocka_unit_test(flapping),
        cmocka_unit_test(threads_and_forks),
        cmocka_unit_test(children_of_a_busy_process_speak),
        cmocka_unit_test(silent_child),
        cmocka_unit_test(signals_are_left_alone),
        cmocka_unit_test(beats),
        cmocka_unit_test(crash_line),
        cmocka_unit_test(clock_jumps),
        cmocka_unit_test(no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
