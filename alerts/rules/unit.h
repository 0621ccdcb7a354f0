/* Rule unit tests in promtool's format
 * (https://prometheus.io/docs/prometheus/latest/configuration/unit_testing_rules/): rule_files, evaluation_interval,
 * group_eval_order, fuzzy_compare, tests with interval, name, start_timestamp, input_series, alert_rule_test,
 * promql_expr_test, external_labels, external_url. */
#ifndef OXP_RULES_UNIT_H
#define OXP_RULES_UNIT_H

#include "alerts/rules/file.h"

struct oxp_unit_result {
    unsigned tests, failed; /* test groups */
    unsigned checks;        /* alerts and expressions that were compared */
};

struct oxp_unit_options {
    /* Reads a rule file that the test names (relative to the test's own file, globs resolved by the caller): its path
     * and text in the buffers, which are empty. `next` counts from 0; OXP_END when the pattern has no more. Another
     * failure than OXP_ERR_NOMEM fails all tests with the sentence in `error`. */
    enum oxp_status (*read)(void *ctx, struct oxp_view pattern, size_t next, struct oxp_buf *path_out,
                            struct oxp_buf *text_out, struct oxp_error *error);
    /* A failure, as promtool prints it, on several lines without the last line feed; `line` is that of the check, of
     * the test when a rule failed, of the pattern when a rule file cannot be used. May be NULL. */
    void (*on_failure)(void *ctx, unsigned line, const char *text);
    void *ctx;
};

/* Runs one test file (cmd/promtool/unittest.go in Prometheus' repository); any thread. Failures of tests are no error.
 * When the file itself is wrong nothing runs and `error` has the place: OXP_ERR_SYNTAX, OXP_ERR_INVALID, OXP_ERR_LIMIT,
 * OXP_ERR_UNSUPPORTED (native histograms); OXP_ERR_NOMEM. */
enum oxp_status oxp_unit_run(struct oxp_view text, const struct oxp_unit_options *options,
                             struct oxp_unit_result *result_out, struct oxp_error *error);

#endif
