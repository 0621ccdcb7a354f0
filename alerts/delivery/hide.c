#include "alerts/delivery/hide.h"

#include <string.h>
#include <strings.h>

#define REDACTED "[redacted]"

enum { SECRETS_MAX = 64, LEAST = 6, SEGMENT_LEAST = 8 };

struct secrets {
    struct oxp_arena *arena;
    struct oxp_view item[SECRETS_MAX];
    size_t count;
};

static void add(struct secrets *secrets, struct oxp_view text, size_t least) {
    if (text.len >= least && secrets->count < SECRETS_MAX) {
        secrets->item[secrets->count++] = text;
    }
}

/* The text up to `end`, or all of it; `rest_out` is what stands behind. */
static struct oxp_view before(struct oxp_view text, char end, struct oxp_view *rest_out) {
    const char *at = text.len == 0 ? NULL : memchr(text.ptr, end, text.len);
    size_t len = at == NULL ? text.len : (size_t)(at - text.ptr);
    size_t used = at == NULL ? len : len + 1;
    *rest_out = oxp_view_of(text.len == 0 ? text.ptr : text.ptr + used, text.len - used);
    return oxp_view_of(text.ptr, len);
}

/* ---- The URL ---- */

static int hex(char c) {
    static const char digits[] = "0123456789abcdef";
    const char *at = c == '\0' ? NULL : strchr(digits, c >= 'A' && c <= 'F' ? c + ('a' - 'A') : c);
    return at == NULL ? -1 : (int)(at - digits);
}

/* What %41 stands for; nothing when there is none. */
static void add_decoded(struct secrets *secrets, struct oxp_view text, size_t least) {
    if (text.len == 0 || memchr(text.ptr, '%', text.len) == NULL) {
        return;
    }
    char *out = oxp_arena_take(secrets->arena, text.len);
    size_t len = 0;
    for (size_t i = 0; out != NULL && i < text.len; i++) {
        int high = text.ptr[i] == '%' && i + 2 < text.len ? hex(text.ptr[i + 1]) : -1;
        int low = high < 0 ? -1 : hex(text.ptr[i + 2]);
        out[len++] = text.ptr[i];
        if (low >= 0) {
            unsigned char byte = (unsigned char)(high * 16 + low);
            memcpy(&out[len - 1], &byte, 1);
            i += 2;
        }
    }
    if (out != NULL) {
        add(secrets, oxp_view_of(out, len), least);
    }
}

static void add_path(struct secrets *secrets, struct oxp_view path) {
    struct oxp_view rest = path;
    add(secrets, path, LEAST);
    while (rest.len != 0) {
        struct oxp_view segment = before(rest, '/', &rest);
        add(secrets, segment, SEGMENT_LEAST);
        add_decoded(secrets, segment, SEGMENT_LEAST);
    }
}

static void add_query(struct secrets *secrets, struct oxp_view query) {
    struct oxp_view rest = query;
    add(secrets, query, LEAST);
    while (rest.len != 0) {
        struct oxp_view value, pair = before(rest, '&', &rest);
        (void)before(pair, '=', &value);
        add(secrets, value, LEAST);
        add_decoded(secrets, value, LEAST);
    }
}

static void add_url(struct secrets *secrets, struct oxp_view url) {
    const char *scheme_end = url.len == 0 ? NULL : memmem(url.ptr, url.len, "://", 3);
    if (scheme_end == NULL) {
        return;
    }
    struct oxp_view rest = oxp_view_of(scheme_end + 3, url.len - (size_t)(scheme_end + 3 - url.ptr)), query, password;
    struct oxp_view whole = before(rest, '?', &query);
    const char *slash = whole.len == 0 ? NULL : memchr(whole.ptr, '/', whole.len);
    size_t authority_len = slash == NULL ? whole.len : (size_t)(slash - whole.ptr);
    struct oxp_view host, userinfo = before(oxp_view_of(whole.ptr, authority_len), '@', &host);
    if (host.len != 0) {
        add(secrets, userinfo, LEAST);
        (void)before(userinfo, ':', &password);
        add(secrets, password, LEAST);
        add_decoded(secrets, password, LEAST);
    }
    add_path(secrets, oxp_view_of(whole.ptr + authority_len, whole.len - authority_len));
    add_query(secrets, query);
}

/* ---- Headers ---- */

static bool is_harmless(struct oxp_view name) {
    static const char *const names[] = {"accept", "content-type", "content-encoding", "content-length",
                                        "expect", "user-agent",   "x-amz-date",       "x-amz-target"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (name.len == strlen(names[i]) && strncasecmp(name.ptr, names[i], name.len) == 0) {
            return true;
        }
    }
    return false;
}

static void add_headers(struct secrets *secrets, const char *const *headers) {
    for (size_t i = 0; headers != NULL && headers[i] != NULL; i++) {
        struct oxp_view value, behind, name = before(oxp_view_from(headers[i]), ':', &value);
        while (value.len != 0 && value.ptr[0] == ' ') {
            value = oxp_view_of(value.ptr + 1, value.len - 1);
        }
        if (!is_harmless(name)) {
            add(secrets, value, LEAST);
            (void)before(value, ' ', &behind);
            add(secrets, behind, LEAST);
        }
    }
}

/* ---- The answer ---- */

/* Bytes of the longest secret that stands here, or begins here and is cut off by the end; 0 = none. */
static size_t secret_at(const struct secrets *secrets, struct oxp_view text) {
    size_t longest = 0;
    for (size_t i = 0; i < secrets->count; i++) {
        struct oxp_view secret = secrets->item[i];
        size_t len = secret.len < text.len ? secret.len : text.len;
        if (len > longest && len >= LEAST && memcmp(secret.ptr, text.ptr, len) == 0) {
            longest = len;
        }
    }
    return longest;
}

struct oxp_view oxp_hide_request(struct oxp_arena *arena, struct oxp_view answer,
                                 const struct oxp_http_request *request) {
    struct secrets secrets = {.arena = arena};
    add_url(&secrets, oxp_view_from(request->url));
    add_headers(&secrets, request->headers);
    size_t len = 0, most = answer.len / LEAST * (sizeof REDACTED - 1) + answer.len + 1;
    char *out = secrets.count == 0 || answer.len == 0 ? NULL : oxp_arena_take(arena, most);
    if (out == NULL) {
        return secrets.count == 0 ? answer : oxp_view_of(NULL, 0);
    }
    for (size_t i = 0; i < answer.len;) {
        size_t hidden = secret_at(&secrets, oxp_view_of(answer.ptr + i, answer.len - i));
        if (hidden == 0) {
            out[len++] = answer.ptr[i++];
        } else {
            memcpy(out + len, REDACTED, sizeof REDACTED - 1);
            len += sizeof REDACTED - 1;
            i += hidden;
        }
    }
    return oxp_view_of(out, len);
}
