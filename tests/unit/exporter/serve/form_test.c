/* Forms: what Go's url.ParseQuery makes of the same text. */
#include "exporter/serve/form.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/support/alloc_fail.h"

static const struct {
    const char *name, *text;
    const char *fields; /* "name=value" of each, joined by bars */
} rows[] = {
    {"one", "query=up", "query=up"},
    {"plus and percent", "query=1+%2B+1&time=1%2e5", "query=1 + 1|time=1.5"},
    {"small and large hex", "a=%e2%82%AC", "a=\xe2\x82\xac"},
    {"repeated", "match%5B%5D=a&match[]=b", "match[]=a|match[]=b"},
    {"a name is decoded, too", "a%3Db=c+d&e+f=", "a=b=c d|e f="},
    {"without value", "a&b=&=c", "a=|b=|=c"},
    {"later equal signs", "a=b=c", "a=b=c"},
    {"empty pairs", "&&a=1&&b=2&", "a=1|b=2"},
    {"nothing", "", ""},
    {"only ampersands", "&&&", ""},
    {"line ends are values", "a=1%0A2", "a=1\n2"},
    /* left out */
    {"broken escape", "a=%zz&b=1", "b=1"},
    {"cut escape", "a=%4&b=1&c=%", "b=1"},
    {"broken escape in a name", "%g0=1&b=1", "b=1"},
    {"semicolon", "a=1;b=2&c=3", "c=3"},
};

static void test_rows(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct oxp_form form;
        char *seen = NULL;
        size_t len = 0;
        /* from the heap, so that a sanitizer sees a read past its end */
        size_t size = strlen(rows[i].text);
        char *text = malloc(size + 1);
        memcpy(text, rows[i].text, size);
        char *exact = realloc(text, size == 0 ? 1 : size);
        assert_int_equal(oxp_form_read(oxp_view_of(exact, size), 100, &form), OXP_OK);
        free(exact);
        FILE *out = open_memstream(&seen, &len);
        for (size_t f = 0; f < form.count; f++) {
            fprintf(out, "%s%.*s=%.*s", f > 0 ? "|" : "", (int)form.fields[f].name.len, form.fields[f].name.ptr,
                    (int)form.fields[f].value.len, form.fields[f].value.ptr);
        }
        fclose(out);
        if (strcmp(seen, rows[i].fields) != 0) {
            fail_msg("%s: %s", rows[i].name, seen);
        }
        free(seen);
        oxp_form_fini(&form);
    }
}

static void test_nul(void **state) {
    (void)state;
    struct oxp_form form;
    assert_int_equal(oxp_form_read(OXP_VIEW("a=x%00y"), 1, &form), OXP_OK);
    assert_true(oxp_view_equal(form.fields[0].value, oxp_view_of("x\0y", 3)));
    oxp_form_fini(&form);
}

static void test_limit(void **state) {
    (void)state;
    struct oxp_form form;
    assert_int_equal(oxp_form_read(OXP_VIEW("a=1&b=2&c=3"), 3, &form), OXP_OK);
    oxp_form_fini(&form);
    assert_int_equal(oxp_form_read(OXP_VIEW("a=1&b=2&c=3"), 2, &form), OXP_ERR_LIMIT);
    assert_int_equal(form.count, 0);
}

static void read_once(void *ctx) {
    (void)ctx;
    struct oxp_form form;
    enum oxp_status status = oxp_form_read(OXP_VIEW("a=1&b=2"), 10, &form);
    assert_true(status == OXP_OK || (status == OXP_ERR_NOMEM && alloc_fail_hit() && form.fields == NULL));
    oxp_form_fini(&form);
}

static void test_no_memory(void **state) {
    (void)state;
    assert_int_equal(alloc_fail_each(read_once, NULL), 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_nul),
        cmocka_unit_test(test_limit),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
