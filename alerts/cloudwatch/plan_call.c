/* CloudWatch's operations in the JSON 1.0 protocol. */
#include "alerts/cloudwatch/plan_internal.h"

#include <stdio.h>
#include <stdlib.h>

#define TARGET_PREFIX "GraniteServiceVersion20100801."

static enum oxp_status exchange(struct oxp_cw_caller *caller, const char *operation, struct oxp_view body,
                                const struct oxp_cw_call *call, struct oxp_error *error) {
    char target[96];
    struct oxp_http_response response = {0};
    struct oxp_aws_outcome outcome = {0};
    struct oxp_error reason = {0};
    snprintf(target, sizeof target, TARGET_PREFIX "%s", operation);
    struct oxp_aws_operation request = {.target = target, .body = body};
    oxp_arena_clear(&caller->scratch);
    enum oxp_status status =
        oxp_aws_call(caller->client, caller->http, &request, &caller->scratch, &response, &outcome, &reason);
    if (status == OXP_OK && call != NULL && call->answer_out != NULL) {
        status = oxp_json_read(oxp_view_of(response.body, response.body_len), call->answer_out, &reason);
    }
    if (status == OXP_OK && call != NULL && call->request_id_out != NULL) {
        *call->request_id_out = outcome.request_id;
    }
    oxp_http_response_fini(&response);
    return status == OXP_OK ? OXP_OK : oxp_error_set(error, status, 0, 0, "%s: %s", operation, reason.text);
}

enum oxp_status oxp_cw_call(struct oxp_cw_caller *caller, const struct oxp_cw_call *call, struct oxp_error *error) {
    char *text = NULL;
    size_t len = 0;
    enum oxp_status status = call->request == NULL ? OXP_ERR_NOMEM : oxp_json_write(call->request, &text, &len);
    oxp_json_free(call->request);
    status = status == OXP_OK ? exchange(caller, call->operation, oxp_view_of(text, len), call, error)
                              : oxp_error_set(error, status, 0, 0, "%s: %s", call->operation, oxp_status_text(status));
    free(text);
    return status;
}

enum oxp_status oxp_cw_call_text(struct oxp_cw_caller *caller, const char *operation, const char *body,
                                 struct oxp_error *error) {
    return exchange(caller, operation, oxp_view_from(body), NULL, error);
}
