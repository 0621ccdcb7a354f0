#include "lib/checkpoint/redis_api.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stddef.h>
#include <string.h>

#define TEXT_OF(x) #x
#define TEXT(x) TEXT_OF(x)
#define LIBRARY "libhiredis.so." TEXT(HIREDIS_SONAME)

static pthread_once_t load_once = PTHREAD_ONCE_INIT;
static struct oxp_redis_api api;
static bool loaded;

static const struct {
    const char *symbol;
    size_t offset;
} functions[] = {
#define X(member, symbol) {#symbol, offsetof(struct oxp_redis_api, member)},
    OXP_REDIS_FUNCTIONS(X)
#undef X
};

static void load(void) {
    void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        return;
    }
    loaded = true;
    for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
        void *function = dlsym(library, functions[i].symbol);
        memcpy((char *)&api + functions[i].offset, &function, sizeof function);
        loaded = loaded && function != NULL;
    }
    if (!loaded) {
        dlclose(library);
    }
}

const struct oxp_redis_api *oxp_redis_load(void) {
    pthread_once(&load_once, load);
    return loaded ? &api : NULL;
}
