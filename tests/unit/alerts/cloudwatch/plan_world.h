/* What the tests of the plan stand on: a configuration and rules read from their texts. */
#ifndef OXP_TESTS_CLOUDWATCH_PLAN_WORLD_H
#define OXP_TESTS_CLOUDWATCH_PLAN_WORLD_H

#include "alerts/cloudwatch/plan_internal.h"

struct plan_world {
    struct oxp_arena arena;
    struct oxp_cw_identity identity;
    struct oxp_cw_config *config; /* may be written to */
    struct oxp_rule_file *file;
    const struct oxp_rule_file *files[1];
    struct oxp_cw_plan_input input;
};

/* `section` is the mapping of `cloudwatch:`; `rules` may be NULL; `replica`, if not NULL, the external label's value.
 * Service "collector", environment "test". Fails the test when one of them is refused. */
void plan_world_open(struct plan_world *world, const char *section, const char *rules, const char *replica);
void plan_world_close(struct plan_world *world);

#endif
