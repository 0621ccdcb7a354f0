/* Where checkpoints and the undo steps of transactions are kept: values of bytes by key, each written whole or not at
 * all.
 *
 * The interface is small on purpose: files in a folder (oxp_store_files_new) and Redis (oxp_store_redis_new) are the
 * two that come with the library (checkpoint.h makes them), a host may bring its own. Keys are 1 to 200 bytes of
 * letters, digits, '.', '_' and '-', and do not begin with a dot. Every function may be called from any thread, one at
 * a time for one store; it may block on a disk or a network, so callers that must not wait call it from a thread of
 * their own. */
#ifndef OXPECKER_STORE_H
#define OXPECKER_STORE_H

#include <oxpecker/api.h>
#include <oxpecker/status.h>
#include <oxpecker/view.h>
#include <stdint.h>

OXP_BEGIN_DECLS

#define OXP_STORE_KEY_MAX 200 /* bytes */

struct oxp_store_entry {
    const char *key; /* borrowed for the time of the call */
    uint64_t size;   /* bytes */
    double time_s;   /* unix time of the last write */
};

struct oxp_store {
    /* Replaces the value of `key`. When it returns OXP_OK the new value outlives a crash of the process (and, with
     * files, of the machine); otherwise the old one is still whole. OXP_ERR_INVALID (key), OXP_ERR_FULL or another
     * status of the system; `error` (may be NULL) gets the reason. */
    enum oxp_status (*put)(struct oxp_store *store, const char *key, struct oxp_view value, struct oxp_error *error);
    /* The value, to be freed with free(), NUL-terminated. OXP_ERR_NOT_FOUND, OXP_ERR_LIMIT (longer than max_bytes). */
    enum oxp_status (*get)(struct oxp_store *store, const char *key, size_t max_bytes, char **value_out,
                           size_t *len_out, struct oxp_error *error);
    /* OXP_OK also when there was none. */
    enum oxp_status (*remove)(struct oxp_store *store, const char *key, struct oxp_error *error);
    /* Calls `each` for every key that begins with `prefix`, in no order, until it returns false. */
    enum oxp_status (*list)(struct oxp_store *store, const char *prefix,
                            bool (*each)(void *ctx, const struct oxp_store_entry *entry), void *ctx,
                            struct oxp_error *error);
    void (*free)(struct oxp_store *store);
};

OXP_END_DECLS

#endif
