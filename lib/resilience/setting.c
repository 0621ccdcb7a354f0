#include "lib/resilience/setting.h"

#include <math.h>
#include <stdint.h>

#include "lib/base/number.h"

const struct oxp_setting *oxp_setting_find(const struct oxp_setting *rows, size_t count, struct oxp_view name) {
    for (size_t i = 0; i < count; i++) {
        if (oxp_view_is(name, rows[i].name)) {
            return &rows[i];
        }
    }
    return NULL;
}

static enum oxp_status store_flag(const char *key, const char *value, bool *flag, struct oxp_error *error) {
    bool on = strcmp(value, "true") == 0;
    if (!on && strcmp(value, "false") != 0) {
        return oxp_error_set(error, OXP_ERR_SYNTAX, 0, 0, "%.80s: \"%.40s\" is neither true nor false", key, value);
    }
    *flag = on;
    return OXP_OK;
}

enum oxp_status oxp_setting_store(const struct oxp_setting *row, const char *key, const char *value, void *target,
                                  struct oxp_error *error) {
    void *place = (char *)target + row->offset;
    if (row->kind == OXP_SETTING_FLAG) {
        return store_flag(key, value, place, error);
    }
    double number = 0;
    enum oxp_status status = oxp_number_parse_json(oxp_view_from(value), &number);
    if (status == OXP_ERR_SYNTAX) {
        return oxp_error_set(error, status, 0, 0, "%.80s: \"%.40s\" is not a number", key, value);
    }
    bool whole = row->kind == OXP_SETTING_COUNT;
    if (status != OXP_OK || number < row->min || number > row->max || (whole && number != floor(number))) {
        return oxp_error_set(error, OXP_ERR_RANGE, 0, 0, "%.80s: %.40s is not a %snumber from %g to %g", key, value,
                             whole ? "whole " : "", row->min, row->max);
    }
    if (whole) {
        *(unsigned *)place = (unsigned)number;
    } else {
        *(double *)place = number;
    }
    return OXP_OK;
}
