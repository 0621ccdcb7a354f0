#include "tests/unit/alerts/cloudwatch/plan_fake.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])

struct fake fake;

#define TAGS(service, environment)                                                                                     \
    "{\"Key\":\"oxpecker:service\",\"Value\":\"" service                                                               \
    "\"},{\"Key\":\"oxpecker:environment\",\"Value\":\"" environment "\"}"

/* The tags of an ARN are told by the ARN. */
static const char *tags_of(const char *body) {
    static const struct {
        const char *arn, *tags;
    } known[] = {
        {"arn:ours", "{\"Tags\":[{\"Key\":\"team\",\"Value\":\"web\"}," TAGS("collector", "test") "]}"},
        {"arn:old", "{\"Tags\":[" TAGS("collector", "test") ",{\"Key\":\"team\",\"Value\":\"x\"}]}"},
        {"arn:other", "{\"Tags\":[{\"Key\":\"oxpecker:service\",\"Value\":\"another\"}]}"},
        {"arn:once", "{\"Tags\":[{\"Key\":\"oxpecker:service\",\"Value\":\"collector\"}]}"},
        {"arn:staging", "{\"Tags\":[" TAGS("collector", "staging") "]}"},
        {"arn:namesake", "{\"Tags\":[" TAGS("another", "test") "]}"},
    };
    for (size_t i = 0; i < COUNT_OF(known); i++) {
        if (strstr(body, known[i].arn) != NULL) {
            return known[i].tags;
        }
    }
    return "{\"Tags\":[]}";
}

static void log_call(const char *operation, const char *body) {
    struct oxp_json *json = NULL;
    static const char *const told[] = {"AlarmName", "ResourceARN", "NextToken", "AlarmNamePrefix", "MetricData"};
    oxp_buf_append_text(&fake.log, operation);
    assert_int_equal(oxp_json_read(oxp_view_from(body), &json, NULL), OXP_OK);
    for (size_t i = 0; i < COUNT_OF(told); i++) {
        if (oxp_json_kind_of(oxp_json_get(json, told[i])) == OXP_JSON_TEXT) {
            oxp_buf_append_char(&fake.log, ' ');
            oxp_buf_append_view(&fake.log, oxp_json_text_of(oxp_json_get(json, told[i])));
        }
    }
    if (oxp_json_get(json, "AlarmNames") != NULL) {
        oxp_buf_append_format(&fake.log, " %zu names", oxp_json_size(oxp_json_get(json, "AlarmNames")));
    }
    oxp_buf_append_text(&fake.log, oxp_json_get(json, "Tags") == NULL ? "\n" : " tags\n");
    oxp_json_free(json);
}

enum oxp_status oxp_aws_call(struct oxp_aws_client *client, struct oxp_http *http,
                             const struct oxp_aws_operation *operation, struct oxp_arena *arena,
                             struct oxp_http_response *response_out, struct oxp_aws_outcome *outcome_out,
                             struct oxp_error *error) {
    const char *name = strchr(operation->target, '.') + 1, *answer = "{}";
    char body[8192];
    (void)client;
    (void)http;
    (void)arena;
    assert_true(strncmp(operation->target, "GraniteServiceVersion20100801.", 30) == 0);
    assert_true(operation->body.len < sizeof body);
    memcpy(body, operation->body.ptr, operation->body.len);
    body[operation->body.len] = '\0';
    log_call(name, body);
    if (fake.fail != NULL && strcmp(fake.fail, name) == 0 && fake.throttled > 0) {
        fake.throttled--;
        outcome_out->answer = OXP_AWS_THROTTLED;
        return oxp_error_set(error, OXP_ERR_LIMIT, 0, 0, "Throttling: Rate exceeded");
    }
    if (fake.fail != NULL && strcmp(fake.fail, name) == 0 && fake.fail_after-- == 0) {
        return oxp_error_set(error, OXP_ERR_DENIED, 0, 0, "AccessDenied: no");
    }
    if (strcmp(name, "DescribeAlarms") == 0) {
        answer = fake.pages[fake.page];
        fake.page += fake.pages[fake.page + 1] != NULL;
    } else if (strcmp(name, "ListTagsForResource") == 0) {
        answer = tags_of(body);
    }
    response_out->status = 200;
    response_out->body_len = strlen(answer);
    response_out->body = malloc(response_out->body_len + 1);
    if (response_out->body == NULL) {
        return OXP_ERR_NOMEM;
    }
    memcpy(response_out->body, answer, response_out->body_len + 1);
    *outcome_out = (struct oxp_aws_outcome){.answer = OXP_AWS_OK, .request_id = OXP_VIEW("id-1")};
    return OXP_OK;
}

struct oxp_view oxp_aws_client_region(const struct oxp_aws_client *client) {
    (void)client;
    return OXP_VIEW("us-east-1");
}

void fake_sleep(void *ctx, int64_t ms) {
    (void)ctx;
    fake.slept_ms += ms;
    fake.waits += ms > 334;
}

void fake_done(void *ctx, const struct oxp_cw_planned *alarm) {
    (void)ctx;
    oxp_buf_append_format(&fake.log, "done %s\n", alarm->name);
}

void fake_start(const char *const *pages) {
    oxp_buf_fini(&fake.log);
    fake = (struct fake){.pages = pages};
    oxp_buf_init(&fake.log, 0);
}

void fake_end(void) {
    oxp_buf_fini(&fake.log);
}
