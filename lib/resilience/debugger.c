#include "lib/resilience/debugger.h"

#include "lib/base/clock.h"
#include "lib/base/cursor.h"
#include "lib/base/pipe.h"
#include "lib/base/utf8.h"
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ANSWER_MAX = 64 * 1024 };

static bool fail(struct oxp_debug_answer *answer, const char *why) {
    memset(answer, 0, sizeof *answer);
    answer->verdict = OXP_VERDICT_ERROR;
    snprintf(answer->report, sizeof answer->report, "%s", why);
    return false;
}

/* ---- The answer ---- */

static void skip_blanks(struct oxp_cursor *cursor) {
    while (oxp_cursor_peek(cursor) == ' ' || oxp_cursor_peek(cursor) == '\n' || oxp_cursor_peek(cursor) == '\t' ||
           oxp_cursor_peek(cursor) == '\r') {
        (void)oxp_cursor_next(cursor);
    }
}

static int hex_digit(int c) {
    return c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
}

static bool read_hex4(struct oxp_cursor *cursor, uint32_t *value_out) {
    *value_out = 0;
    for (int i = 0; i < 4; i++) {
        int digit = hex_digit(oxp_cursor_next(cursor));
        if (digit < 0) {
            return false;
        }
        *value_out = *value_out << 4 | (uint32_t)digit;
    }
    return true;
}

/* One escape (RFC 8259 section 7), behind its backslash. Half of a pair that stands alone becomes U+FFFD. */
static bool read_escape(struct oxp_cursor *cursor, char out[4], size_t *len_out) {
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    int c = oxp_cursor_next(cursor);
    uint32_t code = 0, low = 0;
    if (c != 'u') {
        const char *at = c <= 0 ? NULL : strchr(from, c);
        *len_out = 1;
        out[0] = (char)(at == NULL ? '\0' : to[at - from]);
        return at != NULL;
    }
    if (!read_hex4(cursor, &code)) {
        return false;
    }
    if (code >= 0xd800 && code <= 0xdbff && oxp_cursor_take(cursor, OXP_VIEW("\\u")) && read_hex4(cursor, &low) &&
        low >= 0xdc00 && low <= 0xdfff) {
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    } else if (code >= 0xd800 && code <= 0xdfff) {
        code = 0xfffd;
    }
    *len_out = oxp_utf8_encode(code, out);
    return true;
}

/* A string, cut to `size` - 1 bytes at a character and NUL-terminated. */
static bool read_string(struct oxp_cursor *cursor, char *out, size_t size) {
    size_t len = 0;
    bool full = false;
    if (!oxp_cursor_take_char(cursor, '"')) {
        return false;
    }
    for (;;) {
        char bytes[4];
        size_t count = 1;
        int c = oxp_cursor_next(cursor);
        if (c < 0x20) {
            return false;
        }
        if (c == '"') {
            break;
        }
        bytes[0] = (char)c;
        if (c == '\\' && !read_escape(cursor, bytes, &count)) {
            return false;
        }
        full = full || len + count >= size;
        if (!full) {
            memcpy(out + len, bytes, count);
            len += count;
        }
    }
    len = oxp_utf8_valid_prefix(oxp_view_of(out, len));
    out[len] = '\0';
    return true;
}

/* Any other value, without looking into it: to the comma or brace that ends the member. */
static bool skip_value(struct oxp_cursor *cursor) {
    unsigned depth = 0;
    for (;;) {
        int c = oxp_cursor_peek(cursor);
        char nowhere[2];
        if (c < 0) {
            return false;
        }
        if (c == '"') {
            if (!read_string(cursor, nowhere, sizeof nowhere)) {
                return false;
            }
            continue;
        }
        if (depth == 0 && (c == ',' || c == '}')) {
            return true;
        }
        depth += c == '{' || c == '[';
        if ((c == '}' || c == ']') && depth-- == 0) {
            return false;
        }
        (void)oxp_cursor_next(cursor);
    }
}

static bool read_verdict(const char *text, enum oxp_verdict *verdict_out) {
    static const char *const names[] = {"fixed", "suggested", "no_fix", "error"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(text, names[i]) == 0) {
            *verdict_out = (enum oxp_verdict)i;
            return true;
        }
    }
    return false;
}

static bool read_member(struct oxp_cursor *cursor, struct oxp_debug_answer *answer, bool *has_verdict) {
    char key[32] = "", verdict[16] = "";
    skip_blanks(cursor);
    if (!read_string(cursor, key, sizeof key)) {
        return false;
    }
    skip_blanks(cursor);
    if (!oxp_cursor_take_char(cursor, ':')) {
        return false;
    }
    skip_blanks(cursor);
    if (strcmp(key, "verdict") == 0) {
        *has_verdict = read_string(cursor, verdict, sizeof verdict) && read_verdict(verdict, &answer->verdict);
        return *has_verdict;
    }
    if (strcmp(key, "fix") == 0 && oxp_cursor_peek(cursor) == '"') {
        return read_string(cursor, answer->fix, sizeof answer->fix);
    }
    if (strcmp(key, "report") == 0 && oxp_cursor_peek(cursor) == '"') {
        return read_string(cursor, answer->report, sizeof answer->report);
    }
    return skip_value(cursor);
}

bool oxp_debugger_read(struct oxp_view text, struct oxp_debug_answer *answer_out) {
    struct oxp_cursor cursor = oxp_cursor_over(text);
    bool has_verdict = false;
    memset(answer_out, 0, sizeof *answer_out);
    skip_blanks(&cursor);
    if (!oxp_cursor_take_char(&cursor, '{')) {
        return false;
    }
    do {
        if (!read_member(&cursor, answer_out, &has_verdict)) {
            return false;
        }
        skip_blanks(&cursor);
    } while (oxp_cursor_take_char(&cursor, ','));
    if (!oxp_cursor_take_char(&cursor, '}')) {
        return false;
    }
    skip_blanks(&cursor);
    return has_verdict && oxp_cursor_at_end(&cursor);
}

/* ---- The command ---- */

static int64_t now_ms(void) {
    return oxp_clock_mono(oxp_clock_system()).ns / OXP_NS_PER_MS;
}

/* Its own process group, so that all of it can be killed; signals as a fresh program expects them. */
static int spawn(pid_t *pid, const char *const *argv, const int in[2], const int out[2]) {
    static const int fresh[] = {SIGPIPE, SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGALRM, SIGUSR1, SIGUSR2};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, defaults;
    sigemptyset(&none);
    sigemptyset(&defaults);
    for (size_t i = 0; i < sizeof fresh / sizeof *fresh; i++) {
        sigaddset(&defaults, fresh[i]);
    }
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    posix_spawn_file_actions_adddup2(&actions, in[0], 0);
    posix_spawn_file_actions_adddup2(&actions, out[1], 1);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &defaults);
    int error = posix_spawnp(pid, argv[0], &actions, &attributes, (char *const *)(uintptr_t)argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    return error;
}

struct talk {
    int to, from; /* -1 = closed */
    struct oxp_view left;
    char *answer;
    size_t len;
};

static void close_end(int *fd) {
    if (*fd >= 0) {
        close(*fd);
    }
    *fd = -1;
}

/* One round of whatever is ready; false when there is nothing more to come, or no time. */
static bool talk_once(struct talk *talk, int64_t until_ms) {
    struct pollfd fds[2] = {{.fd = talk->from, .events = POLLIN}, {.fd = talk->to, .events = POLLOUT}};
    int64_t left_ms = until_ms - now_ms();
    int ready = left_ms <= 0 ? 0 : poll(fds, 2, (int)(left_ms < 3600000 ? left_ms : 3600000));
    if (ready < 0 && errno == EINTR) {
        return true;
    }
    if (ready <= 0) {
        return false;
    }
    if (fds[1].revents != 0) {
        ssize_t written = oxp_pipe_write(talk->to, talk->left);
        if (written > 0) {
            talk->left = oxp_view_of(talk->left.ptr + written, talk->left.len - (size_t)written);
        }
        if (talk->left.len == 0 || (written < 0 && errno != EAGAIN && errno != EINTR)) {
            close_end(&talk->to); /* it need not read what it was told */
        }
    }
    if (fds[0].revents != 0) {
        ssize_t got = read(talk->from, talk->answer + talk->len, ANSWER_MAX - talk->len);
        if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) {
            close_end(&talk->from);
            return false;
        }
        talk->len += got > 0 ? (size_t)got : 0;
    }
    return talk->len < ANSWER_MAX;
}

/* Waits for its end; a command that closed its output but stays is given what is left of its time. Where the host
 * ignores SIGCHLD, or has a handler that waits for everything, the status is gone (ECHILD): then what the command said
 * stands for itself. */
static bool wait_for(pid_t pid, int64_t until_ms, int *status_out) {
    for (;;) {
        pid_t ended = waitpid(pid, status_out, WNOHANG);
        if (ended == pid) {
            return true;
        }
        if (ended < 0 && errno == ECHILD) {
            *status_out = 0;
            return true;
        }
        if ((ended < 0 && errno != EINTR) || now_ms() >= until_ms) {
            return false;
        }
        poll(NULL, 0, 5);
    }
}

static void kill_group(pid_t pid) {
    int status = 0;
    kill(-pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
}

/* A host that closed its standard descriptors would get the pipe's ends in their place, where the child's are put over
 * each other. */
static bool lift(int *fd) {
    if (*fd > 2) {
        return true;
    }
    int higher = fcntl(*fd, F_DUPFD_CLOEXEC, 3);
    close_end(fd);
    *fd = higher;
    return higher >= 0;
}

static bool make_pipes(int in[2], int out[2]) {
    in[0] = in[1] = out[0] = out[1] = -1;
    if (pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0 || !lift(&in[0]) || !lift(&in[1]) || !lift(&out[0]) ||
        !lift(&out[1])) {
        close_end(&in[0]);
        close_end(&in[1]);
        close_end(&out[0]);
        close_end(&out[1]);
        return false;
    }
    fcntl(in[1], F_SETFL, O_NONBLOCK);
    fcntl(out[0], F_SETFL, O_NONBLOCK);
    return true;
}

static const char failed[] = "the debugger command failed", late[] = "the debugger command was not done in time",
                  unreadable[] = "the debugger command gave no answer that can be read";

/* Talks to the running command; fills `answer_out` as oxp_debugger_run does. */
static bool listen_to(pid_t pid, struct talk *talk, int64_t until_ms, struct oxp_debug_answer *answer_out,
                      bool *timed_out) {
    int status = 0;
    while (talk_once(talk, until_ms)) {
    }
    bool all_said = talk->from < 0;
    close_end(&talk->to);
    close_end(&talk->from);
    if (!all_said || !wait_for(pid, until_ms, &status)) {
        *timed_out = talk->len < ANSWER_MAX;
        kill_group(pid);
        return fail(answer_out, *timed_out ? late : unreadable);
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        return fail(answer_out, failed);
    }
    return oxp_debugger_read(oxp_view_of(talk->answer, talk->len), answer_out) || fail(answer_out, unreadable);
}

bool oxp_debugger_run(const char *const *argv, struct oxp_view request, double timeout_s,
                      struct oxp_debug_answer *answer_out, bool *timed_out) {
    int in[2], out[2];
    pid_t pid = -1;
    *timed_out = false;
    char *answer = malloc(ANSWER_MAX); /* too much for the stack of somebody else's thread */
    if (answer == NULL || !make_pipes(in, out)) {
        free(answer);
        return fail(answer_out, "no memory or no pipe for the debugger command");
    }
    int64_t until_ms = now_ms() + (int64_t)(fmin(timeout_s, 1e9) * 1e3);
    int error = spawn(&pid, argv, in, out);
    close_end(&in[0]);
    close_end(&out[1]);
    struct talk talk = {.to = in[1], .from = out[0], .left = request, .answer = answer};
    bool answered = false;
    if (error == 0) {
        answered = listen_to(pid, &talk, until_ms, answer_out, timed_out);
    } else {
        close_end(&talk.to);
        close_end(&talk.from);
        (void)fail(answer_out, "");
        errno = error;
        snprintf(answer_out->report, sizeof answer_out->report, "the debugger command cannot be run: %m");
    }
    free(answer);
    return answered;
}
