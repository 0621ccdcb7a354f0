/* oxpecker healthcheck: exit 0 when the sidecar is ready, for ECS and container health checks. */
#include "exporter/app/app.h"
#include "exporter/config/config.h"
#include "lib/net/net.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The address that it listens on, as one to connect to: an empty or wildcard host is this machine. "[::]" takes no
 * IPv4. */
static void url_for(const char *listen, char *out, size_t size) {
    static const struct {
        const char *host, *loopback;
    } wildcards[] = {{"", "127.0.0.1"}, {"0.0.0.0", "127.0.0.1"}, {"[::]", "[::1]"}};
    const char *colon = strrchr(listen, ':');
    const char *port = colon == NULL ? "" : colon;
    int len = colon == NULL ? (int)strlen(listen) : (int)(colon - listen);
    for (size_t i = 0; i < sizeof wildcards / sizeof wildcards[0]; i++) {
        if (strlen(wildcards[i].host) == (size_t)len && strncmp(listen, wildcards[i].host, (size_t)len) == 0) {
            snprintf(out, size, "http://%s%s/-/ready", wildcards[i].loopback, port);
            return;
        }
    }
    snprintf(out, size, "http://%s/-/ready", listen);
}

int oxp_command_healthcheck(int argc, char **argv) {
    struct oxp_config config;
    struct oxp_error error = {0};
    struct oxp_config_source source = {.argc = argc, .argv = argv, .environment = environ};
    if (oxp_config_load(&source, &config, &error) != OXP_OK) {
        fprintf(stderr, "oxpecker healthcheck: %s\n", error.text);
        return 1;
    }
    char url[512];
    url_for(oxp_config_text(&config, OXP_OPT_WEB_LISTEN_ADDRESS), url, sizeof url);
    oxp_config_fini(&config);

    struct oxp_http *http = NULL;
    struct oxp_http_response response = {0};
    struct oxp_http_request request = {
        .method = "GET", .url = url, .timeout_ms = 3000, .direct = true, .max_body_bytes = 4096};
    int status = 1;
    if (oxp_net_http_new(&http) != OXP_OK) {
        fputs("oxpecker healthcheck: out of memory\n", stderr);
    } else if (http->exchange(http, &request, &response, &error) != OXP_OK) {
        fprintf(stderr, "%s: %s\n", url, error.text);
    } else {
        status = response.status == 200 ? 0 : 1;
        fprintf(status == 0 ? stdout : stderr, "%s", response.body == NULL ? "" : response.body);
    }
    oxp_http_response_fini(&response);
    if (http != NULL) {
        http->free(http);
    }
    return status;
}
