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
    {"((a{1000})){2}", OXP_ERR_SYNTAX, 12, "invalid repeat count"},
    {"(?:(?:(?:a{100}))){11}", OXP_ERR_SYNTAX, 19, "invalid repeat count"},
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
    {"a|\xff", OXP_ERR_SYNTAX, 3, "invalid UTF-8"},
    {"\xff.*", OXP_ERR_SYNTAX, 1, "invalid UTF-8"},
    {".+\xff", OXP_ERR_SYNTAX, 3, "invalid UTF-8"},
    {".*\xff.*", OXP_ERR_SYNTAX, 3, "invalid UTF-8"},
    {"a|b)", OXP_ERR_SYNTAX, 4, ")"},
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
    /* what is matched without PCRE2 */
    {"open|half_open", "half_open", "<$0>", "<half_open>"},
    {"open|half_open", "half_open", "<$1$x${x}$$>", "<$>"},
    {"open|half_open", "half", "$0", NULL},
    {"open|(half_open)", "half_open", "$1", "half_open"},
    {"ab.*", "abc", "$0$1", "abc"},
    {"ab.+", "ab", "$0", NULL},
    {".+ab", "cab", "$0", "cab"},
    {".*ab.*", "cabd", "$0", "cabd"},
    {"", "", "[$0]", "[]"},
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

/* Go's MatchString: anywhere in the text, the dot matches no newline. */
static const struct row loose_rows[] = {
    {"a", "xay", true},        {"a", "xy", false},          {"", "", true},
    {"^a$", "xay", false},     {"^a$", "a", true},          {"a.b", "a\nb", false},
    {"(?s)a.b", "a\nb", true}, {"a$", "a\n", false},        {"(?m)a$", "a\nb", true},
    {"[^b]", "\n", true},      {"\\Qa.b", "xa.b", true},    {"\\Qa.b", "xacb", false},
    {"a|b", "xxb", true},      {"\\bcd\\b", "ab cd", true}, {"foo", "fo", false},
};

static void loose_patterns_match_anywhere(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof loose_rows / sizeof loose_rows[0]; i++) {
        struct oxp_regex *regex = NULL;
        assert_int_equal(oxp_regex_new_loose(oxp_view_from(loose_rows[i].pattern), &regex, NULL), OXP_OK);
        if (oxp_regex_matches(regex, oxp_view_from(loose_rows[i].text)) != loose_rows[i].matches) {
            fail_msg("`%s` on `%s`", loose_rows[i].pattern, loose_rows[i].text);
        }
        assert_int_equal(oxp_regex_literals(regex, NULL), 0);
        oxp_regex_free(regex);
    }
    struct oxp_regex *regex = NULL;
    assert_int_equal(oxp_regex_new_loose(OXP_VIEW("(?=a)"), &regex, NULL), OXP_ERR_UNSUPPORTED);
    assert_int_equal(oxp_regex_new_loose(OXP_VIEW("a("), &regex, NULL), OXP_ERR_SYNTAX);
}

/* Go's ReplaceAllString; every row was run there. */
static const struct {
    const char *pattern, *text, *template_text, *want;
} replacements[] = {
    {"a", "banana", "o", "bonono"},
    {"a", "xyz", "o", "xyz"},
    {"a", "", "o", ""},
    {"", "", "-", "-"},
    {"", "abc", "-", "-a-b-c-"},
    {"x*", "axb", "-", "-a-b-"},
    {"b*", "abbbc", "-", "-a-c-"},
    {"a|ab", "abab", "X", "XbXb"},
    {"(a)(x)?", "bab", "[$2$1]", "b[a]b"},
    {"(?P<k>\\w+)=(\\w+)", "a=b c=d", "${2}=$k", "b=a d=c"},
    {"a", "bab", "$$", "b$b"},
    {".*", "a\nb", "z", "z\nz"},
    {"^", "ab", ">", ">ab"},
    {"$", "ab", "<", "ab<"},
    {"(?m)^", "a\nb", "> ", "> a\n> b"},
    {"\\b", "ab cd", "|", "|ab| |cd|"},
    {"\xc3\xa9*",
     "a\xc3\xa9"
     "b",
     "-", "-a-b-"},
    {"", "\xc3\xa9", "-", "-\xc3\xa9-"},
    {":.*", "host:80", "", "host"},
};

static void all_matches_are_replaced(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof replacements / sizeof replacements[0]; i++) {
        struct oxp_regex *regex = NULL;
        struct oxp_buf out;
        oxp_buf_init(&out, 0);
        assert_int_equal(oxp_regex_new_loose(oxp_view_from(replacements[i].pattern), &regex, NULL), OXP_OK);
        enum oxp_status status = oxp_regex_replace_all(regex, oxp_view_from(replacements[i].text),
                                                       oxp_view_from(replacements[i].template_text), &out);
        assert_int_equal(status, OXP_OK);
        if (!oxp_view_is(oxp_buf_view(&out), replacements[i].want)) {
            fail_msg("`%s` on `%s`: `%s`, want `%s`", replacements[i].pattern, replacements[i].text, oxp_buf_text(&out),
                     replacements[i].want);
        }
        oxp_buf_fini(&out);
        oxp_regex_free(regex);
    }
}

static void replacing_is_bounded(void **state) {
    (void)state;
    static char many[70000];
    struct oxp_regex *regex = NULL;
    struct oxp_buf out;
    oxp_buf_init(&out, 100000);
    memset(many, 'a', sizeof many);
    assert_int_equal(oxp_regex_new_loose(OXP_VIEW("(x+x+)+y"), &regex, NULL), OXP_OK);
    assert_int_equal(
        oxp_regex_replace_all(regex, OXP_VIEW("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx y"), OXP_VIEW(""), &out),
        OXP_ERR_LIMIT);
    oxp_regex_free(regex);
    oxp_buf_clear(&out);
    assert_int_equal(oxp_regex_new_loose(OXP_VIEW("a"), &regex, NULL), OXP_OK);
    assert_int_equal(oxp_regex_replace_all(regex, oxp_view_of(many, sizeof many), OXP_VIEW("b"), &out), OXP_OK);
    assert_true(out.len == sizeof many && memchr(out.data, 'a', out.len) == NULL);
    oxp_buf_clear(&out);
    assert_int_equal(oxp_regex_replace_all(regex, oxp_view_of(many, sizeof many), OXP_VIEW("bb"), &out), OXP_ERR_LIMIT);
    oxp_buf_fini(&out);
    oxp_regex_free(regex);
}

static void replacing_wants_a_loose_pattern(void **state) {
    (void)state;
    struct oxp_regex *regex = NULL;
    struct oxp_buf out;
    oxp_buf_init(&out, 0);
    assert_int_equal(oxp_regex_new(OXP_VIEW("a.*"), &regex, NULL), OXP_OK); /* by its shape alone, not compiled */
    assert_int_equal(oxp_regex_replace_all(regex, OXP_VIEW("abc"), OXP_VIEW("b"), &out), OXP_ERR_INVALID);
    assert_int_equal(out.len, 0);
    oxp_buf_fini(&out);
    oxp_regex_free(regex);
}

static void replace_again(void *ctx) {
    (void)ctx;
    struct oxp_regex *regex = NULL;
    struct oxp_buf out;
    oxp_buf_init(&out, 0);
    enum oxp_status status = oxp_regex_new_loose(OXP_VIEW("(a)"), &regex, NULL);
    status = status != OXP_OK ? status : oxp_regex_replace_all(regex, OXP_VIEW("banana"), OXP_VIEW("<$1>"), &out);
    assert_true(status == OXP_ERR_NOMEM || (status == OXP_OK && oxp_view_is(oxp_buf_view(&out), "b<a>n<a>n<a>")));
    oxp_buf_fini(&out);
    oxp_regex_free(regex);
}

static void memory_may_end_while_replacing(void **state) {
    (void)state;
    assert_true(alloc_fail_each(replace_again, NULL) >= 3);
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
    assert_int_equal(oxp_regex_limited(regex),
                     200); /* the second hundred was not tried, and cannot be believed either */
    assert_false(oxp_regex_matches(regex, OXP_VIEW("xxy")));
    assert_int_equal(oxp_regex_limited(regex), 201);
    oxp_regex_retry(regex);
    assert_true(oxp_regex_matches(regex, OXP_VIEW("xxy")));
    assert_int_equal(oxp_regex_limited(regex), 201);
    struct oxp_buf out;
    oxp_buf_init(&out, 0);
    assert_int_equal(oxp_regex_expand(regex, text, OXP_VIEW("$1"), &out), OXP_END);
    assert_int_equal(oxp_regex_limited(regex), 202);
    oxp_buf_fini(&out);
    oxp_regex_free(regex);
}

/* Small patterns take a few kilobytes, those that are written out take what they are. */
static void memory_is_told(void **state) {
    (void)state;
    struct oxp_regex *small = NULL, *large = NULL;
    assert_int_equal(oxp_regex_new(OXP_VIEW("a.*b"), &small, NULL), OXP_OK);
    assert_int_equal(oxp_regex_new(OXP_VIEW("(ab){1000}"), &large, NULL), OXP_OK);
    assert_in_range(oxp_regex_bytes(small), 100, 8192);
    assert_in_range(oxp_regex_bytes(large), 8192, 100000);
    oxp_regex_free(small);
    oxp_regex_free(large);
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
        cmocka_unit_test(loose_patterns_match_anywhere),
        cmocka_unit_test(all_matches_are_replaced),
        cmocka_unit_test(replacing_is_bounded),
        cmocka_unit_test(replacing_wants_a_loose_pattern),
        cmocka_unit_test(memory_may_end_while_replacing),
        cmocka_unit_test(sets_of_literals_are_told),
        cmocka_unit_test(steps_are_bounded),
        cmocka_unit_test(memory_is_told),
        cmocka_unit_test(memory_may_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
