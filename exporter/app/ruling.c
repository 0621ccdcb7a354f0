#include "exporter/app/ruling.h"

#include "exporter/app/delivery.h"
#include "exporter/app/sampling.h"
#include "exporter/app/storage.h"
#include "lib/base/file.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_NAME "alerts.saved"
#define FILE_MAX ((size_t)256 << 20)

/* What a reload brings. */
struct fresh {
    struct oxp_rule_files files;
    int64_t interval_ms;
    char *external_url; /* owned */
};

struct oxp_ruling {
    struct oxp_daemon *daemon;
    struct oxp_promql_engine *engine; /* its own: whoever asks the sidecar much must not keep its rules waiting */
    struct oxp_rules *rules;
    const char *directory;  /* "" = nothing is saved */
    bool restores;          /* what the last run saved */
    struct oxp_arena arena; /* the external labels */
    const struct oxp_labels *external_labels;
    /* of the sampling thread */
    bool begun, sampled, held, alerts_changed;
    bool ran_freely; /* the rules were evaluated while nothing was held */
    struct oxp_rules_stats counted;
    pthread_mutex_t mutex; /* guards what follows */
    bool has_fresh;
    struct fresh fresh;
    struct oxp_buf text; /* to be saved; empty: nothing is */
    bool not_kept;       /* the last text was not written */
    atomic_bool trouble; /* that it is not saved was said */
};

static int64_t now_ms(const struct oxp_ruling *ruling) {
    return oxp_clock_wall(ruling->daemon->clock).ns / OXP_NS_PER_MS;
}

static struct oxp_family *family(const struct oxp_ruling *ruling, enum oxp_self_metric metric) {
    return ruling->daemon->stats.families[metric];
}

static void count(const struct oxp_ruling *ruling, enum oxp_self_metric metric, uint64_t n) {
    if (n != 0) {
        oxp_counter_add(oxp_counter(oxp_family_only(family(ruling, metric))), n);
    }
}

/* ---- What the rules tell ---- */

static struct oxp_view text_of(const struct oxp_labels *labels, const char *name) {
    const struct oxp_symbol *value = oxp_labels_find(labels, oxp_view_from(name));
    return value == NULL ? OXP_VIEW("") : oxp_symbol_view(value);
}

static void on_alert(void *ctx, const struct oxp_alert_event *event) {
    struct oxp_ruling *ruling = ctx;
    bool fired = event->change == OXP_ALERT_FIRED;
    oxp_deliveries_tell(ruling->daemon->deliveries, event);
    ruling->alerts_changed |= event->change != OXP_ALERT_SAME;
    if (!fired && event->change != OXP_ALERT_RESOLVED) {
        return;
    }
    struct oxp_buf labels;
    oxp_buf_init(&labels, 4096);
    oxp_labels_format(&labels, event->labels, false);
    OXP_LOG_AT(
        ruling->daemon->log, fired ? OXP_LOG_WARNING : OXP_LOG_INFO, fired ? "an alert fires" : "an alert is resolved",
        OXP_LOG_VIEW("alert", oxp_symbol_view(event->rule->name)),
        OXP_LOG_VIEW("severity", text_of(event->labels, "severity")), OXP_LOG_NUM("value", event->value),
        OXP_LOG_NUM("active_since", (double)event->life.active_ms / 1000),
        OXP_LOG_VIEW("summary", text_of(event->annotations, "summary")), OXP_LOG_TEXT("labels", oxp_buf_text(&labels)));
    oxp_buf_fini(&labels);
}

static void on_note(void *ctx, const struct oxp_rule_group *group, const struct oxp_rule *rule, const char *text) {
    struct oxp_ruling *ruling = ctx;
    oxp_log_warning(ruling->daemon->log, "about the evaluation of rules",
                    OXP_LOG_VIEW("file", group == NULL ? OXP_VIEW("") : group->file),
                    OXP_LOG_VIEW("group", group == NULL ? OXP_VIEW("") : group->name),
                    OXP_LOG_VIEW("rule", rule == NULL ? OXP_VIEW("") : oxp_symbol_view(rule->name)),
                    OXP_LOG_TEXT("note", text));
}

/* ---- Our own metrics ---- */

static void count_firing(const struct oxp_group_view *groups, size_t group_count, double by_severity[3]) {
    for (size_t g = 0; g < group_count; g++) {
        for (size_t r = 0; r < groups[g].count; r++) {
            const struct oxp_rule_view *rule = &groups[g].rules[r];
            for (size_t a = 0; a < rule->alert_count; a++) {
                struct oxp_view severity = text_of(rule->alerts[a].labels, "severity");
                size_t place = oxp_view_is(severity, "info") ? 0 : oxp_view_is(severity, "critical") ? 2 : 1;
                by_severity[place] += rule->alerts[a].life.state == OXP_ALERT_FIRING;
            }
        }
    }
}

static void show_firing(struct oxp_ruling *ruling) {
    static const char *const severities[] = {"info", "warning", "critical"};
    const struct oxp_group_view *groups = NULL;
    double by_severity[3] = {0};
    struct oxp_arena arena;
    size_t group_count = 0;
    oxp_arena_init(&arena, 0);
    if (oxp_rules_view(ruling->rules, &arena, &groups, &group_count) == OXP_OK) {
        count_firing(groups, group_count, by_severity);
        for (size_t i = 0; i < 3; i++) {
            oxp_gauge_set(oxp_family_at(family(ruling, OXP_S_ALERTS_ACTIVE), oxp_view_from(severities[i])),
                          by_severity[i]);
        }
        ruling->alerts_changed = false; /* else the next turn tries again */
    }
    oxp_arena_fini(&arena);
}

static void show(struct oxp_ruling *ruling) {
    struct oxp_rules_stats stats;
    oxp_rules_stats(ruling->rules, &stats);
    count(ruling, OXP_S_RULE_EVALUATIONS_TOTAL, stats.evaluations - ruling->counted.evaluations);
    count(ruling, OXP_S_RULE_EVALUATION_FAILURES_TOTAL, stats.failures - ruling->counted.failures);
    count(ruling, OXP_S_RULE_GROUP_ITERATIONS_MISSED_TOTAL, stats.missed - ruling->counted.missed);
    ruling->counted = stats;
    if (ruling->alerts_changed) {
        show_firing(ruling);
    }
}

/* ---- Saving ---- */

static void say_not_saved(struct oxp_ruling *ruling, const struct oxp_error *error) {
    count(ruling, OXP_S_STORAGE_FAILURES_TOTAL, 1);
    if (!atomic_exchange(&ruling->trouble, true)) { /* once, for a disk that is full stays so for a while */
        oxp_daemon_log_error(ruling->daemon->log, "the state of alerts was not saved; a restart would not find it",
                             error);
    }
}

/* Leaves the state to be saved, when it changed or was not kept. Sampling thread. */
static bool leave_text(struct oxp_ruling *ruling) {
    struct oxp_buf text, old;
    struct oxp_error error = {0};
    bool changed = true;
    if (ruling->directory[0] == '\0') {
        return false;
    }
    pthread_mutex_lock(&ruling->mutex);
    bool all = ruling->not_kept;
    pthread_mutex_unlock(&ruling->mutex);
    oxp_buf_init(&text, FILE_MAX);
    enum oxp_status status = oxp_rules_save(ruling->rules, now_ms(ruling), &text, all ? NULL : &changed);
    if (status != OXP_OK) {
        oxp_error_set(&error, status, 0, 0, "%s", oxp_status_text(status));
        say_not_saved(ruling, &error);
    }
    if (status != OXP_OK || !changed) {
        oxp_buf_fini(&text);
        return false;
    }
    pthread_mutex_lock(&ruling->mutex);
    old = ruling->text; /* one that was not written yet is out of date */
    ruling->text = text;
    ruling->not_kept = false;
    pthread_mutex_unlock(&ruling->mutex);
    oxp_buf_fini(&old);
    return true;
}

static enum oxp_status write_text(const struct oxp_ruling *ruling, const struct oxp_buf *text,
                                  struct oxp_error *error) {
    struct oxp_file file;
    if (!oxp_storage_is_ready(ruling->daemon)) {
        return oxp_error_set(error, OXP_ERR_IO, 0, 0, "--storage.path cannot be used yet");
    }
    enum oxp_status status = oxp_file_begin(&file, ruling->directory, FILE_NAME, error);
    if (status != OXP_OK) {
        return status;
    }
    if (!oxp_file_write(file.fd, text->data, text->len)) {
        status = oxp_file_failure(error, file.fresh, "write");
        oxp_file_abandon(&file);
        return status;
    }
    return oxp_file_commit(&file, error);
}

void oxp_ruling_save(struct oxp_ruling *ruling) {
    struct oxp_error error = {0};
    struct oxp_buf text;
    pthread_mutex_lock(&ruling->mutex);
    text = ruling->text;
    oxp_buf_init(&ruling->text, 0);
    pthread_mutex_unlock(&ruling->mutex);
    if (text.len > 0 && write_text(ruling, &text, &error) != OXP_OK) {
        say_not_saved(ruling, &error);
        pthread_mutex_lock(&ruling->mutex);
        ruling->not_kept = true; /* the next turn leaves it again */
        pthread_mutex_unlock(&ruling->mutex);
    } else if (text.len > 0 && atomic_exchange(&ruling->trouble, false)) {
        oxp_log_info(ruling->daemon->log, "the state of alerts is saved again", OXP_LOG_NUM("bytes", text.len));
    }
    oxp_buf_fini(&text);
}

void oxp_ruling_finish(struct oxp_ruling *ruling) {
    if (ruling->begun) { /* else what the last run saved was not read, and stays */
        ruling->not_kept = true;
        (void)leave_text(ruling);
        oxp_ruling_save(ruling);
    }
}

/* ---- The sampling thread ---- */

static enum oxp_status read_saved(struct oxp_ruling *ruling, struct oxp_error *error) {
    char path[OXP_PATH_MAX];
    struct oxp_buf text;
    enum oxp_status status = oxp_file_path(path, ruling->directory, FILE_NAME, error);
    if (status != OXP_OK) {
        return status;
    }
    oxp_buf_init(&text, FILE_MAX);
    status = oxp_file_read(path, &text, error);
    if (status == OXP_OK) {
        status = oxp_rules_restore(ruling->rules, oxp_buf_view(&text), now_ms(ruling));
        if (status == OXP_ERR_CORRUPT) {
            oxp_file_set_aside(ruling->directory, FILE_NAME);
            oxp_error_set(error, status, 0, 0, "%s: %s; set aside as %s.corrupt", path, oxp_status_text(status),
                          FILE_NAME);
        } else if (status < 0) {
            oxp_error_set(error, status, 0, 0, "%s: %s", path, oxp_status_text(status));
        }
    }
    oxp_buf_fini(&text);
    return status;
}

static void restore(struct oxp_ruling *ruling) {
    struct oxp_error error = {0};
    enum oxp_status status = read_saved(ruling, &error);
    if (status < 0) {
        oxp_daemon_log_error(ruling->daemon->log, "the state of alerts was not restored; they begin anew", &error);
    } else if (status == OXP_OK) {
        struct oxp_rules_stats stats;
        oxp_rules_stats(ruling->rules, &stats);
        oxp_log_info(ruling->daemon->log, "restored the alerts of the last run", OXP_LOG_NUM("pending", stats.pending),
                     OXP_LOG_NUM("firing", stats.firing));
    }
}

void oxp_ruling_begin(struct oxp_ruling *ruling) {
    if (ruling->restores) {
        restore(ruling);
    }
    ruling->begun = true;
    ruling->alerts_changed = true;
    show(ruling);
}

void oxp_ruling_sampling(struct oxp_ruling *ruling) {
    ruling->sampled = true;
    ruling->held = atomic_load(&ruling->daemon->owners_awaited);
}

void oxp_ruling_rewind(struct oxp_ruling *ruling) {
    oxp_rules_rewind(ruling->rules, now_ms(ruling));
}

int64_t oxp_ruling_wait_ns(const struct oxp_ruling *ruling) {
    int64_t next_ms = oxp_rules_next(ruling->rules);
    if (!ruling->sampled || next_ms > INT64_MAX / OXP_NS_PER_MS) {
        return INT64_MAX;
    }
    int64_t wait_ns = next_ms * OXP_NS_PER_MS - oxp_clock_wall(ruling->daemon->clock).ns;
    return wait_ns < 0 ? 0 : wait_ns;
}

/* True when there was one. */
static bool take_fresh(struct oxp_ruling *ruling) {
    pthread_mutex_lock(&ruling->mutex);
    struct fresh fresh = ruling->fresh;
    bool has_fresh = ruling->has_fresh;
    ruling->fresh = (struct fresh){0};
    ruling->has_fresh = false;
    pthread_mutex_unlock(&ruling->mutex);
    if (!has_fresh) {
        return false;
    }
    struct oxp_rules_options options = {.interval_ms = fresh.interval_ms,
                                        .external_labels = ruling->external_labels,
                                        .external_url = fresh.external_url};
    if (oxp_rules_configure(ruling->rules, &options) == OXP_OK &&
        oxp_rules_load(ruling->rules, fresh.files.files, fresh.files.count, now_ms(ruling)) == OXP_OK) {
        fresh.files.count = 0; /* they are the rules' now */
    } else {
        oxp_log_error(ruling->daemon->log, "no memory for the new rules; the old ones stay",
                      OXP_LOG_NUM("files", fresh.files.count));
    }
    oxp_rule_files_fini(&fresh.files);
    free(fresh.external_url);
    ruling->alerts_changed = true;
    return true;
}

/* Who began to listen since the last turn hears of all that lasts: some groups are not due for long. */
static void tell_all(struct oxp_ruling *ruling) {
    uint64_t wanting = ruling->ran_freely ? oxp_deliveries_wanting(ruling->daemon->deliveries) : 0;
    if (wanting != 0) {
        oxp_rules_tell_all(ruling->rules, now_ms(ruling));
        oxp_deliveries_rules_ready(ruling->daemon->deliveries, wanting, now_ms(ruling));
    }
}

bool oxp_ruling_turn(struct oxp_ruling *ruling) {
    bool fresh = take_fresh(ruling), due = ruling->sampled && now_ms(ruling) >= oxp_rules_next(ruling->rules);
    if (due) {
        oxp_rules_run(ruling->rules, now_ms(ruling), ruling->held);
        ruling->ran_freely = ruling->ran_freely || !ruling->held;
    }
    if (ruling->sampled && oxp_rules_next(ruling->rules) == INT64_MAX) { /* there are none: nothing lasts */
        ruling->ran_freely = ruling->ran_freely || !ruling->held;
    }
    tell_all(ruling);
    if (!fresh && !due) {
        return false;
    }
    show(ruling);
    return leave_text(ruling);
}

/* ---- Building ---- */

static enum oxp_status take_external_labels(struct oxp_ruling *ruling) {
    struct oxp_labels_builder builder;
    char **pairs = NULL;
    enum oxp_status status = oxp_config_labels(&ruling->daemon->config, OXP_OPT_EXTERNAL_LABELS, &pairs);
    if (status != OXP_OK) {
        return status;
    }
    oxp_labels_build(&builder, &ruling->arena, oxp_labels_none());
    for (size_t i = 0; pairs[i] != NULL; i += 2) {
        oxp_labels_set_text(&builder, oxp_view_from(pairs[i]), oxp_view_from(pairs[i + 1]));
    }
    ruling->external_labels = oxp_labels_finish(&builder);
    free(pairs);
    return oxp_arena_status(&ruling->arena);
}

char *oxp_ruling_external_url(const struct oxp_daemon *daemon, const struct oxp_config *config) {
    const char *given = oxp_config_text(config, OXP_OPT_WEB_EXTERNAL_URL);
    char address[OXP_DAEMON_ADDRESS_MAX], *url = NULL;
    if (given[0] != '\0') {
        return strdup(given);
    }
    oxp_daemon_address(daemon, address);
    return asprintf(&url, "http://%s", address) < 0 ? NULL : url;
}

static int64_t interval_ms(const struct oxp_config *config) {
    return (int64_t)(oxp_config_number(config, OXP_OPT_GLOBAL_EVALUATION_INTERVAL) * 1000);
}

static struct oxp_promql_options query_limits(const struct oxp_daemon *daemon, const struct oxp_config *config) {
    struct oxp_promql_options limits = oxp_sampling_query_options(config);
    limits.clock = daemon->clock;
    limits.concurrency_max = 4; /* the sampling thread, and what templates ask meanwhile */
    return limits;
}

static enum oxp_status build(struct oxp_ruling *ruling, struct oxp_error *error) {
    struct oxp_daemon *daemon = ruling->daemon;
    struct oxp_rule_files files;
    enum oxp_status status = oxp_rule_files_read(&daemon->config, daemon->log, &files, error);
    if (status != OXP_OK) {
        return status;
    }
    struct oxp_rules_options options = {
        .tsdb = daemon->tsdb,
        .engine = ruling->engine,
        .interval_ms = interval_ms(&daemon->config),
        .external_labels = ruling->external_labels,
        .clock = daemon->clock,
        .on_alert = on_alert,
        .on_note = on_note,
        .ctx = ruling,
    };
    size_t rules = 0, count_read = files.count;
    for (size_t i = 0; i < files.count; i++) {
        rules += files.files[i]->rule_count;
    }
    oxp_deliveries_rules(daemon->deliveries, files.files, files.count);
    status = oxp_rules_new(&options, &ruling->rules);
    if (status == OXP_OK) {
        status = oxp_rules_load(ruling->rules, files.files, files.count, now_ms(ruling));
    }
    files.count = status == OXP_OK ? 0 : files.count;
    oxp_rule_files_fini(&files);
    if (status == OXP_OK) {
        oxp_log_info(daemon->log, "loaded rules", OXP_LOG_NUM("files", count_read), OXP_LOG_NUM("rules", rules));
    }
    return status;
}

enum oxp_status oxp_ruling_new(struct oxp_daemon *daemon, struct oxp_ruling **ruling_out, struct oxp_error *error) {
    *ruling_out = NULL;
    struct oxp_ruling *ruling = calloc(1, sizeof *ruling);
    if (ruling == NULL) {
        return OXP_ERR_NOMEM;
    }
    ruling->daemon = daemon;
    ruling->directory = oxp_config_text(&daemon->config, OXP_OPT_STORAGE_PATH); /* keeps its text over a reload */
    ruling->restores = oxp_storage_is_ready(daemon);
    oxp_arena_init(&ruling->arena, 0);
    oxp_buf_init(&ruling->text, 0);
    pthread_mutex_init(&ruling->mutex, NULL);
    struct oxp_promql_options limits = query_limits(daemon, &daemon->config);
    enum oxp_status status = oxp_promql_engine_new(&limits, &ruling->engine);
    if (status == OXP_OK) {
        status = take_external_labels(ruling);
    }
    if (status == OXP_OK) {
        status = build(ruling, error);
    }
    if (status != OXP_OK) {
        oxp_ruling_free(ruling);
        return status;
    }
    *ruling_out = ruling;
    return OXP_OK;
}

enum oxp_status oxp_ruling_bound(struct oxp_ruling *ruling) {
    const struct oxp_config *config = &ruling->daemon->config;
    char *url = oxp_ruling_external_url(ruling->daemon, config);
    struct oxp_rules_options options = {
        .interval_ms = interval_ms(config), .external_labels = ruling->external_labels, .external_url = url};
    enum oxp_status status = url == NULL ? OXP_ERR_NOMEM : oxp_rules_configure(ruling->rules, &options);
    free(url);
    return status;
}

struct oxp_rules *oxp_ruling_rules(struct oxp_ruling *ruling) {
    return ruling->rules;
}

static void drop_fresh(struct fresh *fresh) {
    oxp_rule_files_fini(&fresh->files);
    free(fresh->external_url);
    *fresh = (struct fresh){0};
}

void oxp_ruling_reload(struct oxp_ruling *ruling, struct oxp_rule_files *files, const struct oxp_config *config) {
    struct fresh fresh = {.files = *files,
                          .interval_ms = interval_ms(config),
                          .external_url = oxp_ruling_external_url(ruling->daemon, config)};
    struct oxp_promql_options limits = query_limits(ruling->daemon, config);
    *files = (struct oxp_rule_files){0};
    oxp_promql_engine_configure(ruling->engine, &limits);
    pthread_mutex_lock(&ruling->mutex);
    struct fresh old = ruling->fresh; /* one that was not taken yet */
    ruling->fresh = fresh;
    ruling->has_fresh = true;
    pthread_mutex_unlock(&ruling->mutex);
    drop_fresh(&old);
}

void oxp_ruling_free(struct oxp_ruling *ruling) {
    if (ruling == NULL) {
        return;
    }
    oxp_rules_free(ruling->rules);
    oxp_promql_engine_free(ruling->engine);
    drop_fresh(&ruling->fresh);
    oxp_buf_fini(&ruling->text);
    oxp_arena_fini(&ruling->arena);
    pthread_mutex_destroy(&ruling->mutex);
    free(ruling);
}
