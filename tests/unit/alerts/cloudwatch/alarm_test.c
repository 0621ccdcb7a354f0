/* Wanted alarms: what a configuration and rules become, word for word; limits; the heartbeat's arithmetic; allocation
 * failures. */
#include "tests/unit/alerts/cloudwatch/plan_world.h"

#include "tests/support/alloc_fail.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])
#define METRIC "metrics: [{expr: a, name: Orphans, kind: gauge}]\n"
#define ARN "arn:aws:sns:us-east-1:123456789012:pages"

/* one alarm a line */
/* clang-format off */
#define DIMENSIONS "{\"Name\":\"Service\",\"Value\":\"collector\"},{\"Name\":\"Environment\",\"Value\":\"test\"}"
#define TAGS "\"Tags\":[{\"Key\":\"oxpecker:service\",\"Value\":\"collector\"},{\"Key\":\"oxpecker:environment\",\"Value\":\"test\"}]"

static const char rules[] = "groups:\n"
                            "- name: g\n"
                            "  rules:\n"
                            "  - {record: r, expr: a}\n"
                            "  - {alert: Down, expr: up == 0, labels: {severity: critical}, annotations: {summary: "
                            "\"{{ $labels.job }} is\\ndown\"}}\n"
                            "  - {alert: Slow, expr: slow > 1, labels: {severity: warning}}\n"
                            "  - {alert: Down, expr: up == 1, labels: {severity: critical}}\n"
                            "  - {alert: Plain, expr: p > 1}\n";

static const struct {
    const char *name, *section, *replica;
    const char *bodies[4];
} wanted[] = {
    {"nothing", METRIC, NULL, {0}},
    {"a threshold with its defaults",
     METRIC "thresholds: [{metric: Orphans, above: 5}]\n",
     NULL,
     {"{\"AlarmName\":\"Orchestrator/collector/test/Orphans\",\"AlarmDescription\":\"Maximum of Orphans is above the threshold\","
      "\"ActionsEnabled\":true,\"AlarmActions\":[],\"OKActions\":[],\"InsufficientDataActions\":[],"
      "\"Namespace\":\"Orchestrator\",\"MetricName\":\"Orphans\",\"Dimensions\":[" DIMENSIONS
      "],\"Statistic\":\"Maximum\","
      "\"Period\":60,\"EvaluationPeriods\":1,\"DatapointsToAlarm\":1,\"Threshold\":5,"
      "\"ComparisonOperator\":\"GreaterThanThreshold\",\"TreatMissingData\":\"missing\"," TAGS "}"}},
    {"a threshold with everything",
     "namespace: N\ninterval: 15s\ntags: {team: web}\ndimensions: {D: d}\n"
     "metrics: [{expr: a_bucket, name: Time, kind: distribution, by: [region]}]\n"
     "thresholds: [{metric: Time, at_most: 0.5, for: 2m, period: 60s, of: 3, missing: breaching, statistic: p99, name: "
     "slow, description: \"é\","
     " dimensions: {region: eu}, actions: [" ARN "], ok_actions: [" ARN "], insufficient_data_actions: [" ARN "]}]\n",
     NULL,
     {"{\"AlarmName\":\"N/collector/test/slow\",\"AlarmDescription\":\"é\","
      "\"ActionsEnabled\":true,\"AlarmActions\":[\"" ARN "\"],\"OKActions\":[\"" ARN
      "\"],\"InsufficientDataActions\":[\"" ARN "\"],"
      "\"Namespace\":\"N\",\"MetricName\":\"Time\",\"Dimensions\":[{\"Name\":\"D\",\"Value\":\"d\"},{\"Name\":"
      "\"region\",\"Value\":\"eu\"}],"
      "\"ExtendedStatistic\":\"p99\",\"Period\":60,\"EvaluationPeriods\":3,\"DatapointsToAlarm\":2,\"Threshold\":0.5,"
      "\"ComparisonOperator\":\"LessThanOrEqualToThreshold\",\"TreatMissingData\":\"breaching\","
      "\"Tags\":[{\"Key\":\"oxpecker:service\",\"Value\":\"collector\"},{\"Key\":\"oxpecker:environment\",\"Value\":\"test\"},{\"Key\":\"team\",\"Value\":\"web\"}]}"}},
    {"a high-resolution period, a replica of its own",
     "interval: 7s\nreplicas: split\n" METRIC "thresholds: [{metric: Orphans, below: 1}]\n",
     "a",
     {"{\"AlarmName\":\"Orchestrator/collector/test/Orphans/replica=a\",\"AlarmDescription\":\"Minimum of Orphans is below the threshold\","
      "\"ActionsEnabled\":true,\"AlarmActions\":[],\"OKActions\":[],\"InsufficientDataActions\":[],"
      "\"Namespace\":\"Orchestrator\",\"MetricName\":\"Orphans\",\"Dimensions\":[" DIMENSIONS
      ",{\"Name\":\"replica\",\"Value\":\"a\"}],\"Statistic\":\"Minimum\","
      "\"Period\":10,\"EvaluationPeriods\":1,\"DatapointsToAlarm\":1,\"Threshold\":1,"
      "\"ComparisonOperator\":\"LessThanThreshold\",\"TreatMissingData\":\"missing\"," TAGS "}"}},
    {"rules of a severity: one alarm a name",
     METRIC "rule_alarms: {severity: [critical], actions: [" ARN "]}\n",
     NULL,
     {"{\"AlarmName\":\"Orchestrator/collector/test/rule/Down\",\"AlarmDescription\":\"Down: up == 0\","
      "\"ActionsEnabled\":true,\"AlarmActions\":[\"" ARN "\"],\"OKActions\":[],\"InsufficientDataActions\":[],"
      "\"Namespace\":\"Orchestrator\",\"MetricName\":\"RuleState\",\"Dimensions\":[" DIMENSIONS
      ",{\"Name\":\"Rule\",\"Value\":\"Down\"}],\"Statistic\":\"Maximum\","
      "\"Period\":60,\"EvaluationPeriods\":1,\"DatapointsToAlarm\":1,\"Threshold\":1,"
      "\"ComparisonOperator\":\"GreaterThanOrEqualToThreshold\",\"TreatMissingData\":\"ignore\"," TAGS "}"}},
    {"the heartbeat is of all replicas",
     "replicas: split\n" METRIC "heartbeat: {expected_replicas: 2, actions: [" ARN "]}\n",
     "a",
     {"{\"AlarmName\":\"Orchestrator/collector/test/heartbeat\","
      "\"AlarmDescription\":\"Fewer than 2 of oxpecker's replicas publish: what they watch is not watched\","
      "\"ActionsEnabled\":true,\"AlarmActions\":[\"" ARN "\"],\"OKActions\":[],\"InsufficientDataActions\":[],"
      "\"Namespace\":\"Orchestrator\",\"MetricName\":\"Heartbeat\",\"Dimensions\":[" DIMENSIONS
      "],\"Statistic\":\"Sum\","
      "\"Period\":60,\"EvaluationPeriods\":3,\"DatapointsToAlarm\":3,\"Threshold\":2,"
      "\"ComparisonOperator\":\"LessThanThreshold\",\"TreatMissingData\":\"breaching\"," TAGS "}"}},
};
/* clang-format on */

static void test_wanted(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT_OF(wanted); i++) {
        struct plan_world world;
        const struct oxp_cw_planned *alarms;
        struct oxp_error error = {0};
        size_t count, expected = 0;
        print_message("%s\n", wanted[i].name);
        plan_world_open(&world, wanted[i].section, rules, wanted[i].replica);
        assert_int_equal(oxp_cw_wanted(&world.input, &world.arena, &alarms, &count, &error), OXP_OK);
        for (; wanted[i].bodies[expected] != NULL; expected++) {
            assert_true(expected < count);
            assert_string_equal(alarms[expected].body, wanted[i].bodies[expected]);
            assert_null(strstr(alarms[expected].update, "Tags"));
            assert_int_equal(alarms[expected].change, OXP_CW_CREATE);
        }
        assert_int_equal(count, expected);
        plan_world_close(&world);
    }
}

static void test_rules_chosen(void **state) {
    static const struct {
        const char *section, *names;
    } rows[] = {
        {"rule_alarms: {}\n", " Down Slow Plain"},
        {"rule_alarms: {severity: [critical, warning]}\n", " Down Slow"},
        {"rule_alarms: {alertname: [Plain, Slow]}\n", " Slow Plain"},
        {"rule_alarms: {severity: [critical], alertname: [Plain, Slow]}\n", ""},
        {"interval: 60s\n", ""},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct plan_world world;
        const struct oxp_cw_planned *alarms;
        size_t count, counted = 0;
        struct oxp_buf names;
        oxp_buf_init(&names, 0);
        plan_world_open(&world, rows[i].section, rules, NULL);
        assert_int_equal(oxp_cw_wanted(&world.input, &world.arena, &alarms, &count, NULL), OXP_OK);
        for (size_t j = 0; j < count; j++) {
            oxp_buf_append_format(&names, " %s", strrchr(alarms[j].name, '/') + 1);
        }
        assert_string_equal(oxp_buf_text(&names), rows[i].names);
        if (world.config->rule_alarms) {
            assert_int_equal(oxp_cw_rule_count(&world.input, &counted), OXP_OK);
            assert_int_equal(counted, count);
        }
        oxp_buf_fini(&names);
        plan_world_close(&world);
    }
}

static void test_long_expression(void **state) {
    struct plan_world world;
    const struct oxp_cw_planned *alarms;
    struct oxp_json *body;
    struct oxp_buf text;
    size_t count;
    (void)state;
    oxp_buf_init(&text, 0);
    oxp_buf_append_text(&text, "groups: [{name: g, rules: [{alert: A, expr: 'a{b=\"");
    for (size_t i = 0; i < 700; i++) {
        oxp_buf_append_text(&text, "é");
    }
    oxp_buf_append_text(&text, "\"} > 1'}]}]\n");
    plan_world_open(&world, "rule_alarms: {}\n", oxp_buf_text(&text), NULL);
    assert_int_equal(oxp_cw_wanted(&world.input, &world.arena, &alarms, &count, NULL), OXP_OK);
    assert_int_equal(oxp_json_read(oxp_view_from(alarms[0].body), &body, NULL), OXP_OK);
    /* `a{b="` is odd: a character of two bytes would stand across the limit */
    assert_int_equal(oxp_json_text_of(oxp_json_get(body, "AlarmDescription")).len, 1023);
    oxp_json_free(body);
    oxp_buf_fini(&text);
    plan_world_close(&world);
}

/* A summary is one sentence of the description; a template is no summary yet. */
static void test_rule_descriptions(void **state) {
    static const struct {
        const char *summary, *description;
    } rows[] = {
        {NULL, "up == 0"},
        {"The collector is down", "The collector is down: up == 0"},
        {"The collector is down.", "The collector is down: up == 0"},
        {"The collector of {{ $labels.instance }} is down.", "A: up == 0"},
        {"a {brace}.", "a {brace}: up == 0"},
        {".", "up == 0"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct plan_world world;
        const struct oxp_cw_planned *alarms;
        struct oxp_json *body;
        char text[256];
        size_t count;
        snprintf(text, sizeof text, "groups: [{name: g, rules: [{alert: A, expr: up == 0%s%s%s}]}]\n",
                 rows[i].summary == NULL ? "" : ", annotations: {summary: '",
                 rows[i].summary == NULL ? "" : rows[i].summary, rows[i].summary == NULL ? "" : "'}");
        plan_world_open(&world, "rule_alarms: {}\n", text, NULL);
        assert_int_equal(oxp_cw_wanted(&world.input, &world.arena, &alarms, &count, NULL), OXP_OK);
        assert_int_equal(oxp_json_read(oxp_view_from(alarms[0].body), &body, NULL), OXP_OK);
        struct oxp_view told = oxp_json_text_of(oxp_json_get(body, "AlarmDescription"));
        if (!oxp_view_is(told, rows[i].description)) {
            fail_msg("%s: %.*s", rows[i].description, (int)told.len, told.ptr);
        }
        oxp_json_free(body);
        plan_world_close(&world);
    }
}

static void test_period(void **state) {
    static const struct {
        int64_t ms;
        unsigned period_s;
    } rows[] = {{1, 10},     {1000, 10},  {10000, 10},  {10001, 20},   {20000, 20},     {29999, 30},
                {30001, 60}, {60000, 60}, {60001, 120}, {120000, 120}, {3600000, 3600}, {3600001, 3660}};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        assert_int_equal(oxp_cw_period_s(rows[i].ms), rows[i].period_s);
    }
}

/* By simulation: with all replicas alive no period is below the threshold, with one missing each is. */
static void test_heartbeat(void **state) {
    static const struct {
        int64_t interval_ms;
        unsigned replicas, period_s;
        double threshold;
    } rows[] = {
        {60000, 1, 60, 1}, {60000, 3, 60, 3},  {1000, 2, 10, 20},  {7000, 1, 10, 1},      {7000, 2, 20, 4},
        {15000, 2, 30, 4}, {45000, 2, 120, 4}, {90000, 2, 180, 4}, {3600000, 5, 3600, 5}, {13000, 4, 60, 16},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct plan_world world;
        const struct oxp_cw_planned *alarms;
        struct oxp_json *body;
        size_t count;
        plan_world_open(&world, "heartbeat: {}\n", NULL, NULL);
        world.config->interval_ms = rows[i].interval_ms;
        world.config->heartbeat_replicas = rows[i].replicas;
        assert_int_equal(oxp_cw_wanted(&world.input, &world.arena, &alarms, &count, NULL), OXP_OK);
        assert_int_equal(count, 1);
        assert_int_equal(oxp_json_read(oxp_view_from(alarms[0].body), &body, NULL), OXP_OK);
        double threshold = oxp_json_number_of(oxp_json_get(body, "Threshold"));
        int64_t period_ms = (int64_t)oxp_json_number_of(oxp_json_get(body, "Period")) * 1000;
        print_message("%lld ms, %u replicas\n", (long long)rows[i].interval_ms, rows[i].replicas);
        assert_int_equal(period_ms / 1000, rows[i].period_s);
        assert_true(threshold == rows[i].threshold);
        for (int64_t from = 0; from < 200 * period_ms; from += period_ms) {
            int64_t beats = (from + period_ms - 1) / rows[i].interval_ms -
                            (from - 1 + rows[i].interval_ms) / rows[i].interval_ms + 1;
            assert_false((double)(beats * rows[i].replicas) < threshold);
            assert_true((double)(beats * (rows[i].replicas - 1)) < threshold);
        }
        oxp_json_free(body);
        plan_world_close(&world);
    }
}

/* ---- Limits ---- */

static void make_long_name(struct oxp_cw_alarm *alarm, size_t len) {
    static char name[300];
    memset(name, 'n', len);
    name[len] = '\0';
    alarm->name = name;
}

static void test_limits(void **state) {
    static const char *const five[] = {ARN, ARN, ARN, ARN, ARN, NULL},
                             *const six[] = {ARN, ARN, ARN, ARN, ARN, ARN, NULL}, *const bad[] = {"mailto:x", NULL};
    static char text_1024[1025], text_1025[1026];
    static const struct {
        const char *what;
        size_t name_len;
        unsigned period_s, datapoints, of, dimensions;
        const char *const *actions;
        const char *description;
        double threshold;
        enum oxp_status status;
        const char *words;
    } rows[] = {
        {"all at the limit", 255, 60, 1440, 1440, 30, five, text_1024, 1e300, OXP_OK, ""},
        {"a week of hours", 1, 3600, 168, 168, 0, NULL, "", 0, OXP_OK, ""},
        {"high resolution for a day", 1, 10, 1, 8640, 0, NULL, "", 0, OXP_OK, ""},
        {"a name too long", 256, 60, 1, 1, 0, NULL, "", 0, OXP_ERR_LIMIT, "255 characters"},
        {"more than a day", 1, 60, 1, 1441, 0, NULL, "", 0, OXP_ERR_LIMIT,
         "1441 periods of 60 s are 86460 s; the most is 86400 s"},
        {"more than a week", 1, 3600, 1, 169, 0, NULL, "", 0, OXP_ERR_LIMIT, "the most is 604800 s"},
        {"a period that is none", 1, 45, 1, 1, 0, NULL, "", 0, OXP_ERR_INVALID, "a period of 45 s"},
        {"no period", 1, 0, 1, 1, 0, NULL, "", 0, OXP_ERR_INVALID, "a period of 0 s"},
        {"more points than periods", 1, 60, 3, 2, 0, NULL, "", 0, OXP_ERR_INVALID, "3 of 2 periods"},
        {"no points", 1, 60, 0, 2, 0, NULL, "", 0, OXP_ERR_INVALID, "0 of 2 periods"},
        {"six actions", 1, 60, 1, 1, 0, six, "", 0, OXP_ERR_LIMIT, "6 actions, the most is 5"},
        {"an action that is no ARN", 1, 60, 1, 1, 0, bad, "", 0, OXP_ERR_INVALID, "\"mailto:x\" is no ARN"},
        {"a description too long", 1, 60, 1, 1, 0, NULL, text_1025, 0, OXP_ERR_LIMIT,
         "1025 characters, the most is 1024"},
        {"31 dimensions", 1, 60, 1, 1, 31, NULL, "", 0, OXP_ERR_LIMIT, "31 dimensions"},
        {"a threshold that is no number", 1, 60, 1, 1, 0, NULL, "", NAN, OXP_ERR_INVALID, "no number"},
    };
    (void)state;
    memset(text_1024, 'd', 1024);
    memset(text_1025, 'd', 1025);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct oxp_error error = {0};
        struct oxp_cw_alarm alarm = {.description = rows[i].description,
                                     .period_s = rows[i].period_s,
                                     .datapoints = rows[i].datapoints,
                                     .of = rows[i].of,
                                     .dimension_count = rows[i].dimensions,
                                     .actions = {rows[i].actions, NULL, NULL},
                                     .threshold = rows[i].threshold,
                                     .line = 7};
        make_long_name(&alarm, rows[i].name_len);
        print_message("%s\n", rows[i].what);
        assert_int_equal(oxp_cw_alarm_check(&alarm, &error), rows[i].status);
        assert_non_null(strstr(error.text, rows[i].words));
        assert_int_equal(error.line, rows[i].status == OXP_OK ? 0 : 7);
    }
}

static void test_tags(void **state) {
    struct oxp_cw_pair pairs[50];
    char names[50][8];
    (void)state;
    for (unsigned i = 0; i < 50; i++) {
        snprintf(names[i], sizeof names[i], "t%u", i);
        pairs[i] = (struct oxp_cw_pair){names[i], "v"};
    }
    struct oxp_error error = {0};
    struct oxp_cw_config config = {.tags = pairs, .tag_count = 48};
    assert_int_equal(oxp_cw_tags_check(&config, &error), OXP_OK);
    config.tag_count = 49;
    assert_int_equal(oxp_cw_tags_check(&config, &error), OXP_ERR_LIMIT);
    config.tag_count = 1;
    pairs[0].name = OXP_CW_TAG;
    assert_int_equal(oxp_cw_tags_check(&config, &error), OXP_ERR_INVALID);
    pairs[0].name = OXP_CW_TAG_ENVIRONMENT;
    assert_int_equal(oxp_cw_tags_check(&config, &error), OXP_ERR_INVALID);
    pairs[0].name = "aws:x";
    assert_int_equal(oxp_cw_tags_check(&config, &error), OXP_ERR_INVALID);
    pairs[0].name = "";
    assert_int_equal(oxp_cw_tags_check(&config, &error), OXP_ERR_LIMIT);
}

/* The same section in two environments, and without one. */
static void test_environments(void **state) {
    static const struct {
        const char *environment, *names[4];
    } rows[] = {
        {"production",
         {"Orchestrator/collector/production/Orphans", "Orchestrator/collector/production/a",
          "Orchestrator/collector/production/b", "Orchestrator/collector/production/heartbeat"}},
        {"staging",
         {"Orchestrator/collector/staging/Orphans", "Orchestrator/collector/staging/a",
          "Orchestrator/collector/staging/production/b", "Orchestrator/collector/staging/heartbeat"}},
        {"",
         {"Orchestrator/collector/Orphans", "Orchestrator/collector/a", "Orchestrator/collector/production/b",
          "Orchestrator/collector/heartbeat"}},
        {NULL,
         {"Orchestrator/collector/Orphans", "Orchestrator/collector/a", "Orchestrator/collector/production/b",
          "Orchestrator/collector/heartbeat"}},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct plan_world world;
        const struct oxp_cw_planned *alarms;
        struct oxp_error error = {0};
        char tag[96] = "";
        size_t count;
        plan_world_open(&world,
                        METRIC "thresholds: [{metric: Orphans, above: 5}, {metric: Orphans, above: 5, name: "
                               "Orchestrator/collector/a}, {metric: Orphans, above: 5, name: "
                               "Orchestrator/collector/production/b}]\nheartbeat: {}\n",
                        NULL, NULL);
        world.identity.environment = rows[i].environment;
        assert_int_equal(oxp_cw_wanted(&world.input, &world.arena, &alarms, &count, &error), OXP_OK);
        assert_int_equal(count, 4);
        for (size_t j = 0; j < count; j++) {
            assert_string_equal(alarms[j].name, rows[i].names[j]);
        }
        if (i < 2) {
            snprintf(tag, sizeof tag, "{\"Key\":\"oxpecker:environment\",\"Value\":\"%s\"}", rows[i].environment);
            assert_non_null(strstr(alarms[0].body, tag));
        } else {
            assert_null(strstr(alarms[0].body, "oxpecker:environment"));
        }
        plan_world_close(&world);
    }
}

static void test_names(void **state) {
    static const char same[] =
        METRIC "thresholds: [{metric: Orphans, above: 5, name: x}, {metric: Orphans, above: 6, name: "
               "Orchestrator/collector/test/x}]\n";
    struct plan_world world;
    const struct oxp_cw_planned *alarms;
    struct oxp_error error = {0};
    size_t count;
    (void)state;
    plan_world_open(&world, same, NULL, NULL);
    assert_int_equal(oxp_cw_wanted(&world.input, &world.arena, &alarms, &count, &error), OXP_ERR_INVALID);
    assert_non_null(strstr(error.text, "two alarms have the name \"Orchestrator/collector/test/x\""));
    assert_int_equal(error.line, 2);
    world.identity.service = "";
    assert_int_equal(oxp_cw_wanted(&world.input, &world.arena, &alarms, &count, &error), OXP_ERR_INVALID);
    assert_non_null(strstr(error.text, "service"));
    plan_world_close(&world);
}

/* ---- Allocation failures ---- */

static void make_all(void *ctx) {
    struct plan_world *world = ctx;
    const struct oxp_cw_planned *alarms;
    struct oxp_error error = {0};
    struct oxp_arena arena;
    size_t count;
    oxp_arena_init(&arena, 0);
    enum oxp_status status = oxp_cw_wanted(&world->input, &arena, &alarms, &count, &error);
    assert_true(status == OXP_OK || status == OXP_ERR_NOMEM);
    assert_int_equal(count, status == OXP_OK ? 5 : 0);
    oxp_arena_fini(&arena);
}

static void test_no_memory(void **state) {
    struct plan_world world;
    (void)state;
    plan_world_open(&world,
                    METRIC "thresholds: [{metric: Orphans, above: 5}]\nheartbeat: {}\nrule_alarms: {}\ntags: {a: b}\n",
                    rules, NULL);
    assert_true(alloc_fail_each(make_all, &world) > 10);
    plan_world_close(&world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wanted),          cmocka_unit_test(test_rules_chosen),
        cmocka_unit_test(test_long_expression), cmocka_unit_test(test_rule_descriptions),
        cmocka_unit_test(test_period),          cmocka_unit_test(test_heartbeat),
        cmocka_unit_test(test_limits),          cmocka_unit_test(test_tags),
        cmocka_unit_test(test_environments),    cmocka_unit_test(test_names),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
