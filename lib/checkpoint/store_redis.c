/* Values in Redis, each a hash of two fields: `value`, and `time` as unix seconds. HSET sets both in one step.
 *
 * A child of fork has its own connection: the old one is the parent's, and is only closed there. */
#include <oxpecker/checkpoint.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/map.h"
#include "lib/base/number.h"
#include "lib/checkpoint/fork.h"
#include "lib/checkpoint/redis_link.h"

#define PAGE 256 /* keys asked about in one exchange, about */

struct redis {
    struct oxp_store store;
    char prefix[OXP_STORE_KEY_MAX + 1];
    pthread_mutex_t lock; /* guards the link */
    struct oxp_fork_lock fork;
    struct oxp_redis_link link;
};

static struct redis *redis_of(struct oxp_store *store) {
    return (struct redis *)store;
}

/* ---- The store ---- */

struct full_key {
    char text[2 * OXP_STORE_KEY_MAX + 2];
    struct oxp_view view;
};

static bool make_key(const struct redis *redis, const char *key, struct full_key *out) {
    if (!oxp_store_key_is_valid(key)) {
        return false;
    }
    int len = snprintf(out->text, sizeof out->text, "%s%s", redis->prefix, key);
    out->view = oxp_view_of(out->text, (size_t)len);
    return true;
}

static enum oxp_status bad_key(struct oxp_error *error) {
    return oxp_error_set(error, OXP_ERR_INVALID, 0, 0, "not a key of a store");
}

/* Sends a command whose answer says only that it was done. */
static enum oxp_status tell(struct redis *redis, const struct oxp_redis_words *command, struct oxp_error *error) {
    redisReply *reply = NULL;
    pthread_mutex_lock(&redis->lock);
    enum oxp_status status = oxp_redis_ask(&redis->link, command, &reply, error);
    pthread_mutex_unlock(&redis->lock);
    if (reply != NULL) {
        redis->link.api->reply_free(reply);
    }
    return status;
}

static enum oxp_status redis_put(struct oxp_store *store, const char *key, struct oxp_view value,
                                 struct oxp_error *error) {
    struct redis *redis = redis_of(store);
    struct full_key full;
    if (!make_key(redis, key, &full)) {
        return bad_key(error);
    }
    char now[OXP_NUMBER_MAX];
    size_t now_len = oxp_number_from_double(now, oxp_clock_wall_s(NULL));
    struct oxp_redis_words command = oxp_redis_words_of(OXP_VIEW("HSET"));
    oxp_redis_add_word(&command, full.view);
    oxp_redis_add_word(&command, OXP_VIEW("value"));
    oxp_redis_add_word(&command, value);
    oxp_redis_add_word(&command, OXP_VIEW("time"));
    oxp_redis_add_word(&command, oxp_view_of(now, now_len));
    return tell(redis, &command, error);
}

static enum oxp_status copy_value(const redisReply *reply, size_t max_bytes, char **value_out, size_t *len_out) {
    if (reply->type != REDIS_REPLY_STRING) {
        return reply->type == REDIS_REPLY_NIL ? OXP_ERR_NOT_FOUND : OXP_ERR_CORRUPT;
    }
    if (reply->len > max_bytes) {
        return OXP_ERR_LIMIT;
    }
    char *value = malloc(reply->len + 1);
    if (value == NULL) {
        return OXP_ERR_NOMEM;
    }
    memcpy(value, reply->str, reply->len);
    value[reply->len] = '\0';
    *value_out = value;
    *len_out = reply->len;
    return OXP_OK;
}

static enum oxp_status get_locked(struct redis *redis, struct oxp_view key, size_t max_bytes, char **value_out,
                                  size_t *len_out, struct oxp_error *error) {
    struct oxp_redis_words length = oxp_redis_words_of(OXP_VIEW("HSTRLEN"));
    oxp_redis_add_word(&length, key);
    oxp_redis_add_word(&length, OXP_VIEW("value"));
    redisReply *reply = NULL;
    enum oxp_status status = oxp_redis_ask(&redis->link, &length, &reply, error);
    if (reply == NULL) {
        return status;
    }
    bool too_long = reply->type == REDIS_REPLY_INTEGER && (unsigned long long)reply->integer > max_bytes;
    redis->link.api->reply_free(reply);
    if (too_long) {
        return oxp_error_set(error, OXP_ERR_LIMIT, 0, 0, "Redis: the value is longer than %zu bytes", max_bytes);
    }
    struct oxp_redis_words get = oxp_redis_words_of(OXP_VIEW("HGET"));
    oxp_redis_add_word(&get, key);
    oxp_redis_add_word(&get, OXP_VIEW("value"));
    status = oxp_redis_ask(&redis->link, &get, &reply, error);
    if (status == OXP_OK) {
        status = copy_value(reply, max_bytes, value_out, len_out);
        redis->link.api->reply_free(reply);
        status = status == OXP_OK ? OXP_OK : oxp_error_set(error, status, 0, 0, "Redis: %s", oxp_status_text(status));
    }
    return status;
}

static enum oxp_status redis_get(struct oxp_store *store, const char *key, size_t max_bytes, char **value_out,
                                 size_t *len_out, struct oxp_error *error) {
    struct redis *redis = redis_of(store);
    struct full_key full;
    if (!make_key(redis, key, &full)) {
        return bad_key(error);
    }
    pthread_mutex_lock(&redis->lock);
    enum oxp_status status = get_locked(redis, full.view, max_bytes, value_out, len_out, error);
    pthread_mutex_unlock(&redis->lock);
    return status;
}

static enum oxp_status redis_remove(struct oxp_store *store, const char *key, struct oxp_error *error) {
    struct redis *redis = redis_of(store);
    struct full_key full;
    if (!make_key(redis, key, &full)) {
        return bad_key(error);
    }
    struct oxp_redis_words command = oxp_redis_words_of(OXP_VIEW("DEL"));
    oxp_redis_add_word(&command, full.view);
    return tell(redis, &command, error);
}

/* ---- Listing: pages of SCAN, and for each page one exchange that asks for sizes and times. SCAN may give a key
 * twice. ---- */

struct listing {
    struct redis *redis;
    char pattern[4 * OXP_STORE_KEY_MAX + 8];
    char cursor[32];
    struct oxp_map seen; /* key to its own malloc'd text */
    bool (*each)(void *ctx, const struct oxp_store_entry *entry);
    void *ctx;
    bool more;
};

/* Glob signs stand for themselves behind a backslash (the manual of KEYS). */
static void make_pattern(struct listing *listing, const char *prefix) {
    size_t len = 0;
    const char *parts[] = {listing->redis->prefix, prefix};
    for (size_t part = 0; part < 2; part++) {
        for (const char *c = parts[part]; *c != '\0' && len + 4 < sizeof listing->pattern; c++) {
            if (strchr("*?[]\\^", *c) != NULL) {
                listing->pattern[len++] = '\\';
            }
            listing->pattern[len++] = *c;
        }
    }
    listing->pattern[len++] = '*';
    listing->pattern[len] = '\0';
}

static enum oxp_status say_key(struct listing *listing, struct oxp_view full, const redisReply *size,
                               const redisReply *time) {
    size_t prefix = strlen(listing->redis->prefix);
    if (full.len <= prefix || full.len - prefix > OXP_STORE_KEY_MAX || size->type != REDIS_REPLY_INTEGER ||
        time->type != REDIS_REPLY_STRING) {
        return OXP_OK; /* somebody else's, or gone meanwhile */
    }
    char *key = malloc(full.len - prefix + 1);
    if (key == NULL) {
        return OXP_ERR_NOMEM;
    }
    memcpy(key, full.ptr + prefix, full.len - prefix);
    key[full.len - prefix] = '\0';
    struct oxp_view name = oxp_view_from(key);
    bool known = oxp_map_get(&listing->seen, name) != NULL;
    enum oxp_status status = known ? OXP_OK : oxp_map_set(&listing->seen, name, key, NULL);
    if (known || status != OXP_OK || !oxp_store_key_is_valid(key)) {
        if (known || status != OXP_OK) {
            free(key);
        }
        return status;
    }
    double time_s = 0;
    (void)oxp_number_parse_json(oxp_view_of(time->str, time->len), &time_s);
    listing->more = listing->each(listing->ctx, &(struct oxp_store_entry){key, (uint64_t)size->integer, time_s});
    return OXP_OK;
}

static enum oxp_status say_page(struct listing *listing, const redisReply *keys, struct oxp_error *error) {
    enum oxp_status status = OXP_OK;
    size_t count = 2 * keys->elements;
    struct oxp_redis_words *commands = calloc(count + 1, sizeof *commands);
    void **replies = calloc(count + 1, sizeof *replies);
    if (commands == NULL || replies == NULL) {
        status = OXP_ERR_NOMEM;
    }
    for (size_t i = 0; i < keys->elements && status == OXP_OK; i++) {
        const redisReply *key = keys->element[i];
        const char *const verbs[2] = {"HSTRLEN", "HGET"}, *const fields[2] = {"value", "time"};
        for (size_t k = 0; k < 2; k++) {
            commands[2 * i + k] = oxp_redis_words_of(oxp_view_from(verbs[k]));
            oxp_redis_add_word(&commands[2 * i + k], oxp_view_of(key->str, key->len));
            oxp_redis_add_word(&commands[2 * i + k], oxp_view_from(fields[k]));
        }
    }
    if (status == OXP_OK && count > 0) {
        status = oxp_redis_exchange(&listing->redis->link, commands, count, replies, error);
    }
    for (size_t i = 0; i < keys->elements && status == OXP_OK && listing->more; i++) {
        struct oxp_view full = {keys->element[i]->str, keys->element[i]->len};
        status = say_key(listing, full, replies[2 * i], replies[2 * i + 1]);
    }
    if (replies != NULL) {
        oxp_redis_free_replies(&listing->redis->link, replies, count);
    }
    free(replies);
    free(commands);
    return status;
}

/* The shape of SCAN's answer: a cursor, and a list of texts. */
static bool is_page(const redisReply *reply) {
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2 || reply->element[0]->type != REDIS_REPLY_STRING ||
        reply->element[0]->len >= sizeof((struct listing *)0)->cursor || reply->element[1]->type != REDIS_REPLY_ARRAY) {
        return false;
    }
    for (size_t i = 0; i < reply->element[1]->elements; i++) {
        if (reply->element[1]->element[i]->type != REDIS_REPLY_STRING) {
            return false;
        }
    }
    return true;
}

static enum oxp_status list_page(struct listing *listing, struct oxp_error *error) {
    struct oxp_redis_words scan = oxp_redis_words_of(OXP_VIEW("SCAN"));
    oxp_redis_add_word(&scan, oxp_view_from(listing->cursor));
    oxp_redis_add_word(&scan, OXP_VIEW("MATCH"));
    oxp_redis_add_word(&scan, oxp_view_from(listing->pattern));
    oxp_redis_add_word(&scan, OXP_VIEW("COUNT"));
    char count[OXP_NUMBER_MAX];
    oxp_redis_add_word(&scan, oxp_view_of(count, oxp_number_from_u64(count, PAGE)));
    redisReply *reply = NULL;
    enum oxp_status status = oxp_redis_ask(&listing->redis->link, &scan, &reply, error);
    if (reply == NULL) {
        return status;
    }
    if (is_page(reply)) {
        memcpy(listing->cursor, reply->element[0]->str, reply->element[0]->len + 1);
        status = say_page(listing, reply->element[1], error);
    } else {
        status = oxp_error_set(error, OXP_ERR_IO, 0, 0, "Redis: an answer to SCAN that is none");
    }
    listing->redis->link.api->reply_free(reply);
    return status;
}

static enum oxp_status redis_list(struct oxp_store *store, const char *prefix,
                                  bool (*each)(void *ctx, const struct oxp_store_entry *entry), void *ctx,
                                  struct oxp_error *error) {
    struct redis *redis = redis_of(store);
    struct listing listing = {.redis = redis, .cursor = "0", .each = each, .ctx = ctx, .more = true};
    if (strlen(prefix) > OXP_STORE_KEY_MAX) {
        return bad_key(error);
    }
    make_pattern(&listing, prefix);
    oxp_map_init(&listing.seen);
    enum oxp_status status;
    pthread_mutex_lock(&redis->lock);
    do {
        status = list_page(&listing, error);
    } while (status == OXP_OK && listing.more && strcmp(listing.cursor, "0") != 0);
    pthread_mutex_unlock(&redis->lock);
    size_t index = 0;
    void *key;
    while ((key = oxp_map_next(&listing.seen, &index)) != NULL) {
        free(key);
    }
    oxp_map_fini(&listing.seen);
    return status == OXP_ERR_NOMEM ? oxp_error_set(error, status, 0, 0, "out of memory") : status;
}

static void redis_free(struct oxp_store *store) {
    struct redis *redis = redis_of(store);
    oxp_fork_lock_remove(&redis->fork);
    oxp_redis_disconnect(&redis->link);
    pthread_mutex_destroy(&redis->lock);
    free(redis);
}

/* The connection is the parent's. Its memory may be half changed when the fork did not wait long enough; it is small
 * and is left alone. */
static void redis_in_child(void *ctx, bool at_rest) {
    struct redis *redis = ctx;
    if (redis->link.connection == NULL) {
        return;
    }
    if (at_rest) {
        oxp_redis_disconnect(&redis->link); /* closes the descriptor; nothing is said to the server */
    } else {
        close(redis->link.fd);
        redis->link.connection = NULL;
    }
}

enum oxp_status oxp_store_redis_new(const char *url, const struct oxp_store_redis_options *options,
                                    struct oxp_store **store_out, struct oxp_error *error) {
    struct oxp_redis_url read;
    enum oxp_status status = oxp_redis_url_read(oxp_view_from(url), &read, error);
    const char *prefix = options == NULL || options->prefix == NULL ? "oxpecker:" : options->prefix;
    if (status == OXP_OK && strlen(prefix) > OXP_STORE_KEY_MAX) {
        status = oxp_error_set(error, OXP_ERR_INVALID, 0, 0, "the key prefix is longer than %d", OXP_STORE_KEY_MAX);
    }
    if (status != OXP_OK) {
        return status;
    }
    const struct oxp_redis_api *api = oxp_redis_load();
    if (api == NULL) {
        return oxp_error_set(error, OXP_ERR_UNSUPPORTED, 0, 0, "libhiredis is not on this machine");
    }
    struct redis *redis = calloc(1, sizeof *redis);
    if (redis == NULL) {
        return oxp_error_set(error, OXP_ERR_NOMEM, 0, 0, "out of memory");
    }
    unsigned timeout_ms = options == NULL || options->timeout_ms == 0 ? 2000 : options->timeout_ms;
    redis->store = (struct oxp_store){redis_put, redis_get, redis_remove, redis_list, redis_free};
    redis->link = (struct oxp_redis_link){.api = api, .url = read};
    memcpy(redis->prefix, prefix, strlen(prefix) + 1);
    redis->link.timeout = (struct timeval){(time_t)(timeout_ms / 1000), (suseconds_t)(timeout_ms % 1000) * 1000};
    pthread_mutex_init(&redis->lock, NULL);
    redis->fork = (struct oxp_fork_lock){.lock = &redis->lock, .in_child = redis_in_child, .ctx = redis};
    oxp_fork_lock_add(&redis->fork, OXP_FORK_STORE);
    *store_out = &redis->store;
    return OXP_OK;
}
