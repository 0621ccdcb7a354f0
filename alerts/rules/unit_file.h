/* What the parts of the rule unit tests share: a test file as it was read (unit_file.c, unit_value.c), the world in
 * which one of its tests runs (unit_world.c), and the words for what differs (unit_print.c). Private to this folder.
 * Owned by one thread. */
#ifndef OXP_RULES_UNIT_FILE_H
#define OXP_RULES_UNIT_FILE_H

#include "alerts/promql/script.h"
#include "alerts/rules/file_reader.h"
#include "alerts/rules/rules.h"
#include "alerts/rules/unit.h"

/* ---- A test file ---- Everything lives in its arena. Times are milliseconds from the start of the test. */

struct oxp_unit_alert { /* as promtool compares them: what is empty is there, too */
    const struct oxp_labels *labels, *annotations;
};
struct oxp_unit_alert_check { /* an item of alert_rule_test */
    unsigned line;
    size_t number; /* its place in the list */
    int64_t eval_ms;
    struct oxp_view alertname;
    struct oxp_unit_alert *alerts; /* sorted */
    size_t count;
};
struct oxp_unit_sample {
    const struct oxp_labels *labels;
    double value;
};
struct oxp_unit_query_check { /* an item of promql_expr_test */
    unsigned line;
    int64_t eval_ms;
    struct oxp_view expr;
    struct oxp_unit_sample *samples; /* sorted */
    size_t count;
};
struct oxp_unit_test {
    unsigned line;
    struct oxp_view name;
    int64_t interval_ms; /* between the values of a series */
    int64_t start_ms;    /* unix milliseconds */
    const struct oxp_script_series *series;
    size_t series_count;
    struct oxp_unit_alert_check *alert_checks; /* sorted by time, then as in the file */
    size_t alert_check_count;
    struct oxp_unit_query_check *query_checks;
    size_t query_check_count;
    const struct oxp_labels *external_labels;
    struct oxp_view external_url; /* a NUL follows */
};
struct oxp_unit_name { /* of rule_files or group_eval_order */
    struct oxp_view text;
    unsigned line, column;
};
struct oxp_unit_file {
    struct oxp_arena arena;
    struct oxp_unit_name *patterns; /* of rule files */
    size_t pattern_count;
    int64_t eval_interval_ms;
    struct oxp_unit_name *group_order;
    size_t group_order_count;
    bool fuzzy; /* neighbouring doubles are equal */
    struct oxp_unit_test *tests;
    size_t test_count;
};

/* Reads a test file. Failures as of oxp_unit_run; the file must be ended with oxp_unit_file_fini either way. */
enum oxp_status oxp_unit_file_read(struct oxp_view text, struct oxp_unit_file *file_out, struct oxp_error *error);
void oxp_unit_file_fini(struct oxp_unit_file *file);

/* ---- Values (unit_value.c) ---- Faults are told to the reader; an absent or null node gives 0, false or nothing. */

/* A float as YAML 1.1 writes them, which is how promtool reads them: 1, 0x10, 1e3, .5, .inf, .nan. */
double oxp_unit_read_number(struct oxp_rule_reader *reader, const struct oxp_yaml_node *node);
/* YAML 1.1's many words for true and false. */
bool oxp_unit_read_bool(struct oxp_rule_reader *reader, const struct oxp_yaml_node *node);
/* Unix seconds with decimals, or RFC 3339; gives unix milliseconds. */
int64_t oxp_unit_read_time(struct oxp_rule_reader *reader, const struct oxp_yaml_node *node);
/* A mapping of texts as a set of labels; `alertname`, unless its pointer is NULL, is that label's value whatever the
 * mapping says. Empty values are kept. NULL without memory, which is told. */
const struct oxp_labels *oxp_unit_read_labels(struct oxp_rule_reader *reader, const struct oxp_yaml_node *node,
                                              struct oxp_arena *arena, struct oxp_view alertname);
/* The labels of an expected sample: `up{job="x"}`, or nothing for none. NULL after a fault. */
const struct oxp_labels *oxp_unit_read_metric(struct oxp_rule_reader *reader, const struct oxp_yaml_node *node,
                                              struct oxp_arena *arena);
/* An input series. */
struct oxp_unit_series_text {
    const struct oxp_yaml_node *series; /* never NULL */
    const struct oxp_yaml_node *values; /* may be */
    bool last;                          /* no other series follows */
};
void oxp_unit_read_series(struct oxp_rule_reader *reader, const struct oxp_unit_series_text *from,
                          struct oxp_arena *arena, struct oxp_script_series *series);

/* ---- The world of one test (unit_world.c) ---- */

struct oxp_unit_source { /* a rule file */
    struct oxp_view path, text;
};
struct oxp_unit_feed;
struct oxp_unit_world {
    struct oxp_tsdb *tsdb;
    struct oxp_promql_engine *engine;
    struct oxp_rules *rules;
    struct oxp_rule_file **files; /* what the groups' contents live in */
    size_t file_count;
    const struct oxp_rule_group *groups; /* in the order of evaluation, which is that of the rules' view */
    size_t group_count;
    struct oxp_unit_feed *feeds;
    size_t feed_count;
    struct oxp_arena arena;
    int64_t now_ms;
    struct oxp_buf *failures; /* what rules failed with at now_ms, one line each; the caller's */
};

/* Makes the world of a test from rule files that were read without a fault before. The test, the file and `failures`
 * must outlive it. OXP_ERR_NOMEM; it must be ended either way. */
enum oxp_status oxp_unit_world_init(struct oxp_unit_world *world, const struct oxp_unit_file *file,
                                    const struct oxp_unit_test *test, const struct oxp_unit_source *sources,
                                    size_t source_count);
void oxp_unit_world_fini(struct oxp_unit_world *world);
/* One tick: samples up to this time come in, then all groups run. What rules fail with is in `failures`. Memory alone
 * fails it. */
enum oxp_status oxp_unit_world_tick(struct oxp_unit_world *world, int64_t time_ms);

/* ---- Words (unit_print.c) ---- As promtool prints them. */

/* `{a="b"} 1.5E+00`, or several; "nil" for none. */
void oxp_unit_print_samples(struct oxp_buf *out, const struct oxp_unit_sample *samples, size_t count);
/* `[`, and each alert on lines of its own, `]`. */
void oxp_unit_print_alerts(struct oxp_buf *out, const struct oxp_unit_alert *alerts, size_t count);
/* A time since the epoch as Go prints durations: "1h0m0s", "1.5s". */
void oxp_unit_print_time(struct oxp_buf *out, int64_t ms);

/* ---- Order: that of labels.Compare; for qsort. ---- */
int oxp_unit_alert_compare(const void *a, const void *b);
int oxp_unit_sample_compare(const void *a, const void *b);

#endif
