#include "tests/unit/alerts/rules/world.h"

#include "tests/unit/alerts/tsdb/memory_text.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- What is told ---- */

static double since(const struct world *world, int64_t ms) {
    return ms == 0 ? 0 : (double)(ms - world->start_ms) / 1000;
}

static void on_alert(void *ctx, const struct oxp_alert_event *event) {
    static const char *const names[] = {"SAME", "BEGAN", "FIRED", "DROPPED", "RESOLVED", "FORGET"};
    struct world *world = ctx;
    if (event->change == OXP_ALERT_SAME && !world->telling_again) {
        return;
    }
    oxp_buf_append_format(&world->told, "%.0f %s ", since(world, world_now(world)), names[event->change]);
    oxp_labels_format(&world->told, event->labels, false);
    oxp_buf_append_char(&world->told, ' ');
    oxp_buf_append_double(&world->told, event->value);
    if (event->annotations->count != 0) {
        oxp_buf_append_char(&world->told, ' ');
        oxp_labels_format(&world->told, event->annotations, false);
    }
    oxp_buf_append_char(&world->told, '\n');
}

static void on_note(void *ctx, const struct oxp_rule_group *group, const struct oxp_rule *rule, const char *text) {
    struct world *world = ctx;
    oxp_buf_append_view(&world->notes, group->name);
    if (rule != NULL) {
        oxp_buf_append_format(&world->notes, " %s", rule->name->text);
    }
    oxp_buf_append_format(&world->notes, ": %s\n", text);
}

static void assert_text(struct oxp_buf *is, const char *expected) {
    if (strcmp(oxp_buf_text(is), expected) != 0) {
        fail_msg("is:\n%s\nexpected:\n%s", oxp_buf_text(is), expected);
    }
    oxp_buf_clear(is);
}

void assert_told(struct world *world, const char *expected) {
    assert_text(&world->told, expected);
}

void assert_notes(struct world *world, const char *expected) {
    assert_text(&world->notes, expected);
}

void assert_alerts(struct world *world, const char *expected) {
    struct oxp_arena arena;
    struct oxp_buf text;
    const struct oxp_group_view *groups;
    size_t count;
    oxp_arena_init(&arena, 0);
    oxp_buf_init(&text, 0);
    assert_int_equal(oxp_rules_view(world->rules, &arena, &groups, &count), OXP_OK);
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < groups[i].count; k++) {
            for (size_t n = 0; n < groups[i].rules[k].alert_count; n++) {
                const struct oxp_alert_view *alert = &groups[i].rules[k].alerts[n];
                oxp_labels_format(&text, alert->labels, false);
                oxp_buf_append_format(&text, " %s since %.0f value ", oxp_alert_state_text(alert->life.state),
                                      since(world, alert->life.active_ms));
                oxp_buf_append_double(&text, alert->value);
                oxp_buf_append_char(&text, '\n');
            }
        }
    }
    assert_text(&text, expected);
    oxp_buf_fini(&text);
    oxp_arena_fini(&arena);
}

void assert_health(struct world *world, size_t group, size_t rule, const char *expected) {
    struct oxp_arena arena;
    struct oxp_buf text;
    const struct oxp_group_view *groups;
    size_t count;
    oxp_arena_init(&arena, 0);
    oxp_buf_init(&text, 0);
    assert_int_equal(oxp_rules_view(world->rules, &arena, &groups, &count), OXP_OK);
    const struct oxp_rule_view *view = &groups[group].rules[rule];
    oxp_buf_append_text(&text, view->health == OXP_RULE_UNKNOWN ? "unknown" : view->health == OXP_RULE_OK ? "ok" : "");
    oxp_buf_append_view(&text, view->last_error);
    assert_text(&text, expected);
    oxp_buf_fini(&text);
    oxp_arena_fini(&arena);
}

void assert_series(struct world *world, const char *prefix, const char *expected) {
    struct oxp_tsdb_reader reader;
    struct oxp_arena arena;
    struct oxp_buf text;
    struct oxp_points points = {0};
    struct oxp_tsdb_found *found = NULL;
    size_t count = 0;
    oxp_arena_init(&arena, 0);
    oxp_buf_init(&text, 0);
    assert_int_equal(oxp_tsdb_read(world->tsdb, &reader), OXP_OK);
    assert_int_equal(oxp_tsdb_select(&reader, NULL, 0, INT64_MIN, INT64_MAX, &arena, &found, &count), OXP_OK);
    for (size_t i = 0; i < count; i++) {
        const struct oxp_symbol *name = oxp_labels_name(found[i].labels);
        if (name == NULL || strncmp(name->text, prefix, strlen(prefix)) != 0) {
            continue;
        }
        bool is_time = strcmp(name->text, "ALERTS_FOR_STATE") == 0;
        assert_int_equal(oxp_tsdb_samples(&reader, found[i].series, INT64_MIN, INT64_MAX, &points), OXP_OK);
        oxp_labels_format(&text, found[i].labels, true);
        for (size_t k = 0; k < points.count; k++) {
            oxp_buf_append_char(&text, ' ');
            if (oxp_is_stale(points.value[k])) {
                oxp_buf_append_text(&text, "stale");
            } else {
                oxp_buf_append_double(&text, points.value[k] - (is_time ? (double)(world->start_ms / 1000) : 0));
            }
            oxp_buf_append_format(&text, "@%.0f", since(world, points.time_ms[k]));
        }
        oxp_buf_append_char(&text, '\n');
    }
    oxp_tsdb_close(&reader);
    oxp_points_fini(&points);
    oxp_arena_fini(&arena);
    assert_text(&text, expected);
    oxp_buf_fini(&text);
}

/* ---- Beginning and end ---- */

struct oxp_rule_file *world_file(const char *yaml, const char *path) {
    struct oxp_rule_file *file = NULL;
    struct oxp_error error = {0};
    if (oxp_rule_file_read(oxp_view_from(yaml), oxp_view_from(path), NULL, NULL, &file, &error) != OXP_OK) {
        fail_msg("%u:%u: %s", error.line, error.column, error.text);
    }
    return file;
}

enum oxp_status world_load(struct world *world, const char *yaml) {
    struct oxp_rule_file *file = world_file(yaml, "rules.yml");
    enum oxp_status status = oxp_rules_load(world->rules, &file, 1, world_now(world));
    if (status != OXP_OK) {
        oxp_rule_file_free(file);
    }
    return status;
}

void world_open(struct world *world, const char *yaml) {
    *world = (struct world){0};
    oxp_clock_manual_init(&world->clock, 1767225600);
    oxp_buf_init(&world->told, 0);
    oxp_buf_init(&world->notes, 0);
    assert_non_null(oxp_buf_reserve(&world->told, 4096)); /* the failing allocations are to be the rules' own */
    assert_non_null(oxp_buf_reserve(&world->notes, 4096));
    world->tsdb = new_memory(7200, 0);
    assert_int_equal(oxp_promql_engine_new(NULL, &world->engine), OXP_OK);
    world->options = (struct oxp_rules_options){.tsdb = world->tsdb,
                                                .engine = world->engine,
                                                .clock = &world->clock.clock,
                                                .on_alert = on_alert,
                                                .on_note = on_note,
                                                .ctx = world};
    assert_int_equal(oxp_rules_new(&world->options, &world->rules), OXP_OK);
    assert_int_equal(world_load(world, yaml), OXP_OK);
    world->start_ms = oxp_rules_next(world->rules);
}

void world_restart(struct world *world, const char *yaml) {
    oxp_rules_free(world->rules);
    assert_int_equal(oxp_rules_new(&world->options, &world->rules), OXP_OK);
    assert_int_equal(world_load(world, yaml), OXP_OK);
}

void world_close(struct world *world) {
    oxp_rules_free(world->rules);
    oxp_promql_engine_free(world->engine);
    oxp_tsdb_free(world->tsdb);
    oxp_buf_fini(&world->told);
    oxp_buf_fini(&world->notes);
}

/* ---- Series and time ---- */

void world_set(struct world *world, const char *name, double value) {
    for (size_t i = 0; i < world->series_count; i++) {
        if (strcmp(world->series[i].name, name) == 0) {
            world->series[i].value = value;
            return;
        }
    }
    struct world_series *series = &world->series[world->series_count++];
    snprintf(series->name, sizeof series->name, "%s", name);
    series->value = value;
}

void world_unset(struct world *world, const char *name) {
    world_set(world, name, oxp_stale_value());
}

int64_t world_now(const struct world *world) {
    return world->clock.wall_now.ns / OXP_NS_PER_MS;
}

void world_pass(struct world *world, double seconds) {
    int64_t ms = (int64_t)(seconds * 1000 + 0.5);
    world->clock.wall_now.ns += ms * OXP_NS_PER_MS;
    world->clock.mono_now.ns += ms * OXP_NS_PER_MS;
}

void world_jump(struct world *world, double seconds) {
    world->clock.wall_now.ns += (int64_t)(seconds * 1e9);
}

void world_tick(struct world *world) {
    for (size_t i = 0; i < world->series_count; i++) {
        append_to(world->tsdb, world->series[i].name, world_now(world), world->series[i].value);
        if (oxp_is_stale(world->series[i].value)) {
            world->series[i--] = world->series[--world->series_count];
        }
    }
    oxp_tsdb_trim(world->tsdb, world_now(world));
    oxp_rules_run(world->rules, world_now(world), world->held);
}

void world_step(struct world *world, int count) {
    for (int i = 0; i < count; i++) {
        int64_t wait_ms = oxp_rules_next(world->rules) - world_now(world);
        world_pass(world, wait_ms < 0 ? 0 : (double)wait_ms / 1000);
        world_tick(world);
    }
}
