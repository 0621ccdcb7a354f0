/* The buckets of one classic histogram at one moment, and what can be estimated from them. Pure: any thread.
 *
 * A bucket counts the observations that are not above its bound, those of the buckets below included; the last one's
 * bound is +Inf. Within a bucket observations are taken as spread evenly. */
#ifndef OXP_PROMQL_BUCKETS_H
#define OXP_PROMQL_BUCKETS_H

#include <stdbool.h>
#include <stddef.h>

struct oxp_bucket {
    double bound, count;
};

/* Where counts fell from a bucket to the next one and had to be lifted. */
struct oxp_bucket_repair {
    bool forced;
    double first_bound, last_bound; /* of the buckets that were lifted */
    double most;                    /* the largest lift */
};

/* Joins neighbours with equal bounds, which must be sorted: their counts are added. Gives the number that is left. */
size_t oxp_buckets_join(struct oxp_bucket *buckets, size_t count);

/* The phi-quantile of joined buckets, whose counts are made to rise in place. NaN when there are fewer than two
 * buckets, no observations, or no bucket up to +Inf; -Inf, +Inf and NaN for a phi below 0, above 1 and NaN. */
double oxp_buckets_quantile(double phi, struct oxp_bucket *buckets, size_t count, struct oxp_bucket_repair *repair_out);

/* The fraction of observations between two values, of joined buckets. NaN when there are no observations or no bucket
 * up to +Inf, or for a NaN. */
double oxp_buckets_fraction(double lower, double upper, const struct oxp_bucket *buckets, size_t count);

#endif
