/* UTF-8 (RFC 3629): no overlong forms, no surrogates, nothing past U+10FFFF. Pure. */
#ifndef OXP_BASE_UTF8_H
#define OXP_BASE_UTF8_H

#include <oxpecker/view.h>
#include <stdint.h>

/* The number of leading bytes that are valid; equal to text.len when all are. */
size_t oxp_utf8_valid_prefix(struct oxp_view text);
static inline bool oxp_utf8_is_valid(struct oxp_view text) {
    return oxp_utf8_valid_prefix(text) == text.len;
}
/* Code points in valid UTF-8. */
size_t oxp_utf8_count(struct oxp_view text);
/* Writes a code point (not a surrogate) and returns its length, 1 to 4. */
size_t oxp_utf8_encode(uint32_t code_point, char out[4]);
/* The longest prefix of at most `max` bytes that does not cut a character of valid UTF-8. */
struct oxp_view oxp_utf8_cut(struct oxp_view text, size_t max);

#endif
