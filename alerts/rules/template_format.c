/* Go's fmt: Sprint, Sprintln, Sprintf, with its words for what does not fit (%!d(string=x), %!s(MISSING), …).
 *
 * Where Go prints the address of a sample (in a list of them, or with %p) the sample itself is printed: an address says
 * nothing, and an annotation that changes with every evaluation is of no use. */
#include "alerts/rules/template_run.h"
#include <stdio.h>

/* ---- Padding and quoting ---- */

static size_t rune_count(struct oxp_view text) {
    size_t count = 0;
    for (; text.len != 0; count++) {
        oxp_tpl_take_rune(&text);
    }
    return count;
}

static void repeat(struct oxp_buf *out, char c, size_t count) {
    if (count > OXP_TEMPLATE_OUTPUT_MAX) {
        oxp_tpl_spoil(out, OXP_ERR_LIMIT);
    }
    for (; count > 0 && oxp_buf_status(out) == OXP_OK; count--) {
        oxp_buf_append_char(out, c);
    }
}

void oxp_tpl_pad(struct oxp_buf *out, const struct oxp_tpl_spec *spec, struct oxp_view text, bool zero) {
    size_t length = spec->has_width ? rune_count(text) : 0;
    size_t fill = spec->has_width && spec->width > length ? spec->width - length : 0;
    if (!spec->minus) {
        repeat(out, zero ? '0' : ' ', fill);
    }
    oxp_buf_append_view(out, text);
    if (spec->minus) {
        repeat(out, ' ', fill);
    }
}

/* One character within quotes. */
static void quote_rune(struct oxp_buf *out, uint32_t c, char quote, bool ascii) {
    static const char letters[] = "abfnrtv", meanings[] = "\a\b\f\n\r\t\v";
    const char *known = c == 0 || c > 127 ? NULL : strchr(meanings, (int)c);
    if (c == (uint32_t)quote || c == '\\') {
        oxp_buf_append_char(out, '\\');
        oxp_buf_append_char(out, (char)c);
    } else if (c < 128 ? c >= ' ' && c < 127 : !ascii && oxp_tpl_is_print(c)) {
        oxp_tpl_put_rune(out, c);
    } else if (known != NULL) {
        oxp_buf_append_char(out, '\\');
        oxp_buf_append_char(out, letters[known - meanings]);
    } else if (c < ' ' || c == 127) {
        oxp_buf_append_format(out, "\\x%02x", (unsigned)c);
    } else {
        oxp_buf_append_format(out, c < 0x10000 ? "\\u%04x" : "\\U%08x", (unsigned)c);
    }
}

void oxp_tpl_quote(struct oxp_buf *out, struct oxp_view text, char quote, bool ascii) {
    oxp_buf_append_char(out, quote);
    while (text.len != 0) {
        unsigned char lead = (unsigned char)text.ptr[0];
        size_t before = text.len;
        uint32_t c = oxp_tpl_take_rune(&text);
        if (c == 0xfffd && before - text.len == 1) { /* no UTF-8 */
            oxp_buf_append_format(out, "\\x%02x", lead);
        } else {
            quote_rune(out, c, quote, ascii);
        }
    }
    oxp_buf_append_char(out, quote);
}

/* Makes the buffer's text padded output, and ends the buffer. */
static void pad_made(struct oxp_tpl_printer *printer, struct oxp_buf *made, bool zero) {
    oxp_tpl_spoil(printer->out, oxp_buf_status(made));
    oxp_tpl_pad(printer->out, &printer->spec, oxp_buf_view(made), zero);
    oxp_buf_fini(made);
}

static bool pads_zero(const struct oxp_tpl_printer *printer) {
    return printer->spec.zero && !printer->spec.minus;
}

/* ---- Strings ---- */

static struct oxp_view cut(const struct oxp_tpl_printer *printer, struct oxp_view text) {
    struct oxp_view rest = text;
    if (!printer->spec.has_precision) {
        return text;
    }
    for (size_t i = 0; i < printer->spec.precision && rest.len != 0; i++) {
        oxp_tpl_take_rune(&rest);
    }
    return oxp_view_of(text.ptr, text.len - rest.len);
}

static void put_string(struct oxp_tpl_printer *printer, struct oxp_view text) {
    oxp_tpl_pad(printer->out, &printer->spec, cut(printer, text), pads_zero(printer));
}

static bool can_backquote(struct oxp_view text) {
    while (text.len != 0) {
        size_t before = text.len;
        uint32_t c = oxp_tpl_take_rune(&text);
        bool broken = c == 0xfffd && before - text.len == 1;
        if (broken || c == 0xfeff || (c < ' ' && c != '\t') || c == '`' || c == 127) {
            return false;
        }
    }
    return true;
}

static void put_quoted(struct oxp_tpl_printer *printer, struct oxp_view text) {
    struct oxp_buf made;
    oxp_buf_init(&made, 0);
    text = cut(printer, text);
    if (printer->spec.sharp && can_backquote(text)) {
        oxp_buf_append_char(&made, '`');
        oxp_buf_append_view(&made, text);
        oxp_buf_append_char(&made, '`');
    } else {
        oxp_tpl_quote(&made, text, '"', printer->spec.plus);
    }
    pad_made(printer, &made, pads_zero(printer));
}

/* %x of a string: two digits for each byte. */
static void put_bytes(struct oxp_tpl_printer *printer, struct oxp_view text, bool upper) {
    const struct oxp_tpl_spec *spec = &printer->spec;
    struct oxp_buf made;
    oxp_buf_init(&made, 0);
    size_t length = spec->has_precision && spec->precision < text.len ? spec->precision : text.len;
    for (size_t i = 0; i < length; i++) {
        if (i > 0 && spec->space) {
            oxp_buf_append_char(&made, ' ');
        }
        if (spec->sharp && (i == 0 || spec->space)) {
            oxp_buf_append_text(&made, upper ? "0X" : "0x");
        }
        oxp_buf_append_format(&made, upper ? "%02X" : "%02x", (unsigned char)text.ptr[i]);
    }
    pad_made(printer, &made, pads_zero(printer));
}

/* ---- Integers ---- */

static void put_rune(struct oxp_tpl_printer *printer, uint64_t number, bool quoted) {
    struct oxp_buf made;
    uint32_t c = number > 0x10ffff || (number >= 0xd800 && number <= 0xdfff) ? 0xfffd : (uint32_t)number;
    oxp_buf_init(&made, 0);
    if (quoted) {
        oxp_buf_append_char(&made, '\'');
        quote_rune(&made, c, '\'', printer->spec.plus);
        oxp_buf_append_char(&made, '\'');
    } else {
        oxp_tpl_put_rune(&made, c);
    }
    pad_made(printer, &made, pads_zero(printer));
}

/* %U: U+0041, with # and its character. */
static void put_unicode(struct oxp_tpl_printer *printer, uint64_t number) {
    struct oxp_buf made;
    char digits[24];
    oxp_buf_init(&made, OXP_TEMPLATE_OUTPUT_MAX);
    size_t count = (size_t)snprintf(digits, sizeof digits, "%llX", (unsigned long long)number);
    size_t precision = printer->spec.has_precision && printer->spec.precision > 4 ? printer->spec.precision : 4;
    oxp_buf_append_text(&made, "U+");
    repeat(&made, '0', precision > count ? precision - count : 0);
    oxp_buf_append_text(&made, digits);
    if (printer->spec.sharp && number <= 0x10ffff && oxp_tpl_is_print((uint32_t)number)) {
        oxp_buf_append_text(&made, " '");
        oxp_tpl_put_rune(&made, (uint32_t)number);
        oxp_buf_append_char(&made, '\'');
    }
    pad_made(printer, &made, false);
}

/* The digits of a number to a base; the length. `digits` has room for 64. */
static size_t to_base(uint64_t number, unsigned base, bool upper, char digits[64]) {
    const char *alphabet = upper ? "0123456789ABCDEF" : "0123456789abcdef";
    char reversed[64];
    size_t count = 0;
    do {
        reversed[count++] = alphabet[number % base];
        number /= base;
    } while (number != 0);
    for (size_t i = 0; i < count; i++) {
        digits[i] = reversed[count - 1 - i];
    }
    return count;
}

static void put_number(struct oxp_tpl_printer *printer, uint64_t size, bool negative, char verb) {
    const struct oxp_tpl_spec *spec = &printer->spec;
    unsigned base = verb == 'b' ? 2 : verb == 'o' || verb == 'O' ? 8 : verb == 'x' || verb == 'X' ? 16 : 10;
    bool sign = negative || spec->plus || spec->space;
    char digits[64];
    size_t count = to_base(size, base, verb == 'X', digits), least = 0;
    struct oxp_buf made;
    oxp_buf_init(&made, OXP_TEMPLATE_OUTPUT_MAX);
    if (spec->has_precision && spec->precision == 0 && size == 0) { /* nothing but padding */
        pad_made(printer, &made, false);
        return;
    }
    if (spec->has_precision) {
        least = spec->precision;
    } else if (pads_zero(printer) && spec->has_width) {
        least = spec->width - (sign && spec->width > 0);
    }
    oxp_buf_append_text(&made, negative ? "-" : spec->plus ? "+" : spec->space ? " " : "");
    oxp_buf_append_text(&made, verb == 'O' ? "0o" : "");
    bool zero_leads = digits[0] == '0' || least > count;
    oxp_buf_append_text(&made, !spec->sharp                ? ""
                               : base == 2                 ? "0b"
                               : base == 8 && !zero_leads  ? "0"
                               : base == 16 && verb == 'X' ? "0X"
                               : base == 16                ? "0x"
                                                           : "");
    repeat(&made, '0', least > count ? least - count : 0);
    oxp_buf_append(&made, digits, count);
    pad_made(printer, &made, false);
}

static bool put_integer(struct oxp_tpl_printer *printer, const struct oxp_tpl_value *value, uint32_t verb) {
    bool negative = value->integer < 0;
    uint64_t size = negative ? 0 - (uint64_t)value->integer : (uint64_t)value->integer;
    switch (verb) {
    case 'v':
        if (printer->spec.sharp_v && oxp_tpl_kind_of(value) == OXP_TPL_K_UINT) {
            oxp_buf_append_format(printer->out, "0x%llx", (unsigned long long)size);
            return true;
        }
        put_number(printer, size, negative, 'd');
        return true;
    case 'd':
    case 'b':
    case 'o':
    case 'O':
    case 'x':
    case 'X':
        put_number(printer, size, negative, (char)verb);
        return true;
    case 'c':
    case 'q':
        put_rune(printer, (uint64_t)value->integer, verb == 'q');
        return true;
    case 'U':
        put_unicode(printer, (uint64_t)value->integer);
        return true;
    default:
        return false;
    }
}

/* ---- Values ---- */

static void put_value(struct oxp_tpl_printer *printer, const struct oxp_tpl_value *value, uint32_t verb, int depth);

/* %!d(string=x) */
static void put_bad(struct oxp_tpl_printer *printer, // NOLINT(misc-no-recursion): values nest OXP_TPL_ARGS_DEPTH deep
                    const struct oxp_tpl_value *value, uint32_t verb) {
    oxp_buf_append_text(printer->out, "%!");
    oxp_tpl_put_rune(printer->out, verb);
    oxp_buf_append_char(printer->out, '(');
    oxp_buf_append_text(printer->out, oxp_tpl_type_name(value));
    if (value->type != OXP_TPL_V_NONE) {
        oxp_buf_append_char(printer->out, '=');
        printer->erroring = true;
        put_value(printer, value, 'v', 0);
        printer->erroring = false;
    }
    oxp_buf_append_char(printer->out, ')');
}

static bool put_text(struct oxp_tpl_printer *printer, struct oxp_view text, uint32_t verb) {
    switch (verb) {
    case 'v':
        if (printer->spec.sharp_v) {
            put_quoted(printer, text);
            return true;
        }
        put_string(printer, text);
        return true;
    case 's':
        put_string(printer, text);
        return true;
    case 'q':
        put_quoted(printer, text);
        return true;
    case 'x':
    case 'X':
        put_bytes(printer, text, verb == 'X');
        return true;
    default:
        return false;
    }
}

/* Times, durations, months and weekdays have a String method, which these verbs use. */
static bool put_stringer(struct oxp_tpl_printer *printer, const struct oxp_tpl_value *value, uint32_t verb) {
    struct oxp_tpl_value inner = oxp_tpl_indirect(value);
    bool time = inner.type == OXP_TPL_V_TIME;
    struct oxp_buf text;
    if ((!time && inner.type != OXP_TPL_V_DURATION && inner.type != OXP_TPL_V_MONTH &&
         inner.type != OXP_TPL_V_WEEKDAY) ||
        ((printer->erroring || strchr("vsxXq", (int)verb) == NULL) && !time &&
         oxp_tpl_kind_of(value) != OXP_TPL_K_POINTER)) {
        return false;
    }
    oxp_buf_init(&text, 0);
    if (time) {
        oxp_tpl_print_time(&text, inner.time);
    } else if (inner.type == OXP_TPL_V_DURATION) {
        oxp_tpl_print_duration(&text, inner.integer);
    } else {
        oxp_buf_append_text(&text, inner.type == OXP_TPL_V_MONTH ? oxp_tpl_month_name(inner.integer)
                                                                 : oxp_tpl_weekday_name(inner.integer));
    }
    oxp_tpl_spoil(printer->out, oxp_buf_status(&text));
    bool good = put_text(printer, oxp_buf_view(&text), verb > 127 || strchr("vsxXq", (int)verb) == NULL ? 'v' : verb);
    oxp_buf_fini(&text);
    return good;
}

static void put_map(struct oxp_tpl_printer *printer, // NOLINT(misc-no-recursion): values nest OXP_TPL_ARGS_DEPTH deep
                    const struct oxp_tpl_value *value, uint32_t verb, int depth) {
    bool go = printer->spec.sharp_v;
    char room[32];
    struct oxp_view key;
    oxp_buf_append_text(printer->out, go ? oxp_tpl_type_name(value) : "map");
    oxp_buf_append_char(printer->out, go ? '{' : '[');
    for (size_t i = 0; oxp_buf_status(printer->out) == OXP_OK && oxp_tpl_key(value, i, room, &key); i++) {
        struct oxp_tpl_value name = oxp_tpl_of_text(key), element = oxp_tpl_element(value, key);
        oxp_buf_append_text(printer->out, i == 0 ? "" : go ? ", " : " ");
        put_value(printer, &name, verb, depth + 1);
        oxp_buf_append_char(printer->out, ':');
        put_value(printer, &element, verb, depth + 1);
    }
    oxp_buf_append_char(printer->out, go ? '}' : ']');
}

static void put_list(struct oxp_tpl_printer *printer, // NOLINT(misc-no-recursion): values nest OXP_TPL_ARGS_DEPTH deep
                     const struct oxp_tpl_value *value, uint32_t verb, int depth) {
    bool go = printer->spec.sharp_v;
    oxp_buf_append_text(printer->out, go ? oxp_tpl_type_name(value) : "");
    oxp_buf_append_char(printer->out, go ? '{' : '[');
    for (size_t i = 0; oxp_buf_status(printer->out) == OXP_OK && i < oxp_tpl_length(value); i++) {
        struct oxp_tpl_value element = oxp_tpl_at(value, i);
        oxp_buf_append_text(printer->out, i == 0 ? "" : go ? ", " : " ");
        put_value(printer, &element, verb, depth + 1);
    }
    oxp_buf_append_char(printer->out, go ? '}' : ']');
}

static void
put_struct(struct oxp_tpl_printer *printer, // NOLINT(misc-no-recursion): values nest OXP_TPL_ARGS_DEPTH deep
           const struct oxp_tpl_value *value, uint32_t verb, int depth) {
    bool go = printer->spec.sharp_v;
    const char *const *names;
    size_t count = oxp_tpl_fields(value, &names);
    oxp_buf_append_text(printer->out, go ? oxp_tpl_type_name(value) : "");
    oxp_buf_append_char(printer->out, '{');
    for (size_t i = 0; i < count; i++) {
        struct oxp_tpl_value field;
        oxp_buf_append_text(printer->out, i == 0 ? "" : go ? ", " : " ");
        if (go || printer->spec.plus_v) {
            oxp_buf_append_text(printer->out, names[i]);
            oxp_buf_append_char(printer->out, ':');
        }
        oxp_tpl_field(printer->run, value, oxp_view_from(names[i]), &field);
        put_value(printer, &field, verb, depth + 1);
    }
    oxp_buf_append_char(printer->out, '}');
}

static void put_nil(struct oxp_tpl_printer *printer, // NOLINT(misc-no-recursion): values nest OXP_TPL_ARGS_DEPTH deep
                    uint32_t verb, int depth) {
    struct oxp_tpl_value nil = {.type = OXP_TPL_V_NONE};
    if (verb == 'v' || verb == 'T' || depth > 0) {
        oxp_tpl_pad(printer->out,
                    &(struct oxp_tpl_spec){.has_width = printer->spec.has_width && depth == 0,
                                           .width = printer->spec.width,
                                           .minus = printer->spec.minus},
                    OXP_VIEW("<nil>"), pads_zero(printer));
    } else {
        put_bad(printer, &nil, verb);
    }
}

static bool put_basic(struct oxp_tpl_printer *printer, const struct oxp_tpl_value *value, uint32_t verb) {
    switch (oxp_tpl_kind_of(value)) {
    case OXP_TPL_K_BOOL:
        if (verb == 't' || verb == 'v') {
            oxp_tpl_pad(printer->out, &printer->spec, value->truth ? OXP_VIEW("true") : OXP_VIEW("false"),
                        pads_zero(printer));
            return true;
        }
        return false;
    case OXP_TPL_K_INT:
    case OXP_TPL_K_UINT:
        return put_integer(printer, value, verb);
    case OXP_TPL_K_FLOAT:
        if (verb < 128 && strchr("vbgGxXfFeE", (int)verb) != NULL) {
            oxp_tpl_print_float(printer->out, &printer->spec, value->number, (char)verb);
            return true;
        }
        return false;
    default:
        return put_text(printer, value->text, verb);
    }
}

static void put_value(struct oxp_tpl_printer *printer, // NOLINT(misc-no-recursion): values nest OXP_TPL_ARGS_DEPTH deep
                      const struct oxp_tpl_value *value, uint32_t verb, int depth) {
    struct oxp_tpl_value inner = oxp_tpl_indirect(value);
    if (verb < 128 && verb != 0 && put_stringer(printer, value, verb)) {
        return;
    }
    switch (oxp_tpl_kind_of(value)) {
    case OXP_TPL_K_INVALID:
        put_nil(printer, verb, depth);
        break;
    case OXP_TPL_K_MAP:
        put_map(printer, value, verb, depth);
        break;
    case OXP_TPL_K_SLICE:
        put_list(printer, value, verb, depth);
        break;
    case OXP_TPL_K_STRUCT:
        put_struct(printer, value, verb, depth);
        break;
    case OXP_TPL_K_POINTER:
        if (oxp_tpl_kind_of(&inner) == OXP_TPL_K_POINTER) { /* nil */
            put_nil(printer, 'v', depth);
            break;
        }
        oxp_buf_append_text(printer->out, depth == 0 ? "&" : "");
        put_value(printer, &inner, verb, depth + 1);
        break;
    default:
        if (!put_basic(printer, value, verb)) {
            put_bad(printer, value, verb);
        }
    }
}

void oxp_tpl_put_argument(struct oxp_tpl_printer *printer, const struct oxp_tpl_value *value, uint32_t verb) {
    if (value->type != OXP_TPL_V_NONE && verb == 'T') {
        put_string(printer, oxp_view_from(oxp_tpl_type_name(value)));
    } else {
        put_value(printer, value, verb, 0);
    }
}

/* ---- Sprint, Sprintln ---- */

void oxp_tpl_print(struct oxp_buf *out, const struct oxp_tpl_run *run, const struct oxp_tpl_value *args, size_t count,
                   bool line) {
    struct oxp_tpl_printer printer = {.out = out, .run = run};
    bool string_before = false;
    for (size_t i = 0; i < count; i++) {
        bool string = oxp_tpl_kind_of(&args[i]) == OXP_TPL_K_STRING;
        if (i > 0 && (line || (!string && !string_before))) {
            oxp_buf_append_char(out, ' ');
        }
        oxp_tpl_put_argument(&printer, &args[i], 'v');
        string_before = string;
    }
    oxp_buf_append_text(out, line ? "\n" : "");
}

void oxp_tpl_print_action(struct oxp_buf *out, const struct oxp_tpl_run *run, const struct oxp_tpl_value *value) {
    struct oxp_tpl_value inner = oxp_tpl_indirect(value);
    if (inner.type == OXP_TPL_V_NONE) {
        oxp_buf_append_text(out, "<no value>");
    } else {
        oxp_tpl_print(out, run, &inner, 1, false);
    }
}

void oxp_tpl_print_found(struct oxp_buf *out, const struct oxp_tpl_run *run, const struct oxp_tpl_value *value) {
    oxp_tpl_print(out, run, value, 1, false);
}
