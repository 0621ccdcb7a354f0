#include "lib/base/http.h"

#include "lib/base/ascii.h"
#include <stdlib.h>

void oxp_http_response_fini(struct oxp_http_response *response) {
    free(response->body);
    free(response->headers);
    *response = (struct oxp_http_response){0};
}

struct oxp_view oxp_http_header(const struct oxp_http_response *response, const char *name) {
    const size_t len = strlen(name);
    const char *line = response->headers == NULL ? "" : response->headers;
    while (*line != '\0') {
        size_t line_len = strcspn(line, "\n");
        if (line_len > len && line[len] == ':' && memcmp(line, name, len) == 0) {
            return oxp_ascii_trim(oxp_view_of(line + len + 1, line_len - len - 1), " \t\r");
        }
        line += line_len + (line[line_len] == '\n');
    }
    return (struct oxp_view){0};
}
