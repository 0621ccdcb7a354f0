#include "exporter/serve/internal.h"

#include <microhttpd.h>
#include <strings.h>

#include "lib/base/number.h"

/* What the head says about where the request ends. The library keeps the first of several Content-Lengths, prefers
 * Transfer-Encoding over it, and takes "Content-Length :" for another header; a proxy in front may see it otherwise,
 * and then one reader's body is the other's next request. So each of these is refused. */
struct seen {
    unsigned lengths, encodings, hosts;
    const char *length, *encoding;
    bool bad_name;
};

/* RFC 9110 section 5.6.2. */
static bool is_token_char(unsigned char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static bool is_token(const char *text) {
    size_t len = 0;
    while (is_token_char((unsigned char)text[len])) {
        len++;
    }
    return len > 0 && text[len] == '\0';
}

static enum MHD_Result look(void *ctx, enum MHD_ValueKind kind, const char *name, const char *value) {
    (void)kind;
    struct seen *seen = ctx;
    if (!is_token(name)) {
        seen->bad_name = true;
    } else if (strcasecmp(name, "Content-Length") == 0) {
        seen->lengths++;
        seen->length = value == NULL ? "" : value;
    } else if (strcasecmp(name, "Transfer-Encoding") == 0) {
        seen->encodings++;
        seen->encoding = value == NULL ? "" : value;
    } else if (strcasecmp(name, "Host") == 0) {
        seen->hosts++;
    }
    return MHD_YES;
}

const char *oxp_serve_framing(struct MHD_Connection *mhd, const char *version, struct oxp_framing *framing_out,
                              int *status_out) {
    struct seen seen = {0};
    MHD_get_connection_values(mhd, MHD_HEADER_KIND, look, &seen);
    bool old = strcmp(version, "HTTP/1.0") == 0;
    *framing_out = (struct oxp_framing){.chunked = seen.encodings > 0};
    *status_out = 400;
    if (seen.bad_name) {
        return "a header name is not a token";
    }
    if (seen.lengths > 1) {
        return "more than one Content-Length";
    }
    if (seen.encodings > 1) {
        return "more than one Transfer-Encoding";
    }
    if (seen.lengths > 0 && seen.encodings > 0) {
        return "Content-Length together with Transfer-Encoding";
    }
    if (seen.encodings > 0 && old) {
        return "Transfer-Encoding in HTTP/1.0";
    }
    if (seen.encodings > 0 && strcasecmp(seen.encoding, "chunked") != 0) {
        *status_out = 501;
        return "a Transfer-Encoding other than chunked";
    }
    if (seen.hosts > 1) {
        return "more than one Host";
    }
    if (seen.hosts == 0 && !old) {
        return "no Host";
    }
    if (seen.lengths > 0 && oxp_number_parse_u64(oxp_view_from(seen.length), &framing_out->content_length) != OXP_OK) {
        return "Content-Length is not a number";
    }
    framing_out->has_body = framing_out->chunked || framing_out->content_length > 0;
    return NULL;
}
