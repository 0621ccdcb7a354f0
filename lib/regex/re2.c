/* The translator walks the pattern once, checks what RE2 (Go's regexp/syntax, flags Perl) would check, and writes every
 * item in a form that has one meaning in PCRE2. Where both agree the item is copied; where they differ:
 *
 *   \s \S        without the vertical tab, as RE2
 *   \v           the vertical tab, not a class
 *   \123 \x1F    written as \x{...}
 *   \Q...\E      written as escaped letters
 *   {            that begins no repetition is a letter, and is escaped
 *   [ ... ]      every member that is not a letter or digit is written as \x{...}
 *   (?<n> (?P<n> both are named groups
 */
#include "lib/regex/re2.h"

#include "lib/base/ascii.h"
#include "lib/base/cursor.h"
#include "lib/base/utf8.h"

struct translator {
    struct oxp_cursor in;
    struct oxp_buf *out;
    struct oxp_error *error;
    const char *group_at[OXP_RE2_DEPTH];
    size_t product[OXP_RE2_DEPTH + 1]; /* the largest product of repetitions inside each open group */
    size_t depth;
    size_t last_product; /* of the item that a repetition would apply to */
    bool repeatable;     /* there is such an item */
    bool alone;          /* nothing stands around the pattern */
};

static enum oxp_status fail_at(struct translator *t, enum oxp_status status, const char *at, const char *text) {
    const char *end = t->in.end;
    int shown = end - at > 24 ? 24 : (int)(end - at);
    return oxp_error_set(t->error, status, 1, (unsigned)(at - t->in.start) + 1, "%s: `%.*s`", text, shown, at);
}

/* A parenthesis without its like: Go shows the whole pattern, which behind what Prometheus puts around it says little.
 */
static enum oxp_status fail_paren(struct translator *t, const char *at, const char *text) {
    struct oxp_view whole = oxp_view_of(t->in.start, (size_t)(t->in.end - t->in.start));
    if (!t->alone || whole.len > 128) {
        return fail_at(t, OXP_ERR_SYNTAX, at, text);
    }
    return oxp_error_set(t->error, OXP_ERR_SYNTAX, 1, (unsigned)(at - t->in.start) + 1, "%s: `%.*s`", text,
                         (int)whole.len, whole.ptr);
}

static bool is_word(int c) {
    return oxp_is_digit(c) || oxp_is_letter(c) || c == '_';
}

static int hex_of(int c) {
    return oxp_is_digit(c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static void put_code_point(struct translator *t, uint32_t c) {
    if (c < 128 && is_word((int)c)) {
        oxp_buf_append_char(t->out, (char)c);
    } else {
        oxp_buf_append_format(t->out, "\\x{%x}", (unsigned)c);
    }
}

/* One character of valid UTF-8. */
static uint32_t take_code_point(struct translator *t) {
    unsigned first = (unsigned)oxp_cursor_next(&t->in);
    unsigned more = first < 0xc0 ? 0 : first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3;
    uint32_t c = more == 0 ? first : first & (0x3fu >> more);
    for (; more > 0; more--) {
        c = c << 6 | ((unsigned)oxp_cursor_next(&t->in) & 0x3fu);
    }
    return c;
}

/* ---- Escapes ---- */

enum escape { ESCAPE_CHAR, ESCAPE_CLASS, ESCAPE_ASSERTION, ESCAPE_QUOTE };

/* \x7F and \x{10FFFF}; the cursor is behind the x. */
static enum oxp_status take_hex(struct translator *t, const char *at, uint32_t *c_out) {
    uint32_t c = 0;
    if (oxp_cursor_take_char(&t->in, '{')) {
        unsigned digits = 0;
        for (int h; (h = hex_of(oxp_cursor_peek(&t->in))) >= 0; digits++) {
            c = c * 16 + (uint32_t)h;
            oxp_cursor_next(&t->in);
            if (c > 0x10ffff) {
                return fail_at(t, OXP_ERR_SYNTAX, at, "invalid escape sequence");
            }
        }
        if (digits == 0 || !oxp_cursor_take_char(&t->in, '}')) {
            return fail_at(t, OXP_ERR_SYNTAX, at, "invalid escape sequence");
        }
    } else {
        for (int i = 0; i < 2; i++) {
            int h = hex_of(oxp_cursor_peek(&t->in));
            if (h < 0) {
                return fail_at(t, OXP_ERR_SYNTAX, at, "invalid escape sequence");
            }
            c = c * 16 + (uint32_t)h;
            oxp_cursor_next(&t->in);
        }
    }
    *c_out = c;
    return c >= 0xd800 && c < 0xe000 ? fail_at(t, OXP_ERR_SYNTAX, at, "invalid escape sequence") : OXP_OK;
}

/* \p{Greek}, \PL …; the cursor is on the p. */
static enum oxp_status put_property(struct translator *t, const char *at) {
    oxp_buf_append_char(t->out, '\\');
    oxp_buf_append_char(t->out, (char)oxp_cursor_next(&t->in));
    if (oxp_cursor_take_char(&t->in, '{')) {
        oxp_buf_append_char(t->out, '{');
        int c = 0;
        while ((c = oxp_cursor_peek(&t->in)) == '^' || is_word(c)) {
            oxp_buf_append_char(t->out, (char)oxp_cursor_next(&t->in));
        }
        if (!oxp_cursor_take_char(&t->in, '}')) {
            return fail_at(t, OXP_ERR_SYNTAX, at, "invalid character class range");
        }
        oxp_buf_append_char(t->out, '}');
        return OXP_OK;
    }
    if (!oxp_is_letter(oxp_cursor_peek(&t->in))) {
        return fail_at(t, OXP_ERR_SYNTAX, at, "invalid character class range");
    }
    oxp_buf_append_char(t->out, (char)oxp_cursor_next(&t->in));
    return OXP_OK;
}

/* What \d, \s … are, outside and inside of brackets. */
static const struct {
    char letter;
    const char *outside, *inside;
} classes[] = {
    {'d', "[0-9]", "0-9"},
    {'D', "[^0-9]", "\\x{0}-\\x{2f}\\x{3a}-\\x{10ffff}"},
    {'s', "[\\t\\n\\f\\r ]", "\\t\\n\\f\\r\\x{20}"},
    {'S', "[^\\t\\n\\f\\r ]", "\\x{0}-\\x{8}\\x{b}\\x{e}-\\x{1f}\\x{21}-\\x{10ffff}"},
    {'w', "[0-9A-Za-z_]", "0-9A-Za-z_"},
    {'W', "[^0-9A-Za-z_]", "\\x{0}-\\x{2f}\\x{3a}-\\x{40}\\x{5b}-\\x{5e}\\x{60}\\x{7b}-\\x{10ffff}"},
};

static bool put_class(struct translator *t, int letter, bool inside) {
    for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++) {
        if (classes[i].letter == letter) {
            oxp_buf_append_text(t->out, inside ? classes[i].inside : classes[i].outside);
            return true;
        }
    }
    return false;
}

/* An escape that stands for one character; the cursor is behind the backslash. */
static enum oxp_status take_escaped(struct translator *t, const char *at, uint32_t *c_out) {
    static const struct {
        char letter, meaning;
    } controls[] = {{'a', 7}, {'f', 12}, {'t', 9}, {'n', 10}, {'r', 13}, {'v', 11}};
    int c = oxp_cursor_peek(&t->in);
    if (c < 0) {
        return fail_at(t, OXP_ERR_SYNTAX, at, "trailing backslash at end of expression");
    }
    if (c == 'x') {
        oxp_cursor_next(&t->in);
        return take_hex(t, at, c_out);
    }
    bool octal = c == '0' ||
                 (c >= '1' && c <= '7' && oxp_cursor_peek_at(&t->in, 1) >= '0' && oxp_cursor_peek_at(&t->in, 1) <= '7');
    if (octal) {
        uint32_t value = 0;
        for (int i = 0; i < 3 && oxp_cursor_peek(&t->in) >= '0' && oxp_cursor_peek(&t->in) <= '7'; i++) {
            value = value * 8 + (uint32_t)(oxp_cursor_next(&t->in) - '0');
        }
        *c_out = value;
        return OXP_OK;
    }
    for (size_t i = 0; i < sizeof controls / sizeof controls[0]; i++) {
        if (controls[i].letter == c) {
            oxp_cursor_next(&t->in);
            *c_out = (uint32_t)controls[i].meaning;
            return OXP_OK;
        }
    }
    if (c >= 128 || oxp_is_digit(c) || oxp_is_letter(c)) {
        bool reference = oxp_is_digit(c) || c == 'g' || c == 'k';
        return fail_at(t, reference ? OXP_ERR_UNSUPPORTED : OXP_ERR_SYNTAX, at,
                       reference ? "invalid escape sequence (no backreferences in RE2)" : "invalid escape sequence");
    }
    oxp_cursor_next(&t->in);
    *c_out = (uint32_t)c;
    return OXP_OK;
}

/* An escape outside of brackets. */
static enum oxp_status translate_escape(struct translator *t) {
    const char *at = t->in.pos;
    oxp_cursor_next(&t->in);
    int c = oxp_cursor_peek(&t->in);
    t->repeatable = true;
    t->last_product = 1;
    if (c == 'A' || c == 'z' || c == 'b' || c == 'B') {
        oxp_cursor_next(&t->in);
        oxp_buf_append_char(t->out, '\\');
        oxp_buf_append_char(t->out, (char)c);
        return OXP_OK;
    }
    if (c == 'p' || c == 'P') {
        return put_property(t, at);
    }
    if (c == 'Q') {
        oxp_cursor_next(&t->in);
        while (!oxp_cursor_take(&t->in, OXP_VIEW("\\E"))) {
            if (oxp_cursor_at_end(&t->in)) { /* Go allows it, but not within what Prometheus puts around a pattern */
                return t->alone ? OXP_OK : fail_at(t, OXP_ERR_SYNTAX, at, "missing \\E");
            }
            put_code_point(t, take_code_point(t));
        }
        return OXP_OK;
    }
    if (c > 0 && put_class(t, c, false)) {
        oxp_cursor_next(&t->in);
        return OXP_OK;
    }
    uint32_t code_point = 0;
    enum oxp_status status = take_escaped(t, at, &code_point);
    if (status == OXP_OK) {
        put_code_point(t, code_point);
    }
    return status;
}

/* ---- Brackets ---- */

/* [:alpha:] and [:^alpha:], which both have; true when there was one. */
static enum oxp_status take_posix(struct translator *t, bool *taken_out) {
    static const char *const names[] = {"alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph",
                                        "lower", "print", "punct", "space", "upper", "word",  "xdigit"};
    const char *at = t->in.pos;
    struct oxp_view rest = oxp_view_of(at, (size_t)(t->in.end - at));
    const char *close = rest.len < 4 ? NULL : memmem(at + 2, rest.len - 2, ":]", 2);
    *taken_out = false;
    if (!oxp_view_starts(rest, OXP_VIEW("[:")) || close == NULL) {
        return OXP_OK; /* the bracket is a letter */
    }
    struct oxp_view name = oxp_view_of(at + 2, (size_t)(close - at) - 2);
    bool negated = name.len != 0 && name.ptr[0] == '^';
    name = negated ? oxp_view_of(name.ptr + 1, name.len - 1) : name;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (oxp_view_is(name, names[i])) {
            oxp_buf_append_format(t->out, "[:%s%s:]", negated ? "^" : "", names[i]);
            while (t->in.pos < close + 2) {
                oxp_cursor_next(&t->in);
            }
            *taken_out = true;
            return OXP_OK;
        }
    }
    return fail_at(t, OXP_ERR_SYNTAX, at, "invalid character class range");
}

/* One end of a range, or a single member. */
static enum oxp_status take_member(struct translator *t, const char *open, uint32_t *c_out) {
    if (oxp_cursor_at_end(&t->in)) {
        return fail_at(t, OXP_ERR_SYNTAX, open, "missing closing ]");
    }
    const char *at = t->in.pos;
    if (oxp_cursor_take_char(&t->in, '\\')) {
        return take_escaped(t, at, c_out);
    }
    *c_out = take_code_point(t);
    return OXP_OK;
}

/* A member, a range or a class within brackets. */
static enum oxp_status translate_member(struct translator *t, const char *open) {
    const char *at = t->in.pos;
    bool taken = false;
    enum oxp_status status = take_posix(t, &taken);
    if (status != OXP_OK || taken) {
        return status;
    }
    if (oxp_cursor_peek(&t->in) == '\\') {
        int c = oxp_cursor_peek_at(&t->in, 1);
        if (c == 'p' || c == 'P') {
            oxp_cursor_next(&t->in);
            return put_property(t, at);
        }
        if (c > 0 && put_class(t, c, true)) {
            oxp_cursor_next(&t->in);
            oxp_cursor_next(&t->in);
            return OXP_OK;
        }
    }
    uint32_t low = 0, high = 0;
    status = take_member(t, open, &low);
    if (status != OXP_OK) {
        return status;
    }
    put_code_point(t, low);
    int behind = oxp_cursor_peek_at(&t->in, 1);
    if (oxp_cursor_peek(&t->in) == '-' && behind >= 0 && behind != ']') {
        oxp_cursor_next(&t->in);
        status = take_member(t, open, &high);
        if (status == OXP_OK && high < low) {
            status = fail_at(t, OXP_ERR_SYNTAX, at, "invalid character class range");
        }
        oxp_buf_append_char(t->out, '-');
        put_code_point(t, high);
    }
    return status;
}

static enum oxp_status translate_brackets(struct translator *t) {
    const char *open = t->in.pos;
    oxp_cursor_next(&t->in);
    oxp_buf_append_char(t->out, '[');
    if (oxp_cursor_take_char(&t->in, '^')) {
        oxp_buf_append_char(t->out, '^');
    }
    enum oxp_status status = OXP_OK;
    bool first = true; /* a ] that stands first is a letter */
    while (status == OXP_OK && (first || oxp_cursor_peek(&t->in) != ']')) {
        if (oxp_cursor_at_end(&t->in)) {
            return fail_at(t, OXP_ERR_SYNTAX, open, "missing closing ]");
        }
        first = false;
        status = translate_member(t, open);
    }
    oxp_cursor_next(&t->in);
    oxp_buf_append_char(t->out, ']');
    t->repeatable = true;
    t->last_product = 1;
    return status;
}

/* ---- Groups ---- */

/* (?i), (?i:, (?-s) …: letters of i m s U with at most one minus. */
static enum oxp_status translate_flags(struct translator *t, const char *open) {
    bool minus = false, any = false;
    oxp_buf_append_text(t->out, "(?");
    for (int c; (c = oxp_cursor_next(&t->in)) >= 0;) {
        if (c == 'i' || c == 'm' || c == 's' || c == 'U') {
            any = true;
        } else if (c == '-' && !minus) {
            minus = true;
            any = false;
        } else if ((c == ':' || c == ')') && (any || !minus)) {
            oxp_buf_append_char(t->out, (char)c);
            if (c == ')') {
                t->depth--; /* no group after all */
                t->repeatable = false;
            }
            return OXP_OK;
        } else {
            break;
        }
        oxp_buf_append_char(t->out, (char)c);
    }
    return fail_at(t, OXP_ERR_UNSUPPORTED, open, "invalid or unsupported Perl syntax");
}

static enum oxp_status translate_open(struct translator *t) {
    const char *open = t->in.pos;
    if (t->depth == OXP_RE2_DEPTH) {
        return fail_at(t, OXP_ERR_LIMIT, open, "expression nests too deeply");
    }
    t->group_at[t->depth] = open;
    t->product[++t->depth] = 1;
    oxp_cursor_next(&t->in);
    t->repeatable = false;
    if (!oxp_cursor_take_char(&t->in, '?')) {
        oxp_buf_append_char(t->out, '(');
        return OXP_OK;
    }
    int c = oxp_cursor_peek(&t->in), next = oxp_cursor_peek_at(&t->in, 1);
    bool named = (c == 'P' && next == '<') || (c == '<' && next != '=' && next != '!');
    if (!named) {
        return translate_flags(t, open);
    }
    while (oxp_cursor_next(&t->in) != '<') {
    }
    oxp_buf_append_text(t->out, "(?<");
    size_t length = 0;
    for (; is_word(oxp_cursor_peek(&t->in)) && length < 32; length++) {
        oxp_buf_append_char(t->out, (char)oxp_cursor_next(&t->in));
    }
    if (length == 0 || !oxp_cursor_take_char(&t->in, '>')) {
        return fail_at(t, OXP_ERR_SYNTAX, open, "invalid named capture");
    }
    oxp_buf_append_char(t->out, '>');
    return OXP_OK;
}

static enum oxp_status translate_close(struct translator *t) {
    if (t->depth == 0) {
        return fail_paren(t, t->in.pos, "unexpected )");
    }
    oxp_cursor_next(&t->in);
    oxp_buf_append_char(t->out, ')');
    t->last_product = t->product[t->depth--];
    if (t->last_product > t->product[t->depth]) { /* it counts for what is around the group, too */
        t->product[t->depth] = t->last_product;
    }
    t->repeatable = true;
    return OXP_OK;
}

/* ---- Repetitions ---- */

/* {n}, {n,} or {n,m}: false when it is none, and the brace is a letter. */
static bool take_counts(struct oxp_cursor *in, size_t *least_out, size_t *most_out, bool *open_out) {
    struct oxp_cursor try = *in;
    size_t number[2] = {0, 0};
    int given = 0;
    oxp_cursor_next(&try);
    *open_out = false;
    for (int i = 0; i < 2; i++) {
        size_t digits = 0;
        for (; oxp_is_digit(oxp_cursor_peek(&try)); digits++) {
            int digit = oxp_cursor_next(&try) - '0';
            number[i] = number[i] > OXP_RE2_REPEAT_MAX ? number[i] : number[i] * 10 + (size_t)digit;
        }
        given += digits != 0;
        if (i == 0 && digits == 0) {
            return false;
        }
        if (i == 0 && !oxp_cursor_take_char(&try, ',')) {
            number[1] = number[0];
            break;
        }
        *open_out = i == 1 && digits == 0;
    }
    if (given == 0 || !oxp_cursor_take_char(&try, '}')) {
        return false;
    }
    *least_out = number[0];
    *most_out = *open_out ? number[0] : number[1];
    *in = try;
    return true;
}

static enum oxp_status translate_repeat(struct translator *t) {
    const char *at = t->in.pos;
    int c = oxp_cursor_peek(&t->in);
    size_t least = 0, most = 0;
    bool open = false;
    if (c == '{' && !take_counts(&t->in, &least, &most, &open)) {
        oxp_cursor_next(&t->in);
        oxp_buf_append_text(t->out, "\\{");
        t->repeatable = true;
        t->last_product = 1;
        return OXP_OK;
    }
    if (!t->repeatable) {
        return fail_at(t, OXP_ERR_SYNTAX, at, "missing argument to repetition operator");
    }
    if (c == '{') {
        size_t product = t->last_product * (most > least ? most : least);
        if (most < least || product > OXP_RE2_REPEAT_MAX || least > OXP_RE2_REPEAT_MAX) {
            return fail_at(t, OXP_ERR_SYNTAX, at, "invalid repeat count");
        }
        t->last_product = product == 0 ? 1 : product;
        oxp_buf_append(t->out, at, (size_t)(t->in.pos - at));
    } else {
        oxp_cursor_next(&t->in);
        oxp_buf_append_char(t->out, (char)c);
    }
    if (oxp_cursor_take_char(&t->in, '?')) {
        oxp_buf_append_char(t->out, '?');
    }
    struct oxp_cursor ahead = t->in;
    int next = oxp_cursor_peek(&t->in);
    if (next == '*' || next == '+' || next == '?' ||
        (next == '{' && take_counts(&ahead, &least, &most, &open))) { /* also what PCRE2 calls possessive */
        return fail_at(t, OXP_ERR_SYNTAX, at, "invalid nested repetition operator");
    }
    if (t->last_product > t->product[t->depth]) {
        t->product[t->depth] = t->last_product;
    }
    return OXP_OK;
}

static enum oxp_status translate_item(struct translator *t) {
    int c = oxp_cursor_peek(&t->in);
    switch (c) {
    case '\\':
        return translate_escape(t);
    case '[':
        return translate_brackets(t);
    case '(':
        return translate_open(t);
    case ')':
        return translate_close(t);
    case '*':
    case '+':
    case '?':
    case '{':
        return translate_repeat(t);
    case '|':
        oxp_cursor_next(&t->in);
        oxp_buf_append_char(t->out, '|');
        t->repeatable = false;
        return OXP_OK;
    case '.':
    case '^':
    case '$':
        oxp_cursor_next(&t->in);
        oxp_buf_append_char(t->out, (char)c);
        break;
    default:
        put_code_point(t, take_code_point(t));
    }
    t->repeatable = true;
    t->last_product = 1;
    return OXP_OK;
}

enum oxp_status oxp_re2_translate(struct oxp_view pattern, bool alone, struct oxp_buf *out, struct oxp_error *error) {
    struct translator t = {.in = oxp_cursor_over(pattern), .out = out, .error = error, .alone = alone};
    t.product[0] = 1;
    if (pattern.len > OXP_RE2_PATTERN_MAX) {
        return oxp_error_set(error, OXP_ERR_LIMIT, 1, 1, "the pattern is longer than %d bytes", OXP_RE2_PATTERN_MAX);
    }
    size_t valid = oxp_utf8_valid_prefix(pattern);
    if (valid != pattern.len) {
        return oxp_error_set(error, OXP_ERR_SYNTAX, 1, (unsigned)valid + 1, "invalid UTF-8");
    }
    enum oxp_status status = OXP_OK;
    while (status == OXP_OK && !oxp_cursor_at_end(&t.in)) {
        status = translate_item(&t);
    }
    if (status == OXP_OK && t.depth != 0) {
        status = fail_paren(&t, t.group_at[t.depth - 1], "missing closing )");
    }
    return status != OXP_OK ? status : oxp_buf_status(out);
}
