/* The journal is written anew: when it wants to be, beside the thread that syncs, and without memory. */
#include "tests/unit/exporter/ledger/journal_world.h"

#include "tests/support/alloc_fail.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void rewrites(void **state) {
    const struct fixture *fixture = *state;
    static const char *const kept[] = {"a", "b", NULL};
    struct oxp_journal *journal = open_or_die(fixture, NULL, NULL);
    append_text(journal, "old");
    struct dump dump = {.texts = kept, .fails = OXP_ERR_NOMEM};
    assert_int_equal(oxp_journal_rewrite(journal, emit, &dump), OXP_ERR_NOMEM);
    dump = (struct dump){.texts = kept, .too_long = OXP_JOURNAL_RECORD_MAX + 1};
    assert_int_equal(oxp_journal_rewrite(journal, emit, &dump), OXP_ERR_LIMIT);
    assert_false(exists(fixture, "ledger.journal.new"));
    assert_int_equal(oxp_journal_failures(journal), 2);
    append_text(journal, "older"); /* the old file is still in use */
    oxp_journal_close(journal);
    static const char *const before[] = {"old", "older", NULL};
    assert_replayed(fixture, before);

    journal = open_or_die(fixture, NULL, NULL);
    dump = (struct dump){.texts = kept};
    assert_int_equal(oxp_journal_rewrite(journal, emit, &dump), OXP_OK);
    assert_int_equal(oxp_journal_bytes(journal), HEADER + 2 * (RECORD_HEADER + 1));
    assert_int_equal(size_of(fixture->path), oxp_journal_bytes(journal));
    append_text(journal, "c");
    struct oxp_journal *second = NULL;
    assert_int_equal(oxp_journal_open(fixture->directory, ignore, NULL, &second, NULL, NULL), OXP_ERR_IN_USE);
    oxp_journal_close(journal);
    static const char *const after[] = {"a", "b", "c", NULL};
    assert_replayed(fixture, after);
}

static void a_killed_rewrite_leaves_the_old_file(void **state) {
    const struct fixture *fixture = *state;
    unsigned char bytes[4096];
    size_t len;
    three_records(fixture, bytes, &len);
    char path[128];
    snprintf(path, sizeof path, "%s/ledger.journal.new", fixture->directory);
    write_file(path, bytes, len / 2);
    static const char *const expected[] = {"first", "the second", "third", NULL};
    assert_replayed(fixture, expected);
    assert_false(exists(fixture, "ledger.journal.new"));
}

static void when_a_rewrite_is_wanted(void **state) {
    const struct fixture *fixture = *state;
    static const char *const none[] = {NULL};
    static char bytes[1000];
    struct oxp_journal *journal = open_or_die(fixture, NULL, NULL);
    assert_false(oxp_journal_wants_rewrite(journal));
    while (oxp_journal_bytes(journal) + 1008 < 1 << 20) {
        assert_int_equal(oxp_journal_append(journal, oxp_view_of(bytes, 1000)), OXP_OK);
    }
    assert_false(oxp_journal_wants_rewrite(journal));
    assert_int_equal(oxp_journal_append(journal, oxp_view_of(bytes, 1000)), OXP_OK);
    assert_true(oxp_journal_wants_rewrite(journal));

    struct dump dump = {.texts = none, .filler = 2000};
    assert_int_equal(oxp_journal_rewrite(journal, emit, &dump), OXP_OK);
    uint64_t base = oxp_journal_bytes(journal);
    assert_int_equal(base, HEADER + 2000 * 1008);
    assert_false(oxp_journal_wants_rewrite(journal));
    while (oxp_journal_bytes(journal) + 1008 < 2 * base) {
        assert_int_equal(oxp_journal_append(journal, oxp_view_of(bytes, 1000)), OXP_OK);
    }
    assert_false(oxp_journal_wants_rewrite(journal));
    assert_int_equal(oxp_journal_append(journal, oxp_view_of(bytes, 1000)), OXP_OK);
    assert_true(oxp_journal_wants_rewrite(journal));
    dump.fails = OXP_ERR_IO;
    assert_int_equal(oxp_journal_rewrite(journal, emit, &dump), OXP_ERR_IO);
    assert_false(oxp_journal_wants_rewrite(journal)); /* not at once again */
    oxp_journal_close(journal);
}

/* The owner appends and rewrites as fast as it can while the other thread syncs: for the thread sanitizer. */
static void rewriting_beside_the_sync_thread(void **state) {
    const struct fixture *fixture = *state;
    static const char *const kept[] = {"kept", NULL};
    struct oxp_journal *journal = open_or_die(fixture, NULL, NULL);
    struct dump dump = {.texts = kept};
    unsigned start = syncs_so_far();
    while (syncs_so_far() < start + 2) {
        for (int i = 0; i < 20; i++) {
            append_text(journal, "x");
        }
        assert_int_equal(oxp_journal_rewrite(journal, emit, &dump), OXP_OK);
        (void)oxp_journal_wants_rewrite(journal);
    }
    assert_int_equal(oxp_journal_failures(journal), 0);
    oxp_journal_close(journal);
    assert_replayed(fixture, kept);
}

static void open_and_rewrite(void *ctx) {
    const struct fixture *fixture = ctx;
    static const char *const kept[] = {"first", NULL};
    struct oxp_journal *journal = NULL;
    struct dump dump = {.texts = kept};
    enum oxp_status status = oxp_journal_open(fixture->directory, ignore, NULL, &journal, NULL, NULL);
    if (status != OXP_OK) {
        assert_int_equal(status, OXP_ERR_NOMEM);
        assert_true(alloc_fail_hit());
        assert_null(journal);
        return;
    }
    status = oxp_journal_rewrite(journal, emit, &dump);
    assert_true(status == OXP_OK || (status == OXP_ERR_NOMEM && alloc_fail_hit()));
    oxp_journal_close(journal);
}

static void allocations_fail(void **state) {
    const struct fixture *fixture = *state;
    struct oxp_journal *journal = open_or_die(fixture, NULL, NULL);
    append_text(journal, "first");
    oxp_journal_close(journal);
    assert_true(alloc_fail_each(open_and_rewrite, *state) >= 3);
    static const char *const expected[] = {"first", NULL};
    assert_replayed(fixture, expected);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(rewrites),
        TEST(a_killed_rewrite_leaves_the_old_file),
        TEST(when_a_rewrite_is_wanted),
        TEST(rewriting_beside_the_sync_thread),
        TEST(allocations_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
