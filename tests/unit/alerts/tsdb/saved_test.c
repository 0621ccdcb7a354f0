/* The short memory to a file and back, and a file that is not whole. */
#include "alerts/tsdb/saved.h"

#include "alerts/tsdb/record.h"
#include "lib/base/crc32.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/alloc_fail.h"
#include "tests/unit/alerts/tsdb/memory_text.h"

static char folder[] = "/tmp/oxp_samples_XXXXXX";
static char saved_path[64], fresh_path[64], aside_path[64];

/* Thousands of small files are quicker without; and what is synced cannot be seen otherwise. */
static struct {
    unsigned files, directories;
    int fail; /* errno, or 0 */
} syncs;

int __wrap_fsync(int fd);
int __wrap_fsync(int fd) {
    struct stat info;
    assert_int_equal(fstat(fd, &info), 0);
    syncs.files += S_ISREG(info.st_mode);
    syncs.directories += S_ISDIR(info.st_mode);
    errno = syncs.fail;
    return syncs.fail == 0 ? 0 : -1;
}

/* While `watched` is being written to a file, none of its readers is taken: a disk may hang. */
static struct oxp_tsdb *watched;
static unsigned writes;

ssize_t __real_write(int fd, const void *bytes, size_t len);
ssize_t __wrap_write(int fd, const void *bytes, size_t len);
ssize_t __wrap_write(int fd, const void *bytes, size_t len) {
    enum { READERS = 64 };
    struct oxp_tsdb_reader readers[READERS];
    if (watched != NULL) {
        for (size_t i = 0; i < READERS; i++) {
            assert_int_equal(oxp_tsdb_read(watched, &readers[i]), OXP_OK);
        }
        for (size_t i = 0; i < READERS; i++) {
            oxp_tsdb_close(&readers[i]);
        }
        writes++;
    }
    return __real_write(fd, bytes, len);
}

static bool exists(const char *path) {
    return access(path, F_OK) == 0;
}

static int clean(void **state) {
    (void)state;
    (void)unlink(saved_path);
    (void)unlink(fresh_path);
    (void)unlink(aside_path);
    memset(&syncs, 0, sizeof syncs);
    return 0;
}

static void put_file(const char *bytes, size_t len) {
    FILE *file = fopen(saved_path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
}

static char *get_file(size_t *len_out) {
    static char bytes[65536];
    FILE *file = fopen(saved_path, "r");
    assert_non_null(file);
    *len_out = fread(bytes, 1, sizeof bytes, file);
    assert_int_equal(fclose(file), 0);
    return bytes;
}

static void save(struct oxp_tsdb *tsdb, int64_t now_ms) {
    struct oxp_error error = {0};
    if (oxp_tsdb_save(tsdb, folder, now_ms, &error) != OXP_OK) {
        fail_msg("%s", error.text);
    }
}

static uint64_t load(struct oxp_tsdb *tsdb, int64_t now_ms) {
    struct oxp_error error = {0};
    uint64_t samples = 99;
    if (oxp_tsdb_load(tsdb, folder, now_ms, &samples, &error) != OXP_OK) {
        fail_msg("%s", error.text);
    }
    return samples;
}

/* ---- There and back ---- */

static const double values[] = {0,
                                -0.0,
                                1,
                                1,
                                1,
                                2,
                                1e15,
                                -1e15,
                                0x1p53,
                                0x1p53 + 2,
                                -0x1p53,
                                0.1,
                                0.1,
                                0.30000000000000004,
                                1e300,
                                5e-324,
                                -5e-324,
                                (double)INFINITY,
                                -(double)INFINITY,
                                (double)NAN,
                                1.7976931348623157e308,
                                0x1p60,
                                0x1p60 + 1024};

static void test_round_trip(void **state) {
    (void)state;
    struct oxp_tsdb *first = new_memory(3600, 0), *next = new_memory(3600, 0);
    int64_t time_ms = 1000000;
    size_t count = sizeof values / sizeof values[0];
    for (size_t i = 0; i < count; i++) {
        append_to(first, "odd,a=\xc3\xa4\n\"", time_ms += (int64_t)(i * i * 7 + 1), values[i]);
    }
    append_to(first, "odd,a=\xc3\xa4\n\"", time_ms + 1, oxp_stale_value());
    append_to(first, "one,k=v", 1000000, 7);
    for (int i = 0; i < 500; i++) {
        append_to(first, "steady", 1000000 + 1000 * i, 42);
        append_to(first, "rising", 1000000 + 1000 * i + i % 3, i * 10);
    }
    save(first, 1600000);
    assert_int_equal(syncs.files, 1);
    assert_int_equal(syncs.directories, 1);
    assert_false(exists(fresh_path));
    assert_int_equal(load(next, 1600000), count + 1 + 1 + 1000);
    char *before = memory_text(first, "");
    assert_memory(next, "", before);
    free(before);
    assert_true(exists(saved_path)); /* it is the last snapshot still, should this run crash */
    oxp_tsdb_free(first);
    oxp_tsdb_free(next);
}

/* More than is written at a time. */
static void test_large(void **state) {
    (void)state;
    struct oxp_tsdb *first = new_memory(36000, 0), *next = new_memory(36000, 0);
    enum { SERIES = 330, SAMPLES = 1000 };
    for (int i = 0; i < SERIES; i++) {
        struct oxp_arena arena;
        struct oxp_tsdb_series *series = NULL;
        char name[64];
        snprintf(name, sizeof name, "large,a=%d,b=%d", i % 7, i);
        oxp_arena_init(&arena, 0);
        assert_int_equal(oxp_tsdb_series_at(first, labels_of(&arena, name), &series), OXP_OK);
        for (int k = 0; k < SAMPLES; k++) {
            assert_int_equal(oxp_tsdb_append(first, series, 1000000 + 1000 * k, 1 / (i + k * 1.7 + 1)), OXP_OK);
        }
        oxp_arena_fini(&arena);
    }
    watched = first;
    writes = 0;
    save(first, 2000000);
    watched = NULL;
    assert_true(writes > 2);
    assert_int_equal(load(next, 2000000), SERIES * SAMPLES);
    char *before = memory_text(first, "");
    assert_memory(next, "", before);
    free(before);
    oxp_tsdb_free(first);
    oxp_tsdb_free(next);
}

static void test_nothing_there(void **state) {
    (void)state;
    struct oxp_tsdb *tsdb = new_memory(3600, 0);
    struct oxp_error error = {0};
    uint64_t samples = 99;
    assert_int_equal(oxp_tsdb_load(tsdb, folder, 1, &samples, &error), OXP_END);
    assert_int_equal(samples, 0);
    save(tsdb, 1); /* an empty memory is a file, too */
    assert_int_equal(load(tsdb, 1), 0);
    oxp_tsdb_free(tsdb);
}

static void test_what_is_too_old_or_of_the_future(void **state) {
    (void)state;
    static const struct {
        const char *name;
        int64_t now_ms, retention_s;
        uint64_t samples;
    } rows[] = {
        {"all", 1009000, 60, 10},
        {"some are too old", 1009000, 5, 5},
        {"the clock went back", 1004500, 60, 5},
        {"both", 1004500, 3, 3},
        {"all are too old", 2000000, 60, 0},
        {"all are to come", 500000, 60, 0},
        {"the end counts", 1000000, 60, 1},
    };
    struct oxp_tsdb *first = new_memory(3600, 0);
    for (int i = 0; i < 10; i++) {
        append_to(first, "m", 1000000 + 1000 * i, i);
    }
    save(first, 1009000);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct oxp_tsdb *next = new_memory(rows[i].retention_s, 0);
        uint64_t samples = load(next, rows[i].now_ms);
        if (samples != rows[i].samples) {
            fail_msg("%s: got %llu", rows[i].name, (unsigned long long)samples);
        }
        char *text = memory_text(next, "");
        assert_int_equal(text[0] == '\0', rows[i].samples == 0); /* no series without samples */
        free(text);
        oxp_tsdb_free(next);
    }
    oxp_tsdb_free(first);
}

/* The limit may be lower than it was: what is read is then cut as it would have been. */
static void test_lower_limit(void **state) {
    (void)state;
    struct oxp_tsdb *first = new_memory(7200, 0), *next = new_memory(7200, 1 << 20);
    char name[32];
    for (int i = 0; i < 300; i++) {
        snprintf(name, sizeof name, "m,k=%d", i);
        for (int k = 0; k < 400; k++) {
            append_to(first, name, 1000000 + 15000 * k, (double)((unsigned)(i * 7919 + k * 104729) % 10007) / 7);
        }
    }
    int64_t now_ms = 1000000 + 15000 * 400;
    save(first, now_ms);
    uint64_t samples = load(next, now_ms);
    struct oxp_tsdb_stats stats;
    (void)oxp_tsdb_trim(next, now_ms);
    oxp_tsdb_stats(next, &stats);
    assert_true(stats.bytes <= 1 << 20);
    assert_true(samples > 0 && stats.samples > 0 && stats.samples < 300 * 400);
    oxp_tsdb_free(first);
    oxp_tsdb_free(next);
}

/* ---- Damage ---- */

static size_t small_file(char **bytes_out) {
    struct oxp_tsdb *tsdb = new_memory(3600, 0);
    size_t len;
    append_to(tsdb, "a,k=v", 1000000, 1);
    append_to(tsdb, "a,k=v", 1015000, 0.1);
    append_to(tsdb, "a,k=v", 1030000, 0.1);
    append_to(tsdb, "b", 1000000, 5);
    save(tsdb, 1030000);
    char *bytes = get_file(&len);
    *bytes_out = malloc(len);
    assert_non_null(*bytes_out);
    memcpy(*bytes_out, bytes, len);
    oxp_tsdb_free(tsdb);
    return len;
}

/* Reads these bytes into an empty memory. */
static void expect_corrupt(const char *bytes, size_t len, const char *what, size_t at) {
    struct oxp_tsdb *tsdb = new_memory(3600, 0);
    struct oxp_error error = {0};
    struct oxp_tsdb_stats stats;
    uint64_t samples = 99;
    unlink(aside_path);
    put_file(bytes, len);
    enum oxp_status status = oxp_tsdb_load(tsdb, folder, 1030000, &samples, &error);
    oxp_tsdb_stats(tsdb, &stats);
    if (status != OXP_ERR_CORRUPT || samples != 0 || stats.series_made != 0 || exists(saved_path) ||
        !exists(aside_path) || strstr(error.text, saved_path) == NULL) {
        fail_msg("%s at %zu: %s, %s", what, at, oxp_status_name(status), error.text);
    }
    oxp_tsdb_free(tsdb);
}

static void test_cut_anywhere(void **state) {
    (void)state;
    char *bytes;
    size_t len = small_file(&bytes);
    assert_true(len > 100 && len < 1000);
    for (size_t i = 0; i < len; i++) {
        expect_corrupt(bytes, i, "cut", i);
    }
    free(bytes);
}

static void test_one_bit_anywhere(void **state) {
    (void)state;
    char *bytes;
    size_t len = small_file(&bytes);
    for (size_t i = 0; i < 8 * len; i++) {
        bytes[i / 8] = (char)(bytes[i / 8] ^ (1 << i % 8));
        expect_corrupt(bytes, len, "a flipped bit", i);
        bytes[i / 8] = (char)(bytes[i / 8] ^ (1 << i % 8));
    }
    free(bytes);
}

static void test_bytes_that_do_not_belong(void **state) {
    (void)state;
    char *bytes, zeros[64] = {0};
    size_t len = small_file(&bytes);
    char *longer = malloc(len + 64);
    assert_non_null(longer);
    memcpy(longer, bytes, len);
    memcpy(longer + len, bytes, 64);
    for (size_t extra = 1; extra <= 64; extra++) {
        expect_corrupt(longer, len + extra, "bytes behind the end", extra);
    }
    expect_corrupt(zeros, sizeof zeros, "zeros", 0);
    free(longer);
    free(bytes);
}

/* Sums that are right do not make the contents right: every byte of every record is set to every value, and the sums
 * are made anew. Never a crash; what is taken is no more than the records say. */
static void test_forged(void **state) {
    (void)state;
    char *bytes;
    size_t len = small_file(&bytes), taken = 0, refused = 0;
    unsigned char *at = (unsigned char *)bytes + 28;
    size_t payload = at[0];
    for (size_t i = 0; i < payload; i++) {
        unsigned char old = at[8 + i];
        for (unsigned value = 0; value < 256; value++) {
            at[8 + i] = (unsigned char)value;
            uint32_t crc = oxp_crc32c(oxp_crc32c(0, at, 4), at + 8, payload);
            for (unsigned k = 0; k < 4; k++) {
                at[4 + k] = (unsigned char)(crc >> (8 * k));
            }
            crc = oxp_crc32c(0, bytes, len - 4);
            for (unsigned k = 0; k < 4; k++) {
                bytes[len - 4 + k] = (char)(crc >> (8 * k));
            }
            struct oxp_tsdb *tsdb = new_memory(3600, 0);
            struct oxp_error error = {0};
            uint64_t samples = 0;
            put_file(bytes, len);
            enum oxp_status status = oxp_tsdb_load(tsdb, folder, 1030000, &samples, &error);
            assert_true(status == OXP_OK ? samples <= 4 : status == OXP_ERR_CORRUPT && samples == 0);
            taken += status == OXP_OK;
            refused += status != OXP_OK;
            oxp_tsdb_free(tsdb);
        }
        at[8 + i] = old;
    }
    assert_true(taken > 0 && refused > 0);
    free(bytes);
}

/* ---- Records ---- */

static void test_malformed_records(void **state) {
    (void)state;
    static const struct {
        const char *name, *bytes;
        size_t len;
        enum oxp_status status;
    } rows[] = {
#define ROW(name, bytes, status) {name, bytes, sizeof(bytes) - 1, status}
        ROW("one sample, 0", "\x01\x01n\x01v\x01\x02\x00", OXP_OK),
        ROW("one sample, 3", "\x01\x01n\x01v\x01\x02\x19", OXP_OK),
        ROW("two samples", "\x01\x01n\x01v\x02\x02\x0a\x01\x02", OXP_OK),
        ROW("a negative time", "\x01\x01n\x01v\x01\x03\x00", OXP_OK),
        ROW("no bytes", "", OXP_ERR_CORRUPT),
        ROW("no labels", "\x00\x01\x02\x00", OXP_ERR_CORRUPT),
        ROW("an empty name", "\x01\x00\x01v\x01\x02\x00", OXP_ERR_CORRUPT),
        ROW("an empty value", "\x01\x01n\x00\x01\x02\x00", OXP_ERR_CORRUPT),
        ROW("a name twice", "\x02\x01n\x01v\x01n\x01w\x01\x02\x00", OXP_ERR_CORRUPT),
        ROW("not UTF-8", "\x01\x01n\x01\xff\x01\x02\x00", OXP_ERR_CORRUPT),
        ROW("more labels than there may be", "\x41\x01n\x01v\x01\x02\x00", OXP_ERR_CORRUPT),
        ROW("a name past the end", "\x01\x7fn\x01v\x01\x02\x00", OXP_ERR_CORRUPT),
        ROW("no samples", "\x01\x01n\x01v\x00", OXP_ERR_CORRUPT),
        ROW("too many samples", "\x01\x01n\x01v\x81\x80\x40\x02\x0a\x80\x80\x40\x80\x80\x80\x01", OXP_ERR_CORRUPT),
        ROW("a step of 0", "\x01\x01n\x01v\x02\x02\x00\x01\x02", OXP_ERR_CORRUPT),
        ROW("a step back", "\x01\x01n\x01v\x02\x02\x01\x01\x02", OXP_ERR_CORRUPT),
        ROW("a run of 0 times", "\x01\x01n\x01v\x02\x02\x0a\x00\x02", OXP_ERR_CORRUPT),
        ROW("a run of too many times", "\x01\x01n\x01v\x02\x02\x0a\x02\x02", OXP_ERR_CORRUPT),
        ROW("a run of too many values", "\x01\x01n\x01v\x02\x02\x0a\x01\x04", OXP_ERR_CORRUPT),
        ROW("a varint of eleven bytes", "\x01\x01n\x01v\x01\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00\x00",
            OXP_ERR_CORRUPT),
        ROW("a time beyond sense", "\x01\x01n\x01v\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x00", OXP_ERR_CORRUPT),
        ROW("bits past the value", "\x01\x01n\x01v\x01\x02\xff\x01\x00", OXP_ERR_CORRUPT),
        ROW("a token beyond its table", "\x01\x01n\x01v\x01\x02\x83\x02\x01", OXP_ERR_CORRUPT),
        ROW("bits cut off", "\x01\x01n\x01v\x01\x02\x23\x00", OXP_ERR_CORRUPT),
        ROW("values cut off", "\x01\x01n\x01v\x01\x02", OXP_ERR_CORRUPT),
        ROW("bytes behind the end", "\x01\x01n\x01v\x01\x02\x00\x00", OXP_ERR_CORRUPT),
#undef ROW
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct oxp_arena arena;
        struct oxp_points points = {0};
        const struct oxp_labels *labels = NULL;
        oxp_arena_init(&arena, 0);
        enum oxp_status status = oxp_record_read(oxp_view_of(rows[i].bytes, rows[i].len), &arena, &labels, &points);
        if (status != rows[i].status) {
            fail_msg("%s: %s", rows[i].name, oxp_status_name(status));
        }
        oxp_points_fini(&points);
        oxp_arena_fini(&arena);
    }
}

static void test_size(void **state) {
    (void)state;
    struct oxp_arena arena;
    struct oxp_points points = {0};
    struct oxp_buf out;
    oxp_arena_init(&arena, 0);
    oxp_buf_init(&out, 0);
    const struct oxp_labels *labels = labels_of(&arena, "m");
    for (int i = 0; i < 240; i++) {
        assert_int_equal(oxp_points_add(&points, 15000 * i, 7), OXP_OK);
    }
    oxp_record_write(&out, labels, &points, 0, points.count);
    assert_true(out.len < 32); /* nothing happened */
    oxp_buf_clear(&out);
    for (size_t i = 0; i < 240; i++) {
        points.value[i] = (double)(i * i % 31 + i);
    }
    oxp_record_write(&out, labels, &points, 0, points.count);
    assert_true(out.len < 240 * 2 + 32); /* counts */
    oxp_buf_fini(&out);
    oxp_points_fini(&points);
    oxp_arena_fini(&arena);
}

/* ---- Disks and memory ---- */

static void test_the_old_file_stays(void **state) {
    (void)state;
    struct oxp_tsdb *tsdb = new_memory(3600, 0);
    struct oxp_error error = {0};
    append_to(tsdb, "a", 1000000, 1);
    save(tsdb, 1000000);
    append_to(tsdb, "a", 1001000, 1);
    syncs.fail = EIO;
    assert_int_equal(oxp_tsdb_save(tsdb, folder, 1001000, &error), OXP_ERR_IO);
    assert_non_null(strstr(error.text, folder));
    syncs.fail = ENOSPC;
    assert_int_equal(oxp_tsdb_save(tsdb, folder, 1001000, &error), OXP_ERR_FULL);
    syncs.fail = 0;
    assert_false(exists(fresh_path));
    struct oxp_tsdb *next = new_memory(3600, 0);
    assert_int_equal(load(next, 1001000), 1);
    oxp_tsdb_free(next);
    /* a directory in the way, none at all, and a name that is too long */
    assert_int_equal(mkdir(fresh_path, 0700), 0);
    assert_true(oxp_tsdb_save(tsdb, folder, 1001000, &error) < 0);
    assert_int_equal(rmdir(fresh_path), 0);
    uint64_t samples = 0;
    assert_int_equal(oxp_tsdb_save(tsdb, "/nowhere/at/all", 1, &error), OXP_ERR_NOT_FOUND);
    assert_int_equal(oxp_tsdb_load(tsdb, "/nowhere/at/all", 1, &samples, &error), OXP_END);
    char name[5000];
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    assert_int_equal(oxp_tsdb_save(tsdb, name, 1, &error), OXP_ERR_INVALID);
    assert_int_equal(oxp_tsdb_load(tsdb, name, 1, &samples, &error), OXP_ERR_INVALID);
    oxp_tsdb_free(tsdb);
}

static void test_no_file_at_all(void **state) {
    (void)state;
    struct oxp_tsdb *tsdb = new_memory(3600, 0);
    struct oxp_error error = {0};
    uint64_t samples = 0;
    assert_int_equal(mkdir(saved_path, 0700), 0);
    assert_true(oxp_tsdb_load(tsdb, folder, 1, &samples, &error) < 0);
    assert_true(error.text[0] != '\0');
    (void)rmdir(saved_path);
    (void)rmdir(aside_path);
    assert_int_equal(mkfifo(saved_path, 0600), 0); /* may not hold up the start */
    assert_int_equal(oxp_tsdb_load(tsdb, folder, 1, &samples, &error), OXP_ERR_CORRUPT);
    oxp_tsdb_free(tsdb);
}

static struct oxp_tsdb *full;

static void save_with_failures(void *ctx) {
    (void)ctx;
    struct oxp_error error = {0};
    enum oxp_status status = oxp_tsdb_save(full, folder, 1030000, &error);
    assert_true(status == OXP_OK || (status == OXP_ERR_NOMEM && alloc_fail_hit() && error.text[0] != '\0'));
    assert_false(exists(fresh_path));
}

static void load_with_failures(void *ctx) {
    (void)ctx;
    struct oxp_tsdb_options options = {.retention_ms = 3600000};
    struct oxp_tsdb *tsdb = NULL;
    struct oxp_error error = {0};
    uint64_t samples = 0;
    if (oxp_tsdb_new(&options, &tsdb) != OXP_OK) {
        return;
    }
    enum oxp_status status = oxp_tsdb_load(tsdb, folder, 1030000, &samples, &error);
    assert_true(status == OXP_OK ? samples == 6 : status == OXP_ERR_NOMEM && alloc_fail_hit() && error.text[0] != '\0');
    assert_true(exists(saved_path)); /* no reason to set it aside */
    oxp_tsdb_free(tsdb);
}

static void test_without_memory(void **state) {
    (void)state;
    full = new_memory(3600, 0);
    for (int i = 0; i < 3; i++) {
        append_to(full, "a", 1000000 + 15000 * i, i);
        append_to(full, "b,k=v", 1000000 + 15000 * i, i * 0.7);
    }
    assert_true(alloc_fail_each(save_with_failures, NULL) > 2);
    assert_true(alloc_fail_each(load_with_failures, NULL) > 2);
    oxp_tsdb_free(full);
}

int main(void) {
    if (mkdtemp(folder) == NULL) {
        return 1;
    }
    snprintf(saved_path, sizeof saved_path, "%s/samples.saved", folder);
    snprintf(fresh_path, sizeof fresh_path, "%s/samples.saved.new", folder);
    snprintf(aside_path, sizeof aside_path, "%s/samples.saved.corrupt", folder);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_round_trip, clean),
        cmocka_unit_test_teardown(test_large, clean),
        cmocka_unit_test_teardown(test_nothing_there, clean),
        cmocka_unit_test_teardown(test_what_is_too_old_or_of_the_future, clean),
        cmocka_unit_test_teardown(test_lower_limit, clean),
        cmocka_unit_test_teardown(test_cut_anywhere, clean),
        cmocka_unit_test_teardown(test_one_bit_anywhere, clean),
        cmocka_unit_test_teardown(test_bytes_that_do_not_belong, clean),
        cmocka_unit_test_teardown(test_forged, clean),
        cmocka_unit_test(test_malformed_records),
        cmocka_unit_test(test_size),
        cmocka_unit_test_teardown(test_the_old_file_stays, clean),
        cmocka_unit_test_teardown(test_no_file_at_all, clean),
        cmocka_unit_test_teardown(test_without_memory, clean),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    (void)rmdir(folder);
    return failed;
}
