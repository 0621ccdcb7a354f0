/* Numbers and strings of PromQL: how far they reach and what they are worth. */
#include <math.h>
#include <string.h>

#include "alerts/promql/lexer.h"
#include "lib/base/number.h"
#include "lib/base/utf8.h"

/* ---- Scanning a number ---- */

static const char DECIMAL[] = "0123456789";
static const char HEXADECIMAL[] = "0123456789abcdefABCDEF";

static bool is_one_of(struct oxp_view text, uint32_t pos, const char *set) {
    return pos < text.len && text.ptr[pos] != '\0' && strchr(set, text.ptr[pos]) != NULL;
}

static bool accept(struct oxp_view text, uint32_t *pos, const char *set) {
    if (!is_one_of(text, *pos, set)) {
        return false;
    }
    ++*pos;
    return true;
}

static bool is_word_byte(char c) {
    return c == '_' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

struct number_scan {
    const char *digits;
    bool dot, exponent; /* seen */
};

/* One step over what may follow a number's first digit. False: not a number. */
static bool scan_step(struct oxp_view text, uint32_t *pos, struct number_scan *seen) {
    if (accept(text, pos, ".")) {
        bool fault = seen->dot || accept(text, pos, "_.") || seen->digits == HEXADECIMAL;
        seen->dot = true;
        return !fault;
    }
    if (accept(text, pos, "eE")) { /* before the digits: a hexadecimal `e` is seen as one, too, as in Prometheus */
        if (seen->exponent) {
            return false;
        }
        seen->exponent = true;
        accept(text, pos, "+-");
        return !accept(text, pos, "._eE") && *pos < text.len;
    }
    if (accept(text, pos, "_")) {
        return !accept(text, pos, "._eE") && *pos < text.len;
    }
    while (accept(text, pos, seen->digits)) {
    }
    return true;
}

bool oxp_literal_scan_number(struct oxp_view text, uint32_t *pos) {
    uint32_t start = *pos;
    struct number_scan seen = {.digits = DECIMAL};
    if (accept(text, pos, "0") && accept(text, pos, "xX")) {
        accept(text, pos, "_");
        seen.digits = HEXADECIMAL;
    }
    accept(text, pos, ".");
    accept(text, pos, seen.digits);
    while (is_one_of(text, *pos, seen.digits) || is_one_of(text, *pos, "._eE")) {
        if (!scan_step(text, pos, &seen)) {
            return false;
        }
    }
    return *pos != start && (*pos == text.len || !is_word_byte(text.ptr[*pos]));
}

/* ---- The value of a number ---- */

static int digit_value(int c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : 16;
}

/* Go's rule: an underscore stands between digits, or between the base's prefix and a digit. */
static bool underscores_ok(struct oxp_view text) {
    bool prefixed = text.len >= 2 && text.ptr[0] == '0' && (text.ptr[1] == 'x' || text.ptr[1] == 'X');
    enum { DIGIT, UNDERSCORE, OTHER } before = prefixed ? DIGIT : OTHER;
    for (size_t i = prefixed ? 2 : 0; i < text.len; i++) {
        char c = text.ptr[i];
        bool digit = prefixed ? digit_value(c) < 16 : c >= '0' && c <= '9';
        if ((c == '_' && before != DIGIT) || (c != '_' && !digit && before == UNDERSCORE)) {
            return false;
        }
        before = c == '_' ? UNDERSCORE : digit ? DIGIT : OTHER;
    }
    return before != UNDERSCORE;
}

/* Go's strconv.ParseInt with base 0: false when it is no integer or does not fit. */
static bool read_integer(struct oxp_view digits, double *value_out) {
    int base = 10;
    size_t at = 0;
    int64_t value = 0;
    if (digits.len >= 2 && digits.ptr[0] == '0') {
        base = digits.ptr[1] == 'x' || digits.ptr[1] == 'X' ? 16 : 8;
        at = base == 16 ? 2 : 1;
    }
    if (at == digits.len) {
        return false;
    }
    for (; at < digits.len; at++) {
        int digit = digit_value(digits.ptr[at]);
        if (digit >= base || __builtin_mul_overflow(value, base, &value) ||
            __builtin_add_overflow(value, digit, &value)) {
            return false;
        }
    }
    *value_out = (double)value;
    return true;
}

enum oxp_status oxp_literal_number(struct oxp_view text, double *value_out) {
    char plain[512]; /* without underscores */
    struct oxp_view digits = text;
    if (text.len != 0 && memchr(text.ptr, '_', text.len) != NULL) {
        if (!underscores_ok(text) || text.len > sizeof plain) {
            return OXP_ERR_SYNTAX;
        }
        digits = oxp_view_of(plain, 0);
        for (size_t i = 0; i < text.len; i++) {
            if (text.ptr[i] != '_') {
                plain[digits.len++] = text.ptr[i];
            }
        }
    }
    if (read_integer(digits, value_out)) {
        return OXP_OK;
    }
    enum oxp_status status = oxp_number_parse_exposition(digits, value_out);
    bool written_infinite = digits.len != 0 && (digits.ptr[0] == 'i' || digits.ptr[0] == 'I');
    return status == OXP_OK && isinf(*value_out) && !written_infinite ? OXP_ERR_RANGE : status;
}

/* ---- Strings ---- */

/* The number of `count` digits at `at`. */
static uint32_t read_code(const char *at, size_t count, uint32_t base) {
    uint32_t value = 0;
    for (size_t i = 0; i < count; i++) {
        value = value * base + (uint32_t)digit_value(at[i]);
    }
    return value;
}

/* Resolves the escape whose letter is at `*at`, moves `*at` behind it, writes 1 to 4 bytes and gives their number. */
static size_t resolve_escape(const char **at, char out[4]) {
    static const char letters[] = "abfnrtv", meanings[] = "\a\b\f\n\r\t\v";
    char letter = *(*at)++;
    const char *known = strchr(letters, letter);
    size_t digits = letter == 'x' ? 2 : letter == 'u' ? 4 : letter == 'U' ? 8 : 0;
    if (letter != '\0' && known != NULL) {
        out[0] = meanings[known - letters];
        return 1;
    }
    if (letter >= '0' && letter <= '7') {
        out[0] = (char)(unsigned char)read_code(*at - 1, 3, 8);
        *at += 2;
        return 1;
    }
    if (digits == 0) { /* a backslash or a quote */
        out[0] = letter;
        return 1;
    }
    uint32_t code = read_code(*at, digits, 16);
    *at += digits;
    if (letter == 'x') { /* a byte, whatever it is */
        out[0] = (char)(unsigned char)code;
        return 1;
    }
    return oxp_utf8_encode(code, out);
}

struct oxp_view oxp_literal_unquote(struct oxp_arena *arena, struct oxp_view text) {
    struct oxp_view inner = oxp_view_of(text.ptr + 1, text.len - 2);
    if (text.ptr[0] == '`' || inner.len == 0 || memchr(inner.ptr, '\\', inner.len) == NULL) {
        return oxp_arena_copy(arena, inner);
    }
    char *bytes = oxp_arena_take(arena, inner.len + 1); /* what an escape means is never longer than the escape */
    size_t len = 0;
    if (bytes == NULL) {
        return oxp_view_of(NULL, 0);
    }
    for (const char *at = inner.ptr, *end = inner.ptr + inner.len; at < end;) {
        if (*at != '\\') {
            bytes[len++] = *at++;
            continue;
        }
        at++;
        char out[4];
        size_t size = resolve_escape(&at, out);
        memcpy(bytes + len, out, size);
        len += size;
    }
    bytes[len] = '\0';
    return oxp_view_of(bytes, len);
}
