/* The connection of a Redis store: commands there, replies back. Owned by one thread at a time. */
#ifndef OXP_CHECKPOINT_REDIS_LINK_H
#define OXP_CHECKPOINT_REDIS_LINK_H

#include <oxpecker/status.h>
#include <oxpecker/view.h>

#include "lib/checkpoint/redis_api.h"
#include "lib/checkpoint/redis_url.h"

#define OXP_REDIS_WORDS 8

struct oxp_redis_link {
    const struct oxp_redis_api *api;
    struct oxp_redis_url url;
    struct timeval timeout;   /* of connecting and of each answer */
    redisContext *connection; /* NULL = none */
    int fd;                   /* of it */
};

/* One command. Its words are borrowed until it has been sent. */
struct oxp_redis_words {
    const char *text[OXP_REDIS_WORDS];
    size_t len[OXP_REDIS_WORDS];
    int count;
};

static inline struct oxp_redis_words oxp_redis_words_of(struct oxp_view first) {
    return (struct oxp_redis_words){{first.ptr}, {first.len}, 1};
}

/* At most OXP_REDIS_WORDS in all. */
static inline void oxp_redis_add_word(struct oxp_redis_words *words, struct oxp_view word) {
    words->text[words->count] = word.len == 0 ? "" : word.ptr;
    words->len[words->count++] = word.len;
}

/* Sends all commands and takes as many replies (redisReply, for oxp_redis_free_replies); connects first when there is
 * no connection. `replies` comes in as NULLs. On failure there is neither a reply nor a connection left:
 * OXP_ERR_CLOSED, OXP_ERR_TIMEOUT, OXP_ERR_DENIED (AUTH), OXP_ERR_NOMEM, … with the reason. No SIGPIPE comes of it. */
enum oxp_status oxp_redis_exchange(struct oxp_redis_link *link, const struct oxp_redis_words *commands, size_t count,
                                   void **replies, struct oxp_error *error);
/* One command; an error reply is a failure, too. `*reply_out` is NULL on failure. */
enum oxp_status oxp_redis_ask(struct oxp_redis_link *link, const struct oxp_redis_words *command,
                              redisReply **reply_out, struct oxp_error *error);
/* Frees those that are not NULL. */
void oxp_redis_free_replies(const struct oxp_redis_link *link, void **replies, size_t count);
void oxp_redis_disconnect(struct oxp_redis_link *link);

#endif
