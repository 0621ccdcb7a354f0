/* PromQL test scripts: Prometheus' own format (promql/promqltest/README.md in its repository).
 *
 * `load STEP` with series, `clear`, `eval instant at T EXPR`, `eval range from A to B step S EXPR`, `expect …` lines,
 * the older eval_fail, eval_warn, eval_info, eval_ordered, and expected results. Each eval is one case: it passes,
 * fails with what was wanted and what came, or is skipped with a reason (native histograms, experimental functions).
 * Files are read by the caller. */
#ifndef OXP_PROMQL_SCRIPT_H
#define OXP_PROMQL_SCRIPT_H

#include "alerts/promql/engine.h"

enum oxp_script_outcome { OXP_SCRIPT_PASSED, OXP_SCRIPT_FAILED, OXP_SCRIPT_SKIPPED };

struct oxp_script_case {
    enum oxp_script_outcome outcome;
    unsigned line; /* of the eval */
    struct oxp_view expr;
    const char *detail; /* why it failed or was skipped; valid during the call */
};

struct oxp_script_result {
    unsigned found, passed, failed, skipped;
};

/* Runs a script. `on_case` is told every eval (may be NULL). OXP_ERR_SYNTAX with line and column in `error` when the
 * script itself is malformed (what ran before is in the result), OXP_ERR_NOMEM. */
enum oxp_status oxp_script_run(struct oxp_view script, void (*on_case)(void *ctx, const struct oxp_script_case *result),
                               void *ctx, struct oxp_script_result *result_out, struct oxp_error *error);

/* A series in the notation of load lines and of rule unit tests (`up{job="x"} 1+2x3 _ stale`): the labels and the
 * values, in the arena; an omitted value (`_`) is marked in `omitted` by true. One line without its line feed; pure.
 * OXP_ERR_SYNTAX with the column in `error`; OXP_ERR_UNSUPPORTED for native histograms and start timestamps (the labels
 * are there even so); OXP_ERR_LIMIT for more than a million values; OXP_ERR_NOMEM. */
struct oxp_script_series {
    const struct oxp_labels *labels;
    double *value;
    bool *omitted;
    size_t count;
};
enum oxp_status oxp_script_parse_series(struct oxp_view text, struct oxp_arena *arena,
                                        struct oxp_script_series *series_out, struct oxp_error *error);

#endif
