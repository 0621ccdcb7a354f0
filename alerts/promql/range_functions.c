/* Functions of one window of samples. Prometheus' way is followed to the last rounding, since alert thresholds are
 * compared with these values: sums that carry what rounding lost, the mean that does not overflow, the extrapolation
 * of rates.
 *
 * How rates are extrapolated. The samples of a window seldom lie at its edges, so the difference between the last and
 * the first covers less than the window.
 *  1. A gap between an edge and its nearest sample that is shorter than 1.1 times the samples' mean distance means that
 *     the series goes on beyond the edge: the rate is carried on to the edge.
 *  2. A longer gap means that the series begins (ends) within the window, as a guess half a mean distance before
 *     (after) the sample.
 *  3. A counter is never carried back below zero: when its line would reach zero earlier than that, it began there. */
#include <math.h>

#include "alerts/promql/calls.h"
#include "alerts/promql/kahan.h"

/* ---- Rates ---- */

static double seconds(int64_t ms) {
    return (double)ms / 1000;
}

/* The increase between first and last sample; a fall is a reset to zero. */
static double counter_increase(const struct oxp_window *window) {
    double increase = window->value[window->count - 1] - window->value[0];
    for (size_t i = 1; i < window->count; i++) {
        if (window->value[i] < window->value[i - 1]) {
            increase += window->value[i - 1];
        }
    }
    return increase;
}

/* How far the line goes on before the first sample, in seconds. `increase` within `sampled` seconds. */
static double lead(const struct oxp_window *window, double increase, double sampled, double spacing, bool is_counter) {
    double to_start = seconds(window->time_ms[0] - window->start_ms);
    if (to_start >= spacing * 1.1) {
        to_start = spacing / 2;
    }
    if (is_counter && increase > 0 && window->value[0] >= 0) {
        double to_zero = sampled * (window->value[0] / increase);
        if (to_zero < to_start) {
            to_start = to_zero;
        }
    }
    return to_start;
}

static bool extrapolated(const struct oxp_window *window, bool is_counter, bool is_rate, double *value_out) {
    size_t last = window->count - 1;
    if (last == 0) {
        return false;
    }
    double increase = is_counter ? counter_increase(window) : window->value[last] - window->value[0];
    double sampled = seconds(window->time_ms[last] - window->time_ms[0]);
    double spacing = sampled / (double)last;
    double to_start = lead(window, increase, sampled, spacing, is_counter);
    double to_end = seconds(window->end_ms - window->time_ms[last]);
    if (to_end >= spacing * 1.1) {
        to_end = spacing / 2;
    }
    double factor = (sampled + to_start + to_end) / sampled; /* times rise, so it is not 0 */
    if (is_rate) {
        int64_t range_ms = window->end_ms - window->start_ms, whole = range_ms / 1000;
        factor /= (double)whole + seconds(range_ms % 1000); /* as Go's Duration.Seconds() does it */
    }
    *value_out = increase * factor;
    return true;
}

bool oxp_call_rate(const struct oxp_window *window, const double *args, double *value_out) {
    (void)args;
    return extrapolated(window, true, true, value_out);
}

bool oxp_call_increase(const struct oxp_window *window, const double *args, double *value_out) {
    (void)args;
    return extrapolated(window, true, false, value_out);
}

bool oxp_call_delta(const struct oxp_window *window, const double *args, double *value_out) {
    (void)args;
    return extrapolated(window, false, false, value_out);
}

bool oxp_call_irate(const struct oxp_window *window, const double *args, double *value_out) {
    (void)args;
    if (window->count < 2) {
        return false;
    }
    size_t last = window->count - 1;
    double before = window->value[last - 1], now = window->value[last];
    double increase = now < before ? now : now - before;
    *value_out = increase / seconds(window->time_ms[last] - window->time_ms[last - 1]);
    return true;
}

bool oxp_call_idelta(const struct oxp_window *window, const double *args, double *value_out) {
    (void)args;
    if (window->count < 2) {
        return false;
    }
    *value_out = window->value[window->count - 1] - window->value[window->count - 2];
    return true;
}

/* ---- Lines through gauges ---- */

struct line {
    double slope;     /* per second */
    double intercept; /* at the reference time */
};

static bool is_constant(const double *values, size_t count) {
    for (size_t i = 1; i < count; i++) {
        if (values[i] != values[0]) {
            return false;
        }
    }
    return true;
}

/* Least squares. The reference time should be near the samples, for accuracy. */
static struct line regression(const struct oxp_window *window, int64_t reference_ms) {
    struct oxp_kahan x = {0}, y = {0}, xy = {0}, xx = {0};
    if (is_constant(window->value, window->count)) {
        double level = window->value[0];
        return isinf(level) ? (struct line){NAN, NAN} : (struct line){0, level};
    }
    for (size_t i = 0; i < window->count; i++) {
        double at = seconds(window->time_ms[i] - reference_ms);
        oxp_kahan_add(&x, at);
        oxp_kahan_add(&y, window->value[i]);
        oxp_kahan_add(&xy, at * window->value[i]);
        oxp_kahan_add(&xx, at * at);
    }
    double n = (double)window->count;
    double sum_x = oxp_kahan_total(&x), sum_y = oxp_kahan_total(&y);
    double covariance = oxp_kahan_total(&xy) - sum_x * sum_y / n;
    double variance = oxp_kahan_total(&xx) - sum_x * sum_x / n;
    double slope = covariance / variance;
    return (struct line){slope, sum_y / n - slope * sum_x / n};
}

bool oxp_call_deriv(const struct oxp_window *window, const double *args, double *value_out) {
    (void)args;
    if (window->count < 2) {
        return false;
    }
    *value_out = regression(window, window->time_ms[0]).slope;
    return true;
}

bool oxp_call_predict_linear(const struct oxp_window *window, const double *args, double *value_out) {
    if (window->count < 2) {
        return false;
    }
    struct line line = regression(window, window->eval_ms);
    *value_out = line.slope * args[1] + line.intercept;
    return true;
}

/* ---- Counting ---- */

bool oxp_call_changes(const struct oxp_window *window, const double *args, double *value_out) {
    (void)args;
    size_t changes = 0;
    for (size_t i = 1; i < window->count; i++) {
        double before = window->value[i - 1], now = window->value[i];
        changes += now != before && !(isnan(now) && isnan(before));
    }
    *value_out = (double)changes;
    return true;
}

bool oxp_call_resets(const struct oxp_window *window, const double *args, double *value_out) {
    (void)args;
    size_t resets = 0;
    for (size_t i = 1; i < window->count; i++) {
        resets += window->value[i] < window->value[i - 1];
    }
    *value_out = (double)resets;
    return true;
}

bool oxp_call_count_over_time(const struct oxp_window *window, const double *args, double *value_out) {
    (void)args;
    *value_out = (double)window->count;
    return true;
}

bool oxp_call_present_over_time(const struct oxp_window *window, const double *args, double *value_out) {
    (void)window, (void)args;
    *value_out = 1;
    return true;
}

/* ---- Aggregations ---- */

bool oxp_call_sum_over_time(const struct oxp_window *window, const double *args, double *value_out) {
    (void)args;
    struct oxp_kahan total = {0};
    for (size_t i = 0; i < window->count; i++) {
        oxp_kahan_add(&total, window->value[i]);
    }
    *value_out = isinf(total.sum) ? total.sum : oxp_kahan_total(&total);
    return true;
}

/* The sum divided by the number is the most exact, until the sum overflows; from there on the mean is updated with
 * each value instead. */
bool oxp_call_avg_over_time(const struct oxp_window *window, const double *args, double *value_out) {
    (void)args;
    struct oxp_kahan total = {window->value[0], 0};
    size_t i = 1;
    for (; i < window->count; i++) {
        struct oxp_kahan next = total;
        oxp_kahan_add(&next, window->value[i]);
        if (isinf(next.sum)) {
            break;
        }
        total = next;
    }
    double n = (double)i;
    total.sum /= n;
    total.lost /= n;
    for (; i < window->count; i++) {
        n = (double)(i + 1);
        double weight = (n - 1) / n;
        total.sum *= weight;
        total.lost *= weight;
        oxp_kahan_add(&total, window->value[i] / n);
    }
    *value_out = oxp_kahan_total(&total);
    return true;
}

/* A NaN is neither smallest nor largest, unless there is nothing else. */
bool oxp_call_min_over_time(const struct oxp_window *window, const double *args, double *value_out) {
    (void)args;
    double least = window->value[0];
    for (size_t i = 1; i < window->count; i++) {
        if (window->value[i] < least || isnan(least)) {
            least = window->value[i];
        }
    }
    *value_out = least;
    return true;
}

bool oxp_call_max_over_time(const struct oxp_window *window, const double *args, double *value_out) {
    (void)args;
    double most = window->value[0];
    for (size_t i = 1; i < window->count; i++) {
        if (window->value[i] > most || isnan(most)) {
            most = window->value[i];
        }
    }
    *value_out = most;
    return true;
}

bool oxp_call_quantile_over_time(const struct oxp_window *window, const double *args, double *value_out) {
    memcpy(window->scratch, window->value, window->count * sizeof *window->value);
    *value_out = oxp_quantile(args[0], window->scratch, window->count);
    return true;
}

/* B. P. Welford, "Note on a method for calculating corrected sums of squares and products", 1962. */
static double variance(const struct oxp_window *window) {
    struct oxp_kahan mean = {0}, squares = {0};
    for (size_t i = 0; i < window->count; i++) {
        double distance = window->value[i] - oxp_kahan_total(&mean);
        oxp_kahan_add(&mean, distance / (double)(i + 1));
        oxp_kahan_add(&squares, distance * (window->value[i] - oxp_kahan_total(&mean)));
    }
    return oxp_kahan_total(&squares) / (double)window->count;
}

bool oxp_call_stdvar_over_time(const struct oxp_window *window, const double *args, double *value_out) {
    (void)args;
    *value_out = variance(window);
    return true;
}

bool oxp_call_stddev_over_time(const struct oxp_window *window, const double *args, double *value_out) {
    (void)args;
    *value_out = sqrt(variance(window));
    return true;
}

bool oxp_call_last_over_time(const struct oxp_window *window, const double *args, double *value_out) {
    (void)args;
    *value_out = window->value[window->count - 1];
    return true;
}

bool oxp_call_first_over_time(const struct oxp_window *window, const double *args, double *value_out) {
    (void)args;
    *value_out = window->value[0];
    return true;
}
