/* Texts to tokens; what numbers and strings are worth. */
#include "tests/unit/alerts/promql/support.h"

#include "alerts/promql/lexer.h"

/* All tokens of a text, one after the other with a `|` between them: `KIND:text`. */
static const char *const kinds[] = {
#define TOKEN(name, class, text, uses) [OXP_TOKEN_##name] = #name,
#include "alerts/promql/tokens.def"
#undef TOKEN
};

static enum oxp_status lex_all(const char *text, struct oxp_buf *out, struct oxp_error *error) {
    struct oxp_lexer lexer;
    struct oxp_token token = {OXP_TOKEN_FAILED, 0, 0};
    struct oxp_source source = {oxp_view_from(text), error};
    oxp_lexer_init(&lexer, source);
    for (;;) {
        enum oxp_status status = oxp_lexer_next(&lexer, &token);
        if (status != OXP_OK || token.kind == OXP_TOKEN_END) {
            return status;
        }
        struct oxp_view bytes = oxp_token_text(&source, &token);
        oxp_buf_append_text(out, out->len == 0 ? "" : "|");
        oxp_buf_append_text(out, kinds[token.kind]);
        if (oxp_token_class(token.kind) == OXP_TOKEN_CLASS_OTHER) {
            oxp_buf_append_char(out, ':');
            oxp_buf_append_view(out, bytes);
        }
    }
}

static const struct {
    const char *text, *tokens;
} rows[] = {
    {"", ""},
    {" \t\r\n", ""},
    {"# only words", ""},
    {"a # b\nc # d\r e", "IDENTIFIER:a|IDENTIFIER:c|IDENTIFIER:e"},
    {"+-*/%^", "ADD|SUB|MUL|DIV|MOD|POW"},
    {"== != <= < >= > </ >/ = @ , : ", "EQL|NEQ|LTE|LSS|GTE|GTR|TRIM_UPPER|TRIM_LOWER|EQUAL|AT|COMMA|METRIC::"},
    {"and OR Unless aTan2", "AND|OR|UNLESS|ATAN2"},
    {"SUM by ON", "SUM|BY|ON"},
    {"summer by_ on2", "IDENTIFIER:summer|IDENTIFIER:by_|IDENTIFIER:on2"},
    {"a:b :a a: ::", "METRIC:a:b|METRIC::a|METRIC:a:|METRIC:::"},
    {"fill fill()", "IDENTIFIER:fill|FILL|LEFT_PAREN|RIGHT_PAREN"},
    {"inf NaN Infinity", "NUMBER:inf|NUMBER:NaN|IDENTIFIER:Infinity"},
    {"1 1. .5 1e3 1E-3 0x1F 1_000 017", "NUMBER:1|NUMBER:1.|NUMBER:.5|NUMBER:1e3|NUMBER:1E-3|NUMBER:0x1F|NUMBER:1_000|"
                                        "NUMBER:017"},
    {"5m 1h30m 2y5hs", "DURATION:5m|DURATION:1h30m|DURATION:2y5hs"},
    {"1+2", "NUMBER:1|ADD|NUMBER:2"},
    {"{sum,by=\"a\"!=!~=~ 'b' `c`}sum", "LEFT_BRACE|IDENTIFIER:sum|COMMA|IDENTIFIER:by|EQUAL|STRING:\"a\"|NEQ|"
                                        "NEQ_REGEX|EQL_REGEX|STRING:'b'|STRING:`c`|RIGHT_BRACE|SUM"},
    {"{ # a\n a # }\n }", "LEFT_BRACE|IDENTIFIER:a|RIGHT_BRACE"},
    {"[5m]", "LEFT_BRACKET|DURATION:5m|RIGHT_BRACKET"},
    {"[ 5m : 1m ]", "LEFT_BRACKET|DURATION:5m|COLON|DURATION:1m|RIGHT_BRACKET"},
    {"[5m:]", "LEFT_BRACKET|DURATION:5m|COLON|RIGHT_BRACKET"},
    {"[-(step() + Range(),2)*MAX_OF]", "LEFT_BRACKET|SUB|LEFT_PAREN|STEP|LEFT_PAREN|RIGHT_PAREN|ADD|RANGE|LEFT_PAREN|"
                                       "RIGHT_PAREN|COMMA|NUMBER:2|RIGHT_PAREN|MUL|MAX_OF|RIGHT_BRACKET"},
    {"'a\\'b' \"c\\\"d\" `e\\`", "STRING:'a\\'b'|STRING:\"c\\\"d\"|STRING:`e\\`"},
    {"\"\xe2\x98\xba\"", "STRING:\"\xe2\x98\xba\""},
    {"\"\\a\\b\\f\\n\\r\\t\\v\\\\\\xff\\377\\u12ab\\U0010ffff\"",
     "STRING:\"\\a\\b\\f\\n\\r\\t\\v\\\\\\xff\\377\\u12ab\\U0010ffff\""},
};

static void lexes(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct oxp_buf out;
        struct oxp_error error = {0};
        oxp_buf_init(&out, 0);
        enum oxp_status status = lex_all(rows[i].text, &out, &error);
        if (status != OXP_OK || strcmp(oxp_buf_text(&out), rows[i].tokens) != 0) {
            fail_msg("%s: %s %s", rows[i].text, oxp_buf_text(&out), error.text);
        }
        oxp_buf_fini(&out);
    }
}

static const struct {
    const char *text;
    unsigned column;
    const char *words;
} refused[] = {
    {"a $", 3, "unexpected character: '$'"},
    {"a '", 3, "unterminated quoted string"},
    {"{a}}", 4, "unexpected character: '}'"},
    {"{{a}}", 2, "unexpected left brace '{' (native histograms are not supported)"},
    {"{ {", 3, "unexpected left brace '{'"},
    {"[#", 2, "unexpected character in duration expression: '#'"},
    {"[5m,a", 5, "unexpected character: 'a', expected ':'"},
    {"[5m:1m:", 7, "unexpected colon ':'"},
    {"[5m]]", 5, "unexpected right bracket ']'"},
    {"[5m[", 4, "unexpected left bracket '['"},
    {"[)", 3, "unexpected right parenthesis ')'"},
    {"[+:", 4, "unexpected colon before duration in duration expression"},
    {"[5m] [::", 9, "unexpected repeated colon in duration expression"}, /* a duration was seen, once */
    {"5m5", 1, "bad number or duration syntax: \"5m5\""},
};

static void refuses(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT_OF(refused); i++) {
        struct oxp_buf out;
        struct oxp_error error = {0};
        oxp_buf_init(&out, 0);
        enum oxp_status status = lex_all(refused[i].text, &out, &error);
        oxp_buf_fini(&out);
        if (status == OXP_OK || error.column != refused[i].column || strcmp(error.text, refused[i].words) != 0) {
            fail_msg("%s: %u %s", refused[i].text, error.column, error.text);
        }
    }
}

static const struct {
    const char *text;
    enum oxp_status status;
    double value;
} numbers[] = {
    {"0", OXP_OK, 0},
    {"1", OXP_OK, 1},
    {"1.", OXP_OK, 1},
    {".5", OXP_OK, 0.5},
    {"1.5e3", OXP_OK, 1500},
    {"1.e+2", OXP_OK, 100},
    {"1E-2", OXP_OK, 0.01},
    {"0x1f", OXP_OK, 31},
    {"0X1F", OXP_OK, 31},
    {"0x_1_f", OXP_OK, 31},
    {"0xff", OXP_OK, 255},
    {"0755", OXP_OK, 493}, /* octal */
    {"0_7", OXP_OK, 7},
    {"08", OXP_OK, 8}, /* not octal */
    {"0789", OXP_OK, 789},
    {"007.5", OXP_OK, 7.5},
    {"00", OXP_OK, 0},
    {"1_000", OXP_OK, 1000},
    {"1_23.50_0e+1_2", OXP_OK, 1.235e14},
    {"9223372036854775807", OXP_OK, 9223372036854775807.0},
    {"9223372036854775808", OXP_OK, 9223372036854775808.0},
    {"07777777777777777777777777", OXP_OK, 7777777777777777777777777.0},
    {"0x7fffffffffffffff", OXP_OK, 9223372036854775807.0},
    {"1e308", OXP_OK, 1e308},
    {"1e-400", OXP_OK, 0},
    {"Inf", OXP_OK, INFINITY},
    {"iNF", OXP_OK, INFINITY},
    {"nan", OXP_OK, NAN},
    {"1e400", OXP_ERR_RANGE, 0},
    {"0xffffffffffffffff", OXP_ERR_SYNTAX, 0},
    {"0x", OXP_ERR_SYNTAX, 0},
    {"0x1e+5", OXP_ERR_SYNTAX, 0},
    {"1_", OXP_ERR_SYNTAX, 0},
    {"1__0", OXP_ERR_SYNTAX, 0},
    {"1_.5", OXP_ERR_SYNTAX, 0},
    {"1._5", OXP_ERR_SYNTAX, 0},
    {"1e", OXP_ERR_SYNTAX, 0},
    {"1e_5", OXP_ERR_SYNTAX, 0},
};

static void values_numbers(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT_OF(numbers); i++) {
        double value = -1;
        enum oxp_status status = oxp_literal_number(oxp_view_from(numbers[i].text), &value);
        if (status != numbers[i].status || (status == OXP_OK && !same_number(value, numbers[i].value))) {
            fail_msg("%s: %s %.17g", numbers[i].text, oxp_status_name(status), value);
        }
    }
}

static void resolves_escapes(void **state) {
    (void)state;
    static const struct {
        const char *text;
        struct oxp_view bytes;
    } strings[] = {
        {"\"\"", OXP_VIEW("")},
        {"'plain'", OXP_VIEW("plain")},
        {"`raw \\n \"x\"\n`", OXP_VIEW("raw \\n \"x\"\n")},
        {"\"\\a\\b\\f\\n\\r\\t\\v\\\\\\\"\"", OXP_VIEW("\a\b\f\n\r\t\v\\\"")},
        {"'\\'\"'", OXP_VIEW("'\"")},
        {"\"\\x41\\xfF\\101\\377\\000\"", OXP_VIEW("A\xff"
                                                   "A\xff\0")},
        {"\"\\u00e9\\u263a\\U0001F600.\"", OXP_VIEW("\xc3\xa9\xe2\x98\xba\xf0\x9f\x98\x80.")},
        {"\"\xe2\x98\xba\\n\"", OXP_VIEW("\xe2\x98\xba\n")},
    };
    struct oxp_arena arena;
    oxp_arena_init(&arena, 0);
    for (size_t i = 0; i < COUNT_OF(strings); i++) {
        struct oxp_view bytes = oxp_literal_unquote(&arena, oxp_view_from(strings[i].text));
        assert_non_null(bytes.ptr);
        assert_int_equal(bytes.len, strings[i].bytes.len);
        assert_memory_equal(bytes.ptr, strings[i].bytes.ptr, bytes.len);
    }
    oxp_arena_fini(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lexes),
        cmocka_unit_test(refuses),
        cmocka_unit_test(values_numbers),
        cmocka_unit_test(resolves_escapes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
