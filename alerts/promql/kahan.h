/* A sum that carries what rounding lost (A. Neumaier, "Rundungsfehleranalyse einiger Verfahren zur Summation endlicher
 * Summen", 1974: Kahan's summation that also holds when the next number is larger than the sum). Prometheus sums so,
 * and answers agree in the last digits only when we do. Plain data. */
#ifndef OXP_PROMQL_KAHAN_H
#define OXP_PROMQL_KAHAN_H

#include <math.h>

struct oxp_kahan {
    double sum, lost; /* start from {0}; the result is oxp_kahan_total */
};

static inline void oxp_kahan_add(struct oxp_kahan *total, double value) {
    double sum = total->sum + value;
    if (isinf(sum)) {
        total->lost = 0;
    } else if (fabs(total->sum) >= fabs(value)) {
        total->lost += (total->sum - sum) + value;
    } else {
        total->lost += (value - sum) + total->sum;
    }
    total->sum = sum;
}

static inline double oxp_kahan_total(const struct oxp_kahan *total) {
    return total->sum + total->lost;
}

#endif
