/* Metrics: the entries of the configuration or the defaults, with their expressions and what is derived from them. */
#include "alerts/cloudwatch/config_reader.h"

#include <stdlib.h>

struct metric_row {
    const char *name, *unit;
    enum oxp_cw_kind kind;
    const char *expr;
};
static const struct metric_row defaults[] = {
#define METRIC(name_, unit_, kind_, expr_) {name_, unit_, OXP_CW_##kind_, expr_},
#include "alerts/cloudwatch/defaults.def"
#undef METRIC
};

static const char *const units[] = {"None",
                                    "Seconds",
                                    "Microseconds",
                                    "Milliseconds",
                                    "Bytes",
                                    "Kilobytes",
                                    "Megabytes",
                                    "Gigabytes",
                                    "Terabytes",
                                    "Bits",
                                    "Kilobits",
                                    "Megabits",
                                    "Gigabits",
                                    "Terabits",
                                    "Percent",
                                    "Count",
                                    "Bytes/Second",
                                    "Kilobytes/Second",
                                    "Megabytes/Second",
                                    "Gigabytes/Second",
                                    "Terabytes/Second",
                                    "Bits/Second",
                                    "Kilobits/Second",
                                    "Megabits/Second",
                                    "Gigabits/Second",
                                    "Terabits/Second",
                                    "Count/Second",
                                    NULL};

/* Where the entry stands, for faults: the defaults stand nowhere. */
struct place {
    unsigned line, column;
};

/* ---- Expressions ---- */

static const struct oxp_promql_expr *keep_expr(struct oxp_cw_reader *reader, struct oxp_promql_expr *expr) {
    struct oxp_cw_owned *owned = reader->owned;
    struct oxp_promql_expr **grown = realloc(owned->exprs, (owned->expr_count + 1) * sizeof(struct oxp_promql_expr *));
    if (grown == NULL) {
        oxp_promql_expr_free(expr);
        oxp_fields_no_memory(&reader->fields);
        return NULL;
    }
    owned->exprs = grown;
    grown[owned->expr_count++] = expr;
    return expr;
}

static const struct oxp_promql_expr *parse(struct oxp_cw_reader *reader, struct oxp_view text, struct place place) {
    struct oxp_promql_expr *expr;
    struct oxp_error error = {0};
    enum oxp_status status = oxp_promql_parse(text, &expr, &error);
    if (status == OXP_ERR_NOMEM) {
        oxp_fields_no_memory(&reader->fields);
        return NULL;
    }
    if (status != OXP_OK) {
        oxp_fields_fault(&reader->fields, OXP_ERR_INVALID, place.line, place.column, "expr: %u:%u: %s", error.line,
                         error.column, error.text);
        return NULL;
    }
    return keep_expr(reader, expr);
}

/* A text of parts, parsed: derived expressions. */
static const struct oxp_promql_expr *parse_made(struct oxp_cw_reader *reader, struct oxp_buf *text,
                                                struct place place) {
    const struct oxp_promql_expr *expr = NULL;
    if (oxp_buf_status(text) != OXP_OK) {
        oxp_fields_no_memory(&reader->fields);
    } else {
        expr = parse(reader, oxp_buf_view(text), place);
    }
    oxp_buf_fini(text);
    return expr;
}

/* `expr[60s]` of a plain selector; NULL for anything else. */
static const struct oxp_promql_expr *first_of(struct oxp_cw_reader *reader, const struct oxp_promql_expr *expr,
                                              struct place place) {
    struct oxp_buf text;
    if (expr == NULL || expr->root->kind != OXP_NODE_SELECTOR || expr->root->selector.when.offset_ms != 0 ||
        expr->root->selector.when.at != OXP_AT_NONE) {
        return NULL;
    }
    oxp_buf_init(&text, 0);
    oxp_buf_append_view(&text, oxp_view_of(expr->text.ptr + expr->root->start, expr->root->end - expr->root->start));
    oxp_buf_append_char(&text, '[');
    oxp_promql_print_duration(&text, reader->config->interval_ms);
    oxp_buf_append_char(&text, ']');
    return parse_made(reader, &text, place);
}

/* The selector of a distribution: `x_bucket{…}` alone or within sum, without a matcher of le. */
static const struct oxp_promql_node *bucket_selector(const struct oxp_promql_node *node, const char **wrong_out) {
    node = oxp_promql_bare(node);
    while (node->kind == OXP_NODE_AGGREGATE && node->aggregate.op == OXP_AGG_SUM) {
        bool named = false;
        for (size_t i = 0; i < node->aggregate.grouping.count; i++) {
            named = named || oxp_view_is(oxp_symbol_view(node->aggregate.grouping.names[i]), "le");
        }
        if (named == node->aggregate.grouping.without) {
            *wrong_out = "sum must keep the label le";
            return NULL;
        }
        node = oxp_promql_bare(node->aggregate.expr);
    }
    *wrong_out = "must be a selector of a histogram's _bucket series by name, alone or within sum by (le, ...)";
    if (node->kind != OXP_NODE_SELECTOR || !oxp_view_ends(node->selector.name, OXP_VIEW("_bucket"))) {
        return NULL;
    }
    for (size_t i = 0; i < node->selector.matcher_count; i++) {
        if (oxp_view_is(oxp_symbol_view(node->selector.matchers[i].name), "le")) {
            *wrong_out = "may not choose buckets by le: the sum would be of all";
            return NULL;
        }
    }
    return node;
}

/* The same expression of the family's _sum: the one name in it is replaced. */
static const struct oxp_promql_expr *sum_of(struct oxp_cw_reader *reader, const struct oxp_promql_expr *expr,
                                            struct place place) {
    const char *wrong;
    const struct oxp_promql_node *selector = bucket_selector(expr->root, &wrong);
    struct oxp_buf text;
    if (selector == NULL) {
        oxp_fields_fault(&reader->fields, OXP_ERR_INVALID, place.line, place.column, "expr of a distribution %s",
                         wrong);
        return NULL;
    }
    size_t name_end = selector->start + selector->selector.name.len;
    oxp_buf_init(&text, 0);
    oxp_buf_append_view(&text, oxp_view_of(expr->text.ptr, name_end - strlen("_bucket")));
    oxp_buf_append_text(&text, "_sum");
    oxp_buf_append_view(&text, oxp_view_of(expr->text.ptr + name_end, expr->text.len - name_end));
    return parse_made(reader, &text, place);
}

static void read_expr(struct oxp_cw_reader *reader, struct oxp_cw_metric *metric, struct place place) {
    metric->parsed = parse(reader, oxp_view_from(metric->expr), place);
    if (metric->parsed == NULL) {
        return;
    }
    enum oxp_promql_type type = metric->parsed->root->type;
    if (type != OXP_PROMQL_VECTOR && type != OXP_PROMQL_SCALAR) {
        oxp_fields_fault(&reader->fields, OXP_ERR_INVALID, place.line, place.column,
                         "expr: found a %s; expected an instant vector", oxp_promql_type_text(type));
        return;
    }
    if (metric->kind == OXP_CW_GAUGE) {
        return;
    }
    metric->first = first_of(reader, metric->parsed, place);
    if (metric->kind == OXP_CW_DISTRIBUTION) {
        metric->sum = sum_of(reader, metric->parsed, place);
        metric->sum_first = first_of(reader, metric->sum, place);
    }
}

/* ---- Dimensions from labels ---- */

static void read_labels(struct oxp_cw_reader *reader, struct oxp_cw_metric *metric,
                        const struct oxp_yaml_node *dimensions, const struct oxp_yaml_node *by) {
    size_t count = 0;
    if (dimensions != NULL && by != NULL) {
        OXP_FAULT(&reader->fields, by, "by and dimensions say the same; use one of them");
        return;
    }
    metric->labels = oxp_cw_pairs(reader, dimensions, &oxp_cw_dimension_name, &oxp_cw_label_name, OXP_CW_DIMENSIONS_MAX,
                                  &metric->label_count);
    if (by == NULL) {
        return;
    }
    const struct oxp_yaml_node *item = oxp_cw_items(reader, by, OXP_CW_DIMENSIONS_MAX, &count);
    struct oxp_cw_pair *pairs = oxp_arena_zero(&reader->owned->arena, count + 1, sizeof *pairs);
    if (pairs == NULL) {
        oxp_fields_no_memory(&reader->fields);
        return;
    }
    for (size_t i = 0; i < count; i++, item = item->next) {
        pairs[i].value = oxp_cw_text(reader, item, &oxp_cw_label_name);
        pairs[i].name = pairs[i].value;
        if (oxp_cw_pair_has(pairs, i, pairs[i].name)) {
            OXP_FAULT(&reader->fields, item, "the label %s is named twice", pairs[i].name);
        }
    }
    metric->labels = pairs;
    metric->label_count = count;
}

static void check_labels(struct oxp_cw_reader *reader, const struct oxp_cw_metric *metric,
                         const struct oxp_yaml_node *node) {
    const struct oxp_cw_config *config = reader->config;
    for (size_t i = 0; i < metric->label_count && reader->fields.status == OXP_OK; i++) {
        if (oxp_cw_pair_has(config->dimensions, config->dimension_count, metric->labels[i].name)) {
            OXP_FAULT(&reader->fields, node, "the dimension %s is one of the section's already",
                      metric->labels[i].name);
        }
    }
    if (config->dimension_count + metric->label_count > OXP_CW_DIMENSIONS_MAX) {
        OXP_FAULT(&reader->fields, node, "%zu dimensions with the section's; at most %d are allowed",
                  config->dimension_count + metric->label_count, OXP_CW_DIMENSIONS_MAX);
    }
    if (config->lane == OXP_CW_EMF && (oxp_cw_pair_has(config->dimensions, config->dimension_count, metric->name) ||
                                       oxp_cw_pair_has(metric->labels, metric->label_count, metric->name))) {
        OXP_FAULT(&reader->fields, node, "the metric %s has the name of a dimension, which lane emf cannot tell apart",
                  metric->name);
    }
}

/* ---- Entries ---- */

static bool is_free_name(struct oxp_view text) {
    return !oxp_view_is(text, OXP_CW_HEARTBEAT) && !oxp_view_is(text, OXP_CW_RULE_STATE) && !oxp_view_is(text, "_aws");
}

static bool same_dimensions(const struct oxp_cw_metric *a, const struct oxp_cw_metric *b) {
    if (a->label_count != b->label_count) {
        return false;
    }
    for (size_t i = 0; i < a->label_count; i++) {
        if (!oxp_cw_pair_has(b->labels, b->label_count, a->labels[i].name)) {
            return false;
        }
    }
    return true;
}

static void read_metric(struct oxp_cw_reader *reader, const struct oxp_yaml_node *node, struct oxp_cw_metric *metric) {
    enum { EXPR, NAME, UNIT, KIND, DIMENSIONS, BY, KEYS };
    static const char *const names[KEYS] = {"expr", "name", "unit", "kind", "dimensions", "by"};
    static const struct oxp_keys keys = {.what = "a metric", .names = names, .count = KEYS};
    static const char *const kinds[] = {"gauge", "delta", "distribution", NULL};
    static const struct oxp_cw_text_rule name = {
        "a metric's name", 1, OXP_CW_NAME_MAX, true, true, is_free_name, "is one that oxpecker uses itself"};
    const struct oxp_yaml_node *found[KEYS];
    if (!oxp_fields_find(&reader->fields, node, &keys, found)) {
        return;
    }
    for (size_t i = EXPR; i <= KIND; i++) {
        if (i != UNIT && found[i] == NULL) {
            OXP_FAULT(&reader->fields, node, "a metric needs the key %s", names[i]);
            return;
        }
    }
    static const struct oxp_cw_text_rule expr = {"an expression", 1, OXP_PROMQL_TEXT_MAX, false, false, NULL, ""};
    if (found[EXPR]->kind == OXP_YAML_SCALAR) { /* line feeds are welcome here */
        metric->expr = oxp_fields_keep(&reader->fields, found[EXPR]->text);
    } else {
        (void)oxp_cw_text(reader, found[EXPR], &expr);
    }
    metric->name = oxp_cw_text(reader, found[NAME], &name);
    size_t unit = oxp_fields_choice(&reader->fields, found[UNIT], units);
    metric->unit = unit == 0 ? "" : units[unit];
    metric->kind = (enum oxp_cw_kind)oxp_fields_choice(&reader->fields, found[KIND], kinds);
    metric->line = node->line;
    read_labels(reader, metric, found[DIMENSIONS], found[BY]);
    if (reader->fields.status == OXP_OK) {
        check_labels(reader, metric, node);
        read_expr(reader, metric, (struct place){found[EXPR]->line, found[EXPR]->column});
    }
}

static void read_entries(struct oxp_cw_reader *reader, const struct oxp_yaml_node *node) {
    size_t count;
    const struct oxp_yaml_node *item = oxp_cw_items(reader, node, OXP_CW_METRICS_MAX, &count);
    struct oxp_cw_metric *metrics = oxp_arena_zero(&reader->owned->arena, count + 1, sizeof *metrics);
    if (metrics == NULL) {
        oxp_fields_no_memory(&reader->fields);
        return;
    }
    for (size_t i = 0; i < count && reader->fields.status == OXP_OK; i++, item = item->next) {
        read_metric(reader, item, &metrics[i]);
        for (size_t j = 0; j < i && reader->fields.status == OXP_OK; j++) {
            if (strcmp(metrics[i].name, metrics[j].name) == 0 && same_dimensions(&metrics[i], &metrics[j])) {
                OXP_FAULT(&reader->fields, item, "the metric %s with the same dimensions stands in line %u already",
                          metrics[i].name, metrics[j].line);
            }
        }
    }
    reader->config->metrics = metrics;
    reader->config->metric_count = count;
}

static void take_defaults(struct oxp_cw_reader *reader) {
    enum { COUNT = sizeof defaults / sizeof defaults[0] };
    struct oxp_cw_metric *metrics = oxp_arena_zero(&reader->owned->arena, COUNT, sizeof *metrics);
    if (metrics == NULL) {
        oxp_fields_no_memory(&reader->fields);
        return;
    }
    for (size_t i = 0; i < COUNT && reader->fields.status == OXP_OK; i++) {
        metrics[i].name = defaults[i].name;
        metrics[i].unit = strcmp(defaults[i].unit, "None") == 0 ? "" : defaults[i].unit;
        metrics[i].kind = defaults[i].kind;
        metrics[i].expr = defaults[i].expr;
        read_expr(reader, &metrics[i], (struct place){0, 0});
    }
    reader->config->metrics = metrics;
    reader->config->metric_count = COUNT;
}

void oxp_cw_read_metrics(struct oxp_cw_reader *reader, const struct oxp_yaml_node *node) {
    if (node == NULL) {
        take_defaults(reader);
    } else {
        read_entries(reader, node);
    }
}
