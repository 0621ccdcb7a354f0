/* The `cloudwatch` section: what is taken, and what is refused with which words and where. */
#include "tests/unit/lib/base/support.h"

#include "alerts/cloudwatch/config.h"
#include "exporter/ledger/catalogue.h"
#include "tests/support/alloc_fail.h"
#include <stdio.h>

static const struct oxp_cw_identity identity = {"collector", "production", NULL};

static enum oxp_status read_text(const char *text, const struct oxp_cw_identity *who, struct oxp_cw_config **config_out,
                                 struct oxp_error *error) {
    struct oxp_yaml *yaml;
    const struct oxp_yaml_node *root;
    *config_out = NULL;
    enum oxp_status status = oxp_yaml_parse(oxp_view_from(text), &yaml, &root, error);
    if (status == OXP_OK) {
        status = oxp_cw_config_read(root, "oxpecker.yml", who, config_out, error);
        oxp_yaml_free(yaml);
    }
    return status;
}

static struct oxp_cw_config *must_read(const char *text) {
    struct oxp_cw_config *config;
    struct oxp_error error = {0};
    if (read_text(text, &identity, &config, &error) != OXP_OK) {
        fail_msg("%s\n%u:%u: %s", text, error.line, error.column, error.text);
    }
    return config;
}

#define METRICS                                                                                                        \
    "metrics: [{expr: a, name: A, kind: gauge}, {expr: b_total, name: B, kind: delta, by: [x]},\n"                     \
    " {expr: c_bucket, name: C, kind: distribution}]\n"
#define OTLP "lane: otlp\notlp_untried: true\n"
#define ALARM METRICS "thresholds:\n  - "

static void takes(void **state) {
    (void)state;
    static const char *const rows[] = {
        "{}",
        "region: us-east-1\nendpoint: http://127.0.0.1:5000\nprofile: x y\nfips: true\ndual_stack: false\n",
        "namespace: My/App-1\nlane: emf\ninterval: 1s\ncompress: never\n",
        "interval: 1h\nreplicas: split\n",
        "dimensions: {}\n",
        "metrics: []\n",
        "metrics:\n- {expr: 'sum by (le, w) (x_bucket{a=\"b\"})', name: X, kind: distribution, unit: Seconds}\n",
        "metrics:\n- {expr: 'sum without (w) ((x_bucket))', name: X, kind: distribution}\n",
        "metrics:\n- {expr: a, name: A, kind: gauge}\n- {expr: a, name: A, kind: gauge, by: [x]}\n",
        "metrics:\n- expr: |\n    a +\n    b\n  name: A\n  kind: gauge\n",
        "metrics:\n- {expr: 1, name: A, kind: gauge, unit: Bytes/Second}\n",
        ALARM "{metric: A, above: -1.5, for: 5m, of: 7, missing: ignore, statistic: Average}\n",
        ALARM "{metric: B, at_least: 1, dimensions: {x: y}, statistic: p99.9}\n",
        ALARM "{metric: C, below: 1, statistic: p0, actions: ['arn:aws:sns:us-east-1:123456789012:topic']}\n",
        ALARM "{metric: A, above: 1, period: 1h, for: 7d}\n",
        ALARM "{metric: A, above: 1, for: 24h}\n",
        ALARM "{metric: A, above: 1}\n  - {metric: A, below: 1, name: other}\n",
        "interval: 10s\n" ALARM "{metric: A, above: 1, period: 30s, for: 90s}\n",
        "rule_alarms: {}\nheartbeat: {}\n",
        "rule_alarms: {severity: [critical, info], alertname: [X], actions: []}\nheartbeat: {expected_replicas: 2}\n",
        "otlp_untried: false",
        OTLP "replicas: share\nheartbeat: {}\n",
        (OTLP "metrics: [{expr: a_bucket, name: A, kind: distribution}]\n"
              "thresholds: [{metric: A, above: 1, for: 5m, of: 5, missing: breaching, statistic: p99}]\n"),
        "tags: {team: x, cost center: ''}\nprices: {metric: 0, currency: EUR}\nbudget: 12.5\n",
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        oxp_cw_config_free(must_read(rows[i]));
    }
}

#define LONG_64 "0123456789012345678901234567890123456789012345678901234567890123"
#define LONG_256 LONG_64 LONG_64 LONG_64 LONG_64

static void refuses(void **state) {
    (void)state;
    static const struct {
        const char *text, *place, *words;
    } rows[] = {
        {"[]", "1:1", "expected a mapping"},
        {"regoin: x", "1:1", "cloudwatch: there is no key regoin; did you mean region?"},
        {"zzzzzzzz: x", "1:1", "cloudwatch: there is no key zzzzzzzz"},
        {"region: US", "1:9", "small letters"},
        {"region: ", "1:8", "found nothing"},
        {"endpoint: ftp://x", "1:11", "http://"},
        {"fips: yes", "1:7", "expected true or false"},
        {"namespace: AWS/X", "1:12", "may not begin with AWS/"},
        {"namespace: ''", "1:12", "empty"},
        {"namespace: ':x'", "1:12", "may not begin with ':'"},
        {"namespace: ' '", "1:12", "blanks alone"},
        {"namespace: " LONG_256, "1:12", "too long"},
        {"lane: kafka", "1:7", "expected one of putmetricdata, emf, otlp"},
        {"lane: otlp", "1:7", "never tried against AWS; `otlp_untried: true` says"},
        {"lane: otlp\notlp_untried: false", "1:7", "never tried against AWS"},
        {"lane: otlp\notlp_untried: maybe", "2:15", "expected true or false"},
        {"otlp_untried: true", "1:1", "of lane otlp alone"},
        {"lane: emf\notlp_untried: true", "2:1", "of lane otlp alone"},
        {OTLP "replicas: split", "3:11", "use share"},
        {OTLP "heartbeat: {expected_replicas: 2}", "3:12", "by their external labels, and there are none"},
        {OTLP ALARM "{metric: A, above: 1, for: 2m, of: 3}", "6:40", "no M of N"},
        {OTLP ALARM "{metric: A, above: 1, missing: ignore}", "6:36", "breaching and notBreaching alone"},
        {OTLP ALARM "{metric: A, above: 1, missing: missing}", "6:36", "breaching and notBreaching alone"},
        {OTLP ALARM "{metric: A, above: 1, period: 1h, for: 26h}", "6:5", "a day at most"},
        {OTLP
         "metrics: [{expr: a_bucket, name: A, kind: distribution}]\nthresholds:\n- {metric: A, above: 1, statistic: "
         "Maximum}",
         "5:36", "no Maximum of a distribution"},
        {OTLP "metrics: [{expr: a, name: A, kind: delta}]\nthresholds:\n- {metric: A, above: 1, statistic: p99}",
         "5:36", "percentiles of distributions alone"},
        {"interval: 500ms", "1:11", "whole seconds from 1s to 3600s"},
        {"interval: 2h", "1:11", "whole seconds"},
        {"interval: soon", "1:11", "whole seconds"},
        {"compress: gzip", "1:11", "auto, never"},
        {"replicas: none", "1:11", "share, split"},
        {"dimensions: {A: }", "1:17", "found nothing"},
        {"dimensions: {A: é}", "1:17", "printable ASCII"},
        {"dimensions: {':A': x}", "1:14", "may not begin with ':'"},
        {"dimensions: []", "1:13", "expected a mapping"},
        {"metrics: {}", "1:10", "expected a list"},
        {"metrics:\n- {}", "2:3", "needs the key expr"},
        {"metrics:\n- {expr: a, name: A}", "2:3", "needs the key kind"},
        {"metrics:\n- {expr: a, name: A, kind: gauge, units: X}", "2:35", "did you mean unit?"},
        {"metrics:\n- {expr: a, name: A, kind: counter}", "2:28", "gauge, delta, distribution"},
        {"metrics:\n- {expr: a, name: A, kind: gauge, unit: Second}", "2:41", "expected one of None, Seconds"},
        {"metrics:\n- {expr: 'sum(', name: A, kind: gauge}", "2:10", "expr: 1:"},
        {"metrics:\n- {expr: '', name: A, kind: gauge}", "2:10", "expr: 0:0"},
        {"metrics:\n- {expr: [a], name: A, kind: gauge}", "2:10", "found a list"},
        {"metrics:\n- {expr: 'a[5m]', name: A, kind: gauge}", "2:10", "found a range vector"},
        {"metrics:\n- {expr: '\"x\"', name: A, kind: delta}", "2:10", "found a string"},
        {"metrics:\n- {expr: a, name: Heartbeat, kind: gauge}", "2:19", "oxpecker uses itself"},
        {"metrics:\n- {expr: a, name: é, kind: gauge}", "2:19", "printable ASCII"},
        {"metrics:\n- {expr: a, name: A, kind: distribution}", "2:10", "_bucket"},
        {"metrics:\n- {expr: 'rate(a_bucket[5m])', name: A, kind: distribution}", "2:10", "_bucket"},
        {"metrics:\n- {expr: 'sum(a_bucket)', name: A, kind: distribution}", "2:10", "must keep the label le"},
        {"metrics:\n- {expr: 'sum without (le) (a_bucket)', name: A, kind: distribution}", "2:10", "keep the label le"},
        {"metrics:\n- {expr: 'a_bucket{le=\"1\"}', name: A, kind: distribution}", "2:10", "by le"},
        {"metrics:\n- {expr: '{__name__=\"a_bucket\"}', name: A, kind: distribution}", "2:10", "by name"},
        {"metrics:\n- {expr: a, name: A, kind: gauge, by: [x], dimensions: {y: z}}", "2:39", "use one of them"},
        {"metrics:\n- {expr: a, name: A, kind: gauge, by: [x, x]}", "2:43", "named twice"},
        {"metrics:\n- {expr: a, name: A, kind: gauge, by: [1x]}", "2:40", "letters, digits"},
        {"metrics:\n- {expr: a, name: A, kind: gauge, by: [Service]}", "2:3", "section's already"},
        {"metrics:\n- {expr: a, name: A, kind: gauge}\n- {expr: b, name: A, kind: gauge}", "3:3", "line 2 already"},
        {"lane: emf\nmetrics:\n- {expr: a, name: Service, kind: gauge}", "3:3", "name of a dimension"},
        {ALARM "{above: 1}", "4:5", "needs the key metric"},
        {ALARM "{metric: A}", "4:5", "one of above"},
        {ALARM "{metric: A, above: 1, below: 2}", "4:34", "one comparison"},
        {ALARM "{metric: A, above: x}", "4:24", "expected a number"},
        {ALARM "{metric: A, above: .inf}", "4:24", "expected a number"},
        {ALARM "{metric: Z, above: 1}", "4:14", "no metric is published as \"Z\""},
        {ALARM "{metric: A, above: 1, dimensions: {x: y}}", "4:14", "without dimensions of its own"},
        {ALARM "{metric: B, above: 1}", "4:14", "published by x"},
        {ALARM "{metric: B, above: 1, dimensions: {y: y}}", "4:14", "published by x"},
        {ALARM "{metric: A, above: 1, for: 90s}", "4:32", "multiple of the period of 60s"},
        {ALARM "{metric: A, above: 1, for: 5m, of: 4}", "4:40", "less than the 5 periods"},
        {ALARM "{metric: A, above: 1, of: 0}", "4:31", "whole number from 1"},
        {ALARM "{metric: A, above: 1, period: 90s}", "4:35", "whole minutes"},
        {ALARM "{metric: A, above: 1, period: 30s}", "4:35", "shorter than the interval"},
        {ALARM "{metric: A, above: 1, for: 24h, of: 1441}", "4:5", "looks back"},
        {ALARM "{metric: A, above: 1, period: 1h, of: 169}", "4:5", "looks back"},
        {ALARM "{metric: A, above: 1, missing: good}", "4:36", "notBreaching"},
        {ALARM "{metric: A, above: 1, statistic: p99}", "4:38", "is a gauge"},
        {ALARM "{metric: C, above: 1, statistic: p101}", "4:38", "a percentile"},
        {ALARM "{metric: C, above: 1, statistic: Median}", "4:38", "a percentile"},
        {ALARM "{metric: A, above: 1, actions: [topic]}", "4:37", "must be an ARN"},
        {ALARM "{metric: A, above: 1, actions: topic}", "4:36", "expected a list"},
        {ALARM "{metric: A, above: 1, ok_actions: [a,b,c,d,e,f]}", "4:39", "at most 5"},
        {ALARM "{metric: A, above: 1}\n  - {metric: A, below: 1}", "5:5", "same name"},
        {"rule_alarms: {severities: []}", "1:15", "did you mean severity?"},
        {"dimensions: {Rule: x}\nrule_alarms: {}", "2:14", "section's already"},
        {"heartbeat: {expected_replicas: 0}", "1:32", "from 1 to"},
        {"tags: {'aws:x': y}", "1:8", "aws:"},
        {"prices: {metric: -1}", "1:18", "not negative"},
        {"prices: {currency: usd}", "1:20", "capital letters"},
        {"budget: lots", "1:9", "expected a number"},
    };
    size_t wrong = 0;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct oxp_cw_config *config;
        struct oxp_error error = {0};
        char place[32];
        enum oxp_status status = read_text(rows[i].text, &identity, &config, &error);
        snprintf(place, sizeof place, "%u:%u", error.line, error.column);
        if (status != OXP_ERR_INVALID || config != NULL || strcmp(place, rows[i].place) != 0 ||
            strstr(error.text, rows[i].words) == NULL) {
            wrong++;
            print_error("%s\nexpected %s: … %s …\ngot %s %s: %s\n", rows[i].text, rows[i].place, rows[i].words,
                        oxp_status_name(status), place, error.text);
        }
    }
    assert_int_equal(wrong, 0);
}

static void says_what_was_meant(void **state) {
    (void)state;
    struct oxp_cw_config *config =
        must_read("region: eu-west-1\ninterval: 10s\nnamespace: N\n" METRICS "thresholds:\n"
                  "  - {metric: A, below: 3, for: 40s, of: 6, missing: breaching, description: d}\n"
                  "  - {metric: B, at_most: 0, dimensions: {x: v}}\n"
                  "  - {metric: C, above: 2, name: mine, ok_actions: ['arn:aws:sns:r:1:t']}\n"
                  "rule_alarms: {severity: [critical]}\nheartbeat: {expected_replicas: 3}\nbudget: 5\n");
    const struct oxp_cw_threshold *alarm = config->thresholds;
    assert_true(config->enabled);
    assert_true(oxp_view_is(config->place.region, "eu-west-1"));
    assert_int_equal(config->interval_ms, 10000);
    assert_int_equal(config->dimension_count, 2);
    assert_int_equal(config->shared_count, 2);
    assert_string_equal(config->dimensions[0].name, "Service");
    assert_string_equal(config->dimensions[0].value, "collector");
    assert_string_equal(config->dimensions[1].value, "production");
    assert_int_equal(config->metric_count, 3);
    assert_string_equal(config->metrics[1].labels[0].name, "x");
    assert_true(oxp_view_is(config->metrics[1].first->text, "b_total[10s]"));
    assert_true(oxp_view_is(config->metrics[2].sum->text, "c_sum"));
    assert_string_equal(alarm[0].name, "N/collector/A");
    assert_string_equal(alarm[0].comparison, "LessThanThreshold");
    assert_string_equal(alarm[0].statistic, "Minimum");
    assert_int_equal(alarm[0].period_s, 10);
    assert_int_equal(alarm[0].datapoints, 4);
    assert_int_equal(alarm[0].of, 6);
    assert_string_equal(oxp_cw_missing_name(alarm[0].missing), "breaching");
    assert_string_equal(alarm[1].name, "N/collector/B/v");
    assert_string_equal(alarm[1].statistic, "Sum");
    assert_ptr_equal(alarm[1].metric, &config->metrics[1]);
    assert_string_equal(alarm[2].name, "mine");
    assert_string_equal(alarm[2].statistic, "Average");
    assert_string_equal(alarm[2].actions.ok[0], "arn:aws:sns:r:1:t");
    assert_null(alarm[2].actions.ok[1]);
    assert_null(alarm[2].actions.alarm[0]);
    assert_string_equal(config->rule_severities[0], "critical");
    assert_null(config->rule_names[0]);
    assert_int_equal(config->heartbeat_replicas, 3);
    assert_true(config->budget == 5);
    assert_true(config->prices.metric == 0.30);
    oxp_cw_config_free(config);
}

/* External labels become dimensions by `split`; the heartbeat's stay what all replicas share. */
static void splits(void **state) {
    (void)state;
    struct oxp_arena arena;
    struct oxp_labels_builder builder;
    struct oxp_cw_config *config;
    struct oxp_error error = {0};
    oxp_arena_init(&arena, 0);
    oxp_labels_build(&builder, &arena, oxp_labels_none());
    oxp_labels_set_text(&builder, OXP_VIEW("Service"), OXP_VIEW("other"));
    oxp_labels_set_text(&builder, OXP_VIEW("replica"), OXP_VIEW("1"));
    struct oxp_cw_identity who = {"s", "", oxp_labels_finish(&builder)};
    assert_int_equal(read_text("replicas: split", &who, &config, &error), OXP_OK);
    assert_int_equal(config->dimension_count, 2);
    assert_int_equal(config->shared_count, 1);
    assert_string_equal(config->dimensions[0].value, "s"); /* what the section says wins */
    assert_string_equal(config->dimensions[1].name, "replica");
    oxp_cw_config_free(config);
    assert_int_equal(read_text("replicas: share", &who, &config, &error), OXP_OK);
    assert_int_equal(config->dimension_count, 1);
    oxp_cw_config_free(config);
    oxp_labels_set_text(&builder, OXP_VIEW("replica"), OXP_VIEW("\xc3\xa9"));
    who.external_labels = oxp_labels_finish(&builder);
    assert_int_equal(read_text("interval: 60s\nreplicas: split", &who, &config, &error), OXP_ERR_INVALID);
    assert_non_null(strstr(error.text, "cannot be a dimension"));
    assert_int_equal(error.line, 2); /* where it is asked for */
    who.service = "\xc3\xa9";
    assert_int_equal(read_text("interval: 60s\nmetrics: []", &who, &config, &error), OXP_ERR_INVALID);
    assert_int_equal(error.line, 1);
    oxp_arena_fini(&arena);
}

static void nothing_is_nothing(void **state) {
    (void)state;
    struct oxp_cw_config *config;
    assert_int_equal(oxp_cw_config_read(NULL, "x", NULL, &config, NULL), OXP_OK);
    assert_false(config->enabled);
    assert_int_equal(config->metric_count, 0);
    oxp_cw_config_free(config);
    oxp_cw_config_free(NULL);
}

/* ---- The sixteen ---- */

static bool in_catalogue(struct oxp_view name) {
    static const char *const parts[] = {"", "_bucket", "_sum", "_count"};
    for (size_t i = 0; i < OXP_METRICS; i++) {
        const struct oxp_family_spec *spec = &oxp_catalogue_row((enum oxp_metric)i)->spec;
        for (size_t j = 0; j < (spec->type == OXP_HISTOGRAM ? COUNT_OF(parts) : 1); j++) {
            char text[256];
            snprintf(text, sizeof text, "%s%s", spec->name, parts[j]);
            if (oxp_view_is(name, text)) {
                return true;
            }
        }
    }
    return false;
}

/* Every word of the expression that begins as our families do must be one of them. */
static void check_names(const char *expr) {
    size_t found = 0;
    for (const char *at = strstr(expr, "orchestrator_"); at != NULL; at = strstr(at + 1, "orchestrator_")) {
        size_t len = strspn(at, "abcdefghijklmnopqrstuvwxyz_0123456789");
        if (!in_catalogue(oxp_view_of(at, len))) {
            fail_msg("%.*s is not in the catalogue", (int)len, at);
        }
        found++;
    }
    assert_int_equal(found, 1);
}

static void defaults_are_the_catalogues(void **state) {
    (void)state;
    static const char *const names[] = {
        "SessionsActive",   "SessionsLimit",    "SessionsOrphaned", "SessionCreateFailures",
        "SessionsTimedOut", "TasksSucceeded",   "TasksFailed",      "TaskDuration",
        "Retries",          "RetriesExhausted", "BreakersOpen",     "ErrorsFatal",
        "QueueDepth",       "QueueOldestAge",   "RecoverySeconds",  "Up"};
    struct oxp_cw_config *config = must_read("{}");
    assert_int_equal(config->metric_count, COUNT_OF(names));
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        assert_string_equal(config->metrics[i].name, names[i]);
        assert_non_null(config->metrics[i].parsed);
        assert_true((config->metrics[i].sum != NULL) == (config->metrics[i].kind == OXP_CW_DISTRIBUTION));
        assert_true((config->metrics[i].first != NULL) == (config->metrics[i].kind != OXP_CW_GAUGE));
        check_names(config->metrics[i].expr);
    }
    oxp_cw_config_free(config);
}

/* ---- Memory ---- */

static void read_all(void *ctx) {
    struct oxp_cw_config *config = NULL;
    enum oxp_status status = oxp_cw_config_read(ctx, "x", &identity, &config, NULL);
    assert_true(status == OXP_OK || status == OXP_ERR_NOMEM);
    assert_true((config != NULL) == (status == OXP_OK));
    oxp_cw_config_free(config);
}

static void survives_no_memory(void **state) {
    (void)state;
    struct oxp_yaml *yaml;
    const struct oxp_yaml_node *root;
    static const char text[] =
        ALARM "{metric: A, above: 1}\nrule_alarms: {severity: [x]}\nheartbeat: {}\ntags: {a: b}\n";
    assert_int_equal(oxp_yaml_parse(oxp_view_from(text), &yaml, &root, NULL), OXP_OK);
    assert_true(alloc_fail_each(read_all, (void *)(uintptr_t)root) > 5);
    oxp_yaml_free(yaml);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes),
        cmocka_unit_test(refuses),
        cmocka_unit_test(says_what_was_meant),
        cmocka_unit_test(splits),
        cmocka_unit_test(nothing_is_nothing),
        cmocka_unit_test(defaults_are_the_catalogues),
        cmocka_unit_test(survives_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
