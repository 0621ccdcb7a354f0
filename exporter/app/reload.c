/* Reload: the configuration is read again from the same flags, environment and file. A faulty one changes nothing. */
#include "exporter/app/daemon.h"
#include "exporter/app/delivery.h"
#include "exporter/app/rule_files.h"
#include "exporter/app/ruling.h"
#include "exporter/app/sampling.h"
#include "exporter/app/watching.h"
#include <stdio.h>
#include <string.h>

#define RELOAD_TIMEOUT_MS 10000

/* An option that cannot change while running keeps its old value, and its very text, which other parts point to; a new
 * one is said. */
static void keep_what_needs_a_restart(struct oxp_daemon *daemon, struct oxp_config *fresh) {
    for (int i = 0; i < OXP_OPTIONS; i++) {
        const struct oxp_option_spec *spec = oxp_option_spec((enum oxp_option)i);
        if (spec->reloadable) {
            continue;
        }
        if (strcmp(fresh->values[i].text, daemon->config.values[i].text) != 0) {
            oxp_log_warning(daemon->log, "an option that changed takes effect after a restart",
                            OXP_LOG_TEXT("option", spec->key), OXP_LOG_TEXT("running", daemon->config.values[i].text),
                            OXP_LOG_TEXT("new", fresh->values[i].text));
        }
        struct oxp_config_value old = fresh->values[i];
        fresh->values[i] = daemon->config.values[i];
        daemon->config.values[i] = old;
    }
}

static bool probe_changed(const struct oxp_config *a, const struct oxp_config *b) {
    static const enum oxp_option options[] = {OXP_OPT_ORCHESTRATOR_HEALTH_URL, OXP_OPT_ORCHESTRATOR_HEALTH_INTERVAL,
                                              OXP_OPT_ORCHESTRATOR_HEALTH_TIMEOUT};
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
        if (strcmp(oxp_config_text(a, options[i]), oxp_config_text(b, options[i])) != 0) {
            return true;
        }
    }
    return false;
}

/* Whether the parts of delivery must be made anew: what they are made of changed. */
static bool delivery_changed(const struct oxp_config *a, const struct oxp_config *b) {
    static const enum oxp_option options[] = {OXP_OPT_ALERTING, OXP_OPT_CLOUDWATCH, OXP_OPT_ORCHESTRATOR_ENVIRONMENT,
                                              OXP_OPT_WEB_EXTERNAL_URL, OXP_OPT_GLOBAL_EVALUATION_INTERVAL};
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
        if (strcmp(oxp_config_text(a, options[i]), oxp_config_text(b, options[i])) != 0) {
            return true;
        }
    }
    return false;
}

/* With what stays until a restart as it is. */
static enum oxp_status read_delivery(const struct oxp_daemon *daemon, const struct oxp_config *fresh,
                                     const struct oxp_rule_files *rules, struct oxp_delivery_setup *delivery_out,
                                     struct oxp_error *error) {
    struct oxp_config seen = *fresh;
    seen.values[OXP_OPT_ORCHESTRATOR_SERVICE] = daemon->config.values[OXP_OPT_ORCHESTRATOR_SERVICE];
    seen.values[OXP_OPT_EXTERNAL_LABELS] = daemon->config.values[OXP_OPT_EXTERNAL_LABELS];
    enum oxp_status status = oxp_delivery_read(&seen, true, delivery_out, error);
    if (status == OXP_OK && (status = oxp_delivery_budget(delivery_out, rules->files, rules->count, error)) != OXP_OK) {
        oxp_delivery_setup_fini(delivery_out);
    }
    return status;
}

static void apply(struct oxp_daemon *daemon, const struct oxp_config *fresh, bool new_probe) {
    struct oxp_ledger_options ledger;
    struct oxp_error error = {0};
    enum oxp_log_level level = OXP_LOG_INFO;
    (void)oxp_log_level_from(oxp_view_from(oxp_config_text(fresh, OXP_OPT_LOG_LEVEL)), &level);
    oxp_log_set(daemon->log, level,
                strcmp(oxp_config_text(fresh, OXP_OPT_LOG_FORMAT), "json") == 0 ? OXP_LOG_JSON : OXP_LOG_LOGFMT);
    oxp_daemon_ledger_options(daemon, fresh, &ledger);
    oxp_ledger_configure(daemon->ledger, &ledger);
    atomic_store(&daemon->api.openmetrics_created, oxp_config_bool(fresh, OXP_OPT_WEB_OPENMETRICS_CREATED));
    oxp_server_configure(daemon->server, oxp_config_bool(fresh, OXP_OPT_WEB_EXPOSE_LEDGER),
                         oxp_config_bool(fresh, OXP_OPT_WEB_ENABLE_LIFECYCLE));
    oxp_watching_reload(daemon->watching, fresh);
    struct oxp_promql_options limits = oxp_sampling_query_options(fresh);
    limits.clock = daemon->clock;
    oxp_promql_engine_configure(daemon->engine, &limits);
    if (new_probe && oxp_daemon_start_probe(daemon, fresh, &error) != OXP_OK) {
        oxp_daemon_log_error(daemon->log, "the health probe could not be started", &error);
    }
}

static enum oxp_status reload(struct oxp_daemon *daemon, struct oxp_error *error) {
    struct oxp_config fresh;
    struct oxp_family **families = daemon->stats.families;
    struct oxp_rule_files rules = {0};
    struct oxp_delivery_setup delivery = {0};
    enum oxp_status status = oxp_config_load(&daemon->source, &fresh, error);
    if (status == OXP_OK) {
        status = oxp_rule_files_read(&fresh, daemon->log, &rules, error);
        if (status == OXP_OK && (status = read_delivery(daemon, &fresh, &rules, &delivery, error)) != OXP_OK) {
            oxp_rule_files_fini(&rules);
        }
        if (status != OXP_OK) {
            oxp_config_fini(&fresh);
        }
    }
    oxp_gauge_set(oxp_family_only(families[OXP_S_CONFIG_LAST_RELOAD_SUCCESSFUL]), status == OXP_OK);
    if (status != OXP_OK) {
        oxp_daemon_log_error(daemon->log, "reload failed; the old configuration stays", error);
        oxp_deliveries_note(daemon->deliveries, "reload.failed", error->text);
        return status;
    }
    keep_what_needs_a_restart(daemon, &fresh);
    bool new_probe = probe_changed(&daemon->config, &fresh);
    if (new_probe) {
        oxp_daemon_stop_probe(daemon); /* before its url goes with the old configuration */
    }
    bool new_delivery = delivery_changed(&daemon->config, &fresh);
    struct oxp_config old = daemon->config;
    daemon->config = fresh;
    apply(daemon, &daemon->config, new_probe);
    oxp_ruling_reload(daemon->ruling, &rules, &daemon->config); /* before that thread is woken: */
    oxp_sampling_reload(daemon->sampling, &daemon->config);
    oxp_deliveries_reload(daemon->deliveries, &delivery, new_delivery);
    oxp_deliveries_note(daemon->deliveries, "reload", oxp_config_text(&daemon->config, OXP_OPT_CONFIG_FILE));
    oxp_config_fini(&old);
    oxp_gauge_set(oxp_family_only(families[OXP_S_CONFIG_LAST_RELOAD_SUCCESS_TIMESTAMP_SECONDS]),
                  oxp_wall_seconds(oxp_clock_wall(daemon->clock)));
    oxp_log_info(daemon->log, "reloaded the configuration",
                 OXP_LOG_TEXT("file", oxp_config_text(&daemon->config, OXP_OPT_CONFIG_FILE)));
    return OXP_OK;
}

/* A service manager is told of both ends, but not while stopping: it was told of that. */
enum oxp_status oxp_daemon_reload(struct oxp_daemon *daemon, struct oxp_error *error) {
    bool tells = atomic_load(&daemon->phase) == OXP_READY;
    if (tells) {
        oxp_manager_reloading(&daemon->manager, oxp_clock_mono(daemon->clock));
    }
    enum oxp_status status = reload(daemon, error);
    if (tells) {
        oxp_manager_ready(&daemon->manager, status == OXP_OK ? "" : "the last reload failed; the log says why");
    }
    return status;
}

struct reload_call {
    struct oxp_daemon *daemon;
    struct oxp_error *error;
    enum oxp_status status;
};

static void reload_call(void *ctx) {
    struct reload_call *call = ctx;
    call->status = oxp_daemon_reload(call->daemon, call->error);
}

enum oxp_status oxp_daemon_reload_from_outside(void *ctx, struct oxp_error *error) {
    struct oxp_daemon *daemon = ctx;
    struct reload_call call = {.daemon = daemon, .error = error, .status = OXP_ERR_TIMEOUT};
    enum oxp_status status = oxp_loop_call(daemon->loop, reload_call, &call, RELOAD_TIMEOUT_MS);
    return status == OXP_OK
               ? call.status
               : oxp_error_set(error, status, 0, 0, "the event loop did not answer: %s", oxp_status_text(status));
}
