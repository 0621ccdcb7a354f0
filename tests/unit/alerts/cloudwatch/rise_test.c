/* What counters rose by: where a series begins, over resets, gaps and restarts, and when all of them begin anew. */
#include "tests/unit/alerts/cloudwatch/publish_world.h"

#include "tests/support/alloc_fail.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void deltas_begin_where_the_series_begins(void **state) {
    (void)state;
    struct world world;
    world_open(&world, DELTA, NULL);
    /* Before the first sample there is nothing; a living memory without the series is 0. */
    assert_string_equal(world_publish(&world, 0), "");
    world_set(&world, 55, "up", 1);
    world_set(&world, 20, "errors_total,c=old", 100); /* it was there before the first period */
    world_set(&world, 55, "errors_total,c=old", 103);
    world_set(&world, 20, "errors_total,c=new", 0);
    world_set(&world, 55, "errors_total,c=new", 4);
    assert_string_equal(world_publish(&world, 60), "D 7\n");
    assert_string_equal(world_publish(&world, 61), "D 0\n");
    /* From now on one that was not there began at 0. */
    world_set(&world, 70, "errors_total,c=late", 2);
    assert_string_equal(world_publish(&world, 120), "D 2\n");
    world_close(&world);
}

/* A process that starts across the end of a period publishes for the first time at the end of the next one. */
static void what_a_start_counts_before_its_first_period(void **state) {
    static const struct {
        const char *name;
        int64_t counters_s, publisher_s; /* 0 = not known */
        const char *told;
    } rows[] = {
        {"together", 50, 61, "D 9\n"},
        {"a reload", 50, 111, "D 2\n"},
        {"counters that were restored", -1000, 61, "D 2\n"},
        {"in the period", 70, 71, "D 2\n"},
        {"the clock was set", 50, 49, "D 2\n"},
        {"not known when the counters began", 0, 61, "D 2\n"},
        {"not known when the publisher began", 50, 0, "D 2\n"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct world world;
        world_open(&world, DELTA, NULL);
        world.options.counters_began_ms = rows[i].counters_s == 0 ? 0 : (START_S + rows[i].counters_s) * 1000;
        world.options.began_ms = rows[i].publisher_s == 0 ? 0 : (START_S + rows[i].publisher_s) * 1000;
        world_restart(&world, DELTA);
        world_set(&world, 40, "errors_total,c=former", 1000); /* which a former process left in the memory */
        world_set(&world, 50, "errors_total,c=a", 0);
        world_set(&world, 75, "errors_total,c=a", 7);
        world_set(&world, 115, "errors_total,c=a", 9);
        const char *told = world_publish(&world, 120);
        if (strcmp(told, rows[i].told) != 0) {
            fail_msg("%s: %s", rows[i].name, told);
        }
        world_set(&world, 170, "errors_total,c=a", 10);
        assert_string_equal(world_publish(&world, 180), "D 1\n");
        world_close(&world);
    }
}

static void zero_without_any_series(void **state) {
    (void)state;
    struct world world;
    world_open(&world, DELTA "- {expr: errors_total, name: By, kind: delta, by: [c]}\n", NULL);
    world_set(&world, 55, "up", 1);
    assert_string_equal(world_publish(&world, 60), "D 0\n");
    world_set(&world, 100, "errors_total,c=x", 1);
    assert_string_equal(world_publish(&world, 120), "D 1\nBy{c=\"x\"} 1\n");
    assert_string_equal(world_publish(&world, 180), "D 0\nBy{c=\"x\"} 0\n");
    world_close(&world);
}

static void deltas_over_resets_and_gaps(void **state) {
    (void)state;
    struct world world;
    world_open(&world, DELTA, NULL);
    world_set(&world, 10, "errors_total,c=a", 0);
    world_set(&world, 10, "errors_total,c=b", 0);
    assert_string_equal(world_publish(&world, 60), "D 0\n");
    world_set(&world, 100, "errors_total,c=a", 10);
    world_set(&world, 100, "errors_total,c=b", 5);
    assert_string_equal(world_publish(&world, 120), "D 15\n");
    world_set(&world, 160, "errors_total,c=a", 3); /* began anew */
    world_set(&world, 160, "errors_total,c=b", 6);
    assert_string_equal(world_publish(&world, 180), "D 4\n");
    /* Nothing was published for a long time: all of it comes at once. */
    world_set(&world, 1000, "errors_total,c=a", 50);
    world_set(&world, 1000, "errors_total,c=b", 6);
    assert_string_equal(world_publish(&world, 1020), "D 47\n");
    /* A value that is no number is left out, and its place is kept. */
    world_set(&world, 1060, "errors_total,c=a", NAN);
    world_set(&world, 1060, "errors_total,c=b", 7);
    assert_string_equal(world_publish(&world, 1080), "D 1\n");
    assert_int_equal(world.published.left_out, 1);
    world_set(&world, 1120, "errors_total,c=a", 60);
    assert_string_equal(world_publish(&world, 1140), "D 10\n");
    world_close(&world);
}

static void restarts_go_on_with_the_ledger(void **state) {
    (void)state;
    char directory[] = "/tmp/oxp-cw-XXXXXX", path[64];
    struct world world;
    assert_non_null(mkdtemp(directory));
    world_open(&world, DELTA, directory);
    world_set(&world, 10, "errors_total,c=a", 0);
    world_set(&world, 50, "errors_total,c=a", 10);
    assert_string_equal(world_publish(&world, 60), "D 10\n");
    /* The counters come back as they were, and go on; a further one began while nothing was published. */
    world_restart(&world, DELTA);
    world_set(&world, 100, "errors_total,c=a", 12);
    world_set(&world, 100, "errors_total,c=z", 5);
    assert_string_equal(world_publish(&world, 120), "D 7\n");
    /* Another expression begins anew, and what was kept of the old one is forgotten. */
#define OTHER BARE "- {expr: 'errors_total{c!=\"\"}', name: D, kind: delta}\n"
    world_restart(&world, OTHER);
    world_set(&world, 170, "errors_total,c=a", 12);
    world_set(&world, 175, "errors_total,c=a", 13);
    assert_string_equal(world_publish(&world, 180), "D 1\n");
    world_restart(&world, DELTA);
    world_set(&world, 235, "errors_total,c=a", 20);
    assert_string_equal(world_publish(&world, 240), "D 0\n");
    world_close(&world);
    /* Over a real closing, too. */
    world_open(&world, DELTA, directory);
    world_set(&world, 290, "errors_total,c=a", 21);
    assert_string_equal(world_publish(&world, 300), "D 1\n");
    /* One that is away for a while keeps its place. */
    world_restart(&world, DELTA);
    world_set(&world, 350, "up", 1);
    assert_string_equal(world_publish(&world, 360), "D 0\n");
    world_restart(&world, DELTA);
    world_set(&world, 410, "errors_total,c=a", 23);
    assert_string_equal(world_publish(&world, 420), "D 2\n");
    world_close(&world);
    static const char *const files[] = {"outbox.db", "outbox.db-wal", "outbox.db-shm"};
    for (size_t i = 0; i < COUNT_OF(files); i++) {
        snprintf(path, sizeof path, "%s/%s", directory, files[i]);
        (void)unlink(path);
    }
    (void)rmdir(directory);
}

/* After kill -9 counters begin at 0 again; how large they are by the next publishing says nothing. */
static void counters_that_begin_anew(void **state) {
    enum { BORN_MS = 1000, AGAIN_MS = 2000, THIRD_MS = 3000 };
    static const struct {
        const char *name;
        int64_t began_ms, again_ms;
        double now;
        const char *told;
    } rows[] = {
        {"killed, more than before", BORN_MS, AGAIN_MS, 10, "D 10\n"},
        {"killed, as many", BORN_MS, AGAIN_MS, 3, "D 3\n"},
        {"killed, less", BORN_MS, AGAIN_MS, 2, "D 2\n"},
        {"killed, none", BORN_MS, AGAIN_MS, 0, "D 0\n"},
        {"restored, or a reload", BORN_MS, BORN_MS, 10, "D 7\n"},
        {"restored, none since", BORN_MS, BORN_MS, 3, "D 0\n"},
        {"not known before", 0, AGAIN_MS, 10, "D 7\n"},
        {"not known since", BORN_MS, 0, 10, "D 7\n"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct world world;
        world_open(&world, DELTA, NULL);
        world.options.counters_began_ms = rows[i].began_ms;
        world_restart(&world, DELTA);
        world_set(&world, 10, "errors_total,c=a", 0);
        world_set(&world, 50, "errors_total,c=a", 3);
        assert_string_equal(world_publish(&world, 60), "D 3\n");
        world.options.counters_began_ms = rows[i].again_ms;
        world_restart(&world, DELTA);
        world_set(&world, 100, "errors_total,c=a", rows[i].now);
        const char *told = world_publish(&world, 120);
        if (strcmp(told, rows[i].told) != 0) {
            fail_msg("%s: %s", rows[i].name, told);
        }
        assert_string_equal(world_publish(&world, 121), "D 0\n"); /* once */
        world_restart(&world, DELTA);                             /* a reload */
        world_set(&world, 170, "errors_total,c=a", rows[i].now + 1);
        assert_string_equal(world_publish(&world, 180), "D 1\n");
        world_close(&world);
    }
    /* One that is not there again yet, and a period that failed. */
    struct world world;
    world_open(&world, DELTA, NULL);
    world.options.counters_began_ms = BORN_MS;
    world_restart(&world, DELTA);
    world_set(&world, 10, "errors_total,c=a", 0);
    world_set(&world, 50, "errors_total,c=a", 3);
    assert_string_equal(world_publish(&world, 60), "D 3\n");
    world.options.counters_began_ms = AGAIN_MS;
    world_restart(&world, DELTA);
    world_set(&world, 100, "errors_total,c=b", 1);
    alloc_fail_at(5);
    assert_int_equal(world_try(&world, 120), OXP_ERR_NOMEM);
    alloc_fail_at(0);
    assert_string_equal(world_publish(&world, 121), "D 1\n");
    world_restart(&world, DELTA);
    world_set(&world, 170, "errors_total,c=a", 5);
    world_set(&world, 170, "errors_total,c=b", 1);
    assert_string_equal(world_publish(&world, 180), "D 5\n");
    /* A third time, before anything was published of the second: all of it counts. */
    world.options.counters_began_ms = THIRD_MS;
    world_restart(&world, DELTA);
    world_set(&world, 230, "errors_total,c=a", 6);
    world_set(&world, 230, "errors_total,c=b", 2);
    assert_string_equal(world_publish(&world, 240), "D 8\n");
    world_close(&world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(deltas_begin_where_the_series_begins),
        cmocka_unit_test(what_a_start_counts_before_its_first_period),
        cmocka_unit_test(zero_without_any_series),
        cmocka_unit_test(deltas_over_resets_and_gaps),
        cmocka_unit_test(restarts_go_on_with_the_ledger),
        cmocka_unit_test(counters_that_begin_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
