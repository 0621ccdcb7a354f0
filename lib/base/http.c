#include "lib/base/http.h"

#include <stdlib.h>

void oxp_http_response_fini(struct oxp_http_response *response) {
    free(response->body);
    free(response->headers);
    *response = (struct oxp_http_response){0};
}

static bool is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\r';
}

static struct oxp_view trimmed(struct oxp_view text) {
    while (text.len != 0 && is_blank(text.ptr[0])) {
        text = oxp_view_of(text.ptr + 1, text.len - 1);
    }
    while (text.len != 0 && is_blank(text.ptr[text.len - 1])) {
        text.len--;
    }
    return text;
}

struct oxp_view oxp_http_header(const struct oxp_http_response *response, const char *name) {
    const size_t len = strlen(name);
    const char *line = response->headers == NULL ? "" : response->headers;
    while (*line != '\0') {
        size_t line_len = strcspn(line, "\n");
        if (line_len > len && line[len] == ':' && memcmp(line, name, len) == 0) {
            return trimmed(oxp_view_of(line + len + 1, line_len - len - 1));
        }
        line += line_len + (line[line_len] == '\n');
    }
    return (struct oxp_view){0};
}
