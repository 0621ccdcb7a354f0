/* What is no template: Go's words (text/template of Go 1.26, where every row was run) and the place. */
#include "tests/unit/alerts/rules/template_support.h"

static const struct {
    const char *text;
    unsigned line;
    const char *words;
} refused[] = {
    {"{{ \"a\" | \"b\" }}", 1, "non executable command in pipeline stage 2"},
    {"{{ $x }}", 1, "undefined variable \"$x\""},
    {"{{ if $y := 1 }}{{ $y }}{{ end }}{{ $y }}", 1, "undefined variable \"$y\""},
    {"{{ break }}", 1, "{{break}} outside {{range}}"},
    {"{{ continue }}", 1, "{{continue}} outside {{range}}"},
    {"{{ range 2 }}{{ break 1 }}{{ end }}", 1, "unexpected \"1\" in {{break}}"},
    {"{{ define \"x\" }}{{ $labels }}{{ end }}", 1, "undefined variable \"$labels\""},
    {"{{ template nope }}", 1, "unexpected \"nope\" in template clause"},
    {"{{ template \"a\" b }}", 1, "function \"b\" not defined"},
    {"{{ define \"x\" }}a{{ end }}{{ define \"x\" }}b{{ end }}", 1, "template: multiple definition of template \"x\""},
    {"{{ if true }}{{ define \"x\" }}a{{ end }}{{ end }}", 1, "unexpected <define> in command"},
    {"{{ define x }}{{ end }}", 1, "unexpected \"x\" in define clause"},
    {"{{ define \"x\" 1 }}{{ end }}", 1, "unexpected \"1\" in define clause"},
    {"{{ define \"x\" }}a{{ else }}b{{ end }}", 1, "unexpected {{else}} in define clause"},
    {"{{ define \"x\" }}a", 1, "unexpected EOF"},
    {"a {{ /* c */ }} b", 1, "unexpected \"/\" in command"},
    {"{{/* c }}", 1, "unclosed comment"},
    {"{{/* c */ }}", 1, "comment ends before closing delimiter"},
    {"{{/* a", 1, "unclosed comment"},
    {"b */}}x{{ nope }}", 1, "function \"nope\" not defined"},
    {"{{", 1, "unclosed action"},
    {"{{ ", 1, "unclosed action"},
    {"{{ }}", 1, "missing value for command"},
    {"{{ end }}", 1, "unexpected {{end}}"},
    {"{{ else }}", 1, "unexpected {{else}}"},
    {"{{ if }}a{{ end }}", 1, "missing value for if"},
    {"{{ if true }}a", 1, "unexpected EOF"},
    {"{{ if true }}a{{ else }}b{{ else }}c{{ end }}", 1, "expected end; found {{else}}"},
    {"{{ range 1 }}a{{ else if true }}b{{ end }}", 1, "unexpected <if> in input"},
    {"{{ if true }}a{{ else with true }}b{{ end }}", 1, "unexpected <with> in input"},
    {"{{ nope }}", 1, "function \"nope\" not defined"},
    {"{{ nope \"a\" }}", 1, "function \"nope\" not defined"},
    {"{{ \"abc }}", 1, "unterminated quoted string"},
    {"{{ `abc }}", 1, "unterminated raw quoted string"},
    {"{{ 'a }}", 1, "unterminated character constant"},
    {"{{ 'ab' }}", 1, "malformed character constant: 'ab'"},
    {"{{ '' }}", 1, "invalid syntax"},
    {"{{ \"\\q\" }}", 1, "invalid syntax"},
    {"{{ \"\\400\" }}", 1, "invalid syntax"},
    {"{{ \"\\ud800\" }}", 1, "invalid syntax"},
    {"{{ 1a }}", 1, "bad number syntax: \"1a\""},
    {"{{ 08 }}", 1, "integer overflow: \"08\""},
    {"{{ 1e }}", 1, "illegal number syntax: \"1e\""},
    {"{{ 0x }}", 1, "illegal number syntax: \"0x\""},
    {"{{ 99999999999999999999 }}", 1, "integer overflow: \"99999999999999999999\""},
    {"{{ 1.2.3 }}", 1, "unexpected \".3\" in operand"},
    {"{{ 1__0 }}", 1, "illegal number syntax: \"1__0\""},
    {"{{ ( 1 }}", 1, "unclosed left paren"},
    {"{{ 1 ) }}", 1, "unexpected right paren"},
    {"{{ (1 }} x", 1, "unclosed left paren"},
    {"{{ 1.x }}", 1, "bad number syntax: \"1.x\""},
    {"{{ \"a\".x }}", 1, "unexpected . after term \"\\\"a\\\"\""},
    {"{{ true.x }}", 1, "unexpected . after term \"true\""},
    {"{{ nil.x }}", 1, "unexpected . after term \"nil\""},
    {"{{ ..x }}", 1, "unexpected . after term \".\""},
    {"{{ .Labels..x }}", 1, "unexpected <.> in operand"},
    {"{{ $x.y }}", 1, "undefined variable \"$x\""},
    {"{{ @ }}", 1, "unexpected \"@\" in command"},
    {"{{ a+b }}", 1, "bad character U+002B '+'"},
    {"{{ $a+b }}", 1, "bad character U+002B '+'"},
    {"{{ .a+b }}", 1, "bad character U+002B '+'"},
    {"{{ % }}", 1, "unexpected \"%\" in command"},
    {"{{ a:b }}", 1, "function \"a\" not defined"},
    {"{{ , }}", 1, "unexpected \",\" in command"},
    {"{{ $x, $y := 1 }}", 1, "too many declarations in command"},
    {"{{ $x, 1 := 1 }}", 1, "too many declarations in command"},
    {"{{ range $x, 1 := 1 }}{{ end }}", 1, "range can only initialize variables"},
    {"{{ range $x, $y, $z := 1 }}{{ end }}", 1, "too many declarations in range"},
    {"{{ range $x, }}{{ end }}", 1, "missing value for range"},
    {"{{ $x := }}", 1, "missing value for command"},
    {"{{ := 1 }}", 1, "unexpected \":=\" in command"},
    {"{{ | print }}", 1, "unexpected \"|\" in command"},
    {"{{ print 1 | print 2 | 3 }}", 1, "non executable command in pipeline stage 3"},
    {"{{ print 1 | true }}", 1, "non executable command in pipeline stage 2"},
    {"{{ tmpl \"a\" . }}", 1, "function \"tmpl\" not defined"},
    {"{{ with $x := 1 }}{{ end }}{{ $x }}", 1, "undefined variable \"$x\""},
    {"{{ 1 - }}", 1, "illegal number syntax: \"-\""},
    {"{{ 1-}}", 1, "bad number syntax: \"1-\""},
    {"{{- }}", 1, "missing value for command"},
    {"{{-}}", 1, "illegal number syntax: \"-\""},
    {"{{ \"a\"", 1, "unclosed action"},
    {"{{ \"a\" }}{{ if true }}", 1, "unexpected EOF"},
    {" b {{ nope }}", 1, "function \"nope\" not defined"},
    {"{{ if", 1, "unclosed action"},
    {" true }}{{ \"x", 1, "unterminated quoted string"},
    {"{{ if true }}", 1, "unexpected EOF"},
    {"{{ (  }}", 1, "unclosed left paren"},
    {"{{ \303\251 }}", 1, "function \"\303\251\" not defined"},
    {"{{ end }}x", 1, "unexpected {{end}}"},
    {"{{ \"x\" | nil }}", 1, "non executable command in pipeline stage 2"},
    {"{{ break := 1 }}", 1, "unexpected \":=\" in {{break}}"},
    {"{{ \"\\'\" }}", 1, "invalid syntax"},
    {"{{ '\\\"' }} {{ '\"' }} {{ \"'\" }}", 1, "invalid syntax"},
    {"{{\302\240}}", 1, "unrecognized character in action: U+00A0"},
    {"{{ \302\240 1 }}", 1, "unrecognized character in action: U+00A0"},
    {"{{ if true }}\n\n{{ $x }}", 3, "undefined variable \"$x\""},
    {"{{ if true\n}}{{ 'x }}", 2, "unterminated character constant"},
    {"{{/* a\nb */}}\n{{ nope }}", 3, "function \"nope\" not defined"},
    {"{{ \001 }}", 1, "unrecognized character in action: U+0001"},
    {"{{ $\001 }}", 1, "bad character U+0001"},
    {"{{ print 1\n}}{{ x", 2, "function \"x\" not defined"},
};

static void what_go_refuses_is_refused_in_its_words(void **state) {
    (void)state;
    for (size_t i = 0; i < ROWS(refused); i++) {
        struct oxp_arena arena;
        struct oxp_error error = {0};
        const struct oxp_template *template = NULL;
        oxp_arena_init(&arena, 0);
        enum oxp_status status = oxp_template_parse(&arena, oxp_view_from(refused[i].text), &template, &error);
        if (status != OXP_ERR_SYNTAX || error.line != refused[i].line || strcmp(error.text, refused[i].words) != 0 ||
            error.column == 0 || template != NULL) {
            fail_msg("`%s`: %s at %u:%u `%s`, want `%s`", refused[i].text, oxp_status_name(status), error.line,
                     error.column, error.text, refused[i].words);
        }
        oxp_arena_fini(&arena);
    }
}

/* Where Go takes what is refused here, or tells no more than the line. */
static const struct {
    const char *text;
    unsigned line, column;
    const char *words;
} places[] = {
    {"{{ nope }}", 1, 4, "function \"nope\" not defined"},
    {"ab {{ .x | nope }}", 1, 12, "function \"nope\" not defined"},
    {"a\nb {{ $x }}", 2, 6, "undefined variable \"$x\""},
    {"{{ if true }}x", 1, 15, "unexpected EOF"},
    {"{{ 08 }}", 1, 4, "integer overflow: \"08\""},
    {"{{ \"abc }}", 1, 4, "unterminated quoted string"},
    {"{{ print\n \"a", 2, 2, "unterminated quoted string in action started at line 1"},
    {"{{ print\n", 2, 1, "unclosed action started at line 1"},
    {"{{ end }}", 1, 8, "unexpected {{end}}"},
    {"{{ 1i }}", 1, 4, "complex numbers are not supported: \"1i\""},
    {"{{ 1+2i }}", 1, 4, "complex numbers are not supported: \"1+2i\""},
    {"{{ 0x1p4 }}", 1, 4, "illegal number syntax: \"0x1p4\""},
    {"{{ call .x }}", 1, 4, "function \"call\" not defined"},
};

static void refusals_have_their_place(void **state) {
    (void)state;
    for (size_t i = 0; i < ROWS(places); i++) {
        struct oxp_arena arena;
        struct oxp_error error = {0};
        const struct oxp_template *template = NULL;
        oxp_arena_init(&arena, 0);
        enum oxp_status status = oxp_template_parse(&arena, oxp_view_from(places[i].text), &template, &error);
        if (status != OXP_ERR_SYNTAX || error.line != places[i].line || error.column != places[i].column ||
            strcmp(error.text, places[i].words) != 0) {
            fail_msg("`%s`: %s at %u:%u `%s`", places[i].text, oxp_status_name(status), error.line, error.column,
                     error.text);
        }
        oxp_arena_fini(&arena);
    }
}

/* `count` times `before`, then `middle`, then as often `behind`. */
static enum oxp_status parse_nested(size_t count, const char *const parts[3], struct oxp_error *error) {
    struct oxp_arena arena;
    struct oxp_buf text;
    const struct oxp_template *template = NULL;
    oxp_arena_init(&arena, 0);
    oxp_buf_init(&text, 0);
    for (size_t i = 0; i < count; i++) {
        oxp_buf_append_text(&text, parts[0]);
    }
    oxp_buf_append_text(&text, parts[1]);
    for (size_t i = 0; i < count; i++) {
        oxp_buf_append_text(&text, parts[2]);
    }
    enum oxp_status status = oxp_template_parse(&arena, oxp_buf_view(&text), &template, error);
    oxp_buf_fini(&text);
    oxp_arena_fini(&arena);
    return status;
}

static void depth_is_bounded(void **state) {
    (void)state;
    static const char *const shapes[][3] = {
        {"{{ if true }}", "x", "{{ end }}"},
        {"{{ range 1 }}", "x", "{{ end }}"},
        {"{{ with 1 }}", "x", "{{ end }}"},
        {"{{ block \"b\" 1 }}", "x", "{{ end }}"},
        {"", "", ""},
    };
    struct oxp_error error = {0};
    for (size_t i = 0; shapes[i][0][0] != '\0'; i++) {
        bool block = i == 3; /* all of one name: only one may be more than blank */
        assert_int_equal(parse_nested(OXP_TEMPLATE_DEPTH, shapes[i], &error), block ? OXP_ERR_SYNTAX : OXP_OK);
        assert_int_equal(parse_nested(OXP_TEMPLATE_DEPTH + 1, shapes[i], &error), OXP_ERR_LIMIT);
        assert_int_equal(parse_nested(5000, shapes[i], &error), OXP_ERR_LIMIT);
    }
    static const char *const open[3] = {"(", "1", ")"};
    struct oxp_buf text;
    for (size_t depth = OXP_TEMPLATE_DEPTH; depth <= OXP_TEMPLATE_DEPTH + 1; depth++) {
        struct oxp_arena arena;
        const struct oxp_template *template = NULL;
        oxp_arena_init(&arena, 0);
        oxp_buf_init(&text, 0);
        oxp_buf_append_text(&text, "{{ ");
        for (size_t i = 0; i < 2 * depth + 1; i++) {
            oxp_buf_append_text(&text, open[i < depth ? 0 : i == depth ? 1 : 2]);
        }
        oxp_buf_append_text(&text, " }}");
        enum oxp_status status = oxp_template_parse(&arena, oxp_buf_view(&text), &template, &error);
        assert_int_equal(status, depth == OXP_TEMPLATE_DEPTH ? OXP_OK : OXP_ERR_LIMIT);
        oxp_buf_fini(&text);
        oxp_arena_fini(&arena);
    }
}

/* A chain of `else if` opens nothing, however long. */
static void chains_are_not_deep(void **state) {
    (void)state;
    struct world world;
    struct oxp_buf text;
    assert_true(world_init(&world, 1.5));
    oxp_buf_init(&text, 0);
    oxp_buf_append_text(&text, "{{ if false }}");
    for (int i = 0; i < 3000; i++) {
        oxp_buf_append_text(&text, "{{ else if false }}x");
    }
    oxp_buf_append_text(&text, "{{ else if true }}last{{ end }}");
    assert_int_equal(world_expand(&world, oxp_buf_view(&text)), OXP_OK);
    assert_string_equal(oxp_buf_text(&world.out), "last");
    oxp_buf_fini(&text);
    world_fini(&world);
}

static void long_texts_are_refused(void **state) {
    (void)state;
    struct oxp_arena arena;
    struct oxp_error error = {0};
    const struct oxp_template *template = NULL;
    static char text[OXP_TEMPLATE_TEXT_MAX + 1];
    memset(text, 'x', sizeof text);
    oxp_arena_init(&arena, 0);
    assert_int_equal(oxp_template_parse(&arena, oxp_view_of(text, sizeof text), &template, &error), OXP_ERR_LIMIT);
    assert_int_equal(oxp_template_parse(&arena, oxp_view_of(text, sizeof text - 1), &template, &error), OXP_OK);
    assert_true(oxp_template_plain(template));
    oxp_arena_fini(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_go_refuses_is_refused_in_its_words),
        cmocka_unit_test(refusals_have_their_place),
        cmocka_unit_test(depth_is_bounded),
        cmocka_unit_test(chains_are_not_deep),
        cmocka_unit_test(long_texts_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
