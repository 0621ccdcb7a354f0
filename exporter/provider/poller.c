#include "exporter/provider/poller.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "exporter/provider/parts.h"

enum { RELEASES_A_STEP = 8 }; /* so that many slow ones do not keep the polls from their turn */

/* ---- Without a thread ---- */

static enum oxp_status check(const struct oxp_poller_options *options, struct oxp_error *error) {
    const char *wrong = NULL;
    if (strncmp(options->base_url, "http://", 7) != 0 && strncmp(options->base_url, "https://", 8) != 0) {
        wrong = "the base URL is neither http:// nor https://";
    } else if (strpbrk(options->base_url, "?#") != NULL) {
        wrong = "the base URL has a query or fragment";
    } else if (options->api_key_file[0] == '\0') {
        wrong = "there is no key file";
    } else if (options->project_id[0] != '\0' && !oxp_provider_id_is_valid(oxp_view_from(options->project_id))) {
        wrong = "the project's id has a character that no id has";
    } else if (options->interval_ms <= 0 || options->interval_ms > 86400000) {
        wrong = "the interval is not within a day";
    } else if (options->timeout_ms <= 0 || options->timeout_ms > 86400000) {
        wrong = "the timeout is not within a day";
    }
    return wrong == NULL ? OXP_OK : oxp_error_set(error, OXP_ERR_INVALID, 0, 0, "%s", wrong);
}

static void init_locks(struct oxp_poller *poller) {
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&poller->wake, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&poller->mutex, NULL);
}

enum oxp_status oxp_poller_make(const struct oxp_poller_options *options, const struct oxp_clock *clock,
                                struct oxp_poller **poller_out, struct oxp_error *error) {
    struct oxp_provider_tag tag;
    *poller_out = NULL;
    enum oxp_status status = check(options, error);
    status = status == OXP_OK ? oxp_provider_tag_read(oxp_view_from(options->tag), &tag, error) : status;
    if (status != OXP_OK) {
        return status;
    }
    struct oxp_poller *poller = calloc(1, sizeof *poller);
    if (poller == NULL) {
        oxp_error_set(error, OXP_ERR_NOMEM, 0, 0, "%s", oxp_status_text(OXP_ERR_NOMEM));
        return OXP_ERR_NOMEM;
    }
    init_locks(poller);
    poller->options = *options;
    poller->options.base_url = poller->base_url = strdup(options->base_url);
    poller->options.api_key_file = poller->api_key_file = strdup(options->api_key_file);
    poller->options.project_id = poller->project_id = strdup(options->project_id);
    poller->options.tag = NULL; /* taken apart below */
    poller->tag = tag;
    poller->clock = clock;
    poller->mode = options->release;
    poller->next_poll_ns = oxp_clock_mono(clock).ns;
    oxp_random_init(&poller->random);
    poller->asks.seed = oxp_random_u64(&poller->random);
    poller->releases.seed = oxp_random_u64(&poller->random);
    if (poller->base_url == NULL || poller->api_key_file == NULL || poller->project_id == NULL) {
        oxp_poller_unmake(poller);
        oxp_error_set(error, OXP_ERR_NOMEM, 0, 0, "%s", oxp_status_text(OXP_ERR_NOMEM));
        return OXP_ERR_NOMEM;
    }
    *poller_out = poller;
    return OXP_OK;
}

void oxp_poller_unmake(struct oxp_poller *poller) {
    if (poller == NULL) {
        return;
    }
    pthread_mutex_destroy(&poller->mutex);
    pthread_cond_destroy(&poller->wake);
    free(poller->base_url);
    free(poller->api_key_file);
    free(poller->project_id);
    free(poller);
}

bool oxp_poller_stopping(struct oxp_poller *poller) {
    pthread_mutex_lock(&poller->mutex);
    bool stop = poller->stop;
    pthread_mutex_unlock(&poller->mutex);
    return stop;
}

int64_t oxp_poller_step(struct oxp_poller *poller) {
    oxp_poller_run_releases(poller, RELEASES_A_STEP);
    if (oxp_clock_mono(poller->clock).ns >= poller->next_poll_ns && !oxp_poller_stopping(poller)) {
        oxp_poller_round(poller);
        poller->next_poll_ns =
            oxp_clock_mono(poller->clock).ns + oxp_poll_delay_ns(poller->options.interval_ms * OXP_NS_PER_MS,
                                                                 poller->failures, oxp_random_unit(&poller->random));
    }
    pthread_mutex_lock(&poller->mutex);
    int64_t release_ns = oxp_releases_next(&poller->releases);
    pthread_mutex_unlock(&poller->mutex);
    return release_ns < poller->next_poll_ns ? release_ns : poller->next_poll_ns;
}

/* ---- Releases, from any thread ---- */

enum oxp_status oxp_poller_release(struct oxp_poller *poller, struct oxp_view id) {
    int64_t now_ns = oxp_clock_mono(poller->clock).ns;
    pthread_mutex_lock(&poller->mutex);
    enum oxp_status status =
        poller->mode == OXP_RELEASE_OFF ? OXP_IGNORED : oxp_releases_add(&poller->releases, id, now_ns);
    if (status == OXP_OK) {
        poller->woken = true;
        pthread_cond_signal(&poller->wake);
    }
    pthread_mutex_unlock(&poller->mutex);
    return status;
}

void oxp_poller_set_release(struct oxp_poller *poller, enum oxp_release_mode mode) {
    pthread_mutex_lock(&poller->mutex);
    if (poller->mode != mode) {
        poller->mode = mode;
        oxp_releases_forget(&poller->releases);
    }
    pthread_mutex_unlock(&poller->mutex);
}

/* ---- The thread ---- */

/* Waits until a monotonic time, or until a release is queued. False = stop. */
static bool wait_until(struct oxp_poller *poller, int64_t until_ns) {
    const struct timespec until = {.tv_sec = (time_t)(until_ns / OXP_NS_PER_S),
                                   .tv_nsec = (long)(until_ns % OXP_NS_PER_S)};
    pthread_mutex_lock(&poller->mutex);
    int result = 0;
    while (!poller->stop && !poller->woken && result == 0) {
        result = pthread_cond_timedwait(&poller->wake, &poller->mutex, &until);
    }
    poller->woken = false;
    bool go_on = !poller->stop;
    pthread_mutex_unlock(&poller->mutex);
    return go_on;
}

static void *poller_main(void *ctx) {
    struct oxp_poller *poller = ctx;
    while (wait_until(poller, oxp_poller_step(poller))) {
    }
    return NULL;
}

enum oxp_status oxp_poller_new(const struct oxp_poller_options *options, struct oxp_poller **poller_out,
                               struct oxp_error *error) {
    enum oxp_status status = oxp_poller_make(options, oxp_clock_system(), poller_out, error);
    if (status != OXP_OK) {
        return status;
    }
    if (pthread_create(&(*poller_out)->thread, NULL, poller_main, *poller_out) != 0) {
        oxp_poller_unmake(*poller_out);
        *poller_out = NULL;
        return oxp_error_set(error, OXP_ERR_NOMEM, 0, 0, "no room for another thread");
    }
    return OXP_OK;
}

void oxp_poller_stop(struct oxp_poller *poller) {
    pthread_mutex_lock(&poller->mutex);
    poller->stop = true;
    pthread_cond_signal(&poller->wake);
    pthread_mutex_unlock(&poller->mutex);
}

void oxp_poller_free(struct oxp_poller *poller) {
    if (poller == NULL) {
        return;
    }
    oxp_poller_stop(poller);
    pthread_join(poller->thread, NULL);
    oxp_poller_unmake(poller);
}
