#include "exporter/app/sampling.h"

#include "alerts/tsdb/sampler.h"
#include "alerts/tsdb/saved.h"
#include "exporter/app/ruling.h"
#include "exporter/app/settle.h"
#include "exporter/app/storage.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

/* ---- When ---- */

int64_t oxp_sampling_wait_ns(const struct oxp_sampling_beat *beat, struct oxp_wall now) {
    int64_t interval_ns = beat->interval_ms * OXP_NS_PER_MS;
    int64_t past = now.ns % interval_ns;
    return interval_ns - (past < 0 ? past + interval_ns : past);
}

/* Rule 3. */
static int64_t set_since(const struct oxp_sampling_beat *beat, struct oxp_wall wall, struct oxp_mono mono) {
    const int64_t enough_ns = 5 * OXP_NS_PER_S, half_ns = beat->interval_ms * OXP_NS_PER_MS / 2;
    int64_t set_ns = wall.ns - beat->due_wall.ns - (mono.ns - beat->due_mono.ns);
    int64_t least_ns = half_ns < enough_ns ? half_ns : enough_ns;
    return set_ns > least_ns || set_ns < -least_ns ? set_ns : 0;
}

/* Rule 2: multiples of the interval since the last beat. */
static int64_t beats_since(const struct oxp_sampling_beat *beat, struct oxp_wall wall, struct oxp_mono mono,
                           int64_t set_ns) {
    int64_t interval_ns = beat->interval_ms * OXP_NS_PER_MS;
    if (set_ns != 0) {
        return (mono.ns - beat->due_mono.ns + interval_ns / 2) / interval_ns;
    }
    return (wall.ns + oxp_sampling_wait_ns(beat, wall)) / interval_ns -
           (beat->due_wall.ns + oxp_sampling_wait_ns(beat, beat->due_wall)) / interval_ns;
}

enum oxp_sampling_due oxp_sampling_beat_at(struct oxp_sampling_beat *beat, struct oxp_wall wall, struct oxp_mono mono,
                                           struct oxp_sampling_moment *moment_out) {
    int64_t time_ms = (wall.ns + oxp_sampling_wait_ns(beat, wall)) / OXP_NS_PER_MS - beat->interval_ms;
    *moment_out = (struct oxp_sampling_moment){.time_ms = time_ms};
    if (beat->last_ms != 0 && time_ms == beat->last_ms) {
        return OXP_SAMPLING_EARLY;
    }
    if (beat->due_mono.ns != 0) {
        moment_out->set_ns = set_since(beat, wall, mono);
        int64_t beats = beats_since(beat, wall, mono, moment_out->set_ns);
        moment_out->missed = beats > 1 ? (uint64_t)(beats - 1) : 0;
    }
    beat->due_mono = mono;
    beat->due_wall = wall;
    if (time_ms < beat->last_ms && beat->last_ms - time_ms <= oxp_sampler_patience_ms(beat->interval_ms)) {
        moment_out->missed++;
        return OXP_SAMPLING_BEHIND;
    }
    beat->last_ms = time_ms;
    return OXP_SAMPLING_TAKE;
}

/* ---- The threads ---- */

struct settings {
    struct oxp_tsdb_options bounds;
    int64_t snapshot_ns; /* 0 = at exit only */
};

struct oxp_sampling {
    struct oxp_daemon *daemon;
    struct oxp_sampler *sampler;
    const char *directory; /* "" = none */
    pthread_t sampling_thread, storage_thread;
    bool sampling_runs, storage_runs;
    struct oxp_sampling_beat beat;
    bool loads;              /* what the last run saved */
    bool settled;            /* the first tick has been taken */
    int64_t reach_said_ms;   /* in the last warning about the memory limit; 0 = none */
    int64_t refusal_said_ns; /* monotonic, of the last line about samples without room; 0 = none */
    pthread_mutex_t mutex;   /* guards what follows */
    pthread_cond_t wake;
    bool stop, loaded, changed, alerts_unsaved;
    struct settings settings;
};

struct oxp_tsdb_options oxp_sampling_tsdb_options(const struct oxp_config *config) {
    double kept_s =
        oxp_config_number(config, OXP_OPT_STORAGE_RETENTION) + oxp_config_number(config, OXP_OPT_QUERY_LOOKBACK_DELTA);
    return (struct oxp_tsdb_options){
        .retention_ms = (int64_t)(kept_s * 1000),
        .memory_limit = (size_t)oxp_config_number(config, OXP_OPT_STORAGE_MEMORY_LIMIT),
    };
}

struct oxp_promql_options oxp_sampling_query_options(const struct oxp_config *config) {
    return (struct oxp_promql_options){
        .lookback_ms = (int64_t)(oxp_config_number(config, OXP_OPT_QUERY_LOOKBACK_DELTA) * 1000),
        .timeout_ms = (int64_t)(oxp_config_number(config, OXP_OPT_QUERY_TIMEOUT) * 1000),
        .samples_max = (uint64_t)oxp_config_number(config, OXP_OPT_QUERY_MAX_SAMPLES),
        .memory_max = (size_t)oxp_config_number(config, OXP_OPT_QUERY_MEMORY_LIMIT),
        .concurrency_max = (unsigned)oxp_config_number(config, OXP_OPT_QUERY_MAX_CONCURRENCY),
    };
}

static struct settings settings_of(const struct oxp_config *config) {
    return (struct settings){
        .bounds = oxp_sampling_tsdb_options(config),
        .snapshot_ns = (int64_t)(oxp_config_number(config, OXP_OPT_STORAGE_SNAPSHOT_INTERVAL) * 1e9),
    };
}

static struct oxp_series *own(struct oxp_sampling *sampling, enum oxp_self_metric metric) {
    return oxp_family_only(sampling->daemon->stats.families[metric]);
}

static void count(struct oxp_sampling *sampling, enum oxp_self_metric metric, uint64_t n) {
    if (n != 0) {
        oxp_counter_add(oxp_counter(own(sampling, metric)), n);
    }
}

/* Waits until a monotonic time, or for ever (INT64_MAX), or until something is said. */
static void wait_locked(struct oxp_sampling *sampling, int64_t until_ns) {
    const struct timespec until = {.tv_sec = (time_t)(until_ns / OXP_NS_PER_S),
                                   .tv_nsec = (long)(until_ns % OXP_NS_PER_S)};
    if (until_ns == INT64_MAX) {
        pthread_cond_wait(&sampling->wake, &sampling->mutex);
    } else {
        (void)pthread_cond_timedwait(&sampling->wake, &sampling->mutex, &until);
    }
}

/* ---- The sampling thread ---- */

/* One line when the limit begins to shorten the reach, and one each time that the reach has halved since. */
static void note_reach(struct oxp_sampling *sampling, bool cut, const struct oxp_tsdb_stats *stats) {
    if (stats->reach_ms >= stats->retention_ms) {
        sampling->reach_said_ms = 0;
    } else if (cut && (sampling->reach_said_ms == 0 || stats->reach_ms <= sampling->reach_said_ms / 2)) {
        sampling->reach_said_ms = stats->reach_ms;
        oxp_log_warning(sampling->daemon->log, "the memory limit shortens how far samples reach back",
                        OXP_LOG_NUM("limit_bytes", stats->limit_bytes), OXP_LOG_NUM("bytes", stats->bytes),
                        OXP_LOG_NUM("retention_seconds", (double)stats->retention_ms / 1000),
                        OXP_LOG_NUM("reach_seconds", (double)stats->reach_ms / 1000),
                        OXP_LOG_NUM("series", stats->series));
    }
}

static void note_refused(struct oxp_sampling *sampling, const struct oxp_sampler_tick *tick,
                         const struct oxp_tsdb_stats *stats) {
    int64_t now_ns = oxp_clock_mono(sampling->daemon->clock).ns;
    if (tick->refused == 0 ||
        (sampling->refusal_said_ns != 0 && now_ns - sampling->refusal_said_ns < 600 * OXP_NS_PER_S)) {
        return;
    }
    sampling->refusal_said_ns = now_ns;
    oxp_log_warning(sampling->daemon->log, "there is no memory for some samples; rules and queries do not see them",
                    OXP_LOG_NUM("refused", tick->refused), OXP_LOG_NUM("taken", tick->samples - tick->refused),
                    OXP_LOG_NUM("limit_bytes", stats->limit_bytes), OXP_LOG_NUM("bytes", stats->bytes));
}

static void show_stats(struct oxp_sampling *sampling, const struct oxp_tsdb_stats *stats) {
    oxp_gauge_set(own(sampling, OXP_S_TSDB_BYTES), (double)stats->bytes);
    oxp_gauge_set(own(sampling, OXP_S_TSDB_LIMIT_BYTES), (double)stats->limit_bytes);
    oxp_gauge_set(own(sampling, OXP_S_TSDB_RETENTION_SECONDS), (double)stats->reach_ms / 1000);
    oxp_gauge_set(own(sampling, OXP_S_TSDB_SERIES), (double)stats->series);
    oxp_gauge_set(own(sampling, OXP_S_TSDB_SAMPLES), (double)stats->samples);
}

static void take(struct oxp_sampling *sampling, int64_t time_ms) {
    struct oxp_daemon *daemon = sampling->daemon;
    struct oxp_sampler_tick tick;
    struct oxp_tsdb_stats stats;
    oxp_ruling_sampling(daemon->ruling);
    oxp_selfstats_collect(&daemon->stats); /* as a scrape does: a sample sees what a scrape sees */
    (void)oxp_sampler_tick(sampling->sampler, time_ms, oxp_wall_seconds(oxp_clock_wall(daemon->clock)), &tick);
    atomic_store(&daemon->sampled, true);
    if (tick.gap_ms < 0) {
        oxp_ruling_rewind(daemon->ruling);
    }
    oxp_tsdb_stats(daemon->tsdb, &stats);
    show_stats(sampling, &stats);
    count(sampling, OXP_S_TSDB_SAMPLES_APPENDED_TOTAL, tick.samples - tick.refused);
    count(sampling, OXP_S_TSDB_SAMPLES_REFUSED_TOTAL, tick.refused);
    oxp_histogram_observe(own(sampling, OXP_S_SAMPLE_DURATION_SECONDS), tick.seconds);
    note_reach(sampling, tick.cut, &stats);
    note_refused(sampling, &tick, &stats);
    if (!sampling->settled) {
        sampling->settled = true;
        oxp_settle();
    }
}

/* One line when the clock was set: to what, and what it would show else. */
static void note_clock(struct oxp_sampling *sampling, enum oxp_sampling_due due, struct oxp_wall wall, int64_t set_ns) {
    char from[25], to[25];
    const char *what = "the clock was set forward; samples go on at the new time";
    if (set_ns < 0) {
        what = due == OXP_SAMPLING_BEHIND ? "the clock was set back; nothing is sampled until it has caught up"
                                          : "the clock was set back; samples go on, what lies behind it is forgotten";
    }
    oxp_wall_format((struct oxp_wall){wall.ns - set_ns}, from);
    oxp_wall_format(wall, to);
    count(sampling, OXP_S_CLOCK_JUMPS_TOTAL, 1);
    oxp_log_warning(sampling->daemon->log, what, OXP_LOG_TEXT("from", from), OXP_LOG_TEXT("to", to),
                    OXP_LOG_NUM("seconds", (double)set_ns / 1e9));
}

/* Both clocks at one moment: a process that is stopped between the two looks would seem to see the clock set. */
static struct oxp_wall look_at_clocks(const struct oxp_clock *clock, struct oxp_mono *mono_out) {
    struct oxp_wall wall;
    struct oxp_mono before;
    unsigned tries = 0;
    do {
        before = oxp_clock_mono(clock);
        wall = oxp_clock_wall(clock);
        *mono_out = oxp_clock_mono(clock);
    } while (mono_out->ns - before.ns > 10 * OXP_NS_PER_MS && ++tries < 5);
    return wall;
}

static void beat(struct oxp_sampling *sampling) {
    struct oxp_sampling_moment moment;
    struct oxp_mono mono;
    struct oxp_wall wall = look_at_clocks(sampling->daemon->clock, &mono);
    enum oxp_sampling_due due = oxp_sampling_beat_at(&sampling->beat, wall, mono, &moment);
    count(sampling, OXP_S_SAMPLE_TICKS_MISSED_TOTAL, moment.missed);
    if (moment.set_ns != 0) {
        note_clock(sampling, due, wall, moment.set_ns);
    }
    if (due == OXP_SAMPLING_TAKE) {
        take(sampling, moment.time_ms);
    }
}

/* What the last run saved. */
static void load(struct oxp_sampling *sampling) {
    struct oxp_daemon *daemon = sampling->daemon;
    struct oxp_error error = {0};
    uint64_t samples = 0;
    struct oxp_mono began = oxp_clock_mono(daemon->clock);
    int64_t now_ms = oxp_clock_wall(daemon->clock).ns / OXP_NS_PER_MS;
    enum oxp_status status = oxp_tsdb_load(daemon->tsdb, sampling->directory, now_ms, &samples, &error);
    if (status < 0) {
        oxp_daemon_log_error(daemon->log, "saved samples were not read; what they told is forgotten", &error);
    } else if (status == OXP_OK) {
        int64_t took_ms = (oxp_clock_mono(daemon->clock).ns - began.ns) / OXP_NS_PER_MS;
        oxp_log_info(daemon->log, "read the samples of the last run", OXP_LOG_NUM("samples", samples),
                     OXP_LOG_NUM("ms", took_ms));
    }
}

/* Monotonic nanoseconds: of the next tick, and of the next evaluation of rules. */
static int64_t next_tick(const struct oxp_sampling *sampling) {
    const struct oxp_clock *clock = sampling->daemon->clock;
    return oxp_clock_mono(clock).ns + oxp_sampling_wait_ns(&sampling->beat, oxp_clock_wall(clock));
}

static int64_t rules_due(const struct oxp_sampling *sampling) {
    int64_t wait_ns = oxp_ruling_wait_ns(sampling->daemon->ruling);
    return wait_ns == INT64_MAX ? INT64_MAX : oxp_clock_mono(sampling->daemon->clock).ns + wait_ns;
}

static int64_t earlier(int64_t a, int64_t b) {
    return a < b ? a : b;
}

static void *sampling_main(void *ctx) {
    struct oxp_sampling *sampling = ctx;
    struct oxp_daemon *daemon = sampling->daemon;
    struct oxp_tsdb_stats stats;
    pthread_setname_np(pthread_self(), "oxp-sampling");
    if (sampling->loads) {
        load(sampling);
    }
    oxp_ruling_begin(daemon->ruling);
    oxp_tsdb_stats(daemon->tsdb, &stats);
    show_stats(sampling, &stats);
    int64_t tick_ns = next_tick(sampling);
    pthread_mutex_lock(&sampling->mutex);
    sampling->loaded = true;
    while (!sampling->stop) {
        int64_t until_ns = earlier(tick_ns, rules_due(sampling));
        while (!sampling->stop && !sampling->changed && oxp_clock_mono(daemon->clock).ns < until_ns) {
            wait_locked(sampling, until_ns);
        }
        if (sampling->stop) {
            break;
        }
        struct oxp_tsdb_options bounds = sampling->settings.bounds;
        bool changed = sampling->changed;
        sampling->changed = false;
        pthread_mutex_unlock(&sampling->mutex);
        if (changed) {
            oxp_tsdb_configure(daemon->tsdb, &bounds);
        }
        if (oxp_clock_mono(daemon->clock).ns >= tick_ns) {
            beat(sampling);
            tick_ns = next_tick(sampling);
        }
        bool unsaved = oxp_ruling_turn(daemon->ruling);
        pthread_mutex_lock(&sampling->mutex);
        if (unsaved) {
            sampling->alerts_unsaved = true;
            pthread_cond_broadcast(&sampling->wake);
        }
    }
    pthread_mutex_unlock(&sampling->mutex);
    return NULL;
}

/* ---- The storage thread ---- */

static void save(struct oxp_sampling *sampling) {
    struct oxp_daemon *daemon = sampling->daemon;
    struct oxp_error error = {0};
    int64_t now_ms = oxp_clock_wall(daemon->clock).ns / OXP_NS_PER_MS;
    if (!oxp_storage_is_ready(daemon)) { /* which was said */
        return;
    }
    if (oxp_tsdb_save(daemon->tsdb, sampling->directory, now_ms, &error) != OXP_OK) {
        count(sampling, OXP_S_STORAGE_FAILURES_TOTAL, 1);
        oxp_daemon_log_error(daemon->log, "samples were not saved; a restart would not find them", &error);
    }
}

static void *storage_main(void *ctx) {
    struct oxp_sampling *sampling = ctx;
    const struct oxp_clock *clock = sampling->daemon->clock;
    int64_t last_ns = oxp_clock_mono(clock).ns;
    pthread_setname_np(pthread_self(), "oxp-storage");
    pthread_mutex_lock(&sampling->mutex);
    while (!sampling->stop) {
        if (sampling->alerts_unsaved) {
            sampling->alerts_unsaved = false;
            pthread_mutex_unlock(&sampling->mutex);
            oxp_ruling_save(sampling->daemon->ruling);
            pthread_mutex_lock(&sampling->mutex);
            continue;
        }
        int64_t interval_ns = sampling->settings.snapshot_ns;
        int64_t due_ns = interval_ns == 0 ? INT64_MAX : last_ns + interval_ns;
        if (oxp_clock_mono(clock).ns < due_ns) {
            wait_locked(sampling, due_ns);
            continue;
        }
        last_ns = oxp_clock_mono(clock).ns;
        if (sampling->loaded) { /* else it would replace what is being read */
            pthread_mutex_unlock(&sampling->mutex);
            save(sampling);
            pthread_mutex_lock(&sampling->mutex);
        }
    }
    pthread_mutex_unlock(&sampling->mutex);
    return NULL;
}

/* ---- Building ---- */

const char *oxp_sampling_instance(const struct oxp_daemon *daemon, char room[OXP_DAEMON_ADDRESS_MAX]) {
    const char *given = oxp_config_text(&daemon->config, OXP_OPT_STORAGE_INSTANCE);
    if (given[0] != '\0') {
        return given;
    }
    oxp_daemon_address(daemon, room);
    return room;
}

static enum oxp_status make_sampler(struct oxp_sampling *sampling) {
    struct oxp_daemon *daemon = sampling->daemon;
    const struct oxp_config *config = &daemon->config;
    char instance[OXP_DAEMON_ADDRESS_MAX];
    char **labels = NULL;
    enum oxp_status status = oxp_config_labels(config, OXP_OPT_EXTERNAL_LABELS, &labels);
    if (status != OXP_OK) {
        return status;
    }
    struct oxp_sampler_options options = {
        .job = oxp_config_text(config, OXP_OPT_ORCHESTRATOR_SERVICE),
        .instance = oxp_sampling_instance(daemon, instance),
        .external_labels = (const char *const *)labels,
        .clock = daemon->clock,
        .interval_ms = sampling->beat.interval_ms,
    };
    status = oxp_sampler_new(daemon->tsdb, daemon->exemplars, daemon->registry, &options, &sampling->sampler);
    free(labels);
    return status;
}

static enum oxp_status start(struct oxp_sampling *sampling) {
    /* EAGAIN: no room for another thread */
    sampling->sampling_runs = pthread_create(&sampling->sampling_thread, NULL, sampling_main, sampling) == 0;
    if (sampling->sampling_runs && sampling->directory[0] != '\0') {
        sampling->storage_runs = pthread_create(&sampling->storage_thread, NULL, storage_main, sampling) == 0;
        return sampling->storage_runs ? OXP_OK : OXP_ERR_NOMEM;
    }
    return sampling->sampling_runs ? OXP_OK : OXP_ERR_NOMEM;
}

enum oxp_status oxp_sampling_new(struct oxp_daemon *daemon, struct oxp_sampling **sampling_out) {
    *sampling_out = NULL;
    struct oxp_sampling *sampling = calloc(1, sizeof *sampling);
    if (sampling == NULL) {
        return OXP_ERR_NOMEM;
    }
    sampling->daemon = daemon;
    sampling->directory = oxp_config_text(&daemon->config, OXP_OPT_STORAGE_PATH); /* keeps its text over a reload */
    sampling->loads = oxp_storage_is_ready(daemon);
    sampling->beat.interval_ms = (int64_t)(oxp_config_number(&daemon->config, OXP_OPT_STORAGE_SAMPLE_INTERVAL) * 1000);
    sampling->settings = settings_of(&daemon->config);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&sampling->wake, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&sampling->mutex, NULL);
    enum oxp_status status = make_sampler(sampling);
    if (status == OXP_OK) {
        status = start(sampling);
    }
    if (status != OXP_OK) {
        oxp_sampling_free(sampling, false);
        return status;
    }
    *sampling_out = sampling;
    return OXP_OK;
}

void oxp_sampling_reload(struct oxp_sampling *sampling, const struct oxp_config *config) {
    pthread_mutex_lock(&sampling->mutex);
    sampling->settings = settings_of(config);
    sampling->changed = true;
    pthread_cond_broadcast(&sampling->wake);
    pthread_mutex_unlock(&sampling->mutex);
}

void oxp_sampling_free(struct oxp_sampling *sampling, bool save_too) {
    if (sampling == NULL) {
        return;
    }
    pthread_mutex_lock(&sampling->mutex);
    sampling->stop = true;
    pthread_cond_broadcast(&sampling->wake);
    pthread_mutex_unlock(&sampling->mutex);
    if (sampling->sampling_runs) {
        pthread_join(sampling->sampling_thread, NULL);
    }
    if (sampling->storage_runs) {
        pthread_join(sampling->storage_thread, NULL);
    }
    if (save_too && sampling->storage_runs) {
        oxp_ruling_finish(sampling->daemon->ruling);
        save(sampling);
    }
    oxp_sampler_free(sampling->sampler);
    pthread_mutex_destroy(&sampling->mutex);
    pthread_cond_destroy(&sampling->wake);
    free(sampling);
}
