/* Where a Redis is: the URLs that oxp_store_redis_new takes. Pure. */
#ifndef OXP_CHECKPOINT_REDIS_URL_H
#define OXP_CHECKPOINT_REDIS_URL_H

#include <oxpecker/status.h>
#include <oxpecker/view.h>

#define OXP_REDIS_TEXT_MAX 255

struct oxp_redis_url {
    char host[OXP_REDIS_TEXT_MAX + 1]; /* or the socket's path */
    char user[OXP_REDIS_TEXT_MAX + 1];
    char password[OXP_REDIS_TEXT_MAX + 1];
    int port; /* 0 = `host` is a path */
    unsigned db;
};

/* redis://[user:password@]host[:port][/db] (a host in brackets is an IPv6 address; a user alone with nothing behind
 * it, as in redis://secret@host, is refused: it is not plain which of the two it is) or
 * unix://[user:password@]/path[?db=N]. OXP_ERR_INVALID, OXP_ERR_UNSUPPORTED (rediss); the reason never quotes the URL.
 */
enum oxp_status oxp_redis_url_read(struct oxp_view url, struct oxp_redis_url *out, struct oxp_error *error);

#endif
