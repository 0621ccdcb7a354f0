/* Values of the `cloudwatch` section that lib/yaml has no reader for: texts by CloudWatch's rules, whole seconds. */
#include "alerts/cloudwatch/config_reader.h"

#include "lib/base/ascii.h"
#include "lib/base/utf8.h"

const struct oxp_cw_text_rule oxp_cw_dimension_name = {"a dimension's name", 1, OXP_CW_NAME_MAX, true, true, NULL, ""};
const struct oxp_cw_text_rule oxp_cw_dimension_value = {
    "a dimension's value", 1, OXP_CW_VALUE_MAX, true, false, NULL, ""};
const struct oxp_cw_text_rule oxp_cw_label_name = {
    "a label's name", 1, OXP_CW_NAME_MAX, true, false, oxp_ascii_is_name, "must be letters, digits and _"};

static bool is_ascii(struct oxp_view text) {
    bool seen = false;
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c < 0x20 || c > 0x7e) {
            return false;
        }
        seen = seen || c != ' ';
    }
    return seen || text.len == 0;
}

const char *oxp_cw_text_wrong(const struct oxp_cw_text_rule *rule, struct oxp_view text) {
    size_t length = rule->ascii ? text.len : oxp_utf8_count(text);
    if (length < rule->least) {
        return "is empty or too short";
    }
    if (length > rule->most) {
        return "is too long";
    }
    if (rule->ascii && !is_ascii(text)) {
        return "must be printable ASCII, and not blanks alone";
    }
    if (oxp_ascii_has_controls(text)) {
        return "has control characters";
    }
    if (rule->no_colon && text.len > 0 && text.ptr[0] == ':') {
        return "may not begin with ':'";
    }
    return rule->also == NULL || rule->also(text) ? NULL : rule->says;
}

static const char *text_at(struct oxp_cw_reader *reader, unsigned line, unsigned column, struct oxp_view text,
                           const struct oxp_cw_text_rule *rule) {
    const char *wrong = oxp_cw_text_wrong(rule, text);
    if (wrong != NULL) {
        oxp_fields_fault(&reader->fields, OXP_ERR_INVALID, line, column, "%s %s (%zu to %zu characters): \"%s\"",
                         rule->what, wrong, rule->least, rule->most, oxp_fields_shown(text).text);
        return NULL;
    }
    return oxp_fields_keep(&reader->fields, text);
}

const char *oxp_cw_text(struct oxp_cw_reader *reader, const struct oxp_yaml_node *node,
                        const struct oxp_cw_text_rule *rule) {
    if (!oxp_fields_scalar(&reader->fields, node, rule->what)) {
        return NULL;
    }
    return text_at(reader, node->line, node->column, node->text, rule);
}

unsigned oxp_cw_seconds(struct oxp_cw_reader *reader, const struct oxp_yaml_node *node, unsigned least, unsigned most,
                        unsigned fallback) {
    int64_t ms = 0;
    if (!oxp_fields_scalar(&reader->fields, node, "a duration")) {
        return fallback;
    }
    if (oxp_promql_parse_duration(node->text, &ms) != OXP_OK || ms % 1000 != 0 || ms / 1000 < least ||
        ms / 1000 > most) {
        OXP_FAULT(&reader->fields, node, "%s: found \"%s\"; expected a duration of whole seconds from %us to %us",
                  oxp_fields_shown(node->key).text, oxp_fields_shown(node->text).text, least, most);
        return fallback;
    }
    return (unsigned)(ms / 1000);
}

const struct oxp_yaml_node *oxp_cw_items(struct oxp_cw_reader *reader, const struct oxp_yaml_node *node, size_t most,
                                         size_t *count_out) {
    const struct oxp_yaml_node *first = oxp_fields_children(&reader->fields, node, OXP_YAML_SEQUENCE, count_out);
    if (!oxp_fields_few(&reader->fields, node, *count_out, most)) {
        *count_out = 0;
        return NULL;
    }
    return first;
}

const char *const *oxp_cw_texts(struct oxp_cw_reader *reader, const struct oxp_yaml_node *node,
                                const struct oxp_cw_text_rule *rule, size_t most) {
    size_t count;
    const struct oxp_yaml_node *item = oxp_cw_items(reader, node, most, &count);
    const char **texts = oxp_arena_zero(&reader->owned->arena, count + 1, sizeof(const char *));
    if (texts == NULL) {
        oxp_fields_no_memory(&reader->fields);
        return NULL;
    }
    for (size_t i = 0; i < count; i++, item = item->next) {
        texts[i] = oxp_cw_text(reader, item, rule);
    }
    return texts;
}

const struct oxp_cw_pair *oxp_cw_pairs(struct oxp_cw_reader *reader, const struct oxp_yaml_node *node,
                                       const struct oxp_cw_text_rule *names, const struct oxp_cw_text_rule *values,
                                       size_t most, size_t *count_out) {
    size_t count = 0, i = 0;
    const struct oxp_yaml_node *child = oxp_fields_children(&reader->fields, node, OXP_YAML_MAPPING, &count);
    struct oxp_cw_pair *pairs = oxp_arena_zero(&reader->owned->arena, count + 1, sizeof *pairs);
    *count_out = 0;
    if (pairs == NULL) {
        oxp_fields_no_memory(&reader->fields);
        return NULL;
    }
    if (child == NULL || !oxp_fields_few(&reader->fields, node, count, most)) {
        return NULL;
    }
    for (; child != NULL; child = child->next, i++) {
        pairs[i].name = text_at(reader, child->key_line, child->key_column, child->key, names);
        pairs[i].value = oxp_cw_text(reader, child, values);
    }
    *count_out = count;
    return pairs;
}

bool oxp_cw_pair_has(const struct oxp_cw_pair *pairs, size_t count, const char *name) {
    for (size_t i = 0; i < count; i++) {
        if (name != NULL && pairs[i].name != NULL && strcmp(pairs[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}
