/* Rule files: what is taken and what it becomes, what is refused and where, all faults of a file in order. */
#include "tests/unit/alerts/rules/files.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

struct accept_row {
    const char *name, *text, *dump;
};

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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accepted),
        cmocka_unit_test(test_rejected),
        cmocka_unit_test(test_every_fault),
        cmocka_unit_test(test_long_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
