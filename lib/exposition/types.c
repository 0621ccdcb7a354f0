#include "lib/exposition/types.h"

#include <math.h>

/* clang-format off: one row a type */
static const struct oxp_type_rules openmetrics_types[] = {
    [OXP_READ_UNKNOWN] = {"unknown", 1, {{"", OXP_ROLE_VALUE}}},
    [OXP_READ_COUNTER] = {"counter", 2, {{"_total", OXP_ROLE_TOTAL}, {"_created", OXP_ROLE_CREATED}}},
    [OXP_READ_GAUGE] = {"gauge", 1, {{"", OXP_ROLE_VALUE}}},
    [OXP_READ_HISTOGRAM] = {"histogram",
                            4,
                            {{"_bucket", OXP_ROLE_BUCKET},
                             {"_count", OXP_ROLE_COUNT},
                             {"_sum", OXP_ROLE_SUM},
                             {"_created", OXP_ROLE_CREATED}}},
    [OXP_READ_SUMMARY] =
        {"summary",
         4,
         {{"", OXP_ROLE_QUANTILE}, {"_count", OXP_ROLE_COUNT}, {"_sum", OXP_ROLE_SUM}, {"_created", OXP_ROLE_CREATED}}},
    /* "Suffixes" leaves _created out; "GaugeHistogram" of the text format has it */
    [OXP_READ_GAUGE_HISTOGRAM] = {"gaugehistogram",
                                  4,
                                  {{"_bucket", OXP_ROLE_BUCKET},
                                   {"_gcount", OXP_ROLE_COUNT},
                                   {"_gsum", OXP_ROLE_GSUM},
                                   {"_created", OXP_ROLE_CREATED}}},
    [OXP_READ_INFO] = {"info", 1, {{"_info", OXP_ROLE_INFO}}},
    [OXP_READ_STATESET] = {"stateset", 1, {{"", OXP_ROLE_STATE}}},
};

static const struct oxp_type_rules text_types[] = {
    [OXP_READ_UNKNOWN] = {"untyped", 1, {{"", OXP_ROLE_VALUE}}},
    [OXP_READ_COUNTER] = {"counter", 1, {{"", OXP_ROLE_VALUE}}},
    [OXP_READ_GAUGE] = {"gauge", 1, {{"", OXP_ROLE_VALUE}}},
    [OXP_READ_HISTOGRAM] = {"histogram",
                            3,
                            {{"_bucket", OXP_ROLE_BUCKET}, {"_count", OXP_ROLE_COUNT}, {"_sum", OXP_ROLE_SUM}}},
    [OXP_READ_SUMMARY] = {"summary", 3, {{"", OXP_ROLE_QUANTILE}, {"_count", OXP_ROLE_COUNT}, {"_sum", OXP_ROLE_SUM}}},
    [OXP_READ_GAUGE_HISTOGRAM] = {0},
    [OXP_READ_INFO] = {0},
    [OXP_READ_STATESET] = {0},
};
/* clang-format on */

enum { TYPES = sizeof openmetrics_types / sizeof *openmetrics_types };

const struct oxp_type_rules *oxp_exposition_type_rules(enum oxp_format format, enum oxp_read_type type) {
    return format == OXP_FORMAT_OPENMETRICS ? &openmetrics_types[type] : &text_types[type];
}

bool oxp_exposition_type(enum oxp_format format, struct oxp_view word, enum oxp_read_type *type_out) {
    for (unsigned type = 0; type < TYPES; type++) {
        const char *known = oxp_exposition_type_rules(format, (enum oxp_read_type)type)->word;
        if (known != NULL && oxp_view_is(word, known)) {
            *type_out = (enum oxp_read_type)type;
            return true;
        }
    }
    return false;
}

enum value_rule {
    NOT_NAN = 1 << 0,
    NOT_NEGATIVE = 1 << 1,
    WHOLE = 1 << 2,
    FINITE = 1 << 3,
    ZERO_OR_ONE = 1 << 4,
    ONE = 1 << 5,
};

/* "Metric Types" of OpenMetrics: counter-like values are neither NaN nor negative, counts and buckets are integers. A
 * quantile's value may be NaN (no recent events). */
static const unsigned openmetrics_values[OXP_ROLES] = {
    [OXP_ROLE_TOTAL] = NOT_NAN | NOT_NEGATIVE,
    [OXP_ROLE_CREATED] = FINITE,
    [OXP_ROLE_BUCKET] = NOT_NAN | NOT_NEGATIVE | WHOLE,
    [OXP_ROLE_COUNT] = NOT_NAN | NOT_NEGATIVE | WHOLE,
    [OXP_ROLE_SUM] = NOT_NAN | NOT_NEGATIVE,
    [OXP_ROLE_GSUM] = NOT_NAN,
    [OXP_ROLE_QUANTILE] = NOT_NEGATIVE,
    [OXP_ROLE_STATE] = ZERO_OR_ONE,
    [OXP_ROLE_INFO] = ONE,
};

/* The text format says no more of values than that buckets are cumulative counts. */
static const unsigned text_values[OXP_ROLES] = {
    [OXP_ROLE_BUCKET] = NOT_NAN | NOT_NEGATIVE,
    [OXP_ROLE_COUNT] = NOT_NAN | NOT_NEGATIVE,
};

static bool breaks(enum value_rule rule, double value) {
    switch (rule) {
    case NOT_NAN:
        return isnan(value);
    case NOT_NEGATIVE:
        return value < 0;
    case WHOLE:
        return !isfinite(value) || value != floor(value);
    case FINITE:
        return !isfinite(value);
    case ZERO_OR_ONE:
        return value != 0 && value != 1;
    case ONE:
        return value != 1;
    }
    return false;
}

const char *oxp_exposition_value_fault(enum oxp_format format, enum oxp_sample_role role, double value) {
    static const struct {
        enum value_rule rule;
        const char *text;
    } faults[] = {
        {NOT_NAN, "must not be NaN"},      {NOT_NEGATIVE, "must not be negative"},
        {WHOLE, "must be a whole number"}, {FINITE, "must be a time, a finite number"},
        {ZERO_OR_ONE, "must be 0 or 1"},   {ONE, "must be 1"},
    };
    unsigned rules = format == OXP_FORMAT_OPENMETRICS ? openmetrics_values[role] : text_values[role];
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        if ((rules & faults[i].rule) != 0 && breaks(faults[i].rule, value)) {
            return faults[i].text;
        }
    }
    return NULL;
}
