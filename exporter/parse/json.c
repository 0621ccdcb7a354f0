#include "exporter/parse/json.h"

#include "lib/base/number.h"
#include "lib/base/utf8.h"

#include <math.h>

__attribute__((cold, noinline)) bool oxp_parse_fail(struct oxp_parse *json, const char *at, const char *fault) {
    json->fault = fault;
    json->fault_at = at;
    return false;
}

bool oxp_parse_literal(struct oxp_parse *json, const char *word) {
    size_t len = strlen(word);
    if ((size_t)(json->end - json->pos) < len || memcmp(json->pos, word, len) != 0) {
        return oxp_parse_fail(json, json->pos, "expected a value");
    }
    json->pos += len;
    return true;
}

/* ---- Strings (section 7) ---- */

static inline bool is_stop(char c) {
    return c == '"' || c == '\\' || (unsigned char)c < 0x20;
}

/* The first special byte from `p` on, or the end. */
static inline const char *first_special(const struct oxp_parse *json, const char *p) {
    while (OXP_PARSE_LIKELY(json->end - p >= 16)) {
        oxp_parse_lanes lanes = oxp_parse_special(p);
        if ((lanes[0] | lanes[1]) != 0) {
            return p + oxp_parse_first_lane(lanes);
        }
        p += 16;
    }
    while (p != json->end && !is_stop(*p) && (unsigned char)*p < 0x7f) {
        p++;
    }
    return p;
}

/* Moves to the first quote, backslash or control character, or to the end. True when DEL or a byte past ASCII was
 * passed. */
static inline bool plain_run(struct oxp_parse *json) {
    const char *p = first_special(json, json->pos);
    bool odd = p != json->end && (unsigned char)*p >= 0x7f;
    if (odd) {
        while (p != json->end && !is_stop(*p)) {
            p++;
        }
    }
    json->pos = p;
    return odd;
}

static int hex_digit(char c) {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    char low = (char)(c | 0x20);
    return low >= 'a' && low <= 'f' ? low - 'a' + 10 : -1;
}

/* The four hex digits at `p`, or -1. */
static int32_t hex4(const char *p, const char *end) {
    if (end - p < 4) {
        return -1;
    }
    int32_t value = 0;
    for (int i = 0; i < 4; i++) {
        int digit = hex_digit(p[i]);
        if (digit < 0) {
            return -1;
        }
        value = value * 16 + digit;
    }
    return value;
}

static bool is_high_surrogate(int32_t unit) {
    return unit >= 0xd800 && unit <= 0xdbff;
}

static bool is_low_surrogate(int32_t unit) {
    return unit >= 0xdc00 && unit <= 0xdfff;
}

/* Checks the escape at `pos` (a backslash) and moves behind it; a pair of surrogates is one. */
static bool escape(struct oxp_parse *json) {
    const char *at = json->pos;
    char c = '\0';
    if (json->end - at >= 2) {
        c = at[1];
    }
    if (c != 'u') {
        if (c == '\0' || strchr("\"\\/bfnrt", c) == NULL) {
            return oxp_parse_fail(json, at, "not an escape sequence");
        }
        json->pos = at + 2;
        return true;
    }
    int32_t unit = hex4(at + 2, json->end);
    if (unit < 0) {
        return oxp_parse_fail(json, at, "\\u needs four hex digits");
    }
    json->pos = at + 6;
    if (is_high_surrogate(unit)) {
        bool paired =
            json->end - at >= 12 && at[6] == '\\' && at[7] == 'u' && is_low_surrogate(hex4(at + 8, json->end));
        if (!paired) {
            return oxp_parse_fail(json, at, "a surrogate without its other half");
        }
        json->pos = at + 12;
    }
    return is_low_surrogate(unit) ? oxp_parse_fail(json, at, "a surrogate without its other half") : true;
}

__attribute__((cold, noinline)) static bool string_fault(struct oxp_parse *json) {
    return oxp_parse_fail(json, json->pos,
                          json->pos == json->end ? "a string is not closed" : "a control character in a string");
}

bool oxp_parse_string_slow(struct oxp_parse *json, struct oxp_parse_string *string_out) {
    if (oxp_parse_peek(json) != '"') {
        return oxp_parse_fail(json, json->pos,
                              json->pos == json->end ? "the line ends too early" : "expected a string");
    }
    const char *start = ++json->pos;
    bool odd = plain_run(json);
    bool escaped = false;
    while (!OXP_PARSE_LIKELY(json->pos != json->end && *json->pos == '"')) {
        if (json->pos == json->end || *json->pos != '\\') {
            return string_fault(json);
        }
        escaped = true;
        if (!escape(json)) {
            return false;
        }
        odd |= plain_run(json);
    }
    string_out->raw = oxp_view_of(start, (size_t)(json->pos - start));
    string_out->escaped = escaped;
    string_out->odd = odd;
    json->pos++;
    if (!OXP_PARSE_LIKELY(!odd)) {
        size_t valid = oxp_utf8_valid_prefix(string_out->raw);
        if (valid != string_out->raw.len) {
            return oxp_parse_fail(json, start + valid, "not UTF-8");
        }
    }
    return true;
}

size_t oxp_parse_unescape(struct oxp_view raw, char *out) {
    static const char meanings[][2] = {{'b', '\b'}, {'f', '\f'}, {'n', '\n'}, {'r', '\r'}, {'t', '\t'}};
    const char *p = raw.ptr;
    const char *end = raw.ptr + raw.len;
    size_t len = 0;
    while (p != end) {
        if (*p != '\\') {
            out[len++] = *p++;
            continue;
        }
        if (p[1] == 'u') {
            uint32_t unit = (uint32_t)hex4(p + 2, end);
            p += 6;
            if (is_high_surrogate((int32_t)unit)) {
                unit = 0x10000 + ((unit - 0xd800) << 10) + ((uint32_t)hex4(p + 2, end) - 0xdc00);
                p += 6;
            }
            len += oxp_utf8_encode(unit, out + len);
            continue;
        }
        char c = p[1];
        for (size_t i = 0; i < sizeof meanings / sizeof meanings[0]; i++) {
            if (p[1] == meanings[i][0]) {
                c = meanings[i][1];
            }
        }
        out[len++] = c;
        p += 2;
    }
    return len;
}

/* ---- Numbers (section 6) ---- */

struct digits {
    uint64_t mantissa;
    unsigned count; /* digits in it, leading zeros apart; more than 19 and it has overflowed */
    int exponent;
};

static inline const char *take_digits(const char *p, const char *end, struct digits *digits) {
    const char *first = p;
    uint64_t mantissa = digits->mantissa; /* in a register, not in memory at each digit */
    for (; p != end && (unsigned char)(*p - '0') <= 9; p++) {
        mantissa = mantissa * 10 + (unsigned char)(*p - '0');
    }
    digits->mantissa = mantissa;
    while (digits->count == 0 && first != p && *first == '0') {
        first++;
    }
    digits->count += (unsigned)(p - first);
    return p;
}

static const char *take_exponent(const char *p, const char *end, int *exponent) {
    bool negative = p != end && *p == '-';
    if (p != end && (*p == '-' || *p == '+')) {
        p++;
    }
    int value = 0;
    const char *start = p;
    for (; p != end && *p >= '0' && *p <= '9'; p++) {
        value = value > 9999 ? value : value * 10 + (*p - '0');
    }
    *exponent += negative ? -value : value;
    return p == start ? NULL : p;
}

/* Both operands are exact, so the one operation rounds correctly (W. Clinger, "How to read floating point numbers
 * accurately", 1990); what is not so simple goes to the general reader. */
static double value_of(struct oxp_view text, const struct digits *digits) {
    static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                    1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    if (OXP_PARSE_LIKELY(digits->count <= 19 && digits->mantissa <= UINT64_C(1) << 53 && digits->exponent >= -22 &&
                         digits->exponent <= 22)) {
        double value = (double)digits->mantissa;
        value = digits->exponent < 0 ? value / powers[-digits->exponent] : value * powers[digits->exponent];
        return text.ptr[0] == '-' ? -value : value;
    }
    double value = 0;
    enum oxp_status status = oxp_number_parse_json(text, &value);
    if (status != OXP_OK) {
        value = text.ptr[0] == '-' ? -INFINITY : INFINITY;
    }
    return value;
}

/* Moves over the grammar of a number and gathers its digits. */
static bool number_text(struct oxp_parse *json, struct digits *digits, bool *plain_out) {
    const char *p = json->pos;
    const char *end = json->end;
    bool negative = p != end && *p == '-';
    p += negative;
    const char *start = p;
    p = take_digits(p, end, digits);
    if (p == start) {
        return oxp_parse_fail(json, p, negative ? "expected a digit" : "expected a value");
    }
    if (*start == '0' && p - start > 1) {
        return oxp_parse_fail(json, start, "a number may not begin with 0");
    }
    bool plain = !negative;
    if (p != end && *p == '.') {
        plain = false;
        start = ++p;
        p = take_digits(p, end, digits);
        if (p == start) {
            return oxp_parse_fail(json, p, "expected a digit");
        }
        digits->exponent = (int)(start - p);
    }
    if (p != end && (*p == 'e' || *p == 'E')) {
        plain = false;
        const char *after = take_exponent(p + 1, end, &digits->exponent);
        if (after == NULL) {
            return oxp_parse_fail(json, p, "an exponent without digits");
        }
        p = after;
    }
    json->pos = p;
    *plain_out = plain;
    return true;
}

bool oxp_parse_number(struct oxp_parse *json, struct oxp_parse_number *number_out) {
    struct digits digits = {0, 0, 0};
    const char *start = json->pos;
    bool plain = false;
    if (!number_text(json, &digits, &plain)) {
        return false;
    }
    number_out->text = oxp_view_of(start, (size_t)(json->pos - start));
    number_out->value = value_of(number_out->text, &digits);
    number_out->whole = digits.mantissa;
    number_out->is_whole = plain && digits.count <= 19;
    return true;
}

/* ---- Any value ---- */

/* The objects and arrays that are open: a stack of bits, the innermost last. */
struct nest {
    uint32_t objects; /* 1 = an object, 0 = an array */
    unsigned level;
};
_Static_assert(OXP_PARSE_DEPTH_MAX <= 32, "one bit for each level");

static bool skip_scalar(struct oxp_parse *json) {
    struct oxp_parse_string string;
    struct digits digits = {0, 0, 0};
    bool plain;
    switch (oxp_parse_peek(json)) {
    case '"':
        return oxp_parse_string(json, &string);
    case 't':
        return oxp_parse_literal(json, "true");
    case 'f':
        return oxp_parse_literal(json, "false");
    case 'n':
        return oxp_parse_literal(json, "null");
    default:
        return number_text(json, &digits, &plain);
    }
}

/* In an object, moves over the name and the colon in front of a value. */
static bool skip_name(struct oxp_parse *json, const struct nest *nest) {
    struct oxp_parse_string key;
    return (nest->objects & 1) == 0 || (oxp_parse_string(json, &key) && oxp_parse_sign(json, ':', "expected ':'"));
}

/* Moves over the innermost closing bracket when it is next. */
static bool closes(struct oxp_parse *json, struct nest *nest) {
    oxp_parse_space(json);
    if (oxp_parse_peek(json) != ((nest->objects & 1) != 0 ? '}' : ']')) {
        return false;
    }
    json->pos++;
    nest->objects >>= 1;
    nest->level--;
    return true;
}

/* Moves over what stands behind a value, up to the next one; nest->level is 0 when there is none. */
static bool skip_to_next(struct oxp_parse *json, struct nest *nest) {
    while (nest->level > 0 && closes(json, nest)) {
    }
    if (nest->level == 0) {
        return true;
    }
    const char *fault = (nest->objects & 1) != 0 ? "expected ',' or '}'" : "expected ',' or ']'";
    return oxp_parse_sign(json, ',', fault) && skip_name(json, nest);
}

bool oxp_parse_skip(struct oxp_parse *json, unsigned depth) {
    struct nest nest = {0, 0};
    do {
        char c = oxp_parse_peek(json);
        if (c != '{' && c != '[') {
            if (!skip_scalar(json) || !skip_to_next(json, &nest)) {
                return false;
            }
            continue;
        }
        if (depth + nest.level >= OXP_PARSE_DEPTH_MAX) {
            return oxp_parse_fail(json, json->pos, "nested too deep");
        }
        json->pos++;
        nest.objects = nest.objects << 1 | (c == '{');
        nest.level++;
        bool next = closes(json, &nest) ? skip_to_next(json, &nest) : skip_name(json, &nest);
        if (!next) {
            return false;
        }
    } while (nest.level > 0);
    return true;
}
