#include "exporter/watch/health.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "lib/base/clock.h"

enum { ANSWER_BYTES_MAX = 1 << 20 }; /* the body is not looked at */

struct oxp_health_probe {
    struct oxp_health_options options;
    char *url;
    pthread_t thread;
    pthread_mutex_t mutex; /* guards stop */
    pthread_cond_t wake;
    bool stop;
};

static void probe_once(const struct oxp_health_probe *probe) {
    const struct oxp_http_request request = {
        .method = "GET",
        .url = probe->url,
        .timeout_ms = (long)probe->options.timeout_ms,
        .direct = true,
        .max_body_bytes = ANSWER_BYTES_MAX,
    };
    struct oxp_http *http = probe->options.http;
    struct oxp_http_response response = {0};
    struct oxp_error error = {0};
    enum oxp_status status = http->exchange(http, &request, &response, &error);
    bool healthy = status == OXP_OK && response.status >= 200 && response.status <= 299;
    if (status == OXP_OK && !healthy) {
        oxp_error_set(&error, OXP_ERR_IO, 0, 0, "HTTP status %d", response.status);
    } else if (status != OXP_OK && error.text[0] == '\0') {
        oxp_error_set(&error, status, 0, 0, "%s", oxp_status_text(status));
    }
    oxp_http_response_fini(&response);
    probe->options.probed(probe->options.ctx, healthy, healthy ? "" : error.text);
}

/* The next beat after `now`: on an even schedule, so that slow answers do not stretch the interval; missed beats are
 * skipped. */
static int64_t next_beat(int64_t last_ns, int64_t interval_ns, int64_t now_ns) {
    int64_t next = last_ns + interval_ns;
    return next > now_ns ? next : now_ns + interval_ns - (now_ns - last_ns) % interval_ns;
}

/* Waits until a monotonic time. False = stop. */
static bool wait_until(struct oxp_health_probe *probe, int64_t until_ns) {
    const struct timespec until = {.tv_sec = (time_t)(until_ns / OXP_NS_PER_S),
                                   .tv_nsec = (long)(until_ns % OXP_NS_PER_S)};
    pthread_mutex_lock(&probe->mutex);
    int result = 0;
    while (!probe->stop && result == 0) {
        result = pthread_cond_timedwait(&probe->wake, &probe->mutex, &until);
    }
    bool go_on = !probe->stop;
    pthread_mutex_unlock(&probe->mutex);
    return go_on;
}

static void *probe_main(void *ctx) {
    struct oxp_health_probe *probe = ctx;
    const int64_t interval_ns = probe->options.interval_ms * OXP_NS_PER_MS;
    int64_t beat_ns = oxp_clock_mono(oxp_clock_system()).ns;
    do {
        probe_once(probe);
        beat_ns = next_beat(beat_ns, interval_ns, oxp_clock_mono(oxp_clock_system()).ns);
    } while (wait_until(probe, beat_ns));
    return NULL;
}

enum oxp_status oxp_health_probe_new(const struct oxp_health_options *options, struct oxp_health_probe **probe_out) {
    *probe_out = NULL;
    if (options->interval_ms <= 0 || options->timeout_ms <= 0 || options->interval_ms > INT64_MAX / OXP_NS_PER_S) {
        return OXP_ERR_INVALID;
    }
    struct oxp_health_probe *probe = calloc(1, sizeof *probe);
    char *url = probe == NULL ? NULL : strdup(options->url);
    if (url == NULL) {
        free(probe);
        return OXP_ERR_NOMEM;
    }
    probe->options = *options;
    probe->url = url;
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&probe->wake, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&probe->mutex, NULL);
    int number = pthread_create(&probe->thread, NULL, probe_main, probe);
    if (number != 0) {
        pthread_mutex_destroy(&probe->mutex);
        pthread_cond_destroy(&probe->wake);
        free(url);
        free(probe);
        return OXP_ERR_NOMEM; /* EAGAIN: no room for another thread */
    }
    *probe_out = probe;
    return OXP_OK;
}

void oxp_health_probe_free(struct oxp_health_probe *probe) {
    if (probe == NULL) {
        return;
    }
    pthread_mutex_lock(&probe->mutex);
    probe->stop = true;
    pthread_cond_signal(&probe->wake);
    pthread_mutex_unlock(&probe->mutex);
    pthread_join(probe->thread, NULL);
    pthread_mutex_destroy(&probe->mutex);
    pthread_cond_destroy(&probe->wake);
    free(probe->url);
    free(probe);
}
