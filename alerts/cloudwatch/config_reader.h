/* What the parts of the `cloudwatch` section's reader share: config.c goes through the section, config_metrics.c reads
 * metrics and their expressions, config_alarms.c what is to become alarms, config_fields.c the values that
 * lib/yaml/fields.h has no reader for. Private to
 * this folder. Owned by one thread. */
#ifndef OXP_CLOUDWATCH_CONFIG_READER_H
#define OXP_CLOUDWATCH_CONFIG_READER_H

#include "alerts/cloudwatch/config.h"
#include "lib/yaml/fields.h"

#define OXP_CW_DIMENSIONS_MAX 30
#define OXP_CW_NAME_MAX 255
#define OXP_CW_VALUE_MAX 1024
#define OXP_CW_TAGS_MAX 48 /* of 50: two are ours */
#define OXP_CW_METRICS_MAX 1000
#define OXP_CW_ACTIONS_MAX 5
#define OXP_CW_RULE_STATE "RuleState" /* names of our own metrics */
#define OXP_CW_RULE_DIMENSION "Rule"
#define OXP_CW_HEARTBEAT "Heartbeat"

/* A configuration with what it owns. */
struct oxp_cw_owned {
    struct oxp_cw_config config; /* the first member */
    struct oxp_arena arena;
    struct oxp_promql_expr **exprs;
    size_t expr_count;
};

struct oxp_cw_reader {
    struct oxp_cw_owned *owned;
    struct oxp_cw_config *config; /* of it */
    const struct oxp_cw_identity *identity;
    struct oxp_fields fields; /* its arena is the configuration's */
    /* Where it stands that what is outside of the section (its labels, say) is used in it. */
    const struct oxp_yaml_node *place;
};

/* ---- Values. A node that is NULL gives what stands for nothing: NULL, 0, or the one handed in. ---- */

struct oxp_cw_text_rule {
    const char *what;              /* "a dimension's name" */
    size_t least, most;            /* bytes, or characters where it need not be ASCII */
    bool ascii;                    /* printable ASCII with something that is not a blank, as CloudWatch wants it */
    bool no_colon;                 /* may not begin with ':' */
    bool (*also)(struct oxp_view); /* a further condition; may be NULL */
    const char *says;              /* and its sentence: "must be …" */
};
extern const struct oxp_cw_text_rule oxp_cw_dimension_name, oxp_cw_dimension_value, oxp_cw_label_name;
/* NULL when the text is right, else what is wrong with it. */
const char *oxp_cw_text_wrong(const struct oxp_cw_text_rule *rule, struct oxp_view text);
/* In the arena; NULL for no node, and after a fault. */
const char *oxp_cw_text(struct oxp_cw_reader *reader, const struct oxp_yaml_node *node,
                        const struct oxp_cw_text_rule *rule);
/* Whole seconds. */
unsigned oxp_cw_seconds(struct oxp_cw_reader *reader, const struct oxp_yaml_node *node, unsigned least, unsigned most,
                        unsigned fallback);
/* The first child of a list; NULL for no node, an empty list and after a fault. Counts the children. */
const struct oxp_yaml_node *oxp_cw_items(struct oxp_cw_reader *reader, const struct oxp_yaml_node *node, size_t most,
                                         size_t *count_out);
/* A list of texts, ended by NULL; never NULL but without memory. */
const char *const *oxp_cw_texts(struct oxp_cw_reader *reader, const struct oxp_yaml_node *node,
                                const struct oxp_cw_text_rule *rule, size_t most);
/* A mapping of texts; `names` and `values` are the rules. */
const struct oxp_cw_pair *oxp_cw_pairs(struct oxp_cw_reader *reader, const struct oxp_yaml_node *node,
                                       const struct oxp_cw_text_rule *names, const struct oxp_cw_text_rule *values,
                                       size_t most, size_t *count_out);
bool oxp_cw_pair_has(const struct oxp_cw_pair *pairs, size_t count, const char *name);

/* ---- config_metrics.c ---- */
/* `metrics`; NULL = the defaults. The section's dimensions and interval are read. */
void oxp_cw_read_metrics(struct oxp_cw_reader *reader, const struct oxp_yaml_node *node);

/* ---- config_alarms.c: after the metrics ---- */
void oxp_cw_read_thresholds(struct oxp_cw_reader *reader, const struct oxp_yaml_node *node);
void oxp_cw_read_rule_alarms(struct oxp_cw_reader *reader, const struct oxp_yaml_node *node);
void oxp_cw_read_heartbeat(struct oxp_cw_reader *reader, const struct oxp_yaml_node *node);

#endif
