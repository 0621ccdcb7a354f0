/* AWS Signature Version 4 ("Signing AWS API requests", AWS General Reference): a canonical form of the request is
 * hashed; that hash, the time and the scope (date/region/service/aws4_request) make the string to sign; a chain of
 * HMACs over date, region and service makes the key. Rules that are easily missed:
 *
 *  1. Header names are lower-case and sorted as names, not as lines; values lose outer blanks and runs of them; a
 *     repeated name is one line with its values joined by commas, in their order.
 *  2. The path is normalised (dot segments and double slashes go) and encoded once more than it was sent.
 *  3. Query arguments are sorted by name, then value, in their encoded form; one without "=" has an empty value.
 *  4. A header without a value is one that the transport leaves out, so it is not signed. Neither is what proxies may
 *     change: `unsigned_headers`. */
#include "alerts/aws/parts.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <stdlib.h>

enum { HASH = 32, SECRET_MAX = 512, HEADERS_MAX = 64, ARGUMENTS_MAX = 256 };

static const char *const unsigned_headers[] = {
    "connection",        "expect",  "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer",
    "transfer-encoding", "upgrade", "user-agent", "x-amzn-trace-id"};
/* What signing writes itself: a second one would make it wrong. */
static const char *const own_headers[] = {"authorization", "x-amz-date", "x-amz-security-token"};

struct pair {
    struct oxp_view name, value;
    size_t order;
};

struct parts { /* of the URL; views into it */
    struct oxp_view host, path, query;
};

struct work {
    const struct oxp_aws_signing *signing;
    const struct oxp_http_request *request;
    struct oxp_arena *arena;
    struct parts url;
    char time[17]; /* "20261122T150000Z"; its first 8 bytes are the date */
    struct pair headers[HEADERS_MAX + 3];
    size_t count;
    struct oxp_buf names; /* "host;x-amz-date" */
    struct oxp_buf request_text;
};

/* ---- Hashes ---- */

const char *oxp_aws_library(void) {
    return gnutls_check_version(NULL);
}

static void hex(const unsigned char hash[HASH], char out[2 * HASH]) {
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < HASH; i++) {
        out[2 * i] = digits[hash[i] >> 4];
        out[2 * i + 1] = digits[hash[i] & 15];
    }
}

static bool sha256_hex(struct oxp_view bytes, char out[2 * HASH]) {
    unsigned char hash[HASH];
    bool good = gnutls_hash_fast(GNUTLS_DIG_SHA256, bytes.len == 0 ? "" : bytes.ptr, bytes.len, hash) == 0;
    if (good) {
        hex(hash, out);
    }
    return good;
}

static bool hmac(struct oxp_view key, struct oxp_view text, unsigned char out[HASH]) {
    return gnutls_hmac_fast(GNUTLS_MAC_SHA256, key.ptr, key.len, text.ptr, text.len, out) == 0;
}

static struct oxp_view as_view(const unsigned char hash[HASH]) {
    return oxp_view_of((const char *)hash, HASH);
}

/* HMAC(HMAC(HMAC(HMAC("AWS4" secret, date), region), service), "aws4_request"), and with it the string. */
static bool sign_text(const struct work *work, struct oxp_view text, char out[2 * HASH]) {
    const struct oxp_aws_signing *signing = work->signing;
    unsigned char key[HASH], next[HASH];
    char secret[4 + SECRET_MAX] = "AWS4";
    size_t len = signing->keys.secret_access_key.len;
    memcpy(secret + 4, signing->keys.secret_access_key.ptr, len);
    bool good = hmac(oxp_view_of(secret, 4 + len), oxp_view_of(work->time, 8), key) &&
                hmac(as_view(key), signing->region, next) && hmac(as_view(next), signing->service, key) &&
                hmac(as_view(key), OXP_VIEW("aws4_request"), next) && hmac(as_view(next), text, key);
    hex(key, out);
    explicit_bzero(secret, sizeof secret);
    explicit_bzero(next, sizeof next);
    return good;
}

/* ---- The URL ---- */

static bool split_url(const char *url, struct parts *out) {
    struct oxp_view text = oxp_view_from(url);
    bool tls = oxp_view_starts(text, OXP_VIEW("https://"));
    if (!tls && !oxp_view_starts(text, OXP_VIEW("http://"))) {
        return false;
    }
    size_t scheme = tls ? 8 : 7, at = scheme;
    while (at < text.len && text.ptr[at] != '/' && text.ptr[at] != '?' && text.ptr[at] != '#') {
        at++;
    }
    out->host = oxp_view_of(text.ptr + scheme, at - scheme);
    struct oxp_view rest = oxp_aws_before(oxp_view_of(text.ptr + at, text.len - at), '#', NULL);
    out->path = oxp_aws_before(rest, '?', &out->query);
    /* the port that goes without saying is not sent */
    struct oxp_view port = tls ? OXP_VIEW(":443") : OXP_VIEW(":80");
    if (oxp_view_ends(out->host, port)) {
        out->host.len -= port.len;
    }
    return oxp_aws_is_token(out->host) && memchr(out->host.ptr, '@', out->host.len) == NULL;
}

/* Rule 2. */
static void write_path(struct oxp_buf *out, struct oxp_view path, struct oxp_arena *arena) {
    struct oxp_view *segments = oxp_arena_zero(arena, path.len + 1, sizeof *segments);
    size_t count = 0;
    struct oxp_view rest = path;
    while (segments != NULL && rest.len > 0) {
        struct oxp_view segment = oxp_aws_before(rest, '/', &rest);
        if (oxp_view_is(segment, "..")) {
            count -= count > 0;
        } else if (segment.len > 0 && !oxp_view_is(segment, ".")) {
            segments[count++] = segment;
        }
    }
    for (size_t i = 0; i < count; i++) {
        oxp_buf_append_char(out, '/');
        oxp_aws_escape(out, segments[i], "");
    }
    if (count == 0 || path.ptr[path.len - 1] == '/') {
        oxp_buf_append_char(out, '/');
    }
}

static int compare_views(struct oxp_view a, struct oxp_view b) {
    size_t least = a.len < b.len ? a.len : b.len;
    int order = least == 0 ? 0 : memcmp(a.ptr, b.ptr, least);
    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

static int by_name_and_value(const void *left, const void *right) {
    const struct pair *a = left, *b = right;
    int order = compare_views(a->name, b->name);
    return order != 0 ? order : compare_views(a->value, b->value);
}

static int by_name_and_order(const void *left, const void *right) {
    const struct pair *a = left, *b = right;
    int order = compare_views(a->name, b->name);
    return order != 0 ? order : (a->order > b->order) - (a->order < b->order);
}

static int hex_digit(char c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* Decoded, then encoded as the rules want it. */
static struct oxp_view recode(struct oxp_view text, struct oxp_arena *arena) {
    struct oxp_buf plain, coded;
    oxp_buf_init(&plain, 0);
    oxp_buf_init(&coded, 0);
    for (size_t i = 0; i < text.len; i++) {
        int high = text.len - i > 2 ? hex_digit(text.ptr[i + 1]) : -1, low = high < 0 ? -1 : hex_digit(text.ptr[i + 2]);
        bool escaped = text.ptr[i] == '%' && low >= 0;
        if (escaped) {
            oxp_buf_append_char(&plain, (char)(high * 16 + low));
            i += 2;
        } else {
            oxp_buf_append_char(&plain, text.ptr[i]);
        }
    }
    oxp_aws_escape(&coded, oxp_buf_view(&plain), "");
    bool good = oxp_buf_status(&plain) == OXP_OK && oxp_buf_status(&coded) == OXP_OK;
    struct oxp_view out = good ? oxp_arena_copy(arena, oxp_buf_view(&coded)) : oxp_view_of(NULL, 0);
    oxp_buf_fini(&plain);
    oxp_buf_fini(&coded);
    return out;
}

/* Rule 3. OXP_ERR_NOMEM, OXP_ERR_INVALID: too many. */
static enum oxp_status write_query(struct work *work) {
    struct pair *arguments = oxp_arena_zero(work->arena, ARGUMENTS_MAX, sizeof *arguments);
    size_t count = 0;
    struct oxp_view rest = work->url.query, value;
    if (arguments == NULL) {
        return oxp_arena_status(work->arena);
    }
    while (rest.len > 0) {
        struct oxp_view argument = oxp_aws_before(rest, '&', &rest);
        if (argument.len == 0) {
            continue;
        }
        if (count == ARGUMENTS_MAX) {
            return OXP_ERR_INVALID;
        }
        arguments[count].name = recode(oxp_aws_before(argument, '=', &value), work->arena);
        arguments[count].value = recode(value, work->arena);
        if (arguments[count].name.ptr == NULL || arguments[count].value.ptr == NULL) {
            return OXP_ERR_NOMEM;
        }
        count++;
    }
    qsort(arguments, count, sizeof *arguments, by_name_and_value);
    for (size_t i = 0; i < count; i++) {
        oxp_buf_append_text(&work->request_text, i == 0 ? "" : "&");
        oxp_buf_append_view(&work->request_text, arguments[i].name);
        oxp_buf_append_char(&work->request_text, '=');
        oxp_buf_append_view(&work->request_text, arguments[i].value);
    }
    return OXP_OK;
}

/* ---- Headers ---- */

static bool is_among(struct oxp_view name, const char *const *names, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (oxp_view_is(name, names[i])) {
            return true;
        }
    }
    return false;
}

/* Rule 1: without outer blanks, runs of them as one. NULL pointer when it holds a line's end, or without memory. */
static struct oxp_view squeeze(struct oxp_view value, struct oxp_arena *arena) {
    char *out = oxp_arena_take(arena, value.len + 1);
    size_t len = 0;
    value = oxp_aws_trim(value);
    for (size_t i = 0; out != NULL && i < value.len; i++) {
        char c = value.ptr[i];
        if (c == '\r' || c == '\n' || c == '\0') {
            return oxp_view_of(NULL, 0);
        }
        if (c == '\t' || c == '\v' || c == '\f') {
            c = ' ';
        }
        if (c != ' ' || (len > 0 && out[len - 1] != ' ')) {
            out[len++] = c;
        }
    }
    return oxp_view_of(out, out == NULL ? 0 : len);
}

static void add_header(struct work *work, struct oxp_view name, struct oxp_view value) {
    work->headers[work->count] = (struct pair){name, value, work->count};
    work->count++;
}

static enum oxp_status take_header(struct work *work, const char *line, bool *has_host) {
    struct oxp_view value, raw = oxp_aws_before(oxp_view_from(line), ':', &value);
    struct oxp_view lower = oxp_aws_lower_copy(work->arena, raw);
    struct oxp_view plain = squeeze(value, work->arena);
    if (oxp_arena_status(work->arena) != OXP_OK) {
        return oxp_arena_status(work->arena);
    }
    if (value.ptr == NULL || !oxp_aws_is_token(lower) || plain.ptr == NULL || work->count == HEADERS_MAX ||
        is_among(lower, own_headers, sizeof own_headers / sizeof own_headers[0])) {
        return OXP_ERR_INVALID;
    }
    if (plain.len > 0 && !is_among(lower, unsigned_headers, sizeof unsigned_headers / sizeof unsigned_headers[0])) {
        *has_host = *has_host || oxp_view_is(lower, "host");
        add_header(work, lower, plain);
    }
    return OXP_OK;
}

/* "name:value" lines, and the names alone. */
static void write_headers(struct work *work) {
    qsort(work->headers, work->count, sizeof work->headers[0], by_name_and_order);
    for (size_t i = 0; i < work->count; i++) {
        const struct pair *header = &work->headers[i];
        if (i > 0 && oxp_view_equal(header->name, work->headers[i - 1].name)) {
            oxp_buf_append_char(&work->request_text, ',');
        } else {
            oxp_buf_append_text(&work->names, i == 0 ? "" : ";");
            oxp_buf_append_view(&work->names, header->name);
            oxp_buf_append_text(&work->request_text, i == 0 ? "" : "\n");
            oxp_buf_append_view(&work->request_text, header->name);
            oxp_buf_append_char(&work->request_text, ':');
        }
        oxp_buf_append_view(&work->request_text, header->value);
    }
    oxp_buf_append_char(&work->request_text, '\n');
}

static enum oxp_status take_headers(struct work *work) {
    bool has_host = false;
    enum oxp_status status = OXP_OK;
    for (const char *const *line = work->request->headers; line != NULL && *line != NULL && status == OXP_OK; line++) {
        status = take_header(work, *line, &has_host);
    }
    if (!has_host) {
        add_header(work, OXP_VIEW("host"), work->url.host);
    }
    add_header(work, OXP_VIEW("x-amz-date"), oxp_view_from(work->time));
    if (work->signing->keys.session_token.len > 0) {
        add_header(work, OXP_VIEW("x-amz-security-token"), work->signing->keys.session_token);
    }
    return status;
}

/* ---- All of it ---- */

static enum oxp_status write_request(struct work *work) {
    char hash[2 * HASH];
    struct oxp_buf *out = &work->request_text;
    enum oxp_status status = take_headers(work);
    if (status != OXP_OK) {
        return status;
    }
    for (const char *c = work->request->method; *c != '\0'; c++) {
        bool small = *c >= 'a' && *c <= 'z';
        oxp_buf_append_char(out, (char)(*c - (small ? 'a' - 'A' : 0)));
    }
    oxp_buf_append_char(out, '\n');
    write_path(out, work->url.path, work->arena);
    oxp_buf_append_char(out, '\n');
    status = write_query(work);
    if (status != OXP_OK) {
        return status;
    }
    oxp_buf_append_char(out, '\n');
    write_headers(work);
    oxp_buf_append_char(out, '\n');
    oxp_buf_append_view(out, oxp_buf_view(&work->names));
    oxp_buf_append_char(out, '\n');
    if (!sha256_hex(work->request->body, hash)) {
        return OXP_ERR_UNSUPPORTED;
    }
    oxp_buf_append(out, hash, sizeof hash);
    return oxp_buf_status(out) != OXP_OK ? oxp_buf_status(out) : oxp_buf_status(&work->names);
}

static enum oxp_status sign_request(struct work *work, const char **line_out) {
    char hash[2 * HASH], signature[2 * HASH];
    struct oxp_view region = work->signing->region, service = work->signing->service;
    struct oxp_view id = work->signing->keys.access_key_id;
    enum oxp_status status = write_request(work);
    if (status != OXP_OK) {
        return status;
    }
    if (!sha256_hex(oxp_buf_view(&work->request_text), hash)) {
        return OXP_ERR_UNSUPPORTED;
    }
    const char *scope = oxp_aws_format(work->arena, "%.8s/%.*s/%.*s/aws4_request", work->time, (int)region.len,
                                       region.ptr, (int)service.len, service.ptr);
    const char *text = scope == NULL ? NULL
                                     : oxp_aws_format(work->arena, "AWS4-HMAC-SHA256\n%s\n%s\n%.*s", work->time, scope,
                                                      2 * HASH, hash);
    if (text == NULL) {
        return oxp_arena_status(work->arena);
    }
    if (!sign_text(work, oxp_view_from(text), signature)) {
        return OXP_ERR_UNSUPPORTED;
    }
    struct oxp_view names = oxp_buf_view(&work->names);
    *line_out = oxp_aws_format(work->arena,
                               "Authorization: AWS4-HMAC-SHA256 Credential=%.*s/%s, SignedHeaders=%.*s, Signature=%.*s",
                               (int)id.len, id.ptr, scope, (int)names.len, names.ptr, 2 * HASH, signature);
    return *line_out == NULL ? oxp_arena_status(work->arena) : OXP_OK;
}

static bool is_sane(const struct oxp_aws_signing *signing) {
    return oxp_aws_is_token(signing->keys.access_key_id) && oxp_aws_is_token(signing->keys.secret_access_key) &&
           signing->keys.secret_access_key.len <= SECRET_MAX && oxp_aws_is_token(signing->region) &&
           oxp_aws_is_token(signing->service) &&
           (signing->keys.session_token.len == 0 || oxp_aws_is_token(signing->keys.session_token));
}

enum oxp_status oxp_aws_sign(const struct oxp_aws_signing *signing, const struct oxp_http_request *request,
                             struct oxp_arena *arena, const char *const **headers_out) {
    struct work work = {.signing = signing, .request = request, .arena = arena};
    struct oxp_view token = signing->keys.session_token;
    const char *authorization = NULL;
    if (!is_sane(signing) || !split_url(request->url, &work.url)) {
        return OXP_ERR_INVALID;
    }
    oxp_aws_time_format(signing->time_ms, work.time);
    oxp_buf_init(&work.names, 0);
    oxp_buf_init(&work.request_text, 0);
    enum oxp_status status = sign_request(&work, &authorization);
    oxp_buf_fini(&work.names);
    oxp_buf_fini(&work.request_text);
    const char **lines = oxp_arena_zero(arena, 4, sizeof(const char *));
    if (status != OXP_OK || lines == NULL) {
        return status != OXP_OK ? status : oxp_arena_status(arena);
    }
    lines[0] = authorization;
    lines[1] = oxp_aws_format(arena, "X-Amz-Date: %s", work.time);
    if (token.len > 0) {
        lines[2] = oxp_aws_format(arena, "X-Amz-Security-Token: %.*s", (int)token.len, token.ptr);
    }
    *headers_out = lines;
    return oxp_arena_status(arena);
}
