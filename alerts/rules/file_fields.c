/* What go.yaml.in/yaml/v3, which reads rule files for Prometheus, has of its own: its words for fields that it does not
 * know, nulls in lists, numbers of YAML 1.1. The rest is lib/yaml/fields.h. */
#include "alerts/rules/file_reader.h"

#include "alerts/promql/lexer.h"
#include "lib/base/number.h"
#include "lib/base/utf8.h"
#include <limits.h>
#include <stdio.h>

/* ---- Faults ---- */

struct oxp_fields_shown oxp_rule_shown(struct oxp_view text) {
    struct oxp_fields_shown shown;
    char quoted[OXP_TOKEN_SHOWN];
    struct oxp_view cut = oxp_utf8_cut(text, OXP_FIELDS_SHOWN_MAX);
    oxp_show_quoted(quoted, cut);
    snprintf(shown.text, sizeof shown.text, "%s%s", quoted, cut.len < text.len ? "..." : "");
    return shown;
}

/* Group and rule in front. */
static void on_fault(void *ctx, enum oxp_status status, struct oxp_error *fault) {
    struct oxp_rule_reader *reader = ctx;
    struct oxp_error bare = *fault;
    if (reader->rule != 0) {
        oxp_error_set(fault, status, bare.line, bare.column, "group %s, rule %zu, %s: %s",
                      oxp_rule_shown(reader->group).text, reader->rule, oxp_rule_shown(reader->name).text, bare.text);
    }
    if (reader->on_fault != NULL) {
        reader->on_fault(reader->ctx, fault);
    }
}

struct oxp_fields oxp_rule_reader_fields(struct oxp_rule_reader *reader, struct oxp_error *error) {
    return (struct oxp_fields){.error = error,
                               .on_fault = on_fault,
                               .ctx = reader,
                               .null = OXP_NULL_EMPTY,
                               .quoted_is_text = true,
                               .show = oxp_rule_shown,
                               .duration = oxp_duration_read};
}

/* ---- Fields ---- */

bool oxp_rule_fields_find(struct oxp_rule_reader *reader, const struct oxp_yaml_node *node, const struct oxp_keys *keys,
                          const struct oxp_yaml_node **found) {
    oxp_keys_pick(keys, node, found);
    if (node->kind != OXP_YAML_MAPPING) {
        OXP_FAULT(&reader->fields, node, "found %s; expected %s", oxp_fields_kind(node), keys->what);
        return false;
    }
    return true;
}

void oxp_rule_fields_unknown(struct oxp_rule_reader *reader, const struct oxp_yaml_node *node,
                             const struct oxp_keys *keys) {
    char known[128] = "";
    for (size_t i = 0, used = 0; i < keys->count && used < sizeof known; i++) {
        used += (size_t)snprintf(known + used, sizeof known - used, "%s%s", i == 0 ? "" : ", ", keys->names[i]);
    }
    const struct oxp_yaml_node *child = node->first;
    while ((child = oxp_keys_unknown(keys, child)) != NULL) {
        struct oxp_view cut = oxp_utf8_cut(child->key, OXP_FIELDS_SHOWN_MAX);
        OXP_FAULT_AT_KEY(&reader->fields, child, "field %.*s not found in %s, which has %s", (int)cut.len, cut.ptr,
                         keys->what, known);
        child = child->next;
    }
}

const struct oxp_yaml_node *oxp_rule_item(const struct oxp_yaml_node *node) {
    while (node != NULL && node->kind == OXP_YAML_NULL) {
        node = node->next;
    }
    return node;
}

/* ---- Whole numbers ---- */

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
    if (!oxp_fields_scalar(&reader->fields, node, "a whole number")) {
        return 0;
    }
    if (node->quoted) {
        oxp_fields_wrong_kind(&reader->fields, node, NULL, "a whole number");
    } else if (!read_whole(node->text, &negative, &value)) {
        OXP_FAULT(&reader->fields, node, "%s: found %s; expected a whole number", oxp_rule_shown(node->key).text,
                  oxp_rule_shown(node->text).text);
    }
    return negative ? 0 : value;
}
