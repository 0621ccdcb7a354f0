/* Rule unit tests in promtool's format
 * (https://prometheus.io/docs/prometheus/latest/configuration/unit_testing_rules/): rule_files, evaluation_interval,
 * group_eval_order, tests with interval, name, input_series, alert_rule_test, promql_expr_test, external_labels,
 * external_url. */
#ifndef OXP_RULES_UNIT_H
#define OXP_RULES_UNIT_H

#include "alerts/rules/file.h"

struct oxp_unit_result {
    unsigned tests, failed; /* test groups */
    unsigned checks;        /* alerts and expressions that were compared */
};

struct oxp_unit_options {
    /* Reads a rule file that the test names (relative to the test's own file, globs resolved by the caller): its text
     * in `text_out`. `next` counts from 0; OXP_END when the pattern has no more. */
    enum oxp_status (*read)(void *ctx, struct oxp_view pattern, size_t next, struct oxp_buf *path_out,
                            struct oxp_buf *text_out, struct oxp_error *error);
    /* A failure, as promtool prints it: `alertname: X, time: 10m, exp:[…], got:[…]`. */
    void (*on_failure)(void *ctx, unsigned line, const char *text);
    void *ctx;
};

/* Runs one test file. OXP_ERR_SYNTAX, OXP_ERR_INVALID with the place when the file itself is wrong; failures of tests
 * are no error. */
enum oxp_status oxp_unit_run(struct oxp_view text, const struct oxp_unit_options *options,
                             struct oxp_unit_result *result_out, struct oxp_error *error);

#endif
