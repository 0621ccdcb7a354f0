/* The plan for a person: what would be done, what is published, and a bill whose every line can be worked out by hand
 * from what stands beside it. */
#include "alerts/cloudwatch/plan_internal.h"

static const struct {
    const char *sign, *word, *count;
} changes[] = {
    [OXP_CW_KEEP] = {"=", "keep", "as they should be"},
    [OXP_CW_CREATE] = {"+", "create", "to create"},
    [OXP_CW_CHANGE] = {"~", "change", "to change"},
    [OXP_CW_REMOVE] = {"-", "remove", "no longer wanted, removed only with --prune"},
    [OXP_CW_CONFLICT] = {"!", "conflict", "in conflict: apply does nothing until they are gone or tagged"},
};
#define CHANGES (sizeof changes / sizeof changes[0])

/* What is published besides the list, and its kind. */
static const char *const kinds[] = {
    [OXP_CW_GAUGE] = "gauge", [OXP_CW_DELTA] = "delta", [OXP_CW_DISTRIBUTION] = "distribution"};

static void print_alarms(const struct oxp_cw_plan *plan, struct oxp_buf *out) {
    size_t counts[CHANGES] = {0};
    oxp_buf_append_text(out, "Alarms\n");
    for (size_t i = 0; i < plan->count; i++) {
        const struct oxp_cw_planned *alarm = &plan->alarms[i];
        counts[alarm->change]++;
        oxp_buf_append_format(out, "  %s %-8s  %-9s  %s\n", changes[alarm->change].sign, changes[alarm->change].word,
                              alarm->kind, alarm->name);
        if (alarm->condition[0] != '\0' && (alarm->change == OXP_CW_CREATE || alarm->change == OXP_CW_CHANGE)) {
            oxp_buf_append_format(out, "        %s\n", alarm->condition);
        }
        if (alarm->differences[0] != '\0') {
            oxp_buf_append_format(out, "        %s\n", alarm->differences);
        }
    }
    for (size_t i = 0; i < CHANGES; i++) {
        if (counts[i] > 0) {
            oxp_buf_append_format(out, "  %zu %s\n", counts[i], changes[i].count);
        }
    }
    oxp_buf_append_text(out, plan->count == 0 ? "  none\n\n" : "\n");
}

/* "60 s", "0.5 s" */
static void append_seconds(struct oxp_buf *out, int64_t ms) {
    oxp_buf_append_double(out, (double)ms / 1000);
    oxp_buf_append_text(out, " s");
}

static void print_metric(struct oxp_buf *out, const char *name, const char *kind, size_t series, size_t replicas) {
    oxp_buf_append_format(out, "  %-32s %-12s %6zu", name, kind, series);
    if (replicas > 1) {
        oxp_buf_append_format(out, " x %zu = %zu", replicas, series * replicas);
    }
    oxp_buf_append_char(out, '\n');
}

static void print_metrics(const struct oxp_cw_plan_input *input, const struct oxp_cw_plan *plan, struct oxp_buf *out) {
    const struct oxp_cw_config *config = input->config;
    size_t replicas = config->split ? oxp_cw_replicas(config) : 1, rules = 0;
    oxp_buf_append_text(out, "Metrics, published each ");
    append_seconds(out, config->interval_ms);
    oxp_buf_append_text(out, replicas > 1 ? "; series x replicas (each has its own identity)\n" : "; series\n");
    for (size_t i = 0; i < config->metric_count; i++) {
        const struct oxp_cw_metric *metric = &config->metrics[i];
        print_metric(out, metric->name, kinds[metric->kind], input->series == NULL ? 1 : input->series[i], replicas);
    }
    if (config->rule_alarms && oxp_cw_rule_count(input, &rules) == OXP_OK) {
        print_metric(out, OXP_CW_RULE_STATE, "rules", rules, replicas);
    }
    if (config->heartbeat_replicas > 0) {
        print_metric(out, OXP_CW_HEARTBEAT, "heartbeat", 1, 1);
    }
    oxp_buf_append_format(out, "  %-32s %-12s %6zu\n", "in all", "", plan->then.metrics);
    if (input->series == NULL) {
        oxp_buf_append_text(out,
                            "  One series for each entry is assumed: no sidecar was asked. Entries with labels have as "
                            "many as there are values.\n");
    }
    oxp_buf_append_char(out, '\n');
}

/* "  metrics   23 - 10 free = 13, x 0.3 = 3.90" */
static void print_line(struct oxp_buf *out, const char *what, double count, double free, double price) {
    double paid = count > free ? count - (free > 0 ? free : 0) : 0;
    oxp_buf_append_format(out, "  %-22s ", what);
    oxp_buf_append_double(out, count);
    if (free > 0) {
        oxp_buf_append_text(out, " - ");
        oxp_buf_append_double(out, free);
        oxp_buf_append_text(out, " free = ");
        oxp_buf_append_double(out, paid);
    }
    oxp_buf_append_text(out, " x ");
    oxp_buf_append_double(out, price);
    oxp_buf_append_format(out, " = %.2f\n", paid * price);
}

static void print_requests(const struct oxp_cw_plan_input *input, const struct oxp_cw_cost *cost, struct oxp_buf *out) {
    const struct oxp_cw_config *config = input->config;
    const struct oxp_cw_prices *prices = &config->prices;
    double free = prices->free_requests, requests = cost->requests_month;
    size_t replicas = oxp_cw_replicas(config);
    double once = 30.0 * 86400 * 1000 / (double)config->interval_ms * (double)replicas;
    if (config->lane == OXP_CW_OTLP) {
        oxp_buf_append_format(out, "  %-22s %.0f of some data each, not counted one by one\n", "requests", requests);
        return;
    }
    if (config->lane == OXP_CW_EMF) {
        oxp_buf_append_text(out, "  requests               none: the log driver carries the data (its log group is not "
                                 "counted here)\n");
        return;
    }
    oxp_buf_append_text(out, "  requests               2592000 s / ");
    append_seconds(out, config->interval_ms);
    oxp_buf_append_format(out, " x %zu replica%s", replicas, replicas == 1 ? "" : "s");
    if (once > 0 && requests > once) {
        oxp_buf_append_format(out, " x %.0f of 1000 data", requests / once);
    }
    oxp_buf_append_format(out, " = %.0f", requests);
    double paid = requests > free ? requests - (free > 0 ? free : 0) : 0;
    if (free > 0) {
        oxp_buf_append_format(out, " - %.0f free = %.0f", free, paid);
    }
    oxp_buf_append_text(out, " x ");
    oxp_buf_append_double(out, prices->requests_1000);
    oxp_buf_append_format(out, " / 1000 = %.2f\n", cost->requests_cost_month);
}

static void print_cost(const struct oxp_cw_plan_input *input, const struct oxp_cw_plan *plan, struct oxp_buf *out) {
    const struct oxp_cw_config *config = input->config;
    const struct oxp_cw_prices *prices = &config->prices;
    const struct oxp_cw_cost *cost = &plan->then;
    const char *currency = prices->currency == NULL ? "" : prices->currency;
    oxp_buf_append_format(out, "Cost of a month of 30 days in %s, by the configuration's prices\n", currency);
    if (config->lane == OXP_CW_OTLP) {
        oxp_buf_append_format(out,
                              "  %-22s %zu, not counted one by one: lane otlp is billed per GB ingested, and that "
                              "price is not known here\n",
                              "metrics", cost->metrics);
    } else {
        print_line(out, "metrics", (double)cost->metrics, prices->free_metrics, prices->metric);
    }
    print_line(out, "alarms", (double)cost->alarms, prices->free_alarms, prices->alarm);
    if (cost->high_resolution_alarms > 0) {
        print_line(out, "high-resolution alarms", (double)cost->high_resolution_alarms, 0,
                   prices->high_resolution_alarm);
    }
    print_requests(input, cost, out);
    oxp_buf_append_format(out, "  %-22s %.2f %s", "in all", cost->total_month, currency);
    oxp_buf_append_format(out, "; as it is %.2f", plan->now.total_month);
    if (plan->pruned.total_month != cost->total_month) {
        oxp_buf_append_format(out, ", with --prune %.2f", plan->pruned.total_month);
    }
    oxp_buf_append_char(out, '\n');
    if (config->budget > 0) {
        oxp_buf_append_format(out, "  %-22s %.2f %s", "budget", config->budget, currency);
        if (plan->over_budget) {
            oxp_buf_append_format(out, ": exceeded by %.2f, apply creates nothing that adds cost",
                                  cost->total_month - config->budget);
        }
        oxp_buf_append_char(out, '\n');
    }
    if (config->lane == OXP_CW_OTLP) {
        oxp_buf_append_text(out, "  This is not the whole bill: what is ingested is missing, and that a PromQL alarm "
                                 "costs what another one does is a guess.\n");
    }
    oxp_buf_append_text(out, "  The free counts are the account's: lower them in `prices` by what else uses them.\n");
    if (config->split) {
        oxp_buf_append_text(out, "  Alarms are this replica's and the common ones; the others' are not counted.\n");
    }
}

void oxp_cw_plan_print(const struct oxp_cw_plan_input *input, const struct oxp_cw_plan *plan, struct oxp_buf *out) {
    oxp_buf_append_format(out, "CloudWatch, region %.*s, namespace %s, service %s\n\n", (int)plan->region.len,
                          plan->region.len == 0 ? "" : plan->region.ptr, input->config->namespace_name,
                          input->identity->service);
    if (input->config->lane == OXP_CW_OTLP) {
        oxp_buf_append_text(out, "Lane otlp: never tried against AWS\n\n");
    }
    print_alarms(plan, out);
    print_metrics(input, plan, out);
    print_cost(input, plan, out);
}
