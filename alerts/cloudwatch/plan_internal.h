/* Inside the plan: alarms before they are JSON, CloudWatch's calls, and small helpers. */
#ifndef OXP_CLOUDWATCH_PLAN_INTERNAL_H
#define OXP_CLOUDWATCH_PLAN_INTERNAL_H

#include "alerts/cloudwatch/config_reader.h"
#include "alerts/cloudwatch/plan.h"
#include "lib/json/json.h"

#define OXP_CW_TAG "oxpecker:service"
#define OXP_CW_TAG_ENVIRONMENT "oxpecker:environment"

/* ---- Wanted alarms (alarm.c, alarm_rules.c) ---- */

struct oxp_cw_alarm { /* texts in the arena or the configuration */
    const char *name, *kind, *description, *metric;
    const struct oxp_cw_pair *dimensions;
    size_t dimension_count;
    const char *statistic, *comparison;
    double threshold;
    unsigned period_s, datapoints, of; /* M of N */
    enum oxp_cw_missing missing;
    struct oxp_cw_actions actions;
    const char *query;              /* of a PromQL alarm (lane otlp); NULL = it is one on a metric */
    unsigned pending_s, recovery_s; /* of a PromQL alarm */
    unsigned line;                  /* in the configuration; 0 = none */
};
struct oxp_cw_wish { /* what wanted alarms are made with */
    const struct oxp_cw_plan_input *input;
    struct oxp_arena *arena;
    struct oxp_error *error;
    struct oxp_cw_alarm *alarms;
    size_t count;
};
/* "<namespace>/<service>/", and with `environment` "<environment>/" behind it where there is one. */
void oxp_cw_prefix(const struct oxp_cw_plan_input *input, bool environment, struct oxp_buf *out);
/* The environment; "" where none is set. */
const char *oxp_cw_environment(const struct oxp_cw_plan_input *input);
/* A further alarm, zeroed but for its name ("<namespace>/<service>/<environment>/<what>" and this replica's
 * dimensions), kind and line; NULL without memory. */
struct oxp_cw_alarm *oxp_cw_alarm_add(struct oxp_cw_wish *wish, const char *kind, const char *what, unsigned line);
/* Adds dimensions to a list, which is copied into the arena; of one name the later wins. OXP_ERR_NOMEM. */
enum oxp_status oxp_cw_dimensions_add(struct oxp_arena *arena, const struct oxp_cw_pair **list, size_t *count,
                                      const struct oxp_cw_pair *more, size_t more_count);
/* One alarm for each alert name that rule_alarms selects. */
enum oxp_status oxp_cw_alarm_rules(struct oxp_cw_wish *wish);
/* How many there are; OXP_ERR_NOMEM. */
enum oxp_status oxp_cw_rule_count(const struct oxp_cw_plan_input *input, size_t *count_out);
/* PromQL alarms (alarm_promql.c): the query and the times of an alarm that is made otherwise. OXP_ERR_NOMEM. */
enum oxp_status oxp_cw_promql_threshold(struct oxp_cw_wish *wish, struct oxp_cw_alarm *alarm, enum oxp_cw_kind kind);
enum oxp_status oxp_cw_promql_rule(struct oxp_cw_wish *wish, struct oxp_cw_alarm *alarm, const struct oxp_rule *rule);
enum oxp_status oxp_cw_promql_heartbeat(struct oxp_cw_wish *wish, struct oxp_cw_alarm *alarm);
/* EvaluationInterval: 10, 20, 30 or n * 60 s, at most an hour. */
unsigned oxp_cw_promql_interval_s(const struct oxp_cw_alarm *alarm);
enum oxp_status oxp_cw_promql_check(const struct oxp_cw_alarm *alarm, struct oxp_error *error);
/* For people; as members of PutMetricAlarm's body. */
void oxp_cw_promql_condition(const struct oxp_cw_alarm *alarm, struct oxp_buf *out);
void oxp_cw_promql_body(const struct oxp_cw_alarm *alarm, struct oxp_json *body, enum oxp_status *status);
/* CloudWatch's limits, each with its sentence (alarm_check.c). */
enum oxp_status oxp_cw_alarm_check(const struct oxp_cw_alarm *alarm, struct oxp_error *error);
enum oxp_status oxp_cw_tags_check(const struct oxp_cw_config *config, struct oxp_error *error);
/* Actions are of the region (and partition) that the alarms are in. An empty region is not known: OXP_OK. */
enum oxp_status oxp_cw_places_check(const struct oxp_cw_config *config, struct oxp_view region,
                                    struct oxp_error *error);
/* PutMetricAlarm's JSON, with or without tags (alarm_body.c). */
enum oxp_status oxp_cw_alarm_body(const struct oxp_cw_alarm *alarm, const struct oxp_cw_plan_input *input, bool tags,
                                  struct oxp_arena *arena, const char **body_out);
/* An array of {Key, Value}; NULL without memory. */
struct oxp_json *oxp_cw_tags(const struct oxp_cw_plan_input *input);
/* The smallest period that an alarm may have (10, 20, 30, n * 60 s) and that is not below `ms`. */
unsigned oxp_cw_period_s(int64_t ms);

/* ---- What is there against what is wanted (alarm_compare.c); both are JSON ---- */

/* Appends each difference in words, "" when there is none. */
void oxp_cw_alarm_compare(const struct oxp_json *there, const struct oxp_json *wanted, struct oxp_buf *out);
/* The same for tags ([{Key, Value}]): those wanted that lack or differ; others are left alone. */
void oxp_cw_tags_compare(const struct oxp_json *there, const struct oxp_json *wanted, struct oxp_buf *out);
/* The value of a tag; an empty view when there is none. */
struct oxp_view oxp_cw_tag_find(const struct oxp_json *tags, const char *key);

/* ---- Calls (plan_call.c) ---- */

struct oxp_cw_caller {
    struct oxp_aws_client *client;
    struct oxp_http *http;
    struct oxp_arena scratch;             /* cleared before each call */
    void (*sleep)(void *ctx, int64_t ms); /* NULL = really */
    void *sleep_ctx;
};
void oxp_cw_sleep(const struct oxp_cw_caller *caller, int64_t ms);
/* One operation of CloudWatch's JSON protocol; while it is throttled it is tried again for a minute or two, for whoever
 * says apply would do no else. `answer_out` may be NULL, else a tree to be freed. `request` is freed,
 * also on failure; NULL means that there was no memory for it. `error` starts with the operation's name. */
struct oxp_cw_call {
    const char *operation;
    struct oxp_json *request;
    struct oxp_json **answer_out;
    struct oxp_view *request_id_out; /* may be NULL; good until the next call */
};
enum oxp_status oxp_cw_call(struct oxp_cw_caller *caller, const struct oxp_cw_call *call, struct oxp_error *error);
/* The same with a body that is JSON already. */
enum oxp_status oxp_cw_call_text(struct oxp_cw_caller *caller, const char *operation, const char *body,
                                 struct oxp_error *error);

/* ---- Small ---- */

/* What the buffer holds as a text in the arena; the buffer is freed. NULL without memory. */
const char *oxp_cw_text_keep(struct oxp_arena *arena, struct oxp_buf *buf);
/* An object member; the first failure stays in `status`. */
void oxp_cw_put(struct oxp_json *object, const char *key, struct oxp_json *value, enum oxp_status *status);
void oxp_cw_put_text(struct oxp_json *object, const char *key, const char *text, enum oxp_status *status);
void oxp_cw_append(struct oxp_json *array, struct oxp_json *value, enum oxp_status *status);
/* [{Name, Value}]; NULL without memory. */
struct oxp_json *oxp_cw_dimensions_json(const struct oxp_cw_pair *dimensions, size_t count);
/* ">", ">=", "<", "<="; the operator itself for any other. */
const char *oxp_cw_comparison_sign(const char *comparison);
/* "aws", "aws-cn", … */
const char *oxp_cw_partition(struct oxp_view region);
/* The value, or NULL and freed when `status` says that a part of it could not be made. */
struct oxp_json *oxp_cw_finished(struct oxp_json *value, enum oxp_status status);
/* The replicas that publish: those that the heartbeat expects, else 1. */
size_t oxp_cw_replicas(const struct oxp_cw_config *config);

#endif
