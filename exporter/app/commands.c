#include "exporter/app/app.h"

#include "exporter/app/build.h"
#include "exporter/config/config.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *usage;
    const char *help;
};

static const struct command commands[] = {
    {"run", oxp_command_run, "[flags]", "run the sidecar (this is also what no command at all does)"},
    {"check", oxp_command_check,
     "config FILE… | rules [--storage.retention=DURATION] FILE… | metrics [--format=text|openmetrics] < FILE",
     "say what is wrong with a file, with line and column; exit 1 when something is"},
    {"query", oxp_command_query, "[--server=URL] [--time=TIME] [--output=table|json] [flags] EXPR",
     "evaluate a PromQL expression over what the sidecar remembers"},
    {"alerts", oxp_command_alerts, "[--server=URL] [--output=table|json] [flags]",
     "list the alerts that fire and those that are pending, with their values, since when, and why"},
    {"outbox", oxp_command_outbox,
     "list | show ID | retry ID | retry --receiver=NAME | retry --all [--receiver=NAME] [--state=STATE] [--limit=N] "
     "[--output=table|json] [flags]",
     "look at what waits to be delivered, what was set aside and why; send it again"},
    {"cloudwatch", oxp_command_cloudwatch, "plan | apply [--prune] | test | policy | dashboard [flags]",
     "say what would be created in CloudWatch and what it costs; create it; set off a test alarm; print the IAM "
     "policy, or "
     "a dashboard"},
    {"test", oxp_command_test, "rules FILE… | promql FILE…",
     "run unit tests of rules in promtool's format, or scripts in Prometheus' PromQL test language; exit 1 when a test "
     "fails"},
    {"send", oxp_command_send, "[flags] TYPE key=value… | -",
     "send one event and wait until the sidecar has applied it; with - one a line from standard input, over one "
     "connection"},
    {"healthcheck", oxp_command_healthcheck, "[flags]", "exit 0 when the sidecar is ready"},
    {"help", oxp_command_help, "", "print this"},
    {"version", oxp_command_version, "", "print the version, and those of the libraries"},
};

static const struct command *find(const char *name) {
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        if (strcmp(commands[i].name, name) == 0) {
            return &commands[i];
        }
    }
    return NULL;
}

int oxp_command_help(int argc, char **argv) {
    (void)argc;
    (void)argv;
    puts(
        "usage: oxpecker [COMMAND] [flags]\n\n"
        "A sidecar that exposes an orchestrator's sessions, durations, retries and breakers on /metrics.\n\nCommands:");
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        printf("  %s %s\n      %s\n", commands[i].name, commands[i].usage, commands[i].help);
    }
    char *flags = oxp_config_help();
    printf("\nFlags:\n%s", flags == NULL ? "" : flags);
    free(flags);
    return 0;
}

int oxp_command_version(int argc, char **argv) {
    (void)argc;
    (void)argv;
    char *text = oxp_build_text();
    fputs(text == NULL ? "" : text, stdout);
    free(text);
    return 0;
}

/* --help and --version are understood wherever they stand, as Prometheus' own programs do. */
static const struct command *asked_by_flag(int argc, char **argv) {
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            return find("help");
        }
        if (strcmp(argv[i], "--version") == 0) {
            return find("version");
        }
    }
    return NULL;
}

int oxp_app_main(int argc, char **argv) {
    const struct command *command = asked_by_flag(argc, argv);
    if (command != NULL) {
        return command->run(0, argv);
    }
    if (argc < 2 || argv[1][0] == '-') {
        return oxp_command_run(argc - 1, argv + 1);
    }
    command = find(argv[1]);
    if (command == NULL) {
        fprintf(stderr, "oxpecker: there is no command \"%s\"; try oxpecker --help\n", argv[1]);
        return 1;
    }
    return command->run(argc - 2, argv + 2);
}
