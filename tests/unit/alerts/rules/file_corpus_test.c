/* Prometheus' own rule files, a file with aliases, and no memory. */
#include "tests/unit/alerts/rules/files.h"

#include "tests/support/alloc_fail.h"
#include "tests/support/slurp.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <glob.h>

/* ---- The corpus ---- */

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
        cmocka_unit_test(test_corpus),
        cmocka_unit_test(test_aliases),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
