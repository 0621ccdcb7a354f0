/* One run of a workflow: its tasks, who may begin, who waits for what, and the record that lets the next process go on
 * after a crash.
 *
 * Rules:
 *  1. A task is ready when the tasks that it comes after have ended well. Of the ready ones the highest priority goes
 *     first, then the one that has waited longest. One that was put off is not ready before its time, unless it waits
 *     for a session's slot and a session ends.
 *  2. A task ends once: succeeded, degraded (by a lesser way), failed, timed_out, cancelled, skipped. When it has not
 *     ended well, what comes after it is skipped.
 *  3. Its end is written to the run's record, and is on disk, before anybody is told: what was told as finished is not
 *     done again. Where a task is between its steps stands in a checkpoint of its own.
 *  4. A run that is stopped keeps its record; the next process goes on with it.
 * Every function may be called from any thread but for begin and end. */
#ifndef ORCHESTRATOR_RUN_H
#define ORCHESTRATOR_RUN_H

#include "examples/orchestrator/pool.h"
#include "examples/orchestrator/workflow.h"

enum task_state { TASK_WAITING, TASK_READY, TASK_RUNNING, TASK_ENDED };
enum task_status {
    TASK_SUCCEEDED,
    TASK_DEGRADED,
    TASK_FAILED,
    TASK_TIMED_OUT,
    TASK_CANCELLED,
    TASK_SKIPPED,
    TASK_STATUSES,
};

struct task {
    const struct plan *plan;
    char id[ID_SIZE]; /* <run>.<id of the plan> */
    /* Under the run's lock. */
    enum task_state state;
    enum task_status status;
    double queued_s, not_before_s; /* in the time of app_now */
    bool waits_for_slot, cancelled;
    struct oxp_cancel *cancel; /* of whoever works on it */
    /* Of the worker that has it. */
    double began_s, until_s; /* 0 = not begun */
    unsigned attempt;        /* times it was begun */
    unsigned tries;          /* recoveries so far */
    size_t step;             /* the next one */
    size_t failed_steps;
    bool degraded, resumed;
    char page[512];                /* address that its steps are on */
    char session[SESSION_ID_SIZE]; /* that it worked in last */
    json_t *results;
    struct opening opening;            /* a creation that was put off */
    struct oxp_retry_result pending;   /* a step that was put off … */
    const struct model *pending_model; /* … with this model */
};

struct run {
    struct app *app;
    const struct workflow *workflow;
    char id[9];
    struct oxp_ids ids; /* workflow and run */
    struct oxp_span *span;
    double began_s;
    bool resumed;
    pthread_mutex_t lock;
    pthread_mutex_t record; /* one writer of the record at a time */
    pthread_cond_t changed;
    struct task *tasks;
    size_t count, ended;
    bool stopped, aborted, cancelled, timed_out;
    unsigned busy;
    json_t *statuses, *results; /* by plan id; what the record keeps */
};

const char *task_status_name(enum task_status status);
bool task_ended_well(enum task_status status);
/* The run's ids with the task's and, not NULL, a session's. */
struct oxp_ids run_task_ids(const struct run *run, const struct task *task, const char *session);

/* Begins a run, or goes on with the one that the last process left. False without memory. */
bool run_begin(struct run *run, struct app *app, const struct workflow *workflow);
/* Ends it: what is finished is delivered and forgotten, what was stopped is kept. Returns the status. */
const char *run_end(struct run *run);

/* The next task, or NULL when there is none and will be none, or the run was stopped. Waits. */
struct task *run_take(struct run *run);
/* Puts it off for so long; `slot`: or until a session ends. */
void run_put_off(struct run *run, struct task *task, double delay_s, bool slot);
/* Back as it is, for the next process: the run is being stopped. */
void run_leave(struct run *run, struct task *task);
void run_finish(struct run *run, struct task *task, enum task_status status, const char *code);
/* Keeps where the task is; `now`: on disk before it returns, for what must not be done twice. */
void run_keep(struct run *run, const struct task *task, bool now);

/* A session ended: whoever waits for a slot may try. */
void run_slot_freed(void *run);
/* No task begins any more. */
void run_stop(struct run *run);
/* Cuts short what is running. */
void run_interrupt(struct run *run);
/* Cancels every task that has not ended; `timed_out`: for the run's deadline, else somebody asked. */
void run_cancel(struct run *run, bool timed_out);
/* Reports the queue and the workers, `workers` of them. */
void run_report_queue(struct run *run, unsigned workers);
bool run_is_over(struct run *run);

#endif
