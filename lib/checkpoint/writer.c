/* The thread that writes. It takes every signal blocked, so that the host's handlers run on the host's threads. */
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#include "lib/checkpoint/manager.h"

#define PRUNE_EVERY_NS (60 * OXP_NS_PER_S)

/* ---- One job ---- */

static double seconds_since(const struct oxp_checkpoints *checkpoints, struct oxp_mono then) {
    return (double)(oxp_clock_mono(checkpoints->options.clock).ns - then.ns) / 1e9;
}

static enum oxp_status put_value(struct oxp_checkpoints *checkpoints, const struct oxp_job *job, struct oxp_view value,
                                 struct oxp_error *error) {
    struct oxp_store *store = checkpoints->options.store;
    char key[OXP_KEY_SIZE];
    oxp_key_write(key, oxp_view_from(job->part), job->snapshot->seq, false);
    enum oxp_status status = store->put(store, key, value, error);
    if (status == OXP_ERR_FULL && oxp_make_room_locked(checkpoints)) {
        status = store->put(store, key, value, error);
    }
    return status;
}

static void tidy(struct oxp_checkpoints *checkpoints, const struct oxp_job *job, size_t len) {
    const struct oxp_known known = {job->snapshot->seq, len, oxp_clock_mono(checkpoints->options.clock), false};
    /* Without memory it is not known until the next listing. */
    (void)oxp_index_put(&checkpoints->index, oxp_view_from(job->part), &known);
    oxp_index_changed_locked(checkpoints);
    (void)oxp_prune_task_locked(checkpoints, oxp_view_from(job->part), NULL);
    const struct oxp_checkpoints_options *options = &checkpoints->options;
    if (!checkpoints->listed || known.since.ns - checkpoints->pruned.ns >= PRUNE_EVERY_NS) {
        (void)oxp_prune_locked(checkpoints, NULL);
    } else if (checkpoints->index.snapshots > options->max_snapshots || checkpoints->index.bytes > options->max_bytes) {
        /* A little below the limits, so that not every write has to look at all of them. */
        (void)oxp_prune_all_locked(checkpoints, options->max_snapshots - options->max_snapshots / 16,
                                   options->max_bytes - options->max_bytes / 16, NULL);
    }
}

static enum oxp_status write_snapshot(struct oxp_checkpoints *checkpoints, const struct oxp_job *job, size_t *len_out,
                                      struct oxp_error *error) {
    char *text = NULL;
    size_t len = 0;
    enum oxp_status status = oxp_checkpoint_encode(job->snapshot, checkpoints->options.plain_names, &text, &len, error);
    if (status == OXP_OK) {
        status = put_value(checkpoints, job, oxp_view_of(text, len), error);
    }
    free(text);
    *len_out = status == OXP_OK ? len : 0;
    return status;
}

static void report_saved(struct oxp_checkpoints *checkpoints, const struct oxp_job *job, enum oxp_status status,
                         size_t len, const char *reason) {
    atomic_fetch_add(status == OXP_OK ? &checkpoints->saved : &checkpoints->failed, 1);
    double took = seconds_since(checkpoints, job->captured); /* and all of it the caller's, when it wrote itself */
    oxp_report_outcome(checkpoints, job->snapshot, oxp_view_of(NULL, 0),
                       &(struct oxp_outcome){.op = "saved",
                                             .status = status,
                                             .reason = status == OXP_OK ? NULL : reason,
                                             .overhead_s = isnan(job->overhead_s) ? took : job->overhead_s,
                                             .write_s = status == OXP_OK ? took : NAN,
                                             .bytes = len});
}

/* A removal that failed is no "removed": it is an error of the store. */
static void report_unremoved(struct oxp_checkpoints *checkpoints, const struct oxp_job *job, const char *reason) {
    char task[OXP_PART_MAX + 1];
    struct oxp_ids ids = {
        .task = oxp_view_of(task, oxp_task_of_part(oxp_view_from(job->part), task, sizeof task)),
    };
    const struct oxp_pair pairs[] = {
        oxp_pair_text("upstream", OXP_VIEW("store")),
        oxp_pair_text("op", OXP_VIEW("checkpoint.remove")),
        oxp_pair_text("code", OXP_VIEW("ckpt_write")),
        oxp_pair_text("message", oxp_view_from(reason)),
    };
    atomic_fetch_add(&checkpoints->failed, 1);
    oxp_report(checkpoints->options.reporter, "error", &ids, pairs, sizeof pairs / sizeof pairs[0]);
}

/* Back into the queue, unless a newer job of the task came meanwhile: then that one has to remove, too. */
static bool try_again_later(struct oxp_checkpoints *checkpoints, struct oxp_job *job) {
    const struct oxp_checkpoints_options *options = &checkpoints->options;
    bool kept = true;
    pthread_mutex_lock(&checkpoints->lock);
    struct oxp_job *newer = oxp_queue_of_part(&checkpoints->queue, oxp_view_from(job->part));
    job->due = oxp_clock_mono(options->clock);
    job->due.ns += (int64_t)options->retry_ms * job->tries * OXP_NS_PER_MS;
    if (newer != NULL) {
        newer->clear = newer->clear || job->clear;
        atomic_fetch_add(&checkpoints->replaced, job->snapshot != NULL);
        oxp_job_free(job);
    } else if (checkpoints->stop || oxp_queue_push(&checkpoints->queue, job) != OXP_OK) {
        kept = false;
    }
    atomic_store(&checkpoints->backlog, oxp_queue_count(&checkpoints->queue));
    pthread_mutex_unlock(&checkpoints->lock);
    return kept;
}

enum oxp_status oxp_writer_run_locked(struct oxp_checkpoints *checkpoints, struct oxp_job *job, bool again,
                                      struct oxp_error *error) {
    struct oxp_error reason = {0};
    size_t len = 0;
    enum oxp_status status = OXP_OK;
    if (job->clear) {
        status = oxp_drop_task_locked(checkpoints, oxp_view_from(job->part), &reason);
        job->clear = status != OXP_OK;
    }
    if (status == OXP_OK && job->snapshot != NULL) {
        status = write_snapshot(checkpoints, job, &len, &reason);
    }
    if (error != NULL) {
        *error = reason;
    }
    job->tries++;
    if (again && oxp_status_may_retry(status) && job->tries < checkpoints->options.attempts &&
        try_again_later(checkpoints, job)) {
        return status;
    }
    if (job->snapshot != NULL) {
        if (status == OXP_OK) {
            tidy(checkpoints, job, len);
        }
        report_saved(checkpoints, job, status, len, reason.text);
    } else if (status != OXP_OK) {
        report_unremoved(checkpoints, job, reason.text);
    }
    oxp_job_free(job);
    return status;
}

/* ---- The thread ---- */

/* Until there is something to do; false when there is nothing left and the end has come. Gives the lock back as it
 * took it. */
static bool wait_for_work_locked(struct oxp_checkpoints *checkpoints) {
    while (true) {
        int64_t soonest = -1;
        struct oxp_mono now = oxp_clock_mono(checkpoints->options.clock);
        for (const struct oxp_job *job = checkpoints->queue.first; job != NULL; job = job->next) {
            int64_t wait = job->due.ns - now.ns;
            soonest = soonest < 0 || wait < soonest ? (wait < 0 ? 0 : wait) : soonest;
        }
        if (soonest == 0 || (checkpoints->stop && soonest >= 0)) {
            return true;
        }
        if (checkpoints->stop) {
            return false;
        }
        if (soonest < 0) {
            pthread_cond_wait(&checkpoints->work, &checkpoints->lock);
            continue;
        }
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        int64_t at = (int64_t)until.tv_sec * OXP_NS_PER_S + until.tv_nsec + soonest;
        until = (struct timespec){(time_t)(at / OXP_NS_PER_S), (long)(at % OXP_NS_PER_S)};
        pthread_cond_timedwait(&checkpoints->work, &checkpoints->lock, &until);
    }
}

static void run_one(struct oxp_checkpoints *checkpoints) {
    int64_t wait_ns;
    pthread_mutex_lock(&checkpoints->store_lock);
    pthread_mutex_lock(&checkpoints->lock);
    bool last = checkpoints->stop;
    struct oxp_job *job =
        oxp_queue_take(&checkpoints->queue, oxp_clock_mono(checkpoints->options.clock), last, &wait_ns);
    checkpoints->running = job == NULL ? 0 : job->ticket;
    atomic_store(&checkpoints->backlog, oxp_queue_count(&checkpoints->queue));
    pthread_cond_broadcast(&checkpoints->room);
    pthread_mutex_unlock(&checkpoints->lock);
    if (job != NULL) {
        (void)oxp_writer_run_locked(checkpoints, job, !last, NULL);
    }
    pthread_mutex_lock(&checkpoints->lock);
    checkpoints->running = 0;
    pthread_cond_broadcast(&checkpoints->room);
    pthread_mutex_unlock(&checkpoints->lock);
    pthread_mutex_unlock(&checkpoints->store_lock);
}

static void *writer(void *ctx) {
    struct oxp_checkpoints *checkpoints = ctx;
    pthread_mutex_lock(&checkpoints->lock);
    while (wait_for_work_locked(checkpoints)) {
        pthread_mutex_unlock(&checkpoints->lock);
        run_one(checkpoints);
        pthread_mutex_lock(&checkpoints->lock);
    }
    pthread_mutex_unlock(&checkpoints->lock);
    return NULL;
}

enum oxp_status oxp_writer_start_locked(struct oxp_checkpoints *checkpoints) {
    if (checkpoints->thread_runs) {
        return OXP_OK;
    }
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&checkpoints->thread, NULL, writer, checkpoints);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed != 0) {
        return failed == EAGAIN ? OXP_ERR_LIMIT : oxp_status_from_errno(failed);
    }
    checkpoints->thread_runs = true;
    pthread_setname_np(checkpoints->thread, "oxp-checkpoint");
    return OXP_OK;
}
