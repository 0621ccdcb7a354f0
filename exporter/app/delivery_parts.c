#include "exporter/app/delivery_parts.h"

#include "alerts/cloudwatch/plan.h"
#include "exporter/app/daemon.h"
#include "exporter/app/ruling.h"
#include "exporter/app/sampling.h"
#include "lib/net/net.h"
#include <stdlib.h>
#include <string.h>

/* So long after its end a period is published: the samples of that moment are in then. */
#define PUBLISH_AFTER_MS 500

/* ---- Reading the configuration ---- */

static enum oxp_status read_identity(const struct oxp_config *config, struct oxp_delivery_setup *setup) {
    struct oxp_labels_builder builder;
    char **pairs = NULL;
    enum oxp_status status = oxp_config_labels(config, OXP_OPT_EXTERNAL_LABELS, &pairs);
    if (status != OXP_OK) {
        return status;
    }
    oxp_labels_build(&builder, &setup->arena, oxp_labels_none());
    for (size_t i = 0; pairs[i] != NULL; i += 2) {
        oxp_labels_set_text(&builder, oxp_view_from(pairs[i]), oxp_view_from(pairs[i + 1]));
    }
    setup->identity = (struct oxp_cw_identity){
        .service =
            oxp_arena_copy(&setup->arena, oxp_view_from(oxp_config_text(config, OXP_OPT_ORCHESTRATOR_SERVICE))).ptr,
        .environment =
            oxp_arena_copy(&setup->arena, oxp_view_from(oxp_config_text(config, OXP_OPT_ORCHESTRATOR_ENVIRONMENT))).ptr,
        .external_labels = oxp_labels_finish(&builder),
    };
    free(pairs);
    return oxp_arena_status(&setup->arena);
}

/* The place before the text, once. */
static void add_place(const char *path, bool place, struct oxp_error *error) {
    char text[sizeof error->text];
    size_t len = strlen(path);
    if (!place || error->line == 0 || strncmp(error->text, path, len) == 0) {
        return;
    }
    memcpy(text, error->text, sizeof text);
    oxp_error_set(error, OXP_ERR_INVALID, error->line, error->column, "%s:%u:%u: %s", path, error->line, error->column,
                  text);
}

enum oxp_status oxp_delivery_read(const struct oxp_config *config, bool place, struct oxp_delivery_setup *setup_out,
                                  struct oxp_error *error) {
    const struct oxp_yaml_node *alerting = oxp_config_tree(config, OXP_OPT_ALERTING);
    const struct oxp_yaml_node *cloudwatch = oxp_config_tree(config, OXP_OPT_CLOUDWATCH);
    const char *path = oxp_config_text(config, OXP_OPT_CONFIG_FILE);
    struct oxp_delivery_setup *setup = setup_out;
    *setup = (struct oxp_delivery_setup){0};
    oxp_arena_init(&setup->arena, 0);
    setup->limits = oxp_sampling_query_options(config);
    setup->sample_interval_ms = (int64_t)(oxp_config_number(config, OXP_OPT_STORAGE_SAMPLE_INTERVAL) * 1000);
    setup->evaluation_interval_ms = (int64_t)(oxp_config_number(config, OXP_OPT_GLOBAL_EVALUATION_INTERVAL) * 1000);
    enum oxp_status status = OXP_OK;
    if (alerting != NULL) {
        status = oxp_alerting_config_read(alerting, path, &setup->alerting, error);
    }
    if (status == OXP_OK && cloudwatch != NULL) {
        status = read_identity(config, setup);
        if (status == OXP_OK) {
            status = oxp_cw_config_read(cloudwatch, path, &setup->identity, &setup->cloudwatch, error);
        }
    }
    if (status != OXP_OK) {
        add_place(path, place, error);
        oxp_delivery_setup_fini(setup);
    }
    return status;
}

enum oxp_status oxp_delivery_budget(const struct oxp_delivery_setup *setup, struct oxp_rule_file *const *files,
                                    size_t count, struct oxp_error *error) {
    const struct oxp_cw_config *config = setup->cloudwatch;
    if (config == NULL || !config->enabled || config->budget <= 0) {
        return OXP_OK;
    }
    const struct oxp_cw_plan_input input = {
        .config = config,
        .identity = &setup->identity,
        .files = (const struct oxp_rule_file *const *)files,
        .file_count = count,
    };
    const struct oxp_cw_planned *alarms = NULL;
    struct oxp_cw_cost cost = {0};
    struct oxp_arena arena;
    size_t alarm_count = 0;
    oxp_arena_init(&arena, 0);
    enum oxp_status status = oxp_cw_wanted(&input, &arena, &alarms, &alarm_count, error);
    if (status == OXP_OK) {
        status = oxp_cw_cost_of(&input, alarms, alarm_count, &cost);
    }
    oxp_arena_fini(&arena);
    if (status == OXP_OK && cost.total_month > config->budget) {
        status = oxp_error_set(
            error, OXP_ERR_LIMIT, 0, 0,
            "cloudwatch: this would cost %.2f %s a month, and the budget is %.2f (see oxpecker cloudwatch plan)",
            cost.total_month, config->prices.currency, config->budget);
    }
    return status;
}

void oxp_delivery_setup_fini(struct oxp_delivery_setup *setup) {
    oxp_alerting_config_free(setup->alerting);
    oxp_cw_config_free(setup->cloudwatch);
    oxp_arena_fini(&setup->arena);
    *setup = (struct oxp_delivery_setup){0};
}

/* ---- The outbox ---- */

static bool is_published(const struct oxp_delivery_setup *setup) {
    return setup->cloudwatch != NULL && setup->cloudwatch->enabled;
}

static size_t people(const struct oxp_delivery_setup *setup) {
    size_t count = 0;
    if (setup->alerting != NULL) {
        (void)oxp_alerting_recipients(setup->alerting, &count);
    }
    return count;
}

bool oxp_delivery_needs_outbox(const struct oxp_delivery_setup *setup, bool kept) {
    return people(setup) > 0 || (is_published(setup) && (kept || setup->cloudwatch->lane != OXP_CW_EMF));
}

bool oxp_delivery_is_empty(const struct oxp_delivery_setup *setup) {
    return people(setup) == 0 && !is_published(setup);
}

enum oxp_status oxp_delivery_open_outbox(struct oxp_daemon *daemon, const char *directory,
                                         struct oxp_outbox **outbox_out, struct oxp_error *error) {
    enum oxp_outbox_opened opened = OXP_OUTBOX_AS_IT_WAS;
    struct oxp_outbox_options options = {
        .directory = directory[0] == '\0' ? NULL : directory,
        .on_drop = oxp_delivery_on_drop,
        .on_damage = oxp_delivery_on_damage,
        .ctx = daemon,
    };
    int64_t now_ms = oxp_clock_wall(daemon->clock).ns / OXP_NS_PER_MS;
    enum oxp_status status = oxp_outbox_open(&options, now_ms, outbox_out, &opened, error);
    if (status != OXP_OK) {
        return status;
    }
    if (opened == OXP_OUTBOX_FRESH) {
        oxp_log_error(daemon->log, "the outbox was damaged and set aside; what waited in it is not sent",
                      OXP_LOG_TEXT("directory", directory));
    }
    return OXP_OK;
}

/* ---- CloudWatch ---- */

/* Any thread. */
static bool give_up(void *ctx) {
    const struct oxp_delivery_parts *parts = ctx;
    int64_t cut_ns = atomic_load(&parts->cut_ns);
    return cut_ns != 0 && oxp_clock_mono(parts->daemon->clock).ns >= cut_ns;
}

static enum oxp_status make_client(struct oxp_delivery_parts *parts, const struct oxp_delivery_setup *setup,
                                   struct oxp_error *error) {
    enum oxp_status status = oxp_net_http_new(&parts->http);
    if (status != OXP_OK) {
        return oxp_error_set(error, status, 0, 0, "cloudwatch: %s", oxp_status_text(status));
    }
    parts->world = (struct oxp_aws_world){
        .http = parts->http, .clock = parts->daemon->clock, .give_up = give_up, .give_up_ctx = parts};
    struct oxp_aws_client_options options = {
        .world = &parts->world, .place = setup->cloudwatch->place, .service = "monitoring"};
    return oxp_aws_client_new(&options, &parts->client, error);
}

/* A counter of ours that is made with the registry and restored with the others tells when they all began: after a
 * restart that restored them, its created time is the old one. */
static int64_t counters_began_ms(struct oxp_daemon *daemon) {
    const struct oxp_family *family = daemon->stats.families[OXP_S_RULE_EVALUATIONS_TOTAL];
    const struct oxp_family_spec *spec = NULL;
    struct oxp_snapshot snapshot;
    struct oxp_sample sample;
    oxp_snapshot_begin(&snapshot, daemon->registry, 0);
    while (oxp_snapshot_family(&snapshot, &spec) == OXP_OK) {
        if (spec == oxp_family_spec_of(family) && oxp_snapshot_next(&snapshot, &sample) == OXP_OK) {
            return (int64_t)(sample.created_s * 1000);
        }
    }
    return 0;
}

static enum oxp_status make_publisher(struct oxp_delivery_parts *parts, const struct oxp_delivery_setup *setup,
                                      struct oxp_error *error) {
    struct oxp_daemon *daemon = parts->daemon;
    struct oxp_promql_options limits = setup->limits;
    limits.clock = daemon->clock;
    enum oxp_status status = oxp_promql_engine_new(&limits, &parts->engine);
    if (status != OXP_OK) {
        return status;
    }
    struct oxp_cw_publisher_options options = {
        .config = setup->cloudwatch,
        .tsdb = daemon->tsdb,
        .engine = parts->engine,
        .outbox = parts->outbox,
        .rules = oxp_ruling_rules(daemon->ruling),
        .target = setup->target,
        .sample_interval_ms = setup->sample_interval_ms,
        .counters_began_ms = counters_began_ms(daemon),
        .began_ms = oxp_clock_wall(daemon->clock).ns / OXP_NS_PER_MS,
    };
    status = oxp_cw_publisher_new(&options, &parts->publisher, error);
    if (status == OXP_OK) {
        int64_t now_ms = oxp_clock_wall(daemon->clock).ns / OXP_NS_PER_MS;
        parts->publish_ms = oxp_cw_next(parts->publisher, now_ms);
        oxp_log_info(daemon->log, "publishing to CloudWatch",
                     OXP_LOG_TEXT("namespace", setup->cloudwatch->namespace_name),
                     OXP_LOG_NUM("metrics", setup->cloudwatch->metric_count),
                     OXP_LOG_NUM("interval_seconds", (double)setup->cloudwatch->interval_ms / 1000));
        if (setup->cloudwatch->lane == OXP_CW_OTLP) {
            oxp_log_warning(daemon->log, "the lane otlp has never been tried against AWS",
                            OXP_LOG_TEXT("see", "docs/cloudwatch.md"));
        }
    }
    return status;
}

static void free_cloudwatch(struct oxp_delivery_parts *parts) {
    oxp_cw_publisher_free(parts->publisher);
    oxp_promql_engine_free(parts->engine);
    oxp_aws_client_free(parts->client);
    if (parts->http != NULL) {
        parts->http->free(parts->http);
    }
    parts->publisher = NULL;
    parts->engine = NULL;
    parts->client = NULL;
    parts->http = NULL;
    parts->publish_ms = INT64_MAX;
}

/* What is wrong with it (no region, say) keeps nobody from being told of alerts. */
static enum oxp_status make_cloudwatch(struct oxp_delivery_parts *parts, const struct oxp_delivery_setup *setup,
                                       struct oxp_error *error) {
    parts->emf = setup->cloudwatch->lane == OXP_CW_EMF;
    enum oxp_status status = parts->emf ? OXP_OK : make_client(parts, setup, error);
    if (status == OXP_OK) {
        status = make_publisher(parts, setup, error);
    }
    if (status != OXP_OK && status != OXP_ERR_NOMEM) {
        oxp_daemon_log_error(parts->daemon->log, "nothing is published to CloudWatch", error);
        parts->idle = *error;
        error->text[0] = '\0';
        free_cloudwatch(parts);
        status = OXP_OK;
    }
    return status;
}

/* The clock went back: at the new time's next end of an interval. By an interval or less it is waited for, so that no
 * end comes twice. */
static int64_t due_ms_of(const struct oxp_delivery_parts *parts, int64_t now_ms) {
    int64_t next_ms = oxp_cw_next(parts->publisher, now_ms);
    return parts->publish_ms <= oxp_cw_next(parts->publisher, next_ms) ? parts->publish_ms : next_ms;
}

int64_t oxp_delivery_publish_in_ms(const struct oxp_delivery_parts *parts, int64_t now_ms) {
    if (parts->publisher == NULL || parts->publish_ms == INT64_MAX) {
        return INT64_MAX;
    }
    int64_t wait_ms = due_ms_of(parts, now_ms) + PUBLISH_AFTER_MS - now_ms;
    return wait_ms < 1 ? 1 : wait_ms;
}

/* Once for each reason, not each minute. */
static void warn_of_left_out(struct oxp_delivery_parts *parts, const struct oxp_cw_published *published) {
    if (published->left_out == 0 || strcmp(parts->left_out.text, published->first_left_out.text) == 0) {
        return;
    }
    parts->left_out = published->first_left_out;
    oxp_log_warning(parts->daemon->log, "data were left out, which CloudWatch would not take",
                    OXP_LOG_NUM("left_out", published->left_out), OXP_LOG_TEXT("first", parts->left_out.text));
}

void oxp_delivery_publish(struct oxp_delivery_parts *parts, int64_t now_ms) {
    struct oxp_daemon *daemon = parts->daemon;
    struct oxp_cw_published published = {0};
    struct oxp_error error = {0};
    if (parts->publisher == NULL || parts->publish_ms == INT64_MAX) {
        return;
    }
    int64_t due_ms = parts->publish_ms = due_ms_of(parts, now_ms);
    if (now_ms < due_ms + PUBLISH_AFTER_MS) {
        return;
    }
    if (!atomic_load(&daemon->sampled)) { /* what a file brought was published by the run that wrote it */
        parts->publish_ms = oxp_cw_next(parts->publisher, now_ms);
        return;
    }
    enum oxp_status status = oxp_cw_publish(parts->publisher, due_ms, &published, &error);
    if (status != OXP_OK) {
        oxp_delivery_on_failure(daemon, &error);
    }
    oxp_delivery_show_published(daemon, &published);
    warn_of_left_out(parts, &published);
    if (status == OXP_OK && published.messages > 0 && parts->courier != NULL) {
        oxp_courier_wake(parts->courier, OXP_VIEW(OXP_CW_RECEIVER));
    }
    if (status == OXP_OK && parts->emf) {
        oxp_gauge_set(oxp_family_only(daemon->stats.families[OXP_S_CLOUDWATCH_LAST_SUCCESS_TIMESTAMP_SECONDS]),
                      (double)now_ms / 1000);
    }
    parts->publish_ms = oxp_cw_next(parts->publisher, now_ms);
}

/* ---- Everything ---- */

/* On alerting's thread, which ends before the courier does. */
static void on_put(void *ctx, struct oxp_view receiver) {
    struct oxp_delivery_parts *parts = ctx;
    oxp_courier_wake(parts->courier, receiver);
}

static void on_failure(void *ctx, const struct oxp_error *error) {
    struct oxp_delivery_parts *parts = ctx;
    oxp_delivery_on_failure(parts->daemon, error);
}

static void on_left_out(void *ctx, struct oxp_view alert, size_t bytes) {
    struct oxp_delivery_parts *parts = ctx;
    oxp_delivery_on_left_out(parts->daemon, alert, bytes);
}

static bool awaits(void *ctx, struct oxp_view alertname) {
    const struct oxp_delivery_parts *parts = ctx;
    return oxp_rules_awaits(oxp_ruling_rules(parts->daemon->ruling), alertname);
}

static enum oxp_status make_alerting(struct oxp_delivery_parts *parts, struct oxp_delivery_setup *setup,
                                     struct oxp_error *error) {
    struct oxp_alerting_options options = {
        .config = setup->alerting,
        .outbox = parts->outbox,
        .clock = parts->daemon->clock,
        .external_url = setup->external_url,
        .interval_ms = setup->evaluation_interval_ms,
        .on_put = on_put,
        .on_failure = on_failure,
        .on_left_out = on_left_out,
        .awaits = awaits,
        .ctx = parts,
    };
    enum oxp_status status = oxp_alerting_new(&options, &parts->alerting, error);
    if (status == OXP_OK) {
        setup->alerting = NULL; /* it is the alerting's now */
    }
    return status;
}

/* What waits for CloudWatch says why nothing is sent there. */
static void note_idle(const struct oxp_delivery_parts *parts) {
    size_t count = 0;
    if (oxp_outbox_idle(parts->outbox, OXP_VIEW(OXP_CW_RECEIVER), parts->idle.text, &count) == OXP_OK && count > 0) {
        oxp_log_warning(parts->daemon->log, "messages to CloudWatch wait; see oxpecker outbox list",
                        OXP_LOG_NUM("messages", (double)count), OXP_LOG_TEXT("reason", parts->idle.text));
    }
}

/* What waits for a receiver that a reload removed or renamed says so; a failure of the disk shows elsewhere. */
static void adopt(const struct oxp_delivery_parts *parts) {
    size_t orphans = 0, count = parts->recipient_count;
    struct oxp_view *receivers = calloc(count + 1, sizeof *receivers);
    if (receivers == NULL) {
        return;
    }
    for (size_t i = 0; i < count; i++) {
        receivers[i] = oxp_view_from(parts->recipients[i].receiver);
    }
    if (parts->idle.text[0] != '\0') {
        receivers[count++] = OXP_VIEW(OXP_CW_RECEIVER);
    }
    enum oxp_status status = oxp_outbox_adopt(parts->outbox, receivers, count, &orphans);
    free(receivers);
    if (status == OXP_OK && orphans > 0) {
        oxp_log_warning(parts->daemon->log,
                        "messages wait for a receiver that the configuration does not have; see oxpecker outbox list",
                        OXP_LOG_NUM("messages", (double)orphans));
    }
    if (status == OXP_OK && parts->idle.text[0] != '\0') {
        note_idle(parts);
    }
}

static enum oxp_status make_courier(struct oxp_delivery_parts *parts, const struct oxp_delivery_setup *setup,
                                    const struct oxp_recipient *to_people, size_t count) {
    struct oxp_daemon *daemon = parts->daemon;
    parts->recipients = calloc(count + 1, sizeof *parts->recipients);
    if (parts->recipients == NULL) {
        return OXP_ERR_NOMEM;
    }
    for (size_t i = 0; i < count; i++) {
        parts->recipients[parts->recipient_count++] = to_people[i];
    }
    if (parts->client != NULL) {
        parts->recipients[parts->recipient_count++] = oxp_cw_recipient_of(setup->cloudwatch, parts->client);
    }
    for (size_t i = 0; i < parts->recipient_count; i++) {
        oxp_delivery_show_integration(daemon, parts->recipients[i].integration);
    }
    struct oxp_courier_options options = {
        .outbox = parts->outbox,
        .recipients = parts->recipients,
        .count = parts->recipient_count,
        .clock = daemon->clock,
        .http_new = oxp_net_http_new,
        .seed = (uint64_t)oxp_clock_mono(daemon->clock).ns,
        /* so that what waited for an hour has gone within two minutes of the receiver's return */
        .delay_max_s = 60,
        .open_max_s = 60,
        .on_send = oxp_delivery_on_send,
        .ctx = daemon,
    };
    enum oxp_status status = oxp_courier_new(&options, &parts->courier);
    if (status == OXP_OK) {
        adopt(parts);
    }
    return status;
}

/* Why nothing is sent, where CloudWatch is configured at all. */
static void find_idle(struct oxp_delivery_parts *parts, const struct oxp_delivery_setup *setup) {
    if (setup->cloudwatch == NULL || parts->client != NULL || parts->idle.text[0] != '\0') {
        return;
    }
    oxp_error_set(&parts->idle, OXP_OK, 0, 0, "%s",
                  !setup->cloudwatch->enabled ? "cloudwatch.enabled is false"
                  : setup->over_budget        ? "CloudWatch would cost more than its budget, so nothing is published"
                                              : "the lane emf writes lines and sends nothing");
}

static enum oxp_status build(struct oxp_delivery_parts *parts, struct oxp_delivery_setup *setup,
                             struct oxp_error *error) {
    size_t count = 0;
    const struct oxp_recipient *to_people =
        setup->alerting == NULL ? NULL : oxp_alerting_recipients(setup->alerting, &count);
    enum oxp_status status = OXP_OK;
    if (is_published(setup) && !setup->over_budget) { /* which was said */
        status = make_cloudwatch(parts, setup, error);
    }
    find_idle(parts, setup);
    if (status == OXP_OK && parts->outbox != NULL && setup->alerting != NULL) {
        int64_t now_ms = oxp_clock_wall(parts->daemon->clock).ns / OXP_NS_PER_MS;
        status = oxp_alerting_upgrade(setup->alerting, parts->outbox, now_ms, error);
    }
    if (status == OXP_OK && parts->outbox != NULL) {
        status = make_courier(parts, setup, to_people, count);
    }
    if (status == OXP_OK && count > 0) {
        status = make_alerting(parts, setup, error);
        if (status == OXP_OK) {
            status = oxp_alerting_start(parts->alerting);
        }
    }
    return status;
}

enum oxp_status oxp_delivery_parts_new(struct oxp_daemon *daemon, struct oxp_outbox *outbox,
                                       struct oxp_delivery_setup *setup, struct oxp_delivery_parts *parts_out,
                                       struct oxp_error *error) {
    struct oxp_delivery_parts *parts = parts_out;
    *parts = (struct oxp_delivery_parts){.daemon = daemon, .outbox = outbox, .publish_ms = INT64_MAX};
    enum oxp_status status = build(parts, setup, error);
    if (status != OXP_OK) {
        if (error->text[0] == '\0') {
            oxp_error_set(error, status, 0, 0, "%s", oxp_status_text(status));
        }
        oxp_delivery_parts_free(parts, setup, false, 0);
    }
    oxp_gauge_set(oxp_family_only(daemon->stats.families[OXP_S_CLOUDWATCH_ENABLED]), is_published(setup));
    return status;
}

void oxp_delivery_parts_free(struct oxp_delivery_parts *parts, struct oxp_delivery_setup *setup, bool last,
                             int64_t grace_ms) {
    if (parts->alerting != NULL) {
        oxp_alerting_stop(parts->alerting);
    }
    if (last && parts->publisher != NULL) {
        parts->publish_ms = oxp_clock_wall(parts->daemon->clock).ns / OXP_NS_PER_MS;
        oxp_delivery_publish(parts, parts->publish_ms + PUBLISH_AFTER_MS);
    }
    atomic_store(&parts->cut_ns, oxp_clock_mono(parts->daemon->clock).ns + grace_ms * OXP_NS_PER_MS);
    if (parts->courier != NULL) {
        oxp_courier_stop(parts->courier, grace_ms);
    }
    oxp_courier_free(parts->courier);
    struct oxp_alerting_config *config = oxp_alerting_free_but_config(parts->alerting);
    setup->alerting = config != NULL ? config : setup->alerting;
    free(parts->recipients);
    free_cloudwatch(parts);
    *parts = (struct oxp_delivery_parts){.daemon = parts->daemon, .publish_ms = INT64_MAX};
}
