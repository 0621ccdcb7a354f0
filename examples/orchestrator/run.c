#include "examples/orchestrator/run.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static const char record_task[] = "run";
static const char *const statuses[TASK_STATUSES] = {"succeeded", "degraded",  "failed",
                                                    "timed_out", "cancelled", "skipped"};

const char *task_status_name(enum task_status status) {
    return statuses[status];
}

bool task_ended_well(enum task_status status) {
    return status == TASK_SUCCEEDED || status == TASK_DEGRADED;
}

struct oxp_ids run_task_ids(const struct run *run, const struct task *task, const char *session) {
    struct oxp_ids ids = app_ids(&run->ids, run->span);
    ids.task = oxp_view_from(task->id);
    ids.session = oxp_view_from(session);
    return ids;
}

/* ---- What is kept ---- */

/* Rule 3. The texts are made under the lock, one writer at a time: so the newest is written last. */
static bool keep_run(struct run *run) {
    struct oxp_error error = {.line = 0};
    struct oxp_view *finished = calloc(run->count + 1, sizeof *finished);
    struct oxp_checkpoint checkpoint = {.task = oxp_view_from(record_task),
                                        .workflow = oxp_view_from(run->workflow->name),
                                        .run = oxp_view_from(run->id),
                                        .state = OXP_VIEW("running"),
                                        .finished = finished};
    pthread_mutex_lock(&run->record);
    pthread_mutex_lock(&run->lock);
    for (size_t i = 0; finished != NULL && i < run->count; i++) {
        if (run->tasks[i].state == TASK_ENDED) {
            finished[checkpoint.finished_count++] = oxp_view_from(run->tasks[i].plan->id);
        }
    }
    checkpoint.progress_pct = 100.0 * (double)checkpoint.finished_count / (double)run->count;
    char *context = json_dumps(run->statuses, JSON_COMPACT), *results = json_dumps(run->results, JSON_COMPACT);
    pthread_mutex_unlock(&run->lock);
    checkpoint.context = oxp_view_from(context);
    checkpoint.results = oxp_view_from(results);
    enum oxp_status status =
        finished == NULL ? OXP_ERR_NOMEM : oxp_checkpoint_save_now(run->app->checkpoints, &checkpoint, &error);
    pthread_mutex_unlock(&run->record);
    if (status != OXP_OK) {
        app_log(run->app, OXP_LOG_ERROR, &run->ids, "the run's record was not written", error.text);
    }
    free(context);
    free(results);
    free(finished);
    return status == OXP_OK;
}

void run_keep(struct run *run, const struct task *task, bool now) {
    json_t *context =
        json_pack("{s:s, s:b, s:i}", "page", task->page, "degraded", (int)task->degraded, "step", (int)task->step);
    char *context_text = json_dumps(context, JSON_COMPACT), *results = json_dumps(task->results, JSON_COMPACT);
    char state[32];
    struct oxp_view finished[64];
    snprintf(state, sizeof state, "step %zu of %zu", task->step, task->plan->step_count);
    struct oxp_checkpoint checkpoint = {
        .task = oxp_view_from(task->id),
        .workflow = run->ids.workflow,
        .run = run->ids.run,
        .session = oxp_view_from(task->session),
        .state = oxp_view_from(state),
        .context = oxp_view_from(context_text),
        .results = oxp_view_from(results),
        .finished = finished,
        .progress_pct = 100.0 * (double)task->step / (double)task->plan->step_count,
        .attempt = task->attempt,
    };
    for (size_t i = 0; i < task->plan->after_count && i < 64; i++) {
        finished[checkpoint.finished_count++] = oxp_view_from(run->workflow->plans[task->plan->after[i]].id);
    }
    if (now) {
        oxp_checkpoint_save_now(run->app->checkpoints, &checkpoint, NULL); /* failures are reported by the library */
    } else if (task->step == 0) {
        oxp_checkpoint_before(run->app->checkpoints, &checkpoint);
    } else {
        oxp_checkpoint_save(run->app->checkpoints, &checkpoint);
    }
    free(context_text);
    free(results);
    json_decref(context);
}

/* ---- Beginning ---- */

static void restore_task(struct run *run, struct task *task) {
    struct oxp_checkpoint *kept = NULL;
    if (oxp_checkpoint_load(run->app->checkpoints, oxp_view_from(task->id), &kept, NULL) != OXP_OK) {
        return;
    }
    json_t *context = json_loadb(kept->context.ptr, kept->context.len, 0, NULL);
    json_t *results = json_loadb(kept->results.ptr, kept->results.len, 0, NULL);
    const char *page = json_string_value(json_object_get(context, "page"));
    json_int_t step = json_integer_value(json_object_get(context, "step"));
    if (step >= 0 && (size_t)step <= task->plan->step_count && json_is_object(results)) {
        task->step = (size_t)step;
        task->attempt = kept->attempt;
        task->degraded = json_is_true(json_object_get(context, "degraded"));
        task->resumed = true;
        snprintf(task->page, sizeof task->page, "%s", page == NULL ? "" : page);
        snprintf(task->session, sizeof task->session, "%.*s", (int)kept->session.len, kept->session.ptr);
        json_object_update(task->results, results);
    }
    json_decref(context);
    json_decref(results);
    oxp_checkpoint_free(kept);
}

static enum task_status status_of(const json_t *name) {
    int status = 0;
    while (status < TASK_STATUSES - 1 && (name == NULL || strcmp(json_string_value(name), statuses[status]) != 0)) {
        status++;
    }
    return (enum task_status)status;
}

/* What the last process left of this workflow, if anything. */
static bool restore_run(struct run *run) {
    struct oxp_checkpoint *kept = NULL;
    if (oxp_checkpoint_load(run->app->checkpoints, oxp_view_from(record_task), &kept, NULL) != OXP_OK) {
        return false;
    }
    bool ours = oxp_view_is(kept->workflow, run->workflow->name) && kept->run.len == sizeof run->id - 1;
    if (ours) {
        memcpy(run->id, kept->run.ptr, sizeof run->id - 1);
        json_t *context = json_loadb(kept->context.ptr, kept->context.len, 0, NULL);
        json_t *results = json_loadb(kept->results.ptr, kept->results.len, 0, NULL);
        json_object_update(run->statuses, context);
        json_object_update(run->results, results);
        json_decref(context);
        json_decref(results);
    }
    oxp_checkpoint_free(kept);
    return ours;
}

static bool make_task(struct run *run, struct task *task, const struct plan *plan) {
    *task = (struct task){.plan = plan, .results = json_object()};
    snprintf(task->id, sizeof task->id, "%s.%s", run->id, plan->id);
    return task->results != NULL && oxp_cancel_new(&task->cancel) == OXP_OK;
}

static void report_begin(struct run *run) {
    const struct oxp_pair pairs[] = {
        oxp_pair_text("site", oxp_view_from(run->workflow->site)),
        oxp_pair_count("sessions", (uint64_t)run->app->config->sessions),
        oxp_pair_flag("resumed", run->resumed),
    };
    struct oxp_ids ids = app_ids(&run->ids, run->span);
    oxp_report(run->app->reporter, "workflow.started", &ids, pairs, run->resumed ? 3 : 2);
    app_audit(run->app, "run_workflow", run->resumed ? "resumed" : "started", &ids, run->workflow->site);
}

static void wake_dependents_locked(struct run *run);

bool run_begin(struct run *run, struct app *app, const struct workflow *workflow) {
    *run = (struct run){.app = app,
                        .workflow = workflow,
                        .count = workflow->count,
                        .began_s = app_now(),
                        .lock = PTHREAD_MUTEX_INITIALIZER,
                        .record = PTHREAD_MUTEX_INITIALIZER,
                        .statuses = json_object(),
                        .results = json_object(),
                        .tasks = calloc(workflow->count, sizeof *run->tasks)};
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&run->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    run->resumed = restore_run(run);
    if (!run->resumed) {
        app_random_hex(run->id, sizeof run->id);
    }
    run->ids = (struct oxp_ids){.workflow = oxp_view_from(workflow->name), .run = oxp_view_from(run->id)};
    run->span = oxp_span_start(app->tracer, &(struct oxp_span_options){.name = OXP_VIEW("run_workflow"),
                                                                       .component = OXP_VIEW("orchestrator"),
                                                                       .ids = run->ids});
    report_begin(run);
    for (size_t i = 0; i < run->count; i++) {
        const json_t *ended = json_object_get(run->statuses, workflow->plans[i].id);
        if (run->tasks == NULL || !make_task(run, &run->tasks[i], &workflow->plans[i])) {
            return false;
        }
        if (json_is_string(ended)) {
            run->tasks[i].state = TASK_ENDED;
            run->tasks[i].status = status_of(ended);
            run->ended++;
            oxp_checkpoint_done(app->checkpoints, oxp_view_from(run->tasks[i].id)); /* the crash came before */
        } else if (run->resumed) {
            restore_task(run, &run->tasks[i]);
        }
    }
    keep_run(run);
    pthread_mutex_lock(&run->lock);
    wake_dependents_locked(run);
    pthread_mutex_unlock(&run->lock);
    return true;
}

/* ---- The queue ---- */

static void end_locked(struct run *run, struct task *task, enum task_status status) {
    task->state = TASK_ENDED;
    task->status = status;
    run->ended++;
    json_object_set_new(run->statuses, task->plan->id, json_string(statuses[status]));
    if (json_object_size(task->results) != 0) {
        json_object_set_new(run->results, task->plan->id, json_deep_copy(task->results));
    }
}

static void say_end(struct run *run, const struct task *task, const char *code) {
    struct oxp_ids ids = run_task_ids(run, task, NULL);
    oxp_client_task_ended(run->app->client, &ids, oxp_view_from(statuses[task->status]), oxp_view_from(code));
}

/* What a task waits for, after the ends that there have been (rules 1, 2). */
static enum { WAIT, READY, SKIP, CANCEL } fate_of(const struct run *run, const struct plan *plan) {
    bool ready = true;
    for (size_t i = 0; i < plan->unless_count; i++) {
        const struct task *other = &run->tasks[plan->unless[i]];
        if (other->state == TASK_ENDED && task_ended_well(other->status)) {
            return CANCEL;
        }
    }
    for (size_t i = 0; i < plan->after_count; i++) {
        const struct task *other = &run->tasks[plan->after[i]];
        if (other->state == TASK_ENDED && !task_ended_well(other->status)) {
            return SKIP;
        }
        ready = ready && other->state == TASK_ENDED;
    }
    return ready ? READY : WAIT;
}

/* Tasks stand behind those that they wait for, so that one pass is enough. */
static void wake_dependents_locked(struct run *run) {
    for (size_t i = 0; i < run->count; i++) {
        struct task *task = &run->tasks[i];
        int fate = task->state == TASK_ENDED ? (int)WAIT : (int)fate_of(run, task->plan);
        if (fate == CANCEL && !task->cancelled) {
            task->cancelled = true;
            oxp_cancel_set(task->cancel);
        }
        if (task->state == TASK_RUNNING) {
            continue;
        }
        if (fate == CANCEL || fate == SKIP) {
            end_locked(run, task, fate == CANCEL ? TASK_CANCELLED : TASK_SKIPPED);
            say_end(run, task, NULL);
        } else if (fate == READY && task->state == TASK_WAITING) {
            struct oxp_ids ids = run_task_ids(run, task, NULL);
            task->state = TASK_READY;
            task->queued_s = app_now();
            oxp_client_task_queued(run->app->client, &ids, oxp_view_from(priority_name(task->plan->priority)));
        }
    }
    pthread_cond_broadcast(&run->changed);
}

/* The best ready task, or NULL and when the next one will be. */
static struct task *best_locked(struct run *run, double now_s, double *next_s) {
    struct task *best = NULL;
    for (size_t i = 0; i < run->count; i++) {
        struct task *task = &run->tasks[i];
        if (task->state != TASK_READY) {
            continue;
        }
        if (task->not_before_s > now_s) {
            *next_s = task->not_before_s < *next_s ? task->not_before_s : *next_s;
        } else if (best == NULL || task->plan->priority > best->plan->priority ||
                   (task->plan->priority == best->plan->priority && task->queued_s < best->queued_s)) {
            best = task;
        }
    }
    return best;
}

static void wait_until_locked(struct run *run, double until_s) {
    struct timespec at = {.tv_sec = (time_t)until_s, .tv_nsec = (long)(1e9 * (until_s - (double)(time_t)until_s))};
    pthread_cond_timedwait(&run->changed, &run->lock, &at);
}

struct task *run_take(struct run *run) {
    struct task *task = NULL;
    pthread_mutex_lock(&run->lock);
    while (!run->stopped && run->ended < run->count) {
        double now_s = app_now(), next_s = now_s + 1;
        task = best_locked(run, now_s, &next_s);
        if (task != NULL) {
            task->state = TASK_RUNNING;
            task->waits_for_slot = false;
            run->busy++;
            break;
        }
        wait_until_locked(run, next_s);
    }
    pthread_mutex_unlock(&run->lock);
    return task;
}

void run_put_off(struct run *run, struct task *task, double delay_s, bool slot) {
    struct oxp_ids ids = run_task_ids(run, task, NULL);
    pthread_mutex_lock(&run->lock);
    run->busy--;
    task->state = TASK_READY;
    task->queued_s = app_now();
    task->not_before_s = task->queued_s + delay_s;
    task->waits_for_slot = slot;
    oxp_client_task_queued(run->app->client, &ids, oxp_view_from(priority_name(task->plan->priority)));
    wake_dependents_locked(run); /* it may have been cancelled meanwhile */
    pthread_mutex_unlock(&run->lock);
}

void run_leave(struct run *run, struct task *task) {
    struct oxp_ids ids = run_task_ids(run, task, NULL);
    pthread_mutex_lock(&run->lock);
    run->busy--;
    task->state = TASK_READY;
    task->queued_s = app_now();
    pthread_mutex_unlock(&run->lock);
    run_keep(run, task, true);
    oxp_client_task_queued(run->app->client, &ids, oxp_view_from(priority_name(task->plan->priority)));
}

void run_finish(struct run *run, struct task *task, enum task_status status, const char *code) {
    pthread_mutex_lock(&run->lock);
    run->busy--;
    end_locked(run, task, status);
    pthread_mutex_unlock(&run->lock);
    keep_run(run); /* rule 3 */
    say_end(run, task, code);
    oxp_checkpoint_done(run->app->checkpoints, oxp_view_from(task->id));
    pthread_mutex_lock(&run->lock);
    wake_dependents_locked(run);
    pthread_mutex_unlock(&run->lock);
}

/* ---- From outside ---- */

void run_slot_freed(void *ctx) {
    struct run *run = ctx;
    pthread_mutex_lock(&run->lock);
    for (size_t i = 0; i < run->count; i++) {
        if (run->tasks[i].waits_for_slot) {
            run->tasks[i].waits_for_slot = false;
            run->tasks[i].not_before_s = 0;
        }
    }
    pthread_cond_broadcast(&run->changed);
    pthread_mutex_unlock(&run->lock);
}

void run_stop(struct run *run) {
    pthread_mutex_lock(&run->lock);
    run->stopped = true;
    pthread_cond_broadcast(&run->changed);
    pthread_mutex_unlock(&run->lock);
}

void run_interrupt(struct run *run) {
    pthread_mutex_lock(&run->lock);
    for (size_t i = 0; i < run->count; i++) {
        if (run->tasks[i].state == TASK_RUNNING) {
            oxp_cancel_set(run->tasks[i].cancel);
        }
    }
    pthread_mutex_unlock(&run->lock);
}

void run_cancel(struct run *run, bool timed_out) {
    pthread_mutex_lock(&run->lock);
    run->cancelled = true;
    run->timed_out = run->timed_out || timed_out;
    for (size_t i = 0; i < run->count; i++) {
        struct task *task = &run->tasks[i];
        task->cancelled = true;
        oxp_cancel_set(task->cancel);
        if (task->state == TASK_WAITING || task->state == TASK_READY) {
            end_locked(run, task, TASK_CANCELLED);
            say_end(run, task, NULL);
        }
    }
    pthread_cond_broadcast(&run->changed);
    pthread_mutex_unlock(&run->lock);
}

bool run_is_over(struct run *run) {
    pthread_mutex_lock(&run->lock);
    bool over = run->ended == run->count;
    pthread_mutex_unlock(&run->lock);
    return over;
}

void run_report_queue(struct run *run, unsigned workers) {
    uint64_t length[PRIORITIES] = {0};
    double oldest[PRIORITIES] = {0}, now_s = app_now();
    pthread_mutex_lock(&run->lock);
    unsigned busy = run->busy;
    for (size_t i = 0; i < run->count; i++) {
        const struct task *task = &run->tasks[i];
        if (task->state == TASK_READY) {
            enum priority priority = task->plan->priority;
            length[priority]++;
            oldest[priority] = now_s - task->queued_s > oldest[priority] ? now_s - task->queued_s : oldest[priority];
        }
    }
    pthread_mutex_unlock(&run->lock);
    const struct oxp_pair pairs[] = {
        oxp_pair_count("low.length", length[PRIORITY_LOW]),
        oxp_pair_number("low.oldest_s", oldest[PRIORITY_LOW]),
        oxp_pair_count("normal.length", length[PRIORITY_NORMAL]),
        oxp_pair_number("normal.oldest_s", oldest[PRIORITY_NORMAL]),
        oxp_pair_count("high.length", length[PRIORITY_HIGH]),
        oxp_pair_number("high.oldest_s", oldest[PRIORITY_HIGH]),
        oxp_pair_count("workers_busy", busy),
        oxp_pair_count("workers_idle", workers > busy ? workers - busy : 0),
    };
    oxp_report(run->app->reporter, "queue", NULL, pairs, sizeof pairs / sizeof pairs[0]);
}

/* ---- Ending ---- */

static const char *status_of_run(const struct run *run) {
    size_t good = 0, bad = 0;
    for (size_t i = 0; i < run->count; i++) {
        enum task_status status = run->tasks[i].status;
        good += task_ended_well(status);
        bad += status == TASK_FAILED || status == TASK_TIMED_OUT || status == TASK_SKIPPED;
    }
    return run->timed_out   ? "timed_out"
           : run->cancelled ? "cancelled"
           : bad == 0       ? "succeeded"
           : good != 0      ? "partial"
                            : "failed";
}

/* The results, where somebody may fetch them: written aside, then renamed. */
static void deliver(struct run *run) {
    char path[4096], aside[4096 + 4];
    double began_s = app_now();
    snprintf(path, sizeof path, "%s/results.json", run->app->config->state_dir);
    snprintf(aside, sizeof aside, "%s.new", path);
    bool ok = json_dump_file(run->results, aside, JSON_INDENT(2)) == 0 && rename(aside, path) == 0;
    struct oxp_client_stage stage = {.stage = OXP_VIEW("delivery"), .duration_s = app_now() - began_s};
    *(ok ? &stage.items_ok : &stage.items_failed) = json_object_size(run->results);
    oxp_client_stage(run->app->client, &run->ids, &stage);
}

const char *run_end(struct run *run) {
    bool over = run->ended == run->count;
    const char *status = over ? status_of_run(run) : "stopped";
    struct oxp_ids ids = app_ids(&run->ids, run->span);
    if (over) {
        deliver(run);
        oxp_checkpoint_done_now(run->app->checkpoints, oxp_view_from(record_task), NULL);
        oxp_client_workflow_ended(run->app->client, &ids, oxp_view_from(status), app_now() - run->began_s);
    } /* else it is not over: the next process goes on with it */
    app_audit(run->app, "run_workflow", status, &ids, NULL);
    oxp_span_end(run->span, strcmp(status, "failed") == 0 ? OXP_SPAN_ERROR : OXP_SPAN_OK, oxp_view_from(NULL));
    for (size_t i = 0; run->tasks != NULL && i < run->count; i++) {
        json_decref(run->tasks[i].results);
        oxp_cancel_free(run->tasks[i].cancel);
    }
    free(run->tasks);
    json_decref(run->statuses);
    json_decref(run->results);
    pthread_cond_destroy(&run->changed);
    return status;
}
