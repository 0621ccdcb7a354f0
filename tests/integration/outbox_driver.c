/* An outbox that does what it is told on standard input, and is killed at a named point
 * (tests/integration/test_outbox.py).
 *
 *     outbox_driver DIRECTORY RECEIVED [POINT NTH]
 *
 * RECEIVED is the receiver: what is sent is appended to it, an id a line. At the NTH time that POINT is reached, the
 * process kills itself with SIGKILL. Commands, a line each, and what they print:
 *
 *     put ID BYTES GROUP    "begin ID", then "accepted ID" or "failed ID STATUS: reason"; GROUP - is none
 *     turn                  claims one, sends it, tells what became of it: "sent ID", "aside ID" (ids with "bad"),
 *                           "again ID" (the first try of ids with "slow"), "idle", or "failed turn STATUS"
 *     sweep HOURS           sweeps as if so many hours later; "failed sweep STATUS" or nothing
 *     list                  "row STATE ID" of each
 *     ledger                "ledger ID": the id that was put with the last commit, "-" for none
 *     retry                 "retried N"
 *     measure COUNT BYTES   "measured PUTS_PER_SECOND TURNS_PER_SECOND BYTES_OF_FILE WAITING"
 *
 * What a bound drops is told as "superseded ID", "full ID", "expired ID". Prints "open AS_IT_WAS|NEW|FRESH" first;
 * exits with 3 and "failed open STATUS: reason" when it cannot open. */
#include "alerts/outbox/outbox.h"

#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/clock.h"

struct driver {
    struct oxp_outbox *outbox;
    struct oxp_arena arena;
    const char *directory;
    int received;
    const char *point;
    unsigned left; /* times that the point is still passed */
    char *filler;
};

#define FILLER_BYTES (1u << 20)

/* A whole line at once: what was said before a kill has been said. */
static void __attribute__((format(printf, 1, 2))) say(const char *format, ...) {
    char line[1024];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(line, sizeof line - 1, format, args);
    va_end(args);
    len = len < (int)sizeof line - 1 ? len : (int)sizeof line - 2;
    line[len++] = '\n';
    if (write(STDOUT_FILENO, line, (size_t)len) != len) {
        _exit(2);
    }
}

static int64_t now_ms(void) {
    return oxp_clock_wall(oxp_clock_system()).ns / OXP_NS_PER_MS;
}

static void at_point(void *ctx, const char *name) {
    struct driver *driver = ctx;
    if (driver->point != NULL && strcmp(driver->point, name) == 0 && --driver->left == 0) {
        raise(SIGKILL);
    }
}

static void on_drop(void *ctx, const struct oxp_outbox_message *message, enum oxp_outbox_drop drop) {
    (void)ctx;
    say("%s %.*s", oxp_outbox_drop_name(drop), (int)message->summary.len, message->summary.ptr);
}

static enum oxp_status put(struct driver *driver, const char *id, size_t bytes, const char *group,
                           struct oxp_error *error) {
    struct oxp_outbox_message message = {.receiver = OXP_VIEW("q"),
                                         .integration = OXP_VIEW("webhook"),
                                         .group = oxp_view_from(strcmp(group, "-") == 0 ? "" : group),
                                         .priority = OXP_OUTBOX_WARNING,
                                         .summary = oxp_view_from(id),
                                         .content =
                                             oxp_view_of(driver->filler, bytes < FILLER_BYTES ? bytes : FILLER_BYTES)};
    struct oxp_outbox_value value = {OXP_VIEW("last"), oxp_view_from(id)};
    struct oxp_outbox_write write = {.messages = &message, .message_count = 1, .values = &value, .value_count = 1};
    return oxp_outbox_put(driver->outbox, &write, now_ms(), error);
}

static void command_put(struct driver *driver, const char *id, const char *bytes, const char *group) {
    struct oxp_error error = {0};
    say("begin %s", id);
    enum oxp_status status = put(driver, id, strtoul(bytes, NULL, 10), group, &error);
    if (status == OXP_OK) {
        say("accepted %s", id);
    } else {
        say("failed %s %s: %s", id, oxp_status_name(status), error.text);
    }
}

/* The receiver keeps its own ledger, whatever becomes of us. */
static void receive(struct driver *driver, const char *id) {
    char line[300];
    int len = snprintf(line, sizeof line, "%s\n", id);
    if (write(driver->received, line, (size_t)len) != len) {
        _exit(2);
    }
}

static enum oxp_status turn(struct driver *driver, struct oxp_outbox_message *message, const char **became_out) {
    int64_t next_ms = 0;
    oxp_arena_clear(&driver->arena);
    enum oxp_status status =
        oxp_outbox_claim(driver->outbox, OXP_VIEW("q"), now_ms(), &driver->arena, message, &next_ms);
    if (status != OXP_OK) {
        return status;
    }
    receive(driver, message->summary.ptr);
    at_point(driver, "send");
    if (strstr(message->summary.ptr, "bad") != NULL) {
        *became_out = "aside";
        return oxp_outbox_set_aside(driver->outbox, message->id, OXP_VIEW("400 bad"), now_ms());
    }
    if (strstr(message->summary.ptr, "slow") != NULL && message->tries == 1) {
        *became_out = "again";
        return oxp_outbox_again(driver->outbox, message->id, now_ms(), OXP_VIEW("503 slow"), now_ms());
    }
    *became_out = "sent";
    return oxp_outbox_sent(driver->outbox, message->id, OXP_VIEW("200"), now_ms());
}

static void command_turn(struct driver *driver) {
    struct oxp_outbox_message message = {0};
    const char *became = NULL;
    enum oxp_status status = turn(driver, &message, &became);
    if (status == OXP_END) {
        say("idle");
    } else if (status != OXP_OK) {
        struct oxp_error error = {0};
        oxp_outbox_trouble(driver->outbox, &error);
        say("failed turn %s: %s", oxp_status_name(status), error.text);
    } else {
        say("%s %s", became, message.summary.ptr);
    }
}

static void command_list(struct driver *driver) {
    struct oxp_outbox_message *messages = NULL;
    struct oxp_outbox_filter filter = {.limit = 100000};
    size_t count = 0;
    oxp_arena_clear(&driver->arena);
    enum oxp_status status = oxp_outbox_list(driver->outbox, &filter, &driver->arena, &messages, &count);
    if (status != OXP_OK) {
        say("failed list %s", oxp_status_name(status));
    }
    while (count-- > 0) {
        say("row %s %s", oxp_outbox_state_name(messages[count].state), messages[count].summary.ptr);
    }
}

static void command_ledger(struct driver *driver) {
    struct oxp_view value = OXP_VIEW("-");
    oxp_arena_clear(&driver->arena);
    enum oxp_status status = oxp_outbox_value(driver->outbox, OXP_VIEW("last"), &driver->arena, &value);
    say("ledger %s", status == OXP_OK || status == OXP_ERR_NOT_FOUND ? value.ptr : oxp_status_name(status));
}

static double seconds(void) {
    return (double)oxp_clock_mono(oxp_clock_system()).ns / 1e9;
}

static void command_measure(struct driver *driver, size_t count, size_t bytes) {
    char path[4200];
    struct stat info = {0};
    struct oxp_outbox_message message;
    const char *became = NULL;
    double began = seconds();
    for (size_t i = 0; i < count; i++) {
        struct oxp_error error = {0};
        if (put(driver, "measured", bytes, "-", &error) != OXP_OK) {
            say("failed measure %s", error.text);
            return;
        }
    }
    double put_s = seconds() - began;
    struct oxp_outbox_stats stats = {0};
    oxp_outbox_stats(driver->outbox, &driver->arena, &stats);
    snprintf(path, sizeof path, "%s/outbox.db", driver->directory);
    stat(path, &info);
    began = seconds();
    size_t turns = 0;
    while (turns < 1000 && turn(driver, &message, &became) == OXP_OK) {
        turns++;
    }
    say("measured %.0f %.0f %" PRIu64 " %" PRIu64, (double)count / put_s, (double)turns / (seconds() - began),
        (uint64_t)info.st_size, stats.waiting);
}

static void obey(struct driver *driver, char *line) {
    char *words[4] = {"", "", "", ""}, *rest = NULL;
    int count = 0;
    for (char *word = strtok_r(line, " \n", &rest); word != NULL && count < 4; word = strtok_r(NULL, " \n", &rest)) {
        words[count++] = word;
    }
    if (strcmp(words[0], "put") == 0) {
        command_put(driver, words[1], words[2], words[3]);
    } else if (strcmp(words[0], "turn") == 0) {
        command_turn(driver);
    } else if (strcmp(words[0], "sweep") == 0) {
        enum oxp_status status = oxp_outbox_sweep(driver->outbox, now_ms() + 3600000 * strtol(words[1], NULL, 10));
        if (status != OXP_OK) {
            say("failed sweep %s", oxp_status_name(status));
        }
    } else if (strcmp(words[0], "list") == 0) {
        command_list(driver);
    } else if (strcmp(words[0], "ledger") == 0) {
        command_ledger(driver);
    } else if (strcmp(words[0], "retry") == 0) {
        size_t retried = 0;
        oxp_outbox_retry(driver->outbox, 0, OXP_VIEW("q"), now_ms(), &retried);
        say("retried %zu", retried);
    } else if (strcmp(words[0], "measure") == 0) {
        command_measure(driver, strtoul(words[1], NULL, 10), strtoul(words[2], NULL, 10));
    } else {
        say("failed command %s", words[0]);
    }
}

int main(int argc, char **argv) {
    if (argc < 3) {
        fprintf(stderr, "usage: outbox_driver DIRECTORY RECEIVED [POINT NTH]\n");
        return 2;
    }
    static const char *const opened_names[] = {"AS_IT_WAS", "NEW", "FRESH"};
    struct driver driver = {.directory = argv[1],
                            .received = open(argv[2], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600),
                            .point = argc > 4 ? argv[3] : NULL,
                            .left = argc > 4 ? (unsigned)strtoul(argv[4], NULL, 10) : 0,
                            .filler = calloc(1, FILLER_BYTES)};
    struct oxp_outbox_options options = {.directory = argv[1], .on_drop = on_drop, .point = at_point, .ctx = &driver};
    enum oxp_outbox_opened opened = OXP_OUTBOX_NEW;
    struct oxp_error error = {0};
    char line[1024];
    int result = 0;
    oxp_arena_init(&driver.arena, 0);
    enum oxp_status status = oxp_outbox_open(&options, now_ms(), &driver.outbox, &opened, &error);
    if (status != OXP_OK) {
        say("failed open %s: %s", oxp_status_name(status), error.text);
        result = 3;
        goto out;
    }
    say("open %s", opened_names[opened]);
    while (fgets(line, sizeof line, stdin) != NULL) {
        obey(&driver, line);
    }
out:
    oxp_outbox_close(driver.outbox);
    oxp_arena_fini(&driver.arena);
    free(driver.filler);
    close(driver.received);
    return result;
}
