/* An EC2 instance's own metadata service, version 2: a token first (PUT), then the role's name, then its keys. Version
 * 1 is not spoken. Nobody there (we are not on EC2, or a bridged container is one hop too far) is no failure: the
 * source just has nothing. */
#include <stdio.h>

#include "alerts/aws/parts.h"
#include "alerts/aws/source.h"

enum { TIMEOUT_MS = 1000 };

#define ROLES "/latest/meta-data/iam/security-credentials/"

static const char *find_host(struct oxp_aws_fetch *fetch) {
    struct oxp_view given = oxp_aws_env(fetch->world, "AWS_EC2_METADATA_SERVICE_ENDPOINT");
    if (fetch->world->instance_host != NULL) {
        return fetch->world->instance_host;
    }
    if (given.len > 0) {
        given.len -= given.ptr[given.len - 1] == '/';
        return oxp_aws_text(fetch->arena, given);
    }
    bool ipv6 = oxp_aws_same(oxp_aws_env(fetch->world, "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE"), "ipv6");
    return ipv6 ? "http://[fd00:ec2::254]" : "http://169.254.169.254";
}

/* One question; the answer's body in the arena. OXP_IGNORED: nobody there, or not this way. */
static enum oxp_status ask(struct oxp_aws_fetch *fetch, const char *method, const char *url, const char *header,
                           struct oxp_view *body_out) {
    struct oxp_http_response response;
    const char *const headers[] = {header, NULL};
    struct oxp_http_request request = {
        .method = method, .url = url, .headers = headers, .timeout_ms = TIMEOUT_MS, .direct = true};
    if (url == NULL || header == NULL) {
        return oxp_arena_status(fetch->arena);
    }
    enum oxp_status status = oxp_aws_ask(fetch, &request, &response);
    if (status == OXP_OK && response.status == 200) {
        *body_out = oxp_arena_copy(fetch->arena, oxp_view_of(response.body, response.body_len));
        status = oxp_arena_status(fetch->arena);
    } else if (status != OXP_ERR_NOMEM) {
        status = OXP_IGNORED;
    }
    oxp_aws_answer_fini(&response);
    return status;
}

static enum oxp_status take_keys(struct oxp_aws_fetch *fetch, struct oxp_view text, struct oxp_aws_found *found_out) {
    struct oxp_json *json = NULL;
    char code[161];
    enum oxp_status status = oxp_json_read(text, &json, NULL);
    if (status == OXP_ERR_SYNTAX) {
        return oxp_error_set(fetch->error, OXP_ERR_IO, 0, 0,
                             "instance: the answer of its metadata service is not JSON");
    }
    struct oxp_view said = oxp_json_text_of(oxp_json_get(json, "Code"));
    if (status == OXP_OK && said.len > 0 && !oxp_view_is(said, "Success")) {
        status = oxp_error_set(fetch->error, OXP_ERR_DENIED, 0, 0, "instance: its metadata service says %s",
                               oxp_aws_safe(said, code));
    }
    if (status == OXP_OK) {
        status = oxp_aws_keys_from_json(fetch, json, "Token", "instance", found_out);
    }
    oxp_json_free(json);
    return status;
}

enum oxp_status oxp_aws_from_instance(struct oxp_aws_fetch *fetch, struct oxp_aws_found *found_out) {
    struct oxp_view token = {NULL, 0}, role = {NULL, 0}, keys = {NULL, 0};
    if (oxp_aws_env_is_true(fetch->world, "AWS_EC2_METADATA_DISABLED")) {
        return OXP_IGNORED;
    }
    const char *host = find_host(fetch);
    if (host == NULL) {
        return oxp_arena_status(fetch->arena);
    }
    enum oxp_status status = ask(fetch, "PUT", oxp_aws_format(fetch->arena, "%s/latest/api/token", host),
                                 "X-aws-ec2-metadata-token-ttl-seconds: 21600", &token);
    if (status != OXP_OK || !oxp_aws_is_token(token)) {
        return status != OXP_OK ? status : OXP_IGNORED;
    }
    const char *header = oxp_aws_format(fetch->arena, "X-aws-ec2-metadata-token: %.*s", (int)token.len, token.ptr);
    status = ask(fetch, "GET", oxp_aws_format(fetch->arena, "%s" ROLES, host), header, &role);
    if (status != OXP_OK) {
        return status;
    }
    role = oxp_aws_trim(oxp_aws_before(role, '\n', NULL));
    if (!oxp_aws_is_token(role)) {
        return OXP_IGNORED; /* no role is attached */
    }
    status = ask(fetch, "GET", oxp_aws_format(fetch->arena, "%s" ROLES "%.*s", host, (int)role.len, role.ptr), header,
                 &keys);
    if (status != OXP_OK) {
        return status;
    }
    (void)snprintf(found_out->source, sizeof found_out->source, "instance");
    return take_keys(fetch, keys, found_out);
}
