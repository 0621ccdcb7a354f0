/* PromQL alarms (lane otlp): what thresholds, rules and the heartbeat become; comparison; plan, cost, policy and
 * dashboard of the lane. */
#include "tests/unit/alerts/cloudwatch/plan_world.h"

#include "tests/support/alloc_fail.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])
#define LANE "lane: otlp\notlp_untried: true\n"
#define ARN "arn:aws:sns:us-east-1:123456789012:pages"
#define GAUGE LANE "metrics: [{expr: a, name: Orphans, kind: gauge}]\n"
#define DELTA LANE "metrics: [{expr: a_total, name: Failures, kind: delta, by: [region]}]\n"
#define TIMES LANE "metrics: [{expr: a_bucket, name: Time, kind: distribution}]\n"
#define OWN "{Service=\"collector\", Environment=\"test\"}"
#define OWN_EU "{Service=\"collector\", Environment=\"test\", region=\"eu\"}"
#define RULE(name) "max(RuleState{Service=\"collector\", Environment=\"test\", Rule=\"" name "\"}) >= 1"

/* ---- Queries ---- */

static const char rules[] = "groups:\n"
                            "- name: g\n"
                            "  rules:\n"
                            "  - {record: r, expr: a}\n"
                            "  - {alert: Own, expr: \"sum by (queue) (queue_length{queue=~'a|b'})   > 5\", for: 90s, "
                            "keep_firing_for: 1500ms}\n"
                            "  - {alert: Window, expr: \"max_over_time(queue_length[5m]) > 1 unless on () up == 0\"}\n"
                            "  - {alert: Label, expr: \"queue_length{region='eu'} > 5\"}\n"
                            "  - {alert: Other, expr: \"queue_length > 5 and queue_age > 1\"}\n"
                            "  - {alert: Counter, expr: \"increase(errors_total[5m]) > 0\"}\n"
                            "  - {alert: Summed, expr: \"summed > 0\"}\n"
                            "  - {alert: Renamed, expr: \"renamed > 0\"}\n"
                            "  - {alert: Narrowed, expr: \"narrowed > 0\"}\n"
                            "  - {alert: Late, expr: \"late > 0\"}\n"
                            "  - {alert: Nameless, expr: \"{queue='a'} > 0\"}\n"
                            "  - {alert: Nothing, expr: vector(1)}\n"
                            "  - {alert: Long, expr: up == 0, for: 25h}\n"
                            "  - {alert: Twice, expr: up == 0}\n"
                            "  - {alert: Twice, expr: up == 2}\n";
#define PUBLISHED                                                                                                      \
    LANE "metrics:\n"                                                                                                  \
         "- {expr: queue_length, name: queue_length, kind: gauge, by: [queue]}\n"                                      \
         "- {expr: up, name: up, kind: gauge}\n"                                                                       \
         "- {expr: errors_total, name: errors_total, kind: delta}\n"                                                   \
         "- {expr: sum(summed), name: summed, kind: gauge}\n"                                                          \
         "- {expr: 'narrowed{a=\"b\"}', name: narrowed, kind: gauge}\n"                                                \
         "- {expr: late offset 5m, name: late, kind: gauge}\n"                                                         \
         "- {expr: renamed, name: Renamed, kind: gauge}\n"

static const struct {
    const char *name, *section, *query, *alarm; /* `alarm`: the end of its name; NULL = the only one */
    unsigned pending_s, recovery_s, interval_s;
} wanted[] = {
    {"a gauge above", GAUGE "thresholds: [{metric: Orphans, above: 5}]\n", "max(Orphans" OWN ") > 5", NULL, 0, 0, 60},
    {"a gauge below, for a while", GAUGE "thresholds: [{metric: Orphans, at_most: 0.5, for: 5m}]\n",
     "min(Orphans" OWN ") <= 0.5", NULL, 240, 0, 60},
    {"a longer period", GAUGE "thresholds: [{metric: Orphans, above: 5, period: 5m, for: 15m}]\n",
     "max(max_over_time(Orphans" OWN "[300s])) > 5", NULL, 600, 0, 300},
    {"a period of two hours", GAUGE "thresholds: [{metric: Orphans, below: 5, period: 2h}]\n",
     "min(min_over_time(Orphans" OWN "[7200s])) < 5", NULL, 0, 0, 3600},
    {"an average", GAUGE "thresholds: [{metric: Orphans, above: -1e21, statistic: Average}]\n",
     "avg(Orphans" OWN ") > -1e+21", NULL, 0, 0, 60},
    {"an average of a longer period",
     GAUGE "thresholds: [{metric: Orphans, above: 1, statistic: Average, period: 2m}]\n",
     "sum(sum_over_time(Orphans" OWN "[120s])) / sum(count_over_time(Orphans" OWN "[120s])) > 1", NULL, 0, 0, 120},
    {"a count of samples", GAUGE "thresholds: [{metric: Orphans, below: 1, statistic: SampleCount}]\n",
     "sum(count_over_time(Orphans" OWN "[60s])) < 1", NULL, 0, 0, 60},
    {"missing is breaching", GAUGE "thresholds: [{metric: Orphans, above: 5, missing: breaching}]\n",
     "max(Orphans" OWN ") > 5 or absent(Orphans" OWN ")", NULL, 0, 0, 60},
    {"missing in a longer period", GAUGE "thresholds: [{metric: Orphans, above: 5, missing: breaching, period: 5m}]\n",
     "max(max_over_time(Orphans" OWN "[300s])) > 5 or absent_over_time(Orphans" OWN "[300s])", NULL, 0, 0, 300},
    {"a delta of one series", DELTA "thresholds: [{metric: Failures, at_least: 3, dimensions: {region: eu}}]\n",
     "sum(Failures" OWN_EU ") >= 3", NULL, 0, 0, 60},
    {"a delta of a longer period",
     DELTA "thresholds: [{metric: Failures, at_least: 3, period: 5m, dimensions: {region: eu}}]\n",
     "sum(sum_over_time(Failures" OWN_EU "[300s])) >= 3", NULL, 0, 0, 300},
    {"an average of observations", TIMES "thresholds: [{metric: Time, above: 2}]\n",
     "histogram_avg(sum(Time" OWN ")) > 2", NULL, 0, 0, 60},
    {"a percentile", TIMES "thresholds: [{metric: Time, above: 2, statistic: p99.5, period: 5m}]\n",
     "histogram_quantile(99.5 / 100, sum(sum_over_time(Time" OWN "[300s]))) > 2", NULL, 0, 0, 300},
    {"a number of observations", TIMES "thresholds: [{metric: Time, below: 2, statistic: SampleCount}]\n",
     "histogram_count(sum(Time" OWN ")) < 2", NULL, 0, 0, 60},
    {"names that PromQL does not take bare",
     LANE "dimensions: {My Team: \"a\\\"b\"}\nmetrics: [{expr: a, name: my.gauge, kind: gauge}]\n"
          "thresholds: [{metric: my.gauge, above: 5}]\n",
     "max({\"my.gauge\", \"My Team\"=\"a\\\"b\"}) > 5", NULL, 0, 0, 60},
    {"no dimensions",
     LANE "dimensions: {}\nmetrics: [{expr: a, name: a:b, kind: gauge}]\nthresholds: [{metric: a:b, above: 5}]\n",
     "max(a:b) > 5", NULL, 0, 0, 60},
    {"a heartbeat of one", GAUGE "heartbeat: {}\n", "absent_over_time(Heartbeat" OWN "[180s])", NULL, 0, 0, 60},
    {"a heartbeat of three", GAUGE "interval: 20s\nheartbeat: {expected_replicas: 3}\n",
     "count(count_over_time(Heartbeat" OWN "[60s])) < 3 or absent_over_time(Heartbeat" OWN "[60s])", NULL, 0, 0, 20},
    {"a rule as it is", PUBLISHED "rule_alarms: {}\n", "sum by (queue) (queue_length{queue=~\"a|b\"}) > 5", "rule/Own",
     90, 2, 60},
    {"a rule with windows", PUBLISHED "rule_alarms: {}\n", "max_over_time(queue_length[5m]) > 1 unless on () up == 0",
     "rule/Window", 0, 0, 60},
    {"a label that is not published", PUBLISHED "rule_alarms: {}\n", RULE("Label"), "rule/Label", 0, 0, 60},
    {"one of two that is not published", PUBLISHED "rule_alarms: {}\n", RULE("Other"), "rule/Other", 0, 0, 60},
    {"a delta", PUBLISHED "rule_alarms: {}\n", RULE("Counter"), "rule/Counter", 0, 0, 60},
    {"an entry that is a sum", PUBLISHED "rule_alarms: {}\n", RULE("Summed"), "rule/Summed", 0, 0, 60},
    {"an entry of another name", PUBLISHED "rule_alarms: {}\n", RULE("Renamed"), "rule/Renamed", 0, 0, 60},
    {"an entry with matchers", PUBLISHED "rule_alarms: {}\n", RULE("Narrowed"), "rule/Narrowed", 0, 0, 60},
    {"an entry that looks back", PUBLISHED "rule_alarms: {}\n", RULE("Late"), "rule/Late", 0, 0, 60},
    {"a selector without a name", PUBLISHED "rule_alarms: {}\n", RULE("Nameless"), "rule/Nameless", 0, 0, 60},
    {"no selector", PUBLISHED "rule_alarms: {}\n", RULE("Nothing"), "rule/Nothing", 0, 0, 60},
    {"longer than CloudWatch waits", PUBLISHED "rule_alarms: {}\n", RULE("Long"), "rule/Long", 0, 0, 60},
    {"two rules of one name", PUBLISHED "rule_alarms: {}\n", RULE("Twice"), "rule/Twice", 0, 0, 60},
};

static const struct oxp_cw_planned *find(const struct oxp_cw_planned *alarms, size_t count, const char *end) {
    for (size_t i = 0; i < count; i++) {
        size_t len = strlen(alarms[i].name);
        if (end == NULL || (len > strlen(end) && strcmp(alarms[i].name + len - strlen(end), end) == 0)) {
            return &alarms[i];
        }
    }
    return NULL;
}

/* It is PromQL; of functions of native histograms our own engine knows the names alone. */
static void check_grammar(const char *query) {
    struct oxp_promql_expr *expr = NULL;
    struct oxp_error error = {0};
    enum oxp_status status = oxp_promql_parse(oxp_view_from(query), &expr, &error);
    if (status == OXP_ERR_UNSUPPORTED && strncmp(query, "histogram_", 10) == 0) {
        return;
    }
    if (status != OXP_OK) {
        fail_msg("%s: %s", query, error.text);
    }
    assert_int_equal(expr->root->type, OXP_PROMQL_VECTOR);
    oxp_promql_expr_free(expr);
}

static void queries(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT_OF(wanted); i++) {
        struct plan_world world;
        const struct oxp_cw_planned *alarms;
        struct oxp_error error = {0};
        struct oxp_json *body = NULL;
        size_t count;
        print_message("%s\n", wanted[i].name);
        plan_world_open(&world, wanted[i].section, rules, "a");
        assert_int_equal(oxp_cw_wanted(&world.input, &world.arena, &alarms, &count, &error), OXP_OK);
        const struct oxp_cw_planned *alarm = find(alarms, count, wanted[i].alarm);
        assert_non_null(alarm);
        assert_false(alarm->high_resolution);
        assert_int_equal(oxp_json_read(oxp_view_from(alarm->body), &body, &error), OXP_OK);
        const struct oxp_json *criteria = oxp_json_get(oxp_json_get(body, "EvaluationCriteria"), "PromQLCriteria");
        struct oxp_view query = oxp_json_text_of(oxp_json_get(criteria, "Query"));
        if (!oxp_view_is(query, wanted[i].query)) {
            fail_msg("%.*s\nexpected %s", (int)query.len, query.ptr, wanted[i].query);
        }
        check_grammar(wanted[i].query);
        assert_true(oxp_json_number_of(oxp_json_get(criteria, "PendingPeriod")) == wanted[i].pending_s);
        assert_true(oxp_json_number_of(oxp_json_get(criteria, "RecoveryPeriod")) == wanted[i].recovery_s);
        assert_true(oxp_json_number_of(oxp_json_get(body, "EvaluationInterval")) == wanted[i].interval_s);
        assert_non_null(strstr(alarm->condition, wanted[i].query));
        oxp_json_free(body);
        plan_world_close(&world);
    }
}

/* Whole, for none of a metric alarm's members may be there. */
static void a_body(void **state) {
    (void)state;
    struct plan_world world;
    const struct oxp_cw_planned *alarms;
    struct oxp_error error = {0};
    size_t count;
    plan_world_open(&world,
                    GAUGE "tags: {team: web}\nthresholds: [{metric: Orphans, above: 5, for: 3m, actions: [" ARN
                          "], ok_actions: [" ARN "]}]\n",
                    NULL, NULL);
    assert_int_equal(oxp_cw_wanted(&world.input, &world.arena, &alarms, &count, &error), OXP_OK);
    assert_int_equal(count, 1);
    assert_string_equal(
        alarms[0].body,
        "{\"AlarmName\":\"Orchestrator/collector/test/Orphans\",\"AlarmDescription\":\"Maximum of Orphans is above the "
        "threshold\",\"ActionsEnabled\":true,\"AlarmActions\":[\"" ARN "\"],\"OKActions\":[\"" ARN
        "\"],\"InsufficientDataActions\":[],\"EvaluationCriteria\":{\"PromQLCriteria\":{\"Query\":\"max(Orphans{"
        "Service="
        "\\\"collector\\\", Environment=\\\"test\\\"}) > 5\",\"PendingPeriod\":120,\"RecoveryPeriod\":0}},"
        "\"EvaluationInterval\":60,\"Tags\":[{\"Key\":\"oxpecker:service\",\"Value\":\"collector\"},{\"Key\":"
        "\"oxpecker:environment\",\"Value\":\"test\"},{\"Key\":\"team\","
        "\"Value\":\"web\"}]}");
    assert_string_equal(alarms[0].condition,
                        "PromQL max(Orphans{Service=\"collector\", Environment=\"test\"}) > 5 each "
                        "60 s, pending 120 s, recovery 0 s");
    plan_world_close(&world);
}

static void a_query_too_long(void **state) {
    (void)state;
    struct plan_world world;
    const struct oxp_cw_planned *alarms;
    struct oxp_error error = {0};
    struct oxp_buf section;
    size_t count;
    oxp_buf_init(&section, 0);
    oxp_buf_append_text(&section, LANE "dimensions:\n");
    for (int i = 0; i < 10; i++) {
        oxp_buf_append_format(&section, "  D%d: ", i);
        for (int k = 0; k < 1000; k++) {
            oxp_buf_append_char(&section, 'v');
        }
        oxp_buf_append_char(&section, '\n');
    }
    oxp_buf_append_text(&section, "metrics: [{expr: a, name: A, kind: gauge}]\nthresholds: [{metric: A, above: 5}]\n");
    plan_world_open(&world, oxp_buf_text(&section), NULL, NULL);
    assert_int_equal(oxp_cw_wanted(&world.input, &world.arena, &alarms, &count, &error), OXP_ERR_LIMIT);
    assert_non_null(strstr(error.text, "the query has 10"));
    plan_world_close(&world);
    oxp_buf_fini(&section);
}

/* ---- Comparison ---- */

static void comparisons(void **state) {
    (void)state;
#define CRITERIA(query, pending)                                                                                       \
    "\"EvaluationCriteria\":{\"PromQLCriteria\":{\"Query\":\"" query "\"" pending "}},\"EvaluationInterval\":"
#define NEW "{\"ActionsEnabled\":true," CRITERIA("a > 1", ",\"PendingPeriod\":0,\"RecoveryPeriod\":60") "60}"
    static const struct {
        const char *there, *wanted, *differences;
    } rows[] = {
        {NEW, NEW, ""},
        {"{\"TreatMissingData\":\"ignore\"," CRITERIA("a > 1", ",\"RecoveryPeriod\":60") "60}", NEW, ""},
        {"{" CRITERIA("a > 2", ",\"PendingPeriod\":5") "30}", NEW,
         "Query \"a > 2\" -> \"a > 1\", PendingPeriod 5 -> 0, RecoveryPeriod 0 -> 60, EvaluationInterval 30 -> 60"},
        {"{\"MetricName\":\"A\",\"Threshold\":5}", NEW,
         "MetricName A -> none, Threshold 5 -> none, Query none -> \"a > 1\", RecoveryPeriod 0 -> 60, "
         "EvaluationInterval none -> 60"},
        {NEW, "{\"ActionsEnabled\":true,\"MetricName\":\"A\",\"Threshold\":5}",
         "MetricName none -> A, Threshold none -> 5, EvaluationCriteria -> none, EvaluationInterval 60 -> none"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct oxp_json *there = NULL, *new = NULL;
        struct oxp_buf out;
        oxp_buf_init(&out, 0);
        assert_int_equal(oxp_json_read(oxp_view_from(rows[i].there), &there, NULL), OXP_OK);
        assert_int_equal(oxp_json_read(oxp_view_from(rows[i].wanted), &new, NULL), OXP_OK);
        oxp_cw_alarm_compare(there, new, &out);
        assert_string_equal(oxp_buf_text(&out), rows[i].differences);
        oxp_buf_fini(&out);
        oxp_json_free(there);
        oxp_json_free(new);
    }
}

/* ---- Cost, plan, policy, dashboard ---- */

static const char whole[] = GAUGE "thresholds: [{metric: Orphans, above: 5, actions: [" ARN "]}]\n"
                                  "heartbeat: {expected_replicas: 2}\n"
                                  "prices: {free_metrics: 0, free_alarms: 0, free_requests: 0}\nbudget: 1\n";

static void not_by_metric(void **state) {
    (void)state;
    struct plan_world world;
    const struct oxp_cw_planned *alarms;
    struct oxp_error error = {0};
    struct oxp_cw_plan plan = {.region = OXP_VIEW("us-east-1")};
    struct oxp_buf out;
    size_t count;
    oxp_buf_init(&out, 0);
    plan_world_open(&world, whole, NULL, "a");
    assert_int_equal(oxp_cw_wanted(&world.input, &world.arena, &alarms, &count, &error), OXP_OK);
    assert_int_equal(oxp_cw_cost_of(&world.input, alarms, count, &plan.then), OXP_OK);
    assert_int_equal(plan.then.metrics, 2);
    assert_true(plan.then.metrics_month == 0 && plan.then.requests_cost_month == 0);
    assert_int_equal(plan.then.alarms, 2);
    assert_true(fabs(plan.then.total_month - 0.2) < 1e-9);
    plan.alarms = alarms;
    plan.count = count;
    plan.now = plan.pruned = plan.then;
    oxp_cw_plan_print(&world.input, &plan, &out);
    const char *text = oxp_buf_text(&out);
    static const char *const lines[] = {
        "Lane otlp: never tried against AWS\n",
        "  + create    threshold  Orchestrator/collector/test/Orphans\n"
        "        PromQL max(Orphans{Service=\"collector\", Environment=\"test\"}) > 5 each 60 s",
        "  metrics                2, not counted one by one: lane otlp is billed per GB ingested, and that price is "
        "not "
        "known here\n",
        "  alarms                 2 x 0.1 = 0.20\n",
        "  requests               86400 of some data each, not counted one by one\n",
        "  in all                 0.20 USD",
        "  This is not the whole bill: ",
    };
    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        if (strstr(text, lines[i]) == NULL) {
            fail_msg("%s\nlacks %s", text, lines[i]);
        }
    }
    oxp_buf_fini(&out);
    plan_world_close(&world);
}

static void policy_and_dashboard(void **state) {
    (void)state;
    struct plan_world world;
    struct oxp_buf out;
    oxp_buf_init(&out, 0);
    plan_world_open(&world, whole, NULL, "a");
    assert_int_equal(oxp_cw_policy(&world.input, OXP_VIEW("us-east-1"), &out), OXP_OK);
    assert_non_null(strstr(oxp_buf_text(&out),
                           "\"Action\": [\"cloudwatch:PutMetricData\"],\n      \"Resource\": \"*\"\n"
                           "    },\n"));
    assert_null(strstr(oxp_buf_text(&out), "cloudwatch:namespace"));
    assert_non_null(strstr(oxp_buf_text(&out), "cloudwatch:PutMetricAlarm"));
    oxp_buf_clear(&out);
    assert_int_equal(oxp_cw_dashboard(&world.input, OXP_VIEW("us-east-1"), &out), OXP_OK);
    assert_non_null(strstr(oxp_buf_text(&out), ":alarm:Orchestrator/collector/test/Orphans"));
    assert_null(strstr(oxp_buf_text(&out), "\"type\":\"metric\""));
    oxp_buf_fini(&out);
    plan_world_close(&world);
}

/* ---- Allocations ---- */

static void make_all(void *ctx) {
    struct plan_world *world = ctx;
    const struct oxp_cw_planned *alarms;
    struct oxp_error error = {0};
    size_t count = 0;
    enum oxp_status status = oxp_cw_wanted(&world->input, &world->arena, &alarms, &count, &error);
    assert_int_equal(status, alloc_fail_hit() ? OXP_ERR_NOMEM : OXP_OK);
    assert_int_equal(count, status == OXP_OK ? 14 : 0);
    oxp_arena_fini(&world->arena);
    oxp_arena_init(&world->arena, 0);
}

static void allocations_fail(void **state) {
    (void)state;
    struct plan_world world;
    plan_world_open(&world, PUBLISHED "thresholds: [{metric: up, below: 1}]\nrule_alarms: {}\n", rules, NULL);
    assert_true(alloc_fail_each(make_all, &world) > 10);
    plan_world_close(&world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(queries),          cmocka_unit_test(a_body),        cmocka_unit_test(a_query_too_long),
        cmocka_unit_test(comparisons),      cmocka_unit_test(not_by_metric), cmocka_unit_test(policy_and_dashboard),
        cmocka_unit_test(allocations_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
