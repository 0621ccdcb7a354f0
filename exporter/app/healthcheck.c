/* oxpecker healthcheck: exit 0 when the sidecar is ready, for ECS and container health checks. */
#include "exporter/app/app.h"
#include "exporter/app/words.h"
#include "exporter/config/config.h"
#include "lib/net/net.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int oxp_command_healthcheck(int argc, char **argv) {
    struct oxp_config config;
    struct oxp_error error = {0};
    struct oxp_config_source source = {.argc = argc, .argv = argv, .environment = environ};
    if (oxp_config_load(&source, &config, &error) != OXP_OK) {
        fprintf(stderr, "oxpecker healthcheck: %s\n", error.text);
        return 1;
    }
    char url[512];
    oxp_words_url(oxp_config_text(&config, OXP_OPT_WEB_LISTEN_ADDRESS), "/-/ready", url, sizeof url);
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
