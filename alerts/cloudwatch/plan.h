/* What is wanted in CloudWatch against what is there: plan, cost, apply, test, policy, dashboard. For commands:
 * blocking.
 *
 * Only alarms that carry the tags `oxpecker:service` = the service and `oxpecker:environment` = the environment (where
 * one is set; else without that tag) are ours; nothing else is ever touched, but that --prune also removes those of our
 * service that were made without an environment. An alarm with a wanted name that lacks a tag is a conflict, and stops
 * apply. */
#ifndef OXP_CLOUDWATCH_PLAN_H
#define OXP_CLOUDWATCH_PLAN_H

#include "alerts/cloudwatch/config.h"
#include "alerts/rules/file.h"
#include "lib/base/buf.h"

enum oxp_cw_change { OXP_CW_KEEP, OXP_CW_CREATE, OXP_CW_CHANGE, OXP_CW_REMOVE, OXP_CW_CONFLICT };

struct oxp_cw_planned {
    enum oxp_cw_change change;
    const char *name;        /* the alarm's */
    const char *body;        /* PutMetricAlarm's JSON, with tags; NULL when it is to be removed */
    const char *update;      /* the same without tags, for one that exists: PutMetricAlarm leaves its tags alone */
    const char *differences; /* "Threshold 5 -> 3, …"; "" unless changed */
    const char *kind;        /* "threshold", "rule", "heartbeat"; "unknown" of one to be removed */
    const char *condition; /* "Maximum of SessionsOrphaned > 0 in 5 of 5 periods of 60 s, missing data notBreaching" */
    const char *arn;       /* of what is there; NULL = nothing is */
    const char *tags;      /* TagResource's JSON when tags differ, else NULL */
    bool high_resolution, was_high_resolution; /* as wanted, as it is: periods below 60 s cost more */
    bool in_alarm, has_actions;                /* as it is: for the test */
};
struct oxp_cw_cost {
    size_t metrics, alarms, high_resolution_alarms; /* `alarms`: the others */
    double requests_month;
    double metrics_month, alarms_month, requests_cost_month, total_month; /* in the configuration's currency */
};
struct oxp_cw_plan {
    const struct oxp_cw_planned *alarms;
    size_t count;
    struct oxp_cw_cost now, then; /* what ours costs as it is, and once applied; the metrics of the configuration are in
                                     both, for it is the daemon that publishes them */
    struct oxp_cw_cost pruned;    /* once applied with --prune */
    bool over_budget;             /* then.total_month is above a budget */
    struct oxp_view region;
};
struct oxp_cw_plan_input {
    const struct oxp_cw_config *config;
    const struct oxp_cw_identity *identity;
    const struct oxp_rule_file *const *files; /* the rules that rule_alarms selects from */
    size_t file_count;
    /* How many series each metric has: from a running sidecar, or NULL = one each (and the plan says so). */
    const size_t *series;
    const char *account; /* 12 digits, for the dashboard's alarms; NULL = the one of the actions' ARNs */
};
/* What the configuration costs a month of 30 days with these alarms: by `high_resolution` of those that are wanted.
 * Pure; fails only without memory. The daemon holds this against the budget. */
enum oxp_status oxp_cw_cost_of(const struct oxp_cw_plan_input *input, const struct oxp_cw_planned *alarms, size_t count,
                               struct oxp_cw_cost *cost_out);
/* The wanted alarms alone: pure. In the arena. OXP_ERR_INVALID, OXP_ERR_LIMIT with the configuration's line and a
 * sentence: no service, two alarms of one name, what CloudWatch would refuse (facts of PutMetricAlarm: 5 actions of
 * each kind, 1024 bytes of description, 255 of name, 30 dimensions, 50 tags, a day or a week of periods). */
enum oxp_status oxp_cw_wanted(const struct oxp_cw_plan_input *input, struct oxp_arena *arena,
                              const struct oxp_cw_planned **alarms_out, size_t *count_out, struct oxp_error *error);
/* Asks what is there, and compares. OXP_ERR_INVALID: as oxp_cw_wanted, and an action of another region than the
 * client's, which CloudWatch would refuse. */
enum oxp_status oxp_cw_plan(const struct oxp_cw_plan_input *input, struct oxp_aws_client *client, struct oxp_http *http,
                            struct oxp_arena *arena, struct oxp_cw_plan *plan_out, struct oxp_error *error);
/* The plan as a person reads it. */
void oxp_cw_plan_print(const struct oxp_cw_plan_input *input, const struct oxp_cw_plan *plan, struct oxp_buf *out);
/* Does it, at most 3 calls a second (A4); `done` is told of each. Where CloudWatch throttles it waits, a minute or two
 * at one alarm. Stops at the first failure and says where; a further apply goes on. OXP_ERR_EXISTS: there is a
 * conflict, nothing was done. OXP_ERR_LIMIT: it would grow above the budget; what adds cost was left undone, the rest
 * was done. */
struct oxp_cw_apply_options {
    bool prune;
    void (*done)(void *ctx, const struct oxp_cw_planned *alarm);
    void (*sleep)(void *ctx, int64_t ms); /* NULL = really */
    void *ctx;
};
enum oxp_status oxp_cw_apply(const struct oxp_cw_plan *plan, const struct oxp_cw_plan_input *input,
                             struct oxp_aws_client *client, struct oxp_http *http,
                             const struct oxp_cw_apply_options *options, struct oxp_error *error);
/* Publishes one marked datum and follows it to the answer, then sets one alarm of ours to ALARM; says on `out` what was
 * done and what to look for. OXP_ERR_NOT_FOUND: there is no alarm of ours yet, or all of them are in ALARM. */
enum oxp_status oxp_cw_test(const struct oxp_cw_plan_input *input, struct oxp_aws_client *client, struct oxp_http *http,
                            struct oxp_buf *out, struct oxp_error *error);
/* The least IAM policy, as JSON; pure. `region` empty = any region. */
enum oxp_status oxp_cw_policy(const struct oxp_cw_plan_input *input, struct oxp_view region, struct oxp_buf *out);
/* A dashboard of CloudWatch itself, as JSON; pure. Where nothing says which account it is, the alarms' ARNs have the
 * text below in its place, to be replaced. */
#define OXP_CW_ACCOUNT_UNKNOWN "ACCOUNT_ID"
enum oxp_status oxp_cw_dashboard(const struct oxp_cw_plan_input *input, struct oxp_view region, struct oxp_buf *out);

#endif
