#include "alerts/cloudwatch/datum.h"

#include "alerts/cloudwatch/config_reader.h"
#include <math.h>

enum { EXPONENT_MAX = 360 };

enum oxp_status oxp_cw_data_add(struct oxp_cw_data *data, const struct oxp_cw_datum *datum) {
    enum { STEP = 64 };
    if (data->count % STEP == 0) {
        struct oxp_cw_datum *grown =
            oxp_arena_grow(data->arena, data->list, data->count, data->count + STEP, sizeof *grown);
        if (grown == NULL) {
            return OXP_ERR_NOMEM;
        }
        data->list = grown;
    }
    data->list[data->count++] = *datum;
    return OXP_OK;
}

static void say(struct oxp_error *first, const char *name, const char *why) {
    if (first->text[0] == '\0') {
        oxp_error_set(first, OXP_ERR_INVALID, 0, 0, "%s: %s", name, why);
    }
}

void oxp_cw_leave_out(struct oxp_cw_data *data, const char *name, const char *why) {
    data->published->left_out++;
    say(&data->published->first_left_out, name, why);
}

void oxp_cw_failed(struct oxp_cw_data *data, const char *name, const char *why) {
    data->published->failed++;
    say(&data->published->first_failed, name, why);
}

double oxp_cw_value(double value) {
    return fabs(value) < ldexp(1, -EXPONENT_MAX) ? 0 : value;
}

static bool fits(double value) {
    return fabs(value) <= ldexp(1, EXPONENT_MAX); /* and so not NaN */
}

static bool buckets_fit(const struct oxp_cw_datum *datum) {
    for (size_t i = 0; i < datum->value_count; i++) {
        if (!fits(datum->buckets[i].count) || datum->buckets[i].count < 0) {
            return false;
        }
    }
    return datum->value_count > 0 && (isnan(datum->sum) || fits(datum->sum));
}

static bool values_fit(const struct oxp_cw_datum *datum) {
    switch (datum->form) {
    case OXP_CW_NUMBER:
        return fits(datum->value);
    case OXP_CW_SET:
        return fits(datum->count) && datum->count > 0 && fits(datum->sum) && fits(datum->least) && fits(datum->most);
    case OXP_CW_BUCKETS:
        return buckets_fit(datum);
    case OXP_CW_SHARES:
        break;
    }
    for (size_t i = 0; i < datum->value_count; i++) {
        if (!fits(datum->values[i]) || (datum->counts != NULL && (!fits(datum->counts[i]) || datum->counts[i] < 0))) {
            return false;
        }
    }
    return datum->value_count > 0;
}

const char *oxp_cw_datum_wrong(const struct oxp_cw_datum *datum) {
    if (!values_fit(datum)) {
        return "a value is not a number within 2^360";
    }
    if (datum->dimension_count > OXP_CW_DIMENSIONS_MAX) {
        return "more than 30 dimensions";
    }
    if (oxp_cw_text_wrong(&oxp_cw_dimension_name, oxp_view_from(datum->name)) != NULL) {
        return "CloudWatch does not take this name";
    }
    for (size_t i = 0; i < datum->dimension_count; i++) {
        if (oxp_cw_text_wrong(&oxp_cw_dimension_name, oxp_view_from(datum->dimensions[i].name)) != NULL ||
            oxp_cw_text_wrong(&oxp_cw_dimension_value, oxp_view_from(datum->dimensions[i].value)) != NULL) {
            return "CloudWatch does not take this dimension: it is too long or blank";
        }
    }
    return NULL;
}
