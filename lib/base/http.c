#include "lib/base/http.h"

#include <stdlib.h>

void oxp_http_response_fini(struct oxp_http_response *response) {
    free(response->body);
    *response = (struct oxp_http_response){0};
}
