/* Rule files: what is taken and what it becomes, what is refused and where, places within expressions, all faults of a
 * file, the corpus of Prometheus' own files (OXP_CORPORA/rulefmt), allocation failures. */
#include "alerts/rules/file.h"

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
#include <glob.h>

#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])

/* ---- A file as text ---- */

static void dump_texts(struct oxp_buf *out, const char *what, const struct oxp_rule_text *texts, size_t count) {
    for (size_t i = 0; i < count; i++) {
        assert_true(i == 0 || oxp_symbol_compare(texts[i - 1].name, texts[i].name) < 0);
        oxp_buf_append_format(out, "%s%s=", i == 0 ? what : ",", texts[i].name->text);
        oxp_buf_append_view(out, texts[i].text);
    }
}

/* `group[settings]: record name = query {labels}; alert name = query for=ms keep=ms {labels} (annotations)` */
static void dump(struct oxp_buf *out, const struct oxp_rule_file *file) {
    size_t count = 0;
    for (size_t g = 0; g < file->group_count; g++) {
        const struct oxp_rule_group *group = &file->groups[g];
        oxp_buf_append_text(out, g == 0 ? "" : " | ");
        oxp_buf_append_view(out, group->name);
        oxp_buf_append_format(out, "[%lld,%lld,%u]:", (long long)group->interval_ms, (long long)group->query_offset_ms,
                              group->limit);
        assert_true(oxp_view_equal(group->file, file->path));
        assert_true(group->line != 0);
        for (size_t r = 0; r < group->count; r++, count++) {
            const struct oxp_rule *rule = &group->rules[r];
            bool alerting = rule->kind == OXP_RULE_ALERTING;
            assert_true(rule->line != 0 && rule->column != 0 && rule->expr != NULL);
            oxp_buf_append_format(out, "%s %s %s = ", r == 0 ? "" : ";", alerting ? "alert" : "record",
                                  rule->name->text);
            oxp_buf_append_view(out, rule->query);
            if (alerting) {
                oxp_buf_append_format(out, " for=%lld keep=%lld", (long long)rule->for_ms,
                                      (long long)rule->keep_firing_for_ms);
            }
            dump_texts(out, " labels ", rule->labels, rule->label_count);
            dump_texts(out, " annotations ", rule->annotations, rule->annotation_count);
            for (size_t i = 0; i < rule->label_count; i++) {
                assert_int_equal(rule->labels[i].template != NULL, alerting);
            }
            for (size_t i = 0; i < rule->annotation_count; i++) {
                assert_non_null(rule->annotations[i].template);
            }
        }
    }
    assert_int_equal(count, file->rule_count);
}

struct accept_row {
    const char *name, *text, *dump;
};

#define RULES "groups:\n- name: g\n  rules:\n"

/* clang-format off: one row a line */
static const struct accept_row accepted[] = {
    {"nothing", "", ""},
    {"a comment", "# nothing\n", ""},
    {"null", "~\n", ""},
    {"no groups", "groups:\n", ""},
    {"an empty list of groups", "groups: []\n", ""},
    {"an empty mapping", "{}\n", ""},
    {"a group without rules", "groups:\n- name: g\n", "g[0,0,0]:"},
    {"null items are skipped", "groups:\n- ~\n- name: g\n  rules:\n  -\n  - {record: a, expr: b}\n  - null\n",
     "g[0,0,0]: record a = b"},
    {"rules that are null", "groups:\n- name: g\n  rules: ~\n", "g[0,0,0]:"},
    {"everything of a group",
     "groups:\n- name: a b\n  interval: 1m30s\n  query_offset: 500ms\n  limit: 12\n  labels: {x: y}\n  rules:\n  - "
     "{record: r, expr: v}\n",
     "a b[90000,500,12]: record r = v labels x=y"},
    {"everything of an alert",
     RULES "  - alert: A\n    expr: sum(x)>1\n    for: 5m\n    keep_firing_for: 1h\n    labels: {b: \"1\", a: 2}\n    "
           "annotations: {z: 'it''s {{ $value }}', y: no}\n",
     "g[0,0,0]: alert A = sum(x) > 1 for=300000 keep=3600000 labels a=2,b=1 annotations y=no,z=it's {{ $value }}"},
    {"the rule's labels win",
     "groups:\n- name: g\n  labels: {a: group, b: group}\n  rules:\n  - {record: r, expr: v, labels: {b: rule, c: "
     "rule}}\n",
     "g[0,0,0]: record r = v labels a=group,b=rule,c=rule"},
    {"a group's labels in both kinds of rules",
     "groups:\n- name: g\n  labels: {a: '{{ $value }}'}\n  rules:\n  - {alert: a, expr: v}\n  - {record: r, expr: v}\n",
     "g[0,0,0]: alert a = v for=0 keep=0 labels a={{ $value }}; record r = v labels a={{ $value }}"},
    {"labels of a recording rule are no templates",
     "groups:\n- name: g\n  labels: {a: '{{ $nothing }}'}\n  rules:\n  - {record: r, expr: v, labels: {b: '{{'}}\n",
     "g[0,0,0]: record r = v labels a={{ $nothing }},b={{"},
    {"an empty label", RULES "  - {record: r, expr: v, labels: {a: '', b: }}\n", "g[0,0,0]: record r = v labels a=,b="},
    {"names in UTF-8", RULES "  - {record: 'größe.x', expr: v, labels: {ins-tance: a, 'ä ö': b}}\n",
     "g[0,0,0]: record größe.x = v labels ins-tance=a,ä ö=b"},
    {"an annotation may have any name", RULES "  - {alert: a, expr: v, annotations: {__name__: x, a-b: y}}\n",
     "g[0,0,0]: alert a = v for=0 keep=0 annotations __name__=x,a-b=y"},
    {"numbers and words are text",
     "groups:\n- name: 1\n  rules:\n  - {record: true, expr: 1.50, labels: {a: 0x10, b: yes, c: 2020-01-01}}\n",
     "1[0,0,0]: record true = 1.5 labels a=0x10,b=yes,c=2020-01-01"},
    {"durations",
     "groups:\n- {name: a, interval: 0}\n- {name: b, interval: 1d2h3m4s5ms}\n- {name: c, interval: 2y}\n- {name: d, "
     "interval: \"1m\"}\n- {name: e, interval: }\n",
     "a[0,0,0]: | b[93784005,0,0]: | c[63072000000,0,0]: | d[60000,0,0]: | e[0,0,0]:"},
    {"limits",
     "groups:\n- {name: a, limit: 0x10}\n- {name: b, limit: 0o17}\n- {name: c, limit: 017}\n- {name: d, limit: -5}\n- "
     "{name: e, limit: 1e3}\n- {name: f, limit: 1_000}\n"
     "- {name: g, limit: +7}\n- {name: h, limit: 0b11}\n- {name: i, limit: 99999999999}\n- {name: j, limit: }\n- "
     "{name: k, limit: 08}\n- {name: l, limit: 2.9}\n- {name: m, limit: 0}\n",
     "a[0,0,16]: | b[0,0,15]: | c[0,0,15]: | d[0,0,0]: | e[0,0,1000]: | f[0,0,1000]: | g[0,0,7]: | h[0,0,3]: | "
     "i[0,0,4294967295]: | j[0,0,0]: | k[0,0,8]: | l[0,0,2]: | m[0,0,0]:"},
    {"nothing of zero on a recording rule",
     RULES "  - {record: r, expr: v, for: 0s, keep_firing_for: , annotations: {}}\n", "g[0,0,0]: record r = v"},
    {"record beside an empty alert", RULES "  - {record: r, alert: '', expr: v}\n", "g[0,0,0]: record r = v"},
    {"alert beside an empty record", RULES "  - {record: , alert: A, expr: v}\n", "g[0,0,0]: alert A = v for=0 keep=0"},
    {"an alert may be called anything", RULES "  - {alert: 'a {b} ö', expr: v}\n",
     "g[0,0,0]: alert a {b} ö = v for=0 keep=0"},
    {"groups of different names", "groups: [{name: a}, {name: A}, {name: ' a'}]\n",
     "a[0,0,0]: | A[0,0,0]: |  a[0,0,0]:"},
    {"an expression over lines", RULES "  - record: r\n    expr: |\n      sum by (a) (\n        rate(x[5m])\n      )\n",
     "g[0,0,0]: record r = sum by (a) (rate(x[5m]))"},
    {"a comment in an expression", RULES "  - record: r\n    expr: |\n      x # what\n      + y\n",
     "g[0,0,0]: record r = x + y"},
    {"aliases",
     "groups:\n- name: g\n  rules:\n  - &r {alert: &n A, expr: &e x > 1, labels: &l {a: b}}\n  - {alert: B, expr: *e, "
     "labels: *l}\n  - {<<: *r, alert: C}\n  - *r\n",
     "g[0,0,0]: alert A = x > 1 for=0 keep=0 labels a=b; alert B = x > 1 for=0 keep=0 labels a=b; alert C = x > 1 "
     "for=0 keep=0 labels a=b; alert A = x > 1 for=0 keep=0 labels a=b"},
    {"tags", "groups:\n- name: !!str 1\n  rules: !!seq\n  - !!map {record: r, expr: !!str v}\n",
     "1[0,0,0]: record r = v"},
    {"a second document is not read", "groups: [{name: a}]\n---\ngroups: [{name: }]\n", "a[0,0,0]:"},
    {"the same rule twice", RULES "  - {record: r, expr: v}\n  - {record: r, expr: v}\n",
     "g[0,0,0]: record r = v; record r = v"},
    {"a byte order mark", "\xef\xbb\xbfgroups: []\n", ""},
    {"carriage returns", "groups:\r\n- name: g\r\n  rules:\r\n  - {record: a, expr: b}\r\n", "g[0,0,0]: record a = b"},
    {"JSON",
     "{\"groups\": [{\"name\": \"g\", \"rules\": [{\"alert\": \"A\", \"expr\": \"x\\u003e1\", \"for\": \"1m\"}]}]}",
     "g[0,0,0]: alert A = x > 1 for=60000 keep=0"},
};

struct reject_row {
    const char *name, *text;
    enum oxp_status status;
    unsigned line, column; /* column 0: somewhere in a template, whose parser knows */
    const char *reason;    /* the whole sentence */
};

static const struct reject_row rejected[] = {
    /* YAML */
    {"not UTF-8", "groups: \xff\n", OXP_ERR_SYNTAX, 1, 9, "not UTF-8"},
    {"not YAML", "groups: [\n", OXP_ERR_SYNTAX, 2, 1, "did not find expected node content (while parsing a flow node)"},
    {"a key twice", "groups: []\ngroups: []\n", OXP_ERR_SYNTAX, 2, 1,
     "the key \"groups\" stands twice; first on line 1"},
    {"an alias of nothing", "groups: *x\n", OXP_ERR_SYNTAX, 1, 9, "the alias names no anchor that stands before it"},
    /* structure */
    {"text", "groups\n", OXP_ERR_INVALID, 1, 1, "found text; expected a rule file"},
    {"a list", "- a\n", OXP_ERR_INVALID, 1, 1, "found a list; expected a rule file"},
    {"an unknown field of the file", "group: []\n", OXP_ERR_INVALID, 1, 1,
     "field group not found in a rule file, which has groups"},
    {"groups as a mapping", "groups: {}\n", OXP_ERR_INVALID, 1, 9, "\"groups\": found a mapping; expected a list"},
    {"groups as text", "groups: g\n", OXP_ERR_INVALID, 1, 9, "\"groups\": found text; expected a list"},
    {"a group as text", "groups:\n- g\n", OXP_ERR_INVALID, 2, 3, "found text; expected a rule group"},
    {"an unknown field of a group", "groups:\n- name: g\n  intervall: 1m\n", OXP_ERR_INVALID, 3, 3,
     "field intervall not found in a rule group, which has name, interval, query_offset, limit, rules, labels"},
    {"an unknown field of a rule", RULES "  - {alert: A, expr: v, annotation: {}}\n", OXP_ERR_INVALID, 4, 25,
     "group \"g\", rule 1, \"A\": field annotation not found in a rule, which has record, alert, expr, for, "
     "keep_firing_for, labels, annotations"},
    {"a field in capitals", RULES "  - {alert: A, expr: v, For: 1m}\n", OXP_ERR_INVALID, 4, 25,
     "group \"g\", rule 1, \"A\": field For not found in a rule, which has record, alert, expr, for, keep_firing_for, "
     "labels, annotations"},
    {"a rule as text", RULES "  - x\n", OXP_ERR_INVALID, 4, 5,
     "group \"g\", rule 1, \"\": found text; expected a rule"},
    {"rules as text", "groups:\n- name: g\n  rules: x\n", OXP_ERR_INVALID, 3, 10,
     "\"rules\": found text; expected a list"},
    {"labels as a list", RULES "  - {record: r, expr: v, labels: [a]}\n", OXP_ERR_INVALID, 4, 34,
     "group \"g\", rule 1, \"r\": \"labels\": found a list; expected a mapping"},
    {"a label as a list", RULES "  - {record: r, expr: v, labels: {a: [b]}}\n", OXP_ERR_INVALID, 4, 38,
     "group \"g\", rule 1, \"r\": \"a\": found a list; expected text"},
    {"an expression as a list", RULES "  - {record: r, expr: [v]}\n", OXP_ERR_INVALID, 4, 23,
     "group \"g\", rule 1, \"r\": \"expr\": found a list; expected text"},
    {"an alert as a list", RULES "  - {alert: [a], expr: v}\n", OXP_ERR_INVALID, 4, 13,
     "group \"g\", rule 1, \"\": \"alert\": found a list; expected text"},
    {"a name as a mapping", "groups:\n- name: {a: b}\n", OXP_ERR_INVALID, 2, 9,
     "\"name\": found a mapping; expected text"},
    /* groups */
    {"no name", "groups:\n- rules: []\n", OXP_ERR_INVALID, 2, 3, "Groupname must not be empty"},
    {"an empty name", "groups:\n- name: ''\n", OXP_ERR_INVALID, 2, 9, "Groupname must not be empty"},
    {"a name that is null", "groups:\n- name: ~\n", OXP_ERR_INVALID, 2, 9, "Groupname must not be empty"},
    {"a name twice", "groups:\n- name: g\n- name: g\n", OXP_ERR_INVALID, 3, 9,
     "groupname: \"g\" is repeated in the same file; first on line 2"},
    {"a group label __name__", "groups:\n- name: g\n  labels: {__name__: x}\n", OXP_ERR_INVALID, 3, 12,
     "invalid label name: __name__"},
    {"an interval without a unit", "groups:\n- {name: g, interval: 30}\n", OXP_ERR_INVALID, 2, 23,
     "\"interval\": not a valid duration string: \"30\""},
    {"an interval of nothing", "groups:\n- {name: g, interval: ''}\n", OXP_ERR_INVALID, 2, 23,
     "\"interval\": empty duration string"},
    {"a negative interval", "groups:\n- {name: g, interval: -1m}\n", OXP_ERR_INVALID, 2, 23,
     "\"interval\": not a valid duration string: \"-1m\""},
    {"a fraction", "groups:\n- {name: g, interval: 1.5m}\n", OXP_ERR_INVALID, 2, 23,
     "\"interval\": unknown unit \".\" in duration \"1.5m\""},
    {"units in disorder", "groups:\n- {name: g, interval: 1m1h}\n", OXP_ERR_INVALID, 2, 23,
     "\"interval\": not a valid duration string: \"1m1h\""},
    {"too long", "groups:\n- {name: g, interval: 300y}\n", OXP_ERR_INVALID, 2, 23,
     "\"interval\": duration out of range"},
    {"a bad query_offset", "groups:\n- {name: g, query_offset: x}\n", OXP_ERR_INVALID, 2, 27,
     "\"query_offset\": not a valid duration string: \"x\""},
    {"an interval as a list", "groups:\n- {name: g, interval: [1m]}\n", OXP_ERR_INVALID, 2, 23,
     "\"interval\": found a list; expected a duration"},
    {"a limit as text", "groups:\n- {name: g, limit: \"5\"}\n", OXP_ERR_INVALID, 2, 20,
     "\"limit\": found text; expected a whole number"},
    {"a limit as a word", "groups:\n- {name: g, limit: many}\n", OXP_ERR_INVALID, 2, 20,
     "\"limit\": found \"many\"; expected a whole number"},
    {"a limit as a list", "groups:\n- {name: g, limit: []}\n", OXP_ERR_INVALID, 2, 20,
     "\"limit\": found a list; expected a whole number"},
    {"a limit past all numbers", "groups:\n- {name: g, limit: 99999999999999999999}\n", OXP_ERR_INVALID, 2, 20,
     "\"limit\": found \"99999999999999999999\"; expected a whole number"},
    {"a limit that is no number", "groups:\n- {name: g, limit: .inf}\n", OXP_ERR_INVALID, 2, 20,
     "\"limit\": found \".inf\"; expected a whole number"},
    {"a limit of hexadecimal nothing", "groups:\n- {name: g, limit: 0x}\n", OXP_ERR_INVALID, 2, 20,
     "\"limit\": found \"0x\"; expected a whole number"},
    {"a limit of a sign", "groups:\n- {name: g, limit: '-'}\n", OXP_ERR_INVALID, 2, 20,
     "\"limit\": found text; expected a whole number"},
    /* rules */
    {"neither record nor alert", RULES "  - expr: 1\n", OXP_ERR_INVALID, 4, 5,
     "group \"g\", rule 1, \"\": one of 'record' or 'alert' must be set"},
    {"record and alert", RULES "  - record: r\n    alert: a\n    expr: 1\n", OXP_ERR_INVALID, 5, 12,
     "group \"g\", rule 1, \"a\": only one of 'record' and 'alert' must be set"},
    {"no expression", RULES "  - record: r\n", OXP_ERR_INVALID, 4, 5,
     "group \"g\", rule 1, \"r\": field 'expr' must be set in rule"},
    {"an empty expression", RULES "  - record: r\n    expr: ''\n", OXP_ERR_INVALID, 5, 11,
     "group \"g\", rule 1, \"r\": field 'expr' must be set in rule"},
    {"an expression that is null", RULES "  - record: r\n    expr:\n", OXP_ERR_INVALID, 5, 10,
     "group \"g\", rule 1, \"r\": field 'expr' must be set in rule"},
    {"for on a recording rule", RULES "  - record: r\n    expr: 1\n    for: 1m\n", OXP_ERR_INVALID, 6, 10,
     "group \"g\", rule 1, \"r\": invalid field 'for' in recording rule"},
    {"keep_firing_for on a recording rule", RULES "  - {record: r, expr: 1, keep_firing_for: 1m}\n", OXP_ERR_INVALID, 4,
     43, "group \"g\", rule 1, \"r\": invalid field 'keep_firing_for' in recording rule"},
    {"annotations on a recording rule", RULES "  - {record: r, expr: 1, annotations: {a: b}}\n", OXP_ERR_INVALID, 4, 39,
     "group \"g\", rule 1, \"r\": invalid field 'annotations' in recording rule"},
    {"braces in a name", RULES "  - {record: 'r{a=\"b\"}', expr: 1}\n", OXP_ERR_INVALID, 4, 14,
     "group \"g\", rule 1, \"r{a=\\\"b\\\"}\": braces present in the recording rule name; should it be in expr?: "
     "\"r{a=\\\"b\\\"}\""},
    {"an opening brace in a name", RULES "  - {record: 'r{', expr: 1}\n", OXP_ERR_INVALID, 4, 14,
     "group \"g\", rule 1, \"r{\": braces present in the recording rule name; should it be in expr?: \"r{\""},
    {"a closing brace in a name", RULES "  - {record: 'r}', expr: 1}\n", OXP_ERR_INVALID, 4, 14,
     "group \"g\", rule 1, \"r}\": braces present in the recording rule name; should it be in expr?: \"r}\""},
    {"a label __name__", RULES "  - {record: r, expr: 1, labels: {__name__: x}}\n", OXP_ERR_INVALID, 4, 35,
     "group \"g\", rule 1, \"r\": invalid label name: __name__"},
    {"a bad for", RULES "  - {alert: a, expr: 1, for: 5 minutes}\n", OXP_ERR_INVALID, 4, 30,
     "group \"g\", rule 1, \"a\": \"for\": unknown unit \" minutes\" in duration \"5 minutes\""},
    {"a bad keep_firing_for", RULES "  - {alert: a, expr: 1, keep_firing_for: m}\n", OXP_ERR_INVALID, 4, 42,
     "group \"g\", rule 1, \"a\": \"keep_firing_for\": not a valid duration string: \"m\""},
    /* expressions */
    {"a range missing", RULES "  - record: yolo\n    expr: rate(hi)\n", OXP_ERR_SYNTAX, 5, 16,
     "group \"g\", rule 1, \"yolo\": could not parse expression: 1:6: parse error: expected type range vector in call "
     "to function \"rate\", got instant vector"},
    {"blanks only", RULES "  - record: r\n    expr: ' '\n", OXP_ERR_SYNTAX, 5, 12,
     "group \"g\", rule 1, \"r\": could not parse expression: 1:1: parse error: no expression found in input"},
    {"a function that there is not", RULES "  - {alert: a, expr: x > foo(y)}\n", OXP_ERR_SYNTAX, 4, 26,
     "group \"g\", rule 1, \"a\": could not parse expression: 1:5: parse error: unknown function with name \"foo\""},
    {"refused by name", RULES "  - {alert: a, expr: 'limitk(1, x)'}\n", OXP_ERR_UNSUPPORTED, 4, 23,
     "group \"g\", rule 1, \"a\": could not parse expression: 1:1: parse error: limitk() is experimental in Prometheus "
     "and not supported"},
    /* templates */
    {"an unknown variable",
     RULES "  - alert: a\n    expr: 1\n    annotations:\n      summary: 'Instance {{ $label.instance }} down'\n",
     OXP_ERR_SYNTAX, 7, 0,
     "group \"g\", rule 1, \"a\": annotation \"summary\": template: __alert_a:1: undefined variable \"$label\""},
    {"an unknown variable in a label",
     RULES "  - alert: a\n    expr: 1\n    labels: {severity: '{{$this_is_wrong}}'}\n", OXP_ERR_SYNTAX, 6, 0,
     "group \"g\", rule 1, \"a\": label \"severity\": template: __alert_a:1: undefined variable \"$this_is_wrong\""},
    {"an unexpected operator",
     RULES "  - alert: a\n    expr: 1\n    annotations:\n      description: \"{{$labels.quantile * 100}}\"\n",
     OXP_ERR_SYNTAX, 7, 0,
     "group \"g\", rule 1, \"a\": annotation \"description\": template: __alert_a:1: unexpected \"*\" in operand"},
    {"a group's label",
     "groups:\n- name: g\n  labels: {a: '{{ $nothing }}'}\n  rules:\n  - {record: a, expr: 1}\n  - {alert: b, expr: "
     "1}\n",
     OXP_ERR_SYNTAX, 3, 0,
     "group \"g\", rule 2, \"b\": the group's label \"a\": template: __alert_b:1: undefined variable \"$nothing\""},
};
/* clang-format on */

/* ---- Running rows ---- */

struct told {
    unsigned count;
    struct oxp_error errors[16];
};

static void on_fault(void *ctx, const struct oxp_error *error) {
    struct told *told = ctx;
    if (told->count < COUNT_OF(told->errors)) {
        told->errors[told->count] = *error;
    }
    told->count++;
}

static enum oxp_status read_text(const char *text, struct told *told, struct oxp_rule_file **file_out,
                                 struct oxp_error *error) {
    return oxp_rule_file_read(oxp_view_from(text), OXP_VIEW("rules/x.yml"), on_fault, told, file_out, error);
}

static struct oxp_rule_file *must_read(const char *name, const char *text) {
    struct told told = {0};
    struct oxp_rule_file *file = NULL;
    struct oxp_error error = {0};
    enum oxp_status status = read_text(text, &told, &file, &error);
    if (status != OXP_OK || told.count != 0) {
        fail_msg("%s: refused: %u:%u: %s", name, error.line, error.column, error.text);
    }
    return file;
}

static void test_accepted(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT_OF(accepted); i++) {
        struct oxp_rule_file *file = must_read(accepted[i].name, accepted[i].text);
        struct oxp_buf out;
        oxp_buf_init(&out, 0);
        dump(&out, file);
        if (strcmp(oxp_buf_text(&out), accepted[i].dump) != 0) {
            fail_msg("%s: got\n%s, expected\n%s", accepted[i].name, oxp_buf_text(&out), accepted[i].dump);
        }
        assert_true(oxp_view_is(file->path, "rules/x.yml"));
        oxp_buf_fini(&out);
        oxp_rule_file_free(file);
    }
    oxp_rule_file_free(NULL);
}

static void test_rejected(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rejected); i++) {
        const struct reject_row *row = &rejected[i];
        struct told told = {0};
        struct oxp_rule_file *file = NULL;
        struct oxp_error error = {0};
        enum oxp_status status = read_text(row->text, &told, &file, &error);
        if (status != row->status || error.line != row->line || (row->column != 0 && error.column != row->column) ||
            error.column == 0 || strcmp(error.text, row->reason) != 0) {
            fail_msg("%s: got %s at %u:%u\n%s, expected %s at %u:%u\n%s", row->name, oxp_status_name(status),
                     error.line, error.column, error.text, oxp_status_name(row->status), row->line, row->column,
                     row->reason);
        }
        assert_null(file);
        if (told.count != 1) {
            fail_msg("%s: %u faults: %s; %s", row->name, told.count, told.errors[0].text, told.errors[1].text);
        }
        assert_memory_equal(&told.errors[0], &error, sizeof error);
        /* nobody has to listen */
        assert_int_equal(oxp_rule_file_read(oxp_view_from(row->text), OXP_VIEW(""), NULL, NULL, &file, NULL),
                         row->status);
    }
}

/* ---- Places ---- */

struct place_row {
    const char *name, *text;
    const char *marker; /* the last one in the text is the place */
};

/* In each, the function that there is not is the fault. */
/* clang-format off: one row a line */
static const struct place_row places[] = {
    {"plain", RULES "  - expr: x + foo(y)\n    record: r\n", "foo("},
    {"plain over lines", RULES "  - record: r\n    expr: x +\n      y +\n\n      foo(y)\n", "foo("},
    {"plain on the next line", RULES "  - record: r\n    expr:\n      x + foo(y)\n", "foo("},
    {"behind characters of many bytes", RULES "  - record: r\n    expr: x{a=\"äö€😀\"} + foo(y)\n", "foo("},
    {"behind a key of many bytes", "groups:\n- name: g\n  rules: [{record: äö€😀, expr: foo(y)}]\n", "foo("},
    {"single quotes", RULES "  - record: r\n    expr: 'x + foo(y)'\n", "foo("},
    {"a doubled quote", RULES "  - record: r\n    expr: 'x{a=''b''} + foo(y)'\n", "foo("},
    {"single quotes over lines", RULES "  - record: r\n    expr: 'x{a=''b''}\n     + foo(y)'\n", "foo("},
    {"double quotes", RULES "  - record: r\n    expr: \"x + foo(y)\"\n", "foo("},
    {"escapes", RULES "  - record: r\n    expr: \"x{a=\\\"\\u00e4\\x41\\\"} \\n\\t + \\U00000066oo(y)\"\n",
     "\\U00000066"},
    {"escapes that are no white space",
     RULES "  - record: r\n    expr: \"x{a=\\\"\\_\\/\\\"} # \\0\\a\\e\\n + foo(y)\"\n", "foo("},
    {"escaped line breaks", RULES "  - record: r\n    expr: \"x +\\\n      \\  foo(y)\"\n", "foo("},
    {"escapes that are line breaks", RULES "  - record: r\n    expr: \"x{a=\\\"\\N\\L\\P\\\"} + foo(y)\"\n", "foo("},
    {"a backslash in an expression", RULES "  - record: r\n    expr: \"x{a=\\\"\\\\n\\\"} + foo(y)\"\n", "foo("},
    {"literal", RULES "  - record: r\n    expr: |\n      x\n        + foo(y)\n", "foo("},
    {"literal with an indicator and a comment",
     RULES "  - record: r\n    expr: |2- # foo(\n        x\n        + foo(y)\n", "foo("},
    {"literal after empty lines", RULES "  - record: r\n    expr: |\n\n\n      foo(y)\n", "foo("},
    {"folded", RULES "  - record: r\n    expr: >-\n      x +\n      y + foo(y)\n", "foo("},
    {"folded with more indentation", RULES "  - record: r\n    expr: >\n      x +\n\n        y +\n\n      foo(y)\n",
     "foo("},
    {"a comment of PromQL", RULES "  - record: r\n    expr: |\n      x + # foo(\n      foo(y)\n", "foo("},
    {"behind an anchor", RULES "  - record: r\n    expr: &e x + foo(y)\n", "foo("},
    {"behind an anchor and a tag", RULES "  - record: r\n    expr: &e !!str\n      'x + foo(y)'\n", "foo("},
    {"an anchor before a block", RULES "  - record: r\n    expr: &e |\n      x + foo(y)\n", "foo("},
    {"carriage returns",
     "groups:\r\n- name: g\r\n  rules:\r\n  - record: r\r\n    expr: |\r\n      x +\r\n      foo(y)\r\n", "foo("},
    {"in JSON", "{\"groups\": [{\"name\": \"g\", \"rules\": [{\"record\": \"r\", \"expr\": \"x\\u003efoo(y)\"}]}]}",
     "foo("},
};
/* clang-format on */

static void fault_of(const char *name, const char *text, struct oxp_error *error) {
    struct told told = {0};
    struct oxp_rule_file *file = NULL;
    enum oxp_status status = read_text(text, &told, &file, error);
    if (status != OXP_ERR_SYNTAX || told.count != 1 || strstr(error->text, "unknown function") == NULL) {
        fail_msg("%s: %s: %s", name, oxp_status_name(status), error->text);
    }
}

static void test_places(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT_OF(places); i++) {
        struct oxp_error error = {0};
        const char *at = NULL;
        unsigned line = 1, column = 1;
        for (const char *next = strstr(places[i].text, places[i].marker); next != NULL;
             next = strstr(next + 1, places[i].marker)) {
            at = next;
        }
        for (const char *c = places[i].text; c < at; c++) {
            line += *c == '\n';
            column = *c == '\n' ? 1 : column + (((unsigned char)*c & 0xc0) != 0x80);
        }
        fault_of(places[i].name, places[i].text, &error);
        if (error.line != line || error.column != column) {
            fail_msg("%s: %u:%u: %s; expected %u:%u", places[i].name, error.line, error.column, error.text, line,
                     column);
        }
    }
}

/* libyaml counts a byte order mark as a character, and five kinds of line breaks. */
static void test_odd_places(void **state) {
    static const struct {
        const char *text;
        unsigned line, column;
    } rows[] = {
        {"\xef\xbb\xbf{groups: [{name: g, rules: [{record: r, expr: foo(y)}]}]}\n", 1, 48},
        {"groups: #\xc2\x85- name: g #\xe2\x80\xa8  rules: #\xe2\x80\xa9  - record: r\r    expr: foo(y)\n", 5, 11},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct oxp_error error = {0};
        fault_of(rows[i].text, rows[i].text, &error);
        assert_int_equal(error.line, rows[i].line);
        assert_int_equal(error.column, rows[i].column);
    }
}

/* Of an alias: the sentence names the rule, the place is where the text stands. */
static void test_alias_place(void **state) {
    (void)state;
    struct told told = {0};
    struct oxp_rule_file *file = NULL;
    static const char text[] = "groups:\n- name: g\n  rules:\n  - {alert: a, expr: &e x + foo(y), for: &f x}\n"
                               "  - {alert: b, expr: *e}\n  - {alert: c, expr: x, for: *f}\n  - {alert: d, expr: "
                               "'sum('}\n  - {alert: e, expr: *e}\n";
    assert_int_equal(read_text(text, &told, &file, NULL), OXP_ERR_SYNTAX);
    assert_int_equal(told.count, 6);
    static const struct {
        unsigned line, column;
        const char *start;
    } expected[] = {
        {4, 29, "group \"g\", rule 1, \"a\": could not"}, {4, 42, "group \"g\", rule 1, \"a\": \"for\": not"},
        {4, 29, "group \"g\", rule 2, \"b\": could not"}, {6, 30, "group \"g\", rule 3, \"c\": \"for\": not"},
        {7, 27, "group \"g\", rule 4, \"d\": could not"}, /* the end of the text: right behind it */
        {4, 29, "group \"g\", rule 5, \"e\": could not"}, /* back again */
    };
    for (size_t i = 0; i < COUNT_OF(expected); i++) {
        const struct oxp_error *error = &told.errors[i];
        if (error->line != expected[i].line || error->column != expected[i].column ||
            strncmp(error->text, expected[i].start, strlen(expected[i].start)) != 0) {
            fail_msg("%zu: %u:%u: %s", i, error->line, error->column, error->text);
        }
    }
}

/* ---- All faults, in order ---- */

static void test_every_fault(void **state) {
    (void)state;
    struct told told = {0};
    struct oxp_rule_file *file = NULL;
    struct oxp_error error = {0};
    static const char text[] = "groups:\n"
                               "- name: ''\n"
                               "  intervall: 1m\n"
                               "  rules:\n"
                               "  - {record: r, alert: a, expr: 'sum(', for: 1m, annotations: {x: y}}\n"
                               "  - {}\n"
                               "- name: g\n"
                               "  limit: x\n"
                               "  rules:\n"
                               "  - {alert: \"a\\nb\", labels: {__name__: x}}\n"
                               "other: x\n";
    static const char *const reasons[] = {
        "11:1: field other",
        "3:3: field intervall",
        "2:9: Groupname must not be empty",
        "5:24: group \"\", rule 1, \"a\": only one of",
        "5:38: group \"\", rule 1, \"a\": could not parse",
        "5:63: group \"\", rule 1, \"a\": invalid field 'annotations'",
        "5:46: group \"\", rule 1, \"a\": invalid field 'for'",
        "6:5: group \"\", rule 2, \"\": one of 'record'",
        "6:5: group \"\", rule 2, \"\": field 'expr' must be set",
        "8:10: \"limit\": found \"x\"",
        "10:5: group \"g\", rule 1, \"a\\nb\": field 'expr'",
        "10:30: group \"g\", rule 1, \"a\\nb\": invalid label name",
    };
    assert_int_equal(read_text(text, &told, &file, &error), OXP_ERR_INVALID);
    for (size_t i = 0; i < told.count && i < COUNT_OF(reasons); i++) {
        char line[512];
        snprintf(line, sizeof line, "%u:%u: %s", told.errors[i].line, told.errors[i].column, told.errors[i].text);
        if (strncmp(line, reasons[i], strlen(reasons[i])) != 0) {
            fail_msg("%zu: got %s, expected %s", i, line, reasons[i]);
        }
    }
    assert_int_equal(told.count, COUNT_OF(reasons));
    assert_memory_equal(&error, &told.errors[0], sizeof error);
}

/* Names of any length leave room for the reason. */
static void test_long_names(void **state) {
    (void)state;
    struct oxp_buf text;
    struct oxp_rule_file *file = NULL;
    struct oxp_error error = {0};
    oxp_buf_init(&text, 0);
    oxp_buf_append_text(&text, "groups:\n- name: ");
    for (unsigned i = 0; i < 1000; i++) {
        oxp_buf_append_text(&text, "ä");
    }
    oxp_buf_append_text(&text, "\n  rules:\n  - alert: ");
    for (unsigned i = 0; i < 1000; i++) {
        oxp_buf_append_text(&text, "\xf0\x9f\x98\x80");
    }
    assert_int_equal(oxp_rule_file_read(oxp_buf_view(&text), OXP_VIEW(""), NULL, NULL, &file, &error), OXP_ERR_INVALID);
    assert_non_null(strstr(error.text, ": field 'expr' must be set in rule"));
    oxp_buf_fini(&text);
}

/* ---- Limits ---- */

static void test_size(void **state) {
    (void)state;
    char *text = malloc(OXP_RULES_FILE_MAX + 1);
    struct oxp_rule_file *file = NULL;
    struct oxp_error error = {0};
    assert_non_null(text);
    memset(text, '#', OXP_RULES_FILE_MAX + 1);
    assert_int_equal(oxp_rule_file_read(oxp_view_of(text, OXP_RULES_FILE_MAX), OXP_VIEW(""), NULL, NULL, &file, &error),
                     OXP_OK);
    oxp_rule_file_free(file);
    assert_int_equal(
        oxp_rule_file_read(oxp_view_of(text, OXP_RULES_FILE_MAX + 1), OXP_VIEW(""), NULL, NULL, &file, &error),
        OXP_ERR_LIMIT);
    assert_string_equal(error.text, "1048577 bytes is too large; the most is 1048576");
    free(text);
}

static enum oxp_status read_labels(unsigned group, unsigned own, struct oxp_error *error) {
    struct oxp_buf text;
    struct oxp_rule_file *file = NULL;
    oxp_buf_init(&text, 0);
    oxp_buf_append_text(&text, "groups:\n- name: g\n  labels: {x: x");
    for (unsigned i = 1; i < group; i++) {
        oxp_buf_append_format(&text, ", g%u: x", i);
    }
    oxp_buf_append_text(&text, "}\n  rules:\n  - {record: r, expr: x, labels: {x: y");
    for (unsigned i = 1; i < own; i++) {
        oxp_buf_append_format(&text, ", o%u: x", i);
    }
    oxp_buf_append_text(&text, "}}\n");
    enum oxp_status status = oxp_rule_file_read(oxp_buf_view(&text), OXP_VIEW(""), NULL, NULL, &file, error);
    assert_true(status != OXP_OK || file->groups[0].rules[0].label_count == group + own - 1);
    oxp_rule_file_free(file);
    oxp_buf_fini(&text);
    return status;
}

static void test_label_limit(void **state) {
    (void)state;
    struct oxp_error error = {0};
    assert_int_equal(read_labels(32, 33, &error), OXP_OK);
    assert_int_equal(read_labels(33, 33, &error), OXP_ERR_LIMIT);
    assert_string_equal(error.text, "group \"g\", rule 1, \"r\": 65 labels; the most is 64");
}

/* A file as full as it can be, well and with a fault in each rule, must not cost the square of its size: the test's
 * deadline would see it. */
static void test_many_rules(void **state) {
    static const struct {
        const char *rule;
        enum oxp_status status;
    } rows[] = {{"  - {alert: a, expr: b, labels: {c: d}}\n", OXP_OK}, {"  - {alert: a, expr: b(}\n", OXP_ERR_SYNTAX}};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct oxp_buf text;
        struct told told = {0};
        struct oxp_rule_file *file = NULL;
        size_t count = 0;
        oxp_buf_init(&text, 0);
        oxp_buf_append_text(&text, RULES);
        for (; text.len + strlen(rows[i].rule) <= OXP_RULES_FILE_MAX; count++) {
            oxp_buf_append_text(&text, rows[i].rule);
        }
        assert_int_equal(oxp_rule_file_read(oxp_buf_view(&text), OXP_VIEW(""), on_fault, &told, &file, NULL),
                         rows[i].status);
        assert_int_equal(told.count, rows[i].status == OXP_OK ? 0 : count);
        if (file != NULL) {
            size_t warnings = 0;
            assert_int_equal(file->rule_count, count);
            assert_int_equal(oxp_rule_file_warnings(file, NULL, NULL, &warnings), OXP_OK);
            assert_int_equal(warnings, count - 1);
        }
        oxp_rule_file_free(file);
        oxp_buf_fini(&text);
    }
}

/* ---- Asked of a file ---- */

#define MINUTE INT64_C(60000)

static void test_too_far(void **state) {
    static const struct {
        const char *expr, *offset;
        int64_t retention_ms, lookback_ms;
        const char *text; /* NULL: it is near enough */
    } rows[] = {
        {"x", "0", 5 * MINUTE, 5 * MINUTE, NULL},
        {"x", "0", 5 * MINUTE - 1, 5 * MINUTE,
         "looks back 5m (0s, and a lookback of 5m), but samples are kept for 4m59s999ms (--storage.retention)"},
        {"rate(x[55m])", "0", 60 * MINUTE, 5 * MINUTE, NULL},
        {"rate(x[1h])", "0", 60 * MINUTE, 5 * MINUTE,
         "looks back 1h5m (1h, and a lookback of 5m), but samples are kept for 1h (--storage.retention)"},
        {"rate(x[55m])", "1m", 60 * MINUTE, 5 * MINUTE,
         "looks back 1h1m (55m, and a lookback and query_offset of 6m), but samples are kept for 1h "
         "(--storage.retention)"},
        {"max_over_time(rate(x[30m])[30m:1m]) or y", "0", 60 * MINUTE, 5 * MINUTE,
         "looks back 1h5m (1h, and a lookback of 5m), but samples are kept for 1h (--storage.retention)"},
        {"x offset 2h", "0", 60 * MINUTE, 0,
         "looks back 2h (2h, and a lookback of 0s), but samples are kept for 1h (--storage.retention)"},
        {"x @ 1000", "0", INT64_MAX, 5 * MINUTE, "looks at a fixed time (@), but samples are kept for "},
        {"x[290y]", "290y", INT64_MAX, INT64_MAX, NULL},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char text[512];
        struct told told = {0};
        bool range = rows[i].expr[strlen(rows[i].expr) - 1] == ']';
        snprintf(text, sizeof text,
                 "groups:\n- name: g\n  query_offset: %s\n  rules:\n  - {alert: a, expr: '%s%s%s'}\n", rows[i].offset,
                 range ? "rate(" : "", rows[i].expr, range ? ")" : "");
        struct oxp_rule_file *file = must_read(rows[i].expr, text);
        size_t count = oxp_rule_file_too_far(file, rows[i].retention_ms, rows[i].lookback_ms, on_fault, &told);
        assert_int_equal(count, told.count);
        assert_int_equal(oxp_rule_file_too_far(file, rows[i].retention_ms, rows[i].lookback_ms, NULL, NULL), count);
        const char *prefix = "group \"g\", rule 1, \"a\": ";
        if (range ? count != 1 : (count != 0) != (rows[i].text != NULL)) {
            fail_msg("%s: %zu, %s", rows[i].expr, count, told.errors[0].text);
        }
        if (rows[i].text != NULL &&
            (strncmp(told.errors[0].text, prefix, strlen(prefix)) != 0 ||
             strncmp(told.errors[0].text + strlen(prefix), rows[i].text, strlen(rows[i].text)) != 0)) {
            fail_msg("%s: %s, expected %s", rows[i].expr, told.errors[0].text, rows[i].text);
        }
        if (count != 0) {
            assert_int_equal(told.errors[0].line, 5);
            assert_int_equal(told.errors[0].column, 5);
        }
        oxp_rule_file_free(file);
    }
}

static void test_warnings(void **state) {
    static const char twice[] = "has the name and labels of the rule on line %u, which might cause inconsistency while "
                                "recording expressions";
    static const struct {
        const char *rules;
        unsigned line, first_line; /* of the first warning; 0 = none */
        size_t count;
    } rows[] = {
        {"", 0, 0, 0},
        {"  - {record: r, expr: x}\n  - {record: s, expr: x}\n", 0, 0, 0},
        {"  - {record: r, expr: x}\n  - {record: r, expr: y}\n", 6, 5, 1},
        {"  - {record: r, expr: x}\n  - {alert: r, expr: y}\n", 6, 5, 1},
        {"  - {record: r, expr: x}\n  - {record: r, expr: x, labels: {a: b}}\n", 0, 0, 0},
        {"  - {record: r, expr: x, labels: {a: c}}\n  - {record: r, expr: x, labels: {a: b}}\n", 0, 0, 0},
        {"  - {record: r, expr: x, labels: {a: b}}\n  - {record: r, expr: x, labels: {a: bb}}\n", 0, 0, 0},
        {"  - {record: r, expr: x, labels: {a: b, c: d}}\n  - {record: r, expr: x, labels: {c: d, a: b}}\n", 6, 5, 1},
        {"  - {record: r, expr: x}\n  - {record: s, expr: y}\n  - {record: r, expr: y}\n  - {record: r, expr: z}\n", 7,
         5, 2},
        {"  - {record: r, expr: x, labels: {team: b}}\n- name: h\n  rules:\n  - {record: r, expr: x, labels: {team: "
         "a}}\n"
         "- name: i\n  labels: {team: b}\n  rules:\n  - {record: r, expr: x}\n",
         12, 5, 1},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char text[512], expected[256];
        struct told told = {0};
        size_t count = 99;
        snprintf(text, sizeof text, "groups:\n- name: g\n  labels: {team: a}\n  rules:\n%s", rows[i].rules);
        struct oxp_rule_file *file = must_read(rows[i].rules, text);
        assert_int_equal(oxp_rule_file_warnings(file, on_fault, &told, &count), OXP_OK);
        if (count != rows[i].count || told.count != count || told.errors[0].line != rows[i].line) {
            fail_msg("%s: %zu, %u: %s", rows[i].rules, count, told.errors[0].line, told.errors[0].text);
        }
        if (count != 0) {
            snprintf(expected, sizeof expected, twice, rows[i].first_line); /* NOLINT: from the table above */
            for (size_t k = 0; k < count; k++) {                            /* all of a row have the same first one */
                assert_non_null(strstr(told.errors[k].text, expected));
            }
        }
        assert_int_equal(oxp_rule_file_warnings(file, NULL, NULL, NULL), OXP_OK);
        oxp_rule_file_free(file);
    }
    struct told told = {0};
    struct oxp_rule_file *file = must_read("two documents", "groups: []\n---\n");
    assert_int_equal(oxp_rule_file_warnings(file, on_fault, &told, NULL), OXP_OK);
    assert_int_equal(told.count, 1);
    assert_non_null(strstr(told.errors[0].text, "second document"));
    oxp_rule_file_free(file);
}

/* ---- The corpus ---- */

static char *slurp(const char *path, size_t *len_out) {
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    long len = ftell(file);
    assert_true(len >= 0);
    rewind(file);
    char *text = malloc((size_t)len + 1);
    assert_non_null(text);
    *len_out = fread(text, 1, (size_t)len, file);
    assert_int_equal(*len_out, (size_t)len);
    fclose(file);
    return text;
}

/* What Prometheus says of its own bad files (model/rulefmt/rulefmt_test.go), and where that is. */
static const struct {
    const char *file;
    unsigned line, column;
    const char *reason;
} bad_files[] = {
    {"bad_expr.bad.yaml", 5, 20, "parse error"},
    {"bad_field.bad.yaml", 8, 9, "field annotation not found"},
    {"duplicate_grp.bad.yaml", 3, 11, "groupname: \"yolo\" is repeated in the same file"},
    {"invalid_label_name.bad.yaml", 7, 11, "invalid label name"},
    {"invalid_record_name.bad.yaml", 4, 17,
     "braces present in the recording rule name; should it be in expr?: \"strawberry{flavor=\\\"sweet\\\"}\""},
    {"no_rec_alert.bad.yaml", 4, 9, "one of 'record' or 'alert' must be set"},
    {"noexpr.bad.yaml", 4, 9, "field 'expr' must be set in rule"},
    {"record_and_alert.bad.yaml", 5, 16, "only one of 'record' and 'alert' must be set"},
    {"record_and_for.bad.yaml", 6, 14, "invalid field 'for' in recording rule"},
    {"record_and_keep_firing_for.bad.yaml", 6, 26, "invalid field 'keep_firing_for' in recording rule"},
};

/* A bad file must be refused, with a reason and a place; those that are known, with these. */
static bool check_bad(const char *name, enum oxp_status status, const struct oxp_error *error) {
    print_message("%-38s %u:%u: %s\n", name, error->line, error->column, status == OXP_OK ? "TAKEN" : error->text);
    if (status == OXP_OK || error->line == 0 || error->column == 0 || error->text[0] == '\0') {
        return false;
    }
    for (size_t i = 0; i < COUNT_OF(bad_files); i++) {
        if (strcmp(bad_files[i].file, name) == 0) {
            return error->line == bad_files[i].line && error->column == bad_files[i].column &&
                   strstr(error->text, bad_files[i].reason) != NULL;
        }
    }
    return true;
}

static bool run_file(const char *path) {
    size_t len, name_len;
    char *text = slurp(path, &len);
    const char *name = strrchr(path, '/') + 1;
    struct told told = {0};
    struct oxp_rule_file *file = NULL;
    struct oxp_error error = {0};
    enum oxp_status status =
        oxp_rule_file_read(oxp_view_of(text, len), oxp_view_from(path), on_fault, &told, &file, &error);
    bool ok;
    name_len = strlen(name);
    if (name_len > 9 && strcmp(name + name_len - 9, ".bad.yaml") == 0) {
        ok = check_bad(name, status, &error) && told.count == 1;
    } else {
        ok = status == OXP_OK;
        print_message("%-38s %s%s, %zu rules\n", name, ok ? "loaded" : "REFUSED: ", error.text,
                      file == NULL ? 0 : file->rule_count);
    }
    oxp_rule_file_free(file);
    free(text);
    return ok;
}

static void test_corpus(void **state) {
    (void)state;
    char pattern[4096];
    glob_t found = {0};
    const char *corpora = getenv("OXP_CORPORA"), *ci = getenv("CI");
    snprintf(pattern, sizeof pattern, "%s/rulefmt",
             corpora != NULL && *corpora != '\0' ? corpora : "../shared/corpora");
    FILE *directory = fopen(pattern, "r"); /* opens, and cannot be read */
    if (directory == NULL) {
        print_message("SKIPPED: %s: no such folder (set OXP_CORPORA)\n", pattern);
        assert_true(ci == NULL || *ci == '\0');
        skip();
    }
    fclose(directory);
    strncat(pattern, "/*.yaml", sizeof pattern - strlen(pattern) - 1);
    (void)glob(pattern, 0, NULL, &found);
    unsigned failed = 0;
    for (size_t i = 0; i < found.gl_pathc; i++) {
        failed += !run_file(found.gl_pathv[i]);
    }
    print_message("%zu files, %u failed\n", found.gl_pathc, failed);
    assert_true(found.gl_pathc > 0);
    assert_int_equal(failed, 0);
    globfree(&found);
}

/* What an alias is worth: every rule of Prometheus' own file with aliases has the same expression. */
static const char aliases[] = "groups:\n"
                              "- name: one\n"
                              "  rules:\n"
                              "  - &high\n"
                              "    alert: &name High\n"
                              "    expr: &expr |\n"
                              "      sum(x)\n"
                              "      /\n"
                              "      sum(y)\n"
                              "    for: 5m\n"
                              "    labels: {severity: &severity critical}\n"
                              "    annotations: {description: &text \"it's {{ $value }}\"}\n"
                              "  - {record: r, expr: *expr}\n"
                              "  - {alert: *name, expr: *expr, labels: {severity: *severity}}\n"
                              "  - {<<: *high, alert: Higher}\n"
                              "- name: two\n"
                              "  labels: {team: &team a}\n"
                              "  rules:\n"
                              "  - {<<: *high, labels: {severity: '{{ $labels.x }}', team2: *team}}\n";

static void test_aliases(void **state) {
    (void)state;
    struct oxp_rule_file *file = must_read("aliases", aliases);
    struct oxp_buf out;
    oxp_buf_init(&out, 0);
    dump(&out, file);
    assert_string_equal(
        oxp_buf_text(&out),
        "one[0,0,0]: alert High = sum(x) / sum(y) for=300000 keep=0 labels severity=critical "
        "annotations description=it's {{ $value }}; record r = sum(x) / sum(y); alert High = sum(x) / "
        "sum(y) for=0 keep=0 labels severity=critical; alert Higher = sum(x) / sum(y) for=300000 keep=0 "
        "labels severity=critical annotations description=it's {{ $value }} | two[0,0,0]: alert High = "
        "sum(x) / sum(y) for=300000 keep=0 labels severity={{ $labels.x }},team=a,team2=a annotations "
        "description=it's {{ $value }}");
    oxp_buf_fini(&out);
    oxp_rule_file_free(file);
}

/* ---- No memory ---- */

/* A file without a fault: every failure is said. */
static void read_good(void *ctx) {
    struct oxp_rule_file *file = NULL;
    struct oxp_error error = {0};
    struct told told = {0};
    size_t warnings = 99;
    enum oxp_status status = read_text(ctx, &told, &file, &error);
    assert_int_equal(status, alloc_fail_hit() ? OXP_ERR_NOMEM : OXP_OK);
    if (status != OXP_OK) {
        assert_string_equal(error.text, "out of memory");
        assert_null(file);
        assert_int_equal(told.count, 0);
        return;
    }
    /* with more to be said than its sentences, which may come out plainer without memory */
    status = oxp_rule_file_warnings(file, on_fault, &told, &warnings);
    assert_true(status == OXP_OK ? warnings == 1 && told.count == 1 : alloc_fail_hit() && warnings == 0);
    oxp_rule_file_free(file);
}

/* A file with faults: the sentences may come out plainer, but it is never taken. */
static void read_bad(void *ctx) {
    struct oxp_rule_file *file = NULL;
    struct oxp_error error = {0};
    struct told told = {0};
    enum oxp_status status = read_text(ctx, &told, &file, &error);
    assert_true(status < 0);
    assert_null(file);
    assert_true(status == OXP_ERR_NOMEM || told.count == 4);
    assert_true(status != OXP_ERR_NOMEM || alloc_fail_hit());
}

static void test_no_memory(void **state) {
    (void)state;
    static const char faults[] = "groups:\n- name: g\n- name: g\n  rules:\n"
                                 "  - {record: r, expr: 'sum(', labels: {a: b}, x: y}\n"
                                 "  - {alert: a, expr: 1, annotations: {a: '{{ $nothing }}'}}\n";
    assert_true(alloc_fail_each(read_good, (void *)(uintptr_t)aliases) >= 20);
    assert_true(alloc_fail_each(read_bad, (void *)(uintptr_t)faults) >= 10);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accepted),   cmocka_unit_test(test_rejected),    cmocka_unit_test(test_places),
        cmocka_unit_test(test_odd_places), cmocka_unit_test(test_alias_place), cmocka_unit_test(test_every_fault),
        cmocka_unit_test(test_long_names), cmocka_unit_test(test_size),        cmocka_unit_test(test_label_limit),
        cmocka_unit_test(test_many_rules), cmocka_unit_test(test_too_far),     cmocka_unit_test(test_warnings),
        cmocka_unit_test(test_corpus),     cmocka_unit_test(test_aliases),     cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
