/* The sampler.
 *
 * A registry's series never moves and never goes, so what the sampler knows of it is found by its pointer: an entry,
 * with the handles of the short memory that it writes to (one, or all of a histogram's). Entries stand in the order in
 * which they were first seen, which is nearly that of the walk: the next entry is guessed, and looked up in the table
 * only when the guess is wrong. After its first tick a sample costs a comparison and an append.
 *
 * An entry is live while its series is visible. Live entries hold their series in the short memory. One that was not
 * seen in a tick gets a stale marker and lets go, so that the short memory forgets it in its time; when it is seen
 * again, it gets new handles as if it were new. */
#include "alerts/tsdb/sampler.h"

#include "alerts/tsdb/naming.h"
#include "lib/base/clock.h"
#include "lib/base/map.h"
#include <stdlib.h>

#define FIRST_ENTRIES 64
#define FIRST_SLOTS 128
#define FIRST_BUCKETS 32

/* What it writes about itself, as a scrape does (prometheus.io/docs/concepts/jobs_instances). */
enum { META_UP, META_DURATION, META_SAMPLES, META_KEPT, META_ADDED, METAS };
static const char *const meta_names[METAS] = {"up", "scrape_duration_seconds", "scrape_samples_scraped",
                                              "scrape_samples_post_metric_relabeling", "scrape_series_added"};

struct entry {
    const struct oxp_series *series;
    double created_s; /* as of the last tick that saw it */
    uint32_t tick;    /* that saw it last, modulo 2^32: none is met again after so many */
    uint16_t count;   /* handles */
    uint16_t missing; /* of them NULL: not live yet, or there was no room */
    union {
        struct oxp_tsdb_series *one;   /* count == 1 */
        struct oxp_tsdb_series **many; /* owned */
    } handle;
    uint64_t *exemplars; /* owned: hash of the last exemplar of each bucket; NULL before the first */
};

struct oxp_sampler {
    struct oxp_tsdb *tsdb;
    struct oxp_exemplars_store *exemplars;
    const struct oxp_registry *registry;
    const struct oxp_clock *clock;
    int64_t interval_ms; /* 0 = not known */
    struct oxp_naming naming;
    struct oxp_arena scratch; /* label sets on their way into the short memory */
    struct entry *entries;
    size_t count, size;
    uint32_t *slots; /* index of an entry + 1; 0 = free; open addressing by the series' address */
    size_t slot_count;
    size_t live;       /* entries seen by the last tick */
    uint64_t *buckets; /* room for one histogram */
    size_t bucket_size;
    struct entry self; /* what it writes about itself */
    uint64_t ticks;
    int64_t last_ms; /* of the last tick */
};

/* One tick in work. */
struct tick {
    struct oxp_sampler *sampler;
    int64_t time_ms;
    int64_t after_ms; /* created times up to this one are old: those of the last tick, or past the retention */
    size_t next;      /* the entry that is guessed */
    size_t seen;      /* entries */
    size_t again;     /* of them, that the last tick saw too */
    bool after_file;  /* the first one, and the short memory had samples before */
    enum oxp_status status;
    struct oxp_sampler_tick *out;
};

enum oxp_status oxp_sampler_new(struct oxp_tsdb *tsdb, struct oxp_exemplars_store *exemplars,
                                const struct oxp_registry *registry, const struct oxp_sampler_options *options,
                                struct oxp_sampler **sampler_out) {
    *sampler_out = NULL;
    struct oxp_sampler *sampler = calloc(1, sizeof *sampler);
    if (sampler == NULL) {
        return OXP_ERR_NOMEM;
    }
    sampler->tsdb = tsdb;
    sampler->exemplars = exemplars;
    sampler->registry = registry;
    sampler->clock = options->clock == NULL ? oxp_clock_system() : options->clock;
    sampler->interval_ms = options->interval_ms;
    oxp_arena_init(&sampler->scratch, 0);
    enum oxp_status status = oxp_naming_init(&sampler->naming, options);
    sampler->self.count = sampler->self.missing = METAS;
    sampler->self.handle.many = calloc(METAS, sizeof(void *));
    status = sampler->self.handle.many == NULL ? OXP_ERR_NOMEM : status;
    if (status != OXP_OK) {
        oxp_sampler_free(sampler);
        return status;
    }
    *sampler_out = sampler;
    return OXP_OK;
}

/* ---- Entries ---- */

static struct oxp_tsdb_series **handles_of(struct entry *entry) {
    return entry->count == 1 ? &entry->handle.one : entry->handle.many;
}

/* Lets go of the handles; with a time, each gets a stale marker first. Gives the number of markers. */
static size_t let_go(struct oxp_sampler *sampler, struct entry *entry, const int64_t *stale_ms) {
    struct oxp_tsdb_series **handles = handles_of(entry);
    size_t markers = 0;
    for (uint32_t i = 0; i < entry->count; i++) {
        if (handles[i] != NULL) {
            markers +=
                stale_ms != NULL && oxp_tsdb_append(sampler->tsdb, handles[i], *stale_ms, oxp_stale_value()) == OXP_OK;
            oxp_tsdb_release(handles[i]);
            handles[i] = NULL;
        }
    }
    entry->missing = entry->count;
    return markers;
}

void oxp_sampler_free(struct oxp_sampler *sampler) {
    if (sampler == NULL) {
        return;
    }
    for (size_t i = 0; i < sampler->count; i++) {
        struct entry *entry = &sampler->entries[i];
        let_go(sampler, entry, NULL);
        if (entry->count != 1) {
            free(entry->handle.many);
        }
        free(entry->exemplars);
    }
    if (sampler->self.handle.many != NULL) {
        let_go(sampler, &sampler->self, NULL);
        free(sampler->self.handle.many);
    }
    free(sampler->entries);
    free(sampler->slots);
    free(sampler->buckets);
    oxp_arena_fini(&sampler->scratch);
    oxp_naming_fini(&sampler->naming);
    free(sampler);
}

/* The slot of a series, or the free one where it would stand. */
static uint32_t *slot_of(const struct oxp_sampler *sampler, const struct oxp_series *series) {
    uint64_t hash = (uint64_t)(uintptr_t)series / 16 * UINT64_C(0x9e3779b97f4a7c15);
    size_t at = (size_t)(hash >> 32) & (sampler->slot_count - 1);
    while (sampler->slots[at] != 0 && sampler->entries[sampler->slots[at] - 1].series != series) {
        at = (at + 1) & (sampler->slot_count - 1);
    }
    return &sampler->slots[at];
}

/* Room for one more entry. */
static bool grow_entries(struct oxp_sampler *sampler) {
    if (sampler->count < sampler->size) {
        return true;
    }
    size_t size = sampler->size == 0 ? FIRST_ENTRIES : sampler->size + sampler->size / 4;
    struct entry *entries = size > UINT32_MAX / 4 ? NULL : realloc(sampler->entries, size * sizeof *entries);
    if (entries == NULL) {
        return false;
    }
    sampler->entries = entries;
    sampler->size = size;
    return true;
}

/* The table with one more entry at most half full. */
static bool grow_slots(struct oxp_sampler *sampler) {
    if (sampler->count < sampler->slot_count / 2) {
        return true;
    }
    size_t slot_count = sampler->slot_count == 0 ? FIRST_SLOTS : 2 * sampler->slot_count;
    uint32_t *slots = calloc(slot_count, sizeof *slots);
    if (slots == NULL) {
        return false;
    }
    free(sampler->slots);
    sampler->slots = slots;
    sampler->slot_count = slot_count;
    for (size_t i = 0; i < sampler->count; i++) {
        *slot_of(sampler, sampler->entries[i].series) = (uint32_t)i + 1;
    }
    return true;
}

static struct entry *add_entry(struct oxp_sampler *sampler, const struct oxp_sample *sample) {
    struct entry entry = {.series = sample->series, .created_s = -1};
    size_t count = oxp_naming_count(sample->spec);
    if (!grow_entries(sampler) || !grow_slots(sampler)) {
        return NULL;
    }
    entry.count = entry.missing = (uint16_t)count;
    if (entry.count != 1) {
        entry.handle.many = calloc(entry.count, sizeof(void *));
        if (entry.handle.many == NULL) {
            return NULL;
        }
    }
    *slot_of(sampler, sample->series) = (uint32_t)sampler->count + 1;
    sampler->entries[sampler->count] = entry;
    return &sampler->entries[sampler->count++];
}

/* NULL without memory. */
static struct entry *entry_of(struct tick *tick, const struct oxp_sample *sample) {
    struct oxp_sampler *sampler = tick->sampler;
    struct entry *entry = NULL;
    if (tick->next < sampler->count && sampler->entries[tick->next].series == sample->series) {
        entry = &sampler->entries[tick->next];
    } else {
        uint32_t index = sampler->slot_count == 0 ? 0 : *slot_of(sampler, sample->series);
        entry = index != 0 ? &sampler->entries[index - 1] : add_entry(sampler, sample);
    }
    tick->next = entry == NULL ? tick->next : (size_t)(entry - sampler->entries) + 1;
    return entry;
}

/* ---- Handles ---- */

static void note_failure(struct tick *tick, enum oxp_status status) {
    if (status == OXP_ERR_NOMEM && tick->status == OXP_OK) {
        tick->status = status;
    }
}

/* Gets or makes a series and holds it; NULL when there is no room. */
static struct oxp_tsdb_series *hold(struct tick *tick, const struct oxp_labels *labels) {
    struct oxp_tsdb_series *series = NULL;
    struct oxp_sampler *sampler = tick->sampler;
    enum oxp_status status = labels == NULL ? OXP_ERR_NOMEM : oxp_tsdb_series_at(sampler->tsdb, labels, &series);
    if (status != OXP_OK) {
        note_failure(tick, status);
        return NULL;
    }
    oxp_tsdb_hold(series);
    return series;
}

/* Gets the handles that are missing. */
static void find_handles(struct tick *tick, struct entry *entry, const struct oxp_sample *sample) {
    struct oxp_sampler *sampler = tick->sampler;
    struct oxp_arena *arena = &sampler->scratch;
    struct oxp_tsdb_series **handles = handles_of(entry);
    oxp_arena_clear(arena);
    const struct oxp_labels *base = oxp_naming_base(&sampler->naming, arena, sample->labels);
    for (uint32_t i = 0; i < entry->count; i++) {
        if (handles[i] == NULL) {
            handles[i] =
                hold(tick, base == NULL ? NULL : oxp_naming_series(&sampler->naming, arena, base, sample->spec, i));
            if (handles[i] != NULL) {
                entry->missing--;
                tick->out->added++;
            }
        }
    }
}

/* ---- Samples ---- */

/* One sample to the handle at `i`. A series that got no sample ever is let go: its labels need room, too. */
static void append(struct tick *tick, struct entry *entry, size_t i, double value) {
    struct oxp_tsdb_series **handle = &handles_of(entry)[i];
    value = value == value ? value : (double)NAN; /* one NaN: none may look like a stale marker */
    enum oxp_status status =
        *handle == NULL ? OXP_ERR_FULL : oxp_tsdb_append(tick->sampler->tsdb, *handle, tick->time_ms, value);
    tick->out->samples++;
    if (status >= 0) {
        return;
    }
    tick->out->refused++;
    note_failure(tick, status);
    int64_t time_ms;
    double last;
    if (*handle != NULL && status != OXP_ERR_RANGE && !oxp_tsdb_last(*handle, &time_ms, &last)) {
        oxp_tsdb_release(*handle);
        *handle = NULL;
        entry->missing++;
    }
}

/* A counter that is new, or that began anew, was 0 when it was made. */
static void append_zeros(struct tick *tick, struct entry *entry, double created_s) {
    if (!(created_s * 1000 > (double)tick->after_ms)) {
        return;
    }
    int64_t created_ms = created_s * 1000 < (double)tick->time_ms ? (int64_t)(created_s * 1000) : tick->time_ms - 1;
    struct oxp_tsdb_series **handles = handles_of(entry);
    for (uint32_t i = 0; i < entry->count; i++) {
        if (handles[i] != NULL) { /* one that the short memory already has past that time is refused, rightly */
            note_failure(tick, oxp_tsdb_append(tick->sampler->tsdb, handles[i], created_ms, 0));
        }
    }
}

static bool make_room(struct oxp_sampler *sampler, size_t buckets) {
    if (buckets > sampler->bucket_size) {
        size_t size = buckets < FIRST_BUCKETS ? FIRST_BUCKETS : buckets;
        uint64_t *bigger = realloc(sampler->buckets, size * sizeof *bigger);
        if (bigger == NULL) {
            return false;
        }
        sampler->buckets = bigger;
        sampler->bucket_size = size;
    }
    return true;
}

static void append_histogram(struct tick *tick, struct entry *entry, const struct oxp_sample *sample) {
    struct oxp_sampler *sampler = tick->sampler;
    size_t buckets = sample->spec->bound_count + 1;
    if (!make_room(sampler, buckets)) {
        note_failure(tick, OXP_ERR_NOMEM);
        tick->out->samples += entry->count;
        tick->out->refused += entry->count;
        return;
    }
    uint64_t count = oxp_sample_buckets(sample, sampler->buckets), below = 0;
    for (size_t i = 0; i < buckets; i++) {
        below += sampler->buckets[i];
        append(tick, entry, i, (double)below);
    }
    append(tick, entry, buckets, sample->sum);
    append(tick, entry, buckets + 1, (double)count);
}

/* ---- Exemplars ---- */

/* The bucket's exemplar was not there at the last tick: it goes into the store. */
static void keep_exemplar(struct tick *tick, const struct oxp_sample *sample, size_t bucket,
                          const struct oxp_exemplar *exemplar, double now_s) {
    struct oxp_sampler *sampler = tick->sampler;
    struct oxp_arena *arena = &sampler->scratch;
    oxp_arena_clear(arena);
    const struct oxp_labels *base = oxp_naming_base(&sampler->naming, arena, sample->labels);
    const struct oxp_labels *series =
        base == NULL ? NULL : oxp_naming_series(&sampler->naming, arena, base, sample->spec, bucket);
    const struct oxp_labels *labels = oxp_naming_parse(arena, oxp_view_of(exemplar->labels, exemplar->labels_len));
    double time_s = exemplar->time_s > -1e15 && exemplar->time_s < 1e15 ? exemplar->time_s : now_s;
    note_failure(tick, series == NULL || labels == NULL ? OXP_ERR_NOMEM
                                                        : oxp_exemplars_add(sampler->exemplars, series, labels,
                                                                            (int64_t)(time_s * 1000), exemplar->value));
}

static void look_for_exemplars(struct tick *tick, struct entry *entry, const struct oxp_sample *sample, double now_s) {
    size_t buckets = sample->spec->type == OXP_HISTOGRAM ? sample->spec->bound_count + 1 : 1;
    struct oxp_exemplar exemplar;
    for (size_t i = 0; i < buckets; i++) {
        if (!oxp_sample_exemplar(sample, i, &exemplar)) {
            continue;
        }
        if (entry->exemplars == NULL && (entry->exemplars = calloc(buckets, sizeof *entry->exemplars)) == NULL) {
            note_failure(tick, OXP_ERR_NOMEM);
            return;
        }
        uint64_t hash = oxp_hash(&exemplar.value, sizeof exemplar.value, 1);
        hash = oxp_hash(&exemplar.time_s, sizeof exemplar.time_s, hash);
        hash = oxp_hash(exemplar.labels, exemplar.labels_len, hash) | 1; /* 0 = none yet */
        if (entry->exemplars[i] != hash) {
            entry->exemplars[i] = hash;
            keep_exemplar(tick, sample, i, &exemplar, now_s);
        }
    }
}

/* ---- A tick ---- */

static void take(struct tick *tick, const struct oxp_sample *sample, double now_s) {
    struct oxp_sampler *sampler = tick->sampler;
    struct entry *entry = entry_of(tick, sample);
    if (entry == NULL) {
        size_t count = oxp_naming_count(sample->spec);
        note_failure(tick, OXP_ERR_NOMEM);
        tick->out->samples += count;
        tick->out->refused += count;
        return;
    }
    tick->seen++;
    tick->again += entry->tick == (uint32_t)(sampler->ticks - 1);
    entry->tick = (uint32_t)sampler->ticks;
    if (entry->missing != 0) {
        find_handles(tick, entry, sample);
    }
    bool counts = sample->spec->type != OXP_GAUGE && sample->spec->type != OXP_GAUGE_AGE;
    if (counts && sample->created_s != entry->created_s) {
        entry->created_s = sample->created_s;
        append_zeros(tick, entry, sample->created_s);
    }
    if (sample->spec->type == OXP_HISTOGRAM) {
        append_histogram(tick, entry, sample);
    } else {
        append(tick, entry, 0, sample->value);
    }
    if (counts && sampler->exemplars != NULL) {
        look_for_exemplars(tick, entry, sample, now_s);
    }
}

static void walk(struct tick *tick, double now_s) {
    struct oxp_snapshot snapshot;
    const struct oxp_family_spec *spec = NULL;
    struct oxp_sample sample;
    oxp_snapshot_begin(&snapshot, tick->sampler->registry, now_s);
    while (oxp_snapshot_family(&snapshot, &spec) == OXP_OK) {
        while (oxp_snapshot_next(&snapshot, &sample) == OXP_OK) {
            take(tick, &sample, now_s);
        }
    }
}

/* Live entries that this tick did not see. */
static void end_hidden(struct tick *tick) {
    struct oxp_sampler *sampler = tick->sampler;
    for (size_t i = 0; i < sampler->count; i++) {
        struct entry *entry = &sampler->entries[i];
        if (entry->tick != (uint32_t)sampler->ticks && entry->missing != entry->count) {
            tick->out->stale += let_go(sampler, entry, &tick->time_ms);
        }
    }
}

/* By rules: their names are those that the data model leaves to rules (prometheus.io/docs/concepts/data_model). */
static bool is_recorded(const struct oxp_labels *labels) {
    const struct oxp_symbol *name = oxp_labels_name(labels);
    if (name == NULL) {
        return false;
    }
    struct oxp_view text = oxp_symbol_view(name);
    return memchr(text.ptr, ':', text.len) != NULL || oxp_view_equal(text, OXP_VIEW("ALERTS")) ||
           oxp_view_equal(text, OXP_VIEW("ALERTS_FOR_STATE"));
}

struct ending {
    struct tick *tick;
    const struct oxp_tsdb_reader *reader;
};

/* Ends one series if nobody has continued it. */
static void end_series(void *ctx, const struct oxp_tsdb_found *found) {
    const struct ending *ending = ctx;
    struct tick *tick = ending->tick;
    struct oxp_tsdb *tsdb = tick->sampler->tsdb;
    struct oxp_tsdb_series *series = NULL;
    int64_t time_ms = 0;
    double value = 0;
    if (oxp_tsdb_newest(ending->reader, found->series, INT64_MIN, tick->time_ms, &time_ms, &value) &&
        time_ms < tick->time_ms && !oxp_is_stale(value) && !is_recorded(found->labels) &&
        oxp_tsdb_series_at(tsdb, found->labels, &series) == OXP_OK) {
        tick->out->stale += oxp_tsdb_append(tsdb, series, tick->time_ms, oxp_stale_value()) == OXP_OK;
    }
}

/* What a file brought with these labels and nobody continues. */
static enum oxp_status end_target(struct tick *tick, const struct oxp_tsdb_reader *reader,
                                  const struct oxp_labels *target, struct oxp_arena *arena) {
    struct oxp_matcher matchers[OXP_LABELS_LIMIT];
    struct ending ending = {tick, reader};
    for (size_t i = 0; i < target->count; i++) {
        matchers[i] =
            (struct oxp_matcher){.op = OXP_MATCH_EQUAL, .name = target->label[i].name, .value = target->label[i].value};
    }
    return oxp_tsdb_visit(reader, matchers, target->count, arena,
                          &(struct oxp_tsdb_visitor){.visit = end_series, .ctx = &ending});
}

/* The labels of a former run, by its series `up`; NULL when it is none, or without memory. */
static const struct oxp_labels *former_target(const struct oxp_labels *up, struct oxp_arena *arena) {
    struct oxp_labels_builder builder;
    if (oxp_labels_find(up, OXP_VIEW("job")) == NULL || oxp_labels_find(up, OXP_VIEW("instance")) == NULL) {
        return NULL;
    }
    oxp_labels_build(&builder, arena, up);
    oxp_labels_remove(&builder, OXP_VIEW(OXP_NAME_LABEL));
    return oxp_labels_finish(&builder);
}

/* At the first tick: what a file brought and nobody continues, of this target and of those that it was before (another
 * host's name, a container made anew): each left its `up`. */
static void end_loaded(struct tick *tick) {
    struct oxp_sampler *sampler = tick->sampler;
    struct oxp_arena *arena = &sampler->scratch;
    struct oxp_tsdb_reader reader;
    struct oxp_tsdb_found *found = NULL;
    size_t count = 0;
    if (oxp_tsdb_read(sampler->tsdb, &reader) != OXP_OK) {
        return; /* they end by the lookback instead */
    }
    oxp_arena_clear(arena);
    const struct oxp_matcher up = {.op = OXP_MATCH_EQUAL,
                                   .name = sampler->naming.name,
                                   .value = oxp_symbol_new(arena, oxp_view_from(meta_names[META_UP]))};
    enum oxp_status status = oxp_arena_status(arena);
    status = status == OXP_OK ? oxp_tsdb_select(&reader, &up, 1, INT64_MIN, INT64_MAX, arena, &found, &count) : status;
    for (size_t i = 0; status == OXP_OK && i < count; i++) {
        int64_t time_ms = 0;
        double value = 0;
        bool there = oxp_tsdb_newest(&reader, found[i].series, INT64_MIN, INT64_MAX, &time_ms, &value);
        const struct oxp_labels *target = there && !oxp_is_stale(value) ? former_target(found[i].labels, arena) : NULL;
        status = target == NULL ? oxp_arena_status(arena) : end_target(tick, &reader, target, arena);
    }
    note_failure(tick, status);
    oxp_tsdb_close(&reader);
}

static void append_metas(struct tick *tick) {
    struct oxp_sampler *sampler = tick->sampler;
    const struct oxp_sampler_tick *out = tick->out;
    const double values[METAS] = {[META_UP] = 1,
                                  [META_DURATION] = out->seconds,
                                  [META_SAMPLES] = (double)out->samples,
                                  [META_KEPT] = (double)out->samples,
                                  [META_ADDED] = (double)out->added};
    struct oxp_sampler_tick ignored = {0};
    struct tick meta = {.sampler = sampler, .time_ms = tick->time_ms, .out = &ignored};
    struct oxp_tsdb_series **handles = sampler->self.handle.many;
    for (size_t i = 0; i < METAS; i++) {
        if (handles[i] == NULL) {
            oxp_arena_clear(&sampler->scratch);
            handles[i] = hold(&meta, oxp_naming_meta(&sampler->naming, &sampler->scratch, meta_names[i]));
            if (handles[i] != NULL) {
                sampler->self.missing--;
            }
        }
        append(&meta, &sampler->self, i, values[i]);
    }
    tick->out->refused += ignored.refused;
    note_failure(tick, meta.status);
}

/* ---- When ---- */

int64_t oxp_sampler_patience_ms(int64_t interval_ms) {
    const int64_t minute_ms = 60000;
    return interval_ms > minute_ms / 2 ? 2 * interval_ms : minute_ms;
}

/* The clock was set back. A counter that was made, or began anew, in the time that is forgotten now is as new at this
 * tick: it was 0 just before. */
static void go_back(struct tick *tick) {
    struct oxp_sampler *sampler = tick->sampler;
    oxp_tsdb_forget_after(sampler->tsdb, tick->time_ms - 1);
    for (size_t i = 0; i < sampler->count; i++) {
        struct entry *entry = &sampler->entries[i];
        if (entry->created_s * 1000 >= (double)tick->time_ms) {
            entry->created_s = -1;
        }
    }
}

/* Where the first tick stands to what a file brought. */
static void place_first(struct tick *tick) {
    struct oxp_tsdb_stats stats;
    oxp_tsdb_stats(tick->sampler->tsdb, &stats);
    tick->after_ms = tick->time_ms - stats.retention_ms;
    tick->after_file = stats.samples != 0;
    if (stats.samples != 0 && stats.newest_ms >= tick->time_ms) { /* set back since it was read */
        tick->out->gap_ms = tick->time_ms - stats.newest_ms - 1;
        go_back(tick);
    }
}

/* Where another tick stands to the last one. False: it is not to be. */
static bool place(struct tick *tick) {
    const struct oxp_sampler *sampler = tick->sampler;
    int64_t interval_ms = sampler->interval_ms, passed_ms = tick->time_ms - sampler->last_ms;
    if (passed_ms <= 0 && passed_ms >= -oxp_sampler_patience_ms(interval_ms)) {
        return false;
    }
    tick->out->gap_ms = interval_ms > 0 || passed_ms < 0 ? passed_ms - interval_ms : 0;
    tick->after_ms = sampler->last_ms;
    if (passed_ms < 0) {
        tick->after_ms = tick->time_ms - (interval_ms > 0 ? interval_ms : 1);
        go_back(tick);
    }
    return true;
}

enum oxp_status oxp_sampler_tick(struct oxp_sampler *sampler, int64_t time_ms, double now_s,
                                 struct oxp_sampler_tick *tick_out) {
    *tick_out = (struct oxp_sampler_tick){0};
    struct oxp_mono began = oxp_clock_mono(sampler->clock);
    struct tick tick = {.sampler = sampler, .time_ms = time_ms, .out = tick_out};
    if (sampler->ticks == 0) {
        place_first(&tick);
    } else if (!place(&tick)) {
        return OXP_IGNORED;
    }
    sampler->ticks++;
    walk(&tick, now_s);
    if (tick.again < sampler->live) {
        end_hidden(&tick);
    }
    sampler->live = tick.seen;
    tick_out->seconds = (double)(oxp_clock_mono(sampler->clock).ns - began.ns) / 1e9;
    append_metas(&tick);
    if (tick.after_file) {
        end_loaded(&tick);
    }
    if (sampler->ticks == 1) {
        oxp_arena_fini(&sampler->scratch); /* it has grown to hold all label sets at once */
    }
    sampler->last_ms = time_ms;
    tick_out->cut = oxp_tsdb_trim(sampler->tsdb, time_ms);
    return tick.status;
}
