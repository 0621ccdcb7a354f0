/* The least IAM policy that the configuration needs (actions and resources: AWS' Service Authorization Reference,
 * Amazon CloudWatch). Publishing needs PutMetricData, which knows no resources but a condition on the namespace (the
 * lane otlp, never tried: PutMetricData without it, as AWS' own policies for senders of OTLP have it); the
 * emf lane needs nothing, for the log driver publishes. Alarms need the names of their own environment only, and to
 * look at the tags of the whole service's; but DescribeAlarms that is to see composite alarms, too, must be granted on
 * all. */
#include "alerts/cloudwatch/plan_internal.h"

const char *oxp_cw_partition(struct oxp_view region) {
    static const char *const partitions[][2] = {
        {"cn-", "aws-cn"},         {"us-gov-", "aws-us-gov"}, {"us-iso-", "aws-iso"}, {"us-isob-", "aws-iso-b"},
        {"us-isof-", "aws-iso-f"}, {"eu-isoe-", "aws-iso-e"}, {"eusc-", "aws-eusc"},
    };
    for (size_t i = 0; i < sizeof partitions / sizeof partitions[0]; i++) {
        if (oxp_view_starts(region, oxp_view_from(partitions[i][0]))) {
            return partitions[i][1];
        }
    }
    return "aws";
}

/* A text in which nothing is a wildcard or a variable (IAM User Guide, policy variables: ${*}, ${?}, ${$}). */
static void append_literal(struct oxp_buf *out, const char *text) {
    for (; *text != '\0'; text++) {
        if (*text == '*' || *text == '?' || *text == '$') {
            oxp_buf_append_format(out, "${%c}", *text);
        } else {
            oxp_buf_append_char(out, *text);
        }
    }
}

static void append_text(struct oxp_buf *out, struct oxp_buf *text) {
    oxp_buf_append_json_string(out, oxp_buf_view(text));
    if (oxp_buf_status(text) != OXP_OK && oxp_buf_status(out) == OXP_OK) {
        out->status = oxp_buf_status(text);
    }
    oxp_buf_fini(text);
}

static void append_statement(struct oxp_buf *out, size_t *count, const char *sid, const char *actions) {
    oxp_buf_append_text(out, (*count)++ == 0 ? "\n" : ",\n");
    oxp_buf_append_format(out, "    {\n      \"Sid\": \"%s\",\n      \"Effect\": \"Allow\",\n      \"Action\": [%s],\n",
                          sid, actions);
}

static void append_publish(const struct oxp_cw_config *config, struct oxp_buf *out, size_t *count) {
    append_statement(out, count, "OxpeckerPublish", "\"cloudwatch:PutMetricData\"");
    if (config->lane == OXP_CW_OTLP) { /* OTLP has no namespace that a condition could hold on to */
        oxp_buf_append_text(out, "      \"Resource\": \"*\"\n    }");
        return;
    }
    oxp_buf_append_text(out, "      \"Resource\": \"*\",\n"
                             "      \"Condition\": {\"StringEquals\": {\"cloudwatch:namespace\": ");
    oxp_buf_append_json_string(out, oxp_view_from(config->namespace_name));
    oxp_buf_append_text(out, "}}\n    }");
}

/* Our alarms' names: of this environment, or of the whole service. */
static void append_arn(const struct oxp_cw_plan_input *input, struct oxp_view region, bool environment,
                       struct oxp_buf *out) {
    struct oxp_buf arn, prefix;
    oxp_buf_init(&arn, 0);
    oxp_buf_init(&prefix, 0);
    oxp_buf_append_format(&arn, "arn:%s:cloudwatch:", oxp_cw_partition(region));
    oxp_buf_append_view(&arn, region.len == 0 ? OXP_VIEW("*") : region);
    oxp_buf_append_text(&arn, ":*:alarm:");
    oxp_cw_prefix(input, environment, &prefix);
    append_literal(&arn, oxp_buf_text(&prefix));
    oxp_buf_append_char(&arn, '*');
    arn.status = oxp_buf_status(&arn) == OXP_OK ? oxp_buf_status(&prefix) : arn.status;
    oxp_buf_fini(&prefix);
    oxp_buf_append_text(out, "      \"Resource\": ");
    append_text(out, &arn);
    oxp_buf_append_text(out, "\n    }");
}

static void append_alarms(const struct oxp_cw_plan_input *input, struct oxp_view region, struct oxp_buf *out,
                          size_t *count) {
    append_statement(out, count, "OxpeckerSeeAlarms", "\"cloudwatch:DescribeAlarms\"");
    oxp_buf_append_text(out, "      \"Resource\": \"*\"\n    }");
    append_statement(out, count, "OxpeckerSeeTags", "\"cloudwatch:ListTagsForResource\"");
    append_arn(input, region, false, out);
    append_statement(out, count, "OxpeckerOwnAlarms",
                     "\n        \"cloudwatch:PutMetricAlarm\",\n        \"cloudwatch:DeleteAlarms\",\n"
                     "        \"cloudwatch:SetAlarmState\",\n        \"cloudwatch:TagResource\"\n      ");
    append_arn(input, region, true, out);
}

enum oxp_status oxp_cw_policy(const struct oxp_cw_plan_input *input, struct oxp_view region, struct oxp_buf *out) {
    const struct oxp_cw_config *config = input->config;
    size_t count = 0;
    oxp_buf_append_text(out, "{\n  \"Version\": \"2012-10-17\",\n  \"Statement\": [");
    if (config->lane != OXP_CW_EMF) {
        append_publish(config, out, &count);
    }
    if (config->threshold_count > 0 || config->rule_alarms || config->heartbeat_replicas > 0) {
        append_alarms(input, region, out, &count);
    }
    oxp_buf_append_text(out, count == 0 ? "]\n}\n" : "\n  ]\n}\n");
    return oxp_buf_status(out);
}
