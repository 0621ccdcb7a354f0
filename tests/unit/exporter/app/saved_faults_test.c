/* Saving and restoring when something is wrong: with the file, the file system or the memory. */
#include "tests/unit/exporter/app/saved_world.h"

#include "tests/support/alloc_fail.h"
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- damage ---- */

struct small {
    struct oxp_registry *registry;
    struct oxp_family *counter, *histogram;
};

static void small_begin(struct small *small, double now) {
    static const struct oxp_family_spec counter = {
        .name = "a_total", .help = "h", .type = OXP_COUNTER, .labels = {{.key = "b"}}};
    static const double fewer[] = {0.1, 1};
    static const struct oxp_family_spec histogram = {
        .name = "c", .help = "", .type = OXP_HISTOGRAM, .bounds = fewer, .bound_count = 2};
    small->registry = new_registry(now);
    small->counter = add(small->registry, &counter);
    small->histogram = add(small->registry, &histogram);
}

/* A file of a few hundred bytes. free() it. */
static char *small_file(size_t *len_out) {
    struct small first;
    small_begin(&first, FIRST_RUN);
    struct oxp_series *series = oxp_family_at(first.counter, OXP_VIEW("x\"y"));
    add_to(series, 42);
    exemplar(series, 1, 1700000000.5, "s");
    oxp_histogram_observe(oxp_family_only(first.histogram), 0.05);
    oxp_histogram_observe(oxp_family_only(first.histogram), 7);
    save(first.registry);
    oxp_registry_free(first.registry);
    return get_file(saved_path, len_out);
}

static bool is_plausible(const struct oxp_registry *registry) {
    struct oxp_snapshot snapshot;
    const struct oxp_family_spec *spec;
    struct oxp_sample sample;
    oxp_snapshot_begin(&snapshot, registry, NEXT_RUN);
    while (oxp_snapshot_family(&snapshot, &spec) == OXP_OK) {
        while (oxp_snapshot_next(&snapshot, &sample) == OXP_OK) {
            if (!(sample.value >= 0) || !isfinite(sample.value) || !(sample.sum >= 0) || !isfinite(sample.created_s)) {
                return false;
            }
        }
    }
    return true;
}

/* Reads these bytes into a fresh registry; true when they were taken. Says what was wrong with how it went. */
static bool read_damaged(const char *bytes, size_t len, const char *what, size_t at) {
    struct small next;
    struct oxp_error error = {0};
    size_t restored = 99;
    unlink(aside_path);
    small_begin(&next, NEXT_RUN);
    char *before = dump(next.registry);
    put_file(saved_path, bytes, len);
    enum oxp_status status = oxp_saved_read(next.registry, folder, &restored, &error);
    char *after = dump(next.registry);
    const char *fault = NULL;
    if (exists(saved_path)) {
        fault = "the file is still there";
    } else if (status == OXP_OK && (exists(aside_path) || restored > 2 || !is_plausible(next.registry))) {
        fault = "implausible values";
    } else if (status == OXP_ERR_CORRUPT && (restored != 0 || strcmp(before, after) != 0 || !exists(aside_path) ||
                                             strstr(error.text, saved_path) == NULL)) {
        fault = "something was restored, or it was not set aside";
    } else if (status != OXP_OK && status != OXP_ERR_CORRUPT) {
        fault = oxp_status_name(status);
    }
    if (fault != NULL) {
        fail_msg("%s at %zu: %s\n%s", what, at, fault, after);
    }
    free(before);
    free(after);
    oxp_registry_free(next.registry);
    return status == OXP_OK;
}

static void test_each_byte_damaged(void **state) {
    (void)state;
    size_t len, taken = 0, refused = 0;
    char *good = small_file(&len);
    static const unsigned char flips[] = {0x01, 0x02, 0x10, 0x80, 0xff};
    static const char others[] = {'9', '\n', ' ', '"', '\0'};
    for (size_t at = 0; at < len; at++) {
        char old = good[at];
        for (size_t i = 0; i < sizeof flips + sizeof others; i++) {
            unsigned char flipped = (unsigned char)old;
            flipped ^= i < sizeof flips ? flips[i] : 0;
            memcpy(&good[at], i < sizeof flips ? (const char *)&flipped : &others[i - sizeof flips], 1);
            if (good[at] != old) {
                *(read_damaged(good, len, "damage", at) ? &taken : &refused) += 1;
            }
        }
        good[at] = old;
    }
    assert_true(refused > taken && taken > 0); /* a changed digit is a number too */
    assert_true(read_damaged(good, len, "no damage", 0));
    free(good);
}

static void test_cut_at_every_length(void **state) {
    (void)state;
    size_t len;
    char *good = small_file(&len);
    for (size_t cut = 0; cut < len - 1; cut++) {
        if (read_damaged(good, cut, "cut", cut)) {
            fail_msg("a file cut to %zu of %zu bytes was taken", cut, len);
        }
    }
    assert_true(read_damaged(good, len - 1, "last line feed", len - 1)); /* "# EOF" is there: it is whole */
    free(good);
}

static void test_an_older_corrupt_file_is_replaced(void **state) {
    (void)state;
    struct world next;
    struct oxp_error error = {0};
    size_t restored, len;
    begin(&next, NEXT_RUN);
    put_file(aside_path, "old", 3);
    put_file(saved_path, "nonsense\n", 9);
    assert_int_equal(oxp_saved_read(next.registry, folder, &restored, &error), OXP_ERR_CORRUPT);
    assert_non_null(strstr(error.text, "metrics.saved:1:9: "));
    assert_non_null(strstr(error.text, "set aside as metrics.saved.corrupt"));
    char *text = get_file(aside_path, &len);
    assert_string_equal(text, "nonsense\n");
    free(text);
    oxp_registry_free(next.registry);
}

/* ---- the file system ---- */

static uid_t step_down(void) {
    uid_t before = geteuid();
    if (before == 0) {
        assert_int_equal(seteuid(65534), 0); /* root may write anywhere */
    }
    return before;
}

static void assert_write_fails(const struct oxp_registry *registry, const char *directory, const char *fragment) {
    struct oxp_error error = {0};
    enum oxp_status status = oxp_saved_write(registry, directory, STOPPED, &error);
    if (status != OXP_ERR_IO || strstr(error.text, fragment) == NULL || strstr(error.text, directory) == NULL) {
        fail_msg("%s \"%s\" instead of \"%s\"", oxp_status_name(status), error.text, fragment);
    }
    assert_false(exists(fresh_path));
}

static void test_places_that_cannot_be_written(void **state) {
    (void)state;
    struct world first;
    begin(&first, FIRST_RUN);
    fill(&first);
    assert_write_fails(first.registry, "/tmp/oxp_there_is_no_such_folder", "cannot create: No such file or directory");
    put_file(aside_path, "x", 1);
    assert_write_fails(first.registry, aside_path, "cannot create: Not a directory");
    assert_int_equal(mkdir(saved_path, 0700), 0);
    assert_write_fails(first.registry, folder, "metrics.saved: cannot rename to: Is a directory");
    assert_int_equal(rmdir(saved_path), 0);

    assert_int_equal(chmod(folder, 0555), 0);
    uid_t me = step_down();
    assert_write_fails(first.registry, folder, "metrics.saved.new: cannot create: Permission denied");
    assert_int_equal(seteuid(me), 0);
    assert_int_equal(chmod(folder, 0700), 0);

    char long_name[5000];
    struct oxp_error error = {0};
    size_t restored;
    memset(long_name, 'x', sizeof long_name);
    long_name[sizeof long_name - 1] = '\0';
    assert_int_equal(oxp_saved_write(first.registry, long_name, STOPPED, &error), OXP_ERR_INVALID);
    assert_int_equal(oxp_saved_read(first.registry, long_name, &restored, &error), OXP_ERR_INVALID);
    oxp_registry_free(first.registry);
}

/* A file that grows no further: nothing half-written takes the place of what was there. */
static void test_a_full_disk(void **state) {
    (void)state;
    struct world first;
    struct rlimit before, small;
    size_t len;
    begin(&first, FIRST_RUN);
    fill(&first);
    put_file(saved_path, "old", 3);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = before;
    small.rlim_cur = 100;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    struct oxp_error error = {0};
    enum oxp_status status = oxp_saved_write(first.registry, folder, STOPPED, &error);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(status, OXP_ERR_IO);
    assert_non_null(strstr(error.text, "cannot write: File too large"));
    assert_false(exists(fresh_path));
    char *text = get_file(saved_path, &len);
    assert_string_equal(text, "old");
    free(text);
    oxp_registry_free(first.registry);
}

/* What could be read but not be removed would be restored again after a crash: it is not restored at all. */
static void test_a_file_that_cannot_be_removed(void **state) {
    (void)state;
    struct world first, next;
    size_t restored = 99;
    struct oxp_error error = {0};
    begin(&first, FIRST_RUN);
    fill(&first);
    save(first.registry);
    begin(&next, NEXT_RUN);
    char *before = dump(next.registry);
    assert_int_equal(chmod(saved_path, 0644), 0);
    assert_int_equal(chmod(folder, 0555), 0);
    uid_t me = step_down();
    enum oxp_status status = oxp_saved_read(next.registry, folder, &restored, &error);
    assert_int_equal(seteuid(me), 0);
    assert_int_equal(chmod(folder, 0700), 0);
    assert_int_equal(status, OXP_ERR_IO);
    assert_int_equal(restored, 0);
    assert_non_null(strstr(error.text, "metrics.saved: cannot remove: Permission denied"));
    char *after = dump(next.registry);
    assert_string_equal(after, before);
    free(before);
    free(after);
    oxp_registry_free(next.registry);
    oxp_registry_free(first.registry);
}

static void test_a_pipe_in_its_place_does_not_hold_up_the_start(void **state) {
    (void)state;
    struct world next;
    size_t restored = 99;
    struct oxp_error error = {0};
    begin(&next, NEXT_RUN);
    assert_int_equal(mkfifo(saved_path, 0600), 0);
    alarm(60);
    assert_int_equal(oxp_saved_read(next.registry, folder, &restored, &error), OXP_ERR_CORRUPT);
    alarm(0);
    oxp_registry_free(next.registry);
}

/* What could not be read now must not be restored after a later crash, when it is old. */
static void test_what_cannot_be_read_is_set_aside(void **state) {
    (void)state;
    struct world next;
    size_t restored = 99;
    struct oxp_error error = {0};
    begin(&next, NEXT_RUN);
    assert_int_equal(mkdir(saved_path, 0700), 0);
    assert_int_equal(oxp_saved_read(next.registry, folder, &restored, &error), OXP_ERR_IO);
    assert_non_null(strstr(error.text, "metrics.saved: cannot read: Is a directory"));
    assert_int_equal(restored, 0);
    assert_false(exists(saved_path));
    assert_true(exists(aside_path));
    oxp_registry_free(next.registry);
}

static void test_file_and_directory_are_synced(void **state) {
    (void)state;
    struct world first, next;
    begin(&first, FIRST_RUN);
    save(first.registry);
    assert_int_equal(syncs.files, 1);
    assert_int_equal(syncs.directories, 1);
    assert_true(syncs.file_was_synced_first);
    assert_true(syncs.renamed_when_directory);

    memset(&syncs, 0, sizeof syncs);
    begin(&next, NEXT_RUN);
    assert_restores(next.registry, 8);
    assert_int_equal(syncs.directories, 1); /* else a power cut brings the file back */
    assert_false(syncs.renamed_when_directory);
    oxp_registry_free(next.registry);

    syncs.fail_directory = EINVAL; /* a file system that cannot */
    save(first.registry);
    syncs.fail_directory = EIO;
    assert_write_fails(first.registry, folder, "cannot sync: Input/output error");
    clean(NULL);
    syncs.fail_file = EIO;
    assert_write_fails(first.registry, folder, "metrics.saved.new: cannot write: Input/output error");
    assert_false(exists(saved_path));
    oxp_registry_free(first.registry);
}

/* ---- memory ---- */

static void test_writing_without_memory(void **state) {
    (void)state;
    struct world first;
    begin(&first, FIRST_RUN);
    fill(&first);
    size_t n = 0;
    for (bool hit = true; hit;) {
        struct oxp_error error = {0};
        clean(NULL);
        alloc_fail_at(++n);
        enum oxp_status status = oxp_saved_write(first.registry, folder, STOPPED, &error);
        hit = alloc_fail_hit();
        alloc_fail_at(0);
        assert_int_equal(status, hit ? OXP_ERR_IO : OXP_OK);
        assert_true(exists(saved_path) != hit);
        assert_false(exists(fresh_path));
        assert_true(!hit || strstr(error.text, "Cannot allocate memory") != NULL);
    }
    assert_true(n > 1);
    oxp_registry_free(first.registry);
}

/* Every counter and histogram is as it was saved, or begins now at 0. */
static bool is_whole_or_new(const struct oxp_registry *registry, const struct oxp_registry *first) {
    struct oxp_snapshot snapshot, other;
    const struct oxp_family_spec *spec, *other_spec;
    struct oxp_sample sample, saved;
    oxp_snapshot_begin(&snapshot, registry, NEXT_RUN);
    oxp_snapshot_begin(&other, first, NEXT_RUN);
    while (oxp_snapshot_family(&snapshot, &spec) == OXP_OK) {
        bool dated = spec->type != OXP_GAUGE && spec->type != OXP_GAUGE_AGE;
        while (oxp_snapshot_family(&other, &other_spec) == OXP_OK && other_spec != spec) {
        }
        while (oxp_snapshot_next(&snapshot, &sample) == OXP_OK) {
            if (!dated || (sample.created_s == NEXT_RUN && sample.value == 0 && sample.sum == 0)) {
                continue;
            }
            do { /* series come back in the order in which they were made */
                if (oxp_snapshot_next(&other, &saved) != OXP_OK) {
                    return false;
                }
            } while (!oxp_view_equal(saved.labels, sample.labels));
            if (sample.created_s != FIRST_RUN || sample.value != saved.value || sample.sum != saved.sum) {
                return false;
            }
        }
    }
    return true;
}

static void test_reading_without_memory(void **state) {
    (void)state;
    struct world first, next;
    size_t len, n = 0, failed = 0, aside = 0;
    begin(&first, FIRST_RUN);
    fill(&first);
    save(first.registry);
    char *file = get_file(saved_path, &len);
    for (bool hit = true; hit;) {
        struct oxp_error error = {0};
        size_t restored = 99;
        clean(NULL);
        put_file(saved_path, file, len);
        begin(&next, NEXT_RUN);
        alloc_fail_at(++n);
        enum oxp_status status = oxp_saved_read(next.registry, folder, &restored, &error);
        hit = alloc_fail_hit();
        alloc_fail_at(0);
        assert_false(exists(saved_path));
        assert_true(status == OXP_OK || (hit && status == OXP_ERR_NOMEM && error.text[0] != '\0'));
        assert_true(hit || restored == WORLD_RESTORED);
        assert_true(!exists(aside_path) || restored == 0);
        assert_true(is_whole_or_new(next.registry, first.registry));
        failed += status != OXP_OK;
        aside += exists(aside_path);
        oxp_registry_free(next.registry);
    }
    assert_true(failed > 2 && aside > 0 && aside < failed);
    free(file);
    oxp_registry_free(first.registry);
}

int main(void) {
#define TEST(name) cmocka_unit_test_teardown(name, clean)
    const struct CMUnitTest tests[] = {
        TEST(test_each_byte_damaged),
        TEST(test_cut_at_every_length),
        TEST(test_an_older_corrupt_file_is_replaced),
        TEST(test_places_that_cannot_be_written),
        TEST(test_a_full_disk),
        TEST(test_a_file_that_cannot_be_removed),
        TEST(test_a_pipe_in_its_place_does_not_hold_up_the_start),
        TEST(test_what_cannot_be_read_is_set_aside),
        TEST(test_file_and_directory_are_synced),
        TEST(test_writing_without_memory),
        TEST(test_reading_without_memory),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
