#include "exporter/app/daemon.h"

#include "exporter/app/build.h"
#include "exporter/app/delivery.h"
#include "exporter/app/ruling.h"
#include "exporter/app/sampling.h"
#include "exporter/app/saved.h"
#include "exporter/app/storage.h"
#include "exporter/app/watching.h"
#include "lib/base/map.h"
#include "lib/base/utf8.h"
#include "lib/net/net.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

void oxp_daemon_log_error(struct oxp_log *log, const char *message, const struct oxp_error *error) {
    oxp_log_error(log, message, OXP_LOG_TEXT("error", error->text));
}

void oxp_daemon_address(const struct oxp_daemon *daemon, char out[OXP_DAEMON_ADDRESS_MAX]) {
    char host[256] = "";
    if (gethostname(host, sizeof host - 1) != 0 || host[0] == '\0') {
        snprintf(host, sizeof host, "localhost");
    }
    snprintf(out, OXP_DAEMON_ADDRESS_MAX, "%s:%u", host, (unsigned)oxp_server_port(daemon->server));
}

/* ---- what the parts tell the daemon ---- */

static double now_s(void *ctx) {
    const struct oxp_daemon *daemon = ctx;
    return oxp_wall_seconds(oxp_clock_wall(daemon->clock));
}

/* Under the family's lock, any thread. An offender is named once in ten seconds; the counter has them all. */
static void on_drop(void *ctx, const char *family, const char *label_key, struct oxp_view label_value) {
    struct oxp_daemon *daemon = ctx;
    if (daemon->dropped.cell != NULL) {
        oxp_counter_add(daemon->dropped, 1);
    }
    /* Families that share a slot share its ten seconds: there are more slots than families. */
    _Atomic int64_t *slot = &daemon->drop_notes[oxp_hash(family, strlen(family), 0) % OXP_DROP_NOTES];
    int64_t now = oxp_clock_mono(daemon->clock).ns;
    int64_t last = atomic_load_explicit(slot, memory_order_relaxed);
    if ((last == 0 || now - last >= 10 * OXP_NS_PER_S) && atomic_compare_exchange_strong(slot, &last, now)) {
        oxp_log_warning(daemon->log, "a label cap was reached; updates go to the overflow series",
                        OXP_LOG_TEXT("family", family), OXP_LOG_TEXT("label", label_key == NULL ? "" : label_key),
                        OXP_LOG_VIEW("value", label_value));
    }
}

static void on_log_record(void *ctx, enum oxp_log_level level, const char *message, const struct oxp_log_field *fields,
                          size_t count) {
    struct oxp_daemon *daemon = ctx;
    if (daemon->log_lines[level].cell != NULL) {
        oxp_counter_add(daemon->log_lines[level], 1);
    }
    if (daemon->recent != NULL) {
        oxp_recent_own_log(daemon->recent, level, now_s(daemon), message, fields, count);
    }
}

void oxp_daemon_note(struct oxp_daemon *daemon, int level, const char *message, const char *const *fields) {
    struct oxp_log_field out[8];
    size_t count = 0;
    for (; fields != NULL && fields[2 * count] != NULL && count < 8; count++) {
        out[count] = OXP_LOG_TEXT(fields[2 * count], fields[2 * count + 1]);
    }
    oxp_log_write(daemon->log, (enum oxp_log_level)level, message, out, count);
}

static void on_ledger_note(void *ctx, int level, const char *message, const char *const *fields) {
    struct oxp_daemon *daemon = ctx;
    oxp_daemon_note(daemon, level, message, fields);
    if (strcmp(message, OXP_LEDGER_BREAKER_RESET) == 0 && daemon->deliveries != NULL) {
        oxp_deliveries_note(daemon->deliveries, "breaker.reset", fields[1]);
    }
}

/* `action=login status=ok workflow=w session=s task=t details=…`, as the outbox keeps it. */
static void on_audited(void *ctx, const struct oxp_event *event) {
    static const struct {
        const char *key;
        enum oxp_field field;
    } rows[] = {{"action", OXP_FIELD_ACTION},   {"status", OXP_FIELD_STATUS},  {"workflow", OXP_FIELD_WORKFLOW},
                {"session", OXP_FIELD_SESSION}, {"task", OXP_FIELD_TASK},      {"component", OXP_FIELD_COMPONENT},
                {"message", OXP_FIELD_MESSAGE}, {"details", OXP_FIELD_DETAILS}};
    struct oxp_daemon *daemon = ctx;
    struct oxp_buf text;
    oxp_buf_init(&text, 0);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct oxp_view value = oxp_event_text(event, rows[i].field);
        if (value.len != 0) {
            oxp_buf_append_format(&text, "%s%s=", text.len == 0 ? "" : " ", rows[i].key);
            oxp_buf_append_view(&text, oxp_utf8_cut(value, 1000));
        }
    }
    if (daemon->deliveries != NULL && oxp_buf_status(&text) == OXP_OK) {
        oxp_deliveries_note(daemon->deliveries, "audit", oxp_buf_text(&text));
    }
    oxp_buf_fini(&text);
}

static void on_lost(void *ctx, uint64_t events) {
    oxp_counter_add(((struct oxp_daemon *)ctx)->lost, events);
}

static void on_clamped(void *ctx) {
    oxp_counter_add(((struct oxp_daemon *)ctx)->clamped, 1);
}

static void on_refusal(void *ctx, const char *reason) {
    struct oxp_daemon *daemon = ((struct oxp_api *)ctx)->ctx;
    oxp_counter_add(
        oxp_counter(oxp_family_at(daemon->stats.families[OXP_S_HTTP_REQUESTS_REFUSED_TOTAL], oxp_view_from(reason))),
        1);
}

static bool is_ready(void *ctx, const char **why) {
    struct oxp_daemon *daemon = ctx;
    int phase = atomic_load(&daemon->phase);
    *why = phase == OXP_STARTING ? "starting" : "stopping";
    return phase == OXP_READY;
}

static void stop_from_outside(void *ctx) {
    oxp_daemon_stop(ctx, true);
}

static void quit(void *ctx) {
    struct oxp_daemon *daemon = ctx;
    oxp_loop_post(daemon->loop, stop_from_outside, daemon);
}

static void hold_outbox(void *ctx, struct oxp_outbox **outbox_out, struct oxp_courier **courier_out) {
    oxp_deliveries_hold(((struct oxp_daemon *)ctx)->deliveries, outbox_out, courier_out);
}

static void release_outbox(void *ctx) {
    oxp_deliveries_release(((struct oxp_daemon *)ctx)->deliveries);
}

/* ---- the Unix socket to the intake ---- */

static void *connection_opened(void *ctx, uint64_t id) {
    struct oxp_daemon *daemon = ctx;
    struct oxp_intake_stream *stream = NULL;
    return oxp_intake_stream_new(daemon->intake, id, &stream) == OXP_OK ? stream : NULL;
}

static void connection_bytes(void *ctx, void *conn, struct oxp_view bytes) {
    (void)ctx;
    oxp_intake_stream_feed(conn, bytes);
}

static void connection_closed(void *ctx, void *conn) {
    (void)ctx;
    oxp_intake_stream_end(conn);
}

static void connection_refused(void *ctx, const char *why) {
    struct oxp_daemon *daemon = ctx;
    oxp_counter_add(oxp_counter(oxp_family_only(daemon->stats.families[OXP_S_CONNECTIONS_REFUSED_TOTAL])), 1);
    int64_t now = oxp_clock_mono(daemon->clock).ns;
    if (daemon->refusal_noted == 0 || now - daemon->refusal_noted >= OXP_NS_PER_S) { /* a flood is one line a second */
        daemon->refusal_noted = now;
        oxp_log_warning(daemon->log, "an event connection was refused", OXP_LOG_TEXT("reason", why));
    }
}

/* ---- the health probe ---- */

enum { PROBE_NOTHING, PROBE_UNHEALTHY, PROBE_HEALTHY };

static void apply_probe(void *ctx) {
    struct oxp_daemon *daemon = ctx;
    int seen = atomic_exchange(&daemon->probe_healthy, PROBE_NOTHING);
    if (seen != PROBE_NOTHING) {
        oxp_ledger_probed(daemon->ledger, seen == PROBE_HEALTHY);
    }
}

/* On the probe's thread. */
static void probed(void *ctx, bool healthy, const char *reason) {
    struct oxp_daemon *daemon = ctx;
    if (!healthy) {
        oxp_log_debug(daemon->log, "the orchestrator's health endpoint did not answer well",
                      OXP_LOG_TEXT("reason", reason));
    }
    atomic_store(&daemon->probe_healthy, healthy ? PROBE_HEALTHY : PROBE_UNHEALTHY);
    oxp_loop_post(daemon->loop, apply_probe, daemon);
}

enum oxp_status oxp_daemon_start_probe(struct oxp_daemon *daemon, const struct oxp_config *config,
                                       struct oxp_error *error) {
    const char *url = oxp_config_text(config, OXP_OPT_ORCHESTRATOR_HEALTH_URL);
    if (url[0] == '\0') {
        return OXP_OK;
    }
    enum oxp_status status = daemon->http == NULL ? oxp_net_http_new(&daemon->http) : OXP_OK;
    if (status == OXP_OK) {
        struct oxp_health_options options = {
            .url = url,
            .interval_ms = (int64_t)(oxp_config_number(config, OXP_OPT_ORCHESTRATOR_HEALTH_INTERVAL) * 1000),
            .timeout_ms = (int64_t)(oxp_config_number(config, OXP_OPT_ORCHESTRATOR_HEALTH_TIMEOUT) * 1000),
            .http = daemon->http,
            .probed = probed,
            .ctx = daemon,
        };
        status = oxp_health_probe_new(&options, &daemon->probe);
    }
    return status == OXP_OK
               ? OXP_OK
               : oxp_error_set(error, status, 0, 0, "orchestrator.health_url %s: %s", url, oxp_status_text(status));
}

void oxp_daemon_stop_probe(struct oxp_daemon *daemon) {
    oxp_health_probe_free(daemon->probe);
    daemon->probe = NULL;
}

/* ---- building ---- */

void oxp_daemon_ledger_options(struct oxp_daemon *daemon, const struct oxp_config *config,
                               struct oxp_ledger_options *options_out) {
    *options_out = (struct oxp_ledger_options){
        .clock = daemon->clock,
        .liveness_s = oxp_config_number(config, OXP_OPT_ORCHESTRATOR_LIVENESS),
        .reconnect_grace_s = oxp_config_number(config, OXP_OPT_ORCHESTRATOR_RECONNECT_GRACE),
        .idle_limit_s = oxp_config_number(config, OXP_OPT_ORCHESTRATOR_IDLE_LIMIT),
        .stall_limit_s = oxp_config_number(config, OXP_OPT_ORCHESTRATOR_STALL_LIMIT),
        .start_grace_s = oxp_config_number(config, OXP_OPT_ORCHESTRATOR_START_GRACE),
        .sessions_limit = oxp_config_number(config, OXP_OPT_ORCHESTRATOR_SESSIONS_LIMIT),
        .max_sessions = (size_t)oxp_config_number(config, OXP_OPT_LIMITS_SESSIONS),
        .max_tasks = (size_t)oxp_config_number(config, OXP_OPT_LIMITS_TASKS),
        .environment = oxp_config_text(config, OXP_OPT_ORCHESTRATOR_ENVIRONMENT),
        .on_note = on_ledger_note,
        .on_lost = on_lost,
        .on_clamped = on_clamped,
        .ctx = daemon,
    };
}

static enum oxp_status make_log(struct oxp_daemon *daemon) {
    struct oxp_log_options options = {
        .fd = STDERR_FILENO,
        .format =
            strcmp(oxp_config_text(&daemon->config, OXP_OPT_LOG_FORMAT), "json") == 0 ? OXP_LOG_JSON : OXP_LOG_LOGFMT,
        .clock = daemon->clock,
        .on_record = on_log_record,
        .ctx = daemon,
    };
    enum oxp_status status =
        oxp_log_level_from(oxp_view_from(oxp_config_text(&daemon->config, OXP_OPT_LOG_LEVEL)), &options.level);
    return status == OXP_OK ? oxp_log_new(&options, &daemon->log) : status;
}

/* The registry with the sidecar's own families. */
static enum oxp_status make_registry(struct oxp_daemon *daemon) {
    struct oxp_registry_options options = {
        .series = (size_t)oxp_config_number(&daemon->config, OXP_OPT_LIMITS_SERIES),
        .series_per_family = (size_t)oxp_config_number(&daemon->config, OXP_OPT_LIMITS_SERIES_PER_FAMILY),
        .now_s = now_s,
        .on_drop = on_drop,
        .ctx = daemon,
    };
    enum oxp_status status = oxp_registry_new(&options, &daemon->registry);
    if (status == OXP_OK) {
        status = oxp_selfstats_register(&daemon->stats, daemon->registry, oxp_build_version(), oxp_build_revision());
    }
    if (status != OXP_OK) {
        return status;
    }
    struct oxp_family **families = daemon->stats.families;
    daemon->dropped = oxp_counter(oxp_family_only(families[OXP_S_SERIES_DROPPED_TOTAL]));
    daemon->lost = oxp_counter(oxp_family_only(families[OXP_S_EVENTS_LOST_TOTAL]));
    daemon->clamped = oxp_counter(oxp_family_only(families[OXP_S_EVENTS_CLAMPED_TOTAL]));
    for (int level = 0; level < OXP_LOG_LEVELS; level++) {
        struct oxp_view name = oxp_view_from(oxp_log_level_name((enum oxp_log_level)level));
        daemon->log_lines[level] = oxp_counter(oxp_family_at(families[OXP_S_LOG_LINES_TOTAL], name));
    }
    oxp_gauge_set(oxp_family_only(families[OXP_S_SERIES_LIMIT]), (double)options.series);
    oxp_gauge_set(oxp_family_only(families[OXP_S_CONFIG_LAST_RELOAD_SUCCESSFUL]), 1);
    oxp_gauge_set(oxp_family_only(families[OXP_S_CONFIG_LAST_RELOAD_SUCCESS_TIMESTAMP_SECONDS]), now_s(daemon));
    return OXP_OK;
}

static enum oxp_status make_ledger(struct oxp_daemon *daemon, struct oxp_error *error) {
    struct oxp_ledger_options options;
    oxp_daemon_ledger_options(daemon, &daemon->config, &options);
    enum oxp_status status = oxp_ledger_new(&options, daemon->registry, &daemon->ledger);
    status = status == OXP_OK ? oxp_storage_begin(daemon, error) : status;
    atomic_store(&daemon->owners_awaited, status == OXP_OK && oxp_ledger_awaits_owners(daemon->ledger));
    return status;
}

static enum oxp_status make_listener(struct oxp_daemon *daemon, struct oxp_error *error) {
    const char *path = oxp_config_text(&daemon->config, OXP_OPT_EVENTS_LISTEN_UNIX);
    if (path[0] == '\0') {
        return OXP_OK;
    }
    struct oxp_listen_options options = {
        .path = path,
        .mode = (mode_t)oxp_config_number(&daemon->config, OXP_OPT_EVENTS_UNIX_MODE),
        .max_connections = (unsigned)oxp_config_number(&daemon->config, OXP_OPT_EVENTS_MAX_CONNECTIONS),
    };
    struct oxp_listen_sink sink = {
        .ctx = daemon,
        .opened = connection_opened,
        .bytes = connection_bytes,
        .closed = connection_closed,
        .refused = connection_refused,
    };
    enum oxp_status status = oxp_listener_new(daemon->loop, &options, &sink, &daemon->listener, error);
    if (status == OXP_OK) {
        oxp_log_info(daemon->log, "listening for events", OXP_LOG_TEXT("socket", path));
    }
    return status;
}

/* What remembers samples, and what answers from them. */
static enum oxp_status make_memory(struct oxp_daemon *daemon) {
    struct oxp_tsdb_options bounds = oxp_sampling_tsdb_options(&daemon->config);
    struct oxp_promql_options limits = oxp_sampling_query_options(&daemon->config);
    limits.clock = daemon->clock;
    enum oxp_status status = oxp_tsdb_new(&bounds, &daemon->tsdb);
    if (status == OXP_OK) {
        status = oxp_exemplars_new(0, &daemon->exemplars);
    }
    return status == OXP_OK ? oxp_promql_engine_new(&limits, &daemon->engine) : status;
}

static enum oxp_status make_server(struct oxp_daemon *daemon, struct oxp_error *error) {
    struct oxp_api *api = &daemon->api;
    api->registry = daemon->registry;
    api->stats = &daemon->stats;
    api->loop = daemon->loop;
    api->ledger = daemon->ledger;
    api->intake = daemon->intake;
    api->recent = daemon->recent;
    api->log = daemon->log;
    api->clock = daemon->clock;
    api->tsdb = daemon->tsdb;
    api->exemplars = daemon->exemplars;
    api->rules = oxp_ruling_rules(daemon->ruling);
    api->engine = daemon->engine;
    api->revision = oxp_build_revision();
    api->openmetrics_created = oxp_config_bool(&daemon->config, OXP_OPT_WEB_OPENMETRICS_CREATED);
    api->ready = is_ready;
    api->reload = oxp_daemon_reload_from_outside;
    api->quit = quit;
    api->hold = hold_outbox;
    api->release = release_outbox;
    api->ctx = daemon;
    enum oxp_status status =
        oxp_api_routes(oxp_config_text(&daemon->config, OXP_OPT_WEB_TELEMETRY_PATH), &daemon->routes);
    if (status != OXP_OK) {
        return status;
    }
    struct oxp_server_options options = {
        .address = oxp_config_text(&daemon->config, OXP_OPT_WEB_LISTEN_ADDRESS),
        .max_connections = (unsigned)oxp_config_number(&daemon->config, OXP_OPT_WEB_MAX_CONNECTIONS),
        .expose_ledger = oxp_config_bool(&daemon->config, OXP_OPT_WEB_EXPOSE_LEDGER),
        .enable_lifecycle = oxp_config_bool(&daemon->config, OXP_OPT_WEB_ENABLE_LIFECYCLE),
        .slow_threads = (unsigned)oxp_config_number(&daemon->config, OXP_OPT_QUERY_MAX_CONCURRENCY),
        .routes = daemon->routes,
        .ctx = api,
        .on_answer = oxp_api_on_answer,
        .on_refusal = on_refusal,
    };
    status = oxp_server_new(&options, &daemon->server, error);
    if (status == OXP_OK) {
        oxp_log_info(daemon->log, "listening for HTTP", OXP_LOG_TEXT("address", options.address),
                     OXP_LOG_NUM("port", oxp_server_port(daemon->server)),
                     OXP_LOG_TEXT("telemetry_path", oxp_config_text(&daemon->config, OXP_OPT_WEB_TELEMETRY_PATH)));
    }
    return status;
}

/* As many descriptors as the system allows: event connections and HTTP connections together pass the usual soft limit.
 */
static void raise_descriptor_limit(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit); /* the old limit still serves */
    }
}

/* Signals come through the loop. They are blocked before the first thread starts, so that every thread inherits that.
 */
static enum oxp_status block_signals(struct oxp_daemon *daemon) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    if (pthread_sigmask(SIG_BLOCK, &set, NULL) != 0) {
        return OXP_ERR_IO;
    }
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigaction(SIGPIPE, &ignore, NULL);
    sigaction(SIGXFSZ, &ignore, NULL); /* a file that may not grow is a write that fails, not the end */
    daemon->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return daemon->signals < 0 ? OXP_ERR_IO : OXP_OK;
}

static enum oxp_status make_intake(struct oxp_daemon *daemon) {
    enum oxp_status status =
        oxp_intake_new(daemon->ledger, &daemon->stats, daemon->log, daemon->clock, &daemon->intake);
    if (status == OXP_OK) {
        oxp_intake_set_recent(daemon->intake, daemon->recent);
        oxp_intake_on_audit(daemon->intake, on_audited, daemon);
    }
    return status;
}

static enum oxp_status build(struct oxp_daemon *daemon, struct oxp_error *error) {
    enum oxp_status status = oxp_config_load(&daemon->source, &daemon->config, error);
    if (status != OXP_OK) {
        return status;
    }
    raise_descriptor_limit();
    if ((status = block_signals(daemon)) != OXP_OK || (status = make_log(daemon)) != OXP_OK ||
        (status = make_registry(daemon)) != OXP_OK ||
        (status = oxp_deliveries_new(daemon, &daemon->deliveries, error)) != OXP_OK ||
        (status = oxp_recent_new(&daemon->stats, &daemon->recent)) != OXP_OK ||
        (status = oxp_loop_new(daemon->clock, &daemon->loop)) != OXP_OK ||
        (status = oxp_timer_new(daemon->loop, oxp_daemon_tick, daemon, &daemon->tick)) != OXP_OK ||
        (status = make_ledger(daemon, error)) != OXP_OK || (status = make_intake(daemon)) != OXP_OK ||
        (status = make_listener(daemon, error)) != OXP_OK || (status = make_memory(daemon)) != OXP_OK ||
        (status = oxp_ruling_new(daemon, &daemon->ruling, error)) != OXP_OK ||
        (status = make_server(daemon, error)) != OXP_OK || (status = oxp_ruling_bound(daemon->ruling)) != OXP_OK ||
        (status = oxp_deliveries_begin(daemon->deliveries)) != OXP_OK ||
        (status = oxp_sampling_new(daemon, &daemon->sampling)) != OXP_OK ||
        (status = oxp_daemon_start_probe(daemon, &daemon->config, error)) != OXP_OK ||
        (status = oxp_watching_new(daemon, &daemon->watching, error)) != OXP_OK) {
        return status;
    }
    return OXP_OK;
}

enum oxp_status oxp_daemon_new(const struct oxp_config_source *source, struct oxp_daemon **daemon_out,
                               struct oxp_error *error) {
    *daemon_out = NULL;
    struct oxp_daemon *daemon = calloc(1, sizeof *daemon);
    if (daemon == NULL) {
        return oxp_error_set(error, OXP_ERR_NOMEM, 0, 0, "out of memory");
    }
    daemon->clock = oxp_clock_system();
    daemon->source = *source;
    daemon->signals = -1;
    enum oxp_status status = build(daemon, error);
    if (status != OXP_OK) {
        if (error->text[0] == '\0') {
            oxp_error_set(error, status, 0, 0, "%s", oxp_status_text(status));
        }
        oxp_daemon_free(daemon, false);
        return status;
    }
    *daemon_out = daemon;
    return OXP_OK;
}

/* ---- tearing down ---- */

/* Says what became of the numbers. */
static const char *save(struct oxp_daemon *daemon) {
    const char *directory = oxp_config_text(&daemon->config, OXP_OPT_STORAGE_PATH);
    struct oxp_error error = {0};
    if (directory[0] == '\0') {
        return "forgotten";
    }
    if (!oxp_storage_is_ready(daemon)) { /* which was said */
        return "not saved";
    }
    if (oxp_saved_write(daemon->registry, directory, now_s(daemon), &error) != OXP_OK) {
        oxp_daemon_log_error(daemon->log, "counters were not saved; they will start at 0", &error);
        return "not saved";
    }
    return "saved";
}

/* What is left of --shutdown.grace for what waits to be delivered; a little in any case. */
static int64_t grace_left_ms(const struct oxp_daemon *daemon) {
    const int64_t least_ms = 1000;
    int64_t left_ms = (daemon->stop_deadline.ns - oxp_clock_mono(daemon->clock).ns) / OXP_NS_PER_MS;
    return daemon->no_more_waiting ? 0 : left_ms < least_ms ? least_ms : left_ms;
}

void oxp_daemon_free(struct oxp_daemon *daemon, bool clean) {
    if (daemon == NULL) {
        return;
    }
    if (daemon->loop != NULL) { /* ended for good, if it never ran: nobody waits for it any more */
        oxp_loop_stop(daemon->loop);
        (void)oxp_loop_run(daemon->loop);
    }
    oxp_watching_free(daemon->watching);
    oxp_daemon_stop_probe(daemon); /* its thread posts to the loop */
    if (daemon->http != NULL) {
        daemon->http->free(daemon->http);
    }
    oxp_server_free(daemon->server, 1000); /* its handlers use everything else */
    free(daemon->routes);
    oxp_listener_free(daemon->listener); /* hands the last bytes to the intake */
    oxp_intake_free(daemon->intake);
    oxp_sampling_free(daemon->sampling, clean);
    if (clean) {
        oxp_deliveries_stop(daemon->deliveries, grace_left_ms(daemon));
    }
    oxp_deliveries_free(daemon->deliveries);
    oxp_ruling_free(daemon->ruling);
    const char *state = clean ? save(daemon) : "";
    oxp_ledger_free(daemon->ledger);
    oxp_timer_free(daemon->tick);
    if (daemon->signal_watch != NULL) {
        oxp_watch_remove(daemon->signal_watch);
    }
    oxp_loop_free(daemon->loop);
    if (daemon->signals >= 0) {
        close(daemon->signals);
    }
    if (clean) {
        oxp_log_info(daemon->log, "stopped", OXP_LOG_TEXT("state", state));
    }
    oxp_log_free(daemon->log);
    oxp_recent_free(daemon->recent);
    oxp_promql_engine_free(daemon->engine);
    oxp_exemplars_free(daemon->exemplars);
    oxp_tsdb_free(daemon->tsdb);
    oxp_registry_free(daemon->registry);
    oxp_config_fini(&daemon->config);
    free(daemon);
}
