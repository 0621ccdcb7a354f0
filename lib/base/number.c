/* Numbers as text and back.
 *
 * Writing. A double is c * 2^q; its rounding interval is everything that reads back as it. Schubfach (R. Giulietti,
 * "The Schubfach way to render doubles", 2020) picks the k with 10^k <= width of the interval < 10^(k+1), so that the
 * interval holds at least one multiple of 10^k and at most one of 10^(k+1). It scales the value and the ends of its
 * interval by 10^-k, with one 128-bit power of ten and a sticky last bit, and then only compares small integers: a
 * multiple of 10^(k+1) inside the interval wins, else the multiple of 10^k that is nearest. No loop, no big numbers.
 *
 * Reading. Up to 19 digits fit a 64-bit mantissa; when that is at most 2^53 and the power of ten at most 10^22, both
 * are exact doubles and one operation rounds correctly (W. Clinger, "How to read floating point numbers accurately",
 * 1990). Everything else goes to strtod_l in the C locale, on digits that are copied without point or leading zeros.
 * 767 digits decide every case (the longest exact midpoint); beyond DIGITS_KEPT only "is there more?" matters, which
 * one sticky digit says. */
#include "lib/base/number.h"

#include "lib/base/ascii.h"

#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>

static const char pairs[] = "00010203040506070809101112131415161718192021222324"
                            "25262728293031323334353637383940414243444546474849"
                            "50515253545556575859606162636465666768697071727374"
                            "75767778798081828384858687888990919293949596979899";

/* ---- whole numbers ---- */

static const uint64_t powers_u64[20] = {UINT64_C(1),
                                        UINT64_C(10),
                                        UINT64_C(100),
                                        UINT64_C(1000),
                                        UINT64_C(10000),
                                        UINT64_C(100000),
                                        UINT64_C(1000000),
                                        UINT64_C(10000000),
                                        UINT64_C(100000000),
                                        UINT64_C(1000000000),
                                        UINT64_C(10000000000),
                                        UINT64_C(100000000000),
                                        UINT64_C(1000000000000),
                                        UINT64_C(10000000000000),
                                        UINT64_C(100000000000000),
                                        UINT64_C(1000000000000000),
                                        UINT64_C(10000000000000000),
                                        UINT64_C(100000000000000000),
                                        UINT64_C(1000000000000000000),
                                        UINT64_C(10000000000000000000)};

/* Decimal digits of `value`, 1 for 0. 1233/4096 is log10(2), good enough for 64 bits to be one too high at most. */
static unsigned digit_count(uint64_t value) {
    unsigned bits = 64 - (unsigned)__builtin_clzll(value | 1);
    unsigned guess = bits * 1233 >> 12;
    return guess + (guess == 0 || value >= powers_u64[guess]);
}

/* The two digits of a number below 100. */
static void write_pair(char *to, size_t value) {
    memcpy(to, pairs + value * 2, 2);
}

/* Writes `value` so that its last digit stands before `end`. */
static void write_back(char *end, uint32_t value) {
    for (; value >= 100; value /= 100) {
        end -= 2;
        write_pair(end, value % 100);
    }
    if (value >= 10) {
        write_pair(end - 2, value);
    } else {
        end[-1] = (char)('0' + value);
    }
}

/* Exactly eight digits, zeros in front. */
static void write_eight(char *to, uint32_t value) {
    uint32_t high = value / 10000, low = value % 10000;
    write_pair(to, high / 100);
    write_pair(to + 2, high % 100);
    write_pair(to + 4, low / 100);
    write_pair(to + 6, low % 100);
}

static size_t write_u64(char *out, uint64_t value) {
    const uint64_t eight = powers_u64[8];
    unsigned count = digit_count(value);
    char *end = out + count;
    while (value >= eight) {
        end -= 8;
        write_eight(end, (uint32_t)(value % eight));
        value /= eight;
    }
    if (end != out) {
        write_back(end, (uint32_t)value);
    }
    return count;
}

static size_t write_i64(char *out, int64_t value) {
    if (value >= 0) {
        return write_u64(out, (uint64_t)value);
    }
    out[0] = '-';
    return 1 + write_u64(out + 1, 0 - (uint64_t)value);
}

size_t oxp_number_from_u64(char out[OXP_NUMBER_MAX], uint64_t value) {
    return write_u64(out, value);
}

size_t oxp_number_from_i64(char out[OXP_NUMBER_MAX], int64_t value) {
    return write_i64(out, value);
}

/* ---- shortest digits ---- */

#define POW10_FIRST (-292)

static const struct {
    uint64_t high, low;
} pow10_table[] = {
#include "lib/base/pow10.inc"
};

_Static_assert(sizeof pow10_table / sizeof pow10_table[0] == 617, "10^-292 to 10^324");

/* Exact for |q| <= 1100 and |k| <= 330 (tried for each): floor(log10(2^q)), floor(log10(3/4 * 2^q)), floor(log2(10^k)).
 */
static int floor_log10_pow2(int q) {
    return (q * 315653) >> 20;
}

static int floor_log10_three_quarters_pow2(int q) {
    return (q * 315653 - 131008) >> 20;
}

static int floor_log2_pow10(int k) {
    return (k * 217706) >> 16;
}

/* floor(g * cp / 2^128) with its last bit set when anything was cut off. g is too large by less than one in its last
 * place, which shows in the fraction as at most one: hence > 1. */
static uint64_t round_to_odd(size_t row, uint64_t cp) {
    unsigned __int128 low = (unsigned __int128)pow10_table[row].low * cp;
    unsigned __int128 high = (unsigned __int128)pow10_table[row].high * cp + (uint64_t)(low >> 64);
    return (uint64_t)(high >> 64) | ((uint64_t)high > 1);
}

struct decimal {
    uint64_t digits;
    int exponent; /* value = digits * 10^exponent */
};

/* `bits` are those of a positive finite double. */
static struct decimal shortest(uint64_t bits) {
    uint64_t fraction = bits & ((UINT64_C(1) << 52) - 1);
    int biased = (int)(bits >> 52);
    uint64_t c = biased == 0 ? fraction : fraction | UINT64_C(1) << 52;
    int q = (biased == 0 ? 1 : biased) - 1075;
    bool narrow = fraction == 0 && biased > 1; /* a power of two: the lower neighbour is nearer */
    bool odd = (c & 1) != 0;                   /* then the ends of the interval round to the neighbours */

    int k = narrow ? floor_log10_three_quarters_pow2(q) : floor_log10_pow2(q);
    int h = q + floor_log2_pow10(-k) + 1;
    size_t row = (size_t)(-k - POW10_FIRST);
    uint64_t v = round_to_odd(row, 4 * c << h);
    uint64_t lower = round_to_odd(row, (4 * c - (narrow ? 1 : 2)) << h) + odd;
    uint64_t upper = round_to_odd(row, (4 * c + 2) << h) - odd;

    uint64_t s = v / 4;
    if (s >= 10) {
        uint64_t tens = s / 10;
        bool down_inside = lower <= 40 * tens, up_inside = 40 * tens + 40 <= upper;
        if (down_inside != up_inside) {
            return (struct decimal){tens + up_inside, k + 1};
        }
    }
    bool down_inside = lower <= 4 * s, up_inside = 4 * s + 4 <= upper;
    if (down_inside != up_inside) {
        return (struct decimal){s + up_inside, k};
    }
    uint64_t middle = 4 * s + 2;
    bool up = v > middle || (v == middle && (s & 1) != 0);
    return (struct decimal){s + up, k};
}

static struct decimal without_zeros(struct decimal decimal) {
    static const struct {
        uint64_t power;
        int zeros;
    } steps[] = {{100000000, 8}, {10000, 4}, {100, 2}, {10, 1}};
    if (decimal.digits % 10 != 0) {
        return decimal;
    }
    /* 8 + 4 + 2 + 1 zeros at once, and two rounds for the 16 that there may be */
    for (size_t i = 0; i < 2 * sizeof steps / sizeof steps[0]; i++) {
        size_t step = i % (sizeof steps / sizeof steps[0]);
        if (decimal.digits % steps[step].power == 0) {
            decimal.digits /= steps[step].power;
            decimal.exponent += steps[step].zeros;
        }
    }
    return decimal;
}

/* ---- layout ---- */

static char *write_zeros(char *to, int count) {
    for (int i = 0; i < count; i++) {
        *to++ = '0';
    }
    return to;
}

static char *write_exponent(char *to, int exponent) {
    *to++ = 'e';
    *to++ = exponent < 0 ? '-' : '+';
    unsigned size = (unsigned)(exponent < 0 ? -exponent : exponent);
    if (size < 10) {
        *to++ = '0';
    }
    return to + write_u64(to, size);
}

/* Writes digits with their point; `*whole` says that there is neither point nor exponent. */
static char *write_decimal(char *to, struct decimal decimal, bool *whole) {
    char digits[OXP_NUMBER_MAX];
    int count = (int)write_u64(digits, decimal.digits);
    int exponent = count + decimal.exponent - 1; /* of the first digit */
    *whole = false;
    if (exponent < -5 || exponent >= 21) {
        *to++ = digits[0];
        if (count > 1) {
            *to++ = '.';
            memcpy(to, digits + 1, (size_t)count - 1);
            to += count - 1;
        }
        return write_exponent(to, exponent);
    }
    if (exponent < 0) {
        *to++ = '0';
        *to++ = '.';
        to = write_zeros(to, -exponent - 1);
        memcpy(to, digits, (size_t)count);
        return to + count;
    }
    int before = exponent + 1;
    if (count <= before) {
        memcpy(to, digits, (size_t)count);
        *whole = true;
        return write_zeros(to + count, before - count);
    }
    memcpy(to, digits, (size_t)before);
    to[before] = '.';
    memcpy(to + before + 1, digits + before, (size_t)(count - before));
    return to + count + 1;
}

static size_t write_text(char *out, struct oxp_view text) {
    memcpy(out, text.ptr, text.len);
    return text.len;
}

static size_t write_double(char out[OXP_NUMBER_MAX], double value, bool *whole) {
    const double two_53 = 9007199254740992.0;
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    bool negative = bits >> 63 != 0;
    double size = fabs(value);
    char *to = out;
    *whole = false;
    if (!isfinite(value)) {
        return write_text(out, isnan(value) ? OXP_VIEW("NaN") : negative ? OXP_VIEW("-Inf") : OXP_VIEW("+Inf"));
    }
    if (negative) {
        *to++ = '-';
    }
    if (size < two_53 && (double)(uint64_t)size == size) {
        *whole = true;
        to += write_u64(to, (uint64_t)size);
    } else {
        to = write_decimal(to, without_zeros(shortest(bits & ~(UINT64_C(1) << 63))), whole);
    }
    return (size_t)(to - out);
}

size_t oxp_number_from_double(char out[OXP_NUMBER_MAX], double value) {
    bool whole;
    return write_double(out, value, &whole);
}

static char *put_zeros(char *to, int count) {
    for (; count > 0; count--) {
        *to++ = '0';
    }
    return to;
}

static char *put_digits(char *to, const char *digits, int count) {
    memcpy(to, digits, (size_t)count);
    return to + count;
}

size_t oxp_number_positional(char out[OXP_NUMBER_POSITIONAL_MAX], double value) {
    char text[OXP_NUMBER_MAX], digits[OXP_NUMBER_MAX], *to = out;
    size_t len = oxp_number_from_double(text, value);
    const char *end = text + len, *at = memchr(text, 'e', len);
    int count = 0, before = 0, exponent = 0; /* digits in all, and in front of the point */
    if (at == NULL) {
        memcpy(out, text, len);
        return len;
    }
    bool point = false, minus = at[1] == '-';
    for (const char *c = text; c < at; c++) {
        if (*c == '-') {
            *to++ = '-';
        } else if (*c == '.') {
            point = true;
        } else {
            digits[count++] = *c;
            before += point ? 0 : 1;
        }
    }
    for (at += 2; at < end; at++) {
        exponent = exponent * 10 + (*at - '0');
    }
    before += minus ? -exponent : exponent;
    if (before <= 0) {
        to = put_zeros(put_digits(to, "0.", 2), -before);
        return (size_t)(put_digits(to, digits, count) - out);
    }
    int whole = before < count ? before : count;
    to = put_zeros(put_digits(to, digits, whole), before - whole);
    if (count > whole) {
        *to++ = '.';
        to = put_digits(to, digits + whole, count - whole);
    }
    return (size_t)(to - out);
}

size_t oxp_number_from_double_canonical(char out[OXP_NUMBER_MAX], double value) {
    bool whole;
    size_t len = write_double(out, value, &whole);
    if (whole) {
        out[len++] = '.';
        out[len++] = '0';
    }
    return len;
}

/* ---- reading ---- */

#define DIGITS_KEPT 800

struct scan {
    bool negative;
    uint64_t mantissa;   /* of the first 19 significant digits */
    size_t significant;  /* digits from the first that is not 0 */
    int64_t exponent;    /* of the last digit, when all digits are taken as one whole number */
    struct oxp_view all; /* integer digits, point, fraction digits */
};

static void scan_digit(struct scan *scan, char c) {
    if (scan->significant > 0 || c != '0') {
        scan->significant++;
        if (scan->significant <= 19) {
            scan->mantissa = scan->mantissa * 10 + (uint64_t)(c - '0');
        }
    }
}

/* The exponent part, from its letter to the end of the text; false when it is not one. */
static bool scan_exponent(struct scan *scan, const char *at, const char *end) {
    bool negative = false;
    int64_t exponent = 0;
    at++;
    if (at < end && (*at == '+' || *at == '-')) {
        negative = *at++ == '-';
    }
    if (at == end) {
        return false;
    }
    for (; at < end; at++) {
        if (!oxp_is_digit(*at)) {
            return false;
        }
        if (exponent < INT64_C(1) << 56) {
            exponent = exponent * 10 + (*at - '0');
        }
    }
    scan->exponent += negative ? -exponent : exponent;
    return true;
}

/* Both grammars; `strict` is JSON's (RFC 8259 section 6): no plus, digits on both sides of the point, no 0 in front. */
static bool scan_number(struct oxp_view text, bool strict, struct scan *scan) {
    if (text.len == 0) {
        return false;
    }
    const char *at = text.ptr, *end = text.ptr + text.len;
    if (*at == '-' || (*at == '+' && !strict)) {
        scan->negative = *at++ == '-';
    }
    const char *start = at;
    while (at < end && oxp_is_digit(*at)) {
        scan_digit(scan, *at++);
    }
    size_t before = (size_t)(at - start), behind = 0;
    if (at < end && *at == '.') {
        const char *fraction = ++at;
        while (at < end && oxp_is_digit(*at)) {
            scan_digit(scan, *at++);
        }
        behind = (size_t)(at - fraction);
        if (strict && behind == 0) {
            return false;
        }
    }
    if (before + behind == 0 || (strict && (before == 0 || (before > 1 && *start == '0')))) {
        return false;
    }
    scan->all = oxp_view_of(start, (size_t)(at - start));
    scan->exponent = -(int64_t)behind;
    if (at < end && (*at == 'e' || *at == 'E')) {
        return scan_exponent(scan, at, end);
    }
    return at == end;
}

static locale_t c_locale;
static pthread_once_t c_locale_once = PTHREAD_ONCE_INIT;

static void make_c_locale(void) {
    c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
}

/* The digits as one whole number with an exponent, for strtod_l. */
static enum oxp_status convert_slowly(const struct scan *scan, double *value_out) {
    char text[DIGITS_KEPT + 1 + 32];
    size_t seen = 0, kept = 0;
    bool sticky = false;
    for (size_t i = 0; i < scan->all.len; i++) {
        char c = scan->all.ptr[i];
        if (c == '.' || (seen == 0 && c == '0')) {
            continue;
        }
        seen++;
        if (kept < DIGITS_KEPT) {
            text[kept++] = c;
        } else {
            sticky |= c != '0';
        }
    }
    int64_t exponent = scan->exponent + (int64_t)(seen - kept);
    if (sticky) {
        text[kept++] = '1';
        exponent--;
    }
    text[kept++] = 'e';
    kept += write_i64(text + kept, exponent);
    text[kept] = '\0';
    pthread_once(&c_locale_once, make_c_locale);
    if (c_locale == (locale_t)0) {
        return OXP_ERR_NOMEM;
    }
    *value_out = strtod_l(text, NULL, c_locale);
    return OXP_OK;
}

static enum oxp_status convert(const struct scan *scan, double *value_out) {
    static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                    1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    int64_t magnitude = scan->exponent + (int64_t)scan->significant; /* value < 10^magnitude */
    double value = 0;
    enum oxp_status status = OXP_OK;
    if (scan->significant <= 19 && scan->mantissa <= UINT64_C(1) << 53 && scan->exponent >= -22 &&
        scan->exponent <= 22) {
        value = (double)scan->mantissa;
        value = scan->exponent < 0 ? value / powers[-scan->exponent] : value * powers[scan->exponent];
    } else if (scan->significant > 0 && magnitude > 400) {
        value = HUGE_VAL;
    } else if (scan->significant > 0 && magnitude > -400) {
        status = convert_slowly(scan, &value);
    }
    *value_out = scan->negative ? -value : value;
    return status;
}

enum oxp_status oxp_number_parse_json(struct oxp_view text, double *value_out) {
    struct scan scan = {0};
    double value = 0;
    if (!scan_number(text, true, &scan)) {
        return OXP_ERR_SYNTAX;
    }
    enum oxp_status status = convert(&scan, &value);
    if (status == OXP_OK && isinf(value)) {
        return OXP_ERR_RANGE;
    }
    *value_out = value;
    return status;
}

static bool is_word(struct oxp_view text, const char *lower) {
    size_t i = 0;
    while (i < text.len && lower[i] != '\0' && (text.ptr[i] | 0x20) == lower[i]) {
        i++;
    }
    return i == text.len && lower[i] == '\0';
}

/* NaN, Inf and Infinity in any case (OpenMetrics 1.0 ABNF: only the infinities may have a sign). */
static bool parse_word(struct oxp_view text, double *value_out) {
    if (is_word(text, "nan")) {
        *value_out = NAN;
        return true;
    }
    bool negative = text.len > 0 && text.ptr[0] == '-';
    if (text.len > 0 && (negative || text.ptr[0] == '+')) {
        text = oxp_view_of(text.ptr + 1, text.len - 1);
    }
    *value_out = negative ? -HUGE_VAL : HUGE_VAL;
    return is_word(text, "inf") || is_word(text, "infinity");
}

enum oxp_status oxp_number_parse_exposition(struct oxp_view text, double *value_out) {
    struct scan scan = {0};
    double word;
    if (scan_number(text, false, &scan)) {
        return convert(&scan, value_out);
    }
    if (parse_word(text, &word)) {
        *value_out = word;
        return OXP_OK;
    }
    return OXP_ERR_SYNTAX;
}

enum oxp_status oxp_number_parse_u64(struct oxp_view text, uint64_t *value_out) {
    uint64_t value = 0;
    enum oxp_status status = text.len == 0 ? OXP_ERR_SYNTAX : OXP_OK;
    for (size_t i = 0; i < text.len; i++) {
        if (!oxp_is_digit(text.ptr[i])) {
            return OXP_ERR_SYNTAX;
        }
        if (__builtin_mul_overflow(value, (uint64_t)10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(text.ptr[i] - '0'), &value)) {
            status = OXP_ERR_RANGE;
        }
    }
    if (status == OXP_OK) {
        *value_out = value;
    }
    return status;
}
