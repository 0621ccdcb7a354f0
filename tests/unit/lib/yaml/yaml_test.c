#include "lib/yaml/yaml.h"

#include "lib/base/buf.h"
#include "tests/support/alloc_fail.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A tree as one line: scalars as they are ('' when quoted), ~ for null, [a,b], {k:v}; with `places` each node is
 * followed by
 * @line:column and each key likewise. It recurses, which is well here: the trees of tests are small. */
/* NOLINTNEXTLINE(misc-no-recursion) */
static void dump(struct oxp_buf *out, const struct oxp_yaml_node *node, bool places) {
    bool mapping = node->kind == OXP_YAML_MAPPING;
    if (node->kind == OXP_YAML_SCALAR) {
        oxp_buf_append_text(out, node->quoted ? "'" : "");
        oxp_buf_append_view(out, node->text);
        oxp_buf_append_text(out, node->quoted ? "'" : "");
    } else if (node->kind == OXP_YAML_NULL) {
        oxp_buf_append_char(out, '~');
    } else {
        oxp_buf_append_char(out, mapping ? '{' : '[');
        for (const struct oxp_yaml_node *child = node->first; child != NULL; child = child->next) {
            oxp_buf_append_text(out, child == node->first ? "" : ",");
            if (mapping) {
                oxp_buf_append_view(out, child->key);
                if (places) {
                    oxp_buf_append_format(out, "@%u:%u", child->key_line, child->key_column);
                }
                oxp_buf_append_char(out, ':');
            }
            dump(out, child, places);
        }
        oxp_buf_append_char(out, mapping ? '}' : ']');
    }
    if (places) {
        oxp_buf_append_format(out, "@%u:%u", node->line, node->column);
    }
}

struct accept_row {
    const char *name;
    const char *text;
    const char *tree; /* NULL: no root */
    bool places;
};

/* clang-format off: one row a line */
static const struct accept_row accepted[] = {
    {"empty", "", NULL, false},
    {"only comments", "# nothing\n  # here\n", NULL, false},
    {"document mark without content", "---\n", "~", false},
    {"document marks", "---\na: b\n...\n", "{a:b}", false},
    {"directive", "%YAML 1.1\n---\na: b\n", "{a:b}", false},
    {"scalar root", "hello", "hello", false},
    {"sequence root", "- a\n- b\n", "[a,b]", false},
    {"byte order mark",
     "\xef\xbb\xbf"
     "a: b\n",
     "{a:b}", false},
    {"carriage returns", "a: b\r\nc: d\r\n", "{a:b,c:d}", false},
    {"no last newline", "a: b", "{a:b}", false},
    {"sections", "web:\n  listen_address: \":10108\"\nlog:\n  level: info\n",
     "{web:{listen_address:':10108'},log:{level:info}}", false},
    {"flow", "web: {a: 1, b: [x, y], c: {}}\nd: []\n", "{web:{a:1,b:[x,y],c:{}},d:[]}", false},
    {"nulls", "a:\nb: ~\nc: null\nd: Null\ne: NULL\n", "{a:~,b:~,c:~,d:~,e:~}", false},
    {"not nulls", "a: \"\"\nb: '~'\nc: \"null\"\nd: nULL\n", "{a:'',b:'~',c:'null',d:nULL}", false},
    {"words are not booleans here", "a: yes\nb: no\nc: on\nd: off\ne: true\n", "{a:yes,b:no,c:on,d:off,e:true}", false},
    {"numbers keep their text", "a: 0660\nb: 1e3\nc: 0x10\nd: 12:30:45\n", "{a:0660,b:1e3,c:0x10,d:12:30:45}", false},
    {"literal block", "a: |\n  one\n  two\nb: x\n", "{a:'one\ntwo\n',b:x}", false},
    {"folded block", "a: >-\n  one\n  two\n", "{a:'one two'}", false},
    {"escapes", "a: \"x\\ty\\u00e9\"\n", "{a:'x\ty\xc3\xa9'}", false},
    {"the same key in two mappings", "a: {k: 1}\nb: {k: 2}\n", "{a:{k:1},b:{k:2}}", false},
    {"the same key at two levels", "a: {a: {a: 1}}\n", "{a:{a:{a:1}}}", false},
    {"keys that differ in case", "a: 1\nA: 2\n", "{a:1,A:2}", false},
    {"quoted key", "\"a b\": 1\n'c': 2\n", "{a b:1,c:2}", false},
    {"list of mappings", "- a: 1\n  b: 2\n- a: 3\n", "[{a:1,b:2},{a:3}]", false},
    {"list of lists", "- - a\n  - b\n- - c\n", "[[a,b],[c]]", false},
    {"places", "web:\n  a: 1\n  b: [x, yy, z]\n", "{web@1:1:{a@2:3:1@2:6,b@3:3:[x@3:7,yy@3:10,z@3:14]@3:6}@2:3}@1:1",
     true},
    {"columns count characters", "\xc3\xa9\xc3\xa9: x\n", "{\xc3\xa9\xc3\xa9@1:1:x@1:5}@1:1", true},
    {"place of nothing", "a:\nb: 1\n", "{a@1:1:~@1:3,b@2:1:1@2:4}@1:1", true},
};

struct reject_row {
    const char *name;
    const char *text;
    unsigned line, column;
    const char *reason; /* part of the text */
};

static const struct reject_row rejected[] = {
    {"duplicate key", "a: 1\nb: 2\na: 3\n", 3, 1, "\"a\" stands twice; first on line 1"},
    {"duplicate key, one quoted", "a: 1\n\"a\": 2\n", 2, 1, "stands twice"},
    {"duplicate key in flow", "x: {k: 1, j: 2, k: 3}\n", 1, 17, "\"k\" stands twice"},
    {"duplicate key over a mapping", "a: {b: 1}\na: {c: 1}\n", 2, 1, "stands twice"},
    {"duplicate key over nothing", "a:\na:\n", 2, 1, "stands twice"},
    {"duplicate key with a control character", "\"a\\e\": 1\n\"a\\e\": 2\n", 2, 1, "\"a?\" stands twice"},
    {"mapping as key", "{a: 1}: b\n", 1, 1, "a key is a mapping"},
    {"list as key", "? [a, b]\n: c\n", 1, 3, "a key is a list"},
    {"empty key", "? \n: a\n", 1, 2, "a key is empty"},
    {"colon alone in flow", "{: a}\n", 1, 2, "did not find expected node content"},
    {"colon alone", ": a\n", 1, 1, "did not find expected key"},
    {"empty quoted key", "x:\n  \"\": a\n", 2, 3, "a key is empty"},
    {"anchor on a scalar", "a: &x 1\n", 1, 4, "anchors"},
    {"anchor on a mapping", "a: &x {b: 1}\n", 1, 4, "anchors"},
    {"anchor on a list", "a: &x [b]\n", 1, 4, "anchors"},
    {"anchor on a key", "&x a: 1\n", 1, 1, "anchors"},
    {"alias", "a: *x\n", 1, 4, "aliases"},
    {"alias as key", "*x : a\n", 1, 1, "aliases"},
    {"tag on a scalar", "a: !!str 1\n", 1, 4, "tags"},
    {"own tag", "a: !thing 1\n", 1, 4, "tags"},
    {"tag on a mapping", "a: !!map {b: 1}\n", 1, 4, "tags"},
    {"tag on a list", "a: !!seq [b]\n", 1, 4, "tags"},
    {"tag on a key", "!!str a: 1\n", 1, 1, "tags"},
    {"the tag that says no tag", "a: ! b\n", 1, 4, "tags"},
    {"two documents", "a: 1\n---\nb: 2\n", 2, 1, "second document"},
    {"two documents, first empty", "---\n---\n", 2, 1, "second document"},
    {"tab as indentation", "a:\n\tb: 1\n", 2, 1, "cannot start any token"},
    {"wrong indentation", "a: 1\n b: 2\n", 2, 3, "mapping values are not allowed"},
    {"open bracket", "a: [1, 2\n", 2, 1, "did not find"},
    {"open quote", "a: \"x\n", 2, 1, "unexpected end of stream"},
    {"unknown escape", "a: \"\\q\"\n", 1, 5, "unknown escape"},
    {"text behind a list", "a: [1] 2\n", 1, 8, "did not find expected key"},
    {"at sign", "a: @b\n", 1, 4, "cannot start any token"},
    {"control character", "a: 1\nb: x\x01y\n", 2, 5, "control characters"},
    {"not UTF-8", "a: 1\nb: \xc3\xa9 \xff\n", 2, 6, "not UTF-8"},
    {"overlong UTF-8", "a: \xc0\xaf\n", 1, 4, "not UTF-8"},
    {"surrogate", "\xed\xa0\x80: 1\n", 1, 1, "not UTF-8"},
    {"UTF-16 byte order mark",
     "\xff\xfe"
     "a",
     1, 1, "not UTF-8"},
};
/* clang-format on */

static void test_accepted(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof accepted / sizeof accepted[0]; i++) {
        const struct accept_row *row = &accepted[i];
        struct oxp_yaml *yaml;
        const struct oxp_yaml_node *root;
        struct oxp_error error = {0};
        enum oxp_status status = oxp_yaml_parse(oxp_view_from(row->text), &yaml, &root, &error);
        if (status != OXP_OK) {
            fail_msg("%s: refused: %u:%u: %s", row->name, error.line, error.column, error.text);
        }
        struct oxp_buf out;
        oxp_buf_init(&out, 0);
        if (root != NULL) {
            dump(&out, root, row->places);
        }
        if ((root == NULL) != (row->tree == NULL) || (root != NULL && strcmp(oxp_buf_text(&out), row->tree) != 0)) {
            fail_msg("%s: got %s, expected %s", row->name, root == NULL ? "no root" : oxp_buf_text(&out),
                     row->tree == NULL ? "no root" : row->tree);
        }
        oxp_buf_fini(&out);
        oxp_yaml_free(yaml);
    }
}

static void test_rejected(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof rejected / sizeof rejected[0]; i++) {
        const struct reject_row *row = &rejected[i];
        struct oxp_yaml *yaml;
        const struct oxp_yaml_node *root;
        struct oxp_error error = {0};
        enum oxp_status status = oxp_yaml_parse(oxp_view_from(row->text), &yaml, &root, &error);
        if (status != OXP_ERR_SYNTAX || error.line != row->line || error.column != row->column ||
            strstr(error.text, row->reason) == NULL) {
            fail_msg("%s: got %s at %u:%u \"%s\", expected %u:%u \"%s\"", row->name, oxp_status_name(status),
                     error.line, error.column, error.text, row->line, row->column, row->reason);
        }
        assert_null(yaml);
        assert_null(root);
    }
}

/* `depth` lists inside each other. */
static enum oxp_status parse_nested(size_t depth, const char *open, struct oxp_error *error) {
    struct oxp_buf text;
    oxp_buf_init(&text, 0);
    for (size_t i = 0; i < depth; i++) {
        oxp_buf_append_text(&text, open);
    }
    oxp_buf_append_char(&text, 'x');
    for (size_t i = 0; i < depth && open[0] == '['; i++) {
        oxp_buf_append_char(&text, ']');
    }
    struct oxp_yaml *yaml;
    const struct oxp_yaml_node *root;
    enum oxp_status status = oxp_yaml_parse(oxp_buf_view(&text), &yaml, &root, error);
    oxp_yaml_free(yaml);
    oxp_buf_fini(&text);
    return status;
}

static void test_depth(void **state) {
    (void)state;
    struct oxp_error error = {0};
    assert_int_equal(parse_nested(OXP_YAML_DEPTH, "[", &error), OXP_OK);
    assert_int_equal(parse_nested(OXP_YAML_DEPTH + 1, "[", &error), OXP_ERR_SYNTAX);
    assert_string_equal(error.text, "nested too deeply");
    assert_int_equal(error.column, OXP_YAML_DEPTH + 1);
    assert_int_equal(parse_nested(OXP_YAML_DEPTH, "- ", &error), OXP_OK);
    assert_int_equal(parse_nested(OXP_YAML_DEPTH + 1, "- ", &error), OXP_ERR_SYNTAX);
    assert_int_equal(parse_nested(400000, "[", &error), OXP_ERR_SYNTAX);
}

static void test_size(void **state) {
    (void)state;
    char *text = malloc(OXP_YAML_MAX + 1);
    assert_non_null(text);
    memset(text, '#', OXP_YAML_MAX + 1);
    struct oxp_yaml *yaml;
    const struct oxp_yaml_node *root;
    struct oxp_error error = {0};
    assert_int_equal(oxp_yaml_parse(oxp_view_of(text, OXP_YAML_MAX), &yaml, &root, &error), OXP_OK);
    oxp_yaml_free(yaml);
    assert_int_equal(oxp_yaml_parse(oxp_view_of(text, OXP_YAML_MAX + 1), &yaml, &root, &error), OXP_ERR_LIMIT);
    assert_string_equal(error.text, "1048577 bytes is too large; the most is 1048576");
    free(text);
}

/* A hundred thousand keys must not cost their square: the test's deadline would see it. */
static void test_many_keys(void **state) {
    (void)state;
    enum { KEYS = 100000 };
    struct oxp_buf text;
    oxp_buf_init(&text, 0);
    for (unsigned i = 0; i < KEYS; i++) {
        oxp_buf_append_format(&text, "k%u: 1\n", i);
    }
    oxp_buf_append_text(&text, "k77: 2\n");
    struct oxp_yaml *yaml;
    const struct oxp_yaml_node *root;
    struct oxp_error error = {0};
    struct oxp_view without = oxp_view_of(text.data, text.len - strlen("k77: 2\n"));
    assert_true(text.len <= OXP_YAML_MAX);
    assert_int_equal(oxp_yaml_parse(without, &yaml, &root, &error), OXP_OK);
    size_t seen = 0;
    for (const struct oxp_yaml_node *node = root->first; node != NULL; node = node->next) {
        seen++;
    }
    assert_int_equal(seen, KEYS);
    oxp_yaml_free(yaml);
    assert_int_equal(oxp_yaml_parse(oxp_buf_view(&text), &yaml, &root, &error), OXP_ERR_SYNTAX);
    assert_int_equal(error.line, KEYS + 1);
    oxp_buf_fini(&text);
}

static void test_long_scalar(void **state) {
    (void)state;
    /* longer than one chunk of the arena */
    enum { LONG = 50000 };
    char *text = malloc(LONG);
    assert_non_null(text);
    memset(text, 'x', LONG);
    text[0] = 'a';
    text[1] = ':';
    text[2] = ' ';
    struct oxp_yaml *yaml;
    const struct oxp_yaml_node *root;
    assert_int_equal(oxp_yaml_parse(oxp_view_of(text, LONG), &yaml, &root, NULL), OXP_OK);
    assert_int_equal(root->first->text.len, LONG - 3);
    oxp_yaml_free(yaml);
    free(text);
}

static void parse_once(void *ctx) {
    const char *text = ctx;
    struct oxp_yaml *yaml;
    const struct oxp_yaml_node *root;
    struct oxp_error error = {0};
    enum oxp_status status = oxp_yaml_parse(oxp_view_from(text), &yaml, &root, &error);
    if (alloc_fail_hit()) {
        assert_int_equal(status, OXP_ERR_NOMEM);
        assert_null(yaml);
        assert_string_equal(error.text, "out of memory");
    } else {
        assert_int_equal(status, OXP_OK);
    }
    oxp_yaml_free(yaml);
}

static void test_no_memory(void **state) {
    (void)state;
    static const char text[] = "a: {b: [c, {d: e}], f: g}\nh: |\n  i\nj: [k, l, {m: n}]\n";
    /* the document, its chunk, and the key maps of four mappings */
    assert_true(alloc_fail_each(parse_once, (void *)(uintptr_t)text) >= 6);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accepted),  cmocka_unit_test(test_rejected),  cmocka_unit_test(test_depth),
        cmocka_unit_test(test_size),      cmocka_unit_test(test_many_keys), cmocka_unit_test(test_long_scalar),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
