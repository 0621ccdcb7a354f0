#include "exporter/config/reader.h"

#include "lib/base/number.h"
#include "lib/base/scrub.h"
#include "lib/base/utf8.h"
#include <arpa/inet.h>
#include <stdio.h>

/* ---- Durations ---- */

static const struct unit {
    const char *name;
    uint64_t ms;
} units[] = {
    {"y", 365 * UINT64_C(86400000)},
    {"w", 7 * UINT64_C(86400000)},
    {"d", 86400000},
    {"h", 3600000},
    {"m", 60000},
    {"s", 1000},
    {"ms", 1},
};
enum { UNITS = sizeof units / sizeof units[0] };
static const uint64_t duration_max_ms = INT64_MAX / 1000000;

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static size_t length_while(struct oxp_view text, bool (*want)(char)) {
    size_t len = 0;
    while (len < text.len && want(text.ptr[len])) {
        len++;
    }
    return len;
}

static struct oxp_view rest_of(struct oxp_view text, size_t from) {
    return oxp_view_of(text.ptr + from, text.len - from);
}

enum oxp_status oxp_duration_parse(struct oxp_view text, double *seconds_out) {
    *seconds_out = 0;
    if (oxp_view_is(text, "0")) {
        return OXP_OK;
    }
    uint64_t total = 0;
    enum oxp_status status = text.len == 0 ? OXP_ERR_SYNTAX : OXP_OK;
    for (size_t next_unit = 0; text.len != 0;) {
        size_t digits = length_while(text, is_digit);
        uint64_t amount = 0;
        enum oxp_status number = oxp_number_parse_u64(oxp_view_of(text.ptr, digits), &amount);
        struct oxp_view word = rest_of(text, digits);
        word.len = length_while(word, is_letter);
        size_t unit = next_unit;
        while (unit < UNITS && !oxp_view_is(word, units[unit].name)) {
            unit++;
        }
        if (digits == 0 || unit == UNITS) {
            return OXP_ERR_SYNTAX;
        }
        if (number != OXP_OK || amount > (duration_max_ms - total) / units[unit].ms) {
            status = OXP_ERR_RANGE; /* and read on: a malformed one is malformed first */
        } else {
            total += amount * units[unit].ms;
        }
        next_unit = unit + 1;
        text = rest_of(text, digits + word.len);
    }
    *seconds_out = (double)total / 1000;
    return status;
}

void oxp_duration_append(struct oxp_buf *out, double seconds) {
    uint64_t left = (uint64_t)(seconds * 1000 + 0.5);
    if (left == 0) {
        oxp_buf_append_text(out, "0s");
        return;
    }
    for (size_t unit = 2; unit < UNITS; unit++) {
        uint64_t amount = left / units[unit].ms;
        if (amount != 0) {
            oxp_buf_append_u64(out, amount);
            oxp_buf_append_text(out, units[unit].name);
            left -= amount * units[unit].ms;
        }
    }
}

/* ---- Sizes ---- Powers of two; KB is KiB, as in Prometheus' --storage.tsdb.retention.size */

static const struct size_unit {
    const char *name, *other;
    uint64_t bytes;
} size_units[] = {
    {"TiB", "TB", UINT64_C(1) << 40}, {"GiB", "GB", 1 << 30}, {"MiB", "MB", 1 << 20},
    {"KiB", "KB", 1 << 10},           {"", "B", 1},
};
enum { SIZE_UNITS = sizeof size_units / sizeof size_units[0] };

static enum oxp_status parse_bytes(struct oxp_view text, double *bytes_out) {
    uint64_t amount = 0;
    size_t digits = length_while(text, is_digit);
    struct oxp_view word = rest_of(text, digits);
    enum oxp_status status = oxp_number_parse_u64(oxp_view_of(text.ptr, digits), &amount);
    for (size_t i = 0; i < SIZE_UNITS; i++) {
        if (oxp_view_is(word, size_units[i].name) || oxp_view_is(word, size_units[i].other)) {
            *bytes_out = (double)amount * (double)size_units[i].bytes;
            return status;
        }
    }
    *bytes_out = 0;
    return OXP_ERR_SYNTAX;
}

void oxp_bytes_append(struct oxp_buf *out, double bytes) {
    uint64_t whole = (uint64_t)bytes;
    size_t unit = 0;
    while (unit + 1 < SIZE_UNITS && (whole == 0 || whole % size_units[unit].bytes != 0)) {
        unit++;
    }
    oxp_buf_append_u64(out, whole / size_units[unit].bytes);
    oxp_buf_append_text(out, size_units[unit].name);
}

/* ---- Text of others in messages ---- */

#define ELLIPSIS "\xe2\x80\xa6"

/* Copies at most `most` bytes of valid UTF-8, with an ellipsis for what was cut. */
static struct oxp_shown shown_start(struct oxp_view text, size_t most) {
    struct oxp_shown shown = {""};
    struct oxp_view cut = oxp_utf8_cut(oxp_view_of(text.ptr, oxp_utf8_valid_prefix(text)), most);
    for (size_t i = 0; i < cut.len; i++) {
        shown.text[i] = cut.ptr[i];
        if ((unsigned char)cut.ptr[i] < 0x20 || cut.ptr[i] == 0x7f) {
            shown.text[i] = '?';
        }
    }
    const char *end = cut.len < text.len ? ELLIPSIS : "";
    memcpy(shown.text + cut.len, end, strlen(end) + 1);
    return shown;
}

struct oxp_shown oxp_shown(struct oxp_view text) {
    enum { SHOWN_BYTES = 64 };
    char clean[OXP_CONFIG_VALUE_MAX];
    if (text.len > sizeof clean) {
        text.len = sizeof clean;
    }
    size_t len = text.len == 0 ? 0 : oxp_scrub(text, clean, sizeof clean);
    return shown_start(oxp_view_of(clean, len), SHOWN_BYTES);
}

struct oxp_shown oxp_shown_path(const char *path) {
    enum { PATH_BYTES = 100 };
    struct oxp_view view = oxp_view_from(path);
    if (view.len <= PATH_BYTES) {
        return shown_start(view, PATH_BYTES);
    }
    view = oxp_view_of(view.ptr + view.len - PATH_BYTES, PATH_BYTES);
    while (view.len != 0 && ((unsigned char)view.ptr[0] & 0xc0) == 0x80) {
        view = oxp_view_of(view.ptr + 1, view.len - 1);
    }
    struct oxp_shown shown = {ELLIPSIS};
    struct oxp_shown rest = shown_start(view, PATH_BYTES);
    memcpy(shown.text + strlen(ELLIPSIS), rest.text, sizeof shown.text - strlen(ELLIPSIS));
    shown.text[sizeof shown.text - 1] = '\0';
    return shown;
}

/* ---- One reader a type: OXP_OK, OXP_ERR_SYNTAX, OXP_ERR_RANGE, OXP_ERR_EXISTS (a path that is taken) ---- */

typedef enum oxp_status read_fn(const struct oxp_option_spec *spec, struct oxp_view text, double *number_out);

static enum oxp_status read_text(const struct oxp_option_spec *spec, struct oxp_view text, double *number_out) {
    (void)spec;
    (void)text;
    *number_out = 0;
    return OXP_OK;
}

static enum oxp_status read_route(const struct oxp_option_spec *spec, struct oxp_view text, double *number_out) {
    (void)spec;
    *number_out = 0;
    if (text.len == 0 || text.ptr[0] != '/') {
        return OXP_ERR_SYNTAX;
    }
    for (size_t i = 0; i < text.len; i++) {
        if (strchr("?#%* \\\"", text.ptr[i]) != NULL || (unsigned char)text.ptr[i] >= 0x80) {
            return OXP_ERR_SYNTAX;
        }
    }
    /* What the server answers for other reasons (docs/operations.md, HTTP). */
    static const char *const taken[] = {"/", "/health"};
    static const char *const taken_below[] = {"/-/", "/api/"};
    for (size_t i = 0; i < 2; i++) {
        if (oxp_view_is(text, taken[i]) || oxp_view_starts(text, oxp_view_from(taken_below[i]))) {
            return OXP_ERR_EXISTS;
        }
    }
    return OXP_OK;
}

static bool is_port(struct oxp_view text) {
    uint64_t port;
    return text.len <= 5 && oxp_number_parse_u64(text, &port) == OXP_OK && port <= 65535;
}

static bool is_name_byte(char c) {
    return is_letter(c) || is_digit(c) || c == '-' || c == '.' || c == '_';
}

/* A name, an IPv4 address, or an IPv6 address in brackets. */
static bool is_host(struct oxp_view text) {
    if (text.len < 2 || text.ptr[0] != '[') {
        return text.len != 0 && length_while(text, is_name_byte) == text.len;
    }
    char inner[INET6_ADDRSTRLEN];
    struct in6_addr address;
    size_t len = text.len - 2;
    if (text.ptr[text.len - 1] != ']' || len >= sizeof inner) {
        return false;
    }
    memcpy(inner, text.ptr + 1, len);
    inner[len] = '\0';
    return inet_pton(AF_INET6, inner, &address) == 1;
}

/* host and port at the last colon that is not inside brackets. */
static bool split_port(struct oxp_view text, struct oxp_view *host_out, struct oxp_view *port_out) {
    for (size_t i = text.len; i > 0 && text.ptr[i - 1] != ']'; i--) {
        if (text.ptr[i - 1] == ':') {
            *host_out = oxp_view_of(text.ptr, i - 1);
            *port_out = rest_of(text, i);
            return true;
        }
    }
    return false;
}

static enum oxp_status read_address(const struct oxp_option_spec *spec, struct oxp_view text, double *number_out) {
    (void)spec;
    *number_out = 0;
    struct oxp_view host, port;
    if (!split_port(text, &host, &port) || !is_port(port) || (host.len != 0 && !is_host(host))) {
        return OXP_ERR_SYNTAX;
    }
    return OXP_OK;
}

static enum oxp_status read_url(const struct oxp_option_spec *spec, struct oxp_view text, double *number_out) {
    (void)spec;
    *number_out = 0;
    static const char *const schemes[] = {"http://", "https://"};
    struct oxp_view rest = {NULL, 0};
    for (size_t i = 0; i < 2; i++) {
        if (oxp_view_starts(text, oxp_view_from(schemes[i]))) {
            rest = rest_of(text, strlen(schemes[i]));
        }
    }
    for (size_t i = 0; i < rest.len; i++) {
        if (rest.ptr[i] == ' ' || (unsigned char)rest.ptr[i] >= 0x80) {
            return OXP_ERR_SYNTAX; /* RFC 3986: such bytes are written in percent form */
        }
    }
    struct oxp_view host = rest, port;
    host.len = 0;
    while (host.len < rest.len && strchr("/?#", rest.ptr[host.len]) == NULL) {
        host.len++;
    }
    for (size_t i = host.len; i > 0; i--) {
        if (host.ptr[i - 1] == '@') {
            host = rest_of(host, i);
            break;
        }
    }
    if (split_port(host, &host, &port) && port.len != 0 && !is_port(port)) {
        return OXP_ERR_SYNTAX;
    }
    return is_host(host) ? OXP_OK : OXP_ERR_SYNTAX;
}

static enum oxp_status read_bool(const struct oxp_option_spec *spec, struct oxp_view text, double *number_out) {
    (void)spec;
    *number_out = oxp_view_is(text, "true");
    return *number_out != 0 || oxp_view_is(text, "false") ? OXP_OK : OXP_ERR_SYNTAX;
}

static enum oxp_status read_count(const struct oxp_option_spec *spec, struct oxp_view text, double *number_out) {
    uint64_t count = 0;
    enum oxp_status status = oxp_number_parse_u64(text, &count);
    *number_out = (double)count;
    if (status == OXP_OK && (*number_out < spec->least || *number_out > spec->most)) {
        status = OXP_ERR_RANGE;
    }
    return status;
}

static enum oxp_status read_duration(const struct oxp_option_spec *spec, struct oxp_view text, double *number_out) {
    enum oxp_status status = oxp_duration_parse(text, number_out);
    if (status == OXP_OK && (*number_out < spec->least || *number_out > spec->most)) {
        status = OXP_ERR_RANGE;
    }
    return status;
}

static enum oxp_status read_mode(const struct oxp_option_spec *spec, struct oxp_view text, double *number_out) {
    unsigned mode = 0;
    *number_out = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '7') {
            return OXP_ERR_SYNTAX;
        }
        mode = mode * 8 + (unsigned)(text.ptr[i] - '0');
        if (mode > (unsigned)spec->most) {
            return OXP_ERR_RANGE;
        }
    }
    *number_out = mode;
    return text.len < 3 ? OXP_ERR_SYNTAX : OXP_OK;
}

static enum oxp_status read_choice(const struct oxp_option_spec *spec, struct oxp_view text, double *number_out) {
    unsigned place = 0;
    for (const char *pos = spec->choices;; place++) {
        size_t len = strcspn(pos, "|");
        if (oxp_view_equal(text, oxp_view_of(pos, len))) {
            *number_out = place;
            return OXP_OK;
        }
        if (pos[len] == '\0') {
            return OXP_ERR_SYNTAX;
        }
        pos += len + 1;
    }
}

static enum oxp_status read_bytes(const struct oxp_option_spec *spec, struct oxp_view text, double *number_out) {
    enum oxp_status status = parse_bytes(text, number_out);
    if (status == OXP_OK && (*number_out < spec->least || *number_out > spec->most)) {
        status = OXP_ERR_RANGE;
    }
    return status;
}

static read_fn *const readers[] = {
    [OXP_OPT_TEXT] = read_text,     [OXP_OPT_PATH] = read_text,         [OXP_OPT_ROUTE] = read_route,
    [OXP_OPT_URL] = read_url,       [OXP_OPT_ADDRESS] = read_address,   [OXP_OPT_BOOL] = read_bool,
    [OXP_OPT_COUNT] = read_count,   [OXP_OPT_DURATION] = read_duration, [OXP_OPT_MODE] = read_mode,
    [OXP_OPT_CHOICE] = read_choice, [OXP_OPT_BYTES] = read_bytes,       [OXP_OPT_LABELS] = read_text,
    [OXP_OPT_PATHS] = read_text,    [OXP_OPT_TREE] = read_text,
};

/* What no value may hold, whatever its type; NULL when it is clean. */
static const char *unclean(struct oxp_view text) {
    if (text.len > OXP_CONFIG_VALUE_MAX) {
        return "is longer than 4096 bytes";
    }
    if (!oxp_utf8_is_valid(text)) {
        return "is not UTF-8";
    }
    for (size_t i = 0; i < text.len; i++) {
        if ((unsigned char)text.ptr[i] < 0x20 || text.ptr[i] == 0x7f) {
            return "holds a control character";
        }
    }
    return NULL;
}

enum oxp_status oxp_value_read(const struct oxp_option_spec *spec, struct oxp_view text, double *number_out,
                               struct oxp_error *why) {
    *number_out = 0;
    struct oxp_shown shown = oxp_shown(text);
    const char *dirt = unclean(text);
    if (dirt != NULL) {
        return oxp_error_set(why, OXP_ERR_INVALID, 0, 0, "the value \"%s\" %s", shown.text, dirt);
    }
    if (text.len == 0 && spec->initial[0] == '\0') {
        return OXP_OK; /* what may be absent may be empty */
    }
    if (spec->type == OXP_OPT_LABELS) {
        return oxp_labels_check(text, why); /* knows better what is wrong */
    }
    if (spec->type == OXP_OPT_PATHS) {
        return oxp_paths_check(text, why);
    }
    enum oxp_status status = readers[spec->type](spec, text, number_out);
    if (status == OXP_OK) {
        return OXP_OK;
    }
    if (status == OXP_ERR_EXISTS) {
        return oxp_error_set(why, OXP_ERR_INVALID, 0, 0, "the server needs \"%s\" for something else", shown.text);
    }
    struct oxp_buf expected;
    oxp_buf_init(&expected, 0);
    oxp_option_expected(spec, &expected);
    const char *words = oxp_buf_text(&expected);
    if (status == OXP_ERR_RANGE) {
        oxp_error_set(why, status, 0, 0, "%s is out of range; expected %s", shown.text, words);
    } else if (text.len == 0) {
        oxp_error_set(why, status, 0, 0, "found nothing; expected %s", words);
    } else {
        oxp_error_set(why, status, 0, 0, "found \"%s\"; expected %s", shown.text, words);
    }
    status = oxp_buf_status(&expected) == OXP_ERR_NOMEM ? OXP_ERR_NOMEM : OXP_ERR_INVALID;
    oxp_buf_fini(&expected);
    return status;
}
