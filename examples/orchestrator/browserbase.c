#include "examples/orchestrator/browserbase.h"

#include <stdio.h>
#include <stdlib.h>

bool bb_is_ended(const char *status) {
    return strcmp(status, "COMPLETED") == 0 || strcmp(status, "ERROR") == 0 || strcmp(status, "TIMED_OUT") == 0;
}

void bb_prepare(struct call *call, const struct caller *who, const char *op, const char *method) {
    const struct config *config = who->app->config;
    *call = (struct call){
        .app = who->app,
        .http = who->http,
        .op = op,
        .upstream = "browserbase",
        .component = "sessions",
        .method = method,
        .timeout_s = config->http_timeout_s,
        .breaker = who->app->bb_api,
        .ids = who->ids,
        .parent = who->parent,
        .cancel = who->cancel,
        .until_s = who->until_s,
    };
    snprintf(call->headers[0], sizeof call->headers[0], "X-BB-API-Key: %s", config->api_key);
}

static void build_nothing(struct call *call, char **body_out) {
    (void)call;
    *body_out = NULL;
}

/* An answer that does not have what was asked for. */
static bool bad_shape(struct call *call, const char *what) {
    call->evidence.name = OXP_VIEW("APIResponseValidationError");
    snprintf(call->text, sizeof call->text, "response has an unexpected shape: %s", what);
    call->evidence.message = oxp_view_from(call->text);
    return false;
}

static bool read_session(const json_t *answer, struct bb_session *session) {
    const char *id = json_string_value(json_object_get(answer, "id"));
    const char *status = json_string_value(json_object_get(answer, "status"));
    if (id == NULL || status == NULL || strlen(id) >= sizeof session->id) {
        return false;
    }
    json_int_t bytes = json_integer_value(json_object_get(answer, "proxyBytes"));
    snprintf(session->id, sizeof session->id, "%s", id);
    snprintf(session->status, sizeof session->status, "%.15s", status);
    session->proxy_bytes = bytes > 0 ? (uint64_t)bytes : 0;
    return true;
}

/* Runs a call whose retry state nobody keeps: where it would be put back on a queue it has failed. */
static struct oxp_failure *finish(struct call *call) {
    struct oxp_retry_result result = {.waited_s = 0};
    call->result = &result;
    enum oxp_retry_outcome outcome = call_run(call);
    struct oxp_failure *failure = outcome == OXP_RETRY_SUCCEEDED ? NULL : call_take_failure(call);
    call_end(call);
    return failure;
}

/* ---- Looking ---- */

static bool judge_session(struct call *call, json_t *answer) {
    return read_session(answer, call->ctx) || bad_shape(call, "no id or status");
}

struct oxp_failure *bb_get(const struct caller *who, const char *id, struct bb_session *session_out) {
    struct call call;
    bb_prepare(&call, who, "session.get", "GET");
    snprintf(call.url, sizeof call.url, "%s/v1/sessions/%s", who->app->config->browserbase_url, id);
    call.build = build_nothing;
    call.judge = judge_session;
    call.ctx = session_out;
    return finish(&call);
}

struct search {
    struct bb_session *session;
    bool found;
};

static bool judge_list(struct call *call, json_t *answer) {
    struct search *search = call->ctx;
    size_t i;
    json_t *one;
    if (!json_is_array(answer)) {
        return bad_shape(call, "no list");
    }
    json_array_foreach(answer, i, one) {
        struct bb_session session;
        if (read_session(one, &session) && !bb_is_ended(session.status)) {
            *search->session = session;
            search->found = true;
        }
    }
    return true;
}

struct oxp_failure *bb_find(const struct caller *who, const char *tag, struct bb_session *session_out,
                            bool *found_out) {
    struct call call;
    struct search search = {session_out, false};
    bb_prepare(&call, who, "session.list", "GET");
    /* q=user_metadata['tag']:'…', percent-encoded; a tag is letters, digits and dashes */
    snprintf(call.url, sizeof call.url, "%s/v1/sessions?q=user_metadata%%5B%%27tag%%27%%5D%%3A%%27%s%%27",
             who->app->config->browserbase_url, tag);
    call.build = build_nothing;
    call.judge = judge_list;
    call.ctx = &search;
    struct oxp_failure *failure = finish(&call);
    *found_out = search.found;
    return failure;
}

static bool judge_limit(struct call *call, json_t *answer) {
    json_int_t limit = json_integer_value(json_object_get(answer, "concurrency"));
    *(uint64_t *)call->ctx = limit > 0 ? (uint64_t)limit : 0;
    return json_is_object(answer) || bad_shape(call, "no project");
}

struct oxp_failure *bb_limit(const struct caller *who, uint64_t *limit_out) {
    struct call call;
    bb_prepare(&call, who, "project.get", "GET");
    snprintf(call.url, sizeof call.url, "%s/v1/projects/%s", who->app->config->browserbase_url,
             who->app->config->project);
    call.build = build_nothing;
    call.judge = judge_limit;
    call.ctx = limit_out;
    return finish(&call);
}

/* ---- Creating ---- */

struct creating {
    const struct caller *who;
    struct bb_creation *creation;
    double began_s;
};

static void build_creation(struct call *call, char **body_out) {
    struct creating *creating = call->ctx;
    const struct config *config = call->app->config;
    json_t *body = json_pack("{s:s, s:i, s:{s:s, s:s}}", "region", config->region, "timeout",
                             (int)atomic_load(&call->app->session_timeout_s), "userMetadata", "app", "oxpecker-example",
                             "tag", creating->creation->tag);
    if (config->project != NULL) {
        json_object_set_new(body, "projectId", json_string(config->project));
    }
    if (config->keep_alive && !creating->creation->plain) {
        json_object_set_new(body, "keepAlive", json_true());
    }
    *body_out = json_dumps(body, JSON_COMPACT);
    json_decref(body);
    creating->began_s = app_now();
    oxp_client_session_creating(call->app->client, call->ids, oxp_view_from(creating->creation->tag),
                                oxp_view_from(config->region));
}

static bool judge_creation(struct call *call, json_t *answer) {
    struct creating *creating = call->ctx;
    creating->creation->took_s = app_now() - creating->began_s;
    if (!json_is_string(json_object_get(answer, "connectUrl"))) {
        return bad_shape(call, "missing connectUrl");
    }
    return read_session(answer, &creating->creation->session) || bad_shape(call, "no id or status");
}

/* A refusal for want of capacity states the ceiling: the sidecar should know it. */
static void learn_limit(struct call *call) {
    unsigned limit = 0, current = 0;
    if (oxp_capacity_from_message(call->evidence.message, &limit, &current) && call->evidence.status == 429) {
        oxp_client_limits(call->app->client, limit, 0); /* said with the next heartbeat */
    }
}

static bool adjust_creation(void *ctx, const struct oxp_retry_decision *decision) {
    struct creating *creating = ctx;
    const struct config *config = creating->who->app->config;
    if (strcmp(decision->code->name, "bb_plan") == 0 && config->may_drop_options && !creating->creation->plain) {
        creating->creation->plain = true;
        return true;
    }
    return false;
}

/* Did it work after all? The tag knows. */
static enum oxp_verified verify_creation(void *ctx, const struct oxp_retry_decision *decision) {
    struct creating *creating = ctx;
    bool found = false;
    (void)decision;
    struct oxp_failure *failure = bb_find(creating->who, creating->creation->tag, &creating->creation->session, &found);
    if (failure != NULL) {
        oxp_failure_free(failure);
        return OXP_VERIFIED_UNKNOWN;
    }
    creating->creation->took_s = app_now() - creating->began_s;
    return found ? OXP_VERIFIED_DONE : OXP_VERIFIED_NOT_DONE;
}

struct oxp_failure *bb_create(const struct caller *who, struct bb_creation *creation, struct oxp_retry_result *result,
                              enum oxp_retry_outcome *outcome_out) {
    struct call call;
    struct creating creating = {who, creation, app_now()};
    bb_prepare(&call, who, "session.create", "POST");
    snprintf(call.url, sizeof call.url, "%s/v1/sessions", who->app->config->browserbase_url);
    call.timeout_s = who->app->config->create_timeout_s;
    call.breaker = who->app->bb_create;
    call.ref = creation->tag;
    call.build = build_creation;
    call.judge = judge_creation;
    call.blame = learn_limit;
    call.adjust = adjust_creation;
    call.verify = verify_creation;
    call.ctx = &creating;
    call.result = result;
    *outcome_out = call_run(&call);
    struct oxp_failure *failure = *outcome_out == OXP_RETRY_SUCCEEDED ? NULL : call_take_failure(&call);
    call_end(&call);
    return failure;
}

/* ---- Releasing ---- */

static void build_release(struct call *call, char **body_out) {
    json_t *body = json_pack("{s:s}", "status", "REQUEST_RELEASE");
    if (call->app->config->project != NULL) {
        json_object_set_new(body, "projectId", json_string(call->app->config->project));
    }
    *body_out = json_dumps(body, JSON_COMPACT);
    json_decref(body);
}

static bool judge_release(struct call *call, json_t *answer) {
    struct bb_session session;
    return read_session(answer, &session) || bad_shape(call, "no id or status");
}

struct oxp_failure *bb_release(const struct caller *who, const char *id, unsigned attempts) {
    struct call call;
    bb_prepare(&call, who, "session.release", "POST");
    snprintf(call.url, sizeof call.url, "%s/v1/sessions/%s", who->app->config->browserbase_url, id);
    call.breaker = who->app->bb_release; /* monitor only, and the policy passes it by */
    call.attempts = attempts;
    call.build = build_release;
    call.judge = judge_release;
    return finish(&call);
}
