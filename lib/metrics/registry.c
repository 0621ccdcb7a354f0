/* The registry: families, and the names that they take. */
#include "lib/metrics/internal.h"

#include "lib/base/clock.h"
#include <stdlib.h>

#define SERIES_DEFAULT 100000
#define SERIES_PER_FAMILY_DEFAULT 10000

enum oxp_status oxp_registry_new(const struct oxp_registry_options *options, struct oxp_registry **registry_out) {
    static const struct oxp_registry_options none;
    if (options == NULL) {
        options = &none;
    }
    struct oxp_registry *registry = calloc(1, sizeof *registry);
    if (registry == NULL) {
        return OXP_ERR_NOMEM;
    }
    registry->cap = options->series == 0 ? SERIES_DEFAULT : options->series;
    registry->family_cap = options->series_per_family == 0 ? SERIES_PER_FAMILY_DEFAULT : options->series_per_family;
    registry->now_s = options->now_s == NULL ? oxp_clock_wall_s : options->now_s;
    registry->on_drop = options->on_drop;
    registry->ctx = options->ctx;
    pthread_mutex_init(&registry->lock, NULL);
    oxp_map_init(&registry->names);
    *registry_out = registry;
    return OXP_OK;
}

void oxp_registry_free(struct oxp_registry *registry) {
    if (registry == NULL) {
        return;
    }
    for (struct oxp_family *family = atomic_load(&registry->first), *next; family != NULL; family = next) {
        next = atomic_load(&family->next);
        oxp_family_free(family);
    }
    oxp_map_fini(&registry->names);
    pthread_mutex_destroy(&registry->lock);
    free(registry);
}

/* ---- names ----
 * OpenMetrics 1.0 section "Metric Family": the names of families may not clash with each other nor with the suffixed
 * sample names of another. A counter's family has the name without _total; counters and histograms have a _created. */

#define NAMES_MOST 4

static const char *const counter_suffixes[NAMES_MOST + 1] = {"", "_created", NULL};
static const char *const histogram_suffixes[NAMES_MOST + 1] = {"_bucket", "_count", "_sum", "_created", NULL};
static const char *const no_suffixes[NAMES_MOST + 1] = {NULL};

static const char *const *suffixes_of(enum oxp_metric_type type) {
    return type == OXP_HISTOGRAM                              ? histogram_suffixes
           : type == OXP_COUNTER || type == OXP_COUNTER_FLOAT ? counter_suffixes
                                                              : no_suffixes;
}

static char *put(char *to, const char *bytes, size_t len) {
    memcpy(to, bytes, len);
    return to + len;
}

/* Writes the names beside the spec's own into family->names, each with its NUL. */
static enum oxp_status write_names(struct oxp_family *family) {
    const char *const *suffixes = suffixes_of(family->type);
    size_t base = strlen(family->spec->name) - (suffixes == counter_suffixes ? strlen("_total") : 0);
    char *to = family->names = malloc(NAMES_MOST * (base + sizeof "_created"));
    if (to == NULL) {
        return OXP_ERR_NOMEM;
    }
    for (size_t i = 0; suffixes[i] != NULL; i++) {
        to = put(to, family->spec->name, base);
        to = put(to, suffixes[i], strlen(suffixes[i]) + 1);
    }
    return OXP_OK;
}

static void forget_names_locked(struct oxp_family *family, struct oxp_view *names, size_t count) {
    while (count-- > 0) {
        oxp_map_remove(&family->registry->names, names[count]);
    }
}

/* Takes all the names of a family, or none. */
static enum oxp_status take_names_locked(struct oxp_family *family, struct oxp_view names[NAMES_MOST + 1],
                                         size_t *count_out) {
    struct oxp_map *map = &family->registry->names;
    enum oxp_status status = OXP_OK;
    const char *at = family->names;
    size_t count = 0;
    names[count++] = oxp_view_from(family->spec->name);
    for (const char *const *suffix = suffixes_of(family->type); *suffix != NULL; suffix++) {
        names[count] = oxp_view_from(at);
        at += names[count++].len + 1;
    }
    for (*count_out = 0; status == OXP_OK && *count_out < count; *count_out += status == OXP_OK) {
        bool taken = oxp_map_get(map, names[*count_out]) != NULL;
        status = taken ? OXP_ERR_EXISTS : oxp_map_set(map, names[*count_out], family, NULL);
    }
    if (status != OXP_OK) {
        forget_names_locked(family, names, *count_out);
    }
    return status;
}

/* ---- families ---- */

/* `key="` for the first label, `",key="` for the others. */
static enum oxp_status write_prefixes(struct oxp_family *family) {
    size_t size = 1;
    for (unsigned i = 0; i < family->label_count; i++) {
        size += strlen(family->spec->labels[i].key) + sizeof "\",=\"";
    }
    char *to = family->text = malloc(size);
    if (to == NULL) {
        return OXP_ERR_NOMEM;
    }
    for (unsigned i = 0; i < family->label_count; i++) {
        const char *from = to, *key = family->spec->labels[i].key;
        to = put(to, "\",", i > 0 ? 2 : 0);
        to = put(to, key, strlen(key));
        to = put(to, "=\"", 2);
        family->labels[i].prefix = oxp_view_of(from, (size_t)(to - from));
    }
    return OXP_OK;
}

static enum oxp_status make_family(struct oxp_registry *registry, const struct oxp_family_spec *spec,
                                   struct oxp_family **family_out) {
    unsigned label_count = oxp_spec_label_count(spec);
    struct oxp_family *family = calloc(1, sizeof *family + label_count * sizeof family->labels[0]);
    if (family == NULL) {
        return OXP_ERR_NOMEM;
    }
    pthread_mutex_init(&family->lock, NULL);
    family->spec = spec;
    family->registry = registry;
    family->type = spec->type;
    family->bounds = spec->bounds;
    family->bound_count = (uint32_t)spec->bound_count;
    family->label_count = label_count;
    family->seed = registry->names.seed ^ (uint64_t)(uintptr_t)family;
    family->cap = spec->max_series == 0 ? registry->family_cap : spec->max_series;
    family->group = (spec->flags & OXP_FAMILY_LAZY) != 0 ? 1 : oxp_spec_combinations(spec);
    for (unsigned i = 0; i < family->label_count; i++) {
        struct oxp_label *label = &family->labels[i];
        label->closed = oxp_spec_closed_count(&spec->labels[i]);
        label->bound = label->closed > 0 ? 0 : spec->labels[i].bound;
        family->has_open |= label->closed == 0;
        oxp_map_init(&label->seen);
    }
    enum oxp_status status = write_prefixes(family);
    if (status == OXP_OK) {
        status = write_names(family);
    }
    if (status == OXP_OK && family->group > family->cap) {
        status = OXP_ERR_INVALID; /* its table alone is past its cap */
    }
    if (status != OXP_OK) {
        oxp_family_free(family);
        return status;
    }
    *family_out = family;
    return OXP_OK;
}

/* The series that a family has or is promised before anybody asks for one. */
static size_t places_of(const struct oxp_family *family) {
    bool lazy = (family->spec->flags & OXP_FAMILY_LAZY) != 0;
    return lazy && !family->has_open ? 0 : family->group;
}

static enum oxp_status link_locked(struct oxp_registry *registry, struct oxp_family *family) {
    struct oxp_view names[NAMES_MOST + 1];
    size_t name_count = 0;
    bool lazy = (family->spec->flags & OXP_FAMILY_LAZY) != 0;
    enum oxp_status status = take_names_locked(family, names, &name_count);
    if (status == OXP_OK && !lazy && !family->has_open) {
        status = oxp_family_fill_locked(family, NULL);
        if (status != OXP_OK) {
            bool visible = (family->spec->flags & OXP_FAMILY_ABSENT) == 0;
            atomic_fetch_sub_explicit(&registry->visible, visible ? family->count : 0, memory_order_relaxed);
            forget_names_locked(family, names, name_count);
        }
    }
    if (status != OXP_OK) {
        return status;
    }
    atomic_fetch_add_explicit(&registry->taken, places_of(family), memory_order_relaxed);
    atomic_store_explicit(registry->last == NULL ? &registry->first : &registry->last->next, family,
                          memory_order_release);
    registry->last = family;
    atomic_fetch_add_explicit(&registry->family_count, 1, memory_order_release);
    return OXP_OK;
}

enum oxp_status oxp_registry_add(struct oxp_registry *registry, const struct oxp_family_spec *spec,
                                 struct oxp_family **family_out) {
    struct oxp_family *family = NULL;
    enum oxp_status status = oxp_spec_check(spec);
    if (status == OXP_OK) {
        status = make_family(registry, spec, &family);
    }
    if (status != OXP_OK) {
        return status;
    }
    pthread_mutex_lock(&registry->lock);
    status = link_locked(registry, family);
    pthread_mutex_unlock(&registry->lock);
    if (status != OXP_OK) {
        oxp_family_free(family);
        return status;
    }
    if (family_out != NULL) {
        *family_out = family;
    }
    return OXP_OK;
}

struct oxp_family *oxp_registry_find(struct oxp_registry *registry, struct oxp_view name) {
    pthread_mutex_lock(&registry->lock);
    struct oxp_family *family = oxp_map_get(&registry->names, name);
    pthread_mutex_unlock(&registry->lock);
    return family != NULL && oxp_view_is(name, family->spec->name) ? family : NULL;
}

size_t oxp_registry_series(const struct oxp_registry *registry) {
    return atomic_load_explicit(&registry->visible, memory_order_relaxed);
}
