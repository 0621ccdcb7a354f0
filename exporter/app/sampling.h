/* The short memory's threads.
 *
 * The sampling thread takes a snapshot of the registry at every multiple of --storage.sample-interval of the wall
 * clock, into the short memory. It is the only one that writes there, and it never waits for a disk. The storage
 * thread, which exists with --storage.path, copies the memory to samples.saved at --storage.snapshot-interval. What the
 * last run saved is read by the sampling thread before its first tick, so that the start need not wait for it. */
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

/* What the configuration says about the short memory and about queries. */
struct oxp_tsdb_options oxp_sampling_tsdb_options(const struct oxp_config *config);
struct oxp_promql_options oxp_sampling_query_options(const struct oxp_config *config);

/* ---- When: pure ---- */

struct oxp_sampling_beat {
    int64_t interval_ms;
    int64_t last_ms;          /* nominal unix ms of the last tick that was taken; 0 = none yet */
    struct oxp_mono last_due; /* when that was, or the last one that was missed */
};

enum oxp_sampling_due {
    OXP_SAMPLING_EARLY, /* woken before the time: wait again */
    OXP_SAMPLING_TAKE,
    OXP_SAMPLING_BEHIND, /* the clock went back: nothing is taken until it has passed the last tick again */
};

/* Nanoseconds from `now` to the next multiple of the interval. */
int64_t oxp_sampling_wait_ns(const struct oxp_sampling_beat *beat, struct oxp_wall now);
/* What to do when woken. `time_ms_out` gets the nominal time, the last multiple of the interval; `missed_out` how many
 * ticks were due since the last one and are not made up for: counted by monotonic time, so that a clock that is set
 * forward misses none. Moves the beat on. */
enum oxp_sampling_due oxp_sampling_beat_at(struct oxp_sampling_beat *beat, struct oxp_wall wall, struct oxp_mono mono,
                                           int64_t *time_ms_out, uint64_t *missed_out);

#endif
