/* The endpoint that a container's host gives it (ECS task roles, EKS Pod Identity). Where the URL comes from the
 * environment it may only lead to hosts that are beside us, so that nobody talks us into sending the token elsewhere.
 */
#include <stdio.h>

#include "alerts/aws/parts.h"
#include "alerts/aws/source.h"

enum { TRIES = 3, TIMEOUT_MS = 2000, PAUSE_MS = 1000 };

static const char *const allowed_hosts[] = {"localhost", "[::1]", "169.254.170.2", "169.254.170.23", "[fd00:ec2::23]"};

/* 127.0.0.0/8, as four decimal numbers and nothing else. */
static bool is_loopback(struct oxp_view host) {
    struct oxp_view rest = host;
    for (int i = 0; i < 4; i++) {
        unsigned number = 0;
        struct oxp_view part = oxp_aws_before(rest, '.', &rest);
        for (size_t k = 0; k < part.len && k < 4; k++) {
            if (part.ptr[k] < '0' || part.ptr[k] > '9') {
                return false;
            }
            number = number * 10 + (unsigned)(part.ptr[k] - '0');
        }
        if (part.len == 0 || part.len > 3 || number > 255 || (i == 0 && number != 127) ||
            (i < 3) != (rest.ptr != NULL)) {
            return false;
        }
    }
    return true;
}

static bool is_allowed(struct oxp_view url) {
    struct oxp_view plain = OXP_VIEW("http://");
    if (!oxp_aws_is_token(url)) {
        return false;
    }
    if (oxp_view_starts(url, OXP_VIEW("https://"))) {
        return url.len > 8;
    }
    if (!oxp_view_starts(url, plain)) {
        return false;
    }
    size_t len = 0;
    const char *from = url.ptr + plain.len;
    while (len < url.len - plain.len && strchr("/?#", from[len]) == NULL) {
        len++;
    }
    struct oxp_view host = oxp_view_of(from, len);
    if (host.len == 0 || memchr(host.ptr, '@', host.len) != NULL || memchr(host.ptr, '\\', host.len) != NULL) {
        return false;
    }
    size_t colon = host.len;
    while (colon > 0 && host.ptr[colon - 1] != ':' && host.ptr[colon - 1] != ']') {
        colon--;
    }
    if (colon > 0 && host.ptr[colon - 1] == ':') {
        host.len = colon - 1;
    }
    for (size_t i = 0; i < sizeof allowed_hosts / sizeof allowed_hosts[0]; i++) {
        if (oxp_aws_same(host, allowed_hosts[i])) {
            return true;
        }
    }
    return is_loopback(host);
}

static enum oxp_status find_url(struct oxp_aws_fetch *fetch, const char **url_out) {
    const char *host = fetch->world->container_host;
    struct oxp_view relative = oxp_aws_env(fetch->world, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
    struct oxp_view full = oxp_aws_env(fetch->world, "AWS_CONTAINER_CREDENTIALS_FULL_URI");
    if (relative.len > 0) {
        if (relative.ptr[0] != '/' || !oxp_aws_is_token(relative)) {
            return oxp_error_set(fetch->error, OXP_ERR_INVALID, 0, 0,
                                 "container: AWS_CONTAINER_CREDENTIALS_RELATIVE_URI is not a path");
        }
        *url_out = oxp_aws_format(fetch->arena, "%s%.*s", host == NULL ? "http://169.254.170.2" : host,
                                  (int)relative.len, relative.ptr);
        return oxp_arena_status(fetch->arena);
    }
    if (full.len == 0) {
        return OXP_IGNORED;
    }
    if (!is_allowed(full)) {
        return oxp_error_set(fetch->error, OXP_ERR_INVALID, 0, 0,
                             "container: AWS_CONTAINER_CREDENTIALS_FULL_URI may lead to https://, loopback, "
                             "169.254.170.2, 169.254.170.23 and [fd00:ec2::23] only");
    }
    *url_out = oxp_aws_text(fetch->arena, full);
    return oxp_arena_status(fetch->arena);
}

static enum oxp_status find_token(struct oxp_aws_fetch *fetch, const char **line_out) {
    struct oxp_view file = oxp_aws_env(fetch->world, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
    struct oxp_view token = oxp_aws_env(fetch->world, "AWS_CONTAINER_AUTHORIZATION_TOKEN");
    enum oxp_status status = file.len > 0 ? oxp_aws_read_token(fetch, file, "container", &token) : OXP_OK;
    *line_out = NULL;
    if (status != OXP_OK || token.len == 0) {
        return status;
    }
    for (size_t i = 0; i < token.len; i++) {
        if (token.ptr[i] == '\r' || token.ptr[i] == '\n' || token.ptr[i] == '\0') {
            return oxp_error_set(fetch->error, OXP_ERR_INVALID, 0, 0,
                                 "container: the authorization token holds the end of a line");
        }
    }
    *line_out = oxp_aws_format(fetch->arena, "Authorization: %.*s", (int)token.len, token.ptr);
    return oxp_arena_status(fetch->arena);
}

/* OXP_ERR_IO = another try may help. */
static enum oxp_status take_answer(struct oxp_aws_fetch *fetch, const struct oxp_http_response *response,
                                   struct oxp_aws_found *found_out) {
    struct oxp_json *json = NULL;
    if (response->status != 200) {
        bool no = response->status == 401 || response->status == 403;
        return oxp_error_set(fetch->error, no ? OXP_ERR_DENIED : OXP_ERR_IO, 0, 0,
                             "container: its credentials endpoint answered HTTP %d", response->status);
    }
    enum oxp_status status = oxp_json_read(oxp_view_of(response->body, response->body_len), &json, NULL);
    if (status == OXP_OK) {
        status = oxp_aws_keys_from_json(fetch, json, "Token", "container", found_out);
    } else if (status == OXP_ERR_SYNTAX) {
        status = oxp_error_set(fetch->error, OXP_ERR_IO, 0, 0, "container: its endpoint's answer is not JSON");
    }
    oxp_json_free(json);
    return status;
}

enum oxp_status oxp_aws_from_container(struct oxp_aws_fetch *fetch, struct oxp_aws_found *found_out) {
    const char *url = NULL, *token = NULL;
    enum oxp_status status = find_url(fetch, &url);
    if (status != OXP_OK) {
        return status;
    }
    status = find_token(fetch, &token);
    const char *const headers[] = {"Accept: application/json", token, NULL};
    struct oxp_http_request request = {
        .method = "GET", .url = url, .headers = headers, .timeout_ms = TIMEOUT_MS, .direct = true};
    if (status != OXP_OK) {
        return status;
    }
    for (int i = 0; i < TRIES; i++) {
        struct oxp_http_response response;
        if (i > 0) {
            oxp_aws_sleep(fetch->world, PAUSE_MS);
        }
        status = oxp_aws_ask(fetch, &request, &response);
        if (status == OXP_OK) {
            status = take_answer(fetch, &response, found_out);
        }
        oxp_aws_answer_fini(&response);
        if (status != OXP_ERR_IO && status != OXP_ERR_TIMEOUT && status != OXP_ERR_CLOSED) {
            break;
        }
    }
    (void)snprintf(found_out->source, sizeof found_out->source, "container");
    return status;
}
