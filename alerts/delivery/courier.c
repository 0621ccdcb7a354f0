#include "alerts/delivery/courier.h"

#include <math.h>
#include <signal.h>
#include <stdlib.h>

#include "alerts/delivery/lane.h"

#define DELAY_MAX_S 300
#define OPEN_S 30
#define OPEN_MAX_S 300

/* ---- Beginning ---- */

/* No signal is handled on our threads: they are the program's. */
static bool begin(struct oxp_lane *lane) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool begun = pthread_create(&lane->thread, NULL, oxp_lane_run, lane) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (begun) {
        pthread_setname_np(lane->thread, "oxp-courier");
    }
    return begun;
}

static void fill_defaults(struct oxp_courier_options *options) {
    options->delay_max_s = options->delay_max_s > 0 ? options->delay_max_s : DELAY_MAX_S;
    options->open_s = options->open_s > 0 ? options->open_s : OPEN_S;
    options->open_max_s = options->open_max_s > 0 ? options->open_max_s : fmax(OPEN_MAX_S, options->open_s);
    options->recipients = NULL; /* the caller's array may go; the lanes have their copies */
}

enum oxp_status oxp_courier_new(const struct oxp_courier_options *options, struct oxp_courier **courier_out) {
    *courier_out = NULL;
    struct oxp_courier *courier = calloc(1, sizeof *courier + options->count * sizeof courier->lanes[0]);
    if (courier == NULL) {
        return OXP_ERR_NOMEM;
    }
    courier->options = *options;
    fill_defaults(&courier->options);
    pthread_mutex_init(&courier->lock, NULL);
    oxp_cond_init_monotonic(&courier->ended);
    for (courier->count = 0; courier->count < options->count; courier->count++) {
        oxp_lane_init(&courier->lanes[courier->count], courier, &options->recipients[courier->count]);
    }
    pthread_mutex_lock(&courier->lock); /* a thread that ends at once waits for its number to be counted */
    while (courier->begun < courier->count && begin(&courier->lanes[courier->begun])) {
        courier->begun++;
    }
    courier->running = courier->begun;
    pthread_mutex_unlock(&courier->lock);
    if (courier->begun < courier->count) {
        oxp_courier_free(courier);
        return OXP_ERR_NOMEM;
    }
    *courier_out = courier;
    return OXP_OK;
}

/* ---- Ending ---- */

static void wake_all(struct oxp_courier *courier) {
    for (size_t i = 0; i < courier->count; i++) {
        oxp_lane_wake(&courier->lanes[i]);
    }
}

/* By the machine's clock, whatever clock was handed in: this is about the patience of whoever stops us. */
static void await_lanes(struct oxp_courier *courier, int64_t grace_ms) {
    const struct oxp_clock *real = oxp_clock_system();
    const int64_t until_ns = oxp_clock_mono(real).ns + grace_ms * OXP_NS_PER_MS;
    pthread_mutex_lock(&courier->lock);
    for (int64_t left_ns = grace_ms * OXP_NS_PER_MS; courier->running != 0 && left_ns > 0;
         left_ns = until_ns - oxp_clock_mono(real).ns) {
        oxp_cond_wait_ms(&courier->ended, &courier->lock, left_ns / OXP_NS_PER_MS + 1);
    }
    pthread_mutex_unlock(&courier->lock);
}

void oxp_courier_stop(struct oxp_courier *courier, int64_t grace_ms) {
    if (courier->begun == 0) {
        return;
    }
    atomic_store(&courier->draining, true);
    wake_all(courier);
    await_lanes(courier, grace_ms);
    atomic_store(&courier->cut, true);
    wake_all(courier);
    for (; courier->begun != 0; courier->begun--) {
        pthread_join(courier->lanes[courier->begun - 1].thread, NULL);
    }
}

void oxp_courier_free(struct oxp_courier *courier) {
    if (courier == NULL) {
        return;
    }
    oxp_courier_stop(courier, 0);
    for (size_t i = 0; i < courier->count; i++) {
        oxp_lane_fini(&courier->lanes[i]);
    }
    pthread_cond_destroy(&courier->ended);
    pthread_mutex_destroy(&courier->lock);
    free(courier);
}

/* ---- Meanwhile ---- */

void oxp_courier_wake(struct oxp_courier *courier, struct oxp_view receiver) {
    for (size_t i = 0; i < courier->count; i++) {
        if (receiver.len == 0 || oxp_view_is(receiver, courier->lanes[i].recipient.receiver)) {
            oxp_lane_wake(&courier->lanes[i]);
        }
    }
}

size_t oxp_courier_look(struct oxp_courier *courier, struct oxp_courier_view *views, size_t max) {
    for (size_t i = 0; i < courier->count && i < max; i++) {
        struct oxp_lane *lane = &courier->lanes[i];
        pthread_mutex_lock(&lane->lock);
        views[i] = (struct oxp_courier_view){
            .receiver = lane->recipient.receiver,
            .integration = lane->recipient.integration,
            .breaker = oxp_breaker_state_name(lane->breaker.state),
            .last_success_ms = lane->last_success_ms,
            .last_failure_ms = lane->last_failure_ms,
            .sent = lane->sent,
            .failed = lane->failed,
            .refused = lane->refused,
        };
        pthread_mutex_unlock(&lane->lock);
    }
    return courier->count;
}
