/* The rules of the domain catalogue, section 5, as scenarios (world.h says how to read a line). */
#include "tests/unit/exporter/ledger/world.h"
/* cmocka wants these before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

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

static void run(void **state) {
    const struct scenario *scenario = *state;
    struct world *world = malloc(sizeof *world);
    assert_non_null(world);
    world_init(world, scenario->persistent);
    if (scenario->start_grace_s > 0 || scenario->sessions_limit > 0 || scenario->max_open > 0) {
        world->options.start_grace_s = scenario->start_grace_s;
        world->options.sessions_limit = scenario->sessions_limit;
        world->options.max_sessions = world->options.max_tasks = scenario->max_open;
        world_crash(world);
    }
    char why[512];
    for (size_t i = 0; i < LINES_MAX && scenario->lines[i] != NULL; i++) {
        if (!world_line(world, scenario->lines[i], why)) {
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
