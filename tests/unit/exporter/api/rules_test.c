/* /api/v1/rules and /api/v1/alerts over a real server; what there is to show is a stand-in for oxp_rules_view. */
#include "exporter/api/rules_json.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/exporter/api/world.h"
#include "tests/unit/exporter/serve/client.h"

#define API "/api/v1/"
#define GET(path) "GET " API path " HTTP/1.1\r\nHost: localhost\r\n\r\n"
#define FAULT(type, text) "{\"status\":\"error\",\"errorType\":\"" type "\",\"error\":\"" text "\"}"
#define OK(data) "{\"status\":\"success\",\"data\":" data "}"
#define BASE_MS INT64_C(1700000000000) /* 2023-11-14T22:13:20Z */

static struct world world;
static bool no_memory;
static struct oxp_arena arena;

/* ---- What there is ---- */

static const struct oxp_labels *labels_of(const char *const *pairs) {
    struct oxp_labels_builder builder;
    oxp_labels_build(&builder, &arena, oxp_labels_none());
    for (size_t i = 0; pairs[i] != NULL; i += 2) {
        oxp_labels_set_text(&builder, oxp_view_from(pairs[i]), oxp_view_from(pairs[i + 1]));
    }
    return oxp_labels_finish(&builder);
}
#define LABELS(...) labels_of((const char *const[]){__VA_ARGS__, NULL})

static struct oxp_alert_view alerts[2];
static struct oxp_rule_view rules[5];
static struct oxp_group_view groups[3];

static void make_rules(void) {
    alerts[0] = (struct oxp_alert_view){
        .labels = LABELS("alertname", "Down", "job", "a", "severity", "critical"),
        .annotations = LABELS("summary", "a is \"down\""),
        .value = 1,
        .life = {.state = OXP_ALERT_FIRING, .active_ms = BASE_MS + 345, .fired_ms = BASE_MS + 60345},
    };
    alerts[1] = (struct oxp_alert_view){
        .labels = LABELS("alertname", "Down", "job", "b", "severity", "critical"),
        .annotations = oxp_labels_none(),
        .value = -0.25,
        .life = {.state = OXP_ALERT_PENDING, .active_ms = BASE_MS, .keep_firing_since_ms = BASE_MS + 120},
    };
    rules[0] = (struct oxp_rule_view){
        .kind = OXP_RULE_RECORDING,
        .name = OXP_VIEW("job:up:sum"),
        .query = OXP_VIEW("sum by (job) (up)"),
        .labels = LABELS("team", "x"),
        .annotations = oxp_labels_none(),
        .health = OXP_RULE_OK,
        .last_ms = BASE_MS + 1500,
        .seconds = 0.000123,
    };
    rules[1] = (struct oxp_rule_view){
        .kind = OXP_RULE_ALERTING,
        .name = OXP_VIEW("Down"),
        .query = OXP_VIEW("up == 0"),
        .for_ms = 60000,
        .keep_firing_for_ms = 1500,
        .labels = LABELS("severity", "critical"),
        .annotations = LABELS("summary", "{{ $labels.job }} is \"down\""),
        .health = OXP_RULE_OK,
        .state = OXP_ALERT_FIRING,
        .last_ms = BASE_MS + 60345,
        .seconds = 0.5,
        .alerts = alerts,
        .alert_count = 2,
    };
    rules[2] = (struct oxp_rule_view){
        .kind = OXP_RULE_ALERTING,
        .name = OXP_VIEW("Never"),
        .query = OXP_VIEW("vector(1) > 2"),
        .labels = oxp_labels_none(),
        .annotations = oxp_labels_none(),
    };
    rules[3] = rules[0];
    rules[3].health = OXP_RULE_FAILED;
    rules[3].last_error = OXP_VIEW("many \"x\"");
    rules[4] = rules[2];
    groups[0] = (struct oxp_group_view){OXP_VIEW("z"), OXP_VIEW("b.yml"), 15000, 0, 0, 0, 0, &rules[4], 1};
    groups[1] = (struct oxp_group_view){OXP_VIEW("a"), OXP_VIEW("b.yml"), 500, BASE_MS + 60345, 0.75, 7, 3, rules, 2};
    groups[2] = (struct oxp_group_view){OXP_VIEW("m"), OXP_VIEW("a.yml"), 60000, BASE_MS, 0, 0, 0, &rules[2], 2};
}

enum oxp_status oxp_rules_view(struct oxp_rules *of, struct oxp_arena *into, const struct oxp_group_view **groups_out,
                               size_t *count_out) {
    (void)into;
    assert_ptr_equal(of, world.api.rules);
    *groups_out = groups;
    *count_out = sizeof groups / sizeof groups[0];
    return no_memory ? OXP_ERR_NOMEM : OXP_OK;
}

/* ---- What is answered ---- */

#define ALERTS                                                                                                         \
    "{\"labels\":{\"alertname\":\"Down\",\"job\":\"a\",\"severity\":\"critical\"},"                                    \
    "\"annotations\":{\"summary\":\"a is \\\"down\\\"\"},"                                                             \
    "\"state\":\"firing\",\"activeAt\":\"2023-11-14T22:13:20.345Z\",\"value\":\"1e+00\"},"                             \
    "{\"labels\":{\"alertname\":\"Down\",\"job\":\"b\",\"severity\":\"critical\"},\"annotations\":{},"                 \
    "\"state\":\"pending\",\"activeAt\":\"2023-11-14T22:13:20Z\",\"keepFiringSince\":\"2023-11-14T22:13:20.12Z\","     \
    "\"value\":\"-2.5e-01\"}"
#define RECORD_OF(health)                                                                                              \
    "{\"name\":\"job:up:sum\",\"query\":\"sum by (job) (up)\",\"labels\":{\"team\":\"x\"},\"health\":" health ","      \
    "\"evaluationTime\":0.000123,\"lastEvaluation\":\"2023-11-14T22:13:21.5Z\",\"type\":\"recording\"}"
#define RECORD RECORD_OF("\"ok\"")
#define FAILED RECORD_OF("\"err\",\"lastError\":\"many \\\"x\\\"\"")
#define DOWN_OF(list)                                                                                                  \
    "{\"state\":\"firing\",\"name\":\"Down\",\"query\":\"up == 0\",\"duration\":60,\"keepFiringFor\":1.5,"             \
    "\"labels\":{\"severity\":\"critical\"},\"annotations\":{\"summary\":\"{{ $labels.job }} is \\\"down\\\"\"},"      \
    "\"alerts\":" list ",\"health\":\"ok\",\"evaluationTime\":0.5,"                                                    \
    "\"lastEvaluation\":\"2023-11-14T22:14:20.345Z\",\"type\":\"alerting\"}"
#define DOWN DOWN_OF("[" ALERTS "]")
#define NEVER                                                                                                          \
    "{\"state\":\"inactive\",\"name\":\"Never\",\"query\":\"vector(1) > 2\",\"duration\":0,\"keepFiringFor\":0,"       \
    "\"labels\":{},\"annotations\":{},\"alerts\":[],\"health\":\"unknown\",\"evaluationTime\":0,"                      \
    "\"lastEvaluation\":\"0001-01-01T00:00:00Z\",\"type\":\"alerting\"}"
#define GROUP_A(list)                                                                                                  \
    "{\"name\":\"a\",\"file\":\"b.yml\",\"rules\":[" list "],\"interval\":0.5,\"limit\":7,\"evaluationTime\":0.75,"    \
    "\"lastEvaluation\":\"2023-11-14T22:14:20.345Z\"}"
#define GROUP_M(list)                                                                                                  \
    "{\"name\":\"m\",\"file\":\"a.yml\",\"rules\":[" list "],\"interval\":60,\"limit\":0,\"evaluationTime\":0,"        \
    "\"lastEvaluation\":\"2023-11-14T22:13:20Z\"}"
#define GROUP_Z(list)                                                                                                  \
    "{\"name\":\"z\",\"file\":\"b.yml\",\"rules\":[" list "],\"interval\":15,\"limit\":0,\"evaluationTime\":0,"        \
    "\"lastEvaluation\":\"0001-01-01T00:00:00Z\"}"
#define GROUPS(list) OK("{\"groups\":[" list "]}")
#define BAD(parameter, text) FAULT("bad_data", "invalid parameter \\\"" parameter "\\\": " text)

struct row {
    const char *name, *request;
    int status;
    const char *body;
};

static void check(const struct row *rows, size_t count) {
    for (size_t i = 0; i < count; i++) {
        struct answer answer;
        client_ask(world.port, rows[i].request, &answer);
        const char *body = answer.body == NULL ? "" : answer.body;
        if (answer.status != rows[i].status || answer.cut || strcmp(body, rows[i].body) != 0) {
            fail_msg("%s: %d\n%s%s\n%s", rows[i].name, answer.status, answer.head, body, rows[i].body);
        }
        answer_free(&answer);
    }
}
#define CHECK(rows) check(rows, sizeof(rows) / sizeof(rows)[0])

static void test_everything(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"alerts", GET("alerts"), 200, OK("{\"alerts\":[" ALERTS "]}")},
        {"rules", GET("rules"), 200, GROUPS(GROUP_M(NEVER "," FAILED) "," GROUP_A(RECORD "," DOWN) "," GROUP_Z(NEVER))},
    };
    CHECK(rows);
}

static void test_choosing(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"alerting", GET("rules?type=alert"), 200, GROUPS(GROUP_M(NEVER) "," GROUP_A(DOWN) "," GROUP_Z(NEVER))},
        {"recording", GET("rules?type=RECORD"), 200, GROUPS(GROUP_M(FAILED) "," GROUP_A(RECORD))},
        {"by name", GET("rules?rule_name[]=Down"), 200, GROUPS(GROUP_A(DOWN))},
        {"by names", GET("rules?rule_name[]=Down&rule_name[]=job:up:sum"), 200,
         GROUPS(GROUP_M(FAILED) "," GROUP_A(RECORD "," DOWN))},
        {"by group", GET("rules?rule_group[]=z"), 200, GROUPS(GROUP_Z(NEVER))},
        {"by file", GET("rules?file[]=a.yml"), 200, GROUPS(GROUP_M(NEVER "," FAILED))},
        {"by file and group", GET("rules?file[]=a.yml&rule_group[]=z"), 200, GROUPS("")},
        {"by label", GET("rules?match[]=%7Bteam=%22x%22%7D"), 200, GROUPS(GROUP_M(FAILED) "," GROUP_A(RECORD))},
        {"by labels", GET("rules?match[]=%7Bteam=%22x%22%7D&match[]=%7Bseverity=~%22c.*%22%7D"), 200,
         GROUPS(GROUP_M(FAILED) "," GROUP_A(RECORD "," DOWN))},
        {"by no label", GET("rules?match[]=%7Bteam=%22y%22%7D"), 200, GROUPS("")},
        {"without alerts", GET("rules?exclude_alerts=true&rule_name[]=Down"), 200, GROUPS(GROUP_A(DOWN_OF("null")))},
        {"with alerts", GET("rules?exclude_alerts=F&rule_name[]=Down"), 200, GROUPS(GROUP_A(DOWN))},
        {"type", GET("rules?type=x"), 400, BAD("type", "not supported value \\\"x\\\"")},
        {"exclude_alerts", GET("rules?exclude_alerts=no"), 400,
         BAD("exclude_alerts",
             "error converting exclude_alerts: strconv.ParseBool: parsing \\\"no\\\": invalid syntax")},
        {"match", GET("rules?match[]=%7B%7D"), 400,
         FAULT("bad_data", "match[] must contain at least one non-empty matcher")},
        {"POST",
         "POST " API "rules HTTP/1.1\r\nHost: h\r\nContent-Type: application/x-www-form-urlencoded\r\n"
         "Content-Length: 26\r\n\r\ntype=record&rule_group[]=m",
         200, GROUPS(GROUP_M(FAILED))},
        {"PUT", "PUT " API "rules HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n", 405,
         "{\"status\":\"error\",\"error\":\"this path takes GET, HEAD, POST\"}\n"},
    };
    CHECK(rows);
}

/* The token that an answer ends with, or "". */
static void next_of(const char *request, const char *head, char token[64]) {
    struct answer answer;
    const char *key = "],\"groupNextToken\":\"";
    client_ask(world.port, request, &answer);
    assert_int_equal(answer.status, 200);
    assert_int_equal(strncmp(answer.body, head, strlen(head)), 0);
    const char *rest = answer.body + strlen(head);
    token[0] = '\0';
    if (strncmp(rest, key, strlen(key)) == 0) {
        snprintf(token, 64, "%.*s", (int)strcspn(rest + strlen(key), "\""), rest + strlen(key));
    } else {
        assert_string_equal(rest, "]}}");
    }
    answer_free(&answer);
}

#define HEAD "{\"status\":\"success\",\"data\":{\"groups\":["

static void test_pages(void **state) {
    (void)state;
    char token[64], request[256];
    next_of(GET("rules?group_limit=3"), HEAD GROUP_M(NEVER "," FAILED) "," GROUP_A(RECORD "," DOWN) "," GROUP_Z(NEVER),
            token);
    assert_string_equal(token, "");
    next_of(GET("rules?group_limit=2"), HEAD GROUP_M(NEVER "," FAILED) "," GROUP_A(RECORD "," DOWN), token);
    assert_string_not_equal(token, "");
    snprintf(request, sizeof request, GET("rules?group_limit=2&group_next_token=%s"), token);
    next_of(request, HEAD GROUP_Z(NEVER), token);
    assert_string_equal(token, "");
    /* a group of which nothing was asked for takes no room */
    next_of(GET("rules?group_limit=1&rule_name[]=Down"), HEAD GROUP_A(DOWN), token);
    assert_string_equal(token, "");
    static const struct row rows[] = {
        {"token alone", GET("rules?group_next_token=x"), 400,
         BAD("group_next_token", "group_limit needs to be present in order to paginate over the groups")},
        {"wrong token", GET("rules?group_limit=1&group_next_token=x"), 400,
         BAD("group_next_token", "invalid group_next_token 'x'. were rule groups changed?")},
        {"limit 0", GET("rules?group_limit=0"), 400, BAD("group_limit", "group_limit needs to be greater than 0")},
        {"limit -1", GET("rules?group_limit=-1"), 400, BAD("group_limit", "group_limit needs to be greater than 0")},
        {"limit x", GET("rules?group_limit=x"), 400, BAD("group_limit", "group_limit needs to be a valid number")},
        {"limit 1e9", GET("rules?group_limit=9999999999"), 400,
         BAD("group_limit", "group_limit needs to be a valid number")},
    };
    CHECK(rows);
}

static void test_nothing(void **state) {
    (void)state;
    static const struct row none[] = {
        {"rules", GET("rules"), 200, GROUPS("")},
        {"alerts", GET("alerts"), 200, OK("{\"alerts\":[]}")},
    };
    static const struct row starved[] = {
        {"rules", GET("rules"), 503, FAULT("unavailable", "no memory for the answer")},
        {"alerts", GET("alerts"), 503, FAULT("unavailable", "no memory for the answer")},
    };
    struct oxp_rules *there = world.api.rules;
    world.api.rules = NULL;
    CHECK(none);
    world.api.rules = there;
    no_memory = true;
    CHECK(starved);
    no_memory = false;
}

/* What strconv.FormatFloat gives for 'e' and -1. */
static const struct {
    double value;
    const char *text;
} values[] = {
    {0, "0e+00"},
    {-0.0, "-0e+00"},
    {1, "1e+00"},
    {10, "1e+01"},
    {100.5, "1.005e+02"},
    {-12345.678, "-1.2345678e+04"},
    {0.1, "1e-01"},
    {0.00125, "1.25e-03"},
    {0.000001, "1e-06"},
    {1.5e-7, "1.5e-07"},
    {1e21, "1e+21"},
    {123456789012345680000.0, "1.2345678901234568e+20"},
    {1e100, "1e+100"},
    {5e-324, "5e-324"},
    {1.7976931348623157e308, "1.7976931348623157e+308"},
    {20, "2e+01"},
    {1.0 / 3, "3.333333333333333e-01"},
    {9.9e-10, "9.9e-10"},
    {INFINITY, "+Inf"},
    {-INFINITY, "-Inf"},
    {NAN, "NaN"},
};

static void test_values(void **state) {
    (void)state;
    struct oxp_buf out;
    oxp_buf_init(&out, 0);
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        char want[64];
        snprintf(want, sizeof want, "\"%s\"", values[i].text);
        oxp_buf_clear(&out);
        oxp_rules_json_value(&out, values[i].value);
        assert_string_equal(oxp_buf_text(&out), want);
    }
    oxp_buf_fini(&out);
}

static char rules_place; /* only its address is looked at */

static int start(void **state) {
    (void)state;
    world_start(&world, NULL);
    oxp_arena_init(&arena, 0);
    make_rules();
    world.api.rules = (struct oxp_rules *)(void *)&rules_place;
    return 0;
}

static int stop(void **state) {
    (void)state;
    world_stop(&world);
    oxp_arena_fini(&arena);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_everything), cmocka_unit_test(test_choosing), cmocka_unit_test(test_pages),
        cmocka_unit_test(test_nothing),    cmocka_unit_test(test_values),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
