#include <oxpecker/checkpoint.h>
#include <pthread.h>
#include <stdlib.h>

#include "lib/base/clock.h"
#include "lib/base/map.h"
#include "lib/checkpoint/fork.h"

struct entry {
    char key[OXP_STORE_KEY_MAX + 1];
    double time_s;
    size_t len;
    char bytes[]; /* and a NUL */
};

struct memory {
    struct oxp_store store;
    const struct oxp_clock *clock;
    pthread_mutex_t lock;
    struct oxp_fork_lock fork;
    struct oxp_map entries;
};

static struct memory *memory_of(struct oxp_store *store) {
    return (struct memory *)store;
}

static enum oxp_status bad_key(struct oxp_error *error) {
    return oxp_error_set(error, OXP_ERR_INVALID, 0, 0, "not a key of a store");
}

static enum oxp_status memory_put(struct oxp_store *store, const char *key, struct oxp_view value,
                                  struct oxp_error *error) {
    struct memory *memory = memory_of(store);
    if (!oxp_store_key_is_valid(key)) {
        return bad_key(error);
    }
    struct entry *entry = value.len > SIZE_MAX / 2 ? NULL : malloc(sizeof *entry + value.len + 1);
    if (entry == NULL) {
        return oxp_error_set(error, OXP_ERR_NOMEM, 0, 0, "out of memory");
    }
    memcpy(entry->key, key, strlen(key) + 1);
    entry->time_s = oxp_wall_seconds(oxp_clock_wall(memory->clock));
    entry->len = value.len;
    if (value.len > 0) {
        memcpy(entry->bytes, value.ptr, value.len);
    }
    entry->bytes[value.len] = '\0';
    void *old = NULL;
    pthread_mutex_lock(&memory->lock);
    enum oxp_status status = oxp_map_set(&memory->entries, oxp_view_from(entry->key), entry, &old);
    pthread_mutex_unlock(&memory->lock);
    free(status == OXP_OK ? old : entry);
    return status == OXP_OK ? OXP_OK : oxp_error_set(error, status, 0, 0, "out of memory");
}

static enum oxp_status memory_get(struct oxp_store *store, const char *key, size_t max_bytes, char **value_out,
                                  size_t *len_out, struct oxp_error *error) {
    struct memory *memory = memory_of(store);
    if (!oxp_store_key_is_valid(key)) {
        return bad_key(error);
    }
    enum oxp_status status = OXP_OK;
    pthread_mutex_lock(&memory->lock);
    const struct entry *entry = oxp_map_get(&memory->entries, oxp_view_from(key));
    char *copy = NULL;
    if (entry == NULL) {
        status = OXP_ERR_NOT_FOUND;
    } else if (entry->len > max_bytes) {
        status = OXP_ERR_LIMIT;
    } else if ((copy = malloc(entry->len + 1)) == NULL) {
        status = OXP_ERR_NOMEM;
    } else {
        memcpy(copy, entry->bytes, entry->len + 1);
        *value_out = copy;
        *len_out = entry->len;
    }
    pthread_mutex_unlock(&memory->lock);
    return status == OXP_OK ? OXP_OK : oxp_error_set(error, status, 0, 0, "%s: %s", key, oxp_status_text(status));
}

static enum oxp_status memory_remove(struct oxp_store *store, const char *key, struct oxp_error *error) {
    struct memory *memory = memory_of(store);
    if (!oxp_store_key_is_valid(key)) {
        return bad_key(error);
    }
    pthread_mutex_lock(&memory->lock);
    free(oxp_map_remove(&memory->entries, oxp_view_from(key)));
    pthread_mutex_unlock(&memory->lock);
    return OXP_OK;
}

static enum oxp_status memory_list(struct oxp_store *store, const char *prefix,
                                   bool (*each)(void *ctx, const struct oxp_store_entry *entry), void *ctx,
                                   struct oxp_error *error) {
    (void)error;
    struct memory *memory = memory_of(store);
    size_t index = 0;
    const struct entry *entry;
    bool more = true;
    pthread_mutex_lock(&memory->lock);
    while (more && (entry = oxp_map_next(&memory->entries, &index)) != NULL) {
        if (strncmp(entry->key, prefix, strlen(prefix)) == 0) {
            more = each(ctx, &(struct oxp_store_entry){entry->key, entry->len, entry->time_s});
        }
    }
    pthread_mutex_unlock(&memory->lock);
    return OXP_OK;
}

static void memory_free(struct oxp_store *store) {
    struct memory *memory = memory_of(store);
    size_t index = 0;
    void *entry;
    oxp_fork_lock_remove(&memory->fork);
    while ((entry = oxp_map_next(&memory->entries, &index)) != NULL) {
        free(entry);
    }
    oxp_map_fini(&memory->entries);
    pthread_mutex_destroy(&memory->lock);
    free(memory);
}

struct oxp_store *oxp_store_memory_new(const struct oxp_clock *clock) {
    struct memory *memory = calloc(1, sizeof *memory);
    if (memory == NULL) {
        return NULL;
    }
    memory->store = (struct oxp_store){memory_put, memory_get, memory_remove, memory_list, memory_free};
    memory->clock = clock == NULL ? oxp_clock_system() : clock;
    pthread_mutex_init(&memory->lock, NULL);
    oxp_map_init(&memory->entries);
    memory->fork.lock = &memory->lock;
    oxp_fork_lock_add(&memory->fork, OXP_FORK_STORE);
    return &memory->store;
}
