/* clang-format off: a table
 * A ledger with its registry, clock and journal, driven by lines of text: each scenario of the tests is a table of them.
 *
 *   1> session.started session=a region=us-east-1   an event over connection 1 (0 = HTTP); accepted
 *   1> session.ended session=a … -> ignored         ignored; or -> bad_field, -> bad_time: refused for that reason
 *   log> error code=net_reset …                     the same from a followed log
 *   drop 1                                          connection 1 ends
 *   pass 30                                         30 seconds, a tick in each
 *   jump 3600                                       the wall clock alone moves
 *   wait 5                                          5 seconds without a tick
 *   sleep 600                                       the process stood still: time passes without ticks
 *   tick, probe ok, probe failed
 *   crash                                           the sidecar is gone without a word, and started anew from its journal
 *   = NAME{label=value,…} NUMBER                    what a scrape shows; a histogram's count, or its sum with ":sum"
 *   ~ NAME{…}                                       not shown
 *   ^ NAME{…} text                                  an exemplar of it holds this text
 *   lost N, clamped N                               what the callbacks have counted so far
 *
 * What is seen instead of reported, and incidents (world_seen.c):
 *
 *   answer complete limit=25 usage=60 bytes=5 a:running b:pending:other:-5:60
 *                                                   the provider's answer: sessions with their status, whether they are
 *                                                   ours (mine, unless other), when they began and when they expire, in
 *                                                   seconds from now (-100, not known); `partial`: not all of it
 *   poll failed                                     there was none
 *   ended a timed_out -100 -5                       one session, with when it began and ended, seconds from now
 *   asks a,b                                        the provider is to be asked about these (- = none)
 *   release 60 a,b                                  these are orphans for 60 s and may be released
 *   released a ok, released a failed                what came of that
 *   watched rss=5 cpu_user_s=1 …                    what the sidecar sees of process and container
 *   incident i state=closed action=retry …          what the view says of an incident; `incident i none`
 *
 * In an event `labels.x=y` is a label; `ts=+5` is 5 seconds after the scenario began, `ts=now-5` 5 before now. Values
 * cannot hold blanks; '_' in `message` stands for one. */
/* clang-format on */
#ifndef OXP_TEST_LEDGER_WORLD_H
#define OXP_TEST_LEDGER_WORLD_H

#include "exporter/ledger/ledger.h"

#define WORLD_BEGAN 1800000000.0

struct world {
    struct oxp_clock_manual clock;
    struct oxp_registry *registry;
    struct oxp_ledger *ledger;
    struct oxp_ledger_options options;
    struct oxp_event event;
    struct oxp_error error;
    enum oxp_reject reason;
    uint64_t lost, clamped;
    char text[512];     /* the line being run, for views */
    char directory[64]; /* "" = no journal */
};

/* `persistent`: with a journal in a new directory under /tmp. Fails the test when it cannot. */
void world_init(struct world *world, bool persistent);
void world_fini(struct world *world);
/* Reads "type field=value …" into world->event. */
void world_event(struct world *world, const char *text);
enum oxp_status world_apply(struct world *world, uint64_t connection, const char *text);
/* "+5", "now-5", or unix seconds. */
double world_time(const struct world *world, const char *text);
void world_pass(struct world *world, unsigned seconds);
/* What a scrape shows under "NAME{label=value,…}" (all labels, unquoted; ":sum" for a histogram's sum); NaN when it
 * does not. */
double world_value(const struct world *world, const char *name);
/* Runs one line; false and a text in `why` (of 512 bytes) when it did not come out as it says. */
bool world_line(struct world *world, const char *line, char *why);
/* The lines of what is seen instead of reported, and of incidents (world_seen.c). */
bool world_seen_line(struct world *world, const char *word, const char *rest, char *why);
/* New ledger and registry over the same directory. */
void world_crash(struct world *world);

#endif
