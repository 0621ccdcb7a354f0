/* Texts to trees: shapes, places, what is the same at every step, how far back an expression looks. */
#include "tests/unit/alerts/promql/support.h"

#include "alerts/promql/functions.h"
#include "alerts/promql/parse.h"

static struct oxp_promql_expr *parse(const char *text) {
    struct oxp_promql_expr *expr = NULL;
    struct oxp_error error = {0};
    if (oxp_promql_parse(oxp_view_from(text), &expr, &error) != OXP_OK) {
        fail_msg("%s: %u:%u: %s", text, error.line, error.column, error.text);
    }
    assert_non_null(expr);
    return expr;
}

/* ---- Shapes ---- */

static void write_when(struct oxp_buf *out, const struct oxp_promql_when *when) {
    if (when->at == OXP_AT_TIME) {
        oxp_buf_append_format(out, " @%lld", (long long)when->at_ms);
    } else if (when->at != OXP_AT_NONE) {
        oxp_buf_append_text(out, when->at == OXP_AT_START ? " @start" : " @end");
    }
    if (when->offset_ms != 0) {
        oxp_buf_append_format(out, " -%lld", (long long)when->offset_ms);
    }
}

static void write_names(struct oxp_buf *out, const char *word, const struct oxp_symbol *const *names, size_t count) {
    oxp_buf_append_format(out, " %s:", word);
    for (size_t i = 0; i < count; i++) {
        oxp_buf_append_text(out, i == 0 ? "" : ",");
        oxp_buf_append_view(out, oxp_symbol_view(names[i]));
    }
}

static void write_selector(struct oxp_buf *out, const struct oxp_promql_node *node) {
    oxp_buf_append_view(out, node->selector.name);
    oxp_buf_append_char(out, '{');
    for (size_t i = 0; i < node->selector.matcher_count; i++) {
        const struct oxp_matcher *matcher = &node->selector.matchers[i];
        bool pattern = matcher->op == OXP_MATCH_REGEX || matcher->op == OXP_MATCH_NOT_REGEX;
        assert_true(pattern == (matcher->regex != NULL));
        oxp_buf_append_text(out, i == 0 ? "" : ",");
        oxp_buf_append_view(out, oxp_symbol_view(matcher->name));
        oxp_buf_append_text(out, oxp_match_op_text(matcher->op));
        oxp_buf_append_view(out, oxp_symbol_view(matcher->value));
    }
    oxp_buf_append_char(out, '}');
    write_when(out, &node->selector.when);
}

static void write_binary(struct oxp_buf *out, const struct oxp_promql_node *node) {
    static const char *const cards[] = {"", " many:one", " one:many", " many:many"};
    oxp_buf_append_text(out, oxp_promql_op_text(node->binary.op));
    oxp_buf_append_text(out, node->binary.return_bool ? " bool" : "");
    oxp_buf_append_text(out, cards[node->binary.cardinality]);
    if (node->binary.matching_on || node->binary.matching.count != 0) {
        assert_true(node->binary.matching.without != node->binary.matching_on);
        write_names(out, node->binary.matching_on ? "on" : "ignoring", node->binary.matching.names,
                    node->binary.matching.count);
    }
    if (node->binary.include_count != 0) {
        write_names(out, "include", node->binary.include, node->binary.include_count);
    }
}

/* NOLINTNEXTLINE(misc-no-recursion): no test's tree is high */
static void write_node(struct oxp_buf *out, const struct oxp_promql_node *node);

/* NOLINTNEXTLINE(misc-no-recursion): no test's tree is high */
static void write_child(struct oxp_buf *out, const struct oxp_promql_node *node) {
    if (node != NULL) {
        oxp_buf_append_char(out, ' ');
        write_node(out, node);
    }
}

/* NOLINTNEXTLINE(misc-no-recursion): no test's tree is high */
static void write_node(struct oxp_buf *out, const struct oxp_promql_node *node) {
    switch (node->kind) {
    case OXP_NODE_NUMBER:
        oxp_buf_append_double(out, node->number.value);
        oxp_buf_append_text(out, node->number.duration ? "s" : "");
        return;
    case OXP_NODE_STRING:
        oxp_buf_append_char(out, '\'');
        oxp_buf_append_view(out, node->string);
        oxp_buf_append_char(out, '\'');
        return;
    case OXP_NODE_SELECTOR:
        write_selector(out, node);
        return;
    default:
        break;
    }
    oxp_buf_append_char(out, '(');
    switch (node->kind) {
    case OXP_NODE_RANGE:
        oxp_buf_append_format(out, "range %lld", (long long)node->range.range_ms);
        write_child(out, node->range.selector);
        break;
    case OXP_NODE_SUBQUERY:
        oxp_buf_append_format(out, "subquery %lld:%lld", (long long)node->subquery.range_ms,
                              (long long)node->subquery.step_ms);
        write_when(out, &node->subquery.when);
        write_child(out, node->subquery.expr);
        break;
    case OXP_NODE_CALL:
        oxp_buf_append_text(out, node->call.function->name);
        for (size_t i = 0; i < node->call.arg_count; i++) {
            write_child(out, node->call.args[i]);
        }
        break;
    case OXP_NODE_AGGREGATE:
        oxp_buf_append_text(out, oxp_promql_aggregation_text(node->aggregate.op));
        if (node->aggregate.grouped) {
            write_names(out, node->aggregate.grouping.without ? "without" : "by", node->aggregate.grouping.names,
                        node->aggregate.grouping.count);
        }
        write_child(out, node->aggregate.param);
        write_child(out, node->aggregate.expr);
        break;
    case OXP_NODE_BINARY:
        write_binary(out, node);
        write_child(out, node->binary.left);
        write_child(out, node->binary.right);
        break;
    case OXP_NODE_UNARY:
        oxp_buf_append_text(out, node->unary.minus ? "minus" : "plus");
        write_child(out, node->unary.expr);
        break;
    default:
        assert_int_equal(node->kind, OXP_NODE_PAREN);
        oxp_buf_append_text(out, "paren");
        write_child(out, node->paren);
        break;
    }
    oxp_buf_append_char(out, ')');
}

#define N "{__name__="

static const struct {
    const char *text;
    enum oxp_promql_type type;
    const char *shape;
} shapes[] = {
    /* clang-format off: a row a line */
    /* literals */
    {"1", OXP_PROMQL_SCALAR, "1"},
    {"0x1F", OXP_PROMQL_SCALAR, "31"},
    {"017", OXP_PROMQL_SCALAR, "15"},
    {"-Inf", OXP_PROMQL_SCALAR, "-Inf"},
    {"nAn", OXP_PROMQL_SCALAR, "NaN"},
    {"1h30m", OXP_PROMQL_SCALAR, "5400s"},
    {"-250ms", OXP_PROMQL_SCALAR, "-0.25s"},
    {"'a\\'b'", OXP_PROMQL_STRING, "'a'b'"},
    {"`\\n`", OXP_PROMQL_STRING, "'\\n'"},
    /* operators: strength and direction */
    {"1 + 2 * 3", OXP_PROMQL_SCALAR, "(+ 1 (* 2 3))"},
    {"1 * 2 + 3", OXP_PROMQL_SCALAR, "(+ (* 1 2) 3)"},
    {"1 - 2 - 3", OXP_PROMQL_SCALAR, "(- (- 1 2) 3)"},
    {"8 / 4 / 2 % 3 atan2 5 * 6", OXP_PROMQL_SCALAR, "(* (atan2 (% (/ (/ 8 4) 2) 3) 5) 6)"},
    {"2 ^ 3 ^ 2", OXP_PROMQL_SCALAR, "(^ 2 (^ 3 2))"},
    {"2 * 3 ^ 2 * 4", OXP_PROMQL_SCALAR, "(* (* 2 (^ 3 2)) 4)"},
    {"1 < bool 2 + 3", OXP_PROMQL_SCALAR, "(< bool 1 (+ 2 3))"},
    {"1 == bool 2 != bool 3 >= bool 4", OXP_PROMQL_SCALAR, "(>= bool (!= bool (== bool 1 2) 3) 4)"},
    {"a and b or c unless d", OXP_PROMQL_VECTOR,
     "(or many:many (and many:many a" N "a} b" N "b}) (unless many:many c" N "c} d" N "d}))"},
    {"a or b and c > d", OXP_PROMQL_VECTOR, "(or many:many a" N "a} (and many:many b" N "b} (> c" N "c} d" N "d})))"},
    {"-1", OXP_PROMQL_SCALAR, "-1"},
    {"+-+1", OXP_PROMQL_SCALAR, "-1"},
    {"-1 ^ 2", OXP_PROMQL_SCALAR, "(minus (^ 1 2))"},
    {"(-1) ^ 2", OXP_PROMQL_SCALAR, "(^ (paren -1) 2)"},
    {"2 ^ -1", OXP_PROMQL_SCALAR, "(^ 2 -1)"},
    {"2 ^ -3 ^ 2 * 4", OXP_PROMQL_SCALAR, "(* (^ 2 (minus (^ 3 2))) 4)"},
    {"-2 * 3", OXP_PROMQL_SCALAR, "(* -2 3)"},
    {"1 - -1", OXP_PROMQL_SCALAR, "(- 1 -1)"},
    {"-a * b", OXP_PROMQL_VECTOR, "(* (minus a" N "a}) b" N "b})"},
    {"-a[5m:]", OXP_PROMQL_MATRIX, NULL}, /* refused: the sign is outside */
    {"+a offset 5m", OXP_PROMQL_VECTOR, "(plus a" N "a} -300000)"},
    {"1 + a", OXP_PROMQL_VECTOR, "(+ 1 a" N "a})"},
    {"(1)", OXP_PROMQL_SCALAR, "(paren 1)"},
    {"(\"a\")", OXP_PROMQL_STRING, "(paren 'a')"},
    /* matching */
    {"a + on(y, x) b", OXP_PROMQL_VECTOR, "(+ on:x,y a" N "a} b" N "b})"},
    {"a + on(x, \"y.z\", x,) b", OXP_PROMQL_VECTOR, "(+ on:x,y.z a" N "a} b" N "b})"},
    {"a + ignoring() b", OXP_PROMQL_VECTOR, "(+ a" N "a} b" N "b})"},
    {"a / ignoring(x) group_left b", OXP_PROMQL_VECTOR, "(/ many:one ignoring:x a" N "a} b" N "b})"},
    {"a / on(x) group_right(z, y) b", OXP_PROMQL_VECTOR, "(/ one:many on:x include:z,y a" N "a} b" N "b})"},
    {"a / on(x) group_left (b)", OXP_PROMQL_VECTOR, NULL}, /* the list of labels, and then nothing */
    {"a / on(x) group_left () (b)", OXP_PROMQL_VECTOR, "(/ many:one on:x a" N "a} (paren b" N "b}))"},
    {"a > bool on(x) b", OXP_PROMQL_VECTOR, "(> bool on:x a" N "a} b" N "b})"},
    {"a and on(on, by, sum, offset, bool, group_left, fill) b", OXP_PROMQL_VECTOR,
     "(and many:many on:bool,by,fill,group_left,offset,on,sum a" N "a} b" N "b})"},
    {"1 + on() a", OXP_PROMQL_VECTOR, "(+ 1 a" N "a})"}, /* nothing is matched: it means nothing */
    {"2 > bool ignoring() group_left(x) 1", OXP_PROMQL_SCALAR, "(> bool 2 1)"},
    /* selectors */
    {"up", OXP_PROMQL_VECTOR, "up" N "up}"},
    {"a:b:c", OXP_PROMQL_VECTOR, "a:b:c" N "a:b:c}"},
    {":a", OXP_PROMQL_VECTOR, ":a" N ":a}"},
    {"up{}", OXP_PROMQL_VECTOR, "up" N "up}"},
    {"up{a=\"b\",c!=\"d\",e=~\"f|g\",h!~\"i.*\",}", OXP_PROMQL_VECTOR, "up{a=b,c!=d,e=~f|g,h!~i.*,__name__=up}"},
    {"{a=\"b\"}", OXP_PROMQL_VECTOR, "{a=b}"},
    {"{a=~\".+\"}", OXP_PROMQL_VECTOR, "{a=~.+}"},
    {"{a!=\"\"}", OXP_PROMQL_VECTOR, "{a!=}"},
    {"{a=\"\",b=\"c\"}", OXP_PROMQL_VECTOR, "{a=,b=c}"},
    {"{__name__=~\"up|down\"}", OXP_PROMQL_VECTOR, "{__name__=~up|down}"},
    {"{\"a.b\", 'x y'='z', `q`!=\"\"}", OXP_PROMQL_VECTOR, "{__name__=a.b,x y=z,q!=}"},
    {"{\"a\", __name__=\"b\"}", OXP_PROMQL_VECTOR, "{__name__=a,__name__=b}"},
    {"up{sum=\"1\",by=\"2\",inf=\"3\",offset=\"4\"}", OXP_PROMQL_VECTOR, "up{sum=1,by=2,inf=3,offset=4,__name__=up}"},
    /* metrics that are called like words of the language */
    {"sum", OXP_PROMQL_VECTOR, "sum" N "sum}"},
    {"Sum{a=\"b\"}", OXP_PROMQL_VECTOR, "Sum{a=b,__name__=Sum}"},
    {"by + without", OXP_PROMQL_VECTOR, "(+ by" N "by} without" N "without})"},
    {"and and and", OXP_PROMQL_VECTOR, "(and many:many and" N "and} and" N "and})"},
    {"or or unless unless or", OXP_PROMQL_VECTOR,
     "(or many:many or" N "or} (unless many:many unless" N "unless} or" N "or}))"},
    {"offset offset 5m", OXP_PROMQL_VECTOR, "offset" N "offset} -300000"},
    {"start @ end()", OXP_PROMQL_VECTOR, "start" N "start} @end"},
    {"end + step + range + min_of + max_of", OXP_PROMQL_VECTOR,
     "(+ (+ (+ (+ end" N "end} step" N "step}) range" N "range}) min_of" N "min_of}) max_of" N "max_of})"},
    {"anchored - smoothed", OXP_PROMQL_VECTOR, "(- anchored" N "anchored} smoothed" N "smoothed})"},
    {"fill + fill_left - fill_right", OXP_PROMQL_VECTOR,
     "(- (+ fill" N "fill} fill_left" N "fill_left}) fill_right" N "fill_right})"},
    {"limitk + limit_ratio", OXP_PROMQL_VECTOR, "(+ limitk" N "limitk} limit_ratio" N "limit_ratio})"},
    {"sum offset 1m", OXP_PROMQL_VECTOR, "sum" N "sum} -60000"},
    {"rate", OXP_PROMQL_VECTOR, "rate" N "rate}"},
    /* moments */
    {"up offset 5m", OXP_PROMQL_VECTOR, "up" N "up} -300000"},
    {"up OFFSET -1h30m", OXP_PROMQL_VECTOR, "up" N "up} --5400000"},
    {"up offset 1.5", OXP_PROMQL_VECTOR, "up" N "up} -1500"},
    {"up offset +-+5s", OXP_PROMQL_VECTOR, "up" N "up} --5000"},
    {"up offset 0s offset 5s", OXP_PROMQL_VECTOR, "up" N "up} -5000"},
    {"up @ 1.5", OXP_PROMQL_VECTOR, "up" N "up} @1500"},
    {"up @ -10", OXP_PROMQL_VECTOR, "up" N "up} @-10000"},
    {"up @ +1h", OXP_PROMQL_VECTOR, "up" N "up} @3600000"},
    {"up @ Start ( )", OXP_PROMQL_VECTOR, "up" N "up} @start"},
    {"up @ 9e18", OXP_PROMQL_VECTOR, "up" N "up} @4000000000000000000"},
    {"up offset 5m @ end()", OXP_PROMQL_VECTOR, "up" N "up} @end -300000"},
    {"up @ end() offset 5m", OXP_PROMQL_VECTOR, "up" N "up} @end -300000"},
    {"up offset -2 ^ 2", OXP_PROMQL_VECTOR, "(^ up" N "up} --2000 2)"},
    {"up offset 2s + 3", OXP_PROMQL_VECTOR, "(+ up" N "up} -2000 3)"},
    {"up[5m]", OXP_PROMQL_MATRIX, "(range 300000 up" N "up})"},
    {"up{a=\"b\"} [ 1d ]", OXP_PROMQL_MATRIX, "(range 86400000 up{a=b,__name__=up})"},
    {"up[90]", OXP_PROMQL_MATRIX, "(range 90000 up" N "up})"},
    {"up[--1m]", OXP_PROMQL_MATRIX, "(range 60000 up" N "up})"},
    {"up[5m] offset 1m @ 7", OXP_PROMQL_MATRIX, "(range 300000 up" N "up} @7000 -60000)"},
    {"up[1h:]", OXP_PROMQL_MATRIX, "(subquery 3600000:0 up" N "up})"},
    {"up[1h:5m]", OXP_PROMQL_MATRIX, "(subquery 3600000:300000 up" N "up})"},
    {"up offset 1m[1h : 5m] @ 7 offset 2m", OXP_PROMQL_MATRIX,
     "(subquery 3600000:300000 @7000 -120000 up" N "up} -60000)"},
    {"(a + b)[1h:5]", OXP_PROMQL_MATRIX, "(subquery 3600000:5000 (paren (+ a" N "a} b" N "b})))"},
    {"a + rate(b[5m])[1h:]", OXP_PROMQL_MATRIX, NULL}, /* a range vector cannot be added */
    {"max_over_time(rate(a[5m])[1h:])", OXP_PROMQL_VECTOR,
     "(max_over_time (subquery 3600000:0 (rate (range 300000 a" N "a}))))"},
    /* calls */
    {"time()", OXP_PROMQL_SCALAR, "(time)"},
    {"time ( )", OXP_PROMQL_SCALAR, "(time)"},
    {"hour()", OXP_PROMQL_VECTOR, "(hour)"},
    {"hour(up)", OXP_PROMQL_VECTOR, "(hour up" N "up})"},
    {"round(up)", OXP_PROMQL_VECTOR, "(round up" N "up})"},
    {"round(up, 5)", OXP_PROMQL_VECTOR, "(round up" N "up} 5)"},
    {"scalar(up) + 1", OXP_PROMQL_SCALAR, "(+ (scalar up" N "up}) 1)"},
    {"vector(1h)", OXP_PROMQL_VECTOR, "(vector 3600s)"},
    {"label_join(up, \"a\", \"b\")", OXP_PROMQL_VECTOR, "(label_join up" N "up} 'a' 'b')"},
    {"label_join(up, \"a\", \"b\", \"c\", \"d\", 'e')", OXP_PROMQL_VECTOR,
     "(label_join up" N "up} 'a' 'b' 'c' 'd' 'e')"},
    {"quantile_over_time((0.5), up[5m])", OXP_PROMQL_VECTOR,
     "(quantile_over_time (paren 0.5) (range 300000 up" N "up}))"},
    /* aggregations */
    {"sum(up)", OXP_PROMQL_VECTOR, "(sum up" N "up})"},
    {"SUM by (b, a) (up)", OXP_PROMQL_VECTOR, "(sum by:a,b up" N "up})"},
    {"sum(up) without (b, a, b,)", OXP_PROMQL_VECTOR, "(sum without:a,b up" N "up})"},
    {"sum by () (up)", OXP_PROMQL_VECTOR, "(sum by: up" N "up})"},
    {"avg by (by, without2, sum, \"x.y\") (up)", OXP_PROMQL_VECTOR, "(avg by:by,sum,without2,x.y up" N "up})"},
    {"topk(5, up)", OXP_PROMQL_VECTOR, "(topk 5 up" N "up})"},
    {"bottomk by (a) (scalar(b), c)", OXP_PROMQL_VECTOR, "(bottomk by:a (scalar b" N "b}) c" N "c})"},
    {"quantile(0.9, up) by (a)", OXP_PROMQL_VECTOR, "(quantile by:a 0.9 up" N "up})"},
    {"count_values(\"v\", up)", OXP_PROMQL_VECTOR, "(count_values 'v' up" N "up})"},
    {"min(max(count(group(stddev(stdvar(up))))))", OXP_PROMQL_VECTOR,
     "(min (max (count (group (stddev (stdvar up" N "up}))))))"},
    {"sum(up) + 1", OXP_PROMQL_VECTOR, "(+ (sum up" N "up}) 1)"},
    /* space and comments anywhere */
    {"sum # of\n by # the\n ( # a\n a # )\n ) ( up # now\n { # }\n a = # b\n 'c' } [ # no comment\n 5m ] )",
     OXP_PROMQL_VECTOR, NULL}, /* directly behind a bracket there is no comment */
    {"# first\nsum # of\n by # the\n ( # a\n a # )\n ) ( up # now\n { # }\n a = # b\n 'c' } # )\n )\n# last",
     OXP_PROMQL_VECTOR, "(sum by:a up{a=c,__name__=up})"},
    /* clang-format on */
};

static void makes_trees(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT_OF(shapes); i++) {
        struct oxp_promql_expr *expr = NULL;
        if (shapes[i].shape == NULL) {
            assert_int_equal(oxp_promql_parse(oxp_view_from(shapes[i].text), &expr, NULL), OXP_ERR_SYNTAX);
            continue;
        }
        struct oxp_buf out;
        oxp_buf_init(&out, 0);
        expr = parse(shapes[i].text);
        write_node(&out, expr->root);
        assert_string_equal(oxp_buf_text(&out), shapes[i].shape);
        assert_int_equal(expr->root->type, shapes[i].type);
        oxp_buf_fini(&out);
        oxp_promql_expr_free(expr);
    }
}

/* ---- Walking a tree: its children, in the order of the text where there is one ---- */

static size_t children(const struct oxp_promql_node *node, const struct oxp_promql_node *out[8]) {
    size_t count = 0;
    switch (node->kind) {
    case OXP_NODE_RANGE:
        out[count++] = node->range.selector;
        break;
    case OXP_NODE_SUBQUERY:
        out[count++] = node->subquery.expr;
        break;
    case OXP_NODE_CALL:
        for (; count < node->call.arg_count && count < 8; count++) {
            out[count] = node->call.args[count];
        }
        break;
    case OXP_NODE_AGGREGATE:
        if (node->aggregate.param != NULL) {
            out[count++] = node->aggregate.param;
        }
        out[count++] = node->aggregate.expr;
        break;
    case OXP_NODE_BINARY:
        out[count++] = node->binary.left;
        out[count++] = node->binary.right;
        break;
    case OXP_NODE_UNARY:
        out[count++] = node->unary.expr;
        break;
    case OXP_NODE_PAREN:
        out[count++] = node->paren;
        break;
    default:
        break;
    }
    return count;
}

/* NOLINTNEXTLINE(misc-no-recursion): no test's tree is high */
static void write_places(struct oxp_buf *out, const struct oxp_promql_expr *expr, const struct oxp_promql_node *node) {
    const struct oxp_promql_node *below[8];
    uint32_t highest = 0;
    assert_true(node->start < node->end && node->end <= expr->text.len);
    oxp_buf_append_text(out, out->len == 0 ? "" : "|");
    oxp_buf_append(out, expr->text.ptr + node->start, node->end - node->start);
    size_t count = children(node, below);
    for (size_t i = 0; i < count; i++) {
        write_places(out, expr, below[i]);
        highest = highest > below[i]->height ? highest : below[i]->height;
    }
    assert_int_equal(node->height, highest + 1);
}

static const struct {
    const char *text, *places; /* of every node, from the root down */
} places[] = {
    {"  1 ", "1"},
    {" - 1 ", "- 1"},
    {"- 1 ^ 2", "- 1 ^ 2|1 ^ 2|1|2"},
    {" a  +  b ", "a  +  b|a|b"},
    {"( a + b ) * c", "( a + b ) * c|( a + b )|a + b|a|b|c"},
    {" up { a = \"b\" } ", "up { a = \"b\" }"},
    {" {a='b'} ", "{a='b'}"},
    {"up offset 5m # it", "up offset 5m"},
    {"up @ 10 offset -1m ", "up @ 10 offset -1m"},
    {"(up @ start ( ) )", "(up @ start ( ) )|up @ start ( )"},
    {"(up offset 5m )", "(up offset 5m )|up offset 5m"},
    {"up [ 5m ] offset 1m ", "up [ 5m ] offset 1m|up"},
    {"rate(up[5m] @ 7)[1h : 1m ] offset 1m ", "rate(up[5m] @ 7)[1h : 1m ] offset 1m|rate(up[5m] @ 7)|up[5m] @ 7|up"},
    {"sum ( up ) ", "sum ( up )|up"},
    {"(sum ( up ) )", "(sum ( up ) )|sum ( up )|up"},
    {"(sum (up) # a comment\n )", "(sum (up) # a comment\n )|sum (up)|up"},
    {" sum by (a) (up) ", "sum by (a) (up)|up"},
    {" sum (up) by (a, ) + 1", "sum (up) by (a, ) + 1|sum (up) by (a, )|up|1"},
    {"topk( 5 , up )", "topk( 5 , up )|5|up"},
    {"label_replace(up, \"a\", 'b', `c`, \"\")", "label_replace(up, \"a\", 'b', `c`, \"\")|up|\"a\"|'b'|`c`|\"\""},
    {"a\n  and on (x)\n b", "a\n  and on (x)\n b|a|b"},
    {"\xc3\xa4", NULL}, /* not a name without quotes */
    {"{\"\xc3\xa4\"} + 1", "{\"\xc3\xa4\"} + 1|{\"\xc3\xa4\"}|1"},
};

static void knows_places(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT_OF(places); i++) {
        struct oxp_promql_expr *expr = NULL;
        if (places[i].places == NULL) {
            assert_int_equal(oxp_promql_parse(oxp_view_from(places[i].text), &expr, NULL), OXP_ERR_SYNTAX);
            continue;
        }
        struct oxp_buf out;
        oxp_buf_init(&out, 0);
        expr = parse(places[i].text);
        write_places(&out, expr, expr->root);
        assert_string_equal(oxp_buf_text(&out), places[i].places);
        oxp_buf_fini(&out);
        oxp_promql_expr_free(expr);
    }
}

/* ---- The same at every step ---- */

static const struct {
    const char *text;
    bool invariant;
} invariants[] = {
    {"1", true},
    {"'a'", true},
    {"1 + 2", true},
    {"up", false},
    {"up offset 5m", false},
    {"up @ 5", true},
    {"up @ start()", true},
    {"up @ end() offset 5m", true},
    {"-(up @ 5)", true},
    {"up @ 5 + 1", true},
    {"up @ 5 + up", false},
    {"sum(up @ 5)", true},
    {"sum(up)", false},
    {"topk(2, up @ 5)", true},
    {"topk(scalar(up), up @ 5)", false},
    {"count_values('x', up @ 5)", true},
    {"rate(up[5m])", false},
    {"rate(up[5m] @ 5)", true},
    {"max_over_time(up[1h:5m])", false},
    {"max_over_time(up[1h:5m] @ 5)", true},
    {"max_over_time((up @ 5)[1h:5m])", false},
    {"pi()", true},
    {"vector(1)", true},
    {"time()", false},
    {"vector(time())", false},
    {"hour()", false},
    {"hour(up @ 5)", false},
    {"year(vector(1))", false},
    {"predict_linear(up[5m] @ 5, 60)", false},
    {"timestamp(up)", false},
    {"timestamp(up @ 5)", true},
    {"timestamp((up @ 5))", true},
    {"timestamp(abs(up @ 5))", false},
    {"timestamp(vector(1))", false},
    {"absent(up @ 5)", true},
    {"label_replace(up @ 5, 'a', 'b', 'c', 'd')", true},
    {"round(up @ 5, scalar(up))", false},
    {"histogram_quantile(0.9, up @ 5)", true},
};

static void marks_what_is_the_same_at_every_step(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT_OF(invariants); i++) {
        struct oxp_promql_expr *expr = parse(invariants[i].text);
        if (expr->root->step_invariant != invariants[i].invariant) {
            fail_msg("%s", invariants[i].text);
        }
        oxp_promql_expr_free(expr);
    }
    struct oxp_promql_expr *expr = parse("rate(a[5m] @ 5) / b");
    assert_true(expr->root->binary.left->step_invariant);
    assert_true(expr->root->binary.left->call.args[0]->step_invariant);
    assert_true(expr->root->binary.left->call.args[0]->range.selector->step_invariant);
    assert_false(expr->root->binary.right->step_invariant);
    oxp_promql_expr_free(expr);
}

/* ---- How far back ---- */

#define MIN INT64_C(60000)
#define HOUR (60 * MIN)

static const struct {
    const char *text;
    int64_t ms;
} reaches[] = {
    {"1", 0},
    {"time()", 0},
    {"up", 0},
    {"up offset 5m", 5 * MIN},
    {"up offset -5m", 0},
    {"rate(up[5m])", 5 * MIN},
    {"rate(up[5m] offset 1h)", HOUR + 5 * MIN},
    {"rate(up[5m] offset -1m)", 4 * MIN},
    {"rate(a[5m]) / rate(b[10m])", 10 * MIN},
    {"rate(b[10m]) and a", 10 * MIN},
    {"max_over_time(rate(up[5m])[1h:])", HOUR + 5 * MIN},
    {"max_over_time(rate(up[5m] offset 1m)[1h:] offset 2m)", HOUR + 8 * MIN},
    {"max_over_time((up offset -2h)[1h:])", 0},
    {"max_over_time((up offset -2h)[1h:] offset 90m)", 30 * MIN},
    {"max_over_time(vector(1)[1h:])", 0},
    {"max_over_time(vector(1)[1h:] @ 5)", 0},
    {"topk(scalar(a offset 1h), b)", HOUR},
    {"clamp(a, scalar(b offset 1m), scalar(c offset 2m))", 2 * MIN},
    {"-(sum by (a) (up offset 1m))", MIN},
    {"up @ 5", INT64_MAX},
    {"up + (up @ 5)", INT64_MAX},
    {"max_over_time(up[5m:] @ 5)", INT64_MAX},
    {"max_over_time((up @ 5)[5m:])", INT64_MAX},
    {"rate(up[5m] @ end())", 5 * MIN}, /* of an instant query start() and end() are its time */
    {"up @ start() offset 1m", MIN},
    {"max_over_time(max_over_time(up[292y:1y])[292y:1y])", INT64_C(2) * 9208512000000},
};

static void knows_how_far_back_it_looks(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT_OF(reaches); i++) {
        struct oxp_promql_expr *expr = parse(reaches[i].text);
        if (expr->reach_ms != reaches[i].ms) {
            fail_msg("%s: %lld", reaches[i].text, (long long)expr->reach_ms);
        }
        oxp_promql_expr_free(expr);
    }
}

/* ---- The tree's own small functions ---- */

static void names_types_and_bares_nodes(void **state) {
    (void)state;
    assert_string_equal(oxp_promql_type_text(OXP_PROMQL_VECTOR), "instant vector");
    assert_string_equal(oxp_promql_type_json(OXP_PROMQL_MATRIX), "matrix");
    assert_true(oxp_promql_is_comparison(OXP_OP_EQL) && oxp_promql_is_comparison(OXP_OP_LTE));
    assert_false(oxp_promql_is_comparison(OXP_OP_ATAN2) || oxp_promql_is_comparison(OXP_OP_AND));
    assert_true(oxp_promql_is_set(OXP_OP_AND) && oxp_promql_is_set(OXP_OP_UNLESS));
    assert_false(oxp_promql_is_set(OXP_OP_LTE));
    struct oxp_promql_expr *expr = parse("((up))");
    assert_int_equal(oxp_promql_bare(expr->root)->kind, OXP_NODE_SELECTOR);
    assert_ptr_equal(oxp_promql_bare(oxp_promql_bare(expr->root)), oxp_promql_bare(expr->root));
    oxp_promql_expr_free(expr);
    oxp_promql_expr_free(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(makes_trees),
        cmocka_unit_test(knows_places),
        cmocka_unit_test(marks_what_is_the_same_at_every_step),
        cmocka_unit_test(knows_how_far_back_it_looks),
        cmocka_unit_test(names_types_and_bares_nodes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
