/* What it costs a month, with the configuration's prices (nobody's price list is compiled in).
 *
 *   metrics   each distinct name and set of dimensions is one: entries x their series, the state of each rule, the
 *             heartbeat; with `replicas: split` each replica's own but for the heartbeat.
 *   alarms    each of ours has one metric; periods below 60 s are high-resolution, which the free tier does not cover.
 *   requests  a month of 30 days over the interval, times requests of 1000 data each, times replicas; in the emf lane
 *             none (the log group's cost is not estimated).
 *
 * The lane otlp has no price for each metric or request: it is billed by the GB, and that price is not known here. Its
 * alarms are counted as alarms on one metric each, which is not known either.
 *
 * The free tier is the account's: what else uses it must be taken off in `prices`. */
#include "alerts/cloudwatch/plan_internal.h"

#include <math.h>

#define MONTH_MS (30.0 * 86400 * 1000)
#define DATA_A_REQUEST 1000

size_t oxp_cw_replicas(const struct oxp_cw_config *config) {
    return config->heartbeat_replicas > 0 ? config->heartbeat_replicas : 1;
}

static double above(double count, double free) {
    return fmax(count - fmax(free, 0), 0);
}

enum oxp_status oxp_cw_cost_of(const struct oxp_cw_plan_input *input, const struct oxp_cw_planned *alarms, size_t count,
                               struct oxp_cw_cost *cost_out) {
    const struct oxp_cw_config *config = input->config;
    const struct oxp_cw_prices *prices = &config->prices;
    struct oxp_cw_cost cost = {0};
    size_t series = 0, replicas = oxp_cw_replicas(config), heartbeat = config->heartbeat_replicas > 0 ? 1 : 0;
    enum oxp_status status = config->rule_alarms ? oxp_cw_rule_count(input, &series) : OXP_OK;
    for (size_t i = 0; i < config->metric_count; i++) {
        series += input->series == NULL ? 1 : input->series[i];
    }
    cost.metrics = series * (config->split ? replicas : 1) + heartbeat;
    for (size_t i = 0; i < count; i++) {
        *(alarms[i].high_resolution ? &cost.high_resolution_alarms : &cost.alarms) += 1;
    }
    if (config->lane != OXP_CW_EMF) {
        size_t requests = (series + heartbeat + DATA_A_REQUEST - 1) / DATA_A_REQUEST;
        cost.requests_month = MONTH_MS / (double)config->interval_ms * (double)requests * (double)replicas;
    }
    bool by_volume = config->lane == OXP_CW_OTLP;
    cost.metrics_month = by_volume ? 0 : above((double)cost.metrics, prices->free_metrics) * prices->metric;
    cost.requests_cost_month =
        by_volume ? 0 : above(cost.requests_month, prices->free_requests) / 1000 * prices->requests_1000;
    cost.alarms_month = above((double)cost.alarms, prices->free_alarms) * prices->alarm +
                        (double)cost.high_resolution_alarms * prices->high_resolution_alarm;
    cost.total_month = cost.metrics_month + cost.alarms_month + cost.requests_cost_month;
    *cost_out = cost;
    return status;
}
