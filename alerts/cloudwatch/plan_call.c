/* CloudWatch's operations in the JSON 1.0 protocol. */
#include "alerts/cloudwatch/plan_internal.h"

#include "lib/base/random.h"
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define TARGET_PREFIX "GraniteServiceVersion20100801."

/* The client tries thrice, within a second or two; PutMetricAlarm and DeleteAlarms are granted three times a second in
 * a region, to everybody together. Ten rounds with waits of 1, 2, 4, 8, 16 and 20 s, each cut by up to a half so that
 * two commands fall out of step: one to two minutes in all. */
enum { ROUNDS = 10, WAIT_FIRST_MS = 1000, WAIT_MAX_MS = 20000 };

void oxp_cw_sleep(const struct oxp_cw_caller *caller, int64_t ms) {
    if (caller->sleep != NULL) {
        caller->sleep(caller->sleep_ctx, ms);
        return;
    }
    struct timespec time = {ms / 1000, (long)(ms % 1000) * 1000000};
    nanosleep(&time, NULL);
}

static void wait_for_round(const struct oxp_cw_caller *caller, unsigned round, int64_t asked_ms) {
    struct oxp_random random;
    int64_t wait_ms = (int64_t)WAIT_FIRST_MS << round;
    oxp_random_init(&random);
    wait_ms = wait_ms < WAIT_MAX_MS ? wait_ms : WAIT_MAX_MS;
    wait_ms = (int64_t)((double)wait_ms * (0.5 + 0.5 * oxp_random_unit(&random)));
    asked_ms = asked_ms < WAIT_MAX_MS ? asked_ms : WAIT_MAX_MS;
    oxp_cw_sleep(caller, wait_ms > asked_ms ? wait_ms : asked_ms);
}

/* The response is to be freed whatever comes. */
static enum oxp_status exchange_patiently(struct oxp_cw_caller *caller, const struct oxp_aws_operation *operation,
                                          struct oxp_http_response *response, struct oxp_aws_outcome *outcome,
                                          struct oxp_error *reason) {
    enum oxp_status status = OXP_OK;
    for (unsigned round = 0; round < ROUNDS; round++) {
        *outcome = (struct oxp_aws_outcome){0};
        oxp_arena_clear(&caller->scratch);
        status = oxp_aws_call(caller->client, caller->http, operation, &caller->scratch, response, outcome, reason);
        if (status == OXP_OK || outcome->answer != OXP_AWS_THROTTLED || round + 1 == ROUNDS) {
            break;
        }
        oxp_http_response_fini(response);
        *response = (struct oxp_http_response){0};
        wait_for_round(caller, round, outcome->wait_ms);
    }
    return status;
}

static enum oxp_status exchange(struct oxp_cw_caller *caller, const char *operation, struct oxp_view body,
                                const struct oxp_cw_call *call, struct oxp_error *error) {
    char target[96];
    struct oxp_http_response response = {0};
    struct oxp_aws_outcome outcome = {0};
    struct oxp_error reason = {0};
    snprintf(target, sizeof target, TARGET_PREFIX "%s", operation);
    struct oxp_aws_operation request = {.target = target, .body = body};
    enum oxp_status status = exchange_patiently(caller, &request, &response, &outcome, &reason);
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
