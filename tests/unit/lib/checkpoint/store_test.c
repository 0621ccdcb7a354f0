/* The stores of files and memory: one contract for both, and what only a disk can do. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <oxpecker/checkpoint.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/clock.h"
#include "tests/support/alloc_fail.h"

/* The linker puts these in the place of fsync: the n-th from now on fails as a broken disk does. */
static int syncs, failing_sync;
int __real_fsync(int fd);
int __wrap_fsync(int fd);

int __wrap_fsync(int fd) {
    if (++syncs == failing_sync) {
        errno = EIO;
        return -1;
    }
    return __real_fsync(fd);
}

static char directory[64];
static char path_text[256];

static const char *path(const char *name) {
    snprintf(path_text, sizeof path_text, "%s/%s", directory, name);
    return path_text;
}

static int make_directory(void **state) {
    (void)state;
    snprintf(directory, sizeof directory, "/tmp/oxp-store-XXXXXX");
    return mkdtemp(directory) == NULL;
}

static bool remove_one(void *ctx, const struct oxp_store_entry *entry) {
    (void)ctx;
    unlink(path(entry->key));
    return true;
}

static int remove_directory(void **state) {
    (void)state;
    struct oxp_store *store = NULL;
    chmod(directory, 0700);
    if (oxp_store_files_new(directory, NULL, &store, NULL) == OXP_OK) {
        store->list(store, "", remove_one, NULL, NULL);
        oxp_store_free(store);
    }
    unlink(path(".oxp-1-1.tmp"));
    unlink(path("link"));
    unlink(path("fifo"));
    rmdir(path("folder"));
    return rmdir(directory);
}

static struct oxp_store *open_files(void) {
    struct oxp_store *store = NULL;
    struct oxp_error error = {0};
    if (oxp_store_files_new(directory, NULL, &store, &error) != OXP_OK) {
        fail_msg("%s", error.text);
    }
    return store;
}

static void assert_value(struct oxp_store *store, const char *key, const char *want) {
    char *value = NULL;
    size_t len = 0;
    struct oxp_error error = {0};
    enum oxp_status status = store->get(store, key, 1 << 20, &value, &len, &error);
    if (want == NULL) {
        assert_int_equal(status, OXP_ERR_NOT_FOUND);
        return;
    }
    if (status != OXP_OK) {
        fail_msg("%s: %s", key, error.text);
    }
    assert_int_equal(len, strlen(want));
    assert_string_equal(value, want);
    free(value);
}

static enum oxp_status put(struct oxp_store *store, const char *key, const char *value) {
    return store->put(store, key, oxp_view_from(value), NULL);
}

struct listed {
    size_t count;
    uint64_t bytes;
    double oldest_s;
    size_t stop_after;
};

static bool note(void *ctx, const struct oxp_store_entry *entry) {
    struct listed *listed = ctx;
    listed->count++;
    listed->bytes += entry->size;
    listed->oldest_s = listed->oldest_s == 0 || entry->time_s < listed->oldest_s ? entry->time_s : listed->oldest_s;
    return listed->count != listed->stop_after;
}

/* ---- The contract ---- */

static void check_contract(struct oxp_store *store) {
    assert_value(store, "a.json", NULL);
    assert_int_equal(put(store, "a.json", "one"), OXP_OK);
    assert_int_equal(put(store, "a.json", "two!"), OXP_OK);
    assert_int_equal(put(store, "a.jsonx", ""), OXP_OK);
    assert_int_equal(put(store, "b", "three"), OXP_OK);
    assert_value(store, "a.json", "two!");
    assert_value(store, "a.jsonx", "");
    struct oxp_view bytes = {"\0\xff\n", 3};
    assert_int_equal(store->put(store, "b", bytes, NULL), OXP_OK);
    char *value = NULL;
    size_t len = 0;
    assert_int_equal(store->get(store, "b", 3, &value, &len, NULL), OXP_OK);
    assert_true(oxp_view_equal(oxp_view_of(value, len), bytes) && value[3] == '\0');
    free(value);
    assert_int_equal(store->get(store, "b", 2, &value, &len, NULL), OXP_ERR_LIMIT);

    struct listed all = {0}, some = {0}, first = {.stop_after = 1};
    double now = oxp_wall_seconds(oxp_clock_wall(oxp_clock_system()));
    assert_int_equal(store->list(store, "", note, &all, NULL), OXP_OK);
    assert_true(all.count == 3 && all.bytes == 7);
    assert_true(all.oldest_s > now - 60 && all.oldest_s < now + 60);
    assert_int_equal(store->list(store, "a.", note, &some, NULL), OXP_OK);
    assert_int_equal(some.count, 2);
    assert_int_equal(store->list(store, "", note, &first, NULL), OXP_OK);
    assert_int_equal(first.count, 1);

    assert_int_equal(store->remove(store, "a.json", NULL), OXP_OK);
    assert_int_equal(store->remove(store, "a.json", NULL), OXP_OK);
    assert_value(store, "a.json", NULL);
    static const char *const bad[] = {"", ".a", "../a", "a/b", "a b"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct oxp_error error = {0};
        assert_int_equal(store->put(store, bad[i], OXP_VIEW("x"), &error), OXP_ERR_INVALID);
        assert_true(error.text[0] != '\0');
        assert_int_equal(store->get(store, bad[i], 9, &value, &len, NULL), OXP_ERR_INVALID);
        assert_int_equal(store->remove(store, bad[i], NULL), OXP_ERR_INVALID);
    }
}

static void test_memory(void **state) {
    (void)state;
    struct oxp_store *store = oxp_store_memory_new(NULL);
    assert_non_null(store);
    check_contract(store);
    oxp_store_free(store);
    oxp_store_free(NULL);
}

static void test_files(void **state) {
    (void)state;
    struct oxp_store *store = open_files();
    check_contract(store);
    struct stat found;
    assert_int_equal(stat(path("b"), &found), 0);
    assert_int_equal(found.st_mode & 07777, 0600);
    oxp_store_free(store);
    store = open_files(); /* another process' view */
    assert_value(store, "a.jsonx", "");
    oxp_store_free(store);
}

/* ---- Only files ---- */

static void test_open(void **state) {
    (void)state;
    struct oxp_store *store = NULL;
    struct oxp_error error = {0};
    static char deep[300];
    snprintf(deep, sizeof deep, "%s/none/deep", directory);
    assert_int_equal(oxp_store_files_new(deep, NULL, &store, &error), OXP_ERR_NOT_FOUND);
    assert_non_null(strstr(error.text, "none/deep"));
    assert_int_equal(oxp_store_files_new("", NULL, &store, &error), OXP_ERR_INVALID);
    assert_int_equal(oxp_store_files_new("/etc/passwd", NULL, &store, &error), OXP_ERR_NOT_FOUND);
    snprintf(deep, sizeof deep, "%s/folder", directory);
    assert_int_equal(oxp_store_files_new(deep, NULL, &store, &error), OXP_OK);
    struct stat found;
    assert_int_equal(stat(deep, &found), 0);
    assert_int_equal(found.st_mode & 07777, 0700);
    oxp_store_free(store);
}

/* What a crash leaves is removed, but not what somebody is writing. */
static void test_leftovers(void **state) {
    (void)state;
    int fd = open(path(".oxp-1-1.tmp"), O_CREAT | O_WRONLY, 0600);
    assert_true(fd >= 0 && flock(fd, LOCK_EX) == 0);
    oxp_store_free(open_files());
    assert_int_equal(access(path(".oxp-1-1.tmp"), F_OK), 0);
    close(fd);
    fd = open(path(".other"), O_CREAT | O_WRONLY, 0600);
    close(fd);
    oxp_store_free(open_files());
    assert_int_equal(access(path(".oxp-1-1.tmp"), F_OK), -1);
    assert_int_equal(unlink(path(".other")), 0); /* somebody else's */
}

static void test_strange_files(void **state) {
    (void)state;
    struct oxp_store *store = open_files();
    char *value = NULL;
    size_t len = 0;
    assert_int_equal(mkfifo(path("fifo"), 0600), 0);
    assert_int_equal(symlink("/etc/passwd", path("link")), 0);
    assert_int_equal(mkdir(path("folder"), 0700), 0);
    assert_int_equal(store->get(store, "fifo", 9, &value, &len, NULL), OXP_ERR_CORRUPT);
    assert_true(store->get(store, "link", 99999, &value, &len, NULL) < 0);
    assert_int_equal(store->get(store, "folder", 9, &value, &len, NULL), OXP_ERR_CORRUPT);
    struct listed listed = {0};
    assert_int_equal(store->list(store, "", note, &listed, NULL), OXP_OK);
    assert_int_equal(listed.count, 0);
    assert_true(put(store, "folder", "x") < 0);
    assert_int_equal(put(store, "link", "mine"), OXP_OK); /* the link is replaced, not followed */
    assert_value(store, "link", "mine");
    oxp_store_free(store);
}

static bool has_leftover(void) {
    DIR *listing = opendir(directory);
    assert_non_null(listing);
    bool found = false;
    const struct dirent *entry;
    while ((entry = readdir(listing)) != NULL) {
        found = found || strncmp(entry->d_name, ".oxp-", 5) == 0;
    }
    closedir(listing);
    return found;
}

/* A process that may not write more than 4 KiB into a file: as a full disk, in the middle of a write. */
static void test_full(void **state) {
    (void)state;
    struct oxp_store *store = open_files();
    static char large[100000];
    memset(large, 'x', sizeof large - 1);
    assert_int_equal(put(store, "k", "old"), OXP_OK);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        const struct rlimit limit = {4096, 4096};
        sigset_t set;
        sigemptyset(&set);
        sigaddset(&set, SIGXFSZ);
        sigprocmask(SIG_BLOCK, &set, NULL);
        setrlimit(RLIMIT_FSIZE, &limit);
        struct oxp_error error = {0};
        bool failed = store->put(store, "k", oxp_view_from(large), &error) == OXP_ERR_IO;
        _exit(failed && strstr(error.text, "writing k: File too large") != NULL ? 0 : 1);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_value(store, "k", "old");
    assert_false(has_leftover());
    oxp_store_free(store);
}

/* The file is synced before it gets its name, and the folder afterwards. */
static void test_broken_disk(void **state) {
    (void)state;
    struct oxp_store *store = open_files();
    struct oxp_error error = {0};
    syncs = failing_sync = 0;
    assert_int_equal(put(store, "k", "old"), OXP_OK);
    assert_int_equal(syncs, 2);
    syncs = 0;
    failing_sync = 1;
    assert_int_equal(store->put(store, "k", OXP_VIEW("new"), &error), OXP_ERR_IO);
    assert_non_null(strstr(error.text, "syncing k: Input/output error"));
    assert_value(store, "k", "old");
    assert_false(has_leftover());
    syncs = 0;
    failing_sync = 2;
    assert_int_equal(store->put(store, "k", OXP_VIEW("new"), &error), OXP_ERR_IO);
    assert_value(store, "k", "new"); /* whole, but perhaps not for long */
    syncs = 0;
    failing_sync = 1;
    assert_int_equal(store->remove(store, "k", &error), OXP_ERR_IO);
    failing_sync = 0;
    oxp_store_free(store);
}

/* A file system of 64 KiB, where the test may mount one. */
static void test_no_space(void **state) {
    (void)state;
    char mount[128], command[256];
    snprintf(mount, sizeof mount, "%s/folder", directory);
    assert_int_equal(mkdir(mount, 0700), 0);
    snprintf(command, sizeof command, "mount -t tmpfs -o size=64k tmpfs %s 2>/dev/null", mount);
    if (geteuid() != 0 || system(command) != 0) {
        print_message("SKIPPED: no right to mount\n");
        skip();
    }
    struct oxp_store *store = NULL;
    static char large[200000];
    memset(large, 'x', sizeof large - 1);
    struct oxp_error error = {0};
    enum oxp_status opened = oxp_store_files_new(mount, NULL, &store, &error);
    enum oxp_status first = put(store, "k", "old");
    enum oxp_status second = store->put(store, "k", oxp_view_from(large), &error);
    char *value = NULL;
    size_t len = 0;
    enum oxp_status got = store->get(store, "k", 99, &value, &len, NULL);
    enum oxp_status third = put(store, "k", "new"); /* nothing was left behind: there is room again */
    oxp_store_free(store);
    snprintf(command, sizeof command, "umount %s", mount);
    assert_int_equal(system(command), 0);
    assert_true(opened == OXP_OK && first == OXP_OK && third == OXP_OK);
    assert_int_equal(second, OXP_ERR_FULL);
    assert_non_null(strstr(error.text, "No space left"));
    assert_true(got == OXP_OK && strcmp(value, "old") == 0);
    free(value);
}

/* Run as nobody when we are root, whom no mode stops. */
static void test_read_only(void **state) {
    (void)state;
    struct oxp_store *store = open_files();
    assert_int_equal(put(store, "k", "old"), OXP_OK);
    oxp_store_free(store);
    assert_int_equal(chmod(path("k"), 0644), 0);
    assert_int_equal(chmod(directory, 0555), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0)) {
            _exit(2);
        }
        struct oxp_error error = {0};
        char *value = NULL;
        size_t len = 0;
        bool well = oxp_store_files_new(directory, NULL, &store, &error) == OXP_OK &&
                    store->put(store, "k", OXP_VIEW("new"), &error) == OXP_ERR_DENIED &&
                    strstr(error.text, "Permission denied") != NULL &&
                    store->get(store, "k", 9, &value, &len, NULL) == OXP_OK && strcmp(value, "old") == 0 &&
                    store->remove(store, "k", NULL) == OXP_ERR_DENIED;
        _exit(well ? 0 : 1);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* ---- Memory ---- */

static void use_memory_store(void *ctx) {
    (void)ctx;
    struct oxp_store *store = oxp_store_memory_new(NULL);
    char *value = NULL;
    size_t len = 0;
    if (store == NULL) {
        return;
    }
    bool had = put(store, "k", "one") == OXP_OK;
    bool has = put(store, "k", "two") == OXP_OK;
    if (store->get(store, "k", 9, &value, &len, NULL) == OXP_OK) {
        assert_string_equal(value, has ? "two" : had ? "one" : "?");
        free(value);
    }
    oxp_store_free(store);
}

static void use_files_store(void *ctx) {
    (void)ctx;
    struct oxp_store *store = NULL;
    char *value = NULL;
    size_t len = 0;
    if (oxp_store_files_new(directory, NULL, &store, NULL) != OXP_OK) {
        return;
    }
    assert_int_equal(put(store, "k", "one"), OXP_OK);
    if (store->get(store, "k", 9, &value, &len, NULL) == OXP_OK) {
        free(value);
    }
    struct listed listed = {0};
    (void)store->list(store, "", note, &listed, NULL);
    oxp_store_free(store);
}

static void test_no_memory(void **state) {
    (void)state;
    assert_true(alloc_fail_each(use_memory_store, NULL) >= 3);
    assert_true(alloc_fail_each(use_files_store, NULL) >= 2);
}

#define WITH_DIRECTORY(test) cmocka_unit_test_setup_teardown(test, make_directory, remove_directory)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_memory),  WITH_DIRECTORY(test_files),       WITH_DIRECTORY(test_open),
        WITH_DIRECTORY(test_leftovers), WITH_DIRECTORY(test_full),        WITH_DIRECTORY(test_strange_files),
        WITH_DIRECTORY(test_no_space),  WITH_DIRECTORY(test_broken_disk), WITH_DIRECTORY(test_read_only),
        WITH_DIRECTORY(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
