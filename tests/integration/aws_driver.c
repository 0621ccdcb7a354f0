/* alerts/aws on a leash for test_aws.py: one JSON object a line from standard input, each answered by one line.
 *
 *     {"do": "sign", method, url, headers: [], body (hex), id, secret, token, region, service, time_ms}
 *     {"do": "endpoint", service, region, fips, dual}
 *     {"do": "call", service, target, body, gzip, timeout_ms}   one client for each service, kept
 *     {"do": "keys", force}                                     the credentials' chain
 *
 * Environment: what AWS' own tools read; AWS_DRIVER_CONTAINER and AWS_DRIVER_INSTANCE in place of the link-local hosts;
 * AWS_DRIVER_SLEEP=0 does not sleep between tries but counts ("slept_ms"). */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "alerts/aws/aws.h"
#include "lib/json/json.h"
#include "lib/net/net.h"

static struct oxp_aws_world world;
static struct oxp_aws_client *clients[3];
static struct oxp_aws_credentials *credentials;
static int64_t slept_ms;
static long timeout_ms;
static struct oxp_http *inner;

static void count_sleep(void *ctx, int64_t ms) {
    (void)ctx;
    slept_ms += ms;
}

/* The client's transport with a timeout of the test's. */
static enum oxp_status hurried_exchange(struct oxp_http *http, const struct oxp_http_request *request,
                                        struct oxp_http_response *response_out, struct oxp_error *error) {
    struct oxp_http_request hurried = *request;
    (void)http;
    hurried.timeout_ms = timeout_ms > 0 ? timeout_ms : request->timeout_ms;
    return inner->exchange(inner, &hurried, response_out, error);
}

static struct oxp_http hurried = {hurried_exchange, NULL};

static struct oxp_view text(const struct oxp_json *line, const char *name) {
    return oxp_json_text_of(oxp_json_get(line, name));
}

static const char *string(struct oxp_arena *arena, struct oxp_view view) {
    return oxp_arena_copy(arena, view).ptr;
}

static struct oxp_view unhex(struct oxp_arena *arena, struct oxp_view hex) {
    char *out = oxp_arena_take(arena, hex.len / 2 + 1);
    for (size_t i = 0; out != NULL && i + 1 < hex.len; i += 2) {
        char digits[3] = {hex.ptr[i], hex.ptr[i + 1], '\0'};
        out[i / 2] = (char)strtoul(digits, NULL, 16);
    }
    return oxp_view_of(out, hex.len / 2);
}

static void answer(struct oxp_json *out) {
    char *line = NULL;
    size_t len = 0;
    if (oxp_json_write(out, &line, &len) == OXP_OK) {
        fwrite(line, 1, len, stdout);
        fflush(stdout);
    }
    free(line);
    oxp_json_free(out);
}

static void put(struct oxp_json *out, const char *name, struct oxp_view value) {
    (void)oxp_json_set(out, name, oxp_json_text(value));
}

static void sign(const struct oxp_json *line, struct oxp_arena *arena, struct oxp_json *out) {
    const struct oxp_json *given = oxp_json_get(line, "headers");
    const char *headers[70] = {NULL};
    for (size_t i = 0; i < oxp_json_size(given) && i < 69; i++) {
        headers[i] = string(arena, oxp_json_text_of(oxp_json_at(given, i)));
    }
    struct oxp_http_request request = {
        .method = string(arena, text(line, "method")),
        .url = string(arena, text(line, "url")),
        .headers = headers,
        .body = unhex(arena, text(line, "body")),
    };
    struct oxp_aws_signing signing = {
        .keys = {text(line, "id"), text(line, "secret"), text(line, "token")},
        .region = text(line, "region"),
        .service = text(line, "service"),
        .time_ms = (int64_t)oxp_json_number_of(oxp_json_get(line, "time_ms")),
    };
    const char *const *lines = NULL;
    struct oxp_json *list = oxp_json_array();
    enum oxp_status status = oxp_aws_sign(&signing, &request, arena, &lines);
    for (size_t i = 0; status == OXP_OK && lines[i] != NULL; i++) {
        (void)oxp_json_append(list, oxp_json_text(oxp_view_from(lines[i])));
    }
    (void)oxp_json_set(out, "headers", list);
    put(out, "status", oxp_view_from(oxp_status_name(status)));
}

static void endpoint(const struct oxp_json *line, struct oxp_arena *arena, struct oxp_json *out) {
    struct oxp_aws_place place = {
        .region = text(line, "region"),
        .fips = oxp_json_bool_of(oxp_json_get(line, "fips")),
        .dual_stack = oxp_json_bool_of(oxp_json_get(line, "dual")),
    };
    struct oxp_view url = {NULL, 0}, region = {NULL, 0};
    struct oxp_error error = {0};
    enum oxp_status status =
        oxp_aws_endpoint(&world, &place, string(arena, text(line, "service")), arena, &url, &region, &error);
    put(out, "status", oxp_view_from(oxp_status_name(status)));
    put(out, "error", oxp_view_from(error.text));
    put(out, "url", url);
    put(out, "region", region);
}

static void call(const struct oxp_json *line, struct oxp_arena *arena, struct oxp_json *out) {
    static const char *const services[] = {"monitoring", "sns", "sts"};
    static const char *const answers[] = {"OK", "THROTTLED", "TRANSIENT", "RESIGN", "DENIED", "REFUSED"};
    struct oxp_view service = text(line, "service"), target = text(line, "target");
    struct oxp_error error = {0};
    enum oxp_status status = OXP_OK;
    size_t k = 0;
    while (k < 2 && !oxp_view_is(service, services[k])) {
        k++;
    }
    if (clients[k] == NULL) {
        struct oxp_aws_client_options options = {.world = &world, .service = services[k], .credentials = credentials};
        status = oxp_aws_client_new(&options, &clients[k], &error);
    }
    struct oxp_aws_operation operation = {
        .target = target.len == 0 ? NULL : string(arena, target),
        .body = oxp_json_get(line, "hex") != NULL ? unhex(arena, text(line, "hex")) : text(line, "body"),
        .gzip = oxp_json_bool_of(oxp_json_get(line, "gzip")),
    };
    struct oxp_http_response response = {0};
    struct oxp_aws_outcome outcome = {.answer = OXP_AWS_OK};
    double limit = oxp_json_number_of(oxp_json_get(line, "timeout_ms"));
    timeout_ms = limit > 0 ? (long)limit : 0;
    slept_ms = 0;
    if (status == OXP_OK) {
        status = oxp_aws_call(clients[k], &hurried, &operation, arena, &response, &outcome, &error);
        put(out, "answer", oxp_view_from(answers[outcome.answer]));
    }
    timeout_ms = 0;
    put(out, "status", oxp_view_from(oxp_status_name(status)));
    put(out, "error", oxp_view_from(error.text));
    put(out, "code", outcome.code);
    put(out, "message", outcome.message);
    put(out, "request_id", outcome.request_id);
    put(out, "body", oxp_view_of(response.body, response.body_len));
    (void)oxp_json_set(out, "http", oxp_json_count((uint64_t)response.status));
    (void)oxp_json_set(out, "slept_ms", oxp_json_count((uint64_t)slept_ms));
    oxp_http_response_fini(&response);
}

static void keys(const struct oxp_json *line, struct oxp_arena *arena, struct oxp_json *out) {
    struct oxp_aws_keys found = {.access_key_id = {NULL, 0}};
    struct oxp_error error = {0};
    char source[128];
    slept_ms = 0;
    enum oxp_status status =
        oxp_aws_keys_get(credentials, oxp_json_bool_of(oxp_json_get(line, "force")), arena, &found, &error);
    oxp_aws_credentials_source(credentials, source, sizeof source);
    put(out, "status", oxp_view_from(oxp_status_name(status)));
    put(out, "error", oxp_view_from(error.text));
    put(out, "source", oxp_view_from(source));
    put(out, "id", found.access_key_id);
    put(out, "secret", found.secret_access_key);
    put(out, "token", found.session_token);
    (void)oxp_json_set(out, "slept_ms", oxp_json_count((uint64_t)slept_ms));
}

static void obey(const struct oxp_json *line) {
    static const struct {
        const char *name;
        void (*fn)(const struct oxp_json *line, struct oxp_arena *arena, struct oxp_json *out);
    } commands[] = {{"sign", sign}, {"endpoint", endpoint}, {"call", call}, {"keys", keys}};
    struct oxp_json *out = oxp_json_object();
    struct oxp_arena arena;
    oxp_arena_init(&arena, 0);
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        if (oxp_view_is(text(line, "do"), commands[i].name)) {
            commands[i].fn(line, &arena, out);
        }
    }
    answer(out);
    oxp_arena_fini(&arena);
}

int main(void) {
    char *line = NULL;
    size_t size = 0;
    ssize_t len = 0;
    const char *quiet = getenv("AWS_DRIVER_SLEEP");
    const struct oxp_aws_place place = {.fips = false};
    alarm(60);
    world.container_host = getenv("AWS_DRIVER_CONTAINER");
    world.instance_host = getenv("AWS_DRIVER_INSTANCE");
    world.sleep = quiet != NULL ? count_sleep : NULL;
    if (oxp_net_http_new(&inner) != OXP_OK || oxp_aws_credentials_new(&world, &place, &credentials) != OXP_OK) {
        return 1;
    }
    world.http = &hurried;
    while ((len = getline(&line, &size, stdin)) > 0) {
        struct oxp_json *json = NULL;
        if (oxp_json_read(oxp_view_of(line, (size_t)len), &json, NULL) != OXP_OK) {
            return 1;
        }
        obey(json);
        oxp_json_free(json);
    }
    for (size_t i = 0; i < 3; i++) {
        oxp_aws_client_free(clients[i]);
    }
    oxp_aws_credentials_free(credentials);
    inner->free(inner);
    free(line);
    return 0;
}
