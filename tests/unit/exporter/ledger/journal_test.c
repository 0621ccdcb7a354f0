/* The journal: what it gives back, after closes, cuts and damage. */
#include "tests/unit/exporter/ledger/journal_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void gives_back_what_was_appended(void **state) {
    const struct fixture *fixture = *state;
    struct replayed replayed;
    struct oxp_journal_report report;
    struct oxp_journal *journal = open_or_die(fixture, &replayed, &report);
    assert_int_equal(replayed.count, 0);
    assert_int_equal(report.records, 0);
    assert_false(report.set_aside);
    assert_int_equal(oxp_journal_bytes(journal), HEADER);
    append_text(journal, "one");
    append_text(journal, "");
    append_text(journal, "three");
    assert_int_equal(oxp_journal_bytes(journal), HEADER + 3 * RECORD_HEADER + 8);
    assert_int_equal(size_of(fixture->path), oxp_journal_bytes(journal));
    oxp_journal_close(journal);
    struct stat info;
    assert_int_equal(stat(fixture->path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);

    journal = open_or_die(fixture, &replayed, &report);
    assert_int_equal(report.records, 3);
    assert_int_equal(report.torn_bytes, 0);
    append_text(journal, "four");
    assert_int_equal(oxp_journal_failures(journal), 0);
    oxp_journal_close(journal);
    static const char *const expected[] = {"one", "", "three", "four", NULL};
    assert_replayed(fixture, expected);
    oxp_journal_close(NULL);
}

struct big {
    size_t sizes[4];
    size_t count;
};

static enum oxp_status collect_big(void *ctx, struct oxp_view record) {
    struct big *big = ctx;
    for (size_t i = 0; i < record.len; i++) {
        assert_int_equal((unsigned char)record.ptr[i], (i * 7 + record.len) & 0xff);
    }
    big->sizes[big->count++] = record.len;
    return OXP_OK;
}

static void long_records(void **state) {
    const struct fixture *fixture = *state;
    static const size_t sizes[] = {OXP_JOURNAL_RECORD_MAX, 1, OXP_JOURNAL_RECORD_MAX - 1, 40000};
    struct oxp_journal *journal = open_or_die(fixture, NULL, NULL);
    char *bytes = malloc(OXP_JOURNAL_RECORD_MAX + 1);
    for (size_t i = 0; i < 4; i++) {
        for (size_t j = 0; j < sizes[i]; j++) {
            bytes[j] = (char)(j * 7 + sizes[i]);
        }
        assert_int_equal(oxp_journal_append(journal, oxp_view_of(bytes, sizes[i])), OXP_OK);
    }
    assert_int_equal(oxp_journal_append(journal, oxp_view_of(bytes, OXP_JOURNAL_RECORD_MAX + 1)), OXP_ERR_LIMIT);
    assert_int_equal(oxp_journal_failures(journal), 0); /* the caller's fault, not the disk's */
    free(bytes);
    oxp_journal_close(journal);
    struct big big = {0};
    assert_int_equal(oxp_journal_open(fixture->directory, collect_big, &big, &journal, NULL, NULL), OXP_OK);
    oxp_journal_close(journal);
    assert_int_equal(big.count, 4);
    assert_memory_equal(big.sizes, sizes, sizeof sizes);
}

static void refusals(void **state) {
    const struct fixture *fixture = *state;
    struct oxp_journal *held = open_or_die(fixture, NULL, NULL);
    char file[128], pipe_directory[128], pipe[160];
    snprintf(file, sizeof file, "%s/ledger.lock", fixture->directory);
    snprintf(pipe_directory, sizeof pipe_directory, "%s/sub", fixture->directory);
    snprintf(pipe, sizeof pipe, "%s/ledger.journal", pipe_directory);
    assert_int_equal(mkdir(pipe_directory, 0700), 0);
    assert_int_equal(mkfifo(pipe, 0600), 0);
    const struct {
        const char *what, *directory, *says;
        enum oxp_status expect;
    } rows[] = {
        {"in use", fixture->directory, "another process", OXP_ERR_IN_USE},
        {"no such directory", "/nonexistent/oxp", "/nonexistent/oxp", OXP_ERR_NOT_FOUND},
        {"a file", file, file, OXP_ERR_NOT_FOUND},
        {"where nobody may create files", "/sys", "/sys/ledger.lock", OXP_ERR_DENIED},
        {"a named pipe", pipe_directory, "not a regular file", OXP_ERR_IO},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct oxp_journal *journal = held;
        struct oxp_error error = {0};
        enum oxp_status status = oxp_journal_open(rows[i].directory, ignore, NULL, &journal, NULL, &error);
        if (status != rows[i].expect || strstr(error.text, rows[i].says) == NULL) {
            print_error("%s: %s, %s\n", rows[i].what, oxp_status_name(status), error.text);
            fail();
        }
        assert_null(journal);
    }
    unlink(pipe);
    assert_int_equal(symlink("/etc/passwd", pipe), 0);
    struct oxp_journal *journal = NULL;
    assert_true(oxp_journal_open(pipe_directory, ignore, NULL, &journal, NULL, NULL) < 0);
    unlink(pipe);
    snprintf(pipe, sizeof pipe, "%s/ledger.lock", pipe_directory);
    unlink(pipe);
    assert_int_equal(rmdir(pipe_directory), 0);
    oxp_journal_close(held);
    oxp_journal_close(open_or_die(fixture, NULL, NULL)); /* the lock went with the close */
}

static void a_replay_that_fails_ends_the_opening(void **state) {
    const struct fixture *fixture = *state;
    unsigned char bytes[4096];
    size_t len;
    three_records(fixture, bytes, &len);
    struct replayed replayed = {.fail_at = 2};
    struct oxp_journal *journal = NULL;
    struct oxp_error error = {0};
    assert_int_equal(oxp_journal_open(fixture->directory, collect, &replayed, &journal, NULL, &error), OXP_ERR_NOMEM);
    assert_null(journal);
    assert_non_null(strstr(error.text, fixture->path));
    static const char *const expected[] = {"first", "the second", "third", NULL};
    assert_replayed(fixture, expected);
}

static void torn_tails(void **state) {
    const struct fixture *fixture = *state;
    unsigned char bytes[4096];
    size_t len;
    size_t third = three_records(fixture, bytes, &len);
    for (size_t cut = 0; cut < len; cut++) {
        write_file(fixture->path, bytes, cut);
        struct replayed replayed;
        struct oxp_journal_report report;
        struct oxp_journal *journal = open_or_die(fixture, &replayed, &report);
        size_t whole = cut >= third ? 2 : cut >= HEADER + RECORD_HEADER + 5 ? 1 : 0;
        assert_int_equal(replayed.count, whole);
        assert_false(report.set_aside);
        uint64_t good = whole == 2 ? third : whole == 1 ? HEADER + RECORD_HEADER + 5 : cut >= HEADER ? HEADER : 0;
        assert_int_equal(report.torn_bytes, cut - good);
        append_text(journal, "new");
        oxp_journal_close(journal);
        journal = open_or_die(fixture, &replayed, &report);
        oxp_journal_close(journal);
        assert_int_equal(replayed.count, whole + 1);
        assert_string_equal(replayed.text[whole], "new");
        assert_int_equal(report.torn_bytes, 0);
    }
    assert_int_equal(count_aside(fixture), 0);
}

/* What a power cut leaves: the size is there, the bytes are not. */
static void zeros_at_the_end(void **state) {
    const struct fixture *fixture = *state;
    unsigned char bytes[4096] = {0};
    size_t len;
    three_records(fixture, bytes, &len);
    write_file(fixture->path, bytes, len + 1000);
    struct replayed replayed;
    struct oxp_journal_report report;
    oxp_journal_close(open_or_die(fixture, &replayed, &report));
    assert_int_equal(replayed.count, 3);
    assert_int_equal(report.torn_bytes, 1000);
    assert_false(report.set_aside);
    assert_int_equal(size_of(fixture->path), len);
}

static void damage_is_set_aside(void **state) {
    const struct fixture *fixture = *state;
    static const struct {
        const char *what;
        size_t at; /* from the start of the second record */
        const char *text;
        size_t records;
    } rows[] = {
        {"a payload", RECORD_HEADER + 3, "XX", 1},
        {"a checksum", 4, "\x01", 1},
        {"a length that now reaches past the end", 1, "\x10", 1},
        {"a length that is out of bounds", 3, "\xff", 1},
        {"both", 0, "\xff\xff\xff\xff\xff\xff\xff\xff", 1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        unlink(fixture->path);
        unsigned char bytes[4096], kept[4096];
        size_t len;
        three_records(fixture, bytes, &len);
        memcpy(bytes + HEADER + RECORD_HEADER + 5 + rows[i].at, rows[i].text, strlen(rows[i].text));
        write_file(fixture->path, bytes, len);
        struct replayed replayed;
        struct oxp_journal_report report;
        struct oxp_journal *journal = open_or_die(fixture, &replayed, &report);
        assert_int_equal(replayed.count, rows[i].records);
        assert_int_equal(report.records, rows[i].records);
        assert_true(report.set_aside);
        assert_int_equal(read_file(report.aside_path, kept, sizeof kept), len);
        assert_memory_equal(kept, bytes, len);
        append_text(journal, "after");
        oxp_journal_close(journal);
        static const char *const expected[] = {"first", "after", NULL};
        assert_replayed(fixture, expected);
        assert_int_equal(count_aside(fixture), i + 1); /* also within the same second */
    }
    assert_false(exists(fixture, "ledger.journal.new"));
}

static void files_that_are_no_journal(void **state) {
    const struct fixture *fixture = *state;
    static const struct {
        const char *what;
        const char *bytes;
        size_t len;
        bool set_aside;
    } rows[] = {
        {"empty", "", 0, false},
        {"text", "hello, this is a text file\n", 27, true},
        {"short text", "hi", 2, true},
        {"the start of a header", "OXPLEDGR\1\0", 10, false},
        {"another version", "OXPLEDGR\2\0\0\0\0\0\0\0", 16, true},
        {"zeros", "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20, true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        write_file(fixture->path, (const unsigned char *)rows[i].bytes, rows[i].len);
        struct replayed replayed;
        struct oxp_journal_report report;
        struct oxp_journal *journal = open_or_die(fixture, &replayed, &report);
        assert_int_equal(replayed.count, 0);
        if (report.set_aside != rows[i].set_aside) {
            print_error("%s\n", rows[i].what);
        }
        assert_int_equal(report.set_aside, rows[i].set_aside);
        append_text(journal, "works");
        oxp_journal_close(journal);
        static const char *const expected[] = {"works", NULL};
        assert_replayed(fixture, expected);
    }
}

/* Every byte of a small journal gets every bit flipped: never a record that was not written, always a prefix of those
 * that were, and always usable after. */
static void any_byte_may_be_wrong(void **state) {
    const struct fixture *fixture = *state;
    static const char *const written[] = {"first", "the second", "third"};
    unsigned char bytes[4096];
    size_t len;
    three_records(fixture, bytes, &len);
    for (size_t at = 0; at < len; at++) {
        for (int bit = 0; bit < 8; bit++) {
            bytes[at] ^= (unsigned char)(1 << bit);
            write_file(fixture->path, bytes, len);
            bytes[at] ^= (unsigned char)(1 << bit);
            struct replayed replayed;
            struct oxp_journal_report report;
            struct oxp_journal *journal = open_or_die(fixture, &replayed, &report);
            assert_true(replayed.count < 3);
            for (size_t i = 0; i < replayed.count; i++) {
                assert_string_equal(replayed.text[i], written[i]);
            }
            /* only a hit in the last record may pass for a torn tail */
            assert_true(report.set_aside || replayed.count == 2);
            append_text(journal, "new");
            oxp_journal_close(journal);
            size_t before = replayed.count;
            oxp_journal_close(open_or_die(fixture, &replayed, NULL));
            assert_int_equal(replayed.count, before + 1);
            if (report.set_aside) {
                unlink(report.aside_path);
            }
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(gives_back_what_was_appended),
        TEST(long_records),
        TEST(refusals),
        TEST(a_replay_that_fails_ends_the_opening),
        TEST(torn_tails),
        TEST(zeros_at_the_end),
        TEST(damage_is_set_aside),
        TEST(files_that_are_no_journal),
        TEST(any_byte_may_be_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
