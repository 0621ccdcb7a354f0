/* Classes of ASCII characters, whatever the locale, and what is done by them. A negative number, which a `char` may be,
 * and a code point past ASCII are in no class. Pure. */
#ifndef OXP_BASE_ASCII_H
#define OXP_BASE_ASCII_H

#include <oxpecker/view.h>

static inline bool oxp_is_digit(int c) {
    return c >= '0' && c <= '9';
}

static inline bool oxp_is_letter(int c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* One of the characters of `set`; NUL is in none. */
static inline bool oxp_is_among(char c, const char *set) {
    return c != '\0' && strchr(set, c) != NULL;
}

/* 0 to 15; -1 for what is no hexadecimal digit. */
static inline int oxp_hex_digit(char c) {
    return oxp_is_digit(c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static inline bool oxp_ascii_has_controls(struct oxp_view text) {
    for (size_t i = 0; i < text.len; i++) {
        if ((unsigned char)text.ptr[i] < 0x20 || text.ptr[i] == 0x7f) {
            return true;
        }
    }
    return false;
}

/* Letters, digits and underscores, no digit first: a label's name, or a variable's. */
static inline bool oxp_ascii_is_name(struct oxp_view text) {
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (!oxp_is_letter(c) && c != '_' && (i == 0 || !oxp_is_digit(c))) {
            return false;
        }
    }
    return text.len != 0;
}

/* The text without those of `blanks` that stand at its ends: oxp_ascii_trim(text, " \t"). */
static inline struct oxp_view oxp_ascii_trim(struct oxp_view text, const char *blanks) {
    while (text.len != 0 && oxp_is_among(text.ptr[0], blanks)) {
        text = oxp_view_of(text.ptr + 1, text.len - 1);
    }
    while (text.len != 0 && oxp_is_among(text.ptr[text.len - 1], blanks)) {
        text.len--;
    }
    return text;
}

#endif
