/* What one series can do: its handles, being hidden and shown, and being restored. */
#include "lib/metrics/internal.h"

#include <math.h>

static const struct oxp_family_spec sink_spec = {.name = "sink", .help = "", .type = OXP_TYPE_SINK};
static struct oxp_family sink_family = {.spec = &sink_spec, .type = OXP_TYPE_SINK};
static struct oxp_series sink = {.family = &sink_family};

struct oxp_series *oxp_series_sink(void) {
    return &sink;
}

static bool is_type(const struct oxp_series *series, enum oxp_metric_type type) {
    return series != NULL && series->family->type == type;
}

static bool is_gauge(const struct oxp_series *series) {
    return is_type(series, OXP_GAUGE) || is_type(series, OXP_GAUGE_AGE);
}

static void set_visible(struct oxp_series *series, bool visible) {
    if (series == NULL || series->family->type == OXP_TYPE_SINK) {
        return;
    }
    /* release: who sees the series shown also sees the value that was set before */
    bool before = atomic_exchange_explicit(&series->visible, visible, memory_order_release);
    if (before != visible) {
        atomic_fetch_add_explicit(&series->family->registry->visible, visible ? (size_t)1 : SIZE_MAX,
                                  memory_order_relaxed);
    }
}

void oxp_series_hide(struct oxp_series *series) {
    set_visible(series, false);
}

void oxp_series_show(struct oxp_series *series) {
    set_visible(series, true);
}

static void show_set(struct oxp_series *series) {
    if (!atomic_load_explicit(&series->visible, memory_order_relaxed)) {
        set_visible(series, true);
    }
}

void oxp_family_hide_all(struct oxp_family *family) {
    struct oxp_walk walk = {.family = family};
    for (struct oxp_series *series = oxp_walk_next(&walk); series != NULL; series = oxp_walk_next(&walk)) {
        set_visible(series, false);
    }
}

void oxp_family_hide_where(struct oxp_family *family, const char *key, struct oxp_view value) {
    char room[OXP_LABEL_VALUE_MAX], text[2 * OXP_LABEL_VALUE_MAX];
    unsigned label = 0;
    while (family != NULL && label < family->label_count && strcmp(family->spec->labels[label].key, key) != 0) {
        label++;
    }
    if (family == NULL || label == family->label_count) {
        return;
    }
    char *end = oxp_label_escape(text, oxp_label_normal(value, room));
    struct oxp_view wanted = oxp_view_of(text, (size_t)(end - text));
    struct oxp_walk walk = {.family = family};
    for (struct oxp_series *series = oxp_walk_next(&walk); series != NULL; series = oxp_walk_next(&walk)) {
        if (oxp_view_equal(oxp_labels_value(series, label), wanted)) {
            set_visible(series, false);
        }
    }
}

struct oxp_counter oxp_counter(struct oxp_series *series) {
    return (struct oxp_counter){is_type(series, OXP_COUNTER) ? &series->cell : &sink.cell};
}

static void add_double(_Atomic uint64_t *cell, double amount) {
    uint64_t old = atomic_load_explicit(cell, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(cell, &old, oxp_bits_of(oxp_bits_double(old) + amount),
                                                  memory_order_relaxed, memory_order_relaxed)) {
    }
}

void oxp_series_count(struct oxp_series *series, double amount) {
    if (is_type(series, OXP_COUNTER_FLOAT) && amount >= 0) { /* false for NaN */
        add_double(&series->cell, amount);
    }
}

void oxp_gauge_set(struct oxp_series *series, double value) {
    if (is_gauge(series)) {
        atomic_store_explicit(&series->cell, oxp_bits_of(value), memory_order_relaxed);
        show_set(series);
    }
}

void oxp_gauge_add(struct oxp_series *series, double amount) {
    if (is_gauge(series)) {
        add_double(&series->cell, amount);
        show_set(series);
    }
}

/* The first bound that is >= value. Halving without branches: the bounds are few and the value is anywhere. */
size_t oxp_histogram_bucket(const struct oxp_family *family, double value) {
    const double *base = family->bounds;
    size_t left = family->bound_count;
    if (left == 0) {
        return 0;
    }
    while (left > 1) {
        size_t half = left / 2;
        base += base[half - 1] < value ? half : 0;
        left -= half;
    }
    return (size_t)(base - family->bounds) + (*base < value);
}

void oxp_histogram_observe(struct oxp_series *series, double value) {
    if (!is_type(series, OXP_HISTOGRAM) || isnan(value)) {
        return;
    }
    size_t bucket = oxp_histogram_bucket(series->family, value);
    atomic_fetch_add_explicit(&oxp_series_buckets(series)[bucket], 1, memory_order_relaxed);
    add_double(&series->cell, value);
}

static uint64_t histogram_count(const struct oxp_series *series) {
    uint64_t count = 0;
    for (size_t i = 0; i <= series->family->bound_count; i++) {
        count += atomic_load_explicit(&oxp_series_buckets(series)[i], memory_order_relaxed);
    }
    return count;
}

double oxp_series_value(const struct oxp_series *series, double now_s) {
    if (series == NULL) {
        return 0;
    }
    uint64_t cell = atomic_load_explicit(&series->cell, memory_order_relaxed);
    double value = oxp_bits_double(cell);
    switch (series->family->type) {
    case OXP_COUNTER:
        return (double)cell;
    case OXP_COUNTER_FLOAT:
    case OXP_GAUGE:
        return value;
    case OXP_GAUGE_AGE:
        return value != 0 && now_s - value > 0 ? now_s - value : 0;
    case OXP_HISTOGRAM:
        return (double)histogram_count(series);
    default:
        return 0;
    }
}

double oxp_histogram_sum(const struct oxp_series *series) {
    return is_type(series, OXP_HISTOGRAM) ? oxp_cell_double(&series->cell) : 0;
}

static void set_created(struct oxp_series *series, double created_s) {
    atomic_store_explicit(&series->created, oxp_bits_of(created_s), memory_order_relaxed);
}

enum oxp_status oxp_series_restore_counter(struct oxp_series *series, double value, double created_s) {
    const double end = 18446744073709551616.0; /* 2^64 */
    uint64_t cell = oxp_bits_of(value);
    if (is_type(series, OXP_COUNTER) && value >= 0 && value < end && value == floor(value)) {
        cell = (uint64_t)value;
    } else if (!is_type(series, OXP_COUNTER_FLOAT) || !(value >= 0)) {
        return OXP_ERR_INVALID;
    }
    atomic_store_explicit(&series->cell, cell, memory_order_relaxed);
    set_created(series, created_s);
    return OXP_OK;
}

enum oxp_status oxp_series_restore_histogram(struct oxp_series *series, const uint64_t *buckets, size_t count,
                                             double sum, double created_s) {
    if (!is_type(series, OXP_HISTOGRAM) || count != (size_t)series->family->bound_count + 1) {
        return OXP_ERR_INVALID;
    }
    for (size_t i = 0; i < count; i++) {
        atomic_store_explicit(&oxp_series_buckets(series)[i], buckets[i], memory_order_relaxed);
    }
    atomic_store_explicit(&series->cell, oxp_bits_of(sum), memory_order_relaxed);
    set_created(series, created_s);
    return OXP_OK;
}

void oxp_registry_set_created(struct oxp_registry *registry, double created_s) {
    struct oxp_family *family = atomic_load_explicit(&registry->first, memory_order_acquire);
    for (; family != NULL; family = atomic_load_explicit(&family->next, memory_order_acquire)) {
        struct oxp_walk walk = {.family = family};
        for (struct oxp_series *series = oxp_walk_next(&walk); series != NULL; series = oxp_walk_next(&walk)) {
            set_created(series, created_s);
        }
    }
}
