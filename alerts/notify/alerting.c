/* Beginning, end, and the thread. */
#include "alerts/notify/internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

enum { SWEEP_MS = 60000, NOTE_MS = 60000 };

/* ---- Beginning and end ---- */

static bool init_wake(pthread_cond_t *wake) {
    pthread_condattr_t attributes;
    if (pthread_condattr_init(&attributes) != 0) {
        return false;
    }
    bool done =
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0 && pthread_cond_init(wake, &attributes) == 0;
    pthread_condattr_destroy(&attributes);
    return done;
}

enum oxp_status oxp_alerting_new(const struct oxp_alerting_options *options, struct oxp_alerting **alerting_out,
                                 struct oxp_error *error) {
    struct oxp_alerting *alerting = calloc(1, sizeof *alerting);
    if (alerting == NULL) {
        return oxp_error_set(error, OXP_ERR_NOMEM, 0, 0, "out of memory");
    }
    alerting->external_url = strdup(options->external_url == NULL ? "" : options->external_url);
    if (alerting->external_url == NULL || pthread_mutex_init(&alerting->lock, NULL) != 0) {
        free(alerting->external_url);
        free(alerting);
        return oxp_error_set(error, OXP_ERR_NOMEM, 0, 0, "out of memory");
    }
    if (!init_wake(&alerting->wake)) {
        pthread_mutex_destroy(&alerting->lock);
        free(alerting->external_url);
        free(alerting);
        return oxp_error_set(error, OXP_ERR_NOMEM, 0, 0, "out of memory");
    }
    alerting->options = *options;
    alerting->config = options->config;
    oxp_map_init(&alerting->entries);
    oxp_map_init(&alerting->groups);
    oxp_buf_init(&alerting->key, 0);
    oxp_buf_init(&alerting->generator, 0);
    enum oxp_status status = oxp_ledger_read(alerting, error);
    if (status != OXP_OK) {
        alerting->config = NULL; /* the caller's still */
        oxp_alerting_free(alerting);
        return status;
    }
    *alerting_out = alerting;
    return OXP_OK;
}

void oxp_alerting_free(struct oxp_alerting *alerting) {
    struct oxp_group *group;
    struct oxp_entry *entry;
    if (alerting == NULL) {
        return;
    }
    oxp_alerting_stop(alerting);
    for (size_t i = 0; (group = oxp_map_next(&alerting->groups, &i)) != NULL;) {
        oxp_group_free(group);
    }
    for (size_t i = 0; (entry = oxp_map_next(&alerting->entries, &i)) != NULL;) {
        oxp_entry_free(entry);
    }
    oxp_map_fini(&alerting->groups);
    oxp_map_fini(&alerting->entries);
    oxp_buf_fini(&alerting->key);
    oxp_buf_fini(&alerting->generator);
    oxp_alerting_config_free(alerting->config);
    pthread_cond_destroy(&alerting->wake);
    pthread_mutex_destroy(&alerting->lock);
    free(alerting->external_url);
    free(alerting);
}

struct oxp_alerting_config *oxp_alerting_free_but_config(struct oxp_alerting *alerting) {
    struct oxp_alerting_config *config = NULL;
    if (alerting != NULL) {
        oxp_alerting_stop(alerting);
        config = alerting->config;
        alerting->config = NULL;
        oxp_alerting_free(alerting);
    }
    return config;
}

void oxp_alerting_rules_ready(struct oxp_alerting *alerting, int64_t now_ms) {
    pthread_mutex_lock(&alerting->lock);
    if (alerting->ready_ms == 0) {
        alerting->ready_ms = now_ms;
        alerting->woken = true;
        pthread_cond_signal(&alerting->wake);
    }
    pthread_mutex_unlock(&alerting->lock);
}

void oxp_alerting_stats(struct oxp_alerting *alerting, struct oxp_alerting_stats *stats_out) {
    pthread_mutex_lock(&alerting->lock);
    *stats_out = alerting->stats;
    stats_out->alerts = alerting->entries.count;
    pthread_mutex_unlock(&alerting->lock);
}

/* ---- A turn ---- */

/* Alerts that there was no room for: seen in the outbox' notes, once a minute at most. */
static void note_refused(struct oxp_alerting *alerting, int64_t now_ms) {
    struct oxp_alerting_stats stats;
    oxp_alerting_stats(alerting, &stats);
    bool due = alerting->noted_ms == 0 || now_ms - alerting->noted_ms >= NOTE_MS || now_ms < alerting->noted_ms;
    if (stats.refused == alerting->noted || !due) {
        return;
    }
    struct oxp_error text = {0};
    oxp_error_set(&text, OXP_OK, 0, 0,
                  "%" PRIu64 " times since the start an alert was not taken: more than %d at once, or no memory",
                  stats.refused, OXP_ALERTING_MAX);
    struct oxp_outbox_note note = {OXP_VIEW("alerting.limit"), oxp_view_from(text.text)};
    struct oxp_outbox_write write = {.notes = &note, .note_count = 1};
    alerting->noted_ms = now_ms;
    if (oxp_alerting_put(alerting, &write, now_ms)) {
        alerting->noted = stats.refused;
    }
}

/* G8: gives when the unconfirmed will be given up. */
static int64_t lose(struct oxp_alerting *alerting, int64_t now_ms) {
    pthread_mutex_lock(&alerting->lock);
    alerting->ready_ms = oxp_earlier(alerting->ready_ms, now_ms); /* the clock may have gone back */
    alerting->ready_seen_ms = alerting->ready_ms;
    pthread_mutex_unlock(&alerting->lock);
    if (alerting->ready_seen_ms == 0 || alerting->lost) {
        return INT64_MAX;
    }
    if (now_ms - alerting->ready_seen_ms < OXP_ALERTING_LOST_MS) {
        return alerting->ready_seen_ms + OXP_ALERTING_LOST_MS;
    }
    alerting->lost = oxp_groups_lose(alerting, now_ms);
    return alerting->lost ? INT64_MAX : now_ms + OXP_ALERTING_AWAIT_MS;
}

int64_t oxp_alerting_turn(struct oxp_alerting *alerting, int64_t now_ms) {
    int64_t next_ms = now_ms + OXP_ALERTING_IDLE_MS;
    if (!oxp_alerting_take(alerting, now_ms)) {
        next_ms = now_ms + OXP_ALERTING_AGAIN_MS;
    }
    next_ms = oxp_earlier(next_ms, lose(alerting, now_ms));
    next_ms = oxp_earlier(next_ms, oxp_groups_flush(alerting, now_ms));
    next_ms = oxp_earlier(next_ms, oxp_members_turn(alerting, now_ms));
    note_refused(alerting, now_ms);
    if (now_ms - alerting->swept_ms >= SWEEP_MS || now_ms < alerting->swept_ms) {
        oxp_alerting_sweep(alerting, now_ms);
        alerting->swept_ms = now_ms;
    }
    pthread_mutex_lock(&alerting->lock);
    alerting->stats.groups = alerting->groups.count;
    pthread_mutex_unlock(&alerting->lock);
    return next_ms;
}

/* ---- The thread ---- */

static int64_t now_ms_of(const struct oxp_alerting *alerting) {
    return oxp_clock_wall(alerting->options.clock).ns / OXP_NS_PER_MS;
}

/* True when it is to stop. */
static bool wait_for(struct oxp_alerting *alerting, int64_t wait_ms) {
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    int64_t ns = until.tv_nsec + (wait_ms > 0 ? wait_ms : 0) % 1000 * OXP_NS_PER_MS;
    until.tv_sec += (time_t)((wait_ms > 0 ? wait_ms : 0) / 1000 + ns / OXP_NS_PER_S);
    until.tv_nsec = (long)(ns % OXP_NS_PER_S);
    pthread_mutex_lock(&alerting->lock);
    int result = 0;
    while (!alerting->woken && !alerting->stopping && result == 0) {
        result = pthread_cond_timedwait(&alerting->wake, &alerting->lock, &until);
    }
    bool stopping = alerting->stopping;
    pthread_mutex_unlock(&alerting->lock);
    return stopping;
}

static void *run(void *ctx) {
    struct oxp_alerting *alerting = ctx;
    bool stopping = false;
    while (!stopping) {
        int64_t next_ms = oxp_alerting_turn(alerting, now_ms_of(alerting));
        stopping = wait_for(alerting, next_ms - now_ms_of(alerting));
    }
    alerting->last = true;
    oxp_alerting_turn(alerting, now_ms_of(alerting));
    alerting->last = false;
    return NULL;
}

enum oxp_status oxp_alerting_start(struct oxp_alerting *alerting) {
    alerting->stopping = false;
    alerting->running = pthread_create(&alerting->thread, NULL, run, alerting) == 0;
    return alerting->running ? OXP_OK : OXP_ERR_NOMEM;
}

void oxp_alerting_stop(struct oxp_alerting *alerting) {
    if (!alerting->running) {
        return;
    }
    pthread_mutex_lock(&alerting->lock);
    alerting->stopping = true;
    pthread_cond_signal(&alerting->wake);
    pthread_mutex_unlock(&alerting->lock);
    pthread_join(alerting->thread, NULL);
    alerting->running = false;
}
