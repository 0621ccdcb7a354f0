/* Sprintf: the directives of a format, and Go's words for what does not fit (%!d(string=x), %!s(MISSING), …). */
#include "alerts/rules/template_run.h"

#define MAX_NUMBER 1000000 /* Go's, of widths and precisions */

struct directive { /* where a format is, and what it has used */
    struct oxp_view format;
    size_t at;
    const struct oxp_tpl_value *args;
    size_t count, next;
    bool reordered, good_index, after_index;
};

static int byte_at(const struct directive *d) {
    return d->at < d->format.len ? (unsigned char)d->format.ptr[d->at] : -1;
}

/* Digits up to `end`. False when there are none, or too many: then everything up to `end` is passed over. */
static bool take_number(struct directive *d, size_t end, size_t *number_out) {
    size_t number = 0;
    bool any = false;
    for (; d->at < end && d->format.ptr[d->at] >= '0' && d->format.ptr[d->at] <= '9'; d->at++) {
        if (number > MAX_NUMBER) {
            d->at = end;
            *number_out = 0;
            return false;
        }
        number = number * 10 + (size_t)(d->format.ptr[d->at] - '0');
        any = true;
    }
    *number_out = number;
    return any;
}

/* [3]: the argument to use next. */
static void take_index(struct directive *d) {
    d->after_index = false;
    if (byte_at(d) != '[') {
        return;
    }
    d->reordered = true;
    size_t left = d->format.len - d->at, number = 0;
    const char *close = left < 3 ? NULL : memchr(d->format.ptr + d->at + 1, ']', left - 1);
    if (close == NULL) {
        d->good_index = false;
        d->at++;
        return;
    }
    size_t end = (size_t)(close - d->format.ptr);
    d->at++;
    bool good = take_number(d, end, &number) && d->at == end;
    d->at = end + 1;
    d->after_index = good;
    if (good && number >= 1 && number <= d->count) {
        d->next = number - 1;
    } else {
        d->good_index = false;
    }
}

/* A * takes an argument as width or precision. False: it is no integer, or out of bounds. */
static bool take_star(struct directive *d, int64_t *number_out) {
    *number_out = 0;
    d->at++;
    d->after_index = false;
    if (d->next >= d->count) {
        return false;
    }
    const struct oxp_tpl_value *arg = &d->args[d->next++];
    enum oxp_tpl_kind kind = oxp_tpl_kind_of(arg);
    if ((kind != OXP_TPL_K_INT && kind != OXP_TPL_K_UINT) || arg->integer > MAX_NUMBER || arg->integer < -MAX_NUMBER) {
        return false;
    }
    *number_out = arg->integer;
    return true;
}

static void take_flags(struct directive *d, struct oxp_tpl_spec *spec) {
    for (int c; (c = byte_at(d)) > 0 && strchr("#0+- ", c) != NULL; d->at++) {
        spec->sharp |= c == '#';
        spec->zero |= c == '0';
        spec->plus |= c == '+';
        spec->minus |= c == '-';
        spec->space |= c == ' ';
    }
}

static void take_width(struct directive *d, struct oxp_tpl_spec *spec, struct oxp_buf *out) {
    int64_t star = 0;
    if (byte_at(d) == '*') {
        spec->has_width = take_star(d, &star);
        oxp_buf_append_text(out, spec->has_width ? "" : "%!(BADWIDTH)");
        spec->minus |= star < 0;
        spec->zero &= star >= 0;
        spec->width = (size_t)(star < 0 ? -star : star);
        return;
    }
    spec->has_width = take_number(d, d->format.len, &spec->width);
    if (d->after_index && spec->has_width) { /* %[3]2d */
        d->good_index = false;
    }
}

static void take_precision(struct directive *d, struct oxp_tpl_spec *spec, struct oxp_buf *out) {
    int64_t star = 0;
    if (byte_at(d) != '.' || d->at + 1 >= d->format.len) {
        return;
    }
    d->at++;
    if (d->after_index) { /* %[3].2d */
        d->good_index = false;
    }
    take_index(d);
    if (byte_at(d) == '*') {
        spec->has_precision = take_star(d, &star) && star >= 0;
        oxp_buf_append_text(out, spec->has_precision ? "" : "%!(BADPREC)");
        spec->precision = spec->has_precision ? (size_t)star : 0;
        return;
    }
    take_number(d, d->format.len, &spec->precision);
    spec->has_precision = true;
}

static void put_directive(struct oxp_tpl_printer *printer, struct directive *d) {
    struct oxp_tpl_spec *spec = &printer->spec;
    *spec = (struct oxp_tpl_spec){.plus = false};
    take_flags(d, spec);
    take_index(d);
    take_width(d, spec, printer->out);
    take_precision(d, spec, printer->out);
    if (!d->after_index) {
        take_index(d);
    }
    if (byte_at(d) < 0) {
        oxp_buf_append_text(printer->out, "%!(NOVERB)");
        return;
    }
    struct oxp_view rest = oxp_view_of(d->format.ptr + d->at, d->format.len - d->at);
    uint32_t verb = oxp_tpl_take_rune(&rest);
    d->at = d->format.len - rest.len;
    if (verb == '%') {
        oxp_buf_append_char(printer->out, '%');
    } else if (!d->good_index || d->next >= d->count) {
        oxp_buf_append_text(printer->out, "%!");
        oxp_tpl_put_rune(printer->out, verb);
        oxp_buf_append_text(printer->out, d->good_index ? "(MISSING)" : "(BADINDEX)");
    } else {
        if (verb == 'v') {
            spec->sharp_v = spec->sharp;
            spec->plus_v = spec->plus;
            spec->sharp = spec->plus = false;
        }
        oxp_tpl_put_argument(printer, &d->args[d->next++], verb);
    }
}

static void put_extra(struct oxp_tpl_printer *printer, const struct directive *d) {
    printer->spec = (struct oxp_tpl_spec){.plus = false};
    oxp_buf_append_text(printer->out, "%!(EXTRA ");
    for (size_t i = d->next; i < d->count; i++) {
        oxp_buf_append_text(printer->out, i == d->next ? "" : ", ");
        oxp_buf_append_text(printer->out, oxp_tpl_type_name(&d->args[i]));
        if (d->args[i].type != OXP_TPL_V_NONE) {
            oxp_buf_append_char(printer->out, '=');
            oxp_tpl_put_argument(printer, &d->args[i], 'v');
        }
    }
    oxp_buf_append_char(printer->out, ')');
}

void oxp_tpl_printf(struct oxp_buf *out, const struct oxp_tpl_run *run, struct oxp_view format,
                    const struct oxp_tpl_value *args, size_t count) {
    struct oxp_tpl_printer printer = {.out = out, .run = run};
    struct directive d = {.format = format, .args = args, .count = count};
    while (d.at < format.len && oxp_buf_status(out) == OXP_OK) {
        const char *from = format.ptr + d.at, *percent = memchr(from, '%', format.len - d.at);
        size_t plain = percent == NULL ? format.len - d.at : (size_t)(percent - from);
        oxp_buf_append(out, from, plain);
        d.at += plain;
        if (d.at < format.len) {
            d.at++;
            d.good_index = true;
            put_directive(&printer, &d);
        }
    }
    if (!d.reordered && d.next < d.count) {
        put_extra(&printer, &d);
    }
}
