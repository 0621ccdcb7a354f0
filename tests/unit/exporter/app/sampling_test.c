/* When samples are taken. */
#include "exporter/app/sampling.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static struct oxp_wall wall_of(double seconds) {
    return oxp_wall_from_seconds(seconds);
}

static void test_wait(void **state) {
    (void)state;
    static const struct {
        int64_t interval_ms;
        double wall_s;
        int64_t wait_ms;
    } rows[] = {
        {15000, 1700000000.25, 9750}, {15000, 1700000010, 15000}, {1000, 1700000000.999, 1},
        {60000, 59.5, 500},           {15000, -1, 1000},          {1500, 3.0, 1500},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct oxp_sampling_beat beat = {.interval_ms = rows[i].interval_ms};
        int64_t wait_ns = oxp_sampling_wait_ns(&beat, wall_of(rows[i].wall_s));
        assert_int_equal((wait_ns + 500000) / 1000000, rows[i].wait_ms);
    }
}

/* One after the other, with an interval of 15 s. */
static void test_beats(void **state) {
    (void)state;
    static const struct {
        const char *name;
        double wall_s, mono_s;
        enum oxp_sampling_due due;
        int64_t time_s;
        uint64_t missed;
    } rows[] = {
        {"the first", 900.002, 5, OXP_SAMPLING_TAKE, 900, 0},
        {"woken too early", 914.999, 19.999, OXP_SAMPLING_EARLY, 900, 0},
        {"the second", 915.001, 20.001, OXP_SAMPLING_TAKE, 915, 0},
        {"late, but not too late", 944.9, 49.9, OXP_SAMPLING_TAKE, 930, 1},
        {"on time again", 945, 50, OXP_SAMPLING_TAKE, 945, 0},
        {"stopped for minutes", 1250, 355, OXP_SAMPLING_TAKE, 1245, 19},
        {"and on", 1260, 365, OXP_SAMPLING_TAKE, 1260, 0},
        {"the clock is set forward by an hour", 4875, 380, OXP_SAMPLING_TAKE, 4875, 0},
        {"and on", 4890, 395, OXP_SAMPLING_TAKE, 4890, 0},
        {"and back", 1305, 410, OXP_SAMPLING_BEHIND, 1305, 1},
        {"still behind", 1320, 425, OXP_SAMPLING_BEHIND, 1320, 1},
        {"still behind, and stopped for a minute", 1380, 485, OXP_SAMPLING_BEHIND, 1380, 4},
        {"there again", 4890.5, 500, OXP_SAMPLING_EARLY, 4890, 0},
        {"and on", 4905, 514.5, OXP_SAMPLING_TAKE, 4905, 1},
        {"ten years on", 315360000, 530, OXP_SAMPLING_TAKE, 315360000, 0},
    };
    struct oxp_sampling_beat beat = {.interval_ms = 15000};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t time_ms = 0;
        uint64_t missed = 99;
        struct oxp_mono mono = {(int64_t)(rows[i].mono_s * 1e9)};
        enum oxp_sampling_due due = oxp_sampling_beat_at(&beat, wall_of(rows[i].wall_s), mono, &time_ms, &missed);
        if (due != rows[i].due || time_ms != rows[i].time_s * 1000 || missed != rows[i].missed) {
            fail_msg("%s: due %d, time %lld ms, %llu missed", rows[i].name, (int)due, (long long)time_ms,
                     (unsigned long long)missed);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wait),
        cmocka_unit_test(test_beats),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
