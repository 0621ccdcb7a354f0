#include "examples/orchestrator/health.h"

#include <microhttpd.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum MHD_Result answer(void *ctx, struct MHD_Connection *connection, const char *url, const char *method,
                              const char *version, const char *data, size_t *data_len, void **seen) {
    static const char body[] = "{\"status\": \"healthy\"}";
    static int once;
    (void)ctx, (void)version, (void)data;
    if (*seen == NULL || *data_len != 0) { /* an answer is given after the whole request */
        *seen = &once;
        *data_len = 0;
        return MHD_YES;
    }
    bool is_health = strcmp(url, "/health") == 0;
    bool reads = strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
    unsigned status = !is_health ? MHD_HTTP_NOT_FOUND : !reads ? MHD_HTTP_METHOD_NOT_ALLOWED : MHD_HTTP_OK;
    struct MHD_Response *response = MHD_create_response_from_buffer(status == MHD_HTTP_OK ? sizeof body - 1 : 0,
                                                                    (void *)(uintptr_t)body, MHD_RESPMEM_PERSISTENT);
    if (response == NULL) {
        return MHD_NO;
    }
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "application/json");
    if (status == MHD_HTTP_METHOD_NOT_ALLOWED) {
        MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
    }
    enum MHD_Result result = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return result;
}

static bool split(const char *address, char *host, size_t host_size, const char **port_out) {
    const char *colon = strrchr(address, ':');
    if (colon == NULL || colon == address || (size_t)(colon - address) >= host_size) {
        return false;
    }
    bool brackets = address[0] == '[' && colon[-1] == ']';
    snprintf(host, host_size, "%.*s", (int)(colon - address) - 2 * brackets, address + brackets);
    *port_out = colon + 1;
    return true;
}

bool health_start(const char *address, struct health **health_out, unsigned *port_out) {
    char host[256];
    const char *port = NULL;
    struct addrinfo hints = {.ai_flags = AI_NUMERICSERV, .ai_socktype = SOCK_STREAM}, *found = NULL;
    *health_out = NULL;
    *port_out = 0;
    if (strcmp(address, "off") == 0) {
        return true;
    }
    if (!split(address, host, sizeof host, &port) || getaddrinfo(host, port, &hints, &found) != 0) {
        fprintf(stderr, "orchestrator: health: %s is no HOST:PORT\n", address);
        return false;
    }
    unsigned flags = MHD_USE_INTERNAL_POLLING_THREAD | (found->ai_family == AF_INET6 ? MHD_USE_IPv6 : 0u);
    struct MHD_Daemon *daemon =
        MHD_start_daemon(flags, 0, NULL, NULL, answer, NULL, MHD_OPTION_SOCK_ADDR, found->ai_addr,
                         MHD_OPTION_CONNECTION_TIMEOUT, 10u, MHD_OPTION_CONNECTION_LIMIT, 32u, MHD_OPTION_END);
    freeaddrinfo(found);
    if (daemon == NULL) {
        fprintf(stderr, "orchestrator: health: %s cannot be bound\n", address);
        return false;
    }
    *port_out = MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT)->port;
    *health_out = (struct health *)daemon;
    return true;
}

void health_stop(struct health *health) {
    if (health != NULL) {
        MHD_stop_daemon((struct MHD_Daemon *)health);
    }
}
