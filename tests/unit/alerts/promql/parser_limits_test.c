/* What the parser must bear: deep, long and wide texts, no memory, a selector alone, and every expression of the
 * corpus. */
#include "tests/unit/alerts/promql/support.h"

#include <dirent.h>

#include "alerts/promql/parse.h"
#include "tests/support/alloc_fail.h"

static struct oxp_promql_expr *parse(const char *text) {
    struct oxp_promql_expr *expr = NULL;
    struct oxp_error error = {0};
    if (oxp_promql_parse(oxp_view_from(text), &expr, &error) != OXP_OK) {
        fail_msg("%s: %u:%u: %s", text, error.line, error.column, error.text);
    }
    assert_non_null(expr);
    return expr;
}

/* ---- Limits ---- */

/* `count` times `open`, then `middle`, then `count` times `close`. */
static enum oxp_status parse_nested(size_t count, const char *open, const char *middle, const char *close) {
    struct oxp_promql_expr *expr = NULL;
    struct oxp_error error = {0};
    struct oxp_buf text;
    oxp_buf_init(&text, 0);
    for (size_t i = 0; i < count; i++) {
        oxp_buf_append_text(&text, open);
    }
    oxp_buf_append_text(&text, middle);
    for (size_t i = 0; i < count; i++) {
        oxp_buf_append_text(&text, close);
    }
    enum oxp_status status = oxp_promql_parse(oxp_buf_view(&text), &expr, &error);
    assert_true((status == OXP_OK) == (expr != NULL));
    assert_true(status == OXP_OK || strcmp(error.text, "expression is nested more than 200 levels deep") == 0);
    assert_true(expr == NULL || expr->root->height <= OXP_PROMQL_DEPTH);
    oxp_promql_expr_free(expr);
    oxp_buf_fini(&text);
    return status;
}

static void bounds_its_recursion(void **state) {
    (void)state;
    static const struct {
        const char *open, *middle, *close;
        size_t most;
    } rows[] = {
        {"(", "1", ")", 199},  {"abs(", "up", ")", 199}, {"sum(", "up", ")", 199}, {"-", "up", "", 199},
        {"-", "1", "", 199},   {"1^", "1", "", 199},     {"", "1", "+1", 199},     {"", "up", " and up", 199},
        {"1+(", "1", ")", 99}, {"", "1", "*(1)", 198},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        assert_int_equal(parse_nested(rows[i].most, rows[i].open, rows[i].middle, rows[i].close), OXP_OK);
        assert_int_equal(parse_nested(rows[i].most + 1, rows[i].open, rows[i].middle, rows[i].close), OXP_ERR_LIMIT);
        assert_int_equal(parse_nested(20000, rows[i].open, rows[i].middle, rows[i].close), OXP_ERR_LIMIT);
    }
}

static void bounds_the_text(void **state) {
    (void)state;
    struct oxp_promql_expr *expr = NULL;
    struct oxp_error error = {0};
    char *text = malloc(OXP_PROMQL_TEXT_MAX + 1);
    assert_non_null(text);
    memset(text, ' ', OXP_PROMQL_TEXT_MAX + 1);
    text[OXP_PROMQL_TEXT_MAX - 1] = '1';
    assert_int_equal(oxp_promql_parse(oxp_view_of(text, OXP_PROMQL_TEXT_MAX), &expr, &error), OXP_OK);
    oxp_promql_expr_free(expr);
    assert_int_equal(oxp_promql_parse(oxp_view_of(text, OXP_PROMQL_TEXT_MAX + 1), &expr, &error), OXP_ERR_LIMIT);
    assert_string_equal(error.text, "expression is longer than 262144 bytes");
    assert_null(expr);
    free(text);
}

/* Wide ones are fine: every list grows. */
static void takes_long_lists(void **state) {
    (void)state;
    struct oxp_buf text;
    oxp_buf_init(&text, 0);
    oxp_buf_append_text(&text, "label_join(sum by (a");
    for (unsigned i = 0; i < OXP_PROMQL_NAMES_MAX - 1; i++) {
        oxp_buf_append_format(&text, ",l%u", i % 500);
    }
    oxp_buf_append_text(&text, ") (up{a='b'");
    for (unsigned i = 0; i < OXP_PROMQL_MATCHERS_MAX - 1; i++) {
        oxp_buf_append_format(&text, ",l%u%s'v%u'", i, i % 2 == 0 ? "=" : "!~", i);
    }
    oxp_buf_append_text(&text, "}), 'dst', 'sep'");
    for (unsigned i = 0; i < 1000; i++) {
        oxp_buf_append_format(&text, ",'l%u'", i);
    }
    oxp_buf_append_text(&text, ")");
    struct oxp_promql_expr *expr = parse(oxp_buf_text(&text));
    oxp_buf_fini(&text);
    const struct oxp_promql_node *sum = expr->root->call.args[0];
    assert_int_equal(expr->root->call.arg_count, 1003);
    assert_int_equal(sum->aggregate.written_count, 1000);
    assert_int_equal(sum->aggregate.grouping.count, 501);
    for (size_t i = 1; i < 501; i++) {
        assert_true(oxp_symbol_compare(sum->aggregate.grouping.names[i - 1], sum->aggregate.grouping.names[i]) < 0);
    }
    assert_int_equal(sum->aggregate.expr->selector.matcher_count, 501); /* with the name's */
    assert_int_equal(expr->regex_count, 249);
    assert_true(oxp_matcher_accepts(&sum->aggregate.expr->selector.matchers[2], OXP_VIEW("other")));
    assert_false(oxp_matcher_accepts(&sum->aggregate.expr->selector.matchers[2], OXP_VIEW("v1")));
    oxp_promql_expr_free(expr);
}

/* `head`, then `count` times `item` with its number, then `tail`: the status, and the error's text and column. */
static enum oxp_status parse_list(const char *head, const char *item, unsigned count, const char *tail,
                                  struct oxp_error *error) {
    struct oxp_promql_expr *expr = NULL;
    struct oxp_buf text;
    oxp_buf_init(&text, 0);
    oxp_buf_append_text(&text, head);
    for (unsigned i = 0; i < count; i++) {
        oxp_buf_append_text(&text, i == 0 ? "" : ",");
        oxp_buf_append_text(&text, item);
    }
    oxp_buf_append_text(&text, tail);
    enum oxp_status status = oxp_promql_parse(oxp_buf_view(&text), &expr, error);
    assert_true((status == OXP_OK) == (expr != NULL));
    assert_true(expr == NULL || expr->regex_bytes <= OXP_PROMQL_PATTERNS_MAX);
    oxp_promql_expr_free(expr);
    oxp_buf_fini(&text);
    return status;
}

/* What would make a short text cost much: every list has an end. */
static void bounds_its_lists(void **state) {
    (void)state;
    static const struct {
        const char *head, *item, *tail;
        unsigned most;
        const char *words;
    } rows[] = {
        {"sum by (", "a", ") (up)", 1000, "more than 1000 labels in one list"},
        {"sum without (", "'a'", ") (up)", 1000, "more than 1000 labels in one list"},
        {"a * on (", "a", ") b", 1000, "more than 1000 labels in one list"},
        {"a * on (b) group_left (", "a", ") b", 1000, "more than 1000 labels in one list"},
        {"{", "a='b'", "}", 500, "more than 500 matchers in one selector"},
        {"{", "'m'", "}", 500, "more than 500 matchers in one selector"},
        {"rate(up{", "a!~'b.*|c'", "}[5m])", 500, "more than 500 matchers in one selector"},
        /* some 64 KiB and some 4 KiB each */
        {"{", "a=~'(ab){999}(ab){999}(ab){999}'", "}", 150, "the regular expressions take more than 8 MiB"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct oxp_error error = {0};
        if (parse_list(rows[i].head, rows[i].item, rows[i].most, rows[i].tail, &error) != OXP_OK) {
            fail_msg("%s: %s", rows[i].head, error.text);
        }
        enum oxp_status status = parse_list(rows[i].head, rows[i].item, rows[i].most * 2, rows[i].tail, &error);
        if (status != OXP_ERR_LIMIT || strcmp(error.text, rows[i].words) != 0) {
            fail_msg("%s: %s", rows[i].head, error.text);
        }
        assert_int_equal(error.line, 1);
    }
}

/* ---- Selectors alone ---- */

static void reads_selectors_alone(void **state) {
    (void)state;
    static const struct {
        const char *text;
        const char *words; /* NULL: taken */
        unsigned column;
    } rows[] = {
        {"up", NULL, 0},
        {" up{a=~\"b|c\"} # it\n", NULL, 0},
        {"{a=\"b\",}", NULL, 0},
        {"{\"a.b\"}", NULL, 0},
        {"sum", NULL, 0},
        {"{}", NULL, 0}, /* whoever asks says whether that will do */
        {"{a=\"\"}", NULL, 0},
        {"", "unexpected end of input", 0},
        {" ", "unexpected end of input", 2},
        {"up offset 5m", "unexpected <offset>", 4},
        {"up @ 5", "unexpected <op:@>", 4},
        {"up[5m]", "unexpected \"[\"", 3},
        {"up + up", "unexpected <op:+>", 4},
        {"sum(up)", "unexpected \"(\"", 4},
        {"(up)", "unexpected \"(\"", 1},
        {"1", "unexpected number \"1\"", 1},
        {"up{a=b}", "unexpected identifier \"b\" in label matching, expected string", 6},
        {"{a=~\"(\"}", "error parsing regexp: missing closing ): `(`", 2},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct oxp_promql_expr *expr = NULL;
        struct oxp_error error = {0};
        enum oxp_status status = oxp_promql_parse_selector(oxp_view_from(rows[i].text), &expr, &error);
        assert_true((status == OXP_OK) == (rows[i].words == NULL));
        assert_true((status == OXP_OK) == (expr != NULL));
        if (rows[i].words != NULL) {
            assert_string_equal(error.text, rows[i].words);
            assert_int_equal(error.column, rows[i].column);
        } else {
            assert_int_equal(expr->root->kind, OXP_NODE_SELECTOR);
        }
        oxp_promql_expr_free(expr);
    }
}

/* ---- No memory ---- */

static void parse_with_failures(void *ctx) {
    struct oxp_promql_expr *expr = NULL;
    struct oxp_error error = {0};
    enum oxp_status status = oxp_promql_parse(oxp_view_from(ctx), &expr, &error);
    if (status == OXP_OK) {
        assert_non_null(expr);
    } else if (alloc_fail_hit()) {
        assert_null(expr);
        assert_true(status == OXP_ERR_NOMEM || status == OXP_ERR_SYNTAX);
        assert_true(error.text[0] != '\0');
    } else {
        assert_int_equal(status, OXP_ERR_SYNTAX);
    }
    oxp_promql_expr_free(expr);
}

static void survives_any_failing_allocation(void **state) {
    (void)state;
    struct oxp_buf text;
    oxp_buf_init(&text, 0);
    oxp_buf_append_text(&text, "sum by (a, b) (rate(up{c=\"d\\n\",e=~\"f.*|g\",h!~\"[i-k]+\"}[5m] @ 5)) and on (x) (");
    for (unsigned i = 0; i < 40; i++) { /* more than a block of the arena */
        oxp_buf_append_format(&text, "max_over_time(label_replace(a%u, 'a', 'b', \"c\\t\", 'd')[1h:]) or ", i);
    }
    oxp_buf_append_text(&text, "topk(3, -up))");
    assert_true(alloc_fail_each(parse_with_failures, (void *)(uintptr_t)oxp_buf_text(&text)) > 10);
    assert_true(alloc_fail_each(parse_with_failures, (void *)(uintptr_t) "up{a=\"b\"} and nosuch(up)") > 2);
    oxp_buf_fini(&text);
}

/* ---- The corpus ---- */

/* The expression of a line `eval instant at T EXPR` or `eval range from A to B step S EXPR`; false for other lines. */
static bool find_expression(const char *line, struct oxp_view *text_out) {
    static const char blanks[] = " \t";
    line += strspn(line, blanks);
    if (strncmp(line, "eval", 4) != 0) {
        return false;
    }
    line += strcspn(line, blanks);
    line += strspn(line, blanks);
    unsigned words = strncmp(line, "instant", 7) == 0 ? 3 : strncmp(line, "range", 5) == 0 ? 7 : 0;
    if (words == 0) {
        return false;
    }
    for (; words > 0; words--) {
        line += strcspn(line, blanks);
        line += strspn(line, blanks);
    }
    *text_out = oxp_view_of(line, strcspn(line, "\n"));
    return true;
}

static size_t parse_file(const char *path, size_t *refused) {
    char line[8192];
    size_t parsed = 0;
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    for (unsigned number = 1; fgets(line, sizeof line, file) != NULL; number++) {
        struct oxp_view text;
        struct oxp_promql_expr *expr = NULL;
        struct oxp_error error = {0};
        if (!find_expression(line, &text)) {
            continue;
        }
        enum oxp_status status = oxp_promql_parse(text, &expr, &error);
        if (status == OXP_ERR_UNSUPPORTED) {
            ++*refused;
            print_message("refused: %.*s: %s\n", (int)text.len, text.ptr, error.text);
        } else if (status != OXP_OK) {
            fail_msg("%s:%u: %.*s: %u:%u: %s", path, number, (int)text.len, text.ptr, error.line, error.column,
                     error.text);
        } else {
            parsed++;
        }
        oxp_promql_expr_free(expr);
    }
    fclose(file);
    return parsed;
}

static void parses_the_corpus(void **state) {
    (void)state;
    const char *corpora = getenv("OXP_CORPORA");
    char path[1024];
    size_t parsed = 0, refused = 0;
    snprintf(path, sizeof path, "%s/promqltest", corpora == NULL ? "../shared/corpora" : corpora);
    DIR *folder = opendir(path);
    if (folder == NULL) {
        print_message("SKIPPED corpora: %s: no such folder (set OXP_CORPORA)\n", path);
        skip();
        return;
    }
    for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        size_t len = strlen(entry->d_name);
        char file[2048];
        if (len > 5 && strcmp(entry->d_name + len - 5, ".test") == 0) {
            snprintf(file, sizeof file, "%s/%s", path, entry->d_name);
            parsed += parse_file(file, &refused);
        }
    }
    closedir(folder);
    print_message("%zu expressions parsed, %zu refused by name\n", parsed, refused);
    assert_true(parsed > 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bounds_its_recursion),  cmocka_unit_test(bounds_the_text),
        cmocka_unit_test(takes_long_lists),      cmocka_unit_test(bounds_its_lists),
        cmocka_unit_test(reads_selectors_alone), cmocka_unit_test(survives_any_failing_allocation),
        cmocka_unit_test(parses_the_corpus),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
