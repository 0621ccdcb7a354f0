/* Metrics: families declared from a table, series found by label values, and handles that cost an atomic add.
 *
 * A registry holds families; a family holds series; a series holds one number (counter, gauge) or the buckets of a
 * histogram. Declare every family with a `struct oxp_family_spec` (static data; the registry keeps the pointer), then
 * get handles:
 *
 *     struct oxp_counter started = oxp_counter(oxp_family_at(family, OXP_VIEW("us-east-1")));
 *     oxp_counter_add(started, 1);
 *
 * Handles stay valid as long as the registry and may be used from any thread, without locks. Values are atomics;
 * families and series are only ever added, so that readers (exposition.h, the short memory) walk them without a lock
 * and without a copy.
 *
 * Rules that the registry keeps (domain catalogue, section 4):
 * - A label with a closed set of values is enumerated: its series exist at 0 from the start. A label with open values
 * has a bound; the first sight of an open value creates the series for every value of its closed siblings.
 * - A new open value past its bound becomes "other"; a new series past the family's or the registry's cap goes into the
 *   overflow series, whose open labels are all "other". Each such update counts as dropped.
 * - A series can be hidden (an absent gauge) and shown again; it keeps its place and its handle. */
#ifndef OXPECKER_METRICS_H
#define OXPECKER_METRICS_H

#include <oxpecker/api.h>
#include <oxpecker/status.h>
#include <oxpecker/view.h>
#ifndef __cplusplus
#include <stdatomic.h>
#endif
#include <stdint.h>

OXP_BEGIN_DECLS

#define OXP_LABELS_MAX 8        /* labels of one family */
#define OXP_EXEMPLAR_MAX 128    /* code points of all names and values of an exemplar (OpenMetrics 1.0) */
#define OXP_LABEL_VALUE_MAX 200 /* bytes of a label value; a longer one is cut at a character */

enum oxp_metric_type {
    OXP_COUNTER,       /* whole numbers, uint64 */
    OXP_COUNTER_FLOAT, /* seconds, ratios: double */
    OXP_GAUGE,         /* double */
    OXP_GAUGE_AGE,     /* holds a unix time in seconds (0 = none); reads as the time since then, 0 or more */
    OXP_HISTOGRAM,
};

enum oxp_family_flags {
    OXP_FAMILY_ABSENT = 1 << 0, /* series start hidden; the first set or add through oxp_gauge_* shows them */
    OXP_FAMILY_LAZY = 1 << 1,   /* no series is made before it is asked for, closed sets included */
};

struct oxp_label_spec {
    const char *key;
    const char *const *values; /* closed set, NULL-terminated; NULL = open values */
    unsigned bound;            /* open values: most distinct ones, "other" included; 0 = no bound of its own */
};

struct oxp_family_spec {
    const char *name; /* full name of its samples; counters end in "_total" */
    const char *help;
    const char *unit; /* "seconds", "bytes", "ratio" or NULL; # UNIT is written only where the family name ends in it */
    enum oxp_metric_type type;
    unsigned flags;                               /* enum oxp_family_flags */
    struct oxp_label_spec labels[OXP_LABELS_MAX]; /* ends at the first NULL key */
    const double *bounds;                         /* histograms: upper bounds, ascending, without +Inf */
    size_t bound_count;
    unsigned max_series; /* 0 = the registry's series_per_family */
};

struct oxp_registry_options {
    size_t series;              /* cap over all families; 0 = 100,000. A histogram counts as one. */
    size_t series_per_family;   /* 0 = 10,000 */
    double (*now_s)(void *ctx); /* unix time for created times; NULL = the system's */
    /* Called, under the family's lock (so it may not make series of that family), once for each lookup that a bound or
     * a cap folded away, with the label that would not fit and the value it had. May be NULL. */
    void (*on_drop)(void *ctx, const char *family, const char *label_key, struct oxp_view label_value);
    void *ctx;
};

struct oxp_registry;
struct oxp_family;
struct oxp_series;

/* An empty registry; free with oxp_registry_free when no thread uses it or its handles any more. OXP_ERR_NOMEM. */
enum oxp_status oxp_registry_new(const struct oxp_registry_options *options, struct oxp_registry **registry_out);
void oxp_registry_free(struct oxp_registry *registry);
/* Adds a family (any thread) and pre-creates its series. OXP_ERR_EXISTS when the name (or, for a histogram, one of its
 * sample names) is taken, OXP_ERR_INVALID for a bad name, label, bound or type, OXP_ERR_NOMEM. */
enum oxp_status oxp_registry_add(struct oxp_registry *registry, const struct oxp_family_spec *spec,
                                 struct oxp_family **family_out);
/* The family whose spec has this name, or NULL. Any thread. */
struct oxp_family *oxp_registry_find(struct oxp_registry *registry, struct oxp_view name);
const struct oxp_family_spec *oxp_family_spec_of(const struct oxp_family *family);
/* Series that are visible now, counted as exposed metrics (a histogram is one). Any thread. */
size_t oxp_registry_series(const struct oxp_registry *registry);

/* Gets or makes the series with these label values, one for each label of the spec in its order. Any thread; without a
 * lock when the series exists. Never NULL: OXP_OVERFLOW gives the overflow series; OXP_ERR_NOMEM gives a sink that
 * nobody reads; OXP_ERR_INVALID (also the sink): a value outside a closed set. Invalid UTF-8 is replaced by U+FFFD. */
enum oxp_status oxp_family_series(struct oxp_family *family, const struct oxp_view *values,
                                  struct oxp_series **series_out);
/* The same for zero to three labels, without the status. */
struct oxp_series *oxp_family_only(struct oxp_family *family);
struct oxp_series *oxp_family_at(struct oxp_family *family, struct oxp_view a);
struct oxp_series *oxp_family_at2(struct oxp_family *family, struct oxp_view a, struct oxp_view b);
struct oxp_series *oxp_family_at3(struct oxp_family *family, struct oxp_view a, struct oxp_view b, struct oxp_view c);

/* Hides a series from every reader, or shows it again. Any thread. */
void oxp_series_hide(struct oxp_series *series);
void oxp_series_show(struct oxp_series *series);
/* Hides every series of a family whose label `key` has this value (an info gauge that is replaced, a breaker that
 * went). */
void oxp_family_hide_where(struct oxp_family *family, const char *key, struct oxp_view value);
void oxp_family_hide_all(struct oxp_family *family);

/* Handles: plain values, made from a series of the right type (a series of another type gives a sink). */
#ifdef __cplusplus /* has no _Atomic; the function below is the one that C has, too */
struct oxp_counter {
    uint64_t *cell;
};
struct oxp_counter oxp_counter(struct oxp_series *series);
static inline void oxp_counter_add(struct oxp_counter counter, uint64_t n) {
    __atomic_fetch_add(counter.cell, n, __ATOMIC_RELAXED);
}
#else
struct oxp_counter {
    _Atomic uint64_t *cell;
};
struct oxp_counter oxp_counter(struct oxp_series *series);
static inline void oxp_counter_add(struct oxp_counter counter, uint64_t n) {
    atomic_fetch_add_explicit(counter.cell, n, memory_order_relaxed);
}
#endif

/* OXP_COUNTER_FLOAT; `amount` < 0 or NaN is ignored. */
void oxp_series_count(struct oxp_series *series, double amount);
/* OXP_GAUGE, OXP_GAUGE_AGE. Setting shows a hidden series. */
void oxp_gauge_set(struct oxp_series *series, double value);
void oxp_gauge_add(struct oxp_series *series, double amount);
/* OXP_HISTOGRAM; NaN is ignored. The bucket is the first whose bound is >= value (le is inclusive). */
void oxp_histogram_observe(struct oxp_series *series, double value);

/* The number of a counter or gauge as it would be exposed at unix time `now_s`; a histogram gives its count. Any
 * thread. */
double oxp_series_value(const struct oxp_series *series, double now_s);
double oxp_histogram_sum(const struct oxp_series *series);

/* Label pairs for the next exemplar of a counter, or of the bucket that holds `value`; value and unix time are kept
 * with it. `labels` holds `count` alternating names and values (count is even). One that is longer than
 * OXP_EXEMPLAR_MAX, or than struct oxp_exemplar holds, is not kept; nor is one with a name that is no label name or
 * comes twice, with a value that is not UTF-8, or that meets another just being written. Exemplars cost memory only
 * once one is set. Any thread. */
void oxp_series_exemplar(struct oxp_series *series, double value, double time_s, const struct oxp_view *labels,
                         size_t count);

/* Restoring after a clean stop, before anyone reads: sets a counter, or a histogram's buckets (not cumulative,
 * bound_count + 1 of them, +Inf last) and sum, and the created time. OXP_ERR_INVALID when the type or the number of
 * buckets does not match. */
enum oxp_status oxp_series_restore_counter(struct oxp_series *series, double value, double created_s);
enum oxp_status oxp_series_restore_histogram(struct oxp_series *series, const uint64_t *buckets, size_t count,
                                             double sum, double created_s);
/* Sets the created time of every series made so far (a test, or a restart after a crash). */
void oxp_registry_set_created(struct oxp_registry *registry, double created_s);

/* ---- Reading: the snapshot. Walks families in the order they were added and series in the order they were made. ----
 * A snapshot fixes what exists (series added later are not seen) and the time; values are read as the walk passes. It
 * holds no memory and needs no release; plain data owned by one thread. */
struct oxp_snapshot {
    const struct oxp_registry *registry;
    double now_s;
    uint32_t made; /* the newest series that it sees */
    /* the position */
    size_t family_index, family_count;
    const struct oxp_family *family;
    const void *chunk;
    size_t offset, limit;
};

struct oxp_sample {
    const struct oxp_family_spec *spec;
    const struct oxp_series *series;
    /* The label pairs as they stand between the braces, escaped for exposition (`a="b",c="d"`); empty when there are
     * none. */
    struct oxp_view labels;
    double value; /* counter, gauge; a histogram's count */
    double sum;   /* histogram */
    bool whole;   /* the value is a whole number below 2^64, and stands in `whole_value` */
    uint64_t whole_value;
    double created_s; /* unix time; counters and histograms */
};

struct oxp_exemplar {
    double value;
    double time_s;
    size_t labels_len;
    char labels[320]; /* pairs as between the braces, escaped */
};

void oxp_snapshot_begin(struct oxp_snapshot *snapshot, const struct oxp_registry *registry, double now_s);
/* Moves to the next family that has a visible series or none: OXP_OK and its spec, or OXP_END. */
enum oxp_status oxp_snapshot_family(struct oxp_snapshot *snapshot, const struct oxp_family_spec **spec_out);
/* The next visible series of the current family: OXP_OK, or OXP_END. */
enum oxp_status oxp_snapshot_next(struct oxp_snapshot *snapshot, struct oxp_sample *sample_out);
/* The buckets of a histogram sample, not cumulative, read once: fills spec->bound_count + 1 counts and returns their
 * sum, which is the histogram's count. */
uint64_t oxp_sample_buckets(const struct oxp_sample *sample, uint64_t *buckets_out);
/* The exemplar of a counter (bucket 0) or of a histogram's bucket; false when there is none. */
bool oxp_sample_exemplar(const struct oxp_sample *sample, size_t bucket, struct oxp_exemplar *exemplar_out);

OXP_END_DECLS

#endif
