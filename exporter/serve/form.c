#include "exporter/serve/form.h"

#include <stdlib.h>

static int hex_digit(char c) {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    char lower = (char)(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* Decodes into `out`, which has room for all of it; -1 when an escape is broken. */
static ptrdiff_t decode(struct oxp_view text, char *out) {
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '%') {
            int high = i + 2 < text.len ? hex_digit(text.ptr[i + 1]) : -1;
            int low = i + 2 < text.len ? hex_digit(text.ptr[i + 2]) : -1;
            if (high < 0 || low < 0) {
                return -1;
            }
            c = (char)(high * 16 + low);
            i += 2;
        } else if (c == '+') {
            c = ' ';
        }
        out[len++] = c;
    }
    return (ptrdiff_t)len;
}

/* Adds one pair; `*free_text` is where the next decoded byte goes. */
static void add_pair(struct oxp_form *form, struct oxp_view pair, char **free_text) {
    const char *equals = pair.len == 0 ? NULL : memchr(pair.ptr, '=', pair.len);
    size_t name_len = equals == NULL ? pair.len : (size_t)(equals - pair.ptr);
    struct oxp_view value = equals == NULL ? OXP_VIEW("") : oxp_view_of(equals + 1, pair.len - name_len - 1);
    if (pair.len == 0 || memchr(pair.ptr, ';', pair.len) != NULL) {
        return;
    }
    ptrdiff_t name_is = decode(oxp_view_of(pair.ptr, name_len), *free_text);
    ptrdiff_t value_is = name_is < 0 ? -1 : decode(value, *free_text + name_is);
    if (value_is < 0) {
        return;
    }
    form->fields[form->count++] = (struct oxp_form_field){oxp_view_of(*free_text, (size_t)name_is),
                                                          oxp_view_of(*free_text + name_is, (size_t)value_is)};
    *free_text += name_is + value_is;
}

enum oxp_status oxp_form_read(struct oxp_view text, size_t max, struct oxp_form *form_out) {
    struct oxp_form form = {0};
    size_t pairs = 1;
    for (size_t i = 0; i < text.len; i++) {
        pairs += text.ptr[i] == '&' ? 1 : 0;
    }
    *form_out = form;
    if (pairs > max) {
        return OXP_ERR_LIMIT;
    }
    form.fields = calloc(pairs, sizeof *form.fields);
    form.text = malloc(text.len + 1);
    if (form.fields == NULL || form.text == NULL) {
        oxp_form_fini(&form);
        return OXP_ERR_NOMEM;
    }
    char *free_text = form.text;
    for (size_t at = 0; at < text.len;) {
        const char *ampersand = memchr(text.ptr + at, '&', text.len - at);
        size_t len = ampersand == NULL ? text.len - at : (size_t)(ampersand - text.ptr) - at;
        add_pair(&form, oxp_view_of(text.ptr + at, len), &free_text);
        at += len + 1;
    }
    *form_out = form;
    return OXP_OK;
}

void oxp_form_fini(struct oxp_form *form) {
    free(form->fields);
    free(form->text);
    *form = (struct oxp_form){0};
}
