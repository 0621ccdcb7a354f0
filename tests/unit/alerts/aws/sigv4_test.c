/* Signatures: AWS' own examples, the rules one by one, and what is refused. (tests/integration/test_aws.py holds 600
 * requests against botocore's signer.) */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "alerts/aws/aws.h"
#include "alerts/aws/parts.h"
#include "tests/support/alloc_fail.h"

/* The keys, the time and the scope of AWS' examples and of its test suite. */
static const struct oxp_aws_signing suite = {
    .keys = {{"AKIDEXAMPLE", 11}, {"wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", 40}, {NULL, 0}},
    .region = {"us-east-1", 9},
    .service = {"service", 7},
    .time_ms = INT64_C(1440938160000), /* 20150830T123600Z */
};

struct row {
    const char *what, *method, *url;
    const char *headers[6];
    const char *body, *service;
    const char *names, *signature;
};

static const char *signed_line(const struct oxp_aws_signing *signing, const struct row *row, struct oxp_arena *arena) {
    const char *const *lines = NULL;
    struct oxp_http_request request = {
        .method = row->method, .url = row->url, .headers = row->headers, .body = oxp_view_from(row->body)};
    enum oxp_status status = oxp_aws_sign(signing, &request, arena, &lines);
    if (status != OXP_OK) {
        print_error("%s: %s\n", row->what, oxp_status_name(status));
        fail();
    }
    assert_string_equal(lines[1], "X-Amz-Date: 20150830T123600Z");
    return lines[0];
}

static void published_examples(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"get-vanilla", "GET", "https://example.amazonaws.com/", .names = "host;x-amz-date",
         .signature = "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
        {"get-vanilla-query-order-key-case", "GET", "https://example.amazonaws.com/?Param2=value2&Param1=value1",
         .names = "host;x-amz-date", .signature = "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"},
        {"post-vanilla", "POST", "https://example.amazonaws.com/", .names = "host;x-amz-date",
         .signature = "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"},
        {"post-x-www-form-urlencoded", "POST", "https://example.amazonaws.com/",
         .headers = {"Content-Type: application/x-www-form-urlencoded"}, .body = "Param1=value1",
         .names = "content-type;host;x-amz-date",
         .signature = "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"},
        {"the guide's ListUsers", "GET", "https://iam.amazonaws.com/?Action=ListUsers&Version=2010-05-08",
         .headers = {"Content-Type: application/x-www-form-urlencoded; charset=utf-8"}, .service = "iam",
         .names = "content-type;host;x-amz-date",
         .signature = "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"},
    };
    struct oxp_arena arena;
    oxp_arena_init(&arena, 0);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct oxp_aws_signing signing = suite;
        char wanted[512];
        signing.service = rows[i].service == NULL ? suite.service : oxp_view_from(rows[i].service);
        snprintf(wanted, sizeof wanted,
                 "Authorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/%s/aws4_request, "
                 "SignedHeaders=%s, Signature=%s",
                 rows[i].service == NULL ? "service" : rows[i].service, rows[i].names, rows[i].signature);
        assert_string_equal(signed_line(&signing, &rows[i], &arena), wanted);
    }
    oxp_arena_fini(&arena);
}

/* What must not matter, and what must. */
static void pairs(void **state) {
    (void)state;
    static const struct {
        struct row a, b;
        bool same;
    } rows[] = {
        {{.what = "blanks in values", .method = "GET", .url = "http://h/", .headers = {"X-A: a b c"}},
         {.what = "", .method = "GET", .url = "http://h/", .headers = {"x-a:\t a  b \t c "}},
         true},
        {{.what = "the case of names", .method = "GET", .url = "http://h/", .headers = {"X-A: a"}},
         {.what = "", .method = "GET", .url = "http://h/", .headers = {"x-a: a"}},
         true},
        {{.what = "a repeated name", .method = "GET", .url = "http://h/", .headers = {"X-A: a", "X-B: c", "x-a: b"}},
         {.what = "", .method = "GET", .url = "http://h/", .headers = {"X-B: c", "X-A: a,b"}},
         true},
        {{.what = "the order of repeated names", .method = "GET", .url = "http://h/", .headers = {"X-A: a", "x-a: b"}},
         {.what = "", .method = "GET", .url = "http://h/", .headers = {"X-A: b", "x-a: a"}},
         false},
        {{.what = "names are sorted, not lines",
          .method = "GET",
          .url = "http://h/",
          .headers = {"X-Amz-Target-Extra: 1", "X-Amz-Target: 2"}},
         {.what = "", .method = "GET", .url = "http://h/", .headers = {"X-Amz-Target: 2", "X-Amz-Target-Extra: 1"}},
         true},
        {{.what = "a header that the transport leaves out",
          .method = "GET",
          .url = "http://h/",
          .headers = {"Accept:", "Expect:"}},
         {.what = "", .method = "GET", .url = "http://h/"},
         true},
        {{.what = "what proxies change",
          .method = "GET",
          .url = "http://h/",
          .headers = {"User-Agent: x", "Expect: 100-continue", "TE: trailers"}},
         {.what = "", .method = "GET", .url = "http://h/"},
         true},
        {{.what = "the order of arguments", .method = "GET", .url = "http://h/?b=2&a=1&a=0"},
         {.what = "", .method = "GET", .url = "http://h/?a=0&a=1&b=2"},
         true},
        {{.what = "an argument without =", .method = "GET", .url = "http://h/?b&a"},
         {.what = "", .method = "GET", .url = "http://h/?a=&b="},
         true},
        {{.what = "how arguments are escaped", .method = "GET", .url = "http://h/?a=%7e%c3%a4%2f%20"},
         {.what = "", .method = "GET", .url = "http://h/?a=~\xc3\xa4/%20"},
         true},
        {{.what = "a plus is no blank", .method = "GET", .url = "http://h/?a=+"},
         {.what = "", .method = "GET", .url = "http://h/?a=%20"},
         false},
        {{.what = "sorted as encoded", .method = "GET", .url = "http://h/?a%2d=1&a=2"},
         {.what = "", .method = "GET", .url = "http://h/?a=2&a-=1"},
         true},
        {{.what = "dots in paths", .method = "GET", .url = "http://h/a/./b/../c//d"},
         {.what = "", .method = "GET", .url = "http://h/a/c/d"},
         true},
        {{.what = "no way above the root", .method = "GET", .url = "http://h/../../a"},
         {.what = "", .method = "GET", .url = "http://h/a"},
         true},
        {{.what = "a slash at the end", .method = "GET", .url = "http://h/a/"},
         {.what = "", .method = "GET", .url = "http://h/a"},
         false},
        {{.what = "no path", .method = "GET", .url = "http://h"},
         {.what = "", .method = "GET", .url = "http://h/"},
         true},
        {{.what = "no path, a query", .method = "GET", .url = "http://h?a=1"},
         {.what = "", .method = "GET", .url = "http://h/?a=1"},
         true},
        {{.what = "paths are encoded once more", .method = "GET", .url = "http://h/a%20b"},
         {.what = "", .method = "GET", .url = "http://h/a b"},
         false},
        {{.what = "the port that goes without saying", .method = "GET", .url = "http://h:80/"},
         {.what = "", .method = "GET", .url = "http://h/"},
         true},
        {{.what = "another port", .method = "GET", .url = "http://h:8080/"},
         {.what = "", .method = "GET", .url = "http://h/"},
         false},
        {{.what = "https on 80", .method = "GET", .url = "https://h:80/"},
         {.what = "", .method = "GET", .url = "https://h/"},
         false},
        {{.what = "a Host of one's own", .method = "GET", .url = "http://h/", .headers = {"Host: other"}},
         {.what = "", .method = "GET", .url = "http://other/"},
         true},
        {{.what = "a fragment", .method = "GET", .url = "http://h/a#b?c"},
         {.what = "", .method = "GET", .url = "http://h/a"},
         true},
        {{.what = "the method's case", .method = "get", .url = "http://h/"},
         {.what = "", .method = "GET", .url = "http://h/"},
         true},
        {{.what = "the method", .method = "PUT", .url = "http://h/"},
         {.what = "", .method = "GET", .url = "http://h/"},
         false},
        {{.what = "the body", .method = "POST", .url = "http://h/", .body = "a"},
         {.what = "", .method = "POST", .url = "http://h/", .body = "b"},
         false},
    };
    struct oxp_arena arena;
    oxp_arena_init(&arena, 0);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *a = signed_line(&suite, &rows[i].a, &arena), *b = signed_line(&suite, &rows[i].b, &arena);
        if ((strcmp(a, b) == 0) != rows[i].same) {
            print_error("%s:\n%s\n%s\n", rows[i].a.what, a, b);
            fail();
        }
    }
    oxp_arena_fini(&arena);
}

static void a_token_is_signed_and_sent(void **state) {
    (void)state;
    struct oxp_arena arena;
    struct oxp_aws_signing signing = suite;
    const char *const *lines = NULL;
    struct oxp_http_request request = {.method = "GET", .url = "https://example.amazonaws.com/"};
    oxp_arena_init(&arena, 0);
    signing.keys.session_token = OXP_VIEW("token/+==");
    assert_int_equal(oxp_aws_sign(&signing, &request, &arena, &lines), OXP_OK);
    assert_non_null(strstr(lines[0], "SignedHeaders=host;x-amz-date;x-amz-security-token,"));
    assert_string_equal(lines[2], "X-Amz-Security-Token: token/+==");
    assert_null(lines[3]);
    signing.keys.session_token = OXP_VIEW("");
    assert_int_equal(oxp_aws_sign(&signing, &request, &arena, &lines), OXP_OK);
    assert_null(lines[2]);
    oxp_arena_fini(&arena);
}

static void what_is_refused(void **state) {
    (void)state;
    static const struct {
        const char *what, *url, *header, *id, *secret, *region;
    } rows[] = {
        {"no scheme", "example.com/", NULL, "A", "S", "r"},
        {"another scheme", "ftp://example.com/", NULL, "A", "S", "r"},
        {"no host", "http:///a", NULL, "A", "S", "r"},
        {"a user", "http://u:p@h/", NULL, "A", "S", "r"},
        {"a blank in the host", "http://h h/", NULL, "A", "S", "r"},
        {"a line in a value", "http://h/", "X-A: b\r\nX-C: d", "A", "S", "r"},
        {"no colon", "http://h/", "X-A", "A", "S", "r"},
        {"a name with a blank", "http://h/", "X A: b", "A", "S", "r"},
        {"a second signature", "http://h/", "Authorization: x", "A", "S", "r"},
        {"a second date", "http://h/", "x-amz-date: 20150830T123600Z", "A", "S", "r"},
        {"a second token", "http://h/", "X-Amz-Security-Token: t", "A", "S", "r"},
        {"no id", "http://h/", NULL, "", "S", "r"},
        {"no secret", "http://h/", NULL, "A", "", "r"},
        {"no region", "http://h/", NULL, "A", "S", ""},
        {"an id with a line", "http://h/", NULL, "A\n", "S", "r"},
    };
    struct oxp_arena arena;
    oxp_arena_init(&arena, 0);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *const headers[] = {rows[i].header, NULL};
        const char *const *lines = NULL;
        struct oxp_http_request request = {.method = "GET", .url = rows[i].url, .headers = headers};
        struct oxp_aws_signing signing = {
            .keys = {oxp_view_from(rows[i].id), oxp_view_from(rows[i].secret), {NULL, 0}},
            .region = oxp_view_from(rows[i].region),
            .service = OXP_VIEW("s"),
        };
        enum oxp_status status = oxp_aws_sign(&signing, &request, &arena, &lines);
        if (status != OXP_ERR_INVALID) {
            print_error("%s: %s\n", rows[i].what, oxp_status_name(status));
            fail();
        }
    }
    oxp_arena_fini(&arena);
}

static void sign_once(void *ctx) {
    (void)ctx;
    struct oxp_arena arena;
    const char *const *lines = NULL;
    const char *const headers[] = {"X-A: a  b", "Content-Type: x", NULL};
    struct oxp_http_request request = {
        .method = "GET", .url = "http://h/a/b?c=d&e", .headers = headers, .body = OXP_VIEW("body")};
    oxp_arena_init(&arena, 0);
    enum oxp_status status = oxp_aws_sign(&suite, &request, &arena, &lines);
    assert_true(status == OXP_OK || (status == OXP_ERR_NOMEM && alloc_fail_hit()));
    oxp_arena_fini(&arena);
}

static void allocations_fail(void **state) {
    (void)state;
    assert_true(alloc_fail_each(sign_once, NULL) >= 5);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_examples),         cmocka_unit_test(pairs),
        cmocka_unit_test(a_token_is_signed_and_sent), cmocka_unit_test(what_is_refused),
        cmocka_unit_test(allocations_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
