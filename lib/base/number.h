/* Numbers as text and back, whatever the locale.
 *
 * Doubles are written as the shortest decimal digits that read back as the same double (R. Giulietti, "The Schubfach
 * way to render doubles", 2020). Layout: positional for 1e-5 <= |x| < 1e21, else with an exponent ("1e+21", "1e-06"),
 * as Go's %v and so Prometheus print it but for whole numbers below 1e21, which never get an exponent. Any thread. */
#ifndef OXP_BASE_NUMBER_H
#define OXP_BASE_NUMBER_H

#include <oxpecker/status.h>
#include <oxpecker/view.h>
#include <stdint.h>

/* The bits of a double (IEEE 754), and the double of such bits: NaN's payload and the sign of zero are kept. */
static inline uint64_t oxp_bits_of(double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}
static inline double oxp_bits_double(uint64_t bits) {
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* Bytes that are always enough for either writer; no NUL is written. */
#define OXP_NUMBER_MAX 32

/* Writes `value` and returns the length. NaN is "NaN", infinities "+Inf" and "-Inf" (OpenMetrics 1.0, Prometheus text
 * 0.0.4). */
size_t oxp_number_from_double(char out[OXP_NUMBER_MAX], double value);
/* The same, but a whole number gets ".0": the canonical form of `le` and `quantile` values in OpenMetrics 1.0. */
size_t oxp_number_from_double_canonical(char out[OXP_NUMBER_MAX], double value);
/* The same digits without an exponent, however many places that takes (Go's FormatFloat with 'f'): 0.000001234. */
#define OXP_NUMBER_POSITIONAL_MAX 352 /* bytes: sign, point, 323 zeros and 17 digits, or 309 digits */
size_t oxp_number_positional(char out[OXP_NUMBER_POSITIONAL_MAX], double value);
size_t oxp_number_from_u64(char out[OXP_NUMBER_MAX], uint64_t value);
size_t oxp_number_from_i64(char out[OXP_NUMBER_MAX], int64_t value);

/* Reads a whole view as a decimal floating-point number in the JSON grammar (RFC 8259 section 6), correctly rounded.
 * OXP_ERR_SYNTAX when it is not one, OXP_ERR_RANGE when it is too large for a double. */
enum oxp_status oxp_number_parse_json(struct oxp_view text, double *value_out);
/* Reads a whole view in the grammar of the exposition formats: the above, a leading "+", a missing digit before or
 * behind the point, and in any case "NaN", "Inf", "Infinity" with sign. Too large is infinite, as in
 * strconv.ParseFloat's value. */
enum oxp_status oxp_number_parse_exposition(struct oxp_view text, double *value_out);
/* Decimal digits only. OXP_ERR_SYNTAX, OXP_ERR_RANGE. */
enum oxp_status oxp_number_parse_u64(struct oxp_view text, uint64_t *value_out);

#endif
