/* Alive, ready, reload, quit. The texts are in the manner of Prometheus. */
#include "exporter/api/parts.h"

#include "lib/base/buf.h"

#define TEXT "text/plain; charset=utf-8"

void oxp_api_health(void *ctx, const struct oxp_request *request, struct oxp_response *response) {
    (void)ctx;
    (void)request;
    oxp_response_text(response, 200, "application/json", "{\"status\": \"healthy\"}");
}

void oxp_api_healthy(void *ctx, const struct oxp_request *request, struct oxp_response *response) {
    (void)ctx;
    (void)request;
    oxp_response_text(response, 200, TEXT, "Oxpecker is Healthy.\n");
}

/* "before: reason\n" */
static void answer_reason(struct oxp_response *response, int status, const char *before, const char *reason) {
    struct oxp_buf text;
    oxp_buf_init(&text, 0);
    oxp_buf_append_format(&text, "%s: %s\n", before, reason);
    oxp_response_text(response, status, TEXT, oxp_buf_text(&text));
    oxp_buf_fini(&text);
}

void oxp_api_ready(void *ctx, const struct oxp_request *request, struct oxp_response *response) {
    (void)request;
    struct oxp_api *api = ctx;
    const char *why = "starting";
    if (api->ready(api->ctx, &why)) {
        oxp_response_text(response, 200, TEXT, "Oxpecker is Ready.\n");
    } else {
        answer_reason(response, 503, "Oxpecker is not ready", why);
    }
}

void oxp_api_reload(void *ctx, const struct oxp_request *request, struct oxp_response *response) {
    (void)request;
    struct oxp_api *api = ctx;
    struct oxp_error error = {0};
    enum oxp_status status = api->reload(api->ctx, &error);
    if (status == OXP_OK) {
        oxp_response_text(response, 200, TEXT, "");
    } else {
        answer_reason(response, 500, "failed to reload config",
                      error.text[0] != '\0' ? error.text : oxp_status_text(status));
    }
}

void oxp_api_quit(void *ctx, const struct oxp_request *request, struct oxp_response *response) {
    (void)request;
    struct oxp_api *api = ctx;
    oxp_response_text(response, 200, TEXT, "Oxpecker is stopping.\n");
    api->quit(api->ctx);
}
