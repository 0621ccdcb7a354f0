/* Times and XML as AWS writes them. */
#include "alerts/aws/parts.h"

#include <stdio.h>
#include <time.h>

/* ---- Times ---- */

void oxp_aws_time_format(int64_t ms, char out[17]) {
    time_t seconds = (time_t)(ms / 1000 - (ms % 1000 < 0));
    struct tm parts = {0};
    gmtime_r(&seconds, &parts);
    /* the remainders tell the compiler that it fits */
    (void)snprintf(out, 17, "%04u%02u%02uT%02u%02u%02uZ", (unsigned)(parts.tm_year + 1900) % 10000u,
                   (unsigned)(parts.tm_mon + 1) % 100u, (unsigned)parts.tm_mday % 100u, (unsigned)parts.tm_hour % 100u,
                   (unsigned)parts.tm_min % 100u, (unsigned)parts.tm_sec % 100u);
}

/* ---- XML ---- */

static const struct {
    const char *name;
    char c;
} entities[] = {{"&lt;", '<'},    {"&gt;", '>'},   {"&amp;", '&'}, {"&quot;", '"'},
                {"&apos;", '\''}, {"&#39;", '\''}, {"&#34;", '"'}, {"&#xD;", ' '}};

static struct oxp_view unescape(struct oxp_view text, struct oxp_arena *arena) {
    char *out = oxp_arena_take(arena, text.len + 1);
    size_t len = 0;
    if (out == NULL) {
        return oxp_view_of(NULL, 0);
    }
    for (size_t i = 0; i < text.len;) {
        size_t k = 0, left = text.len - i;
        while (k < sizeof entities / sizeof entities[0] &&
               !oxp_view_starts(oxp_view_of(text.ptr + i, left), oxp_view_from(entities[k].name))) {
            k++;
        }
        bool found = k < sizeof entities / sizeof entities[0];
        if (found) {
            out[len++] = entities[k].c;
            i += strlen(entities[k].name);
        } else {
            out[len++] = text.ptr[i++];
        }
    }
    out[len] = '\0';
    return oxp_view_of(out, len);
}

struct oxp_view oxp_aws_xml_text(struct oxp_view xml, const char *name, struct oxp_arena *arena) {
    size_t len = strlen(name);
    struct oxp_view rest = xml;
    for (;;) {
        (void)oxp_aws_before(rest, '<', &rest); /* `rest` begins behind the bracket */
        if (rest.len <= len) {
            return oxp_view_of(NULL, 0);
        }
        char next = rest.ptr[len];
        if (memcmp(rest.ptr, name, len) == 0 && (next == '>' || next == ' ')) {
            struct oxp_view inside;
            struct oxp_view tag = oxp_aws_before(rest, '>', &inside);
            if (oxp_view_ends(tag, OXP_VIEW("/"))) {
                return oxp_view_of(NULL, 0);
            }
            return unescape(oxp_aws_trim(oxp_aws_before(inside, '<', NULL)), arena);
        }
    }
}
