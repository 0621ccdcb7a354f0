/* clang-format off: a table
 * The rules of the domain catalogue, section 5, as scenarios. world.h says how to read a line; here there are also
 *
 *   crash                                the sidecar is gone without a word: what it writes at its end is cut off again
 *   stop                                 it ends in order, and is started anew
 *   reload limit=N environment=NAME      a reload with these options; what is not named is 0 and none
 *   configure limit=N environment=NAME   the same, but only the next start reads it
 *   noted N TEXT                         there were N notes with this text since the last such line */
/* clang-format on */
#include "tests/unit/exporter/ledger/world.h"
/* cmocka wants these before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINES_MAX 40

struct scenario {
    const char *name;
    bool persistent;
    double start_grace_s, sessions_limit;
    size_t max_open;
    const char *lines[LINES_MAX]; /* ends at the first NULL */
};

static const struct scenario scenarios[] = {
#include "tests/unit/exporter/ledger/scenarios.def"
};

/* ---- The words that world.c does not know ---- */

enum { NOTES_MAX = 256 };
static const char *notes[NOTES_MAX]; /* texts that live for ever */
static size_t note_count;

static void on_note(void *ctx, int level, const char *message, const char *const *fields) {
    (void)ctx;
    (void)level;
    (void)fields;
    if (note_count < NOTES_MAX) {
        notes[note_count++] = message;
    }
}

static bool noted(const char *rest, char *why) {
    char *text;
    unsigned long wanted = strtoul(rest, &text, 10), got = 0;
    for (size_t i = 0; i < note_count; i++) {
        if (notes[i] != NULL && strcmp(notes[i], text + 1) == 0) {
            notes[i] = NULL;
            got++;
        }
    }
    snprintf(why, 512, "%lu times", got);
    return got == wanted;
}

static void crash(struct world *world) {
    char path[128];
    struct stat info;
    snprintf(path, sizeof path, "%s/ledger.journal", world->directory);
    assert_int_equal(stat(path, &info), 0);
    oxp_ledger_free(world->ledger);
    world->ledger = NULL;
    assert_int_equal(truncate(path, info.st_size), 0);
    world_crash(world);
}

static void configure(struct world *world, const char *rest) {
    static char environment[64]; /* lives on in the options */
    double limit = 0;
    environment[0] = '\0';
    (void)sscanf(rest, "limit=%lf environment=%63s", &limit, environment);
    world->options.sessions_limit = limit;
    world->options.environment = environment[0] == '\0' ? NULL : environment;
}

static bool run_line(struct world *world, const char *line, char *why) {
    if (strcmp(line, "crash") == 0) {
        crash(world);
    } else if (strcmp(line, "stop") == 0) {
        world_crash(world);
    } else if (strncmp(line, "reload ", 7) == 0) {
        configure(world, line + 7);
        oxp_ledger_configure(world->ledger, &world->options);
    } else if (strncmp(line, "configure ", 10) == 0) {
        configure(world, line + 10);
    } else if (strncmp(line, "noted ", 6) == 0) {
        return noted(line + 6, why);
    } else {
        return world_line(world, line, why);
    }
    return true;
}

static void run(void **state) {
    const struct scenario *scenario = *state;
    struct world *world = malloc(sizeof *world);
    assert_non_null(world);
    world_init(world, scenario->persistent);
    note_count = 0;
    world->options.on_note = on_note;
    world->options.start_grace_s = scenario->start_grace_s;
    world->options.sessions_limit = scenario->sessions_limit;
    world->options.max_sessions = world->options.max_tasks = scenario->max_open;
    world_crash(world);
    char why[512];
    for (size_t i = 0; i < LINES_MAX && scenario->lines[i] != NULL; i++) {
        if (!run_line(world, scenario->lines[i], why)) {
            fail_msg("line %zu \"%s\": %s", i + 1, scenario->lines[i], why);
        }
    }
    world_fini(world);
    free(world);
}

int main(void) {
    const size_t count = sizeof scenarios / sizeof *scenarios;
    struct CMUnitTest *tests = calloc(count, sizeof *tests);
    if (tests == NULL) {
        return 1;
    }
    for (size_t i = 0; i < count; i++) {
        tests[i] = (struct CMUnitTest){scenarios[i].name, run, NULL, NULL, (void *)&scenarios[i]};
    }
    int failed = _cmocka_run_group_tests("ledger rules", tests, count, NULL, NULL);
    free(tests);
    return failed;
}
