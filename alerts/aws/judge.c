#include "alerts/aws/judge.h"

#include "alerts/aws/parts.h"
#include "lib/json/json.h"

/* botocore 1.43's lists of throttling and transient codes, the JS SDK's of codes that a wrong clock causes, and
 * AWS' "Common errors". */
static const struct {
    const char *code;
    enum oxp_aws_class class;
} codes[] = {
    {"Throttling", OXP_AWS_CLASS_THROTTLED},
    {"ThrottlingException", OXP_AWS_CLASS_THROTTLED},
    {"ThrottledException", OXP_AWS_CLASS_THROTTLED},
    {"Throttled", OXP_AWS_CLASS_THROTTLED},
    {"RequestThrottled", OXP_AWS_CLASS_THROTTLED},
    {"RequestThrottledException", OXP_AWS_CLASS_THROTTLED},
    {"TooManyRequestsException", OXP_AWS_CLASS_THROTTLED},
    {"ProvisionedThroughputExceededException", OXP_AWS_CLASS_THROTTLED},
    {"TransactionInProgressException", OXP_AWS_CLASS_THROTTLED},
    {"RequestLimitExceeded", OXP_AWS_CLASS_THROTTLED},
    {"BandwidthLimitExceeded", OXP_AWS_CLASS_THROTTLED},
    {"LimitExceededException", OXP_AWS_CLASS_THROTTLED},
    {"SlowDown", OXP_AWS_CLASS_THROTTLED},
    {"EC2ThrottledException", OXP_AWS_CLASS_THROTTLED},
    {"KMSThrottling", OXP_AWS_CLASS_THROTTLED},
    {"KMSThrottlingException", OXP_AWS_CLASS_THROTTLED},
    {"RequestTimeout", OXP_AWS_CLASS_TRANSIENT},
    {"RequestTimeoutException", OXP_AWS_CLASS_TRANSIENT},
    {"PriorRequestNotComplete", OXP_AWS_CLASS_TRANSIENT},
    {"InternalFailure", OXP_AWS_CLASS_TRANSIENT},
    {"InternalError", OXP_AWS_CLASS_TRANSIENT},
    {"InternalServiceError", OXP_AWS_CLASS_TRANSIENT},
    {"InternalServiceFault", OXP_AWS_CLASS_TRANSIENT},
    {"ServiceUnavailable", OXP_AWS_CLASS_TRANSIENT},
    {"ExpiredToken", OXP_AWS_CLASS_EXPIRED},
    {"ExpiredTokenException", OXP_AWS_CLASS_EXPIRED},
    {"TokenRefreshRequired", OXP_AWS_CLASS_EXPIRED},
    {"RequestTimeTooSkewed", OXP_AWS_CLASS_SKEWED},
    {"RequestExpired", OXP_AWS_CLASS_SKEWED},
    {"RequestInTheFuture", OXP_AWS_CLASS_SKEWED},
    {"InvalidSignatureException", OXP_AWS_CLASS_SIGNATURE},
    {"SignatureDoesNotMatch", OXP_AWS_CLASS_SIGNATURE},
    {"AuthFailure", OXP_AWS_CLASS_SIGNATURE},
    {"AccessDenied", OXP_AWS_CLASS_DENIED},
    {"AccessDeniedException", OXP_AWS_CLASS_DENIED},
    {"AuthorizationError", OXP_AWS_CLASS_DENIED},
    {"UnauthorizedOperation", OXP_AWS_CLASS_DENIED},
    {"NotAuthorized", OXP_AWS_CLASS_DENIED},
    {"UnrecognizedClientException", OXP_AWS_CLASS_DENIED},
    {"InvalidClientTokenId", OXP_AWS_CLASS_DENIED},
    {"InvalidAccessKeyId", OXP_AWS_CLASS_DENIED},
    {"MissingAuthenticationToken", OXP_AWS_CLASS_DENIED},
    {"MissingAuthenticationTokenException", OXP_AWS_CLASS_DENIED},
    {"IncompleteSignature", OXP_AWS_CLASS_DENIED},
    {"IncompleteSignatureException", OXP_AWS_CLASS_DENIED},
    {"OptInRequired", OXP_AWS_CLASS_DENIED},
    {"SubscriptionRequiredException", OXP_AWS_CLASS_DENIED},
};

enum oxp_aws_class oxp_aws_classify(int http_status, struct oxp_view code) {
    if (http_status >= 200 && http_status < 300) {
        return OXP_AWS_CLASS_OK;
    }
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        if (oxp_view_is(code, codes[i].code)) {
            return codes[i].class;
        }
    }
    if (http_status == 429) {
        return OXP_AWS_CLASS_THROTTLED;
    }
    if (http_status == 408 || (http_status >= 500 && http_status != 501 && http_status != 505)) {
        return OXP_AWS_CLASS_TRANSIENT;
    }
    return http_status == 401 || http_status == 403 ? OXP_AWS_CLASS_DENIED : OXP_AWS_CLASS_REFUSED;
}

/* "namespace#Code:http://…" is Code. */
static struct oxp_view bare_code(struct oxp_view text) {
    struct oxp_view behind = {NULL, 0};
    struct oxp_view code = oxp_aws_before(oxp_aws_trim(text), ':', NULL);
    (void)oxp_aws_before(code, '#', &behind);
    return behind.ptr == NULL ? code : behind;
}

/* The first member of these names that is a text, in the arena. */
static struct oxp_view member(const struct oxp_json *json, const char *const *names, struct oxp_arena *arena) {
    for (; *names != NULL; names++) {
        struct oxp_view text = oxp_json_text_of(oxp_json_get(json, *names));
        if (text.len > 0) {
            return oxp_arena_copy(arena, text);
        }
    }
    return oxp_view_of(NULL, 0);
}

static void read_json(struct oxp_view body, struct oxp_arena *arena, struct oxp_aws_outcome *outcome) {
    static const char *const types[] = {"__type", "code", "Code", NULL};
    static const char *const messages[] = {"message", "Message", "errorMessage", NULL};
    struct oxp_json *json = NULL;
    if (oxp_json_read(body, &json, NULL) != OXP_OK) {
        return;
    }
    struct oxp_view type = member(json, types, arena);
    if (outcome->code.len == 0) {
        outcome->code = bare_code(type);
    }
    outcome->message = member(json, messages, arena);
    oxp_json_free(json);
}

static void read_xml(struct oxp_view body, struct oxp_arena *arena, struct oxp_aws_outcome *outcome) {
    if (outcome->code.len == 0) {
        outcome->code = oxp_aws_xml_text(body, "Code", arena);
    }
    outcome->message = oxp_aws_xml_text(body, "Message", arena);
    if (outcome->request_id.len == 0) {
        outcome->request_id = oxp_aws_xml_text(body, "RequestId", arena);
    }
}

void oxp_aws_read_answer(const struct oxp_http_response *response, struct oxp_arena *arena,
                         struct oxp_aws_outcome *outcome_out) {
    static const char *const ids[] = {"x-amzn-requestid", "x-amz-request-id", "x-amzn-request-id"};
    struct oxp_view body = oxp_aws_trim(oxp_view_of(response->body, response->body_len));
    for (size_t i = 0; i < sizeof ids / sizeof ids[0] && outcome_out->request_id.len == 0; i++) {
        outcome_out->request_id = oxp_arena_copy(arena, oxp_http_header(response, ids[i]));
    }
    if (response->status >= 200 && response->status < 300) {
        return;
    }
    struct oxp_view named = oxp_aws_before(oxp_http_header(response, "x-amzn-query-error"), ';', NULL);
    named = named.len > 0 ? named : oxp_http_header(response, "x-amzn-errortype");
    outcome_out->code = oxp_arena_copy(arena, bare_code(named));
    if (body.len > 0 && body.ptr[0] == '{') {
        read_json(body, arena, outcome_out);
    } else if (body.len > 0 && body.ptr[0] == '<') {
        read_xml(body, arena, outcome_out);
    }
    if (outcome_out->code.len == 0) { /* an answer of something in between */
        outcome_out->code = oxp_view_from(oxp_aws_format(arena, "HTTP %d", response->status));
    }
}
