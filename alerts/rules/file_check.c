/* What may be asked of a file that was read well: which of its rules look too far back, and what is hardly meant. */
#include "alerts/rules/file_reader.h"

#include "lib/base/buf.h"
#include <stdio.h>
#include <stdlib.h>

struct duration_text {
    char text[64];
};

static struct duration_text duration_text(int64_t ms) {
    struct duration_text shown = {""};
    struct oxp_buf buf;
    oxp_buf_init(&buf, sizeof shown.text - 1);
    oxp_promql_print_duration(&buf, ms);
    if (oxp_buf_status(&buf) == OXP_OK) {
        memcpy(shown.text, buf.data, buf.len);
    }
    oxp_buf_fini(&buf);
    return shown;
}

/* The number of a rule in its group, from 1. */
static size_t number_of(const struct oxp_rule_group *group, const struct oxp_rule *rule) {
    return (size_t)(rule - group->rules) + 1;
}

/* ---- Too far back ---- */

static bool check_reach(const struct oxp_rule_group *group, const struct oxp_rule *rule, int64_t retention_ms,
                        int64_t lookback_ms, struct oxp_error *error) {
    int64_t reach = rule->expr->reach_ms, extra = 0, whole = 0;
    bool unknown = reach == INT64_MAX || __builtin_add_overflow(lookback_ms, group->query_offset_ms, &extra) ||
                   __builtin_add_overflow(reach, extra, &whole);
    if (!unknown && whole <= retention_ms) {
        return true;
    }
    struct oxp_fields_shown group_name = oxp_rule_shown(group->name),
                            name = oxp_rule_shown(oxp_symbol_view(rule->name));
    size_t number = number_of(group, rule);
    if (unknown) {
        oxp_error_set(error, OXP_ERR_LIMIT, rule->line, rule->column,
                      "group %s, rule %zu, %s: looks at a fixed time (@), but samples are kept for %s "
                      "(--storage.retention)",
                      group_name.text, number, name.text, duration_text(retention_ms).text);
        return false;
    }
    oxp_error_set(error, OXP_ERR_LIMIT, rule->line, rule->column,
                  "group %s, rule %zu, %s: looks back %s (%s, and a lookback%s of %s), but samples are kept for %s "
                  "(--storage.retention)",
                  group_name.text, number, name.text, duration_text(whole).text, duration_text(reach).text,
                  group->query_offset_ms == 0 ? "" : " and query_offset", duration_text(extra).text,
                  duration_text(retention_ms).text);
    return false;
}

size_t oxp_rule_file_too_far(const struct oxp_rule_file *file, int64_t retention_ms, int64_t lookback_ms,
                             oxp_rule_fault_fn *on_fault, void *ctx) {
    size_t count = 0;
    for (size_t g = 0; g < file->group_count; g++) {
        const struct oxp_rule_group *group = &file->groups[g];
        for (size_t r = 0; r < group->count; r++) {
            struct oxp_error error = {0};
            if (check_reach(group, &group->rules[r], retention_ms, lookback_ms, &error)) {
                continue;
            }
            count++;
            if (on_fault != NULL) {
                on_fault(ctx, &error);
            }
        }
    }
    return count;
}

/* ---- Hardly meant ---- */

struct entry {
    const struct oxp_rule_group *group;
    const struct oxp_rule *rule;
    size_t place;               /* in the file */
    const struct entry *before; /* an earlier one like it */
};

/* By name and labels. */
static int compare(const struct oxp_rule *a, const struct oxp_rule *b) {
    int order = oxp_symbol_compare(a->name, b->name);
    for (size_t i = 0; order == 0 && i < a->label_count && i < b->label_count; i++) {
        struct oxp_view x = a->labels[i].text, y = b->labels[i].text;
        order = oxp_symbol_compare(a->labels[i].name, b->labels[i].name);
        if (order == 0) {
            order = memcmp(x.ptr, y.ptr, x.len < y.len ? x.len : y.len);
        }
        if (order == 0) {
            order = (x.len > y.len) - (x.len < y.len);
        }
    }
    return order != 0 ? order : (a->label_count > b->label_count) - (a->label_count < b->label_count);
}

static int by_likeness(const void *a, const void *b) {
    const struct entry *x = *(const struct entry *const *)a, *y = *(const struct entry *const *)b;
    int order = compare(x->rule, y->rule);
    return order != 0 ? order : (x->place > y->place) - (x->place < y->place);
}

static void warn_twice(const struct entry *entry, oxp_rule_fault_fn *on_warning, void *ctx) {
    struct oxp_error error = {0};
    oxp_error_set(&error, OXP_ERR_EXISTS, entry->rule->line, entry->rule->column,
                  "group %s, rule %zu, %s: has the name and labels of the rule on line %u, which might cause "
                  "inconsistency while recording expressions",
                  oxp_rule_shown(entry->group->name).text, number_of(entry->group, entry->rule),
                  oxp_rule_shown(oxp_symbol_view(entry->rule->name)).text, entry->before->rule->line);
    if (on_warning != NULL) {
        on_warning(ctx, &error);
    }
}

/* Finds for each entry an earlier one that is like it, and tells of those that have one. */
static size_t tell_twice(struct entry *entries, struct entry **order, size_t count, oxp_rule_fault_fn *on_warning,
                         void *ctx) {
    size_t found = 0;
    qsort(order, count, sizeof(struct entry *), by_likeness);
    for (size_t i = 1; i < count; i++) {
        const struct entry *before = order[i - 1];
        if (compare(before->rule, order[i]->rule) == 0) {
            order[i]->before = before->before == NULL ? before : before->before;
        }
    }
    for (size_t i = 0; i < count; i++) {
        if (entries[i].before != NULL) {
            found++;
            warn_twice(&entries[i], on_warning, ctx);
        }
    }
    return found;
}

enum oxp_status oxp_rule_file_warnings(const struct oxp_rule_file *file, oxp_rule_fault_fn *on_warning, void *ctx,
                                       size_t *count_out) {
    size_t count = 0, found = 0;
    struct entry *entries = calloc(file->rule_count + 1, sizeof *entries);
    struct entry **order = calloc(file->rule_count + 1, sizeof(struct entry *));
    enum oxp_status status = entries == NULL || order == NULL ? OXP_ERR_NOMEM : OXP_OK;
    for (size_t g = 0; status == OXP_OK && g < file->group_count; g++) {
        for (size_t r = 0; r < file->groups[g].count; r++, count++) {
            entries[count] = (struct entry){&file->groups[g], &file->groups[g].rules[r], count, NULL};
            order[count] = &entries[count];
        }
    }
    if (status == OXP_OK) {
        found = tell_twice(entries, order, count, on_warning, ctx);
        if (file->more) {
            struct oxp_error error = {0};
            oxp_error_set(&error, OXP_ERR_UNSUPPORTED, 0, 0,
                          "a second document follows; only the first one of a rule file is read");
            found++;
            if (on_warning != NULL) {
                on_warning(ctx, &error);
            }
        }
    }
    if (count_out != NULL) {
        *count_out = found;
    }
    free(entries);
    free(order);
    return status;
}
