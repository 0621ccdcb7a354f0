/* The lane otlp: bodies byte for byte, limits, what a publisher puts into the outbox, requests, and answers that take
 * part of it. */
#include "tests/unit/alerts/cloudwatch/publish_world.h"

#include "alerts/cloudwatch/encode.h"
#include "lib/json/json.h"
#include "tests/support/alloc_fail.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#define NOW_MS (START_S * 1000)
#define SINCE_MS (NOW_MS - 60000)
#define LANE "lane: otlp\notlp_untried: true\n"
#define BEGIN_TIME "\"startTimeUnixNano\":\"1699999980000000000\""
#define END_TIME "\"timeUnixNano\":\"1700000040000000000\""
#define HEAD(attributes)                                                                                               \
    "{\"resourceMetrics\":[{\"resource\":{\"attributes\":[" attributes                                                 \
    "]},\"scopeMetrics\":[{\"scope\":{\"name\":\"oxpecker\"},\"metrics\":["
#define TAIL "]}]}]}"

/* ---- A set of data ---- */

struct set {
    struct oxp_arena arena; /* also of the labels */
    struct oxp_cw_config *config;
    struct oxp_cw_published published;
    struct oxp_cw_data data;
    struct oxp_cw_bodies bodies;
};

static void open_set(struct set *set, const char *yaml_text) {
    struct oxp_labels_builder builder;
    struct oxp_cw_identity identity = {"a \"shop\"", "test", NULL};
    struct oxp_error error = {0};
    struct oxp_yaml *yaml;
    const struct oxp_yaml_node *root;
    *set = (struct set){0};
    oxp_arena_init(&set->arena, 0);
    oxp_labels_build(&builder, &set->arena, oxp_labels_none());
    oxp_labels_set_text(&builder, OXP_VIEW("replica"), OXP_VIEW("é"));
    identity.external_labels = oxp_labels_finish(&builder);
    assert_int_equal(oxp_yaml_parse(oxp_view_from(yaml_text), &yaml, &root, &error), OXP_OK);
    if (oxp_cw_config_read(root, "test", &identity, &set->config, &error) != OXP_OK) {
        fail_msg("%u:%u: %s", error.line, error.column, error.text);
    }
    oxp_yaml_free(yaml);
    set->data = (struct oxp_cw_data){.arena = &set->arena, .published = &set->published};
}

static void close_set(struct set *set) {
    oxp_arena_fini(&set->arena);
    oxp_cw_config_free(set->config);
}

static void add(struct set *set, struct oxp_cw_datum datum) {
    datum.name = datum.name == NULL ? "M" : datum.name;
    datum.unit = datum.unit == NULL ? "" : datum.unit;
    assert_int_equal(oxp_cw_data_add(&set->data, &datum), OXP_OK);
}

static void encode(struct set *set) {
    assert_int_equal(oxp_cw_otlp(set->config, &set->data, SINCE_MS, NOW_MS, &set->bodies), OXP_OK);
}

#define RESOURCE                                                                                                       \
    "{\"key\":\"service.name\",\"value\":{\"stringValue\":\"a \\\"shop\\\"\"}},"                                       \
    "{\"key\":\"deployment.environment\",\"value\":{\"stringValue\":\"test\"}},"                                       \
    "{\"key\":\"replica\",\"value\":{\"stringValue\":\"é\"}}"

/* ---- One datum each ---- */

static const struct oxp_cw_pair pairs[] = {{"region", "eu\\1"}, {"zone", "a"}};
static const double seen[] = {4, 2, 3};
static const struct oxp_cw_bucket open_buckets[] = {{0, 0.5, 2}, {0.5, 1, 0}, {1, INFINITY, 3}};
static const struct oxp_cw_bucket bounded_buckets[] = {{-1, -0.5, 1}, {-0.5, 2, 1e15}};

/* clang-format off */
static const struct {
    const char *name;
    struct oxp_cw_datum datum;
    const char *metric; /* NULL: it is left out */
} rows[] = {
    {"a gauge is its last value", {.name = "G", .unit = "Seconds", .form = OXP_CW_SET, .count = 3, .sum = 9, .least = 2, .most = 4,
      .values = seen, .value_count = 3, .dimensions = pairs, .dimension_count = 2},
     "{\"name\":\"G\",\"unit\":\"s\",\"gauge\":{\"dataPoints\":[{\"attributes\":["
     "{\"key\":\"region\",\"value\":{\"stringValue\":\"eu\\\\1\"}},{\"key\":\"zone\",\"value\":{\"stringValue\":\"a\"}}],"
     END_TIME ",\"asDouble\":3}]}}"},
    {"a number is a gauge", {.name = "Heartbeat", .unit = "Count", .value = 1},
     "{\"name\":\"Heartbeat\",\"gauge\":{\"dataPoints\":[{\"attributes\":[]," END_TIME ",\"asDouble\":1}]}}"},
    {"a delta is a sum since then", {.name = "D", .unit = "Bytes/Second", .delta = true, .value = 2.5},
     "{\"name\":\"D\",\"unit\":\"By/s\",\"sum\":{\"dataPoints\":[{\"attributes\":[]," BEGIN_TIME "," END_TIME ",\"asDouble\":2.5}],"
     "\"aggregationTemporality\":1,\"isMonotonic\":true}}"},
    {"a delta of nothing", {.delta = true, .value = 0},
     "{\"name\":\"M\",\"sum\":{\"dataPoints\":[{\"attributes\":[]," BEGIN_TIME "," END_TIME ",\"asDouble\":0}],"
     "\"aggregationTemporality\":1,\"isMonotonic\":true}}"},
    {"buckets up to infinity", {.name = "H", .unit = "Percent", .form = OXP_CW_BUCKETS, .sum = 7.25, .buckets = open_buckets, .value_count = 3},
     "{\"name\":\"H\",\"unit\":\"%\",\"histogram\":{\"dataPoints\":[{\"attributes\":[]," BEGIN_TIME "," END_TIME
     ",\"bucketCounts\":[\"2\",\"0\",\"3\"],\"explicitBounds\":[0.5,1],\"count\":\"5\",\"sum\":7.25}],\"aggregationTemporality\":1}}"},
    {"buckets with an end, and no sum", {.form = OXP_CW_BUCKETS, .sum = NAN, .buckets = bounded_buckets, .value_count = 2},
     "{\"name\":\"M\",\"histogram\":{\"dataPoints\":[{\"attributes\":[]," BEGIN_TIME "," END_TIME
     ",\"bucketCounts\":[\"1\",\"1000000000000000\",\"0\"],\"explicitBounds\":[-0.5,2],\"count\":\"1000000000000001\"}],"
     "\"aggregationTemporality\":1}}"},
    {"NaN", {.value = NAN}, NULL},
    {"an infinite delta", {.delta = true, .value = INFINITY}, NULL},
    {"a sum without end", {.form = OXP_CW_BUCKETS, .sum = INFINITY, .buckets = open_buckets, .value_count = 3}, NULL},
    {"no buckets", {.form = OXP_CW_BUCKETS, .sum = 0, .buckets = open_buckets, .value_count = 0}, NULL},
    {"a name that is not ASCII", {.name = "é", .value = 1}, NULL},
};
/* clang-format on */

static void each_datum(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct set set;
        struct oxp_buf expected;
        print_message("%s\n", rows[i].name);
        open_set(&set, LANE "metrics: []");
        add(&set, rows[i].datum);
        encode(&set);
        assert_int_equal(set.bodies.count, rows[i].metric == NULL ? 0 : 1);
        assert_int_equal(set.published.left_out, rows[i].metric == NULL ? 1 : 0);
        if (rows[i].metric != NULL) {
            oxp_buf_init(&expected, 0);
            oxp_buf_append_format(&expected, HEAD(RESOURCE) "%s" TAIL, rows[i].metric);
            assert_int_equal(set.bodies.list[0].data, 1);
            assert_string_equal(set.bodies.list[0].text.ptr, oxp_buf_text(&expected));
            oxp_buf_fini(&expected);
        }
        close_set(&set);
    }
}

/* Points that follow each other share their metric; another kind, name or unit begins another. */
static void points_share_a_metric(void **state) {
    (void)state;
    struct set set;
    open_set(&set, LANE "metrics: []");
    add(&set, (struct oxp_cw_datum){.name = "A", .value = 1, .dimensions = pairs, .dimension_count = 1});
    add(&set, (struct oxp_cw_datum){.name = "A", .value = 2});
    add(&set, (struct oxp_cw_datum){.name = "A", .delta = true, .value = 3});
    add(&set, (struct oxp_cw_datum){.name = "A", .value = NAN});
    add(&set, (struct oxp_cw_datum){.name = "A", .delta = true, .value = 4});
    add(&set, (struct oxp_cw_datum){.name = "B", .delta = true, .value = 5});
    add(&set, (struct oxp_cw_datum){.name = "B", .unit = "Bytes", .delta = true, .value = 6});
    encode(&set);
    assert_int_equal(set.bodies.count, 1);
    assert_int_equal(set.bodies.list[0].data, 6);
    assert_string_equal(
        set.bodies.list[0].text.ptr,
        HEAD(RESOURCE) "{\"name\":\"A\",\"gauge\":{\"dataPoints\":[{\"attributes\":[{\"key\":\"region\",\"value\":{"
                       "\"stringValue\":\"eu\\\\1\"}}]," END_TIME ",\"asDouble\":1},{\"attributes\":[]," END_TIME
                       ",\"asDouble\":2}]}},"
                       "{\"name\":\"A\",\"sum\":{\"dataPoints\":[{\"attributes\":[]," BEGIN_TIME "," END_TIME
                       ",\"asDouble\":3},{\"attributes\":[]," BEGIN_TIME "," END_TIME
                       ",\"asDouble\":4}],\"aggregationTemporality\":1,\"isMonotonic\":true}},"
                       "{\"name\":\"B\",\"sum\":{\"dataPoints\":[{\"attributes\":[]," BEGIN_TIME "," END_TIME
                       ",\"asDouble\":5}],\"aggregationTemporality\":1,\"isMonotonic\":true}},"
                       "{\"name\":\"B\",\"unit\":\"By\",\"sum\":{\"dataPoints\":[{\"attributes\":[]," BEGIN_TIME
                       "," END_TIME ",\"asDouble\":6}],\"aggregationTemporality\":1,\"isMonotonic\":true}}" TAIL);
    close_set(&set);
}

/* ---- Limits ---- */

static size_t points_of(struct oxp_view body) {
    struct oxp_json *json;
    size_t count = 0;
    struct oxp_error error = {0};
    assert_true(body.len <= OXP_CW_BODY_MAX);
    if (oxp_json_read(body, &json, &error) != OXP_OK) {
        fail_msg("%s", error.text);
    }
    const struct oxp_json *scope =
        oxp_json_at(oxp_json_get(oxp_json_at(oxp_json_get(json, "resourceMetrics"), 0), "scopeMetrics"), 0);
    const struct oxp_json *metrics = oxp_json_get(scope, "metrics");
    for (size_t i = 0; i < oxp_json_size(metrics); i++) {
        count += oxp_json_size(oxp_json_get(oxp_json_get(oxp_json_at(metrics, i), "sum"), "dataPoints"));
    }
    oxp_json_free(json);
    return count;
}

static void bodies_are_filled_and_not_more(void **state) {
    (void)state;
    static char text[1025];
    static const struct {
        size_t data, attributes, bodies;
    } sizes[] = {{0, 0, 0}, {1000, 0, 1}, {1001, 0, 2}, {2500, 0, 3}, {700, 2, 2}};
    memset(text, 'v', 1024);
    const struct oxp_cw_pair long_pairs[] = {{"A", text}, {"B", text}};
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        struct set set;
        size_t total = 0;
        open_set(&set, LANE "metrics: []");
        for (size_t k = 0; k < sizes[i].data; k++) {
            add(&set, (struct oxp_cw_datum){.name = k % 2 == 0 ? "A" : "B",
                                            .delta = true,
                                            .value = (double)k,
                                            .dimensions = long_pairs,
                                            .dimension_count = sizes[i].attributes});
        }
        encode(&set);
        assert_int_equal(set.bodies.count, sizes[i].bodies);
        for (size_t k = 0; k < set.bodies.count; k++) {
            size_t points = points_of(set.bodies.list[k].text);
            assert_int_equal(points, set.bodies.list[k].data);
            assert_true(points <= OXP_CW_DATA_MAX);
            total += points;
        }
        assert_int_equal(total, sizes[i].data);
        assert_true(sizes[i].attributes == 0 || set.bodies.list[0].text.len > OXP_CW_BODY_MAX - 5000);
        close_set(&set);
    }
}

static void encode_once(void *ctx) {
    struct set *set = ctx;
    set->data.list = NULL;
    set->data.count = 0;
    for (size_t i = 0; i < 3 && !alloc_fail_hit(); i++) {
        const struct oxp_cw_datum datum = {.name = i == 1 ? "A" : "B", .unit = "Count", .value = 1};
        (void)oxp_cw_data_add(&set->data, &datum);
    }
    if (!alloc_fail_hit()) {
        enum oxp_status status = oxp_cw_otlp(set->config, &set->data, SINCE_MS, NOW_MS, &set->bodies);
        assert_int_equal(status, alloc_fail_hit() ? OXP_ERR_NOMEM : OXP_OK);
        assert_int_equal(set->bodies.count, status == OXP_OK ? 1 : 0);
    }
    oxp_arena_fini(&set->arena);
    oxp_arena_init(&set->arena, 0);
}

static void allocations_fail(void **state) {
    (void)state;
    struct set set;
    open_set(&set, LANE "metrics: []");
    assert_true(alloc_fail_each(encode_once, &set) > 3);
    close_set(&set);
}

/* ---- The publisher ---- */

static const char *waiting_text(struct world *world) {
    struct oxp_outbox_message message;
    struct oxp_arena arena;
    int64_t next_ms, later_ms = NOW_MS + 86400000;
    oxp_arena_init(&arena, 0);
    oxp_buf_clear(&world->text);
    assert_int_equal(oxp_outbox_claim(world->outbox, OXP_VIEW(OXP_CW_RECEIVER), later_ms, &arena, &message, &next_ms),
                     OXP_OK);
    oxp_buf_append_view(&world->text, message.content);
    assert_int_equal(oxp_outbox_sent(world->outbox, message.id, OXP_VIEW("ok"), later_ms), OXP_OK);
    oxp_arena_fini(&arena);
    return oxp_buf_text(&world->text);
}

static const char world_yaml[] = LANE "metrics:\n"
                                      "- {expr: e, name: Errors, kind: delta}\n"
                                      "- {expr: g, name: g, kind: gauge, by: [x]}\n"
                                      "- {expr: h_bucket, name: Time, kind: distribution, unit: Seconds}\n"
                                      "heartbeat: {}\n";

static void set_histogram(struct world *world, double at_s, double one, double all, double sum) {
    world_set(world, at_s, "h_bucket,le=1", one);
    world_set(world, at_s, "h_bucket,le=2", one);
    world_set(world, at_s, "h_bucket,le=+Inf", all);
    world_set(world, at_s, "h_sum", sum);
}

#define AT(second) "\"1700000" second "000000000\""
#define HEARTBEAT(time)                                                                                                \
    "{\"name\":\"Heartbeat\",\"gauge\":{\"dataPoints\":[{\"attributes\":[],\"timeUnixNano\":" time ",\"asDouble\":1}]" \
    "}}"

static void a_period(void **state) {
    (void)state;
    struct world world;
    world_open(&world, world_yaml, NULL);
    world_set(&world, -50, "e", 0);
    set_histogram(&world, -50, 0, 0, 0);
    world_set(&world, -40, "g,x=eu", 7);
    world_set(&world, -5, "e", 3);
    world_set(&world, -5, "g,x=eu", 4);
    set_histogram(&world, -5, 2, 5, 12.5);
    assert_int_equal(world_try(&world, 0), OXP_OK);
    assert_int_equal(world.published.data, 4);
    assert_int_equal(world.published.messages, 1);
    assert_string_equal(
        waiting_text(&world),
        HEAD("") "{\"name\":\"Errors\",\"sum\":{\"dataPoints\":[{\"attributes\":[],\"startTimeUnixNano\":"
                 "\"1699999980000000000\",\"timeUnixNano\":" AT(
                     "040") ",\"asDouble\":3}],\"aggregationTemporality\":1,"
                            "\"isMonotonic\":true}},"
                            "{\"name\":\"g\",\"gauge\":{\"dataPoints\":[{\"attributes\":[{\"key\":\"x\",\"value\":{"
                            "\"stringValue\":"
                            "\"eu\"}}],\"timeUnixNano\":" AT(
                                "040") ",\"asDouble\":4}]}},"
                                       "{\"name\":\"Time\",\"unit\":\"s\",\"histogram\":{\"dataPoints\":[{"
                                       "\"attributes\":[],"
                                       "\"startTimeUnixNano\":\"1699999980000000000\",\"timeUnixNano\":" AT(
                                           "040") ",\"bucketCounts\":[\"2\","
                                                  "\"0\",\"3\"],\"explicitBounds\":[1,2],\"count\":\"5\",\"sum\":12.5}]"
                                                  ",\"aggregationTemporality\":1}}," HEARTBEAT(AT("040")) TAIL);
    /* The next one was late: what is counted began when the last one ended. Nothing was observed: no histogram. */
    world_set(&world, 175, "e", 4);
    set_histogram(&world, 175, 2, 5, 12.5);
    assert_int_equal(world_try(&world, 180), OXP_OK);
    assert_string_equal(
        waiting_text(&world),
        HEAD("") "{\"name\":\"Errors\",\"sum\":{\"dataPoints\":[{\"attributes\":[],\"startTimeUnixNano\":" AT(
            "040") ","
                   "\"timeUnixNano\":" AT(
                       "220") ",\"asDouble\":1}],\"aggregationTemporality\":1,\"isMonotonic\":true}},"
                              "{\"name\":\"g\",\"gauge\":{\"dataPoints\":[{\"attributes\":[{\"key\":\"x\",\"value\":{"
                              "\"stringValue\":"
                              "\"eu\"}}],\"timeUnixNano\":" AT("220") ",\"asDouble\":4}]}}," HEARTBEAT(AT("220")) TAIL);
    world_close(&world);
}

/* The last run published up to its end; what is counted since is of this one. */
static void the_first_period_of_a_run(void **state) {
    static const struct {
        int64_t began_s;
        const char *since;
    } runs[] = {
        {-20, AT("020")},
        {-60, "\"1699999980000000000\""},
        {-70, "\"1699999980000000000\""},
        {0, "\"1699999980000000000\""}, /* it cannot be: the clock was set */
        {5, "\"1699999980000000000\""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof runs / sizeof runs[0]; i++) {
        struct world world;
        char wanted[64];
        world_open(&world, world_yaml, NULL);
        world.options.began_ms = (START_S + runs[i].began_s) * 1000;
        world_restart(&world, world_yaml);
        world_set(&world, -5, "e", 0);
        assert_int_equal(world_try(&world, 0), OXP_OK);
        snprintf(wanted, sizeof wanted, "\"startTimeUnixNano\":%s,", runs[i].since);
        const char *told = waiting_text(&world);
        if (strstr(told, wanted) == NULL) {
            fail_msg("%s is not in\n%s", wanted, told);
        }
        world_close(&world);
    }
}

static void buckets_must_agree(void **state) {
    (void)state;
    struct world world;
    world_open(&world, LANE "metrics: [{expr: h_bucket, name: H, kind: distribution}]", NULL);
    world_set(&world, -50, "h_bucket,x=a,le=1", 0);
    world_set(&world, -50, "h_bucket,x=a,le=+Inf", 0);
    world_set(&world, -50, "h_bucket,x=b,le=2", 0);
    world_set(&world, -50, "h_bucket,x=b,le=+Inf", 0);
    world_set(&world, -5, "h_bucket,x=a,le=1", 1);
    world_set(&world, -5, "h_bucket,x=a,le=+Inf", 1);
    world_set(&world, -5, "h_bucket,x=b,le=2", 1);
    world_set(&world, -5, "h_bucket,x=b,le=+Inf", 1);
    assert_int_equal(world_try(&world, 0), OXP_OK);
    assert_int_equal(world.published.left_out, 1);
    assert_int_equal(world.published.messages, 0);
    assert_non_null(strstr(world.published.first_left_out.text, "other buckets"));
    world_close(&world);
}

/* ---- The queue ---- */

static const char *variable(void *ctx, const char *name) {
    (void)ctx;
    if (strcmp(name, "AWS_ACCESS_KEY_ID") == 0 || strcmp(name, "AWS_SECRET_ACCESS_KEY") == 0) {
        return "AKIDEXAMPLE";
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

static void open_sender(struct sender *sender) {
    struct oxp_error error = {0};
    *sender = (struct sender){.world = {.getenv = variable}};
    oxp_clock_manual_init(&sender->clock, (double)START_S);
    sender->world.clock = &sender->clock.clock;
    oxp_arena_init(&sender->arena, 0);
    const struct oxp_aws_client_options options = {
        .world = &sender->world, .place = {.region = OXP_VIEW("us-east-1")}, .service = "monitoring"};
    assert_int_equal(oxp_aws_client_new(&options, &sender->client, &error), OXP_OK);
    sender->recipient = oxp_cw_recipient(sender->client);
}

static void close_sender(struct sender *sender) {
    oxp_aws_client_free(sender->client);
    oxp_arena_fini(&sender->arena);
}

static const char *header(const struct oxp_http_request *request, const char *name) {
    for (size_t i = 0; request->headers[i] != NULL; i++) {
        if (strncasecmp(request->headers[i], name, strlen(name)) == 0) {
            return request->headers[i] + strlen(name);
        }
    }
    return NULL;
}

/* By what the message is: one of another lane may still wait. */
static void requests(void **state) {
    (void)state;
    static const struct {
        const char *content, *url, *type;
        bool target;
    } messages[] = {
        {HEAD("") TAIL, "https://monitoring.us-east-1.amazonaws.com/v1/metrics", " application/json", false},
        {"{\"Namespace\":\"N\",\"MetricData\":[]}", "https://monitoring.us-east-1.amazonaws.com/",
         " application/x-amz-json-1.0", true},
    };
    for (size_t i = 0; i < COUNT_OF(messages); i++) {
        struct sender sender;
        struct oxp_http_request request = {0};
        struct oxp_verdict verdict = {0};
        struct oxp_outbox_message message = {.content = oxp_view_from(messages[i].content), .made_ms = NOW_MS};
        open_sender(&sender);
        assert_int_equal(
            sender.recipient.prepare(sender.recipient.ctx, &message, NOW_MS, &sender.arena, &request, &verdict),
            OXP_OK);
        assert_string_equal(request.url, messages[i].url);
        assert_string_equal(header(&request, "content-type:"), messages[i].type);
        assert_int_equal(header(&request, "x-amz-target:") != NULL, messages[i].target);
        assert_non_null(strstr(header(&request, "authorization:"), "/us-east-1/monitoring/aws4_request"));
        close_sender(&sender);
    }
}

static void answers(void **state) {
    (void)state;
    static const struct {
        const char *content, *body, *answer;
        uint64_t rejected;
    } said[] = {
        {HEAD("") TAIL, "{}", "HTTP 200", 0},
        {HEAD("") TAIL, "{\"partialSuccess\":{}}", "HTTP 200", 0},
        {HEAD("") TAIL, "{\"partialSuccess\":{\"rejectedDataPoints\":\"0\",\"errorMessage\":\"a hint\"}}", "HTTP 200",
         0},
        {HEAD("") TAIL, "{\"partialSuccess\":{\"rejectedDataPoints\":\"3\",\"errorMessage\":\"too old\"}}",
         "rejected data points: 3, too old", 3},
        {HEAD("") TAIL, "{\"partialSuccess\":{\"rejectedDataPoints\":12}}", "rejected data points: 12", 12},
        {HEAD("") TAIL, "{\"partialSuccess\":{\"rejectedDataPoints\":\"x\"}}", "HTTP 200", 0},
        {HEAD("") TAIL, "{\"partialSuccess\":{\"rejectedDataPoints\":-1}}", "HTTP 200", 0},
        {HEAD("") TAIL, "\x0a\x02\x08\x03", "HTTP 200", 0},
        {HEAD("") TAIL, "", "HTTP 200", 0},
        {"{\"Namespace\":\"N\"}", "{\"partialSuccess\":{\"rejectedDataPoints\":\"3\"}}", "HTTP 200", 0},
    };
    for (size_t i = 0; i < COUNT_OF(said); i++) {
        struct sender sender;
        struct oxp_verdict verdict = {0};
        struct oxp_outbox_message message = {.content = oxp_view_from(said[i].content), .made_ms = NOW_MS, .tries = 1};
        struct oxp_http_response response = {
            .status = 200, .body = (char *)(uintptr_t)said[i].body, .body_len = strlen(said[i].body)};
        open_sender(&sender);
        sender.recipient.judge(sender.recipient.ctx, &message, OXP_OK, &response, NULL, NOW_MS, &sender.arena,
                               &verdict);
        assert_int_equal(verdict.delivery, OXP_DELIVERED);
        assert_true(oxp_view_is(verdict.answer, said[i].answer));
        assert_int_equal(oxp_cw_rejected(verdict.answer), said[i].rejected);
        close_sender(&sender);
    }
    assert_int_equal(oxp_cw_rejected(OXP_VIEW("rejected data points: ")), 0);
    assert_int_equal(oxp_cw_rejected(oxp_view_of(NULL, 0)), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_datum),
        cmocka_unit_test(points_share_a_metric),
        cmocka_unit_test(bodies_are_filled_and_not_more),
        cmocka_unit_test(allocations_fail),
        cmocka_unit_test(a_period),
        cmocka_unit_test(the_first_period_of_a_run),
        cmocka_unit_test(buckets_must_agree),
        cmocka_unit_test(requests),
        cmocka_unit_test(answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
