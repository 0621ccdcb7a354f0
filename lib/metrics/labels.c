/* The text of a series' labels, and the comparison of raw values with it.
 *
 * The text is what stands between the braces of an exposition, ready to be copied: `a="b",c="d"`, with \, " and newline
 * escaped (text format 0.0.4 and OpenMetrics 1.0 section "ABNF", escaped-string). */
#include "lib/metrics/internal.h"

#include "lib/base/utf8.h"

uint32_t oxp_values_hash(const struct oxp_family *family, const struct oxp_view *values) {
    uint64_t hash = family->seed;
    for (unsigned i = 0; i < family->label_count; i++) {
        hash = oxp_hash(values[i].ptr, values[i].len, hash);
    }
    return (uint32_t)(hash ^ hash >> 32);
}

/* What a byte becomes behind a backslash, or 0 when it needs none. */
static char escape_of(char c) {
    if (c == '\n') {
        return 'n';
    }
    if (c == '"' || c == '\\') {
        return c;
    }
    return 0;
}

size_t oxp_label_escaped_len(struct oxp_view value) {
    size_t len = value.len;
    for (size_t i = 0; i < value.len; i++) {
        len += escape_of(value.ptr[i]) != 0;
    }
    return len;
}

char *oxp_label_escape(char *to, struct oxp_view value) {
    for (size_t i = 0; i < value.len; i++) {
        char c = value.ptr[i], escape = escape_of(c);
        if (escape != 0) {
            *to++ = '\\';
            c = escape;
        }
        *to++ = c;
    }
    return to;
}

size_t oxp_labels_len(const struct oxp_family *family, const struct oxp_view *values) {
    size_t len = family->label_count > 0; /* the last quote */
    for (unsigned i = 0; i < family->label_count; i++) {
        len += family->labels[i].prefix.len + oxp_label_escaped_len(values[i]);
    }
    return len;
}

void oxp_labels_write(const struct oxp_family *family, const struct oxp_view *values, char *to) {
    for (unsigned i = 0; i < family->label_count; i++) {
        struct oxp_view prefix = family->labels[i].prefix;
        memcpy(to, prefix.ptr, prefix.len);
        to = oxp_label_escape(to + prefix.len, values[i]);
    }
    if (family->label_count > 0) {
        *to = '"';
    }
}

/* Takes `value` off the text at `*at` when its escaped form stands there. */
static bool take_value(const char **at, const char *end, struct oxp_view value, bool escaped) {
    if (!escaped) {
        if ((size_t)(end - *at) < value.len || (value.len > 0 && memcmp(*at, value.ptr, value.len) != 0)) {
            return false;
        }
        *at += value.len;
        return true;
    }
    const char *p = *at;
    for (size_t i = 0; i < value.len; i++) {
        char c = value.ptr[i], escape = escape_of(c);
        if (escape != 0) {
            if (p == end || *p++ != '\\') {
                return false;
            }
            c = escape;
        }
        if (p == end || *p++ != c) {
            return false;
        }
    }
    *at = p;
    return true;
}

/* In a text without a backslash no value holds a quote, so that comparing raw bytes is exact: a value with a quote in
 * it would have to swallow the prefix of the next label and then miss it. */
bool oxp_labels_match(const struct oxp_series *series, const struct oxp_view *values) {
    const struct oxp_family *family = series->family;
    const char *at = oxp_series_labels(series), *end = at + series->labels_len;
    for (unsigned i = 0; i < family->label_count; i++) {
        struct oxp_view prefix = family->labels[i].prefix;
        if ((size_t)(end - at) < prefix.len || (i > 0 && memcmp(at, prefix.ptr, prefix.len) != 0)) {
            return false;
        }
        at += prefix.len;
        if (!take_value(&at, end, values[i], series->escaped)) {
            return false;
        }
    }
    return family->label_count == 0 || (end - at == 1 && *at == '"');
}

struct oxp_view oxp_labels_value(const struct oxp_series *series, unsigned index) {
    const char *at = oxp_series_labels(series);
    for (unsigned i = 0;; i++) {
        at += series->family->labels[i].prefix.len;
        const char *from = at;
        while (*at != '"') {
            at += *at == '\\' ? 2 : 1;
        }
        if (i == index) {
            return oxp_view_of(from, (size_t)(at - from));
        }
    }
}

struct oxp_view oxp_label_normal(struct oxp_view value, char room[OXP_LABEL_VALUE_MAX]) {
    static const struct oxp_view replacement = {"\xef\xbf\xbd", 3};
    size_t valid = oxp_utf8_valid_prefix(value);
    if (valid == value.len) {
        return oxp_utf8_cut(value, OXP_LABEL_VALUE_MAX);
    }
    size_t len = 0;
    for (;;) {
        struct oxp_view good = oxp_utf8_cut(oxp_view_of(value.ptr, valid), OXP_LABEL_VALUE_MAX - len);
        memcpy(room + len, good.ptr, good.len);
        len += good.len;
        if (good.len < valid || valid == value.len || len + replacement.len > OXP_LABEL_VALUE_MAX) {
            return oxp_view_of(room, len);
        }
        memcpy(room + len, replacement.ptr, replacement.len);
        len += replacement.len;
        value = oxp_view_of(value.ptr + valid + 1, value.len - valid - 1);
        valid = oxp_utf8_valid_prefix(value);
    }
}
