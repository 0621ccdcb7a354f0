/* A worker: a thread with a connection of its own and a session of its own, which takes one task after the other, does
 * its steps, and puts right what goes wrong. */
#ifndef ORCHESTRATOR_WORKER_H
#define ORCHESTRATOR_WORKER_H

#include "examples/orchestrator/recover.h"

struct worker {
    struct app *app;
    struct pool *pool;
    struct run *run;
    atomic_bool *hurry; /* release with one try */
    struct http *http;
    struct session *session; /* NULL = none yet */
    pthread_t thread;
    bool started;
};

/* Starts the thread; it ends by itself when the run has no task left, and closes its session. */
bool worker_start(struct worker *worker, struct app *app, struct pool *pool, struct run *run, atomic_bool *hurry);
void worker_join(struct worker *worker);

#endif
