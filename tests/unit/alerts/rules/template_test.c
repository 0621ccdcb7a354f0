/* Expansion as a whole: what is appended and what is not, limits, missing memory. The language itself is tested beside
 * this: template_language_test.c, template_functions_test.c, template_format_test.c, template_errors_test.c. */
#include "tests/unit/alerts/rules/template_support.h"

#include "tests/support/alloc_fail.h"

static void plain_texts_are_told_apart(void **state) {
    (void)state;
    static const struct {
        const char *text;
        bool plain;
    } rows[] = {{"", true}, {"a {b} }} c", true}, {"{{ 1 }}", false}, {"a{{/* c */}}", false}, {"{", true}};
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct oxp_arena arena;
        const struct oxp_template *template = NULL;
        oxp_arena_init(&arena, 0);
        assert_int_equal(oxp_template_parse(&arena, oxp_view_from(rows[i].text), &template, NULL), OXP_OK);
        assert_int_equal(oxp_template_plain(template), rows[i].plain);
        oxp_arena_fini(&arena);
    }
}

static void the_text_need_not_live(void **state) {
    (void)state;
    struct world world;
    const struct oxp_template *template = NULL;
    char text[] =
        "a{{ $x := \"b\" }}{{ $x }}{{ .Labels.job }}{{ 0x1F }}{{ define \"t\" }}c{{ end }}{{ template \"t\" }}";
    assert_true(world_init(&world, 1));
    assert_int_equal(oxp_template_parse(&world.arena, oxp_view_from(text), &template, NULL), OXP_OK);
    memset(text, '?', sizeof text - 1);
    assert_int_equal(oxp_template_expand(template, &world.data, &world.out, NULL), OXP_OK);
    assert_string_equal(oxp_buf_text(&world.out), "abnode31c");
    /* parsed templates do not change: again the same */
    assert_int_equal(oxp_template_expand(template, &world.data, &world.out, NULL), OXP_OK);
    assert_string_equal(oxp_buf_text(&world.out), "abnode31cabnode31c");
    world_fini(&world);
}

static void failures_append_nothing(void **state) {
    (void)state;
    struct world world;
    const struct oxp_template *template = NULL;
    static const char want[] =
        "error executing template __alert_A: template: __alert_A:1:119: executing \"__alert_A\" at "
        "<humanize \"x\">: error calling humanize: strconv.ParseFloat: parsing \"x\": invalid syntax";
    assert_true(world_init(&world, 1));
    oxp_buf_append_text(&world.out, "before ");
    assert_int_equal(oxp_template_parse(&world.arena, OXP_VIEW("some{{ humanize \"x\" }}"), &template, NULL), OXP_OK);
    assert_int_equal(oxp_template_expand(template, &world.data, &world.out, &world.error), OXP_ERR_INVALID);
    assert_string_equal(oxp_buf_text(&world.out), "before ");
    assert_string_equal(world.error.text, want);
    assert_int_equal(world.error.line, 0);
    assert_int_equal(oxp_template_expand(template, &world.data, &world.out, NULL), OXP_ERR_INVALID);
    world_fini(&world);
}

static void without_data_there_is_little(void **state) {
    (void)state;
    struct world world;
    static const struct oxp_template_data none = {.value = 2};
    static const struct {
        const char *text, *want;
    } rows[] = {
        {"{{ $labels }}{{ $labels.x }}|{{ len $externalLabels }}|{{ $externalURL }}|{{ externalURL }}{{ pathPrefix }}|"
         "{{ $value }}{{ range $labels }}x{{ else }}none{{ end }}",
         "map[]|0|||2none"},
        {"{{ query \"up\" }}",
         "<error expanding template: error executing template __alert_: template: __alert_:1:115: "
         "executing \"__alert_\" at <query \"up\">: error calling query: there is nothing to query "
         "here>"},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        assert_true(world_init(&world, 0));
        world.data = none;
        assert_int_equal(world_expand(&world, oxp_view_from(rows[i].text)), OXP_OK);
        assert_string_equal(oxp_buf_text(&world.out), rows[i].want);
        world_fini(&world);
    }
}

static void urls_have_a_path(void **state) {
    (void)state;
    static const char *const rows[][2] = {{"http://h:1/a/b", "/a/b"}, {"http://h", ""}, {"http://h/", "/"},
                                          {"https://h/a?b#c", "/a"},  {"/a/b", "/a/b"}, {"http://h/a%20b%2", "/a b%2"},
                                          {"http://h?x=/y", ""},      {"", ""}};
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct world world;
        assert_true(world_init(&world, 0));
        world.data.external_url = rows[i][0];
        assert_int_equal(world_expand(&world, OXP_VIEW("{{ pathPrefix }}|{{ externalURL }}")), OXP_OK);
        size_t path = strlen(rows[i][1]);
        assert_true(world.out.len == path + 1 + strlen(rows[i][0]) && memcmp(world.out.data, rows[i][1], path) == 0);
        world_fini(&world);
    }
}

static void floats_are_printed_as_by_go(void **state) {
    (void)state;
    static const struct {
        double value;
        const char *want;
    } rows[] = {{1000000, "1e+06"},     {123456, "123456"},
                {999999.5, "999999.5"}, {0.0001, "0.0001"},
                {0.00001, "1e-05"},     {1353755652, "1.353755652e+09"},
                {1e21, "1e+21"},        {-0.0, "-0"},
                {INFINITY, "+Inf"},     {-INFINITY, "-Inf"},
                {NAN, "NaN"},           {0.1, "0.1"},
                {100000, "100000"},     {12345678.9, "1.23456789e+07"},
                {5e-324, "5e-324"}};
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct oxp_buf out;
        oxp_buf_init(&out, 0);
        oxp_template_print_float(&out, rows[i].value);
        assert_string_equal(oxp_buf_text(&out), rows[i].want);
        oxp_buf_fini(&out);
    }
}

#define ENDED(words) "<error expanding template: error executing template __alert_A: " words ">"
#define TOO_LONG ENDED("the expansion is too long")
#define TEXT_TOO_LONG ENDED("a text in the template is too long")
#define TOO_MANY ENDED("the template takes too many steps")
#define TOO_DEEP ENDED("exceeded maximum template depth")

static void every_run_ends(void **state) {
    (void)state;
    static const struct {
        const char *text, *want;
    } rows[] = {
        {"{{ range 1000000000 }}{{ end }}", TOO_MANY},
        {"{{ range 9000 }}{{ range 9000 }}{{ range 9000 }}{{ end }}{{ end }}{{ end }}", TOO_MANY},
        {"{{ range 70000 }}x{{ end }}", TOO_LONG},
        {"{{ define \"a\" }}{{ template \"a\" . }}{{ end }}{{ template \"a\" . }}", TOO_DEEP},
        {"{{ define \"a\" }}{{ template \"b\" . }}{{ end }}{{ define \"b\" }}{{ template \"a\" . }}{{ end }}"
         "{{ template \"a\" . }}",
         TOO_DEEP},
        {"{{ define \"a\" }}{{ template \"a\" . }}{{ template \"a\" . }}{{ end }}{{ template \"a\" . }}", TOO_DEEP},
        {"{{ $x := \"ab\" }}{{ range 40 }}{{ $x = print $x $x }}{{ end }}{{ len $x }}", TEXT_TOO_LONG},
        {"{{ printf \"%999999d\" 1 }}", TEXT_TOO_LONG},
        {"{{ printf \"%.999999f\" 1.5 }}", TEXT_TOO_LONG},
        {"{{ printf \"%.999999d\" 1 }}", TEXT_TOO_LONG},
        {"{{ printf \"%.999999x\" 1.5 }}", TEXT_TOO_LONG},
        {"{{ printf \"%999999s\" \"\" }}", TEXT_TOO_LONG},
        {"{{ printf \"%#.999999g\" 1.5 }}", TEXT_TOO_LONG},
        {"{{ printf \"%.999999U\" 1 }}", TEXT_TOO_LONG},
        {"{{ $a := args 1 }}{{ range 100 }}{{ $a = args $a }}{{ end }}", ENDED("too many args")},
        {"{{ range 1000000 }}{{ $x := query \"up\" }}{{ end }}", TOO_MANY},
        {"{{ range 1000000 }}{{ $x := match \"a\" \"b\" }}{{ end }}", TOO_MANY},
        {"{{ $x := \"a\" }}{{ range 1000000 }}{{ $x := printf \"%60000s\" $x }}{{ end }}",
         ENDED("the template needs too much memory")},
        {"{{ reReplaceAll \"(x+x+)+y\" \"\" \"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx y\" }}",
         ENDED("template: __alert_A:1:115: executing \"__alert_A\" at <reReplaceAll \"(x+x+)+y\" \"\" "
               "\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx y\">: error calling reReplaceAll: the pattern takes too "
               "many "
               "steps on this text")},
        {"{{ match \"(x+x+)+y\" \"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx y\" }}",
         ENDED("template: __alert_A:1:115: executing \"__alert_A\" at <match \"(x+x+)+y\" "
               "\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx y\">: error calling match: the pattern takes too many "
               "steps on this text")},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        check_row(rows[i].text, 1.5, rows[i].want);
    }
}

static void limits_are_told_as_such(void **state) {
    (void)state;
    struct world world;
    const struct oxp_template *template = NULL;
    assert_true(world_init(&world, 1));
    assert_int_equal(oxp_template_parse(&world.arena, OXP_VIEW("{{ range 1000000000 }}{{ end }}"), &template, NULL),
                     OXP_OK);
    assert_int_equal(oxp_template_expand(template, &world.data, &world.out, &world.error), OXP_ERR_LIMIT);
    assert_int_equal(world.out.len, 0);
    world_fini(&world);
}

struct attempt { /* a text, and what it expands to when there is memory */
    const char *text;
    struct world *known;
};

/* Either there was no memory, or what came out is right. */
static void expand_again(void *ctx) {
    const struct attempt *attempt = ctx;
    struct world world;
    if (world_init(&world, 1234567.25)) {
        enum oxp_status status = world_expand(&world, oxp_view_from(attempt->text));
        if (status == OXP_ERR_SYNTAX) {
            assert_true(world.error.text[0] != '\0' && attempt->known->error.text[0] != '\0');
        } else if (status == OXP_OK) {
            assert_string_equal(oxp_buf_text(&world.out), oxp_buf_text(&attempt->known->out));
        } else {
            assert_int_equal(status, OXP_ERR_NOMEM);
        }
    }
    world_fini(&world);
}

static void memory_may_end(void **state) {
    (void)state;
    static const char *const texts[] = {
        "{{ define \"t\" }}<{{ . }}>{{ end }}{{ range query \"m\" | sortByLabel \"instance\" }}{{ .Labels.instance }} "
        "{{ .Value | humanize }}{{ end }}{{ template \"t\" (args 1 \"2\" $labels) }}{{ $value }}",
        "{{ printf \"%v %+d %q %x %.3f %8s|%U %T\" $labels 5 \"a\" \"b\" 1.5 \"c\" 65 . }}{{ html \"<\" }}{{ js \"<\" "
        "}}",
        "{{ reReplaceAll \"(.)b\" \"$1\" \"abab\" }}{{ match \"a\" \"b\" }}{{ title \"a b\" }}{{ stripDomain \"a.b:1\" "
        "}}",
        "{{ humanizeTimestamp $value }} {{ (toTime $value).Format \"2006\" }} {{ toDuration 1.5 }} {{ $value }}",
        "{{ humanize \"one\" }}",
        "{{ reReplaceAll \"a(\" \"\" \"\" }}",
        "{{ match \"a(\" \"\" }}",
        "{{ range \"abc\" }}{{ end }}",
        "{{ template \"nope\" }}",
        "{{ eq $labels . }}",
        "{{ eq $labels $labels }}",
        "{{ toTime 1e300 }}",
        "{{ .Labels.a.b.c }}",
        "{{ title 1 }}",
        "{{ query \"bad\" }}",
        "{{ \"a\".x }}",
        "{{ nope }}",
        "{{ range 70000 }}x{{ end }}",
    };
    for (size_t i = 0; i < ROWS(texts); i++) {
        struct world known;
        struct attempt attempt = {texts[i], &known};
        assert_true(world_init(&known, 1234567.25));
        world_expand(&known, oxp_view_from(texts[i]));
        assert_true(alloc_fail_each(expand_again, &attempt) >= 1);
        world_fini(&known);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_texts_are_told_apart),
        cmocka_unit_test(the_text_need_not_live),
        cmocka_unit_test(failures_append_nothing),
        cmocka_unit_test(without_data_there_is_little),
        cmocka_unit_test(urls_have_a_path),
        cmocka_unit_test(floats_are_printed_as_by_go),
        cmocka_unit_test(every_run_ends),
        cmocka_unit_test(limits_are_told_as_such),
        cmocka_unit_test(memory_may_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
