/* The sampler: takes the registry's snapshot at each tick and appends it to the short memory, as a Prometheus that
 * scrapes this sidecar would (https://prometheus.io/docs/concepts/jobs_instances/).
 *
 * - Every series gets `job`, `instance` and the external labels; a label of its own with such a name becomes
 *   exported_<name>. A histogram becomes _bucket{le="0.5"} (canonical, +Inf included), _sum and _count.
 * - Each tick writes up (1), scrape_duration_seconds, scrape_samples_scraped, scrape_samples_post_metric_relabeling and
 *   scrape_series_added for itself, with the same job and instance.
 * - A series that was there at the last tick and is not now (hidden) gets a stale marker. At the first tick, so does
 *   every series that the short memory already holds (loaded from a file) with the target labels of this run or of a
 *   former one (another host's name: its `up` is there) and that is not in the snapshot; but not what rules recorded
 * (ALERTS, ALERTS_FOR_STATE, names with a colon), which is theirs to end.
 * - A counter, bucket, _sum or _count whose created time lies after the last tick begins with a 0 at its created time
 *   (Prometheus' created-timestamp-zero-ingestion), so that increase() sees its first value; at the latest one
 *   millisecond before the tick, whose nominal time may lie before the series was made.
 * - The time of a tick is the nominal one (a multiple of the interval plus a phase), not when it ran, so that steps are
 *   even; ticks that were missed (SIGSTOP, a busy machine) are not made up for. A clock that was set forward leaves a
 *   gap. One that was set back by little writes nothing until it has caught up (oxp_sampler_patience_ms); by more, the
 *   short memory forgets what lies behind the new time, and sampling goes on from there.
 * - Exemplars that are new since the last tick go into the exemplar store, which keeps the newest.
 *
 * Owned by the sampling thread. */
#ifndef OXP_TSDB_SAMPLER_H
#define OXP_TSDB_SAMPLER_H

#include "alerts/tsdb/exemplars.h"
#include "alerts/tsdb/tsdb.h"
#include <oxpecker/metrics.h>

struct oxp_sampler_options {
    const char *job, *instance;         /* "oxpecker" and host:port, say */
    const char *const *external_labels; /* name, value, name, value, …; ended by NULL; may be NULL */
    const struct oxp_clock *clock;      /* measures what a tick takes; NULL = the system's */
    int64_t interval_ms;                /* between ticks; 0 = not known: no gap is told, created times are looked at
                                           from the last tick on */
};

struct oxp_clock;
struct oxp_sampler;
/* Copies the options. `exemplars` may be NULL: then none are kept. What is handed in must outlive the sampler; the
 * short memory may already hold what a file gave it. OXP_ERR_NOMEM, OXP_ERR_LIMIT (too many external labels). */
enum oxp_status oxp_sampler_new(struct oxp_tsdb *tsdb, struct oxp_exemplars_store *exemplars,
                                const struct oxp_registry *registry, const struct oxp_sampler_options *options,
                                struct oxp_sampler **sampler_out);
/* Lets go of the series that it holds. NULL is allowed. */
void oxp_sampler_free(struct oxp_sampler *sampler);

struct oxp_sampler_tick {
    uint64_t samples; /* taken from the registry */
    uint64_t added;   /* series seen for the first time, or again after they were hidden */
    uint64_t stale;   /* markers written */
    uint64_t refused; /* samples that had no room */
    double seconds;   /* what it took */
    bool cut;         /* the memory limit shortened the reach */
    /* What was not observed, on the axis of samples' times: how much later this tick was than one interval after the
     * last one (ticks were missed, or the clock was set forward). 0 normally, and at the first tick. Negative: the
     * clock was set back by about that much, and every sample from this tick's time on was forgotten, those that rules
     * had recorded, too. */
    int64_t gap_ms;
};
/* By how much time may go back and be waited for: a minute, or two intervals if that is more. */
int64_t oxp_sampler_patience_ms(int64_t interval_ms);
/* Takes one snapshot for the nominal time `time_ms` and trims. `now_s` is unix time as the registry's. OXP_IGNORED when
 * the time is not after the last tick's, but less than the patience before it; OXP_ERR_NOMEM when not all could be
 * taken (what could stays). */
enum oxp_status oxp_sampler_tick(struct oxp_sampler *sampler, int64_t time_ms, double now_s,
                                 struct oxp_sampler_tick *tick_out);

#endif
