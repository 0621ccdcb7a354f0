/* The closed sets and the buckets that catalogue.def names, and its registration. */
#include "exporter/ledger/catalogue.h"

#include "lib/resilience/classify.h"

/* ---- Closed label sets: set(name, values…) makes the NULL-terminated array `values_<name>` ---- */
#define set(name, ...) static const char *const values_##name[] = {__VA_ARGS__, NULL}

set(regions, "us-west-2", "us-east-1", "eu-central-1", "ap-southeast-1", "other");
set(session_statuses, "completed", "error", "timed_out", "unknown");
set(session_states, "pending", "running", "releasing");
set(ok_error, "ok", "error");
set(ok_failed, "ok", "failed");
set(disconnect_reasons, "idle", "session_timeout", "session_ended", "network", "handshake", "unknown");
set(captcha_outcomes, "solved", "failed", "timed_out", "abandoned");
set(provider_statuses, "pending", "running");
set(run_statuses, "succeeded", "partial", "failed", "cancelled", "timed_out");
set(task_statuses, "succeeded", "degraded", "failed", "timed_out", "cancelled", "skipped");
set(stages, "collection", "processing", "delivery");
set(operations, "act", "extract", "observe", "agent", "navigate", "start", "end", "other");
set(operation_outcomes, "ok", "unsuccessful", "error");
set(model_operations, "act", "extract", "observe", "agent", "other");
set(token_types, "input", "output", "reasoning", "cached_input");
set(cache_operations, "act", "extract", "observe", "other");
set(cache_results, "hit", "miss", "disabled");
set(agent_limits, "max_steps", "max_time", "max_tokens", "loop");
set(upstreams, "browserbase", "stagehand", "llm", "site", "store", "other");
set(categories, "browserbase", "stagehand", "network", "data_processing", "file_processing", "agent_execution",
    "memory_storage", "vector_db", "api_call", "configuration", "system", "security", "resource", "recovery",
    "unknown");
set(retry_outcomes, "recovered", "exhausted", "fatal", "cancelled");
set(defer_reasons, "concurrency", "rate", "server_wait", "breaker");
set(breaker_states, "closed", "open", "half_open");
set(breaker_results, "success", "failure", "rejected", "ignored");
set(error_sources, "client", "log", "poller", "watchdog");
set(suppress_reasons, "cleanup", "duplicate", "cascade");
set(classes, "transient", "recoverable", "fatal", "unknown");
set(severities, "low", "medium", "high", "critical");
set(actions, "retry", "requeue", "adjust", "replace", "fallback", "skip", "debug", "escalate", "abort");
set(recovery_outcomes, "recovered", "failed", "manual");
set(escalation_levels, "operator", "oncall", "management");
set(escalation_reasons, "no_fix", "timeout", "exhausted", "security");
set(automations, "full", "semi", "manual");
set(transaction_outcomes, "committed", "rolled_back", "rollback_failed", "abandoned");
set(debugger_outcomes, "fixed", "suggested", "no_fix", "error");
set(restore_outcomes, "ok", "missing", "corrupt", "incompatible");
set(remove_reasons, "success", "age", "count", "size");
set(priorities, "low", "normal", "high");
set(queue_events, "enqueued", "started", "requeued", "rejected", "cancelled");
set(worker_states, "busy", "idle");
set(quotas, "sessions", "create_rate", "browser_time", "proxy", "tokens", "disk");
set(cpu_modes, "user", "system");
set(disk_directions, "read", "write");
set(pressure_resources, "cpu", "memory", "io");
set(pressure_kinds, "some", "full");
set(mounts, "checkpoints", "spool");

/* ---- Buckets. They hold the success targets (0.1, 5, 30, 120 s) exactly, so that a share under target is a ratio.
 * ---- */
#define bounds(name, ...) static const double bounds_##name[] = {__VA_ARGS__}

bounds(session, 10, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600);
bounds(create, 0.25, 0.5, 1, 2, 5, 10, 15, 30, 60);
bounds(task, 1, 5, 10, 30, 60, 120, 300, 600, 1800, 3600);
bounds(op, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 30, 60, 120, 300);
bounds(backoff, 0.5, 1, 2, 4, 8, 16, 32, 60);
bounds(ckpt, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1);
bounds(detect, 0.01, 0.1, 0.5, 1, 2.5, 5, 10, 30, 60);
bounds(recover, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600);
bounds(wait, 0.1, 0.5, 1, 5, 10, 30, 60, 120, 300, 600, 1800);
bounds(captcha, 1, 5, 10, 20, 30, 60, 90);

/* ---- The words of catalogue.def ---- */
#define OPEN(key_, bound_)                                                                                             \
    { .key = (key_), .values = NULL, .bound = (bound_) }
#define CLOSED(key_, set_)                                                                                             \
    { .key = (key_), .values = values_##set_, .bound = 0 }
#define LABELS(...)                                                                                                    \
    { __VA_ARGS__ }
#define NO_LABELS                                                                                                      \
    {                                                                                                                  \
        { .key = NULL }                                                                                                \
    }
#define BUCKETS(set_) .bounds = bounds_##set_, .bound_count = sizeof bounds_##set_ / sizeof *bounds_##set_
#define NO_BUCKETS .bounds = NULL, .bound_count = 0
#define ABSENT OXP_FAMILY_ABSENT
#define LAZY OXP_FAMILY_LAZY

/* Errors are capped as a whole: the code settles the other labels, but for what oxp_numbers_error lets an event state.
 */
enum { ERRORS_MAX_SERIES = 256 };

/* NOLINTBEGIN(bugprone-macro-parentheses): labels_ and buckets_ are initialisers */
static const struct oxp_catalogue_row rows[OXP_METRICS] = {
#define FAMILY(id, name_, type_, unit_, help_, labels_, buckets_, flags_, section_, mover_)                            \
    [OXP_M_##id] = {.spec = {.name = (name_),                                                                          \
                             .help = (help_),                                                                          \
                             .unit = (unit_),                                                                          \
                             .type = OXP_##type_,                                                                      \
                             .flags = (flags_),                                                                        \
                             .labels = labels_,                                                                        \
                             buckets_,                                                                                 \
                             .max_series = OXP_M_##id == OXP_M_ERRORS ? ERRORS_MAX_SERIES : 0},                        \
                    .section = (section_),                                                                             \
                    .mover = (mover_)},
#include "exporter/ledger/catalogue.def"
#undef FAMILY
};
/* NOLINTEND(bugprone-macro-parentheses) */

const struct oxp_catalogue_row *oxp_catalogue_row(enum oxp_metric metric) {
    return (unsigned)metric < OXP_METRICS ? &rows[metric] : NULL;
}

bool oxp_catalogue_is_pattern(const struct oxp_catalogue_row *row) {
    return strchr(row->spec.name, '<') != NULL;
}

/* What the taxonomy can yield exists at 0 from the start: an alert on the first fatal error needs the 0 before it. */
static void pre_create_error(struct oxp_family *errors, const struct oxp_code *code) {
    struct oxp_view labels[] = {oxp_view_from(code->name), oxp_view_from(code->category), oxp_view_from(code->class),
                                oxp_view_from(code->severity)};
    struct oxp_series *ignored;
    (void)oxp_family_series(errors, labels, &ignored);
}

/* An event may raise the severity of a code. Fatal ones page in these, so the raised series need their 0, too. */
static void pre_create_raised(struct oxp_family *errors, const struct oxp_code *code) {
    static const char *const raised[] = {"high", "critical"};
    for (size_t i = 0; strcmp(code->class, "fatal") == 0 && i < sizeof raised / sizeof *raised; i++) {
        struct oxp_code variant = *code;
        variant.severity = raised[i];
        pre_create_error(errors, &variant);
    }
}

static void pre_create_codes(struct oxp_family *const families[OXP_METRICS]) {
    struct oxp_family *creates = families[OXP_M_SESSION_CREATE_FAILURES];
    struct oxp_family *releases = families[OXP_M_SESSION_RELEASE_FAILURES];
    const struct oxp_code *code;
    for (size_t i = 0; (code = oxp_code_at(i)) != NULL; i++) {
        pre_create_error(families[OXP_M_ERRORS], code);
        if (code->session_create) {
            (void)oxp_family_at(creates, oxp_view_from(code->name));
        }
        if (code->session_release) {
            (void)oxp_family_at(releases, oxp_view_from(code->name));
        }
    }
    for (size_t i = 0; (code = oxp_code_unknown_at(i)) != NULL; i++) {
        pre_create_error(families[OXP_M_ERRORS], code);
    }
    for (size_t i = 0; (code = oxp_code_at(i)) != NULL; i++) { /* last: what the classifier gives comes first */
        pre_create_raised(families[OXP_M_ERRORS], code);
    }
    (void)oxp_family_at(creates, OXP_VIEW("other"));
    (void)oxp_family_at(releases, OXP_VIEW("other"));
}

enum oxp_status oxp_catalogue_register(struct oxp_registry *registry, struct oxp_family *families[OXP_METRICS]) {
    for (size_t i = 0; i < OXP_METRICS; i++) {
        families[i] = NULL;
        if (oxp_catalogue_is_pattern(&rows[i])) {
            continue;
        }
        enum oxp_status status = oxp_registry_add(registry, &rows[i].spec, &families[i]);
        if (status != OXP_OK) {
            return status;
        }
    }
    pre_create_codes(families);
    return OXP_OK;
}
