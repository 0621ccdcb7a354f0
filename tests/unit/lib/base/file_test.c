#include "lib/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/oxp_base_file_XXXXXX";

/* The file's text, "" when there is none; good until the next call. */
static const char *text_of(const char *name) {
    static char text[64];
    char path[OXP_PATH_MAX];
    assert_int_equal(oxp_file_path(path, folder, name, NULL), OXP_OK);
    int fd = open(path, O_RDONLY);
    ssize_t len = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
    assert_true(len >= 0);
    text[len] = '\0';
    if (fd >= 0) {
        close(fd);
    }
    return text;
}

static void put(const char *name, const char *text) {
    struct oxp_file file;
    struct oxp_error error = {0};
    assert_int_equal(oxp_file_begin(&file, folder, name, &error), OXP_OK);
    assert_true(oxp_file_write(file.fd, text, strlen(text)));
    assert_int_equal(oxp_file_commit(&file, &error), OXP_OK);
    assert_int_equal(file.fd, -1);
    oxp_file_abandon(&file); /* there is nothing to end any more */
}

static void test_replace(void **state) {
    (void)state;
    struct oxp_file file;
    struct oxp_error error = {0};
    struct stat info;
    put("a", "one");
    assert_string_equal(text_of("a"), "one");
    assert_string_equal(text_of("a.new"), "");
    assert_int_equal(oxp_file_begin(&file, folder, "a", &error), OXP_OK);
    assert_int_equal(stat(file.fresh, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    assert_true(oxp_file_write(file.fd, "two", 3));
    assert_string_equal(text_of("a"), "one"); /* until it is committed */
    oxp_file_abandon(&file);
    assert_string_equal(text_of("a"), "one");
    assert_string_equal(text_of("a.new"), "");
    put("a", "");
    assert_string_equal(text_of("a"), "");
    unlink(file.path);
}

static void test_set_aside(void **state) {
    (void)state;
    put("a", "one");
    oxp_file_set_aside(folder, "a");
    assert_string_equal(text_of("a"), "");
    assert_string_equal(text_of("a.corrupt"), "one");
    put("a", "two");
    oxp_file_set_aside(folder, "a");
    assert_string_equal(text_of("a.corrupt"), "two"); /* the newest is the one to look at */
    oxp_file_set_aside(folder, "a");                  /* nothing there, nothing happens */
    char path[OXP_PATH_MAX];
    assert_int_equal(oxp_file_path(path, folder, "a.corrupt", NULL), OXP_OK);
    assert_int_equal(unlink(path), 0);
    /* where it cannot stand beside it, it goes */
    assert_int_equal(mkdir(path, 0700), 0);
    put("a", "three");
    oxp_file_set_aside(folder, "a");
    assert_string_equal(text_of("a"), "");
    assert_int_equal(rmdir(path), 0);
}

static void test_failures(void **state) {
    (void)state;
    struct oxp_file file;
    struct oxp_error error = {0};
    char name[OXP_PATH_MAX], path[OXP_PATH_MAX];
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    assert_int_equal(oxp_file_begin(&file, "/nowhere", "a", &error), OXP_ERR_NOT_FOUND);
    assert_string_equal(error.text, "/nowhere/a.new: cannot create: No such file or directory");
    assert_int_equal(oxp_file_begin(&file, name, "a", &error), OXP_ERR_INVALID);
    assert_int_equal(oxp_file_path(path, name, "a", &error), OXP_ERR_INVALID);
    oxp_file_abandon(&file);
    assert_false(oxp_file_sync_directory("/nowhere"));
    assert_int_equal(errno, ENOENT);
    /* something stands where the file should go: the old stays, and nothing is left beside it */
    assert_int_equal(oxp_file_begin(&file, folder, "d", &error), OXP_OK);
    assert_int_equal(mkdir(file.path, 0700), 0);
    assert_int_equal(oxp_file_commit(&file, &error), OXP_ERR_IO);
    assert_non_null(strstr(error.text, "cannot rename to"));
    assert_int_not_equal(access(file.fresh, F_OK), 0);
    assert_int_equal(rmdir(file.path), 0);
    int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    errno = 0;
    assert_false(oxp_file_write(fd, "x", 1));
    assert_int_equal(oxp_file_failure(&error, "p", "write"), OXP_ERR_FULL);
    assert_string_equal(error.text, "p: cannot write: No space left on device");
    close(fd);
}

int main(void) {
    if (mkdtemp(folder) == NULL) {
        return 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_replace),
        cmocka_unit_test(test_set_aside),
        cmocka_unit_test(test_failures),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    return rmdir(folder) == 0 ? failed : 1;
}
