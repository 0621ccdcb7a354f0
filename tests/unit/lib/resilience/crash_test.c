/* The global handler, in children that die of it: the record is there, and the end is the one that it would have been.
 */
#include <oxpecker/crash.h>

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char path[64];
static int sent_to; /* a pipe's end, for what `send` was given */

static void send_line(void *ctx, struct oxp_view line) {
    (void)ctx;
    (void)!write(sent_to, line.ptr, line.len);
}

/* The undefined-behaviour sanitizer would end the process in its own way. */
__attribute__((no_sanitize("undefined"))) static void crash_by_null(void) {
    volatile int *volatile nowhere = NULL;
    *nowhere = 1;
}

static void crash_by_abort(void) {
    abort();
}

static void crash_by_raise(void) {
    raise(SIGBUS);
}

/* Without end, though the compiler is not told so. */
static unsigned go_deeper(volatile unsigned depth) {
    volatile char room[65536];
    room[depth % sizeof room] = 1;
    return depth == 0 ? 0 : go_deeper(depth + 1) + (unsigned)room[0];
}

static void crash_by_overflow_of_the_stack(void) {
    (void)go_deeper(1);
}

static void crash_with_a_broken_stack(void) {
    void **frame = __builtin_frame_address(0);
    frame[0] = (void *)16; /* what an unwinder by frame pointers would follow */
    frame[1] = (void *)16;
    crash_by_null();
}

static void *crash_here(void *arg) {
    struct oxp_ids ids = {.session = OXP_VIEW("thread\"s"), .task = OXP_VIEW("t9")};
    (void)arg;
    (void)oxp_crash_thread();
    oxp_crash_ids(&ids);
    crash_by_null();
    return NULL;
}

static void crash_in_a_thread(void) {
    pthread_t thread;
    pthread_create(&thread, NULL, crash_here, NULL);
    pthread_join(thread, NULL);
}

static void crash_in_many_threads(void) {
    pthread_t threads[8];
    for (size_t i = 0; i < 8; i++) {
        pthread_create(&threads[i], NULL, crash_here, NULL);
    }
    for (size_t i = 0; i < 8; i++) {
        pthread_join(threads[i], NULL);
    }
}

static void host_handler(int number) {
    (void)number;
    _exit(77);
}

static void crash_after_the_host_took_it(void) {
    signal(SIGSEGV, host_handler);
    crash_by_null();
}

static void crash_after_uninstall(void) {
    oxp_crash_uninstall();
    crash_by_null();
}

/* Runs `body` in a child with the handler installed; gives its wait status and what it wrote. */
static int in_a_child(void (*before)(void), void (*body)(void), char *text, size_t size) {
    int pipe_ends[2], status = 0;
    snprintf(path, sizeof path, "/tmp/oxp-crash-%d", (int)getpid());
    unlink(path);
    assert_int_equal(pipe(pipe_ends), 0);
    pid_t child = fork();
    if (child == 0) {
        struct rlimit none = {0, 0}, small = {1 << 20, 1 << 20};
        setrlimit(RLIMIT_CORE, &none);
        setrlimit(RLIMIT_STACK, &small);
        for (int i = 1; i < 32; i++) { /* what a test runner may have taken */
            signal(i, SIG_DFL);
        }
        if (before != NULL) {
            before();
        }
        sent_to = pipe_ends[1];
        struct oxp_crash_options options = {.path = path, .fd = -1, .component = "worker", .send = send_line};
        if (oxp_crash_install(&options, NULL) != OXP_OK || oxp_crash_install(&options, NULL) != OXP_ERR_EXISTS) {
            _exit(99);
        }
        body();
        _exit(0);
    }
    close(pipe_ends[1]);
    assert_int_equal(waitpid(child, &status, 0), child);
    char sent[4096];
    ssize_t sent_len = read(pipe_ends[0], sent, sizeof sent);
    close(pipe_ends[0]);
    int fd = open(path, O_RDONLY);
    ssize_t len = fd < 0 ? 0 : read(fd, text, size - 1);
    text[len < 0 ? 0 : len] = '\0';
    close(fd);
    unlink(path);
    if (len > 0) { /* the same line went to the client */
        assert_true(sent_len > 0 && strncmp(sent, text, (size_t)sent_len) == 0 && text[sent_len] == '\n');
    }
    return status;
}

static void before_take_segv(void) {
    signal(SIGSEGV, host_handler);
}

static void records_and_ends(void **state) {
    static const struct {
        const char *name;
        void (*before)(void);
        void (*body)(void);
        int signal, exit; /* how the child must end */
        const char *holds[4];
    } rows[] = {
        {"null",
         NULL,
         crash_by_null,
         SIGSEGV,
         0,
         {"\"code\":\"sys_crash\"", "SIGSEGV at address 0x0, process", "\"unit_lib_resilience_crash+0x",
          "\"component\":\"worker\""}},
        {"abort",
         NULL,
         crash_by_abort,
         SIGABRT,
         0,
         {"SIGABRT sent by process", "\"unhandled\":true", "{\"stack\":[", NULL}},
        {"raise", NULL, crash_by_raise, SIGBUS, 0, {"SIGBUS sent by process", NULL}},
        {"overflow", NULL, crash_by_overflow_of_the_stack, SIGSEGV, 0, {"SIGSEGV at address", NULL}},
        {"broken stack", NULL, crash_with_a_broken_stack, SIGSEGV, 0, {"SIGSEGV at address", NULL}},
        {"thread", NULL, crash_in_a_thread, SIGSEGV, 0, {"\"session\":\"thread\\\"s\"", "\"task\":\"t9\"", NULL}},
        {"threads", NULL, crash_in_many_threads, SIGSEGV, 0, {"\"task\":\"t9\"", NULL}},
        {"host first", before_take_segv, crash_by_null, 0, 77, {NULL}},
        {"host later", NULL, crash_after_the_host_took_it, 0, 77, {NULL}},
        {"uninstalled", NULL, crash_after_uninstall, SIGSEGV, 0, {NULL}},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        static char text[16384];
        int status = in_a_child(rows[i].before, rows[i].body, text, sizeof text);
        print_message("%s: %s", rows[i].name, text);
        if (rows[i].signal != 0) {
            assert_true(WIFSIGNALED(status));
            assert_int_equal(WTERMSIG(status), rows[i].signal);
        } else {
            assert_true(WIFEXITED(status));
            assert_int_equal(WEXITSTATUS(status), rows[i].exit);
        }
        if (rows[i].holds[0] == NULL) {
            assert_string_equal(text, "");
        }
        for (size_t k = 0; k < 4 && rows[i].holds[k] != NULL; k++) {
            assert_non_null(strstr(text, rows[i].holds[k]));
        }
        const char *first = strstr(text, "\"type\":\"error\"");
        assert_true(first == NULL ||
                    strstr(first + 1, "\"type\":\"error\"") == NULL); /* one record, however many threads */
    }
}

static void report(struct oxp_reporter *self, const struct oxp_report *report) {
    (void)self;
    for (size_t i = 0; i < report->count; i++) {
        if (strcmp(report->pairs[i].key, "unhandled") == 0 && report->pairs[i].value.flag) {
            _exit(42);
        }
    }
}

static void leave_a_failure_unhandled(void) {
    static struct oxp_reporter reporter = {report};
    oxp_crash_uninstall();
    struct oxp_crash_options options = {.path = path, .fd = -1, .reporter = &reporter};
    struct oxp_evidence evidence = {.name = OXP_VIEW("TypeError"), .message = OXP_VIEW("a \"quoted\" thing")};
    struct oxp_failure *failure = oxp_failure_new(&evidence, NULL);
    (void)oxp_crash_install(&options, NULL);
    oxp_crash_unhandled(NULL);
    oxp_crash_unhandled(failure);
    oxp_failure_free(failure);
}

static void what_nobody_caught_is_written_and_reported(void **state) {
    char text[4096];
    int pipe_ends[2], status = 0;
    (void)state;
    (void)pipe_ends;
    snprintf(path, sizeof path, "/tmp/oxp-crash-%d", (int)getpid());
    pid_t child = fork();
    if (child == 0) {
        leave_a_failure_unhandled();
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(WEXITSTATUS(status), 42);
    int fd = open(path, O_RDONLY);
    ssize_t len = read(fd, text, sizeof text - 1);
    assert_true(len > 0);
    text[len] = '\0';
    close(fd);
    unlink(path);
    assert_non_null(strstr(
        text,
        "\"code\":\"logic_error\",\"unhandled\":true,\"message\":\"logic_error: TypeError: a \\\"quoted\\\" thing\"}"));
}

/* A record that nobody takes must not keep the process from ending as it would have. */
static void a_full_pipe_holds_up_nothing(void **state) {
    int ends[2], status = 0;
    (void)state;
    assert_int_equal(pipe(ends), 0);
    fcntl(ends[1], F_SETFL, O_NONBLOCK);
    while (write(ends[1], ends, 1) == 1) {
    }
    fcntl(ends[1], F_SETFL, 0);
    pid_t child = fork();
    if (child == 0) {
        struct oxp_crash_options options = {.fd = ends[1]};
        alarm(60); /* another signal, should it hang */
        oxp_crash_uninstall();
        (void)oxp_crash_install(&options, NULL);
        abort();
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    close(ends[0]);
    close(ends[1]);
}

static void a_path_that_cannot_be_opened_is_said(void **state) {
    struct oxp_crash_options options = {.path = "/nowhere/at/all", .fd = -1};
    struct oxp_error error;
    (void)state;
    assert_int_equal(oxp_crash_install(&options, &error), OXP_ERR_NOT_FOUND);
    assert_string_equal(error.text, "/nowhere/at/all: No such file or directory");
    oxp_crash_uninstall();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_and_ends),
        cmocka_unit_test(what_nobody_caught_is_written_and_reported),
        cmocka_unit_test(a_full_pipe_holds_up_nothing),
        cmocka_unit_test(a_path_that_cannot_be_opened_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
