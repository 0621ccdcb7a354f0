/* The file: who may read it, what a restart keeps, other processes beside it, other versions, damage. */
#include <fcntl.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/buf.h"
#include "lib/base/file.h"
#include "tests/unit/alerts/outbox/world.h"

static int setup(void **state) {
    struct world *world = malloc(sizeof(struct world));
    world_make(world, false);
    *state = world;
    return 0;
}

static int teardown(void **state) {
    world_end(*state);
    free(*state);
    return 0;
}

static void read_whole(const struct world *world, const char *name, struct oxp_buf *out) {
    char path[128];
    world_path(world, name, path);
    oxp_buf_clear(out);
    assert_int_equal(oxp_file_read(path, out, NULL), OXP_OK);
}

static void write_whole(const struct world *world, const char *name, const void *bytes, size_t len) {
    char path[128];
    world_path(world, name, path);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    assert_true(oxp_file_write(fd, bytes, len));
    close(fd);
}

static bool exists(const struct world *world, const char *name) {
    char path[128];
    world_path(world, name, path);
    return access(path, F_OK) == 0;
}

/* Runs SQL on the closed file. */
static void sql(const struct world *world, const char *text) {
    char path[128];
    sqlite3 *db = NULL;
    world_path(world, "outbox.db", path);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

/* ---- Mode and place ---- */

static void test_mode(void **state) {
    struct world *world = *state;
    static const char *const names[] = {"outbox.db", "outbox.db-wal", "outbox.db-shm"};
    char path[128];
    mode_t mask = umask(0);
    write_whole(world, "outbox.db", "", 0); /* made by somebody else, for all to read */
    world_open(world);
    world_put(world, "info q - a", NOW);
    umask(mask);
    for (size_t i = 0; i < 3; i++) {
        struct stat info;
        world_path(world, names[i], path);
        assert_int_equal(stat(path, &info), 0); /* that it is WAL shows here too */
        assert_int_equal(info.st_mode & 0777, 0600);
    }
}

static void test_no_directory(void **state) {
    struct world *world = *state;
    char long_name[5000];
    memset(long_name, 'a', sizeof long_name);
    long_name[sizeof long_name - 1] = '\0';
    const char *const bad[] = {"/none/such", "/dev/null", long_name, ""};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct oxp_outbox_options options = {.directory = bad[i]};
        struct oxp_error error = {0};
        struct oxp_outbox *outbox = NULL;
        assert_int_equal(oxp_outbox_open(&options, NOW, &outbox, NULL, &error), OXP_ERR_IO);
        assert_true(error.text[0] != '\0');
        assert_null(outbox);
        assert_true(oxp_outbox_visit(bad[i], &outbox, &error) != OXP_OK);
    }
    (void)world;
}

/* ---- Restart ---- */

static void test_restart(void **state) {
    struct world *world = *state;
    world_open(world);
    assert_int_equal(world->opened, OXP_OUTBOX_NEW);
    world_put(world, "info q - sent", NOW);
    world_put(world, "info q g older", NOW);
    world_put(world, "info q - aside", NOW);
    world_put(world, "info q - claimed", NOW);
    world_put(world, "info q - waiting", NOW);
    world_claim(world, NOW);
    oxp_outbox_sent(world->outbox, world->claimed_id, OXP_VIEW(""), NOW);
    world_claim(world, NOW);
    world_put(world, "info q g newer", NOW); /* beside the older one, which is claimed */
    world_claim(world, NOW);
    oxp_outbox_set_aside(world->outbox, world->claimed_id, OXP_VIEW(""), NOW);
    world_claim(world, NOW);
    assert_string_equal(world_states(world),
                        "sent:sent claimed:older set_aside:aside claimed:claimed waiting:waiting waiting:newer ");
    world_again(world);
    assert_int_equal(world->opened, OXP_OUTBOX_AS_IT_WAS);
    assert_string_equal(world_states(world),
                        "sent:sent superseded:older set_aside:aside waiting:claimed waiting:waiting waiting:newer ");
    assert_string_equal(world->dropped, "older ");
    assert_string_equal(world_claim(world, NOW), "claimed");
    struct oxp_outbox_message message = world_show(world, world->claimed_id);
    assert_int_equal(message.tries, 2);
    assert_non_null(strstr(message.answer.ptr, "process ended"));
}

/* ---- Another process beside it ---- */

static void test_visit(void **state) {
    struct world *world = *state;
    struct oxp_outbox *visitor = NULL;
    struct oxp_error error = {0};
    size_t count = 0;
    assert_int_equal(oxp_outbox_visit(world->directory, &visitor, &error), OXP_ERR_NOT_FOUND);
    assert_false(exists(world, "outbox.db")); /* looking makes nothing */
    assert_non_null(strstr(error.text, "there is no outbox at"));
    char path[128];
    world_path(world, "outbox.db", path);
    assert_int_equal(symlink(path, path), 0); /* one that cannot be reached is not one that is not there */
    assert_int_equal(oxp_outbox_visit(world->directory, &visitor, &error), OXP_ERR_IO);
    assert_non_null(strstr(error.text, "outbox.db: cannot open: "));
    assert_int_equal(unlink(path), 0);
    world_open(world);
    world_put(world, "info q - a", NOW);
    world_put(world, "info q - b", NOW);
    world_claim(world, NOW);
    oxp_outbox_set_aside(world->outbox, world->claimed_id, OXP_VIEW("400"), NOW);
    world_claim(world, NOW);
    assert_int_equal(oxp_outbox_visit(world->directory, &visitor, &error), OXP_OK);
    struct world beside = {.outbox = visitor};
    oxp_arena_init(&beside.arena, 0);
    assert_string_equal(world_states(&beside), "set_aside:a claimed:b "); /* nothing is given back */
    assert_int_equal(world_stats(&beside).aside, 1);
    oxp_outbox_sweep(world->outbox, NOW);
    assert_false(oxp_outbox_was_touched(world->outbox));
    assert_int_equal(oxp_outbox_retry(visitor, 0, OXP_VIEW("q"), NOW, &count), OXP_OK);
    assert_int_equal(count, 1);
    assert_string_equal(world_states(world), "waiting:a claimed:b ");
    assert_int_equal(world_stats(world).aside, 1); /* from memory … */
    oxp_outbox_sweep(world->outbox, NOW);
    assert_int_equal(world_stats(world).aside, 0); /* … which a sweep puts right */
    assert_int_equal(world_stats(world).waiting, 1);
    assert_true(oxp_outbox_was_touched(world->outbox));
    assert_false(oxp_outbox_was_touched(world->outbox));
    assert_string_equal(world_claim(world, NOW), "a");
    world_put(world, "info q - c", NOW);
    assert_string_equal(world_states(&beside), "claimed:a claimed:b waiting:c ");
    oxp_arena_fini(&beside.arena);
    oxp_outbox_close(visitor);
}

/* ---- Versions ---- */

static void test_newer(void **state) {
    struct world *world = *state;
    struct oxp_buf before, after;
    struct oxp_error error = {0};
    struct oxp_outbox *outbox = NULL;
    oxp_buf_init(&before, 0);
    oxp_buf_init(&after, 0);
    world_open(world);
    world_put(world, "info q - a", NOW);
    oxp_outbox_close(world->outbox);
    world->outbox = NULL;
    sql(world, "PRAGMA user_version = 99");
    read_whole(world, "outbox.db", &before);
    assert_int_equal(oxp_outbox_open(&world->options, NOW, &outbox, NULL, &error), OXP_ERR_UNSUPPORTED);
    assert_non_null(strstr(error.text, "newer"));
    assert_int_equal(oxp_outbox_visit(world->directory, &outbox, &error), OXP_ERR_UNSUPPORTED);
    read_whole(world, "outbox.db", &after);
    assert_true(oxp_view_equal(oxp_buf_view(&before), oxp_buf_view(&after))); /* it is left as it is */
    assert_false(exists(world, "outbox.db.damaged-1"));
    oxp_buf_fini(&before);
    oxp_buf_fini(&after);
}

/* A file of today is read for ever: this is what version 1 wrote. */
static void test_version_1(void **state) {
    struct world *world = *state;
    world_open(world);
    world_put(world, "info q g a", NOW);
    oxp_outbox_close(world->outbox);
    world->outbox = NULL;
    sql(world, "INSERT INTO message (receiver, integration, grp, priority, state, since_ms, made_ms, due_ms, "
               "expires_ms, tries, changed_ms, summary, answer, crc) SELECT receiver, integration, 'h', priority, 0, "
               "since_ms, made_ms, due_ms, expires_ms, tries, changed_ms, summary, answer, 61939712 FROM message;"
               "INSERT INTO content (id, bytes) VALUES (2, 'a'); INSERT INTO ledger VALUES ('k', 'v');"
               "INSERT INTO note (at_ms, kind, text) VALUES (1, 'reload', 'x')");
    world_open(world);
    assert_int_equal(world->opened, OXP_OUTBOX_AS_IT_WAS);
    assert_string_equal(world_claim(world, NOW), "a");
    assert_string_equal(world_claim(world, NOW), "a"); /* its checksum too is that of version 1 */
    struct oxp_view value;
    assert_int_equal(oxp_outbox_value(world->outbox, OXP_VIEW("k"), &world->arena, &value), OXP_OK);
}

static void test_empty_and_foreign(void **state) {
    struct world *world = *state;
    write_whole(world, "outbox.db", "", 0); /* version 0 without anything: the process died before it began */
    world_open(world);
    assert_int_equal(world->opened, OXP_OUTBOX_NEW);
    oxp_outbox_close(world->outbox);
    world->outbox = NULL;
    char path[128];
    world_path(world, "outbox.db", path);
    unlink(path);
    sql(world, "CREATE TABLE message (a); CREATE TABLE other (b)"); /* version 0 with tables that are not ours */
    world_open(world);
    assert_int_equal(world->opened, OXP_OUTBOX_FRESH);
    assert_true(exists(world, "outbox.db.damaged-1"));
    assert_int_equal(world_put(world, "info q - a", NOW), OXP_OK);
}

/* A table that is missing shows at the opening, and not weeks later. */
static void test_missing_table(void **state) {
    struct world *world = *state;
    static const char *const drops[] = {"DROP TABLE note", "DROP TABLE ledger", "DROP TABLE content",
                                        "ALTER TABLE message RENAME COLUMN crc TO other"};
    for (size_t i = 0; i < sizeof drops / sizeof drops[0]; i++) {
        world_open(world);
        oxp_outbox_close(world->outbox);
        world->outbox = NULL;
        sql(world, drops[i]);
        world_open(world);
        assert_int_equal(world->opened, OXP_OUTBOX_FRESH);
        assert_int_equal(world_put(world, "info q - a", NOW), OXP_OK);
        oxp_outbox_close(world->outbox);
        world->outbox = NULL;
    }
}

/* ---- Damage ---- */

/* The sample and what it says: each message's content is its summary. */
static void make_sample(struct world *world, struct oxp_buf *out) {
    world_open(world);
    char line[128];
    for (int i = 0; i < 40; i++) {
        snprintf(line, sizeof line, "%s %s %s message-%02d with some words behind it to fill the pages",
                 i % 3 == 0 ? "critical" : "info", i % 2 == 0 ? "q" : "r", i % 5 == 0 ? "g" : "-", i);
        assert_int_equal(world_put(world, line, NOW), OXP_OK);
    }
    world_claim(world, NOW);
    oxp_outbox_sent(world->outbox, world->claimed_id, OXP_VIEW("200"), NOW);
    world_claim(world, NOW);
    oxp_outbox_set_aside(world->outbox, world->claimed_id, OXP_VIEW("400"), NOW);
    world_claim(world, NOW);
    struct oxp_outbox_value value = {OXP_VIEW("key"), OXP_VIEW("value")};
    struct oxp_outbox_note note = {OXP_VIEW("reload"), OXP_VIEW("text")};
    struct oxp_outbox_write write = {.values = &value, .value_count = 1, .notes = &note, .note_count = 1};
    oxp_outbox_put(world->outbox, &write, NOW, NULL);
    oxp_outbox_close(world->outbox);
    world->outbox = NULL;
    read_whole(world, "outbox.db", out);
}

/* Opens what is there and uses all of it: nothing crashes, what is delivered is whole, and it can be used after that.
 */
static void use(struct world *world, const char *what, size_t at) {
    struct oxp_error error = {0};
    struct oxp_outbox_message message;
    struct oxp_outbox_noted *notes;
    struct oxp_outbox_value *values;
    size_t count = 0;
    int64_t next_ms = 0;
    oxp_arena_clear(&world->arena);
    enum oxp_status status = oxp_outbox_open(&world->options, NOW, &world->outbox, &world->opened, &error);
    if (status != OXP_OK) {
        fail_msg("%s %zu: %s: %s", what, at, oxp_status_name(status), error.text);
    }
    if (world->opened == OXP_OUTBOX_FRESH && !exists(world, "outbox.db.damaged-1")) {
        fail_msg("%s %zu: nothing was set aside", what, at);
    }
    static const char *const queues[] = {"q", "r"};
    for (size_t queue = 0; queue < 2; queue++) {
        while (oxp_outbox_claim(world->outbox, oxp_view_from(queues[queue]), NOW, &world->arena, &message, &next_ms) ==
               OXP_OK) {
            if (!oxp_view_equal(message.content, message.summary) || memcmp(message.content.ptr, "message-", 8) != 0) {
                fail_msg("%s %zu: %s delivered as %s", what, at, message.summary.ptr, message.content.ptr);
            }
            oxp_outbox_sent(world->outbox, message.id, OXP_VIEW("200"), NOW);
        }
    }
    struct oxp_outbox_filter all = {.limit = 1000};
    struct oxp_outbox_message *messages;
    oxp_outbox_list(world->outbox, &all, &world->arena, &messages, &count);
    oxp_outbox_values(world->outbox, OXP_VIEW(""), &world->arena, &values, &count);
    oxp_outbox_notes(world->outbox, 10, &world->arena, &notes, &count);
    oxp_outbox_retry(world->outbox, 0, OXP_VIEW(""), NOW, &count);
    oxp_outbox_sweep(world->outbox, NOW + 100 * DAY);
    for (int i = 0; i < 8 && world_put(world, "info q - after", NOW) != OXP_OK; i++) {
        if (i == 7) {
            oxp_outbox_trouble(world->outbox, &error);
            fail_msg("%s %zu: not usable: %s", what, at, error.text);
        }
    }
    assert_true(world_stats(world).waiting > 0);
    oxp_outbox_close(world->outbox);
    world->outbox = NULL;
}

static void clean(const struct world *world) {
    static const char *const names[] = {"outbox.db", "outbox.db-wal", "outbox.db-shm", "outbox.db.damaged-1",
                                        "outbox.db.damaged-1-wal"};
    char path[128];
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        world_path(world, names[i], path);
        unlink(path);
    }
}

/* A byte of a text that changed, which SQLite does not see: the message is not sent, and somebody is told. */
static void test_a_damaged_record(void **state) {
    struct world *world = *state;
    static const char *const damages[] = {"UPDATE content SET bytes = 'A' WHERE id = 1",
                                          "UPDATE message SET summary = 'A' WHERE id = 1",
                                          "DELETE FROM content WHERE id = 1"};
    for (size_t i = 0; i < sizeof damages / sizeof damages[0]; i++) {
        clean(world);
        world->damages = 0;
        world_open(world);
        world_put(world, "critical q - a", NOW);
        world_put(world, "info q - b", NOW);
        oxp_outbox_close(world->outbox);
        world->outbox = NULL;
        sql(world, damages[i]);
        world_open(world);
        assert_int_equal(world->damages, 0);
        assert_string_equal(world_claim(world, NOW), "b");
        assert_int_equal(world->damages, 1);
        assert_int_equal(world->damaged_id, 1);
        assert_int_equal(world_show(world, 1).state, OXP_OUTBOX_ASIDE);
        assert_string_equal(world_show(world, 1).answer.ptr, "its record was damaged on the disk");
        assert_int_equal(world->drops[OXP_OUTBOX_FULL] + world->drops[OXP_OUTBOX_EXPIRED], 0);
        oxp_outbox_close(world->outbox);
        world->outbox = NULL;
    }
}

static void test_flipped_bytes(void **state) {
    (void)state;
    struct world world;
    struct oxp_buf sample;
    size_t fresh = 0, tried = 0;
    world_make(&world, false);
    oxp_buf_init(&sample, 0);
    make_sample(&world, &sample);
    for (size_t at = 0; at < sample.len; at += 512) {
        size_t byte = at + at / 512 % 4 * 120; /* the beginning of a page's quarter, and places in it */
        clean(&world);
        sample.data[byte] = (char)(sample.data[byte] ^ 0xff);
        write_whole(&world, "outbox.db", sample.data, sample.len);
        use(&world, "byte", byte);
        sample.data[byte] = (char)(sample.data[byte] ^ 0xff);
        fresh += world.opened == OXP_OUTBOX_FRESH ? 1 : 0;
        tried++;
    }
    assert_true(fresh > 5 && fresh < tried); /* both happen */
    print_message("%zu bytes flipped, %zu files set aside\n", tried, fresh);
    oxp_buf_fini(&sample);
    world_end(&world);
}

static void test_truncated(void **state) {
    (void)state;
    struct world world;
    struct oxp_buf sample;
    world_make(&world, false);
    oxp_buf_init(&sample, 0);
    make_sample(&world, &sample);
    static const size_t sizes[] = {0, 1, 15, 16, 99, 100, 101, 511, 512, 4095, 4096, 4097, 8192, 10000, 40960};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        clean(&world);
        write_whole(&world, "outbox.db", sample.data, sizes[i] < sample.len ? sizes[i] : sample.len - 1);
        use(&world, "size", sizes[i]);
        assert_int_equal(world.opened, sizes[i] == 0 ? OXP_OUTBOX_NEW : OXP_OUTBOX_FRESH);
    }
    oxp_buf_fini(&sample);
    world_end(&world);
}

/* A log that was not carried over: what is cut off is not there, what is broken ends it, and the rest is whole. */
static void test_broken_log(void **state) {
    (void)state;
    struct world world;
    struct oxp_buf file, log;
    world_make(&world, false);
    oxp_buf_init(&file, 0);
    oxp_buf_init(&log, 0);
    world_open(&world);
    for (int i = 0; i < 8; i++) {
        world_put(&world, "info q - message-", NOW);
    }
    read_whole(&world, "outbox.db", &file);
    read_whole(&world, "outbox.db-wal", &log);
    oxp_outbox_close(world.outbox);
    world.outbox = NULL;
    for (size_t at = 0; at <= log.len; at += log.len / 20) {
        clean(&world);
        write_whole(&world, "outbox.db", file.data, file.len);
        write_whole(&world, "outbox.db-wal", log.data, at); /* cut */
        use(&world, "log of", at);
        clean(&world);
        size_t byte = at < log.len ? at : log.len - 1;
        log.data[byte] = (char)(log.data[byte] ^ 0x55); /* broken */
        write_whole(&world, "outbox.db", file.data, file.len);
        write_whole(&world, "outbox.db-wal", log.data, log.len);
        use(&world, "log byte", byte);
        log.data[byte] = (char)(log.data[byte] ^ 0x55);
    }
    oxp_buf_fini(&file);
    oxp_buf_fini(&log);
    world_end(&world);
}

static void test_several_damaged(void **state) {
    struct world *world = *state;
    char path[128], name[96];
    for (int i = 1; i <= 7; i++) {
        snprintf(name, sizeof name, "%d is no database, and is longer than a header would be", i);
        write_whole(world, "outbox.db", name, strlen(name));
        world_open(world);
        assert_int_equal(world->opened, OXP_OUTBOX_FRESH);
        oxp_outbox_close(world->outbox);
        world->outbox = NULL;
        snprintf(name, sizeof name, "outbox.db.damaged-%d", i < 5 ? i : 5); /* they cannot fill the disk */
        assert_true(exists(world, name));
    }
    assert_false(exists(world, "outbox.db.damaged-6"));
    world_path(world, "outbox.db.damaged-1", path);
    struct oxp_buf first;
    oxp_buf_init(&first, 0);
    read_whole(world, "outbox.db.damaged-1", &first);
    assert_int_equal(first.data[0], '1'); /* and the first one stays to be looked at */
    oxp_buf_fini(&first);
}

/* Broken while it is open: it is set aside, and a new one begun, without a restart. */
static void test_broken_while_open(void **state) {
    struct world *world = *state;
    char path[128];
    char zeros[8192];
    memset(zeros, 0x5a, sizeof zeros);
    world_open(world);
    for (int i = 0; i < 60; i++) {
        world_put_bytes(world, OXP_OUTBOX_INFO, "x", 60000); /* more than is kept in memory */
    }
    world_again(world);
    world_path(world, "outbox.db", path);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    for (off_t at = 4096; at < 3686400; at += 8192) {
        assert_int_equal(pwrite(fd, zeros, sizeof zeros, at), sizeof zeros);
    }
    close(fd);
    enum oxp_status status = OXP_ERR_IO;
    int tries = 0; /* the first ones are still in memory */
    for (; tries < 70 && status != OXP_OK; tries++) {
        struct oxp_outbox_message message;
        int64_t next_ms = 0;
        oxp_outbox_claim(world->outbox, OXP_VIEW("q"), NOW, &world->arena, &message, &next_ms);
        status = !exists(world, "outbox.db.damaged-1") ? OXP_ERR_IO : world_put(world, "info q - after", NOW);
    }
    assert_int_equal(status, OXP_OK);
    assert_true(world->last_id > 60); /* an id is never that of a message that may still be being sent */
    assert_true(world_stats(world).failures > 0);
    assert_true(exists(world, "outbox.db.damaged-1"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_mode),
        TEST(test_no_directory),
        TEST(test_restart),
        TEST(test_visit),
        TEST(test_newer),
        TEST(test_version_1),
        TEST(test_empty_and_foreign),
        TEST(test_missing_table),
        TEST(test_a_damaged_record),
        cmocka_unit_test(test_flipped_bytes),
        cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_broken_log),
        TEST(test_several_damaged),
        TEST(test_broken_while_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
