/* /api/v1/query and /api/v1/query_range, in the order and with the words of Prometheus' own checks. */
#include "exporter/api/query_parts.h"

#include <stdio.h>

#define POINTS_MAX 11000 /* of each series; Prometheus' own number, and in its message */
#define TRUNCATED "results truncated due to limit"

/* One query under way. */
struct query {
    struct oxp_query_ask ask;
    bool range;
    struct oxp_promql_request request;
    struct oxp_promql_expr *expr;
    struct oxp_promql_answer *answer;
    struct oxp_query_text text;
    char stats_note[300];
};

static int64_t now_ms(const struct oxp_api *api) {
    return oxp_clock_wall(api->clock).ns / OXP_NS_PER_MS;
}

/* ---- Arguments ---- */

/* `start` and `end`, which must be given. */
static bool read_time(struct oxp_query_ask *ask, const char *name, int64_t *ms_out) {
    struct oxp_error error = {0};
    return oxp_query_time(oxp_query_arg(ask, name), ms_out, &error) == OXP_OK ||
           oxp_query_refuse(&ask->fault, OXP_QUERY_BAD_DATA, "invalid parameter \"%s\": %s", name, error.text);
}

static bool read_range(struct query *query) {
    struct oxp_query_ask *ask = &query->ask;
    struct oxp_promql_request *request = &query->request;
    struct oxp_error error = {0};
    if (!read_time(ask, "start", &request->start_ms) || !read_time(ask, "end", &request->end_ms)) {
        return false;
    }
    if (request->end_ms < request->start_ms) {
        return oxp_query_refuse(&ask->fault, OXP_QUERY_BAD_DATA,
                                "invalid parameter \"end\": end timestamp must not be before start time");
    }
    if (oxp_query_duration(oxp_query_arg(ask, "step"), &request->step_ms, &error) != OXP_OK) {
        return oxp_query_refuse(&ask->fault, OXP_QUERY_BAD_DATA, "invalid parameter \"step\": %s", error.text);
    }
    if (request->step_ms <= 0) {
        return oxp_query_refuse(&ask->fault, OXP_QUERY_BAD_DATA,
                                "invalid parameter \"step\": zero or negative query resolution step widths are not "
                                "accepted. Try a positive integer");
    }
    if (((uint64_t)request->end_ms - (uint64_t)request->start_ms) / (uint64_t)request->step_ms > POINTS_MAX) {
        return oxp_query_refuse(&ask->fault, OXP_QUERY_BAD_DATA,
                                "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query "
                                "resolution (?step=XX)");
    }
    return true;
}

static bool read_instant(struct query *query) {
    query->request.start_ms = now_ms(query->ask.api);
    if (!oxp_query_arg_time(&query->ask, "time", &query->request.start_ms)) {
        return false;
    }
    query->request.end_ms = query->request.start_ms;
    return true;
}

/* A time that is over already must still mean a limit: 0 would mean the engine's own. */
static bool read_durations(struct query *query) {
    struct oxp_query_ask *ask = &query->ask;
    struct oxp_view timeout = oxp_query_arg(ask, "timeout"), lookback = oxp_query_arg(ask, "lookback_delta");
    struct oxp_error error = {0};
    if (timeout.len != 0) {
        if (oxp_query_duration(timeout, &query->request.timeout_ms, &error) != OXP_OK) {
            return oxp_query_refuse(&ask->fault, OXP_QUERY_BAD_DATA, "invalid parameter \"timeout\": %s", error.text);
        }
        query->request.timeout_ms = query->request.timeout_ms < 1 ? 1 : query->request.timeout_ms;
    }
    if (lookback.len != 0) {
        if (oxp_query_duration(lookback, &query->request.lookback_ms, &error) != OXP_OK) {
            return oxp_query_refuse(&ask->fault, OXP_QUERY_BAD_DATA, "error parsing lookback delta duration: %s",
                                    error.text);
        }
        query->request.lookback_ms = query->request.lookback_ms < 0 ? 0 : query->request.lookback_ms;
    }
    return true;
}

static void read_stats(struct query *query) {
    struct oxp_view stats = oxp_query_arg(&query->ask, "stats");
    char quoted[120];
    query->text.stats = stats.len != 0;
    if (stats.len != 0 && !oxp_view_is(stats, "true") && !oxp_view_is(stats, "all")) {
        oxp_query_quote(stats, quoted, sizeof quoted);
        snprintf(query->stats_note, sizeof query->stats_note,
                 "value %s for parameter \"stats\" is deprecated and will be rejected in the next major release, use "
                 "\"true\" or \"all\"",
                 quoted);
    }
}

static bool parse(struct query *query) {
    struct oxp_query_ask *ask = &query->ask;
    struct oxp_view text = oxp_query_arg(ask, "query");
    struct oxp_error error = {0};
    enum oxp_status status = oxp_promql_parse(text, &query->expr, &error);
    if (status == OXP_ERR_NOMEM) {
        return oxp_query_refuse(&ask->fault, OXP_QUERY_UNAVAILABLE, "no memory for the query");
    }
    if (status != OXP_OK) {
        char message[320];
        error.line = text.len == 0 ? 0 : error.line; /* an empty text has no places */
        oxp_query_parse_error(&error, message, sizeof message);
        return oxp_query_refuse(&ask->fault, OXP_QUERY_BAD_DATA, "invalid parameter \"query\": %s", message);
    }
    enum oxp_promql_type type = query->expr->root->type;
    if (query->range && type != OXP_PROMQL_SCALAR && type != OXP_PROMQL_VECTOR) {
        return oxp_query_refuse(&ask->fault, OXP_QUERY_BAD_DATA,
                                "invalid parameter \"query\": invalid expression type \"%s\" for range query, must be "
                                "Scalar or instant Vector",
                                oxp_promql_type_text(type));
    }
    query->request.expr = query->expr;
    return true;
}

static bool read_arguments(struct query *query) {
    if (!oxp_query_arg_limit(&query->ask, &query->text.limit) ||
        !(query->range ? read_range(query) : read_instant(query)) || !read_durations(query)) {
        return false;
    }
    read_stats(query);
    return parse(query);
}

/* ---- The query ---- */

static void note_warnings(struct query *query) {
    const struct oxp_promql_answer *answer = query->answer;
    bool list = query->range || answer->type == OXP_PROMQL_VECTOR || answer->type == OXP_PROMQL_MATRIX;
    size_t count = 0;
    if (list && query->text.limit != 0 && answer->count > query->text.limit) {
        query->text.warnings[count++] = TRUNCATED;
    }
    if (query->stats_note[0] != '\0') {
        query->text.warnings[count++] = query->stats_note;
    }
}

static bool evaluate(struct query *query) {
    struct oxp_query_ask *ask = &query->ask;
    struct oxp_error error = {0};
    if (!oxp_query_has_memory(ask)) {
        return false;
    }
    query->request.cancelled = oxp_request_gone(ask->request);
    enum oxp_status status =
        oxp_promql_query(ask->api->engine, ask->api->tsdb, &query->request, &query->answer, &error);
    if (status != OXP_OK) {
        return oxp_query_refuse(&ask->fault, oxp_query_error_of(status), "%s",
                                error.text[0] != '\0' ? error.text : oxp_status_text(status));
    }
    query->text.answer = query->answer;
    query->text.range = query->range;
    note_warnings(query);
    return oxp_query_send(ask, oxp_query_text_next, &query->text);
}

static void count(const struct query *query, bool ok, struct oxp_mono began) {
    struct oxp_selfstats *stats = query->ask.api->stats;
    const char *outcome = ok ? "ok" : oxp_query_error_type(query->ask.fault.error);
    double took_s = (double)(oxp_clock_mono(query->ask.api->clock).ns - began.ns) / 1e9;
    oxp_counter_add(oxp_counter(oxp_family_at(stats->families[OXP_S_QUERIES_TOTAL], oxp_view_from(outcome))), 1);
    oxp_histogram_observe(oxp_family_only(stats->families[OXP_S_QUERY_DURATION_SECONDS]), took_s);
    if (query->answer != NULL) {
        oxp_counter_add(oxp_counter(oxp_family_only(stats->families[OXP_S_QUERY_SAMPLES_TOTAL])),
                        query->answer->samples);
    }
}

static void handle(struct oxp_api *api, const struct oxp_request *request, struct oxp_response *response, bool range) {
    struct query query = {.ask = {.api = api, .request = request, .response = response}, .range = range};
    struct oxp_mono began = oxp_clock_mono(api->clock);
    bool ok = read_arguments(&query) && evaluate(&query);
    count(&query, ok, began);
    if (!ok) {
        oxp_query_send_fault(&query.ask);
    }
    oxp_promql_answer_free(query.answer);
    oxp_promql_expr_free(query.expr);
}

void oxp_api_query(void *ctx, const struct oxp_request *request, struct oxp_response *response) {
    handle(ctx, request, response, false);
}

void oxp_api_query_range(void *ctx, const struct oxp_request *request, struct oxp_response *response) {
    handle(ctx, request, response, true);
}
