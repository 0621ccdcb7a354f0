#include "alerts/promql/buckets.h"

#include <float.h>
#include <math.h>

size_t oxp_buckets_join(struct oxp_bucket *buckets, size_t count) {
    size_t kept = 0;
    for (size_t i = 1; i < count; i++) {
        if (buckets[i].bound == buckets[kept].bound) {
            buckets[kept].count += buckets[i].count;
        } else {
            buckets[++kept] = buckets[i];
        }
    }
    return count == 0 ? 0 : kept + 1;
}

/* Equal but for the rounding of sums: 1e12 observations must lie in a bucket before one of them is lost in this. */
static bool nearly_equal(double a, double b) {
    static const double tolerance = 1e-12;
    double sum = fabs(a) + fabs(b), distance = fabs(a - b);
    if (a == 0 || b == 0 || sum < DBL_MIN) {
        return distance < tolerance * DBL_MIN;
    }
    return distance / fmin(sum, DBL_MAX) < tolerance;
}

/* Counts that fall are lifted to the one before; differences that are only rounding are taken out, silently. */
static void make_rising(struct oxp_bucket *buckets, size_t count, struct oxp_bucket_repair *repair) {
    double highest = buckets[0].count;
    for (size_t i = 1; i < count; i++) {
        struct oxp_bucket *bucket = &buckets[i];
        if (bucket->count == highest) {
            continue;
        }
        if (!nearly_equal(highest, bucket->count)) {
            if (!(bucket->count < highest)) {
                highest = bucket->count;
                continue;
            }
            repair->forced = true;
            repair->first_bound = fmin(repair->first_bound, bucket->bound);
            repair->last_bound = fmax(repair->last_bound, bucket->bound);
            repair->most = fmax(repair->most, highest - bucket->count);
        }
        bucket->count = highest;
    }
}

/* The first bucket but the last whose count reaches `rank`; else the last. */
static size_t bucket_of(double rank, const struct oxp_bucket *buckets, size_t count) {
    size_t low = 0, high = count - 1;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (buckets[middle].count >= rank) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return low;
}

double oxp_buckets_quantile(double phi, struct oxp_bucket *buckets, size_t count,
                            struct oxp_bucket_repair *repair_out) {
    *repair_out = (struct oxp_bucket_repair){.first_bound = INFINITY, .last_bound = -INFINITY};
    if (isnan(phi)) {
        return NAN;
    }
    if (phi < 0 || phi > 1) {
        return phi < 0 ? -INFINITY : INFINITY;
    }
    if (count == 0 || buckets[count - 1].bound != INFINITY) {
        return NAN;
    }
    make_rising(buckets, count, repair_out);
    if (count < 2 || buckets[count - 1].count == 0) {
        return NAN;
    }
    double rank = phi * buckets[count - 1].count;
    size_t at = bucket_of(rank, buckets, count);
    if (at == count - 1) {
        return buckets[count - 2].bound; /* the best that is known of the open bucket */
    }
    if (at == 0 && buckets[0].bound <= 0) {
        return buckets[0].bound;
    }
    /* The lowest bucket of positive bounds begins at zero. */
    struct oxp_bucket below = at == 0 ? (struct oxp_bucket){0, 0} : buckets[at - 1];
    double share = (rank - below.count) / (buckets[at].count - below.count);
    return below.bound + (buckets[at].bound - below.bound) * share;
}

/* The number of observations that are not above `value`. The open ends of the first and the last bucket cannot be
 * divided: nothing of the last bucket counts, and all of the first. */
static double rank_of(double value, const struct oxp_bucket *buckets, size_t count) {
    double start = buckets[0].bound <= 0 ? -INFINITY : 0, below = 0;
    for (size_t i = 0; i < count; i++) {
        if (start >= value) {
            return below;
        }
        if (buckets[i].bound > value) {
            double inside = buckets[i].count - below;
            return start == -INFINITY ? buckets[i].count
                                      : below + inside * (value - start) / (buckets[i].bound - start);
        }
        below = buckets[i].count;
        start = buckets[i].bound;
    }
    return buckets[count - 1].count;
}

double oxp_buckets_fraction(double lower, double upper, const struct oxp_bucket *buckets, size_t count) {
    if (count == 0 || buckets[count - 1].bound != INFINITY) {
        return NAN;
    }
    double all = buckets[count - 1].count;
    if (all == 0 || isnan(lower) || isnan(upper)) {
        return NAN;
    }
    if (lower >= upper) {
        return 0;
    }
    double low = rank_of(lower, buckets, count), high = rank_of(upper, buckets, count);
    return ((high > all ? all : high) - (low > all ? all : low)) / all;
}
