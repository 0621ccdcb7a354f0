/* Rule unit tests: what is taken and what is refused and where, verdicts and their words (those of promtool for the
 * same files), what queries may see, order, rule files that cannot be used, allocation failures. */
#include "alerts/rules/unit.h"

#include "lib/base/buf.h"
#include "tests/support/alloc_fail.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])

/* ---- A run ---- */

struct rule_text {
    const char *path, *text;
};

struct world {
    const struct rule_text *files; /* by name; a pattern "*" gives all, one that is missing none */
    size_t count;
    struct oxp_buf failures; /* `LINE: TEXT` each, a line feed between */
};

static enum oxp_status read_file(void *ctx, struct oxp_view pattern, size_t next, struct oxp_buf *path_out,
                                 struct oxp_buf *text_out, struct oxp_error *error) {
    const struct world *world = ctx;
    if (oxp_view_is(pattern, "unreadable")) {
        return oxp_error_set(error, OXP_ERR_DENIED, 0, 0, "unreadable: permission denied");
    }
    for (size_t i = 0; i < world->count; i++) {
        if ((oxp_view_is(pattern, "*") || oxp_view_is(pattern, world->files[i].path)) && next-- == 0) {
            oxp_buf_append_text(path_out, world->files[i].path);
            oxp_buf_append_text(text_out, world->files[i].text);
            return oxp_buf_status(path_out) != OXP_OK ? OXP_ERR_NOMEM : oxp_buf_status(text_out);
        }
    }
    return OXP_END;
}

static void on_failure(void *ctx, unsigned line, const char *text) {
    struct world *world = ctx;
    oxp_buf_append_format(&world->failures, "%s%u: %s", world->failures.len == 0 ? "" : "\n", line, text);
}

static enum oxp_status run(struct world *world, const char *text, struct oxp_unit_result *result,
                           struct oxp_error *error) {
    struct oxp_unit_options options = {.read = read_file, .on_failure = on_failure, .ctx = world};
    return oxp_unit_run(oxp_view_from(text), &options, result, error);
}

/* ---- Files ---- */

struct fault_row {
    const char *name, *text;
    enum oxp_status status; /* OXP_OK: it is taken */
    unsigned line, column;
    const char *reason;
};

#define TEST "tests:\n- "

/* clang-format off: one row a line */
static const struct fault_row fault_rows[] = {
    {"nothing", "", OXP_OK, 0, 0, NULL},
    {"null", "~", OXP_OK, 0, 0, NULL},
    {"no tests", "rule_files: []\ntests:\n", OXP_OK, 0, 0, NULL},
    {"a test that is nothing", "tests: [~, {}]\n", OXP_OK, 0, 0, NULL},
    {"everything",
     "rule_files: [missing.yml]\nevaluation_interval: 30s\ngroup_eval_order: [a, b]\nfuzzy_compare: Yes\n"
     "tests:\n- interval: 1m\n  name: n\n  external_labels: {a: b}\n  external_url: http://x\n  start_timestamp: "
     "2026-11-22T04:26:00Z\n"
     "  input_series: [{series: 'a{b=\"c\"}', values: '1+1x3 _ stale'}]\n"
     "  alert_rule_test: [{eval_time: 1m, alertname: A, exp_alerts: []}]\n"
     "  promql_expr_test: [{expr: nothing, eval_time: 1m, exp_samples: []}]\n",
     OXP_OK, 0, 0, NULL},
    {"anchors", "tests:\n- &t {interval: 1m}\n- *t\n- {<<: *t, name: x}\n", OXP_OK, 0, 0, NULL},
    {"a second document is not read", "tests: []\n---\nfoo: 1\n", OXP_OK, 0, 0, NULL},
    {"numbers as YAML has them", TEST "promql_expr_test:\n  - {expr: 'vector(16) > 99', exp_samples: }\n", OXP_OK, 0, 0,
     NULL},
    {"an empty histogram", TEST "promql_expr_test: [{expr: 'vector(0)', exp_samples: [{histogram: ''}]}]\n", OXP_OK, 0,
     0, NULL},
    {"values that are folded",
     TEST "input_series:\n  - series: a\n    values: >-\n      1 2\n      3\n  - {series: b, values: 1}\n", OXP_OK, 0,
     0, NULL},
    {"a line feed behind the last series", TEST "input_series:\n  - series: a\n    values: |\n      1 2\n", OXP_OK, 0,
     0, NULL},
    {"a series without values", TEST "input_series: [{series: a}, {series: '{}', values: }]\n", OXP_OK, 0, 0, NULL},

    {"not YAML", "tests: [\n", OXP_ERR_SYNTAX, 2, 1, "did not find expected node content"},
    {"a list", "- tests\n", OXP_ERR_INVALID, 1, 1, "found a list; expected a test file"},
    {"unknown field", "rule_file: []\n", OXP_ERR_INVALID, 1, 1, "field rule_file not found in a test file"},
    {"unknown field of a test", TEST "intervall: 1m\n", OXP_ERR_INVALID, 2, 3,
     "field intervall not found in a test, which has interval, input_series, alert_rule_test, promql_expr_test, "
     "external_labels, external_url, name, start_timestamp"},
    {"unknown field of a series", TEST "input_series: [{serie: a}]\n", OXP_ERR_INVALID, 2, 19,
     "field serie not found in an input series"},
    {"unknown field of an alert", TEST "alert_rule_test: [{alertname: a, exp_alerts: [{labels: {}}]}]\n",
     OXP_ERR_INVALID, 2, 50, "field labels not found in an expected alert"},
    {"unknown field of a check", TEST "alert_rule_test: [{alertname: a, at: 1m}]\n", OXP_ERR_INVALID, 2, 36,
     "field at not found in an alert_rule_test"},
    {"unknown field of an expression", TEST "promql_expr_test: [{query: a}]\n", OXP_ERR_INVALID, 2, 23,
     "field query not found in a promql_expr_test"},
    {"unknown field of a sample", TEST "promql_expr_test: [{exp_samples: [{label: a}]}]\n", OXP_ERR_INVALID, 2, 38,
     "field label not found in an expected sample"},
    {"the same field twice", TEST "name: a\n  name: b\n", OXP_ERR_SYNTAX, 3, 3, "name"},
    {"a duration", "evaluation_interval: 1 minute\n", OXP_ERR_INVALID, 1, 22, "evaluation_interval"},
    {"a time that is no duration", TEST "alert_rule_test: [{eval_time: soon, alertname: a}]\n", OXP_ERR_INVALID, 2, 33,
     "eval_time"},
    {"a time below zero", TEST "promql_expr_test: [{eval_time: -1m, expr: a}]\n", OXP_ERR_INVALID, 2, 34, "eval_time"},
    {"rule files that are no list", "rule_files: a.yml\n", OXP_ERR_INVALID, 1, 13,
     "\"rule_files\": found text; expected a list"},
    {"tests that are no list", "tests: {}\n", OXP_ERR_INVALID, 1, 8, "found a mapping; expected a list"},
    {"an alert without a name", TEST "alert_rule_test:\n  - eval_time: 1m\n", OXP_ERR_INVALID, 3, 5,
     "misses required attribute alertname"},
    {"a group twice in the order", "group_eval_order:\n- a\n- b\n- a\n", OXP_ERR_INVALID, 4, 3,
     "group name repeated in evaluation order: \"a\""},
    {"labels that are no mapping", TEST "alert_rule_test: [{alertname: a, exp_alerts: [{exp_labels: [a]}]}]\n",
     OXP_ERR_INVALID, 2, 62, "expected a mapping"},
    {"a label that is a list", TEST "alert_rule_test: [{alertname: a, exp_alerts: [{exp_labels: {b: []}}]}]\n",
     OXP_ERR_INVALID, 2, 66, "expected text"},
    {"a value in quotes", TEST "promql_expr_test: [{exp_samples: [{value: '5'}]}]\n", OXP_ERR_INVALID, 2, 45,
     "a number is expected, not \"5\""},
    {"a value that is a word", TEST "promql_expr_test: [{exp_samples: [{value: NaN}]}]\n", OXP_ERR_INVALID, 2, 45,
     "a number is expected"},
    {"a value that is too large", TEST "promql_expr_test: [{exp_samples: [{value: 1e999}]}]\n", OXP_ERR_INVALID, 2, 45,
     "a number is expected"},
    {"a value that is two", TEST "promql_expr_test: [{exp_samples: [{value: 1 2}]}]\n", OXP_ERR_INVALID, 2, 45,
     "a number is expected"},
    {"a value that is a list", TEST "promql_expr_test: [{exp_samples: [{value: [1]}]}]\n", OXP_ERR_INVALID, 2, 45,
     "a number is expected"},
    {"no truth", "fuzzy_compare: maybe\n", OXP_ERR_INVALID, 1, 16, "true or false is expected"},
    {"truth in quotes", "fuzzy_compare: 'true'\n", OXP_ERR_INVALID, 1, 16, "true or false is expected"},
    {"a histogram", TEST "promql_expr_test: [{exp_samples: [{labels: a, histogram: '{{}}'}]}]\n", OXP_ERR_UNSUPPORTED,
     2, 49, "native histograms are not supported"},
    {"a histogram in a series", TEST "input_series: [{series: a, values: '1 {{}}'}]\n", OXP_ERR_UNSUPPORTED, 2, 41,
     "native histograms are not supported"},
    {"labels of a sample", TEST "promql_expr_test:\n  - exp_samples:\n    - labels: 'a{b=1}'\n", OXP_ERR_SYNTAX, 4, 20,
     "unexpected character inside braces: '1'"},
    {"labels with a value behind", TEST "promql_expr_test: [{exp_samples: [{labels: 'a 5'}]}]\n", OXP_ERR_INVALID, 2,
     46, "something behind them"},
    {"a series", TEST "input_series:\n  - series: '{'\n    values: 1\n", OXP_ERR_SYNTAX, 3, 15, "not closed"},
    {"a matcher", TEST "input_series:\n  - {series: 'a{b!=\"c\"}', values: 1}\n", OXP_ERR_SYNTAX, 3, 0,
     "labels of a series are given with ="},
    {"a value of a series", TEST "input_series:\n  - series: a\n    values: '1 2 x'\n", OXP_ERR_SYNTAX, 4, 18,
     "not a value"},
    {"values of no series", TEST "input_series:\n  - values: '1 2'\n", OXP_ERR_INVALID, 3, 5, "the series is missing"},
    {"a series that is nothing", TEST "input_series: [~]\n", OXP_ERR_INVALID, 2, 18, "the series is missing"},
    {"too many values", TEST "input_series: [{series: a, values: '1x1000000'}]\n", OXP_ERR_LIMIT, 2, 41,
     "1000000 values at most"},
    {"a line feed in values", TEST "input_series:\n  - series: a\n    values: |\n      1 2\n  - {series: b}\n",
     OXP_ERR_INVALID, 4, 13, "a line feed ends all input series"},
    {"a line feed between values", TEST "input_series:\n  - series: a\n    values: |\n      1 2\n      3\n",
     OXP_ERR_INVALID, 4, 13, "a line feed ends all input series"},
    {"a line feed in a series", TEST "input_series:\n  - series: |\n      a\n    values: 1\n", OXP_ERR_INVALID, 3, 13,
     "a line feed ends all input series"},
    {"a start that is no time", TEST "start_timestamp: yesterday\n", OXP_ERR_INVALID, 2, 20,
     "cannot parse \"yesterday\" to a valid timestamp"},
    {"a day that is none", TEST "start_timestamp: 2026-02-30T00:00:00Z\n", OXP_ERR_INVALID, 2, 20, "valid timestamp"},
    {"a time without its zone", TEST "start_timestamp: 2026-02-03T00:00:00\n", OXP_ERR_INVALID, 2, 20,
     "valid timestamp"},
};
/* clang-format on */

static void files(void **state) {
    (void)state;
    unsigned wrong = 0;
    for (size_t i = 0; i < COUNT_OF(fault_rows); i++) {
        const struct fault_row *row = &fault_rows[i];
        struct world world = {0};
        struct oxp_unit_result result;
        struct oxp_error error = {0};
        enum oxp_status status = run(&world, row->text, &result, &error);
        if (status != row->status || error.line != row->line || (row->column != 0 && error.column != row->column) ||
            (row->reason != NULL && strstr(error.text, row->reason) == NULL)) {
            wrong++;
            print_error("%s: %s %u:%u: %s\n", row->name, oxp_status_name(status), error.line, error.column, error.text);
        }
        oxp_buf_fini(&world.failures);
    }
    assert_int_equal(wrong, 0);
}

/* ---- Verdicts ---- */

#define RULES                                                                                                          \
    "groups:\n- name: g\n  rules:\n"                                                                                   \
    "  - {alert: Down, expr: up == 0, for: 1m, labels: {s: 'x{{ $externalLabels.r }}'}, annotations: {a: 'v {{ "       \
    "$value }}', b: '{{ if eq 1 2 }}x{{ end }}', u: '{{ $externalURL }}'}}\n"                                          \
    "  - {alert: Keep, expr: up == 0, keep_firing_for: 2m}\n"                                                          \
    "  - {record: 'up:sum', expr: sum(up)}\n"                                                                          \
    "  - {record: 'up:sum2', expr: 'up:sum * 2'}\n"
#define FILES "rule_files: [r.yml]\n"
#define UP "  input_series: [{series: 'up{a=\"1\"}', values: '1 0x5'}, {series: 'up{a=\"2\"}', values: '1x20'}]\n"
#define DOWN(time, alerts) "{alertname: Down, eval_time: " time ", exp_alerts: [" alerts "]}"
#define ONE "{exp_labels: {a: 1, s: x}, exp_annotations: {a: v 0, b: '', u: ''}}"
#define ALERTS(checks) "  alert_rule_test: [" checks "]\n"
#define QUERIES(checks) "  promql_expr_test: [" checks "]\n"

struct verdict_row {
    const char *name, *text;
    unsigned tests, failed, checks;
    const char *failures; /* as promtool 2.42 or, where said, a newer one prints them, behind line numbers */
    const char *rules;    /* NULL: RULES */
};

/* clang-format off: one row a line */
static const struct verdict_row verdict_rows[] = {
    {"an alert",
     FILES TEST "interval: 1m\n" UP ALERTS(DOWN("1m", "") "," DOWN("2m", ONE) "," DOWN("6m", ONE) "," DOWN("12m", "")),
     1, 0, 4, "", NULL},
    {"the interval of the file, and a time between two ticks",
     "evaluation_interval: 30s\n" FILES TEST "interval: 1m\n" UP ALERTS(DOWN("119s", "") "," DOWN("2m", ONE)), 1, 0, 2,
     "", NULL},
    {"values are apart by the evaluation interval unless told",
     "evaluation_interval: 2m\n" FILES TEST "input_series: [{series: x, values: '1+1x10'}]\n" QUERIES(
         "{expr: x, eval_time: 4m, exp_samples: [{labels: x, value: 3}]}"),
     1, 0, 1, "", NULL},
    {"a name that no rule has", FILES TEST "interval: 1m\n" UP ALERTS("{alertname: Other, eval_time: 3m}"), 1, 0, 1, "",
     NULL},
    {"wrong alerts",
     FILES TEST "interval: 1m\n  name: one\n" UP ALERTS(
         DOWN("3m", "") "," DOWN("0s", "{exp_labels: {s: '', b: 1, alertname: other}}, ~")),
     1, 1, 2,
     "6:     name: one,\n    alertname: Down, time: 0s, \n        exp:[\n            0:\n              "
     "Labels:{alertname=\"Down\"}\n              Annotations:{},\n"
     "            1:\n              Labels:{alertname=\"Down\", b=\"1\", s=\"\"}\n              Annotations:{}\n       "
     "     ], \n        got:[]\n"
     "6:     name: one,\n    alertname: Down, time: 3m, \n        exp:[], \n        got:[\n            0:\n            "
     "  Labels:{a=\"1\", alertname=\"Down\", s=\"x\"}\n"
     "              Annotations:{a=\"v 0\", b=\"\", u=\"\"}\n            ]",
     NULL},
    {"an annotation that is missing",
     FILES TEST "interval: 1m\n" UP ALERTS(DOWN("3m", "{exp_labels: {a: 1, s: x}, exp_annotations: {a: v 0, u: ''}}")),
     1, 1, 1, "*", NULL},
    {"a label with an empty value is never there",
     FILES TEST "interval: 1m\n" UP ALERTS(
         DOWN("3m", "{exp_labels: {a: 1, s: x, z: ''}, exp_annotations: {a: v 0, b: '', u: ''}}")),
     1, 1, 1, "*", NULL},
    {"external labels and URL are for templates alone",
     FILES TEST "interval: 1m\n  external_labels: {r: R}\n  external_url: http://h/\n" UP ALERTS(
         DOWN("3m", "{exp_labels: {a: 1, s: xR}, exp_annotations: {a: v 0, b: , u: http://h/}}")),
     1, 0, 1, "", NULL},
    {"keep_firing_for",
     FILES TEST "interval: 1m\n  input_series: [{series: up, values: '0 0 1x20'}]\n" ALERTS(
         "{alertname: Keep, eval_time: 3m, exp_alerts: [{}]}, {alertname: Keep, eval_time: 4m}, {alertname: Keep, "
         "eval_time: 5m}"),
     1, 0, 3, "", NULL},
    {"alerts of several groups and orders",
     FILES TEST
     "interval: 1m\n  input_series: [{series: 'x{a=\"2\"}', values: 1}, {series: 'x{a=\"1\"}', values: 1}]\n" ALERTS(
         "{alertname: A, eval_time: 0s, exp_alerts: [{exp_labels: {a: 2}}, {exp_labels: {a: 1}}, {exp_labels: {a: 2}}, "
         "{exp_labels: {a: 1}}]}"),
     1, 0, 1, "", "groups: [{name: g, rules: [{alert: A, expr: x}]}, {name: h, rules: [{alert: A, expr: x}]}]\n"},

    {"expressions",
     FILES TEST "interval: 1m\n" UP QUERIES(
         "{expr: 'up:sum', eval_time: 3m, exp_samples: [{labels: 'up:sum', value: 1}]}, {expr: 'up:sum2', eval_time: "
         "0s, exp_samples: [{labels: '{__name__=\"up:sum2\"}', value: 4}]},"
         "{expr: 'sort_desc(up)', eval_time: 2m, exp_samples: [{labels: 'up{a=\"1\"}'}, {labels: 'up{a=\"2\"} ', "
         "value: 1.0}]}, {expr: 1 + 1, exp_samples: [{labels: '', value: 2}]},"
         "{expr: up, eval_time: 30m}, {expr: 'ALERTS{alertname=\"Down\"}', eval_time: 1m, exp_samples: [{labels: "
         "'ALERTS{a=\"1\",alertname=\"Down\",alertstate=\"pending\",s=\"x\"}', value: 1}]},"
         "{expr: 'ALERTS_FOR_STATE{alertname=\"Down\"}', eval_time: 5m, exp_samples: [{labels: "
         "'ALERTS_FOR_STATE{a=\"1\",alertname=\"Down\",s=\"x\"}', value: 60}]}"),
     1, 0, 7, "", NULL},
    {"numbers",
     TEST "promql_expr_test:\n  - {expr: vector(16), exp_samples: [{value: 0x10}]}\n  - {expr: vector(15), "
          "exp_samples: [{value: 0o17}]}\n"
          "  - {expr: vector(8), exp_samples: [{value: 010}]}\n  - {expr: vector(8), exp_samples: [{value: 08}]}\n  - "
          "{expr: vector(-2), exp_samples: [{value: -0b10}]}\n"
          "  - {expr: vector(1000), exp_samples: [{value: 1_000}]}\n  - {expr: vector(0.5), exp_samples: [{value: "
          ".5}]}\n  - {expr: vector(1e3), exp_samples: [{value: +1.e+3}]}\n"
          "  - {expr: vector(Inf), exp_samples: [{value: .inf}]}\n  - {expr: vector(-Inf), exp_samples: [{value: "
          "-.Inf}]}\n  - {expr: vector(0), exp_samples: [{}]}\n",
     1, 0, 11, "", NULL},
    {"wrong samples",
     FILES TEST "interval: 1m\n" UP QUERIES(
         "{expr: 'up:sum', eval_time: 90s, exp_samples: [{value: 2.50}]}, {expr: 'vector(-0.000125)', eval_time: "
         "1h1m}, {expr: 'nothing', eval_time: 1d, exp_samples: [{labels: '{b=\"2\"}', value: 1e300}, {labels: x, "
         "value: .inf}]},"
         "{expr: 'vector(1234567.5)', exp_samples: [~]}, {expr: \"vector(\\\"a\\\")\"}, {expr: '\"a\"'}, {expr: "
         "'up[5m]'}, {expr: 'up +'}, {expr: ''}, {expr: 'up + on() up', eval_time: 1m}"),
     1, 1, 10,
     "5:     expr: \"up:sum\", time: 1m30s,\n        exp: {} 2.5E+00\n        got: {__name__=\"up:sum\"} 1E+00\n"
     "5:     expr: \"vector(-0.000125)\", time: 1h1m,\n        exp: nil\n        got: {} -1.25E-04\n"
     "5:     expr: \"nothing\", time: 1d,\n        exp: {__name__=\"x\"} +Inf, {b=\"2\"} 1E+300\n        got: nil\n"
     "5:     expr: \"vector(1234567.5)\", time: 0s,\n        exp: {} 0E+00\n        got: {} 1.2345675E+06\n"
     "5:     expr: \"vector(\\\"a\\\")\", time: 0s, err: 1:8: parse error: expected type scalar in call to function "
     "\"vector\", got string\n"
     "5:     expr: \"\\\"a\\\"\", time: 0s, err: rule result is not a vector or scalar\n"
     "5:     expr: \"up[5m]\", time: 0s, err: rule result is not a vector or scalar\n"
     "5:     expr: \"up +\", time: 0s, err: 1:5: parse error: unexpected end of input\n"
     "5:     expr: \"\", time: 0s, err: unknown position: parse error: no expression found in input\n"
     "5:     expr: \"up + on() up\", time: 1m, err: found duplicate series for the match group {} on the right "
     "hand-side of the operation: "
     "[{__name__=\"up\", a=\"1\"}, {__name__=\"up\", a=\"2\"}];many-to-many matching not allowed: matching labels must "
     "be unique on one side",
     NULL},
    {"NaN is like nothing, even itself",
     TEST "promql_expr_test: [{expr: 'vector(NaN)', exp_samples: [{value: .nan}]}]\n", 1, 1, 1,
     "2:     expr: \"vector(NaN)\", time: 0s,\n        exp: {} NaN\n        got: {} NaN", NULL},
    {"neighbours are not the same", TEST "promql_expr_test: [{expr: '0.1 + 0.2', exp_samples: [{value: 0.3}]}]\n", 1, 1,
     1, "*", NULL},
    {"unless they are to be",
     "fuzzy_compare: true\n" TEST "promql_expr_test: [{expr: '0.1 + 0.2', exp_samples: [{value: 0.3}]}, {expr: "
     "vector(Inf), exp_samples: [{value: .inf}]}]\n",
     1, 0, 2, "", NULL},
    {"and not those two apart",
     "fuzzy_compare: true\n" TEST
     "promql_expr_test: [{expr: '0.30000000000000004', exp_samples: [{value: 0.29999999999999993}]}]\n",
     1, 1, 1, "*", NULL},

    {"nothing is seen before its time",
     FILES TEST "interval: 1m\n  input_series: [{series: x, values: '1+1x10'}]\n" QUERIES(
         "{expr: 'future', eval_time: 3m}, {expr: 'past', eval_time: 3m, exp_samples: [{labels: past, value: 3}]}, "
         "{expr: x, eval_time: 210s, exp_samples: [{labels: x, value: 4}]},"
         "{expr: x offset -4m, eval_time: 2m, exp_samples: [{labels: x, value: 4}]}"),
     1, 0, 4, "",
     "groups: [{name: g, rules: [{record: future, expr: x offset -1m > timestamp(x) / 60 + 1}, {record: past, expr: x "
     "offset 1m}]}]\n"},
    {"rules see what rules before them made, in the files' order",
     FILES TEST "interval: 1m\n  input_series: [{series: x, values: '1+1x10'}]\n" QUERIES(
         "{expr: '{__name__=~\"b|c|d\"}', exp_samples: [{labels: b, value: 1}, {labels: c, value: 1}]}, {expr: "
         "'{__name__=~\"b|c|d\"}', eval_time: 1m, exp_samples: [{labels: b, value: 2}, {labels: c, value: 2}, {labels: "
         "d, value: 1}]}"),
     1, 0, 2, "",
     "groups: [{name: g, rules: [{record: d, expr: c}, {record: b, expr: x}]}, {name: h, rules: [{record: c, expr: "
     "b}]}]\n"},
    {"groups in an order",
     "group_eval_order: [h, g]\n" FILES TEST "interval: 1m\n  input_series: [{series: x, values: '1+1x10'}]\n" QUERIES(
         "{expr: '{__name__=~\"b|c\"}', eval_time: 0s, exp_samples: [{labels: b, value: 1}, {labels: c, value: 1}]}"),
     1, 0, 1, "", "groups: [{name: g, rules: [{record: c, expr: b}]}, {name: h, rules: [{record: b, expr: x}]}]\n"},
    {"groups run at every tick, whatever their interval",
     FILES TEST "interval: 1m\n  input_series: [{series: x, values: '1+1x10'}]\n" QUERIES(
         "{expr: c, eval_time: 3m, exp_samples: [{labels: c, value: 4}]}"),
     1, 0, 1, "", "groups: [{name: g, interval: 1h, rules: [{record: c, expr: x}]}]\n"},
    {"gaps, stale markers, the last of two",
     FILES TEST
     "interval: 1m\n  input_series: [{series: x, values: '9'}, {series: y, values: '1 stale'}, {series: x, values: '_ "
     "2 _x8 3'}]\n" QUERIES("{expr: 'x or y', eval_time: 0s, exp_samples: [{labels: y, value: 1}]}, {expr: 'x or y', "
                            "eval_time: 4m, exp_samples: [{labels: x, value: 2}]}, {expr: x, eval_time: 9m}, {expr: x, "
                            "eval_time: 10m, exp_samples: [{labels: x, value: 3}]}"),
     1, 0, 4, "", NULL},
    {"a rule that fails ends its test alone",
     FILES TEST
     "interval: 1m\n  name: a\n  input_series: [{series: 'x{a=\"1\"}', values: '_x61 1x9'}, {series: 'x{a=\"2\"}', "
     "values: '1x80'}]\n" ALERTS("{alertname: A, eval_time: 60m}, {alertname: A, eval_time: 70m, exp_alerts: [{}]}")
         QUERIES("{expr: wrong, exp_samples: [{}]}") "- name: b\n  promql_expr_test: [{expr: wrong, eval_time: 2h}]\n",
     2, 1, 2,
     "3:     rule: b, time: 1h1m0s, err: "
     "found duplicate series for the match group {} on the right hand-side of the operation: [{__name__=\"x\", "
     "a=\"1\"}, {__name__=\"x\", "
     "a=\"2\"}];many-to-many matching not allowed: matching labels must be unique on one side\n    rule: c, time: "
     "1h1m0s, err: "
     "found duplicate series for the match group {} on the right hand-side of the operation: [{__name__=\"x\", "
     "a=\"1\"}, {__name__=\"x\", "
     "a=\"2\"}];many-to-many matching not allowed: matching labels must be unique on one side",
     "groups: [{name: g, rules: [{record: b, expr: 'sum(x) * on() x'}, {record: c, expr: 'x * on() x'}]}]\n"},
    {"a rule and a series write the same",
     FILES TEST "interval: 1m\n  input_series: [{series: b, values: '5'}]\n" QUERIES("{expr: b}"), 1, 1, 0,
     "3:     rule: b, time: 0s, err: duplicate sample for timestamp",
     "groups: [{name: g, rules: [{record: b, expr: vector(1)}]}]\n"},
    {"a start",
     FILES TEST "interval: 1m\n  start_timestamp: 1763785560\n  input_series: [{series: x, values: '1+1x5'}]\n" QUERIES(
         "{expr: t, eval_time: 2m, exp_samples: [{labels: t, value: 1763785680}]}, {expr: 'x + 0 * t', eval_time: 2m, "
         "exp_samples: [{value: 3}]}") "- start_timestamp: 2025-11-22T04:26:00Z\n  promql_expr_test: [{expr: time(), "
                                       "exp_samples: [{value: 1763785560}]}]\n"
                                       "- start_timestamp: 2025-11-22T06:26:00.5+02:00\n  promql_expr_test: [{expr: "
                                       "time(), exp_samples: [{value: 1763785560.5}]}]\n",
     3, 0, 4, "", "groups: [{name: g, rules: [{record: t, expr: time()}]}]\n"},
    {"subqueries step by the evaluation interval",
     "evaluation_interval: 20s\n" TEST
     "promql_expr_test: [{expr: 'count_over_time(vector(1)[2m:])', eval_time: 10m, exp_samples: [{value: 6}]}]\n",
     1, 0, 1, "", NULL},
    {"a week",
     FILES TEST "interval: 1m\n  input_series: [{series: up, values: '1x5000 0x6000'}]\n" ALERTS(
         "{alertname: Down, eval_time: 5001m}, {alertname: Down, eval_time: 7d, exp_alerts: [{exp_labels: {s: x}, "
         "exp_annotations: {a: v 0, b: , u: }}]}"),
     1, 0, 2, "", NULL},

    {"several tests",
     FILES TEST "interval: 1m\n" UP ALERTS(DOWN("3m", ONE)) "- interval: 1m\n" UP ALERTS(
         DOWN("3m", "")) "- interval: 2m\n" UP ALERTS(DOWN("2m", "")),
     3, 1, 3, "*", NULL},
    {"no tests", FILES, 0, 0, 0, "", "groups: [{name: g, rules: [{record: b, expr: '('}]}]\n"},
    {"a rule file that is wrong", FILES TEST "promql_expr_test: [{expr: wrong}]\n- name: b\n", 2, 2, 0,
     "1:     r.yml:2:6: field fr not found in a rule group, which has name, interval, query_offset, limit, rules, "
     "labels\n"
     "1:     r.yml:3:28: group \"g\", rule 1, \"b\": could not parse expression: 1:2: parse error: unclosed left "
     "parenthesis",
     "groups:\n  - {fr: 1, name: g, rules:\n      [{record: b, expr: '('}]}\n"},
    {"a rule file that cannot be read", "rule_files:\n- r.yml\n- unreadable\n" TEST "name: b\n", 1, 1, 0,
     "3:     unreadable: permission denied", NULL},
    {"a rule file that is not there", "rule_files:\n- s.yml\n" TEST "promql_expr_test: [{expr: 'up:sum'}]\n", 1, 0, 1,
     "", NULL},
    {"a rule file twice", "rule_files: ['*', r.yml]\n" TEST "interval: 1m\n" UP ALERTS(DOWN("3m", ONE)), 1, 0, 1, "",
     NULL},
};
/* clang-format on */

static void verdicts(void **state) {
    (void)state;
    unsigned wrong = 0;
    for (size_t i = 0; i < COUNT_OF(verdict_rows); i++) {
        const struct verdict_row *row = &verdict_rows[i];
        const struct rule_text rules = {"r.yml", row->rules == NULL ? RULES : row->rules};
        struct world world = {.files = &rules, .count = 1};
        struct oxp_unit_result result;
        struct oxp_error error = {0};
        enum oxp_status status = run(&world, row->text, &result, &error);
        const char *failures = oxp_buf_text(&world.failures);
        bool fits = strcmp(row->failures, "*") == 0 ? *failures != '\0' : strcmp(row->failures, failures) == 0;
        if (status != OXP_OK || result.tests != row->tests || result.failed != row->failed ||
            result.checks != row->checks || !fits) {
            wrong++;
            fprintf(stderr, "%s: %s %u:%u: %s: %u tests, %u failed, %u checks\n%s\n", row->name,
                    oxp_status_name(status), error.line, error.column, error.text, result.tests, result.failed,
                    result.checks, failures);
        }
        oxp_buf_fini(&world.failures);
    }
    assert_int_equal(wrong, 0);
}

/* ---- Memory ---- */

static const char whole[] =
    "rule_files: ['*']\ngroup_eval_order: [h, g]\n" TEST "interval: 1m\n  external_labels: {r: R}\n" UP ALERTS(
        DOWN("3m", "{exp_labels: {a: 1, s: xR}, exp_annotations: {a: v 0, b: , u: }}") "," DOWN("4m", "{}"))
        QUERIES("{expr: 'sort(up)', eval_time: 2m, exp_samples: [{labels: 'up{a=\"1\"}'}, {labels: 'up{a=\"2\"}', "
                "value: 1}]}, {expr: 'up:sum'}, {expr: '('}");

static void run_whole(void *ctx) {
    static const struct rule_text rules[] = {{"a.yml", RULES},
                                             {"b.yml", "groups: [{name: h, rules: [{record: b, expr: sum(up)}]}]"}};
    struct world world = {.files = rules, .count = COUNT_OF(rules)};
    struct oxp_unit_result result;
    struct oxp_error error = {0};
    bool *complete = ctx;
    enum oxp_status status = run(&world, whole, &result, &error);
    assert_true(status == OXP_OK || status == OXP_ERR_NOMEM);
    *complete = status == OXP_OK && result.tests == 1 && result.failed == 1 && result.checks == 5;
    oxp_buf_fini(&world.failures);
}

static void no_memory(void **state) {
    (void)state;
    bool complete = false;
    size_t failed = alloc_fail_each(run_whole, &complete);
    assert_true(complete);
    assert_true(failed > 100);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files),
        cmocka_unit_test(verdicts),
        cmocka_unit_test(no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
