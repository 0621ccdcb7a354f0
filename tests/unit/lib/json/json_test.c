#include "lib/json/json.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/buf.h"
#include "tests/support/alloc_fail.h"

static struct oxp_json *sample(enum oxp_status *status_out) {
    struct oxp_json *root = oxp_json_object(), *list = oxp_json_array();
    int status = OXP_OK;
    status |= (int)oxp_json_append(list, oxp_json_text(OXP_VIEW("q\"\\\n\x01")));
    status |= (int)oxp_json_append(list, oxp_json_number(0.1));
    status |= (int)oxp_json_append(list, oxp_json_number(NAN));
    status |= (int)oxp_json_append(list, oxp_json_number(1.7e9 + 0.123));
    status |= (int)oxp_json_set(root, "list", list);
    status |= (int)oxp_json_set(root, "n", oxp_json_count(9007199254740993U));
    status |= (int)oxp_json_set(root, "yes", oxp_json_bool(true));
    status |= (int)oxp_json_set(root, "no", oxp_json_bool(false));
    status |= (int)oxp_json_set(root, "empty", oxp_json_object());
    *status_out = (enum oxp_status)status;
    return root;
}

static void test_write(void **state) {
    (void)state;
    enum oxp_status status;
    struct oxp_json *root = sample(&status);
    char *text = NULL;
    size_t len = 0;
    assert_int_equal(status, OXP_OK);
    assert_int_equal(oxp_json_write(root, &text, &len), OXP_OK);
    assert_string_equal(text, "{\"list\":[\"q\\\"\\\\\\n\\u0001\",0.1,null,1700000000.123],\"n\":9007199254740993,"
                              "\"yes\":true,\"no\":false,\"empty\":{}}\n");
    assert_int_equal(len, strlen(text));
    free(text);
    oxp_json_free(root);
}

static void test_write_edges(void **state) {
    (void)state;
    struct oxp_json *object = oxp_json_object();
    assert_int_equal(oxp_json_set(object, "a", NULL), OXP_ERR_NOMEM);
    assert_int_equal(oxp_json_set(NULL, "a", oxp_json_bool(true)), OXP_ERR_NOMEM);
    assert_int_equal(oxp_json_append(object, oxp_json_bool(true)), OXP_ERR_INVALID);
    assert_int_equal(oxp_json_set(object, "a\xff", oxp_json_bool(true)), OXP_ERR_INVALID);
    assert_int_equal(oxp_json_set(object, "cut",
                                  oxp_json_text(OXP_VIEW("ab\xff"
                                                         "cd"))),
                     OXP_OK);
    assert_int_equal(oxp_json_set(object, "none", oxp_json_text(oxp_view_of(NULL, 0))), OXP_OK);
    assert_int_equal(oxp_json_set(object, "max", oxp_json_count(UINT64_MAX)), OXP_OK);
    char *text = NULL;
    size_t len = 0;
    assert_int_equal(oxp_json_write(object, &text, &len), OXP_OK);
    assert_string_equal(text, "{\"cut\":\"ab\",\"none\":\"\",\"max\":18446744073709552000}\n");
    free(text);
    assert_int_equal(oxp_json_write(NULL, &text, &len), OXP_ERR_NOMEM);
    oxp_json_free(object);
    oxp_json_free(NULL);
}

static void test_read(void **state) {
    (void)state;
    static const struct {
        const char *name, *text;
        bool good;
        unsigned line;
    } rows[] = {
        {"object", "{\"a\": [1, 2.5, \"x\", true, null]}", true, 0},
        {"scalar", "7", true, 0},
        {"empty", "", false, 1},
        {"cut", "{\"a\":", false, 1},
        {"second line", "{\n\"a\" 1}", false, 2},
        {"twice", "{\"a\":1,\"a\":2}", false, 1},
        {"bytes behind", "{} x", false, 1},
        {"bad utf-8", "\"\xff\"", false, 1},
        {"NUL", "\"\\u0000\"", false, 1},
        {"leading zero", "01", false, 1},
        {"NaN", "NaN", false, 1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct oxp_json *value = NULL;
        struct oxp_error error = {0};
        enum oxp_status status = oxp_json_read(oxp_view_from(rows[i].text), &value, &error);
        if ((status == OXP_OK) != rows[i].good ||
            (!rows[i].good && (status != OXP_ERR_SYNTAX || error.text[0] == '\0')) || error.line != rows[i].line) {
            fail_msg("%s: %s, line %u, %s", rows[i].name, oxp_status_name(status), error.line, error.text);
        }
        oxp_json_free(value);
    }
}

/* `depth` arrays, one in the other, the innermost holding a text full of brackets. */
static enum oxp_status read_nested(size_t depth) {
    struct oxp_buf text;
    struct oxp_json *value = NULL;
    oxp_buf_init(&text, 0);
    for (size_t i = 0; i < depth; i++) {
        oxp_buf_append_char(&text, '[');
    }
    oxp_buf_append_text(&text, "\"[[[[{{{{\\\"[[[[\"");
    for (size_t i = 0; i < depth; i++) {
        oxp_buf_append_char(&text, ']');
    }
    enum oxp_status status = oxp_json_read(oxp_buf_view(&text), &value, NULL);
    oxp_json_free(value);
    oxp_buf_fini(&text);
    return status;
}

static void test_depth(void **state) {
    (void)state;
    assert_int_equal(read_nested(1), OXP_OK);
    assert_int_equal(read_nested(64), OXP_OK);
    assert_int_equal(read_nested(65), OXP_ERR_SYNTAX);
    assert_int_equal(read_nested(100000), OXP_ERR_SYNTAX);
}

static void test_look(void **state) {
    (void)state;
    struct oxp_json *root = NULL;
    assert_int_equal(oxp_json_read(OXP_VIEW("{\"a\":[1,2.5,\"x\\u00e9\",true,null]}"), &root, NULL), OXP_OK);
    const struct oxp_json *list = oxp_json_get(root, "a");
    assert_int_equal(oxp_json_kind_of(root), OXP_JSON_OBJECT);
    assert_int_equal(oxp_json_kind_of(list), OXP_JSON_ARRAY);
    assert_int_equal(oxp_json_size(root), 1);
    assert_int_equal(oxp_json_size(list), 5);
    assert_true(oxp_json_number_of(oxp_json_at(list, 0)) == 1.0);
    assert_true(oxp_json_number_of(oxp_json_at(list, 1)) == 2.5);
    assert_true(oxp_view_is(oxp_json_text_of(oxp_json_at(list, 2)), "x\xc3\xa9"));
    assert_int_equal(oxp_json_kind_of(oxp_json_at(list, 2)), OXP_JSON_TEXT);
    assert_int_equal(oxp_json_kind_of(oxp_json_at(list, 1)), OXP_JSON_NUMBER);
    assert_true(oxp_json_bool_of(oxp_json_at(list, 3)));
    assert_int_equal(oxp_json_kind_of(oxp_json_at(list, 3)), OXP_JSON_BOOL);
    assert_int_equal(oxp_json_kind_of(oxp_json_at(list, 4)), OXP_JSON_NULL);
    /* What is not there. */
    assert_null(oxp_json_at(list, 5));
    assert_null(oxp_json_get(root, "b"));
    assert_null(oxp_json_get(NULL, "b"));
    assert_null(oxp_json_get(list, "b"));
    assert_int_equal(oxp_json_kind_of(NULL), OXP_JSON_NULL);
    assert_int_equal(oxp_json_size(NULL), 0);
    assert_true(isnan(oxp_json_number_of(NULL)));
    assert_int_equal(oxp_json_text_of(NULL).len, 0);
    assert_false(oxp_json_bool_of(NULL));
    oxp_json_free(root);
}

static void test_walk(void **state) {
    (void)state;
    static const char *const keys[] = {"z", "a", "m", ""};
    struct oxp_json *root = NULL;
    struct oxp_view key;
    void *place = NULL;
    size_t count = 0;
    assert_int_equal(oxp_json_read(OXP_VIEW("{\"z\":0,\"a\":1,\"m\":2,\"\":3}"), &root, NULL), OXP_OK);
    for (const struct oxp_json *value; (value = oxp_json_next(root, &place, &key)) != NULL; count++) {
        assert_true(count < 4 && oxp_view_is(key, keys[count]));
        assert_int_equal((int)oxp_json_number_of(value), (int)count);
    }
    assert_int_equal(count, 4);
    place = NULL;
    assert_null(oxp_json_next(oxp_json_get(root, "z"), &place, &key));
    place = NULL;
    assert_null(oxp_json_next(NULL, &place, &key));
    oxp_json_free(root);
}

/* What is ours allocates in oxp_json_write alone; jansson's own failures are its makers' NULLs, which test_write_edges
 * has. */
static void write_once(void *ctx) {
    enum oxp_status status;
    struct oxp_json *root = ctx;
    char *text = NULL;
    size_t len = 0;
    status = oxp_json_write(root, &text, &len);
    assert_true(status == OXP_OK || (status == OXP_ERR_NOMEM && alloc_fail_hit()));
    free(text);
}

static void test_no_memory(void **state) {
    (void)state;
    enum oxp_status status;
    struct oxp_json *root = sample(&status);
    assert_true(alloc_fail_each(write_once, root) >= 1);
    oxp_json_free(root);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_write),     cmocka_unit_test(test_write_edges), cmocka_unit_test(test_read),
        cmocka_unit_test(test_look),      cmocka_unit_test(test_walk),        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
