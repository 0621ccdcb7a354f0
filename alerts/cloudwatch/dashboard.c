/* A dashboard of CloudWatch itself (Amazon CloudWatch API Reference, "Dashboard Body Structure and Syntax"): the state
 * of our alarms on top, then a graph for each metric with its thresholds as lines, then rules and heartbeat.
 *
 * A metric with labels, or of replicas with identities of their own, is drawn by a SEARCH over its dimensions, so that
 * each series has its line. Alarms are named by ARN, which needs the account: the caller's, else the one that the
 * actions name, else the text ACCOUNT_ID, to be replaced. In the lane otlp there are alarms alone: a graph of metrics
 * is one of PutMetricData's, and how a dashboard asks PromQL is not known here. */
#include "alerts/cloudwatch/plan_internal.h"

#include <stdlib.h>

#define COLUMNS 24
#define WIDTH 8
#define HEIGHT 6
#define ALARMS_MAX 100 /* of one widget */

struct board {
    const struct oxp_cw_plan_input *input;
    struct oxp_view region;
    struct oxp_json *widgets;
    enum oxp_status status;
    uint64_t x, y;
};
struct graph {
    const char *title, *name, *kind_stats; /* "Sum", "p50 p99": parted by blanks */
    const char *labels[64];                /* dimensions beside the common ones */
    size_t label_count;
    const struct oxp_cw_metric *metric; /* NULL = none of the list */
};

/* ---- One widget ---- */

static void add_widget(struct board *board, const char *type, struct oxp_json *properties, uint64_t width,
                       uint64_t height) {
    struct oxp_json *widget = oxp_json_object();
    if (board->x + width > COLUMNS) {
        board->x = 0;
        board->y += HEIGHT;
    }
    oxp_cw_put_text(widget, "type", type, &board->status);
    oxp_cw_put(widget, "x", oxp_json_count(board->x), &board->status);
    oxp_cw_put(widget, "y", oxp_json_count(board->y), &board->status);
    oxp_cw_put(widget, "width", oxp_json_count(width), &board->status);
    oxp_cw_put(widget, "height", oxp_json_count(height), &board->status);
    oxp_cw_put(widget, "properties", properties, &board->status);
    oxp_cw_append(board->widgets, widget, &board->status);
    board->x += width;
}

static struct oxp_json *text_of(struct oxp_buf *text) {
    struct oxp_json *value = oxp_buf_status(text) == OXP_OK ? oxp_json_text(oxp_buf_view(text)) : NULL;
    oxp_buf_fini(text);
    return value;
}

/* A word of SEARCH between double quotes; the whole expression stands between single ones. */
static void quote_word(struct oxp_buf *out, const char *word) {
    oxp_buf_append_char(out, '"');
    for (; *word != '\0'; word++) {
        if (*word == '"' || *word == '\'' || *word == '\\') {
            oxp_buf_append_char(out, '\\');
        }
        oxp_buf_append_char(out, *word);
    }
    oxp_buf_append_char(out, '"');
}

/* SEARCH('{"Namespace","Service","Region"} MetricName="X" "Service"="a"', 'Sum', 60) */
static struct oxp_json *search(struct board *board, const struct graph *graph, const char *stat) {
    const struct oxp_cw_config *config = board->input->config;
    struct oxp_buf text;
    oxp_buf_init(&text, 0);
    oxp_buf_append_text(&text, "SEARCH('{");
    quote_word(&text, config->namespace_name);
    for (size_t i = 0; i < config->shared_count; i++) {
        oxp_buf_append_char(&text, ',');
        quote_word(&text, config->dimensions[i].name);
    }
    for (size_t i = 0; i < graph->label_count; i++) {
        oxp_buf_append_char(&text, ',');
        quote_word(&text, graph->labels[i]);
    }
    oxp_buf_append_text(&text, "} MetricName=");
    quote_word(&text, graph->name);
    for (size_t i = 0; i < config->shared_count; i++) {
        oxp_buf_append_char(&text, ' ');
        quote_word(&text, config->dimensions[i].name);
        oxp_buf_append_char(&text, '=');
        quote_word(&text, config->dimensions[i].value);
    }
    oxp_buf_append_format(&text, "', '%s', %u)", stat, oxp_cw_period_s(config->interval_ms));
    struct oxp_json *object = oxp_json_object(), *line = oxp_json_array();
    oxp_cw_put(object, "expression", text_of(&text), &board->status);
    oxp_cw_append(line, object, &board->status);
    return line;
}

/* [namespace, name, dimension, value, …, {"stat": …}] */
static struct oxp_json *plain(struct board *board, const struct graph *graph, const char *stat) {
    const struct oxp_cw_config *config = board->input->config;
    struct oxp_json *line = oxp_json_array(), *options = oxp_json_object();
    oxp_cw_append(line, oxp_json_text(oxp_view_from(config->namespace_name)), &board->status);
    oxp_cw_append(line, oxp_json_text(oxp_view_from(graph->name)), &board->status);
    for (size_t i = 0; i < config->shared_count; i++) {
        oxp_cw_append(line, oxp_json_text(oxp_view_from(config->dimensions[i].name)), &board->status);
        oxp_cw_append(line, oxp_json_text(oxp_view_from(config->dimensions[i].value)), &board->status);
    }
    oxp_cw_put_text(options, "stat", stat, &board->status);
    oxp_cw_append(line, options, &board->status);
    return line;
}

static void add_lines(struct board *board, const struct graph *graph, struct oxp_json *properties) {
    struct oxp_json *lines = oxp_json_array();
    char stat[16];
    for (const char *at = graph->kind_stats; *at != '\0';) {
        size_t len = strcspn(at, " ");
        memcpy(stat, at, len < sizeof stat ? len : sizeof stat - 1);
        stat[len < sizeof stat ? len : sizeof stat - 1] = '\0';
        oxp_cw_append(lines, graph->label_count > 0 ? search(board, graph, stat) : plain(board, graph, stat),
                      &board->status);
        at += len + strspn(at + len, " ");
    }
    oxp_cw_put(properties, "metrics", lines, &board->status);
}

/* The thresholds on this metric as horizontal lines. */
static void add_thresholds(struct board *board, const struct graph *graph, struct oxp_json *properties) {
    const struct oxp_cw_config *config = board->input->config;
    struct oxp_json *lines = oxp_json_array(), *annotations = oxp_json_object();
    for (size_t i = 0; i < config->threshold_count; i++) {
        if (graph->metric == NULL || config->thresholds[i].metric != graph->metric) {
            continue;
        }
        struct oxp_json *line = oxp_json_object();
        struct oxp_buf label;
        oxp_buf_init(&label, 0);
        oxp_buf_append_format(&label, "%s %s ", config->thresholds[i].statistic,
                              oxp_cw_comparison_sign(config->thresholds[i].comparison));
        oxp_buf_append_double(&label, config->thresholds[i].threshold);
        oxp_cw_put(line, "label", text_of(&label), &board->status);
        oxp_cw_put(line, "value", oxp_json_number(config->thresholds[i].threshold), &board->status);
        oxp_cw_append(lines, line, &board->status);
    }
    if (oxp_json_size(lines) == 0) {
        oxp_json_free(lines);
        oxp_json_free(annotations);
        return;
    }
    oxp_cw_put(annotations, "horizontal", lines, &board->status);
    oxp_cw_put(properties, "annotations", annotations, &board->status);
}

static void add_graph(struct board *board, const struct graph *graph) {
    struct oxp_json *properties = oxp_json_object();
    oxp_cw_put_text(properties, "title", graph->title, &board->status);
    oxp_cw_put_text(properties, "view", "timeSeries", &board->status);
    oxp_cw_put(properties, "stacked", oxp_json_bool(false), &board->status);
    oxp_cw_put(properties, "region", oxp_json_text(board->region), &board->status);
    oxp_cw_put(properties, "period", oxp_json_count(oxp_cw_period_s(board->input->config->interval_ms)),
               &board->status);
    add_lines(board, graph, properties);
    add_thresholds(board, graph, properties);
    add_widget(board, "metric", properties, WIDTH, HEIGHT);
}

/* ---- Alarms ---- */

/* The account in the first action's ARN (arn:partition:service:region:account:…), empty when there is none. */
static struct oxp_view account_of(const struct oxp_cw_actions *actions) {
    const char *at = actions->alarm == NULL || actions->alarm[0] == NULL ? "" : actions->alarm[0];
    for (int colons = 0; colons < 4; colons++) {
        at = strchr(at, ':');
        if (at == NULL) {
            return oxp_view_of("", 0);
        }
        at++;
    }
    size_t len = strspn(at, "0123456789");
    return oxp_view_of(at, len == 12 ? len : 0);
}

static struct oxp_view find_account(const struct oxp_cw_plan_input *input) {
    const struct oxp_cw_config *config = input->config;
    struct oxp_view account = oxp_view_from(input->account);
    for (size_t i = 0; account.len == 0 && i < config->threshold_count; i++) {
        account = account_of(&config->thresholds[i].actions);
    }
    if (account.len == 0) {
        account = account_of(&config->rule_actions);
    }
    if (account.len == 0) {
        account = account_of(&config->heartbeat_actions);
    }
    return account.len == 0 ? OXP_VIEW(OXP_CW_ACCOUNT_UNKNOWN) : account;
}

static void add_alarms(struct board *board, const struct oxp_cw_planned *alarms, size_t count) {
    struct oxp_view account = find_account(board->input);
    struct oxp_json *properties = oxp_json_object(), *arns = oxp_json_array();
    for (size_t i = 0; i < count && i < ALARMS_MAX; i++) {
        struct oxp_buf arn;
        oxp_buf_init(&arn, 0);
        oxp_buf_append_format(&arn, "arn:%s:cloudwatch:", oxp_cw_partition(board->region));
        oxp_buf_append_view(&arn, board->region);
        oxp_buf_append_char(&arn, ':');
        oxp_buf_append_view(&arn, account);
        oxp_buf_append_format(&arn, ":alarm:%s", alarms[i].name);
        oxp_cw_append(arns, text_of(&arn), &board->status);
    }
    oxp_cw_put_text(properties, "title", "Alarms", &board->status);
    oxp_cw_put(properties, "alarms", arns, &board->status);
    add_widget(board, "alarm", properties, COLUMNS, HEIGHT);
}

/* ---- All ---- */

static void add_label(struct graph *graph, const char *name) {
    if (graph->label_count < sizeof graph->labels / sizeof graph->labels[0]) {
        graph->labels[graph->label_count++] = name;
    }
}

/* What tells replicas apart, so that all of them are drawn. */
static void add_own(struct graph *graph, const struct oxp_cw_config *config) {
    for (size_t i = config->shared_count; i < config->dimension_count; i++) {
        add_label(graph, config->dimensions[i].name);
    }
}

static void add_metrics(struct board *board) {
    static const char *const stats[] = {
        [OXP_CW_GAUGE] = "Maximum", [OXP_CW_DELTA] = "Sum", [OXP_CW_DISTRIBUTION] = "p50 p99"};
    const struct oxp_cw_config *config = board->input->config;
    for (size_t i = 0; i < config->metric_count; i++) {
        const struct oxp_cw_metric *metric = &config->metrics[i];
        struct graph graph = {
            .title = metric->name, .name = metric->name, .kind_stats = stats[metric->kind], .metric = metric};
        add_own(&graph, config);
        for (size_t j = 0; j < metric->label_count; j++) {
            add_label(&graph, metric->labels[j].name);
        }
        add_graph(board, &graph);
    }
    if (config->rule_alarms) {
        struct graph graph = {.title = "Rules that fire", .name = OXP_CW_RULE_STATE, .kind_stats = "Maximum"};
        add_own(&graph, config);
        add_label(&graph, OXP_CW_RULE_DIMENSION);
        add_graph(board, &graph);
    }
    if (config->heartbeat_replicas > 0) {
        struct graph graph = {.title = "Heartbeats of replicas", .name = OXP_CW_HEARTBEAT, .kind_stats = "Sum"};
        add_graph(board, &graph);
    }
}

enum oxp_status oxp_cw_dashboard(const struct oxp_cw_plan_input *input, struct oxp_view region, struct oxp_buf *out) {
    const struct oxp_cw_planned *alarms = NULL;
    struct oxp_json *body = NULL;
    struct oxp_arena arena;
    char *text = NULL;
    size_t count = 0, len = 0;
    oxp_arena_init(&arena, 0);
    struct board board = {.input = input, .region = region, .status = OXP_OK};
    board.status = oxp_cw_wanted(input, &arena, &alarms, &count, NULL);
    if (board.status != OXP_OK) {
        goto out;
    }
    body = oxp_json_object();
    board.widgets = oxp_json_array();
    if (count > 0) {
        add_alarms(&board, alarms, count);
    }
    if (input->config->lane != OXP_CW_OTLP) {
        add_metrics(&board);
    }
    oxp_cw_put(body, "widgets", board.widgets, &board.status);
    if (board.status == OXP_OK) {
        board.status = oxp_json_write(body, &text, &len);
    }
    if (board.status == OXP_OK) {
        oxp_buf_append(out, text, len);
    }
out:
    oxp_json_free(body);
    oxp_arena_fini(&arena);
    free(text);
    return board.status == OXP_OK ? oxp_buf_status(out) : board.status;
}
