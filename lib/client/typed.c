/* Typed events: lists of pairs, in which what is empty or zero is left out. */
#include <oxpecker/client.h>

#include <stdio.h>

static void send_pairs(struct oxp_client *client, const char *type, const struct oxp_ids *ids,
                       const struct oxp_pair *pairs, size_t count) {
    oxp_report(oxp_client_reporter(client), type, ids, pairs, count);
}

static struct oxp_pair some_count(const char *key, uint64_t count) {
    struct oxp_pair pair = oxp_pair_count(key, count);
    pair.kind = count == 0 ? OXP_PAIR_NONE : pair.kind;
    return pair;
}

static struct oxp_pair some_number(const char *key, double number) {
    struct oxp_pair pair = oxp_pair_number(key, number);
    pair.kind = number > 0 ? pair.kind : OXP_PAIR_NONE;
    return pair;
}

static struct oxp_pair some_flag(const char *key, bool flag) {
    struct oxp_pair pair = oxp_pair_flag(key, flag);
    pair.kind = flag ? pair.kind : OXP_PAIR_NONE;
    return pair;
}

#define SEND(client, type, ids, ...)                                                                                   \
    send_pairs((client), (type), (ids), (const struct oxp_pair[]){__VA_ARGS__},                                        \
               sizeof((const struct oxp_pair[]){__VA_ARGS__}) / sizeof(struct oxp_pair))

/* ---- Sessions ---- */

void oxp_client_session_creating(struct oxp_client *client, const struct oxp_ids *ids, struct oxp_view ref,
                                 struct oxp_view region) {
    SEND(client, "session.creating", ids, oxp_pair_text("ref", ref), oxp_pair_text("region", region));
}

void oxp_client_session_started(struct oxp_client *client, const struct oxp_ids *ids,
                                const struct oxp_client_session *session) {
    static const struct oxp_client_session nothing;
    session = session == NULL ? &nothing : session;
    SEND(client, "session.started", ids, oxp_pair_text("ref", session->ref), oxp_pair_text("region", session->region),
         oxp_pair_flag("keep_alive", session->keep_alive), some_number("timeout_s", session->timeout_s),
         some_number("create_s", session->create_s), some_number("started_at", session->started_at),
         some_flag("resumed", session->resumed));
}

void oxp_client_session_connected(struct oxp_client *client, const struct oxp_ids *ids, bool reconnect) {
    SEND(client, "session.connected", ids, some_flag("reconnect", reconnect));
}

void oxp_client_session_disconnected(struct oxp_client *client, const struct oxp_ids *ids, struct oxp_view reason,
                                     uint64_t ws_code) {
    SEND(client, "session.disconnected", ids, oxp_pair_text("reason", reason), some_count("ws_code", ws_code));
}

void oxp_client_session_replaced(struct oxp_client *client, const struct oxp_ids *ids, struct oxp_view old,
                                 struct oxp_view reason) {
    SEND(client, "session.replaced", ids, oxp_pair_text("old", old), oxp_pair_text("reason", reason));
}

void oxp_client_session_releasing(struct oxp_client *client, const struct oxp_ids *ids) {
    send_pairs(client, "session.releasing", ids, NULL, 0);
}

void oxp_client_session_ended(struct oxp_client *client, const struct oxp_ids *ids, struct oxp_view status,
                              struct oxp_view reason, uint64_t proxy_bytes) {
    SEND(client, "session.ended", ids, oxp_pair_text("status", status), oxp_pair_text("reason", reason),
         some_count("proxy_bytes", proxy_bytes));
}

/* ---- Workflows and tasks ---- */

void oxp_client_workflow_started(struct oxp_client *client, const struct oxp_ids *ids, struct oxp_view site,
                                 uint64_t sessions) {
    SEND(client, "workflow.started", ids, oxp_pair_text("site", site), some_count("sessions", sessions));
}

void oxp_client_workflow_ended(struct oxp_client *client, const struct oxp_ids *ids, struct oxp_view status,
                               double duration_s) {
    SEND(client, "workflow.ended", ids, oxp_pair_text("status", status), some_number("duration_s", duration_s));
}

void oxp_client_task_queued(struct oxp_client *client, const struct oxp_ids *ids, struct oxp_view priority) {
    SEND(client, "task.queued", ids, oxp_pair_text("priority", priority));
}

void oxp_client_task_started(struct oxp_client *client, const struct oxp_ids *ids, struct oxp_view priority,
                             uint64_t attempt) {
    SEND(client, "task.started", ids, oxp_pair_text("priority", priority), some_count("attempt", attempt));
}

void oxp_client_task_progress(struct oxp_client *client, const struct oxp_ids *ids, double percent) {
    SEND(client, "task.progress", ids, oxp_pair_number("pct", percent));
}

void oxp_client_task_ended(struct oxp_client *client, const struct oxp_ids *ids, struct oxp_view status,
                           struct oxp_view code) {
    SEND(client, "task.ended", ids, oxp_pair_text("status", status), oxp_pair_text("code", code));
}

/* ---- Work ---- */

void oxp_client_operation(struct oxp_client *client, const struct oxp_ids *ids,
                          const struct oxp_client_operation *operation) {
    SEND(client, "operation", ids, oxp_pair_text("op", operation->op), oxp_pair_flag("ok", operation->ok),
         oxp_pair_number("duration_s", operation->duration_s), oxp_pair_text("outcome", operation->outcome),
         oxp_pair_text("upstream", operation->upstream), oxp_pair_text("code", operation->code),
         oxp_pair_text("model", operation->model), some_count("tokens.input", operation->tokens_input),
         some_count("tokens.output", operation->tokens_output),
         some_count("tokens.reasoning", operation->tokens_reasoning),
         some_count("tokens.cached_input", operation->tokens_cached_input),
         some_count("tokens_saved", operation->tokens_saved), some_number("inference_s", operation->inference_s),
         oxp_pair_text("cache", operation->cache), some_count("steps", operation->steps),
         oxp_pair_text("limit", operation->limit));
}

void oxp_client_error(struct oxp_client *client, const struct oxp_ids *ids, const struct oxp_client_error *error) {
    SEND(client, "error", ids, oxp_pair_text("code", error->code), oxp_pair_text("category", error->category),
         oxp_pair_text("severity", error->severity), oxp_pair_text("upstream", error->upstream),
         oxp_pair_text("op", error->op), oxp_pair_text("phase", error->phase),
         oxp_pair_text("component", error->component), oxp_pair_text("name", error->name),
         some_count("status", error->http_status), oxp_pair_text("errno", error->errno_name),
         some_count("ws_code", error->ws_code), oxp_pair_text("message", error->message),
         oxp_pair_text("cause", error->cause), oxp_pair_text("stack", error->stack),
         some_number("occurred_at", error->occurred_at), some_flag("cleanup", error->cleanup),
         some_flag("unhandled", error->unhandled), oxp_pair_text("ref", error->ref),
         oxp_pair_text("region", error->region), oxp_pair_text("incident", error->incident),
         oxp_pair_text("model", error->model), some_count("attempt", error->attempt),
         some_number("duration_s", error->duration_s));
}

void oxp_client_stage(struct oxp_client *client, const struct oxp_ids *ids, const struct oxp_client_stage *stage) {
    SEND(client, "stage", ids, oxp_pair_text("stage", stage->stage), oxp_pair_text("status", stage->status),
         oxp_pair_count("items_ok", stage->items_ok), oxp_pair_count("items_failed", stage->items_failed),
         some_count("sessions", stage->sessions), some_number("duration_s", stage->duration_s));
}

void oxp_client_queue(struct oxp_client *client, const struct oxp_client_queue *queue) {
    SEND(client, "queue", NULL, oxp_pair_count("low.length", queue->low_length),
         oxp_pair_number("low.oldest_s", queue->low_oldest_s), oxp_pair_count("normal.length", queue->normal_length),
         oxp_pair_number("normal.oldest_s", queue->normal_oldest_s), oxp_pair_count("high.length", queue->high_length),
         oxp_pair_number("high.oldest_s", queue->high_oldest_s));
}

void oxp_client_workers(struct oxp_client *client, uint64_t busy, uint64_t idle) {
    SEND(client, "queue", NULL, oxp_pair_count("workers_busy", busy), oxp_pair_count("workers_idle", idle));
}

void oxp_client_quota(struct oxp_client *client, const char *resource, double used_ratio) {
    char key[32];
    if (resource != NULL && (size_t)snprintf(key, sizeof key, "quota.%s", resource) < sizeof key) {
        SEND(client, "queue", NULL, oxp_pair_number(key, used_ratio));
    }
}
