/* The scrape over HTTP: format, type, coding, counting. What stands in it is tests/unit/lib/exposition's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <oxpecker/exposition.h>

#include "lib/gzip/gzip.h"
#include "tests/unit/exporter/api/world.h"
#include "tests/unit/exporter/serve/client.h"

#define GET(headers) "GET /metrics HTTP/1.1\r\nHost: localhost\r\n" headers "\r\n"
#define OM "Accept: application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.2\r\n"
#define OM3 "Accept: application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;q=0.3\r\n"
#define TEXT_TYPE "\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"
#define OM_TYPE "\r\nContent-Type: application/openmetrics-text; version=1.0.0; charset=utf-8"

static struct world world;

static int start(void **state) {
    (void)state;
    world_start(&world, NULL);
    return 0;
}

static int stop(void **state) {
    (void)state;
    world_stop(&world);
    return 0;
}

static enum oxp_status count_sample(void *ctx, const struct oxp_read_sample *sample) {
    (void)sample;
    ++*(size_t *)ctx;
    return OXP_OK;
}

/* Samples in a body that must be a whole, correct exposition. */
static size_t samples_in(const char *body, size_t len, enum oxp_format format) {
    size_t count = 0;
    struct oxp_error error = {0};
    struct oxp_reader_sink sink = {count_sample, &count};
    if (oxp_exposition_read(oxp_view_of(body, len), format, &sink, &error) != OXP_OK) {
        fail_msg("line %u: %s\n%.*s", error.line, error.text, (int)len, body);
    }
    return count;
}

static void test_formats(void **state) {
    (void)state;
    static const struct {
        const char *name, *request, *type;
        enum oxp_format format;
        bool gzip, chunked;
    } rows[] = {
        {"plain", GET(""), TEXT_TYPE, OXP_FORMAT_TEXT, false, true},
        {"OpenMetrics", GET(OM), OM_TYPE "\r\n", OXP_FORMAT_OPENMETRICS, false, true},
        {"OpenMetrics, escaping", GET(OM3), OM_TYPE "; escaping=allow-utf-8\r\n", OXP_FORMAT_OPENMETRICS, false, true},
        {"two Accept headers", GET("Accept: text/plain;q=0.3\r\nAccept: application/openmetrics-text\r\n"),
         OM_TYPE "\r\n", OXP_FORMAT_OPENMETRICS, false, true},
        {"gzip", GET("Accept-Encoding: gzip\r\n"), TEXT_TYPE, OXP_FORMAT_TEXT, true, true},
        {"gzip, OpenMetrics", GET(OM "Accept-Encoding: deflate, gzip;q=0.5\r\n"), OM_TYPE "\r\n",
         OXP_FORMAT_OPENMETRICS, true, true},
        {"identity", GET("Accept-Encoding: identity\r\n"), TEXT_TYPE, OXP_FORMAT_TEXT, false, true},
        {"from anywhere", "GET /metrics HTTP/1.1\r\nHost: prod.example\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n",
         TEXT_TYPE, OXP_FORMAT_TEXT, false, true},
        {"HTTP/1.0", "GET /metrics HTTP/1.0\r\n\r\n", TEXT_TYPE, OXP_FORMAT_TEXT, false, false},
        {"query ignored", "GET /metrics?x=1 HTTP/1.1\r\nHost: a\r\n\r\n", TEXT_TYPE, OXP_FORMAT_TEXT, false, true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct answer answer;
        char *plain = NULL;
        size_t len = 0;
        client_ask(world.port, rows[i].request, &answer);
        if (answer.status != 200 || answer.cut || strstr(answer.head, rows[i].type) == NULL ||
            answer.chunked != rows[i].chunked || strstr(answer.head, "\r\nVary: Accept, Accept-Encoding\r\n") == NULL ||
            (strstr(answer.head, "\r\nContent-Encoding: gzip\r\n") != NULL) != rows[i].gzip) {
            fail_msg("%s: %d\n%s", rows[i].name, answer.status, answer.head);
        }
        if (rows[i].gzip) {
            assert_int_equal(oxp_gzip_expand(oxp_view_of(answer.body, answer.body_len), 1 << 24, &plain, &len), OXP_OK);
        }
        size_t samples = rows[i].gzip ? samples_in(plain, len, rows[i].format)
                                      : samples_in(answer.body, answer.body_len, rows[i].format);
        assert_true(samples > 20);
        free(plain);
        answer_free(&answer);
    }
}

static double scrapes(const char *format) {
    struct oxp_family *family = world.stats.families[OXP_S_SCRAPES_TOTAL];
    return oxp_series_value(oxp_family_at(family, oxp_view_from(format)), 0);
}

static double durations(void) {
    return oxp_series_value(oxp_family_only(world.stats.families[OXP_S_SCRAPE_DURATION_SECONDS]), 0);
}

static bool counted(void *ctx) {
    const double *wanted = ctx;
    return scrapes("text") >= wanted[0] && scrapes("openmetrics") >= wanted[1] && durations() >= wanted[2];
}

static void test_counting(void **state) {
    (void)state;
    static const char *const requests[] = {
        GET(""), GET(""), GET(OM), "HEAD /metrics HTTP/1.1\r\nHost: a\r\n\r\n", GET("Accept-Encoding: gzip\r\n"),
    };
    double wanted[] = {3, 1, 4};
    for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++) {
        struct answer answer;
        client_ask(world.port, requests[i], &answer);
        assert_int_equal(answer.status, 200);
        answer_free(&answer);
    }
    assert_true(client_wait(counted, wanted));
    assert_true(scrapes("text") == 3 && scrapes("openmetrics") == 1 && durations() == 4); /* not the HEAD */
}

/* Many series, so that the stream has many pieces; and several scrapes at once. */
static void test_large(void **state) {
    (void)state;
    enum { SERIES = 9000, SCRAPERS = 4 };
    static const struct oxp_family_spec spec = {.name = "large_total",
                                                .help = "Many.",
                                                .type = OXP_COUNTER,
                                                .labels = {{.key = "n", .values = NULL, .bound = 0}}};
    struct oxp_family *family = NULL;
    int fds[SCRAPERS];
    assert_int_equal(oxp_registry_add(world.registry, &spec, &family), OXP_OK);
    for (int i = 0; i < SERIES; i++) {
        char name[64];
        snprintf(name, sizeof name, "a rather long label value, so that it is long %d", i);
        oxp_counter_add(oxp_counter(oxp_family_at(family, oxp_view_from(name))), (uint64_t)i);
    }
    for (int i = 0; i < SCRAPERS; i++) {
        fds[i] = client_dial(world.port);
        assert_true(client_say(fds[i], i % 2 == 0 ? GET("") : GET(OM "Accept-Encoding: gzip\r\n")));
    }
    for (int i = 0; i < SCRAPERS; i++) {
        struct answer answer;
        char *plain = NULL;
        size_t len = 0;
        client_read(fds[i], false, &answer);
        assert_int_equal(answer.status, 200);
        assert_false(answer.cut);
        if (i % 2 == 0) {
            assert_true(samples_in(answer.body, answer.body_len, OXP_FORMAT_TEXT) > SERIES);
        } else {
            assert_int_equal(oxp_gzip_expand(oxp_view_of(answer.body, answer.body_len), 1 << 24, &plain, &len), OXP_OK);
            assert_true(samples_in(plain, len, OXP_FORMAT_OPENMETRICS) > SERIES);
        }
        free(plain);
        answer_free(&answer);
        close(fds[i]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_formats, start, stop),
        cmocka_unit_test_setup_teardown(test_counting, start, stop),
        cmocka_unit_test_setup_teardown(test_large, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
