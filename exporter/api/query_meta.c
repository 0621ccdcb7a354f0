/* /api/v1/metadata, query_exemplars, status/buildinfo. */
#include "exporter/api/query_parts.h"

#include <stdlib.h>

#include "lib/base/number.h"

/* ---- Metadata ---- */

/* "limit" and "limit_per_metric": any whole number; a negative one means none. */
static bool read_whole(struct oxp_query_ask *ask, const char *name, int64_t *value) {
    struct oxp_view text = oxp_query_arg(ask, name);
    bool minus = text.len > 0 && text.ptr[0] == '-', sign = minus || (text.len > 0 && text.ptr[0] == '+');
    uint64_t digits = 0;
    if (text.len == 0) {
        return true;
    }
    if (oxp_number_parse_u64(sign ? oxp_view_of(text.ptr + 1, text.len - 1) : text, &digits) != OXP_OK ||
        digits > INT64_MAX) {
        return oxp_query_refuse(&ask->fault, OXP_QUERY_BAD_DATA, "%s must be a number", name);
    }
    *value = minus ? -(int64_t)digits : (int64_t)digits;
    return true;
}

/* The family's name as OpenMetrics has it, and so what a Prometheus shows that scrapes OpenMetrics, as all since 2.5
 * ask to: a counter's is without its _total. */
static struct oxp_view family_name(const struct oxp_family_spec *spec) {
    struct oxp_view name = oxp_view_from(spec->name);
    bool counter = spec->type == OXP_COUNTER || spec->type == OXP_COUNTER_FLOAT;
    return counter && oxp_view_ends(name, OXP_VIEW("_total")) ? oxp_view_of(name.ptr, name.len - 6) : name;
}

/* As the exposition writes # UNIT: only where the name ends in it. */
static struct oxp_view family_unit(const struct oxp_family_spec *spec, struct oxp_view name) {
    struct oxp_view unit = oxp_view_from(spec->unit);
    bool shown =
        unit.len > 0 && name.len > unit.len && oxp_view_ends(name, unit) && name.ptr[name.len - unit.len - 1] == '_';
    return shown ? unit : OXP_VIEW("");
}

static const char *type_word(enum oxp_metric_type type) {
    switch (type) {
    case OXP_COUNTER:
    case OXP_COUNTER_FLOAT:
        return "counter";
    case OXP_GAUGE:
    case OXP_GAUGE_AGE:
        return "gauge";
    case OXP_HISTOGRAM:
        return "histogram";
    }
    return "unknown";
}

static void append_family(struct oxp_buf *out, const struct oxp_family_spec *spec, struct oxp_view name, bool first) {
    oxp_buf_append_text(out, first ? "" : ",");
    oxp_buf_append_json_string(out, name);
    oxp_buf_append_format(out, ":[{\"type\":\"%s\",\"unit\":", type_word(spec->type));
    oxp_buf_append_json_string(out, family_unit(spec, name));
    oxp_buf_append_text(out, ",\"help\":");
    oxp_buf_append_json_string(out, oxp_view_from(spec->help));
    oxp_buf_append_text(out, "}]");
}

/* Families that a scrape would show now. */
static void append_families(struct oxp_buf *out, const struct oxp_api *api, struct oxp_view metric, int64_t limit) {
    struct oxp_snapshot snapshot;
    const struct oxp_family_spec *spec;
    struct oxp_sample sample;
    int64_t written = 0;
    oxp_snapshot_begin(&snapshot, api->registry, oxp_wall_seconds(oxp_clock_wall(api->clock)));
    while ((limit < 0 || written < limit) && oxp_snapshot_family(&snapshot, &spec) == OXP_OK) {
        struct oxp_view name = family_name(spec);
        if ((metric.len == 0 || oxp_view_equal(metric, name)) && oxp_snapshot_next(&snapshot, &sample) == OXP_OK) {
            append_family(out, spec, name, written++ == 0);
        }
    }
}

void oxp_api_metadata(void *ctx, const struct oxp_request *request, struct oxp_response *response) {
    struct oxp_query_ask ask = {.api = ctx, .request = request, .response = response};
    int64_t limit = -1, limit_per_metric = -1; /* there is one entry for each metric: the second is only checked */
    struct oxp_buf text;
    oxp_buf_init(&text, OXP_QUERY_BODY_MAX);
    bool ok = read_whole(&ask, "limit", &limit) && read_whole(&ask, "limit_per_metric", &limit_per_metric);
    if (ok) {
        oxp_query_json_begin(&text);
        oxp_buf_append_char(&text, '{');
        append_families(&text, ctx, oxp_query_arg(&ask, "metric"), limit);
        oxp_buf_append_text(&text, "}}");
        ok = oxp_query_send_text(&ask, &text);
    }
    oxp_buf_fini(&text);
    if (!ok) {
        oxp_query_send_fault(&ask);
    }
}

/* ---- Exemplars ---- */

struct exemplars {
    struct oxp_query_ask ask;
    struct oxp_promql_expr *expr;
    int64_t min_ms, max_ms;
    struct oxp_arena arena;
    struct oxp_exemplar_found *found; /* by series and time */
    size_t count;
    const struct oxp_promql_node **selectors; /* of the expression */
    size_t selector_count, selector_room;
};

static bool add_selector(void *ctx, const struct oxp_promql_node *node) {
    struct exemplars *all = ctx;
    if (all->selector_count == all->selector_room) {
        size_t room = all->selector_room == 0 ? 16 : all->selector_room * 2;
        all->selectors =
            oxp_arena_grow(&all->arena, all->selectors, all->selector_count, room, sizeof(struct oxp_promql_node *));
        all->selector_room = room;
    }
    if (all->selectors == NULL) {
        return false;
    }
    all->selectors[all->selector_count++] = node;
    return true;
}

/* Keeps what any selector takes. False with the fault set. */
static bool keep_selected(struct exemplars *all) {
    size_t kept = 0;
    for (size_t i = 0; i < all->count; i++) {
        bool wanted = false;
        for (size_t k = 0; k < all->selector_count && !wanted; k++) {
            const struct oxp_promql_node *node = all->selectors[k];
            if (!oxp_query_goes_on(&all->ask)) {
                return false;
            }
            wanted = oxp_matchers_accept(node->selector.matchers, node->selector.matcher_count, all->found[i].series);
        }
        if (wanted) {
            all->found[kept++] = all->found[i];
        }
    }
    all->count = kept;
    return oxp_promql_limited(all->expr) == 0 ||
           oxp_query_refuse(&all->ask.fault, OXP_QUERY_EXECUTION, OXP_PROMQL_PATTERN_LIMIT);
}

/* All exemplars of the time, then those that are selected: they are few, and selectors may be many. */
static bool find_exemplars(struct exemplars *all) {
    enum oxp_status status = OXP_OK;
    if (!oxp_query_each_selector(all->expr->root, add_selector, all)) {
        status = oxp_arena_status(&all->arena);
    } else if (all->selector_count != 0 && all->ask.api->exemplars != NULL) {
        status = oxp_exemplars_select(all->ask.api->exemplars, NULL, 0, all->min_ms, all->max_ms, &all->arena,
                                      &all->found, &all->count);
    }
    if (status == OXP_ERR_LIMIT) {
        return oxp_query_refuse(&all->ask.fault, OXP_QUERY_EXECUTION,
                                "the answer would take more than %zu MiB; ask for less", OXP_QUERY_LIST_MAX >> 20);
    }
    return status == OXP_OK ? keep_selected(all)
                            : oxp_query_refuse(&all->ask.fault, OXP_QUERY_UNAVAILABLE, "no memory for the answer");
}

static void append_exemplars(const struct exemplars *all, struct oxp_buf *out) {
    for (size_t i = 0; i < all->count && oxp_buf_status(out) == OXP_OK; i++) {
        const struct oxp_exemplar_found *found = &all->found[i];
        bool same = i > 0 && oxp_labels_equal(found->series, found[-1].series);
        if (!same) {
            oxp_buf_append_text(out, i > 0 ? "]},{\"seriesLabels\":" : "{\"seriesLabels\":");
            oxp_query_json_labels(out, found->series);
            oxp_buf_append_text(out, ",\"exemplars\":[");
        }
        oxp_buf_append_text(out, same ? ",{\"labels\":" : "{\"labels\":");
        oxp_query_json_labels(out, found->labels);
        oxp_buf_append_text(out, ",\"value\":");
        oxp_query_json_value(out, found->value);
        oxp_buf_append_text(out, ",\"timestamp\":");
        oxp_query_json_time(out, found->time_ms);
        oxp_buf_append_char(out, '}');
    }
    oxp_buf_append_text(out, all->count > 0 ? "]}" : "");
}

static bool read_exemplar_arguments(struct exemplars *all) {
    struct oxp_query_ask *ask = &all->ask;
    struct oxp_view text = oxp_query_arg(ask, "query");
    struct oxp_error error = {0};
    if (!oxp_query_arg_time(ask, "start", &all->min_ms) || !oxp_query_arg_time(ask, "end", &all->max_ms)) {
        return false;
    }
    if (all->max_ms < all->min_ms) {
        return oxp_query_refuse(&ask->fault, OXP_QUERY_BAD_DATA, "end timestamp must not be before start timestamp");
    }
    enum oxp_status status = oxp_promql_parse(text, &all->expr, &error);
    if (status != OXP_OK) {
        char message[320];
        error.line = text.len == 0 ? 0 : error.line;
        oxp_query_parse_error(&error, message, sizeof message);
        return oxp_query_refuse(&ask->fault, status == OXP_ERR_NOMEM ? OXP_QUERY_UNAVAILABLE : OXP_QUERY_BAD_DATA, "%s",
                                message);
    }
    return true;
}

static bool answer_exemplars(struct exemplars *all) {
    if (!find_exemplars(all)) {
        return false;
    }
    if (all->selector_count == 0) { /* as Prometheus: nothing that could have exemplars, and no content */
        all->ask.response->status = 204;
        return true;
    }
    struct oxp_buf text;
    oxp_buf_init(&text, OXP_QUERY_BODY_MAX);
    oxp_query_json_begin(&text);
    oxp_buf_append_char(&text, '[');
    append_exemplars(all, &text);
    oxp_buf_append_text(&text, "]}");
    return oxp_query_send_text(&all->ask, &text);
}

void oxp_api_query_exemplars(void *ctx, const struct oxp_request *request, struct oxp_response *response) {
    struct exemplars all = {.ask = {.api = ctx, .request = request, .response = response},
                            .min_ms = OXP_QUERY_MIN_MS,
                            .max_ms = OXP_QUERY_MAX_MS};
    oxp_arena_init(&all.arena, OXP_QUERY_LIST_MAX);
    if (!read_exemplar_arguments(&all) || !answer_exemplars(&all)) {
        oxp_query_send_fault(&all.ask);
    }
    oxp_arena_fini(&all.arena);
    oxp_promql_expr_free(all.expr);
}

/* ---- Who answers ---- */

/* Grafana's data source asks this to tell what it talks to. It takes a server without `features` for a Prometheus (with
 * any, for a Mimir with a ruler to write rules to), and one that answers 404 for a Cortex; its settings page reads
 * `version` as a semantic version and knows by it which requests the server takes: matchers on labels since 2.24, for
 * example. So `version` says whose API this is (the language and the requests of 3.0, none of what came later), and the
 * sidecar's own version stands where a Prometheus tells who built it. */
#define API_VERSION "3.0.0"

void oxp_api_buildinfo(void *ctx, const struct oxp_request *request, struct oxp_response *response) {
    (void)request;
    struct oxp_api *api = ctx;
    struct oxp_buf text;
    oxp_buf_init(&text, 0);
    oxp_query_json_begin(&text);
    oxp_buf_append_text(&text, "{\"version\":\"" API_VERSION "\",\"revision\":");
    oxp_buf_append_json_string(&text, oxp_view_from(api->revision));
    oxp_buf_append_text(&text, ",\"branch\":\"oxpecker-" OXP_VERSION
                               "\",\"buildUser\":\"oxpecker\",\"buildDate\":\"\",\"goVersion\":\"\"}}");
    oxp_api_json_text(response, &text);
}
