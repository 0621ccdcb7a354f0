/* Any bytes as the `cloudwatch` section. Beside not crashing: what is refused says where and why, in UTF-8 without
 * control characters; the alarms of what is taken have names that CloudWatch takes, and their requests, the policy and
 * the dashboard are JSON. */
#include "alerts/cloudwatch/plan.h"

#include "lib/base/utf8.h"
#include "lib/json/json.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ALARM_NAME_MAX 255 /* of PutMetricAlarm */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds) {
    if (!holds) {
        abort();
    }
}

static void check_reason(const struct oxp_error *error) {
    struct oxp_view why = oxp_view_from(error->text);
    check(why.len != 0 && oxp_utf8_is_valid(why));
    for (size_t i = 0; i < why.len; i++) {
        check((unsigned char)why.ptr[i] >= 0x20 && why.ptr[i] != 0x7f);
    }
}

static void check_json(struct oxp_view text) {
    struct oxp_json *value = NULL;
    check(oxp_json_read(text, &value, NULL) == OXP_OK && oxp_json_kind_of(value) == OXP_JSON_OBJECT);
    oxp_json_free(value);
}

static struct oxp_cw_config *read_config(struct oxp_view text, const struct oxp_cw_identity *identity) {
    struct oxp_yaml *yaml = NULL;
    const struct oxp_yaml_node *root = NULL;
    struct oxp_cw_config *config = NULL;
    struct oxp_error error = {0};
    if (oxp_yaml_parse(text, &yaml, &root, &error) != OXP_OK) {
        return NULL;
    }
    if (root != NULL && oxp_cw_config_read(root, "cloudwatch", identity, &config, &error) != OXP_OK) {
        check(config == NULL && error.line != 0);
        check_reason(&error);
    }
    oxp_yaml_free(yaml);
    return config;
}

static void check_texts(const struct oxp_cw_plan_input *input) {
    struct oxp_buf out = {0};
    check(oxp_cw_policy(input, OXP_VIEW("us-east-1"), &out) == OXP_OK);
    check_json(oxp_buf_view(&out));
    oxp_buf_fini(&out);
    check(oxp_cw_dashboard(input, OXP_VIEW("us-east-1"), &out) == OXP_OK);
    check_json(oxp_buf_view(&out));
    oxp_buf_fini(&out);
}

static void check_plan(const struct oxp_cw_plan_input *input) {
    struct oxp_arena arena = {0};
    const struct oxp_cw_planned *alarms = NULL;
    struct oxp_cw_cost cost;
    struct oxp_error error = {0};
    size_t count = 0;
    if (oxp_cw_wanted(input, &arena, &alarms, &count, &error) != OXP_OK) {
        check_reason(&error);
    } else {
        for (size_t i = 0; i < count; i++) {
            check(alarms[i].name[0] != '\0' && strlen(alarms[i].name) <= ALARM_NAME_MAX);
            check_json(oxp_view_from(alarms[i].body));
            check_json(oxp_view_from(alarms[i].update));
        }
        check(oxp_cw_cost_of(input, alarms, count, &cost) == OXP_OK);
        check(isfinite(cost.total_month) && cost.total_month >= 0.0);
        check_texts(input);
    }
    oxp_arena_fini(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const struct oxp_cw_identity identity = {.service = "collector", .environment = "production"};
    struct oxp_cw_config *config = read_config(oxp_view_of((const char *)data, size), &identity);
    if (config != NULL) {
        const struct oxp_cw_plan_input input = {.config = config, .identity = &identity};
        check_plan(&input);
        oxp_cw_config_free(config);
    }
    return 0;
}
