/* The alarms of the lane otlp: PutMetricAlarm's EvaluationCriteria.PromQLCriteria (Amazon CloudWatch API Reference) has
 * a query, each series of whose result breaches; PendingPeriod is `for`, RecoveryPeriod `keep_firing_for`.
 *
 *   threshold   the statistic over the period. When the period holds one sample, the selector itself, so that data
 *               that come late do not clear it; else a window. Data of replicas are put together, as CloudWatch does
 *               for metrics of one identity:
 *                 Maximum      max(m{…})    max(max_over_time(m{…}[300s]))        also Minimum
 *                 Sum          sum(m{…})    sum(sum_over_time(m{…}[300s]))
 *                 Average      avg(m{…})    sum(sum_over_time(…)) / sum(count_over_time(…))
 *                 SampleCount               sum(count_over_time(…))
 *               of a distribution histogram_avg, _sum, _count, _quantile of sum(m{…}): CloudWatch keeps histograms as
 *               exponential ones. M periods are the window and a PendingPeriod of M - 1 periods.
 *               `missing: breaching` adds "or absent(…)".
 *   rule        the rule's own text, with its `for` and `keep_firing_for`, when CloudWatch can answer it as the short
 *               memory does: every selector in it has a name that an entry publishes as a gauge under that very name
 *               and asks for labels that the entry publishes by their own names. Else, and for names that several rules
 *               bear, the state that the sidecar publishes: max(RuleState{…}) >= 1. An expression over what is not
 *               there would be an alarm that never comes, without a word.
 *   heartbeat   fewer replicas than expected in three periods: count(count_over_time(Heartbeat{…}[180s])) < N, or none.
 *               Replicas differ by the external labels, which are the resource's. */
#include "alerts/cloudwatch/plan_internal.h"

#define QUERY_MAX 10000  /* of PromQLCriteria */
#define WAIT_MAX_S 86400 /* PendingPeriod, RecoveryPeriod */
#define HEARTBEAT_PERIODS 3

/* ---- Selectors ---- */

static bool is_plain(const char *name, bool colon) {
    for (size_t i = 0; name[i] != '\0'; i++) {
        char c = name[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (colon && c == ':');
        if (!letter && !(i > 0 && c >= '0' && c <= '9')) {
            return false;
        }
    }
    return name[0] != '\0';
}

/* A name that PromQL does not take bare stands in quotes. */
static void append_name(struct oxp_buf *out, const char *name) {
    if (is_plain(name, false)) {
        oxp_buf_append_text(out, name);
    } else {
        oxp_buf_append_json_string(out, oxp_view_from(name));
    }
}

/* m{a="b"}; {"a metric", a="b"} */
static void append_selector(struct oxp_buf *out, const struct oxp_cw_alarm *alarm) {
    bool plain = is_plain(alarm->metric, true);
    oxp_buf_append_text(out, plain ? alarm->metric : "");
    if (plain && alarm->dimension_count == 0) {
        return;
    }
    oxp_buf_append_char(out, '{');
    if (!plain) {
        oxp_buf_append_json_string(out, oxp_view_from(alarm->metric));
    }
    for (size_t i = 0; i < alarm->dimension_count; i++) {
        oxp_buf_append_text(out, i == 0 && plain ? "" : ", ");
        append_name(out, alarm->dimensions[i].name);
        oxp_buf_append_char(out, '=');
        oxp_buf_append_json_string(out, oxp_view_from(alarm->dimensions[i].value));
    }
    oxp_buf_append_char(out, '}');
}

/* `before`, the selector, "[60s]" when there is a window, `after`. */
static void append_around(struct oxp_buf *out, const char *before, const struct oxp_cw_alarm *alarm, unsigned window_s,
                          const char *after) {
    oxp_buf_append_text(out, before);
    append_selector(out, alarm);
    if (window_s > 0) {
        oxp_buf_append_format(out, "[%us]", window_s);
    }
    oxp_buf_append_text(out, after);
}

static enum oxp_status keep_query(struct oxp_cw_wish *wish, struct oxp_cw_alarm *alarm, struct oxp_buf *text) {
    alarm->query = oxp_cw_text_keep(wish->arena, text);
    return alarm->query == NULL ? OXP_ERR_NOMEM : OXP_OK;
}

/* ---- Thresholds ---- */

static const struct {
    const char *name, *one, *before; /* of the selector; of a window */
} statistics[] = {
    {"Maximum", "max(", "max(max_over_time("},
    {"Minimum", "min(", "min(min_over_time("},
    {"Sum", "sum(", "sum(sum_over_time("},
};

static void append_plain(struct oxp_buf *out, const struct oxp_cw_alarm *alarm, unsigned window_s) {
    for (size_t i = 0; i < sizeof statistics / sizeof statistics[0]; i++) {
        if (strcmp(statistics[i].name, alarm->statistic) == 0) {
            append_around(out, window_s == 0 ? statistics[i].one : statistics[i].before, alarm, window_s,
                          window_s == 0 ? ")" : "))");
            return;
        }
    }
    if (strcmp(alarm->statistic, "SampleCount") == 0) {
        append_around(out, "sum(count_over_time(", alarm, alarm->period_s, "))");
    } else if (window_s == 0) {
        append_around(out, "avg(", alarm, 0, ")");
    } else {
        append_around(out, "sum(sum_over_time(", alarm, window_s, ")) / ");
        append_around(out, "sum(count_over_time(", alarm, window_s, "))");
    }
}

static void append_distribution(struct oxp_buf *out, const struct oxp_cw_alarm *alarm, unsigned window_s) {
    static const char *const functions[][2] = {
        {"Average", "histogram_avg("}, {"Sum", "histogram_sum("}, {"SampleCount", "histogram_count("}};
    const char *function = NULL;
    for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
        function = strcmp(functions[i][0], alarm->statistic) == 0 ? functions[i][1] : function;
    }
    if (function != NULL) {
        oxp_buf_append_text(out, function);
    } else {
        oxp_buf_append_format(out, "histogram_quantile(%s / 100, ", alarm->statistic + 1); /* behind the p */
    }
    append_around(out, window_s == 0 ? "sum(" : "sum(sum_over_time(", alarm, window_s, window_s == 0 ? "))" : ")))");
}

enum oxp_status oxp_cw_promql_threshold(struct oxp_cw_wish *wish, struct oxp_cw_alarm *alarm, enum oxp_cw_kind kind) {
    bool one = (int64_t)alarm->period_s * 1000 < 2 * wish->input->config->interval_ms;
    unsigned window_s = one ? 0 : alarm->period_s;
    struct oxp_buf text;
    oxp_buf_init(&text, 0);
    if (kind == OXP_CW_DISTRIBUTION) {
        append_distribution(&text, alarm, window_s);
    } else {
        append_plain(&text, alarm, window_s);
    }
    oxp_buf_append_format(&text, " %s ", oxp_cw_comparison_sign(alarm->comparison));
    oxp_buf_append_double(&text, alarm->threshold);
    if (alarm->missing == OXP_CW_BREACHING) {
        append_around(&text, one ? " or absent(" : " or absent_over_time(", alarm, window_s, ")");
    }
    alarm->pending_s = (alarm->datapoints - 1) * alarm->period_s;
    return keep_query(wish, alarm, &text);
}

enum oxp_status oxp_cw_promql_heartbeat(struct oxp_cw_wish *wish, struct oxp_cw_alarm *alarm) {
    unsigned replicas = wish->input->config->heartbeat_replicas, window_s = HEARTBEAT_PERIODS * alarm->period_s;
    struct oxp_buf text;
    oxp_buf_init(&text, 0);
    if (replicas > 1) {
        append_around(&text, "count(count_over_time(", alarm, window_s, "))");
        oxp_buf_append_format(&text, " < %u or ", replicas);
    }
    append_around(&text, "absent_over_time(", alarm, window_s, ")");
    return keep_query(wish, alarm, &text);
}

/* ---- Rules ---- */

/* An entry that publishes the series of this name as they are. */
static bool publishes(const struct oxp_cw_metric *metric, struct oxp_view name) {
    const struct oxp_promql_node *root = oxp_promql_bare(metric->parsed->root);
    return metric->kind == OXP_CW_GAUGE && oxp_view_is(name, metric->name) && root->kind == OXP_NODE_SELECTOR &&
           oxp_view_equal(root->selector.name, name) && root->selector.matcher_count == 1 &&
           root->selector.when.offset_ms == 0 && root->selector.when.at == OXP_AT_NONE;
}

static bool has_label(const struct oxp_cw_metric *metric, const struct oxp_symbol *name) {
    for (size_t i = 0; i < metric->label_count; i++) {
        if (strcmp(metric->labels[i].name, name->text) == 0 && strcmp(metric->labels[i].value, name->text) == 0) {
            return true;
        }
    }
    return strcmp(name->text, OXP_NAME_LABEL) == 0;
}

static bool is_published(const struct oxp_cw_config *config, const struct oxp_promql_node *selector) {
    for (size_t i = 0; i < config->metric_count; i++) {
        size_t known = 0;
        if (selector->selector.name.len == 0 || !publishes(&config->metrics[i], selector->selector.name)) {
            continue;
        }
        while (known < selector->selector.matcher_count &&
               has_label(&config->metrics[i], selector->selector.matchers[known].name)) {
            known++;
        }
        if (known == selector->selector.matcher_count) {
            return true;
        }
    }
    return false;
}

/* Whether all selectors are published; counts them. */
/* NOLINTNEXTLINE(misc-no-recursion): the tree's height is at most OXP_PROMQL_DEPTH */
static bool all_published(const struct oxp_cw_config *config, const struct oxp_promql_node *node, size_t *count) {
    switch (node->kind) {
    case OXP_NODE_NUMBER:
    case OXP_NODE_STRING:
        return true;
    case OXP_NODE_SELECTOR:
        ++*count;
        return is_published(config, node);
    case OXP_NODE_RANGE:
        return all_published(config, node->range.selector, count);
    case OXP_NODE_SUBQUERY:
        return all_published(config, node->subquery.expr, count);
    case OXP_NODE_CALL:
        for (size_t i = 0; i < node->call.arg_count; i++) {
            if (!all_published(config, node->call.args[i], count)) {
                return false;
            }
        }
        return true;
    case OXP_NODE_AGGREGATE:
        return (node->aggregate.param == NULL || all_published(config, node->aggregate.param, count)) &&
               all_published(config, node->aggregate.expr, count);
    case OXP_NODE_BINARY:
        return all_published(config, node->binary.left, count) && all_published(config, node->binary.right, count);
    case OXP_NODE_UNARY:
        return all_published(config, node->unary.expr, count);
    case OXP_NODE_PAREN:
        return all_published(config, node->paren, count);
    }
    return false;
}

static size_t alerts_named(const struct oxp_cw_plan_input *input, const struct oxp_symbol *name) {
    size_t count = 0;
    for (size_t f = 0; f < input->file_count; f++) {
        for (size_t g = 0; g < input->files[f]->group_count; g++) {
            const struct oxp_rule_group *group = &input->files[f]->groups[g];
            for (size_t r = 0; r < group->count; r++) {
                count +=
                    group->rules[r].kind == OXP_RULE_ALERTING && strcmp(group->rules[r].name->text, name->text) == 0;
            }
        }
    }
    return count;
}

static bool can_be_asked(const struct oxp_cw_plan_input *input, const struct oxp_rule *rule) {
    size_t selectors = 0;
    return all_published(input->config, rule->expr->root, &selectors) && selectors > 0 &&
           rule->expr->root->type == OXP_PROMQL_VECTOR && rule->query.len <= QUERY_MAX &&
           rule->for_ms <= WAIT_MAX_S * INT64_C(1000) && rule->keep_firing_for_ms <= WAIT_MAX_S * INT64_C(1000) &&
           alerts_named(input, rule->name) == 1;
}

enum oxp_status oxp_cw_promql_rule(struct oxp_cw_wish *wish, struct oxp_cw_alarm *alarm, const struct oxp_rule *rule) {
    struct oxp_buf text;
    oxp_buf_init(&text, 0);
    if (can_be_asked(wish->input, rule)) {
        oxp_buf_append_view(&text, rule->query);
        alarm->pending_s = (unsigned)((rule->for_ms + 999) / 1000);
        alarm->recovery_s = (unsigned)((rule->keep_firing_for_ms + 999) / 1000);
    } else {
        append_around(&text, "max(", alarm, 0, ") >= 1");
    }
    return keep_query(wish, alarm, &text);
}

/* ---- What PutMetricAlarm is given ---- */

unsigned oxp_cw_promql_interval_s(const struct oxp_cw_alarm *alarm) {
    enum { INTERVAL_MAX_S = 3600 };
    return alarm->period_s < INTERVAL_MAX_S ? alarm->period_s : INTERVAL_MAX_S;
}

enum oxp_status oxp_cw_promql_check(const struct oxp_cw_alarm *alarm, struct oxp_error *error) {
    if (strlen(alarm->query) > QUERY_MAX) {
        return oxp_error_set(error, OXP_ERR_LIMIT, alarm->line, 0,
                             "alarm \"%.80s\": the query has %zu characters, the most is %d", alarm->name,
                             strlen(alarm->query), QUERY_MAX);
    }
    return OXP_OK;
}

void oxp_cw_promql_condition(const struct oxp_cw_alarm *alarm, struct oxp_buf *out) {
    oxp_buf_append_format(out, "PromQL %s each %u s, pending %u s, recovery %u s", alarm->query,
                          oxp_cw_promql_interval_s(alarm), alarm->pending_s, alarm->recovery_s);
}

void oxp_cw_promql_body(const struct oxp_cw_alarm *alarm, struct oxp_json *body, enum oxp_status *status) {
    struct oxp_json *criteria = oxp_json_object(), *promql = oxp_json_object();
    oxp_cw_put_text(promql, "Query", alarm->query, status);
    oxp_cw_put(promql, "PendingPeriod", oxp_json_count(alarm->pending_s), status);
    oxp_cw_put(promql, "RecoveryPeriod", oxp_json_count(alarm->recovery_s), status);
    oxp_cw_put(criteria, "PromQLCriteria", promql, status);
    oxp_cw_put(body, "EvaluationCriteria", criteria, status);
    oxp_cw_put(body, "EvaluationInterval", oxp_json_count(oxp_cw_promql_interval_s(alarm)), status);
}
