/* Getting and making series: the rules that keep a family within its bounds.
 *
 *  1. A closed label takes only values of its set; all others are OXP_ERR_INVALID and nothing is made.
 *  2. An open label with a bound of n takes n - 1 different values, and "other" for the rest.
 *  3. Series are made in groups: one open value (or tuple of them) with every combination of the closed ones. A group
 * is made whole or not at all. The group of a lazy family is one series.
 *  4. The overflow group, whose open labels are all "other", has its place promised from the start. A group that does
 *     not fit into the rest of the family's or the registry's cap becomes the overflow group.
 *  5. A family without open labels is as big as its table says; it takes its places whether or not the caps like it.
 *  6. Each call that rule 2 or 4 changed is told to on_drop once, with the label that would not fit (for rule 4 the
 *     first open one), and answers OXP_OVERFLOW. */
#include "lib/metrics/internal.h"

#include <stdlib.h>

static const struct oxp_view other = {"other", 5};

/* ---- memory ---- */

static void *take_bytes_locked(struct oxp_family *family, size_t size) {
    struct oxp_chunk *last = family->last;
    size_t used = last == NULL ? 0 : atomic_load_explicit(&last->used, memory_order_relaxed);
    if (last != NULL && last->size - used >= size) {
        return last->data + used;
    }
    size_t whole = last == NULL ? OXP_CHUNK_FIRST : 2 * (last->size + sizeof *last);
    whole = whole > OXP_CHUNK_MOST ? OXP_CHUNK_MOST : whole;
    while (whole < size + sizeof *last) {
        whole *= 2;
    }
    struct oxp_chunk *chunk = malloc(whole);
    if (chunk == NULL) {
        return NULL;
    }
    chunk->size = whole - sizeof *chunk;
    atomic_init(&chunk->next, NULL);
    atomic_init(&chunk->used, 0);
    atomic_store_explicit(last == NULL ? &family->first : &last->next, chunk, memory_order_release);
    family->last = chunk;
    return chunk->data;
}

/* Makes one series that is not there yet; NULL when there is no memory. */
static struct oxp_series *make_locked(struct oxp_family *family, const struct oxp_view *values, uint32_t hash) {
    struct oxp_registry *registry = family->registry;
    size_t buckets = family->type == OXP_HISTOGRAM ? (size_t)family->bound_count + 1 : 0;
    size_t labels_at = sizeof(struct oxp_series) + buckets * sizeof(uint64_t);
    size_t labels_len = oxp_labels_len(family, values);
    size_t size = (labels_at + labels_len + OXP_SERIES_ALIGN - 1) & ~(size_t)(OXP_SERIES_ALIGN - 1);
    if (oxp_table_reserve_locked(family) != OXP_OK) {
        return NULL;
    }
    struct oxp_series *series = take_bytes_locked(family, size);
    if (series == NULL) {
        return NULL;
    }
    bool visible = (family->spec->flags & OXP_FAMILY_ABSENT) == 0;
    bool dated = family->type != OXP_GAUGE && family->type != OXP_GAUGE_AGE;
    memset(series, 0, labels_at);
    series->family = family;
    series->hash = hash;
    series->seq = 1 + atomic_fetch_add_explicit(&registry->made, 1, memory_order_acq_rel);
    series->labels_at = (uint16_t)labels_at;
    series->labels_len = (uint16_t)labels_len;
    atomic_init(&series->visible, visible);
    atomic_init(&series->created, oxp_bits_of(dated ? registry->now_s(registry->ctx) : 0));
    oxp_labels_write(family, values, (char *)series + labels_at);
    series->escaped = memchr(oxp_series_labels(series), '\\', labels_len) != NULL;
    family->count++;
    atomic_fetch_add_explicit(&registry->visible, visible, memory_order_relaxed);
    atomic_fetch_add_explicit(&family->last->used, size, memory_order_release);
    oxp_table_insert_locked(family, series);
    return series;
}

/* ---- groups ---- */

/* Steps through the combinations of closed values, the last label fastest; false after the last one. */
static bool next_combination(const struct oxp_family *family, size_t index[OXP_LABELS_MAX]) {
    for (unsigned i = family->label_count; i-- > 0;) {
        if (family->labels[i].closed > 0) {
            if (++index[i] < family->labels[i].closed) {
                return true;
            }
            index[i] = 0;
        }
    }
    return false;
}

enum oxp_status oxp_family_fill_locked(struct oxp_family *family, const struct oxp_view *values) {
    struct oxp_view all[OXP_LABELS_MAX] = {{0}};
    size_t index[OXP_LABELS_MAX] = {0};
    do {
        for (unsigned i = 0; i < family->label_count; i++) {
            bool closed = family->labels[i].closed > 0;
            all[i] = closed ? oxp_view_from(family->spec->labels[i].values[index[i]]) : values[i];
        }
        uint32_t hash = oxp_values_hash(family, all);
        if (oxp_table_find(family, all, hash) == NULL && make_locked(family, all, hash) == NULL) {
            return OXP_ERR_NOMEM;
        }
    } while (next_combination(family, index));
    return OXP_OK;
}

static bool is_lazy(const struct oxp_family *family) {
    return (family->spec->flags & OXP_FAMILY_LAZY) != 0;
}

static bool is_overflow(const struct oxp_family *family, const struct oxp_view *values) {
    for (unsigned i = 0; i < family->label_count; i++) {
        if (family->labels[i].closed == 0 && !oxp_view_equal(values[i], other)) {
            return false;
        }
    }
    return family->has_open;
}

/* Rule 4: takes the places of one group, or says that they are gone. */
static bool take_places_locked(struct oxp_family *family) {
    size_t n = family->group, promised = family->group;
    size_t normal = family->count - family->overflow;
    if (family->cap < promised || normal + n > family->cap - promised) {
        return false;
    }
    size_t before = atomic_fetch_add_explicit(&family->registry->taken, n, memory_order_relaxed);
    if (before + n > family->registry->cap) {
        atomic_fetch_sub_explicit(&family->registry->taken, n, memory_order_relaxed);
        return false;
    }
    return true;
}

/* Notes that this open value has been seen, so that rule 2 lets it pass from now on. */
static enum oxp_status remember_locked(struct oxp_label *label, struct oxp_view value) {
    if (label->bound == 0 || oxp_view_equal(value, other) || oxp_map_get(&label->seen, value) != NULL) {
        return OXP_OK;
    }
    struct oxp_seen *seen = malloc(sizeof *seen + value.len);
    if (seen == NULL) {
        return OXP_ERR_NOMEM;
    }
    seen->len = value.len;
    if (value.len > 0) {
        memcpy(seen->text, value.ptr, value.len);
    }
    enum oxp_status status = oxp_map_set(&label->seen, oxp_view_of(seen->text, seen->len), seen, NULL);
    if (status != OXP_OK) {
        free(seen);
    }
    return status;
}

/* Makes the group of `values`, whose places are taken. */
static enum oxp_status add_group_locked(struct oxp_family *family, const struct oxp_view *values) {
    for (unsigned i = 0; i < family->label_count; i++) {
        if (family->labels[i].closed == 0 && remember_locked(&family->labels[i], values[i]) != OXP_OK) {
            return OXP_ERR_NOMEM;
        }
    }
    if (!is_lazy(family)) {
        return oxp_family_fill_locked(family, values);
    }
    return make_locked(family, values, oxp_values_hash(family, values)) == NULL ? OXP_ERR_NOMEM : OXP_OK;
}

/* ---- getting ---- */

struct fold {
    bool any;
    unsigned label;        /* the one that would not fit */
    struct oxp_view value; /* what it was */
};

static void fold(struct fold *folded, struct oxp_view *values, unsigned label) {
    if (!folded->any) {
        *folded = (struct fold){true, label, values[label]};
    }
    values[label] = other;
}

/* Rule 1. */
static bool closed_values_fit(const struct oxp_family *family, const struct oxp_view *values) {
    for (unsigned i = 0; i < family->label_count; i++) {
        size_t j = 0;
        while (j < family->labels[i].closed && !oxp_view_is(values[i], family->spec->labels[i].values[j])) {
            j++;
        }
        if (family->labels[i].closed > 0 && j == family->labels[i].closed) {
            return false;
        }
    }
    return true;
}

/* Rule 2. */
static void fold_bounds_locked(struct oxp_family *family, struct oxp_view *values, struct fold *folded) {
    for (unsigned i = 0; i < family->label_count; i++) {
        struct oxp_label *label = &family->labels[i];
        if (label->bound > 0 && label->seen.count + 1 >= label->bound && !oxp_view_equal(values[i], other) &&
            oxp_map_get(&label->seen, values[i]) == NULL) {
            fold(folded, values, i);
        }
    }
}

/* Makes what is missing, in the group of `values` or in the overflow group (and then `values` says so). */
static enum oxp_status make_missing_locked(struct oxp_family *family, struct oxp_view *values, struct fold *folded) {
    bool overflow = is_overflow(family, values), taken = !overflow && take_places_locked(family);
    if (!overflow && !taken && family->has_open) {
        for (unsigned i = 0; i < family->label_count; i++) {
            if (family->labels[i].closed == 0) {
                fold(folded, values, i);
            }
        }
        overflow = true;
        if (oxp_table_find(family, values, oxp_values_hash(family, values)) != NULL) {
            return OXP_OK;
        }
    }
    size_t before = family->count;
    enum oxp_status status = add_group_locked(family, values);
    size_t made = family->count - before;
    size_t promised = taken ? family->group : 0;
    if (overflow) {
        promised = family->overflow < family->group ? family->group - family->overflow : 0;
        family->overflow += made;
    }
    if (taken && made < promised) {
        atomic_fetch_sub_explicit(&family->registry->taken, promised - made, memory_order_relaxed);
    } else if (made > promised) { /* rule 5, and further overflow series of a lazy family */
        atomic_fetch_add_explicit(&family->registry->taken, made - promised, memory_order_relaxed);
    }
    return status;
}

/* `values` are as they will be kept; they are changed. */
static enum oxp_status get_locked(struct oxp_family *family, struct oxp_view *values, struct oxp_series **series_out) {
    struct fold folded = {0};
    struct oxp_series *series = oxp_table_find(family, values, oxp_values_hash(family, values));
    if (series != NULL) {
        *series_out = series;
        return OXP_OK;
    }
    if (!closed_values_fit(family, values)) {
        return OXP_ERR_INVALID;
    }
    fold_bounds_locked(family, values, &folded);
    series = folded.any ? oxp_table_find(family, values, oxp_values_hash(family, values)) : NULL;
    if (series == NULL) {
        /* when memory ends in the middle of a group, the wanted series may be there all the same */
        (void)make_missing_locked(family, values, &folded);
        series = oxp_table_find(family, values, oxp_values_hash(family, values));
    }
    if (folded.any && family->registry->on_drop != NULL) {
        family->registry->on_drop(family->registry->ctx, family->spec->name, family->spec->labels[folded.label].key,
                                  folded.value);
    }
    if (series == NULL) {
        return OXP_ERR_NOMEM;
    }
    *series_out = series;
    return folded.any ? OXP_OVERFLOW : OXP_OK;
}

static enum oxp_status get_slowly(struct oxp_family *family, const struct oxp_view *values,
                                  struct oxp_series **series_out) {
    char room[OXP_LABELS_MAX][OXP_LABEL_VALUE_MAX];
    struct oxp_view kept[OXP_LABELS_MAX] = {{0}};
    for (unsigned i = 0; i < family->label_count; i++) {
        kept[i] = oxp_label_normal(values[i], room[i]);
    }
    *series_out = oxp_series_sink();
    pthread_mutex_lock(&family->lock);
    enum oxp_status status = get_locked(family, kept, series_out);
    pthread_mutex_unlock(&family->lock);
    return status;
}

enum oxp_status oxp_family_series(struct oxp_family *family, const struct oxp_view *values,
                                  struct oxp_series **series_out) {
    if (family == NULL) {
        *series_out = oxp_series_sink();
        return OXP_ERR_INVALID;
    }
    /* a value that would be kept differently (cut, or mended) cannot be found as it is, and goes the slow way */
    struct oxp_series *series = oxp_table_find(family, values, oxp_values_hash(family, values));
    if (series == NULL) {
        return get_slowly(family, values, series_out);
    }
    *series_out = series;
    return OXP_OK;
}

static struct oxp_series *get_counted(struct oxp_family *family, const struct oxp_view *values, unsigned count) {
    struct oxp_series *series = oxp_series_sink();
    if (family != NULL && family->label_count == count) {
        oxp_family_series(family, values, &series);
    }
    return series;
}

struct oxp_series *oxp_family_only(struct oxp_family *family) {
    return get_counted(family, NULL, 0);
}

struct oxp_series *oxp_family_at(struct oxp_family *family, struct oxp_view a) {
    return get_counted(family, &a, 1);
}

struct oxp_series *oxp_family_at2(struct oxp_family *family, struct oxp_view a, struct oxp_view b) {
    return get_counted(family, (struct oxp_view[]){a, b}, 2);
}

struct oxp_series *oxp_family_at3(struct oxp_family *family, struct oxp_view a, struct oxp_view b, struct oxp_view c) {
    return get_counted(family, (struct oxp_view[]){a, b, c}, 3);
}

const struct oxp_family_spec *oxp_family_spec_of(const struct oxp_family *family) {
    return family->spec;
}

void oxp_family_free(struct oxp_family *family) {
    if (family == NULL) {
        return;
    }
    struct oxp_walk walk = {.family = family};
    for (struct oxp_series *series = oxp_walk_next(&walk); series != NULL; series = oxp_walk_next(&walk)) {
        oxp_series_drop_exemplars(series);
    }
    for (struct oxp_chunk *chunk = atomic_load(&family->first), *next; chunk != NULL; chunk = next) {
        next = atomic_load(&chunk->next);
        free(chunk);
    }
    oxp_table_free(atomic_load(&family->table));
    for (unsigned i = 0; i < family->label_count; i++) {
        size_t index = 0;
        for (void *seen = oxp_map_next(&family->labels[i].seen, &index); seen != NULL;
             seen = oxp_map_next(&family->labels[i].seen, &index)) {
            free(seen);
        }
        oxp_map_fini(&family->labels[i].seen);
    }
    pthread_mutex_destroy(&family->lock);
    free(family->text);
    free(family->names);
    free(family);
}
