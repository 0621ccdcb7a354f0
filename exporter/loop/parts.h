/* What the three files of the loop know of each other: the timers' heap and the mailbox. Not for other folders. */
#ifndef OXP_LOOP_PARTS_H
#define OXP_LOOP_PARTS_H

#include "exporter/loop/loop.h"
#include "lib/base/clock.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

/* ---- timers (timers.c); loop thread only ---- */

struct oxp_timers {
    const struct oxp_clock *clock;
    struct oxp_timer **heap; /* binary, least deadline first; has room for every timer that exists */
    size_t running, room;
    size_t made;           /* timers that exist */
    uint64_t next_order;   /* equal deadlines fire in the order of their starts */
    struct oxp_timer *all; /* every timer that exists, to free what is left */
};

void oxp_timers_init(struct oxp_timers *timers, const struct oxp_clock *clock);
void oxp_timers_fini(struct oxp_timers *timers);
/* Milliseconds until the first timer is due, rounded up; -1 when none runs. */
int oxp_timers_wait_ms(const struct oxp_timers *timers);
/* Fires what was due at the start of the call; a timer that its own callback starts again waits for the next call. */
void oxp_timers_fire(struct oxp_timers *timers);
/* The loop's timers; loop.c has the struct. */
struct oxp_timers *oxp_loop_timers(struct oxp_loop *loop);

/* ---- mailbox (mailbox.c); any thread ---- */

struct oxp_job;

struct oxp_mailbox {
    int event_fd; /* readable when there is something to look at */
    pthread_mutex_t mutex;
    struct oxp_job *first, *last; /* under the mutex, like the rest */
    size_t count;
    bool closed;
    bool owned;      /* a thread is inside the loop … */
    pthread_t owner; /* … and it is this one */
};

enum oxp_status oxp_mailbox_init(struct oxp_mailbox *mailbox);
/* Closes, forgets the posts that are left, frees. */
void oxp_mailbox_fini(struct oxp_mailbox *mailbox);
/* Makes the calling thread the loop thread. OXP_ERR_CLOSED after oxp_mailbox_close. */
enum oxp_status oxp_mailbox_enter(struct oxp_mailbox *mailbox);
void oxp_mailbox_leave(struct oxp_mailbox *mailbox);
bool oxp_mailbox_is_empty(struct oxp_mailbox *mailbox);
/* Runs as many jobs as wait at the start of the call. Loop thread. */
void oxp_mailbox_run(struct oxp_mailbox *mailbox);
/* Takes no more jobs and cancels the calls that wait; then, with `run_posts`, runs the posts that were accepted. */
void oxp_mailbox_close(struct oxp_mailbox *mailbox, bool run_posts);
enum oxp_status oxp_mailbox_post(struct oxp_mailbox *mailbox, oxp_loop_fn *fn, void *ctx);
enum oxp_status oxp_mailbox_call(struct oxp_mailbox *mailbox, oxp_loop_fn *fn, void *ctx, int64_t timeout_ms);
/* Makes event_fd readable. Async-signal-safe. */
void oxp_mailbox_ring(const struct oxp_mailbox *mailbox);

#endif
