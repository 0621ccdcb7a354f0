/* A small world for the tests of alerting: an outbox in memory, a clock moved by hand, rules that say what the test
 * wants, receivers that take or do not take, and all that they were sent, as text. Times are seconds since the start.
 */
#ifndef OXP_TEST_NOTIFY_WORLD_H
#define OXP_TEST_NOTIFY_WORLD_H

#include "alerts/notify/alerting.h"
#include "lib/base/clock.h"
#include "tests/unit/lib/base/support.h"

#define WORLD_START_S INT64_C(1700000000)

struct world {
    struct oxp_clock_manual clock;
    struct oxp_outbox *outbox;
    struct oxp_alerting *alerting;
    struct oxp_alerting_config *config;
    struct oxp_buf log;  /* one line for each delivered message */
    bool down;           /* receivers take nothing */
    unsigned wakes;      /* on_put */
    unsigned complaints; /* on_failure */
    unsigned left_out;   /* on_left_out */
    const char *awaited; /* the alertname that the rules may still speak of; NULL = none */
    char note[32];       /* the annotation of what fires from now on; empty = none */
};

/* Fails the test when the configuration does not load. */
void world_open(struct world *world, const char *yaml);
void world_close(struct world *world);
/* As after kill -9: another alerting over the same outbox. */
void world_restart(struct world *world, const char *yaml);
void world_ready(struct world *world);
struct oxp_alerting_config *world_config(const char *yaml);

/* The rules say something of the alert with the labels "alertname=X,i=a", now. */
void world_fire(struct world *world, const char *labels);
void world_fired(struct world *world, const char *labels, double started_s);
void world_resolve(struct world *world, const char *labels, double started_s);
/* … with the time at which it was resolved. */
void world_resolved(struct world *world, const char *labels, double started_s, double ended_s);
void world_say(struct world *world, const char *labels, const struct oxp_alert_event *event);
/* Time passes; alerting takes its turns when it asked for them, receivers take what is there. */
void world_pass(struct world *world, double seconds);
void world_jump(struct world *world, double seconds); /* the wall clock is set; nothing is done */
void world_deliver(struct world *world);
double world_now(const struct world *world);

/* Compares what arrived since the last time, and forgets it. A line: `30 oncall/webhook/one {alertname="X"} a+ b-`,
 * with the label i of each alert, + for firing; behind it ` ..2` when two were cut off. */
void assert_log(struct world *world, const char *expected);
size_t world_groups(struct world *world);
/* The last note's kind and text, "" when there is none; good until the next call. */
const char *world_noted(struct world *world);
/* The next puts fail. */
void world_break(bool broken);

#endif
