/* Keys and values of the `cloudwatch` section. */
#include "alerts/cloudwatch/config_reader.h"

#include "lib/base/number.h"
#include "lib/base/utf8.h"
#include <math.h>
#include <stdio.h>

enum { KEY_MAX = 48 };

/* ---- Faults ---- */

struct oxp_cw_shown oxp_cw_shown(struct oxp_view text) {
    struct oxp_cw_shown shown;
    struct oxp_view cut = oxp_utf8_cut(text, KEY_MAX);
    snprintf(shown.text, sizeof shown.text, "%.*s%s", (int)cut.len, cut.len == 0 ? "" : cut.ptr,
             cut.len < text.len ? "..." : "");
    for (char *c = shown.text; *c != '\0'; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f) {
            *c = '?';
        }
    }
    return shown;
}

void oxp_cw_no_memory(struct oxp_cw_reader *reader) {
    reader->status = oxp_error_set(reader->error, OXP_ERR_NOMEM, 0, 0, "out of memory");
}

void oxp_cw_fault(struct oxp_cw_reader *reader, unsigned line, unsigned column, const char *format, ...) {
    char sentence[256];
    va_list args;
    if (reader->status != OXP_OK) {
        return;
    }
    va_start(args, format);
    vsnprintf(sentence, sizeof sentence, format, args);
    va_end(args);
    struct oxp_view cut = oxp_view_from(sentence);
    cut.len = oxp_utf8_valid_prefix(cut);
    reader->status = oxp_error_set(reader->error, OXP_ERR_INVALID, line, column, "%.*s", (int)cut.len, cut.ptr);
}

static const char *kind_text(const struct oxp_yaml_node *node) {
    static const char *const words[] = {[OXP_YAML_SCALAR] = "text",
                                        [OXP_YAML_SEQUENCE] = "a list",
                                        [OXP_YAML_MAPPING] = "a mapping",
                                        [OXP_YAML_NULL] = "nothing"};
    return words[node->kind];
}

static struct oxp_cw_shown owner_of(const struct oxp_yaml_node *node) {
    return node->key.len == 0 ? oxp_cw_shown(OXP_VIEW("an item")) : oxp_cw_shown(node->key);
}

static bool is_kind(struct oxp_cw_reader *reader, const struct oxp_yaml_node *node, enum oxp_yaml_kind kind,
                    const char *expected) {
    if (node->kind != kind) {
        OXP_CW_FAULT(reader, node, "%s: found %s; expected %s", owner_of(node).text, kind_text(node), expected);
    }
    return node->kind == kind;
}

/* ---- Keys ---- */

static unsigned least_of(unsigned a, unsigned b) {
    return a < b ? a : b;
}

/* Levenshtein's distance; both are at most KEY_MAX long. */
static unsigned distance(struct oxp_view a, struct oxp_view b) {
    unsigned row[KEY_MAX + 1];
    for (unsigned j = 0; j <= b.len; j++) {
        row[j] = j;
    }
    for (unsigned i = 1; i <= a.len; i++) {
        unsigned corner = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b.len; j++) {
            unsigned kept = corner + (a.ptr[i - 1] != b.ptr[j - 1]);
            corner = row[j];
            row[j] = least_of(kept, 1 + least_of(row[j], row[j - 1]));
        }
    }
    return row[b.len];
}

static void unknown_key(struct oxp_cw_reader *reader, const struct oxp_yaml_node *child, const char *what,
                        const char *const *names, size_t count) {
    const char *nearest = NULL;
    unsigned best = (unsigned)child->key.len / 3 + 2; /* a third of the letters wrong, and it is another word */
    for (size_t i = 0; i < count && child->key.len <= KEY_MAX; i++) {
        unsigned far = distance(child->key, oxp_view_from(names[i]));
        nearest = far < best ? names[i] : nearest;
        best = least_of(best, far);
    }
    oxp_cw_fault(reader, child->key_line, child->key_column, "%s has no key \"%s\"%s%s%s", what,
                 oxp_cw_shown(child->key).text, nearest == NULL ? "" : "; did you mean \"",
                 nearest == NULL ? "" : nearest, nearest == NULL ? "" : "\"?");
}

bool oxp_cw_fields(struct oxp_cw_reader *reader, const struct oxp_yaml_node *node, const char *what,
                   const char *const *names, size_t count, const struct oxp_yaml_node **found) {
    for (size_t i = 0; i < count; i++) {
        found[i] = NULL;
    }
    if (!is_kind(reader, node, OXP_YAML_MAPPING, "a mapping")) {
        return false;
    }
    for (const struct oxp_yaml_node *child = node->first; child != NULL; child = child->next) {
        size_t i = 0;
        while (i < count && !oxp_view_is(child->key, names[i])) {
            i++;
        }
        if (i == count) {
            unknown_key(reader, child, what, names, count);
        } else {
            found[i] = child;
        }
    }
    return true;
}

/* ---- Texts ---- */

static bool is_label_name(struct oxp_view text) {
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        if (!letter && (i == 0 || c < '0' || c > '9')) {
            return false;
        }
    }
    return true;
}

const struct oxp_cw_text_rule oxp_cw_dimension_name = {"a dimension's name", 1, OXP_CW_NAME_MAX, true, true, NULL, ""};
const struct oxp_cw_text_rule oxp_cw_dimension_value = {
    "a dimension's value", 1, OXP_CW_VALUE_MAX, true, false, NULL, ""};
const struct oxp_cw_text_rule oxp_cw_label_name = {
    "a label's name", 1, OXP_CW_NAME_MAX, true, false, is_label_name, "must be letters, digits and _"};

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

static bool has_controls(struct oxp_view text) {
    for (size_t i = 0; i < text.len; i++) {
        if ((unsigned char)text.ptr[i] < 0x20 || text.ptr[i] == 0x7f) {
            return true;
        }
    }
    return false;
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
    if (has_controls(text)) {
        return "has control characters";
    }
    if (rule->no_colon && text.len > 0 && text.ptr[0] == ':') {
        return "may not begin with ':'";
    }
    return rule->also == NULL || rule->also(text) ? NULL : rule->says;
}

const char *oxp_cw_keep(struct oxp_cw_reader *reader, struct oxp_view text) {
    struct oxp_view copy = oxp_arena_copy(&reader->owned->arena, text);
    if (copy.ptr == NULL) {
        oxp_cw_no_memory(reader);
    }
    return copy.ptr;
}

static const char *text_at(struct oxp_cw_reader *reader, unsigned line, unsigned column, struct oxp_view text,
                           const struct oxp_cw_text_rule *rule) {
    const char *wrong = oxp_cw_text_wrong(rule, text);
    if (wrong != NULL) {
        oxp_cw_fault(reader, line, column, "%s %s (%zu to %zu characters): \"%s\"", rule->what, wrong, rule->least,
                     rule->most, oxp_cw_shown(text).text);
        return NULL;
    }
    return oxp_cw_keep(reader, text);
}

const char *oxp_cw_text(struct oxp_cw_reader *reader, const struct oxp_yaml_node *node,
                        const struct oxp_cw_text_rule *rule) {
    if (node == NULL || !is_kind(reader, node, OXP_YAML_SCALAR, rule->what)) {
        return NULL;
    }
    return text_at(reader, node->line, node->column, node->text, rule);
}

/* ---- Other scalars ---- */

bool oxp_cw_bool(struct oxp_cw_reader *reader, const struct oxp_yaml_node *node, bool fallback) {
    if (node == NULL || !is_kind(reader, node, OXP_YAML_SCALAR, "true or false")) {
        return fallback;
    }
    bool yes = oxp_view_is(node->text, "true");
    if (!yes && !oxp_view_is(node->text, "false")) {
        OXP_CW_FAULT(reader, node, "%s: found \"%s\"; expected true or false", owner_of(node).text,
                     oxp_cw_shown(node->text).text);
    }
    return yes;
}

double oxp_cw_number(struct oxp_cw_reader *reader, const struct oxp_yaml_node *node, double least, double fallback) {
    double value = 0;
    if (node == NULL || !is_kind(reader, node, OXP_YAML_SCALAR, "a number")) {
        return fallback;
    }
    if (oxp_number_parse_json(node->text, &value) != OXP_OK || !isfinite(value) || value < least) {
        OXP_CW_FAULT(reader, node, "%s: found \"%s\"; expected a number%s", owner_of(node).text,
                     oxp_cw_shown(node->text).text, isfinite(least) ? " that is not negative" : "");
        return fallback;
    }
    return value;
}

unsigned oxp_cw_count(struct oxp_cw_reader *reader, const struct oxp_yaml_node *node, unsigned least, unsigned most,
                      unsigned fallback) {
    uint64_t value = 0;
    if (node == NULL || !is_kind(reader, node, OXP_YAML_SCALAR, "a whole number")) {
        return fallback;
    }
    if (oxp_number_parse_u64(node->text, &value) != OXP_OK || value < least || value > most) {
        OXP_CW_FAULT(reader, node, "%s: found \"%s\"; expected a whole number from %u to %u", owner_of(node).text,
                     oxp_cw_shown(node->text).text, least, most);
        return fallback;
    }
    return (unsigned)value;
}

unsigned oxp_cw_seconds(struct oxp_cw_reader *reader, const struct oxp_yaml_node *node, unsigned least, unsigned most,
                        unsigned fallback) {
    int64_t ms = 0;
    if (node == NULL || !is_kind(reader, node, OXP_YAML_SCALAR, "a duration")) {
        return fallback;
    }
    if (oxp_promql_parse_duration(node->text, &ms) != OXP_OK || ms % 1000 != 0 || ms / 1000 < least ||
        ms / 1000 > most) {
        OXP_CW_FAULT(reader, node, "%s: found \"%s\"; expected a duration of whole seconds from %us to %us",
                     owner_of(node).text, oxp_cw_shown(node->text).text, least, most);
        return fallback;
    }
    return (unsigned)(ms / 1000);
}

size_t oxp_cw_choice(struct oxp_cw_reader *reader, const struct oxp_yaml_node *node, const char *const *choices) {
    char expected[160] = "";
    if (node == NULL || !is_kind(reader, node, OXP_YAML_SCALAR, "text")) {
        return 0;
    }
    for (size_t i = 0, used = 0; choices[i] != NULL; i++) {
        if (oxp_view_is(node->text, choices[i])) {
            return i;
        }
        if (used < sizeof expected) {
            used += (size_t)snprintf(expected + used, sizeof expected - used, "%s%s", i == 0 ? "" : ", ", choices[i]);
        }
    }
    OXP_CW_FAULT(reader, node, "%s: found \"%s\"; expected one of %s", owner_of(node).text,
                 oxp_cw_shown(node->text).text, expected);
    return 0;
}

/* ---- Lists and mappings ---- */

static size_t children_of(const struct oxp_yaml_node *node) {
    size_t count = 0;
    for (const struct oxp_yaml_node *child = node->first; child != NULL; child = child->next) {
        count++;
    }
    return count;
}

static bool few_enough(struct oxp_cw_reader *reader, const struct oxp_yaml_node *node, size_t count, size_t most) {
    if (count > most) {
        OXP_CW_FAULT(reader, node, "%s: %zu entries; at most %zu are allowed", owner_of(node).text, count, most);
    }
    return count <= most;
}

const struct oxp_yaml_node *oxp_cw_items(struct oxp_cw_reader *reader, const struct oxp_yaml_node *node, size_t most,
                                         size_t *count_out) {
    *count_out = 0;
    if (node == NULL || !is_kind(reader, node, OXP_YAML_SEQUENCE, "a list")) {
        return NULL;
    }
    size_t count = children_of(node);
    if (!few_enough(reader, node, count, most)) {
        return NULL;
    }
    *count_out = count;
    return node->first;
}

const char *const *oxp_cw_texts(struct oxp_cw_reader *reader, const struct oxp_yaml_node *node,
                                const struct oxp_cw_text_rule *rule, size_t most) {
    size_t count;
    const struct oxp_yaml_node *item = oxp_cw_items(reader, node, most, &count);
    const char **texts = oxp_arena_zero(&reader->owned->arena, count + 1, sizeof(const char *));
    if (texts == NULL) {
        oxp_cw_no_memory(reader);
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
    *count_out = 0;
    if (node == NULL || !is_kind(reader, node, OXP_YAML_MAPPING, "a mapping")) {
        return NULL;
    }
    size_t count = children_of(node);
    struct oxp_cw_pair *pairs = oxp_arena_zero(&reader->owned->arena, count + 1, sizeof *pairs);
    if (pairs == NULL) {
        oxp_cw_no_memory(reader);
        return NULL;
    }
    if (!few_enough(reader, node, count, most)) {
        return NULL;
    }
    size_t i = 0;
    for (const struct oxp_yaml_node *child = node->first; child != NULL; child = child->next, i++) {
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
