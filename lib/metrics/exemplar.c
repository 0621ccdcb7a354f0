/* Exemplars: one for a counter, one for each bucket of a histogram, made when first set.
 *
 * An exemplar is a sequence lock over words that are all atomic: the writer makes the number odd, writes, and makes it
 * even again; a reader takes only what it read between two equal even numbers. The words are stored with release and
 * loaded with acquire instead of using fences: a reader that meets a word of a newer exemplar then also meets its odd
 * number. A writer that finds the number odd leaves its exemplar out: another, as good, is being written. */
#include "lib/metrics/internal.h"

#include "lib/base/utf8.h"
#include <math.h>
#include <stdlib.h>

#define TEXT_WORDS (sizeof((struct oxp_exemplar *)0)->labels / sizeof(uint64_t))
#define READ_TRIES 64

struct slot {
    _Atomic uint64_t number; /* odd while it is written */
    _Atomic uint64_t value;
    _Atomic uint64_t time;
    _Atomic uint64_t len;
    _Atomic uint64_t text[TEXT_WORDS];
};

struct oxp_exemplars {
    size_t count;
    _Atomic(struct slot *) slots[];
};

static size_t slots_of(const struct oxp_family *family) {
    switch (family->type) {
    case OXP_COUNTER:
    case OXP_COUNTER_FLOAT:
        return 1;
    case OXP_HISTOGRAM:
        return (size_t)family->bound_count + 1;
    default:
        return 0;
    }
}

/* ---- text ---- */

/* True when the labels may stand in an exemplar (OpenMetrics 1.0, "Exemplars"): names are label names, none twice, and
 * all together are at most 128 code points. */
static bool labels_are_good(const struct oxp_view *labels, size_t count) {
    size_t points = 0;
    for (size_t i = 0; i + 1 < count && points <= OXP_EXEMPLAR_MAX; i += 2) {
        if (!oxp_spec_is_name(labels[i], false) || !oxp_utf8_is_valid(labels[i + 1])) {
            return false;
        }
        for (size_t j = 0; j < i; j += 2) {
            if (oxp_view_equal(labels[i], labels[j])) {
                return false;
            }
        }
        points += labels[i].len + oxp_utf8_count(labels[i + 1]);
    }
    return count % 2 == 0 && points <= OXP_EXEMPLAR_MAX;
}

/* Renders the pairs; false when they do not fit. */
static bool render(struct oxp_exemplar *exemplar, const struct oxp_view *labels, size_t count) {
    size_t len = 0;
    for (size_t i = 0; i < count; i += 2) {
        len += (i > 0) + labels[i].len + 3 + oxp_label_escaped_len(labels[i + 1]);
    }
    if (len > sizeof exemplar->labels) {
        return false;
    }
    char *to = exemplar->labels;
    for (size_t i = 0; i < count; i += 2) {
        if (i > 0) {
            *to++ = ',';
        }
        memcpy(to, labels[i].ptr, labels[i].len);
        to += labels[i].len;
        *to++ = '=';
        *to++ = '"';
        to = oxp_label_escape(to, labels[i + 1]);
        *to++ = '"';
    }
    exemplar->labels_len = len;
    return true;
}

/* ---- slots ---- */

static struct slot *get_slot(struct oxp_series *series, size_t bucket) {
    struct oxp_exemplars *all = atomic_load_explicit(&series->exemplars, memory_order_acquire);
    if (all == NULL) {
        size_t count = slots_of(series->family);
        struct oxp_exemplars *fresh = calloc(1, sizeof *fresh + count * sizeof fresh->slots[0]);
        if (fresh == NULL) {
            return NULL;
        }
        fresh->count = count;
        if (atomic_compare_exchange_strong_explicit(&series->exemplars, &all, fresh, memory_order_acq_rel,
                                                    memory_order_acquire)) {
            all = fresh;
        } else {
            free(fresh);
        }
    }
    struct slot *slot = atomic_load_explicit(&all->slots[bucket], memory_order_acquire);
    if (slot == NULL) {
        struct slot *fresh = calloc(1, sizeof *fresh);
        if (fresh == NULL) {
            return NULL;
        }
        if (atomic_compare_exchange_strong_explicit(&all->slots[bucket], &slot, fresh, memory_order_acq_rel,
                                                    memory_order_acquire)) {
            slot = fresh;
        } else {
            free(fresh);
        }
    }
    return slot;
}

static void write_slot(struct slot *slot, const struct oxp_exemplar *exemplar) {
    uint64_t number = atomic_load_explicit(&slot->number, memory_order_relaxed);
    if (number % 2 != 0 || !atomic_compare_exchange_strong_explicit(&slot->number, &number, number + 1,
                                                                    memory_order_acq_rel, memory_order_relaxed)) {
        return;
    }
    atomic_store_explicit(&slot->value, oxp_bits_of(exemplar->value), memory_order_release);
    atomic_store_explicit(&slot->time, oxp_bits_of(exemplar->time_s), memory_order_release);
    atomic_store_explicit(&slot->len, exemplar->labels_len, memory_order_release);
    for (size_t i = 0; i * sizeof(uint64_t) < exemplar->labels_len; i++) {
        uint64_t word;
        memcpy(&word, exemplar->labels + i * sizeof word, sizeof word);
        atomic_store_explicit(&slot->text[i], word, memory_order_release);
    }
    atomic_store_explicit(&slot->number, number + 2, memory_order_release);
}

static bool read_slot(const struct slot *slot, struct oxp_exemplar *exemplar) {
    uint64_t number = atomic_load_explicit(&slot->number, memory_order_acquire);
    if (number == 0 || number % 2 != 0) {
        return false;
    }
    exemplar->value = oxp_bits_double(atomic_load_explicit(&slot->value, memory_order_acquire));
    exemplar->time_s = oxp_bits_double(atomic_load_explicit(&slot->time, memory_order_acquire));
    exemplar->labels_len = atomic_load_explicit(&slot->len, memory_order_acquire);
    for (size_t i = 0; i * sizeof(uint64_t) < exemplar->labels_len; i++) {
        uint64_t word = atomic_load_explicit(&slot->text[i], memory_order_acquire);
        memcpy(exemplar->labels + i * sizeof word, &word, sizeof word);
    }
    return atomic_load_explicit(&slot->number, memory_order_relaxed) == number;
}

void oxp_series_exemplar(struct oxp_series *series, double value, double time_s, const struct oxp_view *labels,
                         size_t count) {
    if (series == NULL || slots_of(series->family) == 0 || isnan(value) || !labels_are_good(labels, count)) {
        return;
    }
    struct oxp_exemplar exemplar = {.value = value, .time_s = time_s};
    size_t bucket = series->family->type == OXP_HISTOGRAM ? oxp_histogram_bucket(series->family, value) : 0;
    if (render(&exemplar, labels, count)) {
        struct slot *slot = get_slot(series, bucket);
        if (slot != NULL) {
            write_slot(slot, &exemplar);
        }
    }
}

bool oxp_sample_exemplar(const struct oxp_sample *sample, size_t bucket, struct oxp_exemplar *exemplar_out) {
    const struct oxp_exemplars *all = atomic_load_explicit(&sample->series->exemplars, memory_order_acquire);
    if (all == NULL || bucket >= all->count) {
        return false;
    }
    const struct slot *slot = atomic_load_explicit(&all->slots[bucket], memory_order_acquire);
    for (int i = 0; slot != NULL && i < READ_TRIES; i++) {
        if (read_slot(slot, exemplar_out)) {
            return true;
        }
    }
    return false;
}

void oxp_series_drop_exemplars(struct oxp_series *series) {
    struct oxp_exemplars *all = atomic_load(&series->exemplars);
    for (size_t i = 0; all != NULL && i < all->count; i++) {
        free(atomic_load(&all->slots[i]));
    }
    free(all);
}
