/* Where spans go, and with which headers: the options' endpoint, or OpenTelemetry's variables (specification, "OTLP
 * Exporter Configuration"). */
#include "lib/trace/otlp.h"

#include "lib/base/ascii.h"
#include <stdlib.h>
#include <strings.h>

#define PATH "v1/traces"

/* ---- The URL ---- */

static bool is_http_url(const char *url) {
    size_t scheme = strncasecmp(url, "http://", 7) == 0 ? 7 : strncasecmp(url, "https://", 8) == 0 ? 8 : 0;
    if (scheme == 0 || url[scheme] == '\0' || url[scheme] == '/') {
        return false;
    }
    for (const char *c = url; *c != '\0'; c++) {
        if ((unsigned char)*c <= ' ' || *c == 0x7f) {
            return false;
        }
    }
    return true;
}

static char *join(const char *base, const char *path) {
    struct oxp_buf buf;
    oxp_buf_init(&buf, 0);
    oxp_buf_append_text(&buf, base);
    if (path[0] != '\0') {
        if (buf.len > 0 && base[buf.len - 1] != '/') {
            oxp_buf_append_char(&buf, '/');
        }
        oxp_buf_append_text(&buf, path);
    }
    char *text = oxp_buf_take(&buf, NULL);
    oxp_buf_fini(&buf);
    return text;
}

enum oxp_status oxp_otlp_url(const char *endpoint, char **url_out) {
    const char *path = PATH;
    *url_out = NULL;
    if (endpoint != NULL && endpoint[0] != '\0' && !is_http_url(endpoint)) {
        return OXP_ERR_INVALID;
    }
    if (endpoint == NULL) {
        endpoint = getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT");
        path = "";
        if (endpoint == NULL || endpoint[0] == '\0') {
            endpoint = getenv("OTEL_EXPORTER_OTLP_ENDPOINT");
            path = PATH;
        }
    }
    if (endpoint == NULL || endpoint[0] == '\0') {
        return OXP_OK;
    }
    *url_out = join(endpoint, path);
    return *url_out == NULL ? OXP_ERR_NOMEM : OXP_OK;
}

/* ---- The headers ---- */

static bool is_token_char(char c) { /* RFC 9110, section 5.6.2 */
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static bool is_header_name(struct oxp_view name) {
    for (size_t i = 0; i < name.len; i++) {
        if (!is_token_char(name.ptr[i])) {
            return false;
        }
    }
    return name.len > 0 && !(name.len == 12 && strncasecmp(name.ptr, "content-type", 12) == 0);
}

/* Appends the value without its percent signs. False when it could end its line, or begin another. */
static bool append_value(struct oxp_buf *buf, struct oxp_view value) {
    for (size_t i = 0; i < value.len; i++) {
        char c = value.ptr[i];
        int high = c == '%' && i + 2 < value.len ? oxp_hex_digit(value.ptr[i + 1]) : -1;
        int low = high < 0 ? -1 : oxp_hex_digit(value.ptr[i + 2]);
        if (low >= 0) {
            c = (char)(high * 16 + low);
            i += 2;
        }
        if (((unsigned char)c < ' ' && c != '\t') || c == 0x7f) {
            return false;
        }
        oxp_buf_append_char(buf, c);
    }
    return true;
}

static size_t count_lines(const struct oxp_otlp_headers *headers) {
    size_t count = 0;
    while (headers->lines[count] != NULL) {
        count++;
    }
    return count;
}

static enum oxp_status add_line(struct oxp_otlp_headers *headers, struct oxp_view name, struct oxp_view value) {
    size_t count = count_lines(headers);
    struct oxp_buf buf;
    enum oxp_status status = OXP_OK;
    oxp_buf_init(&buf, 0);
    oxp_buf_append_view(&buf, name);
    oxp_buf_append_text(&buf, ": ");
    if (append_value(&buf, value) && count < OXP_OTLP_HEADERS_MAX + 1) {
        headers->lines[count] = oxp_buf_take(&buf, NULL);
        status = headers->lines[count] == NULL ? OXP_ERR_NOMEM : OXP_OK;
    }
    oxp_buf_fini(&buf);
    return status;
}

enum oxp_status oxp_otlp_headers_read(struct oxp_view text, struct oxp_otlp_headers *headers) {
    enum oxp_status status = OXP_OK;
    while (text.len > 0 && status == OXP_OK) {
        const char *comma = memchr(text.ptr, ',', text.len);
        size_t len = comma == NULL ? text.len : (size_t)(comma - text.ptr);
        struct oxp_view entry = oxp_view_of(text.ptr, len);
        const char *sign = len == 0 ? NULL : memchr(entry.ptr, '=', len);
        if (sign != NULL) {
            struct oxp_view name = oxp_ascii_trim(oxp_view_of(entry.ptr, (size_t)(sign - entry.ptr)), " \t");
            struct oxp_view value = oxp_ascii_trim(oxp_view_of(sign + 1, (size_t)(entry.ptr + len - sign) - 1), " \t");
            status = is_header_name(name) ? add_line(headers, name, value) : OXP_OK;
        }
        text = comma == NULL ? oxp_view_of(NULL, 0) : oxp_view_of(comma + 1, text.len - len - 1);
    }
    return status;
}

enum oxp_status oxp_otlp_headers_init(struct oxp_otlp_headers *headers) {
    *headers = (struct oxp_otlp_headers){.lines = {NULL}};
    const char *text = getenv("OTEL_EXPORTER_OTLP_TRACES_HEADERS");
    text = text == NULL || text[0] == '\0' ? getenv("OTEL_EXPORTER_OTLP_HEADERS") : text;
    enum oxp_status status = add_line(headers, OXP_VIEW("Content-Type"), OXP_VIEW("application/json"));
    return status == OXP_OK ? oxp_otlp_headers_read(oxp_view_from(text), headers) : status;
}

void oxp_otlp_headers_fini(struct oxp_otlp_headers *headers) {
    for (size_t i = 0; headers->lines[i] != NULL; i++) {
        free((void *)(uintptr_t)headers->lines[i]);
        headers->lines[i] = NULL;
    }
}
