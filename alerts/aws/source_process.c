/* credential_process: a command that prints keys as JSON. Run without a shell, in a process group of its own, with
 * nothing to read and nowhere to complain, and killed with all it started when it takes too long. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "alerts/aws/parts.h"
#include "alerts/aws/source.h"

enum { WORDS_MAX = 64, TIMEOUT_MS = 10000, LOOK_MS = 200 /* whether the world gives up */, OUTPUT_MAX = 64 << 10 };

/* ---- The command line ---- */

/* POSIX shell quoting: '…' as it stands, "…" with \" and \\, \x outside. False when a quote is not closed, there are
 * too many words, or none. `text` is overwritten with the words. */
static bool split_words(char *text, char *words[WORDS_MAX + 1]) {
    size_t count = 0;
    char *in = text, *out = text, quote = '\0';
    while (*in != '\0') {
        while (*in == ' ' || *in == '\t') {
            in++;
        }
        if (*in == '\0') {
            break;
        }
        if (count == WORDS_MAX) {
            return false;
        }
        words[count++] = out;
        for (; *in != '\0' && (quote != '\0' || (*in != ' ' && *in != '\t')); in++) {
            bool escapes =
                *in == '\\' && quote != '\'' && in[1] != '\0' && (quote == '\0' || in[1] == '"' || in[1] == '\\');
            if (escapes) {
                *out++ = *++in;
            } else if (quote == '\0' && (*in == '"' || *in == '\'')) {
                quote = *in;
            } else if (quote != '\0' && *in == quote) {
                quote = '\0';
            } else {
                *out++ = *in;
            }
        }
        bool more = *in != '\0';
        *out++ = '\0'; /* never past `in`: a word is at least its blank behind it */
        in += more;
        if (!more) {
            break;
        }
    }
    words[count] = NULL;
    return quote == '\0' && count > 0;
}

/* ---- The process ---- */

static int64_t mono_ms(void) {
    return oxp_clock_mono(oxp_clock_system()).ns / OXP_NS_PER_MS;
}

static int spawn(char *const words[], int output, pid_t *pid_out) {
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    if (posix_spawn_file_actions_init(&files) != 0) {
        return ENOMEM;
    }
    if (posix_spawnattr_init(&attributes) != 0) {
        posix_spawn_file_actions_destroy(&files);
        return ENOMEM;
    }
    int failed = posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
    failed = failed != 0 ? failed : posix_spawn_file_actions_adddup2(&files, output, 1);
    failed = failed != 0 ? failed : posix_spawn_file_actions_addopen(&files, 2, "/dev/null", O_WRONLY, 0);
    /* our threads block signals; what we start should not */
    failed = failed != 0 ? failed : posix_spawnattr_setsigmask(&attributes, &none);
    failed = failed != 0 ? failed : posix_spawnattr_setsigdefault(&attributes, &all);
    failed = failed != 0 ? failed : posix_spawnattr_setpgroup(&attributes, 0);
    failed = failed != 0 ? failed
                         : posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
                                                                     POSIX_SPAWN_SETPGROUP);
    failed = failed != 0 ? failed : posix_spawnp(pid_out, words[0], &files, &attributes, words, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&files);
    return failed;
}

/* All that it prints until it closes its output. */
static enum oxp_status read_output(const struct oxp_aws_world *world, int fd, int64_t deadline_ms,
                                   struct oxp_buf *out) {
    for (;;) {
        int64_t left = deadline_ms - mono_ms();
        struct pollfd ready = {.fd = fd, .events = POLLIN};
        if (left <= 0 || oxp_aws_given_up(world)) {
            return left <= 0 ? OXP_ERR_TIMEOUT : OXP_ERR_CLOSED;
        }
        int count = poll(&ready, 1, left < LOOK_MS ? (int)left : LOOK_MS);
        if (count == 0) {
            continue;
        }
        char *room = oxp_buf_reserve(out, 1024);
        if (room == NULL) {
            return oxp_buf_status(out);
        }
        ssize_t got = count < 0 ? -1 : read(fd, room, 1024);
        if (got == 0) {
            return OXP_OK;
        }
        if (got < 0 && errno != EINTR) {
            return OXP_ERR_IO;
        }
        oxp_buf_commit(out, got < 0 ? 0 : (size_t)got);
    }
}

/* Its exit status; killed when it does not end in time. The caller closed its output. */
static enum oxp_status reap(const struct oxp_aws_world *world, pid_t pid, bool kill_now, int64_t deadline_ms,
                            int *exit_out) {
    int state = 0;
    bool late = kill_now, given_up = false;
    for (;;) {
        if (late) {
            (void)kill(-pid, SIGKILL);
        }
        pid_t ended = waitpid(pid, &state, late ? 0 : WNOHANG);
        if (ended == pid || (ended < 0 && errno != EINTR)) {
            break;
        }
        if (ended == 0) {
            (void)poll(NULL, 0, 10);
            given_up = oxp_aws_given_up(world);
            late = given_up || mono_ms() >= deadline_ms;
        }
    }
    *exit_out = WIFEXITED(state) ? WEXITSTATUS(state) : -1;
    return !late || kill_now ? OXP_OK : given_up ? OXP_ERR_CLOSED : OXP_ERR_TIMEOUT;
}

static enum oxp_status run_words(struct oxp_aws_fetch *fetch, char *const words[], int64_t timeout_ms,
                                 struct oxp_buf *out) {
    struct oxp_error *error = fetch->error;
    int ends[2], code = 0;
    pid_t pid = 0;
    int64_t deadline_ms = mono_ms() + timeout_ms;
    if (pipe2(ends, O_CLOEXEC) != 0) {
        return oxp_error_set(error, oxp_status_from_errno(errno), 0, 0, "credential_process: %m");
    }
    int failed = spawn(words, ends[1], &pid);
    close(ends[1]);
    if (failed != 0) {
        close(ends[0]);
        errno = failed;
        return oxp_error_set(error, OXP_ERR_IO, 0, 0, "credential_process: cannot run %.80s: %m", words[0]);
    }
    enum oxp_status status = read_output(fetch->world, ends[0], deadline_ms, out);
    close(ends[0]);
    enum oxp_status ended = reap(fetch->world, pid, status != OXP_OK, deadline_ms, &code);
    status = status != OXP_OK ? status : ended;
    if (status == OXP_ERR_TIMEOUT) {
        return oxp_error_set(error, status, 0, 0, "credential_process: %.80s took longer than %lld ms", words[0],
                             (long long)timeout_ms);
    }
    if (status != OXP_OK) {
        return oxp_error_set(error, status, 0, 0, "credential_process: %.80s: %s", words[0], oxp_status_text(status));
    }
    return code == 0 ? OXP_OK
                     : oxp_error_set(error, OXP_ERR_IO, 0, 0, "credential_process: %.80s failed with status %d",
                                     words[0], code);
}

enum oxp_status oxp_aws_process_run(struct oxp_aws_fetch *fetch, struct oxp_view command, int64_t timeout_ms,
                                    struct oxp_buf *out) {
    struct oxp_buf copy;
    char *words[WORDS_MAX + 1];
    enum oxp_status status = OXP_OK;
    oxp_buf_init(&copy, 0);
    oxp_buf_append_view(&copy, command);
    oxp_buf_append_char(&copy, '\0');
    if (oxp_buf_status(&copy) != OXP_OK) {
        status = oxp_buf_status(&copy);
    } else if (!split_words(copy.data, words)) {
        status = oxp_error_set(fetch->error, OXP_ERR_SYNTAX, 0, 0,
                               "credential_process: the command's quotes are not closed");
    } else {
        status = run_words(fetch, words, timeout_ms, out);
    }
    oxp_buf_fini(&copy);
    return status;
}

enum oxp_status oxp_aws_from_process(struct oxp_aws_fetch *fetch, struct oxp_view command,
                                     struct oxp_aws_found *found_out) {
    struct oxp_buf out;
    struct oxp_json *json = NULL;
    oxp_buf_init(&out, OUTPUT_MAX);
    enum oxp_status status = oxp_aws_process_run(fetch, command, TIMEOUT_MS, &out);
    if (status == OXP_OK) {
        status = oxp_json_read(oxp_buf_view(&out), &json, NULL);
        if (status == OXP_ERR_SYNTAX) {
            status = oxp_error_set(fetch->error, OXP_ERR_INVALID, 0, 0, "credential_process: it did not print JSON");
        }
    }
    double version = oxp_json_number_of(oxp_json_get(json, "Version"));
    if (status == OXP_OK && !(version == 1.0)) {
        status = oxp_error_set(fetch->error, OXP_ERR_UNSUPPORTED, 0, 0,
                               "credential_process: its answer is not of Version 1");
    }
    if (status == OXP_OK) {
        status = oxp_aws_keys_from_json(fetch, json, "SessionToken", "credential_process", found_out);
    }
    oxp_json_free(json);
    if (out.data != NULL) {
        explicit_bzero(out.data, out.size);
    }
    oxp_buf_fini(&out);
    return status;
}
