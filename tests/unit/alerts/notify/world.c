#include "tests/unit/alerts/notify/world.h"

#include "lib/json/json.h"
#include <stdio.h>
#include <stdlib.h>

/* ---- A disk that fails: -Wl,--wrap=oxp_outbox_put ---- */

static bool broken;

enum oxp_status __real_oxp_outbox_put(struct oxp_outbox *outbox, const struct oxp_outbox_write *write, int64_t now_ms,
                                      struct oxp_error *error);
enum oxp_status __wrap_oxp_outbox_put(struct oxp_outbox *outbox, const struct oxp_outbox_write *write, int64_t now_ms,
                                      struct oxp_error *error);
enum oxp_status __wrap_oxp_outbox_put(struct oxp_outbox *outbox, const struct oxp_outbox_write *write, int64_t now_ms,
                                      struct oxp_error *error) {
    if (broken) {
        return oxp_error_set(error, OXP_ERR_IO, 0, 0, "the disk is broken");
    }
    return __real_oxp_outbox_put(outbox, write, now_ms, error);
}

void world_break(bool is_broken) {
    broken = is_broken;
}

/* ---- Begin and end ---- */

static int64_t now_ms(const struct world *world) {
    return oxp_clock_wall(&world->clock.clock).ns / OXP_NS_PER_MS;
}

double world_now(const struct world *world) {
    return (double)(now_ms(world) - WORLD_START_S * 1000) / 1000;
}

struct oxp_alerting_config *world_config(const char *yaml) {
    struct oxp_yaml *document;
    const struct oxp_yaml_node *root;
    struct oxp_alerting_config *config = NULL;
    struct oxp_error error = {0};
    assert_int_equal(oxp_yaml_parse(oxp_view_from(yaml), &document, &root, &error), OXP_OK);
    if (oxp_alerting_config_read(root, "oxpecker.yml", &config, &error) != OXP_OK) {
        fail_msg("%u:%u: %s", error.line, error.column, error.text);
    }
    oxp_yaml_free(document);
    return config;
}

static void on_put(void *ctx, struct oxp_view receiver) {
    struct world *world = ctx;
    world->wakes += receiver.len != 0;
}

static void on_left_out(void *ctx, struct oxp_view alert, size_t bytes) {
    struct world *world = ctx;
    assert_true(oxp_view_is(alert, "X") && bytes > OXP_ALERTING_ALERT_MAX);
    world->left_out++;
}

static void on_failure(void *ctx, const struct oxp_error *error) {
    struct world *world = ctx;
    world->complaints += error->text[0] != '\0';
}

static bool awaits(void *ctx, struct oxp_view alertname) {
    const struct world *world = ctx;
    return world->awaited != NULL && oxp_view_is(alertname, world->awaited);
}

static void begin(struct world *world, const char *yaml) {
    struct oxp_error error = {0};
    world->config = world_config(yaml);
    struct oxp_alerting_options options = {.config = world->config,
                                           .outbox = world->outbox,
                                           .clock = &world->clock.clock,
                                           .external_url = "http://sidecar:10108",
                                           .on_put = on_put,
                                           .on_failure = on_failure,
                                           .on_left_out = on_left_out,
                                           .awaits = awaits,
                                           .ctx = world};
    assert_int_equal(oxp_alerting_upgrade(world->config, world->outbox, now_ms(world), &error), OXP_OK);
    assert_int_equal(oxp_alerting_new(&options, &world->alerting, &error), OXP_OK);
}

void world_open(struct world *world, const char *yaml) {
    struct oxp_error error = {0};
    struct oxp_outbox_options options = {0};
    *world = (struct world){0};
    oxp_clock_manual_init(&world->clock, (double)WORLD_START_S);
    assert_int_equal(oxp_outbox_open(&options, now_ms(world), &world->outbox, NULL, &error), OXP_OK);
    begin(world, yaml);
    world_ready(world);
}

void world_restart(struct world *world, const char *yaml) {
    oxp_alerting_free(world->alerting);
    begin(world, yaml);
}

void world_close(struct world *world) {
    world_break(false);
    oxp_alerting_free(world->alerting);
    oxp_outbox_close(world->outbox);
    oxp_buf_fini(&world->log);
}

void world_ready(struct world *world) {
    oxp_alerting_rules_ready(world->alerting, now_ms(world));
}

/* ---- What the rules say ---- */

static const struct oxp_labels *labels_of(struct oxp_arena *arena, const char *text) {
    struct oxp_labels_builder builder;
    oxp_labels_build(&builder, arena, oxp_labels_none());
    while (*text != '\0') {
        size_t name = strcspn(text, "="), value = strcspn(text + name + 1, ",");
        oxp_labels_set_text(&builder, oxp_view_of(text, name), oxp_view_of(text + name + 1, value));
        text += name + 1 + value;
        text += *text == ',';
    }
    const struct oxp_labels *labels = oxp_labels_finish(&builder);
    assert_non_null(labels);
    return labels;
}

void world_say(struct world *world, const char *labels, const struct oxp_alert_event *event) {
    struct oxp_arena arena;
    struct oxp_rule rule = {.query = OXP_VIEW("up == 0")};
    struct oxp_rule_group group = {.interval_ms = 15000};
    struct oxp_alert_event said = *event;
    char note[64] = "";
    oxp_arena_init(&arena, 0);
    if (world->note[0] != '\0') {
        snprintf(note, sizeof note, "summary=%s", world->note);
    }
    said.rule = &rule;
    said.group = &group;
    said.labels = labels_of(&arena, labels);
    said.annotations = labels_of(&arena, note);
    oxp_alerting_tell(world->alerting, &said);
    oxp_arena_fini(&arena);
}

static int64_t ms_of(double seconds) {
    return WORLD_START_S * 1000 + (int64_t)(seconds * 1000);
}

void world_fired(struct world *world, const char *labels, double started_s) {
    struct oxp_alert_event event = {
        .change = OXP_ALERT_FIRED,
        .life = {.state = OXP_ALERT_FIRING, .active_ms = ms_of(started_s), .fired_ms = ms_of(started_s)}};
    world_say(world, labels, &event);
}

void world_fire(struct world *world, const char *labels) {
    world_fired(world, labels, world_now(world));
}

void world_resolved(struct world *world, const char *labels, double started_s, double ended_s) {
    struct oxp_alert_event event = {.change = OXP_ALERT_RESOLVED,
                                    .life = {.state = OXP_ALERT_INACTIVE,
                                             .active_ms = ms_of(started_s),
                                             .fired_ms = ms_of(started_s),
                                             .resolved_ms = ms_of(ended_s)}};
    world_say(world, labels, &event);
}

void world_resolve(struct world *world, const char *labels, double started_s) {
    world_resolved(world, labels, started_s, world_now(world));
}

/* ---- Receivers ---- */

static void log_alerts(struct world *world, const struct oxp_json *alerts, bool by_end) {
    char now[25];
    oxp_wall_format(oxp_clock_wall(&world->clock.clock), now);
    for (size_t i = 0; i < oxp_json_size(alerts); i++) {
        const struct oxp_json *alert = oxp_json_at(alerts, i);
        struct oxp_view name = oxp_json_text_of(oxp_json_get(oxp_json_get(alert, "labels"), "i"));
        struct oxp_view ends = oxp_json_text_of(oxp_json_get(alert, "endsAt"));
        bool firing = oxp_view_is(oxp_json_text_of(oxp_json_get(alert, "status")), "firing");
        if (by_end) {
            firing = memcmp(ends.ptr, now, 19) > 0; /* of whole seconds */
        }
        oxp_buf_append_format(&world->log, " %.*s%c", (int)name.len, name.ptr, firing ? '+' : '-');
    }
}

static void log_message(struct world *world, const struct oxp_outbox_message *message) {
    struct oxp_json *content = NULL;
    assert_int_equal(oxp_json_read(message->content, &content, NULL), OXP_OK);
    oxp_buf_append_format(&world->log, "%g %.*s ", world_now(world), (int)message->receiver.len, message->receiver.ptr);
    if (oxp_json_kind_of(content) == OXP_JSON_ARRAY) {
        oxp_buf_append_view(&world->log, message->group);
        log_alerts(world, content, true);
    } else {
        struct oxp_view key = oxp_json_text_of(oxp_json_get(content, "groupKey"));
        assert_true(oxp_view_equal(key, message->group));
        assert_true(oxp_view_starts(key, OXP_VIEW("{}:")));
        oxp_buf_append(&world->log, key.ptr + 3, key.len - 3);
        log_alerts(world, oxp_json_get(content, "alerts"), false);
        double truncated = oxp_json_number_of(oxp_json_get(content, "truncatedAlerts"));
        if (truncated != 0) {
            oxp_buf_append_format(&world->log, " ..%g", truncated);
        }
    }
    oxp_buf_append_char(&world->log, '\n');
    oxp_json_free(content);
}

void world_deliver(struct world *world) {
    size_t count;
    const struct oxp_recipient *recipients = oxp_alerting_recipients(world->config, &count);
    for (size_t i = 0; i < count; i++) {
        struct oxp_outbox_message message;
        struct oxp_arena arena;
        int64_t next_ms;
        oxp_arena_init(&arena, 0);
        while (oxp_outbox_claim(world->outbox, oxp_view_from(recipients[i].receiver), now_ms(world), &arena, &message,
                                &next_ms) == OXP_OK) {
            log_message(world, &message);
            assert_int_equal(oxp_outbox_sent(world->outbox, message.id, OXP_VIEW("200"), now_ms(world)), OXP_OK);
        }
        oxp_arena_fini(&arena);
    }
}

void world_pass(struct world *world, double seconds) {
    int64_t until_ms = now_ms(world) + (int64_t)(seconds * 1000);
    for (;;) {
        int64_t next_ms = oxp_alerting_turn(world->alerting, now_ms(world));
        if (!world->down) {
            world_deliver(world);
        }
        assert_true(next_ms > now_ms(world));
        assert_true(next_ms <= now_ms(world) + 60000);
        if (now_ms(world) == until_ms) {
            return;
        }
        next_ms = next_ms < until_ms ? next_ms : until_ms;
        oxp_clock_manual_advance(&world->clock, (double)(next_ms - now_ms(world)) / 1000);
    }
}

void world_jump(struct world *world, double seconds) {
    world->clock.wall_now.ns += (int64_t)(seconds * 1e9);
}

void assert_log(struct world *world, const char *expected) {
    assert_string_equal(oxp_buf_text(&world->log), expected);
    oxp_buf_clear(&world->log);
}

size_t world_groups(struct world *world) {
    struct oxp_alerting_stats stats;
    oxp_alerting_stats(world->alerting, &stats);
    return stats.groups;
}

const char *world_noted(struct world *world) {
    static char text[400];
    struct oxp_arena arena;
    struct oxp_outbox_noted *notes;
    size_t count;
    oxp_arena_init(&arena, 0);
    assert_int_equal(oxp_outbox_notes(world->outbox, 1, &arena, &notes, &count), OXP_OK);
    text[0] = '\0';
    if (count != 0) {
        snprintf(text, sizeof text, "%.*s: %.*s", (int)notes[0].kind.len, notes[0].kind.ptr, (int)notes[0].text.len,
                 notes[0].text.ptr);
    }
    oxp_arena_fini(&arena);
    return text;
}
