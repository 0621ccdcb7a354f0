/* A driver for test_alerting.py: the way of an alert from the rules to its receivers, without a daemon around it.
 *
 *     alerting_driver CONFIG [DIRECTORY]   CONFIG is the `alerting` section alone; the outbox is in DIRECTORY, or in
 *                                          memory
 *
 * Each line of standard input is something that the rules say: `fire NAME=VALUE,…`, `resolve NAME=VALUE,…`, `ready`.
 * At its end the driver stops as the sidecar does. What was sent is told on standard output, a line for each try. */
#include <stdio.h>
#include <stdlib.h>

#include "alerts/notify/alerting.h"
#include "lib/base/file.h"
#include "lib/net/net.h"

struct driver {
    struct oxp_outbox *outbox;
    struct oxp_alerting *alerting;
    struct oxp_courier *courier;
};

static int64_t now_ms(void) {
    return oxp_clock_wall(oxp_clock_system()).ns / OXP_NS_PER_MS;
}

static void on_put(void *ctx, struct oxp_view receiver) {
    const struct driver *driver = ctx;
    oxp_courier_wake(driver->courier, receiver);
}

static void on_send(void *ctx, const struct oxp_recipient *recipient, const struct oxp_outbox_message *message,
                    const struct oxp_verdict *verdict, double seconds) {
    static const char *const words[] = {"delivered", "again", "wait", "refused"};
    (void)ctx;
    (void)seconds;
    printf("%s %s %.*s: %.*s\n", words[verdict->delivery], recipient->receiver, (int)message->group.len,
           message->group.ptr, (int)verdict->answer.len, verdict->answer.ptr == NULL ? "" : verdict->answer.ptr);
    fflush(stdout);
}

static struct oxp_alerting_config *read_config(const char *path) {
    struct oxp_buf text;
    struct oxp_yaml *yaml = NULL;
    const struct oxp_yaml_node *root = NULL;
    struct oxp_alerting_config *config = NULL;
    struct oxp_error error = {0};
    oxp_buf_init(&text, 0);
    if (oxp_file_read(path, &text, &error) != OXP_OK ||
        oxp_yaml_parse(oxp_buf_view(&text), &yaml, &root, &error) != OXP_OK ||
        oxp_alerting_config_read(root, path, &config, &error) != OXP_OK) {
        fprintf(stderr, "alerting_driver: %s:%u:%u: %s\n", path, error.line, error.column, error.text);
    }
    oxp_yaml_free(yaml);
    oxp_buf_fini(&text);
    return config;
}

static const struct oxp_labels *labels_of(struct oxp_arena *arena, const char *text) {
    struct oxp_labels_builder builder;
    oxp_labels_build(&builder, arena, oxp_labels_none());
    while (*text != '\0') {
        size_t name = strcspn(text, "="), value = text[name] == '\0' ? 0 : strcspn(text + name + 1, ",");
        oxp_labels_set_text(&builder, oxp_view_of(text, name), oxp_view_of(text + name + 1, value));
        text += text[name] == '\0' ? name : name + 1 + value;
        text += *text == ',';
    }
    return oxp_labels_finish(&builder);
}

static void say(struct driver *driver, const char *labels, bool firing) {
    static int64_t fired_ms;
    struct oxp_arena arena;
    struct oxp_rule rule = {.query = OXP_VIEW("sum by (i) (x{y=~\"a|b\"}) > 1 + 1")};
    struct oxp_rule_group group = {.interval_ms = 1000};
    struct oxp_alert_event event = {.group = &group, .rule = &rule};
    fired_ms = fired_ms == 0 ? now_ms() : fired_ms; /* all since the first */
    oxp_arena_init(&arena, 0);
    event.labels = labels_of(&arena, labels);
    event.annotations = labels_of(&arena, "description=a <b> & \"c\" \xc3\xbc,summary=the same");
    event.life = (struct oxp_alert_life){.state = OXP_ALERT_FIRING, .fired_ms = fired_ms};
    if (!firing) {
        event.life = (struct oxp_alert_life){.fired_ms = fired_ms, .resolved_ms = now_ms()};
    }
    if (event.labels != NULL && event.annotations != NULL) {
        oxp_alerting_tell(driver->alerting, &event);
    }
    oxp_arena_fini(&arena);
}

static void listen_to_rules(struct driver *driver) {
    char line[4096];
    while (fgets(line, sizeof line, stdin) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        if (strcmp(line, "ready") == 0) {
            oxp_alerting_rules_ready(driver->alerting, now_ms());
        } else if (strncmp(line, "fire ", 5) == 0) {
            say(driver, line + 5, true);
        } else if (strncmp(line, "resolve ", 8) == 0) {
            say(driver, line + 8, false);
        }
    }
}

static bool begin(struct driver *driver, struct oxp_alerting_config *config, const char *directory) {
    struct oxp_error error = {0};
    struct oxp_outbox_options outbox = {.directory = directory};
    if (oxp_outbox_open(&outbox, now_ms(), &driver->outbox, NULL, &error) != OXP_OK) {
        fprintf(stderr, "alerting_driver: %s\n", error.text);
        return false;
    }
    struct oxp_courier_options courier = {.outbox = driver->outbox,
                                          .clock = oxp_clock_system(),
                                          .http_new = oxp_net_http_new,
                                          .on_send = on_send,
                                          .ctx = driver};
    courier.recipients = oxp_alerting_recipients(config, &courier.count);
    struct oxp_alerting_options alerting = {.config = config,
                                            .outbox = driver->outbox,
                                            .clock = oxp_clock_system(),
                                            .external_url = "http://sidecar:10108",
                                            .on_put = on_put,
                                            .ctx = driver};
    return oxp_courier_new(&courier, &driver->courier) == OXP_OK &&
           oxp_alerting_new(&alerting, &driver->alerting, &error) == OXP_OK &&
           oxp_alerting_start(driver->alerting) == OXP_OK;
}

int main(int argc, char **argv) {
    struct driver driver = {0};
    struct oxp_alerting_config *config = argc < 2 ? NULL : read_config(argv[1]);
    if (config == NULL) {
        return 2;
    }
    bool begun = begin(&driver, config, argc < 3 ? NULL : argv[2]);
    if (begun) {
        listen_to_rules(&driver);
        oxp_alerting_stop(driver.alerting);
        oxp_courier_stop(driver.courier, 5000);
    }
    oxp_courier_free(driver.courier);
    if (driver.alerting == NULL) {
        oxp_alerting_config_free(config);
    }
    oxp_alerting_free(driver.alerting);
    oxp_outbox_close(driver.outbox);
    return begun ? 0 : 1;
}
