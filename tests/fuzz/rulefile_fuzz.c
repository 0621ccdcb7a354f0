/* Any bytes as a rule file. Beside not crashing: what is refused says why, each fault in one line of UTF-8 without
 * control characters, with a place that is none or within the text, the first one as the error; what is taken is what
 * Prometheus would evaluate: named groups, rules with an expression, sorted labels, templates where they belong. */
#include "alerts/rules/file.h"

#include "lib/base/utf8.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds) {
    if (!holds) {
        abort();
    }
}

struct told {
    size_t size; /* of the text */
    size_t count;
    struct oxp_error first;
};

static void on_fault(void *ctx, const struct oxp_error *error) {
    struct told *told = ctx;
    struct oxp_view text = oxp_view_from(error->text);
    check(text.len != 0 && oxp_utf8_is_valid(text));
    for (size_t i = 0; i < text.len; i++) {
        check((unsigned char)text.ptr[i] >= 0x20 && text.ptr[i] != 0x7f);
    }
    check((error->line == 0) == (error->column == 0));
    check(error->line <= told->size + 1 && error->column <= told->size + 1);
    if (told->count++ == 0) {
        told->first = *error;
    }
}

static void check_texts(const struct oxp_rule_text *texts, size_t count, bool templates) {
    for (size_t i = 0; i < count; i++) {
        check(i == 0 || oxp_symbol_compare(texts[i - 1].name, texts[i].name) < 0);
        check(texts[i].name->len != 0 && oxp_utf8_is_valid(texts[i].text));
        check((texts[i].template != NULL) == templates);
    }
}

static void check_rule(const struct oxp_rule *rule) {
    bool alerting = rule->kind == OXP_RULE_ALERTING;
    check(rule->name->len != 0 && rule->expr != NULL && rule->query.len != 0);
    check(rule->for_ms >= 0 && rule->keep_firing_for_ms >= 0 && rule->line != 0 && rule->column != 0);
    check(alerting || (rule->for_ms == 0 && rule->keep_firing_for_ms == 0 && rule->annotation_count == 0));
    check(rule->label_count <= OXP_LABELS_LIMIT);
    check_texts(rule->labels, rule->label_count, alerting);
    check_texts(rule->annotations, rule->annotation_count, true);
}

static void check_file(const struct oxp_rule_file *file, size_t size) {
    size_t rules = 0, warnings = 0;
    struct told told = {.size = size};
    for (size_t g = 0; g < file->group_count; g++) {
        const struct oxp_rule_group *group = &file->groups[g];
        check(group->name.len != 0 && group->interval_ms >= 0 && group->query_offset_ms >= 0 && group->line != 0);
        for (size_t r = 0; r < group->count; r++) {
            check_rule(&group->rules[r]);
        }
        rules += group->count;
    }
    check(rules == file->rule_count);
    check(oxp_rule_file_warnings(file, on_fault, &told, &warnings) == OXP_OK && told.count == warnings);
    check(warnings <= rules + 1);
    told.count = 0;
    check(oxp_rule_file_too_far(file, 3600000, 300000, on_fault, &told) == told.count && told.count <= rules);
    check(oxp_rule_file_too_far(file, INT64_MAX, 0, NULL, NULL) <= told.count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct oxp_rule_file *file = NULL;
    struct oxp_error error = {0};
    struct told told = {.size = size};
    enum oxp_status status =
        oxp_rule_file_read(oxp_view_of((const char *)data, size), OXP_VIEW("fuzz.yml"), on_fault, &told, &file, &error);
    if (status == OXP_OK) {
        check(told.count == 0);
        check_file(file, size);
    } else {
        check(status == OXP_ERR_SYNTAX || status == OXP_ERR_INVALID || status == OXP_ERR_UNSUPPORTED ||
              status == OXP_ERR_LIMIT);
        check(file == NULL && told.count != 0 && memcmp(&error, &told.first, sizeof error) == 0);
    }
    oxp_rule_file_free(file);
    return 0;
}
