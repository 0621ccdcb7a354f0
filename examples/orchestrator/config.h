/* What the orchestrator is told: one table of options, each a flag and, where it has one, an environment variable. A
 * flag wins over the environment, which wins over the default. Filled once by main, read by every thread. */
#ifndef ORCHESTRATOR_CONFIG_H
#define ORCHESTRATOR_CONFIG_H

#include <stdbool.h>

enum { CONFIG_SETTINGS_MAX = 64, ROUNDS_FOREVER = -1 };

struct setting { /* KEY=VALUE of --retry and --breaker, for the library's own tables */
    const char *key;
    const char *value;
};

struct config {
    const char *workflow_file; /* NULL = the one that is built in */
    const char *sessions_text, *rounds_text;
    long sessions;
    long rounds; /* or ROUNDS_FOREVER */
    double pause_s;
    const char *state_dir;
    const char *redis_url; /* NULL = files below state_dir */
    const char *health;    /* HOST:PORT, or "off" */
    double grace_s;

    const char *browserbase_url, *stagehand_url;
    const char *api_key, *api_key_file, *project, *model_api_key;
    const char *model, *fallback_model; /* "provider/name"; the second may be "" */
    const char *region;
    double session_timeout_s;
    bool keep_alive;
    bool may_drop_options; /* what the plan does not sell is left out of the next try */
    long recycle_tasks;    /* tasks in one session before it is replaced */

    double http_timeout_s, create_timeout_s;
    double task_deadline_s;
    long task_tries;        /* recoveries of one task before it fails */
    double requeue_delay_s; /* before the first of them, doubled with each */

    const char *environment, *log_level, *log_json, *audit, *debugger;
    double degraded_s; /* how long the second model is kept before the first is tried again */

    struct setting retry[CONFIG_SETTINGS_MAX], breaker[CONFIG_SETTINGS_MAX];
    int retry_count, breaker_count;
    bool help;
};

/* Reads flags and environment into `config`, whose texts point into `words` and the environment (or are never freed:
 * the key that was read from a file). False, with a sentence on standard error, for what makes no sense: a flag that
 * nobody knows, a number that is none, no key for a host that is not this machine. */
bool config_read(struct config *config, int count, char **words);
/* What --help says, on standard output. */
void config_help(void);
/* True for an http or https URL of localhost, 127.0.0.1 or [::1]. */
bool config_is_loopback(const char *url);

#endif
