/* One rule: its fields, what they may not be together, its expression, labels, annotations and their templates. The
 * checks and their words are those of Prometheus (model/rulefmt, Rule.Validate). */
#include "alerts/rules/file_reader.h"

#include "lib/base/utf8.h"
#include <stdlib.h>

enum { RECORD, ALERT, EXPR, FOR, KEEP_FIRING_FOR, LABELS, ANNOTATIONS, RULE_FIELDS };

static const char *const rule_names[RULE_FIELDS] = {
    [RECORD] = "record",
    [ALERT] = "alert",
    [EXPR] = "expr",
    [FOR] = "for",
    [KEEP_FIRING_FOR] = "keep_firing_for",
    [LABELS] = "labels",
    [ANNOTATIONS] = "annotations",
};
static const struct oxp_keys rule_keys = {.what = "a rule", .names = rule_names, .count = RULE_FIELDS};

/* ---- Labels and annotations ---- */

struct pair {
    struct oxp_rule_text text;
    const struct oxp_yaml_node *node;
};

static int by_name(const void *a, const void *b) {
    return oxp_symbol_compare(((const struct pair *)a)->text.name, ((const struct pair *)b)->text.name);
}

/* UTF-8 names, as Prometheus 3 has them: anything but nothing (YAML's reader has refused both what is empty and what is
 * no UTF-8), and no label is the metric's name. */
static void read_text(struct oxp_rule_reader *reader, const struct oxp_yaml_node *node, const char *what,
                      struct pair *pair) {
    struct oxp_view text = oxp_fields_view(&reader->fields, node);
    if (strcmp(what, "label") == 0 && oxp_view_is(node->key, OXP_NAME_LABEL)) {
        oxp_fields_fault(&reader->fields, OXP_ERR_INVALID, node->key_line, node->key_column,
                         "invalid label name: " OXP_NAME_LABEL);
    }
    struct oxp_arena *arena = &reader->file->arena;
    pair->text = (struct oxp_rule_text){.name = oxp_symbol_new(arena, node->key), .text = oxp_arena_copy(arena, text)};
    pair->node = node;
    if (oxp_arena_status(arena) != OXP_OK) {
        oxp_fields_no_memory(&reader->fields);
    }
}

static struct oxp_rule_texts texts_of(struct oxp_rule_reader *reader, const struct pair *pairs, size_t count) {
    struct oxp_arena *arena = &reader->file->arena;
    struct oxp_rule_texts texts = {.texts = oxp_arena_zero(arena, count, sizeof *texts.texts),
                                   .nodes = oxp_arena_zero(arena, count, sizeof(void *))};
    if (texts.texts == NULL || texts.nodes == NULL) {
        oxp_fields_no_memory(&reader->fields);
        return texts;
    }
    for (texts.count = 0; texts.count < count; texts.count++) {
        texts.texts[texts.count] = pairs[texts.count].text;
        texts.nodes[texts.count] = pairs[texts.count].node;
    }
    return texts;
}

struct oxp_rule_texts oxp_rule_read_texts(struct oxp_rule_reader *reader, const struct oxp_yaml_node *node,
                                          const char *what) {
    struct oxp_rule_texts texts = {0};
    size_t count = 0;
    const struct oxp_yaml_node *first = oxp_fields_children(&reader->fields, node, OXP_YAML_MAPPING, &count);
    if (count == 0) {
        return texts;
    }
    struct pair *pairs = calloc(count, sizeof *pairs);
    if (pairs == NULL) {
        oxp_fields_no_memory(&reader->fields);
        return texts;
    }
    size_t at = 0;
    for (const struct oxp_yaml_node *child = first; child != NULL && !oxp_rule_ended(reader); child = child->next) {
        read_text(reader, child, what, &pairs[at++]);
    }
    if (!oxp_rule_ended(reader)) {
        qsort(pairs, count, sizeof *pairs, by_name);
        texts = texts_of(reader, pairs, count);
    }
    free(pairs);
    return texts;
}

/* The templates of these texts, once. What is wrong with one is told at its place in the file, in Prometheus' words. */
static void parse_templates(struct oxp_rule_reader *reader, struct oxp_rule_texts *texts, const char *what) {
    for (size_t i = 0; i < texts->count && !texts->parsed && !oxp_rule_ended(reader); i++) {
        struct oxp_error within = {0};
        enum oxp_status status =
            oxp_template_parse(&reader->file->arena, texts->texts[i].text, &texts->texts[i].template, &within);
        if (status == OXP_OK) {
            continue;
        }
        unsigned line = 0, column = 0;
        struct oxp_view alert = oxp_utf8_cut(reader->name, OXP_FIELDS_SHOWN_MAX);
        oxp_rule_place_of(reader, texts->nodes[i], &within, &line, &column);
        oxp_fields_fault(&reader->fields, status, line, column, "%s %s: template: __alert_%.*s:%u: %s", what,
                         oxp_rule_shown(oxp_symbol_view(texts->texts[i].name)).text, (int)alert.len, alert.ptr,
                         within.line, within.text);
    }
    texts->parsed = true;
}

/* The group's labels and the rule's, which win; both are sorted. Templates are for alerting rules. */
static void join_labels(struct oxp_rule_reader *reader, const struct oxp_rule_texts *group,
                        const struct oxp_rule_texts *own, struct oxp_rule *rule) {
    if (group->count + own->count == 0) {
        return;
    }
    struct oxp_rule_text *labels = oxp_arena_zero(&reader->file->arena, group->count + own->count, sizeof *labels);
    if (labels == NULL) {
        oxp_fields_no_memory(&reader->fields);
        return;
    }
    size_t count = 0;
    for (size_t g = 0, o = 0; g < group->count || o < own->count; count++) {
        int order = g == group->count ? 1
                    : o == own->count ? -1
                                      : oxp_symbol_compare(group->texts[g].name, own->texts[o].name);
        labels[count] = order < 0 ? group->texts[g] : own->texts[o];
        g += order <= 0;
        o += order >= 0;
        if (rule->kind == OXP_RULE_RECORDING) {
            labels[count].template = NULL;
        }
    }
    rule->labels = labels;
    rule->label_count = count;
    if (count > OXP_LABELS_LIMIT) {
        oxp_fields_fault(&reader->fields, OXP_ERR_LIMIT, rule->line, rule->column, "%zu labels; the most is %d", count,
                         OXP_LABELS_LIMIT);
    }
}

/* ---- The expression ---- */

static void read_expr(struct oxp_rule_reader *reader, const struct oxp_yaml_node *node, struct oxp_rule *rule) {
    struct oxp_view text = oxp_fields_view(&reader->fields, node);
    if (text.len == 0) {
        if (!oxp_rule_no_text(node)) {
            oxp_fields_fault(&reader->fields, OXP_ERR_INVALID, node == NULL ? rule->line : node->line,
                             node == NULL ? rule->column : node->column, "field 'expr' must be set in rule");
        }
        return;
    }
    struct oxp_promql_expr *expr = NULL;
    struct oxp_error within = {0};
    struct oxp_buf printed;
    enum oxp_status status = oxp_promql_parse(text, &expr, &within);
    if (status != OXP_OK) {
        unsigned line = 0, column = 0;
        oxp_rule_place_of(reader, node, &within, &line, &column);
        oxp_fields_fault(&reader->fields, status, line, column, "could not parse expression: %u:%u: parse error: %s",
                         within.line, within.column, within.text);
        return;
    }
    rule->expr = expr;
    oxp_buf_init(&printed, 0);
    oxp_promql_print(&printed, expr->root);
    rule->query = oxp_arena_copy(&reader->file->arena, oxp_buf_view(&printed));
    if (oxp_buf_status(&printed) != OXP_OK || rule->query.ptr == NULL) {
        oxp_fields_no_memory(&reader->fields);
    }
    oxp_buf_fini(&printed);
}

/* ---- What may not be together ---- */

static void check_recording(struct oxp_rule_reader *reader, const struct oxp_yaml_node *const *found,
                            const struct oxp_rule *rule, struct oxp_view record) {
    const struct oxp_yaml_node *name = found[RECORD];
    if (rule->annotation_count > 0) {
        OXP_FAULT(&reader->fields, found[ANNOTATIONS], "invalid field 'annotations' in recording rule");
    }
    if (rule->for_ms != 0) {
        OXP_FAULT(&reader->fields, found[FOR], "invalid field 'for' in recording rule");
    }
    if (rule->keep_firing_for_ms != 0) {
        OXP_FAULT(&reader->fields, found[KEEP_FIRING_FOR], "invalid field 'keep_firing_for' in recording rule");
    }
    if (memchr(record.ptr, '{', record.len) != NULL || memchr(record.ptr, '}', record.len) != NULL) {
        OXP_FAULT(&reader->fields, name, "braces present in the recording rule name; should it be in expr?: %s",
                  oxp_rule_shown(record).text);
    }
}

/* The kind of the rule, from which of `record` and `alert` has a text. */
static void read_kind(struct oxp_rule_reader *reader, const struct oxp_yaml_node *const *found, struct oxp_rule *rule,
                      struct oxp_view *name_out) {
    struct oxp_view record = oxp_fields_view(&reader->fields, found[RECORD]);
    struct oxp_view alert = oxp_fields_view(&reader->fields, found[ALERT]);
    if (record.len != 0 && alert.len != 0) {
        OXP_FAULT(&reader->fields, found[ALERT], "only one of 'record' and 'alert' must be set");
    }
    if (record.len == 0 && alert.len == 0 && !oxp_rule_no_text(found[RECORD]) && !oxp_rule_no_text(found[ALERT])) {
        oxp_fields_fault(&reader->fields, OXP_ERR_INVALID, rule->line, rule->column,
                         "one of 'record' or 'alert' must be set");
    }
    rule->kind = alert.len != 0 ? OXP_RULE_ALERTING : OXP_RULE_RECORDING;
    *name_out = alert.len != 0 ? alert : record;
    rule->name = oxp_symbol_new(&reader->file->arena, *name_out);
    if (rule->name == NULL) {
        oxp_fields_no_memory(&reader->fields);
    }
}

static struct oxp_view name_of(const struct oxp_yaml_node *const *found) {
    for (int field = ALERT; field >= RECORD; field--) {
        if (found[field] != NULL && found[field]->kind == OXP_YAML_SCALAR) {
            return found[field]->text;
        }
    }
    return oxp_view_of("", 0);
}

void oxp_rule_read(struct oxp_rule_reader *reader, const struct oxp_yaml_node *node, struct oxp_rule_texts *group,
                   struct oxp_rule *rule) {
    const struct oxp_yaml_node *found[RULE_FIELDS] = {NULL};
    struct oxp_view name;
    rule->line = node->line;
    rule->column = node->column;
    if (!oxp_rule_fields_find(reader, node, &rule_keys, found)) {
        return;
    }
    reader->name = name_of(found);
    oxp_rule_fields_unknown(reader, node, &rule_keys);
    read_kind(reader, found, rule, &name);
    read_expr(reader, found[EXPR], rule);
    rule->for_ms = oxp_fields_duration(&reader->fields, found[FOR], 0);
    rule->keep_firing_for_ms = oxp_fields_duration(&reader->fields, found[KEEP_FIRING_FOR], 0);
    struct oxp_rule_texts labels = oxp_rule_read_texts(reader, found[LABELS], "label");
    struct oxp_rule_texts annotations = oxp_rule_read_texts(reader, found[ANNOTATIONS], "annotation");
    rule->annotations = annotations.texts;
    rule->annotation_count = annotations.count;
    if (rule->kind == OXP_RULE_ALERTING) {
        parse_templates(reader, group, "the group's label");
        parse_templates(reader, &labels, "label");
        parse_templates(reader, &annotations, "annotation");
    }
    if (found[RECORD] != NULL && found[RECORD]->kind == OXP_YAML_SCALAR && found[RECORD]->text.len != 0) {
        check_recording(reader, found, rule, found[RECORD]->text);
    }
    join_labels(reader, group, &labels, rule);
}
