/* A driver for test_cloudwatch_plan.py: the commands of `oxpecker cloudwatch` on a section of its own, without a
 * daemon.
 *
 *     cloudwatch_driver COMMAND CONFIG [--service=NAME] [--rules=FILE] [--label=NAME=VALUE] [--prune]
 *
 * CONFIG holds the mapping of the `cloudwatch` section; the environment says where AWS is and who we are. Does not
 * wait between calls. A failure is told as "error NAME: text" on standard error, with status 1. */
#include <stdio.h>
#include <string.h>

#include "alerts/cloudwatch/plan.h"
#include "lib/net/net.h"

struct driver {
    const char *command, *path;
    struct oxp_cw_identity identity;
    struct oxp_cw_config *config;
    struct oxp_rule_file *rules;
    struct oxp_arena arena;
    struct oxp_aws_world world;
    struct oxp_aws_client *client;
    struct oxp_http *http;
    bool prune;
};

static void sleep_not(void *ctx, int64_t ms) {
    (void)ctx;
    printf("paused %lld ms\n", (long long)ms);
}

static void tell_done(void *ctx, const struct oxp_cw_planned *alarm) {
    static const char *const words[] = {"kept", "created", "changed", "removed", "conflict"};
    (void)ctx;
    printf("%s %s\n", words[alarm->change], alarm->name);
}

static enum oxp_status read_whole(const char *path, struct oxp_buf *out) {
    char bytes[4096];
    FILE *file = fopen(path, "re");
    oxp_buf_init(out, 0);
    if (file == NULL) {
        return OXP_ERR_IO;
    }
    for (size_t len; (len = fread(bytes, 1, sizeof bytes, file)) > 0;) {
        oxp_buf_append(out, bytes, len);
    }
    fclose(file);
    return oxp_buf_status(out);
}

static enum oxp_status read_rules(struct driver *driver, const char *path, struct oxp_error *error) {
    struct oxp_buf text;
    enum oxp_status status = read_whole(path, &text);
    if (status == OXP_OK) {
        status = oxp_rule_file_read(oxp_buf_view(&text), oxp_view_from(path), NULL, NULL, &driver->rules, error);
    }
    oxp_buf_fini(&text);
    return status;
}

static enum oxp_status read_label(struct driver *driver, const char *text) {
    struct oxp_labels_builder builder;
    size_t len = strcspn(text, "=");
    oxp_labels_build(&builder, &driver->arena, oxp_labels_none());
    oxp_labels_set_text(&builder, oxp_view_of(text, len), oxp_view_from(text + len + 1));
    driver->identity.external_labels = oxp_labels_finish(&builder);
    return driver->identity.external_labels == NULL ? OXP_ERR_NOMEM : OXP_OK;
}

static enum oxp_status read_arguments(struct driver *driver, char **argv, struct oxp_error *error) {
    enum oxp_status status = OXP_OK;
    driver->command = argv[1];
    driver->path = argv[2];
    for (argv += 3; *argv != NULL && status == OXP_OK; argv++) {
        if (strncmp(*argv, "--service=", 10) == 0) {
            driver->identity.service = *argv + 10;
        } else if (strncmp(*argv, "--environment=", 14) == 0) {
            driver->identity.environment = *argv + 14;
        } else if (strncmp(*argv, "--rules=", 8) == 0) {
            status = read_rules(driver, *argv + 8, error);
        } else if (strncmp(*argv, "--label=", 8) == 0) {
            status = read_label(driver, *argv + 8);
        } else {
            driver->prune = driver->prune || strcmp(*argv, "--prune") == 0;
        }
    }
    return status;
}

static enum oxp_status prepare(struct driver *driver, struct oxp_error *error) {
    struct oxp_buf text;
    struct oxp_yaml *yaml = NULL;
    const struct oxp_yaml_node *root = NULL;
    enum oxp_status status = read_whole(driver->path, &text);
    if (status == OXP_OK) {
        status = oxp_yaml_parse(oxp_buf_view(&text), &yaml, &root, error);
    }
    if (status == OXP_OK) {
        status = oxp_cw_config_read(root, driver->path, &driver->identity, &driver->config, error);
    }
    if (status == OXP_OK) {
        status = oxp_net_http_new(&driver->http);
    }
    if (status == OXP_OK) {
        driver->world = (struct oxp_aws_world){.http = driver->http, .clock = oxp_clock_system()};
        struct oxp_aws_client_options options = {
            .world = &driver->world, .place = driver->config->place, .service = "monitoring"};
        status = oxp_aws_client_new(&options, &driver->client, error);
    }
    oxp_yaml_free(yaml);
    oxp_buf_fini(&text);
    return status;
}

static enum oxp_status plan_or_apply(struct driver *driver, const struct oxp_cw_plan_input *input, struct oxp_buf *out,
                                     struct oxp_error *error) {
    struct oxp_cw_plan plan;
    struct oxp_cw_apply_options options = {.prune = driver->prune, .done = tell_done, .sleep = sleep_not};
    enum oxp_status status = oxp_cw_plan(input, driver->client, driver->http, &driver->arena, &plan, error);
    if (status != OXP_OK) {
        return status;
    }
    if (strcmp(driver->command, "plan") == 0) {
        oxp_cw_plan_print(input, &plan, out);
        return OXP_OK;
    }
    return oxp_cw_apply(&plan, input, driver->client, driver->http, &options, error);
}

static enum oxp_status run(struct driver *driver, struct oxp_buf *out, struct oxp_error *error) {
    const struct oxp_rule_file *files[] = {driver->rules};
    struct oxp_cw_plan_input input = {.config = driver->config,
                                      .identity = &driver->identity,
                                      .files = files,
                                      .file_count = driver->rules == NULL ? 0 : 1};
    struct oxp_view region = oxp_aws_client_region(driver->client);
    if (strcmp(driver->command, "test") == 0) {
        return oxp_cw_test(&input, driver->client, driver->http, out, error);
    }
    if (strcmp(driver->command, "policy") == 0) {
        return oxp_cw_policy(&input, region, out);
    }
    if (strcmp(driver->command, "dashboard") == 0) {
        return oxp_cw_dashboard(&input, region, out);
    }
    return plan_or_apply(driver, &input, out, error);
}

int main(int argc, char **argv) {
    struct driver driver = {.identity = {.service = "collector", .environment = "test"}};
    struct oxp_error error = {0};
    struct oxp_buf out;
    oxp_buf_init(&out, 0);
    oxp_arena_init(&driver.arena, 0);
    enum oxp_status status = argc < 3 ? OXP_ERR_INVALID : read_arguments(&driver, argv, &error);
    if (status == OXP_OK) {
        status = prepare(&driver, &error);
    }
    if (status == OXP_OK) {
        status = run(&driver, &out, &error);
    }
    fputs(oxp_buf_text(&out), stdout);
    if (status != OXP_OK) {
        fprintf(stderr, "error %s: %u:%u: %s\n", oxp_status_name(status), error.line, error.column, error.text);
    }
    oxp_aws_client_free(driver.client);
    if (driver.http != NULL) {
        driver.http->free(driver.http);
    }
    oxp_cw_config_free(driver.config);
    oxp_rule_file_free(driver.rules);
    oxp_buf_fini(&out);
    oxp_arena_fini(&driver.arena);
    return status == OXP_OK ? 0 : 1;
}
