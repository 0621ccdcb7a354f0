/* A disk that fails, a file system without WAL, and memory that runs out: at each call, one after the other. Nothing
 * that was accepted is lost, a good file is never set aside, and it heals. */
#include <malloc.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/alloc_fail.h"
#include "tests/unit/alerts/outbox/failing_vfs.h"
#include "tests/unit/alerts/outbox/world.h"

/* ---- What is done, and what must be true after it ---- */

struct done {
    unsigned accepted; /* bits by message: 0 'a' … */
    unsigned sent;
    bool failed;
};

/* The statuses that a failure may have. */
static void must(enum oxp_status status, bool memory) {
    bool allowed = status == OXP_OK || status == OXP_END ||
                   (memory ? status == OXP_ERR_NOMEM : status == OXP_ERR_IO || status == OXP_ERR_FULL);
    if (!allowed) {
        alloc_fail_at(0);
        fail_msg("status %s", oxp_status_name(status));
    }
}

static void put(struct world *world, struct done *done, unsigned which, const char *group, size_t bytes, bool memory) {
    static char filler[20000];
    char summary[2] = {(char)('a' + which), '\0'};
    struct oxp_outbox_message message = {.receiver = OXP_VIEW("q"),
                                         .integration = OXP_VIEW("webhook"),
                                         .group = oxp_view_from(group),
                                         .summary = oxp_view_from(summary),
                                         .content = oxp_view_of(filler, bytes)};
    struct oxp_outbox_value value = {OXP_VIEW("last"), oxp_view_from(summary)};
    struct oxp_outbox_note note = {OXP_VIEW("kind"), OXP_VIEW("text")};
    struct oxp_outbox_write write = {
        .messages = &message, .message_count = 1, .values = &value, .value_count = 1, .notes = &note, .note_count = 1};
    struct oxp_error error = {0};
    enum oxp_status status = oxp_outbox_put(world->outbox, &write, NOW, &error);
    must(status, memory);
    assert_true(status == OXP_OK || error.text[0] != '\0');
    done->accepted |= status == OXP_OK ? 1u << which : 0;
    done->failed = done->failed || status != OXP_OK;
}

static void turn(struct world *world, struct done *done, bool again, bool memory) {
    struct oxp_outbox_message message = {0};
    int64_t next_ms = 0;
    enum oxp_status status = oxp_outbox_claim(world->outbox, OXP_VIEW("q"), NOW, &world->arena, &message, &next_ms);
    must(status, memory);
    if (status != OXP_OK) {
        oxp_arena_clear(&world->arena); /* its failure sticks */
        return;
    }
    unsigned which = (unsigned)(message.summary.ptr[0] - 'a');
    status = again ? oxp_outbox_again(world->outbox, message.id, NOW, OXP_VIEW("503"), NOW)
                   : oxp_outbox_sent(world->outbox, message.id, OXP_VIEW("200"), NOW);
    must(status, memory);
    done->sent |=
        !again ? 1u << which : 0; /* the receiver has it; without WAL a commit may count that seemed to fail */
}

static void look(struct world *world, bool memory) {
    struct oxp_outbox_filter filter = {.limit = 10};
    struct oxp_outbox_message *messages = NULL, message;
    struct oxp_outbox_noted *notes = NULL;
    struct oxp_outbox_value *values = NULL;
    struct oxp_outbox_stats stats;
    struct oxp_view value;
    size_t count = 0;
    must(oxp_outbox_list(world->outbox, &filter, &world->arena, &messages, &count), memory);
    oxp_arena_clear(&world->arena);
    must(oxp_outbox_notes(world->outbox, 10, &world->arena, &notes, &count), memory);
    oxp_arena_clear(&world->arena);
    must(oxp_outbox_values(world->outbox, OXP_VIEW(""), &world->arena, &values, &count), memory);
    oxp_arena_clear(&world->arena);
    enum oxp_status status = oxp_outbox_show(world->outbox, 1, &world->arena, &message);
    must(status == OXP_ERR_NOT_FOUND ? OXP_OK : status, memory);
    oxp_arena_clear(&world->arena);
    status = oxp_outbox_value(world->outbox, OXP_VIEW("last"), &world->arena, &value);
    must(status == OXP_ERR_NOT_FOUND ? OXP_OK : status, memory);
    oxp_arena_clear(&world->arena);
    status = oxp_outbox_stats(world->outbox, &world->arena, &stats);
    assert_true(status == OXP_OK || status == OXP_ERR_NOMEM);
    oxp_arena_clear(&world->arena);
}

/* Everything once. */
static void work(struct world *world, struct done *done, bool memory) {
    size_t count = 0;
    put(world, done, 0, "", 20000, memory);
    put(world, done, 1, "g", 10, memory);
    turn(world, done, false, memory);
    put(world, done, 2, "g", 10, memory);
    turn(world, done, true, memory);
    look(world, memory);
    must(oxp_outbox_sweep(world->outbox, NOW + 25 * HOUR), memory);
    must(oxp_outbox_retry(world->outbox, 0, OXP_VIEW("q"), NOW, &count), memory);
}

/* What is counted along is what is there, also after failures. */
static void check_counts(struct world *world, const char *what, size_t n) {
    struct oxp_outbox_stats stats = world_stats(world);
    size_t waiting = 0;
    for (const char *at = world_states(world); (at = strstr(at, "waiting:")) != NULL; at++) {
        waiting++;
    }
    if (stats.waiting != waiting) {
        fail_msg("%s %zu: %zu counted, %zu there", what, n, (size_t)stats.waiting, waiting);
    }
}

/* What was accepted is there or was sent (and pruned); what was superseded was superseded by what was accepted. */
static void check(struct world *world, const struct done *done, const char *what, size_t n) {
    const char *states = world_states(world);
    for (unsigned which = 0; which < 3; which++) {
        char name[4] = {':', (char)('a' + which), ' ', '\0'};
        bool superseded = which == 1 && ((done->accepted & 4u) != 0 || strstr(states, ":c ") != NULL);
        if ((done->accepted & 1u << which) != 0 && (done->sent & 1u << which) == 0 && !superseded &&
            strstr(states, name) == NULL) {
            fail_msg("%s %zu: %c was accepted, and is gone: %s", what, n, 'a' + which, states);
        }
    }
}

/* ---- The disk ---- */

static void remove_file(const struct world *world) {
    static const char *const names[] = {"outbox.db", "outbox.db-wal", "outbox.db-shm", "outbox.db-journal"};
    char path[128];
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        world_path(world, names[i], path);
        unlink(path);
    }
}

static bool was_set_aside(const struct world *world) {
    char path[128];
    world_path(world, "outbox.db.damaged-1", path);
    return access(path, F_OK) == 0;
}

/* One run with the failure at the n-th call. */
static bool run_with_failure(struct world *world, const char *what, size_t n, struct failing_vfs fault) {
    struct done done = {0};
    struct oxp_error error = {0};
    remove_file(world);
    fault.at = n;
    failing_vfs = fault;
    oxp_arena_clear(&world->arena);
    enum oxp_status status = oxp_outbox_open(&world->options, NOW, &world->outbox, NULL, &error);
    if (status == OXP_OK) {
        work(world, &done, false);
    } else {
        assert_int_equal(status, OXP_ERR_IO);
        assert_true(error.text[0] != '\0');
        world->outbox = NULL;
    }
    bool hit = failing_vfs.hit;
    failing_vfs.at = 0; /* it works again: so does the outbox, without being opened by hand */
    if (status == OXP_OK) {
        if (world_put(world, "info q - healed", NOW) != OXP_OK) {
            oxp_outbox_trouble(world->outbox, &error);
            fail_msg("%s %zu: not healed: %s", what, n, error.text);
        }
        check(world, &done, what, n);
        check_counts(world, what, n);
        oxp_outbox_trouble(world->outbox, &error);
        assert_string_equal(error.text, "");
        assert_true(!done.failed || world_stats(world).failures > 0);
    }
    world_again(world);
    check(world, &done, what, n);
    if (was_set_aside(world) || world->opened == OXP_OUTBOX_FRESH) {
        fail_msg("%s %zu: a good file was set aside", what, n);
    }
    oxp_outbox_close(world->outbox);
    world->outbox = NULL;
    return hit;
}

static void test_disk(void **state) {
    (void)state;
    static const struct {
        const char *name;
        struct failing_vfs fault;
        size_t step; /* 1 with OXP_TEST_EVERY */
    } rows[] = {
        {"I/O error once", {.stays = false}, 2},
        {"I/O error for a while", {.stays = true}, 7},
        {"full once", {.is_full = true}, 7},
        {"full for a while", {.is_full = true, .stays = true}, 5},
        {"I/O error once, without WAL", {.without_wal = true}, 9},
        {"full for a while, without WAL", {.without_wal = true, .is_full = true, .stays = true}, 11},
    };
    bool every = getenv("OXP_TEST_EVERY") != NULL;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct world world;
        world_make(&world, false);
        size_t n = 1;
        while (run_with_failure(&world, rows[i].name, n, rows[i].fault)) {
            n += every ? 1 : rows[i].step;
        }
        print_message("%s: about %zu calls\n", rows[i].name, n - 1);
        assert_true(n > 20);
        failing_vfs = (struct failing_vfs){0};
        world_end(&world);
    }
}

static void test_without_wal(void **state) {
    (void)state;
    struct world world;
    char path[128];
    world_make(&world, false);
    failing_vfs = (struct failing_vfs){.without_wal = true};
    for (int i = 0; i < 2; i++) {
        world_open(&world);
        assert_int_equal(world_put(&world, "info q - a", NOW), OXP_OK);
        world_path(&world, "outbox.db-wal", path);
        assert_int_not_equal(access(path, F_OK), 0);
        struct stat info;
        world_path(&world, "outbox.db-journal", path);
        assert_int_equal(stat(path, &info), 0); /* TRUNCATE leaves it, empty */
        assert_int_equal(info.st_size, 0);
        assert_int_equal(info.st_mode & 0777, 0600);
        oxp_outbox_close(world.outbox);
        world.outbox = NULL;
    }
    failing_vfs = (struct failing_vfs){0};
    world_open(&world); /* and back */
    assert_string_equal(world_states(&world), "waiting:a waiting:a ");
    world_end(&world);
}

/* What was accepted is on the disk when the put returns, not a second later. */
static void test_synced(void **state) {
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct world world;
        world_make(&world, false);
        failing_vfs = (struct failing_vfs){.without_wal = i == 1};
        world_open(&world);
        for (int n = 0; n < 5; n++) {
            size_t before = failing_vfs_syncs;
            assert_int_equal(world_put(&world, "info q - a", NOW), OXP_OK);
            assert_true(failing_vfs_syncs > before);
        }
        world_end(&world);
        failing_vfs = (struct failing_vfs){0};
    }
}

/* ---- Memory ---- */

void *__real_malloc(size_t size);
void *__real_realloc(void *old, size_t size);

static bool counts_sqlite; /* the countdown of alloc_fail sees SQLite's allocations too */

static int size_of(void *piece) {
    return (int)malloc_usable_size(piece);
}
static void *take(int size) {
    return counts_sqlite ? malloc((size_t)size) : __real_malloc((size_t)size);
}
static void *take_more(void *old, int size) {
    return counts_sqlite ? realloc(old, (size_t)size) : __real_realloc(old, (size_t)size);
}
static int round_up(int size) {
    return (size + 7) & ~7;
}
static int begin(void *ctx) {
    (void)ctx;
    return SQLITE_OK;
}
static void end(void *ctx) {
    (void)ctx;
}

/* `from_start`: the opening fails; otherwise the work after it. */
static bool run_without_memory(size_t n, bool from_start, struct oxp_outbox_options options) {
    struct world world;
    struct done done = {0};
    world_make(&world, options.directory == NULL);
    options.directory = options.directory == NULL ? NULL : world.directory;
    alloc_fail_at(from_start ? n : 0);
    enum oxp_status status = oxp_outbox_open(&options, NOW, &world.outbox, NULL, NULL);
    if (status == OXP_OK && !from_start) {
        alloc_fail_at(n);
        work(&world, &done, true);
    }
    bool hit = alloc_fail_hit();
    alloc_fail_at(0);
    if (status == OXP_OK) {
        assert_int_equal(world_put(&world, "info q - healed", NOW), OXP_OK);
        check(&world, &done, "allocation", n);
        check_counts(&world, "allocation", n);
        assert_int_equal(world_stats(&world).failures, 0); /* of the disk */
    } else {
        assert_int_equal(status, OXP_ERR_NOMEM);
        world.outbox = NULL;
    }
    assert_true(options.directory == NULL || !was_set_aside(&world));
    world_end(&world);
    return hit;
}

/* Our own one by one. SQLite makes thousands, mostly the same: with growing steps, or all with OXP_TEST_EVERY. */
static void test_memory(void **state) {
    (void)state;
    bool every = getenv("OXP_TEST_EVERY") != NULL;
    struct oxp_outbox_options options = {0};
    static const struct {
        const char *name;
        bool sqlite, from_start, in_file;
        size_t least;
    } rows[] = {
        {"ours, opening", false, true, true, 2},
        {"ours, working", false, false, false, 5},
        {"SQLite's, opening", true, true, false, 30},
        {"SQLite's, working", true, false, false, 30},
        {"SQLite's, opening a file", true, true, true, 30}, /* must not look like damage */
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        size_t n = 1, runs = 0;
        options.directory = rows[i].in_file ? "a file" : NULL;
        counts_sqlite = rows[i].sqlite;
        while (run_without_memory(n, rows[i].from_start, options)) {
            n += rows[i].sqlite && !every ? 1 + n / 6 : 1;
            runs++;
        }
        counts_sqlite = false;
        print_message("%s: %zu of about %zu allocations\n", rows[i].name, runs, n);
        assert_true(runs >= rows[i].least);
    }
}

int main(void) {
    static const sqlite3_mem_methods methods = {.xMalloc = take,
                                                .xFree = free,
                                                .xRealloc = take_more,
                                                .xSize = size_of,
                                                .xRoundup = round_up,
                                                .xInit = begin,
                                                .xShutdown = end};
    sqlite3_config(SQLITE_CONFIG_MALLOC, &methods);
    failing_vfs_register();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_disk),
        cmocka_unit_test(test_without_wal),
        cmocka_unit_test(test_synced),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
