#include "tests/unit/alerts/rules/files.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void dump_texts(struct oxp_buf *out, const char *what, const struct oxp_rule_text *texts, size_t count) {
    for (size_t i = 0; i < count; i++) {
        assert_true(i == 0 || oxp_symbol_compare(texts[i - 1].name, texts[i].name) < 0);
        oxp_buf_append_format(out, "%s%s=", i == 0 ? what : ",", texts[i].name->text);
        oxp_buf_append_view(out, texts[i].text);
    }
}

void dump(struct oxp_buf *out, const struct oxp_rule_file *file) {
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

void on_fault(void *ctx, const struct oxp_error *error) {
    struct told *told = ctx;
    if (told->count < COUNT_OF(told->errors)) {
        told->errors[told->count] = *error;
    }
    told->count++;
}

enum oxp_status read_text(const char *text, struct told *told, struct oxp_rule_file **file_out,
                          struct oxp_error *error) {
    return oxp_rule_file_read(oxp_view_from(text), OXP_VIEW("rules/x.yml"), on_fault, told, file_out, error);
}

struct oxp_rule_file *must_read(const char *name, const char *text) {
    struct told told = {0};
    struct oxp_rule_file *file = NULL;
    struct oxp_error error = {0};
    enum oxp_status status = read_text(text, &told, &file, &error);
    if (status != OXP_OK || told.count != 0) {
        fail_msg("%s: refused: %u:%u: %s", name, error.line, error.column, error.text);
    }
    return file;
}
