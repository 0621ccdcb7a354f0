/* The `cloudwatch` section of the configuration: what is published, which alarms are wanted, and what it may cost.
 *
 *     cloudwatch:
 *       region: us-east-1        # else AWS_REGION, the profile's
 *       endpoint: ""             # else AWS_ENDPOINT_URL_CLOUDWATCH, AWS_ENDPOINT_URL, by region
 *       profile: ""
 *       fips: false
 *       dual_stack: false
 *       namespace: Orchestrator
 *       lane: putmetricdata      # or emf; or otlp, with PromQL alarms, which needs otlp_untried
 *       otlp_untried: false      # true: the lane otlp is wanted although it was never tried against AWS
 *       interval: 60s            # 1s..1h, whole seconds; below 60s StorageResolution is 1
 *       compress: auto           # gzip above 10,240 bytes; never: for emulators that cannot
 *       dimensions: {Service: collector, Environment: production}   # default: from orchestrator.*
 *       replicas: share          # all replicas publish under one identity; split: external_labels are dimensions, too
 *       metrics:                 # default: the sixteen of docs/cloudwatch.md
 *         - {expr: orchestrator_sessions_active, name: SessionsActive, unit: Count, kind: gauge,
 *            dimensions: {Region: region}}       # dimension name: label, for each series; or by: [label]
 *       thresholds:              # plain alarms on published metrics
 *         - metric: SessionsOrphaned
 *           above: 0             # or at_least, below, at_most
 *           for: 5m              # M periods; default one
 *           of: 5                # N; default M
 *           period: 60s          # default: the interval, as long as CloudWatch has such a period
 *           missing: notBreaching # missing (default), breaching, notBreaching, ignore
 *           statistic: Maximum   # default: of a gauge Maximum (below, at_most: Minimum), of a delta Sum, of a
 *                                # distribution Average; percentiles (p99) of distributions and deltas alone
 *           dimensions: {Region: us-west-2}      # a value for each label of the metric
 *           name: ""             # default: the metric, and the dimensions' values; the prefix
 *                                # namespace/service/environment/ is added where it is not given
 *           description: ""
 *           actions: [arn…]      # at most 5 each
 *           ok_actions: []
 *           insufficient_data_actions: []
 *       rule_alarms: {severity: [critical], alertname: [], actions: [], ok_actions: []} # both given: both must hold
 *       heartbeat: {expected_replicas: 1, actions: [arn…]}
 *       tags: {team: x}
 *       prices: {metric: 0.30, alarm: 0.10, high_resolution_alarm: 0.30, composite_alarm: 0.50, requests_1000: 0.01,
 *                free_metrics: 10, free_alarms: 10, free_requests: 1000000, currency: USD}
 *       budget: 0                # a month; 0 = none. apply and the daemon refuse to grow above it
 *
 * In the lane otlp a threshold is a PromQL alarm, which knows no M of N (`of`), no `missing: missing` or `ignore`, no
 * Maximum or Minimum of a distribution, and at most a day of `for`; replicas are told apart by the external labels, so
 * that `replicas: split` has no use, and several need external labels.
 *
 * Everything is checked when it is read, to the limits of CloudWatch's API: names, ASCII, units, periods, numbers of
 * actions and dimensions; expressions are parsed. An unknown key is an error that names the nearest known one. */
#ifndef OXP_CLOUDWATCH_CONFIG_H
#define OXP_CLOUDWATCH_CONFIG_H

#include "alerts/aws/aws.h"
#include "alerts/promql/parse.h"
#include "lib/yaml/yaml.h"

enum oxp_cw_lane { OXP_CW_PUTMETRICDATA, OXP_CW_EMF, OXP_CW_OTLP };
enum oxp_cw_kind { OXP_CW_GAUGE, OXP_CW_DELTA, OXP_CW_DISTRIBUTION };

struct oxp_cw_pair {
    const char *name, *value;
};
struct oxp_cw_metric {
    const char *expr, *name, *unit; /* unit "" = None */
    enum oxp_cw_kind kind;
    const struct oxp_promql_expr *parsed;
    const struct oxp_cw_pair *labels; /* dimension name, label whose value it takes; series that differ in other labels
                                         only are added up (delta, distribution) or refused (gauge) */
    size_t label_count;
    /* What publishing needs beside it, derived from `expr`; NULL where there is none. The first values of the series of
     * a plain selector within the interval (`expr[60s]`); for a distribution the same expression of the family's _sum.
     */
    const struct oxp_promql_expr *first, *sum, *sum_first;
    unsigned line; /* in the file; 0 = a default */
};
enum oxp_cw_missing { OXP_CW_MISSING, OXP_CW_BREACHING, OXP_CW_NOT_BREACHING, OXP_CW_IGNORE };
/* "missing", "breaching", "notBreaching", "ignore". */
const char *oxp_cw_missing_name(enum oxp_cw_missing missing);

struct oxp_cw_actions {
    const char *const *alarm, *const *ok, *const *insufficient; /* ARNs, NULL-terminated; at most 5 each */
};
struct oxp_cw_threshold {
    const struct oxp_cw_metric *metric;
    const char *name; /* the alarm's; made of namespace, service and metric when not given */
    const char *description;
    const char *comparison; /* GreaterThanThreshold, … (above, at_least, below, at_most) */
    double threshold;
    const char *statistic;             /* Maximum, Average, Sum, Minimum, SampleCount, or a percentile (p99) */
    unsigned period_s, datapoints, of; /* M of N */
    enum oxp_cw_missing missing;
    const struct oxp_cw_pair *dimensions; /* beside the section's own */
    size_t dimension_count;
    struct oxp_cw_actions actions;
    unsigned line;
};
struct oxp_cw_prices {
    double metric, alarm, high_resolution_alarm, composite_alarm, requests_1000;
    double free_metrics, free_alarms, free_requests;
    const char *currency;
};
struct oxp_cw_config {
    bool enabled; /* the section is there */
    enum oxp_cw_lane lane;
    struct oxp_aws_place place;
    const char *namespace_name;
    int64_t interval_ms;
    const struct oxp_cw_pair *dimensions;
    size_t dimension_count; /* those of `split` at the end */
    size_t shared_count;    /* without them: what the heartbeat is published under, so that replicas can be counted */
    bool split;             /* replicas: split */
    bool plain;             /* compress: never */
    /* Lane otlp: what the resource is told by: service.name, deployment.environment, the external labels. */
    const struct oxp_cw_pair *resource;
    size_t resource_count;
    const struct oxp_cw_metric *metrics;
    size_t metric_count;
    const struct oxp_cw_threshold *thresholds;
    size_t threshold_count;
    bool rule_alarms;
    const char *const *rule_severities, *const *rule_names; /* NULL-terminated; empty = all */
    struct oxp_cw_actions rule_actions;
    unsigned heartbeat_replicas; /* 0 = no heartbeat */
    struct oxp_cw_actions heartbeat_actions;
    const struct oxp_cw_pair *tags;
    size_t tag_count;
    struct oxp_cw_prices prices;
    double budget;
};
struct oxp_cw_identity { /* what defaults are made of */
    const char *service, *environment;
    const struct oxp_labels *external_labels; /* may be NULL */
};
/* `root` is the section's mapping, NULL = there is none. OXP_ERR_INVALID, OXP_ERR_SYNTAX with line, column and reason;
 * OXP_ERR_NOMEM. */
enum oxp_status oxp_cw_config_read(const struct oxp_yaml_node *root, const char *path,
                                   const struct oxp_cw_identity *identity, struct oxp_cw_config **config_out,
                                   struct oxp_error *error);
void oxp_cw_config_free(struct oxp_cw_config *config);

#endif
