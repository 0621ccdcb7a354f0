/* Fork: a tracer is whole when it happens, and begins anew in the child, whose export thread starts with its first span
 * that ends. */
#include "lib/trace/parts.h"

static void before_fork(void *ctx) {
    pthread_mutex_lock(&((struct oxp_tracer *)ctx)->lock);
}

static void in_parent(void *ctx) {
    pthread_mutex_unlock(&((struct oxp_tracer *)ctx)->lock);
}

static void in_child(void *ctx) {
    oxp_tracer_begin_anew_locked(ctx);
    in_parent(ctx);
}

void oxp_trace_enlist(struct oxp_tracer *tracer) {
    tracer->fork = (struct oxp_fork_entry){OXP_FORK_PART, before_fork, in_parent, in_child, tracer, NULL, NULL};
    oxp_fork_add(&tracer->fork);
}

void oxp_trace_delist(struct oxp_tracer *tracer) {
    oxp_fork_remove(&tracer->fork);
}
