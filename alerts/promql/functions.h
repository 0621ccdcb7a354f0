/* The functions of PromQL: one table (functions.def) that the parser checks calls against, the evaluator dispatches by,
 * and docs/promql.md is made from. Implementations are pure: any thread. */
#ifndef OXP_PROMQL_FUNCTIONS_H
#define OXP_PROMQL_FUNCTIONS_H

#include "alerts/promql/eval.h"
#include "lib/base/number.h"

/* The samples that a range function sees at one step: those with start_ms < time <= end_ms, without stale markers. */
struct oxp_window {
    const int64_t *time_ms;
    const double *value;
    size_t count;             /* at least 1 */
    int64_t start_ms, end_ms; /* the window after offset and @ */
    int64_t eval_ms;          /* the step's own time */
    double *scratch;          /* room for `count` values, to sort in */
};

/* A call whose arguments were evaluated. */
struct oxp_call {
    struct oxp_eval *eval;
    const struct oxp_promql_node *node;
    struct oxp_vector *args;      /* one for each argument; of a string it is empty; they are the callee's */
    const struct oxp_view *texts; /* one for each argument; empty for those that are not strings */
};

enum oxp_function_kind {
    OXP_FUNCTION_RANGE, /* one range argument: a value from its window, or none; names are dropped unless KEEPS_NAME */
    OXP_FUNCTION_MATH,  /* one vector argument first: value by value; names are dropped */
    OXP_FUNCTION_DATE,  /* an optional vector of unix times (else time()): value by value; names are dropped */
    OXP_FUNCTION_SPECIAL, /* whole vectors */
    OXP_FUNCTION_ENGINE,  /* the evaluator itself knows it: time, timestamp, absent_over_time … */
    OXP_FUNCTION_REFUSED, /* known and not supported: `refusal` says why */
};

/* `args` are the call's scalar arguments at this step, in the order of the call (a range or vector argument holds 0).
 * False: no value at this step. */
typedef bool oxp_range_fn(const struct oxp_window *window, const double *args, double *value_out);
/* Raises what is to be said about the arguments themselves (a quantile outside [0, 1]). */
typedef void oxp_range_check_fn(struct oxp_query_state *query, const struct oxp_promql_node *node, const double *args);
typedef double oxp_math_fn(double value, const double *args);
typedef enum oxp_status oxp_special_fn(struct oxp_call *call, struct oxp_vector *out);

struct oxp_promql_function {
    const char *name;
    enum oxp_function_kind kind;
    enum oxp_promql_type returns;
    /* One letter for each argument: m range vector, v instant vector, s scalar, t string; behind a letter, `?` = may be
     * left out, `*` = any number of them, none included. */
    const char *args;
    bool keeps_name;    /* last_over_time, sort, label_replace … */
    bool wants_counter; /* rate, increase: an info when the metric's name is not a counter's */
    oxp_range_fn *range;
    /* RANGE; usually NULL. The evaluator calls it with the scalar arguments of each step at which a series has a window
     * (with samples); calling it again for the same step changes nothing. */
    oxp_range_check_fn *check;
    oxp_math_fn *math; /* MATH, and DATE (of a unix time) */
    oxp_special_fn *special;
    const char *refusal;
    const char *help; /* one line */
};

/* The row of a name, refused ones included; NULL when there is none. */
const struct oxp_promql_function *oxp_promql_function_find(struct oxp_view name);
/* All rows, in the table's order. */
size_t oxp_promql_functions(const struct oxp_promql_function **rows_out);

/* Warns about a quantile that is NaN or outside [0, 1] ("quantile value should be between 0 and 1, got 2"), at the
 * place of `node` (the argument); else does nothing. For every function and aggregation that takes one. */
void oxp_promql_check_quantile(struct oxp_query_state *query, const struct oxp_promql_node *node, double phi);
/* Writes a number as Go's %g does, with two digits (`short_form`, "%.2g") or as many as it takes to read the same
 * double; whole numbers from a million on have an exponent. Gives the length; no NUL. For texts that must read like
 * Prometheus'. */
size_t oxp_promql_number_g(char out[OXP_NUMBER_MAX], double value, bool short_form);

#endif
