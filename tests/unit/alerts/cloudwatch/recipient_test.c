/* The queue's requests and verdicts; states of rules as they are published. */
#include "tests/unit/alerts/rules/world.h"

#include "alerts/cloudwatch/publish.h"
#include "lib/gzip/gzip.h"
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#define NOW_MS (INT64_C(1795276800) * 1000)

static const char *variable(void *ctx, const char *name) {
    static const char *const pairs[][2] = {
        {"AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"}, {"AWS_SECRET_ACCESS_KEY", "secret"}, {"AWS_REGION", "us-east-1"}};
    if (ctx != NULL) {
        return NULL; /* an environment without keys */
    }
    for (size_t i = 0; i < COUNT_OF(pairs); i++) {
        if (strcmp(pairs[i][0], name) == 0) {
            return pairs[i][1];
        }
    }
    return NULL;
}

struct sender {
    struct oxp_aws_world world;
    struct oxp_clock_manual clock;
    struct oxp_aws_client *client;
    struct oxp_recipient recipient;
    struct oxp_arena arena;
};

static void open_sender(struct sender *sender, void *no_keys) {
    struct oxp_error error = {0};
    *sender = (struct sender){.world = {.getenv = variable, .ctx = no_keys}};
    oxp_clock_manual_init(&sender->clock, (double)NOW_MS / 1000);
    sender->world.clock = &sender->clock.clock;
    oxp_arena_init(&sender->arena, 0);
    const struct oxp_aws_client_options options = {
        .world = &sender->world, .place = {.region = OXP_VIEW("us-east-1")}, .service = "monitoring"};
    if (oxp_aws_client_new(&options, &sender->client, &error) != OXP_OK) {
        fail_msg("%s", error.text);
    }
    sender->recipient = oxp_cw_recipient(sender->client);
}

static void close_sender(struct sender *sender) {
    oxp_aws_client_free(sender->client);
    oxp_arena_fini(&sender->arena);
}

static enum oxp_status prepare(struct sender *sender, const struct oxp_outbox_message *message,
                               struct oxp_http_request *request_out, struct oxp_verdict *verdict_out) {
    *request_out = (struct oxp_http_request){0};
    *verdict_out = (struct oxp_verdict){0};
    return sender->recipient.prepare(sender->recipient.ctx, message, NOW_MS, &sender->arena, request_out, verdict_out);
}

static bool has_header(const struct oxp_http_request *request, const char *line) {
    for (size_t i = 0; request->headers != NULL && request->headers[i] != NULL; i++) {
        if (strcasecmp(request->headers[i], line) == 0) {
            return true;
        }
    }
    return false;
}

static void packs_above_10240(void **state) {
    (void)state;
    static char text[20000];
    struct sender sender;
    struct oxp_http_request request;
    struct oxp_verdict verdict;
    open_sender(&sender, NULL);
    memset(text, 'x', sizeof text);
    struct oxp_outbox_message message = {.content = oxp_view_of(text, OXP_CW_GZIP_ABOVE), .made_ms = NOW_MS};
    assert_int_equal(prepare(&sender, &message, &request, &verdict), OXP_OK);
    assert_true(oxp_view_equal(request.body, message.content));
    assert_false(has_header(&request, "content-encoding: gzip"));
    assert_true(has_header(&request, "x-amz-target: GraniteServiceVersion20100801.PutMetricData"));
    message.content = oxp_view_of(text, sizeof text);
    assert_int_equal(prepare(&sender, &message, &request, &verdict), OXP_OK);
    assert_true(has_header(&request, "content-encoding: gzip"));
    char *plain;
    size_t len;
    assert_int_equal(oxp_gzip_expand(request.body, sizeof text, &plain, &len), OXP_OK);
    assert_true(oxp_view_equal(oxp_view_of(plain, len), message.content));
    free(plain);
    /* compress: never */
    const struct oxp_cw_config config = {.plain = true};
    sender.recipient = oxp_cw_recipient_of(&config, sender.client);
    assert_int_equal(prepare(&sender, &message, &request, &verdict), OXP_OK);
    assert_true(oxp_view_equal(request.body, message.content));
    close_sender(&sender);
}

static void too_old_is_refused(void **state) {
    (void)state;
    struct sender sender;
    struct oxp_http_request request;
    struct oxp_verdict verdict;
    struct oxp_outbox_message message = {.content = OXP_VIEW("{}"), .made_ms = NOW_MS - OXP_CW_TOO_OLD_MS};
    open_sender(&sender, NULL);
    assert_int_equal(prepare(&sender, &message, &request, &verdict), OXP_OK);
    message.made_ms--;
    assert_int_not_equal(prepare(&sender, &message, &request, &verdict), OXP_OK);
    assert_int_equal(verdict.delivery, OXP_DELIVERY_REFUSED);
    assert_int_equal(verdict.reason, OXP_REASON_TOO_OLD);
    close_sender(&sender);
}

/* Nobody answers: no container's and no instance's endpoint. */
static enum oxp_status no_answer(struct oxp_http *http, const struct oxp_http_request *request,
                                 struct oxp_http_response *response_out, struct oxp_error *error) {
    (void)http;
    (void)request;
    *response_out = (struct oxp_http_response){0};
    return oxp_error_set(error, OXP_ERR_CLOSED, 0, 0, "refused");
}

static void without_keys_it_waits_for_them(void **state) {
    (void)state;
    static struct oxp_http nowhere = {.exchange = no_answer};
    struct sender sender;
    struct oxp_http_request request;
    struct oxp_verdict verdict;
    const struct oxp_outbox_message message = {.content = OXP_VIEW("{}"), .made_ms = NOW_MS};
    int no_keys;
    open_sender(&sender, &no_keys);
    sender.world.http = &nowhere;
    assert_int_not_equal(prepare(&sender, &message, &request, &verdict), OXP_OK);
    assert_int_equal(verdict.delivery, OXP_DELIVERY_AGAIN);
    assert_int_equal(verdict.reason, OXP_REASON_AUTH_ERROR);
    assert_true(verdict.answer.len > 0);
    close_sender(&sender);
}

static void verdicts(void **state) {
    (void)state;
    static const struct {
        enum oxp_status status;
        int http;
        const char *body;
        enum oxp_delivery delivery;
        enum oxp_delivery_reason reason;
        const char *answer;
    } rows[] = {
        {OXP_OK, 200, "{}", OXP_DELIVERED, OXP_REASON_OTHER, "HTTP 200"},
        {OXP_OK, 400, "{\"__type\":\"ThrottlingException\",\"message\":\"slow\"}", OXP_DELIVERY_WAIT,
         OXP_REASON_RATE_LIMITED, "HTTP 400 ThrottlingException: slow"},
        {OXP_OK, 400, "{\"__type\":\"InvalidParameterValue\",\"message\":\"no\"}", OXP_DELIVERY_REFUSED,
         OXP_REASON_CLIENT_ERROR, "HTTP 400 InvalidParameterValue: no"},
        {OXP_OK, 403, "{\"__type\":\"AccessDenied\",\"message\":\"no\"}", OXP_DELIVERY_AGAIN, OXP_REASON_AUTH_ERROR,
         "HTTP 403 AccessDenied: no"},
        {OXP_OK, 500, "{}", OXP_DELIVERY_AGAIN, OXP_REASON_SERVER_ERROR, "HTTP 500"},
        {OXP_OK, 503, "", OXP_DELIVERY_AGAIN, OXP_REASON_SERVER_ERROR, "HTTP 503"},
        {OXP_ERR_CLOSED, 0, "", OXP_DELIVERY_AGAIN, OXP_REASON_SERVER_ERROR, "gone"},
        {OXP_ERR_TIMEOUT, 0, "", OXP_DELIVERY_AGAIN, OXP_REASON_DELIVERY_TIMEOUT, "gone"},
    };
    const struct oxp_outbox_message message = {.tries = 1};
    struct sender sender;
    open_sender(&sender, NULL);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char body[128];
        struct oxp_error error = {.text = "gone"};
        struct oxp_verdict verdict;
        snprintf(body, sizeof body, "%s", rows[i].body);
        const struct oxp_http_response response = {
            .status = rows[i].http, .body = body, .body_len = strlen(body), .headers = NULL};
        sender.recipient.judge(sender.recipient.ctx, &message, rows[i].status, &response, &error, NOW_MS, &sender.arena,
                               &verdict);
        if (verdict.delivery != rows[i].delivery || verdict.reason != rows[i].reason ||
            !oxp_view_is(verdict.answer, rows[i].answer)) {
            fail_msg("row %zu: %d %d %.*s", i, (int)verdict.delivery, (int)verdict.reason, (int)verdict.answer.len,
                     verdict.answer.ptr);
        }
    }
    close_sender(&sender);
}

static void expired_keys_are_tried_again_at_once(void **state) {
    (void)state;
    char body[] = "{\"__type\":\"ExpiredToken\",\"message\":\"x\"}";
    const struct oxp_http_response response = {.status = 400, .body = body, .body_len = sizeof body - 1};
    struct sender sender;
    struct oxp_http_request request;
    struct oxp_verdict verdict;
    open_sender(&sender, NULL);
    struct oxp_outbox_message message = {.content = OXP_VIEW("{}"), .made_ms = NOW_MS, .tries = 1};
    assert_int_equal(prepare(&sender, &message, &request, &verdict), OXP_OK);
    sender.recipient.judge(sender.recipient.ctx, &message, OXP_OK, &response, NULL, NOW_MS, &sender.arena, &verdict);
    assert_int_equal(verdict.delivery, OXP_DELIVERY_AGAIN);
    assert_int_equal(verdict.wait_ms, 1);
    message.tries = 2; /* it did not help: not as fast as the line allows */
    sender.recipient.judge(sender.recipient.ctx, &message, OXP_OK, &response, NULL, NOW_MS, &sender.arena, &verdict);
    assert_int_equal(verdict.wait_ms, 0);
    close_sender(&sender);
}

/* ---- Rules ---- */

static struct oxp_cw_config *config_of(const char *text) {
    static const struct oxp_cw_identity nobody = {"", "", NULL};
    struct oxp_yaml *yaml;
    const struct oxp_yaml_node *root;
    struct oxp_cw_config *config;
    assert_int_equal(oxp_yaml_parse(oxp_view_from(text), &yaml, &root, NULL), OXP_OK);
    assert_int_equal(oxp_cw_config_read(root, "test", &nobody, &config, NULL), OXP_OK);
    oxp_yaml_free(yaml);
    return config;
}

static void assert_published(struct world *world, struct oxp_cw_publisher *publisher, struct oxp_outbox *outbox,
                             const char *expected) {
    struct oxp_cw_published published;
    struct oxp_outbox_message message = {0};
    struct oxp_arena arena;
    struct oxp_buf told;
    int64_t next_ms, now_ms = world_now(world);
    oxp_arena_init(&arena, 0);
    oxp_buf_init(&told, 0);
    assert_int_equal(oxp_cw_publish(publisher, now_ms, &published, NULL), OXP_OK);
    if (oxp_outbox_claim(outbox, OXP_VIEW(OXP_CW_RECEIVER), now_ms, &arena, &message, &next_ms) == OXP_OK) {
        assert_int_equal(oxp_outbox_sent(outbox, message.id, OXP_VIEW("ok"), now_ms), OXP_OK);
    }
    /* Rule's name and value of each datum. */
    const char *text = message.content.ptr == NULL ? "" : message.content.ptr;
    for (const char *at = strstr(text, "\"Rule\",\"Value\":\""); at != NULL;
         at = strstr(at + 1, "\"Rule\",\"Value\":\"")) {
        const char *name = at + strlen("\"Rule\",\"Value\":\""), *value = strstr(name, ",\"Value\":");
        oxp_buf_append(&told, name, strcspn(name, "\""));
        oxp_buf_append_char(&told, '=');
        oxp_buf_append(&told, value + strlen(",\"Value\":"), strcspn(value + strlen(",\"Value\":"), "}"));
        oxp_buf_append_char(&told, ' ');
    }
    assert_string_equal(oxp_buf_text(&told), expected);
    oxp_buf_fini(&told);
    oxp_arena_fini(&arena);
}

static void states_of_rules(void **state) {
    (void)state;
    static const struct {
        const char *chosen, *before, *while_it_fires;
    } rows[] = {
        {"{}", "Up=0 Other=0 Slow=0 ", "Up=1 Other=0 Slow=0 "},
        {"{severity: [critical]}", "Up=0 ", "Up=1 "},
        {"{alertname: [Slow, Other]}", "Other=0 Slow=0 ", "Other=0 Slow=0 "},
        {"{severity: [critical], alertname: [Slow]}", "", ""},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char text[128];
        struct world world;
        struct oxp_outbox *outbox;
        struct oxp_cw_publisher *publisher;
        world_open(&world, "groups:\n- name: g\n  rules:\n"
                           "  - {alert: Up, expr: v > 1, labels: {severity: critical}}\n"
                           "  - {alert: Up, expr: v > 100, labels: {severity: critical}}\n"
                           "  - {record: r, expr: v}\n"
                           "  - {alert: Other, expr: w > 1, labels: {severity: info}}\n"
                           "  - {alert: Slow, expr: v > 1, for: 1h}\n");
        assert_int_equal(oxp_outbox_open(&(struct oxp_outbox_options){0}, world_now(&world), &outbox, NULL, NULL),
                         OXP_OK);
        snprintf(text, sizeof text, "dimensions: {}\nmetrics: []\nrule_alarms: %s\n", rows[i].chosen);
        struct oxp_cw_config *config = config_of(text);
        const struct oxp_cw_publisher_options options = {
            .config = config, .tsdb = world.tsdb, .engine = world.engine, .outbox = outbox, .rules = world.rules};
        assert_int_equal(oxp_cw_publisher_new(&options, &publisher, NULL), OXP_OK);
        assert_published(&world, publisher, outbox, ""); /* nobody knows yet */
        world_set(&world, "v", 0);
        world_step(&world, 2);
        assert_published(&world, publisher, outbox, rows[i].before);
        world_set(&world, "v", 2);
        world_step(&world, 2);
        assert_published(&world, publisher, outbox, rows[i].while_it_fires);
        world_set(&world, "v", 0);
        world_step(&world, 2);
        assert_published(&world, publisher, outbox, rows[i].before);
        oxp_cw_publisher_free(publisher);
        oxp_cw_config_free(config);
        oxp_outbox_close(outbox);
        world_close(&world);
    }
}

/* A 0 before the rule was evaluated would clear an alarm that rang before the restart. */
static void states_that_are_not_known_yet(void **state) {
    (void)state;
    struct world world;
    struct oxp_outbox *outbox;
    struct oxp_cw_publisher *publisher;
    world_open(&world, "groups:\n- name: g\n  rules:\n  - {alert: A, expr: v > 1}\n  - {alert: C, expr: v > 9}\n"
                       "- name: late\n  interval: 8h\n  rules:\n  - {alert: A, expr: v > 5}\n"
                       "  - {alert: B, expr: v > 1}\n");
    assert_int_equal(oxp_outbox_open(&(struct oxp_outbox_options){0}, world_now(&world), &outbox, NULL, NULL), OXP_OK);
    struct oxp_cw_config *config = config_of("dimensions: {}\nmetrics: []\nrule_alarms: {}\n");
    const struct oxp_cw_publisher_options options = {
        .config = config, .tsdb = world.tsdb, .engine = world.engine, .outbox = outbox, .rules = world.rules};
    assert_int_equal(oxp_cw_publisher_new(&options, &publisher, NULL), OXP_OK);
    world_set(&world, "v", 0);
    world_step(&world, 2);
    assert_published(&world, publisher, outbox, "C=0 ");
    world_set(&world, "v", 2);
    world_step(&world, 2);
    assert_published(&world, publisher, outbox, "A=1 C=0 "); /* one that fires is enough */
    oxp_cw_publisher_free(publisher);
    oxp_cw_config_free(config);
    oxp_outbox_close(outbox);
    world_close(&world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packs_above_10240),
        cmocka_unit_test(too_old_is_refused),
        cmocka_unit_test(without_keys_it_waits_for_them),
        cmocka_unit_test(verdicts),
        cmocka_unit_test(expired_keys_are_tried_again_at_once),
        cmocka_unit_test(states_of_rules),
        cmocka_unit_test(states_that_are_not_known_yet),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
