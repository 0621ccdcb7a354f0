/* Aggregations: tables of what goes in and what comes out, by Prometheus' rules. */
#include "tests/unit/alerts/promql/vectors.h"

#include "alerts/promql/grouping.h"
#include "tests/support/alloc_fail.h"
#include <math.h>
#include <stdio.h>

struct row {
    const char *name;
    enum oxp_promql_aggregation op;
    const char *by, *without; /* NULL: not written */
    const char *param;        /* of topk, bottomk, quantile: a value for each step */
    const char *label;        /* of count_values */
    const char *input;
    const char *want;     /* NULL: fails with `error` */
    const char *error;    /* the whole sentence */
    const char *warnings; /* all of them, with a bar between */
    bool ordered;
};

#define PHI "PromQL warning: quantile value should be between 0 and 1, got "

/* One row a line reads better. */
/* clang-format off */
static const struct row rows[] = {
    /* groups */
    {.name = "nothing", .op = OXP_AGG_SUM, .input = "", .want = ""},
    {.name = "nothing, with by", .op = OXP_AGG_COUNT, .by = "a", .input = "", .want = ""},
    {.name = "no grouping", .op = OXP_AGG_SUM, .input = "m{a=1} 1; m{a=2} 2; n 4", .want = "{} 7"},
    {.name = "by nothing", .op = OXP_AGG_SUM, .by = "", .input = "m{a=1} 1; m{a=2} 2; n 4", .want = "{} 7"},
    {.name = "without nothing", .op = OXP_AGG_SUM, .without = "", .input = "m{a=1} 1; n{a=1} 2; n 4", .want = "{a=1} 3; {} 4"},
    {.name = "by one label", .op = OXP_AGG_SUM, .by = "a", .input = "m{a=1,b=1} 1; m{a=1,b=2} 2; m{a=2,b=1} 4", .want = "{a=1} 3; {a=2} 4"},
    {.name = "by a label that some lack", .op = OXP_AGG_SUM, .by = "a", .input = "m{a=1} 1; m{b=1} 2; m{b=2} 4", .want = "{a=1} 1; {} 6"},
    {.name = "by a label that all lack", .op = OXP_AGG_SUM, .by = "q", .input = "m{a=1} 1; m{b=1} 2", .want = "{} 3"},
    {.name = "by two labels, written unsorted", .op = OXP_AGG_SUM, .by = "b a", .input = "m{a=1,b=1,c=1} 1; m{a=1,b=1,c=2} 2; m{a=1} 4", .want = "{a=1,b=1} 3; {a=1} 4"},
    {.name = "by the name", .op = OXP_AGG_SUM, .by = "__name__", .input = "m{a=1} 1; m{a=2} 2; n{a=1} 4", .want = "m 3; n 4"},
    {.name = "without one label", .op = OXP_AGG_SUM, .without = "b", .input = "m{a=1,b=1} 1; n{a=1,b=2} 2; m{a=2,b=1} 4", .want = "{a=1} 3; {a=2} 4"},
    {.name = "without a label that all lack", .op = OXP_AGG_SUM, .without = "q", .input = "m{a=1} 1; n{a=1} 2", .want = "{a=1} 3"},
    {.name = "sets that begin alike", .op = OXP_AGG_SUM, .without = "a", .input = "{a=1} 1; {a=1,b=1} 2; {a=1} 4; {a=1,b=1,c=1} 8; {b=1} 16; {} 32; {a=1,c=1} 64", .want = "{} 37; {b=1} 18; {b=1,c=1} 8; {c=1} 64"},
    {.name = "sets that begin alike, by", .op = OXP_AGG_SUM, .by = "a c", .input = "{a=1,b=1,c=1} 1; {a=1,b=1} 2; {a=1} 4; {b=1,c=1} 8; {c=1} 16; {a=1,b=1,d=1} 32", .want = "{a=1,c=1} 1; {a=1} 38; {c=1} 24"},
    {.name = "without the name", .op = OXP_AGG_SUM, .without = "__name__", .input = "m{a=1} 1; n{a=1} 2", .want = "{a=1} 3"},
    {.name = "by step", .op = OXP_AGG_SUM, .input = "m{a=1} 1 _ _ 4; m{a=2} 1 2 _ NaN", .want = "{} 2 2 _ NaN"},
    {.name = "one group empty", .op = OXP_AGG_COUNT, .by = "a", .input = "m{a=1} 1 2; m{a=2} _ _", .want = "{a=1} 1 1"},
    {.name = "groups in the order of the input", .op = OXP_AGG_SUM, .by = "a", .input = "m{a=3} 1; m{a=1} 2; m{a=3,b=1} 4; m{a=2} 8", .want = "{a=3} 5; {a=1} 2; {a=2} 8", .ordered = true},

    /* sum */
    {.name = "sum of one", .op = OXP_AGG_SUM, .input = "m 0.1", .want = "{} 0.1"},
    {.name = "sum keeps small ones beside large ones", .op = OXP_AGG_SUM, .input = "m{a=1} 1e100; m{a=2} 1; m{a=3} -1e100; m{a=4} 1", .want = "{} 2"},
    {.name = "sum, the small one first", .op = OXP_AGG_SUM, .input = "m{a=1} 1; m{a=2} 1e100; m{a=3} 1; m{a=4} -1e100", .want = "{} 2"},
    {.name = "sum of tenths", .op = OXP_AGG_SUM, .input = "m{a=1} 0.1; m{a=2} 0.2; m{a=3} 0.3; m{a=4} 0.4; m{a=5} 0.5; m{a=6} 0.6; m{a=7} 0.7; m{a=8} 0.8; m{a=9} 0.9; m{a=0} 1", .want = "{} 5.5"},
    {.name = "sum of infinities", .op = OXP_AGG_SUM, .input = "m{a=1} Inf Inf -Inf 1; m{a=2} 1 -Inf -Inf Inf; m{a=3} 2 2 2 NaN", .want = "{} Inf NaN -Inf NaN"},
    {.name = "sum overflows", .op = OXP_AGG_SUM, .input = "m{a=1} 1.7e308; m{a=2} 1.7e308", .want = "{} Inf"},

    /* avg */
    {.name = "avg", .op = OXP_AGG_AVG, .by = "a", .input = "m{a=1,b=1} 1 5; m{a=1,b=2} 2 _; m{a=2} 7 NaN", .want = "{a=1} 1.5 5; {a=2} 7 NaN"},
    {.name = "avg of large ones does not overflow", .op = OXP_AGG_AVG, .input = "m{a=1} 1.7e308 -1.7e308; m{a=2} 1.7e308 -1.7e308; m{a=3} 1.7e308 -1.7e308", .want = "{} 1.7e308 -1.7e308"},
    {.name = "avg of infinities", .op = OXP_AGG_AVG, .input = "m{a=1} Inf 1 Inf -Inf; m{a=2} 1 Inf -Inf -Inf; m{a=3} 3 3 3 3", .want = "{} Inf Inf NaN -Inf"},
    {.name = "avg keeps small ones beside large ones", .op = OXP_AGG_AVG, .input = "m{a=1} 1e100; m{a=2} 4; m{a=3} -1e100; m{a=4} 4", .want = "{} 2"},

    /* count, group */
    {.name = "count", .op = OXP_AGG_COUNT, .by = "a", .input = "m{a=1,b=1} 0 NaN _; m{a=1,b=2} 5 _ _; m{a=2} _ _ Inf", .want = "{a=1} 2 1 _; {a=2} _ _ 1"},
    {.name = "group", .op = OXP_AGG_GROUP, .by = "a", .input = "m{a=1,b=1} 0 NaN _; m{a=1,b=2} 5 _ _; m{a=2} _ _ Inf", .want = "{a=1} 1 1 _; {a=2} _ _ 1"},

    /* min, max */
    {.name = "min", .op = OXP_AGG_MIN, .input = "m{a=1} 3 3 _; m{a=2} 1 _ _; m{a=3} 2 -Inf _", .want = "{} 1 -Inf _"},
    {.name = "max", .op = OXP_AGG_MAX, .input = "m{a=1} 3 3 _; m{a=2} 4 _ _; m{a=3} 2 Inf _", .want = "{} 4 Inf _"},
    {.name = "min beside NaN", .op = OXP_AGG_MIN, .input = "m{a=1} NaN 2 NaN; m{a=2} 2 NaN NaN; m{a=3} 3 3 NaN", .want = "{} 2 2 NaN"},
    {.name = "max beside NaN", .op = OXP_AGG_MAX, .input = "m{a=1} NaN 2 NaN; m{a=2} 2 NaN NaN; m{a=3} 1 1 NaN", .want = "{} 2 2 NaN"},
    {.name = "min of infinite only", .op = OXP_AGG_MIN, .input = "m Inf", .want = "{} Inf"},

    /* stddev, stdvar */
    {.name = "stdvar", .op = OXP_AGG_STDVAR, .input = "m{a=1} 2; m{a=2} 4; m{a=3} 4; m{a=4} 4; m{a=5} 5; m{a=6} 5; m{a=7} 7; m{a=8} 9", .want = "{} 4"},
    {.name = "stddev", .op = OXP_AGG_STDDEV, .input = "m{a=1} 2; m{a=2} 4; m{a=3} 4; m{a=4} 4; m{a=5} 5; m{a=6} 5; m{a=7} 7; m{a=8} 9", .want = "{} 2"},
    {.name = "stddev of one", .op = OXP_AGG_STDDEV, .by = "a", .input = "m{a=1} 7 _; m{a=2} NaN 1; m{a=3} Inf 2; m{a=4} -Inf 3", .want = "{a=1} 0 _; {a=2} NaN 0; {a=3} NaN 0; {a=4} NaN 0"},
    {.name = "stdvar with NaN", .op = OXP_AGG_STDVAR, .input = "m{a=1} 1 NaN; m{a=2} NaN 1; m{a=3} 3 3", .want = "{} NaN NaN"},
    {.name = "stdvar with an infinity", .op = OXP_AGG_STDVAR, .input = "m{a=1} 1 Inf; m{a=2} Inf 1", .want = "{} NaN NaN"},
    {.name = "stdvar of large ones close together", .op = OXP_AGG_STDVAR, .input = "m{a=1} 1000000000000001; m{a=2} 1000000000000003", .want = "{} 1"},

    /* topk, bottomk */
    {.name = "topk of nothing", .op = OXP_AGG_TOPK, .param = "1", .input = "", .want = ""},
    {.name = "topk keeps labels and orders", .op = OXP_AGG_TOPK, .param = "2", .input = "m{a=1} 1; m{a=2} 3; n{a=3} 2", .want = "m{a=2} 3; n{a=3} 2", .ordered = true},
    {.name = "bottomk keeps labels and orders", .op = OXP_AGG_BOTTOMK, .param = "2", .input = "m{a=1} 3; m{a=2} 1; n{a=3} 2", .want = "m{a=2} 1; n{a=3} 2", .ordered = true},
    {.name = "topk: k larger than the group", .op = OXP_AGG_TOPK, .param = "100", .input = "m{a=1} 1; m{a=2} 3; m{a=3} 2", .want = "m{a=2} 3; m{a=3} 2; m{a=1} 1", .ordered = true},
    {.name = "topk by group", .op = OXP_AGG_TOPK, .param = "1", .by = "g", .input = "m{g=1,a=1} 1; m{g=2,a=2} 2; m{g=1,a=3} 3; m{g=2,a=4} 1", .want = "m{g=1,a=3} 3; m{g=2,a=2} 2", .ordered = true},
    {.name = "topk without", .op = OXP_AGG_TOPK, .param = "1", .without = "a", .input = "m{g=1,a=1} 1; m{g=2,a=2} 2; m{g=1,a=3} 3", .want = "m{g=1,a=3} 3; m{g=2,a=2} 2", .ordered = true},
    {.name = "topk: a fraction counts down", .op = OXP_AGG_TOPK, .param = "1.9", .input = "m{a=1} 1; m{a=2} 3", .want = "m{a=2} 3"},
    {.name = "topk 0", .op = OXP_AGG_TOPK, .param = "0", .input = "m 1", .want = ""},
    {.name = "topk less than one", .op = OXP_AGG_TOPK, .param = "0.99", .input = "m 1", .want = ""},
    {.name = "topk negative", .op = OXP_AGG_TOPK, .param = "-5", .input = "m 1", .want = ""},
    {.name = "topk of minus infinity", .op = OXP_AGG_TOPK, .param = "-Inf", .input = "m 1", .want = ""},
    {.name = "topk NaN", .op = OXP_AGG_TOPK, .param = "NaN", .input = "m 1", .error = "Parameter value is NaN"},
    {.name = "topk NaN at one step", .op = OXP_AGG_TOPK, .param = "1 NaN", .input = "m 1 1", .error = "Parameter value is NaN"},
    {.name = "topk NaN of nothing", .op = OXP_AGG_TOPK, .param = "NaN", .input = "", .error = "Parameter value is NaN"},
    {.name = "topk infinite", .op = OXP_AGG_TOPK, .param = "Inf", .input = "m 1", .error = "Scalar value +Inf overflows int64"},
    {.name = "topk infinite beside NaN", .op = OXP_AGG_TOPK, .param = "Inf NaN", .input = "m 1 1", .error = "Parameter value is NaN"},
    {.name = "bottomk too large", .op = OXP_AGG_BOTTOMK, .param = "1e+20", .input = "m 1", .error = "Scalar value 1e+20 overflows int64"},
    {.name = "bottomk too large by a little", .op = OXP_AGG_BOTTOMK, .param = "9223372036854774784", .input = "m 1", .error = "Scalar value 9.223372036854775e+18 overflows int64"},
    {.name = "bottomk large", .op = OXP_AGG_BOTTOMK, .param = "9223372036854773760", .input = "m 1", .want = "m 1"},
    {.name = "topk too small at one step", .op = OXP_AGG_TOPK, .param = "1 -1e+20", .input = "m 1 1", .error = "Scalar value -1e+20 underflows int64"},
    {.name = "topk by step", .op = OXP_AGG_TOPK, .param = "1 1 2 1", .input = "m{a=1} 1 3 1 _; m{a=2} 2 2 2 _; m{a=3} _ 1 3 0", .want = "m{a=1} _ 3 _ _; m{a=2} 2 _ 2 _; m{a=3} _ _ 3 0"},
    {.name = "bottomk by step", .op = OXP_AGG_BOTTOMK, .param = "1 1 2 1", .input = "m{a=1} 1 3 1 _; m{a=2} 2 2 2 _; m{a=3} _ 1 3 0", .want = "m{a=1} 1 _ 1 _; m{a=2} _ _ 2 _; m{a=3} _ 1 _ 0"},
    {.name = "topk: k varies", .op = OXP_AGG_TOPK, .param = "0 1 2 3", .input = "m{a=1} 1 1 1 1; m{a=2} 2 2 2 2; m{a=3} 3 3 3 3", .want = "m{a=1} _ _ _ 1; m{a=2} _ _ 2 2; m{a=3} _ 3 3 3"},
    {.name = "topk: NaN comes last", .op = OXP_AGG_TOPK, .param = "2", .input = "m{a=1} NaN; m{a=2} -Inf; m{a=3} 1; m{a=4} NaN", .want = "m{a=3} 1; m{a=2} -Inf", .ordered = true},
    {.name = "topk: NaN when there is nothing else", .op = OXP_AGG_TOPK, .param = "3", .input = "m{a=1} NaN; m{a=2} -Inf; m{a=3} 1", .want = "m{a=3} 1; m{a=2} -Inf; m{a=1} NaN", .ordered = true},
    {.name = "bottomk: NaN comes last", .op = OXP_AGG_BOTTOMK, .param = "2", .input = "m{a=1} NaN; m{a=2} Inf; m{a=3} 1; m{a=4} NaN", .want = "m{a=3} 1; m{a=2} Inf", .ordered = true},
    {.name = "bottomk: NaN when there is nothing else", .op = OXP_AGG_BOTTOMK, .param = "3", .input = "m{a=1} NaN; m{a=2} Inf; m{a=3} 1", .want = "m{a=3} 1; m{a=2} Inf; m{a=1} NaN", .ordered = true},
    {.name = "topk: of equal ones the first", .op = OXP_AGG_TOPK, .param = "2", .input = "m{a=1} 5; m{a=2} 5; m{a=3} 5", .want = "m{a=1} 5; m{a=2} 5"},
    {.name = "bottomk: of equal ones the first", .op = OXP_AGG_BOTTOMK, .param = "2", .input = "m{a=1} 5; m{a=2} 5; m{a=3} 5", .want = "m{a=1} 5; m{a=2} 5"},
    {.name = "topk: more than insertion sorts", .op = OXP_AGG_TOPK, .param = "14",
     .input = "m{a=1} 3; m{a=2} 9; m{a=3} 1; m{a=4} 14; m{a=5} 7; m{a=6} 2; m{a=7} 13; m{a=8} 5; m{a=9} 11; m{a=10} 15; m{a=11} 4; m{a=12} 8; m{a=13} 12; m{a=14} 6; m{a=15} 10",
     .want = "m{a=10} 15; m{a=4} 14; m{a=7} 13; m{a=13} 12; m{a=9} 11; m{a=15} 10; m{a=2} 9; m{a=12} 8; m{a=5} 7; m{a=14} 6; m{a=8} 5; m{a=11} 4; m{a=1} 3; m{a=6} 2", .ordered = true},

    /* quantile */
    {.name = "quantile of nothing", .op = OXP_AGG_QUANTILE, .param = "0.5", .input = "", .want = ""},
    {.name = "median of one", .op = OXP_AGG_QUANTILE, .param = "0.5", .input = "m 7", .want = "{} 7"},
    {.name = "median of two", .op = OXP_AGG_QUANTILE, .param = "0.5", .input = "m{a=1} 1; m{a=2} 2", .want = "{} 1.5"},
    {.name = "quantiles by step", .op = OXP_AGG_QUANTILE, .param = "0 0.25 0.5 0.75 1 0.8", .input = "m{a=1} 5 5 5 5 5 _; m{a=2} 1 1 1 1 1 _; m{a=3} 3 3 3 3 3 _; m{a=4} 2 2 2 2 2 1; m{a=5} 4 4 4 4 4 2", .want = "{} 1 2 3 4 5 1.8"},
    {.name = "quantile by group", .op = OXP_AGG_QUANTILE, .param = "0.5", .by = "g", .input = "m{g=1,a=1} 1; m{g=2,a=2} 5; m{g=1,a=3} 2; m{g=1,a=4} 9", .want = "{g=1} 2; {g=2} 5"},
    {.name = "quantile: NaN is the smallest", .op = OXP_AGG_QUANTILE, .param = "0 0.5 1", .input = "m{a=1} 1 1 1; m{a=2} NaN NaN NaN; m{a=3} 3 3 3", .want = "{} NaN 1 3"},
    {.name = "quantile beside infinities", .op = OXP_AGG_QUANTILE, .param = "0.5 0.75", .input = "m{a=1} -Inf -Inf; m{a=2} 1 1; m{a=3} Inf Inf", .want = "{} NaN Inf"},
    {.name = "quantile above one", .op = OXP_AGG_QUANTILE, .param = "1.5", .input = "m 7", .want = "{} Inf", .warnings = PHI "1.5"},
    {.name = "quantile below zero", .op = OXP_AGG_QUANTILE, .param = "-1 0", .input = "m 7 7", .want = "{} -Inf 7", .warnings = PHI "-1"},
    {.name = "quantile NaN", .op = OXP_AGG_QUANTILE, .param = "NaN", .input = "m 7", .want = "{} NaN", .warnings = PHI "NaN"},
    {.name = "quantile outside, of nothing", .op = OXP_AGG_QUANTILE, .param = "2", .input = "", .want = "", .warnings = PHI "2"},
    {.name = "quantile outside on both sides: the farthest", .op = OXP_AGG_QUANTILE, .param = "2 3 -1 -2", .input = "m 7 7 7 7", .want = "{} Inf Inf -Inf -Inf", .warnings = PHI "3|" PHI "-2"},
    {.name = "quantile outside beside NaN: only NaN is told", .op = OXP_AGG_QUANTILE, .param = "2 NaN", .input = "m 7 7", .want = "{} Inf NaN", .warnings = PHI "NaN"},
    {.name = "quantile infinite beside NaN: both are told", .op = OXP_AGG_QUANTILE, .param = "Inf NaN", .input = "m 7 7", .want = "{} Inf NaN", .warnings = PHI "NaN|" PHI "+Inf"},
    {.name = "quantile infinite", .op = OXP_AGG_QUANTILE, .param = "Inf -Inf", .input = "m 7 7", .want = "{} Inf -Inf", .warnings = PHI "+Inf|" PHI "-Inf"},
    {.name = "quantile: presence", .op = OXP_AGG_QUANTILE, .param = "0.5 0.5", .input = "m{a=1} _ 1; m{a=2} _ _", .want = "{} _ 1"},

    /* count_values */
    {.name = "count_values of nothing", .op = OXP_AGG_COUNT_VALUES, .label = "v", .input = "", .want = ""},
    {.name = "count_values", .op = OXP_AGG_COUNT_VALUES, .label = "v", .input = "m{a=1} 6; m{a=2} 6; m{a=3} 7", .want = "{v=6} 2; {v=7} 1"},
    {.name = "count_values by", .op = OXP_AGG_COUNT_VALUES, .label = "v", .by = "g", .input = "m{g=1,a=1} 6; m{g=1,a=2} 6; m{g=2,a=3} 6; m{a=1} 1", .want = "{g=1,v=6} 2; {g=2,v=6} 1; {v=1} 1"},
    {.name = "count_values without", .op = OXP_AGG_COUNT_VALUES, .label = "v", .without = "a", .input = "m{g=1,a=1} 6; n{g=1,a=2} 6; m{g=2,a=3} 6", .want = "{g=1,v=6} 2; {g=2,v=6} 1"},
    {.name = "count_values by step", .op = OXP_AGG_COUNT_VALUES, .label = "v", .input = "m{a=1} 1 2 _; m{a=2} 1 1 _", .want = "{v=1} 2 1 _; {v=2} _ 1 _"},
    {.name = "count_values: the label is there already", .op = OXP_AGG_COUNT_VALUES, .label = "v", .by = "g", .input = "m{g=1,v=old} 6; m{g=1,v=other} 6", .want = "{g=1,v=6} 2"},
    {.name = "count_values: the label is one of the group's", .op = OXP_AGG_COUNT_VALUES, .label = "g", .by = "g", .input = "m{g=1} 6; m{g=2} 6; m{g=3} 7", .want = "{g=6} 2; {g=7} 1"},
    {.name = "count_values: the label among the group's", .op = OXP_AGG_COUNT_VALUES, .label = "g", .by = "a g z", .input = "m{a=1,g=1,z=1} 6; m{a=1,g=2,z=1} 6", .want = "{a=1,g=6,z=1} 2"},
    {.name = "count_values: without does not name the label", .op = OXP_AGG_COUNT_VALUES, .label = "g", .without = "a", .input = "m{g=1,a=1} 6; m{g=2,a=2} 6", .want = "{g=6} 2"},
    {.name = "count_values: the label between those of without", .op = OXP_AGG_COUNT_VALUES, .label = "g", .without = "b z", .input = "m{b=1,g=1,z=1} 6; m{b=2,g=2,z=2} 6", .want = "{g=6} 2"},
    {.name = "count_values: without takes the label away", .op = OXP_AGG_COUNT_VALUES, .label = "g", .without = "g", .input = "m{g=1,a=1} 6; m{g=2,a=1} 7; m{a=2} 7", .want = "{a=1} 2; {a=2} 1"},
    {.name = "count_values into the name", .op = OXP_AGG_COUNT_VALUES, .label = "__name__", .by = "a", .input = "m{a=1} 6; n{a=1} 6", .want = "6{a=1} 2"},
    {.name = "count_values into the name, without", .op = OXP_AGG_COUNT_VALUES, .label = "__name__", .without = "", .input = "m{a=1} 6; n{a=1} 7", .want = "{a=1} 2"},
    {.name = "count_values by the name", .op = OXP_AGG_COUNT_VALUES, .label = "v", .by = "__name__", .input = "m{a=1} 6; n{a=1} 6", .want = "m{v=6} 1; n{v=6} 1"},
    {.name = "count_values writes no exponents", .op = OXP_AGG_COUNT_VALUES, .label = "v", .input = "m{a=1} 1e21; m{a=2} 1.25e+22; m{a=3} 1e-7; m{a=4} -1.5e-10; m{a=5} 0.00001; m{a=6} 123456789",
     .want = "{v=1000000000000000000000} 1; {v=12500000000000000000000} 1; {v=0.0000001} 1; {v=-0.00000000015} 1; {v=0.00001} 1; {v=123456789} 1"},
    {.name = "count_values of what is no number", .op = OXP_AGG_COUNT_VALUES, .label = "v", .input = "m{a=1} NaN; m{a=2} NaN; m{a=3} Inf; m{a=4} -Inf; m{a=5} 0; m{a=6} 0.1", .want = "{v=NaN} 2; {v=+Inf} 1; {v=-Inf} 1; {v=0} 1; {v=0.1} 1"},
    {.name = "count_values: no name", .op = OXP_AGG_COUNT_VALUES, .label = "", .input = "m 1", .error = "invalid label name \"\""},
    {.name = "count_values: no UTF-8", .op = OXP_AGG_COUNT_VALUES, .label = "a\xc5z", .input = "m 1", .error = "invalid label name \"a\\xc5z\""},
    {.name = "count_values: no UTF-8, of nothing", .op = OXP_AGG_COUNT_VALUES, .label = "a\xc5z", .input = "", .error = "invalid label name \"a\\xc5z\""},
    {.name = "count_values: a name of any characters", .op = OXP_AGG_COUNT_VALUES, .label = "a.b c", .input = "m 1", .want = "{a.b c=1} 1"},
};
/* clang-format on */

static size_t steps_of(const struct row *row) {
    size_t steps = row->param != NULL ? read_values(&(const char *){row->param}, NULL) : count_steps(row->input);
    return steps == 0 ? 1 : steps;
}

static enum oxp_status run_row(struct world *world, const struct row *row, struct oxp_vector *out) {
    struct oxp_promql_node node = {.kind = OXP_NODE_AGGREGATE}, param = {.start = 0};
    const char *names = row->by != NULL ? row->by : row->without != NULL ? row->without : "";
    struct oxp_arena *arena = &world->query.arena;
    struct oxp_vector input;
    world_init(world, steps_of(row));
    world->query.text = oxp_view_from(row->name);
    double *values = row->param == NULL ? NULL : oxp_column_values(arena, world->eval.steps);
    node.aggregate.op = row->op;
    node.aggregate.param = &param;
    node.aggregate.grouped = row->by != NULL || row->without != NULL;
    node.aggregate.grouping.without = row->without != NULL;
    node.aggregate.grouping.names = read_names(arena, names, true, &node.aggregate.grouping.count);
    if ((row->param != NULL && values == NULL) || node.aggregate.grouping.names == NULL ||
        !read_vector(world, row->input, &input)) {
        return OXP_ERR_NOMEM;
    }
    if (values != NULL) {
        read_values(&(const char *){row->param}, values);
    }
    return oxp_eval_aggregate(&world->eval, &node, &input, values, oxp_view_from(row->label), out);
}

static void check_warnings(const struct world *world, const struct row *row) {
    struct oxp_buf all;
    oxp_buf_init(&all, 0);
    for (size_t i = 0; i < world->query.annotation_count; i++) {
        const struct oxp_annotation *annotation = &world->query.annotations[i];
        assert_int_equal(annotation->level, OXP_ANNOTATION_WARNING);
        struct oxp_view text = annotation->text, place = OXP_VIEW(" (1:1)");
        assert_true(text.len > place.len);
        assert_memory_equal(text.ptr + text.len - place.len, place.ptr, place.len);
        oxp_buf_append_text(&all, i == 0 ? "" : "|");
        oxp_buf_append(&all, text.ptr, text.len - place.len);
    }
    if (strcmp(oxp_buf_text(&all), row->warnings == NULL ? "" : row->warnings) != 0) {
        fail_msg("%s: warned \"%s\"", row->name, oxp_buf_text(&all));
    }
    oxp_buf_fini(&all);
}

static void test_rows(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct row *row = &rows[i];
        struct world world;
        struct oxp_vector out;
        enum oxp_status status = run_row(&world, row, &out);
        if (status != (row->error == NULL ? OXP_OK : OXP_ERR_INVALID) ||
            strcmp(world.query.error.text, row->error == NULL ? "" : row->error) != 0) {
            fail_msg("%s: %s, \"%s\"", row->name, oxp_status_name(status), world.query.error.text);
        }
        if (row->error == NULL) {
            bool top = row->op == OXP_AGG_TOPK || row->op == OXP_AGG_BOTTOMK;
            assert_true(out.count == 0 || out.ordered == (top && world.eval.steps == 1));
            check_vector(&world, row->name, &out, row->want, row->ordered);
        }
        check_warnings(&world, row);
        world_fini(&world);
    }
}

static void run_with_failures(void *ctx) {
    const struct row *row = ctx;
    struct world world;
    struct oxp_vector out;
    enum oxp_status status = run_row(&world, row, &out);
    if (!alloc_fail_hit()) {
        assert_int_equal(status, row->error == NULL ? OXP_OK : OXP_ERR_INVALID);
    } else if (status != OXP_ERR_NOMEM) {
        /* A warning that could not be kept; the engine looks at the arena in the end. */
        assert_int_equal(oxp_arena_status(&world.query.arena), OXP_ERR_NOMEM);
    }
    world_fini(&world);
}

static void test_allocations(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct row row = rows[i];
        assert_true(alloc_fail_each(run_with_failures, &row) > 0);
    }
}

/* Every aggregation against one made the slow way, over many groups and steps with holes. */
static void test_many(void **state) {
    (void)state;
    enum { SERIES = 3000, GROUPS = 700, STEPS = 3 };
    struct world world;
    struct oxp_vector input = {0}, out;
    double sums[GROUPS][STEPS] = {{0}};
    bool there[GROUPS][STEPS] = {{false}};
    const struct oxp_symbol *name;
    world_init(&world, STEPS);
    struct oxp_arena *arena = &world.query.arena;
    for (int i = 0; i < SERIES; i++) {
        char id[16], group[16];
        struct oxp_labels_builder builder;
        oxp_labels_build(&builder, arena, oxp_labels_none());
        snprintf(id, sizeof id, "%d", i);
        snprintf(group, sizeof group, "%d", i * 11 % GROUPS);
        oxp_labels_set_text(&builder, OXP_VIEW("group"), oxp_view_from(group));
        oxp_labels_set_text(&builder, OXP_VIEW("id"), oxp_view_from(id));
        double *values = oxp_column_values(arena, STEPS);
        for (int step = 0; step < STEPS; step++) {
            if ((i + step) % 5 != 0) {
                values[step] = i + step;
                sums[i * 11 % GROUPS][step] += i + step;
                there[i * 11 % GROUPS][step] = true;
            }
        }
        assert_non_null(oxp_vector_add(arena, &input, oxp_labels_finish(&builder), values, STEPS));
    }
    name = oxp_symbol_new(arena, OXP_VIEW("group"));
    struct oxp_promql_node node = {.kind = OXP_NODE_AGGREGATE,
                                   .aggregate = {.op = OXP_AGG_SUM, .grouping = {.names = &name, .count = 1}}};
    assert_int_equal(oxp_eval_aggregate(&world.eval, &node, &input, NULL, oxp_view_of(NULL, 0), &out), OXP_OK);
    assert_int_equal(out.count, GROUPS);
    for (size_t i = 0; i < out.count; i++) {
        int group = atoi(out.columns[i].labels->label[0].value->text);
        for (int step = 0; step < STEPS; step++) {
            assert_int_equal(oxp_is_absent(out.columns[i].value[step]), !there[group][step]);
            assert_true(!there[group][step] || out.columns[i].value[step] == sums[group][step]);
        }
    }
    world_fini(&world);
}

/* A symbol with a hash that others have, too. */
static const struct oxp_symbol *colliding(struct oxp_arena *arena, const char *text) {
    size_t len = strlen(text);
    struct oxp_symbol *symbol = oxp_arena_take(arena, sizeof *symbol + len + 1);
    assert_non_null(symbol);
    symbol->hash = 7;
    symbol->len = (uint32_t)len;
    memcpy(symbol->text, text, len + 1);
    return symbol;
}

/* Equal hashes do not make equal labels. */
static void test_collisions(void **state) {
    (void)state;
    static const struct oxp_label_choice all = {.without = true};
    static const char *const sets[][2] = {{"a", "1"}, {"a", "2"}, {"b", "1"}, {"b", "2"}, {"a", "1"}, {"b", "2"}};
    static const uint32_t want[] = {0, 1, 2, 3, 0, 3};
    struct oxp_arena arena;
    struct oxp_grouping grouping;
    oxp_arena_init(&arena, 0);
    oxp_grouping_init(&grouping, &arena, &all);
    for (size_t i = 0; i < sizeof want / sizeof want[0]; i++) {
        struct oxp_labels_builder builder;
        oxp_labels_build(&builder, &arena, oxp_labels_none());
        oxp_labels_set(&builder, colliding(&arena, sets[i][0]), colliding(&arena, sets[i][1]));
        const struct oxp_labels *labels = oxp_labels_finish(&builder);
        assert_int_equal(oxp_grouping_find(&grouping, labels), i < 4 ? OXP_NO_GROUP : want[i]);
        assert_int_equal(oxp_grouping_add(&grouping, labels), want[i]);
    }
    assert_int_equal(grouping.count, 4);
    oxp_arena_fini(&arena);
}

/* Any NaN is the same value; of many values in many groups each is found again. */
static void test_values(void **state) {
    (void)state;
    enum { SERIES = 4000, GROUPS = 8, VALUES = 250 };
    struct world world;
    struct oxp_vector input = {0}, out;
    world_init(&world, 2);
    struct oxp_arena *arena = &world.query.arena;
    for (int i = 0; i < SERIES; i++) {
        char id[16], group[16];
        struct oxp_labels_builder builder;
        oxp_labels_build(&builder, arena, oxp_labels_none());
        snprintf(id, sizeof id, "%d", i);
        snprintf(group, sizeof group, "%d", i % GROUPS);
        oxp_labels_set_text(&builder, OXP_VIEW("group"), oxp_view_from(group));
        oxp_labels_set_text(&builder, OXP_VIEW("id"), oxp_view_from(id));
        double *values = oxp_column_values(arena, 2);
        values[0] = i / GROUPS % VALUES; /* each twice in a group */
        uint64_t bits = UINT64_C(0x7ff8000000000001) + (uint64_t)i;
        memcpy(&values[1], &bits, sizeof bits);
        assert_non_null(oxp_vector_add(arena, &input, oxp_labels_finish(&builder), values, 2));
    }
    const struct oxp_symbol *name = oxp_symbol_new(arena, OXP_VIEW("group"));
    struct oxp_promql_node node = {.aggregate = {.op = OXP_AGG_COUNT_VALUES, .grouping = {.names = &name, .count = 1}}};
    assert_int_equal(oxp_eval_aggregate(&world.eval, &node, &input, NULL, OXP_VIEW("v"), &out), OXP_OK);
    assert_int_equal(out.count, GROUPS * (VALUES + 1));
    oxp_vector_sort(&out);
    for (size_t i = 0; i < out.count; i++) {
        bool number = !oxp_view_is(oxp_symbol_view(out.columns[i].labels->label[1].value), "NaN");
        assert_true(i == 0 || oxp_labels_compare(out.columns[i - 1].labels, out.columns[i].labels) < 0);
        assert_int_equal(oxp_is_absent(out.columns[i].value[0]), !number);
        assert_true(number ? out.columns[i].value[0] == 2 : out.columns[i].value[1] == SERIES / GROUPS);
    }
    world_fini(&world);
}

static int compare_doubles(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Against sorting: orders that are hard for a selection, many equal ones, NaN in front, every length and quantile. */
static void test_quantile(void **state) {
    (void)state;
    enum { MOST = 300, KINDS = 7 };
    double values[MOST], sorted[MOST];
    assert_true(isnan(oxp_quantile(0.5, NULL, 0)));
    for (int count = 1; count <= MOST; count += count < 40 ? 1 : 37) {
        for (int kind = 0; kind < KINDS; kind++) {
            for (int step = 0; step <= 20; step++) {
                double phi = step / 20.0;
                for (int i = 0; i < count; i++) {
                    const double value[KINDS] = {i,
                                                 -i,
                                                 (i * 7919) % 1009,
                                                 i % 3,
                                                 5,
                                                 abs(count / 2 - i),
                                                 i % 4 == 0 ? -HUGE_VAL : (i * 31) % 101};
                    sorted[i] = values[i] = value[kind];
                }
                qsort(sorted, (size_t)count, sizeof sorted[0], compare_doubles);
                double rank = phi * (count - 1), weight = rank - floor(rank);
                int lower = (int)rank, upper = lower + 1 < count ? lower + 1 : lower;
                double want = sorted[lower] * (1 - weight) + sorted[upper] * weight;
                double is = oxp_quantile(phi, values, (size_t)count);
                assert_true(is == want || (isnan(is) && isnan(want)));
            }
        }
    }
}

/* NaN stands before all numbers. */
static void test_quantile_nan(void **state) {
    (void)state;
    enum { COUNT = 101, NANS = 40 };
    for (int rank = 0; rank < COUNT; rank++) {
        double values[COUNT];
        for (int i = 0; i < COUNT; i++) {
            int place = i * 37 % COUNT;
            values[i] = place < NANS ? (double)NAN : place;
        }
        double is = oxp_quantile(rank / 100.0, values, COUNT);
        assert_true(rank < NANS ? isnan(is) : fabs(is - rank) < 1e-9);
    }
}

/* Every value is a series more: they count as samples. */
static void test_limits(void **state) {
    (void)state;
    struct row row = {.op = OXP_AGG_COUNT_VALUES, .label = "v", .input = "m{a=1} 1 2 3 4; m{a=2} 5 6 7 8"};
    struct world world;
    struct oxp_vector input, out;
    struct oxp_promql_node node = {.aggregate = {.op = row.op}};
    static const struct {
        uint64_t most;
        enum oxp_status want;
    } cases[] = {{32, OXP_OK}, {31, OXP_ERR_LIMIT}, {0, OXP_ERR_LIMIT}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        world_init(&world, 4);
        world.query.samples_max = cases[i].most;
        assert_true(read_vector(&world, row.input, &input));
        assert_int_equal(oxp_eval_aggregate(&world.eval, &node, &input, NULL, oxp_view_from(row.label), &out),
                         cases[i].want);
        world_fini(&world);
    }
}

static void test_cancelled(void **state) {
    (void)state;
    static const _Atomic bool cancelled = true;
    struct world world;
    struct oxp_vector input, out;
    struct oxp_promql_node node = {.aggregate = {.op = OXP_AGG_SUM}};
    world_init(&world, 1);
    world.query.cancelled = &cancelled;
    assert_true(read_vector(&world, "m 1", &input));
    assert_int_equal(oxp_eval_aggregate(&world.eval, &node, &input, NULL, oxp_view_of(NULL, 0), &out), OXP_ERR_CLOSED);
    world_fini(&world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),         cmocka_unit_test(test_allocations), cmocka_unit_test(test_many),
        cmocka_unit_test(test_collisions),   cmocka_unit_test(test_values),      cmocka_unit_test(test_quantile),
        cmocka_unit_test(test_quantile_nan), cmocka_unit_test(test_limits),      cmocka_unit_test(test_cancelled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
