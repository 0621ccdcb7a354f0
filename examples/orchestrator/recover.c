#include "examples/orchestrator/recover.h"

#include <math.h>
#include <stdio.h>

static bool is(const char *a, const char *b) {
    return strcmp(a, b) == 0;
}

/* The advice is the cure of the code. Where that was to try again, the retries have tried: what they leave is in their
 * decision. A fix that was applied meanwhile, or a debugger that found something, makes trying again worth it. */
static const char *settle(const struct oxp_advice *advice, const struct oxp_retry_decision *decision) {
    const char *action = oxp_action_name(advice->action);
    bool tried = is(action, "retry") || is(action, "adjust") || is(action, "requeue");
    return tried && advice->fix[0] == '\0' && decision->action != NULL ? decision->action : action;
}

static struct verdict end(enum task_status status, const char *code) {
    return (struct verdict){.cure = CURE_END, .status = status, .code = code};
}

/* Something is tried again, as often as a task may. */
static struct verdict try_again(const struct run *run, struct task *task, enum cure cure, const char *code) {
    const struct config *config = run->app->config;
    if ((long)++task->tries >= config->task_tries) {
        return end(TASK_FAILED, code);
    }
    return (struct verdict){
        .cure = cure, .delay_s = config->requeue_delay_s * ldexp(1, (int)task->tries - 1), .code = code};
}

static struct verdict act_on(const struct run *run, struct task *task, const char *action,
                             const struct oxp_code *code) {
    static const struct {
        const char *action;
        enum cure cure;
        enum task_status status;
    } rows[] = {
        {"retry", CURE_LATER, TASK_FAILED},   {"adjust", CURE_LATER, TASK_FAILED},
        {"requeue", CURE_LATER, TASK_FAILED}, {"fallback", CURE_LATER, TASK_FAILED},
        {"debug", CURE_LATER, TASK_FAILED},   {"replace", CURE_REPLACE, TASK_FAILED},
        {"skip", CURE_END, TASK_SKIPPED},     {"escalate", CURE_END, TASK_FAILED},
        {"abort", CURE_END, TASK_FAILED},
    };
    size_t i = 0;
    while (i + 1 < sizeof rows / sizeof rows[0] && !is(rows[i].action, action)) {
        i++;
    }
    if (rows[i].cure != CURE_END) {
        return try_again(run, task, rows[i].cure, code->name);
    }
    if (is(action, "escalate") && !is(code->action, "escalate")) {
        return try_again(run, task, CURE_LATER, code->name); /* a person was told, and it still may come right */
    }
    struct verdict verdict = end(rows[i].status, code->name);
    verdict.stop_run = is(action, "abort") && !is(code->category, "agent_execution");
    return verdict;
}

struct verdict recover(struct run *run, struct task *task, struct oxp_failure *failure, enum oxp_retry_outcome outcome,
                       const struct oxp_retry_decision *decision) {
    struct app *app = run->app;
    const struct oxp_code *code = oxp_failure_code(failure);
    struct oxp_advice advice;
    if (outcome == OXP_RETRY_DEFERRED) { /* no failure of the task: it waits for room */
        return (struct verdict){.cure = CURE_LATER,
                                .delay_s = decision->delay_s,
                                .slot = decision->reason == OXP_REASON_CONCURRENCY,
                                .code = code->name};
    }
    if (oxp_cancel_is_set(task->cancel)) {
        return task->cancelled || !atomic_load(&app->stopping)
                   ? end(run->timed_out ? TASK_TIMED_OUT : TASK_CANCELLED, "task_cancelled")
                   : (struct verdict){.cure = CURE_LEAVE, .code = code->name};
    }
    oxp_recovery_handle(app->recovery, failure, &advice);
    const char *action = settle(&advice, decision);
    struct verdict verdict = act_on(run, task, action, code);
    if (task->until_s > 0 && app_now() + verdict.delay_s >= task->until_s) {
        verdict = end(TASK_TIMED_OUT, code->name);
    }
    char text[160];
    snprintf(text, sizeof text, "%s: %s%s", code->name, action, verdict.cure == CURE_END ? ", the task ends here" : "");
    app_log(app, verdict.cure == CURE_END ? OXP_LOG_ERROR : OXP_LOG_WARNING, oxp_failure_ids(failure), "a task failed",
            text);
    return verdict;
}
