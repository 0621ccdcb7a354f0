#include "lib/checkpoint/queue.h"

#include <stdlib.h>

void oxp_queue_init(struct oxp_queue *queue) {
    *queue = (struct oxp_queue){.end = &queue->first};
    oxp_map_init(&queue->by_part);
}

void oxp_job_free(struct oxp_job *job) {
    if (job != NULL) {
        oxp_checkpoint_free(job->snapshot);
        free(job);
    }
}

void oxp_queue_fini(struct oxp_queue *queue) {
    while (queue->first != NULL) {
        struct oxp_job *job = queue->first;
        queue->first = job->next;
        oxp_job_free(job);
    }
    oxp_map_fini(&queue->by_part);
}

struct oxp_job *oxp_queue_of_part(const struct oxp_queue *queue, struct oxp_view part) {
    return oxp_map_get(&queue->by_part, part);
}

enum oxp_status oxp_queue_push(struct oxp_queue *queue, struct oxp_job *job) {
    enum oxp_status status = oxp_map_set(&queue->by_part, oxp_view_from(job->part), job, NULL);
    if (status != OXP_OK) {
        return status;
    }
    if (job->ticket == 0) {
        job->ticket = ++queue->tickets;
    }
    job->next = NULL;
    *queue->end = job;
    queue->end = &job->next;
    queue->bytes += job->bytes;
    return OXP_OK;
}

bool oxp_queue_replace(struct oxp_queue *queue, struct oxp_job *waiting, struct oxp_job *newer) {
    bool dropped = waiting->snapshot != NULL;
    oxp_checkpoint_free(waiting->snapshot);
    queue->bytes = queue->bytes - waiting->bytes + newer->bytes;
    waiting->snapshot = newer->snapshot;
    waiting->bytes = newer->bytes;
    waiting->captured = newer->captured;
    waiting->clear = waiting->clear || newer->clear;
    waiting->overhead_s = newer->overhead_s > waiting->overhead_s ? newer->overhead_s : waiting->overhead_s;
    waiting->tries = 0;
    waiting->due = newer->due;
    newer->snapshot = NULL;
    oxp_job_free(newer);
    return dropped;
}

static struct oxp_job *unhook(struct oxp_queue *queue, struct oxp_job **at) {
    struct oxp_job *job = *at;
    *at = job->next;
    if (queue->end == &job->next) {
        queue->end = at;
    }
    job->next = NULL;
    queue->bytes -= job->bytes;
    oxp_map_remove(&queue->by_part, oxp_view_from(job->part));
    return job;
}

struct oxp_job *oxp_queue_take(struct oxp_queue *queue, struct oxp_mono now, bool every, int64_t *wait_ns) {
    *wait_ns = -1;
    for (struct oxp_job **at = &queue->first; *at != NULL; at = &(*at)->next) {
        int64_t wait = (*at)->due.ns - now.ns;
        if (every || wait <= 0) {
            return unhook(queue, at);
        }
        *wait_ns = *wait_ns < 0 || wait < *wait_ns ? wait : *wait_ns;
    }
    return NULL;
}

struct oxp_job *oxp_queue_take_part(struct oxp_queue *queue, struct oxp_view part) {
    const struct oxp_job *wanted = oxp_queue_of_part(queue, part);
    for (struct oxp_job **at = &queue->first; wanted != NULL && *at != NULL; at = &(*at)->next) {
        if (*at == wanted) {
            return unhook(queue, at);
        }
    }
    return NULL;
}

bool oxp_queue_has_before(const struct oxp_queue *queue, uint64_t ticket) {
    for (const struct oxp_job *job = queue->first; job != NULL; job = job->next) {
        if (job->ticket <= ticket) {
            return true;
        }
    }
    return false;
}
