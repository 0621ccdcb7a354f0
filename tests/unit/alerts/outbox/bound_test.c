/* The bounds: what is dropped when there is too much, and that the file keeps to its size. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "tests/unit/alerts/outbox/world.h"

static bool in_memory;

static uint64_t file_size(const struct world *world, const char *name) {
    char path[128];
    struct stat info = {0};
    world_path(world, name, path);
    return stat(path, &info) == 0 ? (uint64_t)info.st_size : 0;
}

/* ---- Rows ---- */

static void test_rows(void **state) {
    (void)state;
    static const struct {
        const char *name, *puts[8];
        unsigned claims, asides; /* of the first ones, in the order of the queue, before the last put */
        const char *after, *dropped;
    } rows[] = {
        {"as many as there may be",
         {"info q - a", "info q - b", "info q - c", NULL},
         0,
         0,
         "waiting:a waiting:b waiting:c ",
         ""},
        {"the oldest",
         {"info q - a", "info q - b", "info q - c", "info q - d", NULL},
         0,
         0,
         "dropped:a waiting:b waiting:c waiting:d ",
         "a "},
        {"of the lowest priority",
         {"critical q - a", "warning q - b", "warning q - c", "critical q - d", NULL},
         0,
         0,
         "waiting:a dropped:b waiting:c waiting:d ",
         "b "},
        {"of any queue",
         {"critical q - a", "info r - b", "critical q - c", "critical q - d", NULL},
         0,
         0,
         "waiting:a dropped:b waiting:c waiting:d ",
         "b "},
        {"the new one, when all others matter more",
         {"critical q - a", "critical q - b", "critical q - c", "info q - d", NULL},
         0,
         0,
         "waiting:a waiting:b waiting:c dropped:d ",
         "d "},
        {"what is claimed does not count, and stays",
         {"info q - a", "info q - b", "info q - c", "info q - d", NULL},
         1,
         0,
         "claimed:a waiting:b waiting:c waiting:d ",
         ""},
        {"what is set aside counts, and goes",
         {"info q - a", "info q - b", "info q - c", "info q - d", NULL},
         0,
         1,
         "dropped:a waiting:b waiting:c waiting:d ",
         "a "},
        {"before anything that waits, whatever it is worth",
         {"critical q - a", "info q - b", "info r - c", "info q - d", NULL},
         0,
         1,
         "dropped:a waiting:b waiting:c waiting:d ",
         "a "},
        {"of what is set aside the lowest priority, the oldest",
         {"critical q - a", "info q - b", "info q - c", "info q - d", NULL},
         0,
         3,
         "set_aside:a dropped:b set_aside:c waiting:d ",
         "b "},
        {"what is superseded makes room",
         {"info q g a", "info q - b", "info q - c", "info q g d", NULL},
         0,
         0,
         "superseded:a waiting:b waiting:c waiting:d ",
         "a "},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct world world;
        world_make(&world, in_memory);
        world.options.rows_max = 3;
        world_open(&world);
        for (const char *const *line = rows[i].puts; *line != NULL; line++) {
            for (unsigned n = 0; line[1] == NULL && n < rows[i].claims + rows[i].asides; n++) {
                world_claim(&world, NOW);
                if (n < rows[i].asides) {
                    oxp_outbox_set_aside(world.outbox, world.claimed_id, OXP_VIEW("400"), NOW);
                }
            }
            assert_int_equal(world_put(&world, *line, NOW), OXP_OK);
        }
        const char *after = world_states(&world);
        if (strcmp(after, rows[i].after) != 0 || strcmp(world.dropped, rows[i].dropped) != 0) {
            fail_msg("%s: %s, dropped %s", rows[i].name, after, world.dropped);
        }
        struct oxp_outbox_stats stats = world_stats(&world);
        assert_int_equal(stats.dropped[OXP_OUTBOX_FULL], world.drops[OXP_OUTBOX_FULL]);
        world_end(&world);
    }
}

static void test_a_drop_is_seen(void **state) {
    (void)state;
    struct world world;
    size_t count = 0;
    world_make(&world, in_memory);
    world.options.rows_max = 1;
    world_open(&world);
    world_put(&world, "info q - a", NOW);
    world_put(&world, "info q - b", NOW);
    struct oxp_outbox_message message = world_show(&world, 1);
    assert_int_equal(message.state, OXP_OUTBOX_DROPPED);
    assert_non_null(strstr(message.answer.ptr, "full"));
    assert_int_equal(message.content.len, 0); /* or it would not have made room */
    assert_int_equal(oxp_outbox_retry(world.outbox, 1, OXP_VIEW(""), NOW, &count), OXP_ERR_INVALID);
    world_end(&world);
}

/* ---- Bytes ---- */

#define BYTES_MAX (1u << 20)

static void open_small(struct world *world) {
    world_make(world, in_memory);
    world->options.bytes_max = BYTES_MAX;
    world_open(world);
}

static void test_bytes(void **state) {
    (void)state;
    static const size_t sizes[] = {1024, 20000, 200000};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct world world;
        char name[32];
        open_small(&world);
        world_put_bytes(&world, OXP_OUTBOX_CRITICAL, "keep", sizes[i]);
        size_t puts = (size_t)2 * BYTES_MAX / (sizes[i] + 400) + 10;
        for (size_t n = 0; n < puts; n++) {
            snprintf(name, sizeof name, "%zu", n);
            world_put_bytes(&world, OXP_OUTBOX_INFO, name, sizes[i]);
            if (n % 16 == 0 && (world_stats(&world).bytes > BYTES_MAX || file_size(&world, "outbox.db") > BYTES_MAX)) {
                fail_msg("%zu bytes: %zu in use", sizes[i], (size_t)world_stats(&world).bytes);
            }
        }
        struct oxp_outbox_stats stats = world_stats(&world);
        assert_true(stats.dropped[OXP_OUTBOX_FULL] > 0);
        assert_int_equal(stats.waiting + stats.dropped[OXP_OUTBOX_FULL], puts + 1);
        assert_true(stats.bytes > BYTES_MAX / 2); /* and no more was dropped than had to be */
        assert_string_equal(world_claim(&world, NOW), "keep");
        snprintf(name, sizeof name, "%zu", puts - (size_t)stats.waiting + 1); /* the oldest that is left */
        assert_string_equal(world_claim(&world, NOW), name);
        world_end(&world);
    }
}

static void send_all(struct world *world) {
    while (world_claim(world, NOW)[0] != '\0') {
        assert_int_equal(oxp_outbox_sent(world->outbox, world->claimed_id, OXP_VIEW("200"), NOW), OXP_OK);
    }
}

static void test_small_again(void **state) {
    (void)state;
    struct world world;
    open_small(&world);
    for (int i = 0; i < 120; i++) {
        world_put_bytes(&world, OXP_OUTBOX_INFO, "x", 10000);
    }
    assert_true(world_stats(&world).bytes > BYTES_MAX / 2);
    send_all(&world);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(oxp_outbox_sweep(world.outbox, NOW), OXP_OK);
    }
    assert_true(world_stats(&world).bytes < BYTES_MAX / 8);
    assert_true(file_size(&world, "outbox.db") < BYTES_MAX / 6);
    for (int i = 0; i < 20; i++) {
        world_put_bytes(&world, OXP_OUTBOX_INFO, "y", 10000);
    }
    assert_int_equal(world_stats(&world).waiting, 20); /* usable */
    world_end(&world);
}

/* What is over makes room before what waits does. */
static void test_history_first(void **state) {
    (void)state;
    struct world world;
    char name[1000];
    memset(name, 'n', sizeof name);
    name[sizeof name - 1] = '\0';
    open_small(&world);
    for (int i = 0; i < 400; i++) {
        world_put_bytes(&world, OXP_OUTBOX_INFO, name, 1);
        send_all(&world);
    }
    uint64_t before = world_stats(&world).bytes;
    for (int i = 0; i < 40; i++) {
        world_put_bytes(&world, OXP_OUTBOX_INFO, "y", 20000);
    }
    assert_true(before + 800000 > BYTES_MAX); /* it would not have fitted */
    assert_int_equal(world_stats(&world).waiting, 40);
    assert_int_equal(world_stats(&world).dropped[OXP_OUTBOX_FULL], 0);
    world_end(&world);
}

static void test_claimed_is_never_dropped(void **state) {
    (void)state;
    struct world world;
    open_small(&world);
    world_put_bytes(&world, OXP_OUTBOX_INFO, "claimed", 300000);
    assert_string_equal(world_claim(&world, NOW), "claimed");
    for (int i = 0; i < 10; i++) {
        world_put_bytes(&world, OXP_OUTBOX_CRITICAL, "x", 300000);
    }
    struct oxp_outbox_message message = world_show(&world, world.claimed_id);
    assert_int_equal(message.state, OXP_OUTBOX_CLAIMED);
    assert_int_equal(message.content.len, 300000);
    assert_int_equal(oxp_outbox_again(world.outbox, world.claimed_id, NOW, OXP_VIEW("503"), NOW), OXP_OK);
    world_end(&world);
}

/* A bound that was lowered holds from the next start. */
static void test_lowered(void **state) {
    (void)state;
    struct world world;
    if (in_memory) {
        return;
    }
    world_make(&world, false);
    world_open(&world);
    for (int i = 0; i < 100; i++) {
        world_put_bytes(&world, OXP_OUTBOX_INFO, "x", 20000);
    }
    world.options.bytes_max = BYTES_MAX;
    world_again(&world);
    assert_true(world_stats(&world).bytes < BYTES_MAX);
    for (int i = 0; i < 4; i++) {
        oxp_outbox_sweep(world.outbox, NOW);
    }
    assert_true(file_size(&world, "outbox.db") < BYTES_MAX * 3 / 2);
    world_end(&world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),          cmocka_unit_test(test_a_drop_is_seen),
        cmocka_unit_test(test_bytes),         cmocka_unit_test(test_small_again),
        cmocka_unit_test(test_history_first), cmocka_unit_test(test_claimed_is_never_dropped),
        cmocka_unit_test(test_lowered),
    };
    in_memory = true;
    int failed = cmocka_run_group_tests_name("in memory", tests, NULL, NULL);
    in_memory = false;
    return failed + cmocka_run_group_tests_name("in a file", tests, NULL, NULL);
}
