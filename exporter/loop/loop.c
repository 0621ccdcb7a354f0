/* One turn of the loop: wait, then descriptors, then the mailbox, then timers.
 *
 * epoll hands out a batch of pointers to watches. A callback may remove a watch that stands later in the same batch, so
 * a removed watch is only marked, and freed when the batch is through. */
#include "exporter/loop/loop.h"

#include "exporter/loop/parts.h"
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#define BATCH 128

struct oxp_watch {
    struct oxp_loop *loop;
    int fd;
    bool removed;
    oxp_watch_fn *fn;
    void *ctx;
    struct oxp_watch *previous, *next;
};

struct oxp_loop {
    int epoll_fd;
    atomic_bool stop; /* set in signal handlers too */
    bool in_batch;
    struct oxp_watch *watches; /* alive */
    struct oxp_watch *removed; /* by `next`; freed after the batch */
    struct oxp_timers timers;
    struct oxp_mailbox mailbox;
};

_Static_assert(ATOMIC_BOOL_LOCK_FREE == 2, "oxp_loop_stop must be safe in a signal handler");

struct oxp_timers *oxp_loop_timers(struct oxp_loop *loop) {
    return &loop->timers;
}

enum oxp_status oxp_loop_new(const struct oxp_clock *clock, struct oxp_loop **loop_out) {
    struct oxp_loop *loop = calloc(1, sizeof *loop);
    if (loop == NULL) {
        return OXP_ERR_NOMEM;
    }
    atomic_init(&loop->stop, false);
    oxp_timers_init(&loop->timers, clock);
    enum oxp_status status = oxp_mailbox_init(&loop->mailbox);
    if (status != OXP_OK) {
        free(loop);
        return status;
    }
    struct epoll_event wanted = {.events = EPOLLIN, .data.ptr = NULL}; /* NULL is the mailbox */
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (loop->epoll_fd < 0 || epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, loop->mailbox.event_fd, &wanted) != 0) {
        status = oxp_status_from_errno(errno);
        oxp_loop_free(loop);
        return status;
    }
    *loop_out = loop;
    return OXP_OK;
}

static void free_removed(struct oxp_loop *loop) {
    while (loop->removed != NULL) {
        struct oxp_watch *watch = loop->removed;
        loop->removed = watch->next;
        free(watch);
    }
}

void oxp_loop_free(struct oxp_loop *loop) {
    if (loop == NULL) {
        return;
    }
    for (struct oxp_watch *watch = loop->watches, *next; watch != NULL; watch = next) {
        next = watch->next;
        oxp_watch_remove(watch);
    }
    oxp_timers_fini(&loop->timers);
    oxp_mailbox_fini(&loop->mailbox);
    if (loop->epoll_fd >= 0) {
        close(loop->epoll_fd);
    }
    free(loop);
}

enum oxp_status oxp_loop_watch(struct oxp_loop *loop, int fd, uint32_t events, oxp_watch_fn *fn, void *ctx,
                               struct oxp_watch **watch_out) {
    struct oxp_watch *watch = malloc(sizeof *watch);
    if (watch == NULL) {
        return OXP_ERR_NOMEM;
    }
    *watch = (struct oxp_watch){.loop = loop, .fd = fd, .fn = fn, .ctx = ctx, .next = loop->watches};
    struct epoll_event wanted = {.events = events, .data.ptr = watch};
    if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &wanted) != 0) {
        enum oxp_status status = oxp_status_from_errno(errno);
        free(watch);
        return status;
    }
    if (loop->watches != NULL) {
        loop->watches->previous = watch;
    }
    loop->watches = watch;
    *watch_out = watch;
    return OXP_OK;
}

enum oxp_status oxp_watch_change(struct oxp_watch *watch, uint32_t events) {
    struct epoll_event wanted = {.events = events, .data.ptr = watch};
    bool changed = epoll_ctl(watch->loop->epoll_fd, EPOLL_CTL_MOD, watch->fd, &wanted) == 0;
    return changed ? OXP_OK : oxp_status_from_errno(errno);
}

void oxp_watch_remove(struct oxp_watch *watch) {
    if (watch == NULL) {
        return;
    }
    struct oxp_loop *loop = watch->loop;
    /* Fails when the descriptor was closed before; then epoll has forgotten it already. */
    epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, watch->fd, NULL);
    *(watch->previous == NULL ? &loop->watches : &watch->previous->next) = watch->next;
    if (watch->next != NULL) {
        watch->next->previous = watch->previous;
    }
    if (!loop->in_batch) {
        free(watch);
        return;
    }
    watch->removed = true;
    watch->next = loop->removed;
    loop->removed = watch;
}

static void silence_bell(const struct oxp_loop *loop) {
    uint64_t count;
    ssize_t ignored = read(loop->mailbox.event_fd, &count, sizeof count);
    (void)ignored; /* nothing to read is fine as well */
}

static int wait_ms(struct oxp_loop *loop, int64_t most_ms) {
    if (atomic_load(&loop->stop) || !oxp_mailbox_is_empty(&loop->mailbox)) {
        return 0;
    }
    int until_timer = oxp_timers_wait_ms(&loop->timers);
    if (most_ms >= 0 && (until_timer < 0 || most_ms < until_timer)) {
        return (int)(most_ms > INT32_MAX ? INT32_MAX : most_ms);
    }
    return until_timer;
}

static enum oxp_status turn(struct oxp_loop *loop, int64_t most_ms) {
    struct epoll_event events[BATCH];
    int count = epoll_wait(loop->epoll_fd, events, BATCH, wait_ms(loop, most_ms));
    if (count < 0 && errno != EINTR) {
        return OXP_ERR_IO;
    }
    loop->in_batch = true;
    for (int i = 0; i < count; i++) {
        struct oxp_watch *watch = events[i].data.ptr;
        if (watch == NULL) {
            silence_bell(loop);
        } else if (!watch->removed) {
            watch->fn(watch->ctx, events[i].events);
        }
    }
    loop->in_batch = false;
    free_removed(loop);
    oxp_mailbox_run(&loop->mailbox);
    oxp_timers_fire(&loop->timers);
    return OXP_OK;
}

enum oxp_status oxp_loop_turn(struct oxp_loop *loop, int64_t most_ms) {
    enum oxp_status status = oxp_mailbox_enter(&loop->mailbox);
    if (status == OXP_OK) {
        status = turn(loop, most_ms);
        oxp_mailbox_leave(&loop->mailbox);
    }
    return status;
}

enum oxp_status oxp_loop_run(struct oxp_loop *loop) {
    enum oxp_status status = oxp_mailbox_enter(&loop->mailbox);
    if (status != OXP_OK) {
        return status;
    }
    while (status == OXP_OK && !atomic_load(&loop->stop)) {
        status = turn(loop, -1);
    }
    oxp_mailbox_close(&loop->mailbox, true);
    oxp_mailbox_leave(&loop->mailbox);
    return status;
}

void oxp_loop_stop(struct oxp_loop *loop) {
    atomic_store(&loop->stop, true);
    oxp_mailbox_ring(&loop->mailbox);
}

enum oxp_status oxp_loop_post(struct oxp_loop *loop, oxp_loop_fn *fn, void *ctx) {
    return oxp_mailbox_post(&loop->mailbox, fn, ctx);
}

enum oxp_status oxp_loop_call(struct oxp_loop *loop, oxp_loop_fn *fn, void *ctx, int64_t timeout_ms) {
    return oxp_mailbox_call(&loop->mailbox, fn, ctx, timeout_ms);
}
