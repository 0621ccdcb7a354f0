/* Functions of one value. Where C leaves an edge open, it is Go's math package that Prometheus means. */
#include <math.h>

#include "alerts/promql/calls.h"

/* Functions that C has, or that need one expression of `v`. */
#define PLAIN(name, expression)                                                                                        \
    double oxp_call_##name(double v, const double *args) {                                                             \
        (void)args;                                                                                                    \
        return (expression);                                                                                           \
    }

/* No NaN goes through fabs: without its sign it might have the bits of the absent value. */
PLAIN(abs, isnan(v) ? (double)NAN : fabs(v))
PLAIN(ceil, ceil(v))
PLAIN(floor, floor(v))
PLAIN(sgn, v<0 ? -1 : v> 0 ? 1 : v)
PLAIN(sqrt, sqrt(v))
PLAIN(exp, exp(v))
PLAIN(ln, log(v))
PLAIN(log2, log2(v))
PLAIN(log10, log10(v))

PLAIN(acos, acos(v))
PLAIN(acosh, acosh(v))
PLAIN(asin, asin(v))
PLAIN(asinh, asinh(v))
PLAIN(atan, atan(v))
PLAIN(atanh, atanh(v))
PLAIN(cos, cos(v))
PLAIN(cosh, cosh(v))
PLAIN(sin, sin(v))
PLAIN(sinh, sinh(v))
PLAIN(tan, tan(v))
PLAIN(tanh, tanh(v))
PLAIN(deg, v * 180 / M_PI)
PLAIN(rad, v *M_PI / 180)

/* Go's math.Min and math.Max: an infinity that decides wins over a NaN, else a NaN wins; -0 is less than 0. */
static double lesser(double a, double b) {
    if (a == -INFINITY || b == -INFINITY) {
        return -INFINITY;
    }
    if (isnan(a) || isnan(b)) {
        return NAN;
    }
    return a < b || (a == b && signbit(a)) ? a : b;
}

static double greater(double a, double b) {
    if (a == INFINITY || b == INFINITY) {
        return INFINITY;
    }
    if (isnan(a) || isnan(b)) {
        return NAN;
    }
    return a > b || (a == b && !signbit(a)) ? a : b;
}

static double limited(double value, double least, double most) {
    return greater(least, lesser(most, value));
}

double oxp_call_clamp_min(double value, const double *args) {
    return limited(value, args[1], INFINITY);
}

double oxp_call_clamp_max(double value, const double *args) {
    return limited(value, -INFINITY, args[1]);
}

enum oxp_status oxp_call_clamp(struct oxp_call *call, struct oxp_vector *out) {
    const double *least = call->args[1].columns[0].value, *most = call->args[2].columns[0].value;
    *out = call->args[0];
    for (size_t i = 0; i < out->count; i++) {
        double *value = out->columns[i].value;
        for (size_t step = 0; step < call->eval->steps; step++) {
            if (most[step] < least[step]) {
                value[step] = oxp_absent();
            } else if (!oxp_is_absent(value[step])) {
                value[step] = limited(value[step], least[step], most[step]);
            }
        }
    }
    return oxp_call_finish(call, out, true);
}

enum oxp_status oxp_call_round(struct oxp_call *call, struct oxp_vector *out) {
    const double *nearest = call->node->call.arg_count > 1 ? call->args[1].columns[0].value : NULL;
    *out = call->args[0];
    for (size_t i = 0; i < out->count; i++) {
        double *value = out->columns[i].value;
        for (size_t step = 0; step < call->eval->steps; step++) {
            if (!oxp_is_absent(value[step])) {
                /* The inverse: 0.1 is not exact, 10 is. */
                double inverse = 1 / (nearest == NULL ? 1 : nearest[step]);
                value[step] = floor(value[step] * inverse + 0.5) / inverse;
            }
        }
    }
    return oxp_call_finish(call, out, true);
}
