#include "examples/orchestrator/app.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

/* ---- Helpers ---- */

static double clock_s(clockid_t id) {
    struct timespec now;
    clock_gettime(id, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

double app_now(void) {
    return clock_s(CLOCK_MONOTONIC);
}

double app_wall(void) {
    return clock_s(CLOCK_REALTIME);
}

void app_random_hex(char *text, size_t size) {
    static const char digits[] = "0123456789abcdef";
    unsigned char bytes[64] = {0};
    if (getrandom(bytes, size < sizeof bytes ? size : sizeof bytes, 0) < 0) {
        memcpy(bytes, &(uint64_t){(uint64_t)(1e6 * app_wall())}, sizeof(uint64_t));
    }
    for (size_t i = 0; i + 1 < size; i++) {
        text[i] = digits[bytes[i % sizeof bytes] & 15];
    }
    text[size - 1] = '\0';
}

void app_log(struct app *app, enum oxp_log_level level, const struct oxp_ids *ids, const char *message,
             const char *detail) {
    const struct oxp_pair pair = oxp_pair_text("detail", oxp_view_from(detail));
    oxp_logger_log(app->logger, level, ids, oxp_view_from(message), &pair, 1);
}

void app_audit(struct app *app, const char *action, const char *status, const struct oxp_ids *ids,
               const char *details) {
    struct oxp_audit audit = {
        .action = oxp_view_from(action), .status = oxp_view_from(status), .details = oxp_view_from(details)};
    if (ids != NULL) {
        audit.ids = *ids;
    }
    oxp_logger_audit(app->logger, &audit);
}

struct oxp_ids app_ids(const struct oxp_ids *ids, const struct oxp_span *span) {
    struct oxp_ids all = *ids;
    const struct oxp_ids *traced = span == NULL ? NULL : oxp_span_ids(span);
    if (traced != NULL && traced->trace_id.len != 0) {
        all.trace_id = traced->trace_id;
        all.span_id = traced->span_id;
    }
    return all;
}

static bool fail(const char *what, const char *why) {
    fprintf(stderr, "orchestrator: %s: %s\n", what, why);
    return false;
}

static bool works(const char *what, enum oxp_status status, const struct oxp_error *error) {
    return status == OXP_OK ||
           fail(what, error != NULL && error->text[0] != '\0' ? error->text : oxp_status_text(status));
}

static const char *path_of(const struct app *app, const char *name, char *path, size_t size) {
    snprintf(path, size, "%s/%s", app->config->state_dir, name);
    return path;
}

/* ---- Reporting ---- */

static int open_append(const char *path) {
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0) {
        perror(path);
    }
    return fd;
}

static bool start_logs(struct app *app) {
    const struct config *config = app->config;
    char path[4096];
    enum oxp_log_level level;
    if (oxp_log_level_from(oxp_view_from(config->log_level), &level) != OXP_OK) {
        return fail("log-level", "not debug, info, warning, error or critical");
    }
    app->audit_fd = open_append(config->audit != NULL ? config->audit : path_of(app, "audit.log", path, sizeof path));
    app->json_fd = config->log_json == NULL ? -1 : open_append(config->log_json);
    if (app->audit_fd < 0 || (config->log_json != NULL && app->json_fd < 0)) {
        return false;
    }
    const struct oxp_logger_options options = {
        .level = level,
        .json_fd = app->json_fd,
        .text_fd = STDERR_FILENO,
        .audit_fd = app->audit_fd,
        .utc_offset_s = OXP_LOGGER_UTC_OFFSET_LOCAL,
        .reporter = app->reporter,
        .report_level = OXP_LOG_WARNING,
    };
    return works("logs", oxp_logger_new(&options, &app->logger), NULL);
}

static void sampled(void *ctx, const struct oxp_resource_usage *usage, double cpu_percent) {
    struct app *app = ctx;
    struct oxp_pair pairs[OXP_RESOURCE_PAIRS + 2];
    uint64_t avail = 0;
    (void)cpu_percent;
    oxp_resource_pairs(usage, pairs);
    bool known = oxp_resource_filesystem(app->config->state_dir, &avail) == OXP_OK;
    pairs[OXP_RESOURCE_PAIRS] = oxp_pair_text("mount", known ? OXP_VIEW("checkpoints") : oxp_view_from(NULL));
    pairs[OXP_RESOURCE_PAIRS + 1] = oxp_pair_count("avail_bytes", avail);
    oxp_report(app->reporter, "resource", NULL, pairs, OXP_RESOURCE_PAIRS + (known ? 2 : 0));
}

static void on_beat(void *ctx) {
    oxp_breakers_flush(((struct app *)ctx)->breakers);
}

static bool start_reporting(struct app *app) {
    const struct config *config = app->config;
    const struct oxp_client_options client = {.version = OXP_VERSION, .environment = config->environment};
    const struct oxp_tracer_options tracer = {.service = "orchestrator"};
    const struct oxp_resource_sampler_options sampler = {.sampled = sampled, .ctx = app};
    /* Without a client the orchestrator would do the same work, unseen: a NULL client is one that does nothing. */
    works("client", oxp_client_new(&client, &app->client), NULL);
    app->reporter = oxp_client_reporter(app->client);
    if (!start_logs(app)) {
        return false;
    }
    struct oxp_tracer_options traced = tracer;
    traced.reporter = app->reporter;
    /* Used when OTEL_EXPORTER_OTLP_ENDPOINT names a collector; otherwise libcurl is not even loaded by it. */
    works("traces", oxp_http_curl_new(&app->otlp), NULL);
    traced.http = app->otlp;
    return works("traces", oxp_tracer_new(&traced, &app->tracer), NULL) &&
           works("resources", oxp_resource_sampler_new(&sampler, &app->sampler), NULL);
}

static bool start_crash_handler(struct app *app) {
    char path[4096];
    struct oxp_error error = {.line = 0};
    const struct oxp_crash_options options = {
        .path = path_of(app, "crash.log", path, sizeof path),
        .fd = STDERR_FILENO,
        .reporter = app->reporter,
        .send = oxp_client_crash_line,
        .ctx = app->client,
    };
    return works("crash handler", oxp_crash_install(&options, &error), &error);
}

/* ---- Resilience ---- */

/* A Stagehand call may fail by the model or the page behind it, which is no fault of Stagehand's: each upstream has a
 * breaker of its own, and one counts only what is its. */
static bool is_theirs(const struct oxp_code *code, const char *prefix) {
    return strncmp(code->name, prefix, strlen(prefix)) == 0;
}

static bool counts_for_stagehand(void *ctx, const struct oxp_code *code) {
    (void)ctx;
    return oxp_code_counts_for_breaker(code) && !is_theirs(code, "llm_") && !is_theirs(code, "site_");
}

static bool counts_for_model(void *ctx, const struct oxp_code *code) {
    (void)ctx;
    return oxp_code_counts_for_breaker(code) && is_theirs(code, "llm_");
}

static bool start_breakers(struct app *app) {
    struct oxp_error error = {.line = 0};
    if (!works("breakers", oxp_breakers_new(NULL, &app->breakers), NULL)) {
        return false;
    }
    oxp_breakers_set_reporter(app->breakers, app->reporter);
    for (int i = 0; i < app->config->breaker_count; i++) {
        const struct setting *setting = &app->config->breaker[i];
        if (!works(setting->key, oxp_breakers_config_set(app->breakers, setting->key, setting->value, &error),
                   &error)) {
            return false;
        }
    }
    return true;
}

/* Options count instead of the registry's defaults, not on top of them: so what --breaker set is read back. */
static struct oxp_breaker *get_breaker(struct app *app, const char *name, bool monitor_only,
                                       bool (*counts)(void *, const struct oxp_code *)) {
    struct oxp_breaker_options options = {.monitor_only = monitor_only, .counts = counts};
    for (int i = 0; i < app->config->breaker_count; i++) {
        const struct setting *setting = &app->config->breaker[i];
        double value = strtod(setting->value, NULL);
        if (strcmp(setting->key, "failure_threshold") == 0) {
            options.failure_threshold = (unsigned)value;
        } else if (strcmp(setting->key, "open_s") == 0) {
            options.open_s = value;
        }
    }
    return oxp_breaker_get(app->breakers, name, &options);
}

static void add_model(struct app *app, const char *name) {
    char breaker[OXP_BREAKER_NAME_MAX + 1];
    snprintf(breaker, sizeof breaker, "llm_%.*s", (int)strcspn(name, "/"), name);
    app->models[app->model_count++] = (struct model){name, get_breaker(app, breaker, false, counts_for_model)};
}

/* What another model may make good. That a prompt is too long, or is refused, another model may find as well. */
static bool may_fall(void *ctx, const struct oxp_failure *failure) {
    static const char *const codes[] = {"llm_rate_limit", "llm_overloaded", "llm_quota", "llm_timeout"};
    const char *name = oxp_failure_code(failure)->name;
    (void)ctx;
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        if (strcmp(name, codes[i]) == 0) {
            return true;
        }
    }
    return strcmp(name, "breaker_open") == 0 && oxp_view_is(oxp_failure_upstream(failure), "llm");
}

static bool start_models(struct app *app, oxp_alternative_fn ask) {
    struct oxp_alternative alternatives[MODELS_MAX];
    add_model(app, app->config->model);
    if (app->config->fallback_model[0] == '\0') {
        return true;
    }
    add_model(app, app->config->fallback_model);
    for (size_t i = 0; i < app->model_count; i++) {
        alternatives[i] = (struct oxp_alternative){app->models[i].name, ask, &app->models[i]};
    }
    const struct oxp_fallback_options options = {
        .component = "model",
        .alternatives = alternatives,
        .count = app->model_count,
        .retry_first_s = app->config->degraded_s,
        .may_fall = may_fall,
        .reporter = app->reporter,
    };
    return works("fallback", oxp_fallback_new(&options, &app->fallback), NULL);
}

static void on_failed_try(struct oxp_retry_observer *self, const struct oxp_retry_options *options,
                          const struct oxp_retry_decision *decision) {
    static const char *const steps[] = {
        [OXP_RETRY_AGAIN] = "again",   [OXP_RETRY_REQUEUE] = "put off", [OXP_RETRY_ADJUST] = "adjust",
        [OXP_RETRY_VERIFY] = "verify", [OXP_RETRY_DONE] = "was done",   [OXP_RETRY_STOP] = "stop",
    };
    struct app *app = (struct app *)((char *)self - offsetof(struct app, observer));
    const struct oxp_pair pairs[] = {
        oxp_pair_text("op", options->op),
        oxp_pair_text("code", oxp_view_from(decision->code->name)),
        oxp_pair_text("step", oxp_view_from(steps[decision->step])),
        oxp_pair_text("reason", oxp_view_from(oxp_retry_reason_name(decision->reason))),
        oxp_pair_number("delay_s", decision->delay_s),
    };
    oxp_logger_log(app->logger, OXP_LOG_DEBUG, options->ids, OXP_VIEW("a try failed"), pairs,
                   sizeof pairs / sizeof pairs[0]);
}

static bool start_retries(struct app *app) {
    struct oxp_error error = {.line = 0};
    app->observer.failed = on_failed_try;
    const char *const *environment = (const char *const *)environ;
    if (!works("retries", oxp_retry_config_new(&app->retry), NULL) ||
        !works("retries", oxp_retry_config_from_environment(app->retry, environment, &error), &error) ||
        !works("retries", oxp_retry_budget_new(NULL, &app->budget), NULL)) {
        return false;
    }
    for (int i = 0; i < app->config->retry_count; i++) {
        const struct setting *setting = &app->config->retry[i];
        if (!works(setting->key, oxp_retry_config_set(app->retry, setting->key, setting->value, &error), &error)) {
            return false;
        }
    }
    return true;
}

/* A person is to be told. The sidecar tells them; here it stands in the log. */
static void on_escalation(void *ctx, const struct oxp_failure *failure, const char *incident, const char *reason) {
    char text[256];
    snprintf(text, sizeof text, "incident %s, %s: %s", incident, reason, oxp_failure_code(failure)->name);
    app_log(ctx, OXP_LOG_CRITICAL, oxp_failure_ids(failure), "a person is needed", text);
}

static bool start_resilience(struct app *app, oxp_alternative_fn ask) {
    const char *command[] = {app->config->debugger, NULL};
    const struct oxp_recovery_options recovery = {
        .debug_command = app->config->debugger == NULL ? NULL : command,
        .escalate = on_escalation,
        .ctx = app,
        .reporter = app->reporter,
    };
    if (!start_retries(app) || !start_breakers(app)) {
        return false;
    }
    app->bb_create = get_breaker(app, "bb_create", false, NULL);
    app->bb_release = get_breaker(app, "bb_release", true, NULL); /* counts, never refuses */
    app->bb_api = get_breaker(app, "bb_api", false, NULL);
    app->sh_api = get_breaker(app, "sh_api", false, counts_for_stagehand);
    return start_models(app, ask) && works("recovery", oxp_recovery_new(&recovery, &app->recovery), NULL);
}

static bool start_store(struct app *app) {
    char path[4096];
    struct oxp_error error = {.line = 0};
    const struct config *config = app->config;
    enum oxp_status status =
        config->redis_url != NULL
            ? oxp_store_redis_new(config->redis_url, NULL, &app->store, &error)
            : oxp_store_files_new(path_of(app, "checkpoints", path, sizeof path), NULL, &app->store, &error);
    if (!works("checkpoints", status, &error)) {
        return false;
    }
    const struct oxp_checkpoints_options options = {.store = app->store, .reporter = app->reporter, .schema = 1};
    return works("checkpoints", oxp_checkpoints_new(&options, &app->checkpoints), NULL);
}

/* ---- All of it ---- */

bool app_start(struct app *app, const struct config *config, oxp_alternative_fn ask) {
    *app = (struct app){.config = config, .audit_fd = -1, .json_fd = -1};
    atomic_store(&app->session_timeout_s, config->session_timeout_s);
    if (mkdir(config->state_dir, 0700) != 0 && errno != EEXIST) {
        perror(config->state_dir);
        return false;
    }
    if (!start_reporting(app) || !start_crash_handler(app) || !start_resilience(app, ask) || !start_store(app)) {
        app_stop(app, "start failed");
        return false;
    }
    if (app->client != NULL) {
        works("client", oxp_client_on_beat(app->client, on_beat, app), NULL);
    }
    return true;
}

void app_stop(struct app *app, const char *reason) {
    oxp_resource_sampler_free(app->sampler);
    oxp_transactions_free(app->transactions);
    oxp_checkpoints_free(app->checkpoints); /* writes what waits */
    oxp_store_free(app->store);
    oxp_fallback_free(app->fallback);
    oxp_recovery_free(app->recovery);
    if (app->breakers != NULL) {
        oxp_breakers_flush(app->breakers);
    }
    oxp_tracer_free(app->tracer);
    oxp_http_free(app->otlp);
    oxp_client_off_beat(app->client, on_beat, app);
    oxp_crash_uninstall();
    oxp_client_stop(app->client, reason, 2000); /* all that was said is applied now, or lost */
    oxp_breakers_free(app->breakers);
    oxp_retry_budget_free(app->budget);
    oxp_retry_config_free(app->retry);
    oxp_logger_free(app->logger);
    oxp_client_free(app->client);
    if (app->audit_fd >= 0) {
        close(app->audit_fd);
    }
    if (app->json_fd >= 0) {
        close(app->json_fd);
    }
}
