/* Mappings and values of the `alerting` section. */
#include "alerts/notify/settings.h"

#include "alerts/promql/lexer.h"
#include "lib/base/number.h"
#include "lib/base/utf8.h"
#include <stdio.h>

enum { SHOWN_MAX = 40, KEY_MAX = 40, NEAR_MAX = 3 };

/* ---- Faults ---- */

void oxp_settings_fault(struct oxp_settings_reader *reader, const struct oxp_yaml_node *node, const char *format, ...) {
    char text[256];
    va_list args;
    if (reader->status != OXP_OK) {
        return;
    }
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    for (char *c = text; *c != '\0'; c++) {
        *c = (char)((unsigned char)*c < 0x20 || *c == 0x7f ? '?' : *c);
    }
    struct oxp_view cut = oxp_view_from(text);
    cut.len = oxp_utf8_valid_prefix(cut);
    reader->status =
        oxp_error_set(reader->error, OXP_ERR_INVALID, node->line, node->column, "%.*s", (int)cut.len, cut.ptr);
}

void oxp_settings_no_memory(struct oxp_settings_reader *reader) {
    if (reader->status == OXP_OK) {
        reader->status = oxp_error_set(reader->error, OXP_ERR_NOMEM, 0, 0, "out of memory");
    }
}

static const char *kind_of(const struct oxp_yaml_node *node) {
    static const char *const words[] = {[OXP_YAML_SCALAR] = "text",
                                        [OXP_YAML_SEQUENCE] = "a list",
                                        [OXP_YAML_MAPPING] = "a mapping",
                                        [OXP_YAML_NULL] = "nothing"};
    return words[node->kind];
}

struct shown {
    char text[SHOWN_MAX + 4];
};

static struct shown shown(struct oxp_view text) {
    struct shown shown;
    struct oxp_view cut = oxp_utf8_cut(text, SHOWN_MAX);
    snprintf(shown.text, sizeof shown.text, "%.*s%s", (int)cut.len, cut.len == 0 ? "" : cut.ptr,
             cut.len < text.len ? "..." : "");
    return shown;
}

/* What a value belongs to, for a sentence. */
static struct shown owner(const struct oxp_yaml_node *node) {
    return shown(node->key.len == 0 ? OXP_VIEW("an item") : node->key);
}

/* ---- Keys ---- */

static unsigned least(unsigned a, unsigned b, unsigned c) {
    unsigned two = a < b ? a : b;
    return two < c ? two : c;
}

/* Edit distance: insert, delete, replace. */
static unsigned distance(struct oxp_view from, struct oxp_view to) {
    unsigned row[KEY_MAX + 1];
    if (from.len > KEY_MAX || to.len > KEY_MAX) {
        return KEY_MAX;
    }
    for (unsigned i = 0; i <= to.len; i++) {
        row[i] = i;
    }
    for (size_t i = 0; i < from.len; i++) {
        unsigned corner = row[0]++;
        for (size_t k = 0; k < to.len; k++) {
            unsigned replaced = corner + (from.ptr[i] != to.ptr[k]);
            corner = row[k + 1];
            row[k + 1] = least(row[k + 1] + 1, row[k] + 1, replaced);
        }
    }
    return row[to.len];
}

static void unknown(struct oxp_settings_reader *reader, const struct oxp_yaml_node *child,
                    const struct oxp_keys *keys) {
    const char *nearest = NULL;
    unsigned near = NEAR_MAX + 1;
    for (size_t i = 0; i < keys->count; i++) {
        unsigned far = distance(child->key, oxp_view_from(keys->known[i]));
        if (far < near && far < child->key.len) {
            near = far;
            nearest = keys->known[i];
        }
    }
    struct oxp_yaml_node at = *child;
    at.line = child->key_line;
    at.column = child->key_column;
    oxp_settings_fault(reader, &at, "%s: there is no key %s%s%s%s", keys->what, shown(child->key).text,
                       nearest == NULL ? "" : "; did you mean ", nearest == NULL ? "" : nearest,
                       nearest == NULL ? "" : "?");
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

static void take(struct oxp_settings_reader *reader, const struct oxp_yaml_node *child, const struct oxp_keys *keys,
                 const struct oxp_yaml_node **found) {
    for (size_t i = 0; i < keys->count; i++) {
        if (oxp_view_is(child->key, keys->known[i])) {
            found[i] = child->kind == OXP_YAML_NULL ? NULL : child;
            return;
        }
    }
    if (is_later(keys, child->key)) {
        struct oxp_yaml_node at = *child;
        at.line = child->key_line;
        at.column = child->key_column;
        oxp_settings_fault(reader, &at, "%s: %s is not supported yet", keys->what, shown(child->key).text);
        return;
    }
    unknown(reader, child, keys);
}

bool oxp_settings_keys(struct oxp_settings_reader *reader, const struct oxp_yaml_node *node,
                       const struct oxp_keys *keys, const struct oxp_yaml_node **found) {
    if (node->kind != OXP_YAML_MAPPING) {
        oxp_settings_fault(reader, node, "%s: found %s; expected a mapping", keys->what, kind_of(node));
        return false;
    }
    for (const struct oxp_yaml_node *child = node->first; child != NULL; child = child->next) {
        take(reader, child, keys, found);
    }
    return reader->status == OXP_OK;
}

/* ---- Values ---- */

const struct oxp_yaml_node *oxp_settings_list(struct oxp_settings_reader *reader, const struct oxp_yaml_node *node,
                                              const char *what, size_t *count_out) {
    *count_out = 0;
    if (node == NULL) {
        return NULL;
    }
    if (node->kind != OXP_YAML_SEQUENCE) {
        oxp_settings_fault(reader, node, "%s: found %s; expected a list", what, kind_of(node));
        return NULL;
    }
    for (const struct oxp_yaml_node *child = node->first; child != NULL; child = child->next) {
        ++*count_out;
    }
    return node->first;
}

static bool is_scalar(struct oxp_settings_reader *reader, const struct oxp_yaml_node *node, const char *expected) {
    if (node->kind == OXP_YAML_SCALAR) {
        return true;
    }
    oxp_settings_fault(reader, node, "%s: found %s; expected %s", owner(node).text, kind_of(node), expected);
    return false;
}

const char *oxp_settings_text(struct oxp_settings_reader *reader, const struct oxp_yaml_node *node,
                              const char *otherwise) {
    if (node == NULL || !is_scalar(reader, node, "text")) {
        return otherwise;
    }
    if (node->text.len == 0 || memchr(node->text.ptr, '\0', node->text.len) != NULL) {
        oxp_settings_fault(reader, node, "%s: found an empty text", owner(node).text);
        return otherwise;
    }
    const char *copy = oxp_arena_copy(reader->arena, node->text).ptr;
    if (copy == NULL) {
        oxp_settings_no_memory(reader);
    }
    return copy;
}

const char *oxp_settings_path(struct oxp_settings_reader *reader, const struct oxp_yaml_node *node) {
    const char *path = oxp_settings_text(reader, node, NULL);
    if (path == NULL || path[0] == '/' || reader->directory.len == 0) {
        return path;
    }
    size_t len = strlen(path);
    char *joined = oxp_arena_take(reader->arena, reader->directory.len + 1 + len + 1);
    if (joined == NULL) {
        oxp_settings_no_memory(reader);
        return NULL;
    }
    memcpy(joined, reader->directory.ptr, reader->directory.len);
    joined[reader->directory.len] = '/';
    memcpy(joined + reader->directory.len + 1, path, len + 1);
    return joined;
}

int64_t oxp_settings_duration(struct oxp_settings_reader *reader, const struct oxp_yaml_node *node, int64_t otherwise) {
    struct oxp_error why = {0};
    int64_t ms = otherwise;
    if (node != NULL && is_scalar(reader, node, "a duration") && oxp_duration_read(node->text, &ms, &why) != OXP_OK) {
        oxp_settings_fault(reader, node, "%s: %s", owner(node).text, why.text);
    }
    return ms;
}

bool oxp_settings_bool(struct oxp_settings_reader *reader, const struct oxp_yaml_node *node, bool otherwise) {
    if (node == NULL || !is_scalar(reader, node, "true or false")) {
        return otherwise;
    }
    bool yes = oxp_view_is(node->text, "true");
    if (node->quoted || (!yes && !oxp_view_is(node->text, "false"))) {
        oxp_settings_fault(reader, node, "%s: found \"%s\"; expected true or false", owner(node).text,
                           shown(node->text).text);
    }
    return yes;
}

uint64_t oxp_settings_count(struct oxp_settings_reader *reader, const struct oxp_yaml_node *node) {
    uint64_t value = 0;
    if (node != NULL && is_scalar(reader, node, "a whole number") &&
        (node->quoted || oxp_number_parse_u64(node->text, &value) != OXP_OK)) {
        oxp_settings_fault(reader, node, "%s: found \"%s\"; expected a whole number", owner(node).text,
                           shown(node->text).text);
    }
    return value;
}
