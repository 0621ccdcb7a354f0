/* A ring of entries, each one block: the two label sets as text, length before each name and value. The text is copied
 * out under the lock; sets are made, matched and sorted outside of it. */
#include "alerts/tsdb/exemplars.h"

#include <pthread.h>
#include <stdlib.h>

#define COUNT_DEFAULT 4096
#define FIRST_ROOM 64

struct entry {
    int64_t time_ms;
    double value;
    uint32_t series_count, count; /* labels of the series, and of the exemplar */
    size_t len;
    char text[];
};

struct oxp_exemplars_store {
    pthread_mutex_t lock;
    size_t size, next;   /* most entries of the ring; where the next goes */
    size_t room;         /* places that it has by now: it grows until it is closed */
    struct entry **ring; /* NULL = none yet */
};

enum oxp_status oxp_exemplars_new(size_t count, struct oxp_exemplars_store **store_out) {
    *store_out = NULL;
    count = count == 0 ? COUNT_DEFAULT : count;
    struct oxp_exemplars_store *store = calloc(1, sizeof *store);
    if (store == NULL) {
        return OXP_ERR_NOMEM;
    }
    pthread_mutex_init(&store->lock, NULL);
    store->size = count;
    *store_out = store;
    return OXP_OK;
}

void oxp_exemplars_free(struct oxp_exemplars_store *store) {
    if (store == NULL) {
        return;
    }
    for (size_t i = 0; i < store->room; i++) {
        free(store->ring[i]);
    }
    pthread_mutex_destroy(&store->lock);
    free(store->ring);
    free(store);
}

/* ---- Label sets as text ---- */

static size_t text_len(const struct oxp_labels *labels) {
    size_t len = 0;
    for (size_t i = 0; i < labels->count; i++) {
        len += 2 * sizeof(uint32_t) + labels->label[i].name->len + labels->label[i].value->len;
    }
    return len;
}

static char *put_symbol(char *to, const struct oxp_symbol *symbol) {
    memcpy(to, &symbol->len, sizeof symbol->len);
    memcpy(to + sizeof symbol->len, symbol->text, symbol->len);
    return to + sizeof symbol->len + symbol->len;
}

static char *put_labels(char *to, const struct oxp_labels *labels) {
    for (size_t i = 0; i < labels->count; i++) {
        to = put_symbol(to, labels->label[i].name);
        to = put_symbol(to, labels->label[i].value);
    }
    return to;
}

static struct oxp_view get_text(const char **from) {
    uint32_t len;
    memcpy(&len, *from, sizeof len);
    struct oxp_view view = oxp_view_of(*from + sizeof len, len);
    *from = view.ptr + len;
    return view;
}

static const struct oxp_labels *get_labels(struct oxp_arena *arena, const char **from, uint32_t count) {
    struct oxp_labels_builder builder;
    oxp_labels_build(&builder, arena, oxp_labels_none());
    for (uint32_t i = 0; i < count; i++) {
        struct oxp_view name = get_text(from);
        oxp_labels_set_text(&builder, name, get_text(from));
    }
    return oxp_labels_finish(&builder);
}

/* Room for one more. Under the lock. */
static bool grow_locked(struct oxp_exemplars_store *store) {
    if (store->next < store->room) {
        return true;
    }
    size_t room = store->room == 0 ? FIRST_ROOM : 2 * store->room;
    room = room < store->size ? room : store->size;
    struct entry **ring = room > SIZE_MAX / sizeof(void *) ? NULL : realloc(store->ring, room * sizeof(struct entry *));
    if (ring == NULL) {
        return false;
    }
    memset(ring + store->room, 0, (room - store->room) * sizeof(struct entry *));
    store->ring = ring;
    store->room = room;
    return true;
}

enum oxp_status oxp_exemplars_add(struct oxp_exemplars_store *store, const struct oxp_labels *series,
                                  const struct oxp_labels *labels, int64_t time_ms, double value) {
    size_t len = text_len(series) + text_len(labels);
    struct entry *entry = malloc(sizeof *entry + len);
    if (entry == NULL) {
        return OXP_ERR_NOMEM;
    }
    *entry = (struct entry){time_ms, value, series->count, labels->count, len};
    put_labels(put_labels(entry->text, series), labels);
    pthread_mutex_lock(&store->lock);
    bool kept = grow_locked(store);
    struct entry *old = entry;
    if (kept) {
        old = store->ring[store->next];
        store->ring[store->next] = entry;
        store->next = store->next + 1 == store->size ? 0 : store->next + 1;
    }
    pthread_mutex_unlock(&store->lock);
    free(old);
    return kept ? OXP_OK : OXP_ERR_NOMEM;
}

/* ---- Selecting ---- */

/* Copies of the entries in the range, in the ring's order; NULL entries end the list early without memory. */
static struct entry **copy_range(struct oxp_exemplars_store *store, int64_t min_ms, int64_t max_ms,
                                 struct oxp_arena *scratch, size_t *count_out) {
    struct entry **copies = NULL;
    size_t count = 0;
    pthread_mutex_lock(&store->lock);
    for (size_t i = 0; i < store->room && scratch->status == OXP_OK; i++) {
        const struct entry *entry = store->ring[(store->next + i) % store->room];
        if (entry == NULL || entry->time_ms < min_ms || entry->time_ms > max_ms) {
            continue;
        }
        if (copies == NULL) {
            copies = oxp_arena_take(scratch, store->room * sizeof(struct entry *));
        }
        struct entry *copy = copies == NULL ? NULL : oxp_arena_take(scratch, sizeof *copy + entry->len);
        if (copy != NULL) {
            memcpy(copy, entry, sizeof *copy + entry->len);
            copies[count++] = copy;
        }
    }
    pthread_mutex_unlock(&store->lock);
    *count_out = count;
    return copies;
}

static int by_series_and_time(const void *a_ptr, const void *b_ptr) {
    const struct oxp_exemplar_found *a = a_ptr, *b = b_ptr;
    int order = oxp_labels_compare(a->series, b->series);
    return order != 0 ? order : (a->time_ms > b->time_ms) - (a->time_ms < b->time_ms);
}

enum oxp_status oxp_exemplars_select(struct oxp_exemplars_store *store, const struct oxp_matcher *matchers,
                                     size_t count, int64_t min_ms, int64_t max_ms, struct oxp_arena *arena,
                                     struct oxp_exemplar_found **found_out, size_t *found_count_out) {
    *found_out = NULL;
    *found_count_out = 0;
    struct oxp_arena scratch;
    oxp_arena_init(&scratch, 0);
    size_t copy_count = 0;
    struct entry **copies = copy_range(store, min_ms, max_ms, &scratch, &copy_count);
    enum oxp_status status = oxp_arena_status(&scratch);
    struct oxp_exemplar_found *found =
        status == OXP_OK && copy_count > 0 ? oxp_arena_zero(arena, copy_count, sizeof *found) : NULL;
    size_t n = 0;
    for (size_t i = 0; i < copy_count && found != NULL; i++) {
        struct oxp_arena_mark mark = oxp_arena_here(arena);
        const char *from = copies[i]->text;
        const struct oxp_labels *series = get_labels(arena, &from, copies[i]->series_count);
        if (series == NULL) {
            break;
        }
        if (!oxp_matchers_accept(matchers, count, series)) {
            oxp_arena_reset(arena, mark);
            continue;
        }
        const struct oxp_labels *labels = get_labels(arena, &from, copies[i]->count);
        found[n++] = (struct oxp_exemplar_found){series, labels, copies[i]->time_ms, copies[i]->value};
    }
    oxp_arena_fini(&scratch);
    status = status == OXP_OK ? oxp_arena_status(arena) : status;
    if (status != OXP_OK) {
        return status;
    }
    if (n > 1) {
        qsort(found, n, sizeof *found, by_series_and_time);
    }
    *found_out = found;
    *found_count_out = n;
    return OXP_OK;
}
