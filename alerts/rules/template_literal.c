/* Numbers, characters and strings as Go's strconv reads them. */
#include "lib/base/number.h"

#include "alerts/rules/template_tree.h"
#include "lib/base/ascii.h"
#include <math.h>
#include <stdio.h>

#define FAULT_MAX 160

/* ---- Escapes ---- */

static int digit_of(char c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : 99;
}

/* `count` digits to a base; false when there are fewer. */
static bool take_code(struct oxp_view *text, size_t count, int base, uint32_t *code_out) {
    if (text->len < count) {
        return false;
    }
    uint32_t code = 0;
    for (size_t i = 0; i < count; i++) {
        int digit = digit_of(text->ptr[i]);
        if (digit >= base) {
            return false;
        }
        code = code * (uint32_t)base + (uint32_t)digit;
    }
    *text = oxp_view_of(text->ptr + count, text->len - count);
    *code_out = code;
    return true;
}

/* What is behind a backslash; strconv.UnquoteChar. */
static bool take_escape(struct oxp_view *text, char quote, uint32_t *code_out) {
    static const char letters[] = "abfnrtv\\", meanings[] = "\a\b\f\n\r\t\v\\";
    if (text->len == 0) {
        return false;
    }
    char letter = text->ptr[0];
    const char *known = letter == '\0' ? NULL : strchr(letters, letter);
    if (letter >= '0' && letter <= '7') {
        return take_code(text, 3, 8, code_out) && *code_out <= 255;
    }
    *text = oxp_view_of(text->ptr + 1, text->len - 1);
    if (known != NULL || letter == quote) {
        *code_out = known != NULL ? (uint32_t)meanings[known - letters] : (uint32_t)quote;
        return true;
    }
    size_t digits = letter == 'x' ? 2 : letter == 'u' ? 4 : letter == 'U' ? 8 : 0;
    if (digits == 0 || !take_code(text, digits, 16, code_out)) {
        return false;
    }
    return digits == 2 || (*code_out <= 0x10ffff && (*code_out < 0xd800 || *code_out > 0xdfff));
}

bool oxp_tpl_is_quoted(struct oxp_view text) {
    if (text.len < 2 || text.ptr[0] != text.ptr[text.len - 1]) {
        return false;
    }
    struct oxp_view inner = oxp_view_of(text.ptr + 1, text.len - 2);
    if (text.ptr[0] == '`') {
        return true;
    }
    while (inner.len != 0) {
        char c = inner.ptr[0];
        uint32_t code = 0;
        inner = oxp_view_of(inner.ptr + 1, inner.len - 1);
        if (c == '\n' || c == '"' || (c == '\\' && !take_escape(&inner, '"', &code))) {
            return false;
        }
    }
    return true;
}

/* ---- Characters ---- */

static bool read_character(struct oxp_view text, struct oxp_tpl_number *number, char *fault) {
    struct oxp_view inner = oxp_view_of(text.ptr + 1, text.len - 1);
    uint32_t code = 0;
    bool good = inner.len != 0 && inner.ptr[0] != '\'';
    if (good && inner.ptr[0] == '\\') {
        inner = oxp_view_of(inner.ptr + 1, inner.len - 1);
        good = take_escape(&inner, '\'', &code);
    } else if (good) {
        code = oxp_tpl_take_rune(&inner);
    }
    if (!good) {
        snprintf(fault, FAULT_MAX, "invalid syntax");
        return false;
    }
    if (!oxp_view_is(inner, "'")) {
        snprintf(fault, FAULT_MAX, "malformed character constant: %.*s", (int)(text.len > 80 ? 80 : text.len),
                 text.ptr);
        return false;
    }
    number->is_int = number->is_uint = number->is_float = true;
    number->as_int = code;
    number->as_uint = code;
    number->as_float = code;
    return true;
}

/* ---- Floats ---- */

enum oxp_status oxp_tpl_read_float(struct oxp_view text, double *number_out) {
    char plain[FAULT_MAX]; /* without the underscores that may stand between digits */
    size_t length = 0;
    bool sign = text.len > 1 && (text.ptr[0] == '+' || text.ptr[0] == '-');
    if (text.len == 0 || (sign && (text.ptr[1] == 'n' || text.ptr[1] == 'N'))) { /* a NaN has no sign */
        return OXP_ERR_SYNTAX;
    }
    if (memchr(text.ptr, '_', text.len) != NULL) {
        for (size_t i = 0; i < text.len; i++) {
            bool between = i > 0 && i + 1 < text.len && oxp_is_digit(text.ptr[i - 1]) && oxp_is_digit(text.ptr[i + 1]);
            if ((text.ptr[i] == '_' && !between) || length == sizeof plain) {
                return OXP_ERR_SYNTAX;
            }
            plain[length] = text.ptr[i];
            length += text.ptr[i] != '_';
        }
        text = oxp_view_of(plain, length);
    }
    bool digits = oxp_is_digit(text.ptr[sign]) || text.ptr[sign] == '.';
    enum oxp_status status = oxp_number_parse_exposition(text, number_out);
    return status == OXP_OK && digits && isinf(*number_out) ? OXP_ERR_RANGE : status;
}

/* ---- Numbers ---- */

/* Digits of a number that names its base (0x, 0o, 0b, a 0 in front, else decimal), underscores between digits.
 * strconv.ParseUint with base 0. */
static bool read_uint(struct oxp_view text, uint64_t *value_out) {
    int base = 10;
    size_t at = 0;
    bool digit_seen = false, after_underscore = false;
    if (text.len > 1 && text.ptr[0] == '0') {
        char c = (char)(text.ptr[1] | 0x20);
        base = c == 'x' ? 16 : c == 'b' ? 2 : 8;
        at = c == 'x' || c == 'b' || c == 'o' ? 2 : 1;
        digit_seen = true; /* an underscore may stand behind the base, though a digit must follow */
    }
    size_t first = at;
    *value_out = 0;
    for (; at < text.len; at++) {
        if (text.ptr[at] == '_') {
            if (!digit_seen || after_underscore) {
                return false;
            }
            after_underscore = true;
            continue;
        }
        int digit = digit_of(text.ptr[at]);
        if (digit >= base || __builtin_mul_overflow(*value_out, (uint64_t)base, value_out) ||
            __builtin_add_overflow(*value_out, (uint64_t)digit, value_out)) {
            return false;
        }
        digit_seen = true;
        after_underscore = false;
    }
    return at > first && !after_underscore;
}

static void read_integers(struct oxp_view text, struct oxp_tpl_number *number) {
    bool sign = text.len > 1 && (text.ptr[0] == '-' || text.ptr[0] == '+'), minus = sign && text.ptr[0] == '-';
    uint64_t size = 0;
    if (!read_uint(sign ? oxp_view_of(text.ptr + 1, text.len - 1) : text, &size)) {
        return;
    }
    number->is_uint = !sign || size == 0;
    number->as_uint = size;
    number->is_int = size <= (uint64_t)INT64_MAX + (minus ? 1 : 0);
    number->as_int = minus ? (int64_t)(0 - size) : (int64_t)size;
    number->is_float = number->is_int || number->is_uint;
    number->as_float = number->is_int ? (double)number->as_int : (double)size;
}

bool oxp_tpl_read_number(struct oxp_view text, bool character, struct oxp_tpl_number *number_out, char *fault) {
    const double two_63 = 9223372036854775808.0;
    *number_out = (struct oxp_tpl_number){.text = text};
    if (character) {
        return read_character(text, number_out, fault);
    }
    int shown = (int)(text.len > 80 ? 80 : text.len);
    bool hexadecimal = memchr(text.ptr, 'x', text.len) != NULL || memchr(text.ptr, 'X', text.len) != NULL;
    if (text.ptr[text.len - 1] == 'i') {
        snprintf(fault, FAULT_MAX, "complex numbers are not supported: \"%.*s\"", shown, text.ptr);
        return false;
    }
    read_integers(text, number_out);
    bool pointed = false;
    for (size_t i = 0; !hexadecimal && i < text.len; i++) {
        pointed = pointed || strchr(".eE", text.ptr[i]) != NULL;
    }
    number_out->written_float = pointed;
    if (number_out->is_float) {
        return true;
    }
    double value = 0;
    if (hexadecimal || oxp_tpl_read_float(text, &value) != OXP_OK || !isfinite(value)) {
        snprintf(fault, FAULT_MAX, "illegal number syntax: \"%.*s\"", shown, text.ptr);
        return false;
    }
    if (!pointed) {
        snprintf(fault, FAULT_MAX, "integer overflow: \"%.*s\"", shown, text.ptr);
        return false;
    }
    number_out->is_float = true;
    number_out->as_float = value;
    number_out->is_int = value >= -two_63 && value < two_63 && (double)(int64_t)value == value;
    number_out->as_int = number_out->is_int ? (int64_t)value : 0;
    number_out->is_uint = value >= 0 && value < two_63 * 2 && (double)(uint64_t)value == value;
    number_out->as_uint = number_out->is_uint ? (uint64_t)value : 0;
    return true;
}
