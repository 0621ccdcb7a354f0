#include "lib/json/json.h"

#include <jansson.h>
#include <math.h>

#include "lib/base/buf.h"
#include "lib/base/utf8.h"

#define DEPTH_MAX 64

/* A struct oxp_json is a json_t under another name. */
static struct oxp_json *wrap(json_t *value) {
    return (struct oxp_json *)value;
}

static json_t *unwrap(const struct oxp_json *value) {
    return (json_t *)(uintptr_t)value;
}

struct oxp_json *oxp_json_object(void) {
    return wrap(json_object());
}

struct oxp_json *oxp_json_array(void) {
    return wrap(json_array());
}

struct oxp_json *oxp_json_text(struct oxp_view text) {
    size_t len = oxp_utf8_valid_prefix(text);
    return wrap(json_stringn_nocheck(len == 0 ? "" : text.ptr, len));
}

struct oxp_json *oxp_json_number(double value) {
    return wrap(isfinite(value) ? json_real(value) : json_null());
}

struct oxp_json *oxp_json_count(uint64_t value) {
    return wrap(value <= INT64_MAX ? json_integer((json_int_t)value) : json_real((double)value));
}

struct oxp_json *oxp_json_bool(bool value) {
    return wrap(json_boolean(value));
}

void oxp_json_free(struct oxp_json *value) {
    json_decref(unwrap(value));
}

static enum oxp_status refuse(struct oxp_json *value, enum oxp_status status) {
    oxp_json_free(value);
    return status;
}

enum oxp_status oxp_json_set(struct oxp_json *object, const char *key, struct oxp_json *value) {
    if (object == NULL || value == NULL) {
        return refuse(value, OXP_ERR_NOMEM);
    }
    if (!json_is_object(unwrap(object)) || !oxp_utf8_is_valid(oxp_view_from(key))) {
        return refuse(value, OXP_ERR_INVALID);
    }
    return json_object_set_new_nocheck(unwrap(object), key, unwrap(value)) == 0 ? OXP_OK : OXP_ERR_NOMEM;
}

enum oxp_status oxp_json_append(struct oxp_json *array, struct oxp_json *value) {
    if (array == NULL || value == NULL) {
        return refuse(value, OXP_ERR_NOMEM);
    }
    if (!json_is_array(unwrap(array))) {
        return refuse(value, OXP_ERR_INVALID);
    }
    return json_array_append_new(unwrap(array), unwrap(value)) == 0 ? OXP_OK : OXP_ERR_NOMEM;
}

/* Our own writer over jansson's tree, because jansson prints 0.1 with 17 digits and ours with the fewest that read
 * back. As deep as the tree, which is ours or no deeper than DEPTH_MAX. */
/* NOLINTNEXTLINE(misc-no-recursion): the depth is bounded, as said */
static void write_value(struct oxp_buf *out, const json_t *value) {
    const char *separator = "";
    size_t index;
    void *at;
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        oxp_buf_append_char(out, '{');
        for (at = json_object_iter((json_t *)(uintptr_t)value); at != NULL;
             at = json_object_iter_next((json_t *)(uintptr_t)value, at)) {
            oxp_buf_append_text(out, separator);
            oxp_buf_append_json_string(out, oxp_view_from(json_object_iter_key(at)));
            oxp_buf_append_char(out, ':');
            write_value(out, json_object_iter_value(at));
            separator = ",";
        }
        oxp_buf_append_char(out, '}');
        break;
    case JSON_ARRAY:
        oxp_buf_append_char(out, '[');
        for (index = 0; index < json_array_size(value); index++) {
            oxp_buf_append_text(out, separator);
            write_value(out, json_array_get(value, index));
            separator = ",";
        }
        oxp_buf_append_char(out, ']');
        break;
    case JSON_STRING:
        oxp_buf_append_json_string(out, oxp_view_of(json_string_value(value), json_string_length(value)));
        break;
    case JSON_INTEGER:
        oxp_buf_append_format(out, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        break;
    case JSON_REAL:
        oxp_buf_append_json_double(out, json_real_value(value));
        break;
    case JSON_TRUE:
    case JSON_FALSE:
    case JSON_NULL:
        oxp_buf_append_text(out, json_is_true(value) ? "true" : json_is_false(value) ? "false" : "null");
        break;
    }
}

enum oxp_status oxp_json_write(const struct oxp_json *value, char **text_out, size_t *len_out) {
    struct oxp_buf out;
    oxp_buf_init(&out, 0);
    if (value == NULL) {
        return OXP_ERR_NOMEM;
    }
    write_value(&out, unwrap(value));
    oxp_buf_append_char(&out, '\n');
    *text_out = oxp_buf_take(&out, len_out);
    return *text_out == NULL ? OXP_ERR_NOMEM : OXP_OK;
}

/* jansson recurses as deep as the text asks for, up to 2048 levels; the depth is looked at first. */
static bool too_deep(struct oxp_view text) {
    unsigned depth = 0;
    bool quoted = false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (quoted) {
            i += c == '\\' ? 1 : 0;
            quoted = c != '"';
        } else if (c == '"') {
            quoted = true;
        } else if ((c == '[' || c == '{') && ++depth > DEPTH_MAX) {
            return true;
        } else if ((c == ']' || c == '}') && depth > 0) {
            depth--;
        }
    }
    return false;
}

enum oxp_status oxp_json_read(struct oxp_view text, struct oxp_json **value_out, struct oxp_error *error) {
    if (too_deep(text)) {
        return oxp_error_set(error, OXP_ERR_SYNTAX, 0, 0, "nested more than %d deep", DEPTH_MAX);
    }
    json_error_t reason = {0};
    json_t *value =
        json_loadb(text.len == 0 ? "" : text.ptr, text.len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &reason);
    if (value != NULL) {
        *value_out = wrap(value);
        return OXP_OK;
    }
    enum oxp_status status = json_error_code(&reason) == json_error_out_of_memory ? OXP_ERR_NOMEM : OXP_ERR_SYNTAX;
    return oxp_error_set(error, status, reason.line > 0 ? (unsigned)reason.line : 0,
                         reason.column > 0 ? (unsigned)reason.column : 0, "%s", reason.text);
}

enum oxp_json_kind oxp_json_kind_of(const struct oxp_json *value) {
    if (value == NULL) {
        return OXP_JSON_NULL;
    }
    switch (json_typeof(unwrap(value))) {
    case JSON_OBJECT:
        return OXP_JSON_OBJECT;
    case JSON_ARRAY:
        return OXP_JSON_ARRAY;
    case JSON_STRING:
        return OXP_JSON_TEXT;
    case JSON_INTEGER:
    case JSON_REAL:
        return OXP_JSON_NUMBER;
    case JSON_TRUE:
    case JSON_FALSE:
        return OXP_JSON_BOOL;
    default:
        return OXP_JSON_NULL;
    }
}

const struct oxp_json *oxp_json_get(const struct oxp_json *object, const char *key) {
    return wrap(json_object_get(unwrap(object), key));
}

const struct oxp_json *oxp_json_at(const struct oxp_json *array, size_t index) {
    return wrap(json_array_get(unwrap(array), index));
}

const struct oxp_json *oxp_json_next(const struct oxp_json *object, void **place, struct oxp_view *key_out) {
    json_t *tree = unwrap(object);
    *place = *place == NULL ? json_object_iter(tree) : json_object_iter_next(tree, *place);
    if (*place == NULL) {
        return NULL;
    }
    *key_out = oxp_view_from(json_object_iter_key(*place));
    return wrap(json_object_iter_value(*place));
}

size_t oxp_json_size(const struct oxp_json *value) {
    return json_is_object(unwrap(value)) ? json_object_size(unwrap(value)) : json_array_size(unwrap(value));
}

struct oxp_view oxp_json_text_of(const struct oxp_json *value) {
    const char *text = json_string_value(unwrap(value));
    return oxp_view_of(text, text == NULL ? 0 : json_string_length(unwrap(value)));
}

double oxp_json_number_of(const struct oxp_json *value) {
    return json_is_number(unwrap(value)) ? json_number_value(unwrap(value)) : NAN;
}

bool oxp_json_bool_of(const struct oxp_json *value) {
    return json_is_true(unwrap(value));
}

const char *oxp_json_library(void) {
    return jansson_version_str();
}
