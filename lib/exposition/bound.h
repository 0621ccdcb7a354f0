/* The text of `le`: OpenMetrics 1.0, "Considerations: Canonical Numbers". Pure. */
#ifndef OXP_EXPOSITION_BOUND_H
#define OXP_EXPOSITION_BOUND_H

#include "lib/base/number.h"

/* Writes a bucket's bound as Go's %g would, with ".0" where there would be neither point nor exponent ("0.0001",
 * "120.0", "1e+06", "+Inf"), and returns the length. It is the form to which Prometheus 3 normalises `le`. */
size_t oxp_bound_text(char out[OXP_NUMBER_MAX], double bound);

#endif
