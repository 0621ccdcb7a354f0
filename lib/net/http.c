/* The public client: net.c's, made anew in a forked child, which must not speak over its parent's connection. */
#include <oxpecker/http.h>

#include "lib/net/net.h"
#include <stdlib.h>
#include <unistd.h>

struct own_http {
    struct oxp_http http;
    struct oxp_http *inner;
    pid_t pid; /* of the process that made `inner` */
};

static enum oxp_status exchange(struct oxp_http *http, const struct oxp_http_request *request,
                                struct oxp_http_response *response_out, struct oxp_error *error) {
    struct own_http *own = (struct own_http *)http;
    *response_out = (struct oxp_http_response){0};
    if (own->pid != getpid()) {
        /* Left, not freed: it may have been forked in the middle of a request, and closing it could say goodbye on
         * the parent's connection. */
        own->inner = NULL;
        own->pid = getpid();
    }
    if (own->inner == NULL && oxp_net_http_new(&own->inner) != OXP_OK) {
        return oxp_error_set(error, OXP_ERR_NOMEM, 0, 0, "out of memory");
    }
    return own->inner->exchange(own->inner, request, response_out, error);
}

static void own_free(struct oxp_http *http) {
    struct own_http *own = (struct own_http *)http;
    if (own != NULL && own->inner != NULL && own->pid == getpid()) {
        own->inner->free(own->inner);
    }
    free(own);
}

enum oxp_status oxp_http_curl_new(struct oxp_http **http_out) {
    struct own_http *own = calloc(1, sizeof *own);
    *http_out = own == NULL ? NULL : &own->http;
    if (own == NULL) {
        return OXP_ERR_NOMEM;
    }
    own->http = (struct oxp_http){.exchange = exchange, .free = own_free};
    own->pid = getpid();
    return OXP_OK;
}

void oxp_http_free(struct oxp_http *http) {
    if (http != NULL) {
        http->free(http);
    }
}
