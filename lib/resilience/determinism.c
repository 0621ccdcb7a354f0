#include "lib/resilience/determinism.h"

#include "lib/base/ascii.h"
#include "lib/resilience/codes.h"

#define FNV_BASIS UINT64_C(14695981039346656037)
#define FNV_PRIME UINT64_C(1099511628211)

/* The signs that stand for what was left out; bytes that no text holds in UTF-8. */
enum { SIGN_NUMBER = 0xFE, SIGN_QUOTED = 0xFF };

/* Of a word: ids are written with dashes and underscores. Bytes of UTF-8 are letters. */
static bool is_word(char c) {
    return oxp_is_digit(c) || (oxp_fold_lower(c) >= 'a' && oxp_fold_lower(c) <= 'z') || c == '_' || c == '-' ||
           (unsigned char)c >= 0x80;
}

static bool is_blank(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static uint64_t fnv(uint64_t hash, unsigned char byte) {
    return (hash ^ byte) * FNV_PRIME;
}

static size_t word_end(struct oxp_view text, size_t at) {
    while (at < text.len && is_word(text.ptr[at])) {
        at++;
    }
    return at;
}

/* A number or an id: a word with a digit, or a long one of hex digits only. */
static bool is_number(struct oxp_view text, size_t at, size_t end) {
    bool hex = end - at >= 8;
    for (; at < end; at++) {
        if (oxp_is_digit(text.ptr[at])) {
            return true;
        }
        hex = hex &&
              ((oxp_fold_lower(text.ptr[at]) >= 'a' && oxp_fold_lower(text.ptr[at]) <= 'f') || text.ptr[at] == '-');
    }
    return hex;
}

/* From the end of a number over what belongs to it: "1.5", "10.0.0.1:9222", "12:30:00". */
static size_t number_end(struct oxp_view text, size_t at) {
    while (at + 1 < text.len && (text.ptr[at] == '.' || text.ptr[at] == ':') && is_word(text.ptr[at + 1])) {
        size_t end = word_end(text, at + 1);
        if (!is_number(text, at + 1, end)) {
            break;
        }
        at = end;
    }
    return at;
}

/* Behind the quoted part that opens at `at`, or `at` when none does: an apostrophe in a word quotes nothing. */
static size_t quote_end(struct oxp_view text, size_t at) {
    char quote = text.ptr[at];
    if ((quote != '"' && quote != '\'' && quote != '`') || (at > 0 && is_word(text.ptr[at - 1]))) {
        return at;
    }
    const char *end = memchr(text.ptr + at + 1, quote, text.len - at - 1);
    return end == NULL ? at : (size_t)(end - text.ptr) + 1;
}

uint64_t oxp_message_fingerprint(struct oxp_view message) {
    uint64_t hash = FNV_BASIS;
    for (size_t i = 0; i < message.len;) {
        size_t end = quote_end(message, i);
        if (end > i) {
            hash = fnv(hash, SIGN_QUOTED);
            i = end;
            continue;
        }
        end = word_end(message, i);
        if (end > i && is_number(message, i, end)) {
            hash = fnv(hash, SIGN_NUMBER);
            i = number_end(message, end);
            continue;
        }
        if (is_blank(message.ptr[i])) {
            hash = fnv(hash, ' ');
            while (i < message.len && is_blank(message.ptr[i])) {
                i++;
            }
            continue;
        }
        end = end > i ? end : i + 1;
        for (; i < end; i++) {
            hash = fnv(hash, oxp_fold_lower(message.ptr[i]));
        }
    }
    return hash;
}

void oxp_tries_add(struct oxp_tries *tries, const struct oxp_code *code, struct oxp_view message) {
    uint64_t fingerprint = oxp_message_fingerprint(message);
    if (tries->count > 0 && (strcmp(tries->code->name, code->name) != 0 || tries->fingerprint != fingerprint)) {
        tries->differ = true;
    }
    tries->code = code;
    tries->fingerprint = fingerprint;
    tries->count += tries->count < UINT32_MAX;
}

bool oxp_tries_same(const struct oxp_tries *tries) {
    return tries->count >= 2 && !tries->differ;
}

const struct oxp_code *oxp_classify_tries(const struct oxp_tries *tries) {
    return oxp_tries_same(tries) ? oxp_code_determined(tries->code) : tries->code;
}
