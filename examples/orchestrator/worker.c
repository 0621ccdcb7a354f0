#include "examples/orchestrator/worker.h"

#include "examples/orchestrator/steps.h"
#include <stdio.h>
#include <stdlib.h>

/* A task under way. */
struct job {
    struct worker *worker;
    struct task *task;
    struct oxp_span *span;
    struct oxp_ids ids; /* without a session */
    enum oxp_retry_outcome outcome;
    struct oxp_retry_decision decision;
};

/* ---- The session ---- */

static struct caller caller_of(const struct job *job) {
    return (struct caller){job->worker->app, job->worker->http, &job->ids,
                           job->span,        job->task->cancel, job->task->until_s};
}

static void close_session(struct worker *worker, const struct caller *who, const char *reason) {
    if (worker->session != NULL) {
        pool_close(worker->pool, who, worker->session, reason, atomic_load(worker->hurry));
        worker->session = NULL;
    }
}

static struct oxp_failure *get_session(struct job *job) {
    struct worker *worker = job->worker;
    struct caller who = caller_of(job);
    if (worker->session != NULL && (long)worker->session->tasks >= worker->app->config->recycle_tasks &&
        strcmp(worker->session->page_of, job->task->id) != 0) {
        close_session(worker, &who, "recycled");
    }
    if (worker->session == NULL) {
        worker->session = pool_take(worker->pool, job->task->session);
    }
    if (worker->session != NULL) {
        return NULL;
    }
    struct opening *opening = &job->task->opening;
    struct oxp_failure *failure = pool_open(worker->pool, &who, opening, &worker->session, &job->outcome);
    job->decision = opening->result.decision;
    return failure;
}

/* The session shows the page that the task is on: a new one, or another task's, has to be brought there. */
static struct oxp_failure *show_page(struct job *job) {
    struct task *task = job->task;
    struct session *session = job->worker->session;
    struct caller who = caller_of(job);
    struct oxp_failure *failure = pool_attach(job->worker->pool, &who, session);
    if (failure != NULL) {
        job->outcome = OXP_RETRY_EXHAUSTED;
        job->decision = (struct oxp_retry_decision){.action = "replace", .code = oxp_failure_code(failure)};
        return failure;
    }
    bool ours = strcmp(session->page_of, task->id) == 0;
    if (!ours && task->step > 0 && task->page[0] != '\0') {
        failure = step_restore(job->worker, task, job->span, &job->outcome, &job->decision);
    }
    if (failure == NULL && !ours) {
        snprintf(session->page_of, sizeof session->page_of, "%s", task->id);
        session->tasks++;
    }
    snprintf(task->session, sizeof task->session, "%s", session->id);
    return failure;
}

static struct oxp_failure *replace_session(struct job *job, const char *reason) {
    struct worker *worker = job->worker;
    struct caller who = caller_of(job);
    char old[SESSION_ID_SIZE] = "";
    if (worker->session != NULL) {
        snprintf(old, sizeof old, "%s", worker->session->id);
        close_session(worker, &who, reason);
    }
    struct oxp_failure *failure = get_session(job);
    if (failure == NULL && old[0] != '\0') {
        struct oxp_ids ids = job->ids;
        ids.session = oxp_view_from(worker->session->id);
        oxp_client_session_replaced(worker->app->client, &ids, oxp_view_from(old), oxp_view_from(reason));
    }
    return failure;
}

/* ---- The steps ---- */

static struct oxp_failure *own_failure(const struct job *job, struct oxp_view code) {
    const struct oxp_evidence evidence = {.code = code, .op = OXP_VIEW("task")};
    return oxp_failure_new(&evidence, &(struct oxp_failure_context){.component = OXP_VIEW("worker"), .ids = job->ids});
}

static struct oxp_failure *do_step(struct job *job) {
    struct task *task = job->task;
    const struct step *step = &task->plan->steps[task->step];
    struct oxp_failure *failure = NULL;
    job->outcome = OXP_RETRY_EXHAUSTED;
    job->decision = (struct oxp_retry_decision){.action = NULL};
    if (oxp_cancel_is_set(task->cancel)) {
        return own_failure(job, OXP_VIEW("task_cancelled"));
    }
    if (app_now() >= task->until_s) {
        return own_failure(job, OXP_VIEW("task_timeout"));
    }
    if (step->kind != STEP_PROCESS) {
        failure = get_session(job);
        failure = failure == NULL ? show_page(job) : failure;
    }
    return failure != NULL ? failure : step_run(job->worker, task, job->span, &job->outcome, &job->decision);
}

static void step_done(struct job *job) {
    struct task *task = job->task;
    struct run *run = job->worker->run;
    const struct step *step = &task->plan->steps[task->step++];
    bool changes = step->kind == SH_ACT || step->kind == SH_AGENT;
    struct oxp_ids ids = run_task_ids(run, task, task->session);
    run_keep(run, task, changes); /* what changed something out there is not done again */
    oxp_client_task_progress(run->app->client, &ids, 100.0 * (double)task->step / (double)task->plan->step_count);
    if (step->kind == SH_NAVIGATE) {
        oxp_client_counter_add(oxp_client_counter(run->app->client, OXP_VIEW("pages_visited"), NULL, 0), 1);
    }
}

/* Does steps until the task has ended, or has to wait. */
static struct verdict do_steps(struct job *job) {
    struct task *task = job->task;
    struct verdict verdict = {.cure = CURE_NONE};
    struct oxp_failure *failure = NULL;
    while (verdict.cure == CURE_NONE && task->step < task->plan->step_count) {
        failure = do_step(job);
        while (failure != NULL) {
            task->failed_steps++;
            verdict = recover(job->worker->run, task, failure, job->outcome, &job->decision);
            oxp_failure_free(failure);
            failure = NULL;
            if (verdict.cure == CURE_REPLACE) {
                failure = replace_session(job, verdict.code);
                verdict.cure = CURE_NONE;
            }
        }
        if (verdict.cure == CURE_NONE && verdict.code == NULL) {
            step_done(job);
        }
        verdict.code = verdict.cure == CURE_NONE ? NULL : verdict.code;
    }
    return verdict;
}

/* ---- The task ---- */

static void begin(struct job *job, struct worker *worker, struct task *task) {
    struct run *run = worker->run;
    const struct plan *plan = task->plan;
    double deadline_s = plan->deadline_s > 0 ? plan->deadline_s : run->app->config->task_deadline_s;
    *job = (struct job){.worker = worker, .task = task};
    job->span = oxp_span_start(run->app->tracer, &(struct oxp_span_options){.name = oxp_view_from(plan->id),
                                                                            .component = OXP_VIEW("worker"),
                                                                            .parent = run->span,
                                                                            .ids = run_task_ids(run, task, NULL)});
    job->ids = run_task_ids(run, task, NULL);
    job->ids = app_ids(&job->ids, job->span);
    if (task->until_s <= 0) { /* put off and taken again it keeps its deadline */
        task->began_s = app_now();
        task->until_s = task->began_s + deadline_s;
    }
    task->attempt++;
    oxp_client_task_started(run->app->client, &job->ids, oxp_view_from(priority_name(plan->priority)), task->attempt);
    app_audit(run->app, "execute_task", task->resumed ? "resumed" : "started", &job->ids, plan->id);
    oxp_crash_ids(&job->ids);
    run_keep(run, task, false);
}

static void report_stage(struct job *job) {
    const struct task *task = job->task;
    if (task->plan->steps[0].kind == STEP_PROCESS) {
        return; /* it has told */
    }
    struct oxp_client_stage stage = {.stage = OXP_VIEW("collection"),
                                     .items_ok = task->step,
                                     .items_failed = task->plan->step_count - task->step,
                                     .sessions = 1,
                                     .duration_s = app_now() - task->began_s};
    oxp_client_stage(job->worker->app->client, &job->ids, &stage);
}

static void end_task(struct job *job, const struct verdict *verdict) {
    struct run *run = job->worker->run;
    struct task *task = job->task;
    enum task_status status = verdict->cure == CURE_END ? verdict->status
                              : task->degraded          ? TASK_DEGRADED
                                                        : TASK_SUCCEEDED;
    pool_drop_opening(&task->opening);
    oxp_recovery_close_task(run->app->recovery, oxp_view_from(task->id),
                            task_ended_well(status) ? OXP_RECOVERED : OXP_RECOVERY_FAILED);
    report_stage(job);
    app_audit(run->app, "execute_task", task_ended_well(status) ? "success" : task_status_name(status), &job->ids,
              verdict->code);
    run_finish(run, task, status, verdict->code);
    if (verdict->stop_run) {
        app_log(run->app, OXP_LOG_CRITICAL, &job->ids, "the run is cancelled: nothing else can work", verdict->code);
        run_cancel(run, false);
    }
}

static void do_task(struct worker *worker, struct task *task) {
    struct job job;
    begin(&job, worker, task);
    struct verdict verdict = do_steps(&job);
    bool good = verdict.cure == CURE_NONE;
    switch (verdict.cure) {
    case CURE_LATER:
        run_put_off(worker->run, task, verdict.delay_s, verdict.slot);
        break;
    case CURE_LEAVE:
        pool_drop_opening(&task->opening);
        run_leave(worker->run, task);
        break;
    default:
        end_task(&job, &verdict);
        break;
    }
    oxp_span_end(job.span, good ? OXP_SPAN_OK : OXP_SPAN_ERROR, oxp_view_from(verdict.code));
    oxp_crash_ids(NULL);
}

/* ---- The thread ---- */

static void *work(void *ctx) {
    struct worker *worker = ctx;
    oxp_crash_thread();
    for (struct task *task; (task = run_take(worker->run)) != NULL;) {
        do_task(worker, task);
    }
    const struct caller who = {worker->app, worker->http, &worker->run->ids, worker->run->span, NULL, 0};
    close_session(worker, &who, "released");
    return NULL;
}

bool worker_start(struct worker *worker, struct app *app, struct pool *pool, struct run *run, atomic_bool *hurry) {
    *worker = (struct worker){.app = app, .pool = pool, .run = run, .hurry = hurry, .http = http_new()};
    worker->started = worker->http != NULL && pthread_create(&worker->thread, NULL, work, worker) == 0;
    return worker->started;
}

void worker_join(struct worker *worker) {
    if (worker->started) {
        pthread_join(worker->thread, NULL);
    }
    http_free(worker->http);
}
