#include "lib/checkpoint/redis_api.h"

#include "lib/base/library.h"
#include <pthread.h>
#include <stddef.h>

#define TEXT_OF(x) #x
#define TEXT(x) TEXT_OF(x)
#define LIBRARY "libhiredis.so." TEXT(HIREDIS_SONAME)

static pthread_once_t load_once = PTHREAD_ONCE_INIT;
static struct oxp_redis_api api;
static bool loaded;

static const struct oxp_library_function functions[] = {
#define X(member, symbol) {#symbol, offsetof(struct oxp_redis_api, member)},
    OXP_REDIS_FUNCTIONS(X)
#undef X
};

static void load(void) {
    loaded = oxp_library_load(LIBRARY, functions, sizeof functions / sizeof functions[0], &api) != NULL;
}

const struct oxp_redis_api *oxp_redis_load(void) {
    pthread_once(&load_once, load);
    return loaded ? &api : NULL;
}
