/* From a failure to what is done about it: the recovery manager is asked, its advice and what the retries left of the
 * code's own cure are put together, and one of five things comes out. Pure but for the manager. */
#ifndef ORCHESTRATOR_RECOVER_H
#define ORCHESTRATOR_RECOVER_H

#include "examples/orchestrator/run.h"

enum cure {
    CURE_NONE,    /* nothing went wrong */
    CURE_LATER,   /* back to the queue, for delay_s */
    CURE_REPLACE, /* another session, then the same step again */
    CURE_END,     /* the task ends with `status` */
    CURE_LEAVE,   /* we are stopping: the next process goes on with it */
};

struct verdict {
    enum cure cure;
    double delay_s;
    bool slot; /* CURE_LATER: or until a session ends */
    enum task_status status;
    bool stop_run;    /* whatever is tried next fails alike: a key, the configuration */
    const char *code; /* static */
};

/* `outcome` and `decision` are those of the retries that ended with `failure`, which stays the caller's. */
struct verdict recover(struct run *run, struct task *task, struct oxp_failure *failure, enum oxp_retry_outcome outcome,
                       const struct oxp_retry_decision *decision);

#endif
