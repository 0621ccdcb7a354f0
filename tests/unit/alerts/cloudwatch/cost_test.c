/* What it costs, by figures worked out by hand, and what a person is shown: the bill, the policy, the dashboard. */
#include "tests/unit/alerts/cloudwatch/plan_world.h"

#include "tests/support/alloc_fail.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])
#define METRICS "metrics: [{expr: a, name: A, kind: gauge}, {expr: b, name: B, kind: delta, by: [x]}]\n"

static const char rules[] = "groups: [{name: g, rules: [{alert: R1, expr: a}, {alert: R2, expr: b}, {alert: R1, expr: "
                            "c}]}]\n";

/* one row a line */
/* clang-format off */
static const struct {
    const char *name, *section;
    size_t series[2]; /* all zero = not asked */
    unsigned alarms, high_resolution;
    struct oxp_cw_cost cost;
} rows[] = {
    /* two entries of one series are free; 2592000 / 60 = 43200 requests are free */
    {"all free", METRICS, {0}, 10, 0, {2, 10, 0, 43200, 0, 0, 0, 0}},
    /* 3 + 20 + 2 rules + 1 heartbeat = 26, (26 - 10) x 0.30 = 4.80; (12 - 10) x 0.10 + 2 x 0.30 = 0.80 */
    {"by the default prices",
     METRICS "rule_alarms: {}\nheartbeat: {}\n",
     {3, 20},
     12,
     2,
     {26, 12, 2, 43200, 4.80, 0.80, 0, 5.60}},
    /* (1 + 1 + 2) x 3 replicas + 1 = 13 x 0.5 = 6.50; 2592000 x 3 = 7776000, over 1000 x 0.01 = 77.76 */
    {"each replica its own, each second",
     METRICS "interval: 1s\nreplicas: split\nrule_alarms: {}\nheartbeat: {expected_replicas: 3}\n"
             "prices: {metric: 0.5, alarm: 2, high_resolution_alarm: 3, requests_1000: 0.01, free_metrics: 0, "
             "free_alarms: 0, free_requests: 0}\n",
     {0},
     1,
     1,
     {13, 1, 1, 7776000, 6.50, 5, 77.76, 89.26}},
    /* 1500 + 501 = 2001 data need 3 requests: 43200 x 3 = 129600; (129600 - 100000) / 1000 x 0.01 = 0.296; (2001 - 10)
       x 0.30 = 597.30 */
    {"many data",
     METRICS "prices: {free_requests: 100000}\n",
     {1500, 501},
     0,
     0,
     {2001, 0, 0, 129600, 597.30, 0, 0.296, 597.596}},
    /* no requests; (30 - 10) x 0.30 */
    {"lines instead of requests", METRICS "lane: emf\n", {10, 20}, 0, 0, {30, 0, 0, 0, 6, 0, 0, 6}},
};
/* clang-format on */

static void assert_money(double a, double b) {
    if (!(fabs(a - b) < 1e-9)) {
        fail_msg("%f is not %f", a, b);
    }
}

static void test_cost(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct plan_world world;
        struct oxp_cw_planned alarms[20] = {0};
        struct oxp_cw_cost cost;
        print_message("%s\n", rows[i].name);
        plan_world_open(&world, rows[i].section, rules, NULL);
        for (unsigned j = 0; j < rows[i].high_resolution; j++) {
            alarms[j].high_resolution = true;
        }
        world.input.series = rows[i].series[0] == 0 ? NULL : rows[i].series;
        assert_int_equal(oxp_cw_cost_of(&world.input, alarms, rows[i].alarms + rows[i].high_resolution, &cost), OXP_OK);
        assert_int_equal(cost.metrics, rows[i].cost.metrics);
        assert_int_equal(cost.alarms, rows[i].cost.alarms);
        assert_int_equal(cost.high_resolution_alarms, rows[i].cost.high_resolution_alarms);
        assert_money(cost.requests_month, rows[i].cost.requests_month);
        assert_money(cost.metrics_month, rows[i].cost.metrics_month);
        assert_money(cost.alarms_month, rows[i].cost.alarms_month);
        assert_money(cost.requests_cost_month, rows[i].cost.requests_cost_month);
        assert_money(cost.total_month, rows[i].cost.total_month);
        plan_world_close(&world);
    }
}

/* ---- The bill ---- */

static const char bill[] =
    "CloudWatch, region eu-west-1, namespace Orchestrator, service collector\n"
    "\n"
    "Alarms\n"
    "  + create    threshold  Orchestrator/collector/A\n"
    "        Maximum of A > 1\n"
    "  ~ change    rule       Orchestrator/collector/rule/R1\n"
    "        Maximum of RuleState >= 1\n"
    "        Period 300 -> 10\n"
    "  = keep      heartbeat  Orchestrator/collector/heartbeat\n"
    "  - remove    unknown    Orchestrator/collector/old\n"
    "  ! conflict  rule       Orchestrator/collector/rule/R2\n"
    "        it does not carry the tag oxpecker:service\n"
    "  1 as they should be\n"
    "  1 to create\n"
    "  1 to change\n"
    "  1 no longer wanted, removed only with --prune\n"
    "  1 in conflict: apply does nothing until they are gone or tagged\n"
    "\n"
    "Metrics, published each 30 s; series x replicas (each has its own identity)\n"
    "  A                                gauge             3 x 2 = 6\n"
    "  B                                delta             4 x 2 = 8\n"
    "  RuleState                        rules             2 x 2 = 4\n"
    "  Heartbeat                        heartbeat         1\n"
    "  in all                                            19\n"
    "\n"
    "Cost of a month of 30 days in EUR, by the configuration's prices\n"
    "  metrics                19 - 10 free = 9 x 0.25 = 2.25\n"
    "  alarms                 3 x 0.1 = 0.30\n"
    "  high-resolution alarms 1 x 0.3 = 0.30\n"
    "  requests               2592000 s / 30 s x 2 replicas = 172800 - 100000 free = 72800 x 0.01 / 1000 = 0.73\n"
    "  in all                 3.58 EUR; as it is 2.50, with --prune 3.48\n"
    "  budget                 3.00 EUR: exceeded by 0.58, apply creates nothing that adds cost\n"
    "  The free counts are the account's: lower them in `prices` by what else uses them.\n"
    "  Alarms are this replica's and the common ones; the others' are not counted.\n";

static void test_print(void **state) {
    static const struct oxp_cw_planned alarms[] = {
        {.change = OXP_CW_CREATE,
         .kind = "threshold",
         .name = "Orchestrator/collector/A",
         .condition = "Maximum of A > 1",
         .differences = ""},
        {.change = OXP_CW_CHANGE,
         .kind = "rule",
         .name = "Orchestrator/collector/rule/R1",
         .condition = "Maximum of RuleState >= 1",
         .differences = "Period 300 -> 10"},
        {.change = OXP_CW_KEEP,
         .kind = "heartbeat",
         .name = "Orchestrator/collector/heartbeat",
         .condition = "not said again",
         .differences = ""},
        {.change = OXP_CW_REMOVE,
         .kind = "unknown",
         .name = "Orchestrator/collector/old",
         .condition = "",
         .differences = ""},
        {.change = OXP_CW_CONFLICT,
         .kind = "rule",
         .name = "Orchestrator/collector/rule/R2",
         .condition = "not said",
         .differences = "it does not carry the tag oxpecker:service"},
    };
    static const size_t series[] = {3, 4};
    struct plan_world world;
    struct oxp_cw_plan plan = {.alarms = alarms,
                               .count = COUNT_OF(alarms),
                               .now = {.total_month = 2.5},
                               .pruned = {.total_month = 3.48},
                               .over_budget = true,
                               .region = OXP_VIEW("eu-west-1")};
    struct oxp_cw_planned counted[4] = {{.high_resolution = true}};
    struct oxp_buf out;
    (void)state;
    oxp_buf_init(&out, 0);
    plan_world_open(&world,
                    METRICS "interval: 30s\nreplicas: split\nrule_alarms: {}\nheartbeat: {expected_replicas: 2}\n"
                            "budget: 3\nprices: {metric: 0.25, free_alarms: 0, free_requests: 100000, currency: EUR}\n",
                    rules, "a");
    world.input.series = series;
    assert_int_equal(oxp_cw_cost_of(&world.input, counted, 4, &plan.then), OXP_OK);
    oxp_cw_plan_print(&world.input, &plan, &out);
    assert_string_equal(oxp_buf_text(&out), bill);
    oxp_buf_fini(&out);
    plan_world_close(&world);
}

/* ---- The policy ---- */

/* one row a line */
/* clang-format off */
#define HEAD "{\n  \"Version\": \"2012-10-17\",\n  \"Statement\": ["
#define PUBLISH(namespace_name)                                                                                        \
    "\n    {\n      \"Sid\": \"OxpeckerPublish\",\n      \"Effect\": \"Allow\",\n      \"Action\": "                   \
    "[\"cloudwatch:PutMetricData\"],\n"                                                                                \
    "      \"Resource\": \"*\",\n      \"Condition\": {\"StringEquals\": {\"cloudwatch:namespace\": \"" namespace_name \
    "\"}}\n    }"
#define ALARMS(service, environment)                                                                                   \
    "\n    {\n      \"Sid\": \"OxpeckerSeeAlarms\",\n      \"Effect\": \"Allow\",\n      \"Action\": "                 \
    "[\"cloudwatch:DescribeAlarms\"],\n"                                                                               \
    "      \"Resource\": \"*\"\n    },\n    {\n      \"Sid\": \"OxpeckerSeeTags\",\n      \"Effect\": \"Allow\",\n   " \
    "   \"Action\": [\"cloudwatch:ListTagsForResource\"],\n"                                                           \
    "      \"Resource\": \"" service                                                                                    \
    "*\"\n    },\n    {\n      \"Sid\": \"OxpeckerOwnAlarms\",\n      \"Effect\": \"Allow\",\n      \"Action\": [\n"    \
    "        \"cloudwatch:PutMetricAlarm\",\n        \"cloudwatch:DeleteAlarms\",\n        "                           \
    "\"cloudwatch:SetAlarmState\",\n        \"cloudwatch:TagResource\"\n      ],\n      \"Resource\": \"" service        \
        environment "*\"\n    }"
#define TAIL "\n  ]\n}\n"

static const struct {
    const char *name, *section, *region, *policy;
} policies[] = {
    {"metrics alone", METRICS, "us-east-1", HEAD PUBLISH("Orchestrator") TAIL},
    {"with alarms", "namespace: My-App\nheartbeat: {}\n", "us-east-1",
     HEAD PUBLISH("My-App") "," ALARMS("arn:aws:cloudwatch:us-east-1:*:alarm:My-App/collector/", "test/") TAIL},
    {"lines need nothing", METRICS "lane: emf\n", "us-east-1", HEAD "]\n}\n"},
    {"lines with alarms", "lane: emf\nrule_alarms: {}\n", "cn-north-1",
     HEAD ALARMS("arn:aws-cn:cloudwatch:cn-north-1:*:alarm:Orchestrator/collector/", "test/") TAIL},
    {"GovCloud", "lane: emf\nrule_alarms: {}\n", "us-gov-west-1",
     HEAD ALARMS("arn:aws-us-gov:cloudwatch:us-gov-west-1:*:alarm:Orchestrator/collector/", "test/") TAIL},
    {"any region", "lane: emf\nrule_alarms: {}\n", "",
     HEAD ALARMS("arn:aws:cloudwatch:*:*:alarm:Orchestrator/collector/", "test/") TAIL},
    {"no wildcards by chance", "namespace: \"a*?\"\nlane: emf\nrule_alarms: {}\n", "us-east-1",
     HEAD ALARMS("arn:aws:cloudwatch:us-east-1:*:alarm:a${*}${?}/collector/", "test/") TAIL},
};
/* clang-format on */

static void test_policy(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT_OF(policies); i++) {
        struct plan_world world;
        struct oxp_buf out;
        struct oxp_json *json;
        oxp_buf_init(&out, 0);
        print_message("%s\n", policies[i].name);
        plan_world_open(&world, policies[i].section, NULL, NULL);
        assert_int_equal(oxp_cw_policy(&world.input, oxp_view_from(policies[i].region), &out), OXP_OK);
        assert_string_equal(oxp_buf_text(&out), policies[i].policy);
        assert_int_equal(oxp_json_read(oxp_buf_view(&out), &json, NULL), OXP_OK);
        oxp_json_free(json);
        oxp_buf_fini(&out);
        plan_world_close(&world);
    }
}

/* ---- The dashboard ---- */

static const char dashboard_section[] =
    "replicas: split\nmetrics: [{expr: a, name: A, kind: gauge}, {expr: b_bucket, name: B, kind: distribution}]\n"
    "thresholds: [{metric: A, above: 1.5, actions: [\"arn:aws:sns:eu-west-1:123456789012:t\"]}]\nheartbeat: {}\n";

/* one widget a line */
/* clang-format off */
#define FRAME "\"view\":\"timeSeries\",\"stacked\":false,\"region\":\"eu-west-1\",\"period\":60,\"metrics\":"
#define SEARCH(metric, stat)                                                                                           \
    "[{\"expression\":\"SEARCH('{\\\"Orchestrator\\\",\\\"Service\\\",\\\"Environment\\\",\\\"replica\\\"} "           \
    "MetricName=\\\"" metric "\\\" "                                                                                   \
    "\\\"Service\\\"=\\\"collector\\\" \\\"Environment\\\"=\\\"test\\\"', '" stat "', 60)\"}]"
static const char dashboard[] =
    "{\"widgets\":["
    "{\"type\":\"alarm\",\"x\":0,\"y\":0,\"width\":24,\"height\":6,\"properties\":{\"title\":\"Alarms\",\"alarms\":["
    "\"arn:aws:cloudwatch:eu-west-1:123456789012:alarm:Orchestrator/collector/test/A/"
    "replica=a\",\"arn:aws:cloudwatch:eu-west-1:123456789012:alarm:Orchestrator/collector/test/heartbeat\"]}},"
    "{\"type\":\"metric\",\"x\":0,\"y\":6,\"width\":8,\"height\":6,\"properties\":{\"title\":\"A\"," FRAME
    "[" SEARCH("A", "Maximum") "],"
                               "\"annotations\":{\"horizontal\":[{\"label\":\"Maximum > 1.5\",\"value\":1.5}]}}},"
                               "{\"type\":\"metric\",\"x\":8,\"y\":6,\"width\":8,\"height\":6,\"properties\":{"
                               "\"title\":\"B\"," FRAME "[" SEARCH("B", "p50") "," SEARCH(
                                   "B", "p99") "]}},"
                                               "{\"type\":\"metric\",\"x\":16,\"y\":6,\"width\":8,\"height\":6,"
                                               "\"properties\":{\"title\":\"Heartbeats of replicas\"," FRAME
                                               "[[\"Orchestrator\",\"Heartbeat\",\"Service\",\"collector\","
                                               "\"Environment\",\"test\",{\"stat\":\"Sum\"}]]}}"
                                               "]}\n";
/* clang-format on */

static void test_dashboard(void **state) {
    struct plan_world world;
    struct oxp_buf out;
    (void)state;
    oxp_buf_init(&out, 0);
    plan_world_open(&world, dashboard_section, NULL, "a");
    assert_int_equal(oxp_cw_dashboard(&world.input, OXP_VIEW("eu-west-1"), &out), OXP_OK);
    assert_string_equal(oxp_buf_text(&out), dashboard);
    oxp_buf_clear(&out);
    world.input.account = "999999999999";
    assert_int_equal(oxp_cw_dashboard(&world.input, OXP_VIEW("eu-west-1"), &out), OXP_OK);
    assert_non_null(strstr(oxp_buf_text(&out), "arn:aws:cloudwatch:eu-west-1:999999999999:alarm:"));
    plan_world_close(&world);
    oxp_buf_clear(&out);
    plan_world_open(&world, "heartbeat: {actions: [\"arn:aws:swf:x:123:y\"]}\n", NULL, NULL);
    assert_int_equal(oxp_cw_dashboard(&world.input, OXP_VIEW("eu-west-1"), &out), OXP_OK);
    assert_non_null(strstr(oxp_buf_text(&out), "arn:aws:cloudwatch:eu-west-1:ACCOUNT_ID:alarm:"));
    plan_world_close(&world);
    oxp_buf_fini(&out);
}

static void print_all(void *ctx) {
    struct plan_world *world = ctx;
    struct oxp_buf out;
    struct oxp_cw_cost cost;
    oxp_buf_init(&out, 0);
    enum oxp_status status = oxp_cw_dashboard(&world->input, OXP_VIEW("eu-west-1"), &out);
    assert_true(status == OXP_OK || status == OXP_ERR_NOMEM);
    oxp_buf_fini(&out);
    status = oxp_cw_policy(&world->input, OXP_VIEW("eu-west-1"), &out);
    assert_true(status == OXP_OK || status == OXP_ERR_NOMEM);
    status = oxp_cw_cost_of(&world->input, NULL, 0, &cost);
    assert_true(status == OXP_OK || status == OXP_ERR_NOMEM);
    oxp_buf_fini(&out);
}

static void test_no_memory(void **state) {
    struct plan_world world;
    (void)state;
    plan_world_open(&world, dashboard_section, rules, "a");
    assert_true(alloc_fail_each(print_all, &world) > 10);
    plan_world_close(&world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cost),      cmocka_unit_test(test_print),     cmocka_unit_test(test_policy),
        cmocka_unit_test(test_dashboard), cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
