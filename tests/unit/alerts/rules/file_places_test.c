/* Places of faults within expressions of a rule file, however they were written. */
#include "tests/unit/alerts/rules/files.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_places),
        cmocka_unit_test(test_odd_places),
        cmocka_unit_test(test_alias_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
