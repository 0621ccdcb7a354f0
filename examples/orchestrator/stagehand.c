#include "examples/orchestrator/stagehand.h"

#include <stdio.h>
#include <stdlib.h>

static const struct {
    const char *name, *path;
    bool streams;
} kinds[SH_KINDS] = {
    [SH_NAVIGATE] = {"navigate", "navigate", false}, [SH_ACT] = {"act", "act", true},
    [SH_EXTRACT] = {"extract", "extract", false},    [SH_OBSERVE] = {"observe", "observe", false},
    [SH_AGENT] = {"agent", "agentExecute", true},
};

const char *sh_kind_name(enum sh_kind kind) {
    return kinds[kind].name;
}

enum sh_kind sh_kind_find(const char *name) {
    int kind = 0;
    while (kind < SH_KINDS && strcmp(kinds[kind].name, name) != 0) {
        kind++;
    }
    return (enum sh_kind)kind;
}

static void prepare(struct call *call, const struct caller *who, const char *op, const char *session,
                    const char *path) {
    const struct config *config = who->app->config;
    bb_prepare(call, who, op, "POST");
    call->upstream = "stagehand";
    call->component = "stagehand";
    call->breaker = who->app->sh_api;
    snprintf(call->url, sizeof call->url, "%s/v1/sessions/%s%s%s", config->stagehand_url,
             session == NULL ? "" : session, session == NULL ? "" : "/", path);
    if (config->model_api_key != NULL) {
        snprintf(call->headers[1], sizeof call->headers[1], "x-model-api-key: %s", config->model_api_key);
    }
    if (config->project != NULL) {
        snprintf(call->headers[2], sizeof call->headers[2], "x-bb-project-id: %s", config->project);
    }
    if (session != NULL) {
        snprintf(call->headers[3], sizeof call->headers[3], "x-bb-session-id: %s", session);
    }
}

static void say(struct call *call, const char *name, const char *text) {
    snprintf(call->name, sizeof call->name, "%s", name == NULL ? "" : name);
    snprintf(call->text, sizeof call->text, "%s", text == NULL ? "" : text);
    call->evidence.name = oxp_view_from(call->name);
    call->evidence.message = oxp_view_from(call->text);
}

static bool bad_answer(struct call *call, const char *name, const char *text) {
    say(call, name, text);
    return false;
}

/* ---- Whose failure it is ---- */

static bool is_one_of(const char *name, const char *const *names) {
    while (*names != NULL && strcmp(*names, name) != 0) {
        names++;
    }
    return *names != NULL;
}

/* Was the link to the browser lost? Then the provider knows why. */
static void ask_status(struct call *call, const struct caller *who, const char *id, char status[STATUS_SIZE]) {
    static const char *const lost[] = {"CdpConnectionClosedError", "StagehandClosedError", NULL};
    struct bb_session session = {.id = ""};
    bool gone = call->evidence.status == 404 || call->evidence.status == 410;
    if (!gone && (call->evidence.name.len == 0 || !is_one_of(call->name, lost))) {
        return;
    }
    struct oxp_failure *failure = bb_get(who, id, &session);
    if (failure != NULL) {
        oxp_failure_free(failure); /* reported; what is known stays */
        return;
    }
    snprintf(status, STATUS_SIZE, "%s", session.status);
    call->evidence.session_status = oxp_view_from(status);
    call->evidence.tasks_running = true;
    if (gone && bb_is_ended(session.status)) {
        call->evidence.code = OXP_VIEW("cdp_closed"); /* the status says of what kind */
    }
}

static void blame(struct call *call) {
    static const char *const models[] = {
        "rate_limit_error",        "overloaded_error", "insufficient_quota",     "invalid_api_key",
        "context_length_exceeded", "content_filter",   "NoObjectGeneratedError", NULL};
    static const char *const sites[] = {"NavigationError", NULL};
    struct sh_call *sh = call->ctx;
    const char *name = call->evidence.name.len == 0 ? "" : call->name;
    if (is_one_of(name, models)) {
        call->evidence.upstream = OXP_VIEW("llm");
    } else if (is_one_of(name, sites)) {
        call->evidence.upstream = OXP_VIEW("site");
    } else if (call->evidence.code.len == 0) {
        ask_status(call, sh->who, sh->session, sh->session_status);
    }
}

/* ---- Calls ---- */

static void build(struct call *call, char **body_out) {
    struct sh_call *sh = call->ctx;
    json_t *body = NULL;
    switch (sh->kind) {
    case SH_NAVIGATE:
        body = json_pack("{s:s}", "url", sh->text);
        break;
    case SH_ACT:
        body = json_pack("{s:o, s:{s:s}}", "input",
                         sh->action != NULL ? json_deep_copy(sh->action) : json_string(sh->text), "options", "model",
                         sh->model);
        break;
    case SH_AGENT:
        body = json_pack("{s:{s:s}, s:{s:s}}", "agentConfig", "model", sh->model, "executeOptions", "instruction",
                         sh->text);
        break;
    default:
        body = json_pack("{s:s, s:{s:s}}", "instruction", sh->text, "options", "model", sh->model);
        if (sh->schema != NULL) {
            json_object_set_new(body, "schema", json_deep_copy(sh->schema));
        }
        break;
    }
    *body_out = body == NULL ? NULL : json_dumps(body, JSON_COMPACT);
    json_decref(body);
}

/* What it cost, for the operation event; also of what did not succeed. */
static void read_cost(struct call *call, const json_t *data) {
    const struct sh_call *sh = call->ctx;
    const json_t *usage = json_object_get(data, "tokenUsage");
    struct oxp_client_operation *operation = &call->operation;
    if (sh->model_breaker != NULL) {
        operation->model = oxp_view_from(sh->model);
    }
    operation->tokens_input = (uint64_t)json_integer_value(json_object_get(usage, "inputTokens"));
    operation->tokens_output = (uint64_t)json_integer_value(json_object_get(usage, "outputTokens"));
    operation->inference_s = json_number_value(json_object_get(usage, "timeMs")) / 1000;
    operation->cache = strcmp(call->reply.cache, "HIT") == 0    ? OXP_VIEW("hit")
                       : strcmp(call->reply.cache, "MISS") == 0 ? OXP_VIEW("miss")
                                                                : oxp_view_from(NULL);
}

/* No exception, and yet nothing was done. */
static bool unsuccessful(struct call *call, const char *text) {
    call->operation.outcome = call->evidence.outcome = OXP_VIEW("unsuccessful");
    return bad_answer(call, NULL, text);
}

static bool judge_result(struct call *call, const json_t *data) {
    struct sh_call *sh = call->ctx;
    json_t *result = json_object_get(data, "result");
    read_cost(call, data);
    switch (sh->kind) {
    case SH_NAVIGATE:
        if (!json_is_true(json_object_get(result, "ok"))) {
            call->evidence.upstream = OXP_VIEW("site");
            call->evidence.status = (int)json_integer_value(json_object_get(result, "status"));
            return bad_answer(call, NULL, "the page was not given");
        }
        break;
    case SH_ACT:
        if (!json_is_true(json_object_get(result, "success"))) {
            return unsuccessful(call, json_string_value(json_object_get(result, "message")));
        }
        break;
    case SH_OBSERVE:
        if (json_array_size(result) == 0) {
            return unsuccessful(call, "nothing was found");
        }
        break;
    case SH_AGENT:
        if (!json_is_true(json_object_get(result, "completed"))) {
            return unsuccessful(call, json_string_value(json_object_get(result, "message")));
        }
        break;
    default:
        if (result == NULL || json_is_null(result)) {
            return unsuccessful(call, "nothing was read");
        }
        break;
    }
    json_decref(sh->result);
    sh->result = json_incref(result);
    return true;
}

static void report_captcha(struct call *call, const char *text) {
    static const char *const states[] = {"started", "finished", "errored"};
    const char *state = text == NULL ? NULL : strstr(text, "browserbase-solving-");
    for (size_t i = 0; state != NULL && i < sizeof states / sizeof states[0]; i++) {
        if (strcmp(state + strlen("browserbase-solving-"), states[i]) == 0) {
            const struct oxp_pair pair = oxp_pair_text("state", oxp_view_from(states[i]));
            oxp_report(call->app->reporter, "captcha", call->ids, &pair, 1);
        }
    }
}

enum heard { HEARD_NOTHING, HEARD_GOOD, HEARD_BAD };

/* One event of a stream: `data: {"type": "system"|"log", "data": {"status": …, "result"?, "error"?}}`. */
static enum heard judge_event(struct call *call, const char *line, size_t len) {
    json_t *event = json_loadb(line, len, 0, NULL);
    const json_t *data = json_object_get(event, "data");
    const char *status = json_string_value(json_object_get(data, "status"));
    enum heard heard = HEARD_NOTHING;
    if (event == NULL) {
        say(call, "ResponseParseError", "an event of the stream is no JSON");
        heard = HEARD_BAD;
    } else if (status != NULL && strcmp(status, "finished") == 0) {
        heard = judge_result(call, data) ? HEARD_GOOD : HEARD_BAD;
    } else if (status != NULL && strcmp(status, "error") == 0) {
        say(call, json_string_value(json_object_get(data, "code")), json_string_value(json_object_get(data, "error")));
        heard = HEARD_BAD;
    } else {
        report_captcha(call, json_string_value(json_object_get(json_object_get(data, "message"), "message")));
    }
    json_decref(event);
    return heard;
}

static bool judge_stream(struct call *call) {
    const char *line = call->reply.body == NULL ? "" : call->reply.body;
    while (*line != '\0') {
        size_t len = strcspn(line, "\n");
        enum heard heard =
            len > 6 && strncmp(line, "data: ", 6) == 0 ? judge_event(call, line + 6, len - 6) : HEARD_NOTHING;
        if (heard != HEARD_NOTHING) {
            return heard == HEARD_GOOD;
        }
        line += len + (line[len] == '\n');
    }
    return bad_answer(call, "ResponseBodyError", "the stream ended before it was finished");
}

static bool judge(struct call *call, json_t *answer) {
    if (strncmp(call->reply.content_type, "text/event-stream", 17) == 0) {
        return judge_stream(call);
    }
    if (!json_is_true(json_object_get(answer, "success"))) {
        return bad_answer(call, "ResponseParseError", "the answer is not what was expected");
    }
    return judge_result(call, json_object_get(answer, "data"));
}

struct oxp_failure *sh_run(const struct caller *who, struct sh_call *sh, struct oxp_retry_result *result,
                           enum oxp_retry_outcome *outcome_out) {
    struct call call;
    sh->who = who;
    sh->session_status[0] = '\0';
    prepare(&call, who, kinds[sh->kind].name, sh->session, kinds[sh->kind].path);
    snprintf(call.headers[4], sizeof call.headers[4], "x-stream-response: %s",
             kinds[sh->kind].streams ? "true" : "false");
    call.phase = sh->phase;
    call.model_breaker = sh->model_breaker;
    call.attempts = sh->attempts;
    call.build = build;
    call.judge = judge;
    call.blame = blame;
    call.adjust = sh->adjust;
    call.verify = sh->verify;
    call.ctx = sh;
    call.result = result;
    *outcome_out = call_run(&call);
    struct oxp_failure *failure = *outcome_out == OXP_RETRY_SUCCEEDED ? NULL : call_take_failure(&call);
    call_end(&call);
    return failure;
}

/* ---- Beginning and end ---- */

struct starting {
    const struct caller *who;
    const char *session, *model;
    char *status; /* of the session, when a failure made us ask */
};

static void build_start(struct call *call, char **body_out) {
    const struct starting *starting = call->ctx;
    json_t *body = json_pack("{s:s, s:s}", "modelName", starting->model, "browserbaseSessionID", starting->session);
    *body_out = json_dumps(body, JSON_COMPACT);
    json_decref(body);
}

static bool judge_success(struct call *call, json_t *answer) {
    return json_is_true(json_object_get(answer, "success")) ||
           bad_answer(call, "ResponseParseError", "the answer is not what was expected");
}

static void blame_start(struct call *call) {
    const struct starting *starting = call->ctx;
    if (call->evidence.code.len == 0) {
        ask_status(call, starting->who, starting->session, starting->status);
    }
}

static enum oxp_verified verify_start(void *ctx, const struct oxp_retry_decision *decision) {
    const struct starting *starting = ctx;
    struct bb_session session;
    (void)decision;
    struct oxp_failure *failure = bb_get(starting->who, starting->session, &session);
    if (failure != NULL) {
        oxp_failure_free(failure);
        return OXP_VERIFIED_UNKNOWN;
    }
    return bb_is_ended(session.status) ? OXP_VERIFIED_GONE : OXP_VERIFIED_NOT_DONE; /* starting twice does no harm */
}

/* Runs a call whose retry state nobody keeps. */
static struct oxp_failure *finish(struct call *call) {
    struct oxp_retry_result result = {.waited_s = 0};
    call->result = &result;
    struct oxp_failure *failure = call_run(call) == OXP_RETRY_SUCCEEDED ? NULL : call_take_failure(call);
    call_end(call);
    return failure;
}

struct oxp_failure *sh_start(const struct caller *who, const char *session, const char *model,
                             char status_out[STATUS_SIZE]) {
    struct call call;
    struct starting starting = {who, session, model, status_out};
    status_out[0] = '\0';
    prepare(&call, who, "start", NULL, "start");
    call.build = build_start;
    call.judge = judge_success;
    call.blame = blame_start;
    call.verify = verify_start;
    call.ctx = &starting;
    return finish(&call);
}

static void build_end(struct call *call, char **body_out) {
    (void)call;
    *body_out = strdup("{}");
}

struct oxp_failure *sh_end(const struct caller *who, const char *session) {
    struct call call;
    prepare(&call, who, "end", session, "end");
    call.build = build_end;
    call.judge = judge_success;
    call.attempts = 1;
    return finish(&call);
}
