/* Clocks and the text of times. */
#include "tests/unit/lib/base/support.h"

#include "lib/base/clock.h"
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* A double of today's seconds holds a quarter of a microsecond. */
static bool close_to(double seconds, double expected) {
    return fabs(seconds - expected) < 1e-6;
}

static void test_manual(void **state) {
    (void)state;
    struct oxp_clock_manual manual;
    oxp_clock_manual_init(&manual, 1700000000.25);
    int64_t start = oxp_clock_mono(&manual.clock).ns;
    assert_true(close_to(oxp_wall_seconds(oxp_clock_wall(&manual.clock)), 1700000000.25));
    assert_int_equal(oxp_clock_mono(&manual.clock).ns, start); /* it does not move by itself */
    oxp_clock_manual_advance(&manual, 1.5);
    assert_int_equal(oxp_clock_mono(&manual.clock).ns - start, 1500000000);
    assert_true(close_to(oxp_wall_seconds(oxp_clock_wall(&manual.clock)), 1700000001.75));
    manual.wall_now = oxp_wall_from_seconds(5); /* a jump leaves the other one alone */
    assert_int_equal(oxp_clock_mono(&manual.clock).ns - start, 1500000000);
}

static void test_system(void **state) {
    (void)state;
    const struct oxp_clock *clock = oxp_clock_system();
    int64_t before = oxp_clock_mono(clock).ns;
    for (int i = 0; i < 1000; i++) {
        int64_t now = oxp_clock_mono(clock).ns;
        assert_true(now >= before);
        before = now;
    }
    double wall_s = oxp_wall_seconds(oxp_clock_wall(clock)), mono_s = oxp_clock_mono_s(NULL);
    assert_true(wall_s > 1.7e9);
    assert_true(oxp_clock_wall_s(NULL) - wall_s > -1 && oxp_clock_wall_s(NULL) - wall_s < 60);
    assert_true(mono_s * 1e9 >= (double)before && oxp_clock_mono_s(NULL) >= mono_s);
}

static void test_format(void **state) {
    (void)state;
    static const struct {
        double seconds;
        const char *text;
    } rows[] = {
        {0, "1970-01-01T00:00:00.000Z"},
        {1, "1970-01-01T00:00:01.000Z"},
        {951782400, "2000-02-29T00:00:00.000Z"},
        {1700000000.125, "2023-11-14T22:13:20.125Z"},
        {4102444799.5, "2099-12-31T23:59:59.500Z"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char text[25];
        oxp_wall_format(oxp_wall_from_seconds(rows[i].seconds), text);
        assert_string_equal(text, rows[i].text);
    }
    const int64_t extremes[] = {INT64_MIN, -1, INT64_MAX};
    for (size_t i = 0; i < COUNT_OF(extremes); i++) {
        char text[25];
        oxp_wall_format((struct oxp_wall){extremes[i]}, text);
        assert_int_equal(strlen(text), 24);
    }
}

/* Every day from 1970 to 2262 is the C library's. */
static void test_every_day(void **state) {
    (void)state;
    for (int64_t day = 0; day < 106750; day++) {
        time_t at = (time_t)(day * 86400 + day % 86400);
        struct tm tm;
        char text[25], expected[32];
        gmtime_r(&at, &tm);
        strftime(expected, sizeof expected, "%Y-%m-%dT%H:%M:%S.000Z", &tm);
        oxp_wall_format((struct oxp_wall){(int64_t)at * OXP_NS_PER_S}, text);
        assert_string_equal(text, expected);
    }
}

static atomic_bool stop;

static void *format_until_told(void *arg) {
    char text[25];
    while (!atomic_load(&stop)) {
        oxp_wall_format((struct oxp_wall){INT64_C(1700000000) * OXP_NS_PER_S}, text);
    }
    return arg;
}

/* A child that was made while others format times can do so as well: no lock of the C library is in the way. */
static void test_in_a_child(void **state) {
    pthread_t threads[2];
    (void)state;
    for (size_t i = 0; i < COUNT_OF(threads); i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, format_until_told, NULL), 0);
    }
    for (int i = 0; i < 200; i++) {
        int status = 0;
        pid_t child = fork();
        if (child == 0) {
            char text[25];
            alarm(60);
            oxp_wall_format((struct oxp_wall){0}, text);
            _exit(0);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
    }
    atomic_store(&stop, true);
    for (size_t i = 0; i < COUNT_OF(threads); i++) {
        pthread_join(threads[i], NULL);
    }
}

static void test_seconds(void **state) {
    (void)state;
    static const struct {
        double seconds;
        int64_t ns;
    } rows[] = {
        {0, 0}, {1.5, 1500000000}, {-0.5, -500000000}, {-2, -2000000000}, {1700000000.25, INT64_C(1700000000250000000)},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        assert_true(oxp_wall_from_seconds(rows[i].seconds).ns == rows[i].ns);
        assert_true(close_to(oxp_wall_seconds((struct oxp_wall){rows[i].ns}), rows[i].seconds));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_in_a_child), cmocka_unit_test(test_manual),    cmocka_unit_test(test_system),
        cmocka_unit_test(test_format),     cmocka_unit_test(test_every_day), cmocka_unit_test(test_seconds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
