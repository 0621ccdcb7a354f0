/* The mailbox: jobs that other threads hand to the loop thread.
 *
 * A job is waiting, running, done or cancelled, and only under the mutex does it go from one to the next:
 *   1. waiting -> running    the loop thread took it out of the queue
 *   2. running -> done       its function came back
 *   3. waiting -> cancelled  its caller's time is over, or the loop has ended
 * So a caller whose time is over while its job is running waits for the end of it: what was reported as not run never
 * runs. A post's job is on the heap; a call's is on its caller's stack, and nothing touches it after step 2 or 3. */
#include "exporter/loop/parts.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

enum job_state { WAITING, RUNNING, DONE, CANCELLED };

struct oxp_job {
    oxp_loop_fn *fn;
    void *ctx;
    struct oxp_job *previous, *next;
    pthread_cond_t *ended; /* a call's; NULL for a post */
    enum job_state state;
};

enum oxp_status oxp_mailbox_init(struct oxp_mailbox *mailbox) {
    *mailbox = (struct oxp_mailbox){.event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)};
    if (mailbox->event_fd < 0) {
        return oxp_status_from_errno(errno);
    }
    if (pthread_mutex_init(&mailbox->mutex, NULL) != 0) {
        close(mailbox->event_fd);
        return OXP_ERR_NOMEM;
    }
    return OXP_OK;
}

static void unlink_locked(struct oxp_mailbox *mailbox, struct oxp_job *job) {
    *(job->previous == NULL ? &mailbox->first : &job->previous->next) = job->next;
    *(job->next == NULL ? &mailbox->last : &job->next->previous) = job->previous;
    mailbox->count--;
}

static enum oxp_status push_locked(struct oxp_mailbox *mailbox, struct oxp_job *job) {
    if (mailbox->closed) {
        return OXP_ERR_CLOSED;
    }
    job->previous = mailbox->last;
    *(mailbox->last == NULL ? &mailbox->first : &mailbox->last->next) = job;
    mailbox->last = job;
    /* With more than one in the queue it was rung already, or the loop is at work on it and looks again before it
     * sleeps. */
    if (++mailbox->count == 1) {
        oxp_mailbox_ring(mailbox);
    }
    return OXP_OK;
}

void oxp_mailbox_ring(const struct oxp_mailbox *mailbox) {
    int saved = errno;
    uint64_t one = 1;
    /* It fails only when the counter is full, and then it is readable anyway. */
    ssize_t ignored = write(mailbox->event_fd, &one, sizeof one);
    (void)ignored;
    errno = saved;
}

enum oxp_status oxp_mailbox_enter(struct oxp_mailbox *mailbox) {
    pthread_mutex_lock(&mailbox->mutex);
    bool closed = mailbox->closed;
    if (!closed) {
        mailbox->owned = true;
        mailbox->owner = pthread_self();
    }
    pthread_mutex_unlock(&mailbox->mutex);
    return closed ? OXP_ERR_CLOSED : OXP_OK;
}

void oxp_mailbox_leave(struct oxp_mailbox *mailbox) {
    pthread_mutex_lock(&mailbox->mutex);
    mailbox->owned = false;
    pthread_mutex_unlock(&mailbox->mutex);
}

bool oxp_mailbox_is_empty(struct oxp_mailbox *mailbox) {
    pthread_mutex_lock(&mailbox->mutex);
    bool empty = mailbox->count == 0;
    pthread_mutex_unlock(&mailbox->mutex);
    return empty;
}

static void run_one_locked(struct oxp_mailbox *mailbox) {
    struct oxp_job *job = mailbox->first;
    unlink_locked(mailbox, job);
    job->state = RUNNING;
    pthread_mutex_unlock(&mailbox->mutex);
    job->fn(job->ctx);
    if (job->ended == NULL) {
        free(job);
        pthread_mutex_lock(&mailbox->mutex);
        return;
    }
    pthread_mutex_lock(&mailbox->mutex);
    job->state = DONE;
    pthread_cond_signal(job->ended);
}

void oxp_mailbox_run(struct oxp_mailbox *mailbox) {
    pthread_mutex_lock(&mailbox->mutex);
    for (size_t left = mailbox->count; left > 0 && mailbox->first != NULL; left--) {
        run_one_locked(mailbox);
    }
    pthread_mutex_unlock(&mailbox->mutex);
}

void oxp_mailbox_close(struct oxp_mailbox *mailbox, bool run_posts) {
    pthread_mutex_lock(&mailbox->mutex);
    mailbox->closed = true;
    struct oxp_job *next;
    for (struct oxp_job *job = mailbox->first; job != NULL; job = next) {
        next = job->next;
        if (job->ended != NULL) {
            unlink_locked(mailbox, job);
            job->state = CANCELLED;
            pthread_cond_signal(job->ended);
        }
    }
    while (run_posts && mailbox->first != NULL) {
        run_one_locked(mailbox);
    }
    pthread_mutex_unlock(&mailbox->mutex);
}

void oxp_mailbox_fini(struct oxp_mailbox *mailbox) {
    oxp_mailbox_close(mailbox, false);
    while (mailbox->first != NULL) {
        struct oxp_job *job = mailbox->first;
        mailbox->first = job->next;
        free(job);
    }
    pthread_mutex_destroy(&mailbox->mutex);
    close(mailbox->event_fd);
}

enum oxp_status oxp_mailbox_post(struct oxp_mailbox *mailbox, oxp_loop_fn *fn, void *ctx) {
    struct oxp_job *job = malloc(sizeof *job);
    if (job == NULL) {
        return OXP_ERR_NOMEM;
    }
    *job = (struct oxp_job){.fn = fn, .ctx = ctx};
    pthread_mutex_lock(&mailbox->mutex);
    enum oxp_status status = push_locked(mailbox, job);
    pthread_mutex_unlock(&mailbox->mutex);
    if (status != OXP_OK) {
        free(job);
    }
    return status;
}

static bool is_owner(struct oxp_mailbox *mailbox) {
    pthread_mutex_lock(&mailbox->mutex);
    bool mine = mailbox->owned && pthread_equal(mailbox->owner, pthread_self());
    pthread_mutex_unlock(&mailbox->mutex);
    return mine;
}

/* The system's monotonic clock, whatever clock the loop has: a thread waits here, and only the kernel can wake it. */
static struct timespec deadline_after(int64_t timeout_ms) {
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    int64_t most_ms = INT64_C(1000) * 86400 * 365;
    int64_t ms = timeout_ms > most_ms ? most_ms : timeout_ms;
    at.tv_sec += (time_t)(ms / 1000);
    at.tv_nsec += (long)(ms % 1000 * OXP_NS_PER_MS);
    if (at.tv_nsec >= OXP_NS_PER_S) {
        at.tv_sec++;
        at.tv_nsec -= OXP_NS_PER_S;
    }
    return at;
}

/* Waits until the job is done or cancelled; a caller whose time is over cancels it, unless it is running. */
static enum oxp_status wait_locked(struct oxp_mailbox *mailbox, struct oxp_job *job, int64_t timeout_ms) {
    struct timespec deadline = deadline_after(timeout_ms < 0 ? 0 : timeout_ms);
    while (job->state == WAITING || job->state == RUNNING) {
        if (timeout_ms < 0 || job->state == RUNNING) {
            pthread_cond_wait(job->ended, &mailbox->mutex);
        } else if (pthread_cond_timedwait(job->ended, &mailbox->mutex, &deadline) == ETIMEDOUT &&
                   job->state == WAITING) {
            unlink_locked(mailbox, job);
            job->state = CANCELLED;
            return OXP_ERR_TIMEOUT;
        }
    }
    return job->state == DONE ? OXP_OK : OXP_ERR_CLOSED;
}

enum oxp_status oxp_mailbox_call(struct oxp_mailbox *mailbox, oxp_loop_fn *fn, void *ctx, int64_t timeout_ms) {
    if (is_owner(mailbox)) {
        fn(ctx);
        return OXP_OK;
    }
    pthread_condattr_t monotonic;
    pthread_cond_t ended;
    if (pthread_condattr_init(&monotonic) != 0) {
        return OXP_ERR_NOMEM;
    }
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    int failed = pthread_cond_init(&ended, &monotonic);
    pthread_condattr_destroy(&monotonic);
    if (failed) {
        return OXP_ERR_NOMEM;
    }
    struct oxp_job job = {.fn = fn, .ctx = ctx, .ended = &ended};
    pthread_mutex_lock(&mailbox->mutex);
    enum oxp_status status = push_locked(mailbox, &job);
    if (status == OXP_OK) {
        status = wait_locked(mailbox, &job, timeout_ms);
    }
    pthread_mutex_unlock(&mailbox->mutex);
    pthread_cond_destroy(&ended);
    return status;
}
