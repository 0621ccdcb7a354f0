#include "exporter/config/reader.h"

#include "lib/base/ascii.h"
#include "lib/base/utf8.h"
#include <stdlib.h>

/* Options of type LABELS. In the file they are a mapping; as a flag or a variable, and inside a struct oxp_config,
 * text: NAME=VALUE pairs with commas between them, where \ before a comma or a \ makes it one of the value's. */

#define PAIRS_MAX 16

/* Names that every sample or alert has for another reason. */
static bool is_reserved(struct oxp_view name) {
    static const char *const reserved[] = {"job", "instance", "le", "quantile", "alertname"};
    for (size_t i = 0; i < sizeof reserved / sizeof reserved[0]; i++) {
        if (oxp_view_is(name, reserved[i])) {
            return true;
        }
    }
    return oxp_view_starts(name, OXP_VIEW("__"));
}

enum oxp_status oxp_label_name_check(struct oxp_view name, struct oxp_error *why) {
    if (!oxp_ascii_is_name(name)) {
        return oxp_error_set(why, OXP_ERR_INVALID, 0, 0,
                             "\"%s\" is no label name; expected letters, digits and underscores, no digit first",
                             oxp_shown(name).text);
    }
    return !is_reserved(name)
               ? OXP_OK
               : oxp_error_set(why, OXP_ERR_INVALID, 0, 0, "the label name %s is reserved", oxp_shown(name).text);
}

void oxp_label_append(struct oxp_buf *out, struct oxp_view name, struct oxp_view value) {
    if (out->len > 0) {
        oxp_buf_append_char(out, ',');
    }
    oxp_buf_append_view(out, name);
    oxp_buf_append_char(out, '=');
    for (size_t i = 0; i < value.len; i++) {
        if (value.ptr[i] == ',' || value.ptr[i] == '\\') {
            oxp_buf_append_char(out, '\\');
        }
        oxp_buf_append_char(out, value.ptr[i]);
    }
}

/* Takes one pair off the front of `text`, with the comma behind it; the value goes to `to`, which has room for all of
 * the text. OXP_END at the end, OXP_ERR_SYNTAX. */
static enum oxp_status take_pair(struct oxp_view *text, struct oxp_view *name_out, char *to, size_t *len_out) {
    const char *pos = text->ptr, *end = text->ptr + text->len;
    const char *equals = text->len == 0 ? NULL : memchr(pos, '=', text->len);
    if (equals == NULL) {
        return text->len == 0 ? OXP_END : OXP_ERR_SYNTAX;
    }
    *name_out = oxp_view_of(pos, (size_t)(equals - pos));
    *len_out = 0;
    for (pos = equals + 1; pos < end && *pos != ','; pos++) {
        if (*pos == '\\') {
            pos++;
            if (pos == end || (*pos != ',' && *pos != '\\')) {
                return OXP_ERR_SYNTAX;
            }
        }
        to[(*len_out)++] = *pos;
    }
    if (pos + 1 == end) {
        return OXP_ERR_SYNTAX; /* a comma with nothing behind it */
    }
    pos += pos < end;
    *text = oxp_view_of(pos, (size_t)(end - pos));
    return OXP_OK;
}

enum oxp_status oxp_labels_check(struct oxp_view text, struct oxp_error *why) {
    char value[OXP_CONFIG_VALUE_MAX];
    struct oxp_view name, rest = text, seen[PAIRS_MAX];
    size_t len = 0, count = 0;
    enum oxp_status status = OXP_OK;
    while ((status = take_pair(&rest, &name, value, &len)) == OXP_OK) {
        if (oxp_label_name_check(name, why) != OXP_OK) {
            return OXP_ERR_INVALID;
        }
        for (size_t i = 0; i < count; i++) {
            if (oxp_view_equal(seen[i], name)) {
                return oxp_error_set(why, OXP_ERR_INVALID, 0, 0, "the label %s is given twice", oxp_shown(name).text);
            }
        }
        if (count == PAIRS_MAX) {
            return oxp_error_set(why, OXP_ERR_INVALID, 0, 0, "there are more than %d labels", PAIRS_MAX);
        }
        seen[count++] = name;
    }
    return status == OXP_END ? OXP_OK
                             : oxp_error_set(why, OXP_ERR_INVALID, 0, 0,
                                             "found \"%s\"; expected NAME=VALUE pairs with commas between them",
                                             oxp_shown(text).text);
}

enum oxp_status oxp_config_labels(const struct oxp_config *config, enum oxp_option option, char ***pairs_out) {
    struct oxp_view name, rest = oxp_view_from(oxp_config_text(config, option));
    size_t size = ((size_t)2 * PAIRS_MAX + 1) * sizeof(char *), len = 0;
    char **pairs = malloc(size + 2 * rest.len + (size_t)2 * PAIRS_MAX);
    *pairs_out = pairs;
    if (pairs == NULL) {
        return OXP_ERR_NOMEM;
    }
    char *to = (char *)pairs + size;
    size_t count = 0;
    while (count < (size_t)2 * PAIRS_MAX) {
        char *value = to;
        if (take_pair(&rest, &name, value, &len) != OXP_OK) {
            break;
        }
        value[len] = '\0';
        to += len + 1;
        memcpy(to, name.ptr, name.len);
        to[name.len] = '\0';
        pairs[count++] = to;
        pairs[count++] = value;
        to += name.len + 1;
    }
    pairs[count] = NULL;
    return OXP_OK;
}
