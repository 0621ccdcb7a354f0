/* What the sources share. */
#include "alerts/aws/source.h"

#include <stdio.h>

#include "alerts/aws/parts.h"
#include "lib/base/date.h"
#include "lib/base/file.h"

enum { ANSWER_MAX = 64 << 10, TOKEN_MAX = 1 << 20 };

enum oxp_status oxp_aws_fetch_profiles(struct oxp_aws_fetch *fetch) {
    if (fetch->has_profiles) {
        return OXP_OK;
    }
    enum oxp_status status = oxp_aws_profiles_load(fetch->world, fetch->arena, &fetch->profiles, fetch->error);
    fetch->has_profiles = status == OXP_OK;
    return status;
}

struct oxp_view oxp_aws_fetch_setting(const struct oxp_aws_fetch *fetch, struct oxp_view profile, const char *name) {
    return oxp_aws_profile_get(&fetch->profiles, profile, name);
}

void oxp_aws_answer_fini(struct oxp_http_response *response) {
    if (response->body != NULL) {
        explicit_bzero(response->body, response->body_len);
    }
    oxp_http_response_fini(response);
}

enum oxp_status oxp_aws_ask(struct oxp_aws_fetch *fetch, const struct oxp_http_request *request,
                            struct oxp_http_response *response_out) {
    struct oxp_http *http = fetch->world->http;
    struct oxp_http_request bounded = *request;
    bounded.max_body_bytes = ANSWER_MAX;
    bounded.give_up = fetch->world->give_up;
    bounded.give_up_ctx = fetch->world->give_up_ctx;
    *response_out = (struct oxp_http_response){0};
    if (http == NULL) {
        return oxp_error_set(fetch->error, OXP_ERR_UNSUPPORTED, 0, 0, "there is no HTTP client to ask with");
    }
    if (oxp_aws_given_up(fetch->world)) {
        return oxp_error_set(fetch->error, OXP_ERR_CLOSED, 0, 0, "given up");
    }
    return http->exchange(http, &bounded, response_out, fetch->error);
}

enum oxp_status oxp_aws_keys_check(struct oxp_aws_fetch *fetch, const struct oxp_aws_keys *keys, const char *who) {
    if (keys->access_key_id.len == 0 || keys->secret_access_key.len == 0) {
        return oxp_error_set(fetch->error, OXP_ERR_INVALID, 0, 0, "%s: the %s is missing", who,
                             keys->access_key_id.len == 0 ? "access key id" : "secret access key");
    }
    if (!oxp_aws_is_token(keys->access_key_id) || !oxp_aws_is_token(keys->secret_access_key) ||
        (keys->session_token.len > 0 && !oxp_aws_is_token(keys->session_token))) {
        return oxp_error_set(fetch->error, OXP_ERR_INVALID, 0, 0, "%s: the keys hold blanks or control characters",
                             who);
    }
    return OXP_OK;
}

enum oxp_status oxp_aws_keys_from_json(struct oxp_aws_fetch *fetch, const struct oxp_json *json, const char *token,
                                       const char *who, struct oxp_aws_found *found_out) {
    struct oxp_aws_keys *keys = &found_out->keys;
    keys->access_key_id = oxp_arena_copy(fetch->arena, oxp_json_text_of(oxp_json_get(json, "AccessKeyId")));
    keys->secret_access_key = oxp_arena_copy(fetch->arena, oxp_json_text_of(oxp_json_get(json, "SecretAccessKey")));
    keys->session_token = oxp_arena_copy(fetch->arena, oxp_json_text_of(oxp_json_get(json, token)));
    if (oxp_arena_status(fetch->arena) != OXP_OK) {
        return oxp_arena_status(fetch->arena);
    }
    found_out->expires_ms = 0;
    const struct oxp_json *expires = oxp_json_get(json, "Expiration");
    if (oxp_json_kind_of(expires) != OXP_JSON_NULL &&
        !oxp_date_rfc3339(oxp_json_text_of(expires), &found_out->expires_ms)) {
        return oxp_error_set(fetch->error, OXP_ERR_INVALID, 0, 0, "%s: Expiration is not a time", who);
    }
    return oxp_aws_keys_check(fetch, keys, who);
}

enum oxp_status oxp_aws_read_token(struct oxp_aws_fetch *fetch, struct oxp_view path, const char *who,
                                   struct oxp_view *token_out) {
    struct oxp_buf bytes;
    struct oxp_error reason = {0};
    const char *name = oxp_aws_text(fetch->arena, path);
    if (name == NULL) {
        return oxp_arena_status(fetch->arena);
    }
    oxp_buf_init(&bytes, TOKEN_MAX);
    enum oxp_status status = oxp_file_read(name, &bytes, &reason);
    if (status == OXP_OK) {
        *token_out = oxp_arena_copy(fetch->arena, oxp_buf_view(&bytes));
        status = oxp_arena_status(fetch->arena);
    } else if (status == OXP_END) {
        status = oxp_error_set(fetch->error, OXP_ERR_NOT_FOUND, 0, 0, "%s: there is no token file %s", who, name);
    } else {
        status = oxp_error_set(fetch->error, status, 0, 0, "%s: %s", who, reason.text);
    }
    if (bytes.data != NULL) {
        explicit_bzero(bytes.data, bytes.size);
    }
    oxp_buf_fini(&bytes);
    return status;
}
