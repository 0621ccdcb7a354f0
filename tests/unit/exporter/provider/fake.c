#include "tests/unit/exporter/provider/fake.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

__attribute__((format(printf, 3, 4))) static void append(char *out, size_t size, const char *format, ...) {
    size_t len = strlen(out);
    va_list list;
    va_start(list, format);
    vsnprintf(out + len, size - len, format, list);
    va_end(list);
}

#define HEAR(fake, ...) append((fake)->heard, sizeof(fake)->heard, __VA_ARGS__)

static bool has_key(const struct oxp_http_request *request) {
    size_t keys = 0;
    for (size_t i = 0; request->headers[i] != NULL; i++) {
        keys += strcmp(request->headers[i], "X-BB-API-Key: " CANARY) == 0;
    }
    return keys == 1 && strstr(request->url, CANARY) == NULL;
}

static const struct fake_rule *find_rule(const struct fake *fake, const char *line) {
    const struct fake_rule *rule = fake->rules;
    while (rule->match != NULL && strstr(line, rule->match) == NULL) {
        rule++;
    }
    return rule->match == NULL ? NULL : rule;
}

static enum oxp_status fake_exchange(struct oxp_http *http, const struct oxp_http_request *request,
                                     struct oxp_http_response *response_out, struct oxp_error *error) {
    struct fake *fake = (struct fake *)http;
    char line[1024];
    snprintf(line, sizeof line, "%s %s", request->method, request->url);
    pthread_mutex_lock(&fake->mutex);
    fake->no_key = fake->no_key || !has_key(request);
    append(fake->log, sizeof fake->log, "%s %s%s%.*s\n", request->method, request->url + strlen("http://provider"),
           request->body.len == 0 ? "" : " ", (int)request->body.len, request->body.len == 0 ? "" : request->body.ptr);
    fake->requests++;
    pthread_cond_broadcast(&fake->changed);
    while (fake->requests > fake->pass) {
        pthread_cond_wait(&fake->changed, &fake->mutex);
    }
    const struct fake_rule *rule = find_rule(fake, line);
    if (fake->clock != NULL) {
        oxp_clock_manual_advance(fake->clock, fake->takes_s);
    }
    pthread_mutex_unlock(&fake->mutex);
    const char *body = rule == NULL || rule->body == NULL ? "" : rule->body;
    enum oxp_status status = rule == NULL ? OXP_OK : rule->status;
    *response_out = (struct oxp_http_response){0};
    if (status != OXP_OK) {
        return oxp_error_set(error, status, 0, 0, "%s", body); /* the body is the reason then */
    }
    response_out->body = strdup(body);
    if (response_out->body == NULL) {
        return OXP_ERR_NOMEM;
    }
    response_out->body_len = strlen(body);
    response_out->status = rule == NULL ? 404 : rule->http;
    return OXP_OK;
}

/* ---- Ears ---- */

static void count(struct fake *fake, size_t *counter) {
    (*counter)++;
    pthread_cond_broadcast(&fake->changed);
    pthread_mutex_unlock(&fake->mutex);
}

static void answered(void *ctx, const struct oxp_provider_answer *answer) {
    struct fake *fake = ctx;
    pthread_mutex_lock(&fake->mutex);
    fake->asked_at_s = answer->asked_at_s;
    HEAR(fake, "answered %s", answer->complete ? "all" : "some");
    for (size_t i = 0; i < answer->count; i++) {
        const struct oxp_provider_session *s = &answer->sessions[i];
        HEAR(fake, " %.*s/%.*s%s", (int)s->id.len, s->id.ptr, (int)s->status.len, s->status.ptr,
             s->ours ? "/ours" : "");
    }
    if (!isnan(answer->concurrency)) {
        HEAR(fake, " concurrency=%g", answer->concurrency);
    }
    if (!isnan(answer->usage_browser_seconds) || !isnan(answer->usage_proxy_bytes)) {
        HEAR(fake, " usage=%g,%g", answer->usage_browser_seconds, answer->usage_proxy_bytes);
    }
    HEAR(fake, "\n");
    count(fake, &fake->polls);
}

static void failed(void *ctx, const char *reason) {
    struct fake *fake = ctx;
    pthread_mutex_lock(&fake->mutex);
    HEAR(fake, "failed %s\n", reason);
    count(fake, &fake->polls);
}

static void ask_about(void *ctx, struct oxp_poller_asking *asking) {
    struct fake *fake = ctx;
    for (size_t i = 0; fake->asks != NULL && fake->asks[i] != NULL; i++) {
        oxp_poller_ask(asking, oxp_view_from(fake->asks[i]));
    }
}

static void ended(void *ctx, const struct oxp_provider_session *session) {
    struct fake *fake = ctx;
    pthread_mutex_lock(&fake->mutex);
    HEAR(fake, "ended %.*s %.*s ended_s=%.0f\n", (int)session->id.len, session->id.ptr, (int)session->status.len,
         session->status.ptr, isnan(session->ended_s) ? -1 : session->ended_s);
    pthread_mutex_unlock(&fake->mutex);
}

static void released(void *ctx, const char *id, bool ok, const char *reason) {
    struct fake *fake = ctx;
    pthread_mutex_lock(&fake->mutex);
    HEAR(fake, "released %s %s%s%s\n", id, ok ? "ok" : "failed", ok ? "" : ": ", reason);
    count(fake, &fake->settled);
}

static void note(void *ctx, int level, const char *message, const char *const *fields) {
    struct fake *fake = ctx;
    pthread_mutex_lock(&fake->mutex);
    HEAR(fake, "note %d %s", level, message);
    for (; fields[0] != NULL; fields += 2) {
        HEAR(fake, " %s=%s", fields[0], fields[1]);
    }
    HEAR(fake, "\n");
    pthread_mutex_unlock(&fake->mutex);
}

/* ---- ---- */

void fake_write_key(const struct fake *fake, const char *text) {
    FILE *file = fopen(fake->key_file, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

void fake_init(struct fake *fake, const struct fake_rule *rules, struct oxp_poller_options *options_out) {
    *fake = (struct fake){.http.exchange = fake_exchange, .rules = rules, .pass = SIZE_MAX};
    pthread_mutex_init(&fake->mutex, NULL);
    pthread_cond_init(&fake->changed, NULL);
    snprintf(fake->key_file, sizeof fake->key_file, "/tmp/oxp_provider_key.XXXXXX");
    int fd = mkstemp(fake->key_file);
    assert_true(fd >= 0);
    close(fd);
    fake_write_key(fake, CANARY "\n");
    *options_out = (struct oxp_poller_options){
        .base_url = "http://provider",
        .api_key_file = fake->key_file,
        .project_id = "",
        .tag = "",
        .interval_ms = 60000,
        .timeout_ms = 10000,
        .release = OXP_RELEASE_DRY_RUN,
        .http = &fake->http,
        .answered = answered,
        .failed = failed,
        .ask_about = ask_about,
        .ended = ended,
        .released = released,
        .note = note,
        .ctx = fake,
    };
}

void fake_fini(struct fake *fake) {
    unlink(fake->key_file);
    pthread_mutex_destroy(&fake->mutex);
    pthread_cond_destroy(&fake->changed);
    assert_false(fake->no_key);
    assert_null(strstr(fake->log, "canary"));
    assert_null(strstr(fake->heard, "canary"));
}

static bool wait_changed(struct fake *fake) {
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 30;
    return pthread_cond_timedwait(&fake->changed, &fake->mutex, &until) == 0;
}

bool fake_wait(struct fake *fake, const size_t *counter, size_t least) {
    bool go_on = true;
    pthread_mutex_lock(&fake->mutex);
    while (go_on && *counter < least) {
        go_on = wait_changed(fake);
    }
    pthread_mutex_unlock(&fake->mutex);
    return go_on;
}

void fake_let_go(struct fake *fake) {
    pthread_mutex_lock(&fake->mutex);
    fake->pass = SIZE_MAX;
    pthread_cond_broadcast(&fake->changed);
    pthread_mutex_unlock(&fake->mutex);
}
