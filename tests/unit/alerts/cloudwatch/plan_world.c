#include "tests/unit/alerts/cloudwatch/plan_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

void plan_world_open(struct plan_world *world, const char *section, const char *rules, const char *replica) {
    struct oxp_yaml *yaml = NULL;
    const struct oxp_yaml_node *root = NULL;
    struct oxp_error error = {0};
    *world = (struct plan_world){.identity = {.service = "collector", .environment = "test"}};
    oxp_arena_init(&world->arena, 0);
    if (replica != NULL) {
        struct oxp_labels_builder builder;
        oxp_labels_build(&builder, &world->arena, oxp_labels_none());
        oxp_labels_set_text(&builder, OXP_VIEW("replica"), oxp_view_from(replica));
        world->identity.external_labels = oxp_labels_finish(&builder);
    }
    assert_int_equal(oxp_yaml_parse(oxp_view_from(section), &yaml, &root, &error), OXP_OK);
    if (oxp_cw_config_read(root, "test", &world->identity, &world->config, &error) != OXP_OK) {
        fail_msg("%u:%u: %s", error.line, error.column, error.text);
    }
    oxp_yaml_free(yaml);
    world->input = (struct oxp_cw_plan_input){
        .config = world->config, .identity = &world->identity, .files = world->files, .file_count = 0};
    if (rules != NULL) {
        if (oxp_rule_file_read(oxp_view_from(rules), OXP_VIEW("rules.yml"), NULL, NULL, &world->file, &error) !=
            OXP_OK) {
            fail_msg("%s", error.text);
        }
        world->files[0] = world->file;
        world->input.file_count = 1;
    }
}

void plan_world_close(struct plan_world *world) {
    oxp_rule_file_free(world->file);
    oxp_cw_config_free(world->config);
    oxp_arena_fini(&world->arena);
}
