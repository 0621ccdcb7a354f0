/* A service in one place: requests signed with the keys and the time that are good now, answers judged, and what they
 * teach kept: the clock's offset, and that keys have expired.
 *
 * Rules of learning:
 *  1. A code that says that the time is wrong, with a Date that is 5 s or more from the time we signed by, moves the
 *     offset. One that may mean it (a signature that does not match) does so from 240 s, as the SDKs take it.
 *  2. When the offset did not move, signing again would give the same answer: later (the time), or denied.
 *  3. Keys that are called expired are fetched anew at the next request. When the source gives the same ones again and
 *     they are called expired again, it is denied: no circle. */
#include <pthread.h>
#include <stdlib.h>

#include <oxpecker/retry.h>

#include "alerts/aws/judge.h"
#include "alerts/aws/parts.h"
#include "lib/base/map.h"
#include "lib/base/random.h"
#include "lib/resilience/backoff.h"

enum {
    TIMEOUT_MS = 10000,
    ANSWER_MAX = 8 << 20, /* a page of DescribeAlarms: 100 alarms of at most some KB */
    SKEW_SURE_MS = 5 * 1000,
    SKEW_PERHAPS_MS = 240 * 1000,
    TRIES = 3,
    DELAY_FIRST_MS = 1000,
    DELAY_MAX_MS = 20 * 1000,
    SERVER_WAIT_MORE_MS = 5 * 1000 /* what a server's wish may add to a delay */
};

struct oxp_aws_client {
    const struct oxp_aws_world *world;
    struct oxp_arena texts;
    const char *service;
    struct oxp_view url, region; /* in `texts` */
    struct oxp_aws_credentials *credentials, *own;
    struct oxp_retry_budget *budget;
    pthread_mutex_t lock; /* guards all below */
    struct oxp_random random;
    int64_t offset_ms;      /* what is added to our time */
    uint64_t used, refused; /* hashes of the keys last signed with, and last called expired; 0 = none */
    bool force;             /* the next request fetches keys anew */
};

/* ---- Life ---- */

static enum oxp_status build(struct oxp_aws_client *client, const struct oxp_aws_client_options *options,
                             struct oxp_error *error) {
    client->service = oxp_aws_text(&client->texts, oxp_view_from(options->service));
    if (client->service == NULL) {
        return OXP_ERR_NOMEM;
    }
    enum oxp_status status = oxp_aws_endpoint(client->world, &options->place, client->service, &client->texts,
                                              &client->url, &client->region, error);
    if (status == OXP_OK && options->credentials == NULL) {
        status = oxp_aws_credentials_new(client->world, &options->place, &client->own);
    }
    client->credentials = options->credentials == NULL ? client->own : options->credentials;
    if (status == OXP_OK) {
        status = oxp_retry_budget_new(NULL, &client->budget); /* 500 tokens, 5 for a retry: AWS' own figures */
    }
    return status;
}

enum oxp_status oxp_aws_client_new(const struct oxp_aws_client_options *options, struct oxp_aws_client **client_out,
                                   struct oxp_error *error) {
    struct oxp_aws_client *client = calloc(1, sizeof *client);
    if (client == NULL) {
        return OXP_ERR_NOMEM;
    }
    if (pthread_mutex_init(&client->lock, NULL) != 0) {
        free(client);
        return OXP_ERR_NOMEM;
    }
    client->world = options->world;
    oxp_arena_init(&client->texts, 0);
    oxp_random_init(&client->random);
    enum oxp_status status = build(client, options, error);
    if (status != OXP_OK) {
        oxp_aws_client_free(client);
        return status;
    }
    *client_out = client;
    return OXP_OK;
}

void oxp_aws_client_free(struct oxp_aws_client *client) {
    if (client == NULL) {
        return;
    }
    oxp_retry_budget_free(client->budget);
    oxp_aws_credentials_free(client->own);
    pthread_mutex_destroy(&client->lock);
    oxp_arena_fini(&client->texts);
    free(client);
}

struct oxp_view oxp_aws_client_region(const struct oxp_aws_client *client) {
    return client->region;
}

/* ---- Requests ---- */

static enum oxp_status current_keys(struct oxp_aws_client *client, struct oxp_arena *arena,
                                    struct oxp_aws_keys *keys_out, struct oxp_error *error) {
    pthread_mutex_lock(&client->lock);
    bool force = client->force;
    pthread_mutex_unlock(&client->lock);
    enum oxp_status status = oxp_aws_keys_get(client->credentials, force, arena, keys_out, error);
    if (status == OXP_OK) {
        uint64_t hash = oxp_hash(keys_out->access_key_id.ptr, keys_out->access_key_id.len, 1);
        hash = oxp_hash(keys_out->session_token.ptr, keys_out->session_token.len, hash);
        pthread_mutex_lock(&client->lock);
        client->used = hash == 0 ? 1 : hash;
        client->force = client->force && !force;
        pthread_mutex_unlock(&client->lock);
    }
    return status;
}

/* The request but for the signature; `headers` has room for three lines of ours. */
static enum oxp_status write_request(const struct oxp_aws_client *client, const struct oxp_aws_operation *operation,
                                     struct oxp_arena *arena, const char **headers,
                                     struct oxp_http_request *request_out) {
    const char *type = operation->content_type;
    size_t count = 0;
    if (type == NULL) {
        type = operation->target == NULL ? "application/x-www-form-urlencoded; charset=utf-8"
                                         : "application/x-amz-json-1.0";
    }
    headers[count++] = oxp_aws_format(arena, "Content-Type: %s", type);
    if (operation->target != NULL) {
        headers[count++] = oxp_aws_format(arena, "X-Amz-Target: %s", operation->target);
    }
    if (operation->gzip) {
        headers[count++] = "Content-Encoding: gzip";
    }
    *request_out = (struct oxp_http_request){
        .method = "POST",
        .url = oxp_aws_format(arena, "%.*s%s", (int)client->url.len, client->url.ptr,
                              operation->path == NULL ? "/" : operation->path),
        .headers = headers,
        .body = operation->body,
        .timeout_ms = TIMEOUT_MS,
        .max_body_bytes = ANSWER_MAX,
    };
    return oxp_arena_status(arena);
}

enum oxp_status oxp_aws_prepare(struct oxp_aws_client *client, const struct oxp_aws_operation *operation,
                                struct oxp_arena *arena, struct oxp_http_request *request_out,
                                struct oxp_error *error) {
    struct oxp_aws_signing signing = {.region = client->region, .service = oxp_view_from(client->service)};
    const char *const *lines = NULL;
    const char **headers = oxp_arena_zero(arena, 7, sizeof(const char *));
    if (headers == NULL) {
        return oxp_arena_status(arena);
    }
    enum oxp_status status = write_request(client, operation, arena, headers, request_out);
    if (status == OXP_OK) {
        status = current_keys(client, arena, &signing.keys, error);
    }
    if (status != OXP_OK) {
        return status;
    }
    pthread_mutex_lock(&client->lock);
    signing.time_ms = oxp_aws_now_ms(client->world) + client->offset_ms;
    pthread_mutex_unlock(&client->lock);
    status = oxp_aws_sign(&signing, request_out, arena, &lines);
    if (status != OXP_OK) {
        return oxp_error_set(error, status, 0, 0, "the request to %s cannot be signed: %s", client->service,
                             oxp_status_text(status));
    }
    size_t count = 0;
    while (headers[count] != NULL) {
        count++;
    }
    for (size_t i = 0; lines[i] != NULL; i++) {
        headers[count++] = lines[i];
    }
    return OXP_OK;
}

/* ---- Answers ---- */

/* Rule 1. True when the offset moved. */
static bool learn_time(struct oxp_aws_client *client, const struct oxp_http_response *response, int64_t least_ms) {
    int64_t now_ms = oxp_aws_now_ms(client->world), server_s = 0;
    struct oxp_view date = oxp_http_header(response, "date");
    if (date.len == 0 || !oxp_http_date_parse(date, (double)now_ms / 1000, &server_s)) {
        return false;
    }
    pthread_mutex_lock(&client->lock);
    int64_t offset = server_s * 1000 - now_ms, off_by = offset - client->offset_ms;
    bool moves = off_by >= least_ms || off_by <= -least_ms;
    if (moves) {
        client->offset_ms = offset;
    }
    pthread_mutex_unlock(&client->lock);
    return moves;
}

/* Rule 3. True when the next request goes out with keys that may be better. */
static bool forget_keys(struct oxp_aws_client *client) {
    pthread_mutex_lock(&client->lock);
    bool hopeless = !client->force && client->used == client->refused;
    if (!hopeless) {
        client->refused = client->used;
        client->force = true;
    }
    pthread_mutex_unlock(&client->lock);
    return !hopeless;
}

static void remember_good(struct oxp_aws_client *client) {
    pthread_mutex_lock(&client->lock);
    client->refused = 0;
    pthread_mutex_unlock(&client->lock);
}

static enum oxp_aws_answer meaning(struct oxp_aws_client *client, const struct oxp_http_response *response,
                                   struct oxp_view code) {
    switch (oxp_aws_classify(response->status, code)) {
    case OXP_AWS_CLASS_OK:
        remember_good(client);
        return OXP_AWS_OK;
    case OXP_AWS_CLASS_THROTTLED:
        return OXP_AWS_THROTTLED;
    case OXP_AWS_CLASS_TRANSIENT:
        return OXP_AWS_TRANSIENT;
    case OXP_AWS_CLASS_EXPIRED:
        return forget_keys(client) ? OXP_AWS_RESIGN : OXP_AWS_DENIED;
    case OXP_AWS_CLASS_SKEWED:
        return learn_time(client, response, SKEW_SURE_MS) ? OXP_AWS_RESIGN : OXP_AWS_TRANSIENT;
    case OXP_AWS_CLASS_SIGNATURE:
        return learn_time(client, response, SKEW_PERHAPS_MS) ? OXP_AWS_RESIGN : OXP_AWS_DENIED;
    case OXP_AWS_CLASS_DENIED:
        return OXP_AWS_DENIED;
    case OXP_AWS_CLASS_REFUSED:
        break;
    }
    return OXP_AWS_REFUSED;
}

/* One that is not there is empty, but no null pointer. */
static struct oxp_view header_of(const struct oxp_http_response *response, const char *name) {
    struct oxp_view value = oxp_http_header(response, name);
    return value.ptr == NULL ? OXP_VIEW("") : value;
}

static int64_t wait_asked_ms(const struct oxp_aws_client *client, const struct oxp_http_response *response) {
    double wall_s = (double)oxp_aws_now_ms(client->world) / 1000, wait_s = 0;
    bool said =
        oxp_hint_parse(header_of(response, "x-amz-retry-after"), header_of(response, "retry-after"), wall_s, &wait_s);
    return said ? (int64_t)(wait_s * 1000) : 0;
}

void oxp_aws_judge(struct oxp_aws_client *client, enum oxp_status status, const struct oxp_http_response *response,
                   const struct oxp_error *error, struct oxp_arena *arena, struct oxp_aws_outcome *outcome_out) {
    *outcome_out = (struct oxp_aws_outcome){.answer = OXP_AWS_TRANSIENT};
    if (status != OXP_OK) {
        bool later = oxp_status_may_retry(status);
        outcome_out->answer = later ? OXP_AWS_TRANSIENT : OXP_AWS_REFUSED;
        outcome_out->code = status == OXP_ERR_TIMEOUT ? OXP_VIEW("timeout") : OXP_VIEW("no answer");
        outcome_out->message = oxp_arena_copy(arena, oxp_view_from(error == NULL ? NULL : error->text));
        return;
    }
    oxp_aws_read_answer(response, arena, outcome_out);
    outcome_out->answer = meaning(client, response, outcome_out->code);
    outcome_out->wait_ms = outcome_out->answer == OXP_AWS_OK ? 0 : wait_asked_ms(client, response);
}

/* ---- A call ---- */

struct attempt { /* of one call */
    struct oxp_http *http;
    const struct oxp_aws_operation *operation;
    struct oxp_arena *arena;
    struct oxp_http_response *response;
    struct oxp_aws_outcome *outcome;
    struct oxp_error *error;
    enum oxp_status exchanged;
};

static enum oxp_status try_once(struct oxp_aws_client *client, struct attempt *attempt) {
    struct oxp_http_request request;
    enum oxp_status status = oxp_aws_prepare(client, attempt->operation, attempt->arena, &request, attempt->error);
    if (status != OXP_OK) {
        return status;
    }
    oxp_http_response_fini(attempt->response);
    attempt->exchanged = attempt->http->exchange(attempt->http, &request, attempt->response, attempt->error);
    if (attempt->exchanged != OXP_OK) {
        oxp_http_response_fini(attempt->response);
    }
    oxp_aws_judge(client, attempt->exchanged, attempt->response, attempt->error, attempt->arena, attempt->outcome);
    return OXP_OK;
}

/* Full jitter, doubling; what the server asked for adds at most 5 s. */
static int64_t delay_ms(struct oxp_aws_client *client, int retries, int64_t asked_ms) {
    int64_t most = DELAY_FIRST_MS;
    for (int i = 0; i < retries && most < DELAY_MAX_MS; i++) {
        most *= 2;
    }
    pthread_mutex_lock(&client->lock);
    double part = oxp_random_unit(&client->random);
    pthread_mutex_unlock(&client->lock);
    int64_t delay = (int64_t)((double)(most < DELAY_MAX_MS ? most : DELAY_MAX_MS) * part);
    int64_t more = asked_ms - delay;
    more = more < 0 ? 0 : more > SERVER_WAIT_MORE_MS ? SERVER_WAIT_MORE_MS : more;
    return delay + more;
}

/* A retry takes 5 tokens; after a timeout, which may cost the server most, 10. */
static bool may_retry(struct oxp_aws_client *client, bool timed_out) {
    if (!oxp_retry_budget_take(client->budget)) {
        return false;
    }
    if (timed_out && !oxp_retry_budget_take(client->budget)) {
        oxp_retry_budget_give(client->budget, true);
        return false;
    }
    return true;
}

static enum oxp_status final_status(const struct attempt *attempt) {
    static const enum oxp_status statuses[] = {
        [OXP_AWS_OK] = OXP_OK,
        [OXP_AWS_THROTTLED] = OXP_ERR_LIMIT,
        [OXP_AWS_TRANSIENT] = OXP_ERR_IO,
        [OXP_AWS_RESIGN] = OXP_ERR_DENIED,
        [OXP_AWS_DENIED] = OXP_ERR_DENIED,
        [OXP_AWS_REFUSED] = OXP_ERR_INVALID,
    };
    return attempt->exchanged != OXP_OK ? attempt->exchanged : statuses[attempt->outcome->answer];
}

static enum oxp_status say(const struct attempt *attempt) {
    char code[161], message[161];
    enum oxp_status status = final_status(attempt);
    if (status == OXP_OK) {
        return OXP_OK;
    }
    oxp_aws_safe(attempt->outcome->code, code);
    oxp_aws_safe(attempt->outcome->message, message);
    return oxp_error_set(attempt->error, status, 0, 0, "%s%s%s", code, message[0] != '\0' ? ": " : "", message);
}

enum oxp_status oxp_aws_call(struct oxp_aws_client *client, struct oxp_http *http,
                             const struct oxp_aws_operation *operation, struct oxp_arena *arena,
                             struct oxp_http_response *response_out, struct oxp_aws_outcome *outcome_out,
                             struct oxp_error *error) {
    struct attempt attempt = {http, operation, arena, response_out, outcome_out, error, OXP_OK};
    bool resigned = false, timed_out = false; /* the latter: the last try that was followed by another */
    int retries = 0;
    *response_out = (struct oxp_http_response){0};
    *outcome_out = (struct oxp_aws_outcome){.answer = OXP_AWS_TRANSIENT};
    for (;;) {
        enum oxp_status status = try_once(client, &attempt);
        if (status != OXP_OK) {
            return status;
        }
        if (outcome_out->answer == OXP_AWS_RESIGN && !resigned) {
            resigned = true; /* at once, once, and not counted: the request was never taken */
            continue;
        }
        bool later = outcome_out->answer == OXP_AWS_THROTTLED || outcome_out->answer == OXP_AWS_TRANSIENT;
        bool hopeless = attempt.exchanged != OXP_OK && !oxp_status_may_retry(attempt.exchanged);
        if (!later || hopeless || retries == TRIES - 1 || !may_retry(client, attempt.exchanged == OXP_ERR_TIMEOUT)) {
            break;
        }
        timed_out = attempt.exchanged == OXP_ERR_TIMEOUT;
        oxp_aws_sleep(client->world, delay_ms(client, retries++, outcome_out->wait_ms));
    }
    if (outcome_out->answer == OXP_AWS_RESIGN) {
        outcome_out->answer = OXP_AWS_DENIED;
    }
    if (outcome_out->answer == OXP_AWS_OK) {
        oxp_retry_budget_give(client->budget, retries > 0);
        if (timed_out) { /* what it took */
            oxp_retry_budget_give(client->budget, true);
        }
    }
    return say(&attempt);
}
