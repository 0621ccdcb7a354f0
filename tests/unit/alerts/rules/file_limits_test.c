/* Limits of rule files, and what is asked of a file that was taken: ranges past the retention, warnings. */
#include "tests/unit/alerts/rules/files.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_size),    cmocka_unit_test(test_label_limit), cmocka_unit_test(test_many_rules),
        cmocka_unit_test(test_too_far), cmocka_unit_test(test_warnings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
