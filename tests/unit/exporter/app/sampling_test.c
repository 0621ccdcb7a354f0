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

struct row {
    const char *name;
    double wall_s, mono_s;
    enum oxp_sampling_due due;
    int64_t time_s;
    uint64_t missed;
    double set_s; /* to a tenth of a second */
};

/* One after the other. */
static void run(int64_t interval_ms, const struct row *rows, size_t count) {
    struct oxp_sampling_beat beat = {.interval_ms = interval_ms};
    for (size_t i = 0; i < count; i++) {
        struct oxp_sampling_moment moment;
        struct oxp_mono mono = {(int64_t)(rows[i].mono_s * 1e9)};
        enum oxp_sampling_due due = oxp_sampling_beat_at(&beat, wall_of(rows[i].wall_s), mono, &moment);
        double set_s = (double)moment.set_ns / 1e9;
        if (due != rows[i].due || moment.time_ms != rows[i].time_s * 1000 || moment.missed != rows[i].missed ||
            set_s < rows[i].set_s - 0.1 || set_s > rows[i].set_s + 0.1 ||
            (moment.set_ns != 0) != (rows[i].set_s != 0)) {
            fail_msg("%s: due %d, time %lld ms, %llu missed, set by %.3f s", rows[i].name, (int)due,
                     (long long)moment.time_ms, (unsigned long long)moment.missed, set_s);
        }
    }
}

static void test_beats(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"the first", 900.002, 5, OXP_SAMPLING_TAKE, 900, 0, 0},
        {"woken too early", 914.999, 19.999, OXP_SAMPLING_EARLY, 900, 0, 0},
        {"the second", 915.001, 20.001, OXP_SAMPLING_TAKE, 915, 0, 0},
        {"late, but not too late", 944.9, 49.9, OXP_SAMPLING_TAKE, 930, 0, 0},
        {"on time again", 945, 50, OXP_SAMPLING_TAKE, 945, 0, 0},
        {"stopped for minutes", 1250, 355, OXP_SAMPLING_TAKE, 1245, 19, 0},
        {"and on", 1260, 365, OXP_SAMPLING_TAKE, 1260, 0, 0},
        {"the clock is set forward by an hour", 4875, 380, OXP_SAMPLING_TAKE, 4875, 0, 3600},
        {"and on", 4890, 395, OXP_SAMPLING_TAKE, 4890, 0, 0},
        {"and back by an hour", 1305, 410, OXP_SAMPLING_TAKE, 1305, 0, -3600},
        {"and on", 1320, 425, OXP_SAMPLING_TAKE, 1320, 0, 0},
        {"ten years on", 315360000, 440, OXP_SAMPLING_TAKE, 315360000, 0, 315358665},
        {"and back, while stopped for a minute", 1410.5, 500.5, OXP_SAMPLING_TAKE, 1410, 3, -315358650},
        {"and on", 1425, 515, OXP_SAMPLING_TAKE, 1425, 0, 0},
        {"before 1970", -100, 530, OXP_SAMPLING_TAKE, -105, 0, -1540},
        {"and on", -90, 540, OXP_SAMPLING_TAKE, -90, 0, 0},
    };
    run(15000, rows, sizeof rows / sizeof rows[0]);
}

static void test_set_back_by_little(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"the first", 4890, 5, OXP_SAMPLING_TAKE, 4890, 0, 0},
        {"as much as is waited for", 4845, 20, OXP_SAMPLING_BEHIND, 4845, 1, -60},
        {"still behind", 4860, 35, OXP_SAMPLING_BEHIND, 4860, 1, 0},
        {"there again", 4890.5, 65.5, OXP_SAMPLING_EARLY, 4890, 0, 0},
        {"and on", 4905, 80, OXP_SAMPLING_TAKE, 4905, 2, 0},
        {"back", 4860, 95, OXP_SAMPLING_BEHIND, 4860, 1, -60},
        {"and again: now it is too much", 4830, 110, OXP_SAMPLING_TAKE, 4830, 0, -45},
        {"and on", 4845, 125, OXP_SAMPLING_TAKE, 4845, 0, 0},
        {"less than a tick", 4852, 140, OXP_SAMPLING_EARLY, 4845, 0, 0},
        {"is seen with the next", 4860, 148, OXP_SAMPLING_TAKE, 4860, 1, -8},
        {"a second is no matter", 4874, 164, OXP_SAMPLING_EARLY, 4860, 0, 0},
        {"nor with the next", 4875, 164, OXP_SAMPLING_TAKE, 4875, 0, 0},
    };
    run(15000, rows, sizeof rows / sizeof rows[0]);
    static const struct row slow[] = {
        /* an interval of five minutes: two of them are waited for */
        {"the first", 6000, 5, OXP_SAMPLING_TAKE, 6000, 0, 0},
        {"ten minutes", 5400, 5, OXP_SAMPLING_BEHIND, 5400, 1, -600},
        {"and a little more", 5399, 5, OXP_SAMPLING_TAKE, 5100, 0, 0},
    };
    run(300000, slow, sizeof slow / sizeof slow[0]);
    static const struct row fast[] = {
        /* of a second */
        {"the first", 6000, 5, OXP_SAMPLING_TAKE, 6000, 0, 0},
        {"less than half a second", 6001.4, 6, OXP_SAMPLING_TAKE, 6001, 0, 0},
        {"more", 6003, 7, OXP_SAMPLING_TAKE, 6003, 0, 0.6},
        {"back by a minute", 5944, 8, OXP_SAMPLING_BEHIND, 5944, 1, -60},
        {"and by more", 5942.9, 8.5, OXP_SAMPLING_TAKE, 5942, 0, -1.6},
    };
    run(1000, fast, sizeof fast / sizeof fast[0]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wait),
        cmocka_unit_test(test_beats),
        cmocka_unit_test(test_set_back_by_little),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
