/* What the tests of the journal share: a directory for each, files as bytes, what a replay gives, what a rewrite
 * writes, and fdatasync, which is counted here and fails on demand: no disk can be asked to. */
#ifndef TESTS_EXPORTER_LEDGER_JOURNAL_WORLD_H
#define TESTS_EXPORTER_LEDGER_JOURNAL_WORLD_H

#include "exporter/ledger/journal.h"
#include <stdbool.h>
#include <stdint.h>

enum { HEADER = 16, RECORD_HEADER = 8 };

/* ---- fdatasync ---- */

unsigned syncs_so_far(void);
void wait_for_syncs(unsigned count);
void let_syncs_fail(bool fail);

/* ---- A directory for each test ---- */

struct fixture {
    char directory[64];
    char path[128];
};
int set_up(void **state);
int tear_down(void **state);
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

/* The files of the directory that are named like set-aside journals. */
size_t count_aside(const struct fixture *fixture);
bool exists(const struct fixture *fixture, const char *name);
size_t read_file(const char *path, unsigned char *out, size_t size);
void write_file(const char *path, const unsigned char *bytes, size_t len);
uint64_t size_of(const char *path);

/* ---- Replaying into a list of texts ---- */

struct replayed {
    char text[64][32];
    size_t count;
    size_t fail_at; /* the call (from 1) that fails; 0 = none */
};
enum oxp_status collect(void *ctx, struct oxp_view record);
enum oxp_status ignore(void *ctx, struct oxp_view record);
/* `replayed` may be NULL. */
struct oxp_journal *open_or_die(const struct fixture *fixture, struct replayed *replayed,
                                struct oxp_journal_report *report);
void append_text(struct oxp_journal *journal, const char *text);
void assert_replayed(const struct fixture *fixture, const char *const *texts);
/* One journal with three records, as bytes; the third begins at the returned offset. */
size_t three_records(const struct fixture *fixture, unsigned char *bytes, size_t *len_out);

/* ---- What a rewrite writes ---- */

struct dump {
    const char *const *texts;
    enum oxp_status fails; /* returned at the end */
    size_t too_long;       /* a record of this size is tried as well */
    size_t filler;         /* this many records of 1000 bytes come first */
};
enum oxp_status emit(void *ctx, oxp_journal_put_fn *put, void *put_ctx);

#endif
