/* One step of a task: a call on the worker's session, with the hooks that know how to change what failed and how to
 * find out what the last try did; or some work on what was found. */
#ifndef ORCHESTRATOR_STEPS_H
#define ORCHESTRATOR_STEPS_H

#include "examples/orchestrator/worker.h"

/* Does the task's next step, on worker->session where it needs one. NULL: task->results has what it gave; else the
 * failure, with what the retries made of it. */
struct oxp_failure *step_run(struct worker *worker, struct task *task, const struct oxp_span *span,
                             enum oxp_retry_outcome *outcome_out, struct oxp_retry_decision *decision_out);
/* Opens the page that the task was on, in a session that has not seen it. */
struct oxp_failure *step_restore(struct worker *worker, struct task *task, const struct oxp_span *span,
                                 enum oxp_retry_outcome *outcome_out, struct oxp_retry_decision *decision_out);
/* The alternative of app->fallback: asks one model (`ctx`) to do the step. */
struct oxp_failure *step_ask(void *ctx, void *result);

#endif
