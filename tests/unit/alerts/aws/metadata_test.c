/* The endpoints that a container and an instance have for their keys. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/alerts/aws/found.h"

static char token_file[] = "/tmp/oxpecker-aws-token-XXXXXX", lines_file[] = "/tmp/oxpecker-aws-lines-XXXXXX";

static int make(char *path, const char *text) {
    int fd = mkstemp(path);
    ssize_t len = (ssize_t)strlen(text);
    bool good = fd >= 0 && write(fd, text, (size_t)len) == len;
    close(fd);
    return good ? 0 : -1;
}

static int set_up(void **state) {
    (void)state;
    return make(token_file, "token-of-a-file") != 0 ? -1 : make(lines_file, "token\r\nX-Evil: 1");
}

static int tear_down(void **state) {
    (void)state;
    return unlink(token_file) | unlink(lines_file);
}

static void container_addresses(void **state) {
    (void)state;
    static const struct {
        const char *full, *relative, *asked; /* asked NULL = refused */
    } rows[] = {
        {NULL, "/v2/credentials/x?id=1", "http://169.254.170.2/v2/credentials/x?id=1"},
        {"https://evil.example/x", "/v2", "http://169.254.170.2/v2"},
        {"http://127.0.0.1:80/x", NULL, "http://127.0.0.1:80/x"},
        {"http://127.255.0.3/x", NULL, "http://127.255.0.3/x"},
        {"http://localhost/x", NULL, "http://localhost/x"},
        {"http://LocalHost:1?x", NULL, "http://LocalHost:1?x"},
        {"http://[::1]:1/x", NULL, "http://[::1]:1/x"},
        {"http://169.254.170.2", NULL, "http://169.254.170.2"},
        {"http://169.254.170.23/v1/credentials", NULL, "http://169.254.170.23/v1/credentials"},
        {"http://[fd00:ec2::23]/v1", NULL, "http://[fd00:ec2::23]/v1"},
        {"https://anywhere.example/x", NULL, "https://anywhere.example/x"},
        {"http://evil.example/x", NULL, NULL},
        {"http://localhost.evil.example/x", NULL, NULL},
        {"http://127.0.0.1.evil.example/x", NULL, NULL},
        {"http://127.0.0.1@evil.example/x", NULL, NULL},
        {"http://localhost:x@evil.example/x", NULL, NULL},
        {"http://evil.example\\@127.0.0.1/x", NULL, NULL},
        {"http://127.0.0/x", NULL, NULL},
        {"http://127.0.0.1.1/x", NULL, NULL},
        {"http://127.0.0.256/x", NULL, NULL},
        {"http://127.0.0.1./x", NULL, NULL},
        {"http://0127.0.0.1/x", NULL, NULL},
        {"http://169.254.169.254/x", NULL, NULL},
        {"http://[::2]/x", NULL, NULL},
        {"http:///x", NULL, NULL},
        {"http://localhost/ x", NULL, NULL},
        {"http://localhost/\r\nX: y", NULL, NULL},
        {"ftp://localhost/x", NULL, NULL},
        {"localhost/x", NULL, NULL},
        {NULL, "v2", NULL},
        {NULL, "@evil.example/", NULL},
        {NULL, "/a b", NULL},
        {NULL, "/a\nb", NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct fake fake;
        without_files(&fake);
        fake_set(&fake, "AWS_CONTAINER_CREDENTIALS_FULL_URI", rows[i].full);
        fake_set(&fake, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", rows[i].relative);
        fake_answer(&fake, (struct fake_answer){.http = 200, .body = JSON("AKIDECS", AN_HOUR)});
        struct found found = ask_once(&fake, NULL);
        const char *what = rows[i].full != NULL ? rows[i].full : rows[i].relative;
        if (rows[i].asked == NULL) {
            expect_error(what, &found, OXP_ERR_INVALID, "container: AWS_CONTAINER_CREDENTIALS_");
            assert_int_equal(fake.asked_count, 0);
        } else {
            expect(what, &found, "AKIDECS", "container");
            assert_string_equal(fake.asked[0].url, rows[i].asked);
            assert_true(fake.asked[0].direct);
            assert_int_equal(fake.asked[0].timeout_ms, 2000);
        }
    }
}

static void container_tokens_and_tries(void **state) {
    (void)state;
    struct fake fake;
    without_files(&fake);
    fake_set(&fake, "AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://169.254.170.23/v1/credentials");
    fake_set(&fake, "AWS_CONTAINER_AUTHORIZATION_TOKEN", "token-of-the-environment");
    fake_answer(&fake, (struct fake_answer){.http = 500});
    fake_answer(&fake, (struct fake_answer){.status = OXP_ERR_TIMEOUT});
    fake_answer(&fake, (struct fake_answer){.http = 200, .body = JSON("AKIDECS", AN_HOUR)});
    struct found found = ask_once(&fake, NULL);
    expect("the third try", &found, "AKIDECS", "container");
    assert_true(fake_has_header(&fake, 2, "Authorization: token-of-the-environment"));
    assert_int_equal(fake.slept_ms, 2000);

    fake_set(&fake, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", token_file);
    fake_answer(&fake, (struct fake_answer){.http = 200, .body = JSON("AKIDECS", AN_HOUR)});
    found = ask_once(&fake, NULL);
    expect("a file", &found, "AKIDECS", "container");
    assert_true(fake_has_header(&fake, 3, "Authorization: token-of-a-file"));

    fake_set(&fake, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", lines_file);
    found = ask_once(&fake, NULL);
    expect_error("lines in a token", &found, OXP_ERR_INVALID, "end of a line");
    fake_set(&fake, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", NULL);
    static const char *const lines[] = {"evil\r\nX: y", "evil\rX: y", "evil\nX: y", "evil\n"};
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        fake_set(&fake, "AWS_CONTAINER_AUTHORIZATION_TOKEN", lines[i]);
        found = ask_once(&fake, NULL);
        expect_error("lines in the environment's", &found, OXP_ERR_INVALID, "end of a line");
    }
    assert_int_equal(fake.asked_count, 4);

    static const struct {
        const char *what;
        struct fake_answer answer;
        unsigned asked;
        enum oxp_status expect;
        const char *says;
    } rows[] = {
        {"silence", {.status = OXP_ERR_TIMEOUT, .stays = true}, 3, OXP_ERR_TIMEOUT, "the fake"},
        {"errors", {.http = 503, .stays = true}, 3, OXP_ERR_IO, "HTTP 503"},
        {"no", {.http = 403, .body = "secret"}, 1, OXP_ERR_DENIED, "HTTP 403"},
        {"not JSON", {.http = 200, .body = "secret", .stays = true}, 3, OXP_ERR_IO, "not JSON"},
        {"no keys", {.http = 200, .body = "{}"}, 1, OXP_ERR_INVALID, "access key id is missing"},
        {"a bad time", {.http = 200, .body = JSON("A", "tomorrow")}, 1, OXP_ERR_INVALID, "not a time"},
        {"a line in a key", {.http = 200, .body = JSON("A\\nevil", AN_HOUR)}, 1, OXP_ERR_INVALID, "control characters"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        without_files(&fake);
        fake_set(&fake, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/c");
        fake_answer(&fake, rows[i].answer);
        found = ask_once(&fake, NULL);
        expect_error(rows[i].what, &found, rows[i].expect, rows[i].says);
        assert_int_equal(fake.asked_count, rows[i].asked);
    }
}

static void instance(void **state) {
    (void)state;
    struct fake fake;
    without_files(&fake);
    fake_set(&fake, "AWS_EC2_METADATA_DISABLED", NULL);
    fake_answer(&fake, (struct fake_answer){.url = "/api/token", .http = 200, .body = "tok=="});
    fake_answer(&fake, (struct fake_answer){
                           .url = "/security-credentials/my-role", .http = 200, .body = JSON("AKIDEC2", AN_HOUR)});
    fake_answer(&fake, (struct fake_answer){.url = "/security-credentials/", .http = 200, .body = "my-role\nother\n"});
    struct found found = ask_once(&fake, NULL);
    expect("a role", &found, "AKIDEC2", "instance");
    assert_string_equal(fake.asked[0].url, "http://169.254.169.254/latest/api/token");
    assert_string_equal(fake.asked[0].method, "PUT");
    assert_true(fake_has_header(&fake, 0, "X-aws-ec2-metadata-token-ttl-seconds: 21600"));
    assert_true(fake_has_header(&fake, 1, "X-aws-ec2-metadata-token: tok=="));
    assert_true(fake_has_header(&fake, 2, "X-aws-ec2-metadata-token: tok=="));
    assert_int_equal(fake.asked[2].timeout_ms, 1000);
    assert_true(fake.asked[2].direct);

    static const struct {
        const char *what, *name, *value, *url; /* url NULL = not asked */
    } rows[] = {
        {"off", "AWS_EC2_METADATA_DISABLED", "TRUE", NULL},
        {"IPv6", "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "IPv6", "http://[fd00:ec2::254]/latest/api/token"},
        {"another host", "AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:1/",
         "http://127.0.0.1:1/latest/api/token"},
        {"nobody", "X", "y", "http://169.254.169.254/latest/api/token"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        without_files(&fake);
        fake_set(&fake, "AWS_EC2_METADATA_DISABLED", NULL);
        fake_set(&fake, rows[i].name, rows[i].value);
        found = ask_once(&fake, NULL);
        expect_error(rows[i].what, &found, OXP_ERR_NOT_FOUND, "no AWS credentials");
        assert_int_equal(fake.asked_count, rows[i].url != NULL);
        assert_true(rows[i].url == NULL || strcmp(fake.asked[0].url, rows[i].url) == 0);
    }
    without_files(&fake);
    fake_set(&fake, "AWS_EC2_METADATA_DISABLED", NULL);
    fake_answer(&fake, (struct fake_answer){.url = "/api/token", .http = 200, .body = "tok=="});
    fake_answer(&fake, (struct fake_answer){.url = "/security-credentials/r",
                                            .http = 200,
                                            .body = "{\"Code\": \"AssumeRoleUnauthorizedAccess\"}"});
    fake_answer(&fake, (struct fake_answer){.url = "/security-credentials/", .http = 200, .body = "r"});
    found = ask_once(&fake, NULL);
    expect_error("a role that may not", &found, OXP_ERR_DENIED, "AssumeRoleUnauthorizedAccess");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(container_addresses),
        cmocka_unit_test(container_tokens_and_tries),
        cmocka_unit_test(instance),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
