/* Where a server listens: what is taken, what is refused and with which words; starting without memory. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/alloc_fail.h"
#include "tests/unit/exporter/serve/client.h"
#include "tests/unit/exporter/serve/fixture.h"

static bool has_ipv6(void) {
    int fd = socket(AF_INET6, SOCK_STREAM, 0);
    struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback};
    bool ok = fd >= 0 && bind(fd, (struct sockaddr *)&any, sizeof any) == 0;
    if (fd >= 0) {
        close(fd);
    }
    return ok;
}

static bool reachable(bool six, unsigned port) {
    struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    struct sockaddr_in6 sixth = {
        .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port), .sin6_addr = in6addr_loopback};
    four.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(six ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct answer answer = {0};
    if (fd >= 0 &&
        connect(fd, six ? (struct sockaddr *)&sixth : (struct sockaddr *)&four, six ? sizeof sixth : sizeof four) ==
            0 &&
        client_say(fd, "GET /ledger HTTP/1.1\r\nHost: localhost\r\n\r\n")) {
        client_read(fd, false, &answer);
    }
    if (fd >= 0) {
        close(fd);
    }
    answer_free(&answer);
    return answer.status == 200; /* and so the peer counts as loopback too, IPv4-mapped included */
}

static void test_good(void **state) {
    (void)state;
    static const struct {
        const char *address;
        bool four, six;
    } rows[] = {{":0", true, true},           {"127.0.0.1:0", true, false}, {"[::1]:0", false, true},
                {"localhost:0", true, false}, {"0.0.0.0:0", true, false},   {"[::]:0", false, true}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].six && !rows[i].four && !has_ipv6()) {
            continue;
        }
        struct fixture fixture;
        fixture_start(&fixture, (struct oxp_server_options){.address = rows[i].address});
        if (fixture.port == 0 || reachable(false, fixture.port) != rows[i].four ||
            (has_ipv6() && reachable(true, fixture.port) != rows[i].six)) {
            fail_msg("%s: port %u", rows[i].address, fixture.port);
        }
        fixture_stop(&fixture);
    }
}

static void test_bad(void **state) {
    (void)state;
    static const struct {
        const char *address, *words;
    } rows[] = {{NULL, "no port"},
                {"", "no port"},
                {"10108", "no port"},
                {"localhost", "no port"},
                {":", "port must be a number"},
                {":http", "port must be a number"},
                {":65536", "port must be a number"},
                {":-1", "port must be a number"},
                {":1000000", "port must be a number"},
                {": 1", "port must be a number"},
                {"::1:80", "in brackets"},
                {"[::1:80", "in brackets"},
                {"256.0.0.1:80", "256.0.0.1"},
                {"[::zz]:80", "::zz"},
                {"192.0.2.1:0", "192.0.2.1"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct oxp_server_options options = {.address = rows[i].address, .routes = fixture_routes};
        struct oxp_server *server = NULL;
        struct oxp_error error = {0};
        enum oxp_status status = oxp_server_new(&options, &server, &error);
        if (status != OXP_ERR_INVALID || strstr(error.text, rows[i].words) == NULL || server != NULL) {
            fail_msg("%s: %s, %s", rows[i].address, oxp_status_name(status), error.text);
        }
    }
}

static void test_in_use(void **state) {
    (void)state;
    struct fixture fixture;
    fixture_start(&fixture, (struct oxp_server_options){.threads = 1});
    char address[64];
    snprintf(address, sizeof address, "127.0.0.1:%u", fixture.port);
    struct oxp_server_options options = {.address = address, .routes = fixture_routes};
    struct oxp_server *server = NULL;
    struct oxp_error error = {0};
    assert_int_equal(oxp_server_new(&options, &server, &error), OXP_ERR_IN_USE);
    assert_non_null(strstr(error.text, address));
    assert_non_null(strstr(error.text, "in use"));
    fixture_stop(&fixture);
    /* Once it has gone the port is free at once, connections in TIME_WAIT or not. */
    assert_int_equal(oxp_server_new(&options, &server, &error), OXP_OK);
    oxp_server_free(server, 0);
}

static void start_once(void *ctx) {
    (void)ctx;
    struct oxp_server_options options = {.address = "127.0.0.1:0", .routes = fixture_routes, .threads = 1};
    struct oxp_server *server = NULL;
    enum oxp_status status = oxp_server_new(&options, &server, NULL);
    assert_true(status == OXP_OK || (status == OXP_ERR_NOMEM && alloc_fail_hit() && server == NULL));
    oxp_server_free(server, 0);
}

static void test_no_memory(void **state) {
    (void)state;
    assert_true(alloc_fail_each(start_once, NULL) >= 2);
}

static void test_free_null(void **state) {
    (void)state;
    oxp_server_free(NULL, 100);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),      cmocka_unit_test(test_bad),       cmocka_unit_test(test_in_use),
        cmocka_unit_test(test_no_memory), cmocka_unit_test(test_free_null),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
