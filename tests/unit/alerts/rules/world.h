/* A small world for the tests of evaluation: a short memory, a clock moved by hand, rules from YAML, gauges with
 * values, and all that was told, as text. Times in texts are seconds since the first slot. */
#ifndef OXP_TEST_RULES_WORLD_H
#define OXP_TEST_RULES_WORLD_H

#include "alerts/rules/rules.h"
#include "lib/base/clock.h"
#include "tests/unit/lib/base/support.h"

struct world_series {
    char name[64]; /* "up,job=a" */
    double value;
};

struct world {
    struct oxp_clock_manual clock;
    struct oxp_tsdb *tsdb;
    struct oxp_promql_engine *engine;
    struct oxp_rules *rules;
    struct oxp_rules_options options;
    struct oxp_buf told, notes; /* one line each */
    bool telling_again;         /* tell OXP_ALERT_SAME, too */
    int64_t start_ms;
    struct world_series series[32];
    size_t series_count;
    bool held;
};

/* Opens it with one rule file, "rules.yml". Fails the test when the file does not load. */
void world_open(struct world *world, const char *yaml);
void world_close(struct world *world);
/* As after kill -9: other rules over the same memory. */
void world_restart(struct world *world, const char *yaml);
/* A reload; the status of oxp_rules_load. */
enum oxp_status world_load(struct world *world, const char *yaml);
struct oxp_rule_file *world_file(const char *yaml, const char *path);

/* Sets a gauge from the next tick on; ends it with a stale marker then. */
void world_set(struct world *world, const char *name, double value);
void world_unset(struct world *world, const char *name);
/* Time passes without anything being done; the wall clock alone is set. */
void world_pass(struct world *world, double seconds);
void world_jump(struct world *world, double seconds);
/* Until the next slot, `count` times: samples, then rules. */
void world_step(struct world *world, int count);
/* Samples and rules now. */
void world_tick(struct world *world);
int64_t world_now(const struct world *world);

/* Compares what was told since the last time, and forgets it: `15 FIRED {alertname="X"} 1`. */
void assert_told(struct world *world, const char *expected);
void assert_notes(struct world *world, const char *expected);
/* The alerts that are shown: `X{…} pending since 15 value 1`, one a line. */
void assert_alerts(struct world *world, const char *expected);
/* The short memory's series whose name begins with `prefix`: `name{labels} value@time …`; times in ALERTS_FOR_STATE are
 * seconds since the first slot, too. */
void assert_series(struct world *world, const char *prefix, const char *expected);
/* Health of the rule: "ok", "unknown" or the error. */
void assert_health(struct world *world, size_t group, size_t rule, const char *expected);

#endif
