#include "lib/base/scrub.h"

#include "lib/base/ascii.h"
#include <stdint.h>

/* Every rule hangs on two neighbouring bytes, its trigger, which are rare in ordinary text. A scan compares sixteen
 * bytes at a time with all triggers; only where one is found does the rule behind it look around. Rules, by trigger:
 *
 *   1. "b_"           bb_live_…, bb_test_…
 *   2. "k-"           sk-…, sk-ant-…, sk-proj-…
 *   3. "IA" "Iz" "yJ" AKIA…/ASIA…, AIza…, JSON web tokens
 *   4. "r "           Bearer …
 *   5. "=" ":" "%3"   what is behind a name of `secret_names`: name=value, name: value, "name": "value", name%3Dvalue
 *   6. ":" then "//"  a URL's user part; "=" inside a URL's query or fragment: the value
 *   7. "--"           -----BEGIN … PRIVATE KEY-----
 *
 * A rule gives the bytes to hide, and scanning goes on behind them. The work stays linear: a rule looks around without
 * a bound only over bytes that it then hides, over a word that its trigger cannot begin in again, or over a URL, whose
 * end is kept. */

#define REDACTED "[redacted]"

struct finder {
    struct oxp_view text;
    size_t pos;        /* where the scan goes on */
    size_t url_end;    /* end of the URL that is being passed; 0 = none yet */
    size_t query_from; /* its '?' or '#', or url_end */
};

struct span {
    size_t start, end; /* nothing to hide when equal */
};

static const struct span nothing = {0, 0};

/* ---- Bytes ---- */

static bool is_upper(char c) {
    return c >= 'A' && c <= 'Z';
}

static bool is_lower(char c) {
    return c >= 'a' && c <= 'z';
}

static bool is_alnum(char c) {
    return oxp_is_digit(c) || is_upper(c) || is_lower(c);
}

static bool is_key_char(char c) { /* base64url, and what keys are made of */
    return is_alnum(c) || c == '_' || c == '-';
}

static bool is_jwt_char(char c) {
    return is_key_char(c) || c == '.';
}

static bool is_bearer_char(char c) { /* RFC 6750 section 2.1 */
    return is_key_char(c) || c == '.' || c == '~' || c == '+' || c == '/' || c == '=';
}

static bool is_aws_char(char c) {
    return is_upper(c) || oxp_is_digit(c);
}

static bool is_space(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool ends_value(char c) {
    switch (c) {
    case ',':
    case ';':
    case '&':
    case '"':
    case '\'':
    case '`':
    case ')':
    case ']':
    case '}':
    case '<':
    case '>':
    case '|':
        return true;
    default:
        return is_space(c);
    }
}

static bool ends_header(char c) {
    return c == '\n' || c == '\r' || c == '"' || c == '\'' || c == '`';
}

static bool ends_url(char c) {
    return (unsigned char)c <= ' ' || c == '"' || c == '\'' || c == '`' || c == '<' || c == '>' || c == '\\';
}

static char lower(char c) {
    if (is_upper(c)) {
        return (char)(c + 32);
    }
    return c;
}

static size_t run(struct oxp_view text, size_t from, bool (*want)(char)) {
    size_t end = from;
    while (end < text.len && want(text.ptr[end])) {
        end++;
    }
    return end;
}

static bool stands_at(struct oxp_view text, size_t at, const char *word) {
    size_t len = strlen(word);
    return at <= text.len && text.len - at >= len && memcmp(text.ptr + at, word, len) == 0;
}

static bool stands_at_nocase(struct oxp_view text, size_t at, const char *word) {
    for (size_t i = 0; word[i] != '\0'; i++) {
        if (at + i >= text.len || lower(text.ptr[at + i]) != word[i]) {
            return false;
        }
    }
    return true;
}

/* True when the byte before `at` cannot be part of the same word. */
static bool begins_word(struct oxp_view text, size_t at) {
    return at == 0 || !(is_alnum(text.ptr[at - 1]) || text.ptr[at - 1] == '_');
}

/* What a text is made of: keys mix letters with digits or capitals, words do not. */
static bool looks_random(struct oxp_view text, size_t start, size_t end) {
    bool letters = false, others = false;
    for (size_t i = start; i < end; i++) {
        letters = letters || is_lower(text.ptr[i]) || is_upper(text.ptr[i]);
        others = others || oxp_is_digit(text.ptr[i]) || is_upper(text.ptr[i]);
    }
    return letters && others;
}

/* ---- Rules 1 to 4: keys known by their look. `at` is the second byte of the trigger. ---- */

static struct span browserbase_key(struct oxp_view text, size_t at) {
    if (at < 2 || !stands_at(text, at - 2, "bb_") ||
        !(stands_at(text, at + 1, "live_") || stands_at(text, at + 1, "test_"))) {
        return nothing;
    }
    size_t end = run(text, at + 6, is_key_char);
    return end - (at + 6) < 4 ? nothing : (struct span){at - 2, end};
}

/* Bytes that must show whether something is a key: "sk-sk-sk-…" may not cost its whole length each time. */
#define KEY_LOOK 256

static struct span model_key(struct oxp_view text, size_t at) {
    if (at < 2 || text.ptr[at - 2] != 's' || !begins_word(text, at - 2)) {
        return nothing;
    }
    size_t len =
        run(oxp_view_of(text.ptr, text.len - at > KEY_LOOK ? at + KEY_LOOK : text.len), at + 1, is_key_char) - (at + 1);
    bool named = stands_at(text, at + 1, "ant-") || stands_at(text, at + 1, "proj-");
    bool is_key = named ? len >= 9 : len >= 12 && looks_random(text, at + 1, at + 1 + len);
    return is_key ? (struct span){at - 2, run(text, at + 1, is_key_char)} : nothing;
}

static struct span aws_key(struct oxp_view text, size_t at) {
    if (at < 3 || !begins_word(text, at - 3) || !(stands_at(text, at - 3, "AKIA") || stands_at(text, at - 3, "ASIA"))) {
        return nothing;
    }
    size_t end = run(text, at + 1, is_aws_char);
    return end - (at + 1) < 12 ? nothing : (struct span){at - 3, end};
}

static struct span google_key(struct oxp_view text, size_t at) {
    if (at < 2 || !begins_word(text, at - 2) || !stands_at(text, at - 2, "AIza")) {
        return nothing;
    }
    size_t end = run(text, at + 2, is_key_char);
    return end - (at + 2) < 20 ? nothing : (struct span){at - 2, end};
}

/* RFC 7519: base64url parts with dots between; the first begins `{"`, which is "eyJ". */
static struct span web_token(struct oxp_view text, size_t at) {
    if (at < 2 || !begins_word(text, at - 2) || (at > 2 && text.ptr[at - 3] == '-') ||
        !stands_at(text, at - 2, "eyJ")) {
        return nothing;
    }
    size_t head = run(text, at + 1, is_key_char);
    size_t end = run(text, head, is_jwt_char);
    bool is_token = head - at >= 6 && head < text.len && text.ptr[head] == '.' && end - head >= 5;
    return is_token ? (struct span){at - 2, end} : nothing;
}

static struct span bearer(struct oxp_view text, size_t at) {
    if (at < 6 || !begins_word(text, at - 6) || !stands_at_nocase(text, at - 6, "bearer")) {
        return nothing;
    }
    size_t start = run(text, at, is_space);
    size_t end = run(text, start, is_bearer_char);
    size_t word = run(text, start, is_lower);
    /* "bearer authentication" is a phrase */
    return end - start < 8 || (word == end && end - start < 20) ? nothing : (struct span){start, end};
}

/* ---- Rule 5: names ---- */

enum name_kind {
    NAME_STRONG, /* any value is secret */
    NAME_WEAK,   /* also an ordinary word before a colon ("unexpected token: else"): the value must look like a secret
                    there */
    NAME_HEADER, /* the value is the rest of the line */
};

/* Compared with the end of a name in lower case without '_' and '-': "X-BB-API-Key" and "OPENAI_API_KEY" end in
 * "apikey". */
static const struct secret_name {
    const char *name;
    enum name_kind kind;
} secret_names[] = {
    {"apikey", NAME_STRONG},    {"signingkey", NAME_STRONG},    {"secretkey", NAME_STRONG},
    {"accesskey", NAME_STRONG}, {"privatekey", NAME_STRONG},    {"password", NAME_STRONG},
    {"passwd", NAME_STRONG},    {"passphrase", NAME_STRONG},    {"token", NAME_WEAK},
    {"secret", NAME_WEAK},      {"credential", NAME_WEAK},      {"credentials", NAME_WEAK},
    {"signature", NAME_WEAK},   {"authorization", NAME_HEADER}, {"cookie", NAME_HEADER},
};

#define NAME_MAX 16 /* more than the longest of them */

/* The row for the name that ends before `end`, or NULL. */
static const struct secret_name *secret_name_before(struct oxp_view text, size_t end) {
    char reversed[NAME_MAX];
    size_t len = 0;
    for (size_t i = end; i > 0 && len < NAME_MAX && is_key_char(text.ptr[i - 1]); i--) {
        if (is_alnum(text.ptr[i - 1])) {
            reversed[len++] = lower(text.ptr[i - 1]);
        }
    }
    for (size_t row = 0; row < sizeof secret_names / sizeof secret_names[0]; row++) {
        const char *name = secret_names[row].name;
        size_t want = strlen(name);
        size_t same = 0;
        while (same < want && same < len && reversed[same] == name[want - 1 - same]) {
            same++;
        }
        if (same == want) {
            return &secret_names[row];
        }
    }
    return NULL;
}

/* The end of the name that the sign at `sign` belongs to: spaces and a closing quote, itself perhaps escaped, may stand
 * between. */
static size_t name_end(struct oxp_view text, size_t sign) {
    size_t end = sign;
    for (int spaces = 0; spaces < 2 && end > 0 && text.ptr[end - 1] == ' '; spaces++) {
        end--;
    }
    if (end > 0 && (text.ptr[end - 1] == '"' || text.ptr[end - 1] == '\'')) {
        end--;
        if (end > 0 && text.ptr[end - 1] == '\\') {
            end--;
        }
    }
    return end;
}

/* What stands between the quote at `quote` and the next one of its kind; an escaped quote closes only an escaped one.
 */
static struct span quoted(struct oxp_view text, size_t quote, bool escaped) {
    size_t start = quote + 1;
    for (size_t i = start; i < text.len; i++) {
        if (text.ptr[i] == text.ptr[quote]) {
            return (struct span){start, escaped && i > start && text.ptr[i - 1] == '\\' ? i - 1 : i};
        }
        if (text.ptr[i] == '\\' && !escaped) {
            i++;
        }
    }
    return (struct span){start, text.len};
}

/* "Bearer abc" behind a name is one value. */
static size_t past_scheme(struct oxp_view text, size_t start) {
    static const char *const schemes[] = {"bearer ", "basic ", "token ", "apikey "};
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
        if (stands_at_nocase(text, start, schemes[i])) {
            return start + strlen(schemes[i]);
        }
    }
    return start;
}

static struct span bare_value(struct oxp_view text, size_t start, enum name_kind kind, bool colon) {
    if (start < text.len && (text.ptr[start] == '{' || text.ptr[start] == '[')) {
        return nothing; /* something nested, whose own names will be met; or "[redacted]" */
    }
    size_t end = past_scheme(text, start);
    while (end < text.len && !(kind == NAME_HEADER ? ends_header(text.ptr[end]) : ends_value(text.ptr[end]))) {
        end++;
    }
    if (kind == NAME_WEAK && colon) {
        size_t word = run(text, start, is_lower);
        if (end - start < 6 || (word == end && end - start < 16)) {
            return nothing;
        }
    }
    return (struct span){start, end};
}

/* The value that begins at `from` behind the sign at `sign`. */
static struct span named_value(struct oxp_view text, size_t sign, size_t from) {
    const struct secret_name *name = secret_name_before(text, name_end(text, sign));
    if (name == NULL) {
        return nothing;
    }
    size_t start = from;
    for (int spaces = 0; spaces < 4 && start < text.len && (text.ptr[start] == ' ' || text.ptr[start] == '\t');
         spaces++) {
        start++;
    }
    bool escaped = start + 1 < text.len && text.ptr[start] == '\\';
    start += escaped;
    struct span value = start < text.len && (text.ptr[start] == '"' || text.ptr[start] == '\'')
                            ? quoted(text, start, escaped)
                            : bare_value(text, start, name->kind, text.ptr[sign] == ':');
    return value.start < value.end && stands_at(text, value.start, REDACTED) ? nothing : value;
}

/* ---- Rule 6: URLs ---- */

static struct span url_user(struct finder *finder, size_t colon) {
    struct oxp_view text = finder->text;
    size_t authority = colon + 3;
    if (finder->url_end <= colon) {
        size_t end = authority;
        size_t query = 0;
        for (; end < text.len && !ends_url(text.ptr[end]); end++) {
            query = query == 0 && (text.ptr[end] == '?' || text.ptr[end] == '#') ? end : query;
        }
        finder->url_end = end;
        finder->query_from = query == 0 ? end : query;
    }
    size_t at = 0;
    for (size_t i = authority; i < finder->query_from && text.ptr[i] != '/'; i++) {
        at = text.ptr[i] == '@' ? i : at;
    }
    return at == 0 || stands_at(text, authority, REDACTED) ? nothing : (struct span){authority, at};
}

static struct span query_value(const struct finder *finder, size_t sign) {
    struct oxp_view text = finder->text;
    size_t end = sign + 1;
    while (end < finder->url_end && text.ptr[end] != '&' && text.ptr[end] != '#') {
        end++;
    }
    return stands_at(text, sign + 1, REDACTED) ? nothing : (struct span){sign + 1, end};
}

/* ---- Rule 7 (RFC 7468) ---- */

static size_t find_text(struct oxp_view text, size_t from, const char *word) {
    const char *hit = from < text.len ? memmem(text.ptr + from, text.len - from, word, strlen(word)) : NULL;
    return hit == NULL ? text.len : (size_t)(hit - text.ptr);
}

static struct span private_key(struct oxp_view text, size_t at) {
    size_t start = at - 1;
    if (!stands_at(text, start, "-----BEGIN ")) {
        return nothing;
    }
    struct oxp_view head = oxp_view_of(text.ptr, text.len - start > 80 ? start + 80 : text.len);
    if (find_text(head, start, "PRIVATE KEY") == head.len) {
        return nothing;
    }
    size_t end = find_text(text, start, "-----END ");
    end = find_text(text, end + 9, "-----");
    return (struct span){start, end + 5 < text.len ? end + 5 : text.len};
}

/* ---- The scan ---- */

typedef uint8_t bytes16 __attribute__((vector_size(16)));
typedef uint64_t words2 __attribute__((vector_size(16)));

#define ALL(c) ((bytes16){c, c, c, c, c, c, c, c, c, c, c, c, c, c, c, c})

static bool is_trigger(char before, char c) {
    switch (c) {
    case '=':
    case ':':
        return true;
    case '-':
        return before == 'k' || before == '-';
    case '_':
        return before == 'b';
    case ' ':
        return lower(before) == 'r';
    case 'A':
    case 'z':
        return before == 'I';
    case 'J':
        return before == 'y';
    case '3':
        return before == '%';
    default:
        return false;
    }
}

/* 0xff in each lane whose byte (in `now`) and the one before it (in `before`) are a trigger: is_trigger, sixteen at a
 * time. */
static inline words2 trigger_lanes(bytes16 before, bytes16 now) {
    bytes16 r = (bytes16)((before | ALL(0x20)) == ALL('r'));
    bytes16 hit = (bytes16)((now == ALL('=')) | (now == ALL(':')));
    hit |= (bytes16)(((before == ALL('k')) | (before == ALL('-'))) & (now == ALL('-')));
    hit |= (bytes16)((before == ALL('b')) & (now == ALL('_')));
    hit |= r & (bytes16)(now == ALL(' '));
    hit |= (bytes16)((before == ALL('I')) & ((now == ALL('A')) | (now == ALL('z'))));
    hit |= (bytes16)((before == ALL('y')) & (now == ALL('J')));
    hit |= (bytes16)((before == ALL('%')) & (now == ALL('3')));
    return (words2)hit;
}

static inline bytes16 load16(const char *p) {
    bytes16 v;
    memcpy(&v, p, sizeof v);
    return v;
}

/* The first place from `from` on whose byte ends a trigger, or text.len. */
static size_t next_trigger(struct oxp_view text, size_t from) {
    size_t i = from == 0 ? 1 : from;
    for (; i < text.len && text.len - i >= 16; i += 16) {
        words2 lanes = trigger_lanes(load16(text.ptr + i - 1), load16(text.ptr + i));
        if ((lanes[0] | lanes[1]) != 0) {
            break;
        }
    }
    while (i < text.len && !is_trigger(text.ptr[i - 1], text.ptr[i])) {
        i++;
    }
    return i < text.len ? i : text.len;
}

static struct span rule_at(struct finder *finder, size_t at) {
    struct oxp_view text = finder->text;
    switch (text.ptr[at]) {
    case '=':
        return at > finder->query_from && at < finder->url_end ? query_value(finder, at)
                                                               : named_value(text, at, at + 1);
    case ':':
        return stands_at(text, at + 1, "//") ? url_user(finder, at) : named_value(text, at, at + 1);
    case '3':
        return at + 1 < text.len && lower(text.ptr[at + 1]) == 'd' ? named_value(text, at - 1, at + 2) : nothing;
    case '-':
        return text.ptr[at - 1] == 'k' ? model_key(text, at) : private_key(text, at);
    case '_':
        return browserbase_key(text, at);
    case ' ':
        return bearer(text, at);
    case 'A':
        return aws_key(text, at);
    case 'z':
        return google_key(text, at);
    default:
        return web_token(text, at);
    }
}

/* The next secret from finder->pos on; false when there is none. */
static bool find_secret(struct finder *finder, struct span *secret_out) {
    for (size_t at = finder->pos;; at++) {
        at = next_trigger(finder->text, at);
        if (at >= finder->text.len) {
            return false;
        }
        struct span secret = rule_at(finder, at);
        secret.start = secret.start < finder->pos ? finder->pos : secret.start;
        if (secret.start < secret.end) {
            finder->pos = secret.end;
            *secret_out = secret;
            return true;
        }
    }
}

/* The first and last bytes of a text of 4 to 16, as one vector with zeros behind; and the same moved up by one byte. */
static bool short_has_trigger(struct oxp_view text) {
    uint64_t low, high = 0;
    if (text.len >= 8) {
        memcpy(&low, text.ptr, 8);
        memcpy(&high, text.ptr + text.len - 8, 8);
        high = text.len == 8 ? 0 : high >> (8 * (16 - text.len));
    } else {
        uint32_t first, last;
        memcpy(&first, text.ptr, 4);
        memcpy(&last, text.ptr + text.len - 4, 4);
        low = first | ((uint64_t)last << (8 * (text.len - 4)));
    }
    words2 now = {low, high};
    words2 before = {low << 8, high << 8 | low >> 56};
    words2 lanes = trigger_lanes((bytes16)before, (bytes16)now);
    return (lanes[0] | lanes[1]) != 0;
}

/* Shorter than any secret with its sign: "token=x". */
#define SHORTEST 7

bool oxp_scrub_suspects(struct oxp_view text) {
    if (text.len < SHORTEST) {
        return false;
    }
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    if (text.len <= 16 && !short_has_trigger(text)) {
        return false;
    }
#endif
    struct finder finder = {.text = text};
    struct span secret;
    return find_secret(&finder, &secret);
}

static size_t put(char *out, size_t size, size_t len, struct oxp_view bytes) {
    size_t n = bytes.len < size - len ? bytes.len : size - len;
    if (n > 0) {
        memcpy(out + len, bytes.ptr, n);
    }
    return len + n;
}

size_t oxp_scrub(struct oxp_view text, char *out, size_t size) {
    struct finder finder = {.text = text};
    struct span secret;
    size_t copied = 0, len = 0;
    while (text.len >= SHORTEST && find_secret(&finder, &secret)) {
        len = put(out, size, len, oxp_view_of(text.ptr + copied, secret.start - copied));
        len = put(out, size, len, OXP_VIEW(REDACTED));
        copied = secret.end;
    }
    return put(out, size, len, oxp_view_of(text.ptr + copied, text.len - copied));
}

bool oxp_scrub_is_secret_name(struct oxp_view name) {
    return secret_name_before(name, name.len) != NULL;
}
