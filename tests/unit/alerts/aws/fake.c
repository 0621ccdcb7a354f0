#include "tests/unit/alerts/aws/fake.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct fake *current;

static const char *get(void *ctx, const char *name) {
    struct fake *fake = ctx;
    for (size_t i = FAKE_VARIABLES; i-- > 0;) {
        if (fake->variables[i].name != NULL && strcmp(fake->variables[i].name, name) == 0) {
            return fake->variables[i].value;
        }
    }
    return NULL;
}

static void count_sleep(void *ctx, int64_t ms) {
    struct fake *fake = ctx;
    fake->slept_ms += ms;
    fake->sleeps++;
}

static void record(const struct oxp_http_request *request) {
    if (current->asked_count == FAKE_ASKED) {
        abort();
    }
    struct fake_asked *asked = &current->asked[current->asked_count++];
    *asked = (struct fake_asked){.direct = request->direct, .timeout_ms = request->timeout_ms};
    snprintf(asked->method, sizeof asked->method, "%s", request->method);
    snprintf(asked->url, sizeof asked->url, "%s", request->url);
    snprintf(asked->body, sizeof asked->body, "%.*s", (int)request->body.len,
             request->body.len == 0 ? "" : request->body.ptr);
    size_t len = 0;
    for (const char *const *line = request->headers; line != NULL && *line != NULL; line++) {
        len += (size_t)snprintf(asked->headers + len, sizeof asked->headers - len, "%s\n", *line);
    }
}

static struct fake_answer *find(const char *url) {
    for (size_t i = 0; i < current->answer_count; i++) {
        struct fake_answer *answer = &current->answers[i];
        if (answer->url == NULL || (answer->url[0] != '\0' && strstr(url, answer->url) != NULL)) {
            return answer;
        }
    }
    return NULL;
}

static enum oxp_status exchange(struct oxp_http *http, const struct oxp_http_request *request,
                                struct oxp_http_response *response_out, struct oxp_error *error) {
    (void)http;
    record(request);
    if (current->during != NULL) {
        current->during(current);
    }
    struct fake_answer *found = find(request->url);
    struct fake_answer answer = found == NULL ? (struct fake_answer){.status = OXP_ERR_CLOSED} : *found;
    if (found != NULL && !found->stays) {
        found->url = ""; /* fits nothing any more */
    }
    *response_out = (struct oxp_http_response){0};
    if (answer.status != OXP_OK) {
        return oxp_error_set(error, answer.status, 0, 0, "the fake says %s", oxp_status_name(answer.status));
    }
    response_out->status = answer.http;
    response_out->body = strdup(answer.body == NULL ? "" : answer.body);
    response_out->headers = answer.headers == NULL ? NULL : strdup(answer.headers);
    if (response_out->body == NULL || (answer.headers != NULL && response_out->headers == NULL)) {
        oxp_http_response_fini(response_out);
        return OXP_ERR_NOMEM;
    }
    response_out->body_len = strlen(response_out->body);
    return OXP_OK;
}

void fake_init(struct fake *fake) {
    memset(fake, 0, sizeof *fake);
    current = fake;
    oxp_clock_manual_init(&fake->clock, FAKE_NOW_S);
    fake->http.exchange = exchange;
    fake->world = (struct oxp_aws_world){
        .getenv = get, .ctx = fake, .http = &fake->http, .clock = &fake->clock.clock, .sleep = count_sleep};
}

void fake_set(struct fake *fake, const char *name, const char *value) {
    for (size_t i = 0; i < FAKE_VARIABLES; i++) {
        if (fake->variables[i].name == NULL || strcmp(fake->variables[i].name, name) == 0) {
            fake->variables[i].name = name;
            fake->variables[i].value = value;
            return;
        }
    }
    abort();
}

void fake_answer(struct fake *fake, struct fake_answer answer) {
    if (fake->answer_count == FAKE_ANSWERS) {
        abort();
    }
    fake->answers[fake->answer_count++] = answer;
}

bool fake_has_header(const struct fake *fake, size_t n, const char *line) {
    char wanted[512];
    snprintf(wanted, sizeof wanted, "%s\n", line);
    const char *at = n < fake->asked_count ? strstr(fake->asked[n].headers, wanted) : NULL;
    return at != NULL && (at == fake->asked[n].headers || at[-1] == '\n');
}
