#include "examples/orchestrator/pool.h"

#include "examples/orchestrator/stagehand.h"
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

static const char record_task[] = "sessions";

static struct oxp_ids ids_of(const struct caller *who, const char *session) {
    struct oxp_ids ids = who->ids == NULL ? (struct oxp_ids){.session = {NULL, 0}} : *who->ids;
    ids.session = oxp_view_from(session);
    return ids;
}

/* ---- The record (rule 2) ---- */

static char *list_sessions(struct pool *pool) {
    json_t *list = json_array();
    pthread_mutex_lock(&pool->lock);
    for (size_t i = 0; i < pool->count; i++) {
        json_array_append_new(
            list, json_pack("{s:s, s:f}", "id", pool->sessions[i]->id, "started_at", pool->sessions[i]->started_s));
    }
    pthread_mutex_unlock(&pool->lock);
    char *text = json_array_size(list) == 0 ? NULL : json_dumps(list, JSON_COMPACT);
    json_decref(list);
    return text;
}

static void save_record(struct pool *pool) {
    struct oxp_error error = {.line = 0};
    pthread_mutex_lock(&pool->record);
    char *list = list_sessions(pool);
    struct oxp_checkpoint checkpoint = {
        .task = oxp_view_from(record_task), .state = OXP_VIEW("open"), .results = oxp_view_from(list)};
    enum oxp_status status = list == NULL ? oxp_checkpoint_done_now(pool->app->checkpoints, checkpoint.task, &error)
                                          : oxp_checkpoint_save_now(pool->app->checkpoints, &checkpoint, &error);
    pthread_mutex_unlock(&pool->record);
    free(list);
    if (status != OXP_OK) {
        app_log(pool->app, OXP_LOG_ERROR, NULL, "the record of open sessions was not written", error.text);
    }
}

static bool add(struct pool *pool, struct session *session) {
    pthread_mutex_lock(&pool->lock);
    bool fits = pool->count < POOL_MAX;
    if (fits) {
        pool->sessions[pool->count++] = session;
    }
    pthread_mutex_unlock(&pool->lock);
    return fits;
}

static void drop(struct pool *pool, struct session *session) {
    pthread_mutex_lock(&pool->lock);
    for (size_t i = 0; i < pool->count; i++) {
        if (pool->sessions[i] == session) {
            pool->sessions[i] = pool->sessions[--pool->count];
            break;
        }
    }
    pthread_mutex_unlock(&pool->lock);
    free(session);
    save_record(pool);
    if (pool->freed != NULL) {
        pool->freed(pool->ctx);
    }
}

/* ---- Releasing ---- */

static void report_end(struct pool *pool, const struct oxp_ids *ids, const struct bb_session *session,
                       const char *reason) {
    char status[STATUS_SIZE];
    size_t i = 0;
    for (; session->status[i] != '\0'; i++) {
        status[i] = (char)tolower((unsigned char)session->status[i]);
    }
    status[i] = '\0';
    oxp_client_session_ended(pool->app->client, ids, oxp_view_from(status), oxp_view_from(reason),
                             session->proxy_bytes);
    app_audit(pool->app, "release_session", "success", ids, reason);
}

/* The release is carried out a little later: how it ended is worth a few looks. */
static void await_end(const struct caller *who, struct bb_session *session) {
    for (double wait_s = 0.05; wait_s < 4 && !bb_is_ended(session->status); wait_s *= 2) {
        oxp_cancel_sleep(NULL, wait_s);
        struct oxp_failure *failure = bb_get(who, session->id, session);
        if (failure != NULL) {
            oxp_failure_free(failure);
            break;
        }
    }
    if (!bb_is_ended(session->status)) {
        snprintf(session->status, sizeof session->status, "COMPLETED"); /* it was accepted */
    }
}

static struct oxp_failure *release(struct pool *pool, const struct caller *who, const char *id, const char *reason,
                                   unsigned attempts) {
    struct bb_session session = {.status = ""};
    struct oxp_ids ids = ids_of(who, id);
    const struct caller on_session = {who->app, who->http, &ids, who->parent, NULL, 0};
    snprintf(session.id, sizeof session.id, "%s", id);
    oxp_client_session_releasing(pool->app->client, &ids);
    struct oxp_failure *failure = bb_release(&on_session, id, attempts);
    if (failure != NULL) {
        app_audit(pool->app, "release_session", "failure", &ids, oxp_failure_code(failure)->name);
        return failure;
    }
    await_end(&on_session, &session);
    report_end(pool, &ids, &session, reason);
    return NULL;
}

void pool_close(struct pool *pool, const struct caller *who, struct session *session, const char *reason, bool hurry) {
    struct oxp_ids ids = ids_of(who, session->id);
    const struct caller on_session = {who->app, who->http, &ids, who->parent, NULL, 0}; /* nothing cancels it */
    if (session->status[0] != '\0') {
        struct bb_session ended = {.status = ""};
        snprintf(ended.status, sizeof ended.status, "%s", session->status);
        report_end(pool, &ids, &ended, reason);
        drop(pool, session);
        return;
    }
    if (session->attached && !hurry) {
        oxp_failure_free(sh_end(&on_session, session->id)); /* a courtesy: the release is what counts */
    }
    struct oxp_failure *failure = release(pool, &on_session, session->id, reason, hurry ? 1 : 0);
    if (failure == NULL) {
        drop(pool, session);
    } else { /* rule 3 */
        session->leaked = true;
        app_log(pool->app, OXP_LOG_ERROR, &ids, "a session could not be released", oxp_failure_code(failure)->name);
        oxp_failure_free(failure);
    }
}

/* ---- Undoing (rule 1) ---- */

/* Runs with a connection of its own: it may be any thread's, and any process'. Tried once: the transaction repeats it.
 */
static struct oxp_failure *undo_by_tag(void *ctx, struct oxp_view data) {
    struct pool *pool = ctx;
    char tag[TAG_SIZE];
    bool found = false;
    struct bb_session session;
    struct oxp_ids ids = {.session = {NULL, 0}};
    struct caller who = {pool->app, http_new(), &ids, NULL, NULL, 0};
    snprintf(tag, sizeof tag, "%.*s", (int)data.len, data.ptr);
    struct oxp_failure *failure = who.http == NULL ? NULL : bb_find(&who, tag, &session, &found);
    if (failure == NULL && found) { /* there was one, whether or not its answer ever arrived */
        ids.session = oxp_view_from(session.id);
        oxp_client_session_started(pool->app->client, &ids, &(struct oxp_client_session){.resumed = true});
        failure = release(pool, &who, session.id, "undone", 1);
    }
    http_free(who.http);
    return failure;
}

/* ---- Opening ---- */

static bool begin(struct pool *pool, const struct caller *who, struct opening *opening) {
    char random[17];
    if (opening->transaction != NULL) {
        return true; /* put off, and gone on with */
    }
    app_random_hex(random, sizeof random);
    snprintf(opening->creation.tag, sizeof opening->creation.tag, "oxp-%s", random);
    struct oxp_view tag = oxp_view_from(opening->creation.tag);
    return oxp_transaction_begin(pool->app->transactions, tag, who->ids, &opening->transaction) == OXP_OK &&
           oxp_transaction_push(opening->transaction, "release-tag", tag) == OXP_OK;
}

static struct oxp_failure *no_store(const struct caller *who) {
    const struct oxp_evidence evidence = {
        .code = OXP_VIEW("ckpt_write"), .op = OXP_VIEW("session.create"), .message = OXP_VIEW("no undo step kept")};
    const struct oxp_failure_context context = {.component = OXP_VIEW("sessions"), .ids = *who->ids};
    return oxp_failure_new(&evidence, &context);
}

static void commit(struct pool *pool, struct opening *opening) {
    if (oxp_transaction_commit(opening->transaction) != OXP_OK) {
        app_log(pool->app, OXP_LOG_WARNING, NULL, "an undo step could not be forgotten", opening->creation.tag);
        oxp_transaction_abandon(opening->transaction);
    }
    *opening = (struct opening){.transaction = NULL};
}

void pool_drop_opening(struct opening *opening) {
    if (opening->transaction != NULL) {
        struct oxp_rollback rollback = {.failure = NULL};
        oxp_transaction_rollback(opening->transaction, &rollback);
        oxp_failure_free(rollback.failure); /* reported */
    }
    *opening = (struct opening){.transaction = NULL};
}

static struct session *made(struct pool *pool, const struct caller *who, const struct opening *opening) {
    const struct bb_creation *creation = &opening->creation;
    struct oxp_ids ids = ids_of(who, creation->session.id);
    const struct config *config = pool->app->config;
    oxp_client_session_started(pool->app->client, &ids,
                               &(struct oxp_client_session){
                                   .ref = oxp_view_from(creation->tag),
                                   .region = oxp_view_from(config->region),
                                   .keep_alive = config->keep_alive && !creation->plain,
                                   .timeout_s = atomic_load(&pool->app->session_timeout_s),
                                   .create_s = creation->took_s,
                               });
    app_audit(pool->app, "create_session", "success", &ids, creation->tag);
    struct session *session = calloc(1, sizeof *session);
    if (session != NULL) {
        memcpy(session->id, creation->session.id, sizeof session->id);
        session->started_s = app_wall();
        session->taken = true;
    }
    return session;
}

struct oxp_failure *pool_open(struct pool *pool, const struct caller *who, struct opening *opening,
                              struct session **session_out, enum oxp_retry_outcome *outcome_out) {
    *session_out = NULL;
    *outcome_out = OXP_RETRY_EXHAUSTED;
    if (!begin(pool, who, opening)) {
        pool_drop_opening(opening);
        return no_store(who);
    }
    struct oxp_failure *failure = bb_create(who, &opening->creation, &opening->result, outcome_out);
    if (failure != NULL) {
        if (*outcome_out != OXP_RETRY_DEFERRED) {
            app_audit(pool->app, "create_session", "failure", who->ids, oxp_failure_code(failure)->name);
            pool_drop_opening(opening);
        }
        return failure;
    }
    struct session *session = made(pool, who, opening);
    if (session == NULL || !add(pool, session)) {
        free(session);
        pool_drop_opening(opening);
        return no_store(who);
    }
    save_record(pool); /* from here on the record knows it */
    commit(pool, opening);
    *session_out = session;
    return NULL;
}

struct oxp_failure *pool_attach(struct pool *pool, const struct caller *who, struct session *session) {
    if (session->attached) {
        return NULL;
    }
    struct oxp_ids ids = ids_of(who, session->id);
    struct caller on_session = *who;
    on_session.ids = &ids;
    char status[STATUS_SIZE];
    struct oxp_failure *failure = sh_start(&on_session, session->id, pool->app->config->model, status);
    if (failure == NULL) {
        session->attached = true;
        oxp_client_session_connected(pool->app->client, &ids, false);
    } else if (bb_is_ended(status)) {
        memcpy(session->status, status, sizeof session->status);
    }
    return failure;
}

/* ---- Taking and giving ---- */

struct session *pool_take(struct pool *pool, const char *preferred) {
    struct session *found = NULL;
    pthread_mutex_lock(&pool->lock);
    for (size_t i = 0; i < pool->count; i++) {
        struct session *session = pool->sessions[i];
        if (!session->taken && !session->leaked && (found == NULL || strcmp(session->id, preferred) == 0)) {
            found = session;
        }
    }
    if (found != NULL) {
        found->taken = true;
    }
    pthread_mutex_unlock(&pool->lock);
    return found;
}

void pool_give_back(struct pool *pool, struct session *session) {
    pthread_mutex_lock(&pool->lock);
    session->taken = false;
    pthread_mutex_unlock(&pool->lock);
}

size_t pool_count(struct pool *pool) {
    pthread_mutex_lock(&pool->lock);
    size_t count = pool->count;
    pthread_mutex_unlock(&pool->lock);
    return count;
}

/* ---- Start and stop ---- */

static void take_up(struct pool *pool, struct http *http, const char *id, double started_s) {
    struct oxp_ids ids = {.session = oxp_view_from(id)};
    const struct caller who = {pool->app, http, &ids, NULL, NULL, 0};
    struct bb_session seen = {.status = ""};
    struct oxp_failure *failure = bb_get(&who, id, &seen);
    bool gone = failure != NULL && strcmp(oxp_failure_code(failure)->name, "bb_not_found") == 0;
    oxp_failure_free(failure);
    if (gone || bb_is_ended(seen.status)) {
        if (gone) {
            snprintf(seen.status, sizeof seen.status, "UNKNOWN");
        }
        report_end(pool, &ids, &seen, "ended while nobody looked");
        return;
    }
    struct session *session = calloc(1, sizeof *session);
    if (session == NULL || !add(pool, session)) {
        free(session);
        return;
    }
    snprintf(session->id, sizeof session->id, "%s", id);
    session->started_s = started_s;
    oxp_client_session_started(pool->app->client, &ids,
                               &(struct oxp_client_session){.started_at = started_s, .resumed = true});
    app_audit(pool->app, "resume_session", "success", &ids, NULL);
}

static void take_up_all(struct pool *pool, struct http *http) {
    struct oxp_checkpoint *checkpoint = NULL;
    size_t i;
    json_t *one;
    if (oxp_checkpoint_load(pool->app->checkpoints, oxp_view_from(record_task), &checkpoint, NULL) != OXP_OK) {
        return;
    }
    json_t *list = json_loadb(checkpoint->results.ptr, checkpoint->results.len, 0, NULL);
    json_array_foreach(list, i, one) {
        const char *id = json_string_value(json_object_get(one, "id"));
        if (id != NULL && strlen(id) < SESSION_ID_SIZE) {
            take_up(pool, http, id, json_number_value(json_object_get(one, "started_at")));
        }
    }
    json_decref(list);
    oxp_checkpoint_free(checkpoint);
    save_record(pool);
}

bool pool_start(struct pool *pool, struct app *app, struct http *http) {
    const struct oxp_undo_kind kind = {"release-tag", undo_by_tag, pool, NULL};
    const struct oxp_transactions_options options = {
        .kinds = &kind, .kind_count = 1, .store = app->store, .reporter = app->reporter};
    struct oxp_error error = {.line = 0};
    unsigned undone = 0;
    *pool = (struct pool){.app = app, .lock = PTHREAD_MUTEX_INITIALIZER, .record = PTHREAD_MUTEX_INITIALIZER};
    if (oxp_transactions_new(&options, &app->transactions) != OXP_OK) {
        return false;
    }
    if (oxp_transactions_recover(app->transactions, &undone, &error) != OXP_OK) {
        app_log(app, OXP_LOG_ERROR, NULL, "not all that the last process left half done was undone", error.text);
    }
    take_up_all(pool, http);
    return true;
}

void pool_stop(struct pool *pool, struct http *http, bool hurry) {
    const struct oxp_ids ids = {.session = {NULL, 0}};
    const struct caller who = {pool->app, http, &ids, NULL, NULL, 0};
    for (struct session *session; (session = pool_take(pool, "")) != NULL;) {
        pool_close(pool, &who, session, "stopping", hurry);
    }
    for (size_t i = 0; i < pool->count; i++) { /* what leaked; the record on disk keeps it */
        free(pool->sessions[i]);
    }
    pool->count = 0;
}
