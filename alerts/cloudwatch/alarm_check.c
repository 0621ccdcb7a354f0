/* What PutMetricAlarm would refuse, said before it is asked (limits: CloudWatch's API reference, PutMetricAlarm). */
#include "alerts/cloudwatch/plan_internal.h"

#include "lib/base/utf8.h"
#include <math.h>

#define NAME_MAX_CHARACTERS 255
#define DESCRIPTION_MAX_CHARACTERS 1024
#define ACTIONS_MAX 5
#define ACTION_MAX_BYTES 1024
#define DIMENSIONS_MAX 30
#define TAGS_MAX 50 /* ours included */
#define TAGS_OWN 2
#define DAY_S UINT64_C(86400)
#define WEEK_S UINT64_C(604800)

static enum oxp_status check_names(const struct oxp_cw_alarm *alarm, struct oxp_error *error) {
    struct oxp_view name = oxp_view_from(alarm->name), description = oxp_view_from(alarm->description);
    if (!oxp_utf8_is_valid(name) || oxp_utf8_count(name) > NAME_MAX_CHARACTERS) {
        return oxp_error_set(error, OXP_ERR_LIMIT, alarm->line, 0,
                             "alarm \"%.80s…\": a name has at most %d characters of UTF-8", alarm->name,
                             NAME_MAX_CHARACTERS);
    }
    for (size_t i = 0; i < name.len; i++) {
        if ((unsigned char)name.ptr[i] < ' ' || name.ptr[i] == 0x7f) {
            return oxp_error_set(error, OXP_ERR_INVALID, alarm->line, 0,
                                 "the name of an alarm has a control character");
        }
    }
    if (!oxp_utf8_is_valid(description) || oxp_utf8_count(description) > DESCRIPTION_MAX_CHARACTERS) {
        return oxp_error_set(error, OXP_ERR_LIMIT, alarm->line, 0,
                             "alarm \"%.80s\": the description has %zu characters, the most is %d", alarm->name,
                             oxp_utf8_count(description), DESCRIPTION_MAX_CHARACTERS);
    }
    if (alarm->dimension_count > DIMENSIONS_MAX) { /* what rule_alarms add may be one too many */
        return oxp_error_set(error, OXP_ERR_LIMIT, alarm->line, 0, "alarm \"%.80s\": %zu dimensions, the most is %d",
                             alarm->name, alarm->dimension_count, DIMENSIONS_MAX);
    }
    return OXP_OK;
}

static enum oxp_status check_actions(const struct oxp_cw_alarm *alarm, struct oxp_error *error) {
    const struct {
        const char *name;
        const char *const *list;
    } kinds[] = {
        {"actions", alarm->actions.alarm},
        {"ok_actions", alarm->actions.ok},
        {"insufficient_data_actions", alarm->actions.insufficient},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        size_t count = 0;
        for (; kinds[i].list != NULL && kinds[i].list[count] != NULL; count++) {
            if (strncmp(kinds[i].list[count], "arn:", 4) != 0 || strlen(kinds[i].list[count]) > ACTION_MAX_BYTES) {
                return oxp_error_set(error, OXP_ERR_INVALID, alarm->line, 0, "alarm \"%.80s\": %s: \"%.60s\" is no ARN",
                                     alarm->name, kinds[i].name, kinds[i].list[count]);
            }
        }
        if (count > ACTIONS_MAX) {
            return oxp_error_set(error, OXP_ERR_LIMIT, alarm->line, 0, "alarm \"%.80s\": %zu %s, the most is %d",
                                 alarm->name, count, kinds[i].name, ACTIONS_MAX);
        }
    }
    return OXP_OK;
}

static enum oxp_status check_periods(const struct oxp_cw_alarm *alarm, struct oxp_error *error) {
    uint64_t span = (uint64_t)alarm->period_s * alarm->of, most = alarm->period_s < 3600 ? DAY_S : WEEK_S;
    if (oxp_cw_period_s((int64_t)alarm->period_s * 1000) != alarm->period_s || alarm->period_s == 0) {
        return oxp_error_set(error, OXP_ERR_INVALID, alarm->line, 0,
                             "alarm \"%.80s\": a period of %u s; it is 10, 20, 30 or a multiple of 60", alarm->name,
                             alarm->period_s);
    }
    if (alarm->of == 0 || alarm->datapoints == 0 || alarm->datapoints > alarm->of) {
        return oxp_error_set(error, OXP_ERR_INVALID, alarm->line, 0, "alarm \"%.80s\": %u of %u periods cannot be",
                             alarm->name, alarm->datapoints, alarm->of);
    }
    if (span > most) {
        return oxp_error_set(error, OXP_ERR_LIMIT, alarm->line, 0,
                             "alarm \"%.80s\": %u periods of %u s are %llu s; the most is %llu s for periods %s",
                             alarm->name, alarm->of, alarm->period_s, (unsigned long long)span,
                             (unsigned long long)most, most == DAY_S ? "below an hour" : "of an hour and more");
    }
    return OXP_OK;
}

enum oxp_status oxp_cw_alarm_check(const struct oxp_cw_alarm *alarm, struct oxp_error *error) {
    enum oxp_status status = check_names(alarm, error);
    if (status == OXP_OK) {
        status = check_actions(alarm, error);
    }
    if (status == OXP_OK) {
        status = check_periods(alarm, error);
    }
    if (status == OXP_OK && !isfinite(alarm->threshold)) {
        status = oxp_error_set(error, OXP_ERR_INVALID, alarm->line, 0, "alarm \"%.80s\": the threshold is no number",
                               alarm->name);
    }
    return status == OXP_OK && alarm->query != NULL ? oxp_cw_promql_check(alarm, error) : status;
}

/* The n-th of the parts that colons part. */
static struct oxp_view part_of(const char *arn, size_t n) {
    for (; n > 0 && *arn != '\0'; arn++) {
        n -= *arn == ':';
    }
    return oxp_view_of(arn, strcspn(arn, ":"));
}

/* arn:partition:service:region:… Some services have no region. */
static enum oxp_status check_place(const char *const *list, struct oxp_view region, unsigned line,
                                   struct oxp_error *error) {
    for (; list != NULL && *list != NULL; list++) {
        struct oxp_view there = part_of(*list, 3);
        if (!oxp_view_is(part_of(*list, 1), oxp_cw_partition(region)) ||
            (there.len > 0 && !oxp_view_equal(there, region))) {
            return oxp_error_set(error, OXP_ERR_INVALID, line, 0,
                                 "the action %.256s: CloudWatch takes those of the alarm's own region alone, which is "
                                 "%.*s",
                                 *list, (int)region.len, region.ptr);
        }
    }
    return OXP_OK;
}

static enum oxp_status check_places(const struct oxp_cw_actions *actions, struct oxp_view region, unsigned line,
                                    struct oxp_error *error) {
    const char *const *const lists[] = {actions->alarm, actions->ok, actions->insufficient};
    enum oxp_status status = OXP_OK;
    for (size_t i = 0; i < sizeof lists / sizeof lists[0] && status == OXP_OK; i++) {
        status = check_place(lists[i], region, line, error);
    }
    return status;
}

enum oxp_status oxp_cw_places_check(const struct oxp_cw_config *config, struct oxp_view region,
                                    struct oxp_error *error) {
    enum oxp_status status = OXP_OK;
    if (region.len == 0) {
        return OXP_OK;
    }
    for (size_t i = 0; i < config->threshold_count && status == OXP_OK; i++) {
        status = check_places(&config->thresholds[i].actions, region, config->thresholds[i].line, error);
    }
    if (status == OXP_OK) {
        status = check_places(&config->rule_actions, region, 0, error);
    }
    return status == OXP_OK ? check_places(&config->heartbeat_actions, region, 0, error) : status;
}

enum oxp_status oxp_cw_tags_check(const struct oxp_cw_config *config, struct oxp_error *error) {
    if (config->tag_count + TAGS_OWN > TAGS_MAX) {
        return oxp_error_set(error, OXP_ERR_LIMIT, 0, 0,
                             "%zu tags, the most is %d beside " OXP_CW_TAG " and " OXP_CW_TAG_ENVIRONMENT,
                             config->tag_count, TAGS_MAX - TAGS_OWN);
    }
    for (size_t i = 0; i < config->tag_count; i++) {
        const char *name = config->tags[i].name;
        if (strcmp(name, OXP_CW_TAG) == 0 || strcmp(name, OXP_CW_TAG_ENVIRONMENT) == 0 ||
            strncmp(name, "aws:", 4) == 0) {
            return oxp_error_set(error, OXP_ERR_INVALID, 0, 0, "the tag \"%.128s\" is not yours to set", name);
        }
        if (name[0] == '\0' || oxp_utf8_count(oxp_view_from(name)) > 128 ||
            oxp_utf8_count(oxp_view_from(config->tags[i].value)) > 256) {
            return oxp_error_set(error, OXP_ERR_LIMIT, 0, 0,
                                 "the tag \"%.128s\": a key has 1 to 128 characters, a value at most 256", name);
        }
    }
    return OXP_OK;
}
