/* An orchestrator on liboxpecker: reads a workflow, runs it round by round over several browser sessions, and reports
 * all of it. SIGTERM or SIGINT: no new tasks, what runs may finish within the grace, sessions are released. A second
 * one cuts the grace, a third ends at once. SIGUSR1 cancels the run. */
#include "examples/orchestrator/health.h"
#include "examples/orchestrator/steps.h"
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct orchestrator {
    struct config config;
    struct workflow workflow;
    struct app app;
    struct pool pool;
    struct run run;
    struct http *http; /* of the main thread */
    struct worker *workers;
    sigset_t signals;
    atomic_bool hurry;
    unsigned asked; /* signals to stop so far */
    double grace_s; /* end of the grace, in the time of app_now; infinite = not stopping */
    double reported_s;
};

/* Every thread begins with these blocked; the main thread waits for them. */
static void block_signals(sigset_t *signals) {
    sigemptyset(signals);
    sigaddset(signals, SIGINT);
    sigaddset(signals, SIGTERM);
    sigaddset(signals, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, signals, NULL);
    signal(SIGPIPE, SIG_IGN);
}

static void on_signal(struct orchestrator *all, int number, bool running) {
    if (number == SIGUSR1) {
        if (running) {
            run_cancel(&all->run, false);
        }
        return;
    }
    switch (++all->asked) {
    case 1:
        app_log(&all->app, OXP_LOG_INFO, NULL, "stopping: running tasks may finish", NULL);
        atomic_store(&all->app.stopping, true);
        all->grace_s = app_now() + all->config.grace_s;
        break;
    case 2:
        app_log(&all->app, OXP_LOG_WARNING, NULL, "stopping at once", NULL);
        all->grace_s = 0;
        atomic_store(&all->hurry, true);
        break;
    default:
        _exit(1);
    }
    if (running) {
        run_stop(&all->run);
    }
}

/* Waits for a signal for so long, and deals with it. */
static void attend(struct orchestrator *all, double seconds, bool running) {
    struct timespec wait = {.tv_sec = (time_t)seconds, .tv_nsec = (long)(1e9 * (seconds - floor(seconds)))};
    int number = sigtimedwait(&all->signals, NULL, &wait);
    if (number > 0) {
        on_signal(all, number, running);
    }
}

/* What happens beside the workers. */
static void tick(struct orchestrator *all) {
    double now_s = app_now(), deadline_s = all->workflow.deadline_s;
    attend(all, 0.1, true);
    if (now_s >= all->grace_s) {
        run_interrupt(&all->run);
    }
    if (deadline_s > 0 && now_s >= all->run.began_s + deadline_s && !all->run.timed_out) {
        run_cancel(&all->run, true);
    }
    if (now_s >= all->reported_s + 1) {
        all->reported_s = now_s;
        run_report_queue(&all->run, (unsigned)all->config.sessions);
    }
}

struct joining {
    struct orchestrator *all;
    atomic_bool done;
};

/* Joins the workers, so that the main thread may go on with its ticks. */
static void *join_all(void *ctx) {
    struct joining *joining = ctx;
    for (long i = 0; i < joining->all->config.sessions; i++) {
        worker_join(&joining->all->workers[i]);
    }
    atomic_store(&joining->done, true);
    return NULL;
}

/* One round. True when the run was one that may be followed by another. */
static bool run_round(struct orchestrator *all) {
    struct joining joining = {.all = all};
    pthread_t joiner;
    if (!run_begin(&all->run, &all->app, &all->workflow)) {
        return false;
    }
    all->pool.ctx = &all->run;
    all->pool.freed = run_slot_freed;
    if (atomic_load(&all->app.stopping)) {
        run_stop(&all->run);
    }
    for (long i = 0; i < all->config.sessions; i++) {
        worker_start(&all->workers[i], &all->app, &all->pool, &all->run, &all->hurry);
    }
    if (pthread_create(&joiner, NULL, join_all, &joining) != 0) {
        join_all(&joining);
    } else {
        while (!atomic_load(&joining.done)) {
            tick(all);
        }
        pthread_join(joiner, NULL);
    }
    run_report_queue(&all->run, 0);
    all->pool.freed = NULL;
    char run[sizeof all->run.id];
    snprintf(run, sizeof run, "%s", all->run.id);
    const char *status = run_end(&all->run);
    char text[64];
    snprintf(text, sizeof text, "%s: %s", run, status);
    app_log(&all->app, OXP_LOG_INFO, NULL, "the run has ended", text);
    return true;
}

static void learn_limit(struct orchestrator *all) {
    const struct oxp_ids ids = {.session = {NULL, 0}};
    const struct caller who = {&all->app, all->http, &ids, NULL, NULL, 0};
    uint64_t limit = 0;
    if (all->config.project == NULL) {
        return;
    }
    struct oxp_failure *failure = bb_limit(&who, &limit);
    if (failure == NULL) {
        oxp_client_limits(all->app.client, limit, 0);
        oxp_client_heartbeat(all->app.client); /* which says it */
    }
    oxp_failure_free(failure);
}

static int run_all(struct orchestrator *all) {
    bool good = pool_start(&all->pool, &all->app, all->http);
    learn_limit(all);
    for (long round = 0; good && !atomic_load(&all->app.stopping); round++) {
        if (all->config.rounds != ROUNDS_FOREVER && round >= all->config.rounds) {
            break;
        }
        for (double until_s = app_now() + (round == 0 ? 0 : all->config.pause_s);
             app_now() < until_s && !atomic_load(&all->app.stopping);) {
            attend(all, 0.1, false);
        }
        good = atomic_load(&all->app.stopping) || run_round(all);
    }
    if (good) {
        pool_stop(&all->pool, all->http, atomic_load(&all->hurry)); /* whatever no worker took */
    }
    return good ? 0 : 1;
}

int main(int count, char **words) {
    static struct orchestrator all;
    struct health *health = NULL;
    unsigned port = 0;
    int status = 1;
    if (!config_read(&all.config, count, words)) {
        return 1;
    }
    if (all.config.help) {
        config_help();
        return 0;
    }
    block_signals(&all.signals);
    all.grace_s = INFINITY;
    all.workers = calloc((size_t)all.config.sessions, sizeof *all.workers);
    if (all.workers == NULL || !workflow_read(&all.workflow, all.config.workflow_file) || !http_start()) {
        goto out;
    }
    all.http = http_new();
    if (all.http == NULL || !app_start(&all.app, &all.config, step_ask)) {
        goto out;
    }
    if (health_start(all.config.health, &health, &port)) {
        char text[64];
        snprintf(text, sizeof text, "port %u", port);
        app_log(&all.app, OXP_LOG_INFO, NULL, "started", port == 0 ? "no health endpoint" : text);
        status = run_all(&all);
    }
    health_stop(health);
    app_stop(&all.app, status == 0 ? "done" : "failed");
out:
    http_free(all.http);
    workflow_free(&all.workflow);
    free(all.workers);
    return status;
}
