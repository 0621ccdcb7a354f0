#include "lib/checkpoint/redis_url.h"

#include <stdint.h>

#include "lib/base/number.h"

#define DEFAULT_PORT 6379

static enum oxp_status invalid(struct oxp_error *error, const char *what) {
    return oxp_error_set(error, OXP_ERR_INVALID, 0, 0, "the Redis URL: %s", what);
}

/* Splits `*rest` at the first (or last) `c`; the part before it is `*before`. False when there is none. */
static bool split(struct oxp_view *rest, char c, bool last, struct oxp_view *before) {
    for (size_t i = 0; i < rest->len; i++) {
        size_t at = last ? rest->len - 1 - i : i;
        if (rest->ptr[at] == c) {
            *before = oxp_view_of(rest->ptr, at);
            *rest = oxp_view_of(rest->ptr + at + 1, rest->len - at - 1);
            return true;
        }
    }
    return false;
}

static int hex_value(char c) {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Percent-decoded (RFC 3986 section 2.1) and NUL-terminated. */
static bool decode(struct oxp_view text, char out[OXP_REDIS_TEXT_MAX + 1]) {
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '%') {
            int high = i + 2 < text.len ? hex_value(text.ptr[i + 1]) : -1;
            int low = high < 0 ? -1 : hex_value(text.ptr[i + 2]);
            if (low < 0) {
                return false;
            }
            c = (char)(high * 16 + low);
            i += 2;
        }
        if (c == '\0' || len >= OXP_REDIS_TEXT_MAX) {
            return false;
        }
        out[len++] = c;
    }
    out[len] = '\0';
    return true;
}

static bool read_number(struct oxp_view text, uint64_t most, uint64_t *out) {
    return oxp_number_parse_u64(text, out) == OXP_OK && *out <= most;
}

static enum oxp_status read_user(struct oxp_view user, struct oxp_redis_url *out, struct oxp_error *error) {
    struct oxp_view name;
    if (!split(&user, ':', false, &name)) {
        return invalid(error, "user without a password (write redis://:password@host)");
    }
    return decode(name, out->user) && decode(user, out->password) ? OXP_OK : invalid(error, "bad user or password");
}

static enum oxp_status read_db(struct oxp_view text, struct oxp_redis_url *out, struct oxp_error *error) {
    uint64_t db = 0;
    if (text.len > 0 && !read_number(text, 1000000, &db)) {
        return invalid(error, "the database is not a number");
    }
    out->db = (unsigned)db;
    return OXP_OK;
}

static enum oxp_status read_host(struct oxp_view rest, struct oxp_redis_url *out, struct oxp_error *error) {
    uint64_t port = DEFAULT_PORT;
    struct oxp_view host = rest;
    bool has_port;
    if (rest.len > 0 && rest.ptr[0] == '[') {
        rest = oxp_view_of(rest.ptr + 1, rest.len - 1);
        if (!split(&rest, ']', false, &host) || (rest.len > 0 && rest.ptr[0] != ':')) {
            return invalid(error, "bad address in brackets");
        }
        has_port = rest.len > 0;
        rest = has_port ? oxp_view_of(rest.ptr + 1, rest.len - 1) : rest;
    } else {
        has_port = split(&rest, ':', false, &host);
    }
    if (has_port && (!read_number(rest, 65535, &port) || port == 0)) {
        return invalid(error, "bad port");
    }
    out->port = (int)port;
    return host.len > 0 && decode(host, out->host) ? OXP_OK : invalid(error, "no host");
}

static enum oxp_status read_tcp(struct oxp_view rest, struct oxp_redis_url *out, struct oxp_error *error) {
    if (memchr(rest.ptr, '?', rest.len) != NULL || memchr(rest.ptr, '#', rest.len) != NULL) {
        return invalid(error, "it has a query");
    }
    struct oxp_view authority = rest, user;
    bool has_db = split(&rest, '/', false, &authority);
    enum oxp_status status = has_db ? read_db(rest, out, error) : OXP_OK;
    if (status == OXP_OK && split(&authority, '@', true, &user)) {
        status = read_user(user, out, error);
    }
    return status == OXP_OK ? read_host(authority, out, error) : status;
}

static enum oxp_status read_unix(struct oxp_view rest, struct oxp_redis_url *out, struct oxp_error *error) {
    struct oxp_view path = rest, user;
    enum oxp_status status = OXP_OK;
    if (rest.ptr[0] != '/' && split(&rest, '@', false, &user)) {
        status = read_user(user, out, error);
        path = rest;
    }
    if (status == OXP_OK && split(&rest, '?', false, &path)) {
        if (!oxp_view_starts(rest, OXP_VIEW("db="))) {
            return invalid(error, "its query is not db=N");
        }
        status = read_db(oxp_view_of(rest.ptr + 3, rest.len - 3), out, error);
    }
    if (status != OXP_OK) {
        return status;
    }
    return path.len > 1 && path.ptr[0] == '/' && decode(path, out->host) ? OXP_OK
                                                                         : invalid(error, "no path to a socket");
}

enum oxp_status oxp_redis_url_read(struct oxp_view url, struct oxp_redis_url *out, struct oxp_error *error) {
    static const struct {
        const char *scheme;
        enum oxp_status (*read)(struct oxp_view rest, struct oxp_redis_url *out, struct oxp_error *error);
    } schemes[] = {{"redis://", read_tcp}, {"unix://", read_unix}};
    *out = (struct oxp_redis_url){0};
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
        struct oxp_view scheme = oxp_view_from(schemes[i].scheme);
        if (oxp_view_starts(url, scheme) && url.len > scheme.len) {
            return schemes[i].read(oxp_view_of(url.ptr + scheme.len, url.len - scheme.len), out, error);
        }
    }
    if (oxp_view_starts(url, OXP_VIEW("rediss://"))) {
        return oxp_error_set(error, OXP_ERR_UNSUPPORTED, 0, 0, "the Redis URL: TLS (rediss://) is not supported");
    }
    return invalid(error, "it does not begin with redis:// or unix://");
}
