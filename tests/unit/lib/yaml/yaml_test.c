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
/* With aliases, tags and further documents. */
static const struct accept_row accepted_with[] = {
    {"an alias of a scalar", "a: &x 1\nb: *x\n", "{a:1,b:1}", false},
    {"an alias keeps the quotes", "a: &x '1'\nb: *x\n", "{a:'1',b:'1'}", false},
    {"an alias of a block", "a: &x |\n  one\nb: *x\n", "{a:'one\n',b:'one\n'}", false},
    {"an alias of nothing", "a: &x\nb: *x\n", "{a:~,b:~}", false},
    {"an alias of a mapping", "a: &x {k: 1}\nb: *x\n", "{a:{k:1},b:{k:1}}", false},
    {"an alias of a list", "a: &x [1, 2]\nb: [*x, *x]\n", "{a:[1,2],b:[[1,2],[1,2]]}", false},
    {"an anchor within an anchor", "a: &x {k: &y 1}\nb: *y\nc: *x\n", "{a:{k:1},b:1,c:{k:1}}", false},
    {"an anchor that is used at once", "- &x 1\n- *x\n- *x\n", "[1,1,1]", false},
    {"the last anchor of a name counts", "- &x 1\n- *x\n- &x 2\n- *x\n", "[1,1,2,2]", false},
    {"an anchor on the root", "&x {a: 1}\n", "{a:1}", false},
    {"an anchor on a key", "&x a: 1\nb: *x\n", "{a:1,b:a}", false},
    {"an alias as a key", "- &x a\n- {*x : 1}\n", "[a,{a:1}]", false},
    {"places", "a: &x {k: 1}\nb: *x\n", "{a@1:1:{k@1:8:1@1:11}@1:4,b@2:1:{k@1:8:1@1:11}@2:4}@1:1", true},
    {"merge", "- &x {a: 1, b: 2}\n- {<<: *x, b: 3, c: 4}\n", "[{a:1,b:2},{b:3,c:4,a:1}]", false},
    {"merge wherever it stands", "- &x {a: 1, b: 2}\n- b: 3\n  <<: *x\n", "[{a:1,b:2},{b:3,a:1}]", false},
    {"merge of a list: the first wins", "- &x {a: 1}\n- &y {a: 2, b: 2}\n- {<<: [*x, *y]}\n",
     "[{a:1},{a:2,b:2},{a:1,b:2}]", false},
    {"merge of what stands there", "{<<: {a: 1}, b: 2}\n", "{b:2,a:1}", false},
    {"merge of what has merged", "- &x {a: 1}\n- &y {<<: *x, b: 2}\n- {<<: *y, c: 3}\n",
     "[{a:1},{b:2,a:1},{c:3,b:2,a:1}]", false},
    {"merge of an empty list", "{<<: [], a: 1}\n", "{a:1}", false},
    {"a quoted merge key is a key", "\"<<\": {a: 1}\n", "{<<:{a:1}}", false},
    {"tags", "!!map {a: !!str 1, b: ! 2, c: !!seq [x], d: !!str , e: ! {}}\n", "{a:'1',b:'2',c:[x],d:'',e:{}}", false},
    {"a tag and an anchor", "[&x !!str 1, !!str &y 2, *x, *y]\n", "['1','2','1','2']", false},
    {"a second document", "a: 1\n---\nb: 2\n", "{a:1}", false},
    {"what is behind the first document may be malformed", "a: 1\n---\n[\n", "{a:1}", false},
    {"a document that ends", "a: 1\n...\n", "{a:1}", false},
};

static const struct reject_row rejected_with[] = {
    {"an alias of nothing", "a: *x\n", 1, 4, "no anchor that stands before it"},
    {"an alias before its anchor", "a: *x\nb: &x 1\n", 1, 4, "no anchor"},
    {"an anchor that contains itself", "a: &x [1, *x]\n", 1, 11, "contains itself"},
    {"an anchor that contains itself further down", "&x {a: {b: [*x]}}\n", 1, 13, "contains itself"},
    {"an anchor that merges itself", "&x {<<: *x}\n", 1, 9, "contains itself"},
    {"a mapping as key", "- &x {a: 1}\n- {*x : 1}\n", 2, 4, "a key is a mapping"},
    {"a list as key", "- &x [a]\n- {*x : 1}\n", 2, 4, "a key is a list"},
    {"a key twice by its alias", "- &x a\n- {a: 1, *x : 2}\n", 2, 10, "\"a\" stands twice"},
    {"two merge keys", "- &x {a: 1}\n- {<<: *x, <<: *x}\n", 2, 12, "\"<<\" stands twice"},
    {"merge of text", "{<<: a}\n", 1, 6, "what << merges"},
    {"merge of nothing", "a:\n  <<:\n", 2, 6, "what << merges"},
    {"merge of a list of text", "{<<: [{}, a]}\n", 1, 11, "what << merges"},
    {"merge of an alias of text", "- &x a\n- {<<: *x}\n", 2, 8, "what << merges"},
    {"a tag that would turn text into a number", "a: !!int 1\n", 1, 4, "no other tags"},
    {"a tag of another kind", "a: !!map [1]\n", 1, 4, "no other tags"},
    {"bytes", "a: !!binary aGk=\n", 1, 4, "no other tags"},
    {"an own tag", "a: !thing 1\n", 1, 4, "no other tags"},
    {"malformed within the first document", "a: [\n---\n", 2, 1, "expected"},
};
/* clang-format on */

#define ALL_OPTIONS (OXP_YAML_ALIASES | OXP_YAML_TAGS | OXP_YAML_FIRST_DOCUMENT)

static void check_accepted(const struct accept_row *row, unsigned options) {
    struct oxp_yaml *yaml;
    const struct oxp_yaml_node *root;
    struct oxp_error error = {0};
    enum oxp_status status = oxp_yaml_parse_with(oxp_view_from(row->text), options, &yaml, &root, &error);
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

static void check_rejected(const struct reject_row *row, unsigned options) {
    struct oxp_yaml *yaml;
    const struct oxp_yaml_node *root;
    struct oxp_error error = {0};
    enum oxp_status status = oxp_yaml_parse_with(oxp_view_from(row->text), options, &yaml, &root, &error);
    if (status != OXP_ERR_SYNTAX || error.line != row->line || error.column != row->column ||
        strstr(error.text, row->reason) == NULL) {
        fail_msg("%s: got %s at %u:%u \"%s\", expected %u:%u \"%s\"", row->name, oxp_status_name(status), error.line,
                 error.column, error.text, row->line, row->column, row->reason);
    }
    assert_null(yaml);
    assert_null(root);
}

static void test_accepted(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof accepted / sizeof accepted[0]; i++) {
        check_accepted(&accepted[i], 0);
        check_accepted(&accepted[i], ALL_OPTIONS);
    }
}

static void test_rejected(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof rejected / sizeof rejected[0]; i++) {
        check_rejected(&rejected[i], 0);
    }
}

static void test_accepted_with(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof accepted_with / sizeof accepted_with[0]; i++) {
        check_accepted(&accepted_with[i], ALL_OPTIONS);
    }
}

static void test_rejected_with(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof rejected_with / sizeof rejected_with[0]; i++) {
        check_rejected(&rejected_with[i], ALL_OPTIONS);
    }
}

/* Whether there is more behind the first document. */
static void test_more(void **state) {
    static const struct {
        const char *text;
        bool more;
    } rows[] = {
        {"", false},
        {"a: 1\n", false},
        {"---\na: 1\n...\n", false},
        {"a: 1\n...\n# nothing\n", false},
        {"a: 1\n---\n", true},
        {"a: 1\n---\nb: 2\n", true},
        {"a: 1\n...\n@\n", true},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct oxp_yaml *yaml;
        const struct oxp_yaml_node *root;
        assert_int_equal(oxp_yaml_parse_with(oxp_view_from(rows[i].text), ALL_OPTIONS, &yaml, &root, NULL), OXP_OK);
        if (oxp_yaml_more(yaml) != rows[i].more) {
            fail_msg("%s: %d", rows[i].text, oxp_yaml_more(yaml));
        }
        oxp_yaml_free(yaml);
    }
}

/* Where an alias stands, and where its text does. */
static void test_alias_places(void **state) {
    (void)state;
    struct oxp_yaml *yaml;
    const struct oxp_yaml_node *root;
    assert_int_equal(oxp_yaml_parse_with(OXP_VIEW("a: &x 1\nb: *x\n"), ALL_OPTIONS, &yaml, &root, NULL), OXP_OK);
    const struct oxp_yaml_node *a = root->first, *b = a->next;
    assert_int_equal(a->text_line, 1);
    assert_int_equal(a->text_column, 4);
    assert_int_equal(b->line, 2);
    assert_int_equal(b->column, 4);
    assert_int_equal(b->text_line, 1);
    assert_int_equal(b->text_column, 4);
    oxp_yaml_free(yaml);
}

/* Each line names the one before twice: `lines` of them would be 2^lines nodes. */
static enum oxp_status parse_laughs(unsigned lines, const char *open, const char *between, const char *close,
                                    struct oxp_error *error) {
    struct oxp_buf text;
    oxp_buf_init(&text, 0);
    oxp_buf_append_text(&text, "- &a0 {k: 1}\n");
    for (unsigned i = 1; i <= lines; i++) {
        oxp_buf_append_format(&text, "- &a%u %s*a%u%s*a%u%s\n", i, open, i - 1, between, i - 1, close);
    }
    struct oxp_yaml *yaml;
    const struct oxp_yaml_node *root;
    enum oxp_status status = oxp_yaml_parse_with(oxp_buf_view(&text), ALL_OPTIONS, &yaml, &root, error);
    oxp_yaml_free(yaml);
    oxp_buf_fini(&text);
    return status;
}

static void test_laughs(void **state) {
    (void)state;
    struct oxp_error error = {0};
    assert_int_equal(parse_laughs(14, "[", ", ", "]", &error), OXP_OK);
    assert_int_equal(parse_laughs(25, "[", ", ", "]", &error), OXP_ERR_SYNTAX);
    assert_string_equal(error.text, "aliases make the document too large");
    assert_int_equal(parse_laughs(1000, "{<<: [", ", ", "]}", &error), OXP_ERR_SYNTAX);
    assert_string_equal(error.text, "aliases make the document too large");
    /* as deep as it may be, by aliases: the root, 30 lists and the mapping are 32 */
    struct oxp_buf text;
    oxp_buf_init(&text, 0);
    oxp_buf_append_text(&text, "- &a0 {k: 1}\n");
    for (unsigned i = 1; i < 31; i++) {
        oxp_buf_append_format(&text, "- &a%u [*a%u]\n", i, i - 1);
    }
    struct oxp_yaml *yaml;
    const struct oxp_yaml_node *root;
    assert_int_equal(oxp_yaml_parse_with(oxp_buf_view(&text), ALL_OPTIONS, &yaml, &root, &error), OXP_OK);
    oxp_yaml_free(yaml);
    oxp_buf_append_text(&text, "- [*a30]\n");
    assert_int_equal(oxp_yaml_parse_with(oxp_buf_view(&text), ALL_OPTIONS, &yaml, &root, &error), OXP_ERR_SYNTAX);
    assert_string_equal(error.text, "nested too deeply");
    oxp_buf_fini(&text);
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
    enum oxp_status status = oxp_yaml_parse_with(oxp_view_from(text), ALL_OPTIONS, &yaml, &root, &error);
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
    static const char text[] = "a: {b: [c, {d: e}], f: g}\nh: |\n  i\nj: [k, l, {m: n}]\n"
                               "o: &x {p: &y q}\n&z r: *x\ns: {<<: [*x, {t: *y}], *z : u}\n";
    /* the document, its chunk, the key maps of seven mappings, and that of the anchors */
    assert_true(alloc_fail_each(parse_once, (void *)(uintptr_t)text) >= 10);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accepted),      cmocka_unit_test(test_rejected),      cmocka_unit_test(test_depth),
        cmocka_unit_test(test_size),          cmocka_unit_test(test_many_keys),     cmocka_unit_test(test_long_scalar),
        cmocka_unit_test(test_accepted_with), cmocka_unit_test(test_rejected_with), cmocka_unit_test(test_more),
        cmocka_unit_test(test_alias_places),  cmocka_unit_test(test_laughs),        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
