/* What the files of lib/metrics share: how series lie in memory, and who may touch what.
 *
 * A family owns a chain of chunks. A chunk is filled from its start with series; a series is a header, for histograms
 * its buckets, and the escaped text of its labels, padded to OXP_SERIES_ALIGN. Nothing is ever moved or taken away, so
 * a pointer to a series is good until the registry is freed.
 *
 * Who writes: everything that adds (chunks, series, tables, the sets of seen values) happens under the family's lock.
 * Who reads: anyone, without a lock. A series is complete before it is published, twice and by release stores: by the
 * `used` of its chunk (for walks) and by a slot of the lookup table (for lookups). Readers load those with acquire.
 *
 * Lookup: an open-addressing table of slots; a slot is the address of a series with four bits of its hash in the bits
 * that the alignment leaves free, so that a probe past a stranger seldom touches it. A table that is full is replaced
 * by one twice as big; the old one stays readable until the registry is freed, and whoever misses in it asks again
 * under the lock. All old tables together are no bigger than the present one. */
#ifndef OXP_METRICS_INTERNAL_H
#define OXP_METRICS_INTERNAL_H

#include "lib/base/map.h"
#include "lib/base/number.h"
#include <oxpecker/metrics.h>
#include <pthread.h>

#define OXP_SERIES_ALIGN 16
#define OXP_CHUNK_FIRST 256   /* bytes of a family's first chunk; doubles up to OXP_CHUNK_MOST */
#define OXP_CHUNK_MOST 65536  /* bytes */
#define OXP_BUCKETS_MAX 512   /* of one histogram, +Inf included */
#define OXP_LABEL_KEY_MAX 200 /* bytes */

/* The type of the family that the sink belongs to: no operation is for it. */
#define OXP_TYPE_SINK ((enum oxp_metric_type)(OXP_HISTOGRAM + 1))

struct oxp_exemplars; /* exemplar.c */

struct oxp_series {
    _Atomic uint64_t cell;    /* OXP_COUNTER: the count; others: the bits of a double (a histogram's sum) */
    _Atomic uint64_t created; /* bits of a double: unix seconds */
    _Atomic(struct oxp_exemplars *) exemplars; /* NULL until the first one */
    struct oxp_family *family;
    uint32_t hash;
    uint32_t seq;        /* when it was made: counts up over the whole registry */
    uint16_t labels_at;  /* offset of the label text */
    uint16_t labels_len; /* bytes */
    atomic_bool visible;
    bool escaped; /* the label text holds a backslash */
};

struct oxp_chunk {
    _Atomic(struct oxp_chunk *) next;
    size_t size;         /* bytes of data */
    _Atomic size_t used; /* bytes of data that hold complete series */
    _Alignas(OXP_SERIES_ALIGN) unsigned char data[];
};

struct oxp_table {
    struct oxp_table *older; /* what this one replaced */
    size_t slots;            /* a power of two */
    _Atomic uintptr_t slot[];
};

struct oxp_label {
    struct oxp_view prefix; /* `key="` for the first label, `",key="` for the others */
    size_t closed;          /* number of values of a closed set; 0 = open */
    unsigned bound;         /* 0 = none, and then `seen` stays empty */
    struct oxp_map seen;    /* value -> struct oxp_seen, "other" left out; under the lock */
};

struct oxp_seen {
    size_t len;
    char text[];
};

struct oxp_family {
    /* constant once the family is in the registry */
    const struct oxp_family_spec *spec;
    struct oxp_registry *registry;
    enum oxp_metric_type type;
    uint32_t bound_count;
    const double *bounds;
    unsigned label_count;
    bool has_open;
    uint64_t seed;
    size_t group; /* series that are made together: the combinations of the closed labels; 1 when lazy */
    size_t cap;   /* most series of this family, the overflow group included */
    char *text;   /* owned: the prefixes */
    char *names;  /* owned: sample names other than the spec's, one after the other, each with a NUL */
    /* read by anyone */
    _Atomic(struct oxp_family *) next;
    _Atomic(struct oxp_table *) table;
    _Atomic(struct oxp_chunk *) first;
    /* under the lock */
    pthread_mutex_t lock;
    struct oxp_chunk *last;
    size_t count;    /* series made */
    size_t overflow; /* of them, in overflow groups */
    /* constant, but for what their own comments say */
    struct oxp_label labels[]; /* label_count */
};

struct oxp_registry {
    size_t cap, family_cap;
    double (*now_s)(void *ctx);
    void (*on_drop)(void *ctx, const char *family, const char *label_key, struct oxp_view label_value);
    void *ctx;
    _Atomic size_t taken;        /* places under the cap that are made or promised */
    _Atomic size_t visible;      /* series */
    _Atomic uint32_t made;       /* the newest seq */
    _Atomic size_t family_count; /* grows after the family is linked */
    _Atomic(struct oxp_family *) first;
    pthread_mutex_t lock; /* for what follows, and for adding families */
    struct oxp_family *last;
    struct oxp_map names; /* every name that a family's samples or its OpenMetrics family take -> family */
};

static inline double oxp_cell_double(const _Atomic uint64_t *cell) {
    return oxp_bits_double(atomic_load_explicit(cell, memory_order_relaxed));
}

static inline const char *oxp_series_labels(const struct oxp_series *series) {
    return (const char *)series + series->labels_at;
}

static inline size_t oxp_series_size(const struct oxp_series *series) {
    return ((size_t)series->labels_at + series->labels_len + OXP_SERIES_ALIGN - 1) & ~(size_t)(OXP_SERIES_ALIGN - 1);
}

/* A histogram's buckets, not cumulative: bound_count + 1 of them. They stand behind the header. */
static inline _Atomic uint64_t *oxp_series_buckets(const struct oxp_series *series) {
    return (_Atomic uint64_t *)(uintptr_t)(series + 1);
}

/* The series that takes what must not fail and that nobody reads; shared by all registries. */
struct oxp_series *oxp_series_sink(void);

/* A walk over a family's series, hidden ones included, in the order they were made. Start with a zeroed struct and
 * `family` set; NULL at the end. */
struct oxp_walk {
    const struct oxp_family *family;
    const struct oxp_chunk *chunk;
    size_t offset, limit;
};
struct oxp_series *oxp_walk_next(struct oxp_walk *walk);

/* spec.c: OXP_OK or OXP_ERR_INVALID. Pure. */
enum oxp_status oxp_spec_check(const struct oxp_family_spec *spec);
/* [a-zA-Z_][a-zA-Z0-9_]*, and a colon too when `colon`. */
bool oxp_spec_is_name(struct oxp_view name, bool colon);
unsigned oxp_spec_label_count(const struct oxp_family_spec *spec);
/* How many values a closed label has; 0 = open. */
size_t oxp_spec_closed_count(const struct oxp_label_spec *label);
/* The combinations of the closed labels' values; 1 when there is no closed label; SIZE_MAX when it is no sane number.
 */
size_t oxp_spec_combinations(const struct oxp_family_spec *spec);

/* labels.c */
/* Splits a hash over the values in their order. */
uint32_t oxp_values_hash(const struct oxp_family *family, const struct oxp_view *values);
/* True when the series has these (raw) values. */
bool oxp_labels_match(const struct oxp_series *series, const struct oxp_view *values);
/* The value as it is kept: valid UTF-8 (bad bytes become U+FFFD) and at most OXP_LABEL_VALUE_MAX bytes. Points into
 * `value` or into `room`. */
struct oxp_view oxp_label_normal(struct oxp_view value, char room[OXP_LABEL_VALUE_MAX]);
/* Bytes of a value once it is escaped for exposition, and the escaping; returns the end of what was written. */
size_t oxp_label_escaped_len(struct oxp_view value);
char *oxp_label_escape(char *to, struct oxp_view value);
/* Bytes of the whole label text, and the writing of it. */
size_t oxp_labels_len(const struct oxp_family *family, const struct oxp_view *values);
void oxp_labels_write(const struct oxp_family *family, const struct oxp_view *values, char *to);
/* The escaped value of the label at `index`. */
struct oxp_view oxp_labels_value(const struct oxp_series *series, unsigned index);

/* table.c */
struct oxp_series *oxp_table_find(const struct oxp_family *family, const struct oxp_view *values, uint32_t hash);
/* Makes room for one more series: OXP_OK or OXP_ERR_NOMEM. */
enum oxp_status oxp_table_reserve_locked(struct oxp_family *family);
/* Publishes a complete series; there must be room. */
void oxp_table_insert_locked(struct oxp_family *family, struct oxp_series *series);
void oxp_table_free(struct oxp_table *table);

/* family.c */
/* Makes every combination of closed values with the open ones of `values` that is missing; for a family without open
 * labels `values` may be NULL. OXP_OK or OXP_ERR_NOMEM, and then some may be missing. */
enum oxp_status oxp_family_fill_locked(struct oxp_family *family, const struct oxp_view *values);
void oxp_family_free(struct oxp_family *family);

/* exemplar.c */
void oxp_series_drop_exemplars(struct oxp_series *series);

/* series.c */
size_t oxp_histogram_bucket(const struct oxp_family *family, double value);

#endif
