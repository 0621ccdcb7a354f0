/* Characters: what Go's unicode package says of them, asked of the C library's own UTF-8 locale, never of the process'
 * one. Where there is no such locale, characters beyond ASCII are letters without case. */
#include "lib/base/utf8.h"

#include "alerts/rules/template_tree.h"
#include <locale.h>
#include <pthread.h>
#include <wctype.h>

static locale_t utf8_locale;
static pthread_once_t utf8_locale_once = PTHREAD_ONCE_INIT;

static void make_locale(void) {
    utf8_locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
}

/* (locale_t)0 when there is none. */
static locale_t locale_of_unicode(void) {
    pthread_once(&utf8_locale_once, make_locale);
    return utf8_locale;
}

uint32_t oxp_tpl_take_rune(struct oxp_view *text) {
    unsigned char lead = (unsigned char)text->ptr[0];
    size_t length = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    struct oxp_view bytes = oxp_view_of(text->ptr, length < text->len ? length : text->len);
    uint32_t c = 0;
    if (length == 1 || oxp_utf8_valid_prefix(bytes) != length) {
        c = lead < 0x80 ? lead : 0xfffd;
        length = 1;
    } else {
        c = lead & (0x7fu >> length);
        for (size_t i = 1; i < length; i++) {
            c = c << 6 | ((unsigned char)text->ptr[i] & 0x3fu);
        }
    }
    *text = oxp_view_of(text->ptr + length, text->len - length);
    return c;
}

bool oxp_tpl_is_letter(uint32_t c) {
    if (c < 128) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    }
    locale_t locale = locale_of_unicode();
    return c != 0xfffd && (locale == (locale_t)0 || iswalnum_l((wint_t)c, locale) != 0);
}

/* Spaces other than U+0020, and what is only there to be obeyed, are not printable to Go. */
static bool is_hidden(uint32_t c) {
    return c == 0xa0 || c == 0xad || c == 0x1680 || (c >= 0x2000 && c <= 0x200f) || (c >= 0x2028 && c <= 0x202f) ||
           (c >= 0x205f && c <= 0x206f) || c == 0x3000 || c == 0xfeff || (c >= 0xe000 && c <= 0xf8ff) || c >= 0xe0000;
}

bool oxp_tpl_is_print(uint32_t c) {
    if (c < 128) {
        return c >= ' ' && c < 127;
    }
    locale_t locale = locale_of_unicode();
    return c >= 0xa0 && !is_hidden(c) && (locale == (locale_t)0 || iswprint_l((wint_t)c, locale) != 0);
}

uint32_t oxp_tpl_to_upper(uint32_t c) {
    if (c < 128) {
        return c >= 'a' && c <= 'z' ? c - 32 : c;
    }
    locale_t locale = locale_of_unicode();
    return locale == (locale_t)0 ? c : (uint32_t)towupper_l((wint_t)c, locale);
}

uint32_t oxp_tpl_to_lower(uint32_t c) {
    if (c < 128) {
        return c >= 'A' && c <= 'Z' ? c + 32 : c;
    }
    locale_t locale = locale_of_unicode();
    return locale == (locale_t)0 ? c : (uint32_t)towlower_l((wint_t)c, locale);
}

void oxp_tpl_put_rune(struct oxp_buf *out, uint32_t c) {
    char bytes[4];
    bool valid = c <= 0x10ffff && (c < 0xd800 || c > 0xdfff);
    oxp_buf_append(out, bytes, oxp_utf8_encode(valid ? c : 0xfffd, bytes));
}
