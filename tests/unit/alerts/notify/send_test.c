/* The request of a message: address and secrets from the configuration, from files as they are now; never from the
 * message. */
#include "alerts/notify/settings.h"
#include "tests/unit/alerts/notify/world.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct asked {
    struct oxp_arena arena;
    enum oxp_status status;
    struct oxp_http_request request;
    struct oxp_verdict verdict;
};

static struct asked ask(const struct oxp_alerting_config *config, size_t recipient) {
    struct asked asked = {0};
    size_t count;
    const struct oxp_recipient *recipients = oxp_alerting_recipients(config, &count);
    struct oxp_outbox_message message = {.content = OXP_VIEW("{}")};
    assert_true(recipient < count);
    oxp_arena_init(&asked.arena, 0);
    asked.status = recipients[recipient].prepare(recipients[recipient].ctx, &message, 0, &asked.arena, &asked.request,
                                                 &asked.verdict);
    return asked;
}

static void test_headers(void **state) {
    (void)state;
    static const struct {
        const char *http_config, *expected;
    } rows[] = {
        {"{}", NULL},
        {"{basic_auth: {username: Aladdin, password: 'open sesame'}}",
         "Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="},
        {"{basic_auth: {username: a, password: b}}", "Authorization: Basic YTpi"},
        {"{basic_auth: {username: a, password: bc}}", "Authorization: Basic YTpiYw=="},
        {"{basic_auth: {username: a, password: bcd}}", "Authorization: Basic YTpiY2Q="},
        {"{basic_auth: {username: a}}", "Authorization: Basic YTo="},
        {"{authorization: {credentials: t0k}}", "Authorization: Bearer t0k"},
        {"{authorization: {type: Key, credentials: 'a b'}}", "Authorization: Key a b"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char yaml[256];
        snprintf(yaml, sizeof yaml, "alertmanagers: [{url: 'http://h/x', timeout: 3s, http_config: %s}]",
                 rows[i].http_config);
        struct oxp_alerting_config *config = world_config(yaml);
        struct asked asked = ask(config, 0);
        assert_int_equal(asked.status, OXP_OK);
        assert_string_equal(asked.request.method, "POST");
        assert_string_equal(asked.request.url, "http://h/x/api/v2/alerts");
        assert_int_equal(asked.request.timeout_ms, 3000);
        assert_true(oxp_view_is(asked.request.body, "{}"));
        assert_string_equal(asked.request.headers[0], "Content-Type: application/json");
        assert_memory_equal(asked.request.headers[1], "User-Agent: oxpecker/", 21);
        if (rows[i].expected == NULL) {
            assert_null(asked.request.headers[2]);
        } else {
            assert_string_equal(asked.request.headers[2], rows[i].expected);
            assert_null(asked.request.headers[3]);
        }
        oxp_arena_fini(&asked.arena);
        oxp_alerting_config_free(config);
    }
}

static void write_file(const char *path, const char *text) {
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

/* Each row changes the file and asks again. */
static void test_files(void **state) {
    (void)state;
    static const struct {
        const char *name, *url, *secret; /* NULL: there is no such file */
        enum oxp_status status;
        const char *expected; /* the URL, or a part of the reason */
    } rows[] = {
        {"no files", NULL, NULL, OXP_ERR_NOT_FOUND, "url: there is no such file"},
        {"no secret", "http://h/1", NULL, OXP_ERR_NOT_FOUND, "secret: there is no such file"},
        {"both", "http://h/1\n", "s3cret\r\n", OXP_OK, "http://h/1"},
        {"another address", "https://h/2 \n\n", "s3cret", OXP_OK, "https://h/2"},
        {"an empty file", "\n", "s3cret", OXP_ERR_INVALID, "url: expected one line of text"},
        {"two lines", "http://h/1\nhttp://h/2\n", "s3cret", OXP_ERR_INVALID, "url: expected one line of text"},
        {"no address", "h/1", "s3cret", OXP_ERR_INVALID, "the url_file holds no http:// or https:// address"},
        {"a header in the secret", "http://h/1", "a\r\nX: y", OXP_ERR_INVALID, "secret: expected one line of text"},
    };
    char directory[] = "/tmp/oxp_send_XXXXXX", url[64], secret[64], yaml[512];
    assert_non_null(mkdtemp(directory));
    snprintf(url, sizeof url, "%s/url", directory);
    snprintf(secret, sizeof secret, "%s/secret", directory);
    snprintf(
        yaml, sizeof yaml,
        "route: {receiver: r}\nreceivers: [{name: r, webhook_configs: [{url_file: %s, http_config: {authorization:"
        " {credentials_file: %s}}}, {url_file: %s, http_config: {basic_auth: {username: u, password_file: %s}}}]}]",
        url, secret, url, secret);
    struct oxp_alerting_config *config = world_config(yaml);
    for (size_t i = 0; i < 2 * COUNT_OF(rows); i++) {
        size_t row = i / 2;
        unlink(url);
        unlink(secret);
        if (rows[row].url != NULL) {
            write_file(url, rows[row].url);
        }
        if (rows[row].secret != NULL) {
            write_file(secret, rows[row].secret);
        }
        struct asked asked = ask(config, i % 2);
        assert_int_equal(asked.status, rows[row].status);
        if (rows[row].status == OXP_OK) {
            assert_string_equal(asked.request.url, rows[row].expected);
            assert_string_equal(asked.request.headers[2],
                                i % 2 == 0 ? "Authorization: Bearer s3cret" : "Authorization: Basic dTpzM2NyZXQ=");
        } else { /* a person mends it: later again */
            assert_int_equal(asked.verdict.delivery, OXP_DELIVERY_AGAIN);
            assert_true(asked.verdict.answer.len != 0);
            if (strstr(asked.verdict.answer.ptr, rows[row].expected) == NULL) {
                fail_msg("%s: %s", rows[row].name, asked.verdict.answer.ptr);
            }
            assert_null(strstr(asked.verdict.answer.ptr, "s3cret"));
        }
        oxp_arena_fini(&asked.arena);
    }
    unlink(url);
    unlink(secret);
    assert_int_equal(rmdir(directory), 0);
    oxp_alerting_config_free(config);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_headers), cmocka_unit_test(test_files)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
