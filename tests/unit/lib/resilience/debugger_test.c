/* The debugger command: what counts as an answer, what does not, that it never outlives its time, and that the host's
 * signals stay as they are. */
#include "tests/unit/lib/resilience/notes.h"

#include "lib/base/clock.h"
#include "lib/resilience/debugger.h"
#include "tests/support/alloc_fail.h"
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#define V(text) OXP_VIEW(text)

static double seconds(void) {
    return (double)oxp_clock_mono(oxp_clock_system()).ns / 1e9;
}

/* ---- Reading ---- */

static void answers_are_read(void **state) {
    static const struct {
        const char *text;
        bool good;
        enum oxp_verdict verdict;
        const char *fix, *report;
    } rows[] = {
        {"{\"verdict\":\"fixed\"}", true, OXP_VERDICT_FIXED, "", ""},
        {" {\n \"verdict\" : \"no_fix\" }\n", true, OXP_VERDICT_NO_FIX, "", ""},
        {"{\"verdict\":\"suggested\",\"fix\":\"new proxy\",\"report\":\"a \\\"b\\\"\\n\\u20ac\"}", true,
         OXP_VERDICT_SUGGESTED, "new proxy", "a \"b\"\n\xe2\x82\xac"},
        {"{\"verdict\":\"error\"}", true, OXP_VERDICT_ERROR, "", ""},
        {"{\"report\":\"\\ud83d\\ude00\",\"verdict\":\"fixed\"}", true, OXP_VERDICT_FIXED, "", "\xf0\x9f\x98\x80"},
        {"{\"report\":\"\\ud83d.\",\"verdict\":\"fixed\"}", true, OXP_VERDICT_FIXED, "", "\xef\xbf\xbd."},
        {"{\"more\":{\"a\":[1,{\"}\":\"]\"}]},\"verdict\":\"fixed\",\"n\":-1.5e3,\"t\":true}", true, OXP_VERDICT_FIXED,
         "", ""},
        {"{\"fix\":null,\"verdict\":\"fixed\"}", true, OXP_VERDICT_FIXED, "", ""},
        {"", false, 0, NULL, NULL},
        {"{}", false, 0, NULL, NULL},
        {"[]", false, 0, NULL, NULL},
        {"fixed", false, 0, NULL, NULL},
        {"{\"verdict\":\"maybe\"}", false, 0, NULL, NULL},
        {"{\"verdict\":1}", false, 0, NULL, NULL},
        {"{\"verdict\":\"fixed\"", false, 0, NULL, NULL},
        {"{\"verdict\":\"fixed\"}}", false, 0, NULL, NULL},
        {"{\"verdict\":\"fixed\"} trailing", false, 0, NULL, NULL},
        {"{\"verdict\":\"fixed\",}", false, 0, NULL, NULL},
        {"{\"verdict\":\"fix\ned\"}", false, 0, NULL, NULL},
        {"{\"verdict\":\"\\u12\"}", false, 0, NULL, NULL},
        {"{\"verdict\":\"\\x\"}", false, 0, NULL, NULL},
        {"{\"report\":\"open", false, 0, NULL, NULL},
        {"{\"a\":]", false, 0, NULL, NULL},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct oxp_debug_answer answer;
        bool good = oxp_debugger_read(oxp_view_from(rows[i].text), &answer);
        if (good != rows[i].good ||
            (good && (answer.verdict != rows[i].verdict || strcmp(answer.fix, rows[i].fix) != 0 ||
                      strcmp(answer.report, rows[i].report) != 0))) {
            fail_msg("%s: %d %d %s %s", rows[i].text, good, answer.verdict, answer.fix, answer.report);
        }
        for (size_t len = 0; good && len + 2 < strlen(rows[i].text); len++) { /* any cut is no answer */
            assert_false(oxp_debugger_read(oxp_view_of(rows[i].text, len), &answer));
        }
    }
}

static void long_texts_are_cut_at_a_character(void **state) {
    static char text[12000] = "{\"verdict\":\"fixed\",\"fix\":\"";
    struct oxp_debug_answer answer;
    (void)state;
    for (int i = 0; i < 2000; i++) {
        strncat(text, "\xe2\x82\xac", 4);
    }
    strncat(text, "\"}", 3);
    assert_true(oxp_debugger_read(oxp_view_from(text), &answer));
    assert_int_equal(strlen(answer.fix), 63);
    assert_string_equal(answer.fix + 60, "\xe2\x82\xac");
}

/* ---- Running ---- */

/* Runs a shell script as the debugger. */
static bool run(const char *script, struct oxp_view request, double timeout_s, struct oxp_debug_answer *answer,
                bool *timed_out) {
    const char *const argv[] = {"sh", "-c", script, NULL};
    return oxp_debugger_run(argv, request, timeout_s, answer, timed_out);
}

#define FIXED "echo '{\"verdict\":\"fixed\",\"fix\":\"f\"}'"

static const struct {
    const char *name, *script;
    double timeout_s;
    enum oxp_verdict verdict;
    bool good, timed_out;
    const char *report;
} runs[] = {
    {"fixed", "cat >/dev/null; " FIXED, 60, OXP_VERDICT_FIXED, true, false, ""},
    {"it answers what it was told", "read line; echo \"{\\\"verdict\\\":\\\"no_fix\\\",\\\"report\\\":$line}\"", 60,
     OXP_VERDICT_NO_FIX, true, false, "asked"},
    {"it does not read its input", FIXED, 60, OXP_VERDICT_FIXED, true, false, ""},
    {"it closes its input", "exec 0<&-; " FIXED, 60, OXP_VERDICT_FIXED, true, false, ""},
    {"garbage", "echo fixed, I think", 60, OXP_VERDICT_ERROR, false, false,
     "the debugger command gave no answer that can be read"},
    {"nothing", ":", 60, OXP_VERDICT_ERROR, false, false, "the debugger command gave no answer that can be read"},
    {"far too much", "while :; do echo xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx; done", 60, OXP_VERDICT_ERROR,
     false, false, "the debugger command gave no answer that can be read"},
    {"it fails", FIXED "; exit 3", 60, OXP_VERDICT_ERROR, false, false, "the debugger command failed"},
    {"it is killed", FIXED "; kill -9 $$", 60, OXP_VERDICT_ERROR, false, false, "the debugger command failed"},
    {"it takes too long", "sleep 60", 0.15, OXP_VERDICT_ERROR, false, true,
     "the debugger command was not done in time"},
    {"it answers, and stays", FIXED "; exec >&-; sleep 60", 0.15, OXP_VERDICT_ERROR, false, true,
     "the debugger command was not done in time"},
    {"no time at all", "sleep 60", 1e-9, OXP_VERDICT_ERROR, false, true, "the debugger command was not done in time"},
    {"all the time", FIXED, 1e300, OXP_VERDICT_FIXED, true, false, ""},
};

static void commands_come_out_as_written(void **state) {
    static char request[200000]; /* more than a pipe holds */
    (void)state;
    memset(request, ' ', sizeof request);
    memcpy(request, "\"asked\"\n", 8);
    for (size_t i = 0; i < COUNT_OF(runs); i++) {
        struct oxp_debug_answer answer;
        bool timed_out = !runs[i].timed_out;
        double began = seconds();
        bool good = run(runs[i].script, oxp_view_of(request, sizeof request), runs[i].timeout_s, &answer, &timed_out);
        if (good != runs[i].good || timed_out != runs[i].timed_out || answer.verdict != runs[i].verdict ||
            strcmp(answer.report, runs[i].report) != 0 || seconds() - began > 45) {
            fail_msg("%s: %d %d %d %s after %g s", runs[i].name, good, timed_out, answer.verdict, answer.report,
                     seconds() - began);
        }
        assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* nobody is left, not even a dead one */
    }
}

static void what_cannot_be_run_is_said(void **state) {
    const char *const argv[] = {"/nowhere/debugger", NULL};
    struct oxp_debug_answer answer;
    bool timed_out = true;
    (void)state;
    assert_false(oxp_debugger_run(argv, V("{}"), 60, &answer, &timed_out));
    assert_false(timed_out);
    assert_int_equal(answer.verdict, OXP_VERDICT_ERROR);
    assert_string_equal(answer.report, "the debugger command cannot be run: No such file or directory");
}

/* The command's children hold the write end of this pipe; it ends when the last of them is gone. */
static void the_whole_group_is_killed(void **state) {
    struct oxp_debug_answer answer;
    bool timed_out = false;
    int ends[2];
    char script[128], byte;
    (void)state;
    assert_int_equal(pipe(ends), 0); /* inherited */
    snprintf(script, sizeof script, "sleep 60 & sleep 60 & sleep 60; wait");
    assert_false(run(script, V("{}"), 0.15, &answer, &timed_out));
    assert_true(timed_out);
    close(ends[1]);
    double began = seconds();
    assert_int_equal(read(ends[0], &byte, 1), 0);
    assert_true(seconds() - began < 30);
    close(ends[0]);
}

static void on_signal(int number) {
    (void)number;
}

static void dispositions_are_left_alone(void **state) {
    static const struct {
        const char *name;
        void (*chld)(int), (*pipe)(int);
    } rows[] = {
        {"default", SIG_DFL, SIG_DFL},
        {"ignored: the status of children is gone", SIG_IGN, SIG_IGN},
        {"handlers", on_signal, on_signal},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        static char request[200000];
        struct oxp_debug_answer answer;
        bool timed_out = false;
        sigset_t waiting;
        signal(SIGCHLD, rows[i].chld);
        signal(SIGPIPE, rows[i].pipe);
        memset(request, 'x', sizeof request);
        bool good = run("exec 0<&-; " FIXED, oxp_view_of(request, sizeof request), 60, &answer, &timed_out);
        bool late = run("sleep 60", V(""), 0.05, &answer, &timed_out);
        sigpending(&waiting);
        void (*chld)(int) = signal(SIGCHLD, SIG_DFL), (*broken)(int) = signal(SIGPIPE, SIG_DFL);
        if (!good || late || !timed_out || chld != rows[i].chld || broken != rows[i].pipe ||
            sigismember(&waiting, SIGPIPE) != 0) {
            fail_msg("%s: %d %d %d", rows[i].name, good, late, timed_out);
        }
    }
}

/* The command sees signals as a fresh program does, whatever the host ignores or blocks. */
static void the_command_gets_its_signals(void **state) {
    struct oxp_debug_answer answer;
    bool timed_out = false;
    sigset_t term, before;
    (void)state;
    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &term, &before);
    signal(SIGPIPE, SIG_IGN);
    assert_false(run("kill -TERM $$; " FIXED, V("{}"), 60, &answer, &timed_out));
    assert_string_equal(answer.report, "the debugger command failed");
    assert_false(run("kill -PIPE $$; " FIXED, V("{}"), 60, &answer, &timed_out));
    assert_string_equal(answer.report, "the debugger command failed");
    signal(SIGPIPE, SIG_DFL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* A host without standard input and output: the pipes' ends must not be put over each other. */
static void a_host_with_closed_descriptors(void **state) {
    int status = 0;
    (void)state;
    pid_t child = fork();
    if (child == 0) {
        struct oxp_debug_answer answer;
        bool timed_out = false;
        close(0);
        close(1);
        bool good = run("read line; echo \"{\\\"verdict\\\":\\\"fixed\\\",\\\"fix\\\":$line}\"", V("\"told\"\n"), 60,
                        &answer, &timed_out);
        _exit(good && strcmp(answer.fix, "told") == 0 ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void run_once(void *ctx) {
    struct oxp_debug_answer answer;
    bool timed_out = false;
    (void)ctx;
    (void)run(FIXED, V("{}"), 60, &answer, &timed_out);
}

static void every_allocation_may_fail(void **state) {
    (void)state;
    assert_true(alloc_fail_each(run_once, NULL) >= 1);
}

static void *run_twice(void *arg) {
    for (int i = 0; i < 2; i++) {
        struct oxp_debug_answer answer;
        bool timed_out = false;
        if (!run(FIXED, V("{}"), 60, &answer, &timed_out)) {
            return arg;
        }
    }
    return NULL;
}

static void from_several_threads(void **state) {
    pthread_t threads[4];
    (void)state;
    for (size_t i = 0; i < COUNT_OF(threads); i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, run_twice, threads), 0);
    }
    for (size_t i = 0; i < COUNT_OF(threads); i++) {
        void *result = NULL;
        pthread_join(threads[i], &result);
        assert_null(result);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_are_read),
        cmocka_unit_test(long_texts_are_cut_at_a_character),
        cmocka_unit_test(commands_come_out_as_written),
        cmocka_unit_test(what_cannot_be_run_is_said),
        cmocka_unit_test(the_whole_group_is_killed),
        cmocka_unit_test(dispositions_are_left_alone),
        cmocka_unit_test(the_command_gets_its_signals),
        cmocka_unit_test(a_host_with_closed_descriptors),
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(from_several_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
