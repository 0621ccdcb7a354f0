/* POST /api/oxpecker/v1/events: lines of events, applied on the loop thread in one go. */
#include "exporter/api/parts.h"

#include <stdlib.h>
#include <strings.h>

#include "lib/gzip/gzip.h"
#include "lib/json/json.h"

struct batch {
    struct oxp_intake *intake;
    struct oxp_view body;
    struct oxp_intake_result result;
};

static void apply(void *ctx) {
    struct batch *batch = ctx;
    oxp_intake_body(batch->intake, batch->body, &batch->result);
}

static struct oxp_json *list_refusals(const struct oxp_intake_result *result, enum oxp_status *status) {
    struct oxp_json *list = oxp_json_array();
    size_t room = sizeof result->refusals / sizeof result->refusals[0];
    for (size_t i = 0; i < result->rejected && i < room && *status == OXP_OK; i++) {
        const struct oxp_intake_refusal *refusal = &result->refusals[i];
        struct oxp_json *entry = oxp_json_object();
        int all = (int)oxp_json_set(entry, "line", oxp_json_count(refusal->line)) |
                  (int)oxp_json_set(entry, "reason", oxp_json_text(oxp_view_from(oxp_reject_name(refusal->reason)))) |
                  (int)oxp_json_set(entry, "error", oxp_json_text(oxp_view_from(refusal->text)));
        int appended = (int)oxp_json_append(list, entry);
        *status = (all | appended) == 0 ? OXP_OK : OXP_ERR_NOMEM;
    }
    return list;
}

static void answer(struct oxp_response *response, const struct oxp_intake_result *result) {
    enum oxp_status status = OXP_OK;
    struct oxp_json *root = oxp_json_object();
    int all = (int)oxp_json_set(root, "accepted", oxp_json_count(result->accepted)) |
              (int)oxp_json_set(root, "rejected", list_refusals(result, &status));
    if (result->rejected > sizeof result->refusals / sizeof result->refusals[0]) {
        all |= (int)oxp_json_set(root, "rejected_total",
                                 oxp_json_count(result->rejected)); /* the list has the first ones */
    }
    oxp_api_json(response, result->accepted > 0 ? 200 : 400, root, all == 0 ? status : OXP_ERR_NOMEM);
}

/* The body without its Content-Encoding; `owned_out` is to be freed. False when the request has been answered. */
static bool decode(const struct oxp_request *request, struct oxp_response *response, struct oxp_view *body_out,
                   char **owned_out) {
    const char *coding = oxp_request_header(request, "Content-Encoding");
    *body_out = oxp_request_body(request);
    if (coding == NULL || strcasecmp(coding, "identity") == 0) {
        return true;
    }
    if (strcasecmp(coding, "gzip") != 0) {
        oxp_response_error(response, 415, "Content-Encoding is neither gzip nor identity");
        return false;
    }
    size_t len = 0;
    enum oxp_status status = oxp_gzip_expand(*body_out, OXP_API_EVENTS_MAX, owned_out, &len);
    if (status == OXP_OK) {
        *body_out = oxp_view_of(*owned_out, len);
        return true;
    }
    oxp_response_error(response,
                       status == OXP_ERR_LIMIT   ? 413
                       : status == OXP_ERR_NOMEM ? 503
                                                 : 400,
                       "gzip body: %s", oxp_status_text(status));
    return false;
}

void oxp_api_events(void *ctx, const struct oxp_request *request, struct oxp_response *response) {
    struct oxp_api *api = ctx;
    struct batch *batch = calloc(1, sizeof *batch);
    char *owned = NULL;
    if (batch == NULL) {
        oxp_response_error(response, 503, "no memory for a batch of events");
        goto out;
    }
    batch->intake = api->intake;
    if (!decode(request, response, &batch->body, &owned)) {
        goto out;
    }
    if (batch->body.len == 0) {
        oxp_response_error(response, 400, "the body is empty; one JSON object a line is expected");
        goto out;
    }
    if (!oxp_api_on_loop(api, apply, batch, response)) {
        goto out;
    }
    if (batch->result.accepted == 0 && batch->result.rejected == 0) {
        oxp_response_error(response, 400, "no event in the body; one JSON object a line is expected");
    } else {
        answer(response, &batch->result);
    }
out:
    free(owned);
    free(batch);
}
