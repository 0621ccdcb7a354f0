#include "examples/orchestrator/config.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum kind { TEXT, SECONDS, COUNT, FLAG };

struct option {
    const char *flag, *environment, *value;
    enum kind kind;
    size_t at; /* of the member of struct config */
    double least;
    const char *standard, *help;
};

#define AT(member) offsetof(struct config, member)
/* clang-format off: one option to a line */
static const struct option options[] = {
    {"workflow", "ORCHESTRATOR_WORKFLOW", "FILE", TEXT, AT(workflow_file), 0, NULL, "tasks to do (built-in example)"},
    {"sessions", "ORCHESTRATOR_SESSIONS", "N", COUNT, AT(sessions), 1, "3", "browser sessions at a time"},
    {"rounds", "ORCHESTRATOR_ROUNDS", "N", TEXT, AT(rounds_text), 0, "1", "how often, or forever"},
    {"pause", NULL, "S", SECONDS, AT(pause_s), 0, "1", "between two rounds"},
    {"state-dir", "ORCHESTRATOR_STATE_DIR", "DIR", TEXT, AT(state_dir), 0, "orchestrator-state",
     "checkpoints, audit log, last words"},
    {"redis-url", "ORCHESTRATOR_REDIS_URL", "URL", TEXT, AT(redis_url), 0, NULL, "keep checkpoints there instead"},
    {"health", "ORCHESTRATOR_HEALTH", "HOST:PORT", TEXT, AT(health), 0, "127.0.0.1:8000", "GET /health; or off"},
    {"grace", "ORCHESTRATOR_GRACE", "S", SECONDS, AT(grace_s), 0, "20", "for running tasks at the end"},
    {"browserbase-url", "BROWSERBASE_BASE_URL", "URL", TEXT, AT(browserbase_url), 0, "https://api.browserbase.com", ""},
    {"stagehand-url", "STAGEHAND_BASE_URL", "URL", TEXT, AT(stagehand_url), 0, "https://api.stagehand.browserbase.com",
     ""},
    {"api-key", "BROWSERBASE_API_KEY", "KEY", TEXT, AT(api_key), 0, NULL, "better in the environment or a file"},
    {"api-key-file", "BROWSERBASE_API_KEY_FILE", "FILE", TEXT, AT(api_key_file), 0, NULL, ""},
    {"project", "BROWSERBASE_PROJECT_ID", "ID", TEXT, AT(project), 0, NULL, ""},
    {"model-api-key", "MODEL_API_KEY", "KEY", TEXT, AT(model_api_key), 0, NULL, "better in the environment"},
    {"model", "ORCHESTRATOR_MODEL", "NAME", TEXT, AT(model), 0, "openai/gpt-4.1-mini", "provider/name"},
    {"fallback-model", "ORCHESTRATOR_FALLBACK_MODEL", "NAME", TEXT, AT(fallback_model), 0, "anthropic/claude-haiku-4-5",
     "while the first is overloaded; empty = none"},
    {"region", "BROWSERBASE_REGION", "NAME", TEXT, AT(region), 0, "us-west-2", "of new sessions"},
    {"session-timeout", NULL, "S", SECONDS, AT(session_timeout_s), 60, "900", "of new sessions"},
    {"keep-alive", NULL, NULL, FLAG, AT(keep_alive), 0, NULL, "sessions outlive a lost connection (paid plans)"},
    {"may-drop-options", NULL, NULL, FLAG, AT(may_drop_options), 0, NULL, "give up what the plan does not sell"},
    {"recycle", NULL, "N", COUNT, AT(recycle_tasks), 1, "20", "tasks in one session before it is replaced"},
    {"http-timeout", NULL, "S", SECONDS, AT(http_timeout_s), 0.05, "60", "of one call"},
    {"create-timeout", NULL, "S", SECONDS, AT(create_timeout_s), 0.05, "60", "of a creation"},
    {"task-deadline", NULL, "S", SECONDS, AT(task_deadline_s), 0.1, "600", "of a task that names none"},
    {"task-tries", NULL, "N", COUNT, AT(task_tries), 1, "3", "recoveries of one task"},
    {"requeue-delay", NULL, "S", SECONDS, AT(requeue_delay_s), 0, "2", "before the first of them, then doubled"},
    {"degraded", NULL, "S", SECONDS, AT(degraded_s), 0.1, "60", "on the second model before the first is asked again"},
    {"environment", "ORCHESTRATOR_ENVIRONMENT", "NAME", TEXT, AT(environment), 0, "development", ""},
    {"log-level", "ORCHESTRATOR_LOG_LEVEL", "LEVEL", TEXT, AT(log_level), 0, "info", ""},
    {"log-json", NULL, "FILE", TEXT, AT(log_json), 0, NULL, "the log as JSON lines, too"},
    {"audit", NULL, "FILE", TEXT, AT(audit), 0, NULL, "audit log (audit.log below the state directory)"},
    {"debugger", NULL, "PROGRAM", TEXT, AT(debugger), 0, NULL, "asked about failures that repeat (docs/library.md)"},
};
/* clang-format on */
enum { OPTIONS = sizeof options / sizeof options[0] };

static void *member(struct config *config, const struct option *option) {
    return (char *)config + option->at;
}

static bool complain(const char *what, const char *why) {
    fprintf(stderr, "orchestrator: %s: %s\n", what, why);
    return false;
}

static bool set(struct config *config, const struct option *option, const char *value) {
    char *end = NULL;
    double number = 0;
    if (option->kind == TEXT) {
        *(const char **)member(config, option) = value;
        return true;
    }
    if (option->kind == FLAG) {
        *(bool *)member(config, option) = true;
        return true;
    }
    number = strtod(value, &end); /* main never calls setlocale: the point is a point */
    if (end == value || *end != '\0' || !isfinite(number) || number < option->least || number > 1e6) {
        return complain(option->flag, "not a number that makes sense here");
    }
    if (option->kind == SECONDS) {
        *(double *)member(config, option) = number;
    } else {
        *(long *)member(config, option) = (long)number;
    }
    return true;
}

static bool add_setting(struct setting *list, int *count, char *text) {
    char *equals = strchr(text, '=');
    if (equals == NULL || *count == CONFIG_SETTINGS_MAX) {
        return complain(text, "not KEY=VALUE, or too many of them");
    }
    *equals = '\0';
    list[(*count)++] = (struct setting){text, equals + 1};
    return true;
}

/* One word of the command line; *used_out is 2 when the value is the next word. */
static bool read_word(struct config *config, char *word, char *next, int *used_out) {
    if (strncmp(word, "--", 2) != 0) {
        return complain(word, "not a flag; try --help");
    }
    char *name = word + 2;
    char *equals = strchr(name, '=');
    size_t len = equals == NULL ? strlen(name) : (size_t)(equals - name);
    char *value = equals != NULL ? equals + 1 : next;
    *used_out = equals != NULL ? 1 : 2;
    if (len == 4 && strncmp(name, "help", len) == 0) {
        config->help = true;
        *used_out = 1;
        return true;
    }
    for (size_t i = 0; i < OPTIONS; i++) {
        if (strlen(options[i].flag) == len && strncmp(options[i].flag, name, len) == 0) {
            *used_out = options[i].kind == FLAG ? 1 : *used_out;
            return options[i].kind == FLAG || value != NULL ? set(config, &options[i], value)
                                                            : complain(word, "needs a value");
        }
    }
    if (value != NULL && len == 5 && strncmp(name, "retry", len) == 0) {
        return add_setting(config->retry, &config->retry_count, value);
    }
    if (value != NULL && len == 7 && strncmp(name, "breaker", len) == 0) {
        return add_setting(config->breaker, &config->breaker_count, value);
    }
    return complain(word, "no such flag; try --help");
}

bool config_is_loopback(const char *url) {
    static const char *const hosts[] = {"localhost", "127.0.0.1", "[::1]"};
    const char *rest = strstr(url, "://");
    for (size_t i = 0; rest != NULL && i < sizeof hosts / sizeof hosts[0]; i++) {
        size_t len = strlen(hosts[i]);
        if (strncmp(rest + 3, hosts[i], len) == 0 && strchr(":/", rest[3 + len]) != NULL) { /* or its end */
            return true;
        }
    }
    return false;
}

/* The first line of a file; kept for the life of the process. */
static const char *read_key(const char *path) {
    static char key[512];
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        perror(path);
        return NULL;
    }
    const char *line = fgets(key, sizeof key, file);
    fclose(file);
    key[strcspn(key, "\r\n")] = '\0';
    return line;
}

static bool check(struct config *config) {
    char *end = NULL;
    config->rounds =
        strcmp(config->rounds_text, "forever") == 0 ? ROUNDS_FOREVER : strtol(config->rounds_text, &end, 10);
    if (end != NULL && (*end != '\0' || end == config->rounds_text || config->rounds < 1)) {
        return complain("rounds", "neither a number from 1 on nor forever");
    }
    if (config->sessions > 64) {
        return complain("sessions", "more than 64");
    }
    if (config->api_key_file != NULL && (config->api_key = read_key(config->api_key_file)) == NULL) {
        return false;
    }
    if (config->api_key == NULL || config->api_key[0] == '\0') {
        if (!config_is_loopback(config->browserbase_url) || !config_is_loopback(config->stagehand_url)) {
            return complain("BROWSERBASE_API_KEY", "needed to call a service that is not on this machine");
        }
        config->api_key = "local";
    }
    return true;
}

bool config_read(struct config *config, int count, char **words) {
    *config = (struct config){.help = false};
    for (size_t i = 0; i < OPTIONS; i++) {
        const char *value = options[i].environment == NULL ? NULL : getenv(options[i].environment);
        value = value != NULL && value[0] != '\0' ? value : options[i].standard;
        if (value != NULL && !set(config, &options[i], value)) {
            return false;
        }
    }
    for (int i = 1, used = 1; i < count; i += used) {
        if (!read_word(config, words[i], i + 1 < count ? words[i + 1] : NULL, &used)) {
            return false;
        }
    }
    return config->help || check(config);
}

void config_help(void) {
    printf("Runs workflows of browser tasks over several sessions, and reports all of it to the sidecar beside it.\n\n"
           "usage: oxpecker-example-orchestrator [flags]\n\n");
    for (size_t i = 0; i < OPTIONS; i++) {
        const struct option *option = &options[i];
        char left[64];
        snprintf(left, sizeof left, "--%s %s", option->flag, option->value == NULL ? "" : option->value);
        printf("  %-28s%s%s%s%s%s%s%s\n", left, option->help, option->standard == NULL ? "" : " (",
               option->standard == NULL ? "" : option->standard, option->standard == NULL ? "" : ")",
               option->environment == NULL ? "" : " [$", option->environment == NULL ? "" : option->environment,
               option->environment == NULL ? "" : "]");
    }
    printf("  %-28s%s\n  %-28s%s\n", "--retry KEY=VALUE", "as in oxpecker/retry.h, $OXPECKER_RETRY_…; may be repeated",
           "--breaker KEY=VALUE", "as in oxpecker/breaker.h; may be repeated");
}
