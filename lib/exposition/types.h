/* What a metric type means in each format: its word, the suffixes of its sample names, and what each kind of sample may
 * hold. Tables only (OpenMetrics 1.0, "Suffixes" and "Metric Types"; text 0.0.4, "Histograms and summaries"). Pure. */
#ifndef OXP_EXPOSITION_TYPES_H
#define OXP_EXPOSITION_TYPES_H

#include <oxpecker/exposition.h>

enum oxp_sample_role {
    OXP_ROLE_VALUE, /* gauge, unknown; in text also counter */
    OXP_ROLE_TOTAL,
    OXP_ROLE_CREATED,
    OXP_ROLE_BUCKET,
    OXP_ROLE_COUNT,
    OXP_ROLE_SUM,
    OXP_ROLE_GSUM,
    OXP_ROLE_QUANTILE,
    OXP_ROLE_STATE,
    OXP_ROLE_INFO,
    OXP_ROLES,
};

struct oxp_sample_suffix {
    const char *text;
    enum oxp_sample_role role;
};

#define OXP_SUFFIXES_MAX 4

struct oxp_type_rules {
    const char *word; /* NULL: the format does not have the type */
    size_t count;
    struct oxp_sample_suffix suffixes[OXP_SUFFIXES_MAX];
};

/* The rules of one type; never NULL. */
const struct oxp_type_rules *oxp_exposition_type_rules(enum oxp_format format, enum oxp_read_type type);
/* The type that `word` names in a TYPE line; false when the format has none of that name. */
bool oxp_exposition_type(enum oxp_format format, struct oxp_view word, enum oxp_read_type *type_out);
/* Why a sample of this role may not have this value ("must not be NaN"); NULL when it may. */
const char *oxp_exposition_value_fault(enum oxp_format format, enum oxp_sample_role role, double value);

#endif
