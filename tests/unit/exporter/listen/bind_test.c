/* Where the listener listens: paths, locks, modes, stale sockets, races. */
#include "tests/unit/exporter/listen/support.h"

#include "tests/support/alloc_fail.h"
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdatomic.h>
#include <sys/file.h>

#include <cmocka.h>

static struct world world;

static int setup(void **state) {
    (void)state;
    return world_init(&world) ? 0 : -1;
}

static int teardown(void **state) {
    (void)state;
    return world_fini(&world) ? 0 : -1;
}

static void make_file(const char *path) {
    int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    close(fd);
}

/* ---- what stands in the way ---- */

/* Each prepares the folder and gives a descriptor to keep open, or -1. */
static int nothing(void) {
    return -1;
}

static int regular_file(void) {
    make_file(path_in(&world, "s"));
    return -1;
}

static int symlink_to_stale_socket(void) {
    close(foreign_socket(path_in(&world, "target"), SOCK_STREAM, 1));
    assert_int_equal(symlink(path_in(&world, "target"), path_in(&world, "s")), 0);
    return -1;
}

static int dangling_symlink(void) {
    assert_int_equal(symlink("nowhere", path_in(&world, "s")), 0);
    return -1;
}

static int directory(void) {
    assert_int_equal(mkdir(path_in(&world, "s"), 0700), 0);
    return -1;
}

static int fifo(void) {
    assert_int_equal(mkfifo(path_in(&world, "s"), 0600), 0);
    return -1;
}

static int stale(void) {
    close(foreign_socket(path_in(&world, "s"), SOCK_STREAM, 1));
    return -1;
}

static int live(void) {
    return foreign_socket(path_in(&world, "s"), SOCK_STREAM, 8);
}

static int live_datagram(void) {
    return foreign_socket(path_in(&world, "s"), SOCK_DGRAM, -1);
}

static int live_with_full_queue(void) {
    int fd = foreign_socket(path_in(&world, "s"), SOCK_STREAM, 0);
    (void)!client_of(path_in(&world, "s")); /* stays open to the end of the program, and fills the queue */
    return fd;
}

static int lock_left_behind(void) {
    make_file(path_in(&world, "s.lock"));
    return -1;
}

static int lock_held(void) {
    make_file(path_in(&world, "s.lock"));
    int fd = open(path_in(&world, "s.lock"), O_RDWR | O_CLOEXEC);
    assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
    return fd;
}

static int lock_is_directory(void) {
    assert_int_equal(mkdir(path_in(&world, "s.lock"), 0700), 0);
    return -1;
}

static int lock_is_symlink(void) {
    assert_int_equal(symlink("elsewhere", path_in(&world, "s.lock")), 0);
    return -1;
}

static int lock_is_fifo(void) {
    assert_int_equal(mkfifo(path_in(&world, "s.lock"), 0600), 0);
    return -1;
}

/* Removes whatever the row made; the teardown then checks that nothing else is there. */
static void clean_up(int fd) {
    static const char *const names[] = {"s", "s.lock", "target"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (unlink(path_in(&world, names[i])) != 0) {
            rmdir(path_in(&world, names[i]));
        }
    }
    if (fd >= 0) {
        close(fd);
    }
}

static void what_is_in_the_way(void **state) {
    (void)state;
    static const struct {
        const char *name;
        int (*prepare)(void);
        enum oxp_status status;
        const char *says[2]; /* beside the path and the words "another path" */
    } rows[] = {
        /* accepted */
        {"nothing", nothing, OXP_OK, {0}},
        {"a stale socket", stale, OXP_OK, {0}},
        {"a lock file that nobody holds", lock_left_behind, OXP_OK, {0}},
        /* refused */
        {"a regular file", regular_file, OXP_ERR_EXISTS, {"a regular file", "remove it"}},
        {"a symbolic link to a stale socket", symlink_to_stale_socket, OXP_ERR_EXISTS, {"a symbolic link"}},
        {"a dangling symbolic link", dangling_symlink, OXP_ERR_EXISTS, {"a symbolic link", "remove it"}},
        {"a directory", directory, OXP_ERR_EXISTS, {"a directory", "remove it"}},
        {"a FIFO", fifo, OXP_ERR_EXISTS, {"not a socket", "remove it"}},
        {"a socket that is listened on", live, OXP_ERR_IN_USE, {"another process listens there", "stop"}},
        {"the same with a full queue", live_with_full_queue, OXP_ERR_IN_USE, {"another process listens there"}},
        {"a datagram socket in use", live_datagram, OXP_ERR_IN_USE, {"another process listens there"}},
        {"a held lock", lock_held, OXP_ERR_IN_USE, {"another process holds its lock", "stop"}},
        {"a lock file that is a directory", lock_is_directory, OXP_ERR_EXISTS, {"s.lock", "it is a directory"}},
        {"a lock file that is a symbolic link", lock_is_symlink, OXP_ERR_EXISTS, {"s.lock", "symbolic link"}},
        {"a lock file that is a FIFO", lock_is_fifo, OXP_ERR_EXISTS, {"s.lock", "not a regular file"}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        print_message("%s\n", rows[i].name);
        int fd = rows[i].prepare();
        struct stat before = {0}, after = {0};
        (void)lstat(path_in(&world, "s"), &before);
        struct oxp_listener *listener = NULL;
        struct oxp_error error = {.text = ""};
        enum oxp_status status = listen_on(&world, path_in(&world, "s"), 0, &listener, &error);
        print_message("  %s\n", error.text);
        assert_int_equal(status, rows[i].status);
        if (status == OXP_OK) {
            assert_true(is_socket(path_in(&world, "s")));
            oxp_listener_free(listener);
            assert_int_equal(access(path_in(&world, "s.lock"), F_OK), -1);
        } else {
            assert_non_null(strstr(error.text, path_in(&world, "s")));
            assert_non_null(strstr(error.text, "another path"));
            for (size_t w = 0; w < 2 && rows[i].says[w] != NULL; w++) {
                assert_non_null(strstr(error.text, rows[i].says[w]));
            }
            (void)lstat(path_in(&world, "s"), &after); /* what stood there still does */
            assert_true(before.st_ino == after.st_ino && before.st_mode == after.st_mode);
        }
        clean_up(fd);
    }
}

static void paths_that_cannot_be(void **state) {
    (void)state;
    char longest[300], too_long[300];
    size_t room = sizeof((struct sockaddr_un *)NULL)->sun_path - 1; /* bytes that fit */
    snprintf(longest, sizeof longest, "%s/%0*d", world.folder, (int)(room - strlen(world.folder) - 1), 0);
    snprintf(too_long, sizeof too_long, "%s/%0*d", world.folder, (int)(room - strlen(world.folder)), 0);
    assert_int_equal(strlen(longest), room);
    make_file(path_in(&world, "file"));
    const struct {
        const char *name, *path;
        enum oxp_status status;
        const char *says;
    } rows[] = {
        {"as long as can be", longest, OXP_OK, ""},
        {"a byte too long", too_long, OXP_ERR_INVALID, "the path has 108 bytes, a Unix socket takes 1 to 107"},
        {"empty", "", OXP_ERR_INVALID, "the path has 0 bytes"},
        {"missing directory", path_in(&world, "none/s"), OXP_ERR_NOT_FOUND, "its directory does not exist; create it"},
        {"below a regular file", path_in(&world, "file/s"), OXP_ERR_NOT_FOUND, "is not a directory"},
        {"where not even root may write", "/sys/s", OXP_ERR_DENIED, "cannot create the lock file /sys/s.lock"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct oxp_listener *listener = NULL;
        struct oxp_error error = {.text = ""};
        enum oxp_status status = listen_on(&world, rows[i].path, 0, &listener, &error);
        print_message("%s: %s\n", rows[i].name, error.text);
        assert_int_equal(status, rows[i].status);
        assert_non_null(strstr(error.text, rows[i].says));
        if (status == OXP_OK) {
            int client = client_of(rows[i].path);
            assert_true(client >= 0);
            close(client);
            oxp_listener_free(listener);
        } else {
            assert_non_null(strstr(error.text, "another path") == NULL ? strstr(error.text, "shorter path")
                                                                       : error.text);
        }
    }
    unlink(path_in(&world, "file"));
}

/* As somebody who is not root, whatever the tests run as. False when this machine does not let us. */
static bool as_other_user(enum oxp_status *status_out, struct oxp_error *error) {
    bool root = geteuid() == 0;
    if (root && seteuid(65534) != 0) {
        print_message("SKIPPED: root may do anything, and this machine has no other user\n");
        return false;
    }
    struct oxp_listener *listener = NULL;
    *status_out = listen_on(&world, path_in(&world, "s"), 0, &listener, error);
    oxp_listener_free(listener);
    return !root || seteuid(0) == 0;
}

static void an_unwritable_directory_is_denied(void **state) {
    (void)state;
    struct oxp_error error = {.text = ""};
    enum oxp_status status = OXP_OK;
    assert_int_equal(chmod(world.folder, 0555), 0);
    if (!as_other_user(&status, &error)) {
        skip();
    }
    print_message("%s\n", error.text);
    assert_int_equal(status, OXP_ERR_DENIED);
    assert_non_null(strstr(error.text, "let this user write to the directory or choose another path"));
    assert_int_equal(chmod(world.folder, 0700), 0);
}

static void a_socket_that_may_not_be_tried_stays(void **state) {
    (void)state;
    if (geteuid() != 0) {
        print_message("SKIPPED: it takes root to make a socket of another user\n");
        skip();
    }
    struct oxp_error error = {.text = ""};
    enum oxp_status status = OXP_OK;
    stale();
    assert_int_equal(chmod(path_in(&world, "s"), 0600), 0);
    assert_int_equal(chmod(world.folder, 0777), 0);
    if (!as_other_user(&status, &error)) {
        clean_up(-1);
        skip();
    }
    print_message("%s\n", error.text);
    assert_int_equal(status, OXP_ERR_DENIED);
    assert_non_null(strstr(error.text, "belongs to another user"));
    assert_true(is_socket(path_in(&world, "s")));
    clean_up(-1);
}

static void the_mode_is_as_asked_whatever_the_umask(void **state) {
    (void)state;
    static const struct {
        mode_t umask, mode;
    } rows[] = {{0, 0660}, {022, 0660}, {077, 0666}, {0777, 0600}, {0, 0600}, {027, 0000}, {022, 0777}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        mode_t old = umask(rows[i].umask);
        struct oxp_listener *listener = NULL;
        struct oxp_listen_options options = {.path = path_in(&world, "s"), .mode = rows[i].mode};
        struct oxp_listen_sink sink = sink_of(&world.sink);
        enum oxp_status status = oxp_listener_new(world.loop, &options, &sink, &listener, NULL);
        umask(old);
        assert_int_equal(status, OXP_OK);
        struct stat found;
        assert_int_equal(lstat(path_in(&world, "s"), &found), 0);
        assert_int_equal(found.st_mode & 07777, rows[i].mode);
        oxp_listener_free(listener);
    }
}

/* ---- two of them ---- */

static void a_second_listener_is_refused_until_the_first_has_stopped(void **state) {
    (void)state;
    struct oxp_listener *first = NULL, *second = NULL;
    struct oxp_error error = {.text = ""};
    assert_int_equal(listen_on(&world, path_in(&world, "s"), 0, &first, &error), OXP_OK);
    assert_int_equal(listen_on(&world, path_in(&world, "s"), 0, &second, &error), OXP_ERR_IN_USE);
    oxp_listener_stop(first);
    oxp_listener_stop(first);
    assert_int_equal(listen_on(&world, path_in(&world, "s"), 0, &second, &error), OXP_OK);
    oxp_listener_free(first); /* must not take away what is the second one's now */
    assert_true(is_socket(path_in(&world, "s")));
    assert_int_equal(access(path_in(&world, "s.lock"), F_OK), 0);
    oxp_listener_free(second);
    oxp_listener_free(NULL);
}

static void a_socket_of_somebody_else_is_not_removed(void **state) {
    (void)state;
    struct oxp_listener *listener = NULL;
    assert_int_equal(listen_on(&world, path_in(&world, "s"), 0, &listener, NULL), OXP_OK);
    /* Somebody who knows nothing of the lock takes both files away and puts up their own. */
    unlink(path_in(&world, "s"));
    unlink(path_in(&world, "s.lock"));
    int other = live();
    make_file(path_in(&world, "s.lock"));
    oxp_listener_free(listener);
    assert_true(is_socket(path_in(&world, "s")));
    assert_int_equal(access(path_in(&world, "s.lock"), F_OK), 0);
    clean_up(other);
}

/* The linker's --wrap puts this in the place of flock in the code under test. */
int __real_flock(int fd, int operation);
int __wrap_flock(int fd, int operation);
static const char *lock_to_lose; /* removed just before it is locked, as a listener that stops at that moment does */

int __wrap_flock(int fd, int operation) {
    if (lock_to_lose != NULL) {
        unlink(lock_to_lose);
        lock_to_lose = NULL;
    }
    return __real_flock(fd, operation);
}

static void a_lock_file_that_vanishes_is_taken_anew(void **state) {
    (void)state;
    struct oxp_listener *listener = NULL;
    lock_to_lose = path_in(&world, "s.lock");
    assert_int_equal(listen_on(&world, path_in(&world, "s"), 0, &listener, NULL), OXP_OK);
    assert_null(lock_to_lose);
    int fd = open(path_in(&world, "s.lock"), O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), -1); /* what stands at the path is what is locked */
    close(fd);
    oxp_listener_free(listener);
}

#define RACERS 4
#define WINS 50

static atomic_int holders, losses;

/* Wins so many times; two holders at once is what must not be. */
static void *race(void *ctx) {
    (void)ctx;
    struct oxp_loop *loop = NULL;
    static struct sink unused;
    struct oxp_listen_sink sink = sink_of(&unused);
    struct oxp_listen_options options = {.path = path_in(&world, "s"), .mode = 0660};
    if (oxp_loop_new(oxp_clock_system(), &loop) != OXP_OK) {
        return (void *)"no loop";
    }
    const char *fault = NULL;
    for (int wins = 0; wins < WINS && fault == NULL;) {
        struct oxp_listener *listener = NULL;
        enum oxp_status status = oxp_listener_new(loop, &options, &sink, &listener, NULL);
        if (status == OXP_OK) {
            fault = atomic_fetch_add(&holders, 1) == 0 ? fault : "two hold the path at once";
            sched_yield();
            fault = is_socket(options.path) ? fault : "the winner's socket is gone";
            wins++;
            atomic_fetch_sub(&holders, 1);
            oxp_listener_free(listener);
        } else {
            fault = status == OXP_ERR_IN_USE ? fault : "refused for another reason than being in use";
            atomic_fetch_add(&losses, 1);
            sched_yield();
        }
    }
    oxp_loop_free(loop);
    return (void *)(uintptr_t)fault;
}

static void racing_listeners_never_share_the_path(void **state) {
    (void)state;
    stale(); /* the first to come has to replace it */
    pthread_t threads[RACERS];
    for (size_t i = 0; i < RACERS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, race, NULL), 0);
    }
    const char *first = NULL;
    for (size_t i = 0; i < RACERS; i++) {
        void *fault = NULL;
        pthread_join(threads[i], &fault);
        first = fault == NULL ? first : fault;
    }
    print_message("%d won, %d lost\n", RACERS * WINS, atomic_load(&losses));
    if (first != NULL) {
        fail_msg("%s", first);
    }
}

/* ---- memory ---- */

static void build_a_listener(void *ctx) {
    struct oxp_listener *listener = NULL;
    struct oxp_error error = {.text = ""};
    enum oxp_status status = listen_on(&world, path_in(&world, "s"), 0, &listener, &error);
    if (status == OXP_OK) {
        oxp_listener_free(listener);
    } else {
        assert_int_equal(status, OXP_ERR_NOMEM);
        assert_non_null(strstr(error.text, path_in(&world, "s")));
        (*(unsigned *)ctx)++;
    }
    assert_int_equal(access(path_in(&world, "s"), F_OK), -1);
    assert_int_equal(access(path_in(&world, "s.lock"), F_OK), -1);
}

static void every_allocation_may_fail(void **state) {
    (void)state;
    unsigned failed = 0;
    assert_true(alloc_fail_each(build_a_listener, &failed) >= 3);
    assert_true(failed >= 3);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        IN_FOLDER(what_is_in_the_way),
        IN_FOLDER(paths_that_cannot_be),
        IN_FOLDER(an_unwritable_directory_is_denied),
        IN_FOLDER(a_socket_that_may_not_be_tried_stays),
        IN_FOLDER(the_mode_is_as_asked_whatever_the_umask),
        IN_FOLDER(a_second_listener_is_refused_until_the_first_has_stopped),
        IN_FOLDER(a_socket_of_somebody_else_is_not_removed),
        IN_FOLDER(a_lock_file_that_vanishes_is_taken_anew),
        IN_FOLDER(racing_listeners_never_share_the_path),
        IN_FOLDER(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
