#include "exporter/config/config.h"

#include "lib/yaml/yaml.h"
#include "tests/support/alloc_fail.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { WORDS = 8 };
static char folder[] = "/tmp/oxp_config_load_XXXXXX";
static char file_path[64];

static void write_file(const char *text) {
    FILE *file = fopen(file_path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

struct input {
    const char *args[WORDS]; /* "FILE" behind an equals sign stands for the test's file */
    const char *environment[WORDS];
    const char *file; /* its text, or NULL */
};

static enum oxp_status load(const struct input *input, struct oxp_config *config, struct oxp_error *error) {
    char *argv[WORDS + 1] = {NULL};
    char *environment[WORDS + 1] = {NULL};
    char config_flag[96];
    int argc = 0;
    if (input->file != NULL) {
        write_file(input->file);
        snprintf(config_flag, sizeof config_flag, "--config.file=%s", file_path);
        argv[argc++] = config_flag;
    }
    for (size_t i = 0; i < WORDS - 1 && input->args[i] != NULL; i++) {
        argv[argc++] = (char *)(uintptr_t)input->args[i];
    }
    for (size_t i = 0; i < WORDS && input->environment[i] != NULL; i++) {
        environment[i] = (char *)(uintptr_t)input->environment[i];
    }
    struct oxp_config_source source = {argc, argv, environment};
    return oxp_config_load(&source, config, error);
}

static void test_defaults(void **state) {
    (void)state;
    struct oxp_config config;
    struct oxp_config_source source = {0, NULL, NULL};
    assert_int_equal(oxp_config_load(&source, &config, NULL), OXP_OK);
    for (enum oxp_option option = 0; option < OXP_OPTIONS; option++) {
        assert_string_equal(oxp_config_text(&config, option), oxp_option_spec(option)->initial);
        assert_int_equal(config.values[option].source, OXP_FROM_DEFAULT);
    }
    /* The contract's own figures, said once more on purpose. */
    assert_string_equal(oxp_config_text(&config, OXP_OPT_WEB_LISTEN_ADDRESS), ":10108");
    assert_string_equal(oxp_config_text(&config, OXP_OPT_EVENTS_LISTEN_UNIX), "/run/oxpecker/events.sock");
    assert_true(oxp_config_number(&config, OXP_OPT_EVENTS_UNIX_MODE) == 0660);
    assert_true(oxp_config_number(&config, OXP_OPT_SHUTDOWN_GRACE) == 20);
    assert_true(oxp_config_number(&config, OXP_OPT_ORCHESTRATOR_LIVENESS) == 30);
    assert_true(oxp_config_number(&config, OXP_OPT_ORCHESTRATOR_RECONNECT_GRACE) == 5);
    assert_true(oxp_config_number(&config, OXP_OPT_ORCHESTRATOR_IDLE_LIMIT) == 600);
    assert_true(oxp_config_number(&config, OXP_OPT_ORCHESTRATOR_STALL_LIMIT) == 300);
    assert_true(oxp_config_number(&config, OXP_OPT_LIMITS_SERIES) == 100000);
    assert_true(oxp_config_number(&config, OXP_OPT_LIMITS_SERIES_PER_FAMILY) == 10000);
    assert_false(oxp_config_bool(&config, OXP_OPT_WEB_ENABLE_LIFECYCLE));
    oxp_config_fini(&config);
}

/* clang-format off: one row a line */
static const struct {
    const char *name;
    struct input input;
    enum oxp_option option;
    const char *text;
    enum oxp_option_source source;
} accepted[] = {
    {"flag with equals", {{"--log.level=debug"}, {0}, NULL}, OXP_OPT_LOG_LEVEL, "debug", OXP_FROM_FLAG},
    {"flag with its value next", {{"--log.level", "debug"}, {0}, NULL}, OXP_OPT_LOG_LEVEL, "debug", OXP_FROM_FLAG},
    {"flag with an empty value", {{"--events.listen-unix="}, {0}, NULL}, OXP_OPT_EVENTS_LISTEN_UNIX, "", OXP_FROM_FLAG},
    {"flag with an empty next word",
     {{"--events.listen-unix", ""}, {0}, NULL},
     OXP_OPT_EVENTS_LISTEN_UNIX,
     "",
     OXP_FROM_FLAG},
    {"value with equals", {{"--storage.path=a=b"}, {0}, NULL}, OXP_OPT_STORAGE_PATH, "a=b", OXP_FROM_FLAG},
    {"value that begins with a dash", {{"--storage.path", "-x"}, {0}, NULL}, OXP_OPT_STORAGE_PATH, "-x", OXP_FROM_FLAG},
    {"value that begins with dashes", {{"--storage.path=--x"}, {0}, NULL}, OXP_OPT_STORAGE_PATH, "--x", OXP_FROM_FLAG},
    {"no expansion in flags", {{"--storage.path=${X}"}, {0}, NULL}, OXP_OPT_STORAGE_PATH, "${X}", OXP_FROM_FLAG},
    {"bare boolean", {{"--web.enable-lifecycle"}, {0}, NULL}, OXP_OPT_WEB_ENABLE_LIFECYCLE, "true", OXP_FROM_FLAG},
    {"boolean takes no next word",
     {{"--web.enable-lifecycle", "--log.level=debug"}, {0}, NULL},
     OXP_OPT_LOG_LEVEL,
     "debug",
     OXP_FROM_FLAG},
    {"boolean with a value",
     {{"--web.enable-lifecycle=false"}, {0}, NULL},
     OXP_OPT_WEB_ENABLE_LIFECYCLE,
     "false",
     OXP_FROM_FLAG},
    {"negated boolean",
     {{"--no-web.enable-lifecycle"}, {"OXPECKER_WEB_ENABLE_LIFECYCLE=true"}, NULL},
     OXP_OPT_WEB_ENABLE_LIFECYCLE,
     "false",
     OXP_FROM_FLAG},
    {"end of flags", {{"--log.level=debug", "--"}, {0}, NULL}, OXP_OPT_LOG_LEVEL, "debug", OXP_FROM_FLAG},
    {"environment", {{0}, {"OXPECKER_LOG_LEVEL=error"}, NULL}, OXP_OPT_LOG_LEVEL, "error", OXP_FROM_ENVIRONMENT},
    {"empty variable",
     {{0}, {"OXPECKER_EVENTS_LISTEN_UNIX="}, NULL},
     OXP_OPT_EVENTS_LISTEN_UNIX,
     "",
     OXP_FROM_ENVIRONMENT},
    {"variables of others",
     {{0}, {"PATH=/bin", "OXPECKER", "XOXPECKER_A=1", "OXP_B=2", "oxpecker_c=3"}, NULL},
     OXP_OPT_LOG_LEVEL,
     "info",
     OXP_FROM_DEFAULT},
    {"what Kubernetes sets for a service called oxpecker",
     {{0},
      {"OXPECKER_SERVICE_HOST=10.0.0.1", "OXPECKER_SERVICE_PORT=10108", "OXPECKER_SERVICE_PORT_HTTP=10108",
       "OXPECKER_PORT=tcp://10.0.0.1:10108", "OXPECKER_PORT_10108_TCP=tcp://10.0.0.1:10108",
       "OXPECKER_PORT_10108_TCP_ADDR=10.0.0.1", "OXPECKER_PORT_10108_TCP_PROTO=tcp"},
      NULL},
     OXP_OPT_WEB_LISTEN_ADDRESS,
     ":10108",
     OXP_FROM_DEFAULT},
    {"and for oxpecker-metrics",
     {{0},
      {"OXPECKER_METRICS_SERVICE_HOST=10.0.0.1", "OXPECKER_METRICS_PORT=tcp://10.0.0.1:1",
       "OXPECKER_METRICS_PORT_1_TCP_PORT=1"},
      NULL},
     OXP_OPT_WEB_LISTEN_ADDRESS,
     ":10108",
     OXP_FROM_DEFAULT},
    {"file", {{0}, {0}, "log: {level: error}\n"}, OXP_OPT_LOG_LEVEL, "error", OXP_FROM_FILE},
    {"empty file", {{0}, {0}, ""}, OXP_OPT_LOG_LEVEL, "info", OXP_FROM_DEFAULT},
    {"file over default, others stay",
     {{0}, {0}, "log: {level: error}\n"},
     OXP_OPT_LOG_FORMAT,
     "logfmt",
     OXP_FROM_DEFAULT},
    {"environment over file",
     {{0}, {"OXPECKER_LOG_LEVEL=debug"}, "log: {level: error}\n"},
     OXP_OPT_LOG_LEVEL,
     "debug",
     OXP_FROM_ENVIRONMENT},
    {"flag over file",
     {{"--log.level=debug"}, {0}, "log: {level: error}\n"},
     OXP_OPT_LOG_LEVEL,
     "debug",
     OXP_FROM_FLAG},
    {"flag over environment over file",
     {{"--log.level=debug"}, {"OXPECKER_LOG_LEVEL=warning"}, "log: {level: error}\n"},
     OXP_OPT_LOG_LEVEL,
     "debug",
     OXP_FROM_FLAG},
    {"expansion in the file",
     {{0}, {"HOSTNAME=pod-1"}, "orchestrator:\n  environment: x-${HOSTNAME}-$$\n"},
     OXP_OPT_ORCHESTRATOR_ENVIRONMENT,
     "x-pod-1-$",
     OXP_FROM_FILE},
    {"labels of the file",
     {{0}, {"HOSTNAME=a,b\\"}, "external_labels:\n  replica: ${HOSTNAME}\n  none: \"\"\n  zone: z\n"},
     OXP_OPT_EXTERNAL_LABELS,
     "replica=a\\,b\\\\,zone=z",
     OXP_FROM_FILE},
    {"labels of a flag",
     {{"--external-labels=a=b,c=d"}, {"OXPECKER_EXTERNAL_LABELS=e=f"}, "external_labels: {g: h}\n"},
     OXP_OPT_EXTERNAL_LABELS,
     "a=b,c=d",
     OXP_FROM_FLAG},
    {"labels of the environment",
     {{0}, {"OXPECKER_EXTERNAL_LABELS=e=f"}, "external_labels: {g: h}\n"},
     OXP_OPT_EXTERNAL_LABELS,
     "e=f",
     OXP_FROM_ENVIRONMENT},
    {"paths of the file",
     {{0}, {"HOME=/h,\\"}, "rule_files: [a.yml, \"${HOME}/*.yml\"]\n"},
     OXP_OPT_RULE_FILES,
     "a.yml,/h\\,\\\\/*.yml",
     OXP_FROM_FILE},
    {"an empty list of paths is given", {{0}, {0}, "rule_files: []\n"}, OXP_OPT_RULE_FILES, "", OXP_FROM_FILE},
    {"paths that are not given", {{0}, {0}, "log: {level: error}\n"}, OXP_OPT_RULE_FILES, "", OXP_FROM_DEFAULT},
    {"a flag of paths, repeated",
     {{"--rule-files=a,b", "--rule-files", "c\\,d", "--rule-files="}, {"OXPECKER_RULE_FILES=e"}, "rule_files: [f]\n"},
     OXP_OPT_RULE_FILES,
     "a,b,c\\,d",
     OXP_FROM_FLAG},
    {"an empty flag of paths", {{"--rule-files="}, {0}, "rule_files: [f]\n"}, OXP_OPT_RULE_FILES, "", OXP_FROM_FLAG},
    {"paths of the environment",
     {{0}, {"OXPECKER_RULE_FILES=e,f"}, "rule_files: [g]\n"},
     OXP_OPT_RULE_FILES,
     "e,f",
     OXP_FROM_ENVIRONMENT},
    {"a number from a variable",
     {{0}, {"N=7"}, "limits: {tasks: \"${N}\"}\n"},
     OXP_OPT_LIMITS_TASKS,
     "7",
     OXP_FROM_FILE},
};

static const struct {
    const char *name;
    struct input input;
    unsigned line, column;
    const char *text; /* FILE stands for the file's path */
} refused[] = {
    {"unknown flag", {{"--log.levl=debug"}, {0}, NULL}, 0, 0, "there is no flag --log.levl; did you mean --log.level?"},
    {"unknown flag with nothing near", {{"--frobnicate"}, {0}, NULL}, 0, 0, "there is no flag --frobnicate"},
    {"key as flag",
     {{"--web.listen_address=:1"}, {0}, NULL},
     0,
     0,
     "there is no flag --web.listen_address; did you mean --web.listen-address?"},
    {"one dash", {{"-log.level=debug"}, {0}, NULL}, 0, 0, "there is no flag -log.level; did you mean --log.level?"},
    {"three dashes",
     {{"---log.level=debug"}, {0}, NULL},
     0,
     0,
     "there is no flag ---log.level; did you mean --log.level?"},
    {"negated unknown",
     {{"--no-web.enable-lifecyle"}, {0}, NULL},
     0,
     0,
     "there is no flag --no-web.enable-lifecyle; did you mean --no-web.enable-lifecycle?"},
    {"negated text",
     {{"--no-log.level"}, {0}, NULL},
     0,
     0,
     "there is no flag --no-log.level; did you mean --no-log.level?"},
    {"negated with a value",
     {{"--no-web.enable-lifecycle=true"}, {0}, NULL},
     0,
     0,
     "--no-web.enable-lifecycle takes no value"},
    {"positional", {{"serve"}, {0}, NULL}, 0, 0, "the argument \"serve\" is not expected"},
    {"positional behind a boolean",
     {{"--web.enable-lifecycle", "true"}, {0}, NULL},
     0,
     0,
     "the argument \"true\" is not expected"},
    {"positional behind the end",
     {{"--", "--log.level=debug"}, {0}, NULL},
     0,
     0,
     "the argument \"--log.level=debug\" is not expected"},
    {"empty argument", {{""}, {0}, NULL}, 0, 0, "the argument \"\" is not expected"},
    {"dash alone", {{"-"}, {0}, NULL}, 0, 0, "the argument \"-\" is not expected"},
    {"no value at the end", {{"--log.level"}, {0}, NULL}, 0, 0, "--log.level needs a value"},
    {"no value before a flag",
     {{"--storage.path", "--log.level=debug"}, {0}, NULL},
     0,
     0,
     "--storage.path needs a value"},
    {"given twice", {{"--log.level=debug", "--log.level=debug"}, {0}, NULL}, 0, 0, "--log.level is given twice"},
    {"boolean given twice",
     {{"--web.enable-lifecycle", "--no-web.enable-lifecycle"}, {0}, NULL},
     0,
     0,
     "--web.enable-lifecycle is given twice"},
    {"wrong value of a flag",
     {{"--log.level=loud"}, {0}, NULL},
     0,
     0,
     "--log.level: found \"loud\"; expected debug, info, warning, error or critical"},
    {"boolean of a flag",
     {{"--web.enable-lifecycle=yes"}, {0}, NULL},
     0,
     0,
     "--web.enable-lifecycle: found \"yes\"; expected true or false"},
    {"the first fault is told",
     {{"--log.level=loud", "--nonsense"}, {"OXPECKER_X=1"}, NULL},
     0,
     0,
     "--log.level: found \"loud\"; expected debug, info, warning, error or critical"},
    {"unknown variable",
     {{0}, {"OXPECKER_LOG_LEVE=debug"}, NULL},
     0,
     0,
     "the environment variable OXPECKER_LOG_LEVE names no option; did you mean OXPECKER_LOG_LEVEL?"},
    {"unknown variable with nothing near",
     {{0}, {"OXPECKER_NONSENSE=1"}, NULL},
     0,
     0,
     "the environment variable OXPECKER_NONSENSE names no option"},
    {"variable of nothing", {{0}, {"OXPECKER_=1"}, NULL}, 0, 0, "the environment variable OXPECKER_ names no option"},
    {"a port that no service set",
     {{0}, {"OXPECKER_WEB_PORT=80"}, NULL},
     0,
     0,
     "the environment variable OXPECKER_WEB_PORT names no option"},
    {"wrong value of a variable",
     {{0}, {"OXPECKER_WEB_MAX_CONNECTIONS=0"}, NULL},
     0,
     0,
     "OXPECKER_WEB_MAX_CONNECTIONS: 0 is out of range; expected a whole number from 1 to 65536"},
    {"empty variable where something is needed",
     {{0}, {"OXPECKER_LOG_LEVEL="}, NULL},
     0,
     0,
     "OXPECKER_LOG_LEVEL: found nothing; expected debug, info, warning, error or critical"},
    {"a wrong variable under a flag",
     {{"--log.level=debug"}, {"OXPECKER_LOG_LEVEL=loud"}, NULL},
     0,
     0,
     "OXPECKER_LOG_LEVEL: found \"loud\"; expected debug, info, warning, error or critical"},
    {"fault in the file",
     {{0}, {0}, "web:\n  expose_ledger: yes\n"},
     2,
     18,
     "FILE:2:18: web.expose_ledger: found \"yes\"; expected true or false"},
    {"a wrong file under a flag",
     {{"--log.level=debug"}, {0}, "log: {level: loud}\n"},
     1,
     14,
     "FILE:1:14: log.level: found \"loud\"; expected debug, info, warning, error or critical"},
    {"syntax of the file",
     {{0}, {0}, "web: [\n"},
     2,
     1,
     "FILE:2:1: did not find expected node content (while parsing a flow node)"},
    {"the file's bytes", {{0}, {0}, "log:\n  level: \xff\n"}, 2, 10, "FILE:2:10: not UTF-8"},
    {"no such file",
     {{"--config.file=/nonexistent/x.yml"}, {0}, NULL},
     0,
     0,
     "the file /nonexistent/x.yml cannot be read: No such file or directory"},
    {"no such file, by environment",
     {{0}, {"OXPECKER_CONFIG_FILE=/nonexistent/y.yml"}, NULL},
     0,
     0,
     "the file /nonexistent/y.yml cannot be read: No such file or directory"},
    {"a folder", {{"--config.file=/"}, {0}, NULL}, 0, 0, "the file / cannot be read: it is a directory"},
    {"too large",
     {{"--config.file=/dev/zero"}, {0}, NULL},
     0,
     0,
     "the file /dev/zero cannot be read: it is larger than 1 MiB"},
};
/* clang-format on */

static void test_accepted(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof accepted / sizeof accepted[0]; i++) {
        struct oxp_config config;
        struct oxp_error error = {0};
        enum oxp_status status = load(&accepted[i].input, &config, &error);
        if (status != OXP_OK) {
            fail_msg("%s: refused: %s", accepted[i].name, error.text);
        }
        const struct oxp_config_value *value = &config.values[accepted[i].option];
        if (strcmp(value->text, accepted[i].text) != 0 || value->source != accepted[i].source) {
            fail_msg("%s: got \"%s\" from %d, expected \"%s\" from %d", accepted[i].name, value->text,
                     (int)value->source, accepted[i].text, (int)accepted[i].source);
        }
        oxp_config_fini(&config);
    }
}

static void test_refused(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        struct oxp_config config;
        struct oxp_error error = {0};
        char expected[256];
        bool in_file = strncmp(refused[i].text, "FILE", 4) == 0;
        snprintf(expected, sizeof expected, "%s%s", in_file ? file_path : "", refused[i].text + (in_file ? 4 : 0));
        enum oxp_status status = load(&refused[i].input, &config, &error);
        if (status >= 0 || strcmp(error.text, expected) != 0 || error.line != refused[i].line ||
            error.column != refused[i].column) {
            fail_msg("%s: got %s at %u:%u\n\"%s\", expected\n\"%s\"", refused[i].name, oxp_status_name(status),
                     error.line, error.column, error.text, expected);
        }
        for (size_t option = 0; option < OXP_OPTIONS; option++) {
            assert_null(config.values[option].text);
        }
    }
}

static void test_status_of_files(void **state) {
    (void)state;
    char *text;
    size_t len;
    struct oxp_error error = {0};
    assert_int_equal(oxp_config_read_file("/nonexistent", &text, &len, &error), OXP_ERR_NOT_FOUND);
    assert_int_equal(oxp_config_read_file("/tmp", &text, &len, &error), OXP_ERR_INVALID);
    assert_int_equal(oxp_config_read_file("/dev/zero", &text, &len, &error), OXP_ERR_LIMIT);
    assert_int_equal(oxp_config_read_file("/proc/self/mem", &text, &len, &error), OXP_ERR_IO);
    assert_null(text);
    write_file("");
    assert_int_equal(oxp_config_read_file(file_path, &text, &len, &error), OXP_OK);
    assert_string_equal(text, "");
    assert_int_equal(len, 0);
    free(text);
    if (geteuid() != 0) { /* root may read everything */
        assert_int_equal(chmod(file_path, 0), 0);
        assert_int_equal(oxp_config_read_file(file_path, &text, &len, &error), OXP_ERR_DENIED);
        assert_int_equal(chmod(file_path, 0600), 0);
    }
}

static void test_file_limit(void **state) {
    (void)state;
    char *text;
    size_t len;
    struct oxp_error error = {0};
    write_file("");
    assert_int_equal(truncate(file_path, 1 << 20), 0);
    assert_int_equal(oxp_config_read_file(file_path, &text, &len, &error), OXP_OK);
    assert_int_equal(len, 1 << 20);
    free(text);
    assert_int_equal(truncate(file_path, (1 << 20) + 1), 0);
    assert_int_equal(oxp_config_read_file(file_path, &text, &len, &error), OXP_ERR_LIMIT);
    assert_non_null(strstr(error.text, "it is larger than 1 MiB"));
}

/* A pipe is read to its end, as in --config.file=<(…). */
static void test_pipe(void **state) {
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    static const char text[] = "log: {level: error}\n";
    assert_int_equal(write(ends[1], text, sizeof text - 1), sizeof text - 1);
    close(ends[1]);
    char flag[64];
    snprintf(flag, sizeof flag, "--config.file=/proc/self/fd/%d", ends[0]);
    struct input input = {.args = {flag}};
    struct oxp_config config;
    struct oxp_error error = {0};
    assert_int_equal(load(&input, &config, &error), OXP_OK);
    assert_string_equal(oxp_config_text(&config, OXP_OPT_LOG_LEVEL), "error");
    oxp_config_fini(&config);
    close(ends[0]);
}

/* Keys, and their kin, are not repeated in an error. */
static void test_secrets_are_not_shown(void **state) {
    (void)state;
    struct input input = {.environment = {"KEY=bb_live_0123456789abcdefABCDEF"},
                          .file = "limits: {series: \"${KEY}\"}\n"};
    struct oxp_config config;
    struct oxp_error error = {0};
    assert_int_equal(load(&input, &config, &error), OXP_ERR_INVALID);
    assert_null(strstr(error.text, "0123456789abcdef"));
    assert_non_null(strstr(error.text, "limits.series"));
}

static const struct oxp_yaml_node *member(const struct oxp_yaml_node *mapping, const char *key) {
    for (const struct oxp_yaml_node *node = mapping == NULL ? NULL : mapping->first; node != NULL; node = node->next) {
        if (oxp_view_is(node->key, key)) {
            return node;
        }
    }
    return NULL;
}

/* A section with a grammar of its own: expanded, with its places, and comparable by its text. */
static void test_trees(void **state) {
    (void)state;
    struct input input = {
        .environment = {"HOST=a"},
        .file = "alerting:\n  receivers:\n  - name: \"x-${HOST}\"\n    url: ${NOT:-http://h}\n  none: ~\n"};
    struct input other = {.environment = {"HOST=b"}, .file = input.file}, without = {.file = "alerting:\n"};
    struct oxp_config config, second, third;
    struct oxp_error error = {0};
    assert_int_equal(load(&input, &config, &error), OXP_OK);
    const struct oxp_yaml_node *tree = oxp_config_tree(&config, OXP_OPT_ALERTING);
    const struct oxp_yaml_node *receivers = member(tree, "receivers");
    assert_non_null(receivers);
    const struct oxp_yaml_node *name = member(receivers->first, "name"), *url = member(receivers->first, "url");
    assert_true(oxp_view_is(name->text, "x-a") && name->quoted && name->line == 3 && name->column == 11);
    assert_true(oxp_view_is(url->text, "http://h") && !url->quoted);
    assert_int_equal(member(tree, "none")->kind, OXP_YAML_NULL);
    assert_null(oxp_config_tree(&config, OXP_OPT_CLOUDWATCH));
    assert_int_equal(load(&other, &second, &error), OXP_OK);
    assert_int_equal(load(&without, &third, &error), OXP_OK);
    assert_null(oxp_config_tree(&third, OXP_OPT_ALERTING));
    assert_string_equal(oxp_config_text(&third, OXP_OPT_ALERTING), "");
    assert_string_not_equal(oxp_config_text(&config, OXP_OPT_ALERTING), oxp_config_text(&second, OXP_OPT_ALERTING));
    oxp_config_fini(&second);
    assert_int_equal(load(&input, &second, &error), OXP_OK);
    assert_string_equal(oxp_config_text(&config, OXP_OPT_ALERTING), oxp_config_text(&second, OXP_OPT_ALERTING));
    oxp_config_fini(&config);
    oxp_config_fini(&second);
    oxp_config_fini(&third);
}

static void test_trees_stand_in_the_file_only(void **state) {
    (void)state;
    struct input flag = {.args = {"--alerting=x"}}, variable = {.environment = {"OXPECKER_CLOUDWATCH=x"}};
    struct oxp_config config;
    struct oxp_error error = {0};
    assert_int_equal(load(&flag, &config, &error), OXP_ERR_INVALID);
    assert_string_equal(error.text, "there is no flag --alerting: the section alerting stands in the file only");
    assert_int_equal(load(&variable, &config, &error), OXP_ERR_INVALID);
    assert_string_equal(error.text, "OXPECKER_CLOUDWATCH: the section cloudwatch stands in the file only");
}

static const struct input everything = {
    {"--log.level=debug", "--web.enable-lifecycle"},
    {"OXPECKER_STORAGE_PATH=/x", "HOST=a"},
    NULL,
};

static void load_once(void *ctx) {
    char config_flag[96];
    snprintf(config_flag, sizeof config_flag, "--config.file=%s", file_path);
    char *argv[] = {config_flag, (char *)(uintptr_t)everything.args[0], (char *)(uintptr_t)everything.args[1], NULL};
    char *environment[] = {(char *)(uintptr_t)everything.environment[0], (char *)(uintptr_t)everything.environment[1],
                           NULL};
    struct oxp_config_source source = {3, argv, environment};
    struct oxp_config config;
    struct oxp_error error = {0};
    enum oxp_status status = oxp_config_load(&source, &config, &error);
    bool hit = alloc_fail_hit();
    if (ctx == NULL) { /* the right file */
        assert_int_equal(status, hit ? OXP_ERR_NOMEM : OXP_OK);
    } else { /* a wrong one: a fault is told either way */
        assert_true(status == (hit ? OXP_ERR_NOMEM : OXP_ERR_INVALID) || status == OXP_ERR_INVALID);
    }
    assert_true(status == OXP_OK || error.text[0] != '\0');
    oxp_config_fini(&config);
}

static void test_no_memory(void **state) {
    (void)state;
    write_file("log: {format: json}\nlimits: {series: 500}\norchestrator:\n  environment: ${HOST}-$$\n"
               "external_labels: {a: b, c: \"${HOST}\"}\nrule_files: [a, \"${HOST}\"]\n"
               "alerting: {route: {receiver: x}, receivers: [{name: \"${HOST}\"}, ~]}\n");
    assert_true(alloc_fail_each(load_once, NULL) > OXP_OPTIONS);
    write_file("log: {format: xml, x: y}\nlimits: [500]\norchestrator:\n  environment: ${NOT}\n");
    static int wrong;
    assert_true(alloc_fail_each(load_once, &wrong) > 10);
}

static void test_labels(void **state) {
    (void)state;
    static const struct {
        const char *text;
        const char *pairs[7];
    } rows[] = {
        {"", {NULL}},
        {"a=b", {"a", "b", NULL}},
        {"a=b,c=,d=e=f", {"a", "b", "c", "", "d", "e=f", NULL}},
        {"a=x\\,y\\\\,b=z", {"a", "x,y\\", "b", "z", NULL}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct oxp_config config;
        char flag[64], **pairs = NULL;
        snprintf(flag, sizeof flag, "--external-labels=%s", rows[i].text);
        struct input input = {.args = {flag}};
        assert_int_equal(load(&input, &config, NULL), OXP_OK);
        assert_int_equal(oxp_config_labels(&config, OXP_OPT_EXTERNAL_LABELS, &pairs), OXP_OK);
        for (size_t k = 0; rows[i].pairs[k] != NULL; k++) {
            assert_string_equal(pairs[k], rows[i].pairs[k]);
            assert_true(rows[i].pairs[k + 1] != NULL || pairs[k + 1] == NULL);
        }
        assert_true(rows[i].pairs[0] != NULL || pairs[0] == NULL);
        free(pairs);
        oxp_config_fini(&config);
    }
}

static void test_paths(void **state) {
    (void)state;
    static const struct {
        const char *text;
        const char *paths[4];
    } rows[] = {
        {"", {NULL}},
        {"a.yml", {"a.yml", NULL}},
        {"a,b c,d*", {"a", "b c", "d*", NULL}},
        {"x\\,y\\\\,b", {"x,y\\", "b", NULL}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct oxp_config config;
        char flag[64], **paths = NULL;
        snprintf(flag, sizeof flag, "--rule-files=%s", rows[i].text);
        struct input input = {.args = {flag}};
        assert_int_equal(load(&input, &config, NULL), OXP_OK);
        assert_int_equal(oxp_config_paths(&config, OXP_OPT_RULE_FILES, &paths), OXP_OK);
        size_t k = 0;
        for (; rows[i].paths[k] != NULL; k++) {
            assert_string_equal(paths[k], rows[i].paths[k]);
        }
        assert_null(paths[k]);
        free(paths);
        oxp_config_fini(&config);
    }
}

static int make_folder(void **state) {
    (void)state;
    if (mkdtemp(folder) == NULL) {
        return -1;
    }
    snprintf(file_path, sizeof file_path, "%s/oxpecker.yml", folder);
    return 0;
}

static int remove_folder(void **state) {
    (void)state;
    unlink(file_path);
    return rmdir(folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_accepted),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_labels),
        cmocka_unit_test(test_paths),
        cmocka_unit_test(test_status_of_files),
        cmocka_unit_test(test_file_limit),
        cmocka_unit_test(test_pipe),
        cmocka_unit_test(test_secrets_are_not_shown),
        cmocka_unit_test(test_trees),
        cmocka_unit_test(test_trees_stand_in_the_file_only),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
