/* Timers: a binary heap over deadlines.
 *
 * Room in the heap is made when a timer is made, so that starting one cannot fail. A timer leaves the heap (or gets its
 * next deadline) before its callback runs, and nothing touches it afterwards: it may be freed in its own callback. */
#include "exporter/loop/parts.h"

#include <limits.h>
#include <stdlib.h>

/* About 146 years; later than any process and far from overflow. */
#define LONGEST_MS (INT64_MAX / 2 / OXP_NS_PER_MS)

struct oxp_timer {
    struct oxp_timers *timers;
    oxp_loop_fn *fn;
    void *ctx;
    int64_t deadline_ns;
    int64_t period_ns; /* 0 = fires once */
    uint64_t order;
    size_t place; /* in the heap, from 1; 0 = not running */
    struct oxp_timer *previous, *next;
};

void oxp_timers_init(struct oxp_timers *timers, const struct oxp_clock *clock) {
    *timers = (struct oxp_timers){.clock = clock};
}

void oxp_timers_fini(struct oxp_timers *timers) {
    for (struct oxp_timer *timer = timers->all, *next; timer != NULL; timer = next) {
        next = timer->next;
        oxp_timer_free(timer);
    }
    free(timers->heap);
}

static bool before(const struct oxp_timer *a, const struct oxp_timer *b) {
    return a->deadline_ns != b->deadline_ns ? a->deadline_ns < b->deadline_ns : a->order < b->order;
}

static void put(struct oxp_timers *timers, size_t place, struct oxp_timer *timer) {
    timers->heap[place - 1] = timer;
    timer->place = place;
}

/* Moves `timer` from `place`, where it is or should be, up or down to where it belongs. */
static void settle(struct oxp_timers *timers, size_t place, struct oxp_timer *timer) {
    while (place > 1 && before(timer, timers->heap[place / 2 - 1])) {
        put(timers, place, timers->heap[place / 2 - 1]);
        place /= 2;
    }
    for (;;) {
        size_t child = 2 * place;
        if (child < timers->running && before(timers->heap[child], timers->heap[child - 1])) {
            child++;
        }
        if (child > timers->running || !before(timers->heap[child - 1], timer)) {
            break;
        }
        put(timers, place, timers->heap[child - 1]);
        place = child;
    }
    put(timers, place, timer);
}

enum oxp_status oxp_timer_new(struct oxp_loop *loop, oxp_loop_fn *fn, void *ctx, struct oxp_timer **timer_out) {
    struct oxp_timers *timers = oxp_loop_timers(loop);
    struct oxp_timer *timer = calloc(1, sizeof *timer);
    if (timer == NULL) {
        return OXP_ERR_NOMEM;
    }
    if (timers->made == timers->room) {
        size_t room = timers->room == 0 ? 16 : 2 * timers->room;
        struct oxp_timer **heap = realloc(timers->heap, room * sizeof(struct oxp_timer *));
        if (heap == NULL) {
            free(timer);
            return OXP_ERR_NOMEM;
        }
        timers->heap = heap;
        timers->room = room;
    }
    *timer = (struct oxp_timer){.timers = timers, .fn = fn, .ctx = ctx, .next = timers->all};
    if (timers->all != NULL) {
        timers->all->previous = timer;
    }
    timers->all = timer;
    timers->made++;
    *timer_out = timer;
    return OXP_OK;
}

void oxp_timer_free(struct oxp_timer *timer) {
    if (timer == NULL) {
        return;
    }
    oxp_timer_stop(timer);
    struct oxp_timers *timers = timer->timers;
    if (timer->previous != NULL) {
        timer->previous->next = timer->next;
    } else {
        timers->all = timer->next;
    }
    if (timer->next != NULL) {
        timer->next->previous = timer->previous;
    }
    timers->made--;
    free(timer);
}

void oxp_timer_stop(struct oxp_timer *timer) {
    struct oxp_timers *timers = timer->timers;
    size_t place = timer->place;
    if (place == 0) {
        return;
    }
    timer->place = 0;
    struct oxp_timer *last = timers->heap[--timers->running];
    if (last != timer) {
        settle(timers, place, last);
    }
}

static void start(struct oxp_timer *timer, int64_t deadline_ns, int64_t period_ns) {
    struct oxp_timers *timers = timer->timers;
    oxp_timer_stop(timer);
    timer->deadline_ns = deadline_ns;
    timer->period_ns = period_ns;
    timer->order = timers->next_order++;
    timers->running++;
    settle(timers, timers->running, timer);
}

static int64_t bounded_ns(int64_t ms, int64_t least_ms) {
    ms = ms < least_ms ? least_ms : ms > LONGEST_MS ? LONGEST_MS : ms;
    return ms * OXP_NS_PER_MS;
}

void oxp_timer_start(struct oxp_timer *timer, int64_t delay_ms) {
    start(timer, oxp_clock_mono(timer->timers->clock).ns + bounded_ns(delay_ms, 0), 0);
}

void oxp_timer_every(struct oxp_timer *timer, int64_t period_ms) {
    int64_t period_ns = bounded_ns(period_ms, 1);
    start(timer, oxp_clock_mono(timer->timers->clock).ns + period_ns, period_ns);
}

int oxp_timers_wait_ms(const struct oxp_timers *timers) {
    if (timers->running == 0) {
        return -1;
    }
    int64_t left_ns = timers->heap[0]->deadline_ns - oxp_clock_mono(timers->clock).ns;
    int64_t left_ms = left_ns <= 0 ? 0 : (left_ns - 1) / OXP_NS_PER_MS + 1;
    return left_ms > INT_MAX ? INT_MAX : (int)left_ms;
}

void oxp_timers_fire(struct oxp_timers *timers) {
    if (timers->running == 0) {
        return;
    }
    int64_t now_ns = oxp_clock_mono(timers->clock).ns;
    /* What is started from here on has an order past this one. Its deadline is `now` at the earliest, so when it is the
     * first of the heap, nothing older is due any more. */
    uint64_t first_new = timers->next_order;
    while (timers->running > 0) {
        struct oxp_timer *timer = timers->heap[0];
        if (timer->deadline_ns > now_ns || timer->order >= first_new) {
            break;
        }
        if (timer->period_ns == 0) {
            oxp_timer_stop(timer);
        } else {
            /* The next tick of the even schedule that is still to come. */
            int64_t missed = (now_ns - timer->deadline_ns) / timer->period_ns;
            start(timer, timer->deadline_ns + (missed + 1) * timer->period_ns, timer->period_ns);
        }
        timer->fn(timer->ctx);
    }
}
