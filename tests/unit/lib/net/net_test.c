/* HTTP requests over libcurl, against a server on loopback that behaves well and badly. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/net/curl_api.h"
#include "lib/net/net.h"
#include "tests/support/alloc_fail.h"
#include "tests/unit/lib/net/loopback.h"

static struct loopback *server;

static int set_up(void **state) {
    (void)state;
    /* a proxy of the machine is not asked about loopback */
    setenv("no_proxy", "127.0.0.1", 1);
    server = loopback_start();
    return server == NULL ? -1 : 0;
}

static int tear_down(void **state) {
    (void)state;
    loopback_stop(server);
    return 0;
}

/* True when this process has the library mapped. */
static bool is_mapped(void) {
    FILE *maps = fopen("/proc/self/maps", "r");
    assert_non_null(maps);
    char line[1024];
    bool found = false;
    while (fgets(line, sizeof line, maps) != NULL) {
        found = found || strstr(line, "libcurl") != NULL;
    }
    fclose(maps);
    return found;
}

static void loaded_on_first_use(void **state) {
    (void)state;
    assert_false(is_mapped());
    const char *version = oxp_net_version();
    assert_non_null(version);
    assert_int_equal(strncmp(version, "libcurl/", 8), 0);
    assert_non_null(strstr(version, "GnuTLS"));
    assert_false(is_mapped()); /* the version alone leaves nothing behind */
    struct oxp_http *http = NULL;
    assert_int_equal(oxp_net_http_new(&http), OXP_OK);
    assert_false(is_mapped());
    char url[64];
    struct oxp_http_request request = {.method = "GET",
                                       .url = loopback_url(server, "/ok", url, sizeof url),
                                       .timeout_ms = 10000,
                                       .max_body_bytes = 100};
    struct oxp_http_response response;
    assert_int_equal(http->exchange(http, &request, &response, NULL), OXP_OK);
    oxp_http_response_fini(&response);
    assert_true(is_mapped());
    assert_ptr_equal(oxp_net_version(), version);
    void (*free_client)(struct oxp_http *) = http->free;
    free_client(http);
    free_client(NULL);
}

struct row {
    const char *what, *method, *path;
    const char *url; /* instead of the path */
    const char *body;
    size_t max_body_bytes; /* 0 = 1000 */
    long timeout_ms;       /* 0 = 10 s */
    enum oxp_status expect;
    int http_status;
    const char *says; /* in the body, or in the error */
};

static void check(struct oxp_http *http, const struct row *row) {
    char url[256];
    const char *const headers[] = {"X-Test: 1", NULL};
    struct oxp_http_request request = {
        .method = row->method == NULL ? "GET" : row->method,
        .url = row->url != NULL ? row->url : loopback_url(server, row->path, url, sizeof url),
        .headers = headers,
        .body = oxp_view_from(row->body),
        .timeout_ms = row->timeout_ms == 0 ? 10000 : row->timeout_ms,
        .max_body_bytes = row->max_body_bytes == 0 ? 1000 : row->max_body_bytes,
    };
    struct oxp_http_response response = {.status = -1};
    struct oxp_error error = {0};
    enum oxp_status status = http->exchange(http, &request, &response, &error);
    const char *text = status == OXP_OK ? response.body : error.text;
    if (status != row->expect || response.status != row->http_status || text == NULL ||
        (row->says != NULL && strstr(text, row->says) == NULL)) {
        print_error("%s: %s, HTTP %d, \"%s\"\n", row->what, oxp_status_name(status), response.status, text);
        fail();
    }
    assert_true(status == OXP_OK ? strlen(response.body) == response.body_len || row->max_body_bytes != 0
                                 : response.body == NULL);
    oxp_http_response_fini(&response);
}

static void answers(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"GET", .path = "/ok", .http_status = 200, .says = "fine"},
        {"HEAD", .method = "HEAD", .path = "/ok", .http_status = 200},
        {"no body", .path = "/status/204", .http_status = 204, .says = ""},
        {"unavailable is an answer", .path = "/status/503", .http_status = 503},
        {"redirects are answers", .path = "/redirect", .http_status = 302},
        {"POST", .method = "POST", .path = "/echo", .body = "a=b", .http_status = 200, .says = "\r\n\r\na=b"},
        {"POST of nothing", .method = "POST", .path = "/echo", .http_status = 200, .says = "Content-Length: 0"},
        {"PUT", .method = "PUT", .path = "/echo", .body = "x", .http_status = 200, .says = "PUT /echo"},
        {"DELETE", .method = "DELETE", .path = "/echo", .http_status = 200, .says = "DELETE /echo"},
        {"GET after the others", .path = "/echo", .http_status = 200, .says = "GET /echo"},
        {"own headers", .path = "/echo", .http_status = 200, .says = "\r\nX-Test: 1\r\n"},
        {"who asks", .path = "/echo", .http_status = 200, .says = "\r\nUser-Agent: oxpecker/" OXP_VERSION "\r\n"},
        {"a body as long as allowed", .path = "/big", .max_body_bytes = 100000, .http_status = 200},
    };
    struct oxp_http *http = NULL;
    assert_int_equal(oxp_net_http_new(&http), OXP_OK);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        check(http, &rows[i]);
    }
    http->free(http);
}

static void failures(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"silence", .path = "/hang", .timeout_ms = 100, .expect = OXP_ERR_TIMEOUT, .says = "timed out"},
        {"endless", .path = "/drip", .timeout_ms = 200, .expect = OXP_ERR_TIMEOUT},
        {"cut off", .path = "/cut", .expect = OXP_ERR_CLOSED},
        {"not HTTP", .path = "/garbage", .expect = OXP_ERR_CLOSED},
        {"closed", .path = "/empty", .expect = OXP_ERR_CLOSED},
        {"too long", .path = "/big", .max_body_bytes = 99999, .expect = OXP_ERR_LIMIT, .http_status = 200,
         .says = "99999"},
        {"nobody there", .url = "http://127.0.0.1:1/", .expect = OXP_ERR_CLOSED, .says = "connect"},
        /* a label of 64 bytes: refused by the resolver itself, so that no name server is asked */
        {"no such host", .url = "http://aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.test/",
         .expect = OXP_ERR_CLOSED, .says = "resolve"},
        {"another scheme", .url = "file:///etc/passwd", .expect = OXP_ERR_INVALID, .says = "http"},
        {"ftp", .url = "ftp://127.0.0.1/", .expect = OXP_ERR_INVALID},
        {"no scheme", .url = "127.0.0.1:1/", .expect = OXP_ERR_INVALID},
        {"empty URL", .url = "", .expect = OXP_ERR_INVALID},
        {"no host", .url = "http://", .expect = OXP_ERR_INVALID},
        {"bad port", .url = "http://127.0.0.1:99999/", .expect = OXP_ERR_INVALID},
        {"a method with a line in it", .method = "GET / HTTP/1.1\r\nX:", .path = "/ok", .expect = OXP_ERR_INVALID},
        {"no method", .method = "", .path = "/ok", .expect = OXP_ERR_INVALID},
        {"no timeout", .path = "/ok", .timeout_ms = -1, .expect = OXP_ERR_INVALID},
    };
    struct oxp_http *http = NULL;
    assert_int_equal(oxp_net_http_new(&http), OXP_OK);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        check(http, &rows[i]);
        const struct row after = {"an answer after it", .path = "/ok", .http_status = 200, .says = "fine"};
        check(http, &after);
    }
    http->free(http);
}

static void headers(void **state) {
    (void)state;
    static const struct {
        const char *what, *path, *name, *value, *not_there;
    } rows[] = {
        {"blanks are cut", "/headers", "retry-after", "7", NULL},
        {"names in lower case, values as they are", "/headers", "x-amzn-requestid", "AbC", "X-AMZN"},
        {"an empty value", "/headers", "x-empty", "", NULL},
        {"the first of two", "/headers", "x-two", "1", NULL},
        {"none of that name", "/headers", "two", "", NULL},
        {"of the final answer", "/early", "x-late", "1", "x-early"},
        {"without trailers", "/trailer", "x-head", "1", "x-trailer"},
        {"redirects are not followed", "/redirect", "location", "/ok", NULL},
    };
    struct oxp_http *http = NULL;
    assert_int_equal(oxp_net_http_new(&http), OXP_OK);
    char url[64];
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct oxp_http_request request = {.method = "GET",
                                           .url = loopback_url(server, rows[i].path, url, sizeof url),
                                           .timeout_ms = 10000,
                                           .max_body_bytes = 1000};
        struct oxp_http_response response;
        assert_int_equal(http->exchange(http, &request, &response, NULL), OXP_OK);
        if (response.headers == NULL || !oxp_view_is(oxp_http_header(&response, rows[i].name), rows[i].value) ||
            (rows[i].not_there != NULL && strstr(response.headers, rows[i].not_there) != NULL)) {
            print_error("%s:\n%s", rows[i].what, response.headers);
            fail();
        }
        oxp_http_response_fini(&response);
    }
    http->free(http);
}

static void headers_are_sent(void **state) {
    (void)state;
    static const char *const lines[] = {"X-Empty:", "X-Blank: ", "X-Full: a", "Accept:", NULL};
    static const char *const present[] = {"\r\nX-Empty:\r\n", "\r\nX-Blank:\r\n", "\r\nX-Full: a\r\n",
                                          "\r\nAccept:\r\n"};
    struct oxp_http *http = NULL;
    assert_int_equal(oxp_net_http_new(&http), OXP_OK);
    char url[64], body[2000];
    memset(body, 'b', sizeof body); /* libcurl says Expect: 100-continue from 1 MiB on, older ones from 1 KiB */
    struct oxp_http_request request = {.method = "POST",
                                       .url = loopback_url(server, "/echo", url, sizeof url),
                                       .headers = lines,
                                       .body = oxp_view_of(body, sizeof body),
                                       .timeout_ms = 10000,
                                       .max_body_bytes = 4000};
    struct oxp_http_response response;
    assert_int_equal(http->exchange(http, &request, &response, NULL), OXP_OK);
    for (size_t i = 0; i < sizeof present / sizeof present[0]; i++) {
        assert_non_null(strstr(response.body, present[i]));
    }
    assert_null(strstr(response.body, "Expect"));
    oxp_http_response_fini(&response);
    http->free(http);
}

static bool give_up_the_third_time(void *ctx) {
    return ++*(unsigned *)ctx >= 3;
}

static void given_up(void **state) {
    (void)state;
    static const char *const paths[] = {"/hang", "/drip"};
    struct oxp_http *http = NULL;
    assert_int_equal(oxp_net_http_new(&http), OXP_OK);
    char url[64];
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        unsigned asked = 0;
        struct oxp_http_request request = {.method = "GET",
                                           .url = loopback_url(server, paths[i], url, sizeof url),
                                           .timeout_ms = 30000,
                                           .max_body_bytes = 10000,
                                           .give_up = give_up_the_third_time,
                                           .give_up_ctx = &asked};
        struct oxp_http_response response;
        struct oxp_error error = {0};
        assert_int_equal(http->exchange(http, &request, &response, &error), OXP_ERR_CLOSED);
        assert_string_equal(error.text, "given up");
        assert_int_equal(asked, 3);
        const struct row after = {"an answer after it", .path = "/ok", .http_status = 200, .says = "fine"};
        check(http, &after);
    }
    http->free(http);
}

static void headers_that_are_refused(void **state) {
    (void)state;
    static const char *const lines[] = {"no colon", ": no name", "A: b\r\nInjected: 1", "A: b\n", ""};
    struct oxp_http *http = NULL;
    assert_int_equal(oxp_net_http_new(&http), OXP_OK);
    char url[64];
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        const char *const headers[] = {"Good: 1", lines[i], NULL};
        struct oxp_http_request request = {.method = "GET",
                                           .url = loopback_url(server, "/ok", url, sizeof url),
                                           .headers = headers,
                                           .timeout_ms = 1000,
                                           .max_body_bytes = 100};
        struct oxp_http_response response;
        struct oxp_error error = {0};
        unsigned before = loopback_requests(server);
        assert_int_equal(http->exchange(http, &request, &response, &error), OXP_ERR_INVALID);
        assert_non_null(strstr(error.text, "header 2"));
        assert_int_equal(loopback_requests(server), before);
    }
    http->free(http);
}

static void connections_are_kept(void **state) {
    (void)state;
    struct oxp_http *http = NULL;
    assert_int_equal(oxp_net_http_new(&http), OXP_OK);
    const struct row row = {"again", .path = "/ok", .http_status = 200, .says = "fine"};
    unsigned before = loopback_connections(server);
    for (int i = 0; i < 5; i++) {
        check(http, &row);
    }
    assert_int_equal(loopback_connections(server), before + 1);
    http->free(http);
}

static void *ask_often(void *ctx) {
    struct oxp_http *http = ctx;
    char url[64];
    struct oxp_http_request request = {.method = "GET",
                                       .url = loopback_url(server, "/ok", url, sizeof url),
                                       .timeout_ms = 10000,
                                       .max_body_bytes = 100};
    uintptr_t good = 0;
    for (int i = 0; i < 50; i++) {
        struct oxp_http_response response;
        good += http->exchange(http, &request, &response, NULL) == OXP_OK;
        oxp_http_response_fini(&response);
    }
    return (void *)good;
}

static void a_client_for_each_thread(void **state) {
    (void)state;
    pthread_t threads[4];
    struct oxp_http *clients[4];
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(oxp_net_http_new(&clients[i]), OXP_OK);
        assert_int_equal(pthread_create(&threads[i], NULL, ask_often, clients[i]), 0);
    }
    for (size_t i = 0; i < 4; i++) {
        void *good = NULL;
        pthread_join(threads[i], &good);
        assert_int_equal((uintptr_t)good, 50);
        clients[i]->free(clients[i]);
    }
}

static void foreign_errors(void **state) {
    (void)state;
    static const struct {
        CURLcode code;
        enum oxp_status expect;
    } rows[] = {
        {CURLE_OPERATION_TIMEDOUT, OXP_ERR_TIMEOUT},
        {CURLE_COULDNT_CONNECT, OXP_ERR_CLOSED},
        {CURLE_PEER_FAILED_VERIFICATION, OXP_ERR_CLOSED},
        {CURLE_OUT_OF_MEMORY, OXP_ERR_NOMEM},
        {CURLE_URL_MALFORMAT, OXP_ERR_INVALID},
        {CURLE_UNKNOWN_OPTION, OXP_ERR_UNSUPPORTED},
        {CURLE_LDAP_CANNOT_BIND, OXP_ERR_IO},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(oxp_curl_status(rows[i].code), rows[i].expect);
    }
}

static void one_exchange(void *ctx) {
    (void)ctx;
    struct oxp_http *http = NULL;
    if (oxp_net_http_new(&http) != OXP_OK) {
        assert_null(http);
        return;
    }
    char url[64];
    struct oxp_http_request request = {.method = "GET",
                                       .url = loopback_url(server, "/ok", url, sizeof url),
                                       .headers = (const char *const[]){"X-Empty:", NULL},
                                       .timeout_ms = 10000,
                                       .max_body_bytes = 100};
    struct oxp_http_response response;
    enum oxp_status status = http->exchange(http, &request, &response, NULL);
    assert_true(status == OXP_OK || (status == OXP_ERR_NOMEM && alloc_fail_hit()));
    assert_true(status != OXP_OK || (response.body != NULL && response.headers != NULL));
    oxp_http_response_fini(&response);
    http->free(http);
}

/* Our own allocations; libcurl's are its own. */
static void allocations_fail(void **state) {
    (void)state;
    assert_true(alloc_fail_each(one_exchange, NULL) >= 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loaded_on_first_use), /* first: nothing is loaded yet */
        cmocka_unit_test(answers),
        cmocka_unit_test(failures),
        cmocka_unit_test(headers),
        cmocka_unit_test(headers_are_sent),
        cmocka_unit_test(given_up),
        cmocka_unit_test(headers_that_are_refused),
        cmocka_unit_test(connections_are_kept),
        cmocka_unit_test(a_client_for_each_thread),
        cmocka_unit_test(foreign_errors),
        cmocka_unit_test(allocations_fail),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
