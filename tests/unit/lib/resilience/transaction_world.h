/* For the tests of transactions: a store in memory that can be told to fail and keeps what it held after each
 * operation, undo steps that can be told to fail, a sleep that writes down how long. */
#ifndef OXP_TESTS_RESILIENCE_TRANSACTION_WORLD_H
#define OXP_TESTS_RESILIENCE_TRANSACTION_WORLD_H

#include "tests/unit/lib/resilience/notes.h"

#include <oxpecker/transaction.h>
#include <stdatomic.h>

#define V(text) OXP_VIEW(text)

/* ---- A store in memory that can be told to fail, and that keeps what it held after each operation ---- */

enum { ENTRIES = 16, VALUE_MAX = 4096, SNAPSHOTS = 64 };

struct content {
    struct {
        char key[OXP_STORE_KEY_MAX + 1], value[VALUE_MAX];
        size_t len;
    } entries[ENTRIES];
};

struct fake {
    struct oxp_store store; /* first: the store is the fake */
    struct content now;
    struct content *snapshots; /* of SNAPSHOTS, or NULL: what it held after each put and remove */
    size_t snapshot_count;
    unsigned fails_from; /* the n-th operation and all later ones fail; 0 = none */
    unsigned operations;
    bool fails_put, fails_remove, fails_get, fails_list;
    atomic_flag busy;
};

/* One caller at a time, as store.h says. */
static inline void enter(struct fake *fake) {
    assert_false(atomic_flag_test_and_set(&fake->busy));
}

static inline enum oxp_status leave(struct fake *fake, enum oxp_status status) {
    atomic_flag_clear(&fake->busy);
    return status;
}

static inline bool fails(struct fake *fake, bool told) {
    fake->operations++;
    return told || (fake->fails_from != 0 && fake->operations >= fake->fails_from);
}

static inline int find(const struct content *content, const char *key) {
    for (int i = 0; i < ENTRIES; i++) {
        if (strcmp(content->entries[i].key, key) == 0) {
            return i;
        }
    }
    return -1;
}

static inline void keep_snapshot(struct fake *fake) {
    if (fake->snapshots != NULL) {
        assert_true(fake->snapshot_count < SNAPSHOTS);
        fake->snapshots[fake->snapshot_count++] = fake->now;
    }
}

static inline enum oxp_status fake_put(struct oxp_store *store, const char *key, struct oxp_view value,
                                       struct oxp_error *error) {
    struct fake *fake = (struct fake *)store;
    enter(fake);
    if (fails(fake, fake->fails_put)) {
        return leave(fake, oxp_error_set(error, OXP_ERR_FULL, 0, 0, "no room"));
    }
    int at = find(&fake->now, key);
    at = at < 0 ? find(&fake->now, "") : at;
    assert_true(at >= 0 && value.len <= VALUE_MAX && strlen(key) <= OXP_STORE_KEY_MAX);
    snprintf(fake->now.entries[at].key, sizeof fake->now.entries[at].key, "%s", key);
    memcpy(fake->now.entries[at].value, value.ptr, value.len);
    fake->now.entries[at].len = value.len;
    keep_snapshot(fake);
    return leave(fake, OXP_OK);
}

static inline enum oxp_status fake_get(struct oxp_store *store, const char *key, size_t max_bytes, char **value_out,
                                       size_t *len_out, struct oxp_error *error) {
    struct fake *fake = (struct fake *)store;
    enter(fake);
    if (fails(fake, fake->fails_get)) {
        return leave(fake, oxp_error_set(error, OXP_ERR_IO, 0, 0, "cannot read"));
    }
    int at = find(&fake->now, key);
    if (at < 0 || fake->now.entries[at].len > max_bytes) {
        return leave(fake, at < 0 ? OXP_ERR_NOT_FOUND : OXP_ERR_LIMIT);
    }
    *value_out = malloc(fake->now.entries[at].len + 1);
    if (*value_out == NULL) {
        return leave(fake, OXP_ERR_NOMEM);
    }
    *len_out = fake->now.entries[at].len;
    memcpy(*value_out, fake->now.entries[at].value, *len_out);
    (*value_out)[*len_out] = '\0';
    return leave(fake, OXP_OK);
}

static inline enum oxp_status fake_remove(struct oxp_store *store, const char *key, struct oxp_error *error) {
    struct fake *fake = (struct fake *)store;
    enter(fake);
    if (fails(fake, fake->fails_remove)) {
        return leave(fake, oxp_error_set(error, OXP_ERR_IO, 0, 0, "cannot remove"));
    }
    int at = find(&fake->now, key);
    if (at >= 0) {
        memset(&fake->now.entries[at], 0, sizeof fake->now.entries[at]);
    }
    keep_snapshot(fake);
    return leave(fake, OXP_OK);
}

static inline enum oxp_status fake_list(struct oxp_store *store, const char *prefix,
                                        bool (*each)(void *ctx, const struct oxp_store_entry *entry), void *ctx,
                                        struct oxp_error *error) {
    struct fake *fake = (struct fake *)store;
    enter(fake);
    if (fails(fake, fake->fails_list)) {
        return leave(fake, oxp_error_set(error, OXP_ERR_IO, 0, 0, "cannot list"));
    }
    for (int i = 0; i < ENTRIES; i++) {
        const struct oxp_store_entry entry = {fake->now.entries[i].key, fake->now.entries[i].len, 0};
        if (entry.key[0] != '\0' && strncmp(entry.key, prefix, strlen(prefix)) == 0 && !each(ctx, &entry)) {
            break;
        }
    }
    return leave(fake, OXP_OK);
}

static inline void fake_init(struct fake *fake) {
    memset(fake, 0, sizeof *fake);
    fake->store = (struct oxp_store){fake_put, fake_get, fake_remove, fake_list, NULL};
    atomic_flag_clear(&fake->busy);
}

static inline size_t held(const struct fake *fake) {
    size_t count = 0;
    for (size_t i = 0; i < ENTRIES; i++) {
        count += fake->now.entries[i].key[0] != '\0';
    }
    return count;
}

/* ---- Undoing ---- */

/* What was undone ("a b "), and how often each step, by its letter, is to fail first. */
struct world {
    struct notes notes;
    char done[512];
    unsigned failures_left[128];
    char slept[256];
    bool gives_up; /* the sleep does */
    double now_s;
    unsigned undone[128]; /* times, by letter */
};

static struct world world;

static inline void world_reset(void) {
    memset(&world, 0, sizeof world);
    notes_init(&world.notes);
}

static inline struct oxp_failure *undo(void *ctx, struct oxp_view data) {
    unsigned char letter = (unsigned char)data.ptr[0];
    size_t used = strlen(world.done);
    (void)ctx;
    if (world.failures_left[letter] > 0) {
        world.failures_left[letter]--;
        struct oxp_evidence evidence = {.errno_name = V("ECONNRESET"), .message = V("link down")};
        return oxp_failure_new(&evidence, NULL);
    }
    world.undone[letter]++;
    if (used + 3 < sizeof world.done) {
        memcpy(world.done + used, (char[]){(char)letter, ' ', '\0'}, 3);
    }
    return NULL;
}

static inline double world_now(void *ctx) {
    (void)ctx;
    return world.now_s;
}

static inline bool world_sleep(void *ctx, double seconds) {
    size_t used = strlen(world.slept);
    (void)ctx;
    world.now_s += seconds;
    snprintf(world.slept + used, sizeof world.slept - used, "%g ", seconds);
    return !world.gives_up;
}

static const struct oxp_undo_kind kinds[] = {{"release", undo, NULL, NULL}, {"delete-file", undo, NULL, "none"}};

static inline struct oxp_transactions *manager_over(struct fake *fake) {
    const struct oxp_transactions_options options = {.kinds = kinds,
                                                     .kind_count = COUNT_OF(kinds),
                                                     .store = fake == NULL ? NULL : &fake->store,
                                                     .reporter = &world.notes.reporter,
                                                     .now_s = world_now,
                                                     .sleep = world_sleep};
    struct oxp_transactions *manager = NULL;
    assert_int_equal(oxp_transactions_new(&options, &manager), OXP_OK);
    return manager;
}

static inline struct oxp_transaction *begin(struct oxp_transactions *manager, const char *name) {
    static const struct oxp_ids ids = {.session = {"s1", 2}, .task = {"t1", 2}};
    struct oxp_transaction *transaction = NULL;
    assert_int_equal(oxp_transaction_begin(manager, oxp_view_from(name), &ids, &transaction), OXP_OK);
    return transaction;
}

static inline void push(struct oxp_transaction *transaction, const char *kind, const char *data) {
    assert_int_equal(oxp_transaction_push(transaction, kind, oxp_view_from(data)), OXP_OK);
}

#endif
