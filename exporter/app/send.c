/* oxpecker send TYPE key=value…: one event from a shell script. oxpecker send -: one a line from standard input.
 *
 * The type of each value comes from the field table, never from its looks. The event is read back by the sidecar's own
 * parser and applied to an empty ledger first, so that what the sidecar would refuse is refused here, with the reason
 * and exit status 1. Then it is written to the socket, our side is shut down, and the end of the stream tells that the
 * sidecar has applied it. */
#include "exporter/app/app.h"
#include "exporter/app/event_text.h"
#include "exporter/app/words.h"
#include "exporter/config/config.h"
#include "exporter/ledger/ledger.h"
#include "exporter/parse/parse.h"
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define APPLY_TIMEOUT_MS 10000
#define WORDS_MAX 256 /* of one line of standard input; more than an event may have */

static int complain(const char *path, const char *what) {
    int number = errno;
    fprintf(stderr, "oxpecker send: %s: %s", path, what);
    errno = number;
    fprintf(stderr, ": %m\n");
    return -1;
}

static int connect_to(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t length = strlen(path);
    if (length == 0 || length >= sizeof address.sun_path) {
        fprintf(stderr, "oxpecker send: the socket path \"%s\" is %s\n", path, length == 0 ? "empty" : "too long");
        return -1;
    }
    memcpy(address.sun_path, path, length);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return complain(path, "cannot make a socket");
    }
    if (connect(fd, (const struct sockaddr *)&address, sizeof address) != 0) {
        complain(path, "cannot reach the sidecar");
        close(fd);
        return -1;
    }
    return fd;
}

static bool write_line(int fd, struct oxp_view line) {
    while (line.len > 0) {
        ssize_t n = send(fd, line.ptr, line.len, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return false;
        }
        line = oxp_view_of(line.ptr + n, line.len - (size_t)n);
    }
    return true;
}

/* Writes the line, ends our side, and waits for the sidecar to end its own. */
static int deliver(int fd, const char *path, struct oxp_view line) {
    if (!write_line(fd, line)) {
        return complain(path, "cannot write");
    }
    shutdown(fd, SHUT_WR);
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    int ready;
    do {
        ready = poll(&wait, 1, APPLY_TIMEOUT_MS);
    } while (ready < 0 && errno == EINTR);
    if (ready == 0) {
        fprintf(stderr, "oxpecker send: %s: the sidecar did not say within %d s that it has applied the event\n", path,
                APPLY_TIMEOUT_MS / 1000);
        return -1;
    }
    char byte;
    ssize_t n = recv(fd, &byte, 1, 0);
    if (n != 0) {
        return n < 0 ? complain(path, "the sidecar closed the connection before it applied the event") : 0;
    }
    return 0;
}

/* What the ledger of a sidecar would say to this event. */
static enum oxp_status rehearse(struct oxp_view line, char *reason, size_t size) {
    struct oxp_refusal refusal = {0};
    struct oxp_registry *registry = NULL;
    struct oxp_ledger *ledger = NULL;
    struct oxp_ledger_options options = {.clock = oxp_clock_system()};
    struct oxp_event *event = malloc(sizeof *event);
    enum oxp_status status = event == NULL ? OXP_ERR_NOMEM : oxp_parse_event(line, event, &refusal);
    if (status == OXP_OK) {
        status = oxp_registry_new(&(struct oxp_registry_options){0}, &registry);
    }
    if (status == OXP_OK) {
        status = oxp_ledger_new(&options, registry, &ledger);
    }
    if (status == OXP_OK) {
        status = oxp_ledger_apply(ledger, event, 0, &refusal.reason, &refusal.error);
        snprintf(reason, size, "%s: %s", oxp_reject_name(refusal.reason), refusal.error.text);
    } else if (event == NULL || refusal.error.text[0] == '\0') {
        snprintf(reason, size, "%s", oxp_status_text(status));
    } else {
        snprintf(reason, size, "%s: %s", oxp_reject_name(refusal.reason), refusal.error.text);
    }
    oxp_ledger_free(ledger);
    oxp_registry_free(registry);
    free(event);
    return status;
}

static int send_event(const char *path, int argc, char **argv) {
    struct oxp_buf line;
    struct oxp_error error = {0};
    char reason[512];
    int status = 1, fd = -1;
    oxp_buf_init(&line, OXP_EVENT_LINE_MAX + 1);
    double now = oxp_wall_seconds(oxp_clock_wall(oxp_clock_system()));
    if (oxp_event_text_build(argc, argv, now, &line, &error) != OXP_OK) {
        fprintf(stderr, "oxpecker send: %s\n", error.text);
        goto out;
    }
    if (rehearse(oxp_buf_view(&line), reason, sizeof reason) < 0) {
        fprintf(stderr, "oxpecker send: %s\n", reason);
        goto out;
    }
    oxp_buf_append_char(&line, '\n');
    fd = connect_to(path);
    if (fd >= 0 && deliver(fd, path, oxp_buf_view(&line)) == 0) {
        status = 0;
    }
out:
    if (fd >= 0) {
        close(fd);
    }
    oxp_buf_fini(&line);
    return status;
}

/* ---- oxpecker send - ---- */

/* One connection that stays open: what announces itself on it (orchestrator.started) owns what it opens. When the
 * sidecar goes away the next line connects again, and says the announcement again first. */
struct voice {
    const char *path;
    int fd; /* -1 = not connected */
    struct oxp_buf announcement;
    struct oxp_event event; /* to check lines with */
    unsigned refused;
    unsigned lost; /* lines that were good and reached nobody */
};

static void say(struct voice *voice, struct oxp_view line) {
    for (int attempt = 0; attempt < 2; attempt++) {
        if (voice->fd < 0) {
            voice->fd = connect_to(voice->path);
            if (voice->fd < 0) {
                break;
            }
            if (voice->event.type != OXP_EVENT_ORCHESTRATOR_STARTED) {
                (void)write_line(voice->fd, oxp_buf_view(&voice->announcement));
            }
        }
        if (write_line(voice->fd, line)) {
            return;
        }
        close(voice->fd);
        voice->fd = -1;
    }
    voice->lost++;
}

/* "TYPE key=value key=value", or a JSON object as it is, into one line of JSON. Words are parted by blanks; a value
 * with blanks needs the JSON form. */
static enum oxp_status line_from(char *text, struct oxp_buf *line, struct oxp_error *error) {
    char *words[WORDS_MAX];
    int count = 0;
    if (text[0] == '{') {
        oxp_buf_append_text(line, text);
        enum oxp_status status = oxp_buf_status(line);
        return status == OXP_ERR_LIMIT ? oxp_error_set(error, status, 0, 0, "the event is longer than 8 KiB")
                                       : oxp_error_set(error, status, 0, 0, "%s", oxp_status_text(status));
    }
    char *rest = text;
    for (char *word; (word = strsep(&rest, " \t")) != NULL && count < WORDS_MAX;) {
        if (word[0] != '\0') {
            words[count++] = word;
        }
    }
    double now = oxp_wall_seconds(oxp_clock_wall(oxp_clock_system()));
    return count == 0 ? OXP_END : oxp_event_text_build(count, words, now, line, error);
}

static void take_line(struct voice *voice, char *text, size_t len, unsigned long number) {
    struct oxp_buf line;
    struct oxp_refusal refusal = {0};
    oxp_buf_init(&line, OXP_EVENT_LINE_MAX + 1);
    enum oxp_status status = memchr(text, '\0', len) == NULL
                                 ? line_from(text, &line, &refusal.error)
                                 : oxp_error_set(&refusal.error, OXP_ERR_SYNTAX, 0, 0, "a NUL stands in the line");
    if (status == OXP_OK) {
        status = oxp_parse_event(oxp_buf_view(&line), &voice->event, &refusal);
    }
    if (status < 0) {
        fprintf(stderr, "oxpecker send: line %lu: %s\n", number, refusal.error.text);
        voice->refused++;
    } else if (status == OXP_OK) {
        oxp_buf_append_char(&line, '\n');
        say(voice, oxp_buf_view(&line));
        if (voice->event.type == OXP_EVENT_ORCHESTRATOR_STARTED) {
            oxp_buf_clear(&voice->announcement);
            oxp_buf_append_view(&voice->announcement, oxp_buf_view(&line));
        }
    }
    oxp_buf_fini(&line);
}

static int send_stream(const char *path) {
    struct voice *voice = calloc(1, sizeof *voice);
    char *text = NULL;
    size_t size = 0;
    ssize_t len;
    if (voice == NULL) {
        fputs("oxpecker send: out of memory\n", stderr);
        return 1;
    }
    voice->path = path;
    voice->fd = -1;
    oxp_buf_init(&voice->announcement, OXP_EVENT_LINE_MAX + 1);
    for (unsigned long number = 1; (len = getline(&text, &size, stdin)) >= 0; number++) {
        while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == '\r')) {
            text[--len] = '\0';
        }
        take_line(voice, text, (size_t)len, number);
    }
    free(text);
    int status = voice->refused > 0 || voice->lost > 0;
    if (voice->fd >= 0) {
        status |= deliver(voice->fd, path, oxp_view_of(NULL, 0)) != 0;
        close(voice->fd);
    }
    oxp_buf_fini(&voice->announcement);
    free(voice);
    return status;
}

int oxp_command_send(int argc, char **argv) {
    int flags = 0; /* they stand before TYPE */
    while (flags < argc && strncmp(argv[flags], "--", 2) == 0) {
        flags += oxp_words_flag_is_whole(argv[flags]) ? 1 : 2;
    }
    if (flags >= argc) {
        fputs("usage: oxpecker send [--events.listen-unix=PATH] [--config.file=FILE] TYPE key=value…\n"
              "       oxpecker send [flags] - < LINES    (each line: TYPE key=value…, or a JSON object)\n"
              "for example: oxpecker send session.started session=a region=us-east-1\n",
              stderr);
        return 1;
    }
    struct oxp_config config;
    struct oxp_error error = {0};
    struct oxp_config_source source = {.argc = flags, .argv = argv, .environment = environ};
    if (oxp_config_load(&source, &config, &error) != OXP_OK) {
        fprintf(stderr, "oxpecker send: %s\n", error.text);
        return 1;
    }
    const char *path = oxp_config_text(&config, OXP_OPT_EVENTS_LISTEN_UNIX);
    int status = strcmp(argv[flags], "-") == 0 ? send_stream(path) : send_event(path, argc - flags, argv + flags);
    oxp_config_fini(&config);
    return status;
}
