/* The Security Token Service: keys for a role. Query protocol; errors and answers are XML. */
#include <stdio.h>

#include "alerts/aws/parts.h"
#include "alerts/aws/source.h"
#include "lib/base/date.h"

enum { TRIES = 3, TIMEOUT_MS = 3000, PAUSE_MS = 300 };

/* The region's STS; without a region the old global one, which is us-east-1. */
static enum oxp_status find_sts(struct oxp_aws_fetch *fetch, struct oxp_view *url_out, struct oxp_view *region_out) {
    struct oxp_aws_place place = *fetch->place;
    place.endpoint = oxp_view_of(NULL, 0); /* that one is another service's */
    enum oxp_status status =
        oxp_aws_endpoint(fetch->world, &place, "sts", fetch->arena, url_out, region_out, fetch->error);
    if (status == OXP_ERR_NOT_FOUND) {
        place.region = OXP_VIEW("us-east-1");
        status = oxp_aws_endpoint(fetch->world, &place, "sts", fetch->arena, url_out, region_out, fetch->error);
        if (status == OXP_OK && oxp_view_is(*url_out, "https://sts.us-east-1.amazonaws.com")) {
            *url_out = OXP_VIEW("https://sts.amazonaws.com");
        }
    }
    return status;
}

static enum oxp_status make_request(struct oxp_aws_fetch *fetch, struct oxp_view form,
                                    const struct oxp_aws_keys *signer, struct oxp_http_request *request_out) {
    struct oxp_view url = {NULL, 0}, region = {NULL, 0};
    const char *const *signing = NULL;
    const char **headers = oxp_arena_zero(fetch->arena, 5, sizeof(const char *));
    enum oxp_status status = find_sts(fetch, &url, &region);
    if (status != OXP_OK || headers == NULL) {
        return status != OXP_OK ? status : oxp_arena_status(fetch->arena);
    }
    headers[0] = "Content-Type: application/x-www-form-urlencoded; charset=utf-8";
    *request_out = (struct oxp_http_request){
        .method = "POST",
        .url = oxp_aws_format(fetch->arena, "%.*s/", (int)url.len, url.ptr),
        .headers = headers,
        .body = form,
        .timeout_ms = TIMEOUT_MS,
    };
    if (request_out->url == NULL) {
        return oxp_arena_status(fetch->arena);
    }
    if (signer == NULL) {
        return OXP_OK;
    }
    struct oxp_aws_signing how = {*signer, region, OXP_VIEW("sts"), oxp_aws_now_ms(fetch->world)};
    status = oxp_aws_sign(&how, request_out, fetch->arena, &signing);
    for (size_t i = 0; status == OXP_OK && signing[i] != NULL; i++) {
        headers[1 + i] = signing[i];
    }
    return status;
}

/* What an answer other than 200 means; OXP_ERR_IO = another try may help. */
static enum oxp_status refusal(struct oxp_aws_fetch *fetch, const struct oxp_http_response *response) {
    struct oxp_view xml = oxp_view_of(response->body, response->body_len);
    struct oxp_view code = oxp_aws_xml_text(xml, "Code", fetch->arena);
    struct oxp_view message = oxp_aws_xml_text(xml, "Message", fetch->arena);
    char safe_code[161], safe_message[161];
    bool later = response->status >= 500 || response->status == 429 || oxp_view_is(code, "Throttling") ||
                 oxp_view_is(code, "IDPCommunicationError");
    return oxp_error_set(fetch->error, later ? OXP_ERR_IO : OXP_ERR_DENIED, 0, 0, "STS: HTTP %d %s%s%s",
                         response->status, oxp_aws_safe(code, safe_code), message.len > 0 ? ": " : "",
                         oxp_aws_safe(message, safe_message));
}

static enum oxp_status take_answer(struct oxp_aws_fetch *fetch, const struct oxp_http_response *response,
                                   struct oxp_aws_found *found_out) {
    struct oxp_view xml = oxp_view_of(response->body, response->body_len);
    found_out->keys.access_key_id = oxp_aws_xml_text(xml, "AccessKeyId", fetch->arena);
    found_out->keys.secret_access_key = oxp_aws_xml_text(xml, "SecretAccessKey", fetch->arena);
    found_out->keys.session_token = oxp_aws_xml_text(xml, "SessionToken", fetch->arena);
    struct oxp_view expires = oxp_aws_xml_text(xml, "Expiration", fetch->arena);
    if (oxp_arena_status(fetch->arena) != OXP_OK) {
        return oxp_arena_status(fetch->arena);
    }
    if (!oxp_date_rfc3339(expires, &found_out->expires_ms)) {
        return oxp_error_set(fetch->error, OXP_ERR_INVALID, 0, 0, "STS: the answer holds no credentials");
    }
    return oxp_aws_keys_check(fetch, &found_out->keys, "STS");
}

enum oxp_status oxp_aws_sts(struct oxp_aws_fetch *fetch, struct oxp_view form, const struct oxp_aws_keys *signer,
                            struct oxp_aws_found *found_out) {
    struct oxp_http_request request;
    enum oxp_status status = make_request(fetch, form, signer, &request);
    if (status != OXP_OK) {
        return status;
    }
    for (int i = 0; i < TRIES; i++) {
        struct oxp_http_response response;
        if (i > 0) {
            oxp_aws_sleep(fetch->world, (int64_t)i * PAUSE_MS);
        }
        status = oxp_aws_ask(fetch, &request, &response);
        if (status == OXP_OK) {
            status = response.status == 200 ? take_answer(fetch, &response, found_out) : refusal(fetch, &response);
        }
        oxp_aws_answer_fini(&response);
        if (status != OXP_ERR_IO && status != OXP_ERR_TIMEOUT && status != OXP_ERR_CLOSED) {
            break;
        }
    }
    return status;
}
