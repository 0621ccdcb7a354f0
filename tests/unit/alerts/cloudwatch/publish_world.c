#include "tests/unit/alerts/cloudwatch/publish_world.h"

#include "alerts/cloudwatch/encode.h"
#include "lib/json/json.h"
#include "tests/unit/alerts/tsdb/memory_text.h"
#include <math.h>

struct oxp_cw_config *world_config(const char *yaml_text) {
    static const struct oxp_cw_identity nobody = {"", "", NULL};
    struct oxp_yaml *yaml;
    const struct oxp_yaml_node *root;
    struct oxp_cw_config *config;
    struct oxp_error error = {0};
    assert_int_equal(oxp_yaml_parse(oxp_view_from(yaml_text), &yaml, &root, &error), OXP_OK);
    if (oxp_cw_config_read(root, "test", &nobody, &config, &error) != OXP_OK) {
        fail_msg("%u:%u: %s", error.line, error.column, error.text);
    }
    oxp_yaml_free(yaml);
    return config;
}

static void open_publisher(struct world *world, const char *yaml) {
    world->config = world_config(yaml);
    world->tsdb = new_memory(3600, 0);
    world->options.config = world->config;
    world->options.tsdb = world->tsdb;
    world->options.engine = world->engine;
    world->options.outbox = world->outbox;
    assert_int_equal(oxp_cw_publisher_new(&world->options, &world->publisher, NULL), OXP_OK);
}

void world_open(struct world *world, const char *yaml, const char *directory) {
    const struct oxp_outbox_options outbox = {.directory = directory};
    struct oxp_error error = {0};
    *world = (struct world){0};
    oxp_buf_init(&world->text, 0);
    assert_int_equal(oxp_promql_engine_new(&(struct oxp_promql_options){0}, &world->engine), OXP_OK);
    if (oxp_outbox_open(&outbox, START_S * 1000, &world->outbox, NULL, &error) != OXP_OK) {
        fail_msg("%s", error.text);
    }
    open_publisher(world, yaml);
}

static void close_publisher(struct world *world) {
    oxp_cw_publisher_free(world->publisher);
    oxp_tsdb_free(world->tsdb);
    oxp_cw_config_free(world->config);
}

void world_restart(struct world *world, const char *yaml) {
    close_publisher(world);
    open_publisher(world, yaml);
}

void world_close(struct world *world) {
    close_publisher(world);
    oxp_outbox_close(world->outbox);
    oxp_promql_engine_free(world->engine);
    oxp_buf_fini(&world->text);
}

#define LATER_MS ((START_S + 86400) * 1000)

static int64_t ms_of(double at_s) {
    return START_S * 1000 + (int64_t)llround(at_s * 1000);
}

void world_set(struct world *world, double at_s, const char *series, double value) {
    append_to(world->tsdb, series, ms_of(at_s), value);
}

/* ---- What was published ---- */

static void tell_number(struct oxp_buf *out, const char *before, const struct oxp_json *value) {
    oxp_buf_append_text(out, before);
    oxp_buf_append_double(out, oxp_json_number_of(value));
}

static void tell_dimensions(const struct oxp_json *dimensions, struct oxp_buf *out) {
    assert_true(oxp_json_size(dimensions) <= 30);
    for (size_t i = 0; i < oxp_json_size(dimensions); i++) {
        const struct oxp_json *item = oxp_json_at(dimensions, i);
        oxp_buf_append_char(out, i == 0 ? '{' : ',');
        oxp_buf_append_view(out, oxp_json_text_of(oxp_json_get(item, "Name")));
        oxp_buf_append_char(out, '=');
        oxp_buf_append_json_string(out, oxp_json_text_of(oxp_json_get(item, "Value")));
        oxp_buf_append_text(out, i + 1 == oxp_json_size(dimensions) ? "}" : "");
    }
}

static void tell_datum(const struct oxp_json *datum, struct oxp_buf *out) {
    const struct oxp_json *set = oxp_json_get(datum, "StatisticValues"), *values = oxp_json_get(datum, "Values");
    oxp_buf_append_view(out, oxp_json_text_of(oxp_json_get(datum, "MetricName")));
    tell_dimensions(oxp_json_get(datum, "Dimensions"), out);
    if (set != NULL) {
        tell_number(out, " n=", oxp_json_get(set, "SampleCount"));
        tell_number(out, " sum=", oxp_json_get(set, "Sum"));
        tell_number(out, " min=", oxp_json_get(set, "Minimum"));
        tell_number(out, " max=", oxp_json_get(set, "Maximum"));
    } else if (values != NULL) {
        assert_true(oxp_json_size(values) >= 1 && oxp_json_size(values) <= OXP_CW_VALUES_MAX);
        for (size_t i = 0; i < oxp_json_size(values); i++) {
            tell_number(out, " ", oxp_json_at(values, i));
            tell_number(out, "*", oxp_json_at(oxp_json_get(datum, "Counts"), i));
        }
    } else {
        tell_number(out, " ", oxp_json_get(datum, "Value"));
    }
    if (oxp_json_get(datum, "Unit") != NULL) {
        oxp_buf_append_char(out, ' ');
        oxp_buf_append_view(out, oxp_json_text_of(oxp_json_get(datum, "Unit")));
    }
    oxp_buf_append_char(out, '\n');
}

size_t tell_body(struct oxp_view body, struct oxp_buf *out) {
    struct oxp_json *json;
    struct oxp_error error = {0};
    assert_true(body.len <= OXP_CW_BODY_MAX);
    if (oxp_json_read(body, &json, &error) != OXP_OK) {
        fail_msg("%s: %.*s", error.text, (int)body.len, body.ptr);
    }
    const struct oxp_json *data = oxp_json_get(json, "MetricData");
    size_t count = oxp_json_size(data);
    assert_true(count >= 1 && count <= OXP_CW_DATA_MAX);
    for (size_t i = 0; i < count; i++) {
        tell_datum(oxp_json_at(data, i), out);
    }
    oxp_json_free(json);
    return count;
}

const char *world_waiting(struct world *world) {
    struct oxp_outbox_message message;
    struct oxp_arena arena;
    int64_t next_ms;
    oxp_buf_clear(&world->text);
    oxp_arena_init(&arena, 0);
    while (oxp_outbox_claim(world->outbox, OXP_VIEW(OXP_CW_RECEIVER), LATER_MS, &arena, &message, &next_ms) == OXP_OK) {
        (void)tell_body(message.content, &world->text);
        assert_int_equal(oxp_outbox_sent(world->outbox, message.id, OXP_VIEW("ok"), LATER_MS), OXP_OK);
    }
    oxp_arena_fini(&arena);
    return oxp_buf_text(&world->text);
}

enum oxp_status world_try(struct world *world, double at_s) {
    struct oxp_error error = {0};
    return oxp_cw_publish(world->publisher, ms_of(at_s), &world->published, &error);
}

const char *world_publish(struct world *world, double at_s) {
    assert_int_equal(world_try(world, at_s), OXP_OK);
    return world_waiting(world);
}
