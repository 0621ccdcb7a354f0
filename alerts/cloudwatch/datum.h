/* A datum of CloudWatch before it is written: what gathering makes and the lanes write. Plain data in an arena. */
#ifndef OXP_CLOUDWATCH_DATUM_H
#define OXP_CLOUDWATCH_DATUM_H

#include "alerts/cloudwatch/config.h"
#include "alerts/cloudwatch/publish.h"

enum oxp_cw_form {
    OXP_CW_NUMBER, /* one value */
    OXP_CW_SET,    /* a statistic set; `values` are what was seen, for lanes without sets */
    OXP_CW_SHARES, /* values and how often each was seen */
    OXP_CW_BUCKETS /* a histogram's buckets as they are: the otlp lane's alone */
};
struct oxp_cw_bucket {
    double low, high; /* high may be infinite */
    double count;
};
struct oxp_cw_datum {
    const char *name, *unit; /* unit "" = None */
    const struct oxp_cw_pair *dimensions;
    size_t dimension_count;
    enum oxp_cw_form form;
    bool delta;                          /* NUMBER: what was added since the last time */
    double value;                        /* NUMBER */
    double count, sum, least, most;      /* SET; BUCKETS: sum, NaN = not known */
    const double *values, *counts;       /* SHARES; counts NULL: once each */
    const struct oxp_cw_bucket *buckets; /* BUCKETS: `value_count` of them, each beginning where the last one ends */
    size_t value_count;
};

/* The data of one period, with what is said about it. */
struct oxp_cw_data {
    struct oxp_arena *arena;
    struct oxp_cw_datum *list;
    size_t count;
    struct oxp_cw_published *published; /* left_out, failed, replaced, first_… */
};
/* Adds one. OXP_ERR_NOMEM. */
enum oxp_status oxp_cw_data_add(struct oxp_cw_data *data, const struct oxp_cw_datum *datum);
/* Counts one that is left out, or an expression that failed; the first one's reason is kept. */
void oxp_cw_leave_out(struct oxp_cw_data *data, const char *name, const char *why);
void oxp_cw_failed(struct oxp_cw_data *data, const char *name, const char *why);

/* NULL when CloudWatch takes it (PutMetricData's limits: values within 2^360, names and dimensions of printable ASCII,
 * at most 30 dimensions), else what is wrong. Pure. */
const char *oxp_cw_datum_wrong(const struct oxp_cw_datum *datum);
/* A value as it is sent: below 2^-360 CloudWatch has only 0. */
double oxp_cw_value(double value);

#endif
