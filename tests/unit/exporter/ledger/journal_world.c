#include "tests/unit/exporter/ledger/journal_world.h"

#include "tests/support/tally.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* ---- fdatasync is counted, and fails on demand: no disk can be asked to ---- */

static struct tally syncs = TALLY_INIT;
static _Atomic bool sync_fails;

int fdatasync(int fd) {
    bool fails = atomic_load(&sync_fails);
    long result = fails ? -1 : syscall(SYS_fdatasync, fd);
    pthread_mutex_lock(&syncs.mutex);
    tally_add_locked(&syncs);
    pthread_mutex_unlock(&syncs.mutex);
    if (fails) {
        errno = EIO;
    }
    return (int)result;
}

unsigned syncs_so_far(void) {
    pthread_mutex_lock(&syncs.mutex);
    unsigned count = (unsigned)syncs.count;
    pthread_mutex_unlock(&syncs.mutex);
    return count;
}

void wait_for_syncs(unsigned count) {
    tally_wait(&syncs, count);
}

void let_syncs_fail(bool fail) {
    atomic_store(&sync_fails, fail);
}

/* ---- A directory for each test ---- */

int set_up(void **state) {
    struct fixture *fixture = calloc(1, sizeof *fixture);
    snprintf(fixture->directory, sizeof fixture->directory, "%s", "/tmp/oxp-journal-XXXXXX");
    if (mkdtemp(fixture->directory) == NULL) {
        free(fixture);
        return -1;
    }
    snprintf(fixture->path, sizeof fixture->path, "%s/ledger.journal", fixture->directory);
    *state = fixture;
    return 0;
}

int tear_down(void **state) {
    struct fixture *fixture = *state;
    DIR *folder = opendir(fixture->directory);
    for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        unlinkat(dirfd(folder), entry->d_name, 0);
    }
    closedir(folder);
    rmdir(fixture->directory);
    free(fixture);
    return 0;
}

size_t count_aside(const struct fixture *fixture) {
    size_t count = 0;
    DIR *folder = opendir(fixture->directory);
    for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        count += strncmp(entry->d_name, "ledger.journal.corrupt-", 23) == 0;
    }
    closedir(folder);
    return count;
}

bool exists(const struct fixture *fixture, const char *name) {
    char path[256];
    snprintf(path, sizeof path, "%s/%s", fixture->directory, name);
    return access(path, F_OK) == 0;
}

size_t read_file(const char *path, unsigned char *out, size_t size) {
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    size_t len = fread(out, 1, size, file);
    fclose(file);
    return len;
}

void write_file(const char *path, const unsigned char *bytes, size_t len) {
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
}

uint64_t size_of(const char *path) {
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    return (uint64_t)info.st_size;
}

/* ---- Replaying into a list of texts ---- */

enum oxp_status collect(void *ctx, struct oxp_view record) {
    struct replayed *replayed = ctx;
    assert_true(replayed->count < 64 && record.len < 32);
    memcpy(replayed->text[replayed->count], record.ptr, record.len);
    replayed->text[replayed->count++][record.len] = '\0';
    return replayed->count == replayed->fail_at ? OXP_ERR_NOMEM : OXP_OK;
}

enum oxp_status ignore(void *ctx, struct oxp_view record) {
    (void)ctx;
    (void)record;
    return OXP_OK;
}

struct oxp_journal *open_or_die(const struct fixture *fixture, struct replayed *replayed,
                                struct oxp_journal_report *report) {
    struct oxp_journal *journal = NULL;
    struct oxp_error error = {0};
    if (replayed != NULL) {
        *replayed = (struct replayed){0};
    }
    enum oxp_status status =
        oxp_journal_open(fixture->directory, replayed == NULL ? ignore : collect, replayed, &journal, report, &error);
    if (status != OXP_OK) {
        print_error("%s: %s\n", oxp_status_name(status), error.text);
    }
    assert_int_equal(status, OXP_OK);
    return journal;
}

void append_text(struct oxp_journal *journal, const char *text) {
    assert_int_equal(oxp_journal_append(journal, oxp_view_from(text)), OXP_OK);
}

void assert_replayed(const struct fixture *fixture, const char *const *texts) {
    struct replayed replayed;
    struct oxp_journal *journal = open_or_die(fixture, &replayed, NULL);
    oxp_journal_close(journal);
    size_t count = 0;
    for (; texts[count] != NULL; count++) {
        assert_true(count < replayed.count);
        assert_string_equal(replayed.text[count], texts[count]);
    }
    assert_int_equal(replayed.count, count);
}

size_t three_records(const struct fixture *fixture, unsigned char *bytes, size_t *len_out) {
    struct oxp_journal *journal = open_or_die(fixture, NULL, NULL);
    append_text(journal, "first");
    append_text(journal, "the second");
    size_t third = oxp_journal_bytes(journal);
    append_text(journal, "third");
    oxp_journal_close(journal);
    *len_out = read_file(fixture->path, bytes, 4096);
    return third;
}

/* ---- What a rewrite writes ---- */

enum oxp_status emit(void *ctx, oxp_journal_put_fn *put, void *put_ctx) {
    const struct dump *dump = ctx;
    static char bytes[OXP_JOURNAL_RECORD_MAX + 1];
    for (size_t i = 0; i < dump->filler; i++) {
        enum oxp_status status = put(put_ctx, oxp_view_of(bytes, 1000));
        if (status != OXP_OK) {
            return status;
        }
    }
    for (const char *const *text = dump->texts; *text != NULL; text++) {
        enum oxp_status status = put(put_ctx, oxp_view_from(*text));
        if (status != OXP_OK) {
            return status;
        }
    }
    return dump->too_long != 0 ? put(put_ctx, oxp_view_of(bytes, dump->too_long)) : dump->fails;
}
