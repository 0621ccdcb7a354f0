#include <math.h>
#include <stdlib.h>
#include <time.h>

#include "lib/checkpoint/format.h"
#include "lib/checkpoint/manager.h"

/* ---- Making and ending ---- */

static void fill_defaults(struct oxp_checkpoints_options *options) {
    options->clock = options->clock == NULL ? oxp_clock_system() : options->clock;
    options->queue_max = options->queue_max == 0 ? 256 : options->queue_max;
    options->queue_bytes = options->queue_bytes == 0 ? (size_t)32 << 20 : options->queue_bytes;
    options->snapshot_max = options->snapshot_max == 0 ? (size_t)8 << 20 : options->snapshot_max;
    options->snapshot_max = options->snapshot_max > SIZE_MAX / 16 ? SIZE_MAX / 16 : options->snapshot_max;
    options->wait_ms = options->wait_ms == 0 ? 3 : options->wait_ms;
    options->attempts = options->attempts == 0 ? 3 : options->attempts;
    options->retry_ms = options->retry_ms == 0 ? 200 : options->retry_ms;
    options->keep_per_task = options->keep_per_task == 0 ? 3 : options->keep_per_task;
    options->max_age_s = options->max_age_s == 0 ? 7 * 86400.0 : options->max_age_s;
    options->max_snapshots = options->max_snapshots == 0 ? 10000 : options->max_snapshots;
    options->max_bytes = options->max_bytes == 0 ? (uint64_t)1 << 30 : options->max_bytes;
}

static void init_conditions(struct oxp_checkpoints *checkpoints) {
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&checkpoints->work, &monotonic);
    pthread_cond_init(&checkpoints->room, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

/* The thread and those who waited are not in this process. What waits in the queue is the parent's, and is dropped when
 * the queue is used next. What was not at rest cannot even be freed. */
static void in_child(void *ctx, bool at_rest) {
    struct oxp_checkpoints *checkpoints = ctx;
    if (!at_rest) {
        oxp_queue_init(&checkpoints->queue);
    }
    init_conditions(checkpoints);
    checkpoints->thread_runs = false;
    checkpoints->running = 0;
    checkpoints->forked = true;
    atomic_store(&checkpoints->backlog, 0);
}

/* The fork did not wait for a slow store: its call goes on in the parent. */
static void store_in_child(void *ctx, bool at_rest) {
    struct oxp_checkpoints *checkpoints = ctx;
    if (!at_rest) {
        oxp_index_init(&checkpoints->index);
        checkpoints->listed = false;
        oxp_index_changed_locked(checkpoints);
    }
}

enum oxp_status oxp_checkpoints_new(const struct oxp_checkpoints_options *options,
                                    struct oxp_checkpoints **checkpoints_out) {
    if (options->store == NULL) {
        return OXP_ERR_INVALID;
    }
    struct oxp_checkpoints *checkpoints = calloc(1, sizeof *checkpoints);
    if (checkpoints == NULL) {
        return OXP_ERR_NOMEM;
    }
    checkpoints->options = *options;
    fill_defaults(&checkpoints->options);
    pthread_mutex_init(&checkpoints->store_lock, NULL);
    pthread_mutex_init(&checkpoints->lock, NULL);
    init_conditions(checkpoints);
    oxp_index_init(&checkpoints->index);
    oxp_queue_init(&checkpoints->queue);
    checkpoints->pruned = oxp_clock_mono(checkpoints->options.clock);
    checkpoints->fork = (struct oxp_fork_lock){.lock = &checkpoints->lock, .in_child = in_child, .ctx = checkpoints};
    checkpoints->store_fork =
        (struct oxp_fork_lock){.lock = &checkpoints->store_lock, .in_child = store_in_child, .ctx = checkpoints};
    oxp_fork_lock_add(&checkpoints->fork, OXP_FORK_PART);
    oxp_fork_lock_add(&checkpoints->store_fork, OXP_FORK_PART); /* taken before the other: the newest is first */
    pthread_mutex_lock(&checkpoints->store_lock);
    enum oxp_status status = oxp_relist_locked(checkpoints, NULL);
    pthread_mutex_unlock(&checkpoints->store_lock);
    if (status == OXP_ERR_NOMEM) {
        oxp_checkpoints_free(checkpoints);
        return status;
    }
    *checkpoints_out = checkpoints;
    return OXP_OK;
}

void oxp_checkpoints_free(struct oxp_checkpoints *checkpoints) {
    if (checkpoints == NULL) {
        return;
    }
    pthread_mutex_lock(&checkpoints->lock);
    checkpoints->stop = true;
    bool join = checkpoints->thread_runs;
    pthread_cond_broadcast(&checkpoints->work);
    pthread_mutex_unlock(&checkpoints->lock);
    if (join) {
        pthread_join(checkpoints->thread, NULL);
    }
    oxp_fork_lock_remove(&checkpoints->store_fork);
    oxp_fork_lock_remove(&checkpoints->fork);
    oxp_queue_fini(&checkpoints->queue);
    oxp_index_fini(&checkpoints->index);
    pthread_cond_destroy(&checkpoints->work);
    pthread_cond_destroy(&checkpoints->room);
    pthread_mutex_destroy(&checkpoints->lock);
    pthread_mutex_destroy(&checkpoints->store_lock);
    free(checkpoints);
}

/* ---- The queue's side of a save ---- */

static void drop_parents_jobs_locked(struct oxp_checkpoints *checkpoints) {
    if (checkpoints->forked) {
        oxp_queue_fini(&checkpoints->queue);
        oxp_queue_init(&checkpoints->queue);
        checkpoints->forked = false;
    }
}

static void lock_queue(struct oxp_checkpoints *checkpoints) {
    pthread_mutex_lock(&checkpoints->lock);
    drop_parents_jobs_locked(checkpoints);
}

void oxp_manager_saw_seq(struct oxp_checkpoints *checkpoints, uint64_t seq) {
    pthread_mutex_lock(&checkpoints->lock);
    checkpoints->seq = seq > checkpoints->seq ? seq : checkpoints->seq;
    pthread_mutex_unlock(&checkpoints->lock);
}

struct oxp_job *oxp_manager_take_locked(struct oxp_checkpoints *checkpoints, struct oxp_view part) {
    lock_queue(checkpoints);
    struct oxp_job *job = oxp_queue_take_part(&checkpoints->queue, part);
    checkpoints->running = job == NULL ? 0 : job->ticket;
    atomic_store(&checkpoints->backlog, oxp_queue_count(&checkpoints->queue));
    pthread_cond_broadcast(&checkpoints->room);
    pthread_mutex_unlock(&checkpoints->lock);
    return job;
}

void oxp_manager_taken_locked(struct oxp_checkpoints *checkpoints) {
    lock_queue(checkpoints);
    checkpoints->running = 0;
    pthread_cond_broadcast(&checkpoints->room);
    pthread_mutex_unlock(&checkpoints->lock);
}

/* The wall clock in microseconds, but always one more than any before: what several processes write about one task one
 * after the other is in order, and a clock that goes back does not bring an old snapshot to the top. */
static void date_locked(struct oxp_checkpoints *checkpoints, struct oxp_checkpoint *snapshot) {
    struct oxp_wall wall = oxp_clock_wall(checkpoints->options.clock);
    uint64_t micros = wall.ns > 0 ? (uint64_t)wall.ns / 1000 : 0;
    checkpoints->seq = micros > checkpoints->seq ? micros : checkpoints->seq + 1;
    snapshot->seq = checkpoints->seq;
    snapshot->created_s = oxp_wall_seconds(wall);
    snapshot->schema = checkpoints->options.schema;
}

static double seconds_since(const struct oxp_checkpoints *checkpoints, struct oxp_mono began) {
    return (double)(oxp_clock_mono(checkpoints->options.clock).ns - began.ns) / 1e9;
}

static struct timespec deadline_in(uint64_t ms) {
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)(ms / 1000);
    until.tv_nsec += (long)(ms % 1000) * 1000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    return until;
}

static bool has_room_locked(const struct oxp_checkpoints *checkpoints, const struct oxp_job *job) {
    const struct oxp_queue *queue = &checkpoints->queue;
    const struct oxp_job *waiting = oxp_queue_of_part(queue, oxp_view_from(job->part));
    size_t freed = waiting == NULL ? 0 : waiting->bytes;
    size_t bytes = queue->bytes - freed;
    bool fits = bytes == 0 ||
                (bytes <= checkpoints->options.queue_bytes && job->bytes <= checkpoints->options.queue_bytes - bytes);
    return fits && (waiting != NULL || oxp_queue_count(queue) < checkpoints->options.queue_max);
}

/* Waits at most wait_ms for room. Takes the job over when it gives OXP_OK. */
static enum oxp_status enqueue_locked(struct oxp_checkpoints *checkpoints, struct oxp_job *job) {
    const struct timespec until = deadline_in(checkpoints->options.wait_ms);
    bool waited_out = false;
    while (!has_room_locked(checkpoints, job)) {
        if (waited_out) {
            return OXP_ERR_FULL;
        }
        waited_out = pthread_cond_timedwait(&checkpoints->room, &checkpoints->lock, &until) != 0;
    }
    enum oxp_status status = oxp_writer_start_locked(checkpoints);
    struct oxp_job *waiting = oxp_queue_of_part(&checkpoints->queue, oxp_view_from(job->part));
    if (status != OXP_OK) {
        return status;
    }
    if (job->snapshot != NULL) { /* not before: while it waited for room, another of the task may have come */
        date_locked(checkpoints, job->snapshot);
        job->overhead_s = seconds_since(checkpoints, job->captured);
    }
    if (waiting == NULL) {
        status = oxp_queue_push(&checkpoints->queue, job);
    } else if (oxp_queue_replace(&checkpoints->queue, waiting, job)) {
        atomic_fetch_add(&checkpoints->replaced, 1);
    }
    atomic_store(&checkpoints->backlog, oxp_queue_count(&checkpoints->queue));
    pthread_cond_signal(&checkpoints->work);
    return status;
}

static struct oxp_job *job_new(struct oxp_view task, struct oxp_mono began) {
    struct oxp_job *job = calloc(1, sizeof *job);
    if (job != NULL) {
        oxp_part_of_task(task, job->part);
        job->captured = job->due = began;
    }
    return job;
}

/* ---- Saving ---- */

static enum oxp_status copy_in(struct oxp_checkpoints *checkpoints, const struct oxp_checkpoint *checkpoint,
                               struct oxp_mono began, struct oxp_job **job_out) {
    size_t size = oxp_checkpoint_size(checkpoint);
    if (!oxp_task_is_valid(checkpoint->task)) {
        return OXP_ERR_INVALID;
    }
    if (size > checkpoints->options.snapshot_max || checkpoint->finished_count > OXP_CHECKPOINT_FINISHED_MAX) {
        return OXP_ERR_LIMIT;
    }
    struct oxp_job *job = job_new(checkpoint->task, began);
    if (job == NULL) {
        return OXP_ERR_NOMEM;
    }
    job->snapshot = oxp_checkpoint_copy(checkpoint);
    job->bytes = size + checkpoint->finished_count * sizeof *checkpoint->finished;
    if (job->snapshot == NULL) {
        oxp_job_free(job);
        return OXP_ERR_NOMEM;
    }
    *job_out = job;
    return OXP_OK;
}

/* A save that did not even get into the queue. */
static enum oxp_status report_refused(struct oxp_checkpoints *checkpoints, const struct oxp_checkpoint *checkpoint,
                                      enum oxp_status status, struct oxp_mono began) {
    const char *reason = status == OXP_ERR_FULL      ? "the queue of snapshots is full"
                         : status == OXP_ERR_LIMIT   ? "the snapshot is too long, or no thread could be started"
                         : status == OXP_ERR_INVALID ? "not a task id"
                                                     : oxp_status_text(status);
    struct oxp_checkpoint named = *checkpoint;
    if (!oxp_task_is_valid(named.task)) {
        named.task = oxp_view_of(NULL, 0);
    }
    atomic_fetch_add(&checkpoints->failed, 1);
    struct oxp_outcome outcome = {.op = "saved",
                                  /* not the disk's fault: */
                                  .status = status == OXP_ERR_FULL ? OXP_ERR_LIMIT : status,
                                  .reason = reason,
                                  .overhead_s = seconds_since(checkpoints, began),
                                  .write_s = NAN};
    oxp_report_outcome(checkpoints, &named, oxp_view_of(NULL, 0), &outcome);
    return status;
}

enum oxp_status oxp_checkpoint_save(struct oxp_checkpoints *checkpoints, const struct oxp_checkpoint *checkpoint) {
    struct oxp_mono began = oxp_clock_mono(checkpoints->options.clock);
    struct oxp_job *job = NULL;
    enum oxp_status status = copy_in(checkpoints, checkpoint, began, &job);
    if (status == OXP_OK) {
        lock_queue(checkpoints);
        status = enqueue_locked(checkpoints, job);
        pthread_mutex_unlock(&checkpoints->lock);
    }
    if (status != OXP_OK) {
        oxp_job_free(job);
        return report_refused(checkpoints, checkpoint, status, began);
    }
    return OXP_OK;
}

static void drop_waiting(struct oxp_checkpoints *checkpoints, struct oxp_job *waiting) {
    atomic_fetch_add(&checkpoints->replaced, waiting != NULL && waiting->snapshot != NULL);
    oxp_job_free(waiting);
}

enum oxp_status oxp_checkpoint_save_now(struct oxp_checkpoints *checkpoints, const struct oxp_checkpoint *checkpoint,
                                        struct oxp_error *error) {
    struct oxp_mono began = oxp_clock_mono(checkpoints->options.clock);
    struct oxp_job *job = NULL;
    enum oxp_status status = copy_in(checkpoints, checkpoint, began, &job);
    if (status != OXP_OK) {
        report_refused(checkpoints, checkpoint, status, began);
        return oxp_error_set(error, status, 0, 0, "the checkpoint: %s", oxp_status_text(status));
    }
    pthread_mutex_lock(&checkpoints->store_lock);
    /* What waited is older; a removal that waited is still to be done first. */
    struct oxp_job *waiting = oxp_manager_take_locked(checkpoints, oxp_view_from(job->part));
    job->clear = waiting != NULL && waiting->clear;
    drop_waiting(checkpoints, waiting);
    pthread_mutex_lock(&checkpoints->lock);
    date_locked(checkpoints, job->snapshot);
    pthread_mutex_unlock(&checkpoints->lock);
    job->overhead_s = NAN; /* until the end of the write */
    status = oxp_writer_run_locked(checkpoints, job, false, error);
    oxp_manager_taken_locked(checkpoints);
    pthread_mutex_unlock(&checkpoints->store_lock);
    return status;
}

static struct oxp_view or_else(struct oxp_view text, struct oxp_view other) {
    return text.len == 0 ? other : text;
}

enum oxp_status oxp_checkpoint_before(struct oxp_checkpoints *checkpoints, const struct oxp_checkpoint *checkpoint) {
    struct oxp_checkpoint before = *checkpoint;
    before.state = or_else(before.state, OXP_VIEW("started"));
    return oxp_checkpoint_save(checkpoints, &before);
}

enum oxp_status oxp_checkpoint_after(struct oxp_checkpoints *checkpoints, const struct oxp_checkpoint *checkpoint,
                                     bool succeeded) {
    struct oxp_checkpoint after = *checkpoint;
    after.state = or_else(after.state, succeeded ? OXP_VIEW("succeeded") : OXP_VIEW("failed"));
    after.complete = succeeded;
    after.progress_pct = succeeded ? 100 : after.progress_pct;
    return oxp_checkpoint_save(checkpoints, &after);
}

/* ---- Removing ---- */

enum oxp_status oxp_checkpoint_done(struct oxp_checkpoints *checkpoints, struct oxp_view task) {
    if (!oxp_task_is_valid(task)) {
        return OXP_ERR_INVALID;
    }
    struct oxp_job *job = job_new(task, oxp_clock_mono(checkpoints->options.clock));
    if (job == NULL) {
        return OXP_ERR_NOMEM;
    }
    job->clear = true;
    lock_queue(checkpoints);
    enum oxp_status status = enqueue_locked(checkpoints, job);
    pthread_mutex_unlock(&checkpoints->lock);
    if (status != OXP_OK) {
        oxp_job_free(job);
    }
    return status;
}

enum oxp_status oxp_checkpoint_done_now(struct oxp_checkpoints *checkpoints, struct oxp_view task,
                                        struct oxp_error *error) {
    if (!oxp_task_is_valid(task)) {
        return oxp_error_set(error, OXP_ERR_INVALID, 0, 0, "not a task id");
    }
    char part[OXP_PART_MAX + 1];
    oxp_part_of_task(task, part);
    pthread_mutex_lock(&checkpoints->store_lock);
    drop_waiting(checkpoints, oxp_manager_take_locked(checkpoints, oxp_view_from(part)));
    enum oxp_status status = oxp_drop_task_locked(checkpoints, oxp_view_from(part), error);
    oxp_manager_taken_locked(checkpoints);
    pthread_mutex_unlock(&checkpoints->store_lock);
    return status;
}

/* ---- Waiting and numbers ---- */

enum oxp_status oxp_checkpoints_flush(struct oxp_checkpoints *checkpoints, unsigned timeout_ms) {
    const struct timespec until = deadline_in(timeout_ms);
    enum oxp_status status = OXP_OK;
    lock_queue(checkpoints);
    uint64_t ticket = checkpoints->queue.tickets;
    while (status == OXP_OK && (oxp_queue_has_before(&checkpoints->queue, ticket) ||
                                (checkpoints->running != 0 && checkpoints->running <= ticket))) {
        if (pthread_cond_timedwait(&checkpoints->room, &checkpoints->lock, &until) != 0) {
            bool left = oxp_queue_has_before(&checkpoints->queue, ticket) ||
                        (checkpoints->running != 0 && checkpoints->running <= ticket);
            status = left ? OXP_ERR_TIMEOUT : OXP_OK;
        }
    }
    pthread_mutex_unlock(&checkpoints->lock);
    return status;
}

void oxp_checkpoints_stats(struct oxp_checkpoints *checkpoints, struct oxp_checkpoints_stats *stats_out) {
    *stats_out = (struct oxp_checkpoints_stats){
        .stored = atomic_load(&checkpoints->stored),
        .stored_bytes = atomic_load(&checkpoints->stored_bytes),
        .backlog = atomic_load(&checkpoints->backlog),
        .saved = atomic_load(&checkpoints->saved),
        .failed = atomic_load(&checkpoints->failed),
        .replaced = atomic_load(&checkpoints->replaced),
        .removed = atomic_load(&checkpoints->removed),
        .set_aside = atomic_load(&checkpoints->set_aside),
    };
}
