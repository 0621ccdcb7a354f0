/* Requests prepared, answers judged and learned from, calls with their retries. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/alloc_fail.h"
#include "tests/unit/alerts/aws/fake.h"

#define SKEWED "{\"__type\": \"RequestTimeTooSkewed\"}"
#define BAD_SIGNATURE "{\"__type\": \"InvalidSignatureException\"}"
#define THROTTLED "{\"__type\": \"Throttling\", \"message\": \"Rate exceeded\"}"
#define EXPIRED "{\"__type\": \"ExpiredToken\"}"
/* FAKE_NOW_S is Sat, 21 Nov 2026 16:00:00 GMT */
#define DATE(time) "date: Sat, 21 Nov 2026 " time " GMT\n"

static void world(struct fake *fake) {
    fake_init(fake);
    fake_set(fake, "AWS_REGION", "eu-west-1");
    fake_set(fake, "AWS_EC2_METADATA_DISABLED", "true");
    fake_set(fake, "AWS_CONFIG_FILE", "/nonexistent/a");
    fake_set(fake, "AWS_SHARED_CREDENTIALS_FILE", "/nonexistent/b");
    fake_set(fake, "AWS_ACCESS_KEY_ID", "AKIDONE");
    fake_set(fake, "AWS_SECRET_ACCESS_KEY", "verysecret");
}

static struct oxp_aws_client *client_of(struct fake *fake, const char *service) {
    struct oxp_aws_client *client = NULL;
    struct oxp_error error = {0};
    struct oxp_aws_client_options options = {.world = &fake->world, .service = service};
    assert_int_equal(oxp_aws_client_new(&options, &client, &error), OXP_OK);
    return client;
}

static bool has_line(const struct oxp_http_request *request, const char *wanted) {
    for (const char *const *line = request->headers; *line != NULL; line++) {
        if (strcmp(*line, wanted) == 0) {
            return true;
        }
    }
    return false;
}

static size_t lines_of(const struct oxp_http_request *request) {
    size_t count = 0;
    while (request->headers[count] != NULL) {
        count++;
    }
    return count;
}

static void requests(void **state) {
    (void)state;
    struct fake fake;
    struct oxp_arena arena;
    struct oxp_http_request request;
    struct oxp_error error = {0};
    world(&fake);
    fake_set(&fake, "AWS_SESSION_TOKEN", "st");
    oxp_arena_init(&arena, 0);
    struct oxp_aws_client *client = client_of(&fake, "monitoring");
    assert_true(oxp_view_is(oxp_aws_client_region(client), "eu-west-1"));
    struct oxp_aws_operation json = {
        .target = "GraniteServiceVersion20100801.PutMetricData", .body = OXP_VIEW("{}"), .gzip = true};
    assert_int_equal(oxp_aws_prepare(client, &json, &arena, &request, &error), OXP_OK);
    assert_string_equal(request.method, "POST");
    assert_string_equal(request.url, "https://monitoring.eu-west-1.amazonaws.com/");
    assert_true(oxp_view_is(request.body, "{}"));
    assert_true(request.timeout_ms > 0 && request.max_body_bytes > 0 && !request.direct);
    assert_true(has_line(&request, "Content-Type: application/x-amz-json-1.0"));
    assert_true(has_line(&request, "X-Amz-Target: GraniteServiceVersion20100801.PutMetricData"));
    assert_true(has_line(&request, "Content-Encoding: gzip"));
    assert_true(has_line(&request, "X-Amz-Date: 20261121T160000Z"));
    assert_true(has_line(&request, "X-Amz-Security-Token: st"));
    assert_int_equal(lines_of(&request), 6);
    assert_non_null(strstr(request.headers[3], "SignedHeaders=content-encoding;content-type;host;x-amz-date;"
                                               "x-amz-security-token;x-amz-target, "));
    struct oxp_aws_operation form = {.body = OXP_VIEW("Action=Publish"), .path = "/v1/x"};
    assert_int_equal(oxp_aws_prepare(client, &form, &arena, &request, &error), OXP_OK);
    assert_string_equal(request.url, "https://monitoring.eu-west-1.amazonaws.com/v1/x");
    assert_true(has_line(&request, "Content-Type: application/x-www-form-urlencoded; charset=utf-8"));
    assert_int_equal(lines_of(&request), 4);
    struct oxp_aws_operation otlp = {.content_type = "application/x-protobuf"};
    assert_int_equal(oxp_aws_prepare(client, &otlp, &arena, &request, &error), OXP_OK);
    assert_true(has_line(&request, "Content-Type: application/x-protobuf"));
    oxp_aws_client_free(client);
    oxp_arena_fini(&arena);
}

static enum oxp_aws_answer judge(struct oxp_aws_client *client, int http, const char *headers, const char *body,
                                 int64_t *wait_ms_out) {
    struct oxp_arena arena;
    struct oxp_aws_outcome outcome;
    char body_copy[512], headers_copy[512];
    snprintf(body_copy, sizeof body_copy, "%s", body);
    snprintf(headers_copy, sizeof headers_copy, "%s", headers);
    struct oxp_http_response response = {
        .status = http, .body = body_copy, .body_len = strlen(body_copy), .headers = headers_copy};
    oxp_arena_init(&arena, 0);
    oxp_aws_judge(client, OXP_OK, &response, NULL, &arena, &outcome);
    oxp_arena_fini(&arena);
    if (wait_ms_out != NULL) {
        *wait_ms_out = outcome.wait_ms;
    }
    return outcome.answer;
}

static void date_signed(struct oxp_aws_client *client, const char *wanted) {
    struct oxp_arena arena;
    struct oxp_http_request request;
    struct oxp_aws_operation operation = {.target = "T.X"};
    char line[64];
    oxp_arena_init(&arena, 0);
    assert_int_equal(oxp_aws_prepare(client, &operation, &arena, &request, NULL), OXP_OK);
    snprintf(line, sizeof line, "X-Amz-Date: %s", wanted);
    assert_true(has_line(&request, line));
    oxp_arena_fini(&arena);
}

static void the_clock(void **state) {
    (void)state;
    struct fake fake;
    world(&fake);
    struct oxp_aws_client *client = client_of(&fake, "monitoring");
    date_signed(client, "20261121T160000Z");
    assert_int_equal(judge(client, 403, DATE("17:00:00"), SKEWED, NULL), OXP_AWS_RESIGN);
    date_signed(client, "20261121T170000Z");
    oxp_clock_manual_advance(&fake.clock, 10);
    date_signed(client, "20261121T170010Z");
    /* rule 2: it moved, and is refused all the same */
    assert_int_equal(judge(client, 403, DATE("17:00:12"), SKEWED, NULL), OXP_AWS_TRANSIENT);
    assert_int_equal(judge(client, 403, DATE("17:00:12"), BAD_SIGNATURE, NULL), OXP_AWS_DENIED);
    /* rule 1: a signature that does not match is the secret's fault up to 240 s */
    assert_int_equal(judge(client, 403, DATE("17:04:09"), BAD_SIGNATURE, NULL), OXP_AWS_DENIED);
    assert_int_equal(judge(client, 403, DATE("17:04:10"), BAD_SIGNATURE, NULL), OXP_AWS_RESIGN);
    date_signed(client, "20261121T170410Z");
    assert_int_equal(judge(client, 403, DATE("16:00:10"), BAD_SIGNATURE, NULL), OXP_AWS_RESIGN);
    date_signed(client, "20261121T160010Z");
    /* a good answer's date teaches nothing; no date, and nonsense, neither */
    assert_int_equal(judge(client, 200, DATE("20:00:00"), "", NULL), OXP_AWS_OK);
    assert_int_equal(judge(client, 403, "", SKEWED, NULL), OXP_AWS_TRANSIENT);
    assert_int_equal(judge(client, 403, "date: today\n", SKEWED, NULL), OXP_AWS_TRANSIENT);
    date_signed(client, "20261121T160010Z");
    oxp_aws_client_free(client);
}

static void sign_any(struct oxp_aws_client *client, enum oxp_status expect, const char *id) {
    struct oxp_arena arena;
    struct oxp_http_request request;
    struct oxp_aws_operation operation = {.target = "T.X"};
    oxp_arena_init(&arena, 0);
    assert_int_equal(oxp_aws_prepare(client, &operation, &arena, &request, NULL), expect);
    assert_true(expect != OXP_OK || strstr(request.headers[2], id) != NULL);
    oxp_arena_fini(&arena);
}

static void keys_that_expired(void **state) {
    (void)state;
    struct fake fake;
    world(&fake);
    struct oxp_aws_client *client = client_of(&fake, "monitoring");
    sign_any(client, OXP_OK, "Credential=AKIDONE/");
    fake_set(&fake, "AWS_ACCESS_KEY_ID", "AKIDTWO");
    sign_any(client, OXP_OK, "Credential=AKIDONE/");
    assert_int_equal(judge(client, 403, "", EXPIRED, NULL), OXP_AWS_RESIGN);
    assert_int_equal(judge(client, 403, "", EXPIRED, NULL), OXP_AWS_RESIGN); /* another request that was under way */
    sign_any(client, OXP_OK, "Credential=AKIDTWO/");
    assert_int_equal(judge(client, 403, "", EXPIRED, NULL), OXP_AWS_RESIGN);
    sign_any(client, OXP_OK, "Credential=AKIDTWO/"); /* fetched again: the same */
    assert_int_equal(judge(client, 403, "", EXPIRED, NULL), OXP_AWS_DENIED);
    assert_int_equal(judge(client, 403, "", EXPIRED, NULL), OXP_AWS_DENIED);
    assert_int_equal(judge(client, 200, "", "", NULL), OXP_AWS_OK); /* good after all: a new life */
    assert_int_equal(judge(client, 403, "", EXPIRED, NULL), OXP_AWS_RESIGN);
    fake_set(&fake, "AWS_ACCESS_KEY_ID", NULL);
    sign_any(client, OXP_ERR_NOT_FOUND, "");
    fake_set(&fake, "AWS_ACCESS_KEY_ID", "AKIDTHREE");
    sign_any(client, OXP_OK, "Credential=AKIDTHREE/"); /* it was still owed */
    oxp_aws_client_free(client);
}

static void waits(void **state) {
    (void)state;
    static const struct {
        int http;
        const char *headers;
        int64_t wait_ms;
    } rows[] = {
        {400, "", 0},
        {400, "x-amz-retry-after: 1500\n", 1500},
        {400, "retry-after: 3\n", 3000},
        {400, "retry-after: 3\nx-amz-retry-after: 1500\n", 1500},
        {503, "retry-after: Sat, 21 Nov 2026 16:00:30 GMT\n", 30000},
        {503, "retry-after: Sat, 21 Nov 2026 15:00:30 GMT\n", 0},
        {503, "retry-after: soon\n", 0},
        {200, "retry-after: 3\n", 0},
    };
    struct fake fake;
    world(&fake);
    struct oxp_aws_client *client = client_of(&fake, "monitoring");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t wait_ms = -1;
        (void)judge(client, rows[i].http, rows[i].headers, THROTTLED, &wait_ms);
        if (wait_ms != rows[i].wait_ms) {
            print_error("%s: %lld\n", rows[i].headers, (long long)wait_ms);
            fail();
        }
    }
    oxp_aws_client_free(client);
}

static void no_answer(void **state) {
    (void)state;
    static const struct {
        enum oxp_status status;
        enum oxp_aws_answer expect;
    } rows[] = {
        {OXP_ERR_TIMEOUT, OXP_AWS_TRANSIENT}, {OXP_ERR_CLOSED, OXP_AWS_TRANSIENT},
        {OXP_ERR_NOMEM, OXP_AWS_TRANSIENT},   {OXP_ERR_INVALID, OXP_AWS_REFUSED},
        {OXP_ERR_LIMIT, OXP_AWS_REFUSED},     {OXP_ERR_UNSUPPORTED, OXP_AWS_REFUSED},
    };
    struct fake fake;
    world(&fake);
    struct oxp_aws_client *client = client_of(&fake, "sns");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct oxp_arena arena;
        struct oxp_aws_outcome outcome;
        struct oxp_http_response response = {0};
        struct oxp_error error = {.text = "reason"};
        oxp_arena_init(&arena, 0);
        oxp_aws_judge(client, rows[i].status, &response, &error, &arena, &outcome);
        assert_int_equal(outcome.answer, rows[i].expect);
        assert_true(oxp_view_is(outcome.message, "reason"));
        oxp_arena_fini(&arena);
    }
    oxp_aws_client_free(client);
}

/* ---- Calls ---- */

struct call_row {
    const char *what;
    struct fake_answer answers[5];
    unsigned asked;
    enum oxp_status expect;
    enum oxp_aws_answer answer;
    const char *says;
    int64_t slept_least_ms, slept_most_ms;
};

static enum oxp_status call(struct oxp_aws_client *client, struct fake *fake, struct oxp_aws_outcome *outcome,
                            struct oxp_error *error) {
    struct oxp_arena arena;
    struct oxp_http_response response;
    struct oxp_aws_operation operation = {.target = "T.X", .body = OXP_VIEW("{}")};
    oxp_arena_init(&arena, 0);
    enum oxp_status status = oxp_aws_call(client, &fake->http, &operation, &arena, &response, outcome, error);
    oxp_http_response_fini(&response);
    oxp_arena_fini(&arena);
    return status;
}

static void calls(void **state) {
    (void)state;
    static const struct call_row rows[] = {
        {"good", {{.http = 200}}, 1, OXP_OK, OXP_AWS_OK, "", 0, 0},
        {"throttled once", {{.http = 400, .body = THROTTLED}, {.http = 200}}, 2, OXP_OK, OXP_AWS_OK, "", 0, 1000},
        {"throttled",
         {{.http = 400, .body = THROTTLED, .stays = true}},
         3,
         OXP_ERR_LIMIT,
         OXP_AWS_THROTTLED,
         "Throttling: Rate exceeded",
         0,
         3000},
        {"errors", {{.http = 500}, {.http = 503}, {.http = 200}}, 3, OXP_OK, OXP_AWS_OK, "", 0, 3000},
        {"errors for ever", {{.http = 500, .stays = true}}, 3, OXP_ERR_IO, OXP_AWS_TRANSIENT, "HTTP 500", 0, 3000},
        {"silence",
         {{.status = OXP_ERR_TIMEOUT, .stays = true}},
         3,
         OXP_ERR_TIMEOUT,
         OXP_AWS_TRANSIENT,
         "timeout",
         0,
         3000},
        {"no way", {{.status = OXP_ERR_UNSUPPORTED}}, 1, OXP_ERR_UNSUPPORTED, OXP_AWS_REFUSED, "the fake says", 0, 0},
        {"refused",
         {{.http = 400, .body = "{\"__type\":\"InvalidParameterValue\",\"message\":\"no\"}"}},
         1,
         OXP_ERR_INVALID,
         OXP_AWS_REFUSED,
         "InvalidParameterValue: no",
         0,
         0},
        {"denied",
         {{.http = 403, .body = "{\"__type\":\"AccessDenied\"}"}},
         1,
         OXP_ERR_DENIED,
         OXP_AWS_DENIED,
         "AccessDenied",
         0,
         0},
        {"the clock",
         {{.http = 403, .body = SKEWED, .headers = DATE("17:00:00")}, {.http = 200}},
         2,
         OXP_OK,
         OXP_AWS_OK,
         "",
         0,
         0},
        {"a clock that runs",
         {{.http = 403, .body = SKEWED, .headers = DATE("17:00:00")},
          {.http = 403, .body = SKEWED, .headers = DATE("18:00:00")}},
         2,
         OXP_ERR_DENIED,
         OXP_AWS_DENIED,
         "RequestTimeTooSkewed",
         0,
         0},
        {"expired", {{.http = 403, .body = EXPIRED}, {.http = 200}}, 2, OXP_OK, OXP_AWS_OK, "", 0, 0},
        {"expired for ever",
         {{.http = 403, .body = EXPIRED, .stays = true}},
         2,
         OXP_ERR_DENIED,
         OXP_AWS_DENIED,
         "ExpiredToken",
         0,
         0},
        {"what the server asks for",
         {{.http = 400, .body = THROTTLED, .headers = "x-amz-retry-after: 3000\n"}, {.http = 200}},
         2,
         OXP_OK,
         OXP_AWS_OK,
         "",
         3000,
         3000},
        {"too much asked",
         {{.http = 400, .body = THROTTLED, .headers = "retry-after: 3600\n"}, {.http = 200}},
         2,
         OXP_OK,
         OXP_AWS_OK,
         "",
         5000,
         6000},
        {"the clock, then an error",
         {{.http = 403, .body = SKEWED, .headers = DATE("17:00:00")}, {.http = 500}, {.http = 500}, {.http = 200}},
         4,
         OXP_OK,
         OXP_AWS_OK,
         "",
         0,
         3000},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct call_row *row = &rows[i];
        struct fake fake;
        struct oxp_aws_outcome outcome;
        struct oxp_error error = {0};
        world(&fake);
        struct oxp_aws_client *client = client_of(&fake, "monitoring");
        for (size_t k = 0; k < 5 && (row->answers[k].http != 0 || row->answers[k].status != OXP_OK); k++) {
            fake_answer(&fake, row->answers[k]);
        }
        enum oxp_status status = call(client, &fake, &outcome, &error);
        if (status != row->expect || outcome.answer != row->answer || fake.asked_count != row->asked ||
            (status != OXP_OK && strstr(error.text, row->says) == NULL) || fake.slept_ms < row->slept_least_ms ||
            fake.slept_ms > row->slept_most_ms || strstr(error.text, "verysecret") != NULL) {
            print_error("%s: %s, %d, asked %zu times, slept %lld, \"%s\"\n", row->what, oxp_status_name(status),
                        (int)outcome.answer, fake.asked_count, (long long)fake.slept_ms, error.text);
            fail();
        }
        oxp_aws_client_free(client);
    }
}

/* 500 tokens, 5 for a retry: 100 retries, and then first tries alone. */
static void the_quota(void **state) {
    (void)state;
    struct fake fake;
    struct oxp_aws_outcome outcome;
    struct oxp_error error;
    world(&fake);
    struct oxp_aws_client *client = client_of(&fake, "monitoring");
    fake_answer(&fake, (struct fake_answer){.http = 500, .stays = true});
    for (int i = 0; i < 50; i++) {
        fake.asked_count = 0;
        assert_int_equal(call(client, &fake, &outcome, &error), OXP_ERR_IO);
        assert_int_equal(fake.asked_count, 3);
    }
    fake.asked_count = 0;
    assert_int_equal(call(client, &fake, &outcome, &error), OXP_ERR_IO);
    assert_int_equal(fake.asked_count, 1);
    fake.answers[0].http = 200; /* each success gives one back */
    for (int i = 0; i < 5; i++) {
        fake.asked_count = 0;
        assert_int_equal(call(client, &fake, &outcome, &error), OXP_OK);
    }
    fake.answers[0].http = 500;
    fake.asked_count = 0;
    assert_int_equal(call(client, &fake, &outcome, &error), OXP_ERR_IO);
    assert_int_equal(fake.asked_count, 2);
    oxp_aws_client_free(client);

    client = client_of(&fake, "monitoring"); /* after a timeout a retry takes 10; a success gives them back */
    fake.answers[0].http = 200;
    for (int i = 0; i < 100; i++) {
        fake.answers[1] = fake.answers[0];
        fake.answers[0] = (struct fake_answer){.status = OXP_ERR_TIMEOUT};
        fake.answer_count = 2;
        fake.asked_count = 0;
        assert_int_equal(call(client, &fake, &outcome, &error), OXP_OK);
        assert_int_equal(fake.asked_count, 2);
        fake.answers[0] = fake.answers[1];
    }
    fake.answer_count = 1;
    fake.answers[0] = (struct fake_answer){.status = OXP_ERR_TIMEOUT, .stays = true};
    for (int i = 0; i < 25; i++) {
        fake.asked_count = 0;
        assert_int_equal(call(client, &fake, &outcome, &error), OXP_ERR_TIMEOUT);
        assert_int_equal(fake.asked_count, 3);
    }
    fake.asked_count = 0;
    assert_int_equal(call(client, &fake, &outcome, &error), OXP_ERR_TIMEOUT);
    assert_int_equal(fake.asked_count, 1);
    oxp_aws_client_free(client);
}

static void shared_credentials(void **state) {
    (void)state;
    struct fake fake;
    struct oxp_aws_credentials *credentials = NULL;
    struct oxp_aws_client *one = NULL, *two = NULL;
    struct oxp_aws_place place = {.region = OXP_VIEW("us-west-2")};
    world(&fake);
    assert_int_equal(oxp_aws_credentials_new(&fake.world, &place, &credentials), OXP_OK);
    struct oxp_aws_client_options options = {
        .world = &fake.world, .place = place, .service = "monitoring", .credentials = credentials};
    assert_int_equal(oxp_aws_client_new(&options, &one, NULL), OXP_OK);
    options.service = "sns";
    assert_int_equal(oxp_aws_client_new(&options, &two, NULL), OXP_OK);
    assert_true(oxp_view_is(oxp_aws_client_region(two), "us-west-2"));
    sign_any(one, OXP_OK, "/us-west-2/monitoring/");
    sign_any(two, OXP_OK, "/us-west-2/sns/");
    oxp_aws_client_free(one);
    oxp_aws_client_free(two);
    oxp_aws_credentials_free(credentials);
    oxp_aws_client_free(NULL);
    oxp_aws_credentials_free(NULL);
}

static void bad_options(void **state) {
    (void)state;
    struct fake fake;
    struct oxp_aws_client *client = NULL;
    struct oxp_error error = {0};
    world(&fake);
    struct oxp_aws_client_options options = {
        .world = &fake.world, .place = {.endpoint = OXP_VIEW("nonsense")}, .service = "monitoring"};
    assert_int_equal(oxp_aws_client_new(&options, &client, &error), OXP_ERR_INVALID);
    assert_non_null(strstr(error.text, "http://"));
    assert_null(client);
}

static void call_once(void *ctx) {
    (void)ctx;
    struct fake fake;
    struct oxp_aws_outcome outcome;
    struct oxp_error error = {0};
    struct oxp_aws_client *client = NULL;
    world(&fake);
    fake_answer(&fake, (struct fake_answer){.http = 403, .body = EXPIRED});
    fake_answer(&fake, (struct fake_answer){.http = 400, .body = THROTTLED, .headers = "x: y\n"});
    fake_answer(&fake, (struct fake_answer){.http = 200, .body = "{}", .stays = true});
    struct oxp_aws_client_options options = {.world = &fake.world, .service = "monitoring"};
    enum oxp_status status = oxp_aws_client_new(&options, &client, &error);
    if (status == OXP_OK) {
        status = call(client, &fake, &outcome, &error);
    }
    /* an answer that could not be read is taken for what its status says */
    assert_true(status == OXP_OK || alloc_fail_hit());
    oxp_aws_client_free(client);
}

static void allocations_fail(void **state) {
    (void)state;
    assert_true(alloc_fail_each(call_once, NULL) >= 10);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests),          cmocka_unit_test(the_clock),
        cmocka_unit_test(keys_that_expired), cmocka_unit_test(waits),
        cmocka_unit_test(no_answer),         cmocka_unit_test(calls),
        cmocka_unit_test(the_quota),         cmocka_unit_test(shared_credentials),
        cmocka_unit_test(bad_options),       cmocka_unit_test(allocations_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
