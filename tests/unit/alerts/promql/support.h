/* cmocka with the includes that it wants, and what tests of PromQL share. */
#ifndef OXP_TEST_PROMQL_SUPPORT_H
#define OXP_TEST_PROMQL_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])

/* Equal but for rounding; every NaN equals every other; the sign of zero counts. */
static inline bool same_number(double a, double b) {
    if (isnan(a) || isnan(b)) {
        return isnan(a) && isnan(b);
    }
    if (a == b) {
        return a != 0 || signbit(a) == signbit(b);
    }
    return isfinite(a) && isfinite(b) && fabs(a - b) <= 1e-13 * fmax(fabs(a), fabs(b));
}

#define assert_number(name, is, expected)                                                                              \
    do {                                                                                                               \
        double is_ = (is), expected_ = (expected);                                                                     \
        if (!same_number(is_, expected_)) {                                                                            \
            fail_msg("%s: %.17g, expected %.17g", name, is_, expected_);                                               \
        }                                                                                                              \
    } while (0)

#endif
