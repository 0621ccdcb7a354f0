/* Rule files, exactly as Prometheus reads them
 * (https://prometheus.io/docs/prometheus/latest/configuration/recording_rules/, alerting_rules/; model/rulefmt in its
 * repository): groups with name, interval, limit, query_offset, labels and rules; rules with record or alert, expr,
 * for, keep_firing_for, labels, annotations. Unknown fields are errors; every fault has its place.
 * YAML as go.yaml.in/yaml/v3 takes it: aliases, merge keys, the first document of several. On purpose stricter: no
 * other tags than !!str, !!map and !!seq; a bad template in a group's label is refused here when the group has an
 * alert, and not found out by its evaluation; a rule has at most OXP_LABELS_LIMIT labels.
 *
 * Immutable once read; any thread. */
#ifndef OXP_RULES_FILE_H
#define OXP_RULES_FILE_H

#include "alerts/promql/parse.h"
#include "alerts/rules/template.h"

#define OXP_RULES_FILE_MAX (1u << 20) /* bytes */

struct oxp_rule_text { /* a label or an annotation: name and template */
    const struct oxp_symbol *name;
    struct oxp_view text;                /* as written */
    const struct oxp_template *template; /* NULL for labels of a recording rule, which are not expanded */
};

enum oxp_rule_kind { OXP_RULE_RECORDING, OXP_RULE_ALERTING };

struct oxp_rule {
    enum oxp_rule_kind kind;
    const struct oxp_symbol *name; /* of `record` or `alert` */
    struct oxp_view query;         /* the expression, printed as Prometheus prints it */
    const struct oxp_promql_expr *expr;
    int64_t for_ms, keep_firing_for_ms;
    const struct oxp_rule_text *labels; /* the group's and its own (which win), sorted by name */
    size_t label_count;
    const struct oxp_rule_text *annotations; /* sorted by name */
    size_t annotation_count;
    unsigned line, column; /* of the rule in its file */
};

struct oxp_rule_group {
    struct oxp_view name, file; /* the path as it was given */
    int64_t interval_ms;        /* 0 = global.evaluation_interval */
    int64_t query_offset_ms;    /* 0 when not given */
    unsigned limit;             /* 0 = none */
    const struct oxp_rule *rules;
    size_t count;
    unsigned line;
};

struct oxp_rule_file {
    struct oxp_arena arena;
    struct oxp_view path;
    const struct oxp_rule_group *groups;
    size_t group_count, rule_count;
    bool more; /* a second YAML document followed, which Prometheus does not look at either */
};

/* Called for each fault with its line and column in the file (0 = none; within an expression or template
 * the very place, and of an alias the place of what it stands for) and a sentence that names group and rule, as
 * promtool does: `group "g", rule 2, "Alert": could not parse expression: 1:5: parse error: …`. */
typedef void oxp_rule_fault_fn(void *ctx, const struct oxp_error *error);

/* Reads one file's text. Every fault is told to `on_fault` (may be NULL); the first is in `error`, too. On failure
 * there is nothing to free: OXP_ERR_SYNTAX, OXP_ERR_INVALID, OXP_ERR_UNSUPPORTED (PromQL that is refused by name),
 * OXP_ERR_LIMIT, OXP_ERR_NOMEM. `path` is copied. */
enum oxp_status oxp_rule_file_read(struct oxp_view text, struct oxp_view path, oxp_rule_fault_fn *on_fault, void *ctx,
                                   struct oxp_rule_file **file_out, struct oxp_error *error);
void oxp_rule_file_free(struct oxp_rule_file *file); /* NULL is allowed */

/* What is no fault but hardly meant: rules with the same name and labels as an earlier one (promtool's lint
 * duplicate-rules), further YAML documents. Each is told to `on_warning`; gives how many there are in `count_out` (may
 * be NULL). OXP_ERR_NOMEM. */
enum oxp_status oxp_rule_file_warnings(const struct oxp_rule_file *file, oxp_rule_fault_fn *on_warning, void *ctx,
                                       size_t *count_out);

/* A rule that looks further back than the short memory reaches: its expression's reach and the lookback exceed
 * `retention_ms`; a group's query_offset counts, too. One whose reach is unknown (INT64_MAX) is too far. Each is told
 * to `on_fault` with both figures and the flag to change; gives how many there are. */
size_t oxp_rule_file_too_far(const struct oxp_rule_file *file, int64_t retention_ms, int64_t lookback_ms,
                             oxp_rule_fault_fn *on_fault, void *ctx);

#endif
