/* Binary operators: tables of what goes in and what comes out, by Prometheus' rules. */
#include "tests/unit/alerts/promql/vectors.h"

#include "tests/support/alloc_fail.h"
#include <math.h>
#include <stdio.h>

struct row {
    const char *name;
    enum oxp_promql_op op;
    bool with_bool;
    const char *on, *ignoring;            /* NULL: not written */
    const char *group_left, *group_right; /* the labels in the brackets; NULL: not written */
    const char *left, *right;
    const char *want;  /* NULL: fails with `error` */
    const char *error; /* the whole sentence */
    bool ordered;
};

#define DUPLICATE(group, side, pair)                                                                                   \
    "found duplicate series for the match group " group " on the " side " hand-side of the operation: " pair           \
    ";many-to-many matching not allowed: matching labels must be unique on one side"
#define EXPLICIT "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)"
#define GROUPING "multiple matches for labels: grouping labels must ensure unique matches"
#define SAME "vector cannot contain metrics with the same labelset"

/* One row a line reads better. */
/* clang-format off */
static const struct row rows[] = {
    /* scalars */
    {.name = "scalars add", .op = OXP_OP_ADD, .left = "= 1 2", .right = "= 10 NaN", .want = "= 11 NaN"},
    {.name = "scalars compare", .op = OXP_OP_GTR, .with_bool = true, .left = "= 1 2 NaN", .right = "= 1 1 1", .want = "= 0 1 0"},
    {.name = "scalars equal NaN", .op = OXP_OP_EQL, .with_bool = true, .left = "= NaN", .right = "= NaN", .want = "= 0"},
    {.name = "scalars unequal NaN", .op = OXP_OP_NEQ, .with_bool = true, .left = "= NaN", .right = "= NaN", .want = "= 1"},
    {.name = "divide by zero", .op = OXP_OP_DIV, .left = "= 1 -1 0", .right = "= 0 0 0", .want = "= +Inf -Inf NaN"},
    {.name = "modulo takes the sign of the left", .op = OXP_OP_MOD, .left = "= 5 -5 5 -5 5.5", .right = "= 3 3 -3 -3 2", .want = "= 2 -2 2 -2 1.5"},
    {.name = "modulo by zero and infinities", .op = OXP_OP_MOD, .left = "= 1 Inf 5 -5 NaN", .right = "= 0 2 Inf Inf 1", .want = "= NaN NaN 5 -5 NaN"},
    {.name = "power", .op = OXP_OP_POW, .left = "= 2 2 0 -8 NaN 1 0 -1", .right = "= 10 -1 0 0.5 0 NaN -1 Inf", .want = "= 1024 0.5 1 NaN 1 1 Inf 1"},
    {.name = "atan2", .op = OXP_OP_ATAN2, .left = "= 0 0 1", .right = "= 1 -1 0", .want = "= 0 3.141592653589793 1.5707963267948966"},

    /* vector and scalar */
    {.name = "vector by scalar, empty", .op = OXP_OP_MUL, .left = "", .right = "= 2 2", .want = ""},
    {.name = "vector by scalar drops the name", .op = OXP_OP_MUL, .left = "up{a=1} 1 _ 3", .right = "= 2 2 3", .want = "{a=1} 2 _ 9"},
    {.name = "scalar and vector keep their sides", .op = OXP_OP_SUB, .left = "= 10 10", .right = "up{a=1} 1 _", .want = "{a=1} 9 _"},
    {.name = "scalar divided by vector", .op = OXP_OP_DIV, .left = "= 10", .right = "up 0", .want = "{} Inf"},
    {.name = "NaN with NaN stays a value", .op = OXP_OP_ADD, .left = "up{a=1} NaN _", .right = "= NaN NaN", .want = "{a=1} NaN _"},
    {.name = "names apart, labels equal", .op = OXP_OP_ADD, .left = "x{a=1} 1 2; y{a=1} 3 4", .right = "= 1 1", .error = SAME},
    {.name = "names apart, at different steps", .op = OXP_OP_ADD, .left = "x{a=1} 1 _; y{a=1} _ 4", .right = "= 1 1", .want = "{a=1} 2 5"},
    {.name = "names apart, comparison keeps them", .op = OXP_OP_GTE, .left = "x{a=1} 1; y{a=1} 3", .right = "= 1", .want = "x{a=1} 1; y{a=1} 3"},
    {.name = "names apart, bool drops them", .op = OXP_OP_GTE, .with_bool = true, .left = "x{a=1} 1; y{a=1} 3", .right = "= 1", .error = SAME},
    {.name = "filter", .op = OXP_OP_GTR, .left = "up{a=1} 1 5 _; up{a=2} 0 0 0", .right = "= 1 1 1", .want = "up{a=1} _ 5 _"},
    {.name = "filter by a scalar on the left keeps the vector's value", .op = OXP_OP_LSS, .left = "= 1 1", .right = "up{a=1} 1 5", .want = "up{a=1} _ 5"},
    {.name = "filter of NaN", .op = OXP_OP_EQL, .left = "up NaN", .right = "= NaN", .want = ""},
    {.name = "unequal keeps NaN", .op = OXP_OP_NEQ, .left = "up NaN 1", .right = "= 1 1", .want = "up NaN _"},
    {.name = "bool", .op = OXP_OP_GTR, .with_bool = true, .left = "up{a=1} 1 5 _ NaN", .right = "= 1 1 1 1", .want = "{a=1} 0 1 _ 0"},
    {.name = "bool with the scalar on the left", .op = OXP_OP_GTR, .with_bool = true, .left = "= 3 3", .right = "up{a=1} 1 5", .want = "{a=1} 1 0"},
    {.name = "filter keeps the order", .op = OXP_OP_GTR, .left = "up{a=3} 3; up{a=1} 2; up{a=2} 1", .right = "= 1", .want = "up{a=3} 3; up{a=1} 2", .ordered = true},
    {.name = "every comparison: ==", .op = OXP_OP_EQL, .left = "u 1 2 3", .right = "= 2 2 2", .want = "u _ 2 _"},
    {.name = "every comparison: !=", .op = OXP_OP_NEQ, .left = "u 1 2 3", .right = "= 2 2 2", .want = "u 1 _ 3"},
    {.name = "every comparison: >", .op = OXP_OP_GTR, .left = "u 1 2 3", .right = "= 2 2 2", .want = "u _ _ 3"},
    {.name = "every comparison: <", .op = OXP_OP_LSS, .left = "u 1 2 3", .right = "= 2 2 2", .want = "u 1 _ _"},
    {.name = "every comparison: >=", .op = OXP_OP_GTE, .left = "u 1 2 3", .right = "= 2 2 2", .want = "u _ 2 3"},
    {.name = "every comparison: <=", .op = OXP_OP_LTE, .left = "u 1 2 3", .right = "= 2 2 2", .want = "u 1 2 _"},
    {.name = "every bool: !=", .op = OXP_OP_NEQ, .with_bool = true, .left = "u 1 2 3", .right = "= 2 2 2", .want = "{} 1 0 1"},
    {.name = "every bool: <", .op = OXP_OP_LSS, .with_bool = true, .left = "u 1 2 3", .right = "= 2 2 2", .want = "{} 1 0 0"},
    {.name = "every bool: >=", .op = OXP_OP_GTE, .with_bool = true, .left = "u 1 2 3", .right = "= 2 2 2", .want = "{} 0 1 1"},
    {.name = "every bool: <=", .op = OXP_OP_LTE, .with_bool = true, .left = "u 1 2 3", .right = "= 2 2 2", .want = "{} 1 1 0"},

    /* one-to-one */
    {.name = "both empty", .op = OXP_OP_ADD, .left = "", .right = "", .want = ""},
    {.name = "left empty", .op = OXP_OP_ADD, .left = "", .right = "b{x=1} 1", .want = ""},
    {.name = "right empty", .op = OXP_OP_ADD, .left = "a{x=1} 1", .right = "", .want = ""},
    {.name = "all labels match but the name", .op = OXP_OP_ADD, .left = "a{x=1} 1; a{x=2} 2", .right = "b{x=2} 10; b{x=3} 20", .want = "{x=2} 12"},
    {.name = "no labels at all", .op = OXP_OP_SUB, .left = "a 5", .right = "b 3", .want = "{} 2"},
    {.name = "presence by step", .op = OXP_OP_ADD, .left = "a{x=1} 1 _ 3 _", .right = "b{x=1} 10 20 _ _", .want = "{x=1} 11 _ _ _"},
    {.name = "never there together", .op = OXP_OP_ADD, .left = "a{x=1} 1 _", .right = "b{x=1} _ 2", .want = ""},
    {.name = "on keeps those labels only", .op = OXP_OP_MUL, .on = "x", .left = "a{x=1,y=1} 2", .right = "b{x=1,z=1} 3", .want = "{x=1} 6"},
    {.name = "on nothing", .op = OXP_OP_MUL, .on = "", .left = "a{x=1} 2", .right = "b{y=1} 3", .want = "{} 6"},
    {.name = "on nothing, two on the left", .op = OXP_OP_MUL, .on = "", .left = "a{x=1} 2; a{x=2} 2", .right = "b{y=1} 3", .error = EXPLICIT},
    {.name = "on a label that nobody has", .op = OXP_OP_MUL, .on = "q", .left = "a{x=1} 2", .right = "b{y=1} 3", .want = "{} 6"},
    {.name = "on a label that one side has", .op = OXP_OP_MUL, .on = "x", .left = "a{x=1} 2", .right = "b{y=1} 3", .want = ""},
    {.name = "on the name", .op = OXP_OP_ADD, .on = "__name__ x", .left = "a{x=1} 2", .right = "a{x=1} 3; b{x=1} 5", .want = "{x=1} 5"},
    {.name = "on the name, comparison keeps it", .op = OXP_OP_LSS, .on = "__name__ x", .left = "a{x=1,y=1} 2", .right = "a{x=1} 3; b{x=1} 5", .want = "a{x=1} 2"},
    {.name = "on the name, results with equal labels", .op = OXP_OP_ADD, .on = "__name__ x", .left = "a{x=1} 2; b{x=1} 2", .right = "a{x=1} 3; b{x=1} 5", .error = SAME},
    {.name = "ignoring", .op = OXP_OP_ADD, .ignoring = "y", .left = "a{x=1,y=1} 2", .right = "b{x=1} 3", .want = "{x=1} 5"},
    {.name = "ignoring nothing", .op = OXP_OP_ADD, .ignoring = "", .left = "a{x=1,y=1} 2", .right = "b{x=1,y=1} 3", .want = "{x=1,y=1} 5"},
    {.name = "ignoring two, written unsorted", .op = OXP_OP_ADD, .ignoring = "z y", .left = "a{x=1,y=1,z=1} 2", .right = "b{x=1,y=2} 3", .want = "{x=1} 5"},
    {.name = "comparison keeps the left name and value", .op = OXP_OP_GTR, .left = "a{x=1} 2 5", .right = "b{x=1} 3 3", .want = "a{x=1} _ 5"},
    {.name = "comparison with on drops the rest", .op = OXP_OP_GTR, .on = "x", .left = "a{x=1,y=1} 5", .right = "b{x=1} 3", .want = "{x=1} 5"},
    {.name = "comparison with ignoring keeps the name", .op = OXP_OP_GTR, .ignoring = "y", .left = "a{x=1,y=1} 5", .right = "b{x=1} 3", .want = "a{x=1} 5"},
    {.name = "comparison ignoring the name", .op = OXP_OP_GTR, .ignoring = "__name__", .left = "a{x=1} 5", .right = "b{x=1} 3", .want = "{x=1} 5"},
    {.name = "comparison with bool", .op = OXP_OP_GTR, .with_bool = true, .left = "a{x=1} 2 5 _ NaN", .right = "b{x=1} 3 3 3 3", .want = "{x=1} 0 1 _ 0"},
    {.name = "bool != with NaN", .op = OXP_OP_NEQ, .with_bool = true, .left = "a{x=1} NaN NaN 1", .right = "b{x=1} NaN 1 NaN", .want = "{x=1} 1 1 1"},
    {.name = "bool never there", .op = OXP_OP_GTR, .with_bool = true, .left = "a{x=1} _ 5", .right = "b{x=1} 3 _", .want = ""},
    {.name = "infinities", .op = OXP_OP_SUB, .left = "a{x=1} Inf Inf -Inf", .right = "b{x=1} Inf 1 1", .want = "{x=1} NaN Inf -Inf"},
    {.name = "order of the left side", .op = OXP_OP_ADD, .left = "a{x=3} 1; a{x=1} 1; a{x=2} 1", .right = "b{x=1} 1; b{x=2} 1; b{x=3} 1", .want = "{x=3} 2; {x=1} 2; {x=2} 2", .ordered = true},

    /* one-to-one: duplicates */
    {.name = "two on the right", .op = OXP_OP_ADD, .on = "x", .left = "a{x=1} 1", .right = "b{x=1,y=2} 1; b{x=1,y=1} 1", .error = DUPLICATE("{x=\"1\"}", "right", "[{__name__=\"b\", x=\"1\", y=\"1\"}, {__name__=\"b\", x=\"1\", y=\"2\"}]")},
    {.name = "two on the right, ignoring", .op = OXP_OP_ADD, .ignoring = "y", .left = "a{x=1} 1", .right = "b{x=1,y=1} 1; b{x=1,y=2} 1", .error = DUPLICATE("{x=\"1\"}", "right", "[{__name__=\"b\", x=\"1\", y=\"1\"}, {__name__=\"b\", x=\"1\", y=\"2\"}]")},
    {.name = "two on the right without a partner", .op = OXP_OP_ADD, .on = "x", .left = "a{x=9} 1", .right = "b{x=1,y=1} 1; b{x=1,y=2} 1", .error = DUPLICATE("{x=\"1\"}", "right", "[{__name__=\"b\", x=\"1\", y=\"1\"}, {__name__=\"b\", x=\"1\", y=\"2\"}]")},
    {.name = "two on the right when the left has nothing", .op = OXP_OP_ADD, .on = "x", .left = "a{x=1} 1 _", .right = "b{x=1,y=1} 1 1; b{x=1,y=2} _ 1", .want = "{x=1} 2 _"},
    {.name = "two on the right at different steps", .op = OXP_OP_ADD, .on = "x", .left = "a{x=1} 1 2 3", .right = "b{x=1,y=1} 10 _ _; b{x=1,y=2} _ 20 _", .want = "{x=1} 11 22 _"},
    {.name = "two on the right at one step of three", .op = OXP_OP_ADD, .on = "x", .left = "a{x=1} 1 2 3", .right = "b{x=1,y=1} 10 _ 1; b{x=1,y=2} _ 20 1", .error = DUPLICATE("{x=\"1\"}", "right", "[{__name__=\"b\", x=\"1\", y=\"1\"}, {__name__=\"b\", x=\"1\", y=\"2\"}]")},
    {.name = "the first step decides which duplicates are told", .op = OXP_OP_ADD, .on = "x", .left = "a{x=1} 1 2", .right = "b{x=1,y=1} _ 1; b{x=1,y=2} _ 1; b{x=2,y=3} 1 _; b{x=2,y=4} 1 _", .error = DUPLICATE("{x=\"2\"}", "right", "[{__name__=\"b\", x=\"2\", y=\"3\"}, {__name__=\"b\", x=\"2\", y=\"4\"}]")},
    {.name = "the first step decides, whatever the order of the series", .op = OXP_OP_ADD, .on = "x", .left = "a{x=1} 1 2", .right = "b{x=1,y=1} 1 _; b{x=2,y=2} _ 1; b{x=2,y=3} _ 1; b{x=1,y=4} 1 _", .error = DUPLICATE("{x=\"1\"}", "right", "[{__name__=\"b\", x=\"1\", y=\"1\"}, {__name__=\"b\", x=\"1\", y=\"4\"}]")},
    {.name = "at one step the first duplicate series decides", .op = OXP_OP_ADD, .on = "x", .left = "a{x=1} 1", .right = "b{x=1,y=1} 1; b{x=2,y=2} 1; b{x=2,y=3} 1; b{x=1,y=4} 1", .error = DUPLICATE("{x=\"2\"}", "right", "[{__name__=\"b\", x=\"2\", y=\"2\"}, {__name__=\"b\", x=\"2\", y=\"3\"}]")},
    {.name = "two on the left", .op = OXP_OP_ADD, .on = "x", .left = "a{x=1,y=1} 1; a{x=1,y=2} 1", .right = "b{x=1} 1", .error = EXPLICIT},
    {.name = "two on the left fail even when filtered", .op = OXP_OP_GTR, .on = "x", .left = "a{x=1,y=1} 1; a{x=1,y=2} 1", .right = "b{x=1} 5", .error = EXPLICIT},
    {.name = "two on the left without a partner", .op = OXP_OP_ADD, .on = "x", .left = "a{x=1,y=1} 1; a{x=1,y=2} 1", .right = "b{x=2} 1", .want = ""},
    {.name = "two on the left, the partner at another step", .op = OXP_OP_ADD, .on = "x", .left = "a{x=1,y=1} 1 2; a{x=1,y=2} 1 _", .right = "b{x=1} _ 5", .want = "{x=1} _ 7"},
    {.name = "two on the left at different steps", .op = OXP_OP_ADD, .on = "x", .left = "a{x=1,y=1} 1 _; a{x=1,y=2} _ 2", .right = "b{x=1} 10 20", .want = "{x=1} 11 22"},
    {.name = "both sides change series", .op = OXP_OP_SUB, .on = "x", .left = "a{x=1,y=1} 1 _ 3; a{x=1,y=2} _ 2 _", .right = "b{x=1,z=1} 10 20 _; b{x=1,z=2} _ _ 30", .want = "{x=1} -9 -18 -27"},
    {.name = "duplicates on both sides: the right's error", .op = OXP_OP_ADD, .on = "", .left = "a{y=1} 1; a{y=2} 1", .right = "b{z=1} 1; b{z=2} 1", .error = DUPLICATE("{}", "right", "[{__name__=\"b\", z=\"1\"}, {__name__=\"b\", z=\"2\"}]")},
    {.name = "duplicates on both sides: the earlier step's error", .op = OXP_OP_ADD, .on = "", .left = "a{y=1} 1 1; a{y=2} 1 _", .right = "b{z=1} 1 1; b{z=2} _ 1", .error = EXPLICIT},

    /* many-to-one */
    {.name = "group_left keeps the many side's labels", .op = OXP_OP_MUL, .on = "x", .group_left = "", .left = "a{x=1,y=1} 2; a{x=1,y=2} 3", .right = "b{x=1,z=9} 10", .want = "{x=1,y=1} 20; {x=1,y=2} 30"},
    {.name = "group_left, comparison keeps the name", .op = OXP_OP_GTR, .on = "x", .group_left = "", .left = "a{x=1,y=1} 2; a{x=1,y=2} 30", .right = "b{x=1} 10", .want = "a{x=1,y=2} 30"},
    {.name = "group_left with bool", .op = OXP_OP_GTR, .with_bool = true, .on = "x", .group_left = "", .left = "a{x=1,y=1} 2; a{x=1,y=2} 30", .right = "b{x=1} 10", .want = "{x=1,y=1} 0; {x=1,y=2} 1"},
    {.name = "group_left takes a label over", .op = OXP_OP_MUL, .on = "x", .group_left = "v", .left = "a{x=1,y=1} 2; a{x=1,y=2} 3", .right = "b{x=1,v=3.1} 1", .want = "{x=1,y=1,v=3.1} 2; {x=1,y=2,v=3.1} 3"},
    {.name = "group_left replaces a label", .op = OXP_OP_MUL, .on = "x", .group_left = "v", .left = "a{x=1,y=1,v=old} 2", .right = "b{x=1,v=new} 1", .want = "{x=1,y=1,v=new} 2"},
    {.name = "group_left removes a label that the one side lacks", .op = OXP_OP_MUL, .on = "x", .group_left = "v", .left = "a{x=1,y=1,v=old} 2", .right = "b{x=1} 1", .want = "{x=1,y=1} 2"},
    {.name = "group_left of two labels, one lacking", .op = OXP_OP_MUL, .on = "x", .group_left = "w v", .left = "a{x=1,y=1} 2", .right = "b{x=1,v=1} 1", .want = "{x=1,y=1,v=1} 2"},
    {.name = "group_left of the name", .op = OXP_OP_MUL, .on = "x", .group_left = "__name__", .left = "a{x=1,y=1} 2", .right = "b{x=1} 1", .want = "b{x=1,y=1} 2"},
    {.name = "group_left, ignoring", .op = OXP_OP_DIV, .ignoring = "code", .group_left = "", .left = "a{m=get,code=500} 24; a{m=get,code=404} 30", .right = "b{m=get} 600", .want = "{m=get,code=500} 0.04; {m=get,code=404} 0.05"},
    {.name = "group_left: the info series changes its label", .op = OXP_OP_MUL, .on = "x", .group_left = "v", .left = "a{x=1,y=1} 2 3 4; a{x=1,y=2} 5 6 _", .right = "i{x=1,v=1} 1 _ _; i{x=1,v=2} _ 1 1", .want = "{x=1,y=1,v=1} 2 _ _; {x=1,y=1,v=2} _ 3 4; {x=1,y=2,v=1} 5 _ _; {x=1,y=2,v=2} _ 6 _"},
    {.name = "group_left: the info series changes another label", .op = OXP_OP_MUL, .on = "x", .group_left = "v", .left = "a{x=1,y=1} 2 3", .right = "i{x=1,v=1,p=1} 1 _; i{x=1,v=1,p=2} _ 1", .want = "{x=1,y=1,v=1} 2 3"},
    {.name = "group_left: two infos at once", .op = OXP_OP_MUL, .on = "x", .group_left = "v", .left = "a{x=1,y=1} 2 3", .right = "i{x=1,v=1} 1 1; i{x=1,v=2} _ 1", .error = DUPLICATE("{x=\"1\"}", "right", "[{__name__=\"i\", v=\"1\", x=\"1\"}, {__name__=\"i\", v=\"2\", x=\"1\"}]")},
    {.name = "group_left: two infos, after labels not unique", .op = OXP_OP_MUL, .on = "x", .group_left = "y", .left = "a{x=1,y=1} 2 3; a{x=1,y=2} 2 3", .right = "i{x=1,y=8} 1 1; i{x=1,y=9} _ 1", .error = GROUPING},
    {.name = "group_left: labels not unique, after two infos", .op = OXP_OP_MUL, .on = "x", .group_left = "y", .left = "a{x=1,y=1} 2 3; a{x=1,y=2} _ 3", .right = "i{x=1,y=8} 1 1; i{x=1,y=9} 1 _", .error = DUPLICATE("{x=\"1\"}", "right", "[{__name__=\"i\", x=\"1\", y=\"8\"}, {__name__=\"i\", x=\"1\", y=\"9\"}]")},
    {.name = "group_left: labels not unique in a group", .op = OXP_OP_MUL, .on = "x", .group_left = "y", .left = "a{x=1,y=1} 2; a{x=1,y=2} 3", .right = "b{x=1,y=9} 1", .error = GROUPING},
    {.name = "group_left: not unique even when filtered", .op = OXP_OP_GTR, .on = "x", .group_left = "y", .left = "a{x=1,y=1} 2; a{x=1,y=2} 3", .right = "b{x=1,y=9} 10", .error = GROUPING},
    {.name = "group_left: not unique, but at different steps", .op = OXP_OP_MUL, .on = "x", .group_left = "y", .left = "a{x=1,y=1} 2 _; a{x=1,y=2} _ 3", .right = "b{x=1,y=9} 1 1", .want = "{x=1,y=9} 2 3"},
    {.name = "group_left: not unique where there is no partner", .op = OXP_OP_MUL, .on = "x", .group_left = "y", .left = "a{x=1,y=1} 2 5; a{x=1,y=2} _ 6", .right = "b{x=1,y=9} 1 _", .want = "{x=1,y=9} 2 _"},
    {.name = "group_left: equals of different groups at one step", .op = OXP_OP_MUL, .on = "__name__ x", .group_left = "", .left = "a{x=1,y=1} 2; a{x=1,y=2} 2; c{x=1,y=1} 3; c{x=1,y=3} 3", .right = "a{x=1} 1; c{x=1} 1", .error = SAME},
    {.name = "group_left: not unique at one step", .op = OXP_OP_MUL, .on = "x", .group_left = "y", .left = "a{x=1,y=1} 2 1; a{x=1,y=2} _ 3; a{x=1,y=3} _ _", .right = "b{x=1,y=9} 1 1", .error = GROUPING},
    {.name = "group_left: the third clashes with the first", .op = OXP_OP_MUL, .on = "x", .group_left = "y", .left = "a{x=1,y=1} 2 _ _; a{x=1,y=2} _ 3 _; a{x=1,y=3} 4 _ 5", .right = "b{x=1,y=9} 1 1 1", .error = GROUPING},
    {.name = "group_left: names dropped make equals", .op = OXP_OP_MUL, .on = "x", .group_left = "", .left = "a{x=1} 2; c{x=1} 3", .right = "b{x=1} 1", .error = GROUPING},
    {.name = "group_left: comparison keeps them apart", .op = OXP_OP_GTR, .on = "x", .group_left = "", .left = "a{x=1} 2; c{x=1} 3", .right = "b{x=1} 1", .want = "a{x=1} 2; c{x=1} 3"},
    {.name = "group_left: equals of different groups", .op = OXP_OP_MUL, .on = "x", .group_left = "x", .left = "a{x=1} 2; a{x=2} 3", .right = "b{x=1} 1; b{x=2} 1", .want = "{x=1} 2; {x=2} 3"},
    {.name = "group_left: labels overwritten across groups", .op = OXP_OP_MUL, .on = "x y", .group_left = "x", .left = "a{x=1} 2; a{y=1} 3", .right = "b{x=1} 1; b{y=1} 1", .want = "{x=1} 2; {y=1} 3"},
    {.name = "group_right", .op = OXP_OP_SUB, .on = "x", .group_right = "", .left = "b{x=1,z=9} 10", .right = "a{x=1,y=1} 2; a{x=1,y=2} 3", .want = "{x=1,y=1} 8; {x=1,y=2} 7"},
    {.name = "group_right with a label", .op = OXP_OP_SUB, .on = "x", .group_right = "z", .left = "b{x=1,z=9} 10", .right = "a{x=1,y=1} 2", .want = "{x=1,y=1,z=9} 8"},
    {.name = "group_right, comparison: the right's labels, the left's value", .op = OXP_OP_GTR, .on = "x", .group_right = "", .left = "b{x=1} 10", .right = "a{x=1,y=1} 2; a{x=1,y=2} 30", .want = "a{x=1,y=1} 10"},
    {.name = "group_right: two on the left", .op = OXP_OP_SUB, .on = "x", .group_right = "", .left = "b{x=1,z=1} 10; b{x=1,z=2} 10", .right = "a{x=1,y=1} 2", .error = DUPLICATE("{x=\"1\"}", "left", "[{__name__=\"b\", x=\"1\", z=\"1\"}, {__name__=\"b\", x=\"1\", z=\"2\"}]")},
    {.name = "group_right keeps the right's order", .op = OXP_OP_ADD, .on = "", .group_right = "", .left = "b 1", .right = "a{y=2} 2; a{y=1} 3", .want = "{y=2} 3; {y=1} 4", .ordered = true},

    /* sets */
    {.name = "and", .op = OXP_OP_AND, .left = "a{x=1} 1; a{x=2} 2", .right = "b{x=2} 9; b{x=3} 9", .want = "a{x=2} 2"},
    {.name = "and by step", .op = OXP_OP_AND, .left = "a{x=1} 1 2 _ 4", .right = "b{x=1} 9 _ 9 NaN", .want = "a{x=1} 1 _ _ 4"},
    {.name = "and with nothing", .op = OXP_OP_AND, .left = "a{x=1} 1", .right = "", .want = ""},
    {.name = "nothing and", .op = OXP_OP_AND, .left = "", .right = "a{x=1} 1", .want = ""},
    {.name = "and on", .op = OXP_OP_AND, .on = "x", .left = "a{x=1,y=1} 1; a{x=1,y=2} 2; a{x=2} 3", .right = "b{x=1,z=1} 0", .want = "a{x=1,y=1} 1; a{x=1,y=2} 2"},
    {.name = "and on nothing", .op = OXP_OP_AND, .on = "", .left = "a{x=1} 1; a{x=2} 2", .right = "b{z=1} 0", .want = "a{x=1} 1; a{x=2} 2"},
    {.name = "and ignoring", .op = OXP_OP_AND, .ignoring = "y", .left = "a{x=1,y=1} 1; a{x=2} 3", .right = "b{x=1,y=7} 0", .want = "a{x=1,y=1} 1"},
    {.name = "and: any of several partners", .op = OXP_OP_AND, .on = "x", .left = "a{x=1} 1 2 3", .right = "b{x=1,z=1} 9 _ _; b{x=1,z=2} 9 9 _", .want = "a{x=1} 1 2 _"},
    {.name = "and keeps the order", .op = OXP_OP_AND, .on = "", .left = "a{x=3} 1; a{x=1} 2; a{x=2} 3", .right = "b 1", .want = "a{x=3} 1; a{x=1} 2; a{x=2} 3", .ordered = true},
    {.name = "unless", .op = OXP_OP_UNLESS, .left = "a{x=1} 1; a{x=2} 2", .right = "b{x=2} 9; b{x=3} 9", .want = "a{x=1} 1"},
    {.name = "unless by step", .op = OXP_OP_UNLESS, .left = "a{x=1} 1 2 _ 4", .right = "b{x=1} 9 _ 9 NaN", .want = "a{x=1} _ 2 _ _"},
    {.name = "unless nothing", .op = OXP_OP_UNLESS, .left = "a{x=1} 1", .right = "", .want = "a{x=1} 1"},
    {.name = "nothing unless", .op = OXP_OP_UNLESS, .left = "", .right = "a{x=1} 1", .want = ""},
    {.name = "unless on nothing", .op = OXP_OP_UNLESS, .on = "", .left = "a{x=1} 1 2", .right = "b{z=1} 0 _", .want = "a{x=1} _ 2"},
    {.name = "unless: any of several partners", .op = OXP_OP_UNLESS, .on = "x", .left = "a{x=1} 1 2 3", .right = "b{x=1,z=1} 9 _ _; b{x=1,z=2} 9 9 _", .want = "a{x=1} _ _ 3"},
    {.name = "or", .op = OXP_OP_OR, .left = "a{x=1} 1; a{x=2} 2", .right = "b{x=2} 9; b{x=3} 9", .want = "a{x=1} 1; a{x=2} 2; b{x=3} 9", .ordered = true},
    {.name = "or with nothing", .op = OXP_OP_OR, .left = "a{x=1} 1", .right = "", .want = "a{x=1} 1"},
    {.name = "nothing or", .op = OXP_OP_OR, .left = "", .right = "b{x=1} 1; b{x=2} 2", .want = "b{x=1} 1; b{x=2} 2"},
    {.name = "or by step", .op = OXP_OP_OR, .left = "a{x=1} 1 _ _ NaN", .right = "b{x=1} 9 8 _ 7", .want = "a{x=1} 1 _ _ NaN; b{x=1} _ 8 _ _"},
    {.name = "or of one series at different steps", .op = OXP_OP_OR, .left = "a{x=1} 1 _ 3", .right = "a{x=1} 7 8 9", .want = "a{x=1} 1 8 3"},
    {.name = "or on", .op = OXP_OP_OR, .on = "x", .left = "a{x=1,y=1} 1", .right = "b{x=1,y=2} 9; b{x=2,y=2} 9", .want = "a{x=1,y=1} 1; b{x=2,y=2} 9"},
    {.name = "or on nothing", .op = OXP_OP_OR, .on = "", .left = "a{x=1} 1 _", .right = "b{x=1} 9 9; b{x=2} 9 9", .want = "a{x=1} 1 _; b{x=1} _ 9; b{x=2} _ 9"},
    {.name = "or: the left has the group by turns", .op = OXP_OP_OR, .on = "x", .left = "a{x=1,y=1} 1 _ _; a{x=1,y=2} _ 2 _", .right = "b{x=1} 7 8 9", .want = "a{x=1,y=1} 1 _ _; a{x=1,y=2} _ 2 _; b{x=1} _ _ 9"},
};
/* clang-format on */

static bool make_node(struct oxp_arena *arena, const struct row *row, struct oxp_promql_node *node,
                      struct oxp_promql_node sides[2]) {
    bool many_left = row->group_left != NULL, many_right = row->group_right != NULL;
    const char *matching = row->on != NULL ? row->on : row->ignoring != NULL ? row->ignoring : "";
    sides[0].type = row->left[0] == '=' ? OXP_PROMQL_SCALAR : OXP_PROMQL_VECTOR;
    sides[1].type = row->right[0] == '=' ? OXP_PROMQL_SCALAR : OXP_PROMQL_VECTOR;
    node->kind = OXP_NODE_BINARY;
    node->binary.op = row->op;
    node->binary.left = &sides[0];
    node->binary.right = &sides[1];
    node->binary.return_bool = row->with_bool;
    node->binary.cardinality = oxp_promql_is_set(row->op) ? OXP_CARD_MANY_TO_MANY
                               : many_left                ? OXP_CARD_MANY_TO_ONE
                               : many_right               ? OXP_CARD_ONE_TO_MANY
                                                          : OXP_CARD_ONE_TO_ONE;
    node->binary.matching_on = row->on != NULL;
    node->binary.matching.without = row->on == NULL;
    node->binary.matching.names = read_names(arena, matching, true, &node->binary.matching.count);
    node->binary.include = read_names(arena,
                                      many_left    ? row->group_left
                                      : many_right ? row->group_right
                                                   : "",
                                      false, &node->binary.include_count);
    return node->binary.matching.names != NULL && node->binary.include != NULL;
}

static enum oxp_status run_row(struct world *world, const struct row *row, struct oxp_vector *out) {
    struct oxp_promql_node node = {0}, sides[2] = {{0}, {0}};
    struct oxp_vector left, right;
    size_t steps = count_steps(row->left);
    world_init(world, steps != 0 ? steps : count_steps(row->right));
    if (!make_node(&world->query.arena, row, &node, sides) || !read_vector(world, row->left, &left) ||
        !read_vector(world, row->right, &right)) {
        return OXP_ERR_NOMEM;
    }
    return oxp_eval_binary(&world->eval, &node, &left, &right, out);
}

static void test_rows(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct world world;
        struct oxp_vector out;
        enum oxp_status status = run_row(&world, &rows[i], &out);
        if (rows[i].error != NULL) {
            if (status != OXP_ERR_INVALID || strncmp(world.query.error.text, rows[i].error, 255) != 0) {
                fail_msg("%s: %s, \"%s\"", rows[i].name, oxp_status_name(status), world.query.error.text);
            }
        } else {
            if (status != OXP_OK) {
                fail_msg("%s: %s, \"%s\"", rows[i].name, oxp_status_name(status), world.query.error.text);
            }
            check_vector(&world, rows[i].name, &out, rows[i].want, rows[i].ordered);
        }
        world_fini(&world);
    }
}

/* Whatever fails, it fails as such. */
static void run_with_failures(void *ctx) {
    struct world world;
    struct oxp_vector out;
    enum oxp_status status = run_row(&world, ctx, &out);
    const struct row *row = ctx;
    if (alloc_fail_hit()) {
        assert_int_equal(status, OXP_ERR_NOMEM);
    } else {
        assert_int_equal(status, row->error == NULL ? OXP_OK : OXP_ERR_INVALID);
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

/* Results of vectors that were ordered on purpose stay so. */
static void test_ordered(void **state) {
    (void)state;
    static const struct {
        enum oxp_promql_op op;
        const char *left, *right;
        bool left_ordered, right_ordered, want;
    } cases[] = {
        {OXP_OP_MUL, "a{x=1} 1", "= 1", true, false, true},
        {OXP_OP_MUL, "a{x=1} 1", "= 1", false, false, false},
        {OXP_OP_MUL, "= 1", "a{x=1} 1", false, true, true},
        {OXP_OP_ADD, "a{x=1} 1", "b{x=1} 1", true, false, true},
        {OXP_OP_AND, "a{x=1} 1", "b{x=1} 1", true, false, true},
        {OXP_OP_OR, "a{x=1} 1", "b{x=2} 1", true, false, true},
        {OXP_OP_OR, "a{x=1} 1", "b{x=2} 1", false, true, true},
        {OXP_OP_ADD, "a{x=1} 1", "b{x=1} 1", false, true, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct row row = {.name = "ordered", .op = cases[i].op, .left = cases[i].left, .right = cases[i].right};
        struct oxp_promql_node node = {0}, sides[2] = {{0}, {0}};
        struct oxp_vector left, right, out;
        struct world world;
        world_init(&world, 1);
        assert_true(make_node(&world.query.arena, &row, &node, sides));
        assert_true(read_vector(&world, row.left, &left) && read_vector(&world, row.right, &right));
        left.ordered = cases[i].left_ordered;
        right.ordered = cases[i].right_ordered;
        assert_int_equal(oxp_eval_binary(&world.eval, &node, &left, &right, &out), OXP_OK);
        assert_int_equal(out.ordered, cases[i].want);
        world_fini(&world);
    }
}

static void test_negate(void **state) {
    (void)state;
    static const struct {
        const char *name, *input, *want;
    } cases[] = {
        {"empty", "", ""},
        {"drops names", "up{a=1} 1 _ -3 NaN Inf", "{a=1} -1 _ 3 NaN -Inf"},
        {"a scalar", "= 1 2", "= -1 -2"},
        {"zero", "up 0", "{} -0"},
        {"names apart at different steps", "x{a=1} 1 _; y{a=1} _ 2", "{a=1} -1 -2"},
        {"names apart at one step", "x{a=1} 1 1; y{a=1} _ 2", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct world world;
        struct oxp_vector vector;
        world_init(&world, count_steps(cases[i].input));
        assert_true(read_vector(&world, cases[i].input, &vector));
        enum oxp_status status = oxp_eval_negate(&world.eval, &vector);
        if (cases[i].want == NULL) {
            assert_int_equal(status, OXP_ERR_INVALID);
            assert_string_equal(world.query.error.text, SAME);
        } else {
            assert_int_equal(status, OXP_OK);
            check_vector(&world, cases[i].name, &vector, cases[i].want, true);
        }
        world_fini(&world);
    }
}

/* Many groups, so that tables grow: a value finds its partner among thousands. */
static void test_many(void **state) {
    (void)state;
    enum { SERIES = 5000 };
    struct world world;
    struct row row = {.name = "many", .op = OXP_OP_SUB, .left = "", .right = ""};
    struct oxp_promql_node node = {0}, sides[2] = {{0}, {0}};
    struct oxp_vector side[2] = {{0}, {0}}, out;
    world_init(&world, 1);
    assert_true(make_node(&world.query.arena, &row, &node, sides));
    for (int i = 0; i < 2 * SERIES; i++) {
        char text[32];
        struct oxp_labels_builder builder;
        oxp_labels_build(&builder, &world.query.arena, oxp_labels_none());
        snprintf(text, sizeof text, "%d", i < SERIES ? i : 2 * SERIES - 1 - i);
        oxp_labels_set_text(&builder, OXP_VIEW("id"), oxp_view_from(text));
        double *value = oxp_column_values(&world.query.arena, 1);
        *value = i < SERIES ? i : 2 * (2 * SERIES - 1 - i);
        assert_non_null(oxp_vector_add(&world.query.arena, &side[i / SERIES], oxp_labels_finish(&builder), value, 1));
    }
    assert_int_equal(oxp_eval_binary(&world.eval, &node, &side[0], &side[1], &out), OXP_OK);
    assert_int_equal(out.count, SERIES);
    for (int i = 0; i < SERIES; i++) {
        char text[32];
        snprintf(text, sizeof text, "%d", i);
        assert_true(oxp_view_is(oxp_symbol_view(out.columns[i].labels->label[0].value), text));
        assert_true(out.columns[i].value[0] == -i);
    }
    world_fini(&world);
}

/* A query that is cancelled ends, whatever is being done. */
static void test_cancelled(void **state) {
    (void)state;
    static const struct row cases[] = {
        {.name = "scalar", .op = OXP_OP_ADD, .left = "a{x=1} 1", .right = "= 1"},
        {.name = "vectors", .op = OXP_OP_ADD, .left = "a{x=1} 1", .right = "b{x=1} 1"},
        {.name = "sets", .op = OXP_OP_AND, .left = "a{x=1} 1", .right = "b{x=1} 1"},
    };
    static const _Atomic bool cancelled = true;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct world world;
        struct oxp_promql_node node = {0}, sides[2] = {{0}, {0}};
        struct oxp_vector left, right, out;
        world_init(&world, 1);
        world.query.cancelled = &cancelled;
        assert_true(make_node(&world.query.arena, &cases[i], &node, sides));
        assert_true(read_vector(&world, cases[i].left, &left) && read_vector(&world, cases[i].right, &right));
        assert_int_equal(oxp_eval_binary(&world.eval, &node, &left, &right, &out), OXP_ERR_CLOSED);
        world_fini(&world);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),   cmocka_unit_test(test_allocations), cmocka_unit_test(test_ordered),
        cmocka_unit_test(test_negate), cmocka_unit_test(test_many),        cmocka_unit_test(test_cancelled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
