#include "lib/exposition/bound.h"

#include <math.h>
#include <stdlib.h>

/* The shortest digits of a number, without zeros at either end: 0.d1d2d3… * 10^point. */
struct digits {
    char text[OXP_NUMBER_MAX];
    size_t count;
    int point;
};

/* Takes apart what number.c wrote, whichever layout it chose. */
static struct digits split(const char *text, size_t len) {
    struct digits digits = {.count = 0};
    bool behind_point = false;
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        if (c == 'e') {
            int exponent = 0;
            for (size_t j = i + 2; j < len; j++) {
                exponent = exponent * 10 + (text[j] - '0');
            }
            digits.point += text[i + 1] == '-' ? -exponent : exponent;
            break;
        }
        if (c == '.') {
            behind_point = true;
        } else if (c >= '0' && c <= '9') {
            bool leading = c == '0' && digits.count == 0;
            digits.point += behind_point ? (leading ? -1 : 0) : !leading;
            if (!leading) {
                digits.text[digits.count++] = c;
            }
        }
    }
    while (digits.count > 1 && digits.text[digits.count - 1] == '0') {
        digits.count--;
    }
    return digits;
}

/* d.ddde±xx, at least two digits of exponent */
static size_t write_exponential(char *out, const struct digits *digits, bool negative) {
    char *to = out;
    if (negative) {
        *to++ = '-';
    }
    *to++ = digits->text[0];
    if (digits->count > 1) {
        *to++ = '.';
        memcpy(to, digits->text + 1, digits->count - 1);
        to += digits->count - 1;
    }
    int exponent = digits->point - 1;
    *to++ = 'e';
    *to++ = exponent < 0 ? '-' : '+';
    if (abs(exponent) < 10) {
        *to++ = '0';
    }
    return (size_t)(to - out) + oxp_number_from_u64(to, (uint64_t)abs(exponent));
}

size_t oxp_bound_text(char out[OXP_NUMBER_MAX], double bound) {
    /* strconv.FormatFloat(f, 'g', -1, 64): an exponent below 1e-4 and from 1e6 on */
    if (!isfinite(bound) || bound == 0 || (fabs(bound) >= 1e-4 && fabs(bound) < 1e6)) {
        return oxp_number_from_double_canonical(out, bound);
    }
    char text[OXP_NUMBER_MAX], room[2 * OXP_NUMBER_MAX];
    struct digits digits = split(text, oxp_number_from_double(text, bound));
    size_t len = write_exponential(room, &digits, bound < 0);
    memcpy(out, room, len);
    return len;
}
