#include "lib/yaml/fields.h"

#include "lib/base/nearest.h"
#include "lib/base/number.h"
#include "lib/base/utf8.h"
#include <math.h>
#include <stdarg.h>
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

struct oxp_fields_shown oxp_fields_shown(struct oxp_view text) {
    struct oxp_fields_shown shown;
    struct oxp_view cut = oxp_utf8_cut(text, OXP_FIELDS_SHOWN_MAX);
    snprintf(shown.text, sizeof shown.text, "%.*s%s", (int)cut.len, cut.len == 0 ? "" : cut.ptr,
             cut.len < text.len ? "..." : "");
    tidy(shown.text);
    return shown;
}

void oxp_fields_no_memory(struct oxp_fields *fields) {
    fields->status = oxp_error_set(fields->error, OXP_ERR_NOMEM, 0, 0, "out of memory");
}

void oxp_fields_fault(struct oxp_fields *fields, enum oxp_status status, unsigned line, unsigned column,
                      const char *format, ...) {
    struct oxp_error fault = {.line = line, .column = column};
    va_list args;
    if (status == OXP_ERR_NOMEM || fields->status == OXP_ERR_NOMEM) {
        oxp_fields_no_memory(fields);
        return;
    }
    if (fields->status != OXP_OK && fields->on_fault == NULL) {
        return;
    }
    va_start(args, format);
    vsnprintf(fault.text, sizeof fault.text, format, args);
    va_end(args);
    tidy(fault.text);
    fault.text[oxp_utf8_valid_prefix(oxp_view_from(fault.text))] = '\0';
    if (fields->on_fault != NULL) {
        fields->on_fault(fields->ctx, status, &fault);
    }
    if (fields->status == OXP_OK) {
        fields->status = status;
        if (fields->error != NULL) {
            *fields->error = fault;
        }
    }
}

const char *oxp_fields_kind(const struct oxp_yaml_node *node) {
    static const char *const words[] = {[OXP_YAML_SCALAR] = "text",
                                        [OXP_YAML_SEQUENCE] = "a list",
                                        [OXP_YAML_MAPPING] = "a mapping",
                                        [OXP_YAML_NULL] = "nothing"};
    return words[node->kind];
}

/* What a value is the value of. */
static struct oxp_fields_shown owner_of(const struct oxp_fields *fields, const struct oxp_yaml_node *node) {
    if (node->key.len == 0) {
        return (struct oxp_fields_shown){"an item"};
    }
    return (fields->show == NULL ? oxp_fields_shown : fields->show)(node->key);
}

void oxp_fields_wrong_kind(struct oxp_fields *fields, const struct oxp_yaml_node *node, const char *name,
                           const char *expected) {
    OXP_FAULT(fields, node, "%s: found %s; expected %s", name == NULL ? owner_of(fields, node).text : name,
              oxp_fields_kind(node), expected);
}

/* A scalar that is not what was expected of it. */
static void wrong_value(struct oxp_fields *fields, const struct oxp_yaml_node *node, const char *expected) {
    OXP_FAULT(fields, node, "%s: found \"%s\"; expected %s", owner_of(fields, node).text,
              oxp_fields_shown(node->text).text, expected);
}

/* ---- Keys ---- */

static size_t place_of(const struct oxp_keys *keys, struct oxp_view key) {
    size_t i = 0;
    while (i < keys->count && !oxp_view_is(key, keys->names[i])) {
        i++;
    }
    return i;
}

const struct oxp_yaml_node *oxp_keys_unknown(const struct oxp_keys *keys, const struct oxp_yaml_node *child) {
    while (child != NULL && place_of(keys, child->key) < keys->count) {
        child = child->next;
    }
    return child;
}

void oxp_keys_pick(const struct oxp_keys *keys, const struct oxp_yaml_node *node, const struct oxp_yaml_node **found) {
    for (size_t i = 0; i < keys->count; i++) {
        found[i] = NULL;
    }
    for (const struct oxp_yaml_node *child = node->first; child != NULL; child = child->next) {
        size_t place = place_of(keys, child->key);
        if (place < keys->count) {
            found[place] = child;
        }
    }
}

static bool is_later(const struct oxp_keys *keys, struct oxp_view key) {
    if (keys->later_suffix != NULL && oxp_view_ends(key, oxp_view_from(keys->later_suffix))) {
        return true;
    }
    for (size_t i = 0; keys->later != NULL && keys->later[i] != NULL; i++) {
        if (oxp_view_is(key, keys->later[i])) {
            return true;
        }
    }
    return false;
}

static void tell_unknown(struct oxp_fields *fields, const struct oxp_yaml_node *child, const struct oxp_keys *keys) {
    if (is_later(keys, child->key)) {
        OXP_FAULT_AT_KEY(fields, child, "%s: %s is not supported yet", keys->what, oxp_fields_shown(child->key).text);
        return;
    }
    struct oxp_nearest near = oxp_nearest_begin(child->key);
    for (size_t i = 0; i < keys->count; i++) {
        oxp_nearest_try(&near, oxp_view_from(keys->names[i]));
    }
    OXP_FAULT_AT_KEY(fields, child, "%s: there is no key %s%s%.*s%s", keys->what, oxp_fields_shown(child->key).text,
                     near.name.len == 0 ? "" : "; did you mean ", (int)near.name.len,
                     near.name.len == 0 ? "" : near.name.ptr, near.name.len == 0 ? "" : "?");
}

bool oxp_fields_find(struct oxp_fields *fields, const struct oxp_yaml_node *node, const struct oxp_keys *keys,
                     const struct oxp_yaml_node **found) {
    oxp_keys_pick(keys, node, found);
    if (node->kind != OXP_YAML_MAPPING) {
        memset(found, 0, keys->count * sizeof(const struct oxp_yaml_node *));
        oxp_fields_wrong_kind(fields, node, keys->what, "a mapping");
        return false;
    }
    for (size_t i = 0; i < keys->count && fields->null == OXP_NULL_ABSENT; i++) {
        if (found[i] != NULL && found[i]->kind == OXP_YAML_NULL) {
            found[i] = NULL;
        }
    }
    const struct oxp_yaml_node *child = node->first;
    while ((child = oxp_keys_unknown(keys, child)) != NULL) {
        tell_unknown(fields, child, keys);
        child = child->next;
    }
    return fields->status == OXP_OK || fields->on_fault != NULL;
}

/* ---- Texts ---- */

static bool is_absent(const struct oxp_fields *fields, const struct oxp_yaml_node *node) {
    return node == NULL || (node->kind == OXP_YAML_NULL && fields->null == OXP_NULL_EMPTY);
}

bool oxp_fields_scalar(struct oxp_fields *fields, const struct oxp_yaml_node *node, const char *expected) {
    if (is_absent(fields, node)) {
        return false;
    }
    if (node->kind != OXP_YAML_SCALAR) {
        oxp_fields_wrong_kind(fields, node, NULL, expected);
        return false;
    }
    return true;
}

struct oxp_view oxp_fields_view(struct oxp_fields *fields, const struct oxp_yaml_node *node) {
    return oxp_fields_scalar(fields, node, "text") ? node->text : OXP_VIEW("");
}

const char *oxp_fields_keep(struct oxp_fields *fields, struct oxp_view text) {
    const char *copy = oxp_arena_copy(fields->arena, text).ptr;
    if (copy == NULL) {
        oxp_fields_no_memory(fields);
    }
    return copy;
}

const char *oxp_fields_text(struct oxp_fields *fields, const struct oxp_yaml_node *node, const char *otherwise) {
    if (!oxp_fields_scalar(fields, node, "text")) {
        return otherwise;
    }
    if (node->text.len == 0 || memchr(node->text.ptr, '\0', node->text.len) != NULL) {
        OXP_FAULT(fields, node, "%s: found an empty text", owner_of(fields, node).text);
        return otherwise;
    }
    return oxp_fields_keep(fields, node->text);
}

const char *oxp_fields_path(struct oxp_fields *fields, const struct oxp_yaml_node *node) {
    const char *path = oxp_fields_text(fields, node, NULL);
    if (path == NULL || path[0] == '/' || fields->directory.len == 0) {
        return path;
    }
    size_t len = strlen(path);
    char *joined = oxp_arena_take(fields->arena, fields->directory.len + 1 + len + 1);
    if (joined == NULL) {
        oxp_fields_no_memory(fields);
        return NULL;
    }
    memcpy(joined, fields->directory.ptr, fields->directory.len);
    joined[fields->directory.len] = '/';
    memcpy(joined + fields->directory.len + 1, path, len + 1);
    return joined;
}

/* ---- Other scalars ---- */

static bool is_mere_text(const struct oxp_fields *fields, const struct oxp_yaml_node *node) {
    return node->quoted && fields->quoted_is_text;
}

bool oxp_fields_bool(struct oxp_fields *fields, const struct oxp_yaml_node *node, bool otherwise) {
    if (!oxp_fields_scalar(fields, node, "true or false")) {
        return otherwise;
    }
    bool yes = oxp_view_is(node->text, "true");
    if (is_mere_text(fields, node) || (!yes && !oxp_view_is(node->text, "false"))) {
        wrong_value(fields, node, "true or false");
        return otherwise;
    }
    return yes;
}

static double number_from(struct oxp_fields *fields, const struct oxp_yaml_node *node, double least, double otherwise) {
    double value = 0;
    if (!oxp_fields_scalar(fields, node, "a number")) {
        return otherwise;
    }
    if (is_mere_text(fields, node) || oxp_number_parse_json(node->text, &value) != OXP_OK || !isfinite(value) ||
        value < least) {
        wrong_value(fields, node, isfinite(least) ? "a number that is not negative" : "a number");
        return otherwise;
    }
    return value;
}

double oxp_fields_number(struct oxp_fields *fields, const struct oxp_yaml_node *node, double otherwise) {
    return number_from(fields, node, -(double)INFINITY, otherwise);
}

double oxp_fields_amount(struct oxp_fields *fields, const struct oxp_yaml_node *node, double otherwise) {
    return number_from(fields, node, 0, otherwise);
}

uint64_t oxp_fields_count(struct oxp_fields *fields, const struct oxp_yaml_node *node, struct oxp_range range,
                          uint64_t otherwise) {
    char expected[80] = "a whole number";
    uint64_t value = 0;
    if (!oxp_fields_scalar(fields, node, expected)) {
        return otherwise;
    }
    if (is_mere_text(fields, node) || oxp_number_parse_u64(node->text, &value) != OXP_OK || value < range.least ||
        value > range.most) {
        if (range.most != UINT64_MAX) {
            snprintf(expected, sizeof expected, "a whole number from %llu to %llu", (unsigned long long)range.least,
                     (unsigned long long)range.most);
        }
        wrong_value(fields, node, expected);
        return otherwise;
    }
    return value;
}

int64_t oxp_fields_duration(struct oxp_fields *fields, const struct oxp_yaml_node *node, int64_t otherwise) {
    struct oxp_error why = {0};
    int64_t ms = otherwise;
    if (!oxp_fields_scalar(fields, node, "a duration")) {
        return otherwise;
    }
    if (fields->duration(node->text, &ms, &why) != OXP_OK) {
        OXP_FAULT(fields, node, "%s: %s", owner_of(fields, node).text, why.text);
        return otherwise;
    }
    return ms;
}

size_t oxp_fields_choice(struct oxp_fields *fields, const struct oxp_yaml_node *node, const char *const *choices) {
    char expected[167] = "one of ";
    if (!oxp_fields_scalar(fields, node, "text")) {
        return 0;
    }
    for (size_t i = 0, used = strlen(expected); choices[i] != NULL; i++) {
        if (oxp_view_is(node->text, choices[i])) {
            return i;
        }
        if (used < sizeof expected) {
            used += (size_t)snprintf(expected + used, sizeof expected - used, "%s%s", i == 0 ? "" : ", ", choices[i]);
        }
    }
    wrong_value(fields, node, expected);
    return 0;
}

/* ---- Lists and mappings ---- */

const struct oxp_yaml_node *oxp_fields_children(struct oxp_fields *fields, const struct oxp_yaml_node *node,
                                                enum oxp_yaml_kind kind, size_t *count_out) {
    *count_out = 0;
    if (is_absent(fields, node)) {
        return NULL;
    }
    if (node->kind != kind) {
        oxp_fields_wrong_kind(fields, node, NULL, kind == OXP_YAML_SEQUENCE ? "a list" : "a mapping");
        return NULL;
    }
    for (const struct oxp_yaml_node *child = node->first; child != NULL; child = child->next) {
        ++*count_out;
    }
    return node->first;
}

bool oxp_fields_few(struct oxp_fields *fields, const struct oxp_yaml_node *node, size_t count, size_t most) {
    if (count > most) {
        OXP_FAULT(fields, node, "%s: %zu entries; at most %zu are allowed", owner_of(fields, node).text, count, most);
    }
    return count <= most;
}
