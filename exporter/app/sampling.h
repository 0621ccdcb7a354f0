/* The short memory's threads.
 *
 * The sampling thread takes a snapshot of the registry at every multiple of --storage.sample-interval of the wall
 * clock, into the short memory, and evaluates rules when they are due (ruling.h). It is the only one that writes there,
 * and it never waits for a disk. The storage thread, which exists with --storage.path, copies the memory to
 * samples.saved at --storage.snapshot-interval, and the state of alerts to alerts.saved when it changed. What the last
 * run saved is read by the sampling thread before its first tick, so that the start need not wait for it. */
#ifndef OXP_APP_SAMPLING_H
#define OXP_APP_SAMPLING_H

#include "exporter/app/daemon.h"

struct oxp_sampling;

/* Starts the threads, over the daemon's registry, tsdb and exemplars; after the server was made (whose port names the
 * instance). OXP_ERR_NOMEM. */
enum oxp_status oxp_sampling_new(struct oxp_daemon *daemon, struct oxp_sampling **sampling_out);
/* What may change while running: the bounds and the interval of snapshots. Any thread. */
void oxp_sampling_reload(struct oxp_sampling *sampling, const struct oxp_config *config);
/* Ends the threads and waits for them; when `save`, the memory is then saved once more. NULL is allowed. */
void oxp_sampling_free(struct oxp_sampling *sampling, bool save);

/* The label `instance` of samples: what is configured, or else the address, in `room`. Once the server was made. */
const char *oxp_sampling_instance(const struct oxp_daemon *daemon, char room[OXP_DAEMON_ADDRESS_MAX]);

/* What the configuration says about the short memory and about queries. Samples are kept for the retention and a
 * lookback: a query for a time at the far end sees what was current then, and a window may be as long as the retention.
 */
struct oxp_tsdb_options oxp_sampling_tsdb_options(const struct oxp_config *config);
struct oxp_promql_options oxp_sampling_query_options(const struct oxp_config *config);

/* ---- When: pure ----
 *
 * 1. Samples are due at the multiples of the interval on the wall clock.
 * 2. Ticks that were due and not taken are counted: by the wall clock, unless it was set since the last one; then by
 *    how much time really went by.
 * 3. The clock was set when it went another way than monotonic time by more than half an interval, and more than 5 s
 *    are in any case enough.
 * 4. Set forward: on from there. Set back by more than oxp_sampler_patience_ms: on from there, too, and what was
 *    sampled behind that is forgotten (the sampler's part). Set back by less: nothing until it has caught up. */

struct oxp_sampling_beat {
    int64_t interval_ms;
    int64_t last_ms; /* nominal unix ms of the last tick that was taken; 0 = none yet */
    /* the last one that was due, taken or not; mono 0 = none yet */
    struct oxp_mono due_mono;
    struct oxp_wall due_wall;
};

enum oxp_sampling_due {
    OXP_SAMPLING_EARLY, /* woken before the time: wait again */
    OXP_SAMPLING_TAKE,
    OXP_SAMPLING_BEHIND, /* the clock went back: nothing is taken until it has passed the last tick again */
};

struct oxp_sampling_moment {
    int64_t time_ms; /* nominal: the last multiple of the interval */
    uint64_t missed; /* ticks that were due since the last one and are not made up for */
    int64_t set_ns;  /* by how much the clock was set since the last one, back if negative; 0 = it was not */
};

/* Nanoseconds from `now` to the next multiple of the interval. */
int64_t oxp_sampling_wait_ns(const struct oxp_sampling_beat *beat, struct oxp_wall now);
/* What to do when woken. Moves the beat on, but when it is early. */
enum oxp_sampling_due oxp_sampling_beat_at(struct oxp_sampling_beat *beat, struct oxp_wall wall, struct oxp_mono mono,
                                           struct oxp_sampling_moment *moment_out);

#endif
