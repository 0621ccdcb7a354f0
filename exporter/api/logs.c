/* GET /api/oxpecker/v1/logs: the newest log records, alerts and audit lines.
 *
 * ?limit= (1 to 1,000, 100 if absent) ?level= (least) ?kind=log|alert|audit|sidecar ?trace_id= ?session= ?task= */
#include "exporter/api/parts.h"

#include "lib/base/buf.h"

static bool is_kind(struct oxp_view kind) {
    static const char *const kinds[] = {"", "log", "alert", "audit", "sidecar"};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (oxp_view_is(kind, kinds[i])) {
            return true;
        }
    }
    return false;
}

static struct oxp_view argument(const struct oxp_request *request, const char *name) {
    return oxp_view_from(oxp_request_argument(request, name));
}

void oxp_api_logs(void *ctx, const struct oxp_request *request, struct oxp_response *response) {
    const struct oxp_api *api = ctx;
    struct oxp_recent_logs_query query = {.limit = 100,
                                          .level = OXP_LOG_DEBUG,
                                          .kind = argument(request, "kind"),
                                          .trace_id = argument(request, "trace_id"),
                                          .session = argument(request, "session"),
                                          .task = argument(request, "task")};
    struct oxp_view level = argument(request, "level");
    if (!oxp_api_number(request, "limit", (const uint64_t[]){1, 1000}, &query.limit)) {
        oxp_response_error(response, 400, "limit must be a whole number from 1 to 1000");
        return;
    }
    if (level.len != 0 && oxp_log_level_from(level, &query.level) != OXP_OK) {
        oxp_response_error(response, 400, "level must be debug, info, warning, error or critical");
        return;
    }
    if (!is_kind(query.kind)) {
        oxp_response_error(response, 400, "kind must be log, alert, audit or sidecar");
        return;
    }
    struct oxp_buf text;
    oxp_buf_init(&text, 0);
    oxp_recent_logs(api->recent, &query, &text);
    oxp_api_json_text(response, &text);
}
