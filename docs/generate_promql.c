/* docs/promql.md: what of PromQL there is, from the table of functions. */
#include "docs/generate.h"

#include "alerts/promql/engine.h"
#include "alerts/promql/functions.h"
#include <string.h>

static const char intro[] =
    "# PromQL\n\n"
    "Made from the table of functions (`alerts/promql/functions.def`) by `oxpecker-docs`; do not edit.\n\n"
    "The sidecar answers [PromQL](https://prometheus.io/docs/prometheus/latest/querying/basics/) over its own short "
    "memory, with the semantics of\n"
    "Prometheus 3: windows and lookback are open to the left (a sample exactly at their beginning is outside), regular "
    "expressions are\n"
    "anchored and RE2's, series end at staleness markers, `le` is written `\"0.5\"`, `\"120.0\"`. Floats only: there "
    "are no native histograms.\n"
    "What is not supported is refused by name when an expression is read; it is never answered wrongly.\n\n"
    "- **Literals:** numbers (decimal, `0x1f`, `Inf`, `NaN`, durations such as `5m`), strings in double, single and "
    "back quotes.\n"
    "- **Selectors:** `=`, `!=`, `=~`, `!~`; names in quotes (`{\"a.b\"}`); `[5m]`; `offset` (also negative); `@` with "
    "a time, `start()`, `end()`;\n"
    "  subqueries `[1h:5m]`.\n"
    "- **Operators:** `^`; `*` `/` `%` `atan2`; `+` `-`; `==` `!=` `>` `<` `>=` `<=` with `bool`; `and` `unless`; "
    "`or`; "
    "`on`, `ignoring`,\n"
    "  `group_left`, `group_right`.\n"
    "- **Aggregations:** `sum` `avg` `min` `max` `count` `group` `stddev` `stdvar` `topk` `bottomk` `quantile` "
    "`count_values`, with `by` or `without`.\n"
    "- **Refused:** the experimental functions below, `limitk`, `limit_ratio`, `anchored`, `smoothed`, `fill`, "
    "`fill_left`, `fill_right`, arithmetic in\n"
    "  durations, the histogram operators `</` and `>/`, and native histograms.\n\n"
    "`oxpecker test promql FILE…` runs scripts in the format of Prometheus' own tests; `oxpecker query EXPR` asks a "
    "running sidecar.\n"
    "Limits of a query: [configuration.md](configuration.md), section query. The memory that is asked: "
    "[operations.md](operations.md), The short memory.\n"
    "An expression may have 256 KiB, 200 levels, 500 matchers in a selector, 1,000 labels in a list, and patterns of "
    "8 MiB when they are compiled; a\n"
    "pattern that takes too many steps to match fails the query.\n\n";

static const char *type_of(char letter) {
    switch (letter) {
    case 'm':
        return "range";
    case 'v':
        return "vector";
    case 's':
        return "scalar";
    default:
        return "string";
    }
}

/* "vsss*?" to `vector, scalar, …` */
static void append_signature(struct oxp_buf *out, const struct oxp_promql_function *function) {
    oxp_buf_append_format(out, "`%s(", function->name);
    for (const char *arg = function->args; *arg != '\0'; arg++) {
        oxp_buf_append_text(out, arg == function->args ? "" : ", ");
        char mark = arg[1];
        oxp_buf_append_format(out, mark == '?' || mark == '*' ? "[%s]" : "%s", type_of(*arg));
        if (mark == '*') {
            oxp_buf_append_text(out, " …");
        }
        arg += mark == '?' || mark == '*' ? 1 : 0;
    }
    oxp_buf_append_text(out, ")`");
}

static void append_functions(struct oxp_buf *out, bool refused) {
    const struct oxp_promql_function *rows = NULL;
    size_t count = oxp_promql_functions(&rows), shown = 0;
    for (size_t i = 0; i < count; i++) {
        shown += (rows[i].kind == OXP_FUNCTION_REFUSED) == refused;
    }
    oxp_buf_append_format(out,
                          refused ? "\n## Functions that are refused (%zu)\n\n| function | why |\n|---|---|\n"
                                  : "## Functions (%zu)\n\n| function | gives | what |\n|---|---|---|\n",
                          shown);
    for (size_t i = 0; i < count; i++) {
        if ((rows[i].kind == OXP_FUNCTION_REFUSED) != refused) {
            continue;
        }
        oxp_buf_append_text(out, "| ");
        append_signature(out, &rows[i]);
        oxp_buf_append_text(out, refused                                ? " | "
                                 : rows[i].returns == OXP_PROMQL_SCALAR ? " | scalar | "
                                                                        : " | vector | ");
        generate_cell(out, refused ? rows[i].refusal : rows[i].help);
        oxp_buf_append_text(out, " |\n");
    }
}

void generate_promql(struct oxp_buf *out) {
    oxp_buf_append_text(out, intro);
    append_functions(out, false);
    append_functions(out, true);
}
