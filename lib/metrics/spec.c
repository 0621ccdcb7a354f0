#include "lib/metrics/internal.h"

#include "lib/base/utf8.h"
#include <math.h>

bool oxp_spec_is_name(struct oxp_view name, bool colon) {
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (colon && c == ':');
        if (!letter && !(i > 0 && c >= '0' && c <= '9')) {
            return false;
        }
    }
    return name.len > 0;
}

unsigned oxp_spec_label_count(const struct oxp_family_spec *spec) {
    unsigned count = 0;
    while (count < OXP_LABELS_MAX && spec->labels[count].key != NULL) {
        count++;
    }
    return count;
}

size_t oxp_spec_closed_count(const struct oxp_label_spec *label) {
    size_t count = 0;
    while (label->values != NULL && label->values[count] != NULL) {
        count++;
    }
    return count;
}

size_t oxp_spec_combinations(const struct oxp_family_spec *spec) {
    size_t product = 1;
    for (unsigned i = 0; i < oxp_spec_label_count(spec); i++) {
        size_t closed = oxp_spec_closed_count(&spec->labels[i]);
        if (closed > 0 && __builtin_mul_overflow(product, closed, &product)) {
            return SIZE_MAX;
        }
    }
    return product;
}

static bool name_is_good(const struct oxp_family_spec *spec) {
    const struct oxp_view total = OXP_VIEW("_total");
    struct oxp_view name = oxp_view_from(spec->name);
    bool counter = spec->type == OXP_COUNTER || spec->type == OXP_COUNTER_FLOAT;
    bool ends = name.len > total.len && memcmp(name.ptr + name.len - total.len, total.ptr, total.len) == 0;
    return oxp_spec_is_name(name, true) && counter == ends;
}

static bool values_are_good(const struct oxp_label_spec *label) {
    if (label->values == NULL) {
        return true;
    }
    for (size_t i = 0; label->values[i] != NULL; i++) {
        struct oxp_view value = oxp_view_from(label->values[i]);
        if (value.len > OXP_LABEL_VALUE_MAX || !oxp_utf8_is_valid(value)) {
            return false;
        }
        for (size_t j = 0; j < i; j++) {
            if (oxp_view_is(value, label->values[j])) {
                return false;
            }
        }
    }
    return label->values[0] != NULL;
}

static bool labels_are_good(const struct oxp_family_spec *spec) {
    for (unsigned i = 0; i < oxp_spec_label_count(spec); i++) {
        const struct oxp_label_spec *label = &spec->labels[i];
        struct oxp_view key = oxp_view_from(label->key);
        /* "__" is kept for the server's own use; le is what tells the buckets of a histogram apart */
        if (!oxp_spec_is_name(key, false) || key.len > OXP_LABEL_KEY_MAX || oxp_view_starts(key, OXP_VIEW("__")) ||
            (spec->type == OXP_HISTOGRAM && oxp_view_is(key, "le")) || !values_are_good(label)) {
            return false;
        }
        for (unsigned j = 0; j < i; j++) {
            if (oxp_view_is(key, spec->labels[j].key)) {
                return false;
            }
        }
    }
    return true;
}

static bool bounds_are_good(const struct oxp_family_spec *spec) {
    if (spec->type != OXP_HISTOGRAM) {
        return spec->bound_count == 0;
    }
    if (spec->bound_count >= OXP_BUCKETS_MAX || (spec->bound_count > 0 && spec->bounds == NULL)) {
        return false;
    }
    for (size_t i = 0; i < spec->bound_count; i++) {
        if (!isfinite(spec->bounds[i]) || (i > 0 && spec->bounds[i] <= spec->bounds[i - 1])) {
            return false;
        }
    }
    return true;
}

enum oxp_status oxp_spec_check(const struct oxp_family_spec *spec) {
    bool good = spec != NULL && spec->name != NULL && spec->help != NULL && spec->type <= OXP_HISTOGRAM &&
                name_is_good(spec) && labels_are_good(spec) && bounds_are_good(spec) &&
                oxp_utf8_is_valid(oxp_view_from(spec->help));
    return good ? OXP_OK : OXP_ERR_INVALID;
}
