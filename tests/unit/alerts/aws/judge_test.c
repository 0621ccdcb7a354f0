/* What answers say, and what that means. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "alerts/aws/judge.h"

static void classes(void **state) {
    (void)state;
    static const struct {
        int http;
        const char *code;
        enum oxp_aws_class expect;
    } rows[] = {
        {200, "", OXP_AWS_CLASS_OK},
        {204, "Throttling", OXP_AWS_CLASS_OK},
        {400, "Throttling", OXP_AWS_CLASS_THROTTLED},
        {400, "ThrottlingException", OXP_AWS_CLASS_THROTTLED},
        {400, "RequestLimitExceeded", OXP_AWS_CLASS_THROTTLED},
        {400, "LimitExceeded", OXP_AWS_CLASS_REFUSED}, /* a quota: waiting does not heal it */
        {503, "SlowDown", OXP_AWS_CLASS_THROTTLED},
        {429, "", OXP_AWS_CLASS_THROTTLED},
        {429, "Whatever", OXP_AWS_CLASS_THROTTLED},
        {500, "InternalServiceError", OXP_AWS_CLASS_TRANSIENT},
        {400, "InternalFailure", OXP_AWS_CLASS_TRANSIENT},
        {502, "", OXP_AWS_CLASS_TRANSIENT},
        {503, "ServiceUnavailable", OXP_AWS_CLASS_TRANSIENT},
        {504, "", OXP_AWS_CLASS_TRANSIENT},
        {520, "", OXP_AWS_CLASS_TRANSIENT},
        {408, "", OXP_AWS_CLASS_TRANSIENT},
        {400, "RequestTimeout", OXP_AWS_CLASS_TRANSIENT},
        {501, "", OXP_AWS_CLASS_REFUSED},
        {505, "", OXP_AWS_CLASS_REFUSED},
        {403, "ExpiredToken", OXP_AWS_CLASS_EXPIRED},
        {400, "ExpiredTokenException", OXP_AWS_CLASS_EXPIRED},
        {403, "RequestTimeTooSkewed", OXP_AWS_CLASS_SKEWED},
        {400, "RequestExpired", OXP_AWS_CLASS_SKEWED},
        {403, "RequestInTheFuture", OXP_AWS_CLASS_SKEWED},
        {403, "InvalidSignatureException", OXP_AWS_CLASS_SIGNATURE},
        {403, "SignatureDoesNotMatch", OXP_AWS_CLASS_SIGNATURE},
        {403, "AuthFailure", OXP_AWS_CLASS_SIGNATURE},
        {403, "AccessDenied", OXP_AWS_CLASS_DENIED},
        {400, "UnrecognizedClientException", OXP_AWS_CLASS_DENIED},
        {403, "InvalidClientTokenId", OXP_AWS_CLASS_DENIED},
        {403, "", OXP_AWS_CLASS_DENIED},
        {401, "Whatever", OXP_AWS_CLASS_DENIED},
        {400, "InvalidParameterValue", OXP_AWS_CLASS_REFUSED},
        {400, "throttling", OXP_AWS_CLASS_REFUSED},
        {404, "NotFound", OXP_AWS_CLASS_REFUSED},
        {413, "", OXP_AWS_CLASS_REFUSED},
        {301, "", OXP_AWS_CLASS_REFUSED},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        enum oxp_aws_class found = oxp_aws_classify(rows[i].http, oxp_view_from(rows[i].code));
        if (found != rows[i].expect) {
            print_error("%d %s: %d\n", rows[i].http, rows[i].code, (int)found);
            fail();
        }
    }
}

static void answers(void **state) {
    (void)state;
    static const struct {
        const char *what;
        int http;
        const char *headers, *body;
        const char *code, *message, *id;
    } rows[] = {
        {"JSON", 400, "", "{\"__type\": \"Throttling\", \"message\": \"slow\"}", "Throttling", "slow", ""},
        {"a namespace", 400, "", "{\"__type\":\"com.amazon.coral.service#ThrottlingException\",\"Message\":\"x\"}",
         "ThrottlingException", "x", ""},
        {"a place behind it", 400, "", "{\"__type\":\"A:http://internal.amazon.com/coral/\"}", "A", "", ""},
        {"code", 400, "", " {\"code\": \"B\", \"message\": null}\n", "B", "", ""},
        {"the query error first", 400, "x-amzn-query-error: InvalidParameterValue;Sender\n",
         "{\"__type\":\"InvalidParameterValueException\",\"message\":\"m\"}", "InvalidParameterValue", "m", ""},
        {"the error type", 403, "x-amzn-errortype: ns#AccessDenied:http://x/\nx-amzn-requestid: r-1\n", "",
         "AccessDenied", "", "r-1"},
        {"XML", 403, "x-amz-request-id: r-2\n",
         "<ErrorResponse xmlns=\"u\"><Error><Type>Sender</Type><Code>SignatureDoesNotMatch</Code>"
         "<Message>a &lt; b</Message></Error><RequestId>r-3</RequestId></ErrorResponse>",
         "SignatureDoesNotMatch", "a < b", "r-2"},
        {"the id in XML", 403, "", "<E><Code>C</Code><RequestId>r-3</RequestId></E>", "C", "", "r-3"},
        {"good", 200, "x-amzn-requestid: r-4\n", "{\"__type\": \"no\"}", "", "", "r-4"},
        {"something in between", 502, "", "Bad gateway", "HTTP 502", "", ""},
        {"JSON that is none", 500, "", "{\"__type\": ", "HTTP 500", "", ""},
        {"JSON without a code", 500, "", "{}", "HTTP 500", "", ""},
        {"a code that is no text", 500, "", "{\"__type\": 1}", "HTTP 500", "", ""},
        {"HTML", 503, "", "<html><body>x</body></html>", "HTTP 503", "", ""},
        {"nothing", 403, NULL, "", "HTTP 403", "", ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct oxp_arena arena;
        struct oxp_aws_outcome outcome = {.answer = OXP_AWS_OK};
        char headers[256], body[512];
        struct oxp_http_response response = {
            .status = rows[i].http, .body = body, .body_len = strlen(rows[i].body), .headers = headers};
        memcpy(body, rows[i].body, strlen(rows[i].body) + 1);
        if (rows[i].headers == NULL) {
            response.headers = NULL;
        } else {
            memcpy(headers, rows[i].headers, strlen(rows[i].headers) + 1);
        }
        oxp_arena_init(&arena, 0);
        oxp_aws_read_answer(&response, &arena, &outcome);
        if (!oxp_view_is(outcome.code, rows[i].code) || !oxp_view_is(outcome.message, rows[i].message) ||
            !oxp_view_is(outcome.request_id, rows[i].id)) {
            print_error("%s: %.*s, %.*s, %.*s\n", rows[i].what, (int)outcome.code.len, outcome.code.ptr,
                        (int)outcome.message.len, outcome.message.ptr, (int)outcome.request_id.len,
                        outcome.request_id.ptr);
            fail();
        }
        oxp_arena_fini(&arena);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(classes), cmocka_unit_test(answers)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
