/* What is to become alarms: thresholds, states of rules, the heartbeat. */
#include "alerts/cloudwatch/config_reader.h"

#include "lib/base/number.h"
#include <math.h>

enum { THRESHOLDS_MAX = 1000, HOUR_S = 3600, DAY_S = 86400, WEEK_S = 7 * 86400 };

/* ---- Actions ---- */

/* arn:partition:service:region:account:resource */
static bool is_arn(struct oxp_view text) {
    size_t colons = 0;
    for (size_t i = 0; i < text.len; i++) {
        colons += text.ptr[i] == ':';
        if (text.ptr[i] == ' ') {
            return false;
        }
    }
    return colons >= 5 && oxp_view_starts(text, OXP_VIEW("arn:")) && text.ptr[text.len - 1] != ':';
}

static struct oxp_cw_actions read_actions(struct oxp_cw_reader *reader, const struct oxp_yaml_node *const *found) {
    static const struct oxp_cw_text_rule arn = {
        "an action", 1, 1024, true, false, is_arn, "must be an ARN (arn:partition:service:region:account:resource)"};
    return (struct oxp_cw_actions){
        .alarm = oxp_cw_texts(reader, found[0], &arn, OXP_CW_ACTIONS_MAX),
        .ok = oxp_cw_texts(reader, found[1], &arn, OXP_CW_ACTIONS_MAX),
        .insufficient = oxp_cw_texts(reader, found[2], &arn, OXP_CW_ACTIONS_MAX),
    };
}

/* ---- Thresholds ---- */

enum {
    T_METRIC,
    T_ABOVE,
    T_AT_LEAST,
    T_BELOW,
    T_AT_MOST,
    T_FOR,
    T_OF,
    T_PERIOD,
    T_MISSING,
    T_STATISTIC,
    T_DIMENSIONS,
    T_NAME,
    T_DESCRIPTION,
    T_ACTIONS,
    T_OK_ACTIONS,
    T_INSUFFICIENT,
    T_KEYS
};
static const char *const threshold_names[T_KEYS] = {
    "metric",  "above",     "at_least",   "below", "at_most",     "for",     "of",         "period",
    "missing", "statistic", "dimensions", "name",  "description", "actions", "ok_actions", "insufficient_data_actions"};
static const struct oxp_keys threshold_keys = {.what = "a threshold", .names = threshold_names, .count = T_KEYS};

static bool fits_dimensions(const struct oxp_cw_metric *metric, const struct oxp_cw_pair *pairs, size_t count) {
    if (metric->label_count != count) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (!oxp_cw_pair_has(pairs, count, metric->labels[i].name)) {
            return false;
        }
    }
    return true;
}

/* The metric of that name that is published under these dimensions. */
static void find_metric(struct oxp_cw_reader *reader, const struct oxp_yaml_node *node,
                        struct oxp_cw_threshold *threshold) {
    const struct oxp_cw_config *config = reader->config;
    const struct oxp_cw_metric *named = NULL;
    for (size_t i = 0; i < config->metric_count; i++) {
        if (!oxp_view_is(node->text, config->metrics[i].name)) {
            continue;
        }
        named = &config->metrics[i];
        if (fits_dimensions(named, threshold->dimensions, threshold->dimension_count)) {
            threshold->metric = named;
            return;
        }
    }
    if (named == NULL) {
        OXP_FAULT(&reader->fields, node, "no metric is published as \"%s\"", oxp_fields_shown(node->text).text);
    } else if (named->label_count == 0) {
        OXP_FAULT(&reader->fields, node, "the metric %s is published without dimensions of its own", named->name);
    } else {
        OXP_FAULT(&reader->fields, node, "the metric %s is published by %s%s; give dimensions a value for each",
                  named->name, named->labels[0].name, named->label_count > 1 ? ", ..." : "");
    }
}

static void read_comparison(struct oxp_cw_reader *reader, const struct oxp_yaml_node *node,
                            const struct oxp_yaml_node **found, struct oxp_cw_threshold *threshold) {
    static const char *const comparisons[] = {"GreaterThanThreshold", "GreaterThanOrEqualToThreshold",
                                              "LessThanThreshold", "LessThanOrEqualToThreshold"};
    for (size_t i = T_ABOVE; i <= T_AT_MOST; i++) {
        if (found[i] == NULL) {
            continue;
        }
        if (threshold->comparison != NULL) {
            OXP_FAULT(&reader->fields, found[i], "%s: one comparison is enough", threshold_names[i]);
        }
        threshold->comparison = comparisons[i - T_ABOVE];
        threshold->threshold = oxp_fields_number(&reader->fields, found[i], 0);
    }
    if (threshold->comparison == NULL) {
        OXP_FAULT(&reader->fields, node, "a threshold needs one of above, at_least, below, at_most");
    }
}

/* CloudWatch has periods of 10, 20, 30 seconds (of high-resolution metrics) and whole minutes. */
static unsigned period_for(unsigned seconds) {
    static const unsigned shorts[] = {10, 20, 30, 60};
    for (size_t i = 0; i < sizeof shorts / sizeof shorts[0]; i++) {
        if (seconds <= shorts[i]) {
            return shorts[i];
        }
    }
    return (seconds + 59) / 60 * 60;
}

static void read_periods(struct oxp_cw_reader *reader, const struct oxp_yaml_node **found,
                         struct oxp_cw_threshold *threshold, const struct oxp_yaml_node *node) {
    unsigned interval = (unsigned)(reader->config->interval_ms / 1000);
    unsigned period = oxp_cw_seconds(reader, found[T_PERIOD], 10, DAY_S, period_for(interval));
    if (period_for(period) != period) {
        OXP_FAULT(&reader->fields, found[T_PERIOD], "period: CloudWatch has 10s, 20s, 30s and whole minutes");
    } else if (period < interval) {
        OXP_FAULT(&reader->fields, found[T_PERIOD], "period: shorter than the interval of %us", interval);
    }
    unsigned lasting = oxp_cw_seconds(reader, found[T_FOR], 1, WEEK_S, period);
    if (lasting % period != 0) {
        OXP_FAULT(&reader->fields, found[T_FOR], "for: must be a multiple of the period of %us", period);
    }
    threshold->period_s = period;
    threshold->datapoints = lasting / period;
    threshold->of =
        (unsigned)oxp_fields_count(&reader->fields, found[T_OF], (struct oxp_range){1, WEEK_S}, threshold->datapoints);
    if (threshold->of < threshold->datapoints) {
        OXP_FAULT(&reader->fields, found[T_OF], "of: %u is less than the %u periods that `for` asks for", threshold->of,
                  threshold->datapoints);
    }
    /* Of a period below an hour a day may be looked at, else a week. */
    if ((uint64_t)threshold->of * period > (period < HOUR_S ? DAY_S : WEEK_S)) {
        OXP_FAULT(&reader->fields, node, "%u periods of %us are more than CloudWatch looks back (%s)", threshold->of,
                  period, period < HOUR_S ? "a day; a week for periods from 1h on" : "a week");
    }
}

/* p0.1 … p100, at most ten decimals. */
static bool is_percentile(struct oxp_view text) {
    double value;
    if (text.len < 2 || text.len > 14 || text.ptr[0] != 'p' || text.ptr[1] < '0' || text.ptr[1] > '9' ||
        oxp_number_parse_json(oxp_view_of(text.ptr + 1, text.len - 1), &value) != OXP_OK) {
        return false;
    }
    return value >= 0 && value <= 100 && memchr(text.ptr, 'e', text.len) == NULL &&
           memchr(text.ptr, 'E', text.len) == NULL;
}

static const char *default_statistic(const struct oxp_cw_threshold *threshold) {
    switch (threshold->metric->kind) {
    case OXP_CW_DELTA:
        return "Sum";
    case OXP_CW_DISTRIBUTION:
        return "Average";
    case OXP_CW_GAUGE:
        break;
    }
    return threshold->comparison[0] == 'L' ? "Minimum" : "Maximum";
}

static void read_statistic(struct oxp_cw_reader *reader, const struct oxp_yaml_node *node,
                           struct oxp_cw_threshold *threshold) {
    static const char *const plain[] = {"Maximum", "Average", "Sum", "Minimum", "SampleCount"};
    static const struct oxp_cw_text_rule rule = {"a statistic", 1, 16, true, false, NULL, ""};
    threshold->statistic = oxp_cw_text(reader, node, &rule);
    if (threshold->statistic == NULL) {
        threshold->statistic = default_statistic(threshold);
        return;
    }
    for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++) {
        if (strcmp(threshold->statistic, plain[i]) == 0) {
            return;
        }
    }
    if (!is_percentile(node->text)) {
        OXP_FAULT(&reader->fields, node,
                  "statistic: found \"%s\"; expected Maximum, Average, Sum, Minimum, SampleCount or a percentile "
                  "(p99)",
                  oxp_fields_shown(node->text).text);
    } else if (threshold->metric->kind == OXP_CW_GAUGE) {
        OXP_FAULT(&reader->fields, node,
                  "statistic: %s is a gauge; of its statistic sets CloudWatch knows no percentiles",
                  threshold->metric->name);
    }
}

/* What a PromQL alarm cannot be (lane otlp). */
static void check_promql(struct oxp_cw_reader *reader, const struct oxp_yaml_node *node,
                         const struct oxp_yaml_node **found, struct oxp_cw_threshold *threshold) {
    if (threshold->of != threshold->datapoints) {
        OXP_FAULT(&reader->fields, found[T_OF], "of: a PromQL alarm (lane otlp) knows no M of N; `for` alone");
    }
    if ((uint64_t)(threshold->datapoints - 1) * threshold->period_s > DAY_S) {
        OXP_FAULT(&reader->fields, node, "for: a PromQL alarm (lane otlp) waits for a day at most");
    }
    if (found[T_MISSING] == NULL) {
        threshold->missing = OXP_CW_NOT_BREACHING;
    } else if (threshold->missing == OXP_CW_MISSING || threshold->missing == OXP_CW_IGNORE) {
        OXP_FAULT(&reader->fields, found[T_MISSING],
                  "missing: a PromQL alarm (lane otlp) knows breaching and notBreaching alone");
    }
    if (threshold->metric->kind == OXP_CW_DISTRIBUTION && threshold->statistic != NULL &&
        (strcmp(threshold->statistic, "Maximum") == 0 || strcmp(threshold->statistic, "Minimum") == 0)) {
        OXP_FAULT(&reader->fields, found[T_STATISTIC],
                  "statistic: lane otlp has no %s of a distribution; use a percentile", threshold->statistic);
    }
    if (threshold->metric->kind == OXP_CW_DELTA && threshold->statistic != NULL && threshold->statistic[0] == 'p') {
        OXP_FAULT(&reader->fields, found[T_STATISTIC], "statistic: lane otlp has percentiles of distributions alone");
    }
}

static const char *default_name(struct oxp_cw_reader *reader, const struct oxp_cw_threshold *threshold) {
    struct oxp_buf text;
    const char *service = reader->identity->service, *name = NULL;
    oxp_buf_init(&text, 0);
    oxp_buf_append_text(&text, reader->config->namespace_name);
    if (service != NULL && *service != '\0') {
        oxp_buf_append_char(&text, '/');
        oxp_buf_append_text(&text, service);
    }
    oxp_buf_append_char(&text, '/');
    oxp_buf_append_text(&text, threshold->metric->name);
    for (size_t i = 0; i < threshold->dimension_count; i++) {
        oxp_buf_append_char(&text, '/');
        oxp_buf_append_text(&text, threshold->dimensions[i].value);
    }
    if (oxp_buf_status(&text) != OXP_OK) {
        oxp_fields_no_memory(&reader->fields);
    } else {
        name = oxp_fields_keep(&reader->fields, oxp_buf_view(&text));
    }
    oxp_buf_fini(&text);
    return name;
}

static const struct oxp_cw_text_rule alarm_name = {"an alarm's name", 1, OXP_CW_NAME_MAX, false, false, NULL, ""};

static void read_names(struct oxp_cw_reader *reader, const struct oxp_yaml_node *node,
                       const struct oxp_yaml_node **found, struct oxp_cw_threshold *threshold) {
    static const struct oxp_cw_text_rule description = {"a description", 0, 1024, false, false, NULL, ""};
    threshold->description = oxp_cw_text(reader, found[T_DESCRIPTION], &description);
    threshold->description = threshold->description == NULL ? "" : threshold->description;
    if (found[T_NAME] != NULL && found[T_NAME]->text.len > 0) {
        threshold->name = oxp_cw_text(reader, found[T_NAME], &alarm_name);
        return;
    }
    threshold->name = default_name(reader, threshold);
    if (threshold->name != NULL && oxp_cw_text_wrong(&alarm_name, oxp_view_from(threshold->name)) != NULL) {
        OXP_FAULT(&reader->fields, node,
                  "the alarm's name made of namespace, service, metric and dimensions is too long; "
                  "give it one");
    }
}

static void read_threshold(struct oxp_cw_reader *reader, const struct oxp_yaml_node *node,
                           struct oxp_cw_threshold *threshold) {
    static const char *const missing[] = {"missing", "breaching", "notBreaching", "ignore", NULL};
    const struct oxp_yaml_node *found[T_KEYS];
    if (!oxp_fields_find(&reader->fields, node, &threshold_keys, found)) {
        return;
    }
    if (found[T_METRIC] == NULL || found[T_METRIC]->kind != OXP_YAML_SCALAR) {
        OXP_FAULT(&reader->fields, node, "a threshold needs the key metric, the name of a published metric");
        return;
    }
    threshold->line = node->line;
    threshold->dimensions = oxp_cw_pairs(reader, found[T_DIMENSIONS], &oxp_cw_dimension_name, &oxp_cw_dimension_value,
                                         OXP_CW_DIMENSIONS_MAX, &threshold->dimension_count);
    read_comparison(reader, node, found, threshold);
    if (reader->fields.status == OXP_OK) {
        find_metric(reader, found[T_METRIC], threshold);
    }
    if (reader->fields.status != OXP_OK) {
        return;
    }
    read_periods(reader, found, threshold, node);
    threshold->missing = (enum oxp_cw_missing)oxp_fields_choice(&reader->fields, found[T_MISSING], missing);
    read_statistic(reader, found[T_STATISTIC], threshold);
    if (reader->config->lane == OXP_CW_OTLP && reader->fields.status == OXP_OK) {
        check_promql(reader, node, found, threshold);
    }
    read_names(reader, node, found, threshold);
    threshold->actions = read_actions(reader, &found[T_ACTIONS]);
}

void oxp_cw_read_thresholds(struct oxp_cw_reader *reader, const struct oxp_yaml_node *node) {
    size_t count;
    const struct oxp_yaml_node *item = oxp_cw_items(reader, node, THRESHOLDS_MAX, &count);
    struct oxp_cw_threshold *thresholds = oxp_arena_zero(&reader->owned->arena, count + 1, sizeof *thresholds);
    if (thresholds == NULL) {
        oxp_fields_no_memory(&reader->fields);
        return;
    }
    for (size_t i = 0; i < count && reader->fields.status == OXP_OK; i++, item = item->next) {
        read_threshold(reader, item, &thresholds[i]);
        for (size_t j = 0; j < i && reader->fields.status == OXP_OK; j++) {
            if (strcmp(thresholds[i].name, thresholds[j].name) == 0) {
                OXP_FAULT(&reader->fields, item,
                          "the alarm of line %u has the same name, \"%s\"; give this one another", thresholds[j].line,
                          oxp_fields_shown(oxp_view_from(thresholds[i].name)).text);
            }
        }
    }
    reader->config->thresholds = thresholds;
    reader->config->threshold_count = count;
}

/* ---- Rules, heartbeat ---- */

void oxp_cw_read_rule_alarms(struct oxp_cw_reader *reader, const struct oxp_yaml_node *node) {
    enum { SEVERITY, ALERTNAME, ACTIONS, KEYS = ACTIONS + 3 };
    static const char *const names[KEYS] = {"severity", "alertname", "actions", "ok_actions",
                                            "insufficient_data_actions"};
    static const struct oxp_keys keys = {.what = "rule_alarms", .names = names, .count = KEYS};
    static const struct oxp_cw_text_rule text = {"a label's value", 1, OXP_CW_VALUE_MAX, false, false, NULL, ""};
    const struct oxp_yaml_node *found[KEYS] = {NULL};
    struct oxp_cw_config *config = reader->config;
    if (node != NULL && !oxp_fields_find(&reader->fields, node, &keys, found)) {
        return;
    }
    config->rule_alarms = node != NULL;
    config->rule_severities = oxp_cw_texts(reader, found[SEVERITY], &text, 64);
    config->rule_names = oxp_cw_texts(reader, found[ALERTNAME], &text, 1000);
    config->rule_actions = read_actions(reader, &found[ACTIONS]);
    if (node != NULL && config->dimension_count >= OXP_CW_DIMENSIONS_MAX) {
        OXP_FAULT(&reader->fields, node,
                  "rule_alarms add the dimension " OXP_CW_RULE_DIMENSION
                  "; the section has %d already, which is the most",
                  OXP_CW_DIMENSIONS_MAX);
    }
    if (node != NULL && oxp_cw_pair_has(config->dimensions, config->dimension_count, OXP_CW_RULE_DIMENSION)) {
        OXP_FAULT(&reader->fields, node,
                  "rule_alarms add the dimension " OXP_CW_RULE_DIMENSION ", which is one of the section's already");
    }
}

void oxp_cw_read_heartbeat(struct oxp_cw_reader *reader, const struct oxp_yaml_node *node) {
    enum { REPLICAS, ACTIONS, KEYS = ACTIONS + 3 };
    static const char *const names[KEYS] = {"expected_replicas", "actions", "ok_actions", "insufficient_data_actions"};
    static const struct oxp_keys keys = {.what = "heartbeat", .names = names, .count = KEYS};
    const struct oxp_yaml_node *found[KEYS] = {NULL};
    struct oxp_cw_config *config = reader->config;
    if (node != NULL && !oxp_fields_find(&reader->fields, node, &keys, found)) {
        return;
    }
    config->heartbeat_replicas =
        node == NULL ? 0
                     : (unsigned)oxp_fields_count(&reader->fields, found[REPLICAS], (struct oxp_range){1, 10000}, 1);
    config->heartbeat_actions = read_actions(reader, &found[ACTIONS]);
    if (config->lane == OXP_CW_OTLP && config->heartbeat_replicas > 1 &&
        (reader->identity->external_labels == NULL || reader->identity->external_labels->count == 0)) {
        OXP_FAULT(&reader->fields, node,
                  "heartbeat: lane otlp counts replicas by their external labels, and there are none");
    }
}
