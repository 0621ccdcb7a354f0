/* Prometheus' patterns: what matches, what is refused and where, and what label_replace makes of a match. Every row was
 * tried with Go 1.26's regexp, anchored as Prometheus anchors: it agrees but for a byte that is no UTF-8 (there it is a
 * character) and for \\x{d800} (there it is taken, and matches nothing). */
#include "lib/regex/regex.h"

#include "tests/support/alloc_fail.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

struct row {
    const char *pattern, *text;
    bool matches;
};

static const struct row rows[] = {
    /* anchored at both ends, dot matches a newline */
    {"a", "a", true},
    {"a", "ab", false},
    {"a", "ba", false},
    {"", "", true},
    {"", "a", false},
    {".", "\n", true},
    {"a.b", "a\nb", true},
    {".*", "", true},
    {".*", "x\ny", true},
    {".+", "", false},
    {".+", "x", true},
    {"a$", "a\n", false},
    {"^a$", "a", true},
    {"a|b", "b", true},
    {"a|b", "ab", false},
    {"(?m)a$\nb", "a\nb", true},
    /* shapes that are matched without PCRE2 */
    {"foo|bar|baz", "baz", true},
    {"foo|bar|baz", "ba", false},
    {"foo|", "", true},
    {"fo(o|x)", "fox", true},
    {"fo(?:o|x)y", "fooy", true},
    {"fo(o|x)y", "foo", false},
    {"a\\.b", "a.b", true},
    {"a\\.b", "axb", false},
    {"foo.*", "foo", true},
    {"foo.*", "fo", false},
    {"foo.+", "foo", false},
    {"foo.+", "foox", true},
    {".*foo", "xfoo", true},
    {".*foo", "foox", false},
    {".+foo", "foo", false},
    {".*foo.*", "xfoox", true},
    {".*foo.*", "fo", false},
    {"fo*", "f", true},
    {"fo?x", "fx", true},
    {"a|b*", "bbb", true},
    {"(a|b)c*", "a", true},
    {"ab|cd+", "cdd", true},
    /* classes */
    {"\\d+", "123", true},
    {"\\d+", "12a", false},
    {"\\s", "\v", false},
    {"\\s", "\f", true},
    {"\\S", "\v", true},
    {"[\\s]", "\v", false},
    {"[^\\S]", " ", true},
    {"[^\\S]", "x", false},
    {"\\v", "\v", true},
    {"\\v", "\n", false},
    {"[\\v]", "\v", true},
    {"\\w", "\xc3\xa9", false},
    {"\\W", "\xc3\xa9", true},
    {"[\\W]", "-", true},
    {"[\\D]", "x", true},
    {"[\\D]", "1", false},
    {"[a-c]+", "abc", true},
    {"[^a-c]", "d", true},
    {"[]a]", "]", true},
    {"[^]a]", "b", true},
    {"[a-]", "-", true},
    {"[-a]", "-", true},
    {"[[:alpha:]]", "x", true},
    {"[[:^alpha:]]", "x", false},
    {"[[:word:]]", "_", true},
    {"[[.]", "[", true},
    {"[[:x]", ":", true},
    {"[\\x41-\\x{43}]", "B", true},
    {"[&&]", "&", true},
    {"[a\\]b]", "]", true},
    /* escapes */
    {"\\x41", "A", true},
    {"\\x{e9}", "\xc3\xa9", true},
    {"\\101", "A", true},
    {"\\0", "", false},
    {"\\a", "\a", true},
    {"\\Qa.b\\E", "a.b", true},
    {"\\Qa.b\\E", "axb", false},
    {"(?)a", "a", true},
    {"\\Qab\\E+", "abb", true},
    {"\\pL+", "\xc3\xa9x", true},
    {"\\p{Greek}", "\xce\xb1", true},
    {"\\P{L}", "1", true},
    {"\\_", "_", true},
    {"\\-", "-", true},
    {"\\A\\ba\\b\\z", "a", true},
    /* repetitions */
    {"a{2}", "aa", true},
    {"a{2}", "a", false},
    {"a{2,}", "aaaa", true},
    {"a{1,2}", "aaa", false},
    {"a{,2}", "a{,2}", true},
    {"a{", "a{", true},
    {"a{x}", "a{x}", true},
    {"{", "{", true},
    {"a{1,2}?", "aa", true},
    {"a+?", "aa", true},
    {"(a{2}){3}", "aaaaaa", true},
    {"}", "}", true},
    {"a{0}", "", true},
    /* flags and groups */
    {"(?i)abc", "aBC", true},
    {"(?i:a)bc", "ABC", false},
    {"(?i:a)bc", "Abc", true},
    {"a(?i)b|c", "C", true},
    {"(?-s).", "\n", false},
    {"(?P<x>a)", "a", true},
    {"(?<x>a)", "a", true},
    {"(?:)", "", true},
    {"()", "", true},
    {"(?U)a+", "aaa", true},
    /* UTF-8: a dot is a character */
    {".", "\xc3\xa9", true},
    {"..", "\xc3\xa9", false},
    {"\xc3\xa9+", "\xc3\xa9\xc3\xa9", true},
    {".", "\xff", false},
};

static void whole_texts_match(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct oxp_regex *regex = NULL;
        struct oxp_error error = {0};
        if (oxp_regex_new(oxp_view_from(rows[i].pattern), &regex, &error) != OXP_OK) {
            fail_msg("`%s`: %s", rows[i].pattern, error.text);
        }
        if (oxp_regex_matches(regex, oxp_view_from(rows[i].text)) != rows[i].matches) {
            fail_msg("`%s` and `%s`: want %d", rows[i].pattern, rows[i].text, rows[i].matches);
        }
        assert_int_equal(oxp_regex_limited(regex), 0);
        oxp_regex_free(regex);
    }
}

static void a_nul_is_a_character(void **state) {
    (void)state;
    struct oxp_regex *regex = NULL;
    assert_int_equal(oxp_regex_new(OXP_VIEW("a\\0b"), &regex, NULL), OXP_OK);
    assert_true(oxp_regex_matches(regex, oxp_view_of("a\0b", 3)));
    oxp_regex_free(regex);
    assert_int_equal(oxp_regex_new(oxp_view_of("a\0b", 3), &regex, NULL), OXP_OK);
    assert_true(oxp_regex_matches(regex, oxp_view_of("a\0b", 3)));
    assert_false(oxp_regex_matches(regex, OXP_VIEW("a")));
    oxp_regex_free(regex);
}

static const struct {
    const char *pattern;
    enum oxp_status status;
    unsigned column;
    const char *words;
} refused[] = {
    {"(", OXP_ERR_SYNTAX, 1, "missing closing )"},
    {"a(b", OXP_ERR_SYNTAX, 2, "missing closing )"},
    {")", OXP_ERR_SYNTAX, 1, "unexpected )"},
    {"a)b(", OXP_ERR_SYNTAX, 2, "unexpected )"},
    {"[a", OXP_ERR_SYNTAX, 1, "missing closing ]"},
    {"[]", OXP_ERR_SYNTAX, 1, "missing closing ]"},
    {"[z-a]", OXP_ERR_SYNTAX, 2, "invalid character class range"},
    {"[[:foo:]]", OXP_ERR_SYNTAX, 2, "invalid character class range"},
    {"[a-\\d]", OXP_ERR_SYNTAX, 4, "invalid escape sequence"},
    {"*a", OXP_ERR_SYNTAX, 1, "missing argument to repetition operator"},
    {"a|*", OXP_ERR_SYNTAX, 3, "missing argument to repetition operator"},
    {"(*ACCEPT)", OXP_ERR_SYNTAX, 2, "missing argument to repetition operator"},
    {"(+)", OXP_ERR_SYNTAX, 2, "missing argument to repetition operator"},
    {"a**", OXP_ERR_SYNTAX, 2, "invalid nested repetition operator"},
    {"a*+", OXP_ERR_SYNTAX, 2, "invalid nested repetition operator"},
    {"a??+", OXP_ERR_SYNTAX, 2, "invalid nested repetition operator"},
    {"a{2}{3}", OXP_ERR_SYNTAX, 2, "invalid nested repetition operator"},
    {"a{1001}", OXP_ERR_SYNTAX, 2, "invalid repeat count"},
    {"a{3,2}", OXP_ERR_SYNTAX, 2, "invalid repeat count"},
    {"(a{100}){11}", OXP_ERR_SYNTAX, 9, "invalid repeat count"},
    {"((a{10}b{10}){10}){11}", OXP_ERR_SYNTAX, 19, "invalid repeat count"},
    {"\\", OXP_ERR_SYNTAX, 1, "trailing backslash"},
    {"\\8", OXP_ERR_UNSUPPORTED, 1, "invalid escape sequence"},
    {"(a)\\1", OXP_ERR_UNSUPPORTED, 4, "backreferences"},
    {"\\g1", OXP_ERR_UNSUPPORTED, 1, "backreferences"},
    {"\\k<a>", OXP_ERR_UNSUPPORTED, 1, "backreferences"},
    {"\\Z", OXP_ERR_SYNTAX, 1, "invalid escape sequence"},
    {"\\K", OXP_ERR_SYNTAX, 1, "invalid escape sequence"},
    {"\\G", OXP_ERR_SYNTAX, 1, "invalid escape sequence"},
    {"\\R", OXP_ERR_SYNTAX, 1, "invalid escape sequence"},
    {"\\h", OXP_ERR_SYNTAX, 1, "invalid escape sequence"},
    {"\\N", OXP_ERR_SYNTAX, 1, "invalid escape sequence"},
    {"\\cA", OXP_ERR_SYNTAX, 1, "invalid escape sequence"},
    {"\\e", OXP_ERR_SYNTAX, 1, "invalid escape sequence"},
    {"\\x{110000}", OXP_ERR_SYNTAX, 1, "invalid escape sequence"},
    {"\\x{d800}", OXP_ERR_SYNTAX, 1, "invalid escape sequence"},
    {"\\x4", OXP_ERR_SYNTAX, 1, "invalid escape sequence"},
    {"(?=a)", OXP_ERR_UNSUPPORTED, 1, "Perl syntax"},
    {"(?!a)", OXP_ERR_UNSUPPORTED, 1, "Perl syntax"},
    {"(?<=a)", OXP_ERR_UNSUPPORTED, 1, "Perl syntax"},
    {"x(?<!a)", OXP_ERR_UNSUPPORTED, 2, "Perl syntax"},
    {"(?>a)", OXP_ERR_UNSUPPORTED, 1, "Perl syntax"},
    {"(?|a)", OXP_ERR_UNSUPPORTED, 1, "Perl syntax"},
    {"(?#a)", OXP_ERR_UNSUPPORTED, 1, "Perl syntax"},
    {"(?R)", OXP_ERR_UNSUPPORTED, 1, "Perl syntax"},
    {"(?1)", OXP_ERR_UNSUPPORTED, 1, "Perl syntax"},
    {"(?&a)", OXP_ERR_UNSUPPORTED, 1, "Perl syntax"},
    {"(?P=a)", OXP_ERR_UNSUPPORTED, 1, "Perl syntax"},
    {"(?P>a)", OXP_ERR_UNSUPPORTED, 1, "Perl syntax"},
    {"(?C)", OXP_ERR_UNSUPPORTED, 1, "Perl syntax"},
    {"(?(1)a)", OXP_ERR_UNSUPPORTED, 1, "Perl syntax"},
    {"(?x)a", OXP_ERR_UNSUPPORTED, 1, "Perl syntax"},
    {"(?J)a", OXP_ERR_UNSUPPORTED, 1, "Perl syntax"},
    {"\\Qa.b", OXP_ERR_SYNTAX, 1, "missing \\E"},
    {"(?i-)a", OXP_ERR_UNSUPPORTED, 1, "Perl syntax"},
    {"(?i", OXP_ERR_UNSUPPORTED, 1, "Perl syntax"},
    {"(?P<>a)", OXP_ERR_SYNTAX, 1, "invalid named capture"},
    {"(?P<a b>a)", OXP_ERR_SYNTAX, 1, "invalid named capture"},
    {"a\xff", OXP_ERR_SYNTAX, 2, "invalid UTF-8"},
};

static void what_re2_does_not_know_is_refused(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        struct oxp_regex *regex = NULL;
        struct oxp_error error = {0};
        enum oxp_status status = oxp_regex_new(oxp_view_from(refused[i].pattern), &regex, &error);
        if (status != refused[i].status || error.column != refused[i].column ||
            strstr(error.text, refused[i].words) == NULL) {
            fail_msg("`%s`: %s at %u: %s", refused[i].pattern, oxp_status_name(status), error.column, error.text);
        }
    }
}

static const struct {
    const char *pattern, *text, *template_text, *want; /* NULL: no match */
} expansions[] = {
    {"(.*):(\\d+)", "host:80", "$1", "host"},
    {"(.*):(\\d+)", "host:80", "$2-$1", "80-host"},
    {"(.*):(\\d+)", "host", "$1", NULL},
    {"(.*):(\\d+)", "host:80", "${1}x", "hostx"},
    {"(.*):(\\d+)", "host:80", "$1x", ""},
    {"(.*):(\\d+)", "host:80", "$0", "host:80"},
    {"(.*):(\\d+)", "host:80", "$9", ""},
    {"(?P<h>.*):(?P<p>\\d+)", "host:80", "$p/${h}", "80/host"},
    {"(?P<h>.*)", "host", "$q", ""},
    {"a|(b)", "a", "<$1>", "<>"},
    {"(a)", "a", "$$1", "$1"},
    {"(a)", "a", "$", "$"},
    {"(a)", "a", "${1", "${1"},
    {"(a)", "a", "$-x", "$-x"},
    {"(a)", "a", "", ""},
    {"(?P<x>a)|(?P<x>b)", "b", "$x", "b"},
    {"(.*)", "", "[$1]", "[]"},
};

static void templates_expand(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof expansions / sizeof expansions[0]; i++) {
        struct oxp_regex *regex = NULL;
        struct oxp_buf out;
        oxp_buf_init(&out, 0);
        assert_int_equal(oxp_regex_new(oxp_view_from(expansions[i].pattern), &regex, NULL), OXP_OK);
        enum oxp_status status = oxp_regex_expand(regex, oxp_view_from(expansions[i].text),
                                                  oxp_view_from(expansions[i].template_text), &out);
        assert_int_equal(status, expansions[i].want == NULL ? OXP_END : OXP_OK);
        assert_string_equal(oxp_buf_text(&out), expansions[i].want == NULL ? "" : expansions[i].want);
        oxp_buf_fini(&out);
        oxp_regex_free(regex);
    }
}

static void sets_of_literals_are_told(void **state) {
    (void)state;
    static const struct {
        const char *pattern;
        size_t count;
        const char *last;
    } sets[] = {
        {"a", 1, "a"},     {"a|b", 2, "b"},    {"a(b|c)(d|e)", 4, "ace"}, {"(a|b)|c", 3, "c"},
        {"", 1, ""},       {"a.b", 0, NULL},   {"a|b.*", 0, NULL},        {"(?i)a", 0, NULL},
        {"[ab]", 0, NULL}, {"a|\\d", 0, NULL}, {"1\\.2|x", 2, "x"},
    };
    for (size_t i = 0; i < sizeof sets / sizeof sets[0]; i++) {
        struct oxp_regex *regex = NULL;
        const struct oxp_view *literals = NULL;
        assert_int_equal(oxp_regex_new(oxp_view_from(sets[i].pattern), &regex, NULL), OXP_OK);
        size_t count = oxp_regex_literals(regex, &literals);
        assert_int_equal(count, sets[i].count);
        assert_true(count == 0 || oxp_view_is(literals[count - 1], sets[i].last));
        assert_true(oxp_view_is(oxp_regex_pattern(regex), sets[i].pattern));
        oxp_regex_free(regex);
    }
}

/* What would take RE2 microseconds and a backtracking matcher years ends, does not match, and says so. */
static void steps_are_bounded(void **state) {
    (void)state;
    struct oxp_regex *regex = NULL;
    assert_int_equal(oxp_regex_new(OXP_VIEW("(x+x+)+y"), &regex, NULL), OXP_OK);
    struct oxp_view text = OXP_VIEW("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxyx");
    for (int i = 0; i < 200; i++) {
        assert_false(oxp_regex_matches(regex, text));
    }
    assert_int_equal(oxp_regex_limited(regex), 100);
    oxp_regex_free(regex);
}

static void make_and_use(void *ctx) {
    (void)ctx;
    struct oxp_regex *regex = NULL;
    struct oxp_error error;
    enum oxp_status status = oxp_regex_new(OXP_VIEW("(a|b)c(d|e|fgh)(x|y)"), &regex, &error);
    if (status != OXP_OK) {
        assert_int_equal(status, OXP_ERR_NOMEM);
        return;
    }
    assert_true(oxp_regex_matches(regex, OXP_VIEW("acfghy")));
    assert_false(oxp_regex_matches(regex, OXP_VIEW("acfgy")));
    oxp_regex_free(regex);
}

static void memory_may_end(void **state) {
    (void)state;
    assert_true(alloc_fail_each(make_and_use, NULL) >= 3);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_texts_match),
        cmocka_unit_test(a_nul_is_a_character),
        cmocka_unit_test(what_re2_does_not_know_is_refused),
        cmocka_unit_test(templates_expand),
        cmocka_unit_test(sets_of_literals_are_told),
        cmocka_unit_test(steps_are_bounded),
        cmocka_unit_test(memory_may_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
