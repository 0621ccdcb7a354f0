/* GET /api/oxpecker/v1/traces: the newest traces; with ?trace_id=, or as traces/ID, the tree of one.
 *
 * ?limit= (1 to 1,000, 100 if absent) ?active=true|false ?error=true|false ?session= ?task= ?workflow=
 * ?min_duration_s= */
#include "exporter/api/parts.h"

#include "lib/base/buf.h"
#include "lib/base/number.h"
#include "lib/trace/ids.h"

#define PATH "/api/oxpecker/v1/traces/"

static struct oxp_view argument(const struct oxp_request *request, const char *name) {
    return oxp_view_from(oxp_request_argument(request, name));
}

static double now_s(const struct oxp_api *api) {
    return oxp_wall_seconds(oxp_clock_wall(api->clock));
}

static void answer_tree(const struct oxp_api *api, struct oxp_view trace_id, struct oxp_response *response) {
    if (!oxp_trace_id_is_valid(trace_id, OXP_TRACE_ID_DIGITS)) {
        oxp_response_error(response, 400, "a trace id is 32 lower-case hex digits, not all zero");
        return;
    }
    struct oxp_buf text;
    oxp_buf_init(&text, 0);
    enum oxp_status status = oxp_recent_trace(api->recent, trace_id, now_s(api), &text);
    if (status == OXP_OK) {
        oxp_api_json_text(response, &text);
    } else {
        oxp_response_error(response, status == OXP_ERR_NOT_FOUND ? 404 : 503, "%s",
                           status == OXP_ERR_NOT_FOUND ? "no such trace in memory" : "no memory for the answer");
    }
    oxp_buf_fini(&text);
}

void oxp_api_trace(void *ctx, const struct oxp_request *request, struct oxp_response *response) {
    struct oxp_view path = oxp_request_path(request);
    size_t skip = sizeof PATH - 1 < path.len ? sizeof PATH - 1 : path.len;
    answer_tree(ctx, oxp_view_of(path.ptr + skip, path.len - skip), response);
}

/* "true", "false" or nothing. */
static bool read_wish(struct oxp_view word, enum oxp_recent_wish *wish_out) {
    *wish_out = oxp_view_is(word, "true") ? OXP_WISH_YES : oxp_view_is(word, "false") ? OXP_WISH_NO : OXP_WISH_ANY;
    return *wish_out != OXP_WISH_ANY || word.len == 0;
}

/* What is wrong with the query, or NULL. */
static const char *read_query(const struct oxp_request *request, struct oxp_recent_traces_query *query) {
    struct oxp_view least = argument(request, "min_duration_s");
    query->limit = 100;
    query->session = argument(request, "session");
    query->task = argument(request, "task");
    query->workflow = argument(request, "workflow");
    if (!oxp_api_number(request, "limit", (const uint64_t[]){1, 1000}, &query->limit)) {
        return "limit must be a whole number from 1 to 1000";
    }
    if (!read_wish(argument(request, "active"), &query->active) ||
        !read_wish(argument(request, "error"), &query->error)) {
        return "active and error must be true or false";
    }
    if (least.len != 0 && oxp_number_parse_json(least, &query->min_duration_s) != OXP_OK) {
        return "min_duration_s must be a number of seconds";
    }
    return NULL;
}

void oxp_api_traces(void *ctx, const struct oxp_request *request, struct oxp_response *response) {
    const struct oxp_api *api = ctx;
    struct oxp_recent_traces_query query = {.now_s = now_s(api)};
    struct oxp_view trace_id = argument(request, "trace_id");
    const char *wrong = read_query(request, &query);
    if (trace_id.len != 0) {
        answer_tree(api, trace_id, response);
    } else if (wrong != NULL) {
        oxp_response_error(response, 400, "%s", wrong);
    } else {
        struct oxp_buf text;
        oxp_buf_init(&text, 0);
        oxp_recent_traces(api->recent, &query, &text);
        oxp_api_json_text(response, &text);
    }
}
