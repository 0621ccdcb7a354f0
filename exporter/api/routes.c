/* The route table, and what the handlers share. */
#include "exporter/api/page_parts.h"
#include "exporter/api/parts.h"
#include "exporter/api/query_parts.h"

#include <stdlib.h>

#include "lib/base/buf.h"
#include "lib/json/json.h"

#define PREFIX "/api/oxpecker/v1/"
#define PROMETHEUS "/api/v1/"
/* Queries may take seconds; their arguments may come as a form. They read only, whatever their method. */
#define ASKED (OXP_GET | OXP_ROUTE_SLOW)
#define ASKED_OR_POSTED (OXP_GET | OXP_POST | OXP_ROUTE_FORM | OXP_ROUTE_SLOW), OXP_ACCESS_OPEN, OXP_QUERY_FORM_MAX

/* The same where the answer is at hand. */
#define FORM (OXP_GET | OXP_POST | OXP_ROUTE_FORM)

/* The first row is the one that --web.telemetry-path renames, the last the one that gives way to it. */
static const struct oxp_route table[] = {
    {"/metrics", OXP_GET, OXP_ACCESS_OPEN, 0, oxp_api_metrics},
    {"/health", OXP_GET, OXP_ACCESS_OPEN, 0, oxp_api_health},
    {"/-/healthy", OXP_GET, OXP_ACCESS_OPEN, 0, oxp_api_healthy},
    {"/-/ready", OXP_GET, OXP_ACCESS_OPEN, 0, oxp_api_ready},
    {"/-/reload", OXP_PUT | OXP_POST, OXP_ACCESS_LIFECYCLE, 0, oxp_api_reload},
    {"/-/quit", OXP_PUT | OXP_POST, OXP_ACCESS_LIFECYCLE, 0, oxp_api_quit},
    {PREFIX "events", OXP_POST, OXP_ACCESS_LOCAL, OXP_API_EVENTS_MAX, oxp_api_events},
    {PREFIX "sessions", OXP_GET, OXP_ACCESS_LEDGER, 0, oxp_api_sessions},
    {PREFIX "tasks", OXP_GET, OXP_ACCESS_LEDGER, 0, oxp_api_tasks},
    {PREFIX "breakers", OXP_GET, OXP_ACCESS_LEDGER, 0, oxp_api_breakers},
    {PREFIX "incidents", OXP_GET, OXP_ACCESS_LEDGER, 0, oxp_api_incidents},
    {PREFIX "writers", OXP_GET, OXP_ACCESS_LEDGER, 0, oxp_api_writers},
    {PREFIX "traces", OXP_GET, OXP_ACCESS_LEDGER, 0, oxp_api_traces},
    {PREFIX "traces/*", OXP_GET, OXP_ACCESS_LEDGER, 0, oxp_api_trace},
    {PREFIX "logs", OXP_GET, OXP_ACCESS_LEDGER, 0, oxp_api_logs},
    {PREFIX "notifications", ASKED, OXP_ACCESS_LEDGER, 0, oxp_api_notifications}, /* may wait for the disk */
    {PROMETHEUS "query", ASKED_OR_POSTED, oxp_api_query},
    {PROMETHEUS "query_range", ASKED_OR_POSTED, oxp_api_query_range},
    {PROMETHEUS "query_exemplars", ASKED_OR_POSTED, oxp_api_query_exemplars},
    {PROMETHEUS "series", ASKED_OR_POSTED, oxp_api_series},
    {PROMETHEUS "labels", ASKED_OR_POSTED, oxp_api_labels},
    {PROMETHEUS "label/*", ASKED, OXP_ACCESS_OPEN, 0, oxp_api_label_values},
    {PROMETHEUS "metadata", ASKED, OXP_ACCESS_OPEN, 0, oxp_api_metadata},
    {PROMETHEUS "status/buildinfo", OXP_GET, OXP_ACCESS_OPEN, 0, oxp_api_buildinfo},
    {PROMETHEUS "rules", FORM, OXP_ACCESS_OPEN, OXP_QUERY_FORM_MAX, oxp_api_rules},
    {PROMETHEUS "alerts", FORM, OXP_ACCESS_OPEN, OXP_QUERY_FORM_MAX, oxp_api_alerts},
    {"/page.css", OXP_GET, OXP_ACCESS_OPEN, 0, oxp_api_page_css},
    {"/page.js", OXP_GET, OXP_ACCESS_OPEN, 0, oxp_api_page_js},
    {"/page.svg", OXP_GET, OXP_ACCESS_OPEN, 0, oxp_api_page_svg},
    {"/graph", OXP_GET, OXP_ACCESS_OPEN, 0, oxp_api_graph}, /* where the alerts that were sent say they come from */
    {"/", OXP_GET, OXP_ACCESS_OPEN, 0, oxp_api_page},       /* shows the ledger to whom it may */
};
#define ROWS (sizeof table / sizeof table[0])

enum oxp_status oxp_api_routes(const char *telemetry_path, struct oxp_route **routes_out) {
    const char *path = telemetry_path == NULL ? table[0].path : telemetry_path;
    size_t len = strlen(path), count = ROWS;
    if (len == 0 || path[0] != '/' || path[len - 1] == '*') {
        return OXP_ERR_INVALID;
    }
    for (size_t i = 1; i < ROWS - 1; i++) {
        if (strcmp(path, table[i].path) == 0) {
            return OXP_ERR_INVALID;
        }
    }
    struct oxp_route *routes = calloc(ROWS + 1, sizeof *routes);
    if (routes == NULL) {
        return OXP_ERR_NOMEM;
    }
    count -= strcmp(path, table[ROWS - 1].path) == 0 ? 1 : 0;
    memcpy(routes, table, count * sizeof table[0]);
    routes[0].path = path;
    *routes_out = routes;
    return OXP_OK;
}

void oxp_api_on_answer(void *ctx, const struct oxp_route *route, int status, double seconds) {
    struct oxp_api *api = ctx;
    oxp_log_debug(api->log, "answered", OXP_LOG_TEXT("route", route == NULL ? "" : route->path),
                  OXP_LOG_NUM("status", status), OXP_LOG_NUM("seconds", seconds));
}

/* How long a handler waits for the loop thread. While it waits it holds a thread of the pool; so that a scrape finds
 * one even when the loop hangs, only a few may wait long. */
#define WAIT_MS 5000
#define WAIT_LONG_MAX 2
#define WAIT_SHORT_MS 250

bool oxp_api_on_loop(struct oxp_api *api, oxp_loop_fn *fn, void *arg, struct oxp_response *response) {
    static atomic_uint waiting;
    unsigned before = atomic_fetch_add(&waiting, 1);
    enum oxp_status status = oxp_loop_call(api->loop, fn, arg, before < WAIT_LONG_MAX ? WAIT_MS : WAIT_SHORT_MS);
    atomic_fetch_sub(&waiting, 1);
    if (status == OXP_OK) {
        return true;
    }
    oxp_response_error(response, 503, "the sidecar is %s; try again",
                       status == OXP_ERR_CLOSED ? "stopping" : "too busy");
    response->headers[0][0] = "Retry-After";
    response->headers[0][1] = "1";
    return false;
}

void oxp_api_json(struct oxp_response *response, int status, struct oxp_json *tree, enum oxp_status made) {
    char *text = NULL;
    size_t len = 0;
    if (made == OXP_OK) {
        made = oxp_json_write(tree, &text, &len);
    }
    oxp_json_free(tree);
    if (made != OXP_OK) {
        oxp_response_error(response, 503, "no memory for the answer");
        return;
    }
    response->status = status;
    response->content_type = "application/json";
    response->body = text;
    response->body_len = len;
}

void oxp_api_json_text(struct oxp_response *response, struct oxp_buf *text) {
    response->body = oxp_buf_take(text, &response->body_len);
    response->content_type = "application/json";
    if (response->body == NULL) {
        oxp_response_error(response, 503, "no memory for the answer");
    }
}
