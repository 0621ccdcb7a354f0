#include "examples/orchestrator/call.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- What a reply says ---- */

static void say(struct call *call, struct oxp_view *where, char *buffer, size_t size, const char *text) {
    (void)call;
    snprintf(buffer, size, "%s", text == NULL ? "" : text);
    *where = oxp_view_from(buffer);
}

static void blame_transfer(struct call *call) {
    call->evidence.curl_code = call->reply.curl_code;
    say(call, &call->evidence.message, call->text, sizeof call->text, call->reply.note);
    if (oxp_cancel_is_set(call->cancel)) {
        call->evidence.code = OXP_VIEW("task_cancelled");
    } else if (call->until_s > 0 && app_now() >= call->until_s) {
        call->evidence.code = OXP_VIEW("task_timeout");
    }
}

/* Browserbase: {statusCode, error, message}; Stagehand: {success: false, error, code}; a gateway: a page. */
static void blame_status(struct call *call, const json_t *answer) {
    const json_t *message = json_object_get(answer, "message");
    const json_t *error = json_object_get(answer, "error");
    const json_t *code = json_object_get(answer, "code");
    const char *text = json_is_string(message) ? json_string_value(message) : json_string_value(error);
    call->evidence.status = call->reply.status;
    say(call, &call->evidence.message, call->text, sizeof call->text,
        text != NULL               ? text
        : call->reply.body != NULL ? call->reply.body
                                   : "");
    if (json_is_string(code)) {
        say(call, &call->evidence.name, call->name, sizeof call->name, json_string_value(code));
    }
}

static bool judge(struct call *call) {
    bool worked = false;
    json_t *answer = NULL;
    if (call->reply.status == 0) {
        blame_transfer(call);
    } else {
        answer = call->reply.body == NULL ? NULL : json_loadb(call->reply.body, call->reply.len, 0, NULL);
        if (call->reply.status == 200) {
            worked = call->judge(call, answer);
        } else {
            blame_status(call, answer);
        }
    }
    if (!worked && call->blame != NULL) {
        call->blame(call);
    }
    json_decref(answer);
    return worked;
}

/* ---- One try ---- */

static void send_request(struct call *call, const struct oxp_span *span) {
    char traceparent[OXP_TRACEPARENT_SIZE + 16], *body = NULL;
    char header[OXP_TRACEPARENT_SIZE];
    struct http_request request = {.method = call->method, .url = call->url, .cancel = call->cancel};
    call->build(call, &body);
    request.body = body;
    request.timeout_s = call->timeout_s;
    if (call->until_s > 0 && call->until_s - app_now() < request.timeout_s) {
        request.timeout_s = call->until_s - app_now() > 0 ? call->until_s - app_now() : 0.001;
    }
    oxp_span_traceparent(span, header);
    snprintf(traceparent, sizeof traceparent, "traceparent: %s", header);
    request.headers[0] = header[0] == '\0' ? "" : traceparent;
    for (size_t i = 0; i < sizeof call->headers / sizeof call->headers[0]; i++) {
        request.headers[i + 1] = call->headers[i];
    }
    http_send(call->http, &request, &call->reply);
    free(body);
}

static void keep_failure(struct call *call, const struct oxp_ids *ids) {
    const struct oxp_pair attributes[] = {oxp_pair_count("attempt", call->attempt)};
    const struct oxp_failure_context context = {
        .component = oxp_view_from(call->component),
        .phase = oxp_view_from(call->phase),
        .ref = oxp_view_from(call->ref), /* the sidecar waits no longer for the session of a creation that failed */
        .ids = *ids,
        .attributes = attributes,
        .attribute_count = 1,
        .occurred_s = app_wall(),
    };
    oxp_failure_free(call->failure);
    call->failure = oxp_failure_new(&call->evidence, &context);
    if (!call->silent) {
        oxp_failure_report(call->failure, call->app->reporter);
    }
}

/* The model behind Stagehand has a breaker of its own; the retry loop knows of one only. */
static bool model_refuses(struct call *call, struct oxp_breaker_ticket *ticket) {
    if (call->model_breaker == NULL || oxp_breaker_enter(call->model_breaker, ticket)) {
        return false;
    }
    call->evidence.code = OXP_VIEW("breaker_open");
    call->evidence.upstream = OXP_VIEW("llm");
    call->evidence.message = OXP_VIEW("the model's breaker is open");
    return true;
}

static double hint_of(struct call *call) {
    double hint_s = 0;
    oxp_hint_parse(oxp_view_from(call->reply.retry_after_ms), oxp_view_from(call->reply.retry_after), app_wall(),
                   &hint_s);
    return hint_s;
}

static bool try_once(void *ctx, unsigned attempt, struct oxp_retry_failure *failure_out) {
    struct call *call = ctx;
    struct oxp_breaker_ticket ticket = {NULL, 0, 0};
    struct oxp_span *span =
        oxp_span_start(call->app->tracer, &(struct oxp_span_options){.name = oxp_view_from(call->op),
                                                                     .component = oxp_view_from(call->component),
                                                                     .kind = OXP_SPAN_CLIENT,
                                                                     .parent = call->parent,
                                                                     .ids = *call->ids});
    struct oxp_ids ids = app_ids(call->ids, span);
    const struct oxp_code *code = NULL;
    call->attempt = attempt;
    call->evidence = (struct oxp_evidence){.op = oxp_view_from(call->op), .upstream = oxp_view_from(call->upstream)};
    call->operation = (struct oxp_client_operation){.op = call->evidence.op, .upstream = call->evidence.upstream};
    double began_s = app_now();
    bool refused = model_refuses(call, &ticket), worked = false;
    if (refused) {
        failure_out->hint_s = oxp_breaker_wait_s(call->model_breaker);
    } else {
        send_request(call, span);
        worked = judge(call);
        failure_out->hint_s = hint_of(call);
    }
    if (!worked) {
        keep_failure(call, &ids);
        code = failure_out->code = oxp_failure_code(call->failure);
        failure_out->message = oxp_failure_message(call->failure);
    }
    oxp_breaker_leave(&ticket, oxp_breaker_outcome_of(call->model_breaker, code));
    if (!refused) {
        call->operation.ok = worked;
        call->operation.duration_s = app_now() - began_s;
        call->operation.code = oxp_view_from(code == NULL ? NULL : code->name);
        oxp_client_operation(call->app->client, &ids, &call->operation);
    }
    oxp_span_end(span, worked ? OXP_SPAN_OK : OXP_SPAN_ERROR,
                 worked ? oxp_view_from(NULL) : oxp_failure_message(call->failure));
    return worked;
}

/* ---- The loop ---- */

/* The library can end a call with a code that no try had: its breaker was open, or every try failed alike. */
static void settle_code(struct call *call, const struct oxp_retry_decision *decision) {
    const struct oxp_code *code = decision->code;
    if (code == NULL) { /* cancelled before the first try */
        code = oxp_code_find(OXP_VIEW("task_cancelled"));
    }
    if (call->failure != NULL && decision->reason == OXP_REASON_DETERMINISTIC) {
        oxp_failure_reclassify(call->failure, code);
    } else if (call->failure == NULL || oxp_failure_code(call->failure) != code) {
        call->evidence = (struct oxp_evidence){.code = oxp_view_from(code->name),
                                               .op = oxp_view_from(call->op),
                                               .upstream = oxp_view_from(call->upstream),
                                               .message = oxp_view_from(code->help)};
        keep_failure(call, call->ids);
    }
}

enum oxp_retry_outcome call_run(struct call *call) {
    struct app *app = call->app;
    const struct oxp_retry_options options = {
        .op = oxp_view_from(call->op),
        .upstream = oxp_view_from(call->upstream),
        .ids = call->ids,
        .config = app->retry,
        .attempts = call->attempts,
        .until_s = call->until_s,
        .budget = app->budget,
        .breaker = call->breaker,
        .cancel = call->cancel,
        .reporter = app->reporter,
        .observer = &app->observer,
        .adjust = call->adjust,
        .verify = call->verify,
        .ctx = call->ctx,
    };
    enum oxp_retry_outcome outcome = oxp_retry_call(&options, try_once, call, call->result);
    if (outcome != OXP_RETRY_SUCCEEDED) {
        settle_code(call, &call->result->decision);
    }
    return outcome;
}

void call_end(struct call *call) {
    http_reply_clear(&call->reply);
    oxp_failure_free(call->failure);
    call->failure = NULL;
}

struct oxp_failure *call_take_failure(struct call *call) {
    struct oxp_failure *failure = call->failure;
    call->failure = NULL;
    return failure;
}
