/* Expressions that are refused: with Prometheus' words, at Prometheus' place. */
#include "tests/unit/alerts/promql/support.h"

#include "alerts/promql/parse.h"

static const struct {
    const char *text;
    unsigned line, column;
    const char *words;
} refused[] = {
    /* clang-format off: a row a line */
    {"", 0, 0, "no expression found in input"},
    {"# nothing", 1, 1, "no expression found in input"},
    {"  \n# a\n", 1, 1, "no expression found in input"},
    {"1 +", 1, 4, "unexpected end of input"},
    {"* 2", 1, 1, "unexpected <op:*>"},
    {"foo bar", 1, 5, "unexpected identifier \"bar\""},
    {"foo 5", 1, 5, "unexpected number \"5\""},
    {"(up", 1, 4, "unclosed left parenthesis"},
    {"up)", 1, 4, "unexpected right parenthesis ')'"},
    {")", 1, 2, "unexpected right parenthesis ')'"},
    {"()", 1, 2, "unexpected \")\""},
    {"(1, 2)", 1, 3, "unexpected \",\""},
    {"a + * b", 1, 5, "unexpected <op:*>"},
    {"1 + + / 2", 1, 7, "unexpected <op:/>"},
    {"foo,", 1, 4, "unexpected \",\""},
    {"\"a\" \"b\"", 1, 5, "unexpected string \"\\\"b\\\"\""},
    {"1 and up", 1, 1, "set operator \"and\" not allowed in binary scalar expression"},
    {"up or 1", 1, 1, "set operator \"or\" not allowed in binary scalar expression"},
    {"2 unless 3", 1, 1, "set operator \"unless\" not allowed in binary scalar expression"},
    {"1 == 2", 1, 3, "comparisons between scalars must use BOOL modifier"},
    {"1 >= 2", 1, 3, "comparisons between scalars must use BOOL modifier"},
    {"1 + bool 2", 1, 3, "bool modifier can only be used on comparison operators"},
    {"up and bool down", 1, 4, "bool modifier can only be used on comparison operators"},
    {"a + bool b", 1, 3, "bool modifier can only be used on comparison operators"},
    {"up{a=\"b\"", 1, 9, "unexpected end of input inside braces"},
    {"up{a=\"b\" c=\"d\"}", 1, 10, "unexpected identifier \"c\" in label matching, expected \",\" or \"}\""},
    {"up{a}", 1, 5, "unexpected \"}\" in label matching, expected label matching operator"},
    {"up{a=b}", 1, 6, "unexpected identifier \"b\" in label matching, expected string"},
    {"up{a=5}", 1, 6, "unexpected character inside braces: '5'"},
    {"up{a==“b”}", 1, 6, "unexpected \"=\" in label matching, expected string"},
    {"up{a==\"b\"}", 1, 6, "unexpected \"=\" in label matching, expected string"},
    {"up{=\"b\"}", 1, 4, "unexpected \"=\" in label matching, expected identifier or \"}\""},
    {"up{,}", 1, 4, "unexpected \",\" in label matching, expected identifier or \"}\""},
    {"up{a=\"b\",,}", 1, 10, "unexpected \",\" in label matching, expected identifier or \"}\""},
    {"up{\"a\" \"b\"}", 1, 8, "unexpected string \"\\\"b\\\"\" in label matching, expected \",\" or \"}\""},
    {"up{\"a\"=}", 1, 8, "unexpected \"}\" in label matching, expected string"},
    {"up{a!b}", 1, 5, "unexpected character after '!' inside braces: 'b'"},
    {"up{a!\"b\"}", 1, 5, "unexpected character after '!' inside braces: '\"'"},
    {"up{a>\"b\"}", 1, 5, "unexpected character inside braces: '>'"},
    {"up{a:b=\"c\"}", 1, 5, "unexpected character inside braces: ':'"},
    {"up{a=\"b\"}{c=\"d\"}", 1, 10, "unexpected \"{\""},
    {"up}", 1, 3, "unexpected character: '}'"},
    {"{}", 1, 1, "vector selector must contain at least one non-empty matcher"},
    {"{a=\"\"}", 1, 1, "vector selector must contain at least one non-empty matcher"},
    {"{a!=\"b\"}", 1, 1, "vector selector must contain at least one non-empty matcher"},
    {"{a=~\".*\"}", 1, 1, "vector selector must contain at least one non-empty matcher"},
    {"{a=~\"b*\"}", 1, 1, "vector selector must contain at least one non-empty matcher"},
    {"{a!~\".+\"}", 1, 1, "vector selector must contain at least one non-empty matcher"},
    {"{\"\"}", 1, 1, "vector selector must contain at least one non-empty matcher"},
    {"up{__name__=\"down\"}", 1, 1, "metric name must not be set twice: \"up\" or \"down\""},
    {"up{a=\"b\",__name__=~\"d.*\"}", 1, 1, "metric name must not be set twice: \"up\" or \"d.*\""},
    {"{a=~\"(\"}", 1, 2, "error parsing regexp: missing closing ): `(`"},
    {"up{a=\"b\", c=~\"[z-a]\"}", 1, 11, "error parsing regexp: invalid character class range: `z-a]`"},
    {"{\"a\", b!~\"x{2,1}\"}", 1, 7, "error parsing regexp: invalid repeat count: `{2,1}`"},
    {"sum(", 1, 5, "unclosed left parenthesis"},
    {"sum()", 1, 1, "no arguments for aggregate expression provided"},
    {"sum by (a)", 1, 11, "unexpected end of input in aggregation"},
    {"sum by a (up)", 1, 8, "unexpected identifier \"a\" in grouping opts, expected \"(\""},
    {"sum by (a (up)", 1, 11, "unexpected \"(\" in grouping opts, expected \",\" or \")\""},
    {"sum by (a b) (up)", 1, 11, "unexpected identifier \"b\" in grouping opts, expected \",\" or \")\""},
    {"sum by (a,,b) (up)", 1, 11, "unexpected \",\" in grouping opts, expected label"},
    {"sum by (,) (up)", 1, 9, "unexpected \",\" in grouping opts, expected label"},
    {"sum by (\"\") (up)", 1, 9, "invalid label name for grouping: \"\""},
    {"sum by (\"\\xff\") (up)", 1, 9, "invalid label name for grouping: \"\\xff\""},
    {"sum by (5) (up)", 1, 9, "unexpected number \"5\" in grouping opts, expected label"},
    {"sum by (without) (up)", 1, 9, "unexpected <without> in grouping opts, expected label"},
    {"sum(up) by", 1, 11, "unexpected end of input in grouping opts, expected \"(\""},
    {"sum(up) by a", 1, 12, "unexpected identifier \"a\" in grouping opts, expected \"(\""},
    {"sum(up) by (a) without (b)", 1, 16, "unexpected <without>"},
    {"sum by (a) (up) by (b)", 1, 17, "unexpected <by>"},
    {"sum up", 1, 5, "unexpected identifier \"up\""},
    {"sum(up down)", 1, 8, "unexpected identifier \"down\" in aggregation"},
    {"sum(rate(up[5m] down))", 1, 17, "unexpected identifier \"down\" in aggregation"},
    {"avg(up + )", 1, 10, "unexpected \")\" in aggregation"},
    {"sum(up) down", 1, 9, "unexpected identifier \"down\""},
    {"max(1)", 1, 5, "expected type instant vector in aggregation expression, got scalar"},
    {"max(up, down)", 1, 1, "wrong number of arguments for aggregate expression provided, expected 1, got 2"},
    {"topk(up)", 1, 1, "wrong number of arguments for aggregate expression provided, expected 2, got 1"},
    {"topk(1, 2, up)", 1, 1, "wrong number of arguments for aggregate expression provided, expected 2, got 3"},
    {"topk(up, down)", 1, 6, "expected type scalar in aggregation parameter, got instant vector"},
    {"topk(2, 3)", 1, 9, "expected type instant vector in aggregation expression, got scalar"},
    {"count_values(1, up)", 1, 14, "expected type string in aggregation parameter, got scalar"},
    {"count_values(\"x\", 1)", 1, 19, "expected type instant vector in aggregation expression, got scalar"},
    {"quantile(\"a\", up)", 1, 10, "expected type scalar in aggregation parameter, got string"},
    {"sum(up[5m])", 1, 5, "expected type instant vector in aggregation expression, got range vector"},
    {"sum(\"a\")", 1, 5, "expected type instant vector in aggregation expression, got string"},
    {"topk(2,)", 1, 7, "trailing commas not allowed in function call args"},
    {"rate(up)", 1, 6, "expected type range vector in call to function \"rate\", got instant vector"},
    {"rate(up[5m], up)", 1, 1, "expected 1 argument(s) in call to \"rate\", got 2"},
    {"rate()", 1, 1, "expected 1 argument(s) in call to \"rate\", got 0"},
    {"rate(up[5m],)", 1, 12, "trailing commas not allowed in function call args"},
    {"rate(up[5m] up)", 1, 13, "unexpected identifier \"up\""},
    {"rate(5)", 1, 6, "expected type range vector in call to function \"rate\", got scalar"},
    {"time(up)", 1, 1, "expected 0 argument(s) in call to \"time\", got 1"},
    {"hour(up, up)", 1, 1, "expected at most 1 argument(s) in call to \"hour\", got 2"},
    {"hour(1)", 1, 6, "expected type instant vector in call to function \"hour\", got scalar"},
    {"round()", 1, 1, "expected at least 1 argument(s) in call to \"round\", got 0"},
    {"round(up, 1, 2)", 1, 1, "expected at most 2 argument(s) in call to \"round\", got 3"},
    {"round(up, up)", 1, 11, "expected type scalar in call to function \"round\", got instant vector"},
    {"clamp(up, 1)", 1, 1, "expected 3 argument(s) in call to \"clamp\", got 2"},
    {"label_replace(up, \"a\", \"b\", \"c\")", 1, 1, "expected 5 argument(s) in call to \"label_replace\", got 4"},
    {"label_replace(up, \"a\", \"b\", \"c\", 1)", 1, 34,
     "expected type string in call to function \"label_replace\", got scalar"},
    {"label_join(up, \"a\")", 1, 1, "expected at least 3 argument(s) in call to \"label_join\", got 2"},
    {"label_join(up, \"a\", \"b\", 5)", 1, 26, "expected type string in call to function \"label_join\", got scalar"},
    {"label_join(up, \"a\", \"b\", \"c\", \"d\", up)", 1, 36,
     "expected type string in call to function \"label_join\", got instant vector"},
    {"scalar(1)", 1, 8, "expected type instant vector in call to function \"scalar\", got scalar"},
    {"vector(up)", 1, 8, "expected type scalar in call to function \"vector\", got instant vector"},
    {"absent(up[5m])", 1, 8, "expected type instant vector in call to function \"absent\", got range vector"},
    {"histogram_quantile(up, 0.9)", 1, 20,
     "expected type scalar in call to function \"histogram_quantile\", got instant vector"},
    {"nosuch()", 1, 1, "unknown function with name \"nosuch\""},
    {"nosuch(up)", 1, 1, "unknown function with name \"nosuch\""},
    {"nosuch(alsonot())", 1, 8, "unknown function with name \"alsonot\""},
    {"Rate(up[5m])", 1, 1, "unknown function with name \"Rate\""},
    {"a:b(up)", 1, 4, "unexpected \"(\""},
    {"by(up)", 1, 3, "unexpected \"(\""},
    {"group_left", 1, 1, "unexpected <group_left>"},
    {"bool", 1, 1, "unexpected <bool>"},
    {"on", 1, 1, "unexpected <on>"},
    {"up on", 1, 4, "unexpected <on>"},
    {"ignoring(a) up", 1, 1, "unexpected <ignoring>"},
    {"-\"a\"", 1, 1, "unary expression only allowed on expressions of type scalar or instant vector, got \"string\""},
    {"-up[5m]", 1, 1,
     "unary expression only allowed on expressions of type scalar or instant vector, got \"range vector\""},
    {"+\"a\"", 1, 1, "unary expression only allowed on expressions of type scalar or instant vector, got \"string\""},
    {"a + \"b\"", 1, 5, "binary expression must contain only scalar and instant vector types"},
    {"\"a\" + b", 1, 1, "binary expression must contain only scalar and instant vector types"},
    {"a[5m] + b", 1, 1, "binary expression must contain only scalar and instant vector types"},
    {"a + b[5m]", 1, 5, "binary expression must contain only scalar and instant vector types"},
    {"a + on(x) 1", 1, 1, "vector matching only allowed between instant vectors"},
    {"1 + ignoring(x) a", 1, 1, "vector matching only allowed between instant vectors"},
    {"a + on(x) group_left(x) b", 1, 3, "label \"x\" must not occur in ON and GROUP clause at once"},
    {"a + on(x, y) group_right(z, y) b", 1, 3, "label \"y\" must not occur in ON and GROUP clause at once"},
    {"a and on(x) group_left b", 1, 1, "no grouping allowed for \"and\" operation"},
    {"a or ignoring(x) group_right(y) b", 1, 1, "no grouping allowed for \"or\" operation"},
    {"a unless on() group_left() b", 1, 1, "no grouping allowed for \"unless\" operation"},
    {"a + group_left b", 1, 5, "unexpected <group_left>"},
    {"a + on b", 1, 8, "unexpected identifier \"b\" in grouping opts, expected \"(\""},
    {"a + on(", 1, 8, "unclosed left parenthesis"},
    {"a + on(=) b", 1, 8, "unexpected \"=\" in grouping opts, expected label"},
    {"a + on(b) ignoring(c) d", 1, 11, "unexpected <ignoring>"},
    {"a + on(b) group_left * c", 1, 22, "unexpected <op:*> in grouping opts, expected \"(\""},
    {"a + on(b) group_left", 1, 21, "unexpected end of input in grouping opts, expected \"(\""},
    {"up offset", 1, 10, "unexpected end of input in offset, expected number, duration, step(), or range()"},
    {"up offset up", 1, 11, "unexpected identifier \"up\" in offset, expected number, duration, step(), or range()"},
    {"up offset \"5m\"", 1, 11,
     "unexpected string \"\\\"5m\\\"\" in offset, expected number, duration, step(), or range()"},
    {"up offset -", 1, 12, "unexpected end of input in offset, expected number, duration, step(), or range()"},
    {"up offset 5x", 1, 11, "bad number or duration syntax: \"5\""},
    {"up offset 5m offset 1m", 1, 1, "offset may not be set multiple times"},
    {"up[5m] offset 1m offset 1m", 1, 1, "offset may not be set multiple times"},
    {"up[5m:] offset 1m offset 1m", 1, 1, "offset may not be set multiple times"},
    {"1 offset 5m", 1, 1,
     "offset modifier must be preceded by an instant vector selector or range vector selector or a subquery"},
    {"(up) offset 5m", 1, 1,
     "offset modifier must be preceded by an instant vector selector or range vector selector or a subquery"},
    {"-1 offset 5m", 1, 2,
     "offset modifier must be preceded by an instant vector selector or range vector selector or a subquery"},
    {"rate(up[5m]) offset 5m", 1, 1,
     "offset modifier must be preceded by an instant vector selector or range vector selector or a subquery"},
    {"up offset 1e11", 1, 11, "duration out of range"},
    {"up offset -1e11", 1, 11, "duration out of range"},
    {"up offset 5m[5m]", 1, 13, "no offset modifiers allowed before range"},
    {"up offset 1d1w", 1, 11, "not a valid duration string: \"1d1w\""},
    {"up offset 5hs", 1, 11, "unknown unit \"hs\" in duration \"5hs\""},
    {"up @", 1, 5, "unexpected end of input in @, expected timestamp"},
    {"up @ up", 1, 6, "unexpected identifier \"up\" in @, expected timestamp"},
    {"up @ \"1\"", 1, 6, "unexpected string \"\\\"1\\\"\" in @, expected timestamp"},
    {"up @ start", 1, 11, "unexpected end of input in @, expected timestamp"},
    {"up @ start(", 1, 12, "unclosed left parenthesis"},
    {"up @ start(5)", 1, 12, "unexpected number \"5\" in @, expected timestamp"},
    {"up @ -start()", 1, 7, "unexpected \"start\" in @, expected timestamp"},
    {"up @ 1 @ 2", 1, 1, "@ <timestamp> may not be set multiple times"},
    {"up @ start() @ end()", 1, 1, "@ <timestamp> may not be set multiple times"},
    {"up @ Inf", 1, 1, "timestamp out of bounds for @ modifier: +Inf"},
    {"up @ -Inf", 1, 1, "timestamp out of bounds for @ modifier: -Inf"},
    {"up @ NaN", 1, 1, "timestamp out of bounds for @ modifier: NaN"},
    {"up @ 1e30", 1, 1, "timestamp out of bounds for @ modifier: 1000000000000000019884624838656.000000"},
    {"1 @ 5", 1, 1, "@ modifier must be preceded by an instant vector selector or range vector selector or a subquery"},
    {"sum(up) @ 5", 1, 1,
     "@ modifier must be preceded by an instant vector selector or range vector selector or a subquery"},
    {"up @ 5[5m]", 1, 7, "no @ modifiers allowed before range"},
    {"up @ end() [5m]", 1, 12, "no @ modifiers allowed before range"},
    {"up[", 1, 4, "unexpected end of input in duration expression"},
    {"up[]", 1, 4, "unexpected \"]\" in subquery or range selector, expected number, duration, step(), or range()"},
    {"up[5m", 1, 6, "unclosed left bracket"},
    {"up[5m:", 1, 7, "unclosed left bracket"},
    {"up[5m:5m", 1, 9, "unclosed left bracket"},
    {"up[5m:5m:5m]", 1, 9, "unexpected colon ':'"},
    {"up[5m:-]", 1, 8, "unexpected \"]\" in subquery selector, expected number, duration, step(), range(), or \"]\""},
    {"up[5m:\"a\"]", 1, 7,
     "unexpected string \"\\\"a\\\"\" in subquery selector, expected number, duration, step(), range(), or \"]\""},
    {"up[5m 5m]", 1, 7, "unexpected duration \"5m\" in subquery or range, expected \":\" or \"]\""},
    {"up[5m \"a\"]", 1, 7, "unexpected string \"\\\"a\\\"\" in subquery or range, expected \":\" or \"]\""},
    {"up[5m up]", 1, 7, "unexpected character: 'u', expected ':'"},
    {"up[\"5m\"]", 1, 4, "unexpected character in duration expression: '\"'"},
    {"up[up]", 1, 4, "unexpected character in duration expression: 'u'"},
    {"up[:5m]", 1, 5, "unexpected colon before duration in duration expression"},
    {"up[0]", 1, 4, "duration must be greater than 0"},
    {"up[0s]", 1, 4, "duration must be greater than 0"},
    {"up[-5m]", 1, 4, "duration must be greater than 0"},
    {"up[5m:0s]", 1, 7, "duration must be greater than 0"},
    {"up[5m:-1m]", 1, 7, "duration must be greater than 0"},
    {"up[5m1h]", 1, 4, "not a valid duration string: \"5m1h\""},
    {"up[5m5m]", 1, 4, "not a valid duration string: \"5m5m\""},
    {"up[300y]", 1, 4, "duration out of range"},
    {"up[1e10]", 1, 4, "duration out of range"},
    {"up[NaN]", 1, 4, "unexpected character in duration expression: 'N'"},
    {"up[5m][5m]", 1, 7, "ranges only allowed for vector selectors"},
    {"up[5m:][5m]", 1, 8, "ranges only allowed for vector selectors"},
    {"up[5m]]", 1, 7, "unexpected right bracket ']'"},
    {"up[[5m]]", 1, 4, "unexpected character in duration expression: '['"},
    {"(up)[5m]", 1, 5, "ranges only allowed for vector selectors"},
    {"1[5m]", 1, 2, "ranges only allowed for vector selectors"},
    {"sum(up)[5m]", 1, 8, "ranges only allowed for vector selectors"},
    {"\"a\"[5m:]", 1, 1, "subquery is only allowed on instant vector, got string instead"},
    {"1[5m:]", 1, 1, "subquery is only allowed on instant vector, got scalar instead"},
    {"up[5m][5m:]", 1, 1, "subquery is only allowed on instant vector, got matrix instead"},
    {"rate(up[5m:])[5m]", 1, 14, "ranges only allowed for vector selectors"},
    {"\"a", 1, 1, "unterminated quoted string"},
    {"'a", 1, 1, "unterminated quoted string"},
    {"`a", 1, 1, "unterminated raw string"},
    {"\"a\n", 1, 1, "unterminated quoted string"},
    {"\"\\", 1, 1, "escape sequence not terminated"},
    {"\"\\q\"", 1, 1, "unknown escape sequence U+0071 'q'"},
    {"\"\\'\"", 1, 1, "unknown escape sequence U+0027 '''"},
    {"'\\\"'", 1, 1, "unknown escape sequence U+0022 '\"'"},
    {"\"\\x1\"", 1, 1, "illegal character U+0022 '\"' in escape sequence"},
    {"\"\\xzz\"", 1, 1, "illegal character U+007A 'z' in escape sequence"},
    {"\"\\400\"", 1, 1, "escape sequence is an invalid Unicode code point"},
    {"\"\\08\"", 1, 1, "illegal character U+0038 '8' in escape sequence"},
    {"\"\\u12\"", 1, 1, "illegal character U+0022 '\"' in escape sequence"},
    {"\"\\ud800\"", 1, 1, "escape sequence is an invalid Unicode code point"},
    {"\"\\U00110000\"", 1, 1, "escape sequence is an invalid Unicode code point"},
    {"\"\\U0000000g\"", 1, 1, "illegal character U+0067 'g' in escape sequence"},
    {"\"a\\", 1, 1, "escape sequence not terminated"},
    {"up $ 1", 1, 4, "unexpected character: '$'"},
    {"up & down", 1, 4, "unexpected character: '&'"},
    {"a =! b", 1, 3, "unexpected \"=\""},
    {"a ! b", 1, 3, "unexpected character after '!': ' '"},
    {"a =~ b", 1, 3, "unexpected character after '=': '~'"},
    {"a !~ b", 1, 3, "unexpected character after '!': '~'"},
    {"up;", 1, 3, "unexpected character: ';'"},
    {".", 1, 1, "unexpected character: '.'"},
    {"1.2.3", 1, 1, "bad number or duration syntax: \"1.2.\""},
    {"1..2", 1, 1, "bad number or duration syntax: \"1..\""},
    {"0x", 1, 1, "error parsing number: strconv.ParseFloat: parsing \"0x\": invalid syntax"},
    {"0xg", 1, 1, "bad number or duration syntax: \"0x\""},
    {"0x1.5", 1, 1, "bad number or duration syntax: \"0x1.\""},
    {"1e", 1, 1, "bad number or duration syntax: \"1e\""},
    {"1e+", 1, 1, "bad number or duration syntax: \"1e+\""},
    {"1_", 1, 1, "bad number or duration syntax: \"1_\""},
    {"1__0", 1, 1, "bad number or duration syntax: \"1__\""},
    {"1abc", 1, 1, "bad number or duration syntax: \"1\""},
    {"5mm", 1, 1, "bad number or duration syntax: \"5mm\""},
    {"5m5", 1, 1, "bad number or duration syntax: \"5m5\""},
    {"08m8", 1, 1, "bad number or duration syntax: \"08m8\""},
    {"0b1", 1, 1, "bad number or duration syntax: \"0\""},
    {"0o7", 1, 1, "bad number or duration syntax: \"0\""},
    {"1e5e5", 1, 1, "bad number or duration syntax: \"1e5e\""},
    {"1e400", 1, 1, "error parsing number: strconv.ParseFloat: parsing \"1e400\": value out of range"},
    {"0xee", 1, 1, "bad number or duration syntax: \"0xee\""},
    {"0xFFFFFFFFFFFFFFFF", 1, 1,
     "error parsing number: strconv.ParseFloat: parsing \"0xFFFFFFFFFFFFFFFF\": invalid syntax"},
    {"0x1e+5 + 1", 1, 1, "error parsing number: strconv.ParseFloat: parsing \"0x1e+5\": invalid syntax"},
    {"'a' = 'b'", 1, 5, "unexpected \"=\""},
    {"a = b", 1, 3, "unexpected \"=\""},
    {"a\n  + \n * b", 3, 2, "unexpected <op:*>"},
    {"é", 1, 1, "unexpected character: 'é'"},
    {"a[5m] + b[:5m]", 1, 11,
     "unexpected \":\" in subquery or range selector, expected number, duration, step(), or range()"},
    /* bytes that are no UTF-8, and the character that stands for them */
    {"\"a\xff\"", 1, 1, "invalid UTF-8 rune"},
    {"\"a\xef\xbf\xbd\"", 1, 1, "invalid UTF-8 rune"},
    {"`\xff`", 1, 1, "invalid UTF-8 rune"},
    {"\xff", 1, 1, "unexpected character: '\xef\xbf\xbd'"},
    {"{a\xc3=\"b\"}", 1, 3, "unexpected character inside braces: '\xef\xbf\xbd'"},
    {"\x01", 1, 1, "unexpected character: '\\x01'"},
    /* a text that is shown is cut after ten characters */
    {"up \"0123456789\"", 1, 4, "unexpected string \"\\\"012345678\"..."},
    {"up 12345678901", 1, 4, "unexpected number \"1234567890\"..."},
    /* the first of several faults, in the order of the text; the grammar's before those of types */
    {"floor(1) + $", 1, 12, "unexpected character: '$'"},
    {"nosuch() + $", 1, 1, "unknown function with name \"nosuch\""},
    {"floor(1) + ceil(\"a\")", 1, 7, "expected type instant vector in call to function \"floor\", got scalar"},
    {"rate(up) and on(a) group_left 1", 1, 6,
     "expected type range vector in call to function \"rate\", got instant vector"},
    {"up{a=~\"(\"} $", 1, 4, "error parsing regexp: missing closing ): `(`"},
    /* clang-format on */
};

static void refuses_with_words_and_place(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT_OF(refused); i++) {
        struct oxp_promql_expr *expr = NULL;
        struct oxp_error error = {0};
        enum oxp_status status = oxp_promql_parse(oxp_view_from(refused[i].text), &expr, &error);
        if (status != OXP_ERR_SYNTAX || expr != NULL) {
            fail_msg("%s: %s", refused[i].text, oxp_status_name(status));
        }
        if (strcmp(error.text, refused[i].words) != 0 || error.line != refused[i].line ||
            error.column != refused[i].column) {
            fail_msg("%s: %u:%u: %s", refused[i].text, error.line, error.column, error.text);
        }
    }
}

#define DURATIONS "duration expressions are experimental in Prometheus and not supported"
#define EXPERIMENTAL "it is experimental in Prometheus, and experimental functions are not supported"
#define NATIVE "it knows only native histograms, which are not supported"

static const struct {
    const char *text;
    unsigned column;
    const char *words;
} unsupported[] = {
    {"limitk(2, up)", 1, "limitk() is experimental in Prometheus and not supported"},
    {"1 + limit_ratio(0.1, up)", 5, "limit_ratio() is experimental in Prometheus and not supported"},
    {"LIMITK(2, up)", 1, "LIMITK() is experimental in Prometheus and not supported"},
    {"up anchored", 4, "the anchored modifier is experimental in Prometheus and not supported"},
    {"rate(up[5m] smoothed)", 13, "the smoothed modifier is experimental in Prometheus and not supported"},
    {"a + fill(0) b", 5, "the fill modifier is experimental in Prometheus and not supported"},
    {"a + on(x) group_left fill_left (0) b", 22,
     "the fill_left modifier is experimental in Prometheus and not supported"},
    {"a + fill_right(0) b", 5, "the fill_right modifier is experimental in Prometheus and not supported"},
    {"a </ 2", 3, "operator \"</\" is for native histograms, which are not supported"},
    {"a >/ 2", 3, "operator \">/\" is for native histograms, which are not supported"},
    {"up[5m*2]", 6, DURATIONS},
    {"up[5m + 1m]", 7, DURATIONS},
    {"up[5m:1m/2]", 9, DURATIONS},
    {"up[(5m)]", 4, DURATIONS},
    {"up[step()]", 4, DURATIONS},
    {"up[RANGE()]", 4, DURATIONS},
    {"up[-max_of(1m, 5m)]", 5, DURATIONS},
    {"up[5m:min_of(1m, 5m)]", 7, DURATIONS},
    {"up offset (5m)", 11, DURATIONS},
    {"up offset step()", 11, DURATIONS},
    {"up offset -range()", 12, DURATIONS},
    {"up offset --5m * 2", 16, DURATIONS},
    {"info(up)", 1, "function \"info\" is not supported: " EXPERIMENTAL},
    {"start()", 1, "function \"start\" is not supported: " EXPERIMENTAL},
    {"end()", 1, "function \"end\" is not supported: " EXPERIMENTAL},
    {"step()", 1, "function \"step\" is not supported: " EXPERIMENTAL},
    {"range()", 1, "function \"range\" is not supported: " EXPERIMENTAL},
    {"min_of(1, 2)", 1, "function \"min_of\" is not supported: " EXPERIMENTAL},
    {"sum(sort_by_label(up, \"a\"))", 5, "function \"sort_by_label\" is not supported: " EXPERIMENTAL},
    {"mad_over_time(up[5m])", 1, "function \"mad_over_time\" is not supported: " EXPERIMENTAL},
    {"double_exponential_smoothing(up[5m], 1, 1)", 1,
     "function \"double_exponential_smoothing\" is not supported: " EXPERIMENTAL},
    {"histogram_avg(up)", 1, "function \"histogram_avg\" is not supported: " NATIVE},
    {"{{schema:1 sum:2}}", 2, "unexpected left brace '{' (native histograms are not supported)"},
};

static void refuses_by_name_what_is_experimental(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT_OF(unsupported); i++) {
        struct oxp_promql_expr *expr = NULL;
        struct oxp_error error = {0};
        enum oxp_status status = oxp_promql_parse(oxp_view_from(unsupported[i].text), &expr, &error);
        if (status != OXP_ERR_UNSUPPORTED || strcmp(error.text, unsupported[i].words) != 0 || error.line != 1 ||
            error.column != unsupported[i].column) {
            fail_msg("%s: %s %u:%u: %s", unsupported[i].text, oxp_status_name(status), error.line, error.column,
                     error.text);
        }
    }
}

/* An error is optional, and a long text does not pass its room. */
static void needs_no_error_and_cuts_long_ones(void **state) {
    (void)state;
    struct oxp_promql_expr *expr = NULL;
    struct oxp_error error = {0};
    char text[2048];
    assert_int_equal(oxp_promql_parse(OXP_VIEW("1 +"), &expr, NULL), OXP_ERR_SYNTAX);
    assert_int_equal(oxp_promql_parse(OXP_VIEW("nosuch(up)"), &expr, NULL), OXP_ERR_SYNTAX);
    for (unsigned char filler = 'a'; filler != 0; filler = filler == 'a' ? 0x01 : 0) {
        memset(text, filler, sizeof text);
        memcpy(text, "up{a=\"", 6);
        memcpy(text + sizeof text - 4, "\"} a", 4);
        assert_int_equal(oxp_promql_parse(oxp_view_of(text, sizeof text), &expr, &error), OXP_ERR_SYNTAX);
        memset(text, 'a', sizeof text);
        memcpy(text, "up \"", 4);
        memset(text + 4, filler, sizeof text - 5);
        text[sizeof text - 1] = '"';
        assert_int_equal(oxp_promql_parse(oxp_view_of(text, sizeof text), &expr, &error), OXP_ERR_SYNTAX);
    }
    memset(text, 'a', sizeof text);
    memcpy(text + sizeof text - 2, "()", 2);
    assert_int_equal(oxp_promql_parse(oxp_view_of(text, sizeof text), &expr, &error), OXP_ERR_SYNTAX);
    assert_memory_equal(error.text, "unknown function with name \"aaaaaaaaaa", 38);
    assert_true(strlen(error.text) < sizeof error.text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_with_words_and_place),
        cmocka_unit_test(refuses_by_name_what_is_experimental),
        cmocka_unit_test(needs_no_error_and_cuts_long_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
