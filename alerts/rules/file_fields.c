/* Fields of the mappings of a rule file and their values, as go.yaml.in/yaml/v3 decodes them for Prometheus: any scalar
 * is text where text is wanted, null is the same as nothing, a duration is Prometheus' own, a number is YAML 1.1's. */
#include "alerts/rules/file_reader.h"

#include "alerts/promql/lexer.h"
#include "lib/base/number.h"
#include "lib/base/utf8.h"
#include <limits.h>
#include <stdio.h>

/* ---- Faults ---- */

/* One line for a person, whatever stood in the file. */
static void tidy(char *text) {
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text < 0x20 || *text == 0x7f) {
            *text = '?';
        }
    }
}

struct oxp_rule_shown oxp_rule_shown(struct oxp_view text) {
    struct oxp_rule_shown shown;
    char quoted[OXP_TOKEN_SHOWN];
    struct oxp_view cut = oxp_utf8_cut(text, OXP_RULE_SHOWN_MAX);
    oxp_show_quoted(quoted, cut);
    snprintf(shown.text, sizeof shown.text, "%s%s", quoted, cut.len < text.len ? "..." : "");
    tidy(shown.text); /* without memory it comes as it is */
    return shown;
}

void oxp_rule_no_memory(struct oxp_rule_reader *reader) {
    reader->status = oxp_error_set(reader->error, OXP_ERR_NOMEM, 0, 0, "out of memory");
}

void oxp_rule_fault(struct oxp_rule_reader *reader, enum oxp_status status, unsigned line, unsigned column,
                    const char *format, ...) {
    struct oxp_error error = {0};
    char sentence[sizeof error.text];
    va_list args;
    if (status == OXP_ERR_NOMEM || oxp_rule_ended(reader)) {
        oxp_rule_no_memory(reader);
        return;
    }
    va_start(args, format);
    vsnprintf(sentence, sizeof sentence, format, args);
    va_end(args);
    tidy(sentence);
    struct oxp_view cut = oxp_view_from(sentence);
    cut.len = oxp_utf8_valid_prefix(cut);
    if (reader->rule == 0) {
        oxp_error_set(&error, status, line, column, "%.*s", (int)cut.len, cut.ptr);
    } else {
        oxp_error_set(&error, status, line, column, "group %s, rule %zu, %s: %.*s", oxp_rule_shown(reader->group).text,
                      reader->rule, oxp_rule_shown(reader->name).text, (int)cut.len, cut.ptr);
    }
    if (reader->status == OXP_OK) {
        reader->status = status;
        if (reader->error != NULL) {
            *reader->error = error;
        }
    }
    if (reader->on_fault != NULL) {
        reader->on_fault(reader->ctx, &error);
    }
}

static const char *kind_text(const struct oxp_yaml_node *node) {
    static const char *const words[] = {[OXP_YAML_SCALAR] = "text",
                                        [OXP_YAML_SEQUENCE] = "a list",
                                        [OXP_YAML_MAPPING] = "a mapping",
                                        [OXP_YAML_NULL] = "nothing"};
    return words[node->kind];
}

/* What a value is the value of, for a sentence: its key, or that it is an item of a list. */
static struct oxp_rule_shown owner_of(const struct oxp_yaml_node *node) {
    struct oxp_rule_shown shown = {"an item"};
    return node->key.len == 0 ? shown : oxp_rule_shown(node->key);
}

static void wrong_kind(struct oxp_rule_reader *reader, const struct oxp_yaml_node *node, const char *expected) {
    OXP_RULE_FAULT(reader, node, "%s: found %s; expected %s", owner_of(node).text, kind_text(node), expected);
}

/* ---- Fields ---- */

static size_t field_of(const struct oxp_rule_fields *fields, struct oxp_view name) {
    size_t i = 0;
    while (i < fields->count && !oxp_view_is(name, fields->names[i])) {
        i++;
    }
    return i;
}

bool oxp_rule_fields_find(struct oxp_rule_reader *reader, const struct oxp_yaml_node *node,
                          const struct oxp_rule_fields *fields, const struct oxp_yaml_node **found) {
    if (node->kind != OXP_YAML_MAPPING) {
        OXP_RULE_FAULT(reader, node, "found %s; expected %s", kind_text(node), fields->what);
        return false;
    }
    for (const struct oxp_yaml_node *child = node->first; child != NULL; child = child->next) {
        size_t field = field_of(fields, child->key);
        if (field < fields->count) {
            found[field] = child;
        }
    }
    return true;
}

void oxp_rule_fields_unknown(struct oxp_rule_reader *reader, const struct oxp_yaml_node *node,
                             const struct oxp_rule_fields *fields) {
    for (const struct oxp_yaml_node *child = node->first; child != NULL; child = child->next) {
        if (field_of(fields, child->key) < fields->count) {
            continue;
        }
        char known[128] = "";
        for (size_t i = 0, used = 0; i < fields->count && used < sizeof known; i++) {
            used += (size_t)snprintf(known + used, sizeof known - used, "%s%s", i == 0 ? "" : ", ", fields->names[i]);
        }
        struct oxp_view cut = oxp_utf8_cut(child->key, OXP_RULE_SHOWN_MAX);
        oxp_rule_fault(reader, OXP_ERR_INVALID, child->key_line, child->key_column,
                       "field %.*s not found in %s, which has %s", (int)cut.len, cut.ptr, fields->what, known);
    }
}

const struct oxp_yaml_node *oxp_rule_item(const struct oxp_yaml_node *node) {
    while (node != NULL && node->kind == OXP_YAML_NULL) {
        node = node->next;
    }
    return node;
}

const struct oxp_yaml_node *oxp_rule_read_children(struct oxp_rule_reader *reader, const struct oxp_yaml_node *node,
                                                   enum oxp_yaml_kind kind) {
    if (node == NULL || node->kind == OXP_YAML_NULL) {
        return NULL;
    }
    if (node->kind != kind) {
        wrong_kind(reader, node, kind == OXP_YAML_SEQUENCE ? "a list" : "a mapping");
        return NULL;
    }
    return node->first;
}

/* ---- Values ---- */

struct oxp_view oxp_rule_read_text(struct oxp_rule_reader *reader, const struct oxp_yaml_node *node) {
    if (node == NULL || node->kind == OXP_YAML_NULL) {
        return oxp_view_of("", 0);
    }
    if (node->kind != OXP_YAML_SCALAR) {
        wrong_kind(reader, node, "text");
        return oxp_view_of("", 0);
    }
    return node->text;
}

int64_t oxp_rule_read_duration(struct oxp_rule_reader *reader, const struct oxp_yaml_node *node) {
    int64_t ms = 0;
    struct oxp_error error = {0};
    if (node == NULL || node->kind == OXP_YAML_NULL) {
        return 0;
    }
    if (node->kind != OXP_YAML_SCALAR) {
        wrong_kind(reader, node, "a duration");
        return 0;
    }
    if (oxp_duration_read(node->text, &ms, &error) != OXP_OK) {
        OXP_RULE_FAULT(reader, node, "%s: %s", owner_of(node).text, error.text);
    }
    return ms;
}

/* `digits` in a base: UINT_MAX for more than that; false when they are no number. */
static bool read_digits(struct oxp_view digits, unsigned base, unsigned *value_out) {
    uint64_t value = 0;
    for (size_t i = 0; i < digits.len; i++) {
        char c = digits.ptr[i], low = (char)(c | 0x20);
        unsigned digit = c >= '0' && c <= '9'       ? (unsigned)(c - '0')
                         : low >= 'a' && low <= 'f' ? (unsigned)(low - 'a' + 10)
                                                    : 16;
        if (digit >= base) {
            return false;
        }
        value = value * base + digit;
        if (value > INT64_MAX) {
            return false;
        }
    }
    *value_out = value > UINT_MAX ? UINT_MAX : (unsigned)value;
    return digits.len != 0;
}

/* A decimal number with a point or exponent, cut to a whole one: YAML's floats are taken for integers, too. */
static bool read_float(struct oxp_view text, unsigned *value_out) {
    double value = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (strchr("0123456789.eE+-", text.ptr[i]) == NULL) {
            return false; /* no words */
        }
    }
    if (oxp_number_parse_exposition(text, &value) != OXP_OK || !(value < 9223372036854775808.0)) {
        return false;
    }
    *value_out = value > UINT_MAX ? UINT_MAX : (unsigned)value;
    return true;
}

/* YAML 1.1 section "int" as Go reads it: a sign, 0x, 0o, 0b, a leading 0 for octal, underscores anywhere. */
static bool read_whole(struct oxp_view text, bool *negative_out, unsigned *value_out) {
    static const struct {
        const char *prefix;
        unsigned base;
    } bases[] = {{"0x", 16}, {"0X", 16}, {"0o", 8}, {"0O", 8}, {"0b", 2}, {"0B", 2}, {"0", 8}};
    char plain[64];
    size_t len = 0;
    for (size_t i = 0; i < text.len && len < sizeof plain; i++) {
        if (text.ptr[i] != '_' || i == 0) {
            plain[len++] = text.ptr[i];
        }
    }
    struct oxp_view digits = oxp_view_of(plain, len);
    *negative_out = len != 0 && plain[0] == '-';
    if (len != 0 && (plain[0] == '-' || plain[0] == '+')) {
        digits = oxp_view_of(plain + 1, len - 1);
    }
    if (len == sizeof plain || digits.len == 0 || digits.ptr[0] == '-' || digits.ptr[0] == '+') {
        return false;
    }
    for (size_t i = 0; i < sizeof bases / sizeof bases[0] && digits.len > 1; i++) {
        struct oxp_view prefix = oxp_view_from(bases[i].prefix);
        struct oxp_view rest = oxp_view_of(digits.ptr + prefix.len, digits.len - prefix.len);
        if (oxp_view_starts(digits, prefix) && read_digits(rest, bases[i].base, value_out)) {
            return true;
        }
    }
    return (digits.ptr[0] != '0' && read_digits(digits, 10, value_out)) || oxp_view_is(digits, "0") ||
           read_float(digits, value_out);
}

unsigned oxp_rule_read_limit(struct oxp_rule_reader *reader, const struct oxp_yaml_node *node) {
    bool negative = false;
    unsigned value = 0;
    if (node == NULL || node->kind == OXP_YAML_NULL) {
        return 0;
    }
    if (node->kind != OXP_YAML_SCALAR || node->quoted) {
        wrong_kind(reader, node, "a whole number");
    } else if (!read_whole(node->text, &negative, &value)) {
        OXP_RULE_FAULT(reader, node, "%s: found %s; expected a whole number", owner_of(node).text,
                       oxp_rule_shown(node->text).text);
    }
    return negative ? 0 : value;
}
