#include "examples/orchestrator/steps.h"

#include <stdio.h>
#include <stdlib.h>

/* A step under way. */
struct work {
    struct worker *worker;
    struct task *task;
    const struct step *step;
    struct caller who;
    struct oxp_ids ids;
    struct sh_call sh;
    char text[2048]; /* what is asked for, after hooks have changed it */
    json_t *action;  /* that an observe found */
    bool changed;    /* a hook has changed something once */
    enum oxp_retry_outcome outcome;
    struct oxp_retry_decision decision;
};

/* ---- Hooks ---- */

/* Looks at the page, once and with no hooks. */
static json_t *observe(struct work *work, const char *what) {
    struct oxp_retry_result result = {.waited_s = 0};
    enum oxp_retry_outcome outcome;
    struct sh_call sh = {.kind = SH_OBSERVE,
                         .session = work->sh.session,
                         .text = what,
                         .model = work->sh.model,
                         .model_breaker = work->sh.model_breaker,
                         .attempts = 1,
                         .phase = "verify"};
    oxp_failure_free(sh_run(&work->who, &sh, &result, &outcome));
    return sh.result;
}

/* What was to be clicked is not where the model thought: it is looked for anew, and clicked by its selector. */
static bool look_again(struct work *work) {
    if (work->sh.kind != SH_ACT) {
        return snprintf(work->text, sizeof work->text, "anything like this: %s", work->step->text) > 0;
    }
    json_t *found = observe(work, work->step->text);
    work->action = json_incref(json_array_get(found, 0));
    work->sh.action = work->action;
    json_decref(found);
    return work->action != NULL;
}

static bool shorten(struct work *work) {
    size_t len = strlen(work->text);
    work->text[len > 40 ? len / 2 : len] = '\0';
    work->sh.schema = NULL;
    return true;
}

static bool be_strict(struct work *work) {
    return snprintf(work->text, sizeof work->text, "%s. Answer in the form that was asked for, and nothing else.",
                    work->step->text) > 0;
}

static bool go_on(struct work *work) {
    return snprintf(work->text, sizeof work->text, "Go on from where you are: %s", work->step->text) > 0;
}

static bool other_address(struct work *work) {
    if (work->step->other == NULL || work->sh.kind != SH_NAVIGATE) {
        return false;
    }
    snprintf(work->text, sizeof work->text, "%s", work->step->other);
    work->task->degraded = true;
    return true;
}

/* No help for this session; the next one gets more time. */
static bool more_time(struct work *work) {
    struct app *app = work->worker->app;
    double longer_s = 2 * atomic_load(&app->session_timeout_s);
    atomic_store(&app->session_timeout_s, longer_s < 21600 ? longer_s : 21600);
    return false;
}

static bool adjust(void *ctx, const struct oxp_retry_decision *decision) {
    static const struct {
        const char *code;
        bool (*change)(struct work *work);
    } rows[] = {
        {"sh_element", look_again},          {"sh_unsuccessful", look_again}, {"llm_context", shorten},
        {"llm_bad_output", be_strict},       {"sh_agent_incomplete", go_on},  {"site_blocked", other_address},
        {"bb_session_timed_out", more_time},
    };
    struct work *work = ((struct sh_call *)ctx)->ctx;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0] && !work->changed; i++) {
        if (strcmp(rows[i].code, decision->code->name) == 0) {
            work->changed = true;
            return rows[i].change(work);
        }
    }
    return false;
}

/* Did it happen? A session that has ended answers for itself; else what is to be seen afterwards, if the workflow says
 * what that is. Without that a running session is taken as "not done". */
static enum oxp_verified verify(void *ctx, const struct oxp_retry_decision *decision) {
    struct work *work = ((struct sh_call *)ctx)->ctx;
    struct bb_session session = {.status = ""};
    (void)decision;
    struct oxp_failure *failure = bb_get(&work->who, work->sh.session, &session);
    if (failure != NULL) {
        oxp_failure_free(failure);
        return OXP_VERIFIED_UNKNOWN;
    }
    if (bb_is_ended(session.status)) {
        snprintf(work->worker->session->status, STATUS_SIZE, "%s", session.status);
        return OXP_VERIFIED_GONE;
    }
    if (work->step->expect == NULL) {
        return OXP_VERIFIED_NOT_DONE;
    }
    json_t *seen = observe(work, work->step->expect);
    bool done = seen != NULL;
    if (done) {
        json_decref(work->sh.result);
        work->sh.result = json_pack("{s:b, s:s}", "success", 1, "verified", work->step->expect);
    }
    json_decref(seen);
    return done ? OXP_VERIFIED_DONE : OXP_VERIFIED_NOT_DONE;
}

/* ---- Steps on a session ---- */

static void note_status(struct work *work) {
    if (bb_is_ended(work->sh.session_status)) {
        snprintf(work->worker->session->status, STATUS_SIZE, "%s", work->sh.session_status);
    } else if (work->sh.session_status[0] != '\0') { /* the link broke, the session did not */
        oxp_client_session_disconnected(work->worker->app->client, &work->ids, OXP_VIEW("network"), 0);
    }
}

struct oxp_failure *step_ask(void *ctx, void *result) {
    const struct model *model = ctx;
    struct work *work = result;
    struct task *task = work->task;
    if (model != task->pending_model || !task->pending.state.requeued) {
        task->pending = (struct oxp_retry_result){.waited_s = 0};
    }
    task->pending_model = model;
    work->sh.model = model->name;
    work->sh.model_breaker = work->sh.kind == SH_NAVIGATE ? NULL : model->breaker;
    struct oxp_failure *failure = sh_run(&work->who, &work->sh, &task->pending, &work->outcome);
    work->decision = task->pending.decision;
    note_status(work);
    return failure;
}

static void begin(struct work *work, struct worker *worker, struct task *task, const struct oxp_span *span) {
    struct app *app = worker->app;
    *work = (struct work){.worker = worker, .task = task, .outcome = OXP_RETRY_SUCCEEDED};
    work->ids =
        app_ids(&(struct oxp_ids){.workflow = worker->run->ids.workflow,
                                  .run = worker->run->ids.run,
                                  .task = oxp_view_from(task->id),
                                  .session = oxp_view_from(worker->session == NULL ? NULL : worker->session->id)},
                span);
    work->who = (struct caller){app, worker->http, &work->ids, span, task->cancel, task->until_s};
    work->sh = (struct sh_call){.session = worker->session == NULL ? NULL : worker->session->id,
                                .text = work->text,
                                .model = app->models[0].name,
                                .adjust = adjust,
                                .verify = verify,
                                .ctx = work};
}

/* Asks a model, and the next one where the first cannot be had. */
static struct oxp_failure *ask_models(struct work *work) {
    struct app *app = work->worker->app;
    size_t used = 0;
    if (app->fallback == NULL || work->sh.kind == SH_NAVIGATE) {
        return step_ask(&app->models[0], work);
    }
    struct oxp_failure *failure = oxp_fallback_call(app->fallback, work, &used);
    work->task->degraded = work->task->degraded || (failure == NULL && used > 0);
    return failure;
}

static void keep_result(struct task *task, const struct step *step, const char *kind, json_t *result) {
    char key[32];
    snprintf(key, sizeof key, "%zu-%s", task->step + 1, kind);
    if (step->kind == SH_NAVIGATE) {
        const char *url = json_string_value(json_object_get(result, "url"));
        snprintf(task->page, sizeof task->page, "%s", url != NULL ? url : step->text);
    }
    json_object_set(task->results, key, result);
}

static struct oxp_failure *run_on_session(struct worker *worker, struct task *task, const struct oxp_span *span,
                                          const struct step *step, struct work *work) {
    begin(work, worker, task, span);
    work->step = step;
    work->sh.kind = (enum sh_kind)step->kind;
    work->sh.schema = step->schema;
    snprintf(work->text, sizeof work->text, "%s", step->text);
    struct oxp_failure *failure = ask_models(work);
    if (failure == NULL) {
        task->pending = (struct oxp_retry_result){.waited_s = 0};
    }
    return failure;
}

struct oxp_failure *step_restore(struct worker *worker, struct task *task, const struct oxp_span *span,
                                 enum oxp_retry_outcome *outcome_out, struct oxp_retry_decision *decision_out) {
    const struct step step = {.kind = SH_NAVIGATE, .text = task->page};
    struct work work;
    struct oxp_failure *failure = run_on_session(worker, task, span, &step, &work);
    *outcome_out = work.outcome;
    *decision_out = work.decision;
    json_decref(work.sh.result);
    return failure;
}

/* ---- Steps on what was found ---- */

static struct oxp_failure *process(struct worker *worker, struct task *task, const struct step *step,
                                   const struct oxp_ids *ids) {
    struct run *run = worker->run;
    json_t *found = json_object();
    size_t items = 0;
    pthread_mutex_lock(&run->lock);
    for (size_t i = 0; i < task->plan->after_count; i++) {
        const char *other = run->workflow->plans[task->plan->after[i]].id;
        json_t *results = json_object_get(run->results, other);
        items += json_object_size(results);
        json_object_set_new(found, other, results == NULL ? json_null() : json_deep_copy(results));
    }
    pthread_mutex_unlock(&run->lock);
    struct oxp_client_stage stage = {.stage = OXP_VIEW("processing"), .items_ok = items, .items_failed = items == 0};
    oxp_client_stage(worker->app->client, ids, &stage);
    json_t *result = strcmp(step->text, "count") == 0 ? json_integer((json_int_t)items) : json_incref(found);
    keep_result(task, step, step->text, result);
    json_decref(result);
    json_decref(found);
    if (items != 0 || task->plan->after_count == 0) {
        return NULL;
    }
    const struct oxp_evidence evidence = {
        .code = OXP_VIEW("data_empty"), .op = OXP_VIEW("process"), .message = OXP_VIEW("nothing was found")};
    return oxp_failure_new(&evidence, &(struct oxp_failure_context){.component = OXP_VIEW("processing"), .ids = *ids});
}

struct oxp_failure *step_run(struct worker *worker, struct task *task, const struct oxp_span *span,
                             enum oxp_retry_outcome *outcome_out, struct oxp_retry_decision *decision_out) {
    const struct step *step = &task->plan->steps[task->step];
    struct oxp_ids ids = app_ids(&(struct oxp_ids){.workflow = worker->run->ids.workflow,
                                                   .run = worker->run->ids.run,
                                                   .task = oxp_view_from(task->id)},
                                 span);
    *decision_out = (struct oxp_retry_decision){.step = OXP_RETRY_STOP};
    *outcome_out = OXP_RETRY_EXHAUSTED;
    if (step->kind == STEP_PROCESS) {
        return process(worker, task, step, &ids);
    }
    struct work work;
    struct oxp_failure *failure = run_on_session(worker, task, span, step, &work);
    *outcome_out = work.outcome;
    *decision_out = work.decision;
    if (failure == NULL) {
        keep_result(task, step, sh_kind_name(work.sh.kind), work.sh.result);
    }
    json_decref(work.sh.result);
    json_decref(work.action);
    return failure;
}
