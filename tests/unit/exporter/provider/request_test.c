#include "exporter/provider/request.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define ID127                                                                                                          \
    "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"             \
    "012345678901234567890123456"

static void ids(void **state) {
    (void)state;
    static const struct {
        struct oxp_view id;
        bool valid;
    } rows[] = {
        {OXP_VIEW("3e4a1bfa-8d2f-4c55-9a11-2b4de7e2f001"), true},
        {OXP_VIEW("a"), true},
        {OXP_VIEW("s.1_2-3"), true},
        {OXP_VIEW(ID127), true},
        {OXP_VIEW(ID127 "7"), false},
        {OXP_VIEW(""), false},
        {OXP_VIEW("."), false},
        {OXP_VIEW(".."), false},
        {OXP_VIEW("-a"), false},
        {OXP_VIEW("a/b"), false},
        {OXP_VIEW("a?b"), false},
        {OXP_VIEW("a b"), false},
        {OXP_VIEW("a%2e"), false},
        {OXP_VIEW("a\0b"), false},
        {OXP_VIEW("\xc3\xa4"), false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (oxp_provider_id_is_valid(rows[i].id) != rows[i].valid) {
            fail_msg("row %zu", i);
        }
    }
}

static void tags(void **state) {
    (void)state;
    static const struct {
        const char *text, *key, *value, *error;
    } rows[] = {
        {"", "", "", NULL},
        {"service=collector", "service", "collector", NULL},
        {"a=b=c", "a", "b=c", NULL},
        {"team name=\xc3\xa4 b", "team name", "\xc3\xa4 b", NULL},
        {"service", NULL, NULL, "KEY=VALUE"},
        {"=collector", NULL, NULL, "KEY=VALUE"},
        {"service=", NULL, NULL, "KEY=VALUE"},
        {"=", NULL, NULL, "KEY=VALUE"},
        {"a=b'c", NULL, NULL, "byte 4"},
        {"a\"=b", NULL, NULL, "byte 2"},
        {"a=b\\", NULL, NULL, "byte 4"},
        {"a=b\n", NULL, NULL, "byte 4"},
        {"a=\x7f", NULL, NULL, "byte 3"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct oxp_provider_tag tag;
        struct oxp_error error = {0};
        enum oxp_status status = oxp_provider_tag_read(oxp_view_from(rows[i].text), &tag, &error);
        if (rows[i].error == NULL) {
            assert_int_equal(status, OXP_OK);
            assert_string_equal(tag.key, rows[i].key);
            assert_string_equal(tag.value, rows[i].value);
        } else if (status != OXP_ERR_INVALID || strstr(error.text, rows[i].error) == NULL) {
            fail_msg("%s: %s", rows[i].text, error.text);
        }
    }
    char text[OXP_PROVIDER_TAG_MAX + 1];
    struct oxp_provider_tag tag;
    memset(text, 'x', sizeof text);
    text[1] = '=';
    assert_int_equal(oxp_provider_tag_read(oxp_view_of(text, OXP_PROVIDER_TAG_MAX), &tag, NULL), OXP_OK);
    assert_int_equal(strlen(tag.value), OXP_PROVIDER_TAG_MAX - 2);
    assert_int_equal(oxp_provider_tag_read(oxp_view_of(text, sizeof text), &tag, NULL), OXP_ERR_INVALID);
}

static void keys(void **state) {
    (void)state;
    char longest[OXP_PROVIDER_KEY_SIZE];
    memset(longest, 'k', sizeof longest);
    const struct {
        struct oxp_view text;
        struct oxp_view key; /* empty = refused */
    } rows[] = {
        {OXP_VIEW("bb_live_abc"), OXP_VIEW("bb_live_abc")},
        {OXP_VIEW("bb_live_abc\n"), OXP_VIEW("bb_live_abc")},
        {OXP_VIEW("bb_live_abc \t\r\n\n"), OXP_VIEW("bb_live_abc")},
        {oxp_view_of(longest, sizeof longest - 1), oxp_view_of(longest, sizeof longest - 1)},
        {oxp_view_of(longest, sizeof longest), OXP_VIEW("")},
        {OXP_VIEW(""), OXP_VIEW("")},
        {OXP_VIEW(" \n"), OXP_VIEW("")},
        {OXP_VIEW("a b"), OXP_VIEW("")},
        {OXP_VIEW(" a"), OXP_VIEW("")},
        {OXP_VIEW("a\r\nX-Other: b"), OXP_VIEW("")},
        {OXP_VIEW("a\0b"), OXP_VIEW("")},
        {OXP_VIEW("a\0"), OXP_VIEW("")},
        {OXP_VIEW("\xc3\xa4"), OXP_VIEW("")},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char key[OXP_PROVIDER_KEY_SIZE];
        struct oxp_error error = {0};
        enum oxp_status status = oxp_provider_key_read(rows[i].text, key, &error);
        if (status != (rows[i].key.len == 0 ? OXP_ERR_INVALID : OXP_OK) || !oxp_view_is(rows[i].key, key)) {
            fail_msg("row %zu: %d %s", i, (int)status, error.text);
        }
        assert_true(status == OXP_OK || error.text[0] != '\0');
        assert_null(strstr(error.text, "X-Other"));
    }
}

static void urls(void **state) {
    (void)state;
    static const struct {
        const char *base;
        enum oxp_provider_question question;
        const char *id, *url;
    } rows[] = {
        {"https://h", OXP_ASK_PENDING, "", "https://h/v1/sessions?status=PENDING"},
        {"https://h/", OXP_ASK_RUNNING, "", "https://h/v1/sessions?status=RUNNING"},
        {"http://h:1/a/b//", OXP_ASK_PROJECT, "p-1", "http://h:1/a/b/v1/projects/p-1"},
        {"https://h", OXP_ASK_PROJECT_USAGE, "p-1", "https://h/v1/projects/p-1/usage"},
        {"https://h", OXP_ASK_SESSION, "s_1.2", "https://h/v1/sessions/s_1.2"},
        {"https://h", OXP_ASK_SESSION, "a/b?c", "https://h/v1/sessions/a%2Fb%3Fc"},
        {"https://h", OXP_ASK_RELEASE, "s1", "https://h/v1/sessions/s1"},
    };
    struct oxp_buf out;
    oxp_buf_init(&out, 0);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        oxp_buf_clear(&out);
        oxp_provider_url(&out, oxp_view_from(rows[i].base), rows[i].question, oxp_view_from(rows[i].id));
        assert_string_equal(oxp_buf_text(&out), rows[i].url);
    }
    static const struct {
        const char *tag, *url;
    } tagged[] = {
        {"service=collector",
         "https://h/v1/sessions?status=PENDING&q=user_metadata%5B%27service%27%5D%3A%27collector%27"},
        {"a b=\xc3\xa4&c=d%", "https://h/v1/sessions?status=PENDING&q=user_metadata%5B%27a%20b%27%5D%3A%27%C3%A4%26c"
                              "%3Dd%25%27"},
    };
    for (size_t i = 0; i < sizeof tagged / sizeof tagged[0]; i++) {
        struct oxp_provider_tag tag;
        assert_int_equal(oxp_provider_tag_read(oxp_view_from(tagged[i].tag), &tag, NULL), OXP_OK);
        oxp_buf_clear(&out);
        oxp_provider_url_tagged(&out, OXP_VIEW("https://h/"), OXP_ASK_PENDING_OURS, &tag);
        assert_string_equal(oxp_buf_text(&out), tagged[i].url);
    }
    oxp_buf_fini(&out);
}

static void bodies(void **state) {
    (void)state;
    struct oxp_buf out;
    oxp_buf_init(&out, 0);
    oxp_provider_release_body(&out, OXP_VIEW(""));
    assert_string_equal(oxp_buf_text(&out), "{\"status\":\"REQUEST_RELEASE\"}");
    oxp_buf_clear(&out);
    oxp_provider_release_body(&out, OXP_VIEW("p\"1"));
    assert_string_equal(oxp_buf_text(&out), "{\"projectId\":\"p\\\"1\",\"status\":\"REQUEST_RELEASE\"}");
    oxp_buf_fini(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids),  cmocka_unit_test(tags),   cmocka_unit_test(keys),
        cmocka_unit_test(urls), cmocka_unit_test(bodies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
