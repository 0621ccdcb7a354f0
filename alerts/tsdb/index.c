#include "alerts/tsdb/index.h"

#include <assert.h>

/* ---- Names and values ---- */

struct value_key {
    const struct oxp_index_name *name;
    struct oxp_view text;
};

static uint32_t value_hash(const struct oxp_index_name *name, uint32_t hash) {
    uint64_t wide = ((uint64_t)name->symbol.hash << 32 | hash) * UINT64_C(0x9e3779b97f4a7c15);
    return (uint32_t)(wide >> 32);
}

static bool name_is(const void *item, const void *key) {
    const struct oxp_index_name *name = item;
    const struct oxp_view *text = key;
    return oxp_view_equal(oxp_symbol_view(&name->symbol), *text);
}

static bool value_is(const void *item, const void *key) {
    const struct oxp_index_value *value = item;
    const struct value_key *wanted = key;
    return value->name == wanted->name && oxp_view_equal(oxp_symbol_view(&value->symbol), wanted->text);
}

static struct oxp_index_name *find_name(const struct oxp_index *index, struct oxp_view text, uint32_t hash) {
    return oxp_set_find(&index->names, hash, name_is, &text);
}

const struct oxp_index_name *oxp_index_name(const struct oxp_index *index, const struct oxp_symbol *name) {
    return find_name(index, oxp_symbol_view(name), name->hash);
}

const struct oxp_index_name *oxp_index_name_of(const struct oxp_index *index, struct oxp_view name) {
    return find_name(index, name, oxp_symbol_hash(name));
}

const struct oxp_index_value *oxp_index_value(const struct oxp_index *index, const struct oxp_index_name *name,
                                              struct oxp_view value, uint32_t hash) {
    struct value_key key = {name, value};
    return oxp_set_find(&index->values, value_hash(name, hash), value_is, &key);
}

static struct oxp_index_value *value_of(const struct oxp_symbol *symbol) {
    return (struct oxp_index_value *)((char *)(uintptr_t)symbol - offsetof(struct oxp_index_value, symbol));
}

static void copy_symbol(struct oxp_symbol *to, const struct oxp_symbol *from) {
    to->hash = from->hash;
    to->len = from->len;
    memcpy(to->text, from->text, from->len); /* the NUL is there: pieces are zeroed */
}

static void lock(const struct oxp_index *index) {
    pthread_mutex_lock(&index->memory->lock);
}

static void unlock(const struct oxp_index *index) {
    pthread_mutex_unlock(&index->memory->lock);
}

static enum oxp_status name_at(struct oxp_index *index, const struct oxp_symbol *symbol,
                               struct oxp_index_name **name_out) {
    void *piece;
    *name_out = find_name(index, oxp_symbol_view(symbol), symbol->hash);
    if (*name_out != NULL) {
        return OXP_OK;
    }
    enum oxp_status status = oxp_set_reserve(&index->names, index->memory, 1);
    if (status == OXP_OK) {
        status = oxp_memory_take(index->memory, sizeof **name_out + symbol->len + 1, &piece);
    }
    if (status != OXP_OK) {
        return status;
    }
    struct oxp_index_name *name = piece;
    copy_symbol(&name->symbol, symbol);
    lock(index);
    oxp_set_put(&index->names, symbol->hash, name);
    unlock(index);
    *name_out = name;
    return OXP_OK;
}

static void drop_name_if_unused(struct oxp_index *index, struct oxp_index_name *name) {
    if (name->count != 0) {
        return;
    }
    lock(index);
    oxp_set_drop(&index->names, name->symbol.hash, name);
    unlock(index);
    oxp_memory_give(index->memory, name->values);
    oxp_memory_retire(index->memory, name);
}

/* A longer array of pointers, the old one's contents copied, its place taken under the lock. */
static enum oxp_status grow_values(struct oxp_index *index, struct oxp_index_name *name) {
    void *piece;
    uint32_t size = name->size == 0 ? 1 : name->size + name->size / 4 + 2; /* many have one */
    enum oxp_status status = oxp_memory_take(index->memory, size * sizeof(void *), &piece);
    if (status != OXP_OK) {
        return status;
    }
    struct oxp_index_value **old = name->values;
    if (name->count != 0) {
        memcpy(piece, old, name->count * sizeof(void *));
    }
    lock(index);
    name->values = piece;
    name->size = size;
    unlock(index);
    oxp_memory_give(index->memory, old);
    return OXP_OK;
}

static enum oxp_status value_at(struct oxp_index *index, const struct oxp_label *label,
                                struct oxp_index_value **value_out) {
    struct oxp_index_name *name;
    void *piece = NULL;
    enum oxp_status status = name_at(index, label->name, &name);
    if (status != OXP_OK) {
        return status;
    }
    struct value_key key = {name, oxp_symbol_view(label->value)};
    uint32_t hash = value_hash(name, label->value->hash);
    *value_out = oxp_set_find(&index->values, hash, value_is, &key);
    if (*value_out != NULL) {
        return OXP_OK;
    }
    status = oxp_set_reserve(&index->values, index->memory, 1);
    if (status == OXP_OK && name->count == name->size) {
        status = grow_values(index, name);
    }
    if (status == OXP_OK) {
        status = oxp_memory_take(index->memory, sizeof **value_out + label->value->len + 1, &piece);
    }
    if (status != OXP_OK) {
        drop_name_if_unused(index, name);
        return status;
    }
    struct oxp_index_value *value = piece;
    value->name = name;
    value->place = name->count;
    copy_symbol(&value->symbol, label->value);
    lock(index);
    oxp_set_put(&index->values, hash, value);
    name->values[name->count++] = value;
    unlock(index);
    *value_out = value;
    return OXP_OK;
}

static void drop_value_if_unused(struct oxp_index *index, struct oxp_index_value *value) {
    if (value->posted.live != 0) {
        return;
    }
    struct oxp_index_name *name = value->name;
    lock(index);
    oxp_set_drop(&index->values, value_hash(name, value->symbol.hash), value);
    name->values[value->place] = name->values[--name->count];
    name->values[value->place]->place = value->place;
    unlock(index);
    if (value->posted.is_list) {
        oxp_memory_retire(index->memory, value->posted.list);
    }
    oxp_memory_retire(index->memory, value);
    drop_name_if_unused(index, name);
}

/* ---- Lists ---- */

static uint32_t slot_at(const struct oxp_posted *posted, uint32_t i) {
    return posted->is_list ? atomic_load_explicit(&posted->list->slot[i], memory_order_relaxed) : posted->slot[i];
}

/* How many places a list of so many series should have: a quarter more, and what the heap rounds up to. */
static uint32_t places_for(uint32_t live) {
    enum { STEP = 4, FIRST = 5 }; /* 16 bytes; of the first one the heads fill the rest of 48 */
    static_assert((offsetof(struct oxp_postings, slot) + FIRST * sizeof(uint32_t) + sizeof(size_t)) % 16 == 0,
                  "no rest");
    uint32_t places = live + live / 4 + 1;
    return places < FIRST ? FIRST : FIRST + (places - FIRST + STEP - 1) / STEP * STEP;
}

/* A list with what was posted, but for holes, and room for more. */
static enum oxp_status renew_list(struct oxp_index *index, struct oxp_posted *posted) {
    void *piece;
    uint32_t size = places_for(posted->live), count = 0;
    enum oxp_status status =
        oxp_memory_take(index->memory, offsetof(struct oxp_postings, slot) + size * sizeof *posted->list->slot, &piece);
    if (status != OXP_OK) {
        return status;
    }
    struct oxp_postings *list = piece, *old = posted->is_list ? posted->list : NULL;
    list->size = size;
    for (uint32_t i = 0; i < posted->count; i++) {
        uint32_t slot = slot_at(posted, i);
        if (slot != OXP_SLOT_NONE) {
            atomic_store_explicit(&list->slot[count++], slot, memory_order_relaxed);
        }
    }
    lock(index);
    posted->list = list;
    posted->count = count & INT32_MAX;
    posted->is_list = true;
    unlock(index);
    oxp_memory_retire(index->memory, old);
    return OXP_OK;
}

static enum oxp_status reserve_place(struct oxp_index *index, struct oxp_posted *posted) {
    uint32_t size = posted->is_list ? posted->list->size : OXP_SLOTS_IN_PLACE;
    return posted->count < size ? OXP_OK : renew_list(index, posted);
}

static void post(struct oxp_posted *posted, uint32_t slot) {
    if (posted->is_list) {
        atomic_store_explicit(&posted->list->slot[posted->count++], slot, memory_order_relaxed);
    } else {
        posted->slot[posted->count++] = slot;
    }
    posted->live++;
}

/* Lets those that are there stand in place; they are as few as that. */
static void post_in_place(struct oxp_index *index, struct oxp_posted *posted) {
    struct oxp_posted few = {.live = posted->live};
    for (uint32_t i = 0; i < posted->count; i++) {
        uint32_t slot = slot_at(posted, i);
        if (slot != OXP_SLOT_NONE && !oxp_row_is_free(&index->table->row[slot])) {
            few.slot[few.count++] = slot;
        }
    }
    struct oxp_postings *old = posted->is_list ? posted->list : NULL;
    lock(index);
    *posted = few;
    unlock(index);
    oxp_memory_retire(index->memory, old);
}

/* Makes holes of those that are gone. */
static void unpost_gone(struct oxp_index *index, struct oxp_posted *posted) {
    if (posted->live <= OXP_SLOTS_IN_PLACE) {
        post_in_place(index, posted);
        return;
    }
    for (uint32_t i = 0; i < posted->count; i++) {
        uint32_t slot = slot_at(posted, i);
        if (slot != OXP_SLOT_NONE && oxp_row_is_free(&index->table->row[slot])) {
            atomic_store_explicit(&posted->list->slot[i], OXP_SLOT_NONE, memory_order_relaxed);
        }
    }
    if (posted->live < posted->count / 2) {
        (void)renew_list(index, posted); /* or else it keeps its holes */
    }
}

/* ---- The table ---- */

/* Free rows say so by a time that is never due. */
bool oxp_row_is_free(const struct oxp_row *row) {
    return row->due_ms > OXP_DUE_MAX;
}

static void free_row(struct oxp_index *index, uint32_t slot) {
    struct oxp_row *rows = index->table->row;
    rows[slot].oldest_ms = (int64_t)index->memory->epoch;
    rows[slot].due_ms = INT64_MAX - OXP_SLOT_NONE;
    if (index->free_first == OXP_SLOT_NONE) {
        index->free_first = slot;
    } else {
        rows[index->free_last].due_ms = INT64_MAX - slot;
    }
    index->free_last = slot;
}

static_assert(INT64_MAX - OXP_SLOT_NONE > OXP_DUE_MAX, "free rows are told from others by due_ms");

/* The row that became free first, when no reader is left from before. */
static bool has_free_row(const struct oxp_index *index) {
    return index->free_first != OXP_SLOT_NONE &&
           (uint64_t)index->table->row[index->free_first].oldest_ms < index->memory->seen_before;
}

static uint32_t take_row(struct oxp_index *index) {
    if (!has_free_row(index)) {
        return index->used++;
    }
    uint32_t slot = index->free_first;
    index->free_first = (uint32_t)(INT64_MAX - index->table->row[slot].due_ms);
    return slot;
}

static enum oxp_status reserve_row(struct oxp_index *index) {
    if (has_free_row(index) || index->used < index->table_size) {
        return OXP_OK;
    }
    void *piece;
    uint32_t size = index->table_size == 0 ? 64 : index->table_size + index->table_size / 4;
    size_t row = sizeof *index->table->row;
    if (size < index->table_size || size > INT32_MAX) {
        return OXP_ERR_FULL;
    }
    enum oxp_status status = oxp_memory_take(index->memory, sizeof *index->table + size * row, &piece);
    if (status != OXP_OK) {
        return status;
    }
    struct oxp_table *table = piece, *old = index->table;
    if (old != NULL) {
        memcpy(table->row, old->row, index->used * row);
    }
    lock(index);
    index->table = table;
    index->table_size = size;
    unlock(index);
    oxp_memory_retire(index->memory, old);
    return OXP_OK;
}

static enum oxp_status reserve_order(struct oxp_index *index) {
    struct oxp_order *order = &index->order;
    void *piece;
    if (order->count < order->size) {
        return OXP_OK;
    }
    size_t size = order->size == 0 ? 64 : order->size + order->size / 4;
    enum oxp_status status = oxp_memory_take(index->memory, size * sizeof(void *), &piece);
    if (status != OXP_OK) {
        return status;
    }
    if (order->count != 0) {
        memcpy(piece, order->series, order->count * sizeof(void *));
    }
    oxp_memory_give(index->memory, order->series);
    order->series = piece;
    order->size = size;
    return OXP_OK;
}

/* ---- Series ---- */

static bool series_is(const void *item, const void *key) {
    return oxp_labels_equal(&((const struct oxp_tsdb_series *)item)->labels, key);
}

struct oxp_tsdb_series *oxp_index_find(const struct oxp_index *index, const struct oxp_labels *labels) {
    return oxp_set_find(&index->series, labels->hash, series_is, labels);
}

/* Fills the series' labels with the index's own symbols and makes room in their lists. */
static enum oxp_status intern(struct oxp_index *index, const struct oxp_labels *labels,
                              struct oxp_tsdb_series *series) {
    enum oxp_status status = OXP_OK;
    series->labels.hash = labels->hash;
    for (uint32_t i = 0; status == OXP_OK && i < labels->count; i++) {
        struct oxp_index_value *value;
        status = value_at(index, &labels->label[i], &value);
        if (status == OXP_OK) {
            series->labels.label[i] = (struct oxp_label){&value->name->symbol, &value->symbol};
            series->labels.count = i + 1;
            status = reserve_place(index, &value->posted);
        }
    }
    return status;
}

enum oxp_status oxp_index_add(struct oxp_index *index, const struct oxp_labels *labels,
                              struct oxp_tsdb_series **series_out) {
    void *piece = NULL;
    oxp_memory_tidy(index->memory);
    enum oxp_status status = oxp_memory_take(
        index->memory, sizeof(struct oxp_tsdb_series) + labels->count * sizeof(struct oxp_label), &piece);
    struct oxp_tsdb_series *series = piece;
    status = status != OXP_OK ? status : reserve_row(index);
    status = status != OXP_OK ? status : reserve_order(index);
    status = status != OXP_OK ? status : reserve_place(index, &index->every);
    status = status != OXP_OK ? status : oxp_set_reserve(&index->series, index->memory, 1);
    status = status != OXP_OK ? status : intern(index, labels, series);
    if (status != OXP_OK) {
        for (uint32_t i = 0; series != NULL && i < series->labels.count; i++) {
            drop_value_if_unused(index, value_of(series->labels.label[i].value));
        }
        oxp_memory_give(index->memory, series);
        return status;
    }
    uint32_t slot = take_row(index);
    series->slot = slot;
    index->table->row[slot] = (struct oxp_row){.series = series, .oldest_ms = INT64_MAX, .due_ms = INT64_MIN};
    index->order.series[index->order.count++] = series;
    lock(index);
    oxp_set_put(&index->series, labels->hash, series);
    post(&index->every, slot);
    for (uint32_t i = 0; i < labels->count; i++) {
        post(&value_of(series->labels.label[i].value)->posted, slot);
    }
    unlock(index);
    *series_out = series;
    return OXP_OK;
}

/* Frees the rows of all and marks the entries that lose something. */
static void touch(struct oxp_index *index, struct oxp_tsdb_series *first) {
    for (struct oxp_tsdb_series *series = first; series != NULL;
         series = (struct oxp_tsdb_series *)series->piece.next) {
        atomic_store_explicit(&series->rank, 0, memory_order_relaxed); /* the others' will change without it */
        free_row(index, series->slot);
        series->slot = OXP_SLOT_NONE;
        oxp_set_drop(&index->series, series->labels.hash, series);
        index->every.live--;
        for (uint32_t i = 0; i < series->labels.count; i++) {
            struct oxp_index_value *value = value_of(series->labels.label[i].value);
            value->posted.live--;
            value->posted.touched = true;
        }
    }
}

/* The entries that touch() marked, each once: some are met again when they are retired already, but not freed. */
static void settle(struct oxp_index *index, const struct oxp_tsdb_series *series) {
    for (uint32_t i = 0; i < series->labels.count; i++) {
        struct oxp_index_value *value = value_of(series->labels.label[i].value);
        if (!value->posted.touched) {
            continue;
        }
        value->posted.touched = false;
        if (value->posted.live == 0) {
            drop_value_if_unused(index, value);
        } else {
            unpost_gone(index, &value->posted);
        }
    }
}

static void drop_from_order(struct oxp_order *order) {
    size_t kept = 0, sorted = 0;
    for (size_t i = 0; i < order->count; i++) {
        if (order->series[i]->slot != OXP_SLOT_NONE) {
            sorted += i < order->sorted;
            order->series[kept++] = order->series[i];
        }
    }
    order->count = kept;
    order->sorted = sorted;
}

void oxp_index_remove(struct oxp_index *index, struct oxp_tsdb_series *series) {
    if (series == NULL) {
        return;
    }
    touch(index, series);
    for (const struct oxp_tsdb_series *one = series; one != NULL; one = (struct oxp_tsdb_series *)one->piece.next) {
        settle(index, one);
    }
    unpost_gone(index, &index->every);
    drop_from_order(&index->order);
    for (struct oxp_tsdb_series *next; series != NULL; series = next) {
        next = (struct oxp_tsdb_series *)series->piece.next;
        oxp_memory_retire(index->memory, series);
    }
}

/* ---- Beginning and end ---- */

void oxp_index_init(struct oxp_index *index, struct oxp_memory *memory) {
    *index = (struct oxp_index){.memory = memory, .free_first = OXP_SLOT_NONE, .free_last = OXP_SLOT_NONE};
}

static void free_list(struct oxp_index *index, const struct oxp_posted *posted) {
    if (posted->is_list) {
        oxp_memory_give(index->memory, posted->list);
    }
}

static void free_values(struct oxp_index *index) {
    for (size_t i = 0; i < index->values.slots; i++) {
        struct oxp_index_value *value = index->values.items[i];
        if (value != NULL) {
            free_list(index, &value->posted);
            oxp_memory_give(index->memory, value);
        }
    }
    for (size_t i = 0; i < index->names.slots; i++) {
        struct oxp_index_name *name = index->names.items[i];
        if (name != NULL) {
            oxp_memory_give(index->memory, name->values);
            oxp_memory_give(index->memory, name);
        }
    }
}

void oxp_index_fini(struct oxp_index *index) {
    for (size_t i = 0; i < index->order.count; i++) {
        oxp_series_fini(index->order.series[i], index->memory);
        oxp_memory_give(index->memory, index->order.series[i]);
    }
    free_values(index);
    oxp_memory_give(index->memory, index->values.items);
    oxp_memory_give(index->memory, index->names.items);
    oxp_memory_give(index->memory, index->series.items);
    free_list(index, &index->every);
    oxp_memory_give(index->memory, index->table);
    oxp_memory_give(index->memory, index->order.series);
}
