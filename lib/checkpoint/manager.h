/* The manager's insides, shared by manager.c (callers), writer.c (the thread), load.c (reading), prune.c (what is kept)
 * and report.c.
 *
 * Two locks. `store_lock` is held over everything that touches the store or the index, and so for as long as a disk or
 * a server takes; `lock` guards the queue and is held for moments. Whoever needs both takes store_lock first. A save
 * takes only `lock`, which is why it never waits for the store. A job is taken out of the queue with store_lock held
 * and runs under it, so that nothing can come between the two: a removal is never overtaken by an older write. */
#ifndef OXP_CHECKPOINT_MANAGER_H
#define OXP_CHECKPOINT_MANAGER_H

#include <oxpecker/checkpoint.h>
#include <pthread.h>
#include <stdatomic.h>

#include "lib/base/clock.h"
#include "lib/checkpoint/fork.h"
#include "lib/checkpoint/index.h"
#include "lib/checkpoint/queue.h"

struct oxp_checkpoints {
    struct oxp_checkpoints_options options; /* with its defaults filled in; never changes */
    pthread_mutex_t store_lock;
    struct oxp_fork_lock store_fork;
    struct oxp_index index; /* store_lock */
    bool listed;            /* store_lock: the index has been filled once */
    struct oxp_mono pruned; /* store_lock: when all was looked at last */

    pthread_mutex_t lock;
    struct oxp_fork_lock fork;
    struct oxp_queue queue;
    uint64_t running;    /* ticket of the job that is being written; 0 = none */
    uint64_t seq;        /* the last one given out or seen */
    pthread_cond_t work; /* for the writer: there is a job, or an end */
    pthread_cond_t room; /* for savers and flushers: a job is gone */
    pthread_t thread;
    bool thread_runs;
    bool stop;
    bool forked; /* the queue is the parent's */

    /* For the reports and oxp_checkpoints_stats; any thread. */
    atomic_ullong stored, stored_bytes, backlog, saved, failed, replaced, removed, set_aside;
};

/* ---- manager.c ---- */

/* Raises the sequence to one that was found in the store. */
void oxp_manager_saw_seq(struct oxp_checkpoints *checkpoints, uint64_t seq);

/* For a caller that does the writer's work for one task: takes the task's job out of the queue (NULL when none waits)
 * and says that it is being done, so that a flush waits for it. store_lock is held from here to _taken_locked. */
struct oxp_job *oxp_manager_take_locked(struct oxp_checkpoints *checkpoints, struct oxp_view part);
void oxp_manager_taken_locked(struct oxp_checkpoints *checkpoints);

/* ---- writer.c ---- */

enum oxp_status oxp_writer_start_locked(struct oxp_checkpoints *checkpoints);
/* Runs a job that was just taken out of the queue, to its end: written (or removed) and reported, or, when `again` and
 * the failure may pass, back in the queue. store_lock is held; the job is taken over. */
enum oxp_status oxp_writer_run_locked(struct oxp_checkpoints *checkpoints, struct oxp_job *job, bool again,
                                      struct oxp_error *error);

/* ---- load.c ---- */

/* The keys of a task's snapshots (or, with an empty part, of all tasks'), as a list for free(): by task, the newest
 * first, without those set aside. */
struct oxp_found {
    char part[OXP_PART_MAX + 1];
    uint64_t seq;
    uint64_t size;
};
enum oxp_status oxp_find_locked(struct oxp_checkpoints *checkpoints, struct oxp_view part, struct oxp_found **list_out,
                                size_t *count_out, struct oxp_error *error);

/* ---- prune.c ---- */

/* Fills the index from the store. */
enum oxp_status oxp_relist_locked(struct oxp_checkpoints *checkpoints, struct oxp_error *error);
/* Removes one snapshot from store and index; reports it when `reason` is not NULL. */
enum oxp_status oxp_drop_locked(struct oxp_checkpoints *checkpoints, struct oxp_view part,
                                const struct oxp_known *known, const char *reason, struct oxp_error *error);
/* All of one task, set aside ones included. */
enum oxp_status oxp_drop_task_locked(struct oxp_checkpoints *checkpoints, struct oxp_view part,
                                     struct oxp_error *error);
/* What one task has too much; never its newest. */
enum oxp_status oxp_prune_task_locked(struct oxp_checkpoints *checkpoints, struct oxp_view part,
                                      struct oxp_error *error);
/* What all have too much. `snapshots` and `bytes` are the limits. */
enum oxp_status oxp_prune_all_locked(struct oxp_checkpoints *checkpoints, uint64_t snapshots, uint64_t bytes,
                                     struct oxp_error *error);
/* Lists the store and prunes by all the rules. */
enum oxp_status oxp_prune_locked(struct oxp_checkpoints *checkpoints, struct oxp_error *error);
/* All but the newest of each task, for a store that is full; true when something was removed. */
bool oxp_make_room_locked(struct oxp_checkpoints *checkpoints);
/* Brings the gauges up to date. */
void oxp_index_changed_locked(struct oxp_checkpoints *checkpoints);

/* ---- report.c ---- */

struct oxp_outcome {
    const char *op; /* saved, restored, verified, removed */
    enum oxp_status status;
    const char *outcome;        /* of a restore; NULL = `ok` by the status */
    const char *reason;         /* NULL = none */
    double overhead_s, write_s; /* NaN = none */
    uint64_t bytes;             /* 0 = not known */
};

/* `checkpoint` gives the ids; when it is NULL the task is `task` (which may be empty). */
void oxp_report_outcome(struct oxp_checkpoints *checkpoints, const struct oxp_checkpoint *checkpoint,
                        struct oxp_view task, const struct oxp_outcome *outcome);

#endif
