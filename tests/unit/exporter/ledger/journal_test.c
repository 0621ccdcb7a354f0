/* The journal: what it gives back, after closes, cuts, damage, full disks and kills. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "exporter/ledger/journal.h"
#include "tests/support/alloc_fail.h"

enum { HEADER = 16, RECORD_HEADER = 8 };

/* ---- fdatasync is counted, and fails on demand: no disk can be asked to ---- */

static pthread_mutex_t sync_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t sync_changed = PTHREAD_COND_INITIALIZER;
static unsigned syncs;
static _Atomic bool sync_fails;

int fdatasync(int fd) {
    bool fails = atomic_load(&sync_fails);
    long result = fails ? -1 : syscall(SYS_fdatasync, fd);
    pthread_mutex_lock(&sync_mutex);
    syncs++;
    pthread_cond_broadcast(&sync_changed);
    pthread_mutex_unlock(&sync_mutex);
    if (fails) {
        errno = EIO;
    }
    return (int)result;
}

static unsigned syncs_so_far(void) {
    pthread_mutex_lock(&sync_mutex);
    unsigned count = syncs;
    pthread_mutex_unlock(&sync_mutex);
    return count;
}

static void wait_for_syncs(unsigned count) {
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 30;
    int result = 0;
    pthread_mutex_lock(&sync_mutex);
    while (syncs < count && result == 0) {
        result = pthread_cond_timedwait(&sync_changed, &sync_mutex, &until);
    }
    pthread_mutex_unlock(&sync_mutex);
    assert_int_equal(result, 0);
}

/* ---- A directory for each test ---- */

struct fixture {
    char directory[64];
    char path[128];
};

static int set_up(void **state) {
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

static int tear_down(void **state) {
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

/* The files of the directory that are named like set-aside journals. */
static size_t count_aside(const struct fixture *fixture) {
    size_t count = 0;
    DIR *folder = opendir(fixture->directory);
    for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        count += strncmp(entry->d_name, "ledger.journal.corrupt-", 23) == 0;
    }
    closedir(folder);
    return count;
}

static bool exists(const struct fixture *fixture, const char *name) {
    char path[256];
    snprintf(path, sizeof path, "%s/%s", fixture->directory, name);
    return access(path, F_OK) == 0;
}

static size_t read_file(const char *path, unsigned char *out, size_t size) {
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    size_t len = fread(out, 1, size, file);
    fclose(file);
    return len;
}

static void write_file(const char *path, const unsigned char *bytes, size_t len) {
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
}

static uint64_t size_of(const char *path) {
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    return (uint64_t)info.st_size;
}

/* ---- Replaying into a list of texts ---- */

struct replayed {
    char text[64][32];
    size_t count;
    size_t fail_at; /* the call (from 1) that fails; 0 = none */
};

static enum oxp_status collect(void *ctx, struct oxp_view record) {
    struct replayed *replayed = ctx;
    assert_true(replayed->count < 64 && record.len < 32);
    memcpy(replayed->text[replayed->count], record.ptr, record.len);
    replayed->text[replayed->count++][record.len] = '\0';
    return replayed->count == replayed->fail_at ? OXP_ERR_NOMEM : OXP_OK;
}

static enum oxp_status ignore(void *ctx, struct oxp_view record) {
    (void)ctx;
    (void)record;
    return OXP_OK;
}

static struct oxp_journal *open_or_die(const struct fixture *fixture, struct replayed *replayed,
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

static void append_text(struct oxp_journal *journal, const char *text) {
    assert_int_equal(oxp_journal_append(journal, oxp_view_from(text)), OXP_OK);
}

static void assert_replayed(const struct fixture *fixture, const char *const *texts) {
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

/* One journal with three records, as bytes; the third begins at the returned offset. */
static size_t three_records(const struct fixture *fixture, unsigned char *bytes, size_t *len_out) {
    struct oxp_journal *journal = open_or_die(fixture, NULL, NULL);
    append_text(journal, "first");
    append_text(journal, "the second");
    size_t third = oxp_journal_bytes(journal);
    append_text(journal, "third");
    oxp_journal_close(journal);
    *len_out = read_file(fixture->path, bytes, 4096);
    return third;
}

/* ---- Tests ---- */

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

/* ---- Rewriting ---- */

struct dump {
    const char *const *texts;
    enum oxp_status fails; /* returned at the end */
    size_t too_long;       /* a record of this size is tried as well */
    size_t filler;         /* this many records of 1000 bytes come first */
};

static enum oxp_status emit(void *ctx, oxp_journal_put_fn *put, void *put_ctx) {
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

    atomic_store(&sync_fails, true);
    append_text(journal, "three");
    wait_for_syncs(start + 2);
    while (oxp_journal_failures(journal) == 0) { /* the thread is between the call and its count */
    }
    atomic_store(&sync_fails, false);
    assert_true(oxp_journal_wants_rewrite(journal));
    struct dump dump = {.texts = kept};
    assert_int_equal(oxp_journal_rewrite(journal, emit, &dump), OXP_OK);
    assert_false(oxp_journal_wants_rewrite(journal));
    unsigned quiet = syncs_so_far();
    oxp_journal_close(journal);
    assert_int_equal(syncs_so_far(), quiet + 1); /* the close syncs; nothing was dirty before it */
    assert_replayed(fixture, kept);
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

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

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
        TEST(rewrites),
        TEST(a_killed_rewrite_leaves_the_old_file),
        TEST(when_a_rewrite_is_wanted),
        TEST(a_full_disk),
        TEST(no_room_to_set_aside),
        TEST(synced_within_a_second_and_healed_after_a_failure),
        TEST(rewriting_beside_the_sync_thread),
        TEST(allocations_fail),
        TEST(killed_again_and_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
