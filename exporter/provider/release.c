#include "exporter/provider/parts.h"

/* Takes a copy of what is due: the queue may be forgotten while the request is under way. */
static bool take(struct oxp_poller *poller, struct oxp_release *release_out, enum oxp_release_mode *mode_out) {
    int64_t now_ns = oxp_clock_mono(poller->clock).ns;
    pthread_mutex_lock(&poller->mutex);
    const struct oxp_release *due = poller->stop ? NULL : oxp_releases_due(&poller->releases, now_ns);
    if (due != NULL) {
        *release_out = *due;
        *mode_out = poller->mode;
    }
    pthread_mutex_unlock(&poller->mutex);
    return due != NULL;
}

static bool settle(struct oxp_poller *poller, const struct oxp_release *release, enum oxp_release_verdict verdict) {
    int64_t now_ns = oxp_clock_mono(poller->clock).ns;
    double unit = oxp_random_unit(&poller->random);
    pthread_mutex_lock(&poller->mutex);
    bool last = oxp_releases_settle(&poller->releases, release->id, verdict, now_ns, unit);
    pthread_mutex_unlock(&poller->mutex);
    return last;
}

static void try_release(struct oxp_poller *poller, const struct oxp_release *release) {
    struct oxp_buf body;
    struct oxp_http_response response = {0};
    struct oxp_error error = {0};
    oxp_buf_init(&body, 0);
    oxp_provider_release_body(&body, oxp_view_from(poller->project_id));
    enum oxp_status status = oxp_buf_status(&body);
    if (status == OXP_OK) {
        const struct oxp_provider_request request = {
            .question = OXP_ASK_RELEASE, .id = oxp_view_from(release->id), .body = oxp_buf_view(&body)};
        status = oxp_poller_exchange(poller, &request, &response, &error);
    } else {
        oxp_error_set(&error, status, 0, 0, "%s", oxp_status_text(status));
    }
    /* With an HTTP status the provider answered, and that decides; without one nothing did. */
    enum oxp_release_verdict verdict = oxp_release_judge(response.status != 0 ? OXP_OK : OXP_ERR_IO, response.status);
    oxp_http_response_fini(&response);
    oxp_buf_fini(&body);
    bool last = settle(poller, release, verdict);
    if (last && !oxp_poller_stopping(poller) && poller->options.released != NULL) {
        poller->options.released(poller->options.ctx, release->id, status == OXP_OK, error.text);
    }
}

void oxp_poller_run_releases(struct oxp_poller *poller, int most) {
    struct oxp_release release;
    enum oxp_release_mode mode;
    while (most-- > 0 && take(poller, &release, &mode)) {
        if (mode == OXP_RELEASE_ON) {
            try_release(poller, &release);
        } else {
            settle(poller, &release, OXP_RELEASE_SAID);
            oxp_poller_note(poller, OXP_NOTE_INFO, "dry run: an orphaned session would be released at the provider",
                            "session", release.id);
        }
    }
}
