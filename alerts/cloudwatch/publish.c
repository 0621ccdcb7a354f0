#include "alerts/cloudwatch/publish.h"

#include "alerts/cloudwatch/config_reader.h"
#include "alerts/cloudwatch/encode.h"
#include "alerts/cloudwatch/gather.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    SAMPLE_MS = 15000,
    ALIVE_MS = 300000, /* as far back as an instant query looks */
    START_MS = 60000,  /* in which a process starts */
};
#define EXPIRES_MS (OXP_CW_TOO_OLD_MS - INT64_C(3600) * 1000) /* before CloudWatch would call it too old */

struct oxp_cw_publisher {
    struct oxp_cw_publisher_options options;
    struct oxp_cw_counters counters;
    int64_t last_ms; /* what was published last ended then; 0 = nothing yet */
};

enum oxp_status oxp_cw_publisher_new(const struct oxp_cw_publisher_options *options,
                                     struct oxp_cw_publisher **publisher_out, struct oxp_error *error) {
    struct oxp_cw_publisher *publisher = calloc(1, sizeof *publisher);
    *publisher_out = NULL;
    if (publisher == NULL) {
        return oxp_error_set(error, OXP_ERR_NOMEM, 0, 0, "out of memory");
    }
    publisher->options = *options;
    if (publisher->options.sample_interval_ms <= 0) {
        publisher->options.sample_interval_ms = SAMPLE_MS;
    }
    enum oxp_status status =
        oxp_cw_counters_open(&publisher->counters, options->outbox, options->config, options->target);
    if (status != OXP_OK) {
        free(publisher);
        return oxp_error_set(error, status, 0, 0, "the ledger of what was published cannot be read: %s",
                             oxp_status_text(status));
    }
    oxp_cw_counters_began(&publisher->counters, options->counters_began_ms);
    *publisher_out = publisher;
    return OXP_OK;
}

void oxp_cw_publisher_free(struct oxp_cw_publisher *publisher) {
    if (publisher != NULL) {
        oxp_cw_counters_close(&publisher->counters);
        free(publisher);
    }
}

int64_t oxp_cw_next(const struct oxp_cw_publisher *publisher, int64_t now_ms) {
    int64_t interval_ms = publisher->options.config->interval_ms;
    return (now_ms / interval_ms + 1) * interval_ms;
}

/* ---- Heartbeat and rules ---- */

static enum oxp_status add_heartbeat(struct oxp_cw_gather *gather) {
    const struct oxp_cw_config *config = gather->config;
    const struct oxp_cw_datum datum = {.name = OXP_CW_HEARTBEAT,
                                       .unit = "Count",
                                       .form = OXP_CW_NUMBER,
                                       .value = 1,
                                       .dimensions = config->dimensions,
                                       .dimension_count = config->shared_count};
    return config->heartbeat_replicas == 0 ? OXP_OK : oxp_cw_data_add(gather->data, &datum);
}

static bool listed(const char *const *list, struct oxp_view text) {
    bool found = list == NULL || list[0] == NULL;
    for (; !found && *list != NULL; list++) {
        found = oxp_view_is(text, *list);
    }
    return found;
}

static bool fires(const struct oxp_rule_view *rule) {
    for (size_t i = 0; i < rule->alert_count; i++) {
        if (rule->alerts[i].life.state == OXP_ALERT_FIRING) {
            return true;
        }
    }
    return false;
}

/* 1 while it fires, else 0; NaN while it was not evaluated since the start: then nobody knows. */
static double state_of(const struct oxp_rule_view *rule) {
    return fires(rule) ? 1 : rule->last_ms == 0 ? NAN : 0;
}

/* Rules that bear one name are one state: 1 while any of them fires, and not known while any of them is not. */
static enum oxp_status add_rule(struct oxp_cw_gather *gather, const struct oxp_rule_view *rule, double value,
                                size_t from) {
    const struct oxp_cw_config *config = gather->config;
    struct oxp_cw_data *data = gather->data;
    struct oxp_view name = oxp_arena_copy(gather->arena, rule->name);
    size_t at = from;
    if (name.ptr == NULL) {
        return OXP_ERR_NOMEM;
    }
    while (at < data->count && strcmp(data->list[at].dimensions[config->dimension_count].value, name.ptr) != 0) {
        at++;
    }
    if (at < data->count) {
        bool known = !isnan(value) && !isnan(data->list[at].value);
        data->list[at].value = value == 1 || data->list[at].value == 1 ? 1 : known ? 0 : NAN;
        return OXP_OK;
    }
    struct oxp_cw_pair *pairs = oxp_arena_zero(gather->arena, config->dimension_count + 1, sizeof *pairs);
    if (pairs == NULL) {
        return OXP_ERR_NOMEM;
    }
    for (size_t i = 0; i < config->dimension_count; i++) {
        pairs[i] = config->dimensions[i];
    }
    pairs[config->dimension_count] = (struct oxp_cw_pair){OXP_CW_RULE_DIMENSION, name.ptr};
    const struct oxp_cw_datum datum = {.name = OXP_CW_RULE_STATE,
                                       .unit = "None",
                                       .form = OXP_CW_NUMBER,
                                       .value = value,
                                       .dimensions = pairs,
                                       .dimension_count = config->dimension_count + 1};
    return oxp_cw_data_add(data, &datum);
}

/* The alarms ignore missing data: they stay as they are until it is known. A 0 of a sidecar that has just begun would
 * say that all is well, and have the alarm page again once the rule has fired. */
static void drop_unknown(struct oxp_cw_data *data, size_t from) {
    size_t kept = from;
    for (size_t i = from; i < data->count; i++) {
        if (!isnan(data->list[i].value)) {
            data->list[kept++] = data->list[i];
        }
    }
    data->count = kept;
}

static enum oxp_status add_rules(struct oxp_cw_gather *gather, struct oxp_rules *rules) {
    const struct oxp_group_view *groups;
    size_t count, from = gather->data->count;
    if (!gather->config->rule_alarms || rules == NULL) {
        return OXP_OK;
    }
    enum oxp_status status = oxp_rules_view(rules, gather->arena, &groups, &count);
    for (size_t i = 0; i < count && status == OXP_OK; i++) {
        for (size_t j = 0; j < groups[i].count && status == OXP_OK; j++) {
            const struct oxp_rule_view *rule = &groups[i].rules[j];
            const struct oxp_symbol *severity =
                rule->labels == NULL ? NULL : oxp_labels_find(rule->labels, OXP_VIEW("severity"));
            if (rule->kind == OXP_RULE_ALERTING && listed(gather->config->rule_names, rule->name) &&
                listed(gather->config->rule_severities, severity == NULL ? OXP_VIEW("") : oxp_symbol_view(severity))) {
                status = add_rule(gather, rule, state_of(rule), from);
            }
        }
    }
    drop_unknown(gather->data, from);
    return status;
}

/* ---- A period ---- */

static enum oxp_status gather_all(struct oxp_cw_gather *gather, struct oxp_rules *rules) {
    static enum oxp_status (*const kinds[])(struct oxp_cw_gather *, const struct oxp_cw_metric *) = {
        [OXP_CW_GAUGE] = oxp_cw_gather_gauge,
        [OXP_CW_DELTA] = oxp_cw_gather_delta,
        [OXP_CW_DISTRIBUTION] = oxp_cw_gather_distribution};
    enum oxp_status status = OXP_OK;
    for (size_t i = 0; i < gather->config->metric_count && status == OXP_OK; i++) {
        const struct oxp_cw_metric *metric = &gather->config->metrics[i];
        status = kinds[metric->kind](gather, metric);
    }
    status = status == OXP_OK ? add_rules(gather, rules) : status;
    return status == OXP_OK ? add_heartbeat(gather) : status;
}

static enum oxp_status write_stdout(void *ctx, struct oxp_view lines) {
    (void)ctx;
    while (lines.len > 0) {
        ssize_t written = write(STDOUT_FILENO, lines.ptr, lines.len);
        if (written < 0 && errno != EINTR) {
            return oxp_status_from_errno(errno);
        }
        size_t done = written < 0 ? 0 : (size_t)written;
        lines = oxp_view_of(lines.ptr + done, lines.len - done);
    }
    return OXP_OK;
}

/* What counters rose by since they were published last, which may be longer ago than an interval. */
static int64_t counts_since(const struct oxp_cw_publisher *publisher, const struct oxp_cw_gather *gather) {
    bool known = publisher->last_ms > 0 && publisher->last_ms < gather->now_ms;
    int64_t full_ms = gather->now_ms - gather->config->interval_ms, began_ms = publisher->options.began_ms;
    bool later = (began_ms > full_ms || gather->fresh_ms != 0) && began_ms < gather->now_ms;
    return known ? publisher->last_ms : later ? began_ms : full_ms;
}

static enum oxp_status encode(const struct oxp_cw_publisher *publisher, const struct oxp_cw_gather *gather,
                              struct oxp_cw_bodies *bodies_out) {
    if (gather->config->lane == OXP_CW_OTLP) {
        return oxp_cw_otlp(gather->config, gather->data, counts_since(publisher, gather), gather->now_ms, bodies_out);
    }
    return oxp_cw_encode(gather->config, gather->data, gather->now_ms, &bodies_out->list, &bodies_out->count);
}

static enum oxp_status make_messages(const struct oxp_cw_publisher *publisher, const struct oxp_cw_gather *gather,
                                     struct oxp_outbox_write *put) {
    struct oxp_cw_bodies made;
    enum oxp_status status = encode(publisher, gather, &made);
    const struct oxp_cw_body *bodies = made.list;
    size_t count = made.count;
    struct oxp_outbox_message *messages = oxp_arena_zero(gather->arena, count + 1, sizeof *messages);
    if (status != OXP_OK || messages == NULL) {
        return OXP_ERR_NOMEM;
    }
    for (size_t i = 0; i < count; i++) {
        struct oxp_buf summary;
        oxp_buf_init(&summary, 0);
        oxp_buf_append_format(&summary, "%zu data for %s", bodies[i].data, gather->config->namespace_name);
        messages[i] = (struct oxp_outbox_message){
            .receiver = OXP_VIEW(OXP_CW_RECEIVER),
            .integration = OXP_VIEW("cloudwatch"),
            .priority = OXP_OUTBOX_INFO, /* when room is short, alerts stay */
            .since_ms = gather->now_ms,
            .made_ms = gather->now_ms,
            .expires_ms = gather->now_ms + EXPIRES_MS,
            .summary = oxp_arena_copy(gather->arena, oxp_buf_view(&summary)),
            .content = bodies[i].text,
        };
        gather->data->published->data += bodies[i].data;
        oxp_buf_fini(&summary);
    }
    put->messages = messages;
    put->message_count = count;
    gather->data->published->messages = count;
    return oxp_arena_status(gather->arena);
}

/* Lines go out before the ledger is written: what is cut off between is told twice, and nothing is lost. */
static enum oxp_status write_lines(const struct oxp_cw_publisher *publisher, const struct oxp_cw_gather *gather) {
    const struct oxp_cw_publisher_options *options = &publisher->options;
    struct oxp_buf lines;
    oxp_buf_init(&lines, 0);
    enum oxp_status status =
        oxp_cw_emf(gather->config, gather->data, gather->now_ms, &lines, &gather->data->published->data);
    if (status == OXP_OK && lines.len > 0) {
        status = options->write == NULL ? write_stdout(NULL, oxp_buf_view(&lines))
                                        : options->write(options->ctx, oxp_buf_view(&lines));
    }
    oxp_buf_fini(&lines);
    return status;
}

static enum oxp_status send_off(struct oxp_cw_publisher *publisher, struct oxp_cw_gather *gather,
                                struct oxp_error *error) {
    struct oxp_outbox_write put = {0};
    struct oxp_outbox_value *values = NULL;
    enum oxp_status status = oxp_cw_counters_changes(&publisher->counters, gather->config, gather->now_ms,
                                                     gather->arena, &values, &put.value_count);
    put.values = values;
    if (status == OXP_OK) {
        status = gather->config->lane == OXP_CW_EMF ? write_lines(publisher, gather)
                                                    : make_messages(publisher, gather, &put);
    }
    if (status == OXP_OK && publisher->options.outbox != NULL && put.message_count + put.value_count > 0) {
        return oxp_outbox_put(publisher->options.outbox, &put, gather->now_ms, error);
    }
    if (status != OXP_OK) {
        oxp_error_set(error, status, 0, 0, "%s", oxp_status_text(status));
    }
    return status;
}

/* Gauges are not told twice when a period is cut short (at the end of the process, say). */
static int64_t period_began(const struct oxp_cw_publisher *publisher, int64_t now_ms) {
    int64_t full_ms = now_ms - publisher->options.config->interval_ms;
    return publisher->last_ms > full_ms && publisher->last_ms < now_ms ? publisher->last_ms : full_ms;
}

/* gather.h: fresh_ms. A publisher that a reload made later counts from its own first period on. */
static int64_t fresh(const struct oxp_cw_publisher *publisher, int64_t now_ms) {
    const struct oxp_cw_publisher_options *options = &publisher->options;
    int64_t counters_ms = options->counters_began_ms;
    bool together = counters_ms != 0 && options->began_ms >= counters_ms && options->began_ms - counters_ms < START_MS;
    bool before = counters_ms <= now_ms - options->config->interval_ms;
    return publisher->last_ms == 0 && together && before ? counters_ms : 0;
}

enum oxp_status oxp_cw_publish(struct oxp_cw_publisher *publisher, int64_t now_ms,
                               struct oxp_cw_published *published_out, struct oxp_error *error) {
    const struct oxp_cw_publisher_options *options = &publisher->options;
    struct oxp_arena arena;
    struct oxp_tsdb_stats stats;
    struct oxp_cw_data data = {.arena = &arena, .published = published_out};
    *published_out = (struct oxp_cw_published){0};
    oxp_arena_init(&arena, 0);
    oxp_tsdb_stats(options->tsdb, &stats);
    struct oxp_cw_gather gather = {
        .config = options->config,
        .target = options->target,
        .tsdb = options->tsdb,
        .engine = options->engine,
        .counters = &publisher->counters,
        .arena = &arena,
        .data = &data,
        .now_ms = now_ms,
        .sample_ms = options->sample_interval_ms,
        .since_ms = period_began(publisher, now_ms),
        .fresh_ms = fresh(publisher, now_ms),
        .alive = stats.newest_ms != 0 && stats.newest_ms > now_ms - ALIVE_MS,
    };
    oxp_buf_init(&gather.key, 0);
    enum oxp_status status = gather_all(&gather, options->rules);
    if (status != OXP_OK) {
        oxp_error_set(error, status, 0, 0, "%s", oxp_status_text(status));
    } else {
        status = send_off(publisher, &gather, error);
    }
    if (status == OXP_OK) {
        oxp_cw_counters_keep(&publisher->counters);
        publisher->last_ms = now_ms;
    } else {
        oxp_cw_counters_undo(&publisher->counters);
        published_out->data = published_out->messages = 0;
    }
    oxp_buf_fini(&gather.key);
    oxp_arena_fini(&arena);
    return status;
}
