/* Floats as Go prints them (strconv.AppendFloat, fmt's flags on top), whatever the locale. */
#include "lib/base/number.h"

#include "alerts/rules/template_run.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define SHORTEST SIZE_MAX /* as many digits as it takes to read the same float back */

/* ---- The shortest form ---- */

/* "+21" or "-06". */
static int read_exponent(const char *text, const char *end) {
    bool minus = *text++ == '-';
    int exponent = 0;
    for (; text < end; text++) {
        exponent = exponent * 10 + (*text - '0');
    }
    return minus ? -exponent : exponent;
}

/* The shortest digits, without point and zeros at the ends, and the exponent of the first: "125", -1 for 0.125. */
static size_t shortest_digits(double size, char digits[OXP_NUMBER_MAX], int *exponent_out) {
    char text[OXP_NUMBER_MAX];
    const char *end = text + oxp_number_from_double(text, size);
    size_t count = 0, zeros = 0;
    int exponent = 0, before = -1; /* before: digits in front of the point */
    for (const char *at = text; at < end; at++) {
        if (*at == 'e') {
            exponent = read_exponent(at + 1, end);
            break;
        }
        if (*at == '.') {
            before = (int)count;
        } else {
            digits[count++] = *at;
        }
    }
    exponent += (before < 0 ? (int)count : before) - 1;
    while (zeros + 1 < count && digits[zeros] == '0') {
        zeros++;
    }
    memmove(digits, digits + zeros, count - zeros);
    count -= zeros;
    while (count > 1 && digits[count - 1] == '0') {
        count--;
    }
    *exponent_out = count == 0 || digits[0] == '0' ? 0 : exponent - (int)zeros;
    return count;
}

/* %g: an exponent below -4 and from 6 on, however many digits there are (strconv: "if precision was the shortest
 * possible, use precision 6 for this decision"). */
static void put_shortest(struct oxp_buf *out, double size, char letter) {
    char digits[OXP_NUMBER_MAX];
    int exponent = 0, count = (int)shortest_digits(size, digits, &exponent);
    if (exponent < -4 || exponent >= 6) {
        oxp_buf_append(out, digits, 1);
        if (count > 1) {
            oxp_buf_append_char(out, '.');
            oxp_buf_append(out, digits + 1, (size_t)count - 1);
        }
        oxp_buf_append_format(out, "%c%c%02d", letter, exponent < 0 ? '-' : '+', abs(exponent));
        return;
    }
    if (exponent < 0) {
        oxp_buf_append_text(out, "0.");
        oxp_buf_append(out, "000", (size_t)(-exponent - 1));
        oxp_buf_append(out, digits, (size_t)count);
        return;
    }
    for (int i = 0; i < count || i <= exponent; i++) {
        oxp_buf_append_text(out, i == exponent + 1 ? "." : "");
        if (i < count) {
            oxp_buf_append_char(out, digits[i]);
        } else {
            oxp_buf_append_char(out, '0');
        }
    }
}

/* ---- A given number of digits ---- */

/* snprintf rounds as Go does (exactly, a tie to the even digit); only its point depends on the locale. */
static void put_rounded(struct oxp_buf *out, double size, char verb, size_t precision) {
    const char *format = verb == 'e'   ? "%.*e"
                         : verb == 'E' ? "%.*E"
                         : verb == 'f' ? "%.*f"
                         : verb == 'g' ? "%.*g"
                                       : "%.*G";
    size_t room = precision + 350; /* 309 digits in front of the point, sign, point, exponent */
    if (precision > OXP_TEMPLATE_OUTPUT_MAX) {
        oxp_tpl_spoil(out, OXP_ERR_LIMIT);
        return;
    }
    char *text = malloc(room);
    if (text == NULL) {
        oxp_tpl_spoil(out, OXP_ERR_NOMEM);
        return;
    }
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    int length = snprintf(text, room, format, (int)precision, size);
#pragma GCC diagnostic pop
    bool point = false;
    for (int i = 0; i < length; i++) {
        char c = text[i];
        bool own = (c >= '0' && c <= '9') || c == 'e' || c == 'E' || c == '+' || c == '-';
        if (own) {
            oxp_buf_append_char(out, c);
        } else if (!point) { /* the locale's point, which may be several bytes */
            oxp_buf_append_char(out, '.');
            point = true;
        }
    }
    free(text);
}

/* %x: hexadecimal mantissa, binary exponent of at least two digits: 0x1.8p+01. */
static void put_hexadecimal(struct oxp_buf *out, double size, char letter, size_t precision) {
    int exponent = 0;
    double fraction = frexp(size, &exponent); /* 0.5 <= fraction < 1 */
    uint64_t mantissa = (uint64_t)ldexp(fraction, 53);
    size_t digits = 13;
    exponent = size == 0 ? 0 : exponent - 1;
    if (precision < 13) {
        unsigned cut = (unsigned)(13 - precision) * 4;
        uint64_t rest = mantissa & ((UINT64_C(1) << cut) - 1), half = UINT64_C(1) << (cut - 1);
        mantissa >>= cut;
        mantissa += rest > half || (rest == half && (mantissa & 1) != 0);
        digits = precision;
        if (mantissa >> (4 * digits) > 1) {
            mantissa >>= 1;
            exponent++;
        }
    } else if (precision == SHORTEST) {
        for (; digits > 0 && (mantissa & 15) == 0; digits--) {
            mantissa >>= 4;
        }
    }
    const char *alphabet = letter == 'x' ? "0123456789abcdef" : "0123456789ABCDEF";
    oxp_buf_append_format(out, "0%c%c", letter, size == 0 ? '0' : '1');
    oxp_buf_append_text(out, digits != 0 || (precision != SHORTEST && precision != 0) ? "." : "");
    for (size_t i = digits; i > 0; i--) {
        oxp_buf_append_char(out, alphabet[mantissa >> (4 * (i - 1)) & 15]);
    }
    for (size_t i = 13; precision != SHORTEST && i < precision && oxp_buf_status(out) == OXP_OK; i++) {
        oxp_buf_append_char(out, '0');
    }
    oxp_buf_append_format(out, "%c%c%02d", letter == 'x' ? 'p' : 'P', exponent < 0 ? '-' : '+', abs(exponent));
}

/* %b: the mantissa as a whole number: 4503599627370496p-52. */
static void put_binary(struct oxp_buf *out, double size) {
    uint64_t bits = 0;
    memcpy(&bits, &size, sizeof bits);
    uint64_t fraction = bits & ((UINT64_C(1) << 52) - 1);
    int biased = (int)(bits >> 52 & 0x7ff), exponent = (biased == 0 ? 1 : biased) - 1075;
    oxp_buf_append_u64(out, biased == 0 ? fraction : fraction | UINT64_C(1) << 52);
    oxp_buf_append_format(out, "p%c%d", exponent < 0 ? '-' : '+', abs(exponent));
}

/* ---- Flags ---- */

/* The # flag: a point in any case, and for %g zeros up to the precision (6 when it has none). */
static void sharpen(struct oxp_buf *number, char verb, size_t precision) {
    struct oxp_buf made;
    struct oxp_view text = oxp_buf_view(number);
    bool counts = verb == 'v' || verb == 'g' || verb == 'G' || verb == 'x', point = false, seen = false;
    long digits = !counts ? 0 : precision == SHORTEST ? 6 : (long)precision;
    const char *tails = verb == 'x' || verb == 'X' ? "pP" : "eEpP";
    size_t end = 0;
    for (; end < text.len && strchr(tails, text.ptr[end]) == NULL; end++) {
        point = point || text.ptr[end] == '.';
        seen = seen || (text.ptr[end] != '0' && text.ptr[end] != '.');
        digits -= seen && text.ptr[end] != '.';
    }
    oxp_buf_init(&made, number->cap);
    oxp_buf_append(&made, text.ptr, end);
    if (!point) {
        digits -= end == 1 && text.ptr[0] == '0';
        oxp_buf_append_char(&made, '.');
    }
    for (; digits > 0 && oxp_buf_status(&made) == OXP_OK; digits--) {
        oxp_buf_append_char(&made, '0');
    }
    oxp_buf_append(&made, text.ptr + end, text.len - end);
    oxp_buf_fini(number);
    *number = made;
}

static void put_size(struct oxp_buf *number, double size, char verb, size_t precision) {
    if (isnan(size)) {
        oxp_buf_append_text(number, "NaN");
    } else if (isinf(size)) {
        oxp_buf_append_text(number, "Inf");
    } else if (verb == 'x' || verb == 'X') {
        put_hexadecimal(number, size, verb, precision);
    } else if (verb == 'b') {
        put_binary(number, size);
    } else if (precision == SHORTEST) {
        put_shortest(number, size, verb == 'G' ? 'E' : 'e');
    } else {
        put_rounded(number, size, verb, precision);
    }
}

void oxp_tpl_print_float(struct oxp_buf *out, const struct oxp_tpl_spec *spec, double value, char verb) {
    struct oxp_buf number;
    bool minus = signbit(value) != 0 && !isnan(value), finite = isfinite(value);
    size_t precision = spec->has_precision                                        ? spec->precision
                       : verb == 'e' || verb == 'E' || verb == 'f' || verb == 'F' ? 6
                                                                                  : SHORTEST;
    char kind = verb;
    if (verb == 'v' || verb == 'F') {
        kind = verb == 'v' ? 'g' : 'f';
    }
    oxp_buf_init(&number, OXP_TEMPLATE_OUTPUT_MAX);
    put_size(&number, fabs(value), kind, precision);
    if (spec->sharp && verb != 'b' && finite) {
        char form = 'v';
        if (verb != 'v') {
            form = kind;
        }
        sharpen(&number, form, precision);
    }
    char sign = '\0';
    if (minus) {
        sign = '-';
    } else if (spec->plus || (!spec->space && isinf(value))) {
        sign = '+';
    } else if (spec->space) {
        sign = ' ';
    }
    struct oxp_view text = oxp_buf_view(&number);
    bool zero = spec->zero && finite;
    if (oxp_buf_status(&number) != OXP_OK) {
        oxp_tpl_spoil(out, oxp_buf_status(&number));
    } else if (sign != '\0' && zero && !spec->minus && spec->has_width && spec->width > text.len + 1) {
        struct oxp_tpl_spec inner = *spec; /* the sign in front of the zeros */
        inner.width--;
        oxp_buf_append_char(out, sign);
        oxp_tpl_pad(out, &inner, text, true);
    } else if (sign != '\0') {
        struct oxp_buf with_sign;
        oxp_buf_init(&with_sign, 0);
        oxp_buf_append_char(&with_sign, sign);
        oxp_buf_append_view(&with_sign, text);
        oxp_tpl_spoil(out, oxp_buf_status(&with_sign));
        oxp_tpl_pad(out, spec, oxp_buf_view(&with_sign), zero);
        oxp_buf_fini(&with_sign);
    } else {
        oxp_tpl_pad(out, spec, text, zero);
    }
    oxp_buf_fini(&number);
}

void oxp_tpl_print_four(struct oxp_buf *out, double value) {
    static const struct oxp_tpl_spec four = {.has_precision = true, .precision = 4};
    oxp_tpl_print_float(out, &four, value, 'g');
}

void oxp_template_print_float(struct oxp_buf *out, double value) {
    static const struct oxp_tpl_spec plain = {.plus = false};
    oxp_tpl_print_float(out, &plain, value, 'v');
}
