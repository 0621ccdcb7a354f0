/* The health probe, against a client made of a table and against a real server on loopback. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "exporter/watch/health.h"
#include "lib/base/clock.h"
#include "lib/net/net.h"
#include "tests/support/alloc_fail.h"
#include "tests/support/tally.h"
#include "tests/unit/lib/net/loopback.h"

/* What the probe said, collected from its thread. */
struct heard {
    struct tally tally; /* its mutex guards the rest */
    bool healthy;
    char reason[256];
};

static void heard_init(struct heard *heard) {
    *heard = (struct heard){.tally = TALLY_INIT};
}

static void hear(void *ctx, bool healthy, const char *reason) {
    struct heard *heard = ctx;
    pthread_mutex_lock(&heard->tally.mutex);
    tally_add_locked(&heard->tally);
    heard->healthy = healthy;
    snprintf(heard->reason, sizeof heard->reason, "%s", reason);
    pthread_mutex_unlock(&heard->tally.mutex);
}

static void check(struct oxp_http *http, const char *url, bool healthy, const char *says) {
    struct heard heard;
    heard_init(&heard);
    struct oxp_health_options options = {
        .url = url, .interval_ms = 3600000, .timeout_ms = 300, .http = http, .probed = hear, .ctx = &heard};
    if (strcmp(says, "timed out") != 0) {
        options.timeout_ms = 60000;
    }
    struct oxp_health_probe *probe = NULL;
    assert_int_equal(oxp_health_probe_new(&options, &probe), OXP_OK);
    tally_wait(&heard.tally, 1); /* the first try is at once, whatever the interval */
    oxp_health_probe_free(probe);
    assert_int_equal(heard.tally.count, 1);
    if (heard.healthy != healthy || strstr(heard.reason, says) == NULL) {
        print_error("%s: %s\n", url, heard.reason);
        fail();
    }
    assert_true(healthy == (heard.reason[0] == '\0'));
}

static void against_a_server(void **state) {
    (void)state;
    static const struct {
        const char *path;
        bool healthy;
        const char *says;
    } rows[] = {
        {"/ok", true, ""},
        {"/status/204", true, ""},
        {"/status/299", true, ""},
        {"/status/503", false, "503"},
        {"/status/404", false, "404"},
        {"/redirect", false, "302"},
        {"/hang", false, "timed out"},
        {"/drip", false, "timed out"},
        {"/empty", false, ""},
        {"/cut", false, ""},
        {"/garbage", false, ""},
    };
    setenv("no_proxy", "127.0.0.1", 1);
    struct loopback *server = loopback_start();
    assert_non_null(server);
    struct oxp_http *http = NULL;
    assert_int_equal(oxp_net_http_new(&http), OXP_OK);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char url[64];
        check(http, loopback_url(server, rows[i].path, url, sizeof url), rows[i].healthy, rows[i].says);
    }
    check(http, "http://127.0.0.1:1/", false, "connect");
    check(http, "nonsense", false, "http://");
    http->free(http);
    loopback_stop(server);
}

/* ---- A client made of a table ---- */

struct fake {
    struct oxp_http http;
    size_t asked;
    enum oxp_status status;
    char url[64];
};

static enum oxp_status fake_exchange(struct oxp_http *http, const struct oxp_http_request *request,
                                     struct oxp_http_response *response_out, struct oxp_error *error) {
    struct fake *fake = (struct fake *)http;
    (void)error; /* says no reason */
    fake->asked++;
    snprintf(fake->url, sizeof fake->url, "%s", request->url);
    *response_out = (struct oxp_http_response){.status = fake->status == OXP_OK ? 200 : 0};
    return fake->status;
}

static void again_at_each_interval(void **state) {
    (void)state;
    struct fake fake = {.http.exchange = fake_exchange, .status = OXP_OK};
    struct heard heard;
    heard_init(&heard);
    char url[] = "http://x/health";
    struct oxp_health_options options = {
        .url = url, .interval_ms = 5, .timeout_ms = 1, .http = &fake.http, .probed = hear, .ctx = &heard};
    struct oxp_health_probe *probe = NULL;
    int64_t start_ns = oxp_clock_mono(oxp_clock_system()).ns;
    assert_int_equal(oxp_health_probe_new(&options, &probe), OXP_OK);
    memset(url, 'x', sizeof url - 1); /* it was copied */
    tally_wait(&heard.tally, 20);
    assert_true(oxp_clock_mono(oxp_clock_system()).ns - start_ns >= 19 * 5 * OXP_NS_PER_MS - OXP_NS_PER_MS);
    oxp_health_probe_free(probe);
    assert_int_equal(fake.asked, heard.tally.count);
    assert_string_equal(fake.url, "http://x/health");
    oxp_health_probe_free(NULL);
}

static void a_failure_without_a_reason_gets_one(void **state) {
    (void)state;
    struct fake fake = {.http.exchange = fake_exchange, .status = OXP_ERR_CLOSED};
    check(&fake.http, "http://x/", false, oxp_status_text(OXP_ERR_CLOSED));
}

static void refused_options(void **state) {
    (void)state;
    static const int64_t rows[][2] = {{0, 1}, {-1, 1}, {1, 0}, {1, -1}, {INT64_MAX, 1}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct oxp_health_options options = {
            .url = "http://x/", .interval_ms = rows[i][0], .timeout_ms = rows[i][1], .probed = hear};
        struct oxp_health_probe *probe = NULL;
        assert_int_equal(oxp_health_probe_new(&options, &probe), OXP_ERR_INVALID);
        assert_null(probe);
    }
}

static void start_and_stop(void *ctx) {
    struct oxp_health_probe *probe = NULL;
    struct heard heard;
    heard_init(&heard);
    struct oxp_health_options options = {
        .url = "http://x/", .interval_ms = 1000, .timeout_ms = 1, .http = ctx, .probed = hear, .ctx = &heard};
    enum oxp_status status = oxp_health_probe_new(&options, &probe);
    assert_true(status == OXP_OK || (status == OXP_ERR_NOMEM && probe == NULL && alloc_fail_hit()));
    oxp_health_probe_free(probe);
}

static void allocations_fail(void **state) {
    (void)state;
    struct fake fake = {.http.exchange = fake_exchange};
    assert_int_equal(alloc_fail_each(start_and_stop, &fake.http), 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(against_a_server),
        cmocka_unit_test(again_at_each_interval),
        cmocka_unit_test(a_failure_without_a_reason_gets_one),
        cmocka_unit_test(refused_options),
        cmocka_unit_test(allocations_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
