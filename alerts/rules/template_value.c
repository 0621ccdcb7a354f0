/* Values: their types as Go names them, truth, fields, elements. */
#include "alerts/rules/template_run.h"
#include <stdio.h>

static const struct {
    const char *name;
    enum oxp_tpl_kind kind;
} types[] = {
#define X(type, name, kind) [OXP_TPL_V_##type] = {name, OXP_TPL_K_##kind},
    OXP_TPL_TYPES(X)
#undef X
};

const char *oxp_tpl_type_name(const struct oxp_tpl_value *value) {
    return types[value->type].name;
}

enum oxp_tpl_kind oxp_tpl_kind_of(const struct oxp_tpl_value *value) {
    return types[value->type].kind;
}

const char *oxp_tpl_param_name(char param) {
    static const struct {
        char param;
        const char *name;
    } names[] = {
        {'s', "string"},           {'a', "interface {}"}, {'v', "reflect.Value"}, {'q', "template.queryResult"},
        {'p', "*template.sample"}, {'t', "time.Time"},    {'d', "time.Duration"}, {'i', "int"}};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (names[i].param == param) {
            return names[i].name;
        }
    }
    return "";
}

size_t oxp_tpl_length(const struct oxp_tpl_value *value) {
    switch (value->type) {
    case OXP_TPL_V_STRING:
    case OXP_TPL_V_HTML:
        return value->text.len;
    case OXP_TPL_V_LABELS:
        return value->labels == NULL ? 0 : value->labels->count;
    case OXP_TPL_V_ARGS:
        return value->args->count;
    case OXP_TPL_V_RESULT:
        return value->result.count;
    default:
        return 0;
    }
}

bool oxp_tpl_truth(const struct oxp_tpl_value *value) {
    switch (oxp_tpl_kind_of(value)) {
    case OXP_TPL_K_INVALID:
        return false;
    case OXP_TPL_K_BOOL:
        return value->truth;
    case OXP_TPL_K_INT:
    case OXP_TPL_K_UINT:
        return value->integer != 0;
    case OXP_TPL_K_FLOAT:
        return value->number != 0;
    case OXP_TPL_K_STRING:
    case OXP_TPL_K_MAP:
    case OXP_TPL_K_SLICE:
        return oxp_tpl_length(value) != 0;
    case OXP_TPL_K_POINTER:
        return value->type != OXP_TPL_V_SAMPLE_POINTER || value->sample != NULL;
    case OXP_TPL_K_STRUCT:
        return true;
    }
    return false;
}

struct oxp_tpl_value oxp_tpl_indirect(const struct oxp_tpl_value *value) {
    struct oxp_tpl_value inner = *value;
    inner.boxed = false;
    if (value->type == OXP_TPL_V_TIME_POINTER) {
        inner.type = OXP_TPL_V_TIME;
    } else if (value->type == OXP_TPL_V_DURATION_POINTER) {
        inner.type = OXP_TPL_V_DURATION;
    } else if (value->type == OXP_TPL_V_SAMPLE_POINTER && value->sample != NULL) {
        inner.type = OXP_TPL_V_SAMPLE;
    }
    return inner;
}

/* ---- Structs ---- */

size_t oxp_tpl_fields(const struct oxp_tpl_value *value, const char *const **names_out) {
    static const char *const data[] = {"Labels", "ExternalLabels", "ExternalURL", "Value"};
    static const char *const sample[] = {"Labels", "Value"};
    *names_out = value->type == OXP_TPL_V_DATA ? data : sample;
    return value->type == OXP_TPL_V_DATA ? 4 : value->type == OXP_TPL_V_SAMPLE ? 2 : 0;
}

bool oxp_tpl_field(const struct oxp_tpl_run *run, const struct oxp_tpl_value *value, struct oxp_view name,
                   struct oxp_tpl_value *field_out) {
    bool data = value->type == OXP_TPL_V_DATA, sample = value->type == OXP_TPL_V_SAMPLE;
    if (data && oxp_view_is(name, "ExternalLabels")) {
        *field_out = oxp_tpl_of_labels(run->data->external_labels);
    } else if (data && oxp_view_is(name, "ExternalURL")) {
        *field_out = oxp_tpl_of_text(oxp_view_from(run->data->external_url));
    } else if ((data || sample) && oxp_view_is(name, "Labels")) {
        *field_out = oxp_tpl_of_labels(data ? run->data->labels : value->sample->labels);
    } else if ((data || sample) && oxp_view_is(name, "Value")) {
        *field_out = oxp_tpl_of_float(data ? run->data->value : value->sample->value);
        field_out->boxed = true;
    } else {
        return false;
    }
    return true;
}

/* ---- Maps and slices ---- */

/* arg0, arg1, …: which one a key names; false when none. */
static bool arg_number(struct oxp_view key, size_t count, size_t *number_out) {
    size_t number = 0;
    if (key.len < 4 || key.len > 12 || memcmp(key.ptr, "arg", 3) != 0 || (key.ptr[3] == '0' && key.len > 4)) {
        return false;
    }
    for (size_t i = 3; i < key.len; i++) {
        if (key.ptr[i] < '0' || key.ptr[i] > '9') {
            return false;
        }
        number = number * 10 + (size_t)(key.ptr[i] - '0');
    }
    *number_out = number;
    return number < count;
}

struct oxp_tpl_value oxp_tpl_element(const struct oxp_tpl_value *map, struct oxp_view key) {
    if (map->type == OXP_TPL_V_LABELS) {
        const struct oxp_symbol *value = map->labels == NULL ? NULL : oxp_labels_find(map->labels, key);
        return oxp_tpl_of_text(value == NULL ? oxp_view_of("", 0) : oxp_symbol_view(value));
    }
    size_t number = 0;
    struct oxp_tpl_value element = {.type = OXP_TPL_V_NONE};
    if (arg_number(key, map->args->count, &number)) {
        element = map->args->value[number];
    }
    element.boxed = true;
    return element;
}

/* The number that follows `number` in the order of decimal texts, among those below `count`: 0 1 10 11 2 … */
static size_t next_in_order(size_t number, size_t count) {
    if (number != 0 && number * 10 < count) {
        return number * 10;
    }
    while (number != 0 && (number + 1 >= count || number % 10 == 9)) {
        number /= 10;
    }
    return number + 1;
}

bool oxp_tpl_key(const struct oxp_tpl_value *map, size_t n, char text[32], struct oxp_view *key_out) {
    if (n >= oxp_tpl_length(map)) {
        return false;
    }
    if (map->type == OXP_TPL_V_LABELS) {
        *key_out = oxp_symbol_view(map->labels->label[n].name);
        return true;
    }
    size_t number = 0;
    for (size_t i = 0; i < n; i++) {
        number = next_in_order(number, map->args->count);
    }
    *key_out = oxp_view_of(text, (size_t)snprintf(text, 32, "arg%zu", number));
    return true;
}

struct oxp_tpl_value oxp_tpl_at(const struct oxp_tpl_value *value, size_t n) {
    if (value->type == OXP_TPL_V_RESULT) {
        return (struct oxp_tpl_value){.type = OXP_TPL_V_SAMPLE_POINTER, .sample = value->result.sample[n]};
    }
    return oxp_tpl_of_int(OXP_TPL_V_UINT8, (unsigned char)value->text.ptr[n]);
}
