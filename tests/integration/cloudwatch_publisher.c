/* A publisher with an outbox and a courier, without a daemon, that does what it is told on standard input
 * (tests/integration/test_cloudwatch_publish.py).
 *
 *     cloudwatch_publisher CONFIG DIRECTORY
 *
 * CONFIG holds the mapping of the `cloudwatch` section; the environment says where AWS is and who we are; DIRECTORY is
 * the outbox's, "-" for none. Commands, a line each, and what they print:
 *
 *     set SECONDS NAME VALUE   a sample, unix time; NAME is name,label=value,…
 *     publish SECONDS          "published DATA MESSAGES LEFT_OUT FAILED", or "failed STATUS: reason"
 *     send MS                  lets the courier work until the queue is empty, or so long: "left WAITING ASIDE"
 *     answers                  "STATE TRIES ANSWER" of each message, newest first, then "end" */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "alerts/cloudwatch/publish.h"
#include "lib/net/net.h"

struct driver {
    struct oxp_cw_config *config;
    struct oxp_tsdb *tsdb;
    struct oxp_promql_engine *engine;
    struct oxp_outbox *outbox;
    struct oxp_cw_publisher *publisher;
    struct oxp_aws_world world;
    struct oxp_http *http;
    struct oxp_aws_client *client;
};

static int64_t now_ms(void) {
    return oxp_clock_wall(oxp_clock_system()).ns / OXP_NS_PER_MS;
}

static int fail(enum oxp_status status, const struct oxp_error *error) {
    printf("failed %s: %u:%u: %s\n", oxp_status_name(status), error->line, error->column, error->text);
    return 1;
}

static enum oxp_status read_config(struct driver *driver, const char *path, struct oxp_error *error) {
    static const struct oxp_cw_identity identity = {"collector", "test", NULL};
    static char text[65536];
    struct oxp_yaml *yaml;
    const struct oxp_yaml_node *root;
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return oxp_error_set(error, OXP_ERR_IO, 0, 0, "%s cannot be read", path);
    }
    size_t len = fread(text, 1, sizeof text, file);
    fclose(file);
    enum oxp_status status = oxp_yaml_parse(oxp_view_of(text, len), &yaml, &root, error);
    if (status == OXP_OK) {
        status = oxp_cw_config_read(root, path, &identity, &driver->config, error);
        oxp_yaml_free(yaml);
    }
    return status;
}

static enum oxp_status open_driver(struct driver *driver, char **argv, struct oxp_error *error) {
    const struct oxp_outbox_options outbox = {.directory = strcmp(argv[2], "-") == 0 ? NULL : argv[2]};
    enum oxp_status status = read_config(driver, argv[1], error);
    status = status == OXP_OK ? oxp_tsdb_new(&(struct oxp_tsdb_options){0}, &driver->tsdb) : status;
    status = status == OXP_OK ? oxp_promql_engine_new(&(struct oxp_promql_options){0}, &driver->engine) : status;
    status = status == OXP_OK ? oxp_outbox_open(&outbox, now_ms(), &driver->outbox, NULL, error) : status;
    status = status == OXP_OK ? oxp_net_http_new(&driver->http) : status;
    if (status != OXP_OK) {
        return status;
    }
    driver->world = (struct oxp_aws_world){.http = driver->http, .clock = oxp_clock_system()};
    const struct oxp_aws_client_options client = {
        .world = &driver->world, .place = driver->config->place, .service = "monitoring"};
    const struct oxp_cw_publisher_options publisher = {
        .config = driver->config, .tsdb = driver->tsdb, .engine = driver->engine, .outbox = driver->outbox};
    status = oxp_aws_client_new(&client, &driver->client, error);
    return status == OXP_OK ? oxp_cw_publisher_new(&publisher, &driver->publisher, error) : status;
}

static void close_driver(struct driver *driver) {
    oxp_cw_publisher_free(driver->publisher);
    oxp_aws_client_free(driver->client);
    if (driver->http != NULL) {
        driver->http->free(driver->http);
    }
    oxp_outbox_close(driver->outbox);
    oxp_promql_engine_free(driver->engine);
    oxp_tsdb_free(driver->tsdb);
    oxp_cw_config_free(driver->config);
}

/* ---- Commands ---- */

static void do_set(struct driver *driver, char *line) {
    struct oxp_arena arena;
    struct oxp_labels_builder builder;
    struct oxp_tsdb_series *series;
    char *rest = line, *at = strsep(&rest, " "), *name = strsep(&rest, " ");
    oxp_arena_init(&arena, 0);
    oxp_labels_build(&builder, &arena, oxp_labels_none());
    oxp_labels_set_text(&builder, OXP_VIEW(OXP_NAME_LABEL), oxp_view_from(strsep(&name, ",")));
    for (char *pair; (pair = strsep(&name, ",")) != NULL;) {
        char *key = strsep(&pair, "=");
        oxp_labels_set_text(&builder, oxp_view_from(key), oxp_view_from(pair));
    }
    if (rest == NULL || oxp_tsdb_series_at(driver->tsdb, oxp_labels_finish(&builder), &series) != OXP_OK ||
        oxp_tsdb_append(driver->tsdb, series, strtoll(at, NULL, 10) * 1000, strtod(rest, NULL)) != OXP_OK) {
        printf("failed to set\n");
    }
    oxp_arena_fini(&arena);
}

static void do_publish(struct driver *driver, char *line) {
    struct oxp_cw_published published;
    struct oxp_error error = {0};
    enum oxp_status status = oxp_cw_publish(driver->publisher, strtoll(line, NULL, 10) * 1000, &published, &error);
    if (status != OXP_OK) {
        (void)fail(status, &error);
        return;
    }
    printf("published %zu %zu %" PRIu64 " %" PRIu64 "\n", published.data, published.messages, published.left_out,
           published.failed);
}

static void do_send(struct driver *driver, char *line) {
    const struct oxp_recipient recipient = oxp_cw_recipient_of(driver->config, driver->client);
    const struct oxp_courier_options options = {.outbox = driver->outbox,
                                                .recipients = &recipient,
                                                .count = 1,
                                                .clock = oxp_clock_system(),
                                                .http_new = oxp_net_http_new,
                                                .seed = 1,
                                                .delay_max_s = 1,
                                                .open_s = 1,
                                                .open_max_s = 1};
    struct oxp_courier *courier;
    struct oxp_outbox_stats stats = {0};
    struct oxp_arena arena;
    int64_t until_ms = now_ms() + strtoll(line, NULL, 10);
    if (oxp_courier_new(&options, &courier) != OXP_OK) {
        printf("failed to begin\n");
        return;
    }
    oxp_arena_init(&arena, 0);
    do {
        usleep(10000);
        oxp_arena_clear(&arena);
        (void)oxp_outbox_stats(driver->outbox, &arena, &stats);
    } while (stats.waiting + stats.claimed > 0 && now_ms() < until_ms);
    oxp_courier_free(courier);
    (void)oxp_outbox_stats(driver->outbox, &arena, &stats);
    printf("left %" PRIu64 " %" PRIu64 "\n", stats.waiting + stats.claimed, stats.aside);
    oxp_arena_fini(&arena);
}

static void do_answers(struct driver *driver) {
    struct oxp_outbox_message *messages;
    struct oxp_arena arena;
    size_t count = 0;
    oxp_arena_init(&arena, 0);
    if (oxp_outbox_list(driver->outbox, &(struct oxp_outbox_filter){0}, &arena, &messages, &count) == OXP_OK) {
        for (size_t i = 0; i < count; i++) {
            printf("%s %u %.*s\n", oxp_outbox_state_name(messages[i].state), messages[i].tries,
                   (int)messages[i].answer.len, messages[i].answer.len == 0 ? "" : messages[i].answer.ptr);
        }
    }
    printf("end\n");
    oxp_arena_fini(&arena);
}

int main(int argc, char **argv) {
    struct driver driver = {0};
    struct oxp_error error = {0};
    char line[1024];
    if (argc != 3) {
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    enum oxp_status status = open_driver(&driver, argv, &error);
    if (status != OXP_OK) {
        close_driver(&driver);
        return fail(status, &error);
    }
    while (fgets(line, sizeof line, stdin) != NULL) {
        char *rest = line, *command;
        line[strcspn(line, "\n")] = '\0';
        command = strsep(&rest, " ");
        rest = rest == NULL ? line + strlen(line) : rest;
        if (strcmp(command, "set") == 0) {
            do_set(&driver, rest);
        } else if (strcmp(command, "publish") == 0) {
            do_publish(&driver, rest);
        } else if (strcmp(command, "send") == 0) {
            do_send(&driver, rest);
        } else {
            do_answers(&driver);
        }
    }
    close_driver(&driver);
    return 0;
}
