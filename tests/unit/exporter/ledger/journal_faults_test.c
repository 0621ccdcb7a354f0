/* The journal on full and failing disks, and after kills. */
#include "tests/unit/exporter/ledger/journal_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- Full and failing disks. A file size limit stops root too, and cuts a write in the middle as a full disk does.
 * ---- */

static void limit_file_size(rlim_t bytes) {
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void a_full_disk(void **state) {
    const struct fixture *fixture = *state;
    signal(SIGXFSZ, SIG_IGN);
    for (rlim_t room = 0; room < RECORD_HEADER + 5; room++) {
        unlink(fixture->path);
        struct oxp_journal *journal = open_or_die(fixture, NULL, NULL);
        append_text(journal, "first");
        uint64_t whole = oxp_journal_bytes(journal);
        limit_file_size(whole + room);
        assert_int_equal(oxp_journal_append(journal, OXP_VIEW("fifth")), OXP_ERR_IO);
        assert_int_equal(oxp_journal_append(journal, OXP_VIEW("fifth")), OXP_ERR_IO);
        assert_int_equal(oxp_journal_failures(journal), 2);
        assert_int_equal(size_of(fixture->path), whole); /* the part that was written is gone */
        assert_true(oxp_journal_wants_rewrite(journal));
        static const char *const kept[] = {"first", "what does not fit", NULL};
        struct dump dump = {.texts = kept};
        assert_int_equal(oxp_journal_rewrite(journal, emit, &dump), OXP_ERR_IO);
        assert_false(exists(fixture, "ledger.journal.new"));
        limit_file_size(RLIM_INFINITY);

        append_text(journal, "sixth"); /* there is room again */
        assert_int_equal(oxp_journal_rewrite(journal, emit, &dump), OXP_OK);
        assert_false(oxp_journal_wants_rewrite(journal));
        append_text(journal, "last");
        oxp_journal_close(journal);
        static const char *const expected[] = {"first", "what does not fit", "last", NULL};
        assert_replayed(fixture, expected);
    }
}

static void no_room_to_set_aside(void **state) {
    const struct fixture *fixture = *state;
    unsigned char bytes[4096];
    size_t len;
    three_records(fixture, bytes, &len);
    bytes[HEADER + RECORD_HEADER + 5 + RECORD_HEADER] ^= 1;
    write_file(fixture->path, bytes, len);
    signal(SIGXFSZ, SIG_IGN);
    limit_file_size(HEADER + 3);
    struct oxp_journal *journal = NULL;
    struct oxp_error error = {0};
    assert_int_equal(oxp_journal_open(fixture->directory, ignore, NULL, &journal, NULL, &error), OXP_ERR_IO);
    limit_file_size(RLIM_INFINITY);
    assert_non_null(strstr(error.text, "File too large"));
    assert_int_equal(size_of(fixture->path), len); /* nothing was lost */
    assert_int_equal(count_aside(fixture), 0);
    assert_false(exists(fixture, "ledger.journal.new"));
    static const char *const expected[] = {"first", NULL};
    assert_replayed(fixture, expected);
    assert_int_equal(count_aside(fixture), 1);
}

static void synced_within_a_second_and_healed_after_a_failure(void **state) {
    const struct fixture *fixture = *state;
    static const char *const kept[] = {"kept", NULL};
    struct oxp_journal *journal = open_or_die(fixture, NULL, NULL);
    unsigned start = syncs_so_far();
    append_text(journal, "one");
    append_text(journal, "two");
    wait_for_syncs(start + 1);
    assert_int_equal(oxp_journal_failures(journal), 0);

    let_syncs_fail(true);
    append_text(journal, "three");
    wait_for_syncs(start + 2);
    while (oxp_journal_failures(journal) == 0) { /* the thread is between the call and its count */
    }
    let_syncs_fail(false);
    assert_true(oxp_journal_wants_rewrite(journal));
    struct dump dump = {.texts = kept};
    assert_int_equal(oxp_journal_rewrite(journal, emit, &dump), OXP_OK);
    assert_false(oxp_journal_wants_rewrite(journal));
    unsigned quiet = syncs_so_far();
    oxp_journal_close(journal);
    assert_int_equal(syncs_so_far(), quiet + 1); /* the close syncs; nothing was dirty before it */
    assert_replayed(fixture, kept);
}

/* ---- kill -9 ---- */

enum { KILLS = 50 };

/* Appends numbers from `next` on and reports each to the pipe once it was acknowledged. Every 1,000 it rewrites. */
static enum oxp_status emit_numbers(void *ctx, oxp_journal_put_fn *put, void *put_ctx) {
    const uint64_t *last = ctx;
    enum oxp_status status = OXP_OK;
    for (uint64_t number = 1; number <= *last && status == OXP_OK; number++) {
        status = put(put_ctx, oxp_view_of((const char *)&number, sizeof number));
    }
    return status;
}

static void append_until_killed(const char *directory, uint64_t next, int report) {
    struct oxp_journal *journal = NULL;
    if (oxp_journal_open(directory, ignore, NULL, &journal, NULL, NULL) != OXP_OK) {
        _exit(3);
    }
    for (;; next++) {
        if (oxp_journal_append(journal, oxp_view_of((const char *)&next, sizeof next)) != OXP_OK ||
            write(report, &next, sizeof next) != sizeof next) {
            _exit(4);
        }
        if (next % 1000 == 0 && oxp_journal_rewrite(journal, emit_numbers, &next) != OXP_OK) {
            _exit(5);
        }
    }
}

static enum oxp_status expect_next_number(void *ctx, struct oxp_view record) {
    uint64_t *last = ctx;
    uint64_t number = 0;
    assert_int_equal(record.len, sizeof number);
    memcpy(&number, record.ptr, sizeof number);
    assert_int_equal(number, *last + 1);
    *last = number;
    return OXP_OK;
}

static void killed_again_and_again(void **state) {
    const struct fixture *fixture = *state;
    uint64_t last = 0;
    for (int i = 0; i < KILLS; i++) {
        int ends[2];
        assert_int_equal(pipe(ends), 0);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            close(ends[0]);
            append_until_killed(fixture->directory, last + 1, ends[1]);
        }
        close(ends[1]);
        uint64_t acknowledged = last;
        for (int read_first = 0; read_first < 1 + (i * 37) % 400; read_first++) {
            assert_int_equal(read(ends[0], &acknowledged, sizeof acknowledged), sizeof acknowledged);
        }
        kill(child, SIGKILL);
        uint64_t more = 0;
        while (read(ends[0], &more, sizeof more) == sizeof more) {
            acknowledged = more;
        }
        close(ends[0]);
        int how = 0;
        assert_int_equal(waitpid(child, &how, 0), child);
        assert_true(WIFSIGNALED(how) && WTERMSIG(how) == SIGKILL);

        uint64_t found = 0;
        struct oxp_journal *journal = NULL;
        struct oxp_journal_report report;
        assert_int_equal(oxp_journal_open(fixture->directory, expect_next_number, &found, &journal, &report, NULL),
                         OXP_OK);
        oxp_journal_close(journal);
        assert_false(report.set_aside);
        assert_in_range(found, acknowledged, acknowledged + 1); /* one may have been written and not yet reported */
        last = found;
    }
    assert_true(last >= KILLS);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_full_disk),
        TEST(no_room_to_set_aside),
        TEST(synced_within_a_second_and_healed_after_a_failure),
        TEST(killed_again_and_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
