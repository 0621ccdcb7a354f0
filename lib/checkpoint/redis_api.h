/* hiredis' functions, found at run time, inside this folder. Types come from its headers; nothing is linked. */
#ifndef OXP_CHECKPOINT_REDIS_API_H
#define OXP_CHECKPOINT_REDIS_API_H

#include <hiredis/hiredis.h>
#include <stdbool.h>

/* X(member, symbol) */
#define OXP_REDIS_FUNCTIONS(X)                                                                                         \
    X(connect, redisConnectWithTimeout)                                                                                \
    X(connect_unix, redisConnectUnixWithTimeout)                                                                       \
    X(set_timeout, redisSetTimeout)                                                                                    \
    X(append, redisAppendCommandArgv)                                                                                  \
    X(reply, redisGetReply)                                                                                            \
    X(reply_free, freeReplyObject)                                                                                     \
    X(free, redisFree)

struct oxp_redis_api {
#define X(member, symbol) __typeof__(&(symbol)) member;
    OXP_REDIS_FUNCTIONS(X)
#undef X
};

/* Loads the library once for the process, in the version whose headers this was compiled with: its structs are read.
 * NULL when it is not on this machine. Any thread. */
const struct oxp_redis_api *oxp_redis_load(void);

#endif
