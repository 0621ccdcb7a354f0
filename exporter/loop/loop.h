/* The loop: one thread, epoll, timers, and a mailbox for the others.
 *
 * Everything that the loop calls back runs on the thread inside oxp_loop_run; only oxp_loop_post, oxp_loop_call and
 * oxp_loop_stop may be called from other threads. */
#ifndef OXP_LOOP_LOOP_H
#define OXP_LOOP_LOOP_H

#include "lib/base/clock.h"
#include <oxpecker/status.h>
#include <stdint.h>

struct oxp_loop;
struct oxp_watch; /* one watched descriptor; owned by the loop */
struct oxp_timer; /* one timer; owned by the loop */

typedef void oxp_loop_fn(void *ctx);
/* `events` are EPOLLIN, EPOLLOUT, EPOLLHUP, EPOLLERR as epoll reports them. */
typedef void oxp_watch_fn(void *ctx, uint32_t events);

enum oxp_status oxp_loop_new(const struct oxp_clock *clock, struct oxp_loop **loop_out);
void oxp_loop_free(struct oxp_loop *loop);

/* Watches `fd` (not owned) for `events`. A watch may be removed inside any callback, its own included. */
enum oxp_status oxp_loop_watch(struct oxp_loop *loop, int fd, uint32_t events, oxp_watch_fn *fn, void *ctx,
                               struct oxp_watch **watch_out);
enum oxp_status oxp_watch_change(struct oxp_watch *watch, uint32_t events);
void oxp_watch_remove(struct oxp_watch *watch);

/* A timer that is not running yet. */
enum oxp_status oxp_timer_new(struct oxp_loop *loop, oxp_loop_fn *fn, void *ctx, struct oxp_timer **timer_out);
void oxp_timer_free(struct oxp_timer *timer);
/* Fires once, `delay_ms` from now, replacing an earlier start. */
void oxp_timer_start(struct oxp_timer *timer, int64_t delay_ms);
/* Fires every `period_ms`, on an even schedule: late ticks are skipped, not made up for. */
void oxp_timer_every(struct oxp_timer *timer, int64_t period_ms);
void oxp_timer_stop(struct oxp_timer *timer);

/* Runs callbacks until oxp_loop_stop. OXP_OK, or OXP_ERR_IO when epoll fails. */
enum oxp_status oxp_loop_run(struct oxp_loop *loop);
/* Any thread, and async-signal-safe. */
void oxp_loop_stop(struct oxp_loop *loop);

/* Any thread: runs fn(ctx) on the loop thread soon, in order. OXP_ERR_NOMEM, OXP_ERR_CLOSED once the loop has ended. */
enum oxp_status oxp_loop_post(struct oxp_loop *loop, oxp_loop_fn *fn, void *ctx);
/* The same, and waits until it has run. On OXP_ERR_TIMEOUT (or CLOSED) it is certain that fn has not run and never will.
 * On the loop thread itself fn runs at once. */
enum oxp_status oxp_loop_call(struct oxp_loop *loop, oxp_loop_fn *fn, void *ctx, int64_t timeout_ms);

#endif
