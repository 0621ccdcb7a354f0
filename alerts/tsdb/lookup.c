#include "alerts/tsdb/lookup.h"

#include "lib/regex/regex.h"

#include <stdlib.h>

enum { MEMO = 128, MATCHES_PER_LOOK = 64 };

/* What a pattern said of a value, so that a value which many series share is matched once. */
struct memo {
    const struct oxp_symbol *value;
    bool accepted;
};

struct check {
    const struct oxp_matcher *matcher;
    const struct oxp_symbol *name;  /* the index's, or NULL: no series has it */
    const struct oxp_symbol *value; /* the index's, of = and !=, or NULL */
    bool without;                   /* a series without the label is accepted */
    struct memo *memo;              /* of patterns */
};

/* What was posted when the lock was held. */
struct list {
    const struct oxp_posted *of;
    union {
        const struct oxp_postings *postings;
        uint32_t slot[OXP_SLOTS_IN_PLACE];
    };
    uint32_t count;
    bool is_list;
};

struct selection {
    const struct oxp_tsdb_reader *reader;
    struct oxp_tsdb *tsdb;
    struct oxp_arena *arena;
    struct check *checks;
    size_t check_count;
    struct list *lists; /* to begin with */
    size_t list_count;
    const struct oxp_table *table;
    bool nothing;     /* a label that must be there is not in the index at all */
    unsigned matches; /* of patterns */
    bool given_up;    /* by the reader: everything is refused from then on */
    int64_t min_ms, max_ms;
    const struct oxp_tsdb_visitor *visitor; /* or NULL */
};

static void lock(const struct selection *selection) {
    pthread_mutex_lock(&selection->tsdb->memory.lock);
}

static void unlock(const struct selection *selection) {
    pthread_mutex_unlock(&selection->tsdb->memory.lock);
}

/* ---- Where to begin ---- */

static struct list list_of(const struct oxp_posted *posted) {
    struct list list = {.of = posted, .count = posted->count, .is_list = posted->is_list};
    if (list.is_list) {
        list.postings = posted->list;
    } else {
        memcpy(list.slot, posted->slot, sizeof list.slot);
    }
    return list;
}

static bool must_be_there(const struct check *check) {
    return !check->without && (check->matcher->op == OXP_MATCH_EQUAL || check->matcher->op == OXP_MATCH_REGEX);
}

static size_t literals_of(const struct check *check, const struct oxp_view **texts_out) {
    *texts_out = NULL;
    return check->matcher->op == OXP_MATCH_REGEX && !check->without
               ? oxp_regex_literals(check->matcher->regex, texts_out)
               : 0;
}

/* How many lists a check could have. */
static size_t lists_of(const struct check *check) {
    const struct oxp_view *texts;
    return check->matcher->op == OXP_MATCH_EQUAL && !check->without ? 1 : literals_of(check, &texts);
}

static enum oxp_status make_checks(struct selection *selection, const struct oxp_matcher *matchers, size_t count,
                                   size_t *most_lists_out) {
    *most_lists_out = 1;
    selection->check_count = count;
    selection->checks = oxp_arena_zero(selection->arena, count, sizeof *selection->checks);
    for (size_t i = 0; selection->checks != NULL && i < count; i++) {
        struct check *check = &selection->checks[i];
        check->matcher = &matchers[i];
        check->without = oxp_matcher_accepts(&matchers[i], oxp_view_of("", 0));
        if (matchers[i].op == OXP_MATCH_REGEX || matchers[i].op == OXP_MATCH_NOT_REGEX) {
            check->memo = oxp_arena_zero(selection->arena, MEMO, sizeof *check->memo);
        }
        size_t lists = lists_of(check);
        *most_lists_out = lists > *most_lists_out ? lists : *most_lists_out;
    }
    return oxp_arena_status(selection->arena);
}

/* What the index knows of the check's texts. Under the lock, the same time as the lists are taken: a series that comes
 * later may bring new symbols. */
static const struct oxp_index_value *resolve(const struct oxp_index *index, struct check *check) {
    const struct oxp_index_name *name = oxp_index_name(index, check->matcher->name);
    const struct oxp_index_value *value = NULL;
    if (name != NULL && check->memo == NULL) {
        value = oxp_index_value(index, name, oxp_symbol_view(check->matcher->value), check->matcher->value->hash);
    }
    check->name = name == NULL ? NULL : &name->symbol;
    check->value = value == NULL ? NULL : &value->symbol;
    return value;
}

static void resolve_all(struct selection *selection) {
    for (size_t i = 0; i < selection->check_count; i++) {
        resolve(&selection->tsdb->index, &selection->checks[i]);
    }
    selection->table = selection->tsdb->index.table;
}

/* The lists of one check into `lists`; how many series they name. Under the lock. */
static uint64_t look_up(const struct selection *selection, struct check *check, struct list *lists, size_t *count_out) {
    const struct oxp_index *index = &selection->tsdb->index;
    const struct oxp_index_value *value = resolve(index, check);
    const struct oxp_index_name *name = oxp_index_name(index, check->matcher->name);
    const struct oxp_view *texts;
    uint64_t series = 0;
    size_t count = 0, literals = name == NULL ? 0 : literals_of(check, &texts);
    if (value != NULL) {
        lists[count++] = list_of(&value->posted);
        series = value->posted.count;
    }
    for (size_t i = 0; i < literals; i++) {
        value = oxp_index_value(index, name, texts[i], oxp_symbol_hash(texts[i]));
        if (value != NULL) {
            lists[count++] = list_of(&value->posted);
            series += value->posted.count;
        }
    }
    *count_out = count;
    return series;
}

/* Chooses the shortest. `lists` and `spare` have room for those of any check. True when one was found. */
static bool choose(struct selection *selection, struct list *lists, struct list *spare) {
    uint64_t least = UINT64_MAX;
    lock(selection);
    selection->table = selection->tsdb->index.table;
    for (size_t i = 0; i < selection->check_count && !selection->nothing; i++) {
        struct check *check = &selection->checks[i];
        size_t count;
        uint64_t series = look_up(selection, check, spare, &count);
        selection->nothing = must_be_there(check) && (check->name == NULL || (lists_of(check) != 0 && count == 0));
        if (lists_of(check) != 0 && series < least) {
            struct list *other = lists;
            lists = spare;
            spare = other;
            least = series;
            selection->lists = lists;
            selection->list_count = count;
        }
    }
    unlock(selection);
    return least != UINT64_MAX;
}

static void begin_with_every(struct selection *selection, struct list *list) {
    lock(selection);
    resolve_all(selection);
    *list = list_of(&selection->tsdb->index.every);
    unlock(selection);
    selection->lists = list;
    selection->list_count = 1;
}

static bool pattern_accepts(struct selection *selection, struct check *check, const struct oxp_symbol *value) {
    struct memo *memo = &check->memo[((uintptr_t)value >> 4) % MEMO];
    const struct oxp_tsdb_reader *reader = selection->reader;
    if (memo->value != value) {
        if (reader->give_up != NULL && ++selection->matches % MATCHES_PER_LOOK == 0) {
            selection->given_up = selection->given_up || reader->give_up(reader->give_up_ctx);
        }
        if (selection->given_up) {
            return false;
        }
        *memo = (struct memo){value, oxp_matcher_accepts(check->matcher, oxp_symbol_view(value))};
    }
    return memo->accepted;
}

struct named_list {
    const struct oxp_symbol *value;
    struct list list;
};

/* All values of the check's name with their lists. The lock is not held while room is made. */
static enum oxp_status all_values(struct selection *selection, const struct check *check, struct named_list **all_out,
                                  size_t *count_out) {
    size_t room = 0, count = 0;
    *all_out = NULL;
    for (;;) {
        lock(selection);
        const struct oxp_index_name *name = oxp_index_name(&selection->tsdb->index, check->matcher->name);
        count = name == NULL ? 0 : name->count;
        for (size_t i = 0; count <= room && i < count; i++) {
            (*all_out)[i] = (struct named_list){&name->values[i]->symbol, list_of(&name->values[i]->posted)};
        }
        resolve_all(selection);
        unlock(selection);
        *count_out = count;
        if (count <= room) {
            return OXP_OK;
        }
        room = count + count / 8 + 8;
        *all_out = oxp_arena_take(selection->arena, room * sizeof **all_out);
        if (*all_out == NULL) {
            return oxp_arena_status(selection->arena);
        }
    }
}

static enum oxp_status begin_with_pattern(struct selection *selection, struct check *check) {
    struct named_list *all;
    size_t count = 0;
    enum oxp_status status = all_values(selection, check, &all, &count);
    if (status != OXP_OK) {
        return status;
    }
    selection->lists = oxp_arena_take(selection->arena, count * sizeof *selection->lists);
    if (selection->lists == NULL) {
        return oxp_arena_status(selection->arena);
    }
    for (size_t i = 0; i < count; i++) {
        if (pattern_accepts(selection, check, all[i].value)) {
            selection->lists[selection->list_count++] = all[i].list;
        }
    }
    return selection->given_up ? OXP_ERR_TIMEOUT : OXP_OK;
}

static int by_address(const void *a, const void *b) {
    const struct list *x = a, *y = b;
    return ((uintptr_t)x->of > (uintptr_t)y->of) - ((uintptr_t)x->of < (uintptr_t)y->of);
}

/* A pattern may name a value twice. */
static void drop_doubles(struct selection *selection) {
    size_t kept = 0;
    qsort(selection->lists, selection->list_count, sizeof *selection->lists, by_address);
    for (size_t i = 0; i < selection->list_count; i++) {
        if (kept == 0 || selection->lists[kept - 1].of != selection->lists[i].of) {
            selection->lists[kept++] = selection->lists[i];
        }
    }
    selection->list_count = kept;
}

static enum oxp_status begin(struct selection *selection, const struct oxp_matcher *matchers, size_t count) {
    size_t most = 0;
    enum oxp_status status = make_checks(selection, matchers, count, &most);
    struct list *lists = oxp_arena_take(selection->arena, 2 * most * sizeof *lists);
    if (status != OXP_OK || lists == NULL) {
        return oxp_arena_status(selection->arena);
    }
    if (choose(selection, lists, lists + most) || selection->nothing) {
        if (selection->list_count > 1) {
            drop_doubles(selection);
        }
        return OXP_OK;
    }
    for (size_t i = 0; i < count; i++) {
        if (must_be_there(&selection->checks[i])) {
            return begin_with_pattern(selection, &selection->checks[i]);
        }
    }
    begin_with_every(selection, lists);
    return OXP_OK;
}

/* ---- Which of them ---- */

static const struct oxp_symbol *value_under(const struct oxp_labels *labels, const struct oxp_symbol *name) {
    for (uint32_t i = 0; i < labels->count; i++) {
        if (labels->label[i].name == name) {
            return labels->label[i].value;
        }
    }
    return NULL;
}

static bool passes(struct selection *selection, const struct oxp_labels *labels) {
    for (size_t i = 0; i < selection->check_count; i++) {
        struct check *check = &selection->checks[i];
        const struct oxp_symbol *value = value_under(labels, check->name);
        bool accepted;
        if (value == NULL) {
            accepted = check->without;
        } else if (check->memo != NULL) {
            accepted = pattern_accepts(selection, check, value);
        } else {
            accepted = (value == check->value) == (check->matcher->op == OXP_MATCH_EQUAL);
        }
        if (!accepted) {
            return false;
        }
    }
    return true;
}

static enum oxp_status add_result(struct selection *selection, struct oxp_lookup_results *results,
                                  const struct oxp_tsdb_series *series) {
    if (selection->visitor != NULL) {
        selection->visitor->visit(selection->visitor->ctx, &(struct oxp_tsdb_found){&series->labels, series});
        return OXP_OK;
    }
    if (results->count == results->room) {
        size_t room = results->room == 0 ? 32 : results->room * 2;
        void *grown = oxp_arena_grow(selection->arena, results->found, results->room, room, sizeof *results->found);
        if (grown == NULL) {
            return oxp_arena_status(selection->arena);
        }
        results->found = grown;
        results->room = room;
    }
    results->found[results->count++] = (struct oxp_tsdb_found){&series->labels, series};
    return OXP_OK;
}

static enum oxp_status walk(struct selection *selection, const struct list *list, struct oxp_lookup_results *results) {
    enum oxp_status status = OXP_OK;
    for (uint32_t i = 0; status == OXP_OK && i < list->count; i++) {
        uint32_t slot =
            list->is_list ? atomic_load_explicit(&list->postings->slot[i], memory_order_relaxed) : list->slot[i];
        if (slot == OXP_SLOT_NONE) {
            continue;
        }
        const struct oxp_tsdb_series *series = selection->table->row[slot].series;
        if (passes(selection, &series->labels) && oxp_series_reaches(series, selection->min_ms, selection->max_ms)) {
            status = add_result(selection, results, series);
        }
        status = selection->given_up ? OXP_ERR_TIMEOUT : status;
    }
    return status;
}

enum oxp_status oxp_lookup_run(const struct oxp_lookup *lookup, struct oxp_lookup_results *results) {
    struct selection selection = {.reader = lookup->reader,
                                  .tsdb = lookup->reader->tsdb,
                                  .arena = lookup->arena,
                                  .visitor = lookup->visitor,
                                  .min_ms = lookup->min_ms,
                                  .max_ms = lookup->max_ms};
    enum oxp_status status = begin(&selection, lookup->matchers, lookup->count);
    for (size_t i = 0; status == OXP_OK && !selection.nothing && i < selection.list_count; i++) {
        status = walk(&selection, &selection.lists[i], results);
    }
    return status;
}
