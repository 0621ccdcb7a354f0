/* Times, XML and forms as AWS writes them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "alerts/aws/parts.h"

static void times(void **state) {
    (void)state;
    char stamp[17];
    oxp_aws_time_format(INT64_C(1795359600999), stamp);
    assert_string_equal(stamp, "20261122T150000Z");
}

static void xml(void **state) {
    (void)state;
    static const struct {
        const char *xml, *name, *text;
    } rows[] = {
        {"<A><Code>X</Code></A>", "Code", "X"},
        {"<A xmlns=\"u\"><Codes>no</Codes><Code>X</Code></A>", "Code", "X"},
        {"<A><Code k=\"v\"> X\n</Code></A>", "Code", "X"},
        {"<M>a &lt;b&gt; &amp;amp; &quot;c&quot; &apos;&#39;</M>", "M", "a <b> &amp; \"c\" ''"},
        {"<M>&unknown; &</M>", "M", "&unknown; &"},
        {"<A><Code/></A>", "Code", ""},
        {"<A><Code></Code></A>", "Code", ""},
        {"<A></A>", "Code", ""},
        {"<Code", "Code", ""},
        {"<Code>", "Code", ""},
        {"<Code>cut", "Code", "cut"},
        {"no markup", "Code", ""},
        {"", "Code", ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct oxp_arena arena;
        oxp_arena_init(&arena, 0);
        struct oxp_view text = oxp_aws_xml_text(oxp_view_from(rows[i].xml), rows[i].name, &arena);
        if (!oxp_view_is(text, rows[i].text)) {
            print_error("%s: \"%.*s\"\n", rows[i].xml, (int)text.len, text.ptr);
            fail();
        }
        oxp_arena_fini(&arena);
    }
}

static void forms(void **state) {
    (void)state;
    struct oxp_buf form;
    oxp_buf_init(&form, 0);
    oxp_aws_form_add(&form, "Action", OXP_VIEW("Publish"));
    oxp_aws_form_add(&form, "Message", OXP_VIEW(" a b&c=d+\xc3\xa4~/%\n"));
    oxp_aws_form_add(&form, "Empty", OXP_VIEW(""));
    assert_string_equal(oxp_buf_text(&form), "Action=Publish&Message=+a+b%26c%3Dd%2B%C3%A4~%2F%25%0A&Empty=");
    oxp_buf_fini(&form);
}

static void foreign_texts(void **state) {
    (void)state;
    char out[161], text[400];
    assert_string_equal(oxp_aws_safe(OXP_VIEW("two\nlines"), out), "two lines");
    assert_null(strstr(oxp_aws_safe(OXP_VIEW("key AKIAIOSFODNN7EXAMPLE"), out), "IOSFODNN7"));
    memset(text, 'a', sizeof text);
    assert_int_equal(strlen(oxp_aws_safe(oxp_view_of(text, sizeof text), out)), 160);
    assert_string_equal(oxp_aws_safe(oxp_view_of(NULL, 0), out), "");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times),
        cmocka_unit_test(xml),
        cmocka_unit_test(forms),
        cmocka_unit_test(foreign_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
