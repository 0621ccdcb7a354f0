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

/* `clock` (not owned) drives the timers. OXP_ERR_NOMEM, OXP_ERR_LIMIT (no descriptor left), OXP_ERR_IO. */
enum oxp_status oxp_loop_new(const struct oxp_clock *clock, struct oxp_loop **loop_out);
/* Frees the loop with the watches and timers that are left. No other thread may be using it or come to use it. Posts of
 * a loop that never ran are forgotten. */
void oxp_loop_free(struct oxp_loop *loop);

/* Watches `fd` (not owned; close it after removing the watch) for `events`, level-triggered. A watch may be removed
 * inside any callback, its own included; no callback of a removed watch follows. OXP_ERR_NOMEM, or what epoll said. */
enum oxp_status oxp_loop_watch(struct oxp_loop *loop, int fd, uint32_t events, oxp_watch_fn *fn, void *ctx,
                               struct oxp_watch **watch_out);
enum oxp_status oxp_watch_change(struct oxp_watch *watch, uint32_t events);
void oxp_watch_remove(struct oxp_watch *watch);

/* A timer that is not running yet. It may be freed, stopped and started inside any callback, its own included. Starting
 * it never fails. OXP_ERR_NOMEM. */
enum oxp_status oxp_timer_new(struct oxp_loop *loop, oxp_loop_fn *fn, void *ctx, struct oxp_timer **timer_out);
void oxp_timer_free(struct oxp_timer *timer);
/* Fires once, `delay_ms` from now, replacing an earlier start. */
void oxp_timer_start(struct oxp_timer *timer, int64_t delay_ms);
/* Fires every `period_ms`, on an even schedule: late ticks are skipped, not made up for. */
void oxp_timer_every(struct oxp_timer *timer, int64_t period_ms);
void oxp_timer_stop(struct oxp_timer *timer);

/* Runs callbacks until oxp_loop_stop, then ends the loop for good: no more posts are taken, those that were accepted
 * still run, calls that wait are woken with OXP_ERR_CLOSED. OXP_OK, OXP_ERR_IO when epoll fails, OXP_ERR_CLOSED the
 * second time. */
enum oxp_status oxp_loop_run(struct oxp_loop *loop);
/* One turn, outside oxp_loop_run: waits at most `most_ms` (negative: without limit) until something is due, runs what
 * is, and comes back. The calling thread is the loop thread meanwhile. OXP_OK, OXP_ERR_IO, OXP_ERR_CLOSED as above. */
enum oxp_status oxp_loop_turn(struct oxp_loop *loop, int64_t most_ms);
/* Any thread, and async-signal-safe. Before oxp_loop_run: that one comes back at once. */
void oxp_loop_stop(struct oxp_loop *loop);

/* Any thread: runs fn(ctx) on the loop thread soon, in order. OXP_ERR_NOMEM, OXP_ERR_CLOSED once the loop has ended. */
enum oxp_status oxp_loop_post(struct oxp_loop *loop, oxp_loop_fn *fn, void *ctx);
/* The same, and waits until it has run; `timeout_ms` negative waits without limit. When the time is over while fn runs,
 * the call waits for its end and returns OXP_OK. On any other code (OXP_ERR_TIMEOUT, OXP_ERR_CLOSED, OXP_ERR_NOMEM) it
 * is certain that fn has not run and never will. On the loop thread itself fn runs at once. */
enum oxp_status oxp_loop_call(struct oxp_loop *loop, oxp_loop_fn *fn, void *ctx, int64_t timeout_ms);

#endif
