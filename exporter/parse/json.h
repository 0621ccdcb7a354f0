/* JSON values out of one line, without allocation: the reader under oxp_parse_event (RFC 8259).
 *
 * Each function starts at `pos` and moves it behind what it read, or returns false with `fault` and `fault_at` set.
 * Everything is checked: grammar, UTF-8, escapes, surrogates, nesting. Pure; plain data owned by one thread. */
#ifndef OXP_PARSE_JSON_H
#define OXP_PARSE_JSON_H

#include <oxpecker/view.h>
#include <stdint.h>

#define OXP_PARSE_DEPTH_MAX 16 /* objects and arrays within one another, the outermost included */

struct oxp_parse {
    const char *start; /* of the line: bytes from here to `end` may be read */
    const char *pos;
    const char *end;
    const char *fault;    /* static text: what was expected, or what is wrong */
    const char *fault_at; /* where */
};

struct oxp_parse_string {
    struct oxp_view raw; /* between the quotes, as written; valid UTF-8, valid escapes */
    bool escaped;        /* raw holds a backslash */
    bool odd;            /* raw holds DEL or a byte past ASCII */
};

struct oxp_parse_number {
    struct oxp_view text;
    double value;   /* correctly rounded; infinite when too large */
    uint64_t whole; /* the value when `is_whole` */
    bool is_whole;  /* written without sign, fraction and exponent, in at most 19 digits */
};

#define OXP_PARSE_LIKELY(x) __builtin_expect(!!(x), 1)

/* Sets the fault; always false. */
bool oxp_parse_fail(struct oxp_parse *json, const char *at, const char *fault);

static inline void oxp_parse_space(struct oxp_parse *json) {
    while (json->pos != json->end && (unsigned char)*json->pos <= ' ' &&
           (*json->pos == ' ' || *json->pos == '\t' || *json->pos == '\n' || *json->pos == '\r')) {
        json->pos++;
    }
}

/* The byte at `pos`, or 0 at the end (a NUL in the input is malformed everywhere outside strings, so the two need no
 * telling apart). */
static inline char oxp_parse_peek(const struct oxp_parse *json) {
    if (json->pos == json->end) {
        return '\0';
    }
    return *json->pos;
}

/* Moves over `sign` and the space around it; `fault` is the complaint when something else stands there. */
static inline bool oxp_parse_sign(struct oxp_parse *json, char sign, const char *fault) {
    oxp_parse_space(json);
    if (oxp_parse_peek(json) != sign) {
        return oxp_parse_fail(json, json->pos, fault);
    }
    json->pos++;
    oxp_parse_space(json);
    return true;
}
/* Moves over "true", "false" or "null". */
bool oxp_parse_literal(struct oxp_parse *json, const char *word);
/* Any string; `pos` is at its opening quote. */
bool oxp_parse_string_slow(struct oxp_parse *json, struct oxp_parse_string *string_out);
/* ---- The short way for strings: most keys and many values end within sixteen bytes, without anything special in them
 * ---- */

/* Sixteen bytes are looked at together. A comparison gives 0xff in each lane that holds; the first such lane is found
 * in the two words that the lanes make. */
typedef int8_t oxp_parse_bytes __attribute__((vector_size(16)));
typedef uint64_t oxp_parse_lanes __attribute__((vector_size(16)));

#define OXP_PARSE_ALL(c) ((oxp_parse_bytes){c, c, c, c, c, c, c, c, c, c, c, c, c, c, c, c})

/* Lanes that end a plain run: a quote, a backslash, a control character; also DEL and, as they are negative, bytes past
 * ASCII. */
static inline oxp_parse_lanes oxp_parse_special(const char *p) {
    oxp_parse_bytes v;
    memcpy(&v, p, sizeof v);
    return (oxp_parse_lanes)((v == OXP_PARSE_ALL('"')) | (v == OXP_PARSE_ALL('\\')) | (v < OXP_PARSE_ALL(0x20)) |
                             (v == OXP_PARSE_ALL(0x7f)));
}

/* `lanes` has one. */
static inline unsigned oxp_parse_first_lane(oxp_parse_lanes lanes) {
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    lanes = (oxp_parse_lanes){__builtin_bswap64(lanes[0]), __builtin_bswap64(lanes[1])};
#endif
    return lanes[0] != 0 ? (unsigned)__builtin_ctzll(lanes[0]) / 8 : 8 + (unsigned)__builtin_ctzll(lanes[1]) / 8;
}

static inline bool oxp_parse_string(struct oxp_parse *json, struct oxp_parse_string *string_out) {
    const char *p = json->pos;
    if (OXP_PARSE_LIKELY(json->end - p > 16 && *p == '"')) {
        oxp_parse_lanes lanes = oxp_parse_special(++p);
        if (OXP_PARSE_LIKELY((lanes[0] | lanes[1]) != 0)) {
            unsigned len = oxp_parse_first_lane(lanes);
            if (OXP_PARSE_LIKELY(p[len] == '"')) {
                *string_out = (struct oxp_parse_string){.raw = {p, len}};
                json->pos = p + len + 1;
                return true;
            }
        }
    }
    return oxp_parse_string_slow(json, string_out);
}

/* Writes the text that a raw string stands for; never longer than the raw one. Returns its length. */
size_t oxp_parse_unescape(struct oxp_view raw, char *out);
bool oxp_parse_number(struct oxp_parse *json, struct oxp_parse_number *number_out);
/* Any value, checked and passed over; `depth` is the number of objects and arrays that it stands in. */
bool oxp_parse_skip(struct oxp_parse *json, unsigned depth);

#endif
