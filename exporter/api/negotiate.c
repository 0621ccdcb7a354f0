#include "exporter/api/negotiate.h"

#include <oxpecker/view.h>
#include <strings.h>

#include "lib/base/ascii.h"
#include "lib/base/number.h"

/* One element of a list header: "text/plain;version=0.0.4;q=0.5". */
struct range {
    struct oxp_view name; /* the media range or coding */
    struct oxp_view version, escaping;
    bool has_version;
    bool usable; /* its q, if any, is one */
    double q;
};

/* How well a range fits a format: the closest one decides (RFC 9110 section 12.5.1). */
enum fit { FIT_NOT, FIT_ANY, FIT_TYPE, FIT_MEDIA, FIT_EXACT };

struct offer {
    enum oxp_format format;
    const char *media, *type_range; /* "text/" followed by a star, or NULL: not offered to ranges */
    const char *version;
};

static const struct offer offers[] = {
    {OXP_FORMAT_TEXT, "text/plain", "text/*", "0.0.4"},
    {OXP_FORMAT_OPENMETRICS, "application/openmetrics-text", NULL, "1.0.0"},
};

static const char *const escapings[] = {"allow-utf-8", "underscores",
                                        "values"}; /* not "dots": our names would change */
;

static bool same(struct oxp_view view, const char *text) {
    return view.len == strlen(text) && strncasecmp(view.ptr, text, view.len) == 0;
}

/* Takes what stands before the next `separator` that is not inside quotes. */
static struct oxp_view take(struct oxp_view *rest, char separator) {
    size_t i = 0;
    for (bool quoted = false; i < rest->len && (quoted || rest->ptr[i] != separator); i++) {
        if (rest->ptr[i] == '"') {
            quoted = !quoted;
        } else if (quoted && rest->ptr[i] == '\\' && i + 1 < rest->len) {
            i++;
        }
    }
    i = i > rest->len ? rest->len : i;
    struct oxp_view taken = oxp_view_of(rest->ptr, i);
    size_t used = i < rest->len ? i + 1 : i;
    *rest = oxp_view_of(rest->ptr + used, rest->len - used);
    return oxp_ascii_trim(taken, " \t");
}

/* RFC 9110 section 12.4.2, with any number of digits. */
static bool read_q(struct oxp_view text, double *q_out) {
    for (size_t i = 0; i < text.len; i++) {
        if ((text.ptr[i] < '0' || text.ptr[i] > '9') && text.ptr[i] != '.') {
            return false;
        }
    }
    return oxp_number_parse_json(text, q_out) == OXP_OK && *q_out >= 0 && *q_out <= 1;
}

static struct range read_range(struct oxp_view element) {
    struct range range = {.name = take(&element, ';'), .usable = true, .q = 1};
    while (element.len > 0) {
        struct oxp_view value = take(&element, ';'), key = take(&value, '=');
        value = oxp_ascii_trim(value, " \t");
        if (value.len >= 2 && value.ptr[0] == '"' && value.ptr[value.len - 1] == '"') {
            value = oxp_view_of(value.ptr + 1, value.len - 2);
        }
        if (same(key, "q")) {
            range.usable = read_q(value, &range.q);
        } else if (same(key, "version")) {
            range.has_version = true;
            range.version = value;
        } else if (same(key, "escaping")) {
            range.escaping = value;
        }
    }
    return range;
}

static enum fit fit_of(const struct range *range, const struct offer *offer) {
    if (same(range->name, offer->media)) {
        return !range->has_version ? FIT_MEDIA : oxp_view_is(range->version, offer->version) ? FIT_EXACT : FIT_NOT;
    }
    if (offer->type_range == NULL) {
        return FIT_NOT;
    }
    return same(range->name, offer->type_range)                 ? FIT_TYPE
           : same(range->name, "*/*") || same(range->name, "*") ? FIT_ANY
                                                                : FIT_NOT;
}

static const char *known_escaping(struct oxp_view text) {
    for (size_t i = 0; i < sizeof escapings / sizeof escapings[0]; i++) {
        if (oxp_view_is(text, escapings[i])) {
            return escapings[i];
        }
    }
    return NULL;
}

/* What a header says about one offer. */
struct wish {
    enum fit fit;
    double q;
    size_t place; /* in the header, from 0 */
    const char *escaping;
};

static struct wish wish_for(const char *accept, const struct offer *offer) {
    struct wish wish = {.fit = FIT_NOT};
    struct oxp_view rest = oxp_view_from(accept);
    for (size_t place = 0; rest.len > 0; place++) {
        struct range range = read_range(take(&rest, ','));
        enum fit fit = range.usable ? fit_of(&range, offer) : FIT_NOT;
        if (fit > wish.fit) {
            wish = (struct wish){fit, range.q, place, known_escaping(range.escaping)};
        }
    }
    return wish;
}

enum oxp_format oxp_negotiate_format(const char *accept, const char **escaping_out) {
    const struct offer *best = NULL;
    struct wish best_wish = {0};
    for (size_t i = 0; i < sizeof offers / sizeof offers[0]; i++) {
        struct wish wish = wish_for(accept, &offers[i]);
        if (wish.fit == FIT_NOT || wish.q <= 0) {
            continue;
        }
        if (best == NULL || wish.q > best_wish.q || (wish.q >= best_wish.q && wish.place < best_wish.place)) {
            best = &offers[i];
            best_wish = wish;
        }
    }
    *escaping_out = best == NULL ? NULL : best_wish.escaping;
    return best == NULL ? OXP_FORMAT_TEXT : best->format;
}

bool oxp_negotiate_gzip(const char *accept_encoding) {
    bool named = false, wanted = false, any = false;
    struct oxp_view rest = oxp_view_from(accept_encoding);
    while (rest.len > 0) {
        struct range range = read_range(take(&rest, ','));
        bool yes = range.usable && range.q > 0;
        if (same(range.name, "gzip") || same(range.name, "x-gzip")) {
            wanted = named ? wanted || yes : yes;
            named = true;
        } else if (same(range.name, "*")) {
            any = yes;
        }
    }
    return named ? wanted : any;
}
