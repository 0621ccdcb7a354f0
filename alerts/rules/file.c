/* A rule file from its text: YAML first (lib/yaml, with what go.yaml.in/yaml/v3 takes), then groups and rules in one
 * pass that goes on after a fault, so that all of them are told at once, in the file's order. What is kept is copied:
 * the YAML tree ends with the reading. */
#include "alerts/rules/file_reader.h"

#include "lib/base/map.h"
#include <stdlib.h>

enum { NAME, INTERVAL, QUERY_OFFSET, LIMIT, RULES, LABELS, GROUP_FIELDS };

static const char *const group_names[GROUP_FIELDS] = {
    [NAME] = "name",   [INTERVAL] = "interval", [QUERY_OFFSET] = "query_offset",
    [LIMIT] = "limit", [RULES] = "rules",       [LABELS] = "labels",
};
static const struct oxp_keys group_keys = {.what = "a rule group", .names = group_names, .count = GROUP_FIELDS};

static const char *const file_names[] = {"groups"};
static const struct oxp_keys file_keys = {.what = "a rule file", .names = file_names, .count = 1};

/* The first item of a list that is no null, and how many there are. */
static const struct oxp_yaml_node *read_items(struct oxp_rule_reader *reader, const struct oxp_yaml_node *list,
                                              size_t *count_out) {
    const struct oxp_yaml_node *first =
        oxp_rule_item(oxp_fields_children(&reader->fields, list, OXP_YAML_SEQUENCE, count_out));
    *count_out = 0;
    for (const struct oxp_yaml_node *item = first; item != NULL; item = oxp_rule_item(item->next)) {
        ++*count_out;
    }
    return first;
}

static void read_rules(struct oxp_rule_reader *reader, const struct oxp_yaml_node *list, struct oxp_rule_texts *labels,
                       struct oxp_rule_group *group) {
    size_t count;
    const struct oxp_yaml_node *item = read_items(reader, list, &count);
    struct oxp_rule *rules = oxp_arena_zero(&reader->file->arena, count, sizeof *rules);
    if (rules == NULL) {
        oxp_fields_no_memory(&reader->fields);
        return;
    }
    group->rules = rules; /* from here on freed with the file, half made or not */
    group->count = count;
    for (; item != NULL && !oxp_rule_ended(reader); item = oxp_rule_item(item->next)) {
        reader->rule++;
        reader->name = oxp_view_of("", 0);
        oxp_rule_read(reader, item, labels, &rules[reader->rule - 1]);
    }
    reader->file->rule_count += count;
    reader->rule = 0;
}

static void read_group_name(struct oxp_rule_reader *reader, const struct oxp_yaml_node *node,
                            const struct oxp_yaml_node *at, struct oxp_map *names, struct oxp_rule_group *group) {
    group->name = oxp_arena_copy(&reader->file->arena, oxp_fields_view(&reader->fields, node));
    reader->group = group->name;
    if (group->name.ptr == NULL) {
        oxp_fields_no_memory(&reader->fields);
        return;
    }
    if (group->name.len == 0) {
        if (!oxp_rule_no_text(node)) {
            OXP_FAULT(&reader->fields, node == NULL ? at : node, "Groupname must not be empty");
        }
        return;
    }
    const struct oxp_rule_group *before = oxp_map_get(names, group->name);
    if (before != NULL) {
        OXP_FAULT(&reader->fields, node, "groupname: %s is repeated in the same file; first on line %u",
                  oxp_rule_shown(group->name).text, before->line);
    } else if (oxp_map_set(names, group->name, group, NULL) != OXP_OK) {
        oxp_fields_no_memory(&reader->fields);
    }
}

static void read_group(struct oxp_rule_reader *reader, const struct oxp_yaml_node *node, struct oxp_map *names,
                       struct oxp_rule_group *group) {
    const struct oxp_yaml_node *found[GROUP_FIELDS] = {NULL};
    group->file = reader->file->path;
    group->line = node->line;
    if (!oxp_rule_fields_find(reader, node, &group_keys, found)) {
        return;
    }
    oxp_rule_fields_unknown(reader, node, &group_keys);
    read_group_name(reader, found[NAME], node, names, group);
    group->interval_ms = oxp_fields_duration(&reader->fields, found[INTERVAL], 0);
    group->query_offset_ms = oxp_fields_duration(&reader->fields, found[QUERY_OFFSET], 0);
    group->limit = oxp_rule_read_limit(reader, found[LIMIT]);
    struct oxp_rule_texts labels = oxp_rule_read_texts(reader, found[LABELS], "label");
    if (!oxp_rule_ended(reader)) {
        read_rules(reader, found[RULES], &labels, group);
    }
}

static void read_groups(struct oxp_rule_reader *reader, const struct oxp_yaml_node *root) {
    const struct oxp_yaml_node *list = NULL;
    if (!oxp_rule_fields_find(reader, root, &file_keys, &list)) {
        return;
    }
    oxp_rule_fields_unknown(reader, root, &file_keys);
    size_t count, at = 0;
    const struct oxp_yaml_node *item = read_items(reader, list, &count);
    struct oxp_rule_group *groups = oxp_arena_zero(&reader->file->arena, count, sizeof *groups);
    struct oxp_map names;
    if (groups == NULL) {
        oxp_fields_no_memory(&reader->fields);
        return;
    }
    reader->file->groups = groups;
    reader->file->group_count = count;
    oxp_map_init(&names);
    for (; item != NULL && !oxp_rule_ended(reader); item = oxp_rule_item(item->next)) {
        read_group(reader, item, &names, &groups[at++]);
    }
    oxp_map_fini(&names);
}

static void read_file(struct oxp_rule_reader *reader) {
    struct oxp_yaml *yaml = NULL;
    const struct oxp_yaml_node *root = NULL;
    struct oxp_error error = {0};
    if (reader->text.len > OXP_RULES_FILE_MAX) {
        oxp_fields_fault(&reader->fields, OXP_ERR_LIMIT, 0, 0, "%zu bytes is too large; the most is %u",
                         reader->text.len, OXP_RULES_FILE_MAX);
        return;
    }
    enum oxp_status status = oxp_yaml_parse_with(
        reader->text, OXP_YAML_ALIASES | OXP_YAML_TAGS | OXP_YAML_FIRST_DOCUMENT, &yaml, &root, &error);
    if (status != OXP_OK) {
        oxp_fields_fault(&reader->fields, status, error.line, error.column, "%s", error.text);
        return;
    }
    reader->file->more = oxp_yaml_more(yaml);
    if (root != NULL && root->kind != OXP_YAML_NULL) {
        read_groups(reader, root);
    }
    oxp_yaml_free(yaml);
}

enum oxp_status oxp_rule_file_read(struct oxp_view text, struct oxp_view path, oxp_rule_fault_fn *on_fault, void *ctx,
                                   struct oxp_rule_file **file_out, struct oxp_error *error) {
    struct oxp_rule_file *file = calloc(1, sizeof *file);
    *file_out = NULL;
    if (file == NULL) {
        return oxp_error_set(error, OXP_ERR_NOMEM, 0, 0, "out of memory");
    }
    oxp_arena_init(&file->arena, 0);
    file->path = oxp_arena_copy(&file->arena, path);
    struct oxp_rule_reader reader = {.file = file, .text = text, .on_fault = on_fault, .ctx = ctx};
    reader.fields = oxp_rule_reader_fields(&reader, error);
    if (file->path.ptr == NULL) {
        oxp_fields_no_memory(&reader.fields);
    } else {
        read_file(&reader);
    }
    if (reader.fields.status != OXP_OK) {
        oxp_rule_file_free(file);
        return reader.fields.status;
    }
    *file_out = file;
    return OXP_OK;
}

void oxp_rule_file_free(struct oxp_rule_file *file) {
    if (file == NULL) {
        return;
    }
    for (size_t g = 0; g < file->group_count; g++) {
        for (size_t r = 0; r < file->groups[g].count; r++) {
            oxp_promql_expr_free((struct oxp_promql_expr *)(uintptr_t)file->groups[g].rules[r].expr);
        }
    }
    oxp_arena_fini(&file->arena);
    free(file);
}
