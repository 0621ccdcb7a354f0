/* What waits for the writer: at most one job for each task, first in, first out. A job removes what is stored of its
 * task, or writes a snapshot, or both in that order. Owned by whoever holds the manager's lock. */
#ifndef OXP_CHECKPOINT_QUEUE_H
#define OXP_CHECKPOINT_QUEUE_H

#include <oxpecker/checkpoint.h>
#include <stdint.h>

#include "lib/base/clock.h"
#include "lib/base/map.h"
#include "lib/checkpoint/key.h"

struct oxp_job {
    struct oxp_job *next;
    uint64_t ticket;                 /* place in the order of arrival; kept when the job is replaced or tried again */
    bool clear;                      /* first remove what is stored: the task was done */
    struct oxp_checkpoint *snapshot; /* owned; NULL = none */
    size_t bytes;                    /* of the snapshot's texts */
    double overhead_s;               /* the caller's time: the longest of those that it replaced */
    struct oxp_mono captured;
    unsigned tries;
    struct oxp_mono due; /* not before */
    char part[OXP_PART_MAX + 1];
};

struct oxp_queue {
    struct oxp_job *first;
    struct oxp_job **end; /* where the next is hung on */
    struct oxp_map by_part;
    size_t bytes;
    uint64_t tickets; /* given out */
};

void oxp_queue_init(struct oxp_queue *queue);
void oxp_queue_fini(struct oxp_queue *queue);
void oxp_job_free(struct oxp_job *job);

struct oxp_job *oxp_queue_of_part(const struct oxp_queue *queue, struct oxp_view part);
/* Hangs on a job (whose task has none there), and takes it over. Gives it a ticket if it has none. OXP_ERR_NOMEM, and
 * then it is still the caller's. */
enum oxp_status oxp_queue_push(struct oxp_queue *queue, struct oxp_job *job);
/* Gives `waiting` (in the queue) the snapshot of `newer`, and frees `newer`; true when an unwritten one was dropped. */
bool oxp_queue_replace(struct oxp_queue *queue, struct oxp_job *waiting, struct oxp_job *newer);
/* Takes out the first job that is due at `now`; NULL when none is, and then `*wait_ns` is the time until one is, or -1
 * when there is none. `every`: whether due or not. */
struct oxp_job *oxp_queue_take(struct oxp_queue *queue, struct oxp_mono now, bool every, int64_t *wait_ns);
/* Takes out the job of a task, or NULL. */
struct oxp_job *oxp_queue_take_part(struct oxp_queue *queue, struct oxp_view part);
/* True when a job with a ticket up to `ticket` waits. */
bool oxp_queue_has_before(const struct oxp_queue *queue, uint64_t ticket);
/* Jobs that wait. */
static inline size_t oxp_queue_count(const struct oxp_queue *queue) {
    return queue->by_part.count;
}

#endif
